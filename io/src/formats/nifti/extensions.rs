//! Header extensions: what other programs put between the header and the voxels.
//!
//! They are carried as attachments of the header, and written back as they were. The facts of the
//! header say which there are, `nifti.extensions`, and never what is in them: comments are free
//! text. Codes whose purpose is to say who was scanned are left out of what is written, and
//! `nifti.extensions_left_out` names them.

use std::io::{self, Read};

use serde_json::{Map, Value, json};
use voxprep_core::volume::{Attachment, Header, MOVED, REGRIDDED};

use super::fields::Fields;
use crate::error::Result;
use crate::source::Source;

/// More bytes of extensions than this are not carried along.
pub(super) const MOST: u64 = 16 << 20;
/// Nor are more extensions than this.
const MOST_EXTENSIONS: usize = 256;
/// DICOM attributes, the clinical experiment data of XCEDE, and the header of NIfTI-MRS, which has
/// a field for the patient's name.
const WHO_WAS_SCANNED: [i32; 3] = [2, 8, 44];
/// The family of these attachments.
const KIND: &str = "nifti";
/// Size and code, before the contents.
const HEAD: u64 = 8;
/// The size of an extension is a multiple of this.
const UNIT: u64 = 16;

/// The extensions of a file.
#[derive(Default)]
pub(super) struct Extensions {
    /// Those that are carried along.
    pub(super) attachments: Vec<Attachment>,
    /// Code and size of each, in the order of the file.
    found: Vec<(i32, u64)>,
    /// What is wrong with them.
    pub(super) warning: Option<String>,
    /// The byte of the file after the last.
    pub(super) end: u64,
}

impl Extensions {
    /// Reads the extensions of a file; `end` is where the voxels begin, or `None` where the file
    /// has none.
    pub(super) fn read(source: &Source, fields: &Fields, end: Option<u64>) -> Result<Self> {
        let start = fields.len() as u64 + 4;
        let mut all = Self {
            end: start,
            ..Self::default()
        };
        if source
            .start()
            .get(fields.len())
            .is_some_and(|&flag| flag != 0)
        {
            let mut contents = source.bytes_from(start)?;
            while all.warning.is_none()
                && all
                    .next(&mut contents, fields.big_endian, start, end)
                    .map_err(|e| source.unread(&e))?
            {}
        }
        Ok(all)
    }

    /// Reads one extension, and says whether there was one.
    fn next(
        &mut self,
        contents: &mut dyn Read,
        big_endian: bool,
        start: u64,
        end: Option<u64>,
    ) -> io::Result<bool> {
        let left = end.map_or(u64::MAX, |end| end.saturating_sub(self.end));
        if left < UNIT {
            return Ok(false);
        }
        let head = take(contents, HEAD)?;
        let ([size, code], []) = head.as_chunks::<4>() else {
            return Ok(false);
        };
        let [size, code] = [size, code].map(|bytes| {
            if big_endian {
                i32::from_be_bytes(*bytes)
            } else {
                i32::from_le_bytes(*bytes)
            }
        });
        if self.found.len() == MOST_EXTENSIONS {
            self.warning = Some(format!(
                "the header has more than {MOST_EXTENSIONS} extensions; those that follow are not kept"
            ));
            return Ok(false);
        }
        let named = format!("header extension {} (code {code})", self.found.len() + 1);
        let rest = "it and what follows it are not kept";
        let whole = u64::try_from(size)
            .ok()
            .filter(|&n| n >= UNIT && n.is_multiple_of(UNIT));
        let Some(size) = whole else {
            self.warning = Some(format!(
                "{named} states a size of {size} bytes, where multiples of {UNIT} are possible; {rest}"
            ));
            return Ok(false);
        };
        if size <= left && self.end - start + size > MOST {
            self.end += size;
            self.warning = Some(format!(
                "{named} of {size} bytes goes beyond the {} MiB of extensions that are carried along; \
                 {rest}, so keep the original file",
                MOST >> 20
            ));
            return Ok(false);
        }
        let there = if size <= left {
            take(contents, size - HEAD)?
        } else {
            Vec::new()
        };
        if HEAD + (there.len() as u64) < size {
            let left = if size <= left {
                HEAD + there.len() as u64
            } else {
                left
            };
            self.warning = Some(format!(
                "{named} states a size of {size} bytes, of which {left} are there; {rest}"
            ));
            return Ok(false);
        }
        self.end += size;
        self.found.push((code, size));
        if !WHO_WAS_SCANNED.contains(&code) {
            self.attachments.push(Attachment {
                kind: KIND,
                code,
                bytes: there.into(),
            });
        }
        Ok(true)
    }

    /// What the facts of a header say of them.
    pub(super) fn describe(&self, facts: &mut Map<String, Value>) {
        if self.found.is_empty() {
            return;
        }
        let found = self.found.iter();
        let list = found.map(|(code, size)| json!({ "code": code, "size": size }));
        facts.insert("nifti.extensions".to_owned(), list.collect());
        let codes = self.found.iter().map(|(code, _)| *code);
        let left_out: Vec<i32> = codes
            .filter(|code| WHO_WAS_SCANNED.contains(code))
            .collect();
        if !left_out.is_empty() {
            facts.insert("nifti.extensions_left_out".to_owned(), json!(left_out));
        }
    }
}

/// The next `most` bytes, or those that are left. The memory grows with what is there, not with
/// what is stated.
fn take(contents: &mut dyn Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    contents.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The attachments that still hold: AFNI's attributes (code 4) say where the voxels were.
pub(super) fn that_hold(header: &Header) -> Vec<Attachment> {
    const AFNI: i32 = 4;
    let elsewhere = [REGRIDDED, MOVED]
        .iter()
        .any(|fact| header.facts.contains_key(*fact));
    let bound = |a: &&Attachment| a.kind == KIND && a.code == AFNI && elsewhere;
    let all = header.attachments.iter();
    all.filter(|a| !bound(a)).cloned().collect()
}

/// The bytes between the header and the voxels: four that say whether extensions follow, and the
/// extensions among the attachments of a header; `None` where they are too much to be read again.
pub(super) fn bytes(attachments: &[Attachment]) -> Option<Vec<u8>> {
    let mut out = vec![0; 4];
    let extensions = attachments.iter().filter(|a| a.kind == KIND);
    if extensions.clone().count() > MOST_EXTENSIONS {
        return None;
    }
    for extension in extensions {
        let size = (HEAD + extension.bytes.len() as u64).next_multiple_of(UNIT);
        let end = out.len() + size as usize;
        if end as u64 > 4 + MOST {
            return None;
        }
        out[0] = 1;
        out.extend((size as i32).to_le_bytes());
        out.extend(extension.code.to_le_bytes());
        out.extend(&*extension.bytes);
        out.resize(end, 0);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(kind: &'static str, code: i32, bytes: &[u8]) -> Attachment {
        Attachment {
            kind,
            code,
            bytes: bytes.into(),
        }
    }

    #[test]
    fn what_a_header_carries_is_laid_out_in_multiples_of_16() {
        let bytes = bytes(&[
            attachment(KIND, 6, b"abc"),
            attachment("elsewhere", 6, b"nothing of NIfTI"),
            attachment(KIND, 4, b"\x00\xff\x10\0\0\0\0\0"),
            attachment(KIND, 6, b"abcdefghi"),
        ]);
        let mut expected = vec![1, 0, 0, 0];
        expected.extend(b"\x10\0\0\0\x06\0\0\0abc\0\0\0\0\0");
        expected.extend(b"\x10\0\0\0\x04\0\0\0\x00\xff\x10\0\0\0\0\0");
        expected.extend(b"\x20\0\0\0\x06\0\0\0abcdefghi\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(bytes.unwrap(), expected);
        assert_eq!(super::bytes(&[]).unwrap(), [0; 4]);
    }

    #[test]
    fn more_than_is_read_is_not_written() {
        let large = attachment(KIND, 6, &vec![0; 16 << 20]);
        assert_eq!(bytes(&[large]), None);
        let fitting = attachment(KIND, 6, &vec![0; (16 << 20) - 8]);
        assert_eq!(bytes(&[fitting]).unwrap().len(), 4 + (16 << 20));
        let many = vec![attachment(KIND, 6, b""); 257];
        assert_eq!(bytes(&many), None);
        assert_eq!(bytes(&many[1..]).unwrap().len(), 4 + 256 * 16);
    }
}
