//! NRRD: a header of text, and voxels after it (`.nrrd`) or in files beside it (`.nhdr` with `.raw`,
//! `.raw.gz`, or a list of slices).
//!
//! `fields` takes the lines of a header apart, `types` knows their words, `axes` says which axes are
//! those of space and what the others are, `place` where the voxels are in the world, `header`
//! judges the whole, `facts` keeps what else is worth it, `write` makes files. Where the voxels are
//! and how they are packed is the business of `parts`, which MetaImage shares.

mod axes;
mod facts;
mod fields;
mod header;
mod permute;
mod place;
mod types;
mod write;

use std::path::{Path, PathBuf};

use voxprep_core::volume::{Header, Volume};

use crate::error::{Error, Result};
use crate::format::{Format, register_format};
use crate::source::Source;
use crate::{ReadOptions, WriteOptions};

use fields::Fields;
use header::Image;

struct Nrrd;

impl Format for Nrrd {
    fn name(&self) -> &'static str {
        "NRRD (.nrrd, .nhdr with .raw or .raw.gz)"
    }

    fn key(&self) -> &'static str {
        "nrrd"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["nrrd", "nhdr"]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        start.starts_with(fields::MAGIC)
    }

    fn files_read(&self, source: &Source) -> Vec<PathBuf> {
        let mut files = vec![source.path().to_owned()];
        let fields = Fields::parse(source);
        files.extend(
            fields
                .and_then(|f| header::files(source, &f))
                .unwrap_or_default(),
        );
        files
    }

    fn files(&self, path: &Path, options: &WriteOptions) -> Vec<PathBuf> {
        let voxels = write::voxels(path, options);
        voxels.into_iter().chain([path.to_owned()]).collect()
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        Ok(Image::judge(source, options)?.header)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        let Image {
            mut header,
            parts,
            order,
        } = Image::judge(source, options)?;
        let Some(order) = order else {
            return parts.volume(source, header);
        };
        let core = |e| Error::core(source.path(), e);
        let voxels = permute::permuted(&parts.read(source)?, &order).map_err(core)?;
        header.element_type = voxels.element_type();
        Volume::with_header(header, voxels).map_err(core)
    }

    fn write(&self, path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
        write::write(path, volume, options)
    }
}

register_format!(Nrrd);
