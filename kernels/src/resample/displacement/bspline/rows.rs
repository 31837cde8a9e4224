//! Rows of voxels along an axis of the mesh.
//!
//! On such a row the coordinates on the other two axes are constants: sixteen taps per control
//! point of the axis leave one cubic polynomial per knot interval and component, and a voxel costs
//! three steps of Horner's rule per component.

use std::ops::Range;

use super::{BSpline, slopes};
use crate::Affine;
use crate::element::floor_f64;
use crate::resample::displacement::folding::{Gradients, LANES, Search};
use crate::resample::inside::coordinate;
use crate::resample::points::Points;
use crate::resample::spline;
use crate::simd::dispatched;

/// How far, in mesh intervals, a row may stray from an axis of the mesh that it runs along.
const STRAY: f64 = 1e-9;

impl BSpline {
    /// How the rows of a grid run through the mesh, where that is along one of its axes.
    pub(in crate::resample) fn rows(
        &self,
        world_from_index: &Affine,
        width: usize,
    ) -> Option<Rows<'_>> {
        let mesh_from_index = self.mesh_from_world * *world_from_index;
        let step = mesh_from_index.column(0);
        let strays = |a: usize| step[a].abs() * width as f64 > STRAY;
        let along = (0..3).find(|a| strays(*a)).unwrap_or(0);
        if (along + 1..3).any(strays) {
            return None;
        }
        Some(Rows {
            field: self,
            mesh_from_index,
            along,
        })
    }
}

/// A polynomial on a knot interval: its coefficients, constant first.
type Cubic = [f64; 4];

/// Those of a row: per coefficient, that of component i in interval k in entry `3 k + i`.
#[derive(Default)]
struct Cubics([Vec<f64>; 4]);

impl Cubics {
    #[inline(always)]
    fn at(&self, interval: usize, component: usize) -> Cubic {
        let [a, b, c, d] = &self.0;
        let at = 3 * interval + component;
        [a[at], b[at], c[at], d[at]]
    }
}

/// The rows of a grid, along an axis of the mesh.
pub(in crate::resample) struct Rows<'a> {
    field: &'a BSpline,
    mesh_from_index: Affine,
    /// The axis of the mesh.
    along: usize,
}

/// One row: its mesh coordinates, of which that along the row is affine in x.
struct Line {
    start: [f64; 3],
    y: f64,
    z: f64,
}

impl Rows<'_> {
    fn line(&self, y: usize, z: usize) -> Line {
        let (y, z) = (y as f64, z as f64);
        let rows = self.mesh_from_index.rows();
        Line {
            start: [0, 1, 2].map(|a| coordinate(&rows[a], 0.0, y, z)),
            y,
            z,
        }
    }

    /// Moves the points of row `y` of slice `z`, of which the first belongs to voxel 0.
    pub(in crate::resample) fn displace(
        &self,
        (y, z): (usize, usize),
        work: &mut Work,
        points: &mut Points,
    ) {
        let line = self.line(y, z);
        if self.cubics(&line, None, &mut work.collapsed, &mut work.cubics[0]) {
            self.update_runs(&line, points[0].len(), work);
            displace_row(self, &line, work, points);
        }
    }

    /// The polynomials of the row, of the field or of its slope along one of the other two axes;
    /// false where the row lies outside the domain on one of those.
    fn cubics(
        &self,
        line: &Line,
        slope: Option<usize>,
        collapsed: &mut Vec<f64>,
        cubics: &mut Cubics,
    ) -> bool {
        let field = self.field;
        let [b, c] = self.across();
        let (Some((first_b, fb)), Some((first_c, fc))) = (
            field.interval(b, line.start[b]),
            field.interval(c, line.start[c]),
        ) else {
            return false;
        };
        let [mx, my, _] = field.points;
        let strides = [1, mx, mx * my];
        let start = first_b * strides[b] + first_c * strides[c];
        let weights = |axis: usize, f: f64| {
            if slope == Some(axis) {
                slopes(f)
            } else {
                spline::weights(f)
            }
        };
        let (wb, wc) = (weights(b, fb), weights(c, fc));
        let mut taps = [(0.0, [].as_slice()); 16];
        for (t, (weight, control)) in taps.iter_mut().enumerate() {
            let (j, l) = (t % 4, t / 4);
            *weight = wc[l] * wb[j];
            *control = &field.control[start + j * strides[b] + l * strides[c]..];
        }
        collapse(
            &taps,
            strides[self.along],
            field.points[self.along],
            collapsed,
        );
        find_cubics(collapsed, cubics);
        true
    }

    /// Looks at the Jacobians at the voxels of row `y` of slice `z`, `width` of them, of a field in
    /// units of the mesh.
    pub(super) fn search<S: Search>(
        &self,
        (y, z): (usize, usize),
        width: usize,
        work: &mut Work,
        search: &mut S,
    ) {
        let line = self.line(y, z);
        let [b, c] = self.across();
        let is_inside = work
            .cubics
            .iter_mut()
            .zip([None, Some(b), Some(c)])
            .all(|(cubics, slope)| self.cubics(&line, slope, &mut work.collapsed, cubics));
        let mut seen = 0;
        if is_inside {
            self.update_runs(&line, width, work);
            search_runs(self, &line, work, search);
            seen = work.runs.iter().map(|run| run.voxels.len()).sum();
        }
        if seen < width {
            // Voxels outside the domain stay.
            search.see(&Gradients::NONE);
        }
    }

    /// The other two axes of the mesh.
    #[inline(always)]
    fn across(&self) -> [usize; 2] {
        [[1, 2], [0, 2], [0, 1]][self.along]
    }

    /// The mesh coordinate along the row of voxel `x + j`.
    #[inline(always)]
    fn along_at(&self, line: &Line, x: f64, j: usize) -> f64 {
        let row = &self.mesh_from_index.rows()[self.along];
        coordinate(row, x + f64::from(j as i32), line.y, line.z)
    }

    /// Finds the knot intervals on the row, unless they are those of the row before.
    fn update_runs(&self, line: &Line, width: usize, work: &mut Work) {
        let [_, to_y, to_z, _] = self.mesh_from_index.rows()[self.along];
        let key = Some((to_y * line.y, to_z * line.z, width));
        if work.runs_of != key {
            work.runs_of = key;
            self.runs(line, width, &mut work.runs);
        }
    }

    /// The knot intervals on the row, `width` voxels long.
    ///
    /// Mesh coordinates rise or fall along the row, so that the voxels of an interval are
    /// neighbours.
    fn runs(&self, line: &Line, width: usize, runs: &mut Vec<Run>) {
        let intervals = self.field.points[self.along] - 3;
        // 0 before the domain, interval + 1 inside, and one more beyond
        let place = |x: usize| {
            let u = self.along_at(line, x as f64, 0);
            if u > intervals as f64 {
                intervals + 1
            } else if u >= 0.0 {
                (floor_f64(u) as usize).min(intervals - 1) + 1
            } else {
                0
            }
        };
        runs.clear();
        let mut start = 0;
        while start < width {
            let here = place(start);
            // Doubling steps, then halving: the first voxel elsewhere.
            let mut step = 1;
            while start + step < width && place(start + step) == here {
                step *= 2;
            }
            let (mut low, mut high) = (start + step / 2 + 1, (start + step).min(width));
            while low < high {
                let middle = low + (high - low) / 2;
                if place(middle) == here {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            if (1..=intervals).contains(&here) {
                runs.push(Run {
                    interval: here - 1,
                    voxels: start..high,
                });
            }
            start = high;
        }
    }
}

/// Neighbouring voxels of a row that lie in one knot interval.
struct Run {
    interval: usize,
    voxels: Range<usize>,
}

/// What the rows of a slab, of one grid and one field, use in turn.
#[derive(Default)]
pub(in crate::resample) struct Work {
    /// The polynomials of the field, and of its slopes along the other two axes of the mesh.
    cubics: [Cubics; 3],
    /// The sums over the other two axes, three components per control point of the axis along the
    /// row.
    collapsed: Vec<f64>,
    runs: Vec<Run>,
    /// What the runs depend on: the terms of y and z of the mesh coordinate, and the width.
    runs_of: Option<(f64, f64, usize)>,
}

dispatched! {
    /// Sums up sixteen lines of `points` control points, `stride` apart, by weight.
    fn collapse[](
        taps: &[(f64, &[[f64; 3]]); 16],
        stride: usize,
        points: usize,
        collapsed: &mut Vec<f64>,
    ) {
        let n = 3 * points;
        collapsed.resize(n, 0.0);
        if stride == 1 {
            // There are at least twelve; the last block overlaps with the one before.
            for start in (0..n).step_by(LANES) {
                let start = start.min(n - LANES);
                let mut sums = [0.0; LANES];
                for (weight, control) in taps {
                    let control = &control.as_flattened()[start..start + LANES];
                    for (sum, v) in sums.iter_mut().zip(control) {
                        *sum += weight * v;
                    }
                }
                collapsed[start..start + LANES].copy_from_slice(&sums);
            }
            return;
        }
        collapsed.fill(0.0);
        for (weight, control) in taps {
            let control = control.iter().step_by(stride);
            for (sum, v) in collapsed.as_chunks_mut::<3>().0.iter_mut().zip(control) {
                for i in 0..3 {
                    sum[i] += weight * v[i];
                }
            }
        }
    }
}

dispatched! {
    /// The polynomials of the intervals between the control points.
    fn find_cubics[](collapsed: &[f64], cubics: &mut Cubics) {
        let n = collapsed.len() - 9;
        let [p, q, r, s] = [0, 3, 6, 9].map(|start| &collapsed[start..start + n]);
        for coefficients in &mut cubics.0 {
            coefficients.resize(n, 0.0);
        }
        let [a, b, c, d] = &mut cubics.0;
        let (a, b, c, d) = (&mut a[..n], &mut b[..n], &mut c[..n], &mut d[..n]);
        let sixth = 1.0 / 6.0;
        for k in 0..n {
            a[k] = sixth * ((p[k] + 4.0 * q[k]) + r[k]);
            b[k] = 0.5 * (r[k] - p[k]);
            c[k] = 0.5 * ((p[k] - 2.0 * q[k]) + r[k]);
            d[k] = sixth * ((s[k] - p[k]) + 3.0 * (q[k] - r[k]));
        }
    }
}

#[inline(always)]
fn value([a, b, c, d]: Cubic, t: f64) -> f64 {
    a + t * (b + t * (c + t * d))
}

#[inline(always)]
fn slope_of([_, b, c, d]: Cubic) -> Cubic {
    [b, 2.0 * c, 3.0 * d, 0.0]
}

dispatched! {
    fn displace_row[](rows: &Rows<'_>, line: &Line, work: &Work, points: &mut Points) {
        let [xs, ys, zs] = points;
        for Run { interval, voxels } in &work.runs {
            let cubics = &work.cubics[0];
            let (px, py) = (cubics.at(*interval, 0), cubics.at(*interval, 1));
            let pz = cubics.at(*interval, 2);
            let (first, knot) = (voxels.start as f64, *interval as f64);
            let (xs, ys) = (&mut xs[voxels.clone()], &mut ys[voxels.clone()]);
            let zs = &mut zs[voxels.clone()];
            for (j, ((x, y), z)) in xs.iter_mut().zip(ys).zip(zs).enumerate() {
                let t = rows.along_at(line, first, j) - knot;
                *x += value(px, t);
                *y += value(py, t);
                *z += value(pz, t);
            }
        }
    }
}

dispatched! {
    fn search_runs[S: Search](rows: &Rows<'_>, line: &Line, work: &Work, search: &mut S) {
        // Components and axes in the same order: along the row first.
        let (a, [b, c]) = (rows.along, rows.across());
        let [here, to_b, to_c] = &work.cubics;
        for Run { interval, voxels } in &work.runs {
            // Spelt out: arrays of arrays are not vectorised.
            let (p, dp_b, dp_c) = (here.at(*interval, a), to_b.at(*interval, a), to_c.at(*interval, a));
            let (q, dq_b, dq_c) = (here.at(*interval, b), to_b.at(*interval, b), to_c.at(*interval, b));
            let (r, dr_b, dr_c) = (here.at(*interval, c), to_b.at(*interval, c), to_c.at(*interval, c));
            let (dp, dq, dr) = (slope_of(p), slope_of(q), slope_of(r));
            let knot = *interval as f64;
            for first in voxels.clone().step_by(LANES) {
                // Voxels beyond the last one repeat it.
                let beyond = (voxels.end - 1 - first) as f64;
                let mut t = [0.0; LANES];
                for (j, t) in t.iter_mut().enumerate() {
                    let j = f64::from(j as i32);
                    let x = first as f64 + if j < beyond { j } else { beyond };
                    *t = rows.along_at(line, x, 0) - knot;
                }
                let mut gradients = Gradients::NONE;
                for (l, t) in t.into_iter().enumerate() {
                    gradients.set(l, [
                        [value(dp, t), value(dp_b, t), value(dp_c, t)],
                        [value(dq, t), value(dq_b, t), value(dq_c, t)],
                        [value(dr, t), value(dr_b, t), value(dr_c, t)],
                    ]);
                }
                search.see(&gradients);
            }
        }
    }
}
