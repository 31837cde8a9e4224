//! Provenance: the sidecar that says how outputs were made, enough to make them again.
//!
//! It holds no times, no paths and no identifiers of a patient.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::finding::Finding;
use crate::plan::{Plan, RunOptions};
use crate::record::Record;
use crate::subject::Subject;
use crate::volume::{Header, Volume};

/// The version of the sidecar format.
pub const VERSION: u32 = 1;

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
    /// The resolved pipeline: every parameter stated.
    pub pipeline: Value,
    /// BLAKE3 of the pipeline in canonical JSON.
    pub pipeline_hash: String,
    /// The inputs, in the order given.
    pub inputs: Vec<Artefact>,
    /// What was done, with what was drawn.
    pub steps: Vec<Record>,
    /// What steps noticed.
    pub findings: Vec<Finding>,
    /// The outputs.
    pub outputs: Vec<Artefact>,
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
        Ok(Self {
            sidecar: VERSION,
            voxprep: env!("CARGO_PKG_VERSION").to_owned(),
            subject: subject.key().to_owned(),
            id: None,
            epoch: options.epoch,
            fuse: options.fuse,
            pipeline_hash: hash_json(&pipeline),
            pipeline,
            inputs,
            steps: subject.history.clone(),
            findings: subject.findings.clone(),
            outputs,
        })
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
