//! `intensity.clip`: values limited to a range.

use voxprep_core::prelude::*;

/// Limits the values of images to a range, ends included.
///
/// The element type stays. NaN stays NaN.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// Smaller values become this, in the unit of the image.
    pub low: Param,
    /// Larger values become this, in the unit of the image.
    pub high: Param,
}

impl Params for Clip {
    fn check(&self) -> Result<()> {
        if self.low.range().1 > self.high.range().0 {
            return Err(Error::parameter("can be above `high`")
                .field("low")
                .remedy("give the smaller number as low"));
        }
        Ok(())
    }
}

impl Pointwise for Clip {
    fn resolve(&self, _: &Input<'_>, rng: &mut Stream) -> Result<Curve> {
        let (low, high) = (self.low.draw(rng), self.high.draw(rng));
        Ok(Curve::clamp(low, high))
    }
}

register!(Clip: Pointwise, "intensity.clip", "low = 10\nhigh = 240");

#[cfg(test)]
mod tests {
    use super::*;

    /// INT-02: inclusive at both ends.
    #[test]
    fn the_ends_belong_to_the_range() {
        let curve = Curve::clamp(10.0, 240.0);
        let image = [0.0, 10.0, 100.0, 240.0, 255.0].map(|v| curve.form().value(v).unwrap());
        assert_eq!(image, [10.0, 10.0, 100.0, 240.0, 240.0]);
    }

    /// G-07
    #[test]
    fn low_above_high_is_refused() {
        let clip = Clip {
            low: 5.0.into(),
            high: 4.0.into(),
        };
        assert!(clip.check().unwrap_err().to_string().contains("low"));
    }
}
