//! What callers meet who want the same document: refusals that name it, turns that let everybody through within the
//! four attempts that SDKs make, and transactions that nobody ends.

use super::{Caller, Fault, Open, prepare};
use crate::support::client::Answer;
use crate::support::gateway::Member;
use crate::support::server::{self, Server, credentials};
use serde_json::{Value, json};

fn scene(docs: &[Value]) -> Option<(tempfile::TempDir, Server)> {
    if !server::can_serve() {
        return None;
    }
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let server = Server::start(&scratch.path().join("data"), &[]).expect("it starts");
    prepare(&server, "c", docs);
    Some((scratch, server))
}

/// As SDKs do it: four attempts, again only after a conflict at the commit.
fn run_transaction(caller: &mut Caller, work: impl Fn(&mut Caller, &Open) -> Result<(), Fault>) -> Result<u32, Fault> {
    for attempt in 1.. {
        let open = caller.begin()?;
        work(caller, &open)?;
        match caller.commit(&open) {
            Ok(()) => return Ok(attempt),
            Err(Fault::Refused(code)) if code == "DATABASE_TRANSACTION_CONFLICT" && attempt < 4 => {}
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::Unknown)
}

#[test]
fn everybody_gets_through_within_four_attempts() {
    const CLIENTS: u64 = 20;
    const EACH: u64 = 5;
    let Some((_scratch, server)) = scene(&[json!({"_id": "hot", "n": 0})]) else { return };
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let address = server.address.clone();
            std::thread::spawn(move || {
                let mut caller = Caller::new(&address);
                for _ in 0..EACH {
                    let count = |caller: &mut Caller, open: &Open| {
                        let n = caller.get(Some(open), "c", "hot")?.expect("there")["n"].as_u64().expect("a number");
                        caller.change(Some(open), "c", "hot", &json!({"$set": {"n": n + 1}}))
                    };
                    run_transaction(&mut caller, count).expect("it gets through");
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("a client's thread"));
    let doc = Caller::new(&server.address).get(None, "c", "hot").expect("an answer").expect("there");
    assert_eq!(doc["n"], CLIENTS * EACH);
}

#[test]
fn transfers_between_two_hot_accounts_get_through() {
    const CLIENTS: u64 = 10;
    let Some((_scratch, server)) = scene(&[json!({"_id": "a", "n": 1000}), json!({"_id": "b", "n": 1000})]) else {
        return;
    };
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let address = server.address.clone();
            std::thread::spawn(move || {
                // Half go one way, half the other: who waited in a circle would wait for ever.
                let (from, to) = if client % 2 == 0 { ("a", "b") } else { ("b", "a") };
                let mut caller = Caller::new(&address);
                let mut done = 0;
                for _ in 0..5 {
                    let transfer = |caller: &mut Caller, open: &Open| {
                        let n = |doc: Option<Value>| doc.expect("there")["n"].as_i64().expect("a number");
                        let (has, gets) = (n(caller.get(Some(open), "c", from)?), n(caller.get(Some(open), "c", to)?));
                        caller.change(Some(open), "c", from, &json!({"$set": {"n": has - 1}}))?;
                        caller.change(Some(open), "c", to, &json!({"$set": {"n": gets + 1}}))
                    };
                    match run_transaction(&mut caller, transfer) {
                        Ok(_) => done += 1,
                        Err(fault) => assert_eq!(fault, Fault::Refused("DATABASE_TRANSACTION_CONFLICT".into())),
                    }
                }
                (client % 2, done)
            })
        })
        .collect();
    let mut moved = [0; 2];
    for client in clients {
        let (way, done) = client.join().expect("a client's thread");
        moved[way as usize] += done;
    }
    let mut caller = Caller::new(&server.address);
    let a = caller.get(None, "c", "a").expect("an answer").expect("there");
    assert_eq!(a["n"].as_i64(), Some(1000 - moved[0] + moved[1]), "each that was told \"done\" counts once");
    assert!(moved[0] + moved[1] >= 45, "only {moved:?} of 50 got through");
}

#[test]
fn refusals_name_what_was_fought_over() {
    let Some((_scratch, server)) = scene(&[json!({"_id": "x", "n": 0})]) else { return };
    let mut client = server.client();
    let mut caller = Caller::new(&server.address);
    let open = caller.begin().expect("opened");
    caller.get(Some(&open), "c", "x").expect("read");
    caller.change(Some(&open), "c", "x", &json!({"$inc": {"n": 1}})).expect("staged");
    caller.change(None, "c", "x", &json!({"$inc": {"n": 10}})).expect("a plain write does not wait");
    let mut refusal = |action: &str, id: &str| match client.call(action, &[("transactionId", Member::Text(id))]) {
        Ok(Answer::Refused { code, message }) => (code, message),
        other => panic!("{other:?}"),
    };
    let (code, message) = refusal("database.commitTransaction", &open.0);
    assert_eq!(code, "DATABASE_TRANSACTION_CONFLICT");
    assert!(message.starts_with("[ResourceUnavailable.TransactionConflict] "), "{message}");
    assert!(message.contains(r#"document "x" of c was changed by commit"#), "{message}");
    for id in [open.0.as_str(), "no-such-transaction", &"0".repeat(32)] {
        let (code, message) = refusal("database.commitTransaction", id);
        assert_eq!(code, "DATABASE_TRANSACTION_FAIL");
        assert!(
            message.starts_with("[ResourceUnavailable.TransactionNotExist] Transaction does not exist"),
            "{message}"
        );
    }
}

#[test]
fn a_failed_operation_ends_the_transaction_and_says_so() {
    let Some((_scratch, server)) = scene(&[json!({"_id": "x", "n": "text"}), json!({"_id": "y", "n": 0})]) else {
        return;
    };
    let mut caller = Caller::new(&server.address);
    let open = caller.begin().expect("opened");
    caller.change(Some(&open), "c", "y", &json!({"$inc": {"n": 1}})).expect("staged");
    assert!(caller.change(Some(&open), "c", "x", &json!({"$inc": {"n": 1}})).is_err());
    let mut client = server.client();
    match client.call("database.commitTransaction", &[("transactionId", Member::Text(&open.0))]) {
        Ok(Answer::Refused { code, message }) => {
            assert_eq!(code, "DATABASE_TRANSACTION_FAIL");
            assert!(message.contains("$inc"), "the first failure is named: {message}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(caller.get(None, "c", "y").expect("an answer").expect("there")["n"], 0);
}

#[test]
fn a_commit_may_be_repeated_and_a_forgotten_transaction_hinders_nobody() {
    let Some((_scratch, server)) = scene(&[json!({"_id": "x", "n": 0})]) else { return };
    let mut caller = Caller::new(&server.address);
    let open = caller.begin().expect("opened");
    caller.change(Some(&open), "c", "x", &json!({"$inc": {"n": 1}})).expect("staged");
    caller.commit(&open).expect("committed");
    caller.commit(&open).expect("the same answer again");
    assert_eq!(caller.get(None, "c", "x").expect("an answer").expect("there")["n"], 1);
    server.command_line(&["env", "limits", &credentials().env, "transaction_life_ms=300"]);
    let forgotten = caller.begin().expect("opened");
    caller.change(Some(&forgotten), "c", "x", &json!({"$inc": {"n": 1}})).expect("staged");
    caller.change(None, "c", "x", &json!({"$inc": {"n": 1}})).expect("nobody is hindered");
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(caller.commit(&forgotten), Err(Fault::Refused("DATABASE_TRANSACTION_FAIL".into())));
    assert_eq!(caller.get(None, "c", "x").expect("an answer").expect("there")["n"], 2);
}
