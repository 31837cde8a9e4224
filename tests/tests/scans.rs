//! Real scans, through the files and the pipeline. Skipped where there are none.
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use std::path::Path;

use serde_json::Value;
use voxprep_core::plan::RunOptions;
use voxprep_core::subject::Subject;
use voxprep_core::volume::Volume;
use voxprep_io::ReadOptions;
use voxprep_tests::{plan, shared, step, values};

/// IO-15, IO-16: one head stored in eight axis orders is one head after reorienting.
#[test]
fn one_head_in_eight_orders_is_one_head_after_reorienting() {
    let Some(shared) = shared() else {
        return;
    };
    let folder = shared.join("data/formats/orientations_a");
    let plan = plan("[[step]]\nuse = \"spatial.reorient\"\nto = \"RAS\"").unwrap();
    let read = |name: &str| -> Volume {
        let path = folder.join(format!("{name}.nii.gz"));
        let volume = voxprep_io::read(&path, &ReadOptions::default()).unwrap();
        assert_eq!(volume.geometry().orientation().to_string(), name);
        let subject = Subject::new(name).with("image", volume).unwrap();
        let result = plan.run(subject, &RunOptions::default()).unwrap();
        result.volume("image").unwrap().clone()
    };
    let ras = read("RAS");
    for name in ["LAS", "LPS", "ASL", "PIR", "SRP", "IPL", "ILA"] {
        let other = read(name);
        assert!(other.geometry().is_close(ras.geometry(), 1e-4), "{name}");
        assert!(other.voxels().bytes() == ras.voxels().bytes(), "{name}");
    }
}

/// What intensity-normalization 3.0.1 finds in a scan after reorienting and respacing to 1 mm, with
/// all above 0 as foreground: peak, mean and standard deviation of the stripe; and the step of the 80
/// on which it looks for the peak, and the range of the values.
struct Peer {
    file: &'static str,
    sequence: &'static str,
    peak: f64,
    mean: f64,
    std: f64,
    step: f64,
    range: f64,
    /// The distance of two values that the file can hold.
    level: f64,
    /// Peak, mean and standard deviation by the peer's rule, where the sum of Gaussians is looked
    /// at on 4096 steps.
    fine: [f64; 3],
}

const PEERS: [Peer; 5] = [
    Peer {
        file: "chris_T1_PD_head/chris_t1",
        sequence: "T1",
        peak: 127.025_316_455_696_2,
        mean: 127.705_879_210_938,
        std: 1.856_411_814_690,
        step: 131.0 / 79.0,
        range: 255.0,
        level: 1.0,
        fine: [126.913_553, 126.601_672_321, 1.641_592_481],
    },
    Peer {
        file: "chris_T1_PD_head/chris_PD",
        sequence: "PD",
        peak: 2.835_443_037_974_683_6,
        mean: 8.647_940_635_681,
        std: 4.796_791_076_660,
        step: 145.0 / 79.0,
        range: 221.0,
        level: 1.0,
        fine: [f64::NAN; 3],
    },
    Peer {
        file: "stroke_T1_T2_FLAIR/T1",
        sequence: "T1",
        peak: 159.594_936_708_860_76,
        mean: 159.471_817_016_602,
        std: 3.980_808_019_638,
        step: 187.0 / 79.0,
        range: 252.0,
        level: 1.0,
        fine: [159.322_100, 159.471_830_005, 3.980_826_644],
    },
    Peer {
        file: "stroke_T1_T2_FLAIR/T2",
        sequence: "T2",
        peak: 103.670_793_168_152_43,
        mean: 103.380_439_758_301,
        std: 2.241_966_247_559,
        step: 501.960_8 / 79.0,
        range: 503.968_66,
        level: 503.968_66 / 251.0,
        fine: [101.419_375, 101.394_877_626, 2.243_139_005],
    },
    Peer {
        file: "stroke_T1_T2_FLAIR/FLAIR",
        sequence: "FLAIR",
        peak: 116.746_835_443_037_97,
        mean: 116.509_987_487_793,
        std: 1.706_521_034_241,
        step: 254.0 / 79.0,
        range: 255.0,
        level: 1.0,
        fine: [117.858_608, 117.501_509_342, 1.704_768_485],
    },
];

/// The scan after reorient, spacing and White Stripe, and what the last one reports.
fn white_stripe(shared: &Path, peer: &Peer, profile: &str) -> (Subject, Value) {
    let steps = step("spatial.reorient", "to = \"RAS\"")
        + &step("spatial.spacing", "spacing_mm = [1.0, 1.0, 1.0]")
        + &step(
            "mri.white_stripe",
            &format!("sequence = \"{}\"\nprofile = \"{profile}\"", peer.sequence),
        );
    let path = shared.join(format!("data/mri/{}.nii.gz", peer.file));
    let volume = voxprep_io::read(&path, &ReadOptions::default()).unwrap();
    let subject = Subject::new("head").with("image", volume).unwrap();
    let plan = plan(&format!("[input]\nmodality = \"MRI\"\n{steps}")).unwrap();
    let result = plan.run(subject, &RunOptions::default()).unwrap();
    let finding = result
        .findings
        .iter()
        .find(|f| f.code == "whitestripe.stripe");
    let report = finding.unwrap().values.clone();
    (result, report)
}

/// MR-14, ALGORITHMS 5.3: with the peer's profile the peak is on its step, and mean and standard
/// deviation are within 1e-3 of the range; they are within 1e-5 of it.
#[test]
fn the_white_stripe_of_real_heads_is_that_of_intensity_normalization() {
    let Some(shared) = shared() else {
        return;
    };
    for peer in &PEERS {
        let (_, report) = white_stripe(&shared, peer, "intnorm3");
        for (name, expected, allowed) in [
            ("peak", peer.peak, 1e-6),
            ("mean", peer.mean, 1e-5 * peer.range),
            ("std", peer.std, 1e-5 * peer.range),
        ] {
            let got = report[name].as_f64().unwrap();
            assert!(
                (got - expected).abs() < allowed,
                "{}, {name}: {got}, not {expected}",
                peer.file
            );
        }
    }
}

/// MR-14, ALGORITHMS 5.3, decision 009: the peak is that of the sum of Gaussians, mean and standard
/// deviation are those of its stripe. From the peer's, with its 80 steps, the mean is within 1 % and
/// the deviation within 5 %, or the stripes differ by no more than one of the values that the file can
/// hold at either end. What comes out has mean 0 and deviation 1 in the stripe.
#[test]
fn the_white_stripe_of_real_heads_is_that_of_a_fine_density() {
    let Some(shared) = shared() else {
        return;
    };
    for peer in PEERS.iter().filter(|peer| peer.sequence != "PD") {
        let (result, report) = white_stripe(&shared, peer, "native");
        let number = |name: &str| report[name].as_f64().unwrap();
        let place = format!("{}: {report}", peer.file);
        let [peak, mean, std] = peer.fine;
        // 80 steps are 79 apart, 4096 are 4095.
        assert!(
            (number("peak") - peak).abs() < 1.01 * peer.step * 79.0 / 4095.0,
            "{place}"
        );
        assert!((number("mean") / mean - 1.0).abs() < 1e-6, "{place}");
        assert!((number("std") / std - 1.0).abs() < 1e-6, "{place}");

        assert!(
            (number("peak") - peer.peak).abs() <= 0.5 * peer.step,
            "{place}"
        );
        let apart = (number("mean") - peer.mean).abs();
        assert!(apart <= (0.01 * peer.mean).max(peer.level), "{place}");
        // As many values as a uniform stripe of this deviation has, and one more.
        let held = (1.0 + 12.0 * (std / peer.level).powi(2)).sqrt();
        let one_more = (((held + 1.0).powi(2) - 1.0) / 12.0).sqrt() * peer.level;
        let allowed = (0.05 * peer.std).max(one_more - std);
        assert!((number("std") - peer.std).abs() <= allowed, "{place}");

        let [low, high] = ["low", "high"].map(|n| (number(n) - number("mean")) / number("std"));
        let image = values(result.volume("image").unwrap());
        let inside = image
            .iter()
            .filter(|v| **v > low + 1e-5 && **v < high - 1e-5);
        let n = inside.clone().count() as f64;
        assert_eq!(n, number("count"), "{place}");
        let mean = inside.clone().sum::<f64>() / n;
        let squares = inside.map(|v| (v - mean) * (v - mean)).sum::<f64>();
        let std = (squares / (n - 1.0)).sqrt();
        assert!(
            mean.abs() < 1e-5 && (std - 1.0).abs() < 1e-5,
            "{mean} {std}"
        );
    }
}
