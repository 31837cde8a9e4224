//! Running a plan over a subject.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::json;
use voxprep_kernels::stats::{self, Select};

use super::resolve::{Resolved, State, Task, check_unit, outputs, resolve};
use super::{Active, Plan, Record, Stage, StageKind, resample, stages};
use crate::curve::{Form, Mask};
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::pass;
use crate::pass::program::Program;
use crate::pipeline::Fill;
use crate::stream::hash_name;
use crate::subject::Subject;
use crate::transform::{Input, Joint, Kind, Needs, Out, SubjectEdit, mask_volume};
use crate::volume::{AxisKind, ChannelAxis, Channels, Header, Modality, Role, Unit, Volume};
use crate::voxels::{Voxels, channel};
use crate::{dispatch, transform};

/// How a plan is run.
#[derive(Clone, Copy)]
pub struct RunOptions<'a> {
    /// The pass over the data set, which keys the draws; 0 in preprocessing.
    pub epoch: u64,
    /// Whether neighbouring steps run as one. Without, each step rounds to the stored type.
    pub fuse: bool,
    /// Called before each stage.
    pub progress: Option<&'a dyn Fn(Progress<'_>)>,
}

impl Default for RunOptions<'_> {
    fn default() -> Self {
        Self {
            epoch: 0,
            fuse: true,
            progress: None,
        }
    }
}

/// Where a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The stage about to run, from 0.
    pub stage: usize,
    /// How many there are.
    pub stages: usize,
    /// The ids of its steps.
    pub steps: &'a [&'a str],
}

/// An unknown unit is taken for HU when the values look like a CT: the minimum lies in this range
pub(crate) const PLAUSIBLE_MIN: (f64, f64) = (-3100.0, -500.0);
/// and the maximum in this one.
pub(crate) const PLAUSIBLE_MAX: (f64, f64) = (200.0, 32767.0);

impl Plan {
    /// Runs the plan over a subject.
    ///
    /// The result has the same bits for any number of threads.
    ///
    /// # Errors
    /// Where a step does not fit the subject; the error names the step.
    pub fn run(&self, subject: Subject, options: &RunOptions<'_>) -> Result<Subject> {
        self.run_with(subject, options, &run_task)
    }

    /// What a data loader calls: the plan over a subject in an epoch.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn sample(&self, subject: Subject, epoch: u64) -> Result<Subject> {
        self.run(
            subject,
            &RunOptions {
                epoch,
                ..RunOptions::default()
            },
        )
    }

    /// Runs with another way to execute the tasks of a stage: the naive interpreter's.
    pub(crate) fn run_with(
        &self,
        mut subject: Subject,
        options: &RunOptions<'_>,
        execute: &Execute<'_>,
    ) -> Result<Subject> {
        let steps = self.active(hash_name(subject.id()), options.epoch);
        let stages = stages(&steps, options.fuse);
        let mut state = self.begin(&mut subject, &steps)?;
        for (position, stage) in stages.iter().enumerate() {
            let here: Vec<&Active<'_>> = stage.steps.iter().filter_map(|&i| steps.get(i)).collect();
            let ids: Vec<&str> = here.iter().map(|step| step.id()).collect();
            if let Some(progress) = options.progress {
                progress(Progress {
                    stage: position,
                    stages: stages.len(),
                    steps: &ids,
                });
            }
            tracing::debug!(?ids, kind = ?stage.kind, "stage");
            match (stage.kind, here.first()) {
                (StageKind::Filter, Some(step)) => self.run_filter(step, &mut state, &mut subject),
                (StageKind::Joint, Some(step)) => self.run_joint(step, &mut state, &mut subject),
                _ => self.run_fused(&steps, stage, &mut state, &mut subject, execute),
            }
            .map_err(|error| match here.last() {
                Some(step) => step.place(error),
                None => error,
            })?;
        }
        Ok(subject)
    }

    /// What is known of a subject before the first step: modality, units, reference, fills.
    fn begin(&self, subject: &mut Subject, steps: &[Active<'_>]) -> Result<State> {
        let input = &self.pipeline.input;
        if let Some(reference) = &input.reference {
            subject
                .set_reference(reference)
                .map_err(|e| e.field("input"))?;
        }
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
            let volume = accept_as_hu(name, volume, steps, &mut subject.findings);
            subject.put(name, volume);
        }
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

    fn run_fused(
        &self,
        steps: &[Active<'_>],
        stage: &Stage,
        state: &mut State,
        subject: &mut Subject,
        execute: &Execute<'_>,
    ) -> Result<()> {
        let before = state.clone();
        let resolved = resolve(steps, stage, state, Some(subject))?;
        debug_assert!(
            stage.barrier || unfused_headers_agree(steps, stage, before, state),
            "fusing changed a grid, a type or a name"
        );
        let Resolved {
            tasks,
            records,
            findings,
        } = resolved;
        subject.findings.extend(findings);
        let pushed: Vec<_> = records
            .iter()
            .map(|r| (r.map.clone(), r.step.clone()))
            .collect();
        subject.history.extend(records);
        for (map, step) in pushed {
            subject.push_points(&map, &step);
        }
        let last = stage
            .steps
            .last()
            .and_then(|&i| steps.get(i))
            .map_or("", Active::id);
        for task in in_order(&tasks) {
            let shared = tasks.iter().filter(|t| t.source == task.source).count() > 1;
            let (voxels, nan) = execute(task, shared, subject, self)?;
            if nan > 0 {
                let message = format!("{nan} voxels are not a number (NaN)");
                let finding = Finding::warning("voxels.nan", message).about(&task.target);
                let values = json!({ "count": nan });
                subject.findings.push(Finding {
                    step: Some(last.to_owned()),
                    values,
                    ..finding
                });
            }
            subject.put(
                &task.target,
                Volume::with_header(task.header.clone(), voxels)?,
            );
        }
        Ok(())
    }

    fn run_filter(
        &self,
        step: &Active<'_>,
        state: &mut State,
        subject: &mut Subject,
    ) -> Result<()> {
        let Kind::Filter(filter) = step.kind() else {
            return Ok(());
        };
        let sources = state.targets(step)?;
        let targets = outputs(step, state, &sources)?;
        let mut drawn = Vec::new();
        for (source, target) in sources.iter().zip(&targets) {
            let findings = RefCell::new(Vec::new());
            let (Some(volume), Some((_, reference))) = (subject.volume(source), state.reference())
            else {
                continue;
            };
            check_unit(filter.needs(), source, volume.header())?;
            let input = Input {
                name: source,
                header: volume.header(),
                headers: &state.headers,
                reference: &reference.geometry,
                subject: Some(subject),
                findings: &findings,
            };
            let mut out = Out::default();
            let mut stream = step.stream.clone();
            filter.apply(&input, &mut stream, &mut out)?;
            drawn = stream.drawn().to_vec();
            let voxels = out
                .result
                .ok_or_else(|| Error::plugin("the filter asked for no output"))?;
            let header =
                filtered_header(volume.header(), &voxels, filter.unit(volume.header().unit))?;
            subject
                .findings
                .extend(findings.into_inner().into_iter().map(|finding| Finding {
                    step: Some(step.id().to_owned()),
                    ..finding
                }));
            subject.put(target, Volume::with_header(header, voxels)?);
        }
        for (source, target) in sources.iter().zip(&targets) {
            if let Some(fill) = state.fills.get(source).cloned() {
                state.fills.insert(target.clone(), fill);
            }
        }
        self.finish_alone(step, drawn, targets, state, subject);
        Ok(())
    }

    fn run_joint(&self, step: &Active<'_>, state: &mut State, subject: &mut Subject) -> Result<()> {
        let Kind::Joint(joint) = step.kind() else {
            return Ok(());
        };
        let targets = state.targets(step)?;
        let mut stream = step.stream.clone();
        apply_joint(joint, step, targets.clone(), subject, &mut stream)?;
        let drawn = stream.drawn().to_vec();
        self.finish_alone(step, drawn, targets, state, subject);
        Ok(())
    }

    fn finish_alone(
        &self,
        step: &Active<'_>,
        drawn: Vec<f64>,
        volumes: Vec<String>,
        state: &mut State,
        subject: &mut Subject,
    ) {
        subject.history.push(Record {
            step: step.id().to_owned(),
            name: step.name().to_owned(),
            drawn,
            map: crate::world_map::WorldMap::identity(),
            grids_before: Vec::new(),
            volumes,
        });
        state.headers = headers(subject);
        let fill = self.pipeline.sampling.fill;
        let mut fills = BTreeMap::new();
        for (name, volume) in subject.volumes() {
            let known = state.fills.remove(name);
            let fitting = known.filter(|f| f.len() == volume.voxels().channels());
            fills.insert(
                name.to_owned(),
                fitting.unwrap_or_else(|| initial_fill(volume, fill)),
            );
        }
        state.fills = fills;
    }
}

/// How the tasks of a stage are executed: the task, whether others start from the same volume,
/// the subject, the plan; the result and how many of its values are NaN.
pub(crate) type Execute<'a> =
    dyn Fn(&Task, bool, &mut Subject, &Plan) -> Result<(Voxels, u64)> + 'a;

fn run_task(
    task: &Task,
    shared: bool,
    subject: &mut Subject,
    plan: &Plan,
) -> Result<(Voxels, u64)> {
    let missing = || Error::input(format!("there is no volume '{}'", task.source));
    let channels = subject
        .volume(&task.source)
        .ok_or_else(missing)?
        .voxels()
        .channels();
    let lookup = |name: &str| -> Result<Voxels> {
        Ok(mask_volume(subject, name, &task.header.geometry)?
            .voxels()
            .clone())
    };
    let program = Program::new(&task.curves, channels, &lookup)?;
    if !task.legs.is_empty() {
        let source = subject.volume(&task.source).ok_or_else(missing)?;
        return resample::execute(task, source, &plan.pipeline.sampling, &program);
    }
    // Taken out of the subject, a volume that nobody else needs is written in place.
    let voxels = if shared || task.target != task.source {
        subject
            .volume(&task.source)
            .ok_or_else(missing)?
            .voxels()
            .clone()
    } else {
        subject.take_voxels(&task.source).ok_or_else(missing)?
    };
    if program.is_identity() && voxels.element_type() == task.header.element_type {
        return Ok((voxels, 0));
    }
    pass::execute::execute(&program, voxels, task.header.element_type)
}

fn apply_joint(
    joint: &dyn Joint,
    step: &Active<'_>,
    targets: Vec<String>,
    subject: &mut Subject,
    stream: &mut crate::stream::Stream,
) -> Result<()> {
    let mut edit = SubjectEdit {
        subject,
        targets,
        step: step.id(),
    };
    transform::Joint::apply(joint, &mut edit, stream)
}

/// Tasks that look at other volumes run last, so that those are written; forks run before the
/// task that writes the volume they start from.
fn in_order(tasks: &[Task]) -> Vec<&Task> {
    let mut order: Vec<&Task> = tasks.iter().collect();
    order.sort_by_key(|task| {
        let looks = task
            .curves
            .iter()
            .any(|curve| looks_elsewhere(curve.form()));
        (looks, task.target == task.source)
    });
    order
}

fn looks_elsewhere(form: &Form) -> bool {
    match form {
        Form::Select {
            mask,
            inside,
            outside,
        } => matches!(mask, Mask::Volume(_)) || looks_elsewhere(inside) || looks_elsewhere(outside),
        Form::Field { .. } => true,
        Form::Chain(forms) | Form::PerChannel(forms) => forms.iter().any(looks_elsewhere),
        Form::Fan(forms) => forms.iter().any(|(_, form)| looks_elsewhere(form)),
        _ => false,
    }
}

fn headers(subject: &Subject) -> transform::Headers {
    subject
        .volumes()
        .map(|(n, v)| (n.to_owned(), v.header().clone()))
        .collect()
}

/// The header of a filter's result: the same grid, other type and channels as it chose.
fn filtered_header(before: &Header, voxels: &Voxels, unit: Unit) -> Result<Header> {
    let mut header = before.clone();
    if voxels.size() != header.geometry.size() {
        return Err(Error::plugin(format!(
            "the filter made {:?} voxels of {:?}; a filter keeps the grid",
            voxels.size(),
            header.geometry.size()
        )));
    }
    header.element_type = voxels.element_type();
    header.unit = unit;
    if voxels.channels() != header.channels.len() {
        header.channels = Channels::numbered(vec![ChannelAxis {
            kind: AxisKind::Component,
            length: voxels.channels(),
            step: None,
        }]);
    }
    Ok(header)
}

/// Takes an image of unknown unit for HU where a step asks for HU and the values look like it.
fn accept_as_hu(
    name: &str,
    volume: Volume,
    steps: &[Active<'_>],
    findings: &mut Vec<Finding>,
) -> Volume {
    let header = volume.header();
    let asked = steps.iter().any(|step| {
        let on = &step.planned.step.on;
        step.needs() == Needs::Hu && on.as_ref().is_none_or(|on| on.iter().any(|n| n == name))
    });
    let open = header.role == Role::Intensity
        && header.unit == Unit::Unknown
        && header.modality.is_none_or(|m| m == Modality::Ct);
    if !asked || !open {
        return volume;
    }
    let Some((low, high)) = range(&volume) else {
        return volume;
    };
    let within = |v: f64, (a, b): (f64, f64)| v >= a && v <= b;
    if !within(low, PLAUSIBLE_MIN) || !within(high, PLAUSIBLE_MAX) {
        return volume;
    }
    let message = format!(
        "nothing says what the values are measured in; they run from {low} to {high} and are taken for Hounsfield units"
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
fn initial_fill(volume: &Volume, fill: Fill) -> Vec<f64> {
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

/// DESIGN: after planning, grid, type and names are those of the unfused plan.
fn unfused_headers_agree(
    steps: &[Active<'_>],
    stage: &Stage,
    mut before: State,
    fused: &State,
) -> bool {
    for &position in &stage.steps {
        let single = Stage {
            steps: vec![position],
            ..stage.clone()
        };
        if resolve(steps, &single, &mut before, None).is_err() {
            return false;
        }
    }
    before.headers == fused.headers
}
