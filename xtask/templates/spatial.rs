//! `spatial.noun`: say in a few words what it does, and where the neighbouring thing is.

use voxprep_core::prelude::*;

/// Moves the content of a volume along its first axis of the world.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noun {
    /// How far the content moves towards the patient's left, mm; below 0 it moves to the right.
    pub shift_mm: Param,
}

// Reject here what types and `x-bounds` cannot, such as two fields that exclude each other.
impl Params for Noun {}

impl Spatial for Noun {
    // Every volume keeps its own grid. A step that makes another one overrides `grid`, too.
    fn resolve(&self, _: &Input<'_>, rng: &mut Stream) -> Result<Motion> {
        let out_from_in = Affine::translation([self.shift_mm.draw(rng), 0.0, 0.0]);
        Ok(Motion::map(WorldMap::affine(out_from_in)?))
    }
}

register!(Noun: Spatial, "spatial.noun", "shift_mm = { uniform = [-10, 10] }");

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::pipeline::Pipeline;
    use voxprep_core::plan::Plan;
    use voxprep_core::registry::Registry;
    use voxprep_core::subject::Subject;
    use voxprep_core::voxels::Voxels;

    #[test]
    fn a_shift_of_one_voxel_moves_the_content_and_fills_with_the_minimum() -> Result<()> {
        let grid = Geometry::aligned([4, 1, 1], [2.0, 1.0, 1.0], [0.0; 3])?;
        let voxels = Voxels::new(1, grid.size(), vec![5.0_f32, 1.0, 2.0, 3.0].into())?;
        let subject = Subject::new("case").with("image", Volume::new(grid, voxels)?)?;

        let pipeline = "version = 1\n[[step]]\nuse = 'spatial.noun'\nshift_mm = 2.0";
        let plan = Plan::new(Pipeline::from_toml(pipeline)?, &Registry::built_in()?)?;
        let result = plan.sample(subject, 0)?;

        let image = result.volume("image").unwrap().voxels();
        assert_eq!(image.values::<f32>(), Some([1.0, 5.0, 1.0, 2.0].as_slice()));
        Ok(())
    }
}
