//! `augment.crop`: a box of voxels at a random place.

use voxprep_core::dispatch;
use voxprep_core::kernels::{Element, places};
use voxprep_core::prelude::*;
use voxprep_core::voxels::channel;

/// Keeps a box of the given size at a random place of the reference volume, and what lies in it of the
/// others.
///
/// # Notes
/// Every place at which the whole box lies in the volume is equally likely. With `label`, a voxel of
/// the label map is drawn first, each alike, and then one of the places at which the box holds it, so
/// that every crop shows some of the class; more often of what is large.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Number of voxels that remain along x, y, z; "all" keeps an axis as it is.
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[1, 2147483648]"))]
    pub size: [Extent; 3],
    /// The name of a label volume of which every crop holds a voxel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The labels that count, by their number; all but 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<i32>>,
}

impl Params for Crop {
    fn check(&self) -> Result<()> {
        let Some(labels) = &self.labels else {
            return Ok(());
        };
        let wrong = if self.label.is_none() {
            "belongs to `label`, the name of a label volume"
        } else if labels.is_empty() {
            "names no label"
        } else {
            return Ok(());
        };
        Err(Error::parameter(wrong).field("labels"))
    }
}

/// The number of places for a box of `size` voxels along an axis of `full`, by name.
fn places_along(axis: usize, size: usize, full: usize, name: &str) -> Result<u32> {
    let Some(last) = full.checked_sub(size) else {
        return Err(Error::parameter(format!(
            "{size} voxels of {} are asked for, '{name}' has {full}",
            ["x", "y", "z"][axis]
        ))
        .field(format!("size[{axis}]"))
        .remedy("ask for fewer, or use spatial.crop_or_pad"));
    };
    Ok(u32::try_from(last).map_or(u32::MAX, |last| last.saturating_add(1)))
}

/// The first and the last place of `count` at which a box of `size` holds the continuous index.
fn places_that_hold(index: f64, size: usize, count: u32) -> [i64; 2] {
    // 1e-6 voxel forgives rounding
    let first = (index + 0.5 - size as f64 - 1e-6).ceil() as i64;
    let last = (index + 0.5 + 1e-6).floor() as i64;
    [first.max(0), last.min(i64::from(count) - 1)]
}

impl Crop {
    fn is_wanted(&self, label: f64) -> bool {
        match self.labels.as_deref() {
            None => label != 0.0,
            Some([one]) => f64::from(*one) == label,
            Some(labels) => labels.iter().any(|one| f64::from(*one) == label),
        }
    }

    /// The continuous index, on the reference grid, of a voxel of the class.
    fn draw_voxel(&self, input: &Input<'_>, name: &str, rng: &mut Stream) -> Result<[f64; 3]> {
        let draw = rng.uniform(0.0, 1.0);
        let (labels, grid) = (input.label_map(name)?, input.geometry());
        let channels = labels.voxels().channels();
        if channels > 1 {
            return Err(Error::input(format!("'{name}' has {channels} channels"))
                .field("label")
                .remedy("name a label map of one"));
        }
        let grid_from_label = grid.index_from_world() * labels.geometry().world_from_index();
        let same = labels.geometry().is_close(grid, 1e-3);
        let index_of = |index: [usize; 3]| {
            let index = index.map(|i| i as f64);
            if same {
                index
            } else {
                grid_from_label.apply(index)
            }
        };
        let counts = |index| same || grid.contains_index(index_of(index));
        let found = dispatch!(VoxelsView, labels.voxels().view(), view => {
            let voxels = channel(&view, 0);
            let is_one = |v| self.is_wanted(Element::to_f64(v));
            let in_slices = places::count_in_slices(voxels, is_one, counts);
            let all: u64 = in_slices.iter().sum();
            let n = ((draw * all as f64) as u64).min(all.saturating_sub(1));
            places::nth(voxels, is_one, counts, &in_slices, n)
        });
        found.map(index_of).ok_or_else(|| {
            let of = self
                .labels
                .as_ref()
                .map_or_else(String::new, |labels| format!(" of {labels:?}"));
            Error::input(format!("'{name}' has no voxel{of} in '{}'", input.name()))
                .field("label")
                .remedy("leave this subject out, or crop it without `label`")
        })
    }
}

impl Spatial for Crop {
    fn reads(&self) -> Reads {
        match self.label {
            Some(_) => Reads::Voxels,
            None => Reads::Header,
        }
    }

    fn is_index_exact(&self) -> bool {
        true
    }

    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Motion> {
        let full = input.geometry().size();
        let size = [0, 1, 2].map(|i| self.size[i].of(full[i]));
        let mut first_and_last = [[0_i64; 2]; 3];
        for i in 0..3 {
            let count = places_along(i, size[i], full[i], input.name())?;
            first_and_last[i] = [0, i64::from(count) - 1];
        }
        if let Some(name) = &self.label {
            let index = self.draw_voxel(input, name, rng)?;
            for i in 0..3 {
                let count = (first_and_last[i][1] + 1) as u32;
                first_and_last[i] = places_that_hold(index[i], size[i], count);
            }
        }
        let start = first_and_last.map(|[first, last]| {
            let places = u32::try_from(last - first + 1).unwrap_or(1);
            first + i64::from(rng.below(places))
        });
        Ok(Motion::window(start, size))
    }
}

register!(Crop: Spatial, "augment.crop", "size = [8, 8, \"all\"]");

#[cfg(test)]
mod tests {
    use super::*;

    /// SPA-14, B-06: the last valid start counts, and a full axis starts at 0.
    #[test]
    fn every_valid_start_is_a_place() {
        assert_eq!(places_along(0, 8, 10, "ct").unwrap(), 3);
        assert_eq!(places_along(1, 10, 10, "ct").unwrap(), 1);
        let error = places_along(2, 11, 10, "ct").unwrap_err().to_string();
        assert_eq!(
            error,
            "size[2]: 11 voxels of z are asked for, 'ct' has 10; ask for fewer, or use spatial.crop_or_pad"
        );
    }

    /// SPA-15: at the ends there are fewer places that hold a voxel.
    #[test]
    fn the_places_that_hold_a_voxel_lie_around_it() {
        // boxes of 4 in an axis of 10: starts 0 to 6
        let ends = [0.0, 2.0, 5.0, 9.0].map(|index| places_that_hold(index, 4, 7));
        assert_eq!(ends, [[0, 0], [0, 2], [2, 5], [6, 6]]);
        // a voxel of a finer grid, between two
        assert_eq!(places_that_hold(4.25, 4, 7), [1, 4]);
        assert_eq!(places_that_hold(-0.5, 4, 7), [0, 0]);
        assert_eq!(places_that_hold(9.5, 4, 7), [6, 6]);
    }
}
