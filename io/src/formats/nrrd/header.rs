//! The header of a NRRD file, judged: what it says in our terms, or why it cannot be.

use std::path::{Path, PathBuf};

use serde_json::json;
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::Header;

use super::axes::Axes;
use super::fields::{DATA, Fields, is_list, wrong};
use super::permute::Order;
use super::types::{Kind, encoding, number};
use super::{facts, place};
use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::limits;
use crate::parts::{Begin, Encoding, MOST_FILES, Parts, beside, numbered};
use crate::source::Source;
use crate::stored::Layout;
use crate::text::shown;

/// All that a header says, and where the voxels are.
pub(super) struct Image {
    pub(super) header: Header,
    pub(super) parts: Parts,
    /// Where the channels lie between the axes of space.
    pub(super) order: Option<Order>,
}

impl Image {
    /// Judges the header of a file.
    pub(super) fn judge(source: &Source, options: &ReadOptions) -> Result<Self> {
        let path = source.path();
        let fields = Fields::parse(source)?;
        let axes = Axes::of(path, &fields)?;
        let channels = axes.channel_axes();
        let channels = channels
            .iter()
            .try_fold(1, |n: usize, a| n.checked_mul(a.length));
        let reason = "the channels are beyond counting";
        let channels = channels.ok_or_else(|| wrong(path, "sizes", reason))?;
        limits::check_channels(path, channels)?;
        let (layout, order) = layout(path, &fields, &axes, channels)?;
        let mut parts = parts(source, &fields, layout)?;
        parts.check(source, options)?;

        let placed = place::world_from_index(path, &fields, &axes)?;
        let geometry = Geometry::new(axes.size(), placed.world_from_index)
            .map_err(|e| Error::core(path, e))?;
        let mut header = Header::new(geometry, parts.usual_type());
        header.channels = axes.channels();
        let mut warnings = Vec::new();
        header.facts = facts::facts(&fields, axes.space, &mut warnings);
        if axes.doubtful {
            warnings.push(
                "nothing says which of its axes are those of space: the three fastest are taken",
            );
        }
        if fields.text("old min").or(fields.text("old max")).is_some() {
            warnings.push("old min and old max are not applied: the values are the stored numbers");
        }
        for (key, said) in [
            ("nrrd.affine_warning", placed.warnings.join("; ")),
            ("nrrd.header_warning", warnings.join("; ")),
        ] {
            if !said.is_empty() {
                header.facts.insert(key.to_owned(), json!(said));
            }
        }
        Ok(Self {
            header,
            parts,
            order,
        })
    }
}

/// How the values are stored, and in which order, where that is not one that a layout has.
fn layout(
    path: &Path,
    fields: &Fields,
    axes: &Axes,
    channels: usize,
) -> Result<(Layout, Option<Order>)> {
    let name = fields.needed(path, "type")?;
    let number = number(name).ok_or_else(|| {
        let reason = format!("voxels of the type {} cannot be read", shown(name));
        Error::unsupported(path, reason)
            .field("NRRD header, type")
            .remedy("convert them to a standard integer or floating-point type")
    })?;
    let encoded = encoding(fields.needed(path, "encoding")?);
    let big_endian = match fields
        .text("endian")
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        Some("big") => true,
        Some("little") => false,
        None if number.bytes() == 1 || encoded == Some(Encoding::Text) => false,
        None => {
            let reason = "it is missing from the header: the order of the bytes is not known";
            return Err(Error::input(path, reason)
                .field("NRRD header, endian")
                .remedy("add the line 'endian: little' or 'endian: big'"));
        }
        Some(other) => {
            let reason = format!("{} is neither little nor big", shown(other));
            return Err(wrong(path, "endian", reason));
        }
    };
    let size = axes.size();
    let is_channel = |kind: Kind| kind != Kind::Domain;
    let all = &axes.all;
    let first = all.iter().take_while(|axis| is_channel(axis.kind));
    let inner: usize = first.clone().map(|axis| axis.length).product();
    let behind = all.iter().skip(first.count());
    let mut behind = behind.skip_while(|axis| !is_channel(axis.kind));
    let layout = Layout {
        number,
        big_endian,
        interleaved: inner,
        channels,
        size,
        scale: None,
    };
    if behind.all(|axis| is_channel(axis.kind)) {
        return Ok((layout, None));
    }
    // One value after the other, to be put in order when they have been read.
    let mut step = 1_usize;
    let (mut space, mut others) = (Vec::new(), Vec::new());
    for axis in all {
        let list = if is_channel(axis.kind) {
            &mut others
        } else {
            &mut space
        };
        list.push((axis.length, step));
        let reason = "the product of the sizes is beyond counting";
        step = step
            .checked_mul(axis.length)
            .ok_or_else(|| wrong(path, "sizes", reason))?;
    }
    let order = Order {
        size,
        channels,
        axes: space.into_iter().chain(others).collect(),
    };
    let flat = Layout {
        interleaved: 1,
        channels: 1,
        size: [step, 1, 1],
        ..layout
    };
    Ok((flat, Some(order)))
}

/// Where the voxels are and how they are packed.
fn parts(source: &Source, fields: &Fields, layout: Layout) -> Result<Parts> {
    let path = source.path();
    let name = fields.needed(path, "encoding")?;
    let encoding = encoding(name).ok_or_else(|| {
        let reason = format!("the encoding {} is not read", shown(name));
        Error::unsupported(path, reason)
            .field("NRRD header, encoding")
            .remedy("write the file anew as raw or gzip")
    })?;
    let files = files(source, fields)?;
    let lines = fields.whole(path, "line skip")?.unwrap_or(0);
    let lines = u64::try_from(lines).map_err(|_| {
        wrong(
            path,
            "line skip",
            format!("{lines} lines are no number of them"),
        )
    })?;
    let begin = match fields.whole(path, "byte skip")?.unwrap_or(0) {
        -1 if encoding == Encoding::Raw => Begin::AtEnd,
        skip => Begin::At {
            byte: if files.is_empty() { fields.end } else { 0 },
            lines,
            skip: u64::try_from(skip).map_err(|_| {
                let reason = format!("{skip} bytes, where only raw voxels may have -1");
                wrong(path, "byte skip", reason)
            })?,
        },
    };
    Ok(Parts {
        layout,
        encoding,
        files,
        begin,
        packed: None,
        starts: Vec::new(),
    })
}

/// The files that hold the voxels; none where they follow the header.
pub(super) fn files(source: &Source, fields: &Fields) -> Result<Vec<PathBuf>> {
    let path = source.path();
    let Some(stated) = fields.text(DATA) else {
        return Ok(Vec::new());
    };
    let lengths = fields.lengths(path)?;
    if is_list(stated) {
        let dimensions = stated.split_whitespace().nth(1);
        check_count(path, &lengths, dimensions, fields.list.len())?;
        return fields.list.iter().map(|name| beside(path, name)).collect();
    }
    let words: Vec<&str> = stated.split_whitespace().collect();
    let [pattern, numbers @ ..] = words.as_slice() else {
        return Err(wrong(path, DATA, "no file is named"));
    };
    if !pattern.contains('%') || !(3..=4).contains(&numbers.len()) {
        return Ok(vec![beside(path, stated)?]);
    }
    let range = numbers.iter().take(3).map(|n| n.parse::<i64>());
    let range = range.collect::<Result<Vec<_>, _>>();
    let reason = "the numbers of its files are no range";
    let Ok([first, last, step]) = range.as_deref() else {
        return Err(wrong(path, DATA, reason));
    };
    let forward = *step > 0 && last >= first || *step < 0 && last <= first;
    let count = last.abs_diff(*first) / step.unsigned_abs().max(1);
    if !forward || count >= MOST_FILES as u64 {
        return Err(wrong(path, DATA, reason));
    }
    let count = count as usize + 1;
    check_count(path, &lengths, numbers.get(3).copied(), count)?;
    let names = (0..count as i64).map(|i| {
        let number = first.saturating_add(i.saturating_mul(*step));
        let reason = format!("{} is no pattern of names", shown(pattern));
        beside(
            path,
            &numbered(pattern, number).ok_or_else(|| wrong(path, DATA, reason))?,
        )
    });
    names.collect()
}

/// Refuses another number of files than there are parts of so many dimensions.
fn check_count(
    path: &Path,
    lengths: &[usize],
    dimensions: Option<&str>,
    count: usize,
) -> Result<()> {
    let all = lengths.len();
    let dimensions = match dimensions {
        None => all.saturating_sub(1),
        Some(text) => {
            let known = text.parse::<usize>().ok().filter(|n| (1..=all).contains(n));
            let reason = || format!("files of {} of {all} dimensions", shown(text));
            known.ok_or_else(|| wrong(path, DATA, reason()))?
        }
    };
    let fits = if dimensions == all {
        // Slabs of the slowest axis.
        count > 0 && lengths.last().is_some_and(|n| n.is_multiple_of(count))
    } else {
        let parts = lengths.iter().skip(dimensions);
        parts.clone().try_fold(1, |n: usize, &m| n.checked_mul(m)) == Some(count)
    };
    if fits {
        return Ok(());
    }
    let reason = format!("{count} files do not make up the sizes of the header");
    Err(wrong(path, DATA, reason))
}
