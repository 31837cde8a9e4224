//! Look-up tables: modality, values of interest, palettes (PS3.3 C.7.9, C.11.1, C.11.2).

use std::path::Path;
use std::sync::Arc;

use dicom_core::Tag;
use dicom_core::value::PrimitiveValue;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::attributes::Attributes;
use super::instance::signed;
use crate::error::{Error, Result};
use crate::source::COPY_AGAIN;

/// A table from whole numbers to whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lut {
    /// The number that the first entry is for; smaller ones get it too.
    pub(super) first: i64,
    pub(super) entries: Arc<[u16]>,
    /// How many bits the entries have.
    pub(super) bits: u16,
    /// What the entries mean, `HU` for example.
    pub(super) kind: Option<String>,
}

impl Lut {
    /// The table of an item of a modality or VOI LUT sequence; `is_signed` is the sign of what goes in.
    ///
    /// # Errors
    /// [`Error::Input`] where table and description contradict each other.
    pub(super) fn of(path: &Path, item: &InMemDicomObject, is_signed: bool) -> Result<Self> {
        let lut = Self::read(
            path,
            item,
            [tags::LUT_DESCRIPTOR, tags::LUT_DATA],
            is_signed,
        )?;
        Ok(Self {
            kind: item.text(tags::MODALITY_LUT_TYPE),
            ..lut
        })
    }

    /// The tables of a palette: red, green, blue.
    pub(super) fn palette(
        path: &Path,
        object: &InMemDicomObject,
        is_signed: bool,
    ) -> Result<[Self; 3]> {
        if object.get(Tag(0x0028, 0x1221)).is_some() {
            return Err(Error::unsupported(path, "segmented palettes are not read")
                .field("(0028,1221) SegmentedRedPaletteColorLookupTableData")
                .remedy("convert the image to RGB with the program that wrote it"));
        }
        let one = |colour: u16| {
            let tags = [Tag(0x0028, 0x1101 + colour), Tag(0x0028, 0x1201 + colour)];
            Self::read(path, object, tags, is_signed)
        };
        Ok([one(0)?, one(1)?, one(2)?])
    }

    fn read(
        path: &Path,
        item: &InMemDicomObject,
        [descriptor, data]: [Tag; 2],
        is_signed: bool,
    ) -> Result<Self> {
        let wrong = |reason: String| {
            let field = format!("({:04X},{:04X})", descriptor.group(), descriptor.element());
            Error::input(path, reason).field(field).remedy(COPY_AGAIN)
        };
        let [count, first, bits] = item
            .vector::<3>(descriptor)
            .ok_or_else(|| wrong("the look-up table is not described".into()))?;
        // As signed numbers these may have come: 65,536 is written as 0.
        let count = match signed(count as i64, false).rem_euclid(65_536) {
            0 => 65_536,
            count => count as usize,
        };
        let first = signed(first as i64, is_signed);
        let bits = bits as i64;
        if !(8..=16).contains(&bits) {
            return Err(wrong(format!("a look-up table of {bits} bits")));
        }
        let value = item.get(data).and_then(|e| e.value().primitive());
        let words: Vec<u16> = match value {
            Some(PrimitiveValue::U16(words)) => words.to_vec(),
            Some(PrimitiveValue::I16(words)) => words.iter().map(|w| *w as u16).collect(),
            Some(PrimitiveValue::U8(bytes)) if bytes.len() >= 2 * count => bytes
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect(),
            Some(PrimitiveValue::U8(bytes)) => bytes.iter().map(|b| u16::from(*b)).collect(),
            _ => return Err(wrong("the look-up table is missing".into())),
        };
        // Eight-bit entries may be packed two in a word.
        let words = if words.len() < count && words.len() * 2 >= count && bits == 8 {
            words.iter().flat_map(|w| [w & 0xFF, w >> 8]).collect()
        } else {
            words
        };
        let Some(entries) = words.get(..count) else {
            let reason = format!("{count} entries are declared, {} are there", words.len());
            return Err(wrong(reason));
        };
        Ok(Self {
            first,
            entries: entries.into(),
            bits: bits as u16,
            kind: None,
        })
    }

    /// The entry for a number.
    pub(super) fn get(&self, number: i64) -> u16 {
        let last = self.entries.len() as i64 - 1;
        let at = (number - self.first).clamp(0, last.max(0));
        self.entries.get(at as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use dicom_core::{DataElement, VR, dicom_value};

    use super::*;

    fn item(descriptor: [u16; 3], data: PrimitiveValue) -> InMemDicomObject {
        InMemDicomObject::from_element_iter([
            DataElement::new(
                tags::LUT_DESCRIPTOR,
                VR::US,
                PrimitiveValue::U16(descriptor.to_vec().into()),
            ),
            DataElement::new(tags::LUT_DATA, VR::OW, data),
        ])
    }

    #[test]
    fn numbers_beyond_a_table_get_its_ends() {
        let data = dicom_value!(U16, [10, 20, 30]);
        let lut = Lut::of(Path::new("a"), &item([3, 65_534, 12], data), true).unwrap();
        let found: Vec<u16> = [-9, -2, -1, 0, 1, 900].map(|n| lut.get(n)).into();
        assert_eq!(found, [10, 10, 20, 30, 30, 30]);
    }

    #[test]
    fn packed_bytes_are_unpacked_and_a_short_table_is_refused() {
        let data = dicom_value!(U16, [0x0201, 0x0403]);
        let lut = Lut::of(Path::new("a"), &item([4, 0, 8], data.clone()), false).unwrap();
        assert_eq!(lut.entries[..], [1, 2, 3, 4]);
        let message = Lut::of(Path::new("a"), &item([5, 0, 8], data), false)
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "(0028,3002): 5 entries are declared, 2 are there; copy or export the file again: a"
        );
    }
}
