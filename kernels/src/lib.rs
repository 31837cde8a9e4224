//! Numerics on array views: resampling, statistics, filters.
//!
//! Arrays are indexed `[z][y][x]`; triples such as sizes, widths and coordinates are `[x, y, z]`.
//! An integer index is the centre of a voxel, so an axis of `n` voxels covers `[-0.5, n - 0.5]`.
//! Every function gives the same bits for every number of threads and every [`simd::Level`].

pub mod affine;
pub mod clahe;
pub mod density;
mod element;
mod error;
pub mod functions;
mod gaussian;
pub mod places;
pub mod pointwise;
pub mod random;
pub mod resample;
pub mod simd;
pub mod stats;
pub mod surface;
mod transpose;
pub mod trigonometry;

pub use affine::Affine;
pub use element::{Element, Float};
pub use error::Error;
pub use gaussian::gaussian;
