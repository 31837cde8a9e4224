//! Displacement fields as records hold them: sizes as JSON, values as base64 of little-endian
//! floats, in single precision where that loses nothing.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ndarray::{Array3, Array4};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use voxprep_kernels::affine::Affine;
use voxprep_kernels::resample::{BSpline, Dense, Displacement, Outside};

/// A displacement field of the world in LPS+ mm.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Stored {
    /// A cubic B-spline over a grid.
    Bspline {
        /// The size of the grid in voxels.
        size: [usize; 3],
        index_from_world: [[f64; 4]; 3],
        /// The number of control points along x, y, z.
        points: [usize; 3],
        control: Values,
    },
    /// One displacement per voxel of a grid.
    Dense {
        size: [usize; 3],
        index_from_world: [[f64; 4]; 3],
        outside: StoredOutside,
        displacements: Values,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredOutside {
    Identity,
    Edge,
}

/// Three components `[z][y][x]`, one after the other.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Values {
    F32(String),
    F64(String),
}

impl Values {
    fn new(values: impl Iterator<Item = f64> + Clone) -> Self {
        if values.clone().all(|v| f64::from(v as f32) == v) {
            let bytes: Vec<u8> = values.flat_map(|v| (v as f32).to_le_bytes()).collect();
            return Self::F32(STANDARD.encode(bytes));
        }
        let bytes: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
        Self::F64(STANDARD.encode(bytes))
    }

    /// The values, of which there must be three for each point.
    fn read<E: de::Error>(&self, size: [usize; 3]) -> Result<Vec<f64>, E> {
        let points = size.into_iter().try_fold(3_usize, usize::checked_mul);
        let (text, width) = match self {
            Self::F32(text) => (text, 4),
            Self::F64(text) => (text, 8),
        };
        let bytes = STANDARD.decode(text).map_err(E::custom)?;
        if points.and_then(|n| n.checked_mul(width)) != Some(bytes.len()) {
            return Err(E::custom(format!(
                "a field of {size:?} points cannot have {} bytes of values",
                bytes.len()
            )));
        }
        Ok(match self {
            Self::F32(_) => {
                let (chunks, _) = bytes.as_chunks::<4>();
                chunks
                    .iter()
                    .map(|b| f32::from_le_bytes(*b).into())
                    .collect()
            }
            Self::F64(_) => {
                let (chunks, _) = bytes.as_chunks::<8>();
                chunks.iter().map(|b| f64::from_le_bytes(*b)).collect()
            }
        })
    }
}

/// Writes a field.
pub(super) fn serialize<S: Serializer>(
    field: &Arc<Displacement>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let stored = match field.as_ref() {
        Displacement::BSpline(spline) => {
            let control = spline.control();
            let (_, mz, my, mx) = control.dim();
            Stored::Bspline {
                size: spline.size(),
                index_from_world: *spline.index_from_world().rows(),
                points: [mx, my, mz],
                control: Values::new(control.iter().copied()),
            }
        }
        Displacement::Dense(dense) => {
            let (nz, ny, nx) = dense.components()[0].dim();
            let values = dense.components().iter().flatten();
            Stored::Dense {
                size: [nx, ny, nz],
                index_from_world: *dense.index_from_world().rows(),
                outside: match dense.outside() {
                    Outside::Identity => StoredOutside::Identity,
                    Outside::Edge => StoredOutside::Edge,
                },
                displacements: Values::new(values.map(|v| f64::from(*v))),
            }
        }
    };
    stored.serialize(serializer)
}

/// Reads a field.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<Displacement>, D::Error> {
    let field = match Stored::deserialize(deserializer)? {
        Stored::Bspline {
            size,
            index_from_world,
            points: [mx, my, mz],
            control,
        } => {
            let values = control.read([mx, my, mz])?;
            let control =
                Array4::from_shape_vec((3, mz, my, mx), values).map_err(de::Error::custom)?;
            BSpline::new(control.view(), Affine::from_rows(index_from_world), size)
                .map(Displacement::from)
        }
        Stored::Dense {
            size: [nx, ny, nz],
            index_from_world,
            outside,
            displacements,
        } => {
            let values = displacements.read([nx, ny, nz])?;
            let all = Array4::from_shape_vec((3, nz, ny, nx), values).map_err(de::Error::custom)?;
            let component =
                |i| -> Array3<f32> { all.index_axis(ndarray::Axis(0), i).mapv(|v| v as f32) };
            let outside = match outside {
                StoredOutside::Identity => Outside::Identity,
                StoredOutside::Edge => Outside::Edge,
            };
            let map = Affine::from_rows(index_from_world);
            Dense::new([component(0), component(1), component(2)], map, outside)
                .map(Displacement::from)
        }
    };
    field.map(Arc::new).map_err(de::Error::custom)
}
