//! Proofs as tables name them, `path::name`: a test function of a source, a case of a corpus, a text that is in another file.

use std::collections::BTreeMap;
use std::path::Path;

/// The files that proofs were looked for in, each read once.
#[derive(Default)]
pub(crate) struct Proofs {
    files: BTreeMap<String, Option<String>>,
}

impl Proofs {
    /// Whether there is such a proof, and if not, what is missing.
    pub(crate) fn check(&mut self, proof: &str) -> Result<(), String> {
        let Some((path, name)) = proof.split_once("::") else {
            return Err(format!("{proof} is no `path::function`"));
        };
        let text = self
            .files
            .entry(path.to_owned())
            .or_insert_with(|| read(path));
        let Some(text) = text else {
            return Err(format!("there is no {path}"));
        };
        if name.starts_with("```") && text.contains(&format!("/// {name}")) {
            // What must not compile is a doc test.
            return Ok(());
        }
        if path.ends_with(".rs") {
            return is_test(text, name).map_err(|what| format!("{path}: {what}"));
        }
        let case = format!("name = \"{name}\"");
        let is_there = if path.starts_with("tests/corpus/") {
            text.lines().any(|line| line == case)
        } else {
            text.contains(name)
        };
        if is_there {
            Ok(())
        } else {
            Err(format!("{path} does not have {name}"))
        }
    }
}

/// A file of the repository.
pub(crate) fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// Fails unless a page of the documents is this text. `WRITE_PAGE=1` makes it so.
#[allow(dead_code, reason = "one of the tables has no page")]
pub(crate) fn assert_page(path: &str, text: &str) {
    if std::env::var_os("WRITE_PAGE").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), text).unwrap();
    }
    assert!(
        read(path).is_some_and(|page| page == text),
        "{path} is not what its table says: WRITE_PAGE=1 makes it anew"
    );
}

/// Whether the source has this function, as a test that is run.
pub(crate) fn is_test(source: &str, name: &str) -> Result<(), String> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let begins = [format!("fn {name}("), format!("async fn {name}(")];
    let place = lines
        .iter()
        .position(|line| begins.iter().any(|begin| line.starts_with(begin)))
        .ok_or_else(|| format!("there is no function {name}"))?;
    // What stands above it: attributes, also over several lines, and comments, up to what was before.
    let above: Vec<&str> = lines[..place]
        .iter()
        .rev()
        .take_while(|line| !line.is_empty() && !line.ends_with(['}', ';']))
        .copied()
        .collect();
    let has = |begin: &str| above.iter().any(|line| line.starts_with(begin));
    if has("#[ignore") {
        return Err(format!("{name} is ignored"));
    }
    if has("#[test]") || has("#[tokio::test") {
        Ok(())
    } else {
        Err(format!("{name} is no test"))
    }
}
