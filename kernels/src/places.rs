//! Where the voxels of a kind are: how many there are, the n-th of them, the box around them.

use ndarray::{ArrayView1, ArrayView2, ArrayView3, Axis};
use rayon::prelude::*;

use crate::Element;

/// The first and the last index `[x, y, z]` of the smallest box that holds every voxel of a kind;
/// `None` where there is none.
pub fn bounding_box<T: Element>(
    voxels: ArrayView3<'_, T>,
    is_one: impl Fn(T) -> bool + Sync,
) -> Option<[[usize; 3]; 2]> {
    let slices = voxels.axis_iter(Axis(0)).into_par_iter().enumerate();
    let boxes = slices.filter_map(|(z, slice)| {
        let mut found: Option<[[usize; 3]; 2]> = None;
        for (y, row) in slice.axis_iter(Axis(0)).enumerate() {
            if !any(&row, &is_one) {
                continue;
            }
            // Only what lies beyond the box so far can widen it.
            let (first, last) = found.map_or((usize::MAX, 0), |[low, high]| (low[0], high[0]));
            let before = row.iter().take(first).position(|v| is_one(*v));
            let beyond = row.len().saturating_sub(last + 1);
            let after = row.iter().rev().take(beyond).position(|v| is_one(*v));
            let first = before.unwrap_or(first);
            let last = after.map_or(last, |back| row.len() - 1 - back);
            let low = found.map_or(y, |[low, _]| low[1]);
            found = Some([[first, low, z], [last, y, z]]);
        }
        found
    });
    boxes.reduce_with(|a, b| {
        [
            [0, 1, 2].map(|i| a[0][i].min(b[0][i])),
            [0, 1, 2].map(|i| a[1][i].max(b[1][i])),
        ]
    })
}

/// Whether a row holds a voxel of the kind; looked at in runs, which vectorise.
#[inline]
fn any<T: Element>(row: &ArrayView1<'_, T>, is_one: &impl Fn(T) -> bool) -> bool {
    match row.to_slice() {
        Some(row) => row
            .chunks(64)
            .any(|run| run.iter().fold(false, |any, v| any | is_one(*v))),
        None => row.iter().any(|v| is_one(*v)),
    }
}

/// How many voxels there are, slice by slice, that are of a kind and at a place that counts.
pub fn count_in_slices<T: Element>(
    voxels: ArrayView3<'_, T>,
    is_one: impl Fn(T) -> bool + Sync,
    counts: impl Fn([usize; 3]) -> bool + Sync,
) -> Vec<u64> {
    let slices = voxels.axis_iter(Axis(0)).into_par_iter().enumerate();
    slices
        .map(|(z, slice)| places_in(slice, z, &is_one, &counts).count() as u64)
        .collect()
}

/// The index of voxel `n`, from 0 and x fastest, of those that [`count_in_slices`] counted;
/// `None` where there are fewer.
pub fn nth<T: Element>(
    voxels: ArrayView3<'_, T>,
    is_one: impl Fn(T) -> bool,
    counts: impl Fn([usize; 3]) -> bool,
    in_slices: &[u64],
    n: u64,
) -> Option<[usize; 3]> {
    let mut rest = n;
    for (z, (slice, count)) in voxels.axis_iter(Axis(0)).zip(in_slices).enumerate() {
        if rest < *count {
            return places_in(slice, z, &is_one, &counts).nth(rest as usize);
        }
        rest -= count;
    }
    None
}

/// The indices of a slice that count, x fastest.
fn places_in<'a, T: Element>(
    slice: ArrayView2<'a, T>,
    z: usize,
    is_one: &'a impl Fn(T) -> bool,
    counts: &'a impl Fn([usize; 3]) -> bool,
) -> impl Iterator<Item = [usize; 3]> + 'a {
    let rows = (0..slice.nrows()).map(move |y| (y, slice.index_axis_move(Axis(0), y)));
    let some = rows.filter(|(_, row)| any(row, is_one));
    some.flat_map(move |(y, row)| {
        let ones = (0..row.len()).filter(move |&x| row.get(x).is_some_and(|v| is_one(*v)));
        ones.map(move |x| [x, y, z])
    })
    .filter(|index| counts(*index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use proptest::prelude::*;

    /// All indices of a kind, x fastest.
    fn all(voxels: &Array3<u8>) -> Vec<[usize; 3]> {
        let ones = voxels.indexed_iter().filter(|(_, v)| **v > 100);
        ones.map(|((z, y, x), _)| [x, y, z]).collect()
    }

    proptest! {
        #[test]
        fn the_box_holds_all_and_no_more(
            [nx, ny, nz] in prop::array::uniform3(1..9_usize),
            values in prop::collection::vec(prop::sample::select(vec![0_u8, 0, 0, 0, 0, 0, 200]), 512),
            mirrored: bool,
        ) {
            let mut voxels = Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| values[(z * 8 + y) * 8 + x]);
            if mirrored {
                voxels.invert_axis(Axis(2));
            }
            let ones = all(&voxels);
            let found = bounding_box(voxels.view(), |v| v > 100);
            let ends = |i: usize| {
                let along = ones.iter().map(|index| index[i]);
                (along.clone().min(), along.max())
            };
            match found {
                None => prop_assert!(ones.is_empty()),
                Some([low, high]) => for i in 0..3 {
                    prop_assert_eq!((Some(low[i]), Some(high[i])), ends(i));
                },
            }
        }

        #[test]
        fn the_nth_is_the_nth_in_index_order(
            [nx, ny, nz] in prop::array::uniform3(1..9_usize),
            values in prop::collection::vec(prop::sample::select(vec![0_u8, 0, 200]), 512),
        ) {
            let voxels = Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| values[(z * 8 + y) * 8 + x]);
            let even = |[x, y, z]: [usize; 3]| (x + y + z) % 2 == 0;
            let ones: Vec<_> = all(&voxels).into_iter().filter(|index| even(*index)).collect();
            let is_one = |v: u8| v > 100;
            let counts = count_in_slices(voxels.view(), is_one, even);
            prop_assert_eq!(counts.iter().sum::<u64>(), ones.len() as u64);
            for (n, one) in ones.iter().enumerate() {
                prop_assert_eq!(nth(voxels.view(), is_one, even, &counts, n as u64), Some(*one));
            }
            prop_assert_eq!(nth(voxels.view(), is_one, even, &counts, ones.len() as u64), None);
        }
    }
}
