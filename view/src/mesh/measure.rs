//! Area, volume, closedness, Euler number, normals.

use rayon::prelude::*;

use super::Mesh;

impl Mesh {
    /// The area in mm^2.
    pub fn area(&self) -> f64 {
        let triangles = self.triangles.iter().map(|t| {
            let n = self.normal_of(t);
            0.5 * dot(n, n).sqrt()
        });
        triangles.sum()
    }

    /// The enclosed volume in mm^3, by the divergence theorem; positive where triangles face
    /// outwards. Means nothing for a surface that is not closed.
    pub fn volume(&self) -> f64 {
        // From a point of the surface, so that the distance to the origin costs no digits.
        let Some(from) = self.vertices.first().map(|v| v.map(f64::from)) else {
            return 0.0;
        };
        let triangles = self.triangles.iter().map(|t| {
            let [a, _, _] = self.corners(t);
            dot(difference(a, from), self.normal_of(t)) / 6.0
        });
        triangles.sum()
    }

    /// Whether each side of a triangle belongs to exactly one other, which runs along it the other
    /// way. An empty mesh is closed.
    pub fn is_closed(&self) -> bool {
        self.sides()
            .chunk_by(|a, b| a >> 1 == b >> 1)
            .all(|side| matches!(side, [a, b] if a != b))
    }

    /// The Euler number, vertices - sides + triangles: 2 for each ball, 2 - 2 n for n holes
    /// through it. Vertices that no triangle uses do not count.
    pub fn euler(&self) -> i64 {
        let sides = self.sides();
        let sides = sides.chunk_by(|a, b| a >> 1 == b >> 1).count();
        let mut is_used = vec![false; self.vertices.len()];
        for corner in self.triangles.iter().flatten() {
            is_used[*corner as usize] = true;
        }
        let vertices = is_used.iter().filter(|used| **used).count();
        vertices as i64 - sides as i64 + self.triangles.len() as i64
    }

    /// The sides of all triangles in order: the lower corner, the higher one, and one bit for the
    /// direction.
    fn sides(&self) -> Vec<u128> {
        let of_one = |&[a, b, c]: &[u32; 3]| {
            [(a, b), (b, c), (c, a)].map(|(a, b)| {
                let (low, high) = (a.min(b), a.max(b));
                u128::from(low) << 33 | u128::from(high) << 1 | u128::from(a > b)
            })
        };
        let mut sides: Vec<u128> = self.triangles.par_iter().flat_map_iter(of_one).collect();
        sides.par_sort_unstable();
        sides
    }

    /// Computes the normals of the vertices anew, after they moved.
    pub fn find_normals(&mut self) {
        let mut sums = vec![[0.0_f64; 3]; self.vertices.len()];
        for triangle in &self.triangles {
            let normal = self.normal_of(triangle);
            for corner in triangle {
                let sum = &mut sums[*corner as usize];
                *sum = [0, 1, 2].map(|i| sum[i] + normal[i]);
            }
        }
        self.normals = sums.into_par_iter().map(unit).collect();
    }

    /// The outward unit normal of a triangle; `[0, 0, 0]` where it has no area.
    pub(super) fn unit_normal(&self, triangle: &[u32; 3]) -> [f32; 3] {
        unit(self.normal_of(triangle))
    }

    fn corners(&self, triangle: &[u32; 3]) -> [[f64; 3]; 3] {
        triangle.map(|i| self.vertices[i as usize].map(f64::from))
    }

    /// The outward normal of a triangle, as long as twice its area.
    fn normal_of(&self, triangle: &[u32; 3]) -> [f64; 3] {
        let [a, b, c] = self.corners(triangle);
        let (u, v) = (difference(b, a), difference(c, a));
        [
            u[1] * v[2] - u[2] * v[1],
            u[2] * v[0] - u[0] * v[2],
            u[0] * v[1] - u[1] * v[0],
        ]
    }
}

/// The vector of length 1 in the same direction; nothing stays nothing.
fn unit(vector: [f64; 3]) -> [f32; 3] {
    let length = dot(vector, vector).sqrt();
    vector.map(|v| {
        if length > 0.0 {
            (v / length) as f32
        } else {
            0.0
        }
    })
}

fn difference(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
