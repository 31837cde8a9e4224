//! The header of a NIfTI file, judged: what it says in our terms, or why it cannot be.

use std::path::Path;

use serde_json::{Map, Value, json};
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{AxisKind, ChannelAxis, Channels, Header};

use super::affine;
use super::body::{Body, Inner, Stored, wrong};
use super::extensions::{self, Extensions};
use super::fields::{Fields, Version};
use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::source::Source;
use crate::stored::{Number, Scale};

/// CIFTI's intents: values on surfaces and in lists of voxels, not on a grid.
const CIFTI: std::ops::RangeInclusive<i64> = 3000..=3099;

/// All that a header says, and where the voxels are.
pub(super) struct Image {
    pub(super) header: Header,
    pub(super) body: Body,
}

impl Image {
    /// Judges the header of a file.
    pub(super) fn judge(source: &Source, fields: &Fields, options: &ReadOptions) -> Result<Self> {
        let path = source.path();
        if CIFTI.contains(&fields.intent_code) {
            let reason = format!(
                "the file is CIFTI (intent {}): its values are on no grid of voxels",
                fields.intent_code
            );
            return Err(Error::unsupported(path, reason)
                .remedy("extract the volume first, e.g. with wb_command -cifti-separate"));
        }
        let stored = stored(fields.datatype).ok_or_else(|| {
            let remedy = "convert them to a standard integer or floating-point type";
            unreadable(path, fields, remedy)
        })?;
        let scale = scale(fields, stored.inner)
            .map_err(|reason| wrong(path, fields, "scl_inter", reason))?;
        let body = Body::find(source, fields, stored, scale, options)?;

        let end = fields.single.then_some(body.offset);
        let extensions = Extensions::read(source, fields, end)?;
        check_offset(source, end.unwrap_or(0), extensions.end, options)?;
        let placed = affine::world_from_index(fields, body.size, path)?;
        let geometry =
            Geometry::new(body.size, placed.world_from_index).map_err(|e| Error::core(path, e))?;
        let mut header = Header::new(geometry, body.usual_type());
        header.channels = named(axes(fields, stored.inner, &body.beyond), stored.inner);
        header.facts = facts(fields, &placed, &body.beyond);
        extensions.describe(&mut header.facts);
        let warnings: Vec<String> = [bitpix(fields, stored), extensions.warning]
            .into_iter()
            .flatten()
            .collect();
        if !warnings.is_empty() {
            header.facts.insert(
                "nifti.header_warning".to_owned(),
                json!(warnings.join("; ")),
            );
        }
        header.attachments = extensions.attachments;
        Ok(Self { header, body })
    }
}

/// Refuses voxels that begin far behind the header and its extensions: to get there, all that is
/// between must be inflated.
fn check_offset(source: &Source, offset: u64, end: u64, options: &ReadOptions) -> Result<()> {
    let between = offset.saturating_sub(end);
    if options.no_limits || between <= extensions::MOST {
        return Ok(());
    }
    let reason = format!(
        "the voxels start at byte {offset}, {between} bytes behind the header and its extensions"
    );
    Err(Error::limit(source.path(), reason)
        .field("NIfTI header, vox_offset")
        .remedy("if the file is right, allow it with --no-limits"))
}

/// What is said of a size of the voxels that is not that of their datatype; 0 says nothing.
pub(in crate::formats) fn bitpix(fields: &Fields, stored: Stored) -> Option<String> {
    let bits = stored.bits();
    let contradicts = fields.bitpix != 0 && fields.bitpix != bits;
    contradicts.then(|| {
        format!(
            "the header states {} bits per voxel (bitpix), its datatype {} has {bits}; the datatype is used",
            fields.bitpix, fields.datatype
        )
    })
}

/// The datatypes of NIfTI that are read, and of which some are written.
const DATATYPES: [(i64, Number, Option<Inner>); 14] = [
    (2, Number::U8, None),
    (4, Number::I16, None),
    (8, Number::I32, None),
    (16, Number::F32, None),
    (32, Number::F32, Some(Inner::Complex)),
    (64, Number::F64, None),
    (128, Number::U8, Some(Inner::Rgb)),
    (256, Number::I8, None),
    (512, Number::U16, None),
    (768, Number::U32, None),
    (1024, Number::I64, None),
    (1280, Number::U64, None),
    (1792, Number::F64, Some(Inner::Complex)),
    (2304, Number::U8, Some(Inner::Rgba)),
];

/// What a datatype of NIfTI stands for.
pub(in crate::formats) fn stored(datatype: i64) -> Option<Stored> {
    let known = DATATYPES.iter().find(|(code, ..)| *code == datatype);
    known.map(|&(_, number, inner)| Stored { number, inner })
}

/// The datatype of NIfTI that stands for this.
pub(super) fn datatype(stored: Stored) -> Option<i64> {
    let fits = |(_, number, inner): &&(i64, Number, Option<Inner>)| {
        (*number, *inner) == (stored.number, stored.inner)
    };
    DATATYPES.iter().find(fits).map(|(code, ..)| *code)
}

/// Refuses a datatype that stands for nothing that can be read.
pub(in crate::formats) fn unreadable(path: &Path, fields: &Fields, remedy: &str) -> Error {
    let name = match fields.datatype {
        0 => "unknown",
        1 => "single bits",
        1536 => "128-bit floating point",
        2048 => "256-bit complex",
        _ => "no type of this format",
    };
    let reason = format!(
        "voxels of the type {} ({name}) cannot be read",
        fields.datatype
    );
    Error::unsupported(path, reason)
        .field(format!("{}, datatype", fields.name()))
        .remedy(remedy)
}

/// The scale, where there is one to apply; colours have none.
fn scale(fields: &Fields, inner: Option<Inner>) -> Result<Option<Scale>, String> {
    let (slope, intercept) = (fields.scl_slope, fields.scl_inter);
    if !slope.is_finite() || slope == 0.0 || matches!(inner, Some(Inner::Rgb | Inner::Rgba)) {
        return Ok(None);
    }
    if !intercept.is_finite() {
        return Err(format!(
            "the intercept is {intercept} although the slope is {slope}"
        ));
    }
    Ok((slope != 1.0 || intercept != 0.0).then_some(Scale { slope, intercept }))
}

/// The channel axes, fastest first: what is inside a voxel, then dimensions 4 to 7.
pub(in crate::formats) fn axes(
    fields: &Fields,
    inner: Option<Inner>,
    beyond: &[usize],
) -> Vec<ChannelAxis> {
    let inside = inner.map(|inner| ChannelAxis {
        kind: if inner == Inner::Complex {
            AxisKind::Complex
        } else {
            AxisKind::Colour
        },
        length: inner.length(),
        step: None,
    });
    let unit = seconds(fields.xyzt_units);
    // NIfTI-1 holds no others, in whatever unit; a step like that says nothing anyway.
    let credible = |step: &f64| (1e-30..1e30).contains(step);
    let step = |dimension: usize, unit: f64| {
        let stated = Some(fields.pixdim[dimension].abs()).filter(credible);
        stated.map(|step| step * unit)
    };
    // Dimension 4 in hertz, ppm or rad/s is a spectrum, not time.
    let along = [
        unit.map_or_else(|| step(4, 1.0), |unit| step(4, unit)),
        counted(step(5, 1.0)),
        counted(step(6, 1.0)),
        counted(step(7, 1.0)),
    ];
    let unset = fields.xyzt_units & TIME == 0;
    let after = beyond
        .iter()
        .zip(along)
        .enumerate()
        .filter_map(|(i, (&length, step))| match i {
            // A single point in time before further dimensions only keeps them in their place. A
            // single point of a spectrum stays: without it they would be taken for the spectrum.
            0 if length == 1 && beyond.len() > 1 && unit.is_some() && (unset || step.is_none()) => {
                None
            }
            _ => Some(ChannelAxis {
                kind: if i == 0 && unit.is_some() {
                    AxisKind::Time
                } else {
                    AxisKind::Component
                },
                length,
                step,
            }),
        });
    inside.into_iter().chain(after).collect()
}

/// Programs fill unused fields with 1: beyond time, a step of 1 says nothing.
fn counted(step: Option<f64>) -> Option<f64> {
    step.filter(|&step| step != 1.0)
}

/// The bits of `xyzt_units` that give the unit of dimension 4.
pub(super) const TIME: i64 = 0o70;

/// The unit of dimension 4 in seconds; `None` where it is not a time. Unset means seconds.
pub(super) fn seconds(xyzt_units: i64) -> Option<f64> {
    match xyzt_units & TIME {
        0o00 | 0o10 => Some(1.0),
        0o20 => Some(1e-3),
        0o30 => Some(1e-6),
        _ => None,
    }
}

/// The channels along these axes, with the names of what is inside a voxel.
pub(in crate::formats) fn named(axes: Vec<ChannelAxis>, inner: Option<Inner>) -> Channels {
    let numbered = Channels::numbered(axes);
    let names = match (inner, numbered.len()) {
        (None, 1) => vec![String::new()],
        (None, _) => numbered.names,
        (Some(inner), n) if n == inner.length() => {
            inner.names().iter().map(|&n| n.to_owned()).collect()
        }
        (Some(inner), n) => (0..n / inner.length())
            .flat_map(|outer| {
                inner
                    .names()
                    .iter()
                    .map(move |name| format!("{outer}.{name}"))
            })
            .collect(),
    };
    Channels {
        names,
        axes: numbered.axes,
    }
}

/// What is kept of the header: codes and numbers.
///
/// Free texts (descrip, aux_file, db_name, intent_name) stay out, because people write names
/// there. The display window (cal_min, cal_max) is kept where it is one.
fn facts(fields: &Fields, placed: &affine::Placed, beyond: &[usize]) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut keep = |key: &str, value: Value| facts.insert(format!("nifti.{key}"), value);
    if fields.version == Version::Two {
        keep("version", json!(2));
    }
    keep("affine", json!(placed.origin));
    if let Some(warning) = &placed.warning {
        keep("affine_warning", json!(warning));
    }
    keep("datatype", json!(fields.datatype));
    keep("qform_code", json!(fields.qform_code));
    keep("sform_code", json!(fields.sform_code));
    keep("xyzt_units", json!(fields.xyzt_units));
    for (key, code) in [
        ("intent_code", fields.intent_code),
        ("slice_code", fields.slice_code),
        ("dim_info", fields.dim_info),
    ] {
        if code != 0 {
            keep(key, json!(code));
        }
    }
    if fields.intent_code != 0 {
        keep("intent_p", json!(fields.intent_p));
        let mut tuples = beyond.get(1..).unwrap_or_default();
        while let [rest @ .., 1] = tuples {
            tuples = rest;
        }
        if !tuples.is_empty() {
            keep("intent_dim", json!(tuples));
        }
    }
    if fields.cal_max.is_finite() && fields.cal_min.is_finite() && fields.cal_max > fields.cal_min {
        keep("cal_min", json!(fields.cal_min));
        keep("cal_max", json!(fields.cal_max));
    }
    if fields.slice_duration.is_finite() && fields.slice_duration > 0.0 {
        keep("slice_duration", json!(fields.slice_duration));
    }
    if fields.toffset.is_finite() && fields.toffset != 0.0 {
        keep("toffset", json!(fields.toffset));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datatype_and_what_it_stands_for_lead_to_each_other() {
        for (code, ..) in DATATYPES {
            assert_eq!(datatype(stored(code).unwrap()), Some(code));
        }
        assert_eq!(stored(2304).unwrap().bits(), 32);
        assert_eq!(stored(1792).unwrap().bits(), 128);
        assert_eq!(stored(1), None);
    }
}
