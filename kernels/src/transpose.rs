//! Copying between arrays whose contiguous axes differ.

use ndarray::{ArrayView3, ArrayViewMut3, Axis, s};

/// The side of the squares that are copied at a time: their lines, of both arrays, stay in the
/// first-level cache.
const TILE: usize = 32;

/// Copies an array into another of the same shape; `out` should be contiguous along x.
///
/// Where the source is contiguous along another axis, it goes by tiles over that axis and x, so
/// that every cache line is used up while it is there.
pub(crate) fn copy_tiled<T: Copy>(source: ArrayView3<'_, T>, mut out: ArrayViewMut3<'_, T>) {
    let unit = (0..3)
        .filter(|axis| source.len_of(Axis(*axis)) > 1)
        .min_by_key(|axis| source.stride_of(Axis(*axis)).unsigned_abs());
    let outer = match unit {
        Some(0) => Axis(1),
        Some(1) => Axis(0),
        _ => {
            out.assign(&source);
            return;
        }
    };
    for (source, mut out) in source.axis_iter(outer).zip(out.axis_iter_mut(outer)) {
        let (rows, columns) = source.dim();
        for j in (0..rows).step_by(TILE) {
            for i in (0..columns).step_by(TILE) {
                let tile = s![j..(j + TILE).min(rows), i..(i + TILE).min(columns)];
                out.slice_mut(tile).assign(&source.slice(tile));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn every_order_of_axes_is_copied() {
        let source = Array3::from_shape_fn((40, 50, 70), |(z, y, x)| (z * 50 + y) * 70 + x);
        for axes in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let mut view = source.view().permuted_axes(axes);
            view.invert_axis(Axis(1));
            let mut out = Array3::zeros(view.dim());
            copy_tiled(view, out.view_mut());
            assert_eq!(out, view);
        }
    }
}
