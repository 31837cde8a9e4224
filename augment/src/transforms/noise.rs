//! `augment.noise`: Gaussian noise.

use voxprep_core::prelude::*;

/// Adds Gaussian noise to images, drawn for every voxel.
///
/// # Notes
/// The noise of a voxel depends on the seed, the subject, the epoch, the step, the name of the
/// volume and the voxel's index alone, so it is the same for any number of threads and independent
/// between volumes. The element type stays: integers are rounded half to even.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Standard deviation, in the unit of the image.
    #[schemars(extend("x-bounds" = "[0, inf)"))]
    pub std: Param,
    /// Mean, in the unit of the image. Default 0.
    #[serde(default = "zero")]
    pub mean: Param,
}

fn zero() -> Param {
    Param::Fixed(0.0)
}

impl Params for Noise {}

impl Pointwise for Noise {
    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Curve> {
        let (std, mean) = (self.std.draw(rng), self.mean.draw(rng));
        let field = rng.field(input.name(), 0);
        Ok(Curve::at(Additive { field, mean, std }))
    }
}

/// Noise to add, voxel by voxel.
struct Additive {
    field: Field,
    mean: f64,
    std: f64,
}

impl MapVoxel for Additive {
    fn apply(&self, channel: usize, start: usize, values: &mut [f32]) {
        let (mean, std) = (self.mean as f32, self.std as f32);
        self.field
            .for_each_normal(channel, start, values, |v, z| v + (mean + std * z));
    }

    fn apply_f64(&self, channel: usize, start: usize, values: &mut [f64]) {
        let (mean, std) = (self.mean, self.std);
        self.field.for_each_normal(channel, start, values, |v, z| {
            v + (mean + std * f64::from(z))
        });
    }

    fn fill(&self, value: f64) -> f64 {
        value + self.mean
    }
}

register!(Noise: Pointwise, "augment.noise", "std = { uniform = [0, 0.1] }");
