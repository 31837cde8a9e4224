//! Every trap of a series (CAPABILITIES, last section, 6): order, gaps, copies, tilt, mixtures.

use voxprep_core::volume::{AxisKind, Unit, Volume};
use voxprep_core::voxels::ElementType;
use voxprep_io::{Padding, ReadOptions, SlicePolicy};

use crate::made::{COLUMNS, EXPLICIT, File, Folder, IMPLICIT, ROWS, decimals, items, short, text};

fn read(folder: &Folder) -> Volume {
    voxprep_io::read(folder.path(), &ReadOptions::default()).unwrap()
}

fn refused(folder: &Folder, options: &ReadOptions) -> String {
    let error = voxprep_io::read(folder.path(), options)
        .unwrap_err()
        .to_string();
    assert!(!error.contains('\n'), "{error}");
    let header = voxprep_io::read_header(folder.path(), options).map(|_| ());
    assert!(
        header.is_err(),
        "the header can be read, the volume cannot: {error}"
    );
    error
}

fn policy(slices: SlicePolicy) -> ReadOptions {
    ReadOptions {
        slices,
        ..ReadOptions::default()
    }
}

fn choosing(series: &str) -> ReadOptions {
    ReadOptions {
        series: Some(series.to_owned()),
        ..ReadOptions::default()
    }
}

/// The first voxel of each slice, in slice numbers.
fn order(volume: &Volume) -> Vec<f64> {
    let [_, _, slices] = volume.voxels().size();
    (0..slices)
        .map(|k| (volume.voxels().get(0, [0, 0, k]).unwrap() - 1000.0 + 1024.0) / 100.0)
        .collect()
}

/// IO-02, IO-04: slices lie in the order of their positions, whatever they are called and numbered;
/// rows of 2 mm and columns of 0.5 mm are y and x; 16-bit numbers less 1024 are HU.
#[test]
fn a_series_is_a_volume_in_hounsfield_units() {
    let folder = Folder::of([File::ct(5, 4.0), File::ct(9, 0.0), File::ct(1, 8.0)]);
    let volume = read(&folder);
    assert_eq!(order(&volume), [9.0, 5.0, 1.0]);
    assert_eq!(volume.voxels().size(), [4, 3, 3]);
    assert_eq!(volume.geometry().spacing(), [0.5, 2.0, 4.0]);
    assert_eq!(volume.geometry().origin(), [-10.0, -20.0, 0.0]);
    assert_eq!(volume.header().unit, Unit::Hu);
    assert_eq!(volume.header().element_type, ElementType::I16);
    assert_eq!(volume.voxels().get(0, [1, 1, 0]), Some(1905.0 - 1024.0));
}

/// IO-02: 100 random namings and numberings give the same bytes.
#[test]
fn names_and_numbers_do_not_matter() {
    let mut state = 12345_u64;
    let mut random = move |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % n
    };
    let heights: Vec<f64> = (0..7).map(|k| f64::from(k) * 1.25 - 3.0).collect();
    let mut first: Option<Volume> = None;
    for _ in 0..100 {
        let mut order: Vec<usize> = (0..7).collect();
        for i in (1..7).rev() {
            order.swap(i, random(i + 1));
        }
        let files = order.iter().map(|&k| {
            let number = random(1000);
            File::ct(k as u16, heights[k])
                .with(text((0x0020, 0x0013), "IS", number))
                .with(text(
                    (0x0008, 0x0018),
                    "UI",
                    format!("1.2.{}", random(9999)),
                ))
        });
        let volume = read(&Folder::of(files));
        match &first {
            None => first = Some(volume),
            Some(first) => {
                assert_eq!(first.voxels().bytes(), volume.voxels().bytes());
                assert_eq!(first.geometry(), volume.geometry());
            }
        }
    }
}

#[test]
fn implicit_and_explicit_files_are_the_same() {
    let explicit = read(&Folder::of([File::ct(1, 0.0), File::ct(2, 1.0)]));
    let mut folder = Folder::of([]);
    folder.put_bytes(&File::ct(1, 0.0).bytes(IMPLICIT));
    folder.put_bytes(&File::ct(2, 1.0).bytes(IMPLICIT));
    assert_eq!(read(&folder).voxels().bytes(), explicit.voxels().bytes());
}

#[test]
fn a_missing_slice_is_named_and_handled_as_asked() {
    let folder = Folder::of([0, 1, 2, 4, 5].map(|k| File::ct(k, f64::from(k) * 2.0)));
    let error = refused(&folder, &ReadOptions::default());
    assert!(
        error.starts_with("1 slice is missing (1 after slice 3; steps of 2.000 mm); find the missing files, or say what to do: --slices resample, blank (NaN) or split: "),
        "{error}"
    );
    let filled = voxprep_io::read(folder.path(), &policy(SlicePolicy::Resample)).unwrap();
    assert_eq!(order(&filled), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(filled.geometry().spacing()[2], 2.0);
    let warning = filled.header().facts["dicom.affine_warning"]
        .as_str()
        .unwrap();
    assert!(warning.contains("interpolated linearly"), "{warning}");

    let blank = voxprep_io::read(folder.path(), &policy(SlicePolicy::Blank)).unwrap();
    assert_eq!(blank.header().element_type, ElementType::F32);
    let order = order(&blank);
    assert!(order[3].is_nan());
    assert_eq!(order[..3], [0.0, 1.0, 2.0]);

    let error = refused(&folder, &policy(SlicePolicy::Split));
    assert!(
        error.contains("choose with --series: 7.1 (CT, slices 1 to 3), 7.2 (CT, slices 4 to 5)"),
        "{error}"
    );
    let mut second = policy(SlicePolicy::Split);
    second.series = Some("7.2".to_owned());
    let second = voxprep_io::read(folder.path(), &second).unwrap();
    assert_eq!(second.geometry().origin()[2], 8.0);
}

#[test]
fn uneven_steps_are_refused_and_resampled_at_their_true_places() {
    let folder =
        Folder::of([(0, 0.0), (1, 2.0), (2, 4.0), (3, 7.0), (4, 8.0)].map(|(k, z)| File::ct(k, z)));
    let error = refused(&folder, &ReadOptions::default());
    assert!(
        error.starts_with("the steps between slices differ: 1.000 to 3.000 mm; "),
        "{error}"
    );
    let even = voxprep_io::read(folder.path(), &policy(SlicePolicy::Resample)).unwrap();
    // At 6 mm, two thirds of the way from slice 2 to slice 3.
    assert_eq!(
        even.voxels().get(0, [0, 0, 3]),
        Some(1000.0 - 1024.0 + 267.0)
    );
    let error = refused(&folder, &policy(SlicePolicy::Blank));
    assert!(error.contains("no slice is simply missing"), "{error}");
}

#[test]
fn a_copy_is_left_out_and_another_slice_at_its_place_is_refused() {
    let mut folder = Folder::of([0, 1, 2].map(|k| File::ct(k, f64::from(k))));
    let copy = File::ct(1, 1.0).with(text((0x0008, 0x0018), "UI", "1.9"));
    folder.put(&copy);
    let volume = read(&folder);
    assert_eq!(order(&volume), [0.0, 1.0, 2.0]);
    let warning = &volume.header().facts["dicom.header_warning"];
    assert_eq!(warning, "1 slices are there twice, and were taken once");

    let mut other = copy;
    other.pixels(&[3; 12]);
    folder.put(&other.with(text((0x0008, 0x0018), "UI", "1.10")));
    let error = refused(&folder, &ReadOptions::default());
    assert!(
        error.starts_with("several slices that differ are at one place (1 times), "),
        "{error}"
    );
}

/// A gantry that was tilted makes a sheared grid: every voxel is where it was measured.
#[test]
fn a_tilted_gantry_is_a_shear() {
    let (sine, cosine) = 20_f64.to_radians().sin_cos();
    let axes = decimals(&[1.0, 0.0, 0.0, 0.0, cosine, sine]);
    let folder =
        Folder::of([0, 1, 2].map(|k| {
            File::ct(k, f64::from(k) * 3.0).with(text((0x0020, 0x0037), "DS", axes.clone()))
        }));
    let volume = read(&folder);
    assert_eq!(
        volume.geometry().world_from_index().column(2),
        [0.0, 0.0, 3.0]
    );
    let tilt = volume.header().facts["dicom.gantry_tilt_deg"]
        .as_f64()
        .unwrap();
    assert!((tilt - 20.0).abs() < 1e-4, "{tilt}");
}

#[test]
fn two_series_are_never_mixed_and_never_guessed() {
    let other = |k: u16| {
        File::ct(k + 10, f64::from(k))
            .with(text((0x0020, 0x000E), "UI", "1.2.99"))
            .with(text((0x0020, 0x0011), "IS", "8"))
            .with(text((0x0008, 0x103E), "LO", "Lung 1.0"))
    };
    let folder = Folder::of([File::ct(0, 0.0), other(0), File::ct(1, 1.0), other(1)]);
    let error = refused(&folder, &ReadOptions::default());
    assert!(
        error.starts_with("series: 2 volumes, and nothing says which is meant; choose with --series: 7 (CT), 8 (CT, Lung 1.0): "),
        "{error}"
    );
    for name in ["8", "1.2.99", "lung 1.0", "lung"] {
        let volume = voxprep_io::read(folder.path(), &choosing(name)).unwrap();
        assert_eq!(order(&volume), [10.0, 11.0], "{name}");
    }
    let error = refused(&folder, &choosing("9"));
    assert!(
        error.contains("no series is called '9'; there are: 7 (CT), 8"),
        "{error}"
    );
    let rows = voxprep_io::series(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1].description, "Lung 1.0");
}

/// A planning image is no volume that anybody means.
#[test]
fn a_localizer_is_not_meant_unless_it_is_named() {
    let scout = File::ct(9, 50.0)
        .with(text((0x0008, 0x0008), "CS", "ORIGINAL\\PRIMARY\\LOCALIZER"))
        .with(text((0x0020, 0x0011), "IS", "1"))
        .with(text((0x0020, 0x000E), "UI", "1.2.77"));
    let folder = Folder::of([scout, File::ct(0, 0.0), File::ct(1, 1.0)]);
    assert_eq!(order(&read(&folder)), [0.0, 1.0]);
    let scout = voxprep_io::read(folder.path(), &choosing("1")).unwrap();
    // Nothing says that the numbers of a planning image are HU.
    assert_eq!(scout.header().unit, Unit::Unknown);
}

#[test]
fn repeated_places_become_points_of_time_by_what_tells_them_apart() {
    let at =
        |t: u16, k: u16| File::ct(10 * t + k, f64::from(k)).with(text((0x0020, 0x0100), "IS", t));
    let folder = Folder::of([at(2, 0), at(1, 1), at(1, 0), at(2, 1)]);
    let volume = read(&folder);
    assert_eq!(volume.voxels().size(), [4, 3, 2]);
    assert_eq!(volume.header().channels.names, ["1", "2"]);
    assert_eq!(volume.header().channels.axes[0].kind, AxisKind::Time);
    assert_eq!(volume.voxels().get(1, [0, 0, 1]), Some(2076.0));
}

#[test]
fn echoes_are_volumes_of_their_own() {
    let at = |echo: f64, k: u16| {
        File::ct(10 * echo as u16 + k, f64::from(k))
            .with(text((0x0018, 0x0081), "DS", echo))
            .with(text((0x0008, 0x0060), "CS", "MR"))
    };
    let folder = Folder::of([at(2.0, 0), at(5.0, 1), at(2.0, 1), at(5.0, 0)]);
    let error = refused(&folder, &ReadOptions::default());
    assert!(
        error.contains("2 volumes in one series, and nothing says which is meant; choose with --series: 7.1 (MR, TE 2 ms), 7.2 (MR, TE 5 ms)"),
        "{error}"
    );
    let second = voxprep_io::read(folder.path(), &choosing("te 5 ms")).unwrap();
    assert_eq!(order(&second), [50.0, 51.0]);
}

#[test]
fn diffusion_weightings_are_channels() {
    let at = |b: u16, k: u16| {
        File::ct(b / 100 + k, f64::from(k))
            .with(items(
                (0x0018, 0x9117),
                vec![vec![(
                    (0x0018, 0x9087),
                    "FD",
                    crate::made::Value::Bytes(f64::from(b).to_le_bytes().to_vec()),
                )]],
            ))
            .with((
                (0x0018, 0x9087),
                "FD",
                crate::made::Value::Bytes(f64::from(b).to_le_bytes().to_vec()),
            ))
            .with(text((0x0008, 0x0060), "CS", "MR"))
    };
    let folder = Folder::of([at(1000, 0), at(0, 1), at(0, 0), at(1000, 1)]);
    let volume = read(&folder);
    assert_eq!(volume.header().channels.names, ["b=0", "b=1000"]);
    assert_eq!(volume.header().channels.axes[0].kind, AxisKind::Component);
}

/// Where nothing but the numbers tells frames apart, one volume follows the other.
#[test]
fn numbers_are_the_last_resort() {
    let mut folder = Folder::of([]);
    for (number, z) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 1.0)] {
        folder.put(&File::ct(number, z));
    }
    let volume = read(&folder);
    assert_eq!(volume.header().channels.len(), 2);
    assert_eq!(volume.voxels().get(1, [0, 0, 0]), Some(1300.0 - 1024.0));
}

/// IO-04: slopes differ from slice to slice.
#[test]
fn every_slice_has_its_own_rescale() {
    let mut folder = Folder::of([]);
    for (k, slope, intercept) in [(0_u16, "0.5", "-10"), (1, "2", "3.25")] {
        let file = File::ct(k, f64::from(k))
            .with(text((0x0028, 0x1053), "DS", slope))
            .with(text((0x0028, 0x1052), "DS", intercept));
        folder.put(&file);
    }
    let volume = read(&folder);
    assert_eq!(volume.header().element_type, ElementType::F32);
    assert_eq!(volume.voxels().get(0, [0, 0, 0]), Some(490.0));
    assert_eq!(volume.voxels().get(0, [0, 0, 1]), Some(2203.25));
}

/// HU only where the header makes it so.
#[test]
fn numbers_without_a_rescale_are_raw() {
    let raw = |k: u16| {
        File::ct(k, f64::from(k))
            .without((0x0028, 0x1052))
            .without((0x0028, 0x1053))
    };
    let volume = read(&Folder::of([raw(0), raw(1)]));
    assert_eq!(volume.header().unit, Unit::Raw);
    let relative = |k: u16| File::ct(k, f64::from(k)).with(text((0x0028, 0x1054), "LO", "US"));
    let volume = read(&Folder::of([relative(0), relative(1)]));
    assert_eq!(volume.header().unit, Unit::Unknown);
}

/// IO-05: padding is compared as it is stored, and becomes what is asked for.
#[test]
fn padding_is_kept_or_becomes_air_or_nan() {
    let padded = |k: u16| {
        let mut file = File::ct(k, f64::from(k))
            .with(short((0x0028, 0x0103), 1))
            // -2000, as a signed number.
            .with((
                (0x0028, 0x0120),
                "SS",
                crate::made::Value::Short(vec![63_536]),
            ));
        let mut pixels = [0_u16; (ROWS * COLUMNS) as usize];
        pixels[5] = 63_536;
        file.pixels(&pixels);
        file
    };
    let folder = Folder::of([padded(0), padded(1)]);
    let at = |padding| {
        let options = ReadOptions {
            padding,
            ..ReadOptions::default()
        };
        let volume = voxprep_io::read(folder.path(), &options).unwrap();
        volume.voxels().get(0, [1, 1, 1]).unwrap()
    };
    assert_eq!(at(Padding::Keep), -3024.0);
    assert_eq!(at(Padding::Air), -1000.0);
    assert!(at(Padding::Nan).is_nan());
}

/// IO-17: MONOCHROME1 of a radiograph is inverted once; twins load equal.
#[test]
fn radiographs_of_both_polarities_load_equal() {
    let image = |photometric: &str, pixels: [u16; 12]| {
        let mut file = File::ct(1, 0.0)
            .with(text((0x0008, 0x0060), "CS", "DX"))
            .with(text((0x0028, 0x0004), "CS", photometric))
            .with(short((0x0028, 0x0101), 10))
            .with(short((0x0028, 0x0102), 9))
            .with(text((0x0018, 0x1164), "DS", "0.2\\0.1"))
            .without((0x0028, 0x0030))
            .without((0x0020, 0x0032))
            .without((0x0020, 0x0037))
            .without((0x0028, 0x1052))
            .without((0x0028, 0x1053));
        file.pixels(&pixels);
        read(&Folder::of([file]))
    };
    let pixels: [u16; 12] = std::array::from_fn(|i| i as u16 * 93);
    let dark = image("MONOCHROME2", pixels);
    let bright = image("MONOCHROME1", pixels.map(|v| 1023 - v));
    assert_eq!(dark.voxels().bytes(), bright.voxels().bytes());
    assert_eq!(bright.header().facts["dicom.inverted"], true);
    assert_eq!(dark.geometry().spacing(), [0.1, 0.2, 1.0]);
    assert_eq!(dark.header().facts["dicom.spacing_at"], "detector");
}

/// The frames of an enhanced object are sorted by their places, and each has its own rescale.
#[test]
fn functional_groups_place_the_frames() {
    let groups = |z: f64, slope: f64| {
        vec![
            items(
                (0x0020, 0x9113),
                vec![vec![text((0x0020, 0x0032), "DS", decimals(&[0.0, 0.0, z]))]],
            ),
            items(
                (0x0028, 0x9145),
                vec![vec![
                    text((0x0028, 0x1052), "DS", "0"),
                    text((0x0028, 0x1053), "DS", slope),
                ]],
            ),
        ]
    };
    let shared = vec![
        items(
            (0x0020, 0x9116),
            vec![vec![text((0x0020, 0x0037), "DS", "0\\1\\0\\0\\0\\-1")]],
        ),
        items(
            (0x0028, 0x9110),
            vec![vec![text((0x0028, 0x0030), "DS", "3\\4")]],
        ),
    ];
    let mut file = File::ct(1, 0.0)
        .with(text((0x0028, 0x0008), "IS", "2"))
        .with(items((0x5200, 0x9229), vec![shared]))
        .with(items(
            (0x5200, 0x9230),
            vec![groups(0.0, 2.0), groups(0.0, 0.5)],
        ))
        .without((0x0020, 0x0032))
        .without((0x0020, 0x0037))
        .without((0x0028, 0x0030))
        .without((0x0028, 0x1052))
        .without((0x0028, 0x1053));
    let pixels: Vec<u16> = (0..24).map(|i| i * 10).collect();
    file.pixels(&pixels);
    // The normal of (+y, -z) is -x.
    let place = |x: f64, slope: f64| {
        let mut groups = groups(0.0, slope);
        groups[0] = items(
            (0x0020, 0x9113),
            vec![vec![text((0x0020, 0x0032), "DS", decimals(&[x, 0.0, 0.0]))]],
        );
        groups
    };
    file.put(items(
        (0x5200, 0x9230),
        vec![place(1.0, 2.0), place(6.0, 0.5)],
    ));
    let volume = read(&Folder::of([file]));
    assert_eq!(volume.geometry().spacing(), [4.0, 3.0, 5.0]);
    assert_eq!(volume.geometry().origin(), [6.0, 0.0, 0.0]);
    assert_eq!(volume.voxels().get(0, [1, 0, 0]), Some(65.0));
    assert_eq!(volume.voxels().get(0, [1, 0, 1]), Some(20.0));
}

#[test]
fn colours_become_channels_and_a_palette_is_painted() {
    let rgb = |planar: u16, bytes: Vec<u8>| {
        let file = File::ct(1, 0.0)
            .with(short((0x0028, 0x0002), 3))
            .with(short((0x0028, 0x0006), planar))
            .with(text((0x0028, 0x0004), "CS", "RGB"))
            .with(short((0x0028, 0x0100), 8))
            .with(short((0x0028, 0x0101), 8))
            .with(short((0x0028, 0x0102), 7))
            .with_bytes(bytes);
        read(&Folder::of([file]))
    };
    let side_by_side = rgb(0, (0..36).collect());
    let apart = rgb(
        1,
        (0..3)
            .flat_map(|c| (0..12).map(move |i| 3 * i + c))
            .collect(),
    );
    assert_eq!(side_by_side.voxels().bytes(), apart.voxels().bytes());
    assert_eq!(
        side_by_side.header().channels.names,
        ["red", "green", "blue"]
    );
    assert_eq!(side_by_side.voxels().get(2, [1, 0, 0]), Some(5.0));
}

/// A file may lack preamble and meta information.
#[test]
fn a_bare_data_set_is_read_with_a_warning() {
    let bytes = File::ct(1, 0.0).bytes(EXPLICIT);
    // Behind preamble, magic word and the only element of the meta information.
    let start = 132 + 8 + EXPLICIT.len().next_multiple_of(2);
    let mut folder = Folder::of([]);
    folder.put_bytes(&bytes[start..]);
    let volume = read(&folder);
    assert_eq!(order(&volume), [1.0]);
    let warning = volume.header().facts["dicom.header_warning"]
        .as_str()
        .unwrap();
    assert!(
        warning.starts_with("the transfer syntax is not stated"),
        "{warning}"
    );
}

/// A file that cannot be read may be a slice.
#[test]
fn a_damaged_file_in_a_series_is_named() {
    let mut folder = Folder::of([File::ct(0, 0.0), File::ct(1, 1.0)]);
    let mut bytes = File::ct(2, 2.0).bytes(EXPLICIT);
    bytes.truncate(bytes.len() - 7);
    let path = folder.put_bytes(&bytes);
    let error = refused(&folder, &ReadOptions::default());
    assert!(
        error.starts_with("1 DICOM file of the folder cannot be read, the first because the header declares 24 bytes of pixels, the file holds 17; "),
        "{error}"
    );
    assert!(error.ends_with(&path.display().to_string()), "{error}");
}

/// IO-03: 31 slices make 32 columns; what varies and what does not is told apart.
#[test]
fn attributes_are_a_table_of_slices() {
    let files = (0..31).map(|k| {
        File::ct(k, f64::from(30 - k))
            .with(text((0x0008, 0x0005), "CS", "ISO_IR 192"))
            .with(text((0x0008, 0x0013), "TM", format!("1200{k:02}")))
            .with(text((0x0008, 0x103E), "LO", "Schädel"))
    });
    let folder = Folder::of(files);
    let table = voxprep_io::tags(folder.path(), &ReadOptions::default(), true).unwrap();
    assert_eq!(table.slices, 31);
    let row = |tag: &str| table.rows.iter().find(|row| row.tag == tag).unwrap();
    assert!(!row("0008|0005").varies);
    let time = row("0008|0013");
    assert!(time.varies);
    assert_eq!(
        time.values[0].as_deref(),
        Some("120030"),
        "slices lie from foot to head"
    );
    assert_eq!(row("0008|103e").values[3].as_deref(), Some("Schädel"));
    assert_eq!(row("0008|103e").name, "SeriesDescription");
    let withheld = voxprep_io::tags(folder.path(), &ReadOptions::default(), false).unwrap();
    let time = withheld
        .rows
        .iter()
        .find(|row| row.tag == "0008|0013")
        .unwrap();
    assert_eq!(
        (time.varies, time.values[0].as_deref()),
        (true, Some("(withheld)"))
    );
}

/// IO-17: what a display shows, by a window in each of its functions, and by a table before a window.
#[test]
fn what_is_shown_is_the_window_or_the_table_of_the_header() {
    let shown = |file: File| {
        let options = ReadOptions {
            voi: true,
            ..ReadOptions::default()
        };
        voxprep_io::read(Folder::of([file]).path(), &options)
    };
    let windowed = |photometric: &str, function: &str| {
        File::ct(0, 0.0)
            .with(text((0x0028, 0x0004), "CS", photometric))
            .with(text((0x0028, 0x1050), "DS", "-19\\40"))
            .with(text((0x0028, 0x1051), "DS", "10\\400"))
            .with(text((0x0028, 0x1056), "CS", function))
    };
    let volume = shown(windowed("MONOCHROME2", "LINEAR_EXACT")).unwrap();
    assert_eq!(volume.header().unit, Unit::Normalised);
    // HU -24, -23, ...: from -24 to -14.
    let row: Vec<f64> = (0..4)
        .map(|x| volume.voxels().get(0, [x, 0, 0]).unwrap())
        .collect();
    assert_eq!(row, [0.0, 0.1_f32, 0.2, 0.3].map(f64::from));
    let volume = shown(windowed("MONOCHROME1", "LINEAR_EXACT")).unwrap();
    assert_eq!(volume.voxels().get(0, [0, 0, 0]), Some(1.0));
    let volume = shown(windowed("MONOCHROME2", "LINEAR")).unwrap();
    assert_eq!(
        volume.voxels().get(0, [1, 0, 0]),
        Some(f64::from((1.0 / 9.0_f64) as f32))
    );

    let table = items(
        (0x0028, 0x3010),
        vec![vec![
            // From HU -23 on, as a signed number.
            (
                (0x0028, 0x3002),
                "SS",
                crate::made::Value::Short(vec![3, 65_513, 8]),
            ),
            (
                (0x0028, 0x3006),
                "OW",
                crate::made::Value::Short(vec![51, 102, 255]),
            ),
        ]],
    );
    let volume = shown(windowed("MONOCHROME2", "LINEAR").with(table)).unwrap();
    let row: Vec<f64> = (0..4)
        .map(|x| volume.voxels().get(0, [x, 0, 0]).unwrap())
        .collect();
    assert_eq!(row, [0.2_f32, 0.2, 0.4, 1.0].map(f64::from));

    let error = shown(File::ct(0, 0.0)).unwrap_err().to_string();
    assert!(
        error.starts_with("the header has no window and no VOI look-up table; "),
        "{error}"
    );
}

/// The items of an unknown element of undefined length are implicit, whatever the file is (PS3.5
/// 6.2.2): what is in them is not taken for lengths, and the rest of the header is read.
#[test]
fn an_unknown_element_of_undefined_length_is_passed_over() {
    let bytes = File::ct(1, 0.0).bytes(EXPLICIT);
    let mut unknown = vec![
        0x09, 0x00, 0x10, 0x10, b'U', b'N', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
    ];
    unknown.extend([0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    // An implicit element of ten bytes.
    unknown.extend([0x09, 0x00, 0x01, 0x10, 10, 0, 0, 0]);
    unknown.extend(b"1.23\\4.56 ");
    unknown.extend([
        0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0,
    ]);
    // Before (0018,0050), the first element behind the group.
    let at = bytes
        .windows(4)
        .position(|tag| tag == [0x18, 0x00, 0x50, 0x00])
        .unwrap();
    let mut folder = Folder::of([]);
    folder.put_bytes(&[&bytes[..at], &unknown, &bytes[at..]].concat());
    let volume = read(&folder);
    assert_eq!(order(&volume), [1.0]);
    assert_eq!(volume.geometry().spacing(), [0.5, 2.0, 5.0]);
}

/// Channels lie at one place, also within their planes.
#[test]
fn points_of_time_elsewhere_in_their_planes_are_volumes_of_their_own() {
    let at = |t: u16, k: u16| {
        let x = if t == 1 { -10.0 } else { 40.0 };
        File::ct(10 * t + k, f64::from(k))
            .with(text((0x0020, 0x0100), "IS", t))
            .with(text(
                (0x0020, 0x0032),
                "DS",
                decimals(&[x, -20.0, f64::from(k)]),
            ))
    };
    let folder = Folder::of([at(1, 0), at(1, 1), at(2, 0), at(2, 1)]);
    let error = refused(&folder, &ReadOptions::default());
    assert!(
        error.contains("choose with --series: 7.1 (CT, 1), 7.2 (CT, 2)"),
        "{error}"
    );
    let second = voxprep_io::read(folder.path(), &choosing("7.2")).unwrap();
    assert_eq!(second.geometry().origin(), [40.0, -20.0, 0.0]);
}

/// Trigger times that differ a little from slice to slice rise at each: first, second, third.
#[test]
fn triggers_are_ranked_within_each_place() {
    let at = |phase: u16, k: u16| {
        let trigger = f64::from(phase) * 50.0 + f64::from(k) * 1.7;
        File::ct(10 * k + phase, f64::from(k)).with(text((0x0018, 0x1060), "DS", trigger))
    };
    let folder = Folder::of((0..3).flat_map(|phase| (0..4).map(move |k| at(phase, k))));
    let volume = read(&folder);
    assert_eq!(volume.voxels().size(), [4, 3, 4]);
    assert_eq!(volume.header().channels.len(), 3);
    // The last phase of the third slice.
    assert_eq!(
        volume.voxels().get(2, [0, 0, 2]),
        Some(1000.0 + 2200.0 - 1024.0)
    );
}

/// Equal numbers that mean other values are no copies.
#[test]
fn slices_of_equal_numbers_and_other_intercepts_are_not_one() {
    let mut folder = Folder::of([0, 1, 2].map(|k| File::ct(k, f64::from(k))));
    let other = File::ct(1, 1.0)
        .with(text((0x0028, 0x1052), "DS", "0"))
        .with(text((0x0008, 0x0018), "UI", "1.9"));
    folder.put(&other);
    let error = refused(&folder, &ReadOptions::default());
    assert!(
        error.starts_with("several slices that differ are at one place"),
        "{error}"
    );
}

/// An image that was cut off before its pixels is a slice that is missed.
#[test]
fn an_image_without_pixels_is_no_document() {
    let mut folder = Folder::of([File::ct(0, 0.0), File::ct(1, 1.0)]);
    folder.put(&File::ct(2, 2.0).without((0x7FE0, 0x0010)));
    let error = refused(&folder, &ReadOptions::default());
    assert!(
        error.contains("the first because the image has no pixels"),
        "{error}"
    );
    // A series of its own is not affected.
    let other = File::ct(5, 0.0)
        .with(text((0x0020, 0x000E), "UI", "1.2.99"))
        .with(text((0x0020, 0x0011), "IS", "8"));
    folder.put(&other);
    assert_eq!(
        order(&voxprep_io::read(folder.path(), &choosing("8")).unwrap()),
        [5.0]
    );
    let error = refused(&folder, &choosing("7"));
    assert!(error.contains("the image has no pixels"), "{error}");
}

#[test]
fn steps_that_differ_by_a_little_are_uneven_and_no_gaps() {
    let folder = Folder::of(
        [(0, 0.0), (1, 2.0), (2, 4.0), (3, 6.06), (4, 8.06)].map(|(k, z)| File::ct(k, z)),
    );
    let error = refused(&folder, &ReadOptions::default());
    assert!(
        error.starts_with("the steps between slices differ: 2.000 to 2.060 mm"),
        "{error}"
    );
    refused(&folder, &policy(SlicePolicy::Blank));
}

#[test]
fn options_that_contradict_the_header_are_refused() {
    let folder = Folder::of([File::ct(0, 0.0)
        .with(text((0x0028, 0x1050), "DS", "40"))
        .with(text((0x0028, 0x1051), "DS", "400"))]);
    let options = ReadOptions {
        voi: true,
        padding: Padding::Nan,
        ..ReadOptions::default()
    };
    let error = refused(&folder, &options);
    assert!(
        error.starts_with("padding: what is shown is 0 to 1"),
        "{error}"
    );
    let options = ReadOptions {
        philips_precise: true,
        ..ReadOptions::default()
    };
    let error = refused(&folder, &options);
    assert!(
        error.starts_with("philips_precise: not every frame"),
        "{error}"
    );
}

/// Series that share a number have letters, and the number alone means none of them.
#[test]
fn series_of_one_number_are_told_apart_by_letters() {
    let other =
        |k: u16| File::ct(k + 10, f64::from(k)).with(text((0x0020, 0x000E), "UI", "1.2.99"));
    let folder = Folder::of([File::ct(0, 0.0), File::ct(1, 1.0), other(0), other(1)]);
    let error = refused(&folder, &choosing("7"));
    assert!(
        error.contains("choose with --series: 7a (CT), 7b (CT)"),
        "{error}"
    );
    assert_eq!(
        order(&voxprep_io::read(folder.path(), &choosing("7b")).unwrap()),
        [10.0, 11.0]
    );
}

/// Of the frames of a segmentation, the step is that of their places, not their thickness.
#[test]
fn a_segmentation_is_a_label_map_on_its_own_grid_or_that_of_the_image() {
    let groups = |z: f64, segment: u16| {
        vec![
            items(
                (0x0020, 0x9113),
                vec![vec![text(
                    (0x0020, 0x0032),
                    "DS",
                    decimals(&[-10.0, -20.0, z]),
                )]],
            ),
            items(
                (0x0062, 0x000A),
                vec![vec![short((0x0062, 0x000B), segment)]],
            ),
        ]
    };
    let shared = vec![
        items(
            (0x0020, 0x9116),
            vec![vec![text((0x0020, 0x0037), "DS", "1\\0\\0\\0\\1\\0")]],
        ),
        items(
            (0x0028, 0x9110),
            vec![vec![
                text((0x0018, 0x0050), "DS", "1"),
                text((0x0028, 0x0030), "DS", "2\\0.5"),
            ]],
        ),
    ];
    let mut mask = File::ct(1, 0.0)
        .with(text((0x0008, 0x0016), "UI", "1.2.840.10008.5.1.4.1.1.66.4"))
        .with(text((0x0008, 0x0060), "CS", "SEG"))
        .with(text((0x0020, 0x000E), "UI", "1.2.88"))
        .with(text((0x0028, 0x0008), "IS", "2"))
        .with(short((0x0028, 0x0100), 1))
        .with(short((0x0028, 0x0101), 1))
        .with(short((0x0028, 0x0102), 0))
        .with(items((0x5200, 0x9229), vec![shared]))
        .with(items(
            (0x5200, 0x9230),
            vec![groups(4.0, 2), groups(0.0, 1)],
        ));
    for tag in [
        (0x0020, 0x0032),
        (0x0020, 0x0037),
        (0x0028, 0x0030),
        (0x0018, 0x0050),
    ] {
        mask = mask.without(tag);
    }
    // Twelve pixels each: all of the first frame, of the second the first one.
    let mask = mask.with_bytes(vec![0xFF, 0x1F, 0, 0]);
    let mut folder = Folder::of([]);
    let path = folder.put(&mask);
    let alone = voxprep_io::read(&path, &ReadOptions::default()).unwrap();
    assert_eq!(alone.geometry().spacing(), [0.5, 2.0, 4.0]);
    assert_eq!(alone.voxels().get(0, [0, 0, 0]), Some(1.0));
    assert_eq!(alone.voxels().get(0, [1, 0, 0]), Some(0.0));
    assert_eq!(alone.voxels().get(0, [3, 2, 1]), Some(2.0));

    // Beside its CT, and for a label map, the segmentation is what is meant.
    for k in 0..4 {
        folder.put(&File::ct(k, f64::from(k) * 2.0));
    }
    let image = read(&folder);
    assert_eq!(image.header().unit, Unit::Hu);
    let options = ReadOptions {
        grid: Some(image.geometry().clone()),
        ..ReadOptions::default()
    };
    let laid = voxprep_io::read(folder.path(), &options).unwrap();
    assert_eq!(laid.geometry(), image.geometry());
    let slices: Vec<_> = (0..4)
        .map(|k| laid.voxels().get(0, [0, 0, k]).unwrap())
        .collect();
    assert_eq!(slices, [1.0, 0.0, 2.0, 0.0]);
}
