//! Histograms: counts, and a plot of one or several of them.

use ndarray::Axis;
use rayon::prelude::*;
use serde::Serialize;
use voxprep_core::dispatch;
use voxprep_core::error::Error;
use voxprep_core::kernels::Element;
use voxprep_core::kernels::functions::ln;
use voxprep_core::kernels::stats::{self, Select};
use voxprep_core::volume::Volume;
use voxprep_core::voxels::channel;

use crate::colour::Rgb;
use crate::error::Result;
use crate::look::check_channel;
use crate::pane::blank;
use crate::picture::Picture;
use crate::slices::MARGIN;
use crate::text::{Anchor, Style, number};

/// How many voxels have which values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counts {
    /// The lower end of the first bin and the upper end of the last.
    pub range: [f64; 2],
    /// The voxels in each bin; bins are equally wide, the last includes its upper end.
    pub bins: Vec<u64>,
    /// Voxels below the first bin.
    pub below: u64,
    /// Voxels above the last bin.
    pub above: u64,
    /// Voxels that are NaN.
    pub nan: u64,
}

impl Counts {
    /// Counts the voxels of a channel in so many bins from one value to another, as
    /// `numpy.histogram` does: a bin includes its lower end, the last one both.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the range is not finite or not in order, there are no bins or more
    /// than a million, or no such channel.
    pub fn of(volume: &Volume, c: usize, bins: usize, [low, high]: [f64; 2]) -> Result<Self> {
        check_channel(volume, c)?;
        if !low.is_finite() || !high.is_finite() || low > high {
            return Err(Error::parameter(format!("values from {low} to {high}"))
                .field("range")
                .remedy("give finite ends, the lower one first")
                .into());
        }
        if !(1..=1_000_000).contains(&bins) {
            return Err(
                Error::parameter(format!("must be 1 to 1000000, got {bins}"))
                    .field("bins")
                    .into(),
            );
        }
        // Below, the bins, above, NaN.
        let width = high - low;
        let place = |v: f64| {
            if v.is_nan() {
                bins + 2
            } else if v < low {
                0
            } else if v > high {
                bins + 1
            } else if width > 0.0 {
                1 + (((v - low) / width * bins as f64) as usize).min(bins - 1)
            } else {
                1
            }
        };
        let mut counts: Vec<u64> = dispatch!(VoxelsView, volume.voxels().view(), view => {
            let view = channel(&view, c);
            let slabs: Vec<_> = view.axis_iter(Axis(0)).collect();
            slabs
                .into_par_iter()
                .fold(|| vec![0_u64; bins + 3], |mut counts, slab| {
                    for v in slab {
                        if let Some(count) = counts.get_mut(place(v.to_f64())) {
                            *count += 1;
                        }
                    }
                    counts
                })
                .reduce(|| vec![0; bins + 3], |mut a, b| {
                    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                    a
                })
        });
        let nan = counts.pop().unwrap_or(0);
        let above = counts.pop().unwrap_or(0);
        let below = counts.first().copied().unwrap_or(0);
        counts.drain(..1);
        Ok(Self {
            range: [low, high],
            bins: counts,
            below,
            above,
            nan,
        })
    }

    /// All voxels: in bins, below, above, and NaN.
    pub fn total(&self) -> u64 {
        self.bins.iter().sum::<u64>() + self.below + self.above + self.nan
    }
}

/// The smallest and the largest finite value of a channel; 0 and 1 where there is none.
///
/// # Errors
/// [`Error::Parameter`] where there is no such channel.
pub fn value_range(volume: &Volume, c: usize) -> Result<[f64; 2]> {
    check_channel(volume, c)?;
    let ends = dispatch!(VoxelsView, volume.voxels().view(), view => {
        let view = channel(&view, c);
        let inside = Select::Between { low: f64::NEG_INFINITY, high: f64::INFINITY, of: &Select::All };
        stats::min_max(view, &inside)
    });
    Ok(ends.map_or([0.0, 1.0], |(low, high)| [low, high]))
}

/// A histogram with its name in the legend.
#[derive(Clone, Debug)]
pub struct Series {
    /// The name; may be empty where there is only one.
    pub name: String,
    /// The counts.
    pub counts: Counts,
}

/// How counts are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountAxis {
    /// As they are.
    #[default]
    Linear,
    /// Their logarithm: air in CT, or the background of an MR image, hides nothing.
    Logarithmic,
}

/// Colours of the first, second, ... histogram.
const COLOURS: [Rgb; 4] = [
    [79, 163, 247],
    [255, 171, 64],
    [129, 199, 132],
    [229, 115, 155],
];
/// The plot inside its axes, in pixels.
const PLOT: [usize; 2] = [640, 280];

/// Draws one histogram, or several over each other, with axes and a legend. `values` names the axis
/// of values, such as `HU`.
///
/// # Errors
/// [`Error::Parameter`] where there is no histogram, or their ranges differ.
pub fn histogram(series: &[Series], axis: CountAxis, values: &str, title: &str) -> Result<Picture> {
    let Some(first) = series.first() else {
        return Err(Error::parameter("there is no histogram to draw").into());
    };
    if series.iter().any(|s| s.counts.range != first.counts.range) {
        return Err(
            Error::parameter("histograms in one plot must have one range")
                .remedy("count them over the same range")
                .into(),
        );
    }
    let [low, high] = first.counts.range;
    let most = series.iter().flat_map(|s| &s.counts.bins).max();
    let most = most.copied().unwrap_or(0).max(1) as f64;
    // A little room above the highest bin.
    let height = |count: f64| match axis {
        CountAxis::Linear => count / (most * 1.04),
        CountAxis::Logarithmic => ln(count + 1.0) / (ln(most + 1.0) * 1.04),
    };
    let count_ticks = match axis {
        CountAxis::Linear => ticks(0.0, most, 5),
        CountAxis::Logarithmic => std::iter::successors(Some(1.0), |t| Some(t * 10.0))
            .take_while(|t| *t <= most)
            .collect(),
    };
    let note = Style::NOTE;
    let mut before = 0;
    for tick in &count_ticks {
        before = before.max(note.width(&count(*tick))?);
    }
    let [width, rows] = PLOT;
    let title_height = if title.is_empty() {
        0
    } else {
        Style::TITLE.line() + 8
    };
    let (left, top) = (MARGIN + before + 8, MARGIN + title_height);
    let bottom = top + rows;
    let mut picture = blank(
        left + width + MARGIN + 8,
        bottom + note.line() + 8 + Style::CAPTION.line() + MARGIN,
    )?;
    let edge = MARGIN as i64;
    let text = Style::TITLE.fitted(title, width)?;
    Style::TITLE.draw(&mut picture, [edge, edge], Anchor::Left, &text)?;
    let row = |part: f64| bottom as i64 - (part.clamp(0.0, 1.0) * rows as f64).round() as i64;
    for tick in &count_ticks {
        let y = row(height(*tick));
        picture.fill(left as i64, y, width, 1, [38; 3], 256);
        let place = [left as i64 - 8, y - note.line() as i64 / 2];
        note.draw(&mut picture, place, Anchor::Right, &count(*tick))?;
    }
    for (number, Series { counts, .. }) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let opacity = if series.len() == 1 { 150 } else { 96 };
        let bins = counts.bins.len();
        let mut last = bottom as i64;
        for column in 0..width {
            // The bins that a column covers, at least one: the highest of them is drawn.
            let from = column * bins / width;
            let to = ((column + 1) * bins).div_ceil(width).clamp(from + 1, bins);
            let highest = counts.bins.get(from..to).and_then(|bins| bins.iter().max());
            let y = row(height(highest.copied().unwrap_or(0) as f64));
            let x = (left + column) as i64;
            let filled = usize::try_from(bottom as i64 - y).unwrap_or(0);
            picture.fill(x, y, 1, filled, colour, opacity);
            // The outline: the way from the height before to this one.
            let (upper, lower) = (y.min(last), y.max(last));
            let steps = usize::try_from(lower - upper).unwrap_or(0).max(1);
            if upper < bottom as i64 {
                picture.fill(x, upper, 1, steps, colour, 256);
            }
            last = y;
        }
    }
    picture.fill(left as i64, bottom as i64, width, 1, [110; 3], 256);
    if high > low {
        for tick in ticks(low, high, 7) {
            let part = (tick - low) / (high - low);
            let x = left as i64 + (part * (width - 1) as f64).round() as i64;
            picture.fill(x, bottom as i64, 1, 5, [110; 3], 256);
            let place = [x, bottom as i64 + 6];
            note.draw(
                &mut picture,
                place,
                Anchor::Middle,
                &crate::text::number(tick),
            )?;
        }
    } else {
        let place = [(left + width / 2) as i64, bottom as i64 + 6];
        note.draw(&mut picture, place, Anchor::Middle, &number(low))?;
    }
    let below = (bottom + note.line() + 8) as i64;
    let middle = (left + width / 2) as i64;
    Style::CAPTION.draw(&mut picture, [middle, below], Anchor::Middle, values)?;
    let named = series
        .iter()
        .enumerate()
        .filter(|(_, s)| !s.name.is_empty());
    let end = (left + width) as i64;
    for (line, (number, Series { name, .. })) in named.enumerate() {
        let style = Style::CAPTION;
        let y = top as i64 + 6 + (line * (style.line() + 2)) as i64;
        let name = style.fitted(name, width / 2)?;
        style.draw(&mut picture, [end - 8, y], Anchor::Right, &name)?;
        let x = end - 8 - style.width(&name)? as i64 - 18;
        let colour = COLOURS[number % COLOURS.len()];
        picture.fill(x, y + style.line() as i64 / 2 - 5, 11, 11, colour, 256);
    }
    Ok(picture)
}

/// Round numbers from one to another: steps of 1, 2 or 5 times a power of ten, `most` at most.
fn ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let rough = (high - low) / most as f64;
    // Below the normal numbers powers of ten have no steps of their own.
    if !(rough >= f64::MIN_POSITIVE && rough.is_finite()) {
        return vec![low];
    }
    let mut power = 1.0;
    while power > rough {
        power /= 10.0;
    }
    while power * 10.0 <= rough {
        power *= 10.0;
    }
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|s| *s >= rough).unwrap_or(power);
    let first = (low / step - 1e-9).ceil();
    (0..=most)
        .map(|i| (first + i as f64) * step)
        .filter(|tick| *tick <= high + 1e-9 * step)
        .collect()
}

/// A number of voxels: 12k, 3M.
fn count(v: f64) -> String {
    match v {
        v if v >= 1e9 => format!("{}G", number(v / 1e9)),
        v if v >= 1e6 => format!("{}M", number(v / 1e6)),
        v if v >= 1e3 => format!("{}k", number(v / 1e3)),
        v => number(v),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::geometry::Geometry;
    use voxprep_core::voxels::{Voxel, Voxels};

    fn volume<T: Voxel>(size: [usize; 3], values: Vec<T>) -> Volume {
        let grid = Geometry::aligned(size, [1.0; 3], [0.0; 3]).unwrap();
        Volume::new(grid, Voxels::new(1, size, values.into()).unwrap()).unwrap()
    }

    /// VIS-09: as `numpy.histogram([0, 1, 2, 3, 4, 4], bins=4, range=(0, 4))`.
    #[test]
    fn counts_sum_to_the_number_of_voxels() {
        let v = volume([3, 2, 1], vec![0_i16, 1, 2, 3, 4, 4]);
        let counts = Counts::of(&v, 0, 4, [0.0, 4.0]).unwrap();
        assert_eq!(counts.bins, [1, 1, 1, 3]);
        assert_eq!(counts.total(), 6);
        let inner = Counts::of(&v, 0, 2, [1.0, 3.0]).unwrap();
        assert_eq!((inner.below, inner.above), (1, 2));
        assert_eq!(inner.bins, [1, 2]);
        assert_eq!(inner.total(), 6);
        let wild = volume([4, 1, 1], vec![f32::NAN, f32::INFINITY, 1.0, 3.0]);
        assert_eq!(value_range(&wild, 0).unwrap(), [1.0, 3.0]);
        let counts = Counts::of(&wild, 0, 2, [1.0, 3.0]).unwrap();
        assert_eq!((counts.nan, counts.above, counts.total()), (1, 1, 4));
        let flat = volume([2, 1, 1], vec![7_u8; 2]);
        assert_eq!(Counts::of(&flat, 0, 3, [7.0, 7.0]).unwrap().bins, [2, 0, 0]);
    }

    /// VIS-09: two histograms, a legend, and bars as high as their counts.
    #[test]
    fn the_bars_of_a_plot_are_as_high_as_their_counts() {
        let v = volume([4, 1, 1], vec![0_u8, 1, 1, 1]);
        let w = volume([4, 1, 1], vec![0_u8, 0, 0, 1]);
        let series = |v: &Volume, name: &str| Series {
            name: name.to_owned(),
            counts: Counts::of(v, 0, 2, [0.0, 1.0]).unwrap(),
        };
        let one = histogram(&[series(&v, "")], CountAxis::Linear, "", "").unwrap();
        // Two bins side by side fill the plot; the second is three times as high.
        let left = one.width() - MARGIN - 8 - PLOT[0];
        let bar = |picture: &Picture, x: usize, colour: Rgb| {
            let is_bar = |y: &usize| {
                let pixel = picture.get(left + x, MARGIN + y).unwrap();
                pixel[2] > 120 && colour[2] > colour[0]
            };
            (0..PLOT[1]).filter(is_bar).count()
        };
        let heights = [100, 500].map(|x| bar(&one, x, COLOURS[0]));
        // 280 / 1.04 is 269.2; a third of it 89.7
        assert_eq!(heights, [90, 269]);
        let two = [series(&v, "before"), series(&w, "after")];
        let two = histogram(&two, CountAxis::Linear, "HU", "scan").unwrap();
        for colour in &COLOURS[..2] {
            assert!(two.pixels().contains(colour));
        }
        assert!(!one.pixels().contains(&COLOURS[1]));
        let other = Series {
            name: String::new(),
            counts: Counts::of(&v, 0, 2, [0.0, 2.0]).unwrap(),
        };
        assert!(histogram(&[series(&v, ""), other], CountAxis::Linear, "", "").is_err());
        assert!(histogram(&[], CountAxis::Linear, "", "").is_err());
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        let hu = [-1000.0, -500.0, 0.0, 500.0, 1000.0, 1500.0];
        assert_eq!(ticks(-1024.0, 1902.0, 7), hu);
        assert_eq!(ticks(3.0, 3.0, 5), [3.0]);
        assert_eq!([12.0, 1500.0, 2e6].map(count), ["12", "1.5k", "2M"]);
    }
}
