//! Looks after the store in a directory, which no process has open: proves it, copies it, puts a copy back, makes it
//! small.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use nigh::dump::{At, Dumped, Ended, dump_dir};
use nigh::store::{
    Compacted, CopyError, OpenError, Restore, Verified, backup_dir, compact_dir, restore_dir, verify_dir,
};
use nigh_wire::{Schema, Time};
use serde_json::{Value, json};

use crate::flags::Store;
use crate::id;
use crate::verdict::{Exit, Said};

/// `nigh store …`.
pub(crate) fn run(store: &Store, as_json: bool) -> Said {
    match store {
        Store::Verify { dir } => verify(dir, as_json),
        Store::Dump { dir, entity } => dump(dir, entity.as_deref(), as_json),
        Store::Backup { dir, to } => match backup_dir(dir, to) {
            Ok(copy) if as_json => Said::right(copied(&copy, dir, to).to_string()),
            Ok(copy) => Said::right(format!("copied to {}, read back, and {}", to.display(), worded(&copy))),
            Err(error) => not_copied(&error, as_json),
        },
        Store::Restore { from, dir } => restore(from, dir, as_json),
        Store::Compact { dir } => compact(dir, as_json),
    }
}

fn verify(dir: &Path, as_json: bool) -> Said {
    match verify_dir(dir) {
        Ok(verified) if as_json => Said::right(told(&verified).to_string()),
        Ok(verified) => Said::right(worded(&verified)),
        Err(error) => {
            let (exit, note) = (exit(&error), format!("{}: {error}", dir.display()));
            match as_json {
                true => Said { exit, ..Said::right(json!({"sound": false, "detail": note}).to_string()) },
                false => Said::wrong(exit, note),
            }
        }
    }
}

/// Lines leave as they are read: a store may be larger than memory.
fn dump(dir: &Path, entity: Option<&str>, as_json: bool) -> Said {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    let dumped = dump_dir(dir, entity, &mut |at, dumped| {
        written = writeln!(out, "{}", line(at, &dumped));
        written.is_ok()
    });
    match (written.and_then(|()| out.flush()), dumped, entity) {
        // Whoever read it has seen enough: `nigh store dump DIR | head`.
        (Err(error), ..) if error.kind() == io::ErrorKind::BrokenPipe => Said::right(""),
        (Err(error), ..) => Said::wrong(Exit::NotDone, format!("what it holds cannot be written: {error}")),
        (_, Ok(known), Some(entity)) if !known.iter().any(|known| known == entity) => {
            let all = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            refused(Exit::Usage, format!("the store knows no entity `{entity}`; it knows: {all}"), as_json)
        }
        (_, Ok(_), _) => Said::right(""),
        (_, Err(error), _) => refused(exit(&error), format!("{}: {error}", dir.display()), as_json),
    }
}

/// One thing as JSON; what no schema reads, as hexadecimal bytes.
fn line(at: At<'_>, dumped: &Dumped) -> Value {
    let mut line = json!({"entity": at.entity, "shard": at.shard.0, "position": at.position.0});
    let mut put = |name: &str, schema: Option<&Schema>, bytes: &[u8]| match schema.map(|s| s.to_json(bytes)) {
        Some(Ok(value)) => line[name] = value,
        _ => line[format!("{name}_bytes")] = bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    match dumped {
        Dumped::Entity { key, state, is_whole } => {
            put("key", at.schemas.map(|schemas| &schemas.key), key);
            put("state", at.schemas.map(|schemas| &schemas.state), state);
            if !is_whole {
                line["is_whole"] = json!(false);
            }
        }
        Dumped::Asked { time, key, method, outcome, is_in_row } => {
            put("key", at.schemas.map(|schemas| &schemas.key), key);
            line["call"] = json!(method);
            line["time"] = shown(*time);
            line["outcome"] = json!(match outcome {
                Ended::Done => "done",
                Ended::Failed => "failed",
                Ended::NotDone => "not_done",
            });
            line["in_state"] = json!(is_in_row);
        }
    }
    line
}

fn restore(from: &Path, dir: &Path, as_json: bool) -> Said {
    let drawn = id::random().and_then(|incarnation| Ok(Restore { incarnation, at: id::now()? }));
    let restore = match drawn {
        Ok(restore) => restore,
        Err(error) => return Said::wrong(Exit::NotDone, format!("the copy cannot be named: {error}")),
    };
    match restore_dir(from, dir, restore) {
        Ok(store) if as_json => Said::right(copied(&store, from, dir).to_string()),
        Ok(store) => Said::right(format!(
            "put back into {}, read back, and {}\n  what was done since the copy is lost: doubts from before now, of \
             which it has no record, settle as forgotten",
            dir.display(),
            worded(&store)
        )),
        Err(error) => not_copied(&error, as_json),
    }
}

fn compact(dir: &Path, as_json: bool) -> Said {
    match compact_dir(dir) {
        Ok(Compacted { before, after, verified }) if as_json => {
            let sizes = json!({"bytes": {"before": before, "after": after}, "store": told(&verified)});
            Said::right(sizes.to_string())
        }
        Ok(Compacted { before, after, verified }) => {
            Said::right(format!("{before} bytes before, {after} now; {}", worded(&verified)))
        }
        Err(error) => refused(exit(&error), format!("{}: {error}", dir.display()), as_json),
    }
}

/// What cannot be read as asked is another thing than what is damaged.
fn exit(error: &OpenError) -> Exit {
    match error {
        OpenError::Corrupt { .. } | OpenError::Mixed { .. } => Exit::Failed,
        _ => Exit::Usage,
    }
}

fn not_copied(error: &CopyError, as_json: bool) -> Said {
    let exit = match error {
        CopyError::Source(error) => exit(error),
        CopyError::Exists { .. } | CopyError::Nothing => Exit::Usage,
        CopyError::Target { .. } | CopyError::Unproven(_) => Exit::NotDone,
    };
    refused(exit, error.to_string(), as_json)
}

fn refused(exit: Exit, note: String, as_json: bool) -> Said {
    match as_json {
        true => Said { exit, ..Said::right(json!({"outcome": "not_done", "detail": note}).to_string()) },
        false => Said::wrong(exit, note),
    }
}

fn copied(copy: &Verified, from: &Path, to: &Path) -> Value {
    json!({"from": from.display().to_string(), "to": to.display().to_string(), "store": told(copy)})
}

fn told(verified: &Verified) -> Value {
    let Verified { meta, entities, groups, rows } = verified;
    json!({
        "sound": true,
        "format_version": meta.format_version,
        "incarnation": format!("{:032x}", meta.incarnation),
        "shards": meta.shards,
        "restored": meta.restored.map(shown),
        "copy": meta.copy,
        "entities": entities,
        "log": {"groups": groups.0, "bytes": groups.1},
        "rows": {"count": rows.0, "bytes": rows.1},
    })
}

/// RFC 3339.
fn shown(time: Time) -> Value {
    nigh_wire::schema_of::<Time>().to_json(&nigh_wire::encode(&time)).unwrap_or_default()
}

fn worded(verified: &Verified) -> String {
    let Verified { meta, entities, groups, rows } = verified;
    let entities = if entities.is_empty() { "none yet".to_owned() } else { entities.join(", ") };
    let restored = meta.restored.map_or(String::new(), |at| {
        format!("\n  put back from a copy: {}", shown(at).as_str().unwrap_or_default())
    });
    let what = if meta.copy { "copy of store" } else { "store" };
    format!(
        "sound: {what} {:032x}, format version {}, {} shards{restored}\n  entities: {entities}\n  log: {} groups, {} bytes, not \
         yet cut\n  rows: {}, {} bytes",
        meta.incarnation, meta.format_version, meta.shards, groups.0, groups.1, rows.0, rows.1
    )
}
