//! What can go wrong in a kernel.

/// Why a kernel refused its arguments. Data alone, NaN and infinities included, never cause one.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An axis of the output is empty or longer than 2^31 voxels.
    #[error("output size {0:?} (x, y, z) needs 1 to 2^31 voxels on every axis")]
    OutputSize([usize; 3]),
    /// An axis of the source is empty or longer than 2^31 voxels.
    #[error("source size {0:?} (x, y, z) needs 1 to 2^31 voxels on every axis")]
    SourceSize([usize; 3]),
    /// A map has a NaN or infinite entry.
    #[error("the map between the grids has an entry that is not finite")]
    NonFiniteMap,
    /// A slab reaches beyond the output.
    #[error("slab {start}..{end} reaches beyond the {slices} slices of the output")]
    SlabRange {
        /// The first slice of the slab.
        start: usize,
        /// One past its last slice.
        end: usize,
        /// The number of slices of the output.
        slices: usize,
    },
    /// Two arrays that must have one shape differ.
    #[error("shapes {left:?} and {right:?} (z, y, x) differ")]
    ShapeMismatch {
        /// The shape of the first array.
        left: [usize; 3],
        /// The shape of the second array.
        right: [usize; 3],
    },
    /// A percentile lies outside [0, 100].
    #[error("percentile {0} is not between 0 and 100")]
    Percentile(f64),
    /// No voxel is left to take a statistic of.
    #[error("the selection holds no voxel")]
    EmptySelection,
    /// A filter width is negative, not finite, or makes a kernel of more than 2^20 taps.
    #[error("filter width {0} voxels is out of range")]
    Width(f64),
    /// An axis has no tiles, tiles have no voxels, or more than 2^31 of them.
    #[error("tiles {0:?} (x, y, z) must be at least 1 on every axis, of at most 2^31 voxels")]
    Tiles([usize; 3]),
    /// The tables of so many tiles take too much memory.
    #[error("the tables of {tiles:?} tiles (x, y, z) of {bins} bins take more than 1 GiB")]
    Tables {
        /// The number of tiles along x, y, z.
        tiles: [usize; 3],
        /// The bins of a tile.
        bins: usize,
    },
    /// A limit of a histogram is negative or not finite.
    #[error("clip limit {0} is out of range")]
    ClipLimit(f64),
    /// A histogram has too few bins, or too many; 0 stands for a type of more than 16 bits.
    #[error("a histogram of {0} bins (0: every value of a wide type) is out of range")]
    Bins(usize),
    /// A range of values is empty, reversed, not finite, or too narrow or wide for the element type.
    #[error(
        "the range {low} to {high} is empty, reversed, not finite, or not one of the element type"
    )]
    Range {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// The level of a surface is not finite, or not in the type that kernels compute in.
    #[error("surface level {0} is not a finite number")]
    Level(f64),
    /// What lies beyond the border is inside the surface, so that nothing could close it.
    #[error("the value beyond the border, {padding}, must not be above the surface level {level}")]
    Padding {
        /// The value beyond the border.
        padding: f64,
        /// The level of the surface.
        level: f64,
    },
    /// A surface has more vertices or triangles than 32 bits number.
    #[error("a surface of {vertices} vertices and {triangles} triangles is beyond 2^32 - 1")]
    SurfaceSize {
        /// The number of vertices.
        vertices: u64,
        /// The number of triangles.
        triangles: u64,
    },
    /// `VOXPREP_SIMD` holds a word that is no level.
    #[error("VOXPREP_SIMD must be baseline, avx2 or avx512")]
    SimdLevel,
}
