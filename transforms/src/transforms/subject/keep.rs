//! `subject.keep`: only the named volumes.

use voxprep_core::prelude::*;

/// Drops all volumes but the named ones.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// The names of the volumes that stay.
    pub volumes: Vec<String>,
}

impl Params for Keep {
    fn check(&self) -> Result<()> {
        if self.volumes.is_empty() {
            return Err(Error::parameter("names no volume: nothing would be left").field("volumes"));
        }
        Ok(())
    }
}

impl Joint for Keep {
    fn apply(&self, subject: &mut SubjectEdit<'_>, _: &mut Stream) -> Result<()> {
        let present: Vec<String> = subject.subject().names().map(str::to_owned).collect();
        if let Some(missing) = self.volumes.iter().find(|name| !present.contains(name)) {
            return Err(Error::parameter(format!("there is no volume '{missing}'"))
                .field("volumes")
                .remedy(format!("the subject has: {}", present.join(", "))));
        }
        for name in present.iter().filter(|name| !self.volumes.contains(name)) {
            subject.drop(name)?;
        }
        Ok(())
    }
}

register!(Keep: Joint, "subject.keep", "volumes = [\"image\"]");
