//! The naive interpreter: what a plan means, one voxel at a time, in double precision.
//!
//! It shares the resolution of steps with the plan, and nothing else: no composed matrices, no
//! folding, no tables, no kernels. Tests hold the fused execution against it.

use voxprep_kernels::Element;

use crate::buf::Buf;
use crate::curve::{FieldOp, Form, Mask};
use crate::error::{Error, Result};
use crate::pipeline::{Fill, Interpolation};
use crate::plan::{Leg, Plan, RunOptions, Task};
use crate::subject::Subject;
use crate::transform::mask_volume;
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

fn execute(task: &Task, _: bool, subject: &mut Subject, plan: &Plan) -> Result<(Voxels, u64)> {
    let source = subject
        .volume(&task.source)
        .ok_or_else(|| Error::input(format!("there is no volume '{}'", task.source)))?;
    let [nx, ny, nz] = task.header.geometry.size();
    let channels = source.voxels().channels();
    let mut out: Vec<Vec<f64>> = Vec::new();
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let here: Vec<f64> = (0..channels)
                    .map(|c| sample(task, source, plan, c, [x, y, z]))
                    .collect::<Result<_>>()?;
                let at = (z * ny + y) * nx + x;
                let values = task.curves.iter().try_fold(here, |values, curve| {
                    eval(curve.form(), &values, at, [x, y, z], subject, task)
                })?;
                out.resize(values.len(), Vec::new());
                for (channel, value) in out.iter_mut().zip(values) {
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
    Ok((
        voxels,
        if task.header.element_type.is_integer() {
            0
        } else {
            nan
        },
    ))
}

/// The value of an output voxel before the curves.
fn sample(task: &Task, source: &Volume, plan: &Plan, c: usize, out: [usize; 3]) -> Result<f64> {
    let sampling = &plan.pipeline().sampling;
    let fill = task.fill.get(c).copied().unwrap_or_default();
    let Some(Leg { grid, .. }) = task.legs.last() else {
        return Ok(source.voxels().get(c, out).unwrap_or(f64::NAN));
    };
    let mut world = grid.world_from_index().apply(out.map(|i| i as f64));
    for (k, leg) in task.legs.iter().enumerate().rev() {
        world = leg.map.pull(world);
        let before = match k.checked_sub(1).and_then(|k| task.legs.get(k)) {
            Some(before) => &before.grid,
            None => source.geometry(),
        };
        let index = before.index_from_world().apply(world);
        // 1e-6 voxel forgives the rounding of the maps, as the kernels do
        let inside = (0..3)
            .all(|i| index[i] >= -0.5 - 1e-6 && index[i] <= before.size()[i] as f64 - 0.5 + 1e-6);
        if !inside && sampling.fill != Fill::Edge {
            return Ok(fill);
        }
    }
    let index = source.geometry().index_from_world().apply(world);
    let linear = source.role() == Role::Intensity && sampling.intensity != Interpolation::Nearest;
    if source.role() == Role::Intensity && sampling.intensity == Interpolation::Cubic {
        return Err(Error::unsupported(
            "the naive interpreter knows no cubic splines",
        ));
    }
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

/// The images of the channels of one voxel.
fn eval(
    form: &Form,
    values: &[f64],
    at: usize,
    index: [usize; 3],
    subject: &Subject,
    task: &Task,
) -> Result<Vec<f64>> {
    let other = |name: &str| -> Result<f64> {
        let volume = mask_volume(subject, name, &task.header.geometry)?;
        Ok(volume.voxels().get(0, index).unwrap_or(f64::NAN))
    };
    let again = |form: &Form, v: f64| eval(form, &[v], at, index, subject, task);
    match form {
        Form::Chain(forms) => forms.iter().try_fold(values.to_vec(), |v, form| {
            eval(form, &v, at, index, subject, task)
        }),
        Form::PerChannel(forms) => {
            let each = values.iter().zip(forms).map(|(&v, form)| again(form, v));
            Ok(each.collect::<Result<Vec<_>>>()?.concat())
        }
        Form::Fan(lanes) => {
            let each = values
                .iter()
                .flat_map(|&v| lanes.iter().map(move |(_, form)| (v, form)));
            Ok(each
                .map(|(v, form)| again(form, v))
                .collect::<Result<Vec<_>>>()?
                .concat())
        }
        Form::At(function) => Ok(values
            .iter()
            .enumerate()
            .map(|(channel, &v)| {
                let mut value = [v];
                function.apply_f64(channel, at, &mut value);
                value[0]
            })
            .collect()),
        Form::Field { volume, op } => {
            let field = other(volume)?;
            let combine = |v: &f64| match op {
                FieldOp::Add => v + field,
                FieldOp::Multiply => v * field,
                FieldOp::Divide => v / field,
            };
            Ok(values.iter().map(combine).collect())
        }
        Form::Select {
            mask,
            inside,
            outside,
        } => {
            let mut images = Vec::new();
            for &v in values {
                let holds = match mask {
                    Mask::Volume(name) => other(name)? != 0.0,
                    Mask::NonZero => v != 0.0,
                    Mask::Above(bound) => v > *bound,
                };
                images.extend(again(if holds { inside } else { outside }, v)?);
            }
            Ok(images)
        }
        _ => values
            .iter()
            .map(|&v| {
                form.value(v)
                    .ok_or_else(|| Error::plugin("a form without a value"))
            })
            .collect(),
    }
}
