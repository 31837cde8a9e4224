//! What is kept of a NRRD header: codes and numbers, and the names of segments. What else people
//! write into `key:=value` stays out.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::types::{Space, kind};
use crate::text::reals;

/// The longest name of a segment that is kept.
const MOST_NAME: usize = 64;

/// The facts of a header.
pub(super) fn facts(fields: &Fields, space: Option<Space>) -> Map<String, Value> {
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
    let gradients = gradients(fields);
    if !gradients.is_empty() {
        keep("dwmri_gradients", json!(gradients));
    }
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

/// The directions of diffusion, in the order of their numbers.
fn gradients(fields: &Fields) -> Vec<Vec<f64>> {
    let keys = fields.keys.iter();
    keys.filter(|(key, _)| key.starts_with("DWMRI_gradient_"))
        .filter_map(|(_, text)| reals(text).ok())
        .filter(|vector| vector.len() == 3 && vector.iter().all(|v| v.is_finite()))
        .collect()
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
