//! The floors of the house, executed: imports only point down.
//!
//! [`ROOMS`] is the documentation of the floors. Every file under `src/` stands in exactly one room, the one with the longest matching module path, and
//! may name code of its own room and of the rooms on its list, nothing else. The other rules of the sources are checked in the same pass: each is a
//! function in `layers/rules.rs` whose name says the rule.
//!
//! `tests/fixtures/layers_bad/` holds one file for each way to break a rule, with the violation it must produce, and the run over the real sources
//! asserts how much it saw, so that this test cannot pass by seeing nothing.

#[path = "layers/lexer.rs"]
mod lexer;
#[path = "layers/rules.rs"]
mod rules;
#[path = "layers/source.rs"]
mod source;

use std::fs;
use std::path::Path;

use rules::{LONGEST_FILE, Tree, room_of_file};

use Imports::{Everything, Nothing, Only, UpTo};

/// A part of `src/` that imports as one, and what it may import.
struct Room {
    /// Imports point to a lower floor.
    floor: u8,
    /// The module path; the room holds every file at or under it that no longer path claims.
    path: &'static str,
    /// Whether this is a sans-I/O core: bytes and values in, events and bytes out; time and randomness are arguments.
    core: bool,
    /// The rooms it may import, beside itself.
    imports: Imports,
}

/// What a room may import from this crate.
enum Imports {
    /// Nothing at all.
    Nothing,
    /// The rooms named.
    Only(&'static [&'static str]),
    /// Every room up to this floor.
    UpTo(u8),
    /// Whatever there is: this room ties the crate together.
    Everything,
}

const CORE: bool = true;
const OPEN: bool = false;

#[rustfmt::skip]
const ROOMS: &[Room] = &[
    // Floor 0: grammar and numbers; what every driver needs and nobody owns. Not even each other.
    Room { floor: 0, path: "wire",                   core: CORE, imports: Nothing },
    // Locks and atomics; what is shared between threads has them from here.
    Room { floor: 0, path: "sync",                   core: CORE, imports: Nothing },
    Room { floor: 0, path: "resource",               core: OPEN, imports: Only(&["sync"]) },
    // Floor 1: the words both sides use, and the protocols as pure state machines that do not know each other.
    Room { floor: 1, path: "service",                core: OPEN, imports: Only(&["wire", "resource", "sync"]) },
    Room { floor: 1, path: "http1",                  core: CORE, imports: Only(&["wire"]) },
    Room { floor: 1, path: "ws",                     core: CORE, imports: Only(&["wire"]) },
    Room { floor: 1, path: "socketio",               core: CORE, imports: Only(&["wire"]) },
    Room { floor: 1, path: "relay::hub",             core: CORE, imports: Only(&["wire", "sync"]) },
    // Floor 2, first half: what happens to a request. None of these names another.
    Room { floor: 2, path: "router",                 core: OPEN, imports: Only(&["service", "wire", "resource"]) },
    Room { floor: 2, path: "extract",                core: OPEN, imports: Only(&["service", "wire", "resource"]) },
    Room { floor: 2, path: "layer",                  core: OPEN, imports: Only(&["service", "wire", "resource", "sync"]) },
    Room { floor: 2, path: "files",                  core: OPEN, imports: Only(&["service", "wire", "resource"]) },
    Room { floor: 2, path: "sse",                    core: OPEN, imports: Only(&["service", "wire", "resource"]) },
    // Floor 2, second half: drivers, where tokio meets a core. Each knows its own core only.
    Room { floor: 2, path: "http1::driver",          core: OPEN, imports: Only(&["http1", "service", "resource", "wire"]) },
    // The client's response reader is of `http1`; it needs a transport of its own.
    Room { floor: 2, path: "http1::client::driver",  core: OPEN, imports: Only(&["http1", "service", "resource", "wire"]) },
    Room { floor: 2, path: "http2",                  core: OPEN, imports: Only(&["service", "resource", "wire", "sync"]) },
    Room { floor: 2, path: "ws::socket",             core: OPEN, imports: Only(&["ws", "service", "resource", "wire", "sync"]) },
    Room { floor: 2, path: "relay::client::core",    core: CORE, imports: Only(&["relay::hub", "wire"]) },
    // What a client knows and wants; packets of Socket.IO are its words.
    Room { floor: 2, path: "socketio::client::core", core: CORE, imports: Only(&["socketio", "wire"]) },
    Room { floor: 2, path: "relay::protocol",        core: CORE, imports: Only(&["relay::hub", "wire"]) },
    // The one room beside a core that knows the runtime.
    Room { floor: 2, path: "relay::groups",          core: OPEN, imports: Only(&["relay::hub"]) },
    Room { floor: 2, path: "relay::backplane",       core: OPEN, imports: Only(&["relay::hub", "service", "resource", "wire"]) },
    // Of a backplane it knows the words alone.
    Room { floor: 2, path: "relay::cluster",         core: CORE, imports: Only(&["relay::backplane", "relay::hub", "wire"]) },
    // Floor 3: each feature brings its own extractor and its own extension of the router; the floors below never name a feature.
    // It gives the socket of `ws::socket`, and reads the answer to its request with the client's parser of `http1`.
    Room { floor: 3, path: "ws::client",             core: OPEN, imports: Only(&["ws::socket", "ws", "http1::client::driver", "http1", "service", "resource", "wire"]) },
    Room { floor: 3, path: "files::route",           core: OPEN, imports: UpTo(2) },
    Room { floor: 3, path: "layer::on_router",       core: OPEN, imports: UpTo(2) },
    Room { floor: 3, path: "ws::route",              core: OPEN, imports: UpTo(2) },
    // What attributes leave and a router takes in; they name the features, this does not.
    Room { floor: 3, path: "discover",               core: OPEN, imports: UpTo(2) },
    Room { floor: 3, path: "relay::endpoint",        core: OPEN, imports: UpTo(2) },
    // Routes for programs; the endpoint does what they ask for.
    Room { floor: 4, path: "relay::api",             core: OPEN, imports: UpTo(3) },
    // It mounts the endpoint as a route of WebSockets.
    Room { floor: 4, path: "relay::route",           core: OPEN, imports: UpTo(3) },
    Room { floor: 4, path: "relay::service",         core: OPEN, imports: UpTo(3) },
    Room { floor: 4, path: "relay::discover",        core: OPEN, imports: UpTo(3) },
    Room { floor: 3, path: "relay::backplane::redis", core: OPEN, imports: UpTo(2) },
    Room { floor: 3, path: "relay::backplane::nats", core: OPEN, imports: UpTo(2) },
    // Sessions of Engine.IO over HTTP and WebSockets; what they carry is somebody else's.
    Room { floor: 4, path: "socketio::transport",    core: OPEN, imports: UpTo(3) },
    // What nodes say to each other; the server is its `Local`.
    Room { floor: 4, path: "socketio::adapter",      core: OPEN, imports: UpTo(3) },
    Room { floor: 5, path: "socketio::server",       core: OPEN, imports: UpTo(4) },
    // It opens its sockets with `ws::client`.
    Room { floor: 4, path: "socketio::client",       core: OPEN, imports: UpTo(3) },
    // It opens its sockets with `ws::client`, and its event streams with the client of HTTP.
    Room { floor: 4, path: "relay::client",          core: OPEN, imports: Only(&["relay::client::core", "relay::hub", "http1::client::driver", "ws::client", "ws::socket", "ws", "resource", "wire"]) },
    // Floor 4: listeners, TLS, workers, limits, drain. It serves a service and knows no feature.
    Room { floor: 4, path: "server",                 core: OPEN, imports: UpTo(2) },
    // Floor 5: the paved path. The root (`lib.rs`) has the empty path: `crate::Name` without a module points there.
    Room { floor: 5, path: "ws::prelude",            core: OPEN, imports: Everything },
    // Names from all of its floors, in one place.
    Room { floor: 5, path: "socketio::prelude",      core: OPEN, imports: Everything },
    Room { floor: 5, path: "relay",                  core: OPEN, imports: Everything },
    Room { floor: 5, path: "app",                    core: OPEN, imports: Everything },
    Room { floor: 5, path: "test",                   core: OPEN, imports: Everything },
    Room { floor: 5, path: "tower",                  core: OPEN, imports: Everything },
    Room { floor: 5, path: "",                       core: OPEN, imports: Everything },
];

/// What the run over the real sources must have seen at the least.
const FEWEST_FILES: usize = 30;
const FEWEST_EDGES: usize = 30;
const ROOMS_THAT_EXIST: &[&str] = &[
    "wire",
    "resource",
    "service",
    "http1",
    "http1::driver",
    "http2",
    "router",
    "extract",
    "layer",
    "server",
    "app",
    "",
];

#[test]
fn sources_keep_to_the_floors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(root, &root.join("src"), &mut files);
    let tree = Tree::read(files);

    let violations = tree.violations();
    assert!(
        violations.is_empty(),
        "{} violations:\n{}",
        violations.len(),
        violations.join("\n")
    );

    let edges = tree.edges();
    println!(
        "{} files, {} edges between rooms",
        tree.files.len(),
        edges.len()
    );
    assert!(
        tree.files.len() > FEWEST_FILES,
        "saw only {} files",
        tree.files.len()
    );
    assert!(edges.len() > FEWEST_EDGES, "saw only {} edges", edges.len());
    for name in ROOMS_THAT_EXIST {
        let seen = tree
            .files
            .iter()
            .any(|(_, file)| room_of_file(&file.module).is_some_and(|room| room.path == *name));
        assert!(seen, "saw no file of room `{name}`");
    }
}

#[test]
fn each_bad_fixture_gives_exactly_its_violation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut fixtures = Vec::new();
    rust_files(root, &root.join("tests/fixtures/layers_bad"), &mut fixtures);
    assert!(fixtures.len() >= 30, "saw only {} fixtures", fixtures.len());
    let mut surprises = Vec::new();
    for (name, text) in fixtures {
        let place = header(&text, "// stands at: ")
            .unwrap_or_else(|| panic!("{name} does not say where it stands"));
        let expected = header(&text, "// violation: ")
            .unwrap_or_else(|| panic!("{name} does not say what it violates"));
        let found = Tree::read(vec![(place.to_owned(), text.clone())]).violations();
        if found != [format!("{place}:{expected}")] {
            surprises.push(format!("{name}: expected {expected}, found {found:?}"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn lookalikes_give_no_violation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut fixtures = Vec::new();
    rust_files(
        root,
        &root.join("tests/fixtures/layers_good"),
        &mut fixtures,
    );
    assert!(!fixtures.is_empty());
    for (name, text) in fixtures {
        let place = header(&text, "// stands at: ")
            .unwrap_or_else(|| panic!("{name} does not say where it stands"));
        let tree = Tree::read(vec![(place.to_owned(), text.clone())]);
        assert_eq!(tree.violations(), [""; 0], "fixture {name}");
        let count = header(&text, "// edges: ")
            .unwrap_or_else(|| panic!("{name} does not say how many edges it has"));
        assert_eq!(
            tree.edges().len().to_string(),
            count,
            "edges of fixture {name}"
        );
    }
}

#[test]
fn files_of_tests_are_free_but_only_when_declared_so() {
    let body = "use super::*;\nuse crate::server::Server;\n".repeat(400);
    let declared = |declaration: &str| {
        Tree::read(vec![
            ("src/http1/head.rs".to_owned(), declaration.to_owned()),
            ("src/http1/head/tests.rs".to_owned(), body.clone()),
            ("src/http1/head/tests/deeper.rs".to_owned(), body.clone()),
        ])
    };
    assert_eq!(declared("#[cfg(test)]\nmod tests;\n").violations(), [""; 0]);
    assert_eq!(
        declared("#[cfg(all(test, unix))]\nmod tests;\n").violations(),
        [""; 0]
    );
    assert!(
        declared("mod tests;\n").violations().len() > 800,
        "not declared under cfg(test), so part of the library"
    );
    assert!(
        declared("#[cfg(any(test, feature = \"test\"))]\nmod tests;\n")
            .violations()
            .len()
            > 800
    );
}

#[test]
fn a_long_file_is_refused() {
    let at_limit = Tree::read(vec![(
        "src/wire/long.rs".to_owned(),
        "\n".repeat(LONGEST_FILE),
    )]);
    assert_eq!(at_limit.violations(), [""; 0]);
    let over_limit = Tree::read(vec![(
        "src/wire/long.rs".to_owned(),
        "\n".repeat(LONGEST_FILE + 1),
    )]);
    assert_eq!(
        over_limit.violations(),
        ["src/wire/long.rs:601: longer than 600 lines"]
    );
}

#[test]
fn the_table_itself_points_down() {
    for room in ROOMS {
        let same = ROOMS.iter().filter(|other| other.path == room.path).count();
        assert_eq!(
            same, 1,
            "room `{}` stands in the table {same} times",
            room.path
        );
        for target in ROOMS
            .iter()
            .filter(|target| room.may_import(target) && target.path != room.path)
        {
            // A room that is named may stand on the same floor, further up in the table: nobody comes back to where he was.
            let place = |path| ROOMS.iter().position(|other| other.path == path);
            let beside = target.floor == room.floor
                && matches!(room.imports, Only(_))
                && place(target.path) < place(room.path);
            let down = target.floor < room.floor || beside || matches!(room.imports, Everything);
            assert!(down, "{} lists {}", room.name(), target.name());
        }
        if let Only(list) = room.imports {
            for name in list {
                assert!(
                    ROOMS.iter().any(|other| other.path == *name),
                    "{} lists the unknown room `{name}`",
                    room.name()
                );
            }
        }
    }
}

impl Room {
    fn may_import(&self, target: &Self) -> bool {
        self.path == target.path
            || match self.imports {
                Nothing => false,
                Only(list) => list.contains(&target.path),
                UpTo(floor) => target.floor <= floor,
                Everything => true,
            }
    }

    fn name(&self) -> String {
        let path = if self.path.is_empty() {
            "the crate's root"
        } else {
            self.path
        };
        format!("{path} (floor {})", self.floor)
    }
}

/// The rest of the first line that begins with `key`.
fn header<'text>(text: &'text str, key: &str) -> Option<&'text str> {
    text.lines().find_map(|line| line.strip_prefix(key))
}

/// Every `.rs` file under `folder`, in a fixed order, named from the repository's root.
fn rust_files(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(root)
                .expect("a path under the root")
                .display()
                .to_string();
            files.push((
                name,
                fs::read_to_string(&path).expect("a readable source file"),
            ));
        }
    }
}
