//! A volume as the pages of a TIFF file, its voxels as they are.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use rayon::prelude::*;
use tiff::TiffError;
use tiff::encoder::colortype::{self as kind, ColorType};
use tiff::encoder::{Compression, DeflateLevel, Rational, TiffEncoder, TiffKind, TiffValue};
use tiff::tags::{ResolutionUnit, Tag};
use voxprep_core::volume::Volume;
use voxprep_core::voxels::{ElementType, Voxel};

use super::super::resolution::{fraction, written};
use super::super::{Colours, known_spacing};
use crate::error::{Error, Result};
use crate::write_aside;

/// From this size on the offsets in the file have 64 bits; deflate makes nothing longer by the rest.
const LARGE: u64 = u32::MAX as u64 - (1 << 27);

/// Writes a volume, one page per slice.
pub(super) fn write(path: &Path, volume: &Volume, level: u32) -> Result<()> {
    let voxels = volume.voxels();
    let colours = Colours::of(volume);
    let [x, y, _] = voxels.size();
    let sides = [x, y].map(|n| u32::try_from(n).ok());
    let ([Some(width), Some(height)], Some(colours)) = (sides, colours) else {
        let reason = format!(
            "a TIFF holds pages of grey or colours, not {} channels of {x} x {y}",
            voxels.channels()
        );
        return Err(Error::unsupported(path, reason)
            .remedy("write .nii.gz or .npz, or one channel per file"));
    };
    let pages = Pages {
        volume,
        side: [width, height],
        compression: match level {
            0 => Compression::Uncompressed,
            1..=3 => Compression::Deflate(DeflateLevel::Fast),
            4..=6 => Compression::Deflate(DeflateLevel::Balanced),
            _ => Compression::Deflate(DeflateLevel::Best),
        },
    };
    let ty = voxels.element_type();
    let write: fn(&Pages<'_>, &mut File) -> io::Result<()> = match (colours, ty) {
        (Colours::Grey, ElementType::U8) => put::<u8, kind::Gray8>,
        (Colours::Grey, ElementType::U16) => put::<u16, kind::Gray16>,
        (Colours::Grey, ElementType::I16) => put::<i16, kind::GrayI16>,
        (Colours::Grey, ElementType::I32) => put::<i32, kind::GrayI32>,
        (Colours::Grey, ElementType::F32) => put::<f32, kind::Gray32Float>,
        (Colours::Grey, ElementType::F64) => put::<f64, kind::Gray64Float>,
        (Colours::Rgb, ElementType::U8) => put::<u8, kind::RGB8>,
        (Colours::Rgb, ElementType::U16) => put::<u16, kind::RGB16>,
        (Colours::Rgba, ElementType::U8) => put::<u8, kind::RGBA8>,
        (Colours::Rgba, ElementType::U16) => put::<u16, kind::RGBA16>,
        _ => {
            let reason = format!(
                "a TIFF of {} colours is written as u8 or u16, the voxels are {ty}",
                voxels.channels()
            );
            return Err(Error::unsupported(path, reason)
                .remedy("give --type u8 or u16, or write .nii.gz or .npz"));
        }
    };
    write_aside(path, |file| write(&pages, file))
}

/// A volume that is written page by page.
struct Pages<'a> {
    volume: &'a Volume,
    side: [u32; 2],
    compression: Compression,
}

/// Writes the pages as one colour type.
fn put<T: Voxel, C: ColorType<Inner = T>>(pages: &Pages<'_>, file: &mut File) -> io::Result<()>
where
    [T]: TiffValue,
{
    let out = BufWriter::new(file);
    let outcome = if pages.volume.voxels().bytes().len() as u64 >= LARGE {
        TiffEncoder::new_big(out).and_then(|encoder| pages.encode::<T, C, _>(encoder))
    } else {
        TiffEncoder::new(out).and_then(|encoder| pages.encode::<T, C, _>(encoder))
    };
    outcome.map_err(|error| match error {
        TiffError::IoError(error) => error,
        other => io::Error::other(other),
    })
}

impl Pages<'_> {
    fn encode<T: Voxel, C: ColorType<Inner = T>, K: TiffKind>(
        &self,
        encoder: TiffEncoder<BufWriter<&mut File>, K>,
    ) -> tiff::TiffResult<()>
    where
        [T]: TiffValue,
    {
        let mut encoder = encoder.with_compression(self.compression);
        let voxels = self.volume.voxels();
        let values = voxels.values::<T>().unwrap_or_default();
        let [width, height] = self.side;
        let page = width as usize * height as usize;
        let [channels, slices] = [voxels.channels(), voxels.size()[2]];
        let spacing = known_spacing(self.volume);
        let mut side_by_side = vec![T::default(); if channels > 1 { page * channels } else { 0 }];
        for z in 0..slices {
            let mut image = encoder.new_image::<C>(width, height)?;
            let tags = image.encoder();
            if let Some([x, y, z_mm]) = spacing {
                tags.write_tag(Tag::ResolutionUnit, ResolutionUnit::Centimeter.to_u16())?;
                for (tag, mm) in [(Tag::XResolution, x), (Tag::YResolution, y)] {
                    let (n, d) = fraction(10.0 / mm);
                    tags.write_tag(tag, Rational { n, d })?;
                }
                if z == 0 && slices > 1 {
                    let text = written(slices, z_mm);
                    tags.write_tag(Tag::ImageDescription, text.as_str())?;
                }
            }
            if channels == 1 {
                image.write_data(&values[z * page..(z + 1) * page])?;
                continue;
            }
            side_by_side
                .par_chunks_exact_mut(channels)
                .with_min_len(1 << 14)
                .enumerate()
                .for_each(|(i, pixel)| {
                    for (c, to) in pixel.iter_mut().enumerate() {
                        *to = values[(c * slices + z) * page + i];
                    }
                });
            image.write_data(&side_by_side)?;
        }
        Ok(())
    }
}
