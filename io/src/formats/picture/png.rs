//! PNG: grey of 1 to 16 bits, colours of 8 or 16 bits, palettes.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, Encoder, Transformations, Unit};
use rayon::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::volume::{Header, Volume};
use voxprep_core::voxels::{ElementType, Voxels};

use super::{Colours, Picture, exif, known_spacing, plain, undecoded, unpacked};
use crate::error::{Error, Result};
use crate::format::{Format, register_format};
use crate::source::{COPY_AGAIN, Reader, Source};
use crate::stored::Number;
use crate::{ReadOptions, WriteOptions, write_aside};

struct Png;

/// How every file begins: its mark, and the header that must come first.
const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Where width and height are.
const WIDTH: usize = 16;
const HEIGHT: usize = 20;

/// How many rows a thread handles.
const ROWS: usize = 64;

type Opened<'a> = png::Reader<std::io::BufReader<Reader<'a>>>;

impl Png {
    /// The picture, and a decoder that has read its header.
    fn decoder<'a>(source: &'a Source, options: &ReadOptions) -> Result<(Picture, Opened<'a>)> {
        plain(source)?;
        let path = source.path();
        // Before the decoder makes room for a row.
        let long = |at: usize| {
            let bytes = source.start().get(at..)?.first_chunk::<4>()?;
            Some(u64::from(u32::from_be_bytes(*bytes)))
        };
        let (Some(x), Some(y)) = (long(WIDTH), long(HEIGHT)) else {
            return Err(Error::input(path, "the file ends within its header")
                .field("PNG")
                .remedy(COPY_AGAIN));
        };
        let mut picture = Picture {
            colours: Colours::Grey,
            number: Number::U8,
            size: [x, y, 1],
            spacing: [None; 3],
            warnings: Vec::new(),
        };
        picture.check(source, options)?;
        let mut decoder = Decoder::new(source.reader());
        // Texts and profiles are not needed, and may be long.
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        decoder.set_transformations(Transformations::IDENTITY);
        let reader = decoder
            .read_info()
            .map_err(|error| undecoded(path, "PNG", &error))?;
        let info = reader.info();
        picture.colours = match info.color_type {
            ColorType::Grayscale => Colours::Grey,
            ColorType::GrayscaleAlpha => Colours::GreyAlpha,
            ColorType::Rgb => Colours::Rgb,
            ColorType::Rgba => Colours::Rgba,
            ColorType::Indexed if info.trns.is_some() => Colours::Rgba,
            ColorType::Indexed => Colours::Rgb,
        };
        if info.bit_depth == BitDepth::Sixteen {
            picture.number = Number::U16;
        }
        picture.check(source, options)?;
        if let Some(dims) = info.pixel_dims.filter(|dims| dims.unit == Unit::Meter) {
            let spacing = [dims.xppu, dims.yppu].map(|n| Some(1000.0 / f64::from(n)));
            picture.spacing = [spacing[0], spacing[1], None];
        }
        let exif = info.exif_metadata.as_deref();
        let turned = exif::warning(exif.and_then(exif::orientation));
        picture.warnings.extend(turned);
        if info.animation_control.is_some() {
            let warning = "the file holds an animation, of which the first picture is read";
            picture.warnings.push(warning.to_owned());
        }
        if info.trns.is_some() && info.color_type != ColorType::Indexed {
            let warning = "the file calls a colour transparent, which changes nothing here";
            picture.warnings.push(warning.to_owned());
        }
        Ok((picture, reader))
    }
}

impl Format for Png {
    fn key(&self) -> &'static str {
        "png"
    }

    fn name(&self) -> &'static str {
        "PNG picture (.png)"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["png"]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        start.starts_with(MAGIC)
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        Self::decoder(source, options)?.0.header(source.path())
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        let (picture, mut reader) = Self::decoder(source, options)?;
        let path = source.path();
        let core = |e| Error::core(path, e);
        let failed = |error: png::DecodingError| undecoded(path, "PNG", &error);
        let bytes = reader
            .output_buffer_size()
            .ok_or_else(|| Error::limit(path, "the picture is larger than memory can be"))?;
        let mut stored = Buf::<u8>::for_overwrite(bytes).map_err(core)?;
        let out = stored.as_mut_slice().map_err(core)?;
        // What a damaged file leaves out is an error below, and never what memory held.
        out.fill(0);
        reader.next_frame(out).map_err(failed)?;
        if reader.info().animation_control.is_none() {
            reader.finish().map_err(failed)?;
        }
        let info = reader.info();
        let bits = info.bit_depth as usize;
        let row = info.width as usize;
        if bits < 8 {
            let mut wide = Buf::for_overwrite(row * info.height as usize).map_err(core)?;
            unpacked(
                stored.as_slice(),
                wide.as_mut_slice().map_err(core)?,
                row,
                bits,
            );
            stored = wide;
        }
        if info.color_type == ColorType::Indexed {
            let palette = info.palette.as_deref().unwrap_or_default();
            stored = coloured(&picture, source, &stored, palette, info.trns.as_deref())?;
        }
        picture.volume(source, stored, true, false)
    }

    fn write(&self, path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
        let voxels = volume.voxels();
        let [x, y, z] = voxels.size();
        if z > 1 {
            let reason = format!("a PNG holds one slice, the volume has {z}");
            return Err(Error::unsupported(path, reason).remedy(
                "crop it to one, write a TIFF, or make a picture of it with voxprep show",
            ));
        }
        let colours = Colours::of(volume).ok_or_else(|| {
            let reason = format!("a PNG holds colours, not {} channels", voxels.channels());
            Error::unsupported(path, reason).remedy("write a TIFF per channel, or .npz")
        })?;
        let depth = match voxels.element_type() {
            ElementType::U8 => BitDepth::Eight,
            ElementType::U16 => BitDepth::Sixteen,
            other => {
                let reason =
                    format!("a PNG holds 8 or 16 bits without a sign, the voxels are {other}");
                return Err(Error::unsupported(path, reason).remedy(
                    "map them to 0..255 with a window and give --type u8, write a TIFF, or make a \
                     picture with voxprep show",
                ));
            }
        };
        let sides = [x, y].map(|n| u32::try_from(n).ok().filter(|&n| n <= i32::MAX as u32));
        let [Some(width), Some(height)] = sides else {
            let reason = format!("a PNG cannot be as large as {x} x {y} pixels");
            return Err(Error::unsupported(path, reason).remedy("write a TIFF"));
        };
        let rows = big_endian(voxels).map_err(|e| Error::core(path, e))?;
        write_aside(path, |file: &mut File| {
            let mut encoder = Encoder::new(BufWriter::new(file), width, height);
            encoder.set_color(match colours {
                Colours::GreyAlpha => ColorType::GrayscaleAlpha,
                Colours::Rgb => ColorType::Rgb,
                Colours::Rgba => ColorType::Rgba,
                Colours::Grey | Colours::Unnamed(_) => ColorType::Grayscale,
            });
            encoder.set_depth(depth);
            encoder.set_compression(match options.level {
                0 => png::Compression::NoCompression,
                1..=3 => png::Compression::Fast,
                4..=6 => png::Compression::Balanced,
                _ => png::Compression::High,
            });
            let pixels = known_spacing(volume).map(|s| s.map(|s| (1000.0 / s).round()));
            if let Some([xppu, yppu, _]) = pixels
                && [xppu, yppu]
                    .iter()
                    .all(|n| (1.0..=f64::from(i32::MAX)).contains(n))
            {
                encoder.set_pixel_dims(Some(png::PixelDimensions {
                    xppu: xppu as u32,
                    yppu: yppu as u32,
                    unit: Unit::Meter,
                }));
            }
            let mut writer = encoder.write_header().map_err(unwritten)?;
            writer
                .write_image_data(rows.as_slice())
                .map_err(unwritten)?;
            writer.finish().map_err(unwritten)
        })
    }
}

/// An error of the encoder: of the system, where it began as one.
fn unwritten(error: png::EncodingError) -> io::Error {
    match error {
        png::EncodingError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// The colours that numbers of a palette stand for.
fn coloured(
    picture: &Picture,
    source: &Source,
    numbers: &Buf<u8>,
    palette: &[u8],
    alpha: Option<&[u8]>,
) -> Result<Buf<u8>> {
    let path = source.path();
    let count = picture.colours.count();
    let colours = palette.as_chunks::<3>().0;
    if let Some(most) = numbers.as_slice().par_iter().copied().max()
        && usize::from(most) >= colours.len()
    {
        let reason = format!(
            "a pixel has colour {most} of a palette of {}",
            colours.len()
        );
        return Err(Error::input(path, reason).field("PNG").remedy(COPY_AGAIN));
    }
    let mut buf = picture.buffer(source)?;
    let out = buf.as_mut_slice().map_err(|e| Error::core(path, e))?;
    out.par_chunks_exact_mut(count)
        .zip(numbers.as_slice())
        .with_min_len(1 << 14)
        .for_each(|(pixel, &number)| {
            // What is beyond the list is opaque.
            let number = usize::from(number);
            let alpha = alpha.and_then(|a| a.get(number)).copied().unwrap_or(255);
            let [r, g, b] = colours.get(number).copied().unwrap_or_default();
            for (to, from) in pixel.iter_mut().zip([r, g, b, alpha]) {
                *to = from;
            }
        });
    Ok(buf)
}

/// The numbers of a pixel side by side, the most significant byte first.
fn big_endian(voxels: &Voxels) -> voxprep_core::error::Result<Buf<u8>> {
    let bytes = voxels.bytes();
    let count = voxels.channels();
    let each = bytes.len() / voxels.size().iter().product::<usize>().max(1) / count.max(1);
    let plane = bytes.len() / count.max(1);
    let mut buf = Buf::<u8>::for_overwrite(bytes.len())?;
    let row = voxels.size()[0] * each * count;
    let blocks = buf.as_mut_slice()?.par_chunks_mut((row * ROWS).max(1));
    blocks.enumerate().for_each(|(block, out)| {
        let first = block * ROWS * voxels.size()[0];
        for (i, pixel) in out.chunks_exact_mut(each * count).enumerate() {
            for (c, number) in pixel.chunks_exact_mut(each).enumerate() {
                let at = c * plane + (first + i) * each;
                number.copy_from_slice(&bytes[at..at + each]);
                number.reverse();
            }
        }
    });
    Ok(buf)
}

register_format!(Png);
