//! Values: types, byte orders, scales, channels.

use std::fs;

use voxprep_core::volume::AxisKind;
use voxprep_core::voxels::{ElementType, Voxel};
use voxprep_io::Error;

use super::*;

/// Every type, in 1, 3, 4 and 5 dimensions, both byte orders, compressed or not, is read, written
/// and read again.
#[test]
fn six_types_in_any_dimension_and_byte_order_come_back() {
    fn check<T: Voxel + std::fmt::Debug>(datatype: i16, values: [T; 24]) {
        let folder = Folder::new();
        let dims: [&[i16]; 5] = [&[24], &[6, 4], &[4, 3, 2], &[2, 3, 1, 4], &[2, 2, 1, 2, 3]];
        for dim in dims {
            for big in [false, true] {
                let made = Made::new(big, dim, datatype)
                    .voxels(bytemuck::cast_slice(&values), size_of::<T>());
                for (name, bytes) in [
                    ("a.nii", made.bytes.clone()),
                    ("a.nii.gz", gzip(&made.bytes)),
                ] {
                    let volume = read(&folder.with(name, &bytes)).unwrap();
                    assert_eq!(all::<T>(&volume), values, "{dim:?}");
                    let written = folder.path(&format!("written.{name}"));
                    write(&written, &volume).unwrap();
                    let again = read(&written).unwrap();
                    assert_eq!(all::<T>(&again), values, "{dim:?}");
                    assert_eq!(again.geometry(), volume.geometry());
                    assert_eq!(again.header().channels, volume.header().channels);
                }
            }
        }
    }
    check::<u8>(2, std::array::from_fn(|i| (i * 11) as u8));
    check::<i16>(4, std::array::from_fn(|i| i as i16 * 1000 - 12_000));
    check::<u16>(512, std::array::from_fn(|i| i as u16 * 2800));
    check::<i32>(8, std::array::from_fn(|i| (i as i32 - 12) * 170_000_000));
    check::<f32>(16, std::array::from_fn(|i| (i as f32 - 12.0) / 7.0));
    check::<f64>(64, std::array::from_fn(|i| (i as f64 - 12.0) / 7.0));
}

/// IO-07: arrays are (z, y, x), 0-based; a viewer that counts from 1 shows (x, y, z) one higher.
#[test]
fn x_is_fastest_in_the_file_and_last_in_the_array() {
    let values: Vec<i16> = (0..24).collect();
    let made = Made::new(false, &[4, 3, 2], 4).voxels(bytemuck::cast_slice(&values), 2);
    let volume = read_bytes(&made.bytes).unwrap();
    assert_eq!(
        volume.voxels().get(0, [3, 1, 1]),
        Some(f64::from(3 + 4 + 12))
    );
    let voxprep_core::voxels::VoxelsView::I16(view) = volume.voxels().view() else {
        panic!()
    };
    assert_eq!(view[[0, 1, 1, 3]], 19);
}

/// IO-04: a slope of 1 and a whole intercept stay integers where they fit.
#[test]
fn a_scale_keeps_integers_where_it_can_and_floats_where_it_must() {
    let i16s = |values: &[i16]| {
        Made::new(false, &[values.len() as i16], 4).voxels(bytemuck::cast_slice(values), 2)
    };
    let u16s = |values: &[u16]| {
        Made::new(false, &[values.len() as i16], 512).voxels(bytemuck::cast_slice(values), 2)
    };
    let i32s = |values: &[i32]| {
        Made::new(false, &[values.len() as i16], 8).voxels(bytemuck::cast_slice(values), 4)
    };
    let cases = [
        (
            i16s(&[0, 3000]).scaled(1.0, -1024.0),
            ElementType::I16,
            [-1024.0, 1976.0],
        ),
        (
            u16s(&[0, 4095]).scaled(1.0, -1024.0),
            ElementType::I16,
            [-1024.0, 3071.0],
        ),
        (
            u16s(&[0, 65_535]).scaled(1.0, -1024.0),
            ElementType::F32,
            [-1024.0, 64_511.0],
        ),
        (
            u16s(&[0, 65_535]).scaled(1.0, 0.0),
            ElementType::U16,
            [0.0, 65_535.0],
        ),
        (
            i16s(&[-32_768, 5]).scaled(1.0, -1.0),
            ElementType::F32,
            [-32_769.0, 4.0],
        ),
        (i16s(&[1, 2]).scaled(0.5, 0.0), ElementType::F32, [0.5, 1.0]),
        (
            i16s(&[1, 2]).scaled(1.0, 0.25),
            ElementType::F32,
            [1.25, 2.25],
        ),
        (i16s(&[1, 2]).scaled(0.0, 7.0), ElementType::I16, [1.0, 2.0]),
        (
            i16s(&[1, 2]).scaled(f32::NAN, f32::NAN),
            ElementType::I16,
            [1.0, 2.0],
        ),
        (
            i16s(&[1, 2]).scaled(f32::INFINITY, 0.0),
            ElementType::I16,
            [1.0, 2.0],
        ),
        (
            i16s(&[0, 1]).scaled(0.5, 16_777_216.0),
            ElementType::F64,
            [16_777_216.0, 16_777_216.5],
        ),
        (i32s(&[1, 2]).scaled(0.5, 0.0), ElementType::F32, [0.5, 1.0]),
        (
            i32s(&[0, 100_000_001]).scaled(0.5, 0.0),
            ElementType::F64,
            [0.0, 50_000_000.5],
        ),
        (
            i32s(&[i32::MIN, 0]).scaled(1.0, -1.0),
            ElementType::F64,
            [-2_147_483_649.0, -1.0],
        ),
        (
            i32s(&[-5, 9]).scaled(1.0, -1024.0),
            ElementType::I32,
            [-1029.0, -1015.0],
        ),
    ];
    for (i, (made, ty, values)) in cases.into_iter().enumerate() {
        let volume = read_bytes(&made.bytes).unwrap();
        let found = [0, 1].map(|x| volume.voxels().get(0, [x, 0, 0]).unwrap());
        assert_eq!(
            (volume.header().element_type, found),
            (ty, values),
            "case {i}"
        );
    }
}

#[test]
fn an_intercept_that_is_no_number_is_an_error() {
    let made = Made::new(false, &[1], 2)
        .voxels(&[0], 1)
        .scaled(2.0, f32::NAN);
    let error = read_bytes(&made.bytes).unwrap_err().to_string();
    assert!(
        error.starts_with("NIfTI header, scl_inter: the intercept is NaN"),
        "{error}"
    );
}

#[test]
fn wide_integers_become_i32_else_f64_else_an_error() {
    let read = |datatype, bytes: &[u8], each| {
        [false, true].map(|big| {
            let made = Made::new(big, &[(bytes.len() / each) as i16], datatype).voxels(bytes, each);
            read_bytes(&made.bytes)
        })
    };
    for volume in read(256, bytemuck::cast_slice(&[-128_i8, 127]), 1) {
        assert_eq!(all::<i16>(&volume.unwrap()), [-128, 127]);
    }
    for volume in read(768, bytemuck::cast_slice(&[7_u32, 2_147_483_647]), 4) {
        assert_eq!(all::<i32>(&volume.unwrap()), [7, 2_147_483_647]);
    }
    for volume in read(768, bytemuck::cast_slice(&[7, u32::MAX]), 4) {
        assert_eq!(all::<f64>(&volume.unwrap()), [7.0, 4_294_967_295.0]);
    }
    for volume in read(1024, bytemuck::cast_slice(&[-3_i64, 1 << 53]), 8) {
        assert_eq!(
            all::<f64>(&volume.unwrap()),
            [-3.0, 9_007_199_254_740_992.0]
        );
    }
    for volume in read(1024, bytemuck::cast_slice(&[-3_i64, (1 << 53) + 1]), 8) {
        assert!(matches!(volume, Err(Error::Unsupported(_))));
    }
    for volume in read(1280, bytemuck::cast_slice(&[u64::MAX]), 8) {
        assert!(
            volume
                .unwrap_err()
                .to_string()
                .contains("no voxel type holds")
        );
    }
    for (code, name) in [
        (1, "single bits"),
        (1536, "128-bit"),
        (2048, "256-bit"),
        (99, "no type of this format"),
    ] {
        let error = read(code, &[0; 32], 1)[0].as_ref().unwrap_err().to_string();
        assert!(
            error.starts_with("NIfTI header, datatype: ") && error.contains(name),
            "{error}"
        );
    }
}

#[test]
fn complex_numbers_and_colours_become_channels_and_are_written_back() {
    let folder = Folder::new();
    let complex: Vec<f32> = (0..12).map(|i| i as f32).collect();
    for big in [false, true] {
        let made = Made::new(big, &[3, 1, 1, 2], 32)
            .voxels(bytemuck::cast_slice(&complex), 4)
            .scaled(2.0, 1.0);
        let volume = read_bytes(&made.bytes).unwrap();
        // real and imag of the first point in time, then of the second; only real has an intercept
        assert_eq!(
            all::<f32>(&volume),
            [1., 5., 9., 2., 6., 10., 13., 17., 21., 14., 18., 22.]
        );
        let channels = &volume.header().channels;
        assert_eq!(channels.names, ["0.real", "0.imag", "1.real", "1.imag"]);
        assert_eq!(
            channels.axes.iter().map(|a| a.kind).collect::<Vec<_>>(),
            [AxisKind::Complex, AxisKind::Time]
        );
        let path = folder.path("c.nii.gz");
        write(&path, &volume).unwrap();
        let again = read(&path).unwrap();
        assert_eq!(all::<f32>(&again), all::<f32>(&volume));
        assert_eq!(again.header().channels.names, channels.names);
    }

    let colours: Vec<u8> = (10..22).collect();
    let made = Made::new(false, &[2, 2], 128)
        .voxels(&colours, 1)
        .scaled(3.0, 1.0);
    let volume = read_bytes(&made.bytes).unwrap();
    assert_eq!(volume.header().channels.names, ["red", "green", "blue"]);
    assert_eq!(
        all::<u8>(&volume),
        [10, 13, 16, 19, 11, 14, 17, 20, 12, 15, 18, 21]
    );
    let path = folder.path("rgb.nii");
    write(&path, &volume).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!((bytes[70], &bytes[352..]), (128, &colours[..]));
}

/// The header is in the byte order of the dimensions; lengths and magics of both orders are known.
#[test]
fn the_byte_order_is_found_even_where_the_stated_length_is_wrong() {
    for big in [false, true] {
        let mut made =
            Made::new(big, &[2, 1, 1], 512).voxels(bytemuck::cast_slice(&[7_u16, 600]), 2);
        made.i32(0, 0);
        assert_eq!(all::<u16>(&read_bytes(&made.bytes).unwrap()), [7, 600]);
    }
}

#[test]
fn gzip_of_many_members_is_one_file() {
    let values: Vec<i16> = (0..3000).collect();
    let made = Made::new(false, &[30, 10, 10], 4).voxels(bytemuck::cast_slice(&values), 2);
    // The first member ends within the header, the second is empty.
    let parts = [
        &made.bytes[..100],
        &[],
        &made.bytes[100..1000],
        &made.bytes[1000..],
    ];
    let packed: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
    let folder = Folder::new();
    let path = folder.with("a.nii.gz", &packed);
    assert_eq!(all::<i16>(&read(&path).unwrap()), values);
}

#[test]
fn time_is_in_seconds_whatever_the_file_counts_in() {
    for (units, step) in [
        (8, Some(2.0)),
        (0, Some(2.0)),
        (16, Some(0.002)),
        (24, Some(2e-6)),
    ] {
        let mut made = Made::new(true, &[1, 1, 1, 3], 2).voxels(&[1, 2, 3], 1);
        made.f32(76 + 16, 2.0);
        made.bytes[123] = units;
        let volume = read_bytes(&made.bytes).unwrap();
        let axes = &volume.header().channels.axes;
        assert_eq!((axes[0].kind, axes[0].length), (AxisKind::Time, 3));
        assert!((axes[0].step.unwrap() - step.unwrap()).abs() < 1e-12);
    }
    let mut spectrum = Made::new(false, &[1, 1, 1, 3], 2).voxels(&[1, 2, 3], 1);
    spectrum.bytes[123] = 2 | 32;
    spectrum.f32(76 + 16, 0.25);
    let volume = read_bytes(&spectrum.bytes).unwrap();
    let axis = &volume.header().channels.axes[0];
    assert_eq!((axis.kind, axis.step), (AxisKind::Component, Some(0.25)));
}
