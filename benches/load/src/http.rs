//! A keep-alive HTTP/1.1 client that does no more than a measurement needs: bytes out, one whole answer in.

use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection, one request in flight.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Where an answer lies in the connection's buffer.
pub struct Answer {
    pub status: u16,
    body: std::ops::Range<usize>,
}

impl Connection {
    pub async fn open(address: &str) -> Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(64 << 10) })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.clear();
        self.stream.write_all(bytes).await
    }

    pub async fn call(&mut self, request: &[u8]) -> Result<Answer> {
        self.send(request).await?;
        let head = loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let text = String::from_utf8_lossy(self.buffer.get(..head).unwrap_or_default()).to_ascii_lowercase();
        let status = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        match length {
            Some(length) => self.fill(head + length).await?,
            None if status == 204 => {}
            None => self.unchunk(head).await?,
        }
        Ok(Answer { status, body: head..self.buffer.len() })
    }

    /// Waits until the buffer holds `length` bytes.
    pub async fn fill(&mut self, length: usize) -> Result<()> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(())
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    pub fn body(&self, answer: &Answer) -> &[u8] {
        self.buffer.get(answer.body.clone()).unwrap_or_default()
    }

    /// Reads a chunked body that begins at `start` and leaves it in the buffer without its chunk heads.
    async fn unchunk(&mut self, start: usize) -> Result<()> {
        let (mut at, mut body) = (start, Vec::new());
        loop {
            let line = loop {
                let rest = self.buffer.get(at..).unwrap_or_default();
                match memchr::memmem::find(rest, b"\r\n") {
                    Some(end) => break String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned(),
                    None => self.more().await?,
                }
            };
            let length = usize::from_str_radix(line.trim(), 16).map_err(|_| Error::from(ErrorKind::InvalidData))?;
            let begins = at + line.len() + 2;
            self.fill(begins + length + 2).await?;
            body.extend_from_slice(self.buffer.get(begins..begins + length).unwrap_or_default());
            at = begins + length + 2;
            if length == 0 {
                break;
            }
        }
        self.buffer.truncate(start);
        self.buffer.append(&mut body);
        Ok(())
    }

    /// Forgets the first bytes.
    pub fn consume(&mut self, count: usize) {
        self.buffer.drain(..count.min(self.buffer.len()));
    }

    /// Waits for more bytes.
    pub async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(Error::new(ErrorKind::UnexpectedEof, "the server closed the connection")),
            _ => Ok(()),
        }
    }
}
