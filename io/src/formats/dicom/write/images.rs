//! Slices as images, one file each (PS3.3 A.2, A.3, A.4, A.8).

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use rayon::prelude::*;
use voxprep_core::volume::{Header, SPACING_ASSUMED, Unit, Volume};
use voxprep_core::voxels::{ElementType, Voxel, Voxels};
use voxprep_core::with_type;

use super::dataset::DataSet;
use super::plan::{self, Kind, Layers, Place};
use super::template::Template;
use super::{Names, SeriesOptions};
use crate::aside::FolderAside;
use crate::error::{Error, Result};

/// What is said of how an image came to be.
const DERIVATION: &str = "converted by voxprep";

/// How the numbers of a pixel are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    bits: u16,
    signed: bool,
}

/// Writes the files of a volume.
pub(super) fn write(
    folder: &Path,
    volume: &Volume,
    options: &SeriesOptions,
    template: Option<&Template>,
    names: &Names,
) -> Result<Vec<PathBuf>> {
    let header = volume.header();
    let layers = Layers::of(folder, header)?;
    let kind = plan::kind(folder, header, layers, template.and_then(|t| t.modality))?;
    let place = Place::of(folder, &header.geometry)?;
    let stored = stored(folder, volume, kind)?;
    let count = place.slices.len() * layers.times;
    // Only what is more than spacings, or several images that belong together, needs a place where
    // the kind of object does not ask for one.
    let placed = matches!(kind, Kind::Ct | Kind::Mr) || !place.is_plain || count > 1;
    let common = common(
        header, options, template, names, kind, layers, &place, stored,
    );
    let aside = FolderAside::new(folder)?;
    let file_names: Vec<String> = (1..=count)
        .map(|number| format!("IM{number:04}.dcm"))
        .collect();
    file_names
        .par_iter()
        .enumerate()
        .try_for_each(|(at, name)| {
            let (time, slice) = (at / place.slices.len(), at % place.slices.len());
            let Some((k, position)) = place.slices.get(slice).copied() else {
                return Ok(());
            };
            let mut data = common.clone();
            if let Some(source) = template.and_then(|t| t.sources(time, layers.times).get(k)) {
                source.fill(&mut data);
                if !source.instance.is_empty() {
                    let source = DataSet::reference(&source.class, &source.instance);
                    data.items(tags::SOURCE_IMAGE_SEQUENCE, vec![source]);
                }
            }
            let uid = names.instance(at);
            data.text(tags::SOP_INSTANCE_UID, VR::UI, &uid)
                .integer(tags::INSTANCE_NUMBER, at + 1);
            if layers.times > 1 {
                data.integer(tags::TEMPORAL_POSITION_IDENTIFIER, time + 1);
            }
            // The step of the volume, whatever that of its source was.
            if let Some(seconds) = layers.step {
                data.decimals(tags::TEMPORAL_RESOLUTION, &[seconds * 1000.0]);
                data.decimals(tags::REPETITION_TIME, &[seconds * 1000.0]);
            }
            if placed {
                data.decimals(tags::IMAGE_POSITION_PATIENT, &position)
                    .decimals(tags::IMAGE_ORIENTATION_PATIENT, &place.cosines());
            }
            let first = time * layers.colours;
            let pixels = with_type!(header.element_type, T => {
                pixels::<T>(volume.voxels(), first..first + layers.colours, k, stored)
            });
            let path = aside.folder().join(name);
            let vr = if stored.bits == 8 { VR::OB } else { VR::OW };
            std::fs::File::create_new(&path)
                .and_then(|mut file| data.write(&mut file, kind.class(), &uid, (vr, &pixels)))
                .map_err(|error| Error::io("write", &folder.join(name), error))
        })?;
    aside.finish()?;
    Ok(file_names.iter().map(|name| folder.join(name)).collect())
}

/// What all files of the series say.
#[expect(clippy::too_many_arguments, reason = "all of it is in every header")]
fn common(
    header: &Header,
    options: &SeriesOptions,
    template: Option<&Template>,
    names: &Names,
    kind: Kind,
    layers: Layers,
    place: &Place,
    stored: Stored,
) -> DataSet {
    let mut data = DataSet::new();
    super::dataset::start(&mut data, options, names);
    let (modality, image_type) = match kind {
        Kind::Ct => ("CT", "DERIVED\\SECONDARY\\AXIAL"),
        Kind::Mr => ("MR", "DERIVED\\SECONDARY\\OTHER"),
        Kind::Cr => ("CR", "DERIVED\\SECONDARY"),
        Kind::Capture => ("OT", "DERIVED\\SECONDARY"),
    };
    data.text(tags::IMAGE_TYPE, VR::CS, image_type)
        .text(tags::SOP_CLASS_UID, VR::UI, kind.class())
        .text(tags::MODALITY, VR::CS, modality)
        .text(tags::DERIVATION_DESCRIPTION, VR::ST, DERIVATION)
        .text(tags::LATERALITY, VR::CS, "");
    match kind {
        Kind::Ct => {
            data.text(tags::KVP, VR::DS, "")
                .text(tags::ACQUISITION_NUMBER, VR::IS, "");
            let unit = if header.unit == Unit::Hu { "HU" } else { "US" };
            data.decimals(tags::RESCALE_INTERCEPT, &[0.0])
                .decimals(tags::RESCALE_SLOPE, &[1.0])
                .text(tags::RESCALE_TYPE, VR::LO, unit);
        }
        Kind::Mr => {
            data.text(tags::SCANNING_SEQUENCE, VR::CS, "RM")
                .text(tags::SEQUENCE_VARIANT, VR::CS, "NONE")
                .text(tags::SCAN_OPTIONS, VR::CS, "")
                .text(tags::MR_ACQUISITION_TYPE, VR::CS, "")
                .text(tags::REPETITION_TIME, VR::DS, "")
                .text(tags::ECHO_TIME, VR::DS, "")
                .text(tags::ECHO_TRAIN_LENGTH, VR::IS, "");
        }
        Kind::Cr => {
            data.text(tags::BODY_PART_EXAMINED, VR::CS, "")
                .text(tags::VIEW_POSITION, VR::CS, "")
                .text(tags::PATIENT_ORIENTATION, VR::CS, "");
        }
        Kind::Capture => {
            data.text(tags::CONVERSION_TYPE, VR::CS, "WSD").text(
                tags::PATIENT_ORIENTATION,
                VR::CS,
                "",
            );
        }
    }
    if matches!(kind, Kind::Ct | Kind::Mr) {
        data.text(tags::PATIENT_POSITION, VR::CS, "");
    }
    let at_detector = header
        .facts
        .get("dicom.spacing_at")
        .is_some_and(|at| at == "detector");
    let spacing = if at_detector && kind == Kind::Cr {
        tags::IMAGER_PIXEL_SPACING
    } else {
        tags::PIXEL_SPACING
    };
    let sliced = matches!(kind, Kind::Ct | Kind::Mr);
    // CT and MR cannot be without a distance; elsewhere an assumed one must not pass for a measured.
    let measured = sliced || !header.facts.contains_key(SPACING_ASSUMED);
    if measured {
        data.decimals(spacing, &place.pixel_spacing);
    }
    if sliced || measured && (!place.is_plain || place.slices.len() > 1) {
        data.decimals(tags::SLICE_THICKNESS, &[place.between])
            .decimals(tags::SPACING_BETWEEN_SLICES, &[place.between]);
    }
    if layers.times > 1 {
        data.integer(tags::NUMBER_OF_TEMPORAL_POSITIONS, layers.times);
    }
    let colours = layers.colours == 3;
    data.short(tags::SAMPLES_PER_PIXEL, layers.colours as u16)
        .text(
            tags::PHOTOMETRIC_INTERPRETATION,
            VR::CS,
            if colours { "RGB" } else { "MONOCHROME2" },
        )
        .short(tags::ROWS, header.geometry.size()[1] as u16)
        .short(tags::COLUMNS, header.geometry.size()[0] as u16)
        .short(tags::BITS_ALLOCATED, stored.bits)
        .short(tags::BITS_STORED, stored.bits)
        .short(tags::HIGH_BIT, stored.bits - 1)
        .short(tags::PIXEL_REPRESENTATION, u16::from(stored.signed));
    if colours {
        data.short(tags::PLANAR_CONFIGURATION, 0);
    }
    if let Some(template) = template {
        template.fill(&mut data);
    }
    data
}

/// How the values are stored: as they are, or as the smallest integers that hold all of them.
fn stored(path: &Path, volume: &Volume, kind: Kind) -> Result<Stored> {
    let (signed, unsigned) = match volume.voxels().element_type() {
        // CT and MR images have 16 bits.
        ElementType::U8 if matches!(kind, Kind::Ct | Kind::Mr) => (false, true),
        ElementType::U8 => {
            return Ok(Stored {
                bits: 8,
                signed: false,
            });
        }
        ElementType::U16 => (false, true),
        ElementType::I16 => (true, false),
        other => {
            let [low, high] = with_type!(other, T => range::<T>(volume.voxels()));
            (
                low >= -32_768.0 && high <= 32_767.0,
                low >= 0.0 && high <= 65_535.0,
            )
        }
    };
    if !signed && !unsigned {
        let reason = format!(
            "DICOM images hold whole numbers of 16 bits, and not all of these {} values are",
            volume.voxels().element_type()
        );
        return Err(Error::unsupported(path, reason)
            .field("type")
            .remedy("--type i16 rounds them; scale small values up before"));
    }
    Ok(Stored { bits: 16, signed })
}

/// The least and the greatest value; infinite where one is no whole number.
fn range<T: Voxel>(voxels: &Voxels) -> [f64; 2] {
    const NOWHERE: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];
    let values = voxels.values::<T>().unwrap_or(&[]);
    let join = |a: [f64; 2], b: [f64; 2]| [a[0].min(b[0]), a[1].max(b[1])];
    let start = || [f64::INFINITY, f64::NEG_INFINITY];
    values
        .par_chunks(1 << 16)
        .map(|values| {
            values.iter().fold(start(), |range, value| {
                let value = value.to_f64();
                if value == value.trunc() {
                    join(range, [value, value])
                } else {
                    NOWHERE
                }
            })
        })
        .reduce(start, join)
}

/// The pixels of one image, as the file has them: those of the volume, where they are the same.
fn pixels<T: Voxel>(
    voxels: &Voxels,
    channels: std::ops::Range<usize>,
    slice: usize,
    stored: Stored,
) -> Cow<'_, [u8]> {
    let [nx, ny, nz] = voxels.size();
    let plane = nx * ny;
    let same = match T::TYPE {
        ElementType::U8 => stored.bits == 8,
        ElementType::I16 | ElementType::U16 => true,
        _ => false,
    };
    if same && channels.len() == 1 && cfg!(target_endian = "little") {
        let length = plane * size_of::<T>();
        let start = (channels.start * nz + slice) * length;
        return Cow::Borrowed(voxels.bytes().get(start..start + length).unwrap_or(&[]));
    }
    let values = voxels.values::<T>().unwrap_or(&[]);
    let of = |channel: usize| {
        let start = (channel * nz + slice) * plane;
        values.get(start..start + plane).unwrap_or(&[])
    };
    let bytes = usize::from(stored.bits / 8);
    let count = channels.len();
    let mut out = vec![0; plane * bytes * count];
    for (colour, channel) in channels.enumerate() {
        let samples = out.chunks_exact_mut(bytes).skip(colour).step_by(count);
        for (out, value) in samples.zip(of(channel)) {
            let value = value.to_f64();
            match out {
                [one] => *one = value as u8,
                pair if stored.signed => pair.copy_from_slice(&(value as i16).to_le_bytes()),
                pair => pair.copy_from_slice(&(value as u16).to_le_bytes()),
            }
        }
    }
    Cow::Owned(out)
}
