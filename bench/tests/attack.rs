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
fn whoever_stands_still_finds_the_server_as_it_must_be() {
    std::thread::scope(|scope| {
        scope.spawn(|| run_all(&[("H2-9", "4")]));
        scope.spawn(|| run_all(&[("H2-10", "2")]));
        scope.spawn(|| run_all(&[("SL-1", "12"), ("SL-4", "12")]));
        scope.spawn(|| run_all(&[("SL-2", "12"), ("WS-10", "6")]));
        scope.spawn(|| run_all(&[("SL-3", "4")]));
        scope.spawn(|| run_all(&[("WS-9", "2")]));
    });
}

#[test]
fn requests_find_the_server_as_it_must_be() {
    run_all(&[
        ("H1-12", "8"),
        ("H1-13", "5"),
        ("H1-14", "6"),
        ("H1-16", "1"),
        ("H1-17", "16"),
        ("H1-19", "72"),
        ("CO-1", "8"),
        ("CO-2", "14"),
        ("CO-3", "6"),
        ("CO-4", "6"),
        ("HD-1", "28"),
        ("HD-2", "4"),
        ("MP-1", "11"),
        ("ST-3", "9"),
    ]);
}

#[test]
fn connections_find_the_server_as_it_must_be() {
    run_all(&[
        ("SL-5", "600"),
        ("SL-6", "200"),
        ("SL-8", "300"),
        ("SL-9", "16"),
        ("SL-10", "6"),
    ]);
}

#[test]
fn sockets_find_the_server_as_it_must_be() {
    run_all(&[
        ("WS-1", "4"),
        ("WS-2", "37"),
        ("WS-4", "1"),
        ("WS-5", "8"),
        ("WS-7", "8"),
        ("WS-8", "48"),
        ("WS-12", "10"),
        ("WS-13", "12"),
        ("RY-1", "1000"),
        ("RY-2", "23"),
        ("SI-1", "28"),
        ("SI-3", "6"),
        ("SI-5", "2500"),
    ]);
}

#[test]
fn one_fault_after_the_other_finds_the_server_as_it_must_be() {
    run_all(&[("R36", "20")]);
}

#[test]
fn too_many_requests_find_the_server_as_it_must_be() {
    run_all(&[("R38", "2")]);
}

/// Without the right to make a network nothing is shown, and that is said.
#[test]
fn whoever_is_cut_off_finds_the_server_as_it_must_be_or_says_why_not() {
    let output = attack("WS-9-cut", "6").output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("this attack wants root") {
        assert_eq!(output.status.code(), Some(2), "{line}{complaint}");
    } else {
        assert!(output.status.success(), "{line}{complaint}");
        assert!(line.contains("\"left_present\":0.0"), "{line}");
    }
}

/// Without a cgroup nothing is shown, and that is said.
#[test]
fn all_at_once_find_the_server_as_it_must_be_or_say_why_not() {
    let output = attack("R28", "4").output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("no memory cgroup can be made") {
        assert_eq!(output.status.code(), Some(2), "{line}{complaint}");
    } else {
        assert!(output.status.success(), "{line}{complaint}");
        assert!(line.contains("\"kills\":0.0"), "{line}");
    }
}

fn attack(id: &str, count: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench-attack"));
    command
        .args([id, "--count", count, "--concurrency", "4", "--seed", "7"])
        .args(["--server", env!("CARGO_BIN_EXE_bench-server")])
        // The figure is for a server that was built for it, on a machine with nothing else to do.
        .args(["--probe-p99", "5000", "--baseline", "50"]);
    command
}

fn run_all(attacks: &[(&str, &str)]) {
    for (id, count) in attacks {
        let output = attack(id, count).output().unwrap();
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
    assert_eq!(list.lines().count(), 75, "{list}");
}
