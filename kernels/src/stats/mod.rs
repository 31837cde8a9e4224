//! Statistics of the voxels of an array, or of a selection of them.
//!
//! Types of at most 16 bits are counted once, in a [`Histogram`], which answers every question
//! exactly. For the others, sums run over blocks of 4096 voxels with 16 lanes each and a fixed
//! tree over the blocks, and order statistics are selected by the digits of the voxels' ranks. No
//! result depends on the number of threads.

mod blocks;
mod distribution;
mod histogram;
mod moments;
mod percentile;

use ndarray::ArrayView3;

use crate::{Element, Error};

pub use distribution::Distribution;
pub use histogram::Histogram;

/// What counts: a selection of voxels. NaN voxels never count.
#[derive(Clone, Debug)]
pub enum Select<'a> {
    /// Every voxel.
    All,
    /// Voxels that differ from 0.
    NonZero,
    /// Voxels above a value.
    Above(f64),
    /// Voxels where the mask, an array of the same shape, is not 0. A mask of another shape
    /// selects nothing.
    Mask(ArrayView3<'a, u8>),
    /// Voxels of another selection that lie between two values, neither of them included.
    Between {
        /// What a value must be above.
        low: f64,
        /// What a value must be below.
        high: f64,
        /// The selection they are taken from.
        of: &'a Select<'a>,
    },
}

impl Select<'_> {
    /// Whether the selection takes a value, as far as the value decides.
    fn takes(&self, value: f64) -> bool {
        match self {
            Self::All | Self::Mask(_) => true,
            Self::NonZero => value != 0.0,
            Self::Above(limit) => value > *limit,
            Self::Between { low, high, of } => value > *low && value < *high && of.takes(value),
        }
    }

    /// The mask, where there is one.
    fn mask(&self) -> Option<&ArrayView3<'_, u8>> {
        match self {
            Self::Mask(mask) => Some(mask),
            Self::Between { of, .. } => of.mask(),
            _ => None,
        }
    }

    /// Whether the mask, where there is one, has this shape.
    fn fits(&self, shape: (usize, usize, usize)) -> Result<(), Error> {
        match self.mask() {
            Some(mask) if mask.dim() != shape => Err(Error::ShapeMismatch {
                left: shape.into(),
                right: mask.dim().into(),
            }),
            _ => Ok(()),
        }
    }
}

/// Count, range and moments of a selection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The number of selected voxels that are not NaN.
    pub count: u64,
    /// The number of NaN voxels: all of them, or those in the mask.
    pub nan: u64,
    /// The smallest value; NaN where nothing counts. -0 is taken for 0.
    pub min: f64,
    /// The largest value; NaN where nothing counts.
    pub max: f64,
    /// The mean; NaN where nothing counts.
    pub mean: f64,
    /// The mean squared deviation from the mean (divisor n); NaN where nothing counts.
    pub variance: f64,
}

impl Summary {
    /// The standard deviation with the divisor `count - ddof`; `None` where that is not positive.
    pub fn std(&self, ddof: u8) -> Option<f64> {
        let divisor = self.count.checked_sub(u64::from(ddof)).filter(|d| *d > 0)?;
        Some((self.variance * (self.count as f64 / divisor as f64)).sqrt())
    }
}

/// Count, range, mean and variance. NaN voxels are left out and counted; infinities are kept, and
/// make the variance NaN.
pub fn summary<T: Element>(voxels: ArrayView3<'_, T>, select: &Select<'_>) -> Summary {
    match Histogram::of(voxels, select) {
        Some(histogram) => histogram.summary(),
        None => moments::summary(voxels, select),
    }
}

/// The smallest and the largest selected value that is not NaN; `None` where there is none.
pub fn min_max<T: Element>(voxels: ArrayView3<'_, T>, select: &Select<'_>) -> Option<(f64, f64)> {
    moments::min_max(voxels, select)
}

/// The percentiles `p` (0 to 100), as `numpy.percentile` with the method `linear` gives them in
/// f64, of the selected voxels that are not NaN.
///
/// # Errors
///
/// [`Error::Percentile`] for a `p` outside [0, 100], [`Error::ShapeMismatch`] for a mask of another
/// shape, and [`Error::EmptySelection`].
///
/// # Reference
///
/// Hyndman and Fan, Sample quantiles in statistical packages, Am. Stat. 50 (1996) 361, type 7.
pub fn percentiles<T: Element>(
    voxels: ArrayView3<'_, T>,
    select: &Select<'_>,
    p: &[f64],
) -> Result<Vec<f64>, Error> {
    percentile::check(p)?;
    select.fits(voxels.dim())?;
    match Histogram::of(voxels, select) {
        Some(histogram) => histogram.percentiles(p),
        None => percentile::by_digits(voxels, select, p),
    }
}

#[cfg(test)]
mod tests;
