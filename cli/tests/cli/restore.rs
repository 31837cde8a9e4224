//! `voxprep restore`: predictions, back on the grid of the scan.

use voxprep_core::voxels::ElementType;

use crate::case::{Case, SIZE};
use crate::refused::{SUBJECT, USAGE, refused};

/// A case whose scan and mask were reoriented, cropped and padded into `out`.
fn moved(case: &Case) {
    case.pipeline(
        "p.toml",
        &[
            "'spatial.reorient'\nto = 'LPS'",
            "'spatial.crop_or_pad'\nsize = [4, 6, 5]",
        ],
    );
    case.voxprep("run p.toml scan.nii.gz --label lungs=mask.nii.gz -o moved")
        .quiet();
}

#[test]
fn a_label_map_and_an_image_come_back_to_where_they_were() {
    let case = Case::new();
    moved(&case);
    let answer = case
        .voxprep("restore moved/lungs.nii.gz --from moved/voxprep.json -o back.nii.gz")
        .quiet();
    assert_eq!(answer.stdout, "back.nii.gz\n");
    let (mask, back) = (case.read("mask.nii.gz"), case.read("back.nii.gz"));
    assert!(back.geometry().is_close(mask.geometry(), 1e-4));
    assert_eq!(back.voxels().values::<u8>(), mask.voxels().values::<u8>());

    case.voxprep(
        "restore moved/image.nii.gz --from moved/voxprep.json --image --fill -7 -o image.nii",
    )
    .quiet();
    let (scan, back) = (case.read("scan.nii.gz"), case.read("image.nii"));
    assert_eq!(back.voxels().element_type(), ElementType::I16);
    let [nx, ny, nz] = SIZE;
    let mut outside = 0;
    for (x, y, z) in
        (0..nz).flat_map(|z| (0..ny).flat_map(move |y| (0..nx).map(move |x| (x, y, z))))
    {
        let [old, new] = [&scan, &back].map(|v| v.voxels().get(0, [x, y, z]).unwrap());
        // One of the 5 columns was cut away.
        if new == -7.0 {
            outside += 1;
        } else {
            assert_eq!(new, old, "[{x}, {y}, {z}]");
        }
    }
    assert_eq!(outside, ny * nz);
}

/// Integers are labels, floating-point numbers an image, unless the command line says otherwise.
#[test]
fn the_type_decides_what_a_prediction_is() {
    let case = Case::new();
    case.pipeline("p.toml", &["'spatial.spacing'\nspacing_mm = [0.25, 1, 2]"]);
    case.voxprep("run p.toml scan.nii.gz -o fine.nii.gz")
        .quiet();
    case.voxprep("convert fine.nii.gz float.nii --type f32")
        .quiet();
    let restore = |name: &str, options: &str| {
        case.voxprep(&format!(
            "restore {name} --from fine.voxprep.json {options} -o back.nii"
        ))
        .quiet();
        let back = case.read("back.nii");
        (
            back.voxels().element_type(),
            back.voxels().get(0, [2, 0, 0]).unwrap(),
        )
    };
    // -1000, -940, -880, ... along x; the new voxels lie a quarter of a step beside the old ones,
    // and the nearest of two that are as near is one of these.
    let (ty, value) = restore("fine.nii.gz", "");
    assert_eq!(ty, ElementType::I16);
    assert!([-895.0, -865.0].contains(&value), "{value}");
    assert_eq!(
        restore("fine.nii.gz", "--image"),
        (ElementType::I16, -880.0)
    );
    let (ty, value) = restore("float.nii", "");
    assert!(
        ty == ElementType::F32 && (value + 880.0).abs() < 1e-3,
        "{ty} {value}"
    );
    let (ty, value) = restore("float.nii", "--label");
    assert_eq!(ty, ElementType::I16);
    assert!([-895.0, -865.0].contains(&value), "{value}");
}

#[test]
fn what_cannot_be_restored_is_said() {
    let case = Case::new();
    moved(&case);
    case.pipeline("two.toml", &["'ct.window'\npreset = 'lung'\nas = 'view'"]);
    case.voxprep(
        "run two.toml a=scan.nii.gz b=scan.nii.gz --modality CT --set ct.window.on=['a'] -o two",
    )
    .quiet();
    case.voxprep(
        "run two.toml scan.nii.gz --modality CT --set output.volumes=['view'] -o view.nii.gz",
    )
    .quiet();
    case.write("text.json", "{}");
    let from = "--from moved/voxprep.json -o out.nii.gz";
    for (arguments, code, parts) in [
        (
            &format!("scan.nii.gz {from}")[..],
            SUBJECT,
            &[
                "on another grid than the output 'image'",
                "5 x 4 x 3",
                "4 x 6 x 5",
                "scan.nii.gz",
            ][..],
        ),
        (
            &format!("moved/lungs.nii.gz {from} --volume lugns"),
            USAGE,
            &["no output 'lugns'", "did you mean 'lungs'?"],
        ),
        (
            &format!("moved/lungs.nii.gz {from} --fill 256"),
            USAGE,
            &["--fill: 256 does not fit u8"],
        ),
        (
            &format!("moved/lungs.nii.gz {from} --fill 0.5"),
            USAGE,
            &["0.5 does not fit u8"],
        ),
        (
            &format!("moved/lungs.nii.gz {from} --image --label"),
            USAGE,
            &["cannot be used with"],
        ),
        (
            "moved/lungs.nii.gz --from moved/voxprep.json -o out",
            USAGE,
            &["one file", ".nii.gz"],
        ),
        (
            "moved/lungs.nii.gz --from moved/voxprep.json -o moved/lungs.nii.gz",
            USAGE,
            &["would replace an input"],
        ),
        (
            "moved/lungs.nii.gz --from text.json -o out.nii.gz",
            SUBJECT,
            &["no sidecar", "text.json"],
        ),
        (
            "missing.nii --from moved/voxprep.json -o out.nii.gz",
            SUBJECT,
            &["missing.nii"],
        ),
        (
            "moved/lungs.nii.gz -o out.nii.gz",
            USAGE,
            &["--from <SIDECAR>"],
        ),
        // Two images and their copy: the first input is the reference.
        (
            "moved/lungs.nii.gz --from two/voxprep.json -o out.nii.gz",
            SUBJECT,
            &["the output 'a'"],
        ),
    ] {
        refused(&case, &format!("restore {arguments}"), code, parts);
    }
    // A copy under another name comes from an input, too.
    case.voxprep("restore view.nii.gz --from view.voxprep.json -o out.nii.gz")
        .quiet();
}
