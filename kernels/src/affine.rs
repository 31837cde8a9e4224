//! Affine maps of three-space, the one matrix type of the project.

use std::ops::Mul;

/// An affine map of three-space: a 3x4 matrix applied to column points `(x, y, z, 1)`.
///
/// Variables that hold one are named `to_from`, so that neighbours match when they are
/// multiplied: `out_from_in = out_from_world * world_from_in`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    rows: [[f64; 4]; 3],
}

impl Affine {
    /// The map that leaves every point where it is.
    pub const IDENTITY: Self = Self {
        rows: [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ],
    };

    /// Builds the map from its three rows.
    pub const fn from_rows(rows: [[f64; 4]; 3]) -> Self {
        Self { rows }
    }

    /// Builds the map `p -> linear * p + offset`; `linear` is given by rows.
    pub const fn from_parts(linear: [[f64; 3]; 3], offset: [f64; 3]) -> Self {
        let [a, b, c] = linear;
        Self {
            rows: [
                [a[0], a[1], a[2], offset[0]],
                [b[0], b[1], b[2], offset[1]],
                [c[0], c[1], c[2], offset[2]],
            ],
        }
    }

    /// Builds the map from the images of the three axes and of the origin.
    pub const fn from_columns(columns: [[f64; 3]; 3], origin: [f64; 3]) -> Self {
        let [x, y, z] = columns;
        Self {
            rows: [
                [x[0], y[0], z[0], origin[0]],
                [x[1], y[1], z[1], origin[1]],
                [x[2], y[2], z[2], origin[2]],
            ],
        }
    }

    /// The translation by `offset`.
    pub const fn translation(offset: [f64; 3]) -> Self {
        Self::from_parts([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], offset)
    }

    /// The scaling of each axis about the origin.
    pub const fn scaling(factors: [f64; 3]) -> Self {
        let [x, y, z] = factors;
        Self::from_parts([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]], [0.0; 3])
    }

    /// The same map with `point` in the place of the origin: `p -> self(p - point) + point`.
    pub fn about(&self, point: [f64; 3]) -> Self {
        Self::translation(point) * *self * Self::translation(point.map(|v| -v))
    }

    /// The three rows.
    pub const fn rows(&self) -> &[[f64; 4]; 3] {
        &self.rows
    }

    /// The linear part, by rows.
    pub const fn linear(&self) -> [[f64; 3]; 3] {
        let [a, b, c] = self.rows;
        [[a[0], a[1], a[2]], [b[0], b[1], b[2]], [c[0], c[1], c[2]]]
    }

    /// The image of the origin.
    pub const fn offset(&self) -> [f64; 3] {
        [self.rows[0][3], self.rows[1][3], self.rows[2][3]]
    }

    /// The image of the unit vector of `axis` under the linear part.
    pub const fn column(&self, axis: usize) -> [f64; 3] {
        [self.rows[0][axis], self.rows[1][axis], self.rows[2][axis]]
    }

    /// The image of a point.
    #[inline]
    pub fn apply(&self, point: [f64; 3]) -> [f64; 3] {
        let [x, y, z] = point;
        self.rows.map(|r| r[0] * x + r[1] * y + r[2] * z + r[3])
    }

    /// The image of a vector: the linear part alone.
    #[inline]
    pub fn apply_vector(&self, vector: [f64; 3]) -> [f64; 3] {
        let [x, y, z] = vector;
        self.rows.map(|r| r[0] * x + r[1] * y + r[2] * z)
    }

    /// The determinant of the linear part.
    pub fn determinant(&self) -> f64 {
        let [a, b, c] = self.linear();
        dot(a, cross(b, c))
    }

    /// Whether every entry is finite.
    pub fn is_finite(&self) -> bool {
        self.rows.iter().flatten().all(|v| v.is_finite())
    }

    /// The inverse map, or `None` where the linear part is singular, or either map not finite.
    ///
    /// Singular means that the determinant is below 1e-12 of the product of the column lengths,
    /// so that the verdict does not depend on the unit of length.
    pub fn inverse(&self) -> Option<Self> {
        let determinant = self.determinant();
        let scale: f64 = (0..3).map(|axis| norm(self.column(axis))).product();
        if !self.is_finite() || determinant.abs() <= 1e-12 * scale || scale == 0.0 {
            return None;
        }
        let [a, b, c] = self.linear();
        let columns = [cross(b, c), cross(c, a), cross(a, b)].map(|v| v.map(|x| x / determinant));
        let linear = Self::from_columns(columns, [0.0; 3]);
        let offset = linear.apply_vector(self.offset()).map(|v| -v);
        // Lengths at both ends of f64 overflow on the way.
        Some(Self::from_columns(columns, offset)).filter(Self::is_finite)
    }
}

impl Mul for Affine {
    type Output = Self;

    fn mul(self, right: Self) -> Self {
        let columns = [0, 1, 2].map(|axis| self.apply_vector(right.column(axis)));
        Self::from_columns(columns, self.apply(right.offset()))
    }
}

/// The Euclidean length of a vector.
pub fn norm(v: [f64; 3]) -> f64 {
    dot(v, v).sqrt()
}

/// The scalar product of two vectors.
pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The vector product of two vectors.
pub fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique() -> Affine {
        Affine::from_rows([
            [0.9, 0.1, -0.2, 3.0],
            [-0.1, 1.4, 0.3, -7.0],
            [0.2, -0.3, 2.5, 11.0],
        ])
    }

    #[test]
    fn a_map_times_its_inverse_is_the_identity() {
        let map = oblique();
        let product = map * map.inverse().unwrap();
        for (row, expected) in product.rows().iter().zip(Affine::IDENTITY.rows()) {
            for (a, b) in row.iter().zip(expected) {
                assert!((a - b).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn the_right_factor_of_a_product_acts_first() {
        let shift = Affine::translation([1.0, 0.0, 0.0]);
        let double = Affine::scaling([2.0, 2.0, 2.0]);
        assert_eq!((double * shift).apply([1.0, 0.0, 0.0]), [4.0, 0.0, 0.0]);
        assert_eq!((shift * double).apply([1.0, 0.0, 0.0]), [3.0, 0.0, 0.0]);
    }

    #[test]
    fn a_map_about_a_point_keeps_the_point() {
        let point = [5.0, -2.0, 1.0];
        let image = oblique_linear().about(point).apply(point);
        assert!(norm([0, 1, 2].map(|i| image[i] - point[i])) < 1e-12);
    }

    fn oblique_linear() -> Affine {
        Affine::from_parts(oblique().linear(), [0.0; 3])
    }

    #[test]
    fn a_map_whose_inverse_overflows_has_none() {
        for factors in [
            [1e-310, 1.0, 1.0],
            [1e200, 1e200, 1e200],
            [1e-200, 1e-200, 1.0],
        ] {
            assert_eq!(Affine::scaling(factors).inverse(), None, "{factors:?}");
        }
    }

    #[test]
    fn a_singular_map_has_no_inverse_in_any_unit() {
        for unit in [1e-6, 1.0, 1e6] {
            let flat = Affine::from_columns(
                [[unit, 0.0, 0.0], [0.0, unit, 0.0], [unit, unit, 0.0]],
                [0.0; 3],
            );
            assert_eq!(flat.inverse(), None);
            assert!(Affine::scaling([unit; 3]).inverse().is_some());
        }
        assert_eq!(Affine::scaling([f64::NAN, 1.0, 1.0]).inverse(), None);
    }
}
