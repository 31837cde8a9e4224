//! Exponential, logarithm, power, sine and cosine with the same bits on every system.
//!
//! The system's library may differ in the last bit from one machine to the next. These are series
//! on reduced arguments, of additions, multiplications, divisions and selections only. Each result
//! is within 2 units in the last place of the true value over the whole range of its type; zeros,
//! subnormal numbers, infinities and NaN give what IEEE 754 recommends.

use crate::Float;
use crate::simd::dispatched;

mod reduction;

/// A type that has these functions: `f32` or `f64`. Call them by the functions of this module:
/// a method `exp` of `f32` would be the library's.
pub trait Functions: Float {
    /// [`exp`].
    fn exp_of(self) -> Self;
    /// [`ln`].
    fn ln_of(self) -> Self;
    /// [`pow`].
    fn pow_of(self, exponent: Self) -> Self;
    /// [`sin_cos`].
    fn sin_cos_of(self) -> (Self, Self);
}

/// The exponential of `x`.
#[inline(always)]
pub fn exp<F: Functions>(x: F) -> F {
    x.exp_of()
}

/// The natural logarithm of `x`; NaN below zero, minus infinity at both zeros.
#[inline(always)]
pub fn ln<F: Functions>(x: F) -> F {
    x.ln_of()
}

/// `base` to the power of `exponent`; NaN for a finite base below zero under an exponent that is
/// no integer. 1 where the exponent is 0 or the base is 1, NaN included.
#[inline(always)]
pub fn pow<F: Functions>(base: F, exponent: F) -> F {
    base.pow_of(exponent)
}

/// The sine of `x` radians; NaN for what is not finite.
#[inline(always)]
pub fn sin<F: Functions>(x: F) -> F {
    x.sin_cos_of().0
}

/// The cosine of `x` radians; NaN for what is not finite.
#[inline(always)]
pub fn cos<F: Functions>(x: F) -> F {
    x.sin_cos_of().1
}

/// The sine and the cosine of `x` radians. Beyond 2^20 it branches, and loops over it are scalar.
#[inline(always)]
pub fn sin_cos<F: Functions>(x: F) -> (F, F) {
    x.sin_cos_of()
}

dispatched! {
    /// Replaces each value by its [`exp`].
    pub fn exp_in_place[F: Functions](values: &mut [F]) {
        for v in values {
            *v = v.exp_of();
        }
    }
}

dispatched! {
    /// Replaces each value by its [`ln`].
    pub fn ln_in_place[F: Functions](values: &mut [F]) {
        for v in values {
            *v = v.ln_of();
        }
    }
}

dispatched! {
    /// Replaces each value by its [`pow`].
    pub fn pow_in_place[F: Functions](values: &mut [F], exponent: F) {
        for v in values {
            *v = v.pow_of(exponent);
        }
    }
}

/// ln 2 in two parts; the first has so few bits that its product with an exponent is exact.
const LN_2: [f64; 2] = [0.693_147_180_485_539_1, 7.440_617_110_012_397e-11];
const LN_2_F32: [f32; 2] = [0.693_145_75, 1.428_606_8e-6];
/// 2/3 in two parts.
const TWO_THIRDS: [f64; 2] = [2.0 / 3.0, 3.700_743_415_417_188e-17];

/// 1.5 * 2^52: adding it to an f64 below 2^51 leaves the nearest integer in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// 1.5 * 2^23, the same for an f32 below 2^22.
const ROUND_F32: f32 = 12_582_912.0;

/// `c[0] + x (c[1] + x (c[2] + ...))`
#[inline(always)]
fn horner<F: Float, const N: usize>(c: [F; N], x: F) -> F {
    let mut sum = c[N - 1];
    for k in (0..N - 1).rev() {
        sum = sum * x + c[k];
    }
    sum
}

/// 2 to an integral power in -1022..=1023.
#[inline(always)]
fn power_of_two(n: f64) -> f64 {
    f64::from_bits((n + (ROUND + 1023.0)).to_bits() << 52)
}

/// 2 to an integral power in -126..=127.
#[inline(always)]
fn power_of_two_f32(n: f32) -> f32 {
    f32::from_bits((n + (ROUND_F32 + 127.0)).to_bits() << 23)
}

/// The exponential of `x + low`, where `low` is at most about a unit in the last place of `x`.
#[inline(always)]
fn exp_parts(x: f64, low: f64) -> f64 {
    // Beyond these the result is infinity or 0; NaN passes.
    let beyond = !(-760.0..=720.0).contains(&x);
    let low = if beyond { 0.0 } else { low };
    let x = if x > 720.0 { 720.0 } else { x };
    let x = if x < -760.0 { -760.0 } else { x };
    let n = (x * std::f64::consts::LOG2_E + ROUND) - ROUND;
    let high = x - n * LN_2[0];
    let low = low - n * LN_2[1];
    let r = high + low;
    // 1/k!; |r| < 0.35, so that the next term is below 1e-17 of the sum
    let series = horner(
        [
            1.0 / 2.0,
            1.0 / 6.0,
            1.0 / 24.0,
            1.0 / 120.0,
            1.0 / 720.0,
            1.0 / 5040.0,
            1.0 / 40_320.0,
            1.0 / 362_880.0,
            1.0 / 3_628_800.0,
            1.0 / 39_916_800.0,
            1.0 / 479_001_600.0,
            1.0 / 6_227_020_800.0,
        ],
        r,
    );
    let y = 1.0 + (high + (r * r * series + low));
    // Two factors, as the power alone may overflow; only the second may round.
    let half = (n * 0.5 + ROUND) - ROUND;
    y * power_of_two(half) * power_of_two(n - half)
}

/// The exponent `k` and the mantissa in [sqrt 1/2, sqrt 2) of a positive finite number.
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    const ROOT: u64 = 0x3fe6_a09e_667f_3bcd;
    let tiny = x < f64::MIN_POSITIVE;
    let scaled = if tiny {
        x * 18_014_398_509_481_984.0
    } else {
        x
    };
    let bits = scaled.to_bits().wrapping_sub(ROOT);
    // The exponent is made a float by its bits, without a conversion of integers.
    let shifted = (bits >> 52) ^ 0x800;
    let exponent = f64::from_bits(shifted | 4_503_599_627_370_496.0_f64.to_bits())
        - (4_503_599_627_370_496.0 + 2048.0);
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)).wrapping_add(ROOT));
    (if tiny { exponent - 54.0 } else { exponent }, mantissa)
}

/// What the logarithm is where it is no finite number, else `value`.
#[inline(always)]
fn ln_ends<F: Float>(x: F, value: F, infinity: F) -> F {
    let value = if x == F::ZERO { -infinity } else { value };
    let value = if x == infinity { infinity } else { value };
    // false for NaN too
    if x >= F::ZERO {
        value
    } else {
        F::from_f32(f32::NAN)
    }
}

/// `2/5 z^2 + 2/7 z^3 + ...`: with `s = (m-1)/(m+1)` and `z = s^2`, `ln m = 2s + s (2/3 z + tail)`.
#[inline(always)]
fn ln_tail(z: f64) -> f64 {
    z * z
        * horner(
            [
                2.0 / 5.0,
                2.0 / 7.0,
                2.0 / 9.0,
                2.0 / 11.0,
                2.0 / 13.0,
                2.0 / 15.0,
                2.0 / 17.0,
                2.0 / 19.0,
                2.0 / 21.0,
            ],
            z,
        )
}

/// The logarithm of a positive finite number.
#[inline(always)]
fn ln_finite(x: f64) -> f64 {
    let (k, m) = split(x);
    let f = m - 1.0;
    let s = f / (m + 1.0);
    let z = s * s;
    // 2s = f - f^2/2 + s f^2/2, where f is exact
    let half = 0.5 * f * f;
    let rest = s * (half + (z * TWO_THIRDS[0] + ln_tail(z))) + k * LN_2[1];
    k * LN_2[0] + (f - (half - rest))
}

/// The sum and its rounding error.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> [f64; 2] {
    let sum = a + b;
    let t = sum - a;
    [sum, (a - (sum - t)) + (b - t)]
}

/// The product and its rounding error, where nothing overflows (Dekker 1971).
#[inline(always)]
fn two_product(a: f64, b: f64) -> [f64; 2] {
    let halves = |v: f64| {
        let t = v * 134_217_729.0;
        let high = t - (t - v);
        [high, v - high]
    };
    let ([a1, a0], [b1, b0]) = (halves(a), halves(b));
    let product = a * b;
    [product, ((a1 * b1 - product) + a1 * b0 + a0 * b1) + a0 * b0]
}

/// The logarithm of a positive finite number as a sum of two, within 2^-63 of itself.
#[inline(always)]
fn ln_parts(x: f64) -> [f64; 2] {
    let (k, m) = split(x);
    let f = m - 1.0;
    let [d, d0] = two_sum(m, 1.0);
    let s = f / d;
    let [p, p0] = two_product(s, d);
    let s0 = (((f - p) - p0) - s * d0) / d;
    let [z, z0] = two_product(s, s);
    let z0 = z0 + 2.0 * s * s0;
    // 2 + 2/3 z in two parts, the further terms in one
    let [t, t0] = two_product(z, TWO_THIRDS[0]);
    let t0 = t0 + (z * TWO_THIRDS[1] + z0 * TWO_THIRDS[0]);
    let [a, a0] = two_sum(2.0, t);
    let a0 = a0 + (t0 + ln_tail(z));
    let [l, l0] = two_product(s, a);
    let l0 = l0 + (s * a0 + s0 * a);
    let [high, low] = two_sum(k * LN_2[0], l);
    two_sum(high, low + (l0 + k * LN_2[1]))
}

/// The exponent, or +-2^65 beyond that, where products cannot overflow and every power other than
/// that of 1 is 0 or infinite.
#[inline(always)]
fn within_range(exponent: f64) -> f64 {
    const LARGE: f64 = 36_893_488_147_419_103_232.0;
    let y = if exponent > LARGE { LARGE } else { exponent };
    if y < -LARGE { -LARGE } else { y }
}

/// The power, given the power of the absolute value of the base where that is positive and finite.
#[inline(always)]
fn pow_ends(x: f64, y: f64, magnitude: f64) -> f64 {
    let size = x.abs();
    let grows = (y > 0.0) == (size > 1.0);
    let end = if grows { f64::INFINITY } else { 0.0 };
    let magnitude = if size == 0.0 || size == f64::INFINITY {
        end
    } else {
        magnitude
    };
    // Beyond 2^53 every number is even; infinity counts as even.
    let is_integer = y.floor() == y;
    let is_odd = is_integer && (y * 0.5).floor() != y * 0.5;
    let is_negative = x.to_bits() >> 63 == 1;
    let signed = if is_negative && is_odd {
        -magnitude
    } else {
        magnitude
    };
    let is_undefined = x < 0.0 && !is_integer && size < f64::INFINITY;
    let value = if is_undefined || x.is_nan() || y.is_nan() {
        f64::NAN
    } else {
        signed
    };
    if y == 0.0 || x == 1.0 { 1.0 } else { value }
}

impl Functions for f64 {
    #[inline(always)]
    fn exp_of(self) -> Self {
        exp_parts(self, 0.0)
    }

    #[inline(always)]
    fn ln_of(self) -> Self {
        ln_ends(self, ln_finite(self), Self::INFINITY)
    }

    #[inline(always)]
    fn pow_of(self, exponent: Self) -> Self {
        let y = within_range(exponent);
        let [high, low] = ln_parts(self.abs());
        let [p, p0] = two_product(y, high);
        pow_ends(self, exponent, exp_parts(p, p0 + y * low))
    }

    #[inline(always)]
    fn sin_cos_of(self) -> (Self, Self) {
        reduction::sin_cos(self)
    }
}

impl Functions for f32 {
    #[inline(always)]
    fn exp_of(self) -> Self {
        let x = if self > 100.0 { 100.0 } else { self };
        let x = if x < -110.0 { -110.0 } else { x };
        let n = (x * std::f32::consts::LOG2_E + ROUND_F32) - ROUND_F32;
        let high = x - n * LN_2_F32[0];
        let low = -n * LN_2_F32[1];
        let r = high + low;
        let series = horner(
            [
                1.0 / 2.0,
                1.0 / 6.0,
                1.0 / 24.0,
                1.0 / 120.0,
                1.0 / 720.0,
                1.0 / 5040.0,
            ],
            r,
        );
        let y = 1.0 + (high + (r * r * series + low));
        let half = (n * 0.5 + ROUND_F32) - ROUND_F32;
        y * power_of_two_f32(half) * power_of_two_f32(n - half)
    }

    #[inline(always)]
    fn ln_of(self) -> Self {
        const ROOT: u32 = 0x3f35_04f3;
        let tiny = self < Self::MIN_POSITIVE;
        let scaled = if tiny { self * 16_777_216.0 } else { self };
        let bits = scaled.to_bits().wrapping_sub(ROOT);
        let exponent = ((bits as i32) >> 23) as Self;
        let k = if tiny { exponent - 24.0 } else { exponent };
        let m = Self::from_bits((bits & 0x007f_ffff).wrapping_add(ROOT));
        let f = m - 1.0;
        let s = f / (m + 1.0);
        let z = s * s;
        let series = z * horner([2.0 / 3.0, 2.0 / 5.0, 2.0 / 7.0, 2.0 / 9.0, 2.0 / 11.0], z);
        let half = 0.5 * f * f;
        let rest = s * (half + series) + k * LN_2_F32[1];
        let value = k * LN_2_F32[0] + (f - (half - rest));
        ln_ends(self, value, Self::INFINITY)
    }

    #[inline(always)]
    fn pow_of(self, exponent: Self) -> Self {
        let (x, y) = (f64::from(self), f64::from(exponent));
        let magnitude = exp_parts(within_range(y) * ln_finite(x.abs()), 0.0);
        pow_ends(x, y, magnitude) as Self
    }

    #[inline(always)]
    fn sin_cos_of(self) -> (Self, Self) {
        let (sin, cos) = reduction::sin_cos(f64::from(self));
        (sin as Self, cos as Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, with_level};

    /// Bit patterns from all over, and the ends.
    fn awkward() -> Vec<f64> {
        let mut values = vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            5e-324,
            f64::NAN,
            f64::MAX,
            f64::MIN_POSITIVE,
        ];
        values.extend([
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.5,
            2.0,
            -3.0,
            709.8,
            -745.2,
        ]);
        values.extend((0..2000_u64).map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
        values.extend((0..2000).map(|i| f64::from(i) * 0.37 - 370.0));
        values
    }

    #[test]
    fn every_level_gives_the_same_bits() {
        fn all<F: Functions>(values: &[F]) -> Vec<F> {
            let mut out = Vec::new();
            for work in [exp_in_place::<F>, ln_in_place::<F>, |v: &mut [F]| {
                pow_in_place(v, F::from_f64(1.7));
            }] {
                let mut values = values.to_vec();
                work(&mut values);
                out.extend(values);
            }
            out
        }
        let on = |level| {
            with_level(level, || {
                let single: Vec<f32> = awkward().iter().map(|v| *v as f32).collect();
                let single = all(&single);
                let double = all(&awkward());
                // The payload of a NaN is nobody's promise.
                let single = single
                    .iter()
                    .map(|v| if v.is_nan() { 1 } else { v.to_bits() });
                let double = double
                    .iter()
                    .map(|v| if v.is_nan() { 1 } else { v.to_bits() });
                (single.collect::<Vec<_>>(), double.collect::<Vec<_>>())
            })
        };
        let baseline = on(Level::Baseline);
        assert!(on(Level::Avx2) == baseline && on(Level::Avx512) == baseline);
    }

    #[test]
    fn the_ends_are_those_of_ieee_754() {
        fn check<F: Functions>() {
            let f = F::from_f64;
            let infinity = f(f64::INFINITY);
            assert_eq!(
                (exp(f(0.0)), exp(infinity), exp(-infinity)),
                (f(1.0), infinity, f(0.0))
            );
            assert_eq!(
                (ln(f(1.0)), ln(infinity), ln(f(-0.0))),
                (f(0.0), infinity, -infinity)
            );
            assert!(ln(f(-1.0)).is_nan() && ln(-infinity).is_nan());
            for bad in [f(f64::NAN), infinity, -infinity] {
                assert!(sin(bad).is_nan() && cos(bad).is_nan());
            }
            assert!(exp(f(f64::NAN)).is_nan() && ln(f(f64::NAN)).is_nan());
            assert_eq!(sin(f(-0.0)).to_f64().to_bits(), (-0.0_f64).to_bits());
            assert_eq!(cos(f(0.0)), f(1.0));
        }
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn powers_at_the_ends_are_those_of_the_library() {
        let ends = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            2.0,
            -2.0,
            3.0,
            -3.0,
            0.5,
            -0.5,
            1e300,
            -1e300,
            9_007_199_254_740_991.0,
            9_007_199_254_740_992.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        for x in ends {
            for y in ends {
                let same = |got: f64, expected: f64, within: f64| {
                    got.to_bits() == expected.to_bits()
                        || got.is_nan() && expected.is_nan()
                        || (got / expected - 1.0).abs() < within
                };
                let (got, expected) = (pow(x, y), x.powf(y));
                assert!(same(got, expected, 3e-16), "{x}^{y}: {got}, {expected}");
                let (x, y) = (x as f32, y as f32);
                let (got, expected) = (pow(x, y), x.powf(y));
                assert!(
                    same(f64::from(got), f64::from(expected), 1e-7),
                    "{x}^{y} in f32: {got}, {expected}"
                );
            }
        }
    }
}
