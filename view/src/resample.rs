//! A slice of voxels, brought to pixels.

use rayon::prelude::*;

use crate::look::Interpolation;

/// One axis of a slice: voxels, pixels, and how many voxels a pixel is long. The middles of both
/// coincide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub(crate) voxels: usize,
    pub(crate) pixels: usize,
    pub(crate) ratio: f64,
}

impl Axis {
    /// An axis of so many voxels of `spacing` mm in pixels of `mm`.
    pub(crate) fn new(voxels: usize, spacing: f64, mm: f64) -> Self {
        let ratio = mm / spacing;
        let pixels = (voxels as f64 / ratio).round().clamp(1.0, u32::MAX as f64);
        Self {
            voxels,
            pixels: pixels as usize,
            ratio,
        }
    }

    /// Where the middle of a pixel is, in continuous indices of voxels.
    fn place(&self, pixel: usize) -> f64 {
        let from_middle = pixel as f64 + 0.5 - self.pixels as f64 / 2.0;
        from_middle * self.ratio + self.voxels as f64 / 2.0 - 0.5
    }

    /// The nearest voxel of every pixel.
    pub(crate) fn nearest(&self) -> Vec<usize> {
        let last = self.voxels.saturating_sub(1);
        let voxel = |pixel| ((self.place(pixel) + 0.5).floor().max(0.0) as usize).min(last);
        (0..self.pixels).map(voxel).collect()
    }

    /// For every pixel its first voxel and the weights from there on.
    fn taps(&self, interpolation: Interpolation) -> Vec<(usize, Vec<f32>)> {
        if interpolation == Interpolation::Nearest {
            return self.nearest().into_iter().map(|v| (v, vec![1.0])).collect();
        }
        let reach = self.ratio.max(1.0);
        let last = self.voxels.saturating_sub(1);
        (0..self.pixels)
            .map(|pixel| {
                let place = self.place(pixel).clamp(0.0, last as f64);
                let first = (place - reach).floor().max(0.0) as usize;
                let end = ((place + reach).ceil() as usize).min(last);
                let weight = |voxel: usize| (1.0 - (voxel as f64 - place).abs() / reach).max(0.0);
                let mut first = first.min(end);
                while first < end && weight(first) == 0.0 {
                    first += 1;
                }
                let mut weights: Vec<f64> = (first..=end).map(weight).collect();
                while weights.len() > 1 && weights.last() == Some(&0.0) {
                    weights.pop();
                }
                let sum: f64 = weights.iter().sum();
                (
                    first,
                    weights.into_iter().map(|w| (w / sum) as f32).collect(),
                )
            })
            .collect()
    }
}

/// Values at the middles of pixels, row by row. Where the nearest voxel is NaN, so is the pixel;
/// elsewhere NaN voxels do not count.
pub(crate) fn resample(
    slice: &[f32],
    across: Axis,
    down: Axis,
    interpolation: Interpolation,
) -> Vec<f32> {
    if !slice.iter().any(|v| v.is_nan()) {
        return weighted(slice, across, down, interpolation);
    }
    let known: Vec<f32> = slice
        .iter()
        .map(|v| f32::from(u8::from(!v.is_nan())))
        .collect();
    let values: Vec<f32> = slice
        .iter()
        .map(|v| if v.is_nan() { 0.0 } else { *v })
        .collect();
    let [sums, weights] =
        [&values, &known].map(|plane| weighted(plane, across, down, interpolation));
    let [columns, rows] = [across.nearest(), down.nearest()];
    let places = rows.iter().flat_map(|row| {
        columns
            .iter()
            .map(move |column| row * across.voxels + column)
    });
    let pixels = sums.into_iter().zip(weights).zip(places);
    pixels
        .map(|((sum, weight), place)| match known.get(place) {
            Some(1.0) => sum / weight,
            _ => f32::NAN,
        })
        .collect()
}

fn weighted(slice: &[f32], across: Axis, down: Axis, interpolation: Interpolation) -> Vec<f32> {
    let [columns, rows] = [across, down].map(|axis| axis.taps(interpolation));
    let width = across.pixels;
    if width.saturating_mul(down.voxels) > slice.len().max(width * down.pixels) {
        // Wide and low: the other way round it takes no more memory than slice or picture.
        return downward_first(slice, across, down, interpolation);
    }
    let mut narrow = vec![0.0_f32; width * down.voxels];
    let lines = slice.par_chunks(across.voxels.max(1));
    narrow
        .par_chunks_mut(width)
        .zip(lines)
        .for_each(|(to, from)| {
            for (to, (first, weights)) in to.iter_mut().zip(&columns) {
                let from = from.get(*first..).unwrap_or_default();
                *to = from.iter().zip(weights).map(|(v, w)| v * w).sum();
            }
        });
    let mut pixels = vec![0.0_f32; width * down.pixels];
    let lines = pixels.par_chunks_mut(width).zip(rows);
    lines.for_each(|(to, (first, weights))| {
        let from = narrow.chunks_exact(width).skip(first);
        for (from, weight) in from.zip(weights) {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from * weight;
            }
        }
    });
    pixels
}

/// [`weighted`], first along the columns.
fn downward_first(
    slice: &[f32],
    across: Axis,
    down: Axis,
    interpolation: Interpolation,
) -> Vec<f32> {
    let [columns, rows] = [across, down].map(|axis| axis.taps(interpolation));
    let voxels = across.voxels.max(1);
    let mut low = vec![0.0_f32; voxels * down.pixels];
    let lines = low.par_chunks_mut(voxels).zip(rows);
    lines.for_each(|(to, (first, weights))| {
        let from = slice.chunks_exact(voxels).skip(first);
        for (from, weight) in from.zip(weights) {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from * weight;
            }
        }
    });
    let mut pixels = vec![0.0_f32; across.pixels * down.pixels];
    let lines = pixels.par_chunks_mut(across.pixels.max(1));
    lines.zip(low.par_chunks(voxels)).for_each(|(to, from)| {
        for (to, (first, weights)) in to.iter_mut().zip(&columns) {
            let from = from.get(*first..).unwrap_or_default();
            *to = from.iter().zip(weights).map(|(v, w)| v * w).sum();
        }
    });
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use Interpolation::{Linear, Nearest};

    fn line(values: &[f32], spacing: f64, mm: f64, interpolation: Interpolation) -> Vec<f32> {
        let one = Axis::new(1, 1.0, 1.0);
        resample(
            values,
            Axis::new(values.len(), spacing, mm),
            one,
            interpolation,
        )
    }

    #[test]
    fn pixels_of_the_size_of_voxels_are_the_voxels() {
        let values = [3.5, -1.25, 0.1, 7.0, 1e6];
        assert_eq!(line(&values, 0.7, 0.7, Linear), values);
        assert_eq!(line(&values, 0.7, 0.7, Nearest), values);
    }

    #[test]
    fn smaller_pixels_are_linear_between_voxels_and_level_beyond() {
        // Pixel middles at -0.25, 0.25, 0.75, 1.25 voxels.
        assert_eq!(line(&[0.0, 8.0], 2.0, 1.0, Linear), [0.0, 2.0, 6.0, 8.0]);
        assert_eq!(line(&[0.0, 8.0], 2.0, 1.0, Nearest), [0.0, 0.0, 8.0, 8.0]);
        // Five pixels over two voxels of 2.5: the one in the middle is half of each.
        assert_eq!(line(&[0.0, 8.0], 2.5, 1.0, Linear)[2], 4.0);
    }

    #[test]
    fn larger_pixels_are_means_and_lose_no_voxel() {
        // Pixel middles at 0.5 and 2.5, reach 2: weights 3 3 1 of 7, and the mirror image.
        let two = line(&[7.0, 0.0, 0.0, 14.0], 1.0, 2.0, Linear);
        assert!(
            (two[0] - 3.0).abs() < 1e-6 && (two[1] - 6.0).abs() < 1e-6,
            "{two:?}"
        );
        for i in 0..9 {
            let mut values = [0.0; 9];
            values[i] = 1.0;
            let seen: f32 = line(&values, 1.0, 3.0, Linear).iter().sum();
            assert!(seen > 0.2, "{i}: {seen}");
        }
    }

    #[test]
    fn nan_stays_where_it_is() {
        let out = line(&[4.0, f32::NAN, 8.0], 2.0, 1.0, Linear);
        assert_eq!(out[..2], [4.0, 4.0]);
        assert!(out[2].is_nan() && out[3].is_nan());
        assert_eq!(out[4..], [8.0, 8.0]);
    }
}
