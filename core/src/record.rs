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
    /// The labels that became others in the label maps it wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(i64, i64)>,
    /// The volumes it wrote.
    pub volumes: Vec<Written>,
}

/// A volume that a step wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The volume it was made from; its own name where it was changed in place.
    pub from: String,
    /// Its name.
    pub to: String,
    /// The grid before, where the step changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid_before: Option<Geometry>,
}

impl Record {
    /// A record of a step that moved nothing.
    pub(crate) fn new(step: &str, name: &str, drawn: Vec<f64>) -> Self {
        Self {
            step: step.to_owned(),
            name: name.to_owned(),
            drawn,
            map: WorldMap::identity(),
            labels: Vec::new(),
            volumes: Vec::new(),
        }
    }
}
