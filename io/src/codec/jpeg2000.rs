//! JPEG 2000 (ITU-T T.800), by hayro-jpeg2000; what that does not know, HTJ2K above all, by
//! openjp2.

mod header;
mod openjpeg;

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::samples::{extend_signs, write};
use super::{Colours, Frame, Outcome, Refusal};
use header::Header;

pub(super) fn decode(data: &[u8], frame: &Frame, out: &mut [u8]) -> Outcome<Colours> {
    let stream = header::codestream(data);
    let header = Header::parse(stream)?;
    header.check(stream.len(), frame)?;
    // The lowest and the highest sample; both decoders are lossless for what they are given.
    let bits = header.precision;
    let (low, high) = if header.signed {
        (-(1_i64 << (bits - 1)), (1_i64 << (bits - 1)) - 1)
    } else {
        (0, (1_i64 << bits) - 1)
    };
    if header.beyond_hayro() {
        openjpeg::decode(stream, &header, frame, |index, samples| {
            let values = samples.iter();
            let values = values.map(|v| i64::from(*v).clamp(low, high) as u32);
            write(out, frame, index, frame.samples, values);
        })?;
    } else {
        let damaged = |error: hayro_jpeg2000::DecodeError| {
            let error = error.to_string().replace('\n', " ");
            Refusal::damaged(format!("the JPEG 2000 stream is damaged ({error})"))
        };
        let settings = DecodeSettings {
            resolve_palette_indices: false,
            strict: true,
            target_resolution: None,
        };
        let image = Image::new(stream, &settings).map_err(damaged)?;
        let mut context = DecoderContext::default();
        let decoded = image.decode(&mut context).map_err(damaged)?;
        let components = decoded.components();
        let whole = |samples: &[f32]| samples.len() == frame.rows * frame.columns;
        if components.len() != frame.samples || !components.iter().all(|c| whole(c.samples())) {
            let reason = "the JPEG 2000 stream is not of its own size";
            return Err(Refusal::damaged(reason));
        }
        for (index, component) in components.iter().enumerate() {
            let values = component.samples().iter();
            // It shifts signed samples up as well.
            let values = values.map(|v| (v.round_ties_even() as i64 + low).clamp(low, high) as u32);
            write(out, frame, index, frame.samples, values);
        }
    }
    if frame.signed && !header.signed {
        extend_signs(out, frame, bits);
    }
    Ok(if header.transformed && frame.samples == 3 {
        Colours::Rgb
    } else {
        Colours::AsDeclared
    })
}
