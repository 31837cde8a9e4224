//! The elements of a data set as the bytes they are: taken apart without being understood, changed
//! one by one, and put together again. What is not changed keeps every byte.

use dicom_core::{Tag, VR};

use super::identifiers::usual_vr;
use super::scan::{ITEM, ITEM_END, SEQUENCE_END, Syntax, is_short};

/// Sequences within sequences, at most, as in `scan`.
const DEPTH: usize = 32;
const UNDEFINED: u32 = u32::MAX;

/// How elements are spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    pub(super) explicit: bool,
    pub(super) big_endian: bool,
}

impl Coding {
    pub(super) const EXPLICIT: Self = Self {
        explicit: true,
        big_endian: false,
    };
    /// What is within an element of unknown VR.
    const IMPLICIT: Self = Self {
        explicit: false,
        big_endian: false,
    };

    pub(super) fn of(syntax: &Syntax) -> Self {
        Self {
            explicit: syntax.explicit,
            big_endian: syntax.big_endian,
        }
    }

    fn word(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    fn long(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    pub(super) fn word_bytes(self, word: u16) -> [u8; 2] {
        if self.big_endian {
            word.to_be_bytes()
        } else {
            word.to_le_bytes()
        }
    }

    pub(super) fn long_bytes(self, long: u32) -> [u8; 4] {
        if self.big_endian {
            long.to_be_bytes()
        } else {
            long.to_le_bytes()
        }
    }
}

/// An element, or an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: Tag,
    /// The VR; that of the dictionary where the file does not say.
    pub(super) vr: VR,
    /// Tag, VR and length.
    head: &'a [u8],
    /// The value; of undefined length, with what ends it.
    pub(super) value: &'a [u8],
    is_undefined: bool,
    /// How what is within it is spelt.
    inside: Coding,
}

/// What becomes of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Keep,
    Remove,
    /// Another value, spelt as the file wants it.
    Value(Vec<u8>),
    /// Of a sequence: the same is asked of all elements of its items.
    Within,
}

/// The bytes do not make elements, or a value does not fit into one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Takes the element at the start of `bytes`; the rest is what follows it.
pub(super) fn next(
    bytes: &[u8],
    coding: Coding,
    depth: usize,
) -> Result<(Element<'_>, &[u8]), Broken> {
    let word = |at: usize| -> Result<u16, Broken> {
        let pair = bytes.get(at..at + 2).and_then(|b| b.try_into().ok());
        Ok(coding.word(pair.ok_or(Broken)?))
    };
    let long = |at: usize| -> Result<u32, Broken> {
        let four = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
        Ok(coding.long(four.ok_or(Broken)?))
    };
    let tag = Tag(word(0)?, word(2)?);
    let is_item = tag.group() == 0xFFFE;
    let (spelt, length, size) = if coding.explicit && !is_item {
        let vr = [word_byte(bytes, 4)?, word_byte(bytes, 5)?];
        match is_short(vr) {
            Some(true) => (VR::from_binary(vr), u32::from(word(6)?), 8),
            _ => (VR::from_binary(vr), long(8)?, 12),
        }
    } else {
        (None, long(4)?, 8)
    };
    let unknown = spelt.is_none_or(|vr| vr == VR::UN);
    let vr = if is_item {
        VR::UN
    } else {
        spelt.filter(|_| !unknown).unwrap_or_else(|| usual_vr(tag))
    };
    let inside = if coding.explicit && unknown && !is_item {
        Coding::IMPLICIT
    } else {
        coding
    };
    let (head, rest) = bytes.split_at_checked(size).ok_or(Broken)?;
    let is_undefined = length == UNDEFINED;
    let end = if !is_undefined {
        length as usize
    } else if is_item {
        item_end(rest, coding, depth)?
    } else {
        sequence_end(rest, inside, depth)?
    };
    let (value, rest) = rest.split_at_checked(end).ok_or(Broken)?;
    let element = Element {
        tag,
        vr,
        head,
        value,
        is_undefined,
        inside,
    };
    Ok((element, rest))
}

fn word_byte(bytes: &[u8], at: usize) -> Result<u8, Broken> {
    bytes.get(at).copied().ok_or(Broken)
}

/// How many bytes a sequence, or fragments, of undefined length have, with their delimiter.
fn sequence_end(bytes: &[u8], coding: Coding, depth: usize) -> Result<usize, Broken> {
    if depth >= DEPTH {
        return Err(Broken);
    }
    let mut rest = bytes;
    loop {
        let (item, after) = next(rest, coding, depth + 1)?;
        rest = after;
        match item.tag {
            SEQUENCE_END => return Ok(bytes.len() - rest.len()),
            ITEM => {}
            _ => return Err(Broken),
        }
    }
}

/// How many bytes an item of undefined length has, with its delimiter.
fn item_end(bytes: &[u8], coding: Coding, depth: usize) -> Result<usize, Broken> {
    let mut rest = bytes;
    loop {
        let (element, after) = next(rest, coding, depth)?;
        rest = after;
        if element.tag == ITEM_END {
            return Ok(bytes.len() - rest.len());
        }
    }
}

impl Element<'_> {
    /// All bytes of it.
    pub(super) fn keep(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head);
        out.extend_from_slice(self.value);
    }

    /// The value as text, without padding.
    pub(super) fn text(&self) -> String {
        let text = String::from_utf8_lossy(self.value);
        text.trim_matches([' ', '\0']).to_owned()
    }

    /// Whether the value can be taken apart as a sequence.
    pub(super) fn is_sound(&self) -> bool {
        let mut keep = |element: &Element<'_>| match element.vr {
            VR::SQ => Change::Within,
            _ => Change::Keep,
        };
        self.put_within(self.inside, 0, &mut keep, &mut Vec::new())
            .is_ok()
    }

    /// Writes the element with another value.
    fn put(&self, coding: Coding, value: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        let tag = self.head.get(..4).ok_or(Broken)?;
        let length = u32::try_from(value.len()).map_err(|_| Broken)?;
        out.extend_from_slice(tag);
        if coding.explicit && self.tag.group() != 0xFFFE {
            out.extend_from_slice(self.head.get(4..6).ok_or(Broken)?);
            if self.head.len() == 8 {
                let length = u16::try_from(length).map_err(|_| Broken)?;
                out.extend_from_slice(&coding.word_bytes(length));
            } else {
                out.extend_from_slice(&[0, 0]);
                out.extend_from_slice(&coding.long_bytes(length));
            }
        } else {
            out.extend_from_slice(&coding.long_bytes(length));
        }
        out.extend_from_slice(value);
        Ok(())
    }

    /// Writes the sequence with the elements of its items changed.
    fn put_within(
        &self,
        coding: Coding,
        depth: usize,
        change: &mut dyn FnMut(&Element<'_>) -> Change,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        if depth >= DEPTH {
            return Err(Broken);
        }
        let mut items = Vec::with_capacity(self.value.len());
        let mut rest = self.value;
        while !rest.is_empty() {
            let (item, after) = next(rest, self.inside, depth + 1)?;
            rest = after;
            match item.tag {
                SEQUENCE_END if self.is_undefined && rest.is_empty() => item.keep(&mut items),
                ITEM => {
                    let mut content = Vec::with_capacity(item.value.len());
                    let mut rest = item.value;
                    while !rest.is_empty() {
                        let (element, after) = next(rest, self.inside, depth + 1)?;
                        rest = after;
                        if element.tag == ITEM_END {
                            element.keep(&mut content);
                        } else {
                            element.changed(self.inside, depth + 1, change, &mut content)?;
                        }
                    }
                    if item.is_undefined {
                        items.extend_from_slice(item.head);
                        items.extend_from_slice(&content);
                    } else {
                        item.put(self.inside, &content, &mut items)?;
                    }
                }
                _ => return Err(Broken),
            }
        }
        if self.is_undefined {
            out.extend_from_slice(self.head);
            out.extend_from_slice(&items);
            Ok(())
        } else {
            self.put(coding, &items, out)
        }
    }

    /// Writes what becomes of the element.
    pub(super) fn changed(
        &self,
        coding: Coding,
        depth: usize,
        change: &mut dyn FnMut(&Element<'_>) -> Change,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        match change(self) {
            Change::Keep => self.keep(out),
            Change::Remove => {}
            Change::Value(value) => self.put(coding, &value, out)?,
            Change::Within => self.put_within(coding, depth, change, out)?,
        }
        Ok(())
    }
}

/// Spells a new element.
///
/// # Errors
/// Where the value is too long for its VR.
pub(super) fn spell(tag: Tag, vr: VR, value: &[u8], coding: Coding) -> Result<Vec<u8>, Broken> {
    let mut head = Vec::with_capacity(12 + value.len());
    for word in [tag.group(), tag.element()] {
        head.extend_from_slice(&coding.word_bytes(word));
    }
    if coding.explicit {
        let name = vr.to_bytes();
        head.extend_from_slice(&name);
        let is_short = is_short(name) == Some(true);
        head.extend_from_slice(if is_short { &[0; 2] } else { &[0; 6] });
    } else {
        head.extend_from_slice(&[0; 4]);
    }
    let element = Element {
        tag,
        vr,
        head: &head,
        value,
        is_undefined: false,
        inside: coding,
    };
    let mut out = Vec::with_capacity(head.len() + value.len());
    element.put(coding, value, &mut out)?;
    Ok(out)
}

/// Spells an item of a sequence.
pub(super) fn item(content: &[u8], coding: Coding) -> Result<Vec<u8>, Broken> {
    let length = u32::try_from(content.len()).map_err(|_| Broken)?;
    let mut out = Vec::with_capacity(8 + content.len());
    for word in [ITEM.group(), ITEM.element()] {
        out.extend_from_slice(&coding.word_bytes(word));
    }
    out.extend_from_slice(&coding.long_bytes(length));
    out.extend_from_slice(content);
    Ok(out)
}

/// A data set with some elements changed and others put in, each at its place; an element that is
/// put in replaces the one that is there. The lengths of groups that were changed are mended.
pub(super) fn rewrite(
    bytes: &[u8],
    coding: Coding,
    new: &[(Tag, Vec<u8>)],
    change: &mut dyn FnMut(&Element<'_>) -> Change,
) -> Result<Vec<u8>, Broken> {
    let mut out = Vec::with_capacity(bytes.len() + 1024);
    // Of each element that is written: its tag, and where it begins.
    let mut written: Vec<(Tag, usize)> = Vec::new();
    let mut touched: Vec<u16> = new.iter().map(|(tag, _)| tag.group()).collect();
    let mut new: Vec<&(Tag, Vec<u8>)> = new.iter().collect();
    new.sort_by_key(|(tag, _)| *tag);
    let mut waiting = new.iter().peekable();
    let mut rest = bytes;
    // Some writers pad files with a few zeroes.
    while rest.len() >= 8 {
        let (element, after) = next(rest, coding, 0)?;
        let tag = element.tag;
        while let Some((tag, bytes)) = waiting.next_if(|(new, _)| *new <= tag) {
            written.push((*tag, out.len()));
            out.extend_from_slice(bytes);
        }
        let start = out.len();
        if !new.iter().any(|(new, _)| *new == tag) {
            element.changed(coding, 0, change, &mut out)?;
            let before = rest.len() - after.len();
            if out.len() - start != before {
                touched.push(tag.group());
            }
            if out.len() > start {
                written.push((tag, start));
            }
        }
        rest = after;
    }
    for (tag, bytes) in waiting {
        written.push((*tag, out.len()));
        out.extend_from_slice(bytes);
    }
    let end = out.len();
    out.extend_from_slice(rest);
    let lengths = written
        .iter()
        .enumerate()
        .filter(|(_, (tag, _))| tag.element() == 0);
    for (at, (tag, start)) in lengths {
        if !touched.contains(&tag.group()) {
            continue;
        }
        let bounds = |from: usize| {
            let bound = |at: usize| written.get(at).map_or(end, |(_, start)| *start);
            (bound(from), bound(from + 1))
        };
        let members = (0..written.len()).filter(|other| {
            *other != at
                && written
                    .get(*other)
                    .is_some_and(|(t, _)| t.group() == tag.group())
        });
        let length: usize = members
            .map(|member| bounds(member).1 - bounds(member).0)
            .sum();
        let (_, after) = bounds(at);
        let length = u32::try_from(length).map_err(|_| Broken)?;
        // The value is the last four bytes, however the head is spelt.
        if after >= start + 12
            && let Some(value) = out.get_mut(after - 4..after)
        {
            value.copy_from_slice(&coding.long_bytes(length));
        }
    }
    Ok(out)
}
