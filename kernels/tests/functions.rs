//! The functions against 60 digits (`functions.json`, by `make_references.py`), and against the
//! system's library, which is within 1 unit in the last place, over all magnitudes.

#![allow(clippy::unwrap_used, reason = "a failure is the test's answer")]

use serde_json::Value;
use voxprep_kernels::functions::{cos, exp, ln, pow, sin, sin_cos};

fn references(name: &str) -> Vec<Vec<f64>> {
    let text = include_str!("functions.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let rows = all[name].as_array().unwrap();
    let bits = |v: &Value| f64::from_bits(v.as_u64().unwrap());
    rows.iter()
        .map(|row| row.as_array().unwrap().iter().map(bits).collect())
        .collect()
}

/// The distance of a result from `high + low`, in units in the last place of `high`.
fn units(got: f64, high: f64, low: f64) -> f64 {
    if got == high && !got.is_finite() {
        return 0.0;
    }
    let size = high.abs().max(f64::MIN_POSITIVE);
    ((got - high) - low).abs() / (size.next_up() - size)
}

#[test]
fn doubles_are_within_two_units_of_sixty_digits() {
    for row in references("exp") {
        assert!(units(exp(row[0]), row[1], row[2]) < 1.0, "exp {}", row[0]);
    }
    for row in references("ln") {
        assert!(units(ln(row[0]), row[1], row[2]) < 1.0, "ln {}", row[0]);
    }
    for row in references("pow") {
        let units = units(pow(row[0], row[1]), row[2], row[3]);
        assert!(units < 1.0, "{} ^ {}: {units}", row[0], row[1]);
    }
    for row in references("sin_cos") {
        let (s, c) = sin_cos(row[0]);
        assert!(units(s, row[1], row[2]) < 1.0, "sin {}", row[0]);
        assert!(units(c, row[3], row[4]) < 1.0, "cos {}", row[0]);
    }
}

/// How many numbers of the type lie between two.
fn steps(a: f32, b: f32) -> u32 {
    if a.is_nan() && b.is_nan() {
        return 0;
    }
    let rank = |v: f32| {
        let bits = v.to_bits() as i32;
        if bits < 0 { i32::MIN - bits } else { bits }
    };
    rank(a).abs_diff(rank(b))
}

#[test]
fn singles_of_every_magnitude_are_within_a_unit_of_the_rounded_double() {
    // A prime step meets all exponents and signs; a million numbers per function.
    for bits in (0..=u32::MAX).step_by(4093) {
        let x = f32::from_bits(bits);
        let wide = f64::from(x);
        assert!(steps(exp(x), wide.exp() as f32) <= 1, "exp {x:e}");
        assert!(steps(ln(x), wide.ln() as f32) <= 1, "ln {x:e}");
        assert!(steps(sin(x), wide.sin() as f32) <= 1, "sin {x:e}");
        assert!(steps(cos(x), wide.cos() as f32) <= 1, "cos {x:e}");
        for y in [0.7_f32, -1.3, 2.0, 3.0, 0.01] {
            let expected = wide.powf(f64::from(y)) as f32;
            assert!(steps(pow(x, y), expected) <= 1, "{x:e} ^ {y}");
        }
    }
}

#[test]
fn singles_where_exponential_and_logarithm_are_delicate_are_within_a_unit() {
    let near_one = 0x3f00_0000..0x4000_0000_u32;
    for x in near_one.step_by(61).map(f32::from_bits) {
        assert!(steps(ln(x), f64::from(x).ln() as f32) <= 1, "ln {x:e}");
    }
    for x in (-10_400_000..8_900_000)
        .step_by(37)
        .map(|i| i as f32 * 1e-5)
    {
        assert!(steps(exp(x), f64::from(x).exp() as f32) <= 1, "exp {x:e}");
    }
}

#[test]
fn doubles_of_every_magnitude_are_within_two_units_of_the_library() {
    let near = |a: f64, b: f64| {
        a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan() || units(a, b, 0.0) <= 2.0
    };
    for i in 0..400_000_u64 {
        let x = f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let small = (i as f64 - 2e5) * 0.003_77;
        assert!(near(ln(x), x.ln()), "ln {x:e}");
        assert!(near(sin(x), x.sin()) && near(cos(x), x.cos()), "sin {x:e}");
        assert!(near(exp(small), small.exp()), "exp {small:e}");
        assert!(near(sin(small), small.sin()), "sin {small:e}");
        for y in [0.45, -2.2, 3.0] {
            assert!(near(pow(x, y), x.powf(y)), "{x:e} ^ {y}");
        }
        assert!(near(pow(1.000_37, small), 1.000_37_f64.powf(small)));
    }
}
