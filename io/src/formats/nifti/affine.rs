//! Where the voxels of a NIfTI file are, in LPS+ millimetres, and back.
//!
//! The choice is nibabel's: the sform if its code is above 0, else the qform if its code is, else
//! spacing alone with x flipped and the origin in the middle. NIfTI is RAS+; the first two rows
//! change sign here, in both directions, and nowhere else.

use std::path::Path;

use nalgebra::{Matrix3, Rotation3, UnitQuaternion};
use voxprep_core::geometry::{Geometry, corners};
use voxprep_core::kernels::affine::{Affine, norm};

use super::body::wrong;
use super::fields::{Fields, Version};
use crate::error::Result;

/// LPS from RAS, and RAS from LPS.
pub(in crate::formats) const TURN: Affine = Affine::scaling([-1.0, -1.0, 1.0]);
/// How far (mm) sform and qform may put a corner voxel apart before that is said aloud.
const DISAGREEMENT_MM: f64 = 1e-3;
/// How far (mm) rounding to f32 may move a corner voxel before the file becomes NIfTI-2.
const ROUNDING_MM: f64 = 1e-4;
/// How far the quaternion may be outside the unit sphere: what rounding to f32 explains.
const QUATERNION_SLACK: f64 = 3.0 * f32::EPSILON as f64;

/// The map, and how it was found.
pub(super) struct Placed {
    pub(super) world_from_index: Affine,
    /// Which of the three it is: "sform", "qform" or "base".
    pub(super) origin: &'static str,
    /// What the user should know of the choice.
    pub(super) warning: Option<String>,
}

/// The map from index to LPS+ mm that the header states.
pub(super) fn world_from_index(fields: &Fields, size: [usize; 3], path: &Path) -> Result<Placed> {
    let mut warning = None;
    let millimetres = Affine::scaling([millimetres(fields.xyzt_units); 3]);
    let (origin, ras) = if fields.sform_code > 0 {
        let sform = sform(fields);
        if fields.qform_code > 0 {
            let qform = qform(fields, size).map(|qform| millimetres * qform);
            warning = disagreement(millimetres * sform, qform, size);
        }
        ("sform", Ok(sform))
    } else if fields.qform_code > 0 {
        ("qform", qform(fields, size))
    } else {
        let nothing = "the header has neither sform nor qform: that x runs to the left, y to anterior \
                       and z to superior is an assumption";
        warning = Some(nothing.to_owned());
        ("base", base(fields, size))
    };
    let ras = ras.map_err(|reason| wrong(path, fields, origin, reason))?;
    if !ras.is_finite() {
        let reason = "the affine has entries that are not finite";
        return Err(wrong(path, fields, origin, reason));
    }
    if ras.inverse().is_none() {
        let reason = "the affine is singular: its voxels have no volume";
        return Err(wrong(path, fields, origin, reason));
    }
    Ok(Placed {
        world_from_index: TURN * millimetres * ras,
        origin,
        warning,
    })
}

/// How many millimetres the unit of the file has. Unset means millimetres.
fn millimetres(xyzt_units: i64) -> f64 {
    match xyzt_units & 7 {
        1 => 1e3,
        3 => 1e-3,
        _ => 1.0,
    }
}

fn sform(fields: &Fields) -> Affine {
    Affine::from_rows(fields.srow)
}

fn qform(fields: &Fields, size: [usize; 3]) -> Result<Affine, String> {
    let [b, c, d] = fields.quaternion;
    let rest = 1.0 - (b * b + c * c + d * d);
    // Within rounding, a positive rest is none either; NIfTI-2 rounds to f64.
    let rounded = match fields.version {
        Version::Two => 3.0 * f64::EPSILON,
        Version::One | Version::Analyze => QUATERNION_SLACK,
    };
    let a = if rest >= rounded {
        rest.sqrt()
    } else if rest > -QUATERNION_SLACK {
        0.0
    } else {
        return Err(format!("the quaternion ({b}, {c}, {d}) is no rotation"));
    };
    let [x, y, mut z] = spacing(fields, size)?;
    if fields.pixdim[0] < 0.0 {
        z = -z;
    }
    // Dividing by the squared length forgives the rounding of b, c, d.
    let s = 2.0 / (a * a + b * b + c * c + d * d);
    let rotation = [
        [
            1.0 - s * (c * c + d * d),
            s * (b * c - a * d),
            s * (b * d + a * c),
        ],
        [
            s * (b * c + a * d),
            1.0 - s * (b * b + d * d),
            s * (c * d - a * b),
        ],
        [
            s * (b * d - a * c),
            s * (c * d + a * b),
            1.0 - s * (b * b + c * c),
        ],
    ];
    Ok(Affine::from_parts(rotation, fields.qoffset) * Affine::scaling([x, y, z]))
}

fn base(fields: &Fields, size: [usize; 3]) -> Result<Affine, String> {
    let [x, y, z] = spacing(fields, size)?;
    let scaling = Affine::scaling([-x, y, z]);
    let middle = size.map(|n| (n as f64 - 1.0) / 2.0);
    Ok(Affine::translation(scaling.apply(middle).map(|v| -v)) * scaling)
}

/// The spacing of the header: signs do not count, and an axis of one voxel needs none.
pub(in crate::formats) fn spacing(fields: &Fields, size: [usize; 3]) -> Result<[f64; 3], String> {
    let mut spacing = [1.0; 3];
    for (axis, out) in spacing.iter_mut().enumerate() {
        let stated = fields.pixdim[axis + 1].abs();
        if stated.is_finite() && stated > 0.0 {
            *out = stated;
        } else if size[axis] > 1 {
            return Err(format!(
                "pixdim[{}] is {}, which is no spacing",
                axis + 1,
                fields.pixdim[axis + 1]
            ));
        }
    }
    Ok(spacing)
}

fn disagreement(sform: Affine, qform: Result<Affine, String>, size: [usize; 3]) -> Option<String> {
    let apart = match qform {
        Ok(qform) => apart(sform, qform, size),
        Err(reason) => {
            return Some(format!(
                "the qform is invalid ({reason}); the sform is used"
            ));
        }
    };
    (apart > DISAGREEMENT_MM)
        .then(|| format!("sform and qform put voxels up to {apart:.3} mm apart; the sform is used"))
}

/// How far two maps put a corner voxel apart.
fn apart(a: Affine, b: Affine, size: [usize; 3]) -> f64 {
    corners(size)
        .map(|corner| {
            let (a, b) = (a.apply(corner), b.apply(corner));
            norm([0, 1, 2].map(|i| a[i] - b[i]))
        })
        .fold(0.0, f64::max)
}

/// A geometry as a NIfTI header holds it.
pub(super) struct Stored {
    /// The rows of the sform, RAS+.
    pub(super) srow: [[f64; 4]; 3],
    /// b, c, d of the nearest rotation.
    pub(super) quaternion: [f64; 3],
    /// -1 where the index axes are left-handed, else 1.
    pub(super) qfac: f64,
    /// Spacing, mm.
    pub(super) spacing: [f64; 3],
    /// Whether the quaternion says the same as the sform: there is no shear.
    pub(super) quaternion_holds: bool,
}

impl Stored {
    /// Whether `f32` holds it: nothing overflows, no axis vanishes, and no voxel moves.
    pub(super) fn suits_f32(&self, size: [usize; 3]) -> bool {
        let rounded = Affine::from_rows(self.srow.map(|row| row.map(|v| f64::from(v as f32))));
        rounded.is_finite()
            && rounded.inverse().is_some()
            && apart(rounded, Affine::from_rows(self.srow), size) <= ROUNDING_MM
    }
}

/// Direction cosines further than this from the nearest rotation are shear; ITK draws the line
/// here too.
const SHEAR: f64 = 1e-4;

/// The sform, and the qform that is nearest to it: NIfTI's quaternion holds no shear.
pub(super) fn stored(geometry: &Geometry) -> Stored {
    let ras = geometry.ras_from_index();
    let spacing = geometry.spacing();
    let mut unit = Matrix3::from_fn(|row, column| ras.rows()[row][column] / spacing[column]);
    let qfac = if unit.determinant() < 0.0 {
        unit.column_mut(2).neg_mut();
        -1.0
    } else {
        1.0
    };
    // The orthogonal factor of the polar decomposition is the nearest rotation.
    let svd = unit.svd(true, true);
    let nearest = match (svd.u, svd.v_t) {
        (Some(u), Some(v_t)) => u * v_t,
        _ => Matrix3::identity(),
    };
    // And what is within that must not add up to what a reader would warn of.
    let off = (unit - nearest).abs();
    let size = geometry.size();
    let extent = |axis: usize| spacing[axis] * (size[axis] - 1) as f64;
    let corner = (0..3).map(|row| {
        (0..3)
            .map(|axis| off[(row, axis)] * extent(axis))
            .sum::<f64>()
    });
    let corner = corner.fold(0.0, f64::max);
    let quaternion_holds = off.max() <= SHEAR && corner <= DISAGREEMENT_MM / 2.0;
    let q = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(nearest));
    // NIfTI leaves out the real part because it is never negative.
    let sign = if q.w < 0.0 { -1.0 } else { 1.0 };
    Stored {
        srow: *ras.rows(),
        quaternion: [q.i, q.j, q.k].map(|v| sign * v),
        qfac,
        spacing,
        quaternion_holds,
    }
}
