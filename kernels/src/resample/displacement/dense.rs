//! Displacements on a regular grid, linear in between.

use ndarray::Array3;

use super::{FieldError, bounds_of, is_usable, jacobian, lower};
use crate::Affine;
use crate::element::floor_f64;
use crate::resample::check_size;
use crate::resample::inside::coordinate;
use crate::simd::dispatched;

/// How a dense field continues beyond half a voxel outside its end voxels; within, the end voxels
/// are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Nothing moves.
    Identity,
    /// The displacement of the nearest end voxel.
    Edge,
}

/// Displacements on a regular grid, in mm, linear in between.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    components: [Array3<f32>; 3],
    index_from_world: Affine,
    outside: Outside,
    bounds: [[f64; 2]; 3],
}

impl Dense {
    /// A field from its components along the world's x, y and z, each `[z][y][x]` over a grid.
    ///
    /// # Errors
    ///
    /// [`FieldError`] for an empty grid, components of different shapes, and what is not finite.
    pub fn new(
        components: [Array3<f32>; 3],
        index_from_world: Affine,
        outside: Outside,
    ) -> Result<Self, FieldError> {
        let (nz, ny, nx) = components[0].dim();
        let size = [nx, ny, nz];
        if !check_size(size) {
            return Err(FieldError::Size { size, least: 1 });
        }
        if components.iter().any(|c| c.dim() != (nz, ny, nx)) {
            return Err(FieldError::Components);
        }
        let components = components.map(|c| c.as_standard_layout().into_owned());
        let mut bounds = [[0.0; 2]; 3];
        for (bounds, component) in bounds.iter_mut().zip(&components) {
            *bounds = bounds_of(component.iter().copied()).ok_or(FieldError::NotFinite)?;
        }
        if !is_usable(&index_from_world) {
            return Err(FieldError::NotFinite);
        }
        Ok(Self {
            components,
            index_from_world,
            outside,
            bounds,
        })
    }

    /// The components along the world's x, y and z.
    pub fn components(&self) -> &[Array3<f32>; 3] {
        &self.components
    }

    /// The map from the world to the grid.
    pub fn index_from_world(&self) -> &Affine {
        &self.index_from_world
    }

    /// How the field continues.
    pub fn outside(&self) -> Outside {
        self.outside
    }

    pub(super) fn bounds(&self) -> [[f64; 2]; 3] {
        self.bounds
    }

    pub(super) fn at(&self, point: [f64; 3]) -> [f64; 3] {
        self.grid().at(point)
    }

    /// Moves points of the world, given by their coordinates.
    pub(in crate::resample) fn displace(&self, points: &mut [Vec<f64>; 3]) {
        displace(&self.grid(), points);
    }

    fn grid(&self) -> Grid<'_> {
        let (nz, ny, nx) = self.components[0].dim();
        Grid {
            // Arrays in standard layout are slices.
            components: [0, 1, 2].map(|i| self.components[i].as_slice().unwrap_or_default()),
            size: [nx, ny, nz],
            map: self.index_from_world,
            ends: self.outside == Outside::Identity,
        }
    }

    /// The smallest determinant at the voxels of slice `z` of a grid.
    pub(super) fn jacobian_min_of_slice(
        &self,
        world_from_index: &Affine,
        size: [usize; 3],
        z: usize,
    ) -> f64 {
        let grid = self.grid();
        let here_from_index = self.index_from_world * *world_from_index;
        let linear = self.index_from_world.linear();
        let mut least = f64::INFINITY;
        for y in 0..size[1] {
            for x in 0..size[0] {
                let c = here_from_index.apply([x as f64, y as f64, z as f64]);
                least = lower(jacobian(&grid.gradient(c), &linear), least);
            }
        }
        least
    }
}

/// The field as the inner loops see it.
struct Grid<'a> {
    components: [&'a [f32]; 3],
    size: [usize; 3],
    map: Affine,
    ends: bool,
}

impl Grid<'_> {
    #[inline(always)]
    fn at(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        let rows = self.map.rows();
        self.at_index(std::array::from_fn(|a| coordinate(&rows[a], x, y, z)))
    }

    #[inline(always)]
    fn is_outside(&self, c: [f64; 3]) -> bool {
        let inside = |axis: usize| -0.5 <= c[axis] && c[axis] <= self.size[axis] as f64 - 0.5;
        self.ends && !(inside(0) && inside(1) && inside(2))
    }

    /// The displacement at an index of the grid.
    #[inline(always)]
    fn at_index(&self, c: [f64; 3]) -> [f64; 3] {
        if self.is_outside(c) {
            return [0.0; 3];
        }
        let [nx, ny, nz] = self.size;
        let strides = [1, nx, nx * ny];
        let (mut first, mut steps, mut f) = (0, [0; 3], [0.0; 3]);
        for (axis, n) in [nx, ny, nz].into_iter().enumerate() {
            let last = n as f64 - 1.0;
            let v = if c[axis] > 0.0 { c[axis] } else { 0.0 };
            let v = if v < last { v } else { last };
            let cell = floor_f64(v);
            let tap = (cell as usize).min(n.saturating_sub(2));
            f[axis] = v - tap as f64;
            first += tap * strides[axis];
            steps[axis] = if n > 1 { strides[axis] } else { 0 };
        }
        let [dx, dy, dz] = steps;
        let [fx, fy, fz] = f;
        let lerp = |a: f64, b: f64, f: f64| a + f * (b - a);
        self.components.map(|component| {
            let row = |at: usize| lerp(f64::from(component[at]), f64::from(component[at + dx]), fx);
            let slice = |at: usize| lerp(row(at), row(at + dy), fy);
            lerp(slice(first), slice(first + dz), fz)
        })
    }

    /// The slope of each component along each axis of the grid.
    fn gradient(&self, c: [f64; 3]) -> [[f64; 3]; 3] {
        let mut gradient = [[0.0; 3]; 3];
        if self.is_outside(c) {
            return gradient;
        }
        for axis in 0..3 {
            let last = self.size[axis] as f64 - 1.0;
            let at = |v: f64| {
                let mut c = c;
                c[axis] = v.clamp(0.0, last);
                (c[axis], self.at_index(c))
            };
            let ((low, before), (high, after)) = (at(c[axis] - 1.0), at(c[axis] + 1.0));
            if high > low {
                for (i, row) in gradient.iter_mut().enumerate() {
                    row[axis] = (after[i] - before[i]) / (high - low);
                }
            }
        }
        gradient
    }
}

dispatched! {
    fn displace[](grid: &Grid<'_>, points: &mut [Vec<f64>; 3]) {
        let [xs, ys, zs] = points;
        for ((x, y), z) in xs.iter_mut().zip(ys).zip(zs) {
            let d = grid.at([*x, *y, *z]);
            *x += d[0];
            *y += d[1];
            *z += d[2];
        }
    }
}
