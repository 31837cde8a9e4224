//! Pictures: PNG, TIFF and JPEG, as radiographs `[w, h, 1]`, or the pages of a TIFF as slices.
//!
//! `png`, `tiff` and `jpeg` are the formats; what they have in common is here. They are decoded by
//! the crates that the crate `image` is built of: `image` itself scales what has fewer than 8 bits,
//! knows neither pages nor resolution, and takes a JPEG file that ends early for a whole one.

mod exif;
mod jpeg;
mod png;
mod resolution;
mod tiff;

use std::path::Path;

use serde_json::json;
use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{
    AxisKind, ChannelAxis, Channels, Header, PLACELESS, SPACING_ASSUMED, Volume,
};

use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::limits::{check_channels, check_voxels};
use crate::source::{COPY_AGAIN, Source};
use crate::stored::{Layout, Number};

/// No picture has more numbers per byte: single bits, deflated as well as can be.
const PACKED: u64 = 8 * 1032;

/// What the numbers of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// So many numbers without a meaning.
    Unnamed(usize),
}

impl Colours {
    const fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
            Self::Unnamed(count) => count,
        }
    }

    fn channels(self) -> Channels {
        let names: &[&str] = match self {
            Self::Grey => return Channels::single(),
            Self::GreyAlpha => &["grey", "alpha"],
            Self::Rgb => &["red", "green", "blue"],
            Self::Rgba => &["red", "green", "blue", "alpha"],
            Self::Unnamed(length) => {
                return Channels::numbered(vec![ChannelAxis {
                    kind: AxisKind::Component,
                    length,
                    step: None,
                }]);
            }
        };
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Channels::named(AxisKind::Colour, names)
    }

    /// What a volume holds, where that can be written as colours.
    fn of(volume: &Volume) -> Option<Self> {
        let axes = &volume.header().channels.axes;
        let colour = matches!(axes.as_slice(), [axis] if axis.kind == AxisKind::Colour);
        match volume.voxels().channels() {
            1 => Some(Self::Grey),
            2 if colour => Some(Self::GreyAlpha),
            3 if colour => Some(Self::Rgb),
            4 if colour => Some(Self::Rgba),
            _ => None,
        }
    }
}

/// What the header of a picture says.
#[derive(Debug)]
struct Picture {
    colours: Colours,
    number: Number,
    /// Pixels along a row, rows, and pages.
    size: [u64; 3],
    /// Along rows, between rows and between pages, mm.
    spacing: [Option<f64>; 3],
    warnings: Vec<String>,
}

impl Picture {
    /// Refuses what the file cannot hold.
    fn check(&self, source: &Source, options: &ReadOptions) -> Result<()> {
        let path = source.path();
        let [x, y, z] = self.size;
        let count = self.colours.count();
        let values = [y, z, count as u64]
            .iter()
            .try_fold(x, |n, &length| n.checked_mul(length));
        if self.size.contains(&0) || values.is_none() {
            let reason = format!("{x} x {y} pixels of {count} numbers on {z} pages are no picture");
            return Err(Error::input(path, reason).remedy(COPY_AGAIN));
        }
        let values = values.unwrap_or(u64::MAX);
        if values > source.len().saturating_mul(PACKED) {
            let reason = format!(
                "the header declares {values} numbers, which no compression fits into {} bytes",
                source.len()
            );
            return Err(Error::limit(path, reason).remedy(COPY_AGAIN));
        }
        check_channels(path, count)?;
        check_voxels(path, values, source.len(), true, options)
    }

    /// The header in our terms.
    fn header(&self, path: &Path) -> Result<Header> {
        let mut warnings = self.warnings.clone();
        let size = self.size.map(|n| n as usize);
        let valid = |s: &f64| s.is_finite() && *s > 0.0;
        let [x, y, z] = self.spacing.map(|s| s.filter(valid));
        let known = x.is_some() && y.is_some();
        if !known {
            warnings.insert(
                0,
                "the file does not say how far pixels are apart; 1 mm is taken".to_owned(),
            );
        } else if z.is_none() && size[2] > 1 {
            warnings.insert(
                0,
                "the file does not say how far its pages are apart; 1 mm is taken".to_owned(),
            );
        }
        let spacing = match (x, y) {
            (Some(x), Some(y)) => [x, y, z.unwrap_or(1.0)],
            _ => [1.0; 3],
        };
        let geometry =
            Geometry::aligned(size, spacing, [0.0; 3]).map_err(|error| Error::core(path, error))?;
        let mut header = Header::new(geometry, self.layout(false).usual_type());
        header.channels = self.colours.channels();
        header.facts.insert(PLACELESS.to_owned(), json!(true));
        if !known {
            header.facts.insert(SPACING_ASSUMED.to_owned(), json!(true));
        }
        if !warnings.is_empty() {
            let warning = json!(warnings.join("; "));
            header
                .facts
                .insert("picture.header_warning".to_owned(), warning);
        }
        Ok(header)
    }

    fn layout(&self, big_endian: bool) -> Layout {
        let count = self.colours.count();
        Layout {
            number: self.number,
            big_endian,
            interleaved: count,
            channels: count,
            size: self.size.map(|n| n as usize),
            scale: None,
        }
    }

    /// The volume of decoded numbers, those of a pixel side by side unless `planes`.
    fn volume(
        &self,
        source: &Source,
        decoded: Buf<u8>,
        big_endian: bool,
        planes: bool,
    ) -> Result<Volume> {
        let mut header = self.header(source.path())?;
        let mut layout = self.layout(big_endian);
        if planes {
            layout.interleaved = 1;
        }
        let voxels = layout.read(source.in_memory(decoded), 0)?;
        header.element_type = voxels.element_type();
        Volume::with_header(header, voxels).map_err(|e| Error::core(source.path(), e))
    }

    /// So many bytes for decoded numbers, which the file was found able to hold.
    fn buffer(&self, source: &Source) -> Result<Buf<u8>> {
        let bytes = self.layout(false).bytes();
        let bytes = bytes.and_then(|n| usize::try_from(n).ok());
        let bytes = bytes.ok_or_else(|| {
            Error::limit(source.path(), "the picture is larger than memory can be")
        })?;
        Buf::for_overwrite(bytes).map_err(|e| Error::core(source.path(), e))
    }
}

/// Refuses a picture inside gzip: the decoders seek.
fn plain(source: &Source) -> Result<()> {
    if source.is_gzip() {
        return Err(
            Error::unsupported(source.path(), "the picture is packed with gzip")
                .remedy("unpack it first"),
        );
    }
    Ok(())
}

/// What a decoder says that gave up, on one line.
fn undecoded(path: &Path, format: &str, error: &dyn std::fmt::Display) -> Error {
    let message: String = error
        .to_string()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(160)
        .collect();
    Error::input(path, message.trim_end_matches(['.', ' ']))
        .field(format)
        .remedy(COPY_AGAIN)
}

/// Numbers of fewer than 8 bits, packed by rows, one per byte.
fn unpacked(packed: &[u8], out: &mut [u8], row: usize, bits: usize) {
    let row_bytes = (row * bits).div_ceil(8);
    let mask = (1_u8 << bits) - 1;
    for (packed, out) in packed.chunks(row_bytes).zip(out.chunks_mut(row)) {
        for (i, value) in out.iter_mut().enumerate() {
            let at = i * bits;
            let byte = packed.get(at / 8).copied().unwrap_or(0);
            *value = byte >> (8 - bits - at % 8) & mask;
        }
    }
}

/// How far pixels are apart, where that was measured: a new grid on top of an assumption is one still.
fn known_spacing(volume: &Volume) -> Option<[f64; 3]> {
    let facts = &volume.header().facts;
    let assumed = facts.contains_key(SPACING_ASSUMED);
    (!assumed).then(|| volume.geometry().spacing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_few_bits_are_packed_by_rows() {
        let mut out = [9; 6];
        unpacked(&[0b1010_0000, 0b0110_0000], &mut out, 3, 1);
        assert_eq!(out, [1, 0, 1, 0, 1, 1]);
        unpacked(&[0b1110_0100, 0b0100_0000], &mut out[..5], 5, 2);
        assert_eq!(out[..5], [3, 2, 1, 0, 1]);
        unpacked(&[0xab, 0xc0], &mut out[..3], 3, 4);
        assert_eq!(out[..3], [10, 11, 12]);
    }
}
