//! What is written, as we and others read it.

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{AxisKind, Channels, Header, SPACING_ASSUMED, Volume};
use voxprep_core::voxels::{ElementType, Voxel, Voxels};
use voxprep_core::with_type;
use voxprep_io::{ReadOptions, WriteOptions};

use crate::read;

fn volume(ty: ElementType, channels: usize, size: [usize; 3], seed: u64) -> Volume {
    fn voxels<T: Voxel>(channels: usize, size: [usize; 3], seed: u64) -> Voxels {
        let count = channels * size.iter().product::<usize>();
        let value = |i: usize| {
            let mixed = (i as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            // Both bytes of 16 bits, and a sign where there is one.
            T::from_f64(
                (mixed % 65_536) as f64
                    - if T::TYPE == ElementType::I16 {
                        32_768.0
                    } else {
                        0.0
                    },
            )
        };
        let values: Vec<T> = (0..count).map(value).collect();
        Voxels::new(channels, size, Buf::from(values)).unwrap()
    }
    let voxels = with_type!(ty, T => voxels::<T>(channels, size, seed));
    let geometry = Geometry::aligned(size, [0.143, 0.2, 2.5], [0.0; 3]).unwrap();
    let mut header = Header::new(geometry, ty);
    let names = ["red", "green", "blue", "alpha"];
    let names = names[..channels].iter().map(|n| (*n).to_owned()).collect();
    match channels {
        1 => {}
        2 => {
            let names = vec!["grey".to_owned(), "alpha".to_owned()];
            header.channels = Channels::named(AxisKind::Colour, names);
        }
        _ => header.channels = Channels::named(AxisKind::Colour, names),
    }
    Volume::with_header(header, voxels).unwrap()
}

fn write(path: &Path, volume: &Volume, level: u32) -> Result<(), String> {
    voxprep_io::write(
        path,
        volume,
        &WriteOptions {
            level,
            ..WriteOptions::default()
        },
    )
    .map_err(|e| {
        let message = e.to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// IO-01: the round trip is exact; spacing to the resolution of the format.
    #[test]
    fn pictures_come_back_as_they_were_written(
        wide in any::<bool>(),
        channels in 1_usize..=4,
        x in 1_usize..300,
        y in 1_usize..90,
        level in 0_u32..=9,
        seed in any::<u32>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let ty = if wide { ElementType::U16 } else { ElementType::U8 };
        let original = volume(ty, channels, [x, y, 1], u64::from(seed));
        for name in ["a.png", "a.tif"] {
            if channels == 2 && name == "a.tif" {
                continue;
            }
            let path = folder.path().join(name);
            write(&path, &original, level).unwrap();
            let again = read(&path);
            prop_assert!(again.voxels().bytes() == original.voxels().bytes());
            prop_assert_eq!(again.header().element_type, ty);
            prop_assert_eq!(&again.header().channels, &original.header().channels);
            let [sx, sy, _] = again.geometry().spacing();
            prop_assert!((sx - 0.143).abs() < 2e-5 && (sy - 0.2).abs() < 2e-5);
        }
    }

    /// IO-01: slices are pages, with their distance.
    #[test]
    fn volumes_come_back_from_the_pages_of_a_tiff(
        ty in prop::sample::select(&[
            ElementType::U8, ElementType::I16, ElementType::U16, ElementType::I32,
            ElementType::F32, ElementType::F64,
        ][..]),
        size in prop::array::uniform3(1_usize..40),
        level in 0_u32..=9,
        seed in any::<u32>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tiff");
        let original = volume(ty, 1, size, u64::from(seed));
        write(&path, &original, level).unwrap();
        let again = read(&path);
        prop_assert!(again.voxels().bytes() == original.voxels().bytes());
        prop_assert_eq!(again.header().element_type, ty);
        let spacing = again.geometry().spacing();
        let z = if size[2] > 1 { 2.5 } else { 1.0 };
        for (found, expected) in spacing.into_iter().zip([0.143, 0.2, z]) {
            prop_assert!((found - expected).abs() < 1e-8, "{spacing:?}");
        }
    }
}

#[test]
fn what_a_picture_cannot_hold_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, volume: &Volume| {
        let path = folder.path().join(name);
        let message = write(&path, volume, 1).unwrap_err();
        assert!(!path.exists());
        message
    };
    let message = refused("a.png", &volume(ElementType::U8, 1, [3, 4, 2], 0));
    assert!(
        message.starts_with("a PNG holds one slice, the volume has 2; crop it"),
        "{message}"
    );
    for ty in [
        ElementType::I16,
        ElementType::I32,
        ElementType::F32,
        ElementType::F64,
    ] {
        let message = refused("a.png", &volume(ty, 1, [3, 4, 1], 0));
        let expected = format!("a PNG holds 8 or 16 bits without a sign, the voxels are {ty}; map");
        assert!(message.starts_with(&expected), "{message}");
        assert!(
            message.contains("--type u8") && message.contains("voxprep show"),
            "{message}"
        );
    }
    let message = refused("a.tif", &volume(ElementType::F32, 3, [3, 4, 1], 0));
    assert!(
        message.starts_with("a TIFF of 3 colours is written as u8 or u16"),
        "{message}"
    );
    let message = refused("a.jpg", &volume(ElementType::U8, 1, [3, 4, 1], 0));
    assert!(
        message.starts_with("the name does not say which format"),
        "{message}"
    );
}

/// A spacing that nobody knew is not written as one that is known.
#[test]
fn an_unknown_spacing_stays_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let array = folder.path().join("b.npy");
    voxprep_io::write(
        &array,
        &volume(ElementType::U8, 1, [5, 4, 1], 1),
        &WriteOptions::default(),
    )
    .unwrap();
    for original in [crate::folder().join("grey16.png"), array] {
        let original = read(&original);
        // A crop changes the grid, and measures nothing.
        let (mut header, voxels) = original.clone().into_parts();
        let moved = Geometry::aligned(header.geometry.size(), [1.0; 3], [3.0, 0.0, 0.0]).unwrap();
        header.put_on(moved, false);
        let cropped = Volume::with_header(header, voxels).unwrap();
        let both =
            [&original, &cropped].map(|volume| ["a.png", "a.tif"].map(|name| (volume, name)));
        for (volume, name) in both.into_iter().flatten() {
            let path = folder.path().join(name);
            write(&path, volume, 1).unwrap();
            let header = voxprep_io::read_header(&path, &ReadOptions::default()).unwrap();
            assert_eq!(
                header.facts.get(SPACING_ASSUMED),
                Some(&true.into()),
                "{name}"
            );
        }
    }
}

const SCRIPT: &str = r#"
import sys
import cv2, numpy, SimpleITK, tifffile
from PIL import Image
folder, descr, channels, slices = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
voxels = numpy.fromfile(f"{folder}/voxels.raw", descr).reshape(channels, slices, 5, 7)
pixels = numpy.moveaxis(voxels, 0, -1)
pixels = pixels[..., 0] if channels == 1 else pixels
def same(what, found, expected):
    found = numpy.asarray(found)
    assert found.dtype == expected.dtype and found.shape == expected.shape and (found == expected).all(), (
        what, found.dtype, found.shape, expected.shape)
squeezed = pixels[0] if slices == 1 else pixels
same("tifffile", tifffile.imread(f"{folder}/a.tif"), squeezed)
if descr != "<i4" and descr != "<f8":  # which ITK does not read
    image = SimpleITK.ReadImage(f"{folder}/a.tif")
    same("SimpleITK", SimpleITK.GetArrayFromImage(image), squeezed)
    assert numpy.allclose(image.GetSpacing()[:2], (0.143, 0.2), atol=1e-5), image.GetSpacing()
if slices == 1 and channels == 1 and descr in ("|u1", "<u2", "<i4", "<f4"):
    same("Pillow", Image.open(f"{folder}/a.tif"), squeezed)
if slices == 1 and descr in ("|u1", "<u2"):
    found = cv2.imread(f"{folder}/a.png", cv2.IMREAD_UNCHANGED)
    codes = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    same("cv2", cv2.cvtColor(found, codes[channels]) if channels > 1 else found, squeezed)
    if channels == 1 or descr == "|u1":
        same("Pillow", Image.open(f"{folder}/a.png"), squeezed)
    image = SimpleITK.ReadImage(f"{folder}/a.png")
    same("SimpleITK", SimpleITK.GetArrayFromImage(image), squeezed)
    dpi = Image.open(f"{folder}/a.png").info["dpi"]
    assert numpy.allclose(dpi, (25.4 / 0.143, 25.4 / 0.2), rtol=1e-4), dpi
print("equal")
"#;

/// IO-01: Pillow, OpenCV, tifffile and SimpleITK read what is written, exactly.
#[test]
fn other_programs_read_what_is_written() {
    let Some(python) = std::env::var_os("VOXPREP_PYTHON") else {
        println!("skipped: no VOXPREP_PYTHON");
        return;
    };
    for (ty, descr, channels, slices) in [
        (ElementType::U8, "|u1", 1, 1),
        (ElementType::U16, "<u2", 1, 1),
        (ElementType::U8, "|u1", 3, 1),
        (ElementType::U8, "|u1", 4, 1),
        (ElementType::U16, "<u2", 3, 1),
        (ElementType::I16, "<i2", 1, 3),
        (ElementType::I32, "<i4", 1, 1),
        (ElementType::F32, "<f4", 1, 4),
        (ElementType::F64, "<f8", 1, 2),
        (ElementType::U8, "|u1", 3, 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let original = volume(ty, channels, [7, 5, slices], 5);
        write(&folder.path().join("a.tif"), &original, 1).unwrap();
        if slices == 1 && ty.is_integer() && ty != ElementType::I32 {
            write(&folder.path().join("a.png"), &original, 1).unwrap();
        }
        std::fs::write(folder.path().join("voxels.raw"), original.voxels().bytes()).unwrap();
        let outcome = Command::new(&python)
            .args(["-c", SCRIPT])
            .arg(folder.path())
            .args([descr, &channels.to_string(), &slices.to_string()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(outcome.status.success(), "{ty} {channels} {slices}: {said}");
        assert_eq!(String::from_utf8_lossy(&outcome.stdout).trim(), "equal");
    }
}
