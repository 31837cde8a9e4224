//! The pipeline file: TOML or JSON, version 1.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::schema;
use crate::volume::Modality;

/// The version of the pipeline file that this crate reads.
pub const VERSION: u64 = 1;

/// A pipeline as its file says it, not yet checked against a registry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pipeline {
    /// Always [`VERSION`].
    pub version: u64,
    /// Keys all random draws.
    pub seed: u64,
    /// What the input files cannot say.
    pub input: InputSection,
    /// How volumes are resampled.
    pub sampling: Sampling,
    /// What is done, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
    /// What is written.
    pub output: OutputSection,
}

/// `[input]`: what files cannot say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputSection {
    /// The kind of scan; `CT` alone makes the unit HU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modality: Option<Modality>,
    /// The volume whose grid and centre the spatial steps refer to; the first image otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// `[sampling]`: how volumes are resampled, by role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Interpolation of measured values.
    pub intensity: Interpolation,
    /// Interpolation of label maps.
    pub label: LabelInterpolation,
    /// What measured values become outside the field of view, in the input's unit.
    pub fill: Fill,
    /// Whether images are smoothed before an axis shrinks (Cardoso et al. 2015).
    pub antialias: Antialias,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            intensity: Interpolation::Linear,
            label: LabelInterpolation::Nearest,
            fill: Fill::Auto,
            antialias: Antialias::Auto,
        }
    }
}

/// Interpolation of measured values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Interpolation {
    /// The nearest voxel.
    Nearest,
    /// Linear along each axis.
    Linear,
    /// Cubic B-spline through the voxels.
    Cubic,
}

/// Interpolation of label maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LabelInterpolation {
    /// The label of the nearest voxel.
    Nearest,
}

/// Whether images are smoothed before an axis shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Antialias {
    /// Along every axis that shrinks by 2 or more.
    Auto,
    /// Along every axis that shrinks.
    On,
    /// Never.
    Off,
}

/// What measured values become outside the field of view.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Fill {
    /// HU -1000, MRI 0, otherwise the input's minimum.
    Auto,
    /// The input's minimum.
    Min,
    /// The nearest voxel of the input.
    Edge,
    /// This value.
    #[serde(untagged)]
    Value(f64),
}

impl<'de> Deserialize<'de> for Fill {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match (value.as_str(), value.as_f64()) {
            (Some("auto"), _) => Ok(Self::Auto),
            (Some("min"), _) => Ok(Self::Min),
            (Some("edge"), _) => Ok(Self::Edge),
            (_, Some(number)) if number.is_finite() => Ok(Self::Value(number)),
            _ => Err(serde::de::Error::custom(format!(
                "{value} is no fill; give a number, \"min\", \"edge\" or \"auto\""
            ))),
        }
    }
}

impl JsonSchema for Fill {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fill".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "number" }, { "enum": ["auto", "min", "edge"] }]
        })
    }
}

/// `[output]`: what is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputSection {
    /// The volumes to write; all otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<String>>,
}

/// `[[step]]`: one transform, with its common keys taken off its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The name of the transform.
    pub name: String,
    /// The unique id; by default the name, then `name#2`.
    pub id: String,
    /// The volumes it acts on; by default every one its kind and role apply to.
    pub on: Option<Vec<String>>,
    /// The name of a new volume that takes the result; the source stays.
    pub to: Option<String>,
    /// The probability with which it runs.
    pub p: f64,
    /// The parameters.
    pub params: Map<String, Value>,
}

impl Serialize for Step {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Map::new();
        fields.insert("use".into(), self.name.clone().into());
        fields.insert("id".into(), self.id.clone().into());
        if let Some(on) = &self.on {
            fields.insert("on".into(), on.clone().into());
        }
        if let Some(to) = &self.to {
            fields.insert("as".into(), to.clone().into());
        }
        if self.p < 1.0 {
            fields.insert("p".into(), self.p.into());
        }
        fields.extend(self.params.clone());
        fields.serialize(serializer)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: u64,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    input: InputSection,
    #[serde(default)]
    sampling: Sampling,
    #[serde(default)]
    step: Vec<Map<String, Value>>,
    #[serde(default)]
    output: OutputSection,
}

const SECTIONS: [&str; 6] = ["version", "seed", "input", "sampling", "step", "output"];

impl Pipeline {
    /// Reads a pipeline from TOML.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming line or field.
    pub fn from_toml(text: &str) -> Result<Self> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| {
                let before = text.get(..span.start).unwrap_or(text);
                format!("line {}", before.matches('\n').count() + 1)
            });
            let reason = Error::parameter(error.message().to_owned());
            match line {
                Some(line) => reason.field(line),
                None => reason,
            }
        })?;
        let table = toml::Value::Table(table);
        check_finite(&table, "")?;
        Self::from_value(serde_json::to_value(table).map_err(|e| Error::parameter(e.to_string()))?)
    }

    /// Reads a pipeline from JSON.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming line or field.
    pub fn from_json(text: &str) -> Result<Self> {
        let value = serde_json::from_str(text).map_err(|e| Error::parameter(e.to_string()))?;
        Self::from_value(value)
    }

    /// Reads a pipeline from a value.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the field.
    pub fn from_value(value: Value) -> Result<Self> {
        check_version(&value)?;
        if let Some(fields) = value.as_object() {
            for name in fields.keys() {
                if !SECTIONS.contains(&name.as_str()) {
                    return Err(unknown_key(name, &SECTIONS).field(name.clone()));
                }
            }
        }
        let file: File = serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            Error::parameter(error.into_inner().to_string()).field(path)
        })?;
        let mut steps: Vec<Step> = Vec::with_capacity(file.step.len());
        for (position, fields) in file.step.into_iter().enumerate() {
            let step = Step::from_fields(fields, position, &steps)?;
            steps.push(step);
        }
        Ok(Self {
            version: VERSION,
            seed: file.seed,
            input: file.input,
            sampling: file.sampling,
            steps,
            output: file.output,
        })
    }
}

/// JSON has no NaN and no infinity: they would silently become "not given".
fn check_finite(value: &toml::Value, path: &str) -> Result<()> {
    match value {
        toml::Value::Float(v) if !v.is_finite() => {
            Err(Error::parameter(format!("must be finite, got {v}")).field(path))
        }
        toml::Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(i, item)| check_finite(item, &format!("{path}[{i}]"))),
        toml::Value::Table(fields) => fields.iter().try_for_each(|(name, field)| {
            let dot = if path.is_empty() { "" } else { "." };
            check_finite(field, &format!("{path}{dot}{name}"))
        }),
        _ => Ok(()),
    }
}

fn check_version(value: &Value) -> Result<()> {
    match value.get("version") {
        Some(version) if version.as_u64() == Some(VERSION) => Ok(()),
        Some(version) => Err(Error::parameter(format!(
            "this voxprep reads pipelines of version {VERSION}, not {version}"
        ))
        .field("version")
        .remedy("upgrade voxprep, or write the pipeline for version 1")),
        None => Err(Error::parameter("is missing")
            .field("version")
            .remedy("begin the file with `version = 1`")),
    }
}

fn unknown_key(name: &str, known: &[&str]) -> Error {
    let error = Error::parameter("there is no such key");
    match schema::nearest(name, known.iter().copied()) {
        Some(near) => error.remedy(format!("did you mean '{near}'?")),
        None => error.remedy(format!("there are: {}", known.join(", "))),
    }
}

impl Step {
    /// Takes the common keys off the fields of a `[[step]]`; the rest are parameters.
    fn from_fields(
        mut fields: Map<String, Value>,
        position: usize,
        before: &[Self],
    ) -> Result<Self> {
        let place = format!("step {}", position + 1);
        let name: String = take(&mut fields, "use")
            .map_err(|e| e.field(place.clone()))?
            .ok_or_else(|| {
                Error::parameter("has no `use`")
                    .field(place.clone())
                    .remedy("name a transform: use = \"ct.clip\"")
            })?;
        let within = |error: Error| error.field(place.clone()).in_transform(&name);
        let given: Option<String> = take(&mut fields, "id").map_err(within)?;
        let taken = |id: &str| before.iter().any(|step| step.id == id);
        let id = match given {
            Some(id) if taken(&id) => {
                return Err(within(
                    Error::parameter(format!("the id '{id}' is used twice"))
                        .remedy("give every step its own id"),
                ));
            }
            Some(id) if !is_id(&id) => {
                return Err(within(
                    Error::parameter(format!("'{id}' is no id"))
                        .remedy("use letters, digits, '-', '_', '.' and '#'"),
                ));
            }
            Some(id) => id,
            None => (1..)
                .map(|n| {
                    if n == 1 {
                        name.clone()
                    } else {
                        format!("{name}#{n}")
                    }
                })
                .find(|id| !taken(id))
                .unwrap_or_else(|| name.clone()),
        };
        let in_step = |error: Error| error.in_step(&id, &name);
        let p: f64 = take(&mut fields, "p").map_err(in_step)?.unwrap_or(1.0);
        let on = take(&mut fields, "on").map_err(|error| {
            in_step(error).remedy("give a list of names, e.g. on = [\"image\"]")
        })?;
        let to = take(&mut fields, "as").map_err(in_step)?;
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::parameter(format!("must be in [0, 1], got {p}"))
                .field("p")
                .in_step(&id, &name));
        }
        Ok(Self {
            on,
            to,
            p,
            id,
            name,
            params: fields,
        })
    }
}

/// Ids name files and key random streams: nothing in them may mean something else there.
fn is_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.#".contains(c);
    id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.chars().all(allowed)
}

fn take<T: serde::de::DeserializeOwned>(
    fields: &mut Map<String, Value>,
    key: &str,
) -> Result<Option<T>> {
    // shift_remove keeps the order of the remaining fields.
    let Some(value) = fields.shift_remove(key) else {
        return Ok(None);
    };
    serde_json::from_value(value)
        .map(Some)
        .map_err(|error| Error::parameter(error.to_string()).field(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Pipeline::from_toml(text).unwrap_err().to_string()
    }

    #[test]
    fn ids_are_names_and_then_numbered_names() {
        let text = "version = 1\n[[step]]\nuse = \"a.b\"\n[[step]]\nuse = \"a.b\"\nlow = 1\n\
                    [[step]]\nuse = \"a.b\"\nid = \"c\"";
        let pipeline = Pipeline::from_toml(text).unwrap();
        let ids: Vec<&str> = pipeline.steps.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(ids, ["a.b", "a.b#2", "c"]);
        assert_eq!(pipeline.steps[1].params["low"], 1);
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let text = "version = 1\nseed = 7\n[input]\nmodality = \"CT\"\n[sampling]\nfill = -3.5\n\
                    [[step]]\nuse = \"a.b\"\np = 0.5\non = [\"x\"]\nas = \"y\"\nk = [1, 2]\n\
                    [output]\nvolumes = [\"y\"]";
        let pipeline = Pipeline::from_toml(text).unwrap();
        let json = serde_json::to_value(&pipeline).unwrap();
        assert_eq!(Pipeline::from_value(json).unwrap(), pipeline);
    }

    #[test]
    fn a_pipeline_of_another_version_is_refused() {
        assert!(error("version = 2").contains("reads pipelines of version 1, not 2"));
        assert!(error("seed = 2").contains("version: is missing"));
    }

    #[test]
    fn wrong_keys_and_values_are_named() {
        assert!(error("version = 1\nsampel = 1").contains("did you mean 'sampling'"));
        assert!(error("version = 1\n[sampling]\nfill = \"zero\"").contains("sampling.fill"));
        assert!(error("version = 1\n[input]\nmodality = \"XX\"").contains("input.modality"));
        assert!(error("version = 1\n[[step]]\nlow = 1").contains("step 1: has no `use`"));
        assert!(error("version = 1\n[[step]]\nuse = \"a\"\np = 2").contains("[0, 1]"));
        assert!(error("version = 1\n= 3").contains("line 2"));
        let nan = "version = 1\n[[step]]\nuse = \"a\"\nlow = [0, nan]";
        assert!(
            error(nan).contains("step[0].low[1]: must be finite"),
            "{}",
            error(nan)
        );
        for id in ["", "../x", "a/b", "a=b", ".a"] {
            let text = format!("version = 1\n[[step]]\nuse = \"a\"\nid = \"{id}\"");
            assert!(error(&text).contains("is no id"), "{id}");
        }
        let twice =
            "version = 1\n[[step]]\nuse = \"a\"\nid = \"i\"\n[[step]]\nuse = \"b\"\nid = \"i\"";
        assert!(error(twice).contains("used twice"));
    }
}
