//! Users, logins and tokens, in memory and after a restart.

use std::sync::Arc;

use serde_json::json;
use storage::{EnvId, Options, Store};

use super::account::NewUser;
use super::login::{ACCESS_MS, Exchange, LOGIN_MS};
use super::refusal::Why;
use super::{Identity, record, ticket};
use crate::tenants::seal::Seal;

const NOW: i64 = 1_700_000_000_000;

fn in_memory() -> (Identity, EnvId, EnvId) {
    let store = Store::in_memory(Options::default()).expect("a store");
    let make = |name: &str| {
        let (env, ticket) = store.create_env(name).expect("an environment");
        ticket.wait().expect("durable");
        env
    };
    let envs = (make("a"), make("b"));
    (Identity::new(store, Arc::new(Seal::open(None).expect("a seal"))), envs.0, envs.1)
}

fn named(username: &str) -> NewUser {
    NewUser { username: Some(username.to_owned()), password: Some("password1".to_owned()), ..NewUser::default() }
}

#[test]
fn an_anonymous_user_comes_back_with_its_pass_only() {
    let (identity, a, b) = in_memory();
    let (first, pass) = identity.sign_in_anonymously(a, "", "", NOW).expect("signed in");
    let (again, _) = identity.sign_in_anonymously(a, &pass, "", NOW).expect("signed in");
    assert_eq!(first.uid, again.uid);
    for guess in [first.uid.as_str(), &first.refresh, &first.access, "x.y"] {
        assert_ne!(identity.sign_in_anonymously(a, guess, "", NOW).expect("signed in").0.uid, first.uid, "{guess}");
    }
    assert_ne!(identity.sign_in_anonymously(b, &pass, "", NOW).expect("signed in").0.uid, first.uid);
    let (env, user) = identity.caller(&first.access, NOW).expect("known");
    assert_eq!((env, user.uid.as_str(), user.openid.as_str()), (a, first.uid.as_str(), first.uid.as_str()));
    assert_eq!(user.login_type, "ANONYMOUS");
}

#[test]
fn access_tokens_end_with_their_time_and_with_their_login() {
    let (identity, a, b) = in_memory();
    let (made, _) = identity.sign_in_anonymously(a, "", "", NOW).expect("signed in");
    assert!(identity.caller(&made.access, NOW + ACCESS_MS - 1).is_ok());
    assert!(identity.caller(&made.access, NOW + ACCESS_MS).is_err(), "kept in memory, but over");
    identity.sign_out(b, &made.refresh).expect("nothing happens");
    assert!(identity.caller(&made.access, NOW).is_ok(), "another environment ends nothing");
    identity.sign_out(a, &made.refresh).expect("signed out");
    assert!(identity.caller(&made.access, NOW).is_err());
    let fault = identity.refresh(a, &made.refresh, Exchange::Rotate, NOW).expect_err("revoked");
    assert_eq!(fault.why, Why::Refresh);
}

#[test]
fn a_refresh_token_that_comes_back_late_ends_the_login() {
    let (identity, a, b) = in_memory();
    identity.create_user(a, named("alice"), NOW).expect("made");
    let made = identity.sign_in_with_password(a, "alice", "password1", "", NOW).expect("signed in");
    let second = identity.refresh(a, &made.refresh, Exchange::Rotate, NOW).expect("exchanged");
    assert_ne!(second.refresh, made.refresh);
    let same = identity.refresh(a, &made.refresh, Exchange::Rotate, NOW + 1000).expect("two tabs");
    assert_eq!(same.refresh, second.refresh, "both go on with one token");
    assert_eq!(identity.refresh(b, &second.refresh, Exchange::Rotate, NOW).expect_err("not here").why, Why::Refresh);
    assert!(identity.refresh(a, &made.refresh, Exchange::Rotate, NOW + 61_000).is_err());
    assert!(identity.refresh(a, &second.refresh, Exchange::Rotate, NOW).is_err(), "the login has ended");
    assert!(identity.caller(&second.access, NOW).is_err());
    let fresh = identity.sign_in_with_password(a, "alice", "password1", "", NOW).expect("signed in");
    let over = identity.refresh(a, &fresh.refresh, Exchange::Rotate, NOW + LOGIN_MS).expect_err("over");
    assert_eq!(over.why, Why::RefreshOver);
}

#[test]
fn of_fifty_racing_exchanges_none_makes_a_second_series() {
    let (identity, a, _) = in_memory();
    let (made, _) = identity.sign_in_anonymously(a, "", "", NOW).expect("signed in");
    let next: Vec<String> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| identity.refresh(a, &made.refresh, Exchange::Rotate, NOW).expect("exchanged").refresh)
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().expect("no panic")).collect()
    });
    assert!(next.iter().all(|token| *token == next[0] && *token != made.refresh));
}

#[test]
fn names_belong_to_one_user_of_an_environment() {
    let (identity, a, b) = in_memory();
    let alice = identity.create_user(a, named("alice"), NOW).expect("made");
    assert_eq!(identity.create_user(a, named("alice"), NOW).expect_err("taken").why, Why::Taken);
    identity.create_user(b, named("alice"), NOW).expect("another environment");
    let (guest, _) = identity.sign_in_anonymously(a, "", "", NOW).expect("signed in");
    assert_eq!(identity.set_username(a, &guest.uid, "alice", NOW).expect_err("taken").why, Why::Taken);
    identity.set_username(a, &alice.uid, "alice2", NOW).expect("renamed");
    identity.set_username(a, &guest.uid, "alice", NOW).expect("free again");
    for bad in ["", "a b", "a@b", "+86", &"x".repeat(65)] {
        assert_eq!(identity.set_username(a, &guest.uid, bad, NOW).expect_err(bad).why, Why::Malformed);
    }
    for (name, word) in [("alice2", "password2"), ("alice", "password1"), ("nobody", "password1"), ("alice2", "")] {
        let fault = identity.sign_in_with_password(a, name, word, "", NOW).expect_err(name);
        assert_eq!((fault.why, fault.message.as_str()), (Why::Password, "name and password do not belong together"));
    }
    identity.set_password(a, &alice.uid, "wrong", "password3", NOW).expect_err("the old one is asked for");
    let sudo = identity.sudo(a, &alice.uid, "password1", NOW).expect("shown");
    identity.set_password(a, &alice.uid, &sudo, "password3", NOW).expect("changed");
    identity.sign_in_with_password(a, "alice2", "password3", "", NOW).expect("the new one holds");
    assert_eq!(identity.users(a, "", 10).expect("users").len(), 2);
}

#[test]
fn tickets_lead_to_one_user() {
    let (identity, a, b) = in_memory();
    let key = identity.create_ticket_key("a", NOW).expect("a key");
    let sign = |claims| format!("{}/@@/{}", key.private_key_id, ticket::sign(&key.private_key, &claims));
    let claims = json!({"alg": "RS256", "env": "a", "iat": NOW, "exp": NOW + 600_000, "uid": "own-1",
        "refresh": 3_600_000, "expire": NOW + 86_400_000});
    let text = sign(claims.clone());
    let made = identity.sign_in_with_ticket(a, &text, "", NOW).expect("signed in");
    assert_eq!(made.access_ms, 3_600_000);
    let again = identity.sign_in_with_ticket(a, &text, "", NOW).expect("signed in");
    assert_eq!(again.uid, made.uid);
    assert_eq!(identity.caller(&made.access, NOW).expect("known").1.login_type, "CUSTOM");
    assert_eq!(identity.user(a, &made.uid).expect("there").custom_id.as_deref(), Some("own-1"));
    assert_eq!(identity.sign_in_with_ticket(b, &text, "", NOW).expect_err("no such key").why, Why::Ticket);
    let mut other = claims;
    other["env"] = json!("b");
    assert_eq!(identity.sign_in_with_ticket(a, &sign(other), "", NOW).expect_err("not for b").why, Why::Ticket);
    let over = identity.refresh(a, &made.refresh, Exchange::Rotate, NOW + 86_400_000).expect_err("over");
    assert_eq!(over.why, Why::RefreshOver);
    identity.remove_ticket_key(a, &key.private_key_id).expect("removed");
    assert_eq!(identity.sign_in_with_ticket(a, &text, "", NOW).expect_err("no key").why, Why::Ticket);
}

#[test]
fn tokens_survive_a_restart_and_nothing_lies_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || {
        let store = Store::open(folder.path(), Options::default()).expect("a store");
        (store.clone(), Identity::new(store, Arc::new(Seal::open(Some(folder.path())).expect("a seal"))))
    };
    let (env, made);
    {
        let (store, identity) = open();
        let (id, ticket) = store.create_env("a").expect("an environment");
        ticket.wait().expect("durable");
        env = id;
        identity.create_user(env, named("alice"), NOW).expect("made");
        made = identity.sign_in_with_password(env, "alice", "password1", "", NOW).expect("signed in");
        let alice = record::user(&store.view(), env, &made.uid).expect("read").expect("there");
        assert!(!format!("{alice:?}").contains("password1"));
    }
    let (store, identity) = open();
    assert_eq!(identity.caller(&made.access, NOW).expect("known").1.uid, made.uid);
    identity.refresh(env, &made.refresh, Exchange::Rotate, NOW).expect("exchanged");
    store.drop_env(env).expect("dropped").wait().expect("durable");
    assert!(identity.caller(&made.access, NOW).is_err(), "users go with their environment");
}
