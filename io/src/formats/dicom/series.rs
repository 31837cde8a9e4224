//! Frames to volumes: which frames belong together, in which order (ALGORITHMS 9.2).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::{Affine, cross, norm};
use voxprep_core::volume::{AxisKind, ChannelAxis, Channels};

use super::instance::{Frame, Instance, Mark, SpacingFrom, Trait};
use super::pixels::{Pixels, Scratch};
use super::stack::{self, Placed, SAME_PLACE_MM, Uneven};
use crate::error::{Error, Result};
use crate::{ReadOptions, SlicePolicy};

/// Direction cosines closer than this are one direction.
const SAME_DIRECTION: f64 = 1e-3;
/// Spacings closer than this, relatively, are one spacing.
const SAME_SPACING: f64 = 1e-4;

/// More frames at places that have others are not compared pixel by pixel.
const COPIES: usize = 256;

/// A frame among all: (instance, frame of it).
pub(super) type Place = (usize, usize);

/// A volume that is to be read.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    /// What tells it from others of its series, `TE 4.92 ms` for example; empty of a series of one.
    pub(super) name: String,
    /// The frames: of each channel, slices along the normal.
    pub(super) frames: Vec<Vec<Place>>,
    /// Along what the channels lie.
    pub(super) channels: Vec<Trait>,
    /// The name of each.
    pub(super) names: Vec<String>,
    /// What was noticed.
    pub(super) doubts: Vec<String>,
    /// Where the slices are; `None` where the frames have no place in a patient.
    pub(super) placed: Option<Result<Placed, Uneven>>,
}

/// All volumes of one series.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// An instance of it.
    pub(super) first: usize,
    pub(super) stacks: Vec<Stack>,
}

/// Sorts all images into series and volumes; segmentations are left to `seg`.
pub(super) fn series(instances: &[Instance], options: &ReadOptions) -> Vec<Series> {
    // A UID that is repeated under another number was copied, not made.
    let mut members: BTreeMap<(Option<i64>, &str), Vec<usize>> = BTreeMap::new();
    let images = instances.iter().enumerate();
    for (at, instance) in images.filter(|(_, instance)| !instance.is_segmentation()) {
        let key = (instance.series_number, instance.series.as_str());
        members.entry(key).or_default().push(at);
    }
    members
        .into_values()
        .map(|members| Series {
            first: members.first().copied().unwrap_or(0),
            stacks: stacks(instances, &members, options),
        })
        .collect()
}

/// The frames of a series that could be on one grid.
struct Grid {
    first: Place,
    frames: Vec<Place>,
}

fn frame(instances: &[Instance], (instance, frame): Place) -> Option<(&Instance, &Frame)> {
    let instance = instances.get(instance)?;
    Some((instance, instance.frames.get(frame)?))
}

/// What differs between the grids of two frames, if anything does.
fn differs(
    a: (&Instance, &Frame),
    b: (&Instance, &Frame),
    frames_of_reference: bool,
) -> Option<&'static str> {
    let (ia, fa) = a;
    let (ib, fb) = b;
    if ia.size != ib.size {
        return Some("size");
    }
    if ia.shape.channels() != ib.shape.channels() {
        return Some("colours");
    }
    if frames_of_reference && ia.frame_of_reference != ib.frame_of_reference {
        return Some("frame of reference");
    }
    match (fa.axes, fb.axes) {
        (Some(a), Some(b)) => {
            let apart = a.iter().flatten().zip(b.iter().flatten());
            let apart = apart.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            if apart > SAME_DIRECTION {
                return Some("orientation");
            }
        }
        (None, None) => {}
        _ => return Some("orientation"),
    }
    if fa.position.is_some() != fb.position.is_some() {
        return Some("place");
    }
    let apart = |a: f64, b: f64| (a - b).abs() > SAME_SPACING * a.max(b);
    if apart(fa.spacing[0], fb.spacing[0]) || apart(fa.spacing[1], fb.spacing[1]) {
        return Some("spacing");
    }
    None
}

fn stacks(instances: &[Instance], members: &[usize], options: &ReadOptions) -> Vec<Stack> {
    let mut grids: Vec<Grid> = Vec::new();
    // Some programs that take names out give every file a frame of reference of its own.
    let of = |at: &usize| instances.get(*at).map(|i| i.frame_of_reference.as_str());
    let distinct: HashSet<_> = members.iter().map(of).collect();
    let by_reference = distinct.len() < members.len() || members.len() == 1;
    for &at in members {
        let Some(instance) = instances.get(at) else {
            continue;
        };
        let placeless = instance
            .frames
            .iter()
            .all(|f| f.position.is_none() || f.axes.is_none());
        let mut own = None;
        for number in 0..instance.frames.len() {
            let place = (at, number);
            let Some(this) = frame(instances, place) else {
                continue;
            };
            // Without a place in a patient nothing says that two files belong together.
            let fitting = if placeless {
                own
            } else {
                grids.iter().position(|grid| {
                    frame(instances, grid.first)
                        .is_some_and(|that| differs(that, this, by_reference).is_none())
                })
            };
            let grid = fitting.unwrap_or_else(|| {
                grids.push(Grid {
                    first: place,
                    frames: Vec::new(),
                });
                grids.len() - 1
            });
            own = Some(grid);
            if let Some(grid) = grids.get_mut(grid) {
                grid.frames.push(place);
            }
        }
    }
    let several = grids.len() > 1;
    let mut all = Vec::new();
    for grid in &grids {
        let name = if several {
            grid_name(instances, grid)
        } else {
            String::new()
        };
        all.extend(divide(instances, &grid.frames, &name, options));
    }
    all
}

/// What a grid is called among those of its series.
fn grid_name(instances: &[Instance], grid: &Grid) -> String {
    let Some((instance, own)) = frame(instances, grid.first) else {
        return String::new();
    };
    let [columns, rows] = instance.size;
    match (own.position.and(own.axes), instance.number) {
        (Some([x, y]), _) => {
            let normal = cross(x, y);
            let axis = (0..3).max_by(|a, b| normal[*a].abs().total_cmp(&normal[*b].abs()));
            let plane = ["sagittal", "coronal", "axial"][axis.unwrap_or(2)];
            format!("{plane}, {columns} x {rows}")
        }
        (None, Some(number)) => format!("image {number}, {columns} x {rows}"),
        (None, None) => format!("{columns} x {rows}"),
    }
}

/// Divides the frames of one grid into volumes: where places repeat, by what differs between the
/// frames at one place.
fn divide(
    instances: &[Instance],
    frames: &[Place],
    name: &str,
    options: &ReadOptions,
) -> Vec<Stack> {
    let of = |place: Place| frame(instances, place);
    // Places along the normal of the first frame; frames without one are all at one place.
    let axes = frames.first().and_then(|first| of(*first)?.1.axes);
    let distance = |place: Place| -> f64 {
        let position = of(place).and_then(|(_, frame)| frame.position);
        axes.zip(position)
            .map_or(0.0, |(axes, position)| stack::along(axes, position))
    };
    let mut sorted: Vec<(f64, Place)> = frames.iter().map(|f| (distance(*f), *f)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut slots: Vec<Vec<Place>> = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for (at, place) in sorted {
        match slots.last_mut() {
            Some(slot) if at - last < SAME_PLACE_MM => slot.push(place),
            _ => {
                slots.push(vec![place]);
                last = at;
            }
        }
    }
    // Of several at one place the order is that of their numbers.
    for slot in &mut slots {
        slot.sort_by_key(|place| of(*place).map(|(i, f)| (i.number, f.index, i.uid.clone())));
    }
    let mut doubts = Vec::new();
    if slots.iter().all(|slot| slot.len() == 1) {
        let channel = slots.into_iter().flatten().collect();
        let one = Group {
            name: name.to_owned(),
            channels: vec![(String::new(), channel)],
            along: Vec::new(),
        };
        return finish(instances, one, doubts, options);
    }
    let groups = match distinguishing(instances, &slots) {
        Some((traits, true)) => by_traits(instances, &slots, &traits, name),
        Some((traits, false)) => match by_rank(instances, &slots, &traits, name) {
            Some(group) => vec![group],
            None => by_traits(instances, &slots, &traits, name),
        },
        None => match by_order(instances, &slots, name) {
            Some(group) => vec![group],
            None => {
                let (slots, dropped, ambiguous) = without_copies(instances, &slots, options);
                if dropped > 0 {
                    doubts.push(format!(
                        "{dropped} slices are there twice, and were taken once"
                    ));
                }
                let channel = slots
                    .iter()
                    .filter_map(|slot| slot.first().copied())
                    .collect();
                let group = Group {
                    name: name.to_owned(),
                    channels: vec![(String::new(), channel)],
                    along: Vec::new(),
                };
                let mut stacks = finish(instances, group, doubts, options);
                if let Some(count) = ambiguous {
                    for stack in &mut stacks {
                        stack.placed = Some(Err(Uneven {
                            reason: format!(
                                "several slices that differ are at one place ({count} times), and nothing in their headers tells which belong together"
                            ),
                            remedy: "put each volume's files into a folder of its own",
                        }));
                    }
                }
                return stacks;
            }
        },
    };
    groups
        .into_iter()
        .flat_map(|group| finish(instances, group, Vec::new(), options))
        .collect()
}

/// One volume to be: named channels of slices.
struct Group {
    name: String,
    channels: Vec<(String, Vec<Place>)>,
    along: Vec<Trait>,
}

fn mark(instances: &[Instance], place: Place, of: Trait) -> Option<&Mark> {
    let (_, frame) = frame(instances, place)?;
    frame.marks.iter().find(|(t, _)| *t == of).map(|(_, m)| m)
}

fn same(a: Option<&Mark>, b: Option<&Mark>) -> bool {
    match (a, b) {
        (Some(Mark::Numbers(a)), Some(Mark::Numbers(b))) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| (a - b).abs() <= 1e-4 * a.abs().max(1.0))
        }
        (a, b) => a == b,
    }
}

/// The fewest traits that tell all frames at one place apart, and whether each of their values has a
/// frame at every place.
fn distinguishing(instances: &[Instance], slots: &[Vec<Place>]) -> Option<(Vec<Trait>, bool)> {
    let all = Trait::ALL;
    let mut sets: Vec<Vec<Trait>> = all.iter().map(|t| vec![*t]).collect();
    for (i, a) in all.iter().enumerate() {
        sets.extend(all.iter().skip(i + 1).map(|b| vec![*a, *b]));
    }
    for (i, a) in all.iter().enumerate() {
        for (j, b) in all.iter().enumerate().skip(i + 1) {
            sets.extend(all.iter().skip(j + 1).map(|c| vec![*a, *b, *c]));
        }
    }
    let mut fallback = None;
    for traits in sets {
        // How often each combination of values occurs, and whether ever twice at one place.
        let mut times: HashMap<String, usize> = HashMap::new();
        let mut tells = true;
        for slot in slots {
            let mut here = HashSet::with_capacity(slot.len());
            for place in slot {
                let key = key(instances, *place, &traits);
                *times.entry(key.clone()).or_default() += 1;
                tells &= here.insert(key);
            }
            if !tells {
                break;
            }
        }
        if !tells {
            continue;
        }
        // Values that all have a frame at each place are what a scanner makes; they come first.
        if times.values().all(|times| *times == slots.len()) {
            return Some((traits, true));
        }
        fallback.get_or_insert(traits);
    }
    fallback.map(|traits| (traits, false))
}

/// The values of traits as one text, numbers to five digits: what is further apart is another value.
fn key(instances: &[Instance], place: Place, traits: &[Trait]) -> String {
    let mut key = String::new();
    for t in traits {
        match mark(instances, place, *t) {
            None => key.push('-'),
            Some(Mark::Word(word)) => key.push_str(word),
            Some(Mark::Numbers(numbers)) => {
                numbers
                    .iter()
                    .for_each(|n| key.push_str(&format!("{n:.4e} ")));
            }
        }
        key.push('\n');
    }
    key
}

/// Where a trait rises at every place, but by other values at each, as trigger times do: the first
/// ones are one volume, the second ones the next.
fn by_rank(
    instances: &[Instance],
    slots: &[Vec<Place>],
    traits: &[Trait],
    name: &str,
) -> Option<Group> {
    let [of] = traits else { return None };
    let times = slots.first()?.len();
    if !of.is_channel() || slots.iter().any(|slot| slot.len() != times) {
        return None;
    }
    let mut sorted = Vec::with_capacity(slots.len());
    for slot in slots {
        let mut slot = slot.clone();
        slot.sort_by(|a, b| {
            let marks = (mark(instances, *a, *of), mark(instances, *b, *of));
            marks
                .0
                .partial_cmp(&marks.1)
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        sorted.push(slot);
    }
    let channel = |t: usize| {
        sorted
            .iter()
            .filter_map(|slot| slot.get(t).copied())
            .collect()
    };
    Some(Group {
        name: name.to_owned(),
        channels: (0..times).map(|t| (t.to_string(), channel(t))).collect(),
        along: vec![*of],
    })
}

/// The frames with equal traits, by those traits.
fn grouped<'a>(
    instances: &'a [Instance],
    slots: &[Vec<Place>],
    traits: &[Trait],
) -> Vec<(Vec<Option<&'a Mark>>, Vec<Place>)> {
    let mut groups: Vec<(Vec<Option<&Mark>>, Vec<Place>)> = Vec::new();
    for place in slots.iter().flatten() {
        let marks: Vec<Option<&Mark>> =
            traits.iter().map(|t| mark(instances, *place, *t)).collect();
        let known = groups
            .iter_mut()
            .find(|(known, _)| known.iter().zip(&marks).all(|(a, b)| same(*a, *b)));
        match known {
            Some((_, frames)) => frames.push(*place),
            None => groups.push((marks, vec![*place])),
        }
    }
    groups.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
    groups
}

/// Traits of measurement make volumes, traits of time and diffusion their channels.
fn by_traits(
    instances: &[Instance],
    slots: &[Vec<Place>],
    traits: &[Trait],
    name: &str,
) -> Vec<Group> {
    let (channel, volume): (Vec<Trait>, Vec<Trait>) = traits.iter().partition(|t| t.is_channel());
    let mut groups = Vec::new();
    for (marks, frames) in grouped(instances, slots, &volume) {
        let members: HashSet<Place> = frames.into_iter().collect();
        let words: Vec<String> = [name.to_owned()]
            .into_iter()
            .chain(volume.iter().zip(&marks).map(|(t, m)| label(*t, *m)))
            .filter(|word| !word.is_empty())
            .collect();
        let name = words.join(", ");
        let inside: Vec<Vec<Place>> = slots
            .iter()
            .map(|slot| {
                slot.iter()
                    .copied()
                    .filter(|p| members.contains(p))
                    .collect()
            })
            .filter(|slot: &Vec<Place>| !slot.is_empty())
            .collect();
        let channels = grouped(instances, &inside, &channel);
        let even = channels
            .iter()
            .all(|(_, frames)| frames.len() == inside.len());
        let named = channels.iter().map(|(marks, frames)| {
            let words: Vec<String> = channel
                .iter()
                .zip(marks)
                .map(|(t, m)| label(*t, *m))
                .collect();
            (words.join(", "), frames.clone())
        });
        if even {
            groups.push(Group {
                name,
                channels: named.collect(),
                along: channel.clone(),
            });
        } else {
            // Volumes of other places are no channels of one.
            groups.extend(named.map(|(word, frames)| Group {
                name: joined(&name, &word),
                channels: vec![(String::new(), frames)],
                along: Vec::new(),
            }));
        }
    }
    groups
}

/// Where nothing tells the frames at one place apart but their numbers, and every place has as
/// many: one volume after the other.
fn by_order(instances: &[Instance], slots: &[Vec<Place>], name: &str) -> Option<Group> {
    let times = slots.first()?.len();
    if slots.iter().any(|slot| slot.len() != times) {
        return None;
    }
    // The numbers of each volume follow those of the one before.
    let number = |place: &Place| {
        let (instance, frame) = frame(instances, *place)?;
        Some((instance.number?, frame.index))
    };
    let channels: Vec<Vec<Place>> = (0..times)
        .map(|t| {
            slots
                .iter()
                .filter_map(|slot| slot.get(t).copied())
                .collect()
        })
        .collect();
    let mut last = None;
    for channel in &channels {
        let numbers: Vec<_> = channel.iter().map(number).collect::<Option<_>>()?;
        let (least, most) = (numbers.iter().min()?, numbers.iter().max()?);
        if last.is_some_and(|last| *least <= last) {
            return None;
        }
        last = Some(*most);
    }
    Some(Group {
        name: name.to_owned(),
        channels: channels
            .into_iter()
            .enumerate()
            .map(|(t, frames)| (t.to_string(), frames))
            .collect(),
        along: vec![Trait::Order],
    })
}

/// Takes each of several slices at one place once if their pixels are the same: what is left, how
/// many were left out, and at how many places slices differ.
fn without_copies(
    instances: &[Instance],
    slots: &[Vec<Place>],
    options: &ReadOptions,
) -> (Vec<Vec<Place>>, usize, Option<usize>) {
    // Reading all pixels of very many frames is not what a header is read for.
    let doubled: usize = slots.iter().map(|slot| slot.len() - 1).sum();
    if doubled > COPIES {
        return (slots.to_vec(), 0, Some(doubled));
    }
    // Equal in what their numbers mean and where they are, not only in their numbers.
    let alike = |a: Place, b: Place| -> bool {
        let (Some((ia, fa)), Some((ib, fb))) = (frame(instances, a), frame(instances, b)) else {
            return false;
        };
        let near = 0.1 * fa.spacing[0].min(fa.spacing[1]);
        let apart = fa.position.zip(fb.position);
        ia.shape == ib.shape
            && ia.lut == ib.lut
            && fa.rescale == fb.rescale
            && apart.is_none_or(|(a, b)| norm([0, 1, 2].map(|axis| a[axis] - b[axis])) <= near)
    };
    let pixels = |place: Place| -> Option<Vec<u8>> {
        let (instance, frame) = frame(instances, place)?;
        let pixels = Pixels::open(instance, options).ok()?;
        let mut scratch = Scratch::default();
        let stored = pixels.frame(frame.index, &mut scratch).ok()?;
        let mut bytes = stored.bytes.to_vec();
        if stored.big_endian {
            let sample = usize::from(stored.bits / 8);
            bytes.chunks_exact_mut(sample).for_each(<[u8]>::reverse);
        }
        Some(bytes)
    };
    let (mut dropped, mut ambiguous) = (0, 0);
    let mut kept = Vec::with_capacity(slots.len());
    for slot in slots {
        if let Some((first, others)) = slot.split_first()
            && !others.is_empty()
        {
            let one = pixels(*first);
            let same = |other: &Place| alike(*first, *other) && pixels(*other) == one;
            if one.is_some() && others.iter().all(same) {
                dropped += others.len();
                kept.push(vec![*first]);
            } else {
                ambiguous += 1;
                kept.push(slot.clone());
            }
        } else {
            kept.push(slot.clone());
        }
    }
    (kept, dropped, (ambiguous > 0).then_some(ambiguous))
}

/// A name and what makes it another, with a comma between where there is something on both sides.
fn joined(name: &str, word: &str) -> String {
    match (name, word) {
        ("", word) => word.to_owned(),
        (name, "") => name.to_owned(),
        (name, word) => format!("{name}, {word}"),
    }
}

/// A trait and its value in words.
fn label(of: Trait, mark: Option<&Mark>) -> String {
    let text = match mark {
        None => return "none".to_owned(),
        Some(Mark::Word(word)) => word.clone(),
        Some(Mark::Numbers(numbers)) => {
            let first = numbers.first().copied().unwrap_or(0.0);
            format!("{}", (first * 1e4).round() / 1e4)
        }
    };
    match of {
        Trait::Echo => format!("TE {text} ms"),
        Trait::Time | Trait::Order => text,
        Trait::Trigger => format!("trigger {text} ms"),
        Trait::Acquisition => format!("acquisition {text}"),
        Trait::Component => text,
        Trait::Diffusion => match mark {
            Some(Mark::Numbers(numbers)) if numbers.len() == 4 && numbers[0] > 0.0 => {
                let [x, y, z] = [1, 2, 3].map(|i| numbers.get(i).copied().unwrap_or(0.0));
                format!("b={text} [{x:.2} {y:.2} {z:.2}]")
            }
            _ => format!("b={text}"),
        },
        Trait::Kernel => format!("kernel {text}"),
        Trait::Stack => format!("stack {text}"),
        Trait::Inversion => format!("TI {text} ms"),
    }
}

/// Places the slices of a group; where the caller wants uneven ones split, several stacks.
fn finish(
    instances: &[Instance],
    group: Group,
    doubts: Vec<String>,
    options: &ReadOptions,
) -> Vec<Stack> {
    let Group {
        name,
        channels,
        along,
    } = group;
    let (names, frames): (Vec<String>, Vec<Vec<Place>>) = channels.into_iter().unzip();
    let first = frames.first().cloned().unwrap_or_default();
    let info = |place: &Place| {
        let (_, frame) = frame(instances, *place)?;
        Some((frame.position?, frame.axes?, frame))
    };
    let infos: Option<Vec<_>> = first.iter().map(info).collect();
    let Some((infos, (_, axes, sample))) = infos.and_then(|infos| {
        let first = infos.first().copied()?;
        Some((infos, first))
    }) else {
        return vec![Stack {
            name,
            frames,
            channels: along,
            names,
            doubts,
            placed: None,
        }];
    };
    let positions: Vec<[f64; 3]> = infos.iter().map(|(position, ..)| *position).collect();
    // Channels of one volume lie at one place, also within their planes.
    let near = 0.1 * sample.spacing[0].min(sample.spacing[1]);
    let together = |channel: &Vec<Place>| {
        channel.len() == positions.len()
            && channel.iter().zip(&positions).all(|(place, at)| {
                let position = info(place).map(|(position, ..)| position);
                position.is_some_and(|p| norm([0, 1, 2].map(|axis| p[axis] - at[axis])) <= near)
            })
    };
    if !frames.iter().all(together) {
        let alone = names.into_iter().zip(frames).map(|(word, frames)| Group {
            name: joined(&name, &word),
            channels: vec![(String::new(), frames)],
            along: Vec::new(),
        });
        return alone
            .flat_map(|group| finish(instances, group, doubts.clone(), options))
            .collect();
    }
    let single = sample.between.or(sample.thickness).unwrap_or(1.0);
    let parts = if options.slices == SlicePolicy::Split {
        stack::even_parts(&positions, axes)
    } else {
        std::iter::once(0..positions.len()).collect()
    };
    let several = parts.len() > 1;
    parts
        .into_iter()
        .map(|part| {
            let here = positions.get(part.clone()).unwrap_or(&[]);
            let placed = stack::place(here, axes, sample.spacing, single, options.slices);
            let range = format!("slices {} to {}", part.start + 1, part.end);
            let name = match (several, name.is_empty()) {
                (false, _) => name.clone(),
                (true, true) => range,
                (true, false) => format!("{name}, {range}"),
            };
            Stack {
                name,
                frames: frames
                    .iter()
                    .map(|channel| channel.get(part.clone()).unwrap_or(&[]).to_vec())
                    .collect(),
                channels: along.clone(),
                names: names.clone(),
                doubts: doubts.clone(),
                placed: Some(placed),
            }
        })
        .collect()
}

impl Stack {
    /// Its first frame.
    pub(super) fn first<'a>(&self, instances: &'a [Instance]) -> Option<(&'a Instance, &'a Frame)> {
        frame(instances, *self.frames.first()?.first()?)
    }

    /// How many slices it has.
    pub(super) fn slices(&self) -> usize {
        match &self.placed {
            Some(Ok(placed)) => placed.slices.len(),
            _ => self.frames.first().map_or(0, Vec::len),
        }
    }

    /// Where its voxels are.
    ///
    /// # Errors
    /// [`Error::Input`] where its slices are on no grid.
    pub(super) fn geometry(&self, instances: &[Instance], path: &Path) -> Result<Geometry> {
        let (instance, frame) = self
            .first(instances)
            .ok_or_else(|| Error::input(path, "the series has no frames"))?;
        let [columns, rows] = instance.size;
        let [dx, dy] = frame.spacing;
        let affine = match &self.placed {
            None => Affine::scaling([dx, dy, 1.0]),
            Some(Err(uneven)) => {
                return Err(Error::input(path, uneven.reason.clone()).remedy(uneven.remedy));
            }
            Some(Ok(placed)) => {
                let [x, y] = frame.axes.unwrap_or_default();
                let step = placed.step;
                let columns = [x.map(|v| v * dx), y.map(|v| v * dy), step];
                Affine::from_columns(columns, placed.origin)
            }
        };
        Geometry::new([columns, rows, self.slices()], affine).map_err(|e| Error::core(path, e))
    }

    /// Its channels, colours fastest.
    pub(super) fn header_channels(&self, instances: &[Instance]) -> Channels {
        let colours = self
            .first(instances)
            .is_some_and(|(instance, _)| instance.shape.channels() == 3);
        let mut axes = Vec::new();
        if colours {
            axes.push(ChannelAxis {
                kind: AxisKind::Colour,
                length: 3,
                step: None,
            });
        }
        if self.frames.len() > 1 {
            let is_time = self.channels.iter().all(|t| {
                matches!(
                    t,
                    Trait::Time | Trait::Trigger | Trait::Acquisition | Trait::Order
                )
            });
            let repetition = self.first(instances).and_then(|(i, _)| i.repetition);
            axes.push(ChannelAxis {
                kind: if is_time {
                    AxisKind::Time
                } else {
                    AxisKind::Component
                },
                length: self.frames.len(),
                step: repetition.filter(|_| is_time),
            });
        }
        if axes.is_empty() {
            return Channels::single();
        }
        let colour_names: &[&str] = if colours {
            &["red", "green", "blue"]
        } else {
            &[""]
        };
        let names = self.names.iter().flat_map(|name| {
            colour_names
                .iter()
                .map(move |colour| match (name.as_str(), *colour) {
                    ("", colour) => colour.to_owned(),
                    (name, "") => name.to_owned(),
                    (name, colour) => format!("{name} {colour}"),
                })
        });
        Channels {
            names: names.collect(),
            axes,
        }
    }

    /// Whether the spacing was found where it is not that in the patient.
    pub(super) fn spacing_from(&self, instances: &[Instance]) -> SpacingFrom {
        self.first(instances)
            .map_or(SpacingFrom::Nowhere, |(_, frame)| frame.spacing_from)
    }
}
