//! numpy's `.npz`: a zip of `.npy` files. An image is the member `image`, with its place in others.
//!
//! `members` reads what is in the zip, `write` makes one.

mod members;
mod write;

use std::path::Path;

use voxprep_core::volume::{Header, Volume};

use crate::array::Image;
use crate::described::Described;
use crate::error::{Error, Result};
use crate::format::{Format, register_format};
use crate::source::{COPY_AGAIN, Source};
use crate::{ReadOptions, WriteOptions};

use super::npy::header::length;
use super::npy::refused;
use super::safetensors::clean;
use members::Members;

/// The member that is the image.
const IMAGE: &str = "image";
/// Where the local header of a zip has the length of the name, and where the name starts.
const NAME_LENGTH: usize = 26;
const NAME: usize = 30;

struct Npz;

/// The image of a file: its header, its array, and the member that holds it.
struct Found<'a> {
    members: Members<'a>,
    name: String,
    header: Header,
    image: Image,
    start: u64,
}

impl<'a> Found<'a> {
    fn of(source: &'a Source, options: &ReadOptions) -> Result<Self> {
        let path = source.path();
        let mut members = Members::open(source)?;
        let name = chosen(&members, options, path)?;
        let field = format!("npz member {}", clean(&name));
        let bytes = members.header(&name)?;
        let refused = |refusal| refused(path, &field, refusal);
        let npy = super::npy::header::parse(&bytes).map_err(refused)?;
        let image = npy.array().map_err(refused)?.image(source, options)?;
        let needed = npy.start.saturating_add(image.bytes());
        let size = members.size(&name)?;
        if needed > size {
            let reason = format!("its header declares {needed} bytes, the member has {size}");
            return Err(Error::input(path, reason).field(field).remedy(COPY_AGAIN));
        }
        let start = npy.start;
        let others: Vec<String> = members.names().map(str::to_owned).collect();
        // What stands beside several images is that of `image`.
        let alone = name == IMAGE || others.len() == 1;
        let described = if alone {
            described(&mut members)?
        } else {
            Described::default()
        };
        let header = described.header("npz", &image, path)?;
        Ok(Self {
            members,
            name,
            header,
            image,
            start,
        })
    }
}

impl Format for Npz {
    fn key(&self) -> &'static str {
        "npz"
    }

    fn name(&self) -> &'static str {
        "NumPy archive (.npz)"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["npz"]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        let name = start.get(NAME_LENGTH..).and_then(|rest| {
            let length = u16::from_le_bytes(*rest.first_chunk::<2>()?);
            start.get(NAME..NAME + usize::from(length))
        });
        start.starts_with(b"PK\x03\x04") && name.is_some_and(|name| name.ends_with(b".npy"))
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        Ok(Found::of(source, options)?.header)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        let mut found = Found::of(source, options)?;
        let bytes = found.members.bytes(&found.name)?;
        let contents = source.in_memory(bytes);
        found.image.read(contents, found.start, found.header)
    }

    fn write(&self, path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
        write::write(path, volume, options.level)
    }
}

/// The name of the member that is read.
fn chosen(members: &Members<'_>, options: &ReadOptions, path: &Path) -> Result<String> {
    let has = |name: &str| members.names().any(|n| n == name);
    let only = match (members.names().next(), members.names().nth(1)) {
        (Some(name), None) => Some(name),
        _ => None,
    };
    match (&options.series, only) {
        (Some(name), _) if has(name) => return Ok(name.clone()),
        (None, _) if has(IMAGE) => return Ok(IMAGE.to_owned()),
        (None, Some(only)) => return Ok(only.to_owned()),
        _ => {}
    }
    let count = members.names().count();
    if count == 0 {
        return Err(Error::input(path, "the archive holds no array").remedy(COPY_AGAIN));
    }
    let reason = match &options.series {
        Some(name) => format!("the archive has no array '{}'", clean(name)),
        None => format!("the archive holds {count} arrays, none called image"),
    };
    let names: Vec<_> = members.names().take(12).map(clean).collect();
    Err(Error::parameter(path, reason)
        .field("series")
        .remedy(format!("name one: {}", names.join(", "))))
}

/// What the other members say of the image.
fn described(members: &mut Members<'_>) -> Result<Described> {
    let mut warnings = Vec::new();
    let w = &mut warnings;
    let one = |names: Option<Vec<String>>| names.and_then(|names| names.into_iter().next());
    Ok(Described {
        affine: members.numbers("affine", w)?,
        spacing: members.numbers("spacing", w)?,
        origin: members.numbers("origin", w)?,
        direction: members.numbers("direction", w)?,
        frame: one(members.texts("frame", w)?),
        channels: members.texts("channels", w)?,
        axes: one(members.texts("axes", w)?),
        unit: one(members.texts("unit", w)?),
        modality: one(members.texts("modality", w)?),
        role: one(members.texts("role", w)?),
        warnings,
    })
}

/// Where the dictionary of a `.npy` file ends, from its first bytes.
fn header_length(start: &[u8], path: &Path, field: &str) -> Result<usize> {
    let (at, length) = length(start).map_err(|refusal| refused(path, field, refusal))?;
    Ok(at + length)
}

register_format!(Npz);
