//! Affine maps of three-space, the one matrix type of the project.

use std::ops::Mul;

use crate::trigonometry::sin_cos_degrees;

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

    /// The right-handed rotation by `degrees` about a unit vector through the origin (Rodrigues 1840).
    pub fn rotation(axis: [f64; 3], degrees: f64) -> Self {
        let (sin, cos) = sin_cos_degrees(degrees);
        let [x, y, z] = axis;
        let cross = [[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]];
        let linear = [0, 1, 2].map(|i| {
            [0, 1, 2].map(|j| {
                let identity = if i == j { cos } else { 0.0 };
                identity + sin * cross[i][j] + (1.0 - cos) * axis[i] * axis[j]
            })
        });
        Self::from_parts(linear, [0.0; 3])
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

/// An affine motion by its parts: things are scaled, then sheared, then turned, then moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parts {
    /// Factors along x, y, z.
    pub scale: [f64; 3],
    /// How much x grows with y, x with z, and y with z: tangents.
    pub shear: [f64; 3],
    /// Right-handed angles about x, then about y, then about z.
    pub angles_deg: [f64; 3],
    /// Distances along x, y, z.
    pub translation: [f64; 3],
}

impl Parts {
    /// The parts that leave every point where it is.
    pub const STILL: Self = Self {
        scale: [1.0; 3],
        shear: [0.0; 3],
        angles_deg: [0.0; 3],
        translation: [0.0; 3],
    };

    /// `p -> centre + translation + Rz Ry Rx H S (p - centre)`, with the rotations R about the
    /// axes, the shear `H = [[1, xy, xz], [0, 1, yz], [0, 0, 1]]` and the scaling S.
    pub fn about(&self, centre: [f64; 3]) -> Affine {
        let [x, y, z] = self.angles_deg;
        let turn = Affine::rotation([0.0, 0.0, 1.0], z)
            * Affine::rotation([0.0, 1.0, 0.0], y)
            * Affine::rotation([1.0, 0.0, 0.0], x);
        Affine::translation(self.translation) * (turn * self.stretch()).about(centre)
    }

    /// [`Parts::about`] without what leads out of the plane, the line or the point that the
    /// directions (unit vectors, not parallel) span.
    ///
    /// Scaling, shear and translation are projected. A plane turns about its normal, by the angle of
    /// the axis that is nearest to it; a line does not turn.
    pub fn within(&self, directions: &[[f64; 3]], centre: [f64; 3]) -> Affine {
        let turn = match directions {
            [_, _, _, ..] => return self.about(centre),
            [a, b] => {
                let normal = cross(*a, *b);
                let length = norm(normal);
                let normal = normal.map(|v| v / length);
                let near = |&i: &usize, &j: &usize| normal[i].abs().total_cmp(&normal[j].abs());
                let axis = (0..3).max_by(near).unwrap_or(2);
                Affine::rotation(normal, self.angles_deg[axis] * normal[axis].signum())
            }
            _ => Affine::IDENTITY,
        };
        let mut inside = [[0.0; 3]; 3];
        let mut basis: Vec<[f64; 3]> = Vec::new();
        for direction in directions {
            // Gram and Schmidt: grids may be sheared
            let rest = basis.iter().fold(*direction, |v, e| {
                let along = dot(v, *e);
                [0, 1, 2].map(|i| v[i] - along * e[i])
            });
            let unit = rest.map(|v| v / norm(rest));
            for (row, a) in inside.iter_mut().zip(unit) {
                *row = [0, 1, 2].map(|j| row[j] + a * unit[j]);
            }
            basis.push(unit);
        }
        let across =
            [0, 1, 2].map(|i| [0, 1, 2].map(|j| f64::from(u8::from(i == j)) - inside[i][j]));
        let inside = Affine::from_parts(inside, [0.0; 3]);
        let kept = (inside * self.stretch() * inside).linear();
        let stretch = [0, 1, 2].map(|i| [0, 1, 2].map(|j| kept[i][j] + across[i][j]));
        let stretch = Affine::from_parts(stretch, [0.0; 3]);
        Affine::translation(inside.apply(self.translation)) * (turn * stretch).about(centre)
    }

    fn stretch(&self) -> Affine {
        let [xy, xz, yz] = self.shear;
        Affine::from_parts([[1.0, xy, xz], [0.0, 1.0, yz], [0.0, 0.0, 1.0]], [0.0; 3])
            * Affine::scaling(self.scale)
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

    #[test]
    fn a_quarter_turn_about_z_takes_x_to_y() {
        let turn = Affine::rotation([0.0, 0.0, 1.0], 90.0);
        assert_eq!(turn.apply([1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]);
        assert_eq!(turn.apply([0.0, 0.0, 5.0]), [0.0, 0.0, 5.0]);
        let turn = Affine::rotation([1.0, 0.0, 0.0], -90.0);
        assert_eq!(turn.apply([0.0, 1.0, 0.0]), [0.0, 0.0, -1.0]);
        let turn = Affine::rotation([0.0, 1.0, 0.0], 90.0);
        assert_eq!(turn * turn * turn * turn, Affine::IDENTITY);
    }

    /// ALGORITHMS 1.1: `C + t + Rz Ry Rx S (p - C)`; x is turned first.
    #[test]
    fn parts_act_in_their_order_about_the_centre() {
        let centre = [10.0, 20.0, 30.0];
        let parts = Parts {
            angles_deg: [90.0, 0.0, 90.0],
            ..Parts::STILL
        };
        // about x: y goes to z; about z: x goes to y
        assert_eq!(
            parts.about(centre).apply([11.0, 22.0, 30.0]),
            [10.0, 21.0, 32.0]
        );
        let parts = Parts {
            scale: [2.0, 1.0, 1.0],
            shear: [0.5, 0.0, 0.0],
            translation: [100.0, 0.0, 0.0],
            ..parts
        };
        // (1, 2, 0) is scaled to (2, 2, 0), sheared to (3, 2, 0), turned to (0, 3, 2), moved
        assert_eq!(
            parts.about(centre).apply([11.0, 22.0, 30.0]),
            [110.0, 23.0, 32.0]
        );
        assert_eq!(Parts::STILL.about(centre), Affine::IDENTITY);
    }

    /// ALGORITHMS 1.1: nothing leaves an image of one slice, oblique or not.
    #[test]
    fn a_plane_stays_a_plane() {
        let parts = Parts {
            scale: [1.2, 0.8, 3.0],
            shear: [0.1, 0.7, -0.4],
            angles_deg: [20.0, -40.0, 30.0],
            translation: [5.0, -6.0, 70.0],
        };
        let centre = [3.0, 4.0, 5.0];
        let flat = parts.within(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], centre);
        let expected = Parts {
            scale: [1.2, 0.8, 1.0],
            shear: [0.1, 0.0, 0.0],
            angles_deg: [0.0, 0.0, 30.0],
            translation: [5.0, -6.0, 0.0],
        };
        assert_eq!(flat, expected.about(centre));
        let turn = Affine::rotation([0.6, 0.0, 0.8], 25.0);
        let sheared = [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0]].map(|v| turn.apply_vector(v));
        let normal = turn.apply_vector([0.0, 0.0, 1.0]);
        let map = parts.within(&sheared, centre);
        for direction in sheared {
            assert!(dot(map.apply_vector(direction), normal).abs() < 1e-15);
        }
        assert!(norm([0, 1, 2].map(|i| map.apply_vector(normal)[i] - normal[i])) < 1e-15);
        let moved = map.apply(centre);
        assert!(dot([0, 1, 2].map(|i| moved[i] - centre[i]), normal).abs() < 1e-14);
        // a line keeps its direction, a point its place
        let line = parts.within(&[[0.0, 1.0, 0.0]], centre);
        let moved = line.apply([3.0, 5.0, 5.0]);
        let expected = [3.0, 4.0 - 6.0 + 0.8, 5.0];
        assert!(norm([0, 1, 2].map(|i| moved[i] - expected[i])) < 1e-14);
        assert_eq!(parts.within(&[], centre), Affine::IDENTITY);
    }
}
