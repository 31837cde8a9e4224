//! Ours as numpy, torch and safetensors read them. `VOXPREP_PYTHON` names a Python that has them.

use std::process::Command;

use voxprep_core::voxels::ElementType;
use voxprep_io::WriteOptions;

use crate::round_trip::volume;

const SCRIPT: &str = r#"
import json, sys
import numpy
from safetensors import safe_open
folder = sys.argv[1]
voxels = numpy.fromfile(f"{folder}/voxels.raw", sys.argv[2]).reshape(2, 4, 3, 5)
affine = numpy.fromfile(f"{folder}/affine.raw", "<f8").reshape(4, 4)
assert (numpy.load(f"{folder}/a.npy") == voxels).all()
for name in ("stored.npz", "packed.npz"):
    with numpy.load(f"{folder}/{name}", allow_pickle=False) as file:
        assert (file["image"] == voxels).all() and file["image"].dtype == voxels.dtype
        assert (file["affine"] == affine).all()
        built = file["direction"] @ numpy.diag(file["spacing"])
        assert abs(built - affine[:3, :3]).max() < 1e-12
        assert (file["origin"] == affine[:3, 3]).all()
        assert list(file["channels"]) == ["Fenster 0 ü", "Fenster 1 ü"]
        assert (file["frame"], file["unit"], file["role"]) == ("LPS", "hu", "intensity")
with safe_open(f"{folder}/a.safetensors", "np") as file:
    found = file.get_tensor("image")
    assert found.dtype == voxels.dtype and (found == voxels).all()
    texts = file.metadata()
    assert (numpy.array(json.loads(texts["affine"])).reshape(4, 4) == affine).all()
    assert json.loads(texts["channels"]) == ["Fenster 0 ü", "Fenster 1 ü"]
print("equal")
"#;

/// IO-01, EX-04: numpy and safetensors read what is written, exactly.
#[test]
fn numpy_and_safetensors_read_what_is_written() {
    let Some(python) = std::env::var_os("VOXPREP_PYTHON") else {
        println!("skipped: no VOXPREP_PYTHON");
        return;
    };
    for (ty, descr) in [
        (ElementType::U8, "|u1"),
        (ElementType::I16, "<i2"),
        (ElementType::U16, "<u2"),
        (ElementType::I32, "<i4"),
        (ElementType::F32, "<f4"),
        (ElementType::F64, "<f8"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let original = volume(ty, 2, [5, 3, 4], 7);
        for (name, level) in [
            ("a.npy", 1),
            ("stored.npz", 0),
            ("packed.npz", 1),
            ("a.safetensors", 1),
        ] {
            let path = folder.path().join(name);
            voxprep_io::write(
                &path,
                &original,
                &WriteOptions {
                    level,
                    ..WriteOptions::default()
                },
            )
            .unwrap();
        }
        std::fs::write(folder.path().join("voxels.raw"), original.voxels().bytes()).unwrap();
        let rows = original.geometry().world_from_index();
        let affine = rows.rows().iter().flatten().copied();
        let affine: Vec<u8> = affine
            .chain([0.0, 0.0, 0.0, 1.0])
            .flat_map(f64::to_le_bytes)
            .collect();
        std::fs::write(folder.path().join("affine.raw"), affine).unwrap();
        let outcome = Command::new(&python)
            .args(["-c", SCRIPT])
            .arg(folder.path())
            .arg(descr)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(outcome.status.success(), "{ty}: {said}");
        assert_eq!(String::from_utf8_lossy(&outcome.stdout).trim(), "equal");
    }
}
