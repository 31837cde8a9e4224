//! The marker segments of a JPEG stream.

use super::super::{Outcome, Refusal};
use super::huffman::Table;

/// Which process a frame header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    Sequential,
    Progressive,
    Lossless,
}

/// A frame header: SOF.
pub(super) struct Sof {
    pub(super) process: Process,
    /// Bits per sample.
    pub(super) precision: u32,
    /// 0 where a later segment tells.
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) components: Vec<Component>,
}

/// One component of a frame.
#[derive(Clone, Copy)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, horizontal and vertical.
    pub(super) sampling: [usize; 2],
    pub(super) quantisation: usize,
}

/// A scan header: SOS.
pub(super) struct Scan {
    pub(super) components: Vec<ScanComponent>,
    /// The first coefficient, or the predictor of a lossless scan.
    pub(super) start: u8,
    /// The last coefficient.
    pub(super) end: u8,
    /// The bit position of the scan before, 0 for a first one.
    pub(super) high: u8,
    /// The bit position of this scan, or the point transform of a lossless one.
    pub(super) low: u8,
}

/// One component of a scan.
pub(super) struct ScanComponent {
    /// Which of the frame's.
    pub(super) index: usize,
    dc: usize,
    ac: usize,
}

impl ScanComponent {
    /// The table for DC coefficients, or for differences.
    pub(super) fn dc<'a>(&self, tables: &'a [Option<Table>; 4]) -> Outcome<&'a Table> {
        let table = tables.get(self.dc).and_then(Option::as_ref);
        table.ok_or_else(|| missing("Huffman"))
    }

    /// The table for AC coefficients.
    pub(super) fn ac<'a>(&self, tables: &'a [Option<Table>; 4]) -> Outcome<&'a Table> {
        let table = tables.get(self.ac).and_then(Option::as_ref);
        table.ok_or_else(|| missing("Huffman"))
    }
}

/// What is said where a scan names a table that has not been defined.
pub(super) fn missing(what: &str) -> Refusal {
    Refusal::damaged(format!("the JPEG stream has no {what} table for a scan"))
}

pub(super) fn cut_off() -> Refusal {
    Refusal::damaged("the header of the JPEG stream is cut off")
}

/// The next marker, without the fill bytes before it, and where what follows starts. `None` at the
/// end of the data.
pub(super) fn marker(data: &[u8], mut at: usize) -> Outcome<Option<(u8, usize)>> {
    match data.get(at) {
        None => return Ok(None),
        Some(0xff) => {}
        // One byte of padding, where the marker of the end is missing.
        Some(0) if at + 1 == data.len() => return Ok(None),
        Some(_) => {
            return Err(Refusal::damaged(format!(
                "byte {at} of the JPEG stream should be a marker"
            )));
        }
    }
    while data.get(at) == Some(&0xff) {
        at += 1;
    }
    Ok(data.get(at).map(|&marker| (marker, at + 1)))
}

/// The contents of the segment that starts at `at`, and where it ends.
pub(super) fn segment(data: &[u8], at: usize) -> Outcome<(&[u8], usize)> {
    let rest = data.get(at..).unwrap_or_default();
    let (length, _) = rest.split_first_chunk::<2>().ok_or_else(cut_off)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let contents = rest.get(2..length).ok_or_else(cut_off)?;
    Ok((contents, at + length))
}

impl Sof {
    /// Parses a frame header, marker `0xff` `marker`.
    pub(super) fn parse(marker: u8, contents: &[u8]) -> Outcome<Self> {
        let process = match marker {
            0xc0 | 0xc1 => Process::Sequential,
            0xc2 => Process::Progressive,
            0xc3 => Process::Lossless,
            0xc9..=0xcb => {
                let reason = "JPEG with arithmetic coding is not decoded";
                return Err(Refusal::unsupported(reason));
            }
            0xf7 => {
                let reason = "the frame is JPEG-LS, the transfer syntax says JPEG";
                return Err(Refusal::damaged(reason));
            }
            _ => return Err(Refusal::unsupported("hierarchical JPEG is not decoded")),
        };
        let (&[precision, y1, y0, x1, x0, count], components) =
            contents.split_first_chunk::<6>().ok_or_else(cut_off)?;
        let components: Vec<_> = (components.as_chunks::<3>().0.iter())
            .map(|&[id, sampling, quantisation]| Component {
                id,
                sampling: [usize::from(sampling >> 4), usize::from(sampling & 15)],
                quantisation: usize::from(quantisation),
            })
            .take(usize::from(count))
            .collect();
        if components.len() != usize::from(count) {
            return Err(cut_off());
        }
        let legal = match (process, marker) {
            (Process::Lossless, _) => (2..=16).contains(&precision),
            (_, 0xc0) => precision == 8,
            _ => matches!(precision, 8 | 12),
        };
        let sampled = |c: &Component| c.sampling.iter().all(|s| (1..=4).contains(s));
        if !legal || !components.iter().all(sampled) {
            return Err(Refusal::damaged(format!(
                "the JPEG stream declares {precision} bits, or sampling factors that it cannot have"
            )));
        }
        Ok(Self {
            process,
            precision: u32::from(precision),
            rows: usize::from(u16::from_be_bytes([y1, y0])),
            columns: usize::from(u16::from_be_bytes([x1, x0])),
            components,
        })
    }
}

impl Scan {
    /// Parses a scan header.
    pub(super) fn parse(contents: &[u8], sof: &Sof) -> Outcome<Self> {
        let (&count, rest) = contents.split_first().ok_or_else(cut_off)?;
        let components = rest.get(..2 * usize::from(count)).ok_or_else(cut_off)?;
        let parameters = rest.get(2 * usize::from(count)..).unwrap_or_default();
        let &[start, end, bits] = parameters.first_chunk::<3>().ok_or_else(cut_off)?;
        let mut scan = Self {
            components: Vec::new(),
            start,
            end,
            high: bits >> 4,
            low: bits & 15,
        };
        for &[id, tables] in components.as_chunks::<2>().0 {
            let index = sof.components.iter().position(|c| c.id == id);
            let index = index.filter(|index| scan.components.iter().all(|c| c.index < *index));
            scan.components.push(ScanComponent {
                index: index.ok_or_else(|| {
                    Refusal::damaged("a scan of the JPEG stream names a component that it has not")
                })?,
                dc: usize::from(tables >> 4),
                ac: usize::from(tables & 15),
            });
        }
        if scan.components.is_empty() {
            return Err(Refusal::damaged(
                "a scan of the JPEG stream has no components",
            ));
        }
        Ok(scan)
    }
}

/// Reads the Huffman tables of a segment: DHT.
pub(super) fn huffman(
    mut contents: &[u8],
    dc: &mut [Option<Table>; 4],
    ac: &mut [Option<Table>; 4],
) -> Outcome<()> {
    while let Some((&[class, ref counts @ ..], rest)) = contents.split_first_chunk::<17>() {
        let count = counts.iter().map(|count| usize::from(*count)).sum();
        let (symbols, rest) = rest.split_at_checked(count).ok_or_else(cut_off)?;
        let tables = if class >> 4 == 0 { &mut *dc } else { &mut *ac };
        let slot = tables.get_mut(usize::from(class & 15));
        *slot.ok_or_else(|| missing("Huffman"))? = Some(Table::new(counts, symbols)?);
        contents = rest;
    }
    Ok(())
}

/// Reads the quantisation tables of a segment, in zigzag order: DQT.
pub(super) fn quantisation(
    mut contents: &[u8],
    tables: &mut [Option<[u16; 64]>; 4],
) -> Outcome<()> {
    while let Some((&class, rest)) = contents.split_first() {
        let mut table = [0; 64];
        let wide = class >> 4 != 0;
        let size = if wide { 128 } else { 64 };
        let (values, rest) = rest.split_at_checked(size).ok_or_else(cut_off)?;
        if wide {
            let values = values.as_chunks::<2>().0.iter();
            (table.iter_mut().zip(values)).for_each(|(t, v)| *t = u16::from_be_bytes(*v));
        } else {
            (table.iter_mut().zip(values)).for_each(|(t, v)| *t = u16::from(*v));
        }
        let slot = tables.get_mut(usize::from(class & 15));
        *slot.ok_or_else(|| missing("quantisation"))? = Some(table);
        contents = rest;
    }
    Ok(())
}
