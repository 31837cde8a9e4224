//! `spatial.crop`: a box of voxels.

use voxprep_core::prelude::*;

/// Keeps a box of voxels of the reference volume, and what lies in it of the others.
///
/// # Notes
/// A volume on another grid keeps the voxels whose centres lie in the box. What is cut away does
/// not come back when a later step looks beyond the box.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Index of the first voxel that remains, along x, y, z.
    #[schemars(extend("x-unit" = "voxels"))]
    pub start: [u32; 3],
    /// Number of voxels that remain along x, y, z.
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[1, 2147483648]"))]
    pub size: [u32; 3],
}

impl Params for Crop {}

impl Spatial for Crop {
    fn is_index_exact(&self) -> bool {
        true
    }

    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        let full = input.geometry().size();
        for (i, axis) in ["x", "y", "z"].into_iter().enumerate() {
            let end = u64::from(self.start[i]) + u64::from(self.size[i]);
            if end > full[i] as u64 {
                return Err(Error::parameter(format!(
                    "voxels {} to {end} of {axis} are asked for, '{}' has {}",
                    self.start[i],
                    input.name(),
                    full[i]
                ))
                .field("size")
                .remedy("crop less"));
            }
        }
        Ok(Motion::window(
            self.start.map(i64::from),
            self.size.map(|n| n as usize),
        ))
    }
}

register!(Crop: Spatial, "spatial.crop", "start = [0, 0, 0]\nsize = [1, 1, 1]");

#[cfg(test)]
mod tests {
    use super::*;

    /// SPA-13: a full axis keeps all its voxels; the affine moves with the first voxel.
    #[test]
    fn the_first_voxel_that_remains_keeps_its_place() {
        let own = Geometry::aligned([64; 3], [1.0, 2.0, 3.0], [5.0; 3]).unwrap();
        let crop = Crop {
            start: [10, 0, 1],
            size: [32, 64, 32],
        };
        let motion = Motion::window(crop.start.map(i64::from), [32, 64, 32]);
        let new = crop.grid(&motion, &own, &own).unwrap();
        assert_eq!(new.size(), [32, 64, 32]);
        assert_eq!(new.origin(), [15.0, 5.0, 8.0]);
    }

    #[test]
    fn a_volume_on_another_grid_keeps_the_voxels_whose_centres_lie_in_the_box() {
        let reference = Geometry::aligned([10; 3], [1.0; 3], [0.0; 3]).unwrap();
        let coarse = Geometry::aligned([5; 3], [2.0; 3], [0.5; 3]).unwrap();
        // reference voxels 2..8 cover -0.5 + 2 .. 7.5 mm; coarse centres there: 2.5, 4.5, 6.5
        let motion = Motion::window([2; 3], [6; 3]);
        let crop = Crop {
            start: [2; 3],
            size: [6; 3],
        };
        let new = crop.grid(&motion, &coarse, &reference).unwrap();
        assert_eq!((new.size(), new.origin()), ([3; 3], [2.5; 3]));
    }
}
