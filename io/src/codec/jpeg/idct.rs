//! The inverse DCT of a block, in the integers of libjpeg's accurate method, so that samples are
//! the same bit by bit.
//!
//! # Reference
//! C. Loeffler, A. Ligtenberg, G. Moschytz: Practical fast 1-D DCT algorithms with 11
//! multiplications. ICASSP 1989.

use super::blocks::{AREA, SIDE};

/// Fraction bits of the constants.
const BITS: u32 = 13;

type Rows = [[i32; SIDE]; SIDE];

/// Samples of `precision` bits, row by row, of the coefficients times their factors.
pub(super) fn inverse(
    block: &[i16; AREA],
    factors: &[i32; AREA],
    precision: u32,
) -> [[u16; SIDE]; SIDE] {
    let centre = 1 << (precision - 1);
    let limit = (1 << precision) - 1;
    let sample = |value: i32| value.wrapping_add(centre).clamp(0, limit) as u16;
    // Fraction bits that are kept between the passes: as many as do not overflow.
    let kept = if precision > 8 { 1 } else { 2 };
    let (flat, rest) = (block[0], &block[1..]);
    if rest.iter().all(|value| *value == 0) {
        let value = i32::from(flat).wrapping_mul(factors[0]);
        // What the two passes come to where all else is zero.
        return [[sample(value.wrapping_add(4) >> 3); SIDE]; SIDE];
    }
    let mut rows = [[0; SIDE]; SIDE];
    let products = block.iter().zip(factors);
    for (place, (value, factor)) in rows.as_flattened_mut().iter_mut().zip(products) {
        *place = i32::from(*value).wrapping_mul(*factor);
    }
    let columns = transpose(pass(rows, BITS - kept));
    transpose(pass(columns, BITS + kept + 3)).map(|row| row.map(sample))
}

fn transpose(rows: Rows) -> Rows {
    let mut columns = [[0; SIDE]; SIDE];
    for (j, row) in rows.iter().enumerate() {
        for (column, value) in columns.iter_mut().zip(row) {
            column[j] = *value;
        }
    }
    columns
}

/// The transform along the first axis, of all eight lanes at once. Hostile coefficients wrap.
fn pass(rows: Rows, shift: u32) -> Rows {
    let mut out = [[0; SIDE]; SIDE];
    for lane in 0..SIDE {
        let [c0, c1, c2, c3, c4, c5, c6, c7] = rows.map(|row| std::num::Wrapping(row[lane]));
        let k = std::num::Wrapping::<i32>;
        // The even part: 0.541196100, 1.847759065, 0.765366865.
        let z = (c2 + c6) * k(4433);
        let (even2, even3) = (z - c6 * k(15137), z + c2 * k(6270));
        let (even0, even1) = ((c0 + c4) << BITS as usize, (c0 - c4) << BITS as usize);
        let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];
        // The odd part: 1.175875602, then 1.961570560, 0.390180644, 0.899976223, 2.562915447,
        // then 0.298631336, 2.053119869, 3.072711026, 1.501321110.
        let z5 = (c7 + c3 + c5 + c1) * k(9633);
        let (z3, z4) = (z5 - (c7 + c3) * k(16069), z5 - (c5 + c1) * k(3196));
        let (z1, z2) = ((c7 + c1) * k(-7373), (c5 + c3) * k(-20995));
        let odd = [
            c1 * k(12299) + z1 + z4,
            c3 * k(25172) + z2 + z3,
            c5 * k(16819) + z2 + z4,
            c7 * k(2446) + z1 + z3,
        ];
        let half = k(1 << (shift - 1));
        for (i, (even, odd)) in even.into_iter().zip(odd).enumerate() {
            out[i][lane] = ((even + odd + half) >> shift as usize).0;
            out[SIDE - 1 - i][lane] = ((even - odd + half) >> shift as usize).0;
        }
    }
    out
}
