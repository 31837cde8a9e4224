//! `spatial.crop`: a box of voxels.

use std::fmt;
use std::marker::PhantomData;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, IntoDeserializer, Visitor};
use voxprep_core::prelude::*;

use crate::foreground::{Foreground, bounding_box};

/// Keeps a box of voxels of the reference volume, and what lies in it of the others.
///
/// # Notes
/// The box is given by one of `start` with `size`, `margin`, `margin_fraction` and `foreground`. A
/// volume on another grid keeps the voxels whose centres lie in the box. What is cut away does not
/// come back when a later step looks beyond the box; spacing and orientation stay.
///
/// Around a CT the air is cut away by `foreground = { above = -500 }`; the table, which is denser, by
/// the mask of a body.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Index of the first voxel that remains, along x, y, z; 0 where the axis keeps all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "voxels"))]
    pub start: Option<[u32; 3]>,
    /// Number of voxels that remain along x, y, z; "all" keeps an axis as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[1, 2147483648]"))]
    pub size: Option<[Extent; 3]>,
    /// Number of voxels that are cut along x, y, z: one for both sides, or `[first, last]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[0, 2147483648]"))]
    pub margin: Option<[Sides<u32>; 3]>,
    /// Fraction of the size that is cut along x, y, z, without unit: one for both sides, or
    /// `[first, last]`. Each side loses `floor(p n)` voxels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "[0, 1)"))]
    pub margin_fraction: Option<[Sides<f64>; 3]>,
    /// Keeps the smallest box that holds these voxels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreground: Option<Foreground>,
    /// What is kept around the foreground, rounded up to whole voxels, as far as there is something.
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "mm", "x-bounds" = "[0, 1000000]"))]
    pub margin_mm: Option<f64>,
}

/// One value for both ends of an axis, or one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Sides<T> {
    /// At the first and at the last voxel alike.
    Both(T),
    /// At the first voxel, and at the last.
    Each([T; 2]),
}

impl<T: Copy> Sides<T> {
    fn each(self) -> [T; 2] {
        match self {
            Self::Both(value) => [value; 2],
            Self::Each(both) => both,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sides<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SidesVisitor(PhantomData))
    }
}

struct SidesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SidesVisitor<T> {
    type Value = Sides<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one number for both sides, or [first, last]")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Sides<T>, E> {
        T::deserialize(value.into_deserializer()).map(Sides::Both)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Sides<T>, E> {
        T::deserialize(value.into_deserializer()).map(Sides::Both)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Sides<T>, E> {
        T::deserialize(value.into_deserializer()).map(Sides::Both)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, both: A) -> Result<Sides<T>, A::Error> {
        let both = Vec::deserialize(SeqAccessDeserializer::new(both))?;
        let wrong = |all: Vec<T>| de::Error::invalid_length(all.len(), &self);
        both.try_into().map(Sides::Each).map_err(wrong)
    }
}

impl<T: JsonSchema> JsonSchema for Sides<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Sides{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({
            "anyOf": [
                one,
                { "type": "array", "items": one, "minItems": 2, "maxItems": 2 },
            ]
        })
    }
}

impl Params for Crop {
    fn check(&self) -> Result<()> {
        if self.start.is_some() != self.size.is_some() {
            let (given, missing) = match self.start {
                Some(_) => ("start", "size"),
                None => ("size", "start"),
            };
            return Err(Error::parameter(format!("is missing beside `{given}`"))
                .field(missing)
                .remedy("spatial.crop_or_pad crops about the middle"));
        }
        let forms = [
            self.size.is_some(),
            self.margin.is_some(),
            self.margin_fraction.is_some(),
            self.foreground.is_some(),
        ];
        if forms.into_iter().filter(|given| *given).count() != 1 {
            return Err(Error::parameter(
                "give one of `start` with `size`, `margin`, `margin_fraction` and `foreground`",
            ));
        }
        if self.margin_mm.is_some() && self.foreground.is_none() {
            return Err(Error::parameter("belongs to `foreground`").field("margin_mm"));
        }
        let (Some(start), Some(size)) = (self.start, self.size) else {
            return Ok(());
        };
        match (0..3).find(|&i| size[i] == Extent::All && start[i] > 0) {
            Some(i) => Err(
                Error::parameter("must be 0 where the axis keeps all its voxels")
                    .field(format!("start[{i}]")),
            ),
            None => Ok(()),
        }
    }
}

const AXES: [&str; 3] = ["x", "y", "z"];

/// How many voxels a fraction of an axis is.
fn share(fraction: f64, n: usize) -> usize {
    // 1e-9 keeps 0.29 * 100 from falling below 29
    (fraction * n as f64 + 1e-9) as usize
}

/// The first voxel that remains and how many do, where both sides of each axis lose some.
fn cut(lost: [[usize; 2]; 3], full: [usize; 3], name: &str) -> Result<Motion> {
    for i in 0..3 {
        let [first, last] = lost[i];
        if first + last >= full[i] {
            return Err(Error::parameter(format!(
                "{first} and {last} voxels of {} are cut away, '{name}' has {}",
                AXES[i], full[i]
            ))
            .remedy("crop less"));
        }
    }
    let size = [0, 1, 2].map(|i| full[i] - lost[i][0] - lost[i][1]);
    Ok(Motion::window(lost.map(|[first, _]| first as i64), size))
}

impl Crop {
    fn foreground(&self, input: &Input<'_>, chosen: &Foreground) -> Result<Motion> {
        let (full, spacing) = (input.geometry().size(), input.geometry().spacing());
        let [low, high] = bounding_box(input, chosen)?;
        let mm = self.margin_mm.unwrap_or(0.0);
        // 1e-6 voxel forgives rounding
        let margin = spacing.map(|s| i64::from((mm / s - 1e-6).ceil() as u32));
        let last = full.map(|n| n as i64 - 1);
        let low = [0, 1, 2].map(|i| (low[i] - margin[i]).max(0));
        let high = [0, 1, 2].map(|i| (high[i] + margin[i]).min(last[i]));
        let size = [0, 1, 2].map(|i| (high[i] - low[i] + 1) as usize);
        Ok(Motion::window(low, size))
    }
}

impl Spatial for Crop {
    fn reads(&self) -> Reads {
        match self.foreground {
            Some(_) => Reads::Voxels,
            None => Reads::Header,
        }
    }

    fn is_index_exact(&self) -> bool {
        true
    }

    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        let (full, name) = (input.geometry().size(), input.name());
        if let Some(margin) = self.margin {
            let lost = margin.map(|sides| sides.each().map(|n| n as usize));
            return cut(lost, full, name).map_err(|error| error.field("margin"));
        }
        if let Some(margin) = self.margin_fraction {
            let lost = [0, 1, 2].map(|i| margin[i].each().map(|p| share(p, full[i])));
            return cut(lost, full, name).map_err(|error| error.field("margin_fraction"));
        }
        if let Some(chosen) = &self.foreground {
            let cropped = self.foreground(input, chosen);
            return cropped.map_err(|error| error.field("foreground"));
        }
        let start = self.start.unwrap_or_default();
        let size = self.size.unwrap_or([Extent::All; 3]);
        let size = [0, 1, 2].map(|i| size[i].of(full[i]));
        for (i, axis) in AXES.into_iter().enumerate() {
            let end = u64::from(start[i]) + size[i] as u64;
            if end > full[i] as u64 {
                return Err(Error::parameter(format!(
                    "voxels {} to {end} of {axis} are asked for, '{name}' has {}",
                    start[i], full[i]
                ))
                .field("size")
                .remedy("ask for fewer, or use spatial.crop_or_pad"));
            }
        }
        Ok(Motion::window(start.map(i64::from), size))
    }
}

register!(Crop: Spatial, "spatial.crop", "start = [1, 1, 0]\nsize = [6, 6, \"all\"]");

#[cfg(test)]
mod tests {
    use super::*;

    fn crop(text: &str) -> Result<Crop, String> {
        let crop: Crop = serde_json::from_str(text).map_err(|e| e.to_string())?;
        crop.check().map_err(|e| e.to_string())?;
        Ok(crop)
    }

    /// SPA-13: a full axis keeps all its voxels; the affine moves with the first voxel.
    #[test]
    fn the_first_voxel_that_remains_keeps_its_place() {
        let own = Geometry::aligned([64; 3], [1.0, 2.0, 3.0], [5.0; 3]).unwrap();
        let crop = crop(r#"{"start": [10, 0, 1], "size": [32, "all", 32]}"#).unwrap();
        let motion = Motion::window([10, 0, 1], [32, 64, 32]);
        let new = crop.grid(&motion, &own, &own).unwrap();
        assert_eq!(new.size(), [32, 64, 32]);
        assert_eq!(new.origin(), [15.0, 5.0, 8.0]);
    }

    #[test]
    fn a_volume_on_another_grid_keeps_the_voxels_whose_centres_lie_in_the_box() {
        let reference = Geometry::aligned([10; 3], [1.0; 3], [0.0; 3]).unwrap();
        let coarse = Geometry::aligned([5; 3], [2.0; 3], [0.5; 3]).unwrap();
        // reference voxels 2..8 cover -0.5 + 2 .. 7.5 mm; coarse centres there: 2.5, 4.5, 6.5
        let motion = Motion::window([2; 3], [6; 3]);
        let crop = crop(r#"{"start": [2, 2, 2], "size": [6, 6, 6]}"#).unwrap();
        let new = crop.grid(&motion, &coarse, &reference).unwrap();
        assert_eq!((new.size(), new.origin()), ([3; 3], [2.5; 3]));
    }

    /// SPA-16: ten per cent of (736, 736, 31) is 73 of 736 at either side; one value or two.
    #[test]
    fn margins_are_cut_from_both_sides() {
        let full = [736, 736, 31];
        let window = |motion: Motion| motion.window.map(|w| (w.start, w.size)).unwrap();
        let fractions = [[0.1, 0.1], [0.1, 0.1], [0.0, 0.0]];
        let lost = [0, 1, 2].map(|i| fractions[i].map(|p| share(p, full[i])));
        assert_eq!(
            window(cut(lost, full, "ct").unwrap()),
            ([73, 73, 0], [590, 590, 31])
        );
        let lost = [[100, 100], [100, 100], [0, 0]];
        assert_eq!(
            window(cut(lost, full, "ct").unwrap()),
            ([100, 100, 0], [536, 536, 31])
        );
        assert_eq!(
            [share(0.29, 100), share(0.1, 448), share(0.999, 10)],
            [29, 44, 9]
        );
        let error = cut([[1, 30], [0, 0], [0, 0]], [31, 1, 1], "ct").unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 and 30 voxels of x are cut away, 'ct' has 31; crop less"
        );
        let one_or_two = crop(r#"{"margin": [1, [2, 3], 4]}"#)
            .unwrap()
            .margin
            .unwrap();
        assert_eq!(one_or_two.map(Sides::each), [[1, 1], [2, 3], [4, 4]]);
    }

    #[test]
    fn one_form_of_box_is_given() {
        assert!(crop(r#"{"foreground": "nonzero", "margin_mm": 5}"#).is_ok());
        assert!(crop(r#"{"foreground": {"mask": "lungs"}}"#).is_ok());
        for (text, says) in [
            ("{}", "give one of"),
            (r#"{"size": [1, 1, 1]}"#, "start: is missing"),
            (r#"{"start": [0, 0, 0]}"#, "size: is missing"),
            (
                r#"{"margin": [1, 1, 1], "foreground": "nonzero"}"#,
                "give one of",
            ),
            (
                r#"{"margin": [1, 1, 1], "margin_mm": 1}"#,
                "belongs to `foreground`",
            ),
            (
                r#"{"foreground": "all"}"#,
                "expected one of `nonzero`, `above`, `mask`",
            ),
            (
                r#"{"start": [0, 0, 3], "size": [1, 1, "all"]}"#,
                "start[2]: must be 0",
            ),
            (r#"{"margin": [1, 1, "two"]}"#, "or [first, last]"),
            (
                r#"{"margin": [1, 1, [1, 2, 3]]}"#,
                "invalid length 3, expected one",
            ),
        ] {
            let error = crop(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
