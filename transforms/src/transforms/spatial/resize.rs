//! `spatial.resize`: the same field of view in another number of voxels.

use voxprep_core::prelude::*;

/// Resamples every volume to another number of voxels over exactly the same field of view.
///
/// # Notes
/// Both outer faces stay where they are, so that the spacing becomes `s n / n'`. Axes may change by
/// different factors; where that changes the shape of a voxel by more than 1 %, a finding says so
/// unless `allow_anisotropic` is given.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Number of voxels along x, y, z; or give `scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[1, 2147483648]"))]
    pub size: Option<[u32; 3]>,
    /// Factor for the number of voxels along every axis, without unit: `round_half_even(n scale)`,
    /// at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-bounds" = "(0, 1024]"))]
    pub scale: Option<f64>,
    /// Whether voxels may change their shape without a finding. Default false.
    #[serde(default)]
    pub allow_anisotropic: bool,
}

impl Params for Resize {
    fn check(&self) -> Result<()> {
        match (self.size, self.scale) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err(Error::parameter("give either `size` or `scale`")),
        }
    }
}

impl Resize {
    fn new_size(&self, old: [usize; 3]) -> [usize; 3] {
        match (self.size, self.scale) {
            (Some(size), _) => size.map(|n| n as usize),
            (None, Some(scale)) => {
                old.map(|n| (n as f64 * scale).round_ties_even().max(1.0) as usize)
            }
            (None, None) => old,
        }
    }
}

impl Spatial for Resize {
    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Motion> {
        let old = input.geometry().size();
        let new = self.new_size(old);
        // SPA-05: a singleton axis has no shape to keep.
        let factors: Vec<f64> = (0..3)
            .filter(|&i| old[i] > 1)
            .map(|i| new[i] as f64 / old[i] as f64)
            .collect();
        let (low, high) = factors
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |(l, h), &f| (l.min(f), h.max(f)));
        if self.scale.is_none() && !self.allow_anisotropic && high > 1.01 * low {
            input.report(Finding::warning(
                "spatial.anisotropic",
                format!(
                    "voxels change their shape: the factors along the axes differ by {:.2}",
                    high / low
                ),
            ));
        }
        Ok(Motion::still())
    }

    fn grid(&self, _: &Motion, own: &Geometry, _: &Geometry) -> Result<Geometry> {
        own.with_size(self.new_size(own.size()))
    }
}

register!(Resize: Spatial, "spatial.resize", "scale = 0.5");

#[cfg(test)]
mod tests {
    use super::*;

    fn resize(size: Option<[u32; 3]>, scale: Option<f64>) -> Resize {
        Resize {
            size,
            scale,
            allow_anisotropic: false,
        }
    }

    /// SPA-01: (64, 64, 33) by 0.5 is (32, 32, 16), 16.5 going to the even number.
    #[test]
    fn both_faces_stay_where_they_are() {
        let own = Geometry::aligned([64, 64, 33], [1.0, 1.0, 2.0], [5.0, 6.0, 7.0]).unwrap();
        let new = resize(None, Some(0.5))
            .grid(&Motion::still(), &own, &own)
            .unwrap();
        assert_eq!(new.size(), [32, 32, 16]);
        assert_eq!(new.spacing(), [2.0, 2.0, 2.0 * 33.0 / 16.0]);
        for corner in [[-0.5; 3], [1.0; 3]] {
            let face = |g: &Geometry| {
                let end = [0, 1, 2].map(|i| {
                    if corner[i] < 0.0 {
                        -0.5
                    } else {
                        g.size()[i] as f64 - 0.5
                    }
                });
                g.world_from_index().apply(end)
            };
            let (a, b) = (face(&own), face(&new));
            assert!((0..3).all(|i| (a[i] - b[i]).abs() < 1e-9), "{a:?} {b:?}");
        }
    }

    /// SPA-02: axes keep their order.
    #[test]
    fn the_size_asked_for_is_the_size_made() {
        let own = Geometry::aligned([736, 736, 31], [0.5, 0.5, 3.0], [0.0; 3]).unwrap();
        let new = resize(Some([50, 50, 100]), None)
            .grid(&Motion::still(), &own, &own)
            .unwrap();
        assert_eq!(new.size(), [50, 50, 100]);
        assert_eq!(new.orientation(), own.orientation());
    }

    #[test]
    fn exactly_one_of_size_and_scale_is_taken() {
        assert!(resize(None, None).check().is_err());
        assert!(resize(Some([1; 3]), Some(2.0)).check().is_err());
        assert!(resize(None, Some(2.0)).check().is_ok());
    }
}
