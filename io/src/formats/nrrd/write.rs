//! A volume as NRRD: little-endian, types kept, LPS+ mm, gzip unless asked otherwise. Channels are
//! the slowest axes, as they are in memory: nothing is moved.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use voxprep_core::volume::{AxisKind, ChannelAxis, Volume};
use voxprep_core::voxels::ElementType;

use crate::aside::{write_aside, write_pair_aside};
use crate::error::{Error, Result};
use crate::format::extension;
use crate::parts::stated;
use crate::text::real;
use crate::{WriteOptions, gzip};

/// Teem reads no more axes than this.
const MOST_AXES: usize = 16;

/// The file of the voxels, where the name asks for two files. It is not the one that a `.mhd` of the
/// same name has: each header would take the voxels of the other for its own.
pub(super) fn voxels(path: &Path, options: &WriteOptions) -> Option<PathBuf> {
    let header = extension(path) == Some("nhdr");
    let other = if options.level == 0 {
        "nrrd.raw"
    } else {
        "raw.gz"
    };
    header.then(|| path.with_extension(other))
}

/// Writes the file, or the header and the voxels.
pub(super) fn write(path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
    let mut head = header(path, volume, options)?;
    let bytes = volume.voxels().bytes();
    let put = |out: &mut File| match options.level {
        0 => out.write_all(bytes),
        level => gzip::write(out, &[bytes], level),
    };
    let Some(other) = voxels(path, options) else {
        head.push('\n');
        return write_aside(path, |out| {
            out.write_all(head.as_bytes())?;
            put(out)
        });
    };
    let name = stated(&other).ok_or_else(|| {
        let reason = "the name of this file cannot be stated in a NRRD header";
        Error::parameter(path, reason).remedy("give another name, or end it in .nrrd")
    })?;
    head.push_str(&format!("data file: {name}\n"));
    write_pair_aside([&other, path], put, |out| out.write_all(head.as_bytes()))
}

/// The lines of the header.
fn header(path: &Path, volume: &Volume, options: &WriteOptions) -> Result<String> {
    let voxels = volume.voxels();
    let mut axes = volume.header().channels.axes.clone();
    if axes.iter().map(|axis| axis.length).product::<usize>() != voxels.channels() {
        axes = vec![ChannelAxis {
            kind: AxisKind::Component,
            length: voxels.channels(),
            step: None,
        }];
    }
    let count = 3 + axes.len();
    if count > MOST_AXES {
        let reason = format!("NRRD holds {MOST_AXES} axes, the volume has {count}");
        return Err(Error::unsupported(path, reason)
            .remedy("write fewer channels, or each to its own file"));
    }
    // Time has a direction of its own: ITK takes it for an axis of space, and one without a
    // direction for an error.
    let time = axes.iter().find(|axis| axis.kind == AxisKind::Time);
    let later = if time.is_some() { ",0" } else { "" };
    let vector = |[x, y, z]: [f64; 3]| format!("({},{},{}{later})", real(x), real(y), real(z));
    let world_from_index = volume.geometry().world_from_index();
    let mut directions: Vec<String> = (0..3).map(|i| vector(world_from_index.column(i))).collect();
    let mut kinds = vec!["domain"; 3];
    let mut sizes: Vec<String> = voxels.size().iter().map(usize::to_string).collect();
    for axis in &axes {
        sizes.push(axis.length.to_string());
        kinds.push(kind(axis));
        directions.push(match axis.kind {
            AxisKind::Time => format!("(0,0,0,{})", real(axis.step.unwrap_or(1.0))),
            _ => "none".to_owned(),
        });
    }
    let mut lines = vec![
        "NRRD0005".to_owned(),
        format!("type: {}", type_name(voxels.element_type())),
        format!("dimension: {count}"),
        format!(
            "space: left-posterior-superior{}",
            if time.is_some() { "-time" } else { "" }
        ),
        format!("sizes: {}", sizes.join(" ")),
        format!("space directions: {}", directions.join(" ")),
        format!("kinds: {}", kinds.join(" ")),
        "endian: little".to_owned(),
        format!(
            "encoding: {}",
            if options.level == 0 { "raw" } else { "gzip" }
        ),
    ];
    let mut units = vec!["\"mm\""; 3];
    if let Some(axis) = time {
        units.push(if axis.step.is_some() { "\"s\"" } else { "\"\"" });
    }
    lines.push(format!("space units: {}", units.join(" ")));
    lines.push(format!(
        "space origin: {}",
        vector(world_from_index.offset())
    ));
    Ok(lines.join("\n") + "\n")
}

fn type_name(element_type: ElementType) -> &'static str {
    match element_type {
        ElementType::U8 => "uint8",
        ElementType::I16 => "int16",
        ElementType::U16 => "uint16",
        ElementType::I32 => "int32",
        ElementType::F32 => "float",
        ElementType::F64 => "double",
    }
}

fn kind(axis: &ChannelAxis) -> &'static str {
    match (axis.kind, axis.length) {
        (AxisKind::Time, _) => "time",
        (AxisKind::Complex, 2) => "complex",
        (AxisKind::Colour, 3) => "RGB-color",
        (AxisKind::Colour, 4) => "RGBA-color",
        _ => "list",
    }
}
