//! Same bits, own inputs, own labels, one grid: what is promised about any run.

use voxprep_core::plan::RunOptions;
use voxprep_core::subject::Subject;
use voxprep_core::volume::Role;
use voxprep_kernels::simd::{Level, with_level};
use voxprep_tests::{awkward, values};

use crate::{busy, bytes, does, entries, everything, plan, planned, run, subject, usual};

/// G-08: the same bits, run after run and for any number of threads.
#[test]
fn the_same_step_gives_the_same_bits_for_any_number_of_threads_and_simd_level() {
    for entry in entries() {
        let grid = awkward([70, 61, 33]);
        let subject = || subject::<f32, u8>(&entry, &grid, busy);
        let plan = plan(&entry);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let result = pool
                .install(|| plan.run(subject(), &RunOptions::default()))
                .unwrap();
            let rest = format!("{:?} {:?}", result.points, result.findings);
            (bytes(&result), rest)
        };
        let one = run(1);
        for threads in [1, 2, 8] {
            assert!(run(threads) == one, "{}: {threads} threads", entry.name);
        }
        for level in Level::ALL {
            let same = with_level(level, || run(2)) == one;
            assert!(same, "{}: {level:?}", entry.name);
        }
    }
}

/// G-08: without anything to draw, neither subject nor epoch nor seed matters; with it, each does.
#[test]
fn what_is_drawn_depends_on_subject_epoch_and_seed_alone() {
    for entry in entries() {
        let run = |id: &str, epoch, seed| {
            let mut subject = Subject::new(id);
            for (name, volume) in usual(&entry).volumes() {
                subject.add(name, volume.clone()).unwrap();
            }
            let plan = planned(&entry, &entry.example_params().unwrap(), seed).unwrap();
            let options = RunOptions {
                epoch,
                ..RunOptions::default()
            };
            bytes(&plan.run(subject, &options).unwrap())
        };
        let first = run("a", 0, 1);
        let draws = entry.name.starts_with("augment.");
        // few outcomes, such as mirrored or not, may be the same by chance: not eight times
        let others = [
            (
                "subject",
                ["b", "c", "d", "e", "f", "g", "h", "i"].map(|id| run(id, 0, 1)),
            ),
            (
                "epoch",
                [1, 2, 3, 4, 5, 6, 7, 8].map(|epoch| run("a", epoch, 1)),
            ),
            (
                "seed",
                [2, 3, 4, 5, 6, 7, 8, 9].map(|seed| run("a", 0, seed)),
            ),
        ];
        for (what, others) in others {
            let differs = others.iter().any(|other| *other != first);
            assert_eq!(differs, draws, "{}: another {what}", entry.name);
        }
        assert!(run("a", 0, 1) == first, "{}", entry.name);
    }
}

/// G-03: whoever shares the voxels keeps them as they were.
#[test]
fn the_input_is_never_modified() {
    for entry in entries() {
        let input = usual(&entry);
        let before = everything(&input);
        run(&entry, input.clone()).unwrap();
        assert!(everything(&input) == before, "{}", entry.name);
    }
}

/// G-02, B-25: intensity steps leave label maps alone, and label steps images.
#[test]
fn what_a_step_does_not_act_on_stays_byte_for_byte() {
    for entry in entries() {
        let Some(role) = entry.role else { continue };
        let (input, output) = (usual(&entry), run(&entry, usual(&entry)).unwrap());
        for (name, before) in input.volumes().filter(|(_, v)| v.role() != role) {
            let after = output.volume(name).unwrap();
            assert_eq!(after.header(), before.header(), "{}, {name}", entry.name);
            assert!(
                after.voxels().bytes() == before.voxels().bytes(),
                "{}, {name}",
                entry.name
            );
        }
    }
}

/// G-01: nothing new appears in a label map that voxels only move in, and it stays of integers.
#[test]
fn spatial_steps_invent_no_labels() {
    for entry in entries().iter().filter(|e| does(e).is_spatial) {
        let (input, output) = (usual(entry), run(entry, usual(entry)).unwrap());
        let [before, after] = [&input, &output].map(|s| s.volume("lungs").unwrap());
        let known = values(before);
        let new = values(after)
            .into_iter()
            .find(|v| *v != 0.0 && !known.contains(v));
        assert_eq!(new, None, "{}", entry.name);
        assert_eq!(
            after.header().element_type,
            before.header().element_type,
            "{}",
            entry.name
        );
        assert_eq!(after.role(), Role::Label, "{}", entry.name);
    }
}

/// G-01: an image comes out the same with and without a label map beside it, or before it.
#[test]
fn an_image_does_not_notice_its_label_map() {
    for entry in entries()
        .iter()
        .filter(|e| !does(e).is_joint && !does(e).on_labels)
    {
        let with = run(entry, usual(entry)).unwrap();
        let mut alone = usual(entry);
        let labels = alone.remove("lungs").unwrap();
        let mut after = Subject::new("case 7").with("lungs", labels).unwrap();
        for (name, volume) in alone.volumes() {
            after.add(name, volume.clone()).unwrap();
        }
        let expected = with.volume("image").unwrap();
        for other in [alone, after] {
            let result = run(entry, other).unwrap();
            let image = result.volume("image").unwrap();
            assert_eq!(image.header(), expected.header(), "{}", entry.name);
            assert!(
                image.voxels().bytes() == expected.voxels().bytes(),
                "{}",
                entry.name
            );
        }
    }
}

/// G-01, G-05: what was on one grid is on one grid.
#[test]
fn volumes_on_one_grid_stay_on_one_grid() {
    for entry in entries() {
        let result = run(&entry, usual(&entry)).unwrap();
        let grid = result.volume("image").unwrap().geometry();
        for (name, volume) in result.volumes() {
            assert_eq!(volume.geometry(), grid, "{}, {name}", entry.name);
            assert_eq!(
                volume.voxels().size(),
                grid.size(),
                "{}, {name}",
                entry.name
            );
        }
    }
}
