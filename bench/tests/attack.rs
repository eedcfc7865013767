//! Every attack of the driver with small counts: the server holds, and the probe is answered.

use std::process::Command;

#[test]
fn every_attack_finds_the_server_as_it_must_be() {
    for (id, count) in [
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
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_bench-attack"))
            .args([id, "--count", count, "--concurrency", "4", "--seed", "7"])
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
    assert_eq!(list.lines().count(), 11, "{list}");
}
