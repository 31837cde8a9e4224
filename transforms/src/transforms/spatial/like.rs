//! `spatial.like`: the grid of another volume.

use voxprep_core::prelude::*;

/// Resamples volumes onto the grid of another volume of the subject.
///
/// # Notes
/// Everything keeps its place in the world. What the other volume's field of view does not cover is
/// lost; what it covers beyond a volume's own is filled.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Like {
    /// The name of the volume whose grid is taken.
    pub volume: String,
}

impl Params for Like {}

impl Spatial for Like {
    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        let grid = input
            .header_of(&self.volume)
            .map(|header| header.geometry.clone());
        let grid = grid.ok_or_else(|| {
            Error::parameter(format!("there is no volume '{}'", self.volume)).field("volume")
        })?;
        Ok(Motion {
            grid: Some(grid),
            ..Motion::still()
        })
    }
}

register!(Like: Spatial, "spatial.like", "volume = \"image\"");
