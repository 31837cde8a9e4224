//! Analyze 7.5, the ancestor of NIfTI: a header `.hdr` and voxels `.img`. Written only where it is
//! asked for: the same pair is written as NIfTI otherwise. `write` makes the files.
//!
//! The format says little about where the voxels are, and programs filled the gap differently:
//!
//! | field | meaning here | who agrees |
//! |---|---|---|
//! | `orient` | nothing: a fact and a warning. In the Mayo Clinic's description it is the plane of the slices and the way of the rows | SPM, FSL, nibabel, ITK |
//! | axes | x runs to the left of the patient ("radiological"), y to anterior, z to superior | SPM; nibabel. ITK takes x to the left, y to posterior |
//! | `originator` | the voxel at the world's origin, as five 16-bit integers, counted from 1; all 0, or further away than the image is long, is no origin: then it is the middle | SPM99, SPM2; nibabel |
//! | `pixdim` | spacing, mm; its sign says nothing | nibabel; ITK |
//! | `funused1`, `funused2` | slope and intercept, where the slope is finite and not 0 | SPM99 (slope), SPM2; nibabel |
//! | `cal_max`, `cal_min`, `glmax`, `glmin` | without a slope: the line through both extremes, where the two of each pair differ | SPM2; nibabel |
//! | a `.mat` file beside it | where SPM99 and SPM2 keep an affine: not read, and said aloud | |

mod write;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::volume::{Header, Volume};

use crate::error::{Error, Result};
use crate::format::{Format, register_format};
use crate::source::{COPY_AGAIN, Source};
use crate::stored::{Number, Scale};
use crate::{ReadOptions, WriteOptions};

use super::nifti;
use super::nifti::affine::{TURN, spacing};
use super::nifti::body::{self, Body, Inner, Stored, wrong};
use super::nifti::fields::{Fields, Kind, Version};
use super::nifti::header::{self, axes, named};

struct Analyze;

/// What `orient` would say, in words.
const ORIENTS: [&str; 6] = [
    "transverse",
    "coronal",
    "sagittal",
    "transverse, rows upside down",
    "coronal, rows upside down",
    "sagittal, rows upside down",
];

impl Analyze {
    fn image(source: &Source, options: &ReadOptions) -> Result<(Header, Body)> {
        let path = source.path();
        let fields = Fields::parse(Version::Analyze, false, source.start()).ok_or_else(|| {
            Error::input(path, "the file ends within its Analyze header").remedy(COPY_AGAIN)
        })?;
        let stored = stored(fields.datatype).ok_or_else(|| {
            let remedy = "convert them to NIfTI with the program that wrote them";
            header::unreadable(path, &fields, remedy)
        })?;
        let colours = matches!(stored.inner, Some(Inner::Rgb | Inner::Rgba));
        let (scale, guessed) = if colours {
            (None, false)
        } else {
            scale(&fields)
        };
        let body = Body::find(source, &fields, stored, scale, options)?;

        let spacing =
            spacing(&fields, body.size).map_err(|reason| wrong(path, &fields, "pixdim", reason))?;
        let origin = origin(&fields, body.size);
        let ras = place(spacing, origin.unwrap_or_else(|| middle(body.size)));
        let geometry = Geometry::new(body.size, TURN * ras).map_err(|e| Error::core(path, e))?;
        let mut header = Header::new(geometry, body.usual_type());
        let mut axes = axes(&fields, stored.inner, &body.beyond);
        // Seconds or milliseconds: files differ, and nothing in them says which.
        axes.iter_mut().for_each(|axis| axis.step = None);
        header.channels = named(axes, stored.inner);
        header.facts = facts(&fields, origin);
        if let Some(warning) = header_warning(source, &fields, stored, guessed) {
            header
                .facts
                .insert("analyze.header_warning".to_owned(), json!(warning));
        }
        Ok((header, body))
    }
}

impl Format for Analyze {
    fn name(&self) -> &'static str {
        "Analyze 7.5 (.hdr with .img)"
    }

    fn key(&self) -> &'static str {
        "analyze"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["hdr", "img", "hdr.gz", "img.gz"]
    }

    fn only_on_request(&self) -> bool {
        true
    }

    fn files(&self, path: &Path, _: &WriteOptions) -> Vec<PathBuf> {
        nifti::pair(path).map_or_else(|| vec![path.to_owned()], Vec::from)
    }

    fn write(&self, path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
        write::write(path, volume, options)
    }

    fn recognises(&self, start: &[u8]) -> bool {
        Kind::of(start) == Some(Kind::Header(Version::Analyze, false))
    }

    fn files_read(&self, source: &Source) -> Vec<PathBuf> {
        body::files_read(source)
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        Ok(Self::image(source, options)?.0)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        let (header, body) = Self::image(source, options)?;
        body.read(source, header)
    }
}

/// What a datatype stands for: those of NIfTI, and what SPM added.
fn stored(datatype: i64) -> Option<Stored> {
    let number = match datatype {
        130 => Number::I8,
        132 => Number::U16,
        136 => Number::U32,
        _ => return header::stored(datatype),
    };
    Some(Stored {
        number,
        inner: None,
    })
}

/// The scale, and whether it had to be found from extremes.
fn scale(fields: &Fields) -> (Option<Scale>, bool) {
    let line = |slope: f64, intercept: f64| {
        (slope != 1.0 || intercept != 0.0).then_some(Scale { slope, intercept })
    };
    let slope = fields.scl_slope;
    if slope.is_finite() && slope != 0.0 {
        let intercept = Some(fields.scl_inter).filter(|i| i.is_finite());
        return (line(slope, intercept.unwrap_or(0.0)), false);
    }
    let stored = (fields.glmax - fields.glmin) as f64;
    let slope = (fields.cal_max - fields.cal_min) / stored;
    let intercept = fields.cal_min - slope * fields.glmin as f64;
    if slope.is_finite() && slope != 0.0 && intercept.is_finite() {
        (line(slope, intercept), true)
    } else {
        (None, false)
    }
}

/// The voxel at the world's origin, where the header names one.
fn origin(fields: &Fields, size: [usize; 3]) -> Option<[f64; 3]> {
    let [x, y, z] = fields.originator;
    let sensible = fields
        .originator
        .iter()
        .zip(size)
        .all(|(&o, n)| o > -(n as i64) && o < 2 * n as i64);
    (sensible && (x, y, z) != (0, 0, 0)).then(|| [x, y, z].map(|o| (o - 1) as f64))
}

fn middle(size: [usize; 3]) -> [f64; 3] {
    size.map(|n| (n as f64 - 1.0) / 2.0)
}

/// RAS+ mm from index: x runs to the left.
fn place([x, y, z]: [f64; 3], origin: [f64; 3]) -> Affine {
    let scaling = Affine::scaling([-x, y, z]);
    Affine::translation(scaling.apply(origin).map(|v| 0.0 - v)) * scaling
}

/// What is kept of the header: codes and numbers, none of its texts.
fn facts(fields: &Fields, origin: Option<[f64; 3]>) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut keep = |key: &str, value: Value| facts.insert(format!("analyze.{key}"), value);
    keep("datatype", json!(fields.datatype));
    keep("orient", json!(fields.orient));
    let middle = "the origin is the middle of the image";
    let origin = match origin {
        Some(_) => {
            keep("originator", json!(fields.originator));
            "the origin is the voxel that SPM's originator names"
        }
        None => middle,
    };
    let mut warning = format!(
        "Analyze 7.5 does not say for sure where left is: that x runs to the left, y to anterior and \
         z to superior is an assumption; {origin}"
    );
    if fields.orient != 0 {
        let plane = usize::try_from(fields.orient).ok();
        let plane = plane.and_then(|plane| ORIENTS.get(plane)).copied();
        let plane = plane.unwrap_or("no plane");
        warning.push_str(&format!(
            "; orient {} ({plane}) is not obeyed, as in other programs",
            fields.orient
        ));
    }
    keep("affine_warning", json!(warning));
    if fields.dim[0] > 3 && fields.pixdim[4].is_finite() && fields.pixdim[4] != 0.0 {
        keep("pixdim_4", json!(fields.pixdim[4]));
    }
    facts
}

fn header_warning(
    source: &Source,
    fields: &Fields,
    stored: Stored,
    guessed: bool,
) -> Option<String> {
    let mut warnings = Vec::from_iter(header::bitpix(fields, stored));
    if guessed {
        warnings.push(
            "there is no scale; values were mapped so that the stored extremes (glmin, glmax) \
             become the calibrated ones (cal_min, cal_max), as SPM2 does"
                .to_owned(),
        );
    }
    let unit = fields.vox_units;
    let unit = String::from_utf8_lossy(&unit);
    let unit = unit.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    if !unit.is_empty() && !unit.eq_ignore_ascii_case("mm") {
        warnings.push("the unit of the spacing is not mm; mm are taken".to_owned());
    }
    let mut name = source.path().to_owned();
    if name
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gz"))
    {
        name.set_extension("");
    }
    if name.with_extension("mat").is_file() {
        warnings.push("the .mat file beside it, where SPM keeps an affine, is not read".to_owned());
    }
    (!warnings.is_empty()).then(|| warnings.join("; "))
}

register_format!(Analyze);
