//! `intensity.zscore`: mean 0 and standard deviation 1.

use voxprep_core::prelude::*;
use voxprep_core::transform::Per;

/// Shifts and scales images to mean 0 and standard deviation 1, as f32.
///
/// # Notes
/// Mean and standard deviation (divisor n) are measured over the chosen voxels and applied to all,
/// unless `outside` says otherwise. Where the chosen voxels have one value, all become 0, with a
/// finding. NaN is left out of the statistics.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zscore {
    /// Over which voxels mean and standard deviation are measured. Default "all".
    #[serde(default)]
    pub over: Over,
    /// What becomes of the voxels that were not chosen. Default "scaled".
    #[serde(default)]
    pub outside: Outside,
    /// Whether each channel has its own mean and standard deviation. Default "channel".
    #[serde(default)]
    pub per: Per,
}

/// What becomes of the voxels that were not chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// They are shifted and scaled like the others.
    #[default]
    Scaled,
    /// They become 0.
    Zero,
}

impl Params for Zscore {}

impl Pointwise for Zscore {
    fn reads(&self) -> Reads {
        Reads::Voxels
    }

    fn unit(&self, _: Unit) -> Unit {
        Unit::Normalised
    }

    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Curve> {
        let mask = match &self.over {
            Over::NonZero => Some(Mask::NonZero),
            Over::Above(bound) => Some(Mask::Above(*bound)),
            Over::Mask(name) => Some(Mask::Volume(name.clone())),
            _ => None,
        };
        let mut curves = Vec::new();
        for data in input.summaries(&self.over, self.per)? {
            if data.count == 0 {
                return Err(
                    Error::input(format!("no voxel of '{}' is chosen", input.name()))
                        .field("over")
                        .remedy("choose others, e.g. over = \"all\""),
                );
            }
            let std = data.variance.sqrt();
            if !std.is_finite() {
                return Err(input.infinite());
            }
            // rounding leaves a trace of variance in equal values
            let curve = if data.min < data.max && std > 0.0 {
                Curve::linear(data.mean, 1.0 / std, 0.0)
            } else {
                input.report(Finding::warning(
                    "intensity.constant",
                    format!(
                        "the chosen voxels all have the value {}; all become 0",
                        data.mean
                    ),
                ));
                Curve::constant(0.0)
            };
            curves.push(match (&mask, self.outside) {
                (Some(mask), Outside::Zero) => curve.where_mask(mask.clone(), Curve::constant(0.0)),
                _ => curve,
            });
        }
        Ok(Curve::per_channel(curves))
    }
}

register!(Zscore: Pointwise, "intensity.zscore", "over = \"nonzero\"\noutside = \"zero\"");
