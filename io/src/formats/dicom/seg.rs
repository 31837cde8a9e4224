//! Segmentation objects (PS3.3 A.51) to label maps: the voxels of segment N are N.
//!
//! A segmentation has frames only where there is something, so that its grid is found from those,
//! or given: that of the image that it belongs to.

use std::path::Path;

use dicom_dictionary_std::tags;
use rayon::prelude::*;
use serde_json::json;
use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::{Affine, cross};
use voxprep_core::volume::{Header, Role, Volume};
use voxprep_core::voxels::{ElementType, Voxels};

use super::attributes::Attributes;
use super::instance::{self, Instance};
use super::pixels::{Pixels, Scratch};
use super::stack;
use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::limits::check_voxels;
use crate::source::COPY_AGAIN;

/// Slices of a label map, at most: a position far away would make very many.
const SLICES: f64 = 16_384.0;
/// A frame lies on a grid where it misses it by less than this share of a voxel.
const ON_GRID: f64 = 0.05;
/// From this share on a voxel of a fractional segmentation is in the segment.
const HALF: f64 = 0.5;

/// A segmentation object.
#[derive(Clone, Debug)]
pub(super) struct Segments {
    pub(super) instance: usize,
}

/// A grid, and where on it each frame is.
struct Layout {
    geometry: Geometry,
    /// Of each frame: the segment, and the index of its first pixel.
    frames: Vec<(i64, [i64; 3])>,
}

impl Segments {
    /// All segmentations among the instances.
    pub(super) fn all(instances: &[Instance]) -> Vec<Self> {
        let found = instances
            .iter()
            .enumerate()
            .filter(|(_, i)| i.is_segmentation());
        let mut all: Vec<Self> = found.map(|(instance, _)| Self { instance }).collect();
        all.sort_by_key(|one| instances.get(one.instance).map(|i| i.series_number));
        all
    }

    /// How many frames it has.
    pub(super) fn frames(&self, instances: &[Instance]) -> usize {
        instances
            .get(self.instance)
            .map_or(0, |instance| instance.frames.len())
    }

    fn instance<'a>(&self, instances: &'a [Instance], path: &Path) -> Result<&'a Instance> {
        instances
            .get(self.instance)
            .ok_or_else(|| Error::input(path, "there is no segmentation"))
    }

    /// The header of the label map.
    ///
    /// # Errors
    /// [`Error::Input`] where the frames are on no grid.
    pub(super) fn header(
        &self,
        instances: &[Instance],
        path: &Path,
        options: &ReadOptions,
    ) -> Result<Header> {
        let instance = self.instance(instances, path)?;
        let layout = layout(instance, options)?;
        header(instance, &layout)
    }

    /// The label map.
    ///
    /// # Errors
    /// As [`Segments::header`], and where a voxel is in several segments.
    pub(super) fn read(
        &self,
        instances: &[Instance],
        path: &Path,
        options: &ReadOptions,
    ) -> Result<Volume> {
        let instance = self.instance(instances, path)?;
        let layout = layout(instance, options)?;
        let header = header(instance, &layout)?;
        let size = layout.geometry.size();
        let core = |e| Error::core(&instance.path, e);
        let pixels = Pixels::open(instance, options)?;
        let count = size.iter().product();
        let labels = labels(instance, &layout, &pixels)?;
        let voxels = if header.element_type == ElementType::U8 {
            let mut buf = Buf::<u8>::filled(count, 0).map_err(core)?;
            let out = buf.as_mut_slice().map_err(core)?;
            out.par_iter_mut()
                .zip(&labels)
                .for_each(|(o, l)| *o = *l as u8);
            Voxels::new(1, size, buf)
        } else {
            Voxels::new(1, size, Buf::from(labels))
        };
        Volume::with_header(header, voxels.map_err(core)?).map_err(core)
    }
}

fn header(instance: &Instance, layout: &Layout) -> Result<Header> {
    let most = layout
        .frames
        .iter()
        .map(|(segment, _)| *segment)
        .max()
        .unwrap_or(0);
    let wide = is_label_map(instance) && instance.shape.bits_allocated > 8;
    let element_type = if most <= 255 && !wide {
        ElementType::U8
    } else {
        ElementType::U16
    };
    let mut header = Header::new(layout.geometry.clone(), element_type);
    header.role = Role::Label;
    let opened = instance::open(&instance.path)?;
    let names: serde_json::Map<String, serde_json::Value> = opened
        .object
        .items_of(tags::SEGMENT_SEQUENCE)
        .iter()
        .filter_map(|item| {
            let number = item.integer(tags::SEGMENT_NUMBER)?;
            Some((number.to_string(), json!(item.text(tags::SEGMENT_LABEL)?)))
        })
        .collect();
    if !names.is_empty() {
        header
            .facts
            .insert("dicom.segments".to_owned(), names.into());
    }
    Ok(header)
}

/// Whether the pixels are segment numbers (Label Map Segmentation), not a mask of one segment.
fn is_label_map(instance: &Instance) -> bool {
    instance.class == "1.2.840.10008.5.1.4.1.1.66.7"
}

fn layout(instance: &Instance, options: &ReadOptions) -> Result<Layout> {
    let wrong = |reason: &str| Error::input(&instance.path, reason).remedy(COPY_AGAIN);
    let mut frames = Vec::with_capacity(instance.frames.len());
    for frame in &instance.frames {
        let position = frame
            .position
            .ok_or_else(|| wrong("a frame has no ImagePositionPatient"))?;
        let axes = frame
            .axes
            .ok_or_else(|| wrong("a frame has no ImageOrientationPatient"))?;
        // In a label map object every pixel says its own segment.
        let segment = match frame.segment {
            Some(segment) => segment,
            None if is_label_map(instance) => 1,
            None => return Err(wrong("a frame does not say of which segment it is")),
        };
        if !(1..=65_535).contains(&segment) {
            return Err(wrong(&format!("{segment} is no number of a segment")));
        }
        frames.push((segment, position, axes, frame));
    }
    let Some((_, first, axes, sample)) = frames.first().copied() else {
        return Err(wrong("the segmentation has no frames"));
    };
    let geometry = match &options.grid {
        Some(grid) => grid.clone(),
        None => {
            let [x, y] = axes;
            let normal = cross(x, y);
            let mut distances: Vec<f64> = frames.iter().map(|f| stack::along(axes, f.1)).collect();
            distances.sort_by(f64::total_cmp);
            distances.dedup_by(|a, b| (*a - *b).abs() < stack::SAME_PLACE_MM);
            let smallest = distances
                .windows(2)
                .map(|p| p[1] - p[0])
                .fold(f64::INFINITY, f64::min);
            // Slices with nothing in them have no frame. The step is the distance that is stated where
            // all positions lie on it, else the smallest there is; thickness is none.
            let fits = |step: &f64| {
                let pairs = distances.windows(2).map(|pair| (pair[1] - pair[0]) / step);
                pairs
                    .clone()
                    .all(|times| (times - times.round()).abs() <= ON_GRID)
            };
            let step = match sample.between.filter(fits) {
                Some(step) => step,
                None if smallest.is_finite() => smallest,
                None => sample.thickness.unwrap_or(1.0),
            };
            let (Some(low), Some(high)) = (distances.first(), distances.last()) else {
                return Err(wrong("the segmentation has no frames"));
            };
            let slices = ((high - low) / step).round() + 1.0;
            if !(1.0..=SLICES).contains(&slices) {
                return Err(wrong("the frames are too far apart to be one volume"));
            }
            let lowest = frames
                .iter()
                .map(|f| f.1)
                .min_by(|a, b| stack::along(axes, *a).total_cmp(&stack::along(axes, *b)));
            let [dx, dy] = sample.spacing;
            let columns = [
                x.map(|v| v * dx),
                y.map(|v| v * dy),
                normal.map(|v| v * step),
            ];
            let affine = Affine::from_columns(columns, lowest.unwrap_or(first));
            let [width, height] = instance.size;
            let voxels = width as f64 * height as f64 * slices;
            check_voxels(&instance.path, voxels as u64, instance.len, true, options)?;
            Geometry::new([width, height, slices as usize], affine)
                .map_err(|e| Error::core(&instance.path, e))?
        }
    };
    let into = geometry.index_from_world();
    let [nx, ny, nz] = geometry.size();
    let [width, height] = instance.size;
    let mut placed = Vec::with_capacity(frames.len());
    for (segment, position, [x, y], frame) in frames {
        let start = into.apply(position);
        let along_x = into.apply_vector(x.map(|v| v * frame.spacing[0]));
        let along_y = into.apply_vector(y.map(|v| v * frame.spacing[1]));
        let off =
            |v: [f64; 3], to: [f64; 3]| (0..3).map(|i| (v[i] - to[i]).abs()).fold(0.0, f64::max);
        let nearest = start.map(f64::round);
        let far = off(start, nearest)
            .max(off(along_x, [1.0, 0.0, 0.0]) * width as f64)
            .max(off(along_y, [0.0, 1.0, 0.0]) * height as f64);
        if far > ON_GRID {
            let reason = if options.grid.is_some() {
                "the segmentation is on another grid than the image"
            } else {
                "the frames of the segmentation are on no common grid"
            };
            return Err(Error::input(&instance.path, reason)
                .remedy("convert it alone, and bring it onto the image with spatial.like"));
        }
        let inside = |start: f64, length: usize, size: usize| {
            start >= 0.0 && start + length as f64 <= size as f64
        };
        let [i, j, k] = nearest;
        if !(inside(i, width, nx) && inside(j, height, ny) && inside(k, 1, nz)) {
            return Err(
                Error::input(&instance.path, "the segmentation reaches beyond the image")
                    .remedy("give the whole image, or convert the segmentation alone"),
            );
        }
        placed.push((segment, nearest.map(|v| v as i64)));
    }
    Ok(Layout {
        geometry,
        frames: placed,
    })
}

fn labels(instance: &Instance, layout: &Layout, pixels: &Pixels<'_>) -> Result<Vec<u16>> {
    let [nx, ny, nz] = layout.geometry.size();
    let plane = nx * ny;
    let mut labels = Vec::new();
    labels
        .try_reserve_exact(plane * nz)
        .map_err(|_| Error::limit(&instance.path, "there is no memory for the label map"))?;
    labels.resize(plane * nz, 0_u16);
    let [width, height] = instance.size;
    let is_map = is_label_map(instance);
    let full = match instance::open(&instance.path)?
        .object
        .number(tags::MAXIMUM_FRACTIONAL_VALUE)
    {
        Some(full) if instance.shape.bits_allocated > 1 => (full * HALF).max(1.0),
        _ => 1.0,
    };
    // Slices are filled side by side, the frames of one in their order.
    let mut slices: Vec<Vec<usize>> = vec![Vec::new(); nz];
    for (number, (_, at)) in layout.frames.iter().enumerate() {
        if let Some(slice) = slices.get_mut(at[2] as usize) {
            slice.push(number);
        }
    }
    labels
        .par_chunks_exact_mut(plane)
        .zip(slices)
        .try_for_each_init(Scratch::default, |scratch, (out, numbers)| {
            for number in numbers {
                let (Some((segment, [x, y, _])), Some(frame)) =
                    (layout.frames.get(number), instance.frames.get(number))
                else {
                    continue;
                };
                let stored = pixels.frame(frame.index, scratch)?;
                let sample = usize::from(stored.bits / 8);
                let rows = stored.bytes.chunks_exact(width * sample).take(height);
                for (row, values) in rows.enumerate() {
                    let start = (*y as usize + row) * nx + *x as usize;
                    let out = out.get_mut(start..start + width).unwrap_or(&mut []);
                    for (out, value) in out.iter_mut().zip(values.chunks_exact(sample)) {
                        let value = match value {
                            [one] => f64::from(*one),
                            [a, b, ..] if stored.big_endian => f64::from(u16::from_be_bytes([*a, *b])),
                            [a, b, ..] => f64::from(u16::from_le_bytes([*a, *b])),
                            [] => 0.0,
                        };
                        if is_map {
                            *out = value as u16;
                            continue;
                        }
                        if value < full {
                            continue;
                        }
                        if *out != 0 && i64::from(*out) != *segment {
                            let reason = format!("voxels are in segment {} and in segment {segment}", *out);
                            return Err(Error::unsupported(&instance.path, reason)
                                .remedy("a label map has one label per voxel; export the segments one by one"));
                        }
                        *out = *segment as u16;
                    }
                }
            }
            Ok(())
        })?;
    Ok(labels)
}
