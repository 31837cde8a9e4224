//! The box around the voxels that a spatial step is told to look for.

use voxprep_core::dispatch;
use voxprep_core::kernels::{Element, places};
use voxprep_core::prelude::*;
use voxprep_core::voxels::channel;

/// Which voxels a box is put around.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Foreground {
    /// Those of the reference volume that are not 0.
    NonZero,
    /// Those of the reference volume above a value, in its unit.
    Above(f64),
    /// Those where the named label volume, on whatever grid, is not 0.
    Mask(String),
}

/// No mask reaches this far beyond the reference; indices beyond it would overflow.
const FAR_VOXELS: f64 = 1e15;

/// The first and the last voxel of the reference volume along x, y, z of the smallest box that holds
/// the chosen voxels, of any channel. A label map on another grid is held with its whole voxels, so
/// that the box may reach beyond the reference. NaN is never chosen.
pub(crate) fn bounding_box(input: &Input<'_>, chosen: &Foreground) -> Result<[[i64; 3]; 2]> {
    let (voxels, grid) = match chosen {
        Foreground::Mask(name) => {
            let labels = input.label_map(name)?;
            (labels.voxels().view(), labels.geometry())
        }
        _ => (input.voxels()?, input.geometry()),
    };
    let is_set = |v: f64| v != 0.0 && !v.is_nan();
    let boxes = dispatch!(VoxelsView, voxels, view => {
        let one = |c| match chosen {
            Foreground::Above(bound) => places::bounding_box(channel(&view, c), |v| v.to_f64() > *bound),
            _ => places::bounding_box(channel(&view, c), |v| is_set(v.to_f64())),
        };
        (0..view.shape()[0]).filter_map(one).collect::<Vec<_>>()
    });
    let Some([low, high]) = boxes.into_iter().reduce(united) else {
        let name = match chosen {
            Foreground::Mask(name) => name,
            _ => input.name(),
        };
        return Err(Error::input(format!(
            "no voxel of '{name}' is chosen, so there is no box"
        ))
        .remedy("choose others, or leave this subject out"));
    };
    if grid.is_close(input.geometry(), 1e-3) {
        return Ok([low, high].map(|end| end.map(|i| i as i64)));
    }
    let faces = [low.map(|i| i as f64 - 0.5), high.map(|i| i as f64 + 0.5)];
    let [low, high] = input.geometry().enclosing(faces, grid);
    let size = input.geometry().size();
    if (0..3).any(|i| high[i] <= -0.5 || low[i] >= size[i] as f64 - 0.5) {
        return Err(Error::input(format!(
            "all that is chosen lies outside '{}'",
            input.name()
        ))
        .remedy("choose others, or leave this subject out"));
    }
    // the voxels that the faces lie in; 1e-6 voxel forgives rounding
    let index = |v: f64| v.clamp(-FAR_VOXELS, FAR_VOXELS) as i64;
    Ok([
        low.map(|v| index((v + 0.5 + 1e-6).floor())),
        high.map(|v| index((v - 0.5 - 1e-6).ceil())),
    ])
}

fn united(a: [[usize; 3]; 2], b: [[usize; 3]; 2]) -> [[usize; 3]; 2] {
    [
        [0, 1, 2].map(|i| a[0][i].min(b[0][i])),
        [0, 1, 2].map(|i| a[1][i].max(b[1][i])),
    ]
}
