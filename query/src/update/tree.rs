//! An update's operators as a tree that mirrors the document: one node per part of a path, one leaf per operator.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::leaf::Leaf;
use super::path::{Step, bad, position, steps};
use crate::error::{Error, Result, number::CONFLICTING_UPDATE_OPERATORS};

/// What happens at a place of the document.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf(Leaf),
    Fields(Fields),
    Elements(Elements),
}

/// A field with what happens to it.
pub(super) type Child = (Box<str>, Node);

/// What happens to the fields of a document, or to array elements by position.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    children: Vec<Child>,
    /// What happens at the position that the filter found.
    matched: Option<Box<Node>>,
}

/// What happens to array elements, all of them or those that an array filter meets.
#[derive(Clone, Debug, Default)]
pub(super) struct Elements {
    pub(super) children: Vec<(Choice, Node)>,
}

/// Which elements of an array are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Every,
    /// Those that the array filter at this place of the list meets.
    Filter(usize),
}

impl Fields {
    /// Adds what happens at a path. `filters` gives the place of an array filter by its name.
    ///
    /// # Errors
    /// 40 where another operator is at work on the same path, on the way to it or below it; faults of the path.
    pub(super) fn add(&mut self, path: &str, leaf: Leaf, filters: &mut dyn FnMut(&str) -> Result<usize>) -> Result<()> {
        let steps = steps(path)?;
        let conflict = |depth: usize| {
            let at = path.split('.').take(depth).collect::<Vec<_>>().join(".");
            Error::mongo(
                CONFLICTING_UPDATE_OPERATORS,
                format!(
                    "updating the path {path:?} conflicts with another operator at {at:?}; use one operator per path"
                ),
            )
        };
        let mut fields = self;
        let mut rest = steps.as_slice();
        let mut elements: &mut Elements;
        loop {
            // A run of names ends at a leaf or at a choice of elements.
            let depth = steps.len() - rest.len();
            let Some((step, after)) = rest.split_first() else { return Err(conflict(depth)) };
            let node = fields.entry(step, Shape::of(after)).ok_or_else(|| conflict(depth + 1))?;
            rest = after;
            match node {
                Slot::Leaf(place) => {
                    *place = Node::Leaf(leaf);
                    return Ok(());
                }
                Slot::Fields(inner) => {
                    fields = inner;
                    continue;
                }
                Slot::Elements(inner) => elements = inner,
            }
            // A run of choices ends at a leaf or at a name.
            fields = loop {
                let depth = steps.len() - rest.len();
                let Some((step, after)) = rest.split_first() else { return Err(conflict(depth)) };
                let choice = match step {
                    Step::Filtered(name) => Choice::Filter(filters(name)?),
                    _ => Choice::Every,
                };
                let node = elements.entry(choice, Shape::of(after)).ok_or_else(|| conflict(depth + 1))?;
                rest = after;
                match node {
                    Slot::Leaf(place) => {
                        *place = Node::Leaf(leaf);
                        return Ok(());
                    }
                    Slot::Fields(inner) => break inner,
                    Slot::Elements(inner) => elements = inner,
                }
            };
        }
    }

    /// The children in the order in which new fields are appended, with `$` standing at the matched position.
    pub(super) fn children(&self, matched: Option<u32>, path: &str) -> Result<Cow<'_, [Child]>> {
        let Some((node, position)) = self.matched_child(matched)? else { return Ok(Cow::Borrowed(&self.children)) };
        let name: Box<str> = position.to_string().into();
        let mut children = self.children.clone();
        match find(&children, &name) {
            Ok(place) => {
                let merged = children.get(place).map(|(_, other)| merge(other, node, &format!("{path}.{name}")));
                if let (Some(merged), Some(child)) = (merged, children.get_mut(place)) {
                    child.1 = merged?;
                }
            }
            Err(place) => children.insert(place, (name, node.clone())),
        }
        Ok(Cow::Owned(children))
    }

    /// What happens to each child, `$` included.
    ///
    /// # Errors
    /// 2 where there is a `$` and nothing that it could stand for.
    pub(super) fn nodes(&self, matched: Option<u32>) -> Result<impl Iterator<Item = &Node>> {
        let matched = self.matched_child(matched)?;
        Ok(self.children.iter().map(|(_, node)| node).chain(matched.map(|(node, _)| node)))
    }

    fn matched_child(&self, matched: Option<u32>) -> Result<Option<(&Node, u32)>> {
        match (&self.matched, matched) {
            (None, _) => Ok(None),
            (Some(node), Some(position)) => Ok(Some((node, position))),
            (Some(_), None) => Err(bad("the filter has no array condition that gives $ its position")),
        }
    }

    /// Does any path below go through `$`?
    pub(super) fn needs_match(&self) -> bool {
        self.matched.is_some() || self.children.iter().any(|(_, child)| child.needs_match())
    }

    fn entry(&mut self, step: &Step<'_>, shape: Shape) -> Option<Slot<'_>> {
        let Step::Name(name) = step else {
            let existed = self.matched.is_some();
            return shape.slot(self.matched.get_or_insert_with(|| Box::new(shape.node())), existed);
        };
        let found = find(&self.children, name);
        let place = found.unwrap_or_else(|place| {
            self.children.insert(place, ((*name).into(), shape.node()));
            place
        });
        shape.slot(&mut self.children.get_mut(place)?.1, found.is_ok())
    }
}

impl Elements {
    fn entry(&mut self, choice: Choice, shape: Shape) -> Option<Slot<'_>> {
        let found = self.children.iter().position(|(other, _)| *other == choice);
        let place = found.unwrap_or_else(|| {
            self.children.push((choice, shape.node()));
            self.children.len() - 1
        });
        shape.slot(&mut self.children.get_mut(place)?.1, found.is_some())
    }
}

impl Node {
    fn needs_match(&self) -> bool {
        match self {
            Node::Leaf(_) => false,
            Node::Fields(fields) => fields.needs_match(),
            Node::Elements(elements) => elements.children.iter().any(|(_, child)| child.needs_match()),
        }
    }
}

/// What the rest of a path makes of a place.
#[derive(Clone, Copy)]
enum Shape {
    Leaf,
    Fields,
    Elements,
}

enum Slot<'n> {
    Leaf(&'n mut Node),
    Fields(&'n mut Fields),
    Elements(&'n mut Elements),
}

impl Shape {
    const fn of(rest: &[Step<'_>]) -> Shape {
        match rest {
            [] => Shape::Leaf,
            [Step::Every | Step::Filtered(_), ..] => Shape::Elements,
            _ => Shape::Fields,
        }
    }

    fn node(self) -> Node {
        match self {
            Shape::Leaf => Node::Leaf(Leaf::Unset),
            Shape::Fields => Node::Fields(Fields::default()),
            Shape::Elements => Node::Elements(Elements::default()),
        }
    }

    /// The node's inside, if it has this shape. A leaf must be new: nothing else may be at work there.
    fn slot(self, node: &mut Node, existed: bool) -> Option<Slot<'_>> {
        match (self, node) {
            (Shape::Leaf, node) => (!existed).then_some(Slot::Leaf(node)),
            (Shape::Fields, Node::Fields(fields)) => Some(Slot::Fields(fields)),
            (Shape::Elements, Node::Elements(elements)) => Some(Slot::Elements(elements)),
            _ => None,
        }
    }
}

/// The child of this name. A few names are compared one by one, which is quicker than searching.
pub(super) fn child_named(children: &[Child], name: &[u8]) -> Option<usize> {
    if children.len() <= 8 {
        return children.iter().position(|(other, _)| other.as_bytes() == name);
    }
    find(children, std::str::from_utf8(name).ok()?).ok()
}

/// Where a name stands among the children, or where it would.
fn find(children: &[Child], name: &str) -> Result<usize, usize> {
    children.binary_search_by(|(other, _)| field_order(other, name))
}

/// The order in which an update appends new fields: numbers by value, other names by their bytes.
pub(super) fn field_order(a: &str, b: &str) -> Ordering {
    let class = |name: &str| match (canonical_position(name), name.as_bytes().first()) {
        (Some(_), _) => 1,
        (None, Some(first)) if *first <= b'0' => 0,
        (None, None) => 0,
        _ => 2,
    };
    match (canonical_position(a), canonical_position(b)) {
        (Some(x), Some(y)) => x.cmp(&y),
        _ => class(a).cmp(&class(b)).then_with(|| a.cmp(b)),
    }
}

fn canonical_position(name: &str) -> Option<u32> {
    position(name).filter(|_| name == "0" || !name.starts_with('0'))
}

/// What happens where two different paths turn out to mean the same element.
pub(super) fn merge(a: &Node, b: &Node, path: &str) -> Result<Node> {
    match (a, b) {
        (Node::Fields(a), Node::Fields(b)) => merge_fields(a, b, path).map(Node::Fields),
        (Node::Elements(a), Node::Elements(b)) => {
            let mut merged = a.clone();
            for (choice, node) in &b.children {
                match merged.children.iter_mut().find(|(other, _)| other == choice) {
                    Some((_, other)) => *other = merge(other, node, &format!("{path}.$[]"))?,
                    None => merged.children.push((*choice, node.clone())),
                }
            }
            Ok(Node::Elements(merged))
        }
        _ => Err(Error::mongo(CONFLICTING_UPDATE_OPERATORS, format!("two operators of the update meet at {path:?}"))),
    }
}

fn merge_fields(a: &Fields, b: &Fields, path: &str) -> Result<Fields> {
    let mut merged = a.clone();
    for (name, node) in &b.children {
        match find(&merged.children, name) {
            Ok(place) => {
                if let Some((_, other)) = merged.children.get_mut(place) {
                    *other = merge(other, node, &format!("{path}.{name}"))?;
                }
            }
            Err(place) => merged.children.insert(place, (name.clone(), node.clone())),
        }
    }
    merged.matched = match (merged.matched.take(), &b.matched) {
        (Some(x), Some(y)) => Some(Box::new(merge(&x, y, &format!("{path}.$"))?)),
        (x, y) => x.or_else(|| y.clone()),
    };
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(paths: &[&str]) -> Result<(), i32> {
        let mut root = Fields::default();
        paths.iter().try_for_each(|path| root.add(path, Leaf::Unset, &mut |_| Ok(0))).map_err(|error| error.number)
    }

    #[test]
    fn one_operator_per_path() {
        assert_eq!(add(&["a.b", "a.c", "ab", "a.d.$[].x", "a.d.$[].y", "a.e.$.x", "a.e.0.x"]), Ok(()));
        for paths in [["a", "a"], ["a", "a.b"], ["a.b", "a"], ["a.$[]", "a.0"], ["a.$[x]", "a.$[x].b"], ["a.$", "a.$"]]
        {
            assert_eq!(add(&paths), Err(40), "{paths:?}");
        }
    }

    #[test]
    fn new_fields_stand_in_order() {
        let mut names = ["b", "10", "9", "a10", "a9", "Z", "_", "é"];
        names.sort_by(|a, b| field_order(a, b));
        assert_eq!(names, ["9", "10", "Z", "_", "a10", "a9", "b", "é"]);
    }
}
