//! What comes of a run, before it is written.

use anyhow::Result;
use serde_json::json;
use voxprep_core::dispatch;
use voxprep_core::finding::Finding;
use voxprep_core::kernels::Element;
use voxprep_core::kernels::stats::{Select, min_max};
use voxprep_core::plan::{Plan, RunOptions};
use voxprep_core::provenance::{Artefact, Points, Sidecar};
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Role, Volume};
use voxprep_core::voxels::channel;

use crate::destination::{Destination, chosen};

/// What comes of a run: the volumes to write, and what is said of them.
pub(crate) struct Outcome {
    /// Points and findings; its volumes are taken out.
    pub(crate) subject: Subject,
    /// The volumes to write, with their names.
    pub(crate) volumes: Vec<(String, Volume)>,
    pub(crate) sidecar: Sidecar,
    /// The effort of compression.
    pub(crate) level: u32,
}

impl Outcome {
    /// Runs a plan over a subject that was read from `inputs`, for this destination.
    pub(crate) fn new(
        plan: &Plan,
        options: &RunOptions<'_>,
        subject: Subject,
        inputs: Vec<Artefact>,
        destination: &Destination,
    ) -> Result<Self> {
        let points = subject.points.clone();
        let mut subject = plan.run(subject, options)?;
        let output = &plan.pipeline().output;
        let names = chosen(subject.names(), output.volumes.as_deref(), plan.until())?;
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let roles: Vec<(&str, Role)> = names
            .iter()
            .filter_map(|name| Some((name.as_str(), subject.volume(name)?.role())))
            .collect();
        destination.check(&roles)?;

        let mut volumes = Vec::with_capacity(names.len());
        let mut artefacts = Vec::with_capacity(names.len());
        for name in names {
            let Some(mut volume) = subject.remove(&name) else {
                continue;
            };
            if let Some(to) = output.dtype.filter(|_| volume.role() == Role::Intensity) {
                let flattened = to
                    .is_integer()
                    .then(|| span_of_fractions(&volume))
                    .flatten();
                let (cast, lost) = volume.cast(to)?;
                volume = cast;
                if let Some([low, high]) = flattened.filter(|[low, high]| high - low < FEW_STEPS) {
                    let message = format!(
                        "values with fractions from {low} to {high} became whole numbers of {to}, the dtype of the output; scale them first, or give f32"
                    );
                    let finding = Finding::warning("output.flattened", message).about(&name);
                    let values = json!({ "low": low, "high": high, "type": to });
                    subject.findings.push(finding.with_values(values));
                }
                if lost > 0 {
                    let message = format!(
                        "{lost} values do not fit {to}, the dtype of the output, and became the nearest that do"
                    );
                    let finding = Finding::warning("output.saturated", message).about(&name);
                    let values = json!({ "count": lost, "type": to });
                    subject.findings.push(finding.with_values(values));
                }
            }
            let path = destination.path_of(&name)?;
            let file = path.file_name();
            let file = file.map(|file| file.to_string_lossy().into_owned());
            artefacts.push(Artefact::new(&name, &volume, file));
            volumes.push((name, volume));
        }
        let mut sidecar = Sidecar::new(plan, options, &subject, inputs, artefacts)?;
        sidecar.points = Points::new(&points, &subject.points);
        sidecar.files = Some(destination.files());
        Ok(Self {
            subject,
            volumes,
            sidecar,
            level: output.level,
        })
    }
}

/// Fewer whole numbers than this are no image any more.
const FEW_STEPS: f64 = 16.0;

/// The smallest and the largest value of a volume, if some value is no whole number.
fn span_of_fractions(volume: &Volume) -> Option<[f64; 2]> {
    dispatch!(VoxelsView, volume.voxels().view(), view => {
        let mut span: Option<[f64; 2]> = None;
        for c in 0..volume.voxels().channels() {
            let Some((low, high)) = min_max(channel(&view, c), &Select::All) else {
                continue;
            };
            span = Some(span.map_or([low, high], |[a, b]| [a.min(low), b.max(high)]));
        }
        let whole = |v: &_| {
            let v = Element::to_f64(*v);
            v == v.trunc() || v.is_nan()
        };
        span.filter(|_| !view.iter().all(whole))
    })
}
