//! Volumes, transforms, pipelines and plans for medical images.
//!
//! A [`subject::Subject`] holds named [`volume::Volume`]s; a [`pipeline::Pipeline`] file names
//! steps; a [`registry::Registry`] makes them [`transform::Transform`]s; a [`plan::Plan`] groups
//! them and runs them over the subject. Triples are `[x, y, z]`, arrays `[channel, z, y, x]`, the
//! world is LPS+ millimetres.
//!
//! ```
//! use voxprep_core::geometry::Geometry;
//! use voxprep_core::pipeline::Pipeline;
//! use voxprep_core::plan::{Plan, RunOptions};
//! use voxprep_core::registry::Registry;
//! use voxprep_core::subject::Subject;
//! use voxprep_core::volume::Volume;
//! use voxprep_core::voxels::Voxels;
//!
//! let grid = Geometry::aligned([4, 3, 2], [1.0, 1.0, 2.5], [0.0; 3])?;
//! let voxels = Voxels::new(1, grid.size(), vec![0_i16; 24].into())?;
//! let subject = Subject::new("case 7").with("image", Volume::new(grid, voxels)?)?;
//!
//! let pipeline = Pipeline::from_toml("version = 1")?;
//! let plan = Plan::new(pipeline, &Registry::built_in()?)?;
//! let subject = plan.run(subject, &RunOptions::default())?;
//! assert_eq!(subject.names().collect::<Vec<_>>(), ["image"]);
//! # Ok::<(), voxprep_core::error::Error>(())
//! ```

pub mod buf;
mod cast;
pub mod curve;
pub mod error;
pub mod extent;
pub mod finding;
pub mod geometry;
mod labels;
#[doc(hidden)]
pub mod naive;
pub mod orientation;
pub mod param;
mod pass;
pub mod pipeline;
pub mod plan;
pub mod pool;
pub mod prelude;
pub mod provenance;
pub mod record;
pub mod registry;
pub mod schema;
pub mod stream;
pub mod subject;
pub mod transform;
pub mod volume;
pub mod voxels;
pub mod world_map;

#[doc(hidden)]
pub use inventory;
pub use voxprep_kernels as kernels;
