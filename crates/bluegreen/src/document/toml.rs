//! TOML into a [`Node`].

use ::toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use serde_json::Number;

use super::{Broken, Holds, Member, Node, Place};

/// Reads a TOML document, or returns every mistake of its syntax.
pub(crate) fn parse(text: &str) -> Result<Node, Vec<Broken>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (root, mistakes) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        lines: Lines::new(text),
        broken: Vec::new(),
    };
    for mistake in mistakes {
        let at = mistake.span().map_or(0, |span| span.start);
        reader.broken(at, mistake.message());
    }
    // The parts that the parser could save of a broken text would only raise false alarms.
    if !reader.broken.is_empty() {
        return Err(reader.broken);
    }
    let start = root.span().start;
    let holds = reader.table(root.into_inner());
    let at = reader.lines.place(start);
    match reader.broken.is_empty() {
        true => Ok(Node { at, holds }),
        false => Err(reader.broken),
    }
}

struct Reader<'t> {
    lines: Lines<'t>,
    broken: Vec<Broken>,
}

impl Reader<'_> {
    fn table(&mut self, table: DeTable<'_>) -> Holds {
        let mut members: Vec<(usize, Member)> = Vec::new();
        for (name, value) in table {
            let start = name.span().start;
            let member = Member {
                at: self.lines.place(start),
                name: name.into_inner().into_owned(),
                value: self.node(value),
            };
            members.push((start, member));
        }
        // The parser sorts by name.
        members.sort_by_key(|(start, _)| *start);
        Holds::Object(members.into_iter().map(|(_, member)| member).collect())
    }

    fn node(&mut self, node: Spanned<DeValue<'_>>) -> Node {
        let start = node.span().start;
        let holds = match node.into_inner() {
            DeValue::String(text) => Holds::Text(text.into_owned()),
            DeValue::Boolean(value) => Holds::Bool(value),
            DeValue::Integer(integer) => {
                let read = i64::from_str_radix(integer.as_str(), integer.radix());
                match read {
                    Ok(integer) => Holds::Number(integer.into()),
                    Err(_) => self.not_held(start, &format!("`{}` is too large", integer.as_str())),
                }
            }
            DeValue::Float(float) => {
                let read = float.as_str().parse::<f64>().ok();
                match read.and_then(Number::from_f64) {
                    Some(number) => Holds::Number(number),
                    None => {
                        self.not_held(start, &format!("`{}` is no finite number", float.as_str()))
                    }
                }
            }
            DeValue::Datetime(at) => self.not_held(
                start,
                &format!("`{at}` is a date, and no field here takes a date"),
            ),
            DeValue::Array(items) => {
                Holds::List(items.into_iter().map(|item| self.node(item)).collect())
            }
            DeValue::Table(table) => self.table(table),
        };
        Node {
            at: self.lines.place(start),
            holds,
        }
    }

    fn not_held(&mut self, start: usize, message: &str) -> Holds {
        self.broken(start, message);
        Holds::Null
    }

    fn broken(&mut self, start: usize, message: &str) {
        let at = self.lines.place(start);
        self.broken.push(Broken {
            at,
            message: message.to_owned(),
        });
    }
}

/// Where lines begin.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(ends).collect(),
        }
    }

    fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..at).unwrap_or_default();
        Place {
            line,
            column: before.chars().count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(node: &Node) -> (usize, usize) {
        (node.at.line, node.at.column)
    }

    #[test]
    fn values_keep_their_places_and_their_order() {
        let text = "z = 1\na = [1.5, \"é\", true]\n\n[side.flask]\ngroup = { n = 0x10 }\n";
        let node = parse(text).expect("TOML");
        let names: Vec<_> = node.members().iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["z", "a", "side"]);
        assert_eq!(place(node.get("z").unwrap()), (1, 5));
        for (path, wanted) in [
            ("a[1]", (2, 11)),
            ("a[2]", (2, 16)),
            ("side.flask.group.n", (5, 15)),
        ] {
            let found = node.place_of(path);
            assert_eq!((found.line, found.column), wanted, "{path}");
        }
        let value = serde_json::json!({
            "z": 1, "a": [1.5, "é", true], "side": { "flask": { "group": { "n": 16 } } }
        });
        assert_eq!(node.to_value(), value);
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let broken = parse("a = \nb = 1\nb = 2\n").expect_err("broken");
        let places: Vec<_> = broken.iter().map(|one| one.at.line).collect();
        assert_eq!(places, [1, 3], "{broken:?}");
        for (text, wanted) in [
            ("a = inf", "`inf` is no finite number (line 1, column 5)"),
            ("\na = 1979-05-27", "is a date"),
            ("a = 9223372036854775808", "is too large"),
        ] {
            let broken = parse(text).expect_err("broken");
            assert!(broken[0].to_string().contains(wanted), "{broken:?}");
        }
    }
}
