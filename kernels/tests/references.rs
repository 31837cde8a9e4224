//! The stored outputs of SciPy, ITK and NumPy, reproduced within the tolerances of the algorithms'
//! specification. The arrays are looked for in `$VOXPREP_SHARED`, or beside the workspace.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "failures and the table are the answer of the test"
)]

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array3, ArrayView3, Axis};
use ndarray_npy::{ReadableElement, read_npy};
use serde_json::Value;
use voxprep_kernels::clahe::{Blocks, Clahe, Extent, Scale, Tiles, clahe, clahe_blocks, effect};
use voxprep_kernels::resample::{
    Boundary, Continuation, Order, Sampling, ValidityBox, resample_into, spline_coefficients,
};
use voxprep_kernels::stats::{Select, percentiles};
use voxprep_kernels::surface::{Isosurface, marching_cubes};
use voxprep_kernels::{Affine, Element, gaussian};

/// How close an array must come.
#[derive(Clone, Copy)]
enum Tolerance {
    /// Every value equal.
    Exact,
    /// The largest difference, in parts of the range of the reference.
    Relative(f64),
    /// The share of values that differ.
    Share(f64),
    /// Every value equal, except where a coordinate under the map is a tie within 1e-9 voxel: there
    /// the rounding of the map decides, and the order of its operations is not SciPy's.
    ExceptTies(Affine),
}

struct References {
    folder: PathBuf,
    entries: Vec<Value>,
    rows: Vec<(String, f64, f64, bool)>,
}

impl References {
    fn open() -> Option<Self> {
        let shared = std::env::var_os("VOXPREP_SHARED").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
            PathBuf::from,
        );
        let folder = shared.join("references");
        let manifest = std::fs::read_to_string(folder.join("manifest.json")).ok()?;
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let entries = match &manifest {
            Value::Array(entries) => entries.clone(),
            Value::Object(map) => map.values().find_map(Value::as_array).cloned().unwrap(),
            _ => panic!("the manifest lists no arrays"),
        };
        Some(Self {
            folder,
            entries,
            rows: Vec::new(),
        })
    }

    fn params(&self, name: &str) -> Value {
        let file = format!("{name}.npy");
        let entry = self.entries.iter().find(|e| e["file"] == file.as_str());
        entry.unwrap_or_else(|| panic!("{file} is not in the manifest"))["params"].clone()
    }

    fn read<T: ReadableElement>(&self, name: &str) -> Array3<T> {
        read_npy(self.folder.join(format!("{name}.npy"))).unwrap()
    }

    fn compare<T: Element>(
        &mut self,
        name: &str,
        got: ArrayView3<'_, T>,
        expected: ArrayView3<'_, T>,
        tolerance: Tolerance,
    ) {
        assert_eq!(got.dim(), expected.dim(), "{name}");
        let values = || expected.iter().map(|v| v.to_f64());
        let range =
            values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min);
        let is_tie = |(z, y, x): (usize, usize, usize)| match tolerance {
            Tolerance::ExceptTies(map) => map
                .apply([x as f64, y as f64, z as f64])
                .iter()
                .any(|c| (c - c.floor() - 0.5).abs() < 1e-9),
            _ => false,
        };
        let (mut largest, mut differing) = (0.0_f64, 0);
        for ((index, a), b) in got.indexed_iter().zip(&expected) {
            let difference = (a.to_f64() - b.to_f64()).abs();
            if difference != 0.0 && is_tie(index) {
                continue;
            }
            largest = largest.max(difference);
            differing += usize::from(difference != 0.0);
        }
        let (measured, allowed) = match tolerance {
            Tolerance::Exact | Tolerance::ExceptTies(_) => (largest, 0.0),
            Tolerance::Relative(part) => (largest, part * range),
            Tolerance::Share(share) => (differing as f64 / got.len() as f64, share),
        };
        self.rows
            .push((name.into(), measured, allowed, measured <= allowed));
    }

    fn resample<T: Element + ReadableElement>(
        &mut self,
        name: &str,
        source: &Array3<T>,
        sampling: &Sampling<'_>,
        tolerance: Tolerance,
    ) {
        let expected = self.read::<T>(name);
        let mut got = Array3::from_elem(expected.dim(), T::default());
        resample_into(source.view(), sampling, got.view_mut()).unwrap();
        self.compare(name, got.view(), expected.view(), tolerance);
    }

    /// Prints the table and fails where a row fails.
    fn finish(self, title: &str) {
        println!("{title:<28} {:>12} {:>12}", "measured", "allowed");
        for (name, measured, allowed, _) in &self.rows {
            println!("{name:<28} {measured:>12.3e} {allowed:>12.3e}");
        }
        let failed: Vec<_> = self
            .rows
            .iter()
            .filter(|row| !row.3)
            .map(|row| &row.0)
            .collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}

macro_rules! references {
    () => {
        match References::open() {
            Some(references) => references,
            None => {
                println!("skipped: no ../shared");
                return;
            }
        }
    };
}

fn order(digit: &str) -> Order {
    match digit {
        "0" => Order::Nearest,
        "1" => Order::Linear,
        _ => Order::Cubic,
    }
}

fn scipy_tolerance(sampling: &Sampling<'_>) -> Tolerance {
    match sampling.order {
        Order::Nearest => Tolerance::ExceptTies(sampling.source_from_out),
        _ => Tolerance::Relative(1e-6),
    }
}

fn scipy_boundary(mode: &str) -> Boundary {
    match mode {
        "constant" => Boundary::Constant,
        "nearest" => Boundary::Edge,
        "mirror" => Boundary::Mirror,
        "reflect" => Boundary::Reflect,
        "grid-constant" => Boundary::GridConstant,
        _ => panic!("{mode}"),
    }
}

/// A map from rows in the array order z, y, x.
fn from_array_order(linear: [[f64; 3]; 3], offset: [f64; 3]) -> Affine {
    let turned = [2, 1, 0].map(|i| [2, 1, 0].map(|j| linear[i][j]));
    Affine::from_parts(turned, [offset[2], offset[1], offset[0]])
}

fn numbers<const N: usize>(value: &Value) -> [f64; N] {
    std::array::from_fn(|i| value[i].as_f64().unwrap())
}

fn xyz((z, y, x): (usize, usize, usize)) -> [f64; 3] {
    [x as f64, y as f64, z as f64]
}

#[test]
fn zoom_equals_scipy() {
    let mut references = references!();
    let volume = references.read::<f32>("in_vol");
    let labels = references.read::<u8>("in_labels");
    let n = xyz(volume.dim());
    let names = [
        "up_o0",
        "down_o0",
        "up_o1",
        "down_o1",
        "up_o3",
        "down_o3",
        "labels_o0",
    ];
    for name in names {
        let name = format!("zoom_{name}");
        let order = order(&name[name.len() - 1..]);
        let out = if name.contains("labels") {
            references.read::<u8>(&name).dim()
        } else {
            references.read::<f32>(&name).dim()
        };
        // First and last voxel centres coincide.
        let out = xyz(out);
        let scale = [0, 1, 2].map(|i| (n[i] - 1.0) / (out[i] - 1.0));
        let sampling = Sampling {
            source_from_out: Affine::scaling(scale),
            order,
            boundary: Boundary::Constant,
            fill: 0.0,
            boxes: &[],
        };
        if name.contains("labels") {
            references.resample(&name, &labels, &sampling, Tolerance::Exact);
        } else {
            references.resample(&name, &volume, &sampling, scipy_tolerance(&sampling));
        }
    }
    for mode in ["nearest", "reflect", "mirror", "grid-constant"] {
        let name = format!("zoom_grid_{}_o3", mode.replace('-', "_"));
        let out = xyz(references.read::<f32>(&name).dim());
        let scale = [0, 1, 2].map(|i| n[i] / out[i]);
        let sampling = Sampling {
            source_from_out: Affine::translation([-0.5; 3])
                * Affine::scaling(scale)
                * Affine::translation([0.5; 3]),
            order: Order::Cubic,
            boundary: scipy_boundary(mode),
            fill: 0.0,
            boxes: &[],
        };
        references.resample(&name, &volume, &sampling, Tolerance::Relative(1e-6));
    }
    references.finish("scipy.ndimage.zoom");
}

#[test]
fn affine_transform_equals_scipy() {
    let mut references = references!();
    let volume = references.read::<f32>("in_vol");
    for mode in ["constant", "nearest", "mirror"] {
        for digit in ["0", "1", "3"] {
            let name = format!("affine_{mode}_o{digit}");
            let params = references.params(&name);
            let linear = [0, 1, 2].map(|i| numbers(&params["matrix"][i]));
            let sampling = Sampling {
                source_from_out: from_array_order(linear, numbers(&params["offset"])),
                order: order(digit),
                boundary: scipy_boundary(mode),
                fill: -7.0,
                boxes: &[],
            };
            references.resample(&name, &volume, &sampling, scipy_tolerance(&sampling));
        }
    }
    references.finish("scipy.ndimage.affine_transform");
}

#[test]
fn rotate_equals_scipy() {
    let mut references = references!();
    let volume = references.read::<f32>("in_vol");
    for (stem, angle, axes, boundary) in [
        ("rotate_zy30", 30.0_f64, [0, 1], Boundary::Constant),
        ("rotate_yx_m17", -17.0, [1, 2], Boundary::Edge),
    ] {
        for digit in ["0", "1", "3"] {
            let name = format!("{stem}_o{digit}");
            let out = references.read::<f32>(&name).dim();
            let (sin, cos) = angle.to_radians().sin_cos();
            let [a, b] = axes;
            let mut linear = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
            linear[a][a] = cos;
            linear[a][b] = sin;
            linear[b][a] = -sin;
            linear[b][b] = cos;
            let turn = from_array_order(linear, [0.0; 3]);
            // Centre on centre.
            let centre = |size: [f64; 3], sign: f64| {
                Affine::translation(size.map(|n| sign * (n - 1.0) / 2.0))
            };
            let sampling = Sampling {
                source_from_out: centre(xyz(volume.dim()), 1.0) * turn * centre(xyz(out), -1.0),
                order: order(digit),
                boundary,
                fill: 0.0,
                boxes: &[],
            };
            references.resample(&name, &volume, &sampling, scipy_tolerance(&sampling));
        }
    }
    references.finish("scipy.ndimage.rotate");
}

#[test]
fn resample_equals_itk() {
    let mut references = references!();
    let volume = references.read::<f32>("in_vol");
    for (kind, order, tolerance) in [
        ("nearest", Order::Nearest, Tolerance::Share(1e-4)),
        ("linear", Order::Linear, Tolerance::Relative(1e-5)),
        ("bspline", Order::Cubic, Tolerance::Relative(2e-5)),
        ("bspline1", Order::Linear, Tolerance::Relative(1e-5)),
    ] {
        let name = format!("sitk_resample_{kind}");
        let spacing: [f64; 3] = numbers(&references.params(&name)["spacing"]);
        let source_from_out = Affine::scaling([2, 1, 0].map(|i| 1.0 / spacing[i]));
        let (nz, ny, nx) = volume.dim();
        let extent = [ValidityBox {
            box_from_out: source_from_out,
            size: [nx, ny, nz],
        }];
        // ITK's splines mirror in the rim, the one of order 1 too.
        let mirrored = kind == "bspline1";
        let sampling = Sampling {
            source_from_out,
            order,
            boundary: if mirrored {
                Boundary::Mirror
            } else {
                Boundary::Itk
            },
            fill: -50.0,
            boxes: if mirrored { &extent } else { &[] },
        };
        references.resample(&name, &volume, &sampling, tolerance);
    }
    for (kind, order, tolerance) in [
        ("linear", Order::Linear, Tolerance::Relative(1e-5)),
        ("bspline", Order::Cubic, Tolerance::Relative(2e-5)),
    ] {
        let name = format!("sitk_euler_{kind}");
        let params = references.params(&name);
        let spacing: [f64; 3] = numbers(&params["spacing"]);
        let turns = numbers::<3>(&params["angles_xyz"]).map(f64::sin_cos);
        let [(sx, cx), (sy, cy), (sz, cz)] = turns;
        let rx = [[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]];
        let ry = [[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]];
        let rz = [[cz, -sz, 0.0], [sz, cz, 0.0], [0.0, 0.0, 1.0]];
        let [rx, ry, rz] = [rx, ry, rz].map(|r| Affine::from_parts(r, [0.0; 3]));
        let world_from_world = Affine::translation(numbers(&params["translation_xyz"]))
            * (rz * rx * ry).about(numbers(&params["centre_xyz"]));
        let world_from_index = Affine::scaling([spacing[2], spacing[1], spacing[0]]);
        let sampling = Sampling {
            source_from_out: world_from_index.inverse().unwrap()
                * world_from_world
                * world_from_index,
            order,
            boundary: Boundary::Itk,
            fill: 0.0,
            boxes: &[],
        };
        references.resample(&name, &volume, &sampling, tolerance);
    }
    references.finish("ITK Resample");
}

#[test]
fn the_spline_prefilter_equals_scipy() {
    let mut references = references!();
    let volume = references.read::<f32>("in_vol");
    let expected = references.read::<f64>("spline_filter_o3");
    let wide = volume.mapv(f64::from);
    let wide = spline_coefficients(wide.view(), Continuation::Mirror, [0; 3]).unwrap();
    let name = "spline_filter_o3 in f64";
    references.compare(
        name,
        wide.view(),
        expected.view(),
        Tolerance::Relative(1e-14),
    );
    let single = spline_coefficients(volume.view(), Continuation::Mirror, [0; 3]).unwrap();
    let single = single.mapv(f64::from);
    let name = "spline_filter_o3 in f32";
    references.compare(
        name,
        single.view(),
        expected.view(),
        Tolerance::Relative(1e-6),
    );
    references.finish("scipy.ndimage.spline_filter");
}

#[test]
fn the_gaussian_equals_scipy() {
    let mut references = references!();
    let volume = references.read::<f32>("in_vol");
    for (name, sigma) in [
        ("gaussian_s1p0", [1.0; 3]),
        ("gaussian_s3p0", [3.0; 3]),
        ("gaussian_s0p5_1p0_2p0", [2.0, 1.0, 0.5]),
    ] {
        let expected = references.read::<f32>(name);
        let mut got = Array3::<f32>::zeros(volume.dim());
        gaussian(volume.view(), sigma, 4.0, got.view_mut()).unwrap();
        references.compare(name, got.view(), expected.view(), Tolerance::Relative(1e-6));
    }
    references.finish("scipy.ndimage.gaussian_filter");
}

#[test]
fn percentiles_equal_numpy_bit_for_bit() {
    let mut references = references!();
    let volume = references.read::<f32>("in_vol");
    let params = references.params("percentiles");
    let p: [f64; 11] = numbers(&params["q"]);
    let expected: Array1<f64> = read_npy(references.folder.join("percentiles.npy")).unwrap();
    let got = Array1::from(percentiles(volume.view(), &Select::All, &p).unwrap());
    let got = got.into_shape_with_order((1, 1, p.len())).unwrap();
    let expected = expected.into_shape_with_order((1, 1, p.len())).unwrap();
    references.compare("percentiles", got.view(), expected.view(), Tolerance::Exact);
    references.finish("numpy.percentile");
}

impl References {
    /// An image as an array of one slice.
    fn image<T: ReadableElement>(&self, name: &str) -> Array3<T> {
        let image: Array2<T> = read_npy(self.folder.join(format!("{name}.npy"))).unwrap();
        image.insert_axis(Axis(0))
    }

    fn clahe<T: Element + ReadableElement>(&mut self, name: &str, source: &str) {
        let params = self.params(name);
        let [x, y] = numbers(&params["grid"]).map(|n: f64| n as usize);
        let options = Clahe {
            tiles: Tiles::Count([x, y, 1]),
            clip_limit: params["clip_limit"].as_f64().unwrap(),
            scale: Scale::Type,
            extent: Extent::Slices,
        };
        let source = self.image::<T>(source);
        let mut got = source.clone();
        clahe(source.view(), &options, got.view_mut()).unwrap();
        let expected = self.image::<T>(name);
        self.compare(name, got.view(), expected.view(), Tolerance::Exact);
    }
}

/// XR-02, XR-03: no pixel differs, at 8 and at 16 bits, where the tiles divide the image and where
/// they do not.
#[test]
fn clahe_equals_opencv() {
    let mut references = references!();
    for parameters in ["c2_g8", "c4_g4", "c0_g8"] {
        references.clahe::<u8>(&format!("clahe_cv_u8_{parameters}"), "in_xray8");
        references.clahe::<u16>(&format!("clahe_cv_u16_{parameters}"), "in_xray16");
    }
    references.clahe::<u8>("clahe_cv_u8_odd", "in_xray8_odd");
    references.finish("cv2.createCLAHE");
}

/// XR-06: exact, down to the last division.
#[test]
fn clahe_by_blocks_equals_scikit_image() {
    let mut references = references!();
    let image = references.image::<u8>("in_xray8");
    let mut got = Array3::zeros(image.dim());
    let blocks = Blocks {
        size: None,
        clip_limit: 0.01,
        bins: 256,
        extent: Extent::Slices,
    };
    clahe_blocks(image.view(), &blocks, got.view_mut()).unwrap();
    let expected = references.image::<f32>("clahe_sk_2d");
    references.compare("clahe_sk_2d", got.view(), expected.view(), Tolerance::Exact);

    let volume = references.read::<f32>("in_vol");
    let ends = volume
        .iter()
        .fold((f32::MAX, f32::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
    let scaled = volume.mapv(|v| (v - ends.0) / (ends.1 - ends.0));
    let blocks = Blocks {
        size: Some([8; 3]),
        clip_limit: 0.02,
        extent: Extent::Volume,
        ..blocks
    };
    let mut got = Array3::zeros(volume.dim());
    clahe_blocks(scaled.view(), &blocks, got.view_mut()).unwrap();
    let expected = references.read::<f32>("clahe_sk_3d");
    references.compare("clahe_sk_3d", got.view(), expected.view(), Tolerance::Exact);
    references.finish("skimage equalize_adapthist");
}

/// XR-05: likeness and noise of an equalised image, as scikit-image measures them
/// (`structural_similarity` and `peak_signal_noise_ratio` of in_xray8 and clahe_cv_u8_c2_g8).
#[test]
fn the_effect_of_an_equalisation_equals_scikit_image() {
    let references = references!();
    let [before, after] = ["in_xray8", "clahe_cv_u8_c2_g8"].map(|n| references.image::<u8>(n));
    let effect = effect(before.view(), after.view(), 0.0, 255.0).unwrap();
    let numbers = [effect.ssim, Some(effect.psnr), effect.contrast];
    let [ssim, psnr, contrast] = numbers.map(Option::unwrap);
    assert!((ssim - 0.817_762_011_430_64).abs() < 1e-12, "{ssim}");
    assert!((psnr - 18.895_880_676_605_31).abs() < 1e-10, "{psnr}");
    assert!(
        (contrast - 1.131_419_830_213_42).abs() < 1e-12,
        "{contrast}"
    );
}

/// Vertices, triangles, area and enclosed volume of a rough volume, and of a mask of noise where
/// many cells are ambiguous: there each program joins corners by its own rule. In the volume the
/// counts are equal.
#[test]
fn surfaces_are_those_of_scikit_image_but_for_ambiguous_cells() {
    let references = references!();
    for (name, input, level, counts, measures) in [
        ("marching_cubes_vol", "in_vol", 50.0, 0.0, 0.005),
        ("marching_cubes_mask", "in_mask", 0.5, 0.004, 0.01),
    ] {
        let path = |name: &str| references.folder.join(format!("{name}.npy"));
        let expected: Array1<f64> = read_npy(path(name)).unwrap();
        let volume = match read_npy::<_, Array3<f32>>(path(input)) {
            Ok(volume) => volume,
            Err(_) => references.read::<u8>(input).mapv(f32::from),
        };
        let lowest = volume.iter().fold(f32::MAX, |a, b| a.min(*b));
        let isosurface = Isosurface {
            level,
            padding: Some(lowest.into()),
            world_from_index: Affine::scaling([0.7, 1.4, 3.0]),
        };
        let surface = marching_cubes(volume.view(), &isosurface).unwrap();
        let (mut area, mut enclosed) = (0.0, 0.0);
        for triangle in &surface.triangles {
            let [a, b, c] = triangle.map(|i| surface.vertices[i as usize].map(f64::from));
            let [u, v] = [b, c].map(|p| [0, 1, 2].map(|i| p[i] - a[i]));
            let normal = [
                u[1] * v[2] - u[2] * v[1],
                u[2] * v[0] - u[0] * v[2],
                u[0] * v[1] - u[1] * v[0],
            ];
            area += 0.5 * normal.iter().map(|n| n * n).sum::<f64>().sqrt();
            enclosed += normal.iter().zip(a).map(|(n, p)| n * p).sum::<f64>() / 6.0;
        }
        let got = [
            surface.vertices.len() as f64,
            surface.triangles.len() as f64,
            area,
            enclosed,
        ];
        println!("{name}: {got:?}, scikit-image {expected}");
        let allowed = [counts, counts, measures, measures];
        for ((a, b), allowed) in got.iter().zip(&expected).zip(allowed) {
            assert!((a / b - 1.0).abs() <= allowed, "{name}: {a} {b}");
        }
    }
}
