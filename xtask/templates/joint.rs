//! `joint.noun`: say in a few words what it does, and where the neighbouring thing is.

use voxprep_core::prelude::*;

/// Copies every volume it is on under another name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noun {
    /// Appended to the name of a volume to name its copy.
    pub suffix: String,
}

impl Params for Noun {
    fn check(&self) -> Result<()> {
        if self.suffix.is_empty() {
            return Err(
                Error::parameter("is empty, so the copy has no name of its own")
                    .field("suffix")
                    .remedy("give a few letters"),
            );
        }
        Ok(())
    }
}

impl Joint for Noun {
    fn apply(&self, subject: &mut SubjectEdit<'_>, _: &mut Stream) -> Result<()> {
        for name in subject.targets().to_vec() {
            let Some(volume) = subject.subject().volume(&name).cloned() else {
                continue;
            };
            subject.add(&format!("{name}{}", self.suffix), volume)?;
        }
        Ok(())
    }
}

register!(Noun: Joint, "joint.noun", "suffix = \"_copy\"");

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::pipeline::Pipeline;
    use voxprep_core::plan::Plan;
    use voxprep_core::registry::Registry;
    use voxprep_core::subject::Subject;
    use voxprep_core::voxels::Voxels;

    fn run(pipeline: &str) -> Result<Subject> {
        let grid = Geometry::aligned([3, 1, 1], [1.0; 3], [0.0; 3])?;
        let voxels = Voxels::new(1, grid.size(), vec![-1_i16, 0, 2].into())?;
        let subject = Subject::new("case").with("image", Volume::new(grid, voxels)?)?;
        Plan::new(Pipeline::from_toml(pipeline)?, &Registry::built_in()?)?.sample(subject, 0)
    }

    #[test]
    fn the_copy_has_the_same_voxels() -> Result<()> {
        let result = run("version = 1\n[[step]]\nuse = 'joint.noun'\nsuffix = '_copy'")?;
        for name in ["image", "image_copy"] {
            let voxels = result.volume(name).unwrap().voxels();
            assert_eq!(voxels.values::<i16>(), Some([-1, 0, 2].as_slice()));
        }
        Ok(())
    }

    #[test]
    fn a_copy_without_a_name_is_refused() {
        let error = run("version = 1\n[[step]]\nuse = 'joint.noun'\nsuffix = ''").unwrap_err();
        assert!(error.to_string().contains("suffix"), "{error}");
    }
}
