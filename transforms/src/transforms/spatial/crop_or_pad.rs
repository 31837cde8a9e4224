//! `spatial.crop_or_pad`: a size that all subjects share.

use voxprep_core::prelude::*;

use crate::foreground::{Foreground, bounding_box};

/// Crops or pads each axis of the reference volume, at both ends alike, to the given size.
///
/// # Notes
/// Where an odd number of voxels is cut or added, the first side has one more than the last, as in
/// TorchIO 1; MONAI pads the last side more, and which side it crops more depends on the size. Nothing
/// is interpolated; added voxels have the fill value of `[sampling]`. A volume on another grid keeps or
/// gains the voxels whose centres lie in the box.
///
/// | size | asked for | before | after |
/// |---|---|---|---|
/// | 10 | 7 | 2 cut | 1 cut |
/// | 7 | 10 | 2 added | 1 added |
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CropOrPad {
    /// Number of voxels along x, y, z afterwards; "all" keeps an axis as it is.
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[1, 2147483648]"))]
    pub size: [Extent; 3],
    /// What stays in the middle. Default "centre".
    #[serde(default)]
    pub around: Around,
}

/// What stays in the middle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Around {
    /// The middle of the reference volume.
    #[default]
    Centre,
    /// The box around what is not 0 in the named label volume.
    Mask(String),
}

impl Params for CropOrPad {}

/// The first voxel of `size` that have the `held` voxels from `low` on in their middle.
fn start(low: i64, held: i64, size: i64) -> i64 {
    let more = held - size;
    low + more.signum() * ((more.abs() + 1) / 2)
}

impl Spatial for CropOrPad {
    fn reads(&self) -> Reads {
        match self.around {
            Around::Centre => Reads::Header,
            Around::Mask(_) => Reads::Voxels,
        }
    }

    fn is_index_exact(&self) -> bool {
        true
    }

    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        let full = input.geometry().size();
        let [low, high] = match &self.around {
            Around::Centre => [[0; 3], full.map(|n| n as i64 - 1)],
            Around::Mask(name) => bounding_box(input, &Foreground::Mask(name.clone()))
                .map_err(|error| error.field("around"))?,
        };
        let size = [0, 1, 2].map(|i| self.size[i].of(full[i]));
        let start = [0, 1, 2].map(|i| match self.size[i] {
            Extent::All => 0,
            Extent::Voxels(n) => start(low[i], high[i] - low[i] + 1, i64::from(n)),
        });
        Ok(Motion::window(start, size))
    }
}

register!(CropOrPad: Spatial, "spatial.crop_or_pad", "size = [64, 64, \"all\"]");

#[cfg(test)]
mod tests {
    use super::*;

    /// The table above, as TorchIO's `_get_six_bounds_parameters` has it.
    #[test]
    fn the_first_side_takes_the_odd_voxel() {
        for (full, size, first) in [
            (10, 7, 2),
            (7, 10, -2),
            (9, 4, 3),
            (4, 9, -3),
            (10, 6, 2),
            (6, 10, -2),
            (5, 5, 0),
        ] {
            assert_eq!(start(0, full, size), first, "{full} to {size}");
        }
        // 3 voxels from 20 on in the middle of 8
        assert_eq!(start(20, 3, 8), 17);
    }
}
