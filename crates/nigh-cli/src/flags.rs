//! What may be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use nigh::why::Named;
use nigh_wire::{CallId, Ticket};

use crate::http::Base;

/// Longest deadline of a call, as the application has it.
const WITHIN_MAX: Duration = Duration::from_secs(600);

/// Asks a running nigh application.
#[derive(Debug, Parser)]
#[command(name = "nigh", version, after_help = crate::verdict::EXIT_CODES)]
pub(crate) struct Flags {
    /// Where its HTTP door is.
    #[arg(long, global = true, default_value = "http://127.0.0.1:7070")]
    pub(crate) url: Base,
    /// Print answers and errors as JSON, one a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How long to try: 250ms, 2s; at most 600s.
    #[arg(long, global = true, default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub(crate) within: Duration,
    /// What to do.
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What to do, and with whom.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Of a running application.
    #[command(flatten)]
    Ask(Verb),
    /// Look at runs of simulated tests; asks no application.
    #[command(subcommand)]
    Sim(Sim),
    /// Look after a store's directory, which no process has open; asks no application.
    #[command(subcommand)]
    Store(Store),
}

/// What to do with a store.
#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Read all of it and prove every byte; changes nothing.
    Verify {
        /// The directory, as the application has it after --data.
        dir: PathBuf,
    },
    /// Print what it holds, one JSON object a line: entities as they were last written back, then the calls that its log
    /// still holds; changes nothing.
    ///
    /// A change that is only in the log ("in_state": false) is named, not applied: that takes the program's types. A program
    /// that was stopped has left none; one that was killed, those of the last second or so.
    Dump {
        /// The directory, as the application has it after --data.
        dir: PathBuf,
        /// Of this entity only.
        #[arg(long, value_name = "NAME")]
        entity: Option<String>,
    },
    /// Copy it into a new directory, and prove the copy.
    Backup {
        /// The directory, as the application has it after --data.
        dir: PathBuf,
        /// The copy's: there must be none of that name, or an empty one.
        to: PathBuf,
    },
    /// Put a copy back as a new store, which tells doubts of before that it cannot know.
    Restore {
        /// The copy's directory; it stays as it is.
        from: PathBuf,
        /// The new store's: there must be none of that name, or an empty one.
        dir: PathBuf,
    },
    /// Give the space that it no longer needs back to the disk.
    Compact {
        /// The directory, as the application has it after --data.
        dir: PathBuf,
    },
}

/// What to do with simulated tests.
#[derive(Debug, Subcommand)]
pub(crate) enum Sim {
    /// Run one case of a test again, with its trace, as a failing test printed it; ends as `cargo test` does.
    Replay {
        /// What stands in quotes after NIGH_SIM=, `seed=2589 sim=3 …`; or the whole line after `replay:`.
        case: String,
        /// Name of the test.
        test: Option<String>,
        /// Package of the test; without it, all of the workspace.
        #[arg(short, long, value_name = "PACKAGE", requires = "test")]
        package: Option<String>,
    },
}

/// What to ask.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List what the application offers, or the keys of an entity.
    List {
        /// Name of an entity; without it, everything that can be called.
        entity: Option<String>,
        /// List keys after this one.
        #[arg(long, value_name = "KEY", requires = "entity", allow_hyphen_values = true)]
        after: Option<String>,
        /// List this many keys at most (up to 1000).
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Call a method: nigh call Wallet/ada deposit cents=500
    Call {
        /// Entity and key, `Wallet/ada`, or a service, `Payments`.
        target: String,
        /// Name of the method.
        method: String,
        /// Arguments, `name=value`; what is neither text, number nor true or false is written as JSON.
        #[arg(value_name = "NAME=VALUE", value_parser = pair)]
        arguments: Vec<(String, String)>,
        /// Ask again under this id, which an earlier call in doubt has printed.
        #[arg(long)]
        id: Option<CallId>,
    },
    /// Copy the store of the running application into its folder of backups; calls go on meanwhile.
    Backup {
        /// What the copy is to be called, 2026-11-21; the folder is what the application has after --backups.
        name: String,
    },
    /// Say where a call is, as far as the application knows; changes nothing, also not of a call that is under way.
    Why {
        /// Its id, nigh1.…, or its ticket, nighT1.…
        #[arg(value_name = "ID", value_parser = named)]
        named: Named,
    },
    /// Print what was asked and what came of it, method by method, since the application started.
    Ledger,
    /// Find out what became of a call in doubt; if it was not done, it never will be.
    Settle {
        /// What came with the doubt: nighT1.…
        ticket: Ticket,
    },
}

/// A call, as it was printed.
fn named(text: &str) -> Result<Named, String> {
    let parsed = match text.starts_with("nighT1.") {
        true => {
            text.parse().map(Named::Ticket).map_err(|error: nigh_wire::ParseTicketError| error.to_string())
        }
        false => text.parse().map(Named::Id).map_err(|error: nigh_wire::ParseIdError| error.to_string()),
    };
    parsed.map_err(|error| format!("{error}; a call is named by its id, nigh1.…, or its ticket, nighT1.…"))
}

/// `250ms` or `2s`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = match text.strip_suffix("ms") {
        Some(digits) => digits.parse().ok().map(Duration::from_millis),
        None => text.strip_suffix('s').and_then(|digits| digits.parse().ok()).map(Duration::from_secs),
    };
    let fits = parsed.filter(|d| !d.is_zero() && *d <= WITHIN_MAX);
    fits.ok_or_else(|| "write whole milliseconds or seconds, 250ms or 2s, at most 600s".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "write name=value, as in cents=500".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests;
