//! Operations on runs of voxels that fit the first-level cache: lines, clamps, conversions.

use crate::element::{Element, Float};
use crate::simd::dispatched;

dispatched! {
    /// Replaces each value by `(v - from) scale + to`. NaN stays NaN.
    pub fn line[F: Float](values: &mut [F], from: F, scale: F, to: F) {
        for v in values {
            *v = (*v - from) * scale + to;
        }
    }
}

dispatched! {
    /// Limits each value to `[low, high]`. NaN stays NaN.
    pub fn clamp[F: Float](values: &mut [F], low: F, high: F) {
        for v in values {
            let up = if *v < low { low } else { *v };
            *v = if up > high { high } else { up };
        }
    }
}

dispatched! {
    /// Copies voxels into the type that kernels compute in; both have the same length.
    pub fn widen[T: Element](voxels: &[T], values: &mut [T::Float]) {
        for (value, v) in values.iter_mut().zip(voxels) {
            *value = v.to_float();
        }
    }
}

dispatched! {
    /// Stores values as voxels, integers rounded half to even and saturated, NaN as 0; says how
    /// many of the values are NaN. Both have the same length.
    pub fn store[F: Float, O: Element](values: &[F], voxels: &mut [O]) -> u64 {
        for (out, v) in voxels.iter_mut().zip(values) {
            *out = v.to_element();
        }
        count(values)
    }
}

dispatched! {
    /// How many voxels are NaN.
    pub fn count_nan[T: Element](voxels: &[T]) -> u64 {
        count(voxels)
    }
}

/// Counted in 32 bits, which runs of this size do not overflow and which vectorise.
#[inline(always)]
fn count<T: Element>(values: &[T]) -> u64 {
    let runs = values.chunks(1 << 16);
    runs.map(|run| u64::from(run.iter().map(is_nan).sum::<u32>()))
        .sum()
}

/// 1 for NaN, which alone differs from itself, else 0.
#[inline(always)]
#[expect(clippy::eq_op, reason = "NaN is the value that differs from itself")]
fn is_nan<O: Element>(v: &O) -> u32 {
    u32::from(*v != *v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, with_level};

    /// Values at ties, beyond every integer type, and NaN.
    fn awkward() -> Vec<f32> {
        let mut values: Vec<f32> = (-2000..2000).map(|i| i as f32 * 31.75 + 0.5).collect();
        values.extend([
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            -0.0,
            1e30,
            0.5,
            1.5,
            2.5,
        ]);
        values
    }

    #[test]
    fn every_level_gives_the_same_bits() {
        let on = |level| {
            with_level(level, || {
                let mut values = awkward();
                line(&mut values, 3.25, 0.37, -11.0);
                clamp(&mut values, -9000.0, 20_000.0);
                let mut integers = vec![0_i16; values.len()];
                assert_eq!(store(&values, &mut integers), 1);
                let mut back = vec![0.0_f32; values.len()];
                widen(&integers, &mut back);
                let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                (bits(&values), bits(&back))
            })
        };
        let baseline = on(Level::Baseline);
        assert!(on(Level::Avx2) == baseline && on(Level::Avx512) == baseline);
    }

    #[test]
    fn stored_integers_are_rounded_half_to_even_and_saturate() {
        let mut out = [0_u8; 6];
        let nan = store(&[0.5_f32, 1.5, 2.5, -3.0, 1e9, f32::NAN], &mut out);
        assert_eq!((out, nan), ([0, 2, 2, 0, 255, 0], 1));
        // 1.4999999999 is not a tie, though its nearest single-precision number is
        let mut out = [0_u8; 1];
        store(&[1.499_999_999_9_f64], &mut out);
        assert_eq!(out, [1]);
        let mut out = [0.0_f32; 3];
        assert_eq!(store(&[f64::NAN, 1.0, f64::NAN], &mut out), 2);
    }

    #[test]
    fn a_value_that_is_not_a_number_passes_a_clamp() {
        let mut values = [f32::NAN, 5.0, -5.0];
        clamp(&mut values, -1.0, 1.0);
        assert!(values[0].is_nan());
        assert_eq!(values[1..], [1.0, -1.0]);
    }
}
