//! Connections: accepting, bounding, timing out, draining. What is said on them is the faces' business.
//!
//! The port is open before the store is, so that `/healthz` can tell how far a start has come. File descriptors are
//! kept back for the store: a store that cannot open a file stops writing for good, a caller who waits does not.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use crate::config::Config;
use crate::face::json;

/// A connection's place among those that may be open; a socket keeps it when the connection becomes one.
#[derive(Clone, Debug)]
pub struct Slot(#[expect(dead_code, reason = "held, not looked at")] Arc<OwnedSemaphorePermit>);

/// Idle seconds after which the operating system asks whether the other side is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// How long accepting rests after the operating system refused a connection.
const REFUSED_REST: Duration = Duration::from_millis(50);

/// What stands behind the port: nothing at first, the faces once the store is open.
#[derive(Default)]
pub struct Front {
    router: OnceLock<Router>,
    draining: AtomicBool,
}

impl Front {
    /// From now on requests are served.
    pub fn open(&self, router: Router) {
        // A second router would be a fault of ours; the first keeps serving.
        let _ = self.router.set(router);
    }

    /// From now on `/healthz` tells that the server is stopping, so that balancers send nobody any more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if request.uri().path() == "/healthz" {
            return self.health();
        }
        match self.router.get() {
            Some(router) => router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
            None => self.health(),
        }
    }

    fn health(&self) -> Response<Body> {
        let (status, text) = match (self.router.get(), self.draining.load(Ordering::Relaxed)) {
            (_, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            (None, _) => (StatusCode::SERVICE_UNAVAILABLE, "opening"),
            (Some(_), _) => (StatusCode::OK, "ok"),
        };
        let version = env!("CARGO_PKG_VERSION");
        json(status, format!(r#"{{"status":"{text}","version":"{version}"}}"#).into_bytes())
    }
}

/// An open port.
pub struct Server {
    listener: TcpListener,
    front: Arc<Front>,
    config: Config,
    slots: Arc<Semaphore>,
    slots_max: usize,
    stopping: watch::Sender<bool>,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// Where the address cannot be had.
    pub async fn bind(config: Config, descriptors: Descriptors) -> io::Result<Server> {
        let listener = TcpListener::bind(&config.listen).await?;
        let slots_max = config.connections_max.clamp(16, descriptors.connections);
        let slots = Arc::new(Semaphore::new(slots_max));
        let stopping = watch::Sender::new(false);
        Ok(Server { listener, front: Arc::default(), config, slots, slots_max, stopping })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Where the operating system does not know.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What stands behind the port.
    pub fn front(&self) -> Arc<Front> {
        self.front.clone()
    }

    /// Serves until `stop` is over, then lets requests finish for a while.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = self.accept() => {}
            () = stop => {}
        }
        self.front.drain();
        drop(self.listener);
        self.stopping.send_replace(true);
        let every_slot = self.slots.acquire_many(u32::try_from(self.slots_max).unwrap_or(u32::MAX));
        if timeout(self.config.drain_max, every_slot).await.is_err() {
            tracing::warn!("some requests did not finish in time");
        }
    }

    async fn accept(&self) {
        // With no slot left callers wait in the operating system's queue.
        while let Ok(slot) = self.slots.clone().acquire_owned().await {
            match self.listener.accept().await {
                Ok((stream, _)) => self.connect(stream, slot),
                Err(fault) => {
                    tracing::warn!(%fault, "a connection could not be accepted");
                    sleep(REFUSED_REST).await;
                }
            }
        }
    }

    fn connect(&self, stream: TcpStream, slot: OwnedSemaphorePermit) {
        // Answers are written whole; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        // A watcher whose network vanished would hold its place for hours.
        let _ = set_socket_keepalive(&stream, true);
        let _ = set_tcp_keepidle(&stream, KEEPALIVE_IDLE);
        let slot = Slot(Arc::new(slot));
        let held = slot.clone();
        let (front, slots, scarce) = (self.front.clone(), self.slots.clone(), self.slots_max / 16);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (front, slots) = (front.clone(), slots.clone());
            request.extensions_mut().insert(held.clone());
            async move {
                let mut response = front.answer(request).await;
                if slots.available_permits() < scarce {
                    // Idle connections would keep others out; told so, a caller opens a new one next time.
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.config.idle_max)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut stopping = self.stopping.subscribe();
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                _ = stopping.wait_for(|stopping| *stopping) => None,
            };
            let ended = match ended {
                Some(ended) => ended,
                None => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(fault) = ended {
                tracing::debug!(%fault, "a connection ended");
            }
            drop(slot);
        });
    }
}

/// How the process's file descriptors are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Files that the store may hold open.
    pub storage: usize,
    /// Connections that callers may hold open.
    pub connections: usize,
}

impl Descriptors {
    /// Raises the process's soft limit to the hard one and shares out what there is.
    pub fn claim() -> Descriptors {
        let limit = getrlimit(Resource::Nofile);
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        let current = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit.maximum,
            Err(_) => limit.current,
        };
        Descriptors::share(current.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX))
    }

    /// The store gets half, between 128 and 512; some stay for the log, the listener and what the runtime needs.
    fn share(total: usize) -> Descriptors {
        const OTHERS: usize = 64;
        let storage = (total / 2).clamp(128, 512);
        Descriptors { storage, connections: total.saturating_sub(storage + OTHERS).max(16) }
    }
}
