//! Displacement fields: maps `w -> w + D(w)` of the world, in mm.

mod bspline;
mod dense;

use rayon::prelude::*;

pub use bspline::BSpline;
pub(super) use bspline::{Rows, Work};
pub use dense::{Dense, Outside};

use crate::{Affine, Float};

/// Why a displacement field was refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// An axis has too few or too many control points or voxels.
    #[error("a field of size {size:?} (x, y, z) needs {least} to 2^31 points on every axis")]
    Size {
        /// The number of points along x, y, z.
        size: [usize; 3],
        /// The smallest allowed number.
        least: usize,
    },
    /// There are not three components of one shape.
    #[error("a field needs three components of one shape (z, y, x)")]
    Components,
    /// A displacement or the map of the grid has an entry that is not finite, or the map is
    /// singular.
    #[error("a field needs finite displacements and a grid that is finite and not flat")]
    NotFinite,
}

/// A displacement field over the world, in mm.
#[derive(Clone, Debug, PartialEq)]
pub enum Displacement {
    /// Displacements on a regular grid.
    Dense(Dense),
    /// A cubic B-spline.
    BSpline(BSpline),
}

impl From<Dense> for Displacement {
    fn from(field: Dense) -> Self {
        Self::Dense(field)
    }
}

impl From<BSpline> for Displacement {
    fn from(field: BSpline) -> Self {
        Self::BSpline(field)
    }
}

/// How often [`Displacement::invert`] tries.
const ITERATIONS: usize = 50;

/// How close, in voxels of the field's grid, the inverse has to come.
const TOLERANCE: f64 = 1e-3;

impl Displacement {
    /// The displacement of a point of the world, in mm: the point goes to `point + at(point)`.
    pub fn at(&self, point: [f64; 3]) -> [f64; 3] {
        match self {
            Self::Dense(field) => field.at(point),
            Self::BSpline(field) => field.at(point),
        }
    }

    /// The point that goes to `point`, by the iteration `p <- point - at(p)`.
    ///
    /// `None` where 50 rounds do not bring it within 1e-3 voxel of the field's grid on every axis:
    /// where the field folds, or is steeper than 1.
    pub fn invert(&self, point: [f64; 3]) -> Option<[f64; 3]> {
        let mut p = point;
        for _ in 0..ITERATIONS {
            let d = self.at(p);
            let next = [0, 1, 2].map(|i| point[i] - d[i]);
            let step = [0, 1, 2].map(|i| next[i] - p[i]);
            let voxels = self.index_from_world().apply_vector(step);
            p = next;
            if voxels.iter().all(|v| v.abs() <= TOLERANCE) {
                return Some(p);
            }
        }
        None
    }

    /// The smallest determinant of the Jacobian of `w -> w + D(w)` at the voxels of a grid of
    /// `size` (x, y, z); not above 0 where the field folds. Infinite for an empty grid.
    ///
    /// Splines are differentiated exactly. Dense fields are by central differences over their own
    /// voxels, one-sided at their ends. Outside its domain a field is constant, and the jump at
    /// the border of one that ends in the identity does not count.
    pub fn jacobian_min(&self, world_from_index: &Affine, size: [usize; 3]) -> f64 {
        let mins = (0..size[2]).into_par_iter().map(|z| match self {
            Self::Dense(field) => field.jacobian_min_of_slice(world_from_index, size, z),
            Self::BSpline(field) => field.jacobian_min_of_slice(world_from_index, size, z),
        });
        mins.reduce(|| f64::INFINITY, lower)
    }

    /// The map from the world to the grid whose voxels measure the field.
    pub fn index_from_world(&self) -> &Affine {
        match self {
            Self::Dense(field) => field.index_from_world(),
            Self::BSpline(field) => field.index_from_world(),
        }
    }

    /// The lowest and the highest displacement along x, y, z that the field can have anywhere, 0
    /// included.
    pub fn bounds(&self) -> [[f64; 2]; 3] {
        match self {
            Self::Dense(field) => field.bounds(),
            Self::BSpline(field) => field.bounds(),
        }
    }
}

/// The lower of two numbers; NaN wins, so that it is seen.
#[inline(always)]
fn lower(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}

/// The determinant of the identity plus `gradient * grid`, where entry `[i][a]` of the gradient is
/// that of component i along axis a of a grid, and `grid` is the linear part from the world.
#[inline(always)]
fn jacobian(gradient: &[[f64; 3]; 3], grid: &[[f64; 3]; 3]) -> f64 {
    let mut m = [[0.0; 3]; 3];
    for i in 0..3 {
        let g = gradient[i];
        for j in 0..3 {
            let unit = if i == j { 1.0 } else { 0.0 };
            m[i][j] = unit + ((g[0] * grid[0][j] + g[1] * grid[1][j]) + g[2] * grid[2][j]);
        }
    }
    let [a, b, c] = m;
    let (x, y) = (b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2]);
    (a[0] * x + a[1] * y) + a[2] * (b[0] * c[1] - b[1] * c[0])
}

/// The bounds of the displacements, 0 included; `None` where one is not finite.
fn bounds_of<F: Float>(values: impl Iterator<Item = F>) -> Option<[f64; 2]> {
    let mut bounds = [0.0_f64; 2];
    let mut finite = true;
    for v in values {
        let v = v.to_f64();
        finite &= v.is_finite();
        bounds = [bounds[0].min(v), bounds[1].max(v)];
    }
    finite.then_some(bounds)
}

/// Whether a map can place a grid.
fn is_usable(map: &Affine) -> bool {
    map.is_finite() && map.inverse().is_some()
}

#[cfg(test)]
mod tests;
