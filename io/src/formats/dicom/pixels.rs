//! The stored numbers of frames: out of the file, decompressed, each sample a whole number, grey
//! or RGB.

use std::path::Path;

use super::instance::{Instance, Photometric, Shape};
use super::lut::Lut;
use super::scan::{Bytes, Numbers};
use crate::ReadOptions;
use crate::codec;
use crate::error::{Error, Result};
use crate::limits::check_voxels;
use crate::source::{COPY_AGAIN, read_exact_at};

/// The pixels of one file, ready to be taken frame by frame from many threads.
pub(super) struct Pixels<'a> {
    instance: &'a Instance,
    from: From,
    palette: Option<[Lut; 3]>,
    /// Bits of a painted colour.
    painted: u16,
}

enum From {
    /// Numbers as they are, in the file.
    File { file: std::fs::File, start: u64 },
    /// Numbers as they are, in memory: of a deflated or a bit-packed image.
    Memory(Vec<u8>),
    /// Fragments, and which of them make up each frame.
    Fragments {
        bytes: Vec<u8>,
        frames: Vec<Vec<(usize, usize)>>,
    },
}

/// One frame as numbers, in whatever its samples were stored.
pub(super) struct Stored<'s> {
    pub(super) bytes: &'s [u8],
    pub(super) big_endian: bool,
    /// Bits per sample: 8, 16, 32 or 64.
    pub(super) bits: u16,
    /// Where the samples of one channel are: (first, step), in samples.
    pub(super) channels: Vec<(usize, usize)>,
    /// Whether the samples are final: not to be masked and sign-extended.
    pub(super) whole: bool,
}

/// What a thread keeps between frames.
#[derive(Default)]
pub(super) struct Scratch {
    raw: Vec<u8>,
    joined: Vec<u8>,
    colours: Vec<u8>,
}

impl Shape {
    /// Bytes of one frame of numbers as they are; bits where there is one per pixel.
    pub(super) fn frame_bits(&self) -> u64 {
        let samples = match self.photometric {
            // Two luminances share two colours.
            Photometric::Ybr { halved: true } => 2,
            _ => self.samples as u64,
        };
        self.rows as u64 * self.columns as u64 * samples * u64::from(self.bits_allocated)
    }

    /// The number of pixels.
    pub(super) fn pixels(&self) -> usize {
        self.rows * self.columns
    }
}

impl<'a> Pixels<'a> {
    /// Opens the pixels of a file whose header was read before.
    ///
    /// # Errors
    /// [`Error::Input`] where the file holds less than its header declares,
    /// [`Error::Unsupported`] where nothing here decodes its transfer syntax.
    pub(super) fn open(instance: &'a Instance, options: &ReadOptions) -> Result<Self> {
        let path = instance.path.as_path();
        let shape = &instance.shape;
        let (mut bytes, size) = Bytes::open(path)?;
        let bits = shape
            .frame_bits()
            .checked_mul(shape.frames as u64)
            .ok_or_else(|| Error::limit(path, "more pixels than memory can be"))?;
        let values = shape.pixels() as u64 * shape.frames as u64;
        check_voxels(path, values, size, true, options)?;
        let element = instance.pixels;
        if instance.syntax.deflated {
            // The walk through the structure finds where inflating begins.
            super::scan::scan(&mut bytes, path)?;
        }
        let mut palette = None;
        if shape.photometric == Photometric::Palette {
            let opened = super::instance::open(path)?;
            palette = Some(Lut::palette(path, &opened.object, shape.signed)?);
        }
        let painted = palette.as_ref().map_or(16, painted_bits);
        let native = instance.syntax.is_native();
        let from = match element.length {
            Some(length) if native => {
                let needed = bits.div_ceil(8);
                if needed > length {
                    let reason =
                        format!("the header declares {needed} bytes of pixels, there are {length}");
                    return Err(Error::input(path, reason).remedy(COPY_AGAIN));
                }
                let end = element.start.saturating_add(needed);
                match bytes.file() {
                    Some(file) if end <= size => From::File {
                        file: file.try_clone().map_err(|e| Error::io("open", path, e))?,
                        start: element.start,
                    },
                    Some(_) => {
                        let left = size.saturating_sub(element.start);
                        let reason = format!(
                            "the header declares {needed} bytes of pixels, the file ends after {left}"
                        );
                        return Err(Error::input(path, reason).remedy(COPY_AGAIN));
                    }
                    None => From::Memory(bytes.read(element.start, end, path)?.to_vec()),
                }
            }
            None if !native => {
                if !instance.syntax.is_encapsulated_native() {
                    codec::supports(&instance.syntax.uid)
                        .map_err(|refusal| refused(path, refusal))?;
                }
                let all = bytes.into_rest(element.start, path)?;
                let frames = fragments(&all, shape.frames, extended(instance)?)
                    .map_err(|reason| Error::input(path, reason).remedy(COPY_AGAIN))?;
                From::Fragments { bytes: all, frames }
            }
            _ => {
                return Err(Error::input(
                    path,
                    "the pixels are not stored as the transfer syntax says",
                )
                .field("(7FE0,0010) PixelData")
                .remedy(COPY_AGAIN));
            }
        };
        Ok(Self {
            instance,
            from,
            palette,
            painted,
        })
    }

    /// The numbers of one frame.
    ///
    /// # Errors
    /// As [`Pixels::open`], and where a compressed frame is damaged.
    pub(super) fn frame<'s>(&self, index: usize, scratch: &'s mut Scratch) -> Result<Stored<'s>> {
        let instance = self.instance;
        let shape = &instance.shape;
        let path = instance.path.as_path();
        let pixels = shape.pixels();
        let bits = shape.frame_bits();
        let Scratch {
            raw,
            joined,
            colours,
        } = scratch;
        let mut photometric = shape.photometric;
        let mut planar = shape.planar;
        let mut big_endian = instance.syntax.big_endian;
        match &self.from {
            From::File { file, start } => {
                let first = index as u64 * bits;
                let end = first + bits;
                raw.resize((end.div_ceil(8) - first / 8) as usize, 0);
                read_exact_at(file, raw, start + first / 8)
                    .map_err(|e| Error::io("read", path, e))?;
                if shape.bits_allocated == 1 {
                    unpack(raw, (first % 8) as usize, pixels * shape.samples, joined);
                    std::mem::swap(raw, joined);
                }
            }
            From::Memory(bytes) => {
                let first = index as u64 * bits;
                let end = first + bits;
                let range = (first / 8) as usize..end.div_ceil(8) as usize;
                raw.clear();
                raw.extend(bytes.get(range).unwrap_or(&[]));
                if shape.bits_allocated == 1 {
                    unpack(raw, (first % 8) as usize, pixels * shape.samples, joined);
                    std::mem::swap(raw, joined);
                }
            }
            From::Fragments { bytes, frames } => {
                let parts = frames.get(index).map_or(&[][..], Vec::as_slice);
                let data = match parts {
                    [(start, end)] => bytes.get(*start..*end).unwrap_or(&[]),
                    _ => {
                        joined.clear();
                        for (start, end) in parts {
                            joined.extend(bytes.get(*start..*end).unwrap_or(&[]));
                        }
                        joined
                    }
                };
                big_endian = false;
                let samples = shape.samples;
                let sample = usize::from(shape.bits_allocated.div_ceil(8));
                if instance.syntax.is_encapsulated_native() {
                    raw.clear();
                    let needed = bits.div_ceil(8) as usize;
                    raw.extend(data.get(..needed).ok_or_else(|| {
                        Error::input(path, "a fragment is shorter than its frame")
                            .remedy(COPY_AGAIN)
                    })?);
                    if shape.bits_allocated == 1 {
                        unpack(raw, 0, pixels * shape.samples, colours);
                        std::mem::swap(raw, colours);
                    }
                } else {
                    raw.resize(pixels * samples * sample, 0);
                    let frame = codec::Frame {
                        rows: shape.rows,
                        columns: shape.columns,
                        samples,
                        bits_allocated: shape.bits_allocated,
                        bits_stored: shape.bits_stored,
                        signed: shape.signed,
                    };
                    let decoded = codec::decode(&instance.syntax.uid, data, &frame, raw)
                        .map_err(|refusal| refused(path, refusal))?;
                    planar = false;
                    photometric = match (decoded, photometric) {
                        (codec::Colours::Rgb, Photometric::Ybr { .. } | Photometric::Coded) => {
                            Photometric::Rgb
                        }
                        // What a decoder gives has a colour for every pixel.
                        (_, Photometric::Ybr { .. }) => Photometric::Ybr { halved: false },
                        (_, Photometric::Coded) => Photometric::Rgb,
                        (_, other) => other,
                    };
                }
            }
        }
        let bits = shape.bits_allocated.max(8);
        let sample = usize::from(bits / 8);
        let grey = Stored {
            bytes: &[],
            big_endian,
            bits,
            channels: vec![(0, 1)],
            whole: shape.bits_allocated == 1,
        };
        let interleaved = |bytes: &'s [u8], bits: u16, whole: bool, big_endian: bool| Stored {
            bytes,
            big_endian,
            bits,
            channels: vec![(0, 3), (1, 3), (2, 3)],
            whole,
        };
        let stored = match photometric {
            Photometric::Grey | Photometric::Inverted => Stored { bytes: raw, ..grey },
            Photometric::Rgb | Photometric::Coded if planar => Stored {
                bytes: raw,
                channels: vec![(0, 1), (pixels, 1), (2 * pixels, 1)],
                ..grey
            },
            Photometric::Rgb | Photometric::Coded => interleaved(raw, bits, false, big_endian),
            Photometric::Ybr { halved } => {
                if sample != 1 {
                    return Err(
                        Error::unsupported(path, "YBR colours of 16 bits are not read")
                            .field("(0028,0100) BitsAllocated")
                            .remedy("convert the image to RGB with the program that wrote it"),
                    );
                }
                to_rgb(raw, pixels, halved, planar, colours);
                interleaved(colours, 8, true, false)
            }
            Photometric::Palette => {
                let Some(tables) = &self.palette else {
                    return Err(Error::input(path, "the palette is missing").remedy(COPY_AGAIN));
                };
                paint(raw, shape, big_endian, tables, self.painted, colours);
                interleaved(colours, self.painted, true, false)
            }
        };
        // What is written must be read: buffers come back with what was in them.
        let samples = stored.bytes.len() / usize::from(stored.bits / 8);
        let reach = |(first, step): &(usize, usize)| first + (pixels - 1) * step < samples;
        if !stored.channels.iter().all(reach) {
            return Err(
                Error::input(path, "a frame is shorter than the header says").remedy(COPY_AGAIN),
            );
        }
        Ok(stored)
    }
}

fn refused(path: &Path, refusal: codec::Refusal) -> Error {
    let error = if refusal.legal {
        Error::unsupported(path, refusal.reason)
    } else {
        Error::input(path, refusal.reason)
    };
    error.remedy(refusal.remedy.as_deref().unwrap_or(COPY_AGAIN))
}

/// One bit each, least significant first, to bytes.
fn unpack(packed: &[u8], first: usize, count: usize, out: &mut Vec<u8>) {
    out.clear();
    out.extend((first..first + count).map(|bit| {
        let byte = packed.get(bit / 8).copied().unwrap_or(0);
        byte >> (bit % 8) & 1
    }));
}

/// YBR_FULL, or YBR_FULL_422, to RGB (PS3.3 C.7.6.3.1.2).
fn to_rgb(ybr: &[u8], pixels: usize, halved: bool, planar: bool, out: &mut Vec<u8>) {
    let byte = |at: usize| f32::from(ybr.get(at).copied().unwrap_or(0));
    out.clear();
    out.reserve(3 * pixels);
    for pixel in 0..pixels {
        let [y, b, r] = if halved {
            // Y1 Y2 B R for each two pixels.
            let pair = pixel / 2 * 4;
            [pair + pixel % 2, pair + 2, pair + 3]
        } else if planar {
            [pixel, pixels + pixel, 2 * pixels + pixel]
        } else {
            [3 * pixel, 3 * pixel + 1, 3 * pixel + 2]
        }
        .map(byte);
        let (b, r) = (b - 128.0, r - 128.0);
        let red = y + 1.402 * r;
        let green = y - 0.344_136 * b - 0.714_136 * r;
        let blue = y + 1.772 * b;
        // Half to even, and what is out of range is cut.
        out.extend([red, green, blue].map(|v| v.round_ties_even() as u8));
    }
}

/// The bits that the colours of a palette need. Entries of 16 bits hold what was 8 once where all
/// their low bytes are 0, or repeat the high byte.
pub(super) fn painted_bits(tables: &[Lut; 3]) -> u16 {
    let entries = || {
        tables
            .iter()
            .flat_map(|table| table.entries.iter().copied())
    };
    let narrow = tables.iter().all(|table| table.bits == 8) && entries().all(|e| e < 256);
    let cleared = entries().all(|e| e & 0xFF == 0);
    let repeated = entries().all(|e| e & 0xFF == e >> 8);
    if narrow || cleared || repeated { 8 } else { 16 }
}

/// Colours of a palette, little endian.
fn paint(
    indices: &[u8],
    shape: &Shape,
    big_endian: bool,
    tables: &[Lut; 3],
    bits: u16,
    out: &mut Vec<u8>,
) {
    out.clear();
    out.reserve(6 * shape.pixels());
    let is_narrow = tables.iter().all(|table| table.bits == 8)
        && tables
            .iter()
            .all(|table| table.entries.iter().all(|e| *e < 256));
    let mask = (1_i64 << shape.bits_stored.min(16)) - 1;
    for pixel in 0..shape.pixels() {
        let index = if shape.bits_allocated <= 8 {
            i64::from(indices.get(pixel).copied().unwrap_or(0))
        } else {
            let pair = match indices.get(2 * pixel..2 * pixel + 2) {
                Some(&[a, b]) if big_endian => u16::from_be_bytes([a, b]),
                Some(&[a, b]) => u16::from_le_bytes([a, b]),
                _ => 0,
            };
            i64::from(pair)
        };
        for table in tables {
            let colour = table.get(index & mask);
            match bits {
                8 if is_narrow => out.push(colour as u8),
                8 => out.push((colour >> 8) as u8),
                _ => out.extend(colour.to_le_bytes()),
            }
        }
    }
}

/// The extended offset table, where there is one.
fn extended(instance: &Instance) -> Result<Option<Vec<u64>>> {
    // Only written where offsets do not fit 32 bits: then the header is read once more.
    if instance.shape.frames < 2 {
        return Ok(None);
    }
    let opened = super::instance::open(&instance.path)?;
    let table = opened.object.get(dicom_core::Tag(0x7FE0, 0x0001));
    let bytes = table.and_then(|e| e.to_bytes().ok());
    Ok(bytes.filter(|b| !b.is_empty()).map(|bytes| {
        let offsets = bytes.chunks_exact(8);
        offsets
            .filter_map(|b| b.try_into().ok().map(u64::from_le_bytes))
            .collect()
    }))
}

/// Which fragments make up which frame, as ranges of bytes.
///
/// By the offset table where it has an entry per frame; else one fragment per frame; else a frame
/// begins where a compressed stream does.
fn fragments(
    bytes: &[u8],
    frames: usize,
    extended: Option<Vec<u64>>,
) -> Result<Vec<Vec<(usize, usize)>>, String> {
    let long = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    };
    let mut items = Vec::new();
    let mut at = 0;
    // Some writers leave out the delimiter.
    while let Some((tag, length)) = long(at).zip(long(at + 4)) {
        match tag {
            0xE000_FFFE => {}
            0xE0DD_FFFE => break,
            _ if items.is_empty() => return Err("the pixels do not begin with an item".into()),
            _ => return Err("the fragments of the pixels are damaged".into()),
        }
        let start = at + 8;
        let end = start.saturating_add(length as usize);
        if end > bytes.len() {
            return Err("the file ends within its pixels".into());
        }
        items.push((start, end));
        at = end;
    }
    let Some((&(start, end), parts)) = items.split_first() else {
        return Err("the pixels do not begin with an item".into());
    };
    if frames == 1 {
        if parts.is_empty() {
            return Err("the pixels are missing".into());
        }
        return Ok(vec![parts.to_vec()]);
    }
    let mut table: Vec<u64> = match extended {
        Some(table) => table,
        None => bytes
            .get(start..end)
            .unwrap_or(&[])
            .chunks_exact(4)
            .filter_map(|b| b.try_into().ok().map(u32::from_le_bytes).map(u64::from))
            .collect(),
    };
    let base = parts.first().map_or(0, |(start, _)| start - 8) as u64;
    let begins: Vec<bool> = if table.len() == frames {
        table.sort_unstable();
        parts
            .iter()
            .map(|(start, _)| table.binary_search(&((start - 8) as u64 - base)).is_ok())
            .collect()
    } else if parts.len() == frames {
        vec![true; frames]
    } else {
        parts
            .iter()
            .map(|(start, _)| {
                let head = bytes.get(*start..*start + 4).unwrap_or(&[]);
                head.starts_with(&[0xFF, 0xD8, 0xFF]) || head.starts_with(&[0xFF, 0x4F, 0xFF, 0x51])
            })
            .collect()
    };
    let mut groups: Vec<Vec<(usize, usize)>> = Vec::with_capacity(frames.min(parts.len()));
    for (part, begins) in parts.iter().zip(begins) {
        match groups.last_mut() {
            Some(group) if !begins => group.push(*part),
            _ => groups.push(vec![*part]),
        }
    }
    if groups.len() == frames {
        Ok(groups)
    } else {
        Err(format!(
            "{frames} frames are declared, {} are there",
            groups.len()
        ))
    }
}

/// Whether the numbers are floating point.
pub(super) fn is_float(instance: &Instance) -> bool {
    instance.pixels.numbers != Numbers::Integer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: &[u8]) -> Vec<u8> {
        let mut item = 0xE000_FFFE_u32.to_le_bytes().to_vec();
        item.extend((bytes.len() as u32).to_le_bytes());
        item.extend(bytes);
        item
    }

    #[test]
    fn frames_are_found_by_the_offset_table_else_one_each_else_by_their_beginning() {
        let table: Vec<u8> = [0_u32, 20].iter().flat_map(|o| o.to_le_bytes()).collect();
        let long = [item(&table), item(&[1, 2]), item(&[3, 4]), item(&[5, 6])].concat();
        let found = fragments(&long, 2, None).unwrap();
        assert_eq!(found, [vec![(24, 26), (34, 36)], vec![(44, 46)]]);

        let plain = [item(&[]), item(&[1, 2]), item(&[3, 4])].concat();
        let found = fragments(&plain, 2, None).unwrap();
        assert_eq!(found, [vec![(16, 18)], vec![(26, 28)]]);

        let marked = [
            item(&[]),
            item(&[0xFF, 0xD8, 0xFF, 1]),
            item(&[3, 4]),
            item(&[0xFF, 0xD8, 0xFF, 2]),
        ];
        let found = fragments(&marked.concat(), 2, None).unwrap();
        assert_eq!(found, [vec![(16, 20), (28, 30)], vec![(38, 42)]]);

        let error = fragments(&plain, 3, None).unwrap_err();
        assert_eq!(error, "3 frames are declared, 1 are there");
    }

    #[test]
    fn bits_are_unpacked_across_bytes_least_significant_first() {
        let mut out = Vec::new();
        unpack(&[0b1010_0000, 0b0000_0101], 4, 8, &mut out);
        assert_eq!(out, [0, 1, 0, 1, 1, 0, 1, 0]);
    }

    #[test]
    fn primary_colours_come_out_of_ybr() {
        let mut out = Vec::new();
        to_rgb(
            &[76, 85, 255, 150, 44, 21, 29, 255, 107],
            3,
            false,
            false,
            &mut out,
        );
        assert_eq!(out, [254, 0, 0, 0, 255, 1, 0, 0, 254]);
    }
}
