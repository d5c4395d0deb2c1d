//! Commands that CloudBase's SDKs forget to encode inside of `elemMatch` and `all`: trees of
//! `{operator, operands, fieldName}` instead of operators. They are rewritten as what their author meant.

use storage::{Doc, DocBuilder, Kind, RawArray, RawDoc, ValueRef};

use super::parse::bad;
use crate::error::Result;

/// Most alternatives that one tree may come to once its `and` and `or` are multiplied out.
const BRANCHES_MAX: usize = 64;
/// Deepest nesting of commands.
const DEPTH_MAX: usize = 16;

/// The commands whose name differs from the operator's, or whose operands form the operator's array.
const COMMANDS: &[(&str, &str, Operands)] = &[
    ("eq", "$eq", Operands::First),
    ("neq", "$ne", Operands::First),
    ("ne", "$ne", Operands::First),
    ("gt", "$gt", Operands::First),
    ("gte", "$gte", Operands::First),
    ("lt", "$lt", Operands::First),
    ("lte", "$lte", Operands::First),
    ("in", "$in", Operands::Every),
    ("nin", "$nin", Operands::Every),
    ("all", "$all", Operands::Every),
    ("exists", "$exists", Operands::First),
    ("size", "$size", Operands::First),
    ("mod", "$mod", Operands::First),
    ("elemMatch", "$elemMatch", Operands::First),
];

/// How a command's operands become the operator's operand.
#[derive(Clone, Copy)]
enum Operands {
    First,
    Every,
}

/// The operator documents, any of which may hold, that a leaked tree stands for; `None` where it is no such tree.
pub(super) fn branches(doc: RawDoc<'_>) -> Result<Option<Vec<Doc>>> {
    match Command::read(doc) {
        Some(command) => expand(command, 0).map(Some),
        None => Ok(None),
    }
}

#[derive(Clone, Copy)]
struct Command<'d> {
    operator: &'d str,
    operands: RawArray<'d>,
}

impl<'d> Command<'d> {
    /// Recognises the exact shape, so that data is not mistaken for a command.
    fn read(doc: RawDoc<'d>) -> Option<Command<'d>> {
        let mut fields = doc.iter();
        let (("operator", ValueRef::String(operator)), ("operands", ValueRef::Array(operands))) =
            (fields.next()?, fields.next()?)
        else {
            return None;
        };
        let ("fieldName", field) = fields.next()? else { return None };
        let known =
            COMMANDS.iter().any(|(name, ..)| *name == operator) || matches!(operator, "and" | "or" | "nor" | "not");
        let shaped = matches!(field.kind(), Kind::Document | Kind::String) && fields.next().is_none();
        (known && shaped).then_some(Command { operator, operands })
    }

    fn inner(self) -> Result<Vec<Command<'d>>> {
        let inner = self.operands.iter().map(|operand| operand.as_doc().and_then(Command::read));
        inner.collect::<Option<_>>().ok_or_else(|| bad(format!("the operands of `{}` must be commands", self.operator)))
    }
}

fn expand(command: Command<'_>, depth: usize) -> Result<Vec<Doc>> {
    if depth > DEPTH_MAX {
        return Err(bad("commands are nested too deeply"));
    }
    let branches = match command.operator {
        "or" => {
            let inner = command.inner()?.into_iter().map(|inner| expand(inner, depth + 1));
            inner.collect::<Result<Vec<_>>>()?.concat()
        }
        "and" => {
            let mut product = vec![Doc::empty()];
            for inner in command.inner()? {
                product = multiply(&product, &expand(inner, depth + 1)?)?;
            }
            product
        }
        "not" | "nor" => vec![negate(command, depth)?],
        _ => vec![leaf(command)?],
    };
    match branches.len() {
        0..=BRANCHES_MAX => Ok(branches),
        _ => Err(bad("a command offers too many alternatives")),
    }
}

fn multiply(left: &[Doc], right: &[Doc]) -> Result<Vec<Doc>> {
    if left.len() * right.len() > BRANCHES_MAX {
        return Err(bad("a command offers too many alternatives"));
    }
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a, b)));
    Ok(pairs.map(|(a, b)| joined([a.raw(), b.raw()])).collect())
}

fn joined<'d>(docs: impl IntoIterator<Item = RawDoc<'d>>) -> Doc {
    let mut builder = DocBuilder::new();
    docs.into_iter().flat_map(RawDoc::elements).for_each(|element| builder.put_element(element));
    builder.finish()
}

/// No branch of any operand holds.
fn negate(command: Command<'_>, depth: usize) -> Result<Doc> {
    let mut builder = DocBuilder::new();
    for inner in command.inner()? {
        for branch in expand(inner, depth + 1)? {
            builder.put("$not", ValueRef::Document(branch.raw()));
        }
    }
    Ok(builder.finish())
}

fn leaf(command: Command<'_>) -> Result<Doc> {
    let (_, operator, operands) = COMMANDS
        .iter()
        .find(|(name, ..)| *name == command.operator)
        .ok_or_else(|| bad(format!("unknown command `{}`", command.operator)))?;
    let mut builder = DocBuilder::new();
    match operands {
        Operands::First => {
            let first = command.operands.iter().next();
            builder.put(operator, first.ok_or_else(|| bad(format!("`{}` needs an operand", command.operator)))?);
        }
        Operands::Every => builder.put(operator, ValueRef::Array(command.operands)),
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::ArrayBuilder;

    fn command(operator: &str, operands: &[ValueRef<'_>]) -> Doc {
        let mut array = ArrayBuilder::new();
        operands.iter().for_each(|operand| array.push(*operand));
        let mut builder = DocBuilder::new();
        builder.put("operator", ValueRef::String(operator));
        builder.put("operands", ValueRef::Array(array.finish().raw()));
        builder.put("fieldName", ValueRef::Document(RawDoc::empty()));
        builder.finish()
    }

    #[test]
    fn conjunctions_become_one_document_and_alternatives_several() {
        let (low, high) = (command("gt", &[ValueRef::Int32(1)]), command("lt", &[ValueRef::Int32(5)]));
        let both = command("and", &[ValueRef::Document(low.raw()), ValueRef::Document(high.raw())]);
        let either = command("or", &[ValueRef::Document(low.raw()), ValueRef::Document(high.raw())]);
        let shown = |doc: &Doc| format!("{:?}", branches(doc.raw()).expect("a tree"));
        assert_eq!(shown(&both), r#"Some([{"$gt": Int32(1), "$lt": Int32(5)}])"#);
        assert_eq!(shown(&either), r#"Some([{"$gt": Int32(1)}, {"$lt": Int32(5)}])"#);
    }

    #[test]
    fn data_of_similar_shape_is_left_alone() {
        let unknown = command("telephone", &[]);
        assert!(branches(unknown.raw()).expect("data").is_none());
        assert!(branches(RawDoc::empty()).expect("data").is_none());
    }
}
