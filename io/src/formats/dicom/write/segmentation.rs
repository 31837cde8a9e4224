//! A label map as a segmentation object (PS3.3 A.51): a binary segment for each label, a frame for
//! each of its slices that is not empty.
//!
//! The number of a segment is the label. Numbers have to follow each other from 1, so that labels
//! that do not occur become segments without frames. The first and the last slice have a frame
//! whatever is in them: they tell readers how far the grid reaches.

use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use rayon::prelude::*;
use voxprep_core::volume::{Header, Volume};
use voxprep_core::voxels::{Voxel, Voxels};
use voxprep_core::with_type;

use super::dataset::{self, DataSet};
use super::plan::Place;
use super::template::Template;
use super::{Names, SeriesOptions};
use crate::aside::FolderAside;
use crate::error::{Error, Result};

/// Segmentation Storage.
const CLASS: &str = "1.2.840.10008.5.1.4.1.1.66.4";
/// Labels, at most: there is a segment for each number up to the largest.
const LABELS: u16 = 4096;

/// A frame: the label, and which slice of the object it is.
type Frame = (u16, usize);

/// Writes the object of a label map.
pub(super) fn write(
    folder: &Path,
    volume: &Volume,
    options: &SeriesOptions,
    template: Option<&Template>,
    names: &Names,
) -> Result<Vec<PathBuf>> {
    let header = volume.header();
    if header.channels.len() > 1 {
        let reason = "a label map of several channels is not written as DICOM";
        return Err(
            Error::unsupported(folder, reason).remedy("write each channel as a volume of its own")
        );
    }
    let place = Place::of(folder, &header.geometry)?;
    let present = with_type!(header.element_type, T => present::<T>(volume.voxels(), &place));
    let (frames, most) = frames(folder, &present)?;
    let pixels = with_type!(header.element_type, T => pack::<T>(volume.voxels(), &place, &frames));
    let uid = names.instance(0);
    let data = object(
        header, options, template, names, &place, &frames, most, &uid,
    );
    let aside = FolderAside::new(folder)?;
    let name = "IM0001.dcm";
    std::fs::File::create_new(aside.folder().join(name))
        .and_then(|mut file| data.write(&mut file, CLASS, &uid, (VR::OB, &pixels)))
        .map_err(|error| Error::io("write", &folder.join(name), error))?;
    aside.finish()?;
    Ok(vec![folder.join(name)])
}

/// The voxels of a slice, in the order of the object.
fn slice<'a, T: Voxel>(voxels: &'a Voxels, place: &Place, at: usize) -> &'a [T] {
    let [nx, ny, _] = voxels.size();
    let plane = nx * ny;
    let k = place.slices.get(at).map_or(0, |(k, _)| *k);
    let values = voxels.values::<T>().unwrap_or(&[]);
    values.get(k * plane..(k + 1) * plane).unwrap_or(&[])
}

/// The labels of each slice, sorted; a label that is none is the first that was met.
fn present<T: Voxel>(voxels: &Voxels, place: &Place) -> Vec<Result<Vec<u16>, f64>> {
    (0..place.slices.len())
        .into_par_iter()
        .map(|at| {
            let mut seen = vec![false; usize::from(LABELS) + 1];
            let mut last = None;
            for value in slice::<T>(voxels, place, at) {
                let value: f64 = value.to_f64();
                if last == Some(value) {
                    continue;
                }
                last = Some(value);
                match seen.get_mut(value as usize) {
                    Some(seen) if value >= 0.0 => *seen = true,
                    _ => return Err(value),
                }
            }
            let labels = (1..=LABELS).filter(|label| seen.get(usize::from(*label)) == Some(&true));
            Ok(labels.collect())
        })
        .collect()
}

/// The frames of the object, by label and then along the normal, and the largest label.
fn frames(folder: &Path, present: &[Result<Vec<u16>, f64>]) -> Result<(Vec<Frame>, u16)> {
    let mut frames = Vec::new();
    for (at, labels) in present.iter().enumerate() {
        match labels {
            Ok(labels) => frames.extend(labels.iter().map(|label| (*label, at))),
            Err(value) => {
                let reason = format!(
                    "a segmentation object numbers its labels from 1 to {LABELS}; here is {value}"
                );
                return Err(Error::unsupported(folder, reason)
                    .field("labels")
                    .remedy("number the labels 1, 2, 3 and so on"));
            }
        }
    }
    frames.extend([(1, 0), (1, present.len().saturating_sub(1))]);
    frames.sort_unstable();
    frames.dedup();
    let most = frames.iter().map(|(label, _)| *label).max().unwrap_or(1);
    Ok((frames, most))
}

/// A bit for each pixel of each frame, the first in the lowest bit; frames follow each other without
/// a gap, so that eight of them are whole bytes.
fn pack<T: Voxel>(voxels: &Voxels, place: &Place, frames: &[Frame]) -> Vec<u8> {
    let [nx, ny, _] = voxels.size();
    let plane = nx * ny;
    let mut out = vec![0; (frames.len() * plane).div_ceil(8)];
    out.par_chunks_mut(plane)
        .zip(frames.par_chunks(8))
        .for_each(|(out, frames)| {
            for (number, (label, at)) in frames.iter().enumerate() {
                let label = f64::from(*label);
                for (pixel, value) in slice::<T>(voxels, place, *at).iter().enumerate() {
                    let bit = number * plane + pixel;
                    if let (true, Some(byte)) = (value.to_f64() == label, out.get_mut(bit / 8)) {
                        *byte |= 1 << (bit % 8);
                    }
                }
            }
        });
    out
}

#[expect(clippy::too_many_arguments, reason = "all of it is in the header")]
fn object(
    header: &Header,
    options: &SeriesOptions,
    template: Option<&Template>,
    names: &Names,
    place: &Place,
    frames: &[Frame],
    most: u16,
    uid: &str,
) -> DataSet {
    let mut data = DataSet::new();
    dataset::start(&mut data, options, names);
    // An object of frames needs a moment; without a template there is none, and the time of writing
    // would make other bytes each time.
    data.text(tags::CONTENT_DATE, VR::DA, "19000101")
        .text(tags::CONTENT_TIME, VR::TM, "000000");
    if let Some(template) = template {
        template.fill(&mut data);
    }
    let dimensions = super::uid::made(&[names.series.as_bytes()], "dimensions");
    data.text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY")
        .text(tags::SOP_CLASS_UID, VR::UI, CLASS)
        .text(tags::SOP_INSTANCE_UID, VR::UI, uid)
        .text(tags::MODALITY, VR::CS, "SEG")
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "voxprep")
        .text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "0")
        .integer(tags::INSTANCE_NUMBER, 1)
        .text(tags::CONTENT_LABEL, VR::CS, "LABELS")
        .text(tags::CONTENT_DESCRIPTION, VR::LO, "")
        .text(tags::CONTENT_CREATOR_NAME, VR::PN, "")
        .short(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .integer(tags::NUMBER_OF_FRAMES, frames.len())
        .short(tags::ROWS, header.geometry.size()[1] as u16)
        .short(tags::COLUMNS, header.geometry.size()[0] as u16)
        .short(tags::BITS_ALLOCATED, 1)
        .short(tags::BITS_STORED, 1)
        .short(tags::HIGH_BIT, 0)
        .short(tags::PIXEL_REPRESENTATION, 0)
        .text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00")
        .text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY")
        .text(tags::SEGMENTS_OVERLAP, VR::CS, "NO");
    let mut organisation = DataSet::new();
    organisation.text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &dimensions);
    data.items(tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![organisation]);
    let indices = [
        (
            tags::REFERENCED_SEGMENT_NUMBER,
            tags::SEGMENT_IDENTIFICATION_SEQUENCE,
        ),
        (tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE),
    ];
    let indices = indices.map(|(of, group)| {
        let mut item = DataSet::new();
        item.text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &dimensions)
            .pointer(tags::DIMENSION_INDEX_POINTER, of)
            .pointer(tags::FUNCTIONAL_GROUP_POINTER, group);
        item
    });
    data.items(tags::DIMENSION_INDEX_SEQUENCE, indices.into());
    data.items(
        tags::SEGMENT_SEQUENCE,
        (1..=most).map(|label| segment(header, label)).collect(),
    );
    let sources = template.map_or(&[][..], |template| template.sources(0, 1));
    if let (Some(template), false) = (template, sources.is_empty()) {
        let instances = sources
            .iter()
            .map(|s| DataSet::reference(&s.class, &s.instance));
        let mut series = DataSet::new();
        series
            .items(tags::REFERENCED_INSTANCE_SEQUENCE, instances.collect())
            .text(tags::SERIES_INSTANCE_UID, VR::UI, &template.series);
        data.items(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    }
    let mut shared = DataSet::new();
    let mut orientation = DataSet::new();
    orientation.decimals(tags::IMAGE_ORIENTATION_PATIENT, &place.cosines());
    let mut measures = DataSet::new();
    measures
        .decimals(tags::SLICE_THICKNESS, &[place.between])
        .decimals(tags::SPACING_BETWEEN_SLICES, &[place.between])
        .decimals(tags::PIXEL_SPACING, &place.pixel_spacing);
    shared
        .items(tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation])
        .items(tags::PIXEL_MEASURES_SEQUENCE, vec![measures]);
    data.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    let own = frames.iter().map(|(label, at)| {
        let mut content = DataSet::new();
        content.longs(
            tags::DIMENSION_INDEX_VALUES,
            &[u32::from(*label), *at as u32 + 1],
        );
        let mut position = DataSet::new();
        let (k, origin) = place.slices.get(*at).copied().unwrap_or_default();
        position.decimals(tags::IMAGE_POSITION_PATIENT, &origin);
        let mut number = DataSet::new();
        number.short(tags::REFERENCED_SEGMENT_NUMBER, *label);
        let mut frame = DataSet::new();
        if let Some(source) = sources.get(k) {
            let mut image = DataSet::reference(&source.class, &source.instance);
            let purpose = DataSet::code(
                "121322",
                "DCM",
                "Source image for image processing operation",
            );
            image
                .text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES")
                .items(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, vec![purpose]);
            let mut derivation = DataSet::new();
            let code = DataSet::code("113076", "DCM", "Segmentation");
            derivation
                .items(tags::SOURCE_IMAGE_SEQUENCE, vec![image])
                .items(tags::DERIVATION_CODE_SEQUENCE, vec![code]);
            frame.items(tags::DERIVATION_IMAGE_SEQUENCE, vec![derivation]);
        }
        frame
            .items(tags::FRAME_CONTENT_SEQUENCE, vec![content])
            .items(tags::PLANE_POSITION_SEQUENCE, vec![position])
            .items(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![number]);
        frame
    });
    data.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, own.collect());
    data
}

/// What is known of a label: its name, if the file that it came from gave one.
fn segment(header: &Header, label: u16) -> DataSet {
    let names = header.facts.get("dicom.segments");
    let name = names.and_then(|names| names.get(label.to_string())?.as_str());
    let name: String = match name {
        Some(name) => name
            .chars()
            .filter(|c| !c.is_control() && *c != '\\')
            .take(64)
            .collect(),
        None => format!("label {label}"),
    };
    let tissue = || vec![DataSet::code("85756007", "SCT", "Tissue")];
    let mut item = DataSet::new();
    item.short(tags::SEGMENT_NUMBER, label)
        .text(tags::SEGMENT_LABEL, VR::LO, &name)
        // Nothing says who made it; of the three terms this one claims least.
        .text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "SEMIAUTOMATIC")
        .text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, "unknown")
        .items(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, tissue())
        .items(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, tissue());
    item
}
