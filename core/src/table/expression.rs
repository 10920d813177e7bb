//! Conditions on the rows of a table: `volume > 20 and sphericity < 0.6`.
//!
//! Grammar, from loose to tight: `or`; `and`; `not`; comparisons `< <= > >= == !=`; `+ -`; `* /`;
//! unary `-`; numbers, column names, `true`, `false`, parentheses. Flags are 1 and 0. A comparison
//! with NaN is false, except `!=`.

use crate::table::Table;
use std::fmt;

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ExpressionError {
    /// Character, from 1.
    pub position: usize,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at character {}", self.reason, self.position)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Name(String),
    Symbol(&'static str),
    End,
}

impl Token {
    fn describe(&self) -> String {
        match self {
            Self::Number(n) => format!("\"{n}\""),
            Self::Name(n) => format!("\"{n}\""),
            Self::Symbol(s) => format!("\"{s}\""),
            Self::End => "the end".into(),
        }
    }
}

const SYMBOLS: [&str; 14] = ["<=", ">=", "==", "!=", "&&", "||", "<", ">", "(", ")", "+", "-", "*", "/"];

/// A condition on a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Number(f64),
    Column { name: String, position: usize },
    Not(Box<Node>),
    Negative(Box<Node>),
    Binary(&'static str, Box<Node>, Box<Node>),
}

/// Deepest nesting that is read, so that no text can exhaust the stack.
const DEEPEST: usize = 200;

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
}

impl Expression {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong and at which character.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
        let node = parser.any()?;
        match parser.peek() {
            Token::End => Ok(Self(node)),
            other => {
                let reason = format!("{} was not expected", other.describe());
                Err(parser.error(reason))
            }
        }
    }

    /// The columns that it names, each once.
    pub fn columns(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.0.visit(&mut |node| {
            if let Node::Column { name, .. } = node
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        });
        names
    }

    /// Whether the condition holds, for each row.
    ///
    /// # Errors
    /// A column that the table does not have, where it stands, and the nearest one that it has.
    pub fn rows(&self, table: &Table) -> Result<Vec<bool>, ExpressionError> {
        let values = self.0.evaluate(table)?;
        Ok(values.into_iter().map(|v| v != 0.0 && !v.is_nan()).collect())
    }
}

impl Node {
    fn visit(&self, f: &mut impl FnMut(&Self)) {
        f(self);
        match self {
            Self::Number(_) | Self::Column { .. } => {}
            Self::Not(a) | Self::Negative(a) => a.visit(f),
            Self::Binary(_, a, b) => {
                a.visit(f);
                b.visit(f);
            }
        }
    }

    fn evaluate(&self, table: &Table) -> Result<Vec<f64>, ExpressionError> {
        let flag = |b: bool| f64::from(u8::from(b));
        let holds = |v: f64| v != 0.0 && !v.is_nan();
        Ok(match self {
            Self::Number(n) => vec![*n; table.rows()],
            Self::Column { name, position } => table.numbers(name).ok_or_else(|| {
                let schema = table.batch.schema();
                let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                let hint = crate::error::suggestion(name, names);
                ExpressionError {
                    position: *position,
                    reason: format!("there is no column \"{name}\"{hint}"),
                }
            })?,
            Self::Not(a) => a.evaluate(table)?.into_iter().map(|v| flag(!holds(v))).collect(),
            Self::Negative(a) => a.evaluate(table)?.into_iter().map(|v| -v).collect(),
            Self::Binary(op, a, b) => {
                let (a, b) = (a.evaluate(table)?, b.evaluate(table)?);
                let of = |a: f64, b: f64| match *op {
                    "or" => flag(holds(a) || holds(b)),
                    "and" => flag(holds(a) && holds(b)),
                    "<" => flag(a < b),
                    "<=" => flag(a <= b),
                    ">" => flag(a > b),
                    ">=" => flag(a >= b),
                    "==" => flag(a == b),
                    "!=" => flag(a != b),
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    _ => a / b,
                };
                a.into_iter().zip(b).map(|(a, b)| of(a, b)).collect()
            }
        })
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExpressionError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let start = at;
        if c.is_whitespace() {
            at += 1;
        } else if c.is_ascii_digit() || c == '.' {
            while at < chars.len()
                && (chars[at].is_ascii_alphanumeric()
                    || chars[at] == '.'
                    || "+-".contains(chars[at]) && "eE".contains(chars[at - 1]))
            {
                at += 1;
            }
            let word: String = chars[start..at].iter().collect();
            let number = word.parse().map_err(|_| ExpressionError {
                position: start + 1,
                reason: format!("\"{word}\" is not a number"),
            })?;
            tokens.push((start + 1, Token::Number(number)));
        } else if c.is_alphabetic() || c == '_' {
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            tokens.push((start + 1, Token::Name(chars[start..at].iter().collect())));
        } else {
            let symbol = SYMBOLS
                .into_iter()
                .find(|s| s.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c)));
            let Some(symbol) = symbol else {
                let hint = if c == '=' { "; write \"==\"" } else { "" };
                return Err(ExpressionError {
                    position: at + 1,
                    reason: format!("\"{c}\" was not expected{hint}"),
                });
            };
            at += symbol.len();
            tokens.push((start + 1, Token::Symbol(symbol)));
        }
    }
    tokens.push((chars.len() + 1, Token::End));
    Ok(tokens)
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].1
    }

    fn error(&self, reason: impl Into<String>) -> ExpressionError {
        ExpressionError { position: self.tokens[self.at].0, reason: reason.into() }
    }

    /// The operator among `known` that stands here, by its canonical name; it is passed over.
    fn take(&mut self, known: &[(&str, &'static str)]) -> Option<&'static str> {
        let word = match self.peek() {
            Token::Symbol(s) => (*s).to_owned(),
            Token::Name(n) => n.to_lowercase(),
            _ => return None,
        };
        let found = known.iter().find(|(w, _)| *w == word).map(|(_, name)| *name);
        if found.is_some() {
            self.at += 1;
        }
        found
    }

    fn chain(
        &mut self,
        known: &[(&str, &'static str)],
        next: fn(&mut Self) -> Result<Node, ExpressionError>,
    ) -> Result<Node, ExpressionError> {
        let mut left = next(self)?;
        let mut links = 0;
        while let Some(op) = self.take(known) {
            links += 1;
            if links > 1000 {
                return Err(self.error("too long"));
            }
            left = Node::Binary(op, Box::new(left), Box::new(next(self)?));
        }
        Ok(left)
    }

    fn any(&mut self) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("nested too deeply"));
        }
        let node = self.chain(&[("or", "or"), ("||", "or")], Self::all);
        self.depth -= 1;
        node
    }

    fn all(&mut self) -> Result<Node, ExpressionError> {
        self.chain(&[("and", "and"), ("&&", "and")], Self::negation)
    }

    fn negation(&mut self) -> Result<Node, ExpressionError> {
        let mut count = 0;
        while self.take(&[("not", "not")]).is_some() {
            count += 1;
        }
        let node = self.comparison()?;
        Ok(match count {
            0 => node,
            n if n % 2 == 1 => Node::Not(Box::new(node)),
            _ => Node::Not(Box::new(Node::Not(Box::new(node)))),
        })
    }

    fn comparison(&mut self) -> Result<Node, ExpressionError> {
        const ALL: [(&str, &str); 6] =
            [("<", "<"), ("<=", "<="), (">", ">"), (">=", ">="), ("==", "=="), ("!=", "!=")];
        let left = self.sum()?;
        let Some(op) = self.take(&ALL) else { return Ok(left) };
        let right = self.sum()?;
        let node = Node::Binary(op, Box::new(left), Box::new(right));
        let position = self.at;
        if self.take(&ALL).is_some() {
            self.at = position;
            return Err(self.error("comparisons can't be chained: join them by \"and\""));
        }
        Ok(node)
    }

    fn sum(&mut self) -> Result<Node, ExpressionError> {
        self.chain(&[("+", "+"), ("-", "-")], Self::product)
    }

    fn product(&mut self) -> Result<Node, ExpressionError> {
        self.chain(&[("*", "*"), ("/", "/")], Self::factor)
    }

    fn factor(&mut self) -> Result<Node, ExpressionError> {
        let mut negative = false;
        while self.take(&[("-", "-")]).is_some() {
            negative = !negative;
        }
        let (position, token) = self.tokens[self.at].clone();
        let node = match token {
            Token::Number(n) => Node::Number(n),
            Token::Name(name) => match name.as_str() {
                "true" => Node::Number(1.0),
                "false" => Node::Number(0.0),
                "and" | "or" | "not" => return Err(self.error(format!("\"{name}\" was not expected"))),
                _ => Node::Column { name, position },
            },
            Token::Symbol("(") => {
                self.at += 1;
                let inner = self.any()?;
                if *self.peek() != Token::Symbol(")") {
                    let found = self.peek().describe();
                    return Err(self.error(format!("\")\" was expected, not {found}")));
                }
                inner
            }
            other => {
                return Err(
                    self.error(format!("a number or a column was expected, not {}", other.describe()))
                );
            }
        };
        self.at += 1;
        Ok(if negative { Node::Negative(Box::new(node)) } else { node })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::builder::{Builder, Values};

    fn table() -> Table {
        let mut b = Builder::default();
        b.column("volume", "", "", Values::Real(vec![10.0, 20.0, 30.0, f64::NAN]))
            .column("neighbours", "", "", Values::Int(vec![0, 1, 2, 3]))
            .column("touches_border", "", "", Values::Flag(vec![true, false, true, false]));
        b.finish("objects")
    }

    #[test]
    fn conditions_hold_where_they_should() {
        let check = |text: &str, expected: [u8; 4]| {
            let rows = Expression::parse(text).unwrap().rows(&table()).unwrap();
            assert_eq!(rows.iter().map(|b| u8::from(*b)).collect::<Vec<_>>(), expected, "{text}");
        };
        check("volume > 15", [0, 1, 1, 0]);
        check("volume > 15 and not touches_border", [0, 1, 0, 0]);
        check("volume <= 10 or neighbours == 3", [1, 0, 0, 1]);
        check("not volume > 15", [1, 0, 0, 1]);
        check("volume != volume", [0, 0, 0, 1]);
        check("(volume - 10) / 10 == neighbours", [1, 1, 1, 0]);
        check("-volume < -1.5e1 && not 0", [0, 1, 1, 0]);
    }

    #[test]
    fn errors_tell_where_and_what() {
        let check = |text: &str, position: usize, part: &str| {
            let e = Expression::parse(text).and_then(|e| e.rows(&table())).unwrap_err();
            assert!(e.position == position && e.reason.contains(part), "{text}: {e}");
        };
        check("volme > 3", 1, "\"volume\"");
        check("volume > ", 10, "the end");
        check("volume = 3", 8, "\"==\"");
        check("(volume > 3", 12, "\")\" was expected");
        check("1 < volume < 3", 12, "chained");
        check("volume > 3 volume", 12, "\"volume\" was not expected");
        check("3..4 > volume", 1, "not a number");
        check(&"(".repeat(100_000), 201, "deeply");
    }
}
