//! What the components of a JPEG stream are, and YCbCr to RGB.

use super::super::Frame;
use super::Tables;
use super::header::Sof;

/// What becomes of three components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transform {
    /// Nothing: the stream does not say what they are.
    Keep,
    /// Nothing: the stream says that they are RGB.
    IsRgb,
    /// They are YCbCr, and become RGB.
    ToRgb,
}

/// What the segments of a DCT stream say of its colours, as libjpeg understands them: JFIF is
/// YCbCr, Adobe says which, and so do the letters R, G, B as names. What is sampled unequally is
/// YCbCr.
pub(super) fn of(sof: &Sof, tables: &Tables) -> Transform {
    let [a, b, c] = &sof.components[..] else {
        return Transform::Keep;
    };
    let unequal = a.sampling != b.sampling || b.sampling != c.sampling;
    match tables.adobe {
        _ if tables.jfif || unequal => Transform::ToRgb,
        Some(0) => Transform::IsRgb,
        Some(_) => Transform::ToRgb,
        None if [a.id, b.id, c.id] == *b"RGB" => Transform::IsRgb,
        None => Transform::Keep,
    }
}

/// The same for the lossless process, whose streams carry a JFIF segment whatever they hold;
/// returns whether the samples are RGB.
pub(super) fn lossless(sof: &Sof, tables: &Tables, frame: &Frame, out: &mut [u8]) -> bool {
    let plain = Tables {
        adobe: tables.adobe,
        ..Tables::default()
    };
    let transform = of(sof, &plain);
    if transform == Transform::ToRgb {
        let bytes = frame.bytes();
        for pixel in out.chunks_exact_mut(3 * bytes) {
            let mut values = [0; 3];
            for (value, sample) in values.iter_mut().zip(pixel.chunks_exact(bytes)) {
                *value = sample.iter().rev().fold(0, |v, b| v << 8 | i64::from(*b));
            }
            let values = rgb(values, sof.precision);
            for (value, sample) in values.iter().zip(pixel.chunks_exact_mut(bytes)) {
                for (byte, value) in sample.iter_mut().zip(value.to_le_bytes()) {
                    *byte = value;
                }
            }
        }
    }
    transform != Transform::Keep
}

/// One pixel from YCbCr to RGB: the 16-bit fractions of libjpeg.
pub(super) fn rgb([y, cb, cr]: [i64; 3], precision: u32) -> [i64; 3] {
    let (centre, limit) = (1 << (precision - 1), (1 << precision) - 1);
    let (cb, cr) = (cb - centre, cr - centre);
    let half = 1 << 15;
    // 1.40200, 0.34414, 0.71414, 1.77200
    let red = y + ((91_881 * cr + half) >> 16);
    let green = y + ((-22_554 * cb - 46_802 * cr + half) >> 16);
    let blue = y + ((116_130 * cb + half) >> 16);
    [red, green, blue].map(|value| value.clamp(0, limit))
}
