//! How voxels are shown: the window, the colours, which side is which, how large a pixel is.
//!
//! All of it is display only: no voxel changes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use voxprep_core::dispatch;
use voxprep_core::error::Error;
use voxprep_core::kernels::Element;
use voxprep_core::kernels::stats::{self, Select};
use voxprep_core::volume::{Unit, Volume};
use voxprep_core::voxels::channel;

use crate::colour::ColourMap;
use crate::error::Result;
use crate::text::number;

/// How volumes are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Which values are black and white.
    pub window: Window,
    /// The colours between them.
    pub colour_map: ColourMap,
    /// On which side of the picture the patient's right is.
    pub convention: Convention,
    /// Whether the first row is the upper or the lower one.
    pub origin: Origin,
    /// How large a pixel is.
    pub scale: Scale,
    /// How values between voxels come about.
    pub interpolation: Interpolation,
    /// How label maps are laid over images.
    pub overlay: Overlay,
    /// Whether titles and captions are written.
    pub captions: bool,
    /// Whether R, L, A, P, S, I stand around the panes.
    pub letters: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            window: Window::Automatic,
            colour_map: ColourMap::Grey,
            convention: Convention::Radiological,
            origin: Origin::Upper,
            scale: Scale::Automatic,
            interpolation: Interpolation::Linear,
            overlay: Overlay::default(),
            captions: true,
            letters: true,
        }
    }
}

/// Which values are shown as black and as white, in the unit of the volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// By unit and values, see [`Window::limits`].
    #[default]
    Automatic,
    /// From `level - width / 2` to `level + width / 2`.
    Level {
        /// The middle.
        level: f64,
        /// The full width, above 0.
        width: f64,
    },
    /// From one value to another.
    Range {
        /// Black.
        low: f64,
        /// White, above `low`.
        high: f64,
    },
}

/// Soft tissue in HU.
const SOFT_TISSUE: (f64, f64) = (-160.0, 240.0);
/// Lung, soft tissue and bone in HU, each with less contrast.
const CHEST: (f64, f64) = (-1000.0, 600.0);
/// Aerated lung in HU, and what is no gas; so much lung for each voxel of that makes a chest.
const LUNG: (f64, f64) = (-900.0, -600.0);
const SOLID: f64 = -200.0;
const LUNG_PER_SOLID: f64 = 0.12;
/// So many voxels decide the automatic window.
const SAMPLE: usize = 1 << 18;

impl Window {
    /// The values that are black and white.
    ///
    /// Automatic is, in HU, -160 to 240 (soft tissue), or -1000 to 600 (a chest) where voxels
    /// between -900 and -600 are more than 12 % of those above -200, unless the values leave less
    /// than a tenth of that to see. Otherwise, and in every other unit, it is the percentiles 1 and 99; where these
    /// are equal, the smallest and the largest value. Percentiles are those of at most 262,144
    /// voxels in evenly spaced rows, in a larger volume. Infinities do not count.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the ends are not finite or not in order, or there is no such
    /// channel.
    pub fn limits(self, volume: &Volume, channel: usize) -> Result<Limits> {
        let (low, high) = match self {
            Self::Automatic => return automatic(volume, channel),
            Self::Level { level, width } => (level - width / 2.0, level + width / 2.0),
            Self::Range { low, high } => (low, high),
        };
        if !low.is_finite() || !high.is_finite() || low >= high {
            return Err(Error::parameter(format!("a window from {low} to {high}"))
                .field("window")
                .remedy("give finite ends, the lower one first; a width above 0")
                .into());
        }
        Ok(Limits { low, high })
    }
}

/// The values that are black and white.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Black, and everything below.
    pub low: f64,
    /// White, and everything above.
    pub high: f64,
}

impl Limits {
    /// Where a value lies: 0 black, 1 white, not limited; NaN for NaN. Where both ends are the
    /// same, what is not above them is 0.
    pub fn place(&self, value: f64) -> f32 {
        // Halves, since the width of all numbers is no number.
        let width = 0.5 * self.high - 0.5 * self.low;
        if width > 0.0 {
            // f32 holds this, and weighted sums of it, whatever the voxels are.
            ((0.5 * value - 0.5 * self.low) / width).clamp(-1e6, 1e6) as f32
        } else if value.is_nan() {
            f32::NAN
        } else {
            f32::from(u8::from(value > self.high))
        }
    }

    /// As captions say it, with the unit where it has a name.
    pub fn describe(&self, unit: Unit) -> String {
        let [low, high] = [self.low, self.high].map(number);
        match unit {
            Unit::Hu => format!("{low} to {high} HU"),
            _ => format!("{low} to {high}"),
        }
    }
}

fn automatic(volume: &Volume, c: usize) -> Result<Limits> {
    check_channel(volume, c)?;
    let mut sample: Vec<f64> = dispatch!(VoxelsView, volume.voxels().view(), view => {
        let view = channel(&view, c);
        let (depth, height, width) = view.dim();
        let step = row_step(depth * height, height, width);
        let rows = (0..depth * height).step_by(step);
        let row = |row: usize| view.slice(ndarray::s![row / height, row % height, ..]);
        rows.flat_map(|r| row(r).into_iter().map(|v| v.to_f64()).collect::<Vec<_>>()).collect()
    });
    sample.retain(|v| v.is_finite());
    if sample.is_empty() {
        return Ok(Limits {
            low: 0.0,
            high: 1.0,
        });
    }
    let count = sample.len();
    let lung = sample.iter().filter(|v| (LUNG.0..LUNG.1).contains(*v));
    let solid = sample.iter().filter(|v| **v > SOLID).count();
    let is_chest = lung.count() as f64 > LUNG_PER_SOLID * solid as f64;
    let sample = ndarray::Array3::from_shape_vec((1, 1, count), sample)
        .map_err(|error| crate::error::Error::Internal(error.to_string()))?;
    let ends = stats::percentiles(sample.view(), &Select::All, &[0.0, 1.0, 99.0, 100.0]);
    let ends = ends.map_err(voxprep_core::error::Error::from)?;
    let &[min, low, high, max] = ends.as_slice() else {
        return Err(crate::error::Error::Internal(
            "four percentiles were asked for".to_owned(),
        ));
    };
    // What a window put onto 0..1 is shown as that, or the window would not be seen.
    if volume.header().unit == Unit::Normalised && min >= 0.0 && max <= 1.0 {
        return Ok(Limits {
            low: 0.0,
            high: 1.0,
        });
    }
    if volume.header().unit == Unit::Hu {
        let (low, high) = if is_chest { CHEST } else { SOFT_TISSUE };
        if max.min(high) - min.max(low) >= 0.1 * (high - low) {
            return Ok(Limits { low, high });
        }
    }
    if low < high {
        return Ok(Limits { low, high });
    }
    // A few voxels among very many of one value: the sample may have missed them.
    let ends = dispatch!(VoxelsView, volume.voxels().view(), view => {
        stats::min_max(channel(&view, c), &Select::All)
    });
    let (low, high) = ends.unwrap_or((low, high));
    Ok(Limits {
        low: if low.is_finite() { low } else { min },
        high: if high.is_finite() { high } else { max },
    })
}

/// Every so many rows are taken, in such a way that not the same rows of every slice are.
fn row_step(rows: usize, height: usize, width: usize) -> usize {
    let mut step = rows.div_ceil((SAMPLE / width.max(1)).max(1)).max(1);
    let common = |mut a: usize, mut b: usize| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    while step > 1 && common(step, height) != 1 {
        step += 1;
    }
    step
}

/// Refuses a channel that there is not.
pub(crate) fn check_channel(volume: &Volume, channel: usize) -> Result<()> {
    let count = volume.voxels().channels();
    if channel < count {
        return Ok(());
    }
    Err(
        Error::parameter(format!("there is no channel {channel}, only {count}"))
            .field("channel")
            .remedy(format!("give 0 to {}", count.saturating_sub(1)))
            .into(),
    )
}

/// On which side of the picture the patient's right is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// The patient's right is on the left, as if one faced the patient; sagittal panes look left.
    #[default]
    Radiological,
    /// The mirror image of that: the patient's right is on the right, sagittal panes look right.
    Neurological,
}

impl fmt::Display for Convention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Radiological => "radiological",
            Self::Neurological => "neurological",
        })
    }
}

/// Whether the first row, the superior or anterior one, is drawn at the top or at the bottom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// At the top: superior and anterior are up.
    #[default]
    Upper,
    /// At the bottom: the rows are reversed, superior and anterior are down.
    Lower,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upper => "upper",
            Self::Lower => "lower",
        })
    }
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "upper" => Ok(Self::Upper),
            "lower" => Ok(Self::Lower),
            _ => Err(Error::parameter(format!("there is no origin '{name}'"))
                .remedy("give upper or lower")),
        }
    }
}

/// How large a pixel is: the same number of mm in both directions and in all panes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// As large as the shortest side of a voxel, whole times smaller or larger where the longest
    /// pane would have less than 320 or more than 960 pixels.
    #[default]
    Automatic,
    /// So many mm.
    MmPerPixel(f64),
    /// Such that the longest side of a pane has so many pixels.
    Pixels(usize),
}

/// The sides that automatic panes have, in pixels.
const SIDES: (f64, f64) = (320.0, 960.0);

impl Scale {
    /// The mm per pixel, for panes whose longest side is `side_mm` long, and voxels whose shortest
    /// side is `voxel_mm`; `most` is the longest side of automatic panes, in pixels.
    pub(crate) fn mm_per_pixel(self, side_mm: f64, voxel_mm: f64, most: f64) -> Result<f64> {
        let mm = match self {
            Self::MmPerPixel(mm) => mm,
            Self::Pixels(pixels) => side_mm / pixels as f64,
            Self::Automatic => {
                let side = side_mm / voxel_mm;
                let (fewest, most) = (SIDES.0.min(most), SIDES.1.min(most));
                if side < fewest {
                    // The largest whole number that stays within, but one that reaches the fewest.
                    voxel_mm / (fewest / side).ceil().min((most / side).floor()).max(1.0)
                } else if side > most {
                    voxel_mm * (side / most).ceil()
                } else {
                    voxel_mm
                }
            }
        };
        if !mm.is_finite() || mm <= 0.0 {
            return Err(Error::parameter(format!("{mm} mm per pixel"))
                .field("scale")
                .remedy("give a number of mm or pixels above 0")
                .into());
        }
        Ok(mm)
    }
}

/// How values between voxels come about. Labels are always those of the nearest voxel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// The value of the nearest voxel.
    Nearest,
    /// Linear between voxels; where pixels are larger than voxels, a mean weighted by a triangle.
    #[default]
    Linear,
}

/// How label maps are laid over images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    /// How much of the image they cover: 0 nothing, 1 all.
    pub alpha: f64,
    /// What of a label is drawn.
    pub mode: OverlayMode,
}

/// What of a label is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverlayMode {
    /// All of it.
    #[default]
    Fill,
    /// The pixels that touch another label or none, above, below or beside.
    Contour,
}

impl Default for Overlay {
    fn default() -> Self {
        Self {
            alpha: 0.45,
            mode: OverlayMode::Fill,
        }
    }
}

impl Overlay {
    /// The opacity in 256ths.
    pub(crate) fn opacity(&self) -> Result<u32> {
        if (0.0..=1.0).contains(&self.alpha) {
            return Ok((self.alpha * 256.0).round() as u32);
        }
        Err(
            Error::parameter(format!("must be 0 to 1, got {}", self.alpha))
                .field("alpha")
                .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::geometry::Geometry;
    use voxprep_core::volume::Modality;
    use voxprep_core::voxels::{Voxel, Voxels};

    fn volume<T: Voxel>(size: [usize; 3], values: Vec<T>) -> Volume {
        let grid = Geometry::aligned(size, [1.0; 3], [0.0; 3]).unwrap();
        Volume::new(grid, Voxels::new(1, size, values.into()).unwrap()).unwrap()
    }

    fn ends(volume: &Volume) -> (f64, f64) {
        let limits = Window::Automatic.limits(volume, 0).unwrap();
        (limits.low, limits.high)
    }

    /// VIS-06
    #[test]
    fn the_automatic_window_is_the_percentiles_1_and_99() {
        let ramp = volume([101, 1, 1], (0..=100_i16).collect());
        assert_eq!(ends(&ramp), (1.0, 99.0));
        let wild = [f64::NAN, f64::INFINITY, -3.0, f64::NEG_INFINITY, 3.0];
        let wild = volume([5, 1, 1], wild.to_vec());
        assert_eq!(ends(&wild), (-2.94, 2.94));
        let nothing = volume([2, 1, 1], vec![f32::NAN; 2]);
        assert_eq!(ends(&nothing), (0.0, 1.0));
    }

    /// VIS-06: no division by zero.
    #[test]
    fn a_constant_volume_is_black_and_a_lone_voxel_is_found() {
        let flat = volume([3, 3, 3], vec![7_u8; 27]);
        assert_eq!(ends(&flat), (7.0, 7.0));
        let limits = Limits {
            low: 7.0,
            high: 7.0,
        };
        assert_eq!([6.0, 7.0, 8.0].map(|v| limits.place(v)), [0.0, 0.0, 1.0]);
        assert!(limits.place(f64::NAN).is_nan());
        let mut values = vec![0_i16; 512 * 512 * 4];
        values[512 * 700 + 13] = 9;
        assert_eq!(ends(&volume([512, 512, 4], values)), (0.0, 9.0));
    }

    /// VIS-06: HU have a window of their own, by what is in the volume.
    #[test]
    fn hounsfield_units_have_a_window_for_the_body_and_one_for_the_chest() {
        let ct = |lung: usize| {
            let values = (0..1000).map(|i| match i {
                i if i < lung => -850_i16,
                i if i < 400 => -1000,
                i => i as i16 / 10,
            });
            volume([10, 10, 10], values.collect()).with_modality(Modality::Ct)
        };
        // 600 of the 1000 voxels are solid; 12 % of them are 72.
        assert_eq!(ends(&ct(72)), (-160.0, 240.0));
        assert_eq!(ends(&ct(73)), (-1000.0, 600.0));
        // Values that leave nothing to see in such a window are shown by their own range.
        let bone = volume([101, 1, 1], (1000..=1100_i16).collect());
        assert_eq!(ends(&bone.with_modality(Modality::Ct)), (1001.0, 1099.0));
    }

    #[test]
    fn a_window_is_refused_where_it_has_no_inside() {
        let v = volume([1, 1, 1], vec![0_u8]);
        let window = |level, width| Window::Level { level, width }.limits(&v, 0);
        let limits = window(40.0, 400.0).unwrap();
        assert_eq!((limits.low, limits.high), (-160.0, 240.0));
        for wrong in [window(0.0, 0.0), window(0.0, -1.0), window(f64::NAN, 1.0)] {
            assert!(wrong.unwrap_err().to_string().contains("window"));
        }
        let (low, high) = (3.0, 2.0);
        assert!(Window::Range { low, high }.limits(&v, 0).is_err());
        assert!(Window::Automatic.limits(&v, 1).is_err());
    }

    #[test]
    fn the_sample_takes_other_rows_of_every_slice() {
        assert_eq!(row_step(10, 5, 512), 1);
        // 512 x 512 x 300: 512 rows are wanted, every 300th; 301 has no divisor in common with 512
        assert_eq!(row_step(512 * 300, 512, 512), 301);
    }

    #[test]
    fn automatic_panes_are_neither_tiny_nor_huge() {
        let side = |side: f64, voxel: f64| {
            let mm = Scale::Automatic.mm_per_pixel(side, voxel, f64::INFINITY);
            side / mm.unwrap()
        };
        assert_eq!(side(512.0, 1.0), 512.0);
        assert_eq!(side(7.0, 1.0), 322.0);
        assert_eq!(side(300.0, 1.0), 600.0);
        assert_eq!(side(3000.0, 1.0), 750.0);
        assert!(Scale::MmPerPixel(0.0).mm_per_pixel(1.0, 1.0, 1.0).is_err());
        assert!(Scale::Pixels(0).mm_per_pixel(1.0, 1.0, 1.0).is_err());
    }
}
