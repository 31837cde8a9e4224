//! Explaining a plan: its stages, and with the headers of an input, what each volume becomes.

use std::fmt;

use serde::Serialize;

use super::courses::Most;
use super::resolve::{State, resolve};
use super::{Active, Node, Plan, StageKind, stages};
use crate::error::Result;
use crate::pipeline::Choice;
use crate::provenance::pseudonym;
use crate::stream::hash_name;
use crate::volume::{Header, Role};
use crate::voxels::ElementType;

/// What a plan does, stage by stage.
///
/// Where steps are left to chance and no subject is given, `stages` are those of the draw in which
/// most happens: every probability above 0 is taken for 1, and of the steps of `one_of` and
/// `some_of` those are taken that give most resamples, then most passes. `resamples` and `passes`
/// are then each the most that any draw gives; no draw need give both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Reading, the stages, writing.
    pub stages: Vec<StageInfo>,
    /// How many stages interpolate, at most.
    pub resamples: usize,
    /// How many stages read and write every voxel once, without interpolating, at most.
    pub passes: usize,
    /// The groups of steps, outer ones first; empty where a subject's draws are explained.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupInfo>,
    /// The steps that this subject's draws leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// Whether another subject may get other stages.
    #[serde(skip)]
    at_most: bool,
}

/// A group of steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupInfo {
    /// Its id, behind those of the groups around it.
    pub step: String,
    /// `group`, `one_of` or `some_of`.
    #[serde(rename = "use")]
    pub name: &'static str,
    /// The probability with which it runs, where it is reached.
    pub p: f64,
    /// The smallest and largest number of its steps that are chosen where it runs.
    pub count: [usize; 2],
    /// The steps in it.
    pub members: Vec<MemberInfo>,
}

/// A step in a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberInfo {
    /// Its id, behind those of the groups around it.
    pub step: String,
    /// How often it is drawn, relative to the others.
    pub weight: f64,
    /// The probability with which it runs, where it is chosen.
    pub p: f64,
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
    /// Explains the plan for any subject; see [`Explanation`] for what is left to chance.
    pub fn explain(&self, fuse: bool) -> Explanation {
        let most = self.course(Most::Work, fuse);
        let mut explanation = self.explain_steps(&most.steps, fuse);
        for node in self.steps.iter().filter(|node| self.reaches(node.path())) {
            explain_group(node, &mut explanation);
        }
        if explanation.at_most {
            explanation.resamples = self.course(Most::Resamples, fuse).resamples;
            explanation.passes = self.course(Most::Passes, fuse).passes;
        }
        explanation
    }

    fn explain_steps(&self, steps: &[Active<'_>], fuse: bool) -> Explanation {
        let mut explanation = Explanation {
            stages: vec![StageInfo::plain("read")],
            resamples: 0,
            passes: 0,
            groups: Vec::new(),
            skipped: Vec::new(),
            at_most: false,
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
        let draw = self.draw(hash_name(&pseudonym(subject)), 0);
        let steps = draw.active;
        let mut explanation = self.explain_steps(&steps, fuse);
        explanation.skipped = draw.skipped.into_iter().map(str::to_owned).collect();
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

/// Adds what there is to say of a step or group to what is left to chance.
fn explain_group(node: &Node, explanation: &mut Explanation) {
    explanation.at_most |= node.p() < 1.0;
    let Node::Group(group) = node else {
        return;
    };
    let all = group.members.len();
    let count = match group.choice {
        Choice::All => [all, all],
        Choice::One => [1, 1],
        Choice::Several(count) => [count.low as usize, count.high as usize],
    };
    explanation.at_most |= count[0] < all;
    let members = group.members.iter().map(|member| MemberInfo {
        step: member.node.path().to_owned(),
        weight: member.weight,
        p: member.node.p(),
    });
    explanation.groups.push(GroupInfo {
        step: group.path.clone(),
        name: group.choice.name(),
        p: group.p,
        count,
        members: members.collect(),
    });
    for member in &group.members {
        explain_group(&member.node, explanation);
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
        for group in &self.groups {
            writeln!(f, "{group}")?;
        }
        if !self.skipped.is_empty() {
            writeln!(f, "{:<9}{}", "skipped", self.skipped.join(", "))?;
        }
        let plural =
            |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let (most, shown) = if self.at_most {
            ("at most ", "; shown is the draw in which most happens")
        } else {
            ("", "")
        };
        write!(
            f,
            "{most}{}, {}{shown}",
            plural(self.resamples, "resample", "resamples"),
            plural(self.passes, "pass", "passes")
        )
    }
}

/// `jitter, one_of (p 0.8): augment.rotate x2 | augment.shift`.
impl fmt::Display for GroupInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.step.rsplit('/').next().unwrap_or_default();
        f.write_str(&self.step)?;
        if !own.starts_with(self.name) {
            write!(f, ", {}", self.name)?;
        }
        if self.p < 1.0 {
            write!(f, " (p {})", self.p)?;
        }
        let [low, high] = self.count;
        match self.name {
            "some_of" if low == high => write!(f, ", {low} of")?,
            "some_of" => write!(f, ", {low} to {high} of")?,
            _ => {}
        }
        let between = if self.name == "group" { " + " } else { " | " };
        for (i, member) in self.members.iter().enumerate() {
            let id = member.step.rsplit('/').next().unwrap_or_default();
            write!(f, "{}{id}", if i == 0 { ": " } else { between })?;
            if member.weight != 1.0 {
                write!(f, " x{}", member.weight)?;
            }
            if member.p < 1.0 {
                write!(f, " (p {})", member.p)?;
            }
        }
        Ok(())
    }
}
