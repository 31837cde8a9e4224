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
use voxprep_core::subject::Point;

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
    /// Images in one folder; their labels in another one, or beside them with a suffix.
    #[default]
    Plain,
    /// LiTS: `volume-N.nii` and `segmentation-N.nii`.
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
    let grids: Vec<Error> = found
        .cases
        .par_iter()
        .flat_map_iter(|case| grids(case, &search.options))
        .collect();
    found.problems.extend(grids);
    Ok(found)
}

/// What is wrong with the grids of a case: all images and labels are held against the first image.
pub fn grids(case: &Case, options: &ReadOptions) -> Vec<Error> {
    let volumes = case.files.iter().filter(|file| file.part != Part::Points);
    let mut problems = Vec::new();
    let mut first: Option<(&File, voxprep_core::geometry::Geometry)> = None;
    for file in volumes {
        let geometry = match read_header(&file.path, options) {
            Ok(header) => header.geometry,
            Err(error) => {
                problems.push(error);
                continue;
            }
        };
        let Some((reference, grid)) = &first else {
            first = Some((file, geometry));
            continue;
        };
        if grid.is_close(&geometry, GRID_MM) {
            continue;
        }
        let what = if grid.size() == geometry.size() {
            let apart = |corner| {
                let [a, b] = [grid, &geometry].map(|g| g.world_from_index().apply(corner));
                let squared: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
                squared.sqrt()
            };
            let corners = voxprep_core::geometry::corners(grid.size());
            let most = corners.map(apart).fold(0.0, f64::max);
            format!("its corners are up to {most:.3} mm elsewhere")
        } else {
            format!("it has {:?} voxels, not {:?}", geometry.size(), grid.size())
        };
        let reason = format!(
            "{} '{}' of case {} is not on the grid of {} '{}': {what}",
            file.part.word(),
            file.name,
            case.id,
            reference.part.word(),
            reference.name,
        );
        problems.push(
            Error::input(&file.path, reason)
                .remedy("check that both are of one scan, or resample one like the other"),
        );
    }
    problems
}
