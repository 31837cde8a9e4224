//! Gaussian smoothing by a finite kernel, axis by axis.

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut3, Axis};
use rayon::prelude::*;

use crate::simd::dispatched;
use crate::{Element, Error, Float};

/// Smooths an array with a Gaussian, as `scipy.ndimage.gaussian_filter` with mode `reflect` does.
///
/// `sigma` is the standard deviation along x, y, z in voxels; an axis with 0 is left as it is. The
/// kernel ends at `truncate` standard deviations (SciPy: 4), its radius being
/// `floor(truncate * sigma + 0.5)`, and sums to 1. Beyond its ends the array is reflected about
/// the outer faces of the end voxels, again and again where the radius asks for it. Both arrays
/// are `[z][y][x]` with any strides. A NaN spreads as far as the kernel reaches.
///
/// # Errors
///
/// [`Error::ShapeMismatch`]; [`Error::Width`] for a `sigma` that is negative or not finite, or a
/// radius above 2^20.
pub fn gaussian<T: Element, O: Element<Float = T::Float>>(
    source: ArrayView3<'_, T>,
    sigma: [f64; 3],
    truncate: f64,
    mut out: ArrayViewMut3<'_, O>,
) -> Result<(), Error> {
    if source.dim() != out.dim() {
        return Err(Error::ShapeMismatch {
            left: source.dim().into(),
            right: out.dim().into(),
        });
    }
    let mut kernels = Vec::with_capacity(3);
    for sigma in sigma {
        kernels.push(half_kernel::<T::Float>(sigma, truncate)?);
    }
    let [along_x, along_y, along_z] = kernels.as_slice() else {
        return Ok(());
    };
    let (_, height, width) = source.dim();
    if source.is_empty() {
        return Ok(());
    }
    // Rows must be slices; where they are not, one slice at a time is copied.
    let source = source.as_standard_layout();
    let source = source.view();
    out.axis_iter_mut(Axis(0))
        .into_par_iter()
        .enumerate()
        .for_each_init(
            || Work::new(width, height, along_x.len() - 1),
            |work, (z, mut out)| {
                smooth_z(source, z, along_z, &mut work.slice);
                for (y, mut out) in out.outer_iter_mut().enumerate() {
                    smooth_y(&work.slice, width, y, along_y, &mut work.row);
                    smooth_x(&work.row, along_x, &mut work.padded, &mut work.smooth);
                    match out.as_slice_mut() {
                        Some(out) => store(&work.smooth, out),
                        None => {
                            for (o, v) in out.iter_mut().zip(&work.smooth) {
                                *o = O::from_float(*v);
                            }
                        }
                    }
                }
            },
        );
    Ok(())
}

/// The buffers of a thread.
struct Work<F> {
    /// A slice smoothed along z.
    slice: Vec<F>,
    /// A row smoothed along z and y.
    row: Vec<F>,
    /// That row with its reflections.
    padded: Vec<F>,
    smooth: Vec<F>,
}

impl<F: Float> Work<F> {
    fn new(width: usize, height: usize, radius: usize) -> Self {
        Self {
            slice: vec![F::ZERO; width * height],
            row: vec![F::ZERO; width],
            padded: vec![F::ZERO; width + 2 * radius],
            smooth: vec![F::ZERO; width],
        }
    }
}

/// The weights at distances 0 to the radius.
fn half_kernel<F: Float>(sigma: f64, truncate: f64) -> Result<Vec<F>, Error> {
    let reach = truncate * sigma + 0.5;
    if !(sigma >= 0.0 && sigma.is_finite() && truncate >= 0.0 && reach < 1_048_577.0) {
        return Err(Error::Width(sigma));
    }
    let radius = if sigma > 0.0 { reach as usize } else { 0 };
    let scale = -0.5 / (sigma * sigma);
    // A width so small that its square vanishes has a radius of 0.
    let weight = |t: usize| {
        if t == 0 {
            1.0
        } else {
            exp(scale * (t * t) as f64)
        }
    };
    let half: Vec<f64> = (0..=radius).map(weight).collect();
    let sum = 2.0 * half.iter().skip(1).rev().sum::<f64>() + 1.0;
    Ok(half.iter().map(|w| F::from_f64(w / sum)).collect())
}

/// The exponential of a number that is not positive, within 2 ulp; 0 below -700.
///
/// The library's differs between systems.
fn exp(v: f64) -> f64 {
    if v < -700.0 {
        return 0.0;
    }
    // v = k ln 2 + r with |r| <= ln 2 / 2, and ln 2 in two parts so that r is exact.
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let k = (v * std::f64::consts::LOG2_E).round_ties_even();
    let r = (v - k * LN_2_HIGH) - k * LN_2_LOW;
    // Taylor's series in Horner's form; the next term is below 1e-18.
    let series = (1..=14)
        .rev()
        .fold(1.0, |sum, n| 1.0 + r / f64::from(n) * sum);
    series * f64::from_bits(((1023 + k as i64) as u64) << 52)
}

/// The index that stands for `i`, which may lie far outside `0..n`.
#[inline(always)]
fn reflect(i: isize, n: usize) -> usize {
    let n = n as isize;
    if (0..n).contains(&i) {
        return i as usize;
    }
    let i = i.rem_euclid(2 * n);
    (if i < n { i } else { 2 * n - 1 - i }) as usize
}

/// Smooths slice `z` along z into `slice`, row by row.
fn smooth_z<'s, T: Element>(
    source: ArrayView3<'s, T>,
    z: usize,
    weights: &[T::Float],
    slice: &mut [T::Float],
) {
    let (depth, height, width) = source.dim();
    let plane =
        |offset: isize| source.index_axis_move(Axis(0), reflect(z as isize + offset, depth));
    let planes: Vec<_> = (0..weights.len() as isize)
        .map(|t| (plane(-t), plane(t)))
        .collect();
    let mut pairs = Vec::with_capacity(planes.len());
    for y in 0..height {
        pairs.clear();
        pairs.extend(planes.iter().map(|(a, b)| {
            let row = |plane: &ArrayView2<'s, T>| {
                plane
                    .index_axis_move(Axis(0), y)
                    .to_slice()
                    .unwrap_or_default()
            };
            (row(a), row(b))
        }));
        mix(&pairs, weights, &mut slice[y * width..(y + 1) * width]);
    }
}

/// Smooths row `y` of a slice along y.
fn smooth_y<F: Float>(slice: &[F], width: usize, y: usize, weights: &[F], row: &mut [F]) {
    let height = slice.len() / width;
    let at = |offset: isize| {
        let y = reflect(y as isize + offset, height);
        &slice[y * width..(y + 1) * width]
    };
    let pairs: Vec<_> = (0..weights.len() as isize)
        .map(|t| (at(-t), at(t)))
        .collect();
    mix(&pairs, weights, row);
}

/// Smooths a row along itself.
fn smooth_x<F: Float>(row: &[F], weights: &[F], padded: &mut [F], out: &mut [F]) {
    let (n, radius) = (row.len(), weights.len() - 1);
    padded[radius..radius + n].copy_from_slice(row);
    for t in 0..radius {
        padded[radius - 1 - t] = row[reflect(-1 - t as isize, n)];
        padded[radius + n + t] = row[reflect((n + t) as isize, n)];
    }
    let padded = &*padded;
    let pairs: Vec<_> = (0..=radius)
        .map(|t| (&padded[radius - t..][..n], &padded[radius + t..][..n]))
        .collect();
    mix(&pairs, weights, out);
}

/// Outputs whose sums are kept in registers together.
const BLOCK: usize = 32;

dispatched! {
    /// `w0 c + w1 (a1 + b1) + w2 (a2 + b2) + ..`, in that order; the first pair is `(c, c)`.
    fn mix[E: Element](pairs: &[(&[E], &[E])], weights: &[E::Float], out: &mut [E::Float]) {
        let Some(((centre, _), pairs)) = pairs.split_first() else {
            return;
        };
        let Some((first, weights)) = weights.split_first() else {
            return;
        };
        let n = out.len();
        let mut x = 0;
        while x + BLOCK <= n {
            let mut sum = [E::Float::ZERO; BLOCK];
            for (s, c) in sum.iter_mut().zip(&centre[x..x + BLOCK]) {
                *s = *first * c.to_float();
            }
            for ((a, b), w) in pairs.iter().zip(weights) {
                let (a, b) = (&a[x..x + BLOCK], &b[x..x + BLOCK]);
                for j in 0..BLOCK {
                    sum[j] += *w * (a[j].to_float() + b[j].to_float());
                }
            }
            out[x..x + BLOCK].copy_from_slice(&sum);
            x += BLOCK;
        }
        for x in x..n {
            let mut sum = *first * centre[x].to_float();
            for ((a, b), w) in pairs.iter().zip(weights) {
                sum += *w * (a[x].to_float() + b[x].to_float());
            }
            out[x] = sum;
        }
    }
}

dispatched! {
    fn store[O: Element](row: &[O::Float], out: &mut [O]) {
        for (o, v) in out.iter_mut().zip(row) {
            *o = O::from_float(*v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, s};
    use proptest::prelude::*;

    #[test]
    fn an_impulse_becomes_the_kernel() {
        let mut impulse = Array3::<f64>::zeros((1, 1, 5));
        impulse[[0, 0, 2]] = 1.0;
        let mut out = impulse.clone();
        gaussian(impulse.view(), [0.5, 0.0, 0.0], 4.0, out.view_mut()).unwrap();
        let w = [1.0, (-2.0_f64).exp(), (-8.0_f64).exp()];
        let sum = w[0] + 2.0 * (w[1] + w[2]);
        for (v, t) in out.iter().zip([2, 1, 0, 1, 2]) {
            assert!((v - w[t] / sum).abs() < 1e-16);
        }
    }

    #[test]
    fn a_width_of_zero_changes_nothing() {
        let source = Array3::from_shape_fn((3, 4, 40), |(z, y, x)| (z * 60 + y * 14 + x) as i16);
        let mut out = Array3::<i16>::zeros((3, 4, 40));
        gaussian(source.view(), [0.0; 3], 4.0, out.view_mut()).unwrap();
        assert_eq!(out, source);
    }

    #[test]
    fn a_kernel_may_be_wider_than_the_array() {
        let source = Array3::from_shape_fn((2, 1, 3), |(z, _, x)| (z * 3 + x) as f32);
        let mut out = Array3::<f32>::zeros((2, 1, 3));
        gaussian(source.view(), [30.0, 5.0, 30.0], 4.0, out.view_mut()).unwrap();
        assert!(out.iter().all(|v| (v - 2.5).abs() < 1e-4), "{out}");
    }

    #[test]
    fn bad_widths_and_shapes_are_refused() {
        let source = Array3::<f32>::zeros((2, 2, 2));
        for sigma in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            let mut out = source.clone();
            let refused = gaussian(source.view(), [0.0, sigma, 0.0], 4.0, out.view_mut());
            assert!(matches!(refused, Err(Error::Width(_))));
        }
        let mut out = Array3::<f32>::zeros((2, 2, 3));
        assert!(gaussian(source.view(), [1.0; 3], 4.0, out.view_mut()).is_err());
    }

    #[test]
    fn strides_do_not_change_a_bit() {
        let source =
            Array3::from_shape_fn((9, 20, 70), |(z, y, x)| ((z * 7 + y * 5 + x) % 11) as f32);
        let view = source.slice(s![..;-1, ..;2, 1..66]);
        let copy = view.as_standard_layout().into_owned();
        let mut a = Array3::<f32>::zeros(copy.dim());
        let mut b = Array3::<f32>::zeros((65, 10, 9)).reversed_axes();
        gaussian(view, [1.0, 2.0, 0.7], 4.0, b.view_mut()).unwrap();
        gaussian(copy.view(), [1.0, 2.0, 0.7], 4.0, a.view_mut()).unwrap();
        assert_eq!(a, b);
    }

    proptest! {
        #[test]
        fn the_exponential_is_that_of_the_library(v in -690.0_f64..0.0) {
            prop_assert!((exp(v) / v.exp() - 1.0).abs() < 5e-16);
        }

        #[test]
        fn a_constant_stays_constant(v in -1000.0_f32..1000.0, sigma in 0.0_f64..4.0) {
            let source = Array3::from_elem((3, 5, 40), v);
            let mut out = Array3::<f32>::zeros((3, 5, 40));
            gaussian(source.view(), [sigma; 3], 4.0, out.view_mut()).unwrap();
            for o in &out {
                prop_assert!((o - v).abs() <= 1e-6 * v.abs());
            }
        }
    }
}
