//! `spatial.reorient`: index axes that point in named anatomical directions.

use voxprep_core::prelude::*;

/// Reorders and reverses the index axes so that they point as an orientation code says.
///
/// # Notes
/// Nothing is interpolated and everything keeps its place in the world: only the order in which
/// voxels are stored changes. An oblique volume stays oblique; its axes point in the nearest
/// anatomical directions.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reorient {
    /// Where increasing x, y and z point: one letter each of R or L, A or P, S or I. The letters
    /// name the direction towards which an index increases, as in NIfTI and nibabel.
    #[serde(default = "ras")]
    pub to: Orientation,
}

fn ras() -> Orientation {
    Orientation::RAS
}

impl Params for Reorient {}

impl Spatial for Reorient {
    fn is_index_exact(&self) -> bool {
        true
    }

    fn resolve(&self, _: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        Ok(Motion::still())
    }

    fn grid(&self, _: &Motion, own: &Geometry, _: &Geometry) -> Result<Geometry> {
        Ok(own.reoriented(self.to))
    }
}

register!(Reorient: Spatial, "spatial.reorient", "to = \"RAS\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_voxel_of_ras_is_the_right_posterior_inferior_corner() {
        let lps = Geometry::aligned([4, 5, 6], [1.0, 2.0, 3.0], [10.0, 20.0, 30.0]).unwrap();
        let reorient = Reorient {
            to: Orientation::RAS,
        };
        let ras = reorient.grid(&Motion::still(), &lps, &lps).unwrap();
        // LPS+ world: the leftmost, most posterior voxel has the largest x and y
        assert_eq!(ras.origin(), [13.0, 28.0, 30.0]);
        assert_eq!(ras.orientation(), Orientation::RAS);
    }
}
