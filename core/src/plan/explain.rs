//! Explaining a plan: its stages, and with the headers of an input, what each volume becomes.

use std::fmt;

use serde::Serialize;

use super::resolve::{State, resolve};
use super::{Active, Plan, StageKind, stages};
use crate::error::Result;
use crate::provenance::pseudonym;
use crate::stream::hash_name;
use crate::volume::{Header, Role};
use crate::voxels::ElementType;

/// What a plan does, stage by stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Reading, the stages, writing.
    pub stages: Vec<StageInfo>,
    /// How many stages interpolate.
    pub resamples: usize,
    /// How many stages read and write every voxel once, without interpolating.
    pub passes: usize,
    /// The steps that this subject's draws leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageInfo {
    /// `read`, `resample`, `pass`, `filter`, `joint` or `write`.
    pub kind: &'static str,
    /// The ids of the steps that run here as one.
    pub steps: Vec<String>,
    /// Why the stage could not join the one before, where a step had to see voxels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barrier: Option<String>,
    /// What each volume is after the stage, as far as the headers tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeState>,
}

/// What a volume is after a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VolumeState {
    /// Its name.
    pub name: String,
    /// Its size in voxels, `[x, y, z]`.
    pub size: [usize; 3],
    /// Its spacing in mm, `[x, y, z]`.
    pub spacing_mm: [f64; 3],
    /// Measured values or labels.
    pub role: Role,
    /// Its element type.
    #[serde(rename = "type")]
    pub element_type: ElementType,
    /// How many channels it has.
    pub channels: usize,
}

impl Plan {
    /// Explains the plan as if every step ran.
    pub fn explain(&self, fuse: bool) -> Explanation {
        self.explain_steps(&self.all(), fuse)
    }

    fn explain_steps(&self, steps: &[Active<'_>], fuse: bool) -> Explanation {
        let mut explanation = Explanation {
            stages: vec![StageInfo::plain("read")],
            resamples: 0,
            passes: 0,
            skipped: Vec::new(),
        };
        for stage in stages(steps, fuse, self.pipeline.sampling.fill) {
            let kind = match stage.kind {
                StageKind::Resample => "resample",
                StageKind::Pass => "pass",
                StageKind::Filter => "filter",
                StageKind::Joint => "joint",
            };
            explanation.resamples += usize::from(kind == "resample");
            explanation.passes += usize::from(kind == "pass");
            let ids = stage
                .steps
                .iter()
                .filter_map(|&i| steps.get(i))
                .map(|s| s.id().to_owned());
            let steps: Vec<String> = ids.collect();
            let reader = steps.first().filter(|_| stage.barrier);
            explanation.stages.push(StageInfo {
                kind,
                barrier: reader.map(|id| format!("'{id}' reads voxels")),
                steps,
                volumes: Vec::new(),
            });
        }
        explanation.stages.push(StageInfo::plain("write"));
        explanation
    }

    /// Explains what the plan will do for a subject with these headers, as far as headers tell: up
    /// to the first step that must see voxels. Steps that the subject's draws leave out are named.
    ///
    /// # Errors
    /// Where a step does not fit the headers.
    pub fn explain_for(
        &self,
        subject: &str,
        headers: &[(String, Header)],
        fuse: bool,
    ) -> Result<Explanation> {
        let steps = self.active(hash_name(&pseudonym(subject)), 0);
        let mut explanation = self.explain_steps(&steps, fuse);
        let runs = |id: &str| steps.iter().any(|step| step.id() == id);
        let ids = self.steps.iter().map(|planned| &planned.step.id);
        explanation.skipped = ids.filter(|id| !runs(id)).cloned().collect();
        let mut state = self.begin_headers(headers)?;
        if let Some(read) = explanation.stages.first_mut() {
            read.volumes = states(&state);
        }
        let stages = stages(&steps, fuse, self.pipeline.sampling.fill);
        for (stage, info) in stages.iter().zip(explanation.stages.iter_mut().skip(1)) {
            if stage.barrier || matches!(stage.kind, StageKind::Filter | StageKind::Joint) {
                break;
            }
            resolve(&steps, stage, &mut state, None)?;
            info.volumes = states(&state);
        }
        Ok(explanation)
    }
}

fn states(state: &State) -> Vec<VolumeState> {
    let one = |(name, header): &(String, Header)| VolumeState {
        name: name.clone(),
        size: header.geometry.size(),
        spacing_mm: header.geometry.spacing(),
        role: header.role,
        element_type: header.element_type,
        channels: header.channels.len(),
    };
    state.headers.iter().map(one).collect()
}

impl StageInfo {
    fn plain(kind: &'static str) -> Self {
        Self {
            kind,
            steps: Vec::new(),
            barrier: None,
            volumes: Vec::new(),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for stage in &self.stages {
            f.write_str(format!("{:<9}{}", stage.kind, stage.steps.join(" + ")).trim_end())?;
            if let Some(barrier) = &stage.barrier {
                write!(f, "   (after a barrier: {barrier})")?;
            }
            writeln!(f)?;
            for v in &stage.volumes {
                let [x, y, z] = v.size;
                let [sx, sy, sz] = v.spacing_mm;
                write!(
                    f,
                    "           {}: {x} x {y} x {z} voxels of {sx:.4} x {sy:.4} x {sz:.4} mm, {}",
                    v.name, v.element_type
                )?;
                if v.channels > 1 {
                    write!(f, ", {} channels", v.channels)?;
                }
                writeln!(f)?;
            }
        }
        let plural =
            |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        write!(
            f,
            "{}, {}",
            plural(self.resamples, "resample", "resamples"),
            plural(self.passes, "pass", "passes")
        )
    }
}
