//! kill -9 at any moment leaves folders with all their files, or none of that name.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use voxprep_core::geometry::Geometry;
use voxprep_io::dicom::{SeriesOptions, write_series};

use crate::{ct, folder};

const TARGET: &str = "VOXPREP_TEST_SERIES";
const ROUNDS: u64 = 20;

fn grid() -> Geometry {
    Geometry::aligned([16, 12, 30], [1.0; 3], [0.0; 3]).unwrap()
}

fn write(path: &Path) -> Vec<PathBuf> {
    write_series(path, &ct(&grid()), &SeriesOptions::default()).unwrap()
}

/// Runs itself as a child that writes one folder after the other, and kills it.
#[test]
fn a_killed_process_leaves_whole_folders() {
    if let Some(target) = std::env::var_os(TARGET).map(PathBuf::from) {
        for number in 0.. {
            write(&target.join(format!("series{number}")));
        }
    }
    let place = folder();
    let expected: BTreeSet<Vec<u8>> = write(&place.path().join("whole"))
        .iter()
        .map(|file| fs::read(file).unwrap())
        .collect();
    assert_eq!(expected.len(), 30);
    let (mut whole, mut unfinished) = (0, 0);
    for round in 0..ROUNDS {
        let target = place.path().join(format!("round{round}"));
        fs::create_dir(&target).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed::a_killed_process_leaves_whole_folders", "--exact"])
            .env(TARGET, &target)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From the first write on, and every other time from the first whole folder on.
        let begun = || {
            let mut entries = fs::read_dir(&target).unwrap();
            entries.any(|entry| {
                let name = entry.unwrap().file_name();
                round % 2 == 0 || !name.to_string_lossy().starts_with(".series")
            })
        };
        while !begun() {
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(round / 2 * 613));
        child.kill().unwrap();
        child.wait().unwrap();
        for entry in fs::read_dir(&target).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with(".series") {
                unfinished += 1;
                continue;
            }
            let files = fs::read_dir(entry.path()).unwrap();
            let found: BTreeSet<Vec<u8>> = files
                .map(|f| fs::read(f.unwrap().path()).unwrap())
                .collect();
            assert!(
                found == expected,
                "{}: {} files",
                entry.path().display(),
                found.len()
            );
            whole += 1;
        }
    }
    assert!(
        whole > 0 && unfinished > 0,
        "{whole} whole, {unfinished} unfinished"
    );
}
