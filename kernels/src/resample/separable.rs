//! Maps that keep axes apart: scales, flips, permutations, shifts. One pass per axis.
//!
//! No intermediate is larger than `K` slices. With `K` taps per axis the passes run in the order
//! that needs the fewest operations: z last keeps resampled slices from one output slice to the
//! next, z first makes rows of the source's own width; within a slice, x goes before or after y.

use std::ops::Range;

use ndarray::{Array3, ArrayView3, Axis, s};

use super::axis_table::{AxisTable, coordinates, mix, separate_axes, within};
use super::fold::Fold;
use super::inside::limits;
use super::{Job, RowSink};
use crate::simd::dispatched;
use crate::transpose::copy_tiled;
use crate::{Element, Float};

/// How far, in voxels, entries beside the one of its axis may move any output of an interpolation.
const NEGLIGIBLE: f64 = 1e-9;

/// Interpolation with `K` taps on each axis.
pub(super) struct Separable<'a, E: Element, const K: usize> {
    job: &'a Job<'a>,
    /// The samples, with the axes in the order of the output's.
    source: ArrayView3<'a, E>,
    /// Per output axis x, y, z.
    tables: [AxisTable<E::Float, K>; 3],
    z_last: bool,
    x_first: bool,
}

impl<'a, E: Element, const K: usize> Separable<'a, E, K> {
    /// `None` where the map mixes axes.
    pub(super) fn new(
        job: &'a Job<'a>,
        source: ArrayView3<'a, E>,
        folds: &[Fold; 3],
    ) -> Option<Self> {
        let map = &job.sampling.source_from_out;
        let axes = separate_axes(map, job.out_size, NEGLIGIBLE)?;
        let tables: [AxisTable<E::Float, K>; 3] = std::array::from_fn(|d| {
            let fold = &folds[axes[d]];
            let limits = limits(job.sampling.boundary, fold.source);
            AxisTable::new(map, axes[d], d, job.out_size[d], fold, limits)
        });
        let (z_last, x_first) = cheapest_order(&tables);
        let [x, y, z] = axes.map(|a| 2 - a);
        Some(Self {
            job,
            source: source.permuted_axes([z, y, x]),
            tables,
            z_last,
            x_first,
        })
    }

    /// Computes the rows of a range of slices.
    pub(super) fn slab(&self, slices: Range<usize>, sink: &mut dyn RowSink<E::Float>) {
        let z = &self.tables[2];
        let used = slices.start.max(z.valid.start)..slices.end.min(z.valid.end);
        let samples = Rows::new(self.source.view(), &self.tables, used);
        let mut work = Work::new(self);
        for z in slices {
            self.slice(z, &samples, &mut work, sink);
        }
    }

    fn slice(
        &self,
        z: usize,
        samples: &Rows<'_, E>,
        work: &mut Work<E::Float, K>,
        sink: &mut dyn RowSink<E::Float>,
    ) {
        let [_, y_table, z_table] = &self.tables;
        let fill = E::Float::from_f64(self.job.sampling.fill);
        let Work {
            line,
            rows,
            slices,
            row,
        } = work;
        let width = row.len();
        let any = z_table.valid.contains(&z);
        rows.clear();
        if any && self.z_last {
            for tap in z_table.taps_of(z) {
                slices.make(tap, |slice| {
                    self.source_slice(tap, samples, line, rows, slice)
                });
            }
        }
        for y in 0..self.job.out_size[1] {
            let valid = if any && y_table.valid.contains(&y) {
                self.job.inside.row(y, z)
            } else {
                0..0
            };
            if !valid.is_empty() {
                if self.z_last {
                    let parts = slices.get(z_table.taps_of(z)).map(|slice| {
                        let start = y * width;
                        slice.get(start..start + width).unwrap_or_default()
                    });
                    mix_rows(parts, z_table.weights_of(z), row);
                } else {
                    self.source_row(y, z, samples, line, rows, row);
                }
            }
            row[..valid.start].fill(fill);
            row[valid.end..].fill(fill);
            sink.row(z, y, row);
        }
    }

    /// Resamples slice `tap` of the source along x and y.
    fn source_slice(
        &self,
        tap: usize,
        samples: &Rows<'_, E>,
        line: &mut [E::Float],
        rows: &mut Ring<E::Float, K>,
        slice: &mut [E::Float],
    ) {
        let [x_table, y_table, _] = &self.tables;
        let width = self.job.out_size[0];
        rows.clear();
        for y in y_table.valid.clone() {
            let (taps, weights) = (y_table.taps_of(y), y_table.weights_of(y));
            let out = &mut slice[y * width..(y + 1) * width];
            if self.x_first {
                for t in taps {
                    rows.make(t, |row| {
                        convert(samples.row(tap, t), line);
                        mix_columns(line, x_table, row);
                    });
                }
                mix_rows(rows.get(taps), weights, out);
            } else {
                mix_rows(taps.map(|t| samples.row(tap, t)), weights, line);
                mix_columns(line, x_table, out);
            }
        }
    }

    /// Computes one row of the output, z first; `rows` holds what earlier rows of the slice made.
    fn source_row(
        &self,
        y: usize,
        z: usize,
        samples: &Rows<'_, E>,
        line: &mut [E::Float],
        rows: &mut Ring<E::Float, K>,
        out: &mut [E::Float],
    ) {
        let [x_table, y_table, z_table] = &self.tables;
        let (taps, weights) = (y_table.taps_of(y), y_table.weights_of(y));
        let (z_taps, z_weights) = (z_table.taps_of(z), z_table.weights_of(z));
        for t in taps {
            rows.make(t, |row| {
                let parts = z_taps.map(|s| samples.row(s, t));
                if self.x_first {
                    mix_rows(parts, z_weights, line);
                    mix_columns(line, x_table, row);
                } else {
                    mix_rows(parts, z_weights, row);
                }
            });
        }
        if self.x_first {
            mix_rows(rows.get(taps), weights, out);
        } else {
            mix_rows(rows.get(taps), weights, line);
            mix_columns(line, x_table, out);
        }
    }
}

/// Whether z goes last and whether x goes before y, from the operations per output slice.
fn cheapest_order<F: Float, const K: usize>(tables: &[AxisTable<F, K>; 3]) -> (bool, bool) {
    // What a tap that is gathered costs, in taps that are read in order; measured.
    const GATHER: f64 = 4.0;
    let [x, y, z] = tables;
    let (lines, width) = (y.valid.len() as f64, x.valid.len() as f64);
    let (long, gather) = (x.taps.len() as f64, GATHER * width);
    let (rows, slices) = (y.fresh(), z.fresh());
    let cost = |z_last: bool, x_first: bool| match (z_last, x_first) {
        (true, false) => slices * (long + gather) + width,
        (true, true) => slices * (rows * gather + width) + width,
        (false, false) => rows * long + long + gather,
        (false, true) => rows * (long + gather) + width,
    } * lines;
    let mut best = (true, false);
    for order in [(true, true), (false, false), (false, true)] {
        if cost(order.0, order.1) < cost(best.0, best.1) {
            best = order;
        }
    }
    best
}

/// The rows of the samples that a slab reads, each as a slice.
struct Rows<'a, E> {
    view: ArrayView3<'a, E>,
    copy: Option<Array3<E>>,
    /// The tap of each axis (x, y, z) at which view and copy start.
    origin: [usize; 3],
}

impl<'a, E: Element> Rows<'a, E> {
    /// Cuts out what the slices `used` read; copies it where rows are not contiguous.
    fn new<const K: usize>(
        source: ArrayView3<'a, E>,
        tables: &[AxisTable<E::Float, K>; 3],
        used: Range<usize>,
    ) -> Self {
        let [x, y, z] = tables;
        let taps = || used.clone().flat_map(|i| z.taps_of(i));
        let first = taps().min().unwrap_or(0);
        let end = taps().max().map_or(first, |tap| tap + 1);
        let origin = [x.taps.start, y.taps.start, first];
        let view = source.slice_move(s![first..end, y.taps.clone(), x.taps.clone()]);
        let contiguous = view.len_of(Axis(2)) <= 1 || view.strides().get(2) == Some(&1);
        let copy = (!contiguous).then(|| {
            let mut copy = Array3::from_elem(view.dim(), E::default());
            copy_tiled(view, copy.view_mut());
            copy
        });
        Self { view, copy, origin }
    }

    #[inline(always)]
    fn row(&self, z: usize, y: usize) -> &[E] {
        let view = self.copy.as_ref().map_or(self.view, |copy| copy.view());
        view.index_axis_move(Axis(0), z - self.origin[2])
            .index_axis_move(Axis(0), y - self.origin[1])
            .to_slice()
            .unwrap_or_default()
    }
}

/// The last `K` rows or slices that were made, found by their tap.
struct Ring<F, const K: usize> {
    keys: [usize; K],
    parts: [Vec<F>; K],
}

impl<F: Float, const K: usize> Ring<F, K> {
    fn new(len: usize) -> Self {
        Self {
            keys: [usize::MAX; K],
            parts: [(); K].map(|()| vec![F::ZERO; len]),
        }
    }

    fn clear(&mut self) {
        self.keys = [usize::MAX; K];
    }

    /// Makes the part of a tap unless it is there. `K` neighbouring taps have a place each.
    fn make(&mut self, tap: usize, make: impl FnOnce(&mut [F])) {
        let place = tap % K;
        if self.keys[place] != tap {
            self.keys[place] = tap;
            make(&mut self.parts[place]);
        }
    }

    fn get(&self, taps: [usize; K]) -> [&[F]; K] {
        taps.map(|tap| self.parts[tap % K].as_slice())
    }
}

/// The buffers of a slab.
struct Work<F, const K: usize> {
    /// One line of the source, as long as the table of x asks for.
    line: Vec<F>,
    rows: Ring<F, K>,
    slices: Ring<F, K>,
    row: Vec<F>,
}

impl<F: Float, const K: usize> Work<F, K> {
    fn new<E: Element<Float = F>>(pass: &Separable<'_, E, K>) -> Self {
        let [width, height, _] = pass.job.out_size;
        let line = pass.tables[0].line();
        Self {
            line: vec![F::ZERO; line],
            rows: Ring::new(if pass.x_first { width } else { line }),
            slices: Ring::new(if pass.z_last { width * height } else { 0 }),
            row: vec![F::ZERO; width],
        }
    }
}

dispatched! {
    /// Mixes rows; where the output is longer than they are, it repeats their last voxel.
    fn mix_rows[E: Element, const K: usize](
        rows: [&[E]; K],
        weights: [E::Float; K],
        out: &mut [E::Float],
    ) {
        let n = rows.iter().fold(out.len(), |n, row| n.min(row.len()));
        let rows = rows.map(|row| &row[..n]);
        let (body, rest) = out.split_at_mut(n);
        for (x, v) in body.iter_mut().enumerate() {
            *v = mix(rows.map(|row| row[x].to_float()), weights);
        }
        if let Some(last) = body.last() {
            rest.fill(*last);
        }
    }
}

dispatched! {
    /// Converts a row; where the output is longer, it repeats the last voxel.
    fn convert[E: Element](row: &[E], out: &mut [E::Float]) {
        for (v, e) in out.iter_mut().zip(row) {
            *v = e.to_float();
        }
        if let Some(last) = row.last() {
            out[row.len()..].fill(last.to_float());
        }
    }
}

dispatched! {
    /// Resamples a line along itself; only valid outputs are written.
    fn mix_columns[F: Float, const K: usize](
        line: &[F],
        table: &AxisTable<F, K>,
        out: &mut [F],
    ) {
        let range = table.valid.clone();
        let first = &table.first[range.clone()];
        let weights: [&[F]; K] = std::array::from_fn(|k| &table.weights[k][range.clone()]);
        let out = &mut out[range];
        for (i, v) in out.iter_mut().enumerate() {
            let taps = &line[first[i] as usize..first[i] as usize + K];
            *v = mix::<F, K>(
                std::array::from_fn(|k| taps[k]),
                std::array::from_fn(|k| weights[k][i]),
            );
        }
    }
}

/// The nearest voxel on each axis.
pub(super) struct Nearest<'a, E> {
    job: &'a Job<'a>,
    source: ArrayView3<'a, E>,
    /// Per output axis x, y, z: the voxel of each output, and the outputs that may lie inside.
    tables: [(Vec<usize>, Range<usize>); 3],
}

impl<'a, E: Element> Nearest<'a, E> {
    /// `None` where the map mixes axes.
    pub(super) fn new(
        job: &'a Job<'a>,
        source: ArrayView3<'a, E>,
        folds: &[Fold; 3],
    ) -> Option<Self> {
        let map = &job.sampling.source_from_out;
        let axes = separate_axes(map, job.out_size, 0.0)?;
        let tables = std::array::from_fn(|d| {
            let fold = &folds[axes[d]];
            let limits = limits(job.sampling.boundary, fold.source);
            let coordinates: Vec<f64> = coordinates(map, axes[d], d, job.out_size[d]).collect();
            let taps = coordinates.iter().map(|c| fold.nearest(*c)).collect();
            (taps, within(&coordinates, limits))
        });
        let [x, y, z] = axes.map(|a| 2 - a);
        Some(Self {
            job,
            source: source.permuted_axes([z, y, x]),
            tables,
        })
    }

    /// Computes the rows of a range of slices.
    pub(super) fn slab(&self, slices: Range<usize>, sink: &mut dyn RowSink<E::Float>) {
        let fill = E::Float::from_f64(self.job.sampling.fill);
        let width = self.job.out_size[0];
        let [(x_taps, _), (y_taps, y_valid), (z_taps, z_valid)] = &self.tables;
        let mut row = vec![fill; width];
        for z in slices {
            for (y, y_tap) in y_taps.iter().enumerate() {
                let valid = if z_valid.contains(&z) && y_valid.contains(&y) {
                    self.job.inside.row(y, z)
                } else {
                    0..0
                };
                let voxels = self
                    .source
                    .index_axis(Axis(0), z_taps[z])
                    .index_axis_move(Axis(0), *y_tap);
                for (v, tap) in row[valid.clone()].iter_mut().zip(&x_taps[valid.clone()]) {
                    *v = voxels[*tap].to_float();
                }
                row[..valid.start].fill(fill);
                row[valid.end..].fill(fill);
                sink.row(z, y, &mut row);
            }
        }
    }
}
