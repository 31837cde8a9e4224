//! Slices to a grid: where the first voxel is, and the step from slice to slice, by the positions
//! that the slices have in the patient (ALGORITHMS 9.2).
//!
//! Neither file names nor instance numbers nor slice locations have a say. The step between slices
//! is that between their positions, whatever the thickness is stated to be; where it does not stand
//! upright on the slices, the gantry was tilted, and the grid is sheared.

use voxprep_core::kernels::affine::{cross, dot, norm};

use crate::SlicePolicy;

/// Positions closer than this, along the normal, are one place.
pub(super) const SAME_PLACE_MM: f64 = 1e-3;

/// Where the slices of a stack are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    /// The centre of the first voxel.
    pub(super) origin: [f64; 3],
    /// From one slice to the next.
    pub(super) step: [f64; 3],
    /// What makes up each slice of the grid.
    pub(super) slices: Vec<Slice>,
    /// The angle between the step and the normal, degrees.
    pub(super) tilt: f64,
    /// What had to be done, or deserves a look.
    pub(super) doubts: Vec<String>,
}

/// What a slice of the grid is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Slice {
    /// A slice that was measured.
    Measured(usize),
    /// The weighted mean of one and the next, so much of the next.
    Between(usize, f64),
    /// No measurement.
    Blank,
}

/// Why slices do not make a grid.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Uneven {
    pub(super) reason: String,
    pub(super) remedy: &'static str,
}

/// The normal of slices with these axes, and how far along it a position is.
pub(super) fn along(axes: [[f64; 3]; 2], position: [f64; 3]) -> f64 {
    dot(cross(axes[0], axes[1]), position)
}

/// Finds the grid of slices at these positions, sorted along their normal, none of them double.
///
/// # Errors
/// Where steps differ, and the policy does not say what to do about it.
pub(super) fn place(
    positions: &[[f64; 3]],
    axes: [[f64; 3]; 2],
    spacing: [f64; 2],
    single_step: f64,
    policy: SlicePolicy,
) -> Result<Placed, Uneven> {
    let normal = cross(axes[0], axes[1]);
    let (Some(&first), Some(&last)) = (positions.first(), positions.last()) else {
        return Err(Uneven {
            reason: "there are no slices".into(),
            remedy: "export the series again",
        });
    };
    let count = positions.len();
    let measured = (0..count).map(Slice::Measured).collect();
    if count == 1 {
        return Ok(Placed {
            origin: first,
            step: normal.map(|n| n * single_step),
            slices: measured,
            tilt: 0.0,
            doubts: Vec::new(),
        });
    }
    let between = [0, 1, 2].map(|axis| last[axis] - first[axis]);
    let tilt = angle(between, normal);
    let mut doubts = Vec::new();
    let distances: Vec<f64> = positions.iter().map(|p| dot(normal, *p)).collect();
    let whole = distances[count - 1] - distances[0];
    // Shifted in their planes, not only along one line, slices make no grid, sheared or not.
    let pixel = spacing[0].min(spacing[1]);
    let worst = positions.iter().zip(&distances).map(|(position, at)| {
        let share = (at - distances[0]) / whole;
        let off = [0, 1, 2].map(|axis| position[axis] - first[axis] - between[axis] * share);
        norm(off)
    });
    let worst = worst.fold(0.0, f64::max);
    if worst > 0.5 * pixel {
        return Err(Uneven {
            reason: format!(
                "slices are shifted against each other in their planes, by up to {worst:.2} mm"
            ),
            remedy: "choose a part of the series, or export it again",
        });
    }
    if worst > 0.1_f64.max(0.1 * pixel) {
        doubts.push(format!(
            "slices lie up to {worst:.2} mm beside the line through the first and the last"
        ));
    }
    let steps: Vec<f64> = distances.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let median = median(&steps);
    let tolerance = 0.01_f64.max(0.01 * median);
    let per = |slices: usize| between.map(|b| b / slices as f64);
    if steps.iter().all(|step| (step - median).abs() <= tolerance) {
        return Ok(Placed {
            origin: first,
            step: per(count - 1),
            slices: measured,
            tilt,
            doubts,
        });
    }
    let gaps = gaps(&steps, median);
    let (what, remedy) = describe(&steps, median, tilt, gaps.as_deref());
    match policy {
        SlicePolicy::Refuse | SlicePolicy::Split => Err(Uneven {
            reason: what,
            remedy,
        }),
        SlicePolicy::Blank => {
            let Some(gaps) = gaps else {
                return Err(Uneven {
                    reason: what,
                    remedy: "no slice is simply missing: resample them (--slices resample), or split the series (--slices split)",
                });
            };
            let mut slices = vec![Slice::Measured(0)];
            for (at, missing) in gaps.iter().enumerate() {
                slices.extend(std::iter::repeat_n(Slice::Blank, *missing));
                slices.push(Slice::Measured(at + 1));
            }
            // Small differences add up: every slice must be where the grid has it.
            let step = whole / (slices.len() - 1) as f64;
            let off = slices.iter().enumerate().map(|(at, slice)| match slice {
                Slice::Measured(k) => (distances[*k] - distances[0] - step * at as f64).abs(),
                _ => 0.0,
            });
            if off.fold(0.0, f64::max) > 0.05 * median {
                return Err(Uneven {
                    reason: what,
                    remedy: "and the others are not equally far apart: --slices resample or split",
                });
            }
            doubts.push(format!("{what}; missing slices are NaN"));
            Ok(Placed {
                origin: first,
                step: per(slices.len() - 1),
                slices,
                tilt,
                doubts,
            })
        }
        SlicePolicy::Resample => {
            let number = (whole / median).round().max(1.0);
            // A median that is tiny beside the whole would ask for absurdly many.
            if number > 16.0 * count as f64 {
                return Err(Uneven {
                    reason: what,
                    remedy: "the steps differ too much to be made even; split the series (--slices split)",
                });
            }
            let number = number as usize;
            let slices = (0..=number)
                .map(|k| {
                    between_slices(&distances, distances[0] + whole * k as f64 / number as f64)
                })
                .collect();
            doubts.push(format!(
                "{what}; interpolated linearly to steps of {:.4} mm along the normal",
                whole / number as f64
            ));
            Ok(Placed {
                origin: first,
                step: per(number),
                slices,
                tilt,
                doubts,
            })
        }
    }
}

/// What lies at a distance along the normal: a slice, or a mean of two.
fn between_slices(distances: &[f64], at: f64) -> Slice {
    let next = distances.partition_point(|d| *d <= at);
    let before = next.saturating_sub(1);
    match (distances.get(before), distances.get(next)) {
        (Some(low), Some(high)) if high - at < SAME_PLACE_MM && at - low > SAME_PLACE_MM => {
            Slice::Measured(next)
        }
        (Some(low), Some(high)) if at - low >= SAME_PLACE_MM => {
            Slice::Between(before, (at - low) / (high - low))
        }
        _ => Slice::Measured(before),
    }
}

/// The parts of a stack whose slices are equally far apart, as ranges of slices.
pub(super) fn even_parts(
    positions: &[[f64; 3]],
    axes: [[f64; 3]; 2],
) -> Vec<std::ops::Range<usize>> {
    let distances: Vec<f64> = positions.iter().map(|p| along(axes, *p)).collect();
    let mut parts = Vec::new();
    let mut start = 0;
    while start < distances.len() {
        let mut end = start + 1;
        if let (Some(a), Some(b)) = (distances.get(start), distances.get(end)) {
            let step = b - a;
            let tolerance = 0.01_f64.max(0.01 * step);
            end += 1;
            while distances
                .get(end)
                .is_some_and(|d| (d - distances[end - 1] - step).abs() <= tolerance)
            {
                end += 1;
            }
            // A pair whose second slice fits the next run better is no run.
            let next = distances.get(end).map(|d| d - distances[end - 1]);
            let after = distances.get(end + 1).map(|d| d - distances[end]);
            if let (2, Some(next), Some(after)) = (end - start, next, after)
                && (next - after).abs() <= tolerance
            {
                end = start + 1;
            }
        }
        parts.push(start..end);
        start = end;
    }
    parts
}

/// How many slices are missing in each step, if every step is a whole number of the median.
fn gaps(steps: &[f64], median: f64) -> Option<Vec<usize>> {
    let gaps: Option<Vec<usize>> = steps
        .iter()
        .map(|step| {
            let times = (step / median).round();
            let fits = times >= 1.0 && (step / median - times).abs() <= 0.05 * times;
            (fits && times < 1000.0).then(|| times as usize - 1)
        })
        .collect();
    // Steps that differ a little are uneven, not gaps.
    gaps.filter(|gaps| gaps.iter().any(|missing| *missing > 0))
}

fn describe(
    steps: &[f64],
    median: f64,
    tilt: f64,
    gaps: Option<&[usize]>,
) -> (String, &'static str) {
    let mut what = match gaps {
        Some(gaps) => {
            let places: Vec<String> = gaps
                .iter()
                .enumerate()
                .filter(|(_, missing)| **missing > 0)
                .take(5)
                .map(|(at, missing)| format!("{missing} after slice {}", at + 1))
                .collect();
            let all: usize = gaps.iter().sum();
            let noun = if all == 1 { "slice is" } else { "slices are" };
            format!(
                "{all} {noun} missing ({}; steps of {median:.3} mm)",
                places.join(", ")
            )
        }
        None => {
            let (least, most) = steps
                .iter()
                .fold((f64::INFINITY, 0.0_f64), |(a, b), s| (a.min(*s), b.max(*s)));
            format!("the steps between slices differ: {least:.3} to {most:.3} mm")
        }
    };
    if tilt > TILT_DEGREES {
        what.push_str(&format!(", with the gantry tilted by {tilt:.1} degrees"));
    }
    let remedy = match gaps {
        Some(_) => {
            "find the missing files, or say what to do: --slices resample, blank (NaN) or split"
        }
        None => "say what to do: --slices resample (linear, to even steps) or split",
    };
    (what, remedy)
}

/// Angles up to this are rounding.
pub(super) const TILT_DEGREES: f64 = 0.05;

fn angle(step: [f64; 3], normal: [f64; 3]) -> f64 {
    let sine = norm(cross(step, normal));
    sine.atan2(dot(step, normal)).to_degrees()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(value), 1) => *value,
        (Some(value), _) => (value + sorted.get(middle - 1).unwrap_or(value)) / 2.0,
        (None, _) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: [[f64; 3]; 2] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];

    fn at(z: &[f64], policy: SlicePolicy) -> Result<Placed, Uneven> {
        let positions: Vec<[f64; 3]> = z.iter().map(|z| [0.0, 0.0, *z]).collect();
        place(&positions, AXES, [1.0, 1.0], 5.0, policy)
    }

    #[test]
    fn a_missing_slice_is_refused_blank_or_interpolated() {
        let z = [0.0, 2.0, 4.0, 8.0, 10.0];
        let refused = at(&z, SlicePolicy::Refuse).unwrap_err();
        assert_eq!(
            refused.reason,
            "1 slice is missing (1 after slice 3; steps of 2.000 mm)"
        );
        let blank = at(&z, SlicePolicy::Blank).unwrap();
        assert_eq!(blank.step, [0.0, 0.0, 2.0]);
        use Slice::{Between, Blank, Measured};
        assert_eq!(
            blank.slices,
            [
                Measured(0),
                Measured(1),
                Measured(2),
                Blank,
                Measured(3),
                Measured(4)
            ]
        );
        let filled = at(&z, SlicePolicy::Resample).unwrap();
        assert_eq!(filled.slices[3], Between(2, 0.5));
    }

    #[test]
    fn uneven_steps_are_resampled_at_their_true_places() {
        let placed = at(&[0.0, 1.0, 2.0, 3.5, 4.0], SlicePolicy::Resample).unwrap();
        use Slice::{Between, Measured};
        let share = 1.0 / 1.5;
        assert_eq!(placed.slices[..3], [Measured(0), Measured(1), Measured(2)]);
        let Between(2, found) = placed.slices[3] else {
            panic!("{placed:?}");
        };
        assert!((found - share).abs() < 1e-12);
        assert_eq!(placed.slices[4], Measured(4));
    }

    #[test]
    fn a_tilted_gantry_is_an_angle_and_shifted_slices_are_no_grid() {
        let positions = [0.0, 1.0, 2.0].map(|z| [0.0, z, z]);
        let placed = place(&positions, AXES, [1.0, 1.0], 1.0, SlicePolicy::Refuse).unwrap();
        assert!((placed.tilt - 45.0).abs() < 1e-9);
        assert_eq!(placed.step, [0.0, 1.0, 1.0]);
        let shifted = [[0.0, 0.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 2.0]];
        let refused = place(&shifted, AXES, [1.0, 1.0], 1.0, SlicePolicy::Resample).unwrap_err();
        assert!(refused.reason.contains("by up to 2.00 mm"), "{refused:?}");
    }

    #[test]
    fn a_series_splits_where_its_steps_change() {
        let parts = |z: &[f64]| {
            let positions: Vec<[f64; 3]> = z.iter().map(|z| [0.0, 0.0, *z]).collect();
            even_parts(&positions, AXES)
        };
        assert_eq!(parts(&[0.0, 1.0, 2.0, 5.0, 6.0, 7.0]), [0..3, 3..6]);
        assert_eq!(parts(&[0.0, 1.0, 2.0, 4.5, 7.0]), [0..3, 3..5]);
        assert_eq!(parts(&[0.0, 3.0, 4.0, 5.0]), [0..1, 1..4]);
        assert_eq!(parts(&[4.0]).as_slice(), std::slice::from_ref(&(0..1)));
    }
}
