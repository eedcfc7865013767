//! What a proof comes to: a line of JSON.

use std::time::Duration;

/// One row of the results.
#[derive(Debug)]
pub(crate) struct Row {
    /// The row of the catalogue that it belongs to.
    pub(crate) row: &'static str,
    pub(crate) what: &'static str,
    /// How much was tried.
    pub(crate) figure: u64,
    /// How much the full count has at least.
    pub(crate) limit: u64,
    pub(crate) seed: u64,
    /// What was found that must not be; the first few, as text.
    pub(crate) faults: Vec<String>,
    pub(crate) facts: Vec<(String, u64)>,
}

impl Row {
    pub(crate) fn new(row: &'static str, what: &'static str, limit: u64) -> Self {
        Self {
            row,
            what,
            figure: 0,
            limit,
            seed: 0,
            faults: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// Writes a fault down, unless there are many already.
    pub(crate) fn fault(&mut self, fault: impl FnOnce() -> String) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault());
        }
    }

    pub(crate) fn json(&self, full: bool, took: Duration) -> String {
        let facts: Vec<String> = self
            .facts
            .iter()
            .map(|(name, count)| format!("{}: {count}", quoted(name)))
            .collect();
        let faults: Vec<String> = self.faults.iter().map(|fault| quoted(fault)).collect();
        format!(
            "{{\"row\": \"{}\", \"what\": {}, \"figure\": {}, \"limit\": {}, \"pass\": {}, \"full\": {full}, \"seed\": {}, \"seconds\": {:.1}, \"facts\": {{{}}}, \"faults\": [{}]}}",
            self.row,
            quoted(self.what),
            self.figure,
            self.limit,
            self.faults.is_empty() && (!full || self.figure >= self.limit),
            self.seed,
            took.as_secs_f64(),
            facts.join(", "),
            faults.join(", ")
        )
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_ascii_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => quoted.push(character),
        }
    }
    quoted + "\""
}

const MOST_FAULTS: usize = 20;
