//! Handing a file out: whole, in part, or not at all where the reader has it already.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use futures_util::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStore};
use query::Result;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use storage::EnvId;

use super::record::FileInfo;
use super::{Files, broken, place};

/// Bytes of a local file that are read at once.
const PIECE_BYTES: u64 = 256 << 10;

/// Types that a browser may show in place: none of them runs scripts.
const SHOWN: &[&str] = &["image/", "audio/", "video/", "text/plain", "application/pdf", "application/json"];

impl Files {
    /// Answers a request for a file's bytes.
    ///
    /// # Errors
    /// Faults of storage.
    pub async fn serve(
        &self,
        env: EnvId,
        info: &FileInfo,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response<Body>> {
        let etag = format!("\"{}\"", info.md5);
        let modified = rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&Timestamp::from_millisecond(info.stored_ms).unwrap_or(Timestamp::UNIX_EPOCH))
            .unwrap_or_default();
        let mut response = Response::new(Body::empty());
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        };
        put(header::ETAG, &etag);
        put(header::LAST_MODIFIED, &modified);
        put(header::ACCEPT_RANGES, "bytes");
        put(header::CONTENT_TYPE, &info.kind);
        put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        put(header::CACHE_CONTROL, "private, max-age=120");
        put(header::CONTENT_DISPOSITION, disposition(&info.kind));
        put(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
        if is_unchanged(headers, &etag, &modified) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        let Some(range) = wanted_range(headers, &etag, &modified, info.bytes) else {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            put_text(&mut response, header::CONTENT_RANGE, &format!("bytes */{}", info.bytes));
            return Ok(response);
        };
        put_text(&mut response, header::CONTENT_LENGTH, &(range.end - range.start).to_string());
        if range != (0..info.bytes) {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), info.bytes);
            put_text(&mut response, header::CONTENT_RANGE, &text);
        }
        if *method != Method::HEAD && !range.is_empty() {
            *response.body_mut() = Body::from_stream(self.read(env, info, range).await?);
        }
        Ok(response)
    }

    async fn read(
        &self,
        env: EnvId,
        info: &FileInfo,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let got = self.bytes.get_opts(&place(env, &info.object), options).await.map_err(|fault| broken(&fault))?;
        let range = got.range.clone();
        Ok(match got.payload {
            GetResultPayload::File(file, _) => pieces(file, range).boxed(),
            GetResultPayload::Stream(stream) => stream.map(|piece| piece.map_err(std::io::Error::other)).boxed(),
        })
    }
}

/// The bytes of a local file, piece by piece; each is read where waiting holds up nobody.
fn pieces(file: File, range: Range<u64>) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold((Some(file), range), |(file, range)| async move {
        let Some(mut file) = file.filter(|_| !range.is_empty()) else { return Ok(None) };
        let size = (range.end - range.start).min(PIECE_BYTES);
        let next = range.start + size..range.end;
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; usize::try_from(size).unwrap_or_default()];
            file.seek(SeekFrom::Start(range.start))?;
            file.read_exact(&mut piece)?;
            Ok::<_, std::io::Error>((Bytes::from(piece), file))
        });
        let (piece, file) = read.await.map_err(std::io::Error::other)??;
        Ok(Some((piece, (Some(file), next))))
    })
}

fn put_text(response: &mut Response<Body>, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

/// What could run scripts is saved, never shown in place.
fn disposition(kind: &str) -> &'static str {
    let harmless = kind != "image/svg+xml" && SHOWN.iter().any(|shown| kind.starts_with(shown));
    if harmless { "inline" } else { "attachment" }
}

fn named(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_unchanged(headers: &HeaderMap, etag: &str, modified: &str) -> bool {
    match named(headers, header::IF_NONE_MATCH) {
        Some(tags) => {
            tags.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == "*" || tag == etag)
        }
        None => named(headers, header::IF_MODIFIED_SINCE) == Some(modified),
    }
}

/// The bytes that the reader wants; `None` where it asks for bytes that the file does not have. Of several ranges the
/// whole file is the allowed answer.
fn wanted_range(headers: &HeaderMap, etag: &str, modified: &str, bytes: u64) -> Option<Range<u64>> {
    let whole = 0..bytes;
    let stale = named(headers, header::IF_RANGE).is_some_and(|seen| seen != etag && seen != modified);
    let asked = named(headers, header::RANGE).filter(|_| !stale).and_then(|range| range.strip_prefix("bytes="));
    let Some((start, end)) = asked.filter(|range| !range.contains(',')).and_then(|range| range.split_once('-')) else {
        return Some(whole);
    };
    match (start.trim().parse::<u64>().ok(), end.trim().parse::<u64>().ok()) {
        (Some(start), end) if start < bytes => {
            let end = end.map_or(bytes, |end| end.saturating_add(1).min(bytes));
            if start < end { Some(start..end) } else { Some(whole) }
        }
        (Some(_), _) => None,
        (None, Some(0)) => None,
        (None, Some(last)) => Some(bytes.saturating_sub(last)..bytes),
        (None, None) => Some(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        let range = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_str(text).expect("a header"));
            wanted_range(&headers, "\"e\"", "then", 100)
        };
        let cases = [
            ("bytes=0-9", Some(0..10)),
            ("bytes=90-", Some(90..100)),
            ("bytes=-5", Some(95..100)),
            ("bytes=-500", Some(0..100)),
            ("bytes=50-500", Some(50..100)),
            ("bytes=100-", None),
            ("bytes=-0", None),
            ("bytes=9-3", Some(0..100)),
            ("bytes=0-1,5-6", Some(0..100)),
            ("lines=1-2", Some(0..100)),
            ("bytes=x-y", Some(0..100)),
        ];
        for (text, expect) in cases {
            assert_eq!(range(text), expect, "{text}");
        }
    }

    #[test]
    fn scripts_are_never_shown_in_place() {
        for kind in ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/octet-stream"] {
            assert_eq!(disposition(kind), "attachment", "{kind}");
        }
        assert_eq!(disposition("image/png"), "inline");
    }
}
