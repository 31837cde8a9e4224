//! Where the voxels of a NIfTI-1 file are, in LPS+ millimetres, and back.
//!
//! The choice is nibabel's: the sform if its code is above 0, else the qform if its code is, else
//! spacing alone with x flipped and the origin in the middle. NIfTI is RAS+; the first two rows
//! change sign here, in both directions, and nowhere else.

use std::path::Path;

use nalgebra::{Matrix3, Rotation3, UnitQuaternion};
use nifti::NiftiHeader;
use voxprep_core::geometry::{Geometry, corners};
use voxprep_core::kernels::affine::{Affine, norm};

use crate::error::{Error, Result};

/// LPS from RAS, and RAS from LPS.
const TURN: Affine = Affine::scaling([-1.0, -1.0, 1.0]);
/// How far (mm) sform and qform may put a corner voxel apart before that is said aloud.
const DISAGREEMENT_MM: f64 = 1e-3;
/// How far the quaternion may be off the unit sphere: what rounding to f32 explains.
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
pub(super) fn world_from_index(raw: &NiftiHeader, size: [usize; 3], path: &Path) -> Result<Placed> {
    let fail = |origin: &str, reason: String| {
        Error::input(path, reason)
            .field(format!("NIfTI header, {origin}"))
            .remedy("mend the header, e.g. copy it from the original scan")
    };
    let mut warning = None;
    let (origin, ras) = if raw.sform_code > 0 {
        let sform = sform(raw);
        if raw.qform_code > 0 {
            warning = disagreement(sform, qform(raw, size), size);
        }
        ("sform", Ok(sform))
    } else if raw.qform_code > 0 {
        ("qform", qform(raw, size))
    } else {
        let nothing = "the header has neither sform nor qform: that x runs to the left, y to anterior \
                       and z to superior is an assumption";
        warning = Some(nothing.to_owned());
        ("base", base(raw, size))
    };
    let ras = ras.map_err(|reason| fail(origin, reason))?;
    if !ras.is_finite() {
        return Err(fail(
            origin,
            "the affine has entries that are not finite".to_owned(),
        ));
    }
    if ras.inverse().is_none() {
        return Err(fail(
            origin,
            "the affine is singular: its voxels have no volume".to_owned(),
        ));
    }
    let millimetres = match raw.xyzt_units & 7 {
        1 => 1e3,
        3 => 1e-3,
        _ => 1.0,
    };
    Ok(Placed {
        world_from_index: TURN * Affine::scaling([millimetres; 3]) * ras,
        origin,
        warning,
    })
}

fn sform(raw: &NiftiHeader) -> Affine {
    Affine::from_rows([raw.srow_x, raw.srow_y, raw.srow_z].map(|row| row.map(f64::from)))
}

fn qform(raw: &NiftiHeader, size: [usize; 3]) -> Result<Affine, String> {
    let [b, c, d] = [raw.quatern_b, raw.quatern_c, raw.quatern_d].map(f64::from);
    let rest = 1.0 - (b * b + c * c + d * d);
    let a = if rest.abs() < QUATERNION_SLACK {
        0.0
    } else if rest > 0.0 {
        rest.sqrt()
    } else {
        return Err(format!("the quaternion ({b}, {c}, {d}) is no rotation"));
    };
    let [x, y, mut z] = spacing(raw, size)?;
    if raw.pixdim[0] < 0.0 {
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
    let offset = [raw.quatern_x, raw.quatern_y, raw.quatern_z].map(f64::from);
    Ok(Affine::from_parts(rotation, offset) * Affine::scaling([x, y, z]))
}

fn base(raw: &NiftiHeader, size: [usize; 3]) -> Result<Affine, String> {
    let [x, y, z] = spacing(raw, size)?;
    let scaling = Affine::scaling([-x, y, z]);
    let middle = size.map(|n| (n as f64 - 1.0) / 2.0);
    Ok(Affine::translation(scaling.apply(middle).map(|v| -v)) * scaling)
}

/// The spacing of the header: signs do not count, and an axis of one voxel needs none.
fn spacing(raw: &NiftiHeader, size: [usize; 3]) -> Result<[f64; 3], String> {
    let mut spacing = [1.0; 3];
    for (axis, out) in spacing.iter_mut().enumerate() {
        let stated = f64::from(raw.pixdim[axis + 1]).abs();
        if stated.is_finite() && stated > 0.0 {
            *out = stated;
        } else if size[axis] > 1 {
            return Err(format!(
                "pixdim[{}] is {}, which is no spacing",
                axis + 1,
                raw.pixdim[axis + 1]
            ));
        }
    }
    Ok(spacing)
}

fn disagreement(sform: Affine, qform: Result<Affine, String>, size: [usize; 3]) -> Option<String> {
    let apart = match qform {
        Ok(qform) => corners(size)
            .map(|corner| {
                let (s, q) = (sform.apply(corner), qform.apply(corner));
                norm([s[0] - q[0], s[1] - q[1], s[2] - q[2]])
            })
            .fold(0.0, f64::max),
        Err(reason) => {
            return Some(format!(
                "the qform is invalid ({reason}); the sform is used"
            ));
        }
    };
    (apart > DISAGREEMENT_MM)
        .then(|| format!("sform and qform put voxels up to {apart:.3} mm apart; the sform is used"))
}

/// A geometry as a NIfTI header holds it.
pub(super) struct Stored {
    /// The rows of the sform, RAS+.
    pub(super) srow: [[f32; 4]; 3],
    /// b, c, d of the nearest rotation.
    pub(super) quaternion: [f32; 3],
    /// -1 where the index axes are left-handed, else 1.
    pub(super) qfac: f32,
    /// Spacing, mm.
    pub(super) spacing: [f32; 3],
    /// Whether the quaternion says the same as the sform: there is no shear.
    pub(super) quaternion_holds: bool,
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
    let quaternion_holds = (unit - nearest).abs().max() <= SHEAR;
    let q = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(nearest));
    // NIfTI leaves out the real part because it is never negative.
    let sign = if q.w < 0.0 { -1.0 } else { 1.0 };
    Stored {
        srow: ras.rows().map(|row| row.map(|v| v as f32)),
        quaternion: [q.i, q.j, q.k].map(|v| (sign * v) as f32),
        qfac,
        spacing: spacing.map(|v| v as f32),
        quaternion_holds,
    }
}
