//! The anatomy of the head, for MR images.

use std::sync::Arc;

use voxprep_core::kernels::affine::norm;
use voxprep_core::stream::Stream;

use crate::grid::stream;
use crate::maths::{P, both, either, ellipsoid, length, lerp, oval, smoothstep, sub};
use crate::scene::{Layer, Scene, Shape};
use crate::texture::Texture;
use crate::tree::minus;

/// The values of the label map `tissue`.
pub(crate) const TISSUES: [&str; 11] = [
    "background",
    "cerebrospinal fluid",
    "cortical grey matter",
    "white matter",
    "lesions",
    "compact bone",
    "fat",
    "muscle and skin",
    "deep grey nuclei",
    "eyes",
    "bone marrow",
];

const CSF: usize = 1;
const GREY: usize = 2;
const WHITE: usize = 3;
const LESION: usize = 4;
const BONE: usize = 5;
const FAT: usize = 6;
const FLESH: usize = 7;
const NUCLEI: usize = 8;
const EYE: usize = 9;
const MARROW: usize = 10;

/// How thick the cortex is, mm.
pub(crate) const CORTEX_MM: f32 = 2.8;

/// A lesion of white matter: an ellipsoid along the axes of the world.
#[derive(Clone, Debug)]
pub(crate) struct Lesion {
    pub(crate) centre: [f64; 3],
    pub(crate) radii: [f64; 3],
}

/// The seeded parts of a head.
pub(crate) struct Head {
    brain: Arc<Brain>,
    pub(crate) lesions: Vec<Lesion>,
}

struct Brain {
    folds: Texture,
    folia: Texture,
    depths: Texture,
}

/// Half of the brain's surface without its folds, and the fissure between the halves.
fn hull(p: P) -> f32 {
    let x = p[0].abs();
    let top = ellipsoid(sub(p, [0.0, 2.0, 14.0]), [66.0, 84.0, 65.0]);
    let base =
        -16.0 - p[2] + 6.0 * smoothstep(-20.0, -70.0, p[1]) + 8.0 * smoothstep(20.0, 70.0, p[1]);
    let upper = both(top, base, 18.0);
    let temporal = ellipsoid([x - 41.0, p[1] + 4.0, p[2] + 19.0], [23.0, 40.0, 19.0]);
    let d = either(upper, temporal, 6.0);
    // the middle, where the halves are one
    let middle = oval(p[1] - 3.0, p[2] - 4.0, 38.0, 29.0, 0.0);
    d.max(-(x - 0.9).max(-middle))
}

impl Brain {
    /// How deep a point lies in the grey and white matter of the cerebrum, mm; below 0 outside.
    ///
    /// The sulci are sheets where a smooth random function of the direction crosses 0; sheets end
    /// some 14 mm below the surface.
    fn depth(&self, p: P) -> f32 {
        let depth = -hull(p);
        if !(-4.0..=30.0).contains(&depth) {
            return depth;
        }
        let c = sub(p, [0.0, 2.0, 6.0]);
        let level = length([c[0] / 66.0, c[1] / 84.0, c[2] / 70.0]).max(0.45);
        let stretch = 0.45 + 0.55 / level;
        let fold = |q: P| {
            self.folds
                .at([q[0] * stretch, q[1] * stretch, q[2] * stretch])
        };
        let n = fold(c);
        let step = 0.8;
        let slope = [0, 1, 2].map(|i| {
            let mut q = c;
            q[i] += step;
            (fold(q) - n) / step
        });
        // none about the corpus callosum and the nuclei
        let core = oval(p[1] - 3.0, p[2] - 4.0, 38.0, 29.0, 0.0);
        let kept_off = 0.5 * (8.0 - core).max(0.0) * smoothstep(32.0, 20.0, p[0].abs());
        let away = n.abs() / length(slope).max(0.06) + kept_off;
        let end = 13.0 + 3.0 * self.depths.at(c);
        let ended = (depth - end).max(0.0);
        let width = 0.45 + 0.75 * smoothstep(7.0, 0.0, depth);
        let sulcus = away + 0.8 * ended - width;
        // the fissure of Sylvius, wide and deep
        let sylvian = self.sylvian(p) + 0.6 * (depth - 24.0).max(0.0);
        let d = either(depth, sulcus, 1.5);
        either(d, sylvian, 2.0)
    }

    /// The distance from the fissure between the temporal lobe and what is above it.
    fn sylvian(&self, p: P) -> f32 {
        let sheet = (p[2] + 2.0 - 0.25 * (p[1] + 10.0) + 2.0 * self.depths.at(p)).abs() * 0.95;
        let ends = (p[1] + 8.0).abs() - 34.0;
        let inner = 34.0 - p[0].abs();
        (sheet - 0.8).max(ends * 0.7).max(inner)
    }

    /// The same of the cerebellum.
    fn cerebellum(&self, p: P) -> f32 {
        let lobe = ellipsoid(
            [p[0].abs() - 21.0, p[1] - 47.0, p[2] + 38.0],
            [29.0, 28.0, 20.0],
        );
        let worm = ellipsoid([p[0], p[1] - 46.0, p[2] + 36.0], [11.0, 24.0, 19.0]);
        let depth = -either(lobe, worm, 8.0);
        if !(-3.0..=14.0).contains(&depth) {
            return depth;
        }
        let q = [0.22 * p[0], p[1], p[2]];
        let n = self.folia.at(q);
        let slope = length([0, 1, 2].map(|i| {
            let mut r = q;
            r[i] += 0.5;
            (self.folia.at(r) - n) / 0.5
        }));
        let sheet = n.abs() / slope.max(0.1) + 0.8 * (depth - 8.0).max(0.0) - 0.35;
        either(depth, sheet, 0.8)
    }
}

impl Head {
    pub(crate) fn new(seed: u64, lesions: usize) -> Self {
        let draw = |what: &str| stream(seed, "brain-mri", what);
        let textures = draw("textures");
        let brain = Arc::new(Brain {
            folds: Texture::new(&textures, "folds", 19.0),
            folia: Texture::new(&textures, "folia", 8.0),
            depths: Texture::new(&textures, "depths", 40.0),
        });
        let mut head = Self {
            brain,
            lesions: Vec::new(),
        };
        head.place(lesions, &mut draw("lesions"));
        head
    }

    /// Draws lesions in the white matter, apart from cortex, nuclei, ventricles and each other.
    fn place(&mut self, count: usize, draw: &mut Stream) {
        let keep_off: Vec<Shape> = ventricles()
            .into_iter()
            .chain(nuclei())
            .chain(bridge())
            .collect();
        for _ in 0..count {
            let long = draw.uniform(2.5, 6.5);
            let radii = [0, 1, 2].map(|_| long * draw.uniform(0.65, 1.0));
            for _ in 0..4000 {
                let low = [-52.0, -62.0, 2.0];
                let high = [52.0, 66.0, 56.0];
                let centre = [0, 1, 2].map(|i| draw.uniform(low[i], high[i]));
                let p = centre.map(|v| v as f32);
                let reach = long as f32;
                let white = self.brain.depth(p) > CORTEX_MM + reach + 0.5;
                let free = keep_off.iter().all(|shape| shape.distance(p) > reach + 1.0);
                let apart = self.lesions.iter().all(|other| {
                    norm(minus(other.centre, centre))
                        > 2.0 + long + other.radii[0].max(other.radii[1]).max(other.radii[2])
                });
                if white && free && apart {
                    self.lesions.push(Lesion { centre, radii });
                    break;
                }
            }
        }
    }

    /// The head in one contrast: what each tissue of [`TISSUES`] measures. Its label map is `tissue`.
    pub(crate) fn scene(&self, signal: &[f64; 11]) -> Scene {
        let mut scene = Scene {
            background: signal[0] as f32,
            maps: 1,
            layers: Vec::new(),
        };
        let tag = |tissue: usize| [u8::try_from(tissue).ok()];
        let layer =
            |shapes: Vec<Shape>, tissue: usize| Layer::new(shapes, signal[tissue], &tag(tissue));
        let band =
            |l: Layer, inset: f32, tissue: usize| l.band(inset, signal[tissue], &tag(tissue));
        // face and neck
        let all = [[-110.0, -130.0, -300.0], [110.0, 130.0, 130.0]];
        let face = Shape::field(all, |p| {
            let jaw = ellipsoid(sub(p, [0.0, -52.0, -62.0]), [60.0, 54.0, 66.0]);
            let neck = oval(p[0], p[1] - 22.0, 56.0, 60.0, 0.2).max(p[2] + 20.0);
            let nose = ellipsoid(sub(p, [0.0, -106.0, -44.0]), [12.0, 14.0, 20.0]);
            either(either(jaw, neck, 30.0), nose, 12.0)
        });
        scene.push(band(band(layer(vec![face], FLESH), 2.0, FAT), 7.0, FLESH));
        scene.push(self.skull(&layer, &band));
        // the base of the skull: high in front, low under the temporal lobes and the cerebellum
        let base = Shape::field([[-80.0, -92.0, -70.0], [80.0, 60.0, -6.0]], |p| {
            let side = smoothstep(12.0, 24.0, p[0].abs());
            let middle = lerp(-21.0, -43.0, side * smoothstep(-50.0, -36.0, p[1]));
            let floor = lerp(middle, -66.0, smoothstep(12.0, 26.0, p[1]));
            let vault = ellipsoid(sub(p, [0.0, 2.0, 12.0]), [75.0, 93.0, 77.0]);
            both(vault, 0.8 * (p[2] - floor), 8.0)
        });
        scene.push(band(layer(vec![base], BONE), 2.2, FLESH));
        self.face(&mut scene, &layer, &band);
        // brain
        let brain = self.brain.clone();
        let box_ = [[-70.0, -88.0, -42.0], [70.0, 92.0, 84.0]];
        let cerebrum = Shape::field(box_, move |p| -brain.depth(p));
        scene.push(band(layer(vec![cerebrum], GREY), CORTEX_MM, WHITE));
        let brain = self.brain.clone();
        let box_ = [[-60.0, 10.0, -62.0], [60.0, 82.0, -10.0]];
        let cerebellum = Shape::field(box_, move |p| -brain.cerebellum(p));
        scene.push(band(layer(vec![cerebellum], GREY), 2.0, WHITE));
        scene.push(layer(bridge(), WHITE));
        let stem = [
            ([0.0, 4.0, 0.0], 11.0),
            ([0.0, 12.0, -16.0], 12.0),
            ([0.0, 14.0, -30.0], 14.0),
            ([0.0, 22.0, -50.0], 8.5),
            ([0.0, 29.0, -70.0], 6.0),
            ([0.0, 30.0, -300.0], 5.5),
        ];
        scene.push(layer(Shape::chain(&stem), WHITE));
        scene.push(layer(nuclei(), NUCLEI));
        scene.push(layer(ventricles(), CSF));
        let lesions = self
            .lesions
            .iter()
            .map(|l| Shape::ellipsoid(l.centre, l.radii))
            .collect();
        scene.push(layer(lesions, LESION));
        scene
    }

    /// Scalp, skull with marrow, and the fluid in it.
    fn skull(
        &self,
        layer: &impl Fn(Vec<Shape>, usize) -> Layer,
        band: &impl Fn(Layer, f32, usize) -> Layer,
    ) -> Layer {
        let brain = self.brain.clone();
        let vault = Shape::field([[-90.0, -104.0, -90.0], [90.0, 108.0, 104.0]], move |p| {
            let bump = 0.8 * brain.depths.at([1.4 * p[0], 1.4 * p[1], 1.4 * p[2]]);
            ellipsoid(sub(p, [0.0, 2.0, 12.0]), [82.0, 100.0, 84.0]) + bump
        });
        let scalp = band(layer(vec![vault], FLESH), 1.8, FAT);
        let outer = band(band(scalp, 6.2, BONE), 8.0, MARROW);
        band(band(outer, 10.6, BONE), 12.4, CSF)
    }

    fn face(
        &self,
        scene: &mut Scene,
        layer: &impl Fn(Vec<Shape>, usize) -> Layer,
        band: &impl Fn(Layer, f32, usize) -> Layer,
    ) {
        let mut orbits = Vec::new();
        let mut eyes = Vec::new();
        let mut muscles = Vec::new();
        let mut sinuses = vec![
            Shape::ellipsoid([0.0, -76.0, -56.0], [13.0, 30.0, 24.0]),
            Shape::ellipsoid([0.0, -42.0, -34.0], [13.0, 12.0, 9.0]),
        ];
        for side in [-1.0, 1.0] {
            orbits.push(Shape::tube(
                [side * 32.0, -80.0, -30.0],
                [side * 16.0, -44.0, -28.0],
                [18.0, 7.0],
            ));
            eyes.push(Shape::sphere([side * 32.0, -84.0, -30.0], 12.0));
            muscles.push(Shape::tube(
                [side * 30.0, -74.0, -30.0],
                [side * 14.0, -40.0, -27.0],
                [2.2, 2.2],
            ));
            for (dx, dz) in [(9.0, 0.0), (-9.0, 0.0), (0.0, 9.0), (0.0, -9.0)] {
                let front = [side * 31.0 + dx, -78.0, -30.0 + dz];
                muscles.push(Shape::tube(front, [side * 16.0, -44.0, -28.0], [1.8, 1.4]));
            }
            sinuses.push(Shape::ellipsoid(
                [side * 30.0, -70.0, -60.0],
                [13.0, 16.0, 15.0],
            ));
            sinuses.push(Shape::ellipsoid([side * 8.0, -90.0, -6.0], [7.0, 3.0, 7.0]));
        }
        scene.push(band(layer(orbits, BONE), 1.5, FAT));
        scene.push(layer(muscles, FLESH));
        scene.push(layer(eyes, EYE));
        // mucosa, then air
        scene.push(band(band(layer(sinuses, BONE), 1.2, FLESH), 2.6, 0));
        let septum = Shape::ellipsoid([0.0, -76.0, -56.0], [1.4, 30.0, 24.0]);
        let shells =
            [-1.0, 1.0].map(|side| Shape::ellipsoid([side * 6.5, -74.0, -60.0], [2.8, 20.0, 8.0]));
        scene.push(layer(
            vec![septum].into_iter().chain(shells).collect(),
            FLESH,
        ));
        let jaw = [
            ([-46.0, -10.0, -52.0], 6.0),
            ([-44.0, -30.0, -100.0], 7.0),
            ([-22.0, -82.0, -112.0], 7.5),
            ([0.0, -92.0, -114.0], 8.0),
            ([22.0, -82.0, -112.0], 7.5),
            ([44.0, -30.0, -100.0], 7.0),
            ([46.0, -10.0, -52.0], 6.0),
        ];
        scene.push(band(layer(Shape::chain(&jaw), BONE), 2.0, MARROW));
        let throat = Shape::flat_tube(
            [0.0, -14.0, -52.0],
            [0.0, -6.0, -300.0],
            [6.0; 2],
            [0.6, 1.0, 1.0],
        );
        scene.push(layer(vec![throat], 0));
        let neck = Shape::tube([0.0, 16.0, -76.0], [0.0, 16.0, -300.0], [14.0; 2]);
        let ring = Shape::tube([0.0, 31.0, -72.0], [0.0, 31.0, -300.0], [15.0; 2]);
        scene.push(band(layer(vec![neck, ring], BONE), 1.8, MARROW));
        let canal = Shape::tube([0.0, 28.0, -56.0], [0.0, 31.0, -300.0], [10.0, 9.5]);
        scene.push(layer(vec![canal], CSF));
    }
}

/// The corpus callosum.
fn bridge() -> Vec<Shape> {
    let arc = [
        [0.0, -26.0, 10.0],
        [0.0, -33.0, 17.0],
        [0.0, -28.0, 25.0],
        [0.0, -12.0, 31.0],
        [0.0, 10.0, 33.0],
        [0.0, 28.0, 29.0],
        [0.0, 39.0, 21.0],
        [0.0, 38.0, 14.0],
    ];
    arc.windows(2)
        .map(|w| Shape::flat_tube(w[0], w[1], [3.6; 2], [0.28, 1.0, 1.0]))
        .collect()
}

/// Caudate nuclei, putamina, pallida and thalami.
fn nuclei() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for side in [-1.0, 1.0] {
        let caudate = [
            ([side * 13.0, -22.0, 12.0], 5.6),
            ([side * 16.0, -8.0, 20.0], 4.6),
            ([side * 19.0, 8.0, 22.0], 3.2),
            ([side * 23.0, 22.0, 18.0], 2.2),
        ];
        shapes.extend(Shape::chain(&caudate));
        shapes.push(Shape::ellipsoid([side * 27.0, -6.0, 5.0], [5.6, 15.0, 9.5]));
        shapes.push(Shape::ellipsoid([side * 20.0, -3.0, 3.0], [3.8, 9.0, 6.5]));
        shapes.push(Shape::ellipsoid(
            [side * 10.5, 13.0, 10.0],
            [8.0, 14.0, 9.0],
        ));
    }
    shapes
}

/// The four ventricles and the aqueduct.
fn ventricles() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for side in [-1.0, 1.0] {
        let body = [
            ([side * 7.0, -27.0, 14.0], 3.6),
            ([side * 6.5, -14.0, 22.0], 4.2),
            ([side * 8.0, 6.0, 25.0], 4.2),
            ([side * 14.0, 24.0, 21.0], 5.2),
            ([side * 23.0, 33.0, 12.0], 6.0),
        ];
        let back = [
            ([side * 23.0, 33.0, 12.0], 5.2),
            ([side * 21.0, 54.0, 9.0], 2.6),
        ];
        let below = [
            ([side * 24.0, 32.0, 8.0], 4.6),
            ([side * 32.0, 16.0, -8.0], 3.0),
            ([side * 33.0, -6.0, -15.0], 2.4),
        ];
        for chain in [&body[..], &back, &below] {
            shapes.extend(Shape::chain(chain));
        }
    }
    shapes.push(Shape::ellipsoid([0.0, 5.0, 6.0], [2.2, 13.0, 10.0]));
    shapes.push(Shape::tube(
        [0.0, 18.0, -2.0],
        [0.0, 27.0, -24.0],
        [1.2, 1.6],
    ));
    shapes.push(Shape::ellipsoid([0.0, 29.5, -34.0], [8.0, 4.6, 11.0]));
    shapes
}
