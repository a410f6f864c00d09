//! `nigh`: lists, calls and settles, over the HTTP door of a running application; replays simulated tests; looks after stores.
//!
//! Reading order: [`flags`] is what may be typed; [`offer`] makes a request of it, by what the application says it
//! offers; [`ask`] sends it, again if need be, and always under one id; [`verdict`] says what came of it, to people
//! and as an exit code, [`why`] where a call is. [`http`] is the client, [`id`] names calls. Knows no more than HTTP and ids: the
//! application reads arguments and says what is wrong with them. [`replay`] and [`store`] stand apart: one runs
//! cargo, the other reads and writes directories.

mod ask;
mod clock;
mod flags;
mod http;
mod id;
mod offer;
mod replay;
mod store;
mod verdict;
mod why;

use std::process::ExitCode;

use clap::Parser;

use flags::{Sim, Task};

fn main() -> ExitCode {
    let flags = flags::Flags::parse();
    let said = match &flags.task {
        Task::Ask(verb) => ask::run(&flags, verb),
        Task::Sim(Sim::Replay { case, test, package }) => {
            match replay::run(case, test.as_deref(), package.as_deref()) {
                Ok(exit) => return exit,
                Err(said) => said,
            }
        }
        Task::Store(task) => store::run(task, flags.json),
    };
    // Nobody reads any more: there is nothing left to say it to.
    let _ = said.print();
    said.exit.into()
}
