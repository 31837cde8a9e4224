//! Contrast-limited adaptive histogram equalisation (CLAHE): each tile of an image is equalised by
//! its own histogram, cut at a limit, and between tiles the results are interpolated.
//!
//! [`clahe`] follows OpenCV, in two and three dimensions; [`clahe_blocks`] follows scikit-image.
//! [`choose`] picks parameters from the statistics of an image, [`effect`] says what they did.

mod blocks;
mod choice;
mod effect;
mod grid;
mod levels;
mod planes;

use ndarray::{ArrayView3, ArrayViewMut3};

use crate::{Element, Error};

pub use blocks::{Blocks, clahe_blocks};
pub use choice::{Choice, Rules, choose};
pub use effect::{Effect, effect};

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
    /// Values from `low` to `high` in `bins` (2 to 65,536) equal steps; those beyond count as the
    /// ends. Results stay in the range and are not quantised.
    Range {
        /// The value of the first bin.
        low: f64,
        /// The value of the last bin.
        high: f64,
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
    /// The number of images (slices, or the volume) of one value, or of none but NaN: they are
    /// copied, since equalising would turn them into a ramp of the limit.
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
/// (`Type`) or four bytes per bin (`Range`), and as many counts of four bytes (four times as many
/// up to 1024 values); for many slices each thread has its own. A source that is not contiguous
/// along x is copied.
///
/// # Errors
///
/// [`Error::ShapeMismatch`]; [`Error::Tiles`] for an axis of no tiles or tiles of no voxels, or of
/// more than 2^31; [`Error::ClipLimit`]; [`Error::Bins`] and [`Error::Range`] for a range that is
/// none, or [`Scale::Type`] of a type beyond 16 bits.
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
    match options.scale {
        Scale::Type if T::LEVELS == 0 => Err(Error::Bins(T::LEVELS)),
        Scale::Type => Ok(planes::equalise_type(
            source,
            &grid,
            options.clip_limit,
            out,
        )),
        Scale::Range { low, high, bins } => {
            let range = levels::Range::new(low, high, bins)?;
            Ok(planes::equalise_range(
                source,
                &grid,
                options.clip_limit,
                &range,
                out,
            ))
        }
    }
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
