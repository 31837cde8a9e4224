//! `subject.drop`: without the named volumes.

use voxprep_core::prelude::*;

/// Drops the named volumes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drop {
    /// The names of the volumes that go.
    pub volumes: Vec<String>,
}

impl Params for Drop {
    fn check(&self) -> Result<()> {
        if self.volumes.is_empty() {
            return Err(Error::parameter("names no volume").field("volumes"));
        }
        Ok(())
    }
}

impl Joint for Drop {
    fn apply(&self, subject: &mut SubjectEdit<'_>, _: &mut Stream) -> Result<()> {
        self.volumes
            .iter()
            .try_for_each(|name| subject.drop(name).map(|_| ()))
    }
}

register!(Drop: Joint, "subject.drop", "volumes = [\"lungs\"]");
