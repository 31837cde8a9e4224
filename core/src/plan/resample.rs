//! Executing the spatial part of a task: one copy or one resample, with the curves as epilogue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, s};
use voxprep_kernels::Element;
use voxprep_kernels::affine::Affine;
use voxprep_kernels::gaussian;
use voxprep_kernels::pointwise;
use voxprep_kernels::resample::{
    Boundary, ChainBox, DisplacedSampling, Displacement, IndexExact, Order, RowSink,
    Sampling as KernelSampling, Slab, Stage as ChainStage, ValidityBox, antialias_sigma,
    copy_index_exact, index_exact, needed_boxes, resample, resample_displaced, shrink_factors,
    slabs,
};

use super::{Leg, Task};
use crate::buf::Buf;
use crate::error::{Error, Result};
use crate::geometry::{Geometry, corners};
use crate::pass::execute::count_nan;
use crate::pass::program::{Compute, Lane, Program, run};
use crate::pipeline::{Antialias, Fill, Interpolation, Sampling};
use crate::volume::{Role, Volume};
use crate::voxels::{Voxel, Voxels, channel, count};
use crate::world_map::MapPart;
use crate::{dispatch, with_type};

/// An axis that shrinks by more than this has lost all meaning.
const MOST_SHRINKING: f64 = 1e5;
/// Gaussian kernels end at this many standard deviations.
const TRUNCATE: f64 = 4.0;

/// Runs the legs of a task and then its program; says how many values that are not a number went
/// into it.
pub(crate) fn execute(
    task: &Task,
    source: &Volume,
    sampling: &Sampling,
    program: &Program,
) -> Result<(Voxels, u64)> {
    let (exact, part) = leading(source.geometry(), &task.legs)?;
    let edge = sampling.fill == Fill::Edge && source.role() == Role::Intensity;
    // Leading steps that add voxels are carried out first where a later one must see those voxels:
    // to interpolate between them and the others, or to repeat the edge that they make.
    let first = match part {
        None if edge => exact.min(task.legs.len().saturating_sub(1)),
        None if exact < task.legs.len() => exact,
        _ => 0,
    };
    if first > 0 {
        let left = copied_legs(task, source, sampling, first)?;
        let rest = Task {
            legs: task.legs[first..].to_vec(),
            ..task.clone()
        };
        return execute(&rest, &left, sampling, program);
    }
    let part = part.unwrap_or_else(|| Part::whole(source.geometry()));
    let composed = Composed::new(&part.grid, &task.legs, part.legs)?;
    let output = task.header.element_type;
    let exact = composed
        .as_affine()
        .and_then(|map| index_exact(&map, composed.size));
    if let Some(map) = &exact
        && program.is_identity()
        && output == source.voxels().element_type()
        && !edge
    {
        let voxels = copied(task, source, &part, &composed, map)?;
        let nan = count_nan(&voxels);
        return Ok((voxels, nan));
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
        _ => smoothing(&composed.affine_part(), sampling.antialias)?,
    };
    let job = Job {
        task,
        composed: &composed,
        program,
        order,
        boundary: if edge {
            Boundary::Edge
        } else {
            Boundary::Extent
        },
        sigma,
    };
    dispatch!(VoxelsView, source.voxels().view(), view => {
        with_type!(output, O => job.run::<_, O>(&part.of(&view)))
    })
}

/// The part of a volume that is left when its leading steps only cut, and the grid of that part.
///
/// What was cut away is gone for good: neither interpolation nor smoothing may look at it.
struct Part {
    start: [usize; 3],
    grid: Geometry,
    /// How many steps that is.
    legs: usize,
}

impl Part {
    /// All of a volume.
    fn whole(source: &Geometry) -> Self {
        Self {
            start: [0; 3],
            grid: source.clone(),
            legs: 0,
        }
    }

    /// Whether voxels of the source, from `low` to `high`, all belong to this part.
    fn contains(&self, low: [f64; 3], high: [f64; 3]) -> bool {
        let size = self.grid.size();
        (0..3).all(|i| low[i] >= self.start[i] as f64 && high[i] < (self.start[i] + size[i]) as f64)
    }

    /// This part of all channels.
    fn of<'a, T>(&self, view: &'a ArrayView4<'_, T>) -> ArrayView4<'a, T> {
        let size = self.grid.size();
        let [x, y, z] = [0, 1, 2].map(|i| self.start[i]..self.start[i] + size[i]);
        view.slice(s![.., z, y, x])
    }
}

/// How many leading legs move whole voxels only, and what part of the source they leave; no part
/// where one of them reaches beyond what the one before left.
fn leading(source: &Geometry, legs: &[Leg]) -> Result<(usize, Option<Part>)> {
    let mut part = Some(Part::whole(source));
    let mut world = Affine::IDENTITY;
    for (k, leg) in legs.iter().enumerate() {
        let Some(map) = leg.map.as_affine() else {
            return Ok((k, part));
        };
        world = world * map;
        let map = source.index_from_world() * world * leg.grid.world_from_index();
        let Some(exact) = index_exact(&map, leg.grid.size()) else {
            return Ok((k, part));
        };
        // The source voxels that this grid covers.
        let map = exact.source_from_out();
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for corner in corners(leg.grid.size()) {
            let index = map.apply(corner);
            low = [0, 1, 2].map(|i| low[i].min(index[i]));
            high = [0, 1, 2].map(|i| high[i].max(index[i]));
        }
        part = match part {
            Some(old) if old.contains(low, high) => {
                let start = low.map(|v| v as usize);
                let size = [0, 1, 2].map(|i| high[i] as usize - start[i] + 1);
                Some(Part {
                    start,
                    grid: source.window(start.map(|v| v as i64), size)?,
                    legs: k + 1,
                })
            }
            _ => None,
        };
    }
    Ok((legs.len(), part))
}

/// What the first legs of a task, which move whole voxels, leave of its source.
fn copied_legs(task: &Task, source: &Volume, sampling: &Sampling, legs: usize) -> Result<Volume> {
    let mut header = source.header().clone();
    let (first, _) = task.legs.split_at(legs);
    if let Some(last) = first.last() {
        header.geometry = last.grid.clone();
    }
    let copy = Task {
        legs: first.to_vec(),
        curves: Vec::new(),
        header: header.clone(),
        ..task.clone()
    };
    let channels = source.voxels().channels();
    let nothing = Program::new(&[], channels, &|_| {
        Err(Error::plugin("no curve, no lookup"))
    })?;
    let (voxels, _) = execute(&copy, source, sampling, &nothing)?;
    Volume::with_header(header, voxels)
}

/// The voxels of a map by whole indices.
fn copied(
    task: &Task,
    source: &Volume,
    part: &Part,
    composed: &Composed,
    map: &IndexExact,
) -> Result<Voxels> {
    let whole = map.source_from_out() == Affine::IDENTITY
        && composed.size == source.geometry().size()
        && part.grid.size() == composed.size;
    let boxes = composed.affine_boxes();
    if whole && boxes.is_empty() {
        return Ok(source.voxels().clone());
    }
    let channels = source.voxels().channels();
    dispatch!(VoxelsView, source.voxels().view(), view => {
        let view = part.of(&view);
        let mut out = Buf::for_overwrite(count(channels, composed.size)?)?;
        for (c, target) in channels_mut(&mut out, composed.size)?.enumerate() {
            let fill = Element::from_f64(fill_of(task, c));
            copy_index_exact(channel(&view, c), map, &boxes, fill, target);
        }
        Voxels::new(channels, composed.size, out)
    })
}

/// The standard deviation of the blur before sampling, in source voxels (Cardoso et al. 2015).
fn smoothing(source_from_out: &Affine, antialias: Antialias) -> Result<[f64; 3]> {
    let least = match antialias {
        Antialias::Off => return Ok([0.0; 3]),
        Antialias::On => 1.0,
        // 2 within rounding: 0.7 mm to 1.4 mm is a factor of 2
        Antialias::Auto => 2.0 - 1e-6,
    };
    let factors = shrink_factors(source_from_out);
    if let Some(factor) = factors.into_iter().find(|&factor| factor > MOST_SHRINKING) {
        return Err(Error::parameter(format!(
            "an axis shrinks by a factor of {factor:.0}: its voxels are larger than any scan"
        ))
        .remedy("use smaller voxels"));
    }
    let sigma = antialias_sigma(source_from_out);
    Ok([0, 1, 2].map(|axis| {
        if factors[axis] >= least {
            sigma[axis]
        } else {
            0.0
        }
    }))
}

/// The legs of a task as one chain of maps, with the boxes that a sample must not leave.
struct Composed {
    /// From output indices to source indices, in the order in which a sample passes them;
    /// neighbouring affine maps are one.
    chain: Vec<Link>,
    size: [usize; 3],
    boxes: Vec<ChainBox>,
}

enum Link {
    Affine(Affine),
    Displacement(Arc<Displacement>),
}

impl Link {
    fn stage(&self) -> ChainStage<'_> {
        match self {
            Self::Affine(map) => ChainStage::Affine(*map),
            Self::Displacement(field) => ChainStage::Displacement(field),
        }
    }
}

impl Composed {
    /// `cut` says how many leading legs only cut: what they left is the source, which has no box.
    fn new(source: &Geometry, legs: &[Leg], cut: usize) -> Result<Self> {
        let Some(last) = legs.last() else {
            return Err(Error::plugin("a spatial stage without spatial steps"));
        };
        let mut composed = Self {
            chain: Vec::new(),
            size: last.grid.size(),
            boxes: Vec::new(),
        };
        // From the output backwards: the world before each leg, from the output index.
        composed.push(last.grid.world_from_index());
        for (k, leg) in legs.iter().enumerate().rev() {
            for part in leg.map.parts() {
                match part {
                    MapPart::Affine(map) => composed.push(*map.in_from_out()),
                    MapPart::Displacement(field) => {
                        composed.chain.push(Link::Displacement(Arc::clone(field)));
                    }
                }
            }
            if let Some(before) = k
                .checked_sub(1)
                .filter(|&k| k >= cut)
                .and_then(|k| legs.get(k))
            {
                composed.bound(&before.grid);
            }
        }
        composed.push(source.index_from_world());
        Ok(composed)
    }

    /// Lets a sample pass an affine map.
    fn push(&mut self, map: Affine) {
        match self.chain.last_mut() {
            Some(Link::Affine(last)) => *last = map * *last,
            _ => self.chain.push(Link::Affine(map)),
        }
    }

    /// Bounds where a sample may be now, a point of the world, to a grid.
    fn bound(&mut self, grid: &Geometry) {
        // The affine map that ends the chain may still grow: the box is placed before it.
        let (after, box_from_point) = match self.chain.last() {
            Some(Link::Affine(map)) => (self.chain.len() - 1, grid.index_from_world() * *map),
            _ => (self.chain.len(), grid.index_from_world()),
        };
        self.boxes.push(ChainBox {
            after,
            box_from_point,
            size: grid.size(),
        });
    }

    /// The whole chain as one map from output to source indices, where it is one.
    fn as_affine(&self) -> Option<Affine> {
        match self.chain.as_slice() {
            [Link::Affine(map)] => Some(*map),
            _ => None,
        }
    }

    /// The chain without its displacements: what decides the smoothing before sampling.
    fn affine_part(&self) -> Affine {
        self.chain
            .iter()
            .fold(Affine::IDENTITY, |whole, link| match link {
                Link::Affine(map) => *map * whole,
                Link::Displacement(_) => whole,
            })
    }

    /// The boxes of a chain that is one map, without those that hold all samples anyway.
    fn affine_boxes(&self) -> Vec<ValidityBox> {
        let boxes = self.boxes.iter().map(|b| ValidityBox {
            box_from_out: b.box_from_point,
            size: b.size,
        });
        needed_boxes(&boxes.collect::<Vec<_>>(), self.size)
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
    fn run<T: Voxel, O: Voxel>(&self, source: &ArrayView4<'_, T>) -> Result<(Voxels, u64)>
    where
        T::Float: Compute,
    {
        let size = self.composed.size;
        let lanes = &self.program.lanes;
        let voxels = count(1, size)?;
        let mut buf = Buf::<O>::for_overwrite(count(lanes.len(), size)?)?;
        let nan = AtomicU64::new(0);
        let mut outs: Vec<Option<&mut [O]>> =
            buf.as_mut_slice()?.chunks_mut(voxels).map(Some).collect();
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
        let slabs = sinks(self.composed.size, lanes, nan);
        if self.sigma == [0.0; 3] {
            return self.sample(source, c, slabs);
        }
        let mut smooth = Buf::<T::Float>::for_overwrite(source.len())?;
        let shape = source.raw_dim();
        let view = ArrayViewMut3::from_shape(shape, smooth.as_mut_slice()?);
        let view = view.map_err(|e| Error::input(e.to_string()))?;
        gaussian(source, self.sigma, TRUNCATE, view)?;
        let smooth = ArrayView3::from_shape(shape, smooth.as_slice());
        let smooth = smooth.map_err(|e| Error::input(e.to_string()))?;
        self.sample(smooth, c, slabs)
    }

    /// Samples a channel under the map or the chain of maps.
    fn sample<E: Element, S: RowSink<E::Float>>(
        &self,
        source: ArrayView3<'_, E>,
        c: usize,
        slabs: Vec<Slab<S>>,
    ) -> Result<()> {
        let fill = fill_of(self.task, c);
        let (order, boundary) = (self.order, self.boundary);
        if let Some(source_from_out) = self.composed.as_affine() {
            let sampling = KernelSampling {
                source_from_out,
                order,
                boundary,
                fill,
                boxes: &self.composed.affine_boxes(),
            };
            return Ok(resample(source, self.composed.size, &sampling, slabs)?);
        }
        let chain: Vec<_> = self.composed.chain.iter().map(Link::stage).collect();
        let sampling = DisplacedSampling {
            chain: &chain,
            order,
            boundary,
            fill,
            boxes: &self.composed.boxes,
        };
        Ok(resample_displaced(
            source,
            self.composed.size,
            &sampling,
            slabs,
        )?)
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

fn channels_mut<T: Voxel>(
    buf: &mut Buf<T>,
    [x, y, z]: [usize; 3],
) -> Result<impl Iterator<Item = ArrayViewMut3<'_, T>>> {
    let parts = buf.as_mut_slice()?.chunks_mut(x * y * z);
    Ok(parts.filter_map(move |part| ArrayViewMut3::from_shape([z, y, x], part).ok()))
}
