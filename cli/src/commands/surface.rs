//! `voxprep surface`: surfaces of a label map, as a picture or as a mesh.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use voxprep_core::dispatch;
use voxprep_core::kernels::Element;
use voxprep_core::volume::Volume;
use voxprep_view::colour::label_colour;
use voxprep_view::mesh::{Format, Frame, Mesh, Structure, Taubin};
use voxprep_view::render::{Camera, MAX_SIDE, Options, Part, render};

use crate::destination::{check_replaces, check_writable_file};
use crate::failure::usage;
use crate::output::Output;
use crate::pictures::refused;
use crate::work::Work;

/// Make surfaces of a label map: a shaded picture, or a mesh for other programs
///
/// Each label has a closed surface of its own, smoothed without shrinking. OUT.png is a picture of
/// them, OUT.ply, OUT.stl or OUT.obj a mesh in millimetres of the world, which says its frame. Volume
/// and area of each surface are told.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Surface {
    /// The label map
    input: PathBuf,

    /// The file to write: OUT.png, OUT.ply, OUT.stl or OUT.obj
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// The labels [default: all]
    #[arg(
        long,
        value_name = "N,N",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    labels: Vec<i32>,

    /// Leave the stairs of the voxels
    #[arg(long)]
    rough: bool,

    /// Of a picture: from where it is seen
    #[arg(long, value_enum, default_value_t = From::Anterior)]
    from: From,

    /// Of a picture: how much a surface covers, 0 nothing, 1 all
    #[arg(long, value_name = "A", default_value_t = 1.0)]
    alpha: f32,

    /// Of a picture: pixels along each side
    #[arg(long, value_name = "N", default_value_t = 800)]
    pixels: usize,

    /// Of a mesh: right, anterior, superior instead of left, posterior, superior
    #[arg(long)]
    ras: bool,

    #[command(flatten)]
    work: Work,
}

/// Where the eye is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum From {
    /// In front of the patient
    Anterior,
    /// Behind
    Posterior,
    /// At the patient's left
    Left,
    /// At the patient's right
    Right,
    /// Above the head
    Superior,
    /// Below the feet
    Inferior,
    /// In front, to the left and a little above
    Oblique,
}

const EXAMPLES: &str = "\
Examples:
  voxprep surface lungs.nii.gz -o lungs.png --from oblique --alpha 0.4
  voxprep surface organs.nii.gz -o liver.stl --labels 5";

/// More surfaces than this are nothing to look at.
const MOST: usize = 64;

impl Surface {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let reading = self.work.start()?;
        let extension = self.output.extension().and_then(|e| e.to_str());
        let format = match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("png") => None,
            Some("ply") => Some(Format::Ply),
            Some("stl") => Some(Format::Stl),
            Some("obj") => Some(Format::Obj),
            _ => {
                return Err(usage(format_args!(
                    "end the name in .png, .ply, .stl or .obj: {}",
                    self.output.display()
                )));
            }
        };
        if !(1..=MAX_SIDE).contains(&self.pixels) {
            return Err(usage(format_args!("--pixels: give 1 to {MAX_SIDE}")));
        }
        check_writable_file(&self.output)?;
        check_replaces(&self.output, &self.input)?;
        let volume = voxprep_io::read(&self.input, &reading)?;
        let map = volume
            .into_labels()
            .map_err(|error| voxprep_io::Error::core(&self.input, error))?;
        let labels = self.chosen(&map)?;
        let mut meshes = Vec::with_capacity(labels.len());
        for label in &labels {
            let mut mesh = Mesh::of_label(&map, Structure::Label(*label)).map_err(refused)?;
            if !self.rough {
                mesh.smooth(&Taubin::default()).map_err(refused)?;
            }
            meshes.push(mesh);
        }
        match format {
            Some(format) => {
                let frame = if self.ras { Frame::Ras } else { Frame::Lps };
                let bytes = Mesh::joined(&meshes)
                    .to_bytes(format, frame)
                    .map_err(refused)?;
                voxprep_io::write_aside(&self.output, |to| to.write_all(&bytes))?;
            }
            None => {
                let parts = labels.iter().zip(&meshes).map(|(label, mesh)| Part {
                    mesh,
                    colour: label_colour(i64::from(*label)),
                    alpha: self.alpha,
                });
                let options = Options {
                    width: self.pixels,
                    height: self.pixels,
                    camera: self.camera(),
                    ..Options::default()
                };
                let picture = render(&parts.collect::<Vec<_>>(), &options).map_err(refused)?;
                let bytes = picture.png().map_err(refused)?;
                voxprep_io::write_aside(&self.output, |to| to.write_all(&bytes))?;
            }
        }
        for (label, mesh) in labels.iter().zip(&meshes) {
            out.line(format_args!(
                "label {label}: {:.2} ml, {:.2} cm2, {} triangles",
                mesh.volume() / 1000.0,
                mesh.area() / 100.0,
                mesh.triangles.len()
            ))?;
        }
        out.line(self.output.display())
    }

    /// The labels to show, those of the map unless some are named.
    fn chosen(&self, map: &Volume) -> Result<Vec<i32>> {
        let labels: BTreeSet<i32> = match self.labels.is_empty() {
            false => self.labels.iter().copied().collect(),
            true => dispatch!(VoxelsView, map.voxels().view(), view => {
                let mut found = BTreeSet::new();
                for value in view.iter() {
                    let value = Element::to_f64(*value) as i32;
                    if value != 0 && found.insert(value) && found.len() > MOST {
                        break;
                    }
                }
                found
            }),
        };
        match labels.len() {
            0 => Err(usage(format_args!(
                "every voxel has the label 0; there is no surface: {}",
                self.input.display()
            ))),
            1..=MOST => Ok(labels.into_iter().collect()),
            _ => Err(usage(format_args!(
                "there are more than {MOST} labels; name some with --labels: {}",
                self.input.display()
            ))),
        }
    }

    fn camera(&self) -> Camera {
        match self.from {
            From::Anterior => Camera::ANTERIOR,
            From::Posterior => Camera::POSTERIOR,
            From::Left => Camera::LEFT,
            From::Right => Camera::RIGHT,
            From::Superior => Camera::SUPERIOR,
            From::Inferior => Camera::INFERIOR,
            From::Oblique => Camera::oblique(40.0, 20.0),
        }
    }
}
