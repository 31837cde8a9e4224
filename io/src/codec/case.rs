//! One hostile frame in a few bytes: for the fuzzer, and for the tests that replay its corpus.

use super::{Colours, Frame, Refusal, decode};

/// The syntaxes that a case names by number.
const SYNTAXES: [&str; 5] = [
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.110",
];

/// A transfer syntax, what the header declares, and a stream.
pub(crate) struct Case<'a> {
    pub(crate) syntax: &'static str,
    pub(crate) frame: Frame,
    pub(crate) stream: &'a [u8],
}

impl<'a> Case<'a> {
    /// The case that the fuzzer's bytes stand for: syntax, kind of samples, rows, columns, stream.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[syntax, kind, rows, columns], stream) = bytes.split_first_chunk::<4>()?;
        let bits = [8, 16, 32, 16][usize::from(kind & 3)];
        let frame = Frame {
            rows: usize::from(rows) + 1,
            columns: usize::from(columns) + 1,
            samples: if kind & 4 == 0 { 1 } else { 3 },
            bits_allocated: bits,
            bits_stored: bits - u16::from(kind >> 4 & 7),
            signed: kind & 8 != 0,
        };
        let syntax = SYNTAXES[usize::from(syntax) % SYNTAXES.len()];
        Some(Self {
            syntax,
            frame,
            stream,
        })
    }

    /// Decodes it, and holds what comes of it to the promises.
    pub(crate) fn run(&self) -> Result<Colours, Refusal> {
        let outcome = run(self.syntax, &self.frame, self.stream);
        outcome.map(|(_, colours)| colours)
    }
}

/// Decodes a stream; a refusal is of one line.
pub(crate) fn run(
    syntax: &str,
    frame: &Frame,
    stream: &[u8],
) -> Result<(Vec<u8>, Colours), Refusal> {
    let mut out = vec![0xaa; frame.len() * frame.bytes()];
    let outcome = decode(syntax, stream, frame, &mut out);
    if let Err(refusal) = &outcome {
        let remedy = refusal.remedy.iter();
        for text in remedy.chain([&refusal.reason]) {
            assert!(!text.is_empty() && !text.contains('\n'), "{text}");
        }
    }
    outcome.map(|colours| (out, colours))
}
