//! Values of attributes, as what they are used for: lenient about how they are spelt, strict about
//! what they mean. What cannot be read as asked is absent.

use dicom_core::value::PrimitiveValue;
use dicom_core::{Tag, VR};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// Values of a data set or an item by their tags.
pub(super) trait Attributes {
    fn element_of(&self, tag: Tag) -> Option<&InMemElement>;
    /// The items of a sequence; none where there is no such sequence.
    fn items_of(&self, tag: Tag) -> &[InMemDicomObject];

    /// The first item of a sequence.
    fn item_of(&self, tag: Tag) -> Option<&InMemDicomObject> {
        self.items_of(tag).first()
    }

    /// All values as text, without padding; empty ones stay, because places matter.
    fn texts(&self, tag: Tag) -> Vec<String> {
        let Some(value) = self.element_of(tag).and_then(|e| e.value().primitive()) else {
            return Vec::new();
        };
        match value {
            PrimitiveValue::Empty => Vec::new(),
            // Private elements have no VR where those are implicit: text, as a rule.
            PrimitiveValue::U8(bytes) => String::from_utf8_lossy(bytes)
                .split('\\')
                .map(trimmed)
                .collect(),
            PrimitiveValue::Str(text) => text.split('\\').map(trimmed).collect(),
            other => other.to_multi_str().iter().map(trimmed).collect(),
        }
    }

    /// The first value as text; none where it is empty.
    fn text(&self, tag: Tag) -> Option<String> {
        self.texts(tag).into_iter().next().filter(|t| !t.is_empty())
    }

    /// All values as finite numbers; none where one of them is none.
    fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        let element = self.element_of(tag)?;
        let value = element.value().primitive()?;
        let numbers: Vec<f64> = match value {
            PrimitiveValue::F32(values) => values.iter().map(|v| f64::from(*v)).collect(),
            PrimitiveValue::F64(values) => values.to_vec(),
            PrimitiveValue::U16(values) => values.iter().map(|v| f64::from(*v)).collect(),
            PrimitiveValue::I16(values) => values.iter().map(|v| f64::from(*v)).collect(),
            PrimitiveValue::U32(values) => values.iter().map(|v| f64::from(*v)).collect(),
            PrimitiveValue::I32(values) => values.iter().map(|v| f64::from(*v)).collect(),
            PrimitiveValue::U8(bytes) if element.vr() == VR::UN => match private(tag) {
                Some(width) => return binary(bytes, width),
                None => return parsed(&self.texts(tag)),
            },
            PrimitiveValue::Empty => return None,
            _ => return parsed(&self.texts(tag)),
        };
        let fine = !numbers.is_empty() && numbers.iter().all(|n| n.is_finite());
        fine.then_some(numbers)
    }

    /// The first value as a finite number.
    fn number(&self, tag: Tag) -> Option<f64> {
        // One bad number among many does not spoil the first.
        match self.numbers(tag) {
            Some(numbers) => numbers.first().copied(),
            None => parsed(&self.texts(tag).into_iter().take(1).collect::<Vec<_>>())?
                .first()
                .copied(),
        }
    }

    /// The first value as a whole number.
    fn integer(&self, tag: Tag) -> Option<i64> {
        let number = self.number(tag)?;
        (number == number.trunc() && number.abs() < 9e15).then_some(number as i64)
    }

    /// Exactly so many numbers; more are ignored.
    fn vector<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        self.numbers(tag)?.get(..N)?.try_into().ok()
    }
}

impl Attributes for InMemDicomObject {
    fn element_of(&self, tag: Tag) -> Option<&InMemElement> {
        self.get(tag)
    }

    fn items_of(&self, tag: Tag) -> &[InMemDicomObject] {
        self.get(tag).and_then(|e| e.items()).unwrap_or(&[])
    }
}

fn trimmed(text: impl AsRef<str>) -> String {
    text.as_ref().trim_matches([' ', '\0']).to_owned()
}

/// Decimal and integer strings; an empty one is no number.
fn parsed(texts: &[String]) -> Option<Vec<f64>> {
    let numbers: Vec<f64> = texts
        .iter()
        .map(|text| text.trim().parse().ok().filter(|n: &f64| n.is_finite()))
        .collect::<Option<_>>()?;
    (!numbers.is_empty()).then_some(numbers)
}

/// The bytes of one number of a private element that is known to be floating point: where VRs are
/// implicit, nothing in the file says so. Philips' b-value, scale and gradient are FL, Siemens'
/// gradient is FD.
fn private(tag: Tag) -> Option<usize> {
    match (tag.group(), tag.element()) {
        (0x2001, 0x1003) | (0x2005, 0x100D | 0x100E | 0x10B0..=0x10B2) => Some(4),
        (0x0019, 0x100E) => Some(8),
        _ => None,
    }
}

/// Little-endian numbers of so many bytes.
fn binary(bytes: &[u8], width: usize) -> Option<Vec<f64>> {
    let numbers: Vec<f64> = bytes
        .chunks_exact(width)
        .filter_map(|bytes| match *bytes {
            [a, b, c, d] => Some(f64::from(f32::from_le_bytes([a, b, c, d]))),
            _ => bytes.try_into().ok().map(f64::from_le_bytes),
        })
        .collect();
    let fine = !numbers.is_empty() && numbers.iter().all(|n| n.is_finite());
    fine.then_some(numbers)
}
