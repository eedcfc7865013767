//! The file, the environment and the command line; and what is told of mistakes in them.

use crate::server::{Server, assert_refused, run, run_with};
use std::path::PathBuf;

/// A file that is gone with the test.
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new(name: &str, text: impl AsRef<[u8]>) -> Self {
        let folder = std::env::temp_dir().join(format!("wireline-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("wireline.toml");
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

/// What `--check` prints.
fn checked(args: &[&str], variables: &[(&str, &str)]) -> String {
    let output = run_with(args, variables);
    let complained = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {complained}");
    assert_eq!(complained, "");
    String::from_utf8(output.stdout).unwrap()
}

/// The line of a setting: what it is, and where that comes from.
fn line<'a>(shown: &'a str, key: &str) -> (&'a str, &'a str) {
    let begin = format!("{key} =");
    let line = shown
        .lines()
        .find(|line| line.trim_start_matches("# ").starts_with(&begin))
        .unwrap_or_else(|| panic!("{key} is not in {shown}"));
    let (what, origin) = line.rsplit_once(" # ").unwrap();
    (what.trim(), origin)
}

/// The lines on stderr of a start that ends with code 2.
fn refused(args: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let output = run_with(args, variables);
    let complained = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {complained}");
    assert!(output.stdout.is_empty(), "{args:?}");
    complained.lines().map(str::to_owned).collect()
}

#[test]
fn flags_are_stronger_than_the_environment_and_that_than_the_file() {
    let file = File::new(
        "strength",
        "workers = 1\nmax_connections = 100\nh2c = true\n\n[relay]\n  path = \"/live\"\n",
    );
    let args = ["--config", file.path(), "--check", "--workers", "3"];
    let variables = [
        ("WIRELINE_WORKERS", "2"),
        ("WIRELINE_MAX_CONNECTIONS", "200"),
        (
            "WIRELINE_RELAY_ORIGINS",
            "https://a.example, https://b.example",
        ),
    ];
    let shown = checked(&args, &variables);
    assert_eq!(line(&shown, "workers"), ("workers = 3", "--workers"));
    assert_eq!(
        line(&shown, "max_connections"),
        ("max_connections = 200", "WIRELINE_MAX_CONNECTIONS")
    );
    let at = |place: &str| format!("{}:{place}", file.path());
    assert_eq!(line(&shown, "h2c"), ("h2c = true", &*at("3:1")));
    assert_eq!(line(&shown, "path"), ("path = \"/live\"", &*at("6:3")));
    assert_eq!(
        line(&shown, "origins"),
        (
            "origins = [\"https://a.example\", \"https://b.example\"]",
            "WIRELINE_RELAY_ORIGINS"
        )
    );
    assert_eq!(
        line(&shown, "addr"),
        ("addr = [\"127.0.0.1:8000\"]", "default")
    );
    assert_eq!(line(&shown, "public_url"), ("# public_url =", "not set"));
    // The file may be named by the environment, and by a flag that is stronger.
    let shown = checked(&["serve", "--check"], &[("WIRELINE_CONFIG", file.path())]);
    assert_eq!(line(&shown, "workers").0, "workers = 1");
    let other = File::new("other", "workers = 7");
    let args = ["--check", "--config", other.path()];
    let shown = checked(&args, &[("WIRELINE_CONFIG", file.path())]);
    assert_eq!(line(&shown, "workers").0, "workers = 7");
}

/// What is shown is a file that says the same.
#[test]
fn what_is_shown_can_be_read_again() {
    let file = File::new(
        "again",
        concat!(
            "addr = [\"127.0.0.1:0\", \":1\"]\naccess_log = \"a \\\"b\\\" \\\\ ä\"\nworkers = 2\n",
            "[register]\nunconnected = 90\nmax_message = \"1024 KiB\"\n",
            "[[history]]\ntopics = \"room:*\"\nage = \"1 d\"\n[[history]]\ntopics = \"news\"\nmessages = 5\noctets = 1000\n",
        ),
    );
    let shown = checked(&["--config", file.path(), "--check", "--h2c"], &[]);
    for expected in [
        "unconnected = \"90 s\"",
        "max_message = \"1 MiB\"",
        "[[history]]",
        "topics = \"room:*\"\nmessages = 100\noctets = \"1 MiB\"\nage = \"1 d\"\n",
        "topics = \"news\"\nmessages = 5\noctets = \"1000 B\"\nage = \"10 min\"\n",
        "access_log = \"a \\\"b\\\" \\\\ ä\"",
    ] {
        assert!(shown.contains(expected), "{expected} is not in {shown}");
    }
    let values = |shown: &str| -> Vec<String> {
        let lines = shown
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let values = lines.map(|line| {
            line.rsplit_once(" # ")
                .map_or(line, |(value, _)| value)
                .trim()
                .to_owned()
        });
        values.collect()
    };
    let again = File::new("shown", &shown);
    let reread = checked(&["--config", again.path(), "--check"], &[]);
    assert_eq!(values(&shown), values(&reread));
    // Every value of it comes from the file now.
    assert!(!reread.contains("# default"), "{reread}");
}

#[test]
fn secrets_are_not_shown_and_not_told() {
    const SECRET: &str = "correct-horse-battery-staple-0123456789";
    let file = File::new(
        "secrets",
        format!(
            "[auth]\njwt_secret = \"{SECRET}\"\napi_keys = [\"shop={SECRET}\"]\n[api]\nkeys = [\"ops={SECRET}\"]"
        ),
    );
    let shown = checked(&["--config", file.path(), "--check"], &[]);
    assert_eq!(line(&shown, "jwt_secret").0, "jwt_secret = \"(redacted)\"");
    assert_eq!(
        line(&shown, "api_keys").0,
        "api_keys = [\"shop=(redacted)\"]"
    );
    assert_eq!(line(&shown, "keys").0, "keys = [\"ops=(redacted)\"]");
    assert!(!shown.contains(SECRET));

    let short = "hunter2";
    let file = File::new(
        "short",
        format!("[auth]\njwt_secret = \"{short}\"\n[api]\nkeys = [\"ops={short}\", \"{short}\"]"),
    );
    let mut told = refused(&["--config", file.path()], &[]);
    assert_eq!(told.len(), 3);
    told.extend(refused(&["--auth-jwt-secret", short], &[]));
    told.extend(refused(&["--api-keys", &format!("ops={short}")], &[]));
    told.extend(refused(&[], &[("WIRELINE_AUTH_JWT_SECRET", short)]));
    assert_eq!(told.len(), 6);
    for line in told {
        assert!(!line.contains(short), "{line}");
    }
}

#[test]
fn every_mistake_in_a_file_is_told_at_its_line_and_column() {
    let file = File::new(
        "mistakes",
        "wrokers = 4\n[relay]\nmax_message = \"64 kilo\"\n  presense = true\n[tls]\ncert = \"a.pem\"\n",
    );
    for args in [
        &["--config", file.path()][..],
        &["serve", "--config", file.path(), "--check"],
    ] {
        let told = refused(args, &[]);
        let at = |place: &str, rest: &str| format!("{}:{place}: {rest}", file.path());
        assert_eq!(
            told,
            [
                at("1:1", "unknown key `wrokers` (did you mean `workers`?)"),
                at(
                    "3:15",
                    "relay.max_message: `64 kilo` is no size: write octets, or a number with KiB, MiB or GiB"
                ),
                at("4:3", "unknown key `presense` (did you mean `presence`?)"),
            ]
        );
    }
    // What does not go together is told where it stands, too.
    let file = File::new("half", "\n[tls]\ncert = \"a.pem\"\n");
    let told = refused(&["--config", file.path()], &[]);
    assert_eq!(
        told,
        [format!("{}:3:1: tls.cert: needs `tls.key`", file.path())]
    );
    // Unless something stronger completes it, or takes its place.
    let told = refused(&["--config", file.path(), "--tls-key", "/nowhere.key"], &[]);
    assert!(
        told[0].starts_with("wireline: ") && told[0].contains("a.pem"),
        "{told:?}"
    );

    // A line each, whatever is in a value, and no more of a key than can be read.
    let odd = format!("log = \"a\\nb\"\n{} = 1", "k".repeat(100_000));
    let odd = File::new("odd", odd);
    let told = refused(&["--config", odd.path()], &[]);
    assert!(told.len() == 2 && told[1].len() < 1000, "{told:?}");

    let broken = File::new("broken", "workers = [1\naddr = 5");
    let told = refused(&["--config", broken.path()], &[]);
    assert!(
        told.len() == 1 && told[0].starts_with(&format!("{}:2:", broken.path())),
        "{told:?}"
    );
    let octets = File::new("octets", b"workers = 1 # \xff");
    let told = refused(&["--config", octets.path()], &[]);
    assert!(
        told.len() == 1 && told[0].starts_with(octets.path()),
        "{told:?}"
    );
    let told = refused(&["--config", "/nowhere/wireline.toml"], &[]);
    assert!(
        told.len() == 1 && told[0].starts_with("/nowhere/wireline.toml: "),
        "{told:?}"
    );
    let endless = refused(&["--config", "/dev/zero"], &[]);
    assert_eq!(endless, ["/dev/zero: it has more than 1 MiB"]);
}

#[test]
fn mistakes_elsewhere_are_told_by_the_name_they_were_made_under() {
    for (name, value, told) in [
        (
            "WIRELINE_WORKERS",
            "none",
            "WIRELINE_WORKERS in the environment: expected a number from 1 to 1024",
        ),
        (
            "WIRELINE_WROKERS",
            "4",
            "WIRELINE_WROKERS in the environment is no setting (did you mean WIRELINE_WORKERS?)",
        ),
        (
            "WIRELINE_TLS_KEY",
            "a.pem",
            "WIRELINE_TLS_KEY in the environment: needs WIRELINE_TLS_CERT",
        ),
        (
            "WIRELINE_REDIRECT_HTTP",
            ":80",
            "WIRELINE_REDIRECT_HTTP in the environment: needs TLS: WIRELINE_TLS_CERT and WIRELINE_TLS_KEY, or WIRELINE_TLS_SELF_SIGNED",
        ),
        (
            "WIRELINE_RELAY_TOKEN_TOPICS",
            "vip:*",
            "WIRELINE_RELAY_TOKEN_TOPICS in the environment: needs WIRELINE_AUTH_JWT_SECRET or WIRELINE_AUTH_JWKS_FILE",
        ),
        (
            "WIRELINE_HISTORY",
            "topics=a b",
            "WIRELINE_HISTORY in the environment: topics: `a b` is no topic",
        ),
    ] {
        let lines = refused(&["--check"], &[(name, value)]);
        assert!(
            lines.len() == 1 && lines[0].starts_with(&format!("wireline: {told}")),
            "{lines:?}"
        );
    }
    // Other programs' variables may begin alike.
    checked(
        &["--check"],
        &[
            ("WIRELINE_SERVICE_HOST", "10.0.0.1"),
            ("WIRELINE_PORT", "tcp://10.0.0.1:8000"),
        ],
    );

    assert_refused(
        &[
            "--relay-origins",
            "any",
            "--relay-origins",
            "https://a.example",
        ],
        "stand alone",
    );
    assert_refused(
        &["--tls-self-signed", "--tls-cert", "a", "--tls-key", "b"],
        "--tls-self-signed",
    );
    assert_refused(&["--auth-issuer", "a"], "--auth-jwt-secret");
    assert_refused(&["--auth-jwks-file", "/nowhere.json"], "/nowhere.json");
    assert_refused(&["--relay-path", "/health"], "/health");
    assert_refused(
        &[
            "--register-topics",
            "a",
            "--register-topics",
            "b",
            "--register-max-topics",
            "1",
        ],
        "--register-topics",
    );
}

/// What the system refuses is told with the setting that asked for it, and where that stands.
#[test]
fn whatever_cannot_be_had_is_told_with_where_it_was_asked_for() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let file = |text: &str| File::new("asked", format!("# a comment\n{text}\n"));
    for (text, key, place) in [
        (format!("addr = [\"{addr}\"]"), "addr", "2:1"),
        (format!("metrics_addr = \"{addr}\""), "metrics_addr", "2:1"),
        (
            "access_log = \"/nowhere/a.log\"".to_owned(),
            "access_log",
            "2:1",
        ),
        (
            "[tls]\nkey = \"/nowhere.key\"\ncert = \"/nowhere.pem\"".to_owned(),
            "tls.cert",
            "4:1",
        ),
        (
            "[auth]\njwks_file = \"/nowhere.json\"".to_owned(),
            "auth.jwks_file",
            "3:1",
        ),
    ] {
        let file = file(&text);
        let told = refused(
            &["--config", file.path()],
            &[("WIRELINE_ADDR", "127.0.0.1:0")][..usize::from(key != "addr")],
        );
        let whence = format!("; see `{key}` in {}:{place}", file.path());
        assert!(
            told.len() == 1 && told[0].starts_with("wireline: ") && told[0].ends_with(&whence),
            "{told:?}, {whence}"
        );
    }
    let told = refused(&[], &[("WIRELINE_ADDR", &addr)]);
    assert!(
        told[0].ends_with("; see `addr` in WIRELINE_ADDR"),
        "{told:?}"
    );
    let told = refused(&["--addr", &addr], &[]);
    assert!(!told[0].contains("; see"), "{told:?}");
}

/// The first things that go wrong, with a file as without.
#[test]
fn a_file_does_not_hide_what_the_system_refuses() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = File::new(
        "taken",
        format!("addr = \"{}\"", taken.local_addr().unwrap()),
    );
    assert_refused(&["--config", file.path()], "in use");
    // Nothing is bound to be checked.
    let shown = checked(&["--config", file.path(), "--check"], &[]);
    assert!(shown.contains(&taken.local_addr().unwrap().to_string()));

    let octets = File::new("octets", [0xff, 0xfe, b'a']);
    let output = run(&["--config", octets.path(), "--check"]);
    let told = String::from_utf8(output.stderr).unwrap();
    let wanted = format!("{}: it is no text in UTF-8\n", octets.path());
    assert_eq!((output.status.code(), told), (Some(2), wanted));

    let no_certificate = File::new("certificate", "this is no PEM");
    let path = no_certificate.path();
    for check in [&[][..], &["--check"]] {
        let args = [&["--tls-cert", path, "--tls-key", path], check].concat();
        assert_refused(&args, path);
    }
}

#[test]
fn the_example_is_what_holds_without_it() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/wireline.example.toml");
    let values = |shown: String| -> Vec<String> {
        let lines = shown.lines();
        lines
            .map(|line| line.split(" # ").next().unwrap().trim().to_owned())
            .collect()
    };
    let with = checked(&["--config", example, "--check"], &[]);
    let without = checked(&["--check"], &[]);
    assert_eq!(values(with), values(without));
    let server = Server::start(&["--config", example, "--addr", "127.0.0.1:0"]);
    assert_eq!(server.ask("GET /health HTTP/1.1", b"").status(), "200");
    server.stop();
}

#[test]
fn help_names_every_flag_with_its_default() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for part in [
        "--config <FILE>",
        "--check",
        "--relay-max-message <SIZE>",
        "[default: 64 KiB]",
        "--h2c[=<true|false>]",
    ] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
}
