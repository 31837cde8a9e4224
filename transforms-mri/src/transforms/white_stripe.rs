//! `mri.white_stripe`: intensities in units of normal-appearing white matter.

use serde_json::{Value, json};
use voxprep_core::dispatch;
use voxprep_core::kernels::Element;
use voxprep_core::prelude::*;
use voxprep_core::voxels::channel;
use voxprep_kernels::density::{Density, Peak, density_at, scott};
use voxprep_kernels::stats::Distribution;

/// Standardises MR images by the intensities of normal-appearing white matter, as f32.
///
/// # Notes
/// A peak of the density of the foreground is taken for white matter; which one, the sequence tells. The
/// stripe is what lies within `width` of the peak in shares of the foreground, both ends left out. Its
/// mean becomes 0, its standard deviation 1, and all other tissue follows the same line, unlimited.
///
/// `profile = "native"` estimates the density (a Gaussian about each value, Scott's bandwidth) on 4096
/// steps; peaks that stand out by less than 1 % of the highest density do not count; the standard
/// deviation has the divisor n - 1. Values above a percentile of the foreground are left out while it
/// looks for the peak: the 96th for T1, the 99th for PD, the 99.9th for T2 and FLAIR, so that a few
/// bright voxels do not widen the Gaussians. `profile = "intnorm3"` is intensity-normalization 3: 80
/// steps, any peak counts, divisor n, and all values for T2 and FLAIR.
///
/// Strip the skull and give the brain as `over`, or at least correct the bias field: in a whole head fat
/// and air have peaks too. A finding says where the peak is and how many voxels the stripe has. A warning
/// says that the values are cut off at the peak, as in an image that is saturated, or that for
/// "intnorm3" the density is higher at their end, where it sees none. No peak, a stripe of fewer than 100
/// voxels, and for `output = "zscore"` one of a single value are errors.
///
/// The finding's `contrast_maintained` tells whether the means of the lower, the middle and the upper
/// third of the foreground's values are still in this order, none equal to another that it was not equal
/// to before. Only `clip` can change that; a warning then gives the means.
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
    /// For `output = "zscore"` and `search = "density"`: the half width of the stripe, as a fraction of the
    /// foreground's voxels. Default 0.05.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "(0, 0.5]"))]
    pub width: Option<f64>,
    /// What the stripe becomes. Default "zscore".
    #[serde(default)]
    pub output: StripeOutput,
    /// For `output = "unit"` and `search = "iterative"`: the half width of the stripe, as a fraction of the
    /// peak's value. Default 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "(0, 1)"))]
    pub peak_width: Option<f64>,
    /// For `output = "unit"`: whether values beyond the stripe become its ends, which takes the contrast
    /// of all other tissue. Default false.
    #[serde(default)]
    pub clip: bool,
    /// How the peak is found. Default "density".
    #[serde(default)]
    pub search: Search,
    /// For `search = "iterative"`: the largest number of rounds. Default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "[1, 1000]"))]
    pub rounds: Option<usize>,
    /// For `search = "iterative"`: the change of the centre, as a fraction of it, below which the search
    /// ends. Default 0.00001.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "(0, 1)"))]
    pub tolerance: Option<f64>,
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
    /// From the peak that the density and the sequence tell, among the values from the 1st to the 99th
    /// percentile, for T1 to the 96th: the mean of what lies near it, again and again, within 4, then 2,
    /// neither beyond the valleys beside the peak, and then 1 times `peak_width`. The stripe is the last
    /// range, with its centre for peak. A warning says that the search did not settle, or that its steps
    /// grew, as when it leaves the peak for a larger one.
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
/// How near to an end of the values a peak is cut off there, in bandwidths.
const AT_END: f64 = 0.5;
/// The half width of the stripe, in shares of the foreground and of the peak, where none is given.
const WIDTH: f64 = 0.05;
const PEAK_WIDTH: f64 = 0.1;
/// When the iterative search ends, where nothing is said.
const ROUNDS: usize = 20;
const TOLERANCE: f64 = 1e-5;
/// The widths of its rounds, in parts of the last one's.
const WIDTHS: [f64; 3] = [4.0, 2.0, 1.0];
/// Fewer voxels are no evidence.
const LEAST_VOXELS: u64 = 100;
/// A smaller part of the foreground is suspect.
const LEAST_SHARE: f64 = 0.005;

fn above_zero() -> Over {
    Over::Above(0.0)
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
        if self.width.is_some() && !native {
            let reason = "is for output = \"zscore\" with search = \"density\" only";
            return Err(Error::parameter(reason)
                .field("width")
                .remedy("give peak_width, a fraction of the peak's value"));
        }
        if self.peak_width.is_some() && native {
            let reason = "is for output = \"unit\" and for search = \"iterative\" only";
            return Err(Error::parameter(reason)
                .field("peak_width")
                .remedy("give width, a fraction of the foreground's voxels"));
        }
        let of_search = [
            ("rounds", self.rounds.is_some()),
            ("tolerance", self.tolerance.is_some()),
        ];
        for (field, given) in of_search {
            if given && self.search == Search::Density {
                let reason = "is for search = \"iterative\" only";
                return Err(Error::parameter(reason).field(field));
            }
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
    /// The end of the values at which they seem to be cut off.
    end: Option<f64>,
    /// The ends of the stripe, where the search has them.
    range: Option<[f64; 2]>,
    /// What the iterative search did.
    log: Value,
}

/// The peaks of a density, and which of them is white matter.
struct Peaks {
    density: Density,
    bandwidth: f64,
    /// Rising by place.
    all: Vec<Peak>,
    chosen: usize,
    /// Its place, between the least and the largest value.
    at: f64,
}

impl Peaks {
    /// Where the density is lowest on either side of the peak, before the next one.
    fn valleys(&self) -> [f64; 2] {
        let next = |index: Option<usize>| index.and_then(|i| self.all.get(i)).map(|peak| peak.at);
        let before = next(self.chosen.checked_sub(1));
        let behind = next(Some(self.chosen + 1));
        [
            before.map_or(f64::NEG_INFINITY, |p| self.density.valley(p, self.at)),
            behind.map_or(f64::INFINITY, |p| self.density.valley(self.at, p)),
        ]
    }
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
            (None, StripeOutput::Unit) => about(found.peak, self.peak_width.unwrap_or(PEAK_WIDTH))?,
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
            .remedy(match found.end {
                Some(_) => "give the image as it came, before its values were limited",
                None => "give the brain as `over`, or a larger `width` or `peak_width`",
            }));
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
        if let Some(end) = found.end {
            let message = format!(
                "the density is high up to {end}, an end of the values among which the peak is looked for: are they cut off there?"
            );
            let values = json!({ "channel": index, "end": end, "peak": found.peak });
            let finding = Finding::warning("whitestripe.cut_off", message);
            input.report(finding.with_values(values));
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
        let image = |v: f64| line.image(v);
        let limited = |v: f64| {
            if self.clip {
                image(v).clamp(0.0, 1.0)
            } else {
                image(v)
            }
        };
        let points = foreground.points();
        let (before, after) = (thirds(&points, |v| v), thirds(&points, limited));
        let contrast = keeps_order(before, after);
        // Of the points, which spares another pass over the voxels.
        let ([mean, spread], (min, max)) = (moments(&points, |v| v), foreground.ends());
        let [mean_after, spread_after] = if self.clip {
            moments(&points, limited)
        } else {
            [image(mean), spread * line.scale]
        };
        let values = json!({
            "channel": index, "sequence": self.sequence, "profile": self.profile,
            "peak": found.peak, "low": low, "high": high,
            "mean": stripe.mean, "std": std,
            "count": stripe.count, "foreground": foreground.count(), "ratio": share,
            "original": { "mean": mean, "std": spread, "min": min, "max": max },
            "normalised": {
                "mean": mean_after, "std": spread_after,
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
            let [a, b, c] = after;
            let message = format!(
                "limited to the stripe, the thirds of the foreground have the means {a:.3}, {b:.3} and {c:.3}: tissues are no longer told apart"
            );
            let values = json!({ "channel": index, "before": before, "after": after });
            let finding = Finding::warning("whitestripe.contrast", message);
            input.report(finding.with_values(values));
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
        match (self.sequence, self.profile) {
            (Sequence::T1, _) => (96.0, Which::Last),
            (Sequence::T2 | Sequence::Flair, Profile::Native) => (99.9, Which::Largest),
            (Sequence::T2 | Sequence::Flair, Profile::Intnorm3) => (100.0, Which::Largest),
            (Sequence::Pd, _) => (99.0, Which::First),
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
        let (percentile, _) = self.rule();
        let points = part(foreground.points(), [0.0, percentile]);
        let peaks = self.peaks(input, &points)?;
        let ends = [points.first(), points.last()];
        let near = |end: &f64| (peaks.at - end).abs() < AT_END * peaks.bandwidth;
        Ok(Found {
            peak: peaks.at,
            fallback: false,
            end: ends.into_iter().flatten().map(|[v, _]| *v).find(near),
            range: None,
            log: Value::Null,
        })
    }

    /// The peaks of the fine density of some points.
    fn peaks(&self, input: &Input<'_>, points: &[[f64; 2]]) -> Result<Peaks> {
        let none = || {
            let reason = format!("the foreground of '{}' has no peak", input.name());
            Error::input(reason).remedy("give the brain as `over`")
        };
        let bandwidth = scott(points).ok_or_else(none)?;
        let density = Density::new(points, bandwidth, STEPS).ok_or_else(none)?;
        let all = density.peaks(PROMINENCE);
        let (_, which) = self.rule();
        let chosen = match which {
            Which::First => Some(0),
            Which::Last => all.len().checked_sub(1),
            Which::Largest => {
                let higher = |best: usize, i: usize| {
                    if all[i].height > all[best].height {
                        i
                    } else {
                        best
                    }
                };
                (0..all.len()).reduce(higher)
            }
        };
        let (chosen, peak) = chosen
            .and_then(|i| Some((i, all.get(i)?)))
            .ok_or_else(none)?;
        // Beyond its points a sum of Gaussians only falls; steps may be beyond them.
        let [least, largest] = [points.first(), points.last()].map(|p| p.map_or(peak.at, |p| p[0]));
        let at = peak.at.clamp(least, largest);
        Ok(Peaks {
            density,
            bandwidth,
            all,
            chosen,
            at,
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
        let chosen = at.unwrap_or(highest);
        // The end beyond which the peak would be: the largest peak may be at either.
        let ends: &[usize] = match which {
            Which::First => &[0],
            Which::Last => &[COARSE_STEPS - 1],
            Which::Largest => &[0, COARSE_STEPS - 1],
        };
        let unseen = |end: &&usize| **end == chosen || values[**end] > values[chosen];
        Ok(Found {
            peak: grid[chosen],
            fallback: at.is_none() && which != Which::Largest,
            end: ends.iter().find(unseen).map(|end| grid[*end]),
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
        let (percentile, _) = self.rule();
        let points = part(foreground.points(), [1.0, percentile.min(99.0)]);
        let peaks = self.peaks(input, &points)?;
        let valleys = peaks.valleys();
        let width = self.peak_width.unwrap_or(PEAK_WIDTH);
        let rounds = self.rounds.unwrap_or(ROUNDS);
        // The centre of the next round, and that of the last one that was as narrow as the stripe.
        let (mut centre, mut middle) = (peaks.at, peaks.at);
        let (mut log, mut last_change, mut falls, mut settled) = (Vec::new(), None, true, false);
        for round in 0..rounds {
            let factor = WIDTHS.get(round).copied().unwrap_or(1.0);
            let [mut low, mut high] = about(centre, (factor * width).min(1.0))?;
            if factor > 1.0 {
                (low, high) = (low.max(valleys[0]), high.min(valleys[1]));
            }
            let inside = foreground.between(low, high);
            if inside.count == 0 {
                break;
            }
            let change = (inside.mean - centre).abs() / centre.abs();
            log.push(json!({ "low": low, "high": high, "mean": inside.mean, "change": change }));
            if factor > 1.0 {
                (centre, middle) = (inside.mean, inside.mean);
                continue;
            }
            (middle, centre) = (centre, inside.mean);
            falls &= last_change.is_none_or(|last| change <= last);
            last_change = Some(change);
            settled = change < self.tolerance.unwrap_or(TOLERANCE);
            if settled {
                break;
            }
        }
        if !(settled && falls) {
            let message = if settled {
                "the steps of the search grew before it settled: it may have left its peak"
                    .to_owned()
            } else {
                format!("the search did not settle in {} rounds", log.len())
            };
            input.report(Finding::warning("whitestripe.not_converged", message));
        }
        Ok(Found {
            peak: middle,
            fallback: false,
            end: None,
            range: Some(about(middle, width)?),
            log: json!({ "rounds": log, "converged": settled && falls }),
        })
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
        let width = self.width.unwrap_or(WIDTH);
        let ends = [(at - width).max(0.0), (at + width).min(1.0)];
        if at < width || at > 1.0 - width {
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
}

/// The range of a fraction of the peak's value on either side of it.
fn about(peak: f64, part: f64) -> Result<[f64; 2]> {
    let half = part * peak.abs();
    if half > 0.0 {
        return Ok([peak - half, peak + half]);
    }
    let reason = "the peak is at 0, and a fraction of it is no width";
    Err(Error::input(reason).remedy("use output = \"zscore\" and search = \"density\""))
}

/// The points from one percentile to another, to within a point: those that hold their ranks are kept.
fn part(mut points: Vec<[f64; 2]>, percentiles: [f64; 2]) -> Vec<[f64; 2]> {
    let n: f64 = points.iter().map(|[_, count]| count).sum();
    let [first, last] = percentiles.map(|p| (p / 100.0 * (n - 1.0)).floor());
    let mut below = 0.0;
    points.retain(|[_, count]| {
        let starts_at = below;
        below += count;
        below > first && starts_at <= last
    });
    points
}

/// Mean and standard deviation (divisor n) of the images of weighted points.
fn moments(points: &[[f64; 2]], image: impl Fn(f64) -> f64) -> [f64; 2] {
    let n: f64 = points.iter().map(|[_, count]| count).sum();
    let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
        let terms = points
            .iter()
            .map(|[value, count]| of(image(*value)) * count);
        terms.sum()
    };
    let mean = sum(&|v| v) / n;
    [mean, (sum(&|v| (v - mean) * (v - mean)) / n).sqrt()]
}

/// The means of the images of the lower, the middle and the upper third of weighted points.
fn thirds(points: &[[f64; 2]], image: impl Fn(f64) -> f64) -> [f64; 3] {
    let third = points.iter().map(|[_, count]| count).sum::<f64>() / 3.0;
    let ends = [
        [0.0, third],
        [third, 2.0 * third],
        [2.0 * third, 3.0 * third],
    ];
    let (mut sums, mut below) = ([0.0; 3], 0.0);
    for [value, count] in points {
        for (sum, [start, end]) in sums.iter_mut().zip(ends) {
            let inside = f64::min(below + count, end) - f64::max(below, start);
            *sum += inside.max(0.0) * image(*value);
        }
        below += count;
    }
    sums.map(|sum| sum / third)
}

/// Whether of three rising numbers those that differ still rise.
fn keeps_order(before: [f64; 3], after: [f64; 3]) -> bool {
    // As far as sums of one value may differ.
    const ALIKE: f64 = 1e-12;
    let pairs = before.windows(2).zip(after.windows(2));
    let kept = |(b, a): (&[f64], &[f64])| b[1] - b[0] <= ALIKE * b[1].abs() || a[0] < a[1];
    pairs.into_iter().all(kept)
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

    /// 251,463 voxels evenly from 0 to 600, and white matter about 164.2, of which 24,567 voxels, 8.9 %,
    /// lie within 16.4; then 147.8, 164.2, 180.6 and 50.
    fn head() -> Vec<f64> {
        let around = [(0.1, 147.7, 65_470), (180.7, 600.0, 185_993)];
        let spread = |(low, high, count): (f64, f64, usize)| {
            (0..count).map(move |i| low + (high - low) * (i as f64 + 0.5) / count as f64)
        };
        let white = tissue(164.2, 16.0, 24_566);
        let voxels = around.into_iter().flat_map(spread).chain(white);
        voxels.chain([147.8, 164.2, 180.6, 50.0]).collect()
    }

    /// MR-15: a peak of 164.2 and a width of 16.4: 147.8 becomes 0, 164.2 0.5, 180.6 1, and 50 -2.98.
    /// The mean finds the peak to six digits, the density to a step of 0.15.
    #[test]
    fn the_ends_of_the_unit_stripe_become_0_and_1() -> Result<()> {
        for (search, near) in [("density", 0.1), ("iterative", 1e-3)] {
            let lines = format!(
                "sequence = 'T2'\noutput = 'unit'\npeak_width = {}\nsearch = '{search}'",
                16.4 / 164.2
            );
            let result = run(&lines, head())?;
            let report = stripe(&result);
            for (name, expected) in [("peak", 164.2), ("low", 147.8), ("high", 180.6)] {
                let found = number(report, name);
                assert!((found - expected).abs() < near, "{search}, {name}: {found}");
            }
            // the three values at the peak and the ends come and go with the last digits
            assert!(
                (number(report, "count") - 24_567.0).abs() <= 20.0,
                "{report}"
            );
            assert_eq!(report["foreground"], 276_033);
            assert!((number(report, "ratio") - 0.089).abs() < 1e-4);
            let image = values(&result);
            let last = image.iter().skip(image.len() - 4);
            for (v, expected) in last.zip([0.0, 0.5, 1.0, -2.981_707]) {
                let apart = (f64::from(*v) - expected).abs();
                assert!(apart < near / 32.0 * 3.0, "{search}: {v}, not {expected}");
            }
            // whatever peak was found becomes a half
            let [peak, low, high] = ["peak", "low", "high"].map(|n| number(report, n));
            assert!(((peak - low) / (high - low) - 0.5).abs() < 1e-12);
            assert_eq!(report["contrast_maintained"], true);
        }
        assert!(about(0.0, 0.1).is_err());
        Ok(())
    }

    /// MR-15, B-14: limiting is a choice, and a warning says what it costs.
    #[test]
    fn a_limited_stripe_takes_the_contrast_of_other_tissue() -> Result<()> {
        let result = run("sequence = 'T1'\noutput = 'unit'\nclip = true", brain())?;
        let image = values(&result);
        assert!(image.iter().all(|v| (0.0..=1.0).contains(v)));
        assert_eq!(stripe(&result)["contrast_maintained"], false);
        assert_eq!(
            codes(&result),
            ["whitestripe.stripe", "whitestripe.contrast"]
        );
        // the lower third and the middle one are 0; 300 is 0.5, and a tenth of the upper third is 0
        let told = &result.findings[1].values;
        assert_eq!(told["after"][0], 0.0);
        assert_eq!(told["after"][1], 0.0);
        // what is reported of the image is that of the image
        let foreground: Vec<f64> = image.iter().skip(5000).map(|v| f64::from(*v)).collect();
        let mean = foreground.iter().sum::<f64>() / 10_000.0;
        let squares = foreground.iter().map(|v| (v - mean) * (v - mean));
        let spread = (squares.sum::<f64>() / 10_000.0).sqrt();
        let normalised = &stripe(&result)["normalised"];
        assert!((number(normalised, "mean") - mean).abs() < 1e-4);
        assert!((number(normalised, "std") - spread).abs() < 1e-4);
        assert_eq!(number(normalised, "min"), 0.0);
        let max = foreground.iter().copied().fold(0.0, f64::max);
        assert!((number(normalised, "max") - max).abs() < 1e-6);
        Ok(())
    }

    /// MR-17: the contrast is kept where the means of the thirds keep their order, limited or not.
    #[test]
    fn a_wide_stripe_may_be_limited_and_keep_its_contrast() -> Result<()> {
        let lines = "sequence = 'T1'\noutput = 'unit'\nclip = true";
        for (width, kept) in [(0.9, true), (0.1, false)] {
            let result = run(&format!("{lines}\npeak_width = {width}"), brain())?;
            assert_eq!(stripe(&result)["contrast_maintained"], kept, "{width}");
            assert_eq!(codes(&result).len(), if kept { 1 } else { 2 });
        }
        Ok(())
    }

    #[test]
    fn the_thirds_by_hand() {
        // 1, 1, 1, 1, 2, 2: thirds 1 and 1, 1 and 1, 2 and 2
        let points = [[1.0, 4.0], [2.0, 2.0]];
        assert_eq!(thirds(&points, |v| v), [1.0, 1.0, 2.0]);
        // 10, 20, 20, 40: a third is 4/3 of a voxel
        let means = thirds(&[[10.0, 1.0], [20.0, 2.0], [40.0, 1.0]], |v| v / 10.0);
        for (a, b) in means.iter().zip([1.25, 2.0, 3.5]) {
            assert!((a - b).abs() < 1e-12, "{means:?}");
        }
        assert!(keeps_order([1.0, 2.0, 3.0], [-5.0, 0.0, 0.1]));
        assert!(keeps_order([1.0, 1.0, 3.0], [0.0, 0.0, 0.1]));
        assert!(!keeps_order([1.0, 2.0, 3.0], [0.0, 0.0, 0.1]));
        assert!(!keeps_order([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]));
    }

    /// MR-16: ranges narrow, the flag is truthful, and the stripe is the last range.
    #[test]
    fn the_iterative_search_narrows_and_says_how_it_went() -> Result<()> {
        let lines = "sequence = 'T1'\nsearch = 'iterative'\noutput = 'unit'";
        let result = run(lines, brain())?;
        let report = stripe(&result);
        let rounds = report["search"]["rounds"].as_array().unwrap();
        // 4, 2 and 1 times a tenth of 300, the first from the valley between grey and white matter
        assert!(rounds.len() >= 3, "{report}");
        for (round, [low, high]) in
            rounds
                .iter()
                .zip([[250.0, 420.0], [240.0, 360.0], [270.0, 330.0]])
        {
            assert!(number(round, "low") > low - 2.0, "{report}");
            assert!((number(round, "high") - high).abs() < 3.0, "{report}");
        }
        let ends = |name: &str| -> Vec<f64> { rounds.iter().map(|r| number(r, name)).collect() };
        let widths: Vec<f64> = ends("high")
            .iter()
            .zip(ends("low"))
            .map(|(h, l)| h - l)
            .collect();
        assert!(widths.is_sorted_by(|a, b| b <= &(a + 1.0)), "{widths:?}");
        let changes = ends("change");
        assert!(changes[2..].is_sorted_by(|a, b| b <= a), "{changes:?}");
        let last = rounds.last().unwrap();
        assert!(number(last, "change") < 1e-5);
        assert_eq!(report["search"]["converged"], true);
        assert_eq!(number(report, "low"), number(last, "low"));
        assert_eq!(number(report, "high"), number(last, "high"));

        let result = run(&format!("{lines}\nrounds = 2"), brain())?;
        assert_eq!(stripe(&result)["search"]["converged"], false);
        assert!(codes(&result).contains(&"whitestripe.not_converged"));
        let report = stripe(&result);
        let [peak, low, high] = ["peak", "low", "high"].map(|n| number(report, n));
        assert!((low - 0.9 * peak).abs() < 1e-9 && (high - 1.1 * peak).abs() < 1e-9);
        Ok(())
    }

    /// MR-14, MR-16: the iterative search begins at the peak that the sequence tells.
    #[test]
    fn the_sequence_tells_the_peak_of_the_iterative_search() -> Result<()> {
        for (sequence, expected) in [
            ("T1", 300.0),
            ("T2", 200.0),
            ("FLAIR", 200.0),
            ("PD", 100.0),
        ] {
            for output in ["zscore", "unit"] {
                let lines =
                    format!("sequence = '{sequence}'\nsearch = 'iterative'\noutput = '{output}'");
                let result = run(&lines, brain())?;
                let report = stripe(&result);
                let [peak, low, high] = ["peak", "low", "high"].map(|n| number(report, n));
                assert!((peak - expected).abs() < 0.5, "{lines}: {report}");
                // MR-15: the middle of the stripe becomes a half
                assert!(((peak - low) / (high - low) - 0.5).abs() < 1e-12);
                assert_eq!(report["search"]["converged"], true, "{lines}: {report}");
            }
        }
        Ok(())
    }

    /// MR-16: a search that runs from a small peak into a large one says so.
    #[test]
    fn a_search_that_leaves_its_peak_has_not_converged() -> Result<()> {
        let grey = tissue(200.0, 75.0, 20_000);
        let image: Vec<f64> = grey.chain(tissue(270.0, 12.0, 700)).collect();
        let lines = "sequence = 'T1'\nsearch = 'iterative'\nrounds = 200";
        let result = run(lines, image)?;
        let report = stripe(&result);
        assert!(number(report, "peak") < 250.0, "{report}");
        assert_eq!(report["search"]["converged"], false, "{report}");
        assert!(codes(&result).contains(&"whitestripe.not_converged"));
        Ok(())
    }

    /// A saturated image: 22 % of the voxels, white matter, are all 255, and grey matter is about 180.
    fn saturated(grey: usize, white: usize) -> Vec<u8> {
        let grey = tissue(180.0, 40.0, grey).map(|v| v.round() as u8);
        let flank = tissue(245.0, 20.0, white / 2).map(|v| v.round().min(255.0) as u8);
        grey.chain(flank)
            .chain(std::iter::repeat_n(255, white))
            .collect()
    }

    /// MR-14: white matter at the largest value is found, and a warning says that it is cut off.
    #[test]
    fn a_saturated_peak_is_seen() -> Result<()> {
        let image = saturated(67_000, 22_000);
        let result = run("sequence = 'T1'", image.clone())?;
        let peak = number(stripe(&result), "peak");
        assert!((254.0..=255.0).contains(&peak), "{peak}");
        assert_eq!(
            codes(&result),
            ["whitestripe.cut_off", "whitestripe.stripe"]
        );
        assert_eq!(number(&result.findings[0].values, "end"), 255.0);
        // As 255 is all there is above, nothing is left of a stripe beyond it.
        let few: Vec<u8> = image
            .iter()
            .map(|v| if *v > 220 { 255 } else { *v })
            .collect();
        let error = run("sequence = 'T1'\nwidth = 0.0001", few)
            .unwrap_err()
            .to_string();
        assert!(error.contains("before its values were limited"), "{error}");
        // The peer takes grey matter; the end that it does not look at is named.
        let result = run("sequence = 'T1'\nprofile = 'intnorm3'", image.clone())?;
        let peak = number(stripe(&result), "peak");
        assert!((peak - 180.0).abs() < 5.0, "{peak}");
        assert_eq!(
            codes(&result),
            ["whitestripe.cut_off", "whitestripe.stripe"]
        );
        // The largest peak may be the end itself, and the first one at the other end.
        let result = run("sequence = 'T2'\nprofile = 'intnorm3'", image.clone())?;
        assert!(codes(&result).contains(&"whitestripe.cut_off"));
        let turned: Vec<u8> = image.iter().map(|v| 255 - v).collect();
        for profile in ["native", "intnorm3"] {
            let lines = format!("sequence = 'PD'\nover = 'all'\nprofile = '{profile}'");
            let result = run(&lines, turned.clone())?;
            assert!(codes(&result).contains(&"whitestripe.cut_off"), "{lines}");
        }
        Ok(())
    }

    /// MR-14: one voxel far above the others moves neither the peak nor the stripe.
    #[test]
    fn one_bright_voxel_changes_little() -> Result<()> {
        for sequence in ["T1", "T2", "FLAIR", "PD"] {
            for profile in ["native", "intnorm3"] {
                // With all values, the peer's Gaussians follow the brightest: that is its rule.
                if profile == "intnorm3" && ["T2", "FLAIR"].contains(&sequence) {
                    continue;
                }
                let lines = format!("sequence = '{sequence}'\nprofile = '{profile}'");
                let image = brain().repeat(20);
                let plain = run(&lines, image.clone())?;
                for bright in [3e6, 1e7] {
                    let with = [image.clone(), vec![bright]].concat();
                    let with = run(&lines, with)?;
                    // one voxel more moves a percentile by one value, and these are 0.02 apart
                    for name in ["peak", "low", "high", "mean", "std"] {
                        let [a, b] = [&plain, &with].map(|s| number(stripe(s), name));
                        assert!((a - b).abs() < 5e-2, "{lines}, {bright}, {name}: {a} {b}");
                    }
                    assert_eq!(codes(&with), codes(&plain));
                }
            }
        }
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
        let foreground: Vec<f64> = brain()[5000..].iter().map(|v| f64::from(*v)).collect();
        let mean = foreground.iter().sum::<f64>() / 10_000.0;
        let squares = foreground.iter().map(|v| (v - mean) * (v - mean));
        let spread = (squares.sum::<f64>() / 10_000.0).sqrt();
        assert!((number(&report["original"], "mean") / mean - 1.0).abs() < 1e-6);
        assert!((number(&report["original"], "std") / spread - 1.0).abs() < 1e-6);
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
        let expected =
            ["at_end", "no_peak", "cut_off", "stripe"].map(|code| format!("whitestripe.{code}"));
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
            ("sequence = 'T1'\npeak_width = 0.1", "peak_width: is for"),
            ("sequence = 'T1'\nrounds = 20", "rounds: is for search"),
            (
                "sequence = 'T1'\noutput = 'unit'\ntolerance = 0.001",
                "tolerance: is for search",
            ),
            (
                "sequence = 'T1'\noutput = 'unit'\nwidth = 0.05",
                "width: is for output",
            ),
            (
                "sequence = 'T1'\nsearch = 'iterative'\nwidth = 0.05",
                "width: is for output",
            ),
        ] {
            let error = run(lines, brain()).unwrap_err().to_string();
            assert!(error.contains(part), "{lines}: {error}");
        }
    }
}
