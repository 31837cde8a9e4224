//! The passes over the rows of a grid: which voxels are inside, how many vertices and triangles a
//! row has, and what they are.
//!
//! A row of voxels is a row of bits. The crossings of its edges are bits too, so the number of
//! crossings before an edge, which numbers its vertex, is a population count: no index of
//! vertices is stored.

use ndarray::ArrayView3;
use rayon::prelude::*;

use super::cases::{CASES, CENTRE, beginning};
use crate::simd::dispatched;
use crate::{Affine, Element, Float};

/// What a row owns: the crossings of the edges that begin at its voxels, along x, y and z, and the
/// triangles of the cells that begin there. Its vertices are in that order, then the centres.
#[derive(Clone, Copy, Default)]
pub(super) struct Row {
    /// The number of its first vertex.
    pub(super) start: u32,
    crossings: [u32; 3],
    centres: u32,
    pub(super) triangles: u32,
}

impl Row {
    /// How many vertices it owns.
    #[inline(always)]
    pub(super) fn vertices(&self) -> u32 {
        self.crossings[0] + self.crossings[1] + self.crossings[2] + self.centres
    }

    /// The number of its first vertex along an axis; axis 3 stands for the centres.
    #[inline(always)]
    fn first(&self, axis: usize) -> u32 {
        self.start + self.crossings.iter().take(axis).sum::<u32>()
    }
}

/// The voxels, the margin around them, and which of both are inside, a bit each.
pub(super) struct Grid<'a, T: Element> {
    source: ArrayView3<'a, T>,
    level: T::Float,
    padding: T::Float,
    /// 1 where there is padding, else 0.
    margin: usize,
    world_from_index: Affine,
    mirrored: bool,
    /// With the margin, `[x, y, z]`.
    size: [usize; 3],
    /// Per row.
    words: usize,
    inside: Vec<u64>,
}

impl<'a, T: Element> Grid<'a, T> {
    pub(super) fn new(
        source: ArrayView3<'a, T>,
        level: T::Float,
        padding: Option<T::Float>,
        world_from_index: Affine,
    ) -> Self {
        let (nz, ny, nx) = source.dim();
        let margin = usize::from(padding.is_some());
        let size = [nx, ny, nz].map(|n| n + 2 * margin);
        let words = size[0].div_ceil(64);
        let mut grid = Self {
            source,
            level,
            padding: padding.unwrap_or(T::Float::ZERO),
            margin,
            world_from_index,
            mirrored: world_from_index.determinant() < 0.0,
            size,
            words,
            inside: Vec::new(),
        };
        let mut inside = vec![0; words * size[1] * size[2]];
        let slices = inside.par_chunks_mut(words * size[1]).enumerate();
        slices.for_each(|(z, bits)| mark(&grid, z, bits));
        grid.inside = inside;
        grid
    }

    /// Rows per slice.
    pub(super) fn rows(&self) -> usize {
        self.size[1]
    }

    pub(super) fn slices(&self) -> usize {
        self.size[2]
    }

    /// The bits of a row; none beyond the last one.
    #[inline(always)]
    fn row(&self, z: usize, y: usize) -> &[u64] {
        if y >= self.size[1] || z >= self.size[2] {
            return &[];
        }
        let start = (z * self.size[1] + y) * self.words;
        &self.inside[start..start + self.words]
    }

    /// The value at an index of the grid with its margin.
    #[inline(always)]
    fn value(&self, [x, y, z]: [usize; 3]) -> T::Float {
        let [x, y, z] = [x, y, z].map(|i| i.wrapping_sub(self.margin));
        let voxel = self.source.get((z, y, x));
        voxel.map_or(self.padding, |v| v.to_float())
    }

    /// Where the surface meets the edge that begins at an index: in the index space of the source.
    #[inline(always)]
    fn crossing(&self, index: [usize; 3], axis: usize) -> [f64; 3] {
        let mut end = index;
        end[axis] += 1;
        let (a, b) = (self.value(index), self.value(end));
        let t = ((self.level - a) / (b - a)).to_f64();
        // Whichever end is infinite, and where the difference is: the middle.
        let known = (b - a).to_f64().is_finite() && !t.is_nan();
        let mut point = index.map(|i| i as f64 - self.margin as f64);
        point[axis] += if known { t } else { 0.5 };
        point
    }

    #[inline(always)]
    fn vertex(&self, point: [f64; 3]) -> [f32; 3] {
        self.world_from_index.apply(point).map(|v| v as f32)
    }

    /// Whether the inside corners of an ambiguous face of a cell are one piece.
    ///
    /// The bilinear saddle is above the level where the product of the heights of the inside
    /// corners is above that of the outside ones. Both products are symmetric, so the two cells
    /// of the face agree bit for bit.
    #[inline(never)]
    fn is_joined(&self, cell: [usize; 3], corners: [u8; 4]) -> bool {
        let [a, b, c, d] = corners.map(|corner| {
            let at = [0, 1, 2].map(|axis| cell[axis] + usize::from(corner >> axis & 1));
            self.value(at) - self.level
        });
        if a > T::Float::ZERO {
            a * c > b * d
        } else {
            b * d > a * c
        }
    }
}

dispatched! {
    /// Sets the bits of a slice.
    fn mark[T: Element](grid: &Grid<'_, T>, z: usize, bits: &mut [u64]) {
        let z = z.wrapping_sub(grid.margin);
        let (nz, _, nx) = grid.source.dim();
        if z < nz {
            let slice = grid.source.index_axis(ndarray::Axis(0), z);
            let rows = bits.chunks_mut(grid.words).skip(grid.margin);
            for (words, row) in rows.zip(slice.rows()) {
                let mut offset = grid.margin;
                let mut put = |run: u64, length: usize| {
                    let (word, shift) = (offset / 64, offset % 64);
                    words[word] |= run << shift;
                    if shift + length > 64 {
                        words[word + 1] |= run >> (64 - shift);
                    }
                    offset += length;
                };
                match row.to_slice() {
                    Some(row) => {
                        let runs = row.chunks_exact(64);
                        let rest = runs.remainder();
                        for run in runs {
                            put(above(run, grid.level), 64);
                        }
                        // A row of whole words has no word for a rest of nothing.
                        if !rest.is_empty() {
                            put(above(rest, grid.level), rest.len());
                        }
                    }
                    None => {
                        for x in 0..nx {
                            let is_inside = row.get(x).is_some_and(|v| v.to_float() > grid.level);
                            put(u64::from(is_inside), 1);
                        }
                    }
                }
            }
        }
    }
}

/// A bit for each of at most 64 values: whether it is above the level.
#[inline(always)]
fn above<T: Element>(run: &[T], level: T::Float) -> u64 {
    let mut flags = [0_u8; 64];
    for (flag, v) in flags.iter_mut().zip(run) {
        *flag = u8::from(v.to_float() > level);
    }
    let mut bits = 0;
    for (i, eight) in flags.chunks_exact(8).enumerate() {
        let eight = eight
            .iter()
            .rev()
            .fold(0, |all, f| all << 8 | u64::from(*f));
        // Gathers the lowest bits of eight bytes in the highest byte.
        bits |= (eight.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
    }
    bits
}

/// Four rows of bits around a row of cells, word by word: `(y, z)`, `(y+1, z)`, `(y, z+1)`,
/// `(y+1, z+1)`. Rows that are not there count as outside.
struct Around<'a> {
    rows: [&'a [u64]; 4],
    /// The number of voxels in a row.
    size: usize,
}

/// A word of the four rows, and the same voxels' next neighbours along x.
#[derive(Clone, Copy)]
struct Words {
    here: [u64; 4],
    next: [u64; 4],
    /// 1 for voxels that have a next neighbour.
    valid: u64,
}

impl Around<'_> {
    #[inline(always)]
    fn words(&self, i: usize) -> Words {
        let at = |row: &[u64], i: usize| row.get(i).copied().unwrap_or(0);
        let here = self.rows.map(|row| at(row, i));
        let next = self.rows.map(|row| at(row, i) >> 1 | at(row, i + 1) << 63);
        let pairs = (self.size - 1).saturating_sub(64 * i);
        let valid = if pairs >= 64 {
            u64::MAX
        } else {
            (1 << pairs) - 1
        };
        Words { here, next, valid }
    }
}

impl Words {
    /// The crossings along x of each row; along y of the rows at z and z+1; along z of the rows at
    /// y and y+1.
    #[inline(always)]
    fn crossings(&self) -> [u64; 8] {
        let [a, b, c, d] = self.here;
        let x = [0, 1, 2, 3].map(|k| (self.here[k] ^ self.next[k]) & self.valid);
        [x[0], x[1], x[2], x[3], a ^ b, c ^ d, a ^ c, b ^ d]
    }

    /// The cells whose corners are not all alike.
    #[inline(always)]
    fn active(&self) -> u64 {
        let all = self.here.iter().chain(&self.next);
        let (every, any) = all.fold((u64::MAX, 0), |(e, a), w| (e & w, a | w));
        any & !every & self.valid
    }

    /// The state of the corners of a cell.
    #[inline(always)]
    fn case(&self, bit: u32) -> u8 {
        let mut case = 0;
        for k in (0..4).rev() {
            let pair = (self.here[k] >> bit & 1) | (self.next[k] >> bit & 1) << 1;
            case = case << 2 | pair as u8;
        }
        case
    }
}

dispatched! {
    /// Counts the vertices and triangles of each row of a slice.
    pub(super) fn count[T: Element](grid: &Grid<'_, T>, z: usize, rows: &mut [Row]) {
        let cases = &*CASES;
        let has_above = z + 1 < grid.size[2];
        for (y, row) in rows.iter_mut().enumerate() {
            let has_right = y + 1 < grid.size[1];
            let around = Around {
                rows: [(z, y), (z, y + 1), (z + 1, y), (z + 1, y + 1)].map(|(z, y)| grid.row(z, y)),
                size: grid.size[0],
            };
            for i in 0..grid.words {
                let words = around.words(i);
                let crossings = words.crossings();
                row.crossings[0] += crossings[0].count_ones();
                if has_right {
                    row.crossings[1] += crossings[4].count_ones();
                }
                if has_above {
                    row.crossings[2] += crossings[6].count_ones();
                }
                if !(has_right && has_above) {
                    continue;
                }
                let mut active = words.active();
                while active != 0 {
                    let bit = active.trailing_zeros();
                    active &= active - 1;
                    let cell = [64 * i + bit as usize, y, z];
                    let (triangles, centre) =
                        cases.of(words.case(bit), |face| grid.is_joined(cell, face));
                    row.triangles += triangles.len() as u32;
                    row.centres += u32::from(centre);
                }
            }
        }
    }
}

dispatched! {
    /// Makes the vertices and triangles of a slice. `rows` are its own, `above` those of the next
    /// slice; `vertices` and `triangles` are as long as the rows say.
    pub(super) fn emit[T: Element](
        grid: &Grid<'_, T>,
        z: usize,
        rows: &[Row],
        above: &[Row],
        vertices: &mut [[f32; 3]],
        triangles: &mut [[u32; 3]],
    ) {
        let slice_start = rows.first().map_or(0, |row| row.start);
        let mut free = triangles.iter_mut();
        for (y, row) in rows.iter().enumerate() {
            let around = Around {
                rows: [(z, y), (z, y + 1), (z + 1, y), (z + 1, y + 1)].map(|(z, y)| grid.row(z, y)),
                size: grid.size[0],
            };
            let start = (row.start - slice_start) as usize;
            let own = &mut vertices[start..start + row.vertices() as usize];
            let (x_vertices, own) = own.split_at_mut(row.crossings[0] as usize);
            let (y_vertices, own) = own.split_at_mut(row.crossings[1] as usize);
            let (z_vertices, centres) = own.split_at_mut(row.crossings[2] as usize);
            points(grid, &around, [0, y, z], 0, x_vertices);
            points(grid, &around, [0, y, z], 1, y_vertices);
            points(grid, &around, [0, y, z], 2, z_vertices);
            if row.triangles == 0 {
                continue;
            }
            let (Some(right), Some(up), Some(across)) =
                (rows.get(y + 1), above.get(y), above.get(y + 1))
            else {
                continue;
            };
            // The number of the next vertex of each of the eight rows of edges.
            let mut numbers = [
                row.first(0),
                right.first(0),
                up.first(0),
                across.first(0),
                row.first(1),
                up.first(1),
                row.first(2),
                right.first(2),
            ];
            let mut centre_number = row.first(3);
            let mut centres = centres.iter_mut();
            for i in 0..grid.words {
                let words = around.words(i);
                let crossings = words.crossings();
                let mut active = words.active();
                while active != 0 {
                    let bit = active.trailing_zeros();
                    let before = (active & active.wrapping_neg()) - 1;
                    active &= active - 1;
                    let mut at = [0_u32; 8];
                    for k in 0..8 {
                        at[k] = numbers[k] + (crossings[k] & before).count_ones();
                    }
                    let passed = |k: usize| at[k] + (crossings[k] >> bit & 1) as u32;
                    // Edges of a cell by number; the last ones only make the length a power of 2.
                    let edges = [
                        at[0], at[1], at[2], at[3],
                        at[4], passed(4), at[5], passed(5),
                        at[6], passed(6), at[7], passed(7),
                        centre_number, 0, 0, 0,
                    ];
                    let cell = [64 * i + bit as usize, y, z];
                    let (corners, has_centre) =
                        CASES.of(words.case(bit), |face| grid.is_joined(cell, face));
                    for (corners, out) in corners.iter().zip(&mut free) {
                        let [a, b, c] = corners.map(|edge| edges[usize::from(edge & 15)]);
                        *out = if grid.mirrored { [a, c, b] } else { [a, b, c] };
                    }
                    if has_centre {
                        centre_number += 1;
                        if let Some(vertex) = centres.next() {
                            *vertex = grid.vertex(middle(grid, cell, corners));
                        }
                    }
                }
                for k in 0..8 {
                    numbers[k] += crossings[k].count_ones();
                }
            }
        }
    }
}

/// The crossings along one axis of the edges that begin at the voxels of a row.
#[inline(always)]
fn points<T: Element>(
    grid: &Grid<'_, T>,
    around: &Around<'_>,
    first: [usize; 3],
    axis: usize,
    vertices: &mut [[f32; 3]],
) {
    let mut free = vertices.iter_mut();
    if free.len() == 0 {
        return;
    }
    for i in 0..grid.words {
        let crossings = around.words(i).crossings();
        let mut crossed = crossings[[0, 4, 6][axis]];
        while crossed != 0 {
            let x = 64 * i + crossed.trailing_zeros() as usize;
            crossed &= crossed - 1;
            if let Some(vertex) = free.next() {
                let index = [x, first[1], first[2]];
                *vertex = grid.vertex(grid.crossing(index, axis));
            }
        }
    }
}

/// The mean of the crossings of the loop around the centre of a cell.
#[inline(never)]
fn middle<T: Element>(grid: &Grid<'_, T>, cell: [usize; 3], corners: &[[u8; 3]]) -> [f64; 3] {
    let mut sum = [0.0; 3];
    let mut count = 0.0;
    for [edge, _, _] in corners.iter().filter(|t| t[2] == CENTRE) {
        let (corner, axis) = beginning(*edge);
        let point = grid.crossing([0, 1, 2].map(|i| cell[i] + corner[i]), axis);
        sum = [0, 1, 2].map(|i| sum[i] + point[i]);
        count += 1.0;
    }
    sum.map(|v| v / count)
}
