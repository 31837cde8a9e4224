//! Counter-based random numbers: pure functions of key and counter, fit for any order of use.
//!
//! Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Who is
//! keyed by what is decided elsewhere.

use crate::simd::dispatched;

/// The Philox4x32-10 block function: 128 bits from a 64-bit key and a 128-bit counter.
#[inline(always)]
pub fn philox(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key[0] = key[0].wrapping_add(0x9E37_79B9);
        key[1] = key[1].wrapping_add(0xBB67_AE85);
    }
    counter
}

dispatched! {
    /// Fills `out` with standard normal draws: draw i stands for word `i % 4` of the Philox block
    /// whose counter is `(block + i / 4, counter)`.
    pub fn normals[](key: [u32; 2], counter: [u32; 2], block: u64, out: &mut [f32]) {
        for (i, draws) in out.chunks_mut(64).enumerate() {
            // sixteen blocks at a time: the rounds of all of them run side by side
            let mut words = [[0_u32; 4]; 16];
            for (j, words) in words.iter_mut().enumerate() {
                let block = block + (16 * i + j) as u64;
                let [low, high] = [block as u32, (block >> 32) as u32];
                *words = philox(key, [low, high, counter[0], counter[1]]);
            }
            for (draw, word) in draws.iter_mut().zip(words.as_flattened()) {
                *draw = standard_normal_f32(*word);
            }
        }
    }
}

/// The standard normal draw that a random word stands for, |z| below [`NORMAL_REACH`].
///
/// Wichura's AS 241 PPND7 (1988) without branches: the first bit is the sign, the others are the
/// tail probability. Relative error below 1e-6 but for the cancellation at z near 0, where the
/// absolute error is below 1e-6.
#[inline(always)]
pub fn standard_normal_f32(word: u32) -> f32 {
    // (0, 1/2): the probability beyond |z|; float conversion keeps 24 significant bits
    let tail = ((word & 0x7fff_ffff) as f32 + 0.5) * 2.0_f32.powi(-32);
    let q = 0.5 - tail;
    let r = 0.180_625 - q * q;
    let central = q * (((59.109_375 * r + 159.291_13) * r + 50.434_27) * r + 3.387_132_7)
        / (((67.187_56 * r + 78.757_76) * r + 17.895_17) * r + 1.0);
    let s = (-ln_f32(tail)).sqrt() - 1.6;
    let outer = (((0.170_238_21 * s + 1.306_728_5) * s + 2.756_815_4) * s + 1.423_437_3)
        / ((0.120_211_33 * s + 0.737_001_64) * s + 1.0);
    let z = if q <= 0.425 { central } else { outer };
    f32::from_bits(z.to_bits() | (word & 0x8000_0000))
}

/// The natural logarithm of a normal positive number, within 2e-7 of 1 + |ln x|.
#[inline(always)]
fn ln_f32(x: f32) -> f32 {
    // m in [0.707, 1.414): the bits of sqrt(1/2) taken off leave the exponent of that range
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (bits as i32) >> 23;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let series = 2.0 + z * (0.666_666_7 + z * (0.4 + z * (0.285_714_3 + z * 0.222_222_22)));
    exponent as f32 * std::f32::consts::LN_2 + s * series
}

/// How many standard deviations a normal draw can be away from the mean.
pub const NORMAL_REACH: f64 = 6.5;

/// The inverse of the standard normal distribution function (Wichura, AS 241 PPND16, 1988).
///
/// `p` in (0, 1); relative error about 1e-16.
pub fn standard_normal(p: f64) -> f64 {
    const CENTRE: [[f64; 8]; 2] = [
        [
            3.387_132_872_796_366_5,
            1.331_416_678_917_843_8e2,
            1.971_590_950_306_551_3e3,
            1.373_169_376_550_946e4,
            4.592_195_393_154_987e4,
            6.726_577_092_700_87e4,
            3.343_057_558_358_813e4,
            2.509_080_928_730_122_7e3,
        ],
        [
            1.0,
            4.231_333_070_160_091e1,
            6.871_870_074_920_579e2,
            5.394_196_021_424_751e3,
            2.121_379_430_158_659_7e4,
            3.930_789_580_009_271e4,
            2.872_908_573_572_194_3e4,
            5.226_495_278_852_854e3,
        ],
    ];
    const MIDDLE: [[f64; 8]; 2] = [
        [
            1.423_437_110_749_683_5,
            4.630_337_846_156_546,
            5.769_497_221_460_691,
            3.647_848_324_763_204_5,
            1.270_458_252_452_368_4,
            2.417_807_251_774_506e-1,
            2.272_384_498_926_918_4e-2,
            7.745_450_142_783_414e-4,
        ],
        [
            1.0,
            2.053_191_626_637_759,
            1.676_384_830_183_803_8,
            6.897_673_349_851e-1,
            1.481_039_764_274_800_8e-1,
            1.519_866_656_361_645_7e-2,
            5.475_938_084_995_345e-4,
            1.050_750_071_644_416_9e-9,
        ],
    ];
    const FAR: [[f64; 8]; 2] = [
        [
            6.657_904_643_501_103,
            5.463_784_911_164_114,
            1.784_826_539_917_291_3,
            2.965_605_718_285_048_7e-1,
            2.653_218_952_657_612_4e-2,
            1.242_660_947_388_078_4e-3,
            2.711_555_568_743_487_6e-5,
            2.010_334_399_292_288_1e-7,
        ],
        [
            1.0,
            5.998_322_065_558_88e-1,
            1.369_298_809_227_358e-1,
            1.487_536_129_085_061_5e-2,
            7.868_691_311_456_133e-4,
            1.846_318_317_510_054_8e-5,
            1.421_511_758_316_446e-7,
            2.044_263_103_389_939_8e-15,
        ],
    ];
    let ratio = |[top, bottom]: &[[f64; 8]; 2], x: f64| {
        let horner = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, &k| sum * x + k);
        horner(top) / horner(bottom)
    };
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&CENTRE, 0.180_625 - q * q);
    }
    let r = (-libm_free_ln(p.min(1.0 - p))).sqrt();
    let tail = if r <= 5.0 {
        ratio(&MIDDLE, r - 1.6)
    } else {
        ratio(&FAR, r - 5.0)
    };
    if q < 0.0 { -tail } else { tail }
}

/// The natural logarithm of a normal positive number, the same bits on every system.
///
/// `ln(m 2^e) = e ln 2 + 2 atanh((m-1)/(m+1))` with m in [sqrt 1/2, sqrt 2).
fn libm_free_ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let z = s * s;
    // |s| < 0.1716, so the 14th term is below 1e-22 of the first.
    let series = (0..14)
        .rev()
        .fold(0.0, |sum, k| sum * z + 1.0 / f64::from(2 * k + 1));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_of_philox_are_reproduced() {
        // Random123, kat_vectors, philox4x32 10 rounds
        assert_eq!(
            philox([0; 2], [0; 4]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 2], [u32::MAX; 4]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0xa409_3822, 0x299f_31d0],
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn the_inverse_normal_has_its_known_values() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.001, -3.090_232_306_167_813_5),
            (1e-9, -5.997_807_015_007_686_5),
        ] {
            assert!((standard_normal(p) - z).abs() < 1e-12, "{p}");
        }
        assert!(standard_normal(0.5 * 2.0_f64.powi(-32)).abs() < NORMAL_REACH);
    }

    #[test]
    fn the_fast_normal_agrees_with_the_exact_one() {
        for i in 0..200_000_u32 {
            let word = i.wrapping_mul(0x9e37_79b9);
            let tail = (f64::from(word & 0x7fff_ffff) + 0.5) * 2.0_f64.powi(-32);
            let sign = if word >> 31 == 1 { -1.0 } else { 1.0 };
            let exact = -sign * standard_normal(tail);
            let fast = f64::from(standard_normal_f32(word));
            assert!(
                (fast - exact).abs() < 2e-6 * (1.0 + exact.abs()),
                "{word}: {fast}, {exact}"
            );
        }
    }

    #[test]
    fn every_level_gives_the_same_draws() {
        use crate::simd::{Level, with_level};
        let on = |level| {
            let mut out = vec![0.0_f32; 1001];
            with_level(level, || normals([1, 2], [3, 4], (1 << 32) - 5, &mut out));
            out.iter().map(|z| z.to_bits()).collect::<Vec<_>>()
        };
        let baseline = on(Level::Baseline);
        assert!(on(Level::Avx2) == baseline && on(Level::Avx512) == baseline);
    }
}
