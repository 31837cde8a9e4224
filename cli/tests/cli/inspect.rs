//! `voxprep explain`, `list`, `describe` and `info`.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::case::Case;

fn answer(case: &Case, arguments: &str) -> String {
    case.voxprep(arguments).quiet().stdout
}

fn json_answer(case: &Case, arguments: &str) -> Value {
    serde_json::from_str(&answer(case, arguments)).unwrap()
}

#[test]
fn explain_shows_what_runs_as_one_and_what_each_volume_becomes() {
    let case = Case::new();
    let plan = json_answer(&case, "explain ct-lung --json");
    let stages: Vec<_> = plan["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["kind"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["read", "pass", "resample", "write"]);
    assert_eq!(
        plan["stages"][2]["steps"],
        json!(["spatial.reorient", "spatial.spacing", "ct.window"])
    );
    assert_eq!(
        (&plan["resamples"], &plan["passes"]),
        (&json!(1), &json!(1))
    );

    let plan = json_answer(
        &case,
        "explain ct-lung scan.nii.gz --label lungs=mask.nii.gz --modality CT --json",
    );
    // 5 x 4 x 3 voxels of 0.5 x 1 x 2 mm; 2.5 is rounded to even.
    let image = json!({"name": "image", "size": [2, 4, 6], "spacing_mm": [1.0, 1.0, 1.0], "role": "intensity", "type": "f32", "channels": 1});
    assert_eq!(plan["stages"][2]["volumes"][0], image);
    assert_eq!(plan["stages"][2]["volumes"][1]["type"], "u8");

    let text = answer(&case, "explain ct-lung scan.nii.gz --modality CT");
    assert!(
        text.contains("\n1 resample, 1 pass\n") && text.contains("2 x 4 x 6 voxels"),
        "{text}"
    );
    assert!(text.contains("\nct.clip           Limits "), "{text}");
    let alone = json_answer(&case, "explain ct-lung --no-fuse --json");
    assert_eq!(alone["stages"].as_array().unwrap().len(), 6);
}

#[test]
fn list_names_steps_and_presets() {
    let case = Case::new();
    let entries = json_answer(&case, "list --json");
    let window = entries
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["name"] == "ct.window")
        .unwrap();
    let fields: Vec<_> = window.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["name", "kind", "role", "summary", "source"]);
    assert_eq!(
        (&window["kind"], &window["role"]),
        (&json!("pointwise"), &json!("intensity"))
    );

    let presets = json_answer(&case, "list --presets --json");
    let names: Vec<_> = presets
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    for name in [
        "ct-augment",
        "ct-lung",
        "ct-soft-tissue",
        "ct-windows",
        "mri-basic",
        "mri-white-stripe",
        "xray-clahe",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    let text = answer(&case, "list");
    assert!(
        text.contains("\nct\n  ct.clip ") && text.contains("\npresets\n  ct-augment "),
        "{text}"
    );
}

#[test]
fn describe_shows_parameters_and_an_example_that_runs() {
    let case = Case::new();
    for entry in json_answer(&case, "list --json").as_array().unwrap() {
        let name = entry["name"].as_str().unwrap();
        let described = json_answer(&case, &format!("describe {name} --json"));
        case.write(
            "p.toml",
            &format!("version = 1\n{}\n", described["example"].as_str().unwrap()),
        );
        answer(&case, "explain p.toml");
        let page = answer(&case, &format!("describe {name} --markdown"));
        assert!(
            page.starts_with(&format!(
                "# {name}\n\n{}",
                entry["summary"].as_str().unwrap()
            )),
            "{page}"
        );
        assert!(
            page.contains("\n## Parameters\n") && page.contains("\n## Example\n"),
            "{page}"
        );
    }
    let text = answer(&case, "describe spatial.spacing");
    for part in [
        "spacing_mm",
        "mm",
        "(0, inf)",
        "required",
        "use = \"spatial.spacing\"",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_described_preset_is_its_file() {
    let case = Case::new();
    let text = answer(&case, "describe ct-lung");
    case.write("mine.toml", &text);
    assert_eq!(
        answer(&case, "explain mine.toml --json"),
        answer(&case, "explain ct-lung --json")
    );
}

/// IO-07: one voxel, in array order, as a viewer names it, and in the world.
#[test]
fn info_at_names_a_voxel_in_every_way() {
    let case = Case::new();
    let at = json_answer(&case, "info scan.nii.gz --at 1,3,2 --json")["at"].take();
    // x + 5 (y + 4 z) = 56, times 60, less 1000; world: -10 + 0.5 x, 20 - y, 30 + 2 z.
    let expected = json!({
        "index": [1, 3, 2],
        "array": [2, 3, 1],
        "viewer": [2, 4, 3],
        "lps_mm": [-9.5, 17.0, 34.0],
        "ras_mm": [9.5, -17.0, 34.0],
        "values": [2360.0],
    });
    assert_eq!(at, expected);
    assert_eq!(
        json_answer(&case, "info scan.nii.gz --at 2,4,3 --base 1 --json")["at"],
        expected
    );
    let text = answer(&case, "info scan.nii.gz --at 2,4,3 --base 1");
    for line in [
        "\narray        [2, 3, 1] (z, y, x), counted from 0\n",
        "\nviewer       (2, 4, 3) (x, y, z), counted from 1\n",
        "\nvalue        2360\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn info_shows_header_and_statistics() {
    let case = Case::new();
    let info = json_answer(&case, "info scan.nii.gz --stats --json");
    assert_eq!(info["size"], json!([5, 4, 3]));
    assert_eq!(info["spacing_mm"], json!([0.5, 1.0, 2.0]));
    assert_eq!(info["orientation"], "LAS");
    assert_eq!(
        (&info["type"], &info["unit"]),
        (&json!("i16"), &json!("unknown"))
    );
    let stats = &info["stats"][0];
    // -1000, -940, ..., 2540: the mean is the middle, percentile p is at 59 p / 100 steps of 60.
    assert_eq!((&stats["count"], &stats["nan"]), (&json!(60), &json!(0)));
    assert_eq!(
        (&stats["min"], &stats["max"], &stats["mean"]),
        (&json!(-1000.0), &json!(2540.0), &json!(770.0))
    );
    for (name, expected) in [
        ("std", 60.0 * (3599.0_f64 / 12.0).sqrt()),
        ("p1", -964.6),
        ("p50", 770.0),
        ("p99", 2504.6),
    ] {
        assert!(
            (stats[name].as_f64().unwrap() - expected).abs() < 1e-9,
            "{name}: {stats}"
        );
    }
    let text = answer(&case, "info scan.nii.gz");
    assert!(
        text.contains("5 x 4 x 3 voxels (x, y, z)") && !text.contains("mean"),
        "{text}"
    );
}

#[test]
fn every_command_explains_itself_with_examples() {
    let case = Case::new();
    let help = answer(&case, "--help");
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let commands: Vec<&str> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 9, "{commands:?}");
    for command in commands {
        let help = answer(&case, &format!("{command} --help"));
        let example = format!("\nExamples:\n  voxprep {command}");
        assert!(help.contains(&example), "{command}: {help}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let case = Case::new();
    for arguments in [
        &["list"][..],
        &["describe", "ct.window", "--json"],
        &["--help"],
        &["info", "scan.nii.gz"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let voxprep = assert_cmd::cargo::cargo_bin!("voxprep");
        let child = Command::new(voxprep)
            .args(arguments)
            .current_dir(case.path(""))
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn();
        let output = child.unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            "",
            "{arguments:?}"
        );
    }
}
