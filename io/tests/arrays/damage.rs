//! Files that are damaged, or lie.

use std::fs;
use std::path::Path;

use voxprep_core::volume::SPACING_ASSUMED;

use crate::{folder, read, refused};

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

/// An archive of arrays as they are.
fn archive(path: &Path, members: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in members {
        archive.start_file(format!("{name}.npy"), stored).unwrap();
        std::io::Write::write_all(&mut archive, bytes).unwrap();
    }
    archive.finish().unwrap();
}

/// Programs have arrays of their own by the names that say something of an image.
#[test]
fn a_member_of_another_kind_is_said_and_not_used() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.npz");
    let array = |descr: &str, shape: &str, bytes: usize| {
        let dictionary =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        npy(&dictionary, bytes)
    };
    let image = ("image", array("|u1", "(2, 3, 4)", 24));
    for (name, member, expected) in [
        (
            "spacing",
            array("<f8", "(2,)", 16),
            "the member spacing is not 3 numbers; it is not used",
        ),
        (
            "spacing",
            array("<U4", "(3,)", 48),
            "the member spacing is not 3 numbers; it is not used",
        ),
        (
            "affine",
            array("|O", "(3,)", 48),
            "the member affine is not 16 numbers; it is not used",
        ),
        (
            "channels",
            array("<i8", "(1,)", 8),
            "the member channels is not an array of texts; it is not used",
        ),
        (
            "role",
            array("|u1", "()", 1),
            "the member role is not an array of texts; it is not used",
        ),
        (
            "origin",
            array("<f8", "(200000,)", 1_600_000),
            "bytes, at most 1048576 are read beside an image; it is not used",
        ),
    ] {
        archive(&path, &[image.clone(), (name, member)]);
        let volume = read(&path);
        assert_eq!(volume.voxels().size(), [4, 3, 2], "{name}");
        let said = &volume.header().facts["npz.header_warning"];
        assert!(said.as_str().unwrap().contains(expected), "{said}");
    }
    // What is damaged is no array of another kind.
    let mut cut = array("<f8", "(3,)", 24);
    cut.truncate(20);
    archive(&path, &[image, ("spacing", cut)]);
    let message = refused(&path);
    assert!(
        message.starts_with("npz member spacing: the file ends within its header"),
        "{message}"
    );
}

/// Where nothing says how far voxels are apart, that is a fact, and where something does, it is none.
#[test]
fn a_spacing_that_is_assumed_is_a_fact() {
    for (name, assumed) in [
        ("int16.npy", true),
        ("plain.npz", true),
        ("float32.safetensors", true),
        ("placed.npz", false),
        ("placed.safetensors", false),
    ] {
        let volume = read(&folder().join(name));
        let fact = volume.header().facts.get(SPACING_ASSUMED);
        assert_eq!(fact, assumed.then_some(&true.into()), "{name}");
    }
}
