//! The voxel types and the two types that kernels compute in.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// A type that kernels compute in: `f32` or `f64`. Conversions from and to `f64` are those of
/// [`Element`].
pub trait Float:
    Element<Float = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;

    /// The same value in this type.
    fn from_f32(v: f32) -> Self;
    /// The nearest `f32`.
    fn to_f32(self) -> f32;
    /// The largest integer that is not above the value.
    fn floor(self) -> Self;
    /// The absolute value.
    fn abs(self) -> Self;
    /// The square root; NaN below zero.
    fn sqrt(self) -> Self;
    /// Whether the value is NaN.
    fn is_nan(self) -> bool;
    /// The nearest integer, ties to the even one.
    fn round_ties_even(self) -> Self;
    /// The nearest value of a voxel type: integers round ties to even and saturate, NaN becomes 0.
    fn to_element<O: Element>(self) -> O;
}

/// A type that voxels are stored in: `u8`, `i16`, `u16`, `i32`, `f32` or `f64`.
pub trait Element: Copy + Send + Sync + PartialOrd + Default + Debug + 'static {
    /// The type that kernels compute in for such voxels; it holds each of their values exactly.
    type Float: Float;
    /// Whether the type holds integers only.
    const IS_INTEGER: bool;
    /// The number of distinct values, where that is at most 65,536; otherwise 0.
    const LEVELS: usize;

    /// The value, exactly.
    fn to_float(self) -> Self::Float;
    /// The nearest value of this type: integers round ties to even and saturate, NaN becomes 0.
    fn from_float(v: Self::Float) -> Self;
    /// The value, exactly.
    fn to_f64(self) -> f64;
    /// The nearest value of this type, by the rule of [`Element::from_float`].
    fn from_f64(v: f64) -> Self;
    /// The rank of the value among all values of the type; below [`Element::LEVELS`] where that
    /// is not 0.
    ///
    /// Ranks order as the values do. -0 has the rank of +0. NaN ranks beyond both infinities.
    fn rank(self) -> u64;
    /// The value of a rank.
    fn from_rank(rank: u64) -> Self;
}

/// 1.5 * 2^23: adding it to an `f32` below 2^22 leaves the nearest integer in the low bits, ties
/// to even. Unlike `round_ties_even` this needs no SSE4.1 and vectorises on every level.
const ROUND_F32: f32 = 12_582_912.0;
/// 1.5 * 2^52, the same for an `f64` below 2^51.
const ROUND_F64: f64 = 6_755_399_441_055_744.0;

/// The nearest integer, ties to even; the argument must lie within +-2^22.
#[inline(always)]
fn round_f32(v: f32) -> i32 {
    ((v + ROUND_F32).to_bits() as i32).wrapping_sub(ROUND_F32.to_bits() as i32)
}

/// The nearest integer, ties to even; the argument must lie within +-2^51.
#[inline(always)]
pub(crate) fn round_f64(v: f64) -> i64 {
    ((v + ROUND_F64).to_bits() as i64).wrapping_sub(ROUND_F64.to_bits() as i64)
}

/// The largest integer that is not above the value; the argument must lie within +-2^51.
///
/// `f64::floor` is a library call below SSE4.1.
#[inline(always)]
pub(crate) fn floor_f64(v: f64) -> f64 {
    let nearest = (v + ROUND_F64) - ROUND_F64;
    if nearest > v { nearest - 1.0 } else { nearest }
}

macro_rules! float {
    ($type:ty, $bits:ty, |$v:ident, $out:ident| $to_element:expr) => {
        impl Float for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn from_f32(v: f32) -> Self {
                Self::from(v)
            }
            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }
            #[inline(always)]
            fn floor(self) -> Self {
                <$type>::floor(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$type>::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                <$type>::is_nan(self)
            }
            #[inline(always)]
            fn round_ties_even(self) -> Self {
                <$type>::round_ties_even(self)
            }
            #[inline(always)]
            fn to_element<$out: Element>(self) -> $out {
                let $v = self;
                $to_element
            }
        }

        impl Element for $type {
            type Float = $type;
            const IS_INTEGER: bool = false;
            const LEVELS: usize = 0;

            #[inline(always)]
            fn to_float(self) -> Self {
                self
            }
            #[inline(always)]
            fn from_float(v: Self) -> Self {
                v
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn from_f64(v: f64) -> Self {
                v as $type
            }
            #[inline(always)]
            fn rank(self) -> u64 {
                // Adding 0 turns -0 into +0. Negative numbers order backwards by their bits.
                let bits = (self + 0.0).to_bits();
                let sign = 1 << (<$bits>::BITS - 1);
                u64::from(if bits & sign == 0 { bits | sign } else { !bits })
            }
            #[inline(always)]
            fn from_rank(rank: u64) -> Self {
                let rank = rank as $bits;
                let sign = 1 << (<$bits>::BITS - 1);
                <$type>::from_bits(if rank & sign == 0 { !rank } else { rank ^ sign })
            }
        }
    };
}

float!(f32, u32, |v, O| O::from_float(O::Float::from_f32(v)));
float!(f64, u64, |v, O| O::from_f64(v));

macro_rules! integer {
    ($type:ty, $float:ty, $levels:expr, $round:ident) => {
        impl Element for $type {
            type Float = $float;
            const IS_INTEGER: bool = true;
            const LEVELS: usize = $levels;

            #[inline(always)]
            fn to_float(self) -> $float {
                <$float>::from(self)
            }
            #[inline(always)]
            fn from_float(v: $float) -> Self {
                const LOW: $float = <$type>::MIN as $float;
                const HIGH: $float = <$type>::MAX as $float;
                let v = if v.is_nan() { 0.0 } else { v };
                let v = if v >= LOW { v } else { LOW };
                let v = if v <= HIGH { v } else { HIGH };
                $round(v) as $type
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn from_f64(v: f64) -> Self {
                const LOW: f64 = <$type>::MIN as f64;
                const HIGH: f64 = <$type>::MAX as f64;
                let v = if v.is_nan() { 0.0 } else { v };
                let v = if v >= LOW { v } else { LOW };
                let v = if v <= HIGH { v } else { HIGH };
                round_f64(v) as $type
            }
            #[inline(always)]
            fn rank(self) -> u64 {
                (i64::from(self) - i64::from(<$type>::MIN)) as u64
            }
            #[inline(always)]
            fn from_rank(rank: u64) -> Self {
                (rank as i64).wrapping_add(i64::from(<$type>::MIN)) as $type
            }
        }
    };
}

integer!(u8, f32, 1 << 8, round_f32);
integer!(i16, f32, 1 << 16, round_f32);
integer!(u16, f32, 1 << 16, round_f32);
integer!(i32, f64, 0, round_f64);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_round_ties_to_even_and_saturate_and_nan_is_zero() {
        let cases: [f32; 9] = [
            0.5,
            1.5,
            -0.5,
            -1.5,
            254.5,
            1e30,
            -1e30,
            f32::NAN,
            2.500_001,
        ];
        assert_eq!(cases.map(u8::from_float), [0, 2, 0, 0, 254, 255, 0, 0, 3]);
        assert_eq!(
            cases.map(i16::from_float),
            [0, 2, 0, -2, 254, i16::MAX, i16::MIN, 0, 3]
        );
        assert_eq!(i32::from_float(2_147_483_646.5), 2_147_483_646);
        assert_eq!(i32::from_float(f64::INFINITY), i32::MAX);
        assert_eq!(i32::from_float(f64::NAN), 0);
        assert_eq!(u16::from_f64(65_534.5), 65_534);
        assert_eq!(i16::from_f64(f64::NAN), 0);
    }

    #[test]
    fn ranks_order_infinities_and_merge_zeros() {
        assert_eq!((-0.0_f32).rank(), 0.0_f32.rank());
        assert!(f32::NEG_INFINITY.rank() < f32::MIN.rank());
        assert!(f64::INFINITY.rank() > f64::MAX.rank());
        assert_eq!(i16::MIN.rank(), 0);
        assert_eq!(u16::MAX.rank(), 65_535);
    }

    proptest! {
        #[test]
        fn rounding_equals_the_library(v in -70_000.0_f32..70_000.0) {
            prop_assert_eq!(i16::from_float(v), v.round_ties_even() as i16);
            prop_assert_eq!(u16::from_float(v), v.round_ties_even() as u16);
            prop_assert_eq!(u8::from_float(v), v.round_ties_even() as u8);
            prop_assert_eq!(floor_f64(f64::from(v)), f64::from(v).floor());
        }

        #[test]
        fn ranks_invert_and_order(a: f32, b: f32, c: i32, d: f64) {
            prop_assume!(!a.is_nan() && !b.is_nan() && !d.is_nan());
            prop_assert_eq!(f32::from_rank(a.rank()), a);
            prop_assert_eq!(i32::from_rank(c.rank()), c);
            prop_assert_eq!(f64::from_rank(d.rank()), d);
            prop_assert_eq!(a < b, a.rank() < b.rank());
        }
    }
}
