//! Every demand of the documents that this library keeps to has a proof, or a reason why it has none. `tests/requirements/*.toml` is held to
//! the counts of the documents and to the files that it names; `docs/requirements.md` says the same for people, and is made here:
//! `WRITE_PAGE=1 cargo test --all-features --test requirements`.

#[path = "support/proof.rs"]
mod proof;

use proof::{Proofs, assert_page, read};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    title: String,
    /// How the key words of its sections were counted.
    counted: String,
    /// How many there are in each section that has any.
    keywords: BTreeMap<String, u32>,
    demand: Vec<Demand>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Demand {
    /// `document-section-letters`.
    id: String,
    binds: String,
    says: String,
    /// How many of its section's key words it stands for.
    words: Option<u32>,
    /// Key words of several sections, in their place.
    covers: Option<BTreeMap<String, u32>>,
    #[serde(default)]
    tests: Vec<String>,
    exception: Option<String>,
}

impl Demand {
    /// The document's short name and the section, without the letters behind them.
    fn place(&self) -> Option<(&str, &str)> {
        let (front, letters) = self.id.rsplit_once('-')?;
        let is_letters =
            (1..=2).contains(&letters.len()) && letters.bytes().all(|o| o.is_ascii_lowercase());
        if is_letters {
            front.split_once('-')
        } else {
            None
        }
    }
}

/// The documents, how their ids begin, and how many key words were found in them: a table cannot lose a section unseen.
const DOCUMENTS: [(&str, &str, u32); 9] = [
    ("rfc9110", "9110", 204),
    ("rfc9111", "9111", 64),
    ("rfc9112", "9112", 85),
    ("rfc9113", "9113", 223),
    ("rfc6455", "6455", 138),
    ("rfc7692", "7692", 29),
    ("rfc8441", "8441", 8),
    ("engineio", "eio4", 21),
    ("socketio", "sio5", 8),
];

const PAGE: &str = "docs/requirements.md";

fn document(file: &str) -> Document {
    let path = format!("tests/requirements/{file}.toml");
    let text = read(&path).unwrap_or_else(|| panic!("there is no {path}"));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_key_word_belongs_to_a_demand() {
    let mut faults = Vec::new();
    for (file, short, words) in DOCUMENTS {
        let document = document(file);
        let mut seen = HashSet::new();
        let mut found: BTreeMap<&str, u32> = BTreeMap::new();
        for demand in &document.demand {
            let id = &demand.id;
            if !seen.insert(id) {
                faults.push(format!("{id} is there more than once"));
            }
            let Some((document, section)) = demand.place() else {
                faults.push(format!("{id} is no id"));
                continue;
            };
            if document != short {
                faults.push(format!("{id} is of another document than {file}"));
            }
            match &demand.covers {
                Some(covers) if demand.words.is_none() => {
                    for (section, words) in covers {
                        *found.entry(section).or_default() += words;
                    }
                }
                Some(_) => faults.push(format!("{id} has `words` beside `covers`")),
                None => *found.entry(section).or_default() += demand.words.unwrap_or(1),
            }
        }
        let sections: HashSet<&str> = document
            .keywords
            .keys()
            .map(String::as_str)
            .chain(found.keys().copied())
            .collect();
        for section in sections {
            let has = document.keywords.get(section).copied().unwrap_or_default();
            let told = found.get(section).copied().unwrap_or_default();
            if has != told {
                faults.push(format!(
                    "{file}, section {section}: {has} key words, and demands for {told}"
                ));
            }
        }
        let all: u32 = document.keywords.values().sum();
        if all != words {
            faults.push(format!("{file}: {all} key words are left of {words}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_demand_has_a_proof_or_a_reason() {
    let mut proofs = Proofs::default();
    let (mut faults, mut proved) = (Vec::new(), 0);
    for (file, ..) in DOCUMENTS {
        for demand in document(file).demand {
            let mut fault = |what: String| faults.push(format!("{}: {what}", demand.id));
            if !demand.says.ends_with('.') || demand.binds.is_empty() {
                fault("what it says is no sentence, or binds nobody".to_owned());
            }
            if demand.exception.as_deref().is_some_and(str::is_empty) {
                fault("its reason is empty".to_owned());
            }
            if demand.tests.is_empty() && demand.exception.is_none() {
                fault("it has neither a proof nor a reason".to_owned());
            }
            proved += usize::from(!demand.tests.is_empty());
            for proof in &demand.tests {
                if let Err(what) = proofs.check(proof) {
                    fault(what);
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(proved >= 400, "only {proved} are proved");
}

#[test]
fn no_table_is_left_out() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/requirements");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = DOCUMENTS
            .iter()
            .any(|(file, ..)| format!("{file}.toml") == name);
        assert!(known, "{name} is held to nothing");
    }
}

#[test]
fn the_page_says_the_same() {
    assert_page(PAGE, &page());
}

/// The tables as a page.
fn page() -> String {
    let documents = DOCUMENTS.map(|(file, ..)| document(file));
    let mut page = INTRODUCTION.to_owned();
    for document in &documents {
        let (all, proved) = count(document);
        let words: u32 = document.keywords.values().sum();
        writeln!(
            page,
            "| [{0}](#{1}) | {2} | {words} | {all} | {proved} | {3} |",
            document.name,
            anchor(document),
            document.title,
            all - proved
        )
        .unwrap();
    }
    for document in &documents {
        writeln!(
            page,
            "\n## {}: {}\n\n{}\n\n| | demand | binds | proof, or reason |\n|---|---|---|---|",
            document.name, document.title, document.counted
        )
        .unwrap();
        for demand in &document.demand {
            let tests = demand
                .tests
                .iter()
                .map(|proof| format!("`{}`", cell(proof)));
            let reason = demand
                .exception
                .iter()
                .map(|reason| format!("*{}*", cell(reason)));
            let proof: Vec<String> = tests.chain(reason).collect();
            let sections = demand.covers.iter().flat_map(BTreeMap::keys);
            let sections: Vec<_> = sections.map(|section| format!("§{section}")).collect();
            let sections = if sections.is_empty() {
                String::new()
            } else {
                format!(" ({})", sections.join(", "))
            };
            writeln!(
                page,
                "| {} | {}{sections} | {} | {} |",
                demand.id,
                cell(&demand.says),
                cell(&demand.binds),
                proof.join("<br>")
            )
            .unwrap();
        }
    }
    page
}

/// Demands, and those of them that have a proof.
fn count(document: &Document) -> (usize, usize) {
    let proved = document
        .demand
        .iter()
        .filter(|demand| !demand.tests.is_empty());
    (document.demand.len(), proved.count())
}

/// Where a heading is found.
fn anchor(document: &Document) -> String {
    let heading = format!("{}: {}", document.name, document.title).to_lowercase();
    heading
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// A text that stays within its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const INTRODUCTION: &str = "\
# Requirements

What the documents of these protocols demand, and the tests that show it. A demand is a MUST, MUST NOT, SHALL, SHALL NOT or REQUIRED, in words
of our own; the section is in its id. Where there is no test there is a reason, mostly that it binds somebody else: a proxy, a cache, a client;
where both stand the reason says what the tests do not show. `path::name` is a test function, a case of a corpus, or a text in the checks with
independent peers.

This page is made of `tests/requirements/*.toml` by `tests/requirements.rs`, which fails when a test is gone, when a key word of a section
belongs to no demand, or when this page says something else: `WRITE_PAGE=1 cargo test --all-features --test requirements` makes it anew.

| document | | key words | demands | with a test | with a reason alone |
|---|---|---|---|---|---|
";
