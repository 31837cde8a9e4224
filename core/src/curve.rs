//! `Curve`: what a pointwise step does to the value of a voxel, as data where possible.
//!
//! Closed forms fold into one another and can be tabulated; the others run chunk by chunk. How
//! curves are executed is the business of the plan.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::volume::Role;
use crate::voxels::ElementType;

/// What a pointwise step does to the values of one volume, and the type they have afterwards.
#[derive(Clone, Debug)]
pub struct Curve {
    form: Form,
    output: Output,
}

/// The element type after a curve. Rounding and saturation happen when a fused group ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// The type stays what it was.
    Keep,
    /// The type becomes this one.
    As(ElementType),
}

impl Output {
    /// The type after this output, given the one before.
    pub fn after(self, before: ElementType) -> ElementType {
        match self {
            Self::Keep => before,
            Self::As(element_type) => element_type,
        }
    }
}

/// The forms a curve may have.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Form {
    /// `(v - from) scale + to`. NaN stays NaN.
    Linear {
        /// The value that maps to `to`.
        from: f64,
        /// The slope.
        scale: f64,
        /// The image of `from`.
        to: f64,
    },
    /// Values below `low` become `low`, above `high` become `high`. NaN stays NaN.
    Clamp {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// Straight lines between knots.
    PieceLinear(Arc<PieceLinear>),
    /// A function of the value.
    Map(Arc<dyn MapValue>),
    /// A function of the value and of which voxel it is.
    At(Arc<dyn MapVoxel>),
    /// One form where a mask holds, another elsewhere.
    Select {
        /// Where `inside` applies.
        mask: Mask,
        /// Applied where the mask holds.
        inside: Box<Form>,
        /// Applied elsewhere.
        outside: Box<Form>,
    },
    /// Combines each voxel with that of another volume of the subject on the same grid.
    Field {
        /// Name of the other volume; its first channel is used.
        volume: String,
        /// How.
        op: FieldOp,
    },
    /// Each named form makes a channel of its own.
    Fan(Vec<(String, Form)>),
    /// Integers to integers, for labels.
    Table(Arc<Table>),
    /// One form after the other.
    Chain(Vec<Form>),
    /// Another form for each channel.
    PerChannel(Vec<Form>),
}

/// Where the inside form of a [`Form::Select`] applies.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Mask {
    /// Where a label volume of the subject, on the same grid, is not 0.
    Volume(String),
    /// Where the value, as it arrives at this form, is not 0.
    NonZero,
    /// Where the value, as it arrives at this form, is above this.
    Above(f64),
}

/// How a [`Form::Field`] combines a voxel with the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldOp {
    /// Value plus field.
    Add,
    /// Value times field.
    Multiply,
    /// Value divided by field.
    Divide,
}

/// A function of the value alone. Must be pure: it may be tabulated.
pub trait MapValue: Send + Sync {
    /// Replaces each value by its image.
    fn apply(&self, values: &mut [f32]);

    /// The same in double precision, for i32 and f64 volumes.
    fn apply_f64(&self, values: &mut [f64]) {
        let mut single: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        self.apply(&mut single);
        for (out, v) in values.iter_mut().zip(single) {
            *out = f64::from(v);
        }
    }
}

/// A function of the value and of which voxel it is: noise, for example. Must be pure.
pub trait MapVoxel: Send + Sync {
    /// Replaces the values of the voxels `start ..` of a channel by their images; `start` is the
    /// linear index `(z ny + y) nx + x` on the grid where the step runs.
    fn apply(&self, channel: usize, start: usize, values: &mut [f32]);

    /// The same in double precision, for i32 and f64 volumes.
    fn apply_f64(&self, channel: usize, start: usize, values: &mut [f64]) {
        let mut single: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        self.apply(channel, start, &mut single);
        for (out, v) in values.iter_mut().zip(single) {
            *out = f64::from(v);
        }
    }

    /// What becomes of the fill value outside the field of view; itself unless said otherwise.
    fn fill(&self, value: f64) -> f64 {
        value
    }
}

struct Function<F>(F);

impl<F: Fn(f64) -> f64 + Send + Sync> MapValue for Function<F> {
    fn apply(&self, values: &mut [f32]) {
        for v in values {
            *v = (self.0)(f64::from(*v)) as f32;
        }
    }

    fn apply_f64(&self, values: &mut [f64]) {
        for v in values {
            *v = (self.0)(*v);
        }
    }
}

/// Straight lines between knots; beyond the end knots the end values stay.
#[derive(Clone, Debug, PartialEq)]
pub struct PieceLinear {
    knots: Vec<[f64; 2]>,
}

impl PieceLinear {
    /// The lines between `knots`, `[x, y]` each; sorted by x here, of equal x the last counts.
    /// `None` where there are none or a coordinate is not finite.
    pub fn new(mut knots: Vec<[f64; 2]>) -> Option<Self> {
        if knots.is_empty() || knots.iter().flatten().any(|v| !v.is_finite()) {
            return None;
        }
        knots.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let mut unique: Vec<[f64; 2]> = Vec::with_capacity(knots.len());
        for knot in knots {
            match unique.last_mut() {
                Some(last) if last[0] == knot[0] => *last = knot,
                _ => unique.push(knot),
            }
        }
        Some(Self { knots: unique })
    }

    /// The value at `x`; NaN stays NaN.
    pub fn eval(&self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        let right = self.knots.partition_point(|k| k[0] <= x);
        match (
            right.checked_sub(1).and_then(|l| self.knots.get(l)),
            self.knots.get(right),
        ) {
            (Some(a), Some(b)) => a[1] + (x - a[0]) * ((b[1] - a[1]) / (b[0] - a[0])),
            (Some(end), None) | (None, Some(end)) => end[1],
            (None, None) => x,
        }
    }
}

/// Integers to integers; what is not listed stays, or takes the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The listed images.
    pub map: BTreeMap<i64, i64>,
    /// The image of every other integer; `None` keeps it.
    pub other: Option<i64>,
}

impl Table {
    /// The image of a value; one that is no integer stays.
    pub fn eval(&self, value: f64) -> f64 {
        let key = value as i64;
        if key as f64 != value {
            return value;
        }
        match self.map.get(&key).copied().or(self.other) {
            Some(image) => image as f64,
            None => value,
        }
    }
}

impl Curve {
    /// A curve of any form that keeps the element type.
    pub fn new(form: Form) -> Self {
        Self {
            form,
            output: Output::Keep,
        }
    }

    /// The line through `(low, range[0])` and `(high, range[1])`, as f32.
    ///
    /// `low` and `high` must differ; where they do not, everything becomes `range[0]`.
    pub fn linear_between(low: f64, high: f64, range: [f64; 2]) -> Self {
        let scale = if high == low {
            0.0
        } else {
            (range[1] - range[0]) / (high - low)
        };
        Self::linear(low, scale, range[0])
    }

    /// `(v - from) scale + to`, as f32.
    pub fn linear(from: f64, scale: f64, to: f64) -> Self {
        Self::new(Form::Linear { from, scale, to }).output(Output::As(ElementType::F32))
    }

    /// Everything becomes `value`, as f32; NaN stays NaN.
    pub fn constant(value: f64) -> Self {
        Self::linear(0.0, 0.0, value)
    }

    /// Clamps to `[low, high]`; the element type stays.
    pub fn clamp(low: f64, high: f64) -> Self {
        Self::new(Form::Clamp { low, high })
    }

    /// Integers to integers; the element type stays.
    pub fn table(table: Table) -> Self {
        Self::new(Form::Table(Arc::new(table)))
    }

    /// A function of the value; the element type stays.
    pub fn map(function: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Self {
        Self::new(Form::Map(Arc::new(Function(function))))
    }

    /// A function of the value and its voxel; the element type stays.
    pub fn at(function: impl MapVoxel + 'static) -> Self {
        Self::new(Form::At(Arc::new(function)))
    }

    /// Another curve for each channel; the output is that of the first.
    pub fn per_channel(curves: Vec<Self>) -> Self {
        let output = curves.first().map_or(Output::Keep, |c| c.output);
        let mut forms: Vec<Form> = curves.into_iter().map(|c| c.form).collect();
        let form = match forms.len() {
            1 => forms.remove(0),
            _ => Form::PerChannel(forms),
        };
        Self { form, output }
    }

    /// Each named curve makes a channel of its own; the output is that of the first.
    pub fn fan(curves: Vec<(String, Self)>) -> Self {
        let output = curves.first().map_or(Output::Keep, |(_, c)| c.output);
        let forms = curves.into_iter().map(|(name, c)| (name, c.form)).collect();
        Self {
            form: Form::Fan(forms),
            output,
        }
    }

    /// This curve where the mask holds, `outside` elsewhere; the output is this one's.
    #[must_use]
    pub fn where_mask(self, mask: Mask, outside: Self) -> Self {
        Self {
            form: Form::Select {
                mask,
                inside: Box::new(self.form),
                outside: Box::new(outside.form),
            },
            output: self.output,
        }
    }

    /// This curve, then a clamp to `range`, given in either order.
    #[must_use]
    pub fn clamp_to(self, range: [f64; 2]) -> Self {
        let [a, b] = range;
        self.then(Self::clamp(a.min(b), a.max(b)))
    }

    /// This curve, then another.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let mut forms = match self.form {
            Form::Chain(forms) => forms,
            form => vec![form],
        };
        match next.form {
            Form::Chain(more) => forms.extend(more),
            form => forms.push(form),
        }
        let output = match next.output {
            Output::Keep => self.output,
            output => output,
        };
        Self {
            form: Form::Chain(forms),
            output,
        }
    }

    /// The same curve with another output type.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// The form.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The element type after the curve, given the one before.
    pub fn output_type(&self, before: ElementType) -> ElementType {
        self.output.after(before)
    }

    /// The names of the channels this curve makes of each channel: one per fan, `None` without.
    pub fn channel_names(&self) -> Option<Vec<String>> {
        self.form.channel_names()
    }

    /// What becomes of the fill value of each channel.
    pub(crate) fn fill(&self, fill: &[f64]) -> Vec<f64> {
        self.form.fill(fill)
    }
}

impl Form {
    /// The names and roles of the other volumes that this form looks at.
    pub(crate) fn looks_at(&self) -> Vec<(&str, Role)> {
        match self {
            Self::Select {
                mask,
                inside,
                outside,
            } => {
                let own = match mask {
                    Mask::Volume(name) => Some((name.as_str(), Role::Label)),
                    _ => None,
                };
                own.into_iter()
                    .chain(inside.looks_at())
                    .chain(outside.looks_at())
                    .collect()
            }
            Self::Field { volume, .. } => vec![(volume, Role::Intensity)],
            Self::Chain(forms) | Self::PerChannel(forms) => {
                forms.iter().flat_map(Self::looks_at).collect()
            }
            Self::Fan(lanes) => lanes.iter().flat_map(|(_, form)| form.looks_at()).collect(),
            _ => Vec::new(),
        }
    }

    fn channel_names(&self) -> Option<Vec<String>> {
        match self {
            Self::Fan(lanes) => Some(lanes.iter().map(|(name, _)| name.clone()).collect()),
            Self::Chain(forms) => forms.iter().find_map(Self::channel_names),
            _ => None,
        }
    }

    fn fill(&self, fill: &[f64]) -> Vec<f64> {
        match self {
            Self::Chain(forms) => forms
                .iter()
                .fold(fill.to_vec(), |fill, form| form.fill(&fill)),
            Self::PerChannel(forms) => {
                let both = fill.iter().zip(forms);
                both.flat_map(|(&v, form)| form.fill(&[v])).collect()
            }
            Self::Fan(lanes) => {
                let image = |v: f64| lanes.iter().flat_map(move |(_, form)| form.fill(&[v]));
                fill.iter().flat_map(|&v| image(v)).collect()
            }
            _ => fill.iter().map(|&v| self.fill_one(v)).collect(),
        }
    }

    /// The fill value lies outside every mask and on no field.
    fn fill_one(&self, v: f64) -> f64 {
        match self {
            Self::At(function) => function.fill(v),
            Self::Field { .. } => v,
            Self::Select {
                mask,
                inside,
                outside,
            } => {
                let holds = match mask {
                    Mask::Volume(_) => false,
                    Mask::NonZero => v != 0.0,
                    Mask::Above(bound) => v > *bound,
                };
                let form = if holds { inside } else { outside };
                form.fill(&[v]).first().copied().unwrap_or(v)
            }
            _ => self.value(v).unwrap_or(v),
        }
    }

    /// The image of one value, where it depends on the value alone and is one number.
    pub fn value(&self, v: f64) -> Option<f64> {
        Some(match self {
            Self::Linear { from, scale, to } => (v - from) * scale + to,
            Self::Clamp { low, high } => clamp(v, *low, *high),
            Self::PieceLinear(lines) => lines.eval(v),
            Self::Map(function) => {
                let mut value = [v];
                function.apply_f64(&mut value);
                value[0]
            }
            Self::Table(table) => table.eval(v),
            Self::Chain(forms) => return forms.iter().try_fold(v, |v, form| form.value(v)),
            Self::Select {
                mask,
                inside,
                outside,
            } => {
                let holds = match mask {
                    Mask::Volume(_) => return None,
                    Mask::NonZero => v != 0.0,
                    Mask::Above(bound) => v > *bound,
                };
                return if holds {
                    inside.value(v)
                } else {
                    outside.value(v)
                };
            }
            Self::At(_) | Self::Field { .. } | Self::Fan(_) | Self::PerChannel(_) => return None,
        })
    }
}

/// Clamps, with NaN staying NaN.
fn clamp(v: f64, low: f64, high: f64) -> f64 {
    if v < low {
        low
    } else if v > high {
        high
    } else {
        v
    }
}

impl fmt::Debug for dyn MapValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function of the value")
    }
}

impl fmt::Debug for dyn MapVoxel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function of the voxel")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn straight_lines_join_the_knots_and_end_flat() {
        let lines = PieceLinear::new(vec![[10.0, 1.0], [0.0, 0.0], [20.0, 5.0]]).unwrap();
        let images = [-5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 99.0].map(|x| lines.eval(x));
        assert_eq!(images, [0.0, 0.0, 0.5, 1.0, 3.0, 5.0, 5.0]);
        assert!(lines.eval(f64::NAN).is_nan());
        assert_eq!(PieceLinear::new(vec![]), None);
    }

    #[test]
    fn the_fill_value_goes_through_fans_and_channels() {
        let narrow = Curve::linear_between(0.0, 10.0, [0.0, 1.0]).clamp_to([0.0, 1.0]);
        let wide = Curve::linear_between(-100.0, 100.0, [0.0, 1.0]);
        let fan = Curve::fan(vec![("a".into(), narrow), ("b".into(), wide)]);
        assert_eq!(fan.fill(&[-50.0, 5.0]), [0.0, 0.25, 0.5, 0.525]);
        assert_eq!(fan.channel_names().unwrap(), ["a", "b"]);
        let each = Curve::per_channel(vec![Curve::constant(3.0), Curve::constant(4.0)]);
        assert_eq!(each.fill(&[1.0, 1.0]), [3.0, 4.0]);
    }

    #[test]
    fn a_table_keeps_or_replaces_what_it_does_not_list() {
        let map = BTreeMap::from([(4, 3), (1, 2)]);
        let keep = Table {
            map: map.clone(),
            other: None,
        };
        assert_eq!(
            [0.0, 1.0, 4.0, 9.0].map(|v| keep.eval(v)),
            [0.0, 2.0, 3.0, 9.0]
        );
        let replace = Table {
            map,
            other: Some(0),
        };
        assert_eq!([1.0, 4.0, 9.0].map(|v| replace.eval(v)), [2.0, 3.0, 0.0]);
    }
}
