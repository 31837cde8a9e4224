//! JPEG-LS (ITU-T T.87), by CharLS, where the feature `charls` is on.

use super::{Colours, Frame, Outcome, Refusal};

/// Whether this build decodes it.
pub(super) fn supported() -> Outcome<()> {
    if cfg!(feature = "charls") {
        return Ok(());
    }
    Err(Refusal {
        remedy: Some(
            "build with the feature `charls`, or convert the file to an uncompressed transfer syntax first (gdcmconv --raw)"
                .to_owned(),
        ),
        ..Refusal::unsupported("JPEG-LS is not decoded by this build")
    })
}

#[cfg(not(feature = "charls"))]
pub(super) fn decode(_: &[u8], _: &Frame, _: &mut [u8]) -> Outcome<Colours> {
    supported().map(|()| Colours::AsDeclared)
}

#[cfg(feature = "charls")]
pub(super) fn decode(data: &[u8], frame: &Frame, out: &mut [u8]) -> Outcome<Colours> {
    use super::samples::{extend_signs, write};

    let header = Header::parse(data)
        .ok_or_else(|| Refusal::damaged("the header of the JPEG-LS stream is damaged"))?;
    frame.expect("JPEG-LS", header.rows, header.columns, header.components)?;
    frame.expect_bits("JPEG-LS", u32::from(header.precision))?;
    // On a stream that is cut off CharLS may run for ever.
    let end = data.len().saturating_sub(8);
    let tail = data.get(end..).unwrap_or_default();
    if !tail.windows(2).any(|marker| *marker == [0xff, 0xd9]) {
        let reason = "the JPEG-LS stream ends before its end marker";
        return Err(Refusal::damaged(reason));
    }
    let damaged = |error: charls::Error| {
        let error = error.to_string().replace('\n', " ");
        Refusal::damaged(format!("the JPEG-LS stream is damaged ({error})"))
    };
    // A later segment may state another size, which the decoder would allocate.
    let info = charls::CharLS::default()
        .get_frame_info(data)
        .map_err(damaged)?;
    let counts = [info.height, info.width].map(|count| count as usize);
    let components = usize::try_from(info.component_count).unwrap_or(0);
    frame.expect("JPEG-LS", counts[0], counts[1], components)?;
    let decoded = charls::CharLS::default().decode(data).map_err(damaged)?;
    let bytes = if header.precision > 8 { 2 } else { 1 };
    if decoded.len() != frame.len() * bytes {
        return Err(Refusal::damaged(
            "the JPEG-LS stream is not of its own size",
        ));
    }
    let value = |sample: &[u8]| sample.iter().rev().fold(0, |v, b| v << 8 | u32::from(*b));
    if header.by_plane {
        let planes = decoded.chunks_exact(frame.rows * frame.columns * bytes);
        for (index, plane) in planes.enumerate() {
            let values = plane.chunks_exact(bytes).map(value);
            write(out, frame, index, frame.samples, values);
        }
    } else {
        write(out, frame, 0, 1, decoded.chunks_exact(bytes).map(value));
    }
    if frame.signed {
        extend_signs(out, frame, u32::from(frame.bits_stored));
    }
    // An HP transform has been undone, and then they are RGB; the header must say the same.
    Ok(Colours::AsDeclared)
}

/// What the segments before the first scan say.
#[cfg(feature = "charls")]
struct Header {
    rows: usize,
    columns: usize,
    components: usize,
    precision: u8,
    /// Whether each component has a scan of its own.
    by_plane: bool,
}

#[cfg(feature = "charls")]
impl Header {
    fn parse(data: &[u8]) -> Option<Self> {
        let mut rest = data.strip_prefix(&[0xff, 0xd8])?;
        let mut header = None;
        loop {
            let (&[0xff, marker], after) = rest.split_first_chunk::<2>()? else {
                return None;
            };
            if marker == 0xff {
                rest = rest.get(1..)?;
                continue;
            }
            let (&length, _) = after.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_be_bytes(length));
            let contents = after.get(2..length)?;
            rest = after.get(length..)?;
            match (marker, &mut header) {
                (0xf7, None) => {
                    let &[precision, y1, y0, x1, x0, components, ..] = contents else {
                        return None;
                    };
                    header = Some(Self {
                        rows: usize::from(u16::from_be_bytes([y1, y0])),
                        columns: usize::from(u16::from_be_bytes([x1, x0])),
                        components: usize::from(components),
                        precision,
                        by_plane: false,
                    });
                }
                (0xf7, Some(_)) => return None,
                (0xda, _) => {
                    let mut header = header?;
                    let interleave = contents.get(contents.len().checked_sub(2)?)?;
                    header.by_plane = *interleave == 0 && header.components > 1;
                    return (2..=16).contains(&header.precision).then_some(header);
                }
                _ => {}
            }
        }
    }
}
