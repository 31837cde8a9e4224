//! `augment.gamma`: values raised to a power.

use std::sync::Arc;

use ndarray::ArrayView3;
use rayon::prelude::*;
use voxprep_core::curve::Form;
use voxprep_core::dispatch;
use voxprep_core::kernels::functions::{Functions, exp, pow_in_place};
use voxprep_core::kernels::stats::{Select, Summary, summary};
use voxprep_core::kernels::{Element, Float, pointwise};
use voxprep_core::prelude::*;
use voxprep_core::transform::Per;
use voxprep_core::voxels::channel;

/// Raises the values of images to a power, between their minimum and maximum or as they are.
///
/// # Notes
/// There are two forms:
///
/// - `rescale = true`, as in nnU-Net and MONAI: `((v - min) / (max - min))^gamma (max - min) + min`.
///   Minimum and maximum stay. With `invert` it acts on -v; with `retain_stats` mean and standard
///   deviation (divisor n - 1) are brought back afterwards. An image of one value stays as it is, with a
///   finding.
/// - `rescale = false`, as in TorchIO: `sign(v) |v|^gamma`, which is meant for values about 0 to 1.
///
/// An exponent above 1 darkens, below 1 brightens. The element type stays: integers are rounded half to
/// even. Values outside minimum and maximum, which only the fill value may be, follow as
/// `sign(v) |v|^gamma` does.
///
/// | v | 0 | 25 | 100 |
/// |---|---|---|---|
/// | gamma 0.5 | 0 | 50 | 100 |
/// | gamma 0.5, inverted | 0 | 13.4 | 100 |
///
/// # Reference
/// Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image
/// segmentation", Nature Methods 18 (2021) 203; there `gamma` is drawn from 0.7 to 1.5, half of the
/// draws below 1. Pérez-García et al., "TorchIO", Comput. Methods Programs Biomed. 208 (2021) 106236:
/// `log_gamma = { uniform = [-0.3, 0.3] }`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gamma {
    /// The exponent, without unit; or give `log_gamma`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "(0, 100]"))]
    pub gamma: Option<Param>,
    /// The natural logarithm of the exponent, without unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "[-4, 4]"))]
    pub log_gamma: Option<Param>,
    /// Whether the power acts between minimum and maximum, or on the values as they are. Default true.
    #[serde(default = "yes")]
    pub rescale: bool,
    /// Whether it acts on the negative of the image; with `rescale`. Default false.
    #[serde(default)]
    pub invert: bool,
    /// Whether mean and standard deviation stay; with `rescale`. Default false.
    #[serde(default)]
    pub retain_stats: bool,
    /// Whether each channel has its own minimum, maximum, mean and standard deviation. Default
    /// "channel".
    #[serde(default)]
    pub per: Per,
}

fn yes() -> bool {
    true
}

impl Params for Gamma {
    fn check(&self) -> Result<()> {
        if self.gamma.is_some() == self.log_gamma.is_some() {
            return Err(Error::parameter("give either `gamma` or `log_gamma`"));
        }
        let fields = [("invert", self.invert), ("retain_stats", self.retain_stats)];
        match fields
            .into_iter()
            .find(|(_, given)| *given && !self.rescale)
        {
            Some((name, _)) => Err(Error::parameter("belongs to rescale = true").field(name)),
            None => Ok(()),
        }
    }
}

impl Gamma {
    fn draw(&self, rng: &mut Stream) -> f64 {
        match (&self.gamma, &self.log_gamma) {
            (Some(gamma), _) => gamma.draw(rng),
            (None, Some(log_gamma)) => exp(log_gamma.draw(rng)),
            (None, None) => 1.0,
        }
    }
}

/// `sign(v) |v|^exponent`.
struct SignedPower {
    exponent: f64,
}

impl MapValue for SignedPower {
    fn apply(&self, values: &mut [f32]) {
        signed_power(values, self.exponent as f32);
    }

    fn apply_f64(&self, values: &mut [f64]) {
        signed_power(values, self.exponent);
    }
}

fn signed_power<F: Functions>(values: &mut [F], exponent: F) {
    // values whose signs stay in the first-level cache
    const RUN: usize = 256;
    let mut signed = [F::ZERO; RUN];
    for run in values.chunks_mut(RUN) {
        let signed = &mut signed[..run.len()];
        signed.copy_from_slice(run);
        for v in run.iter_mut() {
            *v = v.abs();
        }
        pow_in_place(run, exponent);
        for (v, s) in run.iter_mut().zip(signed) {
            *v = if *s < F::ZERO { -*v } else { *v };
        }
    }
}

fn power(exponent: f64) -> Curve {
    if exponent == 1.0 {
        return line(0.0, 1.0, 0.0);
    }
    Curve::new(Form::Map(Arc::new(SignedPower { exponent })))
}

/// `(v - from) scale + to` that keeps the element type.
fn line(from: f64, scale: f64, to: f64) -> Curve {
    Curve::linear(from, scale, to).output(Output::Keep)
}

/// Where the power acts: what becomes 0, and how far it is from there to what becomes 1.
#[derive(Clone, Copy)]
struct Range {
    from: f64,
    width: f64,
}

/// Count, mean, and sum of squared deviations from the mean.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn of(summary: &Summary) -> Self {
        if summary.count == 0 {
            return Self::default();
        }
        let count = summary.count as f64;
        Self {
            count,
            mean: summary.mean,
            squares: summary.variance * count,
        }
    }

    /// Those of two sets of voxels together (Chan, Golub and LeVeque 1979).
    fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let (delta, share) = (other.mean - self.mean, other.count / count);
        Self {
            count,
            mean: self.mean + delta * share,
            squares: self.squares + other.squares + delta * delta * self.count * share,
        }
    }

    /// The standard deviation with the divisor n - 1.
    fn std(self) -> f64 {
        (self.squares / (self.count - 1.0).max(1.0)).sqrt()
    }
}

/// Voxels that are measured at once; part of the definition of the sums.
const TASK: usize = 1 << 16;

/// The moments of the powers of some values, these brought to 0..1.
fn powers<T: Element>(values: &[T], range: Range, exponent: f64) -> Moments
where
    T::Float: Functions,
{
    let of_task = |values: &[T]| {
        let mut powers = vec![T::Float::ZERO; values.len()];
        pointwise::widen(values, &mut powers);
        let scale = T::Float::from_f64(1.0 / range.width);
        pointwise::line(
            &mut powers,
            T::Float::from_f64(range.from),
            scale,
            T::Float::ZERO,
        );
        signed_power(&mut powers, T::Float::from_f64(exponent));
        let view = ArrayView3::from_shape((1, 1, powers.len()), &powers);
        view.map_or_else(
            |_| Moments::default(),
            |view| Moments::of(&summary(view, &Select::All)),
        )
    };
    let tasks: Vec<Moments> = values.par_chunks(TASK).map(of_task).collect();
    tasks.into_iter().fold(Moments::default(), Moments::and)
}

/// [`powers`] of one channel.
fn powers_of_channel(input: &Input<'_>, c: usize, range: Range, exponent: f64) -> Result<Moments> {
    Ok(dispatch!(VoxelsView, input.voxels()?, view => {
        let voxels = channel(&view, c);
        powers(voxels.to_slice().unwrap_or_default(), range, exponent)
    }))
}

impl Gamma {
    /// Where the power acts on voxels of these statistics; `None` where they have one value.
    fn range(&self, data: &Summary) -> Option<Range> {
        let (from, width) = match self.invert {
            true => (data.max, data.min - data.max),
            false => (data.min, data.max - data.min),
        };
        // 1e-30 keeps the reciprocal finite in single precision
        (width.abs() > 1e-30).then_some(Range { from, width })
    }

    /// What brings mean and standard deviation back, after the power.
    fn restored(&self, before: &Summary, after: Moments, range: Range) -> Curve {
        let (mean, std) = (
            range.from + after.mean * range.width,
            after.std() * range.width.abs(),
        );
        let least = 1e-7 * range.width.abs();
        line(
            mean,
            Moments::of(before).std() / std.max(least),
            before.mean,
        )
    }
}

impl Pointwise for Gamma {
    fn reads(&self) -> Reads {
        if self.rescale {
            Reads::Voxels
        } else {
            Reads::Header
        }
    }

    fn unit(&self, _: Unit) -> Unit {
        Unit::Normalised
    }

    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Curve> {
        let exponent = self.draw(rng);
        if !self.rescale {
            return Ok(power(exponent));
        }
        let summaries = input.summaries(&Over::All, self.per)?;
        if summaries
            .iter()
            .any(|d| d.min.is_infinite() || d.max.is_infinite())
        {
            return Err(input.infinite());
        }
        let ranges: Vec<Option<Range>> = summaries.iter().map(|data| self.range(data)).collect();
        let mut after = Vec::new();
        if self.retain_stats {
            for (c, range) in ranges.iter().enumerate() {
                after.push(match range {
                    Some(range) => powers_of_channel(input, c, *range, exponent)?,
                    None => Moments::default(),
                });
            }
            if self.per == Per::Volume {
                let whole = after.iter().copied().fold(Moments::default(), Moments::and);
                after.fill(whole);
            }
        }
        let mut curves = Vec::new();
        for (c, (data, range)) in summaries.iter().zip(&ranges).enumerate() {
            let Some(range) = range else {
                input.report(Finding::warning(
                    "intensity.constant",
                    format!(
                        "the values span no range ({} to {}); they stay",
                        data.min, data.max
                    ),
                ));
                curves.push(line(0.0, 1.0, 0.0));
                continue;
            };
            let there = line(range.from, 1.0 / range.width, 0.0);
            let back = line(0.0, range.width, range.from);
            let curve = there.then(power(exponent)).then(back);
            curves.push(match after.get(c) {
                Some(after) => curve.then(self.restored(data, *after, *range)),
                None => curve,
            });
        }
        Ok(Curve::per_channel(curves))
    }
}

register!(Gamma: Pointwise, "augment.gamma", "gamma = { uniform = [0.7, 1.5] }");

#[cfg(test)]
mod tests {
    use super::*;

    fn gamma(text: &str) -> Result<Gamma, String> {
        let gamma: Gamma = serde_json::from_str(text).map_err(|e| e.to_string())?;
        gamma.check().map_err(|e| e.to_string())?;
        Ok(gamma)
    }

    #[test]
    fn one_form_of_exponent_is_given() {
        assert!(gamma(r#"{"log_gamma": 0.3, "rescale": false}"#).is_ok());
        for (text, says) in [
            ("{}", "either"),
            (r#"{"gamma": 1, "log_gamma": 0}"#, "either"),
            (
                r#"{"gamma": 2, "rescale": false, "invert": true}"#,
                "invert: belongs",
            ),
            (
                r#"{"gamma": 2, "rescale": false, "retain_stats": true}"#,
                "retain_stats: belongs",
            ),
        ] {
            assert!(gamma(text).unwrap_err().contains(says), "{text}");
        }
    }

    #[test]
    fn a_power_keeps_the_sign() {
        let curve = power(0.5);
        let values = [-9.0, -0.25, 0.0, 0.25, 9.0].map(|v| curve.form().value(v).unwrap());
        assert_eq!(values, [-3.0, -0.5, 0.0, 0.5, 3.0]);
        assert!(curve.form().value(f64::NAN).unwrap().is_nan());
        assert_eq!(curve.output_type(ElementType::I16), ElementType::I16);
    }

    /// The same bits whatever runs the values come in, in both precisions.
    #[test]
    fn a_power_does_not_depend_on_how_values_are_divided() {
        let values: Vec<f32> = (0..1000).map(|i| (i as f32 - 500.0) * 0.731).collect();
        let mut whole = values.clone();
        signed_power(&mut whole, 1.3);
        let mut parts = values.clone();
        parts.chunks_mut(7).for_each(|run| signed_power(run, 1.3));
        assert!(
            whole
                .iter()
                .zip(&parts)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        );
    }

    /// Moments of parts are those of the whole: mean of squares of 0, 1/9, ... 1.
    #[test]
    fn the_moments_of_powers_are_measured_between_minimum_and_maximum() {
        let values: Vec<i16> = (0..10).map(|i| 100 + 9 * i).collect();
        let range = Range {
            from: 100.0,
            width: 81.0,
        };
        let moments = powers(&values, range, 2.0);
        let squares: Vec<f64> = (0..10).map(|i| f64::from(i * i) / 81.0).collect();
        let mean = squares.iter().sum::<f64>() / 10.0;
        let variance = squares.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 9.0;
        assert!((moments.mean - mean).abs() < 1e-7, "{}", moments.mean);
        assert!((moments.std() - variance.sqrt()).abs() < 1e-7);
        let [a, b] = [&values[..4], &values[4..]].map(|part| powers(part, range, 2.0));
        assert!(
            (a.and(b).mean - mean).abs() < 1e-7 && (a.and(b).std() - variance.sqrt()).abs() < 1e-7
        );
    }
}
