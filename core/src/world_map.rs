//! World maps: what a spatial step does to the world, in LPS+ millimetres.

use serde::{Deserialize, Serialize};
use voxprep_kernels::affine::Affine;

use crate::error::{Error, Result};

/// A map of the world, LPS+ mm, as resampling needs it: from where a voxel of the output comes.
///
/// A chain of parts; a point of the output passes through them first to last. Adding a kind of
/// part (a displacement field) is adding a variant of [`MapPart`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorldMap {
    parts: Vec<MapPart>,
}

/// One part of a [`WorldMap`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MapPart {
    /// An affine map, invertible by construction.
    Affine(Invertible),
}

/// An affine map and its inverse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[[f64; 4]; 3]", into = "[[f64; 4]; 3]")]
pub struct Invertible {
    in_from_out: Affine,
    out_from_in: Affine,
}

impl TryFrom<[[f64; 4]; 3]> for Invertible {
    type Error = Error;

    fn try_from(rows: [[f64; 4]; 3]) -> Result<Self> {
        let in_from_out = Affine::from_rows(rows);
        let out_from_in = in_from_out.inverse().ok_or_else(singular)?;
        Ok(Self {
            in_from_out,
            out_from_in,
        })
    }
}

impl From<Invertible> for [[f64; 4]; 3] {
    fn from(map: Invertible) -> Self {
        *map.in_from_out.rows()
    }
}

fn singular() -> Error {
    Error::parameter("the map of the world is singular: it presses the volume flat")
        .remedy("scale by factors above 0")
}

impl WorldMap {
    /// The map that moves nothing.
    pub fn identity() -> Self {
        Self::default()
    }

    /// The map of an affine motion, given as what happens to the object: `out_from_in`.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the motion cannot be undone.
    pub fn affine(out_from_in: Affine) -> Result<Self> {
        let in_from_out = out_from_in.inverse().ok_or_else(singular)?;
        // The one direction is always the inverse of the other, so that a map that was written
        // and read back is the same to the last bit.
        let map = Invertible::try_from(*in_from_out.rows())?;
        Ok(Self {
            parts: vec![MapPart::Affine(map)],
        })
    }

    /// Whether nothing moves.
    pub fn is_identity(&self) -> bool {
        self.parts.is_empty()
    }

    /// The parts, in the order in which a point of the output passes through them.
    pub fn parts(&self) -> &[MapPart] {
        &self.parts
    }

    /// From where a point of the output comes.
    pub fn pull(&self, point: [f64; 3]) -> [f64; 3] {
        self.parts.iter().fold(point, |p, part| match part {
            MapPart::Affine(map) => map.in_from_out.apply(p),
        })
    }

    /// Where a point of the input goes; `None` where the inverse is not found.
    pub fn push(&self, point: [f64; 3]) -> Option<[f64; 3]> {
        self.parts
            .iter()
            .rev()
            .try_fold(point, |p, part| match part {
                MapPart::Affine(map) => Some(map.out_from_in.apply(p)),
            })
    }

    /// The whole map as one affine from output to input, where it is one.
    pub fn as_affine(&self) -> Option<Affine> {
        self.parts
            .iter()
            .try_fold(Affine::IDENTITY, |whole, part| match part {
                MapPart::Affine(map) => Some(map.in_from_out * whole),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_undoes_pull() {
        let motion = Affine::from_rows([
            [0.8, -0.3, 0.1, 5.0],
            [0.2, 1.1, 0.4, -3.0],
            [0.0, -0.2, 0.9, 8.0],
        ]);
        let map = WorldMap::affine(motion).unwrap();
        let point = [3.0, -7.0, 11.0];
        let back = map.pull(map.push(point).unwrap());
        assert!((0..3).all(|i| (back[i] - point[i]).abs() < 1e-12));
        let pushed = map.push(point).unwrap();
        assert!((0..3).all(|i| (pushed[i] - motion.apply(point)[i]).abs() < 1e-12));
        let written = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<WorldMap>(&written).unwrap(), map);
    }

    #[test]
    fn a_flat_motion_is_refused() {
        assert!(WorldMap::affine(Affine::scaling([1.0, 0.0, 1.0])).is_err());
    }
}
