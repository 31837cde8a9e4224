//! `TABLE.csv`.

use std::fs;

use voxprep_io::cases::{Layout, Part, table};

use crate::{find, volume};

#[test]
fn a_table_comes_back_as_it_was_written_with_paths_relative_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    for name in [
        "data/volume-2.nii",
        "data/volume-10.nii",
        "data/segmentation-2.nii",
        "data/segmentation-10.nii",
    ] {
        volume(&folder.join(name), [0.0; 3]);
    }
    let mut cases = find(&folder.join("data"), Layout::Lits).cases;
    cases[0].patient = Some("a, \"b\"".to_owned());
    cases[1].split = Some("train".to_owned());
    cases[1].files.truncate(1);
    fs::create_dir(folder.join("tables")).unwrap();
    let path = folder.join("tables/lits.csv");
    table::write(&path, &cases).unwrap();
    let expected = "id,patient,split,image:image,label:label\n\
                    volume-2,\"a, \"\"b\"\"\",,../data/volume-2.nii,../data/segmentation-2.nii\n\
                    volume-10,10,train,../data/volume-10.nii,\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let again = table::read(&path).unwrap();
    assert_eq!(again.len(), 2);
    for (read, written) in again.iter().zip(&cases) {
        assert_eq!(
            (&read.id, &read.patient, &read.split),
            (&written.id, &written.patient, &written.split)
        );
        let files = |case: &voxprep_io::cases::Case| -> Vec<_> {
            let files = case.files.iter();
            files
                .map(|f| (f.part, f.name.clone(), f.path.canonicalize().unwrap()))
                .collect()
        };
        assert_eq!(files(read), files(written));
    }
}

#[test]
fn columns_may_have_any_order_and_any_names_of_volumes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.nii", "b.nii", "p.csv"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let path = folder.path().join("table.csv");
    fs::write(
        &path,
        "\u{feff}image:t1,points:seeds,id,image:t2\r\n\r\na.nii,p.csv,7,b.nii\r\na.nii,,8,\r\n",
    )
    .unwrap();
    let cases = table::read(&path).unwrap();
    let files: Vec<_> = cases[0]
        .files
        .iter()
        .map(|f| (f.part, f.name.as_str()))
        .collect();
    assert_eq!(
        files,
        [
            (Part::Image, "t1"),
            (Part::Points, "seeds"),
            (Part::Image, "t2")
        ]
    );
    assert_eq!((cases[1].id.as_str(), cases[1].files.len()), ("8", 1));
}

#[test]
fn an_error_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.nii"), "x").unwrap();
    let path = folder.path().join("table.csv");
    for (text, expected) in [
        (
            "",
            "line 1: the column '' is not known; begin with id,patient,split",
        ),
        ("id,patient\n", "line 1: there is no column 'image:NAME'"),
        ("image:a\na.nii\n", "line 1: there is no column 'id'"),
        ("id,image:a,age\n", "line 1: the column 'age' is not known"),
        (
            "id,image:a,image:a\n",
            "line 1: the column 'image:a' is there twice",
        ),
        ("id,image:a\n", "line 1: the table has no cases"),
        (
            "id,image:a\n1,a.nii\n\n1,a.nii\n",
            "line 4: case 1 is there twice, first on line 2",
        ),
        (
            "id,image:a\n1,b.nii\n",
            "line 2: the image 'a' is not there; paths are relative to the folder of the table: 'b.nii': ",
        ),
        (
            "id,image:a\n../1,a.nii\n",
            "line 2: the id is no name of a file; give it an id that can be the name of a file, without a folder: '../1': ",
        ),
        (
            "id,image:a\n/1,a.nii\n",
            "line 2: the id is no name of a file",
        ),
        (
            "id,image:a\n1/,a.nii\n",
            "line 2: the id is no name of a file",
        ),
        (
            "id,image:a\n..,a.nii\n",
            "line 2: the id is no name of a file",
        ),
        (
            "id,image:a\na\\b,a.nii\n",
            "line 2: the id is no name of a file",
        ),
        ("id,image:a\n1\n", "line 2: 1 fields where 2 belong"),
        ("id,image:a\n,a.nii\n", "line 2: the case has no id"),
        ("id,image:a\n1,\n", "line 2: case 1 has no image"),
        (
            "id,image:a\n\"1,a.nii\n",
            "line 2: a quotation mark is not closed",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let message = table::read(&path).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
        assert!(
            message.ends_with("table.csv") && !message.contains('\n'),
            "{message}"
        );
    }
}
