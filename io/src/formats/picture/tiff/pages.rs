//! Which pages of a TIFF file are slices, and what their numbers are: all must agree.

use std::io::{Read, Seek};
use std::path::Path;

use tiff::decoder::ifd::Value;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::{SampleFormat, Tag};
use tiff::{ColorType, TiffError};

use super::super::resolution::{Described, described};
use super::super::{Colours, Picture, exif, undecoded};
use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::source::Source;
use crate::stored::Number;

/// Bits of NewSubfileType: a smaller copy, and a mask.
const COPY: u32 = 1;
const MASK: u32 = 4;
/// PhotometricInterpretation: the least number is white.
const WHITE_IS_ZERO: u32 = 0;
/// The longest list in a tag, in bytes.
const LIST: usize = 1 << 20;

/// The pages that are read.
pub(super) struct Pages {
    pub(super) picture: Picture,
    pub(super) pixels: Pixels,
    /// Whether each colour has a plane of its own.
    pub(super) planes: bool,
    /// Their numbers in the file, from 0.
    pub(super) numbers: Vec<usize>,
}

/// How the numbers of a page are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pixels {
    /// As bytes.
    Plain,
    /// So many bits each, packed by rows.
    Packed(usize),
}

/// What it means that a page cannot be decoded.
pub(super) fn failed(path: &Path, error: TiffError) -> Error {
    match &error {
        TiffError::UnsupportedError(what) => match undecoded(path, "TIFF", what).fault() {
            Some(fault) => Error::unsupported(path, fault.reason.clone())
                .field("TIFF")
                .remedy("save it as grey or RGB, uncompressed or deflated"),
            None => undecoded(path, "TIFF", what),
        },
        _ => undecoded(path, "TIFF", &error),
    }
}

/// What a page is made of: what must be the same on all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Page {
    side: [u32; 2],
    colours: Colours,
    number: Number,
    pixels: Pixels,
    planes: bool,
}

impl Pages {
    pub(super) fn find(source: &Source, options: &ReadOptions) -> Result<Self> {
        super::scan::check(source)?;
        let path = source.path();
        let failed = |error| failed(path, error);
        let mut decoder = Decoder::new(source.reader()).map_err(failed)?;
        let mut first: Option<(Page, Picture)> = None;
        let mut numbers = Vec::new();
        let mut said = Described::default();
        let mut skipped = 0;
        for number in 0_usize.. {
            let kind: Option<u32> = decoder
                .find_tag_unsigned(Tag::NewSubfileType)
                .map_err(failed)?;
            if kind.unwrap_or(0) & (COPY | MASK) != 0 {
                skipped += 1;
            } else {
                let page = Page::of(&mut decoder, source, number)?;
                match &mut first {
                    None => {
                        said = description(&mut decoder);
                        let mut picture = page.picture();
                        picture.spacing = spacing(&mut decoder, &said);
                        let turned: Option<u16> = decoder
                            .find_tag_unsigned(Tag::Orientation)
                            .map_err(failed)?;
                        picture.warnings.extend(exif::warning(turned));
                        first = Some((page, picture));
                    }
                    Some((before, _)) if *before != page => {
                        let [w, h] = page.side;
                        let [width, height] = before.side;
                        let reason = format!(
                            "it is not like the first page ({w} x {h} against {width} x {height} pixels, or another type)"
                        );
                        return Err(Error::unsupported(path, reason)
                            .field(format!("TIFF page {}", number + 1))
                            .remedy("save pages that are slices of one volume"));
                    }
                    Some((_, picture)) => picture.size[2] += 1,
                }
                numbers.push(number);
                if let Some((_, picture)) = &first {
                    // Pages may share their pixels: many of them may be in a small file.
                    picture.check(source, options)?;
                }
            }
            if !decoder.more_images() {
                break;
            }
            decoder.next_image().map_err(failed)?;
        }
        let Some((page, mut picture)) = first else {
            return Err(
                Error::unsupported(path, "all pages are smaller copies or masks")
                    .field("TIFF")
                    .remedy("save the picture itself"),
            );
        };
        if skipped > 0 {
            picture
                .warnings
                .push("pages that are smaller copies or masks are left out".to_owned());
        }
        check(source, &said, &page, &picture)?;
        Ok(Self {
            picture,
            pixels: page.pixels,
            planes: page.planes,
            numbers,
        })
    }
}

/// Refuses pages that are no slices of one volume.
fn check(source: &Source, said: &Described, page: &Page, picture: &Picture) -> Result<()> {
    let path = source.path();
    let pages = picture.size[2];
    if said.mixed && pages > 1 {
        return Err(
            Error::unsupported(path, "its pages are channels or points in time")
                .field("TIFF description")
                .remedy("save one channel and one point in time per file"),
        );
    }
    if let Some(images) = said.images
        && images > pages
    {
        let reason = format!("ImageJ keeps {images} images in it, behind {pages} page(s)");
        return Err(Error::unsupported(path, reason)
            .field("TIFF description")
            .remedy("save it with one page per image, or as OME-TIFF"));
    }
    if page.planes && pages > 1 {
        return Err(
            Error::unsupported(path, "it has a plane for each colour on several pages")
                .field("TIFF")
                .remedy("save the colours of a pixel side by side"),
        );
    }
    Ok(())
}

/// Limits that fit a picture which the file was found able to hold.
pub(super) fn limited<R: Read + Seek>(decoder: Decoder<R>, picture: &Picture) -> Decoder<R> {
    let bytes = picture.layout(false).bytes().unwrap_or(0);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = bytes;
    // A strip or a tile may reach beyond the picture.
    limits.intermediate_buffer_size = bytes.saturating_mul(2).saturating_add(LIST);
    limits.ifd_value_size = LIST;
    decoder.with_limits(limits)
}

impl Page {
    fn of<R: Read + Seek>(decoder: &mut Decoder<R>, source: &Source, page: usize) -> Result<Self> {
        let path = source.path();
        let failed = |error| failed(path, error);
        let refused = |reason: String| {
            Error::unsupported(path, reason)
                .field(format!("TIFF page {}", page + 1))
                .remedy("save it as grey or RGB of 8 or 16 bits")
        };
        let (width, height) = decoder.dimensions().map_err(failed)?;
        let colour = decoder.colortype().map_err(failed)?;
        let layout = decoder.image_buffer_layout().map_err(failed)?;
        let format = layout.sample_format;
        let bits = colour.bit_depth();
        let number = match (format, bits) {
            (SampleFormat::Uint, 1..=8) => Number::U8,
            (SampleFormat::Uint, 16) => Number::U16,
            (SampleFormat::Uint, 32) => Number::U32,
            (SampleFormat::Uint, 64) => Number::U64,
            (SampleFormat::Int, 8) => Number::I8,
            (SampleFormat::Int, 16) => Number::I16,
            (SampleFormat::Int, 32) => Number::I32,
            (SampleFormat::Int, 64) => Number::I64,
            (SampleFormat::IEEEFP, 16) => Number::F16,
            (SampleFormat::IEEEFP, 32) => Number::F32,
            (SampleFormat::IEEEFP, 64) => Number::F64,
            _ => {
                return Err(refused(format!(
                    "numbers of {bits} bits, {format:?}, are not read"
                )));
            }
        };
        let colours = match colour {
            ColorType::Gray(_) => Colours::Grey,
            ColorType::GrayA(_) => Colours::GreyAlpha,
            ColorType::RGB(_) => Colours::Rgb,
            ColorType::RGBA(_) => Colours::Rgba,
            ColorType::Multiband { num_samples, .. } => Colours::Unnamed(usize::from(num_samples)),
            other => return Err(refused(format!("the colours {other:?} are not read"))),
        };
        let photometric: Option<u32> = decoder
            .find_tag_unsigned(Tag::PhotometricInterpretation)
            .map_err(failed)?;
        if photometric == Some(WHITE_IS_ZERO) && format != SampleFormat::Uint {
            return Err(refused(
                "white is 0 among numbers with a sign, which nothing defines".to_owned(),
            ));
        }
        let pixels = match bits {
            1 | 2 | 4 if colours == Colours::Grey => Pixels::Packed(usize::from(bits)),
            8 | 16 | 32 | 64 => Pixels::Plain,
            _ => return Err(refused(format!("numbers of {bits} bits are not read"))),
        };
        Ok(Self {
            side: [width, height],
            colours,
            number,
            pixels,
            planes: layout.planes > 1,
        })
    }

    fn picture(&self) -> Picture {
        let [width, height] = self.side;
        Picture {
            colours: self.colours,
            number: self.number,
            size: [u64::from(width), u64::from(height), 1],
            spacing: [None; 3],
            warnings: Vec::new(),
        }
    }
}

/// What ImageJ or OME wrote into the description; nothing of it is kept.
fn description<R: Read + Seek>(decoder: &mut Decoder<R>) -> Described {
    match decoder.get_tag_ascii_string(Tag::ImageDescription) {
        Ok(text) => described(&text),
        Err(_) => Described::default(),
    }
}

/// How far voxels are apart, mm: what the description says, else the resolution.
fn spacing<R: Read + Seek>(decoder: &mut Decoder<R>, said: &Described) -> [Option<f64>; 3] {
    const INCH: u32 = 2;
    const CENTIMETRE: u32 = 3;
    let unit = match decoder.find_tag_unsigned::<u32>(Tag::ResolutionUnit) {
        _ if said.unit.is_some() => said.unit,
        // What the standard says of files without the tag.
        Ok(None | Some(INCH)) => Some(25.4),
        Ok(Some(CENTIMETRE)) => Some(10.0),
        _ => None,
    };
    let mut along = |tag| match decoder.find_tag(tag) {
        Ok(Some(Value::Rational(n, d))) => unit.map(|unit| unit * f64::from(d) / f64::from(n)),
        _ => None,
    };
    let [x, y] = [Tag::XResolution, Tag::YResolution].map(&mut along);
    [said.xy[0].or(x), said.xy[1].or(y), said.z]
}
