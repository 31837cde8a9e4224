//! Painting: solids in the world, laid over each other and sampled on any grid.
//!
//! A [`Layer`] is a union of solids with bands from its surface inwards (skin, fat; cortex, marrow).
//! Layers are painted in order, later ones over earlier ones. An image voxel takes of each band what
//! its distance from the surface says, over a width of one voxel; a label is that of the voxel's
//! centre.

use rayon::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::error::Result;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::{Affine, norm};

use crate::maths::{P, along, dot, ellipsoid, single, sub};

/// A function of a point, LPS+ mm.
pub(crate) type Field = Box<dyn Fn(P) -> f32 + Send + Sync>;

/// A solid: about the signed distance from its surface in mm, below 0 inside.
pub(crate) enum Form {
    Ellipsoid {
        centre: P,
        axes: [P; 3],
        radii: P,
    },
    /// A cone with round ends; `weights` flattens the cross-section.
    Cone {
        start: P,
        span: P,
        per_length: f32,
        radii: [f32; 2],
        weights: P,
    },
    Field(Field),
}

/// A solid and a box around it.
pub(crate) struct Shape {
    form: Form,
    bounds: [[f64; 3]; 2],
}

impl Shape {
    pub(crate) fn sphere(centre: [f64; 3], radius: f64) -> Self {
        Self::ellipsoid(centre, [radius; 3])
    }

    pub(crate) fn ellipsoid(centre: [f64; 3], radii: [f64; 3]) -> Self {
        Self::turned(centre, radii, Affine::IDENTITY)
    }

    /// An ellipsoid turned about its centre.
    pub(crate) fn turned(centre: [f64; 3], radii: [f64; 3], turn: Affine) -> Self {
        let reach = radii.iter().fold(0.0_f64, |a, b| a.max(*b));
        Self {
            form: Form::Ellipsoid {
                centre: single(centre),
                axes: [0, 1, 2].map(|axis| single(turn.column(axis))),
                radii: single(radii),
            },
            bounds: around(&[centre], reach),
        }
    }

    /// A tube from `a` to `b`, its radius changing on the way, with round ends.
    pub(crate) fn tube(a: [f64; 3], b: [f64; 3], radii: [f64; 2]) -> Self {
        Self::flat_tube(a, b, radii, [1.0; 3])
    }

    /// A tube whose radius is that in the axes of the world of weight 1; a weight of 0.5 makes it
    /// twice as wide.
    pub(crate) fn flat_tube(a: [f64; 3], b: [f64; 3], radii: [f64; 2], weights: [f64; 3]) -> Self {
        let span = [0, 1, 2].map(|i| b[i] - a[i]);
        let squared = span.iter().map(|v| v * v).sum::<f64>().max(1e-12);
        let widest = weights.iter().fold(f64::INFINITY, |a, b| a.min(*b));
        Self {
            form: Form::Cone {
                start: single(a),
                span: single(span),
                per_length: (1.0 / squared) as f32,
                radii: radii.map(|r| r as f32),
                weights: single(weights),
            },
            bounds: around(&[a, b], radii[0].max(radii[1]) / widest),
        }
    }

    /// Tubes through points with a radius each.
    pub(crate) fn chain(points: &[([f64; 3], f64)]) -> Vec<Self> {
        points
            .windows(2)
            .map(|w| Self::tube(w[0].0, w[1].0, [w[0].1, w[1].1]))
            .collect()
    }

    /// A solid given by its distance; `bounds` must hold all of it.
    pub(crate) fn field(
        bounds: [[f64; 3]; 2],
        distance: impl Fn(P) -> f32 + Send + Sync + 'static,
    ) -> Self {
        Self {
            form: Form::Field(Box::new(distance)),
            bounds,
        }
    }

    pub(crate) fn distance(&self, p: P) -> f32 {
        match &self.form {
            Form::Ellipsoid {
                centre,
                axes,
                radii,
            } => {
                let q = sub(p, *centre);
                ellipsoid([dot(axes[0], q), dot(axes[1], q), dot(axes[2], q)], *radii)
            }
            Form::Cone {
                start,
                span,
                per_length,
                radii,
                weights,
            } => {
                let q = sub(p, *start);
                let t = (dot(q, *span) * per_length).clamp(0.0, 1.0);
                let r = along(q, -t, *span);
                let r = [r[0] * weights[0], r[1] * weights[1], r[2] * weights[2]];
                dot(r, r).sqrt() - (radii[0] + t * (radii[1] - radii[0]))
            }
            Form::Field(field) => field(p),
        }
    }
}

/// The smallest box about balls of this radius.
fn around(centres: &[[f64; 3]], radius: f64) -> [[f64; 3]; 2] {
    let end = |pick: fn(f64, f64) -> f64, start: f64, by: f64| {
        [0, 1, 2].map(|i| centres.iter().fold(start, |a, c| pick(a, c[i])) + by)
    };
    [
        end(f64::min, f64::INFINITY, -radius),
        end(f64::max, f64::NEG_INFINITY, radius),
    ]
}

/// What a band is filled with.
pub(crate) enum Fill {
    Constant(f32),
    Varying(Field),
}

impl From<f64> for Fill {
    fn from(value: f64) -> Self {
        Self::Constant(value as f32)
    }
}

/// The label that a band writes into each map; `None` leaves what is there.
pub(crate) type Labels = Vec<Option<u8>>;

/// What lies deeper than `inset` mm below the surface of a layer.
pub(crate) struct Band {
    pub(crate) inset: f32,
    pub(crate) fill: Fill,
    pub(crate) labels: Labels,
}

/// A union of solids, and what is in it from its surface inwards.
pub(crate) struct Layer {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) bands: Vec<Band>,
}

impl Layer {
    /// Solids filled alike.
    pub(crate) fn new(shapes: Vec<Shape>, fill: impl Into<Fill>, labels: &[Option<u8>]) -> Self {
        Self {
            shapes,
            bands: Vec::new(),
        }
        .band(0.0, fill, labels)
    }

    /// The same layer with another filling from a depth of `inset` mm on.
    pub(crate) fn band(mut self, inset: f32, fill: impl Into<Fill>, labels: &[Option<u8>]) -> Self {
        self.bands.push(Band {
            inset,
            fill: fill.into(),
            labels: labels.to_vec(),
        });
        self
    }
}

/// Layers in the order in which they are painted.
pub(crate) struct Scene {
    pub(crate) background: f32,
    /// How many label maps there are.
    pub(crate) maps: usize,
    pub(crate) layers: Vec<Layer>,
}

/// A scene on a grid.
pub(crate) struct Painted {
    pub(crate) image: Buf<f32>,
    pub(crate) maps: Vec<Buf<u8>>,
}

/// A shape's place on a grid: the ends of its box, both included.
struct Place<'a> {
    shape: &'a Shape,
    low: [usize; 3],
    high: [usize; 3],
}

/// A scene laid out on a grid, ready to be painted slice by slice.
pub(crate) struct Layout<'a> {
    scene: &'a Scene,
    world_from_index: Affine,
    size: [usize; 3],
    /// Per voxel: how much coverage one mm makes.
    per_mm: f32,
    layers: Vec<(Vec<Place<'a>>, &'a [Band])>,
}

impl Scene {
    pub(crate) fn push(&mut self, layer: Layer) {
        self.layers.push(layer);
    }

    /// Samples the scene; the same bits for any number of threads.
    pub(crate) fn paint(&self, grid: &Geometry) -> Result<Painted> {
        let [width, height, _] = grid.size();
        let mut image = Buf::<f32>::for_overwrite(grid.voxels())?;
        let mut maps = (0..self.maps)
            .map(|_| Buf::<u8>::for_overwrite(grid.voxels()))
            .collect::<Result<Vec<_>>>()?;
        let area = width * height;
        let mut slices: Vec<(&mut [f32], Vec<&mut [u8]>)> = image
            .as_mut_slice()?
            .chunks_mut(area)
            .map(|slice| (slice, Vec::new()))
            .collect();
        for map in &mut maps {
            for (slice, labels) in slices.iter_mut().zip(map.as_mut_slice()?.chunks_mut(area)) {
                slice.1.push(labels);
            }
        }
        let layout = self.on(grid);
        slices
            .into_par_iter()
            .enumerate()
            .for_each(|(z, (image, mut maps))| {
                layout.slice(z, image, &mut maps);
            });
        Ok(Painted { image, maps })
    }

    /// Finds the place of every shape on a grid.
    pub(crate) fn on(&self, grid: &Geometry) -> Layout<'_> {
        let spacing = grid.spacing();
        let voxel = (spacing[0] + spacing[1] + spacing[2]) / 3.0;
        let index_from_world = grid.index_from_world();
        let place = |shape: &'_ Shape| -> Option<([usize; 3], [usize; 3])> {
            let mut ends = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
            for bits in 0..8_u8 {
                let corner = [0, 1, 2].map(|i| {
                    let high = bits >> i & 1 == 1;
                    shape.bounds[usize::from(high)][i] + if high { voxel } else { -voxel }
                });
                let index = index_from_world.apply(corner);
                ends[0] = [0, 1, 2].map(|i| ends[0][i].min(index[i]));
                ends[1] = [0, 1, 2].map(|i| ends[1][i].max(index[i]));
            }
            let last = grid.size().map(|n| n as f64 - 1.0);
            let inside = (0..3).all(|i| ends[1][i] >= 0.0 && ends[0][i] <= last[i]);
            // floats that do not fit saturate
            inside.then(|| {
                let low = ends[0].map(|v| v.max(0.0).floor() as usize);
                (
                    low,
                    [0, 1, 2].map(|i| ends[1][i].min(last[i]).ceil() as usize),
                )
            })
        };
        let layers = self.layers.iter().map(|layer| {
            let shapes = layer.shapes.iter();
            let places = shapes
                .filter_map(|shape| place(shape).map(|(low, high)| Place { shape, low, high }));
            (places.collect(), layer.bands.as_slice())
        });
        Layout {
            scene: self,
            world_from_index: grid.world_from_index(),
            size: grid.size(),
            per_mm: (1.0 / voxel) as f32,
            layers: layers.collect(),
        }
    }
}

impl Layout<'_> {
    /// Paints slice `z` of the image and of every label map.
    pub(crate) fn slice(&self, z: usize, image: &mut [f32], maps: &mut [&mut [u8]]) {
        image.fill(self.scene.background);
        for map in maps.iter_mut() {
            map.fill(0);
        }
        let width = self.size[0];
        let mut distance = vec![f32::INFINITY; width];
        let mut here = Vec::new();
        for (places, bands) in &self.layers {
            here.clear();
            here.extend(
                places
                    .iter()
                    .filter(|place| (place.low[2]..=place.high[2]).contains(&z)),
            );
            let rows = here
                .iter()
                .fold(None, |rows: Option<(usize, usize)>, place| {
                    let (low, high) = rows.unwrap_or((place.low[1], place.high[1]));
                    Some((low.min(place.low[1]), high.max(place.high[1])))
                });
            let Some((first, last)) = rows else { continue };
            for y in first..=last {
                let ends = self.distances(y, z, &here, &mut distance);
                let Some((low, high)) = ends else { continue };
                let start = y * width;
                let image = &mut image[start + low..=start + high];
                for band in *bands {
                    self.paint(band, [low, y, z], &distance[low..=high], image);
                    for (map, label) in maps.iter_mut().zip(&band.labels) {
                        let Some(label) = label else { continue };
                        let map = &mut map[start + low..=start + high];
                        for (l, d) in map.iter_mut().zip(&distance[low..=high]) {
                            if d + band.inset < 0.0 {
                                *l = *label;
                            }
                        }
                    }
                }
                distance[low..=high].fill(f32::INFINITY);
            }
        }
    }

    /// The distance of every voxel of a row from the nearest shape; returns the ends of what was
    /// written.
    fn distances(
        &self,
        y: usize,
        z: usize,
        places: &[&Place<'_>],
        distance: &mut [f32],
    ) -> Option<(usize, usize)> {
        let (start, step) = self.row(y, z);
        let mut ends: Option<(usize, usize)> = None;
        for place in places {
            if !(place.low[1]..=place.high[1]).contains(&y) {
                continue;
            }
            let (low, high) = (place.low[0], place.high[0]);
            let (a, b) = ends.unwrap_or((low, high));
            ends = Some((a.min(low), b.max(high)));
            for (x, d) in (low..=high).zip(&mut distance[low..=high]) {
                *d = d.min(place.shape.distance(along(start, x as f32, step)));
            }
        }
        ends
    }

    /// Where a row begins in the world, and the step from voxel to voxel.
    fn row(&self, y: usize, z: usize) -> (P, P) {
        let start = self.world_from_index.apply([0.0, y as f64, z as f64]);
        (single(start), single(self.world_from_index.column(0)))
    }

    fn paint(&self, band: &Band, [x, y, z]: [usize; 3], distance: &[f32], image: &mut [f32]) {
        let cover = |d: f32| (0.5 - (d + band.inset) * self.per_mm).clamp(0.0, 1.0);
        match &band.fill {
            Fill::Constant(value) => {
                for (v, d) in image.iter_mut().zip(distance) {
                    let c = cover(*d);
                    // exact where all is covered
                    *v = if c == 1.0 {
                        *value
                    } else {
                        *v + c * (*value - *v)
                    };
                }
            }
            Fill::Varying(value) => {
                let (start, step) = self.row(y, z);
                for (i, (v, d)) in image.iter_mut().zip(distance).enumerate() {
                    let c = cover(*d);
                    if c > 0.0 {
                        *v += c * (value(along(start, (x + i) as f32, step)) - *v);
                    }
                }
            }
        }
    }
}

/// The unit vector along `v`, or the x axis where it is 0.
pub(crate) fn unit(v: [f64; 3]) -> [f64; 3] {
    let n = norm(v);
    if n > 0.0 {
        v.map(|c| c / n)
    } else {
        [1.0, 0.0, 0.0]
    }
}
