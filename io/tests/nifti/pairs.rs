//! Headers and voxels in two files.

use voxprep_core::buf::Buf;
use voxprep_core::voxels::Voxels;
use voxprep_io::Error;

use super::*;

/// The two halves of a pair, voxels from byte 0.
fn halves(mut made: Made) -> [Vec<u8>; 2] {
    made.bytes[344..348].copy_from_slice(b"ni1\0");
    made.f32(108, 0.0);
    let voxels = made.bytes.split_off(352);
    [made.bytes, voxels]
}

fn pair() -> [Vec<u8>; 2] {
    halves(Made::new(true, &[2, 1, 2], 4).voxels(bytemuck::cast_slice(&[1_i16, -2, 3, -4]), 2))
}

/// IO-01: either file may be named, each may be gzip.
#[test]
fn either_half_may_be_named_and_each_may_be_gzip() {
    let [header, voxels] = pair();
    for (hdr, img) in [
        ("a.hdr", "a.img"),
        ("a.hdr.gz", "a.img.gz"),
        ("a.hdr", "a.img.gz"),
        ("a.hdr.gz", "a.img"),
        ("A.HDR", "A.IMG"),
        ("a.b.hdr", "a.b.img"),
    ] {
        let folder = Folder::new();
        for (name, bytes) in [(hdr, &header), (img, &voxels)] {
            let gz = name.ends_with(".gz");
            folder.with(name, &if gz { gzip(bytes) } else { bytes.clone() });
        }
        for name in [hdr, img] {
            let volume = read(&folder.path(name)).unwrap();
            assert_eq!(all::<i16>(&volume), [1, -2, 3, -4], "{name}");
        }
    }
}

/// Whoever writes results asks this, so as not to write over what is read.
#[test]
fn the_files_that_are_read_are_both_halves_however_they_are_compressed() {
    let [header, voxels] = pair();
    for (hdr, img) in [
        ("a.hdr", "a.img"),
        ("a.hdr", "a.img.gz"),
        ("a.hdr.gz", "a.img"),
        ("A.HDR", "A.IMG"),
    ] {
        let folder = Folder::new();
        for (name, bytes) in [(hdr, &header), (img, &voxels)] {
            let gz = name.ends_with(".gz");
            folder.with(name, &if gz { gzip(bytes) } else { bytes.clone() });
        }
        let [hdr, img] = [hdr, img].map(|name| folder.path(name));
        assert_eq!(voxprep_io::files_read(&hdr), [hdr.clone(), img.clone()]);
        assert_eq!(voxprep_io::files_read(&img), [img, hdr]);
    }
    let folder = Folder::new();
    let made = Made::new(false, &[2], 2).voxels(&[8, 9], 1);
    for name in ["a.nii", "a.hdr", "a.img"] {
        let single = folder.with(name, &made.bytes);
        assert_eq!(voxprep_io::files_read(&single), [single]);
        fs::remove_file(folder.path(name)).unwrap();
    }
    let analyze = folder.with("b.hdr", &{
        let mut bytes = made.bytes[..348].to_vec();
        bytes[344..348].fill(0);
        bytes
    });
    let voxels = folder.with("b.img", &[8, 9]);
    assert_eq!(voxprep_io::files_read(&analyze), [analyze, voxels]);
    let absent = folder.path("absent.nii");
    assert_eq!(voxprep_io::files_read(&absent), [absent]);
}

#[test]
fn a_half_without_the_other_is_refused_by_name() {
    let [header, voxels] = pair();
    let folder = Folder::new();
    let message = |name: &str, bytes: &[u8]| {
        let error = read(&folder.with(name, bytes)).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error}");
        fs::remove_file(folder.path(name)).unwrap();
        error.to_string()
    };
    assert!(message("a.hdr", &header).starts_with("the voxels of this header are missing; put"));
    assert!(message("a.img", &voxels).starts_with("the header of these voxels is missing; put"));
    let elsewhere = message("a.nii", &header);
    assert!(
        elsewhere.starts_with("the header says that its voxels are in another file; name"),
        "{elsewhere}"
    );
    folder.with("b.img", &voxels[..6]);
    let short = read(&folder.with("b.hdr", &header))
        .unwrap_err()
        .to_string();
    assert!(
        short.starts_with("the header declares 8 bytes, the file holds at most 6")
            && short.ends_with("b.img"),
        "{short}"
    );
}

#[test]
fn voxels_that_begin_as_gzip_does_are_voxels() {
    let [header, voxels] = halves(Made::new(false, &[4, 1, 1], 2).voxels(&[0x1f, 0x8b, 8, 0], 1));
    let folder = Folder::new();
    folder.with("a.hdr", &header);
    let path = folder.with("a.img", &voxels);
    for path in [path, folder.path("a.hdr")] {
        assert_eq!(all::<u8>(&read(&path).unwrap()), [0x1f, 0x8b, 8, 0]);
    }
}

/// Compressed voxels whose file lost its .gz: the file is longer than noise compressed would need.
#[test]
fn compressed_voxels_under_a_plain_name_are_inflated() {
    let mut state = 1_u32;
    let noise: Vec<u8> = (0..4096)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    for (voxels, longer) in [(noise, true), (vec![7; 4096], false)] {
        let [header, _] = halves(Made::new(false, &[16, 16, 16], 2));
        let packed = gzip(&voxels);
        assert_eq!(packed.len() > voxels.len(), longer);
        let folder = Folder::new();
        folder.with("a.img", &packed);
        let volume = read(&folder.with("a.hdr", &header)).unwrap();
        assert!(all::<u8>(&volume) == voxels);
    }
    // No gzip header: voxels, and what follows them.
    let [header, _] = halves(Made::new(false, &[4, 1, 1], 2));
    let folder = Folder::new();
    folder.with("a.img", &[0x1f, 0x8b, 7, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    let volume = read(&folder.with("a.hdr", &header)).unwrap();
    assert_eq!(all::<u8>(&volume), [0x1f, 0x8b, 7, 0]);
}

#[test]
fn voxels_may_begin_after_the_start_of_their_file() {
    let mut made = Made::new(false, &[3, 1, 1], 2);
    made.bytes[344..348].copy_from_slice(b"ni1\0");
    made.f32(108, 5.0);
    let folder = Folder::new();
    folder.with("a.img", &[0, 0, 0, 0, 0, 7, 8, 9]);
    let path = folder.with("a.hdr", &made.bytes);
    assert_eq!(all::<u8>(&read(&path).unwrap()), [7, 8, 9]);
    made.f32(108, -5.0);
    let message = read(&folder.with("a.hdr", &made.bytes)).unwrap_err();
    assert!(
        message
            .to_string()
            .starts_with("NIfTI header, vox_offset: the voxels start at byte -5"),
        "{message}"
    );
}

/// A single file may be called .img, and a header .hdr that holds its voxels too.
#[test]
fn the_content_decides_whether_there_is_another_file() {
    let made = Made::new(false, &[2], 2).voxels(&[8, 9], 1);
    let folder = Folder::new();
    for name in ["a.img", "b.hdr"] {
        let path = folder.with(name, &made.bytes);
        assert_eq!(all::<u8>(&read(&path).unwrap()), [8, 9], "{name}");
    }
}

#[test]
fn a_pair_is_written_whichever_half_is_named() {
    let values: Vec<i16> = (0..24).map(|i| i * 100 - 999).collect();
    let voxels = Voxels::new(1, [4, 3, 2], Buf::from(values.clone())).unwrap();
    let volume = Volume::new(awkward([4, 3, 2]), voxels).unwrap();
    for (named, hdr, img) in [
        ("a.hdr", "a.hdr", "a.img"),
        ("a.img", "a.hdr", "a.img"),
        ("a.hdr.gz", "a.hdr.gz", "a.img.gz"),
        ("a.img.gz", "a.hdr.gz", "a.img.gz"),
    ] {
        let folder = Folder::new();
        write(&folder.path(named), &volume).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.0.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [hdr, img], "{named}");
        for name in [hdr, img] {
            let again = read(&folder.path(name)).unwrap();
            assert_eq!(all::<i16>(&again), values);
            assert!(again.geometry().is_close(volume.geometry(), 1e-5));
        }
        if !named.ends_with("gz") {
            let header = fs::read(folder.path(hdr)).unwrap();
            assert_eq!((header.len(), &header[344..348]), (352, &b"ni1\0"[..]));
            let voxels = fs::read(folder.path(img)).unwrap();
            assert_eq!(voxels, bytemuck::cast_slice::<i16, u8>(&values));
        }
    }
}
