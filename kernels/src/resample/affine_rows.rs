//! Any affine map: coordinates per voxel, eight or sixty-four taps each.

use std::ops::Range;

use ndarray::ArrayView3;

use super::fold::{Fold, Rule, nearest_index};
use super::inside::coordinate;
use super::taps::Samples;
use super::{Job, Order, RowSink, lerp, spline};
use crate::element::{floor_f64, round_f64};
use crate::simd::dispatched;
use crate::{Element, Float};

/// Outputs whose coordinates are computed together.
const BLOCK: usize = 64;

/// Every how many outputs the samples of the next row are prefetched. Processors do not foresee
/// reads that run obliquely through the source; without this they wait half of the time.
const AHEAD: usize = 8;

/// Sampling along rows under any affine map.
pub(super) struct AffineRows<'a, E> {
    job: &'a Job<'a>,
    samples: Samples<'a, E>,
    folds: &'a [Fold; 3],
}

impl<'a, E: Element> AffineRows<'a, E> {
    pub(super) fn new(job: &'a Job<'a>, source: ArrayView3<'a, E>, folds: &'a [Fold; 3]) -> Self {
        // The kernels trust the folds to stay within the samples.
        let (nz, ny, nx) = source.dim();
        assert_eq!([nx, ny, nz], folds.map(|fold| fold.taps()));
        Self {
            job,
            samples: Samples::new(&source),
            folds,
        }
    }

    /// Computes the rows of a range of slices.
    pub(super) fn slab<S: RowSink<E::Float>>(&self, slices: Range<usize>, sink: &mut S) {
        let fill = E::Float::from_f64(self.job.sampling.fill);
        let [width, height, _] = self.job.out_size;
        let mut row = vec![fill; width];
        let down = self.job.sampling.source_from_out.column(1);
        let next_row = (0..3)
            .map(|axis| (down[axis].round() as isize).wrapping_mul(self.samples.strides[axis]))
            .fold(0, isize::wrapping_add);
        for z in slices {
            for y in 0..height {
                let valid = self.job.inside.row(y, z);
                let line = Line {
                    next_row,
                    rows: *self.job.sampling.source_from_out.rows(),
                    y: y as f64,
                    z: z as f64,
                    folds: self.folds,
                };
                let out = &mut row[valid.clone()];
                match self.job.sampling.order {
                    Order::Nearest => nearest_row(&self.samples, &line, valid.start, out),
                    Order::Linear => linear_row(&self.samples, &line, valid.start, out),
                    Order::Cubic => cubic_row(&self.samples, &line, valid.start, out),
                }
                row[..valid.start].fill(fill);
                row[valid.end..].fill(fill);
                sink.row(z, y, &mut row);
            }
        }
    }
}

/// One row of the output under the map.
struct Line<'a> {
    rows: [[f64; 4]; 3],
    y: f64,
    z: f64,
    folds: &'a [Fold; 3],
    /// The offset from the samples of an output to those of the output below it, about.
    next_row: isize,
}

impl Line<'_> {
    /// The coordinates, on one source axis, of the outputs from `x` on.
    #[inline(always)]
    fn coordinates(&self, axis: usize, x: usize) -> [f64; BLOCK] {
        let (row, x) = (self.rows[axis], x as f64);
        let mut c = [0.0; BLOCK];
        for (j, c) in c.iter_mut().enumerate() {
            *c = coordinate(&row, x + f64::from(j as i32), self.y, self.z);
        }
        c
    }

    /// Adds the offsets of the first of `taps` neighbouring taps of the outputs from `x` on, and
    /// returns the fractions beyond that tap, or beyond the second of four.
    ///
    /// Offsets are integers that f64 holds exactly, and vectorises as integers do not.
    #[inline(always)]
    fn split<F: Float>(
        &self,
        (axis, stride): (usize, isize),
        (x, count): (usize, usize),
        taps: usize,
        offsets: &mut [f64; BLOCK],
    ) -> [F; BLOCK] {
        let fold = &self.folds[axis];
        let mut c = self.coordinates(axis, x);
        if fold.rule != Rule::Clamp && !(fold.is_clamp_at(c[0]) && fold.is_clamp_at(c[count - 1])) {
            for c in &mut c {
                *c = fold.fold(*c);
            }
        }
        let before = (taps / 2 - 1) as f64;
        // Of an axis of one voxel both taps are that voxel: see `step`.
        let last = fold.taps().saturating_sub(taps) as f64;
        let (pad, stride) = (fold.pad as f64, stride as f64);
        let mut fractions = [F::ZERO; BLOCK];
        for j in 0..BLOCK {
            let v = fold.clamp(c[j]) + pad;
            let first = floor_f64(v) - before;
            let first = if first < last { first } else { last };
            fractions[j] = F::from_f64(v - first - before);
            offsets[j] += first * stride;
        }
        fractions
    }
}

/// The offset from one tap to the next.
#[inline(always)]
fn step(fold: &Fold, stride: isize) -> isize {
    if fold.taps() > 1 { stride } else { 0 }
}

dispatched! {
    fn nearest_row[E: Element](
        samples: &Samples<'_, E>,
        line: &Line<'_>,
        start: usize,
        out: &mut [E::Float],
    ) {
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let x = start + block * BLOCK;
            let mut offsets = [0.0; BLOCK];
            for (axis, fold) in line.folds.iter().enumerate() {
                let c = line.coordinates(axis, x);
                let stride = samples.strides[axis];
                if fold.rule == Rule::Clamp {
                    let (pad, last) = (fold.pad as f64, fold.taps() as f64 - 1.0);
                    for j in 0..BLOCK {
                        let tap = nearest_index(c[j]) + pad;
                        let tap = if tap > 0.0 { tap } else { 0.0 };
                        let tap = if tap < last { tap } else { last };
                        offsets[j] += tap * stride as f64;
                    }
                } else {
                    for j in 0..BLOCK {
                        offsets[j] += fold.nearest(c[j]) as f64 * stride as f64;
                    }
                }
            }
            for (v, offset) in out.iter_mut().zip(&offsets) {
                // SAFETY: each axis was clamped to its taps.
                *v = unsafe { samples.load(round_f64(*offset) as isize) }.to_float();
            }
        }
    }
}

dispatched! {
    fn linear_row[E: Element](
        samples: &Samples<'_, E>,
        line: &Line<'_>,
        start: usize,
        out: &mut [E::Float],
    ) {
        let [sx, sy, sz] = samples.strides;
        let dx = step(&line.folds[0], sx);
        let dy = step(&line.folds[1], sy);
        let dz = step(&line.folds[2], sz);
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let (x, n) = (start + block * BLOCK, out.len());
            let mut offsets = [0.0; BLOCK];
            let fx: [E::Float; BLOCK] = line.split((0, sx), (x, n), 2, &mut offsets);
            let fy: [E::Float; BLOCK] = line.split((1, sy), (x, n), 2, &mut offsets);
            let fz: [E::Float; BLOCK] = line.split((2, sz), (x, n), 2, &mut offsets);
            for j in (0..n).step_by(AHEAD) {
                let next = (round_f64(offsets[j]) as isize).wrapping_add(line.next_row);
                for step in [0, dy, dz, dz + dy] {
                    samples.prefetch(next.wrapping_add(step));
                }
            }
            for (j, v) in out.iter_mut().enumerate() {
                let at = round_f64(offsets[j]) as isize;
                // SAFETY: each axis was clamped so that its two taps exist, or the step is 0.
                let [[a, b], [c, d], [e, f], [g, h]] = unsafe {
                    [
                        samples.load_two(at, dx),
                        samples.load_two(at + dy, dx),
                        samples.load_two(at + dz, dx),
                        samples.load_two(at + dz + dy, dx),
                    ]
                }
                .map(|pair| pair.map(E::to_float));
                let low = lerp(lerp(a, b, fx[j]), lerp(c, d, fx[j]), fy[j]);
                let high = lerp(lerp(e, f, fx[j]), lerp(g, h, fx[j]), fy[j]);
                *v = lerp(low, high, fz[j]);
            }
        }
    }
}

dispatched! {
    fn cubic_row[E: Element](
        samples: &Samples<'_, E>,
        line: &Line<'_>,
        start: usize,
        out: &mut [E::Float],
    ) {
        let zero = E::Float::ZERO;
        let [sx, sy, sz] = samples.strides;
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let (x, n) = (start + block * BLOCK, out.len());
            let mut offsets = [0.0; BLOCK];
            let fx: [E::Float; BLOCK] = line.split((0, sx), (x, n), 4, &mut offsets);
            let fy: [E::Float; BLOCK] = line.split((1, sy), (x, n), 4, &mut offsets);
            let fz: [E::Float; BLOCK] = line.split((2, sz), (x, n), 4, &mut offsets);
            for j in (0..n).step_by(AHEAD) {
                let next = (round_f64(offsets[j]) as isize).wrapping_add(line.next_row);
                for k in 0..4 {
                    // The rows in between have been read for the outputs above.
                    for l in [0, 3] {
                        samples.prefetch(next.wrapping_add(k * sz + l * sy));
                    }
                }
            }
            let [mut wx, mut wy, mut wz] = [[[zero; 4]; BLOCK]; 3];
            for j in 0..BLOCK {
                wx[j] = spline::weights(fx[j]);
                wy[j] = spline::weights(fy[j]);
                wz[j] = spline::weights(fz[j]);
            }
            for (j, v) in out.iter_mut().enumerate() {
                let at = round_f64(offsets[j]) as isize;
                let mut sums = [zero; 4];
                for k in 0..4 {
                    let mut slice = [zero; 4];
                    for l in 0..4 {
                        // SAFETY: each axis was clamped so that its four taps exist; the prefilter
                        // made at least five, and rows are contiguous.
                        let row = unsafe { samples.load_four(at + k * sz + l * sy) };
                        for i in 0..4 {
                            slice[i] += wy[j][l as usize] * row[i].to_float();
                        }
                    }
                    for i in 0..4 {
                        sums[i] += wz[j][k as usize] * slice[i];
                    }
                }
                let w = wx[j];
                *v = ((w[0] * sums[0] + w[1] * sums[1]) + w[2] * sums[2]) + w[3] * sums[3];
            }
        }
    }
}
