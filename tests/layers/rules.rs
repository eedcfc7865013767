//! The rules of the sources, each a function whose name says it, over a [`Tree`] of files.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::lexer::Token;
use super::source::{Source, attribute_end, words_of};
use super::{ROOMS, Room};

/// A set of source files that belong to one crate.
pub(crate) struct Tree {
    /// The path of each file and what was read there, without files of tests.
    pub(crate) files: Vec<(String, Source)>,
}

impl Tree {
    pub(crate) fn read(texts: Vec<(String, String)>) -> Self {
        let mut files: Vec<_> = texts
            .iter()
            .map(|(path, text)| (path.clone(), Source::read(path, text)))
            .collect();
        let of_tests: Vec<_> = files
            .iter()
            .flat_map(|(_, file)| file.test_modules.clone())
            .collect();
        files.retain(|(_, file)| {
            !of_tests
                .iter()
                .any(|module| file.module.starts_with(module))
        });
        Self { files }
    }

    /// Every violation as `path:line: what`, in the order of the rules.
    pub(crate) fn violations(&self) -> Vec<String> {
        let rules = [
            stands_in_a_room,
            imports_point_down,
            imports_come_from_the_owner,
            cores_do_no_input_or_output,
            features_stand_on_modules_and_imports,
            documentation_names_no_rows,
            files_are_short,
        ];
        let mut violations = Vec::new();
        for (path, file) in &self.files {
            for rule in rules {
                violations.extend(
                    rule(file)
                        .into_iter()
                        .map(|(line, what)| format!("{path}:{line}: {what}")),
                );
            }
        }
        violations
    }

    /// Every pair of a file and another room that it imports.
    pub(crate) fn edges(&self) -> BTreeSet<(&str, &'static str)> {
        let mut edges = BTreeSet::new();
        for (path, file) in &self.files {
            let own = room_of_file(&file.module);
            for reference in &file.references {
                let target = room_of_path(&reference.path);
                if own.is_none_or(|own| own.path != target.path) {
                    edges.insert((path.as_str(), target.path));
                }
            }
        }
        edges
    }
}

fn stands_in_a_room(file: &Source) -> Vec<(usize, String)> {
    match room_of_file(&file.module) {
        Some(_) => Vec::new(),
        None => vec![(
            1,
            format!(
                "`{}` stands in no room of the table",
                file.module.join("::")
            ),
        )],
    }
}

fn imports_point_down(file: &Source) -> Vec<(usize, String)> {
    let Some(own) = room_of_file(&file.module) else {
        return Vec::new();
    };
    let mut violations = Vec::new();
    for reference in &file.references {
        let target = room_of_path(&reference.path);
        let judged_at_its_import = reference
            .import
            .as_ref()
            .is_some_and(|import| room_of_path(import).path == target.path);
        if own.may_import(target) || judged_at_its_import {
            continue;
        }
        let direction = match target.floor.cmp(&own.floor) {
            Ordering::Greater => "points up",
            Ordering::Equal => "points sideways",
            Ordering::Less => "is not on its list",
        };
        let what = format!(
            "{} imports {}, which {direction}",
            own.name(),
            target.name()
        );
        violations.push((reference.line, what));
    }
    violations
}

fn imports_come_from_the_owner(file: &Source) -> Vec<(usize, String)> {
    let double_supers = file.double_supers.iter().map(|line| {
        (
            *line,
            "`super::super`; write the path from `crate`".to_owned(),
        )
    });
    let globs = file
        .globs
        .iter()
        .map(|line| (*line, "glob import".to_owned()));
    // A `#[path]` would put a file into another room than its place says.
    let moved = attributes(&file.tokens)
        .filter(|(attribute, _)| words_of(attribute).first() == Some(&"path"))
        .map(|(attribute, _)| {
            (
                attribute[0].line,
                "`#[path]` hides where a file stands".to_owned(),
            )
        });
    double_supers.chain(globs).chain(moved).collect()
}

fn cores_do_no_input_or_output(file: &Source) -> Vec<(usize, String)> {
    let Some(room) = room_of_file(&file.module).filter(|room| room.core) else {
        return Vec::new();
    };
    let mut violations = Vec::new();
    for at in 0..file.tokens.len() {
        for words in NOT_IN_A_CORE {
            if begins_with(&file.tokens[at..], words) {
                violations.push((
                    file.tokens[at].line,
                    format!(
                        "{} is a sans-I/O core and uses `{}`",
                        room.name(),
                        words.concat()
                    ),
                ));
            }
        }
    }
    violations
}

fn features_stand_on_modules_and_imports(file: &Source) -> Vec<(usize, String)> {
    const WHAT: &str = "`cfg(feature)` on something else than a `mod` or `use` line";
    let tokens = &file.tokens;
    let mut violations = Vec::new();
    for (attribute, after) in attributes(tokens) {
        let words = words_of(attribute);
        let documents_only = words.starts_with(&["cfg_attr", "docsrs"]);
        let conditional =
            matches!(words.first(), Some(&("cfg" | "cfg_attr"))) && names_a_feature(attribute);
        if conditional && !documents_only && !is_module_or_import(tokens, after) {
            violations.push((attribute[0].line, WHAT.to_owned()));
        }
    }
    for (at, token) in tokens.iter().enumerate() {
        let is_macro =
            token.is_word("cfg") && tokens.get(at + 1).is_some_and(|next| next.is_mark('!'));
        if is_macro && names_a_feature(&tokens[at..tokens.len().min(at + 12)]) {
            violations.push((token.line, WHAT.to_owned()));
        }
    }
    violations
}

fn documentation_names_no_rows(file: &Source) -> Vec<(usize, String)> {
    let what = "the number of a row; `tests/spec.toml` says which test proves it";
    file.row_codes
        .iter()
        .map(|line| (*line, what.to_owned()))
        .collect()
}

fn files_are_short(file: &Source) -> Vec<(usize, String)> {
    if file.lines <= LONGEST_FILE {
        return Vec::new();
    }
    vec![(file.lines, format!("longer than {LONGEST_FILE} lines"))]
}

/// The room in which a file stands. Only `lib.rs` stands at the root: a new top-level file needs a row in the table.
pub(crate) fn room_of_file(module: &[String]) -> Option<&'static Room> {
    let room = room_of_path(module);
    (!room.path.is_empty() || module.is_empty()).then_some(room)
}

/// The room that a path leads to, by the longest row; a name that is no module's belongs to the root.
fn room_of_path(path: &[String]) -> &'static Room {
    let holds = |room: &&Room| {
        let segments: Vec<&str> = room
            .path
            .split("::")
            .filter(|segment| !segment.is_empty())
            .collect();
        path.len() >= segments.len()
            && segments
                .iter()
                .zip(path)
                .all(|(segment, own)| segment == own)
    };
    let longest = ROOMS
        .iter()
        .filter(holds)
        .max_by_key(|room| room.path.len());
    longest.expect("the root's empty path holds everything")
}

/// Every attribute of a file, with the index of the token after it.
fn attributes(tokens: &[Token]) -> impl Iterator<Item = (&[Token], usize)> {
    (0..tokens.len())
        .filter_map(|at| attribute_end(tokens, at).map(|after| (&tokens[at..after], after)))
}

/// Whether `feature = "..."` stands among the tokens; `feature(...)` of a `cfg_attr` is another thing.
fn names_a_feature(tokens: &[Token]) -> bool {
    tokens
        .windows(2)
        .any(|pair| pair[0].is_word("feature") && pair[1].is_mark('='))
}

/// Whether the item at `at`, behind further attributes and its visibility, is a `mod` or a `use`.
fn is_module_or_import(tokens: &[Token], mut at: usize) -> bool {
    while at < tokens.len() {
        match attribute_end(tokens, at) {
            Some(after) => at = after,
            None => break,
        }
    }
    if tokens.get(at).is_some_and(|token| token.is_word("pub")) {
        at += 1;
        if tokens.get(at).is_some_and(|token| token.is_mark('(')) {
            at += 1 + tokens[at..]
                .iter()
                .take_while(|token| !token.is_mark(')'))
                .count();
        }
    }
    tokens
        .get(at)
        .is_some_and(|token| token.is_word("mod") || token.is_word("use"))
}

fn begins_with(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len()
        && tokens.iter().zip(words).all(|(token, word)| match *word {
            "::" => token.is_separator(),
            "." => token.is_mark('.'),
            word => token.is_word(word),
        })
}

/// Words that have no place in a sans-I/O core: a runtime, a socket, a clock, randomness. Written as token sequences.
const NOT_IN_A_CORE: &[&[&str]] = &[
    &["tokio"],
    &[".", "await"],
    &["TcpStream"],
    &["TcpListener"],
    &["UdpSocket"],
    &["UnixStream"],
    &["Instant", "::", "now"],
    &["SystemTime"],
    &["rand"],
    &["getrandom"],
];

/// Past this many lines a file is two rooms. Files of tests are exempt.
pub(crate) const LONGEST_FILE: usize = 600;
