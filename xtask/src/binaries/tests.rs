//! How a run ends, with a shell for a test binary, and what cargo's messages say.

use super::*;

/// Runs a script as a test binary; lines are read up to the one that is `stop`.
fn watched(script: &str, patience: Duration) -> (Vec<String>, Ending) {
    let folder = std::env::temp_dir();
    let (package, target) = ("p".to_owned(), "t".to_owned());
    let shell = Binary { package, target, folder, path: "/bin/sh".into(), took: Duration::ZERO };
    let mut command = shell.command("");
    command.args(["-c", script]);
    let mut lines = Vec::new();
    let ending = watch(&mut command, patience, |line| {
        lines.push(line.to_owned());
        line == "stop"
    });
    (lines, ending.expect("there is a shell").ending)
}

#[test]
fn a_run_ends_stops_or_hangs() {
    let (lines, ending) =
        watched("echo a; echo b >&2; echo $CARGO_PKG_NAME; exit 3", Duration::from_secs(60));
    assert_eq!(lines, ["a", "p"]);
    assert!(matches!(ending, Ending::Ended(status) if status.code() == Some(3)), "{ending:?}");
    // What the binary started is ended with it, else the pipe would stay open for a minute.
    let (lines, ending) = watched("echo a; sleep 60 & echo stop; wait", Duration::from_secs(60));
    assert_eq!((lines.len(), ending), (2, Ending::Stopped));
    let (lines, ending) = watched("echo a; sleep 60 & wait", Duration::ZERO);
    assert!(lines.len() <= 1 && ending == Ending::Hung, "{ending:?}");
}

#[test]
fn messages_name_test_binaries() {
    let message = |text: &str| binary(&serde_json::from_str(text).expect("JSON"));
    let artifact = r#"{"executable": "/t/counter-1", "target": {"name": "counter"}, "profile": {"test": true},
        "manifest_path": "/r/crates/nigh-sim/Cargo.toml", "package_id": "path+file:///r/crates/nigh-sim#0.1.0"}"#;
    let found = message(artifact).expect("it is a test");
    assert_eq!((found.package.as_str(), found.target.as_str()), ("nigh-sim", "counter"));
    assert_eq!(found.folder, Path::new("/r/crates/nigh-sim"));
    let named = message(&artifact.replace("nigh-sim#", "tests#nigh-tests@")).expect("it is a test");
    assert_eq!(named.package, "nigh-tests");
    assert!(message(&artifact.replace("true", "false")).is_none());
    assert!(message(r#"{"reason": "build-finished"}"#).is_none());
}
