//! Metric math: numbers, names, `+ - * /`, parentheses, and `FILL` with a number
//! ([CloudWatch guide](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html)).

use std::collections::BTreeMap;

/// An expression. A name stands for a metric or for another expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    Number(f64),
    Name(String),
    Negative(Box<Term>),
    Both(char, Box<(Term, Term)>),
    /// A value for each data point that is missing.
    Fill(Box<Term>, f64),
}

/// How deep an expression may refer to others: a longer chain is a circle.
const DEEPEST: usize = 20;

impl Term {
    /// Reads an expression.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text };
        let term = reader.sum()?;
        match reader.peek() {
            None => Ok(term),
            Some(_) => Err(reader.unknown()),
        }
    }

    /// Puts each expression in the place of its name; what is left are names of metrics.
    pub(super) fn resolved(
        &self,
        expressions: &BTreeMap<String, Self>,
        depth: usize,
    ) -> Result<Self, String> {
        if depth > DEEPEST {
            return Err("an expression refers to itself".to_owned());
        }
        let inner = |term: &Self| term.resolved(expressions, depth + 1);
        Ok(match self {
            Self::Number(number) => Self::Number(*number),
            Self::Name(name) => match expressions.get(name) {
                Some(term) => inner(term)?,
                None => Self::Name(name.clone()),
            },
            Self::Negative(term) => Self::Negative(Box::new(inner(term)?)),
            Self::Both(sign, both) => {
                Self::Both(*sign, Box::new((inner(&both.0)?, inner(&both.1)?)))
            }
            Self::Fill(term, value) => Self::Fill(Box::new(inner(term)?), *value),
        })
    }

    /// The names in it.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Name(name) => vec![name],
            Self::Negative(term) | Self::Fill(term, _) => term.names(),
            Self::Both(_, both) => {
                let mut names = both.0.names();
                names.extend(both.1.names());
                names
            }
        }
    }

    /// The value at one time. It is missing if one of its parts is, and if something is divided by zero.
    pub(super) fn value(&self, of: &impl Fn(&str) -> Option<f64>) -> Option<f64> {
        let value = match self {
            Self::Number(number) => *number,
            Self::Name(name) => of(name)?,
            Self::Negative(term) => -term.value(of)?,
            Self::Fill(term, value) => term.value(of).unwrap_or(*value),
            Self::Both(sign, both) => {
                let (left, right) = (both.0.value(of)?, both.1.value(of)?);
                match sign {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    _ => left / right,
                }
            }
        };
        value.is_finite().then_some(value)
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: char) -> Result<(), String> {
        if self.peek() != Some(wanted) {
            return Err(self.unknown());
        }
        self.rest = &self.rest[wanted.len_utf8()..];
        Ok(())
    }

    fn word(&mut self, is_in: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|one| !is_in(one));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn unknown(&self) -> String {
        match self.rest.is_empty() {
            true => "the expression ends too early".to_owned(),
            false => format!(
                "the simulation does not know `{}` in an expression",
                self.rest
            ),
        }
    }

    fn sum(&mut self) -> Result<Term, String> {
        let mut term = self.product()?;
        while let Some(sign @ ('+' | '-')) = self.peek() {
            self.take(sign)?;
            term = Term::Both(sign, Box::new((term, self.product()?)));
        }
        Ok(term)
    }

    fn product(&mut self) -> Result<Term, String> {
        let mut term = self.factor()?;
        while let Some(sign @ ('*' | '/')) = self.peek() {
            self.take(sign)?;
            term = Term::Both(sign, Box::new((term, self.factor()?)));
        }
        Ok(term)
    }

    fn factor(&mut self) -> Result<Term, String> {
        match self.peek() {
            Some('-') => {
                self.take('-')?;
                Ok(Term::Negative(Box::new(self.factor()?)))
            }
            Some('(') => {
                self.take('(')?;
                let term = self.sum()?;
                self.take(')')?;
                Ok(term)
            }
            Some('0'..='9' | '.') => self.number().map(Term::Number),
            Some('a'..='z') => {
                let name = self.word(|one| one.is_ascii_alphanumeric() || one == '_');
                Ok(Term::Name(name.to_owned()))
            }
            Some('F') if self.rest.starts_with("FILL") => {
                self.rest = &self.rest["FILL".len()..];
                self.take('(')?;
                let term = self.sum()?;
                self.take(',')?;
                let sign = if self.peek() == Some('-') { -1.0 } else { 1.0 };
                if sign < 0.0 {
                    self.take('-')?;
                }
                let value = sign * self.number()?;
                self.take(')')?;
                Ok(Term::Fill(Box::new(term), value))
            }
            _ => Err(self.unknown()),
        }
    }

    fn number(&mut self) -> Result<f64, String> {
        self.peek();
        let before = self.rest;
        let number = self.word(|one| one.is_ascii_digit() || one == '.');
        number.parse().map_err(|_| {
            self.rest = before;
            self.unknown()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two errors of eight requests; `none` has no data point.
    fn value(text: &str) -> Option<f64> {
        let of = |name: &str| match name {
            "e" => Some(2.0),
            "r" => Some(8.0),
            "zero" => Some(0.0),
            _ => None,
        };
        Term::read(text).expect("an expression").value(&of)
    }

    #[test]
    fn arithmetic_has_its_usual_order_and_missing_data_stay_missing() {
        for (text, expected) in [
            ("100*e/r", Some(25.0)),
            ("100 * (e + e) / r", Some(50.0)),
            ("1 - e / r - 0.5", Some(0.25)),
            ("-e + 3", Some(1.0)),
            ("none + 1", None),
            ("e / zero", None),
            ("100 * FILL(none, 0) / r", Some(0.0)),
            ("FILL(e, 7)", Some(2.0)),
            ("FILL(none / r, -1)", Some(-1.0)),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn names_stand_for_expressions_but_not_in_a_circle() {
        let of = |text: &str| Term::read(text).expect("an expression");
        let mut all = BTreeMap::from([("share".to_owned(), of("e / r"))]);
        let term = of("100 * share").resolved(&all, 0).expect("resolved");
        assert_eq!(term.names(), ["e", "r"]);
        all.insert("a".to_owned(), of("b + 1"));
        all.insert("b".to_owned(), of("a + 1"));
        assert!(of("a").resolved(&all, 0).is_err());
    }

    #[test]
    fn what_the_simulation_does_not_know_is_refused() {
        for wrong in [
            "",
            "e /",
            "(e",
            "RATE(e)",
            "e r",
            "FILL(e, REPEAT)",
            "1..2",
            "e > 1",
        ] {
            assert!(Term::read(wrong).is_err(), "{wrong}");
        }
    }
}
