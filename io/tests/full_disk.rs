//! A disk that fills up while a volume is written: the limit on file sizes plays the disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of this is test code"
)]
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_io::WriteOptions;

const TARGET: &str = "VOXPREP_TEST_TARGET";

/// Runs itself once more as a child whose files may not grow; the child is told by `TARGET`.
#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    if let Some(target) = std::env::var_os(TARGET).map(PathBuf::from) {
        return write_beyond_the_limit(&target);
    }
    for name in ["scan.nii", "scan.nii.gz"] {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join(name);
        fs::write(&target, "the old file").unwrap();
        // 100 blocks are 50 or 100 KiB, depending on the shell.
        let output = Command::new("sh")
            .args([
                "-c",
                "ulimit -f 100; exec \"$0\" --exact a_full_disk_leaves_the_old_file_and_nothing_else --nocapture",
            ])
            .arg(std::env::current_exe().unwrap())
            .env(TARGET, &target)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains("cannot write: ") && said.contains("write elsewhere"),
            "{said}"
        );
        assert_eq!(fs::read_to_string(&target).unwrap(), "the old file");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

fn write_beyond_the_limit(target: &Path) {
    voxprep_io::survive_file_size_limit();
    let mut state = 7_u32;
    let noise: Vec<u8> = (0..1 << 20)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let size = [128, 128, 64];
    let geometry = Geometry::aligned(size, [1.0; 3], [0.0; 3]).unwrap();
    let volume = Volume::new(geometry, Voxels::new(1, size, Buf::from(noise)).unwrap()).unwrap();
    let error = voxprep_io::write(target, &volume, &WriteOptions::default()).unwrap_err();
    println!("{error}");
}
