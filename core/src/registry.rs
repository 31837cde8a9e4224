//! The registry: which transforms there are, what they take, and how to make one.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::schema;
use crate::transform::{Kind, Params, Transform};
use crate::volume::Role;

/// Makes a transform from its parameters.
pub type Build = Arc<dyn Fn(&Value) -> Result<Box<dyn Transform>> + Send + Sync>;

/// One transform the registry knows.
#[derive(Clone)]
pub struct Entry {
    /// `prefix.noun`, unique.
    pub name: String,
    /// `pointwise`, `spatial`, `filter` or `joint`.
    pub kind: &'static str,
    /// On which volumes it acts unless the pipeline says otherwise; `None`: on all.
    pub role: Option<Role>,
    /// The JSON Schema of its parameters, with `x-bounds` and `x-unit`.
    pub schema: Value,
    /// Example parameters, as TOML.
    pub example: String,
    /// Where it comes from: a crate or a plugin.
    pub source: String,
    /// Makes it.
    pub build: Build,
}

impl Entry {
    /// The entry of a built-in transform; `register!` calls this.
    #[doc(hidden)]
    pub fn built_in<T>(
        name: &str,
        kind: &'static str,
        role: Option<Role>,
        example: &str,
        source: &str,
    ) -> Self
    where
        T: Transform + Params + DeserializeOwned + JsonSchema + 'static,
    {
        Self {
            name: name.to_owned(),
            kind,
            role,
            schema: schema_of::<T>(),
            example: example.to_owned(),
            source: source.to_owned(),
            build: Arc::new(|params| {
                let transform: T = serde_path_to_error::deserialize(params).map_err(|error| {
                    let path = error.path().to_string();
                    let reason = wrong_value(&error.into_inner().to_string());
                    if path == "." {
                        reason
                    } else {
                        reason.field(path)
                    }
                })?;
                transform.check()?;
                Ok(Box::new(transform))
            }),
        }
    }

    /// What it does, in one sentence.
    pub fn summary(&self) -> String {
        let first = self.description().split("\n\n").next().unwrap_or_default();
        first.replace('\n', " ")
    }

    /// What it does, with notes and reference.
    pub fn description(&self) -> &str {
        self.schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Its parameters.
    pub fn fields(&self) -> Vec<schema::Field> {
        schema::fields(&self.schema)
    }

    /// The example parameters as a value.
    ///
    /// # Errors
    /// [`Error::Plugin`] where the example is no TOML.
    pub fn example_params(&self) -> Result<Value> {
        toml::from_str(&self.example).map_err(|error| {
            Error::plugin(format!("the example is no TOML: {}", error.message()))
                .in_transform(&self.name)
        })
    }

    /// Makes the transform, after checking the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the transform and the field.
    pub fn build(&self, params: &Value) -> Result<Box<dyn Transform>> {
        schema::check(&self.schema, params)
            .and_then(|()| (self.build)(params))
            .map_err(|error| error.in_transform(&self.name))
    }
}

/// What is wrong with a value: serde's words in those of the pipeline file, with the most similar
/// value where it lists those it knows.
pub(crate) fn wrong_value(message: &str) -> Error {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let lists = message.starts_with("unknown variant") || message.starts_with("unknown field");
    let Some(given) = quoted.next().filter(|_| lists) else {
        return Error::parameter(in_plain_words(message));
    };
    let known: Vec<&str> = quoted.collect();
    let error = Error::parameter(format!("there is no '{given}'"));
    match schema::nearest(given, known.iter().copied()) {
        Some(near) => error.remedy(format!("did you mean '{near}'?")),
        None if known.is_empty() => error,
        None => error.remedy(format!("there are: {}", known.join(", "))),
    }
}

/// `invalid type: floating point `8.5`, expected usize` is `takes a whole number of at least 0, not
/// 8.5`.
fn in_plain_words(message: &str) -> String {
    let kinds = ["invalid type: ", "invalid value: ", "invalid length "];
    let rest = kinds.iter().find_map(|kind| message.strip_prefix(kind));
    let Some((given, expected)) = rest.and_then(|rest| rest.split_once(", expected ")) else {
        return message.to_owned();
    };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string" => "text",
        "string or map" => "a name, or a table with one name and its value",
        "newtype variant" => "a table with the name and its value",
        "unit variant" => "a name alone",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other,
    };
    if message.starts_with("invalid length") {
        return match expected {
            "fewer elements in array" => "has too many values".to_owned(),
            expected => format!("has {given} values; it takes {expected}"),
        };
    }
    let given = match given {
        "unit variant" => "a name alone",
        "newtype variant" | "map" => "a table",
        "sequence" => "a list",
        other => match other.split_once('`') {
            Some((_, quoted)) => quoted.trim_end_matches('`'),
            None => other.strip_prefix("string ").unwrap_or(other),
        },
    };
    format!("takes {expected}, not {given}")
}

fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// What `register!` collects: a function that makes the entry.
#[doc(hidden)]
pub struct BuiltIn(pub fn() -> Entry);

inventory::collect!(BuiltIn);

/// All transforms of this program, by name.
#[derive(Clone, Default)]
pub struct Registry {
    entries: BTreeMap<String, Entry>,
}

impl Registry {
    /// A registry without transforms.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The registry of all transforms whose crates are linked into this program.
    ///
    /// # Errors
    /// [`Error::Plugin`] where two have one name.
    pub fn built_in() -> Result<Self> {
        let mut registry = Self::empty();
        for built_in in inventory::iter::<BuiltIn> {
            registry.add((built_in.0)())?;
        }
        Ok(registry)
    }

    /// Adds a transform.
    ///
    /// # Errors
    /// [`Error::Plugin`] where the name is taken.
    pub fn add(&mut self, entry: Entry) -> Result<()> {
        if let Some(old) = self.entries.get(&entry.name) {
            return Err(Error::plugin(format!(
                "the name is used twice, by {} and {}",
                old.source, entry.source
            ))
            .in_transform(&entry.name));
        }
        self.entries.insert(entry.name.clone(), entry);
        Ok(())
    }

    /// The transform of that name.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the most similar name.
    pub fn get(&self, name: &str) -> Result<&Entry> {
        self.entries.get(name).ok_or_else(|| {
            let error = Error::parameter(format!("there is no transform '{name}'"));
            match schema::nearest(name, self.entries.keys().map(String::as_str)) {
                Some(near) => error.remedy(format!("did you mean '{near}'?")),
                None => error.remedy("`voxprep list` names them all"),
            }
        })
    }

    /// All transforms, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }
}

/// The name of a kind, as lists show it.
pub fn kind_name(kind: &Kind<'_>) -> &'static str {
    match kind {
        Kind::Pointwise(_) => "pointwise",
        Kind::Spatial(_) => "spatial",
        Kind::Filter(_) => "filter",
        Kind::Joint(_) => "joint",
    }
}

/// Makes a parameter struct a transform of its kind and registers it.
///
/// `register!(Window: Pointwise, "ct.window", "preset = \"lung\"");`
/// `register!(Remap: Pointwise on Label, "label.remap", "map = { 4 = 3 }");`
///
/// The last string is an example of the parameters, as TOML; tests run it.
#[macro_export]
macro_rules! register {
    ($type:ident : $kind:ident, $name:literal, $example:literal) => {
        $crate::register!(@entry $type, $kind, $crate::register!(@role $kind), $name, $example);
    };
    ($type:ident : $kind:ident on $role:ident, $name:literal, $example:literal) => {
        $crate::register!(@entry $type, $kind, Some($crate::volume::Role::$role), $name, $example);
    };
    (@role Pointwise) => { Some($crate::volume::Role::Intensity) };
    (@role Filter) => { Some($crate::volume::Role::Intensity) };
    (@role Spatial) => { None };
    (@role Joint) => { None };
    (@kind Pointwise) => { "pointwise" };
    (@kind Filter) => { "filter" };
    (@kind Spatial) => { "spatial" };
    (@kind Joint) => { "joint" };
    (@entry $type:ident, $kind:ident, $role:expr, $name:literal, $example:literal) => {
        impl $crate::transform::Transform for $type {
            fn kind(&self) -> $crate::transform::Kind<'_> {
                $crate::transform::Kind::$kind(self)
            }

            fn params(&self) -> $crate::registry::ParamsValue {
                $crate::registry::to_value(self)
            }
        }

        $crate::inventory::submit! {
            $crate::registry::BuiltIn(|| $crate::registry::Entry::built_in::<$type>(
                $name, $crate::register!(@kind $kind), $role, $example, env!("CARGO_PKG_NAME"),
            ))
        }
    };
}

#[doc(hidden)]
pub use serde_json::Value as ParamsValue;

/// The parameters as a value; what serde cannot write becomes null.
#[doc(hidden)]
pub fn to_value<T: serde::Serialize>(params: &T) -> Value {
    serde_json::to_value(params).unwrap_or(Value::Null)
}
