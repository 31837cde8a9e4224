//! A displacement field that is a cubic B-spline of control points.
//!
//! Along a row of voxels that runs along an axis of the mesh the other two axes are constants:
//! sixteen taps per control point of that axis leave one cubic polynomial per knot interval and
//! component, and a voxel costs three steps of Horner's rule per component.
//!
//! # Reference
//!
//! Rueckert et al., Nonrigid registration using free-form deformations, IEEE TMI 18 (1999) 712. The
//! domain is that of ITK's BSplineTransformInitializer.

use std::ops::Range;

use ndarray::{Array4, ArrayView4};

use super::{FieldError, bounds_of, is_usable, jacobian, lower};
use crate::Affine;
use crate::element::floor_f64;
use crate::resample::inside::coordinate;
use crate::resample::{check_size, spline};
use crate::simd::dispatched;

/// How far, in mesh intervals, a row may stray from an axis of the mesh that it runs along.
const STRAY: f64 = 1e-9;

/// Voxels whose determinants are found side by side.
const LANES: usize = 8;

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

    /// Moves points of the world, given by their coordinates.
    pub(in crate::resample) fn displace(&self, points: &mut [Vec<f64>; 3]) {
        displace(self, points);
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

    #[inline(always)]
    fn at_mesh(&self, u: [f64; 3]) -> [f64; 3] {
        self.weighted(u, None)
    }

    /// The displacement at a mesh coordinate, or its slope along an axis of the mesh.
    #[inline(always)]
    fn weighted(&self, u: [f64; 3], slope: Option<usize>) -> [f64; 3] {
        let mut sum = [0.0; 3];
        let (Some((x, fx)), Some((y, fy)), Some((z, fz))) = (
            self.interval(0, u[0]),
            self.interval(1, u[1]),
            self.interval(2, u[2]),
        ) else {
            return sum;
        };
        let (wx, wy) = (weights(fx, slope == Some(0)), weights(fy, slope == Some(1)));
        let wz = weights(fz, slope == Some(2));
        let [mx, my, _] = self.points;
        for (k, wz) in wz.iter().enumerate() {
            let mut slice = [0.0; 3];
            for (l, wy) in wy.iter().enumerate() {
                let start = ((z + k) * my + (y + l)) * mx + x;
                let row = &self.control[start..start + 4];
                for i in 0..3 {
                    slice[i] += wy
                        * (((row[0][i] * wx[0] + row[1][i] * wx[1]) + row[2][i] * wx[2])
                            + row[3][i] * wx[3]);
                }
            }
            for i in 0..3 {
                sum[i] += wz * slice[i];
            }
        }
        sum
    }

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

    /// The smallest determinant at the voxels of slice `z` of a grid.
    pub(super) fn jacobian_min_of_slice(
        &self,
        world_from_index: &Affine,
        size: [usize; 3],
        z: usize,
    ) -> f64 {
        let linear = self.mesh_from_world.linear();
        let rows = self.rows(world_from_index, size[0]);
        let mesh_from_index = self.mesh_from_world * *world_from_index;
        let mut least = f64::INFINITY;
        let mut work = Work::default();
        for y in 0..size[1] {
            let found = match &rows {
                Some(rows) => {
                    let line = rows.line(y, z);
                    let is_inside = rows.slopes(&line, size[0], &mut work);
                    let runs = if is_inside { work.runs.as_slice() } else { &[] };
                    // Voxels outside the domain stay.
                    let seen: usize = runs.iter().map(|run| run.voxels.len()).sum();
                    let outside = if seen < size[0] { 1.0 } else { f64::INFINITY };
                    if seen == 0 {
                        outside
                    } else {
                        lower(outside, jacobian_of_row(rows, &line, &work, &linear))
                    }
                }
                None => jacobian_of_points(self, &mesh_from_index, [y, z], size[0], &linear),
            };
            least = lower(found, least);
        }
        least
    }
}

/// The weights of the four control points around a sample, or their slopes.
#[inline(always)]
fn weights(f: f64, slope: bool) -> [f64; 4] {
    if !slope {
        return spline::weights(f);
    }
    let g = 1.0 - f;
    [
        -0.5 * (g * g),
        f * (1.5 * f - 2.0),
        g * (2.0 - 1.5 * g),
        0.5 * (f * f),
    ]
}

/// One knot interval along a row: per component the coefficients of a polynomial, constant first.
type Cubic = [[f64; 4]; 3];

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
        points: &mut [Vec<f64>; 3],
    ) {
        let line = self.line(y, z);
        if self.cubics(&line, None, &mut work.collapsed, &mut work.cubics[0]) {
            self.runs(&line, points[0].len(), &mut work.runs);
            displace_row(self, &line, work, points);
        }
    }

    /// The polynomials of the row, of the field or of its slope along one of the other two axes;
    /// false where the row lies outside the domain on one of those.
    fn cubics(
        &self,
        line: &Line,
        slope: Option<usize>,
        collapsed: &mut Vec<[f64; 3]>,
        cubics: &mut Vec<Cubic>,
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
        let (wb, wc) = (weights(fb, slope == Some(b)), weights(fc, slope == Some(c)));
        let points = field.points[self.along];
        collapsed.clear();
        collapsed.resize(points, [0.0; 3]);
        for (l, wc) in wc.iter().enumerate() {
            for (j, wb) in wb.iter().enumerate() {
                let control = &field.control[start + j * strides[b] + l * strides[c]..];
                let weight = wc * wb;
                if self.along == 0 {
                    let control = control[..points].as_flattened();
                    for (sum, v) in collapsed.as_flattened_mut().iter_mut().zip(control) {
                        *sum += weight * v;
                    }
                } else {
                    let control = control.iter().step_by(strides[self.along]);
                    for (sum, v) in collapsed.iter_mut().zip(control) {
                        for i in 0..3 {
                            sum[i] += weight * v[i];
                        }
                    }
                }
            }
        }
        cubics.clear();
        for four in collapsed.windows(4) {
            cubics.push(std::array::from_fn(|i| {
                let [p, q, r, s] = [four[0][i], four[1][i], four[2][i], four[3][i]];
                [
                    ((p + 4.0 * q) + r) / 6.0,
                    (r - p) / 2.0,
                    ((p - 2.0 * q) + r) / 2.0,
                    ((s - p) + 3.0 * (q - r)) / 6.0,
                ]
            }));
        }
        true
    }

    /// Prepares the slopes of a row; false where it lies outside the domain.
    fn slopes(&self, line: &Line, width: usize, work: &mut Work) -> bool {
        let slopes = [None, Some(self.across()[0]), Some(self.across()[1])];
        let is_inside = work
            .cubics
            .iter_mut()
            .zip(slopes)
            .all(|(cubics, slope)| self.cubics(line, slope, &mut work.collapsed, cubics));
        if is_inside {
            self.runs(line, width, &mut work.runs);
        }
        is_inside
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

/// What the rows of a slab use in turn.
#[derive(Default)]
pub(in crate::resample) struct Work {
    /// The polynomials of the field, and of its slopes along the other two axes of the mesh.
    cubics: [Vec<Cubic>; 3],
    /// The sums over the other two axes per control point of the axis along the row.
    collapsed: Vec<[f64; 3]>,
    runs: Vec<Run>,
}

#[inline(always)]
fn value([a, b, c, d]: [f64; 4], t: f64) -> f64 {
    a + t * (b + t * (c + t * d))
}

#[inline(always)]
fn slope([_, b, c, d]: [f64; 4], t: f64) -> f64 {
    b + t * (2.0 * c + t * (3.0 * d))
}

dispatched! {
    fn displace_row[](rows: &Rows<'_>, line: &Line, work: &Work, points: &mut [Vec<f64>; 3]) {
        let [xs, ys, zs] = points;
        for Run { interval, voxels } in &work.runs {
            let [px, py, pz] = work.cubics[0][*interval];
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
    fn displace[](field: &BSpline, points: &mut [Vec<f64>; 3]) {
        let rows = field.mesh_from_world.rows();
        let [xs, ys, zs] = points;
        for ((x, y), z) in xs.iter_mut().zip(ys).zip(zs) {
            let d = field.at_mesh([
                coordinate(&rows[0], *x, *y, *z),
                coordinate(&rows[1], *x, *y, *z),
                coordinate(&rows[2], *x, *y, *z),
            ]);
            *x += d[0];
            *y += d[1];
            *z += d[2];
        }
    }
}

dispatched! {
    fn jacobian_of_row[](
        rows: &Rows<'_>,
        line: &Line,
        work: &Work,
        linear: &[[f64; 3]; 3],
    ) -> f64 {
        // Several minima side by side, so that the loop vectorises.
        let mut lanes = [f64::INFINITY; LANES];
        // In the order of the polynomials: along the row first.
        let [b, c] = rows.across();
        let linear = [linear[rows.along], linear[b], linear[c]];
        for Run { interval, voxels } in &work.runs {
            let [here, to_b, to_c] = &work.cubics;
            let (here, to_b, to_c) = (&here[*interval], &to_b[*interval], &to_c[*interval]);
            for first in voxels.clone().step_by(LANES) {
                // Voxels beyond the last one repeat it.
                let beyond = (voxels.end - 1 - first) as f64;
                let mut t = [0.0; LANES];
                for (j, t) in t.iter_mut().enumerate() {
                    let j = f64::from(j as i32);
                    let x = first as f64 + if j < beyond { j } else { beyond };
                    *t = rows.along_at(line, x, 0) - *interval as f64;
                }
                for (t, lane) in t.iter().zip(&mut lanes) {
                    let mut gradient = [[0.0; 3]; 3];
                    for i in 0..3 {
                        let (along, b) = (slope(here[i], *t), value(to_b[i], *t));
                        gradient[i] = [along, b, value(to_c[i], *t)];
                    }
                    *lane = lower(jacobian(&gradient, &linear), *lane);
                }
            }
        }
        let mut least = f64::INFINITY;
        for lane in lanes {
            least = lower(lane, least);
        }
        least
    }
}

dispatched! {
    fn jacobian_of_points[](
        field: &BSpline,
        mesh_from_index: &Affine,
        line: [usize; 2],
        width: usize,
        linear: &[[f64; 3]; 3],
    ) -> f64 {
        let [y, z] = line;
        let mut least = f64::INFINITY;
        for x in 0..width {
            let u = mesh_from_index.apply([x as f64, y as f64, z as f64]);
            let mut gradient = [[0.0; 3]; 3];
            for axis in 0..3 {
                for (row, d) in gradient.iter_mut().zip(field.weighted(u, Some(axis))) {
                    row[axis] = d;
                }
            }
            least = lower(jacobian(&gradient, linear), least);
        }
        least
    }
}
