//! `$rename`: where a value comes from and where it may go.

use storage::{Path, RawDoc, ValueRef};

use super::path::{bad, check_static, position, steps};
use crate::error::number::{IMMUTABLE_FIELD, PATH_NOT_VIABLE};
use crate::error::{Error, Result};

/// The value that a rename moves, where there is one, or why it cannot be moved.
pub(super) type Moved<'d> = Result<Option<ValueRef<'d>>>;

/// One move of a value.
#[derive(Clone, Debug)]
pub(super) struct Rename {
    from: Path,
    to: Path,
}

impl Rename {
    /// Reads one pair of `$rename`.
    pub(super) fn read(from: &str, to: ValueRef<'_>) -> Result<Rename> {
        let ValueRef::String(to) = to else {
            return Err(bad(format!("$rename needs a path to rename {from:?} to, found type {}", to.kind().name())));
        };
        if to.contains('\0') {
            return Err(bad("the target path of $rename must not contain a NUL character"));
        }
        steps(to)?;
        check_static(from)?;
        check_static(to)?;
        let rename = Rename { from: Path::new(from), to: Path::new(to) };
        if rename.from.starts_with(&rename.to) || rename.to.starts_with(&rename.from) {
            return Err(bad(format!("$rename needs two paths apart from each other, found {from:?} and {to:?}")));
        }
        Ok(rename)
    }

    pub(super) fn to(&self) -> &str {
        self.to.as_str()
    }

    /// The value to be moved, if there is one.
    ///
    /// # Errors
    /// 28 where the source path leads through a value without fields; 2 where either path leads through an array.
    pub(super) fn source<'d>(&self, doc: RawDoc<'d>) -> Moved<'d> {
        let mut value = ValueRef::Document(doc);
        let mut through_array = false;
        for part in self.from.parts() {
            let next = match value {
                ValueRef::Document(doc) => doc.get(part.name()),
                ValueRef::Array(array) => {
                    through_array = true;
                    let position = position(part.name()).ok_or_else(|| not_viable(&self.from))?;
                    usize::try_from(position).ok().and_then(|position| array.get(position))
                }
                _ => return Err(not_viable(&self.from)),
            };
            let Some(next) = next else { return Ok(None) };
            value = next;
        }
        if through_array || leads_through_array(&self.to, doc) {
            return Err(bad(format!("$rename cannot move array elements: {:?} to {:?}", self.from, self.to)));
        }
        if doc.get("_id").is_some() && [&self.from, &self.to].iter().any(|path| path.head() == "_id") {
            return Err(Error::mongo(IMMUTABLE_FIELD, "$rename cannot change `_id`"));
        }
        Ok(Some(value))
    }
}

fn leads_through_array(path: &Path, doc: RawDoc<'_>) -> bool {
    let mut doc = doc;
    let Some((_, way)) = path.parts().split_last() else { return false };
    for part in way {
        match doc.get(part.name()) {
            Some(ValueRef::Document(inner)) => doc = inner,
            Some(ValueRef::Array(_)) => return true,
            _ => return false,
        }
    }
    false
}

fn not_viable(path: &Path) -> Error {
    Error::mongo(PATH_NOT_VIABLE, format!("the source path {path} of $rename leads through a value without fields"))
}
