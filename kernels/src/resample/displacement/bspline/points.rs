//! Any points: all sixty-four control points around each.
//!
//! Neighbouring points mostly lie in the same cell of the mesh. They go by lanes, which read the
//! same control points.

use super::BSpline;
use crate::Affine;
use crate::element::floor_f64;
use crate::resample::displacement::folding::{Gradients, LANES, Search};
use crate::resample::inside::coordinate;
use crate::resample::points::Points;
use crate::resample::reads::BLOCK;
use crate::simd::dispatched;

/// Where up to [`BLOCK`] points lie in the mesh.
struct Places {
    /// The first control point around each, below zero beyond the domain.
    first: [f64; BLOCK],
    /// The way into the cell along each axis.
    fractions: [[f64; BLOCK]; 3],
}

impl Places {
    /// The end of the run of points in one cell that begins at `start`, of the first `count`.
    #[inline(always)]
    fn end_of_run(&self, start: usize, count: usize) -> usize {
        let rest = &self.first[start..count];
        let run = rest.iter().take_while(|first| **first == rest[0]);
        start + run.count()
    }

    /// The ways of [`LANES`] points from `start` on; those beyond `end` repeat the last one.
    #[inline(always)]
    fn ways(&self, start: usize, end: usize) -> [[f64; LANES]; 3] {
        let mut ways = [[0.0; LANES]; 3];
        for (ways, fractions) in ways.iter_mut().zip(&self.fractions) {
            if start + LANES <= end {
                ways.copy_from_slice(&fractions[start..start + LANES]);
            } else {
                for (l, way) in ways.iter_mut().enumerate() {
                    *way = fractions[(start + l).min(end - 1)];
                }
            }
        }
        ways
    }
}

/// What is found for the points of a block along each axis.
type Found = [[f64; BLOCK + LANES]; 3];

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
        let mut found: Found = [[0.0; BLOCK + LANES]; 3];
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
            let mut start = 0;
            while start < count {
                let end = places.end_of_run(start, count);
                let first = places.first[start];
                if first < 0.0 {
                    for found in &mut found {
                        found[start..end].fill(0.0);
                    }
                } else {
                    let cell = field.cell(first as usize);
                    for start in (start..end).step_by(LANES) {
                        let [x, y, z] = places.ways(start, end);
                        let mut values = [[0.0; LANES]; 3];
                        for l in 0..LANES {
                            let d = cell.value([x[l], y[l], z[l]]);
                            values[0][l] = d[0];
                            values[1][l] = d[1];
                            values[2][l] = d[2];
                        }
                        // Lanes beyond the end are overwritten by the next run.
                        for (found, values) in found.iter_mut().zip(values) {
                            found[start..start + LANES].copy_from_slice(&values);
                        }
                    }
                }
                start = end;
            }
            for (points, found) in [xs, ys, zs].into_iter().zip(&found) {
                for (p, d) in points.iter_mut().zip(found) {
                    *p += d;
                }
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
            let mut start = 0;
            while start < count {
                let end = places.end_of_run(start, count);
                let first = places.first[start];
                if first < 0.0 {
                    // Voxels outside the domain stay.
                    search.see(&Gradients::NONE);
                } else {
                    let cell = field.cell(first as usize);
                    for start in (start..end).step_by(LANES) {
                        let [x, y, z] = places.ways(start, end);
                        let mut gradients = Gradients::NONE;
                        for l in 0..LANES {
                            gradients.set(l, cell.slopes([x[l], y[l], z[l]]));
                        }
                        search.see(&gradients);
                    }
                }
                start = end;
            }
        }
    }
}
