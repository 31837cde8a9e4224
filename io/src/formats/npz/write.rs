//! Writes an archive: each member as one deflate stream from all cores.
//!
//! The crate `zip` deflates on one core and takes no stream that is deflated already; what numpy
//! needs of the format is a header before each member and a table at the end.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::Crc;
use voxprep_core::volume::Volume;

use crate::array::shape;
use crate::deflate::{END, write_blocks};
use crate::described::Described;
use crate::error::Result;
use crate::formats::npy::descr;
use crate::formats::npy::header::written;
use crate::write_aside;

use super::IMAGE;

/// How many bytes are compressed without reference to those before.
const BLOCK: u64 = 1 << 20;
/// From this size on, lengths are stored in 64 bits; no compression makes it longer by the rest.
const LARGE: u64 = u32::MAX as u64 - (1 << 26);
/// The first of January 1980, the zero of the format: files say nothing of when they were made.
const DATE: u16 = 0x21;
/// The versions of the format that have deflate, and lengths of 64 bits.
const VERSION: u16 = 20;
const VERSION_64: u16 = 45;
/// A length that is elsewhere, in 64 bits.
const ELSEWHERE: u32 = u32::MAX;

/// Writes a volume and what is known of its place.
pub(super) fn write(path: &Path, volume: &Volume, level: u32) -> Result<()> {
    let voxels = volume.voxels();
    let said = Described::of(volume);
    let mut small: Vec<(&str, Vec<u8>)> = Vec::new();
    let mut numbers = |name, shape: &[usize], list: Option<&[f64]>| {
        if let Some(list) = list {
            let mut bytes = written("<f8", shape);
            bytes.extend(list.iter().flat_map(|v| v.to_le_bytes()));
            small.push((name, bytes));
        }
    };
    numbers("affine", &[4, 4], said.affine.as_ref().map(|a| &a[..]));
    numbers("spacing", &[3], said.spacing.as_ref().map(|a| &a[..]));
    numbers("origin", &[3], said.origin.as_ref().map(|a| &a[..]));
    numbers(
        "direction",
        &[3, 3],
        said.direction.as_ref().map(|a| &a[..]),
    );
    if let Some(names) = &said.channels {
        small.push(("channels", texts(&[names.len()], names)));
    }
    for (name, text) in [
        ("axes", said.axes),
        ("frame", said.frame),
        ("unit", said.unit),
        ("modality", said.modality),
        ("role", said.role),
    ] {
        if let Some(text) = text {
            small.push((name, texts(&[], &[text])));
        }
    }
    let header = written(descr(voxels.element_type()), &shape(voxels));
    write_aside(path, |file| {
        let mut archive = Archive {
            file,
            level,
            large: LARGE,
            table: Vec::new(),
            members: 0,
        };
        for (name, bytes) in &small {
            archive.add(name, &[bytes])?;
        }
        archive.add(IMAGE, &[&header, voxels.bytes()])?;
        archive.finish()
    })
}

/// An array of texts, as long as the longest of them.
fn texts(shape: &[usize], texts: &[String]) -> Vec<u8> {
    let longest = texts.iter().map(|text| text.chars().count()).max();
    let longest = longest.unwrap_or(0).max(1);
    let mut bytes = written(&format!("<U{longest}"), shape);
    for text in texts {
        let characters = text.chars().map(u32::from);
        let padded = characters.chain(std::iter::repeat(0)).take(longest);
        bytes.extend(padded.flat_map(u32::to_le_bytes));
    }
    bytes
}

/// An archive that is being written.
struct Archive<'a> {
    file: &'a mut File,
    level: u32,
    /// From which size on lengths are stored in 64 bits.
    large: u64,
    /// The table of contents so far.
    table: Vec<u8>,
    members: u16,
}

/// Little-endian numbers, one after the other.
macro_rules! fields {
    ($($value:expr),* $(,)?) => {{
        let mut bytes: Vec<u8> = Vec::new();
        $(bytes.extend($value.to_le_bytes());)*
        bytes
    }};
}

impl Archive<'_> {
    fn add(&mut self, name: &str, pieces: &[&[u8]]) -> io::Result<()> {
        let name = format!("{name}.npy");
        let size: u64 = pieces.iter().map(|p| p.len() as u64).sum();
        let large = size >= self.large;
        let at = self.file.stream_position()?;
        // Lengths and checksum are known afterwards.
        self.file
            .write_all(&local(&name, large, self.method(), 0, [0; 2]))?;
        let start = self.file.stream_position()?;
        let sum = if self.level == 0 {
            let mut sum = Crc::new();
            for piece in pieces {
                sum.update(piece);
                self.file.write_all(piece)?;
            }
            sum
        } else {
            let crc = |bytes: &[u8]| {
                let mut crc = Crc::new();
                crc.update(bytes);
                crc
            };
            let mut sum = Crc::new();
            write_blocks(self.file, pieces, BLOCK, self.level, crc, |_, _, part| {
                sum.combine(&part);
            })?;
            self.file.write_all(&END)?;
            sum
        };
        let end = self.file.stream_position()?;
        let (crc, lengths) = (sum.sum(), [end - start, size]);
        self.file.seek(SeekFrom::Start(at))?;
        self.file
            .write_all(&local(&name, large, self.method(), crc, lengths))?;
        self.file.seek(SeekFrom::Start(end))?;
        let entry = central(&name, large, self.method(), crc, lengths, at);
        self.table.extend(entry);
        self.members += 1;
        Ok(())
    }

    fn method(&self) -> u16 {
        if self.level == 0 { 0 } else { 8 }
    }

    fn finish(self) -> io::Result<()> {
        let at = self.file.stream_position()?;
        let length = self.table.len() as u64;
        self.file.write_all(&self.table)?;
        let members = self.members;
        if at >= self.large {
            let count = u64::from(members);
            self.file.write_all(&fields![
                0x0606_4b50_u32,
                44_u64,
                VERSION_64,
                VERSION_64,
                0_u32,
                0_u32,
                count,
                count,
                length,
                at
            ])?;
            let end = at + length;
            self.file
                .write_all(&fields![0x0706_4b50_u32, 0_u32, end, 1_u32])?;
        }
        let at = u32::try_from(at).unwrap_or(ELSEWHERE);
        self.file.write_all(&fields![
            0x0605_4b50_u32,
            0_u16,
            0_u16,
            members,
            members,
            length as u32,
            at,
            0_u16
        ])
    }
}

/// The header before a member; lengths are packed and unpacked.
fn local(name: &str, large: bool, method: u16, crc: u32, lengths: [u64; 2]) -> Vec<u8> {
    let [packed, size] = lengths;
    let (version, short) = short(large, lengths);
    let extra = if large {
        fields![1_u16, 16_u16, size, packed]
    } else {
        Vec::new()
    };
    let mut bytes = fields![
        0x0403_4b50_u32,
        version,
        0_u16,
        method,
        0_u16,
        DATE,
        crc,
        short[0],
        short[1],
        name.len() as u16,
        extra.len() as u16
    ];
    bytes.extend(name.bytes());
    bytes.extend(extra);
    bytes
}

/// The entry of a member in the table of contents.
fn central(name: &str, large: bool, method: u16, crc: u32, lengths: [u64; 2], at: u64) -> Vec<u8> {
    let [packed, size] = lengths;
    let (version, short) = short(large, lengths);
    let extra = if large {
        fields![1_u16, 16_u16, size, packed]
    } else {
        Vec::new()
    };
    let mut bytes = fields![
        0x0201_4b50_u32,
        version,
        version,
        0_u16,
        method,
        0_u16,
        DATE,
        crc,
        short[0],
        short[1],
        name.len() as u16,
        extra.len() as u16,
        0_u16,
        0_u16,
        0_u16,
        0_u32,
        // The image comes last, so that every member starts within 32 bits.
        at as u32
    ];
    bytes.extend(name.bytes());
    bytes.extend(extra);
    bytes
}

fn short(large: bool, lengths: [u64; 2]) -> (u16, [u32; 2]) {
    if large {
        (VERSION_64, [ELSEWHERE; 2])
    } else {
        (VERSION, lengths.map(|n| n as u32))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// IO-01: an archive of more than 4 GiB, in small: all lengths are in 64 bits.
    #[test]
    fn lengths_of_64_bits_are_understood_by_another_reader() {
        for (large, level) in [(0, 1), (0, 0), (LARGE, 6)] {
            let mut file = tempfile::tempfile().unwrap();
            let mut archive = Archive {
                file: &mut file,
                level,
                large,
                table: Vec::new(),
                members: 0,
            };
            archive.add("a", &[b"one, ", b"two"]).unwrap();
            archive.add("b", &[&[7; 3_000_000]]).unwrap();
            archive.finish().unwrap();
            let mut read = zip::ZipArchive::new(file).unwrap();
            for (name, length, first) in [("a.npy", 8, b'o'), ("b.npy", 3_000_000, 7)] {
                let mut bytes = Vec::new();
                let mut member = read.by_name(name).unwrap();
                member.read_to_end(&mut bytes).unwrap();
                assert_eq!((bytes.len(), bytes[0]), (length, first));
            }
        }
    }
}
