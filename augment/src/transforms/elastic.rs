//! `augment.elastic`: the subject bent smoothly and at random.

use ndarray::{Array3, Array4, Axis};
use voxprep_core::kernels::functions::exp;
use voxprep_core::kernels::resample::{BSpline, Displacement};
use voxprep_core::prelude::*;

/// Bends the subject by a smooth random displacement; every volume keeps its grid.
///
/// # Notes
/// One field, in millimetres of the world, moves all volumes, points and boxes. It is drawn over the
/// reference volume; what lies beyond that stays. There are two ways to draw it:
///
/// - `control_points`, `max_displacement_mm`, `locked_borders`: a cubic B-spline whose control points
///   are displaced uniformly along each axis, as in TorchIO. The default.
/// - `alpha`, `sigma`: white noise smoothed by a Gaussian of `sigma` voxels and multiplied by `alpha`
///   voxels. Drawn as a cubic B-spline with the covariance of that field, not voxel by voxel. The
///   displacement has a standard deviation of `alpha s (2 sqrt(pi) sigma)^(-3/2)` voxels, where s is
///   that of the noise: 1 when it is normal, 0.58 when it is uniform in -1..1; for an image of one
///   slice the exponent is -1. With alpha 1000 and sigma 8 that is 6.6 voxels, with alpha 4 and
///   sigma 35 a thousandth of one. The field does not end at the faces of the reference volume: what
///   another volume shows beyond them is torn off there.
///
/// A finding tells how far voxels move, and warns where that is less than a tenth of a voxel. A field
/// that would fold space is weakened until it does not, at any voxel of the reference volume, unless `no_folding = false`:
/// with `sigma` 8, from an `alpha` of about 300 on. A finding tells by how much.
///
/// # Reference
/// Rueckert et al., "Nonrigid registration using free-form deformations", IEEE TMI 18 (1999) 712;
/// Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual
/// document analysis", ICDAR 2003.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Elastic {
    /// Number of control points along x, y, z. Default 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "points", "x-bounds" = "[4, 128]"))]
    pub control_points: Option<PerAxis<u32>>,
    /// The largest displacement of a control point along x, y, z. Default 7.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "mm", "x-bounds" = "[0, 1000]"))]
    pub max_displacement_mm: Option<PerAxis<Param>>,
    /// How many layers of control points at each border stay in place; with 3 nothing moves at the
    /// faces of the volume. Default 2, or 1 where there are only 4 control points along an axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "layers", "x-bounds" = "[0, 3]"))]
    pub locked_borders: Option<u32>,
    /// The factor of the smoothed noise; given with `sigma`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[0, 1000000]"))]
    pub alpha: Option<Param>,
    /// The standard deviation of the Gaussian that smooths the noise; given with `alpha`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "voxels", "x-bounds" = "[1, 1000]"))]
    pub sigma: Option<Param>,
    /// The noise that `alpha` and `sigma` refer to. Default "normal".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// Whether a field that folds space is weakened until it does not. Default true.
    #[serde(default = "yes")]
    pub no_folding: bool,
}

/// The noise that is smoothed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Noise {
    /// Normal, of standard deviation 1.
    Normal,
    /// Uniform in -1..1.
    Uniform,
}

fn yes() -> bool {
    true
}

/// The most control points of a field, over all axes.
const MOST_POINTS: usize = 1 << 22;
/// The widest smoothing of control points, in control points: beyond it they are alike.
const WIDEST: f64 = 8.0;
/// What moves less than this share of a voxel is not seen.
const VISIBLE_VOXELS: f64 = 0.1;

impl Params for Elastic {
    fn check(&self) -> Result<()> {
        let spline = self.control_points.is_some()
            || self.max_displacement_mm.is_some()
            || self.locked_borders.is_some();
        match (&self.alpha, &self.sigma) {
            (Some(_), Some(_)) if spline => Err(Error::parameter(
                "give either `alpha` and `sigma`, or `control_points`, `max_displacement_mm` and \
                 `locked_borders`",
            )),
            (Some(_), None) => Err(Error::parameter("is missing beside `alpha`").field("sigma")),
            (None, Some(_)) => Err(Error::parameter("is missing beside `sigma`").field("alpha")),
            (None, None) if self.noise.is_some() => {
                Err(Error::parameter("belongs to `alpha` and `sigma`").field("noise"))
            }
            (None, None) => self.check_points(),
            (Some(_), Some(_)) => Ok(()),
        }
    }
}

impl Elastic {
    fn points(&self) -> [usize; 3] {
        let points = self.control_points.unwrap_or(PerAxis::All(7));
        points.each().map(|n| *n as usize)
    }

    fn locked(&self) -> usize {
        let least = self.points().into_iter().min().unwrap_or_default();
        match self.locked_borders {
            Some(layers) => layers as usize,
            None => usize::min(2, least.saturating_sub(1) / 2),
        }
    }

    fn check_points(&self) -> Result<()> {
        let points = self.points();
        let all = points.into_iter().try_fold(1_usize, usize::checked_mul);
        if all.is_none_or(|n| n > MOST_POINTS) {
            return Err(Error::parameter(format!(
                "{points:?} control points are more than {MOST_POINTS}"
            ))
            .field("control_points")
            .remedy("give fewer"));
        }
        let least = self.points().into_iter().min().unwrap_or_default();
        if 2 * self.locked() < least {
            return Ok(());
        }
        Err(Error::parameter(format!(
            "{} layers at each border leave none of {least} control points to move",
            self.locked()
        ))
        .field("locked_borders")
        .remedy("lock fewer, or give more control points"))
    }

    /// Control points `[component][z][y][x]`, displacements in mm along the axes of the grid.
    fn drawn(&self, grid: &Geometry, rng: &mut Stream) -> Result<Array4<f64>> {
        let flat = grid.size().map(|n| n == 1);
        if let (Some(alpha), Some(sigma)) = (&self.alpha, &self.sigma) {
            let (alpha, sigma) = (alpha.draw(rng), sigma.draw(rng));
            let std = match self.noise.unwrap_or(Noise::Normal) {
                Noise::Normal => 1.0,
                Noise::Uniform => (1.0_f64 / 3.0).sqrt(),
            };
            return smoothed_noise(grid, alpha * std, sigma, rng);
        }
        let max = self.max_displacement_mm.clone();
        let max = max.unwrap_or(PerAxis::All(Param::from(7.5)));
        let max = match &max {
            PerAxis::All(param) => [param.draw(rng); 3],
            PerAxis::Each(params) => params.each_ref().map(|param| param.draw(rng)),
        };
        let points = self.points();
        let [mx, my, mz] = points;
        let count = 3 * mx * my * mz;
        let draws = rng.uniforms(-1.0, 1.0, count);
        let mut control = Array4::from_shape_vec((3, mz, my, mx), draws)
            .map_err(|e| Error::parameter(e.to_string()))?;
        let locked = self.locked();
        for ((i, z, y, x), v) in control.indexed_iter_mut() {
            let index = [x, y, z];
            let is_locked =
                |a: usize| !flat[a] && (index[a] < locked || index[a] + locked >= points[a]);
            *v *= if (0..3).any(is_locked) { 0.0 } else { max[i] };
        }
        // An image of one slice bends within its plane, and alike wherever its slice is cut.
        for axis in (0..3).filter(|&a| flat[a]) {
            let along = Axis(3 - axis);
            let first = control.index_axis(along, 0).to_owned();
            for mut layer in control.axis_iter_mut(along) {
                layer.assign(&first);
            }
        }
        Ok(control)
    }
}

/// Control points of a field with the covariance of white noise of standard deviation `std` voxels
/// smoothed by a Gaussian of `sigma` voxels.
///
/// Control points lie at most `sigma` apart. A cubic B-spline smooths by a third of their squared
/// distance already, so they are themselves noise smoothed by what is missing.
fn smoothed_noise(grid: &Geometry, std: f64, sigma: f64, rng: &mut Stream) -> Result<Array4<f64>> {
    let size = grid.size();
    let axes = size.map(|n| AxisNoise::new(n, sigma));
    let points: [usize; 3] = std::array::from_fn(|a| axes[a].points);
    let lattice: [usize; 3] = std::array::from_fn(|a| axes[a].draws());
    let most = lattice.into_iter().try_fold(1_usize, usize::checked_mul);
    if most.is_none_or(|n| n > MOST_POINTS) {
        return Err(Error::parameter(format!(
            "{sigma} voxels on a grid of {size:?} voxels take a field of {points:?} control points"
        ))
        .field("sigma")
        .remedy("smooth more"));
    }
    let spacing = grid.spacing();
    let mut control = Array4::zeros((3, points[2], points[1], points[0]));
    for (i, mut component) in control.outer_iter_mut().enumerate() {
        // Uniform noise of variance 1: after smoothing nothing tells it from normal noise.
        let bound = 3.0_f64.sqrt();
        let draws = rng.uniforms(-bound, bound, lattice[0] * lattice[1] * lattice[2]);
        let mut noise = Array3::from_shape_vec((lattice[2], lattice[1], lattice[0]), draws)
            .map_err(|e| Error::parameter(e.to_string()))?;
        for (axis, along) in axes.iter().enumerate() {
            noise = axis_smoothed(&noise, Axis(2 - axis), along);
        }
        let gain: f64 = axes.iter().map(|axis| axis.gain).product();
        component.assign(&(noise * (std * gain * spacing[i])));
    }
    Ok(control)
}

/// How noise is smoothed along one axis.
struct AxisNoise {
    /// The number of control points.
    points: usize,
    /// The weights of the noise around a control point.
    taps: Vec<f64>,
    /// The factor that gives the field its standard deviation.
    gain: f64,
}

impl AxisNoise {
    fn new(n: usize, sigma: f64) -> Self {
        if n == 1 {
            // One slice: the noise varies within its plane only.
            return Self {
                points: 4,
                taps: Vec::new(),
                gain: 1.0,
            };
        }
        let length = n as f64 + 0.25;
        let intervals = (length / sigma).ceil().max(1.0);
        let pitch = length / intervals;
        let width = ((sigma / pitch).powi(2) - 1.0 / 3.0).sqrt().min(WIDEST);
        let reach = (4.0 * width).ceil() as i64;
        let weight = |j: i64| exp(-0.5 * (j as f64 / width).powi(2));
        let taps: Vec<f64> = (-reach..=reach).map(weight).collect();
        // The variance of the field, over one interval of knots.
        let steps = 16;
        let variance: f64 = (0..steps)
            .map(|k| {
                let u = (f64::from(k) + 0.5) / f64::from(steps);
                let (f, g) = (u, 1.0 - u);
                let spline = [
                    g * g * g / 6.0,
                    (4.0 - 6.0 * f * f + 3.0 * f * f * f) / 6.0,
                    (4.0 - 6.0 * g * g + 3.0 * g * g * g) / 6.0,
                    f * f * f / 6.0,
                ];
                let mut response = vec![0.0; taps.len() + 3];
                for (i, b) in spline.iter().enumerate() {
                    for (sum, tap) in response[i..].iter_mut().zip(&taps) {
                        *sum += b * tap;
                    }
                }
                response.iter().map(|v| v * v).sum::<f64>() / f64::from(steps)
            })
            .sum();
        let wanted = 1.0 / (2.0 * std::f64::consts::PI.sqrt() * sigma);
        Self {
            points: intervals as usize + 3,
            taps,
            gain: (wanted / variance).sqrt(),
        }
    }
}

impl AxisNoise {
    /// The number of draws along the axis.
    fn draws(&self) -> usize {
        match self.taps.len() {
            0 => 1,
            taps => self.points + taps - 1,
        }
    }
}

/// The noise smoothed along one axis, which shortens by the taps; for one slice, repeated.
fn axis_smoothed(noise: &Array3<f64>, axis: Axis, along: &AxisNoise) -> Array3<f64> {
    let mut shape = noise.raw_dim();
    shape[axis.index()] = along.points;
    let mut out = Array3::zeros(shape);
    for (k, mut layer) in out.axis_iter_mut(axis).enumerate() {
        if along.taps.is_empty() {
            layer.assign(&noise.index_axis(axis, 0));
        }
        for (j, tap) in along.taps.iter().enumerate() {
            layer.scaled_add(*tap, &noise.index_axis(axis, k + j));
        }
    }
    out
}

/// A field over a grid, from displacements of its control points along the axes of the grid.
fn placed(grid: &Geometry, along_axes: &Array4<f64>, scale: f64) -> Result<Displacement> {
    let direction = grid.direction();
    let moves = grid.size().map(|n| n > 1);
    let mut control = Array4::zeros(along_axes.raw_dim());
    for (i, mut component) in control.outer_iter_mut().enumerate() {
        for axis in (0..3).filter(|&a| moves[a]) {
            let part = along_axes.index_axis(Axis(0), axis);
            component.scaled_add(scale * direction[axis][i], &part);
        }
    }
    // Single precision is what records hold.
    control.mapv_inplace(|v| f64::from(v as f32));
    let field = BSpline::new(control.view(), grid.index_from_world(), grid.size())?;
    Ok(field.into())
}

impl Spatial for Elastic {
    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Motion> {
        let grid = input.geometry();
        let along_axes = self.drawn(grid, rng)?;
        let mut field = placed(grid, &along_axes, 1.0)?;
        let (map, size) = (grid.world_from_index(), grid.size());
        if self.no_folding {
            let scale = field.unfolding_scale(&map, size);
            if scale < 1.0 {
                field = placed(grid, &along_axes, scale)?;
                let message = format!(
                    "the field would fold space; it was weakened to {:.0} %",
                    100.0 * scale
                );
                let values = serde_json::json!({ "scale": scale });
                // Less than half of what was asked for is another deformation.
                let finding = if scale < 0.5 {
                    Finding::warning("elastic.weakened", message)
                } else {
                    Finding::note("elastic.weakened", message)
                };
                input.report(finding.with_values(values));
            }
        } else {
            let least = field.jacobian_min(&map, size);
            if least <= 0.0 {
                let message = "the field folds space: some things are seen twice, and restoring or \
                               following points will not find their way back everywhere";
                let values = serde_json::json!({ "jacobian_min": least });
                input.report(Finding::warning("elastic.folds", message).with_values(values));
            }
        }
        let moved = field.max_displacement(&map, size);
        let finest = grid.spacing().into_iter().fold(f64::INFINITY, f64::min);
        let message = format!("voxels move by up to {moved:.2} mm");
        let finding = if moved < VISIBLE_VOXELS * finest {
            let remedy = "less than a tenth of a voxel: nobody will see it; deform more";
            Finding::warning("elastic.invisible", format!("{message}, {remedy}"))
        } else {
            Finding::note("elastic.effect", message)
        };
        let values = serde_json::json!({ "max_mm": moved });
        input.report(finding.with_values(values));
        Ok(Motion::map(WorldMap::displacement(field)))
    }
}

register!(Elastic: Spatial, "augment.elastic", "max_displacement_mm = 7.5");

#[cfg(test)]
mod tests {
    use voxprep_core::stream::Seed;

    use super::*;

    fn stream(n: u64) -> Stream {
        let seed = Seed {
            seed: n,
            subject: 1,
            epoch: 0,
        };
        Stream::new(seed, "elastic")
    }

    fn elastic(params: &str) -> Elastic {
        let elastic: Elastic = serde_json::from_str(params).unwrap();
        elastic.check().unwrap();
        elastic
    }

    /// The share of the variance that is left `distance` voxels away, along x, and the standard
    /// deviation, over many fields.
    fn statistics(params: &str, n: usize, distance: usize) -> (f64, f64) {
        let grid = Geometry::aligned([n; 3], [1.0; 3], [0.0; 3]).unwrap();
        let elastic = elastic(params);
        let (mut variance, mut covariance, mut count) = (0.0, 0.0, 0.0);
        for seed in 0..40 {
            let control = elastic.drawn(&grid, &mut stream(seed)).unwrap();
            let field = placed(&grid, &control, 1.0).unwrap();
            for z in (0..n).step_by(7) {
                for y in (0..n).step_by(7) {
                    for x in (0..n - distance).step_by(5) {
                        let at = |x: usize| field.at([x, y, z].map(|i| i as f64));
                        let (a, b) = (at(x), at(x + distance));
                        for i in 0..3 {
                            variance += a[i] * a[i];
                            covariance += a[i] * b[i];
                            count += 1.0;
                        }
                    }
                }
            }
        }
        (covariance / variance, (variance / count).sqrt())
    }

    /// SPA-19: alpha 1000 and sigma 8 move voxels by 6.6 voxels (standard deviation); the
    /// correlation of Gaussian-smoothed noise is exp(-d^2 / (4 sigma^2)).
    #[test]
    fn smoothed_noise_has_the_variance_and_the_correlation_of_its_formula() {
        let (left, std) = statistics(r#"{"alpha": 1000, "sigma": 8}"#, 40, 8);
        let expected = 1000.0 / (2.0 * std::f64::consts::PI.sqrt() * 8.0).powf(1.5);
        assert!((expected - 6.62).abs() < 0.01);
        assert!((std / expected - 1.0).abs() < 0.06, "{std}");
        assert!((left - (-0.25_f64).exp()).abs() < 0.03, "{left}");
        let uniform = r#"{"alpha": 1000, "sigma": 8, "noise": "uniform"}"#;
        let (_, std) = statistics(uniform, 40, 8);
        assert!(
            (std / expected * 3.0_f64.sqrt() - 1.0).abs() < 0.06,
            "{std}"
        );
    }

    /// The variance does not depend on where a voxel lies between the control points.
    #[test]
    fn the_weights_of_the_control_points_give_the_variance_of_the_formula() {
        for (n, sigma) in [(40, 8.0), (128, 35.0), (20, 3.3), (64, 1.0)] {
            let axis = AxisNoise::new(n, sigma);
            let wanted = 1.0 / (2.0 * std::f64::consts::PI.sqrt() * sigma);
            for f in [0.0, 0.2, 0.5] {
                let g = 1.0 - f;
                let spline = [
                    g * g * g / 6.0,
                    (4.0 - 6.0 * f * f + 3.0 * f * f * f) / 6.0,
                    (4.0 - 6.0 * g * g + 3.0 * g * g * g) / 6.0,
                    f * f * f / 6.0,
                ];
                let mut response = vec![0.0; axis.taps.len() + 3];
                for (i, b) in spline.iter().enumerate() {
                    for (j, tap) in axis.taps.iter().enumerate() {
                        response[i + j] += b * tap * axis.gain;
                    }
                }
                let variance: f64 = response.iter().map(|v| v * v).sum();
                assert!(
                    (variance / wanted - 1.0).abs() < 0.01,
                    "{n} {sigma} {f}: {variance}"
                );
            }
        }
    }

    /// Control points stay within the largest displacement, and those of locked layers at 0.
    #[test]
    fn control_points_are_bounded_and_the_border_is_locked() {
        let grid = Geometry::aligned([30, 20, 10], [1.0, 1.0, 2.0], [0.0; 3]).unwrap();
        let elastic = elastic(
            r#"{"control_points": [8, 7, 6], "max_displacement_mm": [4, 2, 0.5], "locked_borders": 1}"#,
        );
        let control = elastic.drawn(&grid, &mut stream(3)).unwrap();
        assert_eq!(control.dim(), (3, 6, 7, 8));
        for (i, most) in [4.0, 2.0, 0.5].into_iter().enumerate() {
            let component = control.index_axis(Axis(0), i);
            let largest = component.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            assert!(largest <= most && largest > 0.9 * most, "{i}: {largest}");
        }
        for ((_, z, y, x), v) in control.indexed_iter() {
            let border = [x, y, z].contains(&0) || x == 7 || y == 6 || z == 5;
            assert_eq!(*v == 0.0, border);
        }
    }

    /// SPA-19: a field that folds is weakened until the smallest determinant is above 0.
    #[test]
    fn a_field_that_folds_is_weakened() {
        let grid = Geometry::aligned([48; 3], [1.0, 1.0, 1.5], [0.0; 3]).unwrap();
        let elastic = elastic(r#"{"alpha": 1000, "sigma": 8}"#);
        let (map, size) = (grid.world_from_index(), grid.size());
        for seed in 0..4 {
            let control = elastic.drawn(&grid, &mut stream(seed)).unwrap();
            let wild = placed(&grid, &control, 1.0).unwrap();
            assert!(wild.jacobian_min(&map, size) < 0.0);
            let scale = wild.unfolding_scale(&map, size);
            assert!(scale > 0.05 && scale < 1.0, "{scale}");
            let tame = placed(&grid, &control, scale).unwrap();
            assert!(tame.jacobian_min(&map, size) > 0.0);
        }
    }

    /// SPA-18: alpha 4 and sigma 35 move nothing that anybody would see.
    #[test]
    fn the_teaching_example_moves_a_thousandth_of_a_voxel() {
        let grid = Geometry::aligned([128; 3], [1.0; 3], [0.0; 3]).unwrap();
        let elastic = elastic(r#"{"alpha": 4, "sigma": 35, "noise": "uniform"}"#);
        let control = elastic.drawn(&grid, &mut stream(1)).unwrap();
        let field = placed(&grid, &control, 1.0).unwrap();
        let moved = field.max_displacement(&grid.world_from_index(), grid.size());
        assert!(moved > 2e-4 && moved < 2e-2, "{moved}");
    }

    /// An image of one slice bends within its plane, the same wherever the slice is cut.
    #[test]
    fn one_slice_bends_within_its_plane() {
        let grid = Geometry::aligned([40, 1, 30], [1.0, 5.0, 1.0], [0.0; 3]).unwrap();
        for params in ["{}", r#"{"alpha": 100, "sigma": 4}"#] {
            let control = elastic(params).drawn(&grid, &mut stream(1)).unwrap();
            let field = placed(&grid, &control, 1.0).unwrap();
            let [x, y, z] = field.at([20.0, 0.0, 15.0]);
            assert!(
                y == 0.0 && x.abs() > 1e-3 && z.abs() > 1e-3,
                "{params}: {x} {y} {z}"
            );
            let off = field.at([20.0, 2.0, 15.0]);
            assert!((off[0] - x).abs() < 1e-6 && (off[2] - z).abs() < 1e-6);
        }
    }

    #[test]
    fn the_two_ways_exclude_each_other() {
        for (params, words) in [
            (r#"{"alpha": 1}"#, "sigma: is missing beside `alpha`"),
            (r#"{"sigma": 1}"#, "alpha: is missing beside `sigma`"),
            (
                r#"{"noise": "normal"}"#,
                "noise: belongs to `alpha` and `sigma`",
            ),
            (
                r#"{"alpha": 1, "sigma": 2, "locked_borders": 1}"#,
                "give either",
            ),
            (
                r#"{"control_points": [200, 200, 200]}"#,
                "control_points: [200, 200, 200] control points are more than",
            ),
            (
                r#"{"control_points": 4, "locked_borders": 2}"#,
                "leave none of 4 control points to move",
            ),
        ] {
            let elastic: Elastic = serde_json::from_str(params).unwrap();
            let error = elastic.check().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let grid = Geometry::aligned([512; 3], [1.0; 3], [0.0; 3]).unwrap();
        let fine = elastic(r#"{"alpha": 1, "sigma": 1}"#);
        let error = fine.drawn(&grid, &mut stream(1)).unwrap_err().to_string();
        assert!(
            error.contains("sigma") && error.contains("smooth more"),
            "{error}"
        );
    }
}
