//! What the server keeps for watches beside the change log.

use std::collections::HashSet;

use super::{NOW, Served};
use crate::realtime::kept::Kept;

#[test]
fn records_of_watches_are_kept_while_wanted_and_within_bounds() {
    const KIND: u8 = 41;
    let served = Served::start();
    let app = &served.app;
    let env = app.tenants.env("env1").expect("there");
    let kept = Kept::new(KIND);
    let place = |name: &str| (env, name.as_bytes().to_vec());
    let keep = |name: &str, length: usize| kept.keep(app, place(name), &vec![7; length]).expect("answered");
    let is_there = |name: &str| kept.find(app, &place(name)).expect("found").is_some();
    assert!(keep("small", 2000) && keep("other", 2000) && !keep("large", 64 << 20));
    assert!(keep("small", 2001), "again, with other content");
    assert_eq!(kept.find(app, &place("small")).expect("found").as_deref(), Some(&[7; 2001][..]));
    assert!(kept.renew(app, &place("other")).expect("known") && !kept.renew(app, &place("large")).expect("unknown"));
    let review = |kept: &Kept, minutes: i64, used: &[&str]| {
        NOW.set(NOW.get() + minutes * 60_000);
        let used: HashSet<_> = used.iter().map(|name| place(name)).collect();
        kept.forget_unused(app, &used).expect("looked through");
        app.db.store().settle().expect("visible");
    };
    review(&kept, 1, &["small"]);
    review(&kept, 29, &["small"]);
    assert!(is_there("other"), "somebody may come back");
    review(&kept, 2, &["small"]);
    assert!(is_there("small") && !is_there("other"));
    // The next server knows those of the last one.
    let later = Kept::new(KIND);
    review(&later, 100, &[]);
    assert!(is_there("small"));
    review(&later, 31, &[]);
    assert!(!is_there("small"));
}
