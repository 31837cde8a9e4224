//! Datasets as they are laid out in folders.

use std::fs;

use voxprep_core::kernels::affine::Affine;
use voxprep_io::cases::{Layout, Part, Search, Sort};
use voxprep_io::{ReadOptions, read_header};

use crate::{find, ids, placed, problems, volume};

/// IO-08, IO-09, DS-07, B-22: 12 volumes and their segmentations, in natural order, by number.
#[test]
fn lits_pairs_by_number_in_natural_order() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..12 {
        volume(
            &folder.path().join(format!("batch/volume-{i}.nii")),
            [0.0; 3],
        );
        volume(
            &folder.path().join(format!("segmentation-{i}.nii.gz")),
            [0.0; 3],
        );
    }
    let found = find(folder.path(), Layout::Lits);
    assert!(found.problems.is_empty(), "{:?}", problems(&found));
    let expected: Vec<String> = (0..12).map(|i| format!("volume-{i}")).collect();
    assert_eq!(ids(&found), expected);
    for (i, case) in found.cases.iter().enumerate() {
        let [image, label] = case.files.as_slice() else {
            panic!("{case:?}")
        };
        assert_eq!((image.part, label.part), (Part::Image, Part::Label));
        assert!(image.path.ends_with(format!("batch/volume-{i}.nii")));
        assert!(label.path.ends_with(format!("segmentation-{i}.nii.gz")));
    }
    let lexical = Search {
        layout: Layout::Lits,
        sort: Sort::Lexical,
        ..Search::default()
    };
    let found = voxprep_io::cases::find(folder.path(), &lexical).unwrap();
    assert_eq!(
        ids(&found)[..4],
        ["volume-0", "volume-1", "volume-10", "volume-11"]
    );
}

/// IO-09: a label that is missing, a label without an image, a case that is there twice.
#[test]
fn what_does_not_pair_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "volume-1",
        "volume-2",
        "volume-10",
        "segmentation-1",
        "segmentation-7",
    ] {
        volume(&folder.path().join(format!("{name}.nii")), [0.0; 3]);
    }
    volume(&folder.path().join("more/volume-01.nii"), [0.0; 3]);
    let found = find(folder.path(), Layout::Lits);
    let problems = problems(&found);
    assert_eq!(problems.len(), 4, "{problems:?}");
    for (expected, path) in [
        (
            "case 1 is there twice; remove one of the two: ",
            "more/volume-01.nii",
        ),
        ("case 10 has no label; ", "volume-10.nii"),
        ("case 2 has no label; ", "volume-2.nii"),
        ("case 7 has no image; ", "segmentation-7.nii"),
    ] {
        let one = problems.iter().find(|p| p.starts_with(expected));
        assert!(
            one.is_some_and(|p| p.ends_with(path)),
            "{expected}: {problems:?}"
        );
    }
}

/// IO-09: a grid that is 0.1 mm elsewhere is named; one that differs by the rounding of headers is not.
#[test]
fn grids_that_are_a_tenth_of_a_millimetre_apart_are_named() {
    for (shift, right) in [(0.1, false), (0.001, true)] {
        let folder = tempfile::tempdir().unwrap();
        volume(&folder.path().join("volume-3.nii"), [0.0; 3]);
        volume(&folder.path().join("segmentation-3.nii"), [0.0, shift, 0.0]);
        let problems = problems(&find(folder.path(), Layout::Lits));
        if right {
            assert!(problems.is_empty(), "{problems:?}");
            continue;
        }
        assert_eq!(problems.len(), 1);
        let expected = "label 'label' of case volume-3 is not on the grid of image 'image': its corners \
                        are up to 0.100 mm elsewhere; ";
        assert!(problems[0].starts_with(expected), "{problems:?}");
        assert!(problems[0].ends_with("segmentation-3.nii"), "{problems:?}");
    }
}

/// IO-09: two folders, by the same names or by the only number in them; or one folder and a suffix.
#[test]
fn plain_folders_pair_by_name_number_or_suffix() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in [
        "a/x1_t2",
        "a/x10_t2",
        "b/x1_t2",
        "b/x10_t2",
        "c/mask-010",
        "c/mask-1",
        "d/10",
        "d/1",
    ] {
        volume(&at(&format!("{name}.nii.gz")), [0.0; 3]);
    }
    for name in ["e/p.nii", "e/p_seg.nii", "e/q.nii", "e/q_seg.nii"] {
        volume(&at(name), [0.0; 3]);
    }
    fs::write(at("a/notes.txt"), "not an image").unwrap();
    let find = |images: &str, labels: Option<&str>, suffix: Option<&str>| {
        let search = Search {
            labels: labels.map(at),
            label_suffix: suffix.map(str::to_owned),
            ..Search::default()
        };
        voxprep_io::cases::find(&at(images), &search).unwrap()
    };
    let by_name = find("a", Some("b"), None);
    assert_eq!(ids(&by_name), ["x1_t2", "x10_t2"]);
    assert!(by_name.problems.is_empty());
    let by_number = find("d", Some("c"), None);
    assert_eq!(ids(&by_number), ["1", "10"]);
    assert!(
        by_number.cases[1].files[1]
            .path
            .ends_with("mask-010.nii.gz")
    );
    let by_suffix = find("e", None, Some("_seg"));
    assert_eq!(ids(&by_suffix), ["p", "q"]);
    assert_eq!(by_suffix.cases[0].files.len(), 2);
    let alone = find("a", None, None);
    assert_eq!(ids(&alone), ["x1_t2", "x10_t2"]);
    let unclear = problems(&find("a", Some("c"), None));
    let expected = "which number of 'x10_t2' is that of the case is not clear; ";
    assert!(
        unclear.iter().any(|p| p.starts_with(expected)),
        "{unclear:?}"
    );
}

/// DS-02: annotations are world mm, and land in the voxels that they name, on a grid whose axes run
/// backwards, too.
#[test]
fn luna16_brings_lungs_and_nodules_in_world_millimetres() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // x and y run to negative coordinates, as in the scans of LUNA16 that lie face down.
    let backwards =
        Affine::translation([100.0, 50.0, -300.0]) * Affine::scaling([-0.5, -0.5, 1.25]);
    placed(&at("subset0/1.2.3.mhd"), backwards);
    placed(&at("seg-lungs-LUNA16/1.2.3.mhd"), backwards);
    volume(&at("subset3/1.2.10.mhd"), [0.0; 3]);
    volume(&at("seg-lungs-LUNA16/1.2.10.mhd"), [0.0; 3]);
    // Index 3, 2, 1: 100 - 1.5, 50 - 1, -300 + 1.25.
    let table = "seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.3,98.5,49.0,-298.75,5.651\n\
                 9.9,1,2,3,4\n";
    fs::write(at("annotations.csv"), table).unwrap();
    let found = find(folder.path(), Layout::Luna16);
    assert!(found.problems.is_empty(), "{:?}", problems(&found));
    assert_eq!(ids(&found), ["1.2.3", "1.2.10"]);
    assert_eq!(found.cases[1].split.as_deref(), Some("subset3"));
    assert_eq!(found.cases[0].files[1].name, "lungs");
    assert_eq!(
        found.notes,
        ["1 nodules in annotations.csv are of scans that are not here"]
    );
    let (id, points) = &found.points[0];
    assert_eq!((id.as_str(), points.len()), ("1.2.3", 1));
    assert_eq!(points[0].name, "nodule-1 5.65 mm");
    assert_eq!(points[0].position, [98.5, 49.0, -298.75]);
    let grid = read_header(&found.cases[0].files[0].path, &ReadOptions::default()).unwrap();
    let index = grid.geometry.index_from_world().apply(points[0].position);
    for (found, expected) in index.iter().zip([3.0, 2.0, 1.0]) {
        assert!((found - expected).abs() < 1e-9, "{index:?}");
    }
    fs::write(at("annotations.csv"), table.replace("49.0", "left")).unwrap();
    let search = Search {
        layout: Layout::Luna16,
        ..Search::default()
    };
    let message = voxprep_io::cases::find(folder.path(), &search)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("line 2: 'left' is not a number"),
        "{message}"
    );
}

/// DS-01: both spellings; visits of one patient are one patient.
#[test]
fn brats_has_four_sequences_and_a_label_in_either_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let put = |id: &str, separator: char, names: &[&str]| {
        for name in names {
            let path = folder
                .path()
                .join(format!("{id}/{id}{separator}{name}.nii.gz"));
            volume(&path, [0.0; 3]);
        }
    };
    put(
        "BraTS20_Training_001",
        '_',
        &["t1", "t1ce", "t2", "flair", "seg"],
    );
    put(
        "BraTS-GLI-00005-100",
        '-',
        &["t1n", "t1c", "t2w", "t2f", "seg"],
    );
    put(
        "BraTS-GLI-00005-101",
        '-',
        &["t1n", "t1c", "t2w", "t2f", "seg"],
    );
    let found = find(folder.path(), Layout::Brats);
    assert!(found.problems.is_empty(), "{:?}", problems(&found));
    let patients: Vec<_> = found
        .cases
        .iter()
        .map(|c| c.patient.as_deref().unwrap())
        .collect();
    let expected = ["BraTS20_Training_001", "BraTS-GLI-00005", "BraTS-GLI-00005"];
    assert_eq!(patients, expected);
    let names: Vec<_> = found.cases[0]
        .files
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(names, ["t1", "t1ce", "t2", "flair", "seg"]);
    put("BraTS20_Training_002", '_', &["t1", "t1ce", "flair"]);
    let problems = problems(&find(folder.path(), Layout::Brats));
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("case BraTS20_Training_002 has no t2; "));
    assert!(problems[1].starts_with("case BraTS20_Training_002 has no seg; "));
}

#[test]
fn a_folder_without_cases_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for layout in [Layout::Plain, Layout::Lits, Layout::Luna16, Layout::Brats] {
        let search = Search {
            layout,
            ..Search::default()
        };
        let error = voxprep_io::cases::find(folder.path(), &search).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("there are no cases of this layout; "),
            "{message}"
        );
    }
}

/// IO-09: pictures and arrays do not say where they are: their sizes are compared, and a note says so.
#[test]
fn what_has_no_place_is_compared_by_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    volume(&at("a/1.nii"), [5.0, 6.0, 7.0]);
    volume(&at("b/1.npy"), [0.0; 3]);
    let search = Search {
        labels: Some(at("b")),
        ..Search::default()
    };
    let found = voxprep_io::cases::find(&at("a"), &search).unwrap();
    assert!(found.problems.is_empty(), "{:?}", problems(&found));
    let note = "1 cases have files that do not say where their voxels are, or how far apart: only \
                their sizes are compared";
    assert_eq!(found.notes, [note]);
    fs::copy(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arrays/others/plane.npy"),
        at("b/1.npy"),
    )
    .unwrap();
    let problems = problems(&voxprep_io::cases::find(&at("a"), &search).unwrap());
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].contains("voxels, not [4, 3, 2]; "),
        "{problems:?}"
    );
}

/// DS-07: the test set has names and patients of its own, and no labels.
#[test]
fn the_test_set_of_lits_is_listed_without_labels() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "volume-0",
        "segmentation-0",
        "test-volume-0",
        "test-volume-10",
    ] {
        volume(&folder.path().join(format!("{name}.nii")), [0.0; 3]);
    }
    let found = find(folder.path(), Layout::Lits);
    assert!(found.problems.is_empty(), "{:?}", problems(&found));
    assert_eq!(ids(&found), ["test-volume-0", "test-volume-10", "volume-0"]);
    let patients: Vec<_> = found
        .cases
        .iter()
        .map(|c| c.patient.as_deref().unwrap())
        .collect();
    assert_eq!(patients, ["test-0", "test-10", "0"]);
    let files: Vec<_> = found.cases.iter().map(|c| c.files.len()).collect();
    assert_eq!(files, [1, 1, 2]);
}

/// DS-01: a file with a name that means nothing is named.
#[test]
fn a_stray_file_of_brats_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["t1", "t1ce", "t2", "flair", "segm"] {
        volume(
            &folder.path().join(format!("B_1/B_1_{name}.nii.gz")),
            [0.0; 3],
        );
    }
    let found = find(folder.path(), Layout::Brats);
    let note = "a file fits no sequence and no label map, and is left out: B_1/B_1_segm.nii.gz";
    assert_eq!(found.notes, [note]);
}

/// DS-02: what LUNA16 usually has and this folder has not.
#[test]
fn luna16_without_its_tables_says_so() {
    let folder = tempfile::tempdir().unwrap();
    volume(&folder.path().join("subset0/1.2.3.mhd"), [0.0; 3]);
    let found = find(folder.path(), Layout::Luna16);
    let notes = [
        "there is no folder seg-lungs-LUNA16: no scan has its lungs",
        "there is no table annotations.csv: no scan has its nodules",
    ];
    assert_eq!(found.notes, notes);
    assert!(found.points.is_empty() && found.problems.is_empty());
}

/// IO-08: a folder of slices is one image; a folder of something else is none.
#[cfg(feature = "dicom")]
#[test]
fn a_folder_of_dicom_is_one_case() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    volume(&at("c.nii"), [0.0; 3]);
    let written = voxprep_io::read(&at("c.nii"), &ReadOptions::default()).unwrap();
    let written = written.with_modality(voxprep_core::volume::Modality::Ct);
    let options = voxprep_io::dicom::SeriesOptions::default();
    for name in ["a", "b"] {
        let files = voxprep_io::dicom::write_series(&at(name), &written, &options).unwrap();
        assert_eq!(files.len(), 2);
    }
    // Slices often have no ending.
    for file in ["IM0001", "IM0002"] {
        fs::rename(at(&format!("b/{file}.dcm")), at(&format!("b/{file}"))).unwrap();
    }
    fs::create_dir(at("notes")).unwrap();
    fs::write(at("notes/x.txt"), "x").unwrap();
    let found = find(folder.path(), Layout::Plain);
    assert!(found.problems.is_empty(), "{:?}", problems(&found));
    assert_eq!(ids(&found), ["a", "b", "c"]);
    assert_eq!(found.cases[1].files[0].path, at("b"));
}
