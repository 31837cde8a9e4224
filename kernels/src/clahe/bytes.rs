//! Values mapped onto bytes, before they are equalised at 8 bits.

use ndarray::{ArrayView3, ArrayViewMut3, Axis};
use rayon::prelude::*;

use super::asked::is_range;
use super::check_shapes;
use super::planes::ends;
use crate::simd::dispatched;
use crate::{Element, Error};

/// Maps values onto 0 to 255 and rounds them; those beyond `range`, and infinities, count as its
/// ends. Without a range each slice is mapped from its own smallest to its own largest value, and
/// becomes 0 where these are one. NaN becomes 0; the result is the number of them.
///
/// Extra memory: none, but a source that is not contiguous in the order x, y, z is copied.
///
/// # Errors
///
/// [`Error::ShapeMismatch`]; [`Error::Range`] for a range that is none.
pub fn to_bytes<T: Element>(
    source: ArrayView3<'_, T>,
    range: Option<[f64; 2]>,
    mut out: ArrayViewMut3<'_, u8>,
) -> Result<u64, Error> {
    check_shapes(source.dim(), out.dim())?;
    if let Some([low, high]) = range
        && !is_range(low, high)
    {
        return Err(Error::Range { low, high });
    }
    // Rows must be slices.
    let source = source.as_standard_layout();
    let source = source.view();
    let mut nan = 0;
    let slices = source.axis_chunks_iter(Axis(0), 1);
    for (slice, mut out) in slices.zip(out.axis_chunks_iter_mut(Axis(0), 1)) {
        let own = || ends(slice, true).map(|(least, largest)| [least.to_f64(), largest.to_f64()]);
        let [low, high] = range.or_else(own).unwrap_or_default();
        let width = if high > low {
            high - low
        } else {
            f64::INFINITY
        };
        nan += slice
            .axis_iter(Axis(1))
            .into_par_iter()
            .zip(out.axis_iter_mut(Axis(1)).into_par_iter())
            .map(|(row, mut out)| {
                let row = row.to_slice().unwrap_or_default();
                match out.as_slice_mut() {
                    Some(out) => map_row(row, low, width, out),
                    None => {
                        let mut bytes = vec![0; row.len()];
                        let nan = map_row(row, low, width, &mut bytes);
                        out.iter_mut().zip(&bytes).for_each(|(o, v)| *o = *v);
                        nan
                    }
                }
            })
            .sum::<u64>();
    }
    Ok(nan)
}

dispatched! {
    fn map_row[T: Element](row: &[T], low: f64, width: f64, out: &mut [u8]) -> u64 {
        let mut nan = 0;
        for (byte, v) in out.iter_mut().zip(row) {
            let v = v.to_f64();
            nan += u64::from(v.is_nan());
            *byte = u8::from_f64((v - low) * 255.0 / width);
        }
        nan
    }
}
