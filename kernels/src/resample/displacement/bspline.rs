//! A displacement field that is a cubic B-spline of control points.
//!
//! Rows of voxels along an axis of the mesh are cheap: [`rows`]. Any other points: [`points`].
//!
//! # Reference
//!
//! Rueckert et al., Nonrigid registration using free-form deformations, IEEE TMI 18 (1999) 712. The
//! domain is that of ITK's BSplineTransformInitializer.

mod points;
mod rows;

use ndarray::{Array4, ArrayView4};

pub(in crate::resample) use rows::{Rows, Work};

use super::folding::Search;
use super::{FieldError, bounds_of, is_usable};
use crate::Affine;
use crate::element::floor_f64;
use crate::resample::inside::coordinate;
use crate::resample::{check_size, spline};

/// A displacement field that is a cubic B-spline of control points over a grid.
///
/// With `n` voxels and `m` control points on an axis, voxel `i` has the mesh coordinate
/// `u = (i + 0.625) (m - 3) / (n + 0.25)`. Where `0 <= u <= m - 3` on every axis the control points
/// `floor(u)..=floor(u) + 3` act; elsewhere nothing moves.
#[derive(Clone, Debug, PartialEq)]
pub struct BSpline {
    /// The control points, x fastest; each a displacement along the world's axes.
    control: Vec<[f64; 3]>,
    /// How many there are along x, y, z of the mesh.
    points: [usize; 3],
    size: [usize; 3],
    index_from_world: Affine,
    mesh_from_world: Affine,
    bounds: [[f64; 2]; 3],
}

impl BSpline {
    /// A field from its control points, an array `[component][z][y][x]` of displacements in mm
    /// along the world's axes, over the grid of `size` (x, y, z) voxels that `index_from_world`
    /// places.
    ///
    /// # Errors
    ///
    /// [`FieldError`] for fewer than four control points or no voxel on an axis, other than three
    /// components, and what is not finite.
    pub fn new(
        control: ArrayView4<'_, f64>,
        index_from_world: Affine,
        size: [usize; 3],
    ) -> Result<Self, FieldError> {
        let (components, mz, my, mx) = control.dim();
        let points = [mx, my, mz];
        if components != 3 {
            return Err(FieldError::Components);
        }
        if !check_size(points) || points.iter().any(|m| *m < 4) {
            return Err(FieldError::Size {
                size: points,
                least: 4,
            });
        }
        if !check_size(size) {
            return Err(FieldError::Size { size, least: 1 });
        }
        let mut bounds = [[0.0; 2]; 3];
        for (bounds, component) in bounds.iter_mut().zip(control.outer_iter()) {
            *bounds = bounds_of(component.iter().copied()).ok_or(FieldError::NotFinite)?;
        }
        if !is_usable(&index_from_world) {
            return Err(FieldError::NotFinite);
        }
        let interleaved = control.permuted_axes([1, 2, 3, 0]);
        let interleaved = interleaved.as_standard_layout();
        let scale = [0, 1, 2].map(|a| (points[a] - 3) as f64 / (size[a] as f64 + 0.25));
        Ok(Self {
            control: interleaved
                .as_slice()
                .unwrap_or_default()
                .as_chunks::<3>()
                .0
                .to_vec(),
            points,
            size,
            index_from_world,
            mesh_from_world: Affine::scaling(scale)
                * Affine::translation([0.625; 3])
                * index_from_world,
            bounds,
        })
    }

    /// The control points `[component][z][y][x]`.
    pub fn control(&self) -> Array4<f64> {
        let [mx, my, mz] = self.points;
        Array4::from_shape_fn((3, mz, my, mx), |(i, z, y, x)| {
            self.control[(z * my + y) * mx + x][i]
        })
    }

    /// The map from the world to the grid that the field was made over.
    pub fn index_from_world(&self) -> &Affine {
        &self.index_from_world
    }

    /// The size (x, y, z) of that grid.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    pub(super) fn bounds(&self) -> [[f64; 2]; 3] {
        self.bounds
    }

    pub(super) fn at(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        let rows = self.mesh_from_world.rows();
        self.at_mesh([0, 1, 2].map(|a| coordinate(&rows[a], x, y, z)))
    }

    /// The knot interval of a mesh coordinate and the way into it, where it lies in the domain.
    #[inline(always)]
    fn interval(&self, axis: usize, u: f64) -> Option<(usize, f64)> {
        let intervals = self.points[axis] - 3;
        if !(0.0 <= u && u <= intervals as f64) {
            return None;
        }
        let first = (floor_f64(u) as usize).min(intervals - 1);
        Some((first, u - first as f64))
    }

    /// The displacement at a mesh coordinate.
    fn at_mesh(&self, u: [f64; 3]) -> [f64; 3] {
        let (Some((x, fx)), Some((y, fy)), Some((z, fz))) = (
            self.interval(0, u[0]),
            self.interval(1, u[1]),
            self.interval(2, u[2]),
        ) else {
            return [0.0; 3];
        };
        let [mx, my, _] = self.points;
        let [wx, wy, wz] = [
            spline::weights(fx),
            spline::weights(fy),
            spline::weights(fz),
        ];
        let mut row = [0.0; 12];
        self.row_mixed((z * my + y) * mx + x, &wy, &wz, &mut row);
        mixed(&row, &wx)
    }

    /// The four rows of four control points in a cell, given by the first of them, mixed along y
    /// and z into one.
    ///
    /// The twelve numbers of a row are neighbours, so that this vectorises for a single point. Two
    /// blocks of eight overlap.
    #[inline(always)]
    fn row_mixed(&self, first: usize, y: &[f64; 4], z: &[f64; 4], row: &mut [f64; 12]) {
        let [mx, my, _] = self.points;
        let control = self.control.as_flattened();
        for start in [0, 4] {
            let mut sums = [0.0; 8];
            for (k, z) in z.iter().enumerate() {
                for (j, y) in y.iter().enumerate() {
                    let weight = z * y;
                    let from = 3 * (first + (k * my + j) * mx) + start;
                    for (sum, v) in sums.iter_mut().zip(&control[from..from + 8]) {
                        *sum += weight * v;
                    }
                }
            }
            row[start..start + 8].copy_from_slice(&sums);
        }
    }

    /// The field times a number.
    pub(super) fn scaled(&self, factor: f64) -> Result<Self, FieldError> {
        let control = self.control().mapv_into(|v| v * factor);
        Self::new(control.view(), self.index_from_world, self.size)
    }

    /// The field with displacements in intervals of the mesh, along its axes. Gradients along
    /// those axes have the eigenvalues that gradients in mm along the world's axes have.
    pub(super) fn in_mesh(&self) -> Self {
        let mesh_from_world = &self.mesh_from_world;
        let control = self
            .control
            .iter()
            .map(|d| mesh_from_world.apply_vector(*d));
        Self {
            control: control.collect(),
            ..self.clone()
        }
    }

    /// Looks at the Jacobians at the voxels of slice `z` of a grid, of a field in units of the
    /// mesh.
    pub(super) fn search_slice<S: Search>(
        &self,
        world_from_index: &Affine,
        size: [usize; 3],
        z: usize,
        search: &mut S,
    ) {
        let rows = self.rows(world_from_index, size[0]);
        let mut work = Work::default();
        for y in 0..size[1] {
            match &rows {
                Some(rows) => rows.search((y, z), size[0], &mut work, search),
                None => self.search_row(world_from_index, (y, z), size[0], search),
            }
        }
    }

    /// A bound of the eigenvalues of all gradients of a field in units of the mesh.
    ///
    /// The slope of a spline along an axis of the mesh is a mean of the differences of neighbouring
    /// control points along it, and no eigenvalue is above the largest sum of a row or column.
    pub(super) fn steepest(&self) -> f64 {
        let [mx, my, _] = self.points;
        let mut slopes = [[0.0_f64; 3]; 3];
        for (axis, stride) in [1, mx, mx * my].into_iter().enumerate() {
            // Pairs along the axis; those that would step over an end do not count.
            let [nx, ny, nz] = [0, 1, 2].map(|a| self.points[a] - usize::from(a == axis));
            for start in (0..nz).flat_map(|z| (0..ny).map(move |y| (z * my + y) * mx)) {
                let lows = &self.control[start..start + nx];
                for (low, high) in lows.iter().zip(&self.control[start + stride..]) {
                    for (i, slopes) in slopes.iter_mut().enumerate() {
                        slopes[axis] = slopes[axis].max((high[i] - low[i]).abs());
                    }
                }
            }
        }
        let [a, b, c] = slopes;
        let rows = [a, b, c].map(|row| row[0] + row[1] + row[2]);
        let columns = [0, 1, 2].map(|j| a[j] + b[j] + c[j]);
        let largest = |sums: [f64; 3]| sums[0].max(sums[1]).max(sums[2]);
        largest(rows).min(largest(columns))
    }
}

/// The slopes of the weights of the four control points around a sample.
#[inline(always)]
fn slopes(f: f64) -> [f64; 4] {
    let g = 1.0 - f;
    [
        -0.5 * (g * g),
        f * (1.5 * f - 2.0),
        g * (2.0 - 1.5 * g),
        0.5 * (f * f),
    ]
}

/// The mix of four displacements.
#[inline(always)]
fn mixed(d: &[f64; 12], w: &[f64; 4]) -> [f64; 3] {
    [
        ((d[0] * w[0] + d[3] * w[1]) + d[6] * w[2]) + d[9] * w[3],
        ((d[1] * w[0] + d[4] * w[1]) + d[7] * w[2]) + d[10] * w[3],
        ((d[2] * w[0] + d[5] * w[1]) + d[8] * w[2]) + d[11] * w[3],
    ]
}
