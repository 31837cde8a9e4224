//! Documentation, schema, example and bounds: what is promised about parameters.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use voxprep_core::pipeline::Pipeline;
use voxprep_core::plan::Plan;
use voxprep_core::registry::Entry;
use voxprep_core::schema::Interval;
use voxprep_tests::registry;

use crate::{entries, plan, planned, run, usual};

/// EXAMPLES 7.2: the first line reads well in a list.
#[test]
fn every_summary_is_one_sentence() {
    for entry in entries() {
        let (summary, name) = (entry.summary(), &entry.name);
        assert!(
            summary.len() > 10 && summary.ends_with('.'),
            "{name}: '{summary}'"
        );
        assert!(
            !summary.contains(". "),
            "{name}: more than a sentence: '{summary}'"
        );
        assert!(
            summary.starts_with(char::is_uppercase),
            "{name}: '{summary}'"
        );
        assert!(!summary.starts_with("This"), "{name}: '{summary}'");
    }
}

/// EXAMPLES 7.3: every field is described, and a number has a unit or says that it has none.
#[test]
fn every_field_says_what_it_is_and_in_which_unit() {
    const UNITS: [&str; 11] = [
        "unit",
        "mm",
        "HU",
        "voxel",
        "degree",
        "label",
        "percent",
        "fraction",
        "factor",
        "index",
        "number of",
    ];
    let mut without = Vec::new();
    for entry in entries() {
        for field in entry.fields() {
            let place = format!("{}, {}", entry.name, field.name);
            assert!(field.description.len() > 3, "{place} is not described");
            let is_number = field.takes.contains("number") || field.takes.contains("integer");
            let named = UNITS.iter().any(|unit| field.description.contains(unit));
            if is_number && field.unit.is_none() && !named {
                without.push(place);
            }
        }
    }
    assert!(
        without.is_empty(),
        "numbers that name no unit: {without:#?}"
    );
}

/// G-07: no object of a schema takes keys it does not list, and every bound is an interval.
#[test]
fn every_schema_is_closed_and_its_bounds_are_intervals() {
    fn walk(schema: &Value, place: &str) {
        match schema {
            Value::Object(fields) => {
                if fields.contains_key("properties") {
                    let open = fields.get("additionalProperties") != Some(&json!(false));
                    assert!(!open, "{place} takes unknown keys");
                }
                if let Some(bounds) = fields.get("x-bounds") {
                    let interval = bounds.as_str().and_then(Interval::parse);
                    assert!(interval.is_some(), "{place}: the bounds {bounds}");
                }
                fields
                    .iter()
                    .for_each(|(key, inner)| walk(inner, &format!("{place}/{key}")));
            }
            Value::Array(items) => items.iter().for_each(|inner| walk(inner, place)),
            _ => {}
        }
    }
    for entry in entries() {
        assert_eq!(
            entry.schema["additionalProperties"],
            json!(false),
            "{}",
            entry.name
        );
        walk(&entry.schema, &entry.name);
    }
}

/// EXAMPLES 7.8: the example runs, and what it resolves to is a pipeline that means the same.
#[test]
fn every_example_runs_and_its_parameters_read_back() {
    for entry in entries() {
        let result = run(&entry, usual(&entry)).unwrap_or_else(|e| panic!("{}: {e}", entry.name));
        assert!(result.volume("image").is_some(), "{}", entry.name);
        assert_eq!(result.history.len(), 1, "{}", entry.name);
        let first = entry
            .build(&entry.example_params().unwrap())
            .unwrap()
            .params();
        let again = entry
            .build(&first)
            .unwrap_or_else(|e| panic!("{}: {first}: {e}", entry.name));
        assert_eq!(again.params(), first, "{}", entry.name);
        let plan = plan(&entry);
        let json = serde_json::to_value(plan.pipeline()).unwrap();
        let read = Pipeline::from_value(json).unwrap();
        assert_eq!(
            Plan::new(read, &registry()).unwrap().pipeline(),
            plan.pipeline(),
            "{}",
            entry.name
        );
    }
}

#[test]
fn a_field_that_does_not_exist_is_refused_by_name() {
    for entry in entries() {
        let mut names = vec![("nonsense_9".to_owned(), None)];
        names.extend(
            entry
                .fields()
                .into_iter()
                .map(|f| (format!("{}x", f.name), Some(f.name))),
        );
        for (wrong, right) in names {
            let mut params = entry.example_params().unwrap();
            params[&wrong] = json!(1);
            let error = planned(&entry, &params, 0)
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default();
            assert!(
                error.contains(&entry.name) && error.contains(&wrong),
                "{}: '{error}'",
                entry.name
            );
            if let Some(right) = right {
                assert!(
                    error.contains(&format!("did you mean '{right}'")),
                    "{}: '{error}'",
                    entry.name
                );
            }
        }
    }
}

/// The parameters of the example, or as few as will do, with one field set to a value: some of
/// them fit the other fields.
fn with_field(entry: &Entry, field: &str, value: &Value) -> Vec<Value> {
    let numbers = entry
        .fields()
        .into_iter()
        .filter(|f| f.takes == "number" && f.name != field);
    let others = entry.fields().into_iter().filter(|f| f.name != field);
    let mut all = vec![entry.example_params().unwrap(), json!({})];
    all.extend(numbers.map(|f| Value::Object(Map::from_iter([(f.name, json!(1.0))]))));
    // a choice of voxels, or the name of a volume
    all.extend(others.map(|f| Value::Object(Map::from_iter([(f.name, json!("nonzero"))]))));
    all.iter_mut()
        .for_each(|params| params[field] = value.clone());
    all
}

/// G-07: a value beyond the bounds is an error that names field and bounds; one within is none.
fn honours_its_bounds(entry: &Entry, distance: f64) -> std::result::Result<(), TestCaseError> {
    for field in entry.fields() {
        let Some(bounds) = field.bounds else { continue };
        let (low, high) = Interval::parse(&bounds).unwrap().ends();
        let [low_belongs, high_belongs] = [bounds.starts_with('['), bounds.ends_with(']')];
        let whole = field.takes.contains("integer");
        let far = if whole {
            distance.ceil().max(1.0)
        } else {
            distance
        };
        let number = |v: f64| {
            if whole && v >= 0.0 {
                json!(v as u64)
            } else {
                json!(v)
            }
        };
        let form = |v: Value| {
            if field.takes.ends_with("; 3]") {
                json!([v, v, v])
            } else {
                v
            }
        };
        let (mut outside, mut inside) = (vec![low - far], Vec::new());
        match (low_belongs, whole) {
            (true, _) => inside.push(low),
            (false, true) => outside.push(low),
            (false, false) => (outside.push(low), inside.push(low.next_up())).1,
        }
        if high.is_finite() {
            outside.push(high + far);
            match high_belongs {
                true => inside.push(high),
                false => (outside.push(high), inside.push(high.next_down())).1,
            }
        } else {
            inside.push(low + far);
        }
        let refused = |value: &Value| {
            // None is taken; what else is missing from some of them may be said first.
            let tries = with_field(entry, &field.name, value);
            let errors: Option<Vec<String>> = tries
                .iter()
                .map(|params| entry.build(params).err().map(|e| e.to_string()))
                .collect();
            errors.is_some_and(|errors| {
                errors
                    .iter()
                    .any(|text| text.contains(&field.name) && text.contains(&bounds))
            })
        };
        for v in outside {
            prop_assert!(
                refused(&form(number(v))),
                "{}, {} takes {}",
                entry.name,
                field.name,
                v
            );
            if field.random {
                for drawn in [
                    json!({ "uniform": [v.min(1.0) - 1.0, v.max(1.0)] }),
                    json!({ "choice": [1.0, v] }),
                ] {
                    prop_assert!(
                        refused(&drawn),
                        "{}, {} takes {}",
                        entry.name,
                        field.name,
                        drawn
                    );
                }
            }
            if field.takes.ends_with("; 3]") {
                let one = json!([number(inside[0]), number(v), number(inside[0])]);
                prop_assert!(
                    refused(&one),
                    "{}, {} takes {}",
                    entry.name,
                    field.name,
                    one
                );
            }
        }
        for v in inside {
            let tries = with_field(entry, &field.name, &form(number(v)));
            let taken = tries.iter().any(|params| entry.build(params).is_ok());
            prop_assert!(taken, "{}, {} refuses {}", entry.name, field.name, v);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_bounded_number_is_held_to_its_bounds(distance in -9.0..6.0_f64) {
        for entry in entries() {
            honours_its_bounds(&entry, 10.0_f64.powf(distance))?;
        }
    }
}
