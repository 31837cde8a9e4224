//! Where the tiles of an image lie, and between which of them a voxel is interpolated.

use super::Tiles;
use crate::Error;

/// The tiles along x, y, z; together they may reach beyond the upper ends of the image.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) count: [usize; 3],
    pub(super) size: [usize; 3],
    /// For each axis, the stretches between the same two tiles.
    pub(super) runs: [Vec<Run>; 3],
    /// For each axis, how much of the upper tile counts at each voxel.
    pub(super) weights: [Vec<f32>; 3],
}

/// Voxels of an axis that lie between the same two tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The lower tile.
    pub(super) low: usize,
    /// The upper tile; at the ends of the axis the same.
    pub(super) high: usize,
}

impl Grid {
    /// The tiles of an image of `image` voxels along x, y, z.
    pub(super) fn new(image: [usize; 3], tiles: Tiles) -> Result<Self, Error> {
        let (given, [count, size]) = match tiles {
            Tiles::Count(given) => {
                let count = [0, 1, 2].map(|i| given[i].min(image[i]).max(1));
                let lacks = |i: usize| !image[i].is_multiple_of(count[i]);
                let plane_lacks = lacks(0) || lacks(1);
                let size = [0, 1, 2].map(|i| {
                    let pads = if i < 2 { plane_lacks } else { lacks(i) };
                    let padded = image[i]
                        + if pads {
                            count[i] - image[i] % count[i]
                        } else {
                            0
                        };
                    padded / count[i]
                });
                (given, [count, size])
            }
            Tiles::Size(given) => {
                let size = [0, 1, 2].map(|i| given[i].min(image[i]).max(1));
                let count = [0, 1, 2].map(|i| image[i].div_ceil(size[i]).max(1));
                (given, [count, size])
            }
        };
        let area = size.iter().try_fold(1_usize, |n, s| n.checked_mul(*s));
        if given.contains(&0) || area.is_none_or(|area| area > i32::MAX as usize) {
            return Err(Error::Tiles(given));
        }
        let axes = [0, 1, 2].map(|i| between(image[i], size[i], count[i]));
        let runs = [0, 1, 2].map(|i| axes[i].0.clone());
        let weights = axes.map(|(_, weights)| weights);
        Ok(Self {
            count,
            size,
            runs,
            weights,
        })
    }

    /// The number of tiles.
    pub(super) fn tiles(&self) -> usize {
        self.count.iter().product()
    }
}

/// The stretches of an axis of `n` voxels, and the weights of the upper tiles. In single precision
/// and in OpenCV's order, since its results are to be met bit for bit.
fn between(n: usize, size: usize, count: usize) -> (Vec<Run>, Vec<f32>) {
    let inverse = 1.0 / size as f32;
    let mut runs: Vec<Run> = Vec::new();
    let mut weights = Vec::with_capacity(n);
    for i in 0..n {
        let at = i as f32 * inverse - 0.5;
        let below = at.floor();
        weights.push(at - below);
        let below = below as i64;
        let low = below.max(0) as usize;
        let high = ((below + 1).max(0) as usize).min(count - 1);
        match runs.last_mut() {
            Some(run) if (run.low, run.high) == (low, high) => run.end = i + 1,
            _ => runs.push(Run {
                start: i,
                end: i + 1,
                low,
                high,
            }),
        }
    }
    (runs, weights)
}

/// The voxel that stands for `i`, at or beyond the end of an axis of `n`: reflected about the
/// centres of the end voxels.
#[inline(always)]
pub(super) fn reflect(i: usize, n: usize) -> usize {
    if i < n {
        return i;
    }
    if n < 2 {
        return 0;
    }
    let period = 2 * (n - 1);
    let i = i % period;
    if i < n { i } else { period - i }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_that_divides_is_lengthened_when_the_other_does_not() {
        let sizes = |image| Grid::new(image, Tiles::Count([8, 8, 1])).unwrap().size;
        assert_eq!(sizes([128, 160, 1]), [16, 20, 1]);
        assert_eq!(sizes([131, 157, 1]), [17, 20, 1]);
        assert_eq!(sizes([128, 157, 1]), [17, 20, 1]);
        assert_eq!(sizes([131, 160, 1]), [17, 21, 1]);
        assert_eq!(sizes([131, 160, 9]), [17, 21, 9]);
    }

    #[test]
    fn an_image_smaller_than_the_grid_has_a_tile_per_voxel() {
        let grid = Grid::new([3, 20, 1], Tiles::Count([8, 8, 4])).unwrap();
        assert_eq!((grid.count, grid.size), ([3, 8, 1], [2, 3, 1]));
        let grid = Grid::new([3, 20, 5], Tiles::Size([8, 8, 2])).unwrap();
        assert_eq!((grid.count, grid.size), ([1, 3, 3], [3, 8, 2]));
    }

    #[test]
    fn voxels_lie_between_the_centres_of_tiles() {
        let (runs, weights) = between(8, 4, 2);
        let run = |start, end, low, high| Run {
            start,
            end,
            low,
            high,
        };
        assert_eq!(runs, [run(0, 2, 0, 0), run(2, 6, 0, 1), run(6, 8, 1, 1)]);
        assert_eq!(weights, [0.5, 0.75, 0.0, 0.25, 0.5, 0.75, 0.0, 0.25]);
    }

    #[test]
    fn reflection_turns_at_the_centres_of_the_ends() {
        let seen: Vec<usize> = (0..9).map(|i| reflect(i, 4)).collect();
        assert_eq!(seen, [0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert_eq!((reflect(5, 1), reflect(3, 2)), (0, 1));
    }
}
