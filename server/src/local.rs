//! The admin interface without a socket: for a process that holds the data folder itself.

use std::io::{self, Read};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::app::App;
use crate::face;

/// A caller inside the process. It needs no token: whoever can open the folder may do everything anyhow.
pub struct Local {
    router: Router,
    runtime: Runtime,
}

/// An answer whose body is read as it is made.
pub struct Answer<'l> {
    /// The HTTP status.
    pub status: u16,
    body: Body,
    ready: Bytes,
    runtime: &'l Runtime,
}

/// Bytes of a body that are handed over at once.
const PIECE_BYTES: usize = 64 << 10;

impl Local {
    /// A caller of this server.
    ///
    /// # Errors
    /// Where the runtime cannot be started.
    pub fn new(app: Arc<App>) -> io::Result<Local> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Local { router: face::local_router(app), runtime })
    }

    /// Makes a call: `path` is everything behind the host.
    ///
    /// # Errors
    /// Where the call is malformed.
    pub fn call(&self, method: &str, path: &str, body: impl Read + Send + 'static) -> io::Result<Answer<'_>> {
        let pieces = futures_util::stream::iter(Pieces(body));
        let request = Request::builder().method(method).uri(path).body(Body::from_stream(pieces));
        let request = request.map_err(io::Error::other)?;
        let response = self.runtime.block_on(self.router.clone().oneshot(request));
        let (head, body) = response.unwrap_or_else(|never| match never {}).into_parts();
        Ok(Answer { status: head.status.as_u16(), body, ready: Bytes::new(), runtime: &self.runtime })
    }
}

impl Read for Answer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() {
            match self.runtime.block_on(self.body.frame()) {
                None => return Ok(0),
                Some(Err(fault)) => return Err(io::Error::other(fault)),
                Some(Ok(frame)) => self.ready = frame.into_data().unwrap_or_default(),
            }
        }
        let piece = self.ready.split_to(buffer.len().min(self.ready.len()));
        for (place, byte) in buffer.iter_mut().zip(&piece) {
            *place = *byte;
        }
        Ok(piece.len())
    }
}

struct Pieces<R>(R);

impl<R: Read> Iterator for Pieces<R> {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        let mut piece = vec![0; PIECE_BYTES];
        match self.0.read(&mut piece) {
            Ok(0) => None,
            Ok(count) => {
                piece.truncate(count);
                Some(Ok(piece.into()))
            }
            Err(fault) => Some(Err(fault)),
        }
    }
}
