//! Cross-origin resource sharing (Fetch, section 3.3).
