//! DICOM on the command line: tables of series and attributes, and which series is meant.

use std::fs;

use serde_json::Value;

use crate::case::Case;

/// A case with `study/`, which holds two series: a small chest CT and, with the same geometry, the
/// same again in another folder below.
fn study() -> Case {
    let case = Case::new();
    case.voxprep("phantom chest-ct made --format dicom --size 24,20,9")
        .quiet();
    case
}

/// The folder of the CT that `phantom` wrote.
fn ct(case: &Case) -> String {
    let made = fs::read_dir(case.path("made")).unwrap();
    let mut folders: Vec<String> = made
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    folders.sort();
    assert!(folders.contains(&"image".to_owned()), "{folders:?}");
    "made/image".to_owned()
}

/// IO-03: a column of tags and one for each slice; what varies is told from what does not.
#[test]
fn attributes_are_a_table_in_csv_and_json() {
    let case = study();
    let folder = ct(&case);
    let slices = fs::read_dir(case.path(&folder)).unwrap().count();
    let csv = case
        .voxprep(&format!("info {folder} --tags --csv"))
        .quiet()
        .stdout;
    let mut lines = csv.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(head.len(), 1 + slices);
    assert_eq!(head[..2], ["tag", "1"]);
    let row = |tag: &str| csv.lines().find(|line| line.starts_with(tag)).unwrap();
    assert_eq!(
        row("0008|0060"),
        format!("0008|0060{}", ",CT".repeat(slices))
    );
    let json = case
        .voxprep(&format!("info {folder} --tags --json"))
        .quiet()
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["slices"], slices);
    let tag = |tag: &str| {
        json["tags"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["tag"] == tag)
            .unwrap()
    };
    assert_eq!(tag("0020|0032")["varies"], true);
    assert_eq!(tag("0028|0010")["varies"], false);
    // The UID of the series is withheld until it is asked for.
    assert_eq!(tag("0020|000e")["value"], "(withheld)");
    let asked = case
        .voxprep(&format!("info {folder} --tags --json --keep-identifiers"))
        .quiet()
        .stdout;
    assert!(!asked.contains("(withheld)"));
}

/// A folder with several series is a table, and nothing is chosen from it by a guess.
#[test]
fn a_study_is_a_table_and_a_series_is_chosen_by_number() {
    let case = study();
    let table = case.voxprep("info made").quiet().stdout;
    // Label maps are not what is meant; they are named below it.
    assert!(table.starts_with("format       dicom"), "{table}");
    assert!(table.contains("\n\nseries  modality"), "{table}");
    assert!(table.contains("choose one with --series"), "{table}");
    let rows: Value =
        serde_json::from_str(&case.voxprep("info made --json").quiet().stdout).unwrap();
    let rows = rows["series"].as_array().unwrap();
    let image = rows.iter().find(|row| row["unit"] == "hu").unwrap();
    let id = image["id"].as_str().unwrap();
    assert!(image["uid"].is_null());
    let answer = case.voxprep(&format!("convert made out.nii.gz --series {id}"));
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let from_folder = case.voxprep(&format!("convert {} same.nii.gz", ct(&case)));
    assert_eq!(from_folder.code, Some(0), "{}", from_folder.stderr);
    assert_eq!(
        fs::read(case.path("out.nii.gz")).unwrap(),
        fs::read(case.path("same.nii.gz")).unwrap()
    );
    let missing = case.voxprep("convert made no.nii.gz --series 99");
    assert_eq!(missing.code, Some(2));
    assert!(
        missing
            .error()
            .starts_with("series: no series is called '99'; there are: ")
    );
}

/// A run is done again as its input was read then: the options are in the record.
#[test]
fn a_replay_reads_its_input_as_the_run_did() {
    let case = study();
    let folder = ct(&case);
    case.pipeline("clip.toml", &["\"intensity.clip\"\nlow = 0\nhigh = 1"]);
    // Without the fourth slice: resampled, and one of several volumes.
    let mut slices: Vec<_> = fs::read_dir(case.path(&folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    slices.sort();
    fs::remove_file(&slices[3]).unwrap();
    let refused = case.voxprep("run clip.toml made -o out.nii.gz");
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.error().starts_with("1 slice is missing"),
        "{}",
        refused.stderr
    );
    let run = case.voxprep("run clip.toml made --series 1 --slices resample -o out.nii.gz");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let again = case.voxprep("replay out.voxprep.json made -o again.nii.gz");
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(
        fs::read(case.path("out.nii.gz")).unwrap(),
        fs::read(case.path("again.nii.gz")).unwrap()
    );
}

/// An image is no label map, whatever it is given as; in a folder with both the segmentation is.
#[test]
fn an_image_in_hounsfield_units_is_no_label_map() {
    let case = study();
    case.pipeline("clip.toml", &["\"intensity.clip\"\nlow = 0\nhigh = 1"]);
    let folder = ct(&case);
    let refused = case.voxprep(&format!(
        "run clip.toml {folder} --label lungs={folder} -o out"
    ));
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .error()
            .starts_with("a label map in Hounsfield units: this is an image; "),
        "{}",
        refused.stderr
    );
    let run = case.voxprep(&format!(
        "run clip.toml {folder} --label lungs=made/lungs -o out"
    ));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
