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

/// The extensions that a volume carries: code and contents without the zeros at their end.
fn carried(volume: &Volume) -> Vec<(i32, Vec<u8>)> {
    let attachments = volume.header().attachments.iter();
    attachments
        .map(|attachment| {
            assert_eq!(attachment.kind, "nifti");
            let end = attachment.bytes.iter().rposition(|&b| b != 0);
            let contents = &attachment.bytes[..end.map_or(0, |end| end + 1)];
            (attachment.code, contents.to_vec())
        })
        .collect()
}

#[test]
fn extensions_are_carried_along_and_written_back() {
    for big in [false, true] {
        let made = Made::new(big, &[2, 1, 1], 4).voxels(bytemuck::cast_slice(&[-5_i16, 6]), 2);
        let extensions: [(i32, i32, &[u8]); 3] = [
            (32, 6, b"a comment"),
            (48, 4, b"\xff\x00\x01"),
            (16, 40, b""),
        ];
        let (volume, bytes) = rewritten(&extended(made, &extensions));
        assert_eq!(
            volume.header().facts["nifti.extensions"],
            json!([
                {"code": 6, "size": 32},
                {"code": 4, "size": 48},
                {"code": 40, "size": 16},
            ])
        );
        assert_eq!(
            carried(&volume),
            extensions.map(|(_, code, contents)| (code, contents.to_vec()))
        );
        let mut little = Made::new(false, &[2, 1, 1], 4);
        little.bytes.extend([0; 4]);
        let expected = extended(little, &extensions);
        assert_eq!(bytes[348..448], expected.bytes[348..448]);
        assert_eq!(f32_at(&bytes, 108), 448.0);
        assert_eq!(bytes[448..], [0xfb, 0xff, 6, 0]);
        assert_eq!(all::<i16>(&read_bytes(&bytes).unwrap()), [-5, 6]);
    }
}

/// DESIGN 7: identifiers stay out of outputs. Extensions that hold DICOM attributes, XCEDE or the
/// header of NIfTI-MRS are named by their code and not written; a comment is written, and is in
/// nothing else that is made of the header.
#[test]
fn what_extensions_say_is_in_no_record_and_some_of_them_are_left_out() {
    let made = Made::new(false, &[1], 2).voxels(&[9], 1);
    let made = extended(
        made,
        &[
            (32, 2, b"PatientName=Doe"),
            (32, 6, b"Patient: Doe, 1970"),
            (48, 44, b"{\"PatientName\": \"Doe^Jane\"}"),
            (16, 8, b"<Doe/>"),
        ],
    );
    let (volume, bytes) = rewritten(&made);
    // What the sidecar, the report and messages are made of.
    let header = volume.header();
    for text in [
        serde_json::to_string(header).unwrap(),
        format!("{header:?}"),
    ] {
        assert!(!text.contains("Doe") && !text.contains("446f65"), "{text}");
    }
    assert_eq!(
        header.facts["nifti.extensions"],
        json!([
            {"code": 2, "size": 32},
            {"code": 6, "size": 32},
            {"code": 44, "size": 48},
            {"code": 8, "size": 16},
        ])
    );
    assert_eq!(header.facts["nifti.extensions_left_out"], json!([2, 44, 8]));
    assert_eq!(bytes.len(), 352 + 32 + 1);
    assert_eq!(bytes[360..378], *b"Patient: Doe, 1970");
}

#[test]
fn an_extension_of_an_impossible_size_costs_itself_and_not_the_volume() {
    for (size, why) in [
        (-1, "where multiples of 16 are possible"),
        (0, "where multiples of 16 are possible"),
        (8, "where multiples of 16 are possible"),
        (17, "where multiples of 16 are possible"),
        (1008, "of which 32 are there"),
        (i32::MAX - 15, "of which 32 are there"),
    ] {
        let made = Made::new(false, &[1], 2).voxels(&[9], 1);
        let mut made = extended(made, &[(16, 6, b"good"), (32, 6, b"bad")]);
        made.i32(352 + 16, size);
        let volume = read_bytes(&made.bytes).unwrap();
        assert_eq!(all::<u8>(&volume), [9]);
        assert_eq!(carried(&volume), [(6, b"good".to_vec())]);
        let facts = &volume.header().facts;
        assert_eq!(facts["nifti.extensions"].as_array().unwrap().len(), 1);
        let said = facts["nifti.header_warning"].as_str().unwrap();
        let expected =
            format!("header extension 2 (code 6) states a size of {size} bytes, {why}; it and");
        assert!(said.starts_with(&expected), "{said}");
    }
}

/// 24 kB of gzip may hold two million of them.
#[test]
fn at_most_256_extensions_are_carried_along() {
    let made = Made::new(false, &[1], 2).voxels(&[9], 1);
    let extension: (i32, i32, &[u8]) = (16, 6, b"again");
    for (count, warned) in [(256, false), (257, true), (5000, true)] {
        let many = extended(made.clone(), &vec![extension; count]);
        let volume = read(&Folder::new().with("a.nii.gz", &gzip(&many.bytes))).unwrap();
        assert_eq!(all::<u8>(&volume), [9]);
        assert_eq!(volume.header().attachments.len(), 256);
        let said = volume.header().facts.get("nifti.header_warning");
        let expected = "the header has more than 256 extensions; those that follow are not kept";
        assert_eq!(said.is_some(), warned, "{count}");
        assert!(said.is_none_or(|said| said == expected), "{said:?}");
    }
}

#[test]
fn an_extension_beyond_16_mib_is_said_to_be_beyond_the_limit() {
    let size = 17 << 20;
    let made = Made::new(false, &[1], 2).voxels(&[9], 1);
    let made = extended(made, &[(16, 6, b"good"), (size, 6, b"long")]);
    let volume = read_bytes(&made.bytes).unwrap();
    assert_eq!(all::<u8>(&volume), [9]);
    assert_eq!(carried(&volume), [(6, b"good".to_vec())]);
    let said = volume.header().facts["nifti.header_warning"]
        .as_str()
        .unwrap();
    assert_eq!(
        said,
        "header extension 2 (code 6) of 17825792 bytes goes beyond the 16 MiB of extensions that \
         are carried along; it and what follows it are not kept, so keep the original file"
    );
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

/// A spectrum of one point before tuples is what tells the tuples from a spectrum.
#[test]
fn the_dimensions_of_a_spectrum_are_kept() {
    for units in [32, 40, 48] {
        let mut made = Made::new(false, &[2, 1, 1, 1, 3], 2).voxels(&[7; 6], 1);
        made.f32(76 + 16, 0.0);
        made.bytes[123] = 2 | units;
        let (_, bytes) = rewritten(&made);
        let dim: Vec<_> = (0..6).map(|i| i16_at(&bytes, 40 + 2 * i)).collect();
        assert_eq!(dim, [5, 2, 1, 1, 1, 3], "{units}");
        assert_eq!((f32_at(&bytes, 92), bytes[123]), (0.0, 2 | units));
    }
}

#[test]
fn a_size_of_voxels_that_is_not_that_of_their_type_is_said_aloud() {
    let warning = |datatype: i16, bitpix: i16| {
        let mut made = Made::new(false, &[2, 1, 1], datatype).voxels(&[0; 32], 1);
        made.i16(72, bitpix);
        let volume = read_bytes(&made.bytes).unwrap();
        volume.header().facts.get("nifti.header_warning").cloned()
    };
    for (datatype, bitpix) in [
        (4, 16),
        (4, 0),
        (128, 24),
        (2304, 32),
        (32, 64),
        (1792, 128),
    ] {
        assert_eq!(warning(datatype, bitpix), None, "{datatype}");
    }
    assert_eq!(
        warning(4, 8).unwrap(),
        "the header states 8 bits per voxel (bitpix), its datatype 4 has 16; the datatype is used"
    );
    assert!(warning(128, 8).is_some() && warning(4, -16).is_some());
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

/// The intent of a file of these dimensions, rewritten.
fn intent(dim: &[i16], code: i16) -> i16 {
    let count: i16 = dim.iter().product();
    let values: Vec<f32> = (0..count).map(f32::from).collect();
    let mut made = Made::new(false, dim, 16).voxels(bytemuck::cast_slice(&values), 4);
    made.i16(68, code);
    i16_at(&rewritten(&made).1, 68)
}

#[test]
fn an_intent_is_kept_while_dimension_5_is_what_it_was() {
    // Dimensionless values; t values and their degrees of freedom; colours; displacements.
    assert_eq!(intent(&[2, 2, 2], 1011), 1011);
    assert_eq!(intent(&[2, 2, 2, 1, 2], 3), 3);
    assert_eq!(intent(&[2, 2, 2, 1, 3], 2003), 2003);
    assert_eq!(intent(&[2, 2, 2, 1, 3], 1006), 1006);
    assert_eq!(intent(&[2, 2, 2, 4, 3, 1, 2], 1004), 1004);
    assert_eq!(intent(&[2, 2, 2, 1, 1], 1005), 1005);
}

/// Three components of a symmetric matrix of six are no symmetric matrix.
#[test]
fn an_intent_goes_with_the_components_it_speaks_of() {
    use voxprep_core::buf::Buf;
    use voxprep_core::volume::{AxisKind, Channels};
    use voxprep_core::voxels::Voxels;
    let mut made = Made::new(false, &[2, 1, 1, 1, 6], 2).voxels(&[7; 12], 1);
    made.i16(68, 1005);
    let (mut header, _) = read_bytes(&made.bytes).unwrap().into_parts();
    let names = ["xx", "xy", "xz"].map(str::to_owned);
    header.channels = Channels::named(AxisKind::Component, names.to_vec());
    let voxels = Voxels::new(3, [2, 1, 1], Buf::from(vec![7_u8; 6])).unwrap();
    let folder = Folder::new();
    let path = folder.path("a.nii");
    write(&path, &Volume::with_header(header, voxels).unwrap()).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!((i16_at(&bytes, 50), i16_at(&bytes, 68)), (3, 0));
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
