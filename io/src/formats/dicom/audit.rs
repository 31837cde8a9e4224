//! What in a file identifies somebody, value by value: to see what would be given away.

use std::path::Path;

use dicom_core::Tag;
use dicom_core::header::Header as _;
use dicom_object::InMemDicomObject;

use super::attributes::Attributes as _;
use super::identifiers::identifies;
use super::instance;
use crate::error::Result;

/// The values of a DICOM file, up to its pixels, that may identify a person, a place or a time, each
/// with the number of its attribute, at every depth. Values are as they are in the file: whoever
/// asks for them has to keep them to himself.
///
/// # Errors
/// As [`read_header`](crate::read_header).
pub fn identifying_values(path: &Path) -> Result<Vec<([u16; 2], String)>> {
    let mut found = Vec::new();
    collect(&instance::open(path)?.object, &mut found);
    Ok(found)
}

fn collect(object: &InMemDicomObject, found: &mut Vec<([u16; 2], String)>) {
    for element in object {
        let (Tag(group, number), vr) = (element.tag(), element.vr());
        for item in object.items_of(element.tag()) {
            collect(item, found);
        }
        for value in object.texts(element.tag()) {
            if !value.is_empty() && identifies(element.tag(), vr, &value) {
                found.push(([group, number], value));
            }
        }
    }
}
