//! Reproducible random numbers: Philox4x32-10, keyed by what is drawn, never by when or where.
//!
//! Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A stream is keyed by
//! (seed, subject, epoch, step id), so threads, order and unrelated steps change nothing.

/// The Philox4x32-10 block function: 128 bits from a 64-bit key and a 128-bit counter.
#[inline]
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

/// A stable 64-bit hash of a name (FNV-1a, then mixed).
pub fn hash_name(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(hash)
}

/// Three rounds of multiply and xorshift: the finaliser of Stafford's "mix 13".
fn mix(mut v: u64) -> u64 {
    v = (v ^ (v >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    v = (v ^ (v >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    v ^ (v >> 31)
}

fn chain(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |key, &part| {
        mix(key.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ mix(part.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    })
}

fn split(key: u64) -> [u32; 2] {
    [key as u32, (key >> 32) as u32]
}

/// What a run's random numbers depend on besides the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The pipeline's seed.
    pub seed: u64,
    /// The subject, by [`hash_name`] of its stable id.
    pub subject: u64,
    /// The pass over the data set; 0 in preprocessing.
    pub epoch: u64,
}

/// The random numbers of one step for one subject.
///
/// Every draw takes one counter block, whatever it draws, in the order of the calls.
#[derive(Clone, Debug)]
pub struct Stream {
    key: u64,
    next: u64,
    drawn: Vec<f64>,
}

impl Stream {
    /// The stream of the step whose id path is `path` (`group/rotate`).
    pub fn new(seed: Seed, path: &str) -> Self {
        Self {
            key: chain(&[seed.seed, seed.epoch, seed.subject, hash_name(path)]),
            next: 0,
            drawn: Vec::new(),
        }
    }

    /// A number uniform in `[0, 1)`, 53 bits.
    pub fn unit(&mut self) -> f64 {
        let [a, b, ..] = self.block();
        let bits = (u64::from(a) << 21) ^ (u64::from(b) >> 11);
        (bits & ((1 << 53) - 1)) as f64 * 2.0_f64.powi(-53)
    }

    /// A number uniform in `[low, high)`; recorded.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        let value = low + (high - low) * self.unit();
        self.record(value)
    }

    /// A number from the normal distribution, within [`NORMAL_REACH`] standard deviations;
    /// recorded.
    pub fn normal(&mut self, mean: f64, std: f64) -> f64 {
        let [word, ..] = self.block();
        let value = mean + std * standard_normal((f64::from(word) + 0.5) * 2.0_f64.powi(-32));
        self.record(value)
    }

    /// An integer uniform in `0..n`, without bias (Lemire 2019); recorded. 0 for n = 0.
    pub fn below(&mut self, n: u32) -> u32 {
        let threshold = n.wrapping_neg().checked_rem(n).unwrap_or(0);
        // One block holds four words; all four are rejected with probability below 2^-4 (n/2^32)^4,
        // and then the last one is taken, so that a draw always costs one block.
        let words = self.block();
        let products = words.map(|w| u64::from(w) * u64::from(n));
        let product = products
            .into_iter()
            .find(|&p| p as u32 >= threshold)
            .unwrap_or(products[3]);
        let value = (product >> 32) as u32;
        self.record(f64::from(value));
        value
    }

    /// Whether an event of probability `p` happens; recorded as 1 or 0.
    pub fn happens(&mut self, p: f64) -> bool {
        let happens = self.unit() < p;
        self.record(f64::from(u8::from(happens)));
        happens
    }

    /// What was drawn so far, in order: part of the record that makes a run repeatable.
    pub fn drawn(&self) -> &[f64] {
        &self.drawn
    }

    /// The key of a random field: one value per voxel, the same wherever it is computed.
    pub fn field(&self, volume: &str, domain: u32) -> Field {
        Field {
            key: split(chain(&[self.key, hash_name(volume)])),
            domain,
        }
    }

    fn block(&mut self) -> [u32; 4] {
        let counter = [self.next as u32, (self.next >> 32) as u32, 0, 0];
        self.next += 1;
        philox(split(self.key), counter)
    }

    fn record(&mut self, value: f64) -> f64 {
        self.drawn.push(value);
        value
    }
}

/// A random value for every voxel: a pure function of key, channel and linear index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    key: [u32; 2],
    domain: u32,
}

impl Field {
    /// The four words of the block that holds the voxels `4 block .. 4 block + 4` of a channel.
    #[inline]
    pub fn words(&self, channel: u32, block: u64) -> [u32; 4] {
        philox(self.key, [block as u32, (block >> 32) as u32, channel, self.domain + 1])
    }
}

/// Blocks of random words that are made at once; their words stay in the first-level cache.
const BATCH: usize = 64;

impl Field {
    /// Combines the values of the voxels `start ..` of a channel with a standard normal draw each.
    pub fn for_each_normal<V: Copy>(
        &self,
        channel: usize,
        start: usize,
        values: &mut [V],
        combine: impl Fn(V, f32) -> V,
    ) {
        let mut draws = [0.0_f32; 4 * BATCH];
        let (mut block, mut skip) = (start as u64 / 4, start % 4);
        let mut rest = values;
        while !rest.is_empty() {
            for (i, draws) in draws.chunks_exact_mut(4).enumerate() {
                let words = self.words(channel as u32, block + i as u64);
                for (draw, word) in draws.iter_mut().zip(words) {
                    *draw = standard_normal_f32(word);
                }
            }
            let (here, after) = rest.split_at_mut(rest.len().min(draws.len() - skip));
            for (v, z) in here.iter_mut().zip(&draws[skip..]) {
                *v = combine(*v, *z);
            }
            (rest, skip) = (after, 0);
            block += BATCH as u64;
        }
    }
}

/// The standard normal draw that a random word stands for, |z| below [`NORMAL_REACH`].
///
/// Wichura's AS 241 PPND7 (1988) without branches: the first bit is the sign, the others are the
/// tail probability. Relative error below 1e-6 but for the cancellation at z near 0, where the
/// absolute error is below 1e-6.
#[inline]
pub fn standard_normal_f32(word: u32) -> f32 {
    // (0, 1/2): the probability beyond |z|; float conversion keeps 24 significant bits
    let tail = ((word & 0x7fff_ffff) as f32 + 0.5) * 2.0_f32.powi(-32);
    let q = 0.5 - tail;
    let r = 0.180_625 - q * q;
    let central = q
        * (((59.109_375 * r + 159.291_13) * r + 50.434_27) * r + 3.387_132_7)
        / (((67.187_56 * r + 78.757_76) * r + 17.895_17) * r + 1.0);
    let s = (-ln_f32(tail)).sqrt() - 1.6;
    let outer = (((0.170_238_21 * s + 1.306_728_5) * s + 2.756_815_4) * s + 1.423_437_3)
        / ((0.120_211_33 * s + 0.737_001_64) * s + 1.0);
    let z = if q <= 0.425 { central } else { outer };
    f32::from_bits(z.to_bits() | (word & 0x8000_0000))
}

/// The natural logarithm of a normal positive number, within 2e-7 of 1 + |ln x|.
#[inline]
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
    let series = (0..14).rev().fold(0.0, |sum, k| sum * z + 1.0 / f64::from(2 * k + 1));
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

    fn stream(seed: u64, subject: &str, epoch: u64, path: &str) -> Stream {
        let subject = hash_name(subject);
        Stream::new(Seed { seed, subject, epoch }, path)
    }

    /// G-08: every part of the key gives independent draws.
    #[test]
    fn every_part_of_the_key_changes_the_draws() {
        let base = stream(1, "a", 0, "rotate").unit();
        let others = [
            stream(2, "a", 0, "rotate").unit(),
            stream(1, "b", 0, "rotate").unit(),
            stream(1, "a", 1, "rotate").unit(),
            stream(1, "a", 0, "rotate#2").unit(),
        ];
        assert!(others.iter().all(|&o| o != base));
        assert_eq!(base, stream(1, "a", 0, "rotate").unit());
    }

    /// Kolmogorov-Smirnov distance at p = 1e-3 for n draws is 1.95 / sqrt(n).
    fn ks(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
        sample.sort_by(f64::total_cmp);
        let n = sample.len() as f64;
        let distance = |(i, &x): (usize, &f64)| {
            let c = cdf(x);
            (c - i as f64 / n).abs().max((c - (i + 1) as f64 / n).abs())
        };
        sample.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
    }

    #[test]
    fn uniform_and_normal_draws_have_their_distributions() {
        let mut s = stream(7, "case", 0, "step");
        let uniform: Vec<f64> = (0..100_000).map(|_| s.uniform(-2.0, 3.0)).collect();
        assert!(ks(uniform, |x| (x + 2.0) / 5.0) < 1.95);
        let normal: Vec<f64> = (0..100_000).map(|_| s.normal(0.0, 1.0)).collect();
        let mean = normal.iter().sum::<f64>() / 1e5;
        let variance = normal.iter().map(|v| v * v).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02);
        // Abramowitz & Stegun 26.2.17, absolute error below 7.5e-8
        let cdf = |x: f64| {
            let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
            let poly = t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
            let upper = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * poly;
            if x < 0.0 { upper } else { 1.0 - upper }
        };
        assert!(ks(normal, cdf) < 1.95);
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
            assert!((fast - exact).abs() < 2e-6 * (1.0 + exact.abs()), "{word}: {fast}, {exact}");
        }
    }

    /// G-08: a voxel's draw does not depend on how the voxels are divided into runs.
    #[test]
    fn the_noise_of_a_voxel_depends_on_its_index_alone() {
        let field = stream(1, "a", 0, "noise").field("image", 0);
        let mut whole = vec![0.0_f32; 1000];
        field.for_each_normal(0, 0, &mut whole, |_, z| z);
        for (start, length) in [(0, 1), (1, 2), (3, 500), (255, 300), (997, 3)] {
            let mut part = vec![0.0_f32; length];
            field.for_each_normal(0, start, &mut part, |_, z| z);
            assert_eq!(part, whole[start..start + length]);
        }
        let other = |channel, name: &str| {
            let mut part = vec![0.0_f32; 4];
            stream(1, "a", 0, "noise").field(name, 0).for_each_normal(channel, 0, &mut part, |_, z| z);
            part
        };
        assert_ne!(other(1, "image"), whole[..4]);
        assert_ne!(other(0, "t2"), whole[..4]);
        let mean = whole.iter().sum::<f32>() / 1000.0;
        let variance = whole.iter().map(|z| z * z).sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.11 && (variance - 1.0).abs() < 0.16, "{mean} {variance}");
    }

    #[test]
    fn integers_below_n_are_even_and_in_range() {
        let mut s = stream(3, "case", 0, "crop");
        let mut counts = [0_u32; 3];
        for _ in 0..30_000 {
            counts[s.below(3) as usize] += 1;
        }
        assert!(counts.iter().all(|c| c.abs_diff(10_000) < 400), "{counts:?}");
        assert_eq!(s.below(1), 0);
        assert_eq!(s.below(0), 0);
    }
}
