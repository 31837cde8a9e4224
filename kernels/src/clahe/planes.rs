//! Equalising one image: a table for every tile, then every voxel between its tables.

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis};
use rayon::prelude::*;

use super::grid::{Grid, Run, reflect};
use super::levels::{Entry, Integers, Levels, Steps, extremes, no_extremes};
use super::{MOST_BYTES, Outcome};
use crate::simd::dispatched;
use crate::{Element, Error, Float};

/// Rows that one task interpolates.
const BAND: usize = 16;

/// Voxels looked up before they are interpolated; their entries stay in the first-level cache.
const CHUNK: usize = 256;

/// Where levels are so few, four counts side by side fit the first-level cache.
const FEW: usize = 1024;

/// How the values of the images of an array are told apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// In every image alike.
    Alike(Steps),
    /// In each from its own smallest to its own largest value, in so many bins.
    Each(usize),
}

impl Told {
    /// The most bytes that the tables of an image can take.
    fn bytes<T: Element>(&self, grid: &Grid) -> usize {
        let (bins, entry) = match self {
            Self::Alike(steps) => (steps.bins(), steps.entry()),
            Self::Each(bins) => (bins + 1, size_of::<f32>()),
        };
        table_bytes(grid, bins, entry, T::LEVELS == 256)
    }
}

/// The bytes of the tables of an image; those of bytes are looked up as [`cells`] too.
fn table_bytes(grid: &Grid, bins: usize, entry: usize, has_cells: bool) -> usize {
    let [columns, rows, _] = &grid.runs;
    let cells = columns.len().saturating_mul(rows.len());
    let cells = cells.saturating_mul(size_of::<[u32; 256]>());
    let tables = grid.tiles().saturating_mul(bins).saturating_mul(entry);
    tables.saturating_add(if has_cells { cells } else { 0 })
}

/// [`super::clahe`] after the arguments were looked at.
pub(super) fn equalise_images<T: Element>(
    source: ArrayView3<'_, T>,
    grid: &Grid,
    clip_limit: f64,
    told: &Told,
    mut out: ArrayViewMut3<'_, T>,
) -> Result<Outcome, Error> {
    let tiles = grid.count;
    if source.is_empty() {
        return Ok(Outcome { tiles, constant: 0 });
    }
    // Rows must be slices.
    let source = source.as_standard_layout();
    let source = source.view();
    let slices: usize = grid.runs[2].iter().map(|run| run.end - run.start).sum();
    let images = source.axis_chunks_iter(Axis(0), slices);
    let outs = out.axis_chunks_iter_mut(Axis(0), slices);
    let threads = rayon::current_num_threads();
    let fits = told.bytes::<T>(grid).saturating_mul(threads) <= MOST_BYTES;
    // In the order of the images, so that the first that fails is the same for any thread count.
    let each: Vec<Result<usize, Error>> = if images.len() >= threads && fits {
        let both = images.into_par_iter().zip(outs.into_par_iter());
        both.map_init(Work::default, |work, (image, out)| {
            equalise_image(image, grid, clip_limit, told, work, out, false)
        })
        .collect()
    } else {
        let mut work = Work::default();
        images
            .zip(outs)
            .map(|(image, out)| equalise_image(image, grid, clip_limit, told, &mut work, out, true))
            .collect()
    };
    let constant = each.into_iter().sum::<Result<usize, Error>>()?;
    Ok(Outcome { tiles, constant })
}

/// The tables of an image, kept for the next.
#[derive(Default)]
struct Work {
    integers: Vec<u16>,
    range: Vec<f32>,
}

/// Equalises one image, with all threads where it is `alone`; 1 where there was nothing to
/// equalise.
fn equalise_image<T: Element>(
    image: ArrayView3<'_, T>,
    grid: &Grid,
    clip_limit: f64,
    told: &Told,
    work: &mut Work,
    mut out: ArrayViewMut3<'_, T>,
    alone: bool,
) -> Result<usize, Error> {
    let Some((least, largest)) = ends(image, alone) else {
        // Nothing but NaN.
        out.assign(&image);
        return Ok(1);
    };
    let steps = match told {
        Told::Alike(steps) => *steps,
        Told::Each(bins) => match Steps::new::<T>(least.to_f64(), largest.to_f64(), *bins) {
            Ok(steps) => steps,
            Err(error) => {
                let width = largest.to_float() - least.to_float();
                if !width.to_f64().is_finite() {
                    return Err(error);
                }
                // One value, or values too close to compute with.
                out.assign(&image);
                return Ok(1);
            }
        },
    };
    let [low, high] = steps.ends::<T>();
    let limits = least.to_float() < low || largest.to_float() > high;
    let is_constant = match steps {
        Steps::Integers { low, bins } => {
            let [first, last] =
                [least, largest].map(|v| (v.rank().saturating_sub(low) as usize).min(bins - 1));
            // Bytes have few levels: a table of all takes no longer than one of those that occur.
            let all = T::LEVELS == 256 && bins == 256;
            let levels = Integers {
                low,
                bins,
                first: if all { 0 } else { first },
                count: if all { bins } else { last - first + 1 },
                limits,
            };
            if first < last {
                let tables = &mut work.integers;
                equalise(
                    image,
                    grid,
                    clip_limit,
                    &levels,
                    tables,
                    out.view_mut(),
                    alone,
                )?;
            }
            first == last
        }
        Steps::Range(range) => {
            let mut found = [0; 2];
            range.levels(&[least, largest], &mut found);
            if found[0] < found[1] {
                let tables = &mut work.range;
                equalise(
                    image,
                    grid,
                    clip_limit,
                    &range,
                    tables,
                    out.view_mut(),
                    alone,
                )?;
            }
            found[0] == found[1]
        }
    };
    if is_constant {
        out.zip_mut_with(&image, |o, v| {
            let v = v.to_float();
            let v = if v < low { low } else { v };
            *o = T::from_float(if v > high { high } else { v });
        });
    }
    Ok(usize::from(is_constant))
}

/// The least and the largest value; `None` where there is nothing but NaN.
pub(super) fn ends<T: Element>(image: ArrayView3<'_, T>, alone: bool) -> Option<(T, T)> {
    let of = |plane: ArrayView2<'_, T>| {
        let rows = plane.outer_iter();
        rows.fold(no_extremes(), |ends, row| {
            extremes(row.to_slice().unwrap_or_default(), ends)
        })
    };
    let both = |a: (T, T), b: (T, T)| {
        (
            if b.0 < a.0 { b.0 } else { a.0 },
            if b.1 > a.1 { b.1 } else { a.1 },
        )
    };
    let planes = image.outer_iter();
    let (least, largest) = if alone {
        let bands = planes.into_par_iter().flat_map(|plane| {
            let height = plane.len_of(Axis(0));
            (0..height.div_ceil(BAND)).into_par_iter().map(move |band| {
                let rows = ndarray::s![band * BAND..height.min((band + 1) * BAND), ..];
                of(plane.slice(rows))
            })
        });
        bands.reduce(no_extremes, both)
    } else {
        planes.map(of).fold(no_extremes(), both)
    };
    (least <= largest).then_some((least, largest))
}

/// Equalises an image that is no constant.
fn equalise<T: Element, L: Levels<T>>(
    image: ArrayView3<'_, T>,
    grid: &Grid,
    clip_limit: f64,
    levels: &L,
    tables: &mut Vec<L::Entry>,
    mut out: ArrayViewMut3<'_, T>,
    alone: bool,
) -> Result<(), Error> {
    let count = levels.count();
    let is_bytes = levels.is_bytes() && grid.count[2] == 1;
    if table_bytes(grid, count, size_of::<L::Entry>(), is_bytes) > MOST_BYTES {
        let tiles = grid.count;
        return Err(Error::Tables { tiles, bins: count });
    }
    // Every entry is written below.
    tables.resize(grid.tiles() * count, L::Entry::default());
    let counts = || Counts::new(count, grid.size[0]);
    let table = |counts: &mut Counts, (tile, table): (usize, &mut [L::Entry])| {
        counts.of_tile(image, grid, tile, levels);
        counts.equalise::<T, L>(levels, clip_limit, table);
    };
    if alone {
        let each = tables.par_chunks_mut(count).enumerate();
        each.for_each_init(counts, table);
    } else {
        let mut counts = counts();
        let each = tables.chunks_mut(count).enumerate();
        each.for_each(|each| table(&mut counts, each));
    }

    let tables = &*tables;
    let plane_tiles = grid.count[0] * grid.count[1];
    let cells = is_bytes.then(|| cells(tables, count, grid));
    let band = |z: usize, first: usize, rows: ArrayView2<'_, T>, out: ArrayViewMut2<'_, T>| {
        if let Some(cells) = &cells {
            return byte_rows(cells, grid, first, rows, out);
        }
        let runs = &grid.runs[2];
        let run = runs.get(runs.partition_point(|run| run.end <= z));
        let (low, high) = run.map_or((0, 0), |run| (run.low, run.high));
        let slice = |tile: usize| &tables[tile * plane_tiles * count..][..plane_tiles * count];
        let between = Between {
            tables: [slice(low), slice(high)],
            weight: if low == high {
                None
            } else {
                Some(grid.weights[2][z])
            },
        };
        between.rows(levels, grid, first, rows, out);
    };
    let slice = |(z, (image, mut out)): (usize, (ArrayView2<'_, T>, ArrayViewMut2<'_, T>))| {
        let sources = image.axis_chunks_iter(Axis(0), BAND);
        let outs = out.axis_chunks_iter_mut(Axis(0), BAND);
        if alone {
            let both = sources
                .into_par_iter()
                .zip(outs.into_par_iter())
                .enumerate();
            both.for_each(|(i, (source, out))| band(z, i * BAND, source, out));
        } else {
            let both = sources.zip(outs).enumerate();
            both.for_each(|(i, (source, out))| band(z, i * BAND, source, out));
        }
    };
    let planes = image.axis_iter(Axis(0)).into_par_iter();
    let outs = out.axis_iter_mut(Axis(0));
    if alone {
        planes.zip(outs.into_par_iter()).enumerate().for_each(slice);
    } else {
        image.outer_iter().zip(outs).enumerate().for_each(slice);
    }
    Ok(())
}

/// The histogram of a tile.
struct Counts {
    /// One count per level, or four side by side.
    counts: Vec<u32>,
    ways: usize,
    /// The levels of a row of a tile.
    levels: Vec<u32>,
    /// The counts cumulated.
    sums: Vec<i32>,
}

impl Counts {
    fn new(count: usize, width: usize) -> Self {
        let ways = if count <= FEW { 4 } else { 1 };
        Self {
            counts: vec![0; ways * count],
            ways,
            levels: vec![0; width],
            sums: vec![0; count],
        }
    }

    /// Counts the levels of a tile, reflected where it reaches beyond the image.
    fn of_tile<T: Element, L: Levels<T>>(
        &mut self,
        image: ArrayView3<'_, T>,
        grid: &Grid,
        tile: usize,
        levels: &L,
    ) {
        let (depth, height, width) = image.dim();
        let [columns, rows, _] = grid.count;
        let tile = [tile % columns, tile / columns % rows, tile / columns / rows];
        let [x, y, z] = [0, 1, 2].map(|i| tile[i] * grid.size[i]);
        let inside = width.saturating_sub(x).min(grid.size[0]);
        self.counts.fill(0);
        for z in z..z + grid.size[2] {
            let plane = image.index_axis_move(Axis(0), reflect(z, depth));
            for y in y..y + grid.size[1] {
                let row = plane.index_axis(Axis(0), reflect(y, height));
                let row = row.to_slice().unwrap_or_default();
                let (own, reflected) = self.levels.split_at_mut(inside);
                levels.levels(&row[x.min(width)..x.min(width) + inside], own);
                for (i, level) in reflected.iter_mut().enumerate() {
                    let at = reflect(x + inside + i, width);
                    levels.levels(&row[at..=at], std::slice::from_mut(level));
                }
                self.count();
            }
        }
        if self.ways == 4 {
            let count = self.counts.len() / 4;
            let (sum, rest) = self.counts.split_at_mut(count);
            for other in rest.chunks(count) {
                sum.iter_mut().zip(other).for_each(|(a, b)| *a += b);
            }
        }
    }

    /// Adds a row. Neighbours are often equal; counted apart, none waits for the one before.
    fn count(&mut self) {
        let count = self.counts.len() / self.ways;
        if self.ways == 1 {
            for level in &self.levels {
                self.counts[*level as usize] += 1;
            }
            return;
        }
        let (a, rest) = self.counts.split_at_mut(count);
        let (b, rest) = rest.split_at_mut(count);
        let (c, d) = rest.split_at_mut(count);
        let (fours, rest) = self.levels.as_chunks::<4>();
        for level in fours {
            a[level[0] as usize] += 1;
            b[level[1] as usize] += 1;
            c[level[2] as usize] += 1;
            d[level[3] as usize] += 1;
        }
        for level in rest {
            a[*level as usize] += 1;
        }
    }

    /// Cuts the histogram at the limit, spreads what was cut off, and makes the table.
    fn equalise<T: Element, L: Levels<T>>(
        &mut self,
        levels: &L,
        clip_limit: f64,
        table: &mut [L::Entry],
    ) {
        let bins = levels.bins();
        let count = levels.count();
        let valid = count - usize::from(levels.has_nan());
        let counts = &mut self.counts[..valid];
        let sums = &mut self.sums[..count];
        let area: u64 = counts.iter().map(|n| u64::from(*n)).sum();
        if area == 0 {
            // Nothing but NaN: each value its own image.
            sums.iter_mut()
                .enumerate()
                .for_each(|(i, sum)| *sum = i as i32);
            entries(sums, levels.top() / (bins - 1) as f32, table);
        } else {
            let mut spread = Spread::none();
            if clip_limit > 0.0 {
                let limit = (clip_limit * area as f64 / bins as f64) as u64;
                let limit = limit.clamp(1, u64::from(u32::MAX)) as u32;
                spread = Spread::new(cut(counts, limit), bins);
            }
            // Bins below the first level hold nothing but their share of what was spread.
            let mut sum = spread.below(levels.first()) as i32;
            spread.extra(levels.first(), counts);
            for (total, n) in sums.iter_mut().zip(&*counts) {
                sum += (*n + spread.each) as i32;
                *total = sum;
            }
            entries(sums, levels.top() / area as f32, table);
        }
        if levels.has_nan()
            && let Some(entry) = table.last_mut()
        {
            *entry = L::Entry::of(1, f32::NAN);
        }
    }
}

/// What was cut off a histogram, as it is spread: so much for each bin, and one more for the first
/// `rest` bins whose number `step` divides.
#[derive(Clone, Copy)]
struct Spread {
    each: u32,
    rest: usize,
    step: usize,
}

impl Spread {
    fn none() -> Self {
        Self {
            each: 0,
            rest: 0,
            step: 1,
        }
    }

    fn new(excess: u64, bins: usize) -> Self {
        let rest = (excess % bins as u64) as usize;
        Self {
            each: (excess / bins as u64) as u32,
            rest,
            step: bins.checked_div(rest).unwrap_or(1),
        }
    }

    /// What the bins below `bin` get together.
    fn below(self, bin: usize) -> u64 {
        bin as u64 * u64::from(self.each) + bin.div_ceil(self.step).min(self.rest) as u64
    }

    /// Adds the ones to the counts of the bins from `first` up.
    fn extra(self, first: usize, counts: &mut [u32]) {
        let (mut i, end) = (first.div_ceil(self.step), self.rest);
        while i < end
            && let Some(count) = counts.get_mut(i * self.step - first)
        {
            *count += 1;
            i += 1;
        }
    }
}

dispatched! {
    /// Limits counts; says how much was cut off.
    fn cut[](counts: &mut [u32], limit: u32) -> u64 {
        let mut excess = 0_u64;
        for part in counts.chunks_mut(1 << 16) {
            // A tile has fewer than 2^31 voxels.
            let mut cut = 0_u32;
            for count in part {
                let kept = if *count < limit { *count } else { limit };
                cut += *count - kept;
                *count = kept;
            }
            excess += u64::from(cut);
        }
        excess
    }
}

dispatched! {
    fn entries[E: Entry](sums: &[i32], scale: f32, table: &mut [E]) {
        for (entry, sum) in table.iter_mut().zip(sums) {
            *entry = E::of(*sum, scale);
        }
    }
}

/// The tables of a slice: those of the tiles it lies in, or those of the tiles below and above.
struct Between<'a, E> {
    tables: [&'a [E]; 2],
    /// How much the upper ones count.
    weight: Option<f32>,
}

impl<E: Entry> Between<'_, E> {
    /// Interpolates the rows from `first` on.
    fn rows<T: Element, L: Levels<T, Entry = E>>(
        &self,
        levels: &L,
        grid: &Grid,
        first: usize,
        rows: ArrayView2<'_, T>,
        mut out: ArrayViewMut2<'_, T>,
    ) {
        let width = rows.len_of(Axis(1));
        let stride = grid.count[0] * levels.count();
        let [columns, runs, _] = &grid.runs;
        let mut level = vec![0_u32; width];
        let [mut result, mut upper] = [0, 1].map(|_| vec![0.0_f32; width]);
        let mut stored = vec![T::default(); width];
        for (i, (row, mut out)) in rows.outer_iter().zip(out.outer_iter_mut()).enumerate() {
            let y = first + i;
            let run = runs.get(runs.partition_point(|run| run.end <= y));
            let (low, high) = run.map_or((0, 0), |run| (run.low, run.high));
            levels.levels(row.to_slice().unwrap_or_default(), &mut level);
            let blend_in = |tables: &[E], result: &mut [f32]| {
                let pair = [low, high].map(|tile| &tables[tile * stride..][..stride]);
                let weights = (&*grid.weights[0], grid.weights[1][y]);
                blend(&level, columns, weights, pair, levels.count(), result);
            };
            blend_in(self.tables[0], &mut result);
            if let Some(weight) = self.weight {
                blend_in(self.tables[1], &mut upper);
                mix(&mut result, &upper, weight);
            }
            match out.as_slice_mut() {
                Some(out) => levels.store(&result, out),
                None => {
                    levels.store(&result, &mut stored);
                    out.iter_mut().zip(&stored).for_each(|(o, v)| *o = *v);
                }
            }
        }
    }
}

dispatched! {
    fn mix[](lower: &mut [f32], upper: &[f32], weight: f32) {
        for (a, b) in lower.iter_mut().zip(upper) {
            *a = *a * (1.0 - weight) + *b * weight;
        }
    }
}

dispatched! {
    /// Interpolates a row between the tables of two rows of tiles, `count` entries each. The order
    /// of the operations is OpenCV's.
    fn blend[E: Entry](
        levels: &[u32],
        columns: &[Run],
        weights: (&[f32], f32),
        tables: [&[E]; 2],
        count: usize,
        result: &mut [f32],
    ) {
        let mut found = [[E::default(); CHUNK]; 4];
        let (across, down) = weights;
        for column in columns {
            let (a, b) = (&tables[0][column.low * count..][..count], &tables[0][column.high * count..][..count]);
            let (c, d) = (&tables[1][column.low * count..][..count], &tables[1][column.high * count..][..count]);
            let mut start = column.start;
            while start < column.end {
                let end = column.end.min(start + CHUNK);
                let [fa, fb, fc, fd] = &mut found;
                for ((((level, fa), fb), fc), fd) in levels[start..end]
                    .iter()
                    .zip(fa.iter_mut())
                    .zip(fb.iter_mut())
                    .zip(fc.iter_mut())
                    .zip(fd.iter_mut())
                {
                    let level = *level as usize;
                    *fa = a[level];
                    *fb = b[level];
                    *fc = c[level];
                    *fd = d[level];
                }
                let n = end - start;
                let (fa, fb, fc, fd) = (&fa[..n], &fb[..n], &fc[..n], &fd[..n]);
                let across = &across[start..end];
                let result = &mut result[start..end];
                for i in 0..n {
                    let right = across[i];
                    let left = 1.0 - right;
                    let upper = fa[i].value() * left + fb[i].value() * right;
                    let lower = fc[i].value() * left + fd[i].value() * right;
                    result[i] = upper * (1.0 - down) + lower * down;
                }
                start = end;
            }
        }
    }
}

/// The tables of bytes as they are looked up: for each pair of rows of tiles and each pair of
/// columns, four entries in one word.
fn cells<E: Entry>(tables: &[E], count: usize, grid: &Grid) -> Vec<[u32; 256]> {
    let [columns, rows, _] = &grid.runs;
    let mut cells = Vec::with_capacity(columns.len() * rows.len());
    for row in rows {
        for column in columns {
            let tile = |row: usize, column: usize| {
                &tables[(row * grid.count[0] + column) * count..][..count]
            };
            let corners = [
                tile(row.low, column.low),
                tile(row.low, column.high),
                tile(row.high, column.low),
                tile(row.high, column.high),
            ];
            let mut cell = [0; 256];
            for (i, word) in cell.iter_mut().enumerate() {
                *word = u32::from_le_bytes(corners.map(|table| table[i].value() as u8));
            }
            cells.push(cell);
        }
    }
    cells
}

/// Interpolates rows of bytes, from `first` on.
fn byte_rows<T: Element>(
    cells: &[[u32; 256]],
    grid: &Grid,
    first: usize,
    rows: ArrayView2<'_, T>,
    mut out: ArrayViewMut2<'_, T>,
) {
    let [columns, runs, _] = &grid.runs;
    let mut stored = vec![T::default(); rows.len_of(Axis(1))];
    for (i, (row, mut out)) in rows.outer_iter().zip(out.outer_iter_mut()).enumerate() {
        let y = first + i;
        let run = runs.partition_point(|run| run.end <= y);
        let cells = &cells[run * columns.len()..][..columns.len()];
        let row = row.to_slice().unwrap_or_default();
        let weights = (&*grid.weights[0], grid.weights[1][y]);
        match out.as_slice_mut() {
            Some(out) => blend_bytes(row, columns, weights, cells, out),
            None => {
                blend_bytes(row, columns, weights, cells, &mut stored);
                out.iter_mut().zip(&stored).for_each(|(o, v)| *o = *v);
            }
        }
    }
}

dispatched! {
    /// [`blend`] of bytes: four entries come with one look.
    fn blend_bytes[T: Element](
        row: &[T],
        columns: &[Run],
        weights: (&[f32], f32),
        cells: &[[u32; 256]],
        out: &mut [T],
    ) {
        let mut found = [0_u32; CHUNK];
        let (across, down) = weights;
        for (column, cell) in columns.iter().zip(cells) {
            let mut start = column.start;
            while start < column.end {
                let end = column.end.min(start + CHUNK);
                for (word, v) in found.iter_mut().zip(&row[start..end]) {
                    *word = cell[(v.rank() & 255) as usize];
                }
                let found = &found[..end - start];
                let across = &across[start..end];
                let out = &mut out[start..end];
                for i in 0..found.len() {
                    let corner = |shift: u32| ((found[i] >> shift) & 255) as i32 as f32;
                    let right = across[i];
                    let left = 1.0 - right;
                    let upper = corner(0) * left + corner(8) * right;
                    let lower = corner(16) * left + corner(24) * right;
                    out[i] = (upper * (1.0 - down) + lower * down).to_element();
                }
                start = end;
            }
        }
    }
}
