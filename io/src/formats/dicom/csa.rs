//! Siemens' private header ("CSA"): the little of it that says where mosaic tiles are.
//!
//! Format as described in nibabel's "Siemens format DICOM with CSA header" (Brett, Ghosh): `SV10`,
//! four bytes, a 32-bit count of tags, 77; per tag a name of 64 bytes, multiplicity, VR, syngo
//! type, count of items, 77 or 205; per item four lengths and text padded to four bytes. The older
//! CSA1 begins at once with the count.

/// The values of a tag, as text without padding.
pub(super) fn values(bytes: &[u8], name: &str) -> Option<Vec<String>> {
    let long = |at: usize| -> Option<usize> {
        let value = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        usize::try_from(value).ok()
    };
    let is_second = bytes.starts_with(b"SV10");
    let mut at = if is_second { 8 } else { 0 };
    let tags = long(at)?;
    at += 8;
    // Files have about a hundred.
    if !(1..=1024).contains(&tags) {
        return None;
    }
    // In the older form the number of items of the first tag is added to all lengths.
    let mut added = None;
    for _ in 0..tags {
        let label = bytes.get(at..at + 64)?;
        let label = label.split(|b| *b == 0).next()?;
        let (values, items) = (long(at + 64)?, long(at + 76)?);
        let added = *added.get_or_insert(items);
        at += 84;
        let wanted = label == name.as_bytes();
        let mut found = Vec::new();
        for item in 0..items {
            let stated = long(at)?;
            let length = if is_second {
                Some(long(at + 4)?)
            } else {
                stated.checked_sub(added)
            };
            at += 16;
            let end = length.and_then(|length| at.checked_add(length));
            let Some((text, length)) = end.and_then(|end| bytes.get(at..end)).zip(length) else {
                // Items that are not in use may say anything.
                if !is_second && item >= values {
                    break;
                }
                return None;
            };
            if wanted && length > 0 {
                let text = text.split(|b| *b == 0).next().unwrap_or(&[]);
                let text = String::from_utf8_lossy(text).trim().to_owned();
                if !text.is_empty() {
                    found.push(text);
                }
            }
            at = at.checked_add(length.checked_next_multiple_of(4)?)?;
        }
        if wanted {
            return (!found.is_empty()).then_some(found);
        }
    }
    None
}

/// The values of a tag as finite numbers.
pub(super) fn numbers(bytes: &[u8], name: &str) -> Option<Vec<f64>> {
    values(bytes, name)?
        .iter()
        .map(|text| text.parse().ok().filter(|n: &f64| n.is_finite()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of one tag.
    fn header(name: &str, items: &[&str]) -> Vec<u8> {
        let mut bytes = b"SV10\x04\x03\x02\x01".to_vec();
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(77_u32.to_le_bytes());
        let mut label = name.as_bytes().to_vec();
        label.resize(64, 0);
        bytes.extend(label);
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(b"FD\0\0");
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend((items.len() as u32).to_le_bytes());
        bytes.extend(77_u32.to_le_bytes());
        for item in items {
            let length = item.len() as u32;
            for value in [length, length, 77, length] {
                bytes.extend(value.to_le_bytes());
            }
            bytes.extend(item.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn a_tag_is_found_by_its_name_and_a_damaged_header_has_none() {
        let bytes = header("SliceNormalVector", &["0.0", "0.5", "-0.875\0"]);
        let normal = numbers(&bytes, "SliceNormalVector");
        assert_eq!(normal, Some(vec![0.0, 0.5, -0.875]));
        assert_eq!(numbers(&bytes, "B_value"), None);
        // The last byte is padding.
        for end in 0..bytes.len() - 1 {
            let cut = values(&bytes[..end], "SliceNormalVector");
            assert_eq!(cut, None, "cut at {end}");
        }
    }
}
