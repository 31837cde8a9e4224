//! Analyze 7.5: what its fields mean is in the head of `src/formats/analyze.rs`.

use voxprep_core::volume::AxisKind;
use voxprep_core::voxels::ElementType;

use super::*;

/// An Analyze header and its voxels, of three different sizes and spacings.
struct Pair {
    header: Made,
    voxels: Vec<u8>,
}

const SIZE: [i16; 3] = [4, 3, 2];

impl Pair {
    fn new(big: bool) -> Self {
        let mut header = Made {
            bytes: vec![0; 348],
            big,
        };
        header.i32(0, 348);
        header.i16(40, 4);
        for (i, n) in SIZE.into_iter().chain([1]).enumerate() {
            header.i16(42 + 2 * i, n);
        }
        header.i16(70, 2);
        header.i16(72, 8);
        for (i, spacing) in [2.0, 1.5, 3.0].into_iter().enumerate() {
            header.f32(80 + 4 * i, spacing);
        }
        Self {
            header,
            voxels: (0..24).collect(),
        }
    }

    fn read(&self) -> voxprep_io::Result<Volume> {
        let folder = Folder::new();
        folder.with("a.img", &self.voxels);
        read(&folder.with("a.hdr", &self.header.bytes))
    }
}

fn facts(volume: &Volume, key: &str) -> Option<String> {
    let value = volume.header().facts.get(&format!("analyze.{key}"))?;
    Some(
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned),
    )
}

/// nibabel, SPM, FSL and ITK do not look at `orient`. The affine is nibabel's 5.3 for this header
/// with each of the values, RAS+.
#[test]
fn the_plane_of_the_slices_is_not_obeyed_and_that_is_said() {
    let nibabel = [[-2., 0., 0., 3.], [0., 1.5, 0., -1.5], [0., 0., 3., -1.5]];
    for (orient, plane) in [
        (0, None),
        (1, Some("coronal")),
        (2, Some("sagittal")),
        (3, Some("transverse, rows upside down")),
        (4, Some("coronal, rows upside down")),
        (5, Some("sagittal, rows upside down")),
        (77, Some("no plane")),
    ] {
        for big in [false, true] {
            let mut pair = Pair::new(big);
            pair.header.bytes[252] = orient;
            let volume = pair.read().unwrap();
            assert_eq!(
                *volume.geometry().ras_from_index().rows(),
                nibabel,
                "{orient}"
            );
            assert_eq!(volume.geometry().orientation().to_string(), "LAS");
            assert_eq!(all::<u8>(&volume), (0..24).collect::<Vec<_>>());
            assert_eq!(facts(&volume, "orient").unwrap(), orient.to_string());
            let said = facts(&volume, "affine_warning").unwrap();
            let expected = plane.map(|plane| {
                format!("; orient {orient} ({plane}) is not obeyed, as in other programs")
            });
            assert!(said.ends_with(&expected.unwrap_or_default()), "{said}");
            assert_eq!(said.contains("not obeyed"), plane.is_some(), "{said}");
        }
    }
}

/// SPM counts from 1; what is nowhere near the image is text of another program, not an origin.
#[test]
fn the_originator_is_the_voxel_at_the_origin() {
    for (originator, index) in [
        ([2, 3, 1], [1.0, 2.0, 0.0]),
        ([-1, 0, 1], [-2.0, -1.0, 0.0]),
        ([0, 0, 0], [1.5, 1.0, 0.5]),
        ([2, 3, 4], [1.5, 1.0, 0.5]),
        ([0x626f, 0x6279, 0], [1.5, 1.0, 0.5]),
    ] {
        let mut pair = Pair::new(true);
        for (i, o) in originator.into_iter().enumerate() {
            pair.header.i16(253 + 2 * i, o);
        }
        let volume = pair.read().unwrap();
        let world = volume.geometry().world_from_index().apply(index);
        assert_eq!(world, [0.0; 3], "{originator:?}");
    }
}

#[test]
fn the_scale_is_that_of_spm_else_of_the_extremes_else_none() {
    let values = |change: fn(&mut Made)| {
        let mut pair = Pair::new(false);
        change(&mut pair.header);
        let volume = pair.read().unwrap();
        let at = |x| volume.voxels().get(0, [x, 0, 0]).unwrap();
        let warning = facts(&volume, "header_warning");
        (volume.header().element_type, [at(0), at(2)], warning)
    };
    let (ty, found, warning) = values(|_| {});
    assert_eq!((ty, found, warning), (ElementType::U8, [0.0, 2.0], None));
    let (ty, found, _) = values(|h| {
        h.f32(112, 0.5);
        h.f32(116, 10.0);
    });
    assert_eq!((ty, found), (ElementType::F32, [10.0, 11.0]));
    let (ty, found, _) = values(|h| {
        h.f32(112, 0.5);
        h.f32(116, f32::NAN);
    });
    assert_eq!((ty, found), (ElementType::F32, [0.0, 1.0]));
    // 0 to 20 become 1 to 5.
    let (_, found, warning) = values(|h| {
        h.i32(140, 20);
        h.i32(144, 0);
        h.f32(124, 5.0);
        h.f32(128, 1.0);
    });
    assert!(
        (found[1] - 1.4).abs() < 1e-6 && found[0] == 1.0,
        "{found:?}"
    );
    assert!(warning.unwrap().contains("as SPM2 does"));
    // Extremes that say nothing.
    let (ty, ..) = values(|h| h.f32(124, 5.0));
    assert_eq!(ty, ElementType::U8);
}

#[test]
fn types_of_spm_and_points_in_time_are_read() {
    for (datatype, each, expected) in [
        (130, 1, ElementType::I16),
        (132, 2, ElementType::U16),
        (136, 4, ElementType::I32),
        (4, 2, ElementType::I16),
        (64, 8, ElementType::F64),
    ] {
        let mut pair = Pair::new(false);
        pair.header.i16(70, datatype);
        pair.voxels = vec![0; 24 * each];
        assert_eq!(pair.read().unwrap().header().element_type, expected);
    }
    let mut pair = Pair::new(false);
    pair.header.i16(48, 2);
    pair.header.f32(92, 2000.0);
    pair.voxels = vec![0; 48];
    let volume = pair.read().unwrap();
    let axis = &volume.header().channels.axes[0];
    // Seconds or milliseconds, nobody knows.
    assert_eq!(
        (axis.kind, axis.length, axis.step),
        (AxisKind::Time, 2, None)
    );
    assert_eq!(facts(&volume, "pixdim_4").unwrap(), "2000.0");
}

#[test]
fn what_is_wrong_is_said_with_the_field_of_analyze() {
    type Spoil = fn(&mut Made);
    let cases: [(&str, Spoil); 5] = [
        ("Analyze header, dim[0]: 0 dimensions", |h| h.i16(40, 0)),
        ("Analyze header, dim[3]: -2 voxels", |h| h.i16(46, -2)),
        (
            "Analyze header, datatype: voxels of the type 1 (single bits)",
            |h| h.i16(70, 1),
        ),
        ("Analyze header, pixdim: pixdim[2] is 0", |h| h.f32(84, 0.0)),
        (
            "Analyze header, vox_offset: the voxels start at byte -352",
            |h| h.f32(108, -352.0),
        ),
    ];
    for (expected, spoil) in cases {
        let mut pair = Pair::new(false);
        spoil(&mut pair.header);
        let message = pair.read().unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

/// A NIfTI-1 file with a damaged mark has the length of an Analyze header.
#[test]
fn a_header_without_the_mark_of_nifti_and_the_name_of_analyze_is_neither() {
    let mut made = Made::new(false, &[1], 2).voxels(&[0], 1);
    made.bytes[345] = 0;
    let message = read_bytes(&made.bytes).unwrap_err().to_string();
    assert!(
        message.starts_with(
            "the header has neither the mark of NIfTI-1 nor the name of Analyze 7.5; copy"
        ),
        "{message}"
    );
}

#[test]
fn a_matlab_file_beside_it_is_said_to_be_ignored() {
    let folder = Folder::new();
    let pair = Pair::new(false);
    folder.with("a.img", &pair.voxels);
    let path = folder.with("a.hdr", &pair.header.bytes);
    assert_eq!(facts(&read(&path).unwrap(), "header_warning"), None);
    folder.with("a.mat", b"");
    let said = facts(&read(&path).unwrap(), "header_warning").unwrap();
    assert!(
        said.contains(".mat file") && said.contains("not read"),
        "{said}"
    );
}

#[test]
fn texts_of_the_header_are_not_kept() {
    let mut pair = Pair::new(false);
    for at in [14, 148, 228, 263, 283] {
        pair.header.bytes[at..at + 4].copy_from_slice(b"Jane");
    }
    let header = serde_json::to_string(pair.read().unwrap().header()).unwrap();
    assert!(!header.contains("Jane"), "{header}");
}

/// What is written for it is NIfTI, and says that its place is no scanner's.
#[test]
fn it_is_written_as_nifti() {
    let folder = Folder::new();
    let volume = Pair::new(true).read().unwrap();
    let path = folder.path("b.hdr");
    write(&path, &volume).unwrap();
    let again = read(&path).unwrap();
    assert_eq!(again.geometry(), volume.geometry());
    assert_eq!(all::<u8>(&again), all::<u8>(&volume));
    assert_eq!(again.header().facts["nifti.sform_code"], 2);
}
