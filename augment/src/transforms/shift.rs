//! `augment.shift`: the subject moved along the axes of the grid.

use voxprep_core::prelude::*;

/// Moves the subject by whole voxels along each axis of the reference volume; every volume keeps its
/// grid.
///
/// # Notes
/// Each axis moves by its own draw, uniform from `-max` to `max` voxels, both included, where `max`
/// is `floor(max_fraction n / 2)` of its own length n. A positive shift moves content towards the
/// larger index. Volumes on the reference grid are copied, not interpolated.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// The widest range of the shift as a fraction of an axis, without unit: 0.4 moves by up to a
    /// fifth either way. Default 0.4.
    #[serde(default = "two_fifths")]
    #[schemars(extend("x-bounds" = "[0, 2]"))]
    pub max_fraction: f64,
}

fn two_fifths() -> f64 {
    0.4
}

impl Params for Shift {}

impl Shift {
    /// The largest shift of an axis of n voxels.
    fn most(&self, n: usize) -> u32 {
        // 1e-9 keeps 0.4 * 10 / 2 from falling below 2
        (self.max_fraction * n as f64 / 2.0 + 1e-9) as u32
    }
}

impl Spatial for Shift {
    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Motion> {
        let grid = input.geometry();
        let steps = grid.size().map(|n| {
            let most = self.most(n);
            f64::from(rng.below(2 * most + 1)) - f64::from(most)
        });
        let shift = grid.world_from_index().apply_vector(steps);
        Ok(Motion::map(WorldMap::affine(Affine::translation(shift))?))
    }
}

register!(Shift: Spatial, "augment.shift", "max_fraction = 0.8");

#[cfg(test)]
mod tests {
    use super::*;

    /// SPA-11, B-03: every axis has its own limit, and an axis of one voxel stays.
    #[test]
    fn each_axis_is_limited_by_its_own_length() {
        let shift = Shift { max_fraction: 0.4 };
        assert_eq!([10, 100, 200, 1].map(|n| shift.most(n)), [2, 20, 40, 0]);
    }
}
