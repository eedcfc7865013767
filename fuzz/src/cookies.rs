//! A Cookie field is read as a plain model and the `cookie` crate read it, and what a builder sets is read back as it was meant.

use wireline::service::cookie::{CookieBuilder, Cookies};

/// Input: an octet of flags, then a Cookie field. Its lines are the name, the value, the path, the domain and the SameSite of a cookie to
/// be set.
///
/// # Panics
///
/// When a cookie is read otherwise, or when one that was built says something else than it was told.
pub fn cookies(data: &[u8]) {
    let Some((flags, field)) = data.split_first() else {
        return;
    };
    read(field);
    if let Ok(text) = std::str::from_utf8(field) {
        set(*flags, text);
    }
}

fn read(field: &[u8]) {
    let cookies = Cookies::parse(field);
    let found: Vec<(&str, &str)> = cookies.iter().collect();
    let model = model(field);
    let kept = &model[..model.len().min(Cookies::MOST)];
    assert_eq!(found, kept);
    assert_eq!(cookies.is_cut(), model.len() > Cookies::MOST);
    for (name, _) in &found {
        let first = found.iter().find(|(other, _)| other == name);
        assert_eq!(cookies.get(name), first.map(|(_, value)| *value));
    }
    // The crate takes other white space for spaces.
    let is_plain = |octet: &u8| matches!(octet, b'\t' | b' '..=b'~');
    if let Ok(text) = std::str::from_utf8(field)
        && field.iter().all(is_plain)
        && !cookies.is_cut()
    {
        let theirs: Vec<cookie::Cookie<'_>> = cookie::Cookie::split_parse(text)
            .filter_map(Result::ok)
            .collect();
        let theirs: Vec<(&str, &str)> = theirs.iter().map(cookie::Cookie::name_value).collect();
        assert_eq!(found, theirs);
    }
}

/// Octet by octet, and as slow as it likes.
fn model(field: &[u8]) -> Vec<(&str, &str)> {
    let mut pairs = Vec::new();
    for pair in field.split(|octet| *octet == b';') {
        let Some(equals) = pair.iter().position(|octet| *octet == b'=') else {
            continue;
        };
        let name = std::str::from_utf8(&pair[..equals]).map(|text| text.trim_matches([' ', '\t']));
        let value =
            std::str::from_utf8(&pair[equals + 1..]).map(|text| text.trim_matches([' ', '\t']));
        if let (Ok(name), Ok(value)) = (name, value)
            && !name.is_empty()
        {
            pairs.push((name, value));
        }
    }
    pairs
}

fn set(flags: u8, text: &str) {
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (name, value, path, domain, same_site) = (next(), next(), next(), next(), next());
    let mut builder = CookieBuilder::new(name, value);
    // Every attribute that is given stands behind a semicolon of its own.
    let mut attributes = 0;
    if !path.is_empty() {
        builder = builder.path(path);
        attributes += 1;
    }
    if !domain.is_empty() {
        builder = builder.domain(domain);
        attributes += 1;
    }
    if !same_site.is_empty() {
        builder = builder.same_site(same_site);
        attributes += 1;
    }
    if flags & 1 != 0 {
        builder = builder.secure();
        attributes += 1;
    }
    if flags & 2 != 0 {
        builder = builder.http_only();
        attributes += 1;
    }
    if flags & 4 != 0 {
        builder = builder.max_age(u64::from(flags) << 56);
        attributes += 1;
    }
    let Ok(cookie) = builder.build() else {
        return;
    };
    let line = cookie.to_string();
    assert!(
        line.bytes().all(|octet| (0x20..0x7f).contains(&octet)),
        "{line}"
    );
    assert_eq!(line.matches(';').count(), attributes, "{line}");
    let read = cookie::Cookie::parse(line.as_str()).expect("a cookie");
    assert_eq!(read.name_value(), (name, value));
    assert_eq!(read.secure().unwrap_or_default(), flags & 1 != 0);
    assert_eq!(read.http_only().unwrap_or_default(), flags & 2 != 0);
    assert_eq!(read.max_age().is_some(), flags & 4 != 0);
    // Browsers, too, take the spaces around an attribute and the dot before a domain away.
    assert_eq!(read.path().unwrap_or_default(), path.trim_end_matches(' '));
    let domain = domain.strip_prefix('.').unwrap_or(domain);
    assert_eq!(read.domain().unwrap_or_default(), domain);
    if let Some(read) = read.same_site() {
        assert!(same_site.eq_ignore_ascii_case(&read.to_string()));
    }
    // And it comes back.
    let back = Cookies::parse(format!("{name}={value}").as_bytes());
    assert_eq!(back.get(name), Some(value));
    let begins = |prefix: &str| name.to_ascii_lowercase().starts_with(prefix);
    assert!(!begins("__secure-") || flags & 1 != 0);
    assert!(!begins("__host-") || (flags & 1 != 0 && path == "/" && domain.is_empty()));
}
