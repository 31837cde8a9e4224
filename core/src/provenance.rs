//! Provenance: the sidecar that says how outputs were made, enough to make them again.
//!
//! It holds no times, no paths and no identifiers of a patient.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::pipeline::Pipeline;
use crate::plan::{Plan, RunOptions};
use crate::record::Record;
use crate::registry::Registry;
use crate::stream::hash_name;
use crate::subject::{Point, Subject};
use crate::volume::{Header, Volume};

/// The version of the sidecar format.
pub const VERSION: u32 = 1;

/// The version of this voxprep, as sidecars name it.
pub const VOXPREP: &str = env!("CARGO_PKG_VERSION");

/// How a set of outputs was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// The version of this format.
    pub sidecar: u32,
    /// The voxprep that made the outputs.
    pub voxprep: String,
    /// A hash of the subject's id. It keys the random draws
    /// ([`Subject::from_key`]), so that a renamed input gives the same bytes again.
    pub subject: String,
    /// The subject's id itself, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The pass over the data set.
    pub epoch: u64,
    /// Whether neighbouring steps ran as one.
    pub fuse: bool,
    /// The step or group after which the run stopped, where that was not the end of the pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The resolved pipeline: every parameter stated.
    pub pipeline: Value,
    /// BLAKE3 of the pipeline in canonical JSON.
    pub pipeline_hash: String,
    /// The inputs, in the order given.
    pub inputs: Vec<Artefact>,
    /// The points that went in and came out, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<Points>,
    /// What was done, with what was drawn.
    pub steps: Vec<Record>,
    /// What groups of steps drew, outer ones first; those that no draw reached are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupRecord>,
    /// The steps that the draws left out, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// What steps noticed.
    pub findings: Vec<Finding>,
    /// The outputs.
    pub outputs: Vec<Artefact>,
    /// How the outputs were written, where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
}

/// How outputs were written; the effort of compression is that of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Whether they are in a folder, with a report and points; otherwise there is one file.
    pub folder: bool,
    /// Their format, by its extension.
    pub format: String,
}

/// Points that went in, and what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Points {
    /// BLAKE3 of the points that went in: names and places, in order.
    pub input: String,
    /// BLAKE3 of those that came out.
    pub output: String,
}

impl Points {
    /// Describes points; `None` where there are none.
    pub fn new(input: &[Point], output: &[Point]) -> Option<Self> {
        (!input.is_empty() || !output.is_empty()).then(|| Self {
            input: hash_points(input),
            output: hash_points(output),
        })
    }
}

/// What a group of steps drew for a subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRecord {
    /// The id of the group, behind those of the groups around it.
    pub step: String,
    /// `group`, `one_of` or `some_of`.
    #[serde(rename = "use")]
    pub name: String,
    /// What was drawn: 1 or 0 for whether it runs; then for `one_of` a number in `[0, 1)`, for
    /// `some_of` by how much the count is above its lowest, and such a number for each step.
    pub drawn: Vec<f64>,
    /// The steps in it that were chosen; none where it does not run. Each may still be left out by
    /// its own probability.
    pub chosen: Vec<String>,
}

/// A volume that went in or came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artefact {
    /// Its name in the subject.
    pub name: String,
    /// The file it was written to, relative to the sidecar; `None` for inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// All that is known of it without its voxels.
    #[serde(flatten)]
    pub header: Header,
    /// BLAKE3 of type, channels, size, affine and voxels.
    pub blake3: String,
}

impl Artefact {
    /// Describes a volume.
    pub fn new(name: &str, volume: &Volume, file: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            file,
            header: volume.header().clone(),
            blake3: hash_volume(volume),
        }
    }
}

impl Sidecar {
    /// The sidecar of a run: `inputs` as they were read, `subject` as it came out.
    ///
    /// # Errors
    /// Where the pipeline cannot be written as JSON.
    pub fn new(
        plan: &Plan,
        options: &RunOptions<'_>,
        subject: &Subject,
        inputs: Vec<Artefact>,
        outputs: Vec<Artefact>,
    ) -> Result<Self> {
        let pipeline = serde_json::to_value(plan.pipeline())
            .map_err(|e| crate::error::Error::plugin(e.to_string()))?;
        let draw = plan.draw(hash_name(subject.key()), options.epoch);
        Ok(Self {
            sidecar: VERSION,
            voxprep: VOXPREP.to_owned(),
            subject: subject.key().to_owned(),
            id: None,
            epoch: options.epoch,
            fuse: options.fuse,
            until: plan.until().map(str::to_owned),
            pipeline_hash: hash_json(&pipeline),
            pipeline,
            inputs,
            points: None,
            steps: subject.history.clone(),
            groups: draw.groups,
            skipped: draw.skipped.into_iter().map(str::to_owned).collect(),
            findings: subject.findings.clone(),
            outputs,
            files: None,
        })
    }

    /// Reads a sidecar.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where it has another version than [`VERSION`], [`Error::Input`] where
    /// it is no sidecar.
    pub fn from_json(text: &str) -> Result<Self> {
        let unreadable = |reason: String| Error::input(format!("this is no sidecar: {reason}"));
        let value: Value = serde_json::from_str(text).map_err(|e| unreadable(e.to_string()))?;
        match value.get("sidecar") {
            Some(version) if version.as_u64() == Some(VERSION.into()) => {}
            Some(version) => {
                return Err(Error::unsupported(format!(
                    "this voxprep reads sidecars of version {VERSION}, not {version}"
                ))
                .remedy("use the voxprep that wrote it, which it names"));
            }
            None => return Err(unreadable("it has no `sidecar`, its version".to_owned())),
        }
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            unreadable(error.into_inner().to_string()).field(path)
        })
    }

    /// The plan that it records.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the pipeline is not the one that was hashed, or cannot be planned.
    pub fn plan(&self, registry: &Registry) -> Result<Plan> {
        if hash_json(&self.pipeline) != self.pipeline_hash {
            return Err(Error::parameter(
                "the pipeline is not the one that was run: its hash differs",
            )
            .field("pipeline")
            .remedy("the sidecar was changed; take the one that the run wrote"));
        }
        let plan = Plan::new(Pipeline::from_value(self.pipeline.clone())?, registry)?;
        match &self.until {
            Some(id) => plan.stopped_after(id),
            None => Ok(plan),
        }
    }

    /// The names of inputs that are not those that went in, by the hash of their content.
    pub fn changed<'a>(&'a self, inputs: &'a [Artefact]) -> impl Iterator<Item = &'a Artefact> {
        let recorded = |name: &str| self.inputs.iter().find(|old| old.name == name);
        let changed =
            move |new: &&Artefact| recorded(&new.name).is_none_or(|old| old.blake3 != new.blake3);
        inputs.iter().filter(changed)
    }
}

/// BLAKE3 of type, channels, size, affine and voxels of a volume, as hexadecimal.
///
/// The same for any file format that holds the same volume.
pub fn hash_volume(volume: &Volume) -> String {
    let mut hasher = blake3::Hasher::new();
    let voxels = volume.voxels();
    hasher.update(voxels.element_type().to_string().as_bytes());
    hasher.update(&(voxels.channels() as u64).to_le_bytes());
    for n in voxels.size() {
        hasher.update(&(n as u64).to_le_bytes());
    }
    for v in volume.geometry().world_from_index().rows().iter().flatten() {
        // -0 and 0 are one place in the world
        hasher.update(&(v + 0.0).to_le_bytes());
    }
    hasher.update_rayon(voxels.bytes());
    hasher.finalize().to_hex().to_string()
}

/// BLAKE3 of points, names and places in order, as hexadecimal.
fn hash_points(points: &[Point]) -> String {
    let mut hasher = blake3::Hasher::new();
    for point in points {
        hasher.update(&(point.name.len() as u64).to_le_bytes());
        hasher.update(point.name.as_bytes());
        for v in point.position {
            hasher.update(&(v + 0.0).to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// BLAKE3 of a value as canonical JSON: keys sorted, no white space.
pub fn hash_json(value: &Value) -> String {
    blake3::hash(canonical(value).to_string().as_bytes())
        .to_hex()
        .to_string()
}

fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, Value)> =
                map.iter().map(|(k, v)| (k, canonical(v))).collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(entries.into_iter().map(|(k, v)| (k.clone(), v)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}

/// What stands for a subject's id in a sidecar: 128 bits of a hash that only voxprep's sidecars
/// use. It hides the id from the eye, not from someone who guesses ids and compares: whoever needs
/// that gives subjects ids of their own.
pub fn pseudonym(id: &str) -> String {
    let key = blake3::derive_key("voxprep sidecar subject id", &[]);
    let hash = blake3::keyed_hash(&key, id.as_bytes()).to_hex();
    hash.get(..32).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_does_not_change_the_hash() {
        let a = json!({"b": 1, "a": [{"y": 1, "x": 2}]});
        let b = json!({"a": [{"x": 2, "y": 1}], "b": 1});
        assert_eq!(hash_json(&a), hash_json(&b));
        assert_ne!(hash_json(&a), hash_json(&json!({"a": 1})));
    }
}
