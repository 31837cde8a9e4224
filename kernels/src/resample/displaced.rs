//! Chains of affine maps and displacement fields: rows of coordinates, then the samples.

use std::ops::Range;

use ndarray::ArrayView3;

use super::displacement::{Displacement, Rows, Work};
use super::inside::{coordinate, limits};
use super::points::{Points, apply, start};
use super::reads::{Reads, cubic_row, linear_row, nearest_row};
use super::taps::Taps;
use super::{
    Boundary, Order, RowSink, Sampling, Sink, Slab, ValidityBox, check_request, check_source,
    each_slab, erased, pool, resample_rows,
};
use crate::simd::dispatched;
use crate::{Affine, Element, Error, Float};

/// One map of a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage<'a> {
    /// An affine map.
    Affine(Affine),
    /// A displacement; the points that reach it are points of the world in mm.
    Displacement(&'a Displacement),
}

/// A box at some position of a chain; a sample that leaves it takes the fill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainBox {
    /// How many stages a sample has passed when it is tested; at most the length of the chain.
    pub after: usize,
    /// The map from points at that position to indices of the box.
    pub box_from_point: Affine,
    /// The number of voxels of the box along x, y, z; inside is as for [`Boundary::Extent`].
    pub size: [usize; 3],
}

/// Where and how to sample under a chain of maps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DisplacedSampling<'a> {
    /// The stages from output indices to source indices, in the order in which a point passes them.
    pub chain: &'a [Stage<'a>],
    /// The interpolation.
    pub order: Order,
    /// What lies outside the source.
    pub boundary: Boundary,
    /// The value of samples outside.
    pub fill: f64,
    /// Boxes that samples must lie in, beside the source.
    pub boxes: &'a [ChainBox],
}

/// Samples the source at every output voxel under a chain of maps, as [`resample`](super::resample) does under one.
///
/// Neighbouring affine stages are composed. Displacements that are zero everywhere are left out,
/// and a chain without any is executed by [`resample`](super::resample). Coordinates are f64, evaluated by rows; a
/// spline directly behind the first affine stage whose mesh has an axis along the rows costs four
/// taps per voxel, any other one sixty-four. Beside what [`resample`](super::resample) needs this takes some forty
/// bytes per voxel of one row, for each thread; no field is made for the whole output.
///
/// # Errors
///
/// As [`resample`](super::resample).
pub fn resample_displaced<T: Element, S: RowSink<T::Float>>(
    source: ArrayView3<'_, T>,
    out_size: [usize; 3],
    sampling: &DisplacedSampling<'_>,
    mut slabs: Vec<Slab<S>>,
) -> Result<(), Error> {
    displaced_rows(source, out_size, sampling, erased(&mut slabs))
}

/// [`resample_displaced`] for sinks of any type.
fn displaced_rows<T: Element>(
    source: ArrayView3<'_, T>,
    out_size: [usize; 3],
    sampling: &DisplacedSampling<'_>,
    slabs: Vec<Slab<Sink<'_, T>>>,
) -> Result<(), Error> {
    let source_size = check_source(&source)?;
    let stages = sampling.chain.iter().filter_map(|stage| match stage {
        Stage::Affine(map) => Some(map),
        Stage::Displacement(_) => None,
    });
    let boxes = sampling.boxes.iter().map(|b| &b.box_from_point);
    check_request(out_size, stages.chain(boxes), &slabs)?;
    let chain = Chain::new(sampling);
    if let [only] = chain.legs.as_slice() {
        let sampling = Sampling {
            source_from_out: only.affine,
            order: sampling.order,
            boundary: sampling.boundary,
            fill: sampling.fill,
            boxes: &only.boxes,
        };
        return resample_rows(source, out_size, &sampling, slabs);
    }
    let spans = chain.spans(out_size);
    // The reach of the output decides the pads; this map has the same.
    let [low, high] = [0, 1].map(|end| spans[spans.len() - 1].map(|span| span[end]));
    let reach = Sampling {
        source_from_out: Affine::translation(low)
            * Affine::scaling([0, 1, 2].map(|axis| high[axis] - low[axis])),
        order: sampling.order,
        boundary: sampling.boundary,
        fill: sampling.fill,
        boxes: &[],
    };
    let taps = Taps::new(source, source_size, [2; 3], &reach)?;
    let path = Path::new(&chain, &spans, sampling, source_size, out_size);
    match &taps.made {
        Some(made) => run(&path, made.view(), &taps, slabs),
        None => run(&path, source, &taps, slabs),
    }
    pool::give(taps.made);
    Ok(())
}

fn run<E: Element>(
    path: &Path<'_>,
    source: ArrayView3<'_, E>,
    taps: &Taps<E::Float>,
    slabs: Vec<Slab<Sink<'_, E>>>,
) {
    let reads = Reads::new(source, &taps.folds, path.down);
    each_slab(slabs, |z, sink| path.slab(z, &reads, sink));
}

/// The part of a chain up to and with its next displacement.
struct Leg<'a> {
    /// Boxes, placed from the points at the start of the leg.
    boxes: Vec<ValidityBox>,
    affine: Affine,
    /// None at the end of the chain.
    field: Option<&'a Displacement>,
}

/// A chain of which affine stages and displacements alternate.
struct Chain<'a> {
    legs: Vec<Leg<'a>>,
}

impl<'a> Chain<'a> {
    fn new(sampling: &DisplacedSampling<'a>) -> Self {
        let start = || Leg {
            boxes: Vec::new(),
            affine: Affine::IDENTITY,
            field: None,
        };
        let (mut legs, mut leg) = (Vec::new(), start());
        let last = sampling.chain.len();
        for position in 0..=last {
            for b in sampling.boxes {
                if b.after.min(last) == position {
                    leg.boxes.push(ValidityBox {
                        box_from_out: b.box_from_point * leg.affine,
                        size: b.size,
                    });
                }
            }
            match sampling.chain.get(position) {
                Some(Stage::Affine(map)) => leg.affine = *map * leg.affine,
                Some(Stage::Displacement(field)) if field.bounds() != [[0.0; 2]; 3] => {
                    leg.field = Some(field);
                    legs.push(std::mem::replace(&mut leg, start()));
                }
                _ => {}
            }
        }
        legs.push(leg);
        Self { legs }
    }

    /// The lowest and the highest coordinate on each axis at the start of every leg, and last at
    /// the end of the chain.
    fn spans(&self, out_size: [usize; 3]) -> Vec<[[f64; 2]; 3]> {
        let mut spans = vec![out_size.map(|n| [0.0, n.saturating_sub(1) as f64])];
        let mut span = spans[0];
        for leg in &self.legs {
            span = image(&leg.affine, &span);
            if let Some(field) = leg.field {
                for (ends, reach) in span.iter_mut().zip(field.bounds()) {
                    *ends = [ends[0] + reach[0], ends[1] + reach[1]];
                }
            }
            spans.push(span);
        }
        spans
    }
}

/// The smallest box around the image of a box.
fn image(map: &Affine, span: &[[f64; 2]; 3]) -> [[f64; 2]; 3] {
    map.rows().map(|row| {
        let mut ends = [row[3]; 2];
        for (m, span) in row.iter().zip(span) {
            let (a, b) = (m * span[0], m * span[1]);
            ends = [ends[0] + a.min(b), ends[1] + a.max(b)];
        }
        ends
    })
}

/// A sample is outside unless `low <= coordinate <= high`.
struct Test {
    row: [f64; 4],
    low: f64,
    high: f64,
}

impl Test {
    /// The tests of a box that some point of the span may fail.
    fn of_box<'a>(
        map: &'a Affine,
        size: [usize; 3],
        boundary: Boundary,
        span: &'a [[f64; 2]; 3],
    ) -> impl Iterator<Item = Self> + 'a {
        let ends = image(map, span);
        map.rows()
            .iter()
            .zip(size)
            .zip(ends)
            .filter_map(move |((row, n), [least, most])| {
                let (low, high) = limits(boundary, n)?;
                let holds = low <= least && most <= high;
                (!holds).then_some(Self {
                    row: *row,
                    low,
                    high,
                })
            })
    }
}

/// A leg as it is executed.
struct Step<'a> {
    tests: Vec<Test>,
    affine: Affine,
    field: Option<&'a Displacement>,
}

/// What every slab shares.
struct Path<'a> {
    steps: Vec<Step<'a>>,
    /// The rows of the output in the mesh of the first displacement.
    rows: Option<Rows<'a>>,
    /// The tests of the source.
    tests: Vec<Test>,
    /// Whether any sample may be outside.
    any_tests: bool,
    /// About how far the samples of the next row lie away.
    down: [f64; 3],
    order: Order,
    fill: f64,
    out_size: [usize; 3],
}

impl<'a> Path<'a> {
    fn new(
        chain: &Chain<'a>,
        spans: &[[[f64; 2]; 3]],
        sampling: &DisplacedSampling<'_>,
        source_size: [usize; 3],
        out_size: [usize; 3],
    ) -> Self {
        let steps: Vec<Step<'_>> = chain
            .legs
            .iter()
            .zip(spans)
            .map(|(leg, span)| {
                let tests = leg
                    .boxes
                    .iter()
                    .flat_map(|b| Test::of_box(&b.box_from_out, b.size, Boundary::Extent, span));
                Step {
                    tests: tests.collect(),
                    affine: leg.affine,
                    field: leg.field,
                }
            })
            .collect();
        let ends = &spans[spans.len() - 1];
        let identity = Affine::IDENTITY;
        let tests: Vec<Test> =
            Test::of_box(&identity, source_size, sampling.boundary, ends).collect();
        let rows = match chain.legs[0].field {
            Some(Displacement::BSpline(field)) => field.rows(&chain.legs[0].affine, out_size[0]),
            _ => None,
        };
        let whole = chain
            .legs
            .iter()
            .fold(identity, |whole, leg| leg.affine * whole);
        Self {
            any_tests: !tests.is_empty() || steps.iter().any(|step| !step.tests.is_empty()),
            steps,
            rows,
            tests,
            down: whole.column(1),
            order: sampling.order,
            fill: sampling.fill,
            out_size,
        }
    }

    /// Computes the rows of a range of slices.
    fn slab<E: Element>(
        &self,
        slices: Range<usize>,
        reads: &Reads<'_, E>,
        sink: &mut dyn RowSink<E::Float>,
    ) {
        let fill = E::Float::from_f64(self.fill);
        let [width, height, _] = self.out_size;
        let mut row = vec![fill; width];
        let mut line = Line {
            points: [(); 3].map(|()| vec![0.0; width]),
            outside: vec![0; width],
            work: Work::default(),
        };
        for z in slices {
            for y in 0..height {
                let valid = self.coordinates(y, z, &mut line);
                let points = [0, 1, 2].map(|axis| &line.points[axis][valid.clone()]);
                let out = &mut row[valid.clone()];
                match self.order {
                    Order::Nearest => nearest_row(reads, &points, out),
                    Order::Linear => linear_row(reads, &points, out),
                    Order::Cubic => cubic_row(reads, &points, out),
                }
                if self.any_tests {
                    fill_outside(&line.outside[valid.clone()], fill, out);
                    row[..valid.start].fill(fill);
                    row[valid.end..].fill(fill);
                }
                sink.row(z, y, &mut row);
            }
        }
    }

    /// Computes the source coordinates of row `y` of slice `z`, and which of them are outside.
    /// Returns the voxels from the first one inside to the last.
    fn coordinates(&self, y: usize, z: usize, line: &mut Line) -> Range<usize> {
        let Line {
            points,
            outside,
            work,
        } = line;
        outside.fill(0);
        start(y as f64, z as f64, points);
        for (k, step) in self.steps.iter().enumerate() {
            for test in &step.tests {
                mark(test, points, outside);
            }
            if step.affine != Affine::IDENTITY {
                apply(&step.affine, points);
            }
            match (step.field, &self.rows) {
                (Some(_), Some(rows)) if k == 0 => rows.displace((y, z), work, points),
                (Some(Displacement::BSpline(field)), _) => field.displace(points),
                (Some(Displacement::Dense(field)), _) => field.displace(points),
                (None, _) => {}
            }
        }
        for test in &self.tests {
            mark(test, points, outside);
        }
        if !self.any_tests {
            return 0..outside.len();
        }
        let is_inside = |v: &u64| *v == 0;
        let first = outside.iter().position(is_inside).unwrap_or(0);
        let end = outside
            .iter()
            .rposition(is_inside)
            .map_or(0, |last| last + 1);
        first..end
    }
}

/// One row at work.
struct Line {
    /// The coordinates of its voxels.
    points: Points,
    /// Not 0 where a voxel is outside. As wide as a coordinate, so that tests vectorise.
    outside: Vec<u64>,
    work: Work,
}

dispatched! {
    fn mark[](test: &Test, points: &Points, outside: &mut [u64]) {
        let [xs, ys, zs] = points;
        for (((x, y), z), outside) in xs.iter().zip(ys).zip(zs).zip(outside) {
            let c = coordinate(&test.row, *x, *y, *z);
            *outside |= u64::from(!(test.low <= c && c <= test.high));
        }
    }
}

dispatched! {
    fn fill_outside[F: Float](outside: &[u64], fill: F, out: &mut [F]) {
        for (v, outside) in out.iter_mut().zip(outside) {
            *v = if *outside == 0 { *v } else { fill };
        }
    }
}

#[cfg(test)]
mod tests;
