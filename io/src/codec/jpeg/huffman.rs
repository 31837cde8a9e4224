//! Huffman codes by tables: most are found in one look.

use super::super::{Outcome, Refusal};
use super::bits::{Bits, extend};

/// Codes of up to this many bits are found in one look.
const LOOK: u32 = 10;
/// Differences of which code and bits together are at most this many are found in one look.
const LOOK_DIFFERENCE: u32 = 12;

/// A Huffman code: DHT of T.81.
pub(super) struct Table {
    /// Length and symbol of the code that the next bits start with; 0 where it is longer.
    look: Vec<u16>,
    /// The lowest number of 16 bits that is no code of this length or shorter.
    limits: [u32; 17],
    /// What to add to a code of this length for its place in `symbols`.
    places: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// The code with so many codes of each length, and their symbols in order.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Outcome<Self> {
        let mut look = vec![0; 1 << LOOK];
        let (mut limits, mut places) = ([0_u32; 17], [0_i32; 17]);
        let (mut code, mut place) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            code <<= 1;
            let count = usize::from(count);
            let these = symbols.get(place..place + count);
            let (Some(these), true) = (these, code as usize + count <= 1 << length) else {
                return Err(Refusal::damaged(
                    "a Huffman table of the JPEG stream is none",
                ));
            };
            if let Some(slot) = places.get_mut(length as usize) {
                *slot = place as i32 - code as i32;
            }
            for (code, &symbol) in (code..).zip(these).take_while(|_| length <= LOOK) {
                let first = (code << (LOOK - length)) as usize;
                let entries = look.get_mut(first..first + (1 << (LOOK - length)));
                entries
                    .unwrap_or_default()
                    .fill((length as u16) << 8 | u16::from(symbol));
            }
            code += count as u32;
            place += count;
            if let Some(limit) = limits.get_mut(length as usize) {
                *limit = code << (16 - length);
            }
        }
        Ok(Self {
            look,
            limits,
            places,
            symbols: symbols.to_vec(),
        })
    }

    /// The largest symbol.
    pub(super) fn largest(&self) -> u8 {
        self.symbols.iter().copied().max().unwrap_or(0)
    }

    /// Reads a symbol; at least 16 bits must be available.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits) -> Outcome<u8> {
        let entry = self.look.get(bits.peek(LOOK)).copied().unwrap_or(0);
        if entry == 0 {
            return self.long(bits);
        }
        bits.skip(u32::from(entry >> 8));
        Ok(entry as u8)
    }

    #[cold]
    fn long(&self, bits: &mut Bits) -> Outcome<u8> {
        let next = bits.peek(16) as u32;
        for ((length, &limit), &place) in (0..).zip(&self.limits).zip(&self.places) {
            if next < limit {
                let place = usize::try_from((next >> (16 - length)) as i32 + place);
                let symbol = place.ok().and_then(|place| self.symbols.get(place));
                bits.skip(length);
                return symbol.copied().ok_or_else(no_code);
            }
        }
        Err(no_code())
    }
}

#[cold]
fn no_code() -> Refusal {
    Refusal::damaged("the JPEG stream has bits that are no Huffman code")
}

/// The code of differences in a lossless scan: code and bits are found in one look where they are
/// short, as nearly all are.
pub(super) struct Differences<'a> {
    /// The difference, 16 bits, above the number of bits that it takes; 0 where it takes more.
    look: Vec<u32>,
    table: &'a Table,
}

impl<'a> Differences<'a> {
    pub(super) fn new(table: &'a Table) -> Outcome<Self> {
        if table.largest() > 16 {
            return Err(Refusal::damaged(
                "a Huffman table of the JPEG stream has differences of more than 16 bits",
            ));
        }
        let look = (0..1_u32 << LOOK_DIFFERENCE)
            .map(|next| {
                // Two looks are enough for any code this short.
                let entry = table.look.get((next >> (LOOK_DIFFERENCE - LOOK)) as usize);
                let entry = entry.copied().unwrap_or(0);
                let [length, bits] = [u32::from(entry >> 8), u32::from(entry & 0xff)];
                let total = length + bits;
                if length == 0 || total > LOOK_DIFFERENCE {
                    return 0;
                }
                let value = next >> (LOOK_DIFFERENCE - total) & ((1 << bits) - 1);
                (extend(value, bits) as u16 as u32) << 16 | total
            })
            .collect();
        Ok(Self { look, table })
    }

    /// Reads a difference modulo 65,536. At least 12 bits must be available; where it takes more,
    /// 56 are afterwards.
    #[inline(always)]
    pub(super) fn read(&self, bits: &mut Bits) -> Outcome<u16> {
        let entry = self.look.get(bits.peek(LOOK_DIFFERENCE)).copied();
        let entry = entry.unwrap_or(0);
        if entry == 0 {
            return self.long(bits);
        }
        bits.skip(entry & 0xff);
        Ok((entry >> 16) as u16)
    }

    #[inline(never)]
    fn long(&self, bits: &mut Bits) -> Outcome<u16> {
        bits.refill();
        let length = u32::from(self.table.symbol(bits)?);
        // 16 stands for 32,768, without any bits.
        let difference = match length {
            16 => 32_768,
            _ => bits.signed(length),
        };
        bits.refill();
        Ok(difference as u16)
    }
}
