//! nigh measured beside raw peers, in the same rounds on the same machine: `cargo xtask bench`.
//!
//! - [`cases`] is what is measured, and what must hold. Start here.
//! - [`subjects`] is the side of nigh; [`collections`] its tracked ones.
//! - [`neighbours`] is good callers beside bad ones; [`homes`] a commit over two entities.
//! - [`tails`] is the slowest of single commits while rows are written back; [`stores`] what a large state costs, at a
//!   start and in memory.
//! - [`peers`] is the side of the machine: a disk that syncs, a socket that echoes.
//! - [`postgres`], [`redis`] and [`sqlite`] are what people use instead. The first two are started and ended here, by
//!   [`children`]; one that is not installed is skipped, by name, and its gates are not judged.
//! - [`roles`] is this program again, in other processes.
//! - [`gates`] judges; [`harness`] runs rounds and says median and range; [`machine`] says on what.
//!
//! Trust ratios within one run, not absolute numbers: placement and neighbours move both sides alike.

mod cases;
mod children;
mod collections;
mod gates;
mod harness;
mod homes;
mod large;
mod machine;
mod neighbours;
mod peers;
mod postgres;
mod redis;
mod roles;
mod sqlite;
mod stores;
mod subjects;
mod tails;

use std::process::ExitCode;

/// As a server would that answers from many threads: peers have allocators of their own, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: cargo xtask bench [NAME…] [--rounds 5] [--entities 1000000] [--save]";

/// Of the larger store of small ones, unless told: filled in half a minute. Ten million take five, once.
const ENTITIES: u64 = 1_000_000;
/// Fewer are not many.
const ENTITIES_MIN: u64 = 10_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [serve, role @ ..] = args.as_slice()
        && serve == roles::SERVE
    {
        return roles::serve(role);
    }
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// True if every gate that could be judged was reached.
fn run(args: &[String]) -> Result<bool, String> {
    let (mut rounds, mut entities, mut save, mut names) = (5, ENTITIES, false, Vec::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--rounds" => {
                let number = rest.next().and_then(|text| text.parse().ok()).filter(|rounds| *rounds > 0);
                rounds = number.ok_or(USAGE)?;
            }
            "--entities" => {
                let number = rest.next().and_then(|text| text.parse().ok());
                entities = number.filter(|entities| *entities >= ENTITIES_MIN).ok_or(USAGE)?;
            }
            "--save" => save = true,
            "--help" | "-h" => {
                println!("{USAGE}\n\n{}", cases::help());
                return Ok(true);
            }
            flag if flag.starts_with('-') => return Err(format!("`{flag}`: {USAGE}")),
            name => names.push(name.to_owned()),
        }
    }
    let all = cases::all(entities);
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|case| !case.name.contains(name.as_str())))
    {
        let known: Vec<&str> = all.iter().map(|case| case.name.as_str()).collect();
        return Err(format!("nothing is called `{unknown}`; there are {}", known.join(", ")));
    }
    let chosen: Vec<_> = all
        .into_iter()
        .filter(|case| names.is_empty() || names.iter().any(|name| case.name.contains(name)))
        .collect();
    let results = harness::run(&chosen, rounds)?;
    let (verdict, reached) = gates::report(cases::GATES, &results);
    let (on, table, records) = (machine::describe(rounds), harness::table(&results), cases::RECORDS);
    let page = format!("{on}\n{table}\n{verdict}\n\n{records}\n");
    println!("\n{page}");
    if save {
        println!("saved {}", machine::save(&page)?);
    }
    Ok(reached)
}
