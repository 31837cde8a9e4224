//! Any points: all sixty-four control points around each.

use super::{BSpline, mixed, slopes};
use crate::Affine;
use crate::element::floor_f64;
use crate::resample::displacement::folding::{Gradients, LANES, Search};
use crate::resample::inside::coordinate;
use crate::resample::points::Points;
use crate::resample::reads::BLOCK;
use crate::resample::spline;
use crate::simd::dispatched;

/// Where up to [`BLOCK`] points lie in the mesh.
struct Places {
    /// The first control point around each, below zero beyond the domain.
    first: [f64; BLOCK],
    /// The way into the cell along each axis.
    fractions: [[f64; BLOCK]; 3],
}

impl Places {
    /// The weights, along an axis, of the control points around each point.
    #[inline(always)]
    fn weights(&self, axis: usize) -> [[f64; 4]; BLOCK] {
        let mut found = [[0.0; 4]; BLOCK];
        for (found, fraction) in found.iter_mut().zip(&self.fractions[axis]) {
            *found = spline::weights(*fraction);
        }
        found
    }

    /// The slopes of those weights.
    #[inline(always)]
    fn slopes(&self, axis: usize) -> [[f64; 4]; BLOCK] {
        let mut found = [[0.0; 4]; BLOCK];
        for (found, fraction) in found.iter_mut().zip(&self.fractions[axis]) {
            *found = slopes(*fraction);
        }
        found
    }
}

impl BSpline {
    /// Moves points of the world, given by their coordinates.
    pub(in crate::resample) fn displace(&self, points: &mut Points) {
        displace(self, points);
    }

    /// Looks at the Jacobians at the voxels of row `y` of slice `z`, `width` of them, of a field in
    /// units of the mesh.
    pub(super) fn search_row<S: Search>(
        &self,
        world_from_index: &Affine,
        (y, z): (usize, usize),
        width: usize,
        search: &mut S,
    ) {
        let mesh_from_index = self.mesh_from_world * *world_from_index;
        search_row(self, &mesh_from_index, (y, z), width, search);
    }

    /// Finds the cells of points, given by their mesh coordinates.
    #[inline(always)]
    fn places(&self, u: &[[f64; BLOCK]; 3]) -> Places {
        let [mx, my, _] = self.points;
        let mut places = Places {
            first: [0.0; BLOCK],
            fractions: [[0.0; BLOCK]; 3],
        };
        for (axis, stride) in [1, mx, mx * my].into_iter().enumerate() {
            let intervals = (self.points[axis] - 3) as f64;
            let (stride, last) = (stride as f64, intervals - 1.0);
            for j in 0..BLOCK {
                let u = u[axis][j];
                let is_inside = 0.0 <= u && u <= intervals;
                let v = if is_inside { u } else { 0.0 };
                let cell = floor_f64(v);
                let cell = if cell < last { cell } else { last };
                places.fractions[axis][j] = v - cell;
                places.first[j] += if is_inside {
                    cell * stride
                } else {
                    f64::NEG_INFINITY
                };
            }
        }
        places
    }
}

dispatched! {
    fn displace[](field: &BSpline, points: &mut Points) {
        let rows = *field.mesh_from_world.rows();
        let [xs, ys, zs] = points;
        let mut mixes = [[0.0; 12]; BLOCK];
        for ((xs, ys), zs) in
            xs.chunks_mut(BLOCK).zip(ys.chunks_mut(BLOCK)).zip(zs.chunks_mut(BLOCK))
        {
            let count = xs.len();
            let mut u = [[0.0; BLOCK]; 3];
            for (u, row) in u.iter_mut().zip(&rows) {
                for (((u, x), y), z) in u.iter_mut().zip(&*xs).zip(&*ys).zip(&*zs) {
                    *u = coordinate(row, *x, *y, *z);
                }
            }
            let places = field.places(&u);
            let [wx, wy, wz] = [places.weights(0), places.weights(1), places.weights(2)];
            for j in 0..count {
                if places.first[j] >= 0.0 {
                    field.row_mixed(places.first[j] as usize, &wy[j], &wz[j], &mut mixes[j]);
                } else {
                    mixes[j] = [0.0; 12];
                }
            }
            for (j, ((x, y), z)) in xs.iter_mut().zip(ys).zip(zs).enumerate() {
                let d = mixed(&mixes[j], &wx[j]);
                *x += d[0];
                *y += d[1];
                *z += d[2];
            }
        }
    }
}

dispatched! {
    fn search_row[S: Search](
        field: &BSpline,
        mesh_from_index: &Affine,
        line: (usize, usize),
        width: usize,
        search: &mut S,
    ) {
        let (y, z) = (line.0 as f64, line.1 as f64);
        for from in (0..width).step_by(BLOCK) {
            let count = BLOCK.min(width - from);
            let mut u = [[0.0; BLOCK]; 3];
            for (u, row) in u.iter_mut().zip(mesh_from_index.rows()) {
                for (j, u) in u.iter_mut().enumerate() {
                    *u = coordinate(row, from as f64 + f64::from(j as i32), y, z);
                }
            }
            let places = field.places(&u);
            let [wx, wy, wz] = [places.weights(0), places.weights(1), places.weights(2)];
            let [sx, sy, sz] = [places.slopes(0), places.slopes(1), places.slopes(2)];
            for start in (0..count).step_by(LANES) {
                // Voxels outside the domain stay; those beyond the row repeat its last one.
                let mut gradients = Gradients::NONE;
                let [mut along_x, mut along_y, mut along_z] = [[[0.0; 12]; LANES]; 3];
                let rows = along_x.iter_mut().zip(&mut along_y).zip(&mut along_z);
                for (l, ((row_x, row_y), row_z)) in rows.enumerate() {
                    let j = (start + l).min(count - 1);
                    let first = places.first[j];
                    if first >= 0.0 {
                        let first = first as usize;
                        field.row_mixed(first, &wy[j], &wz[j], row_x);
                        field.row_mixed(first, &sy[j], &wz[j], row_y);
                        field.row_mixed(first, &wy[j], &sz[j], row_z);
                        let a = mixed(row_x, &sx[j]);
                        let (b, c) = (mixed(row_y, &wx[j]), mixed(row_z, &wx[j]));
                        gradients.set(l, [[a[0], b[0], c[0]], [a[1], b[1], c[1]], [a[2], b[2], c[2]]]);
                    }
                }
                search.see(&gradients);
            }
        }
    }
}
