//! `voxprep show`: a picture of files.

use std::io::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::{Args, ValueEnum};
use voxprep_core::schema;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Modality, Role, Volume};
use voxprep_view::colour::ColourMap;
use voxprep_view::error::Error;
use voxprep_view::histogram::{CountAxis, Counts, Series, histogram, value_range};
use voxprep_view::image::Image;
use voxprep_view::look::{
    Convention, Interpolation, Look, Origin, Overlay, OverlayMode, Scale, Window,
};
use voxprep_view::mosaic::{Grid, mosaic};
use voxprep_view::pane::{Plane, Slice};
use voxprep_view::picture::Picture;
use voxprep_view::slices::{Row, mid_rows, rows_of};
use voxprep_view::text::number;

use crate::destination::{check_replaces, check_writable_file};
use crate::failure::usage;
use crate::inputs::{Given, Inputs};
use crate::output::Output;
use crate::pictures::refused;
use crate::work::Work;

/// Draw a picture of files: slices, a mosaic or a histogram
///
/// Panes lie along the anatomical axes nearest to the axes of the file, so that they are the right
/// way up whatever the order of storage; letters say where right (R), left (L), anterior (A),
/// posterior (P), superior (S) and inferior (I) are. A mm is as long across as down. Several inputs
/// stand one below another. Label maps are drawn over the images that share their grid, or alone
/// where no image is given. A radiograph is drawn as stored.
///
/// The window is display only; without one it follows from unit and values. The same file gives the
/// same bytes. What the picture shows is said on standard output.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Show {
    /// Images: a file, or NAME=PATH; one without a name is called 'image'
    #[arg(value_name = "INPUT", value_parser = Given::parser(), required_unless_present = "labels")]
    inputs: Vec<Given>,

    /// The PNG file to write
    #[arg(short, long, value_name = "OUT.png")]
    output: PathBuf,

    /// A label map to draw over the images (may be repeated)
    #[arg(long = "label", value_name = "NAME=PATH", value_parser = Given::named_parser())]
    labels: Vec<Given>,

    /// What is drawn
    #[arg(long, value_enum, default_value_t = Kind::Mid)]
    kind: Kind,

    /// One plane instead of all three: sagittal, coronal, axial, or stored for x to the right and y
    /// down [default of a mosaic: axial]
    #[arg(long, value_name = "PLANE")]
    axis: Option<Plane>,

    /// The index of the slice along the axis through that plane, from 0 [default: the middle]
    #[arg(long, value_name = "N", requires = "axis")]
    slice: Option<usize>,

    /// Slices in a row of a mosaic [default: as many as make it square]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_row: Option<u32>,

    /// Every how manieth slice a mosaic has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,

    /// What is black and white: LEVEL,WIDTH or the name of a window of ct.window, such as lung
    #[arg(long, value_name = "L,W|NAME", allow_hyphen_values = true, conflicts_with = "range", value_parser = window)]
    window: Option<Window>,

    /// What is black and white: the lowest and the highest value; of a histogram, its ends
    #[arg(long, value_name = "LOW,HIGH", allow_hyphen_values = true, value_parser = pair)]
    range: Option<[f64; 2]>,

    /// Colours of the values: grey, bone, hot or viridis
    #[arg(long, value_name = "NAME", default_value_t = ColourMap::Grey)]
    colormap: ColourMap,

    /// How much of the image a label map covers: 0 nothing, 1 all
    #[arg(long, value_name = "A", default_value_t = Overlay::default().alpha)]
    alpha: f64,

    /// Draw the outlines of labels only
    #[arg(long)]
    contour: bool,

    /// The patient's right on the right of the picture; it is on the left otherwise
    #[arg(long)]
    neurological: bool,

    /// Whether superior and anterior are up (upper) or down (lower)
    #[arg(long, value_name = "upper|lower", default_value_t = Origin::Upper)]
    origin: Origin,

    /// Number, from 0, or name of the channel [default: the first; of colours, all]
    #[arg(long, value_name = "N|NAME")]
    channel: Option<String>,

    /// How large a pixel is: mm, or with px the longest side of a pane, as in 800px
    #[arg(long, value_name = "MM|Npx", value_parser = scale)]
    scale: Option<Scale>,

    /// Show voxels as they are, without interpolation
    #[arg(long)]
    nearest: bool,

    /// What the images are (CT, MRI or XRAY), where their files do not say: CT are in HU
    #[arg(long)]
    modality: Option<Modality>,

    /// Bins of a histogram
    #[arg(long, value_name = "N", default_value_t = BINS)]
    bins: usize,

    /// Draw the logarithm of the counts of a histogram
    #[arg(long)]
    log: bool,

    /// No titles and captions
    #[arg(long)]
    bare: bool,

    #[command(flatten)]
    work: Work,
}

/// The bins of a histogram.
const BINS: usize = 256;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The slice in the middle of each plane, or --slice of --axis
    Mid,
    /// All slices of --axis
    Mosaic,
    /// How many voxels have which values
    Histogram,
}

const EXAMPLES: &str = "\
Examples:
  voxprep show scan.nii.gz -o scan.png
  voxprep show scan.nii.gz -o lung.png --modality CT --window lung --axis axial --slice 60
  voxprep show t1=a.nii.gz flair=b.nii.gz --label lesion=m.nii.gz -o case7.png --contour
  voxprep show scan.nii.gz -o all.png --kind mosaic --axis coronal --every 4
  voxprep show before=a.nii.gz after=b.nii.gz -o values.png --kind histogram --log";

fn pair(text: &str) -> Result<[f64; 2], String> {
    let numbers: Option<Vec<f64>> = text
        .split(',')
        .map(|number| number.trim().parse().ok())
        .collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| "give two numbers, as in -160,240".to_owned())
}

fn window(text: &str) -> Result<Window, String> {
    if let Ok([level, width]) = pair(text) {
        return Ok(Window::Level { level, width });
    }
    #[cfg(feature = "ct")]
    {
        use voxprep_transforms_ct::transforms::window::WindowPreset;
        let preset: Result<WindowPreset, _> = serde_json::from_value(text.into());
        if let Ok(preset) = preset {
            let (level, width) = preset.level_and_width();
            return Ok(Window::Level { level, width });
        }
    }
    Err("give level and width, as in 40,400, or the name of a window of ct.window, as lung".into())
}

fn scale(text: &str) -> Result<Scale, String> {
    let wrong = || "give mm per pixel, as in 0.5, or pixels, as in 800px".to_owned();
    if let Some(pixels) = text.strip_suffix("px") {
        return pixels
            .trim()
            .parse()
            .map(Scale::Pixels)
            .map_err(|_| wrong());
    }
    let mm = text.strip_suffix("mm").unwrap_or(text).trim();
    f64::from_str(mm)
        .map(Scale::MmPerPixel)
        .map_err(|_| wrong())
}

impl Show {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let reading = self.work.start()?;
        self.check_use()?;
        self.check_output()?;
        let inputs = Inputs::new(&self.inputs, &self.labels, reading)?;
        for path in inputs.paths() {
            check_replaces(&self.output, path)?;
        }
        let mut subject = Subject::new(inputs.id().unwrap_or_default());
        inputs.read(&mut subject)?;
        let mut volumes: Vec<(String, Volume)> = Vec::new();
        for (name, volume) in subject.volumes() {
            let volume = volume.clone();
            volumes.push((
                name.to_owned(),
                match self.modality {
                    Some(modality) => volume.with_modality(modality),
                    None => volume,
                },
            ));
        }
        let images = self.images(&volumes)?;
        let (picture, said) = self.draw(&images).map_err(refused)?;
        let file = picture.png().map_err(refused)?;
        voxprep_io::write_aside(&self.output, |to| to.write_all(&file))?;
        out.line(format_args!("{}: {said}", self.output.display()))
    }

    /// Refuses an option that the kind has no use for.
    fn check_use(&self) -> Result<()> {
        use Kind::{Histogram, Mid, Mosaic};
        let given: [(&str, bool, &[Kind]); 9] = [
            ("--slice", self.slice.is_some(), &[Mid]),
            ("--axis", self.axis.is_some(), &[Mid, Mosaic]),
            ("--per-row", self.per_row.is_some(), &[Mosaic]),
            ("--every", self.every != 1, &[Mosaic]),
            ("--contour", self.contour, &[Mid, Mosaic]),
            ("--neurological", self.neurological, &[Mid, Mosaic]),
            ("--window", self.window.is_some(), &[Mid, Mosaic]),
            ("--bins", self.bins != BINS, &[Histogram]),
            ("--log", self.log, &[Histogram]),
        ];
        let misplaced =
            |(_, given, of): &&(&str, bool, &[Kind])| *given && !of.contains(&self.kind);
        let Some((option, _, of)) = given.iter().find(misplaced) else {
            return Ok(());
        };
        let name = |kind: &Kind| format!("{kind:?}").to_lowercase();
        let of: Vec<String> = of.iter().map(name).collect();
        Err(usage(format_args!(
            "{option} has no meaning for --kind {}; it is for {}",
            name(&self.kind),
            of.join(" and ")
        )))
    }

    /// Refuses what cannot be written before anything is read.
    fn check_output(&self) -> Result<()> {
        let extension = self.output.extension().and_then(|e| e.to_str());
        if !extension.is_some_and(|e| e.eq_ignore_ascii_case("png")) {
            return Err(usage(format_args!(
                "pictures are PNG; end the name in .png: {}",
                self.output.display()
            )));
        }
        check_writable_file(&self.output)
    }

    /// What is shown: the images with the label maps on their grid, or the label maps.
    fn images<'a>(&self, volumes: &'a [(String, Volume)]) -> Result<Vec<Image<'a>>> {
        let of = |role| {
            volumes
                .iter()
                .filter(move |(_, volume)| volume.role() == role)
        };
        let (images, labels) = (of(Role::Intensity), of(Role::Label));
        // A segmentation object is a label map wherever it is given.
        let alone = images.clone().next().is_none();
        let shown: Vec<&(String, Volume)> = match alone {
            true => labels.clone().collect(),
            false => images.collect(),
        };
        let mut drawn = Vec::with_capacity(shown.len());
        let mut used = vec![alone; labels.clone().count()];
        for (position, (name, volume)) in shown.iter().copied().enumerate() {
            let mut image = Image::new(volume).with_title(self.title(name, position));
            if let Some(channel) = &self.channel {
                image = image
                    .with_channel(channel_number(channel, volume)?)
                    .map_err(refused)?;
            }
            let over = labels.clone().zip(&mut used).filter(|_| !alone);
            for ((name, labels), used) in over {
                let with = image.clone().with_labels(labels);
                match with {
                    Ok(with) => {
                        image = with;
                        *used = true;
                    }
                    // One of several images may have another grid.
                    Err(_) if shown.len() > 1 => {}
                    Err(error) => return Err(anyhow::anyhow!("'{name}': {error}")),
                }
            }
            drawn.push(image);
        }
        if let Some((name, _)) = labels.zip(&used).find(|(_, used)| !**used).map(|(l, _)| l) {
            return Err(anyhow::anyhow!(
                "the label map '{name}' is on the grid of no image; bring it there first, with spatial.like"
            ));
        }
        Ok(drawn)
    }

    /// The name that was given, or that of the file.
    fn title(&self, name: &str, position: usize) -> String {
        let given = self
            .inputs
            .get(position)
            .filter(|given| given.name.is_none());
        given.map_or_else(
            || name.to_owned(),
            |given| voxprep_io::file_stem(&given.path).to_owned(),
        )
    }

    fn look(&self) -> Look {
        let range = self.range.map(|[low, high]| Window::Range { low, high });
        Look {
            window: self.window.or(range).unwrap_or_default(),
            colour_map: self.colormap,
            convention: match self.neurological {
                true => Convention::Neurological,
                false => Convention::Radiological,
            },
            origin: self.origin,
            scale: self.scale.unwrap_or_default(),
            interpolation: match self.nearest {
                true => Interpolation::Nearest,
                false => Interpolation::Linear,
            },
            overlay: Overlay {
                alpha: self.alpha,
                mode: match self.contour {
                    true => OverlayMode::Contour,
                    false => OverlayMode::Fill,
                },
            },
            captions: !self.bare,
            letters: true,
        }
    }

    /// The picture, and what it shows.
    fn draw(&self, images: &[Image<'_>]) -> Result<(Picture, String), Error> {
        let look = self.look();
        match self.kind {
            Kind::Mid => {
                let shown = match self.axis {
                    None => mid_rows(images, &look)?,
                    Some(plane) => {
                        let rows = images.iter().map(|image| {
                            let mut slice = Slice::middle(plane, image.volume().geometry());
                            slice.index = self.slice.unwrap_or(slice.index);
                            Row {
                                image: image.clone(),
                                slices: vec![slice],
                                window: None,
                            }
                        });
                        rows_of(&rows.collect::<Vec<_>>(), &look)?
                    }
                };
                Ok((shown.picture, shown.caption))
            }
            Kind::Mosaic => {
                let first = images.first().and_then(Plane::of_single_slice);
                let mut grid = Grid::new(self.axis.or(first).unwrap_or(Plane::Axial));
                grid.per_row = self.per_row.map(|n| n as usize);
                grid.every = self.every as usize;
                let mosaic = mosaic(images, grid, &look)?;
                Ok((mosaic.picture, mosaic.caption))
            }
            Kind::Histogram => self.histogram(images),
        }
    }

    fn histogram(&self, images: &[Image<'_>]) -> Result<(Picture, String), Error> {
        let mut range = [f64::INFINITY, f64::NEG_INFINITY];
        for image in images {
            let [low, high] = value_range(image.volume(), image.channel())?;
            range = [range[0].min(low), range[1].max(high)];
        }
        let range = self.range.unwrap_or(range);
        let mut series = Vec::with_capacity(images.len());
        let mut said = Vec::with_capacity(images.len());
        for image in images {
            let counts = Counts::of(image.volume(), image.channel(), self.bins, range)?;
            said.push(format!(
                "{}: {} voxels, {} of them below, {} above, {} NaN",
                image.title(),
                counts.total(),
                counts.below,
                counts.above,
                counts.nan
            ));
            series.push(Series {
                name: image.title().to_owned(),
                counts,
            });
        }
        let axis = match self.log {
            true => CountAxis::Logarithmic,
            false => CountAxis::Linear,
        };
        let unit = images.first().map(|image| image.volume().header().unit);
        let unit = unit.map(|unit| unit.to_string()).filter(|u| u != "unknown");
        let picture = histogram(&series, axis, unit.as_deref().unwrap_or("value"), "")?;
        let [low, high] = range.map(number);
        let said = said.join("; ");
        let bins = self.bins;
        Ok((
            picture,
            format!("histogram of {bins} bins from {low} to {high}, {said}"),
        ))
    }
}

/// The channel of that number or name.
fn channel_number(channel: &str, volume: &Volume) -> Result<usize> {
    let names = &volume.header().channels.names;
    if let Some(position) = names.iter().position(|name| name == channel) {
        return Ok(position);
    }
    let number = channel.parse().ok().filter(|n| *n < names.len());
    number.ok_or_else(|| {
        let remedy = match schema::nearest(channel, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("give 0 to {}", names.len() - 1),
        };
        usage(format_args!(
            "--channel: there is no channel '{channel}'; {remedy}"
        ))
    })
}
