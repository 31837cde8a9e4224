//! The header of a NIfTI-1 file, judged: what it says in our terms, or why it cannot be.

use nifti::{Endianness, NiftiHeader};
use serde_json::{Map, Value, json};
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{AxisKind, ChannelAxis, Channels, Header};

use super::affine;
use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::source::{COPY_AGAIN, Source};
use crate::stored::{Layout, Number, Scale};

/// Bytes of the header, and of the header with the four bytes that announce extensions.
pub(super) const HEADER: usize = 348;
pub(super) const SINGLE: u64 = 352;
/// More voxels than this per byte of the file are refused, unless the caller trusts the file.
const VOXELS_PER_BYTE: u64 = 2_000;

/// Which relative of the family a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// NIfTI-1, header and voxels in one file.
    Single,
    /// The header of a NIfTI-1 pair.
    Pair,
    /// NIfTI-2, single.
    Two,
    /// The header of a NIfTI-2 pair.
    TwoPair,
    /// An Analyze 7.5 header.
    Analyze,
    /// Fewer bytes than a header of the family has.
    Cut,
}

impl Kind {
    /// What the first bytes of the contents say.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        let length = i32::from_le_bytes(*start.first_chunk()?);
        let is = |n: i32| length == n || length.swap_bytes() == n;
        match (start.get(344..HEADER), start.get(4..12)) {
            (Some(b"n+1\0"), _) => Some(Self::Single),
            (Some(b"ni1\0"), _) => Some(Self::Pair),
            (_, Some(b"n+2\0\r\n\x1a\n")) if is(540) => Some(Self::Two),
            (_, Some(b"ni2\0\r\n\x1a\n")) if is(540) => Some(Self::TwoPair),
            (Some(_), _) if is(348) => Some(Self::Analyze),
            (None, _) if is(348) => Some(Self::Cut),
            _ => None,
        }
    }
}

/// All that a header says, and where the voxels are.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) header: Header,
    pub(super) layout: Layout,
    /// The first byte of the voxels, and the byte after the last.
    pub(super) offset: u64,
    pub(super) end: u64,
    /// What the user should know.
    pub(super) warning: Option<String>,
}

impl Image {
    /// Judges the header of a single file.
    pub(super) fn parse(source: &Source, options: &ReadOptions) -> Result<Self> {
        let path = source.path();
        // The crate's parser takes the fields apart, in either byte order, and judges nothing
        // but the magic.
        let raw = source
            .start()
            .get(..HEADER)
            .and_then(|bytes| NiftiHeader::from_reader(bytes).ok())
            .ok_or_else(|| {
                Error::input(path, "the NIfTI header cannot be read").remedy(COPY_AGAIN)
            })?;
        let wrong = |field: &str, reason: String| {
            Err(Error::input(path, reason)
                .field(format!("NIfTI header, {field}"))
                .remedy("mend the header, or export the file again"))
        };

        let (size, beyond) = match dimensions(&raw) {
            Ok(dimensions) => dimensions,
            Err((field, reason)) => return wrong(&field, reason),
        };
        let Some((number, inner)) = number(raw.datatype) else {
            let name = datatype(raw.datatype);
            return Err(Error::unsupported(
                path,
                format!(
                    "voxels of the type {} ({name}) cannot be read",
                    raw.datatype
                ),
            )
            .field("NIfTI header, datatype")
            .remedy("convert them to a standard integer or floating-point type"));
        };
        let scale = match scale(&raw, inner) {
            Ok(scale) => scale,
            Err(reason) => return wrong("scl_inter", reason),
        };
        let offset = match offset(raw.vox_offset) {
            Ok(offset) => offset,
            Err(reason) => return wrong("vox_offset", reason),
        };

        let axes = axes(&raw, inner, &beyond);
        let channels = axes
            .iter()
            .try_fold(1_usize, |n, a| n.checked_mul(a.length));
        let layout = channels.map(|channels| Layout {
            number,
            big_endian: raw.endianness == Endianness::Big,
            interleaved: inner.map_or(1, Inner::length),
            channels,
            size,
            scale,
        });
        let extent = layout.and_then(|l| Some((l.values()?, l.bytes()?.checked_add(offset)?, l)));
        let Some((values, end, layout)) = extent else {
            return wrong(
                "dim",
                "the product of the dimensions is beyond counting".to_owned(),
            );
        };
        if !options.no_limits && values > source.len().saturating_mul(VOXELS_PER_BYTE) {
            let remedy = if source.is_gzip() {
                "if the file is right, allow it with --no-limits"
            } else {
                COPY_AGAIN
            };
            return Err(Error::limit(
                path,
                format!(
                    "the header declares {values} voxels, more than {VOXELS_PER_BYTE} for each of the file's {} bytes",
                    source.len()
                ),
            )
            .remedy(remedy));
        }
        source.check_holds(end)?;

        let placed = affine::world_from_index(&raw, size, path)?;
        let geometry =
            Geometry::new(size, placed.world_from_index).map_err(|e| Error::core(path, e))?;
        let mut header = Header::new(geometry, layout.usual_type());
        header.channels = named(axes, inner);
        header.facts = facts(&raw, &placed);
        Ok(Self {
            header,
            layout,
            offset,
            end,
            warning: placed.warning,
        })
    }
}

/// The three spatial dimensions, and those beyond them.
///
/// An unset (0) dimension after the first counts as 1, as in the reference library.
fn dimensions(raw: &NiftiHeader) -> Result<([usize; 3], Vec<usize>), (String, String)> {
    let [count, dim @ ..] = raw.dim.map(|d| d as i16);
    if !(1..=7).contains(&count) {
        // The parser took the byte order from this very field; the length of the header knows.
        let swapped = raw.sizeof_hdr.swap_bytes() == HEADER as i32;
        let count = if swapped { count.swap_bytes() } else { count };
        return Err((
            "dim[0]".to_owned(),
            format!("{count} dimensions, where 1 to 7 are possible"),
        ));
    }
    let mut all = [1_usize; 7];
    for (i, (out, &d)) in all.iter_mut().zip(&dim[..count as usize]).enumerate() {
        match usize::try_from(d) {
            Ok(0) if i > 0 => {}
            Ok(d) if d > 0 => *out = d,
            _ => {
                return Err((
                    format!("dim[{}]", i + 1),
                    format!("{d} voxels along an axis"),
                ));
            }
        }
    }
    let [x, y, z, beyond @ ..] = all;
    let beyond = beyond[..(count as usize).saturating_sub(3)].to_vec();
    Ok(([x, y, z], beyond))
}

/// What the numbers of one voxel mean where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inner {
    Complex,
    Rgb,
    Rgba,
}

impl Inner {
    const fn length(self) -> usize {
        self.names().len()
    }

    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Complex => &["real", "imag"],
            Self::Rgb => &["red", "green", "blue"],
            Self::Rgba => &["red", "green", "blue", "alpha"],
        }
    }
}

fn number(datatype: i16) -> Option<(Number, Option<Inner>)> {
    Some(match datatype {
        2 => (Number::U8, None),
        4 => (Number::I16, None),
        8 => (Number::I32, None),
        16 => (Number::F32, None),
        32 => (Number::F32, Some(Inner::Complex)),
        64 => (Number::F64, None),
        128 => (Number::U8, Some(Inner::Rgb)),
        256 => (Number::I8, None),
        512 => (Number::U16, None),
        768 => (Number::U32, None),
        1024 => (Number::I64, None),
        1280 => (Number::U64, None),
        1792 => (Number::F64, Some(Inner::Complex)),
        2304 => (Number::U8, Some(Inner::Rgba)),
        _ => return None,
    })
}

fn datatype(code: i16) -> &'static str {
    match code {
        0 => "unknown",
        1 => "single bits",
        1536 => "128-bit floating point",
        2048 => "256-bit complex",
        _ => "no NIfTI type",
    }
}

/// The scale, where there is one to apply; colours have none.
fn scale(raw: &NiftiHeader, inner: Option<Inner>) -> Result<Option<Scale>, String> {
    let slope = f64::from(raw.scl_slope);
    let intercept = f64::from(raw.scl_inter);
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

/// Where the voxels start; an unset offset (0) means right after the header.
fn offset(vox_offset: f32) -> Result<u64, String> {
    if vox_offset == 0.0 {
        return Ok(SINGLE);
    }
    if !(vox_offset >= SINGLE as f32 && vox_offset.fract() == 0.0 && vox_offset <= 2_f32.powi(62)) {
        return Err(format!(
            "the voxels start at byte {vox_offset}, within the header's {SINGLE} or nowhere"
        ));
    }
    Ok(vox_offset as u64)
}

/// The channel axes, fastest first: what is inside a voxel, then dimensions 4 to 7.
fn axes(raw: &NiftiHeader, inner: Option<Inner>, beyond: &[usize]) -> Vec<ChannelAxis> {
    let inside = inner.map(|inner| ChannelAxis {
        kind: if inner == Inner::Complex {
            AxisKind::Complex
        } else {
            AxisKind::Colour
        },
        length: inner.length(),
        step: None,
    });
    let step = seconds(raw.xyzt_units)
        .map(|unit| f64::from(raw.pixdim[4].abs()) * unit)
        .filter(|s| s.is_finite() && *s > 0.0);
    let unset = raw.xyzt_units & 0o70 == 0;
    let after = beyond
        .iter()
        .enumerate()
        .filter_map(|(i, &length)| match i {
            // A single point in time before further dimensions only keeps them in their place.
            0 if length == 1 && beyond.len() > 1 && (unset || step.is_none()) => None,
            0 if seconds(raw.xyzt_units).is_some() => Some(ChannelAxis {
                kind: AxisKind::Time,
                length,
                step,
            }),
            // Dimension 4 in hertz, ppm or rad/s is a spectrum, not time.
            _ => Some(ChannelAxis {
                kind: AxisKind::Component,
                length,
                step: None,
            }),
        });
    inside.into_iter().chain(after).collect()
}

/// The unit of dimension 4 in seconds; `None` where it is not a time. Unset means seconds.
fn seconds(xyzt_units: u8) -> Option<f64> {
    match xyzt_units & 0o70 {
        0o00 | 0o10 => Some(1.0),
        0o20 => Some(1e-3),
        0o30 => Some(1e-6),
        _ => None,
    }
}

fn named(axes: Vec<ChannelAxis>, inner: Option<Inner>) -> Channels {
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
fn facts(raw: &NiftiHeader, placed: &affine::Placed) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut keep = |key: &str, value: Value| facts.insert(format!("nifti.{key}"), value);
    keep("affine", json!(placed.origin));
    if let Some(warning) = &placed.warning {
        keep("affine_warning", json!(warning));
    }
    keep("datatype", json!(raw.datatype));
    keep("qform_code", json!(raw.qform_code));
    keep("sform_code", json!(raw.sform_code));
    keep("xyzt_units", json!(raw.xyzt_units));
    for (key, code) in [
        ("intent_code", raw.intent_code),
        ("slice_code", i16::from(raw.slice_code)),
        ("dim_info", i16::from(raw.dim_info)),
    ] {
        if code != 0 {
            keep(key, json!(code));
        }
    }
    if raw.intent_code != 0 {
        keep(
            "intent_p",
            json!([raw.intent_p1, raw.intent_p2, raw.intent_p3]),
        );
    }
    if raw.cal_max.is_finite() && raw.cal_min.is_finite() && raw.cal_max > raw.cal_min {
        keep("cal_min", json!(raw.cal_min));
        keep("cal_max", json!(raw.cal_max));
    }
    if raw.slice_duration.is_finite() && raw.slice_duration > 0.0 {
        keep("slice_duration", json!(raw.slice_duration));
    }
    if raw.toffset.is_finite() && raw.toffset != 0.0 {
        keep("toffset", json!(raw.toffset));
    }
    facts
}
