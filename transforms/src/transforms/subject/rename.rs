//! `subject.rename`: other names for volumes.

use voxprep_core::prelude::*;

/// Gives volumes other names.
///
/// # Notes
/// The names change one after the other, in the order of the old names. The reference volume stays
/// the reference under its new name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The new name of each volume, by its old name.
    pub names: BTreeMap<String, String>,
}

impl Params for Rename {
    fn check(&self) -> Result<()> {
        if self.names.is_empty() {
            return Err(Error::parameter("names no volume").field("names"));
        }
        Ok(())
    }
}

impl Joint for Rename {
    fn apply(&self, subject: &mut SubjectEdit<'_>, _: &mut Stream) -> Result<()> {
        self.names
            .iter()
            .try_for_each(|(from, to)| subject.rename(from, to))
    }
}

register!(Rename: Joint, "subject.rename", "names = { lungs = \"mask\" }");
