//! The JavaScript-shaped expression language: text to tree, nothing evaluated.
//!
//! It knows literals, names, members, operators, templates and the call `get(…)`; it has no other calls and no
//! statements. It must not know documents, rules or sessions. Example: `doc.owner == auth.openid && !doc.hidden`.

use storage::{ArrayBuilder, Value};

/// Deepest nesting of an expression.
const DEPTH_MAX: usize = 64;

/// An expression.
#[derive(Clone, Debug)]
pub(crate) enum Js {
    /// A constant; `undefined` is one too.
    Literal(Value),
    /// `[a, b]`.
    List(Vec<Js>),
    /// A name at the start of a path, e.g. `doc`.
    Name(String),
    /// `a.b` and `a[b]`.
    Member(Box<Js>, Box<Js>),
    /// `get(path)`.
    Get(Box<Js>),
    /// `!a`.
    Not(Box<Js>),
    /// `-a`.
    Negated(Box<Js>),
    /// `+a`.
    Number(Box<Js>),
    /// `a op b`.
    Binary(Op, Box<Js>, Box<Js>),
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    Add,
}

/// What is wrong with a text, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// A piece of text with a meaning of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A number.
    Number(f64),
    /// A text in single or double quotes, escapes resolved.
    Text(String),
    /// What stands between backticks, as written.
    Template(String),
    /// A name or keyword.
    Word(String),
    /// An operator or bracket.
    Sign(&'static str),
    /// Nothing is left.
    End,
}

const SIGNS: &[&str] = &[
    "===", "!==", "==", "!=", ">=", "<=", "&&", "||", "!", "<", ">", "(", ")", "[", "]", "{", "}", ".", ",", ":", "+",
    "-",
];

/// Reads an expression.
///
/// # Errors
/// The place of the first piece that does not belong there.
pub(crate) fn parse(text: &str) -> Result<Js, Fault> {
    let mut reader = Reader::new(text)?;
    let expr = reader.expression(0)?;
    match reader.token {
        Token::End => Ok(expr),
        _ => Err(reader.unexpected("an operator or the end")),
    }
}

/// Reads tokens, one ahead.
pub(crate) struct Reader<'t> {
    text: &'t str,
    at: usize,
    start: usize,
    depth: usize,
    pub(crate) token: Token,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str) -> Result<Reader<'t>, Fault> {
        let mut reader = Reader { text, at: 0, start: 0, depth: 0, token: Token::End };
        reader.advance()?;
        Ok(reader)
    }

    /// Where the token at hand begins.
    pub(crate) const fn place(&self) -> usize {
        self.start
    }

    pub(crate) fn unexpected(&self, wanted: &str) -> Fault {
        let found = match &self.token {
            Token::End => "the end".to_owned(),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::Word(word) => format!("`{word}`"),
            Token::Number(number) => format!("{number}"),
            Token::Text(_) | Token::Template(_) => "a text".to_owned(),
        };
        Fault { at: self.start, message: format!("expected {wanted}, found {found}") }
    }

    pub(crate) fn take(&mut self) -> Result<Token, Fault> {
        let token = self.token.clone();
        self.advance()?;
        Ok(token)
    }

    /// Passes over this sign if it is at hand.
    pub(crate) fn skip(&mut self, sign: &'static str) -> Result<bool, Fault> {
        let found = self.token == Token::Sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(crate) fn demand(&mut self, sign: &'static str) -> Result<(), Fault> {
        match self.skip(sign)? {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{sign}`"))),
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self) -> Result<(), Fault> {
        self.skip_space()?;
        self.start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            self.token = Token::End;
            return Ok(());
        };
        self.token = match first {
            '\'' | '"' => self.quoted(first)?,
            '`' => self.template()?,
            '0'..='9' => self.number()?,
            _ if is_word(first) => {
                let length = rest.find(|letter: char| !is_word(letter)).unwrap_or(rest.len());
                self.at += length;
                Token::Word(rest.get(..length).unwrap_or_default().to_owned())
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
                let Some(sign) = sign else { return Err(self.fault(format!("`{first}` has no meaning here"))) };
                self.at += sign.len();
                Token::Sign(sign)
            }
        };
        Ok(())
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault { at: self.start, message: message.into() }
    }

    fn skip_space(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            let rest = self.rest();
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.start = self.at;
                let Some(end) = rest.find("*/") else { return Err(self.fault("this comment has no end")) };
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let rest = self.rest();
        let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let mut length = digits(rest);
        if let Some(fraction) = rest.get(length..).and_then(|tail| tail.strip_prefix('.'))
            && digits(fraction) > 0
        {
            length += 1 + digits(fraction);
        }
        self.at += length;
        let number = rest.get(..length).and_then(|text| text.parse().ok());
        number.map(Token::Number).ok_or_else(|| self.fault("this is no number"))
    }

    fn quoted(&mut self, quote: char) -> Result<Token, Fault> {
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => match letters.next().map(|(_, letter)| letter) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some('u') => {
                        let digits: String = letters.by_ref().take(4).map(|(_, letter)| letter).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        text.push(code.ok_or_else(|| self.fault("`\\u` takes four hexadecimal digits"))?);
                    }
                    Some(letter) => text.push(letter),
                    None => break,
                },
                _ if letter == quote => {
                    self.at += at + letter.len_utf8();
                    return Ok(Token::Text(text));
                }
                _ => text.push(letter),
            }
        }
        Err(self.fault("this text has no end"))
    }

    fn template(&mut self) -> Result<Token, Fault> {
        let rest = self.rest().get(1..).unwrap_or_default();
        let Some(end) = rest.find('`') else { return Err(self.fault("this template has no end")) };
        self.at += end + 2;
        Ok(Token::Template(rest.get(..end).unwrap_or_default().to_owned()))
    }

    fn operator(&self) -> Option<(Op, u8)> {
        Some(match &self.token {
            Token::Sign("||") => (Op::Or, 1),
            Token::Sign("&&") => (Op::And, 2),
            Token::Sign("==" | "===") => (Op::Eq, 3),
            Token::Sign("!=" | "!==") => (Op::Ne, 3),
            Token::Sign("<") => (Op::Lt, 4),
            Token::Sign("<=") => (Op::Lte, 4),
            Token::Sign(">") => (Op::Gt, 4),
            Token::Sign(">=") => (Op::Gte, 4),
            Token::Word(word) if word == "in" => (Op::In, 4),
            Token::Sign("+") => (Op::Add, 5),
            _ => return None,
        })
    }

    fn expression(&mut self, above: u8) -> Result<Js, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault("the expression is nested too deeply"));
        }
        let mut left = self.unary()?;
        while let Some((op, strength)) = self.operator().filter(|(_, strength)| *strength > above) {
            self.advance()?;
            let right = self.expression(strength)?;
            left = Js::Binary(op, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Js, Fault> {
        let wrap: fn(Box<Js>) -> Js = match self.token {
            Token::Sign("!") => Js::Not,
            Token::Sign("-") => Js::Negated,
            Token::Sign("+") => Js::Number,
            _ => return self.members(),
        };
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault("the expression is nested too deeply"));
        }
        self.advance()?;
        let inner = self.unary()?;
        self.depth -= 1;
        Ok(wrap(Box::new(inner)))
    }

    fn members(&mut self) -> Result<Js, Fault> {
        let mut expr = self.atom()?;
        loop {
            let name = if self.skip(".")? {
                match self.take()? {
                    Token::Word(word) => Js::Literal(Value::String(word)),
                    _ => return Err(self.fault("expected the name of a field after `.`")),
                }
            } else if self.skip("[")? {
                let name = self.expression(0)?;
                self.demand("]")?;
                name
            } else {
                return Ok(expr);
            };
            expr = Js::Member(Box::new(expr), Box::new(name));
        }
    }

    fn atom(&mut self) -> Result<Js, Fault> {
        let wanted = self.unexpected("a value");
        match self.take()? {
            Token::Number(number) => Ok(Js::Literal(Value::Double(number))),
            Token::Text(text) => Ok(Js::Literal(Value::String(text))),
            Token::Template(text) => interpolated(&text).map_err(|fault| Fault { at: wanted.at, ..fault }),
            Token::Sign("(") => {
                let inner = self.expression(0)?;
                self.demand(")")?;
                Ok(inner)
            }
            Token::Sign("[") => self.list(),
            Token::Word(word) => self.word(word, wanted),
            _ => Err(wanted),
        }
    }

    fn list(&mut self) -> Result<Js, Fault> {
        let mut members = Vec::new();
        while !self.skip("]")? {
            members.push(self.expression(0)?);
            if self.token != Token::Sign("]") {
                self.demand(",")?;
            }
        }
        Ok(Js::List(members))
    }

    fn word(&mut self, word: String, wanted: Fault) -> Result<Js, Fault> {
        Ok(match word.as_str() {
            "true" => Js::Literal(Value::Bool(true)),
            "false" => Js::Literal(Value::Bool(false)),
            "null" => Js::Literal(Value::Null),
            "undefined" => Js::Literal(Value::Undefined),
            "in" => return Err(wanted),
            "get" if self.skip("(")? => {
                let path = self.expression(0)?;
                self.demand(")")?;
                Js::Get(Box::new(path))
            }
            _ => Js::Name(word),
        })
    }
}

/// A template as texts and expressions joined by `+`.
fn interpolated(text: &str) -> Result<Js, Fault> {
    let mut parts = text.split("${");
    let mut joined = Js::Literal(Value::String(parts.next().unwrap_or_default().to_owned()));
    for part in parts {
        let fault = || Fault { at: 0, message: "`${` has no `}`".to_owned() };
        let (inner, after) = part.split_once('}').ok_or_else(fault)?;
        joined = Js::Binary(Op::Add, Box::new(joined), Box::new(parse(inner)?));
        let after = Js::Literal(Value::String(after.to_owned()));
        joined = Js::Binary(Op::Add, Box::new(joined), Box::new(after));
    }
    Ok(joined)
}

/// The value of a list of constants.
pub(crate) fn list_value(members: &[Value]) -> Value {
    let mut array = ArrayBuilder::new();
    members.iter().for_each(|member| array.push(member.as_ref()));
    Value::Array(array.finish())
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '$')
}
