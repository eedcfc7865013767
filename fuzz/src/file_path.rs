//! The path of a file never leaves its root, and is what a plain reading of the request's path gives.

use wireline::files::path::resolve;

/// Input: what of a request's path is behind the mount; the first octet says whether names may begin with a dot.
///
/// # Panics
///
/// When a path is given that could lead out of the root, or another than the model's.
pub fn file_path(data: &[u8]) {
    let Some((first, raw)) = data.split_first() else {
        return;
    };
    let dotfiles = first % 2 == 1;
    let found = resolve(raw, dotfiles);
    let expected = model(raw, dotfiles);
    let place = found
        .as_ref()
        .map(|place| (place.path.as_ref(), place.is_directory));
    let wanted = expected
        .as_ref()
        .map(|(path, is_directory)| (path.as_str(), *is_directory));
    assert_eq!(place, wanted, "{}", raw.escape_ascii());
    let Some((path, _)) = place else {
        return;
    };
    // As the system will read it: a walk that never rises.
    let parts = std::path::Path::new(path).components();
    for part in parts {
        assert!(matches!(part, std::path::Component::Normal(_)), "{path}");
    }
    assert!(path.len() <= 4095 && !path.contains(['\0', '\\']) && !path.starts_with('/'));
}

/// Segment by segment, octet by octet.
fn model(raw: &[u8], dotfiles: bool) -> Option<(String, bool)> {
    if raw.is_empty() {
        return Some((String::new(), true));
    }
    let mut segments: Vec<&[u8]> = raw.split(|octet| *octet == b'/').collect();
    let is_directory = segments.len() > 1 && segments.last().is_some_and(|last| last.is_empty());
    if is_directory {
        segments.pop();
    }
    let mut names = Vec::new();
    for segment in &segments {
        let mut name = Vec::new();
        let mut rest = segment.iter();
        while let Some(octet) = rest.next() {
            name.push(if *octet == b'%' {
                let high = char::from(*rest.next()?).to_digit(16)?;
                let low = char::from(*rest.next()?).to_digit(16)?;
                let octet = u8::try_from(high * 16 + low).ok()?;
                if octet.is_ascii_alphanumeric() || b"-._".contains(&octet) {
                    return None;
                }
                octet
            } else {
                *octet
            });
        }
        let name = String::from_utf8(name).ok()?;
        let is_bad = |character: char| character.is_ascii_control() || "/\\".contains(character);
        if name.is_empty()
            || name == "."
            || name == ".."
            || name.len() > 255
            || name.contains(is_bad)
        {
            return None;
        }
        if name.starts_with('.') && !dotfiles {
            return None;
        }
        names.push(name);
    }
    let path = names.join("/");
    (names.len() <= 128 && path.len() <= 4095 && raw.len() <= 3 * 4095)
        .then_some((path, is_directory))
}
