//! MetaImage: a header of text, and voxels after it (`.mha`) or in files beside it (`.mhd` with
//! `.raw`, `.zraw`, or a list of slices).
//!
//! `fields` takes the lines of a header apart, `header` judges them, `write` makes files. Where the
//! voxels are and how they are packed is the business of `parts`, which NRRD shares.

mod fields;
mod header;
mod write;

use std::path::{Path, PathBuf};

use voxprep_core::volume::{Header, Volume};

use crate::error::Result;
use crate::format::{Format, register_format};
use crate::source::Source;
use crate::{ReadOptions, WriteOptions};

use fields::Fields;
use header::Image;

struct MetaImage;

impl Format for MetaImage {
    fn name(&self) -> &'static str {
        "MetaImage (.mha, .mhd with .raw or .zraw)"
    }

    fn key(&self) -> &'static str {
        "metaimage"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["mha", "mhd"]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        Fields::begin(start)
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
        let Image { header, parts } = Image::judge(source, options)?;
        parts.volume(source, header)
    }

    fn write(&self, path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
        write::write(path, volume, options)
    }
}

register_format!(MetaImage);
