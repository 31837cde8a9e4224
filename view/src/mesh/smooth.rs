//! Smoothing that does not shrink.

use rayon::prelude::*;

use super::Mesh;
use crate::error::{Error, Result};

/// Smooths a mesh by turns of shrinking and inflating.
///
/// Each vertex moves by a part of the way to the mean of its neighbours: `lambda` of it, then `mu`,
/// which is negative and a little larger. Waves longer than the pass band `1 / lambda + 1 / mu`
/// stay; the stairs of voxels go.
///
/// # Notes
/// The volume of a ball of 20 voxels changes by less than 1 %; structures of two or three voxels
/// lose more. Open borders shrink.
///
/// # Reference
/// Taubin, "A signal processing approach to fair surface design", SIGGRAPH 1995.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taubin {
    /// How often both steps are done; at most 1000.
    pub iterations: u32,
    /// The shrinking step, above 0 and at most 1.
    pub lambda: f64,
    /// The inflating step, from -1.1 to below `-lambda`.
    pub mu: f64,
}

impl Default for Taubin {
    fn default() -> Self {
        Self {
            iterations: 15,
            lambda: 0.5,
            mu: -0.53,
        }
    }
}

impl Taubin {
    fn check(&self) -> Result<()> {
        let refused = |field, reason, remedy| Err(Error::parameter(field, reason, remedy));
        if self.iterations > 1000 {
            let reason = format!("{} are too many", self.iterations);
            return refused("iterations", reason, "10 to 20 take the stairs away");
        }
        if !(self.lambda > 0.0 && self.lambda <= 1.0) {
            let reason = format!("{} is not between 0 and 1", self.lambda);
            return refused("lambda", reason, "give 0.5");
        }
        if !(self.mu >= -1.1 && self.mu < -self.lambda) {
            let reason = format!("{} is not between -1.1 and -lambda", self.mu);
            return refused("mu", reason, "give -0.53 with a lambda of 0.5");
        }
        Ok(())
    }
}

impl Mesh {
    /// Smooths the mesh in place; normals follow.
    ///
    /// # Errors
    /// [`Error::Core`] where a step is out of its range.
    pub fn smooth(&mut self, taubin: &Taubin) -> Result<()> {
        taubin.check()?;
        let (starts, neighbours) = self.neighbours();
        let mut moved = self.vertices.clone();
        for _ in 0..taubin.iterations {
            for part in [taubin.lambda, taubin.mu] {
                let from = &self.vertices;
                moved.par_iter_mut().enumerate().for_each(|(v, to)| {
                    let around = &neighbours[starts[v]..starts[v + 1]];
                    let mut sum = [0.0; 3];
                    for n in around {
                        let p = from[*n as usize];
                        sum = [0, 1, 2].map(|i| sum[i] + f64::from(p[i]));
                    }
                    let count = around.len().max(1) as f64;
                    if !around.is_empty() {
                        let p = from[v].map(f64::from);
                        *to = [0, 1, 2].map(|i| (p[i] + part * (sum[i] / count - p[i])) as f32);
                    }
                });
                std::mem::swap(&mut self.vertices, &mut moved);
            }
        }
        self.find_normals();
        Ok(())
    }

    /// The neighbours of each vertex in rising order, one after the other, and where those of a
    /// vertex begin.
    fn neighbours(&self) -> (Vec<usize>, Vec<u32>) {
        let both = |&[a, b, c]: &[u32; 3]| {
            let sides = [(a, b), (b, c), (c, a)];
            sides.into_iter().flat_map(|(a, b)| {
                let key = |a, b| u64::from(a) << 32 | u64::from(b);
                [key(a, b), key(b, a)]
            })
        };
        let mut pairs: Vec<u64> = self.triangles.par_iter().flat_map_iter(both).collect();
        pairs.par_sort_unstable();
        pairs.dedup();
        let mut starts = vec![0; self.vertices.len() + 1];
        for pair in &pairs {
            starts[(pair >> 32) as usize + 1] += 1;
        }
        for v in 0..self.vertices.len() {
            starts[v + 1] += starts[v];
        }
        let neighbours = pairs.par_iter().map(|pair| *pair as u32).collect();
        (starts, neighbours)
    }
}
