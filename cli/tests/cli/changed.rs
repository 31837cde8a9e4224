//! Pipelines that are changed: `include`, `--set`, `--until`, `[output]`, JSON; and `--dump-steps`.

use std::fs;

use serde_json::{Value, json};
use voxprep_core::provenance::hash_volume;
use voxprep_core::voxels::ElementType;

use crate::case::Case;
use crate::refused::{SUBJECT, USAGE, refused};
use crate::run::WINDOW;

fn json_of(case: &Case, name: &str) -> Value {
    serde_json::from_slice(&fs::read(case.path(name)).unwrap()).unwrap()
}

fn steps(case: &Case, arguments: &str) -> Value {
    let plan = case.voxprep(&format!("explain {arguments} --json")).quiet();
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let stages = plan["stages"].as_array().unwrap().iter();
    stages
        .flat_map(|stage| stage["steps"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn an_included_pipeline_is_a_base() {
    let case = Case::new();
    case.pipeline("base.toml", &["'ct.clip'\npreset = 'luna16'"]);
    case.write(
        "p.toml",
        "version = 1\ninclude = 'base.toml'\n[[step]]\nuse = 'ct.window'\npreset = 'lung'\n",
    );
    case.write(
        "preset.json",
        r#"{"$schema": "x.json", "version": 1, "include": "ct-lung",
            "step": [{"use": "intensity.clip", "low": 0, "high": 0.5}]}"#,
    );
    assert_eq!(steps(&case, "p.toml"), json!(["ct.clip", "ct.window"]));
    let expected = json!([
        "ct.clip",
        "spatial.reorient",
        "spatial.spacing",
        "ct.window",
        "intensity.clip"
    ]);
    assert_eq!(steps(&case, "preset.json"), expected);
    case.voxprep("run preset.json scan.nii.gz --modality CT -o made.nii.gz")
        .quiet();

    case.write("p.toml", "version = 1\ninclude = 'bsae.toml'\n");
    refused(
        &case,
        "explain p.toml",
        USAGE,
        &["cannot read the pipeline", "bsae.toml"],
    );
    case.write("p.toml", "version = 1\ninclude = 'ct-lnug'\n");
    refused(
        &case,
        "explain p.toml",
        USAGE,
        &["include: ", "did you mean 'ct-lung'?", "p.toml"],
    );
    case.write("p.toml", "version = 1\ninclude = 'p.toml'\n");
    refused(
        &case,
        "explain p.toml",
        USAGE,
        &["includes itself", "p.toml"],
    );
    case.write(
        "base.toml",
        "version = 1\n[[step]]\nuse = 'ct.clip'\nlo = 1\nhigh = 2\n",
    );
    case.write("p.toml", "version = 1\ninclude = 'base.toml'\n");
    refused(
        &case,
        "explain p.toml",
        USAGE,
        &["did you mean 'low'?", "base.toml"],
    );
}

#[test]
fn fields_are_set_from_the_command_line() {
    let case = Case::new();
    case.pipeline(
        "p.toml",
        &[
            "'ct.window'\nlevel = 0\nwidth = 2000",
            "'one_of'\np = 0\n[[step.step]]\nuse = 'intensity.clip'\nlow = 0\nhigh = 0.5",
        ],
    );
    let run = "run p.toml scan.nii.gz --modality CT -o out.nii.gz";
    case.voxprep(run).quiet();
    let first = |name: &str| case.read(name).voxels().get(0, [4, 3, 2]).unwrap();
    assert_eq!(first("out.nii.gz"), 1.0);
    // 2540 HU: (2540 - -7000) / 10000 with level -2000 and width 10000
    case.voxprep(&format!(
        "{run} --set ct.window.level=-2000 --set ct.window.width=10_000"
    ))
    .quiet();
    assert!((first("out.nii.gz") - 0.954).abs() < 1e-6);
    case.voxprep(&format!(
        "{run} --set one_of.p=1 --set one_of/intensity.clip.high=0.25"
    ))
    .quiet();
    assert_eq!(first("out.nii.gz"), 0.25);
    let sidecar = json_of(&case, "out.voxprep.json");
    assert_eq!(sidecar["pipeline"]["step"][1]["step"][0]["high"], 0.25);
    // --seed comes after --set.
    case.voxprep(&format!("{run} --set seed=5 --seed 6"))
        .quiet();
    assert_eq!(json_of(&case, "out.voxprep.json")["pipeline"]["seed"], 6);
    case.voxprep(&format!("{run} --set seed=5")).quiet();
    assert_eq!(json_of(&case, "out.voxprep.json")["pipeline"]["seed"], 5);

    fs::remove_file(case.path("out.nii.gz")).unwrap();
    for (set, parts) in [
        (
            "ct.windw.level=1",
            &[
                "--set ct.windw.level=1",
                "did you mean 'ct.window'?",
                "p.toml",
            ][..],
        ),
        (
            "ct.window.levle=1",
            &["levle: there is no such parameter", "did you mean 'level'?"],
        ),
        (
            "intensity.clip.low=1",
            &["did you mean 'one_of/intensity.clip'?"],
        ),
        ("smapling.fill=1", &["did you mean 'sampling'?"]),
        ("sampling.fil=1", &["fil", "--set sampling.fil=1"]),
        ("sampling.fill=zero", &["\"zero\" is no fill"]),
        ("ct.window.width=0", &["width: must be in (0, inf), got 0"]),
        ("ct.window.width=[1", &["no value of TOML"]),
        ("ct.window.width", &["has no '='"]),
        ("ct.window.p=2", &["[0, 1]"]),
        ("output.format=tar", &["no format 'tar'", "nii.gz"]),
        ("output.dtype=i8", &["i8"]),
    ] {
        refused(&case, &format!("{run} --set {set}"), USAGE, parts);
        refused(&case, &format!("explain p.toml --set {set}"), USAGE, parts);
    }
}

#[test]
fn a_run_stops_where_it_is_told_to() {
    let case = Case::new();
    case.pipeline(
        "p.toml",
        &[
            "'ct.clip'\nlow = -500\nhigh = 500",
            "'one_of'\n[[step.step]]\nuse = 'intensity.rescale'\nlow = 0\nhigh = 1",
            "'ct.window'\nlevel = 0\nwidth = 1\nas = 'view'\non = ['image']\np = 0.5",
        ],
    );
    let clip = steps(&case, "p.toml --until ct.clip");
    assert_eq!(clip, json!(["ct.clip"]));
    let member = steps(&case, "p.toml --until one_of/intensity.rescale");
    assert_eq!(member, json!(["ct.clip", "one_of/intensity.rescale"]));
    assert_eq!(steps(&case, "p.toml scan.nii.gz --until one_of"), member);
    case.voxprep("run p.toml scan.nii.gz -o out.nii.gz --modality CT --until ct.clip")
        .quiet();
    let value = case.read("out.nii.gz").voxels().get(0, [0, 0, 0]);
    assert_eq!(value, Some(-500.0));
    let sidecar = json_of(&case, "out.voxprep.json");
    assert_eq!(sidecar["until"], "ct.clip");
    assert_eq!(sidecar["steps"].as_array().unwrap().len(), 1);
    // The pipeline is the whole one.
    assert_eq!(sidecar["pipeline"]["step"].as_array().unwrap().len(), 3);
    // What is known of the input is what the later steps ask for: that it is HU.
    let answer = case.voxprep("run p.toml scan.nii.gz -o out.nii.gz --until one_of");
    assert!(answer.stderr.contains("hu.assumed"), "{}", answer.stderr);

    fs::remove_file(case.path("out.nii.gz")).unwrap();
    let until = "run p.toml scan.nii.gz -o out --until";
    refused(
        &case,
        &format!("{until} ct.clp"),
        USAGE,
        &["--until: ", "did you mean 'ct.clip'?"],
    );
    refused(
        &case,
        &format!("{until} intensity.rescale"),
        USAGE,
        &["did you mean 'one_of/intensity.rescale'?"],
    );
    refused(
        &case,
        &format!("{until} ct.clip --set output.volumes=['view']"),
        USAGE,
        &["after 'ct.clip' none of these volumes is there", "image"],
    );
    case.voxprep(&format!(
        "{until} ct.clip --modality CT --set output.volumes=['view','image']"
    ))
    .quiet();
    assert_eq!(
        case.files("out"),
        ["image.nii.gz", "report.json", "voxprep.json"]
    );
}

/// Values of 0..1 as integers are 0 and 1: an image no more, and a warning says so.
#[test]
fn a_window_that_is_rounded_away_is_said() {
    let case = Case::new();
    case.pipeline("p.toml", &[WINDOW]);
    let run = "run p.toml scan.nii.gz --modality CT";
    let answer = case.voxprep(&format!("{run} -o flat.nii.gz --set output.dtype=u8"));
    assert_eq!(answer.code, Some(0));
    let said = "to 1 became whole numbers of u8";
    assert!(answer.stderr.contains(said), "{}", answer.stderr);
    case.voxprep(&format!("{run} -o fine.nii.gz --set output.dtype=f64"))
        .quiet();
}

/// One name, two extensions: the second run takes the record of the first.
#[test]
fn a_record_that_is_replaced_is_said() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    case.voxprep("run p.toml scan.nii.gz -o a.nii.gz").quiet();
    case.voxprep("run p.toml scan.nii.gz -o a.nii.gz").quiet();
    let answer = case.voxprep("run p.toml scan.nii.gz -o a.nii");
    let said = "the record of a.nii.gz is replaced by this one's: a.voxprep.json";
    assert!(answer.stderr.contains(said), "{}", answer.stderr);
}

/// Of a pair both files are named.
#[test]
fn both_files_of_a_pair_are_listed() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    let answer = case.voxprep("run p.toml scan.nii.gz -o a.hdr").quiet();
    let listed: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(listed, ["a.img", "a.hdr", "a.voxprep.json"]);
    let answer = case.voxprep("convert scan.nii.gz b.hdr").quiet();
    assert_eq!(answer.stdout, "b.img\nb.hdr\n");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_in_plain_words() {
    let case = Case::new();
    for (line, said) in [
        (
            "tiles = [8.5, 8]",
            "tiles[0]: takes a whole number of at least 0, not 8.5",
        ),
        (
            "tiles = [8]",
            "tiles: has 1 values; it takes an array of length 2",
        ),
        ("adaptive = true", "adaptive: takes"),
        (
            "depth = 'u16'",
            "depth: there is no 'u16'; there are: native, u8",
        ),
        ("range = 'all'", "range: takes"),
    ] {
        case.write(
            "p.toml",
            &format!("version = 1\n[[step]]\nuse = \"xray.clahe\"\n{line}\n"),
        );
        let answer = case.voxprep("explain p.toml");
        assert!(answer.error().contains(said), "{line}: {}", answer.error());
    }
}

#[test]
fn output_says_format_level_and_type() {
    let case = Case::new();
    case.write(
        "p.toml",
        "version = 1\n[[step]]\nuse = 'ct.window'\nlevel = 0\nwidth = 2000\nrange = [0, 300]\n\
         [output]\nformat = 'nii'\ndtype = 'u8'\n",
    );
    let run = "run p.toml scan.nii.gz --label lungs=mask.nii.gz --modality CT";
    let answer = case.voxprep(&format!("{run} -o out"));
    assert_eq!(answer.code, Some(0));
    // -1000 gives 0, 60 HU are 9; above 700 HU there is more than 255, from 740 to 2540
    assert!(
        answer
            .stderr
            .starts_with("warning: 'image': 31 values do not fit u8"),
        "{}",
        answer.stderr
    );
    let image = case.read("out/image.nii");
    assert_eq!(image.voxels().element_type(), ElementType::U8);
    assert_eq!(image.voxels().get(0, [1, 0, 0]), Some(9.0));
    assert_eq!(
        json_of(&case, "out/report.json")["findings"][0]["code"],
        "output.saturated"
    );
    let outputs = json_of(&case, "out/voxprep.json")["outputs"].take();
    assert_eq!(
        (&outputs[0]["type"], &outputs[0]["file"]),
        (&json!("u8"), &json!("image.nii"))
    );
    assert_eq!(outputs[0]["blake3"], hash_volume(&image));
    // A label map keeps its type; it fits anyway.
    assert_eq!(
        case.read("out/lungs.nii").voxels().element_type(),
        ElementType::U8
    );

    let size = |level: u32| {
        let set = format!("--set output.level={level} --set output.format=nii.gz");
        case.voxprep(&format!("{run} -o sized {set}"));
        let option = format!("--level {level} --set output.format=nii.gz");
        let sized = fs::read(case.path("sized/image.nii.gz")).unwrap();
        case.voxprep(&format!("{run} -o again {option}"));
        assert!(sized == fs::read(case.path("again/image.nii.gz")).unwrap());
        assert_eq!(
            json_of(&case, "again/voxprep.json")["pipeline"]["output"]["level"],
            level
        );
        sized.len()
    };
    assert!(size(9) < size(0));
    // A file has the format of its name.
    case.voxprep("run p.toml scan.nii.gz --modality CT -o one.nii.gz");
    assert_eq!(
        fs::read(case.path("one.nii.gz")).unwrap()[..2],
        [0x1f, 0x8b]
    );
}

/// LN-00: every intermediate is dumpable; alone, each step gives what the dump holds.
#[test]
fn the_volumes_after_each_stage_are_dumped() {
    let case = Case::new();
    case.pipeline(
        "p.toml",
        &[
            "'ct.clip'\nlow = -500\nhigh = 500",
            "'spatial.flip'\naxes = ['x']",
            "'group'\n[[step.step]]\nuse = 'intensity.rescale'\nlow = 0\nhigh = 1",
            "'ct.window'\nlevel = 0\nwidth = 1\nas = 'view'\np = 0",
        ],
    );
    let run = "run p.toml scan.nii.gz --label lungs=mask.nii.gz --modality CT -o out";
    let answer = case
        .voxprep(&format!("{run} --dump-steps steps --no-fuse"))
        .quiet();
    let files = [
        "01-ct.clip.image.nii.gz",
        "02-spatial.flip.image.nii.gz",
        "02-spatial.flip.lungs.nii.gz",
        "03-group~intensity.rescale.image.nii.gz",
        "steps.json",
    ];
    assert_eq!(case.files("steps"), files);
    assert!(answer.stdout.ends_with("out/voxprep.json\nsteps/01-ct.clip.image.nii.gz\nsteps/02-spatial.flip.image.nii.gz\nsteps/02-spatial.flip.lungs.nii.gz\nsteps/03-group~intensity.rescale.image.nii.gz\nsteps/steps.json\n"), "{}", answer.stdout);
    let list = json_of(&case, "steps/steps.json");
    assert_eq!(
        list["stages"][2]["steps"],
        json!(["group/intensity.rescale"])
    );
    assert_eq!(
        list["stages"][1]["volumes"][1],
        json!({"name": "lungs", "file": "02-spatial.flip.lungs.nii.gz"})
    );
    let hash = |name: &str| hash_volume(&case.read(name));
    assert_eq!(
        hash("steps/03-group~intensity.rescale.image.nii.gz"),
        hash("out/image.nii.gz")
    );
    case.pipeline("flip.toml", &["'spatial.flip'\naxes = ['x']"]);
    case.voxprep("run flip.toml steps/01-ct.clip.image.nii.gz -o alone.nii.gz")
        .quiet();
    assert_eq!(
        hash("alone.nii.gz"),
        hash("steps/02-spatial.flip.image.nii.gz")
    );

    // Fused, what is between two steps is not there, and that is said.
    let answer = case.voxprep(&format!("{run} --dump-steps steps --until spatial.flip"));
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let notes: Vec<&str> = answer.stderr.lines().collect();
    assert!(
        notes
            .iter()
            .any(|line| line.starts_with("warning: left from an earlier run"))
    );
    let list = json_of(&case, "steps/steps.json");
    assert_eq!(list["stages"].as_array().unwrap().len(), 2);

    case.write("kept/file.txt", "");
    for (arguments, parts) in [
        ("--dump-steps out", &["a folder of its own"][..]),
        (
            "--dump-steps scan.nii.gz",
            &["takes a folder, and this is a file"],
        ),
        ("--dump-steps kept", &["new or empty", "kept"]),
        ("--dump-steps .", &["a folder of its own"]),
    ] {
        fs::remove_dir_all(case.path("out")).ok();
        refused(&case, &format!("{run} {arguments}"), USAGE, parts);
    }
    case.write("locked", "");
    refused(
        &case,
        &format!("{run} --dump-steps locked/steps"),
        SUBJECT,
        &["cannot write into the folder", "locked"],
    );
}

#[test]
fn what_ran_as_one_is_said() {
    let case = Case::new();
    case.pipeline(
        "p.toml",
        &[
            "'ct.clip'\nlow = -500\nhigh = 500",
            "'intensity.clip'\nlow = -10\nhigh = 10",
        ],
    );
    let answer = case.voxprep("run p.toml scan.nii.gz --modality CT -o out --dump-steps steps");
    let note = "note: 'ct.clip' ran as one with 'intensity.clip': there is nothing between them; \
                --no-fuse runs every step alone\n";
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), note));
    assert_eq!(
        case.files("steps"),
        ["01-intensity.clip.image.nii.gz", "steps.json"]
    );
}
