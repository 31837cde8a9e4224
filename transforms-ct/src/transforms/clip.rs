//! `ct.clip`: Hounsfield units limited to a range.

use voxprep_core::prelude::*;

/// Limits Hounsfield units to a range, ends included.
///
/// The element type stays, and so does the unit.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// A named range; or give `low` and `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<ClipPreset>,
    /// Smaller values become this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "HU"))]
    pub low: Option<Param>,
    /// Larger values become this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "HU"))]
    pub high: Option<Param>,
    /// Whether the fractions below, inside and above the range go into the report. Reads the
    /// voxels first. Default false.
    #[serde(default)]
    pub report: bool,
}

/// A named range of Hounsfield units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClipPreset {
    /// -200 to 400: soft tissue.
    SoftTissue,
    /// -1000 to 1000: the whole body, from air to dense bone.
    Full,
    /// -200 to 3000: bone.
    Bone,
    /// -1200 to 600: lung nodules, as in the LUNA16 challenge (Setio et al. 2017).
    Luna16,
    /// -1500 to 600: lung, with room below air.
    LungWide,
    /// -1024 to 600: lung segmentation networks of the lungmask family (Hofmanninger et al. 2020).
    Lungnet,
    /// -57 to 164: liver, as in MONAI's spleen and liver tutorials.
    Liver,
}

impl ClipPreset {
    fn bounds(self) -> (f64, f64) {
        match self {
            Self::SoftTissue => (-200.0, 400.0),
            Self::Full => (-1000.0, 1000.0),
            Self::Bone => (-200.0, 3000.0),
            Self::Luna16 => (-1200.0, 600.0),
            Self::LungWide => (-1500.0, 600.0),
            Self::Lungnet => (-1024.0, 600.0),
            Self::Liver => (-57.0, 164.0),
        }
    }
}

impl Params for Clip {
    fn check(&self) -> Result<()> {
        match (self.preset, &self.low, &self.high) {
            (Some(_), None, None) => Ok(()),
            (None, Some(low), Some(high)) if low.range().1 <= high.range().0 => Ok(()),
            (None, Some(_), Some(_)) => Err(Error::parameter("can be above `high`")
                .field("low")
                .remedy("give the smaller number as low")),
            _ => Err(Error::parameter(
                "give either `preset`, or `low` and `high`",
            )),
        }
    }
}

impl Pointwise for Clip {
    fn reads(&self) -> Reads {
        if self.report {
            Reads::Voxels
        } else {
            Reads::Header
        }
    }

    fn needs(&self) -> Needs {
        Needs::Hu
    }

    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Curve> {
        let (low, high) = match (self.preset, &self.low, &self.high) {
            (Some(preset), ..) => preset.bounds(),
            (None, Some(low), Some(high)) => (low.draw(rng), high.draw(rng)),
            _ => {
                return Err(Error::parameter(
                    "give either `preset`, or `low` and `high`",
                ));
            }
        };
        if self.report {
            input.report_saturation("ct.clipped", low, high)?;
        }
        Ok(Curve::clamp(low, high))
    }
}

register!(Clip: Pointwise, "ct.clip", "preset = \"luna16\"");

#[cfg(test)]
mod tests {
    use super::*;

    /// CT-13: both lung ranges exist, under different names.
    #[test]
    fn the_presets_have_their_published_bounds() {
        use ClipPreset::*;
        let bounds = [SoftTissue, Full, Bone, Luna16, LungWide].map(ClipPreset::bounds);
        assert_eq!(
            bounds,
            [
                (-200., 400.),
                (-1000., 1000.),
                (-200., 3000.),
                (-1200., 600.),
                (-1500., 600.)
            ]
        );
    }

    /// CT-12
    #[test]
    fn the_ends_stay_as_they_are() {
        let curve = Curve::clamp(-1000.0, 1000.0);
        let image = [-1001.0, -1000.0, 1000.0, 1001.0].map(|v| curve.form().value(v).unwrap());
        assert_eq!(image, [-1000.0, -1000.0, 1000.0, 1000.0]);
    }
}
