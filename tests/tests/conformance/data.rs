//! Any size, any type, constant images, NaN: what is promised about odd data.

use proptest::prelude::*;
use voxprep_core::error::Error;
use voxprep_core::geometry::Geometry;
use voxprep_core::registry::Entry;
use voxprep_core::subject::Subject;
use voxprep_core::volume::Role;
use voxprep_core::voxels::ElementType;
use voxprep_core::with_type;
use voxprep_tests::{awkward, values};

use crate::{busy, does, entries, run, subject};

/// G-09, B-02: an axis of one voxel is kept by every step that keeps the shape.
#[test]
fn an_axis_of_one_voxel_is_kept() {
    let grid = |size| Geometry::aligned(size, [1.0; 3], [3.0, -4.0, 5.0]).unwrap();
    let mut keep = 0;
    for entry in entries() {
        let after = |size| run(&entry, subject::<f32, u8>(&entry, &grid(size), busy));
        let size_of = |result: Subject| {
            let image = result.volume("image").unwrap();
            assert_eq!(image.voxels().size(), image.geometry().size());
            image.voxels().size()
        };
        let size_after = |size| match after(size) {
            Ok(result) => size_of(result),
            Err(error) => panic!("{} of {size:?}: {error}", entry.name),
        };
        if size_after([19, 20, 18]) != [19, 20, 18] {
            continue;
        }
        keep += 1;
        for size in [[64, 64, 1], [64, 1, 64], [1, 64, 64]] {
            assert_eq!(size_after(size), size, "{}", entry.name);
        }
        for size in [[1, 1, 64], [1, 1, 1]] {
            // MR-18: fewer than 100 voxels of white matter are no evidence, and 64 are fewer.
            if entry.name == "mri.white_stripe" {
                assert_is_typed(&entry, &after(size).unwrap_err());
            } else {
                assert_eq!(size_after(size), size, "{}", entry.name);
            }
        }
    }
    assert!(
        keep > entries().len() / 2,
        "only {keep} transforms keep the shape"
    );
}

/// G-10: an image of one value has a defined result; where a step measures it, a warning says so.
#[test]
fn an_image_of_one_value_has_a_finite_result() {
    for entry in entries() {
        for value in [0.0, 7.0, -1000.0] {
            let input = subject::<f32, u8>(&entry, &awkward([5, 4, 3]), |_| value);
            let result = match run(&entry, input) {
                Ok(result) => result,
                Err(error) => {
                    assert_is_typed(&entry, &error);
                    continue;
                }
            };
            let image = values(result.volume("image").unwrap());
            assert!(
                image.iter().all(|v| v.is_finite()),
                "{} of {value}",
                entry.name
            );
            if does(&entry).normalises && does(&entry).measures {
                let told = result
                    .findings
                    .iter()
                    .any(|f| f.volume.as_deref() == Some("image"));
                assert!(told, "{} of {value}: no finding", entry.name);
            }
        }
    }
}

/// An error of the data that names the step; never one that blames a plugin.
fn assert_is_typed(entry: &Entry, error: &Error) {
    assert!(
        matches!(error, Error::Input(_) | Error::Parameter(_)),
        "{}: {error:?}",
        entry.name
    );
    assert_eq!(
        error.fault().unwrap().step.as_deref(),
        Some(entry.name.as_str()),
        "{error}"
    );
}

/// The steps of the given entries that give NaN without a finding `voxels.nan`.
fn unreported_nan<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<String> {
    let some = |i: [usize; 3]| {
        if (i[0] + i[1] + i[2]).is_multiple_of(5) {
            f64::NAN
        } else {
            busy(i)
        }
    };
    let mut escaped = Vec::new();
    for entry in entries {
        for which in ["all", "some"] {
            let value = |i| if which == "all" { f64::NAN } else { some(i) };
            let input = subject::<f32, u8>(entry, &awkward([5, 4, 3]), value);
            match run(entry, input) {
                Ok(result) => {
                    let nan = values(result.volume("image").unwrap())
                        .iter()
                        .any(|v| !v.is_finite());
                    let told = result
                        .findings
                        .iter()
                        .any(|f| f.code == "voxels.nan" && f.volume.as_deref() == Some("image"));
                    if nan && !told {
                        escaped.push(format!(
                            "{} of an image with {which} voxels NaN",
                            entry.name
                        ));
                    }
                }
                Err(error) => assert_is_typed(entry, &error),
            }
        }
    }
    escaped
}

/// G-10: a NaN in an image that a step wrote is in the report, or the step refused it.
#[test]
fn no_nan_escapes_unreported() {
    let entries = entries();
    let acting = entries
        .iter()
        .filter(|e| !does(e).is_joint && !does(e).on_labels);
    let escaped = unreported_nan(acting);
    assert!(
        escaped.is_empty(),
        "NaN without a finding `voxels.nan`: {escaped:#?}"
    );
}

/// G-10: so is one in an image that passed the step by.
#[test]
fn no_nan_passes_by_unreported() {
    let entries = entries();
    let escaped = unreported_nan(
        entries
            .iter()
            .filter(|e| does(e).is_joint || does(e).on_labels),
    );
    assert!(
        escaped.is_empty(),
        "NaN without a finding `voxels.nan`: {escaped:#?}"
    );
}

/// IO-18, G-09, G-10: every example takes any size and any of the element types.
fn takes(entry: &Entry, grid: &Geometry, image: ElementType, labels: ElementType) {
    let place = format!("{} of {:?} {image}", entry.name, grid.size());
    let input = with_type!(image, T => with_type!(labels, L => subject::<T, L>(entry, grid, busy)));
    let result = match run(entry, input) {
        Ok(result) => result,
        Err(error) => return assert_is_typed(entry, &error),
    };
    for (name, volume) in result.volumes() {
        assert!(
            values(volume).iter().all(|v| v.is_finite()),
            "{place}: {name}"
        );
        assert!(
            volume.role() == Role::Intensity || volume.header().element_type.is_integer(),
            "{place}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_step_takes_any_size_and_element_type(
        size in prop::array::uniform3(1..=17_usize),
        image in prop::sample::select(vec![
            ElementType::U8, ElementType::I16, ElementType::U16,
            ElementType::I32, ElementType::F32, ElementType::F64,
        ]),
        labels in prop::sample::select(vec![
            ElementType::U8, ElementType::I16, ElementType::U16, ElementType::I32,
        ]),
        is_awkward: bool,
    ) {
        let plain = Geometry::aligned(size, [0.7, 1.3, 2.1], [0.0; 3]).unwrap();
        let grid = if is_awkward { awkward(size) } else { plain };
        for entry in entries() {
            takes(&entry, &grid, image, labels);
        }
    }
}
