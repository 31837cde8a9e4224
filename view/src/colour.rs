//! Colours: maps from grey to colour, and the colour of a label.

mod viridis;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use voxprep_core::error::Error;

/// Red, green and blue, 0 to 255.
pub type Rgb = [u8; 3];

/// Black, behind everything.
pub const BACKGROUND: Rgb = [0, 0, 0];
/// What NaN is drawn in: no colour map has it.
pub const NAN: Rgb = [160, 32, 120];

/// A map from grey to colour, the same bytes as in matplotlib, but for a few greys that it rounds to
/// one less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourMap {
    /// Black to white.
    #[default]
    Grey,
    /// Black to white over blue, as on a light box.
    Bone,
    /// Black to white over red and yellow.
    Hot,
    /// Dark blue to yellow, even to the eye.
    Viridis,
}

impl ColourMap {
    /// All maps.
    pub const ALL: [Self; 4] = [Self::Grey, Self::Bone, Self::Hot, Self::Viridis];

    /// The colours of 0 to 255.
    ///
    /// # Reference
    /// matplotlib 3.11: `LinearSegmentedColormap` of bone and hot, `ListedColormap` of viridis.
    pub fn table(self) -> [Rgb; 256] {
        match self {
            Self::Grey => std::array::from_fn(|i| [i as u8; 3]),
            Self::Bone => segments([
                &[(0.0, 0.0), (0.746_032, 0.652_778), (1.0, 1.0)],
                &[
                    (0.0, 0.0),
                    (0.365_079, 0.319_444),
                    (0.746_032, 0.777_778),
                    (1.0, 1.0),
                ],
                &[(0.0, 0.0), (0.365_079, 0.444_444), (1.0, 1.0)],
            ]),
            Self::Hot => segments([
                &[(0.0, 0.0416), (0.365_079, 1.0), (1.0, 1.0)],
                &[(0.0, 0.0), (0.365_079, 0.0), (0.746_032, 1.0), (1.0, 1.0)],
                &[(0.0, 0.0), (0.746_032, 0.0), (1.0, 1.0)],
            ]),
            Self::Viridis => viridis::VIRIDIS,
        }
    }
}

impl fmt::Display for ColourMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grey => "grey",
            Self::Bone => "bone",
            Self::Hot => "hot",
            Self::Viridis => "viridis",
        })
    }
}

impl FromStr for ColourMap {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|map| map.to_string() == name)
            .ok_or_else(|| {
                Error::parameter(format!("there is no colour map '{name}'"))
                    .remedy("give grey, bone, hot or viridis")
            })
    }
}

/// Each colour linear between places 0 to 1.
fn segments(colours: [&[(f64, f64)]; 3]) -> [Rgb; 256] {
    std::array::from_fn(|i| {
        colours.map(|points| {
            let x = i as f64;
            let value = points.windows(2).find_map(|pair| match *pair {
                [(x0, y0), (x1, y1)] if x <= x1 * 255.0 => {
                    Some((x - x0 * 255.0) / (x1 * 255.0 - x0 * 255.0) * (y1 - y0) + y0)
                }
                _ => None,
            });
            // matplotlib cuts the fraction off
            (value.unwrap_or(1.0) * 255.0) as u8
        })
    })
}

/// The colours of labels 1 to 16.
const LABELS: [Rgb; 16] = [
    [239, 83, 80],
    [102, 187, 106],
    [66, 165, 245],
    [255, 202, 40],
    [186, 104, 200],
    [38, 198, 218],
    [255, 112, 67],
    [174, 213, 129],
    [240, 98, 146],
    [121, 134, 203],
    [220, 231, 117],
    [38, 166, 154],
    [188, 143, 110],
    [149, 117, 205],
    [129, 212, 250],
    [255, 183, 77],
];

/// The colour of a label, which depends on nothing but its value; 0 is the background, black.
///
/// Labels 1 to 16 have colours from a list; the others a hue that steps by the golden ratio, in
/// three degrees of brightness.
pub fn label_colour(label: i64) -> Rgb {
    if label == 0 {
        return BACKGROUND;
    }
    if let Some(colour) = usize::try_from(label - 1).ok().and_then(|i| LABELS.get(i)) {
        return *colour;
    }
    // 2^32 over the golden ratio; six sectors of 256 steps
    let turn = (label as u32).wrapping_mul(0x9E37_79B1);
    let hue = ((u64::from(turn) * 1536) >> 32) as u32;
    let (low, high) = [(70_u32, 240_u32), (30, 200), (130, 255)][label.rem_euclid(3) as usize];
    let up = low + (high - low) * (hue % 256) / 255;
    let down = low + (high - low) * (255 - hue % 256) / 255;
    let colour = match hue / 256 {
        0 => [high, up, low],
        1 => [down, high, low],
        2 => [low, high, up],
        3 => [low, down, high],
        4 => [up, low, high],
        _ => [high, low, down],
    };
    colour.map(|v| v as u8)
}

/// A colour over another; `alpha` 0 leaves it as it is, 256 covers it.
pub fn blend(under: Rgb, over: Rgb, alpha: u32) -> Rgb {
    let alpha = alpha.min(256);
    [0, 1, 2].map(|i| {
        let mixed = u32::from(under[i]) * (256 - alpha) + u32::from(over[i]) * alpha + 128;
        (mixed >> 8) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// VIS-01, VIS-07: the same bytes as matplotlib 3.11, `colormaps[name](i, bytes=True)`.
    #[test]
    fn the_colour_maps_are_those_of_matplotlib() {
        const PLACES: [usize; 9] = [0, 1, 64, 95, 128, 191, 192, 254, 255];
        let of = |map: ColourMap| PLACES.map(|i| map.table()[i]);
        assert_eq!(
            of(ColourMap::Grey),
            [0, 1, 64, 95, 128, 191, 192, 254, 255].map(|v| [v; 3])
        );
        assert_eq!(
            of(ColourMap::Bone),
            [
                [0, 0, 0],
                [0, 0, 1],
                [56, 55, 77],
                [83, 83, 114],
                [112, 123, 143],
                [167, 199, 198],
                [168, 199, 199],
                [253, 254, 254],
                [255, 255, 255]
            ]
        );
        assert_eq!(
            of(ColourMap::Hot),
            [
                [10, 0, 0],
                [13, 0, 0],
                [178, 0, 0],
                [255, 5, 0],
                [255, 91, 0],
                [255, 255, 2],
                [255, 255, 6],
                [255, 255, 251],
                [255, 255, 255]
            ]
        );
        assert_eq!(
            of(ColourMap::Viridis),
            [
                [68, 1, 84],
                [68, 2, 85],
                [58, 82, 139],
                [44, 113, 142],
                [32, 144, 140],
                [91, 200, 98],
                [94, 201, 97],
                [250, 230, 34],
                [253, 231, 36]
            ]
        );
    }

    #[test]
    fn no_colour_map_has_the_colour_of_nan() {
        for map in ColourMap::ALL {
            assert!(!map.table().contains(&NAN), "{map}");
            assert_eq!(map.to_string().parse::<ColourMap>().unwrap(), map);
        }
    }

    /// VIS-05: label value k always has the same colour.
    #[test]
    fn a_label_has_one_colour_and_few_share_it() {
        assert_eq!(label_colour(0), [0, 0, 0]);
        assert_eq!(label_colour(1), [239, 83, 80]);
        assert_eq!(label_colour(16), [255, 183, 77]);
        assert_eq!(label_colour(17), label_colour(17));
        let colours: BTreeSet<Rgb> = (-20..=117).map(label_colour).collect();
        assert_eq!(colours.len(), 138);
    }

    #[test]
    fn blending_ends_at_both_colours() {
        assert_eq!(blend([10, 20, 255], [200, 0, 0], 0), [10, 20, 255]);
        assert_eq!(blend([10, 20, 255], [200, 0, 1], 256), [200, 0, 1]);
        assert_eq!(blend([0, 100, 255], [100, 0, 0], 128), [50, 50, 128]);
    }
}
