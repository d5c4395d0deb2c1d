//! The socket itself: one task for each, between the connection and the talk on it. It carries out what the talk wishes
//! and empties the feeds of its watches as fast as the connection takes it, no faster: what waits, waits in the feed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{Response, StatusCode, Uri};
use query::{Code, EnvId, Error, Result};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::feed::{Feed, Fetched, INIT_ID, Listener, Mailbox, RING_BYTES_MAX};
use super::hub::Asker;
use super::is_still_valid;
use super::talk::{Asked, Event, LOGIN_FAILED, Numbered, Out, QUERY_UNKNOWN, SIGN_EXPIRED, SIGN_INVALID, Talk};
use super::ticket::{Credential, Fault};
use crate::app::{App, BODY_UNIT_BYTES};
use crate::face::json;
use crate::listen::Slot;
use crate::wire::codes::{Dialect, spell};

/// Largest frame that a client may send, in bytes.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// What a connection reads at once: most frames are short, and most sockets are idle.
const READ_BYTES: usize = 4096;
/// How long a client may take to log in.
const LOGIN_MAX: Duration = Duration::from_secs(20);
/// How long a client may be silent: SDKs send a sign of life every 10 or 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// How long a frame may take to be sent.
const SEND_MAX: Duration = Duration::from_secs(60);
/// Events of one watch that are sent in one frame, in bytes.
const FRAME_EVENTS_BYTES: usize = 256 << 10;
/// Frames from here on count among the bodies that are in memory.
const LARGE_BYTES: usize = 64 << 10;
/// SDKs connect again after this.
const CLOSE_GOING_AWAY: u16 = 1001;
const CLOSE_NORMAL: u16 = 1000;

/// Makes a connection a socket.
pub async fn connect(
    State(app): State<Arc<App>>,
    slot: Option<Extension<Slot>>,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response<Body> {
    let Ok(upgrade) = upgrade else {
        let text = r#"{"code":"INVALID_PARAM","message":"this address is for WebSocket connections"}"#;
        return json(StatusCode::BAD_REQUEST, text.as_bytes().to_vec());
    };
    if *app.realtime.stopping.borrow() {
        return json(
            StatusCode::SERVICE_UNAVAILABLE,
            br#"{"code":"SYS_ERR","message":"the server is stopping"}"#.to_vec(),
        );
    }
    upgrade.max_message_size(FRAME_BYTES_MAX).max_frame_size(FRAME_BYTES_MAX).read_buffer_size(READ_BYTES).on_upgrade(
        move |socket| async move {
            let opened = Opened::count(&app);
            let mut line = Line::new(opened.0.clone());
            line.admit(uri.query().unwrap_or_default());
            // Boxed: most sockets are idle, and a task is as large as its largest moment.
            Box::pin(line.serve(socket)).await;
            drop((opened, slot));
        },
    )
}

/// One socket among the open ones.
struct Opened(Arc<App>);

impl Opened {
    fn count(app: &Arc<App>) -> Opened {
        app.realtime.open.send_modify(|count| *count += 1);
        Opened(app.clone())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.realtime.open.send_modify(|count| *count -= 1);
    }
}

/// A connection with a talk on it.
struct Line {
    app: Arc<App>,
    talk: Talk,
    mailbox: Arc<Mailbox>,
    logins: HashMap<String, Login>,
    reading: HashMap<u32, Reading>,
}

struct Login {
    env: EnvId,
    credential: Credential,
}

/// A feed and how far it was read.
struct Reading {
    feed: Arc<Feed>,
    after: u64,
}

/// Why a line ends.
enum End {
    /// The other side is gone.
    Gone,
    /// This side closes.
    Close(u16, &'static str),
}

/// What there is to do.
enum Task {
    Heard(Message),
    News,
}

impl Line {
    fn new(app: Arc<App>) -> Line {
        // Which environment it will be is not known yet; the limit is set at the first login.
        let talk = Talk::new(0);
        Line { app, talk, mailbox: Arc::default(), logins: HashMap::new(), reading: HashMap::new() }
    }

    /// Logs in with the ticket in the address, if there is one that opens anything.
    fn admit(&mut self, query: &str) {
        let named = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        if let (Some(env), Some(sign)) = (named("env"), named("ticket"))
            && self.login(env, sign).is_ok()
        {
            self.talk.admit(env.to_owned());
        }
    }

    async fn serve(mut self, mut socket: WebSocket) {
        if let Err(End::Close(code, reason)) = self.converse(&mut socket).await {
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            // Who does not take it is gone anyhow.
            let _ = timeout(Duration::from_secs(1), socket.send(close)).await;
        }
    }

    async fn converse(&mut self, socket: &mut WebSocket) -> std::result::Result<(), End> {
        let mut stopping = self.app.realtime.stopping.subscribe();
        let mut heard = Instant::now();
        loop {
            let patience = if self.talk.is_open() { SILENCE_MAX } else { LOGIN_MAX };
            let task = tokio::select! {
                message = timeout_at(heard + patience, socket.recv()) => match message {
                    Ok(Some(Ok(message))) => Task::Heard(message),
                    Ok(_) => return Err(End::Gone),
                    Err(_) => return Err(End::Close(CLOSE_NORMAL, "nothing was heard for too long")),
                },
                () = self.mailbox.wait() => Task::News,
                _ = stopping.wait_for(|stopping| *stopping) => {
                    return Err(End::Close(CLOSE_GOING_AWAY, "the server is stopping"));
                }
            };
            match task {
                Task::Heard(Message::Text(text)) => {
                    heard = Instant::now();
                    self.step(socket, Event::Frame(text.as_str())).await?;
                }
                Task::Heard(Message::Binary(_)) => self.step(socket, Event::Frame("")).await?,
                Task::Heard(Message::Close(_)) => return Err(End::Gone),
                // The library answers these by itself.
                Task::Heard(Message::Ping(_) | Message::Pong(_)) => heard = Instant::now(),
                Task::News => self.deliver(socket).await?,
            }
        }
    }

    /// One step of the talk, and what follows from it.
    async fn step(&mut self, socket: &mut WebSocket, event: Event<'_>) -> std::result::Result<(), End> {
        let mut wishes = Vec::new();
        self.talk.step(event, self.app.now_ms(), &mut wishes);
        for wish in wishes {
            let mut then = Vec::new();
            match wish {
                Out::Login(asked) => {
                    let outcome = self.login(&asked.env, &asked.sign);
                    self.talk.step(Event::LoggedIn(asked, outcome), 0, &mut then);
                }
                Out::Begin(asked, spec) => {
                    let begun = match self.asker(&asked) {
                        Ok(asker) => {
                            let app = self.app.clone();
                            self.app.run_long(move || app.realtime.hub.begin(&app, asker, spec)).await
                        }
                        Err(error) => Err(error),
                    };
                    match begun {
                        Ok((feed, docs)) => {
                            self.reading.insert(asked.watch, Reading { feed: feed.clone(), after: INIT_ID });
                            self.talk.step(Event::Begun(asked, &feed.query_id, INIT_ID, docs), 0, &mut then);
                        }
                        Err(error) => self.refuse(asked, &error, &mut then),
                    }
                }
                Out::Rebuild(asked, again) => {
                    let rebuilt = match self.asker(&asked) {
                        Ok(asker) => {
                            let app = self.app.clone();
                            self.app.run_long(move || app.realtime.hub.rebuild(&app, asker, &again)).await
                        }
                        Err(error) => Err(error),
                    };
                    match rebuilt {
                        Ok(rebuilt) => self.rebuilt(asked, rebuilt.feed, rebuilt.after, &mut then),
                        Err(error) => self.refuse(asked, &error, &mut then),
                    }
                }
                Out::Last(asked, query_id) => {
                    let reading = self.reading.get(&asked.watch).filter(|reading| reading.feed.query_id == query_id);
                    let last = reading.map(|reading| reading.feed.last());
                    self.talk.step(Event::Last(asked, &query_id, last), 0, &mut then);
                }
                Out::Close(watch) => {
                    if let Some(reading) = self.reading.remove(&watch) {
                        self.app.realtime.hub.close(&reading.feed);
                    }
                }
                Out::Hang(code, reason) => return Err(End::Close(code, reason)),
                Out::Send(text) => send(&self.app, socket, text).await?,
            }
            self.send_all(socket, then).await?;
        }
        Ok(())
    }

    /// Events of the watches that have some, a piece for each.
    async fn deliver(&mut self, socket: &mut WebSocket) -> std::result::Result<(), End> {
        for watch in self.mailbox.take() {
            let Some(reading) = self.reading.get_mut(&watch) else { continue };
            let mut then = Vec::new();
            match reading.feed.fetch(&self.mailbox, reading.after, FRAME_EVENTS_BYTES) {
                Fetched::Events(entries) => {
                    let Some(last) = entries.last().map(|entry| entry.id) else { continue };
                    reading.after = last;
                    let texts =
                        entries.iter().flat_map(|entry| entry.events.iter().map(|event| (entry.id, event.as_str())));
                    let news = Numbered { last, texts: texts.collect() };
                    self.talk.step(Event::News(watch, &reading.feed.query_id, news), 0, &mut then);
                    if reading.feed.last() > last {
                        self.mailbox.put(watch);
                    }
                }
                Fetched::Over(error) => {
                    let code = spell(error.code, Dialect::Socket).text;
                    self.talk.step(Event::Ended(watch, code, error.message), 0, &mut then);
                    self.reading.remove(&watch);
                }
                Fetched::Moved => drop(self.reading.remove(&watch)),
            }
            self.send_all(socket, then).await?;
        }
        Ok(())
    }

    async fn send_all(&self, socket: &mut WebSocket, wishes: Vec<Out>) -> std::result::Result<(), End> {
        for wish in wishes {
            if let Out::Send(text) = wish {
                send(&self.app, socket, text).await?;
            }
        }
        Ok(())
    }

    fn login(&mut self, env_name: &str, sign: &str) -> std::result::Result<(), (&'static str, String)> {
        let ticket = self.app.realtime.signer.open(sign, self.app.now_ms()).map_err(|fault| match fault {
            Fault::Forged => (SIGN_INVALID, "the ticket is not one of this server: fetch a new one".to_owned()),
            Fault::Expired => (SIGN_EXPIRED, "the ticket's time is over: fetch a new one".to_owned()),
        })?;
        let spelt = |error: Error| (spell(error.code, Dialect::Socket).text, error.message);
        if ticket.env != env_name {
            let message = format!("the ticket opens the environment {:?}, not {env_name:?}", ticket.env);
            return Err(spelt(Error::new(Code::EnvMissing, message)));
        }
        let env = self.app.tenants.env(&ticket.env).map_err(spelt)?;
        if !is_still_valid(&self.app, env, &ticket.credential) {
            return Err((LOGIN_FAILED, "the login is not valid any more".to_owned()));
        }
        let limits = self.app.tenants.limits(env);
        if !self.logins.contains_key(env_name) {
            self.app.realtime.enter(env, limits.sockets_max).map_err(spelt)?;
        }
        self.talk.allow(usize::try_from(limits.socket_watches_max).unwrap_or(usize::MAX));
        self.logins.insert(env_name.to_owned(), Login { env, credential: ticket.credential });
        Ok(())
    }

    fn asker(&self, asked: &Asked) -> Result<Asker> {
        let login = self.logins.get(&asked.env);
        let login = login.ok_or_else(|| Error::new(Code::Unauthenticated, "nobody has logged in"))?;
        if !is_still_valid(&self.app, login.env, &login.credential) {
            return Err(Error::new(Code::Unauthenticated, "the login of this connection is not valid any more"));
        }
        let listener = Listener { mailbox: self.mailbox.clone(), watch: asked.watch };
        Ok(Asker { env: login.env, credential: login.credential.clone(), listener })
    }

    fn rebuilt(&mut self, asked: Asked, feed: Arc<Feed>, after: u64, then: &mut Vec<Out>) {
        let entries = match feed.fetch(&self.mailbox, after, RING_BYTES_MAX) {
            Fetched::Events(entries) => entries,
            // It ended in this very moment: the mailbox has the reason.
            Fetched::Over(_) | Fetched::Moved => Vec::new(),
        };
        let last = entries.last().map_or(after, |entry| entry.id);
        let texts = entries.iter().flat_map(|entry| entry.events.iter().map(|event| (entry.id, event.as_str())));
        self.reading.insert(asked.watch, Reading { feed: feed.clone(), after: last });
        self.mailbox.put(asked.watch);
        let missed = Numbered { last, texts: texts.collect() };
        self.talk.step(Event::Rebuilt(asked, &feed.query_id, missed), 0, then);
    }

    fn refuse(&mut self, asked: Asked, error: &Error, then: &mut Vec<Out>) {
        let code = match error.code {
            Code::InvalidParam if error.message.contains("this watch") => QUERY_UNKNOWN,
            code => spell(code, Dialect::Socket).text,
        };
        self.talk.step(Event::Refused(asked, code, error.message.clone()), 0, then);
    }
}

/// The feeds stay for a while, for a connection that comes back.
impl Drop for Line {
    fn drop(&mut self) {
        self.reading.values().for_each(|reading| reading.feed.detach(&self.mailbox));
        self.logins.values().for_each(|login| self.app.realtime.leave(login.env));
    }
}

async fn send(app: &App, socket: &mut WebSocket, text: String) -> std::result::Result<(), End> {
    let _held = hold(app, text.len()).await;
    match timeout(SEND_MAX, socket.send(Message::Text(text.into()))).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(End::Gone),
    }
}

/// Large frames wait for their share of memory.
async fn hold(app: &App, bytes: usize) -> Option<OwnedSemaphorePermit> {
    if bytes < LARGE_BYTES {
        return None;
    }
    let units = bytes.min(app.config.bodies_bytes_max / 2) / BODY_UNIT_BYTES;
    app.bodies().clone().acquire_many_owned(u32::try_from(units).unwrap_or(u32::MAX)).await.ok()
}
