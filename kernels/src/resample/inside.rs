//! Which outputs lie inside the source and inside every validity box.

use std::ops::Range;

use crate::Affine;
use crate::resample::{Boundary, ValidityBox};

/// How far outside its end voxels, in voxels, an image is still taken to reach, so that rounding in
/// a composed map never decides about a whole face.
const RIM: f64 = 1e-6;

/// One axis of an inside test: the output lies inside iff `low <= coordinate <= high`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Test {
    row: [f64; 4],
    low: f64,
    high: f64,
}

impl Test {
    #[inline(always)]
    fn holds(&self, [x, y, z]: [f64; 3]) -> bool {
        let c = coordinate(&self.row, x, y, z);
        self.low <= c && c <= self.high
    }
}

/// The coordinate that a row of a map gives an output voxel, in one fixed order of operations.
#[inline(always)]
pub(super) fn coordinate(row: &[f64; 4], x: f64, y: f64, z: f64) -> f64 {
    ((row[0] * x + row[1] * y) + row[2] * z) + row[3]
}

/// The conjunction of the inside tests of a resampling.
#[derive(Clone, Debug)]
pub(super) struct Inside {
    tests: Vec<Test>,
    width: usize,
}

impl Inside {
    /// Collects the tests that some voxel of the output fails.
    pub(super) fn new(
        source_from_out: &Affine,
        source_size: [usize; 3],
        boundary: Boundary,
        boxes: &[ValidityBox],
        out_size: [usize; 3],
    ) -> Self {
        let source = source_from_out
            .rows()
            .iter()
            .zip(source_size)
            .filter_map(|(row, n)| {
                let (low, high) = limits(boundary, n)?;
                Some(Test {
                    row: *row,
                    low,
                    high,
                })
            });
        let boxes = boxes.iter().flat_map(box_tests);
        let tests = source
            .chain(boxes)
            .filter(|test| !holds_everywhere(test, out_size))
            .collect();
        Self {
            tests,
            width: out_size[0],
        }
    }

    /// The outputs of row `y` of slice `z` that lie inside; empty ranges may start anywhere.
    ///
    /// Each test is affine in x, and so are its rounded values: they rise or fall monotonically.
    /// Hence the outputs that pass are neighbours, and comparing ends finds them exactly.
    pub(super) fn row(&self, y: usize, z: usize) -> Range<usize> {
        let mut range = 0..self.width;
        for test in &self.tests {
            if range.is_empty() {
                break;
            }
            range = test_range(test, range, y as f64, z as f64);
        }
        range
    }
}

fn test_range(test: &Test, range: Range<usize>, y: f64, z: f64) -> Range<usize> {
    let at = |x: usize| coordinate(&test.row, x as f64, y, z);
    let holds = |x: usize| test.holds([x as f64, y, z]);
    if holds(range.start) && holds(range.end - 1) {
        return range;
    }
    let rising = test.row[0] >= 0.0;
    let start = first(&range, |x| {
        if rising {
            at(x) >= test.low
        } else {
            at(x) <= test.high
        }
    });
    let end = first(&(start..range.end), |x| {
        if rising {
            at(x) > test.high
        } else {
            at(x) < test.low
        }
    });
    start..end
}

/// The first index at which a predicate that never turns back becomes true, or the end.
fn first(range: &Range<usize>, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The lowest and the highest coordinate on an axis of `n` voxels that are inside.
pub(super) fn limits(boundary: Boundary, n: usize) -> Option<(f64, f64)> {
    let n = n as f64;
    match boundary {
        Boundary::Extent => Some((-0.5 - RIM, n - 0.5 + RIM)),
        Boundary::Itk => Some((-0.5, (n - 0.5).next_down())),
        Boundary::Constant => Some((0.0, n - 1.0)),
        Boundary::Edge | Boundary::Mirror | Boundary::Reflect | Boundary::GridConstant => None,
    }
}

fn box_tests(validity: &ValidityBox) -> impl Iterator<Item = Test> {
    let rows = *validity.box_from_out.rows();
    rows.into_iter().zip(validity.size).map(|(row, n)| Test {
        row,
        low: -0.5 - RIM,
        high: n as f64 - 0.5 + RIM,
    })
}

/// Whether a test holds for the whole output: rounded affine maps are monotone along each axis, so
/// the corners decide.
fn holds_everywhere(test: &Test, out_size: [usize; 3]) -> bool {
    corners(out_size).all(|corner| test.holds(corner))
}

/// The indices of the eight corner voxels of a grid.
pub(super) fn corners(size: [usize; 3]) -> impl Iterator<Item = [f64; 3]> {
    (0..8_usize).map(move |corner| {
        [0, 1, 2].map(|axis| {
            if corner >> axis & 1 == 0 {
                0.0
            } else {
                size[axis].saturating_sub(1) as f64
            }
        })
    })
}

/// The boxes that some voxel of the output leaves; the others change nothing.
pub fn needed_boxes(boxes: &[ValidityBox], out_size: [usize; 3]) -> Vec<ValidityBox> {
    boxes
        .iter()
        .filter(|validity| !box_tests(validity).all(|test| holds_everywhere(&test, out_size)))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_closed_rim_is_inside_and_the_itk_rim_is_half_open() {
        let inside = |boundary, shift: f64| {
            let map = Affine::translation([shift, 0.0, 0.0]);
            !Inside::new(&map, [4, 1, 1], boundary, &[], [1, 1, 1])
                .row(0, 0)
                .is_empty()
        };
        assert!(inside(Boundary::Extent, -0.5) && inside(Boundary::Extent, 3.5));
        assert!(inside(Boundary::Extent, 3.5 + 9e-7) && !inside(Boundary::Extent, 3.5 + 2e-6));
        assert!(inside(Boundary::Itk, -0.5) && !inside(Boundary::Itk, 3.5));
        assert!(inside(Boundary::Constant, 3.0) && !inside(Boundary::Constant, 3.0 + 1e-12));
    }

    #[test]
    fn a_box_that_holds_every_output_is_dropped() {
        let loose = ValidityBox {
            box_from_out: Affine::translation([1.0, 0.0, 0.0]),
            size: [10, 4, 4],
        };
        let tight = ValidityBox {
            size: [4, 4, 4],
            ..loose
        };
        assert_eq!(needed_boxes(&[loose, tight], [4, 4, 4]), vec![tight]);
    }

    proptest! {
        #[test]
        fn a_row_holds_exactly_the_outputs_that_pass_one_by_one(
            row in proptest::array::uniform4(-3.0_f64..3.0),
            flat in any::<bool>(),
            n in 1_usize..9,
            y in 0_usize..5,
        ) {
            let mut row = row;
            if flat {
                row[0] = 0.0;
            }
            let map = Affine::from_rows([row, [0.0, 1.0, 0.0, 0.0], [0.1, 0.2, 0.7, 0.3]]);
            let size = [n, 5, 6];
            let boxes = [ValidityBox { box_from_out: map, size: [6, 4, 5] }];
            let inside = Inside::new(&map, size, Boundary::Extent, &boxes, [12, 5, 3]);
            let range = inside.row(y, 2);
            for x in 0..12 {
                let point = [x as f64, y as f64, 2.0];
                let passes = |size: [usize; 3]| {
                    map.rows().iter().zip(size).all(|(row, n)| {
                        let c = coordinate(row, point[0], point[1], point[2]);
                        (-0.5 - 1e-6..=n as f64 - 0.5 + 1e-6).contains(&c)
                    })
                };
                prop_assert_eq!(range.contains(&x), passes(size) && passes([6, 4, 5]));
            }
        }
    }
}
