//! Folding a coordinate outside an axis back onto the taps that stand for it.

use crate::element::floor_f64;

/// How an axis continues beyond its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The end is repeated for ever; pads, if there are any, come first.
    Clamp,
    /// Whole-sample mirror, period 2n - 2.
    Mirror,
    /// Half-sample mirror, period 2n.
    Reflect,
}

/// One axis of the taps: `size` samples, of which `pad` at each end continue the source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fold {
    /// How the axis continues beyond the pads.
    pub(super) rule: Rule,
    /// The number of source voxels.
    pub(super) source: usize,
    /// The number of taps before the first and after the last source voxel.
    pub(super) pad: usize,
    /// The lowest source coordinate that the taps serve.
    pub(super) low: f64,
    /// The highest source coordinate that the taps serve.
    pub(super) high: f64,
}

impl Fold {
    /// An axis that is sampled between its end voxels, widened by `rim` where pads allow it.
    pub(super) fn new(rule: Rule, source: usize, pad: usize, rim: f64) -> Self {
        Self {
            rule,
            source,
            pad,
            low: -rim,
            high: (source as f64 - 1.0) + rim,
        }
    }

    /// The number of taps.
    pub(super) fn taps(&self) -> usize {
        self.source + 2 * self.pad
    }

    /// Whether [`Fold::clamp`] alone folds a coordinate.
    #[inline(always)]
    pub(super) fn is_clamp_at(&self, c: f64) -> bool {
        self.rule == Rule::Clamp || (self.low <= c && c <= self.high)
    }

    /// The nearest coordinate that the taps serve; NaN becomes the lowest.
    #[inline(always)]
    pub(super) fn clamp(&self, c: f64) -> f64 {
        let c = if c > self.low { c } else { self.low };
        if c < self.high { c } else { self.high }
    }

    /// The coordinate, within what the taps serve, that stands for `c`.
    pub(super) fn fold(&self, c: f64) -> f64 {
        let n = self.source as f64;
        let folded = match self.rule {
            Rule::Clamp => c,
            Rule::Mirror if self.source == 1 => 0.0,
            Rule::Mirror => {
                let t = modulo(c.abs(), 2.0 * n - 2.0);
                if t > n - 1.0 { 2.0 * n - 2.0 - t } else { t }
            }
            Rule::Reflect => {
                let t = modulo(c + 0.5, 2.0 * n);
                (if t > n { 2.0 * n - t } else { t }) - 0.5
            }
        };
        self.clamp(folded)
    }

    /// [`Fold::nearest`] under [`Rule::Clamp`], as a float; the ends are whole, so that it makes no
    /// difference to clamp first.
    #[inline(always)]
    pub(super) fn nearest_clamped(&self, c: f64) -> f64 {
        let pad = self.pad as f64;
        let (low, high) = (-pad, self.taps() as f64 - 1.0 - pad);
        let shifted = half_up(c);
        let shifted = if shifted > low { shifted } else { low };
        let shifted = if shifted < high { shifted } else { high };
        floor_f64(shifted) + pad
    }

    /// The tap of the voxel nearest to a coordinate: `floor(c + 0.5 + 1e-7)`, then the rule.
    pub(super) fn nearest(&self, c: f64) -> usize {
        let index = nearest_index(c) as i64;
        let n = self.source as i64;
        let index = match self.rule {
            Rule::Clamp => index,
            Rule::Mirror if n == 1 => 0,
            Rule::Mirror => {
                let t = index.rem_euclid(2 * n - 2);
                if t >= n { 2 * n - 2 - t } else { t }
            }
            Rule::Reflect => {
                let t = index.rem_euclid(2 * n);
                if t >= n { 2 * n - 1 - t } else { t }
            }
        };
        (index + self.pad as i64).clamp(0, self.taps() as i64 - 1) as usize
    }
}

/// A coordinate plus a half, of which the whole part is the nearest voxel. The 1e-7 keeps ties up
/// when rounding in a composed map has moved them a little down.
#[inline(always)]
fn half_up(c: f64) -> f64 {
    (c + 0.5) + 1e-7
}

/// The index of the voxel nearest to a coordinate, half up.
fn nearest_index(c: f64) -> f64 {
    // Far beyond any axis, yet far from overflow. NaN becomes the lower end.
    const FAR: f64 = 1e12;
    let shifted = half_up(c);
    let shifted = if shifted > -FAR { shifted } else { -FAR };
    let shifted = if shifted < FAR { shifted } else { FAR };
    floor_f64(shifted)
}

/// The remainder in [0, period) up to rounding.
fn modulo(v: f64, period: f64) -> f64 {
    v - (v / period).floor() * period
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirror_repeats_about_the_end_voxels_and_reflect_about_their_faces() {
        let mirror = Fold::new(Rule::Mirror, 4, 0, 0.0);
        assert_eq!(
            [-1.0, -0.25, 3.5, 5.0, 6.0, 7.0].map(|c| mirror.fold(c)),
            [1.0, 0.25, 2.5, 1.0, 0.0, 1.0]
        );
        let reflect = Fold::new(Rule::Reflect, 4, 2, 0.5);
        assert_eq!(
            [-1.0, -0.25, 3.75, 5.0, 8.0].map(|c| reflect.fold(c)),
            [0.0, -0.25, 3.25, 2.0, 0.0]
        );
        assert_eq!(
            [-1.0, -2.0, 4.0, 9.0].map(|c| reflect.nearest(c)),
            [2, 3, 5, 3]
        );
        assert_eq!(
            [-1.0, -2.0, 4.0, 9.0].map(|c| mirror.nearest(c)),
            [1, 2, 2, 3]
        );
    }

    #[test]
    fn ties_go_up_even_when_rounding_moved_them_down() {
        assert_eq!(
            [0.5, 0.5 - 5e-8, 0.5 - 5e-7, -0.5, f64::NAN].map(|c| nearest_index(c).max(-9.0)),
            [1.0, 1.0, 0.0, 0.0, -9.0]
        );
    }

    #[test]
    fn clamping_first_finds_the_same_voxel() {
        for (n, pad) in [(1, 0), (4, 0), (3, 2)] {
            let fold = Fold::new(Rule::Clamp, n, pad, 0.0);
            for k in -400..400 {
                for c in [0.02 * f64::from(k), 0.5 * f64::from(k) - 1e-7] {
                    assert_eq!(
                        fold.nearest_clamped(c),
                        fold.nearest(c) as f64,
                        "{n} {pad} {c}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_coordinate_leaves_the_taps() {
        for rule in [Rule::Clamp, Rule::Mirror, Rule::Reflect] {
            for n in 1..4 {
                let fold = Fold::new(rule, n, 0, 0.0);
                for c in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300] {
                    assert!((0.0..=n as f64 - 1.0).contains(&fold.fold(c)));
                    assert!(fold.nearest(c) < n);
                    assert!((0.0..=n as f64 - 1.0).contains(&fold.nearest_clamped(c)));
                }
            }
        }
    }
}
