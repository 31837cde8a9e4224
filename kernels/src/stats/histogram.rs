//! Counts of every value of a small integer type: all statistics from one pass.

use ndarray::ArrayView3;
use rayon::prelude::*;

use super::blocks::{Blocks, Buffer};
use super::percentile::{self, Position};
use super::{Select, Summary};
use crate::{Element, Error};

/// How often each value occurs among the selected voxels of a type of at most 16 bits.
///
/// Every statistic of such voxels follows from it exactly, so several questions cost one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    low: i64,
    counts: Vec<u64>,
}

/// Blocks counted by one task; 4 million voxels outweigh the merging of 65,536 counts.
const TASK: usize = 1024;

impl Histogram {
    /// Counts the selected voxels; `None` for `i32`, `f32` and `f64`.
    pub fn of<T: Element>(voxels: ArrayView3<'_, T>, select: &Select<'_>) -> Option<Self> {
        if T::LEVELS == 0 {
            return None;
        }
        // The other selections choose among the counts instead of among the voxels.
        let whole = match select.mask() {
            Some(mask) => Select::Mask(mask.view()),
            None => Select::All,
        };
        let blocks = Blocks::new(voxels, &whole);
        let mut counts = (0..blocks.len().div_ceil(TASK))
            .into_par_iter()
            .map(|task| {
                let end = ((task + 1) * TASK).min(blocks.len());
                count_blocks(&blocks, task * TASK..end)
            })
            .reduce(
                || vec![0; T::LEVELS],
                |mut a, b| {
                    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                    a
                },
            );
        for (rank, count) in counts.iter_mut().enumerate() {
            let value = T::from_rank(rank as u64);
            if !select.takes(value.to_f64()) {
                *count = 0;
            }
        }
        let low = T::from_rank(0).to_f64() as i64;
        Some(Self { low, counts })
    }

    /// The number of voxels counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The values that occur, rising, with the number of their voxels.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = (i64, u64)> + '_ {
        let counts = self.counts.iter().enumerate();
        counts
            .filter(|(_, count)| **count > 0)
            .map(|(rank, count)| (self.low + rank as i64, *count))
    }

    /// The counts of the values strictly between two others.
    pub fn between(&self, low: f64, high: f64) -> Self {
        let mut part = self.clone();
        for (rank, count) in part.counts.iter_mut().enumerate() {
            let value = (self.low + rank as i64) as f64;
            if !(value > low && value < high) {
                *count = 0;
            }
        }
        part
    }

    /// The smallest and the largest value; `None` where nothing counts.
    pub fn min_max(&self) -> Option<(i64, i64)> {
        Some((self.values().next()?.0, self.values().next_back()?.0))
    }

    /// Count, range, mean and variance, from exact integer sums.
    pub fn summary(&self) -> Summary {
        let Some((min, max)) = self.min_max() else {
            return Summary {
                count: 0,
                nan: 0,
                min: f64::NAN,
                max: f64::NAN,
                mean: f64::NAN,
                variance: f64::NAN,
            };
        };
        let (mut count, mut sum, mut squares) = (0_i128, 0_i128, 0_i128);
        for (value, n) in self.values() {
            let (value, n) = (i128::from(value), i128::from(n));
            count += n;
            sum += n * value;
            squares += n * value * value;
        }
        let n = count as f64;
        Summary {
            count: count as u64,
            nan: 0,
            min: min as f64,
            max: max as f64,
            mean: sum as f64 / n,
            variance: (count * squares - sum * sum) as f64 / n / n,
        }
    }

    /// The percentiles `p`, as [`super::percentiles`] gives them.
    ///
    /// # Errors
    ///
    /// [`Error::Percentile`] and [`Error::EmptySelection`].
    pub fn percentiles(&self, p: &[f64]) -> Result<Vec<f64>, Error> {
        percentile::check(p)?;
        let count = self.count();
        if count == 0 {
            return Err(Error::EmptySelection);
        }
        let positions: Vec<Position> = p.iter().map(|p| Position::new(*p, count)).collect();
        let mut below = 0;
        let mut cumulative = Vec::new();
        for (value, n) in self.values() {
            below += n;
            cumulative.push((below, value as f64));
        }
        let at = |rank: u64| {
            let index = cumulative.partition_point(|(below, _)| *below <= rank);
            cumulative.get(index).map_or(f64::NAN, |(_, value)| *value)
        };
        Ok(positions
            .iter()
            .map(|position| position.between(at(position.low), at(position.high)))
            .collect())
    }
}

/// Counts some blocks, at most [`TASK`], so that 32 bits hold the counts.
fn count_blocks<T: Element>(blocks: &Blocks<'_, '_, T>, range: std::ops::Range<usize>) -> Vec<u64> {
    // Neighbouring voxels are often equal; counting them in different tables keeps each increment
    // from waiting for the one before. Small inputs do not repay the larger tables.
    const TABLES: usize = 4;
    let tables = if range.len() < 64 { 1 } else { TABLES };
    let mut counts = vec![0_u32; tables * T::LEVELS];
    let mut buffer = Buffer::new();
    for block in range {
        let (voxels, keep) = blocks.get(block, &mut buffer);
        if tables == 1 {
            count(voxels, keep, &mut counts);
        } else {
            count_in_four(voxels, keep, &mut counts);
        }
    }
    (0..T::LEVELS)
        .map(|level| {
            let of_level = counts.iter().skip(level).step_by(T::LEVELS);
            of_level.map(|n| u64::from(*n)).sum()
        })
        .collect()
}

fn count<T: Element>(voxels: &[T], keep: &[u8], counts: &mut [u32]) {
    for (v, keep) in voxels.iter().zip(keep) {
        if let Some(n) = counts.get_mut(v.rank() as usize) {
            *n += u32::from(*keep);
        }
    }
}

fn count_in_four<T: Element>(voxels: &[T], keep: &[u8], counts: &mut [u32]) {
    let (a, rest) = counts.split_at_mut(T::LEVELS);
    let (b, rest) = rest.split_at_mut(T::LEVELS);
    let (c, d) = rest.split_at_mut(T::LEVELS);
    let (quads, tail) = voxels.as_chunks::<4>();
    let (keeps, tail_keeps) = keep.as_chunks::<4>();
    for (v, keep) in quads.iter().zip(keeps) {
        a[v[0].rank() as usize] += u32::from(keep[0]);
        b[v[1].rank() as usize] += u32::from(keep[1]);
        c[v[2].rank() as usize] += u32::from(keep[2]);
        d[v[3].rank() as usize] += u32::from(keep[3]);
    }
    count(tail, tail_keeps, a);
}
