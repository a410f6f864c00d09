//! Which crate may use which, and why each dependency is there.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};
use xtask::chores::cargo;
use xtask::files;

use crate::{none, read};

/// Direction of the crates: each may use only what stands on its line.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("nigh-macros", &[]),
    ("nigh-wire", &["nigh-macros"]),
    ("nigh-proto", &["nigh-macros", "nigh-wire"]),
    ("nigh", &["nigh-macros", "nigh-wire", "nigh-proto"]),
    ("nigh-gate", &["nigh-macros", "nigh-wire", "nigh-proto", "nigh"]),
    ("nigh-cli", &["nigh-macros", "nigh-wire", "nigh-proto", "nigh"]),
    ("nigh-guard", &[]),
    ("nigh-sim", &["nigh-macros", "nigh-wire", "nigh-proto", "nigh", "nigh-guard"]),
];

/// Most crates that an application gets with `nigh`, itself included.
const TREE_MAX: usize = 80;

/// Manifest of each package of the repository, by its path.
fn manifests() -> BTreeMap<String, Table> {
    let listed = files::listed(&files::root());
    let manifests = listed.iter().filter(|path| path.ends_with("Cargo.toml"));
    manifests
        .map(|path| {
            let path = path.display().to_string();
            let table = read(&path).parse().unwrap_or_else(|error| panic!("{path}: {error}"));
            (path, table)
        })
        .collect()
}

/// Names after `[dependencies]` and the like, with the section they stand in.
fn dependencies(manifest: &Table) -> Vec<(&'static str, String)> {
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let own = sections.into_iter().map(|section| (section, manifest.get(section)));
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let by_target =
        targets.flat_map(|target| sections.into_iter().map(|section| (section, target.get(section))));
    own.chain(by_target)
        .filter_map(|(section, table)| Some((section, table?.as_table()?)))
        .flat_map(|(section, table)| table.keys().map(move |name| (section, name.clone())))
        .collect()
}

#[test]
fn crates_depend_in_one_direction() {
    let manifests = manifests();
    let ours: BTreeSet<&str> =
        manifests.values().filter_map(|manifest| manifest.get("package")?.get("name")?.as_str()).collect();
    let mut complaints = Vec::new();
    for (path, manifest) in manifests.iter().filter(|(path, _)| path.starts_with("crates/")) {
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
        let Some((_, may_use)) = MAY_USE.iter().find(|(known, _)| Some(*known) == name) else {
            complaints.push(format!("{path}: say in tests/tidy/workspace.rs what this crate may use"));
            continue;
        };
        for (section, used) in dependencies(manifest) {
            let is_test = section == "dev-dependencies";
            if ours.contains(used.as_str()) && !is_test && !may_use.contains(&used.as_str()) {
                complaints.push(format!("{path}: may not use {used}"));
            }
        }
    }
    none(complaints, "nigh-macros < nigh-wire < nigh-proto < nigh < everything else");
}

#[test]
fn machines_cannot_reach_the_world() {
    let allowed = ["bytes", "nigh-macros", "nigh-wire"];
    let manifest = &manifests()["crates/nigh-proto/Cargo.toml"];
    let used = dependencies(manifest).into_iter().filter(|(section, _)| *section != "dev-dependencies");
    let complaints = used.filter(|(_, name)| !allowed.contains(&name.as_str()));
    none(
        complaints.map(|(_, name)| format!("nigh-proto uses {name}")).collect(),
        "the manifest of nigh-proto forbids clock, randomness and I/O",
    );
}

#[test]
fn every_dependency_is_argued() {
    let manifests = manifests();
    let folders: BTreeSet<String> = manifests
        .values()
        .filter_map(|manifest| Some(manifest.get("package")?.get("name")?.as_str()?.into()))
        .collect();
    let used: BTreeSet<String> = manifests
        .values()
        .flat_map(dependencies)
        .map(|(_, name)| name)
        .filter(|name| !folders.contains(name))
        .collect();
    let argued: BTreeSet<String> = read("deny.toml")
        .lines()
        .filter_map(|line| line.strip_prefix("# dep ")?.split_once(": "))
        .filter(|(_, reason)| !reason.trim().is_empty())
        .map(|(name, _)| name.to_owned())
        .collect();
    let complaints = used.difference(&argued).map(|name| format!("`{name}` has no line `# dep {name}: why`"));
    none(complaints.collect(), "deny.toml argues every direct dependency");
}

/// People who use nigh compile this much; `cargo tree` reads the lock file and no network.
#[test]
fn the_tree_of_nigh_is_small() {
    let args =
        ["tree", "--package", "nigh", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let output = cargo().args(args).current_dir(files::root()).output().expect("cargo runs");
    let listed = String::from_utf8_lossy(&output.stdout);
    let tree: BTreeSet<&str> = listed.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("nigh and what it needs: {} crates", tree.len());
    assert!((2..=TREE_MAX).contains(&tree.len()), "{} crates, at most {TREE_MAX}", tree.len());
}

#[test]
fn examples_and_benchmarks_stand_where_they_belong() {
    let manifests = manifests();
    let root = manifests["Cargo.toml"]["workspace"].clone();
    let listed = |key: &str| -> Vec<String> {
        let list = root.get(key).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|value| Some(value.as_str()?.to_owned())).collect()
    };
    let member = |folder: &str| listed("members").iter().any(|member| glob(member, folder));
    let mut complaints = Vec::new();
    for path in manifests.keys() {
        let Some(folder) = path.strip_suffix("/Cargo.toml") else { continue };
        if folder == "bench" {
            if !listed("exclude").contains(&folder.to_owned()) || !manifests[path].contains_key("workspace") {
                complaints.push("bench must be a workspace of its own, excluded by ours".into());
            }
        } else if !member(folder) {
            complaints
                .push(format!("{folder} is no member of the workspace: `cargo xtask test` does not see it"));
        }
    }
    none(complaints, "every package is tested");
}

fn glob(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(parent) => folder.strip_prefix(parent).is_some_and(|rest| rest.rfind('/') == Some(0)),
        None => pattern == folder,
    }
}
