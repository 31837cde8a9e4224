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
    /// Whether levels are the 256 bytes and entries too.
    fn is_bytes(&self) -> bool;
    /// The levels of a row.
    fn levels(&self, row: &[T], levels: &mut [u32]);
    /// The voxels of a row of results.
    fn store(&self, results: &[f32], row: &mut [T]);
}

/// Every integer of a stretch, of those from the least to the largest that occur.
pub(super) struct Integers {
    /// The rank of the integer of bin 0.
    pub(super) low: u64,
    /// The number of integers, at most 65,536.
    pub(super) bins: usize,
    /// The bin of level 0.
    pub(super) first: usize,
    pub(super) count: usize,
    /// Whether values lie beyond the stretch, which count as its ends.
    pub(super) limits: bool,
}

impl<T: Element> Levels<T> for Integers {
    type Entry = u16;

    fn bins(&self) -> usize {
        self.bins
    }
    fn first(&self) -> usize {
        self.first
    }
    fn count(&self) -> usize {
        self.count
    }
    fn top(&self) -> f32 {
        (self.bins - 1) as f32
    }
    fn has_nan(&self) -> bool {
        false
    }
    fn is_bytes(&self) -> bool {
        T::LEVELS == 256 && self.count == 256
    }
    fn levels(&self, row: &[T], levels: &mut [u32]) {
        let first = (self.low + self.first as u64) as u32;
        if self.limits {
            limited_ranks(row, first, self.count as u32 - 1, levels);
        } else {
            ranks(row, first, levels);
        }
    }
    fn store(&self, results: &[f32], row: &mut [T]) {
        store_ranks(results, self.low, row);
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
    fn limited_ranks[T: Element](row: &[T], first: u32, largest: u32, levels: &mut [u32]) {
        for (level, v) in levels.iter_mut().zip(row) {
            let above = (v.rank() as u32).saturating_sub(first);
            *level = if above < largest { above } else { largest };
        }
    }
}

dispatched! {
    fn store_ranks[T: Element](results: &[f32], low: u64, row: &mut [T]) {
        for (v, result) in row.iter_mut().zip(results) {
            *v = T::from_rank(low + u64::from(result.to_element::<u16>()));
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
    fn new<T: Element>(low: f64, high: f64, bins: usize) -> Result<Self, Error> {
        let range = Self { low, high, bins };
        let [low_there, high_there, width, factor] = range.in_float::<T>();
        let finite = [low_there, high_there, width, factor]
            .iter()
            .all(|v| v.to_f64().is_finite());
        if !(finite && width > T::Float::ZERO && factor > T::Float::ZERO) {
            return Err(Error::Range { low, high });
        }
        Ok(range)
    }

    /// Both ends, what lies between them, and the steps per unit, as they are computed with.
    fn in_float<T: Element>(&self) -> [T::Float; 4] {
        let [low, high] = [self.low, self.high].map(T::Float::from_f64);
        let factor = (self.bins - 1) as f64 / (self.high - self.low);
        [low, high, high - low, T::Float::from_f64(factor)]
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
    fn is_bytes(&self) -> bool {
        false
    }
    fn levels(&self, row: &[T], levels: &mut [u32]) {
        let [low, _, _, factor] = self.in_float::<T>();
        quantise(row, low, factor, self.bins as u32, levels);
    }
    fn store(&self, results: &[f32], row: &mut [T]) {
        let [low, high, ..] = self.in_float::<T>();
        stretch(results, low, high, row);
    }
}

/// How the values between two ends are told apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Steps {
    /// Every integer for itself, so many from the one of a rank on.
    Integers {
        /// The rank of the first.
        low: u64,
        /// Their number.
        bins: usize,
    },
    /// Equal steps.
    Range(Range),
}

impl Steps {
    /// Every value of a type of at most 16 bits.
    pub(super) fn of_type<T: Element>() -> Self {
        Self::Integers {
            low: 0,
            bins: T::LEVELS,
        }
    }

    /// From `low` to `high` in at most `bins` steps. Of integers only those between the ends count,
    /// and none has less than a bin of its own: bins that nothing can fall into would lower the limit
    /// of the others, and take what is cut off them, until hardly anything changes.
    pub(super) fn new<T: Element>(low: f64, high: f64, bins: usize) -> Result<Self, Error> {
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(Error::Range { low, high });
        }
        if !T::IS_INTEGER {
            return Range::new::<T>(low, high, bins).map(Self::Range);
        }
        let [least, largest] = [f64::NEG_INFINITY, f64::INFINITY].map(|v| T::from_f64(v).to_f64());
        let (first, last) = (low.ceil().max(least), high.floor().min(largest));
        if first >= last {
            return Err(Error::Range { low, high });
        }
        if last - first < bins as f64 {
            let low = T::from_f64(first).rank();
            let bins = (last - first) as usize + 1;
            return Ok(Self::Integers { low, bins });
        }
        Range::new::<T>(first, last, bins).map(Self::Range)
    }

    /// The most bins that a table can have.
    pub(super) fn bins(&self) -> usize {
        match self {
            Self::Integers { bins, .. } => *bins,
            Self::Range(range) => range.bins + 1,
        }
    }

    /// The bytes of an entry of a table.
    pub(super) fn entry(&self) -> usize {
        match self {
            Self::Integers { .. } => size_of::<u16>(),
            Self::Range(_) => size_of::<f32>(),
        }
    }

    /// The values of the ends.
    pub(super) fn ends<T: Element>(&self) -> [T::Float; 2] {
        match self {
            Self::Integers { low, bins } => {
                [*low, low + *bins as u64 - 1].map(|rank| T::from_rank(rank).to_float())
            }
            Self::Range(range) => {
                let [low, high, ..] = range.in_float::<T>();
                [low, high]
            }
        }
    }
}

dispatched! {
    /// The nearest of `bins` steps of width 1 / `factor` from `low` up; `bins` for NaN.
    fn quantise[T: Element](
        row: &[T], low: T::Float, factor: T::Float, bins: u32, levels: &mut [u32],
    ) {
        for (level, v) in levels.iter_mut().zip(row) {
            let v = v.to_float();
            let at = (v - low) * factor;
            let step = u32::from(at.to_element::<u16>());
            let step = if step < bins { step } else { bins - 1 };
            *level = if v.is_nan() { bins } else { step };
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
