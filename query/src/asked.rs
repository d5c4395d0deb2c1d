//! What a find, count, update or delete asks of a collection, read once: filter, order, collation, variables.

use std::sync::Arc;

use storage::{Collation, Collection, Doc, Value, ValueRef, View};

use crate::collation::parse_collation;
use crate::command::{Change, Find};
use crate::cx::Cx;
use crate::db::Db;
use crate::error::{Code, Error, Result, number};
use crate::filter::Filter;
use crate::plan::{Order, Rank, RowsWanted, Wanted};
use crate::project::Projection;
use crate::rules::{Action, POLICY_AT_FIRST, Permit, Policy, Wish, permit, written_data};
use crate::session::{Caller, Session};
use crate::sort::{Meta, Sort, SortBy};
use crate::variables::Variables;

/// The readable part of a request.
pub(crate) struct Asked {
    pub(crate) filter: Filter,
    pub(crate) sort: Sort,
    /// The sort as the planner sees it; empty for the natural order and for orders that no index has.
    pub(crate) order: Vec<Order>,
    pub(crate) collation: Option<Collation>,
    pub(crate) variables: Variables,
    pub(crate) projection: Option<Projection>,
    /// What the caller says about the road: an index, or `$natural` with a direction.
    hint: Option<Value>,
    /// What a client's policy allows; server-side callers need none.
    pub(crate) permit: Option<Permit>,
}

impl Asked {
    /// Reads the parts.
    ///
    /// # Errors
    /// Faults of each part, with MongoDB's numbers.
    pub(crate) fn read(
        session: &Session,
        filter: &Doc,
        sort: Option<&Doc>,
        collation: Option<&Doc>,
        variables: Option<&Doc>,
    ) -> Result<Asked> {
        let collation = collation.map(|doc| parse_collation(doc.raw())).transpose()?.flatten();
        let bare = Cx::new(session, collation.as_ref());
        let variables = match variables {
            Some(doc) => Variables::parse(doc.raw(), &bare)?,
            None => Variables::default(),
        };
        let filter = Filter::parse(filter.raw(), &bare.with_variables(&variables))?;
        let natural = sort.is_some_and(|doc| doc.get("$natural").is_some());
        if natural && filter.near().is_some() {
            return Err(Error::mongo(number::BAD_VALUE, "$near has an order of its own, so $natural cannot be added"));
        }
        if natural && filter.text().is_some() {
            return Err(Error::mongo(number::BAD_VALUE, "$text cannot be combined with the order $natural"));
        }
        let hint = sort.filter(|_| natural).map(|doc| Value::Document(doc.clone()));
        let sort = sort.map(|doc| Sort::parse(doc.raw())).transpose()?.unwrap_or_default();
        filter.check_asked(&sort.metas())?;
        Ok(Asked { filter, order: order(&sort), sort, collation, variables, projection: None, hint, permit: None })
    }

    /// Reads a find.
    ///
    /// # Errors
    /// As for [`Asked::read`].
    pub(crate) fn of_find(session: &Session, find: &Find) -> Result<Asked> {
        let asked =
            Asked::read(session, &find.filter, find.sort.as_ref(), find.collation.as_ref(), find.variables.as_ref())?;
        let hint = asked.hint.clone().or_else(|| find.hint.clone());
        if hint.is_some() && asked.filter.text().is_some() {
            return Err(Error::mongo(number::BAD_VALUE, "$text and a hint cannot be combined: $text has its index"));
        }
        Asked { hint, ..asked }.with_projection(session, find.projection.as_ref())
    }

    /// The same with a projection of what is returned.
    ///
    /// # Errors
    /// Faults of the projection.
    pub(crate) fn with_projection(self, session: &Session, projection: Option<&Doc>) -> Result<Asked> {
        let Some(doc) = projection.filter(|doc| !doc.raw().is_empty()) else { return Ok(self) };
        let projection = Projection::parse(doc.raw(), &self.cx(session))?;
        self.filter.check_asked(&metas(&projection))?;
        Ok(Asked { projection: Some(projection), ..self })
    }

    /// A document as the projection shows it.
    ///
    /// # Errors
    /// Faults of computed fields.
    pub(crate) fn shown(&self, doc: Doc, cx: &Cx<'_>) -> Result<Doc> {
        let Some(projection) = &self.projection else { return Ok(doc) };
        let position = match projection.needs_position() {
            true => self.filter.matched(doc.raw(), cx)?.unwrap_or_default().position,
            false => None,
        };
        let found = match metas(projection) {
            asked if asked.is_empty() => None,
            asked => self.filter.found(doc.raw(), &asked, cx)?,
        };
        projection.apply(doc.raw(), position, &cx.with_found(found.as_ref()))
    }

    /// The same within what the caller's policy allows. `sent` is the filter as it came, `data` what an update writes.
    ///
    /// # Errors
    /// `PermissionDenied`, `CollectionMissing`, faults of fetching documents for the rules.
    pub(crate) fn permitted(
        self,
        view: &View,
        session: &Session,
        (name, sent): (&str, &Doc),
        wanting: Wanting,
    ) -> Result<Asked> {
        if session.caller == Caller::Admin {
            return Ok(self);
        }
        let coll = collection(view, session, name)?;
        let alternatives = sent.get("$or").is_some() || sent.get("$and").is_some();
        let wanting = Wanting { one_document: names_one(sent), ..wanting };
        let permit = permitted(view, session, &coll, (&self.filter, alternatives), wanting)?;
        let Some(permit) = permit else { return Ok(self) };
        Ok(Asked { filter: permit.narrowed(self.filter), permit: Some(permit), ..self })
    }

    /// Checks a document that is about to be shown or changed.
    ///
    /// # Errors
    /// `PermissionDenied`, faults of fetching documents for the rules.
    pub(crate) fn verify(&self, view: &View, session: &Session, doc: &Doc) -> Result<()> {
        match &self.permit {
            Some(permit) => permit.verify(doc, &|name, id| fetched(view, session, name, id)),
            None => Ok(()),
        }
    }

    fn rank(&self) -> Rank {
        match self.sort.fields.as_slice() {
            [] => Rank::Natural,
            _ if self.sort.is_best_first() => Rank::BestFirst,
            _ => Rank::Sorted,
        }
    }

    /// The surroundings in which its parts are evaluated.
    pub(crate) fn cx<'a>(&'a self, session: &'a Session) -> Cx<'a> {
        Cx { variables: &self.variables, ..Cx::new(session, self.collation.as_ref()) }
    }

    /// What the planner needs to know.
    pub(crate) fn wanted<'a>(&'a self, db: &Db, need: Option<u64>, rows: RowsWanted<'a>) -> Wanted<'a> {
        Wanted {
            filter: &self.filter,
            order: &self.order,
            rank: self.rank(),
            collation: self.collation.as_ref(),
            need,
            hint: self.hint.as_ref(),
            avoid_scan: db.avoid_scans,
            rows,
        }
    }
}

/// How the names of collections begin that belong to the server itself.
pub(crate) const SYSTEM: &str = "system.";

/// The collection of this name in the caller's environment.
///
/// # Errors
/// `CollectionMissing`.
pub(crate) fn collection(view: &View, session: &Session, name: &str) -> Result<Arc<Collection>> {
    // Services keep their own collections under such names; no request reaches them.
    let named = view.collection(session.env, name).filter(|_| !name.starts_with(SYSTEM));
    named.cloned().ok_or_else(|| missing(name))
}

/// The error for a collection that is not there, in the words that callers of the original test for.
pub(crate) fn missing(name: &str) -> Error {
    Error { number: 26, ..Error::new(Code::CollectionMissing, format!("Db or Table not exist: {name}")) }
}

/// What a client wants of the documents that a filter names.
#[derive(Debug)]
pub(crate) struct Wanting {
    action: Action,
    /// Does the filter name one document by its id, and nothing else?
    one_document: bool,
    /// What an update writes, and the fields whose new values are not known yet.
    data: (Option<Doc>, Vec<String>),
}

impl Wanting {
    /// To read them.
    pub(crate) const fn reading() -> Wanting {
        Wanting { action: Action::Read, one_document: false, data: (None, Vec::new()) }
    }

    /// To remove them.
    pub(crate) fn removing() -> Wanting {
        Wanting { action: Action::Delete, ..Wanting::reading() }
    }

    /// To change them so.
    pub(crate) fn changing(change: &Change) -> Wanting {
        Wanting { action: Action::Update, data: written_data(change), ..Wanting::reading() }
    }
}

/// What the policy of a collection allows a client to do; `None` for callers that need no permit.
///
/// # Errors
/// `PermissionDenied`, faults of fetching documents for the rules.
pub(crate) fn permitted(
    view: &View,
    session: &Session,
    coll: &Collection,
    (filter, alternatives): (&Filter, bool),
    wanting: Wanting,
) -> Result<Option<Permit>> {
    if session.caller == Caller::Admin {
        return Ok(None);
    }
    let Wanting { action, one_document, data } = wanting;
    let wish = Wish { action, filter, one_document, alternatives, data };
    permit(&policy(coll), session, wish, &|name, id| fetched(view, session, name, id)).map(Some)
}

/// What a collection lets clients do. A policy that cannot be read lets them do nothing.
pub(crate) fn policy(coll: &Collection) -> Policy {
    let text = coll.policy.as_ref().map_or(Ok(POLICY_AT_FIRST), |stored| std::str::from_utf8(stored)).ok();
    text.and_then(|text| Policy::parse(text).ok()).unwrap_or(Policy::AdminOnly)
}

/// A document that a rule wants to look at.
pub(crate) fn fetched(view: &View, session: &Session, name: &str, id: &str) -> Result<Option<Doc>> {
    let Some(coll) = view.collection(session.env, name).filter(|_| !name.starts_with(SYSTEM)) else {
        return Ok(None);
    };
    Ok(view.doc_by_id(coll, ValueRef::String(id))?.map(|(_, doc)| doc))
}

/// Is the filter an id and nothing else?
fn names_one(sent: &Doc) -> bool {
    let mut fields = sent.raw().iter();
    let (Some(("_id", value)), None) = (fields.next(), fields.next()) else { return false };
    match value {
        ValueRef::Document(operators) => operators.iter().map(|(name, _)| name).eq(["$eq"]),
        value => matches!(value, ValueRef::String(_) | ValueRef::ObjectId(_)) || value.kind().is_number(),
    }
}

/// How many rows a find may return to this caller.
pub(crate) fn row_limit(session: &Session, asked: Option<u64>) -> u64 {
    let limits = &session.limits;
    match session.caller {
        Caller::Admin => asked.unwrap_or(limits.rows_default_admin).min(limits.rows_max_admin),
        Caller::User(_) | Caller::Guest => asked.unwrap_or(limits.rows_default_client).min(limits.rows_max_client),
    }
}

/// What a projection wants to know beside the documents.
fn metas(projection: &Projection) -> Vec<Meta> {
    let mut metas = Vec::new();
    projection.metas(&mut |meta| metas.push(meta));
    metas
}

pub(crate) fn order(sort: &Sort) -> Vec<Order> {
    let by_path = sort.fields.iter().map(|field| match &field.by {
        SortBy::Path(path) => {
            Some(Order { path: path.clone(), descending: field.direction == storage::Direction::Descending })
        }
        SortBy::Meta(_) => None,
    });
    by_path.collect::<Option<Vec<Order>>>().unwrap_or_default()
}
