//! Sums that hold: money moves between accounts and never comes or goes, in any audit, after any kill; counters that
//! many count at once lose and double nothing.

use super::{Caller, Fault, long_form, prepare};
use crate::support::random::Random;
use crate::support::server::{self, Server};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const ACCOUNTS: u64 = 6;
const EACH: i64 = 100;

struct Bank {
    address: Mutex<String>,
    open: AtomicBool,
    transfers: AtomicU64,
    audits: AtomicU64,
}

#[test]
fn money_neither_comes_nor_goes() {
    if !server::can_serve() {
        return;
    }
    let seed = Random::seed();
    println!("bank: WAFERDB_SEED={seed}");
    let mut random = Random::new(seed);
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let folder = scratch.path().join("bank");
    let mut server = Server::start(&folder, &[]).expect("it starts");
    let accounts: Vec<Value> = (0..ACCOUNTS).map(|a| json!({"_id": format!("a{a}"), "money": EACH})).collect();
    prepare(&server, "accounts", &accounts);
    let bank = Arc::new(Bank {
        address: Mutex::new(server.address.clone()),
        open: AtomicBool::new(true),
        transfers: AtomicU64::new(0),
        audits: AtomicU64::new(0),
    });
    let tellers: Vec<_> = (0..6)
        .map(|teller| {
            let (bank, random) = (bank.clone(), random.split());
            std::thread::spawn(move || tell(&bank, teller % 3 == 0, random))
        })
        .collect();
    let part = long_form().unwrap_or(Duration::from_millis(1600)) / 2;
    std::thread::sleep(part);
    server.kill();
    server = Server::start(&folder, &[]).expect("it starts again");
    *bank.address.lock() = server.address.clone();
    std::thread::sleep(part);
    bank.open.store(false, Ordering::SeqCst);
    tellers.into_iter().for_each(|teller| teller.join().expect("a teller"));
    audit(&mut Caller::new(&server.address)).expect("the last audit");
    let (transfers, audits) = (bank.transfers.load(Ordering::SeqCst), bank.audits.load(Ordering::SeqCst));
    println!("bank: {transfers} transfers, {audits} audits");
    assert!(transfers > 20 && audits > 5, "too little happened to tell anything");
}

fn tell(bank: &Bank, audits: bool, mut random: Random) {
    let mut address = bank.address.lock().clone();
    let mut caller = Caller::new(&address);
    while bank.open.load(Ordering::SeqCst) {
        if address != *bank.address.lock() {
            address.clone_from(&bank.address.lock());
            caller = Caller::new(&address);
        }
        let (outcome, count) = match audits {
            true => (audit(&mut caller), &bank.audits),
            false => (transfer(&mut caller, &mut random), &bank.transfers),
        };
        match outcome {
            Ok(()) => drop(count.fetch_add(1, Ordering::SeqCst)),
            Err(Fault::Refused(code)) => assert!(code.starts_with("DATABASE_TRANSACTION"), "{code}"),
            Err(Fault::Unknown) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// All accounts of one snapshot.
fn audit(caller: &mut Caller) -> Result<(), Fault> {
    let open = caller.begin()?;
    let mut sum = 0;
    for account in 0..ACCOUNTS {
        let doc = caller.get(Some(&open), "accounts", &format!("a{account}"))?.expect("an account");
        sum += doc["money"].as_i64().expect("an amount");
    }
    assert_eq!(sum, EACH * ACCOUNTS as i64, "money came or went");
    caller.commit(&open)
}

fn transfer(caller: &mut Caller, random: &mut Random) -> Result<(), Fault> {
    let from = random.below(ACCOUNTS);
    let to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
    let (from, to) = (format!("a{from}"), format!("a{to}"));
    let amount = 1 + random.below(20) as i64;
    let open = caller.begin()?;
    let has = caller.get(Some(&open), "accounts", &from)?.expect("an account")["money"].as_i64().expect("an amount");
    if has < amount {
        return caller.abort(&open);
    }
    caller.change(Some(&open), "accounts", &from, &json!({"$set": {"money": has - amount}}))?;
    caller.change(Some(&open), "accounts", &to, &json!({"$inc": {"money": amount}}))?;
    caller.commit(&open)
}

#[test]
fn counters_lose_and_double_nothing() {
    const CLIENTS: u64 = 50;
    const COUNTERS: u64 = 4;
    if !server::can_serve() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let server = Server::start(&scratch.path().join("counters"), &[]).expect("it starts");
    let counters: Vec<Value> = (0..COUNTERS).map(|c| json!({"_id": format!("c{c}"), "n": 0, "by": []})).collect();
    prepare(&server, "counters", &counters);
    let each = if long_form().is_some() { 1000 } else { 10 };
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let address = server.address.clone();
            std::thread::spawn(move || {
                let mut caller = Caller::new(&address);
                for number in 0..each {
                    let change = json!({"$inc": {"n": 1}, "$push": {"by": client * each + number}});
                    caller.change(None, "counters", &format!("c{}", number % COUNTERS), &change).expect("counted");
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("a client's thread"));
    let mut caller = Caller::new(&server.address);
    let mut all = Vec::new();
    for counter in 0..COUNTERS {
        let doc = caller.get(None, "counters", &format!("c{counter}")).expect("an answer").expect("a counter");
        let by = doc["by"].as_array().expect("a list");
        assert_eq!(doc["n"].as_u64(), Some(by.len() as u64), "the two halves of one update");
        all.extend(by.iter().map(|number| number.as_u64().expect("a number")));
    }
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..CLIENTS * each), "each once");
}
