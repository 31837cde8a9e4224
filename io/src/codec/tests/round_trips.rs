//! What our own encoders make comes back.

use proptest::prelude::*;

use super::super::case::run;
use super::super::{Colours, Frame};
use super::encoders::{Lossless, rle};

fn frame(rows: usize, columns: usize, samples: usize, bits: u16) -> Frame {
    Frame {
        rows,
        columns,
        samples,
        bits_allocated: bits,
        bits_stored: bits,
        signed: false,
    }
}

/// Samples that jump, or that creep and rest as scans do.
fn samples(count: usize, precision: u32) -> impl Strategy<Value = Vec<u16>> {
    let most = ((1_u32 << precision) - 1) as u16;
    let creep = proptest::collection::vec(-3_i32..=3, count).prop_map(move |steps| {
        let mut value = i32::from(most / 2);
        let next = |step: i32| {
            value = (value + step / 2).clamp(0, i32::from(most));
            value as u16
        };
        steps.into_iter().map(next).collect::<Vec<u16>>()
    });
    prop_oneof![proptest::collection::vec(0..=most, count), creep]
}

fn jpegs() -> impl Strategy<Value = (Lossless, [usize; 3], Vec<u16>)> {
    let choices = (
        2..=16_u32,
        1..=7_u8,
        0..4_u32,
        0..4_usize,
        any::<bool>(),
        any::<bool>(),
    );
    let size = (1..9_usize, 1..40_usize, prop_oneof![Just(1_usize), Just(3)]);
    (choices, size).prop_flat_map(|(choices, (rows, columns, count))| {
        let (precision, predictor, point, restart_rows, interleaved, uneven) = choices;
        let made = Lossless {
            precision,
            predictor,
            point: point.min(precision - 1),
            restart_rows,
            interleaved,
            uneven,
        };
        let values = samples(rows * columns * count, precision);
        (Just(made), Just([rows, columns, count]), values)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// IO-05: Every predictor, precision and point transform, with restarts and without, one scan
    /// or several.
    #[test]
    fn lossless_jpeg_comes_back((made, size, values) in jpegs()) {
        let stream = made.encode(&values, size);
        let [rows, columns, count] = size;
        let (found, colours) = run("1.2.840.10008.1.2.4.57", &frame(rows, columns, count, 16), &stream)
            .map_err(|refusal| TestCaseError::fail(refusal.reason))?;
        let kept = values.iter().map(|v| v >> made.point << made.point);
        let expected: Vec<u8> = kept.flat_map(u16::to_le_bytes).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(colours, Colours::AsDeclared);
    }

    /// IO-05: Samples of one, two and four bytes, of one and of three components.
    #[test]
    fn rle_comes_back(
        (bytes, count) in prop_oneof![Just((1_usize, 1_usize)), Just((1, 3)), Just((2, 1)), Just((2, 3)), Just((4, 1))],
        rows in 1..6_usize,
        columns in 1..90_usize,
        values in proptest::collection::vec(prop_oneof![3 => 0..3_u8, 1 => any::<u8>()], 6 * 90 * 6),
    ) {
        let pixels = rows * columns;
        let expected = &values[..pixels * bytes * count];
        let plane = |index: usize| {
            // Byte planes go from the highest byte of the first sample on.
            let at = index / bytes * bytes + bytes - 1 - index % bytes;
            expected.iter().skip(at).step_by(bytes * count).copied().collect::<Vec<u8>>()
        };
        let planes: Vec<_> = (0..bytes * count).map(plane).collect();
        let frame = frame(rows, columns, count, 8 * bytes as u16);
        let (found, _) = run("1.2.840.10008.1.2.5", &frame, &rle(&planes))
            .map_err(|refusal| TestCaseError::fail(refusal.reason))?;
        prop_assert_eq!(&found[..], expected);
    }
}

/// IO-05: Three voxels by hand: -1, -2 and 3 in 12 stored bits, the high bytes before the low ones.
#[test]
fn rle_of_signed_samples_repeats_the_sign() {
    let stream = rle(&[vec![0x0f, 0x0f, 0x00], vec![0xff, 0xfe, 0x03]]);
    let frame = Frame {
        bits_stored: 12,
        signed: true,
        ..frame(1, 3, 1, 16)
    };
    let (found, _) = run("1.2.840.10008.1.2.5", &frame, &stream).unwrap();
    assert_eq!(found, [0xff, 0xff, 0xfe, 0xff, 0x03, 0x00]);
}

/// IO-05: A lossless stream of 12 bits in a file that declares 16 signed ones: the sign is the
/// stream's twelfth bit.
#[test]
fn a_jpeg_of_fewer_bits_than_declared_has_its_own_sign() {
    let made = Lossless {
        precision: 12,
        predictor: 1,
        point: 0,
        restart_rows: 0,
        interleaved: true,
        uneven: false,
    };
    let stream = made.encode(&[0xfff, 0x800, 0x7ff], [1, 3, 1]);
    let frame = Frame {
        signed: true,
        ..frame(1, 3, 1, 16)
    };
    let (found, _) = run("1.2.840.10008.1.2.4.70", &frame, &stream).unwrap();
    assert_eq!(found, [0xff, 0xff, 0x00, 0xf8, 0xff, 0x07]);
}
