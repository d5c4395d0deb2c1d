//! A blocking client of the gateway: one connection, signed requests, the answer as JSON.

use super::gateway::{self, Credentials, Member};
use serde_json::Value;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(20);

/// What the server said to one action.
#[derive(Debug)]
pub enum Answer {
    /// It was done.
    Done(Value),
    /// It was refused with a code and a message; whether it happened all the same depends on the code.
    Refused { code: String, message: String },
}

impl Answer {
    /// The answer of a call that must succeed.
    pub fn done(self) -> Value {
        match self {
            Answer::Done(value) => value,
            Answer::Refused { code, message } => panic!("refused: {code}: {message}"),
        }
    }
}

/// One connection; opened again when the server closed it.
pub struct Client {
    who: Credentials,
    address: String,
    stream: Option<TcpStream>,
}

impl Client {
    pub fn new(address: &str, who: &Credentials) -> Client {
        Client { who: who.clone(), address: address.to_owned(), stream: None }
    }

    /// Sends one action and reads its answer. An error means that nothing is known about it.
    pub fn call(&mut self, action: &str, members: &[(&str, Member<'_>)]) -> Result<Answer> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let request = gateway::request(&self.who, &self.address, action, members, now);
        let outcome = self.exchange(&request);
        if outcome.is_err() {
            self.stream = None;
        }
        let mut body: Value = serde_json::from_slice(&outcome?)?;
        match body["code"].as_str().filter(|code| !code.is_empty()) {
            None => Ok(Answer::Done(body.take())),
            Some(code) => Ok(Answer::Refused {
                code: code.to_owned(),
                message: body["message"].as_str().unwrap_or_default().to_owned(),
            }),
        }
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            empty => empty.insert(connect(&self.address)?),
        };
        stream.write_all(request)?;
        read_answer(stream)
    }
}

fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Reads one HTTP answer with a stated length.
fn read_answer(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 64 << 10];
    loop {
        if let Some(body) = whole_body(&bytes)? {
            return Ok(body);
        }
        match stream.read(&mut chunk)? {
            0 => return Err(Error::new(ErrorKind::UnexpectedEof, "the server closed the connection")),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

fn whole_body(bytes: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let length = length.ok_or_else(|| Error::new(ErrorKind::InvalidData, format!("no length in: {text}")))?;
    let body = head + 4..head + 4 + length;
    Ok(bytes.get(body).map(<[u8]>::to_vec))
}
