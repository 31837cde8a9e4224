//! Groups of steps: what they draw, what is said of it, what is refused.
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use voxprep_core::geometry::Geometry;
use voxprep_core::naive;
use voxprep_core::pipeline::{MAX_DEPTH, Pipeline};
use voxprep_core::plan::{Plan, RunOptions};
use voxprep_core::provenance::{Artefact, Sidecar, pseudonym};
use voxprep_core::stream::{Seed, Stream, hash_name};
use voxprep_core::subject::Subject;
use voxprep_tests::{awkward, ct_subject, image, plan, registry, root, subject, values, volume};

/// A step that does nothing that matters, with further lines.
fn member(level: usize, id: &str, lines: &str) -> String {
    let header = vec!["step"; level].join(".");
    format!("[[{header}]]\nuse = \"intensity.clip\"\nlow = 0\nhigh = 1\nid = \"{id}\"\n{lines}\n")
}

/// A group at the top with these lines, and its members with theirs.
fn group(form: &str, lines: &str, members: &[(&str, &str)]) -> String {
    let members = members.iter().map(|(id, lines)| member(2, id, lines));
    let members: String = members.collect();
    format!("[[step]]\nuse = \"{form}\"\n{lines}\n{members}")
}

fn planned(steps: &str) -> Plan {
    plan(steps).unwrap_or_else(|error| panic!("{error}\n{steps}"))
}

/// How often each choice is drawn in so many epochs.
fn tally(plan: &Plan, epochs: u64) -> BTreeMap<String, f64> {
    let mut tally = BTreeMap::new();
    for epoch in 0..epochs {
        *tally
            .entry(plan.chosen("case 7", epoch).join(" "))
            .or_default() += 1.0;
    }
    tally
}

/// Pearson's chi-square of what was counted against probabilities; anything else fails.
fn chi_square(tally: &BTreeMap<String, f64>, probabilities: &[(&str, f64)]) -> f64 {
    let n: f64 = tally.values().sum();
    let names: Vec<&str> = probabilities.iter().map(|(name, _)| *name).collect();
    for name in tally.keys() {
        assert!(names.contains(&name.as_str()), "{name} in {tally:?}");
    }
    let of = |(name, p): &(&str, f64)| {
        let seen = tally.get(*name).copied().unwrap_or_default();
        (seen - n * p).powi(2) / (n * p)
    };
    probabilities.iter().map(of).sum()
}

/// G-07, G-08: chi-square of 3 degrees of freedom is below 16.27 with probability 0.999; the seed is fixed.
#[test]
fn one_of_draws_its_steps_by_weight_and_never_one_of_weight_0() {
    let members = [
        ("a", "weight = 1"),
        ("b", "weight = 2"),
        ("none", "weight = 0"),
        ("c", "weight = 3.5"),
        ("d", "weight = 3.5"),
    ];
    let plan = planned(&group("one_of", "id = \"g\"", &members));
    let expected = [("g/a", 0.1), ("g/b", 0.2), ("g/c", 0.35), ("g/d", 0.35)];
    let chi = chi_square(&tally(&plan, 20_000), &expected);
    assert!(chi < 16.27, "{chi}");
}

#[test]
fn a_member_of_one_of_may_still_be_left_out_by_its_own_probability() {
    let members = [("a", "p = 0.25"), ("b", "")];
    let plan = planned(&group("one_of", "id = \"g\"\np = 0.5", &members));
    // 0.5 * 0.5 * 0.25, 0.5 * 0.5, the rest
    let expected = [("g/a", 0.0625), ("g/b", 0.25), ("", 0.6875)];
    let chi = chi_square(&tally(&plan, 20_000), &expected);
    // 2 degrees of freedom, probability 0.999
    assert!(chi < 13.82, "{chi}");
}

/// Drawn one after another from those that are left: with weights 2, 1, 1 the pairs are a b with
/// 2/4 1/2 + 1/4 2/3 = 5/12, a c likewise, b c with 2 1/4 1/3 = 1/6.
#[test]
fn some_of_draws_different_steps_by_weight_in_the_order_of_the_file() {
    let members = [("a", "weight = 2"), ("b", ""), ("c", "")];
    let plan = planned(&group("some_of", "id = \"g\"\ncount = 2", &members));
    let expected = [
        ("g/a g/b", 5.0 / 12.0),
        ("g/a g/c", 5.0 / 12.0),
        ("g/b g/c", 1.0 / 6.0),
    ];
    let chi = chi_square(&tally(&plan, 20_000), &expected);
    assert!(chi < 13.82, "{chi}");
}

#[test]
fn some_of_draws_every_number_of_its_range_alike() {
    let members = [("a", ""), ("b", ""), ("c", ""), ("d", "")];
    let lines = "id = \"g\"\ncount = { uniform = [1, 3] }";
    let plan = planned(&group("some_of", lines, &members));
    let mut counts = BTreeMap::new();
    for (choice, n) in tally(&plan, 20_000) {
        let ids: Vec<&str> = choice.split(' ').collect();
        // different ones, in order
        assert!(ids.is_sorted_by(|a, b| a < b), "{choice}");
        *counts.entry(ids.len().to_string()).or_default() += n;
    }
    let third = 1.0 / 3.0;
    let chi = chi_square(&counts, &[("1", third), ("2", third), ("3", third)]);
    assert!(chi < 13.82, "{chi}");
    // all of them, always
    let all = group("some_of", "id = \"g\"\ncount = 4", &members);
    let choices = tally(&planned(&all), 100);
    assert_eq!(choices["g/a g/b g/c g/d"], 100.0);
    // none of them may be drawn, too
    let few = group(
        "some_of",
        "id = \"g\"\ncount = { uniform = [0, 1] }",
        &members,
    );
    let none = tally(&planned(&few), 10_000)[""];
    assert!((none - 5000.0).abs() < 150.0, "{none}");
}

/// The spatial policy of AUG-01 with steps in place of its transforms.
const POLICY: &str = "p = 0.8\nid = \"g\"";

/// AUG-02: 1e5 draws within 3 sigma of 0.8, and of 0.4, 0.24 and 0.24 jointly.
#[test]
fn the_probabilities_of_a_group_and_of_its_steps_multiply() {
    let members = [
        ("rotation", "p = 0.5"),
        ("scaling", "p = 0.3"),
        ("translation", ""),
        ("elastic", "p = 0.3"),
    ];
    within_three_sigma(
        &planned(&group("group", POLICY, &members)),
        &[
            ("g/rotation", 0.4),
            ("g/scaling", 0.24),
            ("g/translation", 0.8),
            ("g/elastic", 0.24),
        ],
    );
}

/// The preset `medical-spatial`.
fn policy() -> Plan {
    let text = std::fs::read_to_string(root().join("pipelines/medical-spatial.toml")).unwrap();
    Plan::new(Pipeline::from_toml(&text).unwrap(), &registry()).unwrap()
}

/// AUG-01, AUG-02: the probabilities of the preset, and one interpolation whatever is drawn.
#[test]
fn the_spatial_preset_runs_its_steps_as_often_as_the_policy_says() {
    let plan = policy();
    within_three_sigma(
        &plan,
        &[
            ("medical-spatial/augment.rotate", 0.4),
            ("medical-spatial/augment.zoom", 0.24),
            ("medical-spatial/augment.shift", 0.8),
            ("medical-spatial/augment.elastic", 0.24),
        ],
    );
    let explanation = plan.explain(true);
    assert_eq!((explanation.resamples, explanation.passes), (1, 0));
}

/// AUG-03: angles uniform in -15..15; AUG-04: factors uniform in 0.9..1.1, and the size stays;
/// AUG-05: along each axis things move by 2.5 % of its length on average, up to 5 %. A miss leaves
/// every byte (AUG-07).
#[test]
fn what_the_spatial_preset_draws_is_what_the_policy_says() {
    let plan = policy();
    let size = [41, 61, 3];
    let grid = Geometry::aligned(size, [1.0; 3], [0.0; 3]).unwrap();
    let before = volume::<u8>(grid, |[x, y, z]| (x + y + z) as f64);
    let (mut angles, mut factors, mut shifts) = (Vec::new(), Vec::new(), [const { Vec::new() }; 3]);
    let mut epoch = 0;
    while shifts[0].len() < 300 {
        epoch += 1;
        let chosen = plan.chosen("case 7", epoch);
        // the bend alone takes long, and draws nothing that is looked at here
        if chosen.iter().any(|id| id.ends_with("elastic")) {
            continue;
        }
        let result = plan.run(subject(before.clone()), &at(epoch)).unwrap();
        assert_eq!(image(&result).geometry(), before.geometry());
        if chosen.is_empty() {
            assert!(image(&result).voxels().bytes() == before.voxels().bytes());
        }
        for record in &result.history {
            // after the 1 of its own probability
            match record.name.as_str() {
                "augment.rotate" => angles.push(record.drawn[1]),
                "augment.zoom" => factors.push(record.drawn[1]),
                _ => {
                    let map = record.map.as_affine().unwrap();
                    let moved = map.apply([0.0; 3]);
                    (0..3).for_each(|i| shifts[i].push(moved[i].abs() / size[i] as f64));
                }
            }
        }
    }
    // the distance of Kolmogorov and Smirnov stays below 1.95 / sqrt(n) with probability 0.999
    let uniform = |values: &mut Vec<f64>, low: f64, high: f64| {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let at = |(i, v): (usize, &f64)| ((v - low) / (high - low) - (i as f64 + 0.5) / n).abs();
        let distance = values.iter().enumerate().map(at).fold(0.0, f64::max) + 0.5 / n;
        assert!(distance * n.sqrt() < 1.95 && n > 50.0, "{distance} of {n}");
    };
    uniform(&mut angles, -15.0, 15.0);
    uniform(&mut factors, 0.9, 1.1);
    for (axis, shifts) in shifts.iter().enumerate() {
        let mean = shifts.iter().sum::<f64>() / shifts.len() as f64;
        let largest = shifts.iter().copied().fold(0.0, f64::max);
        // whole voxels: -2..2 of 41 (mean 6 / 5), -3..3 of 61 (mean 12 / 7), none of 3
        let (expected, most) = [(0.0293, 2.0 / 41.0), (0.0281, 3.0 / 61.0), (0.0, 0.0)][axis];
        assert!(
            (mean - expected).abs() <= 0.003 * f64::from(axis < 2),
            "{axis}: {mean}"
        );
        assert!((largest - most).abs() < 1e-12, "{axis}: {largest}");
    }
}

fn within_three_sigma(plan: &Plan, probabilities: &[(&str, f64)]) {
    let n = 100_000.0;
    let mut seen = BTreeMap::<&str, f64>::new();
    for epoch in 0..n as u64 {
        for id in plan.chosen("case 7", epoch) {
            *seen.entry(id).or_default() += 1.0;
        }
    }
    for (id, p) in probabilities {
        let (seen, sigma) = (seen[id] / n, (p * (1.0 - p) / n).sqrt());
        assert!((seen - p).abs() < 3.0 * sigma, "{id}: {seen} for {p}");
    }
}

/// ALGORITHMS 7: the numbers of a step are keyed by the ids of the groups around it and its own.
#[test]
fn the_stream_of_a_step_is_named_by_its_path_of_ids() {
    let rotate = "use = \"augment.rotate\"\naxis = \"z\"\nangle_deg = { uniform = [-10, 10] }\n";
    let text = format!(
        "[[step]]\n{rotate}[[step]]\nuse = \"group\"\nid = \"outer\"\n[[step.step]]\n\
         use = \"one_of\"\n[[step.step.step]]\n{rotate}id = \"turn\""
    );
    let result = planned(&text).run(
        ct_subject::<f32>(awkward([4, 3, 2])),
        &RunOptions::default(),
    );
    let history = result.unwrap().history;
    let seed = Seed {
        seed: 11,
        subject: hash_name(&pseudonym("case 7")),
        epoch: 0,
    };
    let angle = |path: &str| vec![Stream::new(seed, path).uniform(-10.0, 10.0)];
    let drawn: Vec<_> = history
        .iter()
        .map(|r| (r.step.as_str(), r.drawn.clone()))
        .collect();
    assert_eq!(
        drawn,
        [
            ("augment.rotate", angle("augment.rotate")),
            ("outer/one_of/turn", angle("outer/one_of/turn")),
        ]
    );
}

/// G-08: ids, not positions, key the draws.
#[test]
fn a_step_more_changes_nothing_for_the_others() {
    let members = [("a", ""), ("b", "p = 0.5"), ("c", "")];
    let choice = |id: &str| group("one_of", &format!("id = \"{id}\"\np = 0.7"), &members);
    let few = group("some_of", "id = \"few\"\ncount = 2", &members);
    let plain = member(1, "plain", "p = 0.5");
    let alone = planned(&(choice("g") + &few + &plain));
    let more =
        planned(&(plain.replace("plain", "first") + &choice("h") + &choice("g") + &few + &plain));
    let inner: String = [("a", ""), ("b", "p = 0.5"), ("c", "")]
        .map(|(id, lines)| member(3, id, lines))
        .concat();
    // a step more in a `group` beside a `one_of`
    let beside = |more: &str| {
        let head = "[[step]]\nuse = \"group\"\nid = \"all\"\n";
        planned(&format!(
            "{head}{more}[[step.step]]\nuse = \"one_of\"\n{inner}"
        ))
    };
    let (without, with) = (beside(""), beside(&member(2, "x", "p = 0.5")));
    for epoch in 0..200 {
        let mut chosen = more.chosen("case 7", epoch);
        chosen.retain(|id| *id != "first" && !id.starts_with("h/"));
        assert_eq!(chosen, alone.chosen("case 7", epoch));
        let mut chosen = with.chosen("case 7", epoch);
        chosen.retain(|id| *id != "all/x");
        assert_eq!(chosen, without.chosen("case 7", epoch));
    }
}

/// G-08: seed, subject and epoch key the choice.
#[test]
fn seed_subject_and_epoch_change_the_choice() {
    let ids: Vec<String> = (0..20).map(|i| format!("m{i}")).collect();
    let members: Vec<_> = ids.iter().map(|id| (id.as_str(), "")).collect();
    let text = group("one_of", "id = \"g\"", &members);
    let choices = |seed: u64, subject: &str, epoch: u64| {
        let plan = planned(&text).with_seed(seed);
        let chosen = (0..20).map(|i| plan.chosen(subject, epoch + 100 * i).join(" "));
        chosen.collect::<Vec<_>>()
    };
    let base = choices(1, "a", 0);
    assert_eq!(base, choices(1, "a", 0));
    assert_ne!(base, choices(2, "a", 0));
    assert_ne!(base, choices(1, "b", 0));
    assert_ne!(base, choices(1, "a", 1));
}

const MIXED: &str = r#"
[[step]]
use = "spatial.spacing"
spacing_mm = [1.1, 1.3, 1.7]
[[step]]
use = "one_of"
p = 0.8
[[step.step]]
use = "augment.rotate"
weight = 2
angle_deg = { uniform = [-40, 40] }
[[step.step]]
use = "group"
[[step.step.step]]
use = "spatial.flip"
axes = ["x"]
[[step.step.step]]
use = "augment.noise"
std = 3
p = 0.5
[[step]]
use = "some_of"
id = "few"
count = { uniform = [1, 2] }
[[step.step]]
use = "intensity.clip"
low = -900
high = 600
[[step.step]]
use = "augment.zoom"
[[step.step]]
use = "filter.gaussian"
sigma_mm = 1.5
[[step]]
use = "augment.noise"
std = 1
p = 0.5
"#;

/// One image and one label map on one awkward grid.
fn pair() -> Subject {
    let size = [9, 8, 7];
    let labels = |[x, y, z]: [usize; 3]| ((x / 2 + y / 2 + z) % 4) as f64;
    let labels = volume::<u8>(awkward(size), labels).into_labels().unwrap();
    let subject = ct_subject::<f32>(awkward(size));
    subject.with("lungs", labels).unwrap()
}

fn at(epoch: u64) -> RunOptions<'static> {
    RunOptions {
        epoch,
        ..RunOptions::default()
    }
}

#[test]
fn all_volumes_of_a_subject_get_the_same_choice() {
    let plan = planned(MIXED);
    let mut met = Vec::new();
    for epoch in 0..40 {
        let result = plan.run(pair(), &at(epoch)).unwrap();
        let ran: Vec<&str> = result.history.iter().map(|r| r.step.as_str()).collect();
        assert_eq!(ran, plan.chosen("case 7", epoch));
        for record in &result.history {
            let wrote: Vec<&str> = record.volumes.iter().map(|w| w.to.as_str()).collect();
            let images_only = ["augment.noise", "intensity.clip", "filter.gaussian"];
            if images_only.contains(&record.name.as_str()) {
                assert_eq!(wrote, ["image"]);
            } else {
                assert_eq!(wrote, ["image", "lungs"], "{}", record.step);
            }
        }
        let grids = ["image", "lungs"].map(|name| result.volume(name).unwrap().geometry().clone());
        assert_eq!(grids[0], grids[1]);
        met.extend(ran.into_iter().map(str::to_owned));
    }
    met.sort_unstable();
    met.dedup();
    assert_eq!(
        met,
        [
            "augment.noise",
            "few/augment.zoom",
            "few/filter.gaussian",
            "few/intensity.clip",
            "one_of/augment.rotate",
            "one_of/group/augment.noise",
            "one_of/group/spatial.flip",
            "spatial.spacing",
        ]
    );
}

/// DESIGN 3: what was chosen is fused as if it stood in the file.
#[test]
fn a_pipeline_with_groups_is_what_the_naive_interpreter_makes_of_it() {
    let plan = planned(&format!("[sampling]\nantialias = \"off\"\n{MIXED}"));
    for epoch in 0..12 {
        let fused = plan.run(pair(), &at(epoch)).unwrap();
        let naive = naive::run(&plan, pair(), &at(epoch)).unwrap();
        assert_eq!(fused.history, naive.history);
        let [a, b] = [&fused, &naive].map(|s| values(s.volume("lungs").unwrap()));
        assert_eq!(a, b);
        let [a, b] = [&fused, &naive].map(|s| values(s.volume("image").unwrap()));
        let worst = a
            .iter()
            .zip(&b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        assert!(a.len() == b.len() && worst <= 2e-3, "{worst} of 2000 HU");
    }
}

/// G-08: the same bits for any number of threads.
#[test]
fn one_thread_and_eight_give_the_same_bytes() {
    let plan = planned(MIXED);
    let bytes = |threads: usize, epoch: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let run = || plan.run(pair(), &at(epoch)).unwrap();
        let result = pool.build().unwrap().install(run);
        let volumes = result.volumes().map(|(_, v)| v.voxels().bytes().to_vec());
        (volumes.collect::<Vec<_>>(), result.history)
    };
    for epoch in 0..8 {
        assert!(bytes(1, epoch) == bytes(8, epoch), "epoch {epoch}");
    }
}

/// AUG-07: where nothing is drawn, the outputs are the inputs, byte for byte.
#[test]
fn a_group_that_does_not_run_leaves_every_byte() {
    for form in ["group", "one_of", "some_of"] {
        let count = if form == "some_of" { "count = 1" } else { "" };
        let steps = format!(
            "[[step]]\nuse = \"{form}\"\np = 0.8\n{count}\n[[step.step]]\nuse = \"augment.rotate\"\n\
             angle_deg = 5\n[[step.step]]\nuse = \"augment.noise\"\nstd = 5\n"
        );
        let plan = planned(&steps);
        let missed = (0..100).find(|&e| plan.chosen("case 7", e).is_empty());
        let result = plan.run(pair(), &at(missed.unwrap())).unwrap();
        assert!(result.history.is_empty());
        let before = pair();
        for (name, volume) in result.volumes() {
            let old = before.volume(name).unwrap();
            assert_eq!(
                Artefact::new(name, volume, None),
                Artefact::new(name, old, None)
            );
            assert!(volume.voxels().bytes() == old.voxels().bytes());
        }
    }
}

#[test]
fn volumes_named_by_a_group_are_those_of_its_steps_unless_they_name_their_own() {
    let steps = "[[step]]\nuse = \"group\"\non = [\"a\"]\n\
        [[step.step]]\nuse = \"intensity.clip\"\nlow = 0\nhigh = 5\n\
        [[step.step]]\nuse = \"one_of\"\n\
        [[step.step.step]]\nuse = \"intensity.clip\"\nlow = 1\nhigh = 5\n\
        [[step.step]]\nuse = \"intensity.clip\"\nlow = 0\nhigh = 3\non = [\"b\"]\n";
    let image = |v: f64| volume::<f32>(awkward([2, 2, 2]), move |_| v);
    let subject = Subject::new("s").with("a", image(-9.0)).unwrap();
    let subject = subject.with("b", image(9.0)).unwrap();
    let result = planned(steps).run(subject, &at(0)).unwrap();
    let of = |name: &str| values(result.volume(name).unwrap())[0];
    assert_eq!((of("a"), of("b")), (1.0, 3.0));
    let wrote: Vec<(&str, &str)> = result
        .history
        .iter()
        .map(|r| (r.step.as_str(), r.volumes[0].to.as_str()))
        .collect();
    assert_eq!(
        wrote,
        [
            ("group/intensity.clip", "a"),
            ("group/one_of/intensity.clip", "a"),
            ("group/intensity.clip#2", "b"),
        ]
    );
}

/// A group may name images and label maps for steps of which some act on images alone.
#[test]
fn a_step_takes_of_the_volumes_of_its_group_those_that_it_acts_on() {
    let steps = "[[step]]\nuse = \"group\"\non = [\"image\", \"lungs\"]\n\
        [[step.step]]\nuse = \"augment.shift\"\n\
        [[step.step]]\nuse = \"intensity.clip\"\nlow = 0\nhigh = 1\n";
    let labels = volume::<u8>(awkward([6, 6, 6]), |[x, ..]| x as f64);
    let subject = Subject::new("s")
        .with(
            "image",
            volume::<f32>(awkward([6, 6, 6]), |[x, ..]| x as f64),
        )
        .unwrap()
        .with("lungs", labels.into_labels().unwrap())
        .unwrap();
    let result = planned(steps).run(subject, &at(0)).unwrap();
    let wrote = |i: usize| -> Vec<&str> {
        let volumes = result.history[i].volumes.iter();
        volumes.map(|w| w.to.as_str()).collect()
    };
    assert_eq!(wrote(0), ["image", "lungs"]);
    assert_eq!(wrote(1), ["image"]);
}

/// G-08: the sidecar says what groups drew, which steps they chose, and which steps did not run.
#[test]
fn the_sidecar_says_what_was_drawn_chosen_and_left_out() {
    let plan = planned(MIXED);
    let sidecar = |epoch: u64| {
        let result = plan.run(pair(), &at(epoch)).unwrap();
        let sidecar = Sidecar::new(&plan, &at(epoch), &result, Vec::new(), Vec::new()).unwrap();
        let text = serde_json::to_string(&sidecar).unwrap();
        assert_eq!(serde_json::from_str::<Sidecar>(&text).unwrap(), sidecar);
        let all: Vec<String> = sidecar.steps.iter().map(|r| r.step.clone()).collect();
        assert_eq!(all.len() + sidecar.skipped.len(), 8);
        serde_json::to_value(&sidecar).unwrap()
    };
    let chosen = |epoch: u64| plan.chosen("case 7", epoch);
    let find = |wanted: &dyn Fn(&[&str]) -> bool| {
        let epoch = (0..500).find(|&epoch| wanted(&chosen(epoch)));
        epoch.map(sidecar).unwrap()
    };

    // the inner group runs, its noise does not
    let inner = find(&|ids| ids.contains(&"one_of/group/spatial.flip") && ids.len() == 3);
    let groups = inner["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 3);
    assert_eq!(groups[0]["step"], "one_of");
    assert_eq!(groups[0]["use"], "one_of");
    assert_eq!(groups[0]["chosen"], json!(["one_of/group"]));
    let drawn = groups[0]["drawn"].as_array().unwrap();
    // it runs, and the number lies beyond the 2 of 3 of the rotation
    assert_eq!((drawn.len(), &drawn[0]), (2, &json!(1.0)));
    assert!(drawn[1].as_f64().unwrap() >= 2.0 / 3.0);
    assert_eq!(
        groups[1],
        json!({ "step": "one_of/group", "use": "group", "drawn": [1.0],
                "chosen": ["one_of/group/spatial.flip", "one_of/group/augment.noise"] })
    );
    // whether, how many more than 1, and a number for each step
    assert_eq!(groups[2]["drawn"].as_array().unwrap().len(), 5);
    assert_eq!(groups[2]["drawn"][1], 0.0);
    let skipped = inner["skipped"].as_array().unwrap();
    assert_eq!(skipped[0], "one_of/augment.rotate");
    assert_eq!(skipped[1], "one_of/group/augment.noise");
    assert_eq!(skipped.last().unwrap(), "augment.noise");

    // the outer group does not run: the inner one is not reached
    let none = find(&|ids| !ids.iter().any(|id| id.starts_with("one_of")));
    let groups = none["groups"].as_array().unwrap();
    let drawn = groups[0]["drawn"].as_array().unwrap();
    assert_eq!((drawn.len(), &drawn[0]), (2, &json!(0.0)));
    assert_eq!(groups[0]["chosen"], json!([]));
    assert_eq!(groups[1]["step"], "few");

    // nothing is said where nothing is left to chance, and old sidecars still read
    let plain = planned("[[step]]\nuse = \"intensity.clip\"\nlow = 0\nhigh = 1");
    let result = plain.run(pair(), &at(0)).unwrap();
    let sidecar = Sidecar::new(&plain, &at(0), &result, Vec::new(), Vec::new()).unwrap();
    let value = serde_json::to_value(&sidecar).unwrap();
    assert!(value.get("groups").is_none() && value.get("skipped").is_none());
}

/// G-08: the pipeline in a sidecar, seed and all, draws the same again.
#[test]
fn the_resolved_pipeline_draws_what_the_file_drew() {
    let plan = planned(MIXED);
    let value = serde_json::to_value(plan.pipeline()).unwrap();
    let few = &value["step"][2];
    assert_eq!(few["count"], json!({ "uniform": [1, 2] }));
    // every parameter is stated, in groups, too
    assert_eq!(few["step"][1]["factor"], json!({ "uniform": [0.7, 1.2] }));
    let pipeline = Pipeline::from_value(value).unwrap();
    assert_eq!(&pipeline, plan.pipeline());
    let again = Plan::new(pipeline, &registry()).unwrap();
    for epoch in 0..100 {
        assert_eq!(again.chosen("b", epoch), plan.chosen("b", epoch));
    }
}

/// `explain` without a subject shows what may happen, not one draw as if it were all.
#[test]
fn explain_shows_the_most_that_can_happen_and_what_is_chosen_from() {
    let explanation = planned(MIXED).explain(true);
    insta::assert_snapshot!(explanation.to_string());
    let json = serde_json::to_value(&explanation).unwrap();
    insta::assert_json_snapshot!(json);
}

#[test]
fn explain_with_a_subject_shows_its_draw_and_names_what_it_leaves_out() {
    let plan = planned(MIXED);
    let headers: Vec<_> = pair()
        .volumes()
        .map(|(name, volume)| (name.to_owned(), volume.header().clone()))
        .collect();
    for subject in ["a", "b", "c", "d", "e", "f"] {
        let explanation = plan.explain_for(subject, &headers, true).unwrap();
        let shown = explanation.stages.iter().flat_map(|stage| &stage.steps);
        let shown: Vec<&str> = shown.map(String::as_str).collect();
        assert_eq!(shown, plan.chosen(subject, 0));
        assert!(explanation.groups.is_empty());
        let text = explanation.to_string();
        let skipped = format!("\nskipped  {}\n", explanation.skipped.join(", "));
        assert_eq!(shown.len() + explanation.skipped.len(), 8);
        assert!(
            text.contains(&skipped) && !text.contains("at most"),
            "{text}"
        );
    }
}

/// A part of a random pipeline.
#[derive(Clone, Debug)]
enum Part {
    Step(&'static str, f64),
    Group(&'static str, f64, [usize; 2], Vec<Part>),
}

fn part(depth: u32) -> BoxedStrategy<Part> {
    let p = prop::sample::select(vec![0.0, 0.5, 1.0, 1.0, 1.0]);
    let step = (
        prop::sample::select(vec![
            "use = \"augment.rotate\"\nangle_deg = 5",
            "use = \"spatial.flip\"\naxes = [\"x\"]",
            "use = \"intensity.clip\"\nlow = 0\nhigh = 1",
            "use = \"intensity.zscore\"",
            "use = \"filter.gaussian\"\nsigma_mm = 1",
        ]),
        p.clone(),
    )
        .prop_map(|(lines, p)| Part::Step(lines, p));
    if depth == 0 {
        return step.boxed();
    }
    let form = prop::sample::select(vec!["group", "one_of", "some_of"]);
    let members = prop::collection::vec(part(depth - 1), 1..4);
    let group = (form, p, members, 0..3_usize, 0..3_usize).prop_map(|(form, p, members, a, b)| {
        let n = members.len();
        let (low, high) = (a.min(b).min(n), a.max(b).max(1).min(n));
        let count = match form {
            "group" => [n, n],
            "one_of" => [1, 1],
            _ => [low, high],
        };
        Part::Group(form, p, count, members)
    });
    prop_oneof![2 => step, 1 => group].boxed()
}

fn write(part: &Part, level: usize, text: &mut String) {
    let header = vec!["step"; level].join(".");
    match part {
        Part::Step(lines, p) => *text += &format!("[[{header}]]\n{lines}\np = {p}\n"),
        Part::Group(form, p, [low, high], members) => {
            *text += &format!("[[{header}]]\nuse = \"{form}\"\np = {p}\n");
            match *form {
                "some_of" if low == high => *text += &format!("count = {low}\n"),
                "some_of" => *text += &format!("count = {{ uniform = [{low}, {high}] }}\n"),
                _ => {}
            }
            members
                .iter()
                .for_each(|member| write(member, level + 1, text));
        }
    }
}

/// Every list of steps that may run; with `sure`, every probability above 0 is 1.
fn courses(part: &Part, sure: bool) -> Vec<Vec<&'static str>> {
    let p = match part {
        Part::Step(_, p) | Part::Group(_, p, ..) => *p,
    };
    let mut all = match part {
        _ if p == 0.0 => Vec::new(),
        Part::Step(lines, _) => vec![vec![*lines]],
        Part::Group(_, _, [low, high], members) => {
            let subsets = 0..1_u32 << members.len();
            let fitting =
                subsets.filter(|bits| (*low..=*high).contains(&(bits.count_ones() as usize)));
            let each = fitting.flat_map(|bits| {
                let chosen = members
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| bits >> i & 1 == 1);
                in_a_row(chosen.map(|(_, member)| member), sure)
            });
            each.collect()
        }
    };
    if p == 0.0 || (p < 1.0 && !sure) {
        all.push(Vec::new());
    }
    all
}

fn in_a_row<'a>(parts: impl Iterator<Item = &'a Part>, sure: bool) -> Vec<Vec<&'static str>> {
    parts.fold(vec![Vec::new()], |before, part| {
        let after = courses(part, sure);
        let join = |a: &Vec<&'static str>| {
            let a = a.clone();
            let all = after.iter().map(move |b| [a.clone(), b.clone()].concat());
            all.collect::<Vec<_>>()
        };
        before.iter().flat_map(join).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The numbers that `explain` gives are those of all draws, tried one by one.
    #[test]
    fn no_draw_does_more_than_explain_says_and_some_draw_does_as_much(
        parts in prop::collection::vec(part(2), 1..5),
        fill in prop::sample::select(vec!["\"auto\"", "\"edge\""]),
    ) {
        let head = format!("[sampling]\nfill = {fill}\n");
        let mut text = head.clone();
        parts.iter().for_each(|part| write(part, 1, &mut text));
        let explanation = planned(&text).explain(true);
        let counts = |sure: bool| -> Result<Vec<(usize, usize, usize, usize)>, TestCaseError> {
            let mut all = in_a_row(parts.iter(), sure);
            all.sort_unstable();
            all.dedup();
            if all.len() > 400 {
                return Err(TestCaseError::reject("too many draws to try"));
            }
            Ok(all.iter().map(|steps| {
                let steps: String = steps.iter().map(|s| format!("[[step]]\n{s}\n")).collect();
                let e = planned(&format!("{head}{steps}")).explain(true);
                let n = e.stages.iter().map(|stage| stage.steps.len()).sum();
                (e.resamples, e.passes, e.stages.len(), n)
            }).collect())
        };
        let all = counts(false)?;
        prop_assert_eq!(explanation.resamples, all.iter().map(|c| c.0).max().unwrap());
        prop_assert_eq!(explanation.passes, all.iter().map(|c| c.1).max().unwrap());
        // what is shown is the draw in which most happens
        let shown = &explanation.stages;
        let of = |kind: &str| shown.iter().filter(|stage| stage.kind == kind).count();
        let n = shown.iter().map(|stage| stage.steps.len()).sum();
        let most = counts(true)?.into_iter().max().unwrap();
        prop_assert_eq!((of("resample"), of("pass"), shown.len(), n), most);
    }
}

/// Deep in groups of every kind, `explain` takes no longer than the pipeline is long.
#[test]
fn explain_ends_for_groups_of_many_steps_in_many_levels() {
    let mut text = String::new();
    for level in 1..=MAX_DEPTH {
        let header = vec!["step"; level].join(".");
        let count = "count = { uniform = [1, 10] }";
        text += &format!("[[{header}]]\nuse = \"some_of\"\n{count}\n");
        for i in 0..10 {
            text += &member(level + 1, &format!("m{i}"), "p = 0.5");
        }
    }
    let explanation = planned(&text).explain(true);
    assert_eq!((explanation.resamples, explanation.passes), (0, 1));
    assert_eq!(explanation.groups.len(), 16);
}

/// Levels of `group`, the innermost of which holds a step.
fn nested(levels: usize) -> String {
    let mut text = String::from("version = 1\n");
    for level in 1..=levels {
        text += &format!("[[{}]]\nuse = \"group\"\n", vec!["step"; level].join("."));
    }
    text + &member(levels + 1, "deep", "")
}

#[test]
fn groups_nest_sixteen_levels_and_no_more() {
    let pipeline = Pipeline::from_toml(&nested(16)).unwrap();
    let plan = Plan::new(pipeline, &registry()).unwrap();
    let path = "group/".repeat(16) + "deep";
    assert_eq!(plan.chosen("a", 0), [path.as_str()]);
    let error = Pipeline::from_toml(&nested(17)).unwrap_err().to_string();
    let place = "group/".repeat(16) + "group";
    let said =
        format!("step '{place}' (group): groups nest deeper than 16 levels; take levels out");
    assert_eq!(error, said);
}

#[test]
fn ten_thousand_levels_are_refused_in_words() {
    let n = 10_000;
    let step = |levels: usize| {
        let open = "{\"use\": \"group\", \"step\": [".repeat(levels);
        format!("{open}{}", "]}".repeat(levels))
    };
    let json = format!("{{\"version\": 1, \"step\": [{}]}}", step(n));
    let header = format!(
        "version = 1\n[[{}]]\nuse = \"group\"",
        vec!["step"; n].join(".")
    );
    let inline = format!(
        "version = 1\nstep = [{}]",
        step(n)
            .replace("\"use\":", "use =")
            .replace("\"step\":", "step =")
    );
    let dotted = format!(
        "version = 1\n[[step]]\nuse = \"group\"\n{} = 1",
        vec!["a"; n].join(".")
    );
    // many levels at once: each table holds a key of many parts
    let part = vec!["a"; 78].join(".");
    let both = format!(
        "version = 1\n[[step]]\nuse = \"group\"\nx = {}1{}",
        format!("{{ {part} = ").repeat(60),
        " }".repeat(60)
    );
    let arrays = format!(
        "version = 1\n[[step]]\nuse = \"a\"\nx = {}{}",
        "[".repeat(n),
        "]".repeat(n)
    );
    let errors = [
        ("json", Pipeline::from_json(&json)),
        ("header", Pipeline::from_toml(&header)),
        ("inline", Pipeline::from_toml(&inline)),
        ("dotted", Pipeline::from_toml(&dotted)),
        ("both", Pipeline::from_toml(&both)),
        ("arrays", Pipeline::from_toml(&arrays)),
    ];
    for (form, result) in errors {
        let error = result.unwrap_err().to_string();
        let clear = error.contains("nest too deeply") && error.contains("16 levels");
        assert!(clear && error.len() < 300, "{form}: {error}");
    }
    let mut value = json!("a");
    for _ in 0..n {
        value = Value::Array(vec![value]);
    }
    let mut pipeline = json!({ "version": 1, "step": [{ "use": "a" }] });
    pipeline["step"][0]["x"] = value;
    let error = Pipeline::from_value(pipeline).unwrap_err().to_string();
    assert!(error.contains("nest too deeply"), "{error}");
}

/// What is refused, with the place, the reason and the remedy.
#[test]
fn a_wrong_group_is_told_what_where_and_remedy() {
    let told = |text: &str, parts: &[&str]| {
        let pipeline = Pipeline::from_toml(&format!("version = 1\n{text}"));
        let result = pipeline.and_then(|pipeline| Plan::new(pipeline, &registry()));
        let error = result.err().map(|e| e.to_string()).unwrap_or_default();
        for part in parts {
            assert!(error.contains(part), "{text}\n{error}\nwithout: {part}");
        }
    };
    let one = &[("a", "")][..];
    let two = &[("a", ""), ("b", "")][..];
    told(
        "[[step]]\nuse = \"group\"",
        &["step 'group', step: holds no steps", "[[step.step]]"],
    );
    told("[[step]]\nuse = \"group\"\nstep = []", &["holds no steps"]);
    told(
        "[[step]]\nuse = \"group\"\n[step.step]\nuse = \"a\"",
        &["step: must be a list", "[[step.step]]"],
    );
    told(
        "[[step]]\nuse = \"group\"\nstep = [1]",
        &["step: must be a list of steps, got 1"],
    );
    told(
        &group("one_of", "as = \"x\"", one),
        &[
            "step 'one_of'",
            "as: a group has no single result",
            "to a step in it",
        ],
    );
    told(
        &group("one_of", "cuont = 1", one),
        &["step 'one_of', cuont: there is no such key"],
    );
    told(
        &group("some_of", "cuont = 1\ncount = 1", one),
        &["cuont", "did you mean 'count'?"],
    );
    told(
        &group("group", "stpe = 1", one),
        &["stpe", "did you mean 'step'?"],
    );
    told(
        &group("group", "angle_deg = 1", one),
        &["angle_deg: there is no such key; there are: p, on, step, use, id"],
    );
    told(
        &group("group", "p = 1.5", one),
        &["step 'group', p: must be in [0, 1], got 1.5"],
    );
    told(
        &group("group", "on = []", one),
        &["step 'group', on: names no volume", "leave it out"],
    );
    told(
        &group("group", "on = [\"a\", \"a\"]", one),
        &["on[1]: names a volume twice"],
    );
    // weights
    told(
        &member(1, "a", "weight = 2"),
        &["step 'a'", "weight: only the steps of one_of and some_of"],
    );
    told(
        &group("one_of", "weight = 2", one),
        &["step 'one_of'", "weight: only the steps"],
    );
    told(
        &group("group", "", &[("a", "weight = 2")]),
        &["step 'group/a'", "weight: only the steps", "or give p"],
    );
    told(
        &group("one_of", "", &[("a", "weight = -1")]),
        &["step 'one_of/a'", "weight: must be in [0, inf), got -1"],
    );
    told(
        &group("one_of", "", &[("a", "weight = \"x\"")]),
        &["step 'one_of/a'", "weight: takes a number, not"],
    );
    told(
        &group("one_of", "", &[("a", "weight = 0")]),
        &["step 'one_of', weight:", "sum 0", "above 0"],
    );
    told(
        &group(
            "one_of",
            "",
            &[("a", "weight = 1e308"), ("b", "weight = 1e308")],
        ),
        &["sum inf", "finite"],
    );
    // counts
    told(
        &group("some_of", "", two),
        &["step 'some_of', count: is missing", "a whole number from 1"],
    );
    for count in [
        "0",
        "-1",
        "1.5",
        "\"two\"",
        "[1, 2]",
        "{ uniform = [2, 1] }",
        "{ uniform = [1, 1] }",
        "{ uniform = [0.5, 2] }",
        "{ normal = [1, 2] }",
    ] {
        let lines = format!("count = {count}");
        told(
            &group("some_of", &lines, two),
            &["step 'some_of', count: must be a whole number from 1, or { uniform"],
        );
    }
    told(
        &group("some_of", "count = 3", two),
        &[
            "count: asks for 3 different steps, and 2 can be drawn",
            "ask for fewer",
        ],
    );
    told(
        &group("some_of", "count = 2", &[("a", ""), ("b", "weight = 0")]),
        &["asks for 2 different steps, and 1"],
    );
    told(
        &group("one_of", "count = 1", two),
        &["count: there is no such key"],
    );
    // places
    told(
        &group("group", "", &[("a", ""), ("a", "")]),
        &["intensity.clip, step 1.2: the id 'a' is used twice"],
    );
    told(
        &group("group", "", &[("a/b", "")]),
        &["step 1.1: 'a/b' is no id"],
    );
    told(
        "[[step]]\nuse = \"group\"\n[[step.step]]\nlow = 1",
        &["step 1.1: has no `use`"],
    );
    told(
        &group("group", "id = \"g\"", &[("a", "hihg = 2")]),
        &["step 'g/a' (intensity.clip), hihg", "did you mean 'high'?"],
    );
    // names
    told(
        &group("oneof", "", one),
        &[
            "step 'oneof', step: only group, one_of and some_of hold steps",
            "did you mean 'one_of'?",
        ],
    );
    told(
        "[[step]]\nuse = \"someof\"",
        &["there is no transform 'someof'", "did you mean 'some_of'?"],
    );
    told(
        &member(1, "a", "[[step.step]]\nuse = \"ct.clip\""),
        &["step 'a'", "step: only group", "write [[step]]"],
    );
    // a group in another may be called as its neighbour in a third
    let twice = group("group", "", one) + &group("group", "", one);
    assert_eq!(planned(&twice).chosen("s", 0), ["group/a", "group#2/a"]);
}
