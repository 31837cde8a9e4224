//! The pipeline against the stored answers of NumPy, SciPy, TorchIO, MONAI and
//! intensity-normalization. The kernels hold their own against SciPy and ITK in
//! `kernels/tests/references.rs`; here the question is what the *steps* give.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "failures and the table are the answer of the test"
)]

use std::path::PathBuf;

use ndarray::{Array2, Array3};
use ndarray_npy::{ReadableElement, read_npy};
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::Affine;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Unit, Volume};
use voxprep_core::voxels::Voxel;
use voxprep_tests::{image, run, shared, step, subject, values, volume};

/// Stored arrays and a table of how close ours came.
struct References {
    folder: PathBuf,
    rows: Vec<(String, f64, f64)>,
}

impl References {
    fn open() -> Option<Self> {
        let folder = shared()?.join("references");
        Some(Self {
            folder,
            rows: Vec::new(),
        })
    }

    fn array<T: ReadableElement>(&self, name: &str) -> Array3<T> {
        let path = self.folder.join(format!("{name}.npy"));
        read_npy(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// An array `[z, y, x]` as a volume with this spacing `[x, y, z]`.
    fn volume<T: Voxel + ReadableElement>(&self, name: &str, spacing: [f64; 3]) -> Volume {
        let array = self.array::<T>(name);
        let (nz, ny, nx) = array.dim();
        let grid = Geometry::aligned([nx, ny, nz], spacing, [0.0; 3]).unwrap();
        volume::<T>(grid, |[x, y, z]| array[[z, y, x]].to_f64())
    }

    /// An array `[y, x]` as a volume of one slice.
    fn image<T: Voxel + ReadableElement>(&self, name: &str) -> Volume {
        let array: Array2<T> = read_npy(self.folder.join(format!("{name}.npy"))).unwrap();
        let (ny, nx) = array.dim();
        let grid = Geometry::aligned([nx, ny, 1], [0.2; 3], [0.0; 3]).unwrap();
        volume::<T>(grid, |[x, y, _]| array[[y, x]].to_f64())
    }

    /// Runs one step and compares with the stored image: the type and every bit.
    fn compare_bits<T: Voxel + ReadableElement>(
        &mut self,
        stored: &str,
        input: Subject,
        (name, lines): (&str, &str),
    ) {
        let result = run(&step(name, lines), input).unwrap();
        let expected = self.image::<T>(stored);
        let (got, expected) = (image(&result).voxels(), expected.voxels());
        assert_eq!(got.element_type(), expected.element_type(), "{stored}");
        let differing = got.bytes().iter().zip(expected.bytes());
        let differing = differing.filter(|(a, b)| a != b).count();
        self.rows
            .push((format!("{stored} by {name}"), differing as f64, 0.0));
    }

    /// Runs one step and compares with the stored answer, times a factor; `allowed` in parts of
    /// the answer's range.
    fn compare(
        &mut self,
        stored: &str,
        input: Subject,
        (name, lines): (&str, &str),
        factor: f64,
        allowed: f64,
    ) {
        let result = run(&step(name, lines), input).unwrap();
        let expected: Vec<f64> = self
            .array::<f32>(stored)
            .iter()
            .map(|v| f64::from(*v) * factor)
            .collect();
        let got = values(image(&result));
        assert_eq!(got.len(), expected.len(), "{stored}");
        let ends = |[a, b]: [f64; 2], v: &f64| [a.min(*v), b.max(*v)];
        let [low, high] = expected
            .iter()
            .fold([f64::INFINITY, f64::NEG_INFINITY], ends);
        let differences = got
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs() / (high - low));
        // a NaN is no agreement
        let largest = differences.fold(
            0.0,
            |a: f64, b| if b.is_nan() { f64::INFINITY } else { a.max(b) },
        );
        self.rows
            .push((format!("{stored} by {name}"), largest, allowed));
    }

    /// Prints the table and fails where a row fails.
    fn finish(self) {
        println!(
            "{:<52} {:>11} {:>11}",
            "array by step", "difference", "tolerance"
        );
        for (name, difference, tolerance) in &self.rows {
            println!("{name:<52} {difference:>11.3e} {tolerance:>11.3e}");
        }
        let failed: Vec<_> = self
            .rows
            .iter()
            .filter(|(_, d, t)| d > t)
            .map(|(name, ..)| name)
            .collect();
        assert!(!self.rows.is_empty() && failed.is_empty(), "{failed:?}");
    }
}

/// INT-05, CT-03: NumPy's clip and scale, in single precision: 1e-6.
#[test]
fn windows_are_those_of_numpy() {
    let Some(mut references) = References::open() else {
        return;
    };
    let hu = subject(
        references
            .volume::<i16>("in_hu", [1.0; 3])
            .with_unit(Unit::Hu),
    );
    for (stored, rescale, window) in [
        (
            "hu_window_m1000_400",
            "from_low = -1000\nfrom_high = 400",
            "level = -300\nwidth = 1400",
        ),
        (
            "hu_window_m160_240",
            "from_low = -160\nfrom_high = 240",
            "level = 40\nwidth = 400",
        ),
    ] {
        references.compare(
            stored,
            hu.clone(),
            ("intensity.rescale", rescale),
            1.0,
            1e-6,
        );
        references.compare(stored, hu.clone(), ("ct.window", window), 1.0, 1e-6);
    }
    references.finish();
}

/// INT-04, INT-10: standard scores over a threshold, over what is not 0, and over a mask.
///
/// TorchIO divides by the standard deviation with divisor n - 1 (torch's `std`), ours has divisor
/// n: its answer times `sqrt(n / (n - 1))` is ours. MONAI and intensity-normalization have
/// divisor n. All three measure in single precision, which is good to 1e-6 of the range.
#[test]
fn standard_scores_are_those_of_torchio_monai_and_intensity_normalization() {
    let Some(mut references) = References::open() else {
        return;
    };
    let mri = subject(references.volume::<f32>("in_mri40", [1.0; 3]));
    let n = values(image(&mri)).iter().filter(|v| **v > 100.0).count() as f64;
    let to_ours = (n / (n - 1.0)).sqrt();
    let above = ("intensity.zscore", "over = { above = 100.0 }");
    references.compare("torchio_znorm", mri.clone(), above, to_ours, 1e-6);

    let cohort = subject(references.volume::<f32>("in_cohort0", [1.0; 3]));
    let nonzero = ("intensity.zscore", "over = \"nonzero\"\noutside = \"zero\"");
    references.compare("monai_nonzero_norm", cohort, nonzero, 1.0, 1e-6);

    let tissue = references
        .volume::<u8>("in_mri40_tissue", [1.0; 3])
        .into_labels()
        .unwrap();
    let masked = mri.with("brain", tissue).unwrap();
    let over = ("intensity.zscore", "over = { mask = \"brain\" }");
    references.compare("intnorm_zscore", masked, over, 1.0, 1e-6);
    references.finish();
}

/// SciPy's `gaussian_filter` (reflected, cut at four deviations): widths in mm become widths in
/// voxels by the spacing of each axis.
#[test]
fn a_gaussian_in_mm_is_that_of_scipy_in_voxels() {
    let Some(mut references) = References::open() else {
        return;
    };
    for (stored, spacing, sigma) in [
        ("gaussian_s1p0", [1.0; 3], 1.0),
        ("gaussian_s1p0", [0.25; 3], 0.25),
        ("gaussian_s3p0", [0.7; 3], 2.1),
        // z, y, x in the name; x, y, z here
        ("gaussian_s0p5_1p0_2p0", [0.5, 1.0, 2.0], 1.0),
    ] {
        let input = subject(references.volume::<f32>("in_vol", spacing));
        let lines = format!("sigma_mm = {sigma}");
        references.compare(stored, input, ("filter.gaussian", &lines), 1.0, 1e-6);
    }
    references.finish();
}

/// SciPy's `affine_transform` takes the map from output to input, z, y, x; ours what happens to the
/// object, x, y, z: its inverse. Edges are repeated on either side.
/// Without interpolation 80 voxels are ties, which either rounds as it may.
#[test]
fn an_affine_map_is_that_of_scipy() {
    let Some(mut references) = References::open() else {
        return;
    };
    let linear = [[0.95, -0.18, 0.04], [0.2, 0.88, -0.1], [-0.05, 0.12, 0.93]];
    let in_from_out = Affine::from_parts(linear, [1.625, 0.79, 0.04]);
    let matrix = in_from_out.inverse().unwrap();
    let rows = matrix.rows();
    for (stored, order, allowed) in [
        ("affine_nearest_o1", "linear", 1e-6),
        ("affine_nearest_o3", "cubic", 1e-6),
    ] {
        let input = subject(references.volume::<f32>("in_vol", [1.0; 3]));
        let sampling = format!("intensity = \"{order}\"\nfill = \"edge\"\nantialias = \"off\"");
        let lines = format!("matrix = {rows:?}\n[sampling]\n{sampling}");
        references.compare(stored, input, ("spatial.affine", &lines), 1.0, allowed);
    }
    references.finish();
}

/// TorchIO's gamma: the sign and the power of the absolute value.
#[test]
fn a_power_is_that_of_torchio() {
    let Some(mut references) = References::open() else {
        return;
    };
    let mri = subject(references.volume::<f32>("in_mri40", [1.0; 3]));
    let gamma = ("augment.gamma", "gamma = 1.3\nrescale = false");
    references.compare("torchio_gamma", mri, gamma, 1.0, 1e-6);
    references.finish();
}

/// MR-14: intensity-normalization's White Stripe of a phantom with its brain as mask. The peer measures
/// in single precision, and the specification allows 1e-3 of the range.
#[test]
fn the_white_stripe_is_that_of_intensity_normalization() {
    let Some(mut references) = References::open() else {
        return;
    };
    let mri = subject(references.volume::<f32>("in_mri40", [1.0; 3]));
    let tissue = references
        .volume::<u8>("in_mri40_tissue", [1.0; 3])
        .into_labels()
        .unwrap();
    let masked = mri.with("brain", tissue).unwrap();
    let lines = "sequence = \"T1\"\nprofile = \"intnorm3\"\nover = { mask = \"brain\" }";
    let step = ("mri.white_stripe", lines);
    references.compare("intnorm_whitestripe", masked, step, 1.0, 1e-6);
    references.finish();
}

/// XR-02, XR-06: the steps are the kernels: OpenCV's and scikit-image's bits.
#[test]
fn clahe_is_that_of_opencv_and_of_scikit_image() {
    let Some(mut references) = References::open() else {
        return;
    };
    let bytes = subject(references.image::<u8>("in_xray8"));
    let shorts = subject(references.image::<u16>("in_xray16"));
    let lines = "clip_limit = 4\ntiles = [4, 4]";
    references.compare_bits::<u8>("clahe_cv_u8_c4_g4", bytes.clone(), ("xray.clahe", lines));
    references.compare_bits::<u16>("clahe_cv_u16_c4_g4", shorts.clone(), ("xray.clahe", lines));
    let lines = "clip_limit = 2";
    references.compare_bits::<u16>("clahe_cv_u16_c2_g8", shorts, ("filter.clahe", lines));
    let lines = "profile = \"skimage\"";
    references.compare_bits::<f32>("clahe_sk_2d", bytes, ("filter.clahe", lines));
    references.finish();
}
