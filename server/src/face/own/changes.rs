//! The change log as server-sent events: for back ends that follow what happens.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Response, header};
use serde::Deserialize;

use super::Answered;
use crate::app::App;
use crate::realtime::stream::{Stream, Wish};

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    /// One collection only.
    collection: Option<String>,
    /// The token to go on after; browsers and libraries send it as `Last-Event-ID` when they connect again.
    from: Option<String>,
    /// Wait for more at the end?
    follow: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { collection: None, from: None, follow: true }
    }
}

/// Sends what happens in an environment, one message a commit.
pub(super) async fn send_out(
    State(app): State<Arc<App>>,
    Path(env): Path<String>,
    Query(options): Query<Options>,
    headers: HeaderMap,
) -> Answered {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let wish = Wish {
        env: app.tenants.env(&env)?,
        collection: options.collection,
        from: last.or(options.from),
        follow: options.follow,
    };
    let stream = Stream::open(&app, wish)?;
    let pieces = futures_util::stream::unfold(stream, |stream| async move {
        let (bytes, stream) = stream.next().await?;
        Some((Ok::<_, Infallible>(bytes), stream))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies that buffer would hold messages back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
