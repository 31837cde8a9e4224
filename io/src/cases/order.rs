//! The order of names that have numbers in them.

use std::cmp::Ordering;

/// How names are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Numbers by their value: `volume-2` before `volume-10`.
    #[default]
    Natural,
    /// Character by character: `volume-10` before `volume-2`.
    Lexical,
}

/// The order of two names.
pub fn compare(a: &str, b: &str, sort: Sort) -> Ordering {
    match sort {
        Sort::Lexical => a.cmp(b),
        // Names that differ only in leading zeros differ still.
        Sort::Natural => natural(a, b).then_with(|| a.cmp(b)),
    }
}

fn natural(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let (text_a, number_a, rest_a) = part(a);
        let (text_b, number_b, rest_b) = part(b);
        let numbers = || {
            number_a
                .len()
                .cmp(&number_b.len())
                .then(number_a.cmp(number_b))
        };
        let order = text_a.cmp(text_b).then_with(numbers);
        if order != Ordering::Equal || a.is_empty() || b.is_empty() {
            return order.then(a.len().cmp(&b.len()));
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The text before the first number, the number without leading zeros, and what follows.
fn part(name: &str) -> (&str, &str, &str) {
    let digit = |c: char| c.is_ascii_digit();
    let (text, rest) = name.split_at(name.find(digit).unwrap_or(name.len()));
    let (number, rest) = rest.split_at(rest.find(|c| !digit(c)).unwrap_or(rest.len()));
    (text, number.trim_start_matches('0'), rest)
}

/// The only number in a name, without leading zeros: the number of a case.
pub(super) fn number(name: &str) -> Option<String> {
    let (_, _, rest) = part(name);
    let has = name.contains(|c: char| c.is_ascii_digit());
    let more = rest.contains(|c: char| c.is_ascii_digit());
    (has && !more).then(|| {
        let (_, number, _) = part(name);
        if number.is_empty() {
            "0".to_owned()
        } else {
            number.to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IO-08, B-22: 12 files volume-0 to volume-11 in natural order; the fourth is volume-3.
    #[test]
    fn numbers_are_sorted_by_their_value() {
        let mut names: Vec<String> = [3, 11, 0, 7, 10, 1, 9, 2, 8, 5, 4, 6]
            .iter()
            .map(|i| format!("volume-{i}"))
            .collect();
        names.sort_by(|a, b| compare(a, b, Sort::Natural));
        let expected: Vec<String> = (0..12).map(|i| format!("volume-{i}")).collect();
        assert_eq!(names, expected);
        assert_eq!(names[3], "volume-3");
        names.sort_by(|a, b| compare(a, b, Sort::Lexical));
        assert_eq!(
            names[..4],
            ["volume-0", "volume-1", "volume-10", "volume-11"]
        );
    }

    #[test]
    fn the_order_is_one() {
        let names = [
            "", "a", "a1", "a01", "a1b", "a2", "a10", "b", "1", "01", "a1a2", "a1a10",
        ];
        for a in names {
            for b in names {
                let order = compare(a, b, Sort::Natural);
                assert_eq!(order, compare(b, a, Sort::Natural).reverse(), "{a} {b}");
                assert_eq!(order == Ordering::Equal, a == b, "{a} {b}");
            }
        }
        let large = "9".repeat(40);
        assert_eq!(natural(&large, &format!("1{large}")), Ordering::Less);
    }

    #[test]
    fn the_number_of_a_case_is_the_only_one_in_its_name() {
        assert_eq!(number("volume-011").as_deref(), Some("11"));
        assert_eq!(number("volume-000").as_deref(), Some("0"));
        assert_eq!(number("7_seg").as_deref(), Some("7"));
        assert_eq!(number("case"), None);
        assert_eq!(number("case-1_t2"), None);
    }
}
