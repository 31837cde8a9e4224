//! What chance decides about the steps of a plan: which of them run for a subject in an epoch.
//!
//! A step's stream is keyed by its path of ids, so what is drawn for it does not depend on what was
//! drawn for others. A group draws from a stream of its own, and draws all it may need whether it
//! needs it or not.

use super::{Active, PlannedStep};
use crate::pipeline::Choice;
use crate::provenance::GroupRecord;
use crate::stream::{Seed, Stream};

/// A step of a plan, or a group of them.
pub(crate) enum Node {
    Step(PlannedStep),
    Group(PlannedGroup),
}

/// A group of steps of a plan.
pub(crate) struct PlannedGroup {
    /// The ids of the groups around it and its own: `group/inner`.
    pub(crate) path: String,
    pub(crate) p: f64,
    pub(crate) choice: Choice,
    pub(crate) members: Vec<Member>,
}

/// A step of a group.
pub(crate) struct Member {
    pub(crate) weight: f64,
    pub(crate) node: Node,
}

/// What chance decided for a subject in an epoch.
#[derive(Default)]
pub(crate) struct Draw<'a> {
    /// The steps that run, in order, each with its stream.
    pub(crate) active: Vec<Active<'a>>,
    /// The steps that do not, in order.
    pub(crate) skipped: Vec<&'a str>,
    /// What each group drew that was reached.
    pub(crate) groups: Vec<GroupRecord>,
}

impl Node {
    /// The ids of the groups around it and its own.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Step(step) => &step.path,
            Self::Group(group) => &group.path,
        }
    }

    /// The probability with which it runs, where it is reached.
    pub(crate) fn p(&self) -> f64 {
        match self {
            Self::Step(step) => step.step.p,
            Self::Group(group) => group.p,
        }
    }

    /// All steps in it, in order.
    pub(crate) fn flatten<'a>(&'a self, steps: &mut Vec<&'a PlannedStep>) {
        match self {
            Self::Step(step) => steps.push(step),
            Self::Group(group) => {
                for member in &group.members {
                    member.node.flatten(steps);
                }
            }
        }
    }
}

impl<'a> Draw<'a> {
    /// Draws for a step or group; `reached` says whether the group around it chose it.
    pub(crate) fn visit(&mut self, node: &'a Node, seed: Seed, reached: bool) {
        let group = match node {
            Node::Step(planned) => {
                let mut stream = Stream::new(seed, &planned.path);
                let p = planned.step.p;
                if reached && (p >= 1.0 || stream.happens(p)) {
                    self.active.push(Active { planned, stream });
                } else {
                    self.skipped.push(&planned.path);
                }
                return;
            }
            Node::Group(group) => group,
        };
        let mut chosen = vec![false; group.members.len()];
        if reached {
            let mut stream = Stream::new(seed, &group.path);
            chosen = group.choose(&mut stream);
            let ran = group.members.iter().zip(&chosen).filter(|(_, runs)| **runs);
            self.groups.push(GroupRecord {
                step: group.path.clone(),
                name: group.choice.name().to_owned(),
                drawn: stream.drawn().to_vec(),
                chosen: ran.map(|(m, _)| m.node.path().to_owned()).collect(),
            });
        }
        for (member, chosen) in group.members.iter().zip(chosen) {
            self.visit(&member.node, seed, chosen);
        }
    }
}

impl PlannedGroup {
    /// Which members run.
    fn choose(&self, stream: &mut Stream) -> Vec<bool> {
        let happens = stream.happens(self.p);
        let mut chosen = vec![false; self.members.len()];
        match self.choice {
            Choice::All => chosen.fill(true),
            Choice::One => {
                let at = stream.uniform(0.0, 1.0);
                self.pick(&mut chosen, at);
            }
            Choice::Several(count) => {
                let more = stream.below((count.high - count.low).saturating_add(1));
                let at: Vec<f64> = chosen.iter().map(|_| stream.uniform(0.0, 1.0)).collect();
                for at in at.into_iter().take((count.low + more) as usize) {
                    self.pick(&mut chosen, at);
                }
            }
        }
        if !happens {
            chosen.fill(false);
        }
        chosen
    }

    /// Chooses one more member: the one at a fraction of the weights of those that are left.
    fn pick(&self, chosen: &mut [bool], at: f64) {
        let weights = self.members.iter().map(|member| member.weight);
        let left = weights.zip(chosen.iter()).enumerate();
        let left = left.filter(|(_, (weight, chosen))| *weight > 0.0 && !**chosen);
        let left: Vec<(usize, f64)> = left.map(|(i, (weight, _))| (i, weight)).collect();
        let at = at * left.iter().map(|(_, weight)| weight).sum::<f64>();
        let mut end = 0.0;
        let reaches = |(_, weight): &&(usize, f64)| {
            end += weight;
            at < end
        };
        // A sum that was rounded may end below a number just under 1.
        let found = left.iter().find(reaches).or(left.last());
        if let Some(chosen) = found.and_then(|(i, _)| chosen.get_mut(*i)) {
            *chosen = true;
        }
    }
}
