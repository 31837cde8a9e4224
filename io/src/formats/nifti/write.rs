//! A volume as a NIfTI file: little-endian, types kept, slope 1. NIfTI-1 where it can say it,
//! NIfTI-2 where an axis is too long or a place too far for it.

use std::path::Path;

use rayon::prelude::*;
use serde_json::{Map, Value};
use voxprep_core::buf::Buf;
use voxprep_core::volume::{AxisKind, ChannelAxis, MOVED, Unit, Volume};
use voxprep_core::voxels::{ElementType, Voxel, Voxels};
use voxprep_core::with_type;

use super::body::{Inner, Stored};
use super::fields::{Fields, Version};
use super::header::{TIME, datatype, seconds};
use super::{affine, extensions};
use crate::error::{Error, Result};
use crate::stored::Number;

#[cfg(target_endian = "big")]
compile_error!("voxels are written as they are in memory, which must be little-endian");

/// The longest axis that the 16-bit integers of NIfTI-1 state.
const MOST: usize = 32_767;
const INTENT_VECTOR: i64 = 1007;
/// Intents that say what several numbers per voxel are, whatever their values.
const INTENTS_OF_TUPLES: [std::ops::RangeInclusive<i64>; 2] = [1004..=1010, 2003..=2004];
/// Millimetres and seconds, in `xyzt_units`.
const MM: i64 = 2;
const SECONDS: i64 = 8;

/// A volume laid out as the file will be.
pub(super) struct File<'a> {
    start: Vec<u8>,
    voxels: Pieces<'a>,
}

enum Pieces<'a> {
    /// The channels as they are, in the file's order.
    Channels(Vec<&'a [u8]>),
    /// Numbers of one voxel side by side.
    Interleaved(Voxels),
}

/// The order in which the file holds the channels.
struct Order {
    /// How one voxel is stored, perhaps with the numbers of a channel axis side by side.
    stored: Stored,
    /// The datatype that says so.
    datatype: i64,
    /// The lengths of dimensions 4 and up, and the steps along them.
    beyond: Vec<usize>,
    steps: Vec<Option<f64>>,
    /// What dimension 4 is.
    fourth: Fourth,
    /// The first channel of each group; where nothing is side by side, each channel.
    channels: Vec<usize>,
    /// How far apart in channels the numbers of one voxel are.
    stride: usize,
}

/// What dimension 4 is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fourth {
    Time,
    /// In the hertz, ppm or rad/s that the file said when it was read.
    Spectrum,
    Unused,
}

impl<'a> File<'a> {
    /// Lays a volume out; `single` where header and voxels will be one file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where it has more than seven axes, [`Error::Limit`] where there is
    /// no memory.
    pub(super) fn new(path: &Path, volume: &'a Volume, single: bool) -> Result<Self> {
        let order = Order::of(path, volume)?;
        let voxels = volume.voxels();
        let pieces = match order.stored.inner {
            Some(inside) => {
                let length = inside.length();
                let buf = match (voxels.element_type(), order.stored.number) {
                    (ElementType::U8, Number::U8) => {
                        interleave::<u8, u8>(voxels, &order, length).and_then(|b| one(voxels, b))
                    }
                    (ty, Number::F32) => {
                        with_type!(ty, T => interleave::<T, f32>(voxels, &order, length))
                            .and_then(|b| one(voxels, b))
                    }
                    (ty, _) => with_type!(ty, T => interleave::<T, f64>(voxels, &order, length))
                        .and_then(|b| one(voxels, b)),
                };
                Pieces::Interleaved(buf.map_err(|e| Error::core(path, e))?)
            }
            None => {
                let bytes = voxels.bytes();
                let each = bytes.len() / voxels.channels().max(1);
                let channels = order.channels.iter();
                let channels = channels.map(|c| bytes.get(c * each..(c + 1) * each));
                let channels = channels.collect::<Option<_>>();
                Pieces::Channels(channels.ok_or_else(|| Error::core(path, contradiction()))?)
            }
        };
        let extensions = extensions::bytes(&extensions::that_hold(volume.header())).ok_or_else(|| {
            let reason = "the volume carries more header extensions than the 256 of 16 MiB in all \
                          that are written";
            Error::unsupported(path, reason).remedy("take some of its attachments away")
        })?;
        Ok(Self {
            start: start(volume, &order, single, &extensions),
            voxels: pieces,
        })
    }

    /// The header and its extensions.
    pub(super) fn start(&self) -> &[u8] {
        &self.start
    }

    /// The voxels, in pieces.
    pub(super) fn voxels(&self) -> Vec<&[u8]> {
        match &self.voxels {
            Pieces::Channels(channels) => channels.clone(),
            Pieces::Interleaved(voxels) => vec![voxels.bytes()],
        }
    }
}

impl Order {
    fn of(path: &Path, volume: &Volume) -> Result<Self> {
        let ty = volume.voxels().element_type();
        let count = volume.voxels().channels();
        let mut axes = volume.header().channels.axes.clone();
        if axes.iter().map(|a| a.length).product::<usize>() != count {
            axes = vec![ChannelAxis {
                kind: AxisKind::Component,
                length: count,
                step: None,
            }];
        }
        let mut stride = 1;
        let mut strided: Vec<(ChannelAxis, usize)> = Vec::new();
        for axis in axes {
            let length = axis.length;
            strided.push((axis, stride));
            stride *= length;
        }
        let inside = strided
            .iter()
            .position(|(axis, _)| inner(axis, ty).is_some());
        let inner = inside
            .map(|i| strided.remove(i))
            .and_then(|(axis, stride)| Some((inner(&axis, ty)?, stride)));
        // Dimension 4 is time, whichever place it has among the channels; the others keep theirs.
        strided.sort_by_key(|(axis, _)| axis.kind != AxisKind::Time);
        let units = volume.header().facts.get("nifti.xyzt_units");
        let units = units.and_then(Value::as_i64).unwrap_or(0);
        let fourth = match strided.first() {
            Some((axis, _)) if axis.kind == AxisKind::Time => Fourth::Time,
            Some((axis, _)) if axis.kind == AxisKind::Component && seconds(units).is_none() => {
                Fourth::Spectrum
            }
            _ => Fourth::Unused,
        };
        let (mut beyond, mut steps) = (Vec::new(), Vec::new());
        if fourth == Fourth::Unused && !strided.is_empty() {
            beyond.push(1);
            steps.push(None);
        }
        let mut channels = vec![0];
        for (axis, stride) in &strided {
            beyond.push(axis.length);
            steps.push(axis.step);
            channels = (0..axis.length)
                .flat_map(|i| channels.iter().map(move |c| c + i * stride))
                .collect();
        }
        if beyond.len() > 4 {
            return Err(Error::unsupported(
                path,
                format!("NIfTI holds 7 axes, the volume has {}", beyond.len() + 3),
            )
            .remedy("write fewer channels, or each to its own file"));
        }
        let stored = inner.map_or_else(|| plain(ty), |(stored, _)| stored);
        let datatype = datatype(stored).ok_or_else(|| {
            let reason = format!("NIfTI has no type for {ty} voxels of these channels");
            Error::unsupported(path, reason).remedy("write fewer channels, or each to its own file")
        })?;
        Ok(Self {
            stored,
            datatype,
            beyond,
            steps,
            fourth,
            channels,
            stride: inner.map_or(1, |(_, stride)| stride),
        })
    }
}

/// How NIfTI stores an axis inside the voxel, if it does.
fn inner(axis: &ChannelAxis, ty: ElementType) -> Option<Stored> {
    let (number, inner) = match (axis.kind, axis.length, ty) {
        (AxisKind::Complex, 2, ElementType::I32 | ElementType::F64) => {
            (Number::F64, Inner::Complex)
        }
        (AxisKind::Complex, 2, _) => (Number::F32, Inner::Complex),
        (AxisKind::Colour, 3, ElementType::U8) => (Number::U8, Inner::Rgb),
        (AxisKind::Colour, 4, ElementType::U8) => (Number::U8, Inner::Rgba),
        _ => return None,
    };
    let inner = Some(inner);
    Some(Stored { number, inner })
}

/// How single numbers of a type are stored.
fn plain(ty: ElementType) -> Stored {
    let number = match ty {
        ElementType::U8 => Number::U8,
        ElementType::I16 => Number::I16,
        ElementType::U16 => Number::U16,
        ElementType::I32 => Number::I32,
        ElementType::F32 => Number::F32,
        ElementType::F64 => Number::F64,
    };
    Stored {
        number,
        inner: None,
    }
}

/// Puts the numbers of one voxel side by side.
fn interleave<T: Voxel, O: Voxel>(
    voxels: &Voxels,
    order: &Order,
    length: usize,
) -> voxprep_core::error::Result<Buf<O>> {
    let values = voxels.values::<T>().ok_or_else(contradiction)?;
    let each = values.len() / voxels.channels().max(1);
    // Every number of the buffer is written below: as many groups as there are first channels.
    if each * length * order.channels.len() != values.len() {
        return Err(contradiction());
    }
    let mut buf = Buf::<O>::for_overwrite(values.len())?;
    let groups = buf.as_mut_slice()?.par_chunks_mut((each * length).max(1));
    groups.zip(&order.channels).try_for_each(|(group, first)| {
        for part in 0..length {
            let from = (first + part * order.stride) * each;
            let plane = values.get(from..from + each).ok_or_else(contradiction)?;
            for (voxel, value) in group.chunks_exact_mut(length).zip(plane) {
                voxel[part] = O::from_f64(value.to_f64());
            }
        }
        Ok::<_, voxprep_core::error::Error>(())
    })?;
    Ok(buf)
}

/// What is said where channels and voxels do not fit together: nothing is written then.
fn contradiction() -> voxprep_core::error::Error {
    voxprep_core::error::Error::input("the axes of the channels are not those of the voxels")
        .remedy("set the channels of the volume anew")
}

/// The buffer as voxels, whose shape does not matter any more.
fn one<O: Voxel>(voxels: &Voxels, buf: Buf<O>) -> voxprep_core::error::Result<Voxels> {
    Voxels::new(voxels.channels(), voxels.size(), buf)
}

/// All that comes before the voxels: the header, and four bytes that say whether extensions follow.
fn start(volume: &Volume, order: &Order, single: bool, extensions: &[u8]) -> Vec<u8> {
    let mut fields = fields(volume, order, single);
    if single {
        fields.vox_offset = (fields.len() + extensions.len()) as f64;
    }
    let mut start = fields.bytes();
    start.extend(extensions);
    start
}

fn fields(volume: &Volume, order: &Order, single: bool) -> Fields {
    let header = volume.header();
    let facts = &header.facts;
    let code = |key: &str| facts.get(key).and_then(Value::as_i64).unwrap_or(0);
    let sizes = volume.voxels().size();
    let lengths = || sizes.iter().chain(&order.beyond);
    let geometry = affine::stored(volume.geometry());
    let version = if lengths().any(|&n| n > MOST) || !geometry.suits_f32(sizes) {
        Version::Two
    } else {
        Version::One
    };
    let mut fields = Fields::empty(version, single);

    (fields.datatype, fields.bitpix) = (order.datatype, order.stored.bits());
    fields.dim = [1; 8];
    fields.dim[0] = 3 + order.beyond.len() as i64;
    for (dim, &n) in fields.dim[1..].iter_mut().zip(lengths()) {
        *dim = n as i64;
    }
    fields.scl_slope = 1.0;

    let came_in = code("nifti.xyzt_units");
    let per_second = match order.fourth {
        Fourth::Time => {
            let known = facts.contains_key("nifti.xyzt_units");
            let unit = seconds(came_in).filter(|_| known);
            fields.xyzt_units = MM | unit.map_or(SECONDS, |_| came_in & TIME);
            let toffset = facts.get("nifti.toffset").and_then(Value::as_f64);
            fields.toffset = toffset.filter(|_| unit.is_some()).unwrap_or(0.0);
            1.0 / unit.unwrap_or(1.0)
        }
        Fourth::Spectrum => {
            fields.xyzt_units = MM | came_in & TIME;
            1.0
        }
        Fourth::Unused => {
            fields.xyzt_units = MM;
            1.0
        }
    };
    let [x, y, z] = geometry.spacing;
    fields.pixdim = [geometry.qfac, x, y, z, 1.0, 1.0, 1.0, 1.0];
    for (i, (pixdim, step)) in fields.pixdim[4..].iter_mut().zip(&order.steps).enumerate() {
        // No step of time is 0; elsewhere 1 fills what is not used.
        let unknown = if i == 0 && order.fourth != Fourth::Unused {
            0.0
        } else {
            1.0
        };
        let unit = if i == 0 { per_second } else { 1.0 };
        *pixdim = step.map_or(unknown, |step| step * unit);
    }

    let form = form(facts);
    // A quaternion without its shear would put voxels elsewhere in programs that prefer it (ITK
    // does); without a code they refuse the file.
    fields.qform_code = if geometry.quaternion_holds { form } else { 0 };
    fields.sform_code = form;
    fields.quaternion = geometry.quaternion;
    fields.qoffset = geometry.srow.map(|row| row[3]);
    fields.srow = geometry.srow;
    (fields.intent_code, fields.intent_p) = intent(volume, order);
    fields
}

/// What the coordinates are relative to: what the file said when it was read, else the scanner.
fn form(facts: &Map<String, Value>) -> i64 {
    const SCANNER: i64 = 1;
    const ALIGNED: i64 = 2;
    let code = |key: &str| {
        let code = facts.get(key).and_then(Value::as_i64);
        code.filter(|code| (1..=i64::from(i16::MAX)).contains(code))
    };
    let known = match facts.get("nifti.affine").and_then(Value::as_str) {
        // No longer where the scanner saw it, nor in the space of a template.
        _ if facts.contains_key(MOVED) => Some(ALIGNED),
        Some("sform") => code("nifti.sform_code"),
        Some("qform") => code("nifti.qform_code"),
        // Where the voxels are was an assumption.
        Some(_) => Some(ALIGNED),
        None if facts.contains_key("analyze.orient") => Some(ALIGNED),
        None => None,
    };
    known.unwrap_or(SCANNER)
}

/// Whether dimensions 5 to 7 are what they were: an intent says what the numbers along them are.
fn tuples_as_read(facts: &Map<String, Value>, order: &Order) -> bool {
    let stated = facts.get("nifti.intent_dim").and_then(Value::as_array);
    let read = stated.into_iter().flatten();
    let read: Vec<_> = read.map(|n| n.as_u64().unwrap_or(0)).collect();
    let mut now = order
        .beyond
        .iter()
        .skip(1)
        .map(|&n| n as u64)
        .collect::<Vec<_>>();
    while now.last() == Some(&1) {
        now.pop();
    }
    now == read
}

/// What the values are, as far as it still holds: what the file said when it was read, and that
/// there are several numbers per voxel.
fn intent(volume: &Volume, order: &Order) -> (i64, [f64; 3]) {
    let header = volume.header();
    let facts = &header.facts;
    let tuples = order.beyond.get(1).is_some_and(|&n| n > 1);
    let known = facts.get("nifti.intent_code").and_then(Value::as_i64);
    let known = known.filter(|code| {
        let same_values = header.unit != Unit::Normalised
            || INTENTS_OF_TUPLES.iter().any(|codes| codes.contains(code));
        same_values && tuples_as_read(facts, order) && i16::try_from(*code).is_ok()
    });
    let Some(code) = known else {
        // A file that said nothing of such axes still says nothing.
        let new = |axis: &ChannelAxis| !matches!(axis.kind, AxisKind::Time | AxisKind::Component);
        let from_elsewhere =
            !facts.contains_key("nifti.datatype") || header.channels.axes.iter().any(new);
        let announced = tuples && from_elsewhere;
        return (if announced { INTENT_VECTOR } else { 0 }, [0.0; 3]);
    };
    let stated = facts.get("nifti.intent_p").and_then(Value::as_array);
    let parameter = |i: usize| stated.and_then(|p| p.get(i)?.as_f64()).unwrap_or(0.0);
    (code, [0, 1, 2].map(parameter))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be found among the voxels is not filled up with whatever memory held.
    #[test]
    fn an_order_that_is_not_that_of_the_voxels_is_an_error() {
        let voxels = Voxels::new(4, [2, 1, 1], Buf::from((0..8).collect::<Vec<u8>>())).unwrap();
        let order = |channels: &[usize]| Order {
            stored: Stored {
                number: Number::F32,
                inner: Some(Inner::Complex),
            },
            datatype: 32,
            beyond: vec![2],
            steps: vec![None],
            fourth: Fourth::Unused,
            channels: channels.to_vec(),
            stride: 1,
        };
        let interleaved = |channels| interleave::<u8, f32>(&voxels, &order(channels), 2);
        let expected = [0., 2., 1., 3., 4., 6., 5., 7.];
        assert_eq!(interleaved(&[0, 2]).unwrap().as_slice(), expected);
        assert!(interleaved(&[0, 3]).is_err());
        assert!(interleaved(&[0]).is_err());
        assert!(interleaved(&[0, 2, 4]).is_err());
    }
}
