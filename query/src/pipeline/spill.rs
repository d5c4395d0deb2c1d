//! Temporary files for stages that outgrow their memory.
//!
//! The edge decides where they lie and gives them through [`crate::Cx`]; without one a stage that is too large ends with
//! an error. A record is a length and so many bytes.

use std::fmt::Debug;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use storage::Doc;

use crate::error::{Code, Error, Result};

/// Makes temporary files.
pub trait Spill: Debug + Send + Sync {
    /// A new empty file that vanishes when it is dropped.
    ///
    /// # Errors
    /// Whatever the system says.
    fn file(&self) -> io::Result<Box<dyn SpillFile>>;
}

/// A temporary file: written once from the start, then read from the start.
pub trait SpillFile: Read + Write + Seek {}

impl<T: Read + Write + Seek> SpillFile for T {}

/// Keeps its files in memory: for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemorySpill;

impl Spill for MemorySpill {
    fn file(&self) -> io::Result<Box<dyn SpillFile>> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }
}

/// Bytes gathered before they are written, and read ahead.
const BUFFER: usize = 64 * 1024;

/// Records on their way out.
pub(super) struct Writer {
    file: Box<dyn SpillFile>,
    buffer: Vec<u8>,
}

/// Records on their way in.
pub(super) struct Reader(io::BufReader<Box<dyn SpillFile>>);

fn failed(cause: &io::Error) -> Error {
    Error::new(Code::Internal, format!("a temporary file of a pipeline failed: {cause}"))
}

impl Writer {
    pub fn new(spill: &dyn Spill) -> Result<Writer> {
        Ok(Writer { file: spill.file().map_err(|cause| failed(&cause))?, buffer: Vec::new() })
    }

    /// Appends a record of a key and a document.
    pub fn put(&mut self, key: &[u8], doc: &Doc) -> Result<()> {
        for part in [key, doc.as_bytes()] {
            let length =
                u32::try_from(part.len()).map_err(|_| Error::new(Code::Internal, "a record is too long to spill"))?;
            self.buffer.extend_from_slice(&length.to_le_bytes());
            self.buffer.extend_from_slice(part);
        }
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all(&self.buffer).map_err(|cause| failed(&cause))?;
        self.buffer.clear();
        Ok(())
    }

    /// Turns round: what was written is read from its start.
    pub fn read(mut self) -> Result<Reader> {
        self.flush()?;
        self.file.seek(SeekFrom::Start(0)).map_err(|cause| failed(&cause))?;
        Ok(Reader(io::BufReader::with_capacity(BUFFER, self.file)))
    }
}

impl Reader {
    /// The next record; `None` behind the last.
    pub fn next_record(&mut self) -> Result<Option<(Vec<u8>, Doc)>> {
        let Some(key) = self.part()? else { return Ok(None) };
        match self.part()? {
            Some(doc) => Ok(Some((key, Doc::from_bytes(doc)?))),
            None => Err(Error::new(Code::Internal, "a temporary file of a pipeline ends too early")),
        }
    }

    fn part(&mut self) -> Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        match self.0.read_exact(&mut length) {
            Ok(()) => {}
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(cause) => return Err(failed(&cause)),
        }
        let mut part = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap_or(0)];
        self.0.read_exact(&mut part).map_err(|cause| failed(&cause))?;
        Ok(Some(part))
    }
}
