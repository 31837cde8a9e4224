//! CLAHE as scikit-image has it, in two and three dimensions: blocks of a fixed size, mapped grey
//! levels of 14 bits, and what is cut off spread below the limit.

use ndarray::{Array3, ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis};
use rayon::prelude::*;

use super::grid::{Run, reflect};
use super::levels::{extremes, no_extremes};
use super::{Extent, MOST_BYTES, Outcome, check_clip_limit, check_shapes};
use crate::simd::dispatched;
use crate::{Element, Error, Float};

/// The highest grey level.
const GREY: f64 = 16_383.0;

/// The level of a voxel that is NaN, which counts as 0.
const NAN: u16 = u16::MAX;

/// What [`clahe_blocks`] does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blocks {
    /// The size of a block along x, y, z; `None` for an eighth of the image along every axis.
    pub size: Option<[usize; 3]>,
    /// The limit of a histogram, in parts of the voxels of a block; 0 does not limit.
    pub clip_limit: f64,
    /// The number of bins, 2 to 16,384. Bins are of equal width in whole grey levels, so that the
    /// last ones may stay empty.
    pub bins: usize,
    /// Whether blocks reach over several slices.
    pub extent: Extent,
}

/// Equalises an image, or a volume, by blocks, onto 0 to 1.
///
/// This is scikit-image's `equalize_adapthist` in `f32`, of `u8`, `u16`, and floats from -1 to 1
/// (those below 0 count as 0), of which larger ones are taken for 1. NaN counts as the lowest level
/// and stays NaN; an image of one value becomes 0. Both arrays are `[z][y][x]` with any strides.
///
/// Extra memory: for each image two bytes per voxel, two bytes per bin and block, at most 1 GiB, and
/// 128 KiB; for each thread eight bytes per bin, and four bytes per voxel of a row. Slices run side by
/// side, as long as the blocks of as many as there are threads take 1 GiB. A source that is not
/// contiguous in the order x, y, z is copied.
///
/// # Errors
///
/// [`Error::ShapeMismatch`], [`Error::Tiles`], [`Error::ClipLimit`]; [`Error::Tables`] for more than
/// 1 GiB of them; [`Error::Bins`] for too few or too many, or for types other than those named.
pub fn clahe_blocks<T: Element>(
    source: ArrayView3<'_, T>,
    options: &Blocks,
    mut out: ArrayViewMut3<'_, f32>,
) -> Result<Outcome, Error> {
    check_shapes(source.dim(), out.dim())?;
    check_clip_limit(options.clip_limit)?;
    let is_signed = T::IS_INTEGER && T::from_f64(-1.0).to_f64() < 0.0;
    if is_signed || !(2..=1 << 14).contains(&options.bins) {
        return Err(Error::Bins(if is_signed { 0 } else { options.bins }));
    }
    let (depth, height, width) = source.dim();
    let slices = match options.extent {
        Extent::Slices => 1.min(depth),
        Extent::Volume => depth,
    };
    let eighth = || [width, height, slices].map(|n| (n / 8).max(1));
    let size = options.size.unwrap_or_else(eighth);
    let area = size.iter().try_fold(1_usize, |n, s| n.checked_mul(*s));
    if size.contains(&0) || area.is_none_or(|area| area > i32::MAX as usize) {
        return Err(Error::Tiles(size));
    }
    let size = match options.extent {
        Extent::Slices => [size[0], size[1], 1],
        Extent::Volume => size,
    };
    let axes = [0, 1, 2].map(|i| Axis3::new([width, height, slices][i], size[i]));
    let tiles = [0, 1, 2].map(|i| axes[i].count);
    if source.is_empty() {
        return Ok(Outcome { tiles, constant: 0 });
    }
    let source = source.as_standard_layout();
    let source = source.view();
    let bytes = tiles
        .iter()
        .fold(options.bins, |n, tiles| n.saturating_mul(*tiles));
    let bytes = bytes.saturating_mul(size_of::<u16>());
    if bytes > MOST_BYTES {
        let bins = options.bins;
        return Err(Error::Tables { tiles, bins });
    }
    let images = source.axis_chunks_iter(Axis(0), slices);
    let outs = out.axis_chunks_iter_mut(Axis(0), slices);
    let one = |(image, out): (ArrayView3<'_, T>, ArrayViewMut3<'_, f32>)| {
        usize::from(!equalise(image, &axes, options, out))
    };
    let constant = if bytes.saturating_mul(rayon::current_num_threads()) <= MOST_BYTES {
        let both = images.into_par_iter().zip(outs.into_par_iter());
        both.map(one).sum()
    } else {
        images.zip(outs).map(one).sum()
    };
    Ok(Outcome { tiles, constant })
}

/// Where the voxels of an axis lie between the centres of blocks.
struct Axis3 {
    /// Voxels.
    len: usize,
    /// The size of a block.
    size: usize,
    /// The number of blocks.
    count: usize,
    /// The stretches between the same two blocks.
    runs: Vec<Run>,
    /// How much the upper block counts at each voxel.
    weights: Vec<f64>,
}

impl Axis3 {
    fn new(len: usize, size: usize) -> Self {
        let count = len.div_ceil(size).max(1);
        let cell = |i: usize| (i + size / 2) / size;
        let mut runs: Vec<Run> = Vec::new();
        for i in 0..len {
            let (low, high) = (
                cell(i).saturating_sub(1).min(count - 1),
                cell(i).min(count - 1),
            );
            match runs.last_mut() {
                Some(run) if (run.low, run.high) == (low, high) => run.end = i + 1,
                _ => runs.push(Run {
                    start: i,
                    end: i + 1,
                    low,
                    high,
                }),
            }
        }
        let weight = |i: usize| ((i + size / 2) % size) as f64 / size as f64;
        Self {
            len,
            size,
            count,
            runs,
            weights: (0..len).map(weight).collect(),
        }
    }

    /// The voxels that a block holds, and how often: at the upper end the axis is reflected, and a
    /// block longer than the axis holds its voxels many times.
    fn held(&self, block: usize) -> Vec<(usize, i64)> {
        let start = block * self.size;
        if start + self.size <= self.len {
            return (start..start + self.size).map(|i| (i, 1)).collect();
        }
        let mut times = vec![0_i64; self.len];
        let period = (2 * self.len).saturating_sub(2).max(1);
        let (whole, rest) = (self.size / period, self.size % period);
        if whole > 0 {
            (0..period).for_each(|i| times[reflect(i, self.len)] += whole as i64);
        }
        (start..start + rest).for_each(|i| times[reflect(i, self.len)] += 1);
        let held = times.iter().enumerate().filter(|(_, times)| **times > 0);
        held.map(|(i, times)| (i, *times)).collect()
    }

    /// The two blocks that voxel `i` lies between, and how much the upper one counts.
    fn between(&self, i: usize) -> (usize, usize, f64) {
        let run = self.runs.get(self.runs.partition_point(|run| run.end <= i));
        let (low, high) = run.map_or((0, 0), |run| (run.low, run.high));
        (low, high, self.weights.get(i).copied().unwrap_or(0.0))
    }
}

/// Equalises one image; false, and all 0, where it has one value.
fn equalise<T: Element>(
    image: ArrayView3<'_, T>,
    axes: &[Axis3; 3],
    options: &Blocks,
    mut out: ArrayViewMut3<'_, f32>,
) -> bool {
    let Some(bins) = bins_of(image, options.bins) else {
        out.zip_mut_with(&image, |o, v| *o = v.to_float().to_f32() * 0.0);
        return false;
    };
    let counts = [axes[0].count, axes[1].count, axes[2].count];
    let mut maps = vec![0_u16; counts.iter().product::<usize>() * options.bins];
    maps.par_chunks_mut(options.bins)
        .enumerate()
        .for_each(|(block, map)| {
            let block = [
                block % counts[0],
                block / counts[0] % counts[1],
                block / counts[0] / counts[1],
            ];
            map_of(bins.view(), axes, block, options, map);
        });
    let ends = out
        .axis_iter_mut(Axis(0))
        .into_par_iter()
        .zip(bins.axis_iter(Axis(0)).into_par_iter())
        .enumerate()
        .map(|(z, (out, bins))| interpolate(z, bins, axes, &maps, options.bins, out))
        .reduce(
            || (f32::INFINITY, f32::NEG_INFINITY),
            |a, b| (a.0.min(b.0), a.1.max(b.1)),
        );
    // Onto 0 to 1 by what the result holds.
    let (least, width) = (ends.0, ends.1 - ends.0);
    out.axis_iter_mut(Axis(0))
        .into_par_iter()
        .for_each(|mut plane| {
            plane.map_inplace(|v| {
                *v = if width > 0.0 {
                    (*v - least) / width
                } else {
                    v.clamp(0.0, 1.0)
                }
            });
        });
    true
}

/// The bin of every voxel; `None` for an image of one value.
fn bins_of<T: Element>(image: ArrayView3<'_, T>, bins: usize) -> Option<Array3<u16>> {
    let rows = |plane: ArrayView2<'_, T>| {
        plane.outer_iter().fold(no_extremes::<T>(), |ends, row| {
            extremes(row.to_slice().unwrap_or_default(), ends)
        })
    };
    let (least, largest) =
        image
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(rows)
            .reduce(no_extremes::<T>, |a, b| {
                (
                    if b.0 < a.0 { b.0 } else { a.0 },
                    if b.1 > a.1 { b.1 } else { a.1 },
                )
            });
    let [least, largest] = [least, largest].map(to_16_bits);
    if least >= largest {
        return None;
    }
    let width = 1 + (1 << 14) / bins;
    let range = f64::from(largest - least);
    // One division per level of 16 bits, and not one per voxel of a large image.
    let table: Vec<u16> = (0..=largest - least)
        .map(|above| {
            let part = f64::from(above) / range;
            ((part * GREY).round_ties_even() as usize / width) as u16
        })
        .collect();
    let mut result = Array3::zeros(image.dim());
    result
        .axis_iter_mut(Axis(0))
        .into_par_iter()
        .zip(image.axis_iter(Axis(0)).into_par_iter())
        .for_each(|(mut result, image)| {
            for (mut result, image) in result.outer_iter_mut().zip(image.outer_iter()) {
                for (bin, v) in result.iter_mut().zip(image) {
                    let is_nan = v.to_float().is_nan();
                    let above = usize::from(to_16_bits(*v).max(least) - least);
                    *bin = if is_nan { NAN } else { table[above] };
                }
            }
        });
    Some(result)
}

/// The level of 16 bits: bytes repeat, 0 to 1 is stretched in the type's own precision.
#[inline(always)]
fn to_16_bits<T: Element>(v: T) -> u16 {
    match T::LEVELS {
        256 => v.rank() as u16 * 257,
        0 => (v.to_float() * T::Float::from_f32(65_535.0)).to_element(),
        _ => v.rank() as u16,
    }
}

/// The grey level that each bin of a block becomes.
fn map_of(
    bins: ArrayView3<'_, u16>,
    axes: &[Axis3; 3],
    block: [usize; 3],
    options: &Blocks,
    map: &mut [u16],
) {
    let [columns, rows, slices] = [0, 1, 2].map(|i| axes[i].held(block[i]));
    let x = block[0] * axes[0].size;
    let inside = x + axes[0].size <= axes[0].len;
    let mut counts = vec![0_i64; options.bins];
    let mut add =
        |bin: u16, times: i64| counts[if bin == NAN { 0 } else { usize::from(bin) }] += times;
    for (z, in_slices) in &slices {
        let plane = bins.index_axis_move(Axis(0), *z);
        for (y, in_rows) in &rows {
            let row = plane.index_axis(Axis(0), *y);
            let row = row.to_slice().unwrap_or_default();
            let times = in_slices * in_rows;
            if inside {
                row[x..x + axes[0].size]
                    .iter()
                    .for_each(|bin| add(*bin, times));
            } else {
                columns
                    .iter()
                    .for_each(|(x, in_columns)| add(row[*x], times * in_columns));
            }
        }
    }
    let area: i64 = counts.iter().sum();
    let limit = match options.clip_limit {
        0.0 => area,
        part => ((part * area as f64) as i64).max(1),
    };
    spread(&mut counts, limit);
    let mut sum = 0;
    for (grey, count) in map.iter_mut().zip(&counts) {
        sum += count;
        *grey = (sum as f64 * (GREY / area as f64)).min(GREY) as u16;
    }
}

/// Cuts counts at a limit and spreads what was cut off over the others, as far as the limit lets.
fn spread(counts: &mut [i64], limit: i64) {
    let bins = counts.len() as i64;
    let mut excess = 0;
    for count in counts.iter_mut() {
        excess += (*count - limit).max(0);
        *count = limit.min(*count);
    }
    let each = excess / bins;
    let upper = limit - each;
    for count in counts.iter_mut() {
        if *count < upper {
            *count += each;
            excess -= each;
        }
        // What comes near the limit, raised or not, is filled up to it.
        if (upper..limit).contains(count) {
            excess -= limit - *count;
            *count = limit;
        }
    }
    let mut under = counts.iter().filter(|count| **count < limit).count() as i64;
    while excess > 0 && under > 0 {
        for first in 0..counts.len() {
            let step = (under / excess).max(1) as usize;
            for count in counts.iter_mut().skip(first).step_by(step) {
                if *count < limit {
                    *count += 1;
                    excess -= 1;
                    under -= i64::from(*count == limit);
                }
            }
            if excess <= 0 || under == 0 {
                break;
            }
        }
    }
}

/// Interpolates a slice between the maps of its blocks, to whole grey levels; their least and
/// largest.
fn interpolate(
    z: usize,
    bins: ArrayView2<'_, u16>,
    axes: &[Axis3; 3],
    maps: &[u16],
    count: usize,
    mut out: ArrayViewMut2<'_, f32>,
) -> (f32, f32) {
    let mut ends = (i32::MAX, i32::MIN);
    let mut greys = vec![0.0_f32; axes[0].len];
    let (below, above, upper) = axes[2].between(z);
    // A slice alone has no maps above it; adding them with the weight 0 would change nothing.
    let slices = [(below, 1.0 - upper), (above, upper)];
    let slices = &slices[..if axes[2].len == 1 { 1 } else { 2 }];
    for (y, (bins, mut out)) in bins.outer_iter().zip(out.outer_iter_mut()).enumerate() {
        let bins = bins.to_slice().unwrap_or_default();
        let (low, high, down) = axes[1].between(y);
        let corner = |&(slice, part): &(usize, f64), row: usize, weight: f64| {
            let row = (slice * axes[1].count + row) * axes[0].count * count;
            let part = if slices.len() == 1 { 1.0 } else { part };
            (&maps[row..][..axes[0].count * count], weight, part)
        };
        let rows: Vec<_> = slices
            .iter()
            .flat_map(|slice| [corner(slice, low, 1.0 - down), corner(slice, high, down)])
            .collect();
        greys.fill(0.0);
        for row in rows {
            add_row(
                bins,
                &axes[0].runs,
                &axes[0].weights,
                row,
                count,
                &mut greys,
            );
        }
        let row = whole(&mut greys, bins);
        ends = (ends.0.min(row.0), ends.1.max(row.1));
        out.iter_mut().zip(&greys).for_each(|(o, grey)| *o = *grey);
    }
    (ends.0 as f32, ends.1 as f32)
}

dispatched! {
    /// Cuts greys to whole levels; NaN where the bin says so. Their least and largest.
    fn whole[](greys: &mut [f32], bins: &[u16]) -> (i32, i32) {
        let mut ends = (i32::MAX, i32::MIN);
        for (grey, bin) in greys.iter_mut().zip(bins) {
            let level = *grey as i32;
            ends = (ends.0.min(level), ends.1.max(level));
            *grey = if *bin == NAN { f32::NAN } else { level as f32 };
        }
        ends
    }
}

/// Voxels looked up at a time.
const CHUNK: usize = 256;

dispatched! {
    /// Adds the grey levels that a row of maps gives, times their weights, in scikit-image's order
    /// and precision: first those of the left blocks, then those of the right ones.
    fn add_row[](
        bins: &[u16],
        runs: &[Run],
        weights: &[f64],
        maps: (&[u16], f64, f64),
        count: usize,
        greys: &mut [f32],
    ) {
        let (maps, down, part) = maps;
        let mut found = [[0_u16; CHUNK]; 2];
        for run in runs {
            let left = &maps[run.low * count..][..count];
            let right = &maps[run.high * count..][..count];
            let mut start = run.start;
            while start < run.end {
                let end = run.end.min(start + CHUNK);
                let [a, b] = &mut found;
                for ((a, b), bin) in a.iter_mut().zip(b.iter_mut()).zip(&bins[start..end]) {
                    let bin = if *bin == NAN { 0 } else { usize::from(*bin) };
                    *a = left[bin];
                    *b = right[bin];
                }
                let n = end - start;
                let (a, b) = (&a[..n], &b[..n]);
                let weights = &weights[start..end];
                let greys = &mut greys[start..end];
                for i in 0..n {
                    let right = weights[i];
                    let left = 1.0 - right;
                    let sum = greys[i] + (f64::from(a[i]) * (left * down * part)) as f32;
                    greys[i] = sum + (f64::from(b[i]) * (right * down * part)) as f32;
                }
                start = end;
            }
        }
    }
}
