//! `spatial.flip`: index axes stored in reverse.

use voxprep_core::prelude::*;

/// Stores the voxels of the named index axes in reverse order.
///
/// # Notes
/// Everything keeps its place in the world: the anatomy is not mirrored.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// The index axes to reverse.
    pub axes: Vec<Axis>,
}

/// An index axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// The fastest axis.
    X,
    /// The middle axis.
    Y,
    /// The slowest axis.
    Z,
}

impl Params for Flip {
    fn check(&self) -> Result<()> {
        let repeated = |(i, axis): (usize, &Axis)| self.axes.iter().skip(i + 1).any(|a| a == axis);
        if self.axes.is_empty() || self.axes.iter().enumerate().any(repeated) {
            return Err(Error::parameter("name each axis to reverse once").field("axes"));
        }
        Ok(())
    }
}

impl Spatial for Flip {
    fn is_index_exact(&self) -> bool {
        true
    }

    fn resolve(&self, _: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        Ok(Motion::still())
    }

    fn grid(&self, _: &Motion, own: &Geometry, _: &Geometry) -> Result<Geometry> {
        Ok(own.flipped([Axis::X, Axis::Y, Axis::Z].map(|axis| self.axes.contains(&axis))))
    }
}

register!(Flip: Spatial, "spatial.flip", "axes = [\"x\", \"y\"]");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reversed_axis_starts_where_it_ended() {
        let own = Geometry::aligned([4, 5, 6], [1.0, 2.0, 3.0], [0.0; 3]).unwrap();
        let flip = Flip {
            axes: vec![Axis::Y],
        };
        let new = flip.grid(&Motion::still(), &own, &own).unwrap();
        assert_eq!(new.origin(), [0.0, 8.0, 0.0]);
        assert_eq!(new.world_from_index().column(1), [0.0, -2.0, 0.0]);
    }

    #[test]
    fn an_axis_is_named_once() {
        assert!(Flip { axes: vec![] }.check().is_err());
        assert!(
            Flip {
                axes: vec![Axis::X, Axis::Z, Axis::X]
            }
            .check()
            .is_err()
        );
    }
}
