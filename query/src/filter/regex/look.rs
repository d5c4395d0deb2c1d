//! Look-ahead and look-behind in time linear in the text.
//!
//! Whether something can be matched from a position onwards (or up to it) does not depend on how the rest of the
//! pattern got there. So each look-around is answered for every position of the text first, by one run of its own
//! automaton; the pattern itself then only has to look the answers up. Automata are simulated state set by state set,
//! never by backtracking. This is slower than the `regex` crate, which serves every pattern without look-around.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use crate::cx::Cx;
use crate::error::Result;

/// Most states of all automata of one pattern. Each character of a text costs at most a visit to each.
const STATES_MAX: usize = 4000;
/// Characters between two looks at the deadline.
const CHARACTERS_PER_TICK: usize = 256;

/// A look-around, written for the parser of the `regex` crate.
#[derive(Clone, Debug)]
pub(super) struct Around {
    /// Does it look at what comes before?
    pub(super) behind: bool,
    /// Must there be no match?
    pub(super) negated: bool,
    pub(super) pattern: String,
}

/// The character that stands for a look-around in a translated pattern, for planes of no text in use.
pub(super) fn stand_in(index: usize) -> Option<char> {
    char::from_u32(FIRST_STAND_IN.checked_add(u32::try_from(index).ok()?)?).filter(|_| index < STAND_INS)
}

const FIRST_STAND_IN: u32 = 0x10_F000;
const STAND_INS: usize = 64;

/// Does the text use a character that would be taken for a look-around?
pub(super) fn uses_stand_in(text: &str) -> bool {
    text.chars().any(|character| u32::from(character) >= FIRST_STAND_IN)
}

/// A pattern with look-arounds, compiled.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// In the order in which they must be answered: inner ones first.
    arounds: Vec<(Around, Automaton)>,
    whole: Automaton,
}

impl Program {
    /// Compiles a translated pattern and its look-arounds; `parse` reads one pattern.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub(super) fn new(
        pattern: &str,
        arounds: Vec<Around>,
        parse: impl Fn(&str) -> Result<Hir, String>,
    ) -> Result<Program, String> {
        let mut left = STATES_MAX;
        let mut compiled = Vec::new();
        for around in arounds {
            let automaton = Automaton::new(&parse(&around.pattern)?, !around.behind, &mut left)?;
            compiled.push((around, automaton));
        }
        Ok(Program { whole: Automaton::new(&parse(pattern)?, false, &mut left)?, arounds: compiled })
    }

    /// Is there a match anywhere in the text?
    ///
    /// # Errors
    /// The deadline.
    pub(super) fn is_match(&self, text: &str, cx: &Cx<'_>) -> Result<bool> {
        let text: Vec<char> = text.chars().collect();
        let mut answers: Vec<Vec<bool>> = Vec::new();
        for (around, automaton) in &self.arounds {
            let mut found = vec![false; text.len() + 1];
            let run = Run { text: &text, answers: &answers, backwards: !around.behind };
            run.over(automaton, cx, |place| {
                found.get_mut(place).into_iter().for_each(|found| *found = true);
                false
            })?;
            found.iter_mut().for_each(|found| *found ^= around.negated);
            answers.push(found);
        }
        let mut matched = false;
        Run { text: &text, answers: &answers, backwards: false }.over(&self.whole, cx, |_| {
            matched = true;
            true
        })?;
        Ok(matched)
    }
}

/// States by number; each leads on to others.
#[derive(Clone, Debug)]
struct Automaton {
    states: Vec<State>,
    start: usize,
}

#[derive(Clone, Debug)]
enum State {
    Match,
    /// A character out of these ranges, then the state.
    Character(Box<[(char, char)]>, usize),
    Either(usize, usize),
    Assert(Look, usize),
    /// The look-around of this number holds here.
    Around(usize, usize),
}

/// Builds an automaton from its end to its start.
struct Builder<'b> {
    states: Vec<State>,
    reversed: bool,
    left: &'b mut usize,
}

impl Automaton {
    fn new(hir: &Hir, reversed: bool, left: &mut usize) -> Result<Automaton, String> {
        let mut builder = Builder { states: vec![State::Match], reversed, left };
        let start = builder.compile(hir, 0)?;
        Ok(Automaton { states: builder.states, start })
    }
}

impl Builder<'_> {
    fn add(&mut self, state: State) -> Result<usize, String> {
        *self.left = self.left.checked_sub(1).ok_or("it is too large once compiled")?;
        self.states.push(state);
        Ok(self.states.len() - 1)
    }

    /// Adds states for a part of the pattern that lead to `next`; returns where they begin.
    fn compile(&mut self, hir: &Hir, next: usize) -> Result<usize, String> {
        match hir.kind() {
            HirKind::Empty => Ok(next),
            HirKind::Literal(literal) => self.literal(&String::from_utf8_lossy(&literal.0), next),
            HirKind::Class(class) => {
                let ranges = match class {
                    Class::Unicode(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
                    Class::Bytes(class) => {
                        class.iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect()
                    }
                };
                self.add(State::Character(ranges, next))
            }
            HirKind::Look(look) => self.add(State::Assert(*look, next)),
            HirKind::Repetition(repetition) => self.repetition(repetition, next),
            HirKind::Capture(capture) => self.compile(&capture.sub, next),
            HirKind::Concat(parts) if self.reversed => {
                parts.iter().try_fold(next, |next, part| self.compile(part, next))
            }
            HirKind::Concat(parts) => parts.iter().rev().try_fold(next, |next, part| self.compile(part, next)),
            HirKind::Alternation(branches) => {
                let starts = branches.iter().map(|branch| self.compile(branch, next)).collect::<Result<Vec<_>, _>>()?;
                let mut starts = starts.into_iter().rev();
                let last = starts.next().unwrap_or(next);
                starts.try_fold(last, |rest, start| self.add(State::Either(start, rest)))
            }
        }
    }

    fn literal(&mut self, text: &str, mut next: usize) -> Result<usize, String> {
        let mut characters: Vec<char> = text.chars().collect();
        if !self.reversed {
            characters.reverse();
        }
        for character in characters {
            let around = u32::from(character).checked_sub(FIRST_STAND_IN).and_then(|index| usize::try_from(index).ok());
            next = match around {
                Some(index) => self.add(State::Around(index, next))?,
                None => self.add(State::Character([(character, character)].into(), next))?,
            };
        }
        Ok(next)
    }

    fn repetition(&mut self, repetition: &Repetition, next: usize) -> Result<usize, String> {
        let mut start = match repetition.max {
            None => {
                let again = self.add(State::Either(next, next))?;
                let body = self.compile(&repetition.sub, again)?;
                if let Some(state) = self.states.get_mut(again) {
                    *state = State::Either(body, next);
                }
                again
            }
            Some(max) => {
                let optional = max.saturating_sub(repetition.min);
                (0..optional).try_fold(next, |rest, _| {
                    let body = self.compile(&repetition.sub, rest)?;
                    self.add(State::Either(body, next))
                })?
            }
        };
        for _ in 0..repetition.min {
            start = self.compile(&repetition.sub, start)?;
        }
        Ok(start)
    }
}

/// One run of an automaton over a text.
struct Run<'t> {
    text: &'t [char],
    answers: &'t [Vec<bool>],
    /// From the end of the text to its start.
    backwards: bool,
}

/// The states that are reached, each once.
struct Reached {
    list: Vec<usize>,
    /// The place at which a state was reached last, plus one.
    seen: Vec<usize>,
}

impl Run<'_> {
    /// Starts a match at every place; calls `matched` with each place where one is complete, until that returns true.
    fn over(&self, automaton: &Automaton, cx: &Cx<'_>, mut matched: impl FnMut(usize) -> bool) -> Result<()> {
        let mut reached = Reached { list: Vec::new(), seen: vec![0; automaton.states.len()] };
        let mut waiting: Vec<usize> = Vec::new();
        for step in 0..=self.text.len() {
            if step % CHARACTERS_PER_TICK == 0 {
                cx.tick()?;
            }
            let place = if self.backwards { self.text.len() - step } else { step };
            reached.list.clear();
            waiting.push(automaton.start);
            let complete = self.close(automaton, place, &mut waiting, &mut reached);
            if complete && matched(place) {
                return Ok(());
            }
            let character = if self.backwards { place.checked_sub(1) } else { Some(place) };
            let Some(character) = character.and_then(|place| self.text.get(place)) else { continue };
            for state in &reached.list {
                if let Some(State::Character(ranges, next)) = automaton.states.get(*state)
                    && within(ranges, *character)
                {
                    waiting.push(*next);
                }
            }
        }
        Ok(())
    }

    /// Follows everything that takes no character; says whether a match is complete here.
    fn close(&self, automaton: &Automaton, place: usize, waiting: &mut Vec<usize>, reached: &mut Reached) -> bool {
        let mut complete = false;
        while let Some(state) = waiting.pop() {
            let Some(seen) = reached.seen.get_mut(state) else { continue };
            if std::mem::replace(seen, place + 1) == place + 1 {
                continue;
            }
            match automaton.states.get(state) {
                Some(State::Match) => complete = true,
                Some(State::Character(..)) => reached.list.push(state),
                Some(State::Either(a, b)) => waiting.extend([*b, *a]),
                Some(State::Assert(look, next)) if self.holds(*look, place) => waiting.push(*next),
                Some(State::Around(index, next)) if self.answered(*index, place) => waiting.push(*next),
                _ => {}
            }
        }
        complete
    }

    fn answered(&self, index: usize, place: usize) -> bool {
        self.answers.get(index).and_then(|answers| answers.get(place)) == Some(&true)
    }

    fn holds(&self, look: Look, place: usize) -> bool {
        let before = place.checked_sub(1).and_then(|place| self.text.get(place)).copied();
        let after = self.text.get(place).copied();
        let boundary = |is_word: fn(char) -> bool| before.is_some_and(is_word) != after.is_some_and(is_word);
        match look {
            Look::Start => before.is_none(),
            Look::End => after.is_none(),
            Look::StartLF => before.is_none_or(|before| before == '\n'),
            Look::EndLF => after.is_none_or(|after| after == '\n'),
            Look::WordAscii => boundary(is_ascii_word),
            Look::WordAsciiNegate => !boundary(is_ascii_word),
            Look::WordUnicode => boundary(is_word),
            Look::WordUnicodeNegate => !boundary(is_word),
            _ => false, // the translation writes no other
        }
    }
}

fn is_ascii_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn within(ranges: &[(char, char)], character: char) -> bool {
    ranges
        .binary_search_by(|(low, high)| match character {
            _ if *high < character => std::cmp::Ordering::Less,
            _ if *low > character => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        })
        .is_ok()
}
