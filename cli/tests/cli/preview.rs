//! `voxprep preview`: before and after in one picture.

use std::fs;

use crate::case::Case;
use crate::refused::{USAGE, refused};
use crate::run::WINDOW;

/// Width and height of a PNG.
fn size(case: &Case, name: &str) -> [u32; 2] {
    let bytes = fs::read(case.path(name)).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    [16, 20].map(|at| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()))
}

/// VIS-03: for any pipeline, a preset, and a single step with its example's parameters.
#[test]
fn a_scan_is_drawn_before_and_after() {
    let case = Case::new();
    case.pipeline("p.toml", &[WINDOW]);
    for what in ["p.toml", "ct-soft-tissue", "spatial.flip", "augment.rotate"] {
        let run = format!(
            "preview {what} scan.nii.gz --label lungs=mask.nii.gz --modality CT -o {what}.png"
        );
        let answer = case.voxprep(&run);
        assert_eq!(answer.code, Some(0), "{what}: {}", answer.stderr);
        assert!(answer.stdout.contains("image, before") && answer.stdout.contains("image, after"));
        let [width, height] = size(&case, &format!("{what}.png"));
        assert!(width > 400 && height > 400, "{what}: {width} {height}");
    }
    let one =
        case.voxprep("preview spatial.flip scan.nii.gz -o one.png --axis axial --modality CT");
    assert!(one.stdout.contains("axial z 1") && !one.stdout.contains("sagittal"));
    let ([one, _], [all, _]) = (size(&case, "one.png"), size(&case, "spatial.flip.png"));
    assert!(one < all, "{one} {all}");
    // Nothing but pictures is written.
    let files = case.files(".");
    assert!(
        files
            .iter()
            .all(|f| [".png", ".toml", ".nii.gz"].iter().any(|e| f.ends_with(e)))
    );
}

/// Before and after are the same place: a flip of the storage shows the same picture.
#[test]
fn what_moves_no_anatomy_changes_no_picture() {
    let case = Case::new();
    let run = "preview spatial.flip scan.nii.gz -o a.png --axis axial --modality CT --set spatial.flip.axes=['z']";
    let answer = case.voxprep(run);
    let (_, said) = answer.stdout.split_once(": ").unwrap();
    let place = |row: &str| {
        row.split_once('(')
            .unwrap()
            .1
            .split_once(')')
            .unwrap()
            .0
            .to_owned()
    };
    let rows: Vec<&str> = said.split("; ").collect();
    assert_eq!(place(rows[0]), place(rows[1]), "{said}");
}

/// The parameters of a step are those of the picture: another value, other bytes.
#[test]
fn a_changed_field_changes_the_picture() {
    let case = Case::new();
    let draw = |name: &str, set: &str| {
        case.voxprep(&format!(
            "preview augment.rotate scan.nii.gz -o {name} --modality CT {set}"
        ));
        fs::read(case.path(name)).unwrap()
    };
    let [once, again] =
        ["a.png", "b.png"].map(|name| draw(name, "--set augment.rotate.angle_deg=30"));
    assert!(once == again);
    assert!(once != draw("c.png", "--set augment.rotate.angle_deg=60"));
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let case = Case::new();
    for (arguments, parts) in [
        (
            "ct-lung scan.nii.gz -o out.jpg",
            &[".png", ".html", "out.jpg"][..],
        ),
        (
            "ct-lnug scan.nii.gz -o out.png",
            &["did you mean 'ct-lung'?"],
        ),
        ("ct.window -o out.png", &["INPUT"]),
        (
            "ct.window scan.nii.gz -o out.png --set ct.window.widht=3",
            &["did you mean 'width'?"],
        ),
    ] {
        refused(&case, &format!("preview {arguments}"), USAGE, parts);
    }
    assert!(!case.path("out.png").exists());
}

/// QC-13: a page of one subject that opens offline: pictures, numbers, findings, plan, record.
#[test]
fn a_page_holds_all_that_is_known_of_a_subject() {
    let case = Case::new();
    case.pipeline("p.toml", &[WINDOW]);
    case.voxprep("preview p.toml scan.nii.gz -o page.html --modality CT --id jane7")
        .quiet();
    let page = fs::read_to_string(case.path("page.html")).unwrap();
    assert!(!page.contains("http") && !page.contains("<script"));
    for part in [
        "Pictures",
        "Numbers",
        "Findings",
        "The plan",
        "The record",
        "data:image/png",
        "5 x 4 x 3",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // The record has a keyed hash of the id, and no file is named.
    assert!(
        !page.contains("jane7") && !page.contains("scan.nii.gz"),
        "{page}"
    );
}

/// VIS-17: several draws in one picture, the same for the same seed.
#[test]
fn draws_are_shown_side_by_side() {
    let case = Case::new();
    let draw = |name: &str, seed: u64| {
        let run = format!(
            "preview augment.rotate scan.nii.gz -o {name} --modality CT --draws 5 --seed {seed}"
        );
        let answer = case.voxprep(&run);
        assert!(
            answer
                .stdout
                .ends_with(&format!("5 draws with seed {seed}\n")),
            "{}",
            answer.stdout
        );
        fs::read(case.path(name)).unwrap()
    };
    let once = draw("a.png", 3);
    assert!(once == draw("b.png", 3));
    assert!(once != draw("c.png", 4));
}
