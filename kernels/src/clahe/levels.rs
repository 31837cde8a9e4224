//! What a voxel counts as in the histogram of a tile, and what the tables of the tiles hold.

use crate::simd::dispatched;
use crate::{Element, Error, Float};

/// An entry of a table.
pub(super) trait Entry: Copy + Default + Send + Sync {
    /// The entry of a cumulated count.
    fn of(count: i32, scale: f32) -> Self;
    /// The value, exactly.
    fn value(self) -> f32;
}

impl Entry for u16 {
    #[inline(always)]
    fn of(count: i32, scale: f32) -> Self {
        (count as f32 * scale).to_element()
    }
    #[inline(always)]
    fn value(self) -> f32 {
        f32::from(self)
    }
}

impl Entry for f32 {
    #[inline(always)]
    fn of(count: i32, scale: f32) -> Self {
        count as f32 * scale
    }
    #[inline(always)]
    fn value(self) -> f32 {
        self
    }
}

/// How voxels become levels, which count from 0, and how results become voxels.
pub(super) trait Levels<T: Element>: Sync {
    /// The entries of the tables.
    type Entry: Entry;

    /// The number of bins of a histogram.
    fn bins(&self) -> usize;
    /// The bin of level 0. Levels are bins that occur.
    fn first(&self) -> usize;
    /// The number of levels.
    fn count(&self) -> usize;
    /// What the largest cumulated count becomes.
    fn top(&self) -> f32;
    /// Whether there is a level above the others, for NaN.
    fn has_nan(&self) -> bool;
    /// The levels of a row.
    fn levels(&self, row: &[T], levels: &mut [u32]);
    /// The voxels of a row of results.
    fn store(&self, results: &[f32], row: &mut [T]);
}

/// Every value of a type, of those from the least to the largest that occur.
pub(super) struct Whole {
    pub(super) first: u64,
    pub(super) count: usize,
}

impl<T: Element> Levels<T> for Whole {
    type Entry = u16;

    fn bins(&self) -> usize {
        T::LEVELS
    }
    fn first(&self) -> usize {
        self.first as usize
    }
    fn count(&self) -> usize {
        self.count
    }
    fn top(&self) -> f32 {
        (T::LEVELS - 1) as f32
    }
    fn has_nan(&self) -> bool {
        false
    }
    fn levels(&self, row: &[T], levels: &mut [u32]) {
        ranks(row, self.first as u32, levels);
    }
    fn store(&self, results: &[f32], row: &mut [T]) {
        store_ranks(results, row);
    }
}

dispatched! {
    fn ranks[T: Element](row: &[T], first: u32, levels: &mut [u32]) {
        for (level, v) in levels.iter_mut().zip(row) {
            *level = (v.rank() as u32).wrapping_sub(first);
        }
    }
}

dispatched! {
    fn store_ranks[T: Element](results: &[f32], row: &mut [T]) {
        for (v, result) in row.iter_mut().zip(results) {
            *v = T::from_rank(u64::from(result.to_element::<u16>()));
        }
    }
}

/// Equal steps between two values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    low: f64,
    high: f64,
    bins: usize,
}

impl Range {
    pub(super) fn new(low: f64, high: f64, bins: usize) -> Result<Self, Error> {
        if !(2..=1 << 16).contains(&bins) {
            return Err(Error::Bins(bins));
        }
        if !(low.is_finite() && high.is_finite() && low < high && (high - low).is_finite()) {
            return Err(Error::Range { low, high });
        }
        Ok(Self { low, high, bins })
    }
}

impl<T: Element> Levels<T> for Range {
    type Entry = f32;

    fn bins(&self) -> usize {
        self.bins
    }
    fn first(&self) -> usize {
        0
    }
    fn count(&self) -> usize {
        self.bins + usize::from(!T::IS_INTEGER)
    }
    fn top(&self) -> f32 {
        1.0
    }
    fn has_nan(&self) -> bool {
        !T::IS_INTEGER
    }
    fn levels(&self, row: &[T], levels: &mut [u32]) {
        let factor = (self.bins - 1) as f64 / (self.high - self.low);
        let (low, factor) = (T::Float::from_f64(self.low), T::Float::from_f64(factor));
        quantise(row, low, factor, self.bins as u32, levels);
    }
    fn store(&self, results: &[f32], row: &mut [T]) {
        let [low, high] = [self.low, self.high].map(T::Float::from_f64);
        stretch(results, low, high, row);
    }
}

dispatched! {
    /// The nearest of `bins` steps of width 1 / `factor` from `low` up; `bins` for NaN.
    fn quantise[T: Element](
        row: &[T], low: T::Float, factor: T::Float, bins: u32, levels: &mut [u32],
    ) {
        for (level, v) in levels.iter_mut().zip(row) {
            let at = (v.to_float() - low) * factor;
            let step = u32::from(at.to_element::<u16>());
            let step = if step < bins { step } else { bins - 1 };
            *level = if at.is_nan() { bins } else { step };
        }
    }
}

dispatched! {
    /// 0 becomes `low`, 1 `high`; nothing lies beyond. NaN stays NaN.
    fn stretch[T: Element](results: &[f32], low: T::Float, high: T::Float, row: &mut [T]) {
        let width = high - low;
        for (v, result) in row.iter_mut().zip(results) {
            let value = low + T::Float::from_f32(*result) * width;
            let value = if value < low { low } else { value };
            let value = if value > high { high } else { value };
            *v = T::from_float(value);
        }
    }
}

dispatched! {
    /// The least and the largest value, NaN aside; the least is above the largest where there is
    /// none.
    pub(super) fn extremes[T: Element](row: &[T], ends: (T, T)) -> (T, T) {
        let (mut least, mut largest) = ends;
        for v in row {
            least = if *v < least { *v } else { least };
            largest = if *v > largest { *v } else { largest };
        }
        (least, largest)
    }
}

/// What [`extremes`] starts from.
pub(super) fn no_extremes<T: Element>() -> (T, T) {
    (T::from_f64(f64::INFINITY), T::from_f64(f64::NEG_INFINITY))
}
