//! `intensity.rescale`: values mapped linearly onto a range.

use voxprep_core::prelude::*;
use voxprep_core::transform::Per;

/// Maps the values of images linearly onto a range, as f32.
///
/// # Notes
/// `low` and `high` name the output. The input range is the data's minimum and maximum, or
/// `from_low` and `from_high` where they are given. An image of one value becomes `low`, with a
/// finding.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rescale {
    /// Image of the lower end of the input range, without unit. Default 0.
    #[serde(default)]
    pub low: f64,
    /// Image of the upper end of the input range, without unit. Default 1.
    #[serde(default = "one")]
    pub high: f64,
    /// Lower end of the input range, in the unit of the image; the data's minimum otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_low: Option<f64>,
    /// Upper end of the input range, in the unit of the image; the data's maximum otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_high: Option<f64>,
    /// Whether what lies outside the input range is limited to the output range. Default true.
    #[serde(default = "yes")]
    pub clamp: bool,
    /// Whether each channel has its own minimum and maximum. Default "channel".
    #[serde(default)]
    pub per: Per,
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

impl Params for Rescale {
    fn check(&self) -> Result<()> {
        if let (Some(low), Some(high)) = (self.from_low, self.from_high)
            && low >= high
        {
            return Err(
                Error::parameter(format!("({low}) is not below from_high ({high})"))
                    .field("from_low"),
            );
        }
        if self.low >= self.high {
            return Err(Error::parameter(format!(
                "({}) is not below high ({})",
                self.low, self.high
            ))
            .field("low"));
        }
        Ok(())
    }
}

impl Rescale {
    fn curve(&self, low: f64, high: f64) -> Curve {
        let range = [self.low, self.high];
        let line = Curve::linear_between(low, high, range);
        if self.clamp {
            line.clamp_to(range)
        } else {
            line
        }
    }
}

impl Pointwise for Rescale {
    fn reads(&self) -> Reads {
        match (self.from_low, self.from_high) {
            (Some(_), Some(_)) => Reads::Header,
            _ => Reads::Voxels,
        }
    }

    fn unit(&self, _: Unit) -> Unit {
        Unit::Normalised
    }

    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Curve> {
        if let (Some(low), Some(high)) = (self.from_low, self.from_high) {
            return Ok(self.curve(low, high));
        }
        let summaries = input.summaries(&Over::All, self.per)?;
        if summaries
            .iter()
            .any(|data| data.min.is_infinite() || data.max.is_infinite())
        {
            return Err(input.infinite());
        }
        let curves = summaries.into_iter().map(|data| {
            let low = self.from_low.unwrap_or(data.min);
            let high = self.from_high.unwrap_or(data.max);
            if low < high {
                return self.curve(low, high);
            }
            input.report(Finding::warning(
                "intensity.constant",
                format!(
                    "the values span no range ({low} to {high}); all become {}",
                    self.low
                ),
            ));
            Curve::constant(self.low)
        });
        Ok(Curve::per_channel(curves.collect()))
    }
}

register!(Rescale: Pointwise, "intensity.rescale", "low = 0\nhigh = 1");

#[cfg(test)]
mod tests {
    use super::*;

    /// INT-05, B-30: -1000..400 onto 0..1, limited, as floating point whatever the input is.
    #[test]
    fn a_given_range_maps_its_ends_onto_0_and_1() {
        let rescale = Rescale {
            low: 0.0,
            high: 1.0,
            from_low: Some(-1000.0),
            from_high: Some(400.0),
            clamp: true,
            per: Per::Channel,
        };
        assert_eq!(rescale.reads(), Reads::Header);
        let curve = rescale.curve(-1000.0, 400.0);
        assert_eq!(curve.output_type(ElementType::I16), ElementType::F32);
        let image = [-1000.0, -300.0, 400.0, 3000.0].map(|v| curve.form().value(v).unwrap());
        for (a, b) in image.into_iter().zip([0.0, 0.5, 1.0, 1.0]) {
            assert!((a - b).abs() < 1e-12);
        }
    }
}
