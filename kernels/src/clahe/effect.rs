//! What an equalisation did to an image: contrast, range, information, edges, likeness.

use ndarray::{ArrayView2, ArrayView3, Axis};
use rayon::prelude::*;

use super::check_shapes;
use crate::functions::ln;
use crate::stats::{Select, summary};
use crate::{Element, Error};

/// An image before and after. Ratios are after by before; `None` where before is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// The ratio of the standard deviations (divisor n).
    pub contrast: Option<f64>,
    /// The ratio of the ranges, largest minus smallest value.
    pub dynamic_range: Option<f64>,
    /// The ratio of the mean local entropies.
    pub information: Option<f64>,
    /// The ratio of the mean edge strengths.
    pub edges: Option<f64>,
    /// The mean entropies in bits, before and after, of the 256 levels of the scale in windows of
    /// 7 x 7 pixels within the image; `None` for a smaller one.
    pub entropy: Option<[f64; 2]>,
    /// The mean magnitudes of Sobel's gradient, before and after, in values per pixel, of the pixels
    /// that have eight neighbours; `None` where none has.
    pub edge_strength: Option<[f64; 2]>,
    /// The peak signal-to-noise ratio in dB, `10 log10(scale^2 / mean squared difference)`;
    /// infinite where nothing changed.
    pub psnr: f64,
    /// The mean structural similarity of windows of 7 x 7 pixels, sample covariance; `None` for a
    /// smaller image.
    pub ssim: Option<f64>,
}

/// The side of a window.
const SIDE: usize = 7;

/// Compares two images, each slice across z for itself, whose values may lie from `low` to `high`.
///
/// Extra memory: 17 bytes per pixel of a slice, and per thread 40 bytes per pixel of a row.
///
/// # Errors
///
/// [`Error::ShapeMismatch`], [`Error::EmptySelection`], and [`Error::Range`] for a scale that is
/// none or values that are not finite.
///
/// # Reference
///
/// Wang et al., Image quality assessment: from error visibility to structural similarity, IEEE
/// Trans. Image Process. 13 (2004) 600; K1 = 0.01, K2 = 0.03, uniform windows.
pub fn effect<T: Element, O: Element>(
    before: ArrayView3<'_, T>,
    after: ArrayView3<'_, O>,
    low: f64,
    high: f64,
) -> Result<Effect, Error> {
    check_shapes(before.dim(), after.dim())?;
    if before.is_empty() {
        return Err(Error::EmptySelection);
    }
    let (a, b) = (summary(before, &Select::All), summary(after, &Select::All));
    let finite = a.nan + b.nan == 0 && a.variance.is_finite() && b.variance.is_finite();
    if !(finite && low.is_finite() && high.is_finite() && low < high) {
        return Err(Error::Range { low, high });
    }
    // One slice after the other, its rows side by side: a radiograph is one slice.
    let slices = before.outer_iter().zip(after.outer_iter());
    let all = slices.fold(Sums::default(), |all, (a, b)| {
        all.plus(&Sums::of(a, b, low, high))
    });
    let mean = |sum: f64, n: usize| (n > 0).then(|| sum / n as f64);
    let both = |sums: [f64; 2], n: usize| Some([mean(sums[0], n)?, mean(sums[1], n)?]);
    let by = |after: f64, before: f64| (before > 0.0).then(|| after / before);
    let entropy = both(all.entropy, all.windows);
    let edge_strength = both(all.edges, all.inner);
    let error = all.squares / before.len() as f64;
    let log10 = |v: f64| ln(v) / std::f64::consts::LN_10;
    Ok(Effect {
        contrast: by(b.variance.sqrt(), a.variance.sqrt()),
        dynamic_range: by(b.max - b.min, a.max - a.min),
        information: entropy.and_then(|[before, after]| by(after, before)),
        edges: edge_strength.and_then(|[before, after]| by(after, before)),
        entropy,
        edge_strength,
        psnr: 10.0 * log10((high - low) * (high - low) / error),
        ssim: mean(all.similarity, all.windows),
    })
}

/// The sums of a slice.
#[derive(Clone, Copy, Default)]
struct Sums {
    squares: f64,
    edges: [f64; 2],
    inner: usize,
    entropy: [f64; 2],
    similarity: f64,
    windows: usize,
}

impl Sums {
    fn plus(self, other: &Self) -> Self {
        let both = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
        Self {
            squares: self.squares + other.squares,
            edges: both(self.edges, other.edges),
            inner: self.inner + other.inner,
            entropy: both(self.entropy, other.entropy),
            similarity: self.similarity + other.similarity,
            windows: self.windows + other.windows,
        }
    }

    fn of<T: Element, O: Element>(
        before: ArrayView2<'_, T>,
        after: ArrayView2<'_, O>,
        low: f64,
        high: f64,
    ) -> Self {
        let (height, width) = before.dim();
        let a = numbers(before);
        let b = numbers(after);
        let apart = in_order(height, |y| {
            let row = y * width..(y + 1) * width;
            let both = a[row.clone()].iter().zip(&b[row]);
            both.map(|(a, b)| (a - b) * (a - b)).sum()
        });
        let windows = windows(height, width);
        Self {
            squares: apart,
            edges: [sobel(&a, width), sobel(&b, width)],
            inner: height.saturating_sub(2) * width.saturating_sub(2),
            entropy: [&a, &b].map(|v| entropy(v, height, width, low, high)),
            similarity: similarity(&a, &b, height, width, high - low),
            windows,
        }
    }
}

/// The values of a slice, row after row.
fn numbers<T: Element>(slice: ArrayView2<'_, T>) -> Vec<f64> {
    let (height, width) = slice.dim();
    let mut values = vec![0.0; height * width];
    values
        .par_chunks_mut(width.max(1))
        .zip(slice.axis_iter(Axis(0)).into_par_iter())
        .for_each(|(values, row)| {
            values
                .iter_mut()
                .zip(row)
                .for_each(|(o, v)| *o = v.to_f64())
        });
    values
}

/// The sum of what a function gives for 0 up to `n`: computed side by side, added in order.
fn in_order(n: usize, of: impl Fn(usize) -> f64 + Sync + Send) -> f64 {
    let each: Vec<f64> = (0..n).into_par_iter().map(of).collect();
    each.iter().sum()
}

fn windows(height: usize, width: usize) -> usize {
    (height + 1).saturating_sub(SIDE) * (width + 1).saturating_sub(SIDE)
}

/// The sum of the gradient's magnitudes over the pixels that have eight neighbours.
fn sobel(values: &[f64], width: usize) -> f64 {
    let rows: Vec<&[f64]> = values.chunks(width.max(1)).collect();
    in_order(rows.len().saturating_sub(2), |y| {
        let [above, here, below] = [rows[y], rows[y + 1], rows[y + 2]];
        let column = |x: usize| above[x] + 2.0 * here[x] + below[x];
        let row = |r: &[f64], x: usize| r[x - 1] + 2.0 * r[x] + r[x + 1];
        let magnitude = |x: usize| {
            let gx = (column(x + 1) - column(x - 1)) / 8.0;
            let gy = (row(below, x) - row(above, x)) / 8.0;
            (gx * gx + gy * gy).sqrt()
        };
        (1..width.saturating_sub(1)).map(magnitude).sum()
    })
}

/// The sum of the entropies, in bits, of all windows. The sums over a window are integers, so that
/// nothing gathers as it slides.
fn entropy(values: &[f64], height: usize, width: usize, low: f64, high: f64) -> f64 {
    if windows(height, width) == 0 {
        return 0.0;
    }
    const ONE: f64 = (1_u64 << 40) as f64;
    const AREA: usize = SIDE * SIDE;
    let log2 = |v: f64| ln(v) / std::f64::consts::LN_2;
    // n log2 n in units of 2^-40
    let terms: Vec<i64> = (0..=AREA)
        .map(|n| match n {
            0 => 0,
            n => (n as f64 * log2(n as f64) * ONE).round() as i64,
        })
        .collect();
    let level = |v: &f64| {
        ((v - low) * 255.0 / (high - low))
            .round_ties_even()
            .clamp(0.0, 255.0)
    };
    let levels: Vec<u8> = values.par_iter().map(|v| level(v) as u8).collect();
    in_order(height - SIDE + 1, |y| {
        let mut sum = 0.0;
        let mut counts = [0_usize; 256];
        let mut inside = 0_i64;
        let mut change = |x: usize, by: i64| {
            for row in y..y + SIDE {
                let count = &mut counts[usize::from(levels[row * width + x])];
                inside -= terms[*count];
                *count = (*count as i64 + by) as usize;
                inside += terms[*count];
            }
            inside
        };
        for x in 0..width {
            if x >= SIDE {
                change(x - SIDE, -1);
            }
            let total = change(x, 1);
            if x + 1 >= SIDE {
                sum += (terms[AREA] - total) as f64 / ONE / AREA as f64;
            }
        }
        sum
    })
}

/// The sum of the structural similarities of all windows.
fn similarity(a: &[f64], b: &[f64], height: usize, width: usize, scale: f64) -> f64 {
    if windows(height, width) == 0 {
        return 0.0;
    }
    let n = (SIDE * SIDE) as f64;
    let [c1, c2] = [0.01, 0.03].map(|k| (k * scale) * (k * scale));
    // About the middle of the scale, so that the squares do not cancel.
    let all = in_order(height, |y| {
        let row = y * width..(y + 1) * width;
        a[row.clone()].iter().chain(&b[row]).sum()
    });
    let middle = all / (2 * a.len()) as f64;
    in_order(height - SIDE + 1, |y| {
        let mut sum = 0.0;
        // Sums over seven rows, for each column: a, b, a^2, b^2, ab.
        let mut columns = vec![[0.0_f64; 5]; width];
        for row in y..y + SIDE {
            let (a, b) = (&a[row * width..][..width], &b[row * width..][..width]);
            for ((column, a), b) in columns.iter_mut().zip(a).zip(b) {
                let (a, b) = (a - middle, b - middle);
                for (sum, v) in column.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                    *sum += v;
                }
            }
        }
        for window in columns.windows(SIDE) {
            let means = [0, 1, 2, 3, 4].map(|i| window.iter().map(|c| c[i]).sum::<f64>() / n);
            let [a, b, aa, bb, ab] = means;
            let sample = n / (n - 1.0);
            let [va, vb, vab] = [aa - a * a, bb - b * b, ab - a * b].map(|v| v * sample);
            let (a, b) = (a + middle, b + middle);
            sum += (2.0 * a * b + c1) * (2.0 * vab + c2) / ((a * a + b * b + c1) * (va + vb + c2));
        }
        sum
    })
}
