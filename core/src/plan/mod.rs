//! `Plan`: a pipeline checked against a registry, grouped into stages, ready to run.
//!
//! A plan groups, never reorders. A stage is a run of spatial steps followed by a run of pointwise
//! steps, executed as one resample or one pass; filters and joint steps are stages of their own.
//! The fused result is the meaning: what the composed map gives, evaluated voxel by voxel
//! ([`crate::naive`] is that definition, slow and plain).

mod begin;
mod explain;
mod resample;
mod resolve;
mod run;
mod stage;

pub use explain::{Explanation, StageInfo, VolumeState};
pub use run::{Progress, RunOptions};

pub(crate) use resolve::{Leg, Task};
pub(crate) use run::Bound;
pub(crate) use stage::{Stage, StageKind, stages};

use crate::error::{Error, Result};
use crate::pipeline::{Pipeline, Step};
use crate::registry::{Registry, kind_name};
use crate::stream::{Seed, Stream};
use crate::subject::can_name_a_volume;
use crate::transform::{Kind, Needs, Reads, Transform};
use crate::volume::Role;

/// A pipeline whose steps exist and whose parameters are right.
pub struct Plan {
    pipeline: Pipeline,
    steps: Vec<PlannedStep>,
}

/// A step of a plan.
pub(crate) struct PlannedStep {
    pub(crate) step: Step,
    pub(crate) transform: Box<dyn Transform>,
    /// The volumes it acts on unless the step names some; `None`: all.
    pub(crate) role: Option<Role>,
}

impl Plan {
    /// Checks a pipeline against a registry.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming step, transform and field.
    pub fn new(mut pipeline: Pipeline, registry: &Registry) -> Result<Self> {
        let mut steps = Vec::with_capacity(pipeline.steps.len());
        for step in &mut pipeline.steps {
            let place = |error: Error| error.in_step(&step.id, &step.name);
            let entry = registry.get(&step.name).map_err(place)?;
            let params = serde_json::Value::Object(step.params.clone());
            let transform = entry.build(&params).map_err(place)?;
            if kind_name(&transform.kind()) != entry.kind {
                return Err(place(Error::plugin(format!(
                    "is registered as {}, and is {}",
                    entry.kind,
                    kind_name(&transform.kind())
                ))));
            }
            if step.on.as_ref().is_some_and(Vec::is_empty) {
                return Err(place(
                    Error::parameter("names no volume")
                        .field("on")
                        .remedy("leave it out for all"),
                ));
            }
            let twice = |on: &Vec<String>| (1..on.len()).find(|&i| on[..i].contains(&on[i]));
            if let Some(i) = step.on.as_ref().and_then(twice) {
                return Err(place(
                    Error::parameter("names a volume twice").field(format!("on[{i}]")),
                ));
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
                    Error::parameter("a step over several volumes has no single result")
                        .field("as"),
                ));
            }
            // The resolved pipeline states every parameter, given or not.
            if let serde_json::Value::Object(all) = transform.params() {
                step.params = all.into_iter().filter(|(_, v)| !v.is_null()).collect();
            }
            steps.push(PlannedStep {
                step: step.clone(),
                transform,
                role: entry.role,
            });
        }
        Ok(Self { pipeline, steps })
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

    /// The steps that run for a subject in an epoch, each with its random stream.
    pub(crate) fn active(&self, subject: u64, epoch: u64) -> Vec<Active<'_>> {
        let seed = Seed {
            seed: self.pipeline.seed,
            subject,
            epoch,
        };
        let mut active = Vec::with_capacity(self.steps.len());
        for planned in &self.steps {
            let mut stream = Stream::new(seed, &planned.step.id);
            if planned.step.p >= 1.0 || stream.happens(planned.step.p) {
                active.push(Active { planned, stream });
            }
        }
        active
    }

    /// All steps, as if every probability were 1.
    pub(crate) fn all(&self) -> Vec<Active<'_>> {
        let seed = Seed {
            seed: self.pipeline.seed,
            subject: 0,
            epoch: 0,
        };
        let stream = |planned: &PlannedStep| Stream::new(seed, &planned.step.id);
        self.steps
            .iter()
            .map(|planned| Active {
                planned,
                stream: stream(planned),
            })
            .collect()
    }
}

/// A step that runs, with its random stream.
pub(crate) struct Active<'a> {
    pub(crate) planned: &'a PlannedStep,
    pub(crate) stream: Stream,
}

impl Active<'_> {
    pub(crate) fn id(&self) -> &str {
        &self.planned.step.id
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
