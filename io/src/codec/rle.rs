//! RLE Lossless (PS3.5 annex G): byte planes, the highest byte of a sample first, each packed by
//! PackBits.

use super::samples::extend_signs;
use super::{Colours, Frame, Outcome, Refusal};

/// Bytes of the header: the number of segments, and where each of at most 15 starts.
const HEADER: usize = 64;

pub(super) fn decode(data: &[u8], frame: &Frame, out: &mut [u8]) -> Outcome<Colours> {
    let short = || Refusal::damaged("the RLE header is cut off");
    let header = data.first_chunk::<HEADER>().ok_or_else(short)?;
    let mut words = header
        .as_chunks::<4>()
        .0
        .iter()
        .map(|word| u32::from_le_bytes(*word) as usize);
    let count = words.next().ok_or_else(short)?;
    let expected = frame.samples * frame.bytes();
    if count != expected {
        return Err(Refusal::damaged(format!(
            "the RLE stream has {count} segments, {} samples of {} bits have {expected}",
            frame.samples, frame.bits_allocated
        )));
    }
    let starts: Vec<usize> = words.take(count).collect();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(data.len());
        let segment = (start >= HEADER)
            .then(|| data.get(start..end))
            .flatten()
            .ok_or_else(|| {
                Refusal::damaged(format!(
                    "RLE segment {} lies at bytes {start} to {end} of {}",
                    index + 1,
                    data.len()
                ))
            })?;
        // Segments go from the first sample's highest byte to its lowest, then to the next sample.
        let [sample, byte] = [index / frame.bytes(), index % frame.bytes()];
        let first = sample * frame.bytes() + frame.bytes() - 1 - byte;
        let filled = unpack(segment, out, first, expected);
        if filled < frame.rows * frame.columns {
            return Err(Refusal::damaged(format!(
                "RLE segment {} holds {filled} bytes of {}",
                index + 1,
                frame.rows * frame.columns
            )));
        }
    }
    if frame.signed {
        extend_signs(out, frame, u32::from(frame.bits_stored));
    }
    Ok(Colours::AsDeclared)
}

/// Unpacks a segment into every `step`-th byte from `first` on; returns how many it filled.
fn unpack(mut segment: &[u8], out: &mut [u8], first: usize, step: usize) -> usize {
    let total = out.len() / step;
    let mut filled = 0;
    while filled < total
        && let Some((&control, rest)) = segment.split_first()
    {
        segment = rest;
        let run = out.get_mut(first + filled * step..).unwrap_or_default();
        let places = run.iter_mut().step_by(step);
        if control < 128 {
            let bytes = segment.split_at_checked(usize::from(control) + 1);
            let (bytes, rest) = bytes.unwrap_or((segment, &[]));
            places.zip(bytes).for_each(|(place, byte)| *place = *byte);
            filled += bytes.len();
            segment = rest;
        } else if control > 128 {
            let Some((&byte, rest)) = segment.split_first() else {
                break;
            };
            let length = 257 - usize::from(control);
            places.take(length).for_each(|place| *place = byte);
            filled += length;
            segment = rest;
        }
        // 128 stands for nothing.
    }
    filled.min(total)
}
