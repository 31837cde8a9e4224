//! For maps that keep axes apart: what each output index reads on its source axis.

use std::ops::Range;

use super::fold::Fold;
use super::inside::coordinate;
use super::{lerp, spline};
use crate::element::floor_f64;
use crate::{Affine, Float};

/// The source axis that each output axis (x, y, z) runs along, where every row of the map has one
/// non-zero entry and no two rows share a column.
///
/// An entry that moves no output by `tolerance` voxels counts as zero.
pub(super) fn separate_axes(
    source_from_out: &Affine,
    out_size: [usize; 3],
    tolerance: f64,
) -> Option<[usize; 3]> {
    let mut source_axis = [usize::MAX; 3];
    for (a, row) in source_from_out.rows().iter().enumerate() {
        let mut columns = (0..3).filter(|&d| {
            let reach = row[d].abs() * out_size[d].saturating_sub(1).max(1) as f64;
            row[d] != 0.0 && reach >= tolerance
        });
        let d = columns.next()?;
        if columns.next().is_some() || source_axis[d] != usize::MAX {
            return None;
        }
        source_axis[d] = a;
    }
    Some(source_axis)
}

/// The coordinates on source axis `a` of the outputs along axis `d`.
pub(super) fn coordinates(
    source_from_out: &Affine,
    a: usize,
    d: usize,
    n: usize,
) -> impl Iterator<Item = f64> {
    let full = source_from_out.rows()[a];
    let mut row = [0.0, 0.0, 0.0, full[3]];
    row[d] = full[d];
    (0..n).map(move |i| {
        let mut at = [0.0; 3];
        at[d] = i as f64;
        coordinate(&row, at[0], at[1], at[2])
    })
}

/// The outputs whose coordinate lies within the limits; as coordinates are monotone, a range.
pub(super) fn within(coordinates: &[f64], limits: Option<(f64, f64)>) -> Range<usize> {
    let Some((low, high)) = limits else {
        return 0..coordinates.len();
    };
    // Wider than the inside test, which decides: this only saves work.
    let holds = |c: &f64| low - 1e-3 <= *c && *c <= high + 1e-3;
    let start = coordinates.iter().position(holds).unwrap_or(0);
    let end = coordinates
        .iter()
        .rposition(holds)
        .map_or(0, |last| last + 1);
    start..end
}

/// One axis: the first of `K` neighbouring taps of every output, and their weights.
pub(super) struct AxisTable<F, const K: usize> {
    /// The outputs that may lie inside; the entries of the others are zero.
    pub(super) valid: Range<usize>,
    /// The taps that valid outputs read.
    pub(super) taps: Range<usize>,
    /// The first tap of each output, counted from `taps.start`.
    pub(super) first: Vec<u32>,
    /// The weight of each tap; for two taps, entry 1 is the fraction and entry 0 is unused.
    pub(super) weights: [Vec<F>; K],
    /// The last tap of the axis.
    last: usize,
    /// How many source voxels one output passes.
    pub(super) step: f64,
}

impl<F: Float, const K: usize> AxisTable<F, K> {
    pub(super) fn new(
        source_from_out: &Affine,
        a: usize,
        d: usize,
        n: usize,
        fold: &Fold,
        limits: Option<(f64, f64)>,
    ) -> Self {
        let coordinates: Vec<f64> = coordinates(source_from_out, a, d, n).collect();
        let valid = within(&coordinates, limits);
        let mut first = vec![0_usize; n];
        let mut weights = [(); K].map(|()| vec![F::ZERO; n]);
        for i in valid.clone() {
            let c = fold.fold(coordinates[i]) + fold.pad as f64;
            let cell = floor_f64(c);
            let fraction = F::from_f64(c - cell);
            let cell = cell as usize;
            if K == 2 {
                first[i] = cell;
                weights[1][i] = fraction;
            } else {
                first[i] = cell.saturating_sub(1);
                for (list, w) in weights.iter_mut().zip(spline::weights(fraction)) {
                    list[i] = w;
                }
            }
        }
        let used = || first[valid.clone()].iter().copied();
        let last = fold.taps() - 1;
        let start = used().min().unwrap_or(0);
        let end = used()
            .max()
            .map_or(start + 1, |tap| (tap + K).min(last + 1));
        Self {
            first: first
                .iter()
                .map(|tap| tap.saturating_sub(start) as u32)
                .collect(),
            taps: start..end,
            valid,
            weights,
            last,
            step: source_from_out.rows()[a][d].abs(),
        }
    }

    /// The taps of an output. Beyond the last one it is repeated, with a weight of zero.
    #[inline(always)]
    pub(super) fn taps_of(&self, i: usize) -> [usize; K] {
        let first = self.taps.start + self.first[i] as usize;
        std::array::from_fn(|k| (first + k).min(self.last))
    }

    /// The weights of an output.
    #[inline(always)]
    pub(super) fn weights_of(&self, i: usize) -> [F; K] {
        std::array::from_fn(|k| self.weights[k][i])
    }

    /// The length of a line that [`AxisTable::taps_of`] of the valid outputs index, repeated tap
    /// included.
    pub(super) fn line(&self) -> usize {
        self.taps.len().max(
            self.valid
                .clone()
                .map(|i| self.first[i] as usize + K)
                .max()
                .unwrap_or(0),
        )
    }

    /// How many taps an output reads that the one before did not.
    pub(super) fn fresh(&self) -> f64 {
        self.step.min(K as f64)
    }
}

/// The mix of `K` neighbouring samples: linear for two, weighted for four.
#[inline(always)]
pub(super) fn mix<F: Float, const K: usize>(samples: [F; K], weights: [F; K]) -> F {
    if K == 2 {
        return lerp(samples[0], samples[1], weights[1]);
    }
    let mut sum = samples[0] * weights[0];
    for k in 1..K {
        sum += samples[k] * weights[k];
    }
    sum
}
