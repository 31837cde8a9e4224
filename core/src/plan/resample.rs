//! Executing the spatial part of a task: one copy or one resample, with the curves as epilogue.

use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{ArrayView3, ArrayViewMut3};
use voxprep_kernels::Element;
use voxprep_kernels::affine::Affine;
use voxprep_kernels::gaussian;
use voxprep_kernels::pointwise;
use voxprep_kernels::resample::{
    Boundary, Order, RowSink, Sampling as KernelSampling, Slab, ValidityBox, antialias_sigma,
    copy_index_exact, index_exact, needed_boxes, resample, shrink_factors, slabs,
};

use super::{Leg, Task};
use crate::buf::Buf;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::pass::program::{Compute, Lane, Program, run};
use crate::pipeline::{Antialias, Fill, Interpolation, Sampling};
use crate::volume::{Role, Volume};
use crate::voxels::{Voxel, Voxels, channel};
use crate::{dispatch, with_type};

/// Gaussian kernels end at this many standard deviations.
const TRUNCATE: f64 = 4.0;

/// Runs the legs of a task and then its program; says how many results are NaN.
pub(crate) fn execute(
    task: &Task,
    source: &Volume,
    sampling: &Sampling,
    program: &Program,
) -> Result<(Voxels, u64)> {
    let composed = Composed::new(source.geometry(), &task.legs)?;
    if sampling.fill == Fill::Edge && !composed.boxes.is_empty() && task.legs.len() > 1 {
        return leg_by_leg(task, source, sampling, program);
    }
    let output = task.header.element_type;
    let exact = index_exact(&composed.source_from_out, composed.size);
    if let Some(map) = &exact
        && program.is_identity()
        && output == source.voxels().element_type()
        && sampling.fill != Fill::Edge
    {
        let identity =
            map.source_from_out() == Affine::IDENTITY && composed.size == source.geometry().size();
        if identity && composed.boxes.is_empty() {
            return Ok((source.voxels().clone(), 0));
        }
        let copied = dispatch!(VoxelsView, source.voxels().view(), view => {
            let mut out = Buf::for_overwrite(view.shape()[0] * count(composed.size))?;
            for (c, part) in channels_mut(&mut out, composed.size)?.enumerate() {
                let fill = Element::from_f64(fill_of(task, c));
                copy_index_exact(channel(&view, c), map, &composed.boxes, fill, part);
            }
            Voxels::new(view.shape()[0], composed.size, out)?
        });
        return Ok((copied, 0));
    }
    let order = match (source.role(), exact.is_some()) {
        (_, true) | (Role::Label, _) => Order::Nearest,
        (Role::Intensity, _) => match sampling.intensity {
            Interpolation::Nearest => Order::Nearest,
            Interpolation::Linear => Order::Linear,
            Interpolation::Cubic => Order::Cubic,
        },
    };
    let sigma = match order {
        Order::Nearest => [0.0; 3],
        _ => smoothing(&composed.source_from_out, sampling.antialias),
    };
    let boundary = match sampling.fill {
        Fill::Edge => Boundary::Edge,
        _ => Boundary::Extent,
    };
    let job = Job {
        task,
        composed: &composed,
        program,
        order,
        boundary,
        sigma,
    };
    dispatch!(VoxelsView, source.voxels().view(), view => {
        with_type!(output, O => job.run::<_, O>(&view))
    })
}

/// With `fill = "edge"` a step repeats the edge of what the step before left, so it must see it.
fn leg_by_leg(
    task: &Task,
    source: &Volume,
    sampling: &Sampling,
    program: &Program,
) -> Result<(Voxels, u64)> {
    let Some((last, before)) = task.legs.split_last() else {
        return Ok((source.voxels().clone(), 0));
    };
    let mut volume = source.clone();
    let channels = volume.voxels().channels();
    let nothing = Program::new(&[], channels, &|_| {
        Err(Error::plugin("no curve, no lookup"))
    })?;
    let single = |leg: &Leg, header: &crate::volume::Header, curves: bool| Task {
        target: task.target.clone(),
        source: task.source.clone(),
        legs: vec![leg.clone()],
        curves: if curves {
            task.curves.clone()
        } else {
            Vec::new()
        },
        fill: task.fill.clone(),
        header: header.clone(),
    };
    for leg in before {
        let mut header = volume.header().clone();
        header.geometry = leg.grid.clone();
        let (voxels, _) = execute(&single(leg, &header, false), &volume, sampling, &nothing)?;
        volume = Volume::with_header(header, voxels)?;
    }
    execute(
        &single(last, &task.header, true),
        &volume,
        sampling,
        program,
    )
}

/// The standard deviation of the blur before sampling, in source voxels (Cardoso et al. 2015).
fn smoothing(source_from_out: &Affine, antialias: Antialias) -> [f64; 3] {
    let least = match antialias {
        Antialias::Off => return [0.0; 3],
        Antialias::On => 1.0,
        // 2 within rounding: 0.7 mm to 1.4 mm is a factor of 2
        Antialias::Auto => 2.0 - 1e-6,
    };
    let factors = shrink_factors(source_from_out);
    let sigma = antialias_sigma(source_from_out);
    [0, 1, 2].map(|axis| {
        if factors[axis] >= least {
            sigma[axis]
        } else {
            0.0
        }
    })
}

/// The legs of a task as one map, with the boxes that a sample must not leave.
pub(crate) struct Composed {
    pub(crate) source_from_out: Affine,
    pub(crate) size: [usize; 3],
    pub(crate) boxes: Vec<ValidityBox>,
}

impl Composed {
    pub(crate) fn new(source: &Geometry, legs: &[Leg]) -> Result<Self> {
        let Some(last) = legs.last() else {
            return Err(Error::plugin("a spatial stage without spatial steps"));
        };
        let size = last.grid.size();
        // From the output backwards: the world before each leg, from the output index.
        let mut world_from_out = last.grid.world_from_index();
        let mut boxes = Vec::new();
        for (k, leg) in legs.iter().enumerate().rev() {
            let map = leg.map.as_affine().ok_or_else(|| {
                Error::unsupported("a displacement stands inside a chain of affine maps")
            })?;
            world_from_out = map * world_from_out;
            if let Some(before) = k.checked_sub(1).and_then(|k| legs.get(k)) {
                boxes.push(ValidityBox {
                    box_from_out: before.grid.index_from_world() * world_from_out,
                    size: before.grid.size(),
                });
            }
        }
        Ok(Self {
            source_from_out: source.index_from_world() * world_from_out,
            size,
            boxes: needed_boxes(&boxes, size),
        })
    }
}

struct Job<'a> {
    task: &'a Task,
    composed: &'a Composed,
    program: &'a Program,
    order: Order,
    boundary: Boundary,
    sigma: [f64; 3],
}

impl Job<'_> {
    fn run<T: Voxel, O: Voxel>(&self, source: &ndarray::ArrayView4<'_, T>) -> Result<(Voxels, u64)>
    where
        T::Float: Compute,
    {
        let size = self.composed.size;
        let lanes = &self.program.lanes;
        let mut buf = Buf::<O>::for_overwrite(lanes.len() * count(size))?;
        let nan = AtomicU64::new(0);
        let mut outs: Vec<Option<&mut [O]>> = buf
            .as_mut_slice()?
            .chunks_mut(count(size))
            .map(Some)
            .collect();
        for c in 0..source.shape()[0] {
            let mut mine: Vec<(&Lane, &mut [O])> = Vec::new();
            for (lane, out) in lanes.iter().zip(&mut outs) {
                if lane.source == c
                    && let Some(out) = out.take()
                {
                    mine.push((lane, out));
                }
            }
            if !mine.is_empty() {
                self.run_channel(channel(source, c), c, mine, &nan)?;
            }
        }
        Ok((Voxels::new(lanes.len(), size, buf)?, nan.into_inner()))
    }

    fn run_channel<T: Voxel, O: Voxel>(
        &self,
        source: ArrayView3<'_, T>,
        c: usize,
        lanes: Vec<(&Lane, &mut [O])>,
        nan: &AtomicU64,
    ) -> Result<()>
    where
        T::Float: Compute,
    {
        let sampling = KernelSampling {
            source_from_out: self.composed.source_from_out,
            order: self.order,
            boundary: self.boundary,
            fill: fill_of(self.task, c),
            boxes: &self.composed.boxes,
        };
        let slabs = sinks(self.composed.size, lanes, nan);
        if self.sigma == [0.0; 3] {
            return Ok(resample(source, self.composed.size, &sampling, slabs)?);
        }
        let mut smooth = Buf::<T::Float>::for_overwrite(source.len())?;
        let shape = source.raw_dim();
        let view = ArrayViewMut3::from_shape(shape, smooth.as_mut_slice()?);
        let view = view.map_err(|e| Error::input(e.to_string()))?;
        gaussian(source, self.sigma, TRUNCATE, view)?;
        let smooth = ArrayView3::from_shape(shape, smooth.as_slice());
        let smooth = smooth.map_err(|e| Error::input(e.to_string()))?;
        Ok(resample(smooth, self.composed.size, &sampling, slabs)?)
    }
}

/// One sink per slab, each with its part of every output channel.
fn sinks<'a, F: Compute, O: Voxel>(
    size: [usize; 3],
    lanes: Vec<(&'a Lane, &'a mut [O])>,
    nan: &'a AtomicU64,
) -> Vec<Slab<EpilogueSink<'a, F, O>>> {
    let [nx, ny, _] = size;
    let mut rest = lanes;
    slabs(size)
        .into_iter()
        .map(|z| {
            let length = z.len() * ny * nx;
            let mut parts = Vec::with_capacity(rest.len());
            for (lane, out) in &mut rest {
                let (part, tail) = std::mem::take(out).split_at_mut(length);
                parts.push((*lane, part));
                *out = tail;
            }
            let sink = EpilogueSink {
                lanes: parts,
                first: z.start,
                size,
                nan,
                scratch: Vec::new(),
            };
            Slab { z, sink }
        })
        .collect()
}

/// Runs the program over each finished row and stores it.
struct EpilogueSink<'a, F, O> {
    lanes: Vec<(&'a Lane, &'a mut [O])>,
    /// The first z of the slab.
    first: usize,
    size: [usize; 3],
    nan: &'a AtomicU64,
    scratch: Vec<F>,
}

impl<F: Compute, O: Voxel> RowSink<F> for EpilogueSink<'_, F, O> {
    fn row(&mut self, z: usize, y: usize, row: &mut [F]) {
        let [nx, ny, _] = self.size;
        let start = (z * ny + y) * nx;
        let offset = ((z - self.first) * ny + y) * nx;
        let mut nan = 0;
        let last = self.lanes.len().saturating_sub(1);
        for (i, (lane, out)) in self.lanes.iter_mut().enumerate() {
            let Some(out) = out.get_mut(offset..offset + nx) else {
                continue;
            };
            if i == last {
                run(&lane.ops, start, row);
                nan += pointwise::store(row, out);
            } else {
                self.scratch.clear();
                self.scratch.extend_from_slice(row);
                run(&lane.ops, start, &mut self.scratch);
                nan += pointwise::store(&self.scratch, out);
            }
        }
        if nan > 0 {
            self.nan.fetch_add(nan, Ordering::Relaxed);
        }
    }
}

fn fill_of(task: &Task, channel: usize) -> f64 {
    task.fill.get(channel).copied().unwrap_or_default()
}

fn count([x, y, z]: [usize; 3]) -> usize {
    x * y * z
}

fn channels_mut<T: Voxel>(
    buf: &mut Buf<T>,
    [x, y, z]: [usize; 3],
) -> Result<impl Iterator<Item = ArrayViewMut3<'_, T>>> {
    let parts = buf.as_mut_slice()?.chunks_mut(x * y * z);
    Ok(parts.filter_map(move |part| ArrayViewMut3::from_shape([z, y, x], part).ok()))
}
