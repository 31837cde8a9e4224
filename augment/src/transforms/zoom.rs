//! `augment.zoom`: the subject made larger or smaller.

use voxprep_core::prelude::*;

/// Magnifies the subject about the centre of the reference volume; every volume keeps its grid.
///
/// # Notes
/// A factor above 1 makes things larger, below 1 smaller, alike in all directions of the world.
/// What grows out of the field of view is lost, what shrinks into it is filled around.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zoom {
    /// The magnification, without unit. Default uniform in 0.7 to 1.2.
    #[serde(default = "moderate")]
    #[schemars(extend("x-bounds" = "(0, 100]"))]
    pub factor: Param,
}

fn moderate() -> Param {
    Param::uniform(0.7, 1.2)
}

impl Params for Zoom {}

impl Spatial for Zoom {
    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Motion> {
        let factor = self.factor.draw(rng);
        let larger = Affine::scaling([factor; 3]).about(input.geometry().centre());
        Ok(Motion::map(WorldMap::affine(larger)?))
    }
}

register!(Zoom: Spatial, "augment.zoom", "factor = { uniform = [0.7, 1.2] }");

#[cfg(test)]
mod tests {
    use super::*;

    /// B-04: about the centre, and a factor above 1 magnifies.
    #[test]
    fn a_point_moves_away_from_the_centre_by_the_factor() {
        let larger = Affine::scaling([1.5; 3]).about([10.0, 10.0, 10.0]);
        assert_eq!(larger.apply([10.0, 10.0, 10.0]), [10.0, 10.0, 10.0]);
        assert_eq!(larger.apply([12.0, 10.0, 8.0]), [13.0, 10.0, 7.0]);
    }
}
