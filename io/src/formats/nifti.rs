//! NIfTI-1 in single files, `.nii` and `.nii.gz`.
//!
//! `header` reads and judges the 348 bytes, `affine` finds where the voxels are, `write` makes a
//! file. The relatives (NIfTI-2, .hdr/.img pairs, Analyze 7.5) are recognised and refused by name.

mod affine;
mod header;
mod write;

use std::path::Path;

use voxprep_core::volume::{Header, Volume};

use crate::error::{Error, Result};
use crate::format::{Format, register_format};
use crate::source::{COPY_AGAIN, Source};
use crate::{ReadOptions, WriteOptions, write_aside};

use header::{Image, Kind};

struct Nifti;

impl Nifti {
    /// The judged header of a file, or why this version cannot read it.
    fn image(source: &Source, options: &ReadOptions) -> Result<Image> {
        let path = source.path();
        let refuse = |what: &str| {
            Err(Error::unsupported(
                path,
                format!("the file is {what}, which this version cannot read"),
            )
            .remedy("convert it to a single NIfTI-1 file (.nii or .nii.gz)"))
        };
        match Kind::of(source.start()) {
            Some(Kind::Single) => Image::parse(source, options),
            Some(Kind::Pair) => refuse("one half of a NIfTI-1 pair (.hdr and .img)"),
            Some(Kind::Two) => refuse("NIfTI-2"),
            Some(Kind::TwoPair) => refuse("one half of a NIfTI-2 pair (.hdr and .img)"),
            Some(Kind::Analyze) => refuse("the header of an Analyze 7.5 pair (.hdr and .img)"),
            Some(Kind::Cut) | None => {
                Err(Error::input(path, "the file ends within its NIfTI header").remedy(COPY_AGAIN))
            }
        }
    }
}

impl Format for Nifti {
    fn name(&self) -> &'static str {
        "NIfTI-1 (.nii, .nii.gz)"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["nii", "nii.gz"]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        Kind::of(start).is_some()
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        Ok(Self::image(source, options)?.header)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        let Image {
            mut header,
            layout,
            offset,
            end,
            warning,
        } = Self::image(source, options)?;
        // Said once, when the voxels are read; the facts of the header have it as well.
        if let Some(warning) = warning {
            tracing::debug!("{warning}: {}", source.path().display());
        }
        let voxels = layout.read(source.contents(end)?, offset)?;
        header.element_type = voxels.element_type();
        Volume::with_header(header, voxels).map_err(|e| Error::core(source.path(), e))
    }

    fn write(&self, path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
        let file = write::File::new(path, volume)?;
        let compressed = crate::format::extension(path) == Some("nii.gz");
        write_aside(path, |out| {
            if compressed {
                crate::gzip::write(out, &file.pieces(), options.level)
            } else {
                file.pieces()
                    .iter()
                    .try_for_each(|piece| std::io::Write::write_all(out, piece))
            }
        })
    }
}

register_format!(Nifti);
