//! Displacements on a regular grid, linear in between.

use ndarray::Array3;

use super::folding::{Gradients, LANES, Search, along_world};
use super::{FieldError, bounds_of, is_usable};
use crate::Affine;
use crate::element::floor_f64;
use crate::resample::fold::{Fold, Rule};
use crate::resample::inside::coordinate;
use crate::resample::points::Points;
use crate::resample::reads::{BLOCK, Pairs, Reads};
use crate::resample::{check_size, lerp};
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

/// Differences over less than this, in voxels, are rounding: the ends of the grid have cut them off.
const SHORTEST: f64 = 1e-6;

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

    pub(super) fn at(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        let rows = self.index_from_world.rows();
        let c = [0, 1, 2].map(|a| coordinate(&rows[a], x, y, z));
        let (nz, ny, nx) = self.components[0].dim();
        let inside = |a: usize, n: usize| -0.5 <= c[a] && c[a] <= n as f64 - 0.5;
        let is_inside = inside(0, nx) && inside(1, ny) && inside(2, nz);
        if self.outside == Outside::Identity && !is_inside {
            return [0.0; 3];
        }
        // The two taps along an axis and the way from the first.
        let cell = |a: usize, n: usize| {
            let last = n as f64 - 1.0;
            let v = if c[a] > 0.0 { c[a] } else { 0.0 };
            let v = if v < last { v } else { last };
            let tap = (floor_f64(v) as usize).min(n.saturating_sub(2));
            (tap, (tap + 1).min(n - 1), v - tap as f64)
        };
        let ((x, x1, fx), (y, y1, fy), (z, z1, fz)) = (cell(0, nx), cell(1, ny), cell(2, nz));
        [0, 1, 2].map(|i| {
            let v = |z, y, x| f64::from(self.components[i][[z, y, x]]);
            let row = |z, y| lerp(v(z, y, x), v(z, y, x1), fx);
            let slice = |z| lerp(row(z, y), row(z, y1), fy);
            lerp(slice(z), slice(z1), fz)
        })
    }

    /// Moves points of the world, given by their coordinates.
    pub(in crate::resample) fn displace(&self, points: &mut Points) {
        displace(&self.grid(&self.folds()), points);
    }

    /// The axes of the grid, of which the end voxels are repeated.
    fn folds(&self) -> [Fold; 3] {
        let (nz, ny, nx) = self.components[0].dim();
        [nx, ny, nz].map(|n| Fold::new(Rule::Clamp, n, 0, 0.0))
    }

    fn grid<'a>(&'a self, folds: &'a [Fold; 3]) -> Grid<'a> {
        let components = self.components.each_ref();
        Grid {
            reads: components.map(|component| Reads::new(component.view(), folds, [0.0; 3])),
            size: folds.map(|fold| fold.source),
            map: self.index_from_world,
            ends: self.outside == Outside::Identity,
        }
    }

    /// The field times a number.
    pub(super) fn scaled(&self, factor: f64) -> Result<Self, FieldError> {
        let components =
            [0, 1, 2].map(|i| self.components[i].mapv(|v| (f64::from(v) * factor) as f32));
        Self::new(components, self.index_from_world, self.outside)
    }

    /// Looks at the Jacobians at the voxels of slice `z` of a grid.
    pub(super) fn search_slice<S: Search>(
        &self,
        world_from_index: &Affine,
        size: [usize; 3],
        z: usize,
        search: &mut S,
    ) {
        let folds = self.folds();
        let grid = self.grid(&folds);
        let here_from_index = self.index_from_world * *world_from_index;
        let is_own = size == grid.size && is_identity(&here_from_index, size);
        // Arrays in standard layout are slices.
        let components = self.components.each_ref();
        let components = components.map(|component| component.as_slice().unwrap_or_default());
        let linear = self.index_from_world.linear();
        let mut slopes = [(); 9].map(|()| vec![0.0; size[0].next_multiple_of(LANES)]);
        for y in 0..size[1] {
            if is_own {
                slopes_of_own_row(&components, size, (y, z), &mut slopes);
            } else {
                slopes_of_row(&grid, &here_from_index, (y, z), size[0], &mut slopes);
            }
            search_slopes(&slopes, &linear, search);
        }
    }
}

/// Whether a map leaves every voxel of a grid within 1e-9 voxel.
fn is_identity(map: &Affine, size: [usize; 3]) -> bool {
    let reach = [size[0] as f64, size[1] as f64, size[2] as f64, 1.0];
    map.rows()
        .iter()
        .zip(Affine::IDENTITY.rows())
        .all(|(row, unit)| {
            let entries = row.iter().zip(unit).zip(reach);
            entries
                .map(|((a, b), reach)| (a - b).abs() * reach)
                .sum::<f64>()
                < 1e-9
        })
}

/// The field as the inner loops see it.
struct Grid<'a> {
    /// The components. They have the same shape, so that their taps lie at the same offsets.
    reads: [Reads<'a, f32>; 3],
    size: [usize; 3],
    map: Affine,
    ends: bool,
}

/// Indices of a grid, along each of its axes.
type Indices = [[f64; BLOCK]; 3];

impl Grid<'_> {
    /// The displacements at `count` indices.
    #[inline(always)]
    fn values(&self, indices: &Indices, count: usize, pairs: &mut Pairs<f32>) -> Indices {
        let points = [0, 1, 2].map(|axis| &indices[axis][..count]);
        let cells = self.reads[0].cells(2, &points, 0, count);
        let mut values = [[0.0; BLOCK]; 3];
        for (values, reads) in values.iter_mut().zip(&self.reads) {
            // SAFETY: the cells are those of two taps, of a component of the same shape.
            *values = unsafe { reads.linear(&cells, pairs, f64::from) };
        }
        values
    }

    /// 0 for indices where nothing moves, and 1 for the others.
    #[inline(always)]
    fn presence(&self, indices: &Indices) -> [f64; BLOCK] {
        let mut presence = [1.0; BLOCK];
        if self.ends {
            for (indices, n) in indices.iter().zip(self.size) {
                let high = n as f64 - 0.5;
                for (v, c) in presence.iter_mut().zip(indices) {
                    *v = if -0.5 <= *c && *c <= high { *v } else { 0.0 };
                }
            }
        }
        presence
    }
}

dispatched! {
    fn displace[](grid: &Grid<'_>, points: &mut Points) {
        let rows = *grid.map.rows();
        let [xs, ys, zs] = points;
        let mut pairs = [[[0.0; 2]; BLOCK]; 4];
        for ((xs, ys), zs) in
            xs.chunks_mut(BLOCK).zip(ys.chunks_mut(BLOCK)).zip(zs.chunks_mut(BLOCK))
        {
            let mut indices = [[0.0; BLOCK]; 3];
            for (indices, row) in indices.iter_mut().zip(&rows) {
                for (((c, x), y), z) in indices.iter_mut().zip(&*xs).zip(&*ys).zip(&*zs) {
                    *c = coordinate(row, *x, *y, *z);
                }
            }
            let values = grid.values(&indices, xs.len(), &mut pairs);
            let presence = grid.presence(&indices);
            for (points, values) in [xs, ys, zs].into_iter().zip(&values) {
                for ((p, d), presence) in points.iter_mut().zip(values).zip(&presence) {
                    *p += if *presence > 0.0 { *d } else { 0.0 };
                }
            }
        }
    }
}

/// The slopes on a row, of component i along axis j of the grid in entry `3 i + j`. They are as
/// long as a multiple of [`LANES`] that holds the row; voxels beyond the last one repeat it.
type Slopes = [Vec<f64>; 9];

dispatched! {
    /// Differences over two voxels of the field at the voxels of a row of some grid.
    fn slopes_of_row[](
        grid: &Grid<'_>,
        here_from_index: &Affine,
        line: (usize, usize),
        width: usize,
        slopes: &mut Slopes,
    ) {
        let (y, z) = (line.0 as f64, line.1 as f64);
        let last = width as f64 - 1.0;
        let mut pairs = [[[0.0; 2]; BLOCK]; 4];
        for from in (0..width).step_by(BLOCK) {
            let mut indices = [[0.0; BLOCK]; 3];
            for (indices, row) in indices.iter_mut().zip(here_from_index.rows()) {
                for (j, c) in indices.iter_mut().enumerate() {
                    let x = from as f64 + f64::from(j as i32);
                    *c = coordinate(row, if x < last { x } else { last }, y, z);
                }
            }
            let presence = grid.presence(&indices);
            for axis in 0..3 {
                let end = grid.size[axis] as f64 - 1.0;
                let (mut before, mut after) = (indices, indices);
                for j in 0..BLOCK {
                    let c = indices[axis][j];
                    before[axis][j] = (c - 1.0).clamp(0.0, end);
                    after[axis][j] = (c + 1.0).clamp(0.0, end);
                }
                let low = grid.values(&before, BLOCK, &mut pairs);
                let high = grid.values(&after, BLOCK, &mut pairs);
                for i in 0..3 {
                    let slopes = slopes[3 * i + axis][from..].iter_mut();
                    for (j, slope) in slopes.take(BLOCK).enumerate() {
                        let reach = after[axis][j] - before[axis][j];
                        let is_slope = reach > SHORTEST && presence[j] > 0.0;
                        *slope = if is_slope { (high[i][j] - low[i][j]) / reach } else { 0.0 };
                    }
                }
            }
        }
    }
}

dispatched! {
    /// The same for a row of the field's own grid, where no voxel has to be mixed.
    fn slopes_of_own_row[](
        components: &[&[f32]; 3],
        size: [usize; 3],
        line: (usize, usize),
        slopes: &mut Slopes,
    ) {
        let [nx, ny, nz] = size;
        let (y, z) = line;
        let row = |y: usize, z: usize| (z * ny + y) * nx..(z * ny + y + 1) * nx;
        // A voxel before, one behind, and one over the distance; at an end the voxel itself.
        let around = |k: usize, n: usize| {
            let (low, high) = (k.saturating_sub(1), (k + 1).min(n - 1));
            (low, high, if high > low { 1.0 / (high - low) as f64 } else { 0.0 })
        };
        let ((above, below, by_y), (front, back, by_z)) = (around(y, ny), around(z, nz));
        for (i, component) in components.iter().enumerate() {
            let [along, down, through] = [0, 1, 2].map(|j| 3 * i + j);
            let here = &component[row(y, z)];
            for (slope, pair) in slopes[along][1..].iter_mut().zip(here.windows(3)) {
                *slope = 0.5 * (f64::from(pair[2]) - f64::from(pair[0]));
            }
            for x in [0, nx - 1] {
                let (low, high, by_x) = around(x, nx);
                slopes[along][x] = by_x * (f64::from(here[high]) - f64::from(here[low]));
            }
            for (at, low, high, by) in [
                (down, row(above, z), row(below, z), by_y),
                (through, row(y, front), row(y, back), by_z),
            ] {
                let (low, high) = (&component[low], &component[high]);
                for ((slope, low), high) in slopes[at].iter_mut().zip(low).zip(high) {
                    *slope = by * (f64::from(*high) - f64::from(*low));
                }
            }
        }
        for slopes in slopes {
            let last = slopes[nx - 1];
            slopes[nx..].fill(last);
        }
    }
}

dispatched! {
    fn search_slopes[S: Search](slopes: &Slopes, grid: &[[f64; 3]; 3], search: &mut S) {
        for chunk in 0..slopes[0].len() / LANES {
            let of = |at: usize| slopes[at].as_chunks::<LANES>().0[chunk];
            let (ax, ay, az) = (of(0), of(1), of(2));
            let (bx, by, bz) = (of(3), of(4), of(5));
            let (cx, cy, cz) = (of(6), of(7), of(8));
            let mut gradients = Gradients::NONE;
            for l in 0..LANES {
                let (a, b) = ([ax[l], ay[l], az[l]], [bx[l], by[l], bz[l]]);
                gradients.set(l, along_world(&[a, b, [cx[l], cy[l], cz[l]]], grid));
            }
            search.see(&gradients);
        }
    }
}
