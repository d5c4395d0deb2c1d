//! What is known about each file: one document for each, in a collection that no request can name.

use std::sync::Arc;
use storage::key::{self, KeyRange};
use storage::{
    Collection, Direction, Doc, DocBuilder, Edit, EnvId, FieldOrder, IndexSpec, Scan, Store, Ticket, ValueRef, View,
};

use query::{Error, Result};

/// The collection. Names that begin so are refused to every request.
const COLLECTION: &str = "system.files";
/// The index that tells whether bytes are named by a file.
const BY_OBJECT: &str = "object";

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its path inside the environment.
    pub path: String,
    /// The number under which its bytes lie.
    pub object: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// MD5 of its bytes, as hexadecimal digits: the `ETag` of the original.
    pub md5: String,
    /// Its media type.
    pub kind: String,
    /// The openid of who stored it; empty for administrators.
    pub owner: String,
    /// When it was stored, in milliseconds since 1970.
    pub stored_ms: i64,
}

/// The records of all environments.
pub(super) struct Records(Store);

impl Records {
    pub fn new(store: Store) -> Records {
        Records(store)
    }

    pub fn find(&self, env: EnvId, path: &str) -> Result<Option<FileInfo>> {
        let view = self.0.view();
        let Some(coll) = view.collection(env, COLLECTION) else { return Ok(None) };
        let found = view.doc_by_id(coll, ValueRef::String(path)).map_err(Error::from)?;
        Ok(found.and_then(|(_, doc)| read(&doc)))
    }

    pub fn list(&self, env: EnvId, prefix: &str, after: &str, limit: usize) -> Result<Vec<FileInfo>> {
        let view = self.0.view();
        let Some(coll) = view.collection(env, COLLECTION).cloned() else { return Ok(Vec::new()) };
        let Some(by_path) = coll.indexes.first() else { return Ok(Vec::new()) };
        let range = KeyRange { start: encoded(prefix.max(after)), end: Vec::new() };
        let mut entries = view.entries(&coll, by_path, &range, Scan::Forward);
        let mut rids = Vec::new();
        let mut files = Vec::new();
        loop {
            let entry = entries.next_entry().map_err(Error::from)?;
            rids.extend(entry.as_ref().map(|entry| entry.rid));
            if entry.is_some() && rids.len() < 256 {
                continue;
            }
            let docs = view.docs(&coll, &rids).map_err(Error::from)?;
            rids.clear();
            for file in docs.iter().flatten().filter_map(read) {
                if !file.path.starts_with(prefix) || files.len() >= limit {
                    return Ok(files);
                }
                files.extend((file.path.as_str() > after).then_some(file));
            }
            if entry.is_none() {
                return Ok(files);
            }
        }
    }

    /// Makes a record, in the place of an older one of the path; that one is returned.
    pub fn put(&self, env: EnvId, info: &FileInfo) -> Result<(Option<FileInfo>, Ticket)> {
        let coll = self.collection(env)?;
        let doc = write(info);
        loop {
            let view = self.0.view();
            let found = view.doc_by_id(&coll, ValueRef::String(&info.path)).map_err(Error::from)?;
            let outcome = match found {
                None => self.0.insert(&coll, &doc).map(|(_, ticket)| Some((None, ticket))),
                Some((rid, _)) => {
                    let changed = self.0.change(&coll, rid, |_| Ok::<_, storage::Error>(Edit::Replace(doc.clone())));
                    changed.map(|changed| changed.map(|changed| (read(&changed.before), changed.ticket)))
                }
            };
            match outcome {
                Ok(Some(done)) => return Ok(done),
                // Somebody else stored or removed the same path: look again once that is visible.
                Ok(None) | Err(storage::Error::Duplicate { .. }) => self.0.settle().map_err(Error::from)?,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    pub fn remove(&self, env: EnvId, path: &str) -> Result<Option<(FileInfo, Ticket)>> {
        let view = self.0.view();
        let Some(coll) = view.collection(env, COLLECTION).cloned() else { return Ok(None) };
        let found = view.doc_by_id(&coll, ValueRef::String(path)).map_err(Error::from)?;
        let Some((rid, _)) = found else { return Ok(None) };
        let changed = self.0.change(&coll, rid, |_| Ok::<_, storage::Error>(Edit::Remove)).map_err(Error::from)?;
        Ok(changed.and_then(|changed| Some((read(&changed.before)?, changed.ticket))))
    }

    /// Does a file have these bytes?
    pub fn names_object(&self, env: EnvId, object: &str) -> Result<bool> {
        let view = self.0.view();
        let Some(coll) = view.collection(env, COLLECTION) else { return Ok(false) };
        match coll.index(BY_OBJECT).cloned() {
            Some(index) => {
                let range = KeyRange::prefix(&encoded(object));
                Ok(view.entries(coll, &index, &range, Scan::Forward).next_entry().map_err(Error::from)?.is_some())
            }
            None => self.scan_for(&view, coll, object),
        }
    }

    fn scan_for(&self, view: &View, coll: &Collection, object: &str) -> Result<bool> {
        let mut docs = view.scan(coll, None, Scan::Forward);
        while let Some((_, doc)) = docs.next_doc().map_err(Error::from)? {
            if doc.get("object").and_then(ValueRef::as_str) == Some(object) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn collection(&self, env: EnvId) -> Result<Arc<Collection>> {
        if let Some(coll) = self.0.view().collection(env, COLLECTION) {
            return Ok(coll.clone());
        }
        match self.0.create_collection(env, COLLECTION) {
            Ok(ticket) => drop(ticket.wait().map_err(Error::from)?),
            Err(storage::Error::Exists(_)) => self.0.settle().map_err(Error::from)?,
            Err(fault) => return Err(fault.into()),
        }
        let index = IndexSpec {
            name: BY_OBJECT.to_owned(),
            fields: vec![("object".to_owned(), FieldOrder::Ascending)],
            unique: false,
            sparse: false,
            partial: None,
            expire_after_s: None,
            collation: None,
            grid: storage::geo::Grid::default(),
            text: None,
        };
        match self.0.create_index(env, COLLECTION, &index) {
            Ok((_, ticket)) => drop(ticket.wait().map_err(Error::from)?),
            Err(storage::Error::Exists(_)) => {}
            Err(fault) => return Err(fault.into()),
        }
        let view = self.0.view();
        view.collection(env, COLLECTION).cloned().ok_or_else(|| storage::Error::Gone("collection").into())
    }
}

fn encoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    key::encode(ValueRef::String(text), Direction::Ascending, None, &mut bytes);
    bytes
}

fn write(info: &FileInfo) -> Doc {
    let mut out = DocBuilder::new();
    out.put("_id", ValueRef::String(&info.path));
    out.put("object", ValueRef::String(&info.object));
    out.put("bytes", ValueRef::Int64(i64::try_from(info.bytes).unwrap_or(i64::MAX)));
    out.put("md5", ValueRef::String(&info.md5));
    out.put("kind", ValueRef::String(&info.kind));
    out.put("owner", ValueRef::String(&info.owner));
    out.put("stored", ValueRef::DateTime(info.stored_ms));
    out.finish()
}

fn read(doc: &Doc) -> Option<FileInfo> {
    let text = |name: &str| doc.get(name).and_then(ValueRef::as_str).map(str::to_owned);
    Some(FileInfo {
        path: text("_id")?,
        object: text("object")?,
        bytes: doc.get("bytes")?.as_i64().and_then(|bytes| u64::try_from(bytes).ok())?,
        md5: text("md5")?,
        kind: text("kind")?,
        owner: text("owner")?,
        stored_ms: match doc.get("stored")? {
            ValueRef::DateTime(ms) => ms,
            _ => return None,
        },
    })
}
