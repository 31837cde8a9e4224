//! Files that are damaged, or lie.

use std::fs;

use crate::{folder, refused};

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
