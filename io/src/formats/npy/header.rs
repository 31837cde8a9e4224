//! The header of a `.npy` file: a mark, a version, a length, and a Python dictionary in text, of
//! which exactly the three entries that numpy writes are understood.

use crate::array::Array;
use crate::stored::Number;

/// How every file begins.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest dictionary that is read; numpy's own limit is 10,000 bytes.
const MOST: usize = 1 << 16;
/// Voxels start at a multiple of this, as in the files of numpy.
const ALIGNMENT: usize = 64;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::formats) struct Npy<'a> {
    /// The type of the elements, as numpy names it.
    descr: &'a str,
    first_fastest: bool,
    pub(in crate::formats) shape: Vec<u64>,
    /// The first byte of the elements.
    pub(in crate::formats) start: u64,
}

impl Npy<'_> {
    /// The array, whose elements must be numbers.
    pub(in crate::formats) fn array(&self) -> Result<Array, Refusal> {
        let (number, complex, big_endian) = number(self.descr)?;
        Ok(Array {
            number,
            complex,
            big_endian,
            first_fastest: self.first_fastest,
            shape: self.shape.clone(),
        })
    }

    /// How many characters each element has, and whether they are big-endian, where the elements
    /// are texts in UTF-32.
    pub(in crate::formats) fn text(&self) -> Option<(usize, bool)> {
        let (order, kind) = self.descr.split_at_checked(1)?;
        let characters = kind.strip_prefix('U')?.parse().ok()?;
        matches!(order, "<" | ">").then_some((characters, order == ">"))
    }
}

/// Why a header is not read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::formats) enum Refusal {
    /// It is damaged.
    Damaged(String),
    /// It describes what is no image: the reason, and what to do.
    Unsupported(String, &'static str),
}

/// The bytes that come before the dictionary, and its length, from the first 12 bytes of a file.
pub(in crate::formats) fn length(start: &[u8]) -> Result<(usize, usize), Refusal> {
    let damaged = |what: &str| Refusal::Damaged(what.to_owned());
    if !start.starts_with(MAGIC) {
        return Err(damaged("the mark of a .npy file is missing"));
    }
    let cut = || damaged("the file ends within its header");
    let major = *start.get(6).ok_or_else(cut)?;
    let (at, length) = match (major, start.get(8..)) {
        (1, Some([a, b, ..])) => (10, usize::from(u16::from_le_bytes([*a, *b]))),
        (2 | 3, Some([a, b, c, d, ..])) => (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        (1..=3, _) => return Err(cut()),
        _ => {
            return Err(Refusal::Unsupported(
                format!("version {major} of the format is not known"),
                "save it again with numpy.save",
            ));
        }
    };
    if length > MOST {
        return Err(Refusal::Damaged(format!(
            "the header declares {length} bytes, at most {MOST} are possible"
        )));
    }
    Ok((at, length))
}

/// Reads a header, of which `bytes` are at least all.
pub(in crate::formats) fn parse(bytes: &[u8]) -> Result<Npy<'_>, Refusal> {
    let (at, length) = length(bytes)?;
    let text = bytes
        .get(at..at + length)
        .ok_or_else(|| Refusal::Damaged("the file ends within its header".to_owned()))?;
    let text = std::str::from_utf8(text)
        .map_err(|_| Refusal::Damaged("the header is not text".to_owned()))?;
    Literal { rest: text }.npy((at + length) as u64)
}

/// The header of a file whose elements are little-endian and whose last axis is the fastest.
pub(in crate::formats) fn written(descr: &str, shape: &[usize]) -> Vec<u8> {
    let mut lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    if lengths.len() == 1 {
        // A tuple of one has a comma.
        lengths.push(String::new());
    }
    let shape = lengths.join(", ");
    let shape = shape.trim_end();
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let unpadded = MAGIC.len() + 4 + text.len() + 1;
    let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.bytes());
    bytes
}

/// What is left of a dictionary that is being read.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn npy(mut self, start: u64) -> Result<Npy<'a>, Refusal> {
        let (mut descr, mut order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.eat('}') {
            let key = self.string()?;
            self.expect(':')?;
            let again = match key {
                "descr" => descr.replace(self.descr()?).is_some(),
                "fortran_order" => order.replace(self.truth()?).is_some(),
                "shape" => shape.replace(self.lengths()?).is_some(),
                _ => return Err(Refusal::Damaged("the header has an unknown entry".into())),
            };
            if again {
                return Err(Refusal::Damaged(format!("the header has '{key}' twice")));
            }
            if !self.eat(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.rest.trim().is_empty() {
            return Err(self.wrong());
        }
        let missing = |what: &str| Refusal::Damaged(format!("the header has no '{what}'"));
        Ok(Npy {
            descr: descr.ok_or_else(|| missing("descr"))?,
            first_fastest: order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
            start,
        })
    }

    fn wrong(&self) -> Refusal {
        Refusal::Damaged("the header is not the dictionary that numpy writes".to_owned())
    }

    fn eat(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Result<(), Refusal> {
        if self.eat(c) {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    /// A text in either kind of quotation marks, without escapes.
    fn string(&mut self) -> Result<&'a str, Refusal> {
        let quote = if self.eat('\'') { '\'' } else { '"' };
        if quote == '"' {
            self.expect('"')?;
        }
        let (text, rest) = self.rest.split_once(quote).ok_or_else(|| self.wrong())?;
        self.rest = rest;
        Ok(text)
    }

    fn descr(&mut self) -> Result<&'a str, Refusal> {
        if self.eat('[') {
            return Err(Refusal::Unsupported(
                "the elements are records of several fields".to_owned(),
                "save each field as an array of its own",
            ));
        }
        self.string()
    }

    fn truth(&mut self) -> Result<bool, Refusal> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.wrong())
    }

    fn lengths(&mut self) -> Result<Vec<u64>, Refusal> {
        let mut lengths = Vec::new();
        self.expect('(')?;
        while !self.eat(')') {
            self.rest = self.rest.trim_start();
            let end = self.rest.find(|c: char| !c.is_ascii_digit());
            let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            lengths.push(digits.parse().map_err(|_| self.wrong())?);
            // Python 2 wrote long integers with an L.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if !self.eat(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(lengths)
    }
}

/// The number type, whether two of them make an element, and whether they are big-endian.
fn number(descr: &str) -> Result<(Number, bool, bool), Refusal> {
    let unsupported = |what: &str, remedy| Refusal::Unsupported(what.to_owned(), remedy);
    let numbers = "save it as an array of numbers";
    let (order, kind) = match descr.split_at_checked(1) {
        Some((order @ ("<" | ">" | "|" | "="), kind)) => (order, kind),
        _ => ("|", descr),
    };
    let (number, complex) = match kind {
        // True is 1 and False 0.
        "b1" | "u1" => (Number::U8, false),
        "i1" => (Number::I8, false),
        "i2" => (Number::I16, false),
        "u2" => (Number::U16, false),
        "i4" => (Number::I32, false),
        "u4" => (Number::U32, false),
        "i8" => (Number::I64, false),
        "u8" => (Number::U64, false),
        "f2" => (Number::F16, false),
        "f4" => (Number::F32, false),
        "f8" => (Number::F64, false),
        "c8" => (Number::F32, true),
        "c16" => (Number::F64, true),
        "f12" | "f16" | "c24" | "c32" => {
            return Err(unsupported(
                "the elements are long doubles, which differ between machines",
                "save it as float64",
            ));
        }
        "O" => {
            return Err(unsupported(
                "the elements are Python objects, which are programs and are never loaded",
                numbers,
            ));
        }
        _ => return Err(unsupported("the elements are no numbers", numbers)),
    };
    if order == "|" && number.bytes() > 1 {
        return Err(Refusal::Damaged(
            "the header does not say in which order the bytes are".to_owned(),
        ));
    }
    let big_endian = order == ">" || order == "=" && cfg!(target_endian = "big");
    Ok((number, complex, big_endian))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(dictionary: &str) -> Result<Array, Refusal> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((dictionary.len() as u16).to_le_bytes());
        bytes.extend(dictionary.bytes());
        parse(&bytes)?.array()
    }

    #[test]
    fn what_is_written_is_what_numpy_writes() {
        let bytes = written("<i2", &[2, 3, 4]);
        assert_eq!(bytes.len() % 64, 0);
        let text = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3, 4), }";
        assert_eq!(&bytes[10..10 + text.len()], text.as_bytes());
        assert_eq!(bytes.last(), Some(&b'\n'));
        let read = parse(&bytes).unwrap();
        assert_eq!(read.start, 128);
        assert_eq!(read.shape, [2, 3, 4]);
        assert!(String::from_utf8_lossy(&written("<U3", &[7])).contains("'shape': (7,), }"));
        assert!(String::from_utf8_lossy(&written("<U3", &[])).contains("'shape': (), }"));
    }

    #[test]
    fn a_dictionary_may_be_spelled_in_python_s_other_ways() {
        let array = with("{\"shape\":(2L,3L),'fortran_order' : True ,\"descr\":\">u2\"}").unwrap();
        let expected = Array {
            number: Number::U16,
            complex: false,
            big_endian: true,
            first_fastest: true,
            shape: vec![2, 3],
        };
        assert_eq!(array, expected);
    }

    #[test]
    fn what_is_no_dictionary_of_numpy_is_damaged() {
        for text in [
            "",
            "{",
            "{'descr'",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999)}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
            "{'descr': '|f4', 'fortran_order': False, 'shape': (2, 3)}",
        ] {
            let refusal = with(text).unwrap_err();
            assert!(
                matches!(refusal, Refusal::Damaged(_)),
                "{text}: {refusal:?}"
            );
        }
    }

    #[test]
    fn what_is_no_number_says_what_it_is() {
        for (descr, expected) in [
            ("'|O'", "Python objects"),
            ("'<U5'", "no numbers"),
            ("'<M8[D]'", "no numbers"),
            ("'<f16'", "long doubles"),
            ("[('a', '<i2')]", "records"),
        ] {
            let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2, 3)}}");
            match with(&text).unwrap_err() {
                Refusal::Unsupported(reason, _) => assert!(reason.contains(expected), "{reason}"),
                other => panic!("{descr}: {other:?}"),
            }
        }
    }
}
