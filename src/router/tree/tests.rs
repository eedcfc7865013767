//! The tree against tables of patterns and paths.

use crate::router::pattern::Pattern;
use crate::router::tree::{Conflict, Lane, Params, Tree};

mod model;

fn pattern(source: &str) -> Pattern {
    Pattern::parse(source).unwrap()
}

fn tree<S: AsRef<str>>(sources: &[S]) -> Tree<String> {
    let mut tree = Tree::new();
    for source in sources {
        let source = source.as_ref();
        tree.insert(&pattern(source), source.to_owned()).unwrap();
    }
    tree
}

/// The pattern that a path finds, with its captures as `name=text`.
fn find(tree: &Tree<String>, path: &str) -> Option<String> {
    let mut params = Params::new();
    let leaf = tree.find(path.as_bytes(), &mut params)?;
    assert_eq!(leaf.value(), leaf.pattern().as_str());
    assert_eq!(leaf.names().len(), params.len());
    let mut found = leaf.value().clone();
    for (name, range) in leaf.names().iter().zip(params.iter()) {
        found.push_str(&format!(" {name}={}", &path[range]));
    }
    Some(found)
}

fn check(sources: &[&str], lookups: &[(&str, Option<&str>)]) {
    let mut sources = sources.to_vec();
    for _ in 0..sources.len() {
        // The order in which routes are added decides nothing.
        sources.rotate_left(1);
        let tree = tree(&sources);
        for &(path, expected) in lookups {
            assert_eq!(
                find(&tree, path).as_deref(),
                expected,
                "{path} in {sources:?}"
            );
        }
    }
}

#[test]
fn literals() {
    let sources = [
        "/",
        "/plaintext",
        "/pub",
        "/plain",
        "/users",
        "/users/",
        "/users/me",
        "//a",
        "/a//b",
        "/a/../b",
    ];
    let lookups = [
        ("/", Some("/")),
        ("/plaintext", Some("/plaintext")),
        ("/plain", Some("/plain")),
        ("/pub", Some("/pub")),
        ("/users", Some("/users")),
        ("/users/", Some("/users/")),
        ("/users/me", Some("/users/me")),
        ("//a", Some("//a")),
        ("/a//b", Some("/a//b")),
        ("/a/../b", Some("/a/../b")),
        ("", None),
        ("*", None),
        ("plain", None),
        ("//", None),
        ("/p", None),
        ("/plaint", None),
        ("/plaintext/", None),
        ("/plaintexts", None),
        ("/Plain", None),
        ("/users//", None),
        ("/a/b", None),
        ("/b", None),
    ];
    check(&sources, &lookups);
}

#[test]
fn parameters() {
    let sources = [
        "/users/{id}",
        "/users/:user/posts/{post}",
        "/files/{name}.json",
        "/v{major}/x",
        "/s/{*path}",
        "/<{x}>",
    ];
    let lookups = [
        ("/users/42", Some("/users/{id} id=42")),
        (
            "/users/4/posts/7",
            Some("/users/:user/posts/{post} user=4 post=7"),
        ),
        ("/users/:id", Some("/users/{id} id=:id")),
        ("/files/a.json", Some("/files/{name}.json name=a")),
        ("/files/a.json.json", Some("/files/{name}.json name=a.json")),
        ("/v12/x", Some("/v{major}/x major=12")),
        ("/vv/x", Some("/v{major}/x major=v")),
        ("/s/a", Some("/s/{*path} path=a")),
        ("/s/a/b//c/", Some("/s/{*path} path=a/b//c/")),
        ("/s//", Some("/s/{*path} path=/")),
        ("/%3C1%3E", Some("/<{x}> x=1")),
        ("/users/", None),
        ("/users", None),
        ("/users/4/", None),
        ("/users/4/posts", None),
        ("/users/4/posts/", None),
        ("/users//posts/7", None),
        ("/files/.json", None),
        ("/files/a.jso", None),
        ("/files/a.json/", None),
        ("/v/x", None),
        ("/v1", None),
        ("/s/", None),
        ("/s", None),
    ];
    check(&sources, &lookups);
}

#[test]
fn paths_are_matched_raw() {
    let sources = [
        "/café", "/a%2fb", "/x/{y}", "/a/b", "/n/{x}1", "/n/{x}41", "/z{x}",
    ];
    let lookups = [
        ("/caf%C3%A9", Some("/café")),
        ("/a%2Fb", Some("/a%2fb")),
        ("/a/b", Some("/a/b")),
        ("/x/a%2Fb", Some("/x/{y} y=a%2Fb")),
        ("/x/%zz", Some("/x/{y} y=%zz")),
        ("/x/..", Some("/x/{y} y=..")),
        ("/x/caf\u{e9}", Some("/x/{y} y=caf\u{e9}")),
        ("/n/%411", Some("/n/{x}1 x=%41")),
        ("/n/%2541", Some("/n/{x}41 x=%25")),
        ("/n/%%1", Some("/n/{x}1 x=%%")),
        ("/n/%g1", Some("/n/{x}1 x=%g")),
        ("/n/%41", None),
        ("/n/a%41", None),
        ("/n/%1", Some("/n/{x}1 x=%")),
        ("/z%41", Some("/z{x} x=%41")),
        ("/caf%c3%a9", None),
        ("/caf\u{e9}", None),
        ("/a%2fb", None),
        ("/%61/b", None),
        ("/x/../a/b", None),
        ("/%78/1", None),
    ];
    check(&sources, &lookups);
}

#[test]
fn precedence_within_a_segment() {
    let sources = [
        "/{a}",
        "/v{b}",
        "/vv{c}",
        "/v{d}.js",
        "/v{e}.min.js",
        "/{f}.js",
        "/vvv",
        "/{*g}",
    ];
    let lookups = [
        ("/vvv", Some("/vvv")),
        ("/vvvv", Some("/vv{c} c=vv")),
        ("/vv", Some("/v{b} b=v")),
        ("/v", Some("/{a} a=v")),
        ("/vv.js", Some("/vv{c} c=.js")),
        ("/v1.min.js", Some("/v{e}.min.js e=1")),
        ("/v1.js", Some("/v{d}.js d=1")),
        ("/v.js", Some("/v{b} b=.js")),
        ("/u.js", Some("/{f}.js f=u")),
        ("/.js", Some("/{a} a=.js")),
        ("/vvv/", Some("/{*g} g=vvv/")),
        ("//", Some("/{*g} g=/")),
        ("/", None),
    ];
    check(&sources, &lookups);
}

#[test]
fn choices_that_lead_nowhere_are_taken_back() {
    let sources = [
        "/a/b/c",
        "/a/{x}/d",
        "/{y}/b/e",
        "/a/{*z}",
        "/{p}/{q}/{r}/s",
        "/{*all}",
        "/a/b{n}/f",
        "/a/b/{m}/g/h",
    ];
    let lookups = [
        ("/a/b/c", Some("/a/b/c")),
        ("/a/b/d", Some("/a/{x}/d x=b")),
        // The first segment decides: `a` with a rest goes before `{y}` with literals.
        ("/a/b/e", Some("/a/{*z} z=b/e")),
        ("/b/b/e", Some("/{y}/b/e y=b")),
        ("/a/bb/f", Some("/a/b{n}/f n=b")),
        ("/a/bb/d", Some("/a/{x}/d x=bb")),
        ("/a/b/c/s", Some("/a/{*z} z=b/c/s")),
        ("/a/b/c/g/h", Some("/a/b/{m}/g/h m=c")),
        ("/a/b/c/g/i", Some("/a/{*z} z=b/c/g/i")),
        ("/b/b/e/s", Some("/{p}/{q}/{r}/s p=b q=b r=e")),
        ("/b/b/e/t", Some("/{*all} all=b/b/e/t")),
        ("/a/", Some("/{*all} all=a/")),
        ("/a", Some("/{*all} all=a")),
    ];
    check(&sources, &lookups);
}

#[test]
fn conflicts_name_both_patterns() {
    let table = [
        ("/a/{x}", "/a/{y}"),
        ("/a/{x}", "/a/:y"),
        ("/a/{x}", "/a/{x}"),
        ("/a", "/a"),
        ("/é", "/%c3%A9"),
        ("/a/p{x}s/b", "/a/p{y}s/b"),
        ("/{*a}", "/{*b}"),
    ];
    for (existing, refused) in table {
        let mut tree = tree(&["/", "/a/{x}/c", existing]);
        let before = tree.trie.nodes.len();
        let conflict = tree.insert(&pattern(refused), String::new()).unwrap_err();
        assert_eq!(
            (conflict.existing(), conflict.refused()),
            (existing, refused)
        );
        assert_eq!((tree.len(), tree.trie.nodes.len()), (3, before));
    }
    let conflict = tree(&["/a/{x}"])
        .insert(&pattern("/a/:y"), String::new())
        .unwrap_err();
    assert_eq!(
        conflict.to_string(),
        "route pattern \"/a/:y\" conflicts with \"/a/{x}\": both match the same paths",
    );
}

#[test]
fn shapes_that_differ_are_no_conflict() {
    let sources = [
        "/a/{x}",
        "/a/{x}/",
        "/a/{y}.b",
        "/a/b{y}",
        "/a/{*y}",
        "/a/b",
        "/b/{y}",
        "/a/%7By%7D",
    ];
    assert_eq!(tree(&sources).len(), sources.len());
}

#[test]
fn a_value_is_found_again_by_shape_and_names() {
    let mut tree = Tree::new();
    let mut add = |source: &str, value: u32| -> Result<Vec<u32>, Conflict> {
        let values = tree.get_or_insert_with(&pattern(source), Vec::new)?;
        values.push(value);
        Ok(values.clone())
    };
    assert_eq!(add("/a/{x}", 1), Ok(vec![1]));
    assert_eq!(add("/a/{x}/b", 2), Ok(vec![2]));
    assert_eq!(add("/a/:x", 3), Ok(vec![1, 3]));
    let conflict = add("/a/{y}", 4).unwrap_err();
    assert_eq!(
        (conflict.existing(), conflict.refused()),
        ("/a/{x}", "/a/{y}")
    );
    assert_eq!(add("/a", 5), Ok(vec![5]));
    assert_eq!(add("/a", 6), Ok(vec![5, 6]));

    let routes: Vec<_> = tree
        .iter()
        .map(|(pattern, values)| (pattern.as_str(), values.as_slice()))
        .collect();
    let expected: [(&str, &[u32]); 3] = [("/a/{x}", &[1, 3]), ("/a/{x}/b", &[2]), ("/a", &[5, 6])];
    assert_eq!(routes, expected);
    assert!(!tree.is_empty());
}

#[test]
fn an_empty_tree_finds_nothing() {
    let tree = Tree::<String>::default();
    assert!(tree.is_empty());
    assert_eq!(tree.iter().len(), 0);
    assert_eq!(find(&tree, "/"), None);
    assert_eq!(find(&tree, ""), None);
}

#[test]
fn a_miss_leaves_no_parameters_behind() {
    let tree = tree(&["/{a}/{b}/c"]);
    let mut params = Params::new();
    assert!(tree.find(b"/1/2/c", &mut params).is_some());
    assert_eq!(
        (params.get(0), params.get(1), params.get(2)),
        (Some(1..2), Some(3..4), None)
    );
    assert!(tree.find(b"/1/2/d", &mut params).is_none());
    assert!(params.is_empty());
    assert_eq!(params.get(0), None);
}

#[test]
fn sixteen_parameters_are_captured() {
    let source: String = (0..Pattern::MAX_PARAMS)
        .map(|i| format!("/{{p{i}}}"))
        .collect();
    let path: String = (0..Pattern::MAX_PARAMS).map(|i| format!("/{i}")).collect();
    let expected: String = (0..Pattern::MAX_PARAMS)
        .map(|i| format!(" p{i}={i}"))
        .collect();
    let tree = tree(&[&source]);
    assert_eq!(find(&tree, &path), Some(source + &expected));
    assert_eq!(find(&tree, &(path + "/16")), None);
}

#[test]
fn the_longest_path() {
    let literal = format!("/{}", "l".repeat(Params::MAX_PATH));
    let tree = tree(&["/{x}", "/r/{*y}", &literal]);
    let longest = format!("/{}", "x".repeat(Params::MAX_PATH - 1));
    assert_eq!(
        find(&tree, &longest),
        Some(format!("/{{x}} x={}", &longest[1..]))
    );
    assert_eq!(find(&tree, &(longest.clone() + "x")), None);
    assert_eq!(find(&tree, &literal), None);
    let longest = format!("/r{}", "/".repeat(Params::MAX_PATH - 2));
    assert_eq!(
        find(&tree, &longest),
        Some(format!("/r/{{*y}} y={}", &longest[3..]))
    );
    assert_eq!(find(&tree, &(longest + "/")), None);
}

#[test]
fn every_length_and_every_octet_of_a_literal_counts() {
    // Beside the literal lie others of its length and its beginnings, so that edges of all lengths
    // are compared.
    for length in 1..80 {
        let whole: String = ('0'..='z')
            .filter(char::is_ascii_alphanumeric)
            .cycle()
            .take(length)
            .collect();
        let literal = format!("/{whole}");
        for others in [0, Lane::WIDTH] {
            let mut sources: Vec<String> = "!$&("
                .chars()
                .take(others)
                .map(|last| format!("/{}{last}", "-".repeat(length - 1)))
                .collect();
            sources.push(literal.clone());
            let tree = tree(&sources);
            assert_eq!(find(&tree, &literal).as_ref(), Some(&literal));
            assert_eq!(find(&tree, &literal[..length]), None);
            assert_eq!(find(&tree, &(literal.clone() + "-")), None);
            for index in 1..=length {
                let mut other = literal.clone().into_bytes();
                other[index] = b'_';
                assert_eq!(find(&tree, std::str::from_utf8(&other).unwrap()), None);
            }
        }
    }
}

#[test]
fn a_segment_ends_at_the_first_slash() {
    let tree = tree(&["/{a}", "/{a}/{*b}"]);
    // Octets that differ from `/` in one bit or by one must not be taken for it, wherever they are
    // in a word.
    for first in 1..24 {
        for second in 1..24 {
            let a = ".0o\u{2f7}'-+?"
                .chars()
                .cycle()
                .skip(second)
                .take(first)
                .collect::<String>();
            let b = "/0."
                .chars()
                .cycle()
                .skip(first)
                .take(second)
                .collect::<String>();
            assert_eq!(find(&tree, &format!("/{a}")), Some(format!("/{{a}} a={a}")));
            assert_eq!(
                find(&tree, &format!("/{a}/{b}")),
                Some(format!("/{{a}}/{{*b}} a={a} b={b}"))
            );
        }
    }
}
