//! Finds the DICOM files of a folder and reads their headers, in parallel.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;
use rayon::prelude::*;

use super::attributes::Attributes as _;
use super::instance::{self, Instance};
use super::scan;
use crate::error::{Error, Result};
use crate::source::COPY_AGAIN;

/// Folders within folders, at most.
const DEPTH: usize = 16;
/// Files, at most: a whole archive is not one input.
const FILES: usize = 1 << 20;

/// What a path holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The images, in an order that does not depend on their names.
    pub(super) instances: Vec<Instance>,
    /// DICOM files without pixels: reports, plans, directories.
    pub(super) without_pixels: usize,
    /// Files that are not DICOM.
    pub(super) others: usize,
    /// What is wrong with files that are DICOM and cannot be read, and of which series they are, where
    /// that could be read.
    pub(super) damaged: Vec<(Error, Option<String>)>,
}

/// All files below a folder.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|e| Error::io("open", &folder, e))?;
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("read", &folder, e))?;
            let kind = entry
                .file_type()
                .map_err(|e| Error::io("read", &folder, e))?;
            // A link to a file is a file; a link to a folder may lead in circles.
            let path = entry.path();
            if kind.is_dir() {
                if depth + 1 >= DEPTH {
                    return Err(Error::limit(&path, "folders lie more than 16 deep")
                        .remedy("give the folder of one study or series"));
                }
                folders.push((path, depth + 1));
            } else if kind.is_file() || (kind.is_symlink() && path.is_file()) {
                files.push(path);
            }
            if files.len() > FILES {
                return Err(
                    Error::limit(&folder, "the folder holds more than a million files")
                        .remedy("give the folder of one study or series"),
                );
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The first bytes of a file, by which it is recognised.
fn start(path: &Path) -> Result<Vec<u8>> {
    let mut start = Vec::with_capacity(1024);
    let read = File::open(path).and_then(|file| file.take(1024).read_to_end(&mut start));
    read.map_err(|error| Error::io("read", path, error))?;
    Ok(start)
}

/// Whether a file is DICOM, by its contents.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub(super) fn is_dicom(path: &Path) -> Result<bool> {
    Ok(scan::recognises(&start(path)?))
}

/// What one file is.
enum Kind {
    Image(Box<Instance>),
    WithoutPixels,
    Other,
    Damaged(Error, Option<String>),
}

fn examine(path: &Path) -> Kind {
    match is_dicom(path) {
        Ok(true) => {}
        Ok(false) => return Kind::Other,
        Err(error) => return Kind::Damaged(error, None),
    }
    let opened = match instance::open(path) {
        Ok(opened) => opened,
        Err(error) => return Kind::Damaged(error, None),
    };
    let outcome =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Instance::of(path, &opened)));
    let outcome = outcome.unwrap_or_else(|_| {
        Err(Error::input(path, "the header cannot be understood").remedy(COPY_AGAIN))
    });
    match outcome {
        Ok(Some(instance)) => Kind::Image(Box::new(instance)),
        Ok(None) => Kind::WithoutPixels,
        Err(error) => Kind::Damaged(error, opened.object.text(tags::SERIES_INSTANCE_UID)),
    }
}

/// Reads the headers of a file, or of all files below a folder.
///
/// # Errors
/// [`Error::Io`] where a folder cannot be listed, and what is wrong with a single file.
pub(super) fn find(path: &Path) -> Result<Found> {
    let is_folder = path.is_dir();
    let files = if is_folder {
        files(path)?
    } else {
        vec![path.to_owned()]
    };
    let kinds: Vec<Kind> = files.par_iter().map(|file| examine(file)).collect();
    let mut found = Found::default();
    for kind in kinds {
        match kind {
            Kind::Image(instance) => found.instances.push(*instance),
            Kind::WithoutPixels => found.without_pixels += 1,
            Kind::Other => found.others += 1,
            Kind::Damaged(error, series) if is_folder => found.damaged.push((error, series)),
            Kind::Damaged(error, _) => return Err(error),
        }
    }
    // By what the files say, not by what they are called.
    found.instances.sort_by(|a, b| {
        let key = |i: &Instance| (i.series.clone(), i.number, i.uid.clone());
        key(a).cmp(&key(b))
    });
    Ok(found)
}
