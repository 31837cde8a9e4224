//! `Plan`: a pipeline checked against a registry, grouped into stages, ready to run.
//!
//! A plan groups, never reorders. A stage is a run of spatial steps followed by a run of pointwise
//! steps, executed as one resample or one pass; filters and joint steps are stages of their own.
//! The fused result is the meaning: what the composed map gives, evaluated voxel by voxel
//! ([`crate::naive`] is that definition, slow and plain).

mod begin;
mod courses;
mod draw;
mod explain;
mod resample;
mod resolve;
mod restore;
mod run;
mod stage;
mod until;

pub use explain::{Explanation, GroupInfo, MemberInfo, StageInfo, VolumeState};
pub use run::{After, Progress, RunOptions};

pub(crate) use draw::{Draw, Member, Node, PlannedGroup};
pub(crate) use resolve::{Leg, Task};
pub(crate) use run::Bound;
pub(crate) use stage::{Stage, StageKind, stages};
pub(crate) use until::Until;

use crate::error::{Error, Result};
use crate::pipeline::{FORMS, Pipeline, Step, join};
use crate::provenance::pseudonym;
use crate::registry::{Registry, kind_name};
use crate::schema;
use crate::stream::{Seed, Stream, hash_name};
use crate::subject::can_name_a_volume;
use crate::transform::{Kind, Needs, Reads, Transform};
use crate::volume::Role;

/// A pipeline whose steps exist and whose parameters are right.
pub struct Plan {
    pipeline: Pipeline,
    steps: Vec<Node>,
    /// Where it stops, if that is before its end.
    until: Option<Until>,
}

/// A step of a plan.
pub(crate) struct PlannedStep {
    pub(crate) step: Step,
    /// The ids of the groups around it and its own, `group/rotate`: its id in all that is said of
    /// it, and the name of its stream.
    pub(crate) path: String,
    pub(crate) transform: Box<dyn Transform>,
    /// The volumes it acts on unless the step names some; `None`: all.
    pub(crate) role: Option<Role>,
    /// Whether the volumes that the step names are those of the group around it: then it acts on
    /// those among them that it can act on.
    pub(crate) inherits_on: bool,
}

impl Plan {
    /// Checks a pipeline against a registry.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming step, transform and field.
    pub fn new(mut pipeline: Pipeline, registry: &Registry) -> Result<Self> {
        let steps = &mut pipeline.steps;
        let steps: Result<Vec<Node>> = steps
            .iter_mut()
            .map(|step| node(step, "", None, registry))
            .collect();
        Ok(Self {
            steps: steps?,
            pipeline,
            until: None,
        })
    }

    /// The resolved pipeline: every parameter stated, defaults included.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The same plan with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.pipeline.seed = seed;
        self
    }

    /// The ids of the steps that run for a subject in an epoch, in order. A step in groups is
    /// called by their ids and its own: `one_of/augment.rotate`.
    pub fn chosen(&self, subject: &str, epoch: u64) -> Vec<&str> {
        let draw = self.draw(hash_name(&pseudonym(subject)), epoch);
        let ids = draw.active.iter().map(|step| step.planned.path.as_str());
        ids.collect()
    }

    /// What chance decides for a subject in an epoch.
    pub(crate) fn draw(&self, subject: u64, epoch: u64) -> Draw<'_> {
        let seed = Seed {
            seed: self.pipeline.seed,
            subject,
            epoch,
        };
        let mut draw = Draw::default();
        for node in &self.steps {
            draw.visit(node, seed, true);
        }
        self.cut(&mut draw);
        draw
    }

    /// The steps that run for a subject in an epoch, each with its random stream.
    pub(crate) fn active(&self, subject: u64, epoch: u64) -> Vec<Active<'_>> {
        self.draw(subject, epoch).active
    }

    /// All steps, as if every probability were 1 and every step of a group were chosen.
    pub(crate) fn all(&self) -> Vec<Active<'_>> {
        let seed = Seed {
            seed: self.pipeline.seed,
            subject: 0,
            epoch: 0,
        };
        let mut steps = Vec::with_capacity(self.steps.len());
        for node in &self.steps {
            node.flatten(&mut steps);
        }
        steps
            .into_iter()
            .map(|planned| Active {
                planned,
                stream: Stream::new(seed, &planned.path),
            })
            .collect()
    }
}

/// Checks a step against a registry, and states all its parameters. `around` is the path of the
/// group it is in, `on` the volumes that this names.
fn node(
    step: &mut Step,
    around: &str,
    on: Option<&Vec<String>>,
    registry: &Registry,
) -> Result<Node> {
    let path = join(around, "/", &step.id);
    let place = |error: Error| error.in_step(&path, &step.name);
    check_on(step).map_err(place)?;
    let on = step.on.as_ref().or(on);
    if let Some(group) = &mut step.group {
        let members = group.steps.iter_mut().map(|member| {
            Ok(Member {
                weight: member.weight,
                node: node(member, &path, on, registry)?,
            })
        });
        return Ok(Node::Group(PlannedGroup {
            members: members.collect::<Result<_>>()?,
            choice: group.choice,
            p: step.p,
            path,
        }));
    }
    let entry = match registry.get(&step.name) {
        Ok(entry) => entry,
        Err(error) => return Err(place(or_a_group(error, &step.name, registry))),
    };
    let params = serde_json::Value::Object(step.params.clone());
    let transform = entry.build(&params).map_err(place)?;
    if kind_name(&transform.kind()) != entry.kind {
        return Err(place(Error::plugin(format!(
            "is registered as {}, and is {}",
            entry.kind,
            kind_name(&transform.kind())
        ))));
    }
    if let Some(to) = step.to.as_ref().filter(|to| !can_name_a_volume(to)) {
        return Err(place(
            Error::parameter(format!("'{to}' cannot name a volume"))
                .field("as")
                .remedy("use letters, digits, '-' and '_'"),
        ));
    }
    if step.to.is_some() && matches!(transform.kind(), Kind::Joint(_)) {
        return Err(place(
            Error::parameter("a step over several volumes has no single result").field("as"),
        ));
    }
    // The resolved pipeline states every parameter, given or not.
    if let serde_json::Value::Object(all) = transform.params() {
        step.params = all.into_iter().filter(|(_, v)| !v.is_null()).collect();
    }
    Ok(Node::Step(PlannedStep {
        inherits_on: step.on.is_none() && on.is_some(),
        step: Step {
            on: on.cloned(),
            ..step.clone()
        },
        path,
        transform,
        role: entry.role,
    }))
}

/// Refuses a list of volumes that names none, or one twice.
fn check_on(step: &Step) -> Result<()> {
    let Some(on) = &step.on else {
        return Ok(());
    };
    if on.is_empty() {
        return Err(Error::parameter("names no volume")
            .field("on")
            .remedy("leave it out for all"));
    }
    match (1..on.len()).find(|&i| on[..i].contains(&on[i])) {
        Some(i) => Err(Error::parameter("names a volume twice").field(format!("on[{i}]"))),
        None => Ok(()),
    }
}

/// The error of an unknown transform, where the name of a group is more similar than any other.
fn or_a_group(error: Error, name: &str, registry: &Registry) -> Error {
    let groups = FORMS.iter().map(|form| form.name);
    let transforms = registry.iter().map(|entry| entry.name.as_str());
    match schema::nearest(name, transforms.chain(groups)) {
        Some(near) if FORMS.iter().any(|form| form.name == near) => {
            error.remedy(format!("did you mean '{near}'?"))
        }
        _ => error,
    }
}

/// A step that runs, with its random stream.
pub(crate) struct Active<'a> {
    pub(crate) planned: &'a PlannedStep,
    pub(crate) stream: Stream,
}

impl Active<'_> {
    pub(crate) fn id(&self) -> &str {
        &self.planned.path
    }

    pub(crate) fn name(&self) -> &str {
        &self.planned.step.name
    }

    pub(crate) fn kind(&self) -> Kind<'_> {
        self.planned.transform.kind()
    }

    pub(crate) fn reads(&self) -> Reads {
        match self.kind() {
            Kind::Pointwise(p) => p.reads(),
            Kind::Spatial(s) => s.reads(),
            Kind::Filter(_) | Kind::Joint(_) => Reads::Voxels,
        }
    }

    pub(crate) fn needs(&self) -> Needs {
        match self.kind() {
            Kind::Pointwise(p) => p.needs(),
            Kind::Filter(f) => f.needs(),
            Kind::Joint(j) => j.needs(),
            Kind::Spatial(_) => Needs::Anything,
        }
    }

    /// Adds this step to an error's place.
    pub(crate) fn place(&self, error: Error) -> Error {
        error.in_step(self.id(), self.name())
    }
}
