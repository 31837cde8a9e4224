//! The cubic B-spline prefilter.
//!
//! Samples become the coefficients of the spline that passes through them: along every axis a
//! causal and an anticausal recursion with the pole `sqrt(3) - 2`. What differs is how the samples
//! continue beyond the ends, which fixes the initial values and the coefficients outside.
//!
//! # Reference
//!
//! Unser, Aldroubi and Eden, B-spline signal processing, IEEE TSP 41 (1993) 821. The closed forms
//! for a constant continuation follow by summing the geometric series.

use ndarray::{Array3, ArrayView2, ArrayView3, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::{check_source, pool};
use crate::simd::dispatched;
use crate::{Element, Error, Float};

/// How samples continue beyond the ends of each axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Continuation {
    /// Whole-sample mirror: `c b | a b c | b a`; what ITK, and SciPy by default, prefilter with.
    Mirror,
    /// Half-sample mirror: `b a | a b c | c b`.
    Reflect,
    /// The end sample for ever.
    Edge,
    /// One value for ever.
    Value(f64),
}

/// The pole of the cubic B-spline, sqrt(3) - 2.
const POLE: f64 = -0.267_949_192_431_122_7;

/// The number of powers of the pole that matter in f64: the next one is below 1e-27.
const HORIZON: usize = 48;

/// The number of lines that the x pass filters side by side.
const LANES: usize = 16;

/// The coefficients of the cubic B-spline through the samples.
///
/// `pad` (x, y, z) coefficients are added at both ends of each axis; they continue the samples as
/// `continuation` says, up to one period for the mirrors. The result has the shape
/// `[nz + 2 pad z, ny + 2 pad y, nx + 2 pad x]`. NaN and infinities spread along their lines.
///
/// # Errors
///
/// [`Error::SourceSize`] for an empty source.
pub fn spline_coefficients<T: Element>(
    source: ArrayView3<'_, T>,
    continuation: Continuation,
    pad: [usize; 3],
) -> Result<Array3<T::Float>, Error> {
    let [nx, ny, nz] = check_source(&source)?;
    let [px, py, pz] = pad;
    // Every coefficient is written before it is read.
    let mut out = pool::take((nz + 2 * pz, ny + 2 * py, nx + 2 * px));
    let width = nx + 2 * px;
    out.slice_mut(s![pz..pz + nz, .., ..])
        .outer_iter_mut()
        .into_par_iter()
        .zip(source.outer_iter())
        .for_each_init(
            || (vec![[T::Float::ZERO; LANES]; width], Scratch::new(width)),
            |(lanes, scratch), (mut plane, source)| {
                filter_x(
                    source,
                    plane.slice_mut(s![py..py + ny, ..]),
                    px,
                    continuation,
                    lanes,
                );
                filter_lines(Columns(plane), ny, py, continuation, scratch);
            },
        );
    out.axis_iter_mut(Axis(1)).into_par_iter().for_each_init(
        || Scratch::new(width),
        |scratch, plane| filter_lines(Columns(plane), nz, pz, continuation, scratch),
    );
    Ok(out)
}

/// Filters the rows of a slice into rows that are `2 pad` longer.
fn filter_x<T: Element>(
    source: ArrayView2<'_, T>,
    mut out: ArrayViewMut2<'_, T::Float>,
    pad: usize,
    continuation: Continuation,
    lanes: &mut [[T::Float; LANES]],
) {
    let (ny, nx) = source.dim();
    let mut scratch = Scratch::new(LANES);
    for first in (0..ny).step_by(LANES) {
        let rows = first..(first + LANES).min(ny);
        for (lane, y) in rows.clone().enumerate() {
            for (cell, v) in lanes[pad..pad + nx].iter_mut().zip(source.row(y)) {
                cell[lane] = v.to_float();
            }
        }
        filter_lines(Lanes(lanes), nx, pad, continuation, &mut scratch);
        for (lane, y) in rows.enumerate() {
            for (v, cell) in out.row_mut(y).iter_mut().zip(lanes.iter()) {
                *v = cell[lane];
            }
        }
    }
}

/// Samples side by side: entry `k` holds sample `k` of every line.
trait Lines<F> {
    fn entry(&mut self, k: usize) -> &mut [F];
}

struct Columns<'a, F>(ArrayViewMut2<'a, F>);

impl<F> Lines<F> for Columns<'_, F> {
    #[inline(always)]
    fn entry(&mut self, k: usize) -> &mut [F] {
        // Rows of an array in standard layout are slices.
        self.0
            .index_axis_mut(Axis(0), k)
            .into_slice()
            .unwrap_or_default()
    }
}

struct Lanes<'a, F>(&'a mut [[F; LANES]]);

impl<F> Lines<F> for Lanes<'_, F> {
    #[inline(always)]
    fn entry(&mut self, k: usize) -> &mut [F] {
        &mut self.0[k]
    }
}

/// One value per line: the last one of the recursion, and the limits of the causal recursion far
/// to the left and far to the right.
struct Scratch<F> {
    state: Vec<F>,
    wide: Vec<f64>,
    left: Vec<f64>,
    right: Vec<f64>,
}

impl<F: Float> Scratch<F> {
    fn new(lines: usize) -> Self {
        Self {
            state: vec![F::ZERO; lines],
            wide: vec![0.0; lines],
            left: vec![0.0; lines],
            right: vec![0.0; lines],
        }
    }
}

/// The power of the pole; beyond the horizon, 0.
fn power(k: usize) -> f64 {
    if k > HORIZON {
        return 0.0;
    }
    // Not `powi`, whose rounding may differ between platforms.
    (0..k).fold(1.0, |product, _| product * POLE)
}

/// Filters lines of `n` samples, which stand in the entries from `pad` on, and sets the pads.
fn filter_lines<F: Float, L: Lines<F>>(
    mut lines: L,
    n: usize,
    pad: usize,
    continuation: Continuation,
    scratch: &mut Scratch<F>,
) {
    if n == 1 && !matches!(continuation, Continuation::Value(_)) {
        // A single sample is continued by itself: nothing to filter.
        scratch.state.copy_from_slice(lines.entry(pad));
        for k in 0..1 + 2 * pad {
            lines.entry(k).copy_from_slice(&scratch.state);
        }
        return;
    }
    start_causal(&mut lines, n, pad, continuation, scratch);
    causal(&mut lines, pad + 1..pad + n, &mut scratch.state);
    start_anticausal(&mut lines, n, pad, continuation, scratch);
    anticausal(&mut lines, pad..pad + n - 1, &mut scratch.state);
    set_pads(&mut lines, n, pad, continuation, scratch);
}

dispatched! {
    fn causal[F: Float, L: Lines<F>](
        lines: &mut L,
        entries: std::ops::Range<usize>,
        state: &mut [F],
    ) {
        let (pole, gain) = (F::from_f64(POLE), F::from_f64(6.0));
        for k in entries {
            for (v, previous) in lines.entry(k).iter_mut().zip(state.iter_mut()) {
                let c = gain * *v + pole * *previous;
                *v = c;
                *previous = c;
            }
        }
    }
}

dispatched! {
    fn anticausal[F: Float, L: Lines<F>](
        lines: &mut L,
        entries: std::ops::Range<usize>,
        state: &mut [F],
    ) {
        let pole = F::from_f64(POLE);
        for k in entries.rev() {
            for (v, next) in lines.entry(k).iter_mut().zip(state.iter_mut()) {
                let c = pole * (*next - *v);
                *v = c;
                *next = c;
            }
        }
    }
}

/// Sets entry `pad` to the causal coefficient of the first sample, computed in f64.
fn start_causal<F: Float, L: Lines<F>>(
    lines: &mut L,
    n: usize,
    pad: usize,
    continuation: Continuation,
    scratch: &mut Scratch<F>,
) {
    let Scratch {
        state,
        wide,
        left,
        right,
    } = scratch;
    wide.fill(0.0);
    let add = |wide: &mut [f64], samples: &[F], weight: f64| {
        for (sum, s) in wide.iter_mut().zip(samples) {
            *sum += weight * s.to_f64();
        }
    };
    match continuation {
        Continuation::Mirror => {
            // One period is s[0..n], s[n-2..0]; the series over all periods has a closed form.
            for k in 0..n {
                let weight = if k == 0 || k == n - 1 {
                    power(k)
                } else {
                    power(k) + power(2 * n - 2 - k)
                };
                if weight == 0.0 {
                    break;
                }
                add(
                    wide,
                    lines.entry(pad + k),
                    weight * 6.0 / (1.0 - power(2 * n - 2)),
                );
            }
        }
        Continuation::Reflect => {
            let tail = 6.0 * POLE / (1.0 - power(2 * n));
            add(wide, lines.entry(pad), 6.0);
            for k in 0..n.min(HORIZON) {
                add(wide, lines.entry(pad + k), tail * power(k));
                add(
                    wide,
                    lines.entry(pad + n - 1 - k),
                    tail * power(k) * power(n),
                );
            }
        }
        Continuation::Edge | Continuation::Value(_) => {
            // Far out the recursion rests at 6 v / (1 - z) for the value v that continues.
            let rest = |v: f64| 6.0 * v / (1.0 - POLE);
            let outside = match continuation {
                Continuation::Value(v) => Some(v),
                _ => None,
            };
            for (limit, s) in right.iter_mut().zip(lines.entry(pad + n - 1).iter()) {
                *limit = rest(outside.unwrap_or(s.to_f64()));
            }
            for ((limit, c), s) in left.iter_mut().zip(&mut *wide).zip(lines.entry(pad).iter()) {
                *limit = rest(outside.unwrap_or(s.to_f64()));
                *c = 6.0 * s.to_f64() + POLE * *limit;
            }
        }
    }
    write(lines.entry(pad), wide, state);
}

/// Sets entry `pad + n - 1`, and for a constant continuation the right pad, to coefficients.
fn start_anticausal<F: Float, L: Lines<F>>(
    lines: &mut L,
    n: usize,
    pad: usize,
    continuation: Continuation,
    scratch: &mut Scratch<F>,
) {
    let Scratch {
        state, wide, right, ..
    } = scratch;
    let last = pad + n - 1;
    match continuation {
        Continuation::Mirror => {
            let scale = POLE / (POLE * POLE - 1.0);
            for (c, v) in wide.iter_mut().zip(lines.entry(last - 1).iter()) {
                *c = POLE * v.to_f64();
            }
            for (c, v) in wide.iter_mut().zip(lines.entry(last).iter()) {
                *c = scale * (v.to_f64() + *c);
            }
        }
        Continuation::Reflect => {
            for (c, v) in wide.iter_mut().zip(lines.entry(last).iter()) {
                *c = POLE / (POLE - 1.0) * v.to_f64();
            }
        }
        Continuation::Edge | Continuation::Value(_) => {
            // Beyond the end the causal recursion is `limit + z^m excess`; sum the anticausal one.
            for (excess, (v, limit)) in wide.iter_mut().zip(lines.entry(last).iter().zip(&*right)) {
                *excess = v.to_f64() - limit;
            }
            for m in (0..=pad).rev() {
                let decay = power(m) / (1.0 - POLE * POLE);
                for ((c, limit), excess) in
                    lines.entry(last + m).iter_mut().zip(&*right).zip(&*wide)
                {
                    *c = F::from_f64(-POLE * (limit / (1.0 - POLE) + decay * excess));
                }
            }
            state.copy_from_slice(lines.entry(last));
            return;
        }
    }
    write(lines.entry(last), wide, state);
}

/// Sets the pads that are still open.
fn set_pads<F: Float, L: Lines<F>>(
    lines: &mut L,
    n: usize,
    pad: usize,
    continuation: Continuation,
    scratch: &mut Scratch<F>,
) {
    let Scratch {
        state, wide, left, ..
    } = scratch;
    let mut copy = |to: usize, from: usize| {
        state.copy_from_slice(lines.entry(from));
        lines.entry(to).copy_from_slice(state);
    };
    match continuation {
        // In rising distance, and folding by steps, so that any pad works.
        Continuation::Mirror => {
            for m in 0..pad {
                let period = 2 * n - 2;
                let inner = |t: usize| if t < n { t } else { period - t };
                copy(pad - 1 - m, pad + inner((m + 1) % period));
                copy(pad + n + m, pad + inner((n + m) % period));
            }
        }
        Continuation::Reflect => {
            for m in 0..pad {
                let inner = |t: usize| if t < n { t } else { 2 * n - 1 - t };
                copy(pad - 1 - m, pad + inner(m % (2 * n)));
                copy(pad + n + m, pad + inner((n + m) % (2 * n)));
            }
        }
        Continuation::Edge | Continuation::Value(_) => {
            for (c, v) in wide.iter_mut().zip(lines.entry(pad).iter()) {
                *c = v.to_f64();
            }
            for k in (0..pad).rev() {
                for (c, limit) in wide.iter_mut().zip(&*left) {
                    *c = POLE * (*c - limit);
                }
                for (v, c) in lines.entry(k).iter_mut().zip(&*wide) {
                    *v = F::from_f64(*c);
                }
            }
        }
    }
}

fn write<F: Float>(entry: &mut [F], wide: &[f64], state: &mut [F]) {
    for ((v, c), last) in entry.iter_mut().zip(wide).zip(state) {
        *v = F::from_f64(*c);
        *last = *v;
    }
}

/// The weights of the four coefficients around a sample at `f` in [0, 1] beyond the second.
#[inline(always)]
pub(super) fn weights<F: Float>(f: F) -> [F; 4] {
    let (two, three, four) = (F::from_f32(2.0), F::from_f32(3.0), F::from_f32(4.0));
    let sixth = F::from_f64(1.0 / 6.0);
    let g = F::ONE - f;
    let (f2, g2) = (f * f, g * g);
    [
        sixth * (g2 * g),
        sixth * (four - three * f2 * (two - f)),
        sixth * (four - three * g2 * (two - g)),
        sixth * (f2 * f),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The spline at sample `k` is (c[k-1] + 4 c[k] + c[k+1]) / 6; two more at each end.
    fn samples_again(continuation: Continuation, samples: &[f64]) -> Vec<f64> {
        let n = samples.len();
        let mut lines = vec![[0.0; LANES]; n + 6];
        for (cell, s) in lines[3..].iter_mut().zip(samples) {
            cell[5] = *s;
        }
        filter_lines(
            Lanes(&mut lines),
            n,
            3,
            continuation,
            &mut Scratch::new(LANES),
        );
        let triples = lines.windows(3);
        triples
            .map(|c| (c[0][5] + 4.0 * c[1][5] + c[2][5]) / 6.0)
            .collect()
    }

    proptest! {
        #[test]
        fn the_spline_passes_through_the_samples_and_their_continuation(
            samples in proptest::collection::vec(-10.0_f64..10.0, 4..70),
        ) {
            let n = samples.len();
            let s = |k: usize| samples[k];
            let cases = [
                (Continuation::Mirror, [s(2), s(1), s(n - 2), s(n - 3)]),
                (Continuation::Reflect, [s(1), s(0), s(n - 1), s(n - 2)]),
                (Continuation::Edge, [s(0), s(0), s(n - 1), s(n - 1)]),
                (Continuation::Value(7.0), [7.0; 4]),
            ];
            for (continuation, [a, b, c, d]) in cases {
                let expected: Vec<f64> =
                    [a, b].into_iter().chain(samples.iter().copied()).chain([c, d]).collect();
                for (got, expected) in samples_again(continuation, &samples).iter().zip(expected) {
                    prop_assert!((got - expected).abs() < 1e-12, "{:?} {} {}", continuation, got, expected);
                }
            }
        }
    }

    #[test]
    fn short_lines_are_passed_through_too() {
        for continuation in [
            Continuation::Mirror,
            Continuation::Reflect,
            Continuation::Edge,
        ] {
            for samples in [&[5.0][..], &[1.0, -2.0], &[3.0, 0.0, 1.0]] {
                let again = samples_again(continuation, samples);
                for (got, expected) in again[2..].iter().zip(samples) {
                    assert!(
                        (got - expected).abs() < 1e-13,
                        "{continuation:?} {samples:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn weights_sum_to_one_and_are_symmetric() {
        for f in [0.0_f64, 0.25, 0.5, 1.0] {
            let (w, mirrored) = (weights(f), weights(1.0 - f));
            assert!((w.iter().sum::<f64>() - 1.0).abs() < 1e-15);
            assert!((w[0] - mirrored[3]).abs() < 1e-15 && (w[1] - mirrored[2]).abs() < 1e-15);
        }
        assert_eq!(weights(0.0_f64)[3], 0.0);
    }
}
