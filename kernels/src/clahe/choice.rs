//! Parameters of CLAHE chosen by the statistics of an image.

use ndarray::ArrayView3;
use rayon::prelude::*;

use crate::stats::{Select, summary};
use crate::{Element, Error};

/// Which rules [`choose`] goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Range and mean.
    Basic,
    /// Then contrast and skewness.
    Extended,
}

/// What [`choose`] found, on a scale of 0 to 255, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The limit of the histograms, see [`super::Clahe::clip_limit`].
    pub clip_limit: f64,
    /// The number of tiles along x and along y.
    pub tiles: usize,
    /// Which rule decided, in words.
    pub rule: &'static str,
    /// The largest value minus the smallest.
    pub range: f64,
    /// The mean.
    pub mean: f64,
    /// Michelson's contrast: the range by the sum of its ends; 0 where that is 0.
    pub contrast: f64,
    /// The third standardised moment; 0 for an image of one value.
    pub skewness: f64,
    /// The fourth standardised moment (3 for a normal distribution); 0 for an image of one value.
    pub kurtosis: f64,
}

/// Chooses limit and tiles for [`super::clahe`]. The rules are for bytes: values from `low` to
/// `high` count as 0 to 255. The first that holds decides:
///
/// | where | limit | tiles |
/// |---|---|---|
/// | range below 50 | 3.0 | 16 |
/// | mean below 80 | 2.5 | 12 |
/// | mean above 180 | 2.0 | 8 |
/// | extended: contrast below 0.3 | 3.0 | 16 |
/// | extended: skewness above 0.5 | 2.2 | 10 |
/// | extended: skewness below -0.5 | 2.8 | 14 |
/// | otherwise | 2.0 | 8 |
///
/// NaN is left out. Extra memory: that of [`summary`], and eight bytes per row.
///
/// # Errors
///
/// [`Error::Range`] for a scale that is none or a result that is not finite, and
/// [`Error::EmptySelection`] for nothing but NaN.
pub fn choose<T: Element>(
    voxels: ArrayView3<'_, T>,
    low: f64,
    high: f64,
    rules: Rules,
) -> Result<Choice, Error> {
    if !(low.is_finite() && high.is_finite() && low < high) {
        return Err(Error::Range { low, high });
    }
    let all = summary(voxels, &Select::All);
    if all.count == 0 {
        return Err(Error::EmptySelection);
    }
    if !all.variance.is_finite() {
        return Err(Error::Range {
            low: all.min,
            high: all.max,
        });
    }
    let scaled = |v: f64| (v - low) * 255.0 / (high - low);
    let [least, largest, mean] = [all.min, all.max, all.mean].map(scaled);
    let (range, ends) = (largest - least, largest + least);
    let contrast = if ends == 0.0 { 0.0 } else { range / ends };
    let [skewness, kurtosis] = if all.min < all.max {
        standardised(voxels, all.mean, all.variance, all.count)
    } else {
        [0.0; 2]
    };
    let extended = rules == Rules::Extended;
    let (clip_limit, tiles, rule) = if range < 50.0 {
        (3.0, 16, "range below 50")
    } else if mean < 80.0 {
        (2.5, 12, "mean below 80")
    } else if mean > 180.0 {
        (2.0, 8, "mean above 180")
    } else if extended && contrast < 0.3 {
        (3.0, 16, "contrast below 0.3")
    } else if extended && skewness > 0.5 {
        (2.2, 10, "skewness above 0.5")
    } else if extended && skewness < -0.5 {
        (2.8, 14, "skewness below -0.5")
    } else {
        (2.0, 8, "no other rule")
    };
    Ok(Choice {
        clip_limit,
        tiles,
        rule,
        range,
        mean,
        contrast,
        skewness,
        kurtosis,
    })
}

/// Third and fourth standardised moment: sums of rows, then of slices, each in order.
fn standardised<T: Element>(
    voxels: ArrayView3<'_, T>,
    mean: f64,
    variance: f64,
    count: u64,
) -> [f64; 2] {
    let of_row = |row: ndarray::ArrayView1<'_, T>| {
        row.iter().fold([0.0, 0.0], |[third, fourth], v| {
            let apart = v.to_f64() - mean;
            let square = apart * apart;
            if apart.is_nan() {
                [third, fourth]
            } else {
                [third + square * apart, fourth + square * square]
            }
        })
    };
    let (depth, height, _) = voxels.dim();
    let rows: Vec<[f64; 2]> = (0..depth * height)
        .into_par_iter()
        .map(|row| {
            let plane = voxels.index_axis(ndarray::Axis(0), row / height);
            of_row(plane.index_axis(ndarray::Axis(0), row % height))
        })
        .collect();
    let [third, fourth] = rows
        .iter()
        .fold([0.0, 0.0], |[a, b], [c, d]| [a + c, b + d]);
    let n = count as f64;
    [
        third / n / (variance * variance.sqrt()),
        fourth / n / (variance * variance),
    ]
}
