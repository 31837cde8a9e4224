//! `pointwise.noun`: say in a few words what it does, and where the neighbouring thing is.

use voxprep_core::prelude::*;

/// Multiplies every value by a factor.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noun {
    /// What values are multiplied by. No unit.
    #[schemars(extend("x-bounds" = "(0, inf)"))]
    pub factor: Param,
}

// Reject here what types and `x-bounds` cannot, such as two fields that exclude each other.
impl Params for Noun {}

impl Pointwise for Noun {
    fn resolve(&self, _: &Input<'_>, rng: &mut Stream) -> Result<Curve> {
        Ok(Curve::linear(0.0, self.factor.draw(rng), 0.0))
    }
}

register!(Noun: Pointwise, "pointwise.noun", "factor = 2.0");

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::pipeline::Pipeline;
    use voxprep_core::plan::Plan;
    use voxprep_core::registry::Registry;
    use voxprep_core::subject::Subject;
    use voxprep_core::voxels::Voxels;

    #[test]
    fn a_factor_of_two_doubles_every_value() -> Result<()> {
        let grid = Geometry::aligned([3, 1, 1], [1.0; 3], [0.0; 3])?;
        let voxels = Voxels::new(1, grid.size(), vec![-1.0_f32, 0.0, 2.5].into())?;
        let subject = Subject::new("case").with("image", Volume::new(grid, voxels)?)?;

        let pipeline = "version = 1\n[[step]]\nuse = 'pointwise.noun'\nfactor = 2.0";
        let plan = Plan::new(Pipeline::from_toml(pipeline)?, &Registry::built_in()?)?;
        let result = plan.sample(subject, 0)?;

        let image = result.volume("image").unwrap().voxels();
        assert_eq!(image.values::<f32>(), Some([-2.0, 0.0, 5.0].as_slice()));
        Ok(())
    }
}
