//! What identifies somebody is gone at every depth; pixels and geometry stay.

use std::fs;
use std::path::Path;

use voxprep_io::dicom::{DeidentifyOptions, UidKey, audit, deidentify};

use crate::made::{PIXELS, Syntax, bytes, file, image, items, short, text, with};
use crate::{folder, read};

fn options(secret: &[u8]) -> DeidentifyOptions {
    DeidentifyOptions {
        key: UidKey::from_secret(secret),
        keep_burned_in: false,
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn value(path: &Path, name: &str) -> String {
    let file = dicom_object::open_file(path).unwrap();
    file.element_by_name(name)
        .unwrap()
        .to_str()
        .unwrap()
        .into_owned()
}

const NAMES: [&str; 13] = [
    "Doe",
    "Jane",
    "JANE",
    "4711",
    "DEEPID77",
    "PRIVATEDEEP",
    "Elsewhere",
    "20240131",
    "045Y",
    "1.2.3.",
    "STATION17",
    "preamble",
    "MAKER",
];

/// IO-10: the profile, in all syntaxes.
#[test]
fn nothing_that_identifies_is_left_and_the_pixels_are_the_same() {
    for syntax in Syntax::ALL {
        let place = folder();
        let [a, b] = ["a.dcm", "b.dcm"].map(|name| place.path().join(name));
        fs::write(&a, file(syntax, "1.2.3.1", &image())).unwrap();
        let values = audit(&a).unwrap();
        let said = |text: &str| values.iter().find(|audited| audited.value == text).unwrap();
        assert!(said("DEEPID77").identifies && said("1.2.3.2").identifies);
        assert!(!said("MONOCHROME2").identifies);
        let done = deidentify(&a, &b, &options(b"a secret")).unwrap();
        assert_eq!((done.files.len(), done.burned_in_unstated), (1, 1));
        let mut whole = fs::read(&b).unwrap();
        if syntax == Syntax::Deflated {
            use std::io::Read;
            // The data set is whatever inflates behind the meta information.
            let at = 132 + 12 + u32::from_le_bytes(whole[140..144].try_into().unwrap()) as usize;
            let mut data = Vec::new();
            flate2::read::DeflateDecoder::new(&whole[at..])
                .read_to_end(&mut data)
                .unwrap();
            whole.truncate(at);
            whole.extend(data);
        }
        for name in NAMES {
            assert!(!holds(&whole, name), "{name} in {syntax:?}");
        }
        assert!(whole.ends_with(&PIXELS), "{syntax:?}");
        let (before, after) = (read(&a), read(&b));
        assert_eq!(before.voxels().bytes(), after.voxels().bytes());
        assert_eq!(before.geometry(), after.geometry());
        if syntax == Syntax::Deflated {
            // The other reader cannot inflate.
            continue;
        }
        assert_eq!(value(&b, "PatientIdentityRemoved"), "YES");
        assert_eq!(
            value(&b, "LongitudinalTemporalInformationModified"),
            "REMOVED"
        );
        assert!(value(&b, "DeidentificationMethod").contains("Basic Profile"));
        assert_eq!(value(&b, "PatientName"), value(&b, "PatientID"));
        // The class of a referenced image is no identifier, its instance is.
        let file = dicom_object::open_file(&b).unwrap();
        let outer = file
            .element_by_name("ReferencedImageSequence")
            .unwrap()
            .items()
            .unwrap();
        let inner = outer[0]
            .element_by_name("PurposeOfReferenceCodeSequence")
            .unwrap()
            .items()
            .unwrap();
        let text = |name: &str| {
            inner[1]
                .element_by_name(name)
                .unwrap()
                .to_str()
                .unwrap()
                .into_owned()
        };
        assert_eq!(text("ReferencedSOPClassUID"), "1.2.840.10008.5.1.4.1.1.4");
        assert!(text("ReferencedSOPInstanceUID").starts_with("2.25."));
        assert_eq!(
            file.meta().media_storage_sop_instance_uid(),
            value(&b, "SOPInstanceUID")
        );
    }
}

/// Texts that the profile keeps may still repeat who was scanned.
#[test]
fn a_kept_text_that_repeats_the_patient_goes() {
    let place = folder();
    let elements = with(
        image(),
        vec![
            text(0x0018, 0x0024, "SH", "seq for DOE_JANE"),
            text(0x0018, 0x1016, "LO", "of hospital4711"),
            text(0x0018, 0x1018, "LO", "another text"),
        ],
    );
    let [a, b] = ["a", "b"].map(|name| place.path().join(name));
    fs::write(&a, file(Syntax::Implicit, "1.2.3.1", &elements)).unwrap();
    deidentify(&a, &b, &options(b"k")).unwrap();
    let names = [
        "SequenceName",
        "SecondaryCaptureDeviceManufacturer",
        "SecondaryCaptureDeviceManufacturerModelName",
    ];
    assert_eq!(
        names.map(|name| value(&b, name)),
        ["REMOVED", "REMOVED", "another text"]
    );
}

#[test]
fn new_uids_agree_within_a_run_and_with_a_key_across_runs() {
    let place = folder();
    let from = place.path().join("from");
    fs::create_dir_all(&from).unwrap();
    let second = with(
        image(),
        vec![
            text(0x0008, 0x0018, "UI", "1.2.3.55"),
            text(0x0020, 0x0013, "IS", "2"),
            text(0x0020, 0x0032, "DS", "0\\0\\2.5"),
        ],
    );
    fs::write(
        from.join("Doe Jane 2"),
        file(Syntax::Explicit, "1.2.3.55", &second),
    )
    .unwrap();
    fs::write(
        from.join("Doe Jane 1"),
        file(Syntax::Implicit, "1.2.3.1", &image()),
    )
    .unwrap();
    let run = |name: &str, key: UidKey| {
        let to = place.path().join(name);
        let options = DeidentifyOptions {
            key,
            keep_burned_in: false,
        };
        let done = deidentify(&from, &to, &options).unwrap();
        assert_eq!(
            done.files,
            ["IM0001.dcm", "IM0002.dcm"].map(|file| to.join("SE0001").join(file))
        );
        assert_eq!(read(&to).geometry().size(), [3, 2, 2]);
        let [a, b] = [&done.files[0], &done.files[1]];
        assert_eq!(value(a, "SeriesInstanceUID"), value(b, "SeriesInstanceUID"));
        // The first refers to the second.
        let file = dicom_object::open_file(a).unwrap();
        let outer = file
            .element_by_name("ReferencedImageSequence")
            .unwrap()
            .items()
            .unwrap();
        let inner = outer[0]
            .element_by_name("PurposeOfReferenceCodeSequence")
            .unwrap()
            .items()
            .unwrap();
        let referenced = inner[0]
            .element_by_name("ReferencedSOPInstanceUID")
            .unwrap()
            .to_str()
            .unwrap();
        assert_eq!(referenced, value(b, "SOPInstanceUID"));
        [value(a, "SOPInstanceUID"), value(a, "PatientID")]
    };
    let keyed = |secret: &[u8]| UidKey::from_secret(secret);
    let first = run("a", keyed(b"one secret"));
    assert_eq!(first, run("b", keyed(b"one secret")));
    for (name, key) in [("c", keyed(b"other")), ("d", UidKey::random().unwrap())] {
        let other = run(name, key);
        assert!(first[0] != other[0] && first[1] != other[1], "{name}");
    }
}

#[test]
fn burned_in_text_is_refused_unless_it_is_asked_for() {
    let burned = with(image(), vec![text(0x0028, 0x0301, "CS", "YES")]);
    let overlay = with(
        image(),
        vec![short(0x6000, 0x0010, 2), short(0x6000, 0x0102, 12)],
    );
    let place = folder();
    for (number, elements) in [burned, overlay].into_iter().enumerate() {
        let [a, b] = ["a", "b"].map(|name| place.path().join(format!("{name}{number}")));
        fs::write(&a, file(Syntax::Explicit, "1.2.3.1", &elements)).unwrap();
        let message = deidentify(&a, &b, &options(b"k")).unwrap_err().to_string();
        assert!(
            message.contains("--keep-burned-in") && !b.exists(),
            "{message}"
        );
        let keep = DeidentifyOptions {
            keep_burned_in: true,
            ..options(b"k")
        };
        assert_eq!(deidentify(&a, &b, &keep).unwrap().burned_in, 1);
    }
}

#[test]
fn what_follows_the_pixels_and_unknown_attributes_go_and_documents_are_left_out() {
    let place = folder();
    let elements = with(
        image(),
        vec![
            text(0x0008, 0xFFF0, "LO", "NOSUCHJANE"),
            text(0x0014, 0x2006, "PN", "Evaluator^Jane"),
            bytes(0xFFFA, 0xFFFA, "SQ", &[]),
            bytes(0xFFFD, 0x0010, "LO", b"PRIVATE JANE"),
            bytes(0x0040, 0xA0AA, "UN", b"JANE UNKNOWN"),
        ],
    );
    let [a, b] = ["a", "b"].map(|name| place.path().join(name));
    fs::write(&a, file(Syntax::Explicit, "1.2.3.1", &elements)).unwrap();
    deidentify(&a, &b, &options(b"k")).unwrap();
    let whole = fs::read(&b).unwrap();
    assert!(whole.ends_with(&PIXELS));
    for name in ["JANE", "Jane", "Evaluator"] {
        assert!(!holds(&whole, name), "{name}");
    }
    let from = place.path().join("from");
    fs::create_dir_all(&from).unwrap();
    let pdf = with(
        image(),
        vec![text(0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.104.1")],
    );
    fs::write(from.join("1"), file(Syntax::Explicit, "1.2.3.1", &pdf)).unwrap();
    fs::write(from.join("2"), file(Syntax::Explicit, "1.2.3.1", &image())).unwrap();
    let done = deidentify(&from, &place.path().join("to"), &options(b"k")).unwrap();
    assert_eq!((done.files.len(), done.left_out.len()), (1, 1));
}

/// Deidentifies a file of these elements; what is written, as bytes.
fn deidentified(elements: &[crate::made::Made]) -> Vec<u8> {
    let place = folder();
    let [a, b] = ["a", "b"].map(|name| place.path().join(name));
    fs::write(&a, file(Syntax::Explicit, "1.2.3.1", elements)).unwrap();
    deidentify(&a, &b, &options(b"k")).unwrap();
    fs::read(&b).unwrap()
}

/// IO-10: what people wrote into sequences that the profile replaces goes with their items.
#[test]
fn free_text_of_reports_and_annotations_goes_and_reports_are_left_out() {
    let said = |undefined| {
        let item = vec![text(0x0040, 0xA160, "UT", "seen by Sherlock")];
        let note = vec![text(0x0070, 0x0006, "ST", "nodule of Watson")];
        vec![
            items(0x0040, 0x0555, vec![item.clone()], undefined),
            items(0x0040, 0xA730, vec![item.clone()], undefined),
            items(0x0040, 0xB020, vec![note.clone()], undefined),
            items(
                0x0070,
                0x0001,
                vec![vec![items(0x0070, 0x0008, vec![note], undefined)]],
                undefined,
            ),
        ]
    };
    for undefined in [false, true] {
        let whole = deidentified(&with(image(), said(undefined)));
        for name in ["Sherlock", "Watson"] {
            assert!(!holds(&whole, name), "{name}");
        }
    }
    let place = folder();
    let from = place.path().join("from");
    fs::create_dir_all(&from).unwrap();
    let report = with(
        image(),
        vec![text(0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.88.33")],
    );
    fs::write(from.join("1"), file(Syntax::Explicit, "1.2.3.1", &report)).unwrap();
    fs::write(from.join("2"), file(Syntax::Explicit, "1.2.3.1", &image())).unwrap();
    let done = deidentify(&from, &place.path().join("to"), &options(b"k")).unwrap();
    assert_eq!((done.files.len(), done.left_out.len()), (1, 1));
}

/// IO-10: the dictionary says what an attribute is, whatever VR the file states.
#[test]
fn a_wrong_vr_hides_nobody() {
    let mut hidden = vec![0xFE, 0xFF, 0x00, 0xE0, 24, 0, 0, 0];
    hidden.extend([0x08, 0x00, 0x70, 0x00, b'L', b'O', 16, 0]);
    hidden.extend(b"Moriarty^James  ");
    let whole = deidentified(&with(
        image(),
        vec![
            text(0x0014, 0x2006, "LO", "Holmes^Mycroft"),
            bytes(0x0008, 0x1140, "OB", &hidden),
            bytes(0x0018, 0x1016, "OB", b"of Jane "),
        ],
    ));
    for name in ["Holmes", "Moriarty", "Jane"] {
        assert!(!holds(&whole, name), "{name}");
    }
}

/// IO-10: a code that repeats the name is replaced, the codes beside it stay.
#[test]
fn names_in_codes_and_in_other_letters_go() {
    let place = folder();
    let [a, b] = ["a", "b"].map(|name| place.path().join(name));
    let elements = with(
        image(),
        vec![
            text(0x0008, 0x0005, "CS", "ISO_IR 192"),
            text(0x0008, 0x0008, "CS", "ORIGINAL\\PRIMARY\\MÜLLER-ORG"),
            text(0x0010, 0x0010, "PN", "Müller-Org^Jan"),
            text(0x0010, 0x0020, "LO", "17"),
            text(0x0018, 0x0021, "CS", "SK\\MÜLLER"),
            text(0x0018, 0x0022, "CS", "JAN"),
            text(0x0018, 0x0024, "SH", "*fl3d for MÜLLER"),
            text(0x0018, 0x1016, "LO", "the case 17"),
            text(0x0018, 0x1018, "LO", "of January 170"),
        ],
    );
    fs::write(&a, file(Syntax::Explicit, "1.2.3.1", &elements)).unwrap();
    deidentify(&a, &b, &options(b"k")).unwrap();
    let file = dicom_object::open_file(&b).unwrap();
    for (name, expected) in [
        ("ImageType", "ORIGINAL\\PRIMARY\\REMOVED"),
        ("SequenceVariant", "SK\\REMOVED"),
        ("ScanOptions", "REMOVED"),
        ("SequenceName", "REMOVED"),
        ("SecondaryCaptureDeviceManufacturer", "REMOVED"),
        (
            "SecondaryCaptureDeviceManufacturerModelName",
            "of January 170",
        ),
        ("Modality", "MR"),
    ] {
        let values = file.element_by_name(name).unwrap().to_multi_str().unwrap();
        assert_eq!(values.join("\\"), expected, "{name}");
    }
}

/// IO-10: patients whose identifiers differ only in bytes that are no UTF-8 stay two patients.
#[test]
fn identifiers_in_other_character_sets_are_not_merged() {
    let place = folder();
    let pseudonym = |name: &str, charset: &'static str, identifier: &[u8]| {
        let [a, b] = ["a", "b"].map(|end| place.path().join(format!("{name}{end}")));
        let elements = with(
            image(),
            vec![
                text(0x0008, 0x0005, "CS", charset),
                bytes(0x0010, 0x0020, "LO", identifier),
            ],
        );
        fs::write(&a, file(Syntax::Explicit, "1.2.3.1", &elements)).unwrap();
        deidentify(&a, &b, &options(b"k")).unwrap();
        value(&b, "PatientID")
    };
    let first = pseudonym("1", "ISO_IR 100", b"M\xFCLLER ");
    assert_eq!(first.len(), 13);
    assert_ne!(first, pseudonym("2", "ISO_IR 100", b"M\xF6LLER "));
    assert_ne!(first, pseudonym("3", "ISO_IR 101", b"M\xFCLLER "));
    assert_eq!(first, pseudonym("4", "ISO_IR 100", b" M\xFCLLER\0"));
    // ASCII is the same in all of them.
    let plain = pseudonym("5", "ISO_IR 100", b"4711");
    assert_eq!(plain, pseudonym("6", "ISO_IR 192", b"4711"));
}

/// IO-10: a name in the clothes of a standard UID is no standard UID.
#[test]
fn a_uid_under_the_standards_root_is_new_unless_the_standard_knows_it() {
    let place = folder();
    let [a, b] = ["a", "b"].map(|name| place.path().join(name));
    let elements = with(
        image(),
        vec![
            text(0x0020, 0x000E, "UI", "1.2.840.10008.19700101.4711"),
            text(0x0020, 0x0052, "UI", "1.2.840.10008.1.4.1.1"),
        ],
    );
    fs::write(&a, file(Syntax::Explicit, "1.2.3.1", &elements)).unwrap();
    deidentify(&a, &b, &options(b"k")).unwrap();
    assert!(value(&b, "SeriesInstanceUID").starts_with("2.25."));
    assert_eq!(value(&b, "FrameOfReferenceUID"), "1.2.840.10008.1.4.1.1");
}

#[test]
fn nothing_is_written_into_the_folder_that_is_read() {
    let place = folder();
    let from = place.path().join("from");
    fs::create_dir_all(&from).unwrap();
    fs::write(from.join("1"), file(Syntax::Explicit, "1.2.3.1", &image())).unwrap();
    let inside = from.join("new/deeper");
    let edits = voxprep_io::dicom::HeaderEdits::new(&["PatientID=1".to_owned()], &[]).unwrap();
    let edited = voxprep_io::dicom::edit(&from, &inside, &edits).unwrap_err();
    let deidentified = deidentify(&from, &inside, &options(b"k")).unwrap_err();
    for error in [edited, deidentified] {
        let message = error.to_string();
        assert!(message.contains("in the folder that is read"), "{message}");
    }
    assert_eq!(fs::read_dir(&from).unwrap().count(), 1);
    // Beside it is well.
    voxprep_io::dicom::edit(&from, &place.path().join("from2"), &edits).unwrap();
}
