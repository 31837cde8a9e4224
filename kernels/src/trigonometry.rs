//! Sine and cosine with the same bits on every system.

/// The sine and cosine of an angle in degrees, within 1e-15; exact at multiples of 90.
///
/// The system's library may differ in the last bit from one machine to the next; these are
/// polynomials (Taylor, to the 16th power) on -45..45 degrees. NaN for what is not finite.
pub fn sin_cos_degrees(degrees: f64) -> (f64, f64) {
    let turns = degrees % 360.0;
    let quarter = (turns / 90.0).round();
    let x = (turns - 90.0 * quarter) * (std::f64::consts::PI / 180.0);
    let z = x * x;
    let sin = x * series(z, [6.0, 20.0, 42.0, 72.0, 110.0, 156.0, 210.0]);
    let cos = series(z, [2.0, 12.0, 30.0, 56.0, 90.0, 132.0, 182.0, 240.0]);
    match (quarter as i64).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// `1 - z/a (1 - z/b (1 - ...))`
fn series<const N: usize>(z: f64, divisors: [f64; N]) -> f64 {
    divisors
        .iter()
        .rev()
        .fold(1.0, |tail, d| 1.0 - z / d * tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_of_a_quarter_turn_are_exact() {
        let quarter = [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)];
        for turns in -8..8_i32 {
            let (sin, cos) = sin_cos_degrees(f64::from(turns) * 90.0);
            assert_eq!((sin, cos), quarter[turns.rem_euclid(4) as usize]);
        }
    }

    #[test]
    fn other_angles_agree_with_the_library() {
        for tenth in -7200..7200 {
            let degrees = f64::from(tenth) / 10.0;
            let (sin, cos) = sin_cos_degrees(degrees);
            let (s, c) = degrees.to_radians().sin_cos();
            // the library's argument is rounded: 4 pi has an error of 1e-15
            assert!(
                (sin - s).abs() < 4e-15 && (cos - c).abs() < 4e-15,
                "{degrees}"
            );
        }
        assert!(sin_cos_degrees(f64::NAN).0.is_nan());
    }
}
