//! Every row of the specification has a proof, and every proof exists: `tests/spec.toml` is held to the files that it names.

#[path = "support/proof.rs"]
mod proof;

use proof::{Proofs, is_test, read};
use serde::Deserialize;
use std::collections::HashSet;
use std::ops::RangeInclusive;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    says: String,
    #[serde(default)]
    tests: Vec<String>,
    #[serde(default)]
    bench: Vec<String>,
    later: Option<String>,
}

/// The rows that the table must have, and no others.
const WANTED: &[(char, RangeInclusive<u32>)] = &[
    ('S', 1..=59),
    ('S', 61..=243),
    ('S', 246..=260),
    ('D', 1..=28),
    ('D', 30..=30),
    ('D', 32..=44),
];

/// The rows whose ids are in the names of their tests.
const NAMED: &[(char, RangeInclusive<u32>)] = &[
    ('S', 52..=57),
    ('S', 59..=59),
    ('S', 61..=83),
    ('S', 93..=131),
    ('S', 163..=163),
    ('S', 200..=215),
    ('S', 218..=230),
    ('D', 5..=5),
    ('D', 14..=23),
    ('D', 28..=28),
    ('D', 33..=35),
    ('D', 40..=40),
    ('D', 43..=44),
];

fn rows() -> Vec<Row> {
    let table: Table = toml::from_str(include_str!("spec.toml")).unwrap();
    table.row
}

#[test]
fn every_row_is_there_once() {
    let ids: Vec<String> = rows().into_iter().map(|row| row.id).collect();
    let wanted: Vec<String> = WANTED
        .iter()
        .flat_map(|(kind, numbers)| numbers.clone().map(move |number| format!("{kind}{number}")))
        .collect();
    let mut seen = HashSet::new();
    let twice: Vec<_> = ids.iter().filter(|id| !seen.insert(*id)).collect();
    assert!(twice.is_empty(), "more than once: {twice:?}");
    let missing: Vec<_> = wanted.iter().filter(|id| !ids.contains(id)).collect();
    assert!(missing.is_empty(), "not there: {missing:?}");
    assert_eq!(
        ids, wanted,
        "in another order, or with rows that are not on the list"
    );
}

#[test]
fn a_row_is_in_the_name_of_a_test() {
    let mut seen = 0;
    let mut faults = Vec::new();
    for row in rows() {
        let (kind, number) = row.id.split_at(1);
        let is_wanted = NAMED.iter().any(|(known, numbers)| {
            kind.starts_with(*known) && numbers.clone().any(|one| one.to_string() == number)
        });
        // What has no test is there later.
        if !is_wanted || row.tests.is_empty() {
            continue;
        }
        seen += 1;
        let id = row.id.to_ascii_lowercase();
        let names = row.tests.iter().filter_map(|proof| proof.split_once("::"));
        let mut words = names.flat_map(|(_, name)| name.split('_'));
        if !words.any(|word| word == id) {
            faults.push(format!("{}: none of its tests names it", row.id));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen >= 80, "saw only {seen} rows");
}

#[test]
fn every_row_has_a_proof_that_exists() {
    let mut proofs = Proofs::default();
    let bench = read("bench/run").unwrap();
    let mut faults = Vec::new();
    for row in rows() {
        let mut fault = |what: String| faults.push(format!("{}: {what}", row.id));
        if !row.says.ends_with('.') {
            fault("what it says is no sentence".to_owned());
        }
        if row.tests.is_empty() && row.bench.is_empty() && row.later.is_none() {
            fault("it has no proof".to_owned());
        }
        for proof in &row.tests {
            if let Err(what) = proofs.check(proof) {
                fault(what);
            }
        }
        for scenario in &row.bench {
            let load = format!("\"{scenario}\": (\"{}\",", row.id);
            let stress = format!("\"{scenario}\": \"{}\"", row.id);
            if !bench.contains(&load) && !bench.contains(&stress) {
                fault(format!("bench/run has no {scenario} for it"));
            }
        }
        if let Some(later) = &row.later
            && later
                .strip_prefix("not built: ")
                .is_none_or(|what| what.trim().is_empty())
        {
            fault(format!("{later:?} does not say what is not built"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_no_test_is_told_apart() {
    let source = r#"
        const X: u8 = 1;
        #[test]
        fn plain() {}

        /// With words.
        #[tokio::test(
            start_paused = true
        )]
        async fn waits() {
            helper();
        }
        fn helper() {}

        #[test]
        #[ignore = "slow"]
        fn ignored() {}
        fn behind() {}
        "#;
    assert_eq!(is_test(source, "plain"), Ok(()));
    assert_eq!(is_test(source, "waits"), Ok(()));
    for other in ["helper", "ignored", "behind", "wait", "absent"] {
        assert!(is_test(source, other).is_err(), "{other}");
    }
}
