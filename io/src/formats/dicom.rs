//! DICOM: files, and folders of them.
//!
//! | here | what |
//! |---|---|
//! | `scan` | the structure of a file, every length checked, up to its pixel data |
//! | `attributes` | values of a header as what they are used for |
//! | `instance` | one file: shape, place and meaning of its frames |
//! | `csa` | Siemens' private header, for mosaics |
//! | `folder` | all files below a folder |
//! | `series` | frames to series and volumes |
//! | `stack` | slices to a grid |
//! | `choose` | which of several volumes is meant |
//! | `facts` | what of a header is worth keeping |
//! | `pixels`, `lut`, `values` | the stored numbers of a frame, and what becomes of them |
//! | `voi` | what a header says that a display shows |
//! | `volume` | the voxels of a stack |
//! | `seg` | segmentation objects to label maps |
//! | `tags` | all attributes of all slices, as a table |
//! | `identifiers`, `audit` | which attributes identify somebody, what becomes of them, and their values in a file |
//! | `file`, `elements`, `spelling` | a file, its elements and their values as bytes |
//! | `edit` | attributes set and deleted, all else kept |
//! | `deidentify`, `mentions` | identifying attributes removed or replaced, and texts that repeat who the patient is |
//! | `write` | volumes as series, label maps as segmentation objects |
//!
//! Sources: PS3.3 (2024) C.7.6.1 to C.7.6.3, C.7.6.16, C.11.1, C.11.2, A.51; PS3.5 chapters 7, 8 and
//! annex A. A header is parsed by `dicom-object`, after `scan` has found it sound; pixels are
//! decoded by `codec`.

#![cfg(feature = "dicom")]

mod attributes;
mod audit;
mod choose;
mod csa;
mod deidentify;
mod edit;
mod elements;
mod facts;
mod file;
mod folder;
mod identifiers;
mod instance;
mod lut;
mod mentions;
mod pixels;
mod scan;
mod seg;
mod series;
mod spelling;
mod stack;
pub(crate) mod tags;
mod uid;
mod values;
mod voi;
mod volume;
mod write;

use std::path::{Path, PathBuf};

use voxprep_core::volume::{Header, Volume};

use crate::error::{Error, Result};
use crate::format::{Format, register_format};
use crate::source::Source;
use crate::{ReadOptions, SeriesInfo};

pub use audit::{Audited, audit};
pub use deidentify::{Deidentified, DeidentifyOptions, UidKey, check_burned_in, deidentify};
pub use edit::{Edited, HeaderEdits, edit};
pub use write::{SeriesOptions, Study, write_series};

use choose::{Choice, Content};
use volume::Reader;

struct Dicom;

impl Dicom {
    fn check(source: &Source) -> Result<()> {
        if source.is_gzip() {
            let reason = "the DICOM file is packed with gzip";
            return Err(Error::unsupported(source.path(), reason).remedy("unpack it first"));
        }
        Ok(())
    }
}

impl Format for Dicom {
    fn key(&self) -> &'static str {
        "dicom"
    }

    fn name(&self) -> &'static str {
        "DICOM (a file, or the folder of a series)"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        scan::recognises(start)
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        Self::check(source)?;
        header(source.path(), options)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        Self::check(source)?;
        volume(source.path(), options)
    }

    fn reads_folders(&self) -> bool {
        true
    }

    fn folder_header(&self, folder: &Path, options: &ReadOptions) -> Result<Header> {
        header(folder, options)
    }

    fn folder_volume(&self, folder: &Path, options: &ReadOptions) -> Result<Volume> {
        volume(folder, options)
    }

    fn folder_files(&self, folder: &Path) -> Vec<PathBuf> {
        folder::files(folder).unwrap_or_default()
    }
}

register_format!(Dicom);

fn header(path: &Path, options: &ReadOptions) -> Result<Header> {
    let content = Content::of(path, options)?;
    let (choice, id) = content.choose(path, options)?;
    match choice {
        Choice::Stack(stack) => {
            let reader = Reader::new(&content.found.instances, stack, path, options)?;
            let mut header = reader.header()?;
            facts::add(&mut header, &content, stack, path)?;
            facts::reading(&mut header, options, &id);
            Ok(header)
        }
        Choice::Segments(segments) => segments.header(&content.found.instances, path, options),
    }
}

fn volume(path: &Path, options: &ReadOptions) -> Result<Volume> {
    let content = Content::of(path, options)?;
    let (choice, id) = content.choose(path, options)?;
    match choice {
        Choice::Stack(stack) => {
            let reader = Reader::new(&content.found.instances, stack, path, options)?;
            let mut header = reader.header()?;
            facts::add(&mut header, &content, stack, path)?;
            facts::reading(&mut header, options, &id);
            reader.read(header)
        }
        Choice::Segments(segments) => segments.read(&content.found.instances, path, options),
    }
}

/// The volumes of a file or folder.
pub(crate) fn list(path: &Path, options: &ReadOptions) -> Result<Vec<SeriesInfo>> {
    Content::of(path, options)?.list(path, options)
}
