//! Which index serves a query: candidates from its predicates, dominated ones dropped, the rest weighed by counting.
//!
//! Counting is real: entries inside the bounds are counted up to a few hundred, so the choice follows the data as it
//! is. Where one candidate is clearly best nothing is counted.

use storage::{Collection, FieldOrder, Index, Scan, Value, View};

use super::bounds::Bounds;
use super::candidate::{Candidate, candidates, conjuncts};
use super::{Access, Cover, Plan, RowsWanted, Wanted};
use super::{near, text};
use crate::error::{Error, Result, number::BAD_VALUE};
use crate::filter::Filter;

/// Entries counted of each candidate before it counts as large.
const COUNT_MAX: u64 = 512;
/// The same where the only other road is the whole collection, so that an order of magnitude decides.
const COUNT_MAX_ALONE: u64 = 32;
/// What fetching a document costs, in steps over an entry.
const FETCH_COST: u64 = 8;
/// What a document of a collection scan costs, in steps over an entry.
const SCAN_COST: u64 = 3;

/// Chooses the road to what is wanted.
///
/// # Errors
/// `BadValue` for a hint that names no index; `Io` or `Corrupt` from counting.
pub fn choose(view: &View, coll: &Collection, wanted: &Wanted<'_>) -> Result<Plan> {
    let members = conjuncts(wanted.filter);
    if members.iter().any(|member| matches!(member, Filter::Always(false))) {
        return Ok(whole(Access::Empty, wanted, true, 0));
    }
    if let Some((path, near)) = wanted.filter.near() {
        return near::choose(coll, wanted, path, near);
    }
    if let Some(text) = wanted.filter.text() {
        return text::choose(coll, wanted, text);
    }
    if let Some(hint) = wanted.hint {
        return hinted(view, coll, wanted, &members, hint);
    }
    if let Some(ids) = wanted.filter.ids(wanted.collation)
        && (wanted.order.is_empty() || ids.len() <= 1)
    {
        let ids: Vec<Value> = ids.into_iter().cloned().collect();
        let weight = ids.len() as u64 * FETCH_COST;
        return Ok(whole(Access::Ids(ids), wanted, true, weight));
    }
    weigh(view, coll, wanted, &members)
}

fn whole(access: Access, wanted: &Wanted<'_>, ordered: bool, weight: u64) -> Plan {
    Plan { access, residual: wanted.filter.clone(), cover: None, ordered, weight, rejected: Vec::new() }
}

/// A road with its estimated cost.
struct Weighed {
    cost: u64,
    access: Access,
    residual: Filter,
    cover: Option<Cover>,
    ordered: bool,
}

fn weigh(view: &View, coll: &Collection, wanted: &Wanted<'_>, members: &[&Filter]) -> Result<Plan> {
    let docs = coll.stats.docs();
    let candidates = candidates(coll, wanted, members);
    let alone = candidates.len() == 1;
    let mut roads = Vec::new();
    for candidate in candidates {
        roads.push(weigh_candidate(view, coll, wanted, members, candidate, alone)?);
    }
    if let Some(union) = union(view, coll, wanted, members)? {
        roads.push(union);
    }
    roads.push(weigh_scan(wanted, docs, &roads));
    roads.sort_by_key(|road| road.cost);
    let mut roads = roads.into_iter();
    let Some(best) = roads.next() else { return Ok(whole(Access::Scan(Scan::Forward), wanted, false, docs)) };
    Ok(Plan {
        access: best.access,
        residual: best.residual,
        cover: best.cover,
        ordered: best.ordered || wanted.order.is_empty(),
        weight: best.cost,
        rejected: roads.map(|road| road.access).collect(),
    })
}

fn weigh_candidate(
    view: &View,
    coll: &Collection,
    wanted: &Wanted<'_>,
    members: &[&Filter],
    candidate: Candidate,
    alone: bool,
) -> Result<Weighed> {
    let ordered = candidate.ordered.is_some() || wanted.order.is_empty();
    let residual = residual(members, &candidate.exact);
    let cover = Cover::of(&candidate.index, wanted).filter(|_| residual.is_all());
    let covered = cover.is_some() || wanted.rows == RowsWanted::Count && residual.is_all();
    let selective = candidate.bounds.first().is_some_and(Bounds::is_points);
    let access = candidate.into_access();
    // A single selective index with few rows wanted needs no counting: nothing else can be better.
    let need = wanted.need.filter(|_| ordered && residual.is_all());
    let entries = match alone && selective && need.is_some_and(|need| need <= COUNT_MAX) {
        true => need.unwrap_or(COUNT_MAX),
        false => estimate(view, coll, &access, if alone { COUNT_MAX_ALONE } else { COUNT_MAX })?,
    };
    let rows = match wanted.need {
        Some(need) if ordered => entries.min(if residual.is_all() { need } else { need.saturating_mul(16) }),
        _ => entries,
    };
    let cost = entries.min(rows) + if covered { 0 } else { rows * FETCH_COST };
    Ok(Weighed { cost, access, residual, cover, ordered })
}

/// Counts entries up to a bound; beyond it the share of the index on disk gives the order of magnitude.
fn estimate(view: &View, coll: &Collection, access: &Access, count_max: u64) -> Result<u64> {
    let Access::Entries(entries) = access else { return Ok(0) };
    let mut count = 0;
    for range in &entries.ranges {
        let mut cursor = view.entries(coll, &entries.index, range, Scan::Forward);
        while cursor.next_entry()?.is_some() {
            count += 1;
            if count >= count_max {
                let share = view.share(coll, &entries.index, &entries.ranges);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "an estimate"
                )]
                return Ok(((coll.stats.docs() as f64 * share) as u64).max(count * 2));
            }
        }
    }
    Ok(count)
}

fn weigh_scan(wanted: &Wanted<'_>, docs: u64, others: &[Weighed]) -> Weighed {
    let natural = wanted.order.is_empty();
    let matches = others.iter().map(|road| road.cost / FETCH_COST).min();
    let rows = match (wanted.need, natural) {
        (Some(need), true) if wanted.filter.is_all() => docs.min(need),
        // Matching documents lie as thinly as the best index promises; so many have to be passed for each one.
        (Some(need), true) => match matches {
            Some(matches) => docs.min(need.saturating_mul(docs / matches.max(1)).max(need)),
            None => docs,
        },
        _ => docs,
    };
    Weighed {
        cost: if wanted.avoid_scan { u64::MAX } else { (rows * SCAN_COST).saturating_add(1) },
        access: Access::Scan(Scan::Forward),
        residual: wanted.filter.clone(),
        cover: None,
        ordered: natural,
    }
}

/// The conditions that the bounds do not decide.
fn residual(members: &[&Filter], exact: &[usize]) -> Filter {
    let left = members.iter().enumerate().filter(|(place, _)| !exact.contains(place));
    left.map(|(_, member)| (*member).clone()).fold(Filter::all(), Filter::and)
}

/// An `$or` whose every branch has an index of its own.
fn union(view: &View, coll: &Collection, wanted: &Wanted<'_>, members: &[&Filter]) -> Result<Option<Weighed>> {
    let branches = members.iter().find_map(|member| match member {
        Filter::Or(branches) => Some(branches),
        _ => None,
    });
    let Some(branches) = branches else { return Ok(None) };
    let (mut cost, mut roads) = (0u64, Vec::with_capacity(branches.len()));
    for branch in branches {
        let Some((branch_cost, access)) = weigh_branch(view, coll, wanted, branch)? else { return Ok(None) };
        cost = cost.saturating_add(branch_cost);
        roads.push(access);
    }
    let ordered = wanted.order.is_empty();
    Ok(Some(Weighed { cost, access: Access::Union(roads), residual: wanted.filter.clone(), cover: None, ordered }))
}

/// The best index of one branch; `None` where it has none.
fn weigh_branch(view: &View, coll: &Collection, wanted: &Wanted<'_>, branch: &Filter) -> Result<Option<(u64, Access)>> {
    if let Some(ids) = branch.ids(wanted.collation) {
        return Ok(Some((ids.len() as u64 * FETCH_COST, Access::Ids(ids.into_iter().cloned().collect()))));
    }
    let of_branch =
        Wanted { filter: branch, order: &[], need: None, hint: None, rows: RowsWanted::Documents, ..*wanted };
    let members = conjuncts(branch);
    let candidates = candidates(coll, &of_branch, &members);
    let alone = candidates.len() == 1;
    let mut best: Option<Weighed> = None;
    for candidate in candidates {
        let road = weigh_candidate(view, coll, &of_branch, &members, candidate, alone)?;
        if best.as_ref().is_none_or(|best| road.cost < best.cost) {
            best = Some(road);
        }
    }
    Ok(best.map(|best| (best.cost, best.access)))
}

/// The index that the caller asks for, or `$natural`.
fn hinted(view: &View, coll: &Collection, wanted: &Wanted<'_>, members: &[&Filter], hint: &Value) -> Result<Plan> {
    if let Some(direction) = hint.as_ref().as_doc().and_then(|doc| doc.get("$natural")) {
        let scan = if direction.as_i64() == Some(-1) { Scan::Backward } else { Scan::Forward };
        return Ok(whole(Access::Scan(scan), wanted, wanted.order.is_empty(), coll.stats.docs() * SCAN_COST));
    }
    let named = coll.ready_indexes().filter(|index| index.text.is_none()).find(|index| match hint {
        Value::String(name) => index.name == *name,
        other => other.as_ref().as_doc().is_some_and(|pattern| has_pattern(index, pattern)),
    });
    let index = named.ok_or_else(|| {
        Error::mongo(BAD_VALUE, format!("the hint {} names no index of this collection", hint.as_ref()))
    })?;
    let forced = Candidate::new(index, wanted, members).unwrap_or_else(|| Candidate {
        index: index.clone(),
        bounds: index.fields.iter().map(|_| Bounds::full()).collect(),
        used: Vec::new(),
        exact: Vec::new(),
        ordered: None,
    });
    let road = weigh_candidate(view, coll, wanted, members, forced, false)?;
    Ok(Plan {
        access: road.access,
        residual: road.residual,
        cover: road.cover,
        ordered: road.ordered,
        weight: road.cost,
        rejected: Vec::new(),
    })
}

fn has_pattern(index: &Index, pattern: storage::RawDoc<'_>) -> bool {
    let fields = index.fields.iter().map(|field| (field.path.as_str(), field.order == FieldOrder::Descending));
    fields.eq(pattern.iter().map(|(path, direction)| (path, direction.as_f64().is_some_and(|number| number < 0.0))))
}
