//! The judge of histories: what one shows that snapshots do not allow, after the fact.
//!
//! Each appended number is unique, so a list that somebody read tells which appends it saw and in which order. From
//! this follow edges between transactions: *ww* (appended before), *wr* (read what the other appended) and *rw* (read
//! a list to which the other appended next). Snapshot isolation allows cycles with two *rw* edges in a row (write
//! skew: counted) and no others, and nothing may be seen of a transaction that was refused, of half of one, or too late.
//!
//! A register is read before it is overwritten, so each value tells which one it replaced: a register's values are a
//! list again ([`unrolled`]), and values that replaced the same one are a lost update.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Read(String, Vec<u64>),
    Append(String, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Committed,
    Refused,
    Unknown,
}

/// A transaction as its client knows it.
#[derive(Clone, Debug)]
pub struct Record {
    pub steps: Vec<Step>,
    pub end: End,
    pub began: Instant,
    pub ended: Instant,
}

/// A history of registers as one of lists: a value stands for all that were overwritten before it, and itself.
pub fn unrolled(history: &[Record]) -> Result<Vec<Record>, String> {
    // What each value replaced.
    let mut replaced: HashMap<u64, Option<u64>> = HashMap::new();
    for record in history {
        let mut seen: HashMap<&str, Option<u64>> = HashMap::new();
        for step in &record.steps {
            match step {
                Step::Read(name, read) => drop(seen.insert(name, read.last().copied())),
                Step::Append(name, value) => {
                    replaced.insert(*value, seen.insert(name, Some(*value)).unwrap_or_default());
                }
            }
        }
    }
    let chain = |last: Option<u64>| {
        let steps = std::iter::successors(last, |value| replaced.get(value).copied().flatten());
        let mut values: Vec<u64> = steps.take(replaced.len() + 1).collect();
        values.reverse();
        values
    };
    let unroll = |step: &Step| match step {
        Step::Read(name, read) => Step::Read(name.clone(), chain(read.last().copied())),
        Step::Append(..) => step.clone(),
    };
    let unrolled: Vec<Record> = history
        .iter()
        .map(|record| Record { steps: record.steps.iter().map(unroll).collect(), ..record.clone() })
        .collect();
    let mut replacers: HashMap<(Option<u64>, &str), u64> = HashMap::new();
    for record in unrolled.iter().filter(|record| record.end == End::Committed) {
        let written: BTreeMap<&str, u64> = appends(record).collect();
        for name in written.into_keys() {
            let first = appends(record).find(|(other, _)| *other == name).map_or(0, |(_, value)| value);
            let before = replaced.get(&first).copied().flatten();
            if let Some(other) = replacers.insert((before, name), first) {
                return Err(format!("{other} and {first} both replaced {before:?} in {name} (lost update)"));
            }
        }
    }
    Ok(unrolled)
}

/// What a history shows that it must not; else how many transactions were in write skew.
pub fn judge(history: &[Record]) -> Result<usize, String> {
    let orders = orders(history)?;
    let writers = writers(history);
    for record in history.iter().filter(|record| record.end == End::Committed) {
        check_inside(record)?;
        check_half(record, history, &writers)?;
    }
    check_appends(history, &orders, &writers)?;
    check_age(history, &orders)?;
    let edges = edges(history, &orders, &writers);
    check_cycles(history.len(), &edges)?;
    let all: Vec<(usize, usize)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
    Ok(components(history.len(), &all).into_iter().filter(|component| component.len() > 1).map(|c| c.len()).sum())
}

/// The order of appends to each list: the longest that anybody read; all others must be its beginnings.
fn orders(history: &[Record]) -> Result<BTreeMap<String, Vec<u64>>, String> {
    let mut orders: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (list, read) in committed_reads(history) {
        let order = orders.entry(list.to_owned()).or_default();
        let common = order.len().min(read.len());
        if order[..common] != read[..common] {
            return Err(format!("two orders of {list}: {order:?} and {read:?} (G0 or a dirty read)"));
        }
        if order.len() < read.len() {
            *order = read;
        }
    }
    Ok(orders)
}

/// Lists as committed transactions read them, without what they appended themselves.
fn committed_reads(history: &[Record]) -> impl Iterator<Item = (&str, Vec<u64>)> {
    history.iter().filter(|record| record.end == End::Committed).flat_map(|record| {
        let own: HashSet<u64> = appends(record).map(|(_, number)| number).collect();
        record.steps.iter().filter_map(move |step| match step {
            Step::Read(list, read) => {
                Some((list.as_str(), read.iter().copied().filter(|number| !own.contains(number)).collect()))
            }
            Step::Append(..) => None,
        })
    })
}

fn appends(record: &Record) -> impl Iterator<Item = (&str, u64)> {
    record.steps.iter().filter_map(|step| match step {
        Step::Append(list, number) => Some((list.as_str(), *number)),
        Step::Read(..) => None,
    })
}

/// Which transaction appended a number.
fn writers(history: &[Record]) -> HashMap<u64, usize> {
    let numbered = history.iter().enumerate();
    numbered.flat_map(|(at, record)| appends(record).map(move |(_, number)| (number, at))).collect()
}

/// A transaction sees its snapshot and its own appends, in order, at every step.
fn check_inside(record: &Record) -> Result<(), String> {
    let mut known: HashMap<&str, Vec<u64>> = HashMap::new();
    let mut own: HashMap<&str, Vec<u64>> = HashMap::new();
    for step in &record.steps {
        match step {
            Step::Append(list, number) => {
                own.entry(list).or_default().push(*number);
                if let Some(known) = known.get_mut(list.as_str()) {
                    known.push(*number);
                }
            }
            Step::Read(list, read) => {
                let mine = own.get(list.as_str()).map_or(&[][..], Vec::as_slice);
                let expected = known.entry(list).or_insert_with(|| read.clone());
                if expected != read || !read.ends_with(mine) {
                    return Err(format!("a transaction contradicts itself at {list}: {record:?} (internal)"));
                }
            }
        }
    }
    Ok(())
}

/// Nobody sees what was refused, or the first part only of what one transaction appended.
fn check_half(record: &Record, history: &[Record], writers: &HashMap<u64, usize>) -> Result<(), String> {
    for step in &record.steps {
        let Step::Read(list, read) = step else { continue };
        for number in read {
            let writer = writers.get(number).ok_or_else(|| format!("{number} in {list} was appended by nobody"))?;
            if history[*writer].end == End::Refused && !std::ptr::eq(&history[*writer], record) {
                return Err(format!("{number} in {list} was refused and read all the same (G1a)"));
            }
        }
        let Some(last) = read.last() else { continue };
        let writer = &history[writers[last]];
        let theirs: Vec<u64> = appends(writer).filter(|(other, _)| other == list).map(|(_, number)| number).collect();
        if theirs.last() != Some(last) && !std::ptr::eq(writer, record) {
            return Err(format!("{list} was read up to {last}, in the middle of {theirs:?} (G1b)"));
        }
    }
    Ok(())
}

/// Committed appends are there once; unknown transactions all or not at all.
fn check_appends(
    history: &[Record],
    orders: &BTreeMap<String, Vec<u64>>,
    writers: &HashMap<u64, usize>,
) -> Result<(), String> {
    let mut present: HashMap<usize, usize> = HashMap::new();
    for (list, order) in orders {
        let different: BTreeSet<u64> = order.iter().copied().collect();
        if different.len() != order.len() {
            return Err(format!("{list} holds a number twice: {order:?}"));
        }
        order.iter().for_each(|number| *present.entry(writers[number]).or_default() += 1);
    }
    for (at, record) in history.iter().enumerate() {
        let (wanted, found) = (appends(record).count(), present.get(&at).copied().unwrap_or(0));
        let whole = found == wanted || (found == 0 && record.end == End::Unknown);
        if record.end != End::Refused && !whole {
            return Err(format!("{found} of {wanted} appends are there of {record:?} (lost update)"));
        }
    }
    Ok(())
}

/// Who begins after a commit was answered sees it.
fn check_age(history: &[Record], orders: &BTreeMap<String, Vec<u64>>) -> Result<(), String> {
    let committed = || history.iter().filter(|record| record.end == End::Committed);
    let answered: HashMap<u64, Instant> =
        committed().flat_map(|record| appends(record).map(|(_, number)| (number, record.ended))).collect();
    for record in committed() {
        for step in &record.steps {
            let Step::Read(list, read) = step else { continue };
            let unseen = orders[list].iter().skip(read.len());
            let mut late = unseen.filter(|number| answered.get(number).is_some_and(|when| *when < record.began));
            if let Some(number) = late.find(|number| !read.contains(number)) {
                return Err(format!("{number} in {list} was answered before, and not seen by {record:?} (stale)"));
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    from: usize,
    to: usize,
    is_rw: bool,
}

fn edges(history: &[Record], orders: &BTreeMap<String, Vec<u64>>, writers: &HashMap<u64, usize>) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut add = |from: usize, to: usize, is_rw| {
        if from != to {
            edges.push(Edge { from, to, is_rw });
        }
    };
    for order in orders.values() {
        order.windows(2).for_each(|pair| add(writers[&pair[0]], writers[&pair[1]], false));
    }
    for (at, record) in history.iter().enumerate().filter(|(_, record)| record.end == End::Committed) {
        for step in &record.steps {
            let Step::Read(list, read) = step else { continue };
            let mut others = read.iter().rev().filter(|number| writers[number] != at);
            let last = others.next();
            if let Some(last) = last {
                add(writers[last], at, false);
            }
            let seen = last.map_or(0, |last| orders[list].iter().position(|number| number == last).unwrap_or(0) + 1);
            if let Some(next) = orders[list].get(seen) {
                add(at, writers[next], true);
            }
        }
    }
    edges
}

/// No cycle without two *rw* edges in a row: each transaction stands twice in the graph that is searched, as reached by
/// an *rw* edge and as reached by another, and only the latter may leave by an *rw* edge.
fn check_cycles(count: usize, edges: &[Edge]) -> Result<(), String> {
    let mut doubled = Vec::new();
    for edge in edges {
        let to = edge.to * 2 + usize::from(edge.is_rw);
        doubled.push((edge.from * 2, to));
        if !edge.is_rw {
            doubled.push((edge.from * 2 + 1, to));
        }
    }
    match components(count * 2, &doubled).into_iter().find(|component| component.len() > 1) {
        None => Ok(()),
        Some(cycle) => Err(format!("a cycle through transactions {cycle:?} (G0, G1c, G-single or G-nonadjacent)")),
    }
}

/// Strongly connected components, by Tarjan's method without recursion.
fn components(count: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    edges.iter().for_each(|(from, to)| next[*from].push(*to));
    let (mut index, mut low) = (vec![usize::MAX; count], vec![0; count]);
    let (mut stack, mut on_stack) = (Vec::new(), vec![false; count]);
    let (mut found, mut counter) = (Vec::new(), 0);
    for start in 0..count {
        if index[start] != usize::MAX {
            continue;
        }
        let mut calls = vec![(start, 0)];
        while let Some((node, edge)) = calls.pop() {
            if edge == 0 {
                (index[node], low[node]) = (counter, counter);
                counter += 1;
                stack.push(node);
                on_stack[node] = true;
            } else {
                let child = next[node][edge - 1];
                if on_stack[child] {
                    low[node] = low[node].min(low[child]);
                }
            }
            let rest = next[node].iter().enumerate().skip(edge);
            let unseen = rest.take_while(|(_, child)| {
                let seen = index[**child] != usize::MAX;
                if seen && on_stack[**child] {
                    low[node] = low[node].min(index[**child]);
                }
                seen
            });
            let at = edge + unseen.count();
            if let Some(child) = next[node].get(at).copied() {
                calls.push((node, at + 1));
                calls.push((child, 0));
            } else if low[node] == index[node] {
                let from = stack.iter().rposition(|other| *other == node).expect("on the stack");
                let component = stack.split_off(from);
                component.iter().for_each(|member| on_stack[*member] = false);
                found.push(component);
            }
        }
    }
    found
}

/// The judge knows each fault when it sees it.
#[test]
fn faults_are_recognised() {
    use Step::{Append, Read};
    let read = |list: &str, numbers: &[u64]| Read(list.into(), numbers.to_vec());
    let append = |list: &str, number| Append(list.into(), number);
    let start = Instant::now();
    let record = |at: u64, end, steps: &[Step]| Record {
        steps: steps.to_vec(),
        end,
        began: start + std::time::Duration::from_millis(at),
        ended: start + std::time::Duration::from_millis(at + 100),
    };
    let done = |steps: &[Step]| record(0, End::Committed, steps);
    let cases = [
        ("G1a", vec![record(0, End::Refused, &[append("x", 1)]), done(&[read("x", &[1])])]),
        ("G1b", vec![done(&[append("x", 1), append("x", 2)]), done(&[read("x", &[1])]), done(&[read("x", &[1, 2])])]),
        ("internal", vec![done(&[append("x", 1), read("x", &[])]), done(&[read("x", &[1])])]),
        (
            "two orders",
            vec![
                done(&[append("x", 1)]),
                done(&[append("x", 2)]),
                done(&[read("x", &[1])]),
                done(&[read("x", &[2, 1])]),
            ],
        ),
        ("lost update", vec![done(&[append("x", 1)]), done(&[append("x", 2)]), done(&[read("x", &[2])])]),
        (
            "stale",
            vec![
                done(&[append("x", 1)]),
                record(200, End::Committed, &[read("x", &[])]),
                record(200, End::Committed, &[read("x", &[1])]),
            ],
        ),
        (
            "cycle",
            // Each saw the other: G1c.
            vec![done(&[append("x", 1), read("y", &[2])]), done(&[append("y", 2), read("x", &[1])])],
        ),
        (
            "cycle",
            // Both read the list before the other appended to it: a lost update, G-single.
            vec![
                done(&[read("x", &[]), append("x", 1)]),
                done(&[read("x", &[]), append("x", 2)]),
                done(&[read("x", &[1, 2])]),
            ],
        ),
        (
            "cycle",
            // One moment in x, an earlier one in y: read skew, G-single.
            vec![
                done(&[append("x", 1), append("y", 2)]),
                done(&[read("x", &[1]), read("y", &[])]),
                done(&[read("y", &[2])]),
            ],
        ),
    ];
    for (fault, history) in cases {
        let found = judge(&history).expect_err(fault);
        assert!(found.contains(fault), "expected {fault}, found {found}");
    }
    let skew = [
        done(&[read("x", &[]), append("y", 2)]),
        done(&[read("y", &[]), append("x", 1)]),
        done(&[read("x", &[1]), read("y", &[2])]),
    ];
    assert_eq!(judge(&skew), Ok(2), "write skew is counted, not refused");
    let unknown =
        [record(0, End::Unknown, &[append("x", 1), append("y", 2)]), done(&[read("x", &[1]), read("y", &[])])];
    assert!(judge(&unknown).is_err(), "half of a transaction");
}

/// What registers show is recognised too.
#[test]
fn faults_of_registers_are_recognised() {
    use Step::{Append, Read};
    let read = |value: Option<u64>| Read("x".into(), value.into_iter().collect());
    let write = |value| Append("x".into(), value);
    let start = Instant::now();
    let done = |steps: &[Step]| Record { steps: steps.to_vec(), end: End::Committed, began: start, ended: start };
    let judged = |history: &[Record]| unrolled(history).and_then(|history| judge(&history));
    let first = done(&[read(None), write(1)]);
    let sound = [first.clone(), done(&[read(Some(1)), write(2), write(3)]), done(&[read(Some(3))])];
    assert_eq!(judged(&sound), Ok(0));
    let both = [first.clone(), done(&[read(None), write(2)]), done(&[read(Some(2))])];
    assert!(judged(&both).is_err_and(|fault| fault.contains("lost update")));
    let lost = [first.clone(), done(&[read(Some(1)), write(2)]), done(&[read(Some(1))])];
    assert!(judged(&lost).is_err_and(|fault| fault.contains("lost update")));
    let half =
        [first.clone(), done(&[read(Some(1)), write(2), write(3)]), done(&[read(Some(2))]), done(&[read(Some(3))])];
    assert!(judged(&half).is_err_and(|fault| fault.contains("G1b")));
    let refused = Record { end: End::Refused, ..done(&[read(Some(1)), write(2)]) };
    assert!(judged(&[first, refused, done(&[read(Some(2))])]).is_err_and(|fault| fault.contains("G1a")));
}
