//! The face of the server SDKs: every call is a POST with the action in its body, every answer has status 200.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri, request};
use query::{Caller, Code, Error, Result};

use super::{body, json, report, unless_panicking};
use crate::action::{Call, Origin};
use crate::app::App;
use crate::auth::keypair::KeyPair;
use crate::auth::{Incoming, authenticate};
use crate::wire::answer::sdk_refusal;
use crate::wire::codes::{Dialect, spell};
use crate::wire::form;
use crate::wire::members::Members;

/// Answers a call, whatever it is.
pub async fn call(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    if request.method() != Method::POST {
        return json(
            StatusCode::METHOD_NOT_ALLOWED,
            b"{\"code\":\"INVALID_ACTION\",\"message\":\"use POST\"}".to_vec(),
        );
    }
    let request_id = app.request_id();
    let (head, body) = request.into_parts();
    let mut collection = None;
    let answered = unless_panicking(&request_id, carry_out(&app, &request_id, &head, body, &mut collection)).await;
    let refuse = |error: Error| {
        report(&request_id, &error);
        sdk_refusal(&request_id, spell(error.code, Dialect::Admin), &error, collection.as_deref())
    };
    json(StatusCode::OK, answered.unwrap_or_else(refuse))
}

/// `collection` is filled in as soon as it is known: some messages name it.
async fn carry_out(
    app: &App,
    request_id: &str,
    head: &request::Parts,
    body: Body,
    collection: &mut Option<String>,
) -> Result<Vec<u8>> {
    let held = body::read(app, &head.headers, body, app.config.call_bytes_max).await?;
    let members = read_members(&head.headers, &held.bytes)?;
    let pair = identify(app, head, &members)?;
    check_env(app, &members, &pair)?;
    *collection = members.text("collectionName")?.map(Cow::into_owned);
    let session = app.session(pair.env, Caller::Admin);
    let action = members.needed_text("action")?;
    let base_url = base_url(&app.config.public_urls, &head.headers);
    let origin = Origin { request_id, dialect: Dialect::Admin, base_url, key: Some(&pair.id) };
    Call::new(app, session, &members, origin).perform(&action).await
}

fn read_members<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<Members<'b>> {
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match form::boundary(kind) {
        Some(boundary) => Members::from_form(form::fields(body, boundary)?),
        None => Members::from_json(body),
    }
}

fn identify(app: &App, head: &request::Parts, members: &Members<'_>) -> Result<Arc<KeyPair>> {
    let incoming = Incoming {
        method: head.method.as_str(),
        addresses: &addresses(&app.config.public_urls, &head.uri, &head.headers),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        members,
    };
    authenticate(&incoming, app.now_ms(), &|id| app.tenants.find_key(id))
}

/// How the caller may have written our address: as it arrived, as a proxy says it was, as we are known outside. A
/// service address without a path is signed without one, although `/` is called.
fn addresses(public_urls: &[String], uri: &Uri, headers: &HeaderMap) -> Vec<String> {
    let named = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let hosts = [uri.authority().map(|authority| authority.as_str()), named("host"), named("x-forwarded-host")];
    let path = uri.path();
    let mut addresses = Vec::with_capacity(4);
    let mut add = |address: String| {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    };
    for host in hosts.into_iter().flatten() {
        add(format!("//{host}{path}"));
        if path == "/" {
            add(format!("//{host}"));
        }
    }
    for url in public_urls {
        let (_, address) = url.split_once("://").unwrap_or(("", url));
        let bare = address.trim_end_matches('/');
        add(format!("//{bare}"));
        add(format!("//{address}"));
        add(format!("//{bare}{path}"));
    }
    addresses
}

/// How addresses in answers begin: as the server is known outside, or as this caller found it.
pub(crate) fn base_url(public_urls: &[String], headers: &HeaderMap) -> String {
    let named = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(url) = public_urls.first() {
        return url.trim_end_matches('/').to_owned();
    }
    let host = named("x-forwarded-host").or(named("host")).unwrap_or("127.0.0.1");
    format!("{}://{host}", named("x-forwarded-proto").unwrap_or("http"))
}

/// A key pair opens one environment; a call that names another is refused, whether that exists or not.
fn check_env(app: &App, members: &Members<'_>, pair: &KeyPair) -> Result<()> {
    let own = app.tenants.env_name(pair.env).unwrap_or_default();
    match members.text("envName")? {
        Some(named) if !named.is_empty() && named != own => Err(Error::new(
            Code::EnvMissing,
            format!("the call names the environment {named:?}, but its key pair opens {own:?}"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_address_may_have_been_written_in_several_ways() {
        let check = |uri: &str, host: &str, public: &[&str], expect: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_str(host).expect("a host"));
            let urls: Vec<String> = public.iter().map(|url| (*url).to_owned()).collect();
            assert_eq!(addresses(&urls, &uri.parse().expect("a URI"), &headers), expect, "{uri}");
        };
        check("/admin?x", "127.0.0.1:8787", &[], &["//127.0.0.1:8787/admin"]);
        check("/?x", "a:1", &[], &["//a:1/", "//a:1"]);
        check("http://cloud.example/admin", "cloud.example", &[], &["//cloud.example/admin"]);
        let outside = ["//a:1/admin", "//db.example.com/wafer", "//db.example.com/wafer/admin"];
        check("/admin", "a:1", &["https://db.example.com/wafer"], &outside);
    }
}
