//! Real scans, through the files and the pipeline. Skipped where there are none.
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use voxprep_core::plan::RunOptions;
use voxprep_core::subject::Subject;
use voxprep_core::volume::Volume;
use voxprep_io::ReadOptions;
use voxprep_tests::{plan, shared};

/// IO-15, IO-16: one head stored in eight axis orders is one head after reorienting.
#[test]
fn one_head_in_eight_orders_is_one_head_after_reorienting() {
    let Some(shared) = shared() else {
        return;
    };
    let folder = shared.join("data/formats/orientations_a");
    let plan = plan("[[step]]\nuse = \"spatial.reorient\"\nto = \"RAS\"").unwrap();
    let read = |name: &str| -> Volume {
        let path = folder.join(format!("{name}.nii.gz"));
        let volume = voxprep_io::read(&path, &ReadOptions::default()).unwrap();
        assert_eq!(volume.geometry().orientation().to_string(), name);
        let subject = Subject::new(name).with("image", volume).unwrap();
        let result = plan.run(subject, &RunOptions::default()).unwrap();
        result.volume("image").unwrap().clone()
    };
    let ras = read("RAS");
    for name in ["LAS", "LPS", "ASL", "PIR", "SRP", "IPL", "ILA"] {
        let other = read(name);
        assert!(other.geometry().is_close(ras.geometry(), 1e-4), "{name}");
        assert!(other.voxels().bytes() == ras.voxels().bytes(), "{name}");
    }
}
