//! A process that is killed while it writes: kill -9 at any moment leaves each file whole, old or
//! new, and of a pair no header beside voxels that are not its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of this is test code"
)]
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_io::WriteOptions;

const TARGET: &str = "VOXPREP_TEST_TARGET";
const OLD: &[u8] = b"the old file";
/// How often each target is written to until it is killed.
const ROUNDS: u32 = 25;

/// Three volumes of different sizes and contents.
fn volumes() -> [Volume; 3] {
    [20, 60, 90].map(|n| {
        let size = [n, n, n];
        let mut state = n as u32;
        let noise: Vec<i16> = (0..n * n * n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 22) as i16
            })
            .collect();
        let geometry = Geometry::aligned(size, [1.0; 3], [n as f64; 3]).unwrap();
        Volume::new(geometry, Voxels::new(1, size, Buf::from(noise)).unwrap()).unwrap()
    })
}

/// Runs itself as a child that writes in a loop, and kills it; the child is told by `TARGET`.
#[test]
fn a_killed_process_leaves_each_file_whole() {
    if let Some(target) = std::env::var_os(TARGET).map(PathBuf::from) {
        return write_for_ever(&target);
    }
    let mut unfinished = 0;
    let mut replaced = 0;
    for (name, files) in [
        ("scan.nii", &["scan.nii"][..]),
        ("scan.nii.gz", &["scan.nii.gz"]),
        ("scan.hdr", &["scan.hdr", "scan.img"]),
        ("scan.txt", &["scan.txt"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let whole = whole(name, files);
        for round in 0..ROUNDS {
            for file in files {
                fs::write(folder.path().join(file), OLD).unwrap();
            }
            // From before the first write has ended to after several.
            kill_after(
                &folder.path().join(name),
                Duration::from_micros(u64::from(round * round * 97)),
            );
            for (file, whole) in files.iter().zip(&whole) {
                // Of a pair the header is away while the voxels are replaced.
                let Ok(bytes) = fs::read(folder.path().join(file)) else {
                    assert_eq!(*file, "scan.hdr", "{file} is missing");
                    continue;
                };
                let known = whole.contains(&bytes);
                replaced += u32::from(known);
                assert!(known || bytes == OLD, "{file}: {} bytes", bytes.len());
            }
            // A header is there only beside its own voxels.
            if let Ok(header) = fs::read(folder.path().join("scan.hdr")) {
                let voxels = fs::read(folder.path().join("scan.img")).unwrap();
                let versions = whole[0].iter().zip(&whole[1]);
                let fitting = versions.filter(|(h, v)| **h == header && **v == voxels);
                assert!(
                    fitting.count() == 1 || (&*header, &*voxels) == (OLD, OLD),
                    "{} bytes beside {}",
                    header.len(),
                    voxels.len()
                );
            }
            for entry in fs::read_dir(folder.path()).unwrap() {
                let entry = entry.unwrap();
                let found = entry.file_name().into_string().unwrap();
                if !files.contains(&found.as_str()) {
                    assert!(
                        found.starts_with(".scan.") && found.contains("voxprep-tmp"),
                        "{found}"
                    );
                    fs::remove_file(entry.path()).unwrap();
                    unfinished += 1;
                }
            }
        }
    }
    // Some were killed in the middle of a write, and some after one.
    println!("{unfinished} unfinished files, {replaced} replaced ones");
    assert!(unfinished > 0 && replaced > 0, "{unfinished} {replaced}");
}

/// What each file may hold: the bytes of all three volumes.
fn whole(name: &str, files: &[&str]) -> Vec<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir().unwrap();
    let mut whole = vec![Vec::new(); files.len()];
    for volume in &volumes() {
        write(&folder.path().join(name), volume);
        for (file, whole) in files.iter().zip(&mut whole) {
            whole.push(fs::read(folder.path().join(file)).unwrap());
        }
    }
    whole
}

fn write(target: &Path, volume: &Volume) {
    if target.extension().is_some_and(|e| e == "txt") {
        let text = volume.geometry().voxels().to_string().repeat(20_000);
        voxprep_io::write_text_aside(target, &text).unwrap();
    } else {
        voxprep_io::write(target, volume, &WriteOptions::default()).unwrap();
    }
}

fn write_for_ever(target: &Path) {
    let volumes = volumes();
    println!("writing");
    for volume in volumes.iter().cycle() {
        write(target, volume);
    }
}

fn kill_after(target: &Path, time: Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_killed_process_leaves_each_file_whole",
            "--nocapture",
        ])
        .env(TARGET, target)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("writing")));
    std::thread::sleep(time);
    // SIGKILL, which nothing can catch.
    child.kill().unwrap();
    child.wait().unwrap();
}
