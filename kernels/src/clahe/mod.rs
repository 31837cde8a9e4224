//! Contrast-limited adaptive histogram equalisation (CLAHE): each tile of an image is equalised by
//! its own histogram, cut at a limit, and between tiles the results are interpolated.
//!
//! [`clahe`] follows OpenCV, in two and three dimensions; [`clahe_blocks`] follows scikit-image.
//! [`choose`] picks parameters from the statistics of an image, [`effect`] says what they did;
//! [`Asked`] is what the steps of a pipeline have in common.

mod asked;
mod blocks;
mod bytes;
mod choice;
mod effect;
mod grid;
mod levels;
mod planes;

use ndarray::{ArrayView3, ArrayViewMut3};

use self::levels::Steps;
use self::planes::Told;
use crate::{Element, Error};

pub use asked::{Asked, Unfit, whole};
pub use blocks::{Blocks, clahe_blocks};
pub use bytes::to_bytes;
pub use choice::{Choice, Rules, choose};
pub use effect::{Effect, effect};

/// The most bytes that the tables of an image may take.
const MOST_BYTES: usize = 1 << 30;

/// What [`clahe`] does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clahe {
    /// The tiles. An axis never has more of them than voxels.
    pub tiles: Tiles,
    /// The limit of a histogram, in multiples of the count that every bin would have if all were
    /// alike; 0 does not limit.
    pub clip_limit: f64,
    /// Which values are told apart.
    pub scale: Scale,
    /// Whether tiles reach over several slices.
    pub extent: Extent,
}

/// The tiles of an image, along x, y, z; z counts in [`Extent::Volume`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiles {
    /// So many tiles of one size. The image is reflected at its upper ends until it can be divided;
    /// as in OpenCV, where x or y cannot be divided the other is lengthened by a voxel per tile
    /// even if it could.
    Count([usize; 3]),
    /// Tiles of so many voxels, as many as cover the image.
    Size([usize; 3]),
}

/// Which values are told apart, and what the results span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Every value of a type of at most 16 bits; results are rounded as OpenCV rounds them.
    Type,
    /// Values from `low` to `high` in `bins` (2 to 65,536) equal steps; those beyond, and
    /// infinities, count as the ends. Results stay in the range and are not quantised. Of integers
    /// only those of the type count; where they are no more than `bins`, each is told apart, and
    /// results are rounded, as with `Type`.
    Range {
        /// The value of the first bin.
        low: f64,
        /// The value of the last bin.
        high: f64,
        /// The number of bins.
        bins: usize,
    },
    /// [`Scale::Range`] from the smallest to the largest value of each image, a slice or the volume.
    Data {
        /// The number of bins.
        bins: usize,
    },
}

/// Whether tiles reach over several slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Each slice across z is an image of its own.
    Slices,
    /// Tiles are boxes, and results are interpolated along z too.
    Volume,
}

/// How an equalisation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The number of tiles along x, y, z.
    pub tiles: [usize; 3],
    /// The number of images (slices, or the volume) whose values count as one, or of none but NaN:
    /// they are copied, values beyond the range as its ends, since equalising would turn them into
    /// a ramp of the limit.
    pub constant: usize,
}

/// Equalises an image, or a volume, by tiles.
///
/// With [`Scale::Type`] and [`Extent::Slices`] this is OpenCV's `CLAHE`, bit for bit, for `u8` and
/// `u16`; `i16` is treated alike, from its least value up. In three dimensions the same tables are
/// interpolated between eight tiles; where a volume has one slice, the result is that of the slice.
/// NaN is left out of the histograms and stays NaN; a tile of nothing else maps values to
/// themselves. Both arrays are `[z][y][x]` with any strides.
///
/// Extra memory: a table per tile, of two bytes per value between the smallest and the largest
/// (`Type`, or integers no more than `bins`) or four bytes per bin, at most 1 GiB; for bytes 1 KiB
/// per tile beside. In each thread the counts and their sums, eight bytes per entry of a table (20 up
/// to 1024), and for rows 12 bytes per voxel of the longest and one voxel more. For at least as many
/// slices as threads each thread has its own tables, as long as all together take 1 GiB. A source
/// that is not contiguous in the order x, y, z is copied.
///
/// # Errors
///
/// [`Error::ShapeMismatch`]; [`Error::Tiles`] for an axis of no tiles or tiles of no voxels, or of
/// more than 2^31; [`Error::Tables`] for more than 1 GiB of them; [`Error::ClipLimit`];
/// [`Error::Bins`] for too few or too many, or [`Scale::Type`] of a type beyond 16 bits;
/// [`Error::Range`] for a range that is none, or none in the type that `T` is computed with, which is
/// also that of `Data` with infinities. After an error `out` holds no result.
///
/// # Reference
///
/// Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV (1994) 474.
pub fn clahe<T: Element>(
    source: ArrayView3<'_, T>,
    options: &Clahe,
    out: ArrayViewMut3<'_, T>,
) -> Result<Outcome, Error> {
    check_shapes(source.dim(), out.dim())?;
    check_clip_limit(options.clip_limit)?;
    let (depth, height, width) = source.dim();
    let size = match options.extent {
        Extent::Slices => [width, height, 1.min(depth)],
        Extent::Volume => [width, height, depth],
    };
    let grid = grid::Grid::new(size, options.tiles)?;
    let told = match options.scale {
        Scale::Type if T::LEVELS == 0 => return Err(Error::Bins(T::LEVELS)),
        Scale::Type => Told::Alike(Steps::of_type::<T>()),
        Scale::Range { bins, .. } | Scale::Data { bins } if !(2..=1 << 16).contains(&bins) => {
            return Err(Error::Bins(bins));
        }
        Scale::Range { low, high, bins } => Told::Alike(Steps::new::<T>(low, high, bins)?),
        Scale::Data { bins } => Told::Each(bins),
    };
    planes::equalise_images(source, &grid, options.clip_limit, &told, out)
}

fn check_shapes(source: (usize, usize, usize), out: (usize, usize, usize)) -> Result<(), Error> {
    if source == out {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        left: source.into(),
        right: out.into(),
    })
}

fn check_clip_limit(limit: f64) -> Result<(), Error> {
    if limit >= 0.0 && limit.is_finite() {
        Ok(())
    } else {
        Err(Error::ClipLimit(limit))
    }
}

#[cfg(test)]
mod tests;
