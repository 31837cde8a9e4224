//! What the tests that hold across crates share: a registry, subjects, and where outside data are.

use std::path::{Path, PathBuf};

use voxprep_augment as _;
use voxprep_core::dispatch;
use voxprep_core::error::Result;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::{Affine, Element};
use voxprep_core::pipeline::Pipeline;
use voxprep_core::plan::{Plan, RunOptions};
use voxprep_core::registry::Registry;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Modality, Unit, Volume};
use voxprep_core::voxels::{Voxel, Voxels};
use voxprep_transforms as _;
use voxprep_transforms_ct as _;
use voxprep_transforms_mri as _;
use voxprep_transforms_xray as _;

/// The registry of every built-in transform.
///
/// # Panics
/// Where two transforms have one name.
pub fn registry() -> Registry {
    match Registry::built_in() {
        Ok(registry) => registry,
        Err(error) => panic!("{error}"),
    }
}

/// The plan of a pipeline in TOML, without its `version = 1`.
///
/// # Errors
/// Where the pipeline is wrong.
pub fn plan(steps: &str) -> Result<Plan> {
    let pipeline = Pipeline::from_toml(&format!("version = 1\nseed = 11\n{steps}"))?;
    Plan::new(pipeline, &registry())
}

/// Plans a pipeline in TOML, without its `version = 1`, and runs it over a subject.
///
/// # Errors
/// Where the pipeline is wrong or does not fit the subject.
pub fn run(steps: &str, subject: Subject) -> Result<Subject> {
    plan(steps)?.run(subject, &RunOptions::default())
}

/// One step of a pipeline, as TOML: the name of its transform and its other lines.
pub fn step(name: &str, lines: &str) -> String {
    format!("[[step]]\nuse = \"{name}\"\n{lines}\n")
}

/// A geometry that nothing symmetric can hide in: oblique, anisotropic, sheared, left-handed.
///
/// # Panics
/// Never: its numbers are fixed.
pub fn awkward(size: [usize; 3]) -> Geometry {
    let linear = [[0.9, -0.2, 0.3], [0.25, 1.6, -0.4], [0.1, 0.5, -2.4]];
    match Geometry::new(size, Affine::from_parts(linear, [10.0, -20.0, 30.0])) {
        Ok(geometry) => geometry,
        Err(error) => panic!("{error}"),
    }
}

/// A volume whose value at each voxel is a function of its index.
///
/// # Panics
/// Where there is no memory.
pub fn volume<T: Voxel>(geometry: Geometry, value: impl Fn([usize; 3]) -> f64) -> Volume {
    let [nx, ny, nz] = geometry.size();
    let mut values = Vec::with_capacity(nx * ny * nz);
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                values.push(T::from_f64(value([x, y, z])));
            }
        }
    }
    let voxels = Voxels::new(1, [nx, ny, nz], values.into());
    match voxels.and_then(|voxels| Volume::new(geometry, voxels)) {
        Ok(volume) => volume,
        Err(error) => panic!("{error}"),
    }
}

/// A volume of one row along x, its voxels 1 mm apart.
///
/// # Panics
/// Where there are no values.
pub fn row<T: Voxel>(values: &[f64]) -> Volume {
    let value = |[x, _, _]: [usize; 3]| values.get(x).copied().unwrap_or_default();
    match Geometry::aligned([values.len(), 1, 1], [1.0; 3], [0.0; 3]) {
        Ok(geometry) => volume::<T>(geometry, value),
        Err(error) => panic!("{error}"),
    }
}

/// All values of a volume: channel by channel, x fastest.
pub fn values(volume: &Volume) -> Vec<f64> {
    dispatch!(VoxelsView, volume.voxels().view(), view => view.iter().map(|v| v.to_f64()).collect())
}

/// A subject with one volume, called `image`.
///
/// # Panics
/// Never: the name is a good one.
pub fn subject(image: Volume) -> Subject {
    match Subject::new("case 7").with("image", image) {
        Ok(subject) => subject,
        Err(error) => panic!("{error}"),
    }
}

/// The volume called `image`.
///
/// # Panics
/// Where there is none.
pub fn image(subject: &Subject) -> &Volume {
    match subject.volume("image") {
        Some(volume) => volume,
        None => panic!("there is no volume 'image'"),
    }
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A subject with one CT, in HU, whose values look like one and repeat nowhere nearby.
///
/// # Panics
/// Where there is no memory.
pub fn ct_subject<T: Voxel>(geometry: Geometry) -> Subject {
    let hu = |[x, y, z]: [usize; 3]| ((x * 131 + y * 37 + z * 269) % 2000) as f64 - 1000.0;
    let ct = volume::<T>(geometry, hu)
        .with_modality(Modality::Ct)
        .with_unit(Unit::Hu);
    match Subject::new("case 7").with("image", ct) {
        Ok(subject) => subject,
        Err(error) => panic!("{error}"),
    }
}

/// The folder of outside data (`VOXPREP_SHARED`, else `shared` beside the workspace), or `None`,
/// after saying so, where there is none.
pub fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("VOXPREP_SHARED").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no ../shared");
    None
}
