//! Files of other programs.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use voxprep_core::finding::doubts;
use voxprep_core::volume::{AxisKind, SPACING_ASSUMED};
use voxprep_io::ReadOptions;

use crate::{folder, read, refused, values};

#[derive(Deserialize)]
struct Row {
    path: String,
    channels: usize,
    size: [usize; 3],
    r#type: String,
    spacing: Option<[f64; 3]>,
    exact: bool,
    values: Vec<f64>,
}

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("others.json")).unwrap()
}

/// IO-01, IO-17: voxels exact, 16 bits in the right order, spacing within 1e-4 mm; JPEG within 2 of
/// 256, because decoders round differently.
#[test]
fn files_of_other_programs_are_read_as_they_read_them() {
    let rows = rows();
    assert_eq!(rows.len(), 40);
    for row in rows {
        let name = &row.path;
        let volume = read(&folder().join(name));
        let voxels = volume.voxels();
        let shape = (voxels.channels(), voxels.size());
        assert_eq!(shape, (row.channels, row.size), "{name}");
        let found = volume.header().element_type.to_string();
        assert_eq!(found, row.r#type, "{name}");
        let tolerance = if row.exact { 0.0 } else { 2.0 };
        for (i, (ours, theirs)) in values(&volume).iter().zip(&row.values).enumerate() {
            assert!(
                (ours - theirs).abs() <= tolerance,
                "{name}, {i}: {ours} {theirs}"
            );
        }
        let spacing = volume.geometry().spacing();
        let known = !volume.header().facts.contains_key(SPACING_ASSUMED);
        assert_eq!(known, row.spacing.is_some(), "{name}");
        for (ours, theirs) in spacing.iter().zip(row.spacing.unwrap_or([1.0; 3])) {
            assert!((ours - theirs).abs() <= 1e-4, "{name}: {spacing:?}");
        }
        let header = voxprep_io::read_header(&folder().join(name), &ReadOptions::default());
        let header = header.unwrap();
        assert_eq!(header.geometry, *volume.geometry(), "{name}");
        assert_eq!(header.channels, volume.header().channels, "{name}");
        assert_eq!(header.facts, volume.header().facts, "{name}");
    }
}

#[test]
fn what_is_doubtful_about_a_picture_is_said() {
    let doubt = |name: &str| {
        let volume = read(&folder().join(name));
        let found: Vec<_> = doubts(volume.header()).map(|f| f.message).collect();
        found.join("; ")
    };
    let unknown = "the file does not say how far pixels are apart; 1 mm is taken";
    assert_eq!(doubt("grey16.png"), unknown);
    assert_eq!(doubt("grey8.png"), "");
    let turned = "the orientation in the file says that it is to be shown turned by";
    assert_eq!(
        doubt("turned.png"),
        format!("{unknown}; {turned} 90 degrees; its pixels are read as they are stored")
    );
    assert_eq!(
        doubt("turned.jpg"),
        format!("{unknown}; {turned} 180 degrees; its pixels are read as they are stored")
    );
    let pages = "the file does not say how far its pages are apart; 1 mm is taken";
    assert_eq!(doubt("itk.tif"), pages);
}

#[test]
fn colours_become_channels_and_texts_stay_in_the_file() {
    let channels = |name: &str| read(&folder().join(name)).header().channels.clone();
    let rgb = channels("rgb8.png");
    assert_eq!(rgb.names, ["red", "green", "blue"]);
    assert_eq!(rgb.axes[0].kind, AxisKind::Colour);
    assert_eq!(
        channels("palette_alpha.png").names,
        ["red", "green", "blue", "alpha"]
    );
    assert_eq!(channels("grey_alpha.png").names, ["grey", "alpha"]);
    let header = read(&folder().join("turned.png")).header().clone();
    assert!(!serde_json::to_string(&header).unwrap().contains("Jane"));
}

#[test]
fn pages_that_are_no_slices_are_refused() {
    let message = refused(&folder().join("unequal.tif"));
    let expected = "TIFF page 2: it is not like the first page (7 x 4 against 7 x 5 pixels";
    assert!(message.starts_with(expected), "{message}");
    let message = refused(&folder().join("channels.tif"));
    assert!(message.contains("channels or points in time"), "{message}");
    let message = refused(&folder().join("palette.tif"));
    assert!(message.contains("save it as grey or RGB"), "{message}");
}

/// IO-17: the NIH radiograph, against what `cv2.imread(IMREAD_UNCHANGED)` gives (OpenCV 5.0.0).
#[test]
fn a_radiograph_is_as_opencv_reads_it() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("VOXPREP_SHARED").map_or(beside, PathBuf::from);
    let path = shared.join("data/xray/nih_00000001_000.png");
    if !path.is_file() {
        println!("skipped: no ../shared");
        return;
    }
    let volume = read(&path);
    assert_eq!(volume.voxels().size(), [512, 512, 1]);
    let values = volume.voxels().values::<u8>().unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(values);
    let sum: u64 = values.iter().map(|&v| u64::from(v)).sum();
    assert_eq!((crc.sum(), sum), OPENCV);
    assert_eq!(
        volume.voxels().get(0, [100, 200, 0]),
        Some(f64::from(PIXEL))
    );
}

/// `zlib.crc32(image.tobytes())`, `image.sum()` and `image[200, 100]`.
const OPENCV: (u32, u64) = (0xd330983c, 33590126);
const PIXEL: u8 = 95;
