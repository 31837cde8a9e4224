//! Label maps as segmentation objects.

use serde_json::json;
use voxprep_core::volume::{Role, Volume};
use voxprep_core::voxels::ElementType;
use voxprep_io::dicom::{SeriesOptions, write_series};

use crate::{aligned, assert_same_world, folder, left_handed, oblique, read, volume};

fn labels(value: impl Fn(usize) -> u8, grid: &voxprep_core::geometry::Geometry) -> Volume {
    volume(grid, value).into_labels().unwrap()
}

/// IO-01, EX-03: labels, gaps between them, empty slices at the ends, and names.
#[test]
fn a_label_map_is_read_again_as_it_was() {
    // Plane of 20 pixels: no whole number of bytes. Labels 1, 2 and 5, all in the middle slice.
    let middle = |i: usize| match i {
        22 => 1,
        25 | 26 => 2,
        39 => 5,
        _ => 0,
    };
    for grid in [aligned(), oblique(), left_handed()] {
        let place = folder();
        let path = place.path().join("seg");
        let mut written = labels(middle, &grid);
        let (mut header, voxels) = written.into_parts();
        header
            .facts
            .insert("dicom.segments".into(), json!({ "2": "liver" }));
        written = Volume::with_header(header, voxels).unwrap();
        let files = write_series(&path, &written, &SeriesOptions::default()).unwrap();
        assert_eq!(files.len(), 1);
        let found = read(&path);
        assert_eq!(
            (found.role(), found.header().element_type),
            (Role::Label, ElementType::U8)
        );
        assert_same_world(&written, &found);
        let names = &found.header().facts["dicom.segments"];
        assert_eq!([&names["1"], &names["2"]], ["label 1", "liver"]);
    }
}

#[test]
fn an_empty_label_map_keeps_its_grid() {
    let place = folder();
    let path = place.path().join("seg");
    let written = labels(|_| 0, &aligned());
    write_series(&path, &written, &SeriesOptions::default()).unwrap();
    assert_same_world(&written, &read(&path));
}

#[test]
fn labels_that_cannot_be_numbers_of_segments_are_refused() {
    let place = folder();
    let path = place.path().join("seg");
    for value in [-1_i16, 5000] {
        let map = volume(&aligned(), |i| if i == 7 { value } else { 1 });
        let map = map.into_labels().unwrap();
        let message = write_series(&path, &map, &SeriesOptions::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(&format!("here is {value}; number the labels 1, 2, 3")),
            "{message}"
        );
        assert!(!path.exists());
    }
}
