//! What a finished server of this kind has is here, with the tests that show it, or it is said what is missing. `tests/features.toml` is
//! held to the list of rows that it must have and to the files that it names; `docs/features.md` says the same for people, and is made
//! here: `WRITE_PAGE=1 cargo test --all-features --test features`.

#[path = "support/proof.rs"]
mod proof;

use proof::{Proofs, assert_page};
use serde::Deserialize;
use std::fmt::Write;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    area: Vec<Area>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Area {
    title: String,
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    says: String,
    #[serde(default)]
    is: Is,
    reason: Option<String>,
    #[serde(default)]
    tests: Vec<String>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Is {
    #[default]
    Yes,
    Part,
    No,
}

impl Is {
    const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Part => "in part",
            Self::No => "no",
        }
    }
}

/// The numbers of the rows that the table must have, and no others.
const WANTED: [u32; 60] = [
    1, 2, 3, 4, 5, 9, 10, 12, 14, 15, 16, 18, 20, 24, 25, 26, 27, 30, 31, 32, 33, 34, 36, 40, 42,
    43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 54, 56, 57, 59, 60, 62, 63, 64, 66, 67, 68, 70, 71, 73,
    74, 76, 82, 84, 86, 88, 89, 90, 95, 97, 98,
];

const PAGE: &str = "docs/features.md";

fn areas() -> Vec<Area> {
    let table: Table = toml::from_str(include_str!("features.toml")).unwrap();
    table.area
}

#[test]
fn every_row_is_there_once_and_in_order() {
    let areas = areas();
    let ids: Vec<&str> = areas
        .iter()
        .flat_map(|area| &area.row)
        .map(|row| row.id.as_str())
        .collect();
    assert_eq!(ids, WANTED.map(|number| format!("F{number}")));
}

#[test]
fn every_row_has_a_proof_or_says_what_is_missing() {
    let mut proofs = Proofs::default();
    let mut faults = Vec::new();
    for row in areas().into_iter().flat_map(|area| area.row) {
        let mut fault = |what: String| faults.push(format!("{}: {what}", row.id));
        if !row.says.ends_with('.') {
            fault("what it says is no sentence".to_owned());
        }
        if (row.is == Is::No) != row.tests.is_empty() {
            fault("what is there, in part or whole, has a test, and nothing else has".to_owned());
        }
        let reason = row.reason.as_deref().unwrap_or_default();
        if (row.is == Is::Yes) != reason.is_empty() {
            fault("what is missing has a reason, and nothing else has".to_owned());
        }
        for proof in &row.tests {
            if let Err(what) = proofs.check(proof) {
                fault(what);
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_page_says_the_same() {
    assert_page(PAGE, &page());
}

/// The table as a page.
fn page() -> String {
    let areas = areas();
    let mut page = INTRODUCTION.to_owned();
    let count = |is: Is| {
        let rows = areas.iter().flat_map(|area| &area.row);
        rows.filter(|row| row.is == is).count()
    };
    let (yes, part, no) = (count(Is::Yes), count(Is::Part), count(Is::No));
    writeln!(page, "{yes} are there, {part} in part, {no} not.").unwrap();
    for area in &areas {
        writeln!(
            page,
            "\n## {}\n\n| | what | is it there? | proof |",
            area.title
        )
        .unwrap();
        page.push_str("|---|---|---|---|\n");
        for row in &area.row {
            let reason = row.reason.iter().map(|reason| format!(": {reason}"));
            let tests: Vec<String> = row.tests.iter().map(|proof| format!("`{proof}`")).collect();
            let cells = [
                row.id.clone(),
                row.says.clone(),
                row.is.word().to_owned() + &reason.collect::<String>(),
                tests.join("<br>"),
            ];
            writeln!(
                page,
                "| {} |",
                cells.map(|text| text.replace('|', "\\|")).join(" | ")
            )
            .unwrap();
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Features

What a finished server of this kind has, as far as it is no row of a protocol's document ([Requirements](requirements.md) has those), and the
tests that show that it is here. The list is of what the servers, clients and services that people compare have between them, each at its best,
and of what their users ask for. `path::name` is a test function, or a text in another file.

This page is made of `tests/features.toml` by `tests/features.rs`, which fails when a test is gone, when a row is, or when this page says
something else: `WRITE_PAGE=1 cargo test --all-features --test features` makes it anew.

";
