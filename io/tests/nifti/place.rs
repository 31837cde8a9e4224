//! Where the voxels are.

use proptest::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::voxels::Voxels;

use super::*;

#[test]
fn metres_and_microns_become_millimetres() {
    for (units, factor) in [(0, 1.0), (1, 1e3), (2, 1.0), (3, 1e-3)] {
        let mut made = Made::new(false, &[1], 2).voxels(&[0], 1);
        made.bytes[123] = units;
        let volume = read_bytes(&made.bytes).unwrap();
        for spacing in volume.geometry().spacing() {
            assert!((spacing - factor).abs() < 1e-12 * factor);
        }
    }
}

/// The three sources of the affine, in the order of nibabel; IO-15: RAS in the file, LPS outside.
#[test]
fn the_affine_is_the_sform_else_the_qform_else_spacing_with_x_flipped() {
    let base = || {
        let mut made = Made::new(false, &[3, 1, 5], 2).voxels(&[0; 15], 1);
        [2.0, -3.0, 4.0]
            .into_iter()
            .enumerate()
            .for_each(|(i, v)| made.f32(80 + 4 * i, v));
        made.i16(254, 0);
        made
    };
    let rows = |made: &Made| {
        *read_bytes(&made.bytes)
            .unwrap()
            .geometry()
            .world_from_index()
            .rows()
    };
    // nibabel: diag(-2, 3, 4), origin (2, 0, -8), RAS
    assert_eq!(
        rows(&base()),
        [[2., 0., 0., -2.], [0., -3., 0., 0.], [0., 0., 4., -8.]]
    );

    let mut qform = base();
    qform.i16(252, 1);
    // A quarter turn about z, and the third axis reversed.
    qform.f32(76, -1.0);
    qform.f32(264, std::f32::consts::FRAC_1_SQRT_2);
    [10.0, 20.0, 30.0]
        .into_iter()
        .enumerate()
        .for_each(|(i, v)| qform.f32(268 + 4 * i, v));
    let expected = [[0., 3., 0., -10.], [-2., 0., 0., -20.], [0., 0., -4., 30.]];
    for (ours, theirs) in rows(&qform)
        .as_flattened()
        .iter()
        .zip(expected.as_flattened())
    {
        assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
    }

    let mut sform = qform;
    sform.i16(254, 2);
    sform.f32(292, 7.5);
    assert_eq!(
        rows(&sform),
        [[-1., 0., 0., -7.5], [0., -1., 0., 0.], [0., 0., 1., 0.]]
    );
}

#[test]
fn a_qform_that_puts_voxels_elsewhere_than_the_sform_is_reported() {
    let mut made = Made::new(false, &[2, 2, 2], 2).voxels(&[0; 8], 1);
    made.i16(252, 1);
    let warning = |made: &Made| {
        let volume = read_bytes(&made.bytes).unwrap();
        volume.header().facts.get("nifti.affine_warning").cloned()
    };
    assert_eq!(warning(&made), None);
    made.f32(268, 0.5);
    let said = "sform and qform put voxels up to 0.500 mm apart; the sform is used";
    assert_eq!(warning(&made).unwrap(), said);
}

/// The distance is in millimetres, whatever the file counts in: 0.9 m, 0.5 micrometres.
#[test]
fn the_disagreement_of_the_forms_is_told_in_millimetres() {
    let warning = |units: u8, offset: f32| {
        let mut made = Made::new(false, &[2, 2, 2], 2).voxels(&[0; 8], 1);
        made.bytes[123] = units;
        made.i16(252, 1);
        made.f32(268, offset);
        let volume = read_bytes(&made.bytes).unwrap();
        let said = volume.header().facts.get("nifti.affine_warning").cloned();
        said.map(|said| said.as_str().unwrap().to_owned())
    };
    let said = |mm: &str| {
        Some(format!(
            "sform and qform put voxels up to {mm} mm apart; the sform is used"
        ))
    };
    assert_eq!(warning(1, 0.0009), said("0.900"));
    assert_eq!(warning(3, 0.5), None);
    assert_eq!(warning(3, 500.0), said("0.500"));
}

#[test]
fn a_half_turn_that_rounding_pushed_off_the_sphere_is_a_half_turn() {
    let mut made = Made::new(false, &[2, 2, 2], 2).voxels(&[0; 8], 1);
    made.i16(254, 0);
    made.i16(252, 1);
    made.f32(260, 1.0 + f32::EPSILON);
    let volume = read_bytes(&made.bytes).unwrap();
    assert_eq!(volume.geometry().orientation().to_string(), "LAI");
    made.f32(260, 1.01);
    let error = read_bytes(&made.bytes).unwrap_err().to_string();
    assert!(
        error.starts_with("NIfTI header, qform: the quaternion"),
        "{error}"
    );
}

#[test]
fn a_sheared_left_handed_grid_comes_back_within_f32() {
    let folder = Folder::new();
    let geometry = awkward([5, 6, 7]);
    let voxels = Voxels::new(1, [5, 6, 7], Buf::filled(210, 1_u8).unwrap()).unwrap();
    let volume = Volume::new(geometry.clone(), voxels).unwrap();
    for name in ["a.nii", "a.nii.gz"] {
        write(&folder.path(name), &volume).unwrap();
        let again = read(&folder.path(name)).unwrap();
        assert!(again.geometry().is_close(&geometry, 1e-5));
        assert_eq!(again.header().facts["nifti.sform_code"], 1);
    }
}

/// IO-16: all 48 orders of the axes survive a file, and the letters agree with the affine.
#[test]
fn all_48_orders_of_the_axes_come_back() {
    use voxprep_core::orientation::Orientation;
    let folder = Folder::new();
    let base = Geometry::aligned([4, 3, 2], [0.5, 1.0, 2.0], [5.0, 6.0, 7.0]).unwrap();
    let pairs = ["RL", "AP", "SI"];
    let mut orders = 0;
    for [a, b, c] in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        for signs in 0..8_usize {
            let letter = |axis: usize, bit: usize| &pairs[axis][signs >> bit & 1..][..1];
            let code = [letter(a, 0), letter(b, 1), letter(c, 2)].concat();
            let geometry = base.reoriented(code.parse::<Orientation>().unwrap());
            let size = geometry.size();
            let voxels = Voxels::new(1, size, Buf::filled(24, 0_u8).unwrap()).unwrap();
            let path = folder.path("a.nii");
            write(&path, &Volume::new(geometry.clone(), voxels).unwrap()).unwrap();
            let again = read(&path).unwrap();
            assert_eq!(again.geometry().orientation().to_string(), code);
            assert!(again.geometry().is_close(&geometry, 1e-6), "{code}");
            // The quaternion alone says the same.
            let mut bytes = fs::read(&path).unwrap();
            bytes[254] = 0;
            let again = read_bytes(&bytes).unwrap();
            assert_eq!(again.header().facts["nifti.affine"], "qform");
            assert!(again.geometry().is_close(&geometry, 1e-5), "{code}");
            orders += 1;
        }
    }
    assert_eq!(orders, 48);
}

/// IO-13: a file and an array of the same data are the same volume.
#[test]
fn a_volume_from_a_file_equals_one_from_an_array() {
    let folder = Folder::new();
    let values: Vec<f32> = (0..24).map(|i| i as f32 / 3.0).collect();
    let voxels = Voxels::new(1, [4, 3, 2], Buf::from(values)).unwrap();
    let geometry = Geometry::aligned([4, 3, 2], [0.5, 1.0, 2.0], [5.0, 6.0, 7.0]).unwrap();
    let made = Volume::new(geometry, voxels).unwrap();
    for name in ["a.nii", "a.nii.gz", "a.hdr", "a.img.gz"] {
        let path = folder.path(name);
        write(&path, &made).unwrap();
        let read = read(&path).unwrap();
        assert_eq!(read.voxels().bytes(), made.voxels().bytes(), "{name}");
        assert_eq!(read.geometry(), made.geometry(), "{name}");
        assert_eq!(read.header().channels, made.header().channels, "{name}");
        assert_eq!(
            (read.role(), read.header().unit),
            (made.role(), made.header().unit)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any affine that f32 holds comes back, and with it the place of the farthest corner.
    #[test]
    fn any_affine_comes_back(linear: [[i16; 3]; 3], origin: [i16; 3]) {
        let linear = linear.map(|row| row.map(|v| f64::from(v) / 8192.0));
        let affine = Affine::from_parts(linear, origin.map(|v| f64::from(v) / 32.0));
        prop_assume!(affine.determinant().abs() > 1e-2);
        let geometry = Geometry::new([3, 4, 5], affine).unwrap();
        let voxels = Voxels::new(1, [3, 4, 5], Buf::filled(60, 0_u8).unwrap()).unwrap();
        let folder = Folder::new();
        let path = folder.path("a.nii");
        write(&path, &Volume::new(geometry.clone(), voxels).unwrap()).unwrap();
        prop_assert!(read(&path).unwrap().geometry().is_close(&geometry, 1e-4));
    }
}
