//! Where the voxels are and how they are stored: after the header, or in the other half of a pair.
//! A header that lies about them is refused here, before anything is allocated.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use voxprep_core::volume::{Header, Volume};

use super::fields::{Fields, Kind, Version};
use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::limits;
use crate::source::Source;
use crate::stored::{Layout, Number, Scale};

/// What a datatype stands for: the number, and how many of them each voxel has side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) struct Stored {
    pub(in crate::formats) number: Number,
    pub(in crate::formats) inner: Option<Inner>,
}

impl Stored {
    /// Bits per voxel.
    pub(in crate::formats) fn bits(self) -> i64 {
        8 * self.number.bytes() as i64 * self.inner.map_or(1, Inner::length) as i64
    }
}

/// What the numbers of one voxel mean where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) enum Inner {
    Complex,
    Rgb,
    Rgba,
}

impl Inner {
    pub(in crate::formats) const fn length(self) -> usize {
        self.names().len()
    }

    pub(in crate::formats) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Complex => &["real", "imag"],
            Self::Rgb => &["red", "green", "blue"],
            Self::Rgba => &["red", "green", "blue", "alpha"],
        }
    }
}

/// An error about one field of the header.
pub(in crate::formats) fn wrong(
    path: &Path,
    fields: &Fields,
    field: &str,
    reason: impl Into<String>,
) -> Error {
    Error::input(path, reason)
        .field(format!("{}, {field}", fields.name()))
        .remedy("mend the header, or export the file again")
}

/// The voxels of a file, found and not yet read.
pub(in crate::formats) struct Body {
    /// The other half of a pair.
    other: Option<Source>,
    layout: Layout,
    /// The first byte of the voxels, and the byte after the last.
    pub(in crate::formats) offset: u64,
    end: u64,
    /// The three spatial dimensions, and those beyond them.
    pub(in crate::formats) size: [usize; 3],
    pub(in crate::formats) beyond: Vec<usize>,
}

impl Body {
    /// Finds the voxels that a header describes.
    pub(in crate::formats) fn find(
        source: &Source,
        fields: &Fields,
        stored: Stored,
        scale: Option<Scale>,
        options: &ReadOptions,
    ) -> Result<Self> {
        let path = source.path();
        let (size, beyond) =
            dimensions(fields).map_err(|(field, reason)| wrong(path, fields, &field, reason))?;
        let offset = offset(fields).map_err(|reason| wrong(path, fields, "vox_offset", reason))?;
        let interleaved = stored.inner.map_or(1, Inner::length);
        let channels = beyond
            .iter()
            .try_fold(interleaved, |n, &length| n.checked_mul(length));
        let layout = channels.map(|channels| Layout {
            number: stored.number,
            big_endian: fields.big_endian,
            interleaved,
            channels,
            size,
            scale,
        });
        let extent = layout.and_then(|l| Some((l.values()?, l.bytes()?.checked_add(offset)?, l)));
        let Some((values, end, layout)) = extent else {
            let reason = "the product of the dimensions is beyond counting";
            return Err(wrong(path, fields, "dim", reason));
        };
        let other = match fields.single {
            true => None,
            false => Some(other_half(path, fields, end)?),
        };
        let body = Self {
            other,
            layout,
            offset,
            end,
            size,
            beyond,
        };
        body.check(body.source(source), values, options)?;
        Ok(body)
    }

    /// Refuses what the file cannot hold, or what no image has.
    fn check(&self, voxels: &Source, values: u64, options: &ReadOptions) -> Result<()> {
        let path = voxels.path();
        limits::check_voxels(path, values, voxels.len(), voxels.is_gzip(), options)?;
        limits::check_channels(path, self.layout.channels)?;
        voxels.check_holds(self.end)
    }

    /// The type that the voxels usually have; the values may call for a wider one.
    pub(in crate::formats) fn usual_type(&self) -> voxprep_core::voxels::ElementType {
        self.layout.usual_type()
    }

    /// Reads the voxels; `source` is the file of the header.
    pub(in crate::formats) fn read(&self, source: &Source, mut header: Header) -> Result<Volume> {
        let source = self.source(source);
        let voxels = self
            .layout
            .read(source.contents(self.offset, self.end)?, self.offset)?;
        header.element_type = voxels.element_type();
        Volume::with_header(header, voxels).map_err(|e| Error::core(source.path(), e))
    }

    fn source<'a>(&'a self, header: &'a Source) -> &'a Source {
        self.other.as_ref().unwrap_or(header)
    }
}

/// The three spatial dimensions, and those beyond them.
///
/// An unset (0) dimension after the first counts as 1, as in the reference library.
fn dimensions(fields: &Fields) -> Result<([usize; 3], Vec<usize>), (String, String)> {
    let [count, dim @ ..] = fields.dim;
    if !(1..=7).contains(&count) {
        return Err((
            "dim[0]".to_owned(),
            format!("{count} dimensions, where 1 to 7 are possible"),
        ));
    }
    let mut all = [1_usize; 7];
    for (i, (out, &d)) in all.iter_mut().zip(&dim[..count as usize]).enumerate() {
        match usize::try_from(d) {
            Ok(0) if i > 0 => {}
            Ok(d) if d > 0 => *out = d,
            _ => {
                return Err((
                    format!("dim[{}]", i + 1),
                    format!("{d} voxels along an axis"),
                ));
            }
        }
    }
    let [x, y, z, beyond @ ..] = all;
    let beyond = beyond[..(count as usize).saturating_sub(3)].to_vec();
    Ok(([x, y, z], beyond))
}

/// Where the voxels start; in a single file an unset offset (0) means right after the header.
fn offset(fields: &Fields) -> Result<u64, String> {
    let vox_offset = fields.vox_offset;
    let least = if fields.single {
        fields.len() as u64 + 4
    } else {
        0
    };
    if vox_offset == 0.0 {
        return Ok(least);
    }
    if !(vox_offset >= least as f64 && vox_offset.fract() == 0.0 && vox_offset <= 2_f64.powi(62)) {
        return Err(match fields.version {
            Version::Analyze => format!("the voxels start at byte {vox_offset}"),
            _ if fields.single => format!(
                "the voxels start at byte {vox_offset}, within the header's {least} or nowhere"
            ),
            _ => format!("the voxels start at byte {vox_offset} of their file"),
        });
    }
    Ok(vox_offset as u64)
}

/// The file of the header, and that of the voxels where they are in another one.
pub(in crate::formats) fn files_read(header: &Source) -> Vec<PathBuf> {
    let mut files = vec![header.path().to_owned()];
    if let Some(Kind::Header(_, false)) = Kind::of(header.start()) {
        let names = half(header.path(), "hdr", "img");
        files.extend(names.into_iter().find(|name| name.is_file()));
    }
    files
}

/// Opens the voxels of a pair.
fn other_half(header: &Path, fields: &Fields, needed: u64) -> Result<Source> {
    let names = half(header, "hdr", "img");
    if names.is_empty() && fields.version == Version::Analyze {
        // Most likely a NIfTI-1 file whose mark is damaged.
        let reason = "the header has neither the mark of NIfTI-1 nor the name of Analyze 7.5";
        return Err(Error::input(header, reason)
            .remedy("copy or export the file again, or name an Analyze pair .hdr and .img"));
    }
    if names.is_empty() {
        return Err(Error::input(
            header,
            "the header says that its voxels are in another file",
        )
        .remedy("name the header .hdr and the voxels .img"));
    }
    match names.iter().find(|name| name.is_file()) {
        Some(name) => Source::open_voxels(name, needed),
        None => Err(
            Error::input(header, "the voxels of this header are missing")
                .remedy("put the .img file of the same name beside the .hdr file"),
        ),
    }
}

/// The names that the `other` half of a pair may have, the likeliest first; none where `path` does
/// not end in `.mine` or `.mine.gz`.
pub(in crate::formats) fn half(path: &Path, mine: &str, other: &str) -> Vec<PathBuf> {
    let extension =
        |path: &Path, is: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(is));
    let gz = path.extension().filter(|_| extension(path, "gz"));
    let plain = if gz.is_some() {
        path.with_extension("")
    } else {
        path.to_owned()
    };
    let (Some(stem), Some(spelled)) = (plain.file_stem(), plain.extension()) else {
        return Vec::new();
    };
    if !extension(&plain, mine) {
        return Vec::new();
    }
    let capitals = spelled
        .to_string_lossy()
        .bytes()
        .all(|b| b.is_ascii_uppercase());
    let [other, packed] = if capitals {
        [other.to_ascii_uppercase(), "GZ".to_owned()]
    } else {
        [other.to_owned(), "gz".to_owned()]
    };
    let mut name = stem.to_owned();
    name.push(format!(".{other}"));
    let mut packed_name = name.clone();
    packed_name.push(".");
    packed_name.push(gz.map_or_else(|| OsString::from(packed), OsString::from));
    let names = [name, packed_name].map(|name| path.with_file_name(name));
    let [first, second] = names;
    if gz.is_some() {
        vec![second, first]
    } else {
        vec![first, second]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_half_has_the_same_name_and_the_same_case() {
        let names = |path: &str| {
            let names = half(Path::new(path), "hdr", "img");
            names
                .iter()
                .map(|n| n.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("a/b.c.hdr"), ["a/b.c.img", "a/b.c.img.gz"]);
        assert_eq!(names("b.hdr.gz"), ["b.img.gz", "b.img"]);
        assert_eq!(names("B.HDR"), ["B.IMG", "B.IMG.GZ"]);
        assert_eq!(names("b.HDR.gz"), ["b.IMG.gz", "b.IMG"]);
        assert_eq!(names("b.img"), [""; 0]);
        assert_eq!(names("hdr"), [""; 0]);
        assert_eq!(names(".hdr"), [""; 0]);
    }
}
