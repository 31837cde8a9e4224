//! Streams of other encoders, and the frames of the shared data, against independent decoders:
//! `codecs.json`, which `make.py` writes.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

const PROBES: usize = 40;

use super::super::case::run;
use super::super::{Frame, supports};

/// What another decoder makes of a frame.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) syntax: String,
    rows: usize,
    columns: usize,
    samples: usize,
    bits: u16,
    stored: u16,
    signed: bool,
    crc: u32,
    sum: i64,
    probes: Vec<i64>,
    #[serde(default)]
    within: i64,
}

impl Row {
    pub(super) fn frame(&self) -> Frame {
        Frame {
            rows: self.rows,
            columns: self.columns,
            samples: self.samples,
            bits_allocated: self.bits,
            bits_stored: self.stored,
            signed: self.signed,
        }
    }

    /// Whether this build decodes it.
    pub(super) fn supported(&self) -> bool {
        supports(&self.syntax).is_ok()
    }
}

pub(super) fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../../../tests/codec/codecs.json")).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/codec")
}

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("VOXPREP_SHARED").map_or(beside, PathBuf::from);
    let data = shared.join("data");
    if !data.is_dir() {
        println!("skipped: no ../shared");
        return None;
    }
    Some(data)
}

/// The pixel data of a file: of an encapsulated one its fragments, joined.
fn pixel_data(file: &[u8]) -> Vec<u8> {
    let find = |tag: &[u8]| file.windows(tag.len()).rposition(|bytes| bytes == tag);
    let at = find(b"\xe0\x7f\x10\0OW\0\0").or_else(|| find(b"\xe0\x7f\x10\0OB\0\0"));
    let (length, contents) = file[at.unwrap() + 8..].split_first_chunk::<4>().unwrap();
    let length = u32::from_le_bytes(*length);
    if length != u32::MAX {
        return contents[..length as usize].to_vec();
    }
    let mut rest = contents;
    let mut joined = Vec::new();
    // The first item is the table of offsets.
    for item in 0.. {
        let (tag, after) = rest.split_first_chunk::<4>().unwrap();
        if *tag != *b"\xfe\xff\0\xe0" {
            break;
        }
        let length = u32::from_le_bytes(after[..4].try_into().unwrap()) as usize;
        if item > 0 {
            joined.extend_from_slice(&after[4..4 + length]);
        }
        rest = &after[4 + length..];
    }
    joined
}

/// The bytes of a row's frame; `None` where the shared data is absent.
pub(super) fn stream(row: &Row) -> Option<Vec<u8>> {
    if row.name.starts_with("streams/") {
        return Some(fs::read(folder().join(&row.name)).unwrap());
    }
    Some(pixel_data(&fs::read(data()?.join(&row.name)).unwrap()))
}

fn samples(bytes: &[u8], bits: u16, signed: bool) -> Vec<i64> {
    let value = |bytes: &[u8]| match (bits, signed) {
        (8, false) => i64::from(bytes[0]),
        (8, true) => i64::from(bytes[0] as i8),
        (16, false) => i64::from(u16::from_le_bytes([bytes[0], bytes[1]])),
        _ => i64::from(i16::from_le_bytes([bytes[0], bytes[1]])),
    };
    bytes
        .chunks_exact(usize::from(bits / 8))
        .map(value)
        .collect()
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// IO-05: Every frame decodes to the very samples of an independent decoder, or where the format
/// leaves a choice as near as `within`.
#[test]
fn frames_decode_as_by_others() {
    let (mut exact, mut near) = (0, 0);
    let mut wrong = Vec::new();
    for row in rows().iter().filter(|row| row.supported()) {
        let Some(stream) = stream(row) else { continue };
        let found = run(&row.syntax, &row.frame(), &stream);
        let Ok((found, _)) = found else {
            wrong.push(format!("{}: {found:?}", row.name));
            continue;
        };
        let values = samples(&found, row.bits, row.signed);
        let sum: i64 = values.iter().sum();
        if crc(&found) == row.crc {
            exact += 1;
            continue;
        }
        near += 1;
        let step = values.len() / PROBES + 1;
        let probes = values.iter().step_by(step).zip(&row.probes);
        let most = probes.map(|(a, b)| (a - b).abs()).max().unwrap();
        let mean = (sum - row.sum) as f64 / values.len() as f64;
        if most > row.within || mean.abs() > 0.05 * row.within as f64 {
            wrong.push(format!(
                "{}: off by {most}, {mean} in the mean, of {}",
                row.name, row.within
            ));
        }
    }
    println!("{exact} exact, {near} near");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
