//! Walks through the structure of a file before anything is believed: every length, to any depth,
//! lies within what encloses it, and where the header ends and the pixel data begin is known.
//!
//! What this walk has passed may be handed to a parser that trusts lengths.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use dicom_core::dictionary::DataDictionary as _;
use dicom_core::dictionary::DataDictionaryEntry as _;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use flate2::read::DeflateDecoder;

use crate::error::{Error, Result};
use crate::source::COPY_AGAIN;

/// Sequences within sequences, at most: real objects stay below ten.
const DEPTH: usize = 32;
/// How much of a file is read first: most headers are smaller.
const FIRST: usize = 8 << 10;
/// Elements of a data set, at most, those in sequences not counted: real ones have a few hundred.
const ELEMENTS: usize = 1 << 16;
/// A header that was deflated, at most.
const DEFLATED_HEADER: u64 = 64 << 20;
/// No deflate stream grows by more than this factor.
const INFLATION: u64 = 1032;
/// The length that says "until a delimiter".
const UNDEFINED: u32 = u32::MAX;

pub(super) const ITEM: Tag = Tag(0xFFFE, 0xE000);
pub(super) const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
pub(super) const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);

const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
/// Explicit little endian, pixels in one fragment per frame but not compressed.
const ENCAPSULATED_UNCOMPRESSED: &str = "1.2.840.10008.1.2.1.98";

/// How the data set is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    /// The transfer syntax, as a UID.
    pub(super) uid: String,
    pub(super) explicit: bool,
    pub(super) big_endian: bool,
    pub(super) deflated: bool,
}

impl Syntax {
    /// Every syntax but the five native ones is explicit little endian with encapsulated pixels.
    fn of(uid: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            explicit: uid != IMPLICIT_LITTLE,
            big_endian: uid == EXPLICIT_BIG,
            deflated: uid == DEFLATED,
        }
    }

    /// Whether pixels are numbers as they are, not fragments of a compressed stream.
    pub(super) fn is_native(&self) -> bool {
        [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED].contains(&self.uid.as_str())
    }

    /// Whether pixels are fragments, but of numbers as they are.
    pub(super) fn is_encapsulated_native(&self) -> bool {
        self.uid == ENCAPSULATED_UNCOMPRESSED
    }
}

/// What the pixel data element holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Integers of `BitsAllocated` bits, or fragments.
    Integer,
    Float,
    Double,
}

/// Where the pixels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelElement {
    /// The first byte of the value, from the start of the (inflated) file.
    pub(super) start: u64,
    /// How many bytes; `None` where fragments follow until a delimiter.
    pub(super) length: Option<u64>,
    pub(super) numbers: Numbers,
}

/// One element of the data set itself, not of a sequence in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) tag: Tag,
    /// Where the element begins, its tag that is, and where the next one does.
    pub(super) start: u64,
    pub(super) end: u64,
    /// Whether it holds what parsers stumble over: an unknown element of undefined length, whose items
    /// are implicit whatever the file is, or a number of a length that no number has.
    pub(super) mixed: bool,
}

/// What the walk found.
#[derive(Clone, Debug)]
pub(super) struct Structure {
    pub(super) syntax: Syntax,
    /// Where the data set begins: behind preamble and file meta information.
    pub(super) dataset: u64,
    /// Where the header ends: at the pixel data, or at the end of the file.
    pub(super) end: u64,
    pub(super) pixels: Option<PixelElement>,
    /// The elements up to the pixel data, in the order of the file.
    pub(super) elements: Vec<Element>,
    /// What the file does not say and had to be assumed.
    pub(super) assumed: Option<String>,
}

/// The bytes of a file, read as far as they were needed, inflated where the data set is deflated.
pub(super) struct Bytes {
    from: From,
    bytes: Vec<u8>,
    /// How many bytes there are at most, read or not.
    most: u64,
    ended: bool,
}

enum From {
    File(File),
    Deflated(Box<DeflateDecoder<File>>),
}

impl Bytes {
    /// Of an opened file.
    pub(super) fn open(path: &Path) -> Result<(Self, u64)> {
        let metadata = std::fs::metadata(path).map_err(|e| Error::io("open", path, e))?;
        if !metadata.is_file() {
            return Err(Error::parameter(path, "the path is not an ordinary file"));
        }
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let most = metadata.len();
        let bytes = Self {
            from: From::File(file),
            bytes: Vec::new(),
            most,
            ended: false,
        };
        Ok((bytes, most))
    }

    /// Reads on until `end` bytes are there; whether they are.
    fn reach(&mut self, end: u64, path: &Path) -> Result<bool> {
        if end <= self.bytes.len() as u64 {
            return Ok(true);
        }
        if end > self.most {
            return Ok(false);
        }
        while !self.ended && (self.bytes.len() as u64) < end {
            // At least as much again, so that a long header is read in few steps.
            let more = (end - self.bytes.len() as u64).max(self.bytes.len().max(FIRST) as u64);
            let more = more.min(16 << 20);
            let from: &mut dyn Read = match &mut self.from {
                From::File(file) => file,
                From::Deflated(decoder) => decoder,
            };
            let before = self.bytes.len();
            from.take(more)
                .read_to_end(&mut self.bytes)
                .map_err(|error| match error.kind() {
                    std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
                        Error::input(path, "the deflated data set is damaged").remedy(COPY_AGAIN)
                    }
                    _ => Error::io("read", path, error),
                })?;
            self.ended = self.bytes.len() == before;
        }
        Ok(end <= self.bytes.len() as u64)
    }

    /// The bytes in a range that was reached.
    pub(super) fn get(&self, start: u64, end: u64) -> &[u8] {
        self.bytes.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// The bytes in a range.
    ///
    /// # Errors
    /// [`Error::Input`] where the file ends before.
    pub(super) fn read(&mut self, start: u64, end: u64, path: &Path) -> Result<&[u8]> {
        if !self.reach(end, path)? {
            return Err(Error::input(path, "the file ends within its header").remedy(COPY_AGAIN));
        }
        Ok(self.get(start, end))
    }

    /// Everything from `start` on, for fragments: at most what the file holds, or inflates to.
    pub(super) fn into_rest(mut self, start: u64, path: &Path) -> Result<Vec<u8>> {
        while !self.ended && (self.bytes.len() as u64) < self.most {
            self.reach((self.bytes.len() as u64 + 1).min(self.most), path)?;
        }
        let start = (start as usize).min(self.bytes.len());
        self.bytes.drain(..start);
        Ok(self.bytes)
    }

    /// Goes on with what the bytes from `at` inflate to; `at` stays the same place.
    fn inflate(&mut self, at: u64, path: &Path) -> Result<()> {
        use std::io::{Seek, SeekFrom};
        let failed = |e| Error::io("read", path, e);
        let file = match &self.from {
            From::File(file) => file.try_clone().map_err(failed)?,
            From::Deflated(_) => return Ok(()),
        };
        (&file).seek(SeekFrom::Start(at)).map_err(failed)?;
        self.bytes.truncate(at as usize);
        self.most = at + (self.most - at).saturating_mul(INFLATION);
        self.from = From::Deflated(Box::new(DeflateDecoder::new(file)));
        self.ended = false;
        Ok(())
    }

    /// How many bytes there are at most.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// The position of a plain file's pixels may be read without this buffer.
    pub(super) fn file(&self) -> Option<&File> {
        match &self.from {
            From::File(file) => Some(file),
            From::Deflated(_) => None,
        }
    }
}

/// Whether the first bytes of a file are those of a DICOM file: the magic word behind the preamble,
/// or two elements in a row of the groups with which files without a preamble begin.
pub(super) fn recognises(start: &[u8]) -> bool {
    if start.get(128..132) == Some(b"DICM") {
        return true;
    }
    bare(start).is_some()
}

/// Of a file without preamble: where its data set or meta information begins and whether VRs are
/// explicit and numbers big endian.
fn bare(start: &[u8]) -> Option<(bool, bool)> {
    let header = |at: usize, explicit: bool, big: bool| -> Option<(Tag, usize)> {
        let word = |at: usize| -> Option<u16> {
            let pair = start.get(at..at + 2)?.try_into().ok()?;
            Some(if big {
                u16::from_be_bytes(pair)
            } else {
                u16::from_le_bytes(pair)
            })
        };
        let tag = Tag(word(at)?, word(at + 2)?);
        if explicit {
            let vr = [*start.get(at + 4)?, *start.get(at + 5)?];
            let short = is_short(vr)?;
            // Long forms do not occur among the first two elements of any file.
            (short || vr == *b"OB").then_some(())?;
            let length = if short {
                usize::from(word(at + 6)?)
            } else {
                usize::from(word(at + 8)?)
            };
            Some((tag, at + if short { 8 } else { 12 } + length))
        } else {
            let length = usize::from(word(at + 4)?);
            (word(at + 6)? == 0).then_some((tag, at + 8 + length))
        }
    };
    [(true, false), (false, false), (true, true)]
        .into_iter()
        .find(|&(explicit, big)| {
            let Some((first, next)) = header(0, explicit, big) else {
                return false;
            };
            let second = header(next, explicit, big).map(|(tag, _)| tag);
            let begins = matches!(first.group(), 0x0002 | 0x0008) && first.element() <= 0x0100;
            begins
                && second.is_some_and(|tag| tag > first && matches!(tag.group(), 0x0002 | 0x0008))
        })
}

/// Whether the length that follows a VR has two bytes; `None` where it is no VR.
pub(super) fn is_short(vr: [u8; 2]) -> Option<bool> {
    match &vr {
        b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FL" | b"FD" | b"IS" | b"LO"
        | b"LT" | b"PN" | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL" | b"US" => {
            Some(true)
        }
        b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR"
        | b"UT" | b"UV" => Some(false),
        _ => None,
    }
}

/// Bytes of one value, where a value has a length of its own.
fn unit(vr: VR) -> u32 {
    match vr {
        VR::US | VR::SS | VR::OW => 2,
        VR::UL | VR::SL | VR::FL | VR::AT | VR::OL | VR::OF => 4,
        VR::FD | VR::SV | VR::UV | VR::OD | VR::OV => 8,
        _ => 1,
    }
}

/// Walks through a file up to its pixel data.
///
/// # Errors
/// [`Error::Input`] where a length leads beyond what encloses it, or sequences lie too deep.
pub(super) fn scan(bytes: &mut Bytes, path: &Path) -> Result<Structure> {
    let has_preamble = bytes.reach(132, path)? && bytes.get(128, 132) == b"DICM";
    bytes.reach(FIRST as u64, path)?;
    let mut at = if has_preamble { 132 } else { 0 };
    let mut walk = Walk {
        bytes,
        path,
        explicit: true,
        big: false,
        mixed: false,
    };
    // The meta information is explicit little endian whatever follows it.
    let mut uid = None;
    while let Some(header) = walk.peek(at)? {
        if header.tag.group() != 0x0002 {
            break;
        }
        let end = walk.end_of(&header, at, walk.bytes.most(), 0)?;
        if header.tag == TRANSFER_SYNTAX {
            let value = walk.bytes.read(at + header.size, end, path)?;
            uid = std::str::from_utf8(value)
                .ok()
                .map(|uid| uid.trim_end_matches(['\0', ' ']).to_owned());
        }
        at = end;
    }
    let (syntax, assumed) = match uid.filter(|uid| !uid.is_empty()) {
        Some(uid) => (Syntax::of(&uid), None),
        None => {
            walk.bytes.reach(at + 1024, path)?;
            let start = walk.bytes.get(at, walk.bytes.bytes.len() as u64);
            let guess = bare(start).map(|(explicit, big)| match (explicit, big) {
                (_, true) => EXPLICIT_BIG,
                (true, _) => EXPLICIT_LITTLE,
                _ => IMPLICIT_LITTLE,
            });
            let Some(uid) = guess else {
                return Err(Error::input(
                    path,
                    "the transfer syntax is not stated, and cannot be told from the first elements",
                )
                .field("(0002,0010)")
                .remedy("export the file again"));
            };
            let assumed = format!("the transfer syntax is not stated; it looks like {uid}");
            (Syntax::of(uid), Some(assumed))
        }
    };
    if syntax.deflated {
        walk.bytes.inflate(at, path)?;
    }
    walk.explicit = syntax.explicit;
    walk.big = syntax.big_endian;
    let dataset = at;
    let mut elements = Vec::new();
    let mut pixels = None;
    while let Some(header) = walk.peek(at)? {
        let numbers = match header.tag {
            Tag(0x7FE0, 0x0008) => Some(Numbers::Float),
            Tag(0x7FE0, 0x0009) => Some(Numbers::Double),
            Tag(0x7FE0, 0x0010) => Some(Numbers::Integer),
            _ => None,
        };
        if let Some(numbers) = numbers {
            pixels = Some(PixelElement {
                start: at + header.size,
                length: header.length.map(u64::from),
                numbers,
            });
            break;
        }
        walk.mixed = false;
        let end = walk.end_of(&header, at, walk.bytes.most(), 0)?;
        elements.push(Element {
            tag: header.tag,
            start: at,
            end,
            mixed: walk.mixed,
        });
        at = end;
        if elements.len() > ELEMENTS || syntax.deflated && at - dataset > DEFLATED_HEADER {
            return Err(
                Error::limit(path, "the header is larger than any header is").remedy(COPY_AGAIN),
            );
        }
    }
    // Everything up to here will be read.
    walk.bytes.read(at, at, path)?;
    Ok(Structure {
        syntax,
        dataset,
        end: at,
        pixels,
        elements,
        assumed,
    })
}

/// The head of an element.
struct Head {
    tag: Tag,
    vr: [u8; 2],
    /// `None` where it is undefined.
    length: Option<u32>,
    /// Bytes of the head itself.
    size: u64,
}

struct Walk<'a> {
    bytes: &'a mut Bytes,
    path: &'a Path,
    explicit: bool,
    big: bool,
    /// Whether something was met that parsers stumble over.
    mixed: bool,
}

impl Walk<'_> {
    fn wrong(&self, tag: Tag, reason: &str) -> Error {
        Error::input(self.path, reason)
            .field(format!("({:04X},{:04X})", tag.group(), tag.element()))
            .remedy(COPY_AGAIN)
    }

    fn word(&self, at: u64) -> u16 {
        match *self.bytes.get(at, at + 2) {
            [a, b] if self.big => u16::from_be_bytes([a, b]),
            [a, b] => u16::from_le_bytes([a, b]),
            _ => 0,
        }
    }

    fn long(&self, at: u64) -> u32 {
        match *self.bytes.get(at, at + 4) {
            [a, b, c, d] if self.big => u32::from_be_bytes([a, b, c, d]),
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
            _ => 0,
        }
    }

    /// The head of the element at `at`; `None` at the end of the file.
    fn peek(&mut self, at: u64) -> Result<Option<Head>> {
        if !self.bytes.reach(at + 8, self.path)? {
            // Some writers pad files with a few zeroes.
            return Ok(None);
        }
        let tag = Tag(self.word(at), self.word(at + 2));
        let (vr, length, size) = if self.explicit && tag.group() != 0xFFFE {
            let vr = match self.bytes.get(at + 4, at + 6) {
                &[a, b] => [a, b],
                _ => [0; 2],
            };
            if is_short(vr) == Some(true) {
                (vr, u32::from(self.word(at + 6)), 8)
            } else if self.bytes.reach(at + 12, self.path)? {
                // An unknown VR is one of a later standard, and those are long.
                (vr, self.long(at + 8), 12)
            } else {
                return Err(self.wrong(tag, "the file ends within this element"));
            }
        } else {
            (*b"  ", self.long(at + 4), 8)
        };
        Ok(Some(Head {
            tag,
            vr,
            length: (length != UNDEFINED).then_some(length),
            size,
        }))
    }

    /// Where the element ends, which has to be at most at `limit`. What is inside it is walked
    /// through as well.
    fn end_of(&mut self, head: &Head, at: u64, limit: u64, depth: usize) -> Result<u64> {
        let start = at + head.size;
        if head.tag.group() == 0xFFFE {
            return Err(self.wrong(head.tag, "an item outside of any sequence"));
        }
        let Some(length) = head.length else {
            if head.tag == PIXEL_DATA {
                // An icon: its fragments are not looked at.
                return match &head.vr {
                    b"OB" | b"OW" => self.fragments(head.tag, start, limit),
                    _ => Err(self.wrong(head.tag, "only bytes may be divided into fragments")),
                };
            }
            return match (self.explicit, &head.vr) {
                (false, _) | (true, b"SQ") => self.sequence(head.tag, start, limit, None, depth),
                (true, b"UN") => {
                    // An unknown element of undefined length is a sequence in implicit little endian.
                    self.mixed = true;
                    let (explicit, big) = (self.explicit, self.big);
                    (self.explicit, self.big) = (false, false);
                    let end = self.sequence(head.tag, start, limit, None, depth);
                    (self.explicit, self.big) = (explicit, big);
                    end
                }
                _ => Err(self.wrong(head.tag, "only a sequence may have an undefined length")),
            };
        };
        let end = start + u64::from(length);
        if end > limit {
            let reason = format!(
                "the element is to have {length} bytes, {} are left",
                limit.saturating_sub(start)
            );
            return Err(self.wrong(head.tag, &reason));
        }
        if !self.bytes.reach(end, self.path)? {
            return Err(self.wrong(head.tag, "the file ends within this element"));
        }
        let vr = if self.explicit {
            VR::from_binary(head.vr).unwrap_or(VR::UN)
        } else {
            let entry = StandardDataDictionary.by_tag(head.tag);
            entry.map_or(VR::UN, |entry| entry.vr().relaxed())
        };
        // Of a broken number parsers read the whole ones only, and go on within the rest.
        self.mixed |= !length.is_multiple_of(unit(vr));
        let is_sequence = vr == VR::SQ;
        if is_sequence && length > 0 {
            self.sequence(head.tag, start, end, Some(end), depth)?;
        }
        Ok(end)
    }

    /// Walks through the items of a sequence up to its end, or its delimiter where it has none.
    fn sequence(
        &mut self,
        tag: Tag,
        mut at: u64,
        limit: u64,
        end: Option<u64>,
        depth: usize,
    ) -> Result<u64> {
        if depth >= DEPTH {
            return Err(self.wrong(tag, "sequences lie more than 32 deep"));
        }
        loop {
            if Some(at) == end {
                return Ok(at);
            }
            let head = self.peek(at)?.filter(|_| at + 8 <= limit);
            let Some(head) = head else {
                return Err(self.wrong(tag, "the file ends within this sequence"));
            };
            at += head.size;
            match (head.tag, head.length) {
                (SEQUENCE_END, _) if end.is_none() => return Ok(at),
                (ITEM, Some(length)) => {
                    let item = at + u64::from(length);
                    if item > limit {
                        return Err(self.wrong(tag, "an item is longer than its sequence"));
                    }
                    while at < item {
                        let head = self.peek(at)?.filter(|_| at + 8 <= item);
                        let Some(head) = head else {
                            return Err(self.wrong(tag, "an item ends within an element"));
                        };
                        at = self.end_of(&head, at, item, depth + 1)?;
                    }
                }
                (ITEM, None) => loop {
                    let head = self.peek(at)?.filter(|_| at + 8 <= limit);
                    let Some(head) = head else {
                        return Err(self.wrong(tag, "the file ends within an item"));
                    };
                    if head.tag == ITEM_END {
                        at += head.size;
                        break;
                    }
                    at = self.end_of(&head, at, limit, depth + 1)?;
                },
                _ => return Err(self.wrong(tag, "something else than an item in a sequence")),
            }
        }
    }

    /// Walks over the fragments of an encapsulated value.
    fn fragments(&mut self, tag: Tag, mut at: u64, limit: u64) -> Result<u64> {
        loop {
            let head = self.peek(at)?.filter(|_| at + 8 <= limit);
            let Some(head) = head else {
                return Err(self.wrong(tag, "the file ends within its fragments"));
            };
            at += head.size;
            match (head.tag, head.length) {
                (SEQUENCE_END, _) => return Ok(at),
                (ITEM, Some(length)) if at + u64::from(length) <= limit => {
                    at += u64::from(length);
                }
                _ => return Err(self.wrong(tag, "a fragment is damaged")),
            }
        }
    }
}
