//! numpy's `.npy`: one array, without a place. `header` reads and writes its header.
//!
//! The crate `ndarray-npy` allocates by the header before it has seen the file, and hands out
//! arrays that would have to be copied; so the header is read here, voxels as those of all formats
//! are, and the crate is a second opinion in the tests.

pub(super) mod header;

use std::io::{Read as _, Write as _};
use std::path::Path;

use serde_json::json;
use voxprep_core::volume::{Header, SPACING_ASSUMED, Volume};
use voxprep_core::voxels::ElementType;

use crate::array::{Image, nowhere, shape};
use crate::described::UNPLACED;
use crate::error::{Error, Result};
use crate::format::{Format, register_format};
use crate::source::{COPY_AGAIN, Source};
use crate::{ReadOptions, WriteOptions, write_aside};

use header::Refusal;

struct Numpy;

impl Numpy {
    /// The header of a file, and where its elements start.
    fn image(source: &Source, options: &ReadOptions) -> Result<(Header, Image, u64)> {
        let path = source.path();
        let refused = |refusal| refused(path, "npy header", refusal);
        let (at, length) = header::length(source.start()).map_err(refused)?;
        let mut bytes = Vec::with_capacity(at + length);
        let contents = source.bytes_from(0)?;
        let mut header = contents.take((at + length) as u64);
        header
            .read_to_end(&mut bytes)
            .map_err(|e| source.unread(&e))?;
        let npy = header::parse(&bytes).map_err(refused)?;
        let image = npy.array().map_err(refused)?.image(source, options)?;
        source.check_holds(npy.start.saturating_add(image.bytes()))?;
        let mut header = image.header(nowhere(path, image.size())?);
        header.facts.insert(SPACING_ASSUMED.to_owned(), json!(true));
        header
            .facts
            .insert("npy.header_warning".to_owned(), json!(UNPLACED));
        Ok((header, image, npy.start))
    }
}

impl Format for Numpy {
    fn key(&self) -> &'static str {
        "npy"
    }

    fn name(&self) -> &'static str {
        "NumPy array (.npy)"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["npy"]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        start.starts_with(header::MAGIC)
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        Ok(Self::image(source, options)?.0)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        let (header, image, start) = Self::image(source, options)?;
        image.read(
            source.contents(start, start + image.bytes())?,
            start,
            header,
        )
    }

    fn write(&self, path: &Path, volume: &Volume, _options: &WriteOptions) -> Result<()> {
        let voxels = volume.voxels();
        let header = header::written(descr(voxels.element_type()), &shape(voxels));
        write_aside(path, |out| {
            out.write_all(&header)?;
            out.write_all(voxels.bytes())
        })
    }
}

/// An error about a header; `field` names it.
pub(super) fn refused(path: &Path, field: &str, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Damaged(reason) => Error::input(path, reason).remedy(COPY_AGAIN),
        Refusal::Unsupported(reason, remedy) => Error::unsupported(path, reason).remedy(remedy),
    }
    .field(field)
}

/// numpy's name of a type, as it is in memory: little-endian.
pub(super) const fn descr(element_type: ElementType) -> &'static str {
    match element_type {
        ElementType::U8 => "|u1",
        ElementType::I16 => "<i2",
        ElementType::U16 => "<u2",
        ElementType::I32 => "<i4",
        ElementType::F32 => "<f4",
        ElementType::F64 => "<f8",
    }
}

register_format!(Numpy);
