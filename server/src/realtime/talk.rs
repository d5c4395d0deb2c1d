//! The socket dialect as a state machine: frames and news go in, frames and wishes come out. It knows neither sockets,
//! the database nor a clock; whoever drives it carries out its wishes and tells it what came of them.
//!
//! One socket may speak for several environments, each with a login of its own. A request that cannot be carried out
//! is answered with `ERROR` and the code that makes SDKs do the right thing: those about logins are tried again with a
//! new ticket, all others end the watch.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use query::watch::WatchSpec;
use query::{Code, Doc, DocBuilder, Error, ValueRef};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::frames::{self, Address, Frame};
use crate::wire::codes::{Dialect, spell};
use crate::wire::ejson::Reader;

/// A ticket is none of ours, or was changed.
pub const SIGN_INVALID: &str = "SIGN_INVALID_ERROR";
/// A ticket's time is over.
pub const SIGN_EXPIRED: &str = "SIGN_EXPIRED_ERROR";
/// Nobody has logged in for the environment, or the login is not valid any more.
pub const LOGIN_FAILED: &str = "CHECK_LOGIN_FAILED";
/// The watch cannot be gone on with.
pub const QUERY_UNKNOWN: &str = "QUERYID_INVALID_ERROR";

/// Frames that are none, one after the other, after which a client is hung up on.
const NONSENSE_MAX: u32 = 10;
/// Closed because of what was said: SDKs connect again.
const CLOSE_POLICY: u16 = 1008;

/// What a talk hears.
#[derive(Debug)]
pub enum Event<'e> {
    /// The client said something.
    Frame(&'e str),
    /// A login was looked at.
    LoggedIn(LoginAsked, Result<(), (&'static str, String)>),
    /// A watch began: its name, the number of its first documents, and their texts.
    Begun(Asked, &'e str, u64, Vec<String>),
    /// A watch goes on: its name and what came since.
    Rebuilt(Asked, &'e str, Numbered<'e>),
    /// A watch cannot begin or go on.
    Refused(Asked, &'static str, String),
    /// The last event of a watch that the client asked about; `None` for a watch that is not there.
    Last(Asked, &'e str, Option<u64>),
    /// Something happened in a watch.
    News(u32, &'e str, Numbered<'e>),
    /// A watch ended by itself.
    Ended(u32, &'static str, String),
}

/// Events with their numbers, the last of which is `last`.
#[derive(Debug)]
pub struct Numbered<'e> {
    /// The last number.
    pub last: u64,
    /// The events.
    pub texts: Vec<(u64, &'e str)>,
}

/// What a talk wishes.
#[derive(Debug)]
pub enum Out {
    /// Send this.
    Send(String),
    /// Look at a login.
    Login(LoginAsked),
    /// Begin a watch.
    Begin(Asked, WatchSpec),
    /// Go on with a watch after an event.
    Rebuild(Asked, Again),
    /// Find out the last event of a watch.
    Last(Asked, String),
    /// Forget a watch.
    Close(u32),
    /// End the connection.
    Hang(u16, &'static str),
}

/// A login that was asked for.
#[derive(Debug)]
pub struct LoginAsked {
    address: Address,
    /// The environment that the client names.
    pub env: String,
    /// The ticket.
    pub sign: String,
}

/// A request about a watch.
#[derive(Debug)]
pub struct Asked {
    address: Address,
    /// The number of the watch on this socket.
    pub watch: u32,
    /// The environment.
    pub env: String,
}

/// What a client knows of a watch that it wants to go on with.
#[derive(Debug, PartialEq, Eq)]
pub struct Again {
    /// The collection's name.
    pub collection: String,
    /// The name of the watch.
    pub query_id: String,
    /// The last event that the client has.
    pub event_id: u64,
}

/// One client's talk.
#[derive(Debug)]
pub struct Talk {
    logins: HashSet<String>,
    watches: HashMap<u32, Known>,
    numbers: HashMap<String, u32>,
    watches_max: usize,
    next: u32,
    pushes: u64,
    nonsense: u32,
}

#[derive(Debug)]
struct Known {
    watch_id: String,
    env: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    env_id: String,
    #[serde(default)]
    sign_str: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Signed {
    #[serde(default)]
    sign_str: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Init<'f> {
    env_id: String,
    coll_name: String,
    #[serde(borrow, default)]
    query: Option<&'f RawValue>,
    #[serde(default)]
    limit: Option<u64>,
    #[serde(borrow, default)]
    order_by: Option<&'f RawValue>,
}

/// How some SDKs write one field of an order.
#[derive(Deserialize)]
struct By {
    field: String,
    direction: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rebuild {
    env_id: String,
    coll_name: String,
    #[serde(rename = "queryID")]
    query_id: String,
    #[serde(rename = "eventID")]
    event_id: u64,
}

#[derive(Deserialize)]
struct Check {
    #[serde(rename = "queryID")]
    query_id: String,
}

type Outcome<T> = std::result::Result<T, Error>;

impl Talk {
    /// A talk that may hold so many watches.
    pub fn new(watches_max: usize) -> Talk {
        Talk {
            logins: HashSet::new(),
            watches: HashMap::new(),
            numbers: HashMap::new(),
            watches_max,
            next: 0,
            pushes: 0,
            nonsense: 0,
        }
    }

    /// From now on it may hold so many watches.
    pub const fn allow(&mut self, watches_max: usize) {
        self.watches_max = watches_max;
    }

    /// Somebody is logged in for an environment without having asked on this connection.
    pub fn admit(&mut self, env: String) {
        self.logins.insert(env);
    }

    /// Has anybody logged in?
    pub fn is_open(&self) -> bool {
        !self.logins.is_empty()
    }

    /// One step. `now` is the instant that dates in a query without one of their own mean.
    pub fn step(&mut self, event: Event<'_>, now: i64, out: &mut Vec<Out>) {
        match event {
            Event::Frame(text) => self.hear(text, now, out),
            Event::LoggedIn(asked, outcome) => self.logged_in(asked, outcome, out),
            Event::Begun(asked, query_id, id, docs) => {
                // SDKs want these numbered 0, and count from `currEvent` on.
                let docs = docs.iter().map(|text| (0, text.as_str()));
                out.push(Out::Send(frames::events(&asked.address, "INIT_EVENT", query_id, id, docs)));
            }
            Event::Rebuilt(asked, query_id, events) => {
                let texts = events.texts.into_iter();
                out.push(Out::Send(frames::events(&asked.address, "NEXT_EVENT", query_id, events.last, texts)));
            }
            Event::Refused(asked, code, message) => {
                self.forget(asked.watch);
                out.push(Out::Send(frames::error(&asked.address, code, &message)));
            }
            Event::Last(asked, query_id, Some(last)) => {
                let content = format!(r#"{{"queryID":{},"currEvent":{last}}}"#, frames::quoted(query_id));
                out.push(Out::Send(frames::frame(&asked.address, "CHECK_EVENT", &content)));
            }
            Event::Last(asked, _, None) => {
                let message = "this watch is not known on this connection";
                out.push(Out::Send(frames::error(&asked.address, QUERY_UNKNOWN, message)));
            }
            Event::News(watch, query_id, events) => {
                if let Some(address) = self.push_address(watch) {
                    let texts = events.texts.into_iter();
                    out.push(Out::Send(frames::events(&address, "NEXT_EVENT", query_id, events.last, texts)));
                }
            }
            Event::Ended(watch, code, message) => {
                if let Some(address) = self.push_address(watch) {
                    out.push(Out::Send(frames::error(&address, code, &message)));
                }
                self.forget(watch);
            }
        }
    }

    fn hear(&mut self, text: &str, now: i64, out: &mut Vec<Out>) {
        let Some(frame) = Frame::read(text) else { return self.nonsense(&Address::default(), out) };
        let address = Address { watch_id: frame.watch_id, request_id: frame.request_id };
        let (content, more) = (frame.msg_data, frame.ex_msg_data);
        match frame.msg_type.as_str() {
            "PING" => out.push(Out::Send(frames::frame(&address, "PONG", "null"))),
            "LOGIN" => self.login(address, content, more, out),
            "INIT_WATCH" => self.init(address, content, now, out),
            "REBUILD_WATCH" => self.rebuild(address, content, out),
            "CHECK_LAST" => self.check(address, content, out),
            "CLOSE_WATCH" => {
                let watch = address.watch_id.as_ref().and_then(|id| self.numbers.get(id).copied());
                if let Some(watch) = watch {
                    self.forget(watch);
                    out.push(Out::Close(watch));
                }
            }
            _ => return self.nonsense(&address, out),
        }
        self.nonsense = 0;
    }

    fn nonsense(&mut self, address: &Address, out: &mut Vec<Out>) {
        self.nonsense += 1;
        if self.nonsense > NONSENSE_MAX {
            return out.push(Out::Hang(CLOSE_POLICY, "these are no frames of this protocol"));
        }
        let message = "expected a frame {requestId, msgType, msgData} with a msgType of LOGIN, INIT_WATCH, \
                       REBUILD_WATCH, CHECK_LAST, CLOSE_WATCH or PING";
        out.push(Out::Send(frames::error(address, "INVALID_PARAM", message)));
    }

    fn login(&mut self, address: Address, content: Option<&RawValue>, more: Option<&RawValue>, out: &mut Vec<Out>) {
        match read::<Login>(content) {
            Ok(login) => {
                let signed: Signed = read(more).unwrap_or_default();
                // SDKs of the web send the ticket beside the message, `wx.cloud` inside.
                let sign = if signed.sign_str.is_empty() { login.sign_str } else { signed.sign_str };
                out.push(Out::Login(LoginAsked { address, env: login.env_id, sign }));
            }
            Err(error) => {
                let content = refusal(None, "SIGN_PARAM_INVALID", &error.message);
                out.push(Out::Send(frames::frame(&address, "LOGIN_RES", &content)));
            }
        }
    }

    fn logged_in(&mut self, asked: LoginAsked, outcome: Result<(), (&'static str, String)>, out: &mut Vec<Out>) {
        let content = match outcome {
            Ok(()) => {
                let content = format!(r#"{{"envId":{}}}"#, frames::quoted(&asked.env));
                self.logins.insert(asked.env);
                content
            }
            Err((code, message)) => refusal(Some(&asked.env), code, &message),
        };
        out.push(Out::Send(frames::frame(&asked.address, "LOGIN_RES", &content)));
    }

    fn init(&mut self, address: Address, content: Option<&RawValue>, now: i64, out: &mut Vec<Out>) {
        let asked = read::<Init<'_>>(content).and_then(|init| {
            let spec = spec(&init, now)?;
            Ok((init.env_id, spec))
        });
        match asked {
            Ok((env, spec)) => {
                if let Some(asked) = self.ask(address, env, out) {
                    out.push(Out::Begin(asked, spec));
                }
            }
            Err(error) => out.push(Out::Send(refused(&address, &error))),
        }
    }

    fn rebuild(&mut self, address: Address, content: Option<&RawValue>, out: &mut Vec<Out>) {
        match read::<Rebuild>(content) {
            Ok(Rebuild { env_id, coll_name: collection, query_id, event_id }) => {
                if let Some(asked) = self.ask(address, env_id, out) {
                    out.push(Out::Rebuild(asked, Again { collection, query_id, event_id }));
                }
            }
            Err(error) => out.push(Out::Send(refused(&address, &error))),
        }
    }

    fn check(&mut self, address: Address, content: Option<&RawValue>, out: &mut Vec<Out>) {
        let known = address.watch_id.as_ref().and_then(|id| self.numbers.get(id));
        let known = known.and_then(|number| Some((*number, self.watches.get(number)?.env.clone())));
        match (read::<Check>(content), known) {
            (Ok(check), Some((watch, env))) => out.push(Out::Last(Asked { address, watch, env }, check.query_id)),
            (Ok(_), None) => {
                out.push(Out::Send(frames::error(&address, QUERY_UNKNOWN, "this watch is not known here")));
            }
            (Err(error), _) => out.push(Out::Send(refused(&address, &error))),
        }
    }

    /// Gives a watch its number; one with the same id goes before.
    fn ask(&mut self, address: Address, env: String, out: &mut Vec<Out>) -> Option<Asked> {
        if !self.logins.contains(&env) {
            let message = format!("nobody has logged in for the environment {env:?} on this connection");
            out.push(Out::Send(frames::error(&address, LOGIN_FAILED, &message)));
            return None;
        }
        let Some(watch_id) = address.watch_id.clone() else {
            let error = Error::new(Code::InvalidParam, "`watchId` is missing");
            out.push(Out::Send(refused(&address, &error)));
            return None;
        };
        if let Some(earlier) = self.numbers.get(&watch_id).copied() {
            self.forget(earlier);
            out.push(Out::Close(earlier));
        }
        if self.watches.len() >= self.watches_max {
            let message = format!("a connection may hold at most {} watches (`socket_watches_max`)", self.watches_max);
            out.push(Out::Send(refused(&address, &Error::new(Code::QuotaExceeded, message))));
            return None;
        }
        let watch = self.next;
        self.next = self.next.wrapping_add(1);
        self.numbers.insert(watch_id.clone(), watch);
        self.watches.insert(watch, Known { watch_id, env: env.clone() });
        Some(Asked { address, watch, env })
    }

    fn forget(&mut self, watch: u32) {
        if let Some(known) = self.watches.remove(&watch) {
            self.numbers.remove(&known.watch_id);
        }
    }

    /// The address of something that nobody asked for.
    fn push_address(&mut self, watch: u32) -> Option<Address> {
        let watch_id = Some(self.watches.get(&watch)?.watch_id.clone());
        self.pushes += 1;
        Some(Address { watch_id, request_id: format!("push_{}", self.pushes) })
    }
}

fn read<'f, T: Deserialize<'f>>(content: Option<&'f RawValue>) -> Outcome<T> {
    let text = content.map_or("null", RawValue::get);
    serde_json::from_str(text).map_err(|fault| Error::new(Code::InvalidParam, format!("`msgData`: {fault}")))
}

fn refused(address: &Address, error: &Error) -> String {
    frames::error(address, spell(error.code, Dialect::Socket).text, &error.message)
}

fn refusal(env: Option<&str>, code: &str, message: &str) -> String {
    let env = env.map(|env| format!(r#""envId":{},"#, frames::quoted(env))).unwrap_or_default();
    format!(r#"{{{env}"code":{},"message":{}}}"#, frames::quoted(code), frames::quoted(message))
}

fn spec(init: &Init<'_>, now: i64) -> Outcome<WatchSpec> {
    Ok(WatchSpec {
        collection: init.coll_name.clone(),
        filter: filter(init.query.map_or("", RawValue::get), now)?,
        sort: sort(init.order_by.map_or("", RawValue::get), now)?,
        limit: init.limit,
    })
}

/// A query is JSON text, from some SDKs JSON text of JSON text; nothing and `""` mean everything.
fn filter(json: &str, now: i64) -> Outcome<Doc> {
    let mut text = json.trim().to_owned();
    for _ in 0..2 {
        if text.starts_with('"') {
            let inner: String = serde_json::from_str(&text)
                .map_err(|fault| Error::new(Code::InvalidParam, format!("`query`: {fault}")))?;
            text = inner.trim().to_owned();
        }
    }
    match text.as_str() {
        "" | "null" => Ok(Doc::empty()),
        text => Reader::new(now).document(text).map_err(|error| error.at("`query`")),
    }
}

/// `{field: "asc"}`, or a list of `{field, direction}`.
fn sort(json: &str, now: i64) -> Outcome<Option<Doc>> {
    let mut sort = DocBuilder::new();
    if json.starts_with('[') {
        let items: Vec<By> = serde_json::from_str(json)
            .map_err(|fault| Error::new(Code::InvalidParam, format!("`orderBy`: {fault}")))?;
        for By { field, direction } in &items {
            put_order(&mut sort, field, ValueRef::String(direction))?;
        }
    } else if !json.is_empty() && json != "null" {
        let order = Reader::new(now).document(json).map_err(|error| error.at("`orderBy`"))?;
        for (field, direction) in order.raw().iter() {
            put_order(&mut sort, field, direction)?;
        }
    }
    Ok(Some(sort.finish()).filter(|sort| !sort.raw().is_empty()))
}

fn put_order(sort: &mut DocBuilder, field: &str, direction: ValueRef<'_>) -> Outcome<()> {
    let direction = match direction {
        ValueRef::String("asc") | ValueRef::Int32(1) => 1,
        ValueRef::String("desc") | ValueRef::Int32(-1) => -1,
        other => {
            let message = format!("`orderBy`: expected `asc` or `desc` for {field:?}, found {other}");
            return Err(Error::new(Code::InvalidParam, message));
        }
    };
    if let Some(fault) = query::name_fault(field) {
        return Err(Error::new(Code::InvalidParam, format!("`orderBy`: {fault}")));
    }
    sort.put(field, ValueRef::Int32(direction));
    Ok(())
}
