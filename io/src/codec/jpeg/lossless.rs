//! The lossless process: differences from a prediction (T.81 annex H).

use super::super::samples::write;
use super::super::{Frame, Outcome, Refusal};
use super::bits::{Bits, Segments};
use super::header::{Scan, Sof};
use super::huffman::{Differences, Table};

/// Decodes a scan: all components, or some of them where each has its own.
pub(super) fn decode(
    sof: &Sof,
    scan: &Scan,
    tables: &[Option<Table>; 4],
    restart: usize,
    segments: &Segments,
    frame: &Frame,
    out: &mut [u8],
) -> Outcome<()> {
    let (predictor, point) = (scan.start, u32::from(scan.low));
    if !(1..=7).contains(&predictor) || point >= sof.precision {
        return Err(Refusal::damaged(format!(
            "the lossless JPEG stream has predictor {predictor} and point transform {point}"
        )));
    }
    let plain = sof.components.iter().all(|c| c.sampling == [1, 1]);
    if !plain && sof.components.len() > 1 {
        return Err(Refusal::unsupported(
            "lossless JPEG whose components are sampled unequally is not decoded",
        ));
    }
    let mut codes = Vec::with_capacity(scan.components.len());
    for component in &scan.components {
        codes.push(Differences::new(component.dc(tables)?)?);
    }
    if !restart.is_multiple_of(frame.columns) {
        return Err(Refusal::damaged(format!(
            "the lossless JPEG stream restarts every {restart} pixels, its rows have {}",
            frame.columns
        )));
    }
    let rows_between = match restart / frame.columns {
        0 => frame.rows,
        rows => rows,
    };
    let together = codes.len();
    let length = frame.columns * together;
    let (mut row, mut above) = (vec![0_u16; length], vec![0_u16; length]);
    let first = 1 << (sof.precision - point - 1);
    let mut bits = segments.interval(0)?;
    for y in 0..frame.rows {
        let starts = y % rows_between == 0;
        if starts && y > 0 {
            bits = segments.interval(y / rows_between)?;
        }
        differences(&mut bits, &codes, &mut row)?;
        bits.check()?;
        if starts {
            from_left(&mut row, together, &vec![first; together]);
        } else {
            predict(predictor, &mut row, &above, together);
        }
        let start = y * frame.columns * frame.samples;
        for (at, component) in scan.components.iter().enumerate() {
            let values = row.iter().skip(at).step_by(together);
            if together == frame.samples {
                // The same order as in the frame.
                let values = row.iter().map(|v| u32::from(*v) << point);
                write(out, frame, start, 1, values);
                break;
            }
            let values = values.map(|v| u32::from(*v) << point);
            write(out, frame, start + component.index, frame.samples, values);
        }
        std::mem::swap(&mut row, &mut above);
    }
    Ok(())
}

/// Reads the differences of one row, by component.
fn differences(bits: &mut Bits, codes: &[Differences], row: &mut [u16]) -> Outcome<()> {
    if let [code] = codes {
        // Four short ones are 48 bits, and one that is longer refills.
        let (fours, rest) = row.as_chunks_mut::<4>();
        for four in fours {
            bits.refill();
            for value in four {
                *value = code.read(bits)?;
            }
        }
        bits.refill();
        for value in rest {
            *value = code.read(bits)?;
        }
        return Ok(());
    }
    for pixel in row.chunks_exact_mut(codes.len()) {
        bits.refill();
        for (value, code) in pixel.iter_mut().zip(codes) {
            *value = code.read(bits)?;
        }
    }
    Ok(())
}

/// Predicts each pixel of a row of differences from the one on its left, and the first from `first`.
fn from_left(row: &mut [u16], together: usize, first: &[u16]) {
    if let ([left], 1) = (first, together) {
        let mut left = *left;
        for value in row {
            left = left.wrapping_add(*value);
            *value = left;
        }
        return;
    }
    let mut left = first.to_vec();
    for pixel in row.chunks_exact_mut(together) {
        for (value, left) in pixel.iter_mut().zip(&mut left) {
            *left = left.wrapping_add(*value);
            *value = *left;
        }
    }
}

/// Predicts a row of differences that has a row above.
fn predict(predictor: u8, row: &mut [u16], above: &[u16], together: usize) {
    // The first pixel of a row is always predicted from the one above.
    match predictor {
        1 => from_left(row, together, above.get(..together).unwrap_or_default()),
        2 => by(row, above, together, |_, b, _| b),
        3 => by(row, above, together, |_, _, c| c),
        4 => by(row, above, together, |a, b, c| a + b - c),
        5 => by(row, above, together, |a, b, c| a + ((b - c) >> 1)),
        6 => by(row, above, together, |a, b, c| b + ((a - c) >> 1)),
        _ => by(row, above, together, |a, b, _| (a + b) >> 1),
    }
}

/// Predicts by a function of the neighbours on the left, above, and above on the left.
#[inline(always)]
fn by(row: &mut [u16], above: &[u16], together: usize, prediction: impl Fn(i32, i32, i32) -> i32) {
    for component in 0..together {
        let values = row.iter_mut().skip(component).step_by(together);
        let mut above = above.iter().skip(component).step_by(together);
        let mut neighbours: Option<(i32, i32)> = None;
        for (value, b) in values.zip(&mut above) {
            let b = i32::from(*b);
            let predicted = neighbours.map_or(b, |(a, c)| prediction(a, b, c));
            *value = value.wrapping_add(predicted as u16);
            neighbours = Some((i32::from(*value), b));
        }
    }
}
