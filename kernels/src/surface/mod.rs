//! Surfaces: the triangles around all that is above a level (marching cubes).
//!
//! [`marching_cubes`] makes a [`Surface`] of a volume. What can be done with one, measured and
//! written is in the crate `voxprep-view`.

mod cases;
mod rows;
#[cfg(test)]
mod tests;

use ndarray::ArrayView3;
use rayon::prelude::*;

use crate::{Affine, Element, Error};
use rows::{Grid, Row};

/// Which surface [`marching_cubes`] makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Isosurface {
    /// The level, in the unit of the voxels, rounded to the type that kernels compute in. Inside
    /// is what lies above it; the level itself and NaN are outside.
    pub level: f64,
    /// The value that the volume goes on with beyond its border, not above the level: the surface
    /// is closed. `None`: the surface is open where it meets the outermost voxels' centres.
    pub padding: Option<f64>,
    /// Where voxels are: vertices are given in its units. [`Affine::IDENTITY`] gives indices.
    pub world_from_index: Affine,
}

/// A triangle mesh.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surface {
    /// The positions `[x, y, z]` of the vertices.
    pub vertices: Vec<[f32; 3]>,
    /// The indices of the corners of each triangle, anticlockwise as seen from outside, in a
    /// right-handed world; also where `world_from_index` mirrors.
    pub triangles: Vec<[u32; 3]>,
}

/// The surface around all voxels above a level, linear between voxels: marching cubes.
///
/// Every edge of the grid whose ends are on two sides of the level has one vertex, at the place
/// where a line between the two values meets the level; in the middle where a value is infinite
/// or NaN. Each side of a triangle belongs to exactly two, which run along it in opposite
/// directions, and the triangles around a vertex are one ring: the surface is an oriented
/// manifold, closed if padded. Order of vertices and triangles is that of the rows, for any number
/// of threads.
///
/// # Notes
/// A face with inside corners across from each other is decided by the value at the saddle of
/// the bilinear interpolation on it (the asymptotic decider); where that is the level itself, as
/// always in a mask, the corners are kept apart: masks are connected through the faces of voxels,
/// not through edges. Loops are triangulated without diagonals in faces; where that
/// cannot be, around an additional vertex at the mean of the loop. A tunnel of the trilinear
/// interpolation through the inside of a single cell (Lewiner's cases 4.2, 6.1.2, 7.4.2, 10.1.2,
/// 12.1.2, 13.5.2) is not made: its two ends are closed instead.
///
/// A vertex beside a voxel that is exactly at the level lies on that voxel, so such triangles may
/// have no area; they are kept, since the surface would not be closed without them.
///
/// Memory beside the result: one bit per voxel and 24 bytes per row.
///
/// # Reference
/// Lorensen, Cline, "Marching cubes", SIGGRAPH 1987. Nielson, Hamann, "The asymptotic decider",
/// Visualization 1991. Lewiner et al., "Efficient implementation of marching cubes' cases with
/// topological guarantees", Journal of Graphics Tools 8, 2003.
///
/// # Errors
/// [`Error::SourceSize`] where an axis has no voxel or more than 2^31, [`Error::Level`],
/// [`Error::Padding`], [`Error::NonFiniteMap`], [`Error::SurfaceSize`] where the vertices or
/// triangles are more than 2^32 - 1.
pub fn marching_cubes<T: Element>(
    source: ArrayView3<'_, T>,
    isosurface: &Isosurface,
) -> Result<Surface, Error> {
    let (nz, ny, nx) = source.dim();
    if [nx, ny, nz].iter().any(|&n| n == 0 || n > 1 << 31) {
        return Err(Error::SourceSize([nx, ny, nz]));
    }
    let level = T::Float::from_f64(isosurface.level);
    if !(isosurface.level.is_finite() && level.to_f64().is_finite()) {
        return Err(Error::Level(isosurface.level));
    }
    let padding = isosurface.padding.map(T::Float::from_f64);
    if let Some(value) = isosurface.padding
        && !padding.is_some_and(|v| v <= level)
    {
        return Err(Error::Padding {
            padding: value,
            level: isosurface.level,
        });
    }
    if !isosurface.world_from_index.is_finite() {
        return Err(Error::NonFiniteMap);
    }
    let grid = Grid::new(source, level, padding, isosurface.world_from_index);
    let mut rows = vec![Row::default(); grid.rows() * grid.slices()];
    let slices = rows.par_chunks_mut(grid.rows()).enumerate();
    slices.for_each(|(z, rows)| rows::count(&grid, z, rows));
    let (vertices, triangles) = starts(&mut rows)?;
    let mut surface = Surface {
        vertices: vec![[0.0; 3]; vertices],
        triangles: vec![[0; 3]; triangles],
    };
    let mut free_vertices = surface.vertices.as_mut_slice();
    let mut free_triangles = surface.triangles.as_mut_slice();
    let mut parts = Vec::with_capacity(grid.slices());
    for (z, slice) in rows.chunks(grid.rows()).enumerate() {
        let count = |of: fn(&Row) -> u32| slice.iter().map(|row| of(row) as usize).sum::<usize>();
        let (own_vertices, rest) =
            std::mem::take(&mut free_vertices).split_at_mut(count(Row::vertices));
        free_vertices = rest;
        let (own_triangles, rest) =
            std::mem::take(&mut free_triangles).split_at_mut(count(|row| row.triangles));
        free_triangles = rest;
        let above = rows.chunks(grid.rows()).nth(z + 1);
        parts.push((z, slice, above, own_vertices, own_triangles));
    }
    parts.into_par_iter().for_each(|(z, slice, above, v, t)| {
        rows::emit(&grid, z, slice, above.unwrap_or_default(), v, t);
    });
    Ok(surface)
}

/// Gives every row the number of its first vertex; returns how many vertices and triangles there
/// are.
fn starts(rows: &mut [Row]) -> Result<(usize, usize), Error> {
    let (mut vertices, mut triangles) = (0_u64, 0_u64);
    for row in rows {
        row.start = vertices as u32;
        vertices += u64::from(row.vertices());
        triangles += u64::from(row.triangles);
    }
    let limit = u64::from(u32::MAX);
    if vertices > limit || triangles > limit {
        return Err(Error::SurfaceSize {
            vertices,
            triangles,
        });
    }
    Ok((vertices as usize, triangles as usize))
}
