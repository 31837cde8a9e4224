//! JPEG XL, by jxl-oxide.

use jxl_oxide::image::BitDepth;
use jxl_oxide::{AllocTracker, JxlImage, JxlThreadPool};

use super::samples::{extend_signs, write};
use super::{Colours, Frame, Outcome, Refusal};

/// Memory that the decoder may take beside a multiple of the frame.
const SLACK: usize = 16 << 20;
/// Memory per sample: a few buffers of 4 bytes.
const PER_SAMPLE: usize = 48;

pub(super) fn decode(data: &[u8], frame: &Frame, out: &mut [u8]) -> Outcome<Colours> {
    let damaged = |error: &dyn std::fmt::Display| {
        let error = error.to_string().replace('\n', " ");
        Refusal::damaged(format!("the JPEG XL stream is damaged ({error})"))
    };
    let limit = frame.len().saturating_mul(PER_SAMPLE) + SLACK;
    // One thread: the frames of a file are decoded beside each other.
    let image = JxlImage::builder()
        .alloc_tracker(AllocTracker::with_limit(limit))
        .pool(JxlThreadPool::none())
        .read(data)
        .map_err(|error| damaged(&error))?;
    let metadata = &image.image_header().metadata;
    let extra = metadata.ec_info.len();
    let colours = if image.pixel_format().is_grayscale() {
        1
    } else {
        3
    };
    let size = [image.height() as usize, image.width() as usize];
    frame.expect("JPEG XL", size[0], size[1], colours + extra)?;
    let bits = match metadata.bit_depth {
        BitDepth::IntegerSample { bits_per_sample } => bits_per_sample,
        BitDepth::FloatSample { .. } => {
            let reason = "JPEG XL of floating-point samples is not decoded";
            return Err(Refusal::unsupported(reason));
        }
    };
    frame.expect_bits("JPEG XL", bits)?;
    if !(1..=24).contains(&bits) {
        let reason = format!("JPEG XL of {bits} bits is not decoded");
        return Err(Refusal::unsupported(reason));
    }
    let pictures = image.num_loaded_keyframes();
    if pictures != 1 || !image.is_loading_done() {
        return Err(Refusal::damaged(format!(
            "the JPEG XL stream holds {pictures} whole pictures, a frame is one"
        )));
    }
    let rendered = image.render_frame(0).map_err(|error| damaged(&error))?;
    let decoded = rendered.image_all_channels();
    if decoded.buf().len() != frame.len() {
        return Err(Refusal::damaged(
            "the JPEG XL stream is not of its own size",
        ));
    }
    // 0 to 1 stand for the lowest and the highest sample; what is lossless comes back exactly.
    let highest = f64::from((1_u32 << bits) - 1);
    let values = decoded.buf().iter();
    let values = values.map(|v| (f64::from(*v) * highest).round().clamp(0.0, highest) as u32);
    write(out, frame, 0, 1, values);
    if frame.signed {
        extend_signs(out, frame, bits);
    }
    Ok(if colours == 3 {
        Colours::Rgb
    } else {
        Colours::AsDeclared
    })
}
