//! (d) SQLite in this process: one connection, one transaction per call.
//!
//! WAL with `synchronous=FULL`, which syncs at each commit; the rest at its defaults. To be like for like with a call
//! of nigh, a transaction writes two rows: the state under its key, and what the caller was answered under the
//! caller's name, replaced by its next call. The second makes "at most once" true, and nigh's record has it too.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, params};

use crate::harness::{Measured, Ran};
use crate::subjects::{VALUE_SIZE, account_key};

/// Accounts that take turns.
const ACCOUNTS: u64 = 1024;
/// Long enough for the write-ahead log to be reset, and its blocks used again, a few times.
const WARM_UP: Duration = Duration::from_secs(1);
const TABLES: &str = "
    pragma journal_mode = wal;
    pragma synchronous = full;
    create table state (id blob primary key, state blob not null) without rowid;
    create table done (caller blob primary key, call integer not null, answer blob not null) without rowid;
";

/// One caller, each call a commit.
pub fn commits(folder: &Path, span: Duration) -> Ran {
    let told = |error: rusqlite::Error| format!("SQLite: {error}");
    let dir = folder.join("sqlite");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut connection = Connection::open(dir.join("state.db")).map_err(told)?;
    connection.execute_batch(TABLES).map_err(told)?;
    run(&mut connection, WARM_UP).map_err(told)?;
    let (nanos, took) = run(&mut connection, span).map_err(told)?;
    Ok(Measured::new(nanos.len() as u64, took).with_latencies(nanos))
}

fn run(connection: &mut Connection, span: Duration) -> rusqlite::Result<(Vec<u64>, Duration)> {
    let (begun, mut nanos) = (Instant::now(), Vec::new());
    while begun.elapsed() < span {
        let asked = Instant::now();
        let transaction = connection.transaction()?;
        call(&transaction, nanos.len() as u64)?;
        transaction.commit()?;
        nanos.push(asked.elapsed().as_nanos() as u64);
    }
    Ok((nanos, begun.elapsed()))
}

fn call(transaction: &Transaction<'_>, number: u64) -> rusqlite::Result<()> {
    let value = [number as u8; VALUE_SIZE];
    let key = account_key(number % ACCOUNTS);
    let mut state = transaction.prepare_cached("insert or replace into state values (?1, ?2)")?;
    state.execute(params![key.as_bytes(), &value[..]])?;
    let mut done = transaction.prepare_cached("insert or replace into done values (?1, ?2, ?3)")?;
    done.execute(params![&b"caller of 16 b.."[..], number as i64, &number.to_le_bytes()[..]])?;
    Ok(())
}
