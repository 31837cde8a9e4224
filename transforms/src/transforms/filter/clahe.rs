//! `filter.clahe`: contrast-limited adaptive histogram equalisation of slices and volumes.
//! Radiographs have `xray.clahe`, with rules that choose the parameters.

use ndarray::{ArrayView4, ArrayViewMut4};
use serde_json::json;
use voxprep_core::dispatch;
use voxprep_core::prelude::*;
use voxprep_core::voxels::{Voxel, channel};
use voxprep_kernels::clahe::{self, Asked, Blocks, Outcome, Tiles, Unfit};

/// Equalises images tile by tile with limited contrast (CLAHE), in slices or in three dimensions.
///
/// # Notes
/// With `profile = "native"` values from `range` (else from the smallest to the largest of each slice, or
/// of the volume) are sorted into `bins`; results stay in that range, and the element type stays. u8 and
/// u16 without both are equalised over the whole type: slices then equal OpenCV's `CLAHE`, bit for bit.
/// For CT give the window as `range`, or apply one first: over all of HU the tiles see little but air.
///
/// With `profile = "skimage"` this is scikit-image's `equalize_adapthist`: f32 from 0 to 1, of u8, u16,
/// and floats within -1 to 1.
///
/// What has one value on that scale is not equalised (0 under "skimage"), with a finding.
///
/// Extra memory: for each tile 2 bytes per integer between the smallest and the largest value, or 4 per
/// bin ("skimage": 2 per bin, and 2 per voxel of an image); where there are at least as many slices as
/// threads, in every thread. More than 1 GiB for one image is refused.
///
/// # Reference
/// Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV (1994) 474.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clahe {
    /// "native": how often a value may occur in a tile, as a factor of what it would be if all bins
    /// occurred alike, and at least once; default 2. "skimage": the fraction of a tile's voxels that may have one value; default
    /// 0.01. 0 does not limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "[0, inf)"))]
    pub clip_limit: Option<Param>,
    /// The number of tiles along x, y, z, not for "skimage"; z counts for `extent = "volume"` only.
    /// Default 8, 8 and 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<[usize; 3]>,
    /// The size of a tile along x, y, z, in voxels, instead of their number. Default for "skimage": an
    /// eighth of the image along each axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile_size: Option<[usize; 3]>,
    /// Whether tiles reach over several slices. Default "slices".
    #[serde(default)]
    pub extent: Extent,
    /// The smallest and the largest value, in the unit of the image; those beyond, and infinities, count as
    /// the ends. Without, the whole of u8 or u16, else what each slice or the volume holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// The number of bins of a histogram, 256 to 65536, 16384 for "skimage"; integers never have more than
    /// there are of them in the range. Default 4096, but every value of u8 or u16 without `range`, and
    /// 256 for "skimage".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "[256, 65536]"))]
    pub bins: Option<usize>,
    /// Whose convention is followed. Default "native".
    #[serde(default)]
    pub profile: Profile,
}

/// Whether tiles reach over several slices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// Each slice across z is equalised for itself.
    #[default]
    Slices,
    /// Tiles are boxes, interpolated along z too.
    Volume,
}

/// Whose convention is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// OpenCV's, and its continuation to three dimensions.
    #[default]
    Native,
    /// scikit-image's.
    Skimage,
}

impl Params for Clahe {
    fn check(&self) -> Result<()> {
        self.asked().check().map_err(refused)?;
        if self.profile == Profile::Skimage {
            let native = [
                ("tiles", self.tiles.is_some()),
                ("range", self.range.is_some()),
            ];
            if let Some((name, _)) = native.iter().find(|(_, given)| *given) {
                return Err(Error::parameter("is not for profile = \"skimage\"").field(*name));
            }
            if self.bins.is_some_and(|bins| bins > 16_384) {
                return Err(Error::parameter("scikit-image has 16384 grey levels")
                    .field("bins")
                    .remedy("give at most 16384"));
            }
        }
        Ok(())
    }
}

impl Filter for Clahe {
    fn unit(&self, _: Unit) -> Unit {
        Unit::Normalised
    }

    fn halo(&self, _: &Input<'_>) -> Halo {
        Halo::Whole
    }

    fn apply(&self, input: &Input<'_>, rng: &mut Stream, out: &mut Out) -> Result<()> {
        let default = match self.profile {
            Profile::Native => 2.0,
            Profile::Skimage => 0.01,
        };
        let clip_limit = self.clip_limit.as_ref().map_or(default, |p| p.draw(rng));
        let header = input.header();
        let (channels, size) = (header.channels.len(), header.geometry.size());
        if self.range.is_none() && !header.element_type.is_integer() {
            for channel in 0..channels {
                let data = input.summary(channel, &Over::All)?;
                if data.count > 0 && !(data.max - data.min).is_finite() {
                    return Err(input.infinite());
                }
            }
        }
        dispatch!(VoxelsView, input.voxels()?, source => match self.profile {
            Profile::Native => {
                let out = out.voxels(header.element_type, channels, size)?;
                self.native(input, &source, clip_limit, out)
            }
            Profile::Skimage => {
                let VoxelsViewMut::F32(out) = out.voxels(ElementType::F32, channels, size)? else {
                    return Err(Error::plugin("the output has another type than asked for"));
                };
                self.skimage(input, &source, clip_limit, out)
            }
        })
    }
}

impl Clahe {
    fn native<T: Voxel>(
        &self,
        input: &Input<'_>,
        source: &ArrayView4<'_, T>,
        clip_limit: f64,
        out: VoxelsViewMut<'_>,
    ) -> Result<()> {
        let Some(mut out) = T::view_mut(out) else {
            return Err(Error::plugin("the output has another type than the input"));
        };
        for (index, out) in out.outer_iter_mut().enumerate() {
            let voxels = channel(source, index);
            let options = clahe::Clahe {
                tiles: self.asked().tiles(),
                clip_limit,
                scale: self.asked().scale::<T>(),
                extent: self.extent.of_kernel(),
            };
            let outcome = clahe::clahe(voxels, &options, out);
            let outcome = outcome.map_err(|error| refused(self.asked().unfit(error)))?;
            self.report(input, index, voxels.dim().0, &outcome);
        }
        Ok(())
    }

    fn skimage<T: Voxel>(
        &self,
        input: &Input<'_>,
        source: &ArrayView4<'_, T>,
        clip_limit: f64,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let fits = match T::TYPE {
            ElementType::U8 | ElementType::U16 => true,
            ElementType::I16 | ElementType::I32 => false,
            _ => {
                let channels = 0..source.dim().0;
                let ends = channels.map(|c| input.summary(c, &Over::All));
                let ends = ends.collect::<Result<Vec<_>>>()?;
                ends.iter()
                    .all(|data| data.count == 0 || (data.min >= -1.0 && data.max <= 1.0))
            }
        };
        if !fits {
            return Err(Error::input(format!(
                "'{}' is neither u8 or u16 nor of floats within -1 to 1, as scikit-image needs",
                input.name()
            ))
            .remedy("rescale first, e.g. with intensity.rescale"));
        }
        let options = Blocks {
            size: self.tile_size,
            clip_limit,
            bins: self.bins.unwrap_or(256),
            extent: self.extent.of_kernel(),
        };
        for (index, out) in out.outer_iter_mut().enumerate() {
            let voxels = channel(source, index);
            let outcome = clahe::clahe_blocks(voxels, &options, out);
            let outcome = outcome.map_err(|error| refused(self.asked().unfit(error)))?;
            self.report(input, index, voxels.dim().0, &outcome);
        }
        Ok(())
    }

    /// What is asked of the kernel.
    fn asked(&self) -> Asked {
        Asked {
            tiles: self.tiles,
            tile_size: self.tile_size,
            range: self.range,
            bins: self.bins,
        }
    }

    fn report(&self, input: &Input<'_>, channel: usize, slices: usize, outcome: &Outcome) {
        let extent = self.extent.of_kernel();
        let images = match self.extent {
            Extent::Slices => slices,
            Extent::Volume => 1,
        };
        if let Some(message) = outcome.tell_constant(images, extent) {
            let constant = outcome.constant;
            let values = json!({ "channel": channel, "images": images, "constant": constant });
            input.report(Finding::warning("clahe.constant", message).with_values(values));
        }
        let tiles = match self.profile {
            Profile::Native => self.asked().tiles(),
            // As large as they are by default, or as asked for.
            Profile::Skimage => Tiles::Size(outcome.tiles),
        };
        if let Some(message) = outcome.tell_fewer_tiles(tiles, extent) {
            let values = json!({ "channel": channel, "tiles": outcome.tiles });
            input.report(Finding::warning("clahe.fewer_tiles", message).with_values(values));
        }
    }
}

/// The error of what the kernel refused.
fn refused(unfit: Unfit) -> Error {
    let error = match unfit.field {
        Some(field) => Error::parameter(unfit.reason).field(field),
        None => Error::input(unfit.reason),
    };
    error.remedy(unfit.remedy)
}

impl Extent {
    fn of_kernel(self) -> clahe::Extent {
        match self {
            Self::Slices => clahe::Extent::Slices,
            Self::Volume => clahe::Extent::Volume,
        }
    }
}

register!(Clahe: Filter, "filter.clahe", "range = [-1000, 400]\ntiles = [8, 8, 8]\nextent = \"volume\"");

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::pipeline::Pipeline;
    use voxprep_core::plan::Plan;
    use voxprep_core::registry::Registry;
    use voxprep_core::subject::Subject;
    use voxprep_core::voxels::Voxels;

    fn run<T: Voxel>(lines: &str, size: [usize; 3], values: Vec<T>) -> Result<Subject> {
        let grid = Geometry::aligned(size, [1.0; 3], [0.0; 3])?;
        let voxels = Voxels::new(1, size, values.into())?;
        let subject = Subject::new("case").with("image", Volume::new(grid, voxels)?)?;
        let pipeline = format!("version = 1\n[[step]]\nuse = 'filter.clahe'\n{lines}");
        Plan::new(Pipeline::from_toml(&pipeline)?, &Registry::built_in()?)?.sample(subject, 0)
    }

    fn values<T: Voxel>(subject: &Subject) -> &[T] {
        let image = subject.volume("image").map(Volume::voxels);
        image.and_then(|v| v.values::<T>()).unwrap()
    }

    /// XR-06: in one tile each value becomes its share of what is not larger, of its slice or of the
    /// volume.
    #[test]
    fn slices_stand_alone_and_a_volume_is_one() -> Result<()> {
        let image = vec![0_i16, 10, 20, 30, 40, 50, 50, 100];
        let lines = |extent| {
            format!("tiles = [1, 1, 1]\nclip_limit = 0\nrange = [0, 80]\nextent = '{extent}'")
        };
        let result = run(&lines("slices"), [2, 2, 2], image.clone())?;
        assert_eq!(values::<i16>(&result), [20, 40, 60, 80, 20, 60, 60, 80]);
        let result = run(&lines("volume"), [2, 2, 2], image)?;
        assert_eq!(values::<i16>(&result), [10, 20, 30, 40, 50, 70, 70, 80]);
        Ok(())
    }

    #[test]
    fn scikit_image_gives_floats_from_0_to_1_and_takes_no_hounsfield_units() -> Result<()> {
        let ramp: Vec<u8> = (0..=255).collect();
        let result = run("profile = 'skimage'", [16, 16, 1], ramp)?;
        let out = values::<f32>(&result);
        let ends = out
            .iter()
            .fold((2.0_f32, -1.0_f32), |(a, b), v| (a.min(*v), b.max(*v)));
        assert_eq!(ends, (0.0, 1.0));
        for values in [vec![-1000_i16, 0, 40, 400], vec![0_i16, 1, 2, 3]] {
            let error = run("profile = 'skimage'", [4, 1, 1], values).unwrap_err();
            assert!(error.to_string().contains("within -1 to 1"), "{error}");
        }
        let error = run("profile = 'skimage'", [2, 1, 1], vec![0.0_f32, 2.0]).unwrap_err();
        assert!(error.to_string().contains("within -1 to 1"), "{error}");
        Ok(())
    }

    #[test]
    fn one_value_few_voxels_and_infinity_are_told() -> Result<()> {
        for (extent, count) in [
            ("slices", "3 of 3 slices have"),
            ("volume", "the volume has"),
        ] {
            let lines = format!("extent = '{extent}'");
            for result in [
                run(&lines, [9, 9, 3], vec![5_i16; 243])?.findings,
                run(&lines, [9, 9, 3], vec![5_u8; 243])?.findings,
            ] {
                assert_eq!(result[0].code, "clahe.constant");
                assert_eq!(result[0].values["channel"], 0);
                let images = if extent == "slices" { 3 } else { 1 };
                assert_eq!(result[0].values["constant"], images);
                assert!(
                    result[0].message.starts_with(count),
                    "{}",
                    result[0].message
                );
            }
        }
        let result = run("", [4, 1, 1], vec![1.0_f64, f64::NAN, 3.0, 4.0])?;
        let codes: Vec<_> = result.findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(codes, ["voxels.nan", "clahe.fewer_tiles"]);
        assert_eq!(result.findings[1].values["tiles"], json!([4, 1, 1]));
        let error = run("", [2, 1, 1], vec![1.0, f32::INFINITY]).unwrap_err();
        assert!(error.to_string().contains("infinite"), "{error}");
        Ok(())
    }

    #[test]
    fn parameters_that_exclude_each_other_are_refused() {
        for (lines, part) in [
            (
                "tiles = [8, 8, 8]\ntile_size = [64, 64, 64]",
                "either `tiles`",
            ),
            ("tiles = [8, 8, 0]", "tiles: must be at least 1"),
            ("range = [5, 4]", "range: 5 is not below 4"),
            (
                "profile = 'skimage'\ntiles = [2, 2, 2]",
                "tiles: is not for profile",
            ),
            (
                "profile = 'skimage'\nrange = [0, 1]",
                "range: is not for profile",
            ),
            ("bins = 70000", "bins"),
            (
                "profile = 'skimage'\nbins = 20000",
                "bins: scikit-image has 16384 grey levels",
            ),
        ] {
            let error = run(lines, [4, 1, 1], vec![1_u8, 2, 3, 4]).unwrap_err();
            assert!(error.to_string().contains(part), "{lines}: {error}");
        }
        assert!(run("bins = 20000", [4, 1, 1], vec![1_u8, 2, 3, 4]).is_ok());
    }

    /// XR-06: without a range every slice has its own.
    #[test]
    fn slices_are_equalised_as_if_each_were_alone() -> Result<()> {
        fn check<T: Voxel>(lines: &str, volume: &[T]) -> Result<()> {
            let together = run(lines, [20, 20, 3], volume.to_vec())?;
            let together: Vec<&[T]> = values::<T>(&together).chunks(400).collect();
            for (z, slice) in volume.chunks(400).enumerate() {
                let alone = run(lines, [20, 20, 1], slice.to_vec())?;
                assert_eq!(values::<T>(&alone), together[z], "slice {z}: {lines}");
            }
            Ok(())
        }
        let volume = || (0..1200).map(|i| (i / 400 + 1) * ((i * 37) % 100) - 100 * (i / 400));
        let shorts: Vec<i16> = volume().map(|v| v as i16).collect();
        let ints: Vec<i32> = volume().map(|v| v * 1000).collect();
        let floats: Vec<f32> = volume().map(|v| v as f32 * 0.25).collect();
        for lines in ["tiles = [2, 2, 2]", "tiles = [2, 2, 2]\nrange = [-50, 150]"] {
            check(lines, &shorts)?;
            check(lines, &ints)?;
            check(lines, &floats)?;
        }
        Ok(())
    }

    #[test]
    fn what_the_image_makes_impossible_is_refused_by_field() {
        // 40,000 blocks of 16,384 bins of two bytes are 1.3 GB
        let lines = "profile = 'skimage'\ntile_size = [1, 1, 1]\nbins = 16384";
        let image: Vec<u16> = (0..40_000).collect();
        let error = run(lines, [200, 200, 1], image).unwrap_err().to_string();
        assert!(
            error.contains("tile_size") && error.contains("fewer tiles"),
            "{error}"
        );
        let lines = "range = [16777216, 16777217]";
        let error = run(lines, [2, 1, 1], vec![0.0_f32, 3e7])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("range") && error.contains("rescale"),
            "{error}"
        );
    }

    /// Infinities count as the ends of a range that is given, and a range that leaves nothing to
    /// tell apart is told.
    #[test]
    fn values_beyond_the_range_are_its_ends() -> Result<()> {
        let lines = "tiles = [1, 1, 1]\nclip_limit = 0\nrange = [0, 4]";
        let image = vec![f32::NEG_INFINITY, 1.0, 2.0, f32::INFINITY];
        assert_eq!(
            values::<f32>(&run(lines, [4, 1, 1], image)?),
            [1.0, 2.0, 3.0, 4.0]
        );
        let lines = "clip_limit = 0\nrange = [-500, 400]\nextent = 'slices'";
        let result = run(lines, [2, 1, 2], vec![-1024_i16, -1010, -30, 50])?;
        assert_eq!(values::<i16>(&result)[..2], [-500, -500]);
        assert!(result.findings[0].message.starts_with("1 of 2 slices"));
        Ok(())
    }
}
