//! A volume as Analyze 7.5, where it holds it: what a reader that follows SPM and nibabel would put
//! elsewhere, or take for another type, is refused.

use std::path::Path;

use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{AxisKind, Volume};
use voxprep_core::voxels::ElementType;

use super::nifti::affine::TURN;
use super::nifti::fields::{Fields, Version};
use super::nifti::{pair, put};
use super::{middle, origin, place};
use crate::WriteOptions;
use crate::aside::write_pair_aside;
use crate::error::{Error, Result};

/// The longest axis that 16-bit integers state.
const MOST: usize = 32_767;
/// How far (mm) a corner voxel may be from where it was.
const ROUNDING_MM: f64 = 1e-4;

/// Writes the header and the voxels.
pub(super) fn write(path: &Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
    let fields = fields(path, volume)?;
    let Some([img, hdr]) = pair(path) else {
        return Err(
            Error::parameter(path, "the name is none of a pair").remedy("end it in .hdr or .img")
        );
    };
    write_pair_aside(
        [&img, &hdr],
        |out| put(out, &[volume.voxels().bytes()], path, options),
        |out| put(out, &[&fields.bytes()], path, options),
    )
}

/// Refuses with the one remedy that there always is.
fn refused(path: &Path, reason: impl Into<String>) -> Error {
    Error::unsupported(path, reason).remedy("write NIfTI: without asking for Analyze 7.5")
}

/// The header of a volume that Analyze 7.5 holds.
fn fields(path: &Path, volume: &Volume) -> Result<Fields> {
    let size = volume.voxels().size();
    let mut fields = Fields::empty(Version::Analyze, false);
    (fields.datatype, fields.bitpix) = match volume.voxels().element_type() {
        ElementType::U8 => (2, 8),
        ElementType::I16 => (4, 16),
        ElementType::I32 => (8, 32),
        ElementType::F32 => (16, 32),
        ElementType::F64 => (64, 64),
        ElementType::U16 => {
            let reason = "Analyze 7.5 has no type for u16 that every program reads";
            return Err(Error::unsupported(path, reason)
                .remedy("write another type, i32 for example, or write NIfTI"));
        }
    };
    let times = match volume.header().channels.axes.as_slice() {
        [] if volume.voxels().channels() == 1 => None,
        [axis] if axis.kind == AxisKind::Time && axis.length == volume.voxels().channels() => {
            Some((axis.length, axis.step))
        }
        _ => {
            let reason = "Analyze 7.5 holds no channels but points in time";
            return Err(refused(path, reason));
        }
    };
    let lengths = size.into_iter().chain(times.map(|(n, _)| n));
    if let Some(length) = lengths.clone().find(|&n| n > MOST) {
        let reason = format!("Analyze 7.5 holds axes of {MOST}, one has {length}");
        return Err(refused(path, reason));
    }
    fields.dim = [1; 8];
    fields.dim[0] = 3 + i64::from(times.is_some());
    for (dim, n) in fields.dim[1..].iter_mut().zip(lengths) {
        *dim = n as i64;
    }
    let [x, y, z] = volume.geometry().spacing();
    let step = times.and_then(|(_, step)| step).unwrap_or(0.0);
    fields.pixdim = [0.0, x, y, z, step, 0.0, 0.0, 0.0];
    // SPM's slope.
    fields.scl_slope = 1.0;
    fields.vox_units = *b"mm\0\0";
    fields.originator = originator(path, volume.geometry(), &fields)?;
    Ok(fields)
}

/// The originator with which the voxels are where they are.
fn originator(path: &Path, geometry: &Geometry, fields: &Fields) -> Result<[i64; 3]> {
    let size = geometry.size();
    let spacing = [1, 2, 3].map(|i| f64::from(fields.pixdim[i] as f32));
    let at_origin = geometry.index_from_world().offset();
    // 0 means the middle; else the voxel at the origin of the world, counted from 1.
    let whole = at_origin
        .map(|v| v.round() as i64)
        .map(|v| v.saturating_add(1));
    for originator in [[0; 3], whole] {
        let stated = Fields {
            originator,
            ..fields.clone()
        };
        let found = origin(&stated, size);
        if found.is_none() && originator != [0; 3] {
            continue;
        }
        let ras = place(spacing, found.unwrap_or_else(|| middle(size)));
        let read = Geometry::new(size, TURN * ras).map_err(|e| Error::core(path, e))?;
        if read.is_close(geometry, ROUNDING_MM) {
            return Ok(originator);
        }
    }
    let aligned = place(spacing, middle(size));
    let turned = Geometry::new(size, TURN * aligned).map_err(|e| Error::core(path, e))?;
    let same = |a: [[f64; 3]; 3], b: [[f64; 3]; 3]| {
        a.iter()
            .flatten()
            .zip(b.iter().flatten())
            .all(|(a, b)| (a - b).abs() <= 1e-6)
    };
    let reason = if same(turned.direction(), geometry.direction()) {
        // Without the sign of a zero.
        let [x, y, z] = at_origin.map(|v| (v * 1e3).round() / 1e3 + 0.0);
        format!(
            "Analyze 7.5 has the origin of the world in the middle or at a voxel of whole numbers, \
             here it is at ({x:.3}, {y:.3}, {z:.3})"
        )
    } else {
        format!(
            "Analyze 7.5 holds axes that run to the left, to anterior and to superior, here they \
             are {}, or oblique",
            geometry.orientation()
        )
    };
    Err(refused(path, reason))
}
