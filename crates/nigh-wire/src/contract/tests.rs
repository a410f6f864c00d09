//! Methods by name and number, and what the digest tells apart.

use std::collections::BTreeSet;

use crate::{
    Catalogue, Class, Contract, ContractKind, DuplicateName, Method, MethodIndex, Schema, WireHash, schema_of,
};

fn method(name: &'static str) -> Method {
    let text = schema_of::<String>();
    Method { name, class: Class::Once, args: text.clone(), ok: text, err: None, docs: "" }
}
fn contract(name: &str, methods: &[&'static str]) -> Contract {
    let methods = methods.iter().map(|name| method(name)).collect();
    Contract { name: name.into(), kind: ContractKind::Service, methods, docs: "" }
}
fn catalogue(all: impl IntoIterator<Item = Contract>) -> Catalogue {
    Catalogue::new(all).expect("names differ")
}

#[test]
fn numbers_and_names_lead_to_each_other() {
    let all = catalogue([contract("b", &["z", "a", "m"]), contract("a", &["q"]), contract("c", &[])]);
    assert_eq!(all.len(), 4);
    for i in 0..4 {
        let (c, m) = all.method(MethodIndex(i)).expect("four methods");
        assert_eq!(all.index(&c.name, m.name), Some(MethodIndex(i)));
        assert_eq!(all.answer_hash(MethodIndex(i)), Some(m.answer_hash()));
        assert_eq!(c.method(m.name).map(|m| m.name), Some(m.name));
    }
    // In the order of contracts by name, then as declared: both ends of a link count alike.
    assert_eq!(all.index("a", "q"), Some(MethodIndex(0)));
    assert_eq!(all.index("b", "z"), Some(MethodIndex(1)));
    assert!(all.method(MethodIndex(4)).is_none() && all.answer_hash(MethodIndex(4)).is_none());
    for (c, m) in [("b", "q"), ("c", "a"), ("d", "a"), ("", "")] {
        assert_eq!(all.index(c, m), None, "{c}.{m}");
    }
    assert!(all.contract("c").is_some() && all.contract("d").is_none());
    assert!(Catalogue::default().is_empty());
}

#[test]
fn names_are_unique() {
    let refused = |all: Vec<Contract>| Catalogue::new(all).expect_err("a name is twice");
    assert_eq!(refused(vec![contract("a", &[]), contract("a", &["x"])]), DuplicateName("a".into()));
    assert_eq!(refused(vec![contract("a", &["x", "y", "x"])]), DuplicateName("a.x".into()));
}

#[test]
fn digest_covers_what_both_ends_must_agree_on() {
    let one = |change: &dyn Fn(&mut Contract)| {
        let mut c = contract("a", &["x", "y"]);
        change(&mut c);
        catalogue([c, contract("b", &["z"])]).digest()
    };
    let entity = |key: Schema, state: Schema| ContractKind::Entity { key, state, home: None };
    let (text, number) = (schema_of::<String>(), schema_of::<u64>());
    let same = one(&|_| {});
    // Docs, and a state that stays at home, change nothing.
    assert_eq!(one(&|c| c.docs = "more"), same);
    assert_eq!(
        one(&|c| c.kind = entity(text.clone(), text.clone())),
        one(&|c| c.kind = entity(text.clone(), number.clone()))
    );
    let all: Vec<WireHash> = vec![
        same,
        one(&|c| c.name = "c".into()),
        one(&|c| c.methods.swap(0, 1)),
        one(&|c| c.methods.truncate(1)),
        one(&|c| c.methods[0].class = Class::Read),
        one(&|c| c.methods[0].args = number.clone()),
        one(&|c| c.methods[0].ok = number.clone()),
        one(&|c| c.methods[0].err = Some(text.clone())),
        one(&|c| c.methods[0].name = "w"),
        one(&|c| c.kind = entity(text.clone(), text.clone())),
        one(&|c| c.kind = entity(number.clone(), text.clone())),
        Catalogue::default().digest(),
    ];
    assert_eq!(BTreeSet::from_iter(&all).len(), all.len(), "each change shows");
}
