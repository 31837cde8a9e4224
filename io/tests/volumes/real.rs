//! Real files, which are not part of the project: `$VOXPREP_SHARED`, or `../shared` beside the
//! workspace. Where they are absent the tests pass without having looked.

use super::*;

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("VOXPREP_SHARED").map_or(beside, PathBuf::from);
    let data = shared.join("data");
    if !data.is_dir() {
        println!("skipped: no ../shared");
        return None;
    }
    Some(data)
}

/// What SimpleITK reads; made by `simpleitk_table.py`.
#[derive(Deserialize)]
struct Known {
    path: String,
    size: [usize; 3],
    r#type: String,
    affine: [[f64; 4]; 3],
    crc: u32,
}

fn known() -> Vec<Known> {
    serde_json::from_str(include_str!("../simpleitk.json")).unwrap()
}

/// IO-01, EX-02: every MetaImage and NRRD file as SimpleITK (and pynrrd) reads it: voxels exact,
/// affine within 1e-9 mm.
#[test]
fn every_real_file_is_read_as_simpleitk_reads_it() {
    let Some(data) = data() else { return };
    let known = known();
    assert_eq!(known.len(), 15);
    for row in known {
        let volume = read(&data.join(&row.path)).unwrap();
        let name = &row.path;
        assert_eq!(volume.voxels().channels(), 1, "{name}");
        assert_eq!(volume.voxels().size(), row.size, "{name}");
        assert_eq!(
            volume.header().element_type.to_string(),
            row.r#type,
            "{name}"
        );
        let ours = volume.geometry().world_from_index();
        for (ours, theirs) in ours
            .rows()
            .iter()
            .flatten()
            .zip(row.affine.iter().flatten())
        {
            assert!((ours - theirs).abs() <= 1e-9, "{name}: {ours} {theirs}");
        }
        let mut crc = flate2::Crc::new();
        values(&volume)
            .iter()
            .for_each(|v| crc.update(&v.to_le_bytes()));
        assert_eq!(crc.sum(), row.crc, "{name}: the voxels differ");
    }
}

/// IO-01: what was read is written in every format and read again.
#[test]
fn every_real_file_survives_being_written() {
    let Some(data) = data() else { return };
    let folder = Folder::new();
    for row in known() {
        let original = read(&data.join(&row.path)).unwrap();
        for (i, name) in ["a.mha", "a.mhd", "a.nrrd", "a.nhdr", "a.nii.gz"]
            .iter()
            .enumerate()
        {
            let path = folder.path(name);
            voxprep_io::write(&path, &original, &level(i as u32 % 2)).unwrap();
            let again = read(&path).unwrap();
            let what = format!("{} as {name}", row.path);
            if name.ends_with("nii.gz") {
                assert!(
                    again.voxels().bytes() == original.voxels().bytes(),
                    "{what}"
                );
                assert!(
                    again.geometry().is_close(original.geometry(), 1e-3),
                    "{what}"
                );
            } else {
                assert_same(&again, &original, &what);
            }
        }
    }
}

/// EX-02: one scan as NIfTI and as NRRD.
#[test]
fn a_scan_is_the_same_in_two_formats() {
    let Some(data) = data() else { return };
    let nrrd = read(&data.join("formats/niivue/FLAIR.nrrd")).unwrap();
    let nifti = read(&data.join("mri/stroke_T1_T2_FLAIR/FLAIR.nii.gz")).unwrap();
    assert_eq!(values(&nrrd), values(&nifti));
    let [a, b] = [&nrrd, &nifti].map(|volume| volume.geometry().world_from_index());
    for (a, b) in a.rows().iter().flatten().zip(b.rows().iter().flatten()) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    let [mhd, nhdr] = ["mhd", "nhdr"].map(|end| {
        let name = format!("formats/itk/BrainProtonDensitySliceBorder20.{end}");
        read(&data.join(name)).unwrap()
    });
    assert_eq!(values(&mhd), values(&nhdr));
    assert_eq!(mhd.geometry(), nhdr.geometry());
}

/// IO-01: the damaged files of `malformed`.
#[test]
fn malformed_files_give_one_line() {
    let Some(data) = data() else { return };
    for (name, expected) in [
        (
            "truncated.mha",
            "the zlib stream ends early; copy or export the file again",
        ),
        (
            "truncated.nrrd",
            "the gzip stream ends early; copy or export the file again",
        ),
    ] {
        let message = refused(&data.join("malformed").join(name));
        assert!(message.starts_with(expected), "{message}");
        assert!(message.ends_with(name), "{message}");
    }
}
