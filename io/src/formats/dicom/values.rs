//! Stored numbers to values: mask and sign, inversion, padding, rescale or look-up table, in one
//! pass over a row or a frame.

use std::sync::Arc;

use voxprep_core::voxels::{ElementType, Voxel};

use super::instance::{Rescale, Shape};
use super::lut::Lut;
use super::pixels::Stored;

/// What becomes of a stored number.
#[derive(Clone, Debug)]
pub(super) enum Map {
    Keep,
    Add(i64),
    Linear(Rescale),
    Table(Lut),
    /// What is shown of every stored number, from the least on.
    Shown(i64, Arc<[f32]>),
}

/// All that is done with the numbers of a frame.
#[derive(Clone, Debug)]
pub(super) struct Conversion {
    /// The lowest bit of a sample, and how many there are.
    low: u32,
    bits: u32,
    signed: bool,
    /// Whether the numbers run the other way: the least becomes the greatest.
    pub(super) invert: bool,
    pub(super) map: Map,
    /// Stored numbers, from and to, that become another value.
    pub(super) padding: Option<([i64; 2], f64)>,
}

/// A value that the type of the voxels does not hold.
pub(super) struct Overflow;

/// A type of voxels that values become.
pub(super) trait Target: Voxel {
    fn from_i32(value: i32) -> Self;
    fn to_i32(self) -> i32;
    fn from_i64(value: i64) -> Option<Self>;
    fn from_real(value: f64) -> Self;
}

macro_rules! target {
    ($($type:ty)*) => {$(
        impl Target for $type {
            #[inline]
            fn from_i32(value: i32) -> Self {
                value as $type
            }
            #[inline]
            fn to_i32(self) -> i32 {
                self as i32
            }
            #[inline]
            fn from_i64(value: i64) -> Option<Self> {
                let cast = value as $type;
                (cast as i64 == value).then_some(cast)
            }
            #[inline]
            fn from_real(value: f64) -> Self {
                value as $type
            }
        }
    )*};
}
target!(u8 i16 u16 i32 f32 f64);

impl Conversion {
    /// For the frames of this shape, as they are stored.
    pub(super) fn new(shape: &Shape, whole: bool, bits: u16) -> Self {
        let (low, bits) = if whole {
            (0, u32::from(bits))
        } else {
            let stored = u32::from(shape.bits_stored);
            (u32::from(shape.high_bit) + 1 - stored, stored)
        };
        Self {
            low,
            bits,
            signed: shape.signed && !whole,
            invert: false,
            map: Map::Keep,
            padding: None,
        }
    }

    /// Fills `out` with the values of `out.len()` samples, the first of which is `first`, one every
    /// `step`.
    pub(super) fn fill<T: Target>(
        &self,
        stored: &Stored<'_>,
        first: usize,
        step: usize,
        out: &mut [T],
    ) -> Result<(), Overflow> {
        match (stored.bits, stored.big_endian) {
            (8, _) => self.narrow::<1, T>(stored.bytes, first, step, out, |[a]| u32::from(a)),
            (16, false) => self.narrow::<2, T>(stored.bytes, first, step, out, |b| {
                u32::from(u16::from_le_bytes(b))
            }),
            (16, true) => self.narrow::<2, T>(stored.bytes, first, step, out, |b| {
                u32::from(u16::from_be_bytes(b))
            }),
            (32, false) => self.wide::<4, T>(stored.bytes, first, step, out, |b| {
                u64::from(u32::from_le_bytes(b))
            }),
            (32, true) => self.wide::<4, T>(stored.bytes, first, step, out, |b| {
                u64::from(u32::from_be_bytes(b))
            }),
            (_, false) => self.wide::<8, T>(stored.bytes, first, step, out, u64::from_le_bytes),
            (_, true) => self.wide::<8, T>(stored.bytes, first, step, out, u64::from_be_bytes),
        }
    }

    /// Fills `out` with floating-point pixels.
    pub(super) fn fill_float<T: Target>(&self, stored: &Stored<'_>, first: usize, out: &mut [T]) {
        let value = |v: f64| match &self.map {
            Map::Linear(Rescale { slope, intercept }) => T::from_real(v * slope + intercept),
            _ => T::from_real(v),
        };
        if stored.bits == 32 {
            each(stored.bytes, first, 1, out, |b: [u8; 4]| {
                let v = if stored.big_endian {
                    f32::from_be_bytes(b)
                } else {
                    f32::from_le_bytes(b)
                };
                value(f64::from(v))
            });
        } else {
            each(stored.bytes, first, 1, out, |b: [u8; 8]| {
                value(if stored.big_endian {
                    f64::from_be_bytes(b)
                } else {
                    f64::from_le_bytes(b)
                })
            });
        }
    }

    /// Samples of at most 16 bits: 32-bit arithmetic, which the compiler vectorises.
    #[inline]
    fn narrow<const N: usize, T: Target>(
        &self,
        bytes: &[u8],
        first: usize,
        step: usize,
        out: &mut [T],
        raw: impl Fn([u8; N]) -> u32 + Copy,
    ) -> Result<(), Overflow> {
        let (low, mask) = (self.low, (1_u32 << self.bits) - 1);
        let sign = if self.signed {
            1_i32 << (self.bits - 1)
        } else {
            0
        };
        let number = move |b: [u8; N]| ((raw(b) >> low & mask) as i32 ^ sign) - sign;
        let top = if self.signed { -1 } else { mask as i32 };
        let number = move |b: [u8; N], invert: bool| {
            let number = number(b);
            // The sum of the least and the greatest number.
            if invert { top - number } else { number }
        };
        if self.padding.is_some() || matches!(self.map, Map::Table(_) | Map::Shown(..)) {
            let mut fits = true;
            each(bytes, first, step, out, |b| {
                let value = self.any(i64::from(number(b, false)));
                fits &= value.is_some();
                value.unwrap_or_default()
            });
            return if fits { Ok(()) } else { Err(Overflow) };
        }
        let added = match &self.map {
            Map::Linear(Rescale { slope, intercept }) => {
                let invert = self.invert;
                each(bytes, first, step, out, |b| {
                    T::from_real(f64::from(number(b, invert)) * slope + intercept)
                });
                return Ok(());
            }
            Map::Add(added) => *added,
            Map::Keep | Map::Table(_) | Map::Shown(..) => 0,
        };
        let Ok(added) = i32::try_from(added) else {
            let mut fits = true;
            each(bytes, first, step, out, |b| {
                let value = self.any(i64::from(number(b, false)));
                fits &= value.is_some();
                value.unwrap_or_default()
            });
            return if fits { Ok(()) } else { Err(Overflow) };
        };
        let mut lost = 0;
        if self.invert {
            each(bytes, first, step, out, |b| {
                let value = number(b, true).wrapping_add(added);
                let cast = T::from_i32(value);
                lost |= value ^ cast.to_i32();
                cast
            });
        } else {
            each(bytes, first, step, out, |b| {
                let value = number(b, false).wrapping_add(added);
                let cast = T::from_i32(value);
                lost |= value ^ cast.to_i32();
                cast
            });
        }
        if lost == 0 { Ok(()) } else { Err(Overflow) }
    }

    /// Samples of 32 and 64 bits.
    fn wide<const N: usize, T: Target>(
        &self,
        bytes: &[u8],
        first: usize,
        step: usize,
        out: &mut [T],
        raw: impl Fn([u8; N]) -> u64,
    ) -> Result<(), Overflow> {
        let high = 64 - self.bits - self.low;
        let mut fits = true;
        each(bytes, first, step, out, |b| {
            let shifted = raw(b) << high;
            let number = if self.signed {
                Some(shifted as i64 >> (64 - self.bits))
            } else {
                i64::try_from(shifted >> (64 - self.bits)).ok()
            };
            let value = number.and_then(|number| self.any(number));
            fits &= value.is_some();
            value.unwrap_or_default()
        });
        if fits { Ok(()) } else { Err(Overflow) }
    }

    /// The value of any one number, before inversion; `None` where the type does not hold it.
    fn any<T: Target>(&self, number: i64) -> Option<T> {
        if let Some(([from, to], value)) = self.padding
            && (from..=to).contains(&number)
        {
            let value = T::from_real(value);
            return Some(value);
        }
        let number = if self.invert {
            let top = if self.signed {
                -1
            } else {
                1_i64.checked_shl(self.bits)?.wrapping_sub(1)
            };
            top.checked_sub(number)?
        } else {
            number
        };
        match &self.map {
            Map::Keep => T::from_i64(number),
            Map::Add(added) => T::from_i64(number.checked_add(*added)?),
            Map::Linear(Rescale { slope, intercept }) => {
                Some(T::from_real(number as f64 * slope + intercept))
            }
            Map::Table(lut) => T::from_i64(i64::from(lut.get(number))),
            Map::Shown(first, table) => {
                let shown = table.get(usize::try_from(number - first).ok()?)?;
                Some(T::from_real(f64::from(*shown)))
            }
        }
    }
}

/// Calls `f` for one sample after the other. The two loops differ in what the compiler knows.
#[inline]
fn each<const N: usize, T>(
    bytes: &[u8],
    first: usize,
    step: usize,
    out: &mut [T],
    mut f: impl FnMut([u8; N]) -> T,
) {
    let bytes = bytes.get(first * N..).unwrap_or(&[]);
    if step == 1 {
        let (samples, _) = bytes.as_chunks::<N>();
        for (out, sample) in out.iter_mut().zip(samples) {
            *out = f(*sample);
        }
    } else {
        let (samples, _) = bytes.as_chunks::<N>();
        for (out, sample) in out.iter_mut().zip(samples.iter().step_by(step)) {
            *out = f(*sample);
        }
    }
}

/// The types that voxels may have, the usual one first: each is tried until all values fit.
///
/// `range` is that of the stored numbers.
pub(super) fn types(shape: &Shape, maps: &[Map], range: [f64; 2]) -> Vec<ElementType> {
    use ElementType::{F32, F64, I16, I32, U8, U16};
    let kept = match (shape.bits_allocated, shape.signed) {
        (1 | 8, false) => U8,
        (16, false) => U16,
        (8 | 16, true) | (1, true) => I16,
        _ => I32,
    };
    if maps.iter().any(|map| matches!(map, Map::Table(_))) {
        return vec![U16];
    }
    let lines = maps.iter().filter_map(|map| match map {
        Map::Linear(line) => Some(*line),
        _ => None,
    });
    let lines: Vec<Rescale> = lines.collect();
    if !lines.is_empty() {
        let suits = lines.iter().all(|line| {
            let most = range.map(|v| (v * line.slope + line.intercept).abs());
            let most = most[0].max(most[1]);
            // The grid of f32 is at most half as wide as that of the values.
            most <= f64::from(f32::MAX) && most / 16_777_216.0 <= line.slope.abs() / 4.0
        });
        return vec![if suits { F32 } else { F64 }];
    }
    let added = maps.iter().map(|map| match map {
        Map::Add(added) => *added as f64,
        _ => 0.0,
    });
    let (least, most) = added.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
        (a.min(v), b.max(v))
    });
    let (low, high) = (range[0] + least, range[1] + most);
    let holds = |t: ElementType| {
        let (least, most) = match t {
            U8 => (0.0, 255.0),
            U16 => (0.0, 65_535.0),
            I16 => (-32_768.0, 32_767.0),
            I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
            F32 | F64 => return true,
        };
        low >= least && high <= most
    };
    if holds(kept) {
        return vec![kept];
    }
    // What the header allows may not fit where what the scanner measured does: HU, as a rule.
    let mut types = if shape.bits_allocated <= 16 {
        vec![I16]
    } else {
        Vec::new()
    };
    if holds(I16) {
        return types;
    }
    types.extend([I32, F64]);
    types
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::dicom::instance::Photometric;

    fn shape(allocated: u16, stored: u16, high: u16, signed: bool) -> Shape {
        Shape {
            rows: 1,
            columns: 4,
            samples: 1,
            bits_allocated: allocated,
            bits_stored: stored,
            high_bit: high,
            signed,
            planar: false,
            photometric: Photometric::Grey,
            frames: 1,
        }
    }

    fn stored(bytes: &[u8], bits: u16, big_endian: bool) -> Stored<'_> {
        Stored {
            bytes,
            big_endian,
            bits,
            channels: vec![(0, 1)],
            whole: false,
        }
    }

    fn values<T: Target>(c: &Conversion, s: &Stored<'_>, n: usize) -> Option<Vec<T>> {
        let mut out = vec![T::default(); n];
        c.fill(s, 0, 1, &mut out).ok().map(|()| out)
    }

    /// IO-04: 16-bit 0 with intercept -1024 is -1024, not 64512.
    #[test]
    fn an_intercept_is_added_in_wider_numbers() {
        let mut c = Conversion::new(&shape(16, 16, 15, false), false, 16);
        c.map = Map::Add(-1024);
        let bytes: Vec<u8> = [0_u16, 1024, 4095]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        assert_eq!(
            values(&c, &stored(&bytes, 16, false), 3),
            Some(vec![-1024_i16, 0, 3071])
        );
        let bytes: Vec<u8> = [0_u16, 65_535]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        assert_eq!(values::<i16>(&c, &stored(&bytes, 16, false), 2), None);
        assert_eq!(
            values(&c, &stored(&bytes, 16, false), 2),
            Some(vec![-1024_i32, 64_511])
        );
    }

    #[test]
    fn overlay_bits_are_masked_and_the_sign_is_that_of_the_stored_bits() {
        // 12 bits, the sign in bit 11; an overlay in bit 15.
        let bytes: Vec<u8> = [0x8FFF_u16, 0x0800, 0x87FF]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let c = Conversion::new(&shape(16, 12, 11, true), false, 16);
        assert_eq!(
            values(&c, &stored(&bytes, 16, false), 3),
            Some(vec![-1_i16, -2048, 2047])
        );
        let c = Conversion::new(&shape(16, 12, 11, false), false, 16);
        assert_eq!(
            values(&c, &stored(&bytes, 16, false), 3),
            Some(vec![4095_u16, 2048, 2047])
        );
        // High bit 15: the number is in the upper twelve bits.
        let bytes = 0xABC7_u16.to_be_bytes();
        let c = Conversion::new(&shape(16, 12, 15, false), false, 16);
        assert_eq!(
            values(&c, &stored(&bytes, 16, true), 1),
            Some(vec![0xABC_u16])
        );
    }

    #[test]
    fn inversion_is_about_the_stored_bits_and_padding_comes_first() {
        let bytes: Vec<u8> = [0_u16, 1, 1023]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let mut c = Conversion::new(&shape(16, 10, 9, false), false, 16);
        c.invert = true;
        assert_eq!(
            values(&c, &stored(&bytes, 16, false), 3),
            Some(vec![1023_u16, 1022, 0])
        );
        c.padding = Some(([1023, 1023], 7.0));
        assert_eq!(
            values(&c, &stored(&bytes, 16, false), 3),
            Some(vec![1023_u16, 1022, 7])
        );
    }

    #[test]
    fn wide_numbers_keep_their_sign_or_do_not_fit() {
        let bytes = [0xFF; 4];
        let c = Conversion::new(&shape(32, 32, 31, true), false, 32);
        assert_eq!(
            values(&c, &stored(&bytes, 32, false), 1),
            Some(vec![-1_i32])
        );
        let c = Conversion::new(&shape(32, 32, 31, false), false, 32);
        assert_eq!(values::<i32>(&c, &stored(&bytes, 32, false), 1), None);
        assert_eq!(
            values(&c, &stored(&bytes, 32, false), 1),
            Some(vec![4_294_967_295_f64])
        );
    }

    #[test]
    fn types_follow_from_the_stored_range_and_what_is_added() {
        use ElementType::{F32, F64, I16, I32, U16};
        let signed = shape(16, 16, 15, true);
        let twelve = shape(16, 12, 11, false);
        let full = shape(16, 16, 15, false);
        let line = Map::Linear(Rescale {
            slope: 0.5,
            intercept: 0.0,
        });
        for (shape, maps, expected) in [
            (&signed, vec![Map::Keep], vec![I16]),
            (&twelve, vec![Map::Keep], vec![U16]),
            (&twelve, vec![Map::Add(-1024), Map::Keep], vec![I16]),
            (&full, vec![Map::Add(-1024)], vec![I16, I32, F64]),
            (&full, vec![line], vec![F32]),
        ] {
            assert_eq!(types(shape, &maps, shape.range()), expected);
        }
    }
}
