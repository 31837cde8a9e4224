//! `voxprep replay`: the same bytes again, and why not.

use std::fs;

use serde_json::{Value, json};

use crate::case::Case;
use crate::refused::{SUBJECT, USAGE, refused};

/// A pipeline with every kind of step, with groups, draws, an include, and a new volume.
fn everything(case: &Case) {
    case.write(
        "base.toml",
        "version = 1\nseed = 4\n[sampling]\nintensity = 'cubic'\n\
         [[step]]\nuse = 'spatial.reorient'\nto = 'LPS'\n\
         [[step]]\nuse = 'spatial.spacing'\nspacing_mm = [0.75, 0.8, 1.5]\n",
    );
    case.write(
        "p.toml",
        "version = 1\ninclude = 'base.toml'\n[input]\nmodality = 'CT'\n\
         [output]\nlevel = 3\nformat = 'nii'\ndtype = 'f64'\n\
         [[step]]\nuse = 'group'\np = 0.9\n\
         [[step.step]]\nuse = 'augment.rotate'\nangle_deg = { uniform = [-20, 20] }\naxis = 'random'\n\
         [[step.step]]\nuse = 'augment.elastic'\ncontrol_points = 5\nmax_displacement_mm = 1\n\
         [[step]]\nuse = 'some_of'\ncount = { uniform = [1, 2] }\n\
         [[step.step]]\nuse = 'filter.gaussian'\nsigma_mm = { uniform = [0.4, 1] }\n\
         [[step.step]]\nuse = 'augment.noise'\nstd = { uniform = [1, 20] }\n\
         [[step.step]]\nuse = 'augment.flip'\naxes = ['LR']\nswap_labels = { 7 = 8 }\n\
         [[step]]\nuse = 'ct.window'\npreset = 'lung'\nas = 'view'\n\
         [[step]]\nuse = 'subject.rename'\nnames = { view = 'lung' }\n",
    );
    case.write("tips.csv", "name,x,y,z\napex,-9.5,18,32\n");
}

/// The contents of all files of a folder.
fn bytes(case: &Case, folder: &str) -> Vec<(String, Vec<u8>)> {
    let files = case.files(folder).into_iter();
    files
        .map(|name| {
            let bytes = fs::read(case.path(folder).join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}

fn json(case: &Case, name: &str) -> Value {
    serde_json::from_slice(&fs::read(case.path(name)).unwrap()).unwrap()
}

/// Writes a sidecar with one value changed, at a JSON pointer.
fn changed(case: &Case, from: &str, pointer: &str, value: Value) {
    let mut sidecar = json(case, from);
    *sidecar.pointer_mut(pointer).unwrap() = value;
    case.write("changed.json", &sidecar.to_string());
}

const RUN: &str = "run p.toml scan.nii.gz --label lungs=mask.nii.gz --points t=tips.csv --id 7 \
                   --set some_of.count=3 -o first --threads 1";
const AGAIN: &str = "lungs=mask.nii.gz image=scan.nii.gz --points t=tips.csv";

/// G-08: replay from the saved record is byte-equal, for any number of threads.
#[test]
fn a_run_is_replayed_to_the_same_bytes() {
    let case = Case::new();
    everything(&case);
    for options in [
        "",
        "--no-fuse --keep-identifiers",
        "--until some_of --seed 9",
    ] {
        let run = case.voxprep(&format!("{RUN} {options}"));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let first = bytes(&case, "first");
        let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
        let rest = ["lungs.nii", "points.csv", "report.json", "voxprep.json"];
        let images = match options.contains("until") {
            true => vec!["image.nii"],
            false => vec!["image.nii", "lung.nii"],
        };
        assert_eq!(names, [&images[..], &rest].concat());
        fs::rename(case.path("first"), case.path("old")).unwrap();
        let answer = case.voxprep(&format!(
            "replay old/voxprep.json {AGAIN} -o again --threads 3"
        ));
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        assert_eq!(answer.stderr, run.stderr);
        assert!(bytes(&case, "again") == first, "{options}");
        fs::remove_dir_all(case.path("again")).unwrap();
        fs::remove_dir_all(case.path("old")).unwrap();
    }
}

/// The pipeline in the sidecar has in it what was included, and what the command line set.
#[test]
fn a_replay_needs_no_pipeline_files() {
    let case = Case::new();
    everything(&case);
    let run = case.voxprep(&format!("{RUN} --set sampling.fill=-900"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let pipeline = &json(&case, "first/voxprep.json")["pipeline"];
    assert_eq!(pipeline["step"][0]["use"], "spatial.reorient");
    assert_eq!(pipeline["sampling"]["fill"], -900.0);
    assert_eq!(pipeline["sampling"]["intensity"], "cubic");
    assert_eq!(pipeline["step"][3]["count"], 3);
    assert_eq!(
        pipeline["output"],
        json!({"format": "nii", "level": 3, "dtype": "f64"})
    );
    for file in ["p.toml", "base.toml"] {
        fs::remove_file(case.path(file)).unwrap();
    }
    let answer = case.voxprep(&format!("replay first/voxprep.json {AGAIN} -o again"));
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
}

/// What counts of an input is its content, not its file (decision 003).
#[test]
fn a_replay_takes_the_same_scan_from_another_file() {
    let case = Case::new();
    case.pipeline("p.toml", &["'ct.window'\npreset = 'lung'"]);
    case.voxprep("run p.toml scan.nii.gz --modality CT -o out.nii.gz")
        .quiet();
    case.voxprep("convert scan.nii.gz other.nii").quiet();
    fs::create_dir(case.path("again")).unwrap();
    let replay = "replay out.voxprep.json other.nii -o again/out.nii.gz";
    let answer = case.voxprep(replay).quiet();
    assert_eq!(answer.stdout, "again/out.nii.gz\nagain/out.voxprep.json\n");
    for name in ["out.nii.gz", "out.voxprep.json"] {
        let [old, new] = [name.to_owned(), format!("again/{name}")];
        assert!(
            fs::read(case.path(&old)).unwrap() == fs::read(case.path(&new)).unwrap(),
            "{name}"
        );
    }
    // Under another name only that name is another.
    case.voxprep("replay out.voxprep.json other.nii -o again/b.nii.gz")
        .quiet();
    let mut renamed = json(&case, "again/b.voxprep.json");
    assert_eq!(renamed["outputs"][0]["file"].take(), "b.nii.gz");
    let mut old = json(&case, "out.voxprep.json");
    old["outputs"][0]["file"].take();
    assert_eq!(renamed, old);
}

#[test]
fn a_changed_input_is_named() {
    let case = Case::new();
    everything(&case);
    case.voxprep(RUN);
    let other: Vec<i16> = (0..60).map(|i| i * 60 - 999).collect();
    case.image("other.nii.gz", other);
    case.image("wide.nii.gz", vec![0_i32; 60]);
    case.image("swapped.nii.gz", vec![7_u8; 60]);
    case.write("moved.csv", "name,x,y,z\napex,-9.5,18,32.5\n");
    for (inputs, parts) in [
        (
            "lungs=mask.nii.gz other.nii.gz --points t=tips.csv",
            &[
                "the input 'image' is not the one that went in",
                "other values",
                "other.nii.gz",
            ][..],
        ),
        (
            "lungs=mask.nii.gz wide.nii.gz --points t=tips.csv",
            &["'image'", "its voxels are i32, that one's were i16"],
        ),
        (
            "lungs=swapped.nii.gz scan.nii.gz --points t=tips.csv",
            &["'lungs'", "other values"],
        ),
        (
            "lungs=mask.nii.gz scan.nii.gz --points t=moved.csv",
            &["the points are not those that went in", "moved.csv"],
        ),
    ] {
        refused(
            &case,
            &format!("replay first/voxprep.json {inputs} -o out"),
            SUBJECT,
            parts,
        );
    }
}

#[test]
fn inputs_that_the_run_did_not_have_or_had() {
    let case = Case::new();
    everything(&case);
    case.voxprep(RUN);
    case.pipeline("plain.toml", &[]);
    case.voxprep("run plain.toml scan.nii.gz -o plain").quiet();
    for (arguments, parts) in [
        (
            "first/voxprep.json scan.nii.gz",
            &["the input 'lungs' is missing", "lungs=PATH"][..],
        ),
        (
            "first/voxprep.json scan.nii.gz lugns=mask.nii.gz",
            &["no input 'lugns'", "did you mean 'lungs'?"],
        ),
        (
            "first/voxprep.json --label image=scan.nii.gz lungs=mask.nii.gz",
            &["'image'", "went in as an image"],
        ),
        (
            "first/voxprep.json scan.nii.gz lungs=mask.nii.gz",
            &["the run had points", "--points"],
        ),
        (
            "plain/voxprep.json scan.nii.gz --points t=tips.csv",
            &["had no points"],
        ),
    ] {
        refused(&case, &format!("replay {arguments} -o out"), USAGE, parts);
    }
}

/// A pipeline or a version that is not that of the run is named; what it made is not trusted.
#[test]
fn a_changed_pipeline_record_or_version_is_named() {
    let case = Case::new();
    case.pipeline("p.toml", &["'ct.window'\npreset = 'lung'"]);
    case.voxprep("run p.toml scan.nii.gz --modality CT -o a")
        .quiet();
    let replay = "replay changed.json scan.nii.gz -o out";
    for (pointer, value, code, parts) in [
        (
            "/pipeline/step/0/preset",
            json!("bone"),
            USAGE,
            &["the pipeline is not the one that was run", "changed.json"][..],
        ),
        ("/pipeline_hash", json!("0"), USAGE, &["its hash differs"]),
        (
            "/sidecar",
            json!(2),
            USAGE,
            &["sidecars of version 1, not 2"],
        ),
        (
            "/outputs/0/blake3",
            json!("0"),
            SUBJECT,
            &["the output 'image' is not the one that was recorded"],
        ),
        ("/steps/0/drawn", json!([1]), SUBJECT, &["`steps`"]),
        (
            "/inputs/0/name",
            json!("t1"),
            USAGE,
            &["no input 'image'", "t1"],
        ),
        ("/epoch", json!("x"), SUBJECT, &["no sidecar", "epoch"]),
        ("/outputs", json!([]), SUBJECT, &["the output 'image'"]),
        (
            "/files/format",
            json!("nii"),
            USAGE,
            &["the run wrote .nii"],
        ),
    ] {
        let mut sidecar = json(&case, "a/voxprep.json");
        match sidecar.pointer_mut(pointer) {
            Some(old) => *old = value,
            None => sidecar["steps"][0]["drawn"] = value,
        }
        case.write("changed.json", &sidecar.to_string());
        refused(&case, replay, code, parts);
    }
    // Another version: the same results are written, with a warning; others are not.
    changed(&case, "a/voxprep.json", "/voxprep", json!("0.0.9"));
    let answer = case.voxprep(replay);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(
        answer.stderr.starts_with("warning: made by voxprep 0.0.9")
            && answer.stderr.lines().count() == 1,
        "{}",
        answer.stderr
    );
    assert_eq!(
        json(&case, "out/voxprep.json")["voxprep"],
        env!("CARGO_PKG_VERSION")
    );
    fs::remove_dir_all(case.path("out")).unwrap();
    let mut sidecar = json(&case, "changed.json");
    sidecar["outputs"][0]["blake3"] = json!("0");
    case.write("changed.json", &sidecar.to_string());
    let answer = case.voxprep(replay);
    assert_eq!(answer.code, Some(USAGE), "{}", answer.stderr);
    assert!(
        answer.stderr.contains("install voxprep 0.0.9"),
        "{}",
        answer.stderr
    );
    assert!(!case.path("out").exists());
}

#[test]
fn a_folder_stands_for_the_sidecar_in_it() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    case.voxprep("run p.toml scan.nii.gz -o folder").quiet();
    case.voxprep("replay folder scan.nii.gz -o again").quiet();
    assert_eq!(bytes(&case, "again"), bytes(&case, "folder"));
    case.voxprep("restore again/image.nii.gz --from folder -o back.nii.gz")
        .quiet();
    fs::create_dir(case.path("empty")).unwrap();
    let refused = case.voxprep("replay empty scan.nii.gz -o other");
    assert!(refused.error().ends_with("empty/voxprep.json"));
}

#[test]
fn places_and_files_that_a_replay_refuses() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    case.voxprep("run p.toml scan.nii.gz -o one.nii.gz").quiet();
    case.voxprep("run p.toml scan.nii.gz -o folder").quiet();
    case.write("text.json", "no JSON");
    case.write("other.json", "{}");
    for (arguments, code, parts) in [
        (
            "one.voxprep.json scan.nii.gz -o out",
            USAGE,
            &["one file", ".nii.gz"][..],
        ),
        (
            "one.voxprep.json scan.nii.gz -o out.nii",
            USAGE,
            &["other bytes"],
        ),
        (
            "folder/voxprep.json scan.nii.gz -o out.nii.gz",
            USAGE,
            &["give -o a folder"],
        ),
        (
            "one.voxprep.json scan.nii.gz -o scan.nii.gz",
            USAGE,
            &["would replace an input"],
        ),
        (
            "folder/voxprep.json scan.nii.gz -o folder",
            USAGE,
            &["would replace an input"],
        ),
        (
            "one.voxprep.json scan.nii.gz -o missing/a.nii.gz",
            SUBJECT,
            &["missing"],
        ),
        (
            "absent.json scan.nii.gz -o out",
            SUBJECT,
            &["cannot read", "absent.json"],
        ),
        (
            "text.json scan.nii.gz -o out",
            SUBJECT,
            &["no sidecar", "text.json"],
        ),
        (
            "other.json scan.nii.gz -o out",
            SUBJECT,
            &["no sidecar", "other.json"],
        ),
        (
            "one.voxprep.json missing.nii -o out.nii.gz",
            SUBJECT,
            &["missing.nii"],
        ),
        ("one.voxprep.json -o out.nii.gz", USAGE, &["<INPUT>"]),
    ] {
        refused(&case, &format!("replay {arguments}"), code, parts);
    }
}
