//! `filter.gaussian`: smoothing with a Gaussian.

use voxprep_core::dispatch;
use voxprep_core::prelude::*;
use voxprep_core::voxels::{Voxel, channel};
use voxprep_kernels::gaussian;

/// Standard deviations at which the kernel ends.
const TRUNCATE: f64 = 4.0;

/// Smooths images with a Gaussian of the given width in mm.
///
/// # Notes
/// The kernel is sampled at voxel centres, cut at 4 standard deviations and normalised; at the
/// faces the image is reflected (the edge voxel counts twice), as SciPy's `gaussian_filter` does.
/// The element type stays: integers are rounded half to even.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gaussian {
    /// Standard deviation. 0 changes nothing.
    #[schemars(extend("x-unit" = "mm", "x-bounds" = "[0, inf)"))]
    pub sigma_mm: Param,
}

impl Params for Gaussian {}

impl Filter for Gaussian {
    fn halo(&self, input: &Input<'_>) -> Halo {
        let (_, widest) = self.sigma_mm.range();
        let reach = |s: f64| (TRUNCATE * widest / s + 0.5) as usize;
        Halo::Voxels(input.geometry().spacing().map(reach))
    }

    fn apply(&self, input: &Input<'_>, rng: &mut Stream, out: &mut Out) -> Result<()> {
        let sigma_mm = self.sigma_mm.draw(rng);
        let sigma = input.geometry().spacing().map(|s| sigma_mm / s);
        let header = input.header();
        let size = header.geometry.size();
        dispatch!(VoxelsView, input.voxels()?, source => {
            let out = out.voxels(header.element_type, header.channels.len(), size)?;
            smooth(&source, sigma, out)
        })
    }
}

fn smooth<T: Voxel>(
    source: &ndarray::ArrayView4<'_, T>,
    sigma: [f64; 3],
    out: VoxelsViewMut<'_>,
) -> Result<()> {
    let Some(mut out) = T::view_mut(out) else {
        return Err(Error::plugin("the output has another type than the input"));
    };
    for (c, target) in out.outer_iter_mut().enumerate() {
        gaussian(channel(source, c), sigma, TRUNCATE, target)?;
    }
    Ok(())
}

register!(Gaussian: Filter, "filter.gaussian", "sigma_mm = 1.0");
