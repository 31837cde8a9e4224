//! `augment.flip`: the subject mirrored.

use voxprep_core::prelude::*;

/// Mirrors the subject about the middle of the reference volume; every volume keeps its grid.
///
/// # Notes
/// Each axis is mirrored with a probability of its own. The affine stays, so that what was at the right
/// of the image is at its left: the anatomy is mirrored. (`spatial.flip` changes the order of storage
/// and leaves the anatomy alone.) An anatomical axis is the index axis of the reference volume nearest
/// to it. Volumes on the reference grid are copied, not interpolated.
///
/// Where left and right are mirrored, labels that are one for each side must be exchanged:
/// `swap_labels`. Without it, a warning says so.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// The axes that may be mirrored: index axes "x", "y", "z", or anatomical ones "LR", "AP", "SI".
    pub axes: Vec<Axis>,
    /// The probability of each axis, without unit: 1 mirrors always. Default 0.5.
    #[serde(default = "half")]
    #[schemars(extend("x-bounds" = "[0, 1]"))]
    pub each: f64,
    /// Pairs of labels, left and right, that are exchanged in label maps where left and right are
    /// mirrored; each pair is named once, and counts in both directions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub swap_labels: BTreeMap<i32, i32>,
}

/// An axis of the index or of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Axis {
    /// The fastest axis of the reference volume.
    #[serde(rename = "x")]
    X,
    /// The middle axis of the reference volume.
    #[serde(rename = "y")]
    Y,
    /// The slowest axis of the reference volume.
    #[serde(rename = "z")]
    Z,
    /// Left and right.
    #[serde(rename = "LR")]
    LeftRight,
    /// Front and back.
    #[serde(rename = "AP")]
    FrontBack,
    /// Up and down.
    #[serde(rename = "SI")]
    UpDown,
}

fn half() -> f64 {
    0.5
}

impl Axis {
    /// The index axis of a grid.
    fn of(self, grid: &Geometry) -> usize {
        let anatomical = |world: usize| {
            let axes = grid.orientation().axes();
            axes.iter()
                .position(|(axis, _)| *axis == world)
                .unwrap_or(world)
        };
        match self {
            Self::X => 0,
            Self::Y => 1,
            Self::Z => 2,
            Self::LeftRight => anatomical(0),
            Self::FrontBack => anatomical(1),
            Self::UpDown => anatomical(2),
        }
    }

    fn is_of_the_index(self) -> bool {
        matches!(self, Self::X | Self::Y | Self::Z)
    }
}

impl Params for Flip {
    fn check(&self) -> Result<()> {
        let twice = |(i, axis): (usize, &Axis)| self.axes.iter().skip(i + 1).any(|a| a == axis);
        if self.axes.is_empty() || self.axes.iter().enumerate().any(twice) {
            return Err(Error::parameter("name each axis to mirror once").field("axes"));
        }
        if self.axes.iter().any(|a| a.is_of_the_index())
            && !self.axes.iter().all(|a| a.is_of_the_index())
        {
            return Err(Error::parameter(
                "name index axes or anatomical ones, not both: they may be the same",
            )
            .field("axes"));
        }
        self.pairs().map(|_| ())
    }
}

impl Flip {
    /// The labels that become others, in both directions.
    fn pairs(&self) -> Result<Vec<(i64, i64)>> {
        let wrong = |reason: String| Err(Error::parameter(reason).field("swap_labels"));
        let mut pairs: BTreeMap<i32, i32> = BTreeMap::new();
        for (&a, &b) in &self.swap_labels {
            if a == 0 || b == 0 {
                return wrong("0 is the background, which has no side".to_owned());
            }
            if a == b {
                return wrong(format!("{a} is paired with itself"));
            }
            for (from, to) in [(a, b), (b, a)] {
                if let Some(other) = pairs.insert(from, to).filter(|other| *other != to) {
                    return wrong(format!("{from} is paired with {other} and with {to}"));
                }
            }
        }
        Ok(pairs
            .into_iter()
            .map(|(a, b)| (i64::from(a), i64::from(b)))
            .collect())
    }

    /// Which index axes are mirrored.
    fn draw(&self, grid: &Geometry, rng: &mut Stream) -> [bool; 3] {
        let mut mirrored = [false; 3];
        for axis in &self.axes {
            mirrored[axis.of(grid)] = rng.happens(self.each);
        }
        mirrored
    }
}

impl Spatial for Flip {
    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Motion> {
        let grid = input.geometry();
        let mirrored = self.draw(grid, rng);
        if mirrored == [false; 3] {
            return Ok(Motion::still());
        }
        // index i becomes n - 1 - i
        let sign = mirrored.map(|m| if m { -1.0 } else { 1.0 });
        let last = [0, 1, 2].map(|i| {
            if mirrored[i] {
                grid.size()[i] as f64 - 1.0
            } else {
                0.0
            }
        });
        let index = Affine::translation(last) * Affine::scaling(sign);
        let world = grid.world_from_index() * index * grid.index_from_world();
        let motion = Motion::map(WorldMap::affine(world)?);
        if !mirrored[Axis::LeftRight.of(grid)] {
            return Ok(motion);
        }
        if self.swap_labels.is_empty() && input.headers().any(|(_, h)| h.role == Role::Label) {
            input.report(
                Finding::warning(
                    "flip.laterality",
                    "left and right are mirrored, and no label is exchanged: labels of one side now lie \
                     in the other; name the pairs in `swap_labels` if there are any",
                ),
            );
        }
        Ok(motion.with_labels(self.pairs()?))
    }
}

register!(Flip: Spatial, "augment.flip", "axes = [\"LR\"]\nswap_labels = { 1 = 2 }");

#[cfg(test)]
mod tests {
    use super::*;

    fn flip(text: &str) -> Result<Flip, String> {
        let flip: Flip = serde_json::from_str(text).map_err(|e| e.to_string())?;
        flip.check().map_err(|e| e.to_string())?;
        Ok(flip)
    }

    /// SPA-10: a pair counts in both directions, whichever way it is named.
    #[test]
    fn a_pair_of_labels_is_exchanged_both_ways() {
        let pairs = |swap: &str| {
            let text = format!(r#"{{"axes": ["x"], "swap_labels": {swap}}}"#);
            Ok::<_, String>(flip(&text)?.pairs().unwrap())
        };
        let both = Ok(vec![(1, 2), (2, 1)]);
        assert_eq!(pairs(r#"{"1": 2}"#), both);
        assert_eq!(pairs(r#"{"1": 2, "2": 1}"#), both);
        for (swap, says) in [
            (r#"{"1": 2, "2": 3}"#, "2 is paired with 1 and with 3"),
            (r#"{"1": 3, "2": 3}"#, "3 is paired with 1 and with 2"),
            (r#"{"0": 1}"#, "0 is the background"),
            (r#"{"4": 4}"#, "4 is paired with itself"),
        ] {
            let error = pairs(swap).unwrap_err();
            assert!(
                error.starts_with("swap_labels: ") && error.contains(says),
                "{error}"
            );
        }
    }

    /// SPA-09: an anatomical axis is found wherever the index axes point.
    #[test]
    fn left_and_right_are_the_axis_nearest_to_them() {
        let linear = [[0.1, 0.2, -1.9], [1.5, 0.1, 0.2], [0.1, -0.9, 0.3]];
        let grid = Geometry::new([4, 5, 6], Affine::from_parts(linear, [0.0; 3])).unwrap();
        let axes = [Axis::LeftRight, Axis::FrontBack, Axis::UpDown].map(|axis| axis.of(&grid));
        assert_eq!(axes, [2, 0, 1]);
    }

    #[test]
    fn each_axis_is_named_once_and_in_one_way() {
        assert!(flip(r#"{"axes": ["LR", "SI"]}"#).is_ok());
        for axes in [r#"[]"#, r#"["x", "y", "x"]"#, r#"["x", "AP"]"#, r#"["lr"]"#] {
            assert!(flip(&format!(r#"{{"axes": {axes}}}"#)).is_err(), "{axes}");
        }
    }
}
