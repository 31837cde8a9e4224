//! `xray.clahe`: contrast-limited adaptive histogram equalisation of radiographs.

use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, s};
use serde_json::json;
use voxprep_core::dispatch;
use voxprep_core::prelude::*;
use voxprep_core::voxels::{Voxel, Voxels, channel};
use voxprep_kernels::clahe::{
    self, Asked, Extent, Outcome, Rules, Scale, Tiles, Unfit, choose, effect, to_bytes, whole,
};

/// Equalises radiographs tile by tile with limited contrast (CLAHE).
///
/// # Notes
/// u8 and u16 without `range` and `bins` become what OpenCV's `CLAHE` makes of them, bit for bit: results
/// span the element type, which stays. Of i16, i32 and floats, and where `range` or `bins` is given, values
/// from `range` are sorted into `bins`, and results stay in that range; without `range` it is what each
/// slice holds, so that the darkest and the brightest pixel of i16 stay what they are. Every slice of
/// several is an image of its own. An image of one value is not equalised, with a finding; an axis has at
/// most as many tiles as pixels, else there is a finding. Noise in flat regions is raised too, by at most
/// about `clip_limit`. Extra memory: for each tile 2 bytes per value between the smallest and the largest,
/// or 4 per bin, for as many slices as there are threads; more than 1 GiB for one is refused. `depth = "u8"`
/// needs a byte per voxel beside, `report` 17 bytes per pixel of a slice.
///
/// # Reference
/// Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV (1994) 474.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clahe {
    /// How often a value may occur in a tile, as a factor of what it would be if all bins occurred alike: 0
    /// does not limit, 1 leaves the image nearly as it is. At least one pixel always may, which decides
    /// in tiles of fewer pixels than bins. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "[0, inf)"))]
    pub clip_limit: Option<Param>,
    /// The number of tiles along x and y. Default 8 and 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<[usize; 2]>,
    /// The size of a tile along x and y, in voxels, instead of their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile_size: Option<[usize; 2]>,
    /// Rules that choose `clip_limit` and `tiles` for each image, instead of both. A finding says what
    /// was chosen, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<Adaptive>,
    /// At which depth values are told apart. Default "native".
    #[serde(default)]
    pub depth: Depth,
    /// The smallest and the largest value, in the unit of the image; those beyond, and infinities, count as
    /// the ends. Without, the whole of u8 or u16, else what each slice holds. For a detector of 12 bits
    /// in u16 give [0, 4095].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// The number of bins that the range is divided into, 256 to 65536; integers never have more than there
    /// are of them in the range. Default 4096, but every value of u8 or u16 without `range`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "[256, 65536]"))]
    pub bins: Option<usize>,
    /// Whether contrast, range, information and edges before and after, PSNR and SSIM go into the report.
    /// Default false.
    #[serde(default)]
    pub report: bool,
}

/// Rules that choose limit and tiles; range, mean and contrast on a scale of 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Adaptive {
    /// Range below 50: 3.0 and 16 tiles. Else mean below 80: 2.5 and 12. Else 2.0 and 8.
    Basic,
    /// As "basic"; then, where the mean is not above 180, contrast below 0.3: 3.0 and 16; skewness above
    /// 0.5: 2.2 and 10; skewness below -0.5: 2.8 and 14.
    Extended,
}

/// At which depth values are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// As they are.
    #[default]
    Native,
    /// `range` mapped onto 0 to 255 first and rounded, as u8: most of 12 bits is lost. u8 without `range`
    /// stays as it is.
    U8,
}

/// The limit, where nothing else is said.
const CLIP_LIMIT: f64 = 2.0;
impl Params for Clahe {
    fn check(&self) -> Result<()> {
        let chosen = self.clip_limit.is_some() || self.tiles.is_some() || self.tile_size.is_some();
        if self.adaptive.is_some() && chosen {
            return Err(
                Error::parameter("chooses limit and tiles, and one of them is given")
                    .field("adaptive")
                    .remedy("leave out clip_limit, tiles and tile_size"),
            );
        }
        self.asked().check().map_err(refused)?;
        if self.depth == Depth::U8 && self.bins.is_some() {
            return Err(Error::parameter("8 bits have 256 bins")
                .field("bins")
                .remedy("leave out bins, or depth"));
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
        let limit = self.clip_limit.as_ref().map_or(CLIP_LIMIT, |p| p.draw(rng));
        let header = input.header();
        let (channels, size) = (header.channels.len(), header.geometry.size());
        let known = matches!(header.element_type, ElementType::U8 | ElementType::U16);
        if self.adaptive.is_some() && self.range.is_none() && !known {
            let reason = format!("the scale of {} values is not known", header.element_type);
            return Err(Error::parameter(reason)
                .field("adaptive")
                .remedy("give `range`, the smallest and the largest value there can be"));
        }
        if self.range.is_none() && !header.element_type.is_integer() {
            for channel in 0..channels {
                let data = input.summary(channel, &Over::All)?;
                if data.count > 0 && !(data.max - data.min).is_finite() {
                    return Err(input.infinite());
                }
            }
        }
        dispatch!(VoxelsView, input.voxels()?, source => match self.depth {
            Depth::Native => {
                let out = out.voxels(header.element_type, channels, size)?;
                self.equalise(input, &source, limit, out)
            }
            Depth::U8 => {
                let out = out.voxels(ElementType::U8, channels, size)?;
                self.equalise_bytes(input, &source, limit, out)
            }
        })
    }
}

/// One channel, and what is known of it.
struct Image<'a, T> {
    voxels: ArrayView3<'a, T>,
    channel: usize,
    /// How it is equalised.
    scale: Scale,
    /// What the scale of the values is, where that is known.
    ends: Option<[f64; 2]>,
}

impl Clahe {
    /// What is asked of the kernel.
    fn asked(&self) -> Asked {
        let flat = |[x, y]: [usize; 2]| [x, y, 1];
        Asked {
            tiles: self.tiles.map(flat),
            tile_size: self.tile_size.map(flat),
            range: self.range,
            bins: self.bins,
        }
    }

    fn equalise<T: Voxel>(
        &self,
        input: &Input<'_>,
        source: &ArrayView4<'_, T>,
        limit: f64,
        out: VoxelsViewMut<'_>,
    ) -> Result<()> {
        let mut out = T::view_mut(out).ok_or_else(other_type)?;
        for (index, out) in out.outer_iter_mut().enumerate() {
            if self.adaptive.is_some() {
                self.report_dark::<T>(input, index)?;
            }
            let image = Image {
                voxels: channel(source, index),
                channel: index,
                scale: self.asked().scale::<T>(),
                ends: self.range.or(whole::<T>()),
            };
            self.equalise_channel(input, &image, limit, out)?;
        }
        Ok(())
    }

    /// The same after the values were mapped onto bytes.
    fn equalise_bytes<T: Voxel>(
        &self,
        input: &Input<'_>,
        source: &ArrayView4<'_, T>,
        limit: f64,
        out: VoxelsViewMut<'_>,
    ) -> Result<()> {
        let mut out = u8::view_mut(out).ok_or_else(other_type)?;
        let size = input.header().geometry.size();
        let mut bytes = Voxels::for_overwrite(ElementType::U8, 1, size)?;
        for (index, out) in out.outer_iter_mut().enumerate() {
            if self.adaptive.is_some() || T::TYPE != ElementType::U8 {
                self.report_dark::<T>(input, index)?;
            }
            let mut bytes = u8::view_mut(bytes.view_mut()?).ok_or_else(other_type)?;
            let mut bytes = bytes.slice_mut(s![0, .., .., ..]);
            let range = self.range.or(whole::<T>());
            let nan = to_bytes(channel(source, index), range, bytes.view_mut())?;
            if nan > 0 {
                let message = format!("{nan} values that are no numbers became 0");
                let values = json!({ "channel": index, "count": nan });
                input.report(Finding::warning("clahe.nan", message).with_values(values));
            }
            let image = Image {
                voxels: bytes.view(),
                channel: index,
                scale: Scale::Type,
                ends: whole::<u8>(),
            };
            self.equalise_channel(input, &image, limit, out)?;
        }
        Ok(())
    }

    fn equalise_channel<T: Voxel>(
        &self,
        input: &Input<'_>,
        image: &Image<'_, T>,
        limit: f64,
        mut out: ArrayViewMut3<'_, T>,
    ) -> Result<()> {
        let (slices, index) = (image.voxels.dim().0, image.channel);
        let equalised =
            |voxels: ArrayView3<'_, T>, clip_limit, tiles, out: ArrayViewMut3<'_, T>| {
                let options = clahe::Clahe {
                    tiles,
                    clip_limit,
                    scale: image.scale,
                    extent: Extent::Slices,
                };
                let outcome = clahe::clahe(voxels, &options, out);
                outcome.map_err(|error| refused(self.asked().unfit(error)))
            };
        let mut constant = 0;
        let mut fewer: Vec<(String, Outcome)> = Vec::new();
        let mut note = |outcome: Outcome, tiles| {
            constant += outcome.constant;
            if let Some(message) = outcome.tell_fewer_tiles(tiles, Extent::Slices)
                && fewer.iter().all(|(known, _)| *known != message)
            {
                fewer.push((message, outcome));
            }
        };
        if let (Some(rules), Some(ends)) = (self.adaptive, image.ends) {
            for z in 0..slices {
                let slice = image.voxels.slice(s![z..=z, .., ..]);
                let (clip_limit, tiles) = chosen(input, index, (z, slices), slice, ends, rules)?;
                let out = out.slice_mut(s![z..=z, .., ..]);
                note(equalised(slice, clip_limit, tiles, out)?, tiles);
            }
        } else {
            let tiles = self.asked().tiles();
            note(
                equalised(image.voxels, limit, tiles, out.view_mut())?,
                tiles,
            );
        }
        let all = Outcome {
            tiles: [0; 3],
            constant,
        };
        if let Some(message) = all.tell_constant(slices, Extent::Slices) {
            let values = json!({ "channel": index, "images": slices, "constant": constant });
            input.report(Finding::warning("clahe.constant", message).with_values(values));
        }
        for (message, outcome) in fewer {
            let values = json!({ "channel": index, "tiles": outcome.tiles });
            input.report(Finding::warning("clahe.fewer_tiles", message).with_values(values));
        }
        if self.report {
            let ends = match image.ends {
                Some(ends) => ends,
                None => {
                    let data = input.summary(index, &Over::All)?;
                    [data.min, data.max]
                }
            };
            report_effect(input, image, out.view(), ends);
        }
        Ok(())
    }

    /// Warns where the values take little of the type's scale, as those of a detector of 12 bits in
    /// u16 do, and nothing says what their own scale is.
    fn report_dark<T: Voxel>(&self, input: &Input<'_>, channel: usize) -> Result<()> {
        let (None, Some([_, high])) = (self.range, whole::<T>()) else {
            return Ok(());
        };
        let data = input.summary(channel, &Over::All)?;
        if !(data.min < data.max && data.max < (high + 1.0) / 8.0) {
            return Ok(());
        }
        let top = (data.max as u64 + 1).next_power_of_two() - 1;
        let message = format!(
            "the values reach {} of {high}, and on that scale the image is dark and flat: give the \
             detector's, e.g. `range = [0, {top}]`",
            data.max
        );
        let values =
            json!({ "channel": channel, "largest": data.max, "scale": high, "range": [0, top] });
        input.report(Finding::warning("clahe.scale", message).with_values(values));
        Ok(())
    }
}

/// What the rules choose for slice `z` of so many.
fn chosen<T: Voxel>(
    input: &Input<'_>,
    channel: usize,
    (z, slices): (usize, usize),
    slice: ArrayView3<'_, T>,
    [low, high]: [f64; 2],
    rules: Adaptive,
) -> Result<(f64, Tiles)> {
    let rules = match rules {
        Adaptive::Basic => Rules::Basic,
        Adaptive::Extended => Rules::Extended,
    };
    let choice = match choose(slice, low, high, rules) {
        Ok(choice) => choice,
        // Nothing but NaN, which stays.
        Err(voxprep_kernels::Error::EmptySelection) => {
            return Ok((CLIP_LIMIT, Asked::default().tiles()));
        }
        Err(other) => return Err(other.into()),
    };
    let which = if slices == 1 {
        String::new()
    } else {
        format!("slice {z}: ")
    };
    let message = format!(
        "{which}{}: clip limit {}, {} x {} tiles",
        choice.rule, choice.clip_limit, choice.tiles, choice.tiles
    );
    let values = json!({
        "channel": channel, "slice": z, "rule": choice.rule, "clip_limit": choice.clip_limit,
        "tiles": choice.tiles, "range": choice.range, "mean": choice.mean,
        "contrast": choice.contrast, "skewness": choice.skewness, "kurtosis": choice.kurtosis,
    });
    input.report(Finding::note("clahe.chosen", message).with_values(values));
    let tiles = Tiles::Count([choice.tiles, choice.tiles, 1]);
    Ok((choice.clip_limit, tiles))
}

fn other_type() -> Error {
    Error::plugin("the output has another type than the input")
}

/// The error of what the kernel refused.
fn refused(unfit: Unfit) -> Error {
    let error = match unfit.field {
        Some(field) => Error::parameter(unfit.reason).field(field),
        None => Error::input(unfit.reason),
    };
    error.remedy(unfit.remedy)
}

fn report_effect<T: Voxel>(
    input: &Input<'_>,
    image: &Image<'_, T>,
    after: ArrayView3<'_, T>,
    [low, high]: [f64; 2],
) {
    let Ok(effect) = effect(image.voxels, after, low, high) else {
        let message = "the effect cannot be measured on values that are no numbers or all alike";
        let values = json!({ "channel": image.channel });
        input.report(Finding::warning("clahe.effect", message).with_values(values));
        return;
    };
    let times = |ratio: Option<f64>| ratio.map_or("unknown".to_owned(), |r| format!("x {r:.2}"));
    let ssim = effect
        .ssim
        .map_or("unknown".to_owned(), |v| format!("{v:.3}"));
    let message = format!(
        "contrast {}, range {}, information {}, edges {}, PSNR {:.2} dB, SSIM {ssim}",
        times(effect.contrast),
        times(effect.dynamic_range),
        times(effect.information),
        times(effect.edges),
        effect.psnr
    );
    // JSON has no infinity: an image that stayed has no PSNR.
    let values = json!({
        "channel": image.channel, "contrast": effect.contrast,
        "dynamic_range": effect.dynamic_range, "information": effect.information,
        "edges": effect.edges, "entropy": effect.entropy, "edge_strength": effect.edge_strength,
        "psnr_db": effect.psnr.is_finite().then_some(effect.psnr), "ssim": effect.ssim,
    });
    input.report(Finding::note("clahe.effect", message).with_values(values));
}

register!(Clahe: Filter, "xray.clahe", "clip_limit = 2.0\ntiles = [8, 8]");

#[cfg(test)]
mod tests {
    use super::*;
    use voxprep_core::pipeline::Pipeline;
    use voxprep_core::plan::Plan;
    use voxprep_core::registry::Registry;
    use voxprep_core::subject::Subject;
    use voxprep_core::voxels::Voxels;

    fn run<T: Voxel>(lines: &str, [x, y]: [usize; 2], values: Vec<T>) -> Result<Subject> {
        run_slices(lines, [x, y, 1], values)
    }

    fn run_slices<T: Voxel>(lines: &str, size: [usize; 3], values: Vec<T>) -> Result<Subject> {
        let grid = Geometry::aligned(size, [0.2; 3], [0.0; 3])?;
        let voxels = Voxels::new(1, grid.size(), values.into())?;
        let subject = Subject::new("case").with("image", Volume::new(grid, voxels)?)?;
        let pipeline = format!("version = 1\n[[step]]\nuse = 'xray.clahe'\n{lines}");
        Plan::new(Pipeline::from_toml(&pipeline)?, &Registry::built_in()?)?.sample(subject, 0)
    }

    fn values<T: Voxel>(subject: &Subject) -> &[T] {
        let image = subject.volume("image").map(Volume::voxels);
        image.and_then(|v| v.values::<T>()).unwrap()
    }

    const ONE_TILE: &str = "tiles = [1, 1]\nclip_limit = 0";

    #[test]
    fn in_one_tile_each_value_becomes_its_share_of_what_is_not_larger() -> Result<()> {
        let image = vec![10_u8, 10, 20, 30, 40, 40, 40, 200];
        let result = run(ONE_TILE, [4, 2], image)?;
        // 2, 2, 3, 4, 7, 7, 7, 8 of 8, times 255
        assert_eq!(values::<u8>(&result), [64, 64, 96, 128, 223, 223, 223, 255]);
        let header = result.volume("image").map(Volume::header).unwrap();
        assert_eq!(header.unit, Unit::Normalised);
        Ok(())
    }

    /// XR-03: the type and the range of floats stay, and nothing is cast to 8 bits.
    #[test]
    fn floats_stay_in_their_range() -> Result<()> {
        let image = vec![-3.0_f32, -2.0, 0.5, 5.0];
        let result = run(ONE_TILE, [4, 1], image)?;
        // 1, 2, 3, 4 of 4, from -3 to 5
        assert_eq!(values::<f32>(&result), [-1.0, 1.0, 3.0, 5.0]);
        let lines = format!("{ONE_TILE}\nrange = [-4, 4]\nbins = 256");
        let result = run(&lines, [4, 1], vec![-3.0_f32, -2.0, 0.5, 5.0])?;
        assert_eq!(values::<f32>(&result), [-2.0, 0.0, 2.0, 4.0]);
        Ok(())
    }

    /// XR-03, B-11: 8 bits only where they are asked for.
    #[test]
    fn eight_bits_are_a_choice() -> Result<()> {
        let image = vec![1000_u16, 2000, 3000, 4000];
        let lines = format!("{ONE_TILE}\ndepth = 'u8'");
        let result = run(&lines, [4, 1], image.clone())?;
        // 4, 8, 12, 16 of 255
        assert_eq!(values::<u8>(&result), [64, 128, 191, 255]);
        let result = run(ONE_TILE, [4, 1], image)?;
        assert_eq!(values::<u16>(&result), [16_384, 32_768, 49_151, 65_535]);
        Ok(())
    }

    /// XR-04: what the rules chose is in the report, with the numbers that decided.
    #[test]
    fn the_choice_of_the_rules_is_reported() -> Result<()> {
        let image: Vec<u8> = (0..400).map(|i| 100 + (i % 50) as u8).collect();
        let result = run("adaptive = 'basic'", [20, 20], image.clone())?;
        let finding = &result.findings[0];
        assert_eq!(finding.code, "clahe.chosen");
        assert_eq!(
            finding.message,
            "range below 50: clip limit 3, 16 x 16 tiles"
        );
        assert_eq!(finding.values["range"], 49.0);
        let same = run("clip_limit = 3\ntiles = [16, 16]", [20, 20], image.clone())?;
        assert_eq!(values::<u8>(&result), values::<u8>(&same));

        let floats: Vec<f32> = image.iter().map(|v| f32::from(*v)).collect();
        let error = run("adaptive = 'basic'", [20, 20], floats.clone()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("adaptive: the scale of f32 values"),
            "{error}"
        );
        let lines = "adaptive = 'basic'\nrange = [0, 255]";
        let finding = &run(lines, [20, 20], floats)?.findings[0];
        assert_eq!(finding.values["tiles"], 16);
        Ok(())
    }

    /// XR-04: no rule can tell what a u16 image of 12 bits is like on a scale of 16.
    #[test]
    fn a_detector_of_12_bits_in_16_is_told_to_name_its_range() -> Result<()> {
        let image: Vec<u16> = (0..400).map(|i| 1000 + 7 * i).collect();
        for lines in ["adaptive = 'basic'", "depth = 'u8'"] {
            let result = run(lines, [20, 20], image.clone())?;
            let finding = &result.findings[0];
            assert_eq!(finding.code, "clahe.scale", "{lines}");
            // 1000 + 7 * 399
            assert_eq!(finding.values["largest"], 3793.0);
            assert!(finding.message.contains("`range = [0, 4095]`"));
        }
        let lines = "adaptive = 'basic'\nrange = [0, 4095]";
        let result = run(lines, [20, 20], image.clone())?;
        assert_eq!(result.findings[0].code, "clahe.chosen");
        assert_eq!(result.findings[0].values["rule"], "no other rule");
        assert!(run("", [20, 20], image)?.findings.is_empty());
        Ok(())
    }

    /// XR-06: slices of their own, each with its own range and its own choice.
    #[test]
    fn slices_are_equalised_and_chosen_for_as_if_each_were_alone() -> Result<()> {
        fn check<T: Voxel>(lines: &str, volume: &[T]) -> Result<()> {
            let together = run_slices(lines, [20, 20, 3], volume.to_vec())?;
            let together: Vec<&[T]> = values::<T>(&together).chunks(400).collect();
            for (z, slice) in volume.chunks(400).enumerate() {
                let alone = run(lines, [20, 20], slice.to_vec())?;
                assert_eq!(values::<T>(&alone), together[z], "slice {z}: {lines}");
            }
            Ok(())
        }
        // spans of 99, 198 and 297, the first below 50 on a scale from -600 to 600
        let volume = || (0..1200).map(|i| (i / 400 + 1) * ((i * 37) % 100) - 100 * (i / 400));
        let shorts: Vec<i16> = volume().map(|v| v as i16).collect();
        let floats: Vec<f32> = volume().map(|v| v as f32 * 0.25).collect();
        let bytes: Vec<u8> = volume().map(|v| (v + 200) as u8 / 2).collect();
        check("tiles = [2, 2]", &shorts)?;
        check("tiles = [2, 2]", &floats)?;
        for lines in [
            "adaptive = 'basic'\nrange = [-600, 600]",
            "tiles = [2, 2]\nrange = [-50, 150]",
        ] {
            check(lines, &shorts)?;
            check(lines, &floats)?;
        }
        check("adaptive = 'extended'", &bytes)
    }

    /// XR-05: 7 x 7 pixels, of which each column has one value.
    #[test]
    fn the_effect_is_reported_when_asked_for() -> Result<()> {
        // 0, 8 .. 48 become k/7 of 255: 36, 73, 109, 146, 182, 219, 255
        let image: Vec<u8> = (0..49).map(|i| 8 * (i % 7)).collect();
        let lines = format!("{ONE_TILE}\nreport = true");
        let result = run(&lines, [7, 7], image.clone())?;
        assert_eq!(
            values::<u8>(&result)[..7],
            [36, 73, 109, 146, 182, 219, 255]
        );
        let finding = &result.findings[0];
        assert_eq!(finding.code, "clahe.effect");
        for (name, expected) in [
            // deviations 73.00 and 16, ranges 219 and 48, gradients 36.5 and 8, log2 7 bits each
            ("contrast", 4.562_526_209_039),
            ("dynamic_range", 4.5625),
            ("information", 1.0),
            ("edges", 4.5625),
            // 10 log10(255^2 / (126444 / 7))
            ("psnr_db", 5.562_801_747_835),
            // means 24 and 1020/7, sample variances 261.33 and 5440.08, covariance 1192.33
            ("ssim", 0.136_121_843_719),
        ] {
            let value = finding.values[name].as_f64().unwrap_or(f64::NAN);
            assert!((value - expected).abs() < 1e-9, "{name}: {value}");
        }
        assert_eq!(
            finding.message,
            "contrast x 4.56, range x 4.56, information x 1.00, edges x 4.56, PSNR 5.56 dB, SSIM 0.136"
        );
        assert!(run(ONE_TILE, [7, 7], image)?.findings.is_empty());
        Ok(())
    }

    /// XR-03: bytes at 8 bits are what they were, whatever they span.
    #[test]
    fn bytes_at_eight_bits_are_not_stretched() -> Result<()> {
        let image: Vec<u8> = (0..400).map(|i| 60 + ((i * 37) % 101) as u8).collect();
        for lines in ["tiles = [2, 2]", "adaptive = 'basic'"] {
            let native = run(lines, [20, 20], image.clone())?;
            let bytes = run(&format!("{lines}\ndepth = 'u8'"), [20, 20], image.clone())?;
            assert_eq!(values::<u8>(&native), values::<u8>(&bytes));
            assert_eq!(native.findings, bytes.findings);
        }
        for (result, expected) in [
            (run("depth = 'u8'", [9, 9], vec![77_u8; 81])?, 77),
            // 77 / 257, rounded; of floats it is both the smallest and the largest value
            (run("depth = 'u8'", [9, 9], vec![77 * 257_u16; 81])?, 77),
            (run("depth = 'u8'", [9, 9], vec![77.0_f32; 81])?, 0),
            (
                run("depth = 'u8'\nrange = [0, 154]", [9, 9], vec![77.0_f32; 81])?,
                128,
            ),
        ] {
            assert!(values::<u8>(&result).iter().all(|v| *v == expected));
            assert_eq!(result.findings[0].code, "clahe.constant");
        }
        let floats = vec![0.0_f32, 1.0, 2.0, 3.0];
        let error = run("depth = 'u8'\nadaptive = 'basic'", [4, 1], floats).unwrap_err();
        assert!(
            error.to_string().contains("the scale of f32 values"),
            "{error}"
        );
        Ok(())
    }

    /// XR-03: the 256 integers of a range need no 4096 bins, of which most would stay empty.
    #[test]
    fn a_range_of_bytes_gives_what_bytes_give() -> Result<()> {
        let image: Vec<u8> = (0..4096).map(|i| 60 + ((i * 37) % 101) as u8).collect();
        let bytes = run("", [64, 64], image.clone())?;
        let bytes = values::<u8>(&bytes);
        for lines in [
            "range = [0, 255]",
            "bins = 256",
            "range = [-0.5, 255.5]\nbins = 65536",
        ] {
            assert_eq!(
                values::<u8>(&run(lines, [64, 64], image.clone())?),
                bytes,
                "{lines}"
            );
        }
        let shorts = image.iter().map(|v| i16::from(*v)).collect();
        let shorts = run("range = [0, 255]", [64, 64], shorts)?;
        let expected: Vec<i16> = bytes.iter().map(|v| i16::from(*v)).collect();
        assert_eq!(values::<i16>(&shorts), expected);
        Ok(())
    }

    #[test]
    fn what_the_image_makes_impossible_is_refused_by_field() {
        // 16,384 tiles of 65,536 values of two bytes are 2 GiB
        let mut image = vec![0_u16; 128 * 128];
        image[0] = u16::MAX;
        let error = run("tile_size = [1, 1]", [128, 128], image).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("tile_size") && error.contains("1 GiB"),
            "{error}"
        );
        assert!(error.contains("fewer tiles"), "{error}");
        let lines = "range = [0, 1e-40]";
        let error = run(lines, [2, 1], vec![0_u8, 9]).unwrap_err().to_string();
        assert!(
            error.contains("range") && error.contains("rescale"),
            "{error}"
        );
        let error = run("", [2, 1], vec![-3e38_f32, 3e38])
            .unwrap_err()
            .to_string();
        assert!(error.contains("rescale"), "{error}");
    }

    /// Infinities count as the ends of a range that is given, and a range that leaves nothing to
    /// tell apart is told.
    #[test]
    fn values_beyond_the_range_are_its_ends() -> Result<()> {
        let lines = format!("{ONE_TILE}\nrange = [0, 4]");
        let image = vec![f32::NEG_INFINITY, 1.0, 2.0, f32::INFINITY];
        assert_eq!(
            values::<f32>(&run(&lines, [4, 1], image)?),
            [1.0, 2.0, 3.0, 4.0]
        );
        let lines = format!("{ONE_TILE}\nrange = [-500, 400]");
        let result = run(&lines, [2, 1], vec![-1024_i16, -1010])?;
        assert_eq!(values::<i16>(&result), [-500, -500]);
        assert_eq!(result.findings[0].code, "clahe.constant");
        Ok(())
    }

    #[test]
    fn one_value_nan_and_few_pixels_have_defined_results() -> Result<()> {
        let result = run("", [9, 9], vec![77_u8; 81])?;
        assert!(values::<u8>(&result).iter().all(|v| *v == 77));
        assert_eq!(result.findings[0].code, "clahe.constant");
        let result = run("", [9, 9], vec![7.5_f32; 81])?;
        assert!(values::<f32>(&result).iter().all(|v| *v == 7.5));
        assert_eq!(result.findings[0].code, "clahe.constant");
        let result = run("", [9, 9], vec![f32::NAN; 81])?;
        assert!(values::<f32>(&result).iter().all(|v| v.is_nan()));
        let result = run("depth = 'u8'", [3, 1], vec![1.0, f64::NAN, 2.0])?;
        let codes: Vec<_> = result.findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(codes, ["voxels.nan", "clahe.nan", "clahe.fewer_tiles"]);
        let error = run("", [3, 1], vec![1.0, f64::INFINITY, 2.0]).unwrap_err();
        assert!(error.to_string().contains("infinite"), "{error}");
        Ok(())
    }

    #[test]
    fn parameters_that_exclude_each_other_are_refused() {
        for (lines, part) in [
            (
                "adaptive = 'basic'\nclip_limit = 2",
                "adaptive: chooses limit and tiles",
            ),
            ("tiles = [8, 8]\ntile_size = [64, 64]", "either `tiles`"),
            ("tiles = [0, 8]", "tiles: must be at least 1"),
            ("tile_size = [8, 0]", "tile_size: must be at least 1"),
            ("range = [5, 5]", "range: 5 is not below 5"),
            ("depth = 'u8'\nbins = 512", "bins: 8 bits have 256 bins"),
            ("bins = 100", "bins"),
            ("clip_limit = -1", "clip_limit"),
        ] {
            let error = run(lines, [4, 1], vec![1_u8, 2, 3, 4]).unwrap_err();
            assert!(error.to_string().contains(part), "{lines}: {error}");
        }
    }
}
