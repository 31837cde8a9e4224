//! The naive interpreter: what a plan means, one voxel at a time, in double precision.
//!
//! It shares the resolution of steps with the plan, and nothing else: no composed matrices, no
//! folding, no tables, no kernels. Tests hold the fused execution against it.

use std::cell::RefCell;

use voxprep_kernels::Element;

use crate::buf::Buf;
use crate::curve::{FieldOp, Form, Mask};
use crate::error::{Error, Result};
use crate::geometry::corners;
use crate::pipeline::{Antialias, Fill, Interpolation};
use crate::plan::{Bound, Leg, Plan, RunOptions, Task};
use crate::subject::Subject;
use crate::transform::{Filter, Halo, Input};
use crate::volume::{Role, Volume};
use crate::voxels::Voxels;
use crate::with_type;

/// Runs a plan as its definition says. Nearest and linear sampling without antialiasing only.
///
/// # Errors
/// As [`Plan::run`], and for what this interpreter leaves out.
pub fn run(plan: &Plan, subject: Subject, options: &RunOptions<'_>) -> Result<Subject> {
    plan.run_with(subject, options, &execute)
}

/// How far a filter says that it looks, for the image of a subject.
///
/// # Errors
/// Where there is no such volume.
pub fn halo(filter: &dyn Filter, subject: &Subject, image: &str) -> Result<Halo> {
    let headers: Vec<_> = subject
        .volumes()
        .map(|(n, v)| (n.to_owned(), v.header().clone()))
        .collect();
    let volume = subject
        .volume(image)
        .ok_or_else(|| Error::input(format!("there is no volume '{image}'")))?;
    let findings = RefCell::default();
    Ok(filter.halo(&Input {
        name: image,
        header: volume.header(),
        headers: &headers,
        reference: volume.geometry(),
        subject: Some(subject),
        findings: &findings,
    }))
}

fn execute(task: &Task, bound: Bound, plan: &Plan) -> Result<(Voxels, u64)> {
    let mut source = bound.source.clone();
    let edge = plan.pipeline().sampling.fill == Fill::Edge && source.role() == Role::Intensity;
    let mut legs = task.legs.as_slice();
    // Leading steps that only move whole voxels are copies, and what they cut is gone.
    while let Some((leg, rest)) = legs.split_first() {
        match copied(&source, leg, task, edge)? {
            Some(copy) if !rest.is_empty() => (source, legs) = (copy, rest),
            // Every step is a copy: no voxel is between others, and what is added is rounded at
            // the end, not here.
            Some(_) if !edge => {
                (source, legs) = (bound.source.clone(), task.legs.as_slice());
                break;
            }
            _ => break,
        }
    }
    let [nx, ny, nz] = task.header.geometry.size();
    let channels = source.voxels().channels();
    let mut out: Vec<Vec<f64>> = Vec::new();
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let here: Vec<f64> = (0..channels)
                    .map(|c| sample(task, legs, &source, plan, c, [x, y, z]))
                    .collect::<Result<_>>()?;
                let voxel = Voxel {
                    at: (z * ny + y) * nx + x,
                    index: [x, y, z],
                    bound: &bound,
                };
                let lanes: Vec<(usize, f64)> = here.into_iter().enumerate().collect();
                let lanes = task
                    .curves
                    .iter()
                    .try_fold(lanes, |lanes, curve| eval(curve.form(), lanes, &voxel))?;
                out.resize(lanes.len(), Vec::new());
                for (channel, (_, value)) in out.iter_mut().zip(lanes) {
                    channel.push(value);
                }
            }
        }
    }
    let values = out.concat();
    let nan = values.iter().filter(|v| v.is_nan()).count() as u64;
    let voxels = with_type!(task.header.element_type, O => {
        let stored: Vec<O> = values.into_iter().map(<O as Element>::from_f64).collect();
        Voxels::new(out.len(), [nx, ny, nz], Buf::from(stored))?
    });
    Ok((voxels, nan))
}

/// What a step that moves whole voxels leaves of a volume; `None` where it is another step.
fn copied(source: &Volume, leg: &Leg, task: &Task, edge: bool) -> Result<Option<Volume>> {
    let Some(world) = leg.map.as_affine() else {
        return Ok(None);
    };
    let map = source.geometry().index_from_world() * world * leg.grid.world_from_index();
    let size = leg.grid.size();
    let whole = |v: f64| (v - v.round()).abs() < 1e-4;
    if !corners(size).all(|c| map.apply(c).into_iter().all(whole)) {
        return Ok(None);
    }
    let steps = map.linear().into_iter().flatten();
    if !steps
        .into_iter()
        .all(|v| [-1.0, 0.0, 1.0].contains(&v.round()) && (v - v.round()).abs() < 1e-4)
    {
        return Ok(None);
    }
    let mut values = Vec::new();
    for c in 0..source.voxels().channels() {
        for z in 0..size[2] {
            for y in 0..size[1] {
                for x in 0..size[0] {
                    let from = map.apply([x, y, z].map(|i| i as f64)).map(|v| v.round());
                    let last = source.geometry().size().map(|n| n as f64 - 1.0);
                    let nearest = [0, 1, 2].map(|i| from[i].clamp(0.0, last[i]));
                    let inside = edge || nearest == from;
                    let fill = task.fill.get(c).copied().unwrap_or_default();
                    let there = source.voxels().get(c, nearest.map(|v| v as usize));
                    values.push(there.filter(|_| inside).unwrap_or(fill));
                }
            }
        }
    }
    let mut header = source.header().clone();
    header.geometry = leg.grid.clone();
    let channels = source.voxels().channels();
    let voxels = with_type!(header.element_type, O => {
        let stored: Vec<O> = values.into_iter().map(<O as Element>::from_f64).collect();
        Voxels::new(channels, size, Buf::from(stored))?
    });
    Volume::with_header(header, voxels).map(Some)
}

/// The value of an output voxel before the curves.
fn sample(
    task: &Task,
    legs: &[Leg],
    source: &Volume,
    plan: &Plan,
    c: usize,
    out: [usize; 3],
) -> Result<f64> {
    let sampling = &plan.pipeline().sampling;
    let fill = task.fill.get(c).copied().unwrap_or_default();
    let Some(Leg { grid, .. }) = legs.last() else {
        return Ok(source.voxels().get(c, out).unwrap_or(f64::NAN));
    };
    if source.role() == Role::Intensity {
        if sampling.intensity == Interpolation::Cubic {
            return Err(Error::unsupported(
                "the naive interpreter knows no cubic splines",
            ));
        }
        if sampling.antialias != Antialias::Off {
            return Err(Error::unsupported("the naive interpreter does not smooth"));
        }
    }
    let edge = sampling.fill == Fill::Edge && source.role() == Role::Intensity;
    let mut world = grid.world_from_index().apply(out.map(|i| i as f64));
    for (k, leg) in legs.iter().enumerate().rev() {
        world = leg.map.pull(world);
        let before = match k.checked_sub(1).and_then(|k| legs.get(k)) {
            Some(before) => &before.grid,
            None => source.geometry(),
        };
        let index = before.index_from_world().apply(world);
        // 1e-6 voxel forgives the rounding of the maps, as the kernels do
        let inside =
            |i: usize| index[i] >= -0.5 - 1e-6 && index[i] <= before.size()[i] as f64 - 0.5 + 1e-6;
        if !edge && !(0..3).all(inside) {
            return Ok(fill);
        }
    }
    let index = source.geometry().index_from_world().apply(world);
    let linear = source.role() == Role::Intensity && sampling.intensity != Interpolation::Nearest;
    let size = source.geometry().size();
    let value = |at: [i64; 3]| {
        let at = [0, 1, 2].map(|i| at[i].clamp(0, size[i] as i64 - 1) as usize);
        source.voxels().get(c, at).unwrap_or(f64::NAN)
    };
    if !linear {
        return Ok(value(index.map(|v| (v + 0.5 + 1e-7).floor() as i64)));
    }
    // Whole-index maps copy: a NaN beside a voxel must not reach it with weight zero.
    let index = index.map(|v| {
        if (v - v.round()).abs() < 1e-9 {
            v.round()
        } else {
            v
        }
    });
    let low = index.map(|v| v.floor() as i64);
    let mut sum = 0.0;
    for corner in 0..8_u8 {
        let step = [0, 1, 2].map(|i| i64::from(corner >> i & 1));
        let weight: f64 = (0..3)
            .map(|i| {
                let f = index[i] - low[i] as f64;
                if step[i] == 1 { f } else { 1.0 - f }
            })
            .product();
        if weight != 0.0 {
            sum += weight * value([0, 1, 2].map(|i| low[i] + step[i]));
        }
    }
    Ok(sum)
}

/// A voxel that curves are evaluated at.
struct Voxel<'a> {
    at: usize,
    index: [usize; 3],
    bound: &'a Bound,
}

impl Voxel<'_> {
    fn of(&self, name: &str) -> Result<f64> {
        Ok(self
            .bound
            .other(name)?
            .get(0, self.index)
            .unwrap_or(f64::NAN))
    }
}

/// The images of the channels of one voxel, each with the channel number it had before a fan.
fn eval(form: &Form, lanes: Vec<(usize, f64)>, voxel: &Voxel<'_>) -> Result<Vec<(usize, f64)>> {
    match form {
        Form::Chain(forms) => forms
            .iter()
            .try_fold(lanes, |lanes, form| eval(form, lanes, voxel)),
        Form::Fan(branches) => {
            let mut out = Vec::new();
            for (i, (_, v)) in lanes.into_iter().enumerate() {
                for (_, form) in branches {
                    out.push((i, one(form, i, v, voxel)?));
                }
            }
            Ok(out
                .into_iter()
                .enumerate()
                .map(|(i, (_, v))| (i, v))
                .collect())
        }
        Form::PerChannel(forms) => {
            let each = lanes.into_iter().zip(forms);
            each.map(|((i, v), form)| Ok((i, one(form, i, v, voxel)?)))
                .collect()
        }
        _ => lanes
            .into_iter()
            .map(|(i, v)| Ok((i, one(form, i, v, voxel)?)))
            .collect(),
    }
}

/// The image of one value under a form that makes one value of one.
fn one(form: &Form, channel: usize, v: f64, voxel: &Voxel<'_>) -> Result<f64> {
    Ok(match form {
        Form::Chain(forms) => {
            return forms
                .iter()
                .try_fold(v, |v, form| one(form, channel, v, voxel));
        }
        Form::At(function) => {
            let mut value = [v];
            function.apply_f64(channel, voxel.at, &mut value);
            value[0]
        }
        Form::Field { volume, op } => {
            let field = voxel.of(volume)?;
            match op {
                FieldOp::Add => v + field,
                FieldOp::Multiply => v * field,
                FieldOp::Divide => v / field,
            }
        }
        Form::Select {
            mask,
            inside,
            outside,
        } => {
            let holds = match mask {
                Mask::Volume(name) => voxel.of(name)? != 0.0,
                Mask::NonZero => v != 0.0,
                Mask::Above(bound) => v > *bound,
            };
            return one(if holds { inside } else { outside }, channel, v, voxel);
        }
        _ => form
            .value(v)
            .ok_or_else(|| Error::plugin("a form without a value"))?,
    })
}
