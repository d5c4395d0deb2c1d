//! Insert, update, find-and-modify, delete: which documents, what becomes of each, how many.
//!
//! Candidates come from a view; each is read again in its newest version under its lock, where filter and change are
//! applied. So nothing slips between the check and the write, and concurrent writers of one document queue up.

use std::sync::Arc;

use storage::{Collection, Doc, Edit, Ticket, Value, ValueRef, View};

use crate::asked::{Asked, Wanting, collection, fetched, missing, policy};
use crate::command::{Delete, FindAndModify, Insert, Reply, Update as Ask, Updated};
use crate::cx::Cx;
use crate::db::{Attempt, Db, Durable, Place, rows, too_long, written};
use crate::error::{Code, Error, Result, number};
use crate::exec::{Fetch, Row};
use crate::filter::Matched;
use crate::insert::prepare;
use crate::live::Ground;
use crate::plan::{RowsWanted, choose};
use crate::rules::{Action, created, denied, grant_with, with_creator};
use crate::session::{Caller, Session};
use crate::update::{Changed, Update};

/// Documents of one insert that are few enough for a thread that others wait for.
const INLINE_DOCS_MAX: usize = 64;
/// How often an upsert starts over when somebody else inserts its document first.
const UPSERT_TRIES: usize = 8;

/// What a change does to a document that matches.
enum Verb<'u> {
    Change(&'u Update),
    Remove,
}

/// A change that met its document.
struct Hit {
    before: Doc,
    after: Option<Doc>,
    modified: bool,
}

impl Db {
    pub(crate) fn insert(&self, ground: &mut Ground<'_>, session: &Session, insert: &Insert, place: Place) -> Attempt {
        if place == Place::Inline && insert.docs.len() > INLINE_DOCS_MAX {
            return Ok(None);
        }
        let coll = collection(&ground.view(), session, &insert.collection)?;
        check_count(insert, session)?;
        let (mut ids, mut durable, mut fault) = (Vec::with_capacity(insert.docs.len()), Durable::default(), None);
        for doc in &insert.docs {
            match self.insert_one(ground, session, &coll, (doc, insert)) {
                Ok((id, ticket)) => {
                    ids.push(id);
                    durable.extend(ticket);
                }
                Err(error) => {
                    let stop = insert.ordered;
                    fault.get_or_insert(error);
                    if stop {
                        break;
                    }
                }
            }
        }
        match fault {
            Some(fault) if ids.is_empty() => Err(fault),
            fault => written(Reply::Inserted { ids, fault }, durable),
        }
    }

    fn insert_one(
        &self,
        ground: &mut Ground<'_>,
        session: &Session,
        coll: &Arc<Collection>,
        (doc, insert): (&Doc, &Insert),
    ) -> Result<(Value, Option<Ticket>)> {
        let new_id = || self.ids.make(session.now, &session.random);
        let doc = prepare(doc.raw(), new_id, insert.names, &Cx::new(session, None))?;
        let doc = owned(&ground.view(), session, coll, doc)?;
        check_size(&doc, session)?;
        let ticket = ground.insert(coll, &doc).map_err(|error| gone(error, coll))?;
        Ok((doc.get("_id").unwrap_or(ValueRef::Null).to_value(), ticket))
    }

    pub(crate) fn update(&self, ground: &mut Ground<'_>, session: &Session, ask: &Ask, place: Place) -> Attempt {
        let asked = Asked::read(session, &ask.filter, None, ask.collation.as_ref(), ask.variables.as_ref())?
            .permitted(&ground.view(), session, (&ask.collection, &ask.filter), Wanting::changing(&ask.change))?;
        let cx = asked.cx(session);
        let update = Update::parse(&ask.change, &ask.array_filters, &cx)?;
        if ask.multi && update.is_replacement() {
            let message =
                "a whole new document can replace one document only; use operators such as $set, or multi: false";
            return Err(Error::mongo(number::FAILED_TO_PARSE, message));
        }
        let mut grasp = Grasp { db: self, ground, session, asked: &asked, cx: &cx, collection: &ask.collection };
        for _ in 0..UPSERT_TRIES {
            let mut durable = Durable::default();
            let Some(updated) = grasp.change_all(&Verb::Change(&update), ask.multi, place, &mut durable)? else {
                return Ok(None);
            };
            if updated.matched > 0 || !ask.upsert {
                return written(Reply::Updated(updated), durable);
            }
            if let Some((doc, durable)) = grasp.upsert(&update)? {
                let upserted = doc.get("_id").map(ValueRef::to_value);
                return written(Reply::Updated(Updated { upserted, ..updated }), durable);
            }
        }
        Err(lost_race())
    }

    pub(crate) fn find_and_modify(
        &self,
        ground: &mut Ground<'_>,
        session: &Session,
        modify: &FindAndModify,
        place: Place,
    ) -> Attempt {
        let ask = &modify.update;
        let sort = modify.sort.as_ref();
        let asked = Asked::read(session, &ask.filter, sort, ask.collation.as_ref(), ask.variables.as_ref())?
            .with_projection(session, modify.projection.as_ref())?
            .permitted(
                &ground.view(),
                session,
                (&ask.collection, &ask.filter),
                if modify.remove { Wanting::removing() } else { Wanting::changing(&ask.change) },
            )?;
        let cx = asked.cx(session);
        let update = match modify.remove {
            true => None,
            false => Some(Update::parse(&ask.change, &ask.array_filters, &cx)?),
        };
        let verb = update.as_ref().map_or(Verb::Remove, Verb::Change);
        let mut grasp = Grasp { db: self, ground, session, asked: &asked, cx: &cx, collection: &ask.collection };
        for _ in 0..UPSERT_TRIES {
            let mut durable = Durable::default();
            match grasp.change_first(&verb, place, &mut durable)? {
                First::TooLong => return Ok(None),
                First::Hit(hit) => {
                    let updated = Updated { matched: 1, modified: u64::from(hit.modified), upserted: None };
                    let doc = if modify.return_new && !modify.remove { hit.after } else { Some(hit.before) };
                    let doc = doc.map(|doc| asked.shown(doc, &cx)).transpose()?;
                    return written(Reply::Modified { doc, updated }, durable);
                }
                First::Nothing => {}
            }
            let Some(update) = update.as_ref().filter(|_| ask.upsert) else {
                return written(Reply::Modified { doc: None, updated: Updated::default() }, durable);
            };
            if let Some((doc, durable)) = grasp.upsert(update)? {
                let updated = Updated { upserted: doc.get("_id").map(ValueRef::to_value), ..Updated::default() };
                let doc = modify.return_new.then(|| asked.shown(doc, &cx)).transpose()?;
                return written(Reply::Modified { doc, updated }, durable);
            }
        }
        Err(lost_race())
    }

    pub(crate) fn delete(&self, ground: &mut Ground<'_>, session: &Session, delete: &Delete, place: Place) -> Attempt {
        let asked = Asked::read(session, &delete.filter, None, delete.collation.as_ref(), delete.variables.as_ref())?
            .permitted(&ground.view(), session, (&delete.collection, &delete.filter), Wanting::removing())?;
        let cx = asked.cx(session);
        let mut grasp = Grasp { db: self, ground, session, asked: &asked, cx: &cx, collection: &delete.collection };
        let mut durable = Durable::default();
        match grasp.change_all(&Verb::Remove, delete.multi, place, &mut durable)? {
            Some(updated) => written(Reply::Deleted(updated.modified), durable),
            None => Ok(None),
        }
    }
}

/// What became of the attempt to change the first document in an order.
enum First {
    Hit(Hit),
    Nothing,
    TooLong,
}

/// Everything that a change needs to get hold of its documents.
struct Grasp<'g, 'l> {
    db: &'g Db,
    ground: &'g mut Ground<'l>,
    session: &'g Session,
    asked: &'g Asked,
    cx: &'g Cx<'g>,
    collection: &'g str,
}

impl Grasp<'_, '_> {
    /// Changes every match, or the first one. `None` where that is too long for the place.
    fn change_all(
        &mut self,
        verb: &Verb<'_>,
        multi: bool,
        place: Place,
        durable: &mut Durable,
    ) -> Result<Option<Updated>> {
        let view = self.ground.view();
        let coll = collection(&view, self.session, self.collection)?;
        let need = if multi { None } else { Some(1) };
        let wanted = self.asked.wanted(self.db, need, RowsWanted::Documents);
        let wanted = grant_with(self.session, action(verb), self.asked.permit.as_ref(), wanted)?.ask();
        let plan = choose(&view, &coll, &wanted)?;
        if too_long(&plan, place) {
            return Ok(None);
        }
        let staged = self.ground.staged(&coll);
        let mut fetch = Fetch::new(&view, &coll, &plan).with_staged(staged, &self.asked.filter);
        let mut updated = Updated::default();
        while let Some(row) = fetch.next_row(self.cx)? {
            if let Some(hit) = self.change(&coll, &row, verb, durable)? {
                updated.matched += 1;
                updated.modified += u64::from(hit.modified);
                if !multi {
                    break;
                }
            }
        }
        Ok(Some(updated))
    }

    /// Changes the first match in the wanted order. Where somebody else is quicker, looks for the next first one.
    fn change_first(&mut self, verb: &Verb<'_>, place: Place, durable: &mut Durable) -> Result<First> {
        loop {
            self.cx.tick()?;
            let view = self.ground.view();
            let coll = collection(&view, self.session, self.collection)?;
            let wanted = self.asked.wanted(self.db, Some(1), RowsWanted::Documents);
            let wanted = grant_with(self.session, action(verb), self.asked.permit.as_ref(), wanted)?.ask();
            let plan = choose(&view, &coll, &wanted)?;
            if too_long(&plan, place) {
                return Ok(First::TooLong);
            }
            let staged = self.ground.staged(&coll);
            let mut fetch = Fetch::new(&view, &coll, &plan).with_staged(staged, &self.asked.filter);
            let (rows, _) = rows(&mut fetch, self.asked, &plan, 1, self.cx)?;
            let Some(row) = rows.first() else { return Ok(First::Nothing) };
            if let Some(hit) = self.change(&coll, row, verb, durable)? {
                return Ok(First::Hit(hit));
            }
            self.ground.refresh()?;
        }
    }

    /// Changes one document if its newest version still matches.
    fn change(
        &mut self,
        coll: &Arc<Collection>,
        row: &Row,
        verb: &Verb<'_>,
        durable: &mut Durable,
    ) -> Result<Option<Hit>> {
        let mut untouched = None;
        let view = self.ground.view();
        let eye = Eye { view: &view, session: self.session, asked: self.asked, cx: self.cx };
        let changed = self.ground.change(coll, row.rid, |doc| eye.edit(doc, row, verb, &mut untouched))?;
        Ok(match changed {
            Some((before, after, ticket)) => {
                durable.extend(ticket);
                Some(Hit { before, after, modified: true })
            }
            None => untouched.map(|doc: Doc| Hit { before: doc.clone(), after: Some(doc), modified: false }),
        })
    }

    /// Inserts the document that the filter and the change describe; `None` where somebody else was quicker.
    fn upsert(&mut self, update: &Update) -> Result<Option<(Doc, Durable)>> {
        let view = self.ground.view();
        let coll = collection(&view, self.session, self.collection)?;
        let new_id = || self.db.ids.make(self.session.now, &self.session.random);
        let doc = update.upsert(&self.asked.filter, new_id, self.cx)?;
        let doc = owned(&view, self.session, &coll, doc)?;
        check_size(&doc, self.session)?;
        match self.ground.insert(&coll, &doc) {
            Ok(ticket) => Ok(Some((doc, Durable::of(ticket)))),
            // Only a document that the filter would now find makes it worth looking again.
            Err(error) if error.code == Code::DuplicateKey => {
                self.ground.refresh()?;
                match self.finds_something()? {
                    true => Ok(None),
                    // Whether a foreign document has this id is nobody's business.
                    false if self.session.caller != Caller::Admin => Err(denied(Action::Update)),
                    false => Err(error),
                }
            }
            Err(error) => Err(gone(error, &coll)),
        }
    }

    fn finds_something(&self) -> Result<bool> {
        let view = self.ground.view();
        let coll = collection(&view, self.session, self.collection)?;
        let plan = choose(&view, &coll, &self.asked.wanted(self.db, Some(1), RowsWanted::Documents))?;
        let staged = self.ground.staged(&coll);
        let mut fetch = Fetch::new(&view, &coll, &plan).with_staged(staged, &self.asked.filter);
        Ok(fetch.next_row(self.cx)?.is_some())
    }
}

/// What decides about one document under its lock.
struct Eye<'e> {
    view: &'e View,
    session: &'e Session,
    asked: &'e Asked,
    cx: &'e Cx<'e>,
}

impl Eye<'_> {
    fn edit(&self, doc: &Doc, row: &Row, verb: &Verb<'_>, untouched: &mut Option<Doc>) -> Result<Edit> {
        let Some(matched) = self.still_matches(doc, row, verb)? else { return Ok(Edit::Keep) };
        self.asked.verify(self.view, self.session, doc)?;
        let update = match verb {
            Verb::Remove => return Ok(Edit::Remove),
            Verb::Change(update) => update,
        };
        let Some(changed) = update.apply(doc.raw(), matched, self.cx)? else {
            *untouched = Some(doc.clone());
            return Ok(Edit::Keep);
        };
        let changed = match self.kept_creator(doc, update) {
            Some(openid) => Changed { doc: with_creator(&changed.doc, openid), ..changed },
            None => changed,
        };
        check_size(&changed.doc, self.session)?;
        Ok(match update.is_replacement() {
            true => Edit::Replace(changed.doc),
            false => Edit::Update(changed.doc),
        })
    }

    /// The creator that a client's whole new document must not lose.
    fn kept_creator<'d>(&self, doc: &'d Doc, update: &Update) -> Option<&'d str> {
        let by_client = update.is_replacement() && self.session.caller != Caller::Admin;
        doc.get("_openid").filter(|_| by_client)?.as_str()
    }

    /// The very bytes that the road already checked need no second check, unless `$` asks where they matched.
    fn still_matches(&self, doc: &Doc, row: &Row, verb: &Verb<'_>) -> Result<Option<Matched>> {
        let same = std::ptr::eq(doc.as_bytes(), row.doc.as_bytes());
        let needs_match = matches!(verb, Verb::Change(update) if update.needs_match());
        match same && !needs_match {
            true => Ok(Some(Matched::default())),
            false => self.asked.filter.matched(doc.raw(), self.cx),
        }
    }
}

const fn action(verb: &Verb<'_>) -> Action {
    match verb {
        Verb::Change(_) => Action::Update,
        Verb::Remove => Action::Delete,
    }
}

/// A new document as its creator may store it.
fn owned(view: &View, session: &Session, coll: &Collection, doc: Doc) -> Result<Doc> {
    match session.caller {
        Caller::Admin => Ok(doc),
        _ => created(&policy(coll), session, &doc, &|name, id| fetched(view, session, name, id)),
    }
}

fn check_count(insert: &Insert, session: &Session) -> Result<()> {
    let (count, max) = (insert.docs.len() as u64, session.limits.insert_docs_max);
    match count <= max {
        true => Ok(()),
        false => Err(Error::new(
            Code::TooLarge,
            format!("one insert takes at most {max} documents, found {count}; split it"),
        )),
    }
}

/// Policy limit on stored documents; the hard limit of the format is the store's.
fn check_size(doc: &Doc, session: &Session) -> Result<()> {
    let max = match session.caller {
        crate::session::Caller::Admin => session.limits.doc_bytes_max_admin,
        _ => session.limits.doc_bytes_max_client,
    };
    let bytes = doc.as_bytes().len() as u64;
    match bytes <= max {
        true => Ok(()),
        false => Err(Error {
            number: number::OBJECT_TOO_LARGE,
            ..Error::new(Code::TooLarge, format!("the document takes {bytes} bytes, at most {max} are allowed"))
        }),
    }
}

/// A collection that was dropped between reading its name and writing to it.
fn gone(error: Error, coll: &Collection) -> Error {
    match error.cause {
        Some(storage::Error::Gone(_)) => missing(&coll.name),
        _ => error,
    }
}

fn lost_race() -> Error {
    Error::new(Code::TransactionBusy, "other writers kept inserting and removing the same document; try again")
}
