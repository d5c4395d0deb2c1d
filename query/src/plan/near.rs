//! Nearest first: which geo index answers a `$near`.

use storage::geo::{Metric, Near, Rings};
use storage::{Collection, FieldOrder, Index, Path, Scan};

use super::candidate::{Candidate, conjuncts};
use super::implied::implies;
use super::{Access, Entries, NearEntries, Plan, Wanted};
use crate::error::{Error, Result};

/// NoQueryExecutionPlans: a condition that only an index can answer has none.
const NO_INDEX: i32 = 291;
/// What looking at one document of a ring costs; rings overshoot.
const RING_COST: u64 = 32;

/// The road for a filter with a nearest-first search.
///
/// # Errors
/// 291 where no geo index on the path measures as the search does.
pub(super) fn choose(coll: &Collection, wanted: &Wanted<'_>, path: &Path, near: &Near) -> Result<Plan> {
    let members = conjuncts(wanted.filter);
    for index in coll.ready_indexes() {
        if index.partial.as_ref().is_some_and(|partial| !implies(&members, partial)) {
            continue;
        }
        let Some((field, rings)) = rings(index, path, near)? else { continue };
        let Some(Candidate { bounds, .. }) = Candidate::bounded(index, wanted, &members) else { continue };
        let entries = Entries {
            index: index.clone(),
            ranges: Vec::new(),
            checks: Vec::new(),
            bounds,
            scan: Scan::Forward,
            repeats: true,
        };
        let (path, near) = (path.clone(), near.clone());
        return Ok(Plan {
            access: Access::Near(Box::new(NearEntries { entries, field, path, near, rings })),
            residual: wanted.filter.clone(),
            cover: None,
            ordered: wanted.order.is_empty(),
            weight: wanted.need.unwrap_or_else(|| coll.stats.docs()).saturating_mul(RING_COST),
            rejected: Vec::new(),
        });
    }
    let kind = match near.metric() {
        Metric::Plane => "2d",
        Metric::Meters => "2dsphere",
        Metric::Radians => "2dsphere or 2d",
    };
    Err(Error::mongo(NO_INDEX, format!("a nearest-first search on '{path}' needs a {kind} index on that field")))
}

/// The field of the index that can be searched, and its rings.
fn rings(index: &Index, path: &Path, near: &Near) -> Result<Option<(usize, Rings)>> {
    for (place, field) in index.fields.iter().enumerate().filter(|(_, field)| field.path == *path) {
        let rings = match (field.order, near.metric()) {
            (FieldOrder::Sphere, Metric::Meters | Metric::Radians) => near.rings(index.stored(place)),
            (FieldOrder::Plane, Metric::Plane | Metric::Radians) => near.grid_rings(&index.grid)?,
            _ => None,
        };
        if let Some(rings) = rings {
            return Ok(Some((place, rings)));
        }
    }
    Ok(None)
}
