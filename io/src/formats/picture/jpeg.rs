//! JPEG, 8-bit grey or colours. Only read: what it stores is not what it was given.

use voxprep_core::volume::{Header, Volume};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{Colours, Picture, exif, plain, undecoded};
use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::format::{Format, register_format};
use crate::source::{COPY_AGAIN, Source};
use crate::stored::Number;
use voxprep_core::buf::Buf;

struct Jpeg;

/// The longest side that the format has.
const MOST: usize = 65_535;
/// The marks of a start of a scan, of the end, and of what has no length.
const SCAN: u8 = 0xda;
const END: u8 = 0xd9;
const ALONE: [u8; 10] = [0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8];

impl Jpeg {
    /// The picture, and a decoder that has read its header.
    fn decoder<'b>(
        source: &Source,
        bytes: &'b Buf<u8>,
        options: &ReadOptions,
    ) -> Result<(Picture, JpegDecoder<ZCursor<&'b [u8]>>)> {
        let path = source.path();
        let decoding = DecoderOptions::default()
            .set_strict_mode(true)
            .set_max_width(MOST)
            .set_max_height(MOST);
        let cursor = ZCursor::new(bytes.as_slice());
        let mut decoder = JpegDecoder::new_with_options(cursor, decoding);
        let failed = |error| undecoded(path, "JPEG", &error);
        decoder.decode_headers().map_err(failed)?;
        let info = decoder
            .info()
            .ok_or_else(|| Error::input(path, "the header is missing").remedy(COPY_AGAIN))?;
        let (colours, space) = match info.components {
            1 => (Colours::Grey, ColorSpace::Luma),
            3 => (Colours::Rgb, ColorSpace::RGB),
            n => {
                let reason = format!("a pixel has {n} colours, of which only 1 and 3 are read");
                return Err(Error::unsupported(path, reason)
                    .field("JPEG")
                    .remedy("save it as grey or RGB"));
            }
        };
        decoder.set_options(decoding.jpeg_set_out_colorspace(space));
        let picture = Picture {
            colours,
            number: Number::U8,
            size: [u64::from(info.width), u64::from(info.height), 1],
            // Cameras and programs write 72 or 96 per inch where they know nothing.
            spacing: [None; 3],
            warnings: exif::warning(decoder.exif().and_then(|exif| exif::orientation(exif)))
                .into_iter()
                .collect(),
        };
        picture.check(source, options)?;
        Ok((picture, decoder))
    }
}

impl Format for Jpeg {
    fn key(&self) -> &'static str {
        "jpeg"
    }

    fn name(&self) -> &'static str {
        "JPEG picture (.jpg)"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        start.starts_with(&[0xff, 0xd8, 0xff])
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        plain(source)?;
        let bytes = source.raw_from(0, source.len())?;
        Self::decoder(source, &bytes, options)?
            .0
            .header(source.path())
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        plain(source)?;
        let bytes = source.raw_from(0, source.len())?;
        let (picture, mut decoder) = Self::decoder(source, &bytes, options)?;
        if !is_whole(bytes.as_slice()) {
            return Err(
                Error::input(source.path(), "the file ends before the end of its picture")
                    .field("JPEG")
                    .remedy(COPY_AGAIN),
            );
        }
        let mut decoded = picture.buffer(source)?;
        let out = decoded
            .as_mut_slice()
            .map_err(|e| Error::core(source.path(), e))?;
        if decoder.output_buffer_size() != Some(out.len()) {
            return Err(Error::input(source.path(), "the header contradicts itself")
                .field("JPEG")
                .remedy(COPY_AGAIN));
        }
        // A decoder may leave out what it does not find.
        out.fill(0);
        decoder
            .decode_into(out)
            .map_err(|error| undecoded(source.path(), "JPEG", &error))?;
        picture.volume(source, decoded, false, false)
    }
}

/// Whether the mark of the end comes after a scan. That of a thumbnail in the Exif data is within a
/// segment, and is passed over with it.
fn is_whole(bytes: &[u8]) -> bool {
    let mut at = 0;
    let mut scanned = false;
    while let Some(rest) = bytes.get(at..) {
        // The next mark: behind a scan its numbers come first, in which 0xff is followed by 0.
        let mark = |(i, pair): (usize, &[u8])| match *pair {
            [0xff, 0 | 0xff] => None,
            [0xff, mark] => Some((i, mark)),
            _ => None,
        };
        let Some((found, mark)) = rest.windows(2).enumerate().find_map(mark) else {
            return false;
        };
        at += found + 2;
        match mark {
            END => return scanned,
            mark if ALONE.contains(&mark) => {}
            mark => {
                scanned |= mark == SCAN;
                let Some(length) = bytes.get(at..).and_then(|b| b.first_chunk::<2>()) else {
                    return false;
                };
                at += usize::from(u16::from_be_bytes(*length));
            }
        }
    }
    false
}

register_format!(Jpeg);
