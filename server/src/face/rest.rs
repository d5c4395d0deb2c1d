//! The REST interface on `/v1`, which newer client SDKs speak by default: method, path and status mean something here.
//!
//! No call names its environment: the token does, or the host. Paths are read by hand, because SDKs write ids into them
//! without escaping anything.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode, request};
use percent_encoding::percent_decode_str;
use query::Result;

use super::admin::base_url;
use super::{body, json, report, unless_panicking};
use crate::action::database::rest::{BASE, CALLS};
use crate::action::{ActionRow, Call, Origin};
use crate::app::App;
use crate::client::{Claims, session_of};
use crate::wire::answer::rest_refusal;
use crate::wire::codes::{Dialect, message, spell};
use crate::wire::members::Members;

/// Answers a call, whatever it is.
pub async fn call(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let request_id = app.request_id();
    let (head, body) = request.into_parts();
    let method = method(&head);
    let Some(found) = find(&method, head.uri.path()) else {
        let text = format!("there is no {method} {}", head.uri.path());
        return json(StatusCode::NOT_FOUND, rest_refusal(&request_id, "INVALID_ACTION", &text));
    };
    match unless_panicking(&request_id, carry_out(&app, &request_id, &head, body, &found)).await {
        // An answer without a byte stands for a document that is not there.
        Ok(answer) if answer.is_empty() => {
            let text = "the document does not exist, or the rules do not show it";
            json(StatusCode::NOT_FOUND, rest_refusal(&request_id, "DOCUMENT_NOT_FOUND", text))
        }
        Ok(answer) => json(StatusCode::OK, answer),
        Err(error) => {
            report(&request_id, &error);
            let spelling = spell(error.code, Dialect::Rest);
            let status = StatusCode::from_u16(spelling.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let text = message(&error, found.named("collectionName"));
            json(status, rest_refusal(&request_id, spelling.text, &text))
        }
    }
}

async fn carry_out(
    app: &App,
    request_id: &str,
    head: &request::Parts,
    body: Body,
    found: &Found<'_>,
) -> Result<Vec<u8>> {
    let held = body::read(app, &head.headers, body, app.config.call_bytes_max).await?;
    let asked = asked(head.uri.query().unwrap_or_default());
    // GET requests bring the content type of JSON and no body.
    let mut members = if held.bytes.is_empty() { Members::default() } else { Members::from_json(&held.bytes)? };
    for (name, text) in found.named.iter().chain(&asked) {
        members.add_text(name, text)?;
    }
    let claims = Claims::bearing(None, &head.headers);
    let session = session_of(app, &claims)?;
    let base_url = base_url(&app.config.public_urls, &head.headers);
    let origin = Origin { request_id, dialect: Dialect::Rest, base_url, key: claims.key_id(&session) };
    Call::new(app, session, &members, origin).carry_out(found.row).await
}

/// The method; some runtimes know few and name the real one in a header.
fn method(head: &request::Parts) -> Cow<'_, str> {
    let instead = header(&head.headers, "x-http-method-override").filter(|_| head.method == "POST");
    instead.map_or_else(|| head.method.as_str().into(), |method| method.to_ascii_uppercase().into())
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// A row of the table, and what the path holds in its braces.
struct Found<'p> {
    row: &'static ActionRow,
    named: Vec<(&'static str, Cow<'p, str>)>,
}

impl Found<'_> {
    fn named(&self, name: &str) -> Option<&str> {
        self.named.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_ref())
    }
}

/// The first row that fits: words go before braces because their rows stand before.
fn find<'p>(method: &str, path: &'p str) -> Option<Found<'p>> {
    let places = BASE.split('/').count() - 1;
    let mut segments = path.split('/');
    let base: Vec<&str> = segments.by_ref().take(places).collect();
    let rest: Vec<&str> = segments.collect();
    let fits = |(pattern, found): (&str, &&str)| pattern.starts_with('{') || pattern == *found;
    if base.len() < places || !BASE.trim_end_matches('/').split('/').zip(&base).all(fits) {
        return None;
    }
    CALLS.iter().find_map(|row| {
        let pattern = row.name.strip_prefix(method)?.strip_prefix(' ')?;
        matched(pattern, &rest).map(|named| Found { row, named })
    })
}

/// What stands in the braces of a pattern; `None` where the path does not fit.
fn matched<'p>(pattern: &'static str, segments: &[&'p str]) -> Option<Vec<(&'static str, Cow<'p, str>)>> {
    let places: Vec<&'static str> = pattern.split('/').collect();
    let mut named = Vec::new();
    if places.len() != segments.len() {
        return None;
    }
    for (place, segment) in places.iter().zip(segments) {
        match place.strip_prefix('{').and_then(|place| place.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => named.push((name, percent_decode_str(segment).decode_utf8_lossy())),
            None if place == segment => {}
            _ => return None,
        }
    }
    Some(named)
}

/// What the query asks, decoded. SDKs end it with a stray `&`.
fn asked(query: &str) -> Vec<(&str, Cow<'_, str>)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name, decoded(value))).collect()
}

fn decoded(value: &str) -> Cow<'_, str> {
    match value.contains('+') {
        false => percent_decode_str(value).decode_utf8_lossy(),
        true => percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_rows() {
        let check = |method: &str, path: &str, expect: Option<(&str, &[&str])>| {
            let path = format!("/v1/database/instances/(default)/databases/(default)/{path}");
            let found = find(method, &path);
            let texts = found
                .as_ref()
                .map(|found| (found.row.name, found.named.iter().map(|(_, text)| text.as_ref()).collect::<Vec<_>>()));
            assert_eq!(texts, expect.map(|(name, texts)| (name, texts.to_vec())), "{method} {path}");
        };
        let one = "GET collections/{collectionName}/documents/{documentId}";
        check("GET", "collections/c/documents", Some(("GET collections/{collectionName}/documents", &["c"])));
        check("GET", "collections/c/documents/remove", Some((one, &["c", "remove"])));
        check("GET", "collections/c/documents/100%", Some((one, &["c", "100%"])));
        check("GET", "collections/a%20b/documents/x%2Fy", Some((one, &["a b", "x/y"])));
        let remove = "POST collections/{collectionName}/documents/remove";
        check("POST", "collections/c/documents/remove", Some((remove, &["c"])));
        check("POST", "transactions/t1/commit", Some(("POST transactions/{transactionId}/commit", &["t1"])));
        check("DELETE", "collections/c/documents", None);
        check("GET", "collections//documents", None);
        check("GET", "", None);
        assert!(find("GET", "/v1/database").is_none());
        assert!(find("GET", "/v1/functions/f").is_none());
    }

    #[test]
    fn queries_are_decoded() {
        let found = asked("limit=5&query=%7B%22a%22%3A%22b+c%22%7D&empty=&stray&");
        assert_eq!(found, [("limit", "5".into()), ("query", "{\"a\":\"b c\"}".into()), ("empty", Cow::Borrowed(""))]);
    }
}
