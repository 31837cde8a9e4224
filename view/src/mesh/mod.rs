//! Surfaces of structures and of intensities, in world millimetres.
//!
//! [`Mesh::of_label`] and [`Mesh::of_level`] make one, [`Mesh::smooth`] takes the stairs of the
//! voxels away, [`Mesh::write`] writes it to a file. Shading is in [`crate::render`].
//!
//! ```
//! use voxprep_core::{geometry::Geometry, volume::Volume, voxels::Voxels};
//! use voxprep_view::mesh::{Format, Frame, Mesh, Structure, Taubin};
//!
//! let grid = Geometry::aligned([3, 3, 3], [1.0, 1.0, 2.0], [0.0; 3])?;
//! let mut voxels = vec![0_u8; 27];
//! voxels[13] = 4;
//! let labels = Volume::new(grid, Voxels::new(1, [3, 3, 3], voxels.into())?)?.into_labels()?;
//!
//! let mut mesh = Mesh::of_label(&labels, Structure::Label(4))?;
//! assert!((mesh.volume() - 2.0 / 6.0).abs() < 1e-6);
//! assert_eq!((mesh.is_closed(), mesh.euler()), (true, 2));
//! mesh.smooth(&Taubin::default())?;
//! let file = mesh.to_bytes(Format::Ply, Frame::Lps)?;
//! assert!(file.starts_with(b"ply\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod measure;
mod smooth;
mod write;

use ndarray::{Array3, ArrayView3, Axis, Zip, s};
use voxprep_core::dispatch;
use voxprep_core::volume::{Role, Volume};
use voxprep_kernels::places::bounding_box;
use voxprep_kernels::surface::{Isosurface, Surface, marching_cubes};
use voxprep_kernels::{Affine, Element};

use crate::error::{Error, Result};

pub use smooth::Taubin;
pub use write::{Format, Frame};

/// A triangle mesh in LPS+ millimetres.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// The positions `[x, y, z]` of the vertices, LPS+ mm.
    pub vertices: Vec<[f32; 3]>,
    /// The corners of each triangle, anticlockwise as seen from outside.
    pub triangles: Vec<[u32; 3]>,
    /// The outward unit normal at each vertex: the mean of its triangles', weighted by their
    /// areas; `[0, 0, 0]` where they have none.
    pub normals: Vec<[f32; 3]>,
}

/// Which voxels of a label map a surface encloses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Those of one label.
    Label(i32),
    /// Those of every label but 0, in one surface.
    All,
}

impl Mesh {
    /// The closed surface of a structure of a label map, half-way between its voxels and the
    /// others: [`marching_cubes`] of the mask. It shows the stairs of the voxels until
    /// [`Mesh::smooth`].
    ///
    /// # Errors
    /// [`Error::Core`] where the volume is no label map of one channel or has no such voxel.
    pub fn of_label(labels: &Volume, structure: Structure) -> Result<Self> {
        if labels.role() != Role::Label {
            return Err(Error::input(
                "the volume is an image, not a label map",
                "give a label map, or a level for the surface of an image",
            ));
        }
        let surface = dispatch!(VoxelsView, labels.voxels().view(), v => {
            let mask = mask(channel(v.view(), 0)?, structure);
            let Some((mask, start)) = mask else {
                return Err(Error::input(match structure {
                        Structure::Label(value) => format!("no voxel has the label {value}"),
                        Structure::All => "every voxel has the label 0".into(),
                    }, "give a label that the map holds"));
            };
            let world_from_index = labels.geometry().world_from_index();
            let first = Affine::translation(start.map(|i| i as f64));
            contour(mask.view(), 0.5, Some(0.0), world_from_index * first)?
        });
        Ok(Self::new(surface))
    }

    /// The surface of a level of one channel of an image, inside above the level:
    /// [`marching_cubes`].
    ///
    /// `padding` is the value beyond the border, for CT -1024, and closes the surface; `None`
    /// leaves it open there. The level and the padding are in the unit of the voxels.
    ///
    /// # Errors
    /// [`Error::Core`] where there is no such channel, [`Error::Core`] where the level is not
    /// finite or the padding is above it.
    pub fn of_level(
        image: &Volume,
        channel_index: usize,
        level: f64,
        padding: Option<f64>,
    ) -> Result<Self> {
        let world_from_index = image.geometry().world_from_index();
        let surface = dispatch!(VoxelsView, image.voxels().view(), v => {
            contour(channel(v.view(), channel_index)?, level, padding, world_from_index)?
        });
        Ok(Self::new(surface))
    }

    /// Several meshes as one: the parts one after another, not merged where they touch.
    pub fn joined(parts: &[Self]) -> Self {
        let mut all = Self::default();
        for part in parts {
            let start = all.vertices.len() as u32;
            all.vertices.extend(&part.vertices);
            all.normals.extend(&part.normals);
            let moved = part.triangles.iter().map(|t| t.map(|i| i + start));
            all.triangles.extend(moved);
        }
        all
    }

    /// A surface with its normals.
    pub fn new(surface: Surface) -> Self {
        let mut mesh = Self {
            vertices: surface.vertices,
            triangles: surface.triangles,
            normals: Vec::new(),
        };
        mesh.find_normals();
        mesh
    }
}

fn contour<T: Element>(
    source: ArrayView3<'_, T>,
    level: f64,
    padding: Option<f64>,
    world_from_index: Affine,
) -> Result<Surface> {
    let isosurface = Isosurface {
        level,
        padding,
        world_from_index,
    };
    marching_cubes(source, &isosurface).map_err(Error::from)
}

fn channel<T>(voxels: ndarray::ArrayView4<'_, T>, index: usize) -> Result<ArrayView3<'_, T>> {
    let count = voxels.len_of(Axis(0));
    if index >= count {
        return Err(Error::input(
            format!("channel {index} of {count} was asked for; they count from 0"),
            "give a channel that the volume has",
        ));
    }
    Ok(voxels.index_axis_move(Axis(0), index))
}

/// The voxels of a structure in the box around it, and where the box begins.
fn mask<T: Element>(
    labels: ArrayView3<'_, T>,
    structure: Structure,
) -> Option<(Array3<u8>, [usize; 3])> {
    let is_inside = |v: T| match structure {
        Structure::Label(value) => v.to_f64() == f64::from(value),
        Structure::All => v.to_f64() != 0.0,
    };
    let [low, high] = bounding_box(labels, is_inside)?;
    let inside = labels.slice(s![low[2]..=high[2], low[1]..=high[1], low[0]..=high[0]]);
    let mut mask = Array3::zeros(inside.dim());
    Zip::from(&mut mask)
        .and(inside)
        .par_for_each(|out, v| *out = u8::from(is_inside(*v)));
    Some((mask, low))
}
