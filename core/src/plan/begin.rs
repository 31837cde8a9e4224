//! What is known of a subject before the first step: modality, units, reference, fill values.

use serde_json::json;
use voxprep_kernels::stats::{self, Select};

use super::resolve::State;
use super::{Active, Plan};
use crate::dispatch;
use crate::error::{Error, Result};
use crate::finding::{Finding, doubts};
use crate::geometry::Geometry;
use crate::pass::execute::count_nan;
use crate::pipeline::Fill;
use crate::subject::Subject;
use crate::transform::{Headers, Kind, Needs};
use crate::volume::{Header, Modality, Role, Unit, Volume};
use crate::voxels::channel;

/// An unknown unit is taken for HU when the values look like a CT: the minimum lies in this range
const PLAUSIBLE_MIN: (f64, f64) = (-3100.0, -500.0);
/// and the maximum in this one.
const PLAUSIBLE_MAX: (f64, f64) = (200.0, 32767.0);

impl Plan {
    /// Sets modality, units and reference of a subject, and says what is known of it.
    pub(crate) fn begin(&self, subject: &mut Subject) -> Result<State> {
        let input = &self.pipeline.input;
        if let Some(reference) = &input.reference {
            subject
                .set_reference(reference)
                .map_err(|e| e.field("input"))?;
        }
        let steps = self.all();
        let names: Vec<String> = subject.names().map(str::to_owned).collect();
        for name in &names {
            let Some(volume) = subject.remove(name) else {
                continue;
            };
            let volume = match input.modality {
                Some(modality) if volume.role() == Role::Intensity => {
                    volume.with_modality(modality)
                }
                _ => volume,
            };
            let volume = if is_open(volume.header()) && asks_for_hu(&steps, name) {
                accept_as_hu(name, volume, &mut subject.findings)
            } else {
                volume
            };
            let doubts = doubts(volume.header()).map(|finding| finding.about(name));
            subject.findings.extend(doubts);
            let nan = count_nan(volume.voxels());
            if nan > 0 {
                let message = format!("{nan} values of the input are not a number (NaN)");
                let finding = Finding::warning("voxels.nan", message).about(name);
                subject
                    .findings
                    .push(finding.with_values(json!({ "count": nan })));
            }
            subject.put(name, volume);
        }
        report_apart(subject);
        let moves = steps
            .iter()
            .any(|step| matches!(step.kind(), Kind::Spatial(_)));
        let fills = subject.volumes().map(|(name, volume)| {
            let fill = if moves {
                initial_fill(volume, self.pipeline.sampling.fill)
            } else {
                vec![0.0; volume.voxels().channels()]
            };
            (name.to_owned(), fill)
        });
        Ok(State {
            headers: headers(subject),
            fills: fills.collect(),
            reference: subject.reference().map(|(name, _)| name.to_owned()),
        })
    }

    /// [`Plan::begin`] as far as headers tell: voxels that would have to look like HU are taken to.
    pub(crate) fn begin_headers(&self, headers: &[(String, Header)]) -> Result<State> {
        let input = &self.pipeline.input;
        let mut state = State {
            headers: headers.to_vec(),
            reference: input.reference.clone(),
            ..State::default()
        };
        if let Some(name) = input
            .reference
            .as_ref()
            .filter(|name| state.header(name).is_none())
        {
            return Err(
                Error::parameter(format!("there is no volume '{name}'")).field("input.reference")
            );
        }
        let steps = self.all();
        for (name, header) in &mut state.headers {
            if let (Some(modality), Role::Intensity) = (input.modality, header.role) {
                header.set_modality(modality);
            }
            if is_open(header) && asks_for_hu(&steps, name) {
                header.unit = Unit::Hu;
            }
            state
                .fills
                .insert(name.clone(), vec![0.0; header.channels.len()]);
        }
        Ok(state)
    }
}

/// Volumes of one subject should show the same thing.
fn report_apart(subject: &mut Subject) {
    let Some((reference, grid)) = subject
        .reference()
        .map(|(n, v)| (n.to_owned(), v.geometry().clone()))
    else {
        return;
    };
    let own = bounds(&grid);
    let apart = |other: &Geometry| {
        let other = bounds(other);
        (0..3).any(|i| own[i][1] <= other[i][0] || other[i][1] <= own[i][0])
    };
    let names: Vec<String> = subject
        .volumes()
        .filter(|(_, volume)| apart(volume.geometry()))
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in names {
        let message = format!("it lies wholly outside '{reference}': are they of the same scan?");
        subject
            .findings
            .push(Finding::warning("volumes.apart", message).about(&name));
    }
}

/// The smallest and largest coordinate of a volume along each axis of the world, LPS+ mm.
fn bounds(geometry: &Geometry) -> [[f64; 2]; 3] {
    let mut bounds = [[f64::INFINITY, f64::NEG_INFINITY]; 3];
    for bits in 0..8_u8 {
        let corner = [0, 1, 2].map(|i| {
            if bits >> i & 1 == 1 {
                geometry.size()[i] as f64 - 0.5
            } else {
                -0.5
            }
        });
        let world = geometry.world_from_index().apply(corner);
        for (bound, v) in bounds.iter_mut().zip(world) {
            *bound = [bound[0].min(v), bound[1].max(v)];
        }
    }
    bounds
}

/// Whether the values may turn out to be HU though nothing says so.
fn is_open(header: &Header) -> bool {
    header.role == Role::Intensity
        && header.unit == Unit::Unknown
        && header.modality.is_none_or(|m| m == Modality::Ct)
}

/// Whether a step needs HU of a volume, or of one that steps make of it.
fn asks_for_hu(steps: &[Active<'_>], name: &str) -> bool {
    let mut family = vec![name];
    steps.iter().any(|step| {
        let on = step.planned.step.on.as_deref();
        let concerned = on.is_none_or(|on| on.iter().any(|name| family.contains(&name.as_str())));
        if let Some(to) = step.planned.step.to.as_deref().filter(|_| concerned) {
            family.push(to);
        }
        concerned && step.needs() == Needs::Hu
    })
}

/// Takes an image for HU where its values look like it.
fn accept_as_hu(name: &str, volume: Volume, findings: &mut Vec<Finding>) -> Volume {
    let Some((low, high)) = range(&volume) else {
        return volume;
    };
    let within = |v: f64, (a, b): (f64, f64)| v >= a && v <= b;
    if !within(low, PLAUSIBLE_MIN) || !within(high, PLAUSIBLE_MAX) {
        return volume;
    }
    let message = format!(
        "nothing says what the values are measured in; they run from {low} to {high} and are \
         taken for Hounsfield units"
    );
    let values = json!({ "min": low, "max": high });
    findings.push(
        Finding::warning("hu.assumed", message)
            .about(name)
            .with_values(values),
    );
    volume.with_unit(Unit::Hu)
}

/// Smallest and largest value over all channels; `None` where all are NaN.
fn range(volume: &Volume) -> Option<(f64, f64)> {
    let channels = channel_ranges(volume).into_iter().flatten();
    channels.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))
}

fn channel_ranges(volume: &Volume) -> Vec<Option<(f64, f64)>> {
    dispatch!(VoxelsView, volume.voxels().view(), view => {
        (0..view.shape()[0]).map(|c| stats::min_max(channel(&view, c), &Select::All)).collect()
    })
}

/// The fill value of each channel, in the unit of the volume as it is (G-06).
pub(crate) fn initial_fill(volume: &Volume, fill: Fill) -> Vec<f64> {
    let channels = volume.voxels().channels();
    let header = volume.header();
    match (header.role, fill) {
        (Role::Label, _) | (_, Fill::Edge) => vec![0.0; channels],
        (_, Fill::Value(value)) => vec![value; channels],
        (_, Fill::Auto) if header.unit == Unit::Hu => vec![-1000.0; channels],
        (_, Fill::Auto) if header.modality == Some(Modality::Mri) => vec![0.0; channels],
        (_, Fill::Auto | Fill::Min) => {
            let ranges = channel_ranges(volume).into_iter();
            ranges
                .map(|range| range.map_or(0.0, |(low, _)| low))
                .collect()
        }
    }
}

pub(crate) fn headers(subject: &Subject) -> Headers {
    subject
        .volumes()
        .map(|(n, v)| (n.to_owned(), v.header().clone()))
        .collect()
}
