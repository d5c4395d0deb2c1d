//! Environments, keys, limits and tokens, in memory and after a restart.

use query::Code;
use storage::{Options, Store};

use super::Tenants;
use super::seal::{KEY_FILE, Seal};

fn in_memory() -> Tenants {
    let store = Store::in_memory(Options::default()).expect("a store");
    Tenants::open(store, Seal::open(None).expect("a seal")).expect("tenants")
}

#[test]
fn everything_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || {
        let store = Store::open(folder.path(), Options::default()).expect("a store");
        Tenants::open(store, Seal::open(Some(folder.path())).expect("a seal")).expect("tenants")
    };
    let (key, old, token);
    {
        let tenants = open();
        tenants.create_env("env1").expect("an environment");
        key = tenants.create_key("env1", "laptop", 1000).expect("a key");
        old = tenants.create_key("env1", "phone", 2000).expect("a key");
        token = tenants.create_token("first", 0).expect("a token");
        tenants.set_limits("env1", &[("deadline_ms".to_owned(), Some(5))]).expect("limits");
        tenants.rotate_key(&old.id, 500, 3000).expect("rotated");
    }
    let tenants = open();
    let env = tenants.env("env1").expect("it is there");
    assert_eq!(tenants.find_key(&key.id).map(|pair| pair.secret.clone()), Some(key.secret));
    assert_eq!(tenants.limits(env).deadline_ms, 5);
    assert!(tenants.is_token(&token) && !tenants.is_token("wat_nobody-has-this-token"));
    let keys = tenants.keys(Some(env));
    assert_eq!(keys.iter().map(|key| key.note.as_str()).collect::<Vec<_>>(), ["laptop", "phone", "phone"]);
    assert_eq!(tenants.find_key(&old.id).and_then(|pair| pair.expires_ms), Some(3500));
    drop(tenants);
    std::fs::remove_file(folder.path().join(KEY_FILE)).expect("removed");
    let tenants = open();
    assert_eq!(tenants.unreadable_keys().len(), 3, "another key file opens no secret");
    assert!(tenants.keys(None).is_empty());
}

#[test]
fn a_revoked_key_is_gone_and_a_dropped_environment_takes_its_keys() {
    let tenants = in_memory();
    tenants.create_env("a").expect("an environment");
    tenants.create_env("b").expect("an environment");
    let first = tenants.create_key("a", "", 0).expect("a key");
    let second = tenants.create_key("a", "", 0).expect("a key");
    let third = tenants.create_key("b", "", 0).expect("a key");
    tenants.revoke_key(&first.id).expect("revoked");
    assert!(tenants.find_key(&first.id).is_none());
    assert_eq!(tenants.revoke_key(&first.id).expect_err("gone").code, Code::InvalidParam);
    tenants.drop_env("a").expect("dropped");
    assert!(tenants.find_key(&second.id).is_none());
    assert!(tenants.find_key(&third.id).is_some());
    assert_eq!(tenants.create_key("a", "", 0).expect_err("no environment").code, Code::EnvMissing);
}

#[test]
fn names_and_limits_are_checked() {
    let tenants = in_memory();
    for name in ["", "A", "a b", "-a", "é", "a/b", &"x".repeat(41)] {
        assert_eq!(tenants.create_env(name).expect_err(name).code, Code::InvalidParam, "{name}");
    }
    tenants.create_env("env-1_x").expect("an environment");
    assert_eq!(tenants.create_env("env-1_x").expect_err("twice").code, Code::EnvExists);
    let fault = tenants.set_limits("env-1_x", &[("no_such".to_owned(), Some(1))]).expect_err("unknown");
    assert!(fault.message.contains("no_such"));
    tenants.set_limits("env-1_x", &[("deadline_ms".to_owned(), Some(1))]).expect("set");
    let limits = tenants.set_limits("env-1_x", &[("deadline_ms".to_owned(), None)]).expect("reset");
    assert_eq!(*limits, query::Limits::default());
    for (id, secret) in [("a/b", "secret123"), ("abc", "secret123"), ("abcd", "short"), ("abcd", "with space")] {
        assert_eq!(tenants.add_key("env-1_x", id, secret, "", 0).expect_err(id).code, Code::InvalidParam);
    }
    tenants.add_key("env-1_x", "AKIDown", "secret123", "", 0).expect("a key");
    assert!(tenants.add_key("env-1_x", "AKIDown", "secret123", "", 0).is_err(), "an id opens one environment");
}
