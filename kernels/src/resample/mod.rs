//! Resampling: values of an image at the images of output voxels under an affine map.
//!
//! [`resample`] hands finished rows to the caller, so that further steps can be fused;
//! [`resample_into`] stores them. Maps that move whole voxels are copies: [`index_exact`]. Chains
//! of affine maps and displacement fields: [`resample_displaced`].

mod affine_rows;
mod antialias;
mod axis_table;
mod displaced;
mod displacement;
mod fold;
mod index_exact;
mod inside;
mod points;
mod pool;
mod reads;
mod separable;
mod spline;
mod taps;

use std::ops::Range;

use ndarray::{ArrayView3, ArrayViewMut3, Axis};
use rayon::prelude::*;

pub use antialias::{antialias_sigma, shrink_factors};
pub use displaced::{ChainBox, DisplacedSampling, Stage, resample_displaced};
pub use displacement::{BSpline, Dense, Displacement, FieldError, LEAST_JACOBIAN, Outside};
pub use index_exact::{IndexExact, copy_index_exact, index_exact};
pub use inside::needed_boxes;
pub use pool::{KEPT_BYTES, release_kept};
pub use spline::{Continuation, spline_coefficients};

use crate::simd::dispatched;
use crate::{Affine, Element, Error, Float};
use inside::Inside;
use taps::Taps;

/// How values between voxel centres are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The nearest voxel, `floor(c + 0.5 + 1e-7)` on each axis.
    Nearest,
    /// Linear interpolation between the two voxels on each axis. A NaN in any of the eight spreads.
    Linear,
    /// The cubic B-spline through the voxels. It overshoots at edges, and a NaN spreads along its
    /// lines.
    Cubic,
}

/// What lies outside the source. Axes of one voxel are constant, except for
/// [`Boundary::GridConstant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The image reaches half a voxel beyond its end voxels, `-0.5 - 1e-6 <= c <= n - 0.5 + 1e-6`,
    /// and continues them there; beyond that is fill.
    Extent,
    /// As ITK: `-0.5 <= c < n - 0.5` is inside. The rim continues the end voxels for nearest and
    /// linear, and mirrors them for cubic.
    Itk,
    /// The end voxels for ever (SciPy `nearest`).
    Edge,
    /// A mirror at the centres of the end voxels (SciPy `mirror`).
    Mirror,
    /// A mirror at the outer faces of the end voxels (SciPy `reflect`).
    Reflect,
    /// Fill wherever `c < 0` or `c > n - 1` on any axis (SciPy `constant`).
    Constant,
    /// Voxels of the fill value on all sides, blended like any others (SciPy `grid-constant`).
    GridConstant,
}

/// A box in some intermediate index space; a sample that leaves it takes the fill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidityBox {
    /// The map from output indices to indices of the box.
    pub box_from_out: Affine,
    /// The number of voxels of the box along x, y, z; inside is as for [`Boundary::Extent`].
    pub size: [usize; 3],
}

/// Where and how to sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling<'a> {
    /// The map from output indices to source indices.
    pub source_from_out: Affine,
    /// The interpolation.
    pub order: Order,
    /// What lies outside the source.
    pub boundary: Boundary,
    /// The value of samples outside.
    pub fill: f64,
    /// Boxes that samples must lie in, beside the source.
    pub boxes: &'a [ValidityBox],
}

/// Receives finished rows of output; one per slab, so that it may own a mutable part of the
/// destination.
pub trait RowSink<F>: Send {
    /// Takes row `y` of slice `z`. The row has the width of the output and may be overwritten.
    fn row(&mut self, z: usize, y: usize, row: &mut [F]);
}

/// A range of output slices and the receiver of their rows.
pub struct Slab<S> {
    /// The slices.
    pub z: Range<usize>,
    /// Receives their rows in rising z, and within that in rising y.
    pub sink: S,
}

/// Ranges of slices that partition `0..size[2]`, for up to 64 threads.
///
/// They depend on the size only. Each slab repeats a little work of its neighbours, so they are
/// not thin; and a thread keeps what a slab reads in its cache, so they are not thick.
pub fn slabs(size: [usize; 3]) -> Vec<Range<usize>> {
    let thickness = size[2].div_ceil(32).clamp(8, 32);
    (0..size[2])
        .step_by(thickness)
        .map(|start| start..(start + thickness).min(size[2]))
        .collect()
}

/// The longest axis, in voxels, that indices are computed for.
const LONGEST: usize = 1 << 31;

fn check_size(size: [usize; 3]) -> bool {
    size.iter().all(|n| (1..=LONGEST).contains(n))
}

/// The size (x, y, z) of a source.
fn check_source<T>(source: &ArrayView3<'_, T>) -> Result<[usize; 3], Error> {
    let (nz, ny, nx) = source.dim();
    let size = [nx, ny, nz];
    if check_size(size) {
        Ok(size)
    } else {
        Err(Error::SourceSize(size))
    }
}

/// Samples the source at every output voxel and hands the rows to the sinks.
///
/// `source` is `[z][y][x]` with any strides. Slabs run in parallel, in any order; a caller who
/// wants a part of the output only passes fewer slabs. Coordinates are evaluated per voxel in f64
/// as `((m0 x + m1 y) + m2 z) + m3`. A map that is a copy of whole voxels within 1e-7 voxel is
/// executed as one, for every order.
///
/// [`Order::Cubic`] needs the spline's coefficients, an array of the compute type that is a little
/// larger than the source; the last ones stay allocated, up to [`KEPT_BYTES`], for the next calls.
///
/// # Errors
///
/// [`Error::OutputSize`], [`Error::SourceSize`], [`Error::NonFiniteMap`] (also of a box) and
/// [`Error::SlabRange`]; no row has been delivered then.
pub fn resample<T: Element, S: RowSink<T::Float>>(
    source: ArrayView3<'_, T>,
    out_size: [usize; 3],
    sampling: &Sampling<'_>,
    mut slabs: Vec<Slab<S>>,
) -> Result<(), Error> {
    resample_rows(source, out_size, sampling, erased(&mut slabs))
}

/// [`resample`] for sinks of any type: they are called once a row, so that one copy of the kernels
/// serves them all.
fn resample_rows<T: Element>(
    source: ArrayView3<'_, T>,
    out_size: [usize; 3],
    sampling: &Sampling<'_>,
    slabs: Vec<Slab<Sink<'_, T>>>,
) -> Result<(), Error> {
    let source_size = check_source(&source)?;
    let maps = sampling.boxes.iter().map(|b| &b.box_from_out);
    check_request(out_size, maps.chain([&sampling.source_from_out]), &slabs)?;
    let mut sampling = *sampling;
    if let Some(map) = index_exact::index_exact_within(&sampling.source_from_out, out_size, 1e-7) {
        // At whole voxels every order returns the voxel, but only a copy returns its very bits.
        sampling.order = Order::Nearest;
        sampling.source_from_out = map.source_from_out();
    }
    let job = Job {
        out_size,
        inside: Inside::new(
            &sampling.source_from_out,
            source_size,
            sampling.boundary,
            sampling.boxes,
            out_size,
        ),
        sampling,
    };
    let taps = Taps::new(source, source_size, out_size, &sampling)?;
    match &taps.made {
        Some(made) => run(&job, made.view(), &taps, slabs),
        None => run(&job, source, &taps, slabs),
    }
    pool::give(taps.made);
    Ok(())
}

/// A sink whose type is not known.
type Sink<'a, E> = &'a mut dyn RowSink<<E as Element>::Float>;

/// The slabs with the types of their sinks forgotten.
fn erased<F, S: RowSink<F>>(slabs: &mut [Slab<S>]) -> Vec<Slab<&mut dyn RowSink<F>>> {
    slabs
        .iter_mut()
        .map(|slab| Slab {
            z: slab.z.clone(),
            sink: &mut slab.sink as &mut dyn RowSink<F>,
        })
        .collect()
}

/// Checks what a resampling is asked for, other than the source.
fn check_request<'a, S>(
    out_size: [usize; 3],
    mut maps: impl Iterator<Item = &'a Affine>,
    slabs: &[Slab<S>],
) -> Result<(), Error> {
    if !check_size(out_size) {
        return Err(Error::OutputSize(out_size));
    }
    if !maps.all(Affine::is_finite) {
        return Err(Error::NonFiniteMap);
    }
    let slices = out_size[2];
    match slabs
        .iter()
        .map(|slab| &slab.z)
        .find(|z| z.start > z.end || z.end > slices)
    {
        Some(&Range { start, end }) => Err(Error::SlabRange { start, end, slices }),
        None => Ok(()),
    }
}

/// What every slab of a resampling shares.
struct Job<'a> {
    out_size: [usize; 3],
    inside: Inside,
    sampling: Sampling<'a>,
}

fn run<E: Element>(
    job: &Job<'_>,
    source: ArrayView3<'_, E>,
    taps: &Taps<E::Float>,
    slabs: Vec<Slab<Sink<'_, E>>>,
) {
    let folds = &taps.folds;
    match job.sampling.order {
        Order::Nearest => {
            if let Some(pass) = separable::Nearest::new(job, source, folds) {
                each_slab(slabs, |z, sink| pass.slab(z, sink));
                return;
            }
        }
        Order::Linear => {
            if let Some(pass) = separable::Separable::<E, 2>::new(job, source, folds) {
                each_slab(slabs, |z, sink| pass.slab(z, sink));
                return;
            }
        }
        Order::Cubic => {
            if let Some(pass) = separable::Separable::<E, 4>::new(job, source, folds) {
                each_slab(slabs, |z, sink| pass.slab(z, sink));
                return;
            }
        }
    }
    let pass = affine_rows::AffineRows::new(job, source, folds);
    each_slab(slabs, |z, sink| pass.slab(z, sink));
}

fn each_slab<F>(
    slabs: Vec<Slab<&mut dyn RowSink<F>>>,
    work: impl Fn(Range<usize>, &mut dyn RowSink<F>) + Sync,
) {
    slabs
        .into_par_iter()
        .for_each(|slab| work(slab.z, slab.sink));
}

/// Samples the source at every voxel of `out`, an array `[z][y][x]` with any strides.
///
/// # Errors
///
/// As [`resample`].
pub fn resample_into<T: Element, O: Element<Float = T::Float>>(
    source: ArrayView3<'_, T>,
    sampling: &Sampling<'_>,
    mut out: ArrayViewMut3<'_, O>,
) -> Result<(), Error> {
    let (depth, height, width) = out.dim();
    let size = [width, height, depth];
    let mut rest = out.view_mut();
    let mut parts = Vec::new();
    for z in slabs(size) {
        let (part, tail) = rest.split_at(Axis(0), z.len());
        let sink = Store {
            first: z.start,
            part,
        };
        parts.push(Slab { z, sink });
        rest = tail;
    }
    resample(source, size, sampling, parts)
}

/// Stores the rows of a slab.
struct Store<'a, O> {
    first: usize,
    part: ArrayViewMut3<'a, O>,
}

impl<O: Element> RowSink<O::Float> for Store<'_, O> {
    fn row(&mut self, z: usize, y: usize, row: &mut [O::Float]) {
        let mut out = self.part.index_axis_mut(Axis(0), z - self.first);
        let mut out = out.index_axis_mut(Axis(0), y);
        match out.as_slice_mut() {
            Some(out) => store_row(row, out),
            None => out
                .iter_mut()
                .zip(row)
                .for_each(|(o, v)| *o = O::from_float(*v)),
        }
    }
}

dispatched! {
    fn store_row[O: Element](row: &[O::Float], out: &mut [O]) {
        for (o, v) in out.iter_mut().zip(row) {
            *o = O::from_float(*v);
        }
    }
}

/// `a` and `b` mixed by `f` in [0, 1]; exactly `a` where both are equal.
#[inline(always)]
fn lerp<F: Float>(a: F, b: F, f: F) -> F {
    a + f * (b - a)
}

#[cfg(test)]
mod tests;
