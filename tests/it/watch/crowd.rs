//! Many who watch: what idle sockets cost, how soon a change reaches a crowd, what a crowd costs a write that concerns
//! few. The long form has the sizes of the promises and prints the figures; the short form shows that the ways there
//! are sound.

use super::{client, insert, make, modify};
use crate::support::client::Client;
use crate::support::gateway::Credentials;
use crate::support::server::{self, Server, credentials};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};
use tungstenite::client::client_with_config;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

type Socket = WebSocket<TcpStream>;

const PATIENCE: Duration = Duration::from_secs(30);

fn is_long() -> bool {
    std::env::var_os("WAFERDB_TORTURE_SECONDS").is_some()
}

fn scene() -> Option<(tempfile::TempDir, Server)> {
    if !server::can_serve() {
        return None;
    }
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let variables = [("WAFERDB_CONNECTIONS_MAX", Path::new("20000"))];
    let server = Server::start(&scratch.path().join("crowd"), &variables).expect("it starts");
    make(&mut client(&server), "c");
    Some((scratch, server))
}

/// Tickets open many sockets while they last.
fn pass(server: &Server, who: &Credentials) -> Value {
    Client::new(&server.address, who).call("auth.wsWebSign", &[]).expect("an answer").done()["data"].clone()
}

fn open(server: &Server, pass: &Value) -> Socket {
    let stream = TcpStream::connect(&server.address).expect("connected");
    stream.set_nodelay(true).expect("a socket option");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    let config = WebSocketConfig::default().read_buffer_size(1024);
    let url = pass["wsUrl"].as_str().expect("an address");
    client_with_config(url, stream, Some(config)).expect("a socket").0
}

/// Begins a watch; the ticket in the address is the login.
fn watch(socket: &mut Socket, watch_id: &str, query: &Value) {
    let content = json!({"envId": credentials().env, "collName": "c", "query": query.to_string()});
    let frame = json!({"watchId": watch_id, "requestId": "r", "msgType": "INIT_WATCH", "msgData": content});
    socket.send(Message::text(frame.to_string())).expect("sent");
    assert_eq!(read(socket)["msgType"], "INIT_EVENT");
}

fn read(socket: &mut Socket) -> Value {
    loop {
        if let Message::Text(text) = socket.read().expect("a frame") {
            return serde_json::from_str(&text).expect("JSON");
        }
    }
}

#[test]
fn idle_sockets_cost_little() {
    let Some((_scratch, server)) = scene() else { return };
    let count: u64 = if is_long() { 10_000 } else { 600 };
    // The first ones also take what a server needs once.
    let first = count / 10;
    let mut before = 0;
    let mut ticket = pass(&server, &credentials());
    let mut sockets: Vec<Socket> = Vec::new();
    for number in 0..count {
        if number == first {
            before = server.resident_bytes();
        }
        if number % 500 == 0 {
            ticket = pass(&server, &credentials());
        }
        let mut socket = open(&server, &ticket);
        watch(&mut socket, "w", &json!({"room": number}));
        sockets.push(socket);
    }
    let all = server.resident_bytes();
    let each = all.saturating_sub(before) / (count - first);
    println!("crowd: with {count} sockets and a watch on each the server holds {} MiB, {each} bytes each", all >> 20);
    assert!(each < 40_000, "{each} bytes for an idle socket");
    insert(&mut client(&server), "c", &[json!({"_id": "a", "room": count - 1})]);
    let last = sockets.last_mut().expect("one");
    assert_eq!(read(last)["msgData"]["events"][0]["DocID"], "a");
}

#[test]
fn a_change_reaches_a_crowd() {
    let Some((_scratch, server)) = scene() else { return };
    let (count, changes) = if is_long() { (1000, 200) } else { (100, 10) };
    let ticket = pass(&server, &credentials());
    let mut sockets: Vec<Socket> = (0..count)
        .map(|_| {
            let mut socket = open(&server, &ticket);
            watch(&mut socket, "w", &json!({"room": "lobby"}));
            socket
        })
        .collect();
    let mut writer = client(&server);
    let mut times: Vec<Duration> = (0..changes)
        .map(|change| {
            insert(&mut writer, "c", &[json!({"_id": format!("m{change}"), "room": "lobby", "text": "x".repeat(200)})]);
            let answered = Instant::now();
            let id = json!(format!("m{change}"));
            assert!(sockets.iter_mut().all(|socket| read(socket)["msgData"]["events"][0]["DocID"] == id));
            answered.elapsed()
        })
        .collect();
    times.sort_unstable();
    let (median, worst) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("crowd: a change is with all of {count} watchers {median:?} after its answer, at most {worst:?} (p99)");
    assert!(worst < Duration::from_secs(3));
}

#[test]
fn a_write_meets_only_those_who_could_care() {
    let Some((_scratch, server)) = scene() else { return };
    let (sockets, each, writes) = if is_long() { (100, 100, 2000) } else { (10, 50, 200) };
    insert(&mut client(&server), "c", &[json!({"_id": "a", "room": 1, "n": 0})]);
    let write = || {
        let mut writer = client(&server);
        let began = Instant::now();
        for _ in 0..writes {
            modify(&mut writer, "c", &json!({"_id": "a"}), &json!({"$inc": {"n": 1}})).expect("done");
        }
        began.elapsed()
    };
    let alone = write().min(write());
    let ticket = pass(&server, &credentials());
    let mut crowd: Vec<Socket> = (0..sockets)
        .map(|socket| {
            let mut opened = open(&server, &ticket);
            for number in 0..each {
                watch(&mut opened, &format!("w{number}"), &json!({"room": socket * each + number}));
            }
            opened
        })
        .collect();
    let watched = write().min(write());
    let ratio = watched.as_secs_f64() / alone.as_secs_f64();
    println!(
        "crowd: {writes} writes take {alone:?} alone, {watched:?} with {} watches of other keys: {ratio:.2} times",
        sockets * each
    );
    assert!(ratio < 3.0, "{ratio:.2} times");
    assert_eq!(read(&mut crowd[0])["watchId"], "w1", "the one that asked for this key");
}
