//! Grouping: which neighbouring steps run as one.

use super::Active;
use crate::pipeline::Fill;
use crate::transform::{Kind, Reads};

/// Steps that run as one, by their position in the list that was grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) kind: StageKind,
    /// The spatial steps, then the pointwise ones; or one filter or joint step.
    pub(crate) steps: Vec<usize>,
    /// How many of them are spatial.
    pub(crate) spatial: usize,
    /// Whether the first step reads voxels, so that all before it must have run.
    pub(crate) barrier: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StageKind {
    /// Voxels are interpolated.
    Resample,
    /// Every voxel is read and written once.
    Pass,
    Filter,
    Joint,
}

/// Groups steps into stages; without `fuse`, each step is a stage of its own.
///
/// With `fill = "edge"` a spatial step repeats the edge of what the step before left, so it must
/// see that: nothing spatial joins a stage that interpolates already.
pub(crate) fn stages(steps: &[Active<'_>], fuse: bool, fill: Fill) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for (position, step) in steps.iter().enumerate() {
        let (kind, spatial) = match step.kind() {
            Kind::Spatial(s) if s.is_index_exact() => (StageKind::Pass, 1),
            Kind::Spatial(_) => (StageKind::Resample, 1),
            Kind::Pointwise(_) => (StageKind::Pass, 0),
            Kind::Filter(_) => (StageKind::Filter, 0),
            Kind::Joint(_) => (StageKind::Joint, 0),
        };
        let alone = matches!(kind, StageKind::Filter | StageKind::Joint);
        let barrier = !alone && step.reads() == Reads::Voxels;
        let joins = |last: &Stage| {
            fuse && !alone
                && !barrier
                && !matches!(last.kind, StageKind::Filter | StageKind::Joint)
                // a spatial step cannot pass a pointwise one: a clamp and an interpolation do
                // not commute
                && (spatial == 0 || last.spatial == last.steps.len())
                && !(spatial == 1 && fill == Fill::Edge && last.kind == StageKind::Resample)
        };
        match stages.last_mut().filter(|last| joins(last)) {
            Some(last) => {
                last.steps.push(position);
                last.spatial += spatial;
                if kind == StageKind::Resample {
                    last.kind = kind;
                }
            }
            None => stages.push(Stage {
                kind,
                steps: vec![position],
                spatial,
                barrier,
            }),
        }
    }
    stages
}
