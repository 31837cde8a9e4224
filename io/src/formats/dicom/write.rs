//! Volumes to DICOM: a folder with a file per slice, or a segmentation object of a label map.
//!
//! | here | what |
//! |---|---|
//! | `plan` | which kind of object holds a volume, and where its slices are |
//! | `dataset` | data sets to build, and files of them |
//! | `template` | what is taken from the series that a volume was made of |
//! | `images` | slices as images |
//! | `segmentation` | a label map as a segmentation object |

mod dataset;
mod images;
mod plan;
mod segmentation;
mod template;

use std::path::{Path, PathBuf};

use voxprep_core::volume::{MOVED, Modality, Role, Unit, Volume};

use super::uid;
use crate::ReadOptions;
use crate::error::Result;
use template::Template;

/// What belongs together: series of one study, which have a patient and a frame of reference in
/// common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Study(Vec<u8>);

impl Study {
    /// The study that is known by these bytes, whatever they are; other bytes, another study.
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// How a volume becomes a series.
#[derive(Clone, Debug, Default)]
pub struct SeriesOptions {
    /// The series that the volume was made of: patient, study and frame of reference are taken from
    /// it, and from its slices, where they are on the same grid, how they were acquired.
    pub template: Option<PathBuf>,
    /// How the template is read.
    pub reading: ReadOptions,
    /// Without a template: the study that the series is in. Without either a study of its own.
    pub study: Option<Study>,
    /// What the series is called.
    pub description: String,
    /// The number of the series.
    pub number: u16,
}

/// Writes a volume into a new folder, `IM0001.dcm` and so on; a label map as one segmentation object.
/// The folder is there afterwards with all its files, or not at all. Same volume and options, same
/// bytes.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) where DICOM cannot hold the volume,
/// [`Error::Parameter`](crate::Error::Parameter) where the folder is not empty or nothing says what
/// kind of image it is, [`Error::Io`](crate::Error::Io) where the system refuses, and as
/// [`read`](crate::read) for the template.
///
/// An image of unknown modality and unit whose template is a CT is a CT, too, in HU.
pub fn write_series(
    folder: &Path,
    volume: &Volume,
    options: &SeriesOptions,
) -> Result<Vec<PathBuf>> {
    let template = match &options.template {
        Some(path) => Some(Template::read(path, volume, &options.reading)?),
        None => None,
    };
    // What is made of Hounsfield units and is said to be nothing else is read again as such.
    let from_ct = template.as_ref().and_then(|t| t.modality) == Some(Modality::Ct);
    let header = volume.header();
    let own = from_ct && header.modality.is_none() && header.unit == Unit::Unknown;
    let as_ct = own.then(|| volume.clone().with_modality(Modality::Ct));
    let volume = as_ct.as_ref().unwrap_or(volume);
    let names = Names::of(volume, options, template.as_ref());
    match volume.role() {
        Role::Intensity => images::write(folder, volume, options, template.as_ref(), &names),
        Role::Label => segmentation::write(folder, volume, options, template.as_ref(), &names),
    }
}

/// The UIDs of a series: of the contents, so that they are the same again.
struct Names {
    study: String,
    frame_of_reference: String,
    series: String,
}

impl Names {
    fn of(volume: &Volume, options: &SeriesOptions, template: Option<&Template>) -> Self {
        let digest = digest(volume, options, template);
        let study = match &options.study {
            Some(study) => study.0.as_slice(),
            None => digest.as_slice(),
        };
        let known = template.and_then(|t| t.study.clone());
        let study_uid = known.unwrap_or_else(|| uid::made(&[study], "study"));
        let known = template.and_then(|t| t.frame_of_reference.clone());
        let frame_of_reference = known.unwrap_or_else(|| match template {
            // Contents that were moved are in a frame of reference of their own.
            Some(_) => uid::made(&[&digest], "frame of reference"),
            None => uid::made(&[study], "frame of reference"),
        });
        let series = uid::made(&[study_uid.as_bytes(), &digest], "series");
        Self {
            study: study_uid,
            frame_of_reference,
            series,
        }
    }

    fn instance(&self, number: usize) -> String {
        uid::made(&[self.series.as_bytes(), &number.to_le_bytes()], "instance")
    }
}

/// A hash of all that goes into the files.
fn digest(volume: &Volume, options: &SeriesOptions, template: Option<&Template>) -> [u8; 32] {
    let header = volume.header();
    let mut hasher = blake3::Hasher::new();
    let geometry = &header.geometry;
    let affine = geometry.world_from_index();
    let said = format!(
        "{:?} {affine:?} {} {:?} {:?} {} {:?} {} {}",
        geometry.size(),
        header.element_type,
        header.channels,
        header.role,
        header.unit,
        header.modality,
        options.number,
        options.description,
    );
    hasher.update(said.as_bytes());
    hasher.update_rayon(volume.voxels().bytes());
    // Facts that are written, or decide what is.
    for fact in ["dicom.segments", "dicom.spacing_at", MOVED] {
        if let Some(value) = header.facts.get(fact) {
            hasher.update(format!("{fact} {value:?}").as_bytes());
        }
    }
    if let Some(template) = template {
        hasher.update(template.said().as_bytes());
    }
    *hasher.finalize().as_bytes()
}
