//! One gzip member from all cores; the head of `gzip` says how it is laid out.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use flate2::Crc;

use super::{FIXED, MAGIC, crc};
use crate::deflate::{END, write_blocks};

/// The extra field holds 65,535 bytes, and four of them per block.
const MOST_BLOCKS: u64 = 16_000;
/// Writes `pieces`, one after the other, as one gzip member, to where the file is now.
pub(crate) fn write(file: &mut File, pieces: &[&[u8]], level: u32) -> io::Result<()> {
    let len: u64 = pieces.iter().map(|p| p.len() as u64).sum();
    let mut block = 1_u64 << 20;
    while len.div_ceil(block) > MOST_BLOCKS {
        block *= 2;
    }
    let count = len.div_ceil(block) as usize;
    let start = file.stream_position()?;
    let mut header = header(block, count);
    file.write_all(&header)?;
    let mut sum = Crc::new();
    let mut sizes = header[FIXED..].as_chunks_mut::<4>().0.iter_mut();
    write_blocks(file, pieces, block, level, crc, |packed, _, part| {
        sum.combine(&part);
        if let Some(size) = sizes.next() {
            *size = (packed as u32).to_le_bytes();
        }
    })?;
    file.write_all(&END)?;
    file.write_all(&sum.sum().to_le_bytes())?;
    file.write_all(&(len as u32).to_le_bytes())?;
    file.seek(SeekFrom::Start(start))?;
    file.write_all(&header)
}

/// The header of a member with one extra field: the block length, and room for the sizes.
fn header(block: u64, count: usize) -> Vec<u8> {
    let field = (4 + 4 * count) as u16;
    let mut header = Vec::with_capacity(FIXED + 4 * count);
    // Deflate, an extra field, no time, no hint on the effort, no system named.
    header.extend_from_slice(&[MAGIC[0], MAGIC[1], 8, 4, 0, 0, 0, 0, 0, 255]);
    header.extend_from_slice(&(field + 4).to_le_bytes());
    header.extend_from_slice(b"VP");
    header.extend_from_slice(&field.to_le_bytes());
    header.extend_from_slice(&(block as u32).to_le_bytes());
    header.resize(FIXED + 4 * count, 0);
    header
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::bufread::GzDecoder;

    use voxprep_core::buf::Buf;

    use super::super::Blocks;
    use super::*;
    use crate::error::Result;
    use crate::source::Source;

    /// Bytes with runs, repeats and noise, a little over three blocks.
    fn contents() -> Vec<u8> {
        let mut state = 1_u32;
        (0..(3 << 20) + 12_345_u32)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                match i >> 16 & 3 {
                    0 => 7,
                    1 => (i % 977) as u8,
                    2 => (state >> 24) as u8,
                    _ => (state >> 28) as u8,
                }
            })
            .collect()
    }

    fn packed(pieces: &[&[u8]], level: u32) -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        write(&mut file, pieces, level).unwrap();
        file.rewind().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn on_disk(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// The first `needed` bytes as the reader gives them.
    fn read(bytes: &[u8], needed: usize) -> Result<Vec<u8>> {
        let file = on_disk(bytes);
        let source = Source::open(file.path())?;
        let contents = source.contents(0, needed as u64)?.for_any_range()?;
        let mut out = vec![0; needed];
        contents.read_into(0..needed as u64, &mut out, &mut Default::default())?;
        Ok(out)
    }

    #[test]
    fn what_is_written_is_one_ordinary_member_at_every_level() {
        let contents = contents();
        let (a, b) = contents.split_at(352);
        for level in 0..=9 {
            let packed = packed(&[a, b], level);
            let mut decoder = GzDecoder::new(packed.as_slice());
            let mut inflated = Vec::new();
            decoder.read_to_end(&mut inflated).unwrap();
            assert!(inflated == contents, "level {level}");
            assert!(decoder.into_inner().is_empty(), "level {level}");
            let mut whole = vec![0; contents.len()];
            let n = libdeflater::Decompressor::new().gzip_decompress(&packed, &mut whole);
            assert!(
                n == Ok(contents.len()) && whole == contents,
                "level {level}"
            );
            let ours = read(&packed, contents.len()).unwrap();
            assert!(ours == contents, "level {level}");
            let blocks = Blocks::parse(&Buf::from(packed), contents.len() as u64);
            assert!(blocks.is_some(), "level {level}");
        }
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_number_of_threads() {
        let contents = contents();
        for level in [1, 2, 6] {
            let files = [1, 2, 3].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                pool.install(|| packed(&[&contents], level))
            });
            assert!(
                files[0] == files[1] && files[1] == files[2],
                "level {level}"
            );
        }
    }

    #[test]
    fn a_small_file_has_no_time_and_no_name() {
        assert_eq!(
            packed(&[b"abc"], 1)[..12],
            [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 12, 0]
        );
    }

    fn member(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn files_of_others_are_read_whatever_their_members_and_lengths() {
        let contents = &contents()[..100_000];
        let one = member(contents);
        let many: Vec<u8> = contents.chunks(30_000).flat_map(member).collect();
        let padded = [&one[..], &[0; 512]].concat();
        let lying = [&one[..one.len() - 4], &999_u32.to_le_bytes()].concat();
        for (name, packed) in [("one", &one), ("many", &many), ("padded", &padded)] {
            assert!(read(packed, contents.len()).unwrap() == contents, "{name}");
            assert!(
                read(packed, 60_000).unwrap() == contents[..60_000],
                "{name}"
            );
            let error = read(packed, contents.len() + 1).unwrap_err().to_string();
            assert!(error.contains("voxels are missing"), "{name}: {error}");
        }
        assert!(
            read(&lying, contents.len())
                .unwrap_err()
                .to_string()
                .contains("damaged")
        );
    }

    #[test]
    fn a_damaged_file_of_ours_is_an_error_wherever_the_damage_is() {
        let contents = contents();
        let intact = packed(&[&contents], 1);
        let end = intact.len();
        for at in [FIXED, FIXED + 5, 5_000, end / 2, end - 9, end - 6, end - 2] {
            let mut packed = intact.clone();
            packed[at] ^= 0x55;
            // Damage to the list of blocks costs speed, not the contents.
            let listed = at < FIXED + 16;
            assert_eq!(read(&packed, contents.len()).is_ok(), listed, "byte {at}");
        }
        for len in [0, 1, 9, 15, 100, end / 2, end - 9, end - 4, end - 1] {
            let error = read(&intact[..len], contents.len())
                .unwrap_err()
                .to_string();
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
