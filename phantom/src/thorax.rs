//! The anatomy of the chest, for the CT and the radiograph.

use std::sync::Arc;

use voxprep_core::kernels::affine::{Affine, norm};
use voxprep_core::stream::Stream;

use crate::bones::{CARTILAGE, CORD, CORTEX, MARROW, Rib, SPINAL_FLUID, Spine, ribbon};
use crate::grid::stream;
use crate::maths::{P, along, both, either, ellipsoid, length, lerp, oval, smoothstep, sub};
use crate::scene::{Fill, Labels, Layer, Scene, Shape, unit};
use crate::texture::Texture;
use crate::tree::{Growth, Piece, grow};

/// The values of the label map `anatomy`.
pub(crate) const ANATOMY: [&str; 22] = [
    "background",
    "skin",
    "fat",
    "muscle",
    "right lung",
    "left lung",
    "airway lumen",
    "airway wall",
    "lung vessels",
    "heart muscle",
    "blood",
    "bone",
    "cartilage and discs",
    "spinal canal",
    "oesophagus",
    "liver",
    "spleen",
    "stomach",
    "gas",
    "nodules",
    "metal",
    "table",
];

const SKIN: u8 = 1;
const FAT: u8 = 2;
const MUSCLE: u8 = 3;
const RIGHT_LUNG: u8 = 4;
const LEFT_LUNG: u8 = 5;
const LUMEN: u8 = 6;
const WALL: u8 = 7;
const VESSELS: u8 = 8;
const HEART: u8 = 9;
const BLOOD: u8 = 10;
const BONE: u8 = 11;
const DISC: u8 = 12;
const CANAL: u8 = 13;
const OESOPHAGUS: u8 = 14;
const LIVER: u8 = 15;
const SPLEEN: u8 = 16;
const STOMACH: u8 = 17;
const GAS: u8 = 18;
const NODULE: u8 = 19;
const METAL: u8 = 20;
const TABLE: u8 = 21;

/// Air, HU.
pub(crate) const AIR: f64 = -1000.0;
/// Lung tissue half way between front and back, HU.
pub(crate) const LUNG: f64 = -860.0;
/// How much denser the lowest 100 mm of a lying patient's lung are than the highest, HU per mm.
pub(crate) const GRAVITY: f32 = 0.45;
pub(crate) const SKIN_HU: f64 = 20.0;
pub(crate) const FAT_HU: f64 = -105.0;
pub(crate) const MUSCLE_HU: f64 = 55.0;
pub(crate) const METAL_HU: f64 = 3071.0;
pub(crate) const TABLE_HU: f64 = -420.0;
const FOAM_HU: f64 = -920.0;
const STOMACH_WALL: f64 = 48.0;
const STOMACH_CONTENTS: f64 = 14.0;
const OESOPHAGUS_WALL: f64 = 42.0;
const OESOPHAGUS_CONTENTS: f64 = -420.0;
const AIRWAY_WALL: f64 = 20.0;
/// Solid nodules, HU.
pub(crate) const SOLID: f64 = 35.0;
/// Ground-glass nodules, HU.
pub(crate) const GROUND_GLASS: f64 = -580.0;

/// What the chest is to have.
pub(crate) struct Wishes {
    pub(crate) kind: &'static str,
    pub(crate) seed: u64,
    pub(crate) texture: f64,
    pub(crate) contrast: bool,
    pub(crate) metal: bool,
    pub(crate) table: bool,
    pub(crate) nodules: usize,
}

/// A nodule as it was drawn.
#[derive(Clone, Debug)]
pub(crate) struct Nodule {
    pub(crate) kind: &'static str,
    pub(crate) centre: [f64; 3],
    pub(crate) diameter: f64,
    pub(crate) core: Option<f64>,
}

/// A chest, ready to be painted. Its label maps are `anatomy`, `lungs`, `nodules`.
pub(crate) struct Chest {
    pub(crate) scene: Scene,
    pub(crate) nodules: Vec<Nodule>,
    /// Materials and their HU.
    pub(crate) materials: Vec<(&'static str, f64)>,
    /// The middle of the pacemaker, if there is one.
    pub(crate) metal: Option<[f64; 3]>,
    pub(crate) right: Lung,
    pub(crate) left: Lung,
}

/// The world's box that holds every chest, mm.
const ALL: [[f64; 3]; 2] = [[-260.0, -260.0, -400.0], [260.0, 260.0, 400.0]];

/// Anatomical variation and textures.
struct Body {
    wobble: Texture,
    septa: Texture,
    grain: Texture,
    spine: Spine,
}

/// The middle of the chest's depth at height z.
fn centre_y(z: f32) -> f32 {
    let up = ((z + 60.0) / 180.0).max(0.0);
    4.0 + 20.0 * up * up
}

/// The distance from the inner surface of the rib cage.
pub(crate) fn cage(p: P) -> f32 {
    let [a, b, c] = [136.0, 90.0, 178.0];
    let (x, y, z) = (
        p[0] / a,
        (p[1] - centre_y(p[2])) / b,
        (p[2] + 60.0).max(0.0) / c,
    );
    let (x2, y2, z2) = (x * x, y * y, z * z);
    let round = (x2 + y2 + z2).sqrt();
    let square = (x2 * x2 + y2 * y2 + z2 * z2).sqrt().sqrt();
    let level = lerp(round, square, 0.35);
    let (x, y, z) = (x / a, y / b, z / c);
    let slope = (x * x + y * y + z * z).sqrt().max(1e-6);
    ((level - 1.0) * round / slope).max(-90.0)
}

/// The upper surface of the diaphragm.
fn diaphragm(p: P) -> f32 {
    let dome = |x: f32, y: f32, top: f32, wide: f32| {
        let (u, v) = ((p[0] - x) / wide, (p[1] - y) / 92.0);
        let v2 = v * v * if v > 0.0 { 1.25 } else { 0.75 };
        top - 58.0 * u * u - 56.0 * v2
    };
    let high = -either(
        -dome(-66.0, -4.0, -66.0, 80.0),
        -dome(64.0, -4.0, -82.0, 80.0),
        14.0,
    );
    -either(-high, -dome(4.0, -30.0, -92.0, 62.0), 16.0)
}

fn pericardium(p: P) -> f32 {
    let q = sub(p, [18.0, -30.0, -40.0]);
    // the long axis points to the left, down and to the front
    let (s, c) = (0.42, 0.9075);
    let [x, z] = [c * q[0] - s * q[2], s * q[0] + c * q[2]];
    ellipsoid([x, q[1] + 0.12 * x, z], [62.0, 43.0, 50.0])
}

/// One lung.
#[derive(Clone)]
pub(crate) struct Lung {
    body: Arc<Body>,
    /// 1 is the patient's left.
    side: f32,
}

impl Lung {
    /// The distance from its surface.
    pub(crate) fn distance(&self, p: P) -> f32 {
        let shell = cage(p) + 3.0;
        let x = self.side * p[0];
        if shell > 12.0 || x < -10.0 {
            return shell.max(12.0 - x);
        }
        let n = self.body.wobble.at(p);
        // the mediastinum: wide at the roots of the lungs, narrow in front of and beside the spine
        let front = smoothstep(-30.0, -72.0, p[1]);
        let behind = smoothstep(38.0, 62.0, p[1]);
        let root = 6.0 * (1.0 - smoothstep(20.0, 60.0, (p[2] - 20.0).abs()));
        let wall = 27.0 + root - 20.0 * front - 6.0 * behind + 1.5 * n;
        let d = both(shell, wall - x, 8.0);
        let d = both(d, diaphragm(p) + 2.0 - p[2] + 1.5 * n, 7.0);
        let d = both(d, 2.5 - pericardium(p), 7.0);
        let d = both(d, 4.0 - self.body.spine.column(p), 7.0);
        if self.side > 0.0 {
            // the descending aorta lies in the left lung's bed
            let (u, v) = (p[0] - 21.0, p[1] - 44.0);
            let end = 0.4 * (p[2] - 46.0).max(0.0);
            return both(d, 15.0 - end - (u * u + v * v).sqrt(), 6.0);
        }
        d
    }

    /// The box that holds it.
    pub(crate) fn bounds(&self) -> [[f64; 3]; 2] {
        if self.side > 0.0 {
            [[0.0, -92.0, -200.0], [136.0, 100.0, 120.0]]
        } else {
            [[-136.0, -92.0, -200.0], [0.0, 100.0, 120.0]]
        }
    }

    /// The fissures: thin sheets between the lobes.
    fn fissures(&self, p: P) -> f32 {
        let n = 3.0
            * self
                .body
                .wobble
                .at([p[0] * 0.5, p[1] * 0.5, p[2] * 0.5 + 40.0]);
        // from high behind to low in front
        let oblique = (0.55 * p[1] - 0.835 * p[2] - 12.0 + n).abs() - 0.45;
        let d = if self.side < 0.0 {
            let flat = (p[2] - 2.0 + 0.08 * p[1] + n).abs() - 0.45;
            oblique.min(flat.max(0.55 * p[1] - 0.835 * p[2] - 12.0))
        } else {
            oblique
        };
        if d > 2.0 {
            return d;
        }
        d.max(self.distance(p) + 0.5)
    }
}

/// Labels of a layer: anatomy, lungs, nodules. What is not in the lungs clears that map.
fn mark(anatomy: u8) -> Labels {
    vec![Some(anatomy), Some(0), None]
}

/// Labels of what may lie in a lung, which stays a lung.
fn within(anatomy: u8) -> Labels {
    vec![Some(anatomy), None, None]
}

impl Chest {
    pub(crate) fn new(wishes: &Wishes) -> Self {
        let draw = |what: &str| stream(wishes.seed, wishes.kind, what);
        let textures = draw("textures");
        let spine = Spine {
            y: Arc::new(|z| {
                55.0 - 14.0 * smoothstep(40.0, 170.0, z) - 8.0 * smoothstep(-60.0, -170.0, z)
            }),
            middle: 0.0,
            period: 25.0,
            radii: [17.0, 14.5],
            reach: 31.0,
            low: -420.0,
            high: 420.0,
        };
        let body = Arc::new(Body {
            wobble: Texture::new(&textures, "wobble", 60.0),
            septa: Texture::new(&textures, "septa", 22.0),
            grain: Texture::new(&textures, "grain", 7.0),
            spine: spine.clone(),
        });
        let right = Lung {
            body: body.clone(),
            side: -1.0,
        };
        let left = Lung {
            body: body.clone(),
            side: 1.0,
        };
        let blood = if wishes.contrast { 230.0 } else { 42.0 };
        let heart = if wishes.contrast { 110.0 } else { 45.0 };
        let vessels = if wishes.contrast { 120.0 } else { 38.0 };
        let liver = if wishes.contrast { 95.0 } else { 58.0 };
        let spleen = if wishes.contrast { 115.0 } else { 50.0 };
        let mut chest = Self {
            scene: Scene {
                background: AIR as f32,
                maps: 3,
                layers: Vec::new(),
            },
            nodules: Vec::new(),
            materials: vec![
                ("air", AIR),
                ("skin", SKIN_HU),
                ("fat", FAT_HU),
                ("muscle", MUSCLE_HU),
                ("lung at y = 0", LUNG),
                ("lung vessels", vessels),
                ("heart muscle", heart),
                ("blood", blood),
                ("cortical bone", CORTEX),
                ("spongy bone", MARROW),
                ("cartilage and discs", CARTILAGE),
                ("liver", liver),
                ("spleen", spleen),
                ("wall of the stomach", STOMACH_WALL),
                ("contents of the stomach", STOMACH_CONTENTS),
                ("wall of the oesophagus", OESOPHAGUS_WALL),
                ("contents of the oesophagus", OESOPHAGUS_CONTENTS),
                ("wall of the airways", AIRWAY_WALL),
                ("spinal fluid", SPINAL_FLUID),
                ("spinal cord", CORD),
                ("solid nodule", SOLID),
                ("ground-glass nodule", GROUND_GLASS),
            ],
            metal: None,
            right,
            left,
        };
        if wishes.table {
            chest.table();
            chest.materials.push(("shell of the table", TABLE_HU));
            chest.materials.push(("foam of the table", FOAM_HU));
        }
        chest.wall(&body, wishes.texture as f32);
        chest.belly(liver, spleen);
        chest.middle(heart, blood);
        chest.skeleton(&spine);
        chest.lungs(&body, wishes.texture as f32);
        chest.nodules = chest.place_nodules(wishes.nodules, &mut draw("nodules"));
        chest.paint_nodules(|kind| kind == "ground-glass" || kind == "part-solid", false);
        chest.trees(vessels, &mut draw("vessels"), &mut draw("airways"));
        chest.paint_nodules(|kind| kind == "solid" || kind == "pleural", false);
        chest.paint_nodules(|kind| kind == "part-solid", true);
        if wishes.metal {
            chest.metal();
            chest.materials.push(("metal", METAL_HU));
        }
        chest
    }

    fn put(&mut self, shapes: Vec<Shape>, fill: impl Into<Fill>, labels: &Labels) {
        self.scene.push(Layer::new(shapes, fill, labels));
    }

    fn table(&mut self) {
        let slab = Shape::field([[-215.0, -40.0, -400.0], [215.0, 170.0, 400.0]], |p| {
            let (x, y) = (p[0], p[1] + 223.0);
            let r = (x * x + y * y).sqrt();
            both((r - 357.0).abs() - 10.0, x.abs() - 205.0, 6.0)
        });
        let layer = Layer::new(vec![slab], TABLE_HU, &[Some(TABLE), None, None]);
        self.scene.push(layer.band(2.2, FOAM_HU, &[]));
    }

    /// Skin, fat and muscle; fat fills the cage until something else does.
    fn wall(&mut self, body: &Arc<Body>, texture: f32) {
        let outline = |p: P| {
            let up = smoothstep(112.0, 175.0, p[2]);
            let a = 163.0 + 3.0 * smoothstep(-150.0, 40.0, p[2]) - 66.0 * up;
            let b = 117.0 - 34.0 * up;
            let spine = smoothstep(26.0, 0.0, p[0].abs()) * smoothstep(40.0, 100.0, p[1]);
            oval(p[0], p[1] - 4.0 - 10.0 * up, a, b, 0.45) + 3.5 * spine
        };
        let skin = Shape::field(ALL, outline);
        let layer = Layer::new(vec![skin], SKIN_HU, &mark(SKIN));
        self.scene.push(layer.band(2.0, FAT_HU, &mark(FAT)));
        let other = body.clone();
        let muscle = Shape::field(ALL, move |p| {
            let front = 5.0 * smoothstep(20.0, -90.0, p[1]);
            let thick = 8.0 + front + 5.0 * smoothstep(-40.0, -150.0, p[2]);
            let (skin, inner) = (outline(p), 2.0 - cage(p));
            // far from both edges their unevenness does not show
            if skin > 4.0 || inner > 4.0 {
                return skin.max(inner);
            }
            (skin + thick + 1.6 * other.wobble.at(p)).max(inner)
        });
        let other = body.clone();
        let flesh = Fill::Varying(Box::new(move |p| {
            // sheets of fat between the muscles
            let sheet = other.septa.at([p[0], p[1], 0.45 * p[2]]).abs();
            let fat = texture * smoothstep(0.16, 0.02, sheet) * smoothstep(9.0, 14.0, cage(p));
            lerp(MUSCLE_HU as f32, FAT_HU as f32, 0.5 * fat)
        }));
        let flesh = if texture > 0.0 {
            flesh
        } else {
            MUSCLE_HU.into()
        };
        self.put(vec![muscle], flesh, &mark(MUSCLE));
        let armpits = [-1.0, 1.0].map(|side| {
            let turn = Affine::rotation([0.0, 1.0, 0.0], side * 14.0);
            Shape::turned([side * 122.0, 14.0, 92.0], [17.0, 30.0, 46.0], turn)
        });
        self.put(armpits.into(), FAT_HU, &mark(FAT));
    }

    /// The diaphragm and what lies under it.
    fn belly(&mut self, liver: f64, spleen: f64) {
        let below = |p: P, by: f32| (cage(p) + by).max(p[2] - diaphragm(p) + by);
        let bounds = [[-140.0, -95.0, -400.0], [140.0, 110.0, -55.0]];
        let muscle = Shape::field(bounds, move |p| {
            let d = below(p, 0.0);
            d.max(-d - 3.0)
        });
        self.put(vec![muscle], MUSCLE_HU, &mark(MUSCLE));
        let shape = Shape::field(bounds, move |p| {
            let d = both(below(p, 3.2), p[0] - 52.0 + 0.25 * (p[1] + 40.0), 22.0);
            both(d, p[1] - 34.0 - 0.5 * (-p[0] - 25.0).max(0.0), 14.0)
        });
        self.put(vec![shape], liver, &mark(LIVER));
        let shape = Shape::field(bounds, move |p| {
            both(
                ellipsoid(sub(p, [98.0, 44.0, -126.0]), [34.0, 42.0, 44.0]),
                below(p, 5.0),
                6.0,
            )
        });
        self.put(vec![shape], spleen, &mark(SPLEEN));
        let stomach = move |p: P| {
            let d = ellipsoid(sub(p, [68.0, -22.0, -134.0]), [42.0, 44.0, 50.0]);
            both(d, below(p, 5.0), 8.0)
        };
        let shape = Shape::field(bounds, stomach);
        let layer = Layer::new(vec![shape], STOMACH_WALL, &mark(STOMACH));
        self.scene
            .push(layer.band(4.0, STOMACH_CONTENTS, &mark(STOMACH)));
        // a lying patient's gas is in front
        let shape = Shape::field(bounds, move |p| (stomach(p) + 4.0).max(p[1] + 34.0));
        self.put(vec![shape], AIR, &mark(GAS));
    }

    /// The heart, great vessels and oesophagus.
    fn middle(&mut self, heart: f64, blood: f64) {
        let bounds = [[-60.0, -90.0, -115.0], [95.0, 30.0, 30.0]];
        let shape = Shape::field(bounds, |p| pericardium(p) + 4.0);
        self.put(vec![shape], heart, &mark(HEART));
        let turn =
            Affine::rotation([0.0, 1.0, 0.0], 25.0) * Affine::rotation([0.0, 0.0, 1.0], -28.0);
        let rooms = vec![
            // left ventricle, right ventricle, left atrium, right atrium
            Shape::turned([38.0, -27.0, -48.0], [30.0, 17.0, 17.0], turn),
            Shape::turned([14.0, -51.0, -50.0], [34.0, 12.0, 22.0], turn),
            Shape::ellipsoid([8.0, -3.0, -22.0], [29.0, 13.0, 17.0]),
            Shape::ellipsoid([-20.0, -30.0, -38.0], [16.0, 21.0, 26.0]),
        ];
        self.put(rooms, blood, &mark(BLOOD));
        let aorta = [
            ([4.0, -26.0, -22.0], 14.0),
            ([-10.0, -32.0, 10.0], 14.5),
            ([-13.0, -28.0, 38.0], 14.0),
            ([-7.0, -16.0, 56.0], 13.5),
            ([6.0, 4.0, 64.0], 13.0),
            ([16.0, 24.0, 60.0], 12.5),
            ([21.0, 38.0, 46.0], 12.0),
            ([22.0, 43.0, 20.0], 11.5),
            ([20.0, 44.0, -60.0], 11.0),
            ([10.0, 36.0, -130.0], 10.0),
            ([4.0, 28.0, -400.0], 9.0),
        ];
        let branches = [
            [
                ([-8.0, -14.0, 62.0], 6.5),
                ([-16.0, -12.0, 95.0], 6.0),
                ([-34.0, -6.0, 165.0], 5.0),
            ],
            [
                ([4.0, 0.0, 66.0], 4.0),
                ([11.0, -2.0, 100.0], 3.8),
                ([24.0, -2.0, 175.0], 3.5),
            ],
            [
                ([14.0, 16.0, 66.0], 5.0),
                ([24.0, 12.0, 96.0], 4.8),
                ([44.0, 0.0, 150.0], 4.5),
            ],
        ];
        let pulmonary = [
            ([26.0, -50.0, -14.0], 13.0),
            ([22.0, -34.0, 14.0], 13.0),
            ([14.0, -16.0, 30.0], 12.5),
        ];
        let pulmonary_branches = [
            [
                ([14.0, -16.0, 30.0], 11.0),
                ([-16.0, -8.0, 24.0], 10.0),
                ([-46.0, 4.0, 14.0], 8.5),
            ],
            [
                ([14.0, -16.0, 30.0], 11.0),
                ([32.0, 4.0, 30.0], 10.0),
                ([48.0, 14.0, 20.0], 8.5),
            ],
            // the veins of the lungs into the left atrium
            [
                ([-2.0, -3.0, -20.0], 8.0),
                ([-24.0, 0.0, -10.0], 7.0),
                ([-46.0, 4.0, 0.0], 6.0),
            ],
            [
                ([16.0, -2.0, -20.0], 8.0),
                ([34.0, 4.0, -6.0], 7.0),
                ([50.0, 8.0, 2.0], 6.0),
            ],
        ];
        let veins = [
            [
                ([-22.0, -26.0, -14.0], 9.0),
                ([-27.0, -20.0, 40.0], 9.0),
                ([-27.0, -20.0, 84.0], 8.0),
            ],
            [
                ([-27.0, -20.0, 84.0], 7.0),
                ([-36.0, -18.0, 110.0], 7.0),
                ([-46.0, -10.0, 165.0], 6.5),
            ],
            [
                ([-26.0, -20.0, 78.0], 7.0),
                ([8.0, -26.0, 92.0], 6.5),
                ([40.0, -16.0, 130.0], 6.5),
            ],
            [
                ([-24.0, -14.0, -50.0], 12.0),
                ([-24.0, 8.0, -96.0], 12.0),
                ([-20.0, 22.0, -400.0], 11.0),
            ],
        ];
        let mut shapes = Shape::chain(&aorta);
        shapes.extend(Shape::chain(&pulmonary));
        for chain in branches.iter().chain(&pulmonary_branches).chain(&veins) {
            shapes.extend(Shape::chain(chain));
        }
        self.put(shapes, blood, &mark(BLOOD));
        let gullet = [
            ([-3.0, 28.0, 400.0], 7.0),
            ([4.0, 30.0, 90.0], 7.0),
            ([4.0, 33.0, 20.0], 7.0),
            ([2.0, 28.0, -60.0], 7.5),
            ([14.0, 18.0, -100.0], 8.0),
            ([40.0, 2.0, -122.0], 9.0),
        ];
        let layer = Layer::new(Shape::chain(&gullet), OESOPHAGUS_WALL, &mark(OESOPHAGUS));
        self.scene.push(layer.band(5.6, OESOPHAGUS_CONTENTS, &[]));
    }

    fn skeleton(&mut self, spine: &Spine) {
        let bone = mark(BONE);
        let solid = |shapes: Vec<Shape>, shell: f32| {
            Layer::new(shapes, CORTEX, &bone).band(shell, MARROW, &[])
        };
        self.put(vec![spine.discs()], CARTILAGE, &mark(DISC));
        let centre = |z: f64| f64::from(centre_y(z as f32));
        let mut ribs = Vec::new();
        let mut cartilage = Vec::new();
        for i in 0..12_i32 {
            let number = f64::from(i);
            let to_deg = match i {
                0..=6 => 138.0 - 1.5 * number,
                7..=9 => 124.0 - 6.0 * (number - 7.0),
                _ => 84.0 - 22.0 * (number - 10.0),
            };
            for side in [-1.0, 1.0] {
                let rib = Rib {
                    side,
                    z: 108.0 - 25.0 * number,
                    drop: 34.0 + 8.0 * number.min(7.0),
                    to_deg,
                };
                let points = rib.points([12.0, rib.to_deg], &cage, &centre, 5.5);
                ribs.extend(ribbon(&points, 4.2));
                if i < 8 {
                    let points = rib.points([rib.to_deg, 176.0 - number], &cage, &centre, 5.5);
                    cartilage.extend(ribbon(&points, 4.0));
                }
            }
        }
        self.put(cartilage, CARTILAGE, &mark(DISC));
        self.scene.push(solid(ribs, 1.5));
        let mut backbone = spine.arches();
        backbone.push(spine.bodies());
        self.scene.push(solid(backbone, 1.5));
        self.put(vec![spine.canal(0.0)], SPINAL_FLUID, &mark(CANAL));
        self.put(vec![spine.canal(3.5)], CORD, &mark(CANAL));
        // the breastbone, in front of the cage
        let mut front = Vec::new();
        for i in 0..12_i32 {
            let z = 82.0 - 11.0 * f64::from(i);
            let rib = Rib {
                side: 1.0,
                z,
                drop: 0.0,
                to_deg: 180.0,
            };
            front.extend(
                rib.points([180.0, 180.0], &cage, &centre, 6.0)
                    .first()
                    .copied(),
            );
        }
        let flat = [0.36, 1.0, 1.0];
        let plate = |w: &[[f64; 3]]| Shape::flat_tube(w[0], w[1], [5.5; 2], flat);
        self.scene
            .push(solid(front.windows(2).map(plate).collect(), 1.3));
        let mut girdle = Vec::new();
        for side in [-1.0, 1.0] {
            // collarbones, shoulder blades with their spines
            let collar = [
                ([side * 22.0, -66.0, 96.0], 6.5),
                ([side * 62.0, -62.0, 112.0], 5.5),
                ([side * 104.0, -34.0, 124.0], 5.5),
                ([side * 134.0, -8.0, 132.0], 6.5),
            ];
            girdle.extend(Shape::chain(&collar));
            let turn = Affine::rotation([0.0, 0.0, 1.0], -side * 38.0)
                * Affine::rotation([1.0, 0.0, 0.0], 10.0);
            girdle.push(Shape::turned(
                [side * 97.0, 82.0, 62.0],
                [40.0, 3.6, 58.0],
                turn,
            ));
            let crest = [
                ([side * 70.0, 104.0, 84.0], 4.0),
                ([side * 124.0, 72.0, 104.0], 5.5),
            ];
            girdle.extend(Shape::chain(&crest));
        }
        self.scene.push(solid(girdle, 1.4));
    }

    fn lungs(&mut self, body: &Arc<Body>, texture: f32) {
        for (lung, anatomy, label) in [(&self.right, RIGHT_LUNG, 1), (&self.left, LEFT_LUNG, 2)] {
            let inside = lung.clone();
            let shape = Shape::field(lung.bounds(), move |p| inside.distance(p));
            let grain = body.clone();
            let fill = Fill::Varying(Box::new(move |p| {
                let fine = if texture > 0.0 {
                    14.0 * grain.grain.at(p) + 9.0 * grain.septa.at(p)
                } else {
                    0.0
                };
                LUNG as f32 + GRAVITY * p[1] + texture * fine
            }));
            self.scene.layers.push(Layer::new(
                vec![shape],
                fill,
                &[Some(anatomy), Some(label), None],
            ));
            let inside = lung.clone();
            let shape = Shape::field(lung.bounds(), move |p| inside.fissures(p));
            self.scene.layers.push(Layer::new(vec![shape], -560.0, &[]));
        }
    }

    /// Arteries, veins and airways.
    fn trees(&mut self, vessels: f64, blood: &mut Stream, air: &mut Stream) {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut airways: Vec<Piece> = vec![
            Piece {
                ends: [[0.0, 10.0, 400.0], [0.0, 12.0, 100.0]],
                radii: [9.0, 9.0],
            },
            Piece {
                ends: [[0.0, 12.0, 100.0], [-1.0, 18.0, 46.0]],
                radii: [9.0, 8.6],
            },
        ];
        for (lung, side) in [(&self.right, -1.0), (&self.left, 1.0)] {
            let inside = |p: P| lung.distance(p);
            let at = |x: f64, y: f64, z: f64| [side * x, y, z];
            let (artery, vein) = (at(47.0, 8.0, 16.0), at(48.0, 5.0, 1.0));
            for (root, ends) in [(artery, 760), (vein, 560)] {
                let growth = Growth {
                    root,
                    ends,
                    bounds: lung.bounds(),
                    tip_mm: 0.66,
                    directness: 0.42,
                };
                pieces.extend(grow(&growth, blood, inside));
            }
            let hilum = if side < 0.0 {
                at(34.0, 16.0, 22.0)
            } else {
                at(42.0, 20.0, 14.0)
            };
            let wide = if side < 0.0 { 7.4 } else { 6.6 };
            airways.push(Piece {
                ends: [[-1.0, 18.0, 46.0], hilum],
                radii: [7.8, wide],
            });
            let growth = Growth {
                root: hilum,
                ends: 46,
                bounds: lung.bounds(),
                tip_mm: 1.05,
                directness: 0.5,
            };
            airways.extend(grow(&growth, air, |p| inside(p) + 8.0));
        }
        let shapes = pieces.iter().map(|piece| piece.shape(1.0, 0.0)).collect();
        self.put(shapes, vessels, &within(VESSELS));
        let walls = airways.iter().map(|piece| piece.shape(1.12, 0.8)).collect();
        self.put(walls, AIRWAY_WALL, &within(WALL));
        let lumen = airways.iter().map(|piece| piece.shape(1.0, 0.0)).collect();
        self.put(lumen, AIR, &within(LUMEN));
    }

    /// Draws nodules of every kind, apart from each other: solid, ground-glass and part-solid ones
    /// inside the lungs, pleural ones on the chest wall.
    fn place_nodules(&self, count: usize, draw: &mut Stream) -> Vec<Nodule> {
        let mut nodules: Vec<Nodule> = Vec::new();
        for i in 0..count {
            let kind = crate::NODULE_KINDS[i % crate::NODULE_KINDS.len()];
            // sizes over the whole range, small and large alternating
            let share = (i as f64 * 0.618_034 + 0.35).fract();
            let diameter = (4.0 + 16.0 * share + draw.uniform(-0.4, 0.4)).clamp(4.0, 20.0);
            let diameter = if kind == "part-solid" {
                diameter.max(9.0)
            } else {
                diameter
            };
            let core = (kind == "part-solid").then(|| draw.uniform(0.4, 0.55) * diameter);
            for _ in 0..4000 {
                let lung = if draw.happens(0.54) {
                    &self.right
                } else {
                    &self.left
                };
                let [low, high] = lung.bounds();
                let p = [0, 1, 2].map(|k| draw.uniform(low[k].max(-110.0), high[k]));
                let centre = match kind {
                    "pleural" => touching(lung, p, 0.5 * diameter),
                    _ => {
                        let room = f64::from(lung.distance(p.map(|v| v as f32)));
                        (room < -0.5 * diameter - 3.0).then_some(p)
                    }
                };
                let Some(centre) = centre else { continue };
                let apart = |other: &Nodule| {
                    let gap = norm([0, 1, 2].map(|k| other.centre[k] - centre[k]));
                    gap > 0.5 * (other.diameter + diameter) + 6.0
                };
                if nodules.iter().all(apart) {
                    nodules.push(Nodule {
                        kind,
                        centre,
                        diameter,
                        core,
                    });
                    break;
                }
            }
        }
        nodules
    }

    fn paint_nodules(&mut self, of: impl Fn(&str) -> bool, core: bool) {
        for (i, nodule) in self.nodules.clone().iter().enumerate() {
            if !of(nodule.kind) {
                continue;
            }
            let label = u8::try_from(i + 1).ok();
            let labels = [Some(NODULE), None, label];
            let solid = core || nodule.core.is_none() && nodule.kind != "ground-glass";
            let fill = if solid { SOLID } else { GROUND_GLASS };
            let diameter = if core {
                nodule.core.unwrap_or_default()
            } else {
                nodule.diameter
            };
            self.put(
                vec![Shape::sphere(nodule.centre, 0.5 * diameter)],
                fill,
                &labels.to_vec(),
            );
        }
    }

    /// A pacemaker under the left collarbone, with a lead into the heart.
    fn metal(&mut self) {
        let can = [84.0, -88.0, 62.0];
        let turn = Affine::rotation([0.0, 0.0, 1.0], 35.0);
        let lead = [
            ([84.0, -88.0, 74.0], 1.2),
            ([60.0, -62.0, 104.0], 1.2),
            ([10.0, -26.0, 92.0], 1.2),
            ([-25.0, -20.0, 70.0], 1.2),
            ([-24.0, -24.0, 0.0], 1.2),
            ([-8.0, -44.0, -50.0], 1.2),
            ([30.0, -52.0, -64.0], 1.8),
        ];
        let mut shapes = Shape::chain(&lead);
        shapes.push(Shape::turned(can, [22.0, 4.5, 19.0], turn));
        self.put(shapes, METAL_HU, &within(METAL));
        self.metal = Some(can);
    }
}

/// The centre of a ball that touches the wall of the chest, a third of its radius in the wall, on
/// the way from `p` outwards; `None` where the wall is not that of the chest.
fn touching(lung: &Lung, p: [f64; 3], radius: f64) -> Option<[f64; 3]> {
    let start = p.map(|v| v as f32);
    if lung.distance(start) > -8.0 {
        return None;
    }
    let middle = f64::from(centre_y(start[2]));
    let out = unit([p[0], p[1] - middle, 0.0]).map(|v| v as f32);
    let depth = |t: f32| lung.distance(along(start, t, out));
    let target = (-0.67 * radius) as f32;
    let [mut low, mut high] = [0.0_f32, 150.0];
    for _ in 0..40 {
        let half = 0.5 * (low + high);
        if depth(half) < target {
            low = half;
        } else {
            high = half;
        }
    }
    let found = along(start, low, out);
    let on_wall = (cage(found) + 3.0 - lung.distance(found)).abs() < 0.5;
    let fair = on_wall && found[2] < 80.0 && length(sub(found, start)) > 1.0;
    fair.then(|| found.map(f64::from))
}
