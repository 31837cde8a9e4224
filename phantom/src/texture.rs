//! Smooth seeded randomness in space.

use voxprep_core::stream::Stream;

use crate::maths::P;

/// Random numbers on a periodic lattice, smoothly interpolated: mean about 0, standard deviation
/// about 1, the same wherever it is computed.
#[derive(Debug)]
pub(crate) struct Texture {
    values: Vec<f32>,
    per_mm: f32,
}

/// Lattice points along an axis, a power of two.
const SIDE: usize = 32;

/// A quadratic B-spline makes independent values this much smaller, on average over its phases.
const SHRINK: f32 = 0.408;

impl Texture {
    /// Ripples of about `period_mm` from one crest to the next.
    pub(crate) fn new(stream: &Stream, name: &str, period_mm: f32) -> Self {
        let mut values = vec![0.0; SIDE * SIDE * SIDE];
        let field = stream.field(name, 0);
        field.for_each_normal(0, 0, &mut values, |_, z| z / SHRINK);
        Self {
            values,
            per_mm: 2.0 / period_mm,
        }
    }

    #[inline]
    pub(crate) fn at(&self, p: P) -> f32 {
        let (x, y, z) = (
            spot(p[0] * self.per_mm),
            spot(p[1] * self.per_mm),
            spot(p[2] * self.per_mm),
        );
        let mut sum = 0.0;
        for (k, wz) in z.1.iter().enumerate() {
            let plane = ((z.0 + k) % SIDE) * SIDE;
            for (j, wy) in y.1.iter().enumerate() {
                let row = (plane + (y.0 + j) % SIDE) * SIDE;
                let row = &self.values[row..row + SIDE];
                let mut line = 0.0;
                for (i, wx) in x.1.iter().enumerate() {
                    line += wx * row[(x.0 + i) % SIDE];
                }
                sum += wz * wy * line;
            }
        }
        sum
    }
}

/// The first of three lattice points, and the weights of a quadratic B-spline.
#[inline(always)]
fn spot(x: f32) -> (usize, [f32; 3]) {
    let nearest = (x + 0.5).floor();
    let t = x - nearest;
    let first = (nearest as i32 - 1).rem_euclid(SIDE as i32) as usize;
    let (before, after) = (0.5 - t, 0.5 + t);
    (
        first,
        [0.5 * before * before, 0.75 - t * t, 0.5 * after * after],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::stream::Seed;

    #[test]
    fn a_texture_has_about_unit_spread_and_is_smooth() {
        let seed = Seed {
            seed: 1,
            subject: 2,
            epoch: 0,
        };
        let texture = Texture::new(&Stream::new(seed, "t"), "a", 10.0);
        let values: Vec<f32> = (0..4000)
            .map(|i| texture.at([i as f32 * 0.9, i as f32 * 1.7, 3.0]))
            .collect();
        let mean = values.iter().sum::<f32>() / 4000.0;
        let var = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / 4000.0;
        assert!(
            mean.abs() < 0.2 && (0.7..1.3).contains(&var.sqrt()),
            "{mean}, {var}"
        );
        let step = (texture.at([5.0, 5.0, 5.0]) - texture.at([5.001, 5.0, 5.0])).abs();
        assert!(step < 2e-3, "{step}");
    }
}
