//! Triangles to samples, samples to pixels.
//!
//! Positions on the picture are integers, 256 to a sample, so that a sample on the common side of
//! two triangles belongs to exactly one of them: transparent surfaces show no seams.

use rayon::prelude::*;

use super::shade::{cover, light, shade};
use super::{Options, Part};
use crate::error::{Error, Result};

/// Samples per pixel along each axis.
const SAMPLES: usize = 2;
/// Rows of pixels that are drawn together.
const BAND: usize = 16;
/// Steps of a position per sample.
const STEPS: f64 = 256.0;
/// How many layers a sample keeps.
const LAYERS: usize = 8;
/// The part of the picture that stays free on each side.
const MARGIN: f64 = 0.04;

/// A vertex on the picture.
#[derive(Clone, Copy)]
struct Placed {
    /// In steps, from the top left.
    x: i32,
    y: i32,
    /// Away from the camera in mm, 0 at the centre of the scene.
    depth: f32,
    /// Right, up, towards the camera.
    normal: [f32; 3],
}

struct Placement {
    vertices: Vec<Placed>,
    colour: [f32; 3],
    alpha: f32,
}

/// Everything that is to be drawn, placed on the picture and sorted by bands.
pub(super) struct Scene<'a> {
    options: &'a Options,
    parts: Vec<(Placement, &'a [[u32; 3]])>,
    /// Of each band, in the order of parts and triangles: which part, which triangle.
    bands: Vec<Vec<(u32, u32)>>,
    /// Half the extent of the scene along the view.
    radius: f32,
    layers: usize,
}

/// A layer of a sample.
#[derive(Clone, Copy, Default)]
struct Layer {
    depth: f32,
    light: [f32; 3],
    cover: f32,
}

impl<'a> Scene<'a> {
    pub(super) fn new(parts: &[Part<'a>], options: &'a Options) -> Result<Self> {
        let axes = options.camera.axes()?;
        let seen = |p: [f32; 3]| {
            let p = p.map(f64::from);
            axes.map(|a| a[0] * p[0] + a[1] * p[1] + a[2] * p[2])
        };
        let all = parts.iter().flat_map(|part| &part.mesh.vertices);
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for vertex in all {
            let p = seen(*vertex);
            if !p.iter().all(|v| v.is_finite()) {
                return Err(Error::input(
                    format!("the vertex {vertex:?} is not finite"),
                    "mend the mesh, or the affine of the volume it was made of",
                ));
            }
            low = [0, 1, 2].map(|i| low[i].min(p[i]));
            high = [0, 1, 2].map(|i| high[i].max(p[i]));
        }
        let centre = [0, 1, 2].map(|i| 0.5 * (low[i] + high[i]));
        let samples = [options.width, options.height].map(|n| (n * SAMPLES) as f64);
        let room = 1.0 - 2.0 * MARGIN;
        let fits = [0, 1].map(|i| room * samples[i] / (high[i] - low[i]).max(1e-6));
        let scale = STEPS * fits[0].min(fits[1]);
        let place = |part: &Part<'a>| {
            let pairs = part.mesh.vertices.par_iter().zip(&part.mesh.normals);
            let vertices = pairs.map(|(vertex, normal)| {
                let p = seen(*vertex);
                let [x, y, back] = [0, 1, 2].map(|i| p[i] - centre[i]);
                Placed {
                    x: (0.5 * STEPS * samples[0] + scale * x).round() as i32,
                    y: (0.5 * STEPS * samples[1] - scale * y).round() as i32,
                    depth: -back as f32,
                    normal: seen(*normal).map(|v| v as f32),
                }
            });
            Placement {
                vertices: vertices.collect(),
                colour: part.colour.map(light),
                alpha: part.alpha,
            }
        };
        let visible = parts.iter().filter(|part| part.alpha > 0.0);
        let placed = visible.map(|part| (place(part), part.mesh.triangles.as_slice()));
        let mut scene = Self {
            options,
            parts: placed.collect(),
            bands: vec![Vec::new(); options.height.div_ceil(BAND)],
            radius: (0.5 * (high[2] - low[2])).max(0.0) as f32,
            layers: 1,
        };
        if scene.parts.iter().any(|(part, _)| part.alpha < 1.0) {
            scene.layers = LAYERS;
        }
        scene.sort()?;
        Ok(scene)
    }

    /// Half the extent of the scene along the view, mm.
    pub(super) fn radius(&self) -> f32 {
        self.radius
    }

    /// Puts each triangle into the bands it touches.
    fn sort(&mut self) -> Result<()> {
        let band = (BAND * SAMPLES) as i32 * STEPS as i32;
        let last = self.bands.len() as i32 - 1;
        for (part, (placement, triangles)) in self.parts.iter().enumerate() {
            for (t, triangle) in triangles.iter().enumerate() {
                let corners = triangle.map(|i| placement.vertices.get(i as usize));
                let [Some(a), Some(b), Some(c)] = corners else {
                    return Err(Error::input(
                        format!("triangle {triangle:?} has a corner without a normal"),
                        "compute the normals after vertices were added",
                    ));
                };
                let low = a.y.min(b.y).min(c.y).div_euclid(band).clamp(0, last);
                let high = a.y.max(b.y).max(c.y).div_euclid(band).clamp(0, last);
                for band in low..=high {
                    self.bands[band as usize].push((part as u32, t as u32));
                }
            }
        }
        Ok(())
    }

    /// Draws into the light (three numbers) and the depth of each pixel. Pixels of which less than
    /// half is covered keep the depth they have.
    pub(super) fn draw(&self, linear: &mut [f32], depth: &mut [f32]) {
        let pixels = BAND * self.options.width;
        let bands = linear
            .par_chunks_mut(3 * pixels)
            .zip(depth.par_chunks_mut(pixels));
        bands.enumerate().for_each(|(band, (linear, depth))| {
            let width = self.options.width * SAMPLES;
            let rows = depth.len() / self.options.width * SAMPLES;
            let mut samples = Samples {
                width,
                rows,
                first: band * BAND * SAMPLES,
                layers: self.layers,
                counts: vec![0; width * rows],
                kept: vec![Layer::default(); width * rows * self.layers],
            };
            for (part, triangle) in &self.bands[band] {
                let (placement, triangles) = &self.parts[*part as usize];
                let corners = triangles[*triangle as usize];
                let corners = corners.map(|i| placement.vertices[i as usize]);
                samples.fill(corners, placement, self.radius);
            }
            self.mix(&samples, linear, depth);
        });
    }

    /// The samples of a band to pixels.
    fn mix(&self, samples: &Samples, linear: &mut [f32], depth: &mut [f32]) {
        let background = self.options.background.map(light);
        let pixels = linear.chunks_mut(3).zip(depth).enumerate();
        for (pixel, (out, depth)) in pixels {
            let (y, x) = (pixel / self.options.width, pixel % self.options.width);
            let mut sum = [0.0; 3];
            let (mut depths, mut hits) = (0.0, 0);
            for i in 0..SAMPLES * SAMPLES {
                let (row, column) = (y * SAMPLES + i / SAMPLES, x * SAMPLES + i % SAMPLES);
                let layers = samples.layers_of(row * samples.width + column);
                let mut rest = 1.0;
                for layer in layers {
                    let part = rest * layer.cover;
                    sum = [0, 1, 2].map(|c| sum[c] + part * layer.light[c]);
                    rest -= part;
                }
                sum = [0, 1, 2].map(|c| sum[c] + rest * background[c]);
                if let Some(layer) = layers.first() {
                    depths += layer.depth;
                    hits += 1;
                }
            }
            let count = (SAMPLES * SAMPLES) as f32;
            for (out, sum) in out.iter_mut().zip(sum) {
                *out = sum / count;
            }
            if 2 * hits >= SAMPLES * SAMPLES {
                *depth = depths / hits as f32;
            }
        }
    }
}

/// The samples of a band of rows.
struct Samples {
    width: usize,
    rows: usize,
    /// The number of the first row in the picture.
    first: usize,
    layers: usize,
    counts: Vec<u8>,
    /// The layers of each sample, nearest first.
    kept: Vec<Layer>,
}

impl Samples {
    fn layers_of(&self, sample: usize) -> &[Layer] {
        let start = sample * self.layers;
        &self.kept[start..start + usize::from(self.counts[sample])]
    }

    /// Draws a triangle.
    fn fill(&mut self, corners: [Placed; 3], part: &Placement, radius: f32) {
        let [a, mut b, mut c] = corners;
        let twice_area = side(&a, &b, c.x, c.y);
        if twice_area == 0 {
            return;
        }
        if twice_area < 0 {
            std::mem::swap(&mut b, &mut c);
        }
        let per_area = 1.0 / twice_area.unsigned_abs() as f32;
        let step = STEPS as i32;
        // The samples whose centres are between the ends.
        let range = |low: i32, high: i32, first: i32, count: usize| {
            let low = (low - step / 2 + step - 1).div_euclid(step).max(first);
            let high = (high - step / 2)
                .div_euclid(step)
                .min(first + count as i32 - 1);
            (low, high)
        };
        let (x0, x1) = range(a.x.min(b.x).min(c.x), a.x.max(b.x).max(c.x), 0, self.width);
        let (low, high) = (a.y.min(b.y).min(c.y), a.y.max(b.y).max(c.y));
        let (y0, y1) = range(low, high, self.first as i32, self.rows);
        let bias = [(&b, &c), (&c, &a), (&a, &b)].map(|(from, to)| owned(from, to));
        for y in y0..=y1 {
            for x in x0..=x1 {
                let (px, py) = (x * step + step / 2, y * step + step / 2);
                let weights = [
                    side(&b, &c, px, py),
                    side(&c, &a, px, py),
                    side(&a, &b, px, py),
                ];
                if (0..3).any(|i| weights[i] + bias[i] < 0) {
                    continue;
                }
                let [u, v, w] = weights.map(|w| w as f32 * per_area);
                let depth = u * a.depth + v * b.depth + w * c.depth;
                let sample = (y as usize - self.first) * self.width + x as usize;
                if self.is_hidden(sample, depth) {
                    continue;
                }
                let n = [0, 1, 2].map(|i| u * a.normal[i] + v * b.normal[i] + w * c.normal[i]);
                let length = (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]).sqrt();
                let n = if length > 0.0 {
                    n.map(|v| v / length)
                } else {
                    [0.0, 0.0, 1.0]
                };
                // What is seen from behind is lit as from the front.
                let n = if n[2] < 0.0 { n.map(|v| -v) } else { n };
                let near = if radius > 0.0 {
                    0.5 - 0.5 * depth / radius
                } else {
                    1.0
                };
                let layer = Layer {
                    depth,
                    light: shade(part.colour, n, near),
                    cover: cover(part.alpha, n[2]),
                };
                self.insert(sample, layer);
            }
        }
    }

    /// Whether a layer at this depth is behind all that a sample can show.
    fn is_hidden(&self, sample: usize, depth: f32) -> bool {
        let layers = self.layers_of(sample);
        let is_full = layers.len() == self.layers;
        layers
            .last()
            .is_some_and(|last| depth >= last.depth && (is_full || last.cover >= 1.0))
    }

    /// Adds a layer behind those that are not farther away; the farthest gives way.
    fn insert(&mut self, sample: usize, layer: Layer) {
        let count = usize::from(self.counts[sample]);
        let layers = &mut self.kept[sample * self.layers..][..self.layers];
        let at = layers[..count].partition_point(|l| l.depth <= layer.depth);
        let mut kept = (count + 1).min(self.layers);
        layers[at..kept].rotate_right(1);
        layers[at] = layer;
        if layer.cover >= 1.0 {
            kept = at + 1;
        }
        self.counts[sample] = kept as u8;
    }
}

/// Twice the area of the triangle of two corners and a point; on the picture, whose y points down,
/// positive where the corners are clockwise.
#[inline(always)]
fn side(from: &Placed, to: &Placed, x: i32, y: i32) -> i64 {
    let (dx, dy) = (
        i64::from(to.x) - i64::from(from.x),
        i64::from(to.y) - i64::from(from.y),
    );
    dx * (i64::from(y) - i64::from(from.y)) - dy * (i64::from(x) - i64::from(from.x))
}

/// 0 where points on a side belong to this triangle, -1 where they belong to the next: upper and
/// left sides are its own.
fn owned(from: &Placed, to: &Placed) -> i64 {
    let is_upper = from.y == to.y && to.x > from.x;
    let is_left = to.y < from.y;
    if is_upper || is_left { 0 } else { -1 }
}
