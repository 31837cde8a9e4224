//! Arrays of other programs, `[y, x]`, `[z, y, x]` or `[channel, z, y, x]`, as npy and safetensors
//! hold them: shape, type and order, and from them voxels.

use std::path::Path;

use rayon::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{AxisKind, ChannelAxis, Channels, Header, Volume};
use voxprep_core::voxels::{Voxel, Voxels};
use voxprep_core::with_type;

use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::limits::{check_channels, check_voxels};
use crate::source::{COPY_AGAIN, Contents, Source};
use crate::stored::{Layout, Number};

/// How many slices a thread transposes at once: their values share lines of the cache.
const SLICES: usize = 16;

/// An array as a file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Array {
    pub(crate) number: Number,
    /// Whether each element is two numbers, the real and the imaginary part.
    pub(crate) complex: bool,
    pub(crate) big_endian: bool,
    /// Whether the first axis is the fastest, as in Fortran; else the last is.
    pub(crate) first_fastest: bool,
    pub(crate) shape: Vec<u64>,
}

/// An array whose axes have a meaning.
#[derive(Debug)]
pub(crate) struct Image {
    layout: Layout,
    size: [usize; 3],
    channels: usize,
    first_fastest: bool,
    axes: Vec<ChannelAxis>,
}

impl Array {
    /// Gives the axes their meaning, and holds the shape against what `source` can hold.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there are not two to four axes, [`Error::Input`] and
    /// [`Error::Limit`] where there are more elements than can be.
    pub(crate) fn image(&self, source: &Source, options: &ReadOptions) -> Result<Image> {
        let path = source.path();
        let [channels, z, y, x] = match *self.shape.as_slice() {
            [y, x] => [1, 1, y, x],
            [z, y, x] => [1, z, y, x],
            [c, z, y, x] => [c, z, y, x],
            _ => {
                let reason = format!(
                    "the array has the shape {:?}; images have 2 to 4 axes",
                    self.shape
                );
                return Err(Error::unsupported(path, reason)
                    .field("shape")
                    .remedy("save it as [y, x], [z, y, x] or [channel, z, y, x]"));
            }
        };
        let parts = if self.complex { 2 } else { 1 };
        let counted = [channels, z, y, x, parts]
            .iter()
            .try_fold(1_u64, |n, &length| n.checked_mul(length));
        let Some(values) = counted.filter(|&n| n <= u64::MAX >> 4) else {
            let reason = format!("the product of {:?} is beyond counting", self.shape);
            return Err(Error::input(path, reason).field("shape").remedy(COPY_AGAIN));
        };
        if values == 0 {
            let reason = format!("the array of shape {:?} has no elements", self.shape);
            return Err(Error::input(path, reason)
                .field("shape")
                .remedy("save an image that has voxels"));
        }
        check_voxels(path, values, source.len(), source.is_gzip(), options)?;
        // What was counted above fits.
        let [channels, parts, x, y, z] = [channels, parts, x, y, z].map(|n| n as usize);
        check_channels(path, channels.saturating_mul(parts))?;
        let axis = |kind, length| ChannelAxis {
            kind,
            length,
            step: None,
        };
        let mut axes = Vec::new();
        if self.complex {
            axes.push(axis(AxisKind::Complex, 2));
        }
        if self.shape.len() == 4 && (channels > 1 || self.complex) {
            axes.push(axis(AxisKind::Component, channels));
        }
        let layout = Layout {
            number: self.number,
            big_endian: self.big_endian,
            interleaved: if self.first_fastest { 1 } else { parts },
            channels: channels * parts,
            size: [x, y, z],
            scale: None,
        };
        Ok(Image {
            layout,
            size: [x, y, z],
            channels: channels * parts,
            first_fastest: self.first_fastest,
            axes,
        })
    }
}

impl Image {
    /// The number of bytes in the file.
    pub(crate) fn bytes(&self) -> u64 {
        // Checked when the image was made.
        self.layout.bytes().unwrap_or(u64::MAX)
    }

    /// `[x, y, z]`.
    pub(crate) fn size(&self) -> [usize; 3] {
        self.size
    }

    /// The header of this image at a place.
    pub(crate) fn header(&self, geometry: Geometry) -> Header {
        let mut header = Header::new(geometry, self.layout.usual_type());
        header.channels = self.channels();
        header
    }

    fn channels(&self) -> Channels {
        if self.axes.is_empty() {
            return Channels::single();
        }
        let mut channels = Channels::numbered(self.axes.clone());
        if matches!(self.axes.first(), Some(axis) if axis.kind == AxisKind::Complex) {
            let many = channels.names.len() > 2;
            for (i, name) in channels.names.iter_mut().enumerate() {
                let part = if i % 2 == 0 { "real" } else { "imag" };
                *name = if many {
                    format!("{}.{part}", i / 2)
                } else {
                    part.to_owned()
                };
            }
        }
        channels
    }

    /// Reads the voxels, which start at byte `start` of the contents.
    pub(crate) fn read(
        &self,
        contents: Contents<'_>,
        start: u64,
        mut header: Header,
    ) -> Result<Volume> {
        let path = contents.path().to_owned();
        let voxels = if self.first_fastest {
            let raw = self.layout.read(contents, start)?;
            with_type!(raw.element_type(), T => self.turned::<T>(&raw))
                .map_err(|e| Error::core(&path, e))?
        } else {
            self.layout.read(contents, start)?
        };
        header.element_type = voxels.element_type();
        Volume::with_header(header, voxels).map_err(|e| Error::core(&path, e))
    }

    /// Voxels of which x is the slowest axis and the channel the fastest, in our order.
    fn turned<T: Voxel>(&self, raw: &Voxels) -> voxprep_core::error::Result<Voxels> {
        let from = raw.values::<T>().unwrap_or_default();
        let [nx, ny, nz] = self.size;
        let (channels, slice) = (self.channels, nx * ny);
        let mut buf = Buf::<T>::for_overwrite(from.len())?;
        let blocks = buf.as_mut_slice()?.par_chunks_mut(SLICES * slice);
        blocks.enumerate().for_each(|(block, out)| {
            let count = out.len() / slice;
            // Where slice `k` of `[channel, z]` is among the `[z, channel]` of a column.
            let at: Vec<usize> = (block * SLICES..block * SLICES + count)
                .map(|k| k % nz * channels + k / nz)
                .collect();
            for y in 0..ny {
                for x in 0..nx {
                    let column = &from[(x * ny + y) * nz * channels..][..nz * channels];
                    for (k, &at) in at.iter().enumerate() {
                        out[k * slice + y * nx + x] = column[at];
                    }
                }
            }
        });
        Voxels::new(channels, self.size, buf)
    }
}

/// The shape in which voxels are written: without channels where there is a single one.
pub(crate) fn shape(voxels: &Voxels) -> Vec<usize> {
    let [x, y, z] = voxels.size();
    match voxels.channels() {
        1 => vec![z, y, x],
        c => vec![c, z, y, x],
    }
}

/// Where an array is of which nothing says where it is.
pub(crate) fn nowhere(path: &Path, size: [usize; 3]) -> Result<Geometry> {
    Geometry::aligned(size, [1.0; 3], [0.0; 3]).map_err(|e| Error::core(path, e))
}
