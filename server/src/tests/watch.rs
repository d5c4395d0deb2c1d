//! What the server keeps for watches beside the change log.

use std::collections::HashSet;

use super::{NOW, Served};
use crate::realtime::questions::Questions;

#[test]
fn long_questions_are_kept_while_wanted_and_within_bounds() {
    let served = Served::start();
    let app = &served.app;
    let env = app.tenants.env("env1").expect("there");
    let questions = Questions::default();
    let keep = |byte: u8, length: usize| questions.keep(app, env, &vec![byte; length]).expect("kept");
    let find = |digest| questions.find(app, env, digest).expect("found");
    let (small, other) = (keep(1, 2000).expect("kept"), keep(2, 2000).expect("kept"));
    assert_eq!(keep(1, 2000), Some(small), "the same question is kept once");
    assert_eq!(find(&small).as_deref(), Some(&[1; 2000][..]));
    assert_eq!(keep(3, 64 << 20), None, "more than an environment may keep");
    let review = |questions: &Questions, minutes: i64, used: &[[u8; 16]]| {
        NOW.set(NOW.get() + minutes * 60_000);
        let used: HashSet<_> = used.iter().map(|digest| (env, *digest)).collect();
        questions.forget_unused(app, &used).expect("looked through");
        app.db.store().settle().expect("visible");
    };
    review(&questions, 1, &[small]);
    review(&questions, 29, &[small]);
    assert!(find(&other).is_some(), "somebody may come back");
    review(&questions, 2, &[small]);
    assert!(find(&small).is_some() && find(&other).is_none());
    // The next server knows those of the last one.
    let later = Questions::default();
    review(&later, 100, &[]);
    assert!(find(&small).is_some());
    review(&later, 31, &[]);
    assert!(find(&small).is_none());
}
