//! `augment.affine`: the subject scaled, sheared, turned and moved at random.

use voxprep_core::kernels::affine::Parts;
use voxprep_core::prelude::*;

/// Scales, shears, turns and moves the subject at random; every volume keeps its grid.
///
/// # Notes
/// A point w goes to `C + t + Rz Ry Rx H S (w - C)`, where C is the middle of the reference volume:
/// scaled, sheared, turned about x, then y, then z, and moved. The axes are those of the world, LPS+: x
/// to the left, y to the back, z up; angles are right-handed. One distribution stands for three axes,
/// each with its own draw. What leaves the field of view is lost, what enters it is filled.
///
/// The defaults are those of TorchIO's `RandomAffine`, which turns about y, then x, then z of RAS+.
/// In an image of one slice everything stays in the slice: it turns about its normal, by the angle of
/// the axis that is nearest to it, and what leads out of it is left out.
///
/// `spatial.affine` moves by a map that is given.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    /// The magnification along x, y, z, without unit; above 1 things grow. Default uniform in 0.9 to
    /// 1.1 for each axis.
    #[serde(default = "about_one")]
    #[schemars(extend("x-bounds" = "(0, 100]"))]
    pub scale: PerAxis<Param>,
    /// Whether one draw of `scale` holds for all axes. Default false.
    #[serde(default)]
    pub isotropic: bool,
    /// The angles about x, y, z. Default uniform in -10 to 10 for each axis.
    #[serde(default = "ten_either_way")]
    #[schemars(extend("x-unit" = "degrees", "x-bounds" = "[-360, 360]"))]
    pub angles_deg: PerAxis<Param>,
    /// How far things move along x, y, z. Default 0.
    #[serde(default = "none")]
    #[schemars(extend("x-unit" = "mm", "x-bounds" = "[-1000000, 1000000]"))]
    pub translation_mm: PerAxis<Param>,
    /// How much x grows with y, x with z, and y with z: tangents, without unit. Default 0.
    #[serde(default = "none")]
    #[schemars(extend("x-bounds" = "[-10, 10]"))]
    pub shear: PerAxis<Param>,
}

fn about_one() -> PerAxis<Param> {
    PerAxis::All(Param::uniform(0.9, 1.1))
}

fn ten_either_way() -> PerAxis<Param> {
    PerAxis::All(Param::uniform(-10.0, 10.0))
}

fn none() -> PerAxis<Param> {
    PerAxis::All(Param::Fixed(0.0))
}

impl Params for Affine {
    fn check(&self) -> Result<()> {
        match self.scale {
            PerAxis::Each(_) if self.isotropic => Err(Error::parameter(
                "has a factor for each axis, and is isotropic",
            )
            .field("scale")
            .remedy("give one factor, or isotropic = false")),
            _ => Ok(()),
        }
    }
}

impl Affine {
    fn draw(&self, rng: &mut Stream) -> Parts {
        let scale = match &self.scale {
            PerAxis::All(param) if self.isotropic => [param.draw(rng); 3],
            scale => scale.each().map(|param| param.draw(rng)),
        };
        Parts {
            scale,
            angles_deg: self.angles_deg.each().map(|param| param.draw(rng)),
            translation: self.translation_mm.each().map(|param| param.draw(rng)),
            shear: self.shear.each().map(|param| param.draw(rng)),
        }
    }
}

impl Spatial for Affine {
    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Motion> {
        let grid = input.geometry();
        let map = self.draw(rng).within(&grid.span(), grid.centre());
        Ok(Motion::map(WorldMap::affine(map)?))
    }
}

register!(Affine: Spatial, "augment.affine", "scale = { uniform = [0.9, 1.1] }\nangles_deg = { uniform = [-15, 15] }\ntranslation_mm = { uniform = [-5, 5] }");

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::stream::Seed;

    fn affine(text: &str) -> Affine {
        serde_json::from_str(text).unwrap()
    }

    fn draws(affine: &Affine, count: u64) -> Vec<Parts> {
        let stream = |subject| {
            let seed = Seed {
                seed: 1,
                subject,
                epoch: 0,
            };
            Stream::new(seed, "affine")
        };
        (0..count).map(|i| affine.draw(&mut stream(i))).collect()
    }

    /// AUG-03, AUG-04, AUG-05, B-10: what is asked for is drawn, for each axis on its own, over the
    /// whole range and no more.
    #[test]
    fn every_parameter_is_drawn_for_each_axis() {
        let policy = affine(
            r#"{"scale": {"uniform": [0.9, 1.1]}, "angles_deg": {"uniform": [-15, 15]},
                "translation_mm": {"uniform": [-10, 10]}, "shear": {"uniform": [-0.1, 0.1]}}"#,
        );
        let draws = draws(&policy, 4000);
        type Of = fn(&Parts) -> [f64; 3];
        let drawn: [(Of, f64, f64); 4] = [
            (|p| p.scale, 1.0, 0.1),
            (|p| p.angles_deg, 0.0, 15.0),
            (|p| p.translation, 0.0, 10.0),
            (|p| p.shear, 0.0, 0.1),
        ];
        for axis in 0..3 {
            for (value, middle, reach) in drawn {
                // half the range on average; four standard errors are 0.0183
                let away = draws
                    .iter()
                    .map(|p| ((value(p)[axis] - middle) / reach).abs());
                assert!(away.clone().all(|v| v <= 1.0 + 1e-12));
                let mean = away.sum::<f64>() / 4000.0;
                assert!((mean - 0.5).abs() < 0.019, "{mean} along {axis}");
            }
            let next = (axis + 1) % 3;
            assert!(draws.iter().all(|p| p.scale[axis] != p.scale[next]));
        }
    }

    /// AUG-05: five per cent of an axis of 200 mm moves by 2.5 % on average.
    #[test]
    fn a_translation_of_five_per_cent_moves_by_half_of_it_on_average() {
        let policy = affine(r#"{"translation_mm": {"uniform": [-10, 10]}}"#);
        let moved = draws(&policy, 4000);
        let mean = moved.iter().map(|p| p.translation[0].abs()).sum::<f64>() / 4000.0;
        assert!((mean / 200.0 - 0.025).abs() < 0.001, "{mean}");
    }

    #[test]
    fn an_isotropic_scale_is_one_draw() {
        let same = affine(r#"{"isotropic": true}"#);
        assert!(draws(&same, 50).iter().all(|p| p.scale == [p.scale[0]; 3]));
        assert!(
            affine(r#"{"isotropic": true, "scale": [1, 1, 2]}"#)
                .check()
                .is_err()
        );
    }
}
