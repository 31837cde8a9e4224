//! `voxprep demo`: scans that are made up, presets run on them, and a page that shows what came of it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use serde_json::json;
use voxprep_core::plan::{Plan, RunOptions};
use voxprep_core::registry::Registry;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Role, Volume};
use voxprep_io::{Error, WriteOptions};
use voxprep_phantom::{Kind, Phantom};
use voxprep_view::colour::label_colour;
use voxprep_view::image::Image;
use voxprep_view::look::{Look, Overlay, OverlayMode, Scale};
use voxprep_view::mesh::{Format, Frame, Mesh, Structure, Taubin};
use voxprep_view::page::{Figure, Page, Section, Table};
use voxprep_view::pane::{Plane, Slice};
use voxprep_view::picture::Picture;
use voxprep_view::render::{Camera, Options, Part, render};
use voxprep_view::sheet::{Captioned, contact_sheet};
use voxprep_view::slices::{rows_of, slices_in_row};

use crate::destination::{Destination, check_new_folder};
use crate::inputs::{Given, Inputs};
use crate::outcome::Outcome;
use crate::output::Output;
use crate::pictures::alike;
use crate::pipelines::{self, Overrides};
use crate::work::Threads;

/// Make scans up, run presets on them, and show what came of it
///
/// Writes a folder for each scan, with the files that went in and came out, pictures from before and
/// after, and a page that shows it all, index.html. The same seed gives the same bytes.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// The folder to write into, made if missing
    #[arg(value_name = "DIR", default_value = "voxprep-demo")]
    folder: PathBuf,

    /// Which patient
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Answer in JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    work: Threads,
}

const EXAMPLES: &str = "\
Examples:
  voxprep demo
  voxprep demo somewhere --seed 7";

/// A scan, and a preset that is run on it.
struct Case {
    kind: Kind,
    preset: &'static str,
    image: &'static str,
    labels: &'static str,
    /// Whether the outlines of the label map are drawn; where it covers everything, they hide it.
    outlines: bool,
    /// The plane of the small pictures.
    plane: Plane,
    about: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        kind: Kind::ChestCt,
        preset: "ct-lung",
        image: "image",
        labels: "lungs",
        outlines: true,
        plane: Plane::Coronal,
        about: "Hounsfield units in, the lung window on 0..1 out, on voxels of 1 mm. Image and label map move together, in one resample; window and clip run on its rows.",
    },
    Case {
        kind: Kind::AbdomenCt,
        preset: "ct-soft-tissue",
        image: "image",
        labels: "organs",
        outlines: false,
        plane: Plane::Axial,
        about: "Soft tissue of -200 to 400 HU on 0..1, axes to RAS, voxels of 1 mm.",
    },
    Case {
        kind: Kind::BrainMri,
        preset: "mri-white-stripe",
        image: "t1",
        labels: "tissue",
        outlines: false,
        plane: Plane::Axial,
        about: "An MR image in units of normal-appearing white matter: the mean of its stripe becomes 0, the spread of the stripe 1. A whole head for the picture's sake; strip the skull of yours.",
    },
    Case {
        kind: Kind::ChestXray,
        preset: "xray-clahe",
        image: "image",
        labels: "lungs",
        outlines: true,
        plane: Plane::Coronal,
        about: "Local contrast of a radiograph, raised tile by tile, at the depth of the file.",
    },
];

/// The longest side of small pictures, in pixels.
const SMALL: usize = 220;

/// How many draws of an augmentation are shown.
const DRAWS: u64 = 8;

/// What came of a case.
struct Made {
    name: &'static str,
    preset: &'static str,
    before: String,
    after: String,
    seconds: f64,
    files: Vec<PathBuf>,
    /// One small slice from before and one from after.
    small: [Picture; 2],
}

impl Demo {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let start = Instant::now();
        self.work.start()?;
        check_new_folder(&self.folder)?;
        let registry = Registry::built_in()?;
        let mut page = Page::new(
            "voxprep: what it does to four scans",
            "The scans are made up, so that what is in them is known. Letters say where right, left, anterior, posterior, superior and inferior are.",
        );
        let mut made = Vec::with_capacity(CASES.len());
        let mut sections = Vec::with_capacity(CASES.len() + 2);
        let mut solids = Vec::new();
        for case in &CASES {
            let phantom = case.kind.make(self.seed)?;
            let (result, section) = self.case(case, &phantom, &registry)?;
            made.push(result);
            sections.push(section);
            if case.kind == Kind::ChestCt {
                let (section, views) = self.surfaces(&phantom)?;
                sections.push(section);
                solids = views;
                sections.push(self.draws(&phantom, &registry)?);
            }
        }
        page.section(self.overview(&made, solids)?);
        for section in sections {
            page.section(section);
        }
        let index = self.folder.join("index.html");
        voxprep_io::write_text_aside(&index, &page.to_html())?;
        if self.json {
            let cases = made.iter().map(|made| {
                json!({
                    "name": made.name, "preset": made.preset,
                    "before": made.before, "after": made.after, "files": made.files,
                })
            });
            return out.json(&json!({ "page": index, "cases": cases.collect::<Vec<_>>() }));
        }
        report(&made, out)?;
        out.line("")?;
        out.line(format_args!(
            "{:.1} s; open the page: {}",
            start.elapsed().as_secs_f64(),
            index.display()
        ))
    }

    /// Writes a scan, runs the preset on its files as `voxprep run` does, and draws both.
    fn case(&self, case: &Case, phantom: &Phantom, registry: &Registry) -> Result<(Made, Section)> {
        let name = case.kind.name();
        let folder = self.folder.join(name);
        let scan = folder.join("scan");
        let mut files = write_volumes(&scan, phantom)?;
        let given = |name: &str| Given {
            name: Some(name.to_owned()),
            path: scan.join(format!("{name}.nii.gz")),
        };

        let start = Instant::now();
        let overrides = Overrides::default();
        let planned = pipelines::plan(Path::new(case.preset), &overrides, None, registry)?;
        let (images, labels) = ([given(case.image)], [given(case.labels)]);
        let inputs = Inputs::new(&images, &labels, voxprep_io::ReadOptions::default())?;
        let destination = Destination::Folder(folder.join("ready"), "nii.gz".to_owned());
        let explanation = planned.plan.explain_for(name, &inputs.headers()?, true)?;
        let mut subject = Subject::new(name);
        let artefacts = inputs.read(&mut subject)?;
        let options = RunOptions::default();
        let outcome = Outcome::new(&planned.plan, &options, subject, artefacts, &destination)?;
        let written = destination.write(&outcome, &inputs)?;
        let seconds = start.elapsed().as_secs_f64();

        let of = |name: &str| {
            let volume = outcome.volumes.iter().find(|(n, _)| n == name);
            volume.map(|(_, volume)| volume)
        };
        let picture = before_and_after(
            [phantom.subject.volume(case.image), of(case.image)],
            [phantom.subject.volume(case.labels), of(case.labels)],
            case,
        )?;
        let png = folder.join("before-and-after.png");
        let outlines = if case.outlines {
            " The outlines are the label map, which went along."
        } else {
            ""
        };
        let caption = format!("Before, and as the preset left it.{outlines}");
        let figure = self.figure(&png, &picture, &caption)?;
        files.extend(written.iter().cloned());
        files.push(png);
        let record = destination.path().join("voxprep.json");
        let record = fs::read_to_string(&record).map_err(|e| Error::io("read", &record, e))?;
        let preset = pipelines::preset(case.preset).map(|preset| preset.text);
        let section = Section::new(format!("{}: {}", title(case.kind), case.preset))
            .text(case.about)
            .figures(vec![figure])
            .findings(&outcome.subject.findings)
            .folded("The pipeline", preset.unwrap_or_default())
            .folded("The plan", explanation.to_string())
            .folded("The record: draws, maps and hashes", record)
            .links(self.links(&files));
        let scanned = phantom.subject.volume(case.image);
        let small = [scanned, of(case.image)].map(|volume| {
            let missing = || anyhow::anyhow!("the preset leaves no '{}'", case.image);
            let place = scanned.map(|scan| {
                let grid = scan.geometry();
                Slice::middle(case.plane, grid).centre(grid)
            });
            slice_of(volume.ok_or_else(missing)?, None, case.plane, place)
        });
        let [small_before, small_after] = small;
        let size = |volume: Option<&Volume>| volume.map(described).unwrap_or_default();
        let made = Made {
            name,
            preset: case.preset,
            before: size(phantom.subject.volume(case.image)),
            after: size(of(case.image)),
            seconds,
            files,
            small: [small_before?, small_after?],
        };
        Ok((made, section))
    }

    /// The table of what was made, and one picture of it all: before above after.
    fn overview(&self, made: &[Made], solids: Vec<Picture>) -> Result<Section> {
        let mut rows: [Vec<Captioned>; 2] = [Vec::new(), Vec::new()];
        for made in made {
            let captions = [made.name, made.preset];
            for ((row, picture), caption) in rows.iter_mut().zip(&made.small).zip(captions) {
                row.push(Captioned::new(picture.clone(), caption));
            }
        }
        for ((row, picture), caption) in rows.iter_mut().zip(solids).zip(["surfaces", "surfaces"]) {
            row.push(Captioned::new(picture, caption));
        }
        let columns = rows[0].len();
        let picture = contact_sheet(&rows.concat(), columns, "")?;
        let caption = "Above the scan, below what the preset made of it.";
        let figure = self.figure(&self.folder.join("overview.png"), &picture, caption)?;
        Ok(Section::new("What was made")
            .figures(vec![figure])
            .table(overview(made)))
    }

    /// The lungs and what is in them, as surfaces; and small views of them.
    fn surfaces(&self, phantom: &Phantom) -> Result<(Section, Vec<Picture>)> {
        let folder = self.folder.join(Kind::ChestCt.name());
        let volume = |name: &str| {
            let missing = || anyhow::anyhow!("the phantom has no '{name}'");
            phantom.subject.volume(name).ok_or_else(missing)
        };
        let smooth = |mut mesh: Mesh| -> Result<Mesh> {
            mesh.smooth(&Taubin::default())?;
            Ok(mesh)
        };
        let lungs = volume("lungs")?;
        let right = smooth(Mesh::of_label(lungs, Structure::Label(1))?)?;
        let left = smooth(Mesh::of_label(lungs, Structure::Label(2))?)?;
        let nodules = smooth(Mesh::of_label(volume("nodules")?, Structure::All)?)?;
        let bones = Mesh::of_level(volume("image")?, 0, 320.0, Some(-1024.0))?;
        let part = |mesh, colour, alpha| Part {
            mesh,
            colour,
            alpha,
        };
        let parts = [
            part(&bones, [226, 218, 200], 1.0),
            part(&right, label_colour(1), 0.3),
            part(&left, label_colour(2), 0.3),
            part(&nodules, [236, 80, 60], 1.0),
        ];
        let (mut views, mut small) = (Vec::new(), Vec::new());
        for (camera, caption) in [
            (Camera::ANTERIOR, "From the front"),
            (Camera::oblique(55.0, 15.0), "From the left, and above"),
        ] {
            let options = |side| Options {
                width: side,
                height: side,
                camera,
                ..Options::default()
            };
            views.push(Captioned::new(render(&parts, &options(560))?, caption));
            small.push(render(&parts, &options(SMALL))?);
        }
        let picture = contact_sheet(&views, 2, "Bones, lungs, nodules")?;
        let figure = self.figure(
            &folder.join("surfaces.png"),
            &picture,
            "Surfaces of the CT: bones from 320 HU, lungs and nodules from their label maps.",
        )?;
        let mut rows = Table::new(["surface", "volume in ml", "area in cm2", "closed"]);
        let mut files = vec![folder.join("surfaces.png")];
        for (name, mesh) in [("right-lung", &right), ("left-lung", &left)] {
            rows.row([
                name.to_owned(),
                format!("{:.0}", mesh.volume() / 1000.0),
                format!("{:.0}", mesh.area() / 100.0),
                if mesh.is_closed() { "yes" } else { "no" }.to_owned(),
            ]);
            let path = folder.join(format!("{name}.ply"));
            let bytes = mesh.to_bytes(Format::Ply, Frame::Lps)?;
            voxprep_io::write_aside(&path, |to| to.write_all(&bytes))?;
            files.push(path);
        }
        let section = Section::new("Surfaces")
            .text("Closed triangle meshes in millimetres of the patient, smoothed without shrinking; as files for other programs, too.")
            .figures(vec![figure])
            .table(rows)
            .links(self.links(&files));
        Ok((section, small))
    }

    /// Several draws of an augmentation, of one slice.
    fn draws(&self, phantom: &Phantom, registry: &Registry) -> Result<Section> {
        let overrides = Overrides {
            // Every step in every draw, and fields that bend without folding.
            set: [
                "medical-spatial.p=1",
                "medical-spatial/augment.rotate.p=1",
                "medical-spatial/augment.zoom.p=1",
                "medical-spatial/augment.elastic.p=1",
                "medical-spatial/augment.elastic.alpha=300",
            ]
            .map(str::to_owned)
            .to_vec(),
            ..Overrides::default()
        };
        let planned = pipelines::plan(Path::new("medical-spatial"), &overrides, None, registry)?;
        let small = self.small(phantom, registry)?;
        let slice = |subject: &Subject| {
            let missing = || anyhow::anyhow!("the subject has no image");
            let image = subject.volume("image").ok_or_else(missing)?;
            slice_of(image, subject.volume("lungs"), Plane::Axial, None)
        };
        let mut pictures = vec![Captioned::new(slice(&small)?, "as it is")];
        for epoch in 0..DRAWS - 1 {
            let drawn = planned.plan.sample(small.clone(), epoch)?;
            pictures.push(Captioned::new(
                slice(&drawn)?,
                format!("draw {}", epoch + 1),
            ));
        }
        let picture = contact_sheet(&pictures, 4, "")?;
        let path = self.folder.join(Kind::ChestCt.name()).join("draws.png");
        let caption = "One slice, rotated, scaled, shifted and bent; the label map goes with it.";
        let figure = self.figure(&path, &picture, caption)?;
        Ok(Section::new("Augmentation: medical-spatial")
            .text("Random steps are keyed by seed, subject and epoch: draw 3 is the same draw 3 on every machine. All that is drawn is one interpolation.")
            .figures(vec![figure])
            .links(self.links(&[path])))
    }

    /// A coarser copy, which is enough for small pictures.
    fn small(&self, phantom: &Phantom, registry: &Registry) -> Result<Subject> {
        let mut subject = Subject::new("demo");
        for name in ["image", "lungs"] {
            if let Some(volume) = phantom.subject.volume(name) {
                subject.add(name, volume.clone())?;
            }
        }
        let text = "version = 1\n[input]\nmodality = \"CT\"\n[[step]]\nuse = \"spatial.spacing\"\nspacing_mm = [2.5, 2.5, 4.0]\n";
        let pipeline = voxprep_core::pipeline::Pipeline::from_toml(text)?;
        Ok(Plan::new(pipeline, registry)?.sample(subject, 0)?)
    }

    /// Writes a picture, and puts it into a page.
    fn figure(&self, path: &Path, picture: &Picture, caption: &str) -> Result<Figure> {
        let png = picture.png()?;
        voxprep_io::write_aside(path, |to| to.write_all(&png))?;
        Ok(Figure {
            png,
            size: [picture.width(), picture.height()],
            caption: caption.to_owned(),
            description: String::new(),
        })
    }

    /// Files as a page names them: from its own folder.
    fn links(&self, files: &[PathBuf]) -> Vec<(String, String)> {
        let named = files.iter().map(|file| {
            let from = file.strip_prefix(&self.folder).unwrap_or(file);
            let parts = from.iter().map(|part| part.to_string_lossy());
            parts.collect::<Vec<_>>().join("/")
        });
        named.map(|name| (name.clone(), name)).collect()
    }
}

/// Writes volumes of a phantom, and what is known of it.
fn write_volumes(folder: &Path, phantom: &Phantom) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).map_err(|source| Error::io("make the folder", folder, source))?;
    let mut files = Vec::new();
    for (name, volume) in phantom.subject.volumes() {
        let path = folder.join(format!("{name}.nii.gz"));
        voxprep_io::write(&path, volume, &WriteOptions::default())?;
        files.push(path);
    }
    let truth = folder.join("truth.json");
    let text = crate::output::json(&phantom.truth)? + "\n";
    voxprep_io::write_text_aside(&truth, &text)?;
    files.push(truth);
    Ok(files)
}

/// The slices in the middle, before above after, with the outlines of the label maps.
fn before_and_after(
    images: [Option<&Volume>; 2],
    labels: [Option<&Volume>; 2],
    case: &Case,
) -> Result<Picture> {
    let mut rows = Vec::new();
    for ((image, labels), title) in images.into_iter().zip(labels).zip(["before", "after"]) {
        let Some(image) = image else { continue };
        let mut row = Image::new(image).with_title(title);
        if let Some(labels) = labels.filter(|_| case.outlines) {
            row = row.with_labels(labels)?;
        }
        rows.push(row);
    }
    let look = Look {
        overlay: Overlay {
            mode: OverlayMode::Contour,
            ..Overlay::default()
        },
        scale: Scale::Pixels(360),
        ..Look::default()
    };
    if case.kind != Kind::ChestXray {
        return Ok(rows_of(&alike(rows, None, &look)?, &look)?.picture);
    }
    let look = Look {
        scale: Scale::Pixels(512),
        ..look
    };
    let mut pictures = Vec::new();
    for row in &rows {
        let title = row.title().to_owned();
        let bare = row.clone().with_title("");
        let plane = Plane::of_single_slice(row).unwrap_or(Plane::Axial);
        let slice = Slice::middle(plane, row.volume().geometry());
        pictures.push(Captioned::new(
            slices_in_row(&bare, &[slice], &look)?.picture,
            title,
        ));
    }
    Ok(contact_sheet(&pictures, 2, "")?)
}

/// The slice of a plane through a place, else in the middle, small and bare.
fn slice_of(
    image: &Volume,
    labels: Option<&Volume>,
    plane: Plane,
    place: Option<[f64; 3]>,
) -> Result<Picture> {
    let mut shown = Image::new(image);
    if let Some(labels) = labels {
        shown = shown.with_labels(labels)?;
    }
    let look = Look {
        captions: false,
        letters: false,
        scale: Scale::Pixels(SMALL),
        ..Look::default()
    };
    let plane = Plane::of_single_slice(&shown).unwrap_or(plane);
    let slice = match place {
        Some(place) => Slice::through(plane, image.geometry(), place),
        None => Slice::middle(plane, image.geometry()),
    };
    Ok(slices_in_row(&shown, &[slice], &look)?.picture)
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::ChestCt => "Chest CT",
        Kind::AbdomenCt => "Abdominal CT",
        Kind::BrainMri => "Brain MRI",
        Kind::ChestXray => "Chest radiograph",
    }
}

fn described(volume: &Volume) -> String {
    let size = volume.geometry().size().map(|n| n.to_string());
    let spacing = volume.geometry().spacing().map(|mm| format!("{mm:.2}"));
    let kind = volume.header().element_type;
    match volume.role() {
        Role::Label => size.join(" x "),
        Role::Intensity => format!("{} at {} mm, {kind}", size.join(" x "), spacing.join(" x ")),
    }
}

fn overview(made: &[Made]) -> Table {
    let mut table = Table::new(["scan", "preset", "before", "after", "files"]);
    for made in made {
        table.row([
            made.name.to_owned(),
            made.preset.to_owned(),
            made.before.clone(),
            made.after.clone(),
            made.files.len().to_string(),
        ]);
    }
    table
}

/// The same table on standard output.
fn report(made: &[Made], out: &mut Output) -> Result<()> {
    let width = |of: fn(&Made) -> &str| {
        made.iter()
            .map(|made| of(made).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (names, presets) = (width(|m| m.name), width(|m| m.preset));
    let (before, after) = (width(|m| &m.before), width(|m| &m.after));
    for made in made {
        out.line(format_args!(
            "{:<names$}  {:<presets$}  {:<before$}  ->  {:<after$}  {} files, {:.1} s",
            made.name,
            made.preset,
            made.before,
            made.after,
            made.files.len(),
            made.seconds,
        ))?;
    }
    Ok(())
}
