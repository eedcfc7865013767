//! The files of `deploy/`, held to what the program knows.

use crate::server::{run, run_with};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

const KUBERNETES: &str = include_str!("../../../deploy/kubernetes.yaml");
const COMPOSE: &str = include_str!("../../../deploy/compose.yaml");
const NGINX: &str = include_str!("../../../deploy/nginx.conf");
const UNIT: &str = include_str!("../../../deploy/wireline.service");
const DOCKERFILE: &str = include_str!("../../../deploy/Dockerfile");
const SOCKET: &str = include_str!("../../../deploy/wireline.socket");

/// The documents of a file in YAML.
fn documents(yaml: &str) -> Vec<Value> {
    let program =
        "import json, sys, yaml\njson.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)";
    let mut python = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    input.write_all(yaml.as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "python3 with PyYAML, see tests/tools.sh"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the program says holds with these, which it would serve with.
fn holds(args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut all = args.to_vec();
    all.push("--check");
    let output = run_with(&all, variables);
    let complained = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{args:?} {variables:?}: {complained}"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

#[test]
fn s243_kubernetes() {
    let documents = documents(KUBERNETES);
    let of = |kind: &str| documents.iter().find(|one| one["kind"] == kind).unwrap();
    let deployment = &of("Deployment")["spec"];
    assert!(deployment["replicas"].as_u64().unwrap() >= 2);
    let pod = &deployment["template"]["spec"];
    let node = &pod["containers"][0];

    // The variables are settings, and the program takes their values.
    let mut variables = Vec::new();
    for variable in node["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        let value = match (variable["value"].as_str(), name) {
            (Some(value), _) => value,
            (None, "WIRELINE_BACKPLANE") => "rediss://wireline:PASSWORD@redis.example:6379",
            (None, "WIRELINE_API_KEYS") => "backend=0123456789abcdef0123",
            (None, other) => panic!("{other} has no value"),
        };
        variables.push((name, value));
    }
    let said = holds(&texts(&node["args"]), &variables);
    for (name, _) in &variables {
        assert!(said.contains(&format!("# {name}")), "{name}: {said}");
    }

    // Its probes ask what is served, where it is served.
    assert_eq!(node["readinessProbe"]["httpGet"]["path"], "/ready");
    assert_eq!(node["livenessProbe"]["httpGet"]["path"], "/health");
    let value = |wanted| {
        variables
            .iter()
            .find(|(name, _)| *name == wanted)
            .unwrap()
            .1
    };
    for (name, port) in [
        ("http", value("WIRELINE_ADDR")),
        ("metrics", value("WIRELINE_METRICS_ADDR")),
    ] {
        let ports = node["ports"].as_array().unwrap();
        let listens = ports.iter().find(|one| one["name"] == name).unwrap();
        assert!(
            port.ends_with(&format!(":{}", listens["containerPort"])),
            "{port}"
        );
    }
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(node[probe]["httpGet"]["port"], "http");
    }
    // Enough for the drain, which takes 30 s, behind the wait.
    let waits = node["lifecycle"]["preStop"]["sleep"]["seconds"]
        .as_u64()
        .unwrap();
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > 30 + waits);

    let service = of("Service");
    assert_eq!(
        service["spec"]["selector"],
        deployment["selector"]["matchLabels"]
    );
    let ingress = of("Ingress");
    let backend = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"];
    assert_eq!(backend["name"], service["metadata"]["name"]);
    assert_eq!(backend["port"]["name"], service["spec"]["ports"][0]["name"]);
    let annotation = |name| {
        let name = format!("nginx.ingress.kubernetes.io/{name}");
        ingress["metadata"]["annotations"][name]
            .as_str()
            .unwrap_or_default()
    };
    for (name, value) in [
        ("affinity", "cookie"),
        ("session-cookie-name", "RPRESS_AFFINITY"),
        ("session-cookie-expires", "172800"),
        ("session-cookie-max-age", "172800"),
        ("proxy-read-timeout", "3600"),
        ("proxy-send-timeout", "3600"),
        ("proxy-buffering", "off"),
    ] {
        assert_eq!(annotation(name), value, "{name}");
    }
}

#[test]
fn compose() {
    let documents = documents(COMPOSE);
    let services = &documents[0]["services"];
    let address = |name: &str| {
        services[name]["networks"]["inside"]["ipv4_address"]
            .as_str()
            .unwrap()
    };
    let nodes = ["node-1", "node-2"];
    for node in nodes.map(|name| &services[name]) {
        let settings = node["environment"].as_object().unwrap();
        let variables: Vec<_> = settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let said = holds(&texts(&node["command"]), &variables);
        for (name, _) in &variables {
            assert!(said.contains(&format!("# {name}")), "{name}: {said}");
        }
        // Everybody is where the others look for him.
        assert_eq!(settings["WIRELINE_TRUSTED_PROXY"], address("nginx"));
        let broker = format!("redis://{}:6379", address("redis"));
        assert_eq!(settings["WIRELINE_BACKPLANE"], broker.as_str());
        assert!(
            settings["WIRELINE_ADDR"]
                .as_str()
                .unwrap()
                .ends_with(":8000")
        );
        assert!(node["stop_grace_period"] == "40s");
    }
    for name in nodes {
        let server = format!("server {}:8000 ", address(name));
        assert_eq!(NGINX.matches(&server).count(), 2, "{server}");
    }
    let volumes = texts(&services["nginx"]["volumes"]);
    assert!(volumes[0].starts_with("./nginx.conf:"));
}

/// What stands behind this instruction, each time.
fn instructions(name: &str) -> Vec<&'static str> {
    let lines = DOCKERFILE.lines();
    lines
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .collect()
}

#[test]
fn the_image() {
    // The compiler is no older than what the crates ask for.
    let manifest = include_str!("../../../Cargo.toml");
    let (_, asked) = manifest.split_once("rust-version = \"").unwrap();
    let asked = asked.split('"').next().unwrap();
    let from = instructions("FROM");
    assert!(from[0].starts_with(&format!("rust:{asked}-")), "{from:?}");
    assert_eq!(from.last(), Some(&"scratch"));

    // It serves where it says, as nobody.
    let settings: Vec<_> = (instructions("ENV").iter())
        .map(|variable| variable.split_once('=').unwrap())
        .collect();
    let said = holds(&["serve"], &settings);
    for (name, _) in &settings {
        assert!(said.contains(&format!("# {name}")), "{name}: {said}");
    }
    let port = format!(":{}", instructions("EXPOSE")[0]);
    assert!(settings[0].1.ends_with(&port), "{settings:?}");
    assert_eq!(instructions("USER"), ["65534:65534"]);
    assert_eq!(instructions("STOPSIGNAL"), ["SIGTERM"]);
    let entry = instructions("ENTRYPOINT")[0];
    let copied = instructions("COPY --from=build /wireline");
    assert_eq!(entry, format!("[\"{}\"]", copied[0]));

    // What the build needs is not kept from it: the members of the workspace, and what their manifests name.
    let ignored = include_str!("../../../.dockerignore");
    let ignored = ignored.lines().filter(|line| !line.starts_with('#'));
    let needed = [
        "bench", "cli", "clients", "examples", "macros", "src", "tests",
    ];
    for pattern in ignored {
        assert!(!needed.contains(&pattern.trim_matches('/')), "{pattern}");
    }

    let services = &documents(COMPOSE)[0]["services"];
    for name in ["node-1", "node-2"] {
        assert_eq!(services[name]["build"]["dockerfile"], "deploy/Dockerfile");
    }
}

#[test]
fn documents_name_settings() {
    let help = String::from_utf8(run(&["serve", "--help"]).stdout).unwrap();
    let mut seen = 0;
    for document in [
        include_str!("../../../docs/cluster.md"),
        include_str!("../../../docs/deploy.md"),
    ] {
        for word in document
            .split('`')
            .filter(|word| word.starts_with("backplane_"))
        {
            let key = word.split(' ').next().unwrap();
            let flag = format!("--{}", key.replace('_', "-"));
            assert!(help.contains(&flag), "{flag}");
            seen += 1;
        }
    }
    assert!(seen > 3);
}

#[test]
fn the_unit() {
    let path = "/usr/local/bin/wireline";
    let starts = UNIT
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let mut words = starts.unwrap().split(' ');
    assert_eq!(words.next(), Some(path));
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/wireline.example.toml");
    let args: Vec<_> = words
        .map(|word| {
            if word == "/etc/wireline/wireline.toml" {
                example
            } else {
                word
            }
        })
        .collect();
    assert!(args.contains(&example));
    holds(&args, &[]);
    // Which it ends with when a setting is wrong.
    assert_eq!(run(&["serve", "--addr", "nowhere"]).status.code(), Some(2));
    assert!(UNIT.contains("\nRestartPreventExitStatus=2\n"));
    // Which says that it is ready: tests/restarts.rs.
    assert!(UNIT.contains("\nType=notify\n"));
    // And that it is well: tests/handover.rs of the library.
    assert!(UNIT.contains("\nWatchdogSec=30\n"));

    // Where there is a systemd, it reads all of it.
    let folder = std::env::temp_dir().join(format!("wireline-unit-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("wireline.service");
    fs::write(&file, UNIT.replace(path, env!("CARGO_BIN_EXE_wireline"))).unwrap();
    let socket = folder.join("wireline.socket");
    fs::write(&socket, SOCKET).unwrap();
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .args([&file, &socket])
        .output();
    if let Ok(verified) = verified {
        let complained = String::from_utf8(verified.stderr).unwrap();
        assert!(verified.status.success(), "{complained}");
        assert!(!complained.contains("wireline."), "{complained}");
        // In tenths, of 10: what is left is the network, which it is there for.
        let exposed = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold=15"])
            .arg(&file)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&exposed.stdout);
        assert!(exposed.status.success(), "{told}");
    }
    fs::remove_dir_all(folder).unwrap();
}
