//! What the steps of a pipeline are asked for, and the words in which they tell what came of it: one
//! place for all of them.

use super::{Extent, Outcome, Scale, Tiles};
use crate::{Element, Error};

/// The parameters of [`super::Clahe`] as a user gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asked {
    /// The number of tiles along x, y, z; 8 on every axis by default.
    pub tiles: Option<[usize; 3]>,
    /// The size of a tile along x, y, z, instead of their number.
    pub tile_size: Option<[usize; 3]>,
    /// The smallest and the largest value.
    pub range: Option<[f64; 2]>,
    /// The number of bins.
    pub bins: Option<usize>,
}

/// Why an equalisation was refused, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The parameter at fault; `None` where it is the image.
    pub field: Option<&'static str>,
    /// What is wrong.
    pub reason: String,
    /// What the user can do.
    pub remedy: &'static str,
}

/// The bins of a range, where nothing else is said.
const BINS: usize = 4096;

impl Asked {
    /// Says what cannot be, whatever the image.
    ///
    /// # Errors
    ///
    /// Tiles given twice or none of them; a range that is none, or 255 times as wide as numbers reach.
    pub fn check(&self) -> Result<(), Unfit> {
        if self.tiles.is_some() && self.tile_size.is_some() {
            return Err(Unfit {
                field: Some("tile_size"),
                reason: "`tiles` are given too".to_owned(),
                remedy: "give either `tiles`, their number, or `tile_size`",
            });
        }
        for (name, values) in [("tiles", self.tiles), ("tile_size", self.tile_size)] {
            if values.is_some_and(|values| values.contains(&0)) {
                return Err(Unfit {
                    field: Some(name),
                    reason: "must be at least 1 on every axis".to_owned(),
                    remedy: "give 1 for an axis that is not to be divided",
                });
            }
        }
        match self.range {
            Some([low, high]) if !is_range(low, high) => Err(Unfit {
                field: Some("range"),
                reason: format!("{low} is not below {high}, or one of them is not finite"),
                remedy: "give the smallest and the largest value, in this order",
            }),
            _ => Ok(()),
        }
    }

    /// The tiles.
    pub fn tiles(&self) -> Tiles {
        match (self.tiles, self.tile_size) {
            (_, Some(size)) => Tiles::Size(size),
            (tiles, None) => Tiles::Count(tiles.unwrap_or([8; 3])),
        }
    }

    /// The scale for images of type `T`: unless a range is given, the whole of a type of 8 or 16 bits
    /// without sign, and what each image holds for all others.
    pub fn scale<T: Element>(&self) -> Scale {
        let bins = self.bins.unwrap_or(BINS);
        match (self.range, whole::<T>()) {
            // Saying what is the case anyway changes nothing.
            (given, Some(whole))
                if self.bins.is_none() && given.is_none_or(|given| given == whole) =>
            {
                Scale::Type
            }
            (Some([low, high]), _) => Scale::Range { low, high, bins },
            (None, None) => Scale::Data { bins },
            (None, Some([low, high])) => Scale::Range { low, high, bins },
        }
    }

    /// Says of which parameter the kernel complained.
    pub fn unfit(&self, error: Error) -> Unfit {
        let tiles = if self.tile_size.is_some() {
            "tile_size"
        } else {
            "tiles"
        };
        let (field, remedy) = match error {
            Error::Tables { .. } => (
                Some(tiles),
                "give fewer tiles, larger ones, or fewer `bins`",
            ),
            Error::Tiles(_) => (Some(tiles), "give smaller tiles"),
            Error::Bins(_) => (Some("bins"), "give 256 to 65536"),
            Error::ClipLimit(_) => (Some("clip_limit"), "give 0 or more"),
            Error::Range { .. } if self.range.is_some() => (
                Some("range"),
                "give a range that the element type can tell apart, or rescale the image first",
            ),
            _ => (
                None,
                "limit or rescale the values first, e.g. with intensity.clip",
            ),
        };
        Unfit {
            field,
            reason: error.to_string(),
            remedy,
        }
    }
}

/// The ends of a type of 8 or 16 bits without sign: radiographs come in them, and span them.
pub fn whole<T: Element>() -> Option<[f64; 2]> {
    let least = T::from_f64(f64::NEG_INFINITY).to_f64();
    (T::LEVELS > 0 && least == 0.0).then(|| [0.0, (T::LEVELS - 1) as f64])
}

/// Whether two values are the ends of a range, of which 255 parts can be computed.
pub(super) fn is_range(low: f64, high: f64) -> bool {
    low < high && ((high - low) * 255.0).is_finite()
}

impl Outcome {
    /// Says which of so many images were not equalised, if any.
    pub fn tell_constant(&self, images: usize, extent: Extent) -> Option<String> {
        let which = match (self.constant, images, extent) {
            (0, ..) => return None,
            (_, _, Extent::Volume) => "the volume has".to_owned(),
            (_, 1, Extent::Slices) => "the image has".to_owned(),
            (constant, ..) => format!("{constant} of {images} slices have"),
        };
        Some(format!(
            "{which} one value or none on the scale of the equalisation, and stays as it is there"
        ))
    }

    /// Says that there are fewer tiles than were asked for, if there are.
    pub fn tell_fewer_tiles(&self, asked: Tiles, extent: Extent) -> Option<String> {
        let Tiles::Count(asked) = asked else {
            return None;
        };
        let axes = match extent {
            Extent::Slices => 2,
            Extent::Volume => 3,
        };
        let words = |tiles: [usize; 3]| {
            let each: Vec<String> = tiles.iter().take(axes).map(usize::to_string).collect();
            each.join(" x ")
        };
        let (asked, used) = (words(asked), words(self.tiles));
        (asked != used).then(|| format!("the image is smaller than {asked} tiles and has {used}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_is_the_whole_type_is_no_other_scale() {
        let asked = |range| Asked {
            range,
            ..Asked::default()
        };
        assert_eq!(asked(Some([0.0, 65535.0])).scale::<u16>(), Scale::Type);
        assert_eq!(asked(None).scale::<u8>(), Scale::Type);
        let part = asked(Some([0.0, 4095.0])).scale::<u16>();
        assert_eq!(
            part,
            Scale::Range {
                low: 0.0,
                high: 4095.0,
                bins: 4096
            }
        );
        assert_eq!(asked(None).scale::<i16>(), Scale::Data { bins: 4096 });
    }
}
