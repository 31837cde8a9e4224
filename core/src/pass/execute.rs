//! Runs a program over the voxels of a volume: one read and one write, in place where it can.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use voxprep_kernels::{Float, pointwise};

use crate::buf::Buf;
use crate::error::Result;
use crate::pass::program::{Compute, Lane, Op, Program, run};
use crate::voxels::{ElementType, Voxel, Voxels};
use crate::with_type;

/// Voxels that one task takes; a multiple of [`CHUNK`].
const TASK: usize = 1 << 16;
/// Voxels whose intermediate values stay in the first-level cache.
const CHUNK: usize = 4096;

/// Runs a program over voxels; `Ok` holds the result and how many of its values are NaN.
pub(crate) fn execute(
    program: &Program,
    mut voxels: Voxels,
    output: ElementType,
) -> Result<(Voxels, u64)> {
    let input = voxels.element_type();
    if input == output && program.is_channelwise() && voxels.is_unique() {
        let nan = with_type!(input, T => in_place::<T>(program, &mut voxels))?;
        return Ok((voxels, nan));
    }
    with_type!(input, T => with_type!(output, O => into_new::<T, O>(program, &voxels)))
}

/// How many values are not a number.
pub(crate) fn count_nan(voxels: &Voxels) -> u64 {
    if voxels.element_type().is_integer() {
        return 0;
    }
    with_type!(voxels.element_type(), T => {
        let values = voxels.values::<T>().unwrap_or_default();
        values.par_chunks(TASK).map(pointwise::count_nan).sum()
    })
}

fn in_place<T: Voxel>(program: &Program, voxels: &mut Voxels) -> Result<u64>
where
    T::Float: Compute,
{
    let n = per_channel(voxels);
    let Some(values) = voxels.values_mut::<T>()? else {
        return Ok(0);
    };
    let nan = AtomicU64::new(0);
    for (lane, values) in program.lanes.iter().zip(values.chunks_mut(n.max(1))) {
        let kernel = Kernel::<T, T>::new(lane, n);
        values
            .par_chunks_mut(TASK)
            .enumerate()
            .for_each(|(i, values)| {
                let found = kernel.run_in_place(i * TASK, values);
                nan.fetch_add(found, Ordering::Relaxed);
            });
    }
    Ok(nan.into_inner())
}

fn into_new<T: Voxel, O: Voxel>(program: &Program, voxels: &Voxels) -> Result<(Voxels, u64)>
where
    T::Float: Compute,
{
    let n = per_channel(voxels);
    let source = voxels.values::<T>().unwrap_or_default();
    let mut buf = Buf::<O>::for_overwrite(n * program.lanes.len())?;
    let nan = AtomicU64::new(0);
    let kernels: Vec<Kernel<T, O>> = program.lanes.iter().map(|l| Kernel::new(l, n)).collect();
    // Tasks that read the same voxels for several channels follow one another.
    let mut tasks: Vec<(usize, &Kernel<T, O>, &mut [O])> = Vec::new();
    for (kernel, out) in kernels.iter().zip(buf.as_mut_slice()?.chunks_mut(n.max(1))) {
        let parts = out.chunks_mut(TASK).enumerate();
        tasks.extend(parts.map(|(i, out)| (i * TASK, kernel, out)));
    }
    tasks.sort_by_key(|(start, ..)| *start);
    tasks.into_par_iter().for_each(|(start, kernel, out)| {
        let first = kernel.lane.source * n + start;
        let input = source.get(first..first + out.len()).unwrap_or_default();
        nan.fetch_add(kernel.run(start, input, out), Ordering::Relaxed);
    });
    let voxels = Voxels::new(program.lanes.len(), voxels.size(), buf)?;
    Ok((voxels, nan.into_inner()))
}

fn per_channel(voxels: &Voxels) -> usize {
    let [x, y, z] = voxels.size();
    x * y * z
}

/// The image of every value of an input type, by rank.
struct Tabulated<O> {
    images: Vec<O>,
    /// Whether the value of each rank has no image; empty where all have.
    nan: Vec<bool>,
}

/// One lane, ready to run: computed, or looked up where a table is cheaper.
struct Kernel<'a, T: Voxel, O> {
    lane: &'a Lane,
    /// Where a table is cheaper than computing.
    table: Option<Tabulated<O>>,
    /// Where a table is cheaper for the first operations, which look at the value alone: their
    /// images of every value, by rank.
    first: Option<Vec<T::Float>>,
    /// The operations that are computed.
    rest: &'a [Op],
}

impl<'a, T: Voxel, O: Voxel> Kernel<'a, T, O>
where
    T::Float: Compute,
{
    fn new(lane: &'a Lane, voxels: usize) -> Self {
        let by_value = lane.ops.iter().take_while(|op| op.is_of_value()).count();
        let (first, rest) = lane.ops.split_at(by_value);
        let worth_it = T::LEVELS > 0 && voxels >= 2 * T::LEVELS && first.iter().any(Op::is_costly);
        let whole = worth_it && rest.is_empty();
        Self {
            lane,
            table: whole.then(|| Self::tabulate(first)),
            first: (worth_it && !whole).then(|| Self::images(first)),
            rest: if worth_it { rest } else { &lane.ops },
        }
    }

    /// The image of every value, by rank.
    fn images(ops: &[Op]) -> Vec<T::Float> {
        let levels = (0..T::LEVELS as u64).map(|rank| T::from_rank(rank).to_float());
        let mut values: Vec<T::Float> = levels.collect();
        run(ops, 0, &mut values);
        values
    }

    fn tabulate(ops: &[Op]) -> Tabulated<O> {
        let values = Self::images(ops);
        let mut images = vec![O::default(); values.len()];
        let nan = values.iter().map(|v| v.is_nan()).collect();
        let has_nan = pointwise::store(&values, &mut images) > 0;
        Tabulated {
            images,
            nan: if has_nan { nan } else { Vec::new() },
        }
    }

    fn run(&self, start: usize, input: &[T], out: &mut [O]) -> u64 {
        if let Some(table) = &self.table {
            let mut nan = 0;
            for (out, v) in out.iter_mut().zip(input) {
                let rank = v.rank() as usize;
                *out = table.images.get(rank).copied().unwrap_or_default();
                nan += u64::from(table.nan.get(rank).copied().unwrap_or(false));
            }
            return nan;
        }
        let mut scratch = [T::Float::default(); CHUNK];
        let mut nan = 0;
        for (i, (input, out)) in input.chunks(CHUNK).zip(out.chunks_mut(CHUNK)).enumerate() {
            let values = &mut scratch[..input.len()];
            match &self.first {
                Some(images) => {
                    for (value, v) in values.iter_mut().zip(input) {
                        *value = images.get(v.rank() as usize).copied().unwrap_or_default();
                    }
                }
                None => pointwise::widen(input, values),
            }
            run(self.rest, start + i * CHUNK, values);
            nan += pointwise::store(values, out);
        }
        nan
    }
}

impl<T: Voxel> Kernel<'_, T, T>
where
    T::Float: Compute,
{
    fn run_in_place(&self, start: usize, values: &mut [T]) -> u64 {
        let mut copy = [T::default(); CHUNK];
        let mut nan = 0;
        for (i, out) in values.chunks_mut(CHUNK).enumerate() {
            let input = &mut copy[..out.len()];
            input.copy_from_slice(out);
            nan += self.run(start + i * CHUNK, input, out);
        }
        nan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::{Curve, Output};

    fn execute_one(voxels: Voxels, curve: Curve) -> (Voxels, u64) {
        let output = curve.output_type(voxels.element_type());
        let program = Program::new(&[curve], voxels.channels(), &|_| unreachable!()).unwrap();
        execute(&program, voxels, output).unwrap()
    }

    #[test]
    fn a_shared_input_is_not_modified() {
        let voxels = Voxels::new(1, [4, 1, 1], Buf::from(vec![-9_i16, 0, 5, 99])).unwrap();
        let (out, _) = execute_one(voxels.clone(), Curve::clamp(-1.0, 10.0));
        assert_eq!(out.values::<i16>().unwrap(), [-1, 0, 5, 10]);
        assert_eq!(voxels.values::<i16>().unwrap(), [-9, 0, 5, 99]);
    }

    #[test]
    fn integers_are_rounded_half_to_even_and_saturate_at_the_end() {
        let voxels = Voxels::new(1, [5, 1, 1], Buf::from(vec![0_u8, 1, 3, 5, 255])).unwrap();
        let half = Curve::linear(0.0, 0.5, 0.0).then(Curve::linear(0.0, 1.0, 0.0));
        let (out, _) = execute_one(voxels.clone(), half.output(Output::Keep));
        assert_eq!(out.values::<u8>().unwrap(), [0, 0, 2, 2, 128]);
        let wide = Curve::linear(0.0, 2.0, -5.0).output(Output::Keep);
        let (out, _) = execute_one(voxels, wide);
        assert_eq!(out.values::<u8>().unwrap(), [0, 0, 1, 5, 255]);
    }

    #[test]
    fn a_table_gives_what_computing_gives() {
        let values: Vec<i16> = (0..200_000).map(|i| (i % 65_536 - 32_768) as i16).collect();
        let voxels = Voxels::new(1, [200_000, 1, 1], Buf::from(values.clone())).unwrap();
        let root = |v: f64| v.abs().sqrt();
        let (out, nan) = execute_one(
            voxels,
            Curve::map(root).output(Output::As(ElementType::F32)),
        );
        assert_eq!(nan, 0);
        for (out, v) in out.values::<f32>().unwrap().iter().zip(values) {
            assert_eq!(*out, root(f64::from(v)) as f32);
        }
    }

    /// A costly function of the value before noise is looked up, and gives the same bits.
    #[test]
    fn a_table_for_the_first_operations_gives_what_computing_gives() {
        struct Index;
        impl crate::curve::MapVoxel for Index {
            fn apply(&self, _: usize, start: usize, values: &mut [f32]) {
                for (i, v) in values.iter_mut().enumerate() {
                    *v += ((start + i) % 7) as f32;
                }
            }
        }
        let values: Vec<i16> = (0..200_000).map(|i| (i % 65_536 - 32_768) as i16).collect();
        let curve = || {
            let root = Curve::map(|v: f64| v.abs().sqrt());
            let at = Curve::new(crate::curve::Form::At(std::sync::Arc::new(Index)));
            root.then(at).output(Output::As(ElementType::F32))
        };
        let of = |n: usize| {
            let buf = Buf::from(values[..n].to_vec());
            let (out, _) = execute_one(Voxels::new(1, [n, 1, 1], buf).unwrap(), curve());
            out.values::<f32>().unwrap().to_vec()
        };
        // too few voxels for a table, and enough
        assert_eq!(of(60_000), of(200_000)[..60_000]);
    }

    #[test]
    fn values_that_are_not_numbers_are_counted() {
        let values = vec![1.0_f32, f32::NAN, 2.0, f32::NAN];
        let voxels = Voxels::new(1, [2, 2, 1], Buf::from(values)).unwrap();
        let (out, nan) = execute_one(voxels, Curve::clamp(0.0, 1.5));
        assert_eq!(nan, 2);
        assert_eq!(out.values::<f32>().unwrap()[2], 1.5);
    }

    #[test]
    fn a_fan_makes_a_channel_of_each_curve() {
        let voxels = Voxels::new(1, [3, 1, 1], Buf::from(vec![0_i16, 50, 100])).unwrap();
        let window = |high| Curve::linear_between(0.0, high, [0.0, 1.0]).clamp_to([0.0, 1.0]);
        let fan = Curve::fan(vec![
            ("a".into(), window(100.0)),
            ("b".into(), window(50.0)),
        ]);
        let (out, _) = execute_one(voxels, fan);
        assert_eq!(out.channels(), 2);
        let expected = [0.0, 0.5, 1.0, 0.0, 1.0, 1.0];
        let pairs = out.values::<f32>().unwrap().iter().zip(expected);
        assert!(pairs.clone().count() == 6 && pairs.clone().all(|(a, b)| (a - b).abs() < 1e-7));
    }
}
