//! `intensity.percentile_clip`: values limited to percentiles of the image.

use voxprep_core::prelude::*;

/// Limits the values of images to two of their percentiles.
///
/// # Notes
/// Percentiles are interpolated linearly between sorted values (Hyndman and Fan 1996, type 7;
/// NumPy's `linear`), exactly, and measured for each channel. The element type stays: percentiles
/// of integers may be rounded half to even.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PercentileClip {
    /// Values below this percentile become it: 0 to 100, below `high`. Default 5.
    #[serde(default = "five")]
    #[schemars(extend("x-unit" = "%"))]
    pub low: f64,
    /// Values above this percentile become it: 0 to 100. Default 95.
    #[serde(default = "ninety_five")]
    #[schemars(extend("x-unit" = "%"))]
    pub high: f64,
    /// Over which voxels the percentiles are measured. Default "all".
    #[serde(default)]
    pub over: Over,
}

fn five() -> f64 {
    5.0
}

fn ninety_five() -> f64 {
    95.0
}

impl Params for PercentileClip {
    fn check(&self) -> Result<()> {
        for (name, value) in [("low", self.low), ("high", self.high)] {
            if !(0.0..=100.0).contains(&value) {
                return Err(
                    Error::parameter(format!("must be in [0, 100], got {value}")).field(name),
                );
            }
        }
        if self.low >= self.high {
            let reason = format!("({}) is not below high ({})", self.low, self.high);
            return Err(Error::parameter(reason).field("low"));
        }
        Ok(())
    }
}

impl Pointwise for PercentileClip {
    fn reads(&self) -> Reads {
        Reads::Voxels
    }

    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Curve> {
        let channels = 0..input.header().channels.len();
        let curves = channels.map(|channel| {
            match input.percentiles(channel, &self.over, &[self.low, self.high])?[..] {
                [low, high] => Ok(Curve::clamp(low, high)),
                _ => Err(Error::plugin("two percentiles were asked for")),
            }
        });
        Ok(Curve::per_channel(curves.collect::<Result<_>>()?))
    }
}

register!(PercentileClip: Pointwise, "intensity.percentile_clip", "low = 0.5\nhigh = 99.5");

#[cfg(test)]
mod tests {
    use super::*;

    /// INT-01, B-01: bad order and bad percentiles are refused by name.
    #[test]
    fn low_is_below_high_and_both_are_percentiles() {
        let check = |low, high| {
            let clip = PercentileClip {
                low,
                high,
                over: Over::All,
            };
            clip.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(5.0, 95.0), Ok(()));
        assert!(
            check(95.0, 5.0)
                .unwrap_err()
                .starts_with("low: (95) is not below")
        );
        assert!(
            check(-1.0, 95.0)
                .unwrap_err()
                .starts_with("low: must be in [0, 100]")
        );
        assert!(check(5.0, 100.5).unwrap_err().starts_with("high: must be"));
    }
}
