//! From where a scene is seen.

use voxprep_kernels::trigonometry::sin_cos_degrees;

use crate::error::{Error, Result};

/// A direction from which a scene is seen, in LPS+. Distance means nothing: the view is
/// orthographic and fits the scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// From the scene to the camera, of any length.
    pub from: [f64; 3],
    /// What is up in the picture, of any length, not along `from`.
    pub up: [f64; 3],
}

impl Camera {
    /// Face to face: the patient's left is right in the picture.
    pub const ANTERIOR: Self = Self::new([0.0, -1.0, 0.0], [0.0, 0.0, 1.0]);
    /// From behind.
    pub const POSTERIOR: Self = Self::new([0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
    /// From the patient's left.
    pub const LEFT: Self = Self::new([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]);
    /// From the patient's right.
    pub const RIGHT: Self = Self::new([-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]);
    /// From above, the face up in the picture.
    pub const SUPERIOR: Self = Self::new([0.0, 0.0, 1.0], [0.0, -1.0, 0.0]);
    /// From the feet, the face up in the picture, as axial slices are shown.
    pub const INFERIOR: Self = Self::new([0.0, 0.0, -1.0], [0.0, -1.0, 0.0]);

    const fn new(from: [f64; 3], up: [f64; 3]) -> Self {
        Self { from, up }
    }

    /// From a direction between these: 0 degrees of azimuth are anterior, 90 the patient's left,
    /// 180 posterior; elevation goes from -90 (feet) to 90 (head), superior being up.
    pub fn oblique(azimuth_deg: f64, elevation_deg: f64) -> Self {
        let (sin_a, cos_a) = sin_cos_degrees(azimuth_deg);
        let (sin_e, cos_e) = sin_cos_degrees(elevation_deg);
        Self::new(
            [sin_a * cos_e, -cos_a * cos_e, sin_e],
            [-sin_a * sin_e, cos_a * sin_e, cos_e],
        )
    }

    /// The unit vectors to the right of the picture, to its top, and to the camera.
    pub(super) fn axes(&self) -> Result<[[f64; 3]; 3]> {
        let refused = || {
            Error::parameter(
                "camera",
                format!("{self:?} has no direction"),
                "give finite vectors that are not 0 and not along one line",
            )
        };
        let back = unit(self.from).ok_or_else(refused)?;
        let up = unit(self.up).ok_or_else(refused)?;
        let right = unit(cross(up, back)).ok_or_else(refused)?;
        Ok([right, cross(back, right), back])
    }
}

fn unit(v: [f64; 3]) -> Option<[f64; 3]> {
    let length = (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt();
    (length > 1e-9 && length < f64::INFINITY).then(|| v.map(|x| x / length))
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_from_the_front_or_the_feet_the_left_of_the_patient_is_right_in_the_picture() {
        let left = [1.0, 0.0, 0.0];
        assert_eq!(Camera::ANTERIOR.axes().unwrap()[0], left);
        assert_eq!(Camera::INFERIOR.axes().unwrap()[0], left);
        assert_eq!(Camera::SUPERIOR.axes().unwrap()[0], [-1.0, 0.0, 0.0]);
        assert_eq!(Camera::LEFT.axes().unwrap()[0], [0.0, 1.0, 0.0]);
    }

    #[test]
    fn oblique_views_meet_the_named_ones() {
        for (azimuth, named) in [(0.0, Camera::ANTERIOR), (90.0, Camera::LEFT)] {
            assert_eq!(
                Camera::oblique(azimuth, 0.0).axes().unwrap(),
                named.axes().unwrap()
            );
        }
        assert_eq!(Camera::oblique(0.0, 90.0).from, [0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_camera_without_a_direction_is_refused() {
        let upright = Camera {
            from: [0.0, 0.0, 2.0],
            up: [0.0, 0.0, 1.0],
        };
        let message = upright.axes().unwrap_err().to_string();
        assert!(message.starts_with("camera: ") && message.contains("no direction"));
    }
}
