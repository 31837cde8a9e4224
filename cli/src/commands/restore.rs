//! `voxprep restore`: a prediction back onto the grid of the scan.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use voxprep_core::kernels::Element as _;
use voxprep_core::provenance::Sidecar;
use voxprep_core::schema;
use voxprep_core::volume::{Role, Volume};
use voxprep_core::with_type;
use voxprep_io::{Error, WriteOptions};

use super::replay::read_sidecar;
use crate::destination::check_image_file;
use crate::failure::usage;
use crate::output::Output;
use crate::work::{Work, warn};

/// Bring a volume made from an output, such as a prediction, back onto the grid of the scan
///
/// The sidecar of a run says which way every voxel went: steps that moved them are undone, last
/// first, also random ones, by one resample. Label maps keep the label of the nearest voxel, images
/// are interpolated linearly; labels of left and right that a step exchanged are exchanged back.
/// Integers are labels and floating-point numbers are an image, unless --image or --label says
/// otherwise. Values are not changed back: a window stays a window.
///
/// What lay outside an output, after a crop for instance, becomes the value of --fill.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Restore {
    /// What was made from an output of the run, on its grid
    #[arg(value_name = "PRED")]
    input: PathBuf,

    /// The sidecar that the run wrote: NAME.voxprep.json, or the folder with voxprep.json in it
    #[arg(long, value_name = "SIDECAR")]
    from: PathBuf,

    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// The output it was made from [default: the only image of the outputs, else the reference]
    #[arg(long, value_name = "NAME")]
    volume: Option<String>,

    /// It is an image, whatever its type
    #[arg(long, conflicts_with = "label")]
    image: bool,

    /// It is a label map, whatever its type
    #[arg(long)]
    label: bool,

    /// What lies outside the output
    #[arg(
        long,
        value_name = "V",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    fill: f64,

    /// Compression of files that end in .gz: 0 stores, 1 is fast, 9 is small
    #[arg(long, value_name = "N", default_value_t = WriteOptions::default().level,
          value_parser = clap::value_parser!(u32).range(0..=9))]
    level: u32,

    #[command(flatten)]
    work: Work,
}

const EXAMPLES: &str = "\
Examples:
  voxprep restore predicted.nii.gz --from lung.voxprep.json -o in-scan.nii.gz
  voxprep restore probability.nii.gz --from case7 --volume t1 -o in-t1.nii.gz
  voxprep restore lesion.nii.gz --from case7/voxprep.json --fill 255 -o in-scan.nii.gz";

impl Restore {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let reading = self.work.start()?;
        check_image_file(&self.output, &self.input)?;
        let sidecar = read_sidecar(&self.from)?;
        let name = self.name(&sidecar)?;
        let volume = self.read(voxprep_io::read(&self.input, &reading)?)?;
        let (restored, finding) = sidecar
            .restore(&volume, name, self.fill)
            .map_err(|error| Error::core(&self.input, error))?;
        drop(volume);
        let options = WriteOptions {
            level: self.level,
            ..WriteOptions::default()
        };
        voxprep_io::write(&self.output, &restored, &options)?;
        warn(&finding);
        for file in voxprep_io::files(&self.output, &options) {
            out.line(file.display())?;
        }
        Ok(())
    }

    /// The output that the volume was made from.
    fn name<'a>(&'a self, sidecar: &'a Sidecar) -> Result<&'a str> {
        let outputs = || sidecar.outputs.iter().map(|output| output.name.as_str());
        let has = |name: &&str| outputs().any(|output| output == *name);
        let all = || outputs().collect::<Vec<_>>().join(", ");
        if let Some(name) = self.volume.as_deref() {
            if has(&name) {
                return Ok(name);
            }
            let remedy = match schema::nearest(name, outputs()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("there are: {}", all()),
            };
            return Err(usage(format_args!(
                "the run has no output '{name}'; {remedy}"
            )));
        }
        let mut images = sidecar
            .outputs
            .iter()
            .filter(|output| output.header.role == Role::Intensity)
            .map(|output| output.name.as_str());
        if let (Some(only), None) = (images.next(), images.next()) {
            return Ok(only);
        }
        let named = sidecar.pipeline["input"]["reference"].as_str();
        let mut inputs = sidecar.inputs.iter();
        let first = || {
            let image = inputs.find(|input| input.header.role == Role::Intensity);
            image.map(|input| input.name.as_str())
        };
        named.or_else(first).filter(has).ok_or_else(|| {
            usage(format_args!(
                "which output was it made from? give --volume NAME, one of: {}",
                all()
            ))
        })
    }

    /// The volume in its role, if it can hold the fill value.
    fn read(&self, volume: Volume) -> Result<Volume> {
        let is_label = self.label || (!self.image && volume.header().element_type.is_integer());
        let volume = if is_label {
            volume
                .into_labels()
                .map_err(|error| Error::core(&self.input, error))?
        } else {
            volume
        };
        let ty = volume.header().element_type;
        let fill = self.fill;
        let holds = with_type!(ty, T => T::from_f64(fill).to_f64() == fill);
        if !fill.is_finite() || (ty.is_integer() && !holds) {
            return Err(usage(format_args!(
                "--fill: {fill} does not fit {ty}, the type of the volume: {}",
                self.input.display()
            )));
        }
        Ok(volume)
    }
}
