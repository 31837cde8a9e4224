//! UIDs made here: 2.25. and a UUID (PS3.5 B.2) made of a hash, so that the same contents get the
//! same UID, and nobody else's.

use blake3::{Hash, Hasher};

/// The UID that a hash stands for: a UUID of version 8, the one for hashes of one's own.
pub(super) fn from_hash(hash: &Hash) -> String {
    let mut half = [0; 16];
    half.copy_from_slice(hash.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]));
    let number = u128::from_be_bytes(half);
    let version = 0xF << 76;
    let variant = 0x3 << 62;
    let uuid = number & !version & !variant | 0x8 << 76 | 0x2 << 62;
    format!("2.25.{uuid}")
}

/// A UID of its own for each kind of thing that is made of the same contents.
pub(super) fn made(of: &[&[u8]], kind: &str) -> String {
    let mut hasher = Hasher::new_derive_key("voxprep 2026-11 DICOM UIDs of what is written");
    for part in of.iter().copied().chain([kind.as_bytes()]) {
        // With their lengths, so that parts do not run into each other.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    from_hash(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_a_uuid_of_version_eight_and_depends_on_every_part() {
        let uid = made(&[b"ab", b"c"], "series");
        assert_ne!(uid, made(&[b"a", b"bc"], "series"));
        assert_ne!(uid, made(&[b"ab", b"c"], "study"));
        assert_eq!(uid, made(&[b"ab", b"c"], "series"));
        let number: u128 = uid.strip_prefix("2.25.").unwrap().parse().unwrap();
        assert_eq!((number >> 76 & 0xF, number >> 62 & 0x3), (8, 2));
        assert!(uid.len() <= 64);
    }
}
