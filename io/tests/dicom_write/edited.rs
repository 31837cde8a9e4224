//! Attributes set and deleted, all else kept.

use std::fs;

use voxprep_io::dicom::{DeidentifyOptions, Edited, HeaderEdits, UidKey, audit, deidentify, edit};

use crate::made::{Syntax, file, image, text, with};
use crate::{folder, read};

fn edits(set: &[&str], delete: &[&str]) -> HeaderEdits {
    let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    HeaderEdits::new(&owned(set), &owned(delete)).unwrap()
}

/// IO-10: every byte but those of the edited attributes, and of the lengths that hang on them, stays,
/// in implicit, explicit, big endian and deflated files; so do the pixels.
#[test]
fn an_edited_file_is_the_file_with_these_attributes_and_no_other_difference() {
    let edits = edits(
        &[
            "PatientID=X",
            "(0020,4000)=a new comment",
            "0008,0018=1.2.3.999",
            "ImageType=DERIVED\\SECONDARY",
        ],
        &["0008|103E", "PatientAge", "(0019,1001)"],
    );
    let new = vec![
        text(0x0010, 0x0020, "LO", "X"),
        text(0x0020, 0x4000, "LT", "a new comment"),
        text(0x0008, 0x0018, "UI", "1.2.3.999"),
        text(0x0008, 0x0008, "CS", "DERIVED\\SECONDARY"),
    ];
    let gone = [(0x0008, 0x103E), (0x0010, 0x1010), (0x0019, 0x1001)];
    for syntax in Syntax::ALL {
        let place = folder();
        let [a, b] = ["a.dcm", "b.dcm"].map(|name| place.path().join(name));
        fs::write(&a, file(syntax, "1.2.3.1", &image())).unwrap();
        let mut expected = with(image(), new.clone());
        expected.retain(|made| !gone.contains(&made.tag));
        let done = edit(&a, &b, &edits).unwrap();
        assert_eq!(done.files, std::slice::from_ref(&b));
        assert_eq!(done.absent, Vec::<String>::new());
        let expected = file(syntax, "1.2.3.999", &expected);
        assert!(fs::read(&b).unwrap() == expected, "{syntax:?}");
        let hash = |path| blake3::hash(read(path).voxels().bytes());
        assert_eq!(hash(&a), hash(&b), "{syntax:?}");
    }
}

#[test]
fn a_folder_keeps_its_names_and_what_is_no_dicom_stays_behind() {
    let place = folder();
    let [from, to] = ["from", "to"].map(|name| place.path().join(name));
    fs::create_dir_all(from.join("deep")).unwrap();
    let bytes = file(Syntax::Explicit, "1.2.3.1", &image());
    fs::write(from.join("deep/one"), &bytes).unwrap();
    fs::write(from.join("notes.txt"), "no image").unwrap();
    let done = edit(&from, &to, &edits(&["StudyID=7"], &["(0011,1001)"])).unwrap();
    let expected = Edited {
        files: vec![to.join("deep/one")],
        others: 1,
        absent: vec!["(0011,1001)".into()],
    };
    assert_eq!(done, expected);
    assert_eq!(fs::read(from.join("deep/one")).unwrap(), bytes);
    let error = edit(&from, &to, &edits(&["StudyID=8"], &[]))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("the folder is not empty"), "{error}");
}

#[test]
fn a_folder_with_a_damaged_file_leaves_nothing() {
    let place = folder();
    let [from, to] = ["from", "to"].map(|name| place.path().join(name));
    fs::create_dir_all(&from).unwrap();
    let bytes = file(Syntax::Explicit, "1.2.3.1", &image());
    fs::write(from.join("a"), &bytes).unwrap();
    // Cut within the patient's name.
    let name = bytes.windows(8).position(|w| w == b"Doe^Jane").unwrap();
    fs::write(from.join("b"), &bytes[..name + 3]).unwrap();
    let error = edit(&from, &to, &edits(&["StudyID=7"], &[]))
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("from/b"), "{error}");
    let left: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["from"]);
}

#[test]
fn what_cannot_be_changed_is_refused_in_a_line() {
    let refused = |set: &[&str], delete: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        HeaderEdits::new(&owned(set), &owned(delete))
            .unwrap_err()
            .to_string()
    };
    for (set, said) in [
        (
            "PixelData=1",
            "(7FE0,0010) PixelData: pixels are not changed; leave this attribute as it is",
        ),
        (
            "SourceImageSequence=1",
            "(0008,2112) SourceImageSequence: sequences are not set; give a value of VR SQ",
        ),
        (
            "TransferSyntaxUID=1.2",
            "(0002,0010) TransferSyntaxUID: what says how the file is built follows from the data set; leave this attribute as it is",
        ),
        (
            "StudyDate=31.1.2024",
            "(0008,0020) StudyDate: '31.1.2024' is not a date as 20240131; give a value of VR DA",
        ),
        (
            "NoSuchName=1",
            "there is no attribute 'NoSuchName'; give a keyword of the standard, as PatientID, or a number, as (0010,0020)",
        ),
        ("PatientID", "'PatientID' sets nothing; give TAG=VALUE"),
        (
            "(0019,1001)=x",
            "(0019,1001): a private attribute has no known VR; private attributes can be deleted only",
        ),
        (
            "SpecificCharacterSet=ISO_IR 192",
            "(0008,0005) SpecificCharacterSet: all other texts of the file would be misread; leave this attribute as it is",
        ),
    ] {
        assert_eq!(refused(&[set], &[]), said);
    }
    let message = refused(&[], &["SOPInstanceUID"]);
    assert!(
        message.ends_with("every object has this attribute; set it, or leave it"),
        "{message}"
    );
    let message = refused(&["StudyID=1"], &["StudyID"]);
    assert!(message.contains("to be set and to be deleted"), "{message}");
}

#[test]
fn letters_that_the_file_does_not_have_are_refused_and_the_input_is_never_replaced() {
    let place = folder();
    let [a, b] = ["a.dcm", "b.dcm"].map(|name| place.path().join(name));
    fs::write(&a, file(Syntax::Explicit, "1.2.3.1", &image())).unwrap();
    let error = edit(&a, &b, &edits(&["PatientName=M\u{fc}ller"], &[]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("no letters but those of ASCII"), "{error}");
    assert!(!b.exists());
    let latin = with(image(), vec![text(0x0008, 0x0005, "CS", "ISO_IR 100")]);
    fs::write(&a, file(Syntax::Explicit, "1.2.3.1", &latin)).unwrap();
    edit(&a, &b, &edits(&["PatientName=M\u{fc}ller"], &[])).unwrap();
    let bytes = fs::read(&b).unwrap();
    assert!(bytes.windows(6).any(|w| w == b"M\xfcller"));
    let error = edit(&a, &a, &edits(&["StudyID=1"], &[]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("would replace the input"), "{error}");
}

/// Whatever is wrong with a file, it is an error or an edit, never a panic.
#[test]
fn a_mutated_file_is_edited_or_refused() {
    let place = folder();
    let [a, b] = ["a.dcm", "b.dcm"].map(|name| place.path().join(name));
    let edits = edits(&["PatientID=X"], &["(0008,103E)"]);
    let options = DeidentifyOptions {
        key: UidKey::from_secret(b"k"),
        keep_burned_in: true,
    };
    let (mut done, mut refused) = (0, 0);
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..2000 {
        let mut bytes = file(Syntax::ALL[round % 4], "1.2.3.1", &image());
        for _ in 0..=random(3) {
            let at = 132 + random(bytes.len() - 132);
            bytes[at] = [0, 1, 0x7F, 0xFF, b'S', 0xFE][random(6)];
        }
        if random(4) == 0 {
            bytes.truncate(random(bytes.len()));
        }
        fs::write(&a, bytes).unwrap();
        for outcome in [
            edit(&a, &b, &edits).map(drop),
            deidentify(&a, &b, &options).map(drop),
            audit(&a).map(drop),
        ] {
            match outcome {
                Ok(()) => done += 1,
                Err(error) => {
                    assert!(error.to_string().lines().count() == 1, "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(
        done > 500 && refused > 500,
        "{done} done, {refused} refused"
    );
}
