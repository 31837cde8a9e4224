//! `spatial.pad`: voxels added around.

use voxprep_core::prelude::*;

/// Adds voxels of the fill value around the reference volume, and as much around the others.
///
/// # Notes
/// The fill value is that of `[sampling]`, which may repeat the edge. Everything keeps its place in
/// the world and nothing is interpolated. A volume on another grid grows by the same distance, rounded
/// to whole voxels of its own.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// How many voxels are added before the first, along x, y, z. Default 0 where `after` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[0, 2147483648]"))]
    pub before: Option<[u32; 3]>,
    /// How many voxels are added after the last, along x, y, z. Default 0 where `before` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[0, 2147483648]"))]
    pub after: Option<[u32; 3]>,
    /// How many voxels are added on both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[0, 2147483648]"))]
    pub margin: Option<PerAxis<u32>>,
    /// How much is added on both sides, rounded up to whole voxels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "mm", "x-bounds" = "[0, 1000000]"))]
    pub margin_mm: Option<PerAxis<f64>>,
}

impl Params for Pad {
    fn check(&self) -> Result<()> {
        let sides = self.before.is_some() || self.after.is_some();
        let forms = [sides, self.margin.is_some(), self.margin_mm.is_some()];
        if forms.into_iter().filter(|given| *given).count() == 1 {
            return Ok(());
        }
        Err(Error::parameter(
            "give one of `before` with `after`, `margin` and `margin_mm`",
        ))
    }
}

impl Pad {
    /// The voxels added before and after the reference volume.
    fn sides(&self, spacing: [f64; 3]) -> [[u32; 3]; 2] {
        if let Some(margin) = &self.margin {
            return [margin.each().map(|n| *n); 2];
        }
        if let Some(margin) = &self.margin_mm {
            let mm = margin.each();
            // 1e-6 voxel forgives rounding; more than an axis can hold is refused with the grid
            return [[0, 1, 2].map(|i| (mm[i] / spacing[i] - 1e-6).ceil() as u32); 2];
        }
        [self.before, self.after].map(Option::unwrap_or_default)
    }
}

impl Spatial for Pad {
    fn is_index_exact(&self) -> bool {
        true
    }

    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        let grid = input.geometry();
        let [before, after] = self
            .sides(grid.spacing())
            .map(|side| side.map(|n| n as usize));
        let size = [0, 1, 2].map(|i| grid.size()[i] + before[i] + after[i]);
        Ok(Motion::window(before.map(|n| -(n as i64)), size))
    }

    fn grid(&self, motion: &Motion, own: &Geometry, reference: &Geometry) -> Result<Geometry> {
        let Some(window) = motion.window else {
            return Ok(own.clone());
        };
        if own.is_close(reference, 1e-3) {
            return own.window(window.start, window.size);
        }
        let faces = |start: [i64; 3], size: [usize; 3]| {
            let low = start.map(|v| v as f64 - 0.5);
            let high = [0, 1, 2].map(|i| low[i] + size[i] as f64);
            own.enclosing([low, high], reference)
        };
        let [low, high] = faces([0; 3], reference.size());
        let [wide_low, wide_high] = faces(window.start, window.size);
        let more = |a: f64, b: f64| (a - b).round_ties_even().max(0.0) as u32;
        let before = [0, 1, 2].map(|i| more(low[i], wide_low[i]));
        let after = [0, 1, 2].map(|i| more(wide_high[i], high[i]) as usize);
        let size = [0, 1, 2].map(|i| own.size()[i] + before[i] as usize + after[i]);
        own.window(before.map(|n| -i64::from(n)), size)
    }
}

register!(Pad: Spatial, "spatial.pad", "margin = [8, 8, 0]");

#[cfg(test)]
mod tests {
    use super::*;

    fn pad(text: &str) -> Pad {
        let pad: Pad = serde_json::from_str(text).unwrap();
        pad.check().unwrap();
        pad
    }

    #[test]
    fn one_form_of_margin_is_given() {
        assert_eq!(pad(r#"{"margin": 3}"#).sides([1.0; 3]), [[3; 3]; 2]);
        assert_eq!(
            pad(r#"{"before": [1, 2, 3]}"#).sides([1.0; 3]),
            [[1, 2, 3], [0; 3]]
        );
        // 5 mm are 5 voxels of 1 mm, 3 of 2 mm, 4 of 1.25 mm
        assert_eq!(
            pad(r#"{"margin_mm": 5}"#).sides([1.0, 2.0, 1.25]),
            [[5, 3, 4]; 2]
        );
        for text in [
            "{}",
            r#"{"margin": 1, "margin_mm": 1}"#,
            r#"{"after": [0, 0, 0], "margin": 1}"#,
        ] {
            let wrong: Pad = serde_json::from_str(text).unwrap();
            assert!(wrong.check().is_err(), "{text}");
        }
    }

    /// G-05: the voxels that were there keep their place.
    #[test]
    fn the_affine_moves_with_the_first_voxel() {
        let own = Geometry::aligned([4, 5, 6], [1.0, 2.0, 3.0], [10.0; 3]).unwrap();
        let motion = Motion::window([-1, 0, -2], [7, 5, 8]);
        let new = pad(r#"{"margin": 0}"#).grid(&motion, &own, &own).unwrap();
        assert_eq!((new.size(), new.origin()), ([7, 5, 8], [9.0, 10.0, 4.0]));
    }

    #[test]
    fn a_volume_on_another_grid_grows_by_the_same_distance() {
        let reference = Geometry::aligned([10; 3], [1.0; 3], [0.0; 3]).unwrap();
        // half the resolution, z reversed, and not the same field of view
        let axes = [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, -2.0]];
        let own = Geometry::new([3, 5, 5], Affine::from_parts(axes, [2.5, 0.5, 8.5])).unwrap();
        // 4 and 2 mm along x, none along y, 2 and 6 mm along z
        let motion = Motion::window([-4, 0, -2], [16, 10, 18]);
        let new = pad(r#"{"margin": 0}"#)
            .grid(&motion, &own, &reference)
            .unwrap();
        assert_eq!(new.size(), [3 + 2 + 1, 5, 5 + 1 + 3]);
        // z is reversed: its first voxel is at the top, where 6 mm were added
        assert_eq!(new.origin(), [-1.5, 0.5, 14.5]);
    }
}
