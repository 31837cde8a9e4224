//! Writing Analyze 7.5: what it holds, and what it does not.

use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::volume::ChannelAxis;
use voxprep_core::voxels::ElementType;

use super::frames::volume;
use super::*;

const ANALYZE: WriteOptions = WriteOptions {
    level: 1,
    format: Some("analyze"),
};

/// x to the left, y to anterior, z to superior, in LPS+; the voxel at the origin of the world.
fn las([x, y, z]: [f64; 3]) -> Geometry {
    let linear = [[2.0, 0.0, 0.0], [0.0, -1.5, 0.0], [0.0, 0.0, 3.0]];
    let origin = [-2.0 * x, 1.5 * y, -3.0 * z];
    Geometry::new([4, 3, 2], Affine::from_parts(linear, origin)).unwrap()
}

fn written(volume: &Volume, name: &str) -> Result<Volume, String> {
    let folder = Folder::new();
    let path = folder.path(name);
    voxprep_io::write(&path, volume, &ANALYZE).map_err(|e| e.to_string())?;
    Ok(read(&path).unwrap())
}

/// IO-01: the round trip is exact.
#[test]
fn analyze_is_written_and_read_as_it_was() {
    let types = [
        ElementType::U8,
        ElementType::I16,
        ElementType::I32,
        ElementType::F32,
        ElementType::F64,
    ];
    for (ty, name) in types
        .into_iter()
        .zip(["a.hdr", "a.img", "a.hdr.gz", "A.HDR", "a.img.gz"])
    {
        for origin in [
            [1.5, 1.0, 0.5],
            [1.0, 2.0, 0.0],
            [0.0, 0.0, 0.0],
            [-3.0, 4.0, 2.0],
        ] {
            let original = volume(ty, las(origin), vec![], 5);
            let again = written(&original, name).unwrap();
            assert_same(&again, &original, &format!("{ty} {origin:?}"));
            assert!(fact(&again, "analyze.datatype").is_some());
        }
    }
    let time = ChannelAxis {
        kind: AxisKind::Time,
        length: 3,
        step: Some(2.5),
    };
    let original = volume(ElementType::I16, las([1.0, 2.0, 0.0]), vec![time], 5);
    let again = written(&original, "a.hdr").unwrap();
    assert_eq!(again.voxels().bytes(), original.voxels().bytes());
    // Nothing says whether it counts seconds: a reader keeps it as a fact.
    assert_eq!(axes(&again), [(AxisKind::Time, 3, None)]);
    assert_eq!(fact(&again, "analyze.pixdim_4").unwrap(), 2.5);
}

#[test]
fn the_header_is_one_of_348_bytes_without_the_mark_of_nifti() {
    let folder = Folder::new();
    let path = folder.path("a.hdr");
    let original = volume(ElementType::I16, las([1.0, 2.0, 0.0]), vec![], 5);
    voxprep_io::write(&path, &original, &ANALYZE).unwrap();
    let header = fs::read(&path).unwrap();
    assert_eq!(header.len(), 348);
    assert_eq!(header[344..], [0; 4]);
    assert_eq!(
        (header[32..36].to_vec(), header[38]),
        (vec![0, 0x40, 0, 0], b'r')
    );
    // Counted from 1.
    assert_eq!(header[253..259], [2, 0, 3, 0, 1, 0]);
    voxprep_io::write(&path, &original, &WriteOptions::default()).unwrap();
    assert_eq!(fs::read(&path).unwrap()[344..348], *b"ni1\0");
}

#[test]
fn what_analyze_cannot_hold_is_refused() {
    let plain = |geometry| volume(ElementType::I16, geometry, vec![], 5);
    let axis = |kind, length| ChannelAxis {
        kind,
        length,
        step: None,
    };
    let oblique = Geometry::new([4, 3, 2], frames::frames()[0].1).unwrap();
    let lps = Geometry::aligned([4, 3, 2], [1.0; 3], [0.0; 3]).unwrap();
    let at = las([1.0, 1.0, 0.0]);
    for (volume, expected) in [
        (
            plain(oblique),
            "Analyze 7.5 holds axes that run to the left, to anterior and to superior, here they are",
        ),
        (
            plain(lps),
            "Analyze 7.5 holds axes that run to the left, to anterior and to superior, here they are LPS",
        ),
        (
            plain(las([1.25, 1.0, 0.0])),
            "Analyze 7.5 has the origin of the world in the middle or at a voxel of whole numbers, here it is at (1.250, 1.000, 0.000)",
        ),
        // Further away than the image is long: readers take that for no origin.
        (
            plain(las([40.0, 1.0, 0.0])),
            "Analyze 7.5 has the origin of the world in the middle",
        ),
        (
            volume(ElementType::U16, at.clone(), vec![], 5),
            "Analyze 7.5 has no type for u16 that every program reads; write another type",
        ),
        (
            volume(
                ElementType::U8,
                at.clone(),
                vec![axis(AxisKind::Colour, 3)],
                5,
            ),
            "Analyze 7.5 holds no channels but points in time",
        ),
        (
            volume(ElementType::U8, at, vec![axis(AxisKind::Time, 40_000)], 5),
            "Analyze 7.5 holds axes of 32767, one has 40000",
        ),
    ] {
        let message = written(&volume, "a.hdr").unwrap_err();
        assert!(message.starts_with(expected), "{message}");
        assert!(message.contains("write NIfTI"), "{message}");
    }
}

#[test]
fn a_format_is_asked_for_by_its_key_and_a_name_that_fits() {
    let original = volume(ElementType::I16, las([1.0, 2.0, 0.0]), vec![], 5);
    let message = written(&original, "a.nii").unwrap_err();
    assert!(
        message.starts_with("the name is none of a file of the format 'analyze'; end it in one of .hdr, .img, .hdr.gz, .img.gz"),
        "{message}"
    );
    let folder = Folder::new();
    let other = WriteOptions {
        format: Some("dicom-of-old"),
        ..WriteOptions::default()
    };
    let message = voxprep_io::write(&folder.path("a.hdr"), &original, &other).unwrap_err();
    let message = message.to_string();
    assert!(
        message.starts_with(
            "format: there is no format 'dicom-of-old' to write; give one of analyze, "
        ),
        "{message}"
    );
}
