//! `Extent`: how many voxels of an axis a step asks for.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of voxels along an axis, or `"all"` that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// This many.
    Voxels(u32),
    /// All of the axis.
    All,
}

impl Extent {
    /// The number of voxels, of an axis that has `full`.
    pub fn of(self, full: usize) -> usize {
        match self {
            Self::Voxels(n) => n as usize,
            Self::All => full,
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Voxels(n) => n.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}

impl Serialize for Extent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Voxels(n) => serializer.serialize_u32(*n),
            Self::All => serializer.serialize_str("all"),
        }
    }
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExtentVisitor)
    }
}

struct ExtentVisitor;

impl Visitor<'_> for ExtentVisitor {
    type Value = Extent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of voxels above 0, or \"all\"")
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Extent, E> {
        match u32::try_from(n) {
            Ok(n) if n > 0 => Ok(Extent::Voxels(n)),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(n), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Extent, E> {
        match u64::try_from(n) {
            Ok(n) => self.visit_u64(n),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(n), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Extent, E> {
        if text == "all" {
            Ok(Extent::All)
        } else {
            Err(E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }
}

impl JsonSchema for Extent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Extent".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "all" }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPA-21: a number, or all that there are.
    #[test]
    fn an_axis_takes_a_number_of_voxels_or_all() {
        let read = |text: &str| serde_json::from_str::<[Extent; 3]>(text);
        let sizes = read(r#"[128, "all", 1]"#).unwrap();
        assert_eq!(sizes.map(|extent| extent.of(40)), [128, 40, 1]);
        assert_eq!(serde_json::to_string(&sizes).unwrap(), r#"[128,"all",1]"#);
        for wrong in [
            "[0, 1, 1]",
            "[-1, 1, 1]",
            "[1.5, 1, 1]",
            r#"["some", 1, 1]"#,
            "[1, 1]",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(
            read(r#"["some", 1, 1]"#)
                .unwrap_err()
                .to_string()
                .contains("or \"all\"")
        );
    }
}
