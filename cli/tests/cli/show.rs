//! `voxprep show`: pictures of files.

use std::fs;
use std::path::Path;

use voxprep_core::geometry::Geometry;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_io::WriteOptions;

use crate::case::Case;
use crate::refused::{SUBJECT, USAGE, refused};

/// Width and height, as the header of a PNG file says.
fn size(path: &Path) -> (u32, u32) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// VIS-01, VIS-04: what the picture shows is said; three sizes, three spacings.
#[test]
fn the_slices_in_the_middle_are_drawn_and_named() {
    let case = Case::new();
    let answer = case
        .voxprep("show scan.nii.gz -o scan.png --scale 0.1")
        .quiet();
    // 5 x 4 x 3 voxels of 0.5 x 1 x 2 mm from (-10, 20, 30), y backwards
    assert_eq!(
        answer.stdout,
        "scan.png: scan: sagittal x 2 (R 9 mm), coronal y 1 (P 19 mm), axial z 1 (S 32 mm), \
         window −964.6 to 2505, radiological, origin upper, 0.1 mm per pixel\n"
    );
    // Panes of 40 x 60, 25 x 60 and 25 x 40 pixels are less wide than their captions.
    let (width, height) = size(&case.path("scan.png"));
    assert!(width > 300 && height > 60 + 100, "{width} x {height}");
    assert_eq!(case.files("."), ["mask.nii.gz", "scan.nii.gz", "scan.png"]);
    let bare = "show scan.nii.gz -o bare.png --scale 0.1 --bare";
    case.voxprep(bare).quiet();
    // 16 + panes with 20 for letters on both sides + two gaps of 12 + 16
    assert_eq!(size(&case.path("bare.png")), (266, 132));
}

/// The same bytes for any number of threads.
#[test]
fn the_same_file_gives_the_same_picture() {
    let case = Case::new();
    for kind in ["mid", "mosaic", "histogram"] {
        let read = |threads: u32| {
            let name = format!("{kind}-{threads}.png");
            let arguments = format!("show scan.nii.gz -o {name} --kind {kind} --threads {threads}");
            case.voxprep(&arguments).quiet();
            fs::read(case.path(&name)).unwrap()
        };
        assert_eq!(read(1), read(2), "{kind}");
    }
}

/// VIS-05: alpha 0 is the plain picture, to the byte.
#[test]
fn a_label_map_is_drawn_over_the_image_or_alone() {
    let case = Case::new();
    let draw = |arguments: &str| {
        let all = format!("show {arguments} -o out.png --axis axial --slice 1");
        let answer = case.voxprep(&all).quiet();
        (fs::read(case.path("out.png")).unwrap(), answer.stdout)
    };
    let plain = draw("scan.nii.gz").0;
    let over = "scan.nii.gz --label mask=mask.nii.gz";
    assert_eq!(draw(&format!("{over} --alpha 0")).0, plain);
    let half = draw(over).0;
    assert_ne!(half, plain);
    assert_ne!(draw(&format!("{over} --contour --alpha 1")).0, half);
    let (alone, said) = draw("--label mask=mask.nii.gz");
    assert_ne!(alone, plain);
    assert_eq!(
        said,
        "out.png: mask: axial z 1 (S 32 mm), radiological, origin upper, 0.0125 mm per pixel\n"
    );
}

/// VIS-06: level and width, the names of ct.window, and a range say the same.
#[cfg(feature = "ct")]
#[test]
fn a_window_has_three_spellings() {
    let case = Case::new();
    let said = |arguments: &str| {
        let all = format!("show scan.nii.gz -o out.png --modality CT {arguments}");
        case.voxprep(&all).quiet().stdout
    };
    let lung = said("--window lung");
    assert!(lung.contains("window −1350 to 150 HU"), "{lung}");
    assert_eq!(said("--window -600,1500"), lung);
    assert_eq!(said("--range -1350,150"), lung);
    assert!(said("").contains("window −160 to 240 HU"));
}

/// VIS-07: a mosaic of every slice, and of every second.
#[test]
fn a_mosaic_counts_its_slices() {
    let case = Case::new();
    let said = |arguments: &str| {
        let all = format!("show scan.nii.gz -o out.png --kind mosaic {arguments}");
        case.voxprep(&all).quiet().stdout
    };
    assert!(said("--per-row 2").starts_with("out.png: 3 axial slices in 2 rows, "));
    let coronal = said("--axis coronal --every 2 --per-row 9");
    assert!(
        coronal.starts_with("out.png: 2 coronal slices in 1 row, "),
        "{coronal}"
    );
}

/// VIS-09: counts sum to the number of voxels.
#[test]
fn a_histogram_counts_every_voxel() {
    let case = Case::new();
    let arguments = "show scan.nii.gz -o out.png --kind histogram --bins 40 --range -940,2480";
    let said = case.voxprep(arguments).quiet().stdout;
    assert_eq!(
        said,
        "out.png: histogram of 40 bins from −940 to 2480, scan: 60 voxels, 1 of them below, \
         1 above, 0 NaN\n"
    );
}

/// Several sequences, one below another.
#[test]
fn several_inputs_stand_below_each_other() {
    let case = Case::new();
    case.voxprep("show scan.nii.gz -o one.png --scale 0.1")
        .quiet();
    let two = "show a=scan.nii.gz b=scan.nii.gz --label m=mask.nii.gz -o two.png --scale 0.1";
    let said = case.voxprep(two).quiet().stdout;
    assert!(said.starts_with("two.png: a: sagittal") && said.contains("; b: sagittal"));
    let [one, two] = ["one.png", "two.png"].map(|name| size(&case.path(name)));
    assert_eq!((two.0, two.1), (one.0, 2 * one.1));
}

#[test]
fn what_cannot_be_shown_is_said_and_nothing_is_written() {
    let case = Case::new();
    let other = Geometry::aligned([2, 2, 2], [1.0; 3], [0.0; 3]).unwrap();
    let voxels = Voxels::new(1, [2, 2, 2], vec![1_u8; 8].into()).unwrap();
    let other = Volume::new(other, voxels).unwrap();
    voxprep_io::write(&case.path("other.nii"), &other, &WriteOptions::default()).unwrap();
    fs::copy(case.path("scan.nii.gz"), case.path("scan.png")).unwrap();
    let before = case.files(".");
    for (arguments, code, parts) in [
        (
            "scan.nii.gz -o out.jpg",
            USAGE,
            &["end the name in .png"][..],
        ),
        ("scan.png -o scan.png", USAGE, &["would replace an input"]),
        ("-o out.png", USAGE, &["INPUT"]),
        ("scan.nii.gz -o absent/out.png", SUBJECT, &["absent"]),
        (
            "scan.nii.gz -o out.png --axis axial --slice 3",
            USAGE,
            &["no axial slice 3", "0 to 2"],
        ),
        ("scan.nii.gz -o out.png --slice 1", USAGE, &["--axis"]),
        (
            "scan.nii.gz -o out.png --axis up",
            USAGE,
            &["sagittal, coronal"],
        ),
        (
            "scan.nii.gz -o out.png --window lungs",
            USAGE,
            &["ct.window"],
        ),
        (
            "scan.nii.gz -o out.png --window 40,0",
            USAGE,
            &["window", "above 0"],
        ),
        ("scan.nii.gz -o out.png --range 4", USAGE, &["two numbers"]),
        (
            "scan.nii.gz -o out.png --alpha 2",
            USAGE,
            &["alpha", "0 to 1"],
        ),
        ("scan.nii.gz -o out.png --colormap jet", USAGE, &["viridis"]),
        (
            "scan.nii.gz -o out.png --channel 1",
            USAGE,
            &["no channel '1'"],
        ),
        (
            "scan.nii.gz -o out.png --scale 0",
            USAGE,
            &["scale", "above 0"],
        ),
        (
            "scan.nii.gz -o out.png --scale 1e-5",
            USAGE,
            &["beyond the limit", "more mm per pixel"],
        ),
        (
            "scan.nii.gz --label m=other.nii -o out.png",
            SUBJECT,
            &["'m'", "grid", "spatial.like"],
        ),
    ] {
        refused(&case, &format!("show {arguments}"), code, parts);
    }
    assert_eq!(case.files("."), before);
}

/// A picture is drawn as it was asked for, or not at all.
#[test]
fn an_option_without_a_meaning_is_refused() {
    let case = Case::new();
    for (arguments, said) in [
        (
            "--kind mosaic --axis axial --slice 1",
            "--slice has no meaning for --kind mosaic; it is for mid",
        ),
        (
            "--kind histogram --contour",
            "--contour has no meaning for --kind histogram; it is for mid and mosaic",
        ),
        (
            "--per-row 3",
            "--per-row has no meaning for --kind mid; it is for mosaic",
        ),
        (
            "--bins 9",
            "--bins has no meaning for --kind mid; it is for histogram",
        ),
    ] {
        let answer = case.voxprep(&format!("show scan.nii.gz -o a.png {arguments}"));
        assert_eq!((answer.code, answer.error()), (Some(2), said));
    }
}

/// Ends so near that steps between them are no numbers: a plot, and no endless search for ticks.
#[test]
fn a_histogram_of_the_smallest_numbers_ends() {
    let case = Case::new();
    case.image("tiny.nii.gz", [0.0, 4e-323_f64].repeat(30));
    let answer = case.voxprep("show tiny.nii.gz --kind histogram -o tiny.png");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    case.image("wide.nii.gz", [-1.7e308, 1.7e308_f64].repeat(30));
    let answer = case.voxprep("show wide.nii.gz -o wide.png --bare");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    // Grey: no voxel is drawn as one that is no number.
    assert_eq!(std::fs::read(case.path("wide.png")).unwrap()[25], 0);
}
