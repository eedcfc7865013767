//! `docs/resilience.md` has every row, with the figure and the verdict that the results have.

use serde_json::Value;
use std::path::{Path, PathBuf};

const DOCUMENT: &str = include_str!("../../docs/resilience.md");

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/results")
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// The line of a row: the first that begins with it, since the table of attacks comes behind, where R24 and R28 are once more.
fn line(id: &str) -> &'static str {
    let begin = format!("| {id} | ");
    let mut lines = DOCUMENT.lines().filter(|line| line.starts_with(&begin));
    lines
        .next()
        .unwrap_or_else(|| panic!("docs/resilience.md has no row {id}"))
}

#[test]
fn every_row_of_resilience_says_what_the_results_say() {
    let kept = read(&results().join("resilience.json"));
    let ids: Vec<_> = list(&kept, "rows")
        .iter()
        .map(|row| text(row, "id"))
        .collect();
    let wanted: Vec<_> = (1..=40).map(|number| format!("R{number}")).collect();
    assert_eq!(ids, wanted);
    for row in list(&kept, "rows") {
        let (id, state) = (text(row, "id"), text(row, "state"));
        let line = line(id);
        for name in ["what", "limit", "figure", "commit"] {
            assert!(line.contains(&format!("| {} |", text(row, name))), "{line}");
        }
        assert!(line.contains(&format!("| {state}")), "{line}");
        let (figure, reason) = (text(row, "figure"), text(row, "reason"));
        match state {
            "passed" => assert!(!figure.is_empty(), "{id} has no figure"),
            "in part" | "missed" => {
                assert!(!figure.is_empty() && !reason.is_empty(), "{id}: {row}");
            }
            "not run" => assert!(figure.is_empty() && !reason.is_empty(), "{id}: {row}"),
            other => panic!("{id} is {other}"),
        }
    }
}

#[test]
fn every_attack_of_the_results_is_in_the_table() {
    let kept = read(&results().join("resilience.json"));
    let attacks = list(&kept, "attacks");
    let mut seen = 0;
    for entry in std::fs::read_dir(results()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("attack-") || !name.ends_with(".json") {
            continue;
        }
        for row in list(&read(&path), "rows") {
            let id = text(row, "id");
            let found = attacks
                .iter()
                .find(|attack| text(attack, "id") == id)
                .unwrap_or_else(|| panic!("{id} is not there: run bench/resilience"));
            for name in ["commit", "count", "seed"] {
                assert_eq!(found[name], row[name], "{id}: run bench/resilience");
            }
            let holds = row["holds"].as_bool().unwrap();
            assert_eq!(text(found, "state") == "passed", holds, "{id}");
            let commit = text(row, "commit");
            let in_table = DOCUMENT
                .lines()
                .any(|line| line.starts_with(&format!("| {id} | ")) && line.contains(commit));
            assert!(in_table, "{id}: run bench/resilience");
            seen += 1;
        }
    }
    assert_eq!(seen, attacks.len());
}
