//! Files that are damaged, or lie.

use std::fs;
use std::path::Path;

use crate::{folder, read, refused, values};

/// What is missing is an error, and never grey.
#[test]
fn a_picture_cut_anywhere_is_an_error() {
    let scratch = tempfile::tempdir().unwrap();
    for name in [
        "grey16.png",
        "palette4.png",
        "lzw.tif",
        "tiled.tif",
        "grey.jpg",
        "turned.jpg",
    ] {
        let bytes = fs::read(folder().join(name)).unwrap();
        let path = scratch.path().join(name);
        // What is deflated or LZW ends with a checksum or a mark, without which all pixels are there.
        let needed = bytes.len() - if name.ends_with("tif") { 8 } else { 2 };
        for length in (0..needed).filter(|n| n % 7 == 0 || n + 60 > needed) {
            fs::write(&path, &bytes[..length]).unwrap();
            let message = refused(&path);
            assert!(message.ends_with(name), "{message}");
        }
    }
}

#[test]
fn a_size_that_the_file_cannot_hold_is_refused_before_anything_is_allocated() {
    let scratch = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(folder().join("grey16.png")).unwrap();
    bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let path = scratch.path().join("a.png");
    fs::write(&path, &bytes).unwrap();
    let message = refused(&path);
    let expected = "the header declares 4294967296 numbers, which no compression fits into";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_changed_byte_does_not_pass_its_checksum() {
    let scratch = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(folder().join("grey16.png")).unwrap();
    let at = bytes.len() - 30;
    bytes[at] ^= 4;
    let path = scratch.path().join("a.png");
    fs::write(&path, &bytes).unwrap();
    let message = refused(&path);
    assert!(message.starts_with("PNG: "), "{message}");
}

/// So many directories within each other, each of 1000 tags, and each naming the next.
fn overlapping(directories: u32) -> Vec<u8> {
    const TAGS: u32 = 1000;
    let start = |i: u32| 8 + 4 * i;
    let mut bytes = b"II*\0".to_vec();
    bytes.extend(start(0).to_le_bytes());
    bytes.extend(TAGS.to_le_bytes().repeat(directories as usize));
    bytes.resize(10 + 12 * TAGS as usize, 0);
    for i in 1..=directories {
        let next = if i == directories { 0 } else { start(i) };
        bytes.extend(next.to_le_bytes());
    }
    bytes
}

/// A file of 20 KB with two million tags, and none of them in a circle.
#[test]
fn directories_that_lie_within_each_other_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.tif");
    let bytes = overlapping(2000);
    assert_eq!(bytes.len(), 20_010);
    fs::write(&path, &bytes).unwrap();
    let message = refused(&path);
    let expected = "TIFF: its directories are together longer than the file: they overlap; ";
    assert!(message.starts_with(expected), "{message}");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus/tiff/found-overlapping-directories");
    assert!(fs::read(kept).unwrap() == [&[0], &bytes[..]].concat());
}

/// Twenty pages that share one list of a hundred strips.
#[test]
fn pages_that_share_a_list_of_strips_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.tif");
    let start = |i: u32| 8 + 18 * i;
    let mut bytes = b"II*\0".to_vec();
    bytes.extend(start(0).to_le_bytes());
    for i in 0..20 {
        let next = if i == 19 { 0 } else { start(i + 1) };
        // Strip offsets: tag 273 of type 4, a hundred of them, behind the directories.
        bytes.extend([1, 0, 17, 1, 4, 0, 100, 0, 0, 0]);
        bytes.extend(start(20).to_le_bytes());
        bytes.extend(u32::to_le_bytes(next));
    }
    bytes.resize(bytes.len() + 400, 0);
    fs::write(&path, &bytes).unwrap();
    let message = refused(&path);
    let expected = "TIFF: the lists of where its pixels are, are together longer than the file; ";
    assert!(message.starts_with(expected), "{message}");
}

/// The thumbnail in the Exif data has an end of its own.
#[test]
fn the_end_of_a_thumbnail_is_not_that_of_its_picture() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.jpg");
    let plain = fs::read(folder().join("grey.jpg")).unwrap();
    let segment = [b"Exif\0\0", &plain[..]].concat();
    let length = (segment.len() as u16 + 2).to_be_bytes();
    let whole = [
        &[0xff, 0xd8, 0xff, 0xe1],
        &length[..],
        &segment,
        &plain[2..],
    ]
    .concat();
    fs::write(&path, &whole).unwrap();
    assert_eq!(
        values(&read(&path)),
        values(&read(&folder().join("grey.jpg")))
    );
    let expected = "JPEG: the file ends before the end of its picture; ";
    fs::write(&path, &whole[..whole.len() - 2]).unwrap();
    let message = refused(&path);
    assert!(message.starts_with(expected), "{message}");
    for cut in 3..60 {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        refused(&path);
    }
}
