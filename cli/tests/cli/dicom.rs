//! DICOM on the command line: written, edited, deidentified; and who was scanned stays out of
//! everything that is said or written without being asked for.

#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use voxprep_core::volume::Role;
use voxprep_io::ReadOptions;
use voxprep_io::dicom::audit;

use crate::case::{Answer, Case};
use crate::refused::{USAGE, refused};

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("VOXPREP_SHARED").map_or(beside, PathBuf::from);
    let data = shared.join("data/dicom");
    if !data.is_dir() {
        println!("skipped: no ../shared");
        return None;
    }
    Some(data)
}

/// IO-15: the same phantom as DICOM and as NIfTI: the mask of the one overlays that of the other
/// exactly, Dice 1.
#[test]
fn a_phantom_saved_both_ways_overlays_itself() {
    let case = Case::new();
    let made = "--size 24,20,16 --seed 3";
    case.voxprep(&format!("phantom chest-ct d {made} --format dicom"))
        .quiet();
    case.voxprep(&format!("phantom chest-ct n {made} --format nii"))
        .quiet();
    for (name, role) in [("image", Role::Intensity), ("lungs", Role::Label)] {
        let a = case.read(&format!("d/{name}"));
        let b = case.read(&format!("n/{name}.nii"));
        assert!(a.geometry().is_close(b.geometry(), 1e-4), "{name}");
        assert_eq!(a.role(), role);
        let (mut both, mut sum) = (0, 0);
        for i in 0..24 * 20 * 16 {
            let at = [i % 24, i / 24 % 20, i / 480];
            let (a, b) = (a.voxels().get(0, at), b.voxels().get(0, at));
            assert_eq!(a, b, "{name} {at:?}");
            let inside = |v: Option<f64>| v.is_some_and(|v| v > 0.0);
            both += usize::from(inside(a) && inside(b));
            sum += usize::from(inside(a)) + usize::from(inside(b));
        }
        assert!(both > 100 && 2 * both == sum, "{name}: {both} of {sum}");
    }
    // One study, one frame of reference, a series each.
    let info = |name: &str| voxprep_io::series(&case.path(name), &ReadOptions::default()).unwrap();
    assert_ne!(info("d/image")[0].uid, info("d/lungs")[0].uid);
    let again = case.voxprep(&format!("phantom chest-ct d {made} --format dicom"));
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    assert!(case.path("d/truth.json").exists());
}

#[test]
fn an_image_becomes_a_series_and_comes_back() {
    let case = Case::new();
    refused(
        &case,
        "convert scan.nii.gz series --format dicom",
        2,
        &["give --modality CT, MRI or XRAY"],
    );
    let answer = case.voxprep("convert scan.nii.gz series --format dicom --modality CT");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert_eq!(
        answer.stdout,
        "series/IM0001.dcm\nseries/IM0002.dcm\nseries/IM0003.dcm\n"
    );
    // The grid of the case is left-handed: only the order of slices differs, which is no loss.
    assert!(!answer.stderr.contains("exact place"), "{}", answer.stderr);
    let answer = case.voxprep("convert mask.nii.gz seg --format dicom --label");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert_eq!(case.read("seg").role(), Role::Label);
    // Voxel [1, 2, 1] of three slices that were turned round is still in the middle one.
    assert_eq!(case.read("seg").voxels().get(0, [1, 2, 1]), Some(7.0));
    refused(
        &case,
        "convert scan.nii.gz series --format dicom --modality CT",
        2,
        &["not empty"],
    );
    refused(
        &case,
        "convert scan.nii.gz out --modality CT",
        USAGE,
        &["--format"],
    );
}

#[test]
fn headers_are_edited_and_deidentified_from_the_command_line() {
    let case = Case::new();
    case.voxprep("convert scan.nii.gz a --format dicom --modality CT");
    let set = "--set-tag PatientID=SECRET17 --set-tag (0008,0090)=Quack^Donald";
    let answer = case
        .voxprep(&format!("convert a b {set} --delete-tag KVP"))
        .quiet();
    assert_eq!(answer.stdout.lines().count(), 3);
    let bytes = fs::read(case.path("b/IM0001.dcm")).unwrap();
    assert!(holds(&bytes, "SECRET17") && holds(&bytes, "Quack^Donald"));
    refused(
        &case,
        "convert a c --set-tag StudyDate=tomorrow",
        USAGE,
        &["is not a date as 20240131"],
    );
    refused(
        &case,
        "convert a c --delete-tag PixelData",
        USAGE,
        &["pixels are not changed"],
    );
    case.write("key", "short");
    refused(
        &case,
        "convert b c --deidentify --uid-key key",
        USAGE,
        &["give at least 16"],
    );
    case.write("key", "a secret of some length\n");
    let answer = case.voxprep("convert b c --deidentify --uid-key key");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    for said in [
        "burned into the pixels of 3 images",
        "faces",
        "not shifted",
        "comments of a JPEG stream",
        "docs/deidentify.md",
    ] {
        assert!(answer.stderr.contains(said), "{said}: {}", answer.stderr);
    }
    assert_eq!(case.files("c"), ["SE0001"]);
    assert_eq!(
        case.files("c/SE0001"),
        ["IM0001.dcm", "IM0002.dcm", "IM0003.dcm"]
    );
    let bytes = fs::read(case.path("c/SE0001/IM0001.dcm")).unwrap();
    assert!(!holds(&bytes, "SECRET17") && !holds(&bytes, "Donald"));
    let answer = case.voxprep("convert b d.nii --deidentify");
    assert!(
        answer
            .stderr
            .contains("no identifying attributes in any case"),
        "{}",
        answer.stderr
    );
}

/// What would be ignored is refused, and so are names that say another format.
#[test]
fn dicom_to_dicom_refuses_what_it_would_not_do() {
    let case = Case::new();
    case.voxprep("convert scan.nii.gz a --format dicom --modality CT");
    for option in ["--series 3", "--slices split", "--padding air", "--voi"] {
        for what in ["--deidentify", "--set-tag PatientID=3"] {
            let name = option.split(' ').next().unwrap();
            refused(
                &case,
                &format!("convert a b {what} {option}"),
                USAGE,
                &[name],
            );
        }
    }
    refused(
        &case,
        "convert a b --deidentify --type u8",
        USAGE,
        &["--type"],
    );
    refused(
        &case,
        "convert a/IM0001.dcm o.nii.gz --set-tag PatientID=3",
        USAGE,
        &["write DICOM", "o.nii.gz"],
    );
    refused(
        &case,
        "convert a a/b --set-tag PatientID=3",
        USAGE,
        &["in the folder that is read"],
    );
}

/// IO-10: text in the pixels is as much of a secret in another format.
#[test]
fn burned_in_text_is_refused_in_every_format() {
    let case = Case::new();
    case.voxprep("convert scan.nii.gz a --format dicom --modality CT");
    case.voxprep("convert a b --set-tag BurnedInAnnotation=YES")
        .quiet();
    for output in ["c", "c.nii.gz", "c --format dicom"] {
        refused(
            &case,
            &format!("convert b {output} --deidentify"),
            1,
            &["--keep-burned-in"],
        );
    }
    let answer = case.voxprep("convert b c.nii.gz --deidentify --keep-burned-in");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(
        answer
            .stderr
            .contains("kept as asked: text in the pixels of 3 images"),
        "{}",
        answer.stderr
    );
}

/// An image that says neither what it is nor in which unit is what its template is.
#[test]
fn a_template_in_hounsfield_units_says_the_unit_of_the_image() {
    let case = Case::new();
    case.voxprep("convert scan.nii.gz a --format dicom --modality CT");
    let answer = case.voxprep("convert scan.nii.gz b --format dicom --template a");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(answer.stderr.contains("written as HU"), "{}", answer.stderr);
    assert_eq!(case.read("b").header().unit, voxprep_core::volume::Unit::Hu);
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Attributes that the profile names, and that people choose a series by: its description, and what
/// else is called so. Whoever lists what is in a folder asks for them.
const ASKED_FOR: [[u16; 2]; 1] = [[0x0008, 0x103E]];

/// Whether a value says so little that it is in any text: short ones, numbers of few digits, and
/// what stands for nothing.
fn says_nothing(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let letters = value.chars().filter(|c| c.is_alphabetic()).count();
    let word = value.to_ascii_lowercase();
    let nothing = [
        "none",
        "null",
        "unknown",
        "anonymous",
        "anonymized",
        "removed",
        "test",
        "head",
    ];
    // Numbers of private attributes, taken for text.
    let is_text = !value.contains(|c: char| c.is_control() || c == '\u{FFFD}');
    !is_text
        || value.chars().count() < 4
        || letters == 0 && digits < 6
        || nothing.contains(&word.as_str())
}

/// The identifying values of a folder's files. What says nothing of the patient himself, and is the
/// value of an attribute that identifies nobody as well, is no secret: a scanner's maker, a region.
fn secrets(files: &[PathBuf]) -> BTreeSet<String> {
    let values: Vec<_> = files
        .iter()
        .flat_map(|file| audit(file).unwrap_or_default())
        .collect();
    let asked_for = |tag: [u16; 2]| ASKED_FOR.contains(&tag);
    let plain = values.iter().filter(|v| !v.identifies || asked_for(v.tag));
    let plain: BTreeSet<&str> = plain.map(|v| v.value.trim()).collect();
    let secret = values.iter().filter(|v| v.identifies && !asked_for(v.tag));
    let secret = secret.filter(|v| {
        let is_patient = matches!(v.tag, [0x0010, 0x0010 | 0x0020 | 0x0030 | 0x1000 | 0x1001]);
        // Nor is a word of it: the name of a maker, in that of a hospital or a private creator.
        let is_word = !v.value.contains(|c: char| c.is_ascii_digit())
            && plain.iter().any(|p| p.contains(v.value.trim()));
        is_patient || !plain.contains(v.value.trim()) && !is_word
    });
    let values = secret.map(|v| v.value.trim().to_owned());
    values.filter(|value| !says_nothing(value)).collect()
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(all_files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The secrets that stand in these bytes, for themselves: not as a part of a longer word or number.
fn found<'a>(secrets: &'a BTreeSet<String>, bytes: &[u8]) -> Vec<&'a str> {
    // The search of the standard library is fast even in a test that is not optimised.
    let text = String::from_utf8_lossy(bytes);
    let is_word = |c: char| c.is_alphanumeric() || c == '.';
    let alone = |at: usize, length: usize| {
        !text[..at].ends_with(is_word) && !text[at + length..].starts_with(is_word)
    };
    let is_in = |secret: &&String| {
        let mut places = text.match_indices(secret.as_str());
        places.any(|(at, found)| alone(at, found.len()))
    };
    secrets.iter().filter(is_in).map(String::as_str).collect()
}

/// The data sets of real scanners are copied under a name that says nothing, so that only contents
/// can give somebody away.
fn copied(case: &Case, from: &Path, name: &str) -> Vec<PathBuf> {
    let to = case.path(name);
    fs::create_dir_all(&to).unwrap();
    let mut copies = Vec::new();
    for (at, file) in all_files(from).iter().enumerate() {
        let ending = file.extension().and_then(|e| e.to_str()).unwrap_or("");
        if ["nii", "gz", "nrrd", "json", "txt", "md"].contains(&ending) {
            continue;
        }
        let copy = to.join(format!("f{at}.dcm"));
        fs::copy(file, &copy).unwrap();
        copies.push(copy);
    }
    copies
}

/// IO-10 and the promise of DESIGN 7: no identifier of any file is in outputs, sidecars, logs or
/// messages of `info`, `convert`, `run` and `show`, with and without errors, nor in what
/// `--deidentify` writes.
#[test]
fn no_identifier_of_a_file_appears_in_what_is_written_or_said() {
    let Some(data) = data() else {
        return;
    };
    let mut looked_for = 0;
    let mut leaks: Vec<String> = Vec::new();
    for entry in fs::read_dir(data).unwrap() {
        let from = entry.unwrap().path();
        if !from.is_dir() {
            continue;
        }
        let name = from.file_name().unwrap().to_string_lossy().into_owned();
        let case = Case::new();
        let files = copied(&case, &from, "in");
        let secrets = secrets(&files);
        looked_for += secrets.len();
        case.write(
            "out/pipeline.toml",
            "version = 1\n[[step]]\nuse = \"spatial.flip\"\naxes = [\"x\"]\n",
        );
        let mut inputs = vec!["in".to_owned()];
        inputs.extend(
            files
                .iter()
                .take(3)
                .map(|f| format!("in/{}", f.file_name().unwrap().to_string_lossy())),
        );
        for (at, input) in inputs.iter().enumerate() {
            for command in [
                format!("info {input}"),
                format!("info {input} --json"),
                format!("-vv convert {input} out/{at}.nii"),
                format!("convert {input} out/series{at} --format dicom"),
                format!("convert {input} out/none/{at}.nii"),
                format!("run out/pipeline.toml {input} -o out/run{at}/"),
                format!("show {input} -o out/{at}.png"),
                format!("-v convert {input} out/safe{at} --deidentify --keep-burned-in"),
                format!("convert {input} out/bad{at} --set-tag StudyDate=x"),
            ] {
                let Answer {
                    stdout,
                    stderr,
                    code,
                } = case.voxprep(&command);
                assert!(
                    code.is_some_and(|code| code <= 2),
                    "{name}: {command}: {stderr}"
                );
                for said in [stdout, stderr] {
                    let leaked = found(&secrets, said.as_bytes());
                    leaks.extend(
                        (!leaked.is_empty()).then(|| format!("{name}: {command} says {leaked:?}")),
                    );
                }
            }
        }
        for file in all_files(&case.path("out")) {
            let leaked = found(&secrets, &fs::read(&file).unwrap());
            leaks.extend(
                (!leaked.is_empty())
                    .then(|| format!("{name}: {leaked:?} is in {}", file.display())),
            );
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    // So many were in the files when this was written: the test is not blind.
    assert!(looked_for > 300, "{looked_for}");
}

/// The test above finds what it looks for.
#[test]
fn a_planted_identifier_is_found() {
    let case = Case::new();
    case.voxprep("convert scan.nii.gz a --format dicom --modality CT");
    let set = "--set-tag PatientName=Verne^Jules --set-tag AccessionNumber=AC77123 --set-tag StudyDate=20240131";
    case.voxprep(&format!("convert a b {set}")).quiet();
    let files = all_files(&case.path("b"));
    let secrets = secrets(&files);
    for secret in ["Verne^Jules", "AC77123", "20240131"] {
        assert!(secrets.contains(secret), "{secrets:?}");
    }
    // A copy without deidentification is a leak, and so is a line that names the patient.
    let leaked = found(&secrets, &fs::read(&files[0]).unwrap());
    assert!(
        leaked.contains(&"Verne^Jules") && leaked.contains(&"AC77123"),
        "{leaked:?}"
    );
    assert_eq!(
        found(&secrets, b"warning: of Verne^Jules: b"),
        ["Verne^Jules"]
    );
    assert_eq!(found(&secrets, b"XAC771234"), Vec::<&str>::new());
}
