//! The orientation of a picture in its Exif data: the one tag of them that changes what is seen.

/// The tag of the orientation, and the type of its value.
const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// The orientation, 1 to 8, from Exif data: a TIFF header, and a directory.
pub(super) fn orientation(exif: &[u8]) -> Option<u16> {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let big = match exif.get(..4)? {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let bytes = *exif.get(at..)?.first_chunk::<2>()?;
        Some(if big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    };
    let long = |at: usize| -> Option<u32> {
        let bytes = *exif.get(at..)?.first_chunk::<4>()?;
        Some(if big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    };
    let directory = long(4)? as usize;
    let entries = usize::from(short(directory)?);
    (0..entries)
        .map(|i| directory + 2 + 12 * i)
        .find(|&at| short(at) == Some(ORIENTATION) && short(at + 2) == Some(SHORT))
        .and_then(|at| short(at + 8))
        .filter(|value| (1..=8).contains(value))
}

/// What is said of a picture that should be turned to be looked at.
pub(super) fn warning(orientation: Option<u16>) -> Option<String> {
    let turn = match orientation? {
        2 => "mirrored",
        3 => "turned by 180 degrees",
        4 => "mirrored upside down",
        5 => "mirrored and turned by 270 degrees",
        6 => "turned by 90 degrees",
        7 => "mirrored and turned by 90 degrees",
        8 => "turned by 270 degrees",
        _ => return None,
    };
    Some(format!(
        "the orientation in the file says that it is to be shown {turn}; its pixels are read as they \
         are stored"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_orientation_is_found_in_either_byte_order() {
        let little = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
        assert_eq!(orientation(little), Some(6));
        assert_eq!(orientation(big), Some(3));
        assert_eq!(warning(Some(1)), None);
        assert!(warning(Some(6)).unwrap().contains("turned by 90 degrees"));
        for length in 0..little.len() - 7 {
            assert_eq!(orientation(&little[..length]), None, "{length}");
        }
    }
}
