//! Explaining a plan: its stages, and with the headers of an input, what each volume becomes.

use std::fmt;

use serde::Serialize;

use super::resolve::{State, resolve};
use super::{Plan, StageKind, stages};
use crate::error::{Error, Result};
use crate::stream::hash_name;
use crate::transform::Needs;
use crate::volume::{Header, Role, Unit};
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
        let steps = self.all();
        let mut explanation = Explanation {
            stages: vec![StageInfo::plain("read")],
            resamples: 0,
            passes: 0,
        };
        for stage in stages(&steps, fuse) {
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

    /// Explains the plan for a subject with these headers, as far as headers tell: up to the
    /// first step that must see voxels.
    ///
    /// # Errors
    /// Where a step does not fit the headers.
    pub fn explain_for(
        &self,
        subject: &str,
        headers: &[(String, Header)],
        fuse: bool,
    ) -> Result<Explanation> {
        let mut explanation = self.explain(fuse);
        let reference = &self.pipeline.input.reference;
        if let Some(name) = reference
            .as_ref()
            .filter(|r| !headers.iter().any(|(n, _)| n == *r))
        {
            return Err(
                Error::parameter(format!("there is no volume '{name}'")).field("input.reference")
            );
        }
        let mut state = State {
            headers: headers.to_vec(),
            reference: self.pipeline.input.reference.clone(),
            ..State::default()
        };
        let hu_is_asked = self
            .active(hash_name(subject), 0)
            .iter()
            .any(|s| s.needs() == Needs::Hu);
        for (name, header) in &mut state.headers {
            if let (Some(modality), Role::Intensity) = (self.pipeline.input.modality, header.role) {
                header.set_modality(modality);
            }
            // Whether the values look like HU, only the voxels can tell.
            if hu_is_asked && header.unit == Unit::Unknown && header.modality.is_none() {
                header.unit = Unit::Hu;
            }
            state
                .fills
                .insert(name.clone(), vec![0.0; header.channels.len()]);
        }
        if let Some(read) = explanation.stages.first_mut() {
            read.volumes = states(&state);
        }
        let steps = self.all();
        for (stage, info) in stages(&steps, fuse)
            .iter()
            .zip(explanation.stages.iter_mut().skip(1))
        {
            let seen = matches!(stage.kind, StageKind::Filter | StageKind::Joint) || stage.barrier;
            if seen {
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
