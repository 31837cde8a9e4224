//! Any affine map: coordinates per voxel, eight or sixty-four taps each.

use std::ops::Range;

use ndarray::ArrayView3;

use super::fold::Fold;
use super::inside::coordinate;
use super::reads::{BLOCK, Coordinates, Reads, cubic_row, linear_row, nearest_row};
use super::{Job, Order, RowSink};
use crate::Element;

/// Sampling along rows under any affine map.
pub(super) struct AffineRows<'a, E> {
    job: &'a Job<'a>,
    reads: Reads<'a, E>,
}

impl<'a, E: Element> AffineRows<'a, E> {
    pub(super) fn new(job: &'a Job<'a>, source: ArrayView3<'a, E>, folds: &'a [Fold; 3]) -> Self {
        let down = job.sampling.source_from_out.column(1);
        Self {
            job,
            reads: Reads::new(source, folds, down),
        }
    }

    /// Computes the rows of a range of slices.
    pub(super) fn slab(&self, slices: Range<usize>, sink: &mut dyn RowSink<E::Float>) {
        let fill = E::Float::from_f64(self.job.sampling.fill);
        let [width, height, _] = self.job.out_size;
        let mut row = vec![fill; width];
        for z in slices {
            for y in 0..height {
                let valid = self.job.inside.row(y, z);
                let line = Line {
                    rows: *self.job.sampling.source_from_out.rows(),
                    start: valid.start,
                    y: y as f64,
                    z: z as f64,
                };
                let out = &mut row[valid.clone()];
                match self.job.sampling.order {
                    Order::Nearest => nearest_row(&self.reads, &line, out),
                    Order::Linear => linear_row(&self.reads, &line, out),
                    Order::Cubic => cubic_row(&self.reads, &line, out),
                }
                row[..valid.start].fill(fill);
                row[valid.end..].fill(fill);
                sink.row(z, y, &mut row);
            }
        }
    }
}

/// A row of the output, from voxel `start` on, under the map.
struct Line {
    rows: [[f64; 4]; 3],
    start: usize,
    y: f64,
    z: f64,
}

impl Coordinates for Line {
    #[inline(always)]
    fn block(&self, axis: usize, first: usize, _: usize) -> [f64; BLOCK] {
        let (row, x) = (self.rows[axis], (self.start + first) as f64);
        let mut c = [0.0; BLOCK];
        for (j, c) in c.iter_mut().enumerate() {
            *c = coordinate(&row, x + f64::from(j as i32), self.y, self.z);
        }
        c
    }
}
