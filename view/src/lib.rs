//! Pictures, plots, meshes and reports of medical images.
pub mod page;
