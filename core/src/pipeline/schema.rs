//! The JSON Schema of the pipeline file, with every transform of a registry: editors complete and
//! check from it what is written.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{FORMS, Form, InputSection, OutputSection, Sampling, VERSION};
use crate::error::{Error, Result};
use crate::registry::{Entry, Registry};
use crate::schema::{Interval, nearest};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The JSON Schema (draft 2020-12) of a pipeline file whose steps are transforms of this registry.
///
/// What it accepts may still be refused: parameters that exclude each other, names of volumes, and
/// ids used twice are checked when the pipeline is planned.
pub fn schema(registry: &Registry) -> Value {
    let steps = json!({
        "type": "array",
        "description": "What is done, in order: transforms, and groups of them.",
        "items": { "allOf": [{ "$ref": "#/$defs/step" }, { "not": { "required": ["weight"] } }] },
    });
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "$schema": DIALECT,
        "title": "voxprep pipeline",
        "description": "What voxprep does with the volumes of a subject, step by step.",
        "type": "object",
        "required": ["version"],
        "additionalProperties": false,
        "properties": {
            "$schema": text("The schema of this file, for editors."),
            "version": {
                "const": VERSION,
                "description": "The version of the pipeline file.",
            },
            "include": {
                "type": "string",
                "minLength": 1,
                "description": "The pipeline that this one builds on: a path from the folder of this file, or the name of a preset. Its steps come first; its sections hold where this file says nothing else.",
            },
            "seed": {
                "type": "integer",
                "minimum": 0,
                "default": 0,
                "description": "Keys all random draws, without unit.",
            },
            "input": section::<InputSection>(),
            "sampling": section::<Sampling>(),
            "step": steps,
            "output": section::<OutputSection>(),
        },
        "$defs": definitions(registry),
    })
}

/// The JSON Schema of one step, a transform or a group.
///
/// # Errors
/// [`Error::Parameter`] with the most similar name where there is none of that name.
pub fn step_schema(registry: &Registry, name: &str) -> Result<Value> {
    if FORMS.iter().any(|form| form.name == name) {
        return Ok(json!({
            "$schema": DIALECT,
            "$ref": format!("#/$defs/{name}"),
            "$defs": definitions(registry),
        }));
    }
    let entry = registry.get(name).map_err(|error| {
        let names = registry.iter().map(|entry| entry.name.as_str());
        match nearest(name, names.chain(FORMS.iter().map(|form| form.name))) {
            Some(near) => error.remedy(format!("did you mean '{near}'?")),
            None => error,
        }
    })?;
    let mut schema = json!({ "$schema": DIALECT });
    let step = of_transform(entry);
    match (&mut schema, step) {
        (Value::Object(schema), Value::Object(step)) => schema.extend(step),
        _ => return Err(Error::plugin("its schema is no object").in_transform(name)),
    }
    Ok(schema)
}

/// Every step by its name, and `step`, which is any of them.
fn definitions(registry: &Registry) -> Value {
    let mut all = Map::new();
    let names = registry.iter().map(|entry| entry.name.as_str());
    let names = names.chain(FORMS.iter().map(|form| form.name));
    let refs = names.map(|name| json!({ "$ref": format!("#/$defs/{name}") }));
    all.insert(
        "step".to_owned(),
        json!({ "anyOf": refs.collect::<Vec<_>>() }),
    );
    for entry in registry.iter() {
        all.insert(entry.name.clone(), of_transform(entry));
    }
    for form in &FORMS {
        all.insert(form.name.to_owned(), of_group(form));
    }
    all.into()
}

fn section<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = bounded(schema.to_value());
    if let Value::Object(fields) = &mut schema {
        fields.remove("title");
    }
    schema
}

/// The keys that a step of any kind may have.
fn common(name: &str) -> Map<String, Value> {
    let Value::Object(keys) = json!({
        "use": { "const": name, "description": "What the step is." },
        "id": {
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._#-]*$",
            "description": "Names the step in all that is said of it, and keys its draws. Default: the name, then name#2.",
        },
        "on": {
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "uniqueItems": true,
            "description": "The volumes it acts on. Default: those that the group around it names, else all that its kind applies to.",
        },
        "p": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 1,
            "description": "The probability with which it runs.",
        },
        "weight": {
            "type": "number",
            "minimum": 0,
            "default": 1,
            "description": "How often it is drawn, relative to the others: only in one_of and some_of.",
        },
    }) else {
        return Map::new();
    };
    keys
}

fn of_transform(entry: &Entry) -> Value {
    let mut properties = common(&entry.name);
    if entry.kind != "joint" {
        let description = "A new volume that takes the result; the source stays.";
        let to = json!({ "type": "string", "minLength": 1, "description": description });
        properties.insert("as".to_owned(), to);
    }
    let mut required = vec![json!("use")];
    if let Some(own) = entry.schema.get("properties").and_then(Value::as_object) {
        let own = own
            .iter()
            .map(|(name, field)| (name.clone(), bounded(field.clone())));
        properties.extend(own);
    }
    if let Some(own) = entry.schema.get("required").and_then(Value::as_array) {
        required.extend(own.iter().cloned());
    }
    json!({
        "title": entry.name,
        "description": entry.description(),
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn of_group(form: &Form) -> Value {
    let mut properties = common(form.name);
    let weighted = form.name != "group";
    let member = json!({ "$ref": "#/$defs/step" });
    let member = if weighted {
        member
    } else {
        json!({ "allOf": [member, { "not": { "required": ["weight"] } }] })
    };
    let mut required = vec!["use", "step"];
    if form.name == "some_of" {
        let whole = |least: u32| json!({ "type": "integer", "minimum": least });
        let ends = json!({ "type": "array", "items": whole(0), "minItems": 2, "maxItems": 2 });
        let drawn = json!({
            "type": "object",
            "required": ["uniform"],
            "additionalProperties": false,
            "properties": { "uniform": ends },
        });
        let count = json!({ "anyOf": [whole(1), drawn] });
        properties.insert("count".to_owned(), count);
        required.push("count");
    }
    let steps = json!({ "type": "array", "minItems": 1, "items": member });
    properties.insert("step".to_owned(), steps);
    for [key, _, meaning] in form.keys {
        if let Some(Value::Object(field)) = properties.get_mut(*key) {
            field.insert("description".to_owned(), (*meaning).into());
        }
    }
    json!({
        "title": form.name,
        "description": form.summary,
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

/// A schema whose `x-bounds` are also said in the words of JSON Schema.
fn bounded(mut schema: Value) -> Value {
    if let Some(bounds) = schema.get("x-bounds").and_then(Value::as_str)
        && let Some(interval) = Interval::parse(bounds)
    {
        limit(&mut schema, &interval);
    }
    match schema {
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, field)| (name, bounded(field)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.into_iter().map(bounded).collect(),
        other => other,
    }
}

/// Limits the numbers of a schema, those in lists and those that may be drawn. Of a mean and a
/// standard deviation no bound can be said.
fn limit(schema: &mut Value, interval: &Interval) {
    let Value::Object(fields) = schema else {
        return;
    };
    let is_number = |kind: &Value| matches!(kind.as_str(), Some("number" | "integer"));
    let numeric = match fields.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is_number),
        Some(kind) => is_number(kind),
        None => false,
    };
    if numeric {
        // What the type says of itself, such as `minimum: 0`, is never narrower.
        for key in ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"] {
            fields.remove(key);
        }
        let ((low, low_included), (high, high_included)) = interval.limits();
        let keys = [
            (low, low_included, "minimum", "exclusiveMinimum"),
            (high, high_included, "maximum", "exclusiveMaximum"),
        ];
        for (end, included, inclusive, exclusive) in keys {
            if end.is_finite() {
                let key = if included { inclusive } else { exclusive };
                let whole = end.fract() == 0.0 && end.abs() < 1e15;
                let end = if whole { json!(end as i64) } else { json!(end) };
                fields.insert(key.to_owned(), end);
            }
        }
    }
    for (name, field) in fields.iter_mut() {
        match (name.as_str(), field) {
            ("items", field) => limit(field, interval),
            ("anyOf" | "oneOf", Value::Array(forms)) => {
                forms.iter_mut().for_each(|form| limit(form, interval));
            }
            ("properties", Value::Object(forms)) => {
                let drawn = forms.iter_mut().filter(|(name, _)| *name != "normal");
                drawn.for_each(|(_, form)| limit(form, interval));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_said_in_the_words_of_json_schema() {
        let pair = json!({ "type": "array", "items": { "type": "number" } });
        let param = json!({ "x-bounds": "(0, 100]", "anyOf": [
            { "type": "number" },
            { "type": "object", "properties": { "uniform": pair } },
            { "type": "object", "properties": { "normal": pair } },
            { "type": "null" },
        ]});
        let limited = bounded(param);
        let number = json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 100 });
        assert_eq!(limited["anyOf"][0], number);
        assert_eq!(
            limited["anyOf"][1]["properties"]["uniform"]["items"],
            number
        );
        assert_eq!(limited["anyOf"][2]["properties"]["normal"], pair);
        let half = json!({ "x-bounds": "[0.5, inf)", "type": ["integer", "null"], "minimum": 0 });
        let limited = bounded(half);
        assert_eq!(limited["minimum"], 0.5);
        assert!(limited.get("maximum").is_none());
    }

    #[test]
    fn a_pipeline_without_transforms_has_a_schema_too() {
        let schema = schema(&Registry::empty());
        assert_eq!(schema["properties"]["version"]["const"], 1);
        let fill = &schema["properties"]["sampling"]["properties"]["fill"];
        assert_eq!(fill["anyOf"][1]["enum"], json!(["auto", "min", "edge"]));
        let steps = &schema["$defs"]["step"]["anyOf"];
        assert_eq!(steps.as_array().unwrap().len(), 3);
        let error = step_schema(&Registry::empty(), "a.b").unwrap_err();
        assert!(error.to_string().contains("no transform 'a.b'"));
    }
}
