//! The values of a selection in order: what is asked of them again and again costs few passes.

use ndarray::ArrayView3;
use rayon::prelude::*;

use super::blocks::{Blocks, Buffer, any};
use super::percentile::{self, Position};
use super::{Histogram, Select, Summary, min_max, summary};
use crate::simd::dispatched;
use crate::{Element, Error, Float};

/// How the values of a selection are distributed: shares, moments between two values, and the
/// weighted points that a density is estimated from. All answers but the points are exact, and no
/// answer depends on the number of threads.
///
/// Types of at most 16 bits are counted once and not read again. Of the others, 65,536 equal
/// intervals between the least and the largest value are counted. Where a few values far above the
/// others stretch them, so that 99.9 % of the values lie in the lowest sixteenth, the intervals are
/// counted again up to twice as far as these reach, and the values beyond, less than a thousandth,
/// are kept as they are. Then [`Self::between`] and [`Self::below`] read the voxels once,
/// [`Self::percentiles`] once where 16 bits tell the values of an interval apart, which is usual for
/// f32, and up to four times for f64.
///
/// Extra memory: 512 KiB per task of a million voxels while they are counted, 1 MiB that stays, and
/// eight bytes for each value beyond. Percentiles take up to 512 KiB per task for each interval that
/// holds one, of which each has one or two.
pub struct Distribution<'v, 's, T> {
    voxels: ArrayView3<'v, T>,
    select: &'s Select<'s>,
    held: Held,
}

enum Held {
    Counts(Histogram),
    Intervals(Intervals),
}

/// Counts of equal intervals.
struct Intervals {
    low: f64,
    high: f64,
    /// Where the intervals end, and the last of their values lies.
    limit: f64,
    /// For each interval how many values it holds, and the sum of their places in it.
    held: Vec<(u64, u64)>,
    /// The values above the limit, rising.
    beyond: Vec<f64>,
    count: u64,
}

/// Intervals, as a power of two.
const INTERVALS: u32 = 16;
/// Places in an interval, as a power of two: with the intervals the digits of an `f32`.
const PLACES: u32 = 8;
/// Blocks counted by one task.
const TASK: usize = 256;
/// The part of the values that the intervals are made for, where others lie far above.
const MOST: f64 = 0.999;
/// The intervals that this part must at least reach.
const LEAST_INTERVALS: usize = 1 << (INTERVALS - 4);
/// Voxels that are looked at together for whether one of them lies in a window.
const RUN: usize = 64;
/// Entries of the tables in which a value is looked for by its rank.
const ENTRIES: u64 = 1 << 16;

impl<'v, 's, T: Element> Distribution<'v, 's, T> {
    /// Counts the selected voxels that are not NaN.
    ///
    /// # Errors
    ///
    /// [`Error::EmptySelection`], [`Error::ShapeMismatch`] for a mask of another shape, and
    /// [`Error::Range`] for infinite values.
    pub fn new(voxels: ArrayView3<'v, T>, select: &'s Select<'s>) -> Result<Self, Error> {
        select.fits(voxels.dim())?;
        let held = match Histogram::of(voxels, select) {
            Some(histogram) if histogram.count() == 0 => return Err(Error::EmptySelection),
            Some(histogram) => Held::Counts(histogram),
            None => Held::Intervals(Intervals::of(voxels, select)?),
        };
        Ok(Self {
            voxels,
            select,
            held,
        })
    }

    /// The number of values.
    pub fn count(&self) -> u64 {
        match &self.held {
            Held::Counts(histogram) => histogram.count(),
            Held::Intervals(intervals) => intervals.count,
        }
    }

    /// The least and the largest value.
    pub fn ends(&self) -> (f64, f64) {
        match &self.held {
            Held::Counts(histogram) => histogram
                .min_max()
                .map_or((f64::NAN, f64::NAN), |(low, high)| {
                    (low as f64, high as f64)
                }),
            Held::Intervals(intervals) => (intervals.low, intervals.high),
        }
    }

    /// The percentiles `p`, as [`super::percentiles`] gives them.
    ///
    /// # Errors
    ///
    /// [`Error::Percentile`].
    pub fn percentiles(&self, p: &[f64]) -> Result<Vec<f64>, Error> {
        percentile::check(p)?;
        let intervals = match &self.held {
            Held::Counts(histogram) => return histogram.percentiles(p),
            Held::Intervals(intervals) => intervals,
        };
        let at = |p: &f64| Position::new(*p, intervals.count);
        let positions: Vec<Position> = p.iter().map(at).collect();
        let mut ranks: Vec<u64> = positions.iter().flat_map(|p| [p.low, p.high]).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let blocks = Blocks::new(self.voxels, self.select);
        let values = intervals.in_order(&blocks, &ranks);
        let value = |rank: u64| {
            let found = ranks.binary_search(&rank).ok().and_then(|i| values.get(i));
            found.copied().unwrap_or(f64::NAN)
        };
        Ok(positions
            .iter()
            .map(|position| position.between(value(position.low), value(position.high)))
            .collect())
    }

    /// The percentile `p`, how many values are not above it, and the largest of them.
    ///
    /// # Errors
    ///
    /// [`Error::Percentile`].
    pub fn up_to(&self, p: f64) -> Result<(f64, u64, f64), Error> {
        let limit = self.percentiles(&[p])?.first().copied();
        let limit = limit.unwrap_or(f64::NAN);
        let (count, largest) = self.below(limit.next_up());
        Ok((limit, count, largest.unwrap_or(limit)))
    }

    /// Count, range, mean and variance of the values strictly between two others; either may be
    /// infinite.
    pub fn between(&self, low: f64, high: f64) -> Summary {
        match &self.held {
            Held::Counts(histogram) => histogram.between(low, high).summary(),
            Held::Intervals(_) => {
                let of = self.select;
                summary(self.voxels, &Select::Between { low, high, of })
            }
        }
    }

    /// The number of values below another, and the largest of them; `None` where there is none.
    pub fn below(&self, limit: f64) -> (u64, Option<f64>) {
        if let Held::Counts(histogram) = &self.held {
            let part = histogram.between(f64::NEG_INFINITY, limit);
            return (part.count(), part.min_max().map(|(_, high)| high as f64));
        }
        let blocks = Blocks::new(self.voxels, self.select);
        let (count, largest) = (0..blocks.len())
            .into_par_iter()
            .with_min_len(16)
            .map_init(Buffer::new, |buffer, block| {
                let (voxels, keep) = blocks.get(block, buffer);
                count_below(voxels, keep, limit)
            })
            .reduce(
                || (0, f64::NEG_INFINITY),
                |a, b| (a.0 + b.0, if b.1 > a.1 { b.1 } else { a.1 }),
            );
        (count, (count > 0).then_some(largest))
    }

    /// The values as points, rising, each with the number of values it stands for: every value of a
    /// type of at most 16 bits, else the means of the occupied intervals, within a part in 2^24 of
    /// what they reach over, and the values beyond.
    pub fn points(&self) -> Vec<[f64; 2]> {
        match &self.held {
            Held::Counts(histogram) => histogram
                .values()
                .map(|(value, count)| [value as f64, count as f64])
                .collect(),
            Held::Intervals(intervals) => intervals.points(),
        }
    }
}

/// Ranks of the type, as [`Element::rank`] gives them, among which a value is looked for: of those
/// that occur it is number `skip`.
struct Window {
    first: u64,
    last: u64,
    skip: u64,
}

/// By how many bits the ranks of a window are shifted to make at most [`ENTRIES`] entries.
fn shift(first: u64, last: u64) -> u32 {
    let bits = u64::BITS - (last - first).leading_zeros();
    bits.saturating_sub(ENTRIES.trailing_zeros())
}

impl Window {
    /// Goes on to the entry that holds the value.
    fn narrow(&mut self, counts: &[u64]) {
        let shift = shift(self.first, self.last);
        for (entry, count) in counts.iter().enumerate() {
            if self.skip < *count {
                let first = self.first + ((entry as u64) << shift);
                self.last = self.last.min(first + ((1 << shift) - 1));
                self.first = first;
                return;
            }
            self.skip -= count;
        }
        // Never reached while the voxels stay what they were.
        self.last = self.first;
    }
}

/// How often the ranks of each window occur, in steps of two to its shift. Windows do not overlap.
fn count_windows<T: Element>(blocks: &Blocks<'_, '_, T>, windows: &[(u64, u64)]) -> Vec<Vec<u64>> {
    let entries =
        |(first, last): &(u64, u64)| ((last - first) >> shift(*first, *last)) as usize + 1;
    let empty = || -> Vec<Vec<u64>> { windows.iter().map(|w| vec![0; entries(w)]).collect() };
    let ends: Vec<(T, T)> = windows
        .iter()
        .map(|(first, last)| (T::from_rank(*first), T::from_rank(*last)))
        .collect();
    (0..blocks.len().div_ceil(TASK))
        .into_par_iter()
        .map(|task| {
            let mut counts = empty();
            let mut buffer = Buffer::new();
            for block in task * TASK..((task + 1) * TASK).min(blocks.len()) {
                let (voxels, keep) = blocks.get(block, &mut buffer);
                // Windows are narrow: most runs of voxels lie outside all of them.
                for (voxels, keep) in voxels.chunks(RUN).zip(keep.chunks(RUN)) {
                    for (((first, last), ends), counts) in
                        windows.iter().zip(&ends).zip(&mut counts)
                    {
                        if !reaches(voxels, ends.0, ends.1) {
                            continue;
                        }
                        let kept = voxels.iter().zip(keep).filter(|(_, keep)| **keep != 0);
                        for rank in kept.map(|(v, _)| v.rank()) {
                            if (*first..=*last).contains(&rank) {
                                counts[((rank - first) >> shift(*first, *last)) as usize] += 1;
                            }
                        }
                    }
                }
            }
            counts
        })
        .reduce(empty, |mut a, b| {
            for (a, b) in a.iter_mut().flatten().zip(b.iter().flatten()) {
                *a += b;
            }
            a
        })
}

impl Intervals {
    fn of<T: Element>(voxels: ArrayView3<'_, T>, select: &Select<'_>) -> Result<Self, Error> {
        let (low, high) = min_max(voxels, select).ok_or(Error::EmptySelection)?;
        if !(high - low).is_finite() {
            return Err(Error::Range { low, high });
        }
        let blocks = Blocks::new(voxels, select);
        let intervals = Self::up_to(&blocks, [low, high], high);
        let most = (intervals.count as f64 * MOST) as u64;
        let mut cumulative = 0;
        let reached = intervals.held.iter().position(|(count, _)| {
            cumulative += count;
            cumulative > most
        });
        if reached.is_none_or(|interval| interval >= LEAST_INTERVALS) {
            return Ok(intervals);
        }
        let largest = intervals.in_order(&blocks, &[most]);
        let largest = largest.first().copied().unwrap_or(high);
        let limit = T::from_f64(largest + (largest - low)).to_f64();
        // Where all but a few values are one, there is nothing to tell apart.
        if limit <= low || limit >= high {
            return Ok(intervals);
        }
        Ok(Self::up_to(&blocks, [low, high], limit))
    }

    /// Counts the intervals between the least value and a limit that the type holds.
    fn up_to<T: Element>(blocks: &Blocks<'_, '_, T>, ends: [f64; 2], limit: f64) -> Self {
        let [least, high] = ends;
        let scale = scale(least, limit);
        let empty = || (vec![(0_u64, 0_u64); 1 << INTERVALS], Vec::new());
        let (held, mut beyond) = (0..blocks.len().div_ceil(TASK))
            .into_par_iter()
            .map(|task| {
                // Count in the upper half, sum of places in the lower: one addition per voxel.
                let mut counts = vec![0_u64; 1 << INTERVALS];
                let mut beyond = Vec::new();
                let mut buffer = Buffer::new();
                let mut places = vec![0_u32; super::blocks::BLOCK];
                let last = T::from_f64(limit);
                for block in task * TASK..((task + 1) * TASK).min(blocks.len()) {
                    let (voxels, keep) = blocks.get(block, &mut buffer);
                    let (low, scale) = (T::Float::from_f64(least), T::Float::from_f64(scale));
                    if !any(keep) {
                        continue;
                    }
                    place(voxels, low, scale, &mut places);
                    for ((place, keep), v) in places.iter().zip(keep).zip(voxels) {
                        // Background comes in runs: a branch is cheaper than counting nothing.
                        if *keep == 0 {
                            continue;
                        }
                        // NaN is neither.
                        if *v <= last {
                            let one = (1 << 32) | u64::from(place & ((1 << PLACES) - 1));
                            counts[(place >> PLACES) as usize] += one;
                        } else if *v > last {
                            beyond.push(v.to_f64());
                        }
                    }
                }
                (counts, beyond)
            })
            .fold(empty, |(mut held, mut all), (counts, beyond)| {
                for (held, count) in held.iter_mut().zip(counts) {
                    held.0 += count >> 32;
                    held.1 += count & u64::from(u32::MAX);
                }
                all.extend(beyond);
                (held, all)
            })
            .reduce(empty, |(mut a, mut all), (b, beyond)| {
                for (a, b) in a.iter_mut().zip(b) {
                    *a = (a.0 + b.0, a.1 + b.1);
                }
                all.extend(beyond);
                (a, all)
            });
        beyond.sort_unstable_by(f64::total_cmp);
        let counted: u64 = held.iter().map(|(count, _)| count).sum();
        Self {
            low: least,
            high,
            count: counted + beyond.len() as u64,
            limit,
            held,
            beyond,
        }
    }

    fn points(&self) -> Vec<[f64; 2]> {
        let (low, scale) = (self.low, scale(self.low, self.limit));
        let places = f64::from(1 << PLACES);
        let occupied = self.held.iter().enumerate().filter(|(_, held)| held.0 > 0);
        let means = occupied.map(|(interval, (count, sum))| {
            // Places are cut off; half of one makes up for it.
            let place = interval as f64 * places + *sum as f64 / *count as f64 + 0.5;
            let value = if scale > 0.0 {
                (low + place / scale).min(self.limit)
            } else {
                low
            };
            [value, *count as f64]
        });
        let beyond = self.beyond.iter().map(|value| [*value, 1.0]);
        means.chain(beyond).collect()
    }

    /// The values of rising ranks, counted from 0.
    fn in_order<T: Element>(&self, blocks: &Blocks<'_, '_, T>, ranks: &[u64]) -> Vec<f64> {
        let within = self.count - self.beyond.len() as u64;
        let (ranks, beyond) = ranks.split_at(ranks.partition_point(|rank| *rank < within));
        let mut windows: Vec<Window> = ranks.iter().map(|rank| self.window::<T>(*rank)).collect();
        while windows.iter().any(|window| window.first < window.last) {
            let mut open: Vec<(u64, u64)> = windows.iter().map(|w| (w.first, w.last)).collect();
            open.dedup();
            let counts = count_windows(blocks, &open);
            for window in &mut windows {
                let bounds = (window.first, window.last);
                if let Some(table) = open.iter().position(|o| *o == bounds) {
                    window.narrow(&counts[table]);
                }
            }
        }
        let beyond = beyond
            .iter()
            .filter_map(|rank| self.beyond.get((rank - within) as usize).copied());
        windows
            .iter()
            .map(|window| T::from_rank(window.first).to_f64())
            .chain(beyond)
            .collect()
    }

    /// The ranks of the interval that holds the value of a rank.
    fn window<T: Element>(&self, rank: u64) -> Window {
        let mut skip = rank;
        let mut at = 0;
        for (interval, (count, _)) in self.held.iter().enumerate() {
            at = interval as u32;
            if skip < *count {
                break;
            }
            skip -= count;
        }
        let (low, factor) = (
            T::Float::from_f64(self.low),
            T::Float::from_f64(scale(self.low, self.limit)),
        );
        // The first rank whose interval is not below another.
        let first_of = |interval: u32| {
            let [mut below, mut found] = [self.low, self.limit].map(|end| T::from_f64(end).rank());
            found += 1;
            while below < found {
                let middle = below + (found - below) / 2;
                let mut place_of = [0];
                place(&[T::from_rank(middle)], low, factor, &mut place_of);
                if place_of[0] >> PLACES < interval {
                    below = middle + 1;
                } else {
                    found = middle;
                }
            }
            found
        };
        Window {
            first: first_of(at),
            last: first_of(at + 1) - 1,
            skip,
        }
    }
}

/// What turns the distance from the least value into a place.
fn scale(low: f64, high: f64) -> f64 {
    if high > low {
        // Below 2^24, so that the largest value has a place too.
        f64::from((1_u32 << (INTERVALS + PLACES)) - 1) / (high - low)
    } else {
        0.0
    }
}

dispatched! {
    /// The place of each voxel between the least and the largest value, 0 to 2^24 - 1; rising with
    /// the value.
    fn place[T: Element](voxels: &[T], low: T::Float, scale: T::Float, places: &mut [u32]) {
        for (place, v) in places.iter_mut().zip(voxels) {
            let at = ((v.to_float() - low) * scale).to_f32();
            let at = if at > 0.0 { at } else { 0.0 };
            let at = if at < 16_777_215.0 { at } else { 16_777_215.0 };
            *place = at as i32 as u32;
        }
    }
}

dispatched! {
    /// Whether a voxel lies between two values or is one of them.
    fn reaches[T: Element](voxels: &[T], low: T, high: T) -> bool {
        voxels.iter().fold(false, |any, v| any | ((*v >= low) & (*v <= high)))
    }
}

dispatched! {
    /// The number of kept values below a limit, and the largest of them.
    fn count_below[T: Element](voxels: &[T], keep: &[u8], limit: f64) -> (u64, f64) {
        let mut count = 0_u32;
        let mut largest = [f64::NEG_INFINITY; 16];
        for (voxels, keep) in voxels.chunks(16).zip(keep.chunks(16)) {
            for ((v, keep), largest) in voxels.iter().zip(keep).zip(&mut largest) {
                let v = v.to_f64() + 0.0;
                let counts = (v < limit) & (*keep != 0);
                count += u32::from(counts);
                *largest = if counts & (v > *largest) { v } else { *largest };
            }
        }
        let all = largest.iter();
        let largest = all.fold(f64::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
        (u64::from(count), largest)
    }
}
