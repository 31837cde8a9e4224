//! A volume as a MetaImage: little-endian, types kept, LPS+ mm. The channels of the first axis lie
//! side by side, as ITK's vectors do, unless they are points in time: those, and what follows, are
//! dimensions 4 and up.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use voxprep_core::volume::{AxisKind, Volume};
use voxprep_core::voxels::{ElementType, Voxels};

use crate::aside::{write_aside, write_pair_aside};
use crate::error::{Error, Result};
use crate::format::extension;
use crate::interleave::interleaved;
use crate::parts::stated;
use crate::text::real;
use crate::{WriteOptions, zlib};

/// MetaIO reads no more dimensions than this.
const MOST_DIMENSIONS: usize = 10;
/// Room for a size that is known when the voxels have been written.
const ROOM: usize = 20;

/// The file of the voxels, where the name asks for two files.
pub(super) fn voxels(path: &Path, options: &WriteOptions) -> Option<PathBuf> {
    let header = extension(path) == Some("mhd");
    let other = if options.level == 0 { "raw" } else { "zraw" };
    header.then(|| path.with_extension(other))
}

/// Writes the file, or the header and the voxels.
pub(super) fn write(path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
    let shape = Shape::of(path, volume)?;
    let tuples = match shape.inner {
        1 => None,
        n => Some(interleaved(volume.voxels(), n).map_err(|e| Error::core(path, e))?),
    };
    let voxels_of = tuples.as_ref().unwrap_or(volume.voxels());
    let level = options.level;
    match voxels(path, options) {
        None => write_aside(path, |out| {
            let (head, tail) = header(volume, &shape, level > 0, "LOCAL");
            out.write_all(head.as_bytes())?;
            let place = out.stream_position()?;
            if level > 0 {
                writeln!(out, "{:ROOM$}", "")?;
            }
            out.write_all(tail.as_bytes())?;
            let size = put(out, voxels_of, level)?;
            if level > 0 {
                out.seek(SeekFrom::Start(place))?;
                write!(out, "{size:<ROOM$}")?;
            }
            Ok(())
        }),
        Some(other) => {
            let name = stated(&other).ok_or_else(|| {
                let reason = "the name of this file cannot be stated in a MetaImage header";
                Error::parameter(path, reason).remedy("give another name, or end it in .mha")
            })?;
            let size = std::cell::Cell::new(0);
            write_pair_aside(
                [&other, path],
                |out| {
                    size.set(put(out, voxels_of, level)?);
                    Ok(())
                },
                |out| {
                    let (head, tail) = header(volume, &shape, level > 0, name);
                    let size = if level > 0 {
                        format!("{}\n", size.get())
                    } else {
                        String::new()
                    };
                    out.write_all(format!("{head}{size}{tail}").as_bytes())
                },
            )
        }
    }
}

/// Writes the voxels; returns how many bytes they became.
fn put(out: &mut File, voxels: &Voxels, level: u32) -> std::io::Result<u64> {
    let bytes = voxels.bytes();
    if level > 0 {
        return zlib::write(out, &[bytes], level);
    }
    out.write_all(bytes)?;
    Ok(bytes.len() as u64)
}

/// What the header says of the axes.
struct Shape {
    /// Numbers of one voxel side by side.
    inner: usize,
    /// All dimensions, and the steps beyond the third.
    lengths: Vec<usize>,
    steps: Vec<f64>,
}

impl Shape {
    fn of(path: &Path, volume: &Volume) -> Result<Self> {
        let voxels = volume.voxels();
        let mut axes: Vec<_> = volume.header().channels.axes.iter().collect();
        let mut inner = 1;
        if axes.iter().map(|axis| axis.length).product::<usize>() != voxels.channels() {
            inner = voxels.channels();
            axes.clear();
        }
        if axes.first().is_some_and(|axis| axis.kind != AxisKind::Time) {
            inner = axes.remove(0).length;
        }
        let mut shape = Self {
            inner,
            lengths: voxels.size().to_vec(),
            steps: Vec::new(),
        };
        if axes.first().is_some_and(|axis| axis.kind != AxisKind::Time) {
            // Dimension 4 is time; what is none stays behind it.
            shape.push(1, None);
        }
        for axis in axes {
            shape.push(axis.length, axis.step);
        }
        if shape.lengths.len() > MOST_DIMENSIONS {
            let reason = format!(
                "MetaImage holds {MOST_DIMENSIONS} dimensions, the volume has {}",
                shape.lengths.len()
            );
            return Err(Error::unsupported(path, reason)
                .remedy("write fewer channels, or each to its own file"));
        }
        Ok(shape)
    }

    fn push(&mut self, length: usize, step: Option<f64>) {
        self.lengths.push(length);
        self.steps.push(step.unwrap_or(1.0));
    }
}

/// The header up to the size of what is packed, where that is stated, and what comes after it.
fn header(volume: &Volume, shape: &Shape, packed: bool, file: &str) -> (String, String) {
    let geometry = volume.geometry();
    let count = shape.lengths.len();
    let (spacing, direction) = (geometry.spacing(), geometry.direction());
    let list =
        |numbers: &mut dyn Iterator<Item = f64>| numbers.map(real).collect::<Vec<_>>().join(" ");
    // A row of the text is the direction of an index axis.
    let matrix = list(&mut (0..count * count).map(|i| {
        let (axis, world) = (i / count, i % count);
        match direction.get(axis).and_then(|cosines| cosines.get(world)) {
            Some(cosine) => *cosine,
            None => f64::from(u8::from(axis == world)),
        }
    }));
    let later = |value: f64| std::iter::repeat_n(value, count.saturating_sub(3));
    let offset = list(&mut geometry.origin().into_iter().chain(later(0.0)));
    let centre = list(&mut std::iter::repeat_n(0.0, count));
    let spacing = list(&mut spacing.into_iter().chain(shape.steps.iter().copied()));
    let size: Vec<String> = shape.lengths.iter().map(usize::to_string).collect();
    // The letters of where the axes come from; ours name where they go to.
    let from: String = geometry
        .orientation()
        .to_string()
        .chars()
        .map(opposite)
        .collect();

    let mut head = format!(
        "ObjectType = Image\nNDims = {count}\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    );
    head.push_str(if packed {
        "CompressedData = True\nCompressedDataSize = "
    } else {
        "CompressedData = False\n"
    });
    let mut tail = format!(
        "TransformMatrix = {matrix}\nOffset = {offset}\nCenterOfRotation = {centre}\n\
         AnatomicalOrientation = {from}\nElementSpacing = {spacing}\nDimSize = {}\n",
        size.join(" ")
    );
    if shape.inner > 1 {
        let _ = writeln!(tail, "ElementNumberOfChannels = {}", shape.inner);
    }
    let _ = writeln!(
        tail,
        "ElementType = {}\nElementDataFile = {file}",
        type_name(volume.voxels().element_type())
    );
    (head, tail)
}

fn opposite(letter: char) -> char {
    match letter {
        'L' => 'R',
        'R' => 'L',
        'A' => 'P',
        'P' => 'A',
        'S' => 'I',
        'I' => 'S',
        other => other,
    }
}

fn type_name(element_type: ElementType) -> &'static str {
    match element_type {
        ElementType::U8 => "MET_UCHAR",
        ElementType::I16 => "MET_SHORT",
        ElementType::U16 => "MET_USHORT",
        ElementType::I32 => "MET_INT",
        ElementType::F32 => "MET_FLOAT",
        ElementType::F64 => "MET_DOUBLE",
    }
}
