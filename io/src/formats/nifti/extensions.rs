//! Header extensions: what other programs put between the header and the voxels.
//!
//! They are carried in the facts of the header, `nifti.extensions`, and written back as they were:
//! `{"code": 6, "size": 32, "text": "..."}`, or `"hex"` where the contents are no text. Codes whose
//! purpose is to say who was scanned are named, but their contents are left out.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use crate::error::Result;
use crate::source::Source;

/// More bytes of extensions than this are not carried along.
const MOST: u64 = 16 << 20;
/// DICOM attributes, and the clinical experiment data of XCEDE.
const WHO_WAS_SCANNED: [i64; 2] = [2, 8];
/// Size and code, before the contents.
const HEAD: usize = 8;

/// The extensions of a file as facts, and what is wrong with them.
///
/// `end` is where the voxels begin, or `None` where the file has none.
pub(super) fn read(
    source: &Source,
    fields: &Fields,
    end: Option<u64>,
) -> Result<(Vec<Value>, Option<String>)> {
    let after = fields.len();
    if source.start().get(after).is_none_or(|&flag| flag == 0) {
        return Ok((Vec::new(), None));
    }
    let bytes = source.stretch(after as u64 + 4, end, MOST)?;
    let mut rest = bytes.as_slice();
    let mut found = Vec::new();
    while let Some((head, _)) = rest
        .split_first_chunk::<HEAD>()
        .filter(|_| rest.len() >= 16)
    {
        let [size, code] = [&head[..4], &head[4..]].map(|bytes| {
            let mut number = [0; 4];
            number.copy_from_slice(bytes);
            if fields.big_endian {
                i32::from_be_bytes(number)
            } else {
                i32::from_le_bytes(number)
            }
        });
        let whole = usize::try_from(size).ok().filter(|&n| n >= HEAD);
        let Some(whole) = whole.and_then(|n| rest.get(..n)) else {
            let warning = format!(
                "header extension {} (code {code}) states a size of {size} bytes, of which {} are there; \
                 it and what follows it are not kept",
                found.len() + 1,
                rest.len()
            );
            return Ok((found, Some(warning)));
        };
        found.push(fact(i64::from(code), &whole[HEAD..], whole.len()));
        rest = rest.get(whole.len()..).unwrap_or_default();
    }
    Ok((found, None))
}

fn fact(code: i64, contents: &[u8], size: usize) -> Value {
    let mut fact = Map::new();
    fact.insert("code".to_owned(), json!(code));
    fact.insert("size".to_owned(), json!(size));
    let end = contents
        .iter()
        .rposition(|&b| b != 0)
        .map_or(0, |last| last + 1);
    if WHO_WAS_SCANNED.contains(&code) {
        fact.insert("left_out".to_owned(), json!("it may say who was scanned"));
    } else if let Ok(text) = std::str::from_utf8(&contents[..end]) {
        fact.insert("text".to_owned(), json!(text));
    } else {
        fact.insert("hex".to_owned(), json!(hex(&contents[..end])));
    }
    Value::Object(fact)
}

/// The bytes between the header and the voxels: four that say whether extensions follow, and the
/// extensions that the facts of a header carry.
pub(super) fn bytes(facts: &Map<String, Value>) -> Vec<u8> {
    let mut out = vec![0; 4];
    let list = facts.get("nifti.extensions").and_then(Value::as_array);
    for fact in list.into_iter().flatten() {
        let code = fact.get("code").and_then(Value::as_i64);
        let code = code.and_then(|code| i32::try_from(code).ok());
        let text = fact.get("text").and_then(Value::as_str);
        let contents = match fact.get("hex").and_then(Value::as_str) {
            Some(hex) => unhex(hex),
            None => text.map(|text| text.as_bytes().to_vec()),
        };
        let (Some(code), Some(contents)) = (code, contents) else {
            continue;
        };
        let least = (HEAD + contents.len()).next_multiple_of(16);
        let stated = fact.get("size").and_then(Value::as_u64).unwrap_or(0);
        // The size as it was, unless it breaks the rule of multiples of 16.
        let size = usize::try_from(stated.min(MOST))
            .ok()
            .filter(|size| *size > least && size.is_multiple_of(16))
            .unwrap_or(least);
        out[0] = 1;
        let end = out.len() + size;
        out.extend((size as i32).to_le_bytes());
        out.extend(code.to_le_bytes());
        out.extend(contents);
        out.resize(end, 0);
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16);
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_facts_carry_is_laid_out_in_multiples_of_16() {
        let facts = json!({"nifti.extensions": [
            {"code": 6, "size": 32, "text": "abc"},
            {"code": 4, "size": 5, "hex": "00ff10"},
            {"code": 2, "size": 64, "left_out": "it may say who was scanned"},
            {"code": 6, "text": "abcdefghi"},
            {"text": "no code"},
            {"code": 6, "hex": "0f0"},
        ]});
        let bytes = bytes(facts.as_object().unwrap());
        let mut expected = vec![1, 0, 0, 0];
        expected.extend(b"\x20\0\0\0\x06\0\0\0abc\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        expected.extend(b"\x10\0\0\0\x04\0\0\0\x00\xff\x10\0\0\0\0\0");
        expected.extend(b"\x20\0\0\0\x06\0\0\0abcdefghi\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(bytes, expected);
        assert_eq!(super::bytes(&Map::new()), [0; 4]);
    }
}
