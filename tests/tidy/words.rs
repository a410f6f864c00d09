//! What documents promise and must not say.

use xtask::files;

use crate::{none, read};

/// Places of one machine, and tools of nobody who reads this. In halves, so that this file does not say them.
const BANNED: [(&str, &str); 6] = [
    ("/wo", "rk/"),
    ("/home", "/"),
    ("../sha", "red"),
    ("sub", "agents"),
    ("issues", " show"),
    ("farm", "-"),
];

#[test]
fn nothing_names_one_machine() {
    let mut complaints = Vec::new();
    let root = files::root();
    for path in files::listed(&root) {
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else { continue };
        for (index, line) in text.lines().enumerate() {
            for (a, b) in BANNED.iter().filter(|(a, b)| line.contains(&format!("{a}{b}"))) {
                complaints.push(format!("{}:{}: `{a}{b}`", path.display(), index + 1));
            }
        }
    }
    none(complaints, "files stand alone: no path of one machine, no tool that readers do not have");
}

/// Each cargo command of the README names something that exists.
#[test]
fn commands_of_the_readme_exist() {
    let root = files::root();
    let readme = read("README.md");
    assert!(!readme.is_empty(), "there is no README.md");
    let mut complaints = Vec::new();
    for needed in ["cargo run -p shop", "cargo xtask test"] {
        if !readme.contains(needed) {
            complaints.push(format!("the README does not say `{needed}`"));
        }
    }
    for document in ["README.md", "CONTRIBUTING.md"] {
        let text = read(document);
        for command in text.split(['`', '\n']).map(str::trim).filter(|text| text.starts_with("cargo ")) {
            let words: Vec<&str> = command.split_whitespace().collect();
            let package = words.iter().position(|word| *word == "-p").and_then(|at| words.get(at + 1));
            if let Some(package) = package {
                let folders = ["crates", "examples"].map(|folder| root.join(folder).join(package));
                if !folders.iter().any(|folder| folder.join("Cargo.toml").exists()) {
                    complaints.push(format!("{document}: `{command}`: there is no package {package}"));
                }
            }
            let chore = words.get(2).filter(|_| words[1] == "xtask");
            if chore.is_some_and(|chore| {
                !["test", "sim", "mutants", "bench", "disk", "explore", "torture"].contains(chore)
            }) {
                complaints.push(format!("{document}: `{command}`: there is no such chore"));
            }
        }
    }
    none(complaints, "commands of the documents exist");
}

/// The program of the README is compiled and run by its tests: `examples/counter` ends with it.
#[test]
fn the_program_of_the_readme_is_an_example() {
    let readme = read("README.md");
    let block = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("the README shows a program");
    let says_something = |line: &&str| !["", "}"].contains(&line.trim());
    let lines = block.lines().filter(says_something).count();
    assert!(lines <= 15, "the program of the README has {lines} lines, at most 15");
    let example = read("examples/counter/src/main.rs");
    assert!(example.ends_with(block), "examples/counter/src/main.rs ends with the program of the README");
}

/// What documents point at is there.
#[test]
fn links_of_documents_lead_somewhere() {
    let root = files::root();
    let mut complaints = Vec::new();
    for path in files::listed(&root).iter().filter(|path| path.extension().is_some_and(|ext| ext == "md")) {
        let text = read(&path.display().to_string());
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let folder = path.parent().expect("a listed path is a file");
            if !link.is_empty() && !link.contains(':') && !root.join(folder).join(link).exists() {
                complaints.push(format!("{}: {link}", path.display()));
            }
        }
    }
    none(complaints, "links between files lead somewhere");
}

#[test]
fn the_changelog_is_kept() {
    let text = read("CHANGELOG.md");
    assert!(text.contains("## [Unreleased]"), "CHANGELOG.md has a section `## [Unreleased]`");
}

/// The list of files in ARCHITECTURE.md is the list of files.
#[test]
fn the_path_of_one_call_exists() {
    let root = files::root();
    let text = read("ARCHITECTURE.md");
    assert!(!text.is_empty(), "there is no ARCHITECTURE.md");
    let named = text.split('`').skip(1).step_by(2);
    let paths = named.filter(|word| {
        let folders = ["crates/", "examples/", "spec/", "tests/", "xtask/", "bench/"];
        folders.iter().any(|folder| word.starts_with(folder)) && !word.contains([' ', '*', '<', '{'])
    });
    let missing = paths.filter(|path| !root.join(path).exists()).map(str::to_owned);
    none(missing.collect(), "ARCHITECTURE.md names files that exist");
}

#[test]
fn ci_runs_the_command_of_the_readme() {
    assert!(read(".ci/run").lines().any(|line| line == "cargo xtask test"));
}
