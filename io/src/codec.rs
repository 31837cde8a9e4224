//! One frame of encapsulated DICOM pixel data to samples, for every transfer syntax.
//!
//! | here | what | decoder |
//! |---|---|---|
//! | `rle` | RLE Lossless | ours |
//! | `jpeg` | JPEG: baseline, extended, progressive, lossless; 2 to 16 bits | ours |
//! | `jpeg_ls` | JPEG-LS | CharLS, by the feature `charls` |
//! | `jpeg2000` | JPEG 2000 and HTJ2K | hayro-jpeg2000, openjp2 |
//! | `jpeg_xl` | JPEG XL | jxl-oxide |
//!
//! Which decoder and why: `docs/decisions/010-codecs.md`. Every decoder is told what the header of
//! the file declares, and a stream that states another size is refused before anything is decoded
//! or allocated. Nothing here knows files: a [`Refusal`] becomes an error where the path is known.

#[cfg(any(test, fuzzing))]
pub(crate) mod case;
mod jpeg;
mod jpeg2000;
mod jpeg_ls;
mod jpeg_xl;
mod rle;
mod samples;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What one decoded frame is, as the header of the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Samples per pixel: 1, 3 or 4.
    pub(crate) samples: usize,
    /// 8, 16 or 32.
    pub(crate) bits_allocated: u16,
    pub(crate) bits_stored: u16,
    /// Whether samples are two's complement.
    pub(crate) signed: bool,
}

/// What the samples of a decoded frame with colours mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// What the header's PhotometricInterpretation says.
    AsDeclared,
    /// RGB: the stream said so, or the decoder turned them into it.
    Rgb,
}

/// Why a frame is not decoded; the file, which the caller knows, is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) remedy: Option<String>,
    /// Whether the stream is legal, and only nothing here decodes it. Else it is damaged.
    pub(crate) legal: bool,
}

/// A result of a decoder.
type Outcome<T> = Result<T, Refusal>;

impl Refusal {
    /// A stream that is broken, or contradicts the header.
    fn damaged(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            remedy: Some("copy or export the file again".to_owned()),
            legal: false,
        }
    }

    /// A legal stream that nothing here decodes.
    fn unsupported(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            remedy: Some(
                "convert the file to an uncompressed transfer syntax first (gdcmconv --raw)"
                    .to_owned(),
            ),
            legal: true,
        }
    }
}

impl Frame {
    /// Samples of the frame.
    fn len(&self) -> usize {
        self.rows * self.columns * self.samples
    }

    /// Bytes of one sample.
    fn bytes(&self) -> usize {
        usize::from(self.bits_allocated / 8)
    }

    /// Refuses a stream of another size than the header's.
    fn expect(&self, what: &str, rows: usize, columns: usize, samples: usize) -> Outcome<()> {
        if (rows, columns, samples) == (self.rows, self.columns, self.samples) {
            return Ok(());
        }
        Err(Refusal::damaged(format!(
            "the {what} stream holds {columns} x {rows} pixels of {samples} samples, the header declares {} x {} of {}",
            self.columns, self.rows, self.samples
        )))
    }

    /// Refuses samples of more bits than the header allocates.
    fn expect_bits(&self, what: &str, bits: u32) -> Outcome<()> {
        if bits <= u32::from(self.bits_allocated) {
            return Ok(());
        }
        Err(Refusal::damaged(format!(
            "the {what} stream holds samples of {bits} bits, the header allocates {}",
            self.bits_allocated
        )))
    }
}

/// How the frames of a transfer syntax are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
    JpegXl,
}

/// The coding that a transfer syntax's UID stands for.
fn coding(syntax: &str) -> Option<Coding> {
    // A UID of odd length is padded with a zero byte, by some with a space.
    let tail = syntax
        .trim_end_matches(['\0', ' '])
        .strip_prefix("1.2.840.10008.1.2.")?;
    Some(match tail {
        "5" => Coding::Rle,
        // The retired processes differ in the order of a scan's contents, which the stream states.
        "4.50" | "4.51" | "4.52" | "4.53" | "4.54" | "4.55" | "4.56" | "4.57" | "4.58" | "4.70" => {
            Coding::Jpeg
        }
        "4.80" | "4.81" => Coding::JpegLs,
        "4.90" | "4.91" | "4.92" | "4.93" | "4.201" | "4.202" | "4.203" => Coding::Jpeg2000,
        "4.110" | "4.111" | "4.112" => Coding::JpegXl,
        _ => return None,
    })
}

fn known(syntax: &str) -> Outcome<Coding> {
    coding(syntax).ok_or_else(|| {
        Refusal::unsupported(format!(
            "frames of the transfer syntax {} are not decoded",
            syntax.trim_end_matches(['\0', ' ']).escape_default()
        ))
    })
}

/// Whether the frames of a transfer syntax, given by its UID, are encapsulated and can be decoded.
///
/// # Errors
/// Why not, and what would help: JPEG-LS names the feature `charls`.
pub(crate) fn supports(syntax: &str) -> Result<(), Refusal> {
    match known(syntax)? {
        Coding::JpegLs => jpeg_ls::supported(),
        Coding::Rle | Coding::Jpeg | Coding::Jpeg2000 | Coding::JpegXl => Ok(()),
    }
}

/// Decodes one frame, its fragments joined, into `out`: little-endian samples, colour by pixel,
/// exactly `rows * columns * samples * bits_allocated / 8` bytes.
///
/// Samples of fewer bits than are allocated are widened: with zeros, or where the frame is signed
/// with the sign. That is the highest bit of the stream's own precision in JPEG (as SimpleITK has
/// it), JPEG 2000 (as pydicom has it) and JPEG XL, and of `bits_stored` in RLE, which has no
/// precision, and JPEG-LS (as both have it); the two are the same in every sound file. A signed JPEG
/// 2000 stream in a file that declares unsigned samples is delivered in two's complement all the
/// same, `bits_allocated` wide. Bits above `bits_stored` are left as the stream has them.
///
/// # Errors
/// Where the stream is damaged, is of another size than the frame, or nothing here decodes it.
pub(crate) fn decode(
    syntax: &str,
    data: &[u8],
    frame: &Frame,
    out: &mut [u8],
) -> Result<Colours, Refusal> {
    let coding = known(syntax)?;
    let fits = matches!(frame.bits_allocated, 8 | 16 | 32)
        && matches!(frame.samples, 1 | 3 | 4)
        && (1..=frame.bits_allocated).contains(&frame.bits_stored)
        && (frame.rows, frame.columns) != (0, 0);
    let len = [frame.columns, frame.samples, frame.bytes()]
        .iter()
        .try_fold(frame.rows, |len, n| len.checked_mul(*n));
    if !fits || len != Some(out.len()) {
        return Err(Refusal::damaged(format!(
            "a frame of {} x {} pixels of {} samples, {} of {} bits, is none",
            frame.columns, frame.rows, frame.samples, frame.bits_stored, frame.bits_allocated
        )));
    }
    match coding {
        Coding::Rle => rle::decode(data, frame, out),
        Coding::Jpeg => jpeg::decode(data, frame, out),
        Coding::JpegLs => jpeg_ls::decode(data, frame, out),
        Coding::Jpeg2000 => guarded(|| jpeg2000::decode(data, frame, out)),
        Coding::JpegXl => guarded(|| jpeg_xl::decode(data, frame, out)),
    }
}

/// Calls a decoder of another crate, some of which panic on damaged streams: openjp2 where a length
/// overflows, in builds that check it.
fn guarded(decoder: impl FnOnce() -> Outcome<Colours>) -> Outcome<Colours> {
    // What a decoder leaves behind is its own, and `out`, which nobody reads after a refusal.
    catch_unwind(AssertUnwindSafe(decoder)).unwrap_or_else(|_| {
        Err(Refusal::damaged(
            "the stream is damaged (its decoder gave up)",
        ))
    })
}
