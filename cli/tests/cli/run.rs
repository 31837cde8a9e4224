//! `voxprep run` that does its work.

use std::fs;

use serde_json::Value;
use voxprep_core::provenance::{Sidecar, hash_volume};

use crate::case::Case;

pub(crate) const WINDOW: &str = "'ct.window'\npreset = 'lung'";

fn json(case: &Case, name: &str) -> Value {
    serde_json::from_slice(&fs::read(case.path(name)).unwrap()).unwrap()
}

#[test]
fn a_file_and_its_sidecar_are_written_and_named_and_nothing_else_is_said() {
    let case = Case::new();
    case.pipeline("p.toml", &[WINDOW]);
    let answer = case
        .voxprep("run p.toml scan.nii.gz --modality CT -o out.nii.gz")
        .quiet();
    assert_eq!(answer.stdout, "out.nii.gz\nout.voxprep.json\n");
    // Lung is -1350 to 150: -1000, -940, ..., and what lies above 150.
    let result = case.read("out.nii.gz");
    let expected = [350.0 / 1500.0, 410.0 / 1500.0, 470.0 / 1500.0, 1.0];
    for (x, y, expected) in [
        (0, 0, expected[0]),
        (1, 0, expected[1]),
        (2, 0, expected[2]),
        (0, 4 - 1, 1250.0 / 1500.0),
    ] {
        let value = result.voxels().get(0, [x, y, 0]).unwrap();
        assert!(
            (value - expected).abs() < 1e-6,
            "[{x}, {y}, 0]: {value}, not {expected}"
        );
    }
    assert_eq!(result.voxels().get(0, [0, 0, 1]), Some(1.0));
    assert_eq!(*result.geometry(), *case.read("scan.nii.gz").geometry());
}

#[test]
fn a_folder_takes_every_volume_the_report_the_points_and_the_sidecar() {
    let case = Case::new();
    case.pipeline(
        "p.toml",
        &["'spatial.spacing'\nspacing_mm = [1, 1, 1]", WINDOW],
    );
    case.write("tips.csv", "name,x,y,z\napex,-9.5,18,32\n");
    let inputs = "scan.nii.gz --label lungs=mask.nii.gz --points tips=tips.csv";
    let answer = case.voxprep(&format!("run p.toml {inputs} -o new/case7"));
    assert_eq!(answer.code, Some(0));
    let files = [
        "image.nii.gz",
        "lungs.nii.gz",
        "points.csv",
        "report.json",
        "voxprep.json",
    ];
    assert_eq!(case.files("new/case7"), files);
    let named: Vec<&str> = answer
        .stdout
        .lines()
        .map(|line| line.strip_prefix("new/case7/").unwrap())
        .collect();
    assert_eq!(named, files);

    // Respacing moves nothing in the world.
    assert_eq!(
        fs::read_to_string(case.path("new/case7/points.csv")).unwrap(),
        "name,x,y,z\napex,-9.5,18,32\n"
    );
    let report = json(&case, "new/case7/report.json");
    assert_eq!(report["findings"][0]["code"], "hu.assumed");
    // The same finding, a line of it, on stderr.
    assert_eq!(answer.stderr.lines().count(), 1);
    assert!(
        answer.stderr.starts_with("warning: 'image': ") && answer.stderr.contains("hu.assumed")
    );
    let lungs = case.read("new/case7/lungs.nii.gz");
    assert_eq!(lungs.geometry().spacing(), [1.0, 1.0, 1.0]);
}

#[test]
fn the_sidecar_says_what_went_in_what_was_done_and_what_came_out() {
    let case = Case::new();
    case.pipeline("p.toml", &[WINDOW]);
    case.voxprep("run p.toml scan.nii.gz --label lungs=mask.nii.gz --modality CT --seed 5 -o out")
        .quiet();
    let sidecar: Sidecar = serde_json::from_value(json(&case, "out/voxprep.json")).unwrap();
    let of = |artefacts: &[voxprep_core::provenance::Artefact]| -> Vec<(String, Option<String>, String)> {
        artefacts.iter().map(|a| (a.name.clone(), a.file.clone(), a.blake3.clone())).collect()
    };
    let hash = |name: &str| hash_volume(&case.read(name));
    assert_eq!(
        of(&sidecar.inputs),
        [
            ("image".into(), None, hash("scan.nii.gz")),
            ("lungs".into(), None, hash("mask.nii.gz")),
        ]
    );
    assert_eq!(
        of(&sidecar.outputs),
        [
            (
                "image".into(),
                Some("image.nii.gz".into()),
                hash("out/image.nii.gz")
            ),
            (
                "lungs".into(),
                Some("lungs.nii.gz".into()),
                hash("out/lungs.nii.gz")
            ),
        ]
    );
    assert_eq!(sidecar.pipeline["seed"], 5);
    assert_eq!(sidecar.pipeline["input"]["modality"], "CT");
    assert_eq!(sidecar.pipeline["step"][0]["preset"], "lung");
    assert_eq!(sidecar.steps[0].name, "ct.window");
    // No paths, and a hash where the id was.
    let text = fs::read_to_string(case.path("out/voxprep.json")).unwrap();
    assert!(!text.contains("scan") && !text.contains("mask"));
}

#[test]
fn the_id_is_in_the_sidecar_only_when_asked_for() {
    let case = Case::new();
    case.pipeline("p.toml", &[WINDOW]);
    let run = |options: &str| {
        case.voxprep(&format!(
            "run p.toml scan.nii.gz --modality CT -o out.nii.gz {options}"
        ))
        .quiet();
        let sidecar = json(&case, "out.voxprep.json");
        assert!(!sidecar["subject"].to_string().contains("scan"));
        sidecar["id"].as_str().map(str::to_owned)
    };
    assert_eq!(run(""), None);
    assert_eq!(run("--keep-identifiers"), Some("scan".into()));
    assert_eq!(run("--keep-identifiers --id case7"), Some("case7".into()));
}

#[test]
fn the_same_seed_and_id_give_the_same_bytes_for_any_number_of_threads() {
    let case = Case::new();
    case.pipeline("p.toml", &["'augment.noise'\nstd = 5"]);
    let run = |options: &str| {
        case.voxprep(&format!("run p.toml scan.nii.gz -o out.nii.gz {options}"))
            .quiet();
        fs::read(case.path("out.nii.gz")).unwrap()
    };
    let first = run("--seed 3 --threads 1");
    assert!(first == run("--seed 3 --threads 2"));
    assert!(first == run("--seed 3 --id scan"));
    assert!(first != run("--seed 4"));
    assert!(first != run("--seed 3 --id other"));
}

#[test]
fn output_volumes_chooses_what_is_written() {
    let case = Case::new();
    case.pipeline("p.toml", &["'ct.window'\npreset = 'lung'\nas = 'view'"]);
    let steps = fs::read_to_string(case.path("p.toml")).unwrap();
    case.write("q.toml", &format!("{steps}[output]\nvolumes = ['view']\n"));
    case.voxprep("run q.toml scan.nii.gz --label lungs=mask.nii.gz --modality CT -o out.nii")
        .quiet();
    assert_eq!(case.read("out.nii").voxels().get(0, [0, 0, 1]), Some(1.0));
    case.voxprep("run q.toml scan.nii.gz --modality CT -o out")
        .quiet();
    assert_eq!(
        case.files("out"),
        ["report.json", "view.nii.gz", "voxprep.json"]
    );
}

#[test]
fn a_name_that_ends_in_a_slash_is_a_folder() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    case.voxprep("run p.toml t1=scan.nii.gz -o out.nii/")
        .quiet();
    assert_eq!(
        case.files("out.nii"),
        ["report.json", "t1.nii.gz", "voxprep.json"]
    );
    // Once it is there, it is what it is.
    let answer = case.voxprep("run p.toml scan.nii.gz -o out.nii");
    assert!(case.path("out.nii/image.nii.gz").exists());
    // What stays from the first run is not touched, but said.
    let said = "left from an earlier run, not part of this one: out.nii/t1.nii.gz\n";
    assert_eq!(
        (answer.code, answer.stderr),
        (Some(0), format!("warning: {said}"))
    );
}

#[test]
fn where_writing_failed_no_sidecar_says_that_the_set_is_complete() {
    let case = Case::new();
    case.pipeline("p.toml", &[WINDOW]);
    let run = "run p.toml scan.nii.gz --label lungs=mask.nii.gz --modality CT -o out";
    case.voxprep(run).quiet();
    fs::remove_file(case.path("out/lungs.nii.gz")).unwrap();
    fs::create_dir(case.path("out/lungs.nii.gz")).unwrap();
    let answer = case.voxprep(run);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(2), ""));
    assert!(answer.error().ends_with("lungs.nii.gz"));
    assert!(!case.files("out").contains(&"voxprep.json".to_owned()));
}

#[test]
fn every_preset_runs() {
    let case = Case::new();
    // Air, and tissue about 600 with a voxel of metal: plausible for CT, and with one peak for MRI.
    let tissue = |i: i32| 600 + 12 * (i * 7 % 13 + i * 11 % 17 - 14) as i16;
    let values = (0..8000).map(|i| match i % 4 {
        0 => -1000,
        _ if i == 4001 => 2500,
        _ => tissue(i),
    });
    case.image_of([20; 3], "scan.nii.gz", values.collect::<Vec<i16>>());
    case.image_of([20; 3], "mask.nii.gz", vec![1_u8; 8000]);
    let presets: Value =
        serde_json::from_str(&case.voxprep("list --presets --json").quiet().stdout).unwrap();
    for preset in presets.as_array().unwrap() {
        let name = preset["name"].as_str().unwrap();
        let answer = case.voxprep(&format!(
            "run {name} scan.nii.gz --label lungs=mask.nii.gz -o {name}"
        ));
        assert_eq!(answer.code, Some(0), "{name}: {}", answer.stderr);
        assert_eq!(
            case.files(name),
            [
                "image.nii.gz",
                "lungs.nii.gz",
                "report.json",
                "voxprep.json"
            ]
        );
    }
}
