//! Bytes of numbers from what is packed, or written out as text.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::ZlibDecoder;
use voxprep_core::buf::Buf;

use crate::error::{Error, Result};
use crate::gzip;
use crate::source::{COPY_AGAIN, Contents, Source};
use crate::stored::Number;
use crate::text::shown;

/// The longest word that is a number.
const MOST_WORD: usize = 400;

/// The byte after so many lines that begin at `byte`, of which no more than `most` bytes are passed.
pub(super) fn after_lines(source: &Source, byte: u64, lines: u64, most: u64) -> Result<u64> {
    let mut input = BufReader::new(source.bytes_from(byte)?);
    let (mut at, mut left) = (byte, lines);
    while left > 0 {
        let buffer = input.fill_buf().map_err(|e| source.unread(&e))?;
        if buffer.is_empty() {
            let reason =
                format!("the file has fewer than the {lines} lines that are to be skipped");
            return Err(Error::input(source.path(), reason).remedy(COPY_AGAIN));
        }
        let used = match buffer.iter().position(|&b| b == b'\n') {
            Some(end) => {
                left -= 1;
                end + 1
            }
            None => buffer.len(),
        };
        input.consume(used);
        at += used as u64;
        if at - byte > most {
            let reason = format!("more than {most} bytes are to be skipped before the voxels");
            return Err(Error::limit(source.path(), reason)
                .remedy("if the file is right, allow it with --no-limits"));
        }
    }
    Ok(at)
}

fn missing(path: &Path, needed: usize, held: usize, what: &str) -> Error {
    let reason =
        format!("the header declares {needed} bytes, the {what} holds {held}: voxels are missing");
    Error::input(path, reason).remedy(COPY_AGAIN)
}

fn damaged(path: &Path, what: &str, error: &io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("the {what} stream ends early"),
        _ => format!(
            "the {what} stream is damaged ({})",
            shown(&error.to_string())
        ),
    };
    Error::input(path, reason).remedy(COPY_AGAIN)
}

/// Fills as much as there is.
fn fill(input: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// zlib; gzip in its place is taken too, as MetaIO does.
pub(super) fn zlib(packed: &Buf<u8>, out: &mut [u8], path: &Path) -> Result<()> {
    let bytes = packed.as_slice();
    if gzip::is_header(bytes) {
        let needed = out.len() as u64;
        let source = Source::open_as_it_is(path)?;
        let unpacked = gzip::open(packed, 0, needed, path)?;
        return Contents::new(&source, unpacked).copy(0..needed, out);
    }
    let at_once = libdeflater::Decompressor::new().zlib_decompress(bytes, out);
    if matches!(at_once, Ok(n) if n == out.len()) {
        return Ok(());
    }
    let mut stream = ZlibDecoder::new(bytes);
    let held = fill(&mut stream, out).map_err(|e| damaged(path, "zlib", &e))?;
    if held < out.len() {
        return Err(missing(path, out.len(), held, "zlib stream"));
    }
    tracing::debug!("bytes after the voxels are ignored: {}", path.display());
    Ok(())
}

/// bzip2, in one stream or several.
pub(super) fn bzip2(source: &Source, start: u64, skip: u64, out: &mut [u8]) -> Result<()> {
    let path = source.path();
    let input = BufReader::with_capacity(64 << 10, source.bytes_from(start)?);
    let mut stream = MultiBzDecoder::new(input);
    let skipped = io::copy(&mut (&mut stream).take(skip), &mut io::sink())
        .map_err(|e| damaged(path, "bzip2", &e))?;
    let held = fill(&mut stream, out).map_err(|e| damaged(path, "bzip2", &e))?;
    if held < out.len() || skipped < skip {
        return Err(missing(path, out.len(), held, "bzip2 stream"));
    }
    Ok(())
}

/// Two digits for every byte, blanks anywhere.
pub(super) fn hex(source: &Source, start: u64, out: &mut [u8]) -> Result<()> {
    let mut input = BufReader::with_capacity(64 << 10, source.bytes_from(start)?);
    let (mut filled, mut high) = (0, None);
    while filled < out.len() {
        let buffer = input.fill_buf().map_err(|e| source.unread(&e))?;
        if buffer.is_empty() {
            return Err(missing(source.path(), out.len(), filled, "text"));
        }
        let used = buffer.len();
        for &byte in buffer.iter().filter(|byte| !byte.is_ascii_whitespace()) {
            let Some(digit) = char::from(byte).to_digit(16) else {
                let reason = format!(
                    "{} among the voxels is no hexadecimal digit",
                    shown(&char::from(byte).to_string())
                );
                return Err(Error::input(source.path(), reason).remedy(COPY_AGAIN));
            };
            match (high.take(), out.get_mut(filled)) {
                (None, _) => high = Some(digit as u8),
                (Some(high), Some(place)) => {
                    *place = high << 4 | digit as u8;
                    filled += 1;
                }
                (Some(_), None) => break,
            }
            if filled == out.len() {
                break;
            }
        }
        input.consume(used);
    }
    Ok(())
}

/// Decimal numbers, between blanks or commas, as little-endian bytes of their type.
pub(super) fn text(source: &Source, start: u64, number: Number, out: &mut [u8]) -> Result<()> {
    let path = source.path();
    let bytes = number.bytes() as usize;
    let needed = out.len() / bytes.max(1);
    let mut input = BufReader::with_capacity(64 << 10, source.bytes_from(start)?);
    let mut word = Vec::new();
    for (i, place) in out.chunks_exact_mut(bytes.max(1)).enumerate() {
        if !next_word(&mut input, &mut word).map_err(|e| source.unread(&e))? {
            let reason = format!(
                "the header declares {needed} numbers, the text holds {i}: voxels are missing"
            );
            return Err(Error::input(path, reason).remedy(COPY_AGAIN));
        }
        let word = String::from_utf8_lossy(&word);
        put(&word, number, place).ok_or_else(|| {
            let reason = format!(
                "voxel {i} is {}, which is no number of its type",
                shown(&word)
            );
            Error::input(path, reason).remedy("mend the file, or export it again")
        })?;
    }
    Ok(())
}

/// Reads the next word, or as much of it as a number may have.
fn next_word(input: &mut impl BufRead, word: &mut Vec<u8>) -> io::Result<bool> {
    word.clear();
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(!word.is_empty());
        }
        let mut used = 0;
        for &byte in buffer {
            used += 1;
            if !byte.is_ascii_whitespace() && byte != b',' {
                word.push(byte);
            } else if !word.is_empty() {
                input.consume(used);
                return Ok(true);
            }
            if word.len() > MOST_WORD {
                input.consume(used);
                return Ok(true);
            }
        }
        input.consume(used);
    }
}

/// Writes a number in its type; `None` where it is none of that type.
fn put(word: &str, number: Number, place: &mut [u8]) -> Option<()> {
    macro_rules! whole {
        ($type:ty) => {{
            let value = word.parse::<$type>().ok().or_else(|| {
                // 3.0 and 1e2 are whole numbers too.
                let value = word.parse::<f64>().ok()?;
                let fits = value.fract() == 0.0 && value.abs() <= 9e15;
                fits.then_some(value as i64).and_then(|v| v.try_into().ok())
            })?;
            place.copy_from_slice(&<$type>::to_le_bytes(value));
        }};
    }
    match number {
        Number::U8 => whole!(u8),
        Number::I8 => whole!(i8),
        Number::I16 => whole!(i16),
        Number::U16 => whole!(u16),
        Number::I32 => whole!(i32),
        Number::U32 => whole!(u32),
        Number::I64 => whole!(i64),
        Number::U64 => whole!(u64),
        Number::F16 => {
            let value = half::f16::from_f64(word.parse().ok()?);
            place.copy_from_slice(&value.to_le_bytes());
        }
        Number::Bf16 => {
            let value = half::bf16::from_f64(word.parse().ok()?);
            place.copy_from_slice(&value.to_le_bytes());
        }
        Number::F32 => place.copy_from_slice(&word.parse::<f32>().ok()?.to_le_bytes()),
        Number::F64 => place.copy_from_slice(&word.parse::<f64>().ok()?.to_le_bytes()),
    }
    Some(())
}
