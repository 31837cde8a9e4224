//! `voxprep info`: what is in a file.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};
use voxprep_core::dispatch;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::kernels::stats::{self, Select, Summary};
use voxprep_core::volume::{Header, Volume};
use voxprep_core::voxels::channel;
use voxprep_io::{ReadOptions, SeriesInfo};

use crate::failure::usage;
use crate::output::Output;
use crate::work::Reading;

/// Show what is in a file or DICOM folder: size, spacing, place in the world, type, unit
///
/// Of a folder with several volumes, a table of them; --series chooses one. Only the header is read, unless --stats or --at ask for voxels. Triples are [x, y, z], the index
/// axes, x fastest; an index counts from 0 and is the centre of a voxel. World coordinates are LPS+
/// millimetres, as in DICOM; NIfTI's RAS+ is shown beside them.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Info {
    /// An image file, or a folder of DICOM files
    input: PathBuf,

    /// Answer in JSON
    #[arg(long)]
    json: bool,

    /// All attributes of all DICOM slices, in their order in space: what is constant once, what
    /// varies slice by slice
    #[arg(long, conflicts_with_all = ["stats", "at"])]
    tags: bool,

    /// The table of --tags as CSV: a column of tags, and one for each slice
    #[arg(long, requires = "tags", conflicts_with = "json")]
    csv: bool,

    /// Show what identifies a person, a place or a study: names, dates, numbers, UIDs
    #[arg(long)]
    keep_identifiers: bool,

    /// Count, NaN, range, mean, standard deviation (divisor n) and percentiles of every channel
    #[arg(long)]
    stats: bool,

    /// One voxel: its value, and its place in array order, as viewers count, and in the world
    #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true)]
    at: Option<Triple>,

    /// Whether --at counts from 0, as arrays do, or from 1, as viewers do
    #[arg(long, value_name = "0|1", default_value_t = 0, requires = "at", value_parser = clap::value_parser!(u8).range(0..=1))]
    base: u8,

    #[command(flatten)]
    reading: Reading,
}

const EXAMPLES: &str = "\
Examples:
  voxprep info scan.nii.gz
  voxprep info scan.nii.gz --stats --json
  voxprep info study/                                   a table of its volumes, if there are several
  voxprep info study/ --series 3 --tags --csv > tags.csv
  voxprep info scan.nii.gz --at 255,255,100
  voxprep info scan.nii.gz --at 256,256,101 --base 1    the same voxel as a viewer names it";

/// `X,Y,Z` on the command line.
#[derive(Clone, Copy, Debug)]
struct Triple([u64; 3]);

impl FromStr for Triple {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Option<Vec<u64>> = text
            .split(',')
            .map(|number| number.trim().parse().ok())
            .collect();
        let triple = numbers.and_then(|numbers| numbers.try_into().ok());
        triple
            .map(Self)
            .ok_or("give three whole numbers, as in 255,255,100")
    }
}

const PERCENTILES: [f64; 3] = [1.0, 50.0, 99.0];

impl Info {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let options = self.reading.options();
        if self.tags {
            return self.tags(&options, out);
        }
        let mut header = match voxprep_io::read_header(&self.input, &options) {
            Ok(header) => header,
            Err(error) if options.series.is_none() && is_choice(&error) => {
                return self.volumes(&options, out);
            }
            Err(error) => return Err(error.into()),
        };
        let at = self
            .at
            .map(|at| self.index(at, header.geometry.size()))
            .transpose()?;
        let volume = if self.stats || at.is_some() {
            let volume = voxprep_io::read(&self.input, &options)?;
            header = volume.header().clone();
            Some(volume)
        } else {
            None
        };
        let place = at
            .zip(volume.as_ref())
            .map(|(at, volume)| Place::new(at, volume));
        let statistics = volume.as_ref().filter(|_| self.stats).map(statistics);
        // What else is there, where nobody has chosen.
        let others = options.series.is_none() && header.facts.contains_key("dicom.other_volumes");
        if self.json {
            let mut answer = header_json(&header);
            if others {
                let volumes = voxprep_io::series(&self.input, &options)?;
                let rows: Vec<Value> = volumes.iter().map(|v| self.volume_json(v)).collect();
                answer.insert("series".to_owned(), rows.into());
            }
            if let Some(place) = place {
                answer.insert("at".to_owned(), place.json());
            }
            if let Some(statistics) = statistics {
                let one = |(name, s): (&String, &Statistics)| s.json(name);
                let all: Vec<Value> = header
                    .channels
                    .names
                    .iter()
                    .zip(&statistics)
                    .map(one)
                    .collect();
                answer.insert("stats".to_owned(), all.into());
            }
            return out.json(&answer);
        }
        header_text(&header, out)?;
        if others {
            out.line("")?;
            self.volumes(&options, out)?;
        }
        if let Some(place) = place {
            place.text(&header, out)?;
        }
        match statistics {
            Some(statistics) => statistics_text(&header, &statistics, out),
            None => Ok(()),
        }
    }

    /// A table of the volumes in a folder.
    fn volumes(&self, options: &ReadOptions, out: &mut Output) -> Result<()> {
        let volumes = voxprep_io::series(&self.input, options)?;
        if self.json {
            let rows: Vec<Value> = volumes.iter().map(|v| self.volume_json(v)).collect();
            return out.json(&json!({ "series": rows }));
        }
        let mut table =
            vec![["series", "modality", "size", "spacing (mm)", "what"].map(str::to_owned)];
        for volume in &volumes {
            let words = [&volume.description, &volume.part];
            let words: Vec<&str> = words
                .into_iter()
                .map(String::as_str)
                .filter(|w| !w.is_empty())
                .collect();
            let mut what = words.join(", ");
            if let Some(problem) = &volume.problem {
                let join = if what.is_empty() { "" } else { ": " };
                what.push_str(&format!("{join}cannot be read: {problem}"));
            }
            if self.keep_identifiers {
                what.push_str(&format!(" [{}]", volume.uid));
            }
            let geometry = volume.header.as_ref().map(|header| &header.geometry);
            table.push([
                volume.id.clone(),
                volume.modality.clone(),
                geometry.map_or_else(
                    || format!("{} slices", volume.frames),
                    |g| g.size().map(|n| n.to_string()).join(" x "),
                ),
                geometry.map_or_else(String::new, |g| g.spacing().map(short).join(" x ")),
                clipped_text(&what),
            ]);
        }
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
        let widths = [0, 1, 2, 3].map(|column| width(column).unwrap_or(0));
        for [id, modality, size, spacing, what] in &table {
            let [a, b, c, d] = widths;
            let line = format!("{id:<a$}  {modality:<b$}  {size:<c$}  {spacing:<d$}  {what}");
            out.line(line.trim_end())?;
        }
        out.line(
            "choose one with --series, by what stands in the first column or by its description",
        )
    }

    fn volume_json(&self, volume: &SeriesInfo) -> Value {
        let geometry = volume.header.as_ref().map(|header| &header.geometry);
        let mut row = json!({
            "id": volume.id,
            "modality": volume.modality,
            "description": volume.description,
            "part": volume.part,
            "frames": volume.frames,
            "size": geometry.map(Geometry::size),
            "spacing_mm": geometry.map(Geometry::spacing),
            "type": volume.header.as_ref().map(|header| header.element_type),
            "unit": volume.header.as_ref().map(|header| header.unit),
            "problem": volume.problem,
        });
        if let (true, Some(row)) = (self.keep_identifiers, row.as_object_mut()) {
            row.insert("uid".to_owned(), json!(volume.uid));
        }
        row
    }

    /// The attributes of all slices.
    fn tags(&self, options: &ReadOptions, out: &mut Output) -> Result<()> {
        let table = voxprep_io::tags(&self.input, options, self.keep_identifiers)?;
        if self.json {
            let rows: Vec<Value> = table
                .rows
                .iter()
                .map(|row| {
                    // A constant is said once.
                    let values = if row.varies {
                        json!(row.values)
                    } else {
                        json!(row.values.first())
                    };
                    let key = if row.varies { "values" } else { "value" };
                    json!({ "tag": row.tag, "name": row.name, "varies": row.varies, key: values })
                })
                .collect();
            return out.json(&json!({ "slices": table.slices, "tags": rows }));
        }
        if self.csv {
            let head = (1..=table.slices).map(|slice| slice.to_string());
            let head: Vec<String> = std::iter::once("tag".to_owned()).chain(head).collect();
            out.line(head.join(","))?;
            for row in &table.rows {
                let values = row
                    .values
                    .iter()
                    .map(|value| field(value.as_deref().unwrap_or("")));
                let line: Vec<String> = std::iter::once(row.tag.clone()).chain(values).collect();
                out.line(line.join(","))?;
            }
            return Ok(());
        }
        out.line(format_args!(
            "{} slices; what varies is shown of the first and the last",
            table.slices
        ))?;
        for row in &table.rows {
            let value = |value: Option<&Option<String>>| match value {
                Some(Some(value)) => clipped_text(value),
                _ => "(absent)".to_owned(),
            };
            let value = if row.varies {
                format!(
                    "varies: {} ... {}",
                    value(row.values.first()),
                    value(row.values.last())
                )
            } else {
                value(row.values.first())
            };
            let line = format!("{}  {:<36}  {value}", row.tag, row.name);
            out.line(line.trim_end())?;
        }
        if !self.keep_identifiers {
            out.line(
                "(withheld): identifies a person, a place or a study; --keep-identifiers shows it",
            )?;
        }
        Ok(())
    }

    /// The index that was asked for, from 0.
    fn index(&self, Triple(at): Triple, size: [usize; 3]) -> Result<[usize; 3]> {
        let base = u64::from(self.base);
        let mut index = [0; 3];
        for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
            let last = size[axis] as u64 - 1 + base;
            if !(base..=last).contains(&at[axis]) {
                return Err(usage(format_args!(
                    "--at: {name} = {} lies outside; counted from {base} it must be {base} to {last}",
                    at[axis]
                )));
            }
            index[axis] = (at[axis] - base) as usize;
        }
        Ok(index)
    }
}

/// A line `name  value`.
fn row(out: &mut Output, name: &str, value: impl std::fmt::Display) -> Result<()> {
    out.line(format_args!("{name:<12} {value}"))
}

fn header_text(header: &Header, out: &mut Output) -> Result<()> {
    let geometry = &header.geometry;
    let [x, y, z] = geometry.size();
    if let Some(format) = format(header) {
        row(out, "format", format)?;
    }
    row(
        out,
        "size",
        format_args!("{x} x {y} x {z} voxels (x, y, z)"),
    )?;
    let [sx, sy, sz] = geometry.spacing().map(short);
    row(
        out,
        "spacing",
        format_args!("{sx} x {sy} x {sz} mm (x, y, z)"),
    )?;
    row(
        out,
        "origin",
        format_args!(
            "{} mm LPS, the centre of voxel [0, 0, 0]",
            triple(geometry.origin())
        ),
    )?;
    row(
        out,
        "orientation",
        format_args!("{} (where x, y and z point)", geometry.orientation()),
    )?;
    for (axis, direction) in ["x", "y", "z"].into_iter().zip(geometry.direction()) {
        let name = if axis == "x" { "direction" } else { "" };
        row(out, name, format_args!("{axis} {}", triple(direction)))?;
    }
    affine_text("affine LPS", geometry.world_from_index(), out)?;
    affine_text("affine RAS", geometry.ras_from_index(), out)?;
    row(out, "type", header.element_type)?;
    row(out, "channels", channels(header))?;
    row(out, "unit", header.unit)?;
    match header.modality {
        Some(modality) => row(out, "modality", modality)?,
        None => row(out, "modality", "unknown")?,
    }
    for (position, (key, value)) in header.facts.iter().enumerate() {
        row(
            out,
            if position == 0 { "facts" } else { "" },
            format_args!("{key} = {}", clipped(value)),
        )?;
    }
    Ok(())
}

/// Whether an error is that several volumes could be meant.
fn is_choice(error: &voxprep_io::Error) -> bool {
    error
        .fault()
        .is_some_and(|fault| fault.field.as_deref() == Some("series"))
}

/// A field of CSV, quoted where it has to be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A fact in one short line. A file may hold what moves the cursor or turns the direction of
/// writing: such letters are named, not written.
fn clipped(fact: &Value) -> String {
    clipped_text(&fact.to_string())
}

/// Words of a file in one short line, without letters that move the cursor.
fn clipped_text(text: &str) -> String {
    const MOST: usize = 200;
    let mut line = String::new();
    for (position, letter) in text.chars().enumerate() {
        if position == MOST {
            line.push_str(&format!(" ... ({} bytes; --json has all)", text.len()));
            break;
        }
        let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if letter.is_control() || turns {
            line.extend(letter.escape_unicode());
        } else {
            line.push(letter);
        }
    }
    line
}

fn affine_text(name: &str, affine: Affine, out: &mut Output) -> Result<()> {
    for (position, values) in affine.rows().iter().enumerate() {
        let values: Vec<String> = values
            .iter()
            .map(|v| format!("{:>12}", short(*v)))
            .collect();
        row(out, if position == 0 { name } else { "" }, values.concat())?;
    }
    Ok(())
}

fn channels(header: &Header) -> String {
    let count = header.channels.len();
    let axes: Vec<String> = header
        .channels
        .axes
        .iter()
        .map(|axis| {
            let kind = json!(axis.kind);
            let kind = kind.as_str().unwrap_or_default();
            match axis.step {
                Some(step) if kind == "time" => {
                    format!("{kind} {} of {} s", axis.length, short(step))
                }
                Some(step) => format!("{kind} {} of {}", axis.length, short(step)),
                None => format!("{kind} {}", axis.length),
            }
        })
        .collect();
    if axes.is_empty() {
        count.to_string()
    } else {
        format!("{count} ({})", axes.join(" x "))
    }
}

/// The file format: formats put their name before their facts.
fn format(header: &Header) -> Option<&str> {
    header
        .facts
        .keys()
        .find_map(|key| key.split_once('.'))
        .map(|(format, _)| format)
}

fn header_json(header: &Header) -> Map<String, Value> {
    let geometry = &header.geometry;
    let fields = json!({
        "format": format(header),
        "size": geometry.size(),
        "spacing_mm": geometry.spacing(),
        "origin_lps_mm": geometry.origin(),
        "orientation": geometry.orientation(),
        "direction": geometry.direction(),
        "lps_from_index": geometry.world_from_index().rows(),
        "ras_from_index": geometry.ras_from_index().rows(),
        "type": header.element_type,
        "channels": header.channels,
        "unit": header.unit,
        "modality": header.modality,
        "facts": header.facts,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// A voxel, and the ways to name it.
struct Place {
    index: [usize; 3],
    lps: [f64; 3],
    ras: [f64; 3],
    values: Vec<Option<f64>>,
}

impl Place {
    fn new(index: [usize; 3], volume: &Volume) -> Self {
        let geometry: &Geometry = volume.geometry();
        let position = index.map(|i| i as f64);
        let voxels = volume.voxels();
        Self {
            index,
            lps: geometry.world_from_index().apply(position),
            ras: geometry.ras_from_index().apply(position),
            values: (0..voxels.channels())
                .map(|c| voxels.get(c, index))
                .collect(),
        }
    }

    fn array(&self) -> [usize; 3] {
        let [x, y, z] = self.index;
        [z, y, x]
    }

    fn viewer(&self) -> [usize; 3] {
        self.index.map(|i| i + 1)
    }

    fn text(&self, header: &Header, out: &mut Output) -> Result<()> {
        out.line("")?;
        let [x, y, z] = self.index;
        row(
            out,
            "index",
            format_args!("[{x}, {y}, {z}] (x, y, z), counted from 0"),
        )?;
        let [a, b, c] = self.array();
        row(
            out,
            "array",
            format_args!("[{a}, {b}, {c}] (z, y, x), counted from 0"),
        )?;
        let [x, y, z] = self.viewer();
        row(
            out,
            "viewer",
            format_args!("({x}, {y}, {z}) (x, y, z), counted from 1"),
        )?;
        row(out, "world LPS", format_args!("{} mm", triple(self.lps)))?;
        row(out, "world RAS", format_args!("{} mm", triple(self.ras)))?;
        for (name, value) in header.channels.names.iter().zip(&self.values) {
            let value = value.map_or_else(|| "none".to_owned(), |value| value.to_string());
            let of = if name.is_empty() {
                String::new()
            } else {
                format!(" (channel {name})")
            };
            row(out, "value", format_args!("{value}{of}"))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        json!({
            "index": self.index,
            "array": self.array(),
            "viewer": self.viewer(),
            "lps_mm": self.lps,
            "ras_mm": self.ras,
            "values": self.values,
        })
    }
}

/// The statistics of a channel.
struct Statistics {
    summary: Summary,
    /// Empty where every voxel is NaN.
    percentiles: Vec<f64>,
}

fn statistics(volume: &Volume) -> Vec<Statistics> {
    dispatch!(VoxelsView, volume.voxels().view(), view => {
        let of = |c| Statistics {
            summary: stats::summary(channel(&view, c), &Select::All),
            percentiles: stats::percentiles(channel(&view, c), &Select::All, &PERCENTILES).unwrap_or_default(),
        };
        (0..volume.voxels().channels()).map(of).collect()
    })
}

impl Statistics {
    /// Name and value; what cannot be known, where nothing counts, is missing.
    fn numbers(&self) -> Vec<(String, Option<f64>)> {
        let s = &self.summary;
        let known = |v: f64| (s.count > 0).then_some(v);
        let mut numbers = vec![
            ("min".to_owned(), known(s.min)),
            ("max".to_owned(), known(s.max)),
            ("mean".to_owned(), known(s.mean)),
            ("std".to_owned(), s.std(0)),
        ];
        for (position, p) in PERCENTILES.iter().enumerate() {
            numbers.push((format!("p{p}"), self.percentiles.get(position).copied()));
        }
        numbers
    }

    fn json(&self, channel: &str) -> Value {
        let mut fields = Map::new();
        fields.insert("channel".to_owned(), channel.into());
        fields.insert("count".to_owned(), self.summary.count.into());
        fields.insert("nan".to_owned(), self.summary.nan.into());
        fields.extend(
            self.numbers()
                .into_iter()
                .map(|(name, value)| (name, json!(value))),
        );
        Value::Object(fields)
    }
}

fn statistics_text(header: &Header, statistics: &[Statistics], out: &mut Output) -> Result<()> {
    for (name, channel) in header.channels.names.iter().zip(statistics) {
        out.line("")?;
        if !name.is_empty() {
            row(out, "channel", name)?;
        }
        row(out, "count", channel.summary.count)?;
        row(out, "NaN", channel.summary.nan)?;
        for (name, value) in channel.numbers() {
            row(
                out,
                &name,
                value.map_or_else(|| "none".to_owned(), measured),
            )?;
        }
    }
    Ok(())
}

fn triple(v: [f64; 3]) -> String {
    let [x, y, z] = v.map(short);
    format!("[{x}, {y}, {z}]")
}

/// A length, a coordinate: six decimals at most.
fn short(v: f64) -> String {
    let text = format!("{v:.6}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// A measured value: as [`short`], or in powers of ten where that would not show it.
fn measured(v: f64) -> String {
    let is_plain = v == 0.0 || (1e-4..1e15).contains(&v.abs()) || !v.is_finite();
    if is_plain {
        short(v)
    } else {
        format!("{v:.6e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_but_never_lost() {
        assert_eq!(
            [0.699_999_988_079, 1.0, -1e-17, -250.5, 100.0].map(short),
            ["0.7", "1", "0", "-250.5", "100"]
        );
        assert_eq!(
            [2e-7, f64::NAN, 1e20].map(measured),
            ["2.000000e-7", "NaN", "1.000000e20"]
        );
    }

    #[test]
    fn a_triple_is_three_whole_numbers() {
        assert_eq!("255, 1,0".parse::<Triple>().map(|t| t.0), Ok([255, 1, 0]));
        for wrong in ["1,2", "1,2,3,4", "-1,2,3", "1.5,2,3", ""] {
            assert!(wrong.parse::<Triple>().is_err(), "{wrong}");
        }
    }
}
