//! Pipelines that change a document: those of an update.

use storage::{Doc, RawDoc};

use super::{Pipeline, Stage, stage_of};
use crate::cx::Cx;
use crate::error::{Code, Error, Result, number};
use crate::expr::{Late, Reading};

/// The stages that may change a document.
const ALLOWED: [&str; 6] = ["$addFields", "$project", "$replaceRoot", "$replaceWith", "$set", "$unset"];

/// A pipeline that turns one document into another one.
#[derive(Clone, Debug)]
pub struct Rewrite(Vec<super::reshape::Reshape>);

impl Pipeline {
    /// Reads the pipeline of an update: an array of `$set`, `$unset`, `$replaceWith` and their older names.
    ///
    /// # Errors
    /// 72 for any other stage; else as [`Pipeline::parse`].
    pub fn parse_update(stages: &[Doc], cx: &Cx<'_>) -> Result<Rewrite> {
        let late = Late::default();
        let reading = Reading::new(cx, &late);
        super::check_count(stages.len(), cx)?;
        let mut rewrite = Vec::new();
        for stage in stages {
            let (op, value) = stage_of(stage.raw(), cx)?;
            if !ALLOWED.contains(&op.name) {
                let message = format!("{} cannot stand in an update; its stages are {}", op.name, ALLOWED.join(", "));
                return Err(Error::mongo(number::INVALID_OPTIONS, message).with_code(Code::InvalidOperator));
            }
            for stage in (op.read)(value, &reading)? {
                if let Stage::Reshape(reshape) = stage {
                    rewrite.push(reshape);
                }
            }
        }
        late.check()?;
        Ok(Rewrite(rewrite))
    }
}

impl Rewrite {
    /// The document that one becomes. Nothing is done about `_id`: it may be missing or another one.
    ///
    /// # Errors
    /// Faults of expressions; 40228 where the new root is no document; `TooLarge` beyond 16 MiB.
    pub fn apply(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Doc> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(doc.to_doc()) };
        rest.iter().try_fold(first.apply(doc, cx)?, |doc, stage| stage.apply(doc.raw(), cx))
    }
}
