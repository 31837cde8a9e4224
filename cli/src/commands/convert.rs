//! `voxprep convert`: one image file into another.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::Value;
use voxprep_core::finding::doubts;
use voxprep_core::volume::{Channels, Header, Unit};
use voxprep_core::voxels::ElementType;
use voxprep_io::WriteOptions;

use crate::destination::check_image_file;
use crate::failure::say;
use crate::output::Output;
use crate::work::{Work, warn};

/// Write an image file in another format
///
/// The name of OUTPUT says the format. Values, their place in the world and the channels stay what
/// they are, and so does the type, unless it is one that is read as a larger one. A note names what
/// is not carried over, such as the unit. The file is there whole or not at all.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Convert {
    /// The image to read
    input: PathBuf,

    /// The file to write
    output: PathBuf,

    /// Write voxels of another type: u8, i16, u16, i32, f32 or f64; integers are rounded half to
    /// even and saturated, and a warning counts the values that do not fit
    #[arg(long = "type", value_name = "TYPE", value_parser = element_type)]
    element_type: Option<ElementType>,

    /// The format, where the name does not tell it from another: analyze makes Analyze 7.5 of .hdr
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<&'static str>,

    /// Compression, where the format has one: 0 stores, 1 is fast, 9 is small
    #[arg(long, value_name = "N", default_value_t = WriteOptions::default().level,
          value_parser = clap::value_parser!(u32).range(0..=9))]
    level: u32,

    #[command(flatten)]
    work: Work,
}

const EXAMPLES: &str = "\
Examples:
  voxprep convert scan.nii.gz scan.nii
  voxprep convert scan.nii small.nii.gz --level 9
  voxprep convert scan.mha scan.nrrd
  voxprep convert scan.nii.gz scan.mhd --level 0
  voxprep convert scan.nii.gz scan.hdr --format analyze
  voxprep convert mask.nii.gz mask-u8.nii.gz --type u8";

/// Facts that say how a file was laid out, not what is in it.
const LAYOUT: [&str; 17] = [
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
    "version",
    "xyzt_units",
];

/// So many facts are named in a note.
const NAMED: usize = 6;

fn element_type(name: &str) -> Result<ElementType, String> {
    serde_json::from_value(Value::from(name))
        .map_err(|_| "there is no such type; give u8, i16, u16, i32, f32 or f64".to_owned())
}

fn format(name: &str) -> Result<&'static str, String> {
    let known = voxprep_io::writable_formats();
    let found = known.iter().find(|known| **known == name).copied();
    found.ok_or_else(|| format!("there is no such format; give one of {}", known.join(", ")))
}

impl Convert {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let reading = self.work.start()?;
        check_image_file(&self.output, &self.input)?;
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
        let options = WriteOptions {
            level: self.level,
            format: self.format,
        };
        voxprep_io::write(&self.output, &volume, &options)?;
        let written = voxprep_io::read_header(&self.output, &reading)?;
        let lost = lost(volume.header(), &written);
        if !lost.is_empty() {
            let path = self.output.display();
            say(
                "note",
                format_args!("not carried over: {}: {path}", lost.join(", ")),
            );
        }
        for file in voxprep_io::files(&self.output, &options) {
            out.line(file.display())?;
        }
        Ok(())
    }
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
