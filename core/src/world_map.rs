//! World maps: what a spatial step does to the world, in LPS+ millimetres.

mod stored;

use std::sync::Arc;

use ndarray::Array3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use voxprep_kernels::affine::Affine;
use voxprep_kernels::resample::{Dense, Displacement, Outside};

use crate::error::{Error, Result};
use crate::geometry::Geometry;

/// Farther than any scan reaches, in mm.
const FAR_MM: f32 = 1e7;

/// A map of the world, LPS+ mm, as resampling needs it: from where a voxel of the output comes.
///
/// A chain of parts; a point of the output passes through them first to last.
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
    /// A displacement field: a point of the output comes from where the field moves it.
    #[serde(with = "stored")]
    Displacement(Arc<Displacement>),
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

    /// The map of a displacement field: what is at `w` comes from `w + D(w)`.
    pub fn displacement(field: impl Into<Displacement>) -> Self {
        let field = field.into();
        if field.bounds() == [[0.0; 2]; 3] {
            return Self::identity();
        }
        Self {
            parts: vec![MapPart::Displacement(Arc::new(field))],
        }
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
            MapPart::Displacement(field) => {
                let d = field.at(p);
                [0, 1, 2].map(|i| p[i] + d[i])
            }
        })
    }

    /// Where a point of the input goes; `None` where the inverse is not found.
    pub fn push(&self, point: [f64; 3]) -> Option<[f64; 3]> {
        self.parts
            .iter()
            .rev()
            .try_fold(point, |p, part| match part {
                MapPart::Affine(map) => Some(map.out_from_in.apply(p)),
                MapPart::Displacement(field) => field.invert(p),
            })
    }

    /// The map the other way round, for points of a grid; and how many voxels of it have no way
    /// back that could be found, which the map then sends far outside.
    ///
    /// Affine maps are inverted exactly. A displacement field is inverted at the voxels of the
    /// grid, and linear in between.
    pub(crate) fn inverted(&self, grid: &Geometry) -> Result<(Self, u64)> {
        if let Some(map) = self.as_affine() {
            return Ok((Self::affine(map)?, 0));
        }
        let [nx, ny, nz] = grid.size();
        let slices: Vec<(Vec<[f32; 3]>, u64)> = (0..nz)
            .into_par_iter()
            .map(|z| {
                let mut lost = 0;
                let mut slice = Vec::with_capacity(nx * ny);
                for y in 0..ny {
                    for x in 0..nx {
                        let index = [x, y, z].map(|i| i as f64);
                        let point = grid.world_from_index().apply(index);
                        slice.push(match self.push(point) {
                            Some(to) => [0, 1, 2].map(|i| (to[i] - point[i]) as f32),
                            None => {
                                lost += 1;
                                [FAR_MM; 3]
                            }
                        });
                    }
                }
                (slice, lost)
            })
            .collect();
        let lost = slices.iter().map(|(_, lost)| lost).sum();
        let component = |i: usize| {
            let values = slices
                .iter()
                .flat_map(|(slice, _)| slice.iter().map(|d| d[i]));
            Array3::from_shape_vec((nz, ny, nx), values.collect())
                .map_err(|e| Error::input(e.to_string()))
        };
        let components = [component(0)?, component(1)?, component(2)?];
        let field = Dense::new(components, grid.index_from_world(), Outside::Edge)?;
        Ok((Self::displacement(field), lost))
    }

    /// The whole map as one affine from output to input, where it is one.
    pub fn as_affine(&self) -> Option<Affine> {
        self.parts
            .iter()
            .try_fold(Affine::IDENTITY, |whole, part| match part {
                MapPart::Affine(map) => Some(map.in_from_out * whole),
                MapPart::Displacement(_) => None,
            })
    }
}

impl Invertible {
    /// The map from the output to the input.
    pub fn in_from_out(&self) -> &Affine {
        &self.in_from_out
    }

    /// The map from the input to the output.
    pub fn out_from_in(&self) -> &Affine {
        &self.out_from_in
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use voxprep_kernels::resample::BSpline;

    use super::*;

    fn spline(step: f64) -> BSpline {
        let control = Array4::from_shape_fn((3, 5, 4, 6), |(i, z, y, x)| {
            step * f64::from((7 * i + 3 * z + 5 * y + 2 * x) as i32 % 5 - 2)
        });
        let grid = Affine::scaling([1.0, 0.5, 0.5]) * Affine::translation([3.0, -4.0, 5.0]);
        BSpline::new(control.view(), grid, [40, 30, 20]).unwrap()
    }

    /// A record with a field, in either precision, reads back the same to the last bit.
    #[test]
    fn a_field_is_written_and_read_back() {
        let component =
            |k: usize| Array3::from_shape_fn((2, 3, 4), |(z, y, x)| (k + z + y * x) as f32);
        let components = [component(0), component(1), component(2)];
        let dense = Dense::new(components, Affine::IDENTITY, Outside::Edge).unwrap();
        for map in [
            WorldMap::displacement(spline(0.25)),
            WorldMap::displacement(spline(0.1)),
            WorldMap::displacement(dense),
        ] {
            let written = serde_json::to_string(&map).unwrap();
            assert_eq!(serde_json::from_str::<WorldMap>(&written).unwrap(), map);
        }
        let short = serde_json::to_string(&WorldMap::displacement(spline(0.25))).unwrap();
        let short = short.replace("\"points\":[6,", "\"points\":[7,");
        let error = serde_json::from_str::<WorldMap>(&short)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("a field of [7, 4, 5] points cannot have 1440 bytes"),
            "{error}"
        );
    }

    #[test]
    fn push_undoes_pull_under_a_field() {
        let map = WorldMap::displacement(spline(0.25));
        let point = [10.0, 20.0, 12.0];
        let moved = map.pull(point);
        assert!(
            (0..3).any(|i| (moved[i] - point[i]).abs() > 0.05),
            "{moved:?}"
        );
        let back = map.push(moved).unwrap();
        assert!(
            (0..3).all(|i| (back[i] - point[i]).abs() < 4e-3),
            "{back:?}"
        );
        assert_eq!(map.as_affine(), None);
        assert!(WorldMap::displacement(spline(0.0)).is_identity());
    }

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

    /// Inverted at the voxels of a grid, a field undoes itself there.
    #[test]
    fn an_inverted_map_leads_back() {
        let grid = Geometry::aligned([40, 30, 20], [1.0, 2.0, 2.0], [-3.0, 4.0, -5.0]).unwrap();
        let map = WorldMap::displacement(spline(0.25));
        let (back, lost) = map.inverted(&grid).unwrap();
        assert_eq!(lost, 0);
        let point = grid.world_from_index().apply([7.0, 11.0, 9.0]);
        let there = map.pull(back.pull(point));
        assert!(
            (0..3).all(|i| (there[i] - point[i]).abs() < 4e-3),
            "{there:?}"
        );
    }

    #[test]
    fn a_flat_motion_is_refused() {
        assert!(WorldMap::affine(Affine::scaling([1.0, 0.0, 1.0])).is_err());
    }
}
