//! What a format is, and which one a file has: the contents decide, then the name.

use std::path::{Path, PathBuf};

use voxprep_core::volume::{Header, Volume};

use crate::error::{Error, Result};
use crate::source::Source;
use crate::{ReadOptions, WriteOptions};

/// How files begin that another program than gzip has packed.
const PACKERS: [(&[u8], &str); 4] = [
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
];

/// A file format. Its file in `formats/` ends with `register_format!(Name);`.
pub(crate) trait Format: Sync {
    /// The name in messages, with what it covers.
    fn name(&self) -> &'static str;

    /// What [`WriteOptions::format`] calls it; the first part of the keys of its facts.
    fn key(&self) -> &'static str;

    /// The extensions of files that [`Format::write`] makes, without the leading dot.
    fn extensions(&self) -> &'static [&'static str];

    /// Whether a file is of this format, from the first 1,024 bytes of its contents, inflated
    /// where it is gzip.
    fn recognises(&self, start: &[u8]) -> bool;

    /// Reads the header and no more of the file than that takes.
    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header>;

    /// Reads the volume.
    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume>;

    /// The files that [`Format::read`] opens, where `source` is the one with the header.
    fn files_read(&self, source: &Source) -> Vec<PathBuf> {
        vec![source.path().to_owned()]
    }

    /// Whether a folder may be an image of this format.
    fn reads_folders(&self) -> bool {
        false
    }

    /// Reads the headers of the files below a folder.
    fn folder_header(&self, folder: &Path, options: &ReadOptions) -> Result<Header> {
        let _ = options;
        Err(is_folder(folder))
    }

    /// Reads the volume that the files below a folder make up.
    fn folder_volume(&self, folder: &Path, options: &ReadOptions) -> Result<Volume> {
        let _ = options;
        Err(is_folder(folder))
    }

    /// The files that [`Format::folder_volume`] opens.
    fn folder_files(&self, folder: &Path) -> Vec<PathBuf> {
        let _ = folder;
        Vec::new()
    }

    /// Where the header may be, the best guess first, if the file that is named has none of its
    /// own: a format of two files knows the name of the one from the name of the other.
    fn headers(&self, path: &Path, start: &[u8]) -> Vec<PathBuf> {
        let _ = (path, start);
        Vec::new()
    }

    /// The files that [`Format::write`] makes of a name with one of the [extensions](Self::extensions).
    fn files(&self, path: &Path, options: &WriteOptions) -> Vec<PathBuf> {
        let _ = options;
        vec![path.to_owned()]
    }

    /// Whether it is written only where [`WriteOptions::format`] asks for it: another format has the
    /// same extensions.
    fn only_on_request(&self) -> bool {
        false
    }

    /// Writes the volume, by [`write_aside`](crate::write_aside). A format without extensions is
    /// only read.
    fn write(&self, path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
        let _ = (volume, options);
        Err(Error::unsupported(
            path,
            format!("{} is not written", self.name()),
        ))
    }
}

/// A format as `inventory` collects it.
pub(crate) struct Registered(pub(crate) &'static dyn Format);

inventory::collect!(Registered);

/// Adds a format, a unit struct, to those that this crate reads and writes.
macro_rules! register_format {
    ($format:expr) => {
        inventory::submit! { crate::format::Registered(&$format) }
    };
}
pub(crate) use register_format;

/// All formats, sorted by name: `inventory` has no order of its own.
fn all() -> Vec<&'static dyn Format> {
    let mut all: Vec<_> = inventory::iter::<Registered>().map(|r| r.0).collect();
    all.sort_by_key(|format| format.name());
    all
}

/// Opens the file that holds the header: the one that is named, or the other half of a pair.
pub(crate) fn open(path: &Path) -> Result<(Source, &'static dyn Format)> {
    let all = all();
    let named = Source::open(path);
    let start = named.as_ref().map_or(&[][..], Source::start);
    let headers: Vec<PathBuf> = all.iter().flat_map(|f| f.headers(path, start)).collect();
    // Voxels alone may be anything, even what looks like damaged gzip.
    let source = match headers.iter().find(|header| header.is_file()) {
        Some(header) => Source::open(header)?,
        None => named?,
    };
    match all.iter().find(|f| f.recognises(source.start())) {
        Some(format) => Ok((source, *format)),
        None if !headers.is_empty() && source.path() == path => {
            Err(Error::input(path, "the header of these voxels is missing")
                .remedy("put the .hdr file of the same name beside the .img file"))
        }
        None => Err(unknown(&source, &all)),
    }
}

/// The format of which a folder may be an image.
pub(crate) fn for_folders(folder: &Path) -> Result<&'static dyn Format> {
    let found = all().into_iter().find(|format| format.reads_folders());
    found.ok_or_else(|| is_folder(folder))
}

fn is_folder(path: &Path) -> Error {
    Error::parameter(path, "the path is a folder").remedy("give the path of a file")
}

/// What is said of contents that no format takes for its own.
fn unknown(source: &Source, all: &[&'static dyn Format]) -> Error {
    if let Some((_, packer)) = PACKERS
        .iter()
        .find(|(magic, _)| source.start().starts_with(magic))
    {
        let reason = format!("the file is packed with {packer}, which is not unpacked here");
        return Error::unsupported(source.path(), reason).remedy("unpack it first, or use gzip");
    }
    let names: Vec<_> = all.iter().map(|f| f.name()).collect();
    let reason = match extension(source.path()) {
        Some(extension) => format!(
            "the contents are no image that is known here, although the name ends in .{extension}"
        ),
        None => "the contents are no image that is known here".to_owned(),
    };
    Error::unsupported(source.path(), reason)
        .remedy(format!("formats that can be read: {}", names.join(", ")))
}

/// The format that a name asks for, or the options.
pub(crate) fn for_writing(path: &Path, options: &WriteOptions) -> Result<&'static dyn Format> {
    let listed = |extensions: &[&str]| {
        let dotted: Vec<_> = extensions.iter().map(|e| format!(".{e}")).collect();
        dotted.join(", ")
    };
    let extension = extension(path);
    if let Some(key) = options.format {
        let format = all().into_iter().find(|f| f.key() == key);
        let format = format
            .filter(|f| !f.extensions().is_empty())
            .ok_or_else(|| {
                Error::parameter(path, format!("there is no format '{key}' to write"))
                    .field("format")
                    .remedy(format!("give one of {}", keys().join(", ")))
            })?;
        if !extension.is_some_and(|e| format.extensions().contains(&e)) {
            let reason = format!("the name is none of a file of the format '{key}'");
            let known = listed(format.extensions());
            return Err(Error::parameter(path, reason).remedy(format!("end it in one of {known}")));
        }
        return Ok(format);
    }
    extension
        .and_then(|extension| {
            all()
                .into_iter()
                .filter(|f| !f.only_on_request())
                .find(|f| f.extensions().contains(&extension))
        })
        .ok_or_else(|| {
            Error::parameter(path, "the name does not say which format to write")
                .remedy(format!("end it in one of {}", listed(&extensions())))
        })
}

/// What the formats that are written are called.
pub(crate) fn keys() -> Vec<&'static str> {
    let written = all().into_iter().filter(|f| !f.extensions().is_empty());
    written.map(|f| f.key()).collect()
}

/// All extensions that can be written, each format's in its own order, those of NIfTI first: its are
/// the usual ones.
pub(crate) fn extensions() -> Vec<&'static str> {
    let mut all: Vec<_> = all().into_iter().filter(|f| !f.only_on_request()).collect();
    all.sort_by_key(|format| format.key() != "nifti");
    all.iter()
        .flat_map(|format| format.extensions())
        .copied()
        .collect()
}

/// The known extension in which the name ends, in whatever case.
pub(crate) fn extension(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let ends = |e: &&str| {
        name.strip_suffix(e)
            .is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
    };
    extensions()
        .into_iter()
        .filter(ends)
        .max_by_key(|e| e.len())
}
