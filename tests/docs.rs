//! The documents say what the code does: every limit, default and counter is in `docs/limits.md`, and the
//! example of the README is `examples/hello.rs`. Then the examples, through the test client.

use http::StatusCode;
use std::path::Path;
use wireline::http1::driver::config::Config;
use wireline::http1::limits::Limits;
use wireline::resource::counters::Counter;
use wireline::server::config::ServerConfig;

const LIMITS: &str = include_str!("../docs/limits.md");
const README: &str = include_str!("../README.md");

/// The row of a table whose first cell is `name` in backticks.
fn row(name: &str) -> &'static str {
    let begin = format!("| `{name}` |");
    let mut rows = LIMITS.lines().filter(|line| line.starts_with(&begin));
    let row = rows
        .next()
        .unwrap_or_else(|| panic!("docs/limits.md has no row for `{name}`"));
    assert!(
        rows.next().is_none(),
        "docs/limits.md has two rows for `{name}`"
    );
    row
}

/// The public fields of a struct, from its source.
fn fields(source: &str, name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("pub struct {name} {{")).unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let field = |line: &str| Some(line.strip_prefix("    pub ")?.split_once(':')?.0.to_owned());
    let fields: Vec<String> = body.lines().filter_map(field).collect();
    assert!(fields.len() > 3, "{source} has only {fields:?}");
    fields
}

/// The value of a field in the `Debug` form of a default, as `docs/limits.md` writes it.
fn default_of(debug: &str, field: &str) -> Option<String> {
    let (_, rest) = debug.split_once(&format!(" {field}: "))?;
    let value = rest.split([',', ' ', '}']).next()?;
    if let Some(seconds) = value.strip_suffix('s') {
        return Some(if seconds == "3600" {
            "1 h".into()
        } else {
            format!("{seconds} s")
        });
    }
    let number = wireline::wire::number::decimal(value.as_bytes())?;
    Some(match number {
        0..1024 => number.to_string(),
        1024 | 4096 if field == "max_connections" || field == "backlog" => {
            format!("{},{:03}", number / 1000, number % 1000)
        }
        1024..1_048_576 => format!("{} KiB", number / 1024),
        _ => format!("{} MiB", number / 1_048_576),
    })
}

#[test]
fn every_limit_is_documented_with_its_default() {
    let structs = [
        (
            "src/http1/limits.rs",
            "Limits",
            format!("{:?}", Limits::default()),
        ),
        (
            "src/http1/driver/config.rs",
            "Config",
            format!("{:?}", Config::default()),
        ),
        (
            "src/server/config.rs",
            "ServerConfig",
            format!("{:?}", ServerConfig::default()),
        ),
    ];
    let mut compared = 0;
    for (source, name, debug) in structs {
        for field in fields(source, name) {
            let default = row(&field).split('|').nth(2).unwrap().trim();
            if let Some(expected) = default_of(&debug, &field).filter(|_| field != "limits") {
                let same = default
                    .strip_prefix(&expected)
                    .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()));
                assert!(
                    same,
                    "{name}::{field} is {expected}, docs/limits.md says {default}"
                );
                compared += 1;
            }
        }
    }
    // All but `limits`, `server` and `when_full` have a number.
    assert!(compared >= 26, "only {compared} defaults were compared");
}

#[test]
fn every_counter_is_documented() {
    for counter in Counter::ALL {
        row(counter.name());
    }
    // Whatever a limit's row names as its counter is one.
    let names: Vec<&str> = Counter::ALL.iter().map(|counter| counter.name()).collect();
    let (limits, _) = LIMITS.split_once("## Counters").unwrap();
    for row in limits.lines().filter(|line| line.starts_with("| `")) {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in last.split('`').skip(1).step_by(2) {
            assert!(names.contains(&name), "`{name}` is no counter: {row}");
        }
    }
}

#[test]
fn every_status_of_a_limit_is_the_one_of_its_counter() {
    let (limits, _) = LIMITS.split_once("## Of the server").unwrap();
    let pairs = [
        ("413", "refused_content_too_large"),
        ("414", "refused_request_line"),
        ("431", "refused_header_section"),
        ("400", "refused_malformed"),
    ];
    let mut seen = 0;
    for row in limits.lines().filter(|line| line.starts_with("| `")) {
        for (status, counter) in pairs {
            assert_eq!(
                row.contains(&format!("| {status} |")),
                row.contains(counter),
                "{row}"
            );
            seen += usize::from(row.contains(counter));
        }
    }
    assert_eq!(seen, 9);
}

#[test]
fn the_readme_shows_the_hello_example() {
    let hello = include_str!("../examples/hello.rs");
    let (_, code) = hello.split_once("\n\n").unwrap();
    assert!(
        README.contains(&format!("```rust\n{}```", code)),
        "README.md and examples/hello.rs differ"
    );
}

#[test]
fn the_links_between_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut followed = 0;
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/guide.md",
        "docs/limits.md",
        "docs/coming-from.md",
    ] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let folder = root.join(document).parent().unwrap().to_owned();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            if path.starts_with("http") {
                continue;
            }
            let file = if path.is_empty() {
                root.join(document)
            } else {
                folder.join(path)
            };
            assert!(file.exists(), "{document} links to {target}");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(file).unwrap();
                let anchors = text
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(|line| {
                        let heading = line
                            .trim_start_matches('#')
                            .trim()
                            .to_lowercase()
                            .replace(' ', "-");
                        heading
                            .chars()
                            .filter(|next| next.is_alphanumeric() || *next == '-')
                            .collect::<String>()
                    });
                assert!(
                    anchors.into_iter().any(|known| known == anchor),
                    "{document} links to {target}"
                );
            }
            followed += 1;
        }
    }
    assert!(followed > 10, "only {followed} links were followed");
}
