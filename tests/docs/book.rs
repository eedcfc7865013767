//! The pages under `docs/` are a book: each has its place in `docs/SUMMARY.md`, every link and anchor leads somewhere, and what is Rust is compiled.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const SUMMARY: &str = include_str!("../../docs/SUMMARY.md");
const LIBRARY: &str = include_str!("../../src/lib.rs");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages, without the table of contents.
fn pages() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.ends_with(".md") && name != "SUMMARY.md")
        .collect()
}

/// Where the links of a text lead, but for those that leave the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://"))
}

/// The lines of a text that are in no block of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// What a heading is called in a link, as GitHub and mdBook do it.
fn anchor(heading: &str) -> String {
    let name = heading.trim_start_matches('#').trim().to_lowercase();
    name.replace(' ', "-")
        .chars()
        .filter(|next| next.is_alphanumeric() || matches!(next, '-' | '_'))
        .collect()
}

#[test]
fn every_page_has_one_place_in_the_book() {
    let listed: Vec<&str> = links(SUMMARY).collect();
    let set: BTreeSet<String> = listed.iter().map(|page| (*page).to_owned()).collect();
    assert_eq!(set, pages());
    assert_eq!(set.len(), listed.len(), "a page is listed twice");
    for page in pages() {
        let text = fs::read_to_string(root().join("docs").join(&page)).unwrap();
        let titles = prose(&text).filter(|line| line.starts_with("# ")).count();
        assert_eq!(titles, 1, "{page}");
    }
    let book = include_str!("../../book.toml");
    assert!(book.contains("\nsrc = \"docs\"\n"));
}

/// The tests of documents compile what `src/lib.rs` takes in, and run it where they can.
#[test]
fn every_page_with_rust_is_compiled() {
    let mut compiled = 0;
    for page in pages() {
        let text = fs::read_to_string(root().join("docs").join(&page)).unwrap();
        let fences = text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("```"));
        let rust = fences
            .filter(|kind| kind.starts_with("rust"))
            .collect::<Vec<_>>();
        for kind in &rust {
            assert!(["rust", "rust,no_run"].contains(kind), "{page}: ```{kind}");
        }
        let taken = LIBRARY.contains(&format!("include_str!(\"../docs/{page}\")"));
        assert!(
            taken || rust.is_empty(),
            "src/lib.rs does not take in docs/{page}"
        );
        compiled += rust.len();
    }
    assert!(compiled > 100, "only {compiled} blocks of Rust");
}

#[test]
fn the_readme_is_read_to_its_end() {
    let lines = include_str!("../../README.md").lines().count();
    assert!(lines < 250, "README.md has {lines} lines");
}

#[test]
fn the_links_between_documents_lead_somewhere() {
    let mut documents: Vec<PathBuf> = pages()
        .iter()
        .map(|page| Path::new("docs").join(page))
        .collect();
    for more in [
        "docs/SUMMARY.md",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "bench/README.md",
        "clients/js/README.md",
        "fuzz/README.md",
    ] {
        documents.push(more.into());
    }
    let mut followed = 0;
    for document in documents {
        let at = root().join(&document);
        let text = fs::read_to_string(&at).unwrap();
        for target in links(&text) {
            let (path, wanted) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() {
                at.clone()
            } else {
                at.parent().unwrap().join(path)
            };
            let document = document.display();
            assert!(file.exists(), "{document} links to {target}");
            if !wanted.is_empty() {
                let text = fs::read_to_string(file).unwrap();
                let mut headings = prose(&text).filter(|line| line.starts_with('#'));
                assert!(
                    headings.any(|line| anchor(line) == wanted),
                    "{document} links to {target}"
                );
            }
            followed += 1;
        }
    }
    assert!(followed > 400, "only {followed} links were followed");
}
