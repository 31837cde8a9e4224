//! Coefficient volumes that are kept for the next call.
//!
//! A fresh volume costs a page fault per 4 KiB, a third of the time of a cubic resampling. Volumes
//! that come back are kept, of both compute types together at most [`KEPT_BYTES`]; the oldest give
//! way. Threads share them.

use std::any::Any;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ndarray::Array3;

use crate::Float;

/// The most memory, in bytes, that [`resample`](super::resample) keeps for the next call.
pub const KEPT_BYTES: usize = 512 << 20;

/// Volumes below this are the allocator's business.
const LEAST_BYTES: usize = 1 << 20;

/// A buffer of either compute type.
struct Kept {
    bytes: usize,
    buffer: Box<dyn Any + Send>,
}

/// In the order in which they came back.
static POOL: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

fn pool() -> MutexGuard<'static, Vec<Kept>> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frees the memory that [`resample`](super::resample) keeps for the next call.
pub fn release_kept() {
    let kept = std::mem::take(&mut *pool());
    drop(kept);
}

/// An array of any content: the smallest kept one that is large enough, or else a new one.
pub(super) fn take<F: Float>(shape: (usize, usize, usize)) -> Array3<F> {
    let len = shape.0 * shape.1 * shape.2;
    let found = take_buffer::<F>(len);
    let mut buffer = found.unwrap_or_default();
    if buffer.capacity() == 0 {
        return Array3::from_elem(shape, F::ZERO);
    }
    buffer.resize(len, F::ZERO);
    Array3::from_shape_vec(shape, buffer).unwrap_or_else(|_| Array3::from_elem(shape, F::ZERO))
}

fn take_buffer<F: Float>(len: usize) -> Option<Vec<F>> {
    if len * size_of::<F>() < LEAST_BYTES {
        return None;
    }
    let mut pool = pool();
    let (at, _) = pool
        .iter()
        .enumerate()
        .filter(|(_, kept)| kept.buffer.is::<Vec<F>>() && kept.bytes >= len * size_of::<F>())
        .min_by_key(|(_, kept)| kept.bytes)?;
    let kept = pool.remove(at);
    drop(pool);
    kept.buffer.downcast::<Vec<F>>().ok().map(|buffer| *buffer)
}

/// Takes an array back.
pub(super) fn give<F: Float>(array: Option<Array3<F>>) {
    let Some(array) = array else { return };
    let buffer = array.into_raw_vec_and_offset().0;
    let bytes = buffer.capacity() * size_of::<F>();
    if !(LEAST_BYTES..=KEPT_BYTES).contains(&bytes) {
        return;
    }
    let mut pool = pool();
    pool.push(Kept {
        bytes,
        buffer: Box::new(buffer),
    });
    let mut total: usize = pool.iter().map(|kept| kept.bytes).sum();
    let mut surplus = 0;
    while total > KEPT_BYTES {
        total -= pool[surplus].bytes;
        surplus += 1;
    }
    let freed: Vec<Kept> = pool.drain(..surplus).collect();
    drop(pool);
    drop(freed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A size that no other test takes.
    const SHAPE: (usize, usize, usize) = (3, 1009, 2003);

    #[test]
    fn what_is_kept_is_bounded_and_of_one_type() {
        give(Some(Array3::from_elem(SHAPE, f64::NAN)));
        // Other tests may have taken it meanwhile; what comes is whole in any case.
        let single = take::<f32>(SHAPE);
        assert_eq!(single.dim(), SHAPE);
        let smaller = take::<f64>((3, 1009, 2000));
        assert_eq!(smaller.len(), 3 * 1009 * 2000);
        for _ in 0..9 {
            give(Some(Array3::<f32>::zeros((64, 1024, 512))));
        }
        let total: usize = pool().iter().map(|kept| kept.bytes).sum();
        assert!(total <= KEPT_BYTES);
        release_kept();
    }

    #[test]
    fn used_volumes_change_no_result() {
        use crate::resample::{Continuation, spline_coefficients};
        let source = Array3::from_shape_fn((40, 90, 80), |(z, y, x)| (z * 7 + y * 3 + x) as f32);
        let cases = [
            (Continuation::Mirror, [2, 3, 4]),
            (Continuation::Reflect, [2, 3, 4]),
            (Continuation::Edge, [18, 2, 5]),
            (Continuation::Value(3.0), [2, 18, 2]),
        ];
        for (continuation, pad) in cases {
            let run = || spline_coefficients(source.view(), continuation, pad).unwrap();
            release_kept();
            let fresh = run();
            give(Some(Array3::from_elem((80, 130, 120), f32::NAN)));
            assert!(run() == fresh, "{continuation:?}");
        }
        let line = Array3::from_elem((1, 1, 300_000), 2.0_f32);
        for continuation in [Continuation::Edge, Continuation::Value(1.0)] {
            give(Some(Array3::from_elem((80, 130, 120), f32::NAN)));
            let out = spline_coefficients(line.view(), continuation, [2; 3]).unwrap();
            assert!(out.iter().all(|c| c.is_finite()));
        }
    }
}
