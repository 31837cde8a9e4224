//! Headers that are text: their lines, and the numbers and names in them.

use std::io::{BufRead, BufReader, Read};

use crate::error::{Error, Result};
use crate::source::Source;

/// No header, with the names of the files that it lists, is longer than this.
const MOST_BYTES: u64 = 8 << 20;
/// No line of a header is longer than this.
const MOST_LINE: usize = 64 << 10;
/// So much of a value is repeated in a message.
const SHOWN: usize = 40;

/// The lines of a header, from the start of the contents.
pub(crate) struct Lines<'a> {
    source: &'a Source,
    input: BufReader<Box<dyn Read + 'a>>,
    at: u64,
}

impl<'a> Lines<'a> {
    /// The lines of a file.
    pub(crate) fn open(source: &'a Source) -> Result<Self> {
        let input = BufReader::with_capacity(4096, source.bytes_from(0)?);
        Ok(Self {
            source,
            input,
            at: 0,
        })
    }

    /// The next line without its end, or `None` where the file ends.
    pub(crate) fn next(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        let most = (MOST_BYTES - self.at.min(MOST_BYTES)).min(MOST_LINE as u64);
        let read = (&mut self.input).take(most).read_until(b'\n', &mut line);
        let read = read.map_err(|e| self.source.unread(&e))?;
        self.at += read as u64;
        if line.pop_if(|last| *last == b'\n').is_some() {
            line.pop_if(|last| *last == b'\r');
        } else if read as u64 == most {
            let reason = if most < MOST_LINE as u64 {
                format!("the header is longer than {MOST_BYTES} bytes")
            } else {
                format!("a line of the header is longer than {MOST_LINE} bytes")
            };
            return Err(Error::limit(self.source.path(), reason)
                .remedy("if it is a header at all, export the file again"));
        }
        let end = read == 0;
        Ok((!end).then(|| String::from_utf8_lossy(&line).into_owned()))
    }

    /// The byte after the last line that was read.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }
}

/// What a message repeats of a value.
pub(crate) fn shown(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if value.chars().count() > SHOWN {
        shown.push_str("...");
    }
    format!("'{shown}'")
}

/// The numbers in a text, between blanks or commas; what is none of them is the error.
pub(crate) fn reals(text: &str) -> Result<Vec<f64>, String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    words
        .filter(|word| !word.is_empty())
        .map(|word| {
            word.parse::<f64>()
                .map_err(|_| format!("{} is no number", shown(word)))
        })
        .collect()
}

/// The lengths of axes in a text, none of which is 0.
pub(crate) fn lengths(text: &str) -> Result<Vec<usize>, String> {
    text.split_whitespace()
        .map(|word| {
            let length = word.parse::<usize>().ok().filter(|&n| n > 0);
            length.ok_or_else(|| format!("{} is no number of voxels", shown(word)))
        })
        .collect()
}

/// A number as text that is read as the same number by every program.
pub(crate) fn real(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        // Without the sign of a zero.
        "0".to_owned()
    } else if (1e-5..1e15).contains(&magnitude) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_text_that_is_the_same_number() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.3333333333333333"),
            (-1e-7, "-1e-7"),
            (6.02214076e23, "6.02214076e23"),
            (123456.0, "123456"),
        ] {
            assert_eq!(real(value), text);
            assert_eq!(text.parse::<f64>().unwrap(), value);
        }
    }

    #[test]
    fn what_is_no_number_is_named() {
        assert_eq!(reals("1 2.5,-3e1 "), Ok(vec![1.0, 2.5, -30.0]));
        assert_eq!(reals("1 x"), Err("'x' is no number".to_owned()));
        assert_eq!(lengths("3 4"), Ok(vec![3, 4]));
        assert_eq!(lengths("3 0"), Err("'0' is no number of voxels".to_owned()));
        assert_eq!(lengths("-3"), Err("'-3' is no number of voxels".to_owned()));
    }

    #[test]
    fn a_message_repeats_little_and_only_one_line() {
        assert_eq!(shown("a\nb"), "'a b'");
        assert_eq!(shown(&"x".repeat(50)), format!("'{}...'", "x".repeat(40)));
    }
}
