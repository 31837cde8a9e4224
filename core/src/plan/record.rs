//! Records: what a step did to a subject, enough to do it again or to undo it.

use serde::{Deserialize, Serialize};

use crate::geometry::Geometry;
use crate::world_map::WorldMap;

/// What one step did to a subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The id of the step.
    pub step: String,
    /// The name of its transform.
    #[serde(rename = "use")]
    pub name: String,
    /// What was drawn, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drawn: Vec<f64>,
    /// What happened to the world, from output to input, if anything did.
    #[serde(default, skip_serializing_if = "WorldMap::is_identity")]
    pub map: WorldMap,
    /// The volumes whose grid the step changed, with the grid before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grids_before: Vec<(String, Geometry)>,
    /// The volumes it wrote.
    pub volumes: Vec<String>,
}
