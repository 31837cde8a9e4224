//! Resolving a stage: from steps and headers to one task per volume it writes.
//!
//! Nothing here touches voxels, except through steps that say that they read them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use voxprep_kernels::Element;

use super::{Active, Stage};
use crate::curve::{Curve, Table};
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::geometry::Geometry;
use crate::record::{Record, Written};
use crate::subject::Subject;
use crate::transform::{Headers, Input, Kind, Needs, Pointwise, Reads, Spatial};
use crate::volume::{AxisKind, ChannelAxis, Header, Role, Unit};
use crate::with_type;
use crate::world_map::WorldMap;

/// What is known of a subject between two steps.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) headers: Headers,
    /// The fill value of each channel of each intensity volume, in its present unit.
    pub(crate) fills: BTreeMap<String, Vec<f64>>,
    pub(crate) reference: Option<String>,
}

/// What a stage does to write one volume.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) target: String,
    /// The volume it starts from, as it was when the stage began.
    pub(crate) source: String,
    pub(crate) legs: Vec<Leg>,
    pub(crate) curves: Vec<Curve>,
    /// The fill value of each channel, before the curves.
    pub(crate) fill: Vec<f64>,
    /// The header after the stage.
    pub(crate) header: Header,
}

/// One spatial step of one volume: the map, and the grid after it.
#[derive(Clone)]
pub(crate) struct Leg {
    pub(crate) map: WorldMap,
    pub(crate) grid: Geometry,
}

/// A stage, resolved.
#[derive(Default)]
pub(crate) struct Resolved {
    pub(crate) tasks: Vec<Task>,
    pub(crate) records: Vec<Record>,
    pub(crate) findings: Vec<Finding>,
}

impl State {
    pub(crate) fn header(&self, name: &str) -> Option<&Header> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, h)| h)
    }

    fn put(&mut self, name: &str, header: Header, fill: Vec<f64>) {
        match self.headers.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = header,
            None => self.headers.push((name.to_owned(), header)),
        }
        self.fills.insert(name.to_owned(), fill);
    }

    /// The reference volume: the one named, else the first image, else the first volume.
    pub(crate) fn reference(&self) -> Option<(&str, &Header)> {
        let named = |name: &String| self.headers.iter().find(|(n, _)| n == name);
        let image = || self.headers.iter().find(|(_, h)| h.role == Role::Intensity);
        let found = self.reference.as_ref().and_then(named);
        let (name, header) = found.or_else(image).or_else(|| self.headers.first())?;
        Some((name, header))
    }

    /// The volumes a step acts on.
    pub(crate) fn targets(&self, step: &Active<'_>) -> Result<Vec<String>> {
        let applies = |h: &Header| step.planned.role.is_none_or(|role| h.role == role);
        let Some(on) = &step.planned.step.on else {
            let fitting = self.headers.iter().filter(|(_, h)| applies(h));
            return Ok(fitting.map(|(n, _)| n.clone()).collect());
        };
        let mut targets = Vec::with_capacity(on.len());
        for name in on {
            let header = self.header(name).ok_or_else(|| {
                let names: Vec<&str> = self.headers.iter().map(|(n, _)| n.as_str()).collect();
                Error::parameter(format!("there is no volume '{name}'"))
                    .field("on")
                    .remedy(format!("the subject has: {}", names.join(", ")))
            })?;
            if !applies(header) {
                if step.planned.inherits_on {
                    continue;
                }
                let (is, acts) = match header.role {
                    Role::Label => ("a label map", "images"),
                    Role::Intensity => ("an image", "label maps"),
                };
                return Err(Error::parameter(format!(
                    "'{name}' is {is}, and {} acts on {acts}",
                    step.name()
                ))
                .field("on"));
            }
            targets.push(name.clone());
        }
        Ok(targets)
    }
}

/// Resolves a stage of spatial and pointwise steps. `subject` is given where the stage may read
/// voxels; it must be what `state` describes.
pub(crate) fn resolve(
    steps: &[Active<'_>],
    stage: &Stage,
    state: &mut State,
    subject: Option<&Subject>,
) -> Result<Resolved> {
    let mut resolved = Resolved::default();
    for step in stage
        .steps
        .iter()
        .filter_map(|&position| steps.get(position))
    {
        let mut resolving = Resolving {
            step,
            subject: subject.filter(|_| step.reads() == Reads::Voxels),
            state,
            tasks: &mut resolved.tasks,
            findings: RefCell::default(),
            record: Record::new(step.id(), step.name(), step.stream.drawn().to_vec()),
        };
        resolving.run().map_err(|error| step.place(error))?;
        let by_step = |finding| Finding {
            step: Some(step.id().to_owned()),
            ..finding
        };
        let Resolving {
            findings, record, ..
        } = resolving;
        resolved
            .findings
            .extend(findings.into_inner().into_iter().map(by_step));
        resolved.records.push(record);
    }
    Ok(resolved)
}

/// The resolution of one step.
struct Resolving<'a> {
    step: &'a Active<'a>,
    subject: Option<&'a Subject>,
    state: &'a mut State,
    tasks: &'a mut Vec<Task>,
    findings: RefCell<Vec<Finding>>,
    record: Record,
}

impl Resolving<'_> {
    fn run(&mut self) -> Result<()> {
        let sources = self.state.targets(self.step)?;
        let outputs = outputs(self.step, self.state, &sources)?;
        self.findings.borrow_mut().extend(idle(self.step, &sources));
        match self.step.kind() {
            Kind::Spatial(spatial) => self.spatial(spatial, &sources, &outputs),
            Kind::Pointwise(pointwise) => sources
                .iter()
                .zip(&outputs)
                .try_for_each(|(source, output)| self.pointwise(pointwise, source, output)),
            Kind::Filter(_) | Kind::Joint(_) => Ok(()),
        }
    }

    fn spatial(
        &mut self,
        spatial: &dyn Spatial,
        sources: &[String],
        outputs: &[String],
    ) -> Result<()> {
        let Some((name, header)) = self.state.reference() else {
            return Err(Error::input("the subject has no volume to refer to"));
        };
        let reference = header.geometry.clone();
        let input = Input {
            name,
            header,
            headers: &self.state.headers,
            reference: &reference,
            subject: self.subject,
            findings: &self.findings,
        };
        let mut stream = self.step.stream.clone();
        let motion = spatial.resolve(&input, &mut stream)?;
        self.record.drawn = stream.drawn().to_vec();
        check_relabelling(&motion.labels)?;
        for (source, output) in sources.iter().zip(outputs) {
            let Some(own) = self.state.header(source).map(|h| h.geometry.clone()) else {
                continue;
            };
            let grid = spatial.grid(&motion, &own, &reference)?;
            self.record.volumes.push(Written {
                from: source.clone(),
                to: output.clone(),
                grid_before: Some(own).filter(|own| *own != grid),
            });
            let task = task_for(self.tasks, self.state, source, output)?;
            task.header.put_on(grid.clone(), !motion.map.is_identity());
            task.legs.push(Leg {
                map: motion.map.clone(),
                grid,
            });
            if task.header.role == Role::Label && !motion.labels.is_empty() {
                // Which labels there are does not depend on where they are: this commutes with
                // the legs to come.
                task.curves.push(relabelling(&motion.labels, &task.header)?);
            }
            let (header, fill) = (task.header.clone(), fill_after(task));
            self.state.put(output, header, fill);
        }
        if !motion.map.is_identity() && self.step.planned.step.to.is_none() {
            self.report_left_behind(sources);
        }
        self.record.map = motion.map;
        self.record.labels = motion.labels;
        Ok(())
    }

    /// Volumes on one grid that a motion moves in part no longer show the same thing.
    fn report_left_behind(&self, moved: &[String]) {
        let before = |name: &String| {
            let written = self.record.volumes.iter().find(|w| w.to == *name);
            let grid = written.and_then(|w| w.grid_before.as_ref());
            grid.or_else(|| self.state.header(name).map(|h| &h.geometry))
        };
        let grids: Vec<&Geometry> = moved.iter().filter_map(before).collect();
        for (name, header) in &self.state.headers {
            if !moved.contains(name)
                && grids
                    .iter()
                    .any(|grid| header.geometry.is_close(grid, 1e-3))
            {
                let message = "it stays where it is while volumes on its grid move".to_owned();
                let finding = Finding::warning("spatial.left_behind", message).about(name);
                self.findings.borrow_mut().push(finding);
            }
        }
    }

    fn pointwise(&mut self, pointwise: &dyn Pointwise, source: &str, output: &str) -> Result<()> {
        let (Some((_, reference)), Some(header)) =
            (self.state.reference(), self.state.header(source))
        else {
            return Ok(());
        };
        check_unit(pointwise.needs(), source, header)?;
        let input = Input {
            name: source,
            header,
            headers: &self.state.headers,
            reference: &reference.geometry,
            subject: self.subject,
            findings: &self.findings,
        };
        let mut stream = self.step.stream.clone();
        let curve = pointwise.resolve(&input, &mut stream)?;
        if self.step.reads() != Reads::Voxels && !curve.form().looks_at().is_empty() {
            return Err(
                Error::plugin("its curve looks at another volume without saying so")
                    .remedy("return Reads::Voxels from reads()"),
            );
        }
        self.record.drawn = stream.drawn().to_vec();
        self.record.volumes.push(Written {
            from: source.to_owned(),
            to: output.to_owned(),
            grid_before: None,
        });
        let task = task_for(self.tasks, self.state, source, output)?;
        apply_curve_to_header(&curve, &mut task.header);
        task.header.unit = pointwise.unit(task.header.unit);
        if task.header.role == Role::Label && !task.header.element_type.is_integer() {
            return Err(Error::plugin("a label map would become floating point"));
        }
        task.curves.push(curve);
        let (header, fill) = (task.header.clone(), fill_after(task));
        self.state.put(output, header, fill);
        Ok(())
    }
}

/// A motion may exchange labels, never merge them, and the outside stays the outside.
fn check_relabelling(labels: &[(i64, i64)]) -> Result<()> {
    let sorted = |side: fn(&(i64, i64)) -> i64| {
        let mut side: Vec<i64> = labels.iter().map(side).collect();
        side.sort_unstable();
        side
    };
    let (from, to) = (sorted(|pair| pair.0), sorted(|pair| pair.1));
    if from == to && from.is_sorted_by(|a, b| a < b) && !from.contains(&0) {
        return Ok(());
    }
    Err(Error::parameter(format!(
        "the labels {from:?} cannot become {to:?}: a motion exchanges labels above or below 0, each once"
    )))
}

/// The exchange of labels as a curve.
pub(crate) fn relabelling(labels: &[(i64, i64)], header: &Header) -> Result<Curve> {
    let stored = header.element_type;
    let holds =
        |label: i64| with_type!(stored, T => T::from_f64(label as f64).to_f64() == label as f64);
    // Labels that the type has no room for cannot be there.
    let there = || labels.iter().filter(|(label, _)| holds(*label));
    if let Some((_, label)) = there().find(|(_, label)| !holds(*label)) {
        return Err(Error::parameter(format!(
            "the label {label} does not fit {stored}, the type of the label map"
        ))
        .remedy("give the labels other numbers with label.remap first"));
    }
    Ok(Curve::table(Table {
        map: there().copied().collect(),
        other: None,
    }))
}

/// What to say of a step that finds nothing to act on.
pub(crate) fn idle(step: &Active<'_>, sources: &[String]) -> Option<Finding> {
    if !sources.is_empty() {
        return None;
    }
    let acts = match step.planned.role {
        Some(Role::Label) => "label map",
        _ => "image",
    };
    let finding = Finding::warning("step.idle", format!("there is no {acts} to act on"));
    Some(Finding {
        step: Some(step.id().to_owned()),
        ..finding
    })
}

/// The names the results take: those of the sources, or the one `as` gives.
pub(crate) fn outputs(step: &Active<'_>, state: &State, sources: &[String]) -> Result<Vec<String>> {
    let Some(to) = &step.planned.step.to else {
        return Ok(sources.to_vec());
    };
    if sources.len() != 1 {
        return Err(Error::parameter(format!(
            "one new volume cannot hold the results of {}",
            sources.len()
        ))
        .field("as")
        .remedy("name one volume in `on`"));
    }
    if state.header(to).is_some() {
        return Err(Error::parameter(format!("the name '{to}' is used twice"))
            .field("as")
            .remedy("give the new volume its own name"));
    }
    Ok(vec![to.clone()])
}

/// A step that needs Hounsfield units gets them, or says why not (WF-08).
pub(crate) fn check_unit(needs: Needs, name: &str, header: &Header) -> Result<()> {
    if needs == Needs::Anything || header.unit == Unit::Hu {
        return Ok(());
    }
    let is = |what: &str| format!("needs Hounsfield units, but '{name}' is {what}");
    Err(match (header.unit, header.modality) {
        (Unit::Normalised | Unit::Hu, _) => Error::parameter(is("already normalised")).remedy(
            "move this step before the one that normalises, or let that one write a new volume with `as`",
        ),
        (Unit::Raw, _) => {
            Error::input(is("raw: stored values that no rescale slope has calibrated"))
                .remedy("convert to HU first")
        }
        (Unit::Unknown, Some(modality)) => Error::input(is("of unknown unit"))
            .remedy(format!("ct.* steps are for CT, and the scan is said to be {modality}")),
        (Unit::Unknown, None) => {
            Error::input(is("of unknown unit, and its values do not look like HU"))
                .remedy("if it is a CT, say so: --modality CT, or [input] modality = \"CT\"")
        }
    })
}

/// The task that writes `output`, begun from `source` where there is none yet.
fn task_for<'a>(
    tasks: &'a mut Vec<Task>,
    state: &State,
    source: &str,
    output: &str,
) -> Result<&'a mut Task> {
    let position = match tasks.iter().position(|t| t.target == output) {
        Some(position) => position,
        None => {
            let task = match tasks.iter().find(|t| t.target == source) {
                Some(begun) => Task {
                    target: output.to_owned(),
                    source: begun.source.clone(),
                    legs: begun.legs.clone(),
                    curves: begun.curves.clone(),
                    fill: begun.fill.clone(),
                    header: begun.header.clone(),
                },
                None => Task {
                    target: output.to_owned(),
                    source: source.to_owned(),
                    legs: Vec::new(),
                    curves: Vec::new(),
                    fill: state.fills.get(source).cloned().unwrap_or_default(),
                    header: state
                        .header(source)
                        .cloned()
                        .ok_or_else(|| Error::input(format!("there is no volume '{source}'")))?,
                },
            };
            tasks.push(task);
            tasks.len() - 1
        }
    };
    match tasks.get_mut(position) {
        Some(task) => Ok(task),
        None => unreachable!("the position was just found or made"),
    }
}

fn fill_after(task: &Task) -> Vec<f64> {
    task.curves
        .iter()
        .fold(task.fill.clone(), |fill, curve| curve.fill(&fill))
}

fn apply_curve_to_header(curve: &Curve, header: &mut Header) {
    header.element_type = curve.output_type(header.element_type);
    let Some(lanes) = curve.channel_names() else {
        return;
    };
    let channels = &mut header.channels;
    let join = |old: &String, lane: &String| {
        if old.is_empty() {
            lane.clone()
        } else {
            format!("{old}.{lane}")
        }
    };
    let product = channels
        .names
        .iter()
        .flat_map(|old| lanes.iter().map(move |lane| join(old, lane)));
    channels.names = product.collect();
    channels.axes.insert(
        0,
        ChannelAxis {
            kind: AxisKind::Window,
            length: lanes.len(),
            step: None,
        },
    );
}
