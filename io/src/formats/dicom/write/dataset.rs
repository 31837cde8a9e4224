//! Data sets to build, attribute by attribute, and files of them.

use std::fs::File;
use std::io::{self, Write as _};

use dicom_core::value::{DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::text::SpecificCharacterSet;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;

use super::{Names, SeriesOptions};
use crate::formats::dicom::elements::{Coding, spell};
use crate::formats::dicom::file;
use crate::formats::dicom::spelling::decimal;

/// A data set, or an item of a sequence.
#[derive(Clone, Debug)]
pub(super) struct DataSet(InMemDicomObject);

impl DataSet {
    pub(super) fn new() -> Self {
        Self(InMemDicomObject::new_empty())
    }

    pub(super) fn text(&mut self, tag: Tag, vr: VR, text: &str) -> &mut Self {
        let value = match text {
            "" => PrimitiveValue::Empty,
            text => PrimitiveValue::from(text),
        };
        self.put(DataElement::new(tag, vr, value))
    }

    /// Decimal strings.
    pub(super) fn decimals(&mut self, tag: Tag, numbers: &[f64]) -> &mut Self {
        let text: Vec<String> = numbers.iter().map(|number| decimal(*number)).collect();
        self.text(tag, VR::DS, &text.join("\\"))
    }

    /// An integer string.
    pub(super) fn integer(&mut self, tag: Tag, number: usize) -> &mut Self {
        self.text(tag, VR::IS, &number.to_string())
    }

    pub(super) fn short(&mut self, tag: Tag, number: u16) -> &mut Self {
        self.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)))
    }

    pub(super) fn longs(&mut self, tag: Tag, numbers: &[u32]) -> &mut Self {
        let numbers = PrimitiveValue::U32(numbers.iter().copied().collect());
        self.put(DataElement::new(tag, VR::UL, numbers))
    }

    /// A value that is the tag of an attribute.
    pub(super) fn pointer(&mut self, tag: Tag, to: Tag) -> &mut Self {
        self.put(DataElement::new(tag, VR::AT, PrimitiveValue::from(to)))
    }

    pub(super) fn items(&mut self, tag: Tag, items: Vec<DataSet>) -> &mut Self {
        let items: Vec<InMemDicomObject> = items.into_iter().map(|item| item.0).collect();
        self.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)))
    }

    /// An item with a code of a vocabulary.
    pub(super) fn code(value: &str, scheme: &str, meaning: &str) -> Self {
        let mut item = Self::new();
        item.text(tags::CODE_VALUE, VR::SH, value)
            .text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme)
            .text(tags::CODE_MEANING, VR::LO, meaning);
        item
    }

    /// An item that names an instance.
    pub(super) fn reference(class: &str, instance: &str) -> Self {
        let mut item = Self::new();
        item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, class)
            .text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance);
        item
    }

    pub(super) fn put(&mut self, element: InMemElement) -> &mut Self {
        self.0.put(element);
        self
    }

    /// Writes a file: explicit little endian, the pixels as they are handed in.
    pub(super) fn write(
        &self,
        out: &mut File,
        class: &str,
        instance: &str,
        pixels: (VR, &[u8]),
    ) -> io::Result<()> {
        let too_long = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let mut head =
            file::meta(class, instance, EXPLICIT_VR_LITTLE_ENDIAN.uid()).map_err(too_long)?;
        self.0
            .write_dataset_with_ts_cs(
                &mut head,
                &EXPLICIT_VR_LITTLE_ENDIAN.erased(),
                SpecificCharacterSet::ISO_IR_192,
            )
            .map_err(io::Error::other)?;
        let (vr, pixels) = pixels;
        // Values have even lengths.
        let padding = [0; 1];
        let padding = padding.get(..pixels.len() % 2).unwrap_or(&[]);
        let length = u32::try_from(pixels.len() + padding.len())
            .ok()
            .filter(|length| *length < u32::MAX)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        let element = spell(tags::PIXEL_DATA, vr, &[], Coding::EXPLICIT).map_err(too_long)?;
        // All but the length, which is that of what follows.
        head.extend_from_slice(element.get(..8).unwrap_or(&[]));
        head.extend_from_slice(&length.to_le_bytes());
        out.write_all(&head)?;
        out.write_all(pixels)?;
        out.write_all(padding)
    }
}

/// What every object says, whatever it is; patient and study stay open until a template fills them.
pub(super) fn start(data: &mut DataSet, options: &SeriesOptions, names: &Names) {
    // A series may be called by a whole path; a description has 64 characters.
    let description: String = options
        .description
        .chars()
        .filter(|c| !c.is_control())
        .take(64)
        .collect();
    data.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
        .text(tags::STUDY_DATE, VR::DA, "")
        .text(tags::STUDY_TIME, VR::TM, "")
        .text(tags::ACCESSION_NUMBER, VR::SH, "")
        .text(tags::MANUFACTURER, VR::LO, "voxprep")
        .text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "")
        .text(tags::SOFTWARE_VERSIONS, VR::LO, "voxprep")
        .text(tags::PATIENT_NAME, VR::PN, "")
        .text(tags::PATIENT_ID, VR::LO, "")
        .text(tags::PATIENT_BIRTH_DATE, VR::DA, "")
        .text(tags::PATIENT_SEX, VR::CS, "")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, &names.study)
        .text(tags::SERIES_INSTANCE_UID, VR::UI, &names.series)
        .text(tags::STUDY_ID, VR::SH, "")
        .integer(tags::SERIES_NUMBER, usize::from(options.number.max(1)))
        .text(
            tags::FRAME_OF_REFERENCE_UID,
            VR::UI,
            &names.frame_of_reference,
        )
        .text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "");
    if !description.is_empty() {
        data.text(tags::SERIES_DESCRIPTION, VR::LO, &description);
    }
}
