//! What is carried from the header of one file to that of the next.

use serde_json::{Value, json};
use voxprep_core::volume::Unit;

use super::*;

/// Reads a file, writes the volume, and gives both headers as bytes, little-endian.
fn rewritten(made: &Made) -> (Volume, Vec<u8>) {
    let folder = Folder::new();
    let volume = read(&folder.with("a.nii", &made.bytes)).unwrap();
    let path = folder.path("b.nii");
    write(&path, &volume).unwrap();
    (volume, fs::read(&path).unwrap())
}

fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Puts extensions between the header and the voxels.
fn extended(mut made: Made, extensions: &[(i32, i32, &[u8])]) -> Made {
    let voxels = made.bytes.split_off(352);
    made.bytes[348] = 1;
    for (size, code, contents) in extensions {
        let end = made.bytes.len() + *size as usize;
        for number in [size, code] {
            let bytes = if made.big {
                number.to_be_bytes()
            } else {
                number.to_le_bytes()
            };
            made.bytes.extend(bytes);
        }
        made.bytes.extend(*contents);
        made.bytes.resize(end, 0);
    }
    let offset = made.bytes.len() as f32;
    made.f32(108, offset);
    made.bytes.extend(voxels);
    made
}

#[test]
fn extensions_are_carried_in_the_facts_and_written_back() {
    for big in [false, true] {
        let made = Made::new(big, &[2, 1, 1], 4).voxels(bytemuck::cast_slice(&[-5_i16, 6]), 2);
        let made = extended(
            made,
            &[
                (32, 6, b"a comment"),
                (48, 4, b"\xff\x00\x01"),
                (16, 40, b""),
            ],
        );
        let (volume, bytes) = rewritten(&made);
        assert_eq!(
            volume.header().facts["nifti.extensions"],
            json!([
                {"code": 6, "size": 32, "text": "a comment"},
                {"code": 4, "size": 48, "hex": "ff0001"},
                {"code": 40, "size": 16, "text": ""},
            ])
        );
        let mut little = Made::new(false, &[2, 1, 1], 4);
        little.bytes.extend([0; 4]);
        let expected = extended(
            little,
            &[
                (32, 6, b"a comment"),
                (48, 4, b"\xff\x00\x01"),
                (16, 40, b""),
            ],
        );
        assert_eq!(bytes[348..448], expected.bytes[348..448]);
        assert_eq!(f32_at(&bytes, 108), 448.0);
        assert_eq!(bytes[448..], [0xfb, 0xff, 6, 0]);
        assert_eq!(all::<i16>(&read_bytes(&bytes).unwrap()), [-5, 6]);
    }
}

/// DESIGN 7: identifiers stay out of outputs. The extension that holds DICOM attributes is named.
#[test]
fn an_extension_that_may_say_who_was_scanned_is_left_out() {
    let made = Made::new(false, &[1], 2).voxels(&[9], 1);
    let made = extended(made, &[(32, 2, b"PatientName=Doe"), (16, 6, b"kept")]);
    let (volume, bytes) = rewritten(&made);
    let facts = serde_json::to_string(volume.header()).unwrap();
    assert!(
        !facts.contains("Doe") && facts.contains("who was scanned"),
        "{facts}"
    );
    assert_eq!(bytes.len(), 352 + 16 + 1);
    assert!(!bytes.windows(3).any(|w| w == b"Doe"));
}

#[test]
fn an_extension_of_an_impossible_size_costs_itself_and_not_the_volume() {
    for size in [-1, 0, 4, 7, 1000, i32::MAX] {
        let made = Made::new(false, &[1], 2).voxels(&[9], 1);
        let mut made = extended(made, &[(16, 6, b"good"), (32, 6, b"bad")]);
        made.i32(352 + 16, size);
        let volume = read_bytes(&made.bytes).unwrap();
        assert_eq!(all::<u8>(&volume), [9]);
        let facts = &volume.header().facts;
        assert_eq!(facts["nifti.extensions"].as_array().unwrap().len(), 1);
        let said = facts["nifti.header_warning"].as_str().unwrap();
        let expected = format!("header extension 2 (code 6) states a size of {size} bytes");
        assert!(said.starts_with(&expected), "{said}");
    }
}

/// Points in time keep their distance, and the unit in which the file counts.
#[test]
fn time_is_written_in_the_unit_in_which_it_came() {
    for units in [0, 2, 2 | 8, 2 | 16, 2 | 24] {
        let mut made = Made::new(true, &[1, 1, 1, 3], 2).voxels(&[1, 2, 3], 1);
        made.f32(76 + 16, 720.0);
        made.f32(136, 15.0);
        made.bytes[123] = units;
        let (_, bytes) = rewritten(&made);
        assert_eq!(f32_at(&bytes, 92), 720.0, "{units}");
        assert_eq!(bytes[123], units & !7 | 2, "{units}");
        assert_eq!(f32_at(&bytes, 136), 15.0, "{units}");
    }
}

#[test]
fn a_spectrum_stays_in_dimension_4() {
    for units in [32, 40, 48] {
        let mut made = Made::new(false, &[1, 1, 1, 3], 2).voxels(&[1, 2, 3], 1);
        made.f32(76 + 16, 0.5);
        made.bytes[123] = 2 | units;
        let (_, bytes) = rewritten(&made);
        assert_eq!((i16_at(&bytes, 40), i16_at(&bytes, 48)), (4, 3));
        assert_eq!((f32_at(&bytes, 92), bytes[123]), (0.5, 2 | units));
    }
}

#[test]
fn the_meaning_of_the_coordinates_is_kept() {
    let code = |qform: i16, sform: i16| {
        let mut made = Made::new(false, &[2, 2, 2], 2).voxels(&[0; 8], 1);
        made.i16(252, qform);
        made.i16(254, sform);
        let (_, bytes) = rewritten(&made);
        (i16_at(&bytes, 252), i16_at(&bytes, 254))
    };
    assert_eq!(code(1, 4), (4, 4));
    assert_eq!(code(0, 3), (3, 3));
    assert_eq!(code(1, 0), (1, 1));
    // Neither: the place is an assumption, and not the scanner's.
    assert_eq!(code(0, 0), (2, 2));
}

#[test]
fn an_intent_is_kept_while_the_values_are_what_they_were() {
    let mut made =
        Made::new(false, &[2, 1, 1], 16).voxels(bytemuck::cast_slice(&[1.5_f32, -2.0]), 4);
    made.i16(68, 3);
    made.f32(56, 12.0);
    let (volume, bytes) = rewritten(&made);
    assert_eq!((i16_at(&bytes, 68), f32_at(&bytes, 56)), (3, 12.0));
    let folder = Folder::new();
    let path = folder.path("a.nii");
    // Mapped onto a range, they are no t values any more.
    write(&path, &volume.with_unit(Unit::Normalised)).unwrap();
    assert_eq!(i16_at(&fs::read(&path).unwrap(), 68), 0);
}

#[test]
fn facts_of_a_strange_kind_do_no_harm() {
    let made = Made::new(false, &[1], 2).voxels(&[9], 1);
    let (mut header, voxels) = read_bytes(&made.bytes).unwrap().into_parts();
    for (key, value) in [
        (
            "nifti.extensions",
            json!([1, null, {"code": "6"}, {"code": 1e300, "text": "x"}]),
        ),
        ("nifti.intent_code", json!(1_000_000)),
        ("nifti.sform_code", json!("four")),
        ("nifti.xyzt_units", json!([2])),
        ("nifti.intent_p", Value::Null),
    ] {
        header.facts.insert(key.to_owned(), value);
    }
    let folder = Folder::new();
    let path = folder.path("a.nii");
    write(&path, &Volume::with_header(header, voxels).unwrap()).unwrap();
    assert_eq!(fs::read(&path).unwrap().len(), 353);
    assert_eq!(all::<u8>(&read(&path).unwrap()), [9]);
}
