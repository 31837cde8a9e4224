//! `augment.rotate`: the subject turned about its centre.

use voxprep_core::prelude::*;

/// Turns the subject about the centre of the reference volume; every volume keeps its grid.
///
/// # Notes
/// The turn is right-handed about the direction of the axis, in millimetres of the world, so that
/// anisotropic voxels do not distort it. What turns out of the field of view is lost, what turns
/// into it is filled.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// The angle; positive turns x towards y about z, y towards z about x, z towards x about y
    /// (the other way round where the axes of the grid are left-handed).
    #[schemars(extend("x-unit" = "degrees", "x-bounds" = "(-360, 360)"))]
    pub angle_deg: Param,
    /// The index axis of the reference volume to turn about. Default "random".
    #[serde(default)]
    pub axis: Axis,
}

/// An index axis of the reference volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// The fastest axis.
    X,
    /// The middle axis.
    Y,
    /// The slowest axis.
    Z,
    /// One of the three, each alike; for an image of one slice, the axis across it.
    #[default]
    Random,
}

impl Params for Rotate {}

impl Spatial for Rotate {
    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Motion> {
        let angle = self.angle_deg.draw(rng);
        let grid = input.geometry();
        let axis = match self.axis {
            Axis::X => 0,
            Axis::Y => 1,
            Axis::Z => 2,
            Axis::Random => {
                let drawn = rng.below(3) as usize;
                let flat: Vec<usize> = (0..3).filter(|&i| grid.size()[i] == 1).collect();
                if let [across] = flat[..] {
                    across
                } else {
                    drawn
                }
            }
        };
        let turn = Affine::rotation(grid.direction()[axis], angle).about(grid.centre());
        Ok(Motion::map(WorldMap::affine(turn)?))
    }
}

register!(Rotate: Spatial, "augment.rotate", "angle_deg = { uniform = [-10, 10] }\naxis = \"z\"");

#[cfg(test)]
mod tests {
    use super::*;

    /// SPA-07: four quarter turns are the identity, exactly.
    #[test]
    fn quarter_turns_are_exact() {
        let turn = Affine::rotation([0.0, 1.0, 0.0], 90.0);
        assert_eq!(turn * turn * turn * turn, Affine::IDENTITY);
    }
}
