//! zlib, written from all cores: one ordinary stream whose deflate blocks do not refer to each
//! other. The bytes depend on contents and level only.

use std::fs::File;
use std::io::{self, Write};

use crate::deflate::{END, write_blocks};

/// Deflate with a window of 32 KiB, and no word on the effort.
const HEADER: [u8; 2] = [0x78, 0x01];
const BLOCK: u64 = 1 << 20;
/// The largest prime below 65,536, to which both sums of Adler-32 are taken (RFC 1950).
const PRIME: u32 = 65_521;

/// Writes `pieces`, one after the other, as one zlib stream to where the file is now; returns its
/// length.
pub(crate) fn write(file: &mut File, pieces: &[&[u8]], level: u32) -> io::Result<u64> {
    file.write_all(&HEADER)?;
    let mut length = (HEADER.len() + END.len() + 4) as u64;
    let mut sum = 1;
    write_blocks(
        file,
        pieces,
        BLOCK,
        level,
        libdeflater::adler32,
        |packed, plain, part| {
            length += packed as u64;
            sum = joined(sum, part, plain);
        },
    )?;
    file.write_all(&END)?;
    file.write_all(&sum.to_be_bytes())?;
    Ok(length)
}

/// Adler-32 of two texts, one after the other; the second has so many bytes.
fn joined(first: u32, second: u32, length: u64) -> u32 {
    let parts = |sum: u32| (u64::from(sum & 0xffff), u64::from(sum >> 16));
    let ((a1, b1), (a2, b2)) = (parts(first), parts(second));
    let prime = u64::from(PRIME);
    // The first sum starts at 1 in both; the second one adds the first up, once for every byte.
    let a = (a1 + a2 + prime - 1) % prime;
    let b = (b1 + b2 + length % prime * (a1 + prime - 1)) % prime;
    (b as u32) << 16 | a as u32
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn what_is_written_is_one_ordinary_stream_for_any_number_of_threads() {
        let contents: Vec<u8> = (0..(2 << 20) + 321_u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        let (first, second) = contents.split_at(1_000_001);
        let packed = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let mut file = tempfile::tempfile().unwrap();
            let written = pool.build().unwrap().install(|| {
                let mut file = file.try_clone().unwrap();
                write(&mut file, &[first, second], 1).unwrap()
            });
            file.rewind().unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            assert_eq!(written, bytes.len() as u64);
            bytes
        };
        let bytes = packed(1);
        assert!(bytes == packed(3));
        let mut whole = vec![0; contents.len()];
        let unpacked = libdeflater::Decompressor::new().zlib_decompress(&bytes, &mut whole);
        assert!(unpacked == Ok(contents.len()) && whole == contents);
        let mut slowly = Vec::new();
        flate2::read::ZlibDecoder::new(bytes.as_slice())
            .read_to_end(&mut slowly)
            .unwrap();
        assert!(slowly == contents);
    }

    #[test]
    fn sums_are_joined() {
        let text = b"Wikipedia";
        let [a, b] = [&text[..4], &text[4..]].map(libdeflater::adler32);
        assert_eq!(joined(a, b, 5), 0x11e6_0398);
        assert_eq!(joined(1, libdeflater::adler32(text), 9), 0x11e6_0398);
    }
}
