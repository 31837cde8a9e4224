//! What is kept of a NRRD header: codes and numbers, and the names of segments. What else people
//! write into `key:=value` stays out.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::types::{Space, kind};
use crate::text::reals;

/// The longest name of a segment that is kept.
const MOST_NAME: usize = 64;

/// The facts of a header; what is doubtful about them goes to the warnings.
pub(super) fn facts(
    fields: &Fields,
    space: Option<Space>,
    warnings: &mut Vec<&'static str>,
) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut keep = |key: &str, value: Value| facts.insert(format!("nrrd.{key}"), value);
    for (key, field) in [("datatype", "type"), ("encoding", "encoding")] {
        if let Some(text) = fields.text(field) {
            keep(key, json!(text.to_ascii_lowercase()));
        }
    }
    if let Some(name) = fields.text("space").filter(|_| space.is_some()) {
        keep("space", json!(name.to_ascii_lowercase()));
    }
    if let Some(text) = fields.text("kinds") {
        let kinds: Vec<_> = text
            .split_whitespace()
            .map(str::to_ascii_lowercase)
            .collect();
        let known = |name: &String| matches!(name.as_str(), "none" | "???") || kind(name).is_some();
        if kinds.iter().all(known) {
            keep("kinds", json!(kinds));
        }
    }
    if let Some(frame) = measurement_frame(fields, space) {
        keep("measurement_frame", frame);
    }
    let thicknesses = fields.text("thicknesses").and_then(|text| reals(text).ok());
    let mut thicknesses = thicknesses.into_iter().flatten().filter(|t| t.is_finite());
    if let Some(thickness) = thicknesses.next() {
        keep("thickness", json!(thickness));
    }
    let modality = fields.keys.get("modality").map(String::as_str);
    if let Some(modality) =
        modality.filter(|m| ["DWMRI", "MR", "MRI", "CT", "PT", "US"].contains(m))
    {
        keep("modality", json!(modality));
    }
    let b_value = fields.keys.get("DWMRI_b-value");
    let b_value = b_value.and_then(|text| text.parse::<f64>().ok());
    if let Some(b_value) = b_value.filter(|b| b.is_finite()) {
        keep("dwmri_b_value", json!(b_value));
    }
    match gradients(fields) {
        Some(gradients) if !gradients.is_empty() => keep("dwmri_gradients", json!(gradients)),
        Some(_) => None,
        None => {
            warnings.push(
                "the gradients of diffusion are not numbered from 0 with three numbers each; none is kept",
            );
            None
        }
    };
    let segments = segments(fields);
    if !segments.is_empty() {
        keep("segments", json!(segments));
    }
    facts
}

/// The vectors of the measurement frame, turned into LPS.
fn measurement_frame(fields: &Fields, space: Option<Space>) -> Option<Value> {
    let space = space.filter(|space| space.dimension >= 3)?;
    let path = std::path::Path::new("");
    let vectors = fields.vectors(path, "measurement frame", space.dimension);
    let vectors = vectors.ok()??.into_iter().collect::<Option<Vec<_>>>()?;
    let turned = vectors.iter().map(|vector| {
        let turned = vector.iter().zip(space.signs).map(|(v, sign)| v * sign);
        // Without the sign of a zero.
        turned.map(|v| v + 0.0).collect::<Vec<f64>>()
    });
    Some(json!(turned.collect::<Vec<_>>()))
}

/// The directions of diffusion, in the order of their numbers; `None` where one is missing or is no
/// vector: those behind it would belong to other images than they seem to.
fn gradients(fields: &Fields) -> Option<Vec<[f64; 3]>> {
    let mut numbered = Vec::new();
    for (key, text) in &fields.keys {
        let Some(number) = key.strip_prefix("DWMRI_gradient_") else {
            continue;
        };
        let vector = <[f64; 3]>::try_from(reals(text).ok()?).ok()?;
        if vector.iter().any(|v| !v.is_finite()) {
            return None;
        }
        numbered.push((number.parse::<usize>().ok()?, vector));
    }
    numbered.sort_by_key(|(number, _)| *number);
    let in_order = numbered.iter().enumerate().all(|(i, (n, _))| *n == i);
    in_order.then(|| numbered.into_iter().map(|(_, vector)| vector).collect())
}

/// The segments of a label map: what Slicer says of each.
fn segments(fields: &Fields) -> Vec<Value> {
    let of = |number: u16| {
        let get = |what: &str| fields.keys.get(&format!("Segment{number}_{what}"));
        let whole = |what: &str| get(what)?.parse::<i64>().ok();
        let value = whole("LabelValue")?;
        let mut segment = json!({ "label": value });
        if let Some(layer) = whole("Layer") {
            segment["layer"] = json!(layer);
        }
        if let Some(name) = get("Name") {
            let name: String = name
                .chars()
                .filter(|c| !c.is_control())
                .take(MOST_NAME)
                .collect();
            segment["name"] = json!(name);
        }
        Some(segment)
    };
    let numbers = fields.keys.keys().filter_map(|key| {
        let rest = key.strip_prefix("Segment")?.strip_suffix("_LabelValue")?;
        rest.parse::<u16>().ok()
    });
    let mut numbers: Vec<u16> = numbers.collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(of).collect()
}
