//! The cases of a dataset: which image belongs to which label map.
//!
//! `order` sorts names, `layouts` knows how datasets are laid out in folders, `luna` the tables of
//! LUNA16, [`table`] reads and writes `TABLE.csv`. Nothing here reads voxels.

mod layouts;
mod luna;
mod order;
pub mod table;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use voxprep_core::geometry::{Geometry, corners};
use voxprep_core::subject::Point;
use voxprep_core::volume::{Header, PLACELESS, SPACING_ASSUMED};

use crate::error::{Error, Result};
use crate::{ReadOptions, read_header};

pub use order::{Sort, compare};

/// Grids whose corners are further apart than this are not the same: between the rounding of
/// headers, which is far less, and a tenth of a millimetre, which is a mistake.
pub const GRID_MM: f64 = 0.05;

/// What a file is for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Measured values.
    Image,
    /// A label map.
    Label,
    /// Points, as [`points`](crate::points) reads them.
    Points,
}

impl Part {
    /// The word before the colon of a column.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Label => "label",
            Self::Points => "points",
        }
    }
}

/// One file of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// What it is.
    pub part: Part,
    /// The name that it gets in a subject.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// The files that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// Which case, in file names and reports.
    pub id: String,
    /// Of whom, where that is known: cases of one patient belong into one split.
    pub patient: Option<String>,
    /// The part of the dataset, as `train`.
    pub split: Option<String>,
    /// Its files.
    pub files: Vec<File>,
}

/// How a dataset is laid out in folders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Images in one folder, files or folders of DICOM; their labels in another one, or beside them with
    /// a suffix.
    #[default]
    Plain,
    /// LiTS: `volume-N.nii` and `segmentation-N.nii`, and `test-volume-N.nii` without labels.
    Lits,
    /// LUNA16: `subsetN/UID.mhd`, `seg-lungs-LUNA16/UID.mhd`, `annotations.csv`.
    Luna16,
    /// `BraTS`: `ID/ID_t1.nii.gz`, or `ID/ID-t1n.nii.gz` as since 2023.
    Brats,
}

/// Where and how to look for cases.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The layout.
    pub layout: Layout,
    /// Where labels are, if not among the images: [`Layout::Plain`] and [`Layout::Lits`].
    pub labels: Option<PathBuf>,
    /// What the names of labels have after those of their images, as `_seg`: [`Layout::Plain`].
    pub label_suffix: Option<String>,
    /// The order of the cases.
    pub sort: Sort,
    /// How headers are read.
    pub options: ReadOptions,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The cases, sorted by their ids.
    pub cases: Vec<Case>,
    /// Points that stand in a table of the dataset, by case.
    pub points: Vec<(String, Vec<Point>)>,
    /// What deserves a look, and is no mistake.
    pub notes: Vec<String>,
    /// Everything that does not pair: where there is any, the dataset is not complete.
    pub problems: Vec<Error>,
}

/// Finds the cases of a dataset, and everything that is wrong with it: images without labels, labels
/// without images, cases that are there twice, and grids that differ by more than [`GRID_MM`].
///
/// # Errors
/// [`Error::Io`] where a folder cannot be listed, [`Error::Parameter`] where there are no cases.
pub fn find(folder: &Path, search: &Search) -> Result<Found> {
    let mut found = match search.layout {
        Layout::Plain => layouts::plain(folder, search),
        Layout::Lits => layouts::lits(folder, search),
        Layout::Luna16 => luna::cases(folder),
        Layout::Brats => layouts::brats(folder),
    }?;
    if found.cases.is_empty() && found.problems.is_empty() {
        return Err(
            Error::parameter(folder, "there are no cases of this layout")
                .remedy("check the folder, and give the layout that it has"),
        );
    }
    found
        .cases
        .sort_by(|a, b| compare(&a.id, &b.id, search.sort));
    let grids: Vec<Grids> = found
        .cases
        .par_iter()
        .map(|case| grids(case, &search.options))
        .collect();
    let by_size = grids.iter().filter(|grids| grids.by_size).count();
    if by_size > 0 {
        found.notes.push(format!(
            "{by_size} cases have files that do not say where their voxels are, or how far apart: only their sizes are compared"
        ));
    }
    found
        .problems
        .extend(grids.into_iter().flat_map(|grids| grids.problems));
    Ok(found)
}

/// What came of comparing the grids of a case.
#[derive(Debug, Default)]
pub struct Grids {
    /// What is wrong with them.
    pub problems: Vec<Error>,
    /// Whether a file does not say where its voxels are, or how far apart, so that only sizes could be
    /// compared.
    pub by_size: bool,
}

/// Compares the grids of a case: all images and labels are held against the first image.
pub fn grids(case: &Case, options: &ReadOptions) -> Grids {
    let volumes = case.files.iter().filter(|file| file.part != Part::Points);
    let mut found = Grids::default();
    let mut first: Option<(&File, Geometry, bool)> = None;
    for file in volumes {
        let (geometry, placed) = match read_header(&file.path, options) {
            Ok(header) => {
                let placed = is_placed(&header);
                (header.geometry, placed)
            }
            Err(error) => {
                found.problems.push(error);
                continue;
            }
        };
        let Some((reference, grid, reference_placed)) = &first else {
            first = Some((file, geometry, placed));
            continue;
        };
        let by_size = !(placed && *reference_placed);
        found.by_size |= by_size;
        let Some(what) = difference(grid, &geometry, by_size) else {
            continue;
        };
        let reason = format!(
            "{} '{}' of case {} is not on the grid of {} '{}': {what}",
            file.part.word(),
            file.name,
            case.id,
            reference.part.word(),
            reference.name,
        );
        found.problems.push(
            Error::input(&file.path, reason)
                .remedy("check that both are of one scan, or resample one like the other"),
        );
    }
    found
}

/// Whether a file says where its voxels are, and how far apart.
fn is_placed(header: &Header) -> bool {
    let unknown = [PLACELESS, SPACING_ASSUMED];
    !unknown.iter().any(|fact| header.facts.contains_key(*fact))
}

/// How a grid differs from that of the reference, where it does.
fn difference(reference: &Geometry, grid: &Geometry, by_size: bool) -> Option<String> {
    let [sizes, size] = [reference, grid].map(Geometry::size);
    if sizes != size {
        return Some(format!("it has {size:?} voxels, not {sizes:?}"));
    }
    if by_size || reference.is_close(grid, GRID_MM) {
        return None;
    }
    let apart = |corner| {
        let [a, b] = [reference, grid].map(|g| g.world_from_index().apply(corner));
        let squared: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
        squared.sqrt()
    };
    let most = corners(size).map(apart).fold(0.0, f64::max);
    Some(format!("its corners are up to {most:.3} mm elsewhere"))
}
