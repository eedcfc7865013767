//! Tables of patterns: what they parse to, and what is wrong with them.

use crate::router::pattern::{Fault, Pattern, Segment, split_method};

fn literal(text: &str) -> Segment {
    Segment::Literal(text.into())
}

fn param(prefix: &str, suffix: &str) -> Segment {
    Segment::Param {
        prefix: prefix.into(),
        suffix: suffix.into(),
    }
}

#[test]
fn segments_and_names() {
    let table: &[(&str, &[Segment], &[&str])] = &[
        ("/", &[literal("")], &[]),
        ("/users", &[literal("users")], &[]),
        ("/users/", &[literal("users"), literal("")], &[]),
        ("//a", &[literal(""), literal("a")], &[]),
        ("/a/../b", &[literal("a"), literal(".."), literal("b")], &[]),
        ("/users/{id}", &[literal("users"), param("", "")], &["id"]),
        ("/users/:id", &[literal("users"), param("", "")], &["id"]),
        ("/:a/{_b2}", &[param("", ""), param("", "")], &["a", "_b2"]),
        (
            "/files/{name}.json",
            &[literal("files"), param("", ".json")],
            &["name"],
        ),
        ("/v{major}", &[param("v", "")], &["major"]),
        ("/v{major}.{{x}}", &[param("v", ".%7Bx%7D")], &["major"]),
        ("/{{{a}}}", &[param("%7B", "%7D")], &["a"]),
        ("/{x}:verb", &[param("", ":verb")], &["x"]),
        ("/items:batch", &[literal("items:batch")], &[]),
        (
            "/static/{*path}",
            &[literal("static"), Segment::Rest],
            &["path"],
        ),
        ("/{*all}", &[Segment::Rest], &["all"]),
        ("/a*b", &[literal("a*b")], &[]),
    ];
    for (source, segments, names) in table {
        let pattern = Pattern::parse(source).unwrap();
        assert_eq!(pattern.segments(), *segments, "{source}");
        assert!(
            pattern
                .names()
                .iter()
                .map(|name| &**name)
                .eq(names.iter().copied()),
            "{source}"
        );
        assert_eq!(pattern.as_str(), *source);
        assert_eq!(pattern.to_string(), *source);
    }
}

#[test]
fn literals_are_kept_percent_encoded() {
    let table = [
        ("/café", "caf%C3%A9"),
        ("/caf%C3%A9", "caf%C3%A9"),
        ("/caf%c3%a9", "caf%C3%A9"),
        ("/日", "%E6%97%A5"),
        ("/a%2fb", "a%2Fb"),
        ("/%41", "%41"),
        ("/a%20b%00", "a%20b%00"),
        ("/{{}}", "%7B%7D"),
        ("/\"<>^`", "%22%3C%3E%5E%60"),
        ("/[a]|b\\", "[a]|b\\"),
        ("/-._~!$&'()*+,;=:@", "-._~!$&'()*+,;=:@"),
    ];
    for (source, stored) in table {
        let pattern = Pattern::parse(source).unwrap();
        assert_eq!(pattern.segments(), [literal(stored)], "{source}");
    }
    let pattern = Pattern::parse("/é{x}ß").unwrap();
    assert_eq!(pattern.segments(), [param("%C3%A9", "%C3%9F")]);
}

#[test]
fn errors_name_the_rule_and_the_place() {
    let table = [
        ("", 0, Fault::NoLeadingSlash),
        ("users", 0, Fault::NoLeadingSlash),
        ("*", 0, Fault::NoLeadingSlash),
        ("/a?b", 2, Fault::ForbiddenChar('?')),
        ("/a#b", 2, Fault::ForbiddenChar('#')),
        ("/é b", 3, Fault::ForbiddenChar(' ')),
        ("/a\r\nb", 2, Fault::ForbiddenChar('\r')),
        ("/a\u{7f}", 2, Fault::ForbiddenChar('\u{7f}')),
        ("/{a b}", 3, Fault::ForbiddenChar(' ')),
        ("/100%", 4, Fault::InvalidEscape),
        ("/%4", 1, Fault::InvalidEscape),
        ("/%4/1", 1, Fault::InvalidEscape),
        ("/%+1", 1, Fault::InvalidEscape),
        ("/%é", 1, Fault::InvalidEscape),
        ("/a/{b", 3, Fault::UnclosedBrace),
        ("/a{b/c}", 2, Fault::UnclosedBrace),
        ("/{", 1, Fault::UnclosedBrace),
        ("/a}", 2, Fault::UnopenedBrace),
        ("/{a}}", 4, Fault::UnopenedBrace),
        ("/{{a}", 4, Fault::UnopenedBrace),
        ("/{}", 2, Fault::EmptyName),
        ("/{*}", 3, Fault::EmptyName),
        ("/:", 2, Fault::EmptyName),
        ("/a/:/b", 4, Fault::EmptyName),
        ("/{1a}", 2, Fault::InvalidName),
        ("/{a-b}", 2, Fault::InvalidName),
        ("/{é}", 2, Fault::InvalidName),
        ("/{**a}", 3, Fault::InvalidName),
        ("/{a*}", 2, Fault::InvalidName),
        ("/{a{b}", 2, Fault::InvalidName),
        ("/:id.json", 2, Fault::InvalidName),
        ("/:a{b}", 2, Fault::InvalidName),
        ("/{a}/{a}", 6, Fault::DuplicateName),
        ("/:a/{*a}", 6, Fault::DuplicateName),
        ("/{a}{b}", 4, Fault::SecondParam),
        ("/{a}-{b}", 5, Fault::SecondParam),
        ("/{a}-{*b}", 5, Fault::SecondParam),
        ("/{*a}/b", 1, Fault::RestNotLast),
        ("/{*a}/", 1, Fault::RestNotLast),
        ("/{*a}.js", 1, Fault::RestNotLast),
        ("/x{*a}", 2, Fault::RestNotLast),
    ];
    for (source, offset, fault) in table {
        let error = Pattern::parse(source).unwrap_err();
        assert_eq!((error.offset(), error.fault()), (offset, fault), "{source}");
        assert_eq!(error.pattern(), source);
    }
    assert_eq!(
        Pattern::parse("/a/{b").unwrap_err().to_string(),
        "invalid route pattern \"/a/{b\" at byte 3: `{` has no `}` in its segment; a literal brace is written `{{`",
    );
    assert_eq!(
        Pattern::parse("/a\r").unwrap_err().to_string(),
        "invalid route pattern \"/a\\r\" at byte 2: '\\r' cannot be in a path; percent-encode it",
    );
}

#[test]
fn sixteen_parameters_and_no_more() {
    let of = |count: usize| (0..count).map(|i| format!("/{{p{i}}}")).collect::<String>();
    assert_eq!(
        Pattern::parse(&of(16)).unwrap().names().len(),
        Pattern::MAX_PARAMS
    );
    let error = Pattern::parse(&of(17)).unwrap_err();
    assert_eq!(error.fault(), Fault::TooManyParams);
    assert_eq!(error.offset(), of(16).len() + 2);
    assert!(
        Fault::TooManyParams
            .to_string()
            .contains(&Pattern::MAX_PARAMS.to_string())
    );
}

#[test]
fn method_before_the_path() {
    let table = [
        (":get/users/:id", Some(("get", "/users/:id"))),
        (":GET/", Some(("GET", "/"))),
        (":M-SEARCH/a", Some(("M-SEARCH", "/a"))),
        ("/users/:id", None),
        ("get/users", None),
        (":get", None),
        (":/users", None),
        (": get/users", None),
        (":ge(t/users", None),
        ("", None),
    ];
    for (route, expected) in table {
        assert_eq!(split_method(route), expected, "{route}");
    }
}
