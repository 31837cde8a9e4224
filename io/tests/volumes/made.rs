//! Small files that SimpleITK and pynrrd made, and files of rarer features that they read.

use super::*;

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("made.json")).unwrap()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/volumes/made")
        .join(name)
}

fn get(name: &str) -> Volume {
    read(&path(name)).unwrap_or_else(|e| panic!("{e}"))
}

/// IO-01, EX-02: voxels exact, affine within 1e-9 mm, of every type, encoding and way to name
/// other files.
#[test]
fn files_of_other_programs_are_read_as_they_read_them() {
    let rows = rows();
    assert_eq!(rows.len(), 71);
    for row in rows {
        let name = &row.path;
        let volume = get(name);
        let voxels = volume.voxels();
        assert_eq!(
            (voxels.channels(), voxels.size()),
            (row.channels, row.size),
            "{name}"
        );
        assert_eq!(
            volume.header().element_type.to_string(),
            row.r#type,
            "{name}"
        );
        assert_eq!(values(&volume), row.values, "{name}");
        let ours = volume.geometry().world_from_index();
        for (ours, theirs) in ours
            .rows()
            .iter()
            .flatten()
            .zip(row.affine.iter().flatten())
        {
            assert!((ours - theirs).abs() <= 1e-9, "{name}: {ours} {theirs}");
        }
        let header = voxprep_io::read_header(&path(name), &ReadOptions::default()).unwrap();
        assert_eq!(header.geometry, *volume.geometry(), "{name}");
        assert_eq!(header.channels, volume.header().channels, "{name}");
    }
}

/// IO-01: the round trip is exact, in one file or two, packed or not.
#[test]
fn files_of_other_programs_survive_being_written() {
    let folder = Folder::new();
    for row in rows() {
        let original = get(&row.path);
        let ends = if row.path.contains(".m") {
            ["mha", "mhd"]
        } else {
            ["nrrd", "nhdr"]
        };
        for (end, packed) in ends
            .into_iter()
            .flat_map(|end| [(end, 0), (end, 1), (end, 6)])
        {
            let target = folder.path(&format!("a.{end}"));
            voxprep_io::write(&target, &original, &level(packed)).unwrap();
            let what = format!("{} as {end}, level {packed}", row.path);
            assert_same(&read(&target).unwrap(), &original, &what);
        }
    }
}
