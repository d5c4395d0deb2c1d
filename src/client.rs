//! The command line's way to a server: over HTTP to one that runs, or inside this process on a folder that nobody
//! serves.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use server::config::Config;
use server::local::Local;
use storage::Store;

use crate::cli::Place;
use crate::command::folder::{self, Opened};
use crate::failure::{Failure, Result};

/// Who answers.
pub enum Target {
    /// A running server.
    Remote { agent: ureq::Agent, url: String, token: String },
    /// The folder itself.
    Local { local: Box<Local>, store: Store },
}

/// A body that is read as it arrives.
pub type Stream<'t> = Box<dyn Read + 't>;

/// Where the admin interface begins.
const BASE: &str = "/waferdb/v1";

impl Target {
    /// The server that was named; else the one that serves the folder; else the folder.
    ///
    /// # Errors
    /// `CouldNot` where there is neither.
    pub fn find(place: &Place) -> Result<Target> {
        let folder = place.folder();
        if let Some(url) = &place.server {
            return Ok(Target::remote(url, token(place, &folder)));
        }
        if let Some(url) = folder::served_at(&folder) {
            return Ok(Target::remote(&url, token(place, &folder)));
        }
        if !folder.exists() {
            let shown = folder.display();
            return Err(Failure::CouldNot(format!(
                "there is no data folder {shown}; name a server with --server or a folder with --data"
            )));
        }
        let Opened { app, store, .. } = folder::open(Config::default(), &folder::Settings::of(&folder))?;
        Ok(Target::Local { local: Box::new(Local::new(Arc::new(app))?), store })
    }

    fn remote(url: &str, token: String) -> Target {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .build();
        Target::Remote { agent: config.into(), url: url.trim_end_matches('/').to_owned(), token }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// `Refused` with the server's code and message, `CouldNot` where it cannot be reached.
    pub fn get(&self, path: &str) -> Result<Value> {
        value(self.send("GET", path, None)?)
    }

    /// Removes something.
    ///
    /// # Errors
    /// As for [`Target::get`].
    pub fn delete(&self, path: &str) -> Result<Value> {
        value(self.send("DELETE", path, None)?)
    }

    /// Makes something.
    ///
    /// # Errors
    /// As for [`Target::get`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        value(self.send("POST", path, Some(text(body)))?)
    }

    /// Puts something in its place.
    ///
    /// # Errors
    /// As for [`Target::get`].
    pub fn put(&self, path: &str, body: &Value) -> Result<Value> {
        value(self.send("PUT", path, Some(text(body)))?)
    }

    /// Changes something.
    ///
    /// # Errors
    /// As for [`Target::get`].
    pub fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        value(self.send("PATCH", path, Some(text(body)))?)
    }

    /// Sends a stream.
    ///
    /// # Errors
    /// As for [`Target::get`].
    pub fn upload(&self, path: &str, body: impl Read + Send + 'static) -> Result<Value> {
        value(self.send("POST", path, Some(Box::new(body)))?)
    }

    /// Asks for a stream.
    ///
    /// # Errors
    /// As for [`Target::get`].
    pub fn download(&self, path: &str) -> Result<Stream<'_>> {
        match self.send("GET", path, None)? {
            (200, body) => Ok(body),
            (status, body) => Err(refused(status, body)),
        }
    }

    fn send(&self, method: &str, path: &str, body: Option<Box<dyn Read + Send>>) -> Result<(u16, Stream<'_>)> {
        match self {
            Target::Local { local, .. } => {
                let answer =
                    local.call(method, &format!("{BASE}{path}"), body.unwrap_or_else(|| Box::new(io::empty())))?;
                Ok((answer.status, Box::new(answer)))
            }
            Target::Remote { agent, url, token } => {
                let request = ureq::http::Request::builder()
                    .method(method)
                    .uri(format!("{url}{BASE}{path}"))
                    .header("authorization", format!("Bearer {token}"));
                let unreachable = |fault: ureq::Error| Failure::CouldNot(format!("{url} cannot be reached: {fault}"));
                let malformed = |fault: ureq::http::Error| Failure::CouldNot(format!("{url}: {fault}"));
                let response = match body {
                    Some(body) => {
                        let body = ureq::SendBody::from_owned_reader(body);
                        agent.run(request.body(body).map_err(malformed)?).map_err(unreachable)?
                    }
                    None => agent.run(request.body(()).map_err(malformed)?).map_err(unreachable)?,
                };
                Ok((response.status().as_u16(), Box::new(response.into_body().into_reader())))
            }
        }
    }
}

/// Writes what waits, so that the next start is quick.
impl Drop for Target {
    fn drop(&mut self) {
        if let Target::Local { store, .. } = self {
            store.close();
        }
    }
}

/// A part of a path.
pub fn part(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

fn token(place: &Place, folder: &Path) -> String {
    place.admin_token.clone().or_else(|| folder::left_token(folder)).unwrap_or_default()
}

fn text(body: &Value) -> Box<dyn Read + Send> {
    Box::new(io::Cursor::new(body.to_string().into_bytes()))
}

fn value((status, mut body): (u16, Stream<'_>)) -> Result<Value> {
    if status != 200 {
        return Err(refused(status, body));
    }
    let mut text = String::new();
    body.read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(|fault| Failure::CouldNot(format!("the answer is not JSON: {fault}")))
}

fn refused(status: u16, mut body: Stream<'_>) -> Failure {
    let mut text = String::new();
    let _ = body.read_to_string(&mut text);
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    match (answer["code"].as_str(), answer["message"].as_str()) {
        (Some(code), Some(message)) => Failure::refused(code, message),
        _ => Failure::CouldNot(format!("the server answered with status {status}: {}", text.trim())),
    }
}
