//! What is written.

use voxprep_core::buf::Buf;
use voxprep_core::volume::{AxisKind, ChannelAxis, Channels, Header};
use voxprep_core::voxels::{ElementType, Voxels};

use super::*;

/// G-09: singleton axes are kept, never squeezed away.
#[test]
fn single_slices_and_single_points_in_time_are_kept() {
    let folder = Folder::new();
    for dim in [&[1_i16, 4, 6][..], &[4, 6, 1], &[4, 6, 1, 1]] {
        let made = Made::new(false, dim, 2).voxels(&[3; 24], 1);
        let volume = read_bytes(&made.bytes).unwrap();
        let expected = [0, 1, 2].map(|i| dim[i] as usize);
        assert_eq!(volume.geometry().size(), expected);
        let path = folder.path("a.nii");
        write(&path, &volume).unwrap();
        let bytes = fs::read(&path).unwrap();
        let written = std::array::from_fn::<_, 8, _>(|i| bytes[40 + 2 * i] as i16);
        assert_eq!(written[0] as usize, dim.len());
        assert_eq!(written[1..=dim.len()], *dim);
    }
}

/// The nifti crate as a second opinion on what is written.
#[test]
fn another_reader_finds_the_same_header_and_voxels() {
    use nifti::{NiftiObject as _, RandomAccessNiftiVolume as _, ReaderOptions};
    let folder = Folder::new();
    let values: Vec<i16> = (0..210).map(|i| i * 151 - 9000).collect();
    let voxels = Voxels::new(1, [5, 6, 7], Buf::from(values.clone())).unwrap();
    let volume = Volume::new(awkward([5, 6, 7]), voxels).unwrap();
    for name in ["a.nii", "a.nii.gz"] {
        let path = folder.path(name);
        write(&path, &volume).unwrap();
        let object = ReaderOptions::new().read_file(&path).unwrap();
        let header = object.header();
        assert_eq!(
            (header.dim, header.datatype, header.bitpix),
            ([3, 5, 6, 7, 1, 1, 1, 1], 4, 16)
        );
        // the grid is sheared, which a quaternion cannot say
        assert_eq!(
            (header.qform_code, header.sform_code, header.vox_offset),
            (0, 1, 352.0)
        );
        assert_eq!(
            (header.scl_slope, header.scl_inter, header.xyzt_units),
            (1.0, 0.0, 2)
        );
        let ras = volume.geometry().ras_from_index();
        for (theirs, ours) in [header.srow_x, header.srow_y, header.srow_z]
            .iter()
            .zip(ras.rows())
        {
            assert_eq!(*theirs, ours.map(|v| v as f32));
        }
        let theirs = object.volume();
        assert_eq!(theirs.get_i16(&[4, 5, 6]).unwrap(), values[209]);
        assert_eq!(
            theirs.get_i16(&[1, 2, 3]).unwrap(),
            values[1 + 5 * 2 + 30 * 3]
        );
    }
}

#[test]
fn the_quaternion_counts_where_it_says_the_same_as_the_matrix() {
    use nifti::{NiftiObject as _, ReaderOptions};
    let folder = Folder::new();
    let turn = [[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]];
    for (shear, code) in [(0.0, 1), (1e-6, 1), (0.01, 0)] {
        let mut rows = turn;
        rows[0][1] += shear;
        let affine = Affine::from_parts(rows, [1.0, 2.0, 3.0]);
        let geometry = Geometry::new([2, 3, 4], affine).unwrap();
        let voxels = Voxels::new(1, [2, 3, 4], Buf::from(vec![0_u8; 24])).unwrap();
        let path = folder.path("a.nii");
        write(&path, &Volume::new(geometry, voxels).unwrap()).unwrap();
        let object = ReaderOptions::new().read_file(&path).unwrap();
        let header = object.header();
        assert_eq!((header.qform_code, header.sform_code), (code, 1), "{shear}");
    }
}

#[test]
fn time_goes_to_dimension_4_and_tuples_to_dimension_5() {
    let folder = Folder::new();
    let axis = |kind, length, step| ChannelAxis { kind, length, step };
    // Channel = tuple + 2 * time: NIfTI wants time first.
    let axes = vec![
        axis(AxisKind::Component, 2, None),
        axis(AxisKind::Time, 3, Some(0.5)),
    ];
    let geometry = awkward([2, 1, 1]);
    let mut header = Header::new(geometry, ElementType::U8);
    header.channels = Channels::numbered(axes);
    let values: Vec<u8> = (0..12).collect();
    let voxels = Voxels::new(6, [2, 1, 1], Buf::from(values)).unwrap();
    let volume = Volume::with_header(header, voxels).unwrap();
    let path = folder.path("a.nii");
    write(&path, &volume).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(
        bytes[40..56],
        [5, 0, 2, 0, 1, 0, 1, 0, 3, 0, 2, 0, 1, 0, 1, 0]
    );
    assert_eq!(i16::from_le_bytes([bytes[68], bytes[69]]), 1007);
    assert_eq!(
        (
            f32::from_le_bytes(bytes[92..96].try_into().unwrap()),
            bytes[123]
        ),
        (0.5, 10)
    );
    assert_eq!(bytes[352..], [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]);
    let again = read(&path).unwrap();
    let kinds: Vec<_> = again
        .header()
        .channels
        .axes
        .iter()
        .map(|a| (a.kind, a.length))
        .collect();
    assert_eq!(kinds, [(AxisKind::Time, 3), (AxisKind::Component, 2)]);
}

#[test]
fn tuples_alone_come_back_as_tuples() {
    let folder = Folder::new();
    let voxels = Voxels::new(
        3,
        [2, 1, 1],
        Buf::from(vec![0.5_f32, 1.0, 2.0, 3.0, 4.0, 5.0]),
    )
    .unwrap();
    let volume = Volume::new(awkward([2, 1, 1]), voxels).unwrap();
    let path = folder.path("a.nii.gz");
    write(&path, &volume).unwrap();
    let again = read(&path).unwrap();
    assert_eq!(again.header().channels, volume.header().channels);
    assert_eq!(all::<f32>(&again), all::<f32>(&volume));
}

/// NIfTI-1 states lengths in 16 bits; what is longer is written as NIfTI-2, under the same name.
#[test]
fn an_axis_that_nifti_1_cannot_state_makes_the_file_nifti_2() {
    let folder = Folder::new();
    for (length, start) in [(32_767, [0x5c, 0x01, 0, 0]), (32_768, [0x1c, 0x02, 0, 0])] {
        let size = [1, length, 1];
        let values: Vec<u16> = (0..length as u32).map(|i| (i * 7) as u16).collect();
        let voxels = Voxels::new(1, size, Buf::from(values.clone())).unwrap();
        // A place that 32-bit numbers hold: the length alone decides.
        let geometry = Geometry::aligned(size, [0.5, 1.0, 2.0], [5.0, 6.0, 7.0]).unwrap();
        let volume = Volume::new(geometry, voxels).unwrap();
        for name in ["a.nii", "a.hdr"] {
            let path = folder.path(name);
            write(&path, &volume).unwrap();
            assert_eq!(fs::read(&path).unwrap()[..4], start, "{length} {name}");
            let again = read(&path).unwrap();
            assert_eq!(all::<u16>(&again), values);
            assert_eq!(again.geometry(), volume.geometry());
        }
    }
}

/// 32-bit numbers ten kilometres away are 1 mm apart.
#[test]
fn a_place_that_nifti_1_would_round_makes_the_file_nifti_2() {
    let folder = Folder::new();
    let two = [0x1c, 0x02, 0, 0];
    for (origin, spacing, start) in [
        (300.3, 0.7, [0x5c, 0x01, 0, 0]),
        (10_000_000.0, 1.0, [0x5c, 0x01, 0, 0]),
        (10_000_000.3, 1.0, two),
        (5000.3, 1.0, two),
    ] {
        let geometry = Geometry::aligned([4, 3, 2], [spacing; 3], [origin, 0.0, 0.0]).unwrap();
        let voxels = Voxels::new(1, [4, 3, 2], Buf::filled(24, 1_u8).unwrap()).unwrap();
        let path = folder.path("a.nii");
        write(&path, &Volume::new(geometry.clone(), voxels).unwrap()).unwrap();
        assert_eq!(fs::read(&path).unwrap()[..4], start, "{origin}");
        let again = read(&path).unwrap();
        assert!(again.geometry().is_close(&geometry, 1e-4), "{origin}");
    }
}

#[test]
fn what_nifti_cannot_hold_is_refused_by_name() {
    let folder = Folder::new();
    let voxels = Voxels::new(32, [1, 1, 1], Buf::filled(32, 0_u8).unwrap()).unwrap();
    let mut header = Header::new(awkward([1, 1, 1]), ElementType::U8);
    let axis = ChannelAxis {
        kind: AxisKind::Component,
        length: 2,
        step: None,
    };
    header.channels = Channels::numbered(vec![axis; 5]);
    let volume = Volume::with_header(header, voxels).unwrap();
    let message = write(&folder.path("a.nii"), &volume)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("NIfTI holds 7 axes, the volume has 9; write fewer channels"),
        "{message}"
    );
    let message = write(&folder.path("a.mgz"), &volume)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("end it in one of .nii.gz, .nii, "),
        "{message}"
    );
    let options = WriteOptions {
        level: 10,
        ..WriteOptions::default()
    };
    let message = voxprep_io::write(&folder.path("a.nii"), &volume, &options)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("level: there is no level 10; give 0 to 9"),
        "{message}"
    );
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 0);
}

#[test]
fn free_texts_of_the_header_are_not_kept() {
    let mut made = Made::new(false, &[1], 2).voxels(&[0], 1);
    made.bytes[148..158].copy_from_slice(b"Jane^Smith");
    made.bytes[228..232].copy_from_slice(b"Jane");
    made.bytes[14..18].copy_from_slice(b"Jane");
    made.bytes[328..332].copy_from_slice(b"Jane");
    let header = serde_json::to_string(read_bytes(&made.bytes).unwrap().header()).unwrap();
    assert!(!header.contains("Jane"), "{header}");
    assert!(header.contains("nifti.sform_code"));
}
