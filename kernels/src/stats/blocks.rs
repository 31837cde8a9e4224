//! Arrays as runs of 4096 voxels in index order, whatever their strides.

use ndarray::{ArrayView3, Axis};

use super::Select;
use crate::Element;
use crate::simd::dispatched;

/// The number of voxels of a block; part of the definition of every float sum.
pub(super) const BLOCK: usize = 4096;

/// The blocks of an array and of the mask that selects from it.
pub(super) struct Blocks<'v, 'm, T> {
    voxels: Runs<'v, T>,
    rule: Rule<'m>,
}

/// A [`Select`] whose mask comes in runs.
enum Rule<'m> {
    All,
    NonZero,
    Above(f64),
    Mask(Runs<'m, u8>),
    Between(f64, f64, Box<Rule<'m>>),
}

impl<'m> Rule<'m> {
    fn new(select: &'m Select<'_>) -> Self {
        match select {
            Select::All => Self::All,
            Select::NonZero => Self::NonZero,
            Select::Above(limit) => Self::Above(*limit),
            Select::Mask(mask) => Self::Mask(Runs::new(mask.view())),
            Select::Between { low, high, of } => {
                Self::Between(*low, *high, Box::new(Self::new(of)))
            }
        }
    }

    /// Marks what counts of a block.
    fn mark<T: Element>(&self, voxels: &[T], block: usize, mask: &mut [u8], keep: &mut [u8]) {
        match self {
            Self::All => keep.fill(1),
            Self::NonZero => keep_others(voxels, keep),
            Self::Above(limit) => keep_above(voxels, *limit, keep),
            Self::Mask(runs) => keep_others(runs.get(block, mask), keep),
            Self::Between(low, high, of) => {
                of.mark(voxels, block, mask, keep);
                drop_beyond(voxels, *low, *high, keep);
            }
        }
    }

    fn fits(&self, shape: (usize, usize, usize)) -> bool {
        match self {
            Self::Mask(mask) => mask.view.dim() == shape,
            Self::Between(_, _, of) => of.fits(shape),
            _ => true,
        }
    }
}

/// Room for one block; 1 in `keep` marks a voxel that counts.
pub(super) struct Buffer<T> {
    voxels: Vec<T>,
    mask: Vec<u8>,
    keep: Vec<u8>,
}

impl<T: Element> Buffer<T> {
    pub(super) fn new() -> Self {
        Self {
            voxels: vec![T::default(); BLOCK],
            mask: vec![0; BLOCK],
            keep: vec![0; BLOCK],
        }
    }
}

impl<'v, 'm, T: Element> Blocks<'v, 'm, T> {
    pub(super) fn new(voxels: ArrayView3<'v, T>, select: &'m Select<'_>) -> Self {
        Self {
            voxels: Runs::new(voxels),
            rule: Rule::new(select),
        }
    }

    /// The number of blocks; none where the mask does not fit.
    pub(super) fn len(&self) -> usize {
        if self.rule.fits(self.voxels.view.dim()) {
            self.voxels.view.len().div_ceil(BLOCK)
        } else {
            0
        }
    }

    /// The voxels of a block, and 1 where a voxel is selected. NaN voxels may be.
    pub(super) fn get<'b>(
        &'b self,
        block: usize,
        buffer: &'b mut Buffer<T>,
    ) -> (&'b [T], &'b [u8]) {
        let voxels = self.voxels.get(block, &mut buffer.voxels);
        let keep = &mut buffer.keep[..voxels.len()];
        self.rule.mark(voxels, block, &mut buffer.mask, keep);
        (voxels, keep)
    }
}

dispatched! {
    /// Whether a voxel counts.
    pub(super) fn any[](keep: &[u8]) -> bool {
        keep.iter().fold(0, |any, keep| any | *keep) != 0
    }
}

dispatched! {
    /// Keeps what differs from 0. NaN does.
    fn keep_others[T: Element](voxels: &[T], keep: &mut [u8]) {
        for (keep, v) in keep.iter_mut().zip(voxels) {
            *keep = u8::from(*v != T::default());
        }
    }
}

dispatched! {
    /// Keeps what is above a limit, and NaN, which is to be counted.
    fn keep_above[T: Element](voxels: &[T], limit: f64, keep: &mut [u8]) {
        for (keep, v) in keep.iter_mut().zip(voxels) {
            let v = v.to_f64();
            *keep = u8::from((v > limit) | v.is_nan());
        }
    }
}

dispatched! {
    /// Drops what does not lie strictly between two values, NaN aside.
    fn drop_beyond[T: Element](voxels: &[T], low: f64, high: f64, keep: &mut [u8]) {
        for (keep, v) in keep.iter_mut().zip(voxels) {
            let v = v.to_f64();
            *keep &= u8::from((v > low) & (v < high) | v.is_nan());
        }
    }
}

struct Runs<'a, T> {
    view: ArrayView3<'a, T>,
    flat: Option<&'a [T]>,
}

impl<'a, T: Element> Runs<'a, T> {
    fn new(view: ArrayView3<'a, T>) -> Self {
        Self {
            view,
            flat: view.to_slice(),
        }
    }

    fn get<'b>(&'b self, block: usize, buffer: &'b mut [T]) -> &'b [T] {
        let start = block * BLOCK;
        let n = BLOCK.min(self.view.len() - start);
        if let Some(flat) = self.flat {
            return &flat[start..start + n];
        }
        let (_, height, width) = self.view.dim();
        let mut filled = 0;
        while filled < n {
            let (line, x) = ((start + filled) / width, (start + filled) % width);
            let row = self
                .view
                .index_axis(Axis(0), line / height)
                .index_axis_move(Axis(0), line % height);
            let count = (width - x).min(n - filled);
            for (v, e) in buffer[filled..filled + count]
                .iter_mut()
                .zip(row.iter().skip(x))
            {
                *v = *e;
            }
            filled += count;
        }
        &buffer[..n]
    }
}
