//! `voxprep convert`: one image file into another.

mod headers;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::Value;
use voxprep_core::finding::doubts;
use voxprep_core::volume::{Channels, Header, Modality, Unit, Volume};
use voxprep_core::voxels::ElementType;
use voxprep_io::dicom::SeriesOptions;
use voxprep_io::{ReadOptions, WriteOptions};

use crate::destination::check_image_file;
use crate::failure::{say, usage};
use crate::output::Output;
use crate::work::{Work, warn};

/// Write an image file in another format
///
/// The name of OUTPUT says the format. Values, their place in the world and the channels stay what
/// they are, and so does the type, unless it is one that is read as a larger one. A note names what
/// is not carried over, such as the unit. The file is there whole or not at all.
///
/// With --format dicom OUTPUT is a new folder with a file per slice. With --set-tag, --delete-tag or
/// --deidentify a DICOM file or folder becomes another one, with the same pixels.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Convert {
    /// The image to read
    input: PathBuf,

    /// The file to write; of DICOM, the folder
    output: PathBuf,

    /// Write voxels of another type: u8, i16, u16, i32, f32 or f64; integers are rounded half to
    /// even and saturated, and a warning counts the values that do not fit
    #[arg(long = "type", value_name = "TYPE", value_parser = element_type)]
    element_type: Option<ElementType>,

    /// The format, where the name does not tell it from another: analyze makes Analyze 7.5 of .hdr,
    /// and dicom makes OUTPUT a folder of DICOM files
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<Target>,

    /// Compression, where the format has one: 0 stores, 1 is fast, 9 is small
    #[arg(long, value_name = "N", default_value_t = WriteOptions::default().level,
          value_parser = clap::value_parser!(u32).range(0..=9))]
    level: u32,

    /// DICOM: what kind of scan it is, where the file does not say: CT, MRI or XRAY
    #[arg(long, requires = "format")]
    modality: Option<Modality>,

    /// DICOM: the image is a label map, and becomes a segmentation object
    #[arg(long, requires = "format")]
    label: bool,

    /// DICOM: the series that the image was made of; patient, study and frame of reference are taken
    /// from it
    #[arg(long, value_name = "SERIES", requires = "format")]
    template: Option<PathBuf>,

    /// DICOM: which series of the template
    #[arg(long, value_name = "SERIES", requires = "template")]
    template_series: Option<String>,

    /// Set an attribute of a DICOM header, as 'PatientID=X' or '(0008,103E)=X'; may be repeated
    #[arg(long, value_name = "TAG=VALUE", conflicts_with_all = ["format", "element_type", "deidentify"])]
    set_tag: Vec<String>,

    /// Delete an attribute of a DICOM header; may be repeated
    #[arg(long, value_name = "TAG", conflicts_with_all = ["format", "element_type", "deidentify"])]
    delete_tag: Vec<String>,

    /// Take out of a DICOM file or folder what identifies somebody in its attributes, and say what is
    /// left to do
    #[arg(long)]
    deidentify: bool,

    /// --deidentify: a file with a secret, with which new UIDs are the same in each run
    #[arg(long, value_name = "FILE", requires = "deidentify")]
    uid_key: Option<PathBuf>,

    /// --deidentify: take images in whose pixels text is burned in
    #[arg(long, requires = "deidentify")]
    keep_burned_in: bool,

    #[command(flatten)]
    work: Work,
}

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// A folder of DICOM files: one per slice, or a label map in one file.
    Dicom,
    /// A file in the format of this key.
    File(&'static str),
}

/// What asks for a folder of DICOM files.
const DICOM: &str = "dicom";

const EXAMPLES: &str = "\
Examples:
  voxprep convert scan.nii.gz scan.nii
  voxprep convert scan.nii small.nii.gz --level 9
  voxprep convert scan.mha scan.nrrd
  voxprep convert scan.nii.gz scan.mhd --level 0
  voxprep convert scan.nii.gz scan.hdr --format analyze
  voxprep convert mask.nii.gz mask-u8.nii.gz --type u8
  voxprep convert lung.nii.gz lung-dicom --format dicom --template scan-folder
  voxprep convert in.dcm out.dcm --set-tag PatientID=17 --delete-tag '(0008,103E)'
  voxprep convert scan-folder shared-folder --deidentify --uid-key secret.txt";

/// Facts that say how a file was laid out, not what is in it.
const LAYOUT: [&str; 18] = [
    "affine",
    "affine_warning",
    "datatype",
    "encoding",
    "header_warning",
    "intent_dim",
    "kinds",
    "orient",
    "originator",
    "pixdim_4",
    "placeless",
    "qform_code",
    "sform_code",
    "space",
    "spacing",
    "spacing_assumed",
    "version",
    "xyzt_units",
];

/// So many facts are named in a note.
const NAMED: usize = 6;

fn element_type(name: &str) -> Result<ElementType, String> {
    serde_json::from_value(Value::from(name))
        .map_err(|_| "there is no such type; give u8, i16, u16, i32, f32 or f64".to_owned())
}

fn format(name: &str) -> Result<Target, String> {
    if name == DICOM {
        return Ok(Target::Dicom);
    }
    let known = voxprep_io::writable_formats();
    let found = known.iter().find(|known| **known == name).copied();
    found.map(Target::File).ok_or_else(|| {
        let known = known.join(", ");
        format!("there is no such format; give one of {DICOM}, {known}")
    })
}

impl Convert {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let reading = self.work.start()?;
        if !self.set_tag.is_empty() || !self.delete_tag.is_empty() {
            return self.edit(out, &reading);
        }
        let to_dicom = self.format == Some(Target::Dicom);
        let asks_dicom = self.label || self.modality.is_some() || self.template.is_some();
        if asks_dicom && !to_dicom {
            return Err(usage(
                "--label, --modality and --template belong to --format dicom",
            ));
        }
        let is_image_file = voxprep_io::writable_extension(&self.output).is_some();
        if self.deidentify && !is_image_file && !to_dicom {
            return self.deidentify_dicom(out, &reading);
        }
        if !to_dicom {
            check_image_file(&self.output, &self.input)?;
        }
        if self.deidentify {
            self.check_burned_in()?;
        }
        let mut volume = voxprep_io::read(&self.input, &reading)?;
        warn(&doubts(volume.header()).collect::<Vec<_>>());
        if let Some(to) = self.element_type {
            let (cast, lost) = volume.cast(to)?;
            volume = cast;
            if lost > 0 {
                let message = format_args!(
                    "{lost} values do not fit {to} and became the nearest that do: {}",
                    self.output.display()
                );
                say("warning", message);
            }
        }
        if self.deidentify {
            volume = self.without_header(volume)?;
        }
        let files = if to_dicom {
            volume = self.meant(volume)?;
            self.write_dicom(&volume, &reading)?
        } else {
            let options = WriteOptions {
                level: self.level,
                format: match self.format {
                    Some(Target::File(key)) => Some(key),
                    _ => None,
                },
            };
            voxprep_io::write(&self.output, &volume, &options)?;
            voxprep_io::files(&self.output, &options)
        };
        let written = ReadOptions {
            no_limits: reading.no_limits,
            ..ReadOptions::default()
        };
        let written = voxprep_io::read_header(&self.output, &written)?;
        if volume.header().unit == Unit::Unknown
            && self.template.is_some()
            && written.unit == Unit::Hu
        {
            let path = self.output.display();
            say(
                "note",
                format_args!("the template is a CT: the values are written as HU: {path}"),
            );
        }
        let lost = lost(&turned(volume.header(), &written), &written);
        if !lost.is_empty() {
            let path = self.output.display();
            say(
                "note",
                format_args!("not carried over: {}: {path}", lost.join(", ")),
            );
        }
        for file in files {
            out.line(file.display())?;
        }
        Ok(())
    }

    /// A volume as an image format keeps it: what a header says of a person is not in it, and what a
    /// file carries beside its voxels goes.
    fn without_header(&self, volume: Volume) -> Result<Volume> {
        if self.template.is_some() {
            return Err(usage(
                "--deidentify: a template says who was scanned; give one of them",
            ));
        }
        let message = format_args!(
            "the new file has no identifying attributes in any case; faces and text in the voxels \
             are not looked for: {}",
            self.output.display()
        );
        say("note", message);
        let (mut header, voxels) = volume.into_parts();
        header.attachments.clear();
        Ok(Volume::with_header(header, voxels)?)
    }

    /// What the options say that the image is.
    fn meant(&self, volume: Volume) -> Result<Volume> {
        let volume = if self.label {
            volume.into_labels()?
        } else {
            volume
        };
        Ok(match self.modality {
            Some(modality) => volume.with_modality(modality),
            None => volume,
        })
    }

    fn write_dicom(&self, volume: &Volume, reading: &ReadOptions) -> Result<Vec<PathBuf>> {
        let options = SeriesOptions {
            template: self.template.clone(),
            reading: ReadOptions {
                series: self.template_series.clone(),
                ..reading.clone()
            },
            number: 1,
            ..SeriesOptions::default()
        };
        Ok(voxprep_io::dicom::write_series(
            &self.output,
            volume,
            &options,
        )?)
    }
}

/// The header, with the slices in the order of the written file where that is the only difference:
/// DICOM turns left-handed grids round, and every voxel stays where it is in the world.
fn turned(before: &Header, written: &Header) -> Header {
    let mut header = before.clone();
    let turned = before.geometry.flipped([false, false, true]);
    if turned.is_close(&written.geometry, 1e-3) {
        header.geometry = turned;
    }
    header
}

/// What a header says that the header of the written file does not.
fn lost(before: &Header, after: &Header) -> Vec<String> {
    let mut lost = Vec::new();
    if before.unit != Unit::Unknown && after.unit != before.unit {
        lost.push(format!("the unit ({})", before.unit));
    }
    if let Some(modality) = before.modality
        && after.modality != Some(modality)
    {
        lost.push(format!("the modality ({modality})"));
    }
    if !before.geometry.is_close(&after.geometry, 1e-3) {
        lost.push("the exact place of its voxels".to_owned());
    }
    if before.element_type != after.element_type {
        let (from, to) = (before.element_type, after.element_type);
        lost.push(format!("its type ({from}; it is read as {to})"));
    }
    let kinds = |channels: &Channels| -> Vec<_> {
        channels
            .axes
            .iter()
            .map(|axis| (axis.kind, axis.length))
            .collect()
    };
    if kinds(&before.channels) != kinds(&after.channels) {
        lost.push("what its channels mean".to_owned());
    } else if before.channels.names != after.channels.names {
        lost.push(format!(
            "the names of its channels ({})",
            before.channels.names.join(", ")
        ));
    }
    let is_layout = |key: &str| {
        key.rsplit('.')
            .next()
            .is_some_and(|name| LAYOUT.contains(&name))
    };
    let facts = before.facts.keys();
    let facts: Vec<&str> = facts
        .filter(|key| !is_layout(key) && !after.facts.contains_key(*key))
        .map(String::as_str)
        .collect();
    if let Some(more) = facts.len().checked_sub(NAMED).filter(|more| *more > 0) {
        let named = facts.iter().take(NAMED).copied().collect::<Vec<_>>();
        lost.push(format!("{} and {more} more facts", named.join(", ")));
    } else {
        lost.extend(facts.into_iter().map(str::to_owned));
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use voxprep_core::geometry::Geometry;
    use voxprep_core::volume::{AxisKind, Modality};

    #[test]
    fn what_a_format_has_no_place_for_is_named() {
        let grid = Geometry::aligned([2, 3, 4], [1.0; 3], [0.0; 3]).unwrap();
        let plain = Header::new(grid, ElementType::I16);
        assert!(lost(&plain, &plain).is_empty());
        let mut rich = plain.clone();
        rich.set_modality(Modality::Ct);
        rich.channels = Channels::named(AxisKind::Window, vec!["a".into(), "b".into()]);
        rich.facts.insert("dicom.kvp".into(), json!(120));
        rich.facts.insert("nifti.datatype".into(), json!(4));
        let mut written = plain.clone();
        written.channels = Channels::named(AxisKind::Window, vec!["0".into(), "1".into()]);
        let expected = [
            "the unit (HU)",
            "the modality (CT)",
            "the names of its channels (a, b)",
            "dicom.kvp",
        ];
        assert_eq!(lost(&rich, &written), expected);
        for i in 0..6 {
            rich.facts.insert(format!("x.{i}"), json!(i));
        }
        let last = lost(&rich, &written).pop().unwrap();
        assert_eq!(last, "dicom.kvp, x.0, x.1, x.2, x.3, x.4 and 1 more facts");
    }
}
