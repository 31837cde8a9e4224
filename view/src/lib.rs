//! Pictures, plots, meshes and reports of medical images.
//!
//! [`mesh`] makes the surface of a structure, measures it and writes it to a file; [`render`] shades
//! surfaces into an image without a display.

pub mod error;
pub mod mesh;
pub mod render;
