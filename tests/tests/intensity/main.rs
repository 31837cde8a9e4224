//! What pipelines do to values: normalised, windowed, in their units, under their names.

#![allow(clippy::unwrap_used, reason = "a failure is the answer of the test")]

mod gamma;
mod normalised;
mod steps;
mod units;
mod windows;

use voxprep_core::subject::Subject;
use voxprep_core::volume::Unit;
use voxprep_core::voxels::{ElementType, Voxel};
use voxprep_tests::{image, row, run, step, subject, values};

const TYPES: [ElementType; 6] = [
    ElementType::U8,
    ElementType::I16,
    ElementType::U16,
    ElementType::I32,
    ElementType::F32,
    ElementType::F64,
];

/// The types that hold what a CT measures.
const FITTING_HU: [ElementType; 4] = [
    ElementType::I16,
    ElementType::I32,
    ElementType::F32,
    ElementType::F64,
];

fn hu<T: Voxel>(values: &[f64]) -> Subject {
    subject(row::<T>(values).with_unit(Unit::Hu))
}

/// The values of `image` after one step.
fn after(name: &str, lines: &str, subject: Subject) -> Vec<f64> {
    let result = run(&step(name, lines), subject).unwrap_or_else(|e| panic!("{e}"));
    values(image(&result))
}

fn error(steps: &str, subject: Subject) -> String {
    match run(steps, subject) {
        Ok(_) => panic!("no error: {steps}"),
        Err(error) => error.to_string(),
    }
}

fn close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (a, b) in got.iter().zip(expected) {
        assert!(
            (a - b).abs() < 1e-6 * b.abs().max(1.0),
            "{got:?}, not {expected:?}"
        );
    }
}

fn codes(subject: &Subject) -> Vec<&str> {
    subject.findings.iter().map(|f| f.code.as_str()).collect()
}

/// Mean and standard deviation (divisor n).
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (
        mean,
        (values.map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt(),
    )
}
