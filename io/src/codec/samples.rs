//! Samples into the bytes of a frame: width, sign, and one component among several.

use super::Frame;

/// Writes the samples of one row, or of a run of one: the first at the sample `first` of `out`, the
/// others `step` samples apart.
pub(super) fn write(
    out: &mut [u8],
    frame: &Frame,
    first: usize,
    step: usize,
    values: impl Iterator<Item = u32>,
) {
    let bytes = frame.bytes();
    let Some(out) = out.get_mut(first * bytes..) else {
        return;
    };
    match (bytes, step) {
        (1, 1) => out.iter_mut().zip(values).for_each(|(o, v)| *o = v as u8),
        (2, 1) => (out.as_chunks_mut::<2>().0.iter_mut().zip(values))
            .for_each(|(o, v)| *o = (v as u16).to_le_bytes()),
        _ => {
            for (o, v) in out.chunks_mut(bytes * step).zip(values) {
                for (o, v) in o.iter_mut().zip(v.to_le_bytes()).take(bytes) {
                    *o = v;
                }
            }
        }
    }
}

/// Repeats the sign of samples whose highest bit is the `bits`-th in the bits above it.
pub(super) fn extend_signs(out: &mut [u8], frame: &Frame, bits: u32) {
    let allocated = u32::from(frame.bits_allocated);
    if !(1..allocated).contains(&bits) {
        return;
    }
    let shift = allocated - bits;
    match frame.bytes() {
        1 => {
            for o in out {
                *o = ((*o << shift) as i8 >> shift) as u8;
            }
        }
        2 => {
            for o in out.as_chunks_mut::<2>().0 {
                *o = ((u16::from_le_bytes(*o) << shift) as i16 >> shift).to_le_bytes();
            }
        }
        _ => {
            for o in out.as_chunks_mut::<4>().0 {
                *o = ((u32::from_le_bytes(*o) << shift) as i32 >> shift).to_le_bytes();
            }
        }
    }
}
