//! Reading the body of a request within bounds of size, time and the memory that all requests share.

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use http_body_util::BodyExt;
use query::{Code, Error, Result};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::app::{App, BODY_UNIT_BYTES};

/// A body, and its share of the memory for bodies, which it gives back when it goes.
pub struct Held {
    /// The bytes.
    pub bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

/// What a body whose length is not stated reserves at first.
const UNSTATED_BYTES: usize = 256 << 10;

/// Reads a whole body.
///
/// # Errors
/// `TooLarge` beyond `bytes_max`; `ConcurrencyLimited` where other requests hold the memory for too long; `Timeout`
/// or `Cancelled` where the sender is too slow or goes away.
pub async fn read(app: &App, headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Held> {
    match timeout(app.config.body_time_max, reserve_and_read(app, headers, body, bytes_max)).await {
        Ok(read) => read,
        Err(_) => Err(Error::new(Code::Timeout, "the body of the request took too long to arrive")),
    }
}

async fn reserve_and_read(app: &App, headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Held> {
    let stated = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if stated.is_some_and(|length| length > bytes_max) {
        drain(body, bytes_max).await;
        return Err(too_large(bytes_max));
    }
    let reserved = units(stated.unwrap_or(UNSTATED_BYTES.min(bytes_max)));
    let share = app.bodies().clone().acquire_many_owned(reserved).await;
    let mut share = share.map_err(|_| Error::new(Code::Cancelled, "the server is stopping"))?;
    let bytes = collect(app, body, bytes_max, &mut share).await?;
    Ok(Held { bytes, _share: share })
}

async fn collect(app: &App, mut body: Body, bytes_max: usize, share: &mut OwnedSemaphorePermit) -> Result<Bytes> {
    let mut parts: Vec<Bytes> = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|fault| Error::new(Code::Cancelled, format!("the body broke off: {fault}")))?;
        let Ok(part) = frame.into_data() else { continue };
        length += part.len();
        if length > bytes_max {
            drain(body, bytes_max).await;
            return Err(too_large(bytes_max));
        }
        if share.num_permits() < units(length) as usize {
            let more = app.bodies().clone().try_acquire_many_owned(units(length));
            share.merge(more.map_err(|_| {
                Error::new(Code::ConcurrencyLimited, "too many large requests at once; send the length or try again")
            })?);
        }
        parts.push(part);
    }
    match <[Bytes; 1]>::try_from(parts) {
        Ok([single]) => Ok(single),
        Err(parts) => Ok(parts.concat().into()),
    }
}

/// Takes in what still comes, up to a bound: a sender that is cut off while it writes sees no answer at all.
async fn drain(mut body: Body, bytes_max: usize) {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > bytes_max.saturating_mul(4) {
            return;
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(BODY_UNIT_BYTES)).unwrap_or(u32::MAX)
}

fn too_large(bytes_max: usize) -> Error {
    Error::new(Code::TooLarge, format!("the request is larger than {bytes_max} bytes; send less at once"))
}
