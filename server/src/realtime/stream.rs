//! The change log as a stream for back ends: one message for each commit, in order, resumable by token.
//!
//! A token is the number of the last commit that was sent, so that whoever comes back with it misses nothing and gets
//! nothing twice. Where the log does not reach back any more, that is said; nothing is left out silently. Messages are
//! server-sent events; who may read them is decided by the face.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use query::{Code, EnvId, Error, Result, Value, ValueRef};
use storage::{Change, CollId, Commit, Seq, View};

use super::frames::quoted;
use super::hub::Follower;
use crate::app::App;
use crate::wire::codes::{Dialect, spell};
use crate::wire::ejson::{Form, Writer};

/// How often a silent stream tells that it is alive, and how far it has come.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// A piece of the stream has about so many bytes.
const PIECE_BYTES: usize = 256 << 10;
/// Commits that are looked at for one piece.
const PIECE_COMMITS: usize = 20_000;

/// What is followed.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The environment.
    pub env: EnvId,
    /// One collection only.
    pub collection: Option<String>,
    /// The token to go on after; `None` begins with what happens from now on.
    pub from: Option<String>,
    /// Go on at the end?
    pub follow: bool,
}

/// A stream under way.
pub struct Stream {
    app: Arc<App>,
    wish: Wish,
    only: Option<CollId>,
    at: Seq,
    told: Seq,
    follower: Option<Follower>,
    is_over: bool,
}

impl Stream {
    /// Begins a stream.
    ///
    /// # Errors
    /// `InvalidParam` for a token that is none, `LogTrimmed`, `CollectionMissing`.
    pub fn open(app: &Arc<App>, wish: Wish) -> Result<Stream> {
        // Heard of from here on: what comes after the look below is news.
        let follower = wish.follow.then(|| app.realtime.hub.follow(app));
        let view = app.db.store().view();
        let at = match &wish.from {
            None => view.seq(),
            Some(token) => read_token(token, &view)?,
        };
        let only = wish.collection.as_deref().map(|name| id_of(&view, wish.env, name)).transpose()?;
        let stream = Stream { app: app.clone(), wish, only, at, told: Seq(0), follower, is_over: false };
        stream.check_reach(&view)?;
        Ok(stream)
    }

    /// The next bytes; `None` at the end.
    pub async fn next(mut self) -> Option<(Bytes, Stream)> {
        loop {
            if self.is_over {
                return None;
            }
            let app = self.app.clone();
            let read = app.run_long(move || {
                let piece = self.piece();
                Ok((piece, self))
            });
            let (piece, stream) = read.await.ok()?;
            self = stream;
            match piece {
                Ok(piece) if !piece.is_empty() => return Some((piece.into(), self)),
                Ok(_) => {}
                Err(error) => {
                    self.is_over = true;
                    return Some((refusal(&error).into(), self));
                }
            }
            let Some(follower) = &mut self.follower else { return None };
            let app = self.app.clone();
            tokio::select! {
                () = follower.next() => {}
                () = tokio::time::sleep(ALIVE_EVERY) => return Some((self.sign_of_life(), self)),
                () = app.realtime.stopping() => return None,
            }
        }
    }

    /// Messages of commits that were not sent yet, as many as make a piece; empty at the end of the log.
    fn piece(&mut self) -> Result<Vec<u8>> {
        let view = self.app.db.store().view();
        if view.catalog().env_by_id(self.wish.env).is_none() {
            return Err(Error::new(Code::EnvMissing, "the environment does not exist any more"));
        }
        let mut out = Vec::new();
        let mut log = view.changes(self.at);
        for _ in 0..PIECE_COMMITS {
            let Some(commit) = log.next_commit()? else { break };
            if commit.seq != Seq(self.at.0 + 1) {
                return Err(trimmed());
            }
            self.at = commit.seq;
            let theirs = |change: &&Change| change.env == self.wish.env && self.only.is_none_or(|id| change.coll == id);
            if commit.changes.iter().any(|change| theirs(&change)) {
                put_commit(&mut out, &view, &commit, theirs);
                self.told = commit.seq;
            }
            if out.len() > PIECE_BYTES {
                break;
            }
        }
        if out.is_empty() && self.at < view.seq() {
            // Much happened that concerns others: the token goes on all the same.
            return Ok(self.sign_of_life().to_vec());
        }
        Ok(out)
    }

    fn check_reach(&self, view: &View) -> Result<()> {
        let next = view.changes(self.at).next_commit()?;
        match next.is_none_or(|commit| commit.seq == Seq(self.at.0 + 1)) {
            true => Ok(()),
            false => Err(trimmed()),
        }
    }

    /// A comment, and the token if it moved: nobody is told of an event.
    fn sign_of_life(&mut self) -> Bytes {
        if self.told < self.at {
            self.told = self.at;
            return format!("id: {}\n: alive\n\n", self.at.0).into();
        }
        Bytes::from_static(b": alive\n\n")
    }
}

fn read_token(token: &str, view: &View) -> Result<Seq> {
    let seq = token.parse().ok().map(Seq).filter(|seq| *seq <= view.seq());
    seq.ok_or_else(|| Error::new(Code::InvalidParam, format!("`from`: {token:?} is no token of this server")))
}

fn id_of(view: &View, env: EnvId, name: &str) -> Result<CollId> {
    let collection = view.collection(env, name).map(|collection| collection.id);
    collection.ok_or_else(|| Error::new(Code::CollectionMissing, format!("the collection {name:?} does not exist")))
}

fn trimmed() -> Error {
    let message = "the change log does not reach back to this token: read the documents as they are now, and follow \
                   from there on without a token";
    Error::new(Code::LogTrimmed, message)
}

fn put_commit(out: &mut Vec<u8>, view: &View, commit: &Commit, theirs: impl Fn(&&Change) -> bool) {
    let (token, at) = (commit.seq.0, commit.at_ms);
    put(out, &format!("id: {token}\nevent: commit\ndata: {{\"token\":\"{token}\",\"at\":{at},\"changes\":["));
    for (index, change) in commit.changes.iter().filter(theirs).enumerate() {
        put(out, if index > 0 { "," } else { "" });
        put_change(out, view, change);
    }
    put(out, "]}\n\n");
}

fn put_change(out: &mut Vec<u8>, view: &View, change: &Change) {
    let kind = match (&change.before, &change.after) {
        (None, _) => "add",
        (_, None) => "remove",
        _ if change.replaced => "replace",
        _ => "update",
    };
    let env = view.catalog().env_by_id(change.env);
    let collection = env.and_then(|env| env.collections().find(|collection| collection.id == change.coll));
    let name = collection.map_or("", |collection| collection.name.as_str());
    put(out, &format!(r#"{{"collection":{},"change":"{kind}","id":"#, quoted(name)));
    let docs = [&change.after, &change.before];
    let id = docs.into_iter().flatten().find_map(|doc| doc.get("_id")).map_or(Value::Null, ValueRef::to_value);
    Writer::<0>::new(out, Form::Relaxed).value(id.as_ref());
    for (name, doc) in [("document", &change.after), ("before", &change.before)] {
        if let Some(doc) = doc {
            put(out, &format!(r#","{name}":"#));
            Writer::<0>::new(out, Form::Relaxed).document(doc.raw());
        }
    }
    put(out, "}");
}

fn refusal(error: &Error) -> String {
    let code = spell(error.code, Dialect::Own).text;
    format!("event: error\ndata: {{\"code\":\"{code}\",\"message\":{}}}\n\n", quoted(&error.message))
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
