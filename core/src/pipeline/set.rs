//! Changing single fields of a pipeline, and finding its steps by their ids.

use serde_json::{Map, Value};

use super::{Pipeline, Step, join};
use crate::error::{Error, Result};
use crate::schema::nearest;

/// The sections whose keys can be set.
const SETTABLE: [&str; 3] = ["input", "sampling", "output"];

impl Pipeline {
    /// The same pipeline with one field changed: `ct.window.level=-500`, `one_of/rotate.p=1`,
    /// `sampling.fill=0`, `seed=3`.
    ///
    /// A step is named by its id, behind those of the groups around it. The value is one of TOML;
    /// what is none is taken for a text, so that `use=lung` needs no quotation marks.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is no such step or section, or the value is wrong. The
    /// parameters of a transform are checked when the pipeline is planned.
    pub fn with(&self, assignment: &str) -> Result<Self> {
        let Some((target, value)) = assignment.split_once('=') else {
            return Err(Error::parameter("has no '='").remedy("give ID.field=value"));
        };
        let (target, value) = (target.trim(), parse(value.trim())?);
        let mut whole = serde_json::to_value(self).map_err(|e| Error::parameter(e.to_string()))?;
        if target == "seed" {
            whole["seed"] = value;
            return Self::from_value(whole);
        }
        let (section, key) = target.split_once('.').unwrap_or((target, ""));
        let paths = self.paths();
        // Ids have dots in them: the longest that fits is meant.
        let fits = |path: &&String| rest(target, path).is_some();
        let step = paths.iter().filter(fits).max_by_key(|path| path.len());
        if SETTABLE.contains(&section) && !key.is_empty() {
            if let Some(step) = step {
                return Err(Error::parameter(format!(
                    "'{step}' is a step, and '{section}' is a section"
                ))
                .remedy("give the step another id"));
            }
            assign(&mut whole[section], key, value)?;
            return Self::from_value(whole);
        }
        let Some((step, field)) = step.and_then(|step| Some((step, rest(target, step)?))) else {
            return Err(self.unknown(target));
        };
        if let Some(fixed) = ["use", "id", "step"].iter().find(|key| **key == field) {
            let reason = format!("`{fixed}` says which step it is, and cannot be set");
            return Err(Error::parameter(reason).remedy("change the file"));
        }
        let Some(fields) = find(&mut whole["step"], step) else {
            return Err(self.unknown(target));
        };
        assign(fields, field, value)?;
        Self::from_value(whole)
    }

    /// The ids of all steps, groups included, in order; each behind those of the groups around it.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        collect(&self.steps, "", &mut paths);
        paths
    }

    /// The error of a step that does not exist, with the one that is most similar.
    pub(crate) fn no_step(&self, id: &str) -> Error {
        let paths = self.paths();
        let error = Error::parameter(format!("there is no step '{id}'"));
        let inner = |path: &&String| path.ends_with(&format!("/{id}"));
        let near = match paths.iter().find(inner) {
            Some(path) => Some(path.as_str()),
            None => nearest(id, paths.iter().map(String::as_str)),
        };
        match near {
            Some(near) => error.remedy(format!("did you mean '{near}'?")),
            None if paths.is_empty() => error.remedy("the pipeline has none"),
            None => error.remedy(format!("there are: {}", paths.join(", "))),
        }
    }

    fn unknown(&self, target: &str) -> Error {
        let Some((id, _)) = target.rsplit_once('.') else {
            let known = ["seed"].into_iter().chain(SETTABLE);
            return match nearest(target, known) {
                Some("seed") => Error::parameter(format!("there is no field '{target}'"))
                    .remedy("did you mean 'seed'?"),
                _ => Error::parameter(format!("'{target}' names no field"))
                    .remedy("give ID.field=value, as in ct.window.level=-500"),
            };
        };
        let near_section = nearest(id, SETTABLE.into_iter());
        let paths = self.paths();
        let known = paths.iter().map(String::as_str).chain(SETTABLE);
        match near_section.filter(|near| nearest(id, known) == Some(near)) {
            Some(near) => Error::parameter(format!("there is no step or section '{id}'"))
                .remedy(format!("did you mean '{near}'?")),
            None => self.no_step(id),
        }
    }
}

/// The field that a target names behind the path of a step.
fn rest<'a>(target: &'a str, path: &str) -> Option<&'a str> {
    let field = target.strip_prefix(path)?.strip_prefix('.')?;
    (!field.is_empty()).then_some(field)
}

fn collect(steps: &[Step], around: &str, paths: &mut Vec<String>) {
    for step in steps {
        let path = join(around, "/", &step.id);
        let inner = step.group.as_ref().map(|group| (group, path.clone()));
        paths.push(path);
        if let Some((group, path)) = inner {
            collect(&group.steps, &path, paths);
        }
    }
}

/// The fields of the step at a path.
fn find<'a>(steps: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    let (id, inner) = match path.split_once('/') {
        Some((id, inner)) => (id, Some(inner)),
        None => (path, None),
    };
    let mut steps = steps.as_array_mut()?.iter_mut();
    let step = steps.find(|step| step["id"].as_str() == Some(id))?;
    match inner {
        Some(inner) => find(&mut step["step"], inner),
        None => Some(step),
    }
}

/// Sets a field, `level` or `angle_deg.uniform`; tables on the way are made.
fn assign(fields: &mut Value, field: &str, value: Value) -> Result<()> {
    let mut place = fields;
    let names: Vec<&str> = field.split('.').collect();
    for (position, name) in names.iter().enumerate() {
        let around = names.get(..position).unwrap_or_default().join(".");
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(table) = place else {
            let reason = format!("`{around}` is {place}, which has no field '{name}'");
            return Err(Error::parameter(reason).remedy(format!("give {around} as a whole")));
        };
        if name.is_empty() {
            return Err(Error::parameter(format!("'{field}' names no field")));
        }
        place = table.entry((*name).to_owned()).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

/// A value as TOML states it, or a text.
fn parse(text: &str) -> Result<Value> {
    let is_marked = text.starts_with(['"', '\'', '[', '{']);
    let parsed = super::on_a_large_stack(|| {
        let value = match text.parse::<toml::Value>() {
            Ok(value) => value,
            Err(error) => return Ok(Err(error.message().to_owned())),
        };
        super::check_toml_depth(&value)?;
        Ok(Ok(value))
    })?;
    let value = match parsed {
        Ok(toml::Value::Datetime(_)) => return Ok(text.into()),
        Ok(value) => value,
        Err(message) if is_marked => {
            let reason = format!("{text} is no value of TOML: {message}");
            return Err(Error::parameter(reason));
        }
        Err(_) if text.is_empty() => {
            return Err(Error::parameter("the value is missing").remedy("give ID.field=value"));
        }
        Err(_) => return Ok(text.into()),
    };
    super::check_finite(&value, "the value")?;
    serde_json::to_value(value).map_err(|e| Error::parameter(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = "version = 1\n[[step]]\nuse = \"ct.window\"\nlevel = 1\n\
        [[step]]\nuse = \"one_of\"\n[[step.step]]\nuse = \"ct.window\"\nid = \"inner\"\n\
        [[step.step]]\nuse = \"c.d\"\n[[step]]\nuse = \"ct.window\"\np = 0.5";

    fn set(assignments: &[&str]) -> Result<Value, String> {
        let mut pipeline = Pipeline::from_toml(TEXT).unwrap();
        for assignment in assignments {
            pipeline = pipeline.with(assignment).map_err(|e| e.to_string())?;
        }
        Ok(serde_json::to_value(pipeline).unwrap())
    }

    #[test]
    fn a_field_is_set_wherever_its_step_stands() {
        let value = set(&[
            "ct.window.level=-500.5",
            "ct.window#2.p = 1",
            "ct.window#2.preset=lung",
            "one_of/inner.angle_deg={ uniform = [-1, 2] }",
            "one_of/c.d.on=[\"a\", 'b']",
            "one_of/c.d.deep.er=true",
            "one_of.p=0.25",
            "seed=3",
            "sampling.fill=min",
            "output.volumes=[\"x\"]",
        ]);
        let value = value.unwrap();
        assert_eq!(value["step"][0]["level"], -500.5);
        assert_eq!(
            value["step"][2],
            json!({"use": "ct.window", "id": "ct.window#2", "preset": "lung"})
        );
        let members = &value["step"][1]["step"];
        assert_eq!(members[0]["angle_deg"], json!({"uniform": [-1, 2]}));
        assert_eq!(members[1]["on"], json!(["a", "b"]));
        assert_eq!(members[1]["deep"], json!({"er": true}));
        assert_eq!(
            (&value["step"][1]["p"], &value["seed"]),
            (&json!(0.25), &json!(3))
        );
        assert_eq!(value["sampling"]["fill"], "min");
        assert_eq!(value["output"]["volumes"], json!(["x"]));
    }

    /// What looks like a date or like nothing is a text; marks of TOML must close.
    #[test]
    fn values_are_those_of_toml_or_texts() {
        for (text, value) in [
            ("1", json!(1)),
            ("1e3", json!(1000.0)),
            ("true", json!(true)),
            ("lung", json!("lung")),
            ("a b", json!("a b")),
            ("\"1\"", json!("1")),
            ("2024-01-02", json!("2024-01-02")),
            ("[1, [2]]", json!([1, [2]])),
            ("a\nb = 3", json!("a\nb = 3")),
        ] {
            assert_eq!(parse(text).unwrap(), value, "{text}");
        }
        for (text, says) in [
            ("", "is missing"),
            ("[1, 2", "no value of TOML"),
            ("nan", "must be finite"),
            ("[1, inf]", "must be finite"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_set_is_named_with_what_can() {
        for (assignment, says) in [
            (
                "ct.windw.level=1",
                "no step 'ct.windw'; did you mean 'ct.window'?",
            ),
            ("inner.p=1", "did you mean 'one_of/inner'?"),
            ("samplign.fill=1", "did you mean 'sampling'?"),
            ("sede=1", "did you mean 'seed'?"),
            ("ct.window=1", "no step 'ct'"),
            ("level=1", "names no field"),
            ("level", "has no '='"),
            (
                "sampling.fil=1",
                "sampling.fil: there is no 'fil'; did you mean 'fill'?",
            ),
            ("seed=-1", "seed"),
            ("ct.window.p=2", "must be in [0, 1], got 2"),
            ("ct.window.use=a", "cannot be set"),
            ("one_of.step=[]", "cannot be set"),
            (
                "ct.window.level.uniform=[1, 2]",
                "`level` is 1, which has no field 'uniform'",
            ),
            ("one_of.count=2", "there is no such key"),
            ("output.level=10", "must be in [0, 9]"),
        ] {
            let error = set(&[assignment]).unwrap_err();
            assert!(error.contains(says), "{assignment}: {error}");
        }
        let text = "version = 1\n[[step]]\nuse = \"a\"\nid = \"input\"";
        let pipeline = Pipeline::from_toml(text).unwrap();
        let error = pipeline.with("input.modality=CT").unwrap_err().to_string();
        assert!(
            error.contains("is a step, and 'input' is a section"),
            "{error}"
        );
    }
}
