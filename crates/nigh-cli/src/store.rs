//! Proves the store in a directory: all of it is read, nothing is changed.

use std::path::Path;

use nigh::store::{OpenError, Verified, verify_dir};
use serde_json::json;

use crate::verdict::{Exit, Said};

/// `nigh store verify DIR`.
pub(crate) fn verify(dir: &Path, as_json: bool) -> Said {
    match verify_dir(dir) {
        Ok(verified) if as_json => Said::right(told(&verified).to_string()),
        Ok(verified) => Said::right(worded(&verified)),
        Err(error) => {
            // What cannot be read as asked is another thing than what is damaged.
            let exit = match &error {
                OpenError::Corrupt { .. } | OpenError::Mixed { .. } => Exit::Failed,
                _ => Exit::Usage,
            };
            let note = format!("{}: {error}", dir.display());
            match as_json {
                true => Said { exit, ..Said::right(json!({"sound": false, "detail": note}).to_string()) },
                false => Said::wrong(exit, note),
            }
        }
    }
}

fn told(verified: &Verified) -> serde_json::Value {
    let Verified { meta, entities, groups, rows } = verified;
    json!({
        "sound": true,
        "format_version": meta.format_version,
        "incarnation": format!("{:032x}", meta.incarnation),
        "shards": meta.shards,
        "entities": entities,
        "log": {"groups": groups.0, "bytes": groups.1},
        "rows": {"count": rows.0, "bytes": rows.1},
    })
}

fn worded(verified: &Verified) -> String {
    let Verified { meta, entities, groups, rows } = verified;
    let entities = if entities.is_empty() { "none yet".to_owned() } else { entities.join(", ") };
    format!(
        "sound: store {:032x}, format version {}, {} shards\n  entities: {entities}\n  log: {} groups, {} bytes, not \
         yet cut\n  rows: {}, {} bytes",
        meta.incarnation, meta.format_version, meta.shards, groups.0, groups.1, rows.0, rows.1
    )
}
