//! The encoder behind level 1: a greedy search for repeats through one hash table, and Huffman
//! codes of its own for every 32 kB.
//!
//! Deflate is RFC 1951. What costs time is the search, so it takes longer steps the longer it has
//! found nothing; what costs size is the codes, so they follow the contents closely.

use super::huffman::{Code, codes};

/// How far back a repeat may lie.
const WINDOW: usize = 32_768;
/// The shortest repeat that is looked for, three 16-bit voxels: in noise, shorter ones are found
/// everywhere and cost as many bits as they save.
const SHORTEST: u32 = 6;
const LONGEST: usize = 258;
/// The table of positions takes 32 KiB, so that it stays in the fastest cache.
const HASH_BITS: u32 = 13;
/// No position, in the table of positions.
const NONE: u32 = u32::MAX;
/// After this many failures the step of the search grows by one.
const PATIENCE: usize = 16;
const LONGEST_STEP: usize = 6;
/// How much of the input shares one pair of codes.
const PART: usize = 32_000;
/// Literal codes are limited so that four of them fit into 64 bits beside a started byte.
const LITERAL_LIMIT: usize = 14;
const END: usize = 256;
/// The order in which deflate states the lengths of the code that states lengths.
const STATED: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// The symbol, number of extra bits and extra bits of a repeat's length.
const LENGTHS: [(u16, u8, u8); LONGEST + 1] = {
    let mut table = [(0, 0, 0); LONGEST + 1];
    let mut symbol = 257;
    let mut base = 3;
    while symbol < 285 {
        let extra = if symbol < 261 { 0 } else { (symbol - 261) / 4 };
        let mut i = 0;
        while i < 1 << extra && base + i < LONGEST {
            table[base + i] = (symbol as u16, extra as u8, i as u8);
            i += 1;
        }
        base += 1 << extra;
        symbol += 1;
    }
    table[LONGEST] = (285, 0, 0);
    table
};

/// A run of literals and the repeat that follows it.
#[derive(Clone, Copy)]
struct Sequence {
    literals: u32,
    length: u16,
    distance: u16,
}

/// Compresses blocks one after the other; nothing of one is remembered in the next.
pub(crate) struct Encoder {
    /// The latest position of each hash.
    positions: Vec<u32>,
    sequences: Vec<Sequence>,
    /// Literals at the end that no repeat follows.
    tail: usize,
    literal_counts: [u32; 286],
    distance_counts: [u32; 30],
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            positions: vec![NONE; 1 << HASH_BITS],
            sequences: Vec::new(),
            tail: 0,
            literal_counts: [0; 286],
            distance_counts: [0; 30],
        }
    }
}

impl Encoder {
    /// A deflate stream of `input` without an end, padded to a whole byte.
    pub(super) fn block(&mut self, input: &[u8]) -> Vec<u8> {
        self.positions.fill(NONE);
        let mut out = Bits::default();
        let mut start = 0;
        while start < input.len() {
            let end = self.search(input, start);
            self.write(&input[start..end], &mut out);
            start = end;
        }
        out.stored(&[]);
        out.bytes.truncate(out.len);
        out.bytes
    }

    /// Splits a part of the input into sequences, and returns where the part ends.
    fn search(&mut self, input: &[u8], start: usize) -> usize {
        self.sequences.clear();
        self.literal_counts.fill(0);
        self.distance_counts.fill(0);
        let end = (start + PART).min(input.len());
        // Loads of eight bytes must stay inside.
        let last = end.min(input.len().saturating_sub(8));
        let (mut at, mut literal, mut failures) = (start, start, 0);
        while at < last {
            let word = beginning(input, at);
            let hash = (word.wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - HASH_BITS)) as usize;
            let candidate = std::mem::replace(&mut self.positions[hash], at as u32) as usize;
            if candidate >= at || at - candidate > WINDOW || beginning(input, candidate) != word {
                at += 1 + (failures / PATIENCE).min(LONGEST_STEP);
                failures += 1;
                continue;
            }
            failures = 0;
            let mut from = at;
            let mut back = candidate;
            // A step may have passed the beginning of the repeat.
            while from > literal && back > 0 && input[from - 1] == input[back - 1] {
                from -= 1;
                back -= 1;
            }
            let length = repeat(input, back, from);
            self.push(&input[literal..from], length, from - back);
            at = from + length;
            literal = at;
        }
        let end = if input.len() - end < 8 {
            input.len()
        } else {
            at.max(end)
        };
        self.tail = end - literal;
        count(&input[literal..end], &mut self.literal_counts);
        self.literal_counts[END] = 1;
        end
    }

    fn push(&mut self, literals: &[u8], length: usize, distance: usize) {
        count(literals, &mut self.literal_counts);
        self.literal_counts[usize::from(LENGTHS[length].0)] += 1;
        self.distance_counts[distance_symbol(distance).0] += 1;
        self.sequences.push(Sequence {
            literals: literals.len() as u32,
            length: length as u16,
            distance: (distance - 1) as u16,
        });
    }

    /// Writes the sequences of a part, or the part as it is where that is shorter.
    fn write(&mut self, part: &[u8], out: &mut Bits) {
        let literals = codes(&self.literal_counts, LITERAL_LIMIT);
        let distances = codes(&self.distance_counts, 15);
        let header = Header::new(&literals, &distances);
        let cost = header.cost()
            + total(&self.literal_counts, &literals, |s| {
                if s < 265 || s == 285 {
                    0
                } else {
                    (s as u32 - 261) / 4
                }
            })
            + total(&self.distance_counts, &distances, |s| {
                (s as u32 / 2).saturating_sub(1)
            });
        if cost / 8 >= part.len() as u64 {
            part.chunks(65_535).for_each(|chunk| out.stored(chunk));
            return;
        }
        out.reserve(cost as usize / 8 + 64);
        header.write(out);
        let lengths: [Code; LONGEST + 1] = std::array::from_fn(|length| {
            let (symbol, count, extra) = LENGTHS[length];
            literals
                .get(usize::from(symbol))
                .map_or_else(Code::default, |code| Code {
                    bits: code.bits | u32::from(extra) << code.count,
                    count: code.count + u32::from(count),
                })
        });
        let mut at = 0;
        for sequence in &self.sequences {
            let end = at + sequence.literals as usize;
            out.literals(&part[at..end], &literals);
            let distance = usize::from(sequence.distance) + 1;
            let (symbol, count, extra) = distance_symbol(distance);
            out.code(lengths[usize::from(sequence.length)]);
            out.code(distances[symbol]);
            out.put(extra, count);
            out.flush();
            at = end + usize::from(sequence.length);
        }
        out.literals(&part[at..at + self.tail], &literals);
        out.code(literals[END]);
        out.flush();
    }
}

/// The bytes that a repeat must share at least, moved to the top.
fn beginning(input: &[u8], at: usize) -> u64 {
    load8(input, at) << (64 - 8 * SHORTEST)
}

fn load8(input: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&input[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// How many bytes are the same at two positions, `LONGEST` at most.
fn repeat(input: &[u8], back: usize, from: usize) -> usize {
    let most = LONGEST.min(input.len() - from);
    let mut length = 0;
    while length + 8 <= most {
        let differing = load8(input, back + length) ^ load8(input, from + length);
        if differing != 0 {
            return length + differing.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    while length < most && input[back + length] == input[from + length] {
        length += 1;
    }
    length
}

/// The symbol of a distance, the number of its extra bits, and the extra bits.
fn distance_symbol(distance: usize) -> (usize, u32, u32) {
    let d = (distance - 1) as u32;
    if d < 4 {
        return (d as usize, 0, 0);
    }
    let top = d.ilog2();
    let count = top - 1;
    let symbol = 2 * top + (d >> count & 1);
    (symbol as usize, count, d & ((1 << count) - 1))
}

fn count(literals: &[u8], counts: &mut [u32; 286]) {
    for &byte in literals {
        counts[usize::from(byte)] += 1;
    }
}

/// The number of bits of all symbols, extra bits included.
fn total<const N: usize>(
    counts: &[u32; N],
    codes: &[Code; N],
    extra: impl Fn(usize) -> u32,
) -> u64 {
    let bits = |s: usize| u64::from(counts[s]) * u64::from(codes[s].count + extra(s));
    (0..N).map(bits).sum()
}

/// The lengths of both codes as deflate states them.
struct Header {
    literals: usize,
    distances: usize,
    /// Symbols of the code of lengths, each with its extra bits and their number.
    symbols: Vec<(usize, u32, u32)>,
    codes: [Code; 19],
    stated: usize,
}

impl Header {
    fn new(literals: &[Code; 286], distances: &[Code; 30]) -> Self {
        let used = |codes: &[Code], least: usize| {
            codes
                .iter()
                .rposition(|c| c.count > 0)
                .map_or(least, |last| (last + 1).max(least))
        };
        let (literal_count, distance_count) = (used(literals, 257), used(distances, 1));
        let lengths: Vec<u32> = literals[..literal_count]
            .iter()
            .chain(&distances[..distance_count])
            .map(|c| c.count)
            .collect();
        let symbols = run_lengths(&lengths);
        let mut counts = [0; 19];
        symbols.iter().for_each(|&(symbol, ..)| counts[symbol] += 1);
        let codes = codes(&counts, 7);
        let stated = STATED
            .iter()
            .rposition(|&s| codes[s].count > 0)
            .map_or(4, |last| (last + 1).max(4));
        Self {
            literals: literal_count,
            distances: distance_count,
            symbols,
            codes,
            stated,
        }
    }

    /// The number of bits.
    fn cost(&self) -> u64 {
        let symbols = self.symbols.iter();
        let bits: u32 = symbols
            .map(|&(symbol, count, _)| self.codes[symbol].count + count)
            .sum();
        u64::from(bits) + 17 + 3 * self.stated as u64
    }

    fn write(&self, out: &mut Bits) {
        // Not the last block; codes of its own.
        out.put(0b100, 3);
        out.put(self.literals as u32 - 257, 5);
        out.put(self.distances as u32 - 1, 5);
        out.put(self.stated as u32 - 4, 4);
        out.flush();
        for &symbol in &STATED[..self.stated] {
            out.put(self.codes[symbol].count, 3);
            out.flush();
        }
        for &(symbol, count, extra) in &self.symbols {
            out.code(self.codes[symbol]);
            out.put(extra, count);
            out.flush();
        }
    }
}

/// Lengths with their runs folded: 16 repeats the last 3 to 6 times, 17 and 18 are 3 to 10 and 11
/// to 138 zeros.
fn run_lengths(lengths: &[u32]) -> Vec<(usize, u32, u32)> {
    let mut symbols = Vec::with_capacity(lengths.len());
    for run in lengths.chunk_by(|a, b| a == b) {
        let length = run[0];
        let mut left = run.len() as u32;
        if length > 0 {
            symbols.push((length as usize, 0, 0));
            left -= 1;
        }
        while left > 0 {
            let (symbol, bits, least, most) = match (length, left) {
                (0, 11..) => (18, 7, 11, 138),
                (0, 3..) => (17, 3, 3, 10),
                (_, 3..) => (16, 2, 3, 6),
                _ => (length as usize, 0, 1, 1),
            };
            let taken = left.min(most);
            symbols.push((symbol, bits, taken - least));
            left -= taken;
        }
    }
    symbols
}

/// Bits, the first lowest in its byte.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// How many of the bytes are written; the rest is room.
    len: usize,
    pending: u64,
    count: u32,
}

impl Bits {
    /// Makes room for that many bytes more; [`Bits::flush`] writes eight at a time.
    fn reserve(&mut self, bytes: usize) {
        self.bytes.resize(self.len + bytes + 16, 0);
    }

    /// Adds bits; at most 57 fit between two calls of [`Bits::flush`].
    fn put(&mut self, bits: u32, count: u32) {
        self.pending |= u64::from(bits) << self.count;
        self.count += count;
    }

    fn code(&mut self, code: Code) {
        self.put(code.bits, code.count);
    }

    /// Moves whole bytes out.
    fn flush(&mut self) {
        self.bytes[self.len..self.len + 8].copy_from_slice(&self.pending.to_le_bytes());
        self.len += (self.count / 8) as usize;
        self.pending >>= self.count & !7;
        self.count &= 7;
    }

    fn literals(&mut self, literals: &[u8], codes: &[Code; 286]) {
        let (fours, rest) = literals.as_chunks::<4>();
        for four in fours {
            four.iter()
                .for_each(|&byte| self.code(codes[usize::from(byte)]));
            self.flush();
        }
        rest.iter()
            .for_each(|&byte| self.code(codes[usize::from(byte)]));
        self.flush();
    }

    /// Writes bytes as they are, at most 65,535; they end on a byte.
    fn stored(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len() + 16);
        self.put(0, 3);
        self.count = self.count.next_multiple_of(8);
        self.flush();
        let len = bytes.len() as u16;
        self.put(u32::from(len) | u32::from(!len) << 16, 32);
        self.flush();
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    /// What two other inflaters make of it.
    fn inflated(encoder: &mut Encoder, input: &[u8]) -> usize {
        let mut packed = encoder.block(input);
        let len = packed.len();
        packed.extend([3, 0]);
        let mut out = Vec::new();
        flate2::read::DeflateDecoder::new(packed.as_slice())
            .read_to_end(&mut out)
            .unwrap();
        assert!(out == input);
        let mut out = vec![0; input.len()];
        let n = libdeflater::Decompressor::new().deflate_decompress(&packed, &mut out);
        assert!(n == Ok(input.len()) && out == input);
        len
    }

    #[test]
    fn any_length_of_one_value_survives() {
        let mut encoder = Encoder::default();
        for len in (0..600).chain([PART - 1, PART, PART + 1, PART + 9, 3 * PART, 1 << 20]) {
            inflated(&mut encoder, &vec![7; len]);
        }
    }

    #[test]
    fn noise_is_stored_at_no_more_than_its_own_size() {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..300_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        assert!(inflated(&mut Encoder::default(), &noise) < noise.len() + 64);
    }

    #[test]
    fn skewed_values_get_codes_up_to_the_limit() {
        // Powers of two make the deepest trees.
        let input: Vec<u8> = (0..20_u32)
            .flat_map(|s| vec![s as u8; 1 << (s.min(15))])
            .collect();
        let mixed: Vec<u8> = (0..input.len())
            .map(|i| input[i * 40_503 % input.len()])
            .collect();
        inflated(&mut Encoder::default(), &mixed);
    }

    #[test]
    fn repeats_as_far_as_the_window_are_found_and_none_beyond() {
        for gap in [WINDOW - 40, WINDOW - 20, WINDOW - 19, WINDOW, WINDOW + 20] {
            let mut input: Vec<u8> = (0..gap as u32)
                .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            let start = input[..20].to_vec();
            input.extend(start);
            input.extend([0; 16]);
            inflated(&mut Encoder::default(), &input);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn anything_survives(pieces in proptest::collection::vec((0_u8..=255, 1_u8..8, 1_usize..20_000, any::<u32>()), 0..12)) {
            let mut input = Vec::new();
            for (base, bits, len, seed) in pieces {
                let mut state = seed;
                for _ in 0..len {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    input.push(base.wrapping_add((state >> (32 - u32::from(bits))) as u8));
                }
                let again = input.len().saturating_sub(len / 3 + 1);
                input.extend_from_within(again..);
            }
            let mut encoder = Encoder::default();
            inflated(&mut encoder, &input);
            // The encoder remembers nothing.
            prop_assert_eq!(encoder.block(&input), Encoder::default().block(&input));
        }
    }
}
