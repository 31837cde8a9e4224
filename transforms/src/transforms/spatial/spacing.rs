//! `spatial.spacing`: the same field of view with voxels of another size.

use voxprep_core::prelude::*;

/// Resamples every volume to voxels of the given size, over its own field of view.
///
/// # Notes
/// The new size is `max(1, round_half_even(n s / s'))` along each axis. The spacing is exactly the
/// one given and the low corner stays, so that up to half a new voxel may lie beyond the far edge,
/// where the edge is repeated. Each volume keeps its own field of view.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spacing {
    /// Distance between neighbouring voxels along x, y, z.
    #[schemars(extend("x-unit" = "mm", "x-bounds" = "(0, inf)"))]
    pub spacing_mm: [f64; 3],
}

impl Params for Spacing {}

impl Spatial for Spacing {
    fn resolve(&self, _: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        Ok(Motion::still())
    }

    fn grid(&self, _: &Motion, own: &Geometry, _: &Geometry) -> Result<Geometry> {
        own.with_spacing(self.spacing_mm)
            .map_err(|error| error.field("spacing_mm"))
    }
}

register!(Spacing: Spatial, "spatial.spacing", "spacing_mm = [1.0, 1.0, 1.0]");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_volume_keeps_its_own_field_of_view() {
        let spacing = Spacing {
            spacing_mm: [1.0, 1.0, 1.0],
        };
        let ct = Geometry::aligned([10, 20, 8], [0.5, 1.0, 2.5], [0.0; 3]).unwrap();
        let pet = Geometry::aligned([4, 4, 4], [5.0; 3], [-50.0; 3]).unwrap();
        let grid = |own| spacing.grid(&Motion::still(), own, &ct).unwrap();
        assert_eq!(grid(&ct).size(), [5, 20, 20]);
        assert_eq!(grid(&pet).size(), [20; 3]);
    }
}
