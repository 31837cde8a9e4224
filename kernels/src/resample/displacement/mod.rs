//! Displacement fields: maps `w -> w + D(w)` of the world, in mm.

mod bspline;
mod dense;
mod folding;

use rayon::prelude::*;

pub use bspline::BSpline;
pub(super) use bspline::{Rows, Work};
pub use dense::{Dense, Outside};
pub use folding::LEAST_JACOBIAN;

use super::points::{Points, apply, start};
use crate::simd::dispatched;
use crate::{Affine, Float};
use folding::{Least, Search, Unfolding};

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

/// How often [`Displacement::invert`] tries the plain iteration, which settles most points.
const PLAIN: usize = 12;

/// How often it then tries Newton's.
const NEWTON: usize = 50;

/// How far apart, in voxels of the field's grid, the slopes for Newton's method are taken.
const REACH: f64 = 1e-3;

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

    /// The point that goes to `point`: by the iteration `p <- point - at(p)`, and where that does
    /// not settle, by Newton's with steps that are halved until they help.
    ///
    /// `None` where neither brings it within 1e-3 voxel of the field's grid on every axis: where
    /// the field folds, or nothing goes to `point`.
    pub fn invert(&self, point: [f64; 3]) -> Option<[f64; 3]> {
        let mut p = point;
        for _ in 0..PLAIN {
            let d = self.at(p);
            let next = [0, 1, 2].map(|i| point[i] - d[i]);
            let moved = self.in_voxels([0, 1, 2].map(|i| next[i] - p[i]));
            p = next;
            if moved <= TOLERANCE {
                return Some(p);
            }
        }
        // From the start, and not from where the plain iteration was thrown.
        self.newton(point, p).or_else(|| self.newton(point, point))
    }

    fn newton(&self, point: [f64; 3], start: [f64; 3]) -> Option<[f64; 3]> {
        let off = |p: [f64; 3]| {
            let d = self.at(p);
            [0, 1, 2].map(|i| point[i] - p[i] - d[i])
        };
        let world_from_index = self.index_from_world().inverse()?;
        let (mut p, mut left) = (start, off(start));
        for _ in 0..NEWTON {
            // The slope of w + D(w) along each axis of the field's grid.
            let mut columns = [[0.0; 3]; 3];
            for (axis, column) in columns.iter_mut().enumerate() {
                let mut unit = [0.0; 3];
                unit[axis] = REACH;
                let reach = world_from_index.apply_vector(unit);
                let ahead = off([0, 1, 2].map(|i| p[i] + reach[i]));
                let behind = off([0, 1, 2].map(|i| p[i] - reach[i]));
                *column = [0, 1, 2].map(|i| (behind[i] - ahead[i]) / (2.0 * REACH));
            }
            let back = Affine::from_columns(columns, [0.0; 3]).inverse()?;
            let step = world_from_index.apply_vector(back.apply_vector(left));
            let mut share = 1.0;
            loop {
                let next = [0, 1, 2].map(|i| p[i] + share * step[i]);
                let next_left = off(next);
                if self.in_voxels(next_left) < self.in_voxels(left) {
                    (p, left) = (next, next_left);
                    break;
                }
                share *= 0.5;
                if share < 1e-3 {
                    return None;
                }
            }
            if self.in_voxels(step) * share <= TOLERANCE && self.in_voxels(left) <= TOLERANCE {
                return Some(p);
            }
        }
        None
    }

    /// The longest side of a vector, in voxels of the field's grid.
    fn in_voxels(&self, vector: [f64; 3]) -> f64 {
        let voxels = self.index_from_world().apply_vector(vector);
        voxels.iter().fold(0.0, |longest, v| v.abs().max(longest))
    }

    /// The smallest determinant of the Jacobian of `w -> w + D(w)` at the voxels of a grid of
    /// `size` (x, y, z); not above 0 where the field folds. Infinite for an empty grid.
    ///
    /// Splines are differentiated exactly. Dense fields are by central differences over their own
    /// voxels, one-sided at their ends. Outside its domain a field is constant, and the jump at
    /// the border of one that ends in the identity does not count.
    pub fn jacobian_min(&self, world_from_index: &Affine, size: [usize; 3]) -> f64 {
        self.search::<Least>(world_from_index, size).value()
    }

    /// A scale in 0..=1 such that `w -> w + scale D(w)` folds at no voxel of a grid of `size`
    /// (x, y, z): 1 where [`Displacement::jacobian_min`] is above [`LEAST_JACOBIAN`], and else the
    /// scale at which, coming from 0, the smallest determinant falls to that, or at most 1e-9 of
    /// it less.
    ///
    /// Where that is below 1, no smaller scale folds either. A spline whose control points alone
    /// rule out folds costs no look at a voxel; otherwise this takes about as long as
    /// `jacobian_min`. Beside the field it needs up to a hundred bytes per voxel of one row, for
    /// each thread.
    ///
    /// # Example
    ///
    /// A field that moves x by -2 x has the determinant 1 - 2 s at scale s, which is 0.01 at 0.495.
    pub fn unfolding_scale(&self, world_from_index: &Affine, size: [usize; 3]) -> f64 {
        if let Self::BSpline(field) = self {
            // No eigenvalue of a Jacobian is closer to 0, so much for their product.
            let closest = 1.0 - field.in_mesh().steepest();
            if closest > 0.0 && closest * closest * closest > LEAST_JACOBIAN {
                return 1.0;
            }
        }
        self.search::<Unfolding>(world_from_index, size).scale()
    }

    /// The largest length, in mm, of a displacement at the voxels of a grid of `size` (x, y, z);
    /// 0 for an empty grid. [`Displacement::bounds`] has a bound that needs no voxel.
    pub fn max_displacement(&self, world_from_index: &Affine, size: [usize; 3]) -> f64 {
        let squares = (0..size[2]).into_par_iter().map(|z| {
            let rows = match self {
                Self::BSpline(field) => field.rows(world_from_index, size[0]),
                Self::Dense(_) => None,
            };
            let mut points: Points = [(); 3].map(|()| vec![0.0; size[0]]);
            let mut before = points.clone();
            let (mut work, mut largest) = (Work::default(), 0.0);
            for y in 0..size[1] {
                if let Some(rows) = &rows {
                    for points in &mut points {
                        points.fill(0.0);
                    }
                    rows.displace((y, z), &mut work, &mut points);
                } else {
                    start(y as f64, z as f64, &mut before);
                    apply(world_from_index, &mut before);
                    points.clone_from(&before);
                    match self {
                        Self::BSpline(field) => field.displace(&mut points),
                        Self::Dense(field) => field.displace(&mut points),
                    }
                }
                largest = higher(largest_square(&points, &before), largest);
            }
            largest
        });
        squares.reduce(|| 0.0, higher).sqrt()
    }

    /// The field times a number.
    ///
    /// # Errors
    ///
    /// [`FieldError::NotFinite`] where a displacement or the number is not finite.
    pub fn scaled(&self, factor: f64) -> Result<Self, FieldError> {
        Ok(match self {
            Self::Dense(field) => field.scaled(factor)?.into(),
            Self::BSpline(field) => field.scaled(factor)?.into(),
        })
    }

    /// Looks at the Jacobians at the voxels of a grid.
    fn search<S: Search>(&self, world_from_index: &Affine, size: [usize; 3]) -> S {
        match self {
            Self::Dense(field) => folding::search_slices(size[2], |z, search| {
                field.search_slice(world_from_index, size, z, search);
            }),
            Self::BSpline(field) => {
                let field = field.in_mesh();
                folding::search_slices(size[2], |z, search| {
                    field.search_slice(world_from_index, size, z, search);
                })
            }
        }
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

/// The higher of two numbers; NaN wins, so that it is seen.
#[inline(always)]
fn higher(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

dispatched! {
    fn largest_square[](points: &Points, before: &Points) -> f64 {
        // Several maxima side by side, so that the loop vectorises.
        let mut lanes = [0.0; folding::LANES];
        let [xs, ys, zs] = [0, 1, 2].map(|i| points[i].chunks(lanes.len()));
        let [before_x, before_y, before_z] = [0, 1, 2].map(|i| before[i].chunks(lanes.len()));
        for ((x, y), (z, ((a, b), c))) in
            xs.zip(ys).zip(zs.zip(before_x.zip(before_y).zip(before_z)))
        {
            for (l, lane) in lanes[..x.len()].iter_mut().enumerate() {
                let d = [x[l] - a[l], y[l] - b[l], z[l] - c[l]];
                *lane = higher((d[0] * d[0] + d[1] * d[1]) + d[2] * d[2], *lane);
            }
        }
        lanes.into_iter().fold(0.0, |largest, lane| higher(lane, largest))
    }
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
