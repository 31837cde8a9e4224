//! `xray.clahe`: contrast-limited adaptive histogram equalisation of radiographs.

use ndarray::{Array3, ArrayView3, ArrayView4, ArrayViewMut3};
use serde_json::json;
use voxprep_core::dispatch;
use voxprep_core::kernels::Element;
use voxprep_core::prelude::*;
use voxprep_core::voxels::{Voxel, channel};
use voxprep_kernels::clahe::{Extent, Outcome, Rules, Scale, Tiles, choose, clahe, effect};
use voxprep_kernels::stats::Summary;

/// Equalises radiographs tile by tile with limited contrast (CLAHE).
///
/// # Notes
/// At 8 and 16 bits without `range` and `bins` this is OpenCV's `CLAHE`, bit for bit: results span the
/// element type, which stays. Otherwise values from `range` (else from the smallest to the largest of
/// the channel) are sorted into `bins`; results stay in that range. A radiograph of several slices is
/// equalised slice by slice. An image of one value is left as it is, with a finding; an axis has at most
/// as many tiles as pixels, else there is a finding. Noise in flat regions is raised too, by at most
/// about `clip_limit`.
///
/// # Reference
/// Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV (1994) 474.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clahe {
    /// How often a value may occur in a tile, as a factor of what it would be if all occurred alike: 0
    /// does not limit, 1 leaves the image nearly as it is. Default 2.
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
    /// The smallest and the largest value, in the unit of the image; those beyond count as the ends.
    /// Without, the whole of an 8 or 16 bit type, else what the channel holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// The number of bins that the range is divided into, 256 to 65536. Without, every value of an 8 or 16
    /// bit type, or 4096.
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
    /// Mapped onto 0 to 255 first and rounded, as u8: most of 12 bits is lost.
    U8,
}

/// The limit and the tiles, where nothing else is said.
const CLIP_LIMIT: f64 = 2.0;
const TILES: [usize; 2] = [8, 8];
/// Bins of a range, where nothing else is said.
const BINS: usize = 4096;

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
        if self.tiles.is_some() && self.tile_size.is_some() {
            return Err(Error::parameter(
                "give either `tiles`, their number, or `tile_size`",
            ));
        }
        for (name, values) in [("tiles", self.tiles), ("tile_size", self.tile_size)] {
            if values.is_some_and(|values| values.contains(&0)) {
                return Err(Error::parameter("must be at least 1 on both axes").field(name));
            }
        }
        if let Some([low, high]) = self.range
            && !(low < high && (high - low).is_finite())
        {
            let reason = format!("{low} is not below {high}");
            return Err(Error::parameter(reason).field("range"));
        }
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
    /// How it is equalised; not at all where it has one value.
    scale: Option<Scale>,
    /// What the scale of the values is, where that is known.
    ends: Option<[f64; 2]>,
}

impl Clahe {
    fn equalise<T: Voxel>(
        &self,
        input: &Input<'_>,
        source: &ArrayView4<'_, T>,
        limit: f64,
        out: VoxelsViewMut<'_>,
    ) -> Result<()> {
        let mut out = T::view_mut(out).ok_or_else(other_type)?;
        for (index, out) in out.outer_iter_mut().enumerate() {
            let whole = ends_of(T::TYPE);
            let scale = if whole.is_some() && self.range.is_none() && self.bins.is_none() {
                Some(Scale::Type)
            } else {
                let data = finite(input, index)?;
                let [low, high] = self.range.unwrap_or([data.min, data.max]);
                let bins = self.bins.unwrap_or(BINS);
                (low < high).then_some(Scale::Range { low, high, bins })
            };
            let image = Image {
                voxels: channel(source, index),
                channel: index,
                scale,
                ends: self.range.or(whole),
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
        for (index, out) in out.outer_iter_mut().enumerate() {
            let summary = finite(input, index)?;
            let [low, high] = self.range.unwrap_or([summary.min, summary.max]);
            let byte = |v: &T| u8::from_f64((v.to_f64() - low) * 255.0 / (high - low));
            let bytes: Array3<u8> = channel(source, index).map(byte);
            if summary.nan > 0 {
                let message = format!("{} values that are no numbers became 0", summary.nan);
                let values = json!({ "channel": index, "count": summary.nan });
                input.report(Finding::warning("clahe.nan", message).with_values(values));
            }
            let image = Image {
                voxels: bytes.view(),
                channel: index,
                scale: Some(Scale::Type),
                ends: Some([0.0, 255.0]),
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
        let slices = image.voxels.dim().0;
        let Some(scale) = image.scale else {
            out.assign(&image.voxels);
            report_constant(input, image.channel, slices, slices);
            return Ok(());
        };
        let (clip_limit, tiles) = match (self.adaptive, self.tile_size) {
            (Some(rules), _) => self.chosen(input, image, rules)?,
            (None, Some([x, y])) => (limit, Tiles::Size([x, y, 1])),
            (None, None) => {
                let [x, y] = self.tiles.unwrap_or(TILES);
                (limit, Tiles::Count([x, y, 1]))
            }
        };
        let options = voxprep_kernels::clahe::Clahe {
            tiles,
            clip_limit,
            scale,
            extent: Extent::Slices,
        };
        let outcome = clahe(image.voxels, &options, out.view_mut())?;
        report_constant(input, image.channel, outcome.constant, slices);
        report_fewer_tiles(input, image.channel, tiles, &outcome);
        if self.report {
            let [low, high] = match (image.ends, scale) {
                (Some(ends), _) => ends,
                (None, Scale::Range { low, high, .. }) => [low, high],
                (None, Scale::Type) => [f64::NAN; 2],
            };
            report_effect(input, image, out.view(), low, high);
        }
        Ok(())
    }

    /// What the rules choose.
    fn chosen<T: Voxel>(
        &self,
        input: &Input<'_>,
        image: &Image<'_, T>,
        rules: Adaptive,
    ) -> Result<(f64, Tiles)> {
        let Some([low, high]) = image.ends else {
            let reason = format!("the scale of {} values is not known", T::TYPE);
            return Err(Error::parameter(reason)
                .field("adaptive")
                .remedy("give `range`, the smallest and the largest value there can be"));
        };
        let rules = match rules {
            Adaptive::Basic => Rules::Basic,
            Adaptive::Extended => Rules::Extended,
        };
        let choice = match choose(image.voxels, low, high, rules) {
            Ok(choice) => choice,
            // Nothing but NaN, which stays.
            Err(voxprep_kernels::Error::EmptySelection) => {
                return Ok((CLIP_LIMIT, Tiles::Count([TILES[0], TILES[1], 1])));
            }
            Err(other) => return Err(other.into()),
        };
        let message = format!(
            "{}: clip limit {}, {} x {} tiles",
            choice.rule, choice.clip_limit, choice.tiles, choice.tiles
        );
        let values = json!({
            "channel": image.channel, "rule": choice.rule, "clip_limit": choice.clip_limit,
            "tiles": choice.tiles, "range": choice.range, "mean": choice.mean,
            "contrast": choice.contrast, "skewness": choice.skewness, "kurtosis": choice.kurtosis,
        });
        input.report(Finding::note("clahe.chosen", message).with_values(values));
        let tiles = Tiles::Count([choice.tiles, choice.tiles, 1]);
        Ok((choice.clip_limit, tiles))
    }
}

/// What a type of 8 or 16 bits without sign spans.
fn ends_of(element_type: ElementType) -> Option<[f64; 2]> {
    match element_type {
        ElementType::U8 => Some([0.0, 255.0]),
        ElementType::U16 => Some([0.0, 65_535.0]),
        _ => None,
    }
}

fn other_type() -> Error {
    Error::plugin("the output has another type than the input")
}

/// The statistics of a channel that has no infinite value.
fn finite(input: &Input<'_>, channel: usize) -> Result<Summary> {
    let summary = input.summary(channel, &Over::All)?;
    if summary.count > 0 && !(summary.max - summary.min).is_finite() {
        return Err(input.infinite());
    }
    Ok(summary)
}

fn report_constant(input: &Input<'_>, channel: usize, constant: usize, slices: usize) {
    if constant > 0 {
        let message = if slices == 1 {
            "the image has one value and is left as it is".to_owned()
        } else {
            format!("{constant} of {slices} slices have one value and are left as they are")
        };
        let values = json!({ "channel": channel, "slices": constant });
        input.report(Finding::warning("clahe.constant", message).with_values(values));
    }
}

fn report_fewer_tiles(input: &Input<'_>, channel: usize, asked: Tiles, outcome: &Outcome) {
    let [x, y, _] = outcome.tiles;
    if let Tiles::Count([asked_x, asked_y, _]) = asked
        && (x, y) != (asked_x, asked_y)
    {
        let message =
            format!("the image is smaller than {asked_x} x {asked_y} tiles and has {x} x {y}");
        let values = json!({ "channel": channel, "tiles": [x, y] });
        input.report(Finding::warning("clahe.fewer_tiles", message).with_values(values));
    }
}

fn report_effect<T: Voxel>(
    input: &Input<'_>,
    image: &Image<'_, T>,
    after: ArrayView3<'_, T>,
    low: f64,
    high: f64,
) {
    let Ok(effect) = effect(image.voxels, after, low, high) else {
        let message = "the effect cannot be measured on values that are no numbers or all alike";
        input.report(Finding::warning("clahe.effect", message));
        return;
    };
    let times = |ratio: Option<f64>| ratio.map_or("unknown".to_owned(), |r| format!("x {r:.2}"));
    let message = format!(
        "contrast {}, range {}, information {}, edges {}, PSNR {:.2} dB",
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

    fn run<T: Voxel>(lines: &str, size: [usize; 2], values: Vec<T>) -> Result<Subject> {
        let grid = Geometry::aligned([size[0], size[1], 1], [0.2; 3], [0.0; 3])?;
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

    /// XR-05
    #[test]
    fn the_effect_is_reported_when_asked_for() -> Result<()> {
        let image: Vec<u8> = (0..400).map(|i| 60 + ((i * 37) % 101) as u8).collect();
        let result = run("tiles = [2, 2]\nreport = true", [20, 20], image.clone())?;
        let finding = &result.findings[0];
        assert_eq!(finding.code, "clahe.effect");
        for name in [
            "contrast",
            "dynamic_range",
            "information",
            "edges",
            "psnr_db",
            "ssim",
        ] {
            assert!(
                finding.values[name].as_f64().is_some_and(|v| v > 0.0),
                "{name}"
            );
        }
        assert!(run("tiles = [2, 2]", [20, 20], image)?.findings.is_empty());
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
