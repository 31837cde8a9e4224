//! Hostile files from sound ones, the same for the same number.

use std::io::{Read, Write};

use crate::case::{Case, HeaderKind, Named};
use crate::repair::repair;
use crate::text;

/// SplitMix64 (Steele, Lea, Flood 2014): enough to vary tests.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`, or 0 where there is none.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// Where the fields of NIfTI-1 and Analyze are, and their bytes.
const FIELDS_1: [(usize, usize); 33] = [
    (0, 4),
    (39, 1),
    (40, 2),
    (42, 2),
    (44, 2),
    (46, 2),
    (48, 2),
    (50, 2),
    (52, 2),
    (54, 2),
    (56, 4),
    (68, 2),
    (70, 2),
    (72, 2),
    (76, 4),
    (80, 4),
    (84, 4),
    (88, 4),
    (92, 4),
    (108, 4),
    (112, 4),
    (116, 4),
    (123, 1),
    (140, 4),
    (144, 4),
    (252, 2),
    (254, 2),
    (256, 4),
    (268, 4),
    (280, 4),
    (300, 4),
    (344, 4),
    (348, 4),
];
/// The same of NIfTI-2.
const FIELDS_2: [(usize, usize); 28] = [
    (0, 4),
    (4, 4),
    (8, 4),
    (12, 2),
    (14, 2),
    (16, 8),
    (24, 8),
    (32, 8),
    (40, 8),
    (48, 8),
    (56, 8),
    (64, 8),
    (72, 8),
    (80, 8),
    (104, 8),
    (112, 8),
    (120, 8),
    (128, 8),
    (136, 8),
    (168, 8),
    (176, 8),
    (184, 8),
    (344, 4),
    (348, 4),
    (352, 8),
    (400, 8),
    (500, 4),
    (504, 4),
];
/// Integers at the edges of something.
const INTEGERS: [i64; 26] = [
    0,
    1,
    -1,
    2,
    3,
    4,
    5,
    7,
    8,
    16,
    127,
    128,
    255,
    256,
    348,
    352,
    512,
    540,
    544,
    768,
    2304,
    32_767,
    -32_768,
    i32::MAX as i64,
    i64::MAX,
    i64::MIN,
];
const REALS: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1e-30,
    1e30,
    3e38,
    1e-310,
    352.0,
    544.0,
    1e9,
    9.3e18,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// A case with something wrong in it, or a good deal.
pub(crate) fn mutated(seed: &Case, random: &mut Random) -> Case {
    let mut case = seed.clone();
    let packed = case.first.starts_with(&[0x1f, 0x8b]);
    // A packed file is mostly changed inside: damage outside is found by its checksum.
    let inside = packed && !random.one_in(4);
    if inside {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(case.first.as_slice())
            .read_to_end(&mut bytes)
            .unwrap();
        case.first = bytes;
    }
    let nifti = seed.reader.header == HeaderKind::Nifti;
    if nifti && case.named == Named::Single && random.one_in(24) {
        grow(&mut case.first, random);
    }
    for _ in 0..=random.below(4) {
        match seed.reader.header {
            HeaderKind::Text if !random.one_in(4) => text::change(&mut case.first, random),
            _ => change(&mut case.first, random),
        }
    }
    if seed.reader.header == HeaderKind::Elements {
        for _ in 0..=random.below(2) {
            element(&mut case.first, random);
        }
        if random.one_in(3) {
            digit(&mut case.first, random);
        }
    }
    if seed.reader.header == HeaderKind::Checked {
        if random.one_in(2) {
            digit(&mut case.first, random);
        }
        if !random.one_in(4) {
            repair(&mut case.first);
        }
    }
    if case.named != Named::Single && random.one_in(4) {
        change(&mut case.second, random);
    }
    if random.one_in(16) {
        // Only where the reader knows two files: others take every case for a single one.
        case.named = random.of(&[Named::Single, Named::Header, Named::Voxels]);
    }
    if inside || random.one_in(8) {
        case.first = packed_again(&case.first, random);
        if random.one_in(8) {
            change(&mut case.first, random);
        }
    }
    if case.first.len() > usize::from(u16::MAX) {
        case.first.truncate(usize::from(u16::MAX));
    }
    case
}

/// Changes an element: its length, its value, or what it is.
fn element(bytes: &mut [u8], random: &mut Random) {
    // Where two capital letters stand behind a tag; of implicit files anywhere.
    let explicit: Vec<usize> = (0..bytes.len().saturating_sub(12))
        .filter(|&at| bytes[at + 4..at + 6].iter().all(u8::is_ascii_uppercase))
        .collect();
    let at = match explicit.as_slice() {
        [] => random.below(bytes.len().saturating_sub(12)),
        places => random.of(places),
    };
    let (offset, width) = random.of(&[
        (6, 2),
        (8, 2),
        (8, 4),
        (8, 8),
        (12, 2),
        (4, 2),
        (0, 4),
        (4, 4),
    ]);
    let Some(place) = bytes.get_mut(at + offset..at + offset + width) else {
        return;
    };
    let value = match random.below(4) {
        0 => random.of(&INTEGERS),
        1 => random.below(300) as i64,
        2 => -1,
        _ => i64::from_le_bytes(random.of(&[
            *b"SQOBUNUS",
            *b"65535\\\\2",
            *b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
        ])),
    };
    place.copy_from_slice(&value.to_le_bytes()[..width]);
}

/// Changes a digit of a text, or puts one beside it.
fn digit(bytes: &mut Vec<u8>, random: &mut Random) {
    let places: Vec<usize> = (0..bytes.len().min(2048))
        .filter(|&at| bytes[at].is_ascii_digit())
        .collect();
    let Some(&at) = places.get(random.below(places.len())) else {
        return;
    };
    let digit = b'0' + random.below(10) as u8;
    if random.one_in(3) {
        bytes.insert(at, digit);
    } else {
        bytes[at] = digit;
    }
}

/// gzip, in one member.
pub(crate) fn packed(bytes: &[u8], level: u32) -> Vec<u8> {
    let level = flate2::Compression::new(level);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// gzip, in one member or several.
fn packed_again(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let member = |bytes: &[u8]| packed(bytes, 1);
    if random.one_in(3) {
        let (a, b) = bytes.split_at(random.below(bytes.len() + 1));
        [member(a), member(b)].concat()
    } else {
        member(bytes)
    }
}

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
        return;
    }
    match random.below(12) {
        0..=6 => field(bytes, random),
        7 | 8 => {
            let at = random.below(bytes.len().min(1024));
            bytes[at] = random.next() as u8;
        }
        9 => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        10 => bytes.truncate(random.below(bytes.len() + 1)),
        _ => {
            let from = random.below(bytes.len());
            let to = (from + random.below(64)).min(bytes.len());
            let piece = bytes[from..to].to_vec();
            let at = random.below(bytes.len());
            bytes.splice(at..at, piece);
        }
    }
}

/// Puts much of little between the header of a single file and its voxels: extensions again and
/// again, or nothing at all, with an offset that goes along with it.
fn grow(bytes: &mut Vec<u8>, random: &mut Random) {
    let big = bytes.first() == Some(&0);
    let two = matches!(bytes.get(..4), Some([0x1c, 2, 0, 0] | [0, 0, 2, 0x1c]));
    let (header, at) = if two { (540, 168) } else { (348, 108) };
    if bytes.len() < header + 4 {
        return;
    }
    let count = random.of(&[1, 3, 255, 256, 257, 2000]);
    let between = if random.one_in(2) {
        let size: i32 = random.of(&[0, 8, 16, 16, 32, 48, 1 << 20]);
        let code: i32 = random.of(&[0, 2, 6, 44]);
        let numbers = [size, code].map(|n| {
            if big {
                n.to_be_bytes()
            } else {
                n.to_le_bytes()
            }
        });
        let mut extension = numbers.concat();
        extension.resize(random.of(&[8, 16, 32]), b'x');
        bytes[header] = 1;
        extension.repeat(count)
    } else {
        vec![0; count * 1500]
    };
    let offset = (header + 4 + between.len()) as u64;
    bytes.splice(header + 4..header + 4, between);
    let mut field = if two {
        offset.to_le_bytes().to_vec()
    } else {
        (offset as f32).to_le_bytes().to_vec()
    };
    if big {
        field.reverse();
    }
    bytes[at..at + field.len()].copy_from_slice(&field);
}

/// Sets a field to something that it should not be.
fn field(bytes: &mut [u8], random: &mut Random) {
    let two =
        bytes.starts_with(&540_i32.to_le_bytes()) || bytes.starts_with(&540_i32.to_be_bytes());
    let (at, width) = if two {
        random.of(&FIELDS_2)
    } else {
        random.of(&FIELDS_1)
    };
    let Some(place) = bytes.get_mut(at..at + width) else {
        return;
    };
    let integer = if random.one_in(3) {
        random.below(70_000) as i64 - 100
    } else {
        random.of(&INTEGERS)
    };
    let real = random.of(&REALS);
    let value = match width {
        8 if random.one_in(2) => real.to_le_bytes(),
        4 if random.one_in(2) => u64::from((real as f32).to_bits()).to_le_bytes(),
        _ => integer.to_le_bytes(),
    };
    place.copy_from_slice(&value[..width]);
    if random.one_in(2) {
        place.reverse();
    }
}
