//! `spatial.affine`: the subject moved by a given affine map.

use voxprep_core::kernels::affine::{Affine as Map, Parts};
use voxprep_core::prelude::*;

/// Moves the subject by a given affine map of the world; every volume keeps its grid.
///
/// # Notes
/// A point w goes to `C + t + Rz Ry Rx H S (w - C)`: scaled, sheared, turned about x, then y, then z,
/// and moved. The axes are those of the world, LPS+: x to the left, y to the back, z up; angles are
/// right-handed. What leaves the field of view is lost, what enters it is filled.
///
/// In an image of one slice everything stays in the slice: it turns about its normal, by the angle of
/// the axis that is nearest to it, and what leads out of it is left out. A `matrix` is taken as it is.
///
/// `augment.affine` draws such a map.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    /// How far things move along x, y, z. Default 0.
    #[serde(default)]
    #[schemars(extend("x-unit" = "mm", "x-bounds" = "[-1000000, 1000000]"))]
    pub translation_mm: [f64; 3],
    /// The angles about x, y, z. Default 0.
    #[serde(default)]
    #[schemars(extend("x-unit" = "degrees", "x-bounds" = "[-360, 360]"))]
    pub angles_deg: [f64; 3],
    /// The magnification along x, y, z, without unit; above 1 things grow. Default 1.
    #[serde(default = "one")]
    #[schemars(extend("x-bounds" = "(0, 100]"))]
    pub scale: PerAxis<f64>,
    /// How much x grows with y, x with z, and y with z: tangents, without unit. Default 0.
    #[serde(default)]
    #[schemars(extend("x-bounds" = "[-10, 10]"))]
    pub shear: [f64; 3],
    /// The first three rows of the map of the world, `[[xx, xy, xz, tx], ...]`, translation in mm;
    /// instead of the parts above and `centre`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<[[f64; 4]; 3]>,
    /// The point C that scaling, shear and rotation leave where it is, x, y, z of the world. Default
    /// the middle of the reference volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "mm", "x-bounds" = "[-1000000, 1000000]"))]
    pub centre: Option<[f64; 3]>,
}

fn one() -> PerAxis<f64> {
    PerAxis::All(1.0)
}

impl Affine {
    fn parts(&self) -> Parts {
        Parts {
            scale: self.scale.each().map(|s| *s),
            shear: self.shear,
            angles_deg: self.angles_deg,
            translation: self.translation_mm,
        }
    }
}

impl Params for Affine {
    fn check(&self) -> Result<()> {
        let Some(matrix) = self.matrix else {
            return Ok(());
        };
        if self.parts() != Parts::STILL || self.centre.is_some() {
            return Err(
                Error::parameter("is the whole map: give no other parts beside it").field("matrix"),
            );
        }
        WorldMap::affine(Map::from_rows(matrix)).map_err(|error| error.field("matrix"))?;
        Ok(())
    }
}

impl Spatial for Affine {
    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        let grid = input.geometry();
        let map = match self.matrix {
            Some(rows) => Map::from_rows(rows),
            None => {
                let centre = self.centre.unwrap_or_else(|| grid.centre());
                self.parts().within(&grid.span(), centre)
            }
        };
        Ok(Motion::map(WorldMap::affine(map)?))
    }
}

register!(Affine: Spatial, "spatial.affine", "angles_deg = [0, 0, 10]\ntranslation_mm = [5, 0, 0]\nscale = 1.1");

#[cfg(test)]
mod tests {
    use super::*;

    fn affine(text: &str) -> Result<Affine, String> {
        let affine: Affine = serde_json::from_str(text).map_err(|e| e.to_string())?;
        affine.check().map_err(|e| e.to_string())?;
        Ok(affine)
    }

    #[test]
    fn a_matrix_stands_alone_and_can_be_undone() {
        assert!(affine("{}").is_ok());
        let shift = "[[1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0]]";
        assert!(affine(&format!(r#"{{"matrix": {shift}}}"#)).is_ok());
        let both = format!(r#"{{"matrix": {shift}, "scale": 2}}"#);
        assert!(
            affine(&both)
                .unwrap_err()
                .starts_with("matrix: is the whole map")
        );
        let flat = r#"{"matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]]}"#;
        assert!(affine(flat).unwrap_err().starts_with("matrix: "));
    }

    /// SPA-06: a factor for each axis of the world, about the centre.
    #[test]
    fn each_axis_has_its_own_magnification() {
        let affine = affine(r#"{"scale": [2, 1, 0.5]}"#).unwrap();
        let map = affine.parts().about([10.0, 10.0, 10.0]);
        assert_eq!(map.apply([11.0, 11.0, 12.0]), [12.0, 11.0, 11.0]);
    }
}
