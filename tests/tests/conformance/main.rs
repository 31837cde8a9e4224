//! What every transform promises, over the registry: a new one is covered by being there.
//! Here are the subjects and plans that the promises are tried on; the tests are in the modules.

#![allow(clippy::unwrap_used, reason = "a failure is the answer of the test")]

mod data;
mod laws;
mod parameters;

use serde_json::{Map, Value, json};
use voxprep_core::error::Result;
use voxprep_core::geometry::Geometry;
use voxprep_core::pipeline::Pipeline;
use voxprep_core::plan::{Plan, RunOptions};
use voxprep_core::registry::Entry;
use voxprep_core::subject::{Point, Subject, WorldBox};
use voxprep_core::transform::{Kind, Needs, Reads};
use voxprep_core::volume::{Modality, Role, Unit, Volume};
use voxprep_core::voxels::Voxel;
use voxprep_tests::{awkward, registry, volume};

fn entries() -> Vec<Entry> {
    registry().iter().cloned().collect()
}

/// The example of a transform as the only step of a plan.
fn plan(entry: &Entry) -> Plan {
    planned(entry, &entry.example_params().unwrap(), 11).unwrap()
}

fn planned(entry: &Entry, params: &Value, seed: u64) -> Result<Plan> {
    let mut step = Map::from_iter([("use".to_owned(), json!(entry.name))]);
    step.extend(params.as_object().unwrap().clone());
    let pipeline = Pipeline::from_value(json!({ "version": 1, "seed": seed, "step": [step] }))?;
    Plan::new(pipeline, &registry())
}

fn run(entry: &Entry, subject: Subject) -> Result<Subject> {
    plan(entry).run(subject, &RunOptions::default())
}

/// What a transform's example does, as far as its kind tells.
struct Does {
    needs_hu: bool,
    normalises: bool,
    measures: bool,
    is_spatial: bool,
    is_joint: bool,
    on_labels: bool,
}

fn does(entry: &Entry) -> Does {
    let built = entry.build(&entry.example_params().unwrap()).unwrap();
    let (needs, unit, reads) = match built.kind() {
        Kind::Pointwise(p) => (p.needs(), p.unit(Unit::Hu), p.reads()),
        Kind::Filter(f) => (f.needs(), f.unit(Unit::Hu), Reads::Header),
        Kind::Spatial(s) => (Needs::Anything, Unit::Hu, s.reads()),
        Kind::Joint(_) => (Needs::Anything, Unit::Hu, Reads::Header),
    };
    Does {
        needs_hu: needs == Needs::Hu || entry.name.starts_with("ct."),
        normalises: unit == Unit::Normalised,
        measures: reads == Reads::Voxels,
        is_spatial: entry.kind == "spatial",
        is_joint: entry.kind == "joint",
        on_labels: entry.role == Some(Role::Label),
    }
}

/// Values between -1000 and 1000 that repeat nowhere nearby, one in seven of them 0.
fn busy([x, y, z]: [usize; 3]) -> f64 {
    if (x + 2 * y + 3 * z) % 7 == 3 {
        0.0
    } else {
        ((x * 131 + y * 37 + z * 269 + 1234) % 2001) as f64 - 1000.0
    }
}

fn suited(entry: &Entry, image: Volume) -> Volume {
    if does(entry).needs_hu {
        image.with_modality(Modality::Ct).with_unit(Unit::Hu)
    } else {
        image
    }
}

/// Two images, the label map `lungs`, a point and a box, all on one grid.
fn subject<T: Voxel, L: Voxel>(
    entry: &Entry,
    grid: &Geometry,
    value: impl Fn([usize; 3]) -> f64,
) -> Subject {
    let labels = |[x, y, z]: [usize; 3]| [0.0, 1.0, 2.0, 4.0, 7.0][(x / 2 + y / 3 + z) % 5];
    let mut subject = Subject::new("case 7");
    subject
        .add("image", suited(entry, volume::<T>(grid.clone(), value)))
        .unwrap();
    subject
        .add("second", suited(entry, volume::<i16>(grid.clone(), busy)))
        .unwrap();
    let labels = volume::<L>(grid.clone(), labels).into_labels().unwrap();
    subject.add("lungs", labels).unwrap();
    let position = grid.centre();
    subject.points.push(Point {
        name: "centre".into(),
        position,
    });
    let [low, high] = [-1.0, 2.0].map(|mm| position.map(|v| v + mm));
    subject.boxes.push(WorldBox {
        name: "box".into(),
        low,
        high,
    });
    subject
}

/// Large enough for every step to measure what it needs.
fn usual(entry: &Entry) -> Subject {
    subject::<f32, u8>(entry, &awkward([19, 20, 18]), busy)
}

/// Everything a run gives, to be compared bit by bit.
fn everything(subject: &Subject) -> String {
    let volumes: Vec<_> = subject
        .volumes()
        .map(|(name, volume)| (name, volume.header(), volume.voxels().bytes()))
        .collect();
    format!(
        "{volumes:?} {:?} {:?} {:?}",
        subject.points, subject.boxes, subject.findings
    )
}

fn bytes(subject: &Subject) -> Vec<(String, Vec<u8>)> {
    subject
        .volumes()
        .map(|(n, v)| (n.to_owned(), v.voxels().bytes().to_vec()))
        .collect()
}
