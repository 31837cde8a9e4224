//! What other programs read of our files: `VOXPREP_PYTHON` names a Python with SimpleITK, pynrrd
//! and nibabel. Without one the test passes without having looked.

use std::process::Command;

use serde_json::json;
use voxprep_core::geometry::Geometry;
use voxprep_core::voxels::ElementType;

use super::frames::{axes_of, frames, volume};
use super::*;

/// IO-01, EX-02, EX-03: voxels exact, affine within 1e-6 mm.
#[test]
fn other_programs_read_what_is_written() {
    let Some(python) = std::env::var_os("VOXPREP_PYTHON") else {
        println!("skipped: VOXPREP_PYTHON names no Python");
        return;
    };
    let folder = Folder::new();
    let mut rows = Vec::new();
    let mut put = |name: String, volume: &Volume, options: &WriteOptions| {
        voxprep_io::write(&folder.path(&name), volume, options).unwrap();
        let kinds: Vec<_> = axes(volume)
            .iter()
            .map(|(kind, length, _)| json!([kind, length]))
            .collect();
        rows.push(json!({
            "path": name,
            "size": volume.voxels().size(),
            "axes": kinds,
            "type": volume.header().element_type,
            "affine": volume.geometry().world_from_index().rows(),
            "values": values(volume),
        }));
    };
    let types = [
        ElementType::U8,
        ElementType::I16,
        ElementType::U16,
        ElementType::I32,
        ElementType::F32,
        ElementType::F64,
    ];
    let mut number = 0;
    for (ty, (_, affine)) in types.into_iter().flat_map(|ty| frames().map(|f| (ty, f))) {
        for end in ["mha", "mhd", "nrrd", "nhdr"] {
            for axes in axes_of(end.starts_with('n')) {
                let geometry = Geometry::new([4, 3, 2], affine).unwrap();
                let original = volume(ty, geometry, axes, 7 + number);
                for packed in [0, 1] {
                    put(
                        format!("{number}-{packed}.{end}"),
                        &original,
                        &level(packed),
                    );
                }
                number += 1;
            }
        }
    }
    let analyze = WriteOptions {
        format: Some("analyze"),
        ..WriteOptions::default()
    };
    for ty in types.into_iter().filter(|ty| *ty != ElementType::U16) {
        for origin in [[2.0, 1.5, -3.0], [3.0, 1.5, -1.5]] {
            // LAS, which is left, anterior, superior: in LPS only y runs the other way.
            let affine = voxprep_core::kernels::affine::Affine::from_parts(
                [[2.0, 0.0, 0.0], [0.0, -1.5, 0.0], [0.0, 0.0, 3.0]],
                [-origin[0], origin[1], origin[2]],
            );
            let geometry = Geometry::new([4, 3, 2], affine).unwrap();
            put(
                format!("{number}.hdr"),
                &volume(ty, geometry, vec![], number),
                &analyze,
            );
            number += 1;
        }
    }
    let list = folder.with(
        "list.json",
        serde_json::to_string(&rows).unwrap().as_bytes(),
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/volumes/peers.py");
    let output = Command::new(python).arg(script).arg(list).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    assert!(
        said.contains(&format!("{} files agree", rows.len())),
        "{said}"
    );
}
