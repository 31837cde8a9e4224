//! `voxprep schema`: what editors complete and check from.

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::case::Case;
use crate::refused::{USAGE, refused};

fn schema(case: &Case, name: &str) -> Value {
    serde_json::from_str(&case.voxprep(&format!("schema {name}")).quiet().stdout).unwrap()
}

fn validator(schema: &Value) -> Validator {
    jsonschema::validator_for(schema).unwrap()
}

/// A pipeline in TOML as an editor sees it.
fn value(text: &str) -> Value {
    let table: toml::Table = toml::from_str(text).unwrap();
    serde_json::to_value(table).unwrap()
}

fn list(case: &Case, what: &str) -> Vec<String> {
    let answer = case.voxprep(&format!("list {what} --json")).quiet().stdout;
    let entries: Value = serde_json::from_str(&answer).unwrap();
    let names = entries.as_array().unwrap().iter();
    names
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_preset_and_every_example_is_valid() {
    let case = Case::new();
    let whole = schema(&case, "");
    assert!(jsonschema::meta::is_valid(&whole));
    let whole = validator(&whole);
    for name in list(&case, "--presets") {
        let preset = value(&case.voxprep(&format!("describe {name}")).quiet().stdout);
        if let Err(error) = whole.validate(&preset) {
            panic!("{name}: {error}");
        }
    }
    let groups = ["group", "one_of", "some_of"].map(str::to_owned);
    for name in list(&case, "").into_iter().chain(groups) {
        let described = case.voxprep(&format!("describe {name} --json")).quiet();
        let described: Value = serde_json::from_str(&described.stdout).unwrap();
        let example = described["example"].as_str().unwrap();
        let pipeline = value(&format!("version = 1\n{example}\n"));
        if let Err(error) = whole.validate(&pipeline) {
            panic!("{name}: {error}");
        }
        let one = schema(&case, &name);
        assert!(jsonschema::meta::is_valid(&one), "{name}");
        assert!(validator(&one).is_valid(&pipeline["step"][0]), "{name}");
        // A field that is not there is no field, wherever it is.
        let mut misspelt = pipeline.clone();
        misspelt["step"][0]["misspelt"] = json!(1);
        assert!(!whole.is_valid(&misspelt), "{name}");
        assert!(!validator(&one).is_valid(&misspelt["step"][0]), "{name}");
        let mut other = pipeline;
        other["step"][0]["use"] = json!("no.such");
        assert!(!whole.is_valid(&other), "{name}");
    }
}

/// The schema and voxprep agree on what is wrong, where a schema can say it.
#[test]
fn what_is_wrong_is_invalid_and_refused() {
    let case = Case::new();
    let whole = validator(&schema(&case, ""));
    let window = "[[step]]\nuse = 'ct.window'\nlevel = 40\nwidth = 400";
    let member = "[[step.step]]\nuse = 'ct.clip'\nlow = 1\nhigh = 2";
    let good = [
        "seed = 3\n[output]\nformat = 'nii'\nlevel = 9\ndtype = 'i16'\nvolumes = ['a']".to_owned(),
        format!("{window}\nid = 'a#2'\non = ['image']\nas = 'b'\np = 0.5"),
        format!("[[step]]\nuse = 'one_of'\n{member}\nweight = 2"),
        format!("[[step]]\nuse = 'some_of'\ncount = {{ uniform = [0, 1] }}\n{member}"),
        format!(
            "[[step]]\nuse = 'one_of'\n{member}\n[[step.step]]\nuse = 'group'\nweight = 2\n[[step.step.step]]\nuse = 'ct.clip'\nlow = 1\nhigh = 2"
        ),
        "[[step]]\nuse = 'augment.rotate'\nangle_deg = { normal = [0, 3] }\naxis = 'z'".to_owned(),
    ];
    for text in good {
        let text = format!("version = 1\n{text}\n");
        if let Err(error) = whole.validate(&value(&text)) {
            panic!("{text}: {error}");
        }
        case.write("p.toml", &text);
        case.voxprep("explain p.toml").quiet();
    }
    let bad = [
        "sede = 3".to_owned(),
        "seed = -3".to_owned(),
        "include = ''".to_owned(),
        "[sampling]\nfil = 3".to_owned(),
        "[sampling]\nfill = 'zero'".to_owned(),
        "[input]\nmodality = 'PET'".to_owned(),
        "[output]\nlevel = 10".to_owned(),
        "[output]\nformat = 'tar'".to_owned(),
        "[output]\ndtype = 'i8'".to_owned(),
        "[[step]]\nlow = 3".to_owned(),
        "[[step]]\nuse = 'ct.window'\nlevl = 40\nwidth = 400".to_owned(),
        "[[step]]\nuse = 'ct.window'\nlevel = 40\nwidth = 0".to_owned(),
        format!("{window}\np = 1.5"),
        format!("{window}\nid = '../a'"),
        format!("{window}\non = []"),
        format!("{window}\nweight = 2"),
        "[[step]]\nuse = 'spatial.spacing'\nspacing_mm = [1, 1]".to_owned(),
        "[[step]]\nuse = 'spatial.spacing'".to_owned(),
        "[[step]]\nuse = 'augment.rotate'\nangle_deg = { uniform = [0, 900] }\naxis = 'z'"
            .to_owned(),
        "[[step]]\nuse = 'subject.keep'\nvolumes = ['a']\nas = 'b'".to_owned(),
        "[[step]]\nuse = 'one_of'".to_owned(),
        format!("[[step]]\nuse = 'one_of'\nas = 'b'\n{member}"),
        format!("[[step]]\nuse = 'one_of'\n{member}\nhihg = 2"),
        format!("[[step]]\nuse = 'group'\n{member}\nweight = 2"),
        format!("[[step]]\nuse = 'some_of'\n{member}"),
        format!("[[step]]\nuse = 'some_of'\ncount = 0\n{member}"),
    ];
    for text in bad {
        let text = format!("version = 1\n{text}\n");
        assert!(!whole.is_valid(&value(&text)), "{text}");
        case.write("p.toml", &text);
        let answer = case.voxprep("explain p.toml");
        assert_eq!(answer.code, Some(2), "{text}: {}", answer.stderr);
    }
    assert!(!whole.is_valid(&json!({})) && whole.is_valid(&json!({"version": 1, "$schema": "s"})));
}

#[test]
fn the_schema_of_a_step_that_is_none_is_refused() {
    let case = Case::new();
    refused(
        &case,
        "schema ct.windw",
        USAGE,
        &["'ct.windw'", "did you mean 'ct.window'?"],
    );
    refused(&case, "schema one_off", USAGE, &["did you mean 'one_of'?"]);
}
