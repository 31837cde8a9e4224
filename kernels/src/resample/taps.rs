//! What a resampling reads: the source itself, or an array of the compute type made from it.

use std::marker::PhantomData;

use ndarray::{Array3, ArrayView3};

use super::fold::{Fold, Rule};
use super::inside::corners;
use super::spline::{Continuation, spline_coefficients};
use super::{Boundary, Order, Sampling};
use crate::{Affine, Element, Error};

/// The fold of every source axis (x, y, z), and the samples where they are not the source itself.
pub(super) struct Taps<F> {
    pub(super) folds: [Fold; 3],
    pub(super) made: Option<Array3<F>>,
}

impl<F: crate::Float> Taps<F> {
    /// Prefilters or pads the source as far as order and boundary ask for it.
    pub(super) fn new<T: Element<Float = F>>(
        source: ArrayView3<'_, T>,
        source_size: [usize; 3],
        out_size: [usize; 3],
        sampling: &Sampling<'_>,
    ) -> Result<Self, Error> {
        let rule = match sampling.boundary {
            Boundary::Mirror => Rule::Mirror,
            Boundary::Reflect => Rule::Reflect,
            _ => Rule::Clamp,
        };
        if sampling.order == Order::Cubic {
            let continuation = match sampling.boundary {
                Boundary::Extent | Boundary::Edge => Continuation::Edge,
                Boundary::GridConstant => Continuation::Value(sampling.fill),
                Boundary::Reflect => Continuation::Reflect,
                Boundary::Mirror | Boundary::Constant | Boundary::Itk => Continuation::Mirror,
            };
            let pad = cubic_pads::<F>(sampling, source_size, out_size);
            // Two taps lie beyond the cell of a sample; the rest of the pad it may walk into.
            let folds = [0, 1, 2].map(|axis| {
                Fold::new(
                    rule,
                    source_size[axis],
                    pad[axis],
                    pad[axis] as f64 - 1.5 + 1e-3,
                )
            });
            let made = spline_coefficients(source, continuation, pad)?;
            return Ok(Self {
                folds,
                made: Some(made),
            });
        }
        if sampling.boundary == Boundary::GridConstant {
            let [nx, ny, nz] = source_size;
            let fill = F::from_f64(sampling.fill);
            let mut made = Array3::from_elem((nz + 2, ny + 2, nx + 2), fill);
            made.slice_mut(ndarray::s![1..=nz, 1..=ny, 1..=nx])
                .zip_mut_with(&source, |tap, v| *tap = v.to_float());
            return Ok(Self {
                folds: source_size.map(|n| Fold::new(rule, n, 1, 1.0)),
                made: Some(made),
            });
        }
        Ok(Self {
            folds: source_size.map(|n| Fold::new(rule, n, 0, 0.0)),
            made: None,
        })
    }
}

/// How many coefficients each end needs: two, and where samples may lie anywhere outside, as many
/// more as the output reaches, up to where the coefficients have come to rest.
fn cubic_pads<F: crate::Float>(
    sampling: &Sampling<'_>,
    source_size: [usize; 3],
    out_size: [usize; 3],
) -> [usize; 3] {
    let anywhere = matches!(sampling.boundary, Boundary::Edge | Boundary::GridConstant);
    // The pole to the 16th is 7e-10, to the 32nd 5e-19.
    let rest = if size_of::<F>() == 4 { 16 } else { 32 };
    let reach = if anywhere {
        reach(&sampling.source_from_out, source_size, out_size)
    } else {
        [0; 3]
    };
    reach.map(|r| 2 + r.min(rest))
}

/// How many voxels the output reaches beyond either end of each source axis.
fn reach(source_from_out: &Affine, source_size: [usize; 3], out_size: [usize; 3]) -> [usize; 3] {
    let mut reach = [0_usize; 3];
    for corner in corners(out_size) {
        let c = source_from_out.apply(corner);
        for axis in 0..3 {
            let beyond = (-c[axis]).max(c[axis] - (source_size[axis] as f64 - 1.0));
            // Saturates; NaN becomes 0, and coordinates that are NaN are clamped.
            reach[axis] = reach[axis].max(beyond.ceil() as usize);
        }
    }
    reach
}

/// Random access to samples by offset.
pub(super) struct Samples<'a, E> {
    first: *const E,
    pub(super) strides: [isize; 3],
    view: PhantomData<&'a E>,
}

// SAFETY: it reads only, as `&[E]` does.
unsafe impl<E: Sync> Sync for Samples<'_, E> {}

impl<'a, E: Element> Samples<'a, E> {
    /// Sees the samples of a view; strides turn to x, y, z.
    pub(super) fn new(view: &ArrayView3<'a, E>) -> Self {
        let [z, y, x] = [0, 1, 2].map(|axis| view.strides().get(axis).copied().unwrap_or(0));
        Self {
            first: view.as_ptr(),
            strides: [x, y, z],
            view: PhantomData,
        }
    }

    /// The sample at an offset, in samples, from the first one.
    ///
    /// # Safety
    ///
    /// The offset is `x * strides[0] + y * strides[1] + z * strides[2]` of an index in the view.
    #[inline(always)]
    pub(super) unsafe fn load(&self, offset: isize) -> E {
        // SAFETY: the caller names an element of the view, which the lifetime keeps borrowed.
        unsafe { *self.first.offset(offset) }
    }

    /// Asks for the cache line of an offset, which may lie anywhere.
    #[inline(always)]
    pub(super) fn prefetch(&self, offset: isize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch reads nothing; the address need not be valid.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.first.wrapping_offset(offset).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = offset;
    }

    /// The sample at an offset and the next one.
    ///
    /// # Safety
    ///
    /// As for [`Samples::load`], for both; and the stride along x is 1.
    #[inline(always)]
    pub(super) unsafe fn load_neighbours(&self, offset: isize) -> [E; 2] {
        // SAFETY: the caller names two neighbouring elements of the view.
        unsafe { self.first.offset(offset).cast::<[E; 2]>().read() }
    }

    /// The four samples from an offset on.
    ///
    /// # Safety
    ///
    /// As for [`Samples::load`], for all four; and the stride along x is 1.
    #[inline(always)]
    pub(super) unsafe fn load_four(&self, offset: isize) -> [E; 4] {
        // SAFETY: the caller names four neighbouring elements of the view.
        unsafe { self.first.offset(offset).cast::<[E; 4]>().read() }
    }
}
