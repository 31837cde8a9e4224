//! The main header of a JPEG 2000 codestream: what must be known before a decoder sees it.

use super::super::{Frame, Outcome, Refusal};

/// Bytes of the shortest tile part: SOT and SOD.
const TILE_PART: usize = 14;
/// Pixels per tile, below which there are more tiles than anyone makes: decoders keep some
/// kilobytes for each.
const PIXELS_PER_TILE: usize = 1024;
/// Tiles that any stream may have.
const TILES: usize = 64;
/// Bits up to which the floats of hayro hold every sample of every step of a transform.
const HAYRO_BITS: u32 = 18;
/// Layers that hayro knows.
const HAYRO_LAYERS: u16 = 32;

/// What the main header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    rows: usize,
    columns: usize,
    components: usize,
    tiles: usize,
    /// Bits per sample.
    pub(super) precision: u32,
    pub(super) signed: bool,
    /// Whether the components have been transformed, which only colours are: they come back as RGB.
    pub(super) transformed: bool,
    layers: u16,
    /// Whether blocks are coded for high throughput: HTJ2K.
    high_throughput: bool,
    /// Whether the order of progression changes on the way.
    changes: bool,
}

/// The codestream of a frame, which some have put into a JP2 file.
pub(super) fn codestream(data: &[u8]) -> &[u8] {
    let mut rest = data;
    if !rest.starts_with(b"\0\0\0\x0cjP  ") {
        return data;
    }
    while let Some((&[l3, l2, l1, l0, ref kind @ ..], contents)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([l3, l2, l1, l0]) as usize;
        if kind == b"jp2c" {
            // A length of 0 reaches to the end; 1 says that 8 bytes with the length follow.
            return match length {
                1 => contents.get(8..).unwrap_or_default(),
                0 => contents,
                _ => rest.get(8..length).unwrap_or(contents),
            };
        }
        let Some(next) = rest.get(length.max(8)..) else {
            break;
        };
        rest = next;
    }
    data
}

fn damaged(what: &str) -> Refusal {
    Refusal::damaged(format!("the JPEG 2000 stream {what}"))
}

impl Header {
    /// Parses the main header.
    pub(super) fn parse(stream: &[u8]) -> Outcome<Self> {
        let cut_off = || damaged("is cut off in its header");
        let Some(mut rest) = stream.strip_prefix(&[0xff, 0x4f]) else {
            return Err(Refusal::damaged("the frame is no JPEG 2000 stream"));
        };
        let mut header: Option<Self> = None;
        let mut coded = false;
        loop {
            let (&[0xff, marker], after) = rest.split_first_chunk::<2>().ok_or_else(cut_off)?
            else {
                return Err(damaged("has no marker where one must be"));
            };
            if marker == 0x90 {
                // The first tile part.
                return header
                    .filter(|_| coded)
                    .ok_or_else(|| damaged("has no header"));
            }
            let (length, _) = after.split_first_chunk::<2>().ok_or_else(cut_off)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let contents = after.get(2..length).ok_or_else(cut_off)?;
            rest = after.get(length..).unwrap_or_default();
            match (marker, &mut header) {
                (0x51, None) => header = Some(Self::size(contents)?),
                (0x51, Some(_)) => return Err(damaged("states its size twice")),
                (0x52, Some(header)) => {
                    let [_, _, l1, l0, transformed, _, _, _, style, ..] = *contents else {
                        return Err(cut_off());
                    };
                    header.layers = u16::from_be_bytes([l1, l0]);
                    header.transformed = transformed != 0;
                    header.high_throughput |= style & 0x40 != 0;
                    coded = true;
                }
                (0x53, Some(header)) => {
                    // COC, whose style lies behind the component (a byte below 257 of them).
                    let style = contents.get(5).copied().unwrap_or(0);
                    header.high_throughput |= style & 0x40 != 0;
                }
                // CAP announces parts beyond the first, of which only 15 is decoded.
                (0x50, Some(header)) => header.high_throughput = true,
                (0x5f, Some(header)) => header.changes = true,
                _ => {}
            }
        }
    }

    /// Parses SIZ.
    fn size(contents: &[u8]) -> Outcome<Self> {
        let cut_off = || damaged("is cut off in its header");
        let (fixed, components) = contents.split_first_chunk::<36>().ok_or_else(cut_off)?;
        let mut words = fixed
            .get(2..34)
            .unwrap_or_default()
            .as_chunks::<4>()
            .0
            .iter();
        let mut next = || {
            words
                .next()
                .map_or(0, |word| u32::from_be_bytes(*word) as usize)
        };
        let [x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0] = std::array::from_fn(|_| next());
        let inside = x0 < x1 && y0 < y1 && tile_x0 <= x0 && tile_y0 <= y0;
        let begun = tile_x0 + tile_x > x0 && tile_y0 + tile_y > y0;
        if !inside || !begun {
            return Err(damaged("has an image outside its tiles"));
        }
        let tiles = (x1 - tile_x0).div_ceil(tile_x) * (y1 - tile_y0).div_ceil(tile_y);
        let (components, _) = components.as_chunks::<3>();
        let &[depth, across, down] = components.first().ok_or_else(cut_off)?;
        if components.iter().any(|c| *c != [depth, 1, 1]) || [across, down] != [1, 1] {
            return Err(Refusal::unsupported(
                "JPEG 2000 whose components differ in size or depth is not decoded",
            ));
        }
        Ok(Self {
            rows: y1 - y0,
            columns: x1 - x0,
            components: components.len(),
            tiles,
            precision: u32::from(depth & 0x7f) + 1,
            signed: depth & 0x80 != 0,
            transformed: false,
            layers: 1,
            high_throughput: false,
            changes: false,
        })
    }

    /// Refuses what is not the frame, or would take more memory than it is worth.
    pub(super) fn check(&self, length: usize, frame: &Frame) -> Outcome<()> {
        frame.expect("JPEG 2000", self.rows, self.columns, self.components)?;
        frame.expect_bits("JPEG 2000", self.precision)?;
        if self.precision > 31 {
            let reason = format!("JPEG 2000 of {} bits is not decoded", self.precision);
            return Err(Refusal::unsupported(reason));
        }
        let most = TILES.max(self.rows * self.columns / PIXELS_PER_TILE);
        if self.tiles > most.min(length / TILE_PART) {
            return Err(damaged(&format!(
                "declares {} tiles, more than it can hold",
                self.tiles
            )));
        }
        Ok(())
    }

    /// Whether hayro would refuse it, or not be exact.
    pub(super) fn beyond_hayro(&self) -> bool {
        self.high_throughput
            || self.changes
            || self.layers > HAYRO_LAYERS
            || self.precision > HAYRO_BITS
    }
}
