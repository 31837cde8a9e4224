//! Parameters of CLAHE chosen by the statistics of an image.

use ndarray::{ArrayView1, ArrayView3, Axis};
use rayon::prelude::*;

use super::asked::is_range;
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
/// `high` count as 0 to 255, and those beyond as the ends. The first that holds decides:
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
/// NaN is left out. Extra memory: 32 bytes per row.
///
/// # Errors
///
/// [`Error::Range`] for a scale that is none, and [`Error::EmptySelection`] for nothing but NaN.
pub fn choose<T: Element>(
    voxels: ArrayView3<'_, T>,
    low: f64,
    high: f64,
    rules: Rules,
) -> Result<Choice, Error> {
    if !is_range(low, high) {
        return Err(Error::Range { low, high });
    }
    let scaled = |v: f64| (v.clamp(low, high) - low) * 255.0 / (high - low);
    let all = of_rows(voxels, |row| {
        let values = row.iter().map(|v| scaled(v.to_f64()));
        values.fold(Sums::NONE, |sums, v| match v.is_nan() {
            true => sums,
            false => sums.plus(&Sums::of(v)),
        })
    });
    let all = all.iter().fold(Sums::NONE, Sums::plus);
    if all.count == 0 {
        return Err(Error::EmptySelection);
    }
    let n = all.count as f64;
    let mean = all.sum / n;
    let (range, ends) = (all.largest - all.least, all.largest + all.least);
    let contrast = if ends == 0.0 { 0.0 } else { range / ends };
    let [skewness, kurtosis] = if range > 0.0 {
        let moments = of_rows(voxels, |row| {
            row.iter().fold([0.0; 3], |[second, third, fourth], v| {
                let apart = scaled(v.to_f64()) - mean;
                let square = apart * apart;
                if apart.is_nan() {
                    [second, third, fourth]
                } else {
                    [
                        second + square,
                        third + square * apart,
                        fourth + square * square,
                    ]
                }
            })
        });
        let sums = moments
            .iter()
            .fold([0.0; 3], |a, b| [0, 1, 2].map(|i| a[i] + b[i]));
        let [variance, third, fourth] = sums.map(|sum| sum / n);
        [
            third / (variance * variance.sqrt()),
            fourth / (variance * variance),
        ]
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

/// The sums of a row, or of all.
#[derive(Clone, Copy)]
struct Sums {
    count: u64,
    sum: f64,
    least: f64,
    largest: f64,
}

impl Sums {
    const NONE: Self = Self {
        count: 0,
        sum: 0.0,
        least: f64::INFINITY,
        largest: f64::NEG_INFINITY,
    };

    fn of(v: f64) -> Self {
        Self {
            count: 1,
            sum: v,
            least: v,
            largest: v,
        }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            least: self.least.min(other.least),
            largest: self.largest.max(other.largest),
        }
    }
}

/// What a function makes of every row, in order.
fn of_rows<T: Element, R: Send>(
    voxels: ArrayView3<'_, T>,
    of_row: impl Fn(ArrayView1<'_, T>) -> R + Sync + Send,
) -> Vec<R> {
    let (depth, height, _) = voxels.dim();
    (0..depth * height)
        .into_par_iter()
        .map(|row| {
            let plane = voxels.index_axis(Axis(0), row / height);
            of_row(plane.index_axis(Axis(0), row % height))
        })
        .collect()
}
