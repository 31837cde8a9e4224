//! Which kind of object holds a volume, and where its slices are.

use std::path::Path;

use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::{Affine, cross, dot, norm};
use voxprep_core::volume::{AxisKind, Header, Modality};
use voxprep_core::voxels::ElementType;

use crate::error::{Error, Result};

/// Rows and columns are 16-bit numbers.
const SIDE: usize = 65_535;
/// The cosine between rows and columns that is still a right angle.
const UPRIGHT: f64 = 1e-4;

/// The kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ct,
    Mr,
    /// Computed radiography: unlike digital X-ray it does not ask what only the examiner knows.
    Cr,
    /// Secondary capture: colours, and what has no kind of its own.
    Capture,
}

impl Kind {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Ct => "1.2.840.10008.5.1.4.1.1.2",
            Self::Mr => "1.2.840.10008.5.1.4.1.1.4",
            Self::Cr => "1.2.840.10008.5.1.4.1.1.1",
            Self::Capture => "1.2.840.10008.5.1.4.1.1.7",
        }
    }
}

/// Where the slices of a grid are, as DICOM says it.
pub(super) struct Place {
    /// Unit vectors along a row and along a column.
    pub(super) axes: [[f64; 3]; 2],
    /// Between rows (y), then between columns (x).
    pub(super) pixel_spacing: [f64; 2],
    /// Between slices, along their normal.
    pub(super) between: f64,
    /// Of each slice in the order of the files, along the normal: its index along z, and the
    /// centre of its first pixel.
    pub(super) slices: Vec<(usize, [f64; 3])>,
    /// Whether the grid is no more than spacings.
    pub(super) is_plain: bool,
}

impl Place {
    /// # Errors
    /// [`Error::Unsupported`] where rows and columns are at no right angle or too long.
    pub(super) fn of(path: &Path, geometry: &Geometry) -> Result<Self> {
        let [nx, ny, nz] = geometry.size();
        if nx > SIDE || ny > SIDE {
            let reason =
                format!("DICOM images have at most 65535 rows and columns, here are {ny} and {nx}");
            return Err(Error::unsupported(path, reason).remedy("crop or resample the image"));
        }
        let affine = geometry.world_from_index();
        let step = |axis: usize| {
            let mut unit = [0.0; 3];
            if let Some(one) = unit.get_mut(axis) {
                *one = 1.0;
            }
            affine.apply_vector(unit)
        };
        let (x, y, z) = (step(0), step(1), step(2));
        let (dx, dy) = (norm(x), norm(y));
        let axes = [x.map(|v| v / dx), y.map(|v| v / dy)];
        if dot(axes[0], axes[1]).abs() > UPRIGHT {
            return Err(Error::unsupported(
                path,
                "rows and columns are not at a right angle, which DICOM asks for",
            )
            .remedy("resample the image onto an upright grid"));
        }
        let along = dot(cross(axes[0], axes[1]), z);
        let mut slices: Vec<(usize, [f64; 3])> = (0..nz)
            .map(|k| (k, affine.apply([0.0, 0.0, k as f64])))
            .collect();
        // Readers put slices in the order of the normal; a grid that is left-handed is turned round.
        if along < 0.0 {
            slices.reverse();
        }
        Ok(Self {
            axes,
            pixel_spacing: [dy, dx],
            between: along.abs(),
            slices,
            is_plain: affine == Affine::scaling([dx, dy, 1.0]),
        })
    }

    /// Six direction cosines.
    pub(super) fn cosines(&self) -> [f64; 6] {
        let [[a, b, c], [d, e, f]] = self.axes;
        [a, b, c, d, e, f]
    }
}

/// What the channels of a volume are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layers {
    /// 1, or 3 for red, green and blue.
    pub(super) colours: usize,
    pub(super) times: usize,
    /// Seconds between points of time.
    pub(super) step: Option<f64>,
}

impl Layers {
    /// # Errors
    /// [`Error::Unsupported`] where channels are neither colours nor points of time.
    pub(super) fn of(path: &Path, header: &Header) -> Result<Self> {
        let mut layers = Self {
            colours: 1,
            times: 1,
            step: None,
        };
        let mut axes = header
            .channels
            .axes
            .iter()
            .filter(|axis| axis.length > 1)
            .peekable();
        if let Some(axis) = axes.next_if(|a| a.kind == AxisKind::Colour && a.length == 3) {
            layers.colours = axis.length;
        }
        if let Some(axis) = axes.next_if(|axis| axis.kind == AxisKind::Time) {
            (layers.times, layers.step) = (axis.length, axis.step);
        }
        match axes.next() {
            None => Ok(layers),
            Some(axis) => {
                let reason = format!(
                    "a DICOM series holds points of time and red, green, blue; these {} channels are neither",
                    axis.length
                );
                Err(Error::unsupported(path, reason)
                    .field("channels")
                    .remedy("write them as volumes of their own, or as NIfTI"))
            }
        }
    }
}

/// The kind of object for an image; `template` is what the template is.
///
/// # Errors
/// [`Error::Parameter`] where nothing says what kind of image it is.
pub(super) fn kind(
    path: &Path,
    header: &Header,
    layers: Layers,
    template: Option<Modality>,
) -> Result<Kind> {
    if layers.colours == 3 {
        if header.element_type == ElementType::U8 {
            return Ok(Kind::Capture);
        }
        let reason = format!(
            "colours of type {} are not written as DICOM",
            header.element_type
        );
        return Err(Error::unsupported(path, reason).remedy("bring them to 0 to 255, --type u8"));
    }
    let flat = header.geometry.size()[2] == 1;
    match header.modality.or(template) {
        Some(Modality::Ct) => Ok(Kind::Ct),
        Some(Modality::Mri) => Ok(Kind::Mr),
        Some(Modality::Xray) if flat => Ok(Kind::Cr),
        Some(_) => Ok(Kind::Capture),
        None => Err(Error::parameter(
            path,
            "nothing says what kind of image this is, which DICOM has to",
        )
        .field("modality")
        .remedy("give --modality CT, MRI or XRAY, or a --template")),
    }
}
