//! Every attack of the driver with small counts: the server holds, and the probe is answered.

use std::process::Command;

#[test]
fn handshakes_find_the_server_as_it_must_be() {
    run_all(&[
        ("TL-1", "16"),
        ("TL-2", "9"),
        ("TL-3", "8"),
        ("TL-4", "4"),
        ("TL-5", "40"),
        ("TL-6", "11"),
        ("TL-7", "8"),
        ("TL-8", "4"),
        ("TL-9", "6"),
        ("TL-10", "3"),
        ("TL-11", "3"),
    ]);
}

#[test]
fn frames_find_the_server_as_it_must_be() {
    run_all(&[
        ("H2-1", "1200"),
        ("H2-2", "1800"),
        ("H2-3", "2000"),
        ("H2-4", "5"),
        ("H2-5", "6000"),
        ("H2-6", "20900"),
        ("H2-7", "2000"),
        ("H2-8", "1640"),
        ("H2-11", "6"),
        // Without the one that says nothing for ten seconds.
        ("H2-12", "27"),
        ("H2-13", "3"),
        ("H2-14", "1"),
    ]);
}

#[test]
fn paths_find_no_octet_from_outside() {
    run_all(&[
        ("ST-1", "600"),
        ("ST-1-race", "2"),
        ("ST-1-paths", "100000"),
    ]);
}

#[test]
fn limits_and_origins_find_the_server_as_it_must_be() {
    run_all(&[
        ("RL-1", "2000"),
        ("RL-3", "200000"),
        ("RL-5", "800"),
        ("CR-1", "1000"),
    ]);
}

#[test]
fn subscribers_that_never_read_find_the_server_as_it_must_be() {
    run_all(&[("R24", "100")]);
}

/// These take as long as their deadlines.
#[test]
fn streams_that_stand_still_find_the_server_as_it_must_be() {
    std::thread::scope(|scope| {
        scope.spawn(|| run_all(&[("H2-9", "4")]));
        scope.spawn(|| run_all(&[("H2-10", "2")]));
    });
}

fn run_all(attacks: &[(&str, &str)]) {
    for (id, count) in attacks {
        let output = Command::new(env!("CARGO_BIN_EXE_bench-attack"))
            .args([*id, "--count", count, "--concurrency", "4", "--seed", "7"])
            .args(["--server", env!("CARGO_BIN_EXE_bench-server")])
            // The figure is for a server that was built for it, on a machine with nothing else to do.
            .args(["--probe-p99", "5000"])
            .output()
            .unwrap();
        let line = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{id}: {line}{complaint}");
        assert!(
            line.contains("\"holds\":true") && line.contains(&format!("\"id\":\"{id}\"")),
            "{line}"
        );
    }
}

#[test]
fn what_there_is_not_is_said() {
    let run = |id: &str| {
        Command::new(env!("CARGO_BIN_EXE_bench-attack"))
            .arg(id)
            .output()
            .unwrap()
    };
    assert_eq!(run("TL-99").status.code(), Some(2));
    let list = String::from_utf8(run("list").stdout).unwrap();
    assert_eq!(list.lines().count(), 33, "{list}");
}
