//! Connections over real sockets: states of a start, idling, slow callers, crowds, draining.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Descriptors, Front, Server};
use crate::config::Config;

const MANY: Descriptors = Descriptors { storage: 128, connections: 1000 };

struct Running {
    address: String,
    front: Arc<Front>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn run(config: Config) -> Running {
    let config = Config { listen: "127.0.0.1:0".to_owned(), ..config };
    let server = Server::bind(config, MANY).await.expect("a port");
    let (address, front) = (server.address().expect("an address").to_string(), server.front());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async { drop(stopped.await) }));
    Running { address, front, stop, serving }
}

fn slow() -> Router {
    Router::new().route("/quick", get(|| async { "quick" })).route(
        "/slow",
        get(|| async {
            sleep(Duration::from_millis(300)).await;
            "slow"
        }),
    )
}

async fn ask(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    answer(stream).await
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let count = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await.expect("in time").expect("read");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[tokio::test]
async fn health_follows_the_life_of_the_server() {
    let running = run(Config::default()).await;
    let mut stream = TcpStream::connect(&running.address).await.expect("connected");
    let opening = ask(&mut stream, "/healthz").await;
    assert!(opening.starts_with("HTTP/1.1 503") && opening.contains("opening"), "{opening}");
    assert!(ask(&mut stream, "/quick").await.starts_with("HTTP/1.1 503"));
    running.front.open(slow());
    let ready = ask(&mut stream, "/healthz").await;
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains(r#""status":"ok""#), "{ready}");
    assert!(ask(&mut stream, "/quick").await.ends_with("quick"), "one connection serves many requests");
    running.front.drain();
    assert!(ask(&mut stream, "/healthz").await.contains("draining"));
}

#[tokio::test]
async fn requests_under_way_finish_and_idle_connections_end() {
    let running = run(Config::default()).await;
    running.front.open(slow());
    let mut busy = TcpStream::connect(&running.address).await.expect("connected");
    let mut idle = TcpStream::connect(&running.address).await.expect("connected");
    ask(&mut idle, "/quick").await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    sleep(Duration::from_millis(100)).await;
    drop(running.stop);
    assert!(answer(&mut busy).await.ends_with("slow"));
    timeout(Duration::from_secs(2), running.serving).await.expect("it ends soon").expect("it ends well");
    assert!(TcpStream::connect(&running.address).await.is_err(), "nobody is let in any more");
}

#[tokio::test]
async fn a_request_that_never_ends_is_not_waited_for() {
    let never = Router::new().route("/never", get(std::future::pending::<&'static str>));
    let running = run(Config { drain_max: Duration::from_millis(200), ..Config::default() }).await;
    running.front.open(never);
    let mut stream = TcpStream::connect(&running.address).await.expect("connected");
    stream.write_all(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    sleep(Duration::from_millis(50)).await;
    drop(running.stop);
    timeout(Duration::from_secs(2), running.serving).await.expect("it ends soon").expect("it ends well");
}

#[tokio::test]
async fn who_sends_nothing_is_let_go() {
    let running = run(Config { idle_max: Duration::from_millis(300), ..Config::default() }).await;
    running.front.open(slow());
    let mut silent = TcpStream::connect(&running.address).await.expect("connected");
    let mut halting = TcpStream::connect(&running.address).await.expect("connected");
    halting.write_all(b"GET /quick HTTP/1.1\r\nHo").await.expect("sent");
    let mut resting = TcpStream::connect(&running.address).await.expect("connected");
    ask(&mut resting, "/quick").await;
    for stream in [&mut silent, &mut halting, &mut resting] {
        let mut rest = Vec::new();
        timeout(Duration::from_secs(3), stream.read_to_end(&mut rest)).await.expect("it is closed").expect("read");
    }
}

#[tokio::test]
async fn a_crowd_waits_and_is_told_to_come_again() {
    let running = run(Config { connections_max: 32, ..Config::default() }).await;
    running.front.open(slow());
    let mut held = Vec::new();
    for _ in 0..32 {
        let mut stream = TcpStream::connect(&running.address).await.expect("connected");
        held.push((ask(&mut stream, "/quick").await, stream));
    }
    assert!(!held[0].0.to_ascii_lowercase().contains("connection: close"));
    assert!(held[31].0.to_ascii_lowercase().contains("connection: close"), "{}", held[31].0);
    // All slots but those that were told to close are held: the next caller waits until one is free.
    let mut late = TcpStream::connect(&running.address).await.expect("queued");
    let start = Instant::now();
    let freeing = tokio::spawn(async move {
        sleep(Duration::from_millis(200)).await;
        drop(held);
    });
    assert!(ask(&mut late, "/quick").await.ends_with("quick"));
    freeing.await.expect("freed");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn the_store_always_keeps_its_descriptors() {
    for total in [0, 200, 256, 1024, 65_536, usize::MAX] {
        let Descriptors { storage, connections } = Descriptors::share(total);
        assert!(storage >= 128 && connections >= 16);
        assert!(storage + connections <= total.max(256), "{total}");
    }
    assert_eq!(Descriptors::share(256), Descriptors { storage: 128, connections: 64 });
}
