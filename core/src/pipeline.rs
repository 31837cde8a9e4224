//! The pipeline file: TOML or JSON, version 1. Groups of steps are in `pipeline/group.rs`, files
//! that build on others in `pipeline/include.rs`, changes of single fields in `pipeline/set.rs`,
//! the JSON Schema of the file in `pipeline/schema.rs`.

mod group;
mod include;
mod schema;
mod set;

pub use group::{Choice, Count, FORMS, Form, Group, MAX_DEPTH};
pub use include::{FileError, Loaded, MAX_INCLUDES, Reader};
pub use schema::{schema, step_schema};

use std::collections::{HashMap, HashSet};
use std::{panic, thread};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::registry::wrong_value;
use crate::schema::nearest;
use crate::volume::Modality;
use crate::voxels::ElementType;

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

/// `[output]`: what is written, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputSection {
    /// The volumes to write; all otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<String>>,
    /// The format of the files in a folder, by their extension; a file that the command line names
    /// has the one of its name.
    pub format: String,
    /// Effort of compression where the format compresses, without unit: 0 stores, 1 is fast, 9 is
    /// small.
    #[schemars(extend("x-bounds" = "[0, 9]"))]
    pub level: u32,
    /// The type that images are written as, integers rounded half to even and saturated; their own
    /// otherwise. Label maps keep theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<ElementType>,
}

impl Default for OutputSection {
    fn default() -> Self {
        Self {
            volumes: None,
            format: "nii.gz".to_owned(),
            level: 1,
            dtype: None,
        }
    }
}

impl OutputSection {
    fn check(&self) -> Result<()> {
        if self.level > 9 {
            return Err(
                Error::parameter(format!("must be in [0, 9], got {}", self.level))
                    .field("output.level"),
            );
        }
        Ok(())
    }
}

/// `[[step]]`: one transform, with its common keys taken off its parameters; or a group of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The name of the transform, or of the kind of group.
    pub name: String,
    /// The id, unique beside its neighbours; by default the name, then `name#2`. With the ids of
    /// the groups around it before it, `group/rotate`, it is unique in the pipeline.
    pub id: String,
    /// The volumes it acts on; by default those that the group around it names, else every one
    /// its kind and role apply to.
    pub on: Option<Vec<String>>,
    /// The name of a new volume that takes the result; the source stays.
    pub to: Option<String>,
    /// The probability with which it runs.
    pub p: f64,
    /// How often it is drawn among the steps of a `one_of` or `some_of`; 1 anywhere else.
    pub weight: f64,
    /// The parameters; none for a group.
    pub params: Map<String, Value>,
    /// The steps in it, where it is a group.
    pub group: Option<Group>,
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
        if self.weight != 1.0 {
            fields.insert("weight".into(), self.weight.into());
        }
        fields.extend(self.params.clone());
        if let Some(group) = &self.group {
            group
                .write(&mut fields)
                .map_err(serde::ser::Error::custom)?;
        }
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

const SECTIONS: [&str; 7] = [
    "version", "include", "seed", "input", "sampling", "step", "output",
];

impl Pipeline {
    /// Reads a pipeline from TOML.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming line or field.
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::from_value(toml_value(text)?)
    }

    /// Reads a pipeline from JSON.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming line or field.
    pub fn from_json(text: &str) -> Result<Self> {
        Self::from_value(json_value(text)?)
    }

    /// Reads a pipeline from a value. The schema that it names, as `$schema`, does not count.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the field.
    pub fn from_value(mut value: Value) -> Result<Self> {
        check_depth(&value, |value| match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(fields) => fields.values().collect(),
            _ => Vec::new(),
        })?;
        check_version(&value)?;
        if let Some(fields) = value.as_object_mut() {
            fields.shift_remove("$schema");
            if fields.contains_key("include") {
                return Err(
                    Error::parameter("only a pipeline in a file includes others")
                        .field("include")
                        .remedy("read the file itself"),
                );
            }
            for name in fields.keys() {
                if !SECTIONS.contains(&name.as_str()) {
                    return Err(unknown_key(name, &SECTIONS).field(name.clone()));
                }
            }
        }
        let file: File = serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            wrong_value(&error.into_inner().to_string()).field(path)
        })?;
        file.output.check()?;
        let outermost = Scope {
            place: "",
            path: "",
            depth: 0,
            weighted: false,
        };
        Ok(Self {
            version: VERSION,
            seed: file.seed,
            input: file.input,
            sampling: file.sampling,
            steps: outermost.read(file.step)?,
            output: file.output,
        })
    }
}

/// The text of a TOML file as a value.
fn toml_value(text: &str) -> Result<Value> {
    let read = || {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| {
                let before = text.get(..span.start).unwrap_or(text);
                format!("line {}", before.matches('\n').count() + 1)
            });
            let reason = unreadable(error.message());
            match line {
                Some(line) => reason.field(line),
                None => reason,
            }
        })?;
        let table = toml::Value::Table(table);
        check_toml_depth(&table)?;
        Ok(table)
    };
    let table = on_a_large_stack(read)?;
    check_finite(&table, "")?;
    serde_json::to_value(table).map_err(|e| Error::parameter(e.to_string()))
}

/// Reads TOML, of whatever depth.
fn on_a_large_stack<T: Send>(read: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(TOML_STACK);
        match reader.spawn_scoped(scope, read).map(|reader| reader.join()) {
            Ok(Ok(read)) => read,
            Ok(Err(panic)) => panic::resume_unwind(panic),
            Err(error) => Err(Error::limit(format!(
                "cannot start a thread that reads the pipeline: {error}"
            ))),
        }
    })
}

fn check_toml_depth(value: &toml::Value) -> Result<()> {
    check_depth(value, |value| match value {
        toml::Value::Array(items) => items.iter().collect(),
        toml::Value::Table(fields) => fields.values().collect(),
        _ => Vec::new(),
    })
}

/// Bytes of address space. What reads TOML calls itself for every level; its limit of 80 levels
/// holds for brackets and for the parts of a key, so that there may be 6400, too many for the usual
/// 2 MiB. What is kept has at most [`MAX_LEVELS`].
const TOML_STACK: usize = 64 << 20;

/// The text of a JSON file as a value.
fn json_value(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| unreadable(&e.to_string()))
}

/// The deepest that tables and lists may nest, groups included: what reads them calls itself.
const MAX_LEVELS: usize = 128;

fn check_depth<V>(value: &V, inner: impl Fn(&V) -> Vec<&V>) -> Result<()> {
    let mut level = vec![value];
    for _ in 0..MAX_LEVELS {
        level = level.into_iter().flat_map(&inner).collect();
        if level.is_empty() {
            return Ok(());
        }
    }
    Err(unreadable("recursion limit"))
}

/// The error of a text that is no TOML or JSON, in the words of what reads it.
fn unreadable(message: &str) -> Error {
    if message.contains("recursion limit") || message.contains("recursion depth") {
        return Error::parameter(format!("tables and lists nest too deeply ({message})"))
            .remedy(format!("groups may nest {MAX_DEPTH} levels deep"));
    }
    Error::parameter(message)
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
    match nearest(name, known.iter().copied()) {
        Some(near) => error.remedy(format!("did you mean '{near}'?")),
        None => error.remedy(format!("there are: {}", known.join(", "))),
    }
}

/// What is around the steps of one list: nothing, or the group that holds them.
#[derive(Clone, Copy)]
struct Scope<'a> {
    /// The number of the group in the file, `3.2`; empty outermost.
    place: &'a str,
    /// The ids of the groups around, `group/inner`; empty outermost.
    path: &'a str,
    /// How many groups are around.
    depth: usize,
    /// Whether the steps are drawn by weight.
    weighted: bool,
}

impl Scope<'_> {
    fn read(&self, steps: Vec<Map<String, Value>>) -> Result<Vec<Step>> {
        let mut ids = Ids::default();
        let each = steps.into_iter().enumerate();
        each.map(|(position, fields)| Step::from_fields(fields, position, self, &mut ids))
            .collect()
    }
}

/// Puts something behind what is around it, as in a path.
pub(crate) fn join(around: &str, separator: &str, inner: &str) -> String {
    if around.is_empty() {
        inner.to_owned()
    } else {
        format!("{around}{separator}{inner}")
    }
}

/// The ids of the steps of one list.
#[derive(Default)]
struct Ids {
    taken: HashSet<String>,
    /// The number from which on to look for a free one, for each name.
    next: HashMap<String, usize>,
}

impl Ids {
    /// The first of `name`, `name#2`, `name#3` that is free.
    fn by_default(&mut self, name: &str) -> String {
        let next = self.next.entry(name.to_owned()).or_insert(1);
        loop {
            let id = match *next {
                1 => name.to_owned(),
                n => format!("{name}#{n}"),
            };
            *next += 1;
            if !self.taken.contains(&id) {
                return id;
            }
        }
    }
}

impl Step {
    /// Takes the common keys off the fields of a `[[step]]`; the rest are parameters.
    fn from_fields(
        mut fields: Map<String, Value>,
        position: usize,
        scope: &Scope<'_>,
        ids: &mut Ids,
    ) -> Result<Self> {
        let number = join(scope.place, ".", &(position + 1).to_string());
        let place = format!("step {number}");
        let name: String = take(&mut fields, "use")
            .map_err(|e| e.field(place.clone()))?
            .ok_or_else(|| {
                Error::parameter("has no `use`")
                    .field(place.clone())
                    .remedy("name a transform: use = \"ct.clip\"")
            })?;
        let within = |error: Error| error.field(place.clone()).in_transform(&name);
        let given: Option<String> = take(&mut fields, "id").map_err(within)?;
        let id = match given {
            Some(id) if ids.taken.contains(&id) => {
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
            None => ids.by_default(&name),
        };
        ids.taken.insert(id.clone());
        let path = join(scope.path, "/", &id);
        let in_step = |error: Error| error.in_step(&path, &name);
        let p: f64 = take(&mut fields, "p").map_err(in_step)?.unwrap_or(1.0);
        let on = take(&mut fields, "on").map_err(|error| {
            in_step(error).remedy("give a list of names, e.g. on = [\"image\"]")
        })?;
        let to: Option<String> = take(&mut fields, "as").map_err(in_step)?;
        if !(0.0..=1.0).contains(&p) {
            return Err(in_step(
                Error::parameter(format!("must be in [0, 1], got {p}")).field("p"),
            ));
        }
        let weight = group::weight(&mut fields, scope).map_err(in_step)?;
        let mut group = None;
        if group::is_group(&name) {
            if to.is_some() {
                return Err(in_step(
                    Error::parameter("a group has no single result")
                        .field("as")
                        .remedy("give `as` to a step in it"),
                ));
            }
            let inside = Scope {
                place: &number,
                path: &path,
                depth: scope.depth + 1,
                weighted: false,
            };
            let fields = std::mem::take(&mut fields);
            group = Some(Group::from_fields(&name, fields, &inside, in_step)?);
        } else {
            group::check_transform(&name, &fields).map_err(in_step)?;
            let of_the_file = ["version", "seed", "include"];
            if let Some(key) = of_the_file
                .into_iter()
                .find(|key| fields.contains_key(*key))
            {
                return Err(in_step(
                    Error::parameter("belongs to the pipeline, not to a step")
                        .field(key)
                        .remedy("write it at the top of the file, before the first [section]"),
                ));
            }
        }
        Ok(Self {
            on,
            to,
            p,
            weight,
            id,
            name,
            params: fields,
            group,
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
        .map_err(|error| wrong_value(&error.to_string()).field(key))
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
        let late = error("version = 1\n[[step]]\nuse = \"a.b\"\nseed = 3");
        assert!(late.contains("seed: belongs to the pipeline"), "{late}");
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

    const NESTED: &str = "version = 1\n[[step]]\nuse = \"one_of\"\np = 0.5\non = [\"x\"]\n\
        [[step.step]]\nuse = \"a.b\"\nweight = 2\n[[step.step]]\nuse = \"a.b\"\nlow = 1\n\
        [[step.step]]\nuse = \"some_of\"\nid = \"few\"\ncount = { uniform = [1, 2] }\n\
        [[step.step.step]]\nuse = \"a.b\"\n[[step.step.step]]\nuse = \"c.d\"\nweight = 0.5\n\
        [[step]]\nuse = \"a.b\"";

    #[test]
    fn a_group_holds_steps_whose_ids_are_counted_anew() {
        let pipeline = Pipeline::from_toml(NESTED).unwrap();
        let [one_of, last] = &pipeline.steps[..] else {
            panic!("{:?}", pipeline.steps);
        };
        assert_eq!((one_of.id.as_str(), one_of.p), ("one_of", 0.5));
        let group = one_of.group.as_ref().unwrap();
        assert_eq!(group.choice, Choice::One);
        let ids: Vec<_> = group
            .steps
            .iter()
            .map(|s| (s.id.as_str(), s.weight))
            .collect();
        assert_eq!(ids, [("a.b", 2.0), ("a.b#2", 1.0), ("few", 1.0)]);
        let few = group.steps[2].group.as_ref().unwrap();
        assert_eq!(few.choice, Choice::Several(Count { low: 1, high: 2 }));
        let ids: Vec<_> = few
            .steps
            .iter()
            .map(|s| (s.id.as_str(), s.weight))
            .collect();
        assert_eq!(ids, [("a.b", 1.0), ("c.d", 0.5)]);
        assert_eq!((last.id.as_str(), &last.group), ("a.b", &None));
    }

    /// Ids of thousands of steps of one name are found without looking at all pairs of them.
    #[test]
    fn a_pipeline_may_be_long() {
        let steps = "[[step]]\nuse = \"a\"\n".repeat(20_000);
        let pipeline = Pipeline::from_toml(&format!("version = 1\n{steps}")).unwrap();
        assert_eq!(pipeline.steps.last().unwrap().id, "a#20000");
    }

    use proptest::prelude::*;

    fn key_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (-1e9..1e9_f64).prop_map(Value::from),
            "[ -~äµ]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec(("[a-z]{1,5}", inner), 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// A step as a file may state it, without its id.
    fn any_step(depth: u32) -> BoxedStrategy<Map<String, Value>> {
        let probability = prop::option::of(0.0..=1.0_f64);
        let on = prop::option::of(prop::collection::vec("[a-z]{1,3}", 1..3));
        let transform = (
            "[a-z]{1,3}\\.[a-z]{1,3}",
            prop::option::of("[a-z]{1,3}"),
            prop::collection::vec(("x[a-z]{1,4}", key_value()), 0..3),
        );
        let transform = transform.prop_map(|(name, to, params)| {
            let mut fields: Map<String, Value> = params.into_iter().collect();
            fields.insert("use".into(), name.into());
            fields.extend(to.map(|to| ("as".to_owned(), to.into())));
            fields
        });
        let step = if depth == 0 {
            transform.boxed()
        } else {
            let group = (
                0..3_usize,
                prop::collection::vec((any_step(depth - 1), 0.5..4.0_f64), 1..4),
                any::<bool>(),
            );
            let group = group.prop_map(|(form, members, fixed)| {
                let most = members.len();
                let steps = members.into_iter().map(|(mut fields, weight)| {
                    if form > 0 && weight > 1.0 {
                        fields.insert("weight".into(), weight.into());
                    }
                    Value::Object(fields)
                });
                let mut fields = Map::new();
                fields.insert("step".into(), steps.collect());
                fields.insert("use".into(), FORMS[form].name.into());
                if form == 2 {
                    let count = if fixed {
                        most.into()
                    } else {
                        serde_json::json!({ "uniform": [0, most] })
                    };
                    fields.insert("count".into(), count);
                }
                fields
            });
            prop_oneof![2 => transform, 1 => group].boxed()
        };
        (step, probability, on)
            .prop_map(|(mut fields, p, on)| {
                fields.extend(p.map(|p| ("p".to_owned(), p.into())));
                fields.extend(on.map(|on| ("on".to_owned(), on.into())));
                fields
            })
            .boxed()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_pipeline_reads_back_equal_from_json_and_toml(
            steps in prop::collection::vec(any_step(3), 0..4),
            seed in 0..=i64::MAX as u64,
        ) {
            let value = serde_json::json!({ "version": 1, "seed": seed, "step": steps });
            let pipeline = Pipeline::from_value(value).unwrap();
            let json = serde_json::to_string(&pipeline).unwrap();
            prop_assert_eq!(&Pipeline::from_json(&json).unwrap(), &pipeline);
            let toml = toml::to_string(&pipeline).unwrap();
            prop_assert_eq!(&Pipeline::from_toml(&toml).unwrap(), &pipeline, "{}", toml);
        }
    }
}
