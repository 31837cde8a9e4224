//! What of a header is worth keeping beside geometry and values: how the scan was made, never of
//! whom, when, where or by whom.

use std::path::Path;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde_json::{Value, json};
use voxprep_core::volume::{Header, PLACELESS, SPACING_ASSUMED};

use super::attributes::Attributes;
use super::choose::Content;
use super::instance::{self, SpacingFrom};
use super::series::Stack;
use super::stack::TILT_DEGREES;
use super::volume::is_inverted;
use crate::error::Result;
use crate::{Padding, ReadOptions, SlicePolicy};

/// Numbers, with their units in their names.
const NUMBERS: [(&str, Tag); 12] = [
    ("kvp", tags::KVP),
    ("tube_current_ma", tags::X_RAY_TUBE_CURRENT),
    ("exposure_mas", tags::EXPOSURE),
    ("slice_thickness_mm", tags::SLICE_THICKNESS),
    ("repetition_time_ms", tags::REPETITION_TIME),
    ("echo_time_ms", tags::ECHO_TIME),
    ("inversion_time_ms", tags::INVERSION_TIME),
    ("flip_angle_deg", tags::FLIP_ANGLE),
    ("magnetic_field_t", tags::MAGNETIC_FIELD_STRENGTH),
    (
        "magnification",
        tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR,
    ),
    ("bits_stored", tags::BITS_STORED),
    ("stored_padding", tags::PIXEL_PADDING_VALUE),
];

/// Words of closed lists, or names of things that makers sell.
const WORDS: [(&str, Tag); 9] = [
    ("modality", tags::MODALITY),
    ("manufacturer", tags::MANUFACTURER),
    ("model", tags::MANUFACTURER_MODEL_NAME),
    ("kernel", tags::CONVOLUTION_KERNEL),
    ("body_part", tags::BODY_PART_EXAMINED),
    ("patient_position", tags::PATIENT_POSITION),
    ("view_position", tags::VIEW_POSITION),
    ("photometric", tags::PHOTOMETRIC_INTERPRETATION),
    ("presentation_intent", tags::PRESENTATION_INTENT_TYPE),
];

/// Adds facts and doubts to the header of a volume.
pub(super) fn add(
    header: &mut Header,
    content: &Content,
    stack: &Stack,
    path: &Path,
) -> Result<()> {
    let instances = &content.found.instances;
    let Some((first, _)) = stack.first(instances) else {
        return Ok(());
    };
    let opened = instance::open(&first.path)?;
    let facts = &mut header.facts;
    let mut put = |name: &str, value: Value| {
        facts.insert(format!("dicom.{name}"), value);
    };
    for (name, tag) in WORDS {
        if let Some(word) = opened.object.text(tag) {
            put(name, json!(word));
        }
    }
    for (name, tag) in NUMBERS {
        if let Some(number) = opened.object.number(tag) {
            let whole = number == number.trunc() && number.abs() < 1e15;
            put(
                name,
                if whole {
                    json!(number as i64)
                } else {
                    json!(number)
                },
            );
        }
    }
    put("transfer_syntax", json!(first.syntax.uid));
    if !first.image_type.is_empty() {
        put("image_type", json!(first.image_type));
    }
    if !stack.name.is_empty() {
        put("part", json!(stack.name));
    }
    let mut windows = windows(&opened.object);
    if is_inverted(first) {
        // Bright and dark have changed places, and the level with them.
        let [low, high] = first.shape.range();
        let rescale = stack.first(instances).and_then(|(_, frame)| frame.rescale);
        let (slope, intercept) = rescale.map_or((1.0, 0.0), |r| (r.slope, r.intercept));
        let sum = slope * (low + high) + 2.0 * intercept;
        for window in &mut windows {
            if let Some(level) = window.get("level").and_then(Value::as_f64) {
                window["level"] = json!(sum - level);
            }
        }
    }
    if !windows.is_empty() {
        put("windows", Value::Array(windows));
    }
    if is_inverted(first) {
        put("inverted", json!(true));
    }
    let mut doubts = stack.doubts.clone();
    doubts.extend(first.assumed.clone());
    let mut place = Vec::new();
    let (mut placeless, mut assumed) = (false, false);
    if let Some(Ok(placed)) = &stack.placed {
        place.extend(placed.doubts.clone());
        if placed.tilt > TILT_DEGREES {
            put("gantry_tilt_deg", json!((placed.tilt * 1e4).round() / 1e4));
        }
        if stack.slices() == 1
            && let Some((_, frame)) = stack.first(instances)
            && frame.between.or(frame.thickness).is_none()
        {
            place.push("the thickness of the only slice is not stated: 1 mm is assumed".to_owned());
        }
    } else {
        place.push("the image has no place in the patient".to_owned());
        placeless = true;
    }
    match stack.spacing_from(instances) {
        SpacingFrom::Patient => {}
        SpacingFrom::Detector => put("spacing_at", json!("detector")),
        SpacingFrom::Nowhere => {
            assumed = true;
            place.push("the distance of pixels is not stated: 1 mm is assumed".to_owned());
        }
    }
    let others = content.volumes() - 1;
    if others > 0 && path.is_dir() {
        put("other_volumes", json!(others));
    }
    let mut warn = |name: &str, doubts: &[String]| {
        if !doubts.is_empty() {
            put(name, json!(doubts.join("; ")));
        }
    };
    warn("header_warning", &doubts);
    warn("affine_warning", &place);
    if assumed {
        header.facts.insert(SPACING_ASSUMED.to_owned(), json!(true));
    }
    if placeless {
        header.facts.insert(PLACELESS.to_owned(), json!(true));
    }
    Ok(())
}

/// Notes how the volume was read where that is not the usual way: who reads it again needs it.
pub(super) fn reading(header: &mut Header, options: &ReadOptions, id: &str) {
    let mut put = |name: &str, value: Value| {
        header.facts.insert(format!("dicom.read.{name}"), value);
    };
    if options.series.is_some() {
        // By number and part: a UID or a description may say who was scanned.
        put("series", json!(id));
    }
    if options.slices != SlicePolicy::Refuse {
        put("slices", json!(options.slices));
    }
    if options.padding != Padding::Keep {
        put("padding", json!(options.padding));
    }
    if options.voi {
        put("voi", json!(true));
    }
    if options.philips_precise {
        put("philips_precise", json!(true));
    }
}

/// The windows that the header proposes.
fn windows(object: &InMemDicomObject) -> Vec<Value> {
    let shared = object.item_of(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let own = object.item_of(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let grouped = [own, shared]
        .into_iter()
        .flatten()
        .find_map(|groups| groups.item_of(tags::FRAME_VOILUT_SEQUENCE));
    let item = grouped.unwrap_or(object);
    let levels = item.numbers(tags::WINDOW_CENTER).unwrap_or_default();
    let widths = item.numbers(tags::WINDOW_WIDTH).unwrap_or_default();
    let function = item.text(tags::VOILUT_FUNCTION);
    let pairs = levels
        .iter()
        .zip(&widths)
        .filter(|(_, width)| **width > 0.0);
    pairs
        .map(|(level, width)| {
            let mut window = json!({ "level": level, "width": width });
            if let (Some(function), Some(map)) = (&function, window.as_object_mut()) {
                map.insert("function".to_owned(), json!(function));
            }
            window
        })
        .collect()
}
