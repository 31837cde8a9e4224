//! Courses: the ways in which the draws of a plan may go, and the one in which most happens.
//!
//! Groups have more courses than anybody can count. How a step goes on depends on the last stage
//! alone, so of all courses from one kind of last stage to another the best alone is kept.

use std::collections::HashMap;

use super::{Active, Node, Plan, PlannedGroup, PlannedStep, StageKind, stages};
use crate::pipeline::{Choice, Count};
use crate::stream::{Seed, Stream};

/// What is to be as large as possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Most {
    /// What happens at all: resamples first, then passes, stages and steps; every probability
    /// above 0 is taken for 1.
    Work,
    /// The number of resamples, whatever is drawn.
    Resamples,
    /// The number of passes, whatever is drawn.
    Passes,
}

/// What a further step can see of the stages before it: the kind of the last, and whether it is
/// spatial so far; `None` where there is none.
type End = Option<(StageKind, bool)>;

/// One way in which the draws may go through some steps, and what it adds to what was before. A
/// step that turns the last pass into a resample takes a pass away.
#[derive(Clone, Copy)]
struct Course {
    end: End,
    resamples: isize,
    passes: isize,
    stages: isize,
    steps: isize,
    /// Where its steps are, in [`Search::trail`].
    trail: Option<usize>,
}

/// Steps of a course.
#[derive(Clone, Copy)]
enum Trail<'a> {
    Step(&'a PlannedStep),
    /// One part, and then another.
    Both(usize, usize),
}

struct Search<'a> {
    plan: &'a Plan,
    fuse: bool,
    most: Most,
    trail: Vec<Trail<'a>>,
    /// For each end, the fewest steps met that lead to it.
    ends: Vec<(End, Vec<&'a PlannedStep>)>,
    /// The courses through a node, by its path and the end before it.
    known: HashMap<(&'a str, usize), Vec<Course>>,
}

/// The course in which most happens.
pub(crate) struct Found<'a> {
    pub(crate) steps: Vec<Active<'a>>,
    pub(crate) resamples: usize,
    pub(crate) passes: usize,
}

impl Plan {
    /// The course in which most happens.
    pub(crate) fn course(&self, most: Most, fuse: bool) -> Found<'_> {
        let mut search = Search {
            plan: self,
            fuse,
            most,
            trail: Vec::new(),
            ends: vec![(None, Vec::new())],
            known: HashMap::new(),
        };
        let start = vec![Course::none(None)];
        let nodes = self.steps.iter();
        let courses = nodes.fold(start, |courses, node| search.extend(courses, node));
        let best = courses
            .into_iter()
            .reduce(|a, b| if most.of(&b) > most.of(&a) { b } else { a })
            .unwrap_or(Course::none(None));
        Found {
            steps: search.steps(best.trail),
            resamples: best.resamples.try_into().unwrap_or_default(),
            passes: best.passes.try_into().unwrap_or_default(),
        }
    }
}

impl Course {
    /// The course without a step.
    fn none(end: End) -> Self {
        Self {
            end,
            resamples: 0,
            passes: 0,
            stages: 0,
            steps: 0,
            trail: None,
        }
    }
}

impl Most {
    fn of(self, course: &Course) -> [isize; 4] {
        let Course {
            resamples,
            passes,
            stages,
            steps,
            ..
        } = *course;
        match self {
            Self::Work => [resamples, passes, stages, steps],
            Self::Resamples => [resamples, 0, 0, 0],
            Self::Passes => [passes, 0, 0, 0],
        }
    }

    /// The best course to each end; of equals the first.
    fn best(self, courses: Vec<Course>) -> Vec<Course> {
        let mut best: Vec<Course> = Vec::new();
        for course in courses {
            match best.iter_mut().find(|other| other.end == course.end) {
                Some(other) if self.of(&course) > self.of(other) => *other = course,
                Some(_) => {}
                None => best.push(course),
            }
        }
        best
    }
}

impl<'a> Search<'a> {
    /// The courses that go on through a node.
    fn extend(&mut self, before: Vec<Course>, node: &'a Node) -> Vec<Course> {
        let mut after = Vec::new();
        for course in before {
            for more in self.through(node, course.end) {
                after.push(self.join(course, more));
            }
        }
        self.most.best(after)
    }

    fn join(&mut self, a: Course, b: Course) -> Course {
        let trail = match (a.trail, b.trail) {
            (Some(a), Some(b)) => {
                self.trail.push(Trail::Both(a, b));
                Some(self.trail.len() - 1)
            }
            (one, other) => one.or(other),
        };
        Course {
            end: b.end,
            resamples: a.resamples + b.resamples,
            passes: a.passes + b.passes,
            stages: a.stages + b.stages,
            steps: a.steps + b.steps,
            trail,
        }
    }

    /// The courses through a node, from an end.
    fn through(&mut self, node: &'a Node, end: End) -> Vec<Course> {
        let number = end.map_or(0, |(kind, spatial)| {
            1 + 2 * kind as usize + usize::from(spatial)
        });
        let key = (node.path(), number);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let p = node.p();
        let mut courses = match node {
            _ if p <= 0.0 => Vec::new(),
            _ if !self.plan.reaches(node.path()) => vec![Course::none(end)],
            Node::Step(step) => vec![self.step(step, end)],
            Node::Group(group) => self.group(group, end),
        };
        if p <= 0.0 || (p < 1.0 && self.most != Most::Work) {
            courses.push(Course::none(end));
        }
        let courses = self.most.best(courses);
        self.known.insert(key, courses.clone());
        courses
    }

    fn group(&mut self, group: &'a PlannedGroup, end: End) -> Vec<Course> {
        let start = vec![Course::none(end)];
        let count = match group.choice {
            Choice::All => {
                let members = group.members.iter();
                return members.fold(start, |courses, member| self.extend(courses, &member.node));
            }
            Choice::One => Count { low: 1, high: 1 },
            Choice::Several(count) => count,
        };
        // The courses with 0, 1, 2, ... members chosen so far.
        let mut chosen = vec![start];
        for member in group.members.iter().filter(|member| member.weight > 0.0) {
            if chosen.len() <= count.high as usize {
                chosen.push(Vec::new());
            }
            for n in (1..chosen.len()).rev() {
                let fewer = chosen.get(n - 1).cloned().unwrap_or_default();
                let more = self.extend(fewer, &member.node);
                if let Some(courses) = chosen.get_mut(n) {
                    courses.extend(more);
                    *courses = self.most.best(std::mem::take(courses));
                }
            }
        }
        let enough = chosen.into_iter().skip(count.low as usize).flatten();
        self.most.best(enough.collect())
    }

    /// The course of one step.
    fn step(&mut self, step: &'a PlannedStep, before: End) -> Course {
        let known = self.ends.iter().find(|(end, _)| *end == before);
        let mut steps = known.map_or_else(Vec::new, |(_, steps)| steps.clone());
        steps.push(step);
        let active: Vec<Active<'a>> = steps.iter().map(|step| active(step)).collect();
        let mut stages = stages(&active, self.fuse, self.plan.pipeline().sampling.fill);
        let stage = stages.pop();
        let joined = before.is_some() && stages.is_empty();
        let end = stage.as_ref().map(|s| (s.kind, s.spatial == s.steps.len()));
        let last = stage.map_or_else(Vec::new, |stage| stage.steps);
        let last: Vec<_> = last.iter().filter_map(|&i| steps.get(i).copied()).collect();
        match self.ends.iter_mut().find(|(known, _)| *known == end) {
            Some((_, fewest)) if fewest.len() <= last.len() => {}
            Some((_, fewest)) => *fewest = last,
            None => self.ends.push((end, last)),
        }
        let gone = before.filter(|_| joined);
        let more = |kind| {
            let is = |end: End| isize::from(end.is_some_and(|(k, _)| k == kind));
            is(end) - is(gone)
        };
        self.trail.push(Trail::Step(step));
        Course {
            end,
            resamples: more(StageKind::Resample),
            passes: more(StageKind::Pass),
            stages: isize::from(!joined),
            steps: 1,
            trail: Some(self.trail.len() - 1),
        }
    }

    /// The steps of a trail, in order.
    fn steps(&self, trail: Option<usize>) -> Vec<Active<'a>> {
        let mut steps = Vec::new();
        let mut left: Vec<usize> = trail.into_iter().collect();
        while let Some(part) = left.pop().and_then(|at| self.trail.get(at)) {
            match part {
                Trail::Step(step) => steps.push(active(step)),
                Trail::Both(a, b) => left.extend([*b, *a]),
            }
        }
        steps
    }
}

/// A step that nothing is drawn for.
fn active(planned: &PlannedStep) -> Active<'_> {
    let seed = Seed {
        seed: 0,
        subject: 0,
        epoch: 0,
    };
    Active {
        planned,
        stream: Stream::new(seed, ""),
    }
}
