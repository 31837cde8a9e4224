//! Densities of values, estimated with a Gaussian about each, and their peaks.

use rayon::prelude::*;

use crate::functions::{exp, exp_in_place, pow};

/// A density on equal steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    /// Where the first value lies.
    pub low: f64,
    /// The distance between values.
    pub step: f64,
    /// The density, up to a factor: its highest value is not 1, and neither is its integral.
    pub values: Vec<f64>,
}

/// A peak of a [`Density`]: larger than what is before and behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Where it is.
    pub at: f64,
    /// Its height, in parts of the highest value.
    pub height: f64,
    /// How far one must at least go down to come to something higher, or to an end, in parts of the
    /// highest value.
    pub prominence: f64,
}

/// Scott's bandwidth of weighted points (value and number of values): the standard deviation (divisor
/// n - 1) by the fifth root of their number. `None` where that is not a number above 0.
///
/// # Reference
///
/// Scott, Multivariate Density Estimation (1992).
pub fn scott(points: &[[f64; 2]]) -> Option<f64> {
    let n: f64 = points.iter().map(|[_, count]| count).sum();
    let mean = points
        .iter()
        .map(|[value, count]| value * count)
        .sum::<f64>()
        / n;
    let apart = |[value, count]: &[f64; 2]| (value - mean) * (value - mean) * count;
    let variance = points.iter().map(apart).sum::<f64>() / (n - 1.0);
    let width = variance.sqrt() * pow(n, -0.2);
    (width > 0.0 && width.is_finite()).then_some(width)
}

/// The density of weighted points at given places, up to a factor: the plain sum of the Gaussians,
/// with nothing left out. Extra memory: eight bytes per point and thread.
pub fn density_at(points: &[[f64; 2]], bandwidth: f64, places: &[f64]) -> Vec<f64> {
    // Beyond this the exponential is 0.
    const REACH: f64 = 39.0;
    let at = |terms: &mut Vec<f64>, place: &f64| {
        let [low, high] = [-REACH, REACH].map(|reach| place + reach * bandwidth);
        let near = points.partition_point(|p| p[0] < low)..points.partition_point(|p| p[0] <= high);
        let near = &points[near];
        terms.clear();
        terms.extend(near.iter().map(|[value, _]| {
            let apart = (value - place) / bandwidth;
            -0.5 * apart * apart
        }));
        exp_in_place(terms);
        let sum = terms
            .iter()
            .zip(near)
            .map(|(term, [_, count])| term * count);
        sum.sum()
    };
    places.par_iter().map_init(Vec::new, at).collect()
}

impl Density {
    /// The density of weighted points on `count` steps from the least to the largest: they are shared
    /// between the two nearest steps and smoothed with a Gaussian that ends at eight bandwidths. The
    /// error is that of the sharing, about a tenth of the square of step by bandwidth. `None` for
    /// fewer than two steps or points. Extra memory: twice the steps.
    pub fn new(points: &[[f64; 2]], bandwidth: f64, count: usize) -> Option<Self> {
        let (low, high) = (points.first()?[0], points.last()?[0]);
        let step = (high - low) / (count.checked_sub(1)? as f64);
        // One step has no width, and so an infinite one.
        if !(step > 0.0 && step.is_finite() && bandwidth > 0.0) {
            return None;
        }
        let mut shares = vec![0.0_f64; count];
        for [value, n] in points {
            let at = (value - low) / step;
            let below = (at as usize).min(count - 2);
            let part = at - below as f64;
            shares[below] += n * (1.0 - part);
            shares[below + 1] += n * part;
        }
        let reach = ((8.0 * bandwidth / step) as usize).min(count);
        let weight = |t: usize| {
            let apart = t as f64 * step / bandwidth;
            exp(-0.5 * apart * apart)
        };
        let weights: Vec<f64> = (0..=reach).map(weight).collect();
        let share = |i: Option<usize>| i.and_then(|i| shares.get(i)).copied().unwrap_or(0.0);
        let value = |i: usize| {
            let pairs = weights.iter().enumerate().skip(1).rev();
            let sum = pairs.fold(0.0, |sum, (t, weight)| {
                sum + weight * (share(i.checked_sub(t)) + share(Some(i + t)))
            });
            sum + share(Some(i))
        };
        Some(Self {
            low,
            step,
            values: (0..count).into_par_iter().map(value).collect(),
        })
    }

    /// The peaks whose prominence is at least the given part of the highest value, rising by place. A
    /// flat top is one peak, in its middle; an end is none.
    pub fn peaks(&self, prominence: f64) -> Vec<Peak> {
        let top = self.values.iter().fold(0.0, |a: f64, b| a.max(*b));
        let mut peaks = Vec::new();
        let mut first = 1;
        while first + 1 < self.values.len() {
            let height = self.values[first];
            let mut last = first;
            while self.values.get(last + 1) == Some(&height) {
                last += 1;
            }
            let rises = self.values[first - 1] < height;
            let falls = self.values.get(last + 1).is_some_and(|next| *next < height);
            if rises && falls {
                let apart = height - self.base(first, last, height);
                if apart >= prominence * top {
                    peaks.push(Peak {
                        at: self.low + (first + last) as f64 / 2.0 * self.step,
                        height: height / top,
                        prominence: apart / top,
                    });
                }
            }
            first = last + 1;
        }
        peaks
    }

    /// The higher of the lowest values on either side, up to what is higher than the peak.
    fn base(&self, first: usize, last: usize, height: f64) -> f64 {
        let lowest = |lowest: f64, value: &f64| lowest.min(*value);
        let before = self.values[..first].iter().rev();
        let behind = self.values[last + 1..].iter();
        let left = before
            .take_while(|value| **value <= height)
            .fold(height, lowest);
        let right = behind
            .take_while(|value| **value <= height)
            .fold(height, lowest);
        left.max(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bandwidth_by_hand() {
        // 1, 1, 5, 5: mean 3, variance 16 / 3; four to the power of -1/5
        let width = scott(&[[1.0, 2.0], [5.0, 2.0]]).unwrap();
        let expected = (16.0_f64 / 3.0).sqrt() * 4.0_f64.powf(-0.2);
        assert!((width / expected - 1.0).abs() < 1e-14);
        for none in [&[][..], &[[3.0, 1.0]], &[[3.0, 9.0]]] {
            assert_eq!(scott(none), None);
        }
    }

    #[test]
    fn a_density_is_a_sum_of_gaussians() {
        let points = [[0.0, 1.0], [2.0, 3.0]];
        let at = density_at(&points, 1.0, &[0.0, 1.0, 2.0, 100.0]);
        let gauss = |x: f64| (-0.5 * x * x).exp();
        let expected = [
            1.0 + 3.0 * gauss(2.0),
            4.0 * gauss(1.0),
            gauss(2.0) + 3.0,
            0.0,
        ];
        for (a, b) in at.iter().zip(expected) {
            assert!((a - b).abs() < 1e-15, "{a} {b}");
        }
    }

    #[test]
    fn peaks_stand_out_by_what_lies_around_them() {
        let density = Density {
            low: 10.0,
            step: 2.0,
            values: vec![5.0, 1.0, 4.0, 3.0, 8.0, 8.0, 8.0, 2.0, 2.5, 2.0, 9.0],
        };
        let peaks = density.peaks(0.0);
        let at: Vec<_> = peaks.iter().map(|p| p.at).collect();
        // the ends are none, and the flat top is one, in its middle
        assert_eq!(at, [14.0, 20.0, 26.0]);
        let prominences: Vec<_> = peaks.iter().map(|p| p.prominence * 9.0).collect();
        for (a, b) in prominences.iter().zip([1.0, 6.0, 0.5]) {
            assert!((a - b).abs() < 1e-12, "{prominences:?}");
        }
        assert_eq!(density.peaks(0.1).len(), 2);
        assert!((peaks[1].height - 8.0 / 9.0).abs() < 1e-15);
        let none = Density {
            values: vec![0.0; 5],
            ..density
        };
        assert!(none.peaks(0.0).is_empty());
    }

    #[test]
    fn a_density_needs_two_points_and_a_width() {
        assert_eq!(Density::new(&[], 1.0, 64), None);
        assert_eq!(Density::new(&[[3.0, 9.0]], 1.0, 64), None);
        assert_eq!(Density::new(&[[3.0, 9.0], [4.0, 1.0]], 0.0, 64), None);
        assert_eq!(Density::new(&[[3.0, 9.0], [4.0, 1.0]], 1.0, 1), None);
    }

    proptest! {
        /// ALGORITHMS 5.5: sharing the points between steps changes little.
        #[test]
        fn steps_give_the_plain_sum(
            mut points in prop::collection::vec([0.0_f64..100.0, 1.0_f64..9.0], 2..60),
            width in 1.0_f64..9.0,
        ) {
            points.sort_by(|a, b| a[0].total_cmp(&b[0]));
            prop_assume!(points[points.len() - 1][0] - points[0][0] > 10.0);
            let density = Density::new(&points, width, 4096).unwrap();
            let places: Vec<f64> =
                (0..4096).map(|i| density.low + f64::from(i) * density.step).collect();
            let plain = density_at(&points, width, &places);
            let top = plain.iter().fold(0.0, |a: f64, b| a.max(*b));
            for (a, b) in density.values.iter().zip(&plain) {
                prop_assert!((a - b).abs() < 1e-4 * top, "{} {}", a, b);
            }
        }
    }
}
