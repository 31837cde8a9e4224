//! Raw numbers to values, one at a time: loops that the compiler vectorises.

use voxprep_core::voxels::{ElementType, Voxel};

use super::{Extent, Map, Number, Scale};

/// A raw number.
trait Raw: Copy {
    const BYTES: usize;
    fn little(bytes: &[u8]) -> Self;
    fn big(bytes: &[u8]) -> Self;
    fn integer(self) -> i64;
    fn real(self) -> f64;
    fn is_exact(self) -> bool;
}

macro_rules! raw {
    ($($type:ty, $exact:expr;)*) => {$(
        impl Raw for $type {
            const BYTES: usize = size_of::<Self>();
            #[inline]
            fn little(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<Self>()];
                array.copy_from_slice(bytes);
                Self::from_le_bytes(array)
            }
            #[inline]
            fn big(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<Self>()];
                array.copy_from_slice(bytes);
                Self::from_be_bytes(array)
            }
            #[inline]
            fn integer(self) -> i64 {
                self as i64
            }
            #[inline]
            fn real(self) -> f64 {
                self as f64
            }
            #[inline]
            fn is_exact(self) -> bool {
                let exact: fn(Self) -> bool = $exact;
                exact(self)
            }
        }
    )*};
}
raw! {
    u8, |_| true;
    i8, |_| true;
    i16, |_| true;
    u16, |_| true;
    i32, |_| true;
    u32, |_| true;
    i64, |v| v as f64 as i128 == i128::from(v);
    u64, |v| v as f64 as i128 == i128::from(v);
    f32, |_| true;
    f64, |_| true;
}

macro_rules! raw_half {
    ($($type:ty)*) => {$(
        impl Raw for $type {
            const BYTES: usize = 2;
            #[inline]
            fn little(bytes: &[u8]) -> Self {
                Self::from_bits(u16::little(bytes))
            }
            #[inline]
            fn big(bytes: &[u8]) -> Self {
                Self::from_bits(u16::big(bytes))
            }
            #[inline]
            fn integer(self) -> i64 {
                self.real() as i64
            }
            #[inline]
            fn real(self) -> f64 {
                f64::from(self.to_f32())
            }
            #[inline]
            fn is_exact(self) -> bool {
                true
            }
        }
    )*};
}
raw_half!(half::f16 half::bf16);

/// A voxel type that a raw number may become.
pub(super) trait Target: Voxel {
    fn from_integer(v: i64) -> Self;
    fn from_real(v: f64) -> Self;
}

macro_rules! target {
    ($($type:ty)*) => {$(
        impl Target for $type {
            #[inline]
            fn from_integer(v: i64) -> Self {
                v as $type
            }
            #[inline]
            fn from_real(v: f64) -> Self {
                v as $type
            }
        }
    )*};
}
target!(u8 i16 u16 i32 f32 f64);

/// Raw numbers among bytes: one every `step`, from `first` on.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) step: usize,
    pub(super) first: usize,
    pub(super) big_endian: bool,
}

impl Numbers<'_> {
    /// Calls `f` for each in turn. The four loops differ in what the compiler knows: a constant
    /// step and byte order make it vectorise.
    #[inline]
    fn each<S: Raw>(self, mut f: impl FnMut(S)) {
        if self.step == S::BYTES {
            let numbers = self.bytes.chunks_exact(S::BYTES);
            if self.big_endian {
                numbers.for_each(|b| f(S::big(b)));
            } else {
                numbers.for_each(|b| f(S::little(b)));
            }
        } else {
            let range = self.first..self.first + S::BYTES;
            let numbers = self
                .bytes
                .chunks_exact(self.step)
                .map(|voxel| &voxel[range.clone()]);
            if self.big_endian {
                numbers.for_each(|b| f(S::big(b)));
            } else {
                numbers.for_each(|b| f(S::little(b)));
            }
        }
    }

    #[inline]
    fn map_into<S: Raw, T>(self, out: &mut [T], f: impl Fn(S) -> T) {
        let mut out = out.iter_mut();
        self.each(|raw| {
            if let Some(out) = out.next() {
                *out = f(raw);
            }
        });
    }

    fn convert<S: Raw, T: Target>(self, out: &mut [T], map: Map) {
        let float = matches!(T::TYPE, ElementType::F32 | ElementType::F64);
        match map {
            Map::Keep if float => self.map_into(out, |raw: S| T::from_real(raw.real())),
            Map::Keep => self.map_into(out, |raw: S| T::from_integer(raw.integer())),
            Map::Add(n) => {
                self.map_into(out, |raw: S| T::from_integer(raw.integer().wrapping_add(n)))
            }
            Map::Linear(Scale { slope, intercept }) => {
                self.map_into(out, |raw: S| T::from_real(raw.real() * slope + intercept));
            }
        }
    }

    fn extent<S: Raw>(self) -> Extent {
        let (mut low, mut high, mut exact) = (f64::INFINITY, f64::NEG_INFINITY, true);
        self.each(|raw: S| {
            let v = raw.real();
            if v.is_finite() {
                low = low.min(v);
                high = high.max(v);
            }
            exact &= raw.is_exact();
        });
        Extent { low, high, exact }
    }
}

/// Runs one expression with a type parameter bound to the Rust type of a [`Number`].
macro_rules! with_number {
    ($number:expr, $name:ident => $body:expr) => {
        match $number {
            Number::U8 => {
                type $name = u8;
                $body
            }
            Number::I8 => {
                type $name = i8;
                $body
            }
            Number::I16 => {
                type $name = i16;
                $body
            }
            Number::U16 => {
                type $name = u16;
                $body
            }
            Number::I32 => {
                type $name = i32;
                $body
            }
            Number::U32 => {
                type $name = u32;
                $body
            }
            Number::I64 => {
                type $name = i64;
                $body
            }
            Number::U64 => {
                type $name = u64;
                $body
            }
            Number::F16 => {
                type $name = half::f16;
                $body
            }
            Number::Bf16 => {
                type $name = half::bf16;
                $body
            }
            Number::F32 => {
                type $name = f32;
                $body
            }
            Number::F64 => {
                type $name = f64;
                $body
            }
        }
    };
}

/// Converts numbers into as many voxels.
pub(super) fn convert<T: Target>(number: Number, from: Numbers<'_>, out: &mut [T], map: Map) {
    with_number!(number, S => from.convert::<S, T>(out, map));
}

/// The extent of all numbers in `bytes` that are finite.
pub(super) fn extent(number: Number, bytes: &[u8], big_endian: bool) -> Extent {
    let numbers = Numbers {
        bytes,
        step: number.bytes() as usize,
        first: 0,
        big_endian,
    };
    with_number!(number, S => numbers.extent::<S>())
}
