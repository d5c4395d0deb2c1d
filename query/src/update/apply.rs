//! Carries an update's tree out over a document's bytes, in one pass.
//!
//! Where the tree has no node, runs of bytes are copied; only levels that a path leads through are opened. So the cost
//! follows the paths, not the size of what they leave alone.

use storage::{DocBuilder, Element, RawArray, RawDoc, ValueRef};

use super::array::wrapped;
use super::leaf::{Leaf, Outcome};
use super::path::{bad, position};
use super::rename::Moved;
use super::tree::{Child, Choice, Elements, Fields, Node, child_named, merge};
use super::{ArrayFilter, ChangedPath, check};
use crate::cx::Cx;
use crate::error::number::PATH_NOT_VIABLE;
use crate::error::{Code, Error, Result};

/// MongoDB's number for writing too far beyond the end of an array.
const CANNOT_BACKFILL_ARRAY: i32 = 34;

/// One application of an update to one document.
pub(super) struct Applier<'a> {
    pub(super) cx: &'a Cx<'a>,
    pub(super) filters: &'a [ArrayFilter],
    /// What `$` stands for.
    pub(super) matched: Option<u32>,
    /// Is the document new, by an upsert?
    pub(super) inserting: bool,
    /// The value that each rename moves, where there is one.
    pub(super) moved: &'a [Moved<'a>],
    /// The path of the place at work.
    pub(super) path: String,
    pub(super) changed: Vec<ChangedPath>,
    /// Must the document keep the id that it has?
    pub(super) keeps_id: bool,
    /// Carry the operators out in the order of their paths instead of the document's, only to see which one fails.
    pub(super) fields_in_order: bool,
}

/// What a child stands in.
#[derive(Clone, Copy)]
enum Inside {
    Document,
    Array,
}

impl Applier<'_> {
    /// Of several faults, the one that MongoDB reports: the first in the order of paths.
    pub(super) fn first_fault(&mut self, fields: &Fields, doc: RawDoc<'_>) -> Option<Error> {
        self.fields_in_order = true;
        self.path.clear();
        self.document(fields, doc, &mut DocBuilder::new()).err()
    }

    /// Writes the fields of the document as they are afterwards.
    pub(super) fn document(&mut self, fields: &Fields, doc: RawDoc<'_>, out: &mut DocBuilder) -> Result<()> {
        let children = fields.children(self.matched, &self.path)?;
        if self.fields_in_order {
            return children
                .iter()
                .try_for_each(|(name, node)| self.child(node, name, doc.element(name), Inside::Document, out));
        }
        let mut met = vec![false; children.len()];
        let mut missing = children.len();
        let mut elements = doc.elements();
        let mut run = elements.rest();
        while missing > 0 {
            let before = elements.rest().len();
            let Some(element) = elements.next() else { break };
            let Some(place) = child_named(&children, element.name_bytes()) else { continue };
            let (Some((name, node)), Some(met)) = (children.get(place), met.get_mut(place)) else { continue };
            if std::mem::replace(met, true) {
                continue; // of repeated names only the first is meant
            }
            missing -= 1;
            copy(run, run.len() - before, out);
            run = elements.rest();
            self.child(node, name, Some(element), Inside::Document, out)?;
        }
        copy(run, run.len().saturating_sub(1), out); // all but the end mark
        for ((name, node), _) in children.iter().zip(&met).filter(|(_, met)| !**met) {
            self.child(node, name, None, Inside::Document, out)?;
        }
        Ok(())
    }

    /// Writes the elements of an array as they are afterwards; fields are positions.
    fn positions(&mut self, fields: &Fields, array: RawArray<'_>, out: &mut DocBuilder) -> Result<()> {
        let children = fields.children(self.matched, &self.path)?;
        if self.fields_in_order {
            return self.positions_in_order(&children, array);
        }
        let mut wanted = self.by_position(&children, array)?.into_iter().peekable();
        let mut count = 0u32;
        for element in array.elements() {
            match wanted.next_if(|(position, _)| *position == count) {
                Some((_, node)) => self.child(node, &count.to_string(), Some(element), Inside::Array, out)?,
                None => out.put_element(element),
            }
            count += 1;
        }
        for (position, node) in wanted {
            if self.creates(node)? {
                self.fill(count, position, out)?;
                self.child(node, &position.to_string(), None, Inside::Array, out)?;
                count = position.saturating_add(1);
            }
        }
        Ok(())
    }

    fn positions_in_order(&mut self, children: &[Child], array: RawArray<'_>) -> Result<()> {
        let len = u32::try_from(array.len()).unwrap_or(u32::MAX);
        for (name, node) in children {
            let Some(position) = position(name) else {
                self.dead_end(node, ValueRef::Array(array))?;
                continue;
            };
            if position >= len && self.creates(node)? {
                self.fill(len, position, &mut DocBuilder::new())?;
            }
            let element = array.elements().nth(usize::try_from(position).unwrap_or(usize::MAX));
            self.child(node, name, element, Inside::Array, &mut DocBuilder::new())?;
        }
        Ok(())
    }

    /// The children by rising position. Names that are no positions fail, unless their operators do nothing then.
    fn by_position<'n>(&self, children: &'n [Child], array: RawArray<'_>) -> Result<Vec<(u32, &'n Node)>> {
        let mut wanted = Vec::with_capacity(children.len());
        for (name, node) in children {
            match position(name) {
                Some(position) => wanted.push((position, node)),
                None => self.dead_end(node, ValueRef::Array(array))?,
            }
        }
        wanted.sort_by_key(|(position, _)| *position);
        Ok(wanted)
    }

    /// Pads an array with null up to a position.
    fn fill(&self, from: u32, to: u32, out: &mut DocBuilder) -> Result<()> {
        let most = self.cx.limits.array_fill_max;
        if u64::from(to.saturating_sub(from)) > most {
            let message =
                format!("an update cannot add more than {most} elements by writing beyond the end of an array");
            return Err(Error::mongo(CANNOT_BACKFILL_ARRAY, message).with_code(Code::TooLarge));
        }
        for position in from..to {
            out.put(&position.to_string(), ValueRef::Null);
        }
        Ok(())
    }

    /// Writes the elements of an array as they are afterwards; each choice says which elements it means.
    fn choices(&mut self, elements: &Elements, array: RawArray<'_>, out: &mut DocBuilder) -> Result<()> {
        for (position, element) in array.elements().enumerate() {
            self.cx.tick()?;
            let name = position.to_string();
            let mut merged: Option<Node> = None;
            let mut chosen: Option<&Node> = None;
            for (choice, node) in &elements.children {
                if !self.means(*choice, element.value())? {
                    continue;
                }
                match merged.as_ref().or(chosen) {
                    None => chosen = Some(node),
                    Some(other) => merged = Some(merge(other, node, &format!("{}.{name}", self.path))?),
                }
            }
            match merged.as_ref().or(chosen) {
                Some(node) => self.child(node, &name, Some(element), Inside::Array, out)?,
                None => out.put_element(element),
            }
        }
        Ok(())
    }

    fn means(&self, choice: Choice, element: ValueRef<'_>) -> Result<bool> {
        let Choice::Filter(place) = choice else { return Ok(true) };
        match self.filters.get(place) {
            Some(filter) => filter.filter.matches(wrapped(&filter.name, element).raw(), self.cx),
            None => Ok(false),
        }
    }

    /// Writes one child as it is afterwards, if it is there then.
    fn child(
        &mut self,
        node: &Node,
        name: &str,
        element: Option<Element<'_>>,
        inside: Inside,
        out: &mut DocBuilder,
    ) -> Result<()> {
        let outer = self.path.len();
        if outer > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        match (node, element.map(Element::value)) {
            (Node::Leaf(leaf), _) => self.leaf(leaf, name, element, inside, out)?,
            (Node::Fields(fields), Some(ValueRef::Document(doc))) => {
                let open = out.open_document(name);
                self.document(fields, doc, out)?;
                out.close(open);
            }
            (Node::Fields(fields), Some(ValueRef::Array(array))) => {
                let open = out.open_array(name);
                self.positions(fields, array, out)?;
                out.close(open);
            }
            (Node::Fields(_), Some(other)) => {
                self.dead_end(node, other)?;
                element.into_iter().for_each(|element| out.put_element(element));
            }
            (Node::Fields(fields), None) => {
                if self.creates(node)? {
                    let open = out.open_document(name);
                    self.document(fields, RawDoc::empty(), out)?;
                    out.close(open);
                }
            }
            (Node::Elements(elements), Some(ValueRef::Array(array))) => {
                let open = out.open_array(name);
                self.choices(elements, array, out)?;
                out.close(open);
            }
            (Node::Elements(_), value) => return Err(self.no_array(value)),
        }
        self.path.truncate(outer);
        Ok(())
    }

    fn leaf(
        &mut self,
        leaf: &Leaf,
        name: &str,
        element: Option<Element<'_>>,
        inside: Inside,
        out: &mut DocBuilder,
    ) -> Result<()> {
        let value = element.map(Element::value);
        match (leaf.apply(value, &self.path, self.inserting, self.moved, self.cx)?, inside) {
            (Outcome::Keep, _) => element.into_iter().for_each(|element| out.put_element(element)),
            (Outcome::Remove, Inside::Document) => self.note(true)?,
            (Outcome::Remove, Inside::Array) => {
                out.put(name, ValueRef::Null);
                self.note(false)?;
            }
            (Outcome::Rewrite(value), _) => {
                out.put(name, value.as_ref());
                self.note(false)?;
            }
            (Outcome::Write(value), _) => {
                let start = out.len() + 1 + name.len() + 1;
                out.put(name, value.as_ref());
                let written = out.buffer().get(start..);
                let same = element.is_some_and(|element| {
                    element.kind() == value.as_ref().kind() && Some(element.value_bytes()) == written
                });
                if !same {
                    self.note(false)?;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, removed: bool) -> Result<()> {
        let head = self.path.split('.').next().unwrap_or_default();
        if self.keeps_id && head == "_id" {
            return Err(check::immutable_id());
        }
        if !removed && !self.inserting {
            check::top_name(head)?;
        }
        self.changed.push(ChangedPath { path: self.path.clone(), removed });
        Ok(())
    }

    /// Does anything come to be where nothing is?
    fn creates(&self, node: &Node) -> Result<bool> {
        match node {
            Node::Leaf(leaf) => Ok(leaf.creates(self.inserting, self.moved)),
            Node::Fields(fields) => {
                let mut creates = false;
                for node in fields.nodes(self.matched)? {
                    creates |= self.creates(node)?;
                }
                Ok(creates)
            }
            Node::Elements(_) => Err(self.no_array(None)),
        }
    }

    /// The path goes on through a value that has no such fields: a fault, unless the operators do nothing then.
    fn dead_end(&self, node: &Node, value: ValueRef<'_>) -> Result<()> {
        match node {
            Node::Leaf(leaf) if leaf.tolerates_dead_ends(self.inserting, self.moved) => Ok(()),
            Node::Leaf(Leaf::RenameTo(place)) if matches!(self.moved.get(*place), Some(Err(_))) => {
                self.moved.get(*place).cloned().transpose().map(drop)
            }
            Node::Leaf(_) => {
                let kind = value.kind().name();
                let message = format!(
                    "an update path leads through {:?}, a value of type {kind}, which has no such field",
                    self.path
                );
                Err(Error::mongo(PATH_NOT_VIABLE, message))
            }
            Node::Fields(fields) => fields.nodes(self.matched)?.try_for_each(|node| self.dead_end(node, value)),
            Node::Elements(_) => Err(self.no_array(None)),
        }
    }

    fn no_array(&self, value: Option<ValueRef<'_>>) -> Error {
        match value {
            None => bad(format!("{:?} must be an array for $[] to work on, but it does not exist", self.path)),
            Some(other) => {
                bad(format!("{:?} must be an array for $[] to work on, found type {}", self.path, other.kind().name()))
            }
        }
    }
}

fn copy(run: &[u8], len: usize, out: &mut DocBuilder) {
    out.buffer().extend_from_slice(run.get(..len).unwrap_or_default());
}
