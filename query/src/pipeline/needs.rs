//! What stages read of the documents that enter them, so that no more of those has to be fetched.

use storage::Path;

use super::Stage;
use crate::expr::accumulate::Accumulator;
use crate::expr::{Expr, FieldPath};
use crate::sort::{Meta, Sort, SortBy};

/// The paths that are read so far.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    paths: Vec<Path>,
    all: bool,
}

impl Needs {
    /// The paths whose values are enough for these stages; `None` where the whole documents are needed.
    pub fn of(stages: &[Stage]) -> Option<Vec<Path>> {
        let mut need = Needs::default();
        need.stages(stages);
        (!need.all).then_some(need.paths)
    }

    /// Notes what a chain of stages reads, and all where its documents come out at the end.
    pub fn stages(&mut self, stages: &[Stage]) {
        let ends = stages.iter().any(|stage| stage.needs(self) || self.all);
        self.all |= !ends;
    }

    pub fn path(&mut self, path: &Path) {
        if !self.paths.contains(path) {
            self.paths.push(path.clone());
        }
    }

    pub fn expr(&mut self, expr: &Expr) {
        expr.fields(&mut |field| self.path_or_all(field.map(FieldPath::as_path)));
        expr.metas(&mut |meta| self.all |= meta == Meta::IndexKey);
    }

    pub fn accumulators(&mut self, fields: &[(Box<str>, Accumulator)]) {
        fields.iter().for_each(|(_, accumulator)| self.accumulator(accumulator));
    }

    pub fn accumulator(&mut self, accumulator: &Accumulator) {
        self.expr(&accumulator.input);
        self.order(&accumulator.order);
    }

    pub fn order(&mut self, order: &Sort) {
        for field in &order.fields {
            if let SortBy::Path(path) = &field.by {
                self.path(path);
            }
        }
    }

    /// Notes the whole document.
    pub const fn all(&mut self) {
        self.all = true;
    }

    fn path_or_all(&mut self, path: Option<&Path>) {
        match path {
            Some(path) => self.path(path),
            None => self.all(),
        }
    }
}

impl Stage {
    /// Notes what the stage reads; true where nothing else of its input comes through.
    fn needs(&self, need: &mut Needs) -> bool {
        match self {
            Stage::Match(stage) => stage.filter.paths(&mut |path| need.path_or_all(path)),
            Stage::Reshape(stage) => return stage.needs(need),
            Stage::Group(stage) => {
                stage.needs(need);
                return true;
            }
            Stage::BucketAuto(stage) => {
                stage.needs(need);
                return true;
            }
            Stage::Facet(stage) => {
                stage.needs(need);
                return true;
            }
            Stage::Sort(stage) => need.order(&stage.order),
            Stage::Unwind(stage) => stage.needs(need),
            Stage::Lookup(stage) => stage.needs(need),
            Stage::Window(stage) => stage.needs(need),
            Stage::Densify(stage) => stage.needs(need),
            Stage::GraphLookup(stage) => stage.needs(need),
            Stage::Skip(_) | Stage::Limit(_) | Stage::Sample(_) | Stage::Union(_) => {}
            Stage::Redact(_)
            | Stage::Documents(_)
            | Stage::Stats(_)
            | Stage::GeoNear(_)
            | Stage::Out(_)
            | Stage::Merge(_) => need.all(),
        }
        false
    }
}
