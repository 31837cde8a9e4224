//! Reproducible random numbers: Philox4x32-10, keyed by what is drawn, never by when or where.
//!
//! Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A stream is keyed by
//! (seed, subject, epoch, step id), so threads, order and unrelated steps change nothing.

use voxprep_kernels::random::{normals, philox, standard_normal};

pub use voxprep_kernels::random::NORMAL_REACH;

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

    /// One of some numbers, each alike; the number is recorded. 0 where there are none.
    pub fn choice(&mut self, values: &[f64]) -> f64 {
        let index = self.below(u32::try_from(values.len()).unwrap_or(u32::MAX));
        self.drawn.pop();
        let value = values.get(index as usize).copied().unwrap_or_default();
        self.record(value)
    }

    /// Whether an event of probability `p` happens; recorded as 1 or 0.
    pub fn happens(&mut self, p: f64) -> bool {
        let happens = self.unit() < p;
        self.record(f64::from(u8::from(happens)));
        happens
    }

    /// Numbers uniform in `[low, high)`, one block each. Too many to record one by one: what is
    /// made of them must be in the record of the step.
    pub fn uniforms(&mut self, low: f64, high: f64, count: usize) -> Vec<f64> {
        let draw = |_| low + (high - low) * self.unit();
        (0..count).map(draw).collect()
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

/// Voxels whose draws are made at once; they stay in the first-level cache.
const BATCH: usize = 256;

impl Field {
    /// Combines the values of the voxels `start ..` of a channel with a standard normal draw each.
    pub fn for_each_normal<V: Copy>(
        &self,
        channel: usize,
        start: usize,
        values: &mut [V],
        combine: impl Fn(V, f32) -> V,
    ) {
        let mut draws = [0.0_f32; BATCH];
        let (mut block, mut skip) = (start as u64 / 4, start % 4);
        let mut rest = values;
        while !rest.is_empty() {
            normals(
                self.key,
                [channel as u32, self.domain + 1],
                block,
                &mut draws,
            );
            let (here, after) = rest.split_at_mut(rest.len().min(BATCH - skip));
            for (v, z) in here.iter_mut().zip(&draws[skip..]) {
                *v = combine(*v, *z);
            }
            (rest, skip) = (after, 0);
            block += BATCH as u64 / 4;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seed: u64, subject: &str, epoch: u64, path: &str) -> Stream {
        let subject = hash_name(subject);
        Stream::new(
            Seed {
                seed,
                subject,
                epoch,
            },
            path,
        )
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
            let poly = t
                * (0.319_381_530
                    + t * (-0.356_563_782
                        + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
            let upper = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * poly;
            if x < 0.0 { upper } else { 1.0 - upper }
        };
        assert!(ks(normal, cdf) < 1.95);
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
            stream(1, "a", 0, "noise").field(name, 0).for_each_normal(
                channel,
                0,
                &mut part,
                |_, z| z,
            );
            part
        };
        assert_ne!(other(1, "image"), whole[..4]);
        assert_ne!(other(0, "t2"), whole[..4]);
        let mean = whole.iter().sum::<f32>() / 1000.0;
        let variance = whole.iter().map(|z| z * z).sum::<f32>() / 1000.0;
        assert!(
            mean.abs() < 0.11 && (variance - 1.0).abs() < 0.16,
            "{mean} {variance}"
        );
    }

    #[test]
    fn integers_below_n_are_even_and_in_range() {
        let mut s = stream(3, "case", 0, "crop");
        let mut counts = [0_u32; 3];
        for _ in 0..30_000 {
            counts[s.below(3) as usize] += 1;
        }
        assert!(
            counts.iter().all(|c| c.abs_diff(10_000) < 400),
            "{counts:?}"
        );
        assert_eq!(s.below(1), 0);
        assert_eq!(s.below(0), 0);
    }
}
