//! Order statistics of wide types, selected by the 16-bit digits of the voxels' ranks.

use ndarray::ArrayView3;
use rayon::prelude::*;

use super::Select;
use super::blocks::{Blocks, Buffer};
use crate::{Element, Error};

/// Where a percentile lies between two order statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Position {
    /// The rank of the lower one.
    pub(super) low: u64,
    /// The rank of the upper one.
    pub(super) high: u64,
    fraction: f64,
}

impl Position {
    /// `p` in [0, 100] among `count` > 0 values. The operations and their order are NumPy's.
    pub(super) fn new(p: f64, count: u64) -> Self {
        let last = count - 1;
        let at = last as f64 * (p / 100.0);
        let low = (at.floor() as u64).min(last);
        Self {
            low,
            high: (low + 1).min(last),
            fraction: at - low as f64,
        }
    }

    /// The value between two neighbours, computed from the nearer one as NumPy does.
    pub(super) fn between(&self, a: f64, b: f64) -> f64 {
        let apart = b - a;
        if self.fraction < 0.5 {
            a + apart * self.fraction
        } else {
            b - apart * (1.0 - self.fraction)
        }
    }
}

pub(super) fn check(p: &[f64]) -> Result<(), Error> {
    match p.iter().find(|p| !(0.0..=100.0).contains(*p)) {
        Some(p) => Err(Error::Percentile(*p)),
        None => Ok(()),
    }
}

/// Bits of a digit.
const DIGIT: u32 = 16;
/// Values of a digit.
const VALUES: usize = 1 << DIGIT;
/// Blocks counted by one task.
const TASK: usize = 1024;
/// Prefixes counted in one pass; each has a table of 256 KiB per task.
const PREFIXES: usize = 16;

/// A rank that is looked for: among the voxels that begin with `prefix` it is number `rank`.
#[derive(Clone, Copy)]
struct Target {
    prefix: u64,
    rank: u64,
}

/// [`super::percentiles`] of any type, in one pass per digit.
pub(super) fn by_digits<T: Element>(
    voxels: ArrayView3<'_, T>,
    select: &Select<'_>,
    p: &[f64],
) -> Result<Vec<f64>, Error> {
    let blocks = Blocks::new(voxels, select);
    let digits = (size_of::<T>() as u32 * 8).div_ceil(DIGIT);
    let first = count_digit(&blocks, &[0], 0, digits);
    let count: u64 = first.iter().flatten().sum();
    if count == 0 {
        return Err(Error::EmptySelection);
    }
    let positions: Vec<Position> = p.iter().map(|p| Position::new(*p, count)).collect();
    let mut ranks: Vec<u64> = positions.iter().flat_map(|p| [p.low, p.high]).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let start = ranks.iter().map(|rank| Target {
        prefix: 0,
        rank: *rank,
    });
    let mut targets: Vec<Target> = start.collect();
    for digit in 0..digits {
        let mut prefixes: Vec<u64> = targets.iter().map(|t| t.prefix).collect();
        prefixes.dedup();
        let mut tables = Vec::new();
        for group in prefixes.chunks(PREFIXES) {
            tables.extend(if digit == 0 {
                first.clone()
            } else {
                count_digit(&blocks, group, digit, digits)
            });
        }
        for target in &mut targets {
            if let Ok(table) = prefixes.binary_search(&target.prefix) {
                *target = narrow(*target, &tables[table]);
            }
        }
    }
    let at = |rank: u64| {
        let found = ranks.binary_search(&rank).ok().and_then(|i| targets.get(i));
        found.map_or(f64::NAN, |target| T::from_rank(target.prefix).to_f64())
    };
    Ok(positions
        .iter()
        .map(|position| position.between(at(position.low), at(position.high)))
        .collect())
}

/// Finds the next digit of a target from the counts of that digit.
fn narrow(target: Target, counts: &[u64]) -> Target {
    let mut rank = target.rank;
    for (digit, count) in counts.iter().enumerate() {
        if rank < *count {
            return Target {
                prefix: target.prefix << DIGIT | digit as u64,
                rank,
            };
        }
        rank -= count;
    }
    target
}

/// For each of the sorted prefixes, how often every value of the next digit follows it.
fn count_digit<T: Element>(
    blocks: &Blocks<'_, '_, T>,
    prefixes: &[u64],
    digit: u32,
    digits: u32,
) -> Vec<Vec<u64>> {
    let empty = || vec![vec![0_u64; VALUES]; prefixes.len()];
    // Which voxels may begin with a prefix, by their first digit; most may not.
    let mut candidate = vec![false; VALUES];
    for prefix in prefixes.iter().filter(|_| digit > 0) {
        candidate[(prefix >> ((digit - 1) * DIGIT)) as usize % VALUES] = true;
    }
    let shift = (digits - 1 - digit) * DIGIT;
    let top = (digits - 1) * DIGIT;
    (0..blocks.len().div_ceil(TASK))
        .into_par_iter()
        .map(|task| {
            let mut counts = vec![vec![0_u32; VALUES]; prefixes.len()];
            let mut buffer = Buffer::new();
            for block in task * TASK..((task + 1) * TASK).min(blocks.len()) {
                let (voxels, keep) = blocks.get(block, &mut buffer);
                let selected = voxels.iter().zip(keep);
                if let (0, Some(counts)) = (digit, counts.first_mut()) {
                    for (v, keep) in selected {
                        let counted = *keep != 0 && !is_nan(*v);
                        counts[(v.rank() >> top) as usize % VALUES] += u32::from(counted);
                    }
                    continue;
                }
                for (v, keep) in selected {
                    let rank = v.rank();
                    if !candidate[(rank >> top) as usize % VALUES] || *keep == 0 || is_nan(*v) {
                        continue;
                    }
                    if let Ok(table) = prefixes.binary_search(&(rank >> shift >> DIGIT)) {
                        counts[table][(rank >> shift) as usize % VALUES] += 1;
                    }
                }
            }
            counts
                .into_iter()
                .map(|table| table.into_iter().map(u64::from).collect())
                .collect()
        })
        .reduce(empty, |mut a: Vec<Vec<u64>>, b| {
            for (a, b) in a.iter_mut().flatten().zip(b.iter().flatten()) {
                *a += b;
            }
            a
        })
}

/// NaN alone is unordered with itself.
#[inline(always)]
fn is_nan<T: PartialOrd>(v: T) -> bool {
    v.partial_cmp(&v).is_none()
}
