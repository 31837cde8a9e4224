//! `Buf`: a contiguous buffer of voxels, cheap to clone, copied on the first write.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::pool::{self, Block};
use crate::voxels::Voxel;

/// A contiguous buffer: cheap to clone, copied on the first write to a shared one.
///
/// Small buffers own a `Vec`; large ones own a block of the pool ([`crate::pool`]).
#[derive(Clone)]
pub struct Buf<T: Voxel> {
    owner: Arc<Owner<T>>,
}

enum Owner<T> {
    Heap(Vec<T>),
    Pool(Block),
}

impl<T: Voxel> Owner<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::Heap(values) => values,
            Self::Pool(block) => bytemuck::cast_slice(block.bytes()),
        }
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Self::Heap(values) => values,
            Self::Pool(block) => bytemuck::cast_slice_mut(block.bytes_mut()),
        }
    }
}

impl<T: Voxel> Buf<T> {
    /// A buffer of `len` elements with unspecified contents, for a caller who writes all of them.
    ///
    /// # Errors
    /// [`Error::Limit`] where the system has no memory for it.
    pub fn for_overwrite(len: usize) -> Result<Self> {
        let bytes = len
            .checked_mul(size_of::<T>())
            .ok_or_else(|| Error::limit(format!("{len} voxels do not fit into memory")))?;
        let owner = if bytes >= pool::THRESHOLD {
            Owner::Pool(Block::take(bytes)?)
        } else {
            Owner::Heap(vec![T::default(); len])
        };
        Ok(Self {
            owner: Arc::new(owner),
        })
    }

    /// A buffer of `len` copies of `value`.
    ///
    /// # Errors
    /// [`Error::Limit`] where the system has no memory for it.
    pub fn filled(len: usize, value: T) -> Result<Self> {
        let mut buf = Self::for_overwrite(len)?;
        buf.as_mut_slice()?.fill(value);
        Ok(buf)
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        self.owner.as_slice()
    }

    /// The elements, for writing; copied first where another `Buf` shares them.
    ///
    /// # Errors
    /// [`Error::Limit`] where the copy finds no memory.
    pub fn as_mut_slice(&mut self) -> Result<&mut [T]> {
        if Arc::get_mut(&mut self.owner).is_none() {
            let mut copy = Self::for_overwrite(self.len())?;
            if let Some(owner) = Arc::get_mut(&mut copy.owner) {
                owner.as_mut_slice().copy_from_slice(self.as_slice());
            }
            *self = copy;
        }
        match Arc::get_mut(&mut self.owner) {
            Some(owner) => Ok(owner.as_mut_slice()),
            None => unreachable!("a buffer that was just made has one owner"),
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Whether no other `Buf` shares the elements, so that a write copies nothing.
    pub fn is_unique(&mut self) -> bool {
        Arc::get_mut(&mut self.owner).is_some()
    }
}

impl<T: Voxel> From<Vec<T>> for Buf<T> {
    fn from(values: Vec<T>) -> Self {
        Self {
            owner: Arc::new(Owner::Heap(values)),
        }
    }
}

impl<T: Voxel> fmt::Debug for Buf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buf<{}>({} elements)", T::TYPE, self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_buffer_is_copied_on_the_first_write() {
        for len in [3, pool::THRESHOLD] {
            let original = Buf::filled(len, 5_u8).unwrap();
            let mut copy = original.clone();
            assert_eq!(original.as_slice().as_ptr(), copy.as_slice().as_ptr());
            copy.as_mut_slice().unwrap()[0] = 9;
            assert_eq!((original.as_slice()[0], copy.as_slice()[0]), (5, 9));
            assert_eq!(copy.as_slice()[1..], original.as_slice()[1..]);
        }
    }

    #[test]
    fn a_buffer_with_one_owner_is_written_in_place() {
        let mut buf = Buf::from(vec![1_i16, 2, 3]);
        let before = buf.as_slice().as_ptr();
        buf.as_mut_slice().unwrap()[1] = -7;
        assert_eq!(buf.as_slice().as_ptr(), before);
        assert_eq!(buf.as_slice(), [1, -7, 3]);
    }

    #[test]
    fn an_absurd_length_is_an_error() {
        assert!(matches!(
            Buf::<f64>::for_overwrite(usize::MAX / 4),
            Err(Error::Limit(_))
        ));
    }
}
