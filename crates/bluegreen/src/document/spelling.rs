//! Finds the known name that was meant by an unknown one.

/// The nearest of the known names, if one is near: the same letters, the beginning of one, or at most
/// two letters apart.
pub(crate) fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = letters(found);
    let ranked = known.filter_map(|name| Some((apart(&word, &letters(name))?, name)));
    ranked.min_by_key(|(apart, _)| *apart).map(|(_, name)| name)
}

/// The distance of two words, if one may be meant by the other.
pub(crate) fn apart(word: &str, other: &str) -> Option<usize> {
    if word.is_empty() {
        return None;
    }
    let begins = other.starts_with(word);
    let apart = match begins && word.len() >= 3 {
        true => distance(word, other).min(2),
        false => distance(word, other),
    };
    let allowed = if word.len() < 6 && !begins { 1 } else { 2 };
    (apart <= allowed).then_some(apart)
}

/// A name without capitals and without the characters between its words.
pub(crate) fn letters(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

/// How many letters must be added, left out, replaced or exchanged with the next.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len().abs_diff(other.len()) > 2 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1);
            least = least.min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_meant_if_one_is_near() {
        let known = ["max_error_rate", "max_latency", "alarms", "by"];
        for (found, meant) in [
            ("maxErrorRate", Some("max_error_rate")),
            ("max-latency", Some("max_latency")),
            ("alarm", Some("alarms")),
            ("max", Some("max_error_rate")),
            ("alrams", Some("alarms")),
            ("yb", Some("by")),
            ("region", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, known.into_iter()), meant, "{found}");
        }
    }
}
