//! What a written series takes from the one that its volume was made of.

use std::path::Path;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::mem::InMemElement;
use rayon::prelude::*;
use voxprep_core::volume::{MOVED, Modality, Volume};

use super::dataset::DataSet;
use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::formats::dicom::attributes::Attributes as _;
use crate::formats::dicom::choose::{Choice, Content};
use crate::formats::dicom::instance::{self, Instance};
use crate::formats::dicom::volume::modality;

/// Grids are one where no corner is farther off, mm.
const SAME_GRID_MM: f64 = 1e-3;

/// Whom and which examination: the same for all series of a study.
const STUDY: [Tag; 19] = [
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::STUDY_DESCRIPTION,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::PATIENT_AGE,
    tags::PATIENT_SIZE,
    tags::PATIENT_WEIGHT,
    tags::PATIENT_IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
    tags::STUDY_ID,
    tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
    tags::PATIENT_SPECIES_DESCRIPTION,
];

/// What stays true of every image that is made of the series.
const SERIES: [Tag; 8] = [
    tags::BODY_PART_EXAMINED,
    tags::PATIENT_POSITION,
    tags::LATERALITY,
    tags::POSITION_REFERENCE_INDICATOR,
    tags::BURNED_IN_ANNOTATION,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::LOSSY_IMAGE_COMPRESSION_RATIO,
    tags::LOSSY_IMAGE_COMPRESSION_METHOD,
];

/// How a slice was acquired.
const SLICE: [Tag; 24] = [
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_TIME,
    tags::SCANNING_SEQUENCE,
    tags::SEQUENCE_VARIANT,
    tags::SCAN_OPTIONS,
    tags::MR_ACQUISITION_TYPE,
    tags::SEQUENCE_NAME,
    tags::KVP,
    tags::REPETITION_TIME,
    tags::ECHO_TIME,
    tags::INVERSION_TIME,
    tags::NUMBER_OF_AVERAGES,
    tags::IMAGING_FREQUENCY,
    tags::IMAGED_NUCLEUS,
    tags::ECHO_NUMBERS,
    tags::MAGNETIC_FIELD_STRENGTH,
    tags::ECHO_TRAIN_LENGTH,
    tags::DATA_COLLECTION_DIAMETER,
    tags::RECONSTRUCTION_DIAMETER,
    tags::GANTRY_DETECTOR_TILT,
    tags::X_RAY_TUBE_CURRENT,
    tags::CONVOLUTION_KERNEL,
    tags::FLIP_ANGLE,
    tags::ACQUISITION_NUMBER,
];

/// A slice of the template.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) class: String,
    pub(super) instance: String,
    attributes: Vec<InMemElement>,
}

/// What is taken from the template.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) study: Option<String>,
    pub(super) series: String,
    /// None where the contents of the volume have been moved.
    pub(super) frame_of_reference: Option<String>,
    pub(super) modality: Option<Modality>,
    /// Where the volume is on the grid of the template, and that has a file for each slice: those,
    /// of each point of time, by their index along z.
    slices: Vec<Vec<Source>>,
    attributes: Vec<InMemElement>,
}

fn taken(object: &dicom_object::InMemDicomObject, wanted: &[Tag]) -> Vec<InMemElement> {
    wanted
        .iter()
        .filter_map(|tag| object.element_of(*tag).cloned())
        .collect()
}

impl Template {
    /// Reads the headers of a template.
    ///
    /// # Errors
    /// As reading it, and [`Error::Unsupported`] where it is no image.
    pub(super) fn read(path: &Path, volume: &Volume, options: &ReadOptions) -> Result<Self> {
        let is_dicom = path.is_dir() || crate::formats::dicom::folder::is_dicom(path)?;
        if !is_dicom {
            return Err(
                Error::unsupported(path, "the template is no DICOM file or folder")
                    .field("template")
                    .remedy("give the series that the image was made of"),
            );
        }
        let content = Content::of(path, options)?;
        let instances = &content.found.instances;
        let (Choice::Stack(stack), _) = content.choose(path, options)? else {
            return Err(Error::unsupported(path, "a segmentation is no template")
                .field("template")
                .remedy("give the image series that it belongs to"));
        };
        let (first, _) = stack
            .first(instances)
            .ok_or_else(|| Error::input(path, "the series has no frames"))?;
        let object = instance::open(&first.path)?.object;
        let moved = volume.header().facts.contains_key(MOVED);
        let same_grid = !moved
            && stack
                .geometry(instances, path)
                .is_ok_and(|grid| grid.is_close(volume.geometry(), SAME_GRID_MM));
        let nz = volume.geometry().size()[2];
        let channels = if same_grid {
            stack.frames.as_slice()
        } else {
            &[]
        };
        let files: Option<Vec<Vec<&Instance>>> = channels
            .iter()
            .map(|channel| {
                let files = channel
                    .iter()
                    .map(|(instance, _)| instances.get(*instance).filter(|i| i.frames.len() == 1));
                files.collect::<Option<Vec<_>>>().filter(|f| f.len() == nz)
            })
            .collect();
        let source = |file: &Instance| {
            let object = instance::open(&file.path)?.object;
            Ok(Source {
                class: file.class.clone(),
                instance: file.uid.clone(),
                attributes: taken(&object, &SLICE),
            })
        };
        let slices = files
            .unwrap_or_default()
            .into_par_iter()
            .map(|files| files.into_par_iter().map(source).collect())
            .collect::<Result<_>>()?;
        let mut attributes = taken(&object, &STUDY);
        attributes.extend(taken(&object, &SERIES));
        Ok(Self {
            study: object.text(tags::STUDY_INSTANCE_UID),
            series: first.series.clone(),
            frame_of_reference: Some(first.frame_of_reference.clone())
                .filter(|uid| !uid.is_empty() && !moved),
            modality: modality(first),
            slices,
            attributes,
        })
    }

    /// The slices that a point of time was made of: those of the same one, or of a template that has
    /// a single one.
    pub(super) fn sources(&self, time: usize, times: usize) -> &[Source] {
        let time = match self.slices.len() {
            1 => 0,
            count if count == times => time,
            _ => return &[],
        };
        self.slices.get(time).map_or(&[], Vec::as_slice)
    }

    /// All that is taken from it, in words.
    pub(super) fn said(&self) -> String {
        format!("{self:?}")
    }

    /// Puts in what holds for the whole series.
    pub(super) fn fill(&self, data: &mut DataSet) {
        for element in &self.attributes {
            data.put(element.clone());
        }
    }
}

impl Source {
    /// Puts in what holds for the slice.
    pub(super) fn fill(&self, data: &mut DataSet) {
        for element in &self.attributes {
            data.put(element.clone());
        }
    }
}
