//! The index of words on disk or in memory: the only place that knows tantivy.
//!
//! Each document is its place and, for each of its words, how well the word is represented in it; no text is kept. Its
//! score stands where other indexes keep the position of a word: as the bits of a 32-bit number, whose order is that of
//! the scores. Every commit carries the number of the store's commit that it belongs to.

use std::collections::HashMap;
use std::path::Path;

use tantivy::directory::{MmapDirectory, RamDirectory};
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{
    DocSet, Index, IndexWriter, InvertedIndexReader, ReloadPolicy, Searcher, SegmentReader, TERMINATED,
    TantivyDocument, TantivyError, Term,
};

use super::distance::within;
use super::search::Search;
use crate::error::{Error, Result};
use crate::key::{Rid, Seq};

/// Rises when words are made or kept in another way; an index of another version is built anew.
const VERSION: u32 = 1;
/// Memory of an open writer, in bytes.
const WRITER_BYTES: usize = 32 << 20;
/// Share of removed documents from which a part of the index is written anew.
const REMOVED_SHARE_MAX: f32 = 0.3;
/// Entries between two questions whether the search should go on.
const TICK_EVERY: usize = 256;

/// A document and how well it fits, at about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hit {
    pub(super) rid: Rid,
    pub(super) score: f32,
}

/// An index of words.
pub(super) struct Shadow {
    index: Index,
    fields: Fields,
}

#[derive(Clone, Copy)]
struct Fields {
    rid: Field,
    words: Field,
}

/// Takes changes of an index. There is one at a time.
pub(super) struct Writer {
    writer: IndexWriter,
    fields: Fields,
}

/// What an index held at one of its commits.
#[derive(Clone)]
pub(super) struct Lookup {
    searcher: Searcher,
    fields: Fields,
}

impl Shadow {
    /// An empty index: in a folder, which is made anew, or in memory.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn create(folder: Option<&Path>) -> Result<Shadow> {
        let (schema, fields) = schema();
        let index = match folder {
            None => Index::create(RamDirectory::create(), schema, Default::default()).map_err(fault)?,
            Some(folder) => {
                remove(folder)?;
                std::fs::create_dir_all(folder).map_err(|error| Error::Io(error.to_string()))?;
                let directory = MmapDirectory::open(folder).map_err(|error| fault(error.into()))?;
                Index::create(directory, schema, Default::default()).map_err(fault)?
            }
        };
        Ok(Shadow::on(index, fields))
    }

    /// The index in a folder and the commit that it belongs to; `None` where there is none of this version.
    ///
    /// # Errors
    /// `Io`, also for damage.
    pub(super) fn open(folder: &Path) -> Result<Option<(Shadow, Seq)>> {
        if !folder.join("meta.json").exists() {
            return Ok(None);
        }
        let index = Index::open_in_dir(folder).map_err(fault)?;
        let (schema, fields) = schema();
        if index.schema() != schema {
            return Ok(None);
        }
        let payload = index.load_metas().map_err(fault)?.payload.unwrap_or_default();
        Ok(read_payload(&payload).map(|seq| (Shadow::on(index, fields), seq)))
    }

    fn on(index: Index, fields: Fields) -> Shadow {
        index.tokenizers().register(TOKENIZER, Lines::default());
        Shadow { index, fields }
    }

    /// Does every file have the checksum that it was written with?
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub(super) fn check(&self) -> Result<()> {
        let damaged = self.index.validate_checksum().map_err(fault)?;
        match damaged.iter().next() {
            None => Ok(()),
            Some(file) => Err(Error::Corrupt { place: "text index", detail: file.display().to_string() }),
        }
    }

    /// What the last commit holds.
    ///
    /// # Errors
    /// `Io`, also for damage.
    pub(super) fn lookup(&self) -> Result<Lookup> {
        let reader = self.index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(fault)?;
        Ok(Lookup { searcher: reader.searcher(), fields: self.fields })
    }

    /// A writer; waits for nobody, so there must be no other.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn writer(&self) -> Result<Writer> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(WRITER_BYTES)
            .build();
        let writer: IndexWriter = self.index.writer_with_options(options).map_err(fault)?;
        let mut policy = LogMergePolicy::default();
        policy.set_del_docs_ratio_before_merge(REMOVED_SHARE_MAX);
        writer.set_merge_policy(Box::new(policy));
        Ok(Writer { writer, fields: self.fields })
    }
}

impl Writer {
    /// Forgets a document.
    pub(super) fn remove(&self, rid: Rid) {
        self.writer.delete_term(Term::from_field_u64(self.fields.rid, rid.0));
    }

    /// Adds a document with its words.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn add(&self, rid: Rid, scores: &HashMap<String, f64>) -> Result<()> {
        let mut doc = TantivyDocument::default();
        doc.add_u64(self.fields.rid, rid.0);
        doc.add_text(self.fields.words, lines(scores));
        self.writer.add_document(doc).map(drop).map_err(fault)
    }

    /// Makes the changes last and visible, as of a commit of the store.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn commit(&mut self, seq: Seq) -> Result<()> {
        let mut prepared = self.writer.prepare_commit().map_err(fault)?;
        prepared.set_payload(&format!("{VERSION} {}", seq.0));
        prepared.commit().map(drop).map_err(fault)
    }
}

impl Lookup {
    /// The documents with at least one of the words of a search, in insertion order, and how well they fit.
    ///
    /// # Errors
    /// `Io`; what `tick` answers.
    pub(super) fn hits<E: From<Error>>(
        &self,
        search: &Search,
        tick: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Vec<Hit>, E> {
        let mut hits = Vec::new();
        for segment in self.searcher.segment_readers() {
            self.segment_hits(segment, search, &mut hits, tick)?;
        }
        hits.sort_unstable_by_key(|hit| hit.rid);
        // Added up per document: each word has given a hit of its own.
        hits.dedup_by(|next, hit| {
            let same = next.rid == hit.rid;
            if same {
                hit.score += next.score;
            }
            same
        });
        Ok(hits)
    }

    fn segment_hits<E: From<Error>>(
        &self,
        segment: &SegmentReader,
        search: &Search,
        hits: &mut Vec<Hit>,
        tick: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let index = segment.inverted_index(self.fields.words).map_err(fault)?;
        let rids = segment.fast_fields().u64(RID).map_err(fault)?;
        let alive = segment.alive_bitset();
        for mut postings in postings(&index, search, tick)? {
            let mut score = Vec::with_capacity(1);
            let mut doc = postings.doc();
            while doc != TERMINATED {
                if hits.len().is_multiple_of(TICK_EVERY) {
                    tick()?;
                }
                if alive.is_none_or(|alive| alive.is_alive(doc))
                    && let Some(rid) = rids.first(doc)
                {
                    postings.positions(&mut score);
                    let bits = score.first().copied().unwrap_or_default();
                    hits.push(Hit { rid: Rid(rid), score: f32::from_bits(bits) });
                }
                doc = postings.advance();
            }
        }
        Ok(())
    }
}

/// The documents of each word that a search looks for; each word of the index once.
fn postings<E: From<Error>>(
    index: &InvertedIndexReader,
    search: &Search,
    tick: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Vec<SegmentPostings>, E> {
    let mut found = HashMap::new();
    for word in search.words() {
        tick()?;
        if let Some(info) = index.terms().get(word).map_err(failed)? {
            found.insert(word.as_bytes().to_vec(), info);
        }
    }
    for prefix in search.prefixes() {
        let mut words = index.terms().range().ge(prefix).into_stream().map_err(failed)?;
        while let Some((word, info)) = words.next()
            && word.starts_with(prefix.as_bytes())
        {
            tick()?;
            found.insert(word.to_vec(), info.clone());
        }
    }
    if search.fuzzy().next().is_some() {
        let mut words = index.terms().stream().map_err(failed)?;
        while let Some((word, info)) = words.next() {
            tick()?;
            let is_near = |word: &str| search.fuzzy().any(|(wanted, distance)| within(wanted, word, distance));
            if std::str::from_utf8(word).is_ok_and(is_near) {
                found.insert(word.to_vec(), info.clone());
            }
        }
    }
    let read = |info| index.read_postings_from_terminfo(info, IndexRecordOption::WithFreqsAndPositions);
    let postings: std::io::Result<Vec<SegmentPostings>> = found.values().map(read).collect();
    Ok(postings.map_err(failed)?)
}

/// Removes the folder of an index.
///
/// # Errors
/// `Io`.
pub(super) fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::Io(error.to_string())),
        _ => Ok(()),
    }
}

const RID: &str = "rid";
const TOKENIZER: &str = "lines";

fn schema() -> (Schema, Fields) {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let mut schema = Schema::builder();
    let rid = schema.add_u64_field(RID, INDEXED | FAST);
    let words = schema.add_text_field("words", TextOptions::default().set_indexing_options(indexing));
    (schema.build(), Fields { rid, words })
}

fn read_payload(payload: &str) -> Option<Seq> {
    let (version, seq) = payload.split_once(' ')?;
    (version.parse() == Ok(VERSION)).then(|| seq.parse().ok().map(Seq))?
}

fn fault(error: TantivyError) -> Error {
    Error::Io(format!("text index: {error}"))
}

fn failed(error: std::io::Error) -> Error {
    Error::Io(format!("text index: {error}"))
}

/// The words of a document as the tokenizer takes them: a line for each, the score's bits before it. No word holds the
/// end of a line, for that separates words.
fn lines(scores: &HashMap<String, f64>) -> String {
    let mut lines = String::with_capacity(scores.len() * 16);
    for (word, score) in scores {
        #[expect(clippy::cast_possible_truncation, reason = "scores in the index are approximate")]
        let bits = (*score as f32).to_bits();
        lines.push_str(&format!("{bits:08x}{word}\n"));
    }
    lines
}

/// Reads what [`lines`] wrote.
#[derive(Clone, Default)]
struct Lines {
    token: Token,
}

struct LinesOf<'t> {
    lines: std::str::Lines<'t>,
    token: &'t mut Token,
}

impl Tokenizer for Lines {
    type TokenStream<'t> = LinesOf<'t>;

    fn token_stream<'t>(&'t mut self, text: &'t str) -> LinesOf<'t> {
        LinesOf { lines: text.lines(), token: &mut self.token }
    }
}

impl TokenStream for LinesOf<'_> {
    fn advance(&mut self) -> bool {
        let Some((bits, word)) = self.lines.next().and_then(|line| line.split_at_checked(8)) else { return false };
        self.token.position = u32::from_str_radix(bits, 16).unwrap_or_default() as usize;
        self.token.text.clear();
        self.token.text.push_str(word);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
