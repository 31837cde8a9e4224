//! Anatomical orientation codes such as `RAS`: where each index axis points.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// Where the three index axes point: one of the 48 codes, e.g. `RAS`.
///
/// Letter i is the anatomical direction of increasing index i (x, y, z), as nibabel's `axcodes`
/// name it: `RAS` means x to the Right, y to Anterior, z to Superior.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Orientation {
    /// For index axis i: the world axis (0 LR, 1 AP, 2 SI) and whether it increases along LPS+.
    axes: [(usize, bool); 3],
}

/// Letters by world axis: towards LPS+, and away from it.
const LETTERS: [[char; 2]; 3] = [['L', 'R'], ['P', 'A'], ['S', 'I']];

impl Orientation {
    /// Right, anterior, superior: the convention of NIfTI.
    pub const RAS: Self = Self {
        axes: [(0, false), (1, false), (2, true)],
    };
    /// Left, posterior, superior: the convention of DICOM, and of the world here.
    pub const LPS: Self = Self {
        axes: [(0, true), (1, true), (2, true)],
    };

    /// The code from, for each index axis, its world axis (0 LR, 1 AP, 2 SI) and whether it
    /// increases along LPS+; `None` unless each world axis occurs once.
    pub fn from_axes(axes: [(usize, bool); 3]) -> Option<Self> {
        let mut seen = [false; 3];
        for (axis, _) in axes {
            *seen.get_mut(axis)? = true;
        }
        seen.iter().all(|&s| s).then_some(Self { axes })
    }

    /// For each index axis: its world axis (0 LR, 1 AP, 2 SI) and whether it increases along LPS+.
    pub const fn axes(self) -> [(usize, bool); 3] {
        self.axes
    }

    /// All 48 codes.
    pub fn all() -> impl Iterator<Item = Self> {
        const ORDERS: [[usize; 3]; 6] = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        ORDERS.into_iter().flat_map(|order| {
            (0..8).map(move |signs| Self {
                axes: [0, 1, 2].map(|i| (order[i], signs >> i & 1 == 1)),
            })
        })
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (axis, positive) in self.axes {
            write!(f, "{}", LETTERS[axis][usize::from(!positive)])?;
        }
        Ok(())
    }
}

impl FromStr for Orientation {
    type Err = Error;

    fn from_str(code: &str) -> Result<Self> {
        let wrong = || {
            Error::parameter(format!("'{code}' is no orientation code"))
                .remedy("give three letters, one each of R/L, A/P and S/I, e.g. \"RAS\"")
        };
        let mut axes = Vec::with_capacity(3);
        for letter in code.chars() {
            let upper = letter.to_ascii_uppercase();
            let found = LETTERS
                .iter()
                .enumerate()
                .find_map(|(axis, pair)| Some((axis, pair.iter().position(|&l| l == upper)? == 0)));
            axes.push(found.ok_or_else(wrong)?);
        }
        let axes: [(usize, bool); 3] = axes.try_into().map_err(|_| wrong())?;
        Self::from_axes(axes).ok_or_else(wrong)
    }
}

impl Serialize for Orientation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Orientation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Orientation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Orientation".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[RLAPSIrlapsi]{3}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_48_codes_are_written_and_read_back() {
        let mut codes: Vec<String> = Orientation::all().map(|o| o.to_string()).collect();
        for code in &codes {
            assert_eq!(code.parse::<Orientation>().unwrap().to_string(), *code);
        }
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), 48);
    }

    #[test]
    fn a_code_that_names_an_axis_twice_is_refused() {
        for code in ["RLS", "RA", "RASP", "", "XYZ"] {
            assert!(code.parse::<Orientation>().is_err(), "{code}");
        }
    }
}
