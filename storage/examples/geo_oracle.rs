//! Answers geo questions line by line, so that a script can compare this crate with a MongoDB server.
//!
//! A line in is a BSON document in hexadecimal: `{kind, values: […], …}`, where `values` are what documents hold in the
//! field. A line out is JSON:
//! - `match` with `operator` and `argument`: `{"hits": […]}`, the places of the values that match. Values are also filed
//!   and read by cells; `{"lost": […]}` names matches that the index would miss.
//! - `near` with `condition` and `index` (`sphere` or `grid`): `{"hits": [[place, distance], …]}` in order, found ring
//!   by ring; `{"lost": …}` where a plain scan finds other distances.
//! - `store` with `index`: `{"errors": […]}`, for each value the number of the fault or 0.
//!
//! Every fault in an argument is `{"error": number, "message": text}`.

use std::io::{BufRead, Write};
use storage::geo::{self, GeoFault, Grid, Metric, Near, Rings, Shape, Stored};
use storage::{Doc, RawDoc, ValueRef};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let doc = Doc::from_bytes(unhex(line?.trim())?)?;
        let answer = answer(doc.raw()).unwrap_or_else(|fault| error(&fault));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn unhex(text: &str) -> Result<Vec<u8>, std::num::ParseIntError> {
    let digits: Vec<char> = text.chars().collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16)).collect()
}

fn error(fault: &GeoFault) -> String {
    format!("{{\"error\":{},\"message\":{:?}}}", fault.code(), fault.to_string())
}

fn answer(ask: RawDoc<'_>) -> Result<String, GeoFault> {
    let values: Vec<ValueRef<'_>> = match ask.get("values") {
        Some(ValueRef::Array(array)) => array.iter().collect(),
        _ => Vec::new(),
    };
    let text = |name: &str| ask.get(name).and_then(ValueRef::as_str).unwrap_or_default();
    let grid = text("index") == "grid";
    match text("kind") {
        "match" => matching(text("operator"), ask.get("argument").unwrap_or(ValueRef::Null), &values),
        "near" => near(ask.get("condition").and_then(ValueRef::as_doc).unwrap_or(ask), &values, grid),
        "store" => {
            let codes = values.iter().map(|value| store(*value, grid).map_or_else(|fault| fault.code(), |_| 0));
            Ok(format!("{{\"errors\":{:?}}}", codes.collect::<Vec<_>>()))
        }
        other => Ok(format!("{{\"error\":0,\"message\":\"unknown kind {other}\"}}")),
    }
}

fn store(value: ValueRef<'_>, grid: bool) -> Result<Vec<u64>, GeoFault> {
    if grid {
        return Grid::default().cells(value);
    }
    if geo::is_absent(value) { Ok(Vec::new()) } else { geo::sphere_cells(value) }
}

fn matching(operator: &str, argument: ValueRef<'_>, values: &[ValueRef<'_>]) -> Result<String, GeoFault> {
    let shape = if operator == "$geoIntersects" { Shape::intersects(argument)? } else { Shape::within(argument)? };
    let (mut hits, mut lost) = (Vec::new(), Vec::new());
    let (ranges, grid_ranges) = (shape.ranges(Stored::Areas), shape.grid_ranges(&Grid::default()));
    for (place, value) in values.iter().enumerate() {
        if !fits(&shape, *value)? {
            continue;
        }
        hits.push(place);
        let missed = |cells: Result<Vec<u64>, GeoFault>, ranges: &[(u64, u64)]| {
            cells.is_ok_and(|cells| !cells.iter().any(|cell| within(*cell, ranges)))
        };
        if missed(store(*value, false), &ranges) || missed(store(*value, true), &grid_ranges) {
            lost.push(place);
        }
    }
    Ok(format!("{{\"hits\":{hits:?},\"lost\":{lost:?},\"ranges\":{}}}", ranges.len()))
}

fn fits(shape: &Shape, value: ValueRef<'_>) -> Result<bool, GeoFault> {
    if shape.matches(value)? {
        return Ok(true);
    }
    let elements = value.as_array().into_iter().flat_map(|array| array.iter());
    for element in elements {
        if shape.matches(element)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn within(cell: u64, ranges: &[(u64, u64)]) -> bool {
    let place = ranges.partition_point(|(_, high)| *high < cell);
    ranges.get(place).is_some_and(|(low, _)| *low <= cell)
}

fn near(condition: RawDoc<'_>, values: &[ValueRef<'_>], grid: bool) -> Result<String, GeoFault> {
    let near = Near::parse(condition)?;
    let rings = if grid { near.grid_rings(&Grid::default())? } else { near.rings(Stored::Areas) };
    let Some(rings) = rings else { return Ok("{\"error\":291,\"message\":\"no index\"}".to_owned()) };
    let found = search(&near, rings, values, grid);
    let mut plain: Vec<f64> = values.iter().filter_map(|value| Some(near.nearest([*value])?.distance)).collect();
    plain.sort_by(f64::total_cmp);
    let distances: Vec<f64> = found.iter().map(|(_, distance)| *distance).collect();
    let lost = if plain == distances { String::new() } else { format!(",\"lost\":{plain:?}") };
    let hits: Vec<String> = found.iter().map(|(place, distance)| format!("[{place},{distance:?}]")).collect();
    Ok(format!("{{\"hits\":[{}],\"flat\":{}{lost}}}", hits.join(","), near.metric() == Metric::Plane))
}

/// A value with its cells, until a ring has read it.
struct Filed<'a> {
    place: usize,
    value: ValueRef<'a>,
    cells: Vec<u64>,
}

/// Ring by ring: whatever is at most as far as the rings are complete is ready to be given out.
fn search(near: &Near, mut rings: Rings, values: &[ValueRef<'_>], grid: bool) -> Vec<(usize, f64)> {
    let file =
        |(place, value): (usize, &_)| Filed { place, value: *value, cells: store(*value, grid).unwrap_or_default() };
    let mut unread: Vec<Filed<'_>> = values.iter().enumerate().map(file).collect();
    let (mut waiting, mut given) = (Vec::new(), Vec::new());
    let mut found = 0;
    while let Some(ring) = rings.next(found) {
        let in_ring = |filed: &mut Filed<'_>| filed.cells.iter().any(|cell| within(*cell, &ring.ranges));
        let read: Vec<Filed<'_>> = unread.extract_if(.., in_ring).collect();
        found = read.len();
        waiting.extend(read.iter().filter_map(|filed| Some((filed.place, near.nearest([filed.value])?.distance))));
        waiting.sort_by(|left: &(usize, f64), right| left.1.total_cmp(&right.1).then(left.0.cmp(&right.0)));
        let ready = waiting.partition_point(|(_, distance)| *distance <= ring.complete_to);
        given.extend(waiting.drain(..ready));
    }
    given
}
