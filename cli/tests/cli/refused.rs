//! What is refused: one line on stderr, nothing on stdout, nothing written, and the right exit code.

use std::fs;

use crate::case::Case;

/// Data are bad, or the system refuses.
pub(crate) const SUBJECT: i32 = 1;
/// The command line or the pipeline is wrong.
pub(crate) const USAGE: i32 = 2;

/// Runs it, and expects an error that contains every one of `parts`.
pub(crate) fn refused(case: &Case, arguments: &str, code: i32, parts: &[&str]) {
    let answer = case.voxprep(arguments);
    assert_eq!(
        (answer.code, answer.stdout.as_str()),
        (Some(code), ""),
        "{arguments}: {}",
        answer.stderr
    );
    for part in parts {
        assert!(
            answer.error().contains(part),
            "{arguments}: {}, without {part}",
            answer.error()
        );
    }
    assert!(
        !case.path("out").exists() && !case.path("out.nii.gz").exists(),
        "{arguments}"
    );
}

#[test]
fn arguments_that_make_no_sense() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    for (arguments, parts) in [
        ("rum", &["'rum'", "'run'"][..]),
        (
            "run p.toml scan.nii.gz",
            &["--output <OUT>", "see `voxprep run --help`"],
        ),
        ("run p.toml -o out", &["<INPUT>"]),
        (
            "run p.toml scan.nii.gz -o out --sed 3",
            &["--sed", "--seed"],
        ),
        (
            "run p.toml scan.nii.gz -o out --threads 0",
            &["--threads", "see `voxprep run --help`"],
        ),
        ("run p.toml scan.nii.gz -o out --level 10", &["--level"]),
        (
            "run p.toml scan.nii.gz -o out --modality PET",
            &["PET", "CT, MRI or XRAY"],
        ),
        (
            "run p.toml scan.nii.gz -o out --label mask.nii.gz",
            &["NAME=PATH"],
        ),
        ("run p.toml =scan.nii.gz -o out", &["the name before '='"]),
        (
            "run p.toml scan.nii.gz mask.nii.gz -o out",
            &["2 inputs have no name", "t1=a.nii.gz"],
        ),
        (
            "run p.toml a=scan.nii.gz a=mask.nii.gz -o out",
            &["the name 'a' is used twice"],
        ),
        (
            "run p.toml scan.nii.gz --label image=mask.nii.gz -o out",
            &["the name 'image' is used twice"],
        ),
        (
            "run ct-lnug scan.nii.gz -o out",
            &["no preset 'ct-lnug'", "did you mean 'ct-lung'?"],
        ),
        (
            "run missing.toml scan.nii.gz -o out",
            &["cannot read the pipeline", "missing.toml"],
        ),
        ("describe ct.windw", &["did you mean 'ct.window'?"]),
        (
            "info scan.nii.gz --at 5,0,0",
            &["x = 5 lies outside", "0 to 4"],
        ),
        (
            "info scan.nii.gz --at 0,0,3 --base 1",
            &["x = 0 lies outside", "1 to 5"],
        ),
        ("info scan.nii.gz --at 1,2", &["three whole numbers"]),
        ("info scan.nii.gz --at -1,2,3", &["three whole numbers"]),
    ] {
        refused(&case, arguments, USAGE, parts);
    }
}

#[test]
fn pipelines_that_are_wrong() {
    let case = Case::new();
    for (name, pipeline, parts) in [
        (
            "unknown step",
            "[[step]]\nuse = 'ct.windw'",
            &["'ct.windw'", "did you mean 'ct.window'?"][..],
        ),
        (
            "misspelt field",
            "[[step]]\nuse = 'ct.clip'\nlo = 1\nhigh = 2",
            &["ct.clip", "lo: ", "did you mean 'low'?"],
        ),
        (
            "wrong type",
            "[[step]]\nuse = 'ct.clip'\nlow = 'a'\nhigh = 2",
            &["ct.clip", "low"],
        ),
        (
            "out of range",
            "[[step]]\nuse = 'spatial.spacing'\nspacing_mm = [1, 0, 1]",
            &["spacing_mm[1]", "(0, inf)"],
        ),
        (
            "unknown volume",
            "[[step]]\nuse = 'ct.clip'\nlow = 1\nhigh = 2\non = ['imag']",
            &["no volume 'imag'"],
        ),
        (
            "unknown output",
            "[output]\nvolumes = ['view']",
            &["no volume 'view'", "image"],
        ),
        (
            "unknown reference",
            "[input]\nreference = 'view'",
            &["no volume 'view'", "image"],
        ),
        ("unknown section", "[outptu]", &["did you mean 'output'?"]),
        (
            "a path as a name",
            "[[step]]\nuse = 'ct.clip'\nlow = 1\nhigh = 2\nas = '../a'",
            &["'../a'", "name"],
        ),
        ("no TOML", "= 3", &["line 2"]),
    ] {
        case.write("p.toml", &format!("version = 1\n{pipeline}\n"));
        let answer = case.voxprep("run p.toml scan.nii.gz --modality CT -o out");
        assert_eq!(
            (answer.code, answer.stdout.as_str()),
            (Some(USAGE), ""),
            "{name}: {}",
            answer.stderr
        );
        for part in parts {
            assert!(answer.error().contains(part), "{name}: {}", answer.error());
        }
        assert!(!case.path("out").exists(), "{name}");
    }
    case.write("p.toml", "version = 2\n");
    refused(
        &case,
        "run p.toml scan.nii.gz -o out",
        USAGE,
        &["version 1, not 2", "p.toml"],
    );
    case.write("p.json", "{\"version\": 1,}");
    refused(&case, "explain p.json", USAGE, &["line 1", "p.json"]);
    case.write("p.toml", "version = 1\n[input]\nmodality = 'MRI'\n");
    refused(
        &case,
        "run p.toml scan.nii.gz --modality CT -o out",
        USAGE,
        &["CT", "MRI", "p.toml"],
    );
}

#[test]
fn inputs_that_are_no_images() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    case.write("empty.nii", "");
    case.write("text.nii.gz", "this is no image, although its name says so");
    fs::create_dir(case.path("folder")).unwrap();
    for (input, code) in [
        ("empty.nii", SUBJECT),
        ("text.nii.gz", SUBJECT),
        ("missing.nii", SUBJECT),
        ("folder", USAGE),
    ] {
        for command in [
            "run p.toml INPUT -o out",
            "explain p.toml INPUT",
            "info INPUT",
            "info INPUT --stats",
        ] {
            refused(&case, &command.replace("INPUT", input), code, &[input]);
        }
    }
    case.write("tips.csv", "x,y,z\n1,2,3\n");
    refused(
        &case,
        "run p.toml scan.nii.gz --points a=tips.csv -o out",
        SUBJECT,
        &["line 1", "tips.csv"],
    );
    case.image("half.nii.gz", vec![0.5_f32; 60]);
    refused(
        &case,
        "run p.toml scan.nii.gz --label a=half.nii.gz -o out",
        SUBJECT,
        &["half.nii.gz"],
    );
}

#[test]
fn a_file_that_would_take_more_than_one_image() {
    let case = Case::new();
    case.pipeline("none.toml", &[]);
    case.pipeline("two.toml", &["'ct.window'\npreset = 'lung'\nas = 'view'"]);
    case.write(
        "labels.toml",
        "version = 1\n[output]\nvolumes = ['lungs']\n",
    );
    case.pipeline(
        "late.toml",
        &["'subject.keep'\nvolumes = ['image', 'lungs']"],
    );
    let labelled = "scan.nii.gz --label lungs=mask.nii.gz --modality CT -o out.nii.gz";
    for (pipeline, inputs, parts) in [
        (
            "none.toml",
            labelled,
            &["besides 'image'", "the label map 'lungs'"][..],
        ),
        (
            "two.toml",
            "scan.nii.gz --modality CT -o out.nii.gz",
            &["'image'", "'view'"],
        ),
        ("labels.toml", labelled, &["no image", "'lungs'"]),
        // Only the run shows what a joint step leaves.
        (
            "late.toml",
            labelled,
            &["besides 'image'", "the label map 'lungs'"],
        ),
    ] {
        refused(&case, &format!("run {pipeline} {inputs}"), USAGE, parts);
    }
    case.write("tips.csv", "name,x,y,z\n");
    refused(
        &case,
        "run none.toml scan.nii.gz --points a=tips.csv -o out.nii.gz",
        USAGE,
        &["points", "folder"],
    );
}

#[test]
fn places_that_cannot_be_written_to() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    case.write("file", "");
    refused(&case, "run p.toml scan.nii.gz -o file", SUBJECT, &["file"]);
    refused(
        &case,
        "run p.toml scan.nii.gz -o file/out",
        SUBJECT,
        &["file"],
    );
    refused(
        &case,
        "run p.toml scan.nii.gz -o missing/out.nii.gz",
        SUBJECT,
        &["missing"],
    );
    refused(
        &case,
        "run p.toml scan.nii.gz -o out.mgz",
        USAGE,
        &["cannot write .mgz", ".nii.gz"],
    );
    refused(
        &case,
        "run p.toml scan.nii.gz -o scan.nii.gz",
        USAGE,
        &["would replace an input"],
    );
    fs::create_dir(case.path("again")).unwrap();
    fs::copy(case.path("scan.nii.gz"), case.path("again/image.nii.gz")).unwrap();
    refused(
        &case,
        "run p.toml again/image.nii.gz -o again",
        USAGE,
        &["would replace an input"],
    );
    assert_eq!(case.files("again"), ["image.nii.gz"]);
}

#[test]
#[cfg(unix)]
fn a_folder_without_permission() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    let locked = case.path("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o555)).unwrap();
    // The superuser may write anywhere.
    if fs::write(locked.join("probe"), "").is_err() {
        refused(
            &case,
            "run p.toml scan.nii.gz -o locked",
            SUBJECT,
            &["cannot write into the folder", "locked"],
        );
        refused(
            &case,
            "run p.toml scan.nii.gz -o locked/new",
            SUBJECT,
            &["cannot write into the folder", "locked"],
        );
    }
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_step_in_hounsfield_units_on_values_that_are_none() {
    let case = Case::new();
    case.pipeline(
        "p.toml",
        &["'ct.window'\npreset = 'lung'", "'ct.clip'\npreset = 'full'"],
    );
    refused(
        &case,
        "run p.toml scan.nii.gz --modality CT -o out",
        USAGE,
        &["'ct.clip'", "already normalised"],
    );
    case.image("bright.nii.gz", vec![100_u8; 60]);
    case.pipeline("p.toml", &["'ct.window'\npreset = 'lung'"]);
    refused(
        &case,
        "run p.toml bright.nii.gz -o out",
        SUBJECT,
        &["needs Hounsfield units", "--modality CT"],
    );
}

/// `ulimit -f` and a full disk end a write, not the process.
#[test]
#[cfg(target_os = "linux")]
fn a_write_beyond_the_limit_on_file_sizes() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    let big: Vec<i16> = (0..60).map(|i| i * 523 % 1009).collect();
    case.image("big.nii.gz", big);
    let voxprep = assert_cmd::cargo::cargo_bin!("voxprep");
    let line = format!(
        "ulimit -f 0; exec '{}' run p.toml big.nii.gz -o out",
        voxprep.display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &line])
        .current_dir(case.path(""))
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(SUBJECT), "{error}");
    assert!(
        error.starts_with("error: ") && error.lines().count() == 1,
        "{error}"
    );
    assert!(!case.path("out/voxprep.json").exists() && !case.path("out/image.nii.gz").exists());
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_exits_with_130() {
    use std::process::{Command, Stdio};
    let case = Case::new();
    let fifo = case.path("p.toml");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let voxprep = assert_cmd::cargo::cargo_bin!("voxprep");
    let mut child = Command::new(voxprep)
        .arg("explain")
        .arg(&fifo)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Opening the other end waits until voxprep, with its handler in place, waits for the text.
    let writer = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    assert!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(writer);
}
