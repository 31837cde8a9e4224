//! A program: the curves of a fused group as a short list of operations per output channel.

use std::sync::Arc;

use voxprep_kernels::{Element, Float, pointwise};

use crate::curve::{Curve, FieldOp, Form, MapValue, MapVoxel, Mask, PieceLinear, Table};
use crate::error::{Error, Result};
use crate::voxels::{Voxel, Voxels};

/// A type that pointwise operations compute in: f32 for u8, i16, u16, f32; f64 for i32, f64.
pub(crate) trait Compute: Float + Voxel {
    /// The relative error of one rounding.
    const ROUNDING: f64;
    /// Roundings to begin with: in f64 the place where a line meets an end is itself rounded.
    const LEAST: u8;

    fn map(function: &dyn MapValue, values: &mut [Self]);
    fn map_voxel(function: &dyn MapVoxel, channel: usize, start: usize, values: &mut [Self]);
    /// The value of this type nearest to a number, on the side away from zero.
    fn away_from_zero(v: f64) -> Self;
}

impl Compute for f32 {
    const ROUNDING: f64 = 1.0 / (1 << 24) as f64;
    const LEAST: u8 = 0;

    fn map(function: &dyn MapValue, values: &mut [Self]) {
        function.apply(values);
    }

    fn map_voxel(function: &dyn MapVoxel, channel: usize, start: usize, values: &mut [Self]) {
        function.apply(channel, start, values);
    }

    fn away_from_zero(v: f64) -> Self {
        let nearest = v as Self;
        match f64::from(nearest).abs() < v.abs() {
            true if v > 0.0 => nearest.next_up(),
            true => nearest.next_down(),
            false => nearest,
        }
    }
}

impl Compute for f64 {
    const ROUNDING: f64 = f64::EPSILON;
    const LEAST: u8 = 1;

    fn map(function: &dyn MapValue, values: &mut [Self]) {
        function.apply_f64(values);
    }

    fn map_voxel(function: &dyn MapVoxel, channel: usize, start: usize, values: &mut [Self]) {
        function.apply_f64(channel, start, values);
    }

    fn away_from_zero(v: f64) -> Self {
        v
    }
}

/// The operations of a fused group, one lane per output channel.
pub(crate) struct Program {
    pub(crate) lanes: Vec<Lane>,
}

/// What makes one output channel.
#[derive(Clone)]
pub(crate) struct Lane {
    /// The input channel it starts from.
    pub(crate) source: usize,
    /// What is done to it.
    pub(crate) ops: Vec<Op>,
}

/// One operation on a run of voxels.
#[derive(Clone)]
pub(crate) enum Op {
    Linear {
        from: f64,
        scale: f64,
        to: f64,
    },
    Clamp {
        low: f64,
        high: f64,
    },
    PieceLinear(Arc<PieceLinear>),
    Map(Arc<dyn MapValue>),
    MapVoxel {
        channel: usize,
        function: Arc<dyn MapVoxel>,
    },
    Table(Arc<Table>),
    Field {
        field: Voxels,
        op: FieldOp,
    },
    SelectVoxel {
        mask: Voxels,
        inside: Vec<Op>,
        outside: Vec<Op>,
    },
    SelectValue {
        above: Option<f64>,
        inside: Vec<Op>,
        outside: Vec<Op>,
    },
}

/// Finds the voxels of another volume that a curve names.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Result<Voxels>;

impl Program {
    /// The program of curves that run one after the other over `channels` channels.
    pub(crate) fn new(curves: &[Curve], channels: usize, lookup: Lookup<'_>) -> Result<Self> {
        let empty = |source| Lane {
            source,
            ops: Vec::new(),
        };
        let start = (0..channels).map(empty).collect();
        let mut lanes = curves
            .iter()
            .try_fold(start, |lanes, curve| extend(lanes, curve.form(), lookup))?;
        for lane in &mut lanes {
            fold(&mut lane.ops);
        }
        Ok(Self { lanes })
    }

    /// Whether every output channel is its input channel, unchanged.
    pub(crate) fn is_identity(&self) -> bool {
        self.lanes
            .iter()
            .enumerate()
            .all(|(i, lane)| lane.source == i && lane.ops.is_empty())
    }

    /// Whether output channel i comes from input channel i alone.
    pub(crate) fn is_channelwise(&self) -> bool {
        self.lanes
            .iter()
            .enumerate()
            .all(|(i, lane)| lane.source == i)
    }
}

fn extend(lanes: Vec<Lane>, form: &Form, lookup: Lookup<'_>) -> Result<Vec<Lane>> {
    match form {
        Form::Chain(forms) => forms
            .iter()
            .try_fold(lanes, |lanes, form| extend(lanes, form, lookup)),
        Form::PerChannel(forms) => {
            if forms.len() != lanes.len() {
                return Err(Error::plugin(format!(
                    "{} curves were given for {} channels",
                    forms.len(),
                    lanes.len()
                )));
            }
            let each = lanes.into_iter().zip(forms).enumerate();
            each.map(|(i, (mut lane, form))| {
                lane.ops.extend(ops(form, i, lookup)?);
                Ok(lane)
            })
            .collect()
        }
        Form::Fan(forms) => {
            let mut out = Vec::with_capacity(lanes.len() * forms.len());
            for (i, lane) in lanes.iter().enumerate() {
                for (_, form) in forms {
                    let mut lane = lane.clone();
                    lane.ops.extend(ops(form, i, lookup)?);
                    out.push(lane);
                }
            }
            Ok(out)
        }
        _ => lanes
            .into_iter()
            .enumerate()
            .map(|(i, mut lane)| {
                lane.ops.extend(ops(form, i, lookup)?);
                Ok(lane)
            })
            .collect(),
    }
}

/// The operations of a form that makes one channel of one.
fn ops(form: &Form, channel: usize, lookup: Lookup<'_>) -> Result<Vec<Op>> {
    let one = match form {
        Form::Linear { from, scale, to } => Op::Linear {
            from: *from,
            scale: *scale,
            to: *to,
        },
        Form::Clamp { low, high } => Op::Clamp {
            low: *low,
            high: *high,
        },
        Form::PieceLinear(lines) => Op::PieceLinear(lines.clone()),
        Form::Map(function) => Op::Map(function.clone()),
        Form::At(function) => Op::MapVoxel {
            channel,
            function: function.clone(),
        },
        Form::Table(table) => Op::Table(table.clone()),
        Form::Field { volume, op } => Op::Field {
            field: lookup(volume)?,
            op: *op,
        },
        Form::Select {
            mask,
            inside,
            outside,
        } => {
            let inside = ops(inside, channel, lookup)?;
            let outside = ops(outside, channel, lookup)?;
            match mask {
                Mask::Volume(name) => Op::SelectVoxel {
                    mask: lookup(name)?,
                    inside,
                    outside,
                },
                Mask::NonZero => Op::SelectValue {
                    above: None,
                    inside,
                    outside,
                },
                Mask::Above(bound) => Op::SelectValue {
                    above: Some(*bound),
                    inside,
                    outside,
                },
            }
        }
        Form::Chain(forms) => {
            let parts = forms.iter().map(|form| ops(form, channel, lookup));
            return Ok(parts.collect::<Result<Vec<_>>>()?.concat());
        }
        Form::Fan(_) | Form::PerChannel(_) => {
            return Err(Error::plugin(
                "a fan or per-channel curve stands inside another curve",
            ));
        }
    };
    Ok(vec![one])
}

/// Folds neighbouring lines and clamps: any run of them ends as one line and one clamp.
///
/// Exact up to the rounding of one coefficient; the pivot of the first line is kept, so that
/// integers near it lose nothing.
fn fold(ops: &mut Vec<Op>) {
    let mut folded: Vec<Op> = Vec::with_capacity(ops.len());
    for op in ops.drain(..) {
        push_folded(&mut folded, op);
    }
    *ops = folded;
}

fn push_folded(ops: &mut Vec<Op>, next: Op) {
    match (ops.last().cloned(), &next) {
        (
            Some(Op::Linear { from, scale, to }),
            Op::Linear {
                from: f,
                scale: s,
                to: t,
            },
        ) => {
            ops.pop();
            ops.push(Op::Linear {
                from,
                scale: scale * s,
                to: (to - f) * s + t,
            });
        }
        (Some(Op::Clamp { low, high }), Op::Clamp { low: l, high: h })
            if low.max(*l) <= high.min(*h) =>
        {
            ops.pop();
            ops.push(Op::Clamp {
                low: low.max(*l),
                high: high.min(*h),
            });
        }
        // A clamp before a line is a clamp of the line's images after it.
        (Some(Op::Clamp { low, high }), Op::Linear { from, scale, to }) if *scale != 0.0 => {
            ops.pop();
            let [a, b] = [low, high].map(|v| (v - from) * scale + to);
            push_folded(ops, next.clone());
            ops.push(Op::Clamp {
                low: a.min(b),
                high: a.max(b),
            });
        }
        _ => ops.push(next),
    }
}

impl Op {
    /// Whether a table is cheaper than computing this, voxel by voxel.
    pub(crate) fn is_costly(&self) -> bool {
        !matches!(self, Self::Linear { .. } | Self::Clamp { .. })
    }

    /// Whether the result depends on the value alone.
    pub(crate) fn is_of_value(&self) -> bool {
        match self {
            Self::MapVoxel { .. } | Self::Field { .. } | Self::SelectVoxel { .. } => false,
            Self::SelectValue {
                inside, outside, ..
            } => inside.iter().chain(outside).all(Self::is_of_value),
            _ => true,
        }
    }

    fn run<F: Compute>(&self, start: usize, values: &mut [F]) {
        match self {
            Self::Linear { from, scale, to } => {
                let [from, scale, to] = [*from, *scale, *to].map(F::from_f64);
                pointwise::line(values, from, scale, to);
            }
            Self::Clamp { low, high } => {
                let [low, high] = [*low, *high].map(F::from_f64);
                pointwise::clamp(values, low, high);
            }
            Self::PieceLinear(lines) => {
                for v in values {
                    *v = F::from_f64(lines.eval(v.to_f64()));
                }
            }
            Self::Map(function) => F::map(function.as_ref(), values),
            Self::MapVoxel { channel, function } => {
                F::map_voxel(function.as_ref(), *channel, start, values);
            }
            Self::Table(table) => {
                for v in values {
                    *v = F::from_f64(table.eval(v.to_f64()));
                }
            }
            Self::Field { field, op } => with_other(field, start, values, |v, other| match op {
                FieldOp::Add => v + other,
                FieldOp::Multiply => v * other,
                FieldOp::Divide => v / other,
            }),
            Self::SelectVoxel {
                mask,
                inside,
                outside,
            } => {
                let mut other = values.to_vec();
                run(inside, start, values);
                run(outside, start, &mut other);
                let mut replaced = other.iter();
                with_other(mask, start, values, |v, label| {
                    let outside = replaced.next().copied().unwrap_or(v);
                    if label == F::ZERO { outside } else { v }
                });
            }
            Self::SelectValue {
                above,
                inside,
                outside,
            } => {
                let original = values.to_vec();
                let mut other = values.to_vec();
                run(inside, start, values);
                run(outside, start, &mut other);
                for ((v, before), outside) in values.iter_mut().zip(original).zip(other) {
                    let holds = match above {
                        // in double precision, as statistics compare
                        Some(bound) => before.to_f64() > *bound,
                        None => before != F::ZERO,
                    };
                    if !holds {
                        *v = outside;
                    }
                }
            }
        }
    }
}

/// Runs operations over the values of the voxels `start ..` of a channel.
pub(crate) fn run<F: Compute>(ops: &[Op], start: usize, values: &mut [F]) {
    let mut rest = ops;
    while let [op, after @ ..] = rest {
        match (op, after.first()) {
            (Op::Linear { from, scale, to }, Some(Op::Clamp { low, high })) => {
                let slope = steep_enough::<F>([*from, *scale, *to], [*low, *high]);
                pointwise::line(values, F::from_f64(*from), slope, F::from_f64(*to));
            }
            _ => op.run(start, values),
        }
        rest = after;
    }
}

/// The slope of a line, steeper by as many roundings as it takes to reach the ends of the clamp
/// that follows where the exact line does: the upper end of a window is 1, not the number below.
fn steep_enough<F: Compute>([from, scale, to]: [f64; 3], ends: [f64; 2]) -> F {
    let steeper =
        |roundings: u8| F::away_from_zero(scale * (1.0 + f64::from(roundings) * F::ROUNDING));
    let falls_short = |slope: F| {
        ends.into_iter().any(|end| {
            let mut image = [F::from_f64(from + (end - to) / scale)];
            pointwise::line(&mut image, F::from_f64(from), slope, F::from_f64(to));
            let (image, end, to) = (image[0], F::from_f64(end), F::from_f64(to));
            (end > to && image < end) || (end < to && image > end)
        })
    };
    // A line reaches its end after three roundings: of the difference, the slope, the product.
    let enough = (F::LEAST..4)
        .map(steeper)
        .find(|&slope| scale == 0.0 || !falls_short(slope));
    enough.unwrap_or_else(|| steeper(4))
}

/// Combines each value with that of the first channel of another volume.
fn with_other<F: Compute>(
    other: &Voxels,
    start: usize,
    values: &mut [F],
    mut combine: impl FnMut(F, F) -> F,
) {
    crate::dispatch!(VoxelsView, other.view(), view => {
        let run = view.as_slice().and_then(|all| all.get(start..start + values.len()));
        for (v, o) in values.iter_mut().zip(run.unwrap_or_default()) {
            *v = combine(*v, F::from_f64(o.to_f64()));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn program(curves: &[Curve]) -> Program {
        Program::new(curves, 1, &|_| unreachable!()).unwrap()
    }

    #[test]
    fn a_run_of_lines_and_clamps_becomes_one_line_and_one_clamp() {
        let curves = [
            Curve::clamp(-1000.0, 1000.0),
            Curve::linear(0.0, 2.0, 5.0),
            Curve::linear_between(-1345.0, 155.0, [0.0, 1.0]).clamp_to([0.0, 1.0]),
            Curve::linear(0.5, -2.0, 0.0),
            Curve::clamp(-0.9, 0.9),
        ];
        let program = program(&curves);
        assert!(matches!(
            program.lanes[0].ops[..],
            [Op::Linear { .. }, Op::Clamp { .. }]
        ));
    }

    #[test]
    fn clamps_that_do_not_overlap_stay_apart() {
        let program = program(&[Curve::clamp(0.0, 1.0), Curve::clamp(5.0, 6.0)]);
        let mut values = [-3.0_f32, 0.5, 9.0, f32::NAN];
        run(&program.lanes[0].ops, 0, &mut values);
        assert_eq!(values[..3], [5.0, 5.0, 5.0]);
        assert!(values[3].is_nan());
    }

    #[test]
    fn the_window_of_an_integer_is_exact_to_the_last_bit_but_one() {
        let lung = Curve::linear_between(-1350.0, 150.0, [0.0, 1.0]).clamp_to([0.0, 1.0]);
        let program = program(&[Curve::clamp(-1000.0, 1000.0), lung]);
        for hu in -1350..150_i16 {
            let mut value = [f32::from(hu)];
            run(&program.lanes[0].ops, 0, &mut value);
            let clipped = f64::from(hu.max(-1000));
            let exact = ((clipped + 1350.0) / 1500.0) as f32;
            let ulps = value[0].to_bits().abs_diff(exact.to_bits());
            assert!(ulps <= 2, "{hu}: {} against {exact}", value[0]);
        }
    }

    /// INT-03, CT-03: the ends of the input are the ends of the output, to the last bit.
    #[test]
    fn both_ends_of_a_window_are_met_exactly() {
        for (low, high, top) in [
            (-160.0, 240.0, 255.0),
            (-1350.0, 150.0, 1.0),
            (-7.0, 93.0, 1.0),
        ] {
            let range = [0.0, top];
            let curve = Curve::linear_between(low, high, range).clamp_to(range);
            let mut ends = [low as f32, high as f32];
            run(&program(&[curve]).lanes[0].ops, 0, &mut ends);
            assert_eq!(ends, [0.0, top as f32]);
        }
    }

    fn closed_form() -> impl Strategy<Value = Curve> {
        prop_oneof![
            (-100.0..100.0, -3.0..3.0, -100.0..100.0).prop_map(|(f, s, t)| Curve::linear(f, s, t)),
            (-100.0..100.0, 0.0..100.0).prop_map(|(l, w)| Curve::clamp(l, l + w)),
        ]
    }

    proptest! {
        #[test]
        fn folding_changes_no_more_than_rounding(
            curves in prop::collection::vec(closed_form(), 1..7),
            value in -200.0..200.0_f64,
        ) {
            let step_by_step = curves.iter().fold(value, |v, c| c.form().value(v).unwrap());
            let mut folded = [value];
            run(&program(&curves).lanes[0].ops, 0, &mut folded);
            // slopes multiply to at most 3^6, offsets to 2e5: 1e-9 is 1e-14 of that
            prop_assert!((folded[0] - step_by_step).abs() < 1e-8);
        }
    }
}
