//! What is written is read again as it was, and by other crates.

use std::fs::File;

use ndarray::{Array2, Array4, ArrayD};
use proptest::prelude::*;
use safetensors::SafeTensors;
use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::volume::{AxisKind, Channels, Header, Modality, Role, Unit, Volume};
use voxprep_core::voxels::{ElementType, Voxel, Voxels};
use voxprep_core::with_type;
use voxprep_io::WriteOptions;

use crate::read;

/// Oblique, anisotropic, sheared and left-handed, with numbers that no short text holds.
pub(crate) fn place(size: [usize; 3]) -> Geometry {
    let rows = [
        [0.1 + 0.2, 0.48, -0.8 / 3.0, 10.5],
        [-0.8, 1.0 / 7.0, 0.0, -1e-17],
        [0.48, 0.64, 2.6, std::f64::consts::PI * 100.0],
    ];
    Geometry::new(size, Affine::from_rows(rows)).unwrap()
}

pub(crate) fn volume(ty: ElementType, channels: usize, size: [usize; 3], seed: u64) -> Volume {
    fn voxels<T: Voxel>(channels: usize, size: [usize; 3], seed: u64) -> Voxels {
        let count = channels * size.iter().product::<usize>();
        let value = |i: usize| {
            let mixed = (i as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            T::from_f64((mixed % 250) as f64)
        };
        let values: Vec<T> = (0..count).map(value).collect();
        Voxels::new(channels, size, Buf::from(values)).unwrap()
    }
    let voxels = with_type!(ty, T => voxels::<T>(channels, size, seed));
    let mut header = Header::new(place(size), ty);
    if channels > 1 {
        let names = (0..channels).map(|i| format!("Fenster {i} ü")).collect();
        header.channels = Channels::named(AxisKind::Component, names);
    }
    header.unit = Unit::Hu;
    header.modality = Some(Modality::Ct);
    Volume::with_header(header, voxels).unwrap()
}

const TYPES: [ElementType; 6] = [
    ElementType::U8,
    ElementType::I16,
    ElementType::U16,
    ElementType::I32,
    ElementType::F32,
    ElementType::F64,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// IO-01, EX-04: the round trip is exact: voxels, type, names, and every bit of the place.
    #[test]
    fn arrays_come_back_as_they_were_written(
        ty in prop::sample::select(&TYPES[..]),
        channels in 1_usize..4,
        size in prop::array::uniform3(1_usize..9),
        level in 0_u32..=9,
        label in any::<bool>(),
        seed in any::<u32>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut original = volume(ty, channels, size, u64::from(seed));
        if label && ty.is_integer() {
            original = original.into_labels().unwrap();
        }
        for name in ["a.npy", "a.npz", "a.safetensors"] {
            let path = folder.path().join(name);
            voxprep_io::write(&path, &original, &WriteOptions { level, ..WriteOptions::default() }).unwrap();
            let again = read(&path);
            prop_assert_eq!(again.voxels().bytes(), original.voxels().bytes());
            let [written, kept] = [&again, &original].map(Volume::header);
            prop_assert_eq!(written.element_type, kept.element_type);
            prop_assert_eq!(written.channels.len(), kept.channels.len());
            if name == "a.npy" {
                prop_assert_eq!(again.geometry().spacing(), [1.0; 3]);
                continue;
            }
            prop_assert_eq!(&written.geometry, &kept.geometry);
            prop_assert_eq!(&written.channels.names, &kept.channels.names);
            prop_assert_eq!(written.role, kept.role);
            prop_assert_eq!(written.unit, kept.unit);
            prop_assert_eq!(written.modality, kept.modality);
        }
    }
}

#[test]
fn the_role_of_labels_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let labels = volume(ElementType::U8, 1, [3, 4, 5], 1)
        .into_labels()
        .unwrap();
    for name in ["a.npz", "a.safetensors"] {
        let path = folder.path().join(name);
        voxprep_io::write(&path, &labels, &WriteOptions::default()).unwrap();
        assert_eq!(read(&path).role(), Role::Label);
    }
}

/// The same file for any number of threads, and today as yesterday.
#[test]
fn the_bytes_of_an_archive_do_not_depend_on_threads() {
    let folder = tempfile::tempdir().unwrap();
    let original = volume(ElementType::I16, 2, [120, 130, 70], 3);
    let bytes = [1, 3].map(|threads| {
        let path = folder.path().join(format!("{threads}.npz"));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| voxprep_io::write(&path, &original, &WriteOptions::default()))
            .unwrap();
        std::fs::read(path).unwrap()
    });
    assert!(bytes[0] == bytes[1]);
    let path = folder.path().join("1.npz");
    assert_eq!(read(&path).voxels().bytes(), original.voxels().bytes());
}

/// IO-01: `ndarray-npy` and `safetensors` are a second opinion.
#[test]
fn other_crates_read_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let original = volume(ElementType::F32, 2, [4, 3, 2], 9);
    let values = original.voxels().values::<f32>().unwrap();
    let expected = Array4::from_shape_vec((2, 2, 3, 4), values.to_vec()).unwrap();

    let npy = folder.path().join("a.npy");
    voxprep_io::write(&npy, &original, &WriteOptions::default()).unwrap();
    let found: Array4<f32> = ndarray_npy::read_npy(&npy).unwrap();
    assert_eq!(found, expected);

    let affine: Vec<f64> = place([4, 3, 2])
        .world_from_index()
        .rows()
        .iter()
        .flatten()
        .copied()
        .chain([0.0, 0.0, 0.0, 1.0])
        .collect();
    for level in [0, 1, 6] {
        let npz = folder.path().join("a.npz");
        voxprep_io::write(
            &npz,
            &original,
            &WriteOptions {
                level,
                ..WriteOptions::default()
            },
        )
        .unwrap();
        let mut npz = ndarray_npy::NpzReader::new(File::open(npz).unwrap()).unwrap();
        let found: Array4<f32> = npz.by_name("image").unwrap();
        assert_eq!(found, expected);
        let found: Array2<f64> = npz.by_name("affine").unwrap();
        assert_eq!(found.iter().copied().collect::<Vec<_>>(), affine);
        let found: ArrayD<f64> = npz.by_name("spacing").unwrap();
        assert_eq!(found.shape(), [3]);
    }

    let path = folder.path().join("a.safetensors");
    voxprep_io::write(&path, &original, &WriteOptions::default()).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor("image").unwrap();
    assert_eq!(tensor.shape(), [2, 2, 3, 4]);
    assert_eq!(tensor.data(), original.voxels().bytes());
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let texts = metadata.metadata().as_ref().unwrap();
    let found: Vec<f64> = serde_json::from_str(&texts["affine"]).unwrap();
    assert_eq!(found, affine);
    assert_eq!((&*texts["unit"], &*texts["modality"]), ("hu", "CT"));
}
