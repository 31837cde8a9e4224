//! Samples at rows of coordinates.

use crate::element::{floor_f64, round_f64};
use crate::resample::fold::{Fold, Rule, nearest_index};
use crate::resample::taps::Samples;
use crate::resample::{lerp, spline};
use crate::simd::dispatched;
use crate::{Element, Float};

/// Outputs whose taps are found together.
const BLOCK: usize = 64;

/// Every how many outputs the samples of the next row are prefetched, as for affine maps.
const AHEAD: usize = 8;

/// What the inner loops read.
pub(super) struct Reads<'a, E> {
    pub(super) samples: Samples<'a, E>,
    pub(super) folds: &'a [Fold; 3],
    /// The offset from the samples of an output to those of the output below it, about.
    pub(super) next_row: isize,
}

impl<E: Element> Reads<'_, E> {
    /// Adds the offsets of the first of `taps` neighbouring taps of up to [`BLOCK`] coordinates on
    /// an axis, and returns the fractions beyond that tap, or beyond the second of four.
    ///
    /// Offsets are integers that f64 holds exactly, and vectorises as integers do not.
    #[inline(always)]
    fn split(
        &self,
        axis: usize,
        coordinates: &[f64],
        taps: usize,
        offsets: &mut [f64; BLOCK],
    ) -> [E::Float; BLOCK] {
        let fold = &self.folds[axis];
        let mut c = [0.0; BLOCK];
        c[..coordinates.len()].copy_from_slice(coordinates);
        if fold.rule != Rule::Clamp && !c.iter().all(|c| fold.is_clamp_at(*c)) {
            for c in &mut c {
                *c = fold.fold(*c);
            }
        }
        let before = (taps / 2 - 1) as f64;
        // Of an axis of one voxel both taps are that voxel: see `step`.
        let last = fold.taps().saturating_sub(taps) as f64;
        let (pad, stride) = (fold.pad as f64, self.samples.strides[axis] as f64);
        let mut fractions = [E::Float::ZERO; BLOCK];
        for j in 0..BLOCK {
            let v = fold.clamp(c[j]) + pad;
            let first = floor_f64(v) - before;
            let first = if first < last { first } else { last };
            fractions[j] = E::Float::from_f64(v - first - before);
            offsets[j] += first * stride;
        }
        fractions
    }

    /// The offset from one tap to the next.
    #[inline(always)]
    fn step(&self, axis: usize) -> isize {
        if self.folds[axis].taps() > 1 {
            self.samples.strides[axis]
        } else {
            0
        }
    }
}

dispatched! {
    pub(super) fn nearest_row[E: Element](
        reads: &Reads<'_, E>,
        points: &[&[f64]; 3],
        out: &mut [E::Float],
    ) {
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let from = block * BLOCK;
            let mut offsets = [0.0; BLOCK];
            for (axis, fold) in reads.folds.iter().enumerate() {
                let c = &points[axis][from..from + out.len()];
                let stride = reads.samples.strides[axis] as f64;
                if fold.rule == Rule::Clamp {
                    let (pad, last) = (fold.pad as f64, fold.taps() as f64 - 1.0);
                    for (offset, c) in offsets.iter_mut().zip(c) {
                        let tap = nearest_index(*c) + pad;
                        let tap = if tap > 0.0 { tap } else { 0.0 };
                        let tap = if tap < last { tap } else { last };
                        *offset += tap * stride;
                    }
                } else {
                    for (offset, c) in offsets.iter_mut().zip(c) {
                        *offset += fold.nearest(*c) as f64 * stride;
                    }
                }
            }
            for (v, offset) in out.iter_mut().zip(&offsets) {
                // SAFETY: each axis was clamped to its taps.
                *v = unsafe { reads.samples.load(round_f64(*offset) as isize) }.to_float();
            }
        }
    }
}

dispatched! {
    pub(super) fn linear_row[E: Element](
        reads: &Reads<'_, E>,
        points: &[&[f64]; 3],
        out: &mut [E::Float],
    ) {
        let samples = &reads.samples;
        let [dx, dy, dz] = [0, 1, 2].map(|axis| reads.step(axis));
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let (from, n) = (block * BLOCK, out.len());
            let mut offsets = [0.0; BLOCK];
            let fx = reads.split(0, &points[0][from..from + n], 2, &mut offsets);
            let fy = reads.split(1, &points[1][from..from + n], 2, &mut offsets);
            let fz = reads.split(2, &points[2][from..from + n], 2, &mut offsets);
            for j in (0..n).step_by(AHEAD) {
                let next = (round_f64(offsets[j]) as isize).wrapping_add(reads.next_row);
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
    pub(super) fn cubic_row[E: Element](
        reads: &Reads<'_, E>,
        points: &[&[f64]; 3],
        out: &mut [E::Float],
    ) {
        let zero = E::Float::ZERO;
        let samples = &reads.samples;
        let [_, sy, sz] = samples.strides;
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let (from, n) = (block * BLOCK, out.len());
            let mut offsets = [0.0; BLOCK];
            let fx = reads.split(0, &points[0][from..from + n], 4, &mut offsets);
            let fy = reads.split(1, &points[1][from..from + n], 4, &mut offsets);
            let fz = reads.split(2, &points[2][from..from + n], 4, &mut offsets);
            for j in (0..n).step_by(AHEAD) {
                let next = (round_f64(offsets[j]) as isize).wrapping_add(reads.next_row);
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
