//! Access tokens that were verified before: a request with one costs a hash instead of a signature and two reads.
//!
//! What ends a login takes its tokens out of here. A token that is being verified meanwhile must not come in afterwards:
//! whoever keeps one shows the stamp taken before the login was read, and an old stamp keeps nothing.

use std::collections::HashMap;

use parking_lot::RwLock;
use query::User;
use sha2::{Digest, Sha256};
use storage::EnvId;

/// Tokens held; beyond it everything is forgotten and verified anew.
const TOKENS_MAX: usize = 50_000;

#[derive(Default)]
pub(super) struct Verified(RwLock<State>);

#[derive(Default)]
struct State {
    tokens: HashMap<[u8; 32], Entry>,
    stamp: u64,
}

/// What a verified token stands for.
pub(super) struct Entry {
    pub(super) env: EnvId,
    pub(super) user: User,
    pub(super) login: String,
    pub(super) ends_ms: i64,
}

impl Verified {
    pub(super) fn find(&self, access: &str, now_ms: i64) -> Option<(EnvId, User)> {
        let state = self.0.read();
        let entry = state.tokens.get(&hash(access)).filter(|entry| now_ms < entry.ends_ms)?;
        Some((entry.env, entry.user.clone()))
    }

    pub(super) fn stamp(&self) -> u64 {
        self.0.read().stamp
    }

    pub(super) fn keep(&self, stamp: u64, access: &str, entry: Entry) {
        let mut state = self.0.write();
        if state.stamp != stamp {
            return;
        }
        if state.tokens.len() >= TOKENS_MAX {
            state.tokens.clear();
        }
        state.tokens.insert(hash(access), entry);
    }

    /// Forgets the tokens of a login; called when its record is gone.
    pub(super) fn forget_login(&self, env: EnvId, login: &str) {
        self.forget(|entry| entry.env == env && entry.login == login);
    }

    /// Forgets the tokens of a user; called when its record has changed.
    pub(super) fn forget_user(&self, env: EnvId, uid: &str) {
        self.forget(|entry| entry.env == env && entry.user.uid == uid);
    }

    fn forget(&self, gone: impl Fn(&Entry) -> bool) {
        let mut state = self.0.write();
        state.stamp += 1;
        state.tokens.retain(|_, entry| !gone(entry));
    }
}

fn hash(access: &str) -> [u8; 32] {
    Sha256::digest(access.as_bytes()).into()
}
