//! `Param`: a number that is fixed, or drawn anew for every subject.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::stream::{NORMAL_REACH, Stream};

/// A number, fixed (`10`) or drawn: `{ uniform = [-10, 10] }`, `{ normal = [0, 2] }` (mean and
/// standard deviation), `{ choice = [1, 2] }`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Param {
    /// Always this number.
    Fixed(f64),
    /// Drawn from a distribution.
    Drawn(Distribution),
}

/// Where a [`Param`] is drawn from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Every number of `[low, high)` alike.
    Uniform([f64; 2]),
    /// Mean and standard deviation.
    Normal([f64; 2]),
    /// One of these, each alike.
    Choice(Vec<f64>),
}

const FORMS: &str = "a number, or { uniform = [low, high] }, { normal = [mean, std] }, \
                     { choice = [a, b, ...] }";

impl Param {
    /// A number drawn from `[low, high)`; `low` must be below `high`.
    pub fn uniform(low: f64, high: f64) -> Self {
        Self::Drawn(Distribution::Uniform([low, high]))
    }

    /// The number for this subject. A fixed number draws nothing.
    pub fn draw(&self, rng: &mut Stream) -> f64 {
        match self {
            Self::Fixed(value) => *value,
            Self::Drawn(Distribution::Uniform([low, high])) => rng.uniform(*low, *high),
            Self::Drawn(Distribution::Normal([mean, std])) => rng.normal(*mean, *std),
            Self::Drawn(Distribution::Choice(values)) => rng.choice(values),
        }
    }

    /// The smallest and largest number that can be drawn.
    pub fn range(&self) -> (f64, f64) {
        match self {
            Self::Fixed(value) => (*value, *value),
            Self::Drawn(Distribution::Uniform([low, high])) => (*low, *high),
            Self::Drawn(Distribution::Normal([mean, std])) => {
                (mean - NORMAL_REACH * std, mean + NORMAL_REACH * std)
            }
            Self::Drawn(Distribution::Choice(values)) => values
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| {
                    (low.min(v), high.max(v))
                }),
        }
    }

    /// Whether the number may differ from subject to subject.
    pub fn is_random(&self) -> bool {
        matches!(self, Self::Drawn(_))
    }
}

impl From<f64> for Param {
    fn from(value: f64) -> Self {
        Self::Fixed(value)
    }
}

impl<'de> Deserialize<'de> for Param {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParamVisitor)
    }
}

struct ParamVisitor;

impl<'de> Visitor<'de> for ParamVisitor {
    type Value = Param;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Param, E> {
        if value.is_finite() {
            Ok(Param::Fixed(value))
        } else {
            Err(E::custom("must be finite"))
        }
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Param, E> {
        Ok(Param::Fixed(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Param, E> {
        Ok(Param::Fixed(value as f64))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Param, A::Error> {
        let key: Option<String> = map.next_key()?;
        let distribution = match key.as_deref() {
            Some("uniform") => Distribution::Uniform(ordered(map.next_value()?)?),
            Some("normal") => {
                let [mean, std]: [f64; 2] = map.next_value()?;
                if std < 0.0 {
                    return Err(de::Error::custom(
                        "normal: the standard deviation is below 0",
                    ));
                }
                Distribution::Normal([mean, std])
            }
            Some("choice") => {
                let values: Vec<f64> = map.next_value()?;
                if values.is_empty() {
                    return Err(de::Error::custom("choice: nothing to choose from"));
                }
                Distribution::Choice(values)
            }
            Some(other) => {
                return Err(de::Error::custom(format!(
                    "'{other}' is no distribution; give {FORMS}"
                )));
            }
            None => return Err(de::Error::custom(format!("empty; give {FORMS}"))),
        };
        if map.next_key::<String>()?.is_some() {
            return Err(de::Error::custom("one distribution only"));
        }
        let param = Param::Drawn(distribution);
        let (low, high) = param.range();
        if low.is_finite() && high.is_finite() {
            Ok(param)
        } else {
            Err(de::Error::custom("must be finite"))
        }
    }
}

/// One value for all three axes, or one for each of x, y, z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PerAxis<T> {
    /// The same along x, y and z.
    All(T),
    /// Along x, y, z.
    Each([T; 3]),
}

impl<T> PerAxis<T> {
    /// The value of each axis.
    pub fn each(&self) -> [&T; 3] {
        match self {
            Self::All(value) => [value; 3],
            Self::Each([x, y, z]) => [x, y, z],
        }
    }
}

impl<'de, T: de::DeserializeOwned> Deserialize<'de> for PerAxis<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let Some(items) = value.as_array() else {
            return serde_json::from_value(value)
                .map(Self::All)
                .map_err(|e| de::Error::custom(format!("{e}; or three values, for x, y, z")));
        };
        let hint = match items.as_slice() {
            [low, high] if low.is_number() && high.is_number() => {
                format!("; for a range write {{ uniform = [{low}, {high}] }}")
            }
            _ => String::new(),
        };
        serde_json::from_value(value).map(Self::Each).map_err(|e| {
            de::Error::custom(format!("{e}; give one value, or three for x, y, z{hint}"))
        })
    }
}

impl<T: JsonSchema> JsonSchema for PerAxis<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("PerAxis{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({
            "anyOf": [
                one,
                { "type": "array", "items": one, "minItems": 3, "maxItems": 3 },
            ]
        })
    }
}

/// G-07, SPA-08: a range is given low end first.
fn ordered<E: de::Error>([low, high]: [f64; 2]) -> Result<[f64; 2], E> {
    if low < high {
        Ok([low, high])
    } else {
        Err(E::custom(format!(
            "uniform: low ({low}) is not below high ({high})"
        )))
    }
}

impl JsonSchema for Param {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Param".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pair = serde_json::json!({
            "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2
        });
        json_schema!({
            "x-param": true,
            "anyOf": [
                { "type": "number" },
                { "type": "object", "required": ["uniform"], "additionalProperties": false,
                  "properties": { "uniform": pair } },
                { "type": "object", "required": ["normal"], "additionalProperties": false,
                  "properties": { "normal": pair } },
                { "type": "object", "required": ["choice"], "additionalProperties": false,
                  "properties": { "choice": {
                      "type": "array", "items": { "type": "number" }, "minItems": 1 } } },
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Seed;

    fn parse(text: &str) -> Result<Param, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn the_four_forms_are_read_and_written_back() {
        for text in [
            "10.0",
            r#"{"uniform":[-10.0,10.0]}"#,
            r#"{"normal":[0.0,2.0]}"#,
            r#"{"choice":[1.0,2.0]}"#,
        ] {
            let param = parse(text).unwrap();
            assert_eq!(serde_json::to_string(&param).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_param_says_what_would_be() {
        for text in [r#""ten""#, r#"{"gauss":[0,1]}"#, "{}", r#"[1,2]"#] {
            assert!(parse(text).unwrap_err().contains("uniform"), "{text}");
        }
        assert!(
            parse(r#"{"uniform":[2,1]}"#)
                .unwrap_err()
                .contains("not below high")
        );
        assert!(parse(r#"{"normal":[0,-1]}"#).is_err());
        assert!(parse(r#"{"choice":[]}"#).is_err());
        assert!(parse(r#"{"uniform":[0,1],"normal":[0,1]}"#).is_err());
    }

    #[test]
    fn one_value_stands_for_three() {
        let read = |text: &str| serde_json::from_str::<PerAxis<f64>>(text);
        assert_eq!(read("2").unwrap().each(), [&2.0; 3]);
        assert_eq!(read("[1, 2, 3]").unwrap().each(), [&1.0, &2.0, &3.0]);
        for wrong in ["[1, 2]", "\"two\"", "{}"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("or three"), "{error}");
        }
        let range = serde_json::from_str::<PerAxis<Param>>("[-15, 15]");
        let error = range.unwrap_err().to_string();
        assert!(
            error.contains("for a range write { uniform = [-15, 15] }"),
            "{error}"
        );
        let both = PerAxis::Each([1.0, 2.0, 3.0]);
        assert_eq!(serde_json::to_string(&both).unwrap(), "[1.0,2.0,3.0]");
    }

    #[test]
    fn what_is_drawn_stays_in_the_range() {
        let seed = Seed {
            seed: 1,
            subject: 2,
            epoch: 0,
        };
        for text in [
            "3",
            r#"{"uniform":[-1,1]}"#,
            r#"{"normal":[5,2]}"#,
            r#"{"choice":[4,8]}"#,
        ] {
            let param = parse(text).unwrap();
            let (low, high) = param.range();
            let mut rng = Stream::new(seed, text);
            assert!(
                (0..1000)
                    .map(|_| param.draw(&mut rng))
                    .all(|v| (low..=high).contains(&v))
            );
        }
    }
}
