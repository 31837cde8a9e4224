//! `Geometry`: where the voxels of a volume are in the world.
//!
//! World is LPS+ millimetres, an integer index is the centre of a voxel, triples are `[x, y, z]`.

use serde::{Deserialize, Serialize};
use voxprep_kernels::affine::{Affine, norm};

use crate::error::{Error, Result};
use crate::orientation::Orientation;

/// The largest number of voxels along one axis.
pub const MAX_AXIS: usize = 1 << 31;

/// Where the voxels of a volume are: size in voxels, and the affine map from index to LPS+ mm.
///
/// Shear (gantry tilt) and left-handed frames are legal. A radiograph has the size `[w, h, 1]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Plain", into = "Plain")]
pub struct Geometry {
    size: [usize; 3],
    world_from_index: Affine,
    index_from_world: Affine,
}

/// A geometry as files hold it: size, and the rows of `world_from_index`.
#[derive(Serialize, Deserialize)]
struct Plain {
    size: [usize; 3],
    world_from_index: [[f64; 4]; 3],
}

impl From<Geometry> for Plain {
    fn from(geometry: Geometry) -> Self {
        Self {
            size: geometry.size,
            world_from_index: *geometry.world_from_index.rows(),
        }
    }
}

impl TryFrom<Plain> for Geometry {
    type Error = Error;

    fn try_from(plain: Plain) -> Result<Self> {
        Self::new(plain.size, Affine::from_rows(plain.world_from_index))
    }
}

impl Geometry {
    /// A geometry from its size in voxels and its index-to-world map (LPS+ mm).
    ///
    /// # Errors
    /// [`Error::Input`] where an axis has no voxel or the map is singular or not finite,
    /// [`Error::Limit`] where an axis is longer than [`MAX_AXIS`].
    pub fn new(size: [usize; 3], world_from_index: Affine) -> Result<Self> {
        if size.contains(&0) {
            return Err(Error::input(format!(
                "the size {size:?} has an axis of no voxels"
            )));
        }
        if let Some(n) = size.iter().find(|&&n| n > MAX_AXIS) {
            return Err(Error::limit(format!(
                "an axis of {n} voxels is longer than {MAX_AXIS}"
            )));
        }
        if size
            .iter()
            .try_fold(8, |n: usize, &s| n.checked_mul(s))
            .is_none()
        {
            return Err(
                Error::limit(format!("{size:?} voxels are too many to address"))
                    .remedy("use larger voxels, or a smaller field of view"),
            );
        }
        if !world_from_index.is_finite() {
            return Err(Error::input("the affine has entries that are not finite")
                .remedy("mend the header of the file"));
        }
        let index_from_world = world_from_index.inverse().ok_or_else(|| {
            Error::input("the affine is singular: its voxels have no volume")
                .remedy("mend the header of the file: spacing and direction of every axis")
        })?;
        Ok(Self {
            size,
            world_from_index,
            index_from_world,
        })
    }

    /// An axis-aligned geometry: spacing in mm, and the world position of voxel `[0, 0, 0]`.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn aligned(size: [usize; 3], spacing: [f64; 3], origin: [f64; 3]) -> Result<Self> {
        Self::new(size, Affine::translation(origin) * Affine::scaling(spacing))
    }

    /// The number of voxels along x, y, z.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// The map from index to LPS+ mm.
    pub fn world_from_index(&self) -> Affine {
        self.world_from_index
    }

    /// The map from LPS+ mm to index.
    pub fn index_from_world(&self) -> Affine {
        self.index_from_world
    }

    /// The map from index to RAS+ mm, for those who want it.
    pub fn ras_from_index(&self) -> Affine {
        Affine::scaling([-1.0, -1.0, 1.0]) * self.world_from_index
    }

    /// The distance in mm between neighbours along x, y, z: the lengths of the affine's columns.
    pub fn spacing(&self) -> [f64; 3] {
        [0, 1, 2].map(|axis| norm(self.world_from_index.column(axis)))
    }

    /// The world position of the centre of voxel `[0, 0, 0]`, LPS+ mm.
    pub fn origin(&self) -> [f64; 3] {
        self.world_from_index.offset()
    }

    /// The unit vectors of the index axes in the world.
    pub fn direction(&self) -> [[f64; 3]; 3] {
        let spacing = self.spacing();
        [0, 1, 2].map(|axis| {
            self.world_from_index
                .column(axis)
                .map(|v| v / spacing[axis])
        })
    }

    /// The unit vectors of the index axes that have more than one voxel: for an image of one slice,
    /// those of the slice.
    pub fn span(&self) -> Vec<[f64; 3]> {
        let axes = self.direction().into_iter().zip(self.size);
        axes.filter(|(_, n)| *n > 1).map(|(axis, _)| axis).collect()
    }

    /// The world position of the middle of the volume, index `(n - 1) / 2`, LPS+ mm.
    pub fn centre(&self) -> [f64; 3] {
        self.world_from_index
            .apply(self.size.map(|n| (n as f64 - 1.0) / 2.0))
    }

    /// The number of voxels, saturating.
    pub fn voxels(&self) -> usize {
        self.size.iter().fold(1, |n, &s| n.saturating_mul(s))
    }

    /// The nearest anatomical orientation of the index axes.
    pub fn orientation(&self) -> Orientation {
        let direction = self.direction();
        let alignment = |o: &Orientation| -> f64 {
            (0..3)
                .map(|i| {
                    let (axis, positive) = o.axes()[i];
                    direction[i][axis] * if positive { 1.0 } else { -1.0 }
                })
                .sum()
        };
        Orientation::all()
            .max_by(|a, b| alignment(a).total_cmp(&alignment(b)))
            .unwrap_or(Orientation::LPS)
    }

    /// The same voxels with index axes reordered and reversed so that they point as `to` says.
    pub fn reoriented(&self, to: Orientation) -> Self {
        let from = self.orientation().axes();
        let mut size = [0; 3];
        let mut columns = [[0.0; 3]; 3];
        let mut first = [0.0; 3];
        for (new, (axis, positive)) in to.axes().into_iter().enumerate() {
            let old = from.iter().position(|&(a, _)| a == axis).unwrap_or(new);
            size[new] = self.size[old];
            let reversed = from[old].1 != positive;
            columns[new][old] = if reversed { -1.0 } else { 1.0 };
            if reversed {
                first[old] = (self.size[old] - 1) as f64;
            }
        }
        self.with_axes(size, Affine::from_columns(columns, first))
    }

    /// The same voxels with the named index axes stored in reverse.
    pub fn flipped(&self, axes: [bool; 3]) -> Self {
        let sign = axes.map(|flip| if flip { -1.0 } else { 1.0 });
        let first = [0, 1, 2].map(|i| {
            if axes[i] {
                (self.size[i] - 1) as f64
            } else {
                0.0
            }
        });
        self.with_axes(
            self.size,
            Affine::translation(first) * Affine::scaling(sign),
        )
    }

    /// The grid of `size` voxels whose voxel `[0, 0, 0]` is voxel `start` of this one.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn window(&self, start: [i64; 3], size: [usize; 3]) -> Result<Self> {
        let shift = Affine::translation(start.map(|s| s as f64));
        Self::new(size, self.world_from_index * shift)
    }

    /// The grid of exactly `spacing` mm over the same field of view, low corner kept.
    ///
    /// Each axis has `max(1, round_half_even(n s / s'))` voxels; up to half a new voxel may lie
    /// beyond the far edge.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn with_spacing(&self, spacing: [f64; 3]) -> Result<Self> {
        let old = self.spacing();
        let ratio = [0, 1, 2].map(|i| spacing[i] / old[i]);
        let size = [0, 1, 2].map(|i| {
            let exact = self.size[i] as f64 / ratio[i];
            exact.round_ties_even().clamp(1.0, u32::MAX as f64) as usize
        });
        let low = ratio.map(|r| 0.5 * (r - 1.0));
        Self::new(
            size,
            self.world_from_index * Affine::translation(low) * Affine::scaling(ratio),
        )
    }

    /// The grid of `size` voxels over exactly the same field of view; the spacing becomes
    /// `s n / n'`.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn with_size(&self, size: [usize; 3]) -> Result<Self> {
        let ratio = [0, 1, 2].map(|i| self.size[i] as f64 / size[i].max(1) as f64);
        let low = ratio.map(|r| 0.5 * (r - 1.0));
        Self::new(
            size,
            self.world_from_index * Affine::translation(low) * Affine::scaling(ratio),
        )
    }

    /// The ends of the smallest box, in continuous indices of this grid, that holds a box of another
    /// grid, given by its ends in continuous indices of that.
    pub fn enclosing(&self, [low, high]: [[f64; 3]; 2], of: &Self) -> [[f64; 3]; 2] {
        let own_from_other = self.index_from_world * of.world_from_index;
        let mut ends = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
        for bits in 0..8_u8 {
            let corner = [0, 1, 2].map(|i| if bits >> i & 1 == 1 { high[i] } else { low[i] });
            let image = own_from_other.apply(corner);
            ends[0] = [0, 1, 2].map(|i| ends[0][i].min(image[i]));
            ends[1] = [0, 1, 2].map(|i| ends[1][i].max(image[i]));
        }
        ends
    }

    /// Whether a continuous index lies in the volume: within half a voxel of its outer centres.
    pub fn contains_index(&self, index: [f64; 3]) -> bool {
        (0..3).all(|i| index[i] >= -0.5 && index[i] <= self.size[i] as f64 - 0.5)
    }

    /// Whether both have the same size and no corner voxel is further apart than `mm`.
    pub fn is_close(&self, other: &Self, mm: f64) -> bool {
        self.size == other.size
            && corners(self.size).all(|corner| {
                let [a, b] = [self, other].map(|g| g.world_from_index.apply(corner));
                norm([0, 1, 2].map(|i| a[i] - b[i])) <= mm
            })
    }

    /// The same world, other axes: `old_from_new` must be index-exact, hence invertible.
    fn with_axes(&self, size: [usize; 3], old_from_new: Affine) -> Self {
        let world_from_index = self.world_from_index * old_from_new;
        Self {
            size,
            world_from_index,
            index_from_world: world_from_index.inverse().unwrap_or(self.index_from_world),
        }
    }
}

/// The indices of the eight corner voxels of a grid.
pub fn corners(size: [usize; 3]) -> impl Iterator<Item = [f64; 3]> {
    (0..8_u8).map(move |bits| {
        [0, 1, 2].map(|i| {
            if bits >> i & 1 == 1 {
                size[i].saturating_sub(1) as f64
            } else {
                0.0
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oblique, anisotropic, sheared and left-handed at once.
    fn awkward() -> Geometry {
        let linear = [[0.9, -0.2, 0.3], [0.25, 1.6, -0.4], [0.1, 0.5, -2.4]];
        Geometry::new([5, 6, 7], Affine::from_parts(linear, [10.0, -20.0, 30.0])).unwrap()
    }

    #[test]
    fn reorienting_keeps_every_voxel_in_its_place() {
        let old = awkward();
        assert!(old.world_from_index().determinant() < 0.0);
        for to in Orientation::all() {
            let new = old.reoriented(to);
            assert_eq!(new.orientation(), to);
            let old_from_new = old.index_from_world() * new.world_from_index();
            for corner in corners(new.size()) {
                let index = old_from_new.apply(corner);
                assert!(index.iter().all(|v| (v - v.round()).abs() < 1e-12));
                assert!(old.contains_index(index));
            }
        }
    }

    #[test]
    fn the_nearest_orientation_of_a_tilted_grid_is_the_untilted_one() {
        assert_eq!(awkward().orientation().to_string(), "LPI");
    }

    #[test]
    fn new_spacing_is_exact_and_keeps_the_low_corner() {
        let old = awkward();
        let spacing = [1.0, 0.7, 1.3];
        let new = old.with_spacing(spacing).unwrap();
        for (a, b) in new.spacing().iter().zip(spacing) {
            assert!((a - b).abs() < 1e-12);
        }
        let [a, b] = [&old, &new].map(|g| g.world_from_index().apply([-0.5; 3]));
        assert!(norm([0, 1, 2].map(|i| a[i] - b[i])) < 1e-12);
    }

    #[test]
    fn the_size_after_respacing_is_rounded_half_to_even() {
        // RES-01: (10, 20, 30) z, y, x at (2, 1, 1) mm to 1 mm = (20, 20, 30)
        let g = Geometry::aligned([30, 20, 10], [1.0, 1.0, 2.0], [0.0; 3]).unwrap();
        assert_eq!(g.with_spacing([1.0; 3]).unwrap().size(), [30, 20, 20]);
        let g = Geometry::aligned([5, 7, 1], [1.0; 3], [0.0; 3]).unwrap();
        assert_eq!(g.with_spacing([2.0; 3]).unwrap().size(), [2, 4, 1]);
    }

    #[test]
    fn a_box_of_another_grid_is_enclosed_by_its_corners() {
        let fine = Geometry::aligned([8, 8, 8], [1.0; 3], [0.0; 3]).unwrap();
        // x and y exchanged, z reversed, 2 mm: index 0 is at (1, 1, 7) mm
        let linear = [[0.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, -2.0]];
        let other = Affine::from_parts(linear, [1.0, 1.0, 7.0]);
        let other = Geometry::new([4; 3], other).unwrap();
        let ends = fine.enclosing([[0.0, 1.0, 0.0], [1.0, 3.0, 1.0]], &other);
        assert_eq!(ends, [[3.0, 1.0, 5.0], [7.0, 3.0, 7.0]]);
    }

    #[test]
    fn a_geometry_without_volume_is_refused() {
        let flat = Affine::scaling([1.0, 1.0, 0.0]);
        assert!(
            Geometry::new([2, 2, 2], flat)
                .unwrap_err()
                .to_string()
                .contains("singular")
        );
        assert!(Geometry::new([2, 0, 2], Affine::IDENTITY).is_err());
        assert!(Geometry::aligned([2; 3], [1.0, f64::NAN, 1.0], [0.0; 3]).is_err());
    }
}
