//! Components of a DCT frame to the samples of the image: chroma to full size, colours, bytes.

use super::super::Frame;
use super::super::samples;
use super::blocks::{AREA, Blocks, Plane};
use super::colour::{Transform, rgb};

/// Writes all rows.
pub(super) fn write(blocks: &Blocks, transform: Transform, frame: &Frame, out: &mut [u8]) {
    let count = blocks.planes.len();
    let most = [0, 1].map(|axis| {
        let all = blocks.planes.iter().map(|plane| plane.sampling[axis]);
        all.max().unwrap_or(1)
    });
    let mut rows = vec![vec![0_u16; frame.columns]; count];
    for y in 0..frame.rows {
        let start = y * frame.columns * count;
        if let [plane] = &blocks.planes[..] {
            let values = plane.row(y).iter().map(|v| u32::from(*v));
            samples::write(out, frame, start, 1, values);
            continue;
        }
        for (row, plane) in rows.iter_mut().zip(&blocks.planes) {
            let [across, down] = [0, 1].map(|axis| most[axis] / plane.sampling[axis]);
            enlarge(plane, y, [across, down], row);
        }
        if let ([a, b, c], Transform::ToRgb) = (&mut rows[..], transform) {
            for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                let pixel = [&a, &b, &c].map(|value| i64::from(**value));
                [*a, *b, *c] = rgb(pixel, blocks.precision()).map(|value| value as u16);
            }
        }
        for (index, row) in rows.iter().enumerate() {
            let values = row.iter().map(|v| u32::from(*v));
            samples::write(out, frame, start + index, count, values);
        }
    }
}

/// A row of the image of a component that has fewer samples. Half the samples are interpolated
/// linearly, three parts of the near one and one of the far, rounded as in libjpeg; other ratios
/// are repeated, as there.
fn enlarge(plane: &Plane, y: usize, [across, down]: [usize; 2], row: &mut [u16]) {
    let near = plane.row(y / down);
    let wide = near.len() > 2;
    match [across, down] {
        [1, 1] => row.iter_mut().zip(near).for_each(|(o, v)| *o = *v),
        [2, 1] if wide => {
            let sums: Vec<_> = near.iter().map(|v| u32::from(*v)).collect();
            double(&sums, row, 2, [1, 2]);
        }
        [2, 2] if wide => {
            let far = match y % 2 {
                0 => plane.row((y / 2).saturating_sub(1)),
                _ => plane.row(y / 2 + 1),
            };
            let sums: Vec<_> = (near.iter().zip(far))
                .map(|(near, far)| 3 * u32::from(*near) + u32::from(*far))
                .collect();
            double(&sums, row, 4, [8, 7]);
        }
        _ => {
            let repeated = near.iter().flat_map(|v| std::iter::repeat_n(v, across));
            row.iter_mut().zip(repeated).for_each(|(o, v)| *o = *v);
        }
    }
}

/// Two samples for each of a row: nearer to the one before, then to the one after. Left and right
/// round differently, so that on average nothing is added.
fn double(sums: &[u32], row: &mut [u16], shift: u32, [left, right]: [u32; 2]) {
    for (i, pair) in row.chunks_mut(2).enumerate() {
        let Some(&this) = sums.get(i) else {
            return;
        };
        let before = i.checked_sub(1).and_then(|i| sums.get(i));
        let neighbours = [before, sums.get(i + 1)].map(|n| n.copied().unwrap_or(this));
        let rounds = [left, right];
        for ((o, neighbour), round) in pair.iter_mut().zip(neighbours).zip(rounds) {
            *o = ((3 * this + neighbour + round) >> shift) as u16;
        }
    }
}

/// Transforms the coefficients of the progressive process.
pub(super) fn transform(blocks: &mut Blocks) {
    let precision = blocks.precision();
    for plane in &mut blocks.planes {
        let coefficients = std::mem::take(&mut plane.coefficients);
        for (index, block) in coefficients.as_chunks::<AREA>().0.iter().enumerate() {
            let at = [index % plane.blocks_across, index / plane.blocks_across];
            plane.store(at, block, precision);
        }
    }
}
