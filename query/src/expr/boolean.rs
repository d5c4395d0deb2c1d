//! Truth and choice: `$and`, `$or`, `$not`, `$cond`, `$ifNull`, `$switch`. They compute only what decides.

use storage::ValueRef;

use super::call::{Algebra, Call, Named, Op, Shape};
use super::read::Reading;
use super::{Computed, Env, Expr};
use crate::error::{Error, Result};

pub(super) const OPS: &[Op] = &[
    Op::new("$and", Shape::Any, and, "does every argument count as true?").algebra(Algebra::All),
    Op::new("$cond", Shape::Own(read_cond), cond, "the second argument if the first counts as true, else the third"),
    Op::new(
        "$ifNull",
        Shape::Own(read_if_null),
        if_null,
        "the first argument that is not null or missing, else the last",
    ),
    Op::new("$not", Shape::Fixed(1), not, "does the argument count as false?"),
    Op::new("$or", Shape::Any, or, "does any argument count as true?").algebra(Algebra::Any),
    Op::new("$switch", Shape::Own(read_switch), switch, "the value of the first branch whose case counts as true")
        .since(34),
];

fn and<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    for arg in call.args() {
        if !arg.compute(env)?.is_true() {
            return Ok(false.into());
        }
    }
    Ok(true.into())
}

fn or<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    for arg in call.args() {
        if arg.compute(env)?.is_true() {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

fn not<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok((!call.arg(0, env)?.is_true()).into())
}

const COND: Named = Named {
    not_document: 16020,
    unknown: 17083,
    names: &[("if", Some(17080)), ("then", Some(17081)), ("else", Some(17082))],
};

fn read_cond(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    match value {
        ValueRef::Document(_) => reading.named(op, value, &COND),
        _ => reading.positional(op, value, 3, 3),
    }
}

fn cond<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let chosen = if call.arg(0, env)?.is_true() { 1 } else { 2 };
    call.arg(chosen, env)
}

fn read_if_null(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let count = value.as_array().map_or(1, storage::RawArray::len);
    if count < 2 {
        return Err(Error::mongo(1_257_300, format!("$ifNull takes at least two arguments, but {count} were given")));
    }
    reading.positional(op, value, 2, usize::MAX)
}

fn if_null<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let mut last = Computed::Missing;
    for arg in call.args() {
        last = arg.compute(env)?;
        if !last.is_nullish() {
            return Ok(last);
        }
    }
    Ok(last)
}

/// The arguments of the call are case, then, case, then … and at last the default or nothing.
fn read_switch(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let fault = |number, what: &str| Error::mongo(number, format!("$switch {what}"));
    let doc = value.as_doc().ok_or_else(|| fault(40060, "takes a document"))?;
    let (mut branches, mut default) = (Vec::new(), Expr::absent());
    for (name, value) in doc.iter() {
        match name {
            "branches" => {
                let array = value.as_array().ok_or_else(|| fault(40061, "takes an array of branches"))?;
                for branch in array.iter() {
                    branches.extend(read_branch(branch, reading)?);
                }
            }
            "default" => default = reading.expr(value)?,
            other => return Err(fault(40067, &format!("knows no argument '{other}'"))),
        }
    }
    if branches.is_empty() {
        return Err(fault(40068, "needs at least one branch"));
    }
    Ok(decide(op, branches, default, reading))
}

fn read_branch(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<[Expr; 2]> {
    let fault = |number, what: &str| Error::mongo(number, format!("a branch of $switch {what}"));
    let doc = value.as_doc().ok_or_else(|| fault(40062, "must be a document"))?;
    let (mut case, mut then) = (None, None);
    for (name, value) in doc.iter() {
        match name {
            "case" => case = Some(reading.expr(value)?),
            "then" => then = Some(reading.expr(value)?),
            other => return Err(fault(40063, &format!("knows no argument '{other}'"))),
        }
    }
    let case = case.ok_or_else(|| fault(40064, "needs a 'case'"))?;
    Ok([case, then.ok_or_else(|| fault(40065, "needs a 'then'"))?])
}

/// Leaves out branches that are never taken, and all after one that always is.
fn decide(op: &'static Op, branches: Vec<Expr>, default: Expr, reading: &Reading<'_>) -> Expr {
    let mut kept = Vec::new();
    let mut branches = branches.into_iter();
    let mut default = default;
    while let (Some(case), Some(then)) = (branches.next(), branches.next()) {
        match case.as_constant() {
            Some(value) if value.as_ref().is_some_and(|value| super::computed::truth(value.as_ref())) => {
                default = then;
                break;
            }
            Some(_) => {}
            None => kept.extend([case, then]),
        }
    }
    if kept.is_empty() {
        if default.is_absent() {
            reading.note(Error::mongo(40069, "$switch: no case can be true and there is no default"));
        }
        return default;
    }
    kept.push(default);
    reading.call(Call::new(op, kept))
}

fn switch<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let mut args = call.args().iter();
    while let Some(case) = args.next() {
        let Some(then) = args.next() else {
            if case.is_absent() {
                return Err(Error::mongo(40066, "$switch: no case is true and there is no default; add one"));
            }
            return case.compute(env);
        };
        if case.compute(env)?.is_true() {
            return then.compute(env);
        }
    }
    Ok(Computed::Missing)
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::{check, check_over};

    #[test]
    fn truth() {
        check(&[
            ("{$and: []}", "true"),
            ("{$or: []}", "false"),
            ("{$and: [1, 'a', []]}", "true"),
            ("{$or: [0, null, '$a']}", "false"),
            ("{$not: [[]]}", "false"),
            ("{$not: NaN}", "false"),
        ]);
    }

    #[test]
    fn only_what_decides_is_computed() {
        let rows = [
            ("{$and: ['$zero', {$divide: [1, '$zero']}]}", "false"),
            ("{$and: [{$divide: [1, '$zero']}, 0]}", "false"),
            ("{$or: [{$divide: [1, '$zero']}, 1]}", "true"),
            ("{$and: [1, {$divide: [1, '$zero']}]}", "2"),
            ("{$cond: ['$zero', {$divide: [1, '$zero']}, 7]}", "7"),
            ("{$ifNull: ['$a', null, 5, {$divide: [1, '$zero']}]}", "5"),
            (
                "{$switch: {branches: [{case: '$zero', then: 1}, {case: 1, then: 2}, {case: {$divide: [1, 0]}, then: 3}]}}",
                "2",
            ),
        ];
        check_over("{zero: 0}", &rows);
    }

    #[test]
    fn shapes() {
        check(&[
            ("{$cond: {if: 1, then: 2}}", "17082"),
            ("{$cond: {$eq: [1, 1]}}", "17083"),
            ("{$cond: [1, 2]}", "16020"),
            ("{$ifNull: 1}", "1257300"),
            ("{$ifNull: ['$a', '$b']}", "missing"),
            ("{$switch: 1}", "40060"),
            ("{$switch: {branches: 1}}", "40061"),
            ("{$switch: {branches: [1]}}", "40062"),
            ("{$switch: {branches: [{case: 1, then: 1, x: 1}]}}", "40063"),
            ("{$switch: {branches: [{then: 1}]}}", "40064"),
            ("{$switch: {branches: [{case: 1}]}}", "40065"),
            ("{$switch: {branches: [{case: '$a', then: 1}]}}", "40066"),
            ("{$switch: {x: 1}}", "40067"),
            ("{$switch: {default: 9}}", "40068"),
            ("{$switch: {branches: [{case: 0, then: 1}]}}", "40069"),
        ]);
    }
}
