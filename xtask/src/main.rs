//! `cargo xtask …`: one command per chore. What each does is in the library of the same name.

use std::process::ExitCode;

use xtask::{Trouble, chores, files, mutants, sim, torture};

const USAGE: &str = "\
usage: cargo xtask <chore>
  test                                   format, lints, all tests, docs: what CI runs
  sim [NAME…] [--seeds N] [--minutes M]  runs many seeds of the simulated tests
  mutants [NAME…] [--list]               plants each known fault and shows which test finds it
  mutants --sim [NAME…] [--seeds 10000]  the same, by seeds of the simulator
  bench [NAME…] [--rounds 5] [--save]    measures, in release, beside raw peers; `bench --help` lists
  disk [--histories 30]                  crashes the real store before every operation of a simulated disk
  explore [--states 1000000]             tries all orders of events of small worlds of callers and owners
  torture [NAME…] [--rounds 200] [--seed N]  lets misfortune strike the shop and counts the money; `torture help` lists";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("xtask: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<(), Trouble> {
    let root = files::root();
    let (chore, rest) = args.split_first().ok_or(USAGE)?;
    match chore.as_str() {
        "test" if rest.is_empty() => chores::test(&root),
        "mutants" => mutants::command(&root, rest),
        "sim" => sim::command(&root, rest),
        "bench" => chores::bench(&root, rest),
        "explore" => chores::explore(&root, rest),
        "disk" => chores::disk(&root, rest),
        "torture" => torture::command(&root, rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("`{}` is no chore\n{USAGE}", args.join(" "))),
    }
}
