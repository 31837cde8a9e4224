//! What the tests that hold across crates share: a registry, subjects, and where outside data are.

use std::path::{Path, PathBuf};

use voxprep_augment as _;
use voxprep_core::error::Result;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::Affine;
use voxprep_core::pipeline::Pipeline;
use voxprep_core::plan::Plan;
use voxprep_core::registry::Registry;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Modality, Unit, Volume};
use voxprep_core::voxels::{Voxel, Voxels};
use voxprep_transforms as _;
use voxprep_transforms_ct as _;

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

/// A subject with one CT, in HU, whose values look like one and repeat nowhere nearby.
///
/// # Panics
/// Where there is no memory.
pub fn ct_subject<T: Voxel>(geometry: Geometry) -> Subject {
    let hu = |[x, y, z]: [usize; 3]| ((x * 131 + y * 37 + z * 269) % 2000) as f64 - 1000.0;
    let ct = volume::<T>(geometry, hu).with_modality(Modality::Ct).with_unit(Unit::Hu);
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
