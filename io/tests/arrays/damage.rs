//! Files that are damaged, or lie.

use std::fs;
use std::path::Path;

use crate::{folder, refused};

fn with(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let message = refused(&path);
    assert!(message.ends_with(name), "{message}");
    message
}

fn npy(dictionary: &str, voxels: usize) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((dictionary.len() as u16).to_le_bytes());
    bytes.extend(dictionary.bytes());
    bytes.resize(bytes.len() + voxels, 1);
    bytes
}

fn tensor(header: &str, voxels: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + voxels, 1);
    bytes
}

#[test]
fn a_shape_that_the_file_cannot_hold_is_refused_before_anything_is_allocated() {
    let shaped = |shape: &str| {
        npy(
            &format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"),
            100,
        )
    };
    for (shape, expected) in [
        (
            "(2, 3, 5)",
            "the header declares 192 bytes, the file holds at most 172: voxels are missing",
        ),
        (
            "(1000, 1000, 1000)",
            "the header declares 1000000000 voxels, more than 2000 for each of the file's",
        ),
        (
            "(4294967296, 4294967296, 4294967296)",
            "shape: the product of",
        ),
        (
            "(0, 3, 4)",
            "shape: the array of shape [0, 3, 4] has no elements",
        ),
        (
            "(24,)",
            "shape: the array has the shape [24]; images have 2 to 4 axes",
        ),
        (
            "(1, 1, 2, 3, 4)",
            "shape: the array has the shape [1, 1, 2, 3, 4]",
        ),
        (
            "(70000, 1, 1, 1)",
            "the header declares 70000 channels, at most 65536",
        ),
    ] {
        let message = with("a.npy", &shaped(shape));
        assert!(message.starts_with(expected), "{shape}: {message}");
    }
    let header = |shape: &str, end: u64| {
        format!("{{\"a\":{{\"dtype\":\"U8\",\"shape\":{shape},\"data_offsets\":[0,{end}]}}}}")
    };
    for (header, expected) in [
        (
            header("[2,3,4]", 23),
            "safetensors header: its shape and type make 24 bytes",
        ),
        (
            header("[2,3,40]", 240),
            "the header declares 308 bytes, the file holds at most 92",
        ),
        (
            header("[900,900,900]", 729_000_000),
            "the header declares 729000000 voxels",
        ),
        (
            header("[2,3,-4]", 24),
            "safetensors header: it is not the JSON of tensors (line 1",
        ),
        (
            header("[2,3,4]", 24).replace("U8", "C64"),
            "dtype: elements of type C64 are not read",
        ),
        (
            "{\"__metadata__\":{}}".to_owned(),
            "the file holds no tensor",
        ),
    ] {
        let message = with("a.safetensors", &tensor(&header, 24));
        assert!(message.starts_with(expected), "{header}: {message}");
    }
    let mut long = tensor("{\"a\":1}", 0);
    long[..8].copy_from_slice(&(2_u64 << 20).to_le_bytes());
    let message = with("a.safetensors", &long);
    assert!(message.contains("at most 1048576 are read"), "{message}");
}

/// Every length of every kind of file: an error, or the image where only what is beyond was cut.
#[test]
fn a_file_cut_anywhere_is_an_error() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["fortran.npy", "placed.npz", "placed.safetensors"] {
        let bytes = fs::read(folder().join(name)).unwrap();
        let path = scratch.path().join(name);
        // The second tensor of the last lies behind the image.
        let needed = bytes.len()
            - if name.ends_with("rs") && name.starts_with("placed.s") {
                48
            } else {
                0
            };
        for length in 0..needed {
            fs::write(&path, &bytes[..length]).unwrap();
            refused(&path);
        }
    }
}

/// Behind the local header of the zip and numpy's own, and in the middle of what is deflated.
#[test]
fn a_member_whose_bytes_have_changed_does_not_pass() {
    for (name, at, expected) in [
        (
            "plain.npz",
            190,
            "npz member image: its checksum does not hold",
        ),
        ("only.npz", 170, "npz"),
    ] {
        let mut bytes = fs::read(folder().join(name)).unwrap();
        bytes[at] ^= 0x10;
        let message = with(name, &bytes);
        println!("{message}");
        assert!(message.starts_with(expected), "{name}: {message}");
    }
}

#[test]
fn a_place_that_cannot_be_is_an_error() {
    let header = |texts: &str| {
        format!(
            "{{\"__metadata__\":{{{texts}}},\"image\":{{\"dtype\":\"U8\",\"shape\":[2,3,4],\"data_offsets\":[0,24]}}}}"
        )
    };
    for (texts, expected) in [
        (
            "\"affine\":\"[1,2]\"",
            "__metadata__, affine: it is not a list of 16 numbers",
        ),
        (
            "\"frame\":\"LPS\",\"affine\":\"[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]\"",
            "affine: ",
        ),
        (
            "\"frame\":\"LPS\",\"affine\":\"[1,0,0,0,0,1,0,0,0,0,1,0,1,0,0,1]\"",
            "affine: the last row is not 0, 0, 0, 1",
        ),
        (
            "\"frame\":\"RAS\",\"spacing\":\"[1,1,1]\"",
            "frame: the place is not in LPS coordinates",
        ),
        ("\"frame\":\"LPS\",\"spacing\":\"[1,0,1]\"", "spacing: "),
    ] {
        let message = with("a.safetensors", &tensor(&header(texts), 24));
        assert!(message.starts_with(expected), "{texts}: {message}");
    }
}

#[test]
fn a_zip_of_something_else_is_still_refused_by_name() {
    let bytes = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.txt";
    let message = with("a.zip", bytes);
    assert!(
        message.starts_with("the file is packed with zip"),
        "{message}"
    );
    assert!(!Path::new("a.zip").exists());
}
