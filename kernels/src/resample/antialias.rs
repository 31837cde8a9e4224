//! How much a map shrinks each axis of the source, and the blur that such shrinking asks for.

use crate::Affine;
use crate::affine::norm;

/// How many source voxels, per source axis (x, y, z), one step of the output passes: the norms of
/// the rows of the linear part. Above 1 the axis shrinks.
pub fn shrink_factors(source_from_out: &Affine) -> [f64; 3] {
    let rows = source_from_out.linear().map(norm);
    let Some(out_from_source) = source_from_out.inverse() else {
        return rows;
    };
    [0, 1, 2].map(|axis| rows[axis].min(1.0 / norm(out_from_source.column(axis))))
}

/// The standard deviation, in source voxels per source axis (x, y, z), of the Gaussian that matches
/// the source to the coarser grid: `sqrt((k^2 - 1) / (8 ln 2))`, and 0 where the axis does not
/// shrink.
///
/// # Reference
///
/// Cardoso et al., Scale factor point spread function matching, MICCAI 2015: a voxel of width k has
/// a full width at half maximum of k, and variances add.
pub fn antialias_sigma(source_from_out: &Affine) -> [f64; 3] {
    shrink_factors(source_from_out).map(|k| {
        if k > 1.0 {
            ((k * k - 1.0) / (8.0 * std::f64::consts::LN_2)).sqrt()
        } else {
            0.0
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shrinking_axes_are_blurred() {
        let map = Affine::scaling([0.5, 1.0, -3.0]);
        assert_eq!(shrink_factors(&map), [0.5, 1.0, 3.0]);
        let [x, y, z] = antialias_sigma(&map);
        assert_eq!((x, y), (0.0, 0.0));
        assert!((z - 1.201_122_4).abs() < 1e-6);
    }

    /// Slices that are pushed along each other are no further apart, and their rows as close as before.
    #[test]
    fn a_shear_shrinks_nothing() {
        let shear = Affine::from_rows([
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 4.36, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ]);
        assert_eq!(antialias_sigma(&shear), [0.0; 3]);
        let [x, y, _] = shrink_factors(&shear);
        assert_eq!([x, y], [1.0, 1.0]);
        // Three times as far apart on a turned grid of unequal spacing, as without shear.
        let turned = Affine::scaling([1.0, 1.0, 0.2]);
        let (sine, cosine) = 30_f64.to_radians().sin_cos();
        let turn = Affine::from_rows([
            [3.0, 0.0, 0.0, 0.0],
            [0.0, 3.0 * cosine, -3.0 * sine, 0.0],
            [0.0, 3.0 * sine, 3.0 * cosine, 0.0],
        ]);
        let factors = shrink_factors(&(turned * turn));
        for (factor, expected) in factors.into_iter().zip([3.0, 3.0, 0.6]) {
            assert!((factor - expected).abs() < 1e-12, "{factors:?}");
        }
    }

    #[test]
    fn widths_belong_to_source_axes() {
        let swap = Affine::from_rows([
            [0.0, 2.0, 0.0, 0.0],
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ]);
        let [x, y, z] = antialias_sigma(&swap);
        assert!(x > 0.7 && y == 0.0 && z == 0.0);
    }
}
