//! Shaded pictures of surfaces, drawn without a display.
//!
//! [`render`] is a small rasteriser: orthographic, two lights, up to eight transparent layers per
//! sample, four samples per pixel. The same bytes on every machine and for every number of threads.

mod camera;
mod raster;
mod shade;

use ndarray::{Array3, Axis};

use crate::error::{Error, Result};
use crate::mesh::Mesh;
use crate::picture::Picture;

pub use camera::Camera;

/// The longest side of a rendering in pixels.
pub const MAX_SIDE: usize = 8192;

/// A surface in a scene.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The surface, LPS+ mm.
    pub mesh: &'a Mesh,
    /// Its colour, red, green, blue.
    pub colour: [u8; 3],
    /// How much it covers where it is seen face on, from 0 (nothing) to 1 (opaque). A transparent
    /// surface covers more towards its rim, as a thin shell does.
    pub alpha: f32,
}

/// How a scene is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Pixels per row, 1 to [`MAX_SIDE`].
    pub width: usize,
    /// Pixels per column, 1 to [`MAX_SIDE`].
    pub height: usize,
    /// From where the scene is seen. It is centred and fitted into the picture.
    pub camera: Camera,
    /// The colour where nothing is.
    pub background: [u8; 3],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            width: 800,
            height: 800,
            camera: Camera::ANTERIOR,
            background: [0; 3],
        }
    }
}

/// Draws surfaces as seen by an orthographic camera, one pixel as many millimetres in both
/// directions.
///
/// Light comes from the upper left of the camera, weaker from its right, and from everywhere; what
/// is farther away, or lies in a hollow (behind the mean depth around it), is darker. Colours are
/// mixed in linear light. A sample keeps the eight nearest layers.
///
/// # Reference
/// Luft, Colditz, Deussen, "Image enhancement by unsharp masking the depth buffer", SIGGRAPH 2006.
///
/// # Errors
/// [`Error::Core`] where a side or an alpha is out of its range, or the camera has no
/// direction; [`Error::Core`] where a vertex is not finite or the triangles of all parts are more
/// than 2^32 - 1. A scene without triangles is all background.
pub fn render(parts: &[Part<'_>], options: &Options) -> Result<Picture> {
    check(parts, options)?;
    let mut linear = vec![0.0; options.width * options.height * 3];
    let mut depth = vec![f32::INFINITY; options.width * options.height];
    let scene = raster::Scene::new(parts, options)?;
    scene.draw(&mut linear, &mut depth);
    let hollow = hollows(&depth, options, scene.radius())?;
    let mut rgb = vec![[0; 3]; depth.len()];
    shade::finish(&linear, &hollow, rgb.as_flattened_mut());
    Picture::from_pixels(options.width, options.height, rgb)
}

fn check(parts: &[Part<'_>], options: &Options) -> Result<()> {
    for (field, side) in [("width", options.width), ("height", options.height)] {
        if !(1..=MAX_SIDE).contains(&side) {
            return Err(Error::parameter(
                field,
                format!("{side} pixels are out of range"),
                "give 1 to 8192",
            ));
        }
    }
    for part in parts {
        if !(0.0..=1.0).contains(&part.alpha) {
            return Err(Error::parameter(
                "alpha",
                format!("{} is not between 0 and 1", part.alpha),
                "give 1 for an opaque surface, 0.15 for a veil",
            ));
        }
    }
    Ok(())
}

/// How far each pixel lies behind the mean depth around it, 0 (not at all) to 1 (a tenth of the
/// scene's radius or more). The background is as far away as the scene is large.
fn hollows(depth: &[f32], options: &Options, radius: f32) -> Result<Vec<f32>> {
    let shape = (1, options.height, options.width);
    let is_hit = |d: f32| d < f32::INFINITY;
    let filled = depth.iter().map(|d| if is_hit(*d) { *d } else { radius });
    let kernel = |source| Error::from(source);
    // The length is that of the shape, so the error cannot come up.
    let filled = Array3::from_shape_vec(shape, filled.collect())
        .map_err(|e| Error::input(e.to_string(), "report this"))?;
    let mut mean = Array3::<f32>::zeros(shape);
    let sigma = 0.015 * options.width.min(options.height) as f64;
    let view = mean.index_axis_mut(Axis(0), 0).insert_axis(Axis(0));
    voxprep_kernels::gaussian(filled.view(), [sigma, sigma, 0.0], 3.0, view).map_err(kernel)?;
    let pairs = depth.iter().zip(&mean);
    let scale = if radius > 0.0 { 10.0 / radius } else { 0.0 };
    Ok(pairs
        .map(|(d, m)| {
            if is_hit(*d) {
                ((d - m) * scale).clamp(0.0, 1.0)
            } else {
                0.0
            }
        })
        .collect())
}
