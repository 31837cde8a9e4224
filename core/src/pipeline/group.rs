//! Groups of steps: all of them, one of them, some of them. What a group draws is in `plan/draw.rs`.

use serde_json::{Map, Value, json};

use super::{Scope, Step, take, unknown_key};
use crate::error::{Error, Result};
use crate::schema;

/// How deep groups may stand in groups.
pub const MAX_DEPTH: usize = 16;

/// The steps of a group, and which of them run.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Which of them run.
    pub choice: Choice,
    /// The steps, in the order in which they run.
    pub steps: Vec<Step>,
}

/// Which steps of a group run, where the group runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// `group`: all.
    All,
    /// `one_of`: one, by weight.
    One,
    /// `some_of`: so many different ones, by weight.
    Several(Count),
}

/// How many steps a `some_of` runs: every whole number from `low` to `high` alike, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The smallest number.
    pub low: u32,
    /// The largest number.
    pub high: u32,
}

/// A name of a group, as lists and descriptions show it.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// What stands after `use`.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Its keys besides `use` and `id`: name, what it takes, meaning.
    pub keys: &'static [[&'static str; 3]],
    /// A step of a pipeline, as TOML.
    pub example: &'static str,
}

const P: [&str; 3] = [
    "p",
    "number; in [0, 1]; default 1",
    "The probability with which the group runs.",
];
const ON: [&str; 3] = [
    "on",
    "[string, ...]",
    "The volumes that its steps act on, where a step does not say so itself.",
];
const STEPS: [&str; 3] = [
    "step",
    "steps; required",
    "What it holds, as [[step.step]]: transforms and groups.",
];
const WEIGHT: [&str; 3] = [
    "step.weight",
    "number; in [0, inf); default 1",
    "A key of a step in it: how often it is drawn, relative to the others; its own p is drawn after.",
];

/// The three kinds of group, sorted by name.
pub const FORMS: [Form; 3] = [
    Form {
        name: "group",
        summary: "Runs all its steps in order, or none of them.",
        keys: &[P, ON, STEPS],
        example: "[[step]]\nuse = \"group\"\np = 0.8\n\
                  [[step.step]]\nuse = \"spatial.flip\"\naxes = [\"x\"]\np = 0.5\n\
                  [[step.step]]\nuse = \"filter.gaussian\"\nsigma_mm = { uniform = [0, 1] }",
    },
    Form {
        name: "one_of",
        summary: "Runs one of its steps, drawn by weight.",
        keys: &[P, ON, STEPS, WEIGHT],
        example: "[[step]]\nuse = \"one_of\"\np = 0.8\n\
                  [[step.step]]\nuse = \"filter.gaussian\"\nsigma_mm = 1\nweight = 2\n\
                  [[step.step]]\nuse = \"spatial.flip\"\naxes = [\"x\"]",
    },
    Form {
        name: "some_of",
        summary: "Runs some of its steps, different ones drawn by weight, in the order of the file.",
        keys: &[
            [
                "count",
                "whole number, fixed or { uniform = [low, high] }; required",
                "How many: at least 1 and at most all; drawn, every number from low to high alike, both included.",
            ],
            P,
            ON,
            STEPS,
            WEIGHT,
        ],
        example: "[[step]]\nuse = \"some_of\"\ncount = { uniform = [1, 2] }\n\
                  [[step.step]]\nuse = \"filter.gaussian\"\nsigma_mm = 1\n\
                  [[step.step]]\nuse = \"spatial.flip\"\naxes = [\"x\"]\n\
                  [[step.step]]\nuse = \"spatial.flip\"\naxes = [\"y\"]",
    },
];

impl Choice {
    /// What stands after `use`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::All => "group",
            Self::One => "one_of",
            Self::Several(_) => "some_of",
        }
    }

    /// Whether the weights of the steps count.
    pub fn is_weighted(&self) -> bool {
        !matches!(self, Self::All)
    }
}

/// Whether a name after `use` is that of a group.
pub(super) fn is_group(name: &str) -> bool {
    FORMS.iter().any(|form| form.name == name)
}

/// Refuses what only a group may have, in the step of a transform.
pub(super) fn check_transform(name: &str, fields: &Map<String, Value>) -> Result<()> {
    if !fields.contains_key("step") {
        return Ok(());
    }
    let names = FORMS.iter().map(|form| form.name);
    let error = Error::parameter("only group, one_of and some_of hold steps").field("step");
    Err(match schema::nearest(name, names) {
        Some(near) => error.remedy(format!("did you mean '{near}'?")),
        None => error.remedy("write [[step]] for a step that follows this one"),
    })
}

impl Group {
    /// Reads what is left of a group's fields when the common keys are off. `in_step` names the
    /// group in its own errors; those of the steps in it name these.
    pub(super) fn from_fields(
        name: &str,
        fields: Map<String, Value>,
        scope: &Scope<'_>,
        in_step: impl Fn(Error) -> Error,
    ) -> Result<Self> {
        let (choice, members) = read(name, fields, scope.depth).map_err(&in_step)?;
        let steps = Scope {
            weighted: choice.is_weighted(),
            ..*scope
        }
        .read(members)?;
        let group = Self { choice, steps };
        group.check().map_err(in_step)?;
        Ok(group)
    }

    /// Refuses weights that nothing can be drawn by.
    fn check(&self) -> Result<()> {
        let weights = || self.steps.iter().map(|step| step.weight);
        let sum: f64 = weights().sum();
        if self.choice.is_weighted() && !(sum > 0.0 && sum.is_finite()) {
            return Err(Error::parameter(format!(
                "the weights of its steps have the sum {sum}, and nothing can be drawn"
            ))
            .field("weight")
            .remedy("give them weights with a finite sum above 0"));
        }
        if let Choice::Several(Count { high, .. }) = self.choice {
            let able = weights().filter(|&weight| weight > 0.0).count();
            if high as usize > able {
                return Err(Error::parameter(format!(
                    "asks for {high} different steps, and {able} can be drawn"
                ))
                .field("count")
                .remedy("ask for fewer, or add steps with a weight above 0"));
            }
        }
        Ok(())
    }

    /// Adds the fields of a group to those of its step.
    pub(super) fn write(&self, fields: &mut Map<String, Value>) -> serde_json::Result<()> {
        if let Choice::Several(Count { low, high }) = self.choice {
            let count = if low == high {
                json!(low)
            } else {
                json!({ "uniform": [low, high] })
            };
            fields.insert("count".into(), count);
        }
        fields.insert("step".into(), serde_json::to_value(&self.steps)?);
        Ok(())
    }
}

/// What a group chooses, and the fields of each step in it.
fn read(
    name: &str,
    mut fields: Map<String, Value>,
    depth: usize,
) -> Result<(Choice, Vec<Map<String, Value>>)> {
    if depth > MAX_DEPTH {
        return Err(
            Error::parameter(format!("groups nest deeper than {MAX_DEPTH} levels"))
                .remedy("take levels out"),
        );
    }
    let choice = match name {
        "group" => Choice::All,
        "one_of" => Choice::One,
        _ => Choice::Several(count(fields.shift_remove("count"))?),
    };
    let members = members(fields.shift_remove("step"))?;
    let Some(key) = fields.keys().next() else {
        return Ok((choice, members));
    };
    let form = FORMS.iter().find(|form| form.name == name);
    let own = form.map_or(&[][..], |form| form.keys);
    let own = own.iter().map(|[key, ..]| *key);
    let mut known: Vec<&str> = own.filter(|key| !key.contains('.')).collect();
    known.extend(["use", "id"]);
    Err(unknown_key(key, &known).field(key.clone()))
}

/// The fields of each step of a group.
fn members(given: Option<Value>) -> Result<Vec<Map<String, Value>>> {
    let error = |reason: &str| {
        let error = Error::parameter(reason).field("step");
        error.remedy("write [[step.step]] before each step in it")
    };
    let steps = match given {
        None => return Err(error("holds no steps")),
        Some(Value::Array(steps)) if steps.is_empty() => return Err(error("holds no steps")),
        Some(Value::Array(steps)) => steps,
        Some(_) => return Err(error("must be a list of steps")),
    };
    let table = |step| match step {
        Value::Object(fields) => Ok(fields),
        other => Err(error(&format!("must be a list of steps, got {other}"))),
    };
    steps.into_iter().map(table).collect()
}

/// How many steps a `some_of` runs.
fn count(given: Option<Value>) -> Result<Count> {
    const FORMS: &str = "a whole number from 1, or { uniform = [low, high] } with low below high";
    let Some(given) = given else {
        return Err(Error::parameter("is missing")
            .field("count")
            .remedy(format!("say how many steps run: {FORMS}")));
    };
    let whole = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
    let ends = given.as_object().filter(|fields| fields.len() == 1);
    let ends = ends.and_then(|fields| fields.get("uniform")?.as_array());
    let count = match (whole(&given), ends.map(Vec::as_slice)) {
        (Some(n), _) if n >= 1 => Some((n, n)),
        (None, Some([low, high])) => whole(low).zip(whole(high)).filter(|(low, high)| low < high),
        _ => None,
    };
    match count {
        Some((low, high)) => Ok(Count { low, high }),
        None => Err(Error::parameter(format!("must be {FORMS}; got {given}")).field("count")),
    }
}

/// Takes the weight off the fields of a step; it has one only where weights count.
pub(super) fn weight(fields: &mut Map<String, Value>, scope: &Scope<'_>) -> Result<f64> {
    let Some(weight) = take::<f64>(fields, "weight")? else {
        return Ok(1.0);
    };
    if !scope.weighted {
        let error = Error::parameter("only the steps of one_of and some_of have weights");
        return Err(error.field("weight").remedy("leave it out, or give p"));
    }
    if weight >= 0.0 && weight.is_finite() {
        Ok(weight)
    } else {
        Err(Error::parameter(format!("must be in [0, inf), got {weight}")).field("weight"))
    }
}
