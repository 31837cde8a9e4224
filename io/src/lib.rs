//! Reads and writes medical image files.
//!
//! [`read_header`] and [`read`] decide by content which format a file has, [`write()`] by the name;
//! each format is one file in `formats/` that registers itself. Whatever frame a file uses, what
//! comes out is LPS+ millimetres with x fastest, and what goes in is turned back: nowhere else in
//! the project is there a RAS coordinate.
//!
//! | here | what |
//! |---|---|
//! | `format` | the `Format` trait, detection, `register_format!` |
//! | `formats` | one file per format |
//! | `source` | opening a file, and its bytes after decompression, block by block |
//! | `gzip` | gzip: parallel writing, fast reading |
//! | `zlib` | zlib: parallel writing |
//! | `text`, `parts` | headers that are text, and the voxels that they describe, beside them or after them |
//! | `limits` | what is refused before anything is allocated |
//! | `interleave` | the numbers of one voxel side by side |
//! | `stored` | stored numbers to voxels: byte order, type and scale in one parallel pass |
//! | `array` | arrays without a place: shape and order to voxels |
//! | `described` | the names and numbers that say where an array is |
//! | `aside` | writing aside and renaming |
//! | [`cases`] | the cases of a dataset: layouts of folders, and `TABLE.csv` |
//! | [`points`] | `points.csv` |

mod array;
mod aside;
pub mod cases;
mod deflate;
mod described;
mod error;
mod format;
mod formats;
mod gzip;
mod interleave;
mod limits;
mod parts;
pub mod points;
mod source;
mod stored;
mod text;
mod zlib;

use std::path::{Path, PathBuf};

use voxprep_core::volume::{Header, Volume};

pub use crate::aside::{remove_unfinished, survive_file_size_limit, write_aside, write_text_aside};
pub use crate::error::{Error, Fault, Result};

/// How to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Trust a compressed file that declares more than 2,000 voxels per byte, and one whose voxels
    /// start more than 16 MiB behind its header and extensions.
    pub no_limits: bool,
    /// Which of several images in a file or folder.
    pub series: Option<String>,
}

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Effort of compression where the format compresses: 0 stores, 1 is fast, 9 is small.
    pub level: u32,
    /// The family of formats to write, by its key (see [`writable_formats`]), where several share an
    /// extension: `analyze` makes Analyze 7.5 of a `.hdr`, which is NIfTI without it.
    pub format: Option<&'static str>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            level: 1,
            format: None,
        }
    }
}

/// Reads the header of a file, a few KiB of it. Of a pair (.hdr and .img) either may be named.
///
/// The role is Intensity, the unit Unknown. Where the stored numbers decide the type of the voxels
/// (32- and 64-bit integers, whole-number intercepts), the header states the usual outcome, and
/// [`read`] may come to a wider type.
///
/// # Errors
/// [`Error::Io`] where the file cannot be opened or read, [`Error::Input`] where it is damaged or
/// contradicts itself, [`Error::Unsupported`] where nothing here reads it, [`Error::Limit`] where
/// it declares absurdly many voxels.
pub fn read_header(path: &Path, options: &ReadOptions) -> Result<Header> {
    let (source, format) = format::open(path)?;
    format.read_header(&source, options)
}

/// Reads a volume. Of a pair (.hdr and .img) either may be named.
///
/// # Errors
/// As [`read_header`], and where voxels are missing or their checksum does not hold.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Volume> {
    let (source, format) = format::open(path)?;
    format.read(&source, options)
}

/// Writes a volume in the format that the name's extension says, aside and renamed: either the
/// whole file is there afterwards, or what was there before. Where the format has two files,
/// [`files`] names both: the old header goes first and the new one comes last, so that whatever
/// interrupts leaves voxels without a header at worst, never beside the header of others.
///
/// # Errors
/// [`Error::Parameter`] where the extension or an option is not known, [`Error::Unsupported`]
/// where the format cannot hold the volume, [`Error::Io`] where the system refuses.
pub fn write(path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
    if options.level > 9 {
        return Err(
            Error::parameter(path, format!("there is no level {}", options.level))
                .field("level")
                .remedy("give 0 to 9"),
        );
    }
    format::for_writing(path, options)?.write(path, volume, options)
}

/// The files that [`read`] opens for this name: the file itself, and of a pair both halves, however
/// each is compressed. Only the name itself where it cannot be read.
pub fn files_read(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    if let Ok((source, format)) = format::open(path) {
        for file in format.files_read(&source) {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    files
}

/// The files that [`write()`] makes of this name: two where the format is a pair, the one that is
/// named last, else one.
pub fn files(path: &Path, options: &WriteOptions) -> Vec<PathBuf> {
    format::for_writing(path, options).map_or_else(
        |_| vec![path.to_owned()],
        |format| format.files(path, options),
    )
}

/// The formats that [`WriteOptions::format`] may ask for.
pub fn writable_formats() -> Vec<&'static str> {
    format::keys()
}

/// The extensions that [`write()`] knows, the usual ones first, without the leading dot.
pub fn writable_extensions() -> Vec<&'static str> {
    format::extensions()
}

/// The extension, of those that [`write()`] knows, in which the name ends, in whatever case.
pub fn writable_extension(path: &Path) -> Option<&'static str> {
    format::extension(path)
}

/// The name of a file without folder and extension: `scan` for `scan.nii.gz`.
///
/// Empty where the path names no file, or the name is not UTF-8.
pub fn file_stem(path: &Path) -> &str {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    match format::extension(path) {
        Some(extension) => {
            let end = name.len().saturating_sub(extension.len() + 1);
            name.get(..end).unwrap_or("")
        }
        None => path.file_stem().and_then(|n| n.to_str()).unwrap_or(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stem_of_a_doubly_extended_name_has_neither_extension() {
        for (path, stem) in [
            ("/a/scan.nii.gz", "scan"),
            ("scan.NII", "scan"),
            ("case.7.nii", "case.7"),
            ("notes.txt", "notes"),
            ("/", ""),
        ] {
            assert_eq!(file_stem(Path::new(path)), stem, "{path}");
        }
    }

    #[test]
    fn the_writable_extensions_are_known_ones() {
        assert_eq!(
            writable_extensions(),
            [
                "nii.gz",
                "nii",
                "hdr",
                "img",
                "hdr.gz",
                "img.gz",
                "mha",
                "mhd",
                "nrrd",
                "nhdr",
                "npz",
                "npy",
                "png",
                "tif",
                "tiff",
                "safetensors"
            ]
        );
        assert_eq!(
            writable_formats(),
            [
                "analyze",
                "metaimage",
                "nifti",
                "nrrd",
                "npz",
                "npy",
                "png",
                "tiff",
                "safetensors"
            ]
        );
        assert_eq!(writable_extension(Path::new("b/A.NII.gz")), Some("nii.gz"));
        assert_eq!(writable_extension(Path::new("nii")), None);
        assert_eq!(writable_extension(Path::new("folder.d")), None);
    }

    #[test]
    fn a_pair_is_two_files_whichever_is_named() {
        for (named, made) in [
            ("a/b.nii.gz", &["a/b.nii.gz"][..]),
            ("a/b.hdr", &["a/b.img", "a/b.hdr"]),
            ("b.c.IMG.gz", &["b.c.IMG.gz", "b.c.HDR.gz"]),
            ("folder", &["folder"]),
        ] {
            let made: Vec<_> = made.iter().map(PathBuf::from).collect();
            assert_eq!(
                files(Path::new(named), &WriteOptions::default()),
                made,
                "{named}"
            );
        }
    }
}
