//! `voxprep phantom`: scans that are made up, with all that is known of them.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;
use voxprep_core::volume::Volume;
use voxprep_io::dicom::{SeriesOptions, Study};
use voxprep_io::{Error, WriteOptions};
use voxprep_phantom::{
    AbdomenCt, BrainMri, ChestCt, ChestXray, Kind, Phantom as Scan, Sequence, Truth, abdomen_ct,
    brain_mri, chest_ct, chest_xray,
};

use crate::destination::{Destination, check_new_folder, writable};
use crate::failure::usage;
use crate::output::{self, Output};
use crate::work::Threads;

/// Make up a scan whose contents are known: images, exact label maps, and truth.json
///
/// The same options give the same bytes, on any machine. Another --seed is another patient. Options
/// that a KIND has no use for are refused.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Phantom {
    /// Which scan
    #[arg(value_enum)]
    kind: Choice,

    /// The folder to write into, made if missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Which patient
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Voxels along x, y, z, as 256,256,160; of a radiograph, pixels along x, y. Without --spacing the
    /// field of view stays, and voxels are larger or smaller
    #[arg(long, value_name = "X,Y,Z", value_delimiter = ',')]
    size: Option<Vec<usize>>,

    /// Distances between voxel centres in mm, as 1.4,1.4,2; of a radiograph, one number
    #[arg(
        long,
        value_name = "X,Y,Z",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    spacing: Option<Vec<f64>>,

    /// Standard deviation of the noise: HU of a CT, units of an MR image, parts of the usual noise
    /// of a radiograph; 0 for none
    #[arg(long, value_name = "STD", allow_negative_numbers = true)]
    noise: Option<f64>,

    /// How many nodules the chest has
    #[arg(long, value_name = "N")]
    nodules: Option<usize>,

    /// How many lesions the liver or the brain has
    #[arg(long, value_name = "N")]
    lesions: Option<usize>,

    /// Chest: with a pacemaker
    #[arg(long)]
    metal: bool,

    /// Chest CT: what lies outside the circle of reconstruction, often -2000 or -3024 HU
    #[arg(long, value_name = "HU", allow_negative_numbers = true)]
    padding: Option<i16>,

    /// Chest CT: without contrast agent
    #[arg(long)]
    plain: bool,

    /// Chest CT: how strong the texture of lung and muscle is; 0 for none, 1 for a patient's
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    texture: Option<f64>,

    /// MR images: strength of the bias field, exp(-bias) to exp(bias) over the head; 0 for none
    #[arg(long, value_name = "B", allow_negative_numbers = true)]
    bias: Option<f64>,

    /// MR images: write the bias fields, too
    #[arg(long)]
    bias_volumes: bool,

    /// MR images: which of t1, t2, flair and pd
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    sequences: Option<Vec<Sequence>>,

    /// MR images: all on the grid of the T1
    #[arg(long, conflicts_with = "oblique")]
    same_grid: bool,

    /// MR images: how far the other grids are tilted, degrees
    #[arg(long, value_name = "DEG", allow_negative_numbers = true)]
    oblique: Option<f64>,

    /// Radiograph: bits of a pixel, 8 or 16
    #[arg(long, value_name = "BITS")]
    depth: Option<u8>,

    /// Radiograph: the dose, in parts of the usual one
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    exposure: Option<f64>,

    /// Format of the volumes; dicom makes a folder of each, all in one study
    #[arg(long, value_name = "EXT", default_value = "nii.gz")]
    format: String,

    /// Compression of .nii.gz: 0 stores, 1 is fast, 9 is small
    #[arg(long, value_name = "N", default_value_t = WriteOptions::default().level,
          value_parser = clap::value_parser!(u32).range(0..=9))]
    level: u32,

    /// Answer in JSON: the files and the truth
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    work: Threads,
}

const EXAMPLES: &str = "\
Examples:
  voxprep phantom chest-ct chest
  voxprep phantom chest-ct small --size 128,128,80 --spacing 2.8,2.8,4 --seed 7 --metal
  voxprep phantom brain-mri head --bias 0.5 --bias-volumes --sequences t1,t2
  voxprep phantom chest-xray picture --depth 8 --exposure 0.25

docs/phantoms.md says what each holds.";

/// The format whose volumes are folders.
const DICOM: &str = "dicom";

/// The kinds, as the command line names them.
#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    /// CT of the chest: lungs, airways, vessels, nodules
    ChestCt,
    /// CT of the abdomen: organs, bowel, lesions of the liver
    AbdomenCt,
    /// MR images of a head: T1, T2, FLAIR, PD
    BrainMri,
    /// A radiograph, projected from the chest
    ChestXray,
}

impl Choice {
    fn kind(self) -> Kind {
        match self {
            Self::ChestCt => Kind::ChestCt,
            Self::AbdomenCt => Kind::AbdomenCt,
            Self::BrainMri => Kind::BrainMri,
            Self::ChestXray => Kind::ChestXray,
        }
    }
}

/// What was made, for programs.
#[derive(Serialize)]
struct Made<'a> {
    files: Vec<String>,
    truth: &'a Truth,
}

impl Phantom {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        self.work.start()?;
        let known = voxprep_io::writable_extensions();
        if !known.contains(&self.format.as_str()) && self.format != DICOM {
            let message = format_args!(
                "--format: cannot write '{}'; give dicom, or one of {}",
                self.format,
                writable()
            );
            return Err(usage(message));
        }
        self.check_use()?;
        let target = Destination::Folder(self.folder.clone(), self.format.clone());
        target.check_writable()?;
        check_new_folder(&self.folder)?;
        let Scan { subject, truth } = self.make()?;
        fs::create_dir_all(&self.folder)
            .map_err(|source| Error::io("make the folder", &self.folder, source))?;
        let path = self.folder.join("truth.json");
        // Another scan in the same folder would be half overwritten.
        if let Ok(old) = fs::read_to_string(&path) {
            let old: Value = serde_json::from_str(&old).unwrap_or_default();
            if old["kind"] != truth.kind.name() {
                return Err(usage(format_args!(
                    "the folder holds another scan ({}); give a folder of its own: {}",
                    old["kind"].as_str().unwrap_or("unknown"),
                    self.folder.display()
                )));
            }
        }
        if self.format == DICOM {
            // Before anything of an earlier scan is touched.
            for (name, _) in subject.volumes() {
                let path = self.folder.join(name);
                if fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
                    return Err(usage(format_args!(
                        "the folder is not empty, and its files could not be told from new ones; \
                         give a new DIR: {}",
                        path.display()
                    )));
                }
            }
        }
        // an old one would describe volumes that are no longer there
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("replace", &path, error).into());
            }
            _ => {}
        }
        let mut files = Vec::new();
        for (at, (name, volume)) in subject.volumes().enumerate() {
            let path = if self.format == DICOM {
                let path = self.folder.join(name);
                let options = SeriesOptions {
                    study: Some(Study::of(serde_json::to_string(&truth)?.as_bytes())),
                    description: name.to_owned(),
                    number: u16::try_from(at + 1)?,
                    ..SeriesOptions::default()
                };
                voxprep_io::dicom::write_series(&path, volume, &options)?;
                path
            } else {
                let path = target.path_of(name)?;
                let options = WriteOptions {
                    level: self.level,
                    ..WriteOptions::default()
                };
                voxprep_io::write(&path, volume, &options)?;
                path
            };
            files.push(path.display().to_string());
        }
        voxprep_io::write_text_aside(&path, &(output::json(&truth)? + "\n"))?;
        files.push(path.display().to_string());
        if self.json {
            return out.json(&Made {
                files,
                truth: &truth,
            });
        }
        let volumes = subject.volumes().map(|(_, volume)| volume);
        table(&files, volumes, &truth, out)
    }

    fn make(&self) -> Result<Scan> {
        let seed = self.seed;
        let scan = match self.kind.kind() {
            Kind::ChestCt => {
                let usual = ChestCt::default();
                let size = triple("size", self.size.as_deref(), usual.size)?;
                chest_ct(&ChestCt {
                    size,
                    spacing_mm: self.spacing(usual.size, usual.spacing_mm, size)?,
                    seed,
                    noise_hu: self.noise.unwrap_or(usual.noise_hu),
                    texture: self.texture.unwrap_or(usual.texture),
                    contrast: !self.plain,
                    nodules: self.nodules.unwrap_or(usual.nodules),
                    metal: self.metal,
                    padding_hu: self.padding,
                })
            }
            Kind::AbdomenCt => {
                let usual = AbdomenCt::default();
                let size = triple("size", self.size.as_deref(), usual.size)?;
                abdomen_ct(&AbdomenCt {
                    size,
                    spacing_mm: self.spacing(usual.size, usual.spacing_mm, size)?,
                    seed,
                    noise_hu: self.noise.unwrap_or(usual.noise_hu),
                    lesions: self.lesions.unwrap_or(usual.lesions),
                })
            }
            Kind::BrainMri => {
                let usual = BrainMri::default();
                let size = triple("size", self.size.as_deref(), usual.size)?;
                brain_mri(&BrainMri {
                    size,
                    spacing_mm: self.spacing(usual.size, usual.spacing_mm, size)?,
                    seed,
                    sequences: self.sequences.clone().unwrap_or(usual.sequences),
                    same_grid: self.same_grid,
                    oblique_deg: self.oblique.unwrap_or(usual.oblique_deg),
                    bias: self.bias.unwrap_or(usual.bias),
                    bias_volumes: self.bias_volumes,
                    noise: self.noise.unwrap_or(usual.noise),
                    lesions: self.lesions.unwrap_or(usual.lesions),
                })
            }
            Kind::ChestXray => {
                let usual = ChestXray::default();
                let size = match self.size.as_deref() {
                    None => usual.size,
                    Some([x, y]) => [*x, *y],
                    Some(_) => {
                        return Err(usage("--size: a radiograph has two sizes, as 1024,1024"));
                    }
                };
                let spacing_mm = match self.spacing.as_deref() {
                    None => usual.spacing_mm,
                    Some([spacing]) => Some(*spacing),
                    Some(_) => {
                        return Err(usage("--spacing: a radiograph has one spacing, as 0.35"));
                    }
                };
                chest_xray(&ChestXray {
                    size,
                    spacing_mm,
                    seed,
                    depth: self.depth.unwrap_or(usual.depth),
                    exposure: self.exposure.unwrap_or(usual.exposure),
                    noise: self.noise.unwrap_or(usual.noise),
                    nodules: self.nodules.unwrap_or(usual.nodules),
                    metal: self.metal,
                })
            }
        };
        Ok(scan?)
    }

    /// The spacing that was given; else the one with which another size shows the same patient.
    fn spacing(
        &self,
        size: [usize; 3],
        spacing_mm: [f64; 3],
        wanted: [usize; 3],
    ) -> Result<[f64; 3]> {
        let field = |i: usize| size[i] as f64 * spacing_mm[i] / wanted[i].max(1) as f64;
        triple("spacing", self.spacing.as_deref(), [0, 1, 2].map(field))
    }

    /// Refuses an option that the kind has no use for.
    fn check_use(&self) -> Result<()> {
        use Kind::{AbdomenCt, BrainMri, ChestCt, ChestXray};
        let kind = self.kind.kind();
        let chest = [ChestCt, ChestXray];
        let given: [(&str, bool, &[Kind]); 12] = [
            ("--nodules", self.nodules.is_some(), &chest),
            ("--lesions", self.lesions.is_some(), &[AbdomenCt, BrainMri]),
            ("--metal", self.metal, &chest),
            ("--padding", self.padding.is_some(), &[ChestCt]),
            ("--plain", self.plain, &[ChestCt]),
            ("--texture", self.texture.is_some(), &[ChestCt]),
            ("--bias", self.bias.is_some(), &[BrainMri]),
            ("--bias-volumes", self.bias_volumes, &[BrainMri]),
            ("--sequences", self.sequences.is_some(), &[BrainMri]),
            (
                "--same-grid or --oblique",
                self.same_grid || self.oblique.is_some(),
                &[BrainMri],
            ),
            ("--depth", self.depth.is_some(), &[ChestXray]),
            ("--exposure", self.exposure.is_some(), &[ChestXray]),
        ];
        match given
            .iter()
            .find(|(_, given, of)| *given && !of.contains(&kind))
        {
            None => Ok(()),
            Some((option, _, of)) => {
                let of: Vec<&str> = of.iter().map(|kind| kind.name()).collect();
                Err(usage(format_args!(
                    "{kind} has no {option}, which is for {}",
                    of.join(" and ")
                )))
            }
        }
    }
}

fn triple<T: Copy>(option: &str, given: Option<&[T]>, usual: [T; 3]) -> Result<[T; 3]> {
    match given {
        None => Ok(usual),
        Some([x, y, z]) => Ok([*x, *y, *z]),
        Some(other) => {
            let count = other.len();
            Err(usage(format_args!(
                "--{option}: give three numbers, x,y,z; there are {count}"
            )))
        }
    }
}

/// The files and the targets, for people.
fn table<'a>(
    files: &[String],
    volumes: impl Iterator<Item = &'a Volume>,
    truth: &Truth,
    out: &mut Output,
) -> Result<()> {
    let width = files.iter().map(String::len).max().unwrap_or_default();
    for ((file, volume), sheet) in files.iter().zip(volumes).zip(&truth.volumes) {
        let [x, y, z] = volume.geometry().size();
        let [dx, dy, dz] = sheet.spacing_mm;
        out.line(format_args!(
            "{file:<width$}  {x} x {y} x {z}  {dx:.2} x {dy:.2} x {dz:.2} mm  {:<3}  {}",
            volume.voxels().element_type().to_string(),
            sheet.about
        ))?;
    }
    if let Some(file) = files.last() {
        let count = truth.structures.len();
        out.line(format_args!(
            "{file:<width$}  {count} structures, {} materials",
            truth.tissues.len()
        ))?;
    }
    if truth.targets.is_empty() {
        return Ok(());
    }
    out.line("")?;
    for target in &truth.targets {
        let [x, y, z] = target.centre_mm;
        let largest = target.diameters_mm.iter().fold(0.0_f64, |a, b| a.max(*b));
        out.line(format_args!(
            "{:<10}  {:<13}  {largest:4.1} mm at [{x:.1}, {y:.1}, {z:.1}] LPS mm, {:.0} mm3{}",
            target.name,
            target.kind,
            target.volume_mm3,
            match target.value.values().next().map(|v| Value::from(*v)) {
                Some(value) if truth.kind == Kind::AbdomenCt || truth.kind == Kind::ChestCt =>
                    format!(", {value} HU"),
                _ => String::new(),
            }
        ))?;
    }
    Ok(())
}
