//! The header of a MetaImage, judged: what it says in our terms, or why it cannot be.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::volume::{AxisKind, ChannelAxis, Channels, Header};

use super::fields::{Fields, wrong};
use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::parts::{Begin, Encoding, MOST_FILES, Parts, beside, numbered};
use crate::source::Source;
use crate::stored::{Layout, Number};
use crate::text::shown;

/// All that a header says, and where the voxels are.
pub(super) struct Image {
    pub(super) header: Header,
    pub(super) parts: Parts,
}

/// The element types that are read. `LONG` has four bytes on every machine.
const TYPES: [(&str, Number); 12] = [
    ("CHAR", Number::I8),
    ("UCHAR", Number::U8),
    ("SHORT", Number::I16),
    ("USHORT", Number::U16),
    ("INT", Number::I32),
    ("UINT", Number::U32),
    ("LONG", Number::I32),
    ("ULONG", Number::U32),
    ("LONG_LONG", Number::I64),
    ("ULONG_LONG", Number::U64),
    ("FLOAT", Number::F32),
    ("DOUBLE", Number::F64),
];

/// Keys that mean the same. Of several the first of the list is taken, as in ITK, which does not
/// know the last one.
const ORIGINS: [&str; 4] = ["Origin", "Position", "Offset", "ElementOrigin"];
const SPACINGS: [&str; 2] = ["ElementSpacing", "ElementSize"];
const DIRECTIONS: [&str; 4] = [
    "TransformMatrix",
    "Rotation",
    "Orientation",
    "ElementDirection",
];

impl Image {
    /// Judges the header of a file.
    pub(super) fn judge(source: &Source, options: &ReadOptions) -> Result<Self> {
        let path = source.path();
        let fields = Fields::parse(source)?;
        if let Some(other) = fields.text("ObjectType").filter(|kind| *kind != "Image") {
            let reason = format!("the file holds an object of the type {}", shown(other));
            return Err(Error::unsupported(path, reason)
                .field("MetaImage header, ObjectType")
                .remedy("only images are read: give one on a grid of voxels"));
        }
        let lengths = fields.lengths(path)?;
        let number = number(path, &fields)?;
        let interleaved = match fields.whole(path, "ElementNumberOfChannels")? {
            None => 1,
            Some(n) => usize::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| {
                let reason = format!("{n} channels");
                wrong(path, "ElementNumberOfChannels", reason)
            })?,
        };
        let (size, beyond) = divided(&lengths);
        let channels = beyond
            .iter()
            .try_fold(interleaved, |n, &length| n.checked_mul(length))
            .ok_or_else(|| wrong(path, "DimSize", "the channels are beyond counting"))?;
        let order = fields.first(&["BinaryDataByteOrderMSB", "ElementByteOrderMSB"]);
        let big_endian = match order {
            Some(key) => fields.truth(path, key, false)?,
            None => false,
        };
        let layout = Layout {
            number,
            big_endian,
            interleaved,
            channels,
            size,
            scale: None,
        };
        let mut parts = parts(source, &fields, &lengths, layout)?;
        parts.check(source, options)?;

        let mut warnings = Vec::new();
        let (world_from_index, steps) = place(path, &fields, &lengths, &mut warnings)?;
        let geometry = Geometry::new(size, world_from_index).map_err(|e| Error::core(path, e))?;
        let mut header = Header::new(geometry, parts.usual_type());
        header.channels = channels_of(interleaved, &beyond, &steps);
        header.facts = facts(&fields);
        scale_is_not_applied(&fields, &mut warnings);
        if fields.first(&SPACINGS).is_none() {
            let assumed =
                "the header states no spacing: that a voxel is 1 mm long is an assumption";
            let key = "metaimage.affine_warning".to_owned();
            header.facts.insert(key, json!(assumed));
        }
        if !warnings.is_empty() {
            let warnings = json!(warnings.join("; "));
            let key = "metaimage.header_warning".to_owned();
            header.facts.insert(key, warnings);
        }
        Ok(Self { header, parts })
    }
}

/// The three spatial lengths, and those beyond them.
fn divided(lengths: &[usize]) -> ([usize; 3], Vec<usize>) {
    let mut size = [1; 3];
    size.iter_mut().zip(lengths).for_each(|(out, &n)| *out = n);
    (size, lengths.get(3..).unwrap_or_default().to_vec())
}

fn number(path: &Path, fields: &Fields) -> Result<Number> {
    let stated = fields.text("ElementType");
    let stated = stated.ok_or_else(|| {
        let reason = "it is missing from the header";
        wrong(path, "ElementType", reason)
    })?;
    let name = stated.strip_prefix("MET_").map(|name| {
        let array = name.strip_suffix("_ARRAY");
        array.unwrap_or(name)
    });
    let known = TYPES.iter().find(|(known, _)| Some(*known) == name);
    known.map(|(_, number)| *number).ok_or_else(|| {
        let reason = format!("voxels of the type {} cannot be read", shown(stated));
        Error::unsupported(path, reason)
            .field("MetaImage header, ElementType")
            .remedy("convert them to a standard integer or floating-point type")
    })
}

/// Where the voxels are and how they are packed.
fn parts(source: &Source, fields: &Fields, lengths: &[usize], layout: Layout) -> Result<Parts> {
    let path = source.path();
    let packed = fields.truth(path, "CompressedData", false)?;
    let binary = fields.truth(path, "BinaryData", true)?;
    let encoding = match (packed, binary) {
        (true, _) => Encoding::Zlib,
        (false, true) => Encoding::Raw,
        (false, false) => Encoding::Text,
    };
    let files = files_of(source, fields, lengths)?;
    let after = if files.is_empty() { fields.end } else { 0 };
    let skip = fields.whole(path, "HeaderSize")?.unwrap_or(0);
    let begin = match skip {
        0 => Some(after),
        -1 => None,
        // It counts from the start of the file, whichever that is, as in MetaIO.
        n => Some(u64::try_from(n).map_err(|_| {
            let reason = format!("{n} bytes, where -1 means that the voxels end the file");
            wrong(path, "HeaderSize", reason)
        })?),
    };
    let begin = match begin {
        None if encoding == Encoding::Raw => Begin::AtEnd,
        // What is packed or text has no length that could be counted from the end.
        byte => Begin::At {
            byte: byte.unwrap_or(after),
            lines: 0,
            skip: 0,
        },
    };
    let stated = fields.whole(path, "CompressedDataSize")?;
    let stated = stated
        .and_then(|n| u64::try_from(n).ok())
        .filter(|&n| n > 0);
    Ok(Parts {
        layout,
        encoding,
        // MetaIO states the size of one file: of a list nothing can be concluded from it.
        packed: stated.filter(|_| packed && files.len() <= 1),
        files,
        begin,
        starts: Vec::new(),
    })
}

/// The files that hold the voxels; none where they follow the header.
pub(super) fn files(source: &Source, fields: &Fields) -> Result<Vec<PathBuf>> {
    files_of(source, fields, &fields.lengths(source.path())?)
}

fn files_of(source: &Source, fields: &Fields, lengths: &[usize]) -> Result<Vec<PathBuf>> {
    let path = source.path();
    let key = "ElementDataFile";
    let stated = fields.text(key).unwrap_or_default();
    let words: Vec<&str> = stated.split_whitespace().collect();
    match words.as_slice() {
        ["LOCAL" | "Local" | "local"] => Ok(Vec::new()),
        ["LIST", rest @ ..] => {
            let dimensions = match rest {
                [] => lengths.len().saturating_sub(1),
                [stated, ..] => {
                    let digits = stated.trim_end_matches(['D', 'd']);
                    let known = digits.parse::<usize>().ok();
                    known
                        .filter(|n| (1..=lengths.len()).contains(n))
                        .ok_or_else(|| {
                            let reason = format!("files of {} of the image", shown(stated));
                            wrong(path, key, reason)
                        })?
                }
            };
            let needed = lengths
                .iter()
                .skip(dimensions)
                .try_fold(1, |n: usize, &length| n.checked_mul(length));
            let listed = fields.list.len();
            // What is listed beyond that is not read, as in MetaIO.
            let names = needed.and_then(|needed| fields.list.get(..needed));
            let names = names.ok_or_else(|| {
                let needed = needed.map_or("too many".to_owned(), |n| n.to_string());
                let reason = format!("{listed} files are listed, {needed} are needed");
                wrong(path, key, reason)
            })?;
            names.iter().map(|name| beside(path, name)).collect()
        }
        [pattern, numbers @ ..] if numbers.len() >= 2 && pattern.contains('%') => {
            let numbers: Option<Vec<i64>> = numbers.iter().map(|n| n.parse().ok()).collect();
            let reason = "the numbers of its files are no range";
            let range = numbers.filter(|numbers| numbers.len() <= 3);
            let range = range.ok_or_else(|| wrong(path, key, reason))?;
            let [first, last] = [range.first(), range.get(1)].map(|n| n.copied().unwrap_or(0));
            let step = range.get(2).copied().unwrap_or(1);
            if step < 1
                || last < first
                || last.abs_diff(first) / step.unsigned_abs() >= MOST_FILES as u64
            {
                return Err(wrong(path, key, reason));
            }
            let count = last.abs_diff(first) / step.unsigned_abs() + 1;
            (0..count as i64)
                .map(|i| {
                    let name = numbered(pattern, first.saturating_add(i.saturating_mul(step)));
                    let reason = format!("{} is no pattern of names", shown(pattern));
                    beside(path, &name.ok_or_else(|| wrong(path, key, reason))?)
                })
                .collect()
        }
        _ => Ok(vec![beside(path, stated)?]),
    }
}

/// The map from index to LPS+ mm, and the steps along the axes beyond the third.
fn place(
    path: &Path,
    fields: &Fields,
    lengths: &[usize],
    warnings: &mut Vec<String>,
) -> Result<(Affine, Vec<f64>)> {
    let count = lengths.len();
    let mut spacing = vec![1.0; count];
    if let Some(key) = fields.first(&SPACINGS) {
        spacing = fields.numbers(path, key, count)?.unwrap_or(spacing);
        for (axis, (spacing, &length)) in spacing.iter_mut().zip(lengths).enumerate() {
            if *spacing == 0.0 && length > 1 && axis < 3 {
                return Err(wrong(path, key, "a spacing of 0"));
            }
            if *spacing == 0.0 {
                *spacing = 1.0;
            }
        }
        if spacing.iter().take(3).any(|&spacing| spacing < 0.0) {
            warnings.push(format!(
                "{key} has a negative spacing: the axis runs the other way, as in ITK"
            ));
        }
    }
    let mut origin = vec![0.0; count];
    if let Some(key) = fields.first(&ORIGINS) {
        origin = fields.numbers(path, key, count)?.unwrap_or(origin);
    }
    let mut columns = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    if let Some(key) = fields.first(&DIRECTIONS)
        && let Some(numbers) = fields.numbers(path, key, count * count)?
    {
        for (axis, row) in numbers.chunks_exact(count).enumerate() {
            let (space, beyond) = row.split_at(count.min(3));
            match columns.get_mut(axis) {
                // A row of the text is the direction of an index axis.
                Some(column) => {
                    *column = [0.0; 3];
                    column.iter_mut().zip(space).for_each(|(c, v)| *c = *v);
                    if beyond.iter().any(|&v| v != 0.0) {
                        return Err(wrong(path, key, "an axis of space runs along time"));
                    }
                }
                None if space.iter().any(|&v| v != 0.0) => {
                    let reason = "the grid moves from one point in time to the next";
                    return Err(wrong(path, key, reason));
                }
                None => {}
            }
        }
    }
    for (column, spacing) in columns.iter_mut().zip(&spacing) {
        column.iter_mut().for_each(|v| *v *= spacing);
    }
    let mut offset = [0.0; 3];
    offset.iter_mut().zip(&origin).for_each(|(o, v)| *o = *v);
    if let Some(unit) = fields.text("DistanceUnits")
        && !unit.eq_ignore_ascii_case("mm")
        && !unit.is_empty()
        && unit != "?"
    {
        warnings.push("DistanceUnits is not mm; mm are taken, as ITK does".to_owned());
    }
    let steps = spacing.get(3..).unwrap_or_default().to_vec();
    Ok((Affine::from_columns(columns, offset), steps))
}

/// The channels: the numbers of one voxel, then the axes beyond the third, of which the first is
/// time.
fn channels_of(interleaved: usize, beyond: &[usize], steps: &[f64]) -> Channels {
    let mut axes = Vec::new();
    if interleaved > 1 {
        axes.push(ChannelAxis {
            kind: AxisKind::Component,
            length: interleaved,
            step: None,
        });
    }
    for (i, (&length, &step)) in beyond.iter().zip(steps).enumerate() {
        // A single point in time before further axes only keeps them in their place.
        if i == 0 && length == 1 && beyond.len() > 1 {
            continue;
        }
        // Programs fill in 1 where they know none.
        let known = step.is_finite() && step > 0.0 && step != 1.0;
        axes.push(ChannelAxis {
            kind: if i == 0 {
                AxisKind::Time
            } else {
                AxisKind::Component
            },
            length,
            step: known.then_some(step),
        });
    }
    if axes.is_empty() {
        return Channels::single();
    }
    Channels::numbered(axes)
}

/// What is kept of the header: codes and numbers, no text that people write.
fn facts(fields: &Fields) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut keep = |key: &str, value: Value| facts.insert(format!("metaimage.{key}"), value);
    if let Some(name) = fields.text("ElementType") {
        keep("datatype", json!(name));
    }
    let letters =
        |text: &&str| text.len() == 3 && text.bytes().all(|b| b"LRAPISlrapis".contains(&b));
    if let Some(orientation) = fields.text("AnatomicalOrientation").filter(letters) {
        keep("orient", json!(orientation));
    }
    let modality = |text: &&str| {
        let code = text.strip_prefix("MET_MOD_");
        code.is_some_and(|code| ["CT", "MR", "NM", "US", "OTHER"].contains(&code))
    };
    if let Some(modality) = fields.text("Modality").filter(modality) {
        keep("modality", json!(modality));
    }
    facts
}

/// Says that a scale is stated and not applied: ITK leaves the numbers as they are, too.
fn scale_is_not_applied(fields: &Fields, warnings: &mut Vec<String>) {
    let value = |key: &str, neutral: f64| {
        let number = fields.text(key)?.parse::<f64>().ok();
        (number != Some(neutral)).then_some(())
    };
    let slope = value("ElementToIntensityFunctionSlope", 1.0);
    let intercept = value("ElementToIntensityFunctionOffset", 0.0);
    if slope.or(intercept).is_some() {
        warnings.push(
            "ElementToIntensityFunctionSlope and Offset are not applied, as in ITK: the values are \
             the stored numbers"
                .to_owned(),
        );
    }
}
