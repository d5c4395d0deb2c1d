//! The face of object storage: uploads as SDKs send them to COS, downloads by links.
//!
//! An upload is a PUT with the bytes as its body or a POST of a form with the bytes as its last field; what it may do
//! stands in the signed text that `storage.getUploadMetadata` gave. Success has an empty body, because SDKs read any
//! other as XML.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use axum::routing::{get, put};
use futures_util::StreamExt;
use query::{Code, Error, Result};

use crate::app::App;
use crate::files::links::{Allows, Link, NoLink};
use crate::files::missing;
use crate::files::upload::NewFile;
use crate::wire::form;

/// The routes below `/files`.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/link/{link}/{name}", get(download).options(preflight))
        .route("/{env}", put(upload).post(upload).options(preflight))
        .route("/{env}/{*path}", put(upload).post(upload).options(preflight))
}

async fn preflight(request: Request<Body>) -> Response<Body> {
    let mut response = allowed_everywhere(StatusCode::NO_CONTENT, Body::empty());
    let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(HeaderValue::from_static("*")));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, PUT, POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// Links carry their own permission and no cookie plays a part, so pages of every origin may use them.
fn allowed_everywhere(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    allow_everywhere(&mut response);
    response
}

fn allow_everywhere(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("ETag, Content-Length, Content-Range, x-cos-request-id");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

async fn download(
    State(app): State<Arc<App>>,
    Path((link, _)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response<Body> {
    let request_id = app.request_id();
    let served = match open(&app, &link, Allows::Read) {
        Ok(link) => serve(&app, &link, &method, &headers).await,
        Err(error) => Err(error),
    };
    let mut response = served.unwrap_or_else(|error| refusal(&request_id, &error));
    allow_everywhere(&mut response);
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-cos-request-id", id);
    }
    response
}

async fn serve(app: &App, link: &Link, method: &Method, headers: &HeaderMap) -> Result<Response<Body>> {
    let info = app.files.find(link.env, &link.path)?.ok_or_else(|| missing(&link.path))?;
    app.files.serve(link.env, &info, method, headers).await
}

async fn upload(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let request_id = app.request_id();
    match take_in(&app, request).await {
        Ok(etag) => {
            let mut response = allowed_everywhere(StatusCode::OK, Body::empty());
            if let Ok(etag) = HeaderValue::from_str(&etag) {
                response.headers_mut().insert(header::ETAG, etag);
            }
            response
        }
        Err(error) => refusal(&request_id, &error),
    }
}

async fn take_in(app: &App, request: Request<Body>) -> Result<String> {
    let (head, body) = request.into_parts();
    let named = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = named("content-type").unwrap_or_default();
    if head.method == Method::POST && form::boundary(kind).is_some() {
        return take_form(app, kind, body).await;
    }
    let signature = named("x-cos-security-token").or(named("authorization")).or(named("signature"));
    let link = open(app, signature.unwrap_or_default(), Allows::Write)?;
    if let Some(key) = named("key") {
        check_key(&link, &percent_encoding::percent_decode_str(key).decode_utf8_lossy())?;
    }
    let kind = Some(kind).filter(|kind| !kind.is_empty()).map(str::to_owned);
    let pieces = body.into_data_stream();
    let stored = app.files.store(link.env, new_file(app, link, kind), pieces).await?;
    Ok(format!("\"{}\"", stored.md5))
}

/// A form: the fields before `file` tell what it may do. SDKs that show no status want 201 or nothing.
async fn take_form(app: &App, kind: &str, body: Body) -> Result<String> {
    let boundary = multer::parse_boundary(kind).map_err(|fault| bad_form(&fault))?;
    let limits = multer::SizeLimit::new().per_field(8 << 10).for_field("file", u64::MAX);
    let constraints = multer::Constraints::new().size_limit(limits);
    let mut form = multer::Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let (mut link, mut kind) = (None, None);
    while let Some(field) = form.next_field().await.map_err(|fault| bad_form(&fault))? {
        let name = field.name().unwrap_or_default().to_ascii_lowercase();
        if name == "file" {
            let link: Link = link.ok_or_else(|| open(app, "", Allows::Write).err().unwrap_or_else(unsigned))?;
            let kind = kind.or_else(|| field.content_type().map(|kind| kind.as_ref().to_owned()));
            // What SDKs write for bytes without a type tells less than the name does.
            let kind = kind.filter(|kind: &String| kind != "application/octet-stream");
            let stored = app.files.store(link.env, new_file(app, link, kind), field.boxed()).await?;
            return Ok(format!("\"{}\"", stored.md5));
        }
        let text = field.text().await.map_err(|fault| bad_form(&fault))?;
        match name.as_str() {
            "x-cos-security-token" => link = Some(open(app, &text, Allows::Write)?),
            "signature" | "authorization" if link.is_none() => link = Some(open(app, &text, Allows::Write)?),
            "content-type" => kind = Some(text),
            _ => {}
        }
    }
    Err(Error::new(Code::InvalidParam, "the form has no field `file`"))
}

fn new_file(app: &App, link: Link, kind: Option<String>) -> NewFile {
    let bytes_max = app.tenants.limits(link.env).file_bytes_max;
    NewFile { path: link.path, kind, owner: link.owner, now_ms: app.now_ms(), bytes_max }
}

/// The name beside the signature must be the signed one.
fn check_key(link: &Link, key: &str) -> Result<()> {
    match key.trim_start_matches('/') == link.path {
        true => Ok(()),
        false => Err(Error::new(Code::Unauthenticated, "the key is not the one that the signature was made for")),
    }
}

fn open(app: &App, text: &str, allows: Allows) -> Result<Link> {
    app.files.links.read(text, allows, app.now_ms()).map_err(|why| match why {
        NoLink::Foreign => unsigned(),
        NoLink::Ended => Error::new(Code::FileDenied, "the link has ended; ask for a new one"),
    })
}

fn unsigned() -> Error {
    Error::new(Code::Unauthenticated, "the signature is missing or was not made for this")
}

fn bad_form(fault: &multer::Error) -> Error {
    Error::new(Code::InvalidParam, format!("the form: {fault}"))
}

/// An error as COS writes it: the SDKs read all four elements.
fn refusal(request_id: &str, error: &Error) -> Response<Body> {
    let (status, code) = match error.code {
        Code::Unauthenticated => (StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
        Code::FileDenied | Code::PermissionDenied => (StatusCode::FORBIDDEN, "AccessDenied"),
        Code::FileMissing => (StatusCode::NOT_FOUND, "NoSuchKey"),
        Code::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "EntityTooLarge"),
        Code::InvalidParam => (StatusCode::BAD_REQUEST, "InvalidArgument"),
        Code::Cancelled => (StatusCode::BAD_REQUEST, "IncompleteBody"),
        Code::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage"),
        _ => {
            tracing::error!(request_id, message = error.message, cause = ?error.cause, "a file request failed");
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
        }
    };
    let message = error.message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>{request_id}</RequestId><TraceId>{request_id}</TraceId></Error>"
    );
    let mut response = allowed_everywhere(status, Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}
