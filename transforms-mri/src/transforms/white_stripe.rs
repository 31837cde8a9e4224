//! `mri.white_stripe`: intensities in units of normal-appearing white matter.

use serde_json::{Value, json};
use voxprep_core::dispatch;
use voxprep_core::kernels::Element;
use voxprep_core::prelude::*;
use voxprep_core::voxels::channel;
use voxprep_kernels::density::{Density, density_at, scott};
use voxprep_kernels::stats::Distribution;

/// Standardises MR images by the intensities of normal-appearing white matter, as f32.
///
/// # Notes
/// A peak of the density of the foreground is taken for white matter; which one, the sequence tells. The
/// stripe is what lies within `width` of the peak in shares of the foreground, both ends left out. Its
/// mean becomes 0, its standard deviation 1, and all other tissue follows the same line, unlimited.
///
/// `profile = "native"` estimates the density (a Gaussian about each value, Scott's bandwidth) on 4096
/// steps; peaks below 1 % of the highest one's prominence do not count; the standard deviation has the
/// divisor n - 1. `profile = "intnorm3"` is intensity-normalization 3: 80 steps, any peak counts, divisor
/// n. For T1 and PD both leave out what is above the 96th or the 99th percentile of the foreground while
/// they look for the peak.
///
/// Strip the skull and give the brain as `over`, or at least correct the bias field: in a whole head fat
/// and air have peaks too. A finding says where the peak is and how many voxels the stripe has. No
/// peak, a stripe of fewer than 100 voxels, and one of a single value are errors.
///
/// # Reference
/// Shinohara et al., Statistical normalization techniques for magnetic resonance imaging, NeuroImage
/// Clin. 6 (2014) 9.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhiteStripe {
    /// The sequence, which tells the peak of white matter from the others.
    pub sequence: Sequence,
    /// The foreground: over which voxels the peak and the stripe are looked for. Default those above 0.
    #[serde(default = "above_zero")]
    pub over: Over,
    /// The half width of the stripe, as a fraction of the foreground's voxels. Default 0.05.
    #[serde(default = "five_hundredths")]
    #[schemars(extend("x-bounds" = "(0, 0.5]"))]
    pub width: f64,
    /// What the stripe becomes. Default "zscore".
    #[serde(default)]
    pub output: StripeOutput,
    /// For `output = "unit"` and `search = "iterative"`: the half width of the stripe, as a fraction of the
    /// peak's value. Default 0.1.
    #[serde(default = "tenth")]
    #[schemars(extend("x-bounds" = "(0, 1)"))]
    pub peak_width: f64,
    /// For `output = "unit"`: whether values beyond the stripe become its ends, which takes the contrast
    /// of all other tissue. Default false.
    #[serde(default)]
    pub clip: bool,
    /// How the peak is found. Default "density".
    #[serde(default)]
    pub search: Search,
    /// For `search = "iterative"`: the largest number of rounds. Default 20.
    #[serde(default = "twenty")]
    #[schemars(extend("x-bounds" = "[1, 1000]"))]
    pub rounds: usize,
    /// For `search = "iterative"`: the change of the centre, as a fraction of it, below which the search
    /// ends. Default 0.00001.
    #[serde(default = "hundred_thousandth")]
    #[schemars(extend("x-bounds" = "(0, 1)"))]
    pub tolerance: f64,
    /// Whose convention is followed. Default "native".
    #[serde(default)]
    pub profile: Profile,
}

/// The sequence of an MR image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sequence {
    /// T1-weighted: white matter is the last peak.
    #[serde(alias = "t1")]
    T1,
    /// T2-weighted: the largest peak.
    #[serde(alias = "t2")]
    T2,
    /// Fluid-attenuated inversion recovery: the largest peak.
    #[serde(rename = "FLAIR", alias = "flair")]
    Flair,
    /// Proton density: the first peak.
    #[serde(rename = "PD", alias = "pd")]
    Pd,
}

/// What the stripe becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StripeOutput {
    /// Mean 0 and standard deviation 1.
    #[default]
    Zscore,
    /// The line that takes the ends of the stripe, `peak_width` on either side of the peak, to 0 and 1.
    Unit,
}

/// How the peak is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Search {
    /// By the density, as the sequence tells.
    #[default]
    Density,
    /// From the highest peak between the 1st and the 99th percentile: the mean of what lies near it, again
    /// and again, of 4, then 2 and then 1 times `peak_width`. The stripe is the last range.
    Iterative,
}

/// Whose convention is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A fine density and peaks that stand out.
    #[default]
    Native,
    /// That of intensity-normalization 3.
    Intnorm3,
}

/// Steps of the density.
const STEPS: usize = 4096;
/// Steps of intensity-normalization's density.
const COARSE_STEPS: usize = 80;
/// How far a peak must stand out, in parts of the highest density: in the whole heads of the tests white
/// matter has 0.02 and more, ripples of the tail have less than 0.001.
const PROMINENCE: f64 = 0.01;
/// Fewer voxels are no evidence.
const LEAST_VOXELS: u64 = 100;
/// A smaller part of the foreground is suspect.
const LEAST_SHARE: f64 = 0.005;

fn above_zero() -> Over {
    Over::Above(0.0)
}

fn five_hundredths() -> f64 {
    0.05
}

fn tenth() -> f64 {
    0.1
}

fn twenty() -> usize {
    20
}

fn hundred_thousandth() -> f64 {
    1e-5
}

impl Params for WhiteStripe {
    fn check(&self) -> Result<()> {
        if self.clip && self.output == StripeOutput::Zscore {
            return Err(Error::parameter("is for output = \"unit\" only").field("clip"));
        }
        let native = self.output == StripeOutput::Zscore && self.search == Search::Density;
        if self.profile == Profile::Intnorm3 && !native {
            return Err(Error::parameter(
                "\"intnorm3\" has neither output = \"unit\" nor search = \"iterative\"",
            )
            .field("profile"));
        }
        Ok(())
    }
}

impl Pointwise for WhiteStripe {
    fn reads(&self) -> Reads {
        Reads::Voxels
    }

    fn unit(&self, _: Unit) -> Unit {
        Unit::Normalised
    }

    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Curve> {
        let channels = 0..input.header().channels.len();
        let curves = channels.map(|index| {
            input.select(&self.over, |select| {
                dispatch!(VoxelsView, input.voxels()?, voxels => {
                    match Distribution::new(channel(&voxels, index), select) {
                        Ok(foreground) => self.channel(input, index, &foreground),
                        Err(voxprep_kernels::Error::EmptySelection) => {
                            let reason = format!("'{}' has no foreground", input.name());
                            Err(Error::input(reason)
                                .field("over")
                                .remedy("choose other voxels, e.g. over = { mask = \"brain\" }"))
                        }
                        Err(voxprep_kernels::Error::Range { .. }) => Err(input.infinite()),
                        Err(other) => Err(other.into()),
                    }
                })
            })
        });
        Ok(Curve::per_channel(curves.collect::<Result<_>>()?))
    }
}

/// The peak, and what was found on the way.
struct Found {
    peak: f64,
    /// Whether the density has no peak of its own, and its highest value was taken.
    fallback: bool,
    /// The ends of the stripe, where the search has them.
    range: Option<[f64; 2]>,
    /// What the iterative search did.
    log: Value,
}

impl WhiteStripe {
    fn channel<T: Element>(
        &self,
        input: &Input<'_>,
        index: usize,
        foreground: &Distribution<'_, '_, T>,
    ) -> Result<Curve> {
        let found = match (self.search, self.profile) {
            (Search::Iterative, _) => self.iterate(input, foreground)?,
            (Search::Density, Profile::Native) => self.native_peak(input, foreground)?,
            (Search::Density, Profile::Intnorm3) => self.coarse_peak(foreground)?,
        };
        let [low, high] = match (found.range, self.output) {
            (Some(range), _) => range,
            (None, StripeOutput::Unit) => self.about(found.peak, self.peak_width)?,
            (None, StripeOutput::Zscore) => self.shares_about(input, found.peak, foreground)?,
        };
        let stripe = foreground.between(low, high);
        let share = stripe.count as f64 / foreground.count() as f64;
        let too_few = format!(
            "the white stripe of '{}', {low} to {high}, has {} voxels, {:.2} % of the foreground",
            input.name(),
            stripe.count,
            100.0 * share
        );
        if stripe.count < LEAST_VOXELS {
            return Err(Error::input(format!(
                "{too_few}: fewer than {LEAST_VOXELS} are no evidence (whitestripe.too_few_voxels)"
            ))
            .remedy("give the brain as `over`, or a larger `width`"));
        }
        if share < LEAST_SHARE {
            let values = json!({ "channel": index, "count": stripe.count, "ratio": share });
            let finding = Finding::warning("whitestripe.too_few_voxels", too_few);
            input.report(finding.with_values(values));
        }
        if found.fallback {
            let message = "the density has no peak; where it is highest counts as white matter";
            input.report(Finding::warning("whitestripe.no_peak", message));
        }
        let ddof = match self.profile {
            Profile::Native => 1,
            Profile::Intnorm3 => 0,
        };
        let std = stripe
            .std(ddof)
            .filter(|std| *std > 0.0 && stripe.min < stripe.max);
        let line = match (self.output, std) {
            (StripeOutput::Zscore, None) => {
                let reason = format!(
                    "the white stripe of '{}' has the single value {}",
                    input.name(),
                    stripe.mean
                );
                return Err(Error::input(reason)
                    .remedy("give the image as it came, before it was rounded or limited"));
            }
            (StripeOutput::Zscore, Some(std)) => Line {
                from: stripe.mean,
                scale: 1.0 / std,
            },
            (StripeOutput::Unit, _) => Line {
                from: low,
                scale: 1.0 / (high - low),
            },
        };
        let contrast = self.keeps_contrast(foreground, &line)?;
        let image = |v: f64| line.image(v);
        let limited = |v: f64| {
            if self.clip {
                image(v).clamp(0.0, 1.0)
            } else {
                image(v)
            }
        };
        let ([mean, spread], (min, max)) = (moments(&foreground.points()), foreground.ends());
        let values = json!({
            "channel": index, "sequence": self.sequence, "profile": self.profile,
            "peak": found.peak, "low": low, "high": high,
            "mean": stripe.mean, "std": std,
            "count": stripe.count, "foreground": foreground.count(), "ratio": share,
            "original": { "mean": mean, "std": spread, "min": min, "max": max },
            // of what is not limited, as all of it follows one line
            "normalised": {
                "mean": image(mean), "std": spread * line.scale,
                "min": limited(min), "max": limited(max),
            },
            "contrast_maintained": contrast, "search": found.log,
        });
        let message = format!(
            "white matter at {:.6}: the stripe from {low:.6} to {high:.6} has {} voxels, {:.1} % of the foreground",
            found.peak,
            stripe.count,
            100.0 * share
        );
        input.report(Finding::note("whitestripe.stripe", message).with_values(values));
        if !contrast {
            let message = "the stripe takes all values: other tissue has lost its contrast";
            input.report(Finding::warning("whitestripe.contrast", message));
        }
        let curve = Curve::linear(line.from, line.scale, 0.0);
        Ok(if self.clip {
            curve.clamp_to([0.0, 1.0])
        } else {
            curve
        })
    }

    /// Which part of the foreground the peak is looked for in, as a percentile; and which peak it is.
    fn rule(&self) -> (f64, Which) {
        match self.sequence {
            Sequence::T1 => (96.0, Which::Last),
            Sequence::T2 | Sequence::Flair => (100.0, Which::Largest),
            Sequence::Pd => (99.0, Which::First),
        }
    }

    /// The points of the density up to a percentile, and the largest value there.
    fn points<T: Element>(
        &self,
        foreground: &Distribution<'_, '_, T>,
        percentile: f64,
    ) -> Result<(Vec<[f64; 2]>, f64)> {
        let mut points = foreground.points();
        if percentile >= 100.0 {
            return Ok((points, foreground.ends().1));
        }
        let (limit, count, largest) = foreground.up_to(percentile)?;
        points.retain(|[value, _]| *value <= limit);
        // A point may stand for values on both sides of the limit: only those below count.
        let surplus = points.iter().map(|[_, n]| n).sum::<f64>() - count as f64;
        match points.last_mut() {
            Some(last) if surplus >= 0.0 => last[1] -= surplus,
            _ => points.push([largest, -surplus]),
        }
        Ok((points, largest))
    }

    fn native_peak<T: Element>(
        &self,
        input: &Input<'_>,
        foreground: &Distribution<'_, '_, T>,
    ) -> Result<Found> {
        let (percentile, which) = self.rule();
        let (points, _) = self.points(foreground, percentile)?;
        let density = scott(&points).and_then(|width| Density::new(&points, width, STEPS));
        let mut peaks = density.map_or(Vec::new(), |density| density.peaks(PROMINENCE));
        if which == Which::Largest {
            peaks.sort_by(|a, b| b.height.total_cmp(&a.height));
        }
        let peak = match which {
            Which::Last => peaks.last(),
            Which::First | Which::Largest => peaks.first(),
        };
        let Some(peak) = peak else {
            let reason = format!("the foreground of '{}' has no peak", input.name());
            return Err(Error::input(reason).remedy("give the brain as `over`"));
        };
        Ok(Found {
            peak: peak.at,
            fallback: false,
            range: None,
            log: Value::Null,
        })
    }

    /// The peak of intensity-normalization.
    fn coarse_peak<T: Element>(&self, foreground: &Distribution<'_, '_, T>) -> Result<Found> {
        let (percentile, which) = self.rule();
        let (points, high) = self.points(foreground, percentile)?;
        let (low, _) = foreground.ends();
        let step = (high - low) / (COARSE_STEPS - 1) as f64;
        let grid: Vec<f64> = (0..COARSE_STEPS).map(|i| low + i as f64 * step).collect();
        let values = scott(&points).map_or(vec![0.0; COARSE_STEPS], |width| {
            density_at(&points, width, &grid)
        });
        let is_peak = |i: &usize| values[i - 1] < values[*i] && values[i + 1] < values[*i];
        let mut inner = 1..COARSE_STEPS - 1;
        let at = match which {
            Which::First => inner.find(is_peak),
            Which::Last => inner.rev().find(is_peak),
            Which::Largest => None,
        };
        let highest =
            (1..COARSE_STEPS).fold(0, |best, i| if values[i] > values[best] { i } else { best });
        Ok(Found {
            peak: grid[at.unwrap_or(highest)],
            fallback: at.is_none() && which != Which::Largest,
            range: None,
            log: Value::Null,
        })
    }

    /// The mean of what lies near the peak, again and again, of an ever smaller range.
    fn iterate<T: Element>(
        &self,
        input: &Input<'_>,
        foreground: &Distribution<'_, '_, T>,
    ) -> Result<Found> {
        let ends = foreground.percentiles(&[1.0, 99.0])?;
        let (first, last) = (ends.first().copied(), ends.last().copied());
        let (first, last) = (first.unwrap_or(f64::NAN), last.unwrap_or(f64::NAN));
        let mut points = foreground.points();
        points.retain(|[value, _]| (first..=last).contains(value));
        let density = scott(&points).and_then(|width| Density::new(&points, width, STEPS));
        let peaks = density.map_or(Vec::new(), |density| density.peaks(PROMINENCE));
        let highest = peaks.iter().max_by(|a, b| a.height.total_cmp(&b.height));
        let mut centre = match highest {
            Some(peak) => peak.at,
            None => {
                let reason = format!("the foreground of '{}' has no peak", input.name());
                return Err(Error::input(reason).remedy("give the brain as `over`"));
            }
        };
        let mut range = [f64::NEG_INFINITY, f64::INFINITY];
        let (mut log, mut converged) = (Vec::new(), false);
        for round in 0..self.rounds {
            let factor = [4.0, 2.0].get(round).copied().unwrap_or(1.0);
            let [low, high] = self.about(centre, (factor * self.peak_width).min(1.0))?;
            // Never wider than before.
            range = [range[0].max(low), range[1].min(high)];
            let inside = foreground.between(range[0], range[1]);
            if inside.count == 0 {
                break;
            }
            let change = (inside.mean - centre).abs() / centre.abs();
            centre = inside.mean;
            log.push(
                json!({ "low": range[0], "high": range[1], "mean": centre, "change": change }),
            );
            converged = factor == 1.0 && change < self.tolerance;
            if converged {
                break;
            }
        }
        if !converged {
            let message = format!("the search did not settle in {} rounds", log.len());
            input.report(Finding::warning("whitestripe.not_converged", message));
        }
        Ok(Found {
            peak: centre,
            fallback: false,
            range: Some(range),
            log: json!({ "rounds": log, "converged": converged }),
        })
    }

    /// The range of a fraction of the peak's value on either side of it.
    fn about(&self, peak: f64, part: f64) -> Result<[f64; 2]> {
        let half = part * peak.abs();
        if half > 0.0 {
            return Ok([peak - half, peak + half]);
        }
        let reason = "the peak is at 0, and a fraction of it is no width";
        Err(Error::input(reason).remedy("use output = \"zscore\" and search = \"density\""))
    }

    /// The values that bound the foreground's voxels within `width` of the peak, in shares of them.
    fn shares_about<T: Element>(
        &self,
        input: &Input<'_>,
        peak: f64,
        foreground: &Distribution<'_, '_, T>,
    ) -> Result<[f64; 2]> {
        let (below, _) = foreground.below(peak);
        let at = below as f64 / foreground.count() as f64;
        let ends = [(at - self.width).max(0.0), (at + self.width).min(1.0)];
        if at < self.width || at > 1.0 - self.width {
            let message = format!(
                "{:.1} % of the foreground lie below the peak, and the stripe is cut short; is this {:?}, and the foreground the brain?",
                100.0 * at,
                self.sequence
            );
            input.report(Finding::warning("whitestripe.at_end", message));
        }
        match foreground.percentiles(&ends.map(|end| 100.0 * end))?[..] {
            [low, high] => Ok([low, high]),
            _ => Err(Error::plugin("two percentiles were asked for")),
        }
    }

    /// Whether three tissues, one in each third of the foreground, keep their order.
    fn keeps_contrast<T: Element>(
        &self,
        foreground: &Distribution<'_, '_, T>,
        line: &Line,
    ) -> Result<bool> {
        if !self.clip {
            return Ok(line.scale > 0.0);
        }
        let thirds = foreground.percentiles(&[100.0 / 6.0, 50.0, 500.0 / 6.0])?;
        let image = |v: &f64| line.image(*v).clamp(0.0, 1.0);
        let pairs = thirds.windows(2);
        let mut kept = pairs.map(|pair| pair[0] == pair[1] || image(&pair[0]) < image(&pair[1]));
        Ok(kept.all(|kept| kept))
    }
}

/// Mean and standard deviation (divisor n) of weighted points.
fn moments(points: &[[f64; 2]]) -> [f64; 2] {
    let n: f64 = points.iter().map(|[_, count]| count).sum();
    let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
        points.iter().map(|[value, count]| of(*value) * count).sum()
    };
    let mean = sum(&|v| v) / n;
    [mean, (sum(&|v| (v - mean) * (v - mean)) / n).sqrt()]
}

/// Which peak is white matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    First,
    Last,
    Largest,
}

/// `(v - from) scale`.
struct Line {
    from: f64,
    scale: f64,
}

impl Line {
    fn image(&self, v: f64) -> f64 {
        (v - self.from) * self.scale
    }
}

register!(WhiteStripe: Pointwise, "mri.white_stripe", "sequence = \"T1\"");

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::pipeline::Pipeline;
    use voxprep_core::plan::Plan;
    use voxprep_core::registry::Registry;
    use voxprep_core::subject::Subject;
    use voxprep_core::voxels::{Voxel, Voxels};

    /// `count` values that rise to `centre` and fall, `reach` to either side.
    fn tissue(centre: f64, reach: f64, count: usize) -> impl Iterator<Item = f64> {
        (0..count).map(move |i| {
            let at = (i as f64 + 0.5) / count as f64;
            let from_edge = (2.0 * at.min(1.0 - at)).sqrt() - 1.0;
            centre + reach * if at < 0.5 { from_edge } else { -from_edge }
        })
    }

    /// 5000 voxels of background, then fluid, grey and white matter: as T1 shows them.
    fn brain() -> Vec<f32> {
        let background = std::iter::repeat_n(0.0, 5000);
        let tissues = [
            (100.0, 20.0, 2000),
            (200.0, 30.0, 5000),
            (300.0, 25.0, 3000),
        ];
        let voxels = tissues
            .into_iter()
            .flat_map(|(centre, reach, count)| tissue(centre, reach, count));
        background.chain(voxels).map(|v| v as f32).collect()
    }

    fn run<T: Voxel>(lines: &str, values: Vec<T>) -> Result<Subject> {
        let size = [values.len(), 1, 1];
        let voxels = Voxels::new(1, size, values.into())?;
        let image = Volume::new(Geometry::aligned(size, [1.0; 3], [0.0; 3])?, voxels)?;
        let subject = Subject::new("case").with("image", image)?;
        let pipeline = format!("version = 1\n[[step]]\nuse = 'mri.white_stripe'\n{lines}");
        Plan::new(Pipeline::from_toml(&pipeline)?, &Registry::built_in()?)?.sample(subject, 0)
    }

    fn values(subject: &Subject) -> &[f32] {
        let image = subject.volume("image").map(Volume::voxels);
        image.and_then(|v| v.values::<f32>()).unwrap()
    }

    fn stripe(subject: &Subject) -> &Value {
        let finding = subject
            .findings
            .iter()
            .find(|f| f.code == "whitestripe.stripe");
        &finding.unwrap().values
    }

    fn number(values: &Value, name: &str) -> f64 {
        values[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name} in {values}"))
    }

    fn codes(subject: &Subject) -> Vec<&str> {
        subject.findings.iter().map(|f| f.code.as_str()).collect()
    }

    /// MR-14: T1 has white matter last, T2 and FLAIR largest, PD first.
    #[test]
    fn the_sequence_tells_the_peak() -> Result<()> {
        for (sequence, peak) in [
            ("T1", 300.0),
            ("T2", 200.0),
            ("FLAIR", 200.0),
            ("PD", 100.0),
        ] {
            // T1 is cut at the 96th percentile, which draws the last peak down a little.
            for (profile, near) in [("native", 2.0), ("intnorm3", 3.0)] {
                let lines = format!("sequence = '{sequence}'\nprofile = '{profile}'");
                let result = run(&lines, brain())?;
                let found = number(stripe(&result), "peak");
                assert!(
                    (found - peak).abs() < near,
                    "{sequence}, {profile}: {found}"
                );
                assert_eq!(
                    codes(&result),
                    ["whitestripe.stripe"],
                    "{sequence}, {profile}"
                );
            }
        }
        Ok(())
    }

    /// MR-14: the stripe has mean 0 and standard deviation 1, and all else follows the same line.
    #[test]
    fn the_stripe_is_standardised_and_nothing_is_limited() -> Result<()> {
        for (profile, ddof) in [("native", 1.0), ("intnorm3", 0.0)] {
            let lines = format!("sequence = 'T1'\nprofile = '{profile}'");
            let result = run(&lines, brain())?;
            let report = stripe(&result);
            let [low, high, mean, std] = ["low", "high", "mean", "std"].map(|n| number(report, n));
            let before: Vec<f64> = brain().iter().map(|v| f64::from(*v)).collect();
            let after = values(&result).iter().map(|v| f64::from(*v));
            let both: Vec<(f64, f64)> = before.into_iter().zip(after).collect();
            let inside: Vec<f64> = both
                .iter()
                .filter(|(v, _)| *v > low && *v < high)
                .map(|(_, w)| *w)
                .collect();
            let n = inside.len() as f64;
            // 5 % of 10000 on either side of the peak
            assert!((n - 1000.0).abs() <= 2.0, "{n}");
            let middle = inside.iter().sum::<f64>() / n;
            let squares = inside.iter().map(|v| (v - middle) * (v - middle));
            let spread = (squares.sum::<f64>() / (n - ddof)).sqrt();
            assert!(
                middle.abs() < 1e-4 && (spread - 1.0).abs() < 1e-5,
                "{middle} {spread}"
            );
            for (v, w) in both {
                let line = (v - mean) / std;
                assert!(
                    (w - line).abs() < 1e-6 * line.abs() + 1e-5,
                    "{v} became {w}, not {line}"
                );
            }
        }
        Ok(())
    }

    /// MR-15: a peak of 164.2 and a width of a tenth of it.
    #[test]
    fn the_ends_of_the_unit_stripe_become_0_and_1() -> Result<()> {
        let step = WhiteStripe {
            sequence: Sequence::T1,
            over: above_zero(),
            width: 0.05,
            output: StripeOutput::Unit,
            peak_width: 0.1,
            clip: false,
            search: Search::Density,
            rounds: 20,
            tolerance: 1e-5,
            profile: Profile::Native,
        };
        let [low, high] = step.about(164.2, step.peak_width)?;
        assert!((low - 147.78).abs() < 1e-9 && (high - 180.62).abs() < 1e-9);
        let line = Line {
            from: 147.8,
            scale: 1.0 / (180.6 - 147.8),
        };
        for (v, image) in [(147.8, 0.0), (164.2, 0.5), (180.6, 1.0), (50.0, -2.981_707)] {
            assert!((line.image(v) - image).abs() < 1e-6);
        }
        assert!(step.about(0.0, 0.1).is_err());

        let result = run("sequence = 'T1'\noutput = 'unit'", brain())?;
        let report = stripe(&result);
        let [peak, low, high] = ["peak", "low", "high"].map(|n| number(report, n));
        assert!((low - 0.9 * peak).abs() < 1e-9 && (high - 1.1 * peak).abs() < 1e-9);
        // the background, far below, is not limited
        let background = -low / (high - low);
        assert!((f64::from(values(&result)[0]) - background).abs() < 1e-5);
        assert_eq!(report["contrast_maintained"], true);
        Ok(())
    }

    /// MR-15, B-14: limiting is a choice, and a warning says what it costs.
    #[test]
    fn a_limited_stripe_takes_the_contrast_of_other_tissue() -> Result<()> {
        let result = run("sequence = 'T1'\noutput = 'unit'\nclip = true", brain())?;
        assert!(values(&result).iter().all(|v| (0.0..=1.0).contains(v)));
        assert_eq!(stripe(&result)["contrast_maintained"], false);
        assert_eq!(
            codes(&result),
            ["whitestripe.stripe", "whitestripe.contrast"]
        );
        Ok(())
    }

    /// MR-16: ranges narrow, the flag is truthful, and the stripe is the last range.
    #[test]
    fn the_iterative_search_narrows_and_says_how_it_went() -> Result<()> {
        let lines = "sequence = 'T1'\nsearch = 'iterative'\noutput = 'unit'";
        let result = run(lines, brain())?;
        let report = stripe(&result);
        let rounds = report["search"]["rounds"].as_array().unwrap();
        assert!(rounds.len() >= 3);
        for pair in rounds.windows(2) {
            assert!(number(&pair[1], "low") >= number(&pair[0], "low"));
            assert!(number(&pair[1], "high") <= number(&pair[0], "high"));
        }
        let last = rounds.last().unwrap();
        assert!(number(last, "change") < 1e-5);
        assert_eq!(report["search"]["converged"], true);
        assert_eq!(number(report, "low"), number(last, "low"));
        assert_eq!(number(report, "high"), number(last, "high"));
        // the largest tissue
        assert!((number(report, "peak") - 200.0).abs() < 1.0);

        let result = run(&format!("{lines}\nrounds = 2"), brain())?;
        assert_eq!(stripe(&result)["search"]["converged"], false);
        assert!(codes(&result).contains(&"whitestripe.not_converged"));
        Ok(())
    }

    /// MR-17: the report has every field, and the ratio is that of the foreground.
    #[test]
    fn the_report_is_complete() -> Result<()> {
        let result = run("sequence = 'T2'", brain())?;
        let report = stripe(&result);
        assert_eq!(report["sequence"], "T2");
        assert_eq!(report["foreground"], 10_000);
        let ratio = number(report, "count") / 10_000.0;
        assert!((number(report, "ratio") - ratio).abs() < 1e-15);
        for name in ["mean", "std", "min", "max"] {
            number(&report["original"], name);
            number(&report["normalised"], name);
        }
        // 2000, 5000 and 3000 voxels about 100, 200 and 300
        assert!((number(&report["original"], "mean") - 210.0).abs() < 0.5);
        let normalised =
            (number(&report["original"], "max") - number(report, "mean")) / number(report, "std");
        assert!((number(&report["normalised"], "max") - normalised).abs() < 1e-9);
        Ok(())
    }

    /// MR-18, B-14: a stripe of 6 to 10 voxels is no evidence, and a small share is suspect.
    #[test]
    fn too_few_voxels_are_refused_or_told() -> Result<()> {
        let few: Vec<f32> = brain().into_iter().step_by(150).collect();
        let error = run("sequence = 'T1'", few).unwrap_err().to_string();
        assert!(error.contains("whitestripe.too_few_voxels"), "{error}");
        assert!(error.contains("step 'mri.white_stripe'"), "{error}");

        let many: Vec<f32> = brain().repeat(10);
        let lines = "sequence = 'T1'\noutput = 'unit'\npeak_width = 0.0006";
        let result = run(lines, many)?;
        assert_eq!(codes(&result)[0], "whitestripe.too_few_voxels");
        let warning = &result.findings[0].values;
        assert!(number(warning, "count") >= 100.0 && number(warning, "ratio") < 0.005);
        Ok(())
    }

    #[test]
    fn a_stripe_of_one_value_is_refused() {
        // 50 levels alike, but for 600, 300 and 600 voxels of three of them: the peak is the middle
        // one, and the stripe ends within its neighbours
        let mut image: Vec<f32> = (0..8500).map(|i| (1 + i % 200) as f32).collect();
        for (value, count) in [(99.0, 600), (100.0, 300), (101.0, 600)] {
            image.extend(std::iter::repeat_n(value, count));
        }
        let error = run("sequence = 'T2'", image).unwrap_err().to_string();
        assert!(error.contains("has the single value 100"), "{error}");
    }

    #[test]
    fn what_cannot_be_measured_is_an_error_that_says_so() -> Result<()> {
        for (image, part) in [
            (vec![0.0_f32; 500], "'image' has no foreground"),
            (vec![f32::NAN; 500], "'image' has no foreground"),
            (vec![7.0; 500], "has no peak"),
            (vec![7.0], "has no peak"),
            (vec![1.0, f32::INFINITY], "infinite"),
        ] {
            let error = run("sequence = 'T1'", image).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let lines = "sequence = 'T1'\nprofile = 'intnorm3'";
        let error = run(lines, vec![7.0_f32; 500]).unwrap_err().to_string();
        assert!(error.contains("too_few_voxels"), "{error}");
        // All but the last values lie before the second of the 80 steps: no peak is inside.
        let mut steep: Vec<f32> = (0..4900_u16).map(|i| 1.0 + f32::from(i) / 4900.0).collect();
        steep.extend([1000.0; 100]);
        let result = run(&lines.replace("T1", "PD"), steep)?;
        let expected = ["at_end", "no_peak", "stripe"].map(|code| format!("whitestripe.{code}"));
        assert_eq!(codes(&result), expected);
        Ok(())
    }

    #[test]
    fn nan_and_background_change_nothing() -> Result<()> {
        let plain = run("sequence = 'T1'", brain())?;
        let mut image = brain();
        image.extend([f32::NAN, -5.0, 0.0]);
        let with = run("sequence = 'T1'", image)?;
        assert_eq!(stripe(&with), stripe(&plain));
        assert_eq!(values(&with)[..15_000], values(&plain)[..15_000]);
        assert!(values(&with)[15_000].is_nan());
        Ok(())
    }

    #[test]
    fn integers_give_what_the_same_floats_give() -> Result<()> {
        let image: Vec<i16> = brain().iter().map(|v| v.round() as i16).collect();
        let floats: Vec<f32> = image.iter().map(|v| f32::from(*v)).collect();
        for sequence in ["T1", "T2", "PD"] {
            for profile in ["native", "intnorm3"] {
                let lines = format!("sequence = '{sequence}'\nprofile = '{profile}'");
                let (a, b) = (run(&lines, image.clone())?, run(&lines, floats.clone())?);
                for name in ["peak", "low", "high", "mean", "std"] {
                    let [a, b] = [&a, &b].map(|s| number(stripe(s), name));
                    assert!((a - b).abs() < 1e-5 * b.abs(), "{lines}, {name}: {a} {b}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn parameters_that_exclude_each_other_are_refused() {
        for (lines, part) in [
            ("", "sequence"),
            ("sequence = 'DWI'", "sequence"),
            ("sequence = 'T1'\nclip = true", "clip: is for output"),
            (
                "sequence = 'T1'\nprofile = 'intnorm3'\noutput = 'unit'",
                "profile: ",
            ),
            (
                "sequence = 'T1'\nprofile = 'intnorm3'\nsearch = 'iterative'",
                "profile: ",
            ),
            ("sequence = 'T1'\nwidth = 0.6", "width"),
        ] {
            let error = run(lines, brain()).unwrap_err().to_string();
            assert!(error.contains(part), "{lines}: {error}");
        }
    }
}
