//! Which attributes identify a person, a place or a study (PS3.15 2024, table E.1-1).

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

/// Whether the value of an attribute may identify someone: by its VR, or by what it holds.
pub(super) fn identifies(tag: Tag) -> bool {
    // Nobody knows what is in private attributes.
    if tag.group() % 2 == 1 {
        return true;
    }
    let class = [tags::SOP_CLASS_UID, tags::TRANSFER_SYNTAX_UID];
    let entry = StandardDataDictionary.by_tag(tag);
    let vr = entry.map_or(VR::UN, |entry| entry.vr().relaxed());
    matches!(vr, VR::PN | VR::DA | VR::TM | VR::DT | VR::AE)
        || vr == VR::UI && !class.contains(&tag)
        || tag.group() == 0x0010
        || tag.group() == 0x0040
        || [
            tags::ACCESSION_NUMBER,
            tags::INSTITUTION_NAME,
            tags::INSTITUTION_ADDRESS,
            tags::STATION_NAME,
            tags::STUDY_DESCRIPTION,
            tags::STUDY_ID,
            tags::DEVICE_SERIAL_NUMBER,
            tags::PROTOCOL_NAME,
            tags::IMAGE_COMMENTS,
        ]
        .contains(&tag)
}
