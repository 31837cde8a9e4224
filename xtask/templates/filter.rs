//! `filter.noun`: say in a few words what it does, and where the neighbouring thing is.

use voxprep_core::dispatch;
use voxprep_core::kernels::Element;
use voxprep_core::prelude::*;

/// Takes the largest value of each voxel and those near it along x.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noun {
    /// How many voxels on either side count, where there are so many.
    pub radius: usize,
}

// Reject here what types and `x-bounds` cannot, such as two fields that exclude each other.
impl Params for Noun {}

impl Filter for Noun {
    fn halo(&self, _: &Input<'_>) -> Halo {
        Halo::Voxels([self.radius, 0, 0])
    }

    // The arithmetic of a real one is a kernel in `kernels/`; here it only asks for the buffers.
    fn apply(&self, input: &Input<'_>, _: &mut Stream, out: &mut Out) -> Result<()> {
        let header = input.header();
        let (channels, size) = (header.channels.len(), header.geometry.size());
        let VoxelsViewMut::F32(mut result) = out.voxels(ElementType::F32, channels, size)? else {
            unreachable!("f32 was asked for");
        };
        dispatch!(VoxelsView, input.voxels()?, voxels => {
            for (from, mut to) in voxels.rows().into_iter().zip(result.rows_mut()) {
                for x in 0..from.len() {
                    let near = x.saturating_sub(self.radius)..(x + self.radius + 1).min(from.len());
                    let values = near.map(|x| from[x].to_f64() as f32);
                    to[x] = values.fold(f32::NEG_INFINITY, f32::max);
                }
            }
        });
        Ok(())
    }
}

register!(Noun: Filter, "filter.noun", "radius = 1");

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::pipeline::Pipeline;
    use voxprep_core::plan::Plan;
    use voxprep_core::registry::Registry;
    use voxprep_core::subject::Subject;
    use voxprep_core::voxels::Voxels;

    #[test]
    fn a_peak_spreads_to_its_neighbours_and_not_across_rows() -> Result<()> {
        let grid = Geometry::aligned([4, 2, 1], [1.0; 3], [0.0; 3])?;
        let voxels = vec![0_i16, 0, 0, 7, 1, 2, 3, 0];
        let voxels = Voxels::new(1, grid.size(), voxels.into())?;
        let subject = Subject::new("case").with("image", Volume::new(grid, voxels)?)?;

        let pipeline = "version = 1\n[[step]]\nuse = 'filter.noun'\nradius = 1";
        let plan = Plan::new(Pipeline::from_toml(pipeline)?, &Registry::built_in()?)?;
        let result = plan.sample(subject, 0)?;

        let image = result.volume("image").unwrap().voxels();
        let expected = [0.0, 0.0, 7.0, 7.0, 2.0, 3.0, 3.0, 3.0];
        assert_eq!(image.values::<f32>(), Some(expected.as_slice()));
        Ok(())
    }
}
