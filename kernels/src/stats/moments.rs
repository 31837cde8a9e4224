//! Sums over floats, in one fixed order.

use ndarray::ArrayView3;
use rayon::prelude::*;

use super::blocks::{Blocks, Buffer, any};
use super::{Select, Summary};
use crate::Element;
use crate::simd::dispatched;

/// Running sums side by side; voxel `i` of a block goes to lane `i % 16`.
const LANES: usize = 16;

/// Count, range, sum, and sum of squared deviations from the mean.
#[derive(Clone, Copy)]
struct Moments {
    count: u64,
    nan: u64,
    min: f64,
    max: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    const EMPTY: Self = Self {
        count: 0,
        nan: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        sum: 0.0,
        squares: 0.0,
    };

    /// Both together. Chan, Golub and LeVeque 1979.
    fn merge(self, other: Self) -> Self {
        if self.count == 0 || other.count == 0 {
            let some = if self.count == 0 { other } else { self };
            return Self {
                nan: self.nan + other.nan,
                ..some
            };
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let apart = other.sum / m - self.sum / n;
        Self {
            count: self.count + other.count,
            nan: self.nan + other.nan,
            min: if other.min < self.min {
                other.min
            } else {
                self.min
            },
            max: if other.max > self.max {
                other.max
            } else {
                self.max
            },
            sum: self.sum + other.sum,
            squares: self.squares + other.squares + apart * apart * (n * m / (n + m)),
        }
    }

    /// All together, by halves: the tree depends on the number of blocks only.
    fn merge_all(parts: &[Self]) -> Self {
        match parts {
            [] => Self::EMPTY,
            [one] => *one,
            _ => {
                let (left, right) = parts.split_at(parts.len() / 2);
                Self::merge_all(left).merge(Self::merge_all(right))
            }
        }
    }
}

/// [`super::summary`] of any type.
pub(super) fn summary<T: Element>(voxels: ArrayView3<'_, T>, select: &Select<'_>) -> Summary {
    let blocks = Blocks::new(voxels, select);
    let parts: Vec<Moments> = (0..blocks.len())
        .into_par_iter()
        .with_min_len(16)
        .map_init(Buffer::new, |buffer, block| {
            let (voxels, keep) = blocks.get(block, buffer);
            if !any(keep) {
                return Moments::EMPTY;
            }
            let first = range_and_sum(voxels, keep);
            let mean = first.sum / first.count as f64;
            Moments {
                squares: squares(voxels, keep, mean),
                ..first
            }
        })
        .collect();
    let all = Moments::merge_all(&parts);
    let n = all.count as f64;
    let some = |v: f64| if all.count > 0 { v } else { f64::NAN };
    Summary {
        count: all.count,
        nan: all.nan,
        min: some(all.min),
        max: some(all.max),
        mean: all.sum / n,
        variance: all.squares / n,
    }
}

/// [`super::min_max`].
pub(super) fn min_max<T: Element>(
    voxels: ArrayView3<'_, T>,
    select: &Select<'_>,
) -> Option<(f64, f64)> {
    let blocks = Blocks::new(voxels, select);
    (0..blocks.len())
        .into_par_iter()
        .with_min_len(16)
        .map_init(Buffer::new, |buffer, block| {
            let (voxels, keep) = blocks.get(block, buffer);
            range(voxels, keep)
        })
        .reduce(
            || None,
            |a, b| match (a, b) {
                (Some((low, high)), Some((l, h))) => Some((f64::min(low, l), f64::max(high, h))),
                (some, None) | (None, some) => some,
            },
        )
}

/// One voxel per lane.
struct Lanes {
    value: [f64; LANES],
    /// Selected and not NaN.
    counts: [bool; LANES],
    /// Selected and NaN.
    nan: [bool; LANES],
}

/// The next voxels; lanes beyond the end do not count.
#[inline(always)]
fn lanes<T: Element>(voxels: &[T], keep: &[u8]) -> Lanes {
    let mut value = [0.0; LANES];
    let mut kept = [false; LANES];
    for l in 0..voxels.len().min(keep.len()).min(LANES) {
        // Adding 0 turns -0 into +0.
        value[l] = voxels[l].to_f64() + 0.0;
        kept[l] = keep[l] != 0;
    }
    let mut lanes = Lanes {
        value,
        counts: kept,
        nan: kept,
    };
    for (l, v) in value.iter().enumerate() {
        lanes.counts[l] &= !v.is_nan();
        lanes.nan[l] &= v.is_nan();
    }
    lanes
}

/// The sum of the lanes by halves.
#[inline(always)]
fn fold(mut lanes: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0]
}

dispatched! {
    fn range_and_sum[T: Element](voxels: &[T], keep: &[u8]) -> Moments {
        let mut sum = [0.0; LANES];
        let mut min = [f64::INFINITY; LANES];
        let mut max = [f64::NEG_INFINITY; LANES];
        let mut count = [0_u32; LANES];
        let mut nan = [0_u32; LANES];
        for (voxels, keep) in voxels.chunks(LANES).zip(keep.chunks(LANES)) {
            let Lanes { value: v, counts, nan: nans } = lanes(voxels, keep);
            for l in 0..LANES {
                sum[l] += if counts[l] { v[l] } else { 0.0 };
                min[l] = if counts[l] & (v[l] < min[l]) { v[l] } else { min[l] };
                max[l] = if counts[l] & (v[l] > max[l]) { v[l] } else { max[l] };
                count[l] += u32::from(counts[l]);
                nan[l] += u32::from(nans[l]);
            }
        }
        Moments {
            count: count.iter().map(|n| u64::from(*n)).sum(),
            nan: nan.iter().map(|n| u64::from(*n)).sum(),
            min: min.iter().fold(f64::INFINITY, |a, b| a.min(*b)),
            max: max.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b)),
            sum: fold(sum),
            squares: 0.0,
        }
    }
}

dispatched! {
    fn squares[T: Element](voxels: &[T], keep: &[u8], mean: f64) -> f64 {
        let mut squares = [0.0; LANES];
        for (voxels, keep) in voxels.chunks(LANES).zip(keep.chunks(LANES)) {
            let Lanes { value: v, counts, .. } = lanes(voxels, keep);
            for l in 0..LANES {
                let apart = v[l] - mean;
                squares[l] += if counts[l] { apart * apart } else { 0.0 };
            }
        }
        fold(squares)
    }
}

dispatched! {
    fn range[T: Element](voxels: &[T], keep: &[u8]) -> Option<(f64, f64)> {
        let mut min = [f64::INFINITY; LANES];
        let mut max = [f64::NEG_INFINITY; LANES];
        let mut any = false;
        for (voxels, keep) in voxels.chunks(LANES).zip(keep.chunks(LANES)) {
            let Lanes { value: v, counts, .. } = lanes(voxels, keep);
            for l in 0..LANES {
                min[l] = if counts[l] & (v[l] < min[l]) { v[l] } else { min[l] };
                max[l] = if counts[l] & (v[l] > max[l]) { v[l] } else { max[l] };
                any |= counts[l];
            }
        }
        any.then(|| {
            (
                min.iter().fold(f64::INFINITY, |a, b| a.min(*b)),
                max.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b)),
            )
        })
    }
}
