//! The spine and ribs, for the chest and the abdomen.

use std::sync::Arc;

use voxprep_core::kernels::trigonometry::sin_cos_degrees;

use crate::maths::{P, both, oval, single, smoothstep};
use crate::scene::Shape;

/// Cortical bone, HU.
pub(crate) const CORTEX: f64 = 520.0;
/// Spongy bone with marrow, HU.
pub(crate) const MARROW: f64 = 170.0;
/// Discs and rib cartilage, HU.
pub(crate) const CARTILAGE: f64 = 90.0;
/// The fluid about the cord, HU.
pub(crate) const SPINAL_FLUID: f64 = 12.0;
/// The spinal cord, HU.
pub(crate) const CORD: f64 = 42.0;

/// A column of vertebrae. `y` is where the middle of the bodies lies at height z.
#[derive(Clone)]
pub(crate) struct Spine {
    pub(crate) y: Arc<dyn Fn(f32) -> f32 + Send + Sync>,
    /// The height of the middle of one vertebral body, mm.
    pub(crate) middle: f32,
    /// From one vertebra to the next, mm.
    pub(crate) period: f32,
    /// Half the width and depth of a body, mm.
    pub(crate) radii: [f32; 2],
    /// How far transverse processes reach from the midline, mm.
    pub(crate) reach: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// From the middle of the bodies back to that of the canal, beyond their radius.
const CANAL: f32 = 9.0;

impl Spine {
    /// Where the body is in its period: 0 in the middle, mm.
    fn height(&self, z: f32) -> f32 {
        let t = (z - self.middle) / self.period + 0.5;
        (t - t.floor() - 0.5) * self.period
    }

    fn bounds(&self) -> [[f64; 3]; 2] {
        let [mut low, mut high] = [f64::INFINITY, f64::NEG_INFINITY];
        let mut z = self.low;
        while z <= self.high {
            let y = f64::from((self.y)(z as f32));
            (low, high) = (low.min(y), high.max(y));
            z += 5.0;
        }
        let [a, b] = self.radii.map(f64::from);
        [
            [-a - 2.0, low - b - 2.0, self.low],
            [a + 2.0, high + b + 40.0, self.high],
        ]
    }

    /// The distance from the column of bodies and discs.
    pub(crate) fn column(&self, p: P) -> f32 {
        oval(
            p[0],
            p[1] - (self.y)(p[2]),
            self.radii[0],
            self.radii[1],
            0.25,
        )
    }

    pub(crate) fn bodies(&self) -> Shape {
        let spine = self.clone();
        Shape::field(self.bounds(), move |p| {
            let h = spine.height(p[2]);
            let half = 0.5 * spine.period - 2.6;
            let waist = 1.6 * (1.0 - smoothstep(0.0, half, h.abs()));
            both(spine.column(p) + waist, h.abs() - half, 3.0)
        })
    }

    pub(crate) fn discs(&self) -> Shape {
        let spine = self.clone();
        Shape::field(self.bounds(), move |p| {
            let gap = 0.5 * spine.period - 3.4 - spine.height(p[2]).abs();
            both(spine.column(p) + 1.0, gap, 2.0)
        })
    }

    fn canal_distance(&self, p: P) -> f32 {
        let y = p[1] - (self.y)(p[2]) - self.radii[1] - CANAL;
        oval(p[0], y, 11.0, 8.5, 0.0)
    }

    pub(crate) fn canal(&self, inset: f32) -> Shape {
        let spine = self.clone();
        Shape::field(self.bounds(), move |p| spine.canal_distance(p) + inset)
    }

    /// Arches with spinous, transverse and articular processes.
    pub(crate) fn arches(&self) -> Vec<Shape> {
        let spine = self.clone();
        let mut shapes = vec![Shape::field(self.bounds(), move |p| {
            let canal = spine.canal_distance(p);
            let ring = (canal - 2.5).abs() - 2.5;
            let h = spine.height(p[2]) + 2.0;
            // pedicles in front are lower than laminae behind
            let y = p[1] - (spine.y)(p[2]) - spine.radii[1] - CANAL;
            let half = 6.0 + 4.0 * smoothstep(-2.0, 8.0, y);
            both(ring, h.abs() - half, 2.0)
        })];
        let first = ((self.low - f64::from(self.middle)) / f64::from(self.period)).ceil() as i32;
        for level in first..first + 40 {
            let z = f64::from(self.middle) + f64::from(level) * f64::from(self.period);
            if z > self.high {
                break;
            }
            let y = f64::from((self.y)(z as f32) + self.radii[1] + CANAL);
            let tip = z - 0.55 * f64::from(self.period);
            let flat = [1.6, 1.0, 0.75];
            shapes.push(Shape::flat_tube(
                [0.0, y + 11.0, z - 2.0],
                [0.0, y + 27.0, tip],
                [4.5, 4.0],
                flat,
            ));
            for side in [-1.0, 1.0] {
                let root = [side * 12.0, y + 2.0, z];
                let end = [side * self.reach, y + 7.0, z + 3.0];
                shapes.push(Shape::tube(root, end, [4.5, 3.8]));
                let joint = [side * 14.0, y + 6.0, z - 6.0];
                shapes.push(Shape::tube(
                    joint,
                    [side * 13.0, y + 6.0, z + 6.0],
                    [4.5, 4.0],
                ));
            }
        }
        shapes
    }
}

/// The way of one rib, from the spine round to the front, on the surface of `cage` (a distance whose
/// axis is the z axis), `outside` mm off it.
pub(crate) struct Rib {
    /// 1 is the patient's left.
    pub(crate) side: f64,
    /// The height at the spine, mm.
    pub(crate) z: f64,
    /// How much lower the front is, mm.
    pub(crate) drop: f64,
    /// Where it ends, degrees from the back.
    pub(crate) to_deg: f64,
}

impl Rib {
    /// Points every few degrees from `from_deg` to `to_deg`; none where there is no cage.
    pub(crate) fn points(
        &self,
        [from_deg, to_deg]: [f64; 2],
        cage: &dyn Fn(P) -> f32,
        centre_y: &dyn Fn(f64) -> f64,
        outside: f64,
    ) -> Vec<[f64; 3]> {
        let steps = 26;
        let mut points = Vec::new();
        for i in 0..=steps {
            let angle = from_deg + (to_deg - from_deg) * f64::from(i) / f64::from(steps);
            let (sin, cos) = sin_cos_degrees(angle);
            let z = self.z - self.drop * 0.5 * (1.0 - cos);
            let at = |r: f64| [self.side * r * sin, centre_y(z) + r * cos, z];
            if f64::from(cage(single(at(0.0)))) > outside {
                continue;
            }
            let [mut low, mut high] = [0.0, 250.0];
            for _ in 0..30 {
                let middle = 0.5 * (low + high);
                if f64::from(cage(single(at(middle)))) < outside {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            points.push(at(low));
        }
        points
    }
}

/// Flattened tubes through points: 12 mm high where a tube of `radius` 4 is 8 mm thick.
pub(crate) fn ribbon(points: &[[f64; 3]], radius: f64) -> Vec<Shape> {
    let flat = [1.0, 1.0, 0.66];
    points
        .windows(2)
        .map(|w| Shape::flat_tube(w[0], w[1], [radius; 2], flat))
        .collect()
}
