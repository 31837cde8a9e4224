//! Pictures, plots, meshes and reports of medical images.
//!
//! A picture is in memory until somebody writes its PNG. The same volumes give the same bytes on
//! every machine, for any number of threads; no voxel is changed by being shown. `docs/pictures.md`
//! has the conventions.
//!
//! | here | what |
//! |---|---|
//! | [`image`] | what is shown: a volume, a channel of it, label maps over it |
//! | [`look`] | how: window, colours, which side is which, scale |
//! | [`pane`] | one slice, the right way up |
//! | [`slices`] | slices side by side |
//! | [`mosaic`](mod@mosaic) | all slices |
//! | [`sheet`] | strips, contact sheets, tables |
//! | [`histogram`](mod@histogram) | counts, and their plot |
//! | [`picture`] | pixels and PNG |
//! | [`colour`] | colour maps, the colours of labels |
//! | [`text`] | text |
//! | [`mesh`] | surfaces, their measures and files |
//! | [`render`](mod@render) | surfaces, shaded |
//! | [`page`] | pages of HTML |
//!
//! ```
//! use voxprep_core::geometry::Geometry;
//! use voxprep_core::volume::Volume;
//! use voxprep_core::voxels::Voxels;
//! use voxprep_view::image::Image;
//! use voxprep_view::look::Look;
//! use voxprep_view::slices::mid_slices;
//!
//! let grid = Geometry::aligned([5, 6, 7], [1.0, 1.0, 2.0], [0.0; 3])?;
//! let voxels = Voxels::new(1, grid.size(), (0..210_i16).collect::<Vec<_>>().into())?;
//! let volume = Volume::new(grid, voxels)?;
//!
//! let shown = mid_slices(&Image::new(&volume).with_title("scan"), &Look::default())?;
//! let png: Vec<u8> = shown.picture.png()?;
//! assert_eq!(shown.panes.iter().map(|pane| pane.slice.index).collect::<Vec<_>>(), [2, 2, 3]);
//! # assert!(png.starts_with(b"\x89PNG"));
//! # Ok::<(), voxprep_view::error::Error>(())
//! ```

pub mod colour;
pub mod error;
pub mod histogram;
pub mod image;
pub mod look;
pub mod mesh;
pub mod mosaic;
pub mod page;
pub mod pane;
pub mod picture;
pub mod render;
mod resample;
pub mod sheet;
pub mod slices;
pub mod text;
