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
//! | `codec` | frames of DICOM pixel data, compressed in whatever way |
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
#[cfg(feature = "dicom")]
mod codec;
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

use serde::{Deserialize, Serialize};
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{Header, Volume};

pub use crate::aside::{remove_unfinished, survive_file_size_limit, write_aside, write_text_aside};
pub use crate::error::{Error, Fault, Result};

/// What only DICOM has: series that are written, headers that are edited or rid of identifiers.
#[cfg(feature = "dicom")]
pub mod dicom {
    pub use crate::formats::dicom::{
        Audited, Deidentified, DeidentifyOptions, Edited, HeaderEdits, SeriesOptions, Study,
        UidKey, audit, check_burned_in, deidentify, edit, write_series,
    };
}

/// How to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// Trust a compressed file that declares more than 2,000 voxels per byte, and one whose voxels
    /// start more than 16 MiB behind its header and extensions.
    pub no_limits: bool,
    /// Which of several images in a file or folder: of .npz the name; of DICOM the number, UID or description of a
    /// series, or of a part of it, as [`series`] lists them. Without it, only the one there is.
    pub series: Option<String>,
    /// What becomes of slices that are not equally far apart.
    pub slices: SlicePolicy,
    /// What becomes of pixels that the header calls padding.
    pub padding: Padding,
    /// Take the values of Philips' MR in the scale that they can be compared in, not in that of the
    /// display: both are in the header, the first in a private element.
    pub philips_precise: bool,
    /// Take what the DICOM header says that a display shows, its window or VOI look-up table, as 0 to
    /// 1, dark to bright.
    pub voi: bool,
    /// The grid of the image that a segmentation object belongs to. Without it, the smallest that
    /// holds its frames.
    pub grid: Option<Geometry>,
}

/// What becomes of slices that are not equally far apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlicePolicy {
    /// They are refused, with what is missing or uneven.
    #[default]
    Refuse,
    /// They are interpolated linearly, at their true places, to steps of the median.
    Resample,
    /// Slices that are missing between equal steps are NaN.
    Blank,
    /// The series becomes several volumes, one for each run of equal steps.
    Split,
}

/// What becomes of pixels that a header calls padding: those around a round field of view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// They keep their value.
    #[default]
    Keep,
    /// They become air, -1000 HU; only where values are Hounsfield units.
    Air,
    /// They become NaN, and the voxels floating point.
    Nan,
}

/// A volume in a DICOM file or folder.
#[derive(Clone, Debug)]
pub struct SeriesInfo {
    /// What chooses it: `SERIES`, or `SERIES.PART` where a series holds several volumes.
    pub id: String,
    /// What the scanner's operator called the series.
    pub description: String,
    /// What tells it from other volumes of its series.
    pub part: String,
    /// The code of DICOM: CT, MR, ...
    pub modality: String,
    /// The UID of the series: an identifier of the patient's study.
    pub uid: String,
    /// How many frames it is made of.
    pub frames: usize,
    /// Its header, where its slices are on a grid.
    pub header: Option<Header>,
    /// Why it cannot be read.
    pub problem: Option<String>,
    /// Whether it is among those of which one is read where nothing is chosen: no planning image, no
    /// segmentation, no dose.
    pub is_usual: bool,
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

impl ReadOptions {
    /// The same options, and where they say nothing, those by which a volume with these facts was
    /// read before: an input of a recorded run is read again as it was.
    #[must_use]
    pub fn as_recorded(mut self, facts: &serde_json::Map<String, serde_json::Value>) -> Self {
        let fact = |name: &str| facts.get(&format!("dicom.read.{name}"));
        let is_set = |name: &str| fact(name).and_then(serde_json::Value::as_bool) == Some(true);
        if self.series.is_none() {
            self.series = fact("series").and_then(|v| v.as_str()).map(str::to_owned);
        }
        if let (SlicePolicy::Refuse, Some(slices)) = (self.slices, fact("slices")) {
            self.slices = SlicePolicy::deserialize(slices).unwrap_or_default();
        }
        if let (Padding::Keep, Some(padding)) = (self.padding, fact("padding")) {
            self.padding = Padding::deserialize(padding).unwrap_or_default();
        }
        self.voi |= is_set("voi");
        self.philips_precise |= is_set("philips_precise");
        self
    }
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
    if path.is_dir() {
        return format::for_folders(path)?.folder_header(path, options);
    }
    let (source, format) = format::open(path)?;
    format.read_header(&source, options)
}

/// Reads a volume. Of a pair (.hdr and .img) either may be named.
///
/// # Errors
/// As [`read_header`], and where voxels are missing or their checksum does not hold.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Volume> {
    if path.is_dir() {
        return format::for_folders(path)?.folder_volume(path, options);
    }
    let (source, format) = format::open(path)?;
    format.read(&source, options)
}

/// The volumes of a DICOM file, or of all DICOM files below a folder.
///
/// # Errors
/// As [`read_header`], and [`Error::Input`] where there is no DICOM image.
#[cfg(feature = "dicom")]
pub fn series(path: &Path, options: &ReadOptions) -> Result<Vec<SeriesInfo>> {
    formats::dicom::list(path, options)
}

/// Attributes of DICOM slices, as [`tags`] makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagTable {
    /// How many slices, or files of several frames, there are.
    pub slices: usize,
    /// The attributes, by their tags.
    pub rows: Vec<TagRow>,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRow {
    /// The tag as `gggg|eeee`, hexadecimal.
    pub tag: String,
    /// The keyword of the standard; empty of a private attribute.
    pub name: String,
    /// Whether slices have different values, or not all have one.
    pub varies: bool,
    /// The value in each slice, in their order along the normal; `None` where the slice has none.
    pub values: Vec<Option<String>>,
}

/// The attributes of the slices of a DICOM volume: what is long or binary by its size, and what
/// identifies a person or a place withheld unless `keep_identifiers`.
///
/// # Errors
/// As [`read_header`]; but the slices need not be on a grid.
#[cfg(feature = "dicom")]
pub fn tags(path: &Path, options: &ReadOptions, keep_identifiers: bool) -> Result<TagTable> {
    formats::dicom::tags::table(path, options, keep_identifiers)
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
    if path.is_dir() {
        let format = format::for_folders(path);
        return format.map_or_else(|_| Vec::new(), |format| format.folder_files(path));
    }
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
    // A folder has no extension, even if its name is a UID.
    if path.is_dir() {
        return path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    }
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    match format::extension(path) {
        Some(extension) => {
            let end = name.len().saturating_sub(extension.len() + 1);
            name.get(..end).unwrap_or("")
        }
        None => path.file_stem().and_then(|n| n.to_str()).unwrap_or(""),
    }
}

/// Decodes one hostile frame that the fuzzer made up.
#[cfg(fuzzing)]
pub fn fuzz_frame(bytes: &[u8]) {
    if let Some(case) = codec::case::Case::parse(bytes) {
        let _ = case.run();
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
