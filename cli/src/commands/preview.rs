//! `voxprep preview`: a picture of a scan before and after.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use voxprep_core::dispatch;
use voxprep_core::kernels::stats::{Select, summary};
use voxprep_core::plan::{Plan, RunOptions};
use voxprep_core::registry::Registry;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Role, Volume};
use voxprep_core::voxels::channel;
use voxprep_view::image::Image;
use voxprep_view::look::{Look, Overlay, OverlayMode, Scale};
use voxprep_view::page::{Figure, Page, Section, Table};
use voxprep_view::pane::Plane;
use voxprep_view::picture::Picture;
use voxprep_view::sheet::{Captioned, contact_sheet, strip};
use voxprep_view::slices::{Row, rows_of};
use voxprep_view::text::number;

use crate::destination::{Destination, check_replaces, check_writable_file};
use crate::failure::usage;
use crate::inputs::{Given, Inputs};
use crate::outcome::Outcome;
use crate::output::{self, Output};
use crate::pictures::{alike, refused};
use crate::pipelines::{self, Overrides};
use crate::work::{Work, warn};

/// Draw a scan before and after a pipeline, or a single step
///
/// The slices in the middle, those of the scan above, those of the result below; label maps are
/// drawn as outlines. Both are the same places, and in the same window where the unit is the same. A
/// step is given by its name and has the parameters of its example, which --set changes.
///
/// OUT.png is the picture; OUT.html a page that opens offline, with the picture, the numbers, the
/// findings, the plan and the record. Nothing else is written.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Preview {
    /// The name of a preset or of a step, or a pipeline file (.toml, .json)
    #[arg(value_name = "PIPELINE")]
    what: PathBuf,

    /// Images: a file, or NAME=PATH; one without a name is called 'image'
    #[arg(value_name = "INPUT", value_parser = Given::parser(), required_unless_present = "labels")]
    inputs: Vec<Given>,

    /// The file to write: OUT.png or OUT.html
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// A label map, which moves with the images (may be repeated)
    #[arg(long = "label", value_name = "NAME=PATH", value_parser = Given::named_parser())]
    labels: Vec<Given>,

    #[command(flatten)]
    overrides: Overrides,

    /// The subject's id, which keys its random draws [default: the first input's file name without
    /// folder and extension]
    #[arg(long)]
    id: Option<String>,

    /// One plane instead of all three, before and after side by side: sagittal, coronal, axial, or
    /// stored
    #[arg(long, value_name = "PLANE")]
    axis: Option<Plane>,

    /// So many draws of the pipeline instead of one, each of one slice; those of epoch 0, 1, 2, ...
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    draws: Option<u64>,

    /// Pixels along the longest side of a pane
    #[arg(long, value_name = "N", default_value_t = 360, value_parser = clap::value_parser!(u32).range(16..=4096))]
    pixels: u32,

    /// Fill the labels instead of drawing their outlines
    #[arg(long)]
    filled: bool,

    #[command(flatten)]
    work: Work,
}

const EXAMPLES: &str = "\
Examples:
  voxprep preview ct-lung scan.nii.gz -o lung.png
  voxprep preview mine.toml t1=a.nii.gz --label lesion=m.nii.gz -o mine.png --until spatial.spacing
  voxprep preview ct-lung scan.nii.gz -o lung.html
  voxprep preview medical-spatial scan.nii.gz --label organ=m.nii.gz -o draws.png --draws 8
  voxprep preview ct.window scan.nii.gz -o bone.png --modality CT --set ct.window.preset=bone";

impl Preview {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let reading = self.work.start()?;
        let ends_in = |known: &str| {
            let extension = self.output.extension();
            extension.is_some_and(|e| e.eq_ignore_ascii_case(known))
        };
        let is_page = ends_in("html");
        if !is_page && !ends_in("png") {
            return Err(usage(format_args!(
                "end the name in .png for a picture, in .html for a page: {}",
                self.output.display()
            )));
        }
        check_writable_file(&self.output)?;
        let registry = Registry::built_in()?;
        let planned = pipelines::plan_or_step(&self.what, &self.overrides, &registry)?;
        let inputs = Inputs::new(&self.inputs, &self.labels, reading)?;
        for path in inputs.paths() {
            check_replaces(&self.output, path)?;
        }
        let id = match &self.id {
            Some(id) => id,
            None => inputs.id()?,
        };
        let mut subject = Subject::new(id);
        let artefacts = inputs.read(&mut subject)?;
        let modality = planned.plan.pipeline().input.modality;
        let mut before = Vec::new();
        for (name, volume) in subject.volumes() {
            let volume = match modality.filter(|_| volume.role() == Role::Intensity) {
                Some(modality) => volume.clone().with_modality(modality),
                None => volume.clone(),
            };
            before.push((name.to_owned(), volume));
        }
        let mode = match self.filled {
            true => OverlayMode::Fill,
            false => OverlayMode::Contour,
        };
        let look = Look {
            overlay: Overlay {
                mode,
                ..Overlay::default()
            },
            scale: Scale::Pixels(self.pixels as usize),
            ..Look::default()
        };
        if let Some(draws) = self.draws {
            if is_page {
                return Err(usage("--draws is a picture; end the name of -o in .png"));
            }
            let (picture, caption) = self.sheet(&planned.plan, &subject, &before, draws, &look)?;
            let png = picture.png()?;
            voxprep_io::write_aside(&self.output, |to| to.write_all(&png))?;
            return out.line(format_args!("{}: {caption}", self.output.display()));
        }
        let explanation = planned.plan.explain_for(id, &inputs.headers()?, true)?;
        // Nothing is written there: a record says where its files are.
        let nowhere = Destination::Folder(PathBuf::new(), "nii.gz".to_owned());
        let options = RunOptions::default();
        let outcome = Outcome::new(&planned.plan, &options, subject, artefacts, &nowhere)?;
        warn(&outcome.subject.findings);
        let after = &outcome.volumes;

        let mut rows = rows(&before, "before")?;
        rows.extend(self::rows(after, "after")?);
        let rows = alike(rows, self.axis, &look)?;
        let (picture, caption) = match self.axis {
            None => {
                let shown = rows_of(&rows, &look).map_err(refused)?;
                (shown.picture, shown.caption)
            }
            Some(_) => side_by_side(&rows, &look)?,
        };
        let png = picture.png()?;
        if !is_page {
            voxprep_io::write_aside(&self.output, |to| to.write_all(&png))?;
            return out.line(format_args!("{}: {caption}", self.output.display()));
        }
        let figure = Figure {
            png,
            size: [picture.width(), picture.height()],
            caption: caption.clone(),
            description: String::new(),
        };
        let what = self.what.display();
        let mut page = Page::new(
            format!("{what}, before and after"),
            "The same places in the world; letters say where right, left, anterior, posterior, superior and inferior are.",
        );
        page.section(Section::new("Pictures").figures(vec![figure]));
        page.section(Section::new("Numbers").table(numbers(&before, after)));
        page.section(Section::new("Findings").findings(&outcome.subject.findings));
        page.section(
            Section::new("How it was made")
                .folded("The plan", explanation.to_string())
                .folded("The record", output::json(&outcome.sidecar)?),
        );
        voxprep_io::write_text_aside(&self.output, &page.to_html())?;
        out.line(format_args!("{}: {caption}", self.output.display()))
    }

    /// Draws of a pipeline, of one slice, and the slice as it is.
    fn sheet(
        &self,
        plan: &Plan,
        subject: &Subject,
        before: &[(String, Volume)],
        draws: u64,
        look: &Look,
    ) -> Result<(Picture, String)> {
        let axis = Some(self.axis.unwrap_or(Plane::Axial));
        let first = |rows: Vec<Image<'_>>| -> Result<Picture> {
            let look = Look {
                captions: false,
                ..*look
            };
            let mut rows = alike(rows, axis, &look)?;
            rows.truncate(1);
            Ok(rows_of(&rows, &look).map_err(refused)?.picture)
        };
        let mut pictures = vec![Captioned::new(first(rows(before, "")?)?, "as it is")];
        for epoch in 0..draws {
            let drawn = plan.sample(subject.clone(), epoch)?;
            let drawn: Vec<(String, Volume)> = drawn
                .volumes()
                .map(|(name, volume)| (name.to_owned(), volume.clone()))
                .collect();
            let picture = first(rows(&drawn, "")?)?;
            pictures.push(Captioned::new(picture, format!("epoch {epoch}")));
        }
        let columns = pictures.len().min(4);
        let picture = contact_sheet(&pictures, columns, "").map_err(refused)?;
        let seed = plan.pipeline().seed;
        Ok((picture, format!("{draws} draws with seed {seed}")))
    }
}

/// Size, spacing, type and values of each volume, before and after.
fn numbers(before: &[(String, Volume)], after: &[(String, Volume)]) -> Table {
    let head = [
        "volume",
        "",
        "size",
        "spacing in mm",
        "type",
        "unit",
        "min",
        "mean",
        "max",
    ];
    let mut table = Table::new(head);
    for (when, volumes) in [("before", before), ("after", after)] {
        for (name, volume) in volumes {
            let header = volume.header();
            let found = dispatch!(VoxelsView, volume.voxels().view(), view => {
                summary(channel(&view, 0), &Select::All)
            });
            let size = header.geometry.size().map(|n| n.to_string());
            let spacing = header.geometry.spacing().map(number);
            let [low, mean, high] = [found.min, found.mean, found.max].map(number);
            table.row([
                name.clone(),
                when.to_owned(),
                size.join(" x "),
                spacing.join(" x "),
                header.element_type.to_string(),
                header.unit.to_string(),
                low,
                mean,
                high,
            ]);
        }
    }
    table
}

/// One slice of each, in the scale of the first: what grows is seen to grow.
fn side_by_side(rows: &[Row<'_>], look: &Look) -> Result<(Picture, String)> {
    let mut look = Look {
        captions: false,
        ..*look
    };
    let (mut pictures, mut captions) = (Vec::new(), Vec::new());
    for row in rows {
        let shown = rows_of(std::slice::from_ref(row), &look).map_err(refused)?;
        if let Some(pane) = shown.panes.first() {
            look.scale = Scale::MmPerPixel(pane.mm_per_pixel);
        }
        let unit = row.image.volume().header().unit;
        let values = match shown.limits.first() {
            Some(Some(limits)) => format!(", {}", limits.describe(unit)),
            _ => String::new(),
        };
        captions.push(shown.caption);
        pictures.push(Captioned::new(
            shown.picture,
            format!("{}{values}", row.image.title()),
        ));
    }
    Ok((strip(&pictures, "").map_err(refused)?, captions.join("; ")))
}

/// The images with the label maps on their grid; label maps alone where there is no image.
fn rows<'a>(volumes: &'a [(String, Volume)], when: &str) -> Result<Vec<Image<'a>>> {
    let of = |role| {
        volumes
            .iter()
            .filter(move |(_, volume)| volume.role() == role)
    };
    let alone = of(Role::Intensity).next().is_none();
    let mut rows = Vec::new();
    for (name, volume) in of(if alone { Role::Label } else { Role::Intensity }) {
        let mut row = Image::new(volume).with_title(format!("{name}, {when}"));
        for (_, labels) in of(Role::Label).filter(|_| !alone) {
            // A label map of another image has another grid.
            if labels.geometry().is_close(volume.geometry(), 1e-3) {
                row = row.with_labels(labels)?;
            }
        }
        rows.push(row);
    }
    Ok(rows)
}
