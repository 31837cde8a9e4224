//! NIfTI-1 and NIfTI-2, in single files (`.nii`, `.nii.gz`) and in pairs (`.hdr` and `.img`, each
//! perhaps gzip).
//!
//! `fields` takes a header apart, `header` judges it, `affine` finds where the voxels are in the
//! world, `body` where they are in which file, `extensions` carries what other programs added,
//! `write` makes files. Analyze 7.5, from which all this comes, is in `analyze` beside this file.

pub(super) mod affine;
pub(super) mod body;
mod extensions;
pub(super) mod fields;
pub(super) mod header;
mod write;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use voxprep_core::volume::{Header, Volume};

use crate::aside::write_pair_aside;
use crate::error::{Error, Result};
use crate::format::{Format, extension, register_format};
use crate::source::{COPY_AGAIN, Source};
use crate::{ReadOptions, WriteOptions, write_aside};

use body::half;
use fields::{Fields, Kind, Version};
use header::Image;

struct Nifti;

impl Nifti {
    /// The judged header of a file.
    fn image(source: &Source, options: &ReadOptions) -> Result<Image> {
        let fields = match Kind::of(source.start()) {
            Some(Kind::Header(version, single)) => Fields::parse(version, single, source.start()),
            Some(Kind::Cut) | None => None,
        };
        let fields = fields.ok_or_else(|| {
            Error::input(source.path(), "the file ends within its NIfTI header").remedy(COPY_AGAIN)
        })?;
        Image::judge(source, &fields, options)
    }
}

impl Format for Nifti {
    fn name(&self) -> &'static str {
        "NIfTI (.nii, .nii.gz, .hdr with .img)"
    }

    fn key(&self) -> &'static str {
        "nifti"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["nii.gz", "nii", "hdr", "img", "hdr.gz", "img.gz"]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        !matches!(
            Kind::of(start),
            None | Some(Kind::Header(Version::Analyze, _))
        )
    }

    fn headers(&self, path: &Path, start: &[u8]) -> Vec<PathBuf> {
        match Kind::of(start) {
            // Some programs call a single file .img.
            Some(Kind::Header(_, true)) => Vec::new(),
            _ => half(path, "img", "hdr"),
        }
    }

    fn files_read(&self, source: &Source) -> Vec<PathBuf> {
        body::files_read(source)
    }

    fn files(&self, path: &Path, _: &WriteOptions) -> Vec<PathBuf> {
        pair(path).map_or_else(|| vec![path.to_owned()], Vec::from)
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        Ok(Self::image(source, options)?.header)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        let Image { header, body } = Self::image(source, options)?;
        body.read(source, header)
    }

    fn write(&self, path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
        let pair = pair(path);
        let file = write::File::new(path, volume, pair.is_none())?;
        let put = |out: &mut File, pieces: &[&[u8]]| put(out, pieces, path, options);
        let (start, voxels) = (file.start(), file.voxels());
        match pair {
            None => write_aside(path, |out| put(out, &[&[start], &voxels[..]].concat())),
            Some([img, hdr]) => write_pair_aside(
                [&img, &hdr],
                |out| put(out, &voxels),
                |out| put(out, &[start]),
            ),
        }
    }
}

/// Writes pieces, packed where the name says so.
pub(super) fn put(
    out: &mut File,
    pieces: &[&[u8]],
    path: &Path,
    options: &WriteOptions,
) -> io::Result<()> {
    if extension(path).is_some_and(|e| e.ends_with(".gz")) {
        return crate::gzip::write(out, pieces, options.level);
    }
    pieces.iter().try_for_each(|piece| out.write_all(piece))
}

/// The voxels and the header of a pair, where the name is that of either.
pub(super) fn pair(path: &Path) -> Option<[PathBuf; 2]> {
    let first = |mine, other| half(path, mine, other).into_iter().next();
    match (first("hdr", "img"), first("img", "hdr")) {
        (Some(img), _) => Some([img, path.to_owned()]),
        (_, Some(hdr)) => Some([path.to_owned(), hdr]),
        _ => None,
    }
}

register_format!(Nifti);
