//! The entropy-coded bytes of a scan, bit by bit.

use super::super::{Outcome, Refusal};

/// The bytes of a scan without the zeros that are stuffed behind 0xFF, and where each restart
/// interval ends.
pub(super) struct Segments {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Segments {
    /// Takes a scan's bytes up to the next marker that is no restart; returns how many they were.
    pub(super) fn parse(data: &[u8]) -> Outcome<(Self, usize)> {
        let mut bytes = Vec::with_capacity(data.len());
        let mut ends = Vec::new();
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or_default();
            let plain = rest.iter().position(|&byte| byte == 0xff);
            let plain = plain.unwrap_or(rest.len());
            bytes.extend_from_slice(rest.get(..plain).unwrap_or_default());
            at += plain;
            match rest.get(plain + 1) {
                Some(0) => {
                    bytes.push(0xff);
                    at += 2;
                }
                // A fill byte before a marker.
                Some(0xff) => at += 1,
                Some(marker @ 0xd0..=0xd7) => {
                    if usize::from(marker & 7) != ends.len() % 8 {
                        return Err(Refusal::damaged(format!(
                            "restart marker {} of the JPEG stream is out of turn",
                            ends.len() + 1
                        )));
                    }
                    ends.push(bytes.len());
                    at += 2;
                }
                Some(_) | None => break,
            }
        }
        ends.push(bytes.len());
        Ok((Self { bytes, ends }, at))
    }

    /// The bits of a restart interval.
    pub(super) fn interval(&self, index: usize) -> Outcome<Bits<'_>> {
        let start = match index {
            0 => Some(0),
            _ => self.ends.get(index - 1).copied(),
        };
        let (Some(start), Some(&end)) = (start, self.ends.get(index)) else {
            return Err(Refusal::damaged(format!(
                "the JPEG stream ends before restart interval {}",
                index + 1
            )));
        };
        Ok(Bits {
            bytes: &self.bytes,
            at: start,
            end,
            buffer: 0,
            count: 0,
        })
    }
}

/// A reader of bits, the highest of a byte first. Behind the end there are zeros; [`Bits::check`]
/// tells.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    /// The next bits, the first of them highest. Below `count` bits lie some that count again.
    buffer: u64,
    count: u32,
}

impl Bits<'_> {
    /// Makes at least 56 bits available.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if let Some(next) = self.bytes.get(self.at..).and_then(|b| b.first_chunk::<8>()) {
            self.buffer |= u64::from_be_bytes(*next) >> self.count;
            self.at += ((63 - self.count) >> 3) as usize;
            self.count |= 56;
        } else {
            self.refill_at_end();
        }
    }

    /// Makes at least 32 bits available: a code and the bits behind it.
    #[inline(always)]
    pub(super) fn need(&mut self) {
        if self.count < 32 {
            self.refill();
        }
    }

    #[cold]
    fn refill_at_end(&mut self) {
        while self.count <= 56 {
            let byte = self.bytes.get(self.at).copied().unwrap_or(0);
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.at += 1;
            self.count += 8;
        }
    }

    /// The next `n` bits, 1 to 32, of those that are available.
    #[inline(always)]
    pub(super) fn peek(&self, n: u32) -> usize {
        (self.buffer >> (64 - n)) as usize
    }

    /// Takes `n` of the available bits.
    #[inline(always)]
    pub(super) fn skip(&mut self, n: u32) {
        self.buffer <<= n;
        self.count -= n;
    }

    /// Reads `n` bits, at most 16.
    #[inline(always)]
    pub(super) fn read(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        if self.count < n {
            self.refill();
        }
        let value = self.peek(n) as u32;
        self.skip(n);
        value
    }

    /// Reads a signed number of `n` bits, at most 16, as T.81 F.2.2.1 extends it.
    #[inline(always)]
    pub(super) fn signed(&mut self, n: u32) -> i32 {
        extend(self.read(n), n)
    }

    /// Refuses to have read more than there was.
    pub(super) fn check(&self) -> Outcome<()> {
        if self.at * 8 - self.count as usize <= self.end * 8 {
            return Ok(());
        }
        Err(Refusal::damaged(
            "the JPEG stream ends before the last pixel",
        ))
    }
}

/// The number that `n` bits stand for: those with the highest bit set are themselves, the others
/// negative.
#[inline(always)]
pub(super) fn extend(value: u32, n: u32) -> i32 {
    if n == 0 {
        return 0;
    }
    let negative = value >> (n - 1) == 0;
    value as i32 - if negative { (1 << n) - 1 } else { 0 }
}
