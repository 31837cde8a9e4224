//! Volumes as series: what is read again is what was written.

use std::fs;

use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{
    AxisKind, ChannelAxis, Channels, Header, Modality, SPACING_ASSUMED, Unit, Volume,
};
use voxprep_core::voxels::{ElementType, Voxels};
use voxprep_io::dicom::{SeriesOptions, Study, write_series};
use voxprep_io::{Error, ReadOptions, WriteOptions};

use crate::{
    aligned, assert_same_world, columns, ct, folder, left_handed, oblique, read, sheared, volume,
};

/// IO-01: round trip of every kind of grid: aligned, oblique, left-handed, sheared, a single slice.
#[test]
fn a_series_is_read_again_where_it_was_with_the_same_values() {
    let single = Geometry::aligned([5, 4, 1], [0.7, 1.1, 2.5], [1.0, 2.0, 3.0]).unwrap();
    let third = 1.0 / 3.0;
    let thirds = columns([third, 0.0, 0.0], [0.0, third, 0.0], [0.0, 0.0, third]);
    for (name, grid, turned) in [
        ("aligned", aligned(), false),
        ("oblique", oblique(), false),
        ("left-handed", left_handed(), true),
        ("sheared", sheared(), false),
        ("single", single, false),
        ("thirds", thirds, false),
    ] {
        let place = folder();
        let path = place.path().join(name);
        let written = ct(&grid);
        let files = write_series(&path, &written, &SeriesOptions::default()).unwrap();
        assert_eq!(files.len(), grid.size()[2], "{name}");
        let found = read(&path);
        assert_same_world(&written, &found);
        let expected = if turned {
            grid.flipped([false, false, true])
        } else {
            grid
        };
        assert!(
            found.geometry().is_close(&expected, 1e-6),
            "{name}: {:?}",
            found.geometry()
        );
        assert_eq!(found.header().unit, Unit::Hu);
        assert_eq!(found.header().modality, Some(Modality::Ct));
        assert_eq!(found.header().element_type, ElementType::I16);
    }
}

/// IO-15: one volume saved as DICOM and as NIfTI is at one place, and a mask from one overlays the
/// image from the other: Dice 1.
#[test]
fn dicom_and_nifti_of_one_volume_are_at_one_place() {
    for grid in [oblique(), left_handed(), sheared()] {
        let place = folder();
        let [dicom, nifti] = ["dicom", "a.nii"].map(|name| place.path().join(name));
        let written = ct(&grid);
        write_series(&dicom, &written, &SeriesOptions::default()).unwrap();
        voxprep_io::write(&nifti, &written, &WriteOptions::default()).unwrap();
        let (a, b) = (read(&dicom), read(&nifti));
        let a_from_b = a.geometry().index_from_world() * b.geometry().world_from_index();
        let (mut both, mut sum) = (0, 0);
        for (i, value) in b.voxels().values::<i16>().unwrap().iter().enumerate() {
            let [x, y, z] = [i % 5, i / 5 % 4, i / 20];
            let at = a_from_b
                .apply([x as f64, y as f64, z as f64])
                .map(|v| v.round() as usize);
            let there = a.voxels().get(0, at).unwrap() > -800.0;
            let here = *value > -800;
            both += usize::from(here && there);
            sum += usize::from(here) + usize::from(there);
        }
        // 31 of 60 voxels are above -800: -1000 + 7 i > -800 from i = 29 on.
        assert_eq!((2 * both, sum), (62, 62));
    }
}

#[test]
fn types_that_hold_whole_numbers_of_sixteen_bits_are_exact() {
    let grid = aligned();
    let mri = |v: Volume| v.with_modality(Modality::Mri);
    for (volume, expected) in [
        (mri(volume(&grid, |i| i as u8 * 4)), ElementType::U16),
        (mri(volume(&grid, |i| i as u16 * 1000)), ElementType::U16),
        (
            mri(volume(&grid, |i| i as i16 * 500 - 15_000)),
            ElementType::I16,
        ),
        (mri(volume(&grid, |i| i as i32 - 32_768)), ElementType::I16),
        (mri(volume(&grid, |i| i as f32 * 1000.0)), ElementType::U16),
        (mri(volume(&grid, |i| -(i as f64))), ElementType::I16),
    ] {
        let place = folder();
        let path = place.path().join("s");
        write_series(&path, &volume, &SeriesOptions::default()).unwrap();
        let found = read(&path);
        assert_same_world(&volume, &found);
        assert_eq!(found.header().element_type, expected);
    }
}

#[test]
fn a_radiograph_is_computed_radiography_and_keeps_its_eight_bits() {
    let grid = Geometry::aligned([5, 4, 1], [0.7, 1.1, 1.0], [0.0; 3]).unwrap();
    let written = volume(&grid, |i| i as u8 * 12).with_modality(Modality::Xray);
    let place = folder();
    let path = place.path().join("x");
    let files = write_series(&path, &written, &SeriesOptions::default()).unwrap();
    let found = read(&files[0]);
    assert_same_world(&written, &found);
    assert_eq!(found.header().element_type, ElementType::U8);
    assert_eq!(found.header().modality, Some(Modality::Xray));
}

/// An assumed distance of pixels is not written as a measured one; CT cannot be without.
#[test]
fn an_assumed_spacing_is_not_written_of_a_radiograph() {
    let grid = Geometry::aligned([5, 4, 1], [1.0; 3], [0.0; 3]).unwrap();
    for (modality, assumed, expected) in [
        (Modality::Xray, true, None),
        (Modality::Xray, false, Some("1\\1")),
        (Modality::Ct, true, Some("1\\1")),
    ] {
        let written = volume(&grid, |i| i as u8 * 12).with_modality(modality);
        let (mut header, voxels) = written.into_parts();
        if assumed {
            header.facts.insert(SPACING_ASSUMED.to_owned(), true.into());
        }
        let written = Volume::with_header(header, voxels).unwrap();
        let place = folder();
        let path = place.path().join("x");
        let files = write_series(&path, &written, &SeriesOptions::default()).unwrap();
        let table = voxprep_io::tags(&files[0], &ReadOptions::default(), false).unwrap();
        let of = |tag: &str| {
            let row = table.rows.iter().find(|row| row.tag == tag)?;
            row.values[0].clone()
        };
        assert_eq!(of("0028|0030").as_deref(), expected, "{modality} {assumed}");
        assert_eq!(of("0018|1164"), None, "{modality} {assumed}");
    }
}

#[test]
fn colours_and_points_of_time_are_channels_again() {
    let grid = aligned();
    let header = |kind, length, element_type, step| {
        let mut header = Header::new(grid.clone(), element_type);
        header.channels = Channels::numbered(vec![ChannelAxis { kind, length, step }]);
        header.modality = Some(Modality::Mri);
        header
    };
    let bytes: Vec<u8> = (0..180).collect();
    let colours = Volume::with_header(
        header(AxisKind::Colour, 3, ElementType::U8, None),
        Voxels::new(3, grid.size(), bytes.into()).unwrap(),
    );
    let numbers: Vec<i16> = (0..240).collect();
    let times = Volume::with_header(
        header(AxisKind::Time, 4, ElementType::I16, Some(2.5)),
        Voxels::new(4, grid.size(), numbers.into()).unwrap(),
    );
    for (written, kind) in [
        (colours.unwrap(), AxisKind::Colour),
        (times.unwrap(), AxisKind::Time),
    ] {
        let place = folder();
        let path = place.path().join("s");
        write_series(&path, &written, &SeriesOptions::default()).unwrap();
        let found = read(&path);
        assert_same_world(&written, &found);
        let axis = &found.header().channels.axes[0];
        assert_eq!(
            (axis.kind, axis.step),
            (kind, written.header().channels.axes[0].step)
        );
    }
}

#[test]
fn what_dicom_cannot_hold_is_refused_with_what_to_do() {
    let grid = aligned();
    let mut components = Header::new(grid.clone(), ElementType::I16);
    components.modality = Some(Modality::Mri);
    components.channels = Channels::numbered(vec![ChannelAxis {
        kind: AxisKind::Component,
        length: 2,
        step: None,
    }]);
    let two: Vec<i16> = vec![0; 120];
    let components =
        Volume::with_header(components, Voxels::new(2, grid.size(), two.into()).unwrap());
    let skewed = columns([0.8, 0.0, 0.0], [0.1, 0.9, 0.0], [0.0, 0.0, 2.0]);
    for (volume, said) in [
        (
            volume(&grid, |i| i as f32 / 2.0).with_modality(Modality::Mri),
            "--type i16 rounds them",
        ),
        (
            volume(&grid, |i| i as f32 * f32::NAN).with_modality(Modality::Ct),
            "--type i16",
        ),
        (
            volume(&grid, |i| i as i32 * 70_000 - 1).with_modality(Modality::Ct),
            "whole numbers of 16 bits",
        ),
        (
            volume(&grid, |i| i as i16),
            "give --modality CT, MRI or XRAY, or a --template",
        ),
        (components.unwrap(), "write them as volumes of their own"),
        (ct(&skewed), "resample the image onto an upright grid"),
    ] {
        let place = folder();
        let path = place.path().join("s");
        let error = write_series(&path, &volume, &SeriesOptions::default()).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(said) && message.ends_with("/s"),
            "{message}"
        );
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "{message}");
    }
}

#[test]
fn same_volume_and_study_make_same_bytes_and_other_contents_other_uids() {
    let place = folder();
    let bytes = |name: &str, volume: &Volume, study: Option<&str>| -> Vec<Vec<u8>> {
        let options = SeriesOptions {
            study: study.map(|study| Study::of(study.as_bytes())),
            ..SeriesOptions::default()
        };
        let files = write_series(&place.path().join(name), volume, &options).unwrap();
        files.iter().map(|file| fs::read(file).unwrap()).collect()
    };
    let one = ct(&aligned());
    let other = volume(&aligned(), |i| i as i16).with_modality(Modality::Ct);
    assert_eq!(bytes("a", &one, None), bytes("b", &one, None));
    bytes("c", &one, Some("study"));
    bytes("d", &other, Some("study"));
    let uids = |name: &str| {
        let info = voxprep_io::series(&place.path().join(name), &ReadOptions::default()).unwrap();
        let file = dicom_object::open_file(place.path().join(name).join("IM0001.dcm")).unwrap();
        let text = |name: &str| {
            file.element_by_name(name)
                .unwrap()
                .to_str()
                .unwrap()
                .into_owned()
        };
        (
            info[0].uid.clone(),
            text("StudyInstanceUID"),
            text("FrameOfReferenceUID"),
        )
    };
    let [a, b, c, d] = ["a", "b", "c", "d"].map(uids);
    assert_eq!(a, b);
    assert_eq!((&c.1, &c.2), (&d.1, &d.2));
    assert!(a.0 != c.0 && c.0 != d.0 && a.1 != c.1);
    assert!(a.0.starts_with("2.25.") && a.0.len() <= 44, "{}", a.0);
}

#[test]
fn a_folder_that_is_not_empty_stays_as_it_is() {
    let place = folder();
    fs::write(place.path().join("old.dcm"), "old").unwrap();
    let error = write_series(place.path(), &ct(&aligned()), &SeriesOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Parameter(_)), "{error}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

/// Patient, study and frame of reference come from the template, and from its slices, on the same
/// grid, how they were acquired; never its instance and series UIDs.
#[test]
fn a_template_gives_patient_study_and_acquisition() {
    let place = folder();
    let [plain, template, same, other] =
        ["plain", "template", "same", "other"].map(|name| place.path().join(name));
    let grid = left_handed().flipped([false, false, true]);
    write_series(&plain, &ct(&grid), &SeriesOptions::default()).unwrap();
    let set = [
        "PatientName=Doe^Jane",
        "PatientID=17",
        "StudyDate=20240131",
        "KVP=120",
        "SeriesNumber=9",
    ];
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let edits = voxprep_io::dicom::HeaderEdits::new(&set, &[]).unwrap();
    voxprep_io::dicom::edit(&plain, &template, &edits).unwrap();
    let options = SeriesOptions {
        template: Some(template.clone()),
        ..SeriesOptions::default()
    };
    let moved = volume(&grid, |i| i as i16);
    write_series(&same, &moved, &options).unwrap();
    write_series(&other, &volume(&sheared(), |i| i as i16), &options).unwrap();
    let text = |folder: &std::path::Path, name: &str| {
        let file = dicom_object::open_file(folder.join("IM0002.dcm")).unwrap();
        file.element_by_name(name)
            .map_or_else(|_| "-".into(), |e| e.to_str().unwrap().into_owned())
    };
    for name in [
        "PatientName",
        "PatientID",
        "StudyDate",
        "StudyInstanceUID",
        "FrameOfReferenceUID",
    ] {
        assert_eq!(text(&same, name), text(&template, name), "{name}");
        assert_eq!(text(&other, name), text(&template, name), "{name}");
    }
    assert_eq!(
        [text(&same, "KVP"), text(&other, "KVP")],
        ["120".to_owned(), String::new()]
    );
    for name in ["SOPInstanceUID", "SeriesInstanceUID"] {
        assert_ne!(text(&same, name), text(&template, name), "{name}");
    }
    let file = dicom_object::open_file(same.join("IM0002.dcm")).unwrap();
    let source = file
        .element_by_name("SourceImageSequence")
        .unwrap()
        .items()
        .unwrap();
    let source = source[0]
        .element_by_name("ReferencedSOPInstanceUID")
        .unwrap()
        .to_str()
        .unwrap();
    assert_eq!(source, text(&template, "SOPInstanceUID"));
    assert_eq!(text(&same, "ImageType"), "DERIVED\\SECONDARY\\AXIAL");
    assert_same_world(&moved, &read(&same));
}

/// The attributes of a file's header as text; none where it is not there.
fn attribute(file: &std::path::Path, name: &str) -> String {
    let file = dicom_object::open_file(file).unwrap();
    file.element_by_name(name)
        .map_or_else(|_| "-".into(), |e| e.to_str().unwrap().into_owned())
}

/// The first file of the folder `to`, written from the volume with the template.
fn from_template(to: &std::path::Path, volume: &Volume, template: &std::path::Path) {
    let options = SeriesOptions {
        template: Some(template.to_owned()),
        ..SeriesOptions::default()
    };
    write_series(to, volume, &options).unwrap();
}

/// A copy of a series with other values of attributes.
fn edited(from: &std::path::Path, to: &std::path::Path, set: &[&str]) {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let edits = voxprep_io::dicom::HeaderEdits::new(&set, &[]).unwrap();
    voxprep_io::dicom::edit(from, to, &edits).unwrap();
}

#[test]
fn other_files_have_other_uids_whatever_the_difference_comes_from() {
    let place = folder();
    let [plain, a, b, from_a, from_b] =
        ["plain", "a", "b", "from-a", "from-b"].map(|name| place.path().join(name));
    write_series(&plain, &ct(&aligned()), &SeriesOptions::default()).unwrap();
    edited(&plain, &a, &["PatientID=1"]);
    edited(&plain, &b, &["PatientID=2"]);
    from_template(&from_a, &ct(&aligned()), &a);
    from_template(&from_b, &ct(&aligned()), &b);
    let uid = |folder: &std::path::Path| attribute(&folder.join("IM0001.dcm"), "SOPInstanceUID");
    assert_ne!(uid(&from_a), uid(&from_b));
    let labels = |name: &str, names: serde_json::Value| {
        let map = volume(&aligned(), |i| u8::from(i > 9))
            .into_labels()
            .unwrap();
        let (mut header, voxels) = map.into_parts();
        header.facts.insert("dicom.segments".to_owned(), names);
        let map = Volume::with_header(header, voxels).unwrap();
        let path = place.path().join(name);
        write_series(&path, &map, &SeriesOptions::default()).unwrap();
        uid(&path)
    };
    let liver = labels("liver", serde_json::json!({"1": "liver"}));
    assert_ne!(liver, labels("spleen", serde_json::json!({"1": "spleen"})));
    assert_eq!(liver, labels("again", serde_json::json!({"1": "liver"})));
}

#[test]
fn each_point_of_time_refers_to_its_own_source_and_keeps_its_own_step() {
    let grid = aligned();
    let mut header = Header::new(grid.clone(), ElementType::I16);
    header.channels = Channels::numbered(vec![ChannelAxis {
        kind: AxisKind::Time,
        length: 2,
        step: Some(2.5),
    }]);
    header.modality = Some(Modality::Mri);
    let numbers: Vec<i16> = (0..120).collect();
    let volume =
        Volume::with_header(header, Voxels::new(2, grid.size(), numbers.into()).unwrap()).unwrap();
    let place = folder();
    let [plain, new] = ["plain", "new"].map(|name| place.path().join(name));
    write_series(&plain, &volume, &SeriesOptions::default()).unwrap();
    let (mut header, voxels) = volume.into_parts();
    header.channels.axes[0].step = Some(4.0);
    from_template(&new, &Volume::with_header(header, voxels).unwrap(), &plain);
    for name in ["IM0001.dcm", "IM0003.dcm", "IM0004.dcm", "IM0006.dcm"] {
        let file = dicom_object::open_file(new.join(name)).unwrap();
        let source = file
            .element_by_name("SourceImageSequence")
            .unwrap()
            .items()
            .unwrap();
        let source = source[0]
            .element_by_name("ReferencedSOPInstanceUID")
            .unwrap();
        assert_eq!(
            source.to_str().unwrap(),
            attribute(&plain.join(name), "SOPInstanceUID"),
            "{name}"
        );
        assert_eq!(
            attribute(&new.join(name), "RepetitionTime"),
            "4000",
            "{name}"
        );
    }
}

#[test]
fn an_image_of_no_known_unit_is_in_hounsfield_units_where_its_template_is_a_ct() {
    let place = folder();
    let [template, new] = ["template", "new"].map(|name| place.path().join(name));
    write_series(&template, &ct(&aligned()), &SeriesOptions::default()).unwrap();
    let unknown = volume(&aligned(), |i| i as i16 - 1000);
    from_template(&new, &unknown, &template);
    assert_eq!(attribute(&new.join("IM0001.dcm"), "RescaleType"), "HU");
    assert_eq!(read(&new).header().unit, Unit::Hu);
}
