//! `spatial.straighten`: an upright grid for slices that were measured with a tilted gantry.

use voxprep_core::kernels::affine::{Affine, cross, dot, norm};
use voxprep_core::prelude::*;

/// Axes whose cosine is smaller than this stand at right angles: 0.05 degrees, from which on a
/// gantry counts as tilted. Directions in headers are rounded.
const UPRIGHT: f64 = 8.7e-4;

/// Resamples volumes whose index axes are not at right angles onto a grid whose axes are.
///
/// # Notes
/// A gantry that was tilted makes slices that lie slanted on the table: DICOM gives each its place,
/// and the grid of such a series is sheared. Everything is already where it was measured; this step
/// only changes where it is sampled. The rows of the new grid are those of the old one and its
/// slices lie in the same planes, as far apart as before *along their normal*; it is as large as it
/// must be to hold every voxel, and what lies outside of the old grid is filled. Volumes that are upright
/// stay as they are.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Straighten {}

impl Params for Straighten {}

impl Spatial for Straighten {
    fn resolve(&self, _: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        Ok(Motion::still())
    }

    fn grid(&self, _: &Motion, own: &Geometry, _: &Geometry) -> Result<Geometry> {
        upright(own)
    }
}

/// The smallest upright grid with the rows and the planes of another that holds all its voxels.
fn upright(own: &Geometry) -> Result<Geometry> {
    let [x, y, z] = own.direction();
    let slanted = [dot(x, y), dot(x, z), dot(y, z)];
    if slanted.iter().all(|cosine| cosine.abs() < UPRIGHT) {
        return Ok(own.clone());
    }
    let unit = |v: [f64; 3]| v.map(|a| a / norm(v));
    let normal = unit(cross(x, y));
    // Left-handed grids stay left-handed.
    let normal = normal.map(|n| n * dot(normal, z).signum());
    let along = cross(normal, x);
    let along = along.map(|a| a * dot(along, y).signum());
    let axes = [x, unit(along), normal];
    let columns = [0, 1, 2].map(|axis| own.world_from_index().column(axis));
    // Of each old axis, what lies along the new one.
    let spacing = [0, 1, 2].map(|axis| dot(axes[axis], columns[axis]).abs());
    let mut low = [f64::INFINITY; 3];
    let mut high = [f64::NEG_INFINITY; 3];
    for corner in corners(own.size()) {
        let world = own.world_from_index().apply(corner);
        for axis in 0..3 {
            let at = dot(axes[axis], world);
            low[axis] = low[axis].min(at);
            high[axis] = high[axis].max(at);
        }
    }
    let extent = [0, 1, 2].map(|axis| (high[axis] - low[axis]) / spacing[axis]);
    // A whisker beyond a whole number is rounding, not another voxel.
    let size = extent.map(|voxels| (voxels - 1e-3).ceil().max(1.0) as usize);
    let origin = [0, 1, 2].map(|world| {
        let first = |axis: usize| (low[axis] + spacing[axis] / 2.0) * axes[axis][world];
        first(0) + first(1) + first(2)
    });
    let columns = [0, 1, 2].map(|axis| axes[axis].map(|a| a * spacing[axis]));
    Geometry::new(size, Affine::from_columns(columns, origin))
}

/// The corners of the outermost voxels, as indices.
fn corners(size: [usize; 3]) -> impl Iterator<Item = [f64; 3]> {
    (0..8).map(move |corner| {
        [0, 1, 2].map(|axis| match corner >> axis & 1 {
            0 => -0.5,
            _ => size[axis] as f64 - 0.5,
        })
    })
}

register!(Straighten: Spatial, "spatial.straighten", "");

#[cfg(test)]
mod tests {
    use super::*;

    /// Slices of 10 rows, 1 mm apart, that lie 20 degrees slanted, a slice every 3 mm of the table.
    fn tilted() -> Geometry {
        let (sine, cosine) = 20_f64.to_radians().sin_cos();
        let columns = [[1.0, 0.0, 0.0], [0.0, cosine, sine], [0.0, 0.0, 3.0]];
        Geometry::new([4, 10, 5], Affine::from_columns(columns, [7.0, 8.0, 9.0])).unwrap()
    }

    #[test]
    fn slices_stay_in_their_planes_and_the_field_of_view_grows() {
        let grid = upright(&tilted()).unwrap();
        let [x, y, z] = grid.spacing();
        assert!((x - 1.0).abs() < 1e-12 && (y - 1.0).abs() < 1e-12);
        assert!((z - 3.0 * 20_f64.to_radians().cos()).abs() < 1e-12);
        // Five slices, each 3 sin 20 = 1.026 mm further along the rows: 10 + 5.13 rows.
        assert_eq!(grid.size(), [4, 16, 5]);
        let [x, y, z] = grid.direction();
        for cosine in [dot(x, y), dot(x, z), dot(y, z)] {
            assert!(cosine.abs() < 1e-12);
        }
        // Every old voxel lies within the new grid, in one of its planes.
        for k in 0..5 {
            let world = tilted().world_from_index().apply([0.0, 3.0, f64::from(k)]);
            let at = grid.index_from_world().apply(world);
            assert!((at[2] - f64::from(k)).abs() < 1e-9, "{at:?}");
            assert!(at[1] > -0.5 && at[1] < 15.5);
        }
    }

    #[test]
    fn an_upright_grid_stays() {
        let own = Geometry::aligned([3, 4, 5], [1.0, 2.0, 3.0], [1.0; 3]).unwrap();
        assert_eq!(upright(&own).unwrap(), own);
    }
}
