//! Running a plan over a subject.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::json;

use super::begin::{headers, initial_fill};
use super::resolve::{Resolved, State, Task, check_unit, idle, outputs, resolve};
use super::{Active, Plan, Stage, StageKind, resample, stages};
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::pass;
use crate::pass::program::Program;
use crate::record::{Record, Written};
use crate::stream::hash_name;
use crate::subject::Subject;
use crate::transform::{Input, Kind, Out, SubjectEdit, other_volume};
use crate::volume::{AxisKind, ChannelAxis, Channels, Header, Unit, Volume};
use crate::voxels::Voxels;

/// How a plan is run.
#[derive(Clone, Copy)]
pub struct RunOptions<'a> {
    /// The pass over the data set, which keys the draws; 0 in preprocessing.
    pub epoch: u64,
    /// Whether neighbouring steps run as one. Without, each step rounds to the stored type.
    pub fuse: bool,
    /// Called before each stage.
    pub progress: Option<&'a dyn Fn(Progress<'_>)>,
    /// Called after each stage, with the subject as it is then.
    pub after: Option<&'a After<'a>>,
}

/// What is called after a stage; its error ends the run.
pub type After<'a> = dyn Fn(Progress<'_>, &Subject) -> Result<()> + 'a;

impl Default for RunOptions<'_> {
    fn default() -> Self {
        Self {
            epoch: 0,
            fuse: true,
            progress: None,
            after: None,
        }
    }
}

/// Where a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The stage, from 0.
    pub stage: usize,
    /// How many there are.
    pub stages: usize,
    /// The ids of its steps.
    pub steps: &'a [&'a str],
}

/// How the tasks of a stage are executed: the task, the volumes it is bound to, the plan; the
/// result, and how many values that are not a number went into it.
pub(crate) type Execute<'a> = dyn Fn(&Task, Bound, &Plan) -> Result<(Voxels, u64)> + 'a;

/// The volumes a task reads, as they were when its stage began.
pub(crate) struct Bound {
    pub(crate) source: Volume,
    /// The volumes that its curves name.
    pub(crate) others: BTreeMap<String, Voxels>,
}

impl Bound {
    /// The voxels of a volume that a curve names.
    pub(crate) fn other(&self, name: &str) -> Result<Voxels> {
        let found = self.others.get(name).cloned();
        found.ok_or_else(|| Error::plugin(format!("a curve looks at '{name}', which is not bound")))
    }
}

impl Plan {
    /// Runs the plan over a subject.
    ///
    /// The result has the same bits for any number of threads.
    ///
    /// # Errors
    /// Where a step does not fit the subject; the error names the step.
    pub fn run(&self, subject: Subject, options: &RunOptions<'_>) -> Result<Subject> {
        self.run_with(subject, options, &execute)
    }

    /// What a data loader calls: the plan over a subject in an epoch.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn sample(&self, subject: Subject, epoch: u64) -> Result<Subject> {
        let options = RunOptions {
            epoch,
            ..RunOptions::default()
        };
        self.run(subject, &options)
    }

    /// Runs with another way to execute the tasks of a stage: the naive interpreter's.
    pub(crate) fn run_with(
        &self,
        mut subject: Subject,
        options: &RunOptions<'_>,
        execute: &Execute<'_>,
    ) -> Result<Subject> {
        let steps = self.active(hash_name(subject.key()), options.epoch);
        let stages = stages(&steps, options.fuse, self.pipeline.sampling.fill);
        let mut state = self.begin(&mut subject)?;
        for (position, stage) in stages.iter().enumerate() {
            let here: Vec<&Active<'_>> = stage.steps.iter().filter_map(|&i| steps.get(i)).collect();
            let ids: Vec<&str> = here.iter().map(|step| step.id()).collect();
            let at = Progress {
                stage: position,
                stages: stages.len(),
                steps: &ids,
            };
            if let Some(progress) = options.progress {
                progress(at);
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
            if let Some(after) = options.after {
                after(at, &subject)?;
            }
        }
        Ok(subject)
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
        let reference = before.reference().map(|(name, _)| name.to_owned());
        let Resolved {
            tasks,
            records,
            findings,
        } = resolve(steps, stage, state, Some(subject))?;
        debug_assert!(
            stage.barrier || unfused_headers_agree(steps, stage, before, state),
            "fusing changed a grid, a type or a name"
        );
        subject.findings.extend(findings);
        for record in records {
            // Points belong to the reference volume: they move when it does, and only then.
            let moved = |w: &Written| w.from == w.to && Some(&w.to) == reference.as_ref();
            if record.volumes.iter().any(moved) {
                subject.push_points(&record.map, &record.step);
            } else if !record.map.is_identity() && has_points(subject) {
                let message =
                    "points and boxes stay with the reference volume, which does not move";
                let finding = Finding::warning("points.stay", message);
                subject.findings.push(Finding {
                    step: Some(record.step.clone()),
                    ..finding
                });
            }
            subject.history.push(record);
        }
        let last = stage
            .steps
            .last()
            .and_then(|&i| steps.get(i))
            .map_or("", Active::id);
        // All tasks read what was there when the stage began, in whatever order they run.
        for (task, bound) in bind(tasks, subject)? {
            let (voxels, nan) = execute(&task, bound, self)?;
            report_nan(subject, nan, &task.target, last);
            subject.put(&task.target, Volume::with_header(task.header, voxels)?);
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
        let before = state.headers.clone();
        subject.findings.extend(idle(step, &sources));
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
            let unit = filter.unit(volume.header().unit);
            let header = filtered_header(volume.header(), &voxels, unit)?;
            let by_step = |finding| Finding {
                step: Some(step.id().to_owned()),
                ..finding
            };
            subject
                .findings
                .extend(findings.into_inner().into_iter().map(by_step));
            report_nan(
                subject,
                pass::execute::count_nan(&voxels),
                target,
                step.id(),
            );
            subject.put(target, Volume::with_header(header, voxels)?);
            if let Some(fill) = state.fills.get(source).cloned() {
                state.fills.insert(target.clone(), fill);
            }
        }
        let pairs = sources.into_iter().zip(targets).collect();
        self.finish_alone(step, drawn, pairs, &before, state, subject)
    }

    fn run_joint(&self, step: &Active<'_>, state: &mut State, subject: &mut Subject) -> Result<()> {
        let Kind::Joint(joint) = step.kind() else {
            return Ok(());
        };
        let targets = state.targets(step)?;
        for name in &targets {
            if let Some(header) = state
                .header(name)
                .filter(|h| h.role == crate::volume::Role::Intensity)
            {
                check_unit(joint.needs(), name, header)?;
            }
        }
        let before = state.headers.clone();
        let mut stream = step.stream.clone();
        let mut edit = SubjectEdit {
            subject,
            targets,
            step: step.id(),
            written: Vec::new(),
        };
        joint.apply(&mut edit, &mut stream)?;
        let written = edit.written;
        for (from, to) in &written {
            if let Some(fill) = state.fills.remove(from) {
                state.fills.insert(to.clone(), fill);
            }
        }
        let reference = state.reference().map(|(name, _)| name.to_owned());
        let renamed = |name: &String| written.iter().any(|(from, to)| from == name && to != name);
        if let Some(name) =
            reference.filter(|name| subject.volume(name).is_none() && !renamed(name))
            && has_points(subject)
        {
            let message = format!("points and boxes belong to '{name}', which is dropped here");
            let finding = Finding::warning("points.stay", message);
            subject.findings.push(Finding {
                step: Some(step.id().to_owned()),
                ..finding
            });
        }
        let pairs = written;
        self.finish_alone(
            step,
            stream.drawn().to_vec(),
            pairs,
            &before,
            state,
            subject,
        )
    }

    /// Records a step that ran alone, and looks at the subject afresh.
    fn finish_alone(
        &self,
        step: &Active<'_>,
        drawn: Vec<f64>,
        pairs: Vec<(String, String)>,
        before: &[(String, Header)],
        state: &mut State,
        subject: &mut Subject,
    ) -> Result<()> {
        state.headers = headers(subject);
        let header_before = |name: &str| before.iter().find(|(n, _)| n == name).map(|(_, h)| h);
        let mut record = Record::new(step.id(), step.name(), drawn);
        for (from, to) in pairs {
            let (old, new) = (header_before(&from), state.header(&to));
            let grids = old.map(|h| &h.geometry).zip(new.map(|h| &h.geometry));
            let grid_before = grids.filter(|(a, b)| a != b).map(|(a, _)| a.clone());
            record.volumes.push(Written {
                from,
                to,
                grid_before,
            });
        }
        subject.history.push(record);
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
        if let Some(name) = subject.named_reference()
            && self.pipeline.input.reference.is_some()
            && subject.volume(name).is_none()
        {
            return Err(Error::parameter(format!(
                "drops '{name}', which [input] names as the reference"
            ))
            .remedy("keep it, or name another reference"));
        }
        state.reference = subject.reference().map(|(name, _)| name.to_owned());
        Ok(())
    }
}

fn has_points(subject: &Subject) -> bool {
    !subject.points.is_empty() || !subject.boxes.is_empty()
}

/// Gives each task the volumes it reads, before any is written. A volume that one task alone needs
/// is taken out of the subject, so that it can be written in place.
fn bind(tasks: Vec<Task>, subject: &mut Subject) -> Result<Vec<(Task, Bound)>> {
    let mut bound = Vec::with_capacity(tasks.len());
    let mut looked_at: Vec<String> = Vec::new();
    for task in &tasks {
        let mut others = BTreeMap::new();
        for (name, role) in task.curves.iter().flat_map(|curve| curve.form().looks_at()) {
            let volume = other_volume(subject, name, role, &task.header.geometry)?;
            others.insert(name.to_owned(), volume.voxels().clone());
            looked_at.push(name.to_owned());
        }
        bound.push(others);
    }
    let needed = |name: &str| tasks.iter().filter(|t| t.source == name).count();
    let alone: Vec<bool> = tasks
        .iter()
        .map(|t| t.target == t.source && needed(&t.source) == 1 && !looked_at.contains(&t.source))
        .collect();
    let mut pairs = Vec::with_capacity(tasks.len());
    for ((task, others), alone) in tasks.into_iter().zip(bound).zip(alone) {
        let missing = || Error::input(format!("there is no volume '{}'", task.source));
        let source = subject.volume(&task.source).ok_or_else(missing)?;
        let source = if alone {
            let header = source.header().clone();
            let voxels = subject.take_voxels(&task.source).ok_or_else(missing)?;
            Volume::with_header(header, voxels)?
        } else {
            source.clone()
        };
        pairs.push((task, Bound { source, others }));
    }
    Ok(pairs)
}

fn execute(task: &Task, bound: Bound, plan: &Plan) -> Result<(Voxels, u64)> {
    let channels = bound.source.voxels().channels();
    let program = Program::new(&task.curves, channels, &|name| bound.other(name))?;
    if !task.legs.is_empty() {
        return resample::execute(task, &bound.source, &plan.pipeline.sampling, &program);
    }
    let (_, voxels) = bound.source.into_parts();
    if program.is_identity() && voxels.element_type() == task.header.element_type {
        return Ok((voxels, 0));
    }
    pass::execute::execute(&program, voxels, task.header.element_type)
}

/// G-10: what is not a number does not go on unseen.
fn report_nan(subject: &mut Subject, count: u64, volume: &str, step: &str) {
    let known = |f: &Finding| {
        f.code == "voxels.nan" && f.volume.as_deref() == Some(volume) && f.values["count"] == count
    };
    if count == 0 || subject.findings.iter().any(known) {
        return;
    }
    let integer = subject
        .volume(volume)
        .is_some_and(|v| v.header().element_type.is_integer());
    let became = if integer { ", and became 0" } else { "" };
    let message = format!("{count} values are not a number (NaN){became}");
    let finding = Finding::warning("voxels.nan", message)
        .about(volume)
        .with_values(json!({ "count": count }));
    subject.findings.push(Finding {
        step: Some(step.to_owned()),
        ..finding
    });
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
