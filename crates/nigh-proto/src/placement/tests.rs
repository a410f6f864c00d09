//! Places as rows: roles in, the refusal or what a role has out.

use nigh_wire::{Contract, schema_of};

use super::*;

fn catalogue() -> Catalogue {
    let entity =
        || ContractKind::Entity { key: schema_of::<String>(), state: schema_of::<u64>(), home: None };
    let contract = |name: &str, kind| Contract { name: name.into(), kind, methods: vec![], docs: "" };
    Catalogue::new([
        contract("Wallet", entity()),
        contract("Stock", entity()),
        contract("Payments", ContractKind::Service),
    ])
    .expect("names differ")
}

/// `text`: `role: name name; role: …`, where names starting with `/` are doors and `Payments` is the service.
fn check(text: &str, expected: &str) {
    let mut place = Place::default();
    for role in text.split(';').filter(|r| !r.trim().is_empty()) {
        let (name, has) = role.split_once(':').expect("a row is `role: names`");
        let mut role = Role::default();
        for word in has.split_whitespace() {
            match word.strip_prefix('/') {
                Some(door) => role.doors.insert(door.into()),
                None if word.starts_with('P') => role.services.insert(word.into()),
                None => role.entities.insert(word.into()),
            };
        }
        place.roles.insert(name.trim().into(), role);
    }
    let got = place.check(&catalogue(), &["http"]).err().unwrap_or_else(|| "ok".into());
    assert!(got.contains(expected), "`{text}` gave: {got}");
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn places() {
    check("state: Wallet Stock; web: Payments /http",  "ok");
    check("state: Wallet Stok; web: Payments",         "no entity `Stok`; did you mean `Stock`?");
    check("state: Wallet Stock; web: Paymets",         "no service `Paymets`; did you mean `Payments`?");
    check("state: Wallet Stock Payments /htp",         "no door `htp`; did you mean `http`?");
    check("a: Wallet; b: Stock Payments",              "all entities in one role");
    check("a: Wallet Payments",                        "no role has `Stock`");
}

#[test]
fn without_a_role_everything_is_here() {
    let role = Place::default().role(None, &catalogue(), &["http"]).expect("all");
    assert_eq!(role.entities.len() + role.services.len() + role.doors.len(), 4);
    let error = Place::default().role(Some("web"), &catalogue(), &[]).expect_err("there is none");
    assert!(error.contains("leave out --role"), "{error}");
}

#[test]
fn keys_spread_over_shards() {
    let mut seen = std::collections::BTreeSet::new();
    for key in 0..4096u64 {
        let shard = shard_of("Wallet", &nigh_wire::encode(&key), 64);
        assert!(shard.0 < 64);
        seen.insert(shard);
    }
    assert_eq!(seen.len(), 64);
}
