//! Files that are damaged, absurd, or no images at all.

use proptest::prelude::*;
use voxprep_io::Error;

use super::*;

#[test]
fn headers_that_cannot_be_true_are_errors_that_name_the_field() {
    let good = Made::new(false, &[2, 2, 2], 2).voxels(&[0; 8], 1);
    read_bytes(&good.bytes).unwrap();
    type Spoil = fn(&mut Made);
    let cases: [(&str, Spoil); 12] = [
        ("dim[0]: 0 dimensions", |m| m.i16(40, 0)),
        ("dim[0]: 8 dimensions", |m| m.i16(40, 8)),
        ("dim[2]: -3 voxels", |m| m.i16(44, -3)),
        ("dim[1]: 0 voxels", |m| m.i16(42, 0)),
        ("vox_offset: the voxels start at byte 100", |m| {
            m.f32(108, 100.0)
        }),
        ("vox_offset: the voxels start at byte NaN", |m| {
            m.f32(108, f32::NAN)
        }),
        ("sform: the affine has entries that are not finite", |m| {
            m.f32(284, f32::NAN)
        }),
        ("sform: the affine is singular", |m| m.f32(280, 0.0)),
        ("qform: pixdim[3] is 0", |m| {
            m.i16(254, 0);
            m.i16(252, 1);
            m.f32(88, 0.0);
        }),
        ("base: pixdim[1] is NaN", |m| {
            m.i16(254, 0);
            m.f32(80, f32::NAN);
        }),
        ("datatype: voxels of the type 0 (unknown)", |m| m.i16(70, 0)),
        ("dim: the product of the dimensions", |m| {
            m.i16(40, 7);
            (0..7).for_each(|i| m.i16(42 + 2 * i, 32_767));
        }),
    ];
    for (expected, spoil) in cases {
        let mut made = good.clone();
        spoil(&mut made);
        let message = read_bytes(&made.bytes).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("NIfTI header, {expected}")),
            "{expected}: {message}"
        );
        assert!(
            message.ends_with("a.nii") && !message.contains('\n'),
            "{message}"
        );
    }
}

#[test]
fn an_unset_offset_and_unset_dimensions_are_forgiven() {
    let mut made = Made::new(false, &[2, 0, 0], 2).voxels(&[5, 6, 99], 1);
    made.f32(108, 0.0);
    let volume = read_bytes(&made.bytes).unwrap();
    assert_eq!(
        (volume.geometry().size(), all::<u8>(&volume)),
        ([2, 1, 1], vec![5, 6])
    );
}

#[test]
fn no_file_a_folder_an_empty_file_and_a_locked_one_are_told_apart() {
    let folder = Folder::new();
    let message = |path: &Path| {
        let message = read(path).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    };
    assert!(message(&folder.path("absent.nii")).starts_with("cannot open: No such file"));
    assert!(message(folder.0.path()).starts_with(
        "the folder is empty; give the folder of a DICOM series, or the path of one file"
    ));
    assert!(message(&folder.with("e.nii", b"")).starts_with("the file is empty; copy"));
    let unknown = message(&folder.with("a.txt", b"hello"));
    for known in [
        "formats that can be read: Analyze 7.5 (.hdr with .img), ",
        ", NIfTI (.nii, .nii.gz, .hdr with .img)",
    ] {
        assert!(unknown.contains(known), "{unknown}");
    }
    let cut = Made::new(false, &[1], 2).bytes[..200].to_vec();
    assert!(
        message(&folder.with("c.nii", &cut)).starts_with("the file ends within its NIfTI header")
    );
    let cut = gzip(&cut);
    assert!(
        message(&folder.with("c.nii.gz", &cut))
            .starts_with("the file ends within its NIfTI header")
    );
}

#[test]
fn the_content_decides_not_the_name() {
    let folder = Folder::new();
    let made = Made::new(false, &[2], 2).voxels(&[8, 9], 1);
    for (name, bytes) in [
        ("a.nii.gz", made.bytes.clone()),
        ("b.nii", gzip(&made.bytes)),
        ("c", made.bytes.clone()),
    ] {
        assert_eq!(
            all::<u8>(&read(&folder.with(name, &bytes)).unwrap()),
            [8, 9],
            "{name}"
        );
    }
}

#[test]
fn files_of_other_packers_are_named() {
    let folder = Folder::new();
    for (magic, packer) in [
        (&b"BZh91AY&SY"[..], "bzip2"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"\x28\xb5\x2f\xfd\x04", "zstd"),
        (b"PK\x03\x04\x14", "zip"),
    ] {
        let path = folder.with("a.nii", magic);
        let message = read(&path).unwrap_err().to_string();
        let expected = format!("the file is packed with {packer}, which is not unpacked here");
        assert!(message.starts_with(&expected), "{message}");
    }
}

/// CIFTI is NIfTI-2 by its form, but its values are on surfaces.
#[test]
fn what_is_no_volume_is_refused_by_name() {
    let mut cifti = Made::new(false, &[1, 1, 1, 1, 3, 4], 16).voxels(&[0; 48], 4);
    cifti.i16(68, 3002);
    let message = read_bytes(&cifti.bytes).unwrap_err().to_string();
    assert!(
        message.starts_with("the file is CIFTI (intent 3002)") && message.contains("wb_command"),
        "{message}"
    );
    let many = Made::new(false, &[1, 1, 1, 300, 300], 2).voxels(&[0; 90_000], 1);
    let message = read_bytes(&many.bytes).unwrap_err().to_string();
    assert!(
        message.starts_with("the header declares 90000 channels, at most 65536 are read"),
        "{message}"
    );
}

#[test]
fn an_absurd_header_is_refused_before_anything_is_allocated() {
    let folder = Folder::new();
    let absurd = Made::new(false, &[32_767, 32_767, 32_767], 64);
    for (name, bytes) in [
        ("a.nii", absurd.bytes.clone()),
        ("a.nii.gz", gzip(&absurd.bytes)),
    ] {
        let path = folder.with(name, &bytes);
        for read in [
            |p: &Path, o| voxprep_io::read_header(p, &o).map(|_| ()),
            |p: &Path, o| voxprep_io::read(p, &o).map(|_| ()),
        ] {
            let error = read(&path, ReadOptions::default()).unwrap_err();
            assert!(matches!(error, Error::Limit(_)), "{error}");
            assert_eq!(
                error.to_string().contains("--no-limits"),
                name == "a.nii.gz",
                "{error}"
            );
            let error = read(
                &path,
                ReadOptions {
                    no_limits: true,
                    ..ReadOptions::default()
                },
            )
            .unwrap_err();
            assert!(error.to_string().contains("voxels are missing"), "{error}");
        }
    }
}

/// To reach voxels far behind the header, all before them must be inflated.
#[test]
fn voxels_that_begin_far_behind_the_header_need_no_limits() {
    let folder = Folder::new();
    for (between, allowed) in [(16 << 20, true), ((16 << 20) + 16, false)] {
        let mut made = Made::new(false, &[2], 2);
        made.f32(108, (352 + between) as f32);
        made.bytes.resize(352 + between, 0);
        let made = made.voxels(&[8, 9], 1);
        for (name, bytes) in [
            ("a.nii", made.bytes.clone()),
            ("a.nii.gz", gzip(&made.bytes)),
        ] {
            let path = folder.with(name, &bytes);
            let trusted = voxprep_io::read(
                &path,
                &ReadOptions {
                    no_limits: true,
                    ..ReadOptions::default()
                },
            )
            .unwrap();
            assert_eq!(all::<u8>(&trusted), [8, 9], "{name}");
            let Err(error) = read(&path) else {
                assert!(allowed, "{name}");
                continue;
            };
            assert!(!allowed && matches!(error, Error::Limit(_)), "{error}");
            let message = error.to_string();
            assert!(
                message.starts_with(
                    "NIfTI header, vox_offset: the voxels start at byte 16777584, 16777232 bytes \
                     behind the header and its extensions; if the file is right, allow it with \
                     --no-limits: "
                ),
                "{message}"
            );
        }
    }
}

/// How much address space this process has had at most, bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|l| l.starts_with("VmPeak:"))
        .unwrap_or("0");
    let kib: String = line.chars().filter(char::is_ascii_digit).collect();
    kib.parse::<u64>().unwrap_or(0) * 1024
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bytes, reading ends with a volume or one line, and allocates no more than
    /// the file can hold.
    #[test]
    fn any_bytes_end_in_a_volume_or_one_line(
        big: bool,
        dim in proptest::collection::vec(-2_i16..40, 1..8),
        datatype in proptest::sample::select(vec![2_i16, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1792, 2304, 7]),
        spoilt in proptest::collection::vec((0_usize..1500, any::<u8>()), 0..12),
        wide in proptest::option::of((40_usize..56, any::<u8>())),
        cut in 0_usize..3000,
        packed: bool,
        no_limits: bool,
    ) {
        let mut made = Made::new(big, &dim, datatype).voxels(&[0x3d; 2000], 1);
        for (at, byte) in spoilt.into_iter().chain(wide) {
            made.bytes[at] = byte;
        }
        let mut bytes = if packed { gzip(&made.bytes) } else { made.bytes };
        bytes.truncate(cut.max(1));
        let folder = Folder::new();
        let path = folder.with("a.nii", &bytes);
        let options = ReadOptions { no_limits, ..ReadOptions::default() };
        let before = peak();
        let header = voxprep_io::read_header(&path, &options);
        let volume = voxprep_io::read(&path, &options);
        // 3,000 bytes hold at most 3 MB of u8 that become f64, and some slack for threads.
        prop_assert!(peak() - before < 256 << 20);
        for error in [header.as_ref().err(), volume.as_ref().err()].into_iter().flatten() {
            let message = error.to_string();
            prop_assert!(message.ends_with("a.nii") && !message.contains('\n'), "{}", message);
        }
        if let Ok(volume) = volume {
            prop_assert_eq!(&header.unwrap().geometry, volume.geometry());
        }
    }

    #[test]
    fn bytes_of_any_kind_are_no_image(bytes in proptest::collection::vec(any::<u8>(), 1..2000), gz: bool) {
        let mut bytes = bytes;
        if gz {
            bytes.splice(0..0, [0x1f, 0x8b, 8, 0]);
        }
        prop_assert!(read_bytes(&bytes).is_err());
    }
}
