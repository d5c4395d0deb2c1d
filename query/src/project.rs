//! Projections: which parts of a document an answer shows, and what is computed into it.
//!
//! One tree serves `find`, `$project`, `$unset` and `$addFields`. It is read once; applying it copies untouched parts
//! byte by byte. The positional `$` needs to know which array element the filter matched, so that is an argument.
//!
//! ```ignore
//! let projection = Projection::parse(doc, &cx)?;                // {title: 1, tags: {$slice: 3}}
//! let shown = projection.apply(doc.raw(), matched.position, &cx)?;
//! ```

mod apply;
mod read;

pub use read::PROJECTION_OPERATORS;

use storage::RawDoc;

use crate::cx::Cx;
use crate::error::Result;
use crate::expr::{Expr, FieldPath, Late, Reading};
use crate::filter::Filter;
use crate::sort::Meta;

/// A projection, ready to apply.
#[derive(Clone, Debug)]
pub struct Projection {
    mode: Mode,
    root: Branch,
    /// What happens to arrays after the rest, for `find` only.
    after: Vec<After>,
}

/// What becomes of fields that the projection does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// They are left out.
    Include,
    /// They stay.
    Exclude,
    /// They stay, and computed fields take the place of those of their name.
    Add,
}

/// Fields by name, in the order in which they were written.
#[derive(Clone, Debug, Default)]
struct Branch {
    fields: Vec<(Box<str>, Leaf)>,
    /// Is anything below computed?
    computes: bool,
}

#[derive(Clone, Debug)]
enum Leaf {
    Keep,
    Drop,
    Compute(Expr),
    ElemMatch(Filter),
    Branch(Branch),
}

/// A cut through arrays of the finished document.
#[derive(Clone, Debug)]
enum After {
    /// Some elements of the array at a path.
    Slice { path: FieldPath, skip: Option<i64>, limit: i64 },
    /// The element that the filter matched, of the first array on the path.
    Position { path: FieldPath },
}

impl Projection {
    /// Reads the projection of a `find`.
    ///
    /// # Errors
    /// MongoDB's numbers: 31249 and 31250 for paths that collide, 31253 and 31254 for inclusions among exclusions, those
    /// of expressions and paths.
    pub fn parse(doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Projection> {
        let late = Late::default();
        let projection = read::find(doc, &Reading::new(cx, &late))?;
        late.check()?;
        Ok(projection)
    }

    /// Reads the argument of `$project`.
    pub(crate) fn of_stage(doc: RawDoc<'_>, reading: &Reading<'_>) -> Result<Projection> {
        read::stage(doc, reading)
    }

    /// Reads the argument of `$addFields`.
    pub(crate) fn adding(doc: RawDoc<'_>, reading: &Reading<'_>) -> Result<Projection> {
        read::adding(doc, reading)
    }

    /// Leaves out the fields at these paths.
    pub(crate) fn without<'p>(paths: impl IntoIterator<Item = &'p str>) -> Result<Projection> {
        read::without(paths)
    }

    /// Does applying it need the position of the array element that the filter matched?
    pub fn needs_position(&self) -> bool {
        self.after.iter().any(|after| matches!(after, After::Position { .. }))
    }

    /// Calls `used` with what must have been found out about each document.
    pub fn metas(&self, used: &mut dyn FnMut(Meta)) {
        self.root.exprs(&mut |expr| expr.metas(used));
    }

    /// The paths that are enough to apply it; `None` where the whole document is.
    pub fn needs(&self) -> Option<Vec<String>> {
        if self.mode != Mode::Include {
            return None;
        }
        let mut paths = Vec::new();
        self.root.needs("", &mut paths).then_some(paths)
    }

    /// Is a top field the same before and after?
    pub(crate) fn keeps(&self, name: &str) -> bool {
        let named = self.root.get(name.as_bytes());
        match self.mode {
            Mode::Include => matches!(named, Some((_, Leaf::Keep))),
            Mode::Exclude | Mode::Add => named.is_none(),
        }
    }

    /// Calls `each` with every computed expression.
    pub(crate) fn exprs(&self, each: &mut dyn FnMut(&Expr)) {
        self.root.exprs(each);
    }

    /// Does it leave out whatever it does not name?
    pub(crate) fn selects(&self) -> bool {
        self.mode == Mode::Include
    }

    /// The document as the projection shows it. `position` is that of the array element that the filter matched.
    ///
    /// # Errors
    /// 51246 where a positional projection has no position; those of computed fields; `TooLarge` beyond 16 MiB.
    pub fn apply(&self, doc: RawDoc<'_>, position: Option<u32>, cx: &Cx<'_>) -> Result<storage::Doc> {
        apply::projected(self, doc, position, cx)
    }
}

impl Branch {
    fn get(&self, name: &[u8]) -> Option<(usize, &Leaf)> {
        let found = self.fields.iter().position(|(known, _)| known.as_bytes() == name)?;
        self.fields.get(found).map(|(_, leaf)| (found, leaf))
    }

    fn exprs(&self, each: &mut dyn FnMut(&Expr)) {
        for (_, leaf) in &self.fields {
            match leaf {
                Leaf::Compute(expr) => each(expr),
                Leaf::Branch(branch) => branch.exprs(each),
                Leaf::Keep | Leaf::Drop | Leaf::ElemMatch(_) => {}
            }
        }
    }

    /// Collects the paths that it reads; false where that is the whole document.
    fn needs(&self, prefix: &str, paths: &mut Vec<String>) -> bool {
        self.fields.iter().all(|(name, leaf)| {
            let path = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
            match leaf {
                Leaf::Keep | Leaf::ElemMatch(_) => paths.push(path),
                Leaf::Drop => {}
                Leaf::Branch(branch) => return branch.needs(&path, paths),
                Leaf::Compute(expr) => {
                    let mut known = true;
                    expr.fields(&mut |field| match field {
                        Some(field) => paths.push(field.as_str().to_owned()),
                        None => known = false,
                    });
                    paths.push(path);
                    return known;
                }
            }
            true
        })
    }
}

#[cfg(test)]
mod tests;
