//! Sine and cosine: the argument modulo a quarter turn, to more than twice the precision of f64.
//!
//! # Reference
//!
//! Payne and Hanek, Radian reduction for trigonometric functions, SIGNUM 18 (1983) 19, for large
//! arguments.

use super::{ROUND, horner, two_product, two_sum};

/// pi/2 in four parts; the first three have 33 bits each.
const QUARTER: [f64; 4] = [
    1.570_796_326_734_125_6,
    6.077_100_506_303_966e-11,
    2.022_266_248_711_166_5e-21,
    8.478_427_660_368_9e-32,
];
/// pi/2 in two parts.
const HALF_PI: [f64; 2] = [std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17];

/// The bits of 2/pi behind the point, after 64 bits of zero.
const TWO_OVER_PI: [u64; 21] = [
    0,
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
    0x5603_3046_fc7b_6bab,
    0xf0cf_bc20_9af4_361d,
];

/// An argument as quarter turns and a rest within about an eighth of a turn, in two parts.
struct Reduced {
    quarters: u64,
    rest: [f64; 2],
}

/// The arguments below which [`near`] is right.
const NEAR: f64 = 1_048_576.0;

/// Reduces an argument below [`NEAR`]: the number of quarters has 20 bits, so that its products
/// with the first three parts are exact.
#[inline(always)]
fn near(x: f64) -> Reduced {
    let shifted = x * std::f64::consts::FRAC_2_PI + ROUND;
    let n = shifted - ROUND;
    let [a, a0] = two_sum(x - n * QUARTER[0], -(n * QUARTER[1]));
    let [b, b0] = two_sum(a, -(n * QUARTER[2]));
    let low = (a0 + b0) - n * QUARTER[3];
    Reduced {
        quarters: shifted.to_bits().wrapping_sub(ROUND.to_bits()),
        rest: two_sum(b, low),
    }
}

/// Reduces a finite argument that is not below [`NEAR`]: multiplies the mantissa with those 192
/// bits of 2/pi whose products lie below four quarters.
#[cold]
#[inline(never)]
fn far(x: f64) -> Reduced {
    let bits = x.to_bits();
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    // x = mantissa * 2^(exponent - 1075), and the first bit wanted is the (exponent - 1076)th.
    let exponent = ((bits >> 52) & 0x7ff) as usize;
    let start = exponent + 64 - 1077;
    let (word, shift) = (start / 64, start % 64);
    let window = |k: usize| {
        let pair =
            (u128::from(TWO_OVER_PI[word + k]) << 64) | u128::from(TWO_OVER_PI[word + k + 1]);
        (pair >> (64 - shift)) as u64
    };
    let low = u128::from(mantissa) * u128::from(window(2));
    let middle = u128::from(mantissa) * u128::from(window(1)) + (low >> 64);
    let high = mantissa
        .wrapping_mul(window(0))
        .wrapping_add((middle >> 64) as u64);
    // 2 bits of quarters, then the fraction, which from a half on counts back from the next quarter
    let fraction =
        (u128::from(high) << 66) | (u128::from(middle as u64) << 2) | u128::from(low as u64 >> 62);
    let quarters = (high >> 62) + (fraction >> 127) as u64;
    let signed = fraction as i128;
    let first = signed as f64;
    let second = signed.wrapping_sub(first as i128) as f64;
    let unit = 2.0_f64.powi(-128);
    let [p, p0] = two_product(first * unit, HALF_PI[0]);
    let low = p0 + (first * unit * HALF_PI[1] + second * unit * HALF_PI[0]);
    let [a, b] = two_sum(p, low);
    if x < 0.0 {
        Reduced {
            quarters: quarters.wrapping_neg(),
            rest: [-a, -b],
        }
    } else {
        Reduced {
            quarters,
            rest: [a, b],
        }
    }
}

/// The sine and the cosine of an angle in radians.
#[inline(always)]
pub(super) fn sin_cos(x: f64) -> (f64, f64) {
    if !x.is_finite() {
        return (f64::NAN, f64::NAN);
    }
    let Reduced {
        quarters,
        rest: [r, low],
    } = if x.abs() < NEAR { near(x) } else { far(x) };
    // Taylor; |r| < 0.786, so that the terms left out are below 1e-18.
    let z = r * r;
    let series = z * horner(
        [
            -1.0 / 6.0,
            1.0 / 120.0,
            -1.0 / 5040.0,
            1.0 / 362_880.0,
            -1.0 / 39_916_800.0,
            1.0 / 6_227_020_800.0,
            -1.0 / 1_307_674_368_000.0,
            1.0 / 355_687_428_096_000.0,
        ],
        z,
    );
    let tail = z
        * z
        * horner(
            [
                1.0 / 24.0,
                -1.0 / 720.0,
                1.0 / 40_320.0,
                -1.0 / 3_628_800.0,
                1.0 / 479_001_600.0,
                -1.0 / 87_178_291_200.0,
                1.0 / 20_922_789_888_000.0,
                -1.0 / 6_402_373_705_728_000.0,
            ],
            z,
        );
    // What the second part of the argument adds: cos r and -sin r times it.
    let half = 0.5 * z;
    let sin = r + (r * series + low * (1.0 - half));
    let one = 1.0 - half;
    let cos = one + (((1.0 - one) - half) + (tail - r * low));
    // r = x there: minus zero stays itself.
    let sin = if x == 0.0 { x } else { sin };
    let (s, c) = if quarters & 1 == 0 {
        (sin, cos)
    } else {
        (cos, sin)
    };
    (
        if quarters & 2 == 0 { s } else { -s },
        if quarters.wrapping_add(1) & 2 == 0 {
            c
        } else {
            -c
        },
    )
}
