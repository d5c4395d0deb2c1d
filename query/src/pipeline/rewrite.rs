//! Stages that change places: filters and paging go before stages that do not touch what they look at, so that an
//! index can serve them and fewer documents take the way between. What comes out stays the same.

use super::Stage;
use super::matching::Match;
use crate::filter::Filter;

/// Brings filters, then paging, as far to the front as they may go.
pub(super) fn reorder(stages: &mut Vec<Stage>) {
    let mut place = 1;
    while place < stages.len() {
        raise_filter(stages, place);
        place += 1;
    }
    for place in 1..stages.len() {
        raise_paging(stages, place);
    }
}

/// Moves the filter at a place forward, or those of its conditions that may go.
fn raise_filter(stages: &mut Vec<Stage>, place: usize) {
    let mut place = place;
    while let Some(before) = place.checked_sub(1) {
        let Some([passed, Stage::Match(stage)]) = stages.get_mut(before..=place) else { return };
        let conditions = match std::mem::replace(&mut stage.filter, Filter::all()) {
            Filter::And(members) => members,
            single => vec![single],
        };
        let (first, rest): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|condition| passed.lets_pass(condition));
        if first.is_empty() {
            stage.filter = joined(rest);
            return;
        }
        stage.filter = joined(first);
        if let Stage::Union(union) = passed {
            union.add_filter(&stage.filter);
        }
        stages.swap(before, place);
        if !rest.is_empty() {
            stages.insert(place + 1, Stage::Match(Match { filter: joined(rest) }));
        }
        place = before;
    }
}

/// The conjunction of conditions that came out of one.
fn joined(mut conditions: Vec<Filter>) -> Filter {
    match (conditions.len(), conditions.pop()) {
        (1, Some(single)) => single,
        (_, last) => Filter::And(conditions.into_iter().chain(last).collect()),
    }
}

/// Moves `$skip` and `$limit` before stages that give one document for each.
fn raise_paging(stages: &mut [Stage], place: usize) {
    let mut place = place;
    while let Some(before) = place.checked_sub(1) {
        match stages.get(before..=place) {
            Some([Stage::Reshape(_) | Stage::Lookup(_) | Stage::GraphLookup(_), Stage::Skip(_) | Stage::Limit(_)]) => {
                stages.swap(before, place);
            }
            _ => return,
        }
        place = before;
    }
}

impl Stage {
    /// Does a condition mean the same before this stage as behind it?
    fn lets_pass(&self, condition: &Filter) -> bool {
        let keeps: &dyn Fn(&str) -> bool = match self {
            Stage::Sort(stage) if stage.limit.is_none() => &|_| true,
            Stage::Reshape(stage) => &|name| stage.keeps(name),
            Stage::Unwind(stage) => &|name| stage.keeps(name),
            Stage::Lookup(stage) => &|name| stage.sets() != name,
            Stage::GraphLookup(stage) => &|name| stage.sets() != name,
            Stage::Union(_) => &|_| true,
            _ => return false,
        };
        let mut same = !draws_lots(condition);
        condition.paths(&mut |path| same &= path.is_some_and(|path| keeps(path.head())));
        same
    }
}

/// Does chance decide? Then it matters which documents are asked.
fn draws_lots(condition: &Filter) -> bool {
    match condition {
        Filter::And(members) | Filter::Or(members) | Filter::Nor(members) => members.iter().any(draws_lots),
        Filter::Sample(_) => true,
        Filter::Expr(expr) => expr.draws_lots(),
        _ => false,
    }
}
