//! Bad pipelines as values: each error says what, where, and what would mend it.

use serde_json::json;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::Affine;
use voxprep_core::pipeline::Pipeline;
use voxprep_core::plan::Plan;
use voxprep_core::subject::Subject;
use voxprep_tests::{awkward, ct_subject, registry, row, run, step, subject, volume};

fn told(toml: &str, words: &[&str]) {
    let planned = Pipeline::from_toml(toml).and_then(|pipeline| Plan::new(pipeline, &registry()));
    let Err(error) = planned else {
        panic!("no error: {toml}")
    };
    assert!(error.fault().is_some(), "{error:?}");
    has(&error.to_string(), words, toml);
}

fn has(text: &str, words: &[&str], what: &str) {
    for word in words {
        assert!(
            text.contains(word),
            "'{text}' does not say '{word}': {what}"
        );
    }
}

fn told_by_run(steps: &str, input: Subject, words: &[&str]) {
    match run(steps, input) {
        Ok(_) => panic!("no error: {steps}"),
        Err(error) => has(&error.to_string(), words, steps),
    }
}

fn first(lines: &str) -> String {
    format!("version = 1\n[[step]]\n{lines}")
}

/// DESIGN 10: what, where and remedy, in one line.
#[test]
fn a_wrong_step_is_told_what_where_and_remedy() {
    // an unknown step, with and without a name like it
    told(
        &first("use = \"ct.windw\""),
        &[
            "step 'ct.windw'",
            "no transform 'ct.windw'",
            "did you mean 'ct.window'?",
        ],
    );
    told(
        &first("use = \"qqq\""),
        &["no transform 'qqq'", "`voxprep list`"],
    );
    told(
        &first("id = \"a\""),
        &["step 1", "no `use`", "name a transform"],
    );
    // a misspelt field
    told(
        &first("use = \"ct.window\"\nid = \"lung\"\nlevel = 1\nwidht = 2"),
        &[
            "step 'lung' (ct.window)",
            "widht",
            "no such parameter",
            "did you mean 'width'?",
        ],
    );
    // a wrong type
    told(
        &first("use = \"ct.window\"\nlevel = \"high\"\nwidth = 1"),
        &["ct.window", "level", "a number, or { uniform"],
    );
    told(
        &first("use = \"spatial.spacing\"\nspacing_mm = [1, 1]"),
        &["spatial.spacing", "spacing_mm", "length 3"],
    );
    told(
        &first("use = \"spatial.flip\"\naxes = [\"w\"]"),
        &["spatial.flip", "axes[0]", "there are: x, y, z"],
    );
    told(
        &first("use = \"spatial.reorient\"\nto = \"RLS\""),
        &["spatial.reorient", "to", "RLS", "one each of R/L"],
    );
    told(
        &first("use = \"ct.clip\"\npreset = \"lungs\""),
        &["ct.clip", "preset", "lungs", "did you mean"],
    );
    // out of range
    told(
        &first("use = \"ct.window\"\nlevel = 1\nwidth = -5"),
        &["ct.window", "width", "must be in (0, inf), got -5"],
    );
    told(
        &first("use = \"spatial.spacing\"\nspacing_mm = [1, 0, 1]"),
        &["spacing_mm[1]", "(0, inf)", "got 0"],
    );
    told(
        &first("use = \"spatial.crop\"\nstart = [0, 0, 0]\nsize = [0, 1, 1]"),
        &["spatial.crop", "size[0]", "got 0"],
    );
    told(
        &first("use = \"intensity.clip\"\nlow = 5\nhigh = 4"),
        &["intensity.clip", "low"],
    );
    told(
        &first("use = \"intensity.rescale\"\nlow = 1\nhigh = 1"),
        &["intensity.rescale", "low", "not below high"],
    );
    told(
        &first("use = \"augment.noise\"\nstd = { normal = [1, 1] }"),
        &["augment.noise", "std", "may draw", "[0, inf)"],
    );
    told(
        &first("use = \"ct.clip\"\npreset = \"full\"\np = 1.5"),
        &["ct.clip", "p", "[0, 1]", "1.5"],
    );
    // either-or
    told(
        &first("use = \"ct.clip\""),
        &["ct.clip", "either `preset`, or `low` and `high`"],
    );
    told(
        &first("use = \"ct.window\"\npreset = \"lung\"\nlevel = 1\nwidth = 2"),
        &["ct.window", "exactly one"],
    );
    // a missing field
    told(
        &first("use = \"spatial.spacing\""),
        &["spatial.spacing", "missing field `spacing_mm`"],
    );
}

#[test]
fn a_wrong_file_is_told_what_where_and_remedy() {
    told(
        "version = 2",
        &["version", "version 1, not 2", "upgrade voxprep"],
    );
    told("version = \"1\"", &["version", "not \"1\""]);
    told("seed = 1", &["version", "missing", "`version = 1`"]);
    told(
        "version = 1\nsampel = 1",
        &["sampel", "did you mean 'sampling'?"],
    );
    told(
        "version = 1\n[sampling]\nintensity = \"lanczos\"",
        &["sampling.intensity", "lanczos", "cubic"],
    );
    told(
        "version = 1\n[sampling]\nfill = \"zero\"",
        &["sampling.fill", "\"edge\""],
    );
    told(
        "version = 1\n[input]\nmodality = \"PET\"",
        &["input.modality", "PET", "MRI"],
    );
    told("version = 1\nseed = -1", &["seed"]);
    told("version = 1\n[[step]\nuse = 1", &["line 2"]);
    let json =
        Pipeline::from_json("{\"version\": 1, \"step\": [{\"use\": \"ct.clip\"}}").unwrap_err();
    has(&json.to_string(), &["line 1"], "json");
}

#[test]
fn a_name_used_twice_is_an_error_that_names_it() {
    let clip = |lines: &str| step("intensity.clip", &format!("low = 0\nhigh = 1\n{lines}"));
    let twice = clip("id = \"a\"") + &clip("id = \"a\"");
    told(
        &format!("version = 1\n{twice}"),
        &[
            "intensity.clip",
            "step 2",
            "'a' is used twice",
            "its own id",
        ],
    );
    // an id that another step has by default
    let hidden = clip("id = \"intensity.clip#2\"") + &clip("") + &clip("");
    let plan = Pipeline::from_toml(&format!("version = 1\n{hidden}")).unwrap();
    let mut ids: Vec<&str> = plan.steps.iter().map(|s| s.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let input = || subject(row::<f32>(&[0.0, 2.0]));
    told_by_run(
        &clip("as = \"image\""),
        input(),
        &[
            "intensity.clip",
            "as",
            "'image' is used twice",
            "its own name",
        ],
    );
    told_by_run(
        &(clip("as = \"new\"") + &clip("on = [\"image\"]\nas = \"new\"")),
        input(),
        &["intensity.clip#2", "as", "'new' is used twice"],
    );
    told_by_run(
        &clip("as = \"a/b\""),
        input(),
        &["as", "'a/b' cannot name a volume", "letters"],
    );
    let both = input().with("second", row::<f32>(&[1.0, 2.0])).unwrap();
    told_by_run(
        &clip("as = \"new\""),
        both,
        &["as", "the results of 2", "name one volume in `on`"],
    );
    let error = input().with("image", row::<f32>(&[1.0])).unwrap_err();
    has(
        &error.to_string(),
        &["'image' is used twice", "its own name"],
        "two volumes",
    );
}

#[test]
fn a_step_that_does_not_fit_the_subject_is_told_what_where_and_remedy() {
    let input = || ct_subject::<i16>(awkward([4, 5, 1]));
    let window = step("ct.window", "preset = \"lung\"");
    told_by_run(
        &(step("intensity.zscore", "") + &window),
        input(),
        &[
            "step 'ct.window'",
            "Hounsfield units",
            "'image'",
            "normalised",
            "move this step",
        ],
    );
    told_by_run(
        &step("intensity.clip", "low = 0\nhigh = 1\non = [\"pet\"]"),
        input(),
        &["intensity.clip", "on", "no volume 'pet'", "has: image"],
    );
    told_by_run(
        &step("intensity.clip", "low = 0\nhigh = 1\non = []"),
        input(),
        &["intensity.clip", "on", "leave it out"],
    );
    told_by_run(
        &step("subject.keep", "volumes = [\"lung\"]"),
        input(),
        &["subject.keep", "volumes", "no volume 'lung'", "has: image"],
    );
    told_by_run(
        &step("intensity.zscore", "over = { mask = \"lungs\" }"),
        input(),
        &["intensity.zscore", "no volume 'lungs'", "has: image"],
    );
    told_by_run(
        &step("spatial.crop", "start = [0, 0, 1]\nsize = [1, 1, 1]"),
        input(),
        &["spatial.crop", "size", "of z", "has 1", "ask for fewer"],
    );
    told_by_run(
        "[input]\nreference = \"pet\"",
        input(),
        &["reference", "no volume 'pet'"],
    );
    let elsewhere = volume::<u8>(awkward([4, 5, 2]), |_| 1.0)
        .into_labels()
        .unwrap();
    let two = input().with("lungs", elsewhere).unwrap();
    told_by_run(
        &step("intensity.zscore", "over = { mask = \"lungs\" }"),
        two,
        &[
            "intensity.zscore",
            "'lungs' is on another grid",
            "on the grid of the image",
        ],
    );
}

/// A singular or infinite affine is refused where it arises, with the file to mend.
#[test]
fn a_singular_affine_is_refused_before_anything_is_computed() {
    let flat = Affine::from_parts(
        [[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 1.0]],
        [0.0; 3],
    );
    let infinite = Affine::translation([0.0, f64::NAN, 0.0]);
    for (affine, word) in [
        (flat, "singular"),
        (Affine::scaling([1.0, 1.0, 0.0]), "singular"),
        (infinite, "not finite"),
    ] {
        let error = Geometry::new([2, 2, 2], affine).unwrap_err().to_string();
        has(&error, &["affine", word, "mend the header"], "affine");
    }
    let rows = json!([
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0]
    ]);
    let read =
        serde_json::from_value::<Geometry>(json!({ "size": [1, 1, 1], "world_from_index": rows }));
    has(
        &read.unwrap_err().to_string(),
        &["singular"],
        "a geometry in a sidecar",
    );
    // voxels too small for arithmetic: an error of the step, no panic
    let input = ct_subject::<i16>(awkward([3, 3, 3]));
    for tiny in ["1e-300", "5e-324", "1e-9"] {
        let lines = format!("spacing_mm = [{tiny}, 1, 1]");
        told_by_run(
            &step("spatial.spacing", &lines),
            input.clone(),
            &["spatial.spacing", "spacing_mm"],
        );
    }
}

/// A voxel larger than any scan is a slip of the pen, and is said so.
#[test]
fn an_absurd_spacing_is_refused_in_words() {
    for (spacing, words) in [(1e9, "shrinks by a factor"), (1e-10, "longer than")] {
        let steps = step(
            "spatial.spacing",
            &format!("spacing_mm = [{spacing:?}, 1.0, 1.0]"),
        );
        let error = run(
            &steps,
            subject(volume::<f32>(awkward([8, 4, 3]), |i| i[0] as f64)),
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains(words), "{error}");
    }
}
