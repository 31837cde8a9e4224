//! Groups of steps as the command line shows them, and the preset that has one.

use serde_json::{Value, json};

use crate::case::Case;

const CHOICE: &str = r#"version = 1
seed = 4
[[step]]
use = "spatial.reorient"
to = "RAS"
[[step]]
use = "one_of"
id = "look"
p = 0.7
[[step.step]]
use = "augment.rotate"
angle_deg = 90
axis = "z"
weight = 2
[[step.step]]
use = "some_of"
count = 1
[[step.step.step]]
use = "intensity.clip"
low = -900
high = 900
[[step.step.step]]
use = "augment.noise"
std = 1
"#;

fn answer(case: &Case, arguments: &str) -> String {
    case.voxprep(arguments).quiet().stdout
}

#[test]
fn explain_shows_what_a_group_chooses_from_and_with_a_scan_what_it_chose() {
    let case = Case::new();
    case.write("p.toml", CHOICE);
    let text = answer(&case, "explain p.toml");
    let expected = "\
read
resample spatial.reorient + look/augment.rotate
write
look, one_of (p 0.7): augment.rotate x2 | some_of
look/some_of, 1 of: intensity.clip | augment.noise
at most 1 resample, 1 pass; shown is the draw in which most happens
";
    assert!(text.starts_with(expected), "{text}");
    for line in [
        "\nlook                         with probability 0.7: one_of: Runs one of its steps, drawn by weight.\n",
        "\nlook/some_of/augment.noise   Adds Gaussian noise",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let plan: Value = serde_json::from_str(&answer(&case, "explain p.toml --json")).unwrap();
    assert_eq!(
        (&plan["resamples"], &plan["passes"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(plan["groups"][0]["members"][0]["weight"], 2.0);

    // What the scan's draw leaves out is what its run leaves out.
    let mut met = Vec::new();
    for id in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        case.voxprep(&format!(
            "run p.toml scan.nii.gz --modality CT --id {id} -o {id}.nii.gz"
        ))
        .quiet();
        let text = std::fs::read_to_string(case.path(&format!("{id}.voxprep.json"))).unwrap();
        let sidecar: Value = serde_json::from_str(&text).unwrap();
        let skipped = sidecar["skipped"].as_array().unwrap();
        let chosen = sidecar["groups"][0]["chosen"].as_array().unwrap();
        assert_eq!(sidecar["groups"][0]["step"], "look");
        assert_eq!(
            skipped.len() + sidecar["steps"].as_array().unwrap().len(),
            4
        );
        met.extend(chosen.iter().map(|id| id.as_str().unwrap().to_owned()));
    }
    met.sort_unstable();
    met.dedup();
    assert_eq!(met, ["look/augment.rotate", "look/some_of"]);
    let text = answer(&case, "explain p.toml scan.nii.gz --modality CT");
    let skipped: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("skipped  "))
        .collect();
    assert!(skipped.len() == 1 && skipped[0].contains("look/"), "{text}");
    assert!(!text.contains("at most"), "{text}");
}

#[test]
fn list_and_describe_know_groups() {
    let case = Case::new();
    let text = answer(&case, "list");
    let groups =
        "\ngroups of steps\n  group    Runs all its steps in order, or none of them.\n  one_of   ";
    assert!(text.contains(groups), "{text}");
    for name in ["group", "one_of", "some_of"] {
        let text = answer(&case, &format!("describe {name}"));
        assert!(
            text.starts_with(&format!("{name}   a group of steps\nRuns ")),
            "{text}"
        );
        let described = answer(&case, &format!("describe {name} --json"));
        let described: Value = serde_json::from_str(&described).unwrap();
        let example = described["example"].as_str().unwrap();
        case.write("p.toml", &format!("version = 1\n{example}\n"));
        assert!(answer(&case, "explain p.toml").contains(name));
        let page = answer(&case, &format!("describe {name} --markdown"));
        assert!(
            page.contains("\n## Keys\n") && page.contains(example),
            "{page}"
        );
    }
    let refused = case.voxprep("describe someof");
    assert!(refused.error().contains("did you mean 'some_of'?"));
}

/// AUG-01: the preset states all six values.
#[test]
fn the_spatial_preset_states_every_value_of_its_policy() {
    let case = Case::new();
    let list = answer(&case, "list --presets");
    assert!(
        list.contains("\n  medical-spatial   Spatial augmentation"),
        "{list}"
    );
    let described = answer(&case, "describe medical-spatial --json");
    let described: Value = serde_json::from_str(&described).unwrap();
    let group = &described["pipeline"]["step"][0];
    assert_eq!((&group["use"], &group["p"]), (&json!("group"), &json!(0.8)));
    let [rotate, zoom, shift, elastic] = [0, 1, 2, 3].map(|i| &group["step"][i]);
    assert_eq!(rotate["angle_deg"], json!({ "uniform": [-15.0, 15.0] }));
    assert_eq!(zoom["factor"], json!({ "uniform": [0.9, 1.1] }));
    // 5 % either way
    assert_eq!(shift["max_fraction"], 0.1);
    assert_eq!(
        (&elastic["alpha"], &elastic["sigma"]),
        (&json!(1000.0), &json!(8.0))
    );
    let p = [rotate, zoom, shift, elastic].map(|step| step["p"].as_f64());
    assert_eq!(p, [Some(0.5), Some(0.3), None, Some(0.3)]);
}
