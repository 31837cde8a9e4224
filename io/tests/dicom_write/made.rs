//! DICOM files made by hand, byte by byte, in each of the native transfer syntaxes.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Syntax {
    Implicit,
    Explicit,
    Big,
    Deflated,
}

impl Syntax {
    pub(crate) const ALL: [Self; 4] = [Self::Implicit, Self::Explicit, Self::Big, Self::Deflated];

    fn uid(self) -> &'static str {
        match self {
            Self::Implicit => "1.2.840.10008.1.2",
            Self::Explicit => "1.2.840.10008.1.2.1",
            Self::Big => "1.2.840.10008.1.2.2",
            Self::Deflated => "1.2.840.10008.1.2.1.99",
        }
    }
}

/// A value, by how it is spelt.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(&'static str),
    Short(u16),
    /// The length of the group: of all elements that follow and have the same group.
    GroupLength,
    Bytes(Vec<u8>),
    /// Items; whether lengths are undefined.
    Items(Vec<Vec<Made>>, bool),
}

#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) tag: (u16, u16),
    vr: &'static str,
    value: Value,
}

pub(crate) fn text(group: u16, element: u16, vr: &'static str, text: &'static str) -> Made {
    Made {
        tag: (group, element),
        vr,
        value: Value::Text(text),
    }
}

pub(crate) fn short(group: u16, element: u16, number: u16) -> Made {
    Made {
        tag: (group, element),
        vr: "US",
        value: Value::Short(number),
    }
}

pub(crate) fn bytes(group: u16, element: u16, vr: &'static str, bytes: &[u8]) -> Made {
    Made {
        tag: (group, element),
        vr,
        value: Value::Bytes(bytes.to_vec()),
    }
}

pub(crate) fn length(group: u16) -> Made {
    Made {
        tag: (group, 0),
        vr: "UL",
        value: Value::GroupLength,
    }
}

pub(crate) fn items(group: u16, element: u16, items: Vec<Vec<Made>>, undefined: bool) -> Made {
    Made {
        tag: (group, element),
        vr: "SQ",
        value: Value::Items(items, undefined),
    }
}

fn word(big: bool, word: u16) -> [u8; 2] {
    if big {
        word.to_be_bytes()
    } else {
        word.to_le_bytes()
    }
}

fn long(big: bool, long: u32) -> [u8; 4] {
    if big {
        long.to_be_bytes()
    } else {
        long.to_le_bytes()
    }
}

fn spell(elements: &[Made], explicit: bool, big: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, made) in elements.iter().enumerate() {
        let (group, element) = made.tag;
        let (value, undefined) = match &made.value {
            Value::Text(text) => {
                let mut value = text.as_bytes().to_vec();
                if value.len() % 2 == 1 {
                    value.push(if made.vr == "UI" { 0 } else { b' ' });
                }
                (value, false)
            }
            Value::Short(number) => (word(big, *number).to_vec(), false),
            Value::Bytes(bytes) => (bytes.clone(), false),
            Value::GroupLength => {
                let rest = elements[at + 1..]
                    .iter()
                    .filter(|other| other.tag.0 == group);
                let rest: Vec<Made> = rest.cloned().collect();
                (
                    long(big, spell(&rest, explicit, big).len() as u32).to_vec(),
                    false,
                )
            }
            Value::Items(items, undefined) => {
                let mut value = Vec::new();
                for item in items {
                    let content = spell(item, explicit, big);
                    let length = if *undefined {
                        u32::MAX
                    } else {
                        content.len() as u32
                    };
                    value.extend(word(big, 0xFFFE));
                    value.extend(word(big, 0xE000));
                    value.extend(long(big, length));
                    value.extend(content);
                    if *undefined {
                        value.extend(word(big, 0xFFFE));
                        value.extend(word(big, 0xE00D));
                        value.extend(long(big, 0));
                    }
                }
                if *undefined {
                    value.extend(word(big, 0xFFFE));
                    value.extend(word(big, 0xE0DD));
                    value.extend(long(big, 0));
                }
                (value, *undefined)
            }
        };
        let length = if undefined {
            u32::MAX
        } else {
            value.len() as u32
        };
        out.extend(word(big, group));
        out.extend(word(big, element));
        if !explicit {
            out.extend(long(big, length));
        } else if ["OB", "OW", "SQ", "UN", "UT"].contains(&made.vr) {
            out.extend(made.vr.as_bytes());
            out.extend([0, 0]);
            out.extend(long(big, length));
        } else {
            out.extend(made.vr.as_bytes());
            out.extend(word(big, length as u16));
        }
        out.extend(value);
    }
    out
}

/// A file: the instance that its meta information names, and its data set.
pub(crate) fn file(syntax: Syntax, instance: &'static str, elements: &[Made]) -> Vec<u8> {
    let meta = [
        length(0x0002),
        bytes(0x0002, 0x0001, "OB", &[0, 1]),
        text(0x0002, 0x0002, "UI", "1.2.840.10008.5.1.4.1.1.4"),
        text(0x0002, 0x0003, "UI", instance),
        text(0x0002, 0x0010, "UI", syntax.uid()),
        text(0x0002, 0x0012, "UI", "1.2.3.4"),
        text(0x0002, 0x0016, "AE", "STATION17"),
    ];
    let mut out = b"preamble".repeat(16);
    out.extend(b"DICM");
    out.extend(spell(&meta, true, false));
    let data = spell(elements, syntax != Syntax::Implicit, syntax == Syntax::Big);
    if syntax == Syntax::Deflated {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        deflated.write_all(&data).unwrap();
        let mut deflated = deflated.finish().unwrap();
        if deflated.len() % 2 == 1 {
            deflated.push(0);
        }
        out.extend(deflated);
    } else {
        out.extend(data);
    }
    out
}

/// The pixels of the file below.
pub(crate) const PIXELS: [u8; 12] = [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 1];

/// An MR image with names at every depth.
pub(crate) fn image() -> Vec<Made> {
    let deep = vec![
        text(0x0008, 0x1150, "UI", "1.2.840.10008.5.1.4.1.1.4"),
        text(0x0008, 0x1155, "UI", "1.2.3.55"),
        text(0x0010, 0x0020, "LO", "DEEPID77"),
        bytes(0x0011, 0x1001, "UN", b"PRIVATEDEEP "),
    ];
    vec![
        length(0x0008),
        text(0x0008, 0x0008, "CS", "ORIGINAL\\PRIMARY"),
        text(0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.4"),
        text(0x0008, 0x0018, "UI", "1.2.3.1"),
        text(0x0008, 0x0020, "DA", "20240131"),
        text(0x0008, 0x0060, "CS", "MR"),
        text(0x0008, 0x0080, "LO", "Saint Elsewhere"),
        text(0x0008, 0x103E, "LO", "Knee of Jane Doe"),
        items(
            0x0008,
            0x1140,
            vec![vec![items(0x0040, 0xA170, vec![deep.clone(), deep], true)]],
            false,
        ),
        length(0x0010),
        text(0x0010, 0x0010, "PN", "Doe^Jane"),
        text(0x0010, 0x0020, "LO", "HOSPITAL4711"),
        text(0x0010, 0x1010, "AS", "045Y"),
        bytes(0x0019, 0x0010, "LO", b"MAKER PRIV"),
        bytes(0x0019, 0x1001, "UN", b"JANE IS HERE"),
        text(0x0018, 0x0050, "DS", "2.5"),
        text(0x0020, 0x000D, "UI", "1.2.3.2"),
        text(0x0020, 0x000E, "UI", "1.2.3.3"),
        text(0x0020, 0x0013, "IS", "1"),
        text(0x0020, 0x0032, "DS", "0\\0\\0"),
        text(0x0020, 0x0037, "DS", "1\\0\\0\\0\\1\\0"),
        text(0x0020, 0x0052, "UI", "1.2.3.4.5"),
        short(0x0028, 0x0002, 1),
        text(0x0028, 0x0004, "CS", "MONOCHROME2"),
        short(0x0028, 0x0010, 2),
        short(0x0028, 0x0011, 3),
        text(0x0028, 0x0030, "DS", "1\\1"),
        short(0x0028, 0x0100, 16),
        short(0x0028, 0x0101, 16),
        short(0x0028, 0x0102, 15),
        short(0x0028, 0x0103, 0),
        bytes(0x7FE0, 0x0010, "OW", &PIXELS),
    ]
}

/// The elements with some replaced or put in, at their places.
pub(crate) fn with(mut elements: Vec<Made>, new: Vec<Made>) -> Vec<Made> {
    for made in new {
        elements.retain(|other| other.tag != made.tag);
        let at = elements.iter().position(|other| other.tag > made.tag);
        elements.insert(at.unwrap_or(elements.len()), made);
    }
    elements
}
