//! What in a file identifies somebody, value by value: to see what would be given away.

use std::path::Path;

use dicom_core::Tag;
use dicom_core::header::Header as _;
use dicom_object::InMemDicomObject;

use super::attributes::Attributes as _;
use super::identifiers::identifies;
use super::instance;
use crate::error::Result;

/// A value of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Group and element of its attribute.
    pub tag: [u16; 2],
    /// The value, as it is in the file: whoever asks for it has to keep it to himself.
    pub value: String,
    /// Whether it may identify a person, a place or a time.
    pub identifies: bool,
}

/// All values of a DICOM file up to its pixels that are not empty, at every depth.
///
/// # Errors
/// As [`read_header`](crate::read_header).
pub fn audit(path: &Path) -> Result<Vec<Audited>> {
    let mut found = Vec::new();
    collect(&instance::open(path)?.object, &mut found);
    Ok(found)
}

fn collect(object: &InMemDicomObject, found: &mut Vec<Audited>) {
    for element in object {
        let (tag, vr) = (element.tag(), element.vr());
        let Tag(group, number) = tag;
        for item in object.items_of(tag) {
            collect(item, found);
        }
        let values = object
            .texts(tag)
            .into_iter()
            .filter(|value| !value.is_empty());
        found.extend(values.map(|value| Audited {
            tag: [group, number],
            identifies: identifies(tag, vr, &value),
            value,
        }));
    }
}
