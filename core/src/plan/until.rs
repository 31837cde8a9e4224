//! Stopping early: a plan that runs up to and including one of its steps.

use std::collections::HashSet;

use super::{Draw, Plan};
use crate::error::Result;

/// Where a plan stops.
pub(crate) struct Until {
    /// The id of the last step or group that runs, behind those of the groups around it.
    id: String,
    /// The paths of the steps that may run.
    steps: HashSet<String>,
}

impl Plan {
    /// The same plan, stopped after a step or group, which is named by its id behind those of the
    /// groups around it: `one_of/augment.rotate`.
    ///
    /// What the steps that are left do is the same as in the whole plan: draws, and what is known
    /// of the input because a later step asks for it. A step that the draws leave out is left out.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::error::Error::Parameter) where there is no such step.
    pub fn stopped_after(mut self, id: &str) -> Result<Self> {
        let mut all = Vec::new();
        for node in &self.steps {
            node.flatten(&mut all);
        }
        let inside = format!("{id}/");
        let is_last = |path: &String| path == id || path.starts_with(&inside);
        let paths: Vec<String> = all.into_iter().map(|step| step.path.clone()).collect();
        let Some(last) = paths.iter().rposition(is_last) else {
            return Err(self.pipeline.no_step(id));
        };
        self.until = Some(Until {
            id: id.to_owned(),
            steps: paths.into_iter().take(last + 1).collect(),
        });
        Ok(self)
    }

    /// The step or group after which the plan stops, if that is not its end.
    pub fn until(&self) -> Option<&str> {
        self.until.as_ref().map(|until| until.id.as_str())
    }

    /// Whether a step, or any step of a group, may run.
    pub(crate) fn reaches(&self, path: &str) -> bool {
        let Some(until) = &self.until else {
            return true;
        };
        let inside = format!("{path}/");
        until.steps.contains(path) || until.steps.iter().any(|step| step.starts_with(&inside))
    }

    /// Takes what lies behind the last step out of a draw.
    pub(crate) fn cut(&self, draw: &mut Draw<'_>) {
        let Some(until) = &self.until else {
            return;
        };
        draw.active
            .retain(|step| until.steps.contains(&step.planned.path));
        draw.skipped.retain(|path| until.steps.contains(*path));
        draw.groups.retain(|group| self.reaches(&group.step));
    }
}
