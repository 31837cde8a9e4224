//! JPEG (ITU-T T.81): baseline, extended and progressive DCT of 8 and 12 bits, and the lossless
//! process of 2 to 16 bits, Huffman coded.
//!
//! The samples equal those of libjpeg (its accurate integer transform and its smooth chroma), which
//! GDCM uses. Arithmetic coding and hierarchical frames, which DICOM never had, are refused.

mod bits;
mod blocks;
mod colour;
mod header;
mod huffman;
mod idct;
mod lossless;
mod planes;
mod progressive;
mod sequential;

use super::samples::extend_signs;
use super::{Colours, Frame, Outcome, Refusal};
use bits::Segments;
use blocks::Blocks;
use header::{Process, Scan, Sof};
use huffman::Table;

/// What the segments before a scan have defined.
#[derive(Default)]
struct Tables {
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    quantisation: [Option<[u16; 64]>; 4],
    /// Units between restarts; 0 for none.
    restart: usize,
    jfif: bool,
    /// The colour transform that an Adobe segment declares.
    adobe: Option<u8>,
}

pub(super) fn decode(data: &[u8], frame: &Frame, out: &mut [u8]) -> Outcome<Colours> {
    if !data.starts_with(&[0xff, 0xd8]) {
        return Err(Refusal::damaged("the frame is no JPEG stream"));
    }
    let mut tables = Tables::default();
    let mut sof: Option<Sof> = None;
    // Components that a lossless scan has brought.
    let mut seen = [false; 4];
    let mut blocks: Option<Blocks> = None;
    let mut ended = false;
    let mut at = 2;
    while !ended && let Some((marker, next)) = header::marker(data, at)? {
        at = next;
        match marker {
            0xd8 | 0x01 | 0xd0..=0xd7 => continue,
            0xd9 => {
                ended = true;
                continue;
            }
            _ => {}
        }
        let (contents, next) = header::segment(data, at)?;
        at = next;
        match marker {
            0xc4 => header::huffman(contents, &mut tables.dc, &mut tables.ac)?,
            0xdb => header::quantisation(contents, &mut tables.quantisation)?,
            0xdd => {
                let interval = contents.first_chunk::<2>().ok_or_else(header::cut_off)?;
                tables.restart = usize::from(u16::from_be_bytes(*interval));
            }
            0xe0 => tables.jfif |= contents.starts_with(b"JFIF\0"),
            0xee if contents.starts_with(b"Adobe") => tables.adobe = contents.get(11).copied(),
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xf7 => {
                if sof.is_some() {
                    return Err(Refusal::damaged("the JPEG stream has two frame headers"));
                }
                let found = expected(Sof::parse(marker, contents)?, frame)?;
                if found.process != Process::Lossless {
                    blocks = Some(Blocks::new(&found, frame)?);
                }
                sof = Some(found);
            }
            0xda => {
                let sof = sof.as_ref().ok_or_else(|| {
                    Refusal::damaged("the JPEG stream has a scan before the frame header")
                })?;
                let scan = Scan::parse(contents, sof)?;
                let (segments, used) = Segments::parse(data.get(at..).unwrap_or_default())?;
                at += used;
                if let Some(blocks) = &mut blocks {
                    blocks.scan(sof, &scan, &tables, &segments)?;
                    ended = blocks.complete();
                } else {
                    for component in &scan.components {
                        let seen = seen.get_mut(component.index);
                        if seen.is_none_or(|seen| std::mem::replace(seen, true)) {
                            return Err(Refusal::damaged(
                                "the lossless JPEG stream has two scans of one component",
                            ));
                        }
                    }
                    let restart = tables.restart;
                    lossless::decode(sof, &scan, &tables.dc, restart, &segments, frame, out)?;
                    ended = seen.iter().filter(|seen| **seen).count() == frame.samples;
                }
            }
            // Comments, application data, and what else has a length.
            _ => {}
        }
    }
    let sof = sof.ok_or_else(header::cut_off)?;
    let rgb = match &mut blocks {
        Some(blocks) => blocks.finish(&sof, &tables, ended, frame, out)?,
        None if seen.iter().filter(|seen| **seen).count() < frame.samples => {
            return Err(Refusal::damaged(
                "the JPEG stream ends before the last scan",
            ));
        }
        None => colour::lossless(&sof, &tables, frame, out),
    };
    if frame.signed {
        extend_signs(out, frame, sof.precision);
    }
    Ok(if rgb {
        Colours::Rgb
    } else {
        Colours::AsDeclared
    })
}

/// A frame header that agrees with what the file declares.
fn expected(mut sof: Sof, frame: &Frame) -> Outcome<Sof> {
    if sof.rows == 0 {
        // A DNL segment behind the first scan repeats what the file declares.
        sof.rows = frame.rows;
    }
    frame.expect("JPEG", sof.rows, sof.columns, sof.components.len())?;
    frame.expect_bits("JPEG", sof.precision)?;
    Ok(sof)
}
