//! Stages from outside: what they give, what they refuse, and how they keep their bounds.

use storage::{Doc, DocBuilder, ValueRef};

use super::testing::{check, outcome, outcome_within, run, shown, source};
use super::{Lead, Pipeline};
use crate::expr::testing::Surroundings;
use crate::notation::{docs, text};
use crate::{Code, Deadline};

const FEW: &str = "[{_id: 1, g: 'a', v: 5}, {_id: 2, g: 'b', v: 3}, {_id: 3, g: 'a', v: null}, {_id: 4, v: 7}]";

#[test]
fn shapes_are_checked() {
    check(
        "[]",
        &[
            ("[{}]", "40323"),
            ("[{$match: {}, $limit: 1}]", "40323"),
            ("[{$nope: 1}]", "40324"),
            ("[{$match: 1}]", "15959"),
            ("[{$limit: 0}]", "15958"),
            ("[{$limit: 'x'}]", "5107201"),
            ("[{$skip: -1}]", "5107200"),
            ("[{$sort: {}}]", "15976"),
            ("[{$sort: 1}]", "15973"),
            ("[{$group: {}}]", "15955"),
            ("[{$group: {_id: 1, 'a.b': {$sum: 1}}}]", "40235"),
            ("[{$group: {_id: 1, a: {$nope: 1}}}]", "15952"),
            ("[{$group: {_id: {a: 1}}}]", "17390"),
            ("[{$unwind: 'a'}]", "28818"),
            ("[{$count: ''}]", "40157"),
            ("[{$out: 'd'}, {$limit: 1}]", "40601"),
            ("[{$limit: 1}, {$geoNear: {near: [0, 0], distanceField: 'd'}}]", "40603"),
            ("[{$limit: 1}, {$documents: []}]", "40602"),
            ("[{$facet: {a: [{$out: 'd'}]}}]", "40600"),
            ("[{$lookup: {from: 'd', pipeline: [{$out: 'x'}], as: 'y'}}]", "51047"),
            ("[{$unionWith: {coll: 'd', pipeline: [{$merge: 'x'}]}}]", "31441"),
            ("[{$sortByCount: 'g'}]", "40148"),
            ("[{$bucket: {groupBy: '$v', boundaries: [1]}}]", "40192"),
            ("[{$bucketAuto: {groupBy: '$v', buckets: 0}}]", "40243"),
            ("[{$sample: {size: -1}}]", "28747"),
            ("[{$project: {a: {$meta: 'textScore'}}}]", "40218"),
        ],
    );
}

#[test]
fn plain_stages() {
    check(
        FEW,
        &[
            ("[{$match: {g: 'a'}}, {$project: {v: 1}}]", "{_id: 1, v: 5} {_id: 3, v: null}"),
            ("[{$sort: {v: -1}}, {$skip: 1}, {$limit: 2}, {$unset: 'g'}]", "{_id: 1, v: 5} {_id: 2, v: 3}"),
            ("[{$set: {w: {$add: ['$v', 1]}}}, {$match: {w: 4}}]", "{_id: 2, g: 'b', v: 3, w: 4}"),
            ("[{$replaceWith: {x: '$_id'}}, {$limit: 1}]", "{x: 1}"),
            ("[{$replaceWith: '$v'}]", "40228"),
            ("[{$count: 'n'}]", "{n: 4}"),
            ("[{$match: {v: 99}}, {$count: 'n'}]", ""),
            ("[{$sortByCount: '$g'}, {$limit: 1}]", "{_id: 'a', count: 2}"),
            ("[{$documents: [{a: 1}, {a: {$add: [1, 1]}}]}]", "{a: 1} {a: 2}"),
            (
                "[{$limit: 1}, {$unionWith: {coll: 'c', pipeline: [{$match: {_id: 4}}]}}, {$project: {v: 1, _id: 0}}]",
                "{v: 5} {v: 7}",
            ),
            (
                "[{$facet: {n: [{$count: 'n'}], top: [{$sort: {_id: -1}}, {$limit: 1}]}}]",
                "{n: [{n: 4}], top: [{_id: 4, v: 7}]}",
            ),
            (
                "[{$redact: {$cond: [{$eq: ['$g', 'a']}, '$$PRUNE', '$$KEEP']}}, {$project: {v: 1}}]",
                "{_id: 2, v: 3} {_id: 4, v: 7}",
            ),
        ],
    );
}

#[test]
fn groups() {
    check(
        FEW,
        &[
            (
                "[{$group: {_id: '$g', n: {$sum: 1}, all: {$push: '$v'}, mean: {$avg: '$v'}}}]",
                "{_id: 'a', n: 2, all: [5, null], mean: 5.0} {_id: 'b', n: 1, all: [3], mean: 3.0} \
                 {_id: null, n: 1, all: [7], mean: 7.0}",
            ),
            ("[{$group: {_id: null, least: {$min: '$v'}, last: {$last: '$g'}}}]", "{_id: null, least: 3, last: null}"),
            ("[{$match: {_id: 4}}, {$group: {_id: {g: '$g'}}}]", "{_id: {g: null}}"),
            ("[{$match: {_id: 4}}, {$group: {_id: {g: '$g', v: '$v'}}}]", "{_id: {v: 7}}"),
            (
                "[{$bucket: {groupBy: '$v', boundaries: [0, 4, 6], default: 'rest'}}]",
                "{_id: 0, count: 1} {_id: 4, count: 1} {_id: 'rest', count: 2}",
            ),
            ("[{$bucket: {groupBy: '$v', boundaries: [0, 4]}}]", "40066"),
            (
                "[{$bucketAuto: {groupBy: '$_id', buckets: 2}}]",
                "{_id: {min: 1, max: 3}, count: 2} {_id: {min: 3, max: 4}, count: 2}",
            ),
            (
                "[{$bucketAuto: {groupBy: '$_id', buckets: 2, granularity: 'R5'}}]",
                "{_id: {min: 0.63, max: 2.5}, count: 2} {_id: {min: 2.5, max: 6.300000000000001}, count: 2}",
            ),
        ],
    );
}

#[test]
fn unwinding() {
    let given = "[{_id: 1, a: [1, 2]}, {_id: 2, a: []}, {_id: 3, a: 5}, {_id: 4}, {_id: 5, a: {b: [7]}}]";
    check(
        given,
        &[
            ("[{$unwind: '$a'}]", "{_id: 1, a: 1} {_id: 1, a: 2} {_id: 3, a: 5} {_id: 5, a: {b: [7]}}"),
            (
                "[{$unwind: {path: '$a', preserveNullAndEmptyArrays: true, includeArrayIndex: 'i'}}]",
                "{_id: 1, a: 1, i: 0L} {_id: 1, a: 2, i: 1L} {_id: 2, i: null} {_id: 3, a: 5, i: null} {_id: 4, i: null} \
                 {_id: 5, a: {b: [7]}, i: null}",
            ),
            (
                "[{$unwind: {path: '$a.b', preserveNullAndEmptyArrays: true}}]",
                "{_id: 1, a: [1, 2]} {_id: 2, a: []} {_id: 3, a: 5} {_id: 4} {_id: 5, a: {b: 7}}",
            ),
        ],
    );
}

#[test]
fn lookups() {
    let given =
        "[{_id: 1, k: 1}, {_id: 2, k: [1, 2]}, {_id: 3}]|[{_id: 10, k: 1}, {_id: 11, k: [2, 3]}, {_id: 12, k: null}]";
    check(
        given,
        &[
            (
                "[{$lookup: {from: 'd', localField: 'k', foreignField: 'k', as: 'm'}}, {$project: {m: '$m._id'}}]",
                "{_id: 1, m: [10]} {_id: 2, m: [10, 11]} {_id: 3, m: [12]}",
            ),
            (
                "[{$match: {_id: 1}}, {$lookup: {from: 'd', let: {x: '$_id'}, \
                 pipeline: [{$match: {$expr: {$gt: ['$_id', {$add: ['$$x', 9]}]}}}, {$project: {_id: 1}}], as: 'm'}}]",
                "{_id: 1, k: 1, m: [{_id: 11}, {_id: 12}]}",
            ),
            (
                "[{$match: {_id: 1}}, {$lookup: {from: 'none', localField: 'k', foreignField: 'k', as: 'm'}}]",
                "{_id: 1, k: 1, m: []}",
            ),
            (
                "[{$match: {_id: 1}}, {$graphLookup: {from: 'c', startWith: 2, connectFromField: 'k', connectToField: '_id', \
                 as: 'm', depthField: 'far'}}]",
                "{_id: 1, k: 1, m: [{_id: 2, k: [1, 2], far: 0L}, {_id: 1, k: 1, far: 1L}]}",
            ),
        ],
    );
}

#[test]
fn windows() {
    let given = "[{_id: 1, p: 0, v: 10}, {_id: 2, p: 1, v: null}, {_id: 3, p: 0, v: 3}, {_id: 4, p: 1, v: 8}]";
    let over = |output: &str| {
        let stages = format!(
            "[{{$setWindowFields: {{sortBy: {{_id: 1}}, output: {{r: {output}}}}}}}, {{$project: {{r: 1, _id: 0}}}}]"
        );
        outcome(&stages, given)
    };
    let rows = [
        ("{$sum: '$v', window: {documents: ['unbounded', 'current']}}", "{r: 10} {r: 10} {r: 13} {r: 21}"),
        ("{$sum: '$v', window: {documents: [-1, 1]}}", "{r: 10} {r: 13} {r: 11} {r: 11}"),
        ("{$push: '$_id', window: {range: [0, 1]}}", "{r: [1, 2]} {r: [2, 3]} {r: [3, 4]} {r: [4]}"),
        ("{$max: '$v'}", "{r: 10} {r: 10} {r: 10} {r: 10}"),
        ("{$shift: {output: '$v', by: 1, default: 'z'}}", "{r: null} {r: 3} {r: 8} {r: 'z'}"),
        ("{$locf: '$v'}", "{r: 10} {r: 10} {r: 3} {r: 8}"),
        ("{$linearFill: '$v'}", "{r: 10} {r: 6.5} {r: 3} {r: 8}"),
        ("{$denseRank: {}}", "{r: 1} {r: 2} {r: 3} {r: 4}"),
        ("{$expMovingAvg: {input: '$_id', alpha: 0.5}}", "{r: 1.0} {r: 1.5} {r: 2.25} {r: 3.125}"),
        ("{$derivative: {input: '$p'}, window: {documents: [-1, 0]}}", "{r: null} {r: 1.0} {r: -1.0} {r: 1.0}"),
        (
            "{$integral: {input: '$p'}, window: {documents: ['unbounded', 'current']}}",
            "{r: 0} {r: 0.5} {r: 1.0} {r: 1.5}",
        ),
        ("{$covariancePop: ['$_id', '$p']}", "{r: 0.25} {r: 0.25} {r: 0.25} {r: 0.25}"),
        ("{$mergeObjects: '$v'}", "9"),
        ("{$sum: 1, window: {documents: [1, -1]}}", "5339900"),
        ("{$rank: {}, window: {}}", "5371601"),
        ("{$derivative: {input: '$v'}}", "9"),
    ];
    for (output, expect) in rows {
        assert_eq!(over(output), expect, "{output}");
    }
    check(
        given,
        &[
            (
                "[{$setWindowFields: {partitionBy: '$p', sortBy: {_id: -1}, output: {n: {$documentNumber: {}}}}}, {$unset: 'v'}]",
                "{_id: 3, p: 0, n: 1} {_id: 1, p: 0, n: 2} {_id: 4, p: 1, n: 1} {_id: 2, p: 1, n: 2}",
            ),
            ("[{$setWindowFields: {partitionBy: ['$p'], output: {}}}]", "14"),
            ("[{$setWindowFields: {output: {r: {$sum: 1, window: {documents: [0, 1]}}}}}]", "5339901"),
            ("[{$setWindowFields: {output: {a: {$sum: 1}, 'a.b': {$sum: 1}}}}]", "6307900"),
        ],
    );
}

#[test]
fn gaps_are_filled() {
    let given = "[{_id: 1, g: 1, x: 1}, {_id: 2, g: 1, x: 4}, {_id: 3, g: 2, x: 3}, {_id: 4, g: 2}]";
    check(
        given,
        &[
            (
                "[{$densify: {field: 'x', range: {step: 1, bounds: 'full'}}}, {$project: {x: 1}}]",
                "{_id: 4} {_id: 1, x: 1} {x: 2} {_id: 3, x: 3} {_id: 2, x: 4}",
            ),
            (
                "[{$densify: {field: 'x', partitionByFields: ['g'], range: {step: 2, bounds: 'partition'}}}]",
                "{_id: 1, g: 1, x: 1} {g: 1, x: 3} {_id: 2, g: 1, x: 4} {_id: 4, g: 2} {_id: 3, g: 2, x: 3}",
            ),
            (
                "[{$match: {_id: 1}}, {$densify: {field: 'x', range: {step: 1, bounds: [0, 3]}}}]",
                "{x: 0} {_id: 1, g: 1, x: 1} {x: 2}",
            ),
            ("[{$match: {_id: 9}}, {$densify: {field: 'x', range: {step: 1, bounds: [0, 2]}}}]", "{x: 0} {x: 1}"),
            ("[{$densify: {field: 'x', range: {step: 0, bounds: 'full'}}}]", "5733401"),
            ("[{$densify: {field: 'x', range: {step: 1, bounds: [0, 600000]}}}]", "5897900"),
            ("[{$densify: {field: 'x', range: {step: 1, bounds: 'full', unit: 'day'}}}]", "6053600"),
            (
                "[{$fill: {sortBy: {_id: 1}, output: {x: {method: 'locf'}, y: {value: '$g'}}}}, {$match: {_id: 4}}]",
                "{_id: 4, g: 2, x: 3, y: 2}",
            ),
            ("[{$fill: {output: {x: {method: 'nope'}}}}]", "6050202"),
            ("[{$fill: {output: {x: {value: 1, method: 'locf'}}}}]", "6050201"),
        ],
    );
}

#[test]
fn nearest_first() {
    let given = "[{_id: 1, at: [5, 5]}, {_id: 2, at: [1, 1]}, {_id: 3, at: [0, 3]}]";
    check(
        given,
        &[
            (
                "[{$geoNear: {near: [0, 0], distanceField: 'd', key: 'at', maxDistance: 4, includeLocs: 'p'}}]",
                "{_id: 2, at: [1, 1], d: 1.4142135623730951, p: [1, 1]} {_id: 3, at: [0, 3], d: 3.0, p: [0, 3]}",
            ),
            (
                "[{$geoNear: {near: [0, 0], distanceField: 'd', distanceMultiplier: 2, query: {_id: 3}}}, {$limit: 1}]",
                "{_id: 3, at: [0, 3], d: 6.0}",
            ),
            ("[{$geoNear: {near: [0, 0], distanceField: 'd', key: 'other'}}]", "291"),
            ("[{$geoNear: {near: {type: 'Point', coordinates: [0, 0]}, distanceField: 'd', key: 'at'}}]", "291"),
            ("[{$geoNear: {near: [0, 0], distanceField: 'd', limit: 1}}]", "50858"),
            ("[{$geoNear: {near: 'x', distanceField: 'd'}}]", "5860401"),
        ],
    );
}

/// What the other collection holds after a pipeline.
fn written(stages: &str) -> String {
    let surroundings = Surroundings::default();
    let source = source("[{_id: 1, k: 1, v: 2}, {_id: 2, k: 2, v: 3}]|[{_id: 1, k: 9, w: 0}]");
    match run(&docs(stages), &source, &surroundings.cx()) {
        Ok(rows) if rows.is_empty() => shown(Ok(source.docs("d"))),
        Ok(rows) => format!("gives {}", shown(Ok(rows))),
        Err(fault) => format!("{}: {}", fault.number, shown(Ok(source.docs("d")))),
    }
}

#[test]
fn writing() {
    let rows = [
        ("[{$match: {_id: 2}}, {$out: 'd'}]", "{_id: 2, k: 2, v: 3}"),
        ("[{$merge: 'd'}]", "{_id: 1, k: 1, w: 0, v: 2} {_id: 2, k: 2, v: 3}"),
        ("[{$merge: {into: 'd', whenMatched: 'replace', whenNotMatched: 'discard'}}]", "{_id: 1, k: 1, v: 2}"),
        ("[{$merge: {into: 'd', whenMatched: 'keepExisting'}}]", "{_id: 1, k: 9, w: 0} {_id: 2, k: 2, v: 3}"),
        ("[{$merge: {into: 'd', whenMatched: 'fail'}}]", "11000: {_id: 1, k: 9, w: 0}"),
        ("[{$merge: {into: 'd', whenNotMatched: 'fail'}}]", "13113: {_id: 1, k: 1, w: 0, v: 2}"),
        (
            "[{$match: {_id: 1}}, {$merge: {into: 'd', let: {n: '$v'}, whenMatched: [{$set: {w: {$add: ['$$n', '$$new.k']}}}]}}]",
            "{_id: 1, k: 9, w: 3}",
        ),
        (
            "[{$set: {_id: 1}}, {$merge: {into: 'd', whenMatched: [{$set: {w: {$add: ['$w', '$$new.v']}}}]}}]",
            "{_id: 1, k: 9, w: 5}",
        ),
        ("[{$merge: {into: 'd', on: 'v'}}]", "51183: {_id: 1, k: 9, w: 0}"),
        (
            "[{$set: {k: 9}}, {$limit: 1}, {$merge: {into: 'd', on: 'k', whenMatched: 'replace'}}]",
            "{_id: 1, k: 9, v: 2}",
        ),
        (
            "[{$set: {k: 9}}, {$skip: 1}, {$merge: {into: 'd', on: 'k', whenMatched: 'replace'}}]",
            "66: {_id: 1, k: 9, w: 0}",
        ),
        ("[{$unset: 'k'}, {$merge: {into: 'd', on: 'k'}}]", "51132: {_id: 1, k: 9, w: 0}"),
        ("[{$merge: {into: 'd', whenMatched: 'fail', whenNotMatched: 'discard'}}]", "51181: {_id: 1, k: 9, w: 0}"),
    ];
    for (stages, expect) in rows {
        assert_eq!(written(stages), expect, "{stages}");
    }
}

fn lead(stages: &str) -> (Lead, usize) {
    let surroundings = Surroundings::default();
    let (lead, rest) = Pipeline::parse(&docs(stages), &surroundings.cx()).expect("reads").split();
    (lead, rest.len())
}

#[test]
fn what_an_index_may_serve() {
    let paths =
        |lead: &Lead| lead.values.as_ref().map(|paths| paths.iter().map(|path| path.as_str().to_owned()).collect());
    type Expected = ((bool, bool, Option<u64>), Option<Vec<&'static str>>, usize);
    let rows: [(&str, Expected); 9] = [
        ("[{$match: {a: 1}}, {$sort: {b: 1}}, {$limit: 3}]", ((true, true, Some(3)), None, 0)),
        ("[{$match: {a: 1}}, {$count: 'n'}]", ((true, false, None), Some(vec![]), 2)),
        ("[{$group: {_id: '$a', s: {$sum: '$b.c'}}}]", ((false, false, None), Some(vec!["a", "b.c"]), 1)),
        ("[{$project: {a: 1}}]", ((false, false, None), Some(vec!["_id", "a"]), 1)),
        ("[{$set: {x: 1}}, {$match: {a: 1, x: 1}}]", ((true, false, None), None, 2)),
        ("[{$project: {a: 1}}, {$match: {a: 1}}, {$limit: 2}]", ((true, false, Some(2)), Some(vec!["_id", "a"]), 1)),
        ("[{$unwind: '$a'}, {$match: {b: 1}}]", ((true, false, None), None, 1)),
        ("[{$limit: 2}, {$match: {b: 1}}]", ((false, false, Some(2)), None, 1)),
        ("[{$sort: {a: 1}}, {$match: {b: 1}}, {$group: {_id: '$$ROOT'}}]", ((true, true, None), None, 1)),
    ];
    for (stages, (expect, values, left)) in rows {
        let (lead, rest) = lead(stages);
        assert_eq!((lead.filter.is_some(), lead.sort.is_some(), lead.limit), expect, "{stages}");
        let mut found: Option<Vec<String>> = paths(&lead);
        found.iter_mut().for_each(|paths| paths.sort());
        assert_eq!(found, values.map(|paths| paths.into_iter().map(str::to_owned).collect()), "{stages}");
        assert_eq!(rest, left, "{stages}");
    }
}

fn many(count: i32) -> Vec<Doc> {
    let one = |number: i32| {
        let mut doc = DocBuilder::new();
        doc.put("_id", ValueRef::Int32(number));
        doc.put("g", ValueRef::Int32(number * 7919 % 1000));
        doc.put("t", ValueRef::String("some text that takes room"));
        doc.finish()
    };
    (0..count).map(one).collect()
}

#[test]
fn stages_that_outgrow_their_memory_spill_or_fail() {
    let sorted = |stages: &str, bytes_max, spills| outcome_within(bytes_max, spills, stages, many(3000));
    for stages in [
        "[{$set: {x: 1}}, {$sort: {g: 1, _id: -1}}, {$group: {_id: null, all: {$push: '$_id'}}}]",
        "[{$group: {_id: '$g', n: {$sum: '$_id'}}}, {$sort: {_id: 1}}]",
        "[{$setWindowFields: {partitionBy: '$g', sortBy: {_id: 1}, output: {r: {$sum: '$_id'}}}}, {$group: {_id: null, s: {$sum: '$r'}}}]",
        "[{$bucketAuto: {groupBy: '$g', buckets: 5}}]",
    ] {
        let whole = sorted(stages, 1 << 30, false);
        assert_eq!(sorted(stages, 60_000, true), whole, "{stages}");
        assert_eq!(sorted(stages, 60_000, false), "292", "{stages}");
    }
    assert_eq!(sorted("[{$group: {_id: null, all: {$push: '$t'}}}]", 20_000, true), "146");
    // A collection that does not fit is read through for many documents at a time.
    let joined = "[{$lookup: {from: 'c', localField: '_id', foreignField: 'g', as: 'm'}}, {$match: {_id: {$lt: 50}}}, \
                  {$unwind: '$m'}, {$group: {_id: null, n: {$sum: 1}, s: {$sum: '$m._id'}}}]";
    assert_eq!(sorted(joined, 60_000, false), sorted(joined, 1 << 30, false));
}

#[test]
fn every_stage_ends_with_its_deadline() {
    for stages in [
        "[{$sort: {g: 1}}]",
        "[{$group: {_id: '$g'}}]",
        "[{$match: {g: -1}}]",
        "[{$unwind: '$g'}]",
        "[{$set: {x: 1}}]",
        "[{$lookup: {from: 'c', localField: 'g', foreignField: 'g', as: 'm'}}]",
        "[{$lookup: {from: 'c', pipeline: [{$match: {$expr: {$eq: ['$g', 5]}}}], as: 'm'}}]",
        "[{$facet: {a: [{$group: {_id: '$g'}}]}}]",
        "[{$setWindowFields: {sortBy: {_id: 1}, output: {r: {$sum: '$g', window: {documents: [-500, 500]}}}}}]",
        "[{$densify: {field: 'g', range: {step: 0.01, bounds: [0, 1000]}}}]",
        "[{$limit: 1}, {$project: {x: {$reduce: {input: {$range: [0, 100000]}, initialValue: 0, in: {$add: ['$$value', 1]}}}}}]",
    ] {
        let surroundings = Surroundings { deadline: Deadline::after_ticks(1500), ..Surroundings::default() };
        let source = super::VecSource { collections: vec![("c".to_owned(), many(2000))].into(), ..Default::default() };
        let fault = run(&docs(stages), &source, &surroundings.cx()).expect_err(stages);
        assert_eq!(fault.code, Code::Timeout, "{stages}");
    }
}

#[test]
fn hostile_pipelines_are_refused() {
    let surroundings = Surroundings::default();
    let refused = |stages: &str| {
        let outcome = run(&docs(stages), &source(FEW), &surroundings.cx());
        outcome.map(|rows| rows.len()).map_err(|fault| fault.code)
    };
    let repeated = |stage: &str, count: usize| format!("[{}]", vec![stage; count].join(", "));
    assert_eq!(refused(&repeated("{$match: {}}", 1001)), Err(Code::TooLarge));
    assert_eq!(refused(&repeated("{$sort: {v: 1}}, {$match: {v: 3}}", 450)), Ok(1));
    let doubling = repeated("{$set: {t: {$concat: ['$t', '$t']}}}", 30);
    let doubling =
        format!("[{{$match: {{_id: 1}}}}, {{$set: {{t: 'xxxxxxxxxxxxxxxx'}}}}, {}", doubling.trim_start_matches('['));
    assert_eq!(refused(&doubling), Err(Code::TooLarge));
    assert_eq!(refused("[{$project: {x: {$range: [0, 2000000000]}}}]"), Err(Code::MemoryLimit));
    let nested = (0..30).fold("{v: 3}".to_owned(), |inner, _| format!("{{$or: [{inner}, {{v: 99}}]}}"));
    assert_eq!(refused(&format!("[{{$match: {nested}}}]")), Ok(1));
}

#[test]
fn updates_by_pipelines() {
    let surroundings = Surroundings::default();
    let cx = surroundings.cx();
    let apply = |stages: &str| {
        let rewrite = Pipeline::parse_update(&docs(stages), &cx)?;
        rewrite.apply(crate::notation::doc("{_id: 1, a: 2, b: 3}").raw(), &cx)
    };
    let rows = [
        ("[{$set: {c: {$add: ['$a', '$b']}}}, {$unset: 'a'}]", "{_id: 1, b: 3, c: 5}"),
        ("[{$replaceWith: {x: '$a'}}]", "{x: 2}"),
        ("[]", "{_id: 1, a: 2, b: 3}"),
        ("[{$match: {}}]", "72"),
        ("[{$nope: 1}]", "40324"),
        ("[{$replaceWith: '$a'}]", "40228"),
    ];
    for (stages, expect) in rows {
        let found = match apply(stages) {
            Ok(doc) => text(ValueRef::Document(doc.raw())),
            Err(fault) => fault.number.to_string(),
        };
        assert_eq!(found, expect, "{stages}");
    }
}
