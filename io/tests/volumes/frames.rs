//! Round trips of every type, in frames of every sort.

use proptest::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::volume::{ChannelAxis, Channels, Header};
use voxprep_core::voxels::{ElementType, Voxel, Voxels};
use voxprep_core::with_type;

use super::*;

const TYPES: [ElementType; 6] = [
    ElementType::U8,
    ElementType::I16,
    ElementType::U16,
    ElementType::I32,
    ElementType::F32,
    ElementType::F64,
];

fn axis(kind: AxisKind, length: usize, step: Option<f64>) -> ChannelAxis {
    ChannelAxis { kind, length, step }
}

/// A volume of pseudo-random values.
pub(crate) fn volume(
    ty: ElementType,
    geometry: Geometry,
    axes: Vec<ChannelAxis>,
    seed: u64,
) -> Volume {
    fn fill<T: Voxel>(channels: usize, size: [usize; 3], seed: u64) -> Voxels {
        let count = channels * size.iter().product::<usize>();
        let values = (0..count as u64).map(|i| {
            let bits = (i + 1)
                .wrapping_mul(seed | 1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                >> 40;
            T::from_f64(bits as f64 / 7.0 - 100_000.0)
        });
        Voxels::new(channels, size, Buf::from(values.collect::<Vec<T>>())).unwrap()
    }
    let size = geometry.size();
    let mut header = Header::new(geometry, ty);
    if !axes.is_empty() {
        header.channels = Channels::numbered(axes);
    }
    if let [only] = header.channels.axes.as_slice() {
        let names: &[&str] = match (only.kind, only.length) {
            (AxisKind::Complex, 2) => &["real", "imag"],
            (AxisKind::Colour, 3) => &["red", "green", "blue"],
            (AxisKind::Colour, 4) => &["red", "green", "blue", "alpha"],
            _ => &[],
        };
        if !names.is_empty() {
            header.channels.names = names.iter().map(|&n| n.to_owned()).collect();
        }
    }
    let channels = header.channels.len();
    let voxels = with_type!(ty, T => fill::<T>(channels, size, seed));
    Volume::with_header(header, voxels).unwrap()
}

/// Oblique, sheared, left-handed or all of that.
pub(crate) fn frames() -> [(&'static str, Affine); 4] {
    let origin = [10.5, -20.25, 30.125];
    let oblique = [[0.27, 0.72, 2.0], [-0.6, 0.9, 0.0], [0.36, 0.96, -1.5]];
    let sheared = [[0.9, -0.2, 0.3], [0.25, 1.6, -0.4], [0.1, 0.5, 2.4]];
    let mirrored = [[-0.5, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]];
    let far = [[1e-3, 0.0, 0.0], [0.0, 0.0, 1.0 / 3.0], [0.0, -0.7, 0.0]];
    [
        ("oblique", Affine::from_parts(oblique, origin)),
        ("sheared", Affine::from_parts(sheared, origin)),
        ("mirrored", Affine::from_parts(mirrored, origin)),
        (
            "far",
            Affine::from_parts(far, [1e7 + 0.3, -1.0 / 3.0, 1e-9]),
        ),
    ]
}

/// The axes that a format gives back as they were.
pub(crate) fn axes_of(nrrd: bool) -> Vec<Vec<ChannelAxis>> {
    use AxisKind::{Colour, Complex, Component, Time};
    let mut all = vec![
        vec![],
        vec![axis(Component, 3, None)],
        vec![axis(Time, 4, Some(2.5))],
        vec![axis(Time, 4, None)],
        vec![axis(Component, 2, None), axis(Time, 3, Some(0.5))],
    ];
    if nrrd {
        all.push(vec![axis(Colour, 3, None)]);
        all.push(vec![axis(Colour, 4, None)]);
        all.push(vec![axis(Complex, 2, None)]);
        all.push(vec![axis(Time, 3, Some(1.0)), axis(Component, 2, None)]);
    } else {
        all.push(vec![axis(Component, 2, None), axis(Component, 3, None)]);
        all.push(vec![axis(Time, 3, Some(0.5)), axis(Component, 2, None)]);
    }
    all
}

/// IO-01: the round trip of every type, frame and sort of channels is exact.
#[test]
fn what_is_written_is_read_as_it_was() {
    let folder = Folder::new();
    for name in ["a.mha", "a.mhd", "a.nrrd", "a.nhdr"] {
        for (ty, (frame, affine)) in TYPES.into_iter().flat_map(|ty| frames().map(|f| (ty, f))) {
            for axes in axes_of(name.starts_with("a.n")) {
                let geometry = Geometry::new([4, 3, 2], affine).unwrap();
                let original = volume(ty, geometry, axes.clone(), 12_345);
                for packed in [0, 1] {
                    let path = folder.path(name);
                    voxprep_io::write(&path, &original, &level(packed)).unwrap();
                    let what = format!("{ty} {frame} {axes:?} as {name}, level {packed}");
                    assert_same(&read(&path).unwrap(), &original, &what);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// IO-01: whatever the grid, within 1e-6 mm.
    #[test]
    fn any_grid_survives(
        size in [1_usize..6, 1_usize..6, 1_usize..6],
        linear in prop::array::uniform3(prop::array::uniform3(-3.0_f64..3.0)),
        origin in prop::array::uniform3(-2000.0_f64..2000.0),
        ty in 0_usize..6,
        channels in 1_usize..4,
        seed: u64,
        nrrd: bool,
    ) {
        let Ok(geometry) = Geometry::new(size, Affine::from_parts(linear, origin)) else {
            return Ok(());
        };
        let axes = match channels {
            1 => vec![],
            n => vec![axis(AxisKind::Component, n, None)],
        };
        let original = volume(TYPES[ty], geometry, axes, seed);
        let folder = Folder::new();
        let path = folder.path(if nrrd { "a.nrrd" } else { "a.mha" });
        write(&path, &original).unwrap();
        assert_same(&read(&path).unwrap(), &original, "");
    }
}

/// Many channels side by side, and more voxels than one task handles.
#[test]
fn many_numbers_of_one_voxel_are_read_and_written() {
    let folder = Folder::new();
    for (channels, size) in [(70, [33, 29, 7]), (2, [211, 113, 17]), (5000, [3, 2, 1])] {
        let geometry = Geometry::aligned(size, [1.0; 3], [0.0; 3]).unwrap();
        let axes = vec![axis(AxisKind::Component, channels, None)];
        let original = volume(ElementType::I16, geometry, axes, 99);
        for (name, packed) in [("a.mha", 0), ("a.mha", 1), ("a.nrrd", 1)] {
            let path = folder.path(name);
            voxprep_io::write(&path, &original, &level(packed)).unwrap();
            assert_same(&read(&path).unwrap(), &original, name);
        }
    }
}
