//! Samples at rows of coordinates, whichever map the coordinates come from.
//!
//! Outputs go by blocks. Their taps are found in f64, which vectorises; then the samples of one
//! output after the other are read, by plain loads; then the blocks are mixed, which vectorises
//! again.

use super::fold::{Fold, Rule};
use super::taps::Samples;
use super::{lerp, spline};
use crate::element::{floor_f64, round_f64};
use crate::simd::dispatched;
use crate::{Element, Float};

/// Outputs whose taps are found together.
pub(super) const BLOCK: usize = 64;

/// Every how many outputs the samples of the next row are prefetched. Processors do not foresee
/// reads that run obliquely through the source; without this they wait half of the time.
const AHEAD: usize = 8;

/// The source coordinates of a row of outputs.
pub(super) trait Coordinates {
    /// Those on an axis of `count` outputs, at most [`BLOCK`], from output `first` on; the entries
    /// beyond may be anything.
    fn block(&self, axis: usize, first: usize, count: usize) -> [f64; BLOCK];
}

/// Coordinates that are stored: a slice per axis.
impl Coordinates for [&[f64]; 3] {
    #[inline(always)]
    fn block(&self, axis: usize, first: usize, count: usize) -> [f64; BLOCK] {
        let mut block = [0.0; BLOCK];
        block[..count].copy_from_slice(&self[axis][first..first + count]);
        block
    }
}

/// What the inner loops read.
pub(super) struct Reads<'a, E> {
    pub(super) samples: Samples<'a, E>,
    pub(super) folds: &'a [Fold; 3],
    /// The offset from the samples of an output to those of the output below it, about.
    pub(super) next_row: isize,
}

impl<'a, E: Element> Reads<'a, E> {
    /// Reads a source of which `down` is about how far, in voxels, the samples of the next row of
    /// outputs lie away.
    pub(super) fn new(
        source: ndarray::ArrayView3<'a, E>,
        folds: &'a [Fold; 3],
        down: [f64; 3],
    ) -> Self {
        // The kernels trust the folds to stay within the samples.
        let (nz, ny, nx) = source.dim();
        assert_eq!([nx, ny, nz], folds.map(|fold| fold.taps()));
        let samples = Samples::new(&source);
        let next_row = (0..3)
            .map(|axis| (down[axis].round() as isize).wrapping_mul(samples.strides[axis]))
            .fold(0, isize::wrapping_add);
        Self {
            samples,
            folds,
            next_row,
        }
    }

    /// Adds the offsets of the first of `taps` neighbouring taps on an axis, and returns the
    /// fractions beyond that tap, or beyond the second of four.
    ///
    /// Offsets are integers that f64 holds exactly, and vectorises as integers do not.
    #[inline(always)]
    fn split<F: Float, C: Coordinates>(
        &self,
        axis: usize,
        taps: usize,
        (points, first, count): (&C, usize, usize),
        offsets: &mut [f64; BLOCK],
    ) -> [F; BLOCK] {
        let fold = &self.folds[axis];
        let mut c = points.block(axis, first, count);
        if fold.rule != Rule::Clamp && !c[..count].iter().all(|c| fold.is_clamp_at(*c)) {
            for c in &mut c {
                *c = fold.fold(*c);
            }
        }
        let before = (taps / 2 - 1) as f64;
        // Of an axis of one voxel both taps are that voxel: see `step`.
        let last = fold.taps().saturating_sub(taps) as f64;
        let (pad, stride) = (fold.pad as f64, self.samples.strides[axis] as f64);
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

    /// The offset from one tap to the next.
    #[inline(always)]
    fn step(&self, axis: usize) -> isize {
        if self.folds[axis].taps() > 1 {
            self.samples.strides[axis]
        } else {
            0
        }
    }

    /// Finds the `taps` neighbouring taps on each axis of `count` outputs from output `first` on.
    #[inline(always)]
    pub(super) fn cells<F: Float, C: Coordinates>(
        &self,
        taps: usize,
        points: &C,
        first: usize,
        count: usize,
    ) -> Cells<F> {
        let mut offsets = [0.0; BLOCK];
        let outputs = (points, first, count);
        let fractions = [
            self.split(0, taps, outputs, &mut offsets),
            self.split(1, taps, outputs, &mut offsets),
            self.split(2, taps, outputs, &mut offsets),
        ];
        Cells {
            offsets: whole(&offsets),
            fractions,
            count,
        }
    }

    /// Finds the nearest tap on each axis of `count` outputs from output `first` on.
    #[inline(always)]
    fn nearest_cells<C: Coordinates>(&self, points: &C, first: usize, count: usize) -> Cells<()> {
        let mut offsets = [0.0; BLOCK];
        for (axis, fold) in self.folds.iter().enumerate() {
            let c = points.block(axis, first, count);
            let stride = self.samples.strides[axis] as f64;
            if fold.rule == Rule::Clamp {
                for j in 0..BLOCK {
                    offsets[j] += fold.nearest_clamped(c[j]) * stride;
                }
            } else {
                for j in 0..BLOCK {
                    offsets[j] += fold.nearest(c[j]) as f64 * stride;
                }
            }
        }
        Cells {
            offsets: whole(&offsets),
            fractions: [[(); BLOCK]; 3],
            count,
        }
    }

    /// Mixes eight samples around each output.
    ///
    /// # Safety
    ///
    /// The cells are of two taps, and of these reads or others with the same folds and strides.
    #[inline(always)]
    pub(super) unsafe fn linear<F: Float>(
        &self,
        cells: &Cells<F>,
        pairs: &mut Pairs<E>,
        value: impl Fn(E) -> F,
    ) -> [F; BLOCK] {
        let (samples, offsets) = (&self.samples, &cells.offsets[..cells.count]);
        let [dx, dy, dz] = [0, 1, 2].map(|axis| self.step(axis));
        let steps = [0, dy, dz, dz + dy];
        // SAFETY: each axis was clamped so that its two taps exist, or the step is 0.
        unsafe {
            if dx == 1 {
                for (j, at) in offsets.iter().enumerate() {
                    let at = opaque(*at);
                    for (pairs, step) in pairs.iter_mut().zip(steps) {
                        pairs[j] = samples.load_neighbours(at + step);
                    }
                }
            } else {
                for (j, at) in offsets.iter().enumerate() {
                    let at = opaque(*at);
                    for (pairs, step) in pairs.iter_mut().zip(steps) {
                        pairs[j] = [samples.load(at + step), samples.load(at + step + dx)];
                    }
                }
            }
        }
        let [fx, fy, fz] = &cells.fractions;
        let mut values = [F::ZERO; BLOCK];
        for j in 0..BLOCK {
            let along = |k: usize| {
                let [a, b] = pairs[k][j];
                lerp(value(a), value(b), fx[j])
            };
            let low = lerp(along(0), along(1), fy[j]);
            let high = lerp(along(2), along(3), fy[j]);
            values[j] = lerp(low, high, fz[j]);
        }
        values
    }

    /// Asks for the samples of the outputs below, at `steps` from the first tap.
    #[inline(always)]
    fn prefetch<F, const N: usize>(&self, cells: &Cells<F>, steps: [isize; N]) {
        for at in cells.offsets[..cells.count].iter().step_by(AHEAD) {
            let next = at.wrapping_add(self.next_row);
            for step in steps {
                self.samples.prefetch(next.wrapping_add(step));
            }
        }
    }
}

/// The cells of the source around up to [`BLOCK`] outputs.
pub(super) struct Cells<F> {
    /// The offset of the first tap of each.
    offsets: [isize; BLOCK],
    /// The way from that tap, or of four from the second, along each axis.
    fractions: [[F; BLOCK]; 3],
    count: usize,
}

/// The two samples along x, of each output, at the four ends of the other two axes.
pub(super) type Pairs<E> = [[[E; 2]; BLOCK]; 4];

#[inline(always)]
fn whole(offsets: &[f64; BLOCK]) -> [isize; BLOCK] {
    offsets.map(|offset| round_f64(offset) as isize)
}

/// The same offset, but the compiler does not know.
///
/// Otherwise it reads the taps of several outputs at once by gather instructions, which take three
/// times as long as loads do: `cargo bench -p voxprep-kernels -- rotate`.
#[inline(always)]
fn opaque(offset: isize) -> isize {
    #[cfg(target_arch = "x86_64")]
    {
        let mut offset = offset;
        // SAFETY: there is no instruction in it.
        unsafe {
            std::arch::asm!(
                "/* {0} */",
                inout(reg) offset,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        offset
    }
    #[cfg(not(target_arch = "x86_64"))]
    offset
}

dispatched! {
    /// The nearest samples.
    pub(super) fn nearest_row[E: Element, C: Coordinates](
        reads: &Reads<'_, E>,
        points: &C,
        out: &mut [E::Float],
    ) {
        let mut found = [E::default(); BLOCK];
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let cells = reads.nearest_cells(points, block * BLOCK, out.len());
            reads.prefetch(&cells, [0]);
            for (v, at) in found.iter_mut().zip(&cells.offsets[..out.len()]) {
                // SAFETY: each axis was clamped to its taps.
                *v = unsafe { reads.samples.load(opaque(*at)) };
            }
            for (v, found) in out.iter_mut().zip(&found) {
                *v = found.to_float();
            }
        }
    }
}

dispatched! {
    /// The samples, linear in between.
    pub(super) fn linear_row[E: Element, C: Coordinates](
        reads: &Reads<'_, E>,
        points: &C,
        out: &mut [E::Float],
    ) {
        let [_, dy, dz] = [0, 1, 2].map(|axis| reads.step(axis));
        let mut pairs = [[[E::default(); 2]; BLOCK]; 4];
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let cells = reads.cells(2, points, block * BLOCK, out.len());
            reads.prefetch(&cells, [0, dy, dz, dz + dy]);
            // SAFETY: the cells are those of two taps.
            let values = unsafe { reads.linear(&cells, &mut pairs, E::to_float) };
            out.copy_from_slice(&values[..out.len()]);
        }
    }
}

dispatched! {
    /// The spline at a row of coordinates.
    pub(super) fn cubic_row[E: Element, C: Coordinates](
        reads: &Reads<'_, E>,
        points: &C,
        out: &mut [E::Float],
    ) {
        let zero = E::Float::ZERO;
        let samples = &reads.samples;
        let [_, sy, sz] = samples.strides;
        // The four coefficients along x, mixed along the other two axes.
        let mut sums = [[zero; 4]; BLOCK];
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let cells = reads.cells(4, points, block * BLOCK, out.len());
            // The rows in between have been read for the outputs above.
            let far = 3 * sy;
            let steps = [0, far, sz, sz + far, 2 * sz, 2 * sz + far, 3 * sz, 3 * sz + far];
            reads.prefetch(&cells, steps);
            let [fx, fy, fz] = &cells.fractions;
            let [mut wx, mut wy, mut wz] = [[[zero; 4]; BLOCK]; 3];
            for j in 0..BLOCK {
                wx[j] = spline::weights(fx[j]);
                wy[j] = spline::weights(fy[j]);
                wz[j] = spline::weights(fz[j]);
            }
            for (j, at) in cells.offsets[..out.len()].iter().enumerate() {
                let at = opaque(*at);
                let mut slices = [[zero; 4]; 4];
                for (l, wy) in (0..).zip(wy[j]) {
                    for (k, slice) in (0..).zip(&mut slices) {
                        // SAFETY: each axis was clamped so that its four taps exist; the prefilter
                        // made at least five, and rows are contiguous.
                        let row = unsafe { samples.load_four(at + k * sz + l * sy) };
                        for i in 0..4 {
                            slice[i] += wy * row[i].to_float();
                        }
                    }
                }
                let mut sum = [zero; 4];
                for (slice, wz) in slices.iter().zip(wz[j]) {
                    for i in 0..4 {
                        sum[i] += wz * slice[i];
                    }
                }
                sums[j] = sum;
            }
            let mut values = [zero; BLOCK];
            for j in 0..BLOCK {
                let (w, s) = (wx[j], sums[j]);
                values[j] = ((w[0] * s[0] + w[1] * s[1]) + w[2] * s[2]) + w[3] * s[3];
            }
            out.copy_from_slice(&values[..out.len()]);
        }
    }
}
