//! A volume as a NIfTI-1 file: little-endian, types kept, slope 1.

use std::path::Path;

use rayon::prelude::*;
use serde_json::Value;
use voxprep_core::buf::Buf;
use voxprep_core::volume::{AxisKind, ChannelAxis, Volume};
use voxprep_core::voxels::{ElementType, Voxel, Voxels};
use voxprep_core::with_type;

use super::affine;
use super::header::{HEADER, SINGLE};
use crate::error::{Error, Result};

#[cfg(target_endian = "big")]
compile_error!("voxels are written as they are in memory, which must be little-endian");

/// The longest axis that the header's 16-bit integers state.
const MOST: usize = 32_767;
const INTENT_VECTOR: i16 = 1007;
/// Intents that say what several numbers per voxel are.
const INTENTS_OF_TUPLES: std::ops::RangeInclusive<i64> = 1004..=1011;

/// A volume laid out as the file will be.
pub(super) struct File<'a> {
    start: [u8; SINGLE as usize],
    voxels: Stored<'a>,
}

enum Stored<'a> {
    /// The channels as they are, in the file's order.
    Channels(Vec<&'a [u8]>),
    /// Numbers of one voxel side by side.
    Interleaved(Voxels),
}

/// The order in which the file holds the channels.
struct Order {
    /// The channel axis whose numbers are side by side, and its datatype.
    inner: Option<(usize, i16)>,
    /// The lengths of dimensions 4 and up.
    beyond: Vec<usize>,
    /// Whether dimension 4 is time, and its step, s.
    timed: bool,
    step: Option<f64>,
    /// The first channel of each group; where nothing is side by side, each channel.
    channels: Vec<usize>,
    /// How far apart in channels the numbers of one voxel are.
    stride: usize,
}

impl<'a> File<'a> {
    /// Lays a volume out.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where it has an axis of more than 32,767 voxels or more than seven
    /// axes, [`Error::Limit`] where there is no memory.
    pub(super) fn new(path: &Path, volume: &'a Volume) -> Result<Self> {
        let order = Order::of(path, volume)?;
        let voxels = volume.voxels();
        let stored = match order.inner {
            Some((length, datatype)) => {
                let buf = match (voxels.element_type(), datatype) {
                    (ElementType::U8, 128 | 2304) => {
                        interleave::<u8, u8>(voxels, &order, length).and_then(|b| one(voxels, b))
                    }
                    (ty, 32) => with_type!(ty, T => interleave::<T, f32>(voxels, &order, length))
                        .and_then(|b| one(voxels, b)),
                    (ty, _) => with_type!(ty, T => interleave::<T, f64>(voxels, &order, length))
                        .and_then(|b| one(voxels, b)),
                };
                Stored::Interleaved(buf.map_err(|e| Error::core(path, e))?)
            }
            None => {
                let bytes = voxels.bytes();
                let each = bytes.len() / voxels.channels().max(1);
                let channels = order
                    .channels
                    .iter()
                    .filter_map(|c| bytes.get(c * each..(c + 1) * each));
                Stored::Channels(channels.collect())
            }
        };
        Ok(Self {
            start: header(volume, &order),
            voxels: stored,
        })
    }

    /// The file, in pieces.
    pub(super) fn pieces(&self) -> Vec<&[u8]> {
        let mut pieces = vec![&self.start[..]];
        match &self.voxels {
            Stored::Channels(channels) => pieces.extend(channels),
            Stored::Interleaved(voxels) => pieces.push(voxels.bytes()),
        }
        pieces
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
            .and_then(|(axis, stride)| Some((axis.length, inner(&axis, ty)?, stride)));
        // Dimension 4 is time, whichever place it has among the channels; the others keep theirs.
        strided.sort_by_key(|(axis, _)| axis.kind != AxisKind::Time);
        let timed = strided
            .first()
            .is_some_and(|(axis, _)| axis.kind == AxisKind::Time);
        let step = strided
            .first()
            .and_then(|(axis, _)| axis.step)
            .filter(|_| timed);
        let mut beyond = Vec::new();
        if !timed && !strided.is_empty() {
            beyond.push(1);
        }
        let mut channels = vec![0];
        for (axis, stride) in &strided {
            beyond.push(axis.length);
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
        for (i, &n) in volume.voxels().size().iter().chain(&beyond).enumerate() {
            if n > MOST {
                let axis = ["x", "y", "z", "time", "channel"]
                    .get(i)
                    .unwrap_or(&"channel");
                return Err(Error::unsupported(
                    path,
                    format!("the {axis} axis has {n} positions, NIfTI-1 holds {MOST}"),
                )
                .remedy("crop or resample the volume"));
            }
        }
        Ok(Self {
            inner: inner.map(|(length, datatype, _)| (length, datatype)),
            beyond,
            timed,
            step,
            channels,
            stride: inner.map_or(1, |(_, _, stride)| stride),
        })
    }
}

/// The datatype in which NIfTI stores an axis inside the voxel, if it does.
fn inner(axis: &ChannelAxis, ty: ElementType) -> Option<i16> {
    match (axis.kind, axis.length, ty) {
        (AxisKind::Complex, 2, ElementType::I32 | ElementType::F64) => Some(1792),
        (AxisKind::Complex, 2, _) => Some(32),
        (AxisKind::Colour, 3, ElementType::U8) => Some(128),
        (AxisKind::Colour, 4, ElementType::U8) => Some(2304),
        _ => None,
    }
}

/// Puts the numbers of one voxel side by side.
fn interleave<T: Voxel, O: Voxel>(
    voxels: &Voxels,
    order: &Order,
    length: usize,
) -> voxprep_core::error::Result<Buf<O>> {
    let values = voxels.values::<T>().unwrap_or_default();
    let each = values.len() / voxels.channels().max(1);
    let mut buf = Buf::<O>::for_overwrite(values.len())?;
    let groups = buf.as_mut_slice()?.par_chunks_mut((each * length).max(1));
    groups.zip(&order.channels).for_each(|(group, first)| {
        for part in 0..length {
            let from = (first + part * order.stride) * each;
            let plane = values.get(from..from + each).unwrap_or_default();
            for (voxel, value) in group.chunks_exact_mut(length).zip(plane) {
                voxel[part] = O::from_f64(value.to_f64());
            }
        }
    });
    Ok(buf)
}

/// The buffer as voxels, whose shape does not matter any more.
fn one<O: Voxel>(voxels: &Voxels, buf: Buf<O>) -> voxprep_core::error::Result<Voxels> {
    Voxels::new(voxels.channels(), voxels.size(), buf)
}

/// The 348 bytes of the header, and four that say: no extensions.
fn header(volume: &Volume, order: &Order) -> [u8; SINGLE as usize] {
    let geometry = affine::stored(volume.geometry());
    let facts = &volume.header().facts;
    let (datatype, bits) = match (order.inner, volume.voxels().element_type()) {
        (Some((length, code)), _) => (
            code,
            if code == 1792 {
                128
            } else if code == 32 {
                64
            } else {
                8 * length as i16
            },
        ),
        (None, ElementType::U8) => (2, 8),
        (None, ElementType::I16) => (4, 16),
        (None, ElementType::U16) => (512, 16),
        (None, ElementType::I32) => (8, 32),
        (None, ElementType::F32) => (16, 32),
        (None, ElementType::F64) => (64, 64),
    };

    let mut out = Fields([0; SINGLE as usize]);
    out.put(0, &(HEADER as i32).to_le_bytes());
    out.put(38, b"r");
    let sizes = volume.voxels().size();
    let dims = sizes.iter().chain(&order.beyond).map(|&n| n as i16);
    out.i16s(
        40,
        [3 + order.beyond.len() as i16]
            .into_iter()
            .chain(dims)
            .chain([1; 4])
            .take(8),
    );

    // A tuple of numbers per voxel is announced, as what the file said it is, else as a vector.
    if order.beyond.get(1).is_some_and(|&n| n > 1) {
        let known = facts.get("nifti.intent_code").and_then(Value::as_i64);
        let known = known.filter(|code| INTENTS_OF_TUPLES.contains(code));
        out.i16s(68, [known.map_or(INTENT_VECTOR, |code| code as i16)]);
        if let (Some(_), Some(Value::Array(p))) = (known, facts.get("nifti.intent_p")) {
            out.f32s(
                56,
                p.iter().take(3).map(|v| v.as_f64().unwrap_or(0.0) as f32),
            );
        }
    }
    out.i16s(70, [datatype, bits]);
    let step = if order.timed {
        order.step.unwrap_or(0.0) as f32
    } else {
        1.0
    };
    let [x, y, z] = geometry.spacing;
    out.f32s(76, [geometry.qfac, x, y, z, step, 1.0, 1.0, 1.0]);
    // vox_offset, scl_slope, scl_inter
    out.f32s(108, [SINGLE as f32, 1.0, 0.0]);
    // Millimetres, and seconds where there is time.
    out.put(123, &[if order.timed { 2 | 8 } else { 2 }]);
    // qform_code and sform_code: scanner coordinates. A quaternion without its shear would put
    // voxels elsewhere in programs that prefer it (ITK does); without a code they refuse the file.
    out.i16s(252, [i16::from(geometry.quaternion_holds), 1]);
    out.f32s(256, geometry.quaternion);
    out.f32s(268, geometry.srow.map(|row| row[3]));
    out.f32s(280, geometry.srow.into_iter().flatten());
    out.put(344, b"n+1\0");
    out.0
}

/// The bytes of a header, filled in by offset.
struct Fields([u8; SINGLE as usize]);

impl Fields {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn i16s(&mut self, at: usize, values: impl IntoIterator<Item = i16>) {
        for (i, v) in values.into_iter().enumerate() {
            self.put(at + 2 * i, &v.to_le_bytes());
        }
    }

    fn f32s(&mut self, at: usize, values: impl IntoIterator<Item = f32>) {
        for (i, v) in values.into_iter().enumerate() {
            self.put(at + 4 * i, &v.to_le_bytes());
        }
    }
}
