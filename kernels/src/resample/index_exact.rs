//! Maps that move whole voxels: flips, permutations of the axes, crops and pads.

use ndarray::{ArrayView3, ArrayViewMut3, Axis, s};
use rayon::prelude::*;

use super::inside::{Inside, corners};
use super::{Boundary, ValidityBox};
use crate::transpose::copy_tiled;
use crate::{Affine, Element};

/// A map of whole voxels: a signed permutation of the axes and an integer shift.
///
/// For every output axis `d` (x, y, z) the source index along axis `axis[d]` is
/// `sign[d] * out[d] + shift[d]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexExact {
    /// The source axis that each output axis runs along; a permutation of 0, 1, 2.
    pub axis: [usize; 3],
    /// 1, or -1 where the axis is flipped.
    pub sign: [i64; 3],
    /// The source index, along `axis[d]`, of output index 0.
    pub shift: [i64; 3],
}

impl IndexExact {
    /// The same map as a matrix.
    pub fn source_from_out(&self) -> Affine {
        let mut rows = [[0.0; 4]; 3];
        for d in 0..3 {
            rows[self.axis[d]][d] = self.sign[d] as f64;
            rows[self.axis[d]][3] = self.shift[d] as f64;
        }
        Affine::from_rows(rows)
    }
}

/// The map of whole voxels that `source_from_out` is, within 1e-4 voxel over the whole output;
/// `None` where it is none.
pub fn index_exact(source_from_out: &Affine, out_size: [usize; 3]) -> Option<IndexExact> {
    index_exact_within(source_from_out, out_size, 1e-4)
}

/// [`index_exact`] with another tolerance, in voxels.
pub(super) fn index_exact_within(
    source_from_out: &Affine,
    out_size: [usize; 3],
    tolerance: f64,
) -> Option<IndexExact> {
    // Beyond this, neighbouring integers are too close in f64 to speak of a shift by voxels.
    const FAR: f64 = 1e12;
    let mut map = IndexExact {
        axis: [usize::MAX; 3],
        sign: [1; 3],
        shift: [0; 3],
    };
    for (a, row) in source_from_out.rows().iter().enumerate() {
        let d = (0..3).max_by(|&i, &j| row[i].abs().total_cmp(&row[j].abs()))?;
        if !(row[d].abs() > 0.5 && row[3].abs() < FAR) || map.axis[d] != usize::MAX {
            return None;
        }
        map.axis[d] = a;
        map.sign[d] = if row[d] < 0.0 { -1 } else { 1 };
        map.shift[d] = row[3].round() as i64;
    }
    let exact = map.source_from_out();
    let close = corners(out_size).all(|corner| {
        let (a, b) = (source_from_out.apply(corner), exact.apply(corner));
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < tolerance)
    });
    close.then_some(map)
}

/// Copies whole voxels; outputs outside the source, or outside any of the boxes, take `fill`.
///
/// The output may have any shape; both arrays any strides. A map whose `axis` is no permutation
/// fills everything.
pub fn copy_index_exact<T: Element>(
    source: ArrayView3<'_, T>,
    map: &IndexExact,
    boxes: &[ValidityBox],
    fill: T,
    mut out: ArrayViewMut3<'_, T>,
) {
    let (depth, height, width) = out.dim();
    let out_size = [width, height, depth];
    let mut sorted = map.axis;
    sorted.sort_unstable();
    if sorted != [0, 1, 2] || source.is_empty() {
        out.fill(fill);
        return;
    }
    // Array axes count z, y, x; triples count x, y, z.
    let [x, y, z] = map.axis.map(|a| 2 - a);
    let mut source = source.permuted_axes([z, y, x]);
    // The overlap of output and source, per output axis, as (start in the output, start in the
    // source, length), after flipped axes of the source have been turned round.
    let mut overlap = [(0_usize, 0_usize, 0_usize); 3];
    for d in 0..3 {
        let n = source.len_of(Axis(2 - d)) as i64;
        let shift = if map.sign[d] < 0 {
            source.invert_axis(Axis(2 - d));
            n - 1 - map.shift[d]
        } else {
            map.shift[d]
        };
        let start = (-shift).clamp(0, out_size[d] as i64);
        let end = (n - shift).clamp(start, out_size[d] as i64);
        if end > start {
            overlap[d] = (
                start as usize,
                (start + shift) as usize,
                (end - start) as usize,
            );
        }
    }
    let [(x0, sx, nx), (y0, sy, ny), (z0, sz, nz)] = overlap;
    if nx == 0 || ny == 0 || nz == 0 {
        out.fill(fill);
        return;
    }
    let inside = Inside::new(&Affine::IDENTITY, [1; 3], Boundary::Edge, boxes, out_size);
    // Some slices at a time, for maps that turn slices into rows.
    const SLICES: usize = 32;
    out.axis_chunks_iter_mut(Axis(0), SLICES)
        .into_par_iter()
        .enumerate()
        .for_each(|(chunk, mut part)| {
            let first = chunk * SLICES;
            let last = first + part.len_of(Axis(0));
            let (from, to) = (z0.max(first), (z0 + nz).min(last));
            if from >= to || [to - from, ny, nx] != *part.shape() {
                part.fill(fill);
            }
            if from >= to {
                return;
            }
            let taken = s![from - z0 + sz..to - z0 + sz, sy..sy + ny, sx..sx + nx];
            let given = s![from - first..to - first, y0..y0 + ny, x0..x0 + nx];
            copy_tiled(source.slice(taken), part.slice_mut(given));
            for (k, mut slice) in part.outer_iter_mut().enumerate() {
                for (j, mut row) in slice.outer_iter_mut().enumerate() {
                    let valid = inside.row(j, first + k);
                    if valid != (0..width) {
                        row.slice_mut(s![..valid.start]).fill(fill);
                        row.slice_mut(s![valid.end..]).fill(fill);
                    }
                }
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn numbered(z: usize, y: usize, x: usize) -> Array3<i16> {
        Array3::from_shape_fn((z, y, x), |(z, y, x)| (100 * z + 10 * y + x) as i16)
    }

    #[test]
    fn a_flip_with_a_permutation_and_a_shift_is_found() {
        let map = IndexExact {
            axis: [2, 0, 1],
            sign: [-1, 1, -1],
            shift: [7, -2, 4],
        };
        let mut rows = *map.source_from_out().rows();
        rows[0][0] += 1e-7;
        assert_eq!(
            index_exact(&Affine::from_rows(rows), [100, 50, 3]),
            Some(map)
        );
        rows[0][0] += 2e-6;
        assert_eq!(index_exact(&Affine::from_rows(rows), [100, 50, 3]), None);
    }

    #[test]
    fn scales_and_nan_are_not_index_exact() {
        assert_eq!(
            index_exact(&Affine::scaling([1.0, 2.0, 1.0]), [4, 4, 4]),
            None
        );
        assert_eq!(
            index_exact(&Affine::scaling([f64::NAN, 1.0, 1.0]), [4; 3]),
            None
        );
    }

    #[test]
    fn a_copy_follows_its_map_and_fills_the_rest() {
        let source = numbered(2, 3, 4);
        let map = IndexExact {
            axis: [1, 0, 2],
            sign: [-1, 1, 1],
            shift: [3, 1, -1],
        };
        let mut out = Array3::zeros((4, 5, 4));
        copy_index_exact(source.view(), &map, &[], -1, out.view_mut());
        for ((z, y, x), &v) in out.indexed_iter() {
            // Source x = out y + 1, source y = 3 - out x, source z = out z - 1.
            let at = (z as i64 - 1, 3 - x as i64, y as i64 + 1);
            let expected = if (0..2).contains(&at.0) && (0..3).contains(&at.1) && at.2 < 4 {
                (100 * at.0 + 10 * at.1 + at.2) as i16
            } else {
                -1
            };
            assert_eq!(v, expected, "{z} {y} {x}");
        }
    }

    #[test]
    fn a_box_cuts_a_copy() {
        let source = numbered(1, 2, 4);
        let identity = index_exact(&Affine::IDENTITY, [4, 2, 1]).unwrap();
        let cut = ValidityBox {
            box_from_out: Affine::translation([-1.0, 0.0, 0.0]),
            size: [2, 1, 1],
        };
        let mut out = Array3::zeros((1, 2, 4));
        copy_index_exact(source.view(), &identity, &[cut], -1, out.view_mut());
        assert_eq!(
            out.into_raw_vec_and_offset().0,
            [-1, 1, 2, -1, -1, -1, -1, -1]
        );
    }
}
