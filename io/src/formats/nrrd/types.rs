//! The words of a NRRD header: types, encodings, kinds of axes, spaces.

use voxprep_core::volume::AxisKind;

use crate::parts::Encoding;
use crate::stored::Number;

/// The number that a type stands for, by any of its names.
pub(super) fn number(name: &str) -> Option<Number> {
    let words: Vec<String> = name
        .split_whitespace()
        .map(str::to_ascii_lowercase)
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Some(match words.as_slice() {
        ["signed", "char"] | ["int8" | "int8_t"] => Number::I8,
        ["uchar" | "uint8" | "uint8_t"] | ["unsigned", "char"] => Number::U8,
        ["short" | "int16" | "int16_t"]
        | ["short", "int"]
        | ["signed", "short"]
        | ["signed", "short", "int"] => Number::I16,
        ["ushort" | "uint16" | "uint16_t"]
        | ["unsigned", "short"]
        | ["unsigned", "short", "int"] => Number::U16,
        ["int" | "int32" | "int32_t"] | ["signed", "int"] => Number::I32,
        ["uint" | "uint32" | "uint32_t"] | ["unsigned", "int"] => Number::U32,
        ["longlong" | "int64" | "int64_t"]
        | ["long", "long"]
        | ["long", "long", "int"]
        | ["signed", "long", "long"]
        | ["signed", "long", "long", "int"] => Number::I64,
        ["ulonglong" | "uint64" | "uint64_t"]
        | ["unsigned", "long", "long"]
        | ["unsigned", "long", "long", "int"] => Number::U64,
        ["float"] => Number::F32,
        ["double"] => Number::F64,
        _ => return None,
    })
}

/// The encoding of a name.
pub(super) fn encoding(name: &str) -> Option<Encoding> {
    Some(match name.to_ascii_lowercase().as_str() {
        "raw" => Encoding::Raw,
        "gz" | "gzip" => Encoding::Gzip,
        "bz2" | "bzip2" => Encoding::Bzip2,
        "txt" | "text" | "ascii" => Encoding::Text,
        "hex" => Encoding::Hex,
        _ => return None,
    })
}

/// What an axis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An axis of space, or of nothing in particular.
    Domain,
    /// Channels of this kind.
    Channel(AxisKind),
}

/// The kind of a name, in lower case; `None` where there is no such kind.
pub(super) fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "" | "domain" | "space" => Kind::Domain,
        "time" => Kind::Channel(AxisKind::Time),
        "complex" => Kind::Channel(AxisKind::Complex),
        "3-color" | "rgb-color" | "4-color" | "rgba-color" => Kind::Channel(AxisKind::Colour),
        "list"
        | "point"
        | "vector"
        | "covariant-vector"
        | "normal"
        | "stub"
        | "scalar"
        | "2-vector"
        | "hsv-color"
        | "xyz-color"
        | "3-vector"
        | "3-gradient"
        | "3-normal"
        | "4-vector"
        | "quaternion"
        | "2d-symmetric-matrix"
        | "2d-masked-symmetric-matrix"
        | "2d-matrix"
        | "2d-masked-matrix"
        | "3d-symmetric-matrix"
        | "3d-masked-symmetric-matrix"
        | "3d-matrix"
        | "3d-masked-matrix" => Kind::Channel(AxisKind::Component),
        _ => return None,
    })
}

/// A space: how many dimensions, how its first three become LPS+, and whether the words say so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Space {
    pub(super) dimension: usize,
    pub(super) signs: [f64; 3],
    /// Whether it is one of anatomy.
    pub(super) anatomical: bool,
}

impl Space {
    /// A space of which nothing but its dimension is known.
    pub(super) const fn unknown(dimension: usize) -> Self {
        Self {
            dimension,
            signs: [1.0; 3],
            anatomical: false,
        }
    }

    /// The space of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let of = |dimension, signs| Self {
            dimension,
            signs,
            anatomical: true,
        };
        let (ras, las, lps) = ([-1.0, -1.0, 1.0], [1.0, -1.0, 1.0], [1.0; 3]);
        Some(match name.as_str() {
            "right-anterior-superior" | "ras" => of(3, ras),
            "left-anterior-superior" | "las" => of(3, las),
            "left-posterior-superior" | "lps" => of(3, lps),
            "right-anterior-superior-time" | "rast" => of(4, ras),
            "left-anterior-superior-time" | "last" => of(4, las),
            "left-posterior-superior-time" | "lpst" => of(4, lps),
            "scanner-xyz" | "3d-right-handed" | "3d-left-handed" => Self::unknown(3),
            "scanner-xyz-time" | "3d-right-handed-time" | "3d-left-handed-time" => Self::unknown(4),
            _ => return None,
        })
    }
}

/// How many millimetres a unit of length has; `None` where it is none that is known.
pub(super) fn millimetres(unit: &str) -> Option<f64> {
    Some(match unit {
        "mm" | "millimeter" | "millimeters" | "millimetre" | "millimetres" => 1.0,
        "cm" | "centimeter" | "centimeters" => 10.0,
        "m" | "meter" | "meters" => 1e3,
        "um" | "\u{b5}m" | "\u{3bc}m" | "micron" | "microns" | "micrometer" | "micrometers" => 1e-3,
        _ => return None,
    })
}

/// How many seconds a unit of time has.
pub(super) fn seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "s" | "sec" | "second" | "seconds" => 1.0,
        "ms" | "msec" | "millisecond" | "milliseconds" => 1e-3,
        "us" | "usec" | "microsecond" | "microseconds" => 1e-6,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_type_is_known() {
        for (name, expected) in [
            ("signed char", Some(Number::I8)),
            ("uchar", Some(Number::U8)),
            ("unsigned  short int", Some(Number::U16)),
            ("int16", Some(Number::I16)),
            ("Signed Short", Some(Number::I16)),
            ("unsigned int", Some(Number::U32)),
            ("long long int", Some(Number::I64)),
            ("uint64_t", Some(Number::U64)),
            ("double", Some(Number::F64)),
            ("block", None),
            ("long", None),
        ] {
            assert_eq!(number(name), expected, "{name}");
        }
    }

    #[test]
    fn spaces_of_anatomy_become_lps() {
        let signs = |name| Space::named(name).map(|space| (space.dimension, space.signs));
        assert_eq!(signs("RAS"), Some((3, [-1.0, -1.0, 1.0])));
        assert_eq!(signs("left-anterior-superior"), Some((3, [1.0, -1.0, 1.0])));
        assert_eq!(signs("LPST"), Some((4, [1.0; 3])));
        assert_eq!(signs("posterior"), None);
        assert!(!Space::named("scanner-xyz").unwrap().anatomical);
    }
}
