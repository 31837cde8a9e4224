//! What every step makes of a made-up scan, to the last bit: a result that changes is seen here first.
//!
//! `cargo x golden` writes `tests/golden/` anew; what changes there is a change of behaviour and wants
//! a changelog fragment.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use voxprep_core::dispatch;
use voxprep_core::kernels::Element;
use voxprep_core::plan::RunOptions;
use voxprep_core::provenance::hash_volume;
use voxprep_core::registry::Entry;
use voxprep_core::subject::Subject;
use voxprep_core::volume::Volume;
use voxprep_phantom::{BrainMri, ChestCt, ChestXray, Sequence, brain_mri, chest_ct, chest_xray};
use voxprep_tests::{plan, registry, root};

/// The scan that a transform is tried on, by the prefix of its name.
fn scan(name: &str) -> Subject {
    let phantom = match name.split_once('.') {
        Some(("mri", _)) => brain_mri(&BrainMri {
            size: [44, 56, 48],
            spacing_mm: [4.0; 3],
            sequences: vec![Sequence::T1],
            ..BrainMri::default()
        }),
        Some(("xray", _)) => chest_xray(&ChestXray {
            size: [97, 101],
            ..ChestXray::default()
        }),
        _ => chest_ct(&ChestCt {
            size: [45, 37, 29],
            spacing_mm: [8.0, 9.0, 11.0],
            ..ChestCt::default()
        }),
    };
    let all = phantom.unwrap().subject;
    let mut subject = Subject::new("golden");
    for name in ["image", "t1", "lungs"] {
        if let Some(volume) = all.volume(name) {
            subject.add(name, volume.clone()).unwrap();
        }
    }
    subject
}

fn row(volume: &Volume) -> Value {
    let header = volume.header();
    let spacing = header.geometry.spacing();
    let (mut low, mut high, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
    dispatch!(VoxelsView, volume.voxels().view(), view => {
        for v in view.iter() {
            let v = Element::to_f64(*v);
            (low, high, sum) = (low.min(v), high.max(v), sum + v);
        }
    });
    let count = volume.voxels().channels() * header.geometry.size().iter().product::<usize>();
    json!({
        "size": header.geometry.size(),
        "spacing_mm": spacing.map(|mm| (mm * 1e6).round() / 1e6),
        "type": header.element_type,
        "min": low, "max": high, "mean": sum / count as f64,
        "blake3": hash_volume(volume),
    })
}

/// What a step with the parameters of its example makes of its scan.
fn made(entry: &Entry) -> Value {
    let steps = format!("[[step]]\nuse = \"{}\"\n{}\n", entry.name, entry.example);
    let plan = plan(&steps).unwrap_or_else(|e| panic!("{}: {e}", entry.name));
    let result = plan
        .run(scan(&entry.name), &RunOptions::default())
        .unwrap_or_else(|e| panic!("{}: {e}", entry.name));
    let volumes = result.volumes().map(|(name, v)| (name.to_owned(), row(v)));
    Value::Object(volumes.collect::<Map<_, _>>())
}

fn folder() -> PathBuf {
    root().join("tests/golden")
}

/// A change of one of these is a change of results on every machine: it is deliberate, or a mistake.
#[test]
fn every_step_makes_what_it_made() {
    let made: BTreeMap<String, String> = registry()
        .iter()
        .map(|entry| {
            let text = serde_json::to_string_pretty(&made(entry)).unwrap() + "\n";
            (format!("{}.json", entry.name), text)
        })
        .collect();
    if std::env::var_os("VOXPREP_GOLDEN").is_some_and(|asked| asked == "write") {
        assert!(
            std::env::var_os("CI").is_none(),
            "goldens are compared here"
        );
        if folder().is_dir() {
            fs::remove_dir_all(folder()).unwrap();
        }
        fs::create_dir_all(folder()).unwrap();
        for (name, text) in &made {
            fs::write(folder().join(name), text).unwrap();
        }
    }
    let kept = fs::read_dir(folder()).unwrap_or_else(|e| panic!("{e}; run `cargo x golden`"));
    let kept: BTreeMap<String, String> = kept
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    let names = |all: &BTreeMap<String, String>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&kept), "run `cargo x golden`");
    for (name, text) in &made {
        assert_eq!(
            text, &kept[name],
            "{name}: run `cargo x golden` if it is meant"
        );
    }
}
