//! Rows of points by their coordinates, on their way through maps.

use super::inside::coordinate;
use crate::Affine;
use crate::simd::dispatched;

/// The coordinates x, y, z of the points of a row.
pub(super) type Points = [Vec<f64>; 3];

dispatched! {
    /// Places a point at every voxel of row `y` of slice `z`.
    pub(super) fn start[](y: f64, z: f64, points: &mut Points) {
        let [xs, ys, zs] = points;
        for (j, x) in xs.iter_mut().enumerate() {
            *x = f64::from(j as i32);
        }
        ys.fill(y);
        zs.fill(z);
    }
}

dispatched! {
    /// Moves points by an affine map.
    pub(super) fn apply[](map: &Affine, points: &mut Points) {
        let rows = *map.rows();
        let [xs, ys, zs] = points;
        for ((x, y), z) in xs.iter_mut().zip(ys).zip(zs) {
            let (a, b) = (coordinate(&rows[0], *x, *y, *z), coordinate(&rows[1], *x, *y, *z));
            *z = coordinate(&rows[2], *x, *y, *z);
            (*x, *y) = (a, b);
        }
    }
}
