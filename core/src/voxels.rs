//! `Voxels`: the values of a volume, in one of six element types.
//!
//! Arrays are `[channel, z, y, x]`, C order, x fastest; triples are `[x, y, z]`.

use std::fmt;

use ndarray::{ArrayView3, ArrayView4, ArrayViewMut4, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use voxprep_kernels::Element;

use crate::buf::Buf;
use crate::error::{Error, Result};

/// One of the six types a voxel may have.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// Unsigned 8-bit integer.
    U8,
    /// Signed 16-bit integer.
    I16,
    /// Unsigned 16-bit integer.
    U16,
    /// Signed 32-bit integer.
    I32,
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
}

impl ElementType {
    /// Bytes per voxel.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Whether the type holds integers only.
    pub const fn is_integer(self) -> bool {
        !matches!(self, Self::F32 | Self::F64)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::I16 => "i16",
            Self::U16 => "u16",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// A type that a voxel may have: `u8`, `i16`, `u16`, `i32`, `f32`, `f64`. Closed.
pub trait Voxel: Element + bytemuck::Pod + sealed::Sealed {
    /// The type as a value.
    const TYPE: ElementType;
    #[doc(hidden)]
    fn wrap(buf: Buf<Self>) -> Data;
    #[doc(hidden)]
    fn unwrap(data: &Data) -> Option<&Buf<Self>>;
    #[doc(hidden)]
    fn unwrap_mut(data: &mut Data) -> Option<&mut Buf<Self>>;

    /// The view of this type, `[channel, z, y, x]`, or `None` where it has another.
    fn view_mut(view: VoxelsViewMut<'_>) -> Option<ArrayViewMut4<'_, Self>>;
}

mod sealed {
    pub trait Sealed {}
}

/// The buffer behind [`Voxels`]; only the `Voxel` trait speaks of it.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub enum Data {
    U8(Buf<u8>),
    I16(Buf<i16>),
    U16(Buf<u16>),
    I32(Buf<i32>),
    F32(Buf<f32>),
    F64(Buf<f64>),
}

/// A read-only view of the voxels, `[channel, z, y, x]`.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants are the element types")]
pub enum VoxelsView<'a> {
    U8(ArrayView4<'a, u8>),
    I16(ArrayView4<'a, i16>),
    U16(ArrayView4<'a, u16>),
    I32(ArrayView4<'a, i32>),
    F32(ArrayView4<'a, f32>),
    F64(ArrayView4<'a, f64>),
}

/// A view of the voxels for writing, `[channel, z, y, x]`.
#[derive(Debug)]
#[allow(missing_docs, reason = "the variants are the element types")]
pub enum VoxelsViewMut<'a> {
    U8(ArrayViewMut4<'a, u8>),
    I16(ArrayViewMut4<'a, i16>),
    U16(ArrayViewMut4<'a, u16>),
    I32(ArrayViewMut4<'a, i32>),
    F32(ArrayViewMut4<'a, f32>),
    F64(ArrayViewMut4<'a, f64>),
}

/// Runs one expression for whichever element type a value of the enum holds.
///
/// `dispatch!(VoxelsView, view, v => v.len())`
#[macro_export]
macro_rules! dispatch {
    ($enum:ident, $value:expr, $name:ident => $body:expr) => {
        match $value {
            $crate::voxels::$enum::U8($name) => $body,
            $crate::voxels::$enum::I16($name) => $body,
            $crate::voxels::$enum::U16($name) => $body,
            $crate::voxels::$enum::I32($name) => $body,
            $crate::voxels::$enum::F32($name) => $body,
            $crate::voxels::$enum::F64($name) => $body,
        }
    };
}

/// Runs one expression with a type parameter bound to the Rust type of an [`ElementType`].
///
/// `with_type!(element_type, T => Buf::<T>::for_overwrite(n))`
#[macro_export]
macro_rules! with_type {
    ($type:expr, $name:ident => $body:expr) => {
        match $type {
            $crate::voxels::ElementType::U8 => {
                type $name = u8;
                $body
            }
            $crate::voxels::ElementType::I16 => {
                type $name = i16;
                $body
            }
            $crate::voxels::ElementType::U16 => {
                type $name = u16;
                $body
            }
            $crate::voxels::ElementType::I32 => {
                type $name = i32;
                $body
            }
            $crate::voxels::ElementType::F32 => {
                type $name = f32;
                $body
            }
            $crate::voxels::ElementType::F64 => {
                type $name = f64;
                $body
            }
        }
    };
}

macro_rules! voxel {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl sealed::Sealed for $type {}
        impl Voxel for $type {
            const TYPE: ElementType = ElementType::$variant;
            fn wrap(buf: Buf<Self>) -> Data {
                Data::$variant(buf)
            }
            fn unwrap(data: &Data) -> Option<&Buf<Self>> {
                match data {
                    Data::$variant(buf) => Some(buf),
                    _ => None,
                }
            }
            fn unwrap_mut(data: &mut Data) -> Option<&mut Buf<Self>> {
                match data {
                    Data::$variant(buf) => Some(buf),
                    _ => None,
                }
            }
            fn view_mut(view: VoxelsViewMut<'_>) -> Option<ArrayViewMut4<'_, Self>> {
                match view {
                    VoxelsViewMut::$variant(view) => Some(view),
                    _ => None,
                }
            }
        }
    )*};
}
voxel!(u8 => U8, i16 => I16, u16 => U16, i32 => I32, f32 => F32, f64 => F64);

/// The values of a volume: one of six element types, `[channel, z, y, x]`, x fastest.
#[derive(Clone, Debug)]
pub struct Voxels {
    channels: usize,
    size: [usize; 3],
    data: Data,
}

impl Voxels {
    /// Takes a buffer as `channels` volumes of `size` `[x, y, z]`.
    ///
    /// # Errors
    /// [`Error::Input`] where the buffer has another length.
    pub fn new<T: Voxel>(channels: usize, size: [usize; 3], buf: Buf<T>) -> Result<Self> {
        let expected = count(channels, size)?;
        if buf.len() != expected {
            return Err(Error::input(format!(
                "{} values do not make {channels} channel(s) of {size:?} voxels ({expected})",
                buf.len()
            )));
        }
        Ok(Self {
            channels,
            size,
            data: T::wrap(buf),
        })
    }

    /// Voxels with unspecified values, for a caller who writes all of them.
    ///
    /// # Errors
    /// [`Error::Limit`] where the system has no memory for them.
    pub fn for_overwrite(
        element_type: ElementType,
        channels: usize,
        size: [usize; 3],
    ) -> Result<Self> {
        let len = count(channels, size)?;
        with_type!(element_type, T => Self::new(channels, size, Buf::<T>::for_overwrite(len)?))
    }

    /// No voxels at all, in the place of some that were taken.
    pub(crate) fn none() -> Self {
        Self {
            channels: 0,
            size: [0; 3],
            data: Data::U8(Buf::from(Vec::new())),
        }
    }

    /// The element type.
    pub fn element_type(&self) -> ElementType {
        match &self.data {
            Data::U8(_) => ElementType::U8,
            Data::I16(_) => ElementType::I16,
            Data::U16(_) => ElementType::U16,
            Data::I32(_) => ElementType::I32,
            Data::F32(_) => ElementType::F32,
            Data::F64(_) => ElementType::F64,
        }
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The size of one channel, `[x, y, z]`.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// The values of one element type, or `None` where they have another: `[channel][z][y][x]`.
    pub fn values<T: Voxel>(&self) -> Option<&[T]> {
        T::unwrap(&self.data).map(Buf::as_slice)
    }

    /// The values of one element type for writing, or `None` where they have another.
    ///
    /// # Errors
    /// [`Error::Limit`] where shared values must be copied and there is no memory.
    pub fn values_mut<T: Voxel>(&mut self) -> Result<Option<&mut [T]>> {
        T::unwrap_mut(&mut self.data)
            .map(Buf::as_mut_slice)
            .transpose()
    }

    /// A read-only view.
    pub fn view(&self) -> VoxelsView<'_> {
        let shape = self.shape();
        macro_rules! arm {
            ($variant:ident, $buf:expr) => {
                match ArrayView4::from_shape(shape, $buf.as_slice()) {
                    Ok(view) => VoxelsView::$variant(view),
                    Err(_) => unreachable!("the length was checked when the voxels were made"),
                }
            };
        }
        match &self.data {
            Data::U8(b) => arm!(U8, b),
            Data::I16(b) => arm!(I16, b),
            Data::U16(b) => arm!(U16, b),
            Data::I32(b) => arm!(I32, b),
            Data::F32(b) => arm!(F32, b),
            Data::F64(b) => arm!(F64, b),
        }
    }

    /// A view for writing; shared values are copied first.
    ///
    /// # Errors
    /// [`Error::Limit`] where shared values must be copied and there is no memory.
    pub fn view_mut(&mut self) -> Result<VoxelsViewMut<'_>> {
        let shape = self.shape();
        macro_rules! arm {
            ($variant:ident, $buf:expr) => {
                match ArrayViewMut4::from_shape(shape, $buf.as_mut_slice()?) {
                    Ok(view) => VoxelsViewMut::$variant(view),
                    Err(_) => unreachable!("the length was checked when the voxels were made"),
                }
            };
        }
        Ok(match &mut self.data {
            Data::U8(b) => arm!(U8, b),
            Data::I16(b) => arm!(I16, b),
            Data::U16(b) => arm!(U16, b),
            Data::I32(b) => arm!(I32, b),
            Data::F32(b) => arm!(F32, b),
            Data::F64(b) => arm!(F64, b),
        })
    }

    /// Whether no clone shares the values, so that a write copies nothing.
    pub fn is_unique(&mut self) -> bool {
        match &mut self.data {
            Data::U8(b) => b.is_unique(),
            Data::I16(b) => b.is_unique(),
            Data::U16(b) => b.is_unique(),
            Data::I32(b) => b.is_unique(),
            Data::F32(b) => b.is_unique(),
            Data::F64(b) => b.is_unique(),
        }
    }

    /// The raw bytes of all values, in the byte order of this machine.
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::U8(b) => b.as_slice(),
            Data::I16(b) => bytemuck::cast_slice(b.as_slice()),
            Data::U16(b) => bytemuck::cast_slice(b.as_slice()),
            Data::I32(b) => bytemuck::cast_slice(b.as_slice()),
            Data::F32(b) => bytemuck::cast_slice(b.as_slice()),
            Data::F64(b) => bytemuck::cast_slice(b.as_slice()),
        }
    }

    /// One value as `f64`; `index` is `[x, y, z]`. `None` outside.
    pub fn get(&self, channel: usize, index: [usize; 3]) -> Option<f64> {
        let [x, y, z] = index;
        dispatch!(VoxelsView, self.view(), v => v.get([channel, z, y, x]).map(|v| v.to_f64()))
    }

    fn shape(&self) -> [usize; 4] {
        let [x, y, z] = self.size;
        [self.channels, z, y, x]
    }
}

impl<'a> VoxelsView<'a> {
    /// The element type.
    pub fn element_type(&self) -> ElementType {
        match self {
            Self::U8(_) => ElementType::U8,
            Self::I16(_) => ElementType::I16,
            Self::U16(_) => ElementType::U16,
            Self::I32(_) => ElementType::I32,
            Self::F32(_) => ElementType::F32,
            Self::F64(_) => ElementType::F64,
        }
    }
}

/// One channel of a four-dimensional view.
pub fn channel<'a, T>(view: &'a ArrayView4<'_, T>, channel: usize) -> ArrayView3<'a, T> {
    view.index_axis(Axis(0), channel)
}

/// The number of values in `channels` volumes of `size`, if it can be addressed at all.
pub(crate) fn count(channels: usize, size: [usize; 3]) -> Result<usize> {
    size.iter()
        .try_fold(channels, |n, &s| n.checked_mul(s))
        .filter(|&n| n <= isize::MAX as usize / 8)
        .ok_or_else(|| {
            Error::limit(format!(
                "{channels} channel(s) of {size:?} voxels are too many to address"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_channel_z_y_x_with_x_fastest() {
        let values: Vec<i16> = (0..2 * 4 * 3 * 2).collect();
        let voxels = Voxels::new(2, [2, 3, 4], Buf::from(values)).unwrap();
        let VoxelsView::I16(view) = voxels.view() else {
            panic!("the type is kept")
        };
        assert_eq!(view.shape(), [2, 4, 3, 2]);
        assert_eq!(view[[1, 2, 1, 0]], ((4 + 2) * 3 + 1) * 2);
        assert_eq!(voxels.get(1, [0, 1, 2]), Some(38.0));
        assert_eq!(voxels.get(0, [2, 0, 0]), None);
    }

    #[test]
    fn a_buffer_of_another_length_is_refused() {
        let error = Voxels::new(1, [2, 2, 2], Buf::from(vec![0_u8; 7])).unwrap_err();
        assert!(error.to_string().contains("7 values"));
    }
}
