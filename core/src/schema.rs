//! Parameter schemas: bounds, unknown fields, and the description of a field for people.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::param::Param;

/// An interval of numbers, written as in mathematics: `(0, inf)`, `[0, 100]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    low: f64,
    high: f64,
    includes_low: bool,
    includes_high: bool,
}

impl Interval {
    /// Reads the notation `x-bounds` uses; `None` where it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let includes_low = match text.chars().next()? {
            '[' => true,
            '(' => false,
            _ => return None,
        };
        let includes_high = match text.chars().last()? {
            ']' => true,
            ')' => false,
            _ => return None,
        };
        let (low, high) = text.get(1..text.len() - 1)?.split_once(',')?;
        let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
        (low < high).then_some(Self {
            low,
            high,
            includes_low,
            includes_high,
        })
    }

    /// Whether a number lies inside.
    pub fn contains(&self, v: f64) -> bool {
        (v > self.low || (self.includes_low && v == self.low))
            && (v < self.high || (self.includes_high && v == self.high))
    }

    /// Lower and upper end.
    pub fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Lower and upper end, each with whether it belongs to the interval.
    pub fn limits(&self) -> ((f64, bool), (f64, bool)) {
        (
            (self.low, self.includes_low),
            (self.high, self.includes_high),
        )
    }
}

/// Checks given parameters against the schema of a transform: unknown fields and bounds.
///
/// Types are left to serde, which knows them better.
///
/// # Errors
/// [`Error::Parameter`] naming the field, the value and what would be right.
pub fn check(schema: &Value, given: &Value) -> Result<()> {
    check_value(schema, given, "")
}

fn check_value(schema: &Value, given: &Value, path: &str) -> Result<()> {
    if let Some(bounds) = schema.get("x-bounds").and_then(Value::as_str) {
        let interval = Interval::parse(bounds).ok_or_else(|| {
            Error::plugin(format!(
                "the schema has the bounds '{bounds}', which is no interval"
            ))
            .field(path)
        })?;
        check_bounds(&interval, bounds, given, path)?;
    }
    if let (Some(properties), Some(fields)) = (
        schema.get("properties").and_then(Value::as_object),
        given.as_object(),
    ) {
        for (name, value) in fields {
            let inner = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            match properties.get(name) {
                Some(property) => check_value(property, value, &inner)?,
                None => match schema.get("additionalProperties") {
                    Some(property) if property.is_object() => check_value(property, value, &inner)?,
                    _ => return Err(unknown(name, properties.keys()).field(inner)),
                },
            }
        }
    } else if let (Some(property), Some(fields)) = (
        schema.get("additionalProperties").filter(|p| p.is_object()),
        given.as_object(),
    ) {
        for (name, value) in fields {
            check_value(property, value, &format!("{path}.{name}"))?;
        }
    }
    if let (Some(item), Some(items)) = (schema.get("items"), given.as_array()) {
        for (i, value) in items.iter().enumerate() {
            check_value(item, value, &format!("{path}[{i}]"))?;
        }
    }
    // An optional field is "the form, or null"; among several forms only serde can choose.
    if let Some(forms) = schema.get("anyOf").and_then(Value::as_array)
        && let [form] = forms.iter().filter(|f| !is_null(f)).collect::<Vec<_>>()[..]
        && !given.is_null()
    {
        check_value(form, given, path)?;
    }
    Ok(())
}

fn check_bounds(interval: &Interval, bounds: &str, given: &Value, path: &str) -> Result<()> {
    if let Value::Array(items) = given {
        return items.iter().enumerate().try_for_each(|(i, item)| {
            check_bounds(interval, bounds, item, &format!("{path}[{i}]"))
        });
    }
    // What is no number at all is reported by serde, with the type it expected.
    let Ok(param) = serde_json::from_value::<Param>(given.clone()) else {
        return Ok(());
    };
    let (low, high) = param.range();
    for end in [low, high] {
        if !interval.contains(end) {
            let reason = if param.is_random() {
                format!("may draw {end}, outside {bounds}")
            } else {
                format!("must be in {bounds}, got {end}")
            };
            return Err(Error::parameter(reason).field(path));
        }
    }
    Ok(())
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Error {
    let known: Vec<&String> = known.collect();
    let error = Error::parameter("there is no such parameter");
    let list: Vec<&str> = known.iter().map(|s| s.as_str()).collect();
    match nearest(name, list.iter().copied()) {
        Some(near) => error.remedy(format!("did you mean '{near}'?")),
        None if list.is_empty() => error.remedy("the transform takes none"),
        None => error.remedy(format!("there are: {}", list.join(", "))),
    }
}

/// The known name that looks most like a misspelt one, if any looks alike.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|k| (strsim::normalized_damerau_levenshtein(name, k), k))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, k)| k)
}

/// One parameter as a person reads it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Field {
    /// Its name in the pipeline file.
    pub name: String,
    /// What it takes: `number`, `[number; 3]`, `one of "a", "b"`.
    pub takes: String,
    /// Whether a distribution may be given instead of a number.
    pub random: bool,
    /// The unit, if it has one.
    pub unit: Option<String>,
    /// The interval it must lie in, if there is one.
    pub bounds: Option<String>,
    /// The value it has when nothing is given; `None` where it is required or simply absent.
    pub default: Option<Value>,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub description: String,
}

/// The parameters of a transform, in the order of the schema.
pub fn fields(schema: &Value) -> Vec<Field> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    let text =
        |property: &Value, key: &str| property.get(key).and_then(Value::as_str).map(str::to_owned);
    properties
        .iter()
        .map(|(name, property)| Field {
            name: name.clone(),
            takes: takes(property),
            random: mentions(property, "x-param"),
            unit: text(property, "x-unit"),
            bounds: text(property, "x-bounds"),
            default: property.get("default").filter(|d| !d.is_null()).cloned(),
            required: required.contains(&name.as_str()),
            description: text(property, "description").unwrap_or_default(),
        })
        .collect()
}

fn mentions(schema: &Value, key: &str) -> bool {
    match schema {
        Value::Object(map) => map.contains_key(key) || map.values().any(|v| mentions(v, key)),
        Value::Array(items) => items.iter().any(|v| mentions(v, key)),
        _ => false,
    }
}

fn takes(schema: &Value) -> String {
    if schema.get("x-param").is_some() {
        return "number".to_owned();
    }
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    if let Some(names) = schema.get("enum").and_then(Value::as_array) {
        let names: Vec<String> = names
            .iter()
            .filter(|n| !n.is_null())
            .map(Value::to_string)
            .collect();
        return format!("one of {}", names.join(", "));
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(forms) = schema.get(key).and_then(Value::as_array) {
            let mut forms: Vec<String> = forms.iter().filter(|f| !is_null(f)).map(takes).collect();
            forms.dedup();
            return forms.join(" or ");
        }
    }
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .filter(|k| *k != "null")
            .collect(),
        _ => vec!["value"],
    };
    match kinds.as_slice() {
        ["array"] => {
            let item = schema
                .get("items")
                .map_or_else(|| "value".to_owned(), takes);
            match (schema.get("minItems"), schema.get("maxItems")) {
                (Some(a), Some(b)) if a == b => format!("[{item}; {a}]"),
                _ => format!("[{item}, ...]"),
            }
        }
        ["object"] => match schema.get("additionalProperties") {
            Some(value) if value.is_object() => format!("{{ name = {}, ... }}", takes(value)),
            _ => "table".to_owned(),
        },
        kinds => kinds.join(" or "),
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_interval_includes_its_square_brackets_only() {
        let i = Interval::parse("(0, 100]").unwrap();
        assert_eq!(
            [0.0, 0.1, 100.0, 100.1].map(|v| i.contains(v)),
            [false, true, true, false]
        );
        assert!(Interval::parse("(0, inf)").unwrap().contains(1e300));
        assert!(!Interval::parse("(0, inf)").unwrap().contains(f64::INFINITY));
        for wrong in ["", "0, 1", "[1, 0]", "[a, b]", "[", "[1]"] {
            assert_eq!(Interval::parse(wrong), None, "{wrong}");
        }
    }

    fn schema() -> Value {
        json!({ "properties": {
            "width": { "x-bounds": "(0, inf)" },
            "spacing_mm": { "x-bounds": "(0, inf)" },
            "name": { "type": "string" },
        }})
    }

    /// G-07: bounds are honoured for numbers, drawn numbers and arrays.
    #[test]
    fn a_number_outside_its_bounds_is_refused_by_name() {
        let check = |given: Value| check(&schema(), &given).map_err(|e| e.to_string());
        assert_eq!(check(json!({"width": 5, "name": "x"})), Ok(()));
        assert_eq!(
            check(json!({"width": 0})).unwrap_err(),
            "width: must be in (0, inf), got 0"
        );
        assert!(
            check(json!({"width": {"uniform": [-1, 1]}}))
                .unwrap_err()
                .contains("may draw -1")
        );
        assert!(check(json!({"width": {"normal": [1, 1]}})).is_err());
        assert!(
            check(json!({"spacing_mm": [1, -1, 1]}))
                .unwrap_err()
                .contains("spacing_mm[1]")
        );
    }

    #[test]
    fn bounds_inside_lists_tables_and_options_count_too() {
        let width = json!({ "properties": { "width": { "x-bounds": "(0, inf)" } } });
        let schema = json!({ "properties": {
            "windows": { "type": "array", "items": width },
            "named": { "type": "object", "additionalProperties": width },
            "other": { "anyOf": [width, { "type": "null" }] },
        }});
        let error = |given| check(&schema, &given).unwrap_err().to_string();
        assert!(
            error(json!({"windows": [{"width": 1}, {"width": -5}]}))
                .starts_with("windows[1].width")
        );
        assert!(error(json!({"named": {"a": {"width": 0}}})).starts_with("named.a.width"));
        assert!(error(json!({"other": {"width": -5}})).starts_with("other.width"));
        assert!(check(&schema, &json!({"other": null})).is_ok());
    }

    #[test]
    fn a_misspelt_field_is_answered_with_the_right_one() {
        let error = check(&schema(), &json!({"widht": 5}))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "widht: there is no such parameter; did you mean 'width'?"
        );
    }
}
