//! What a transform is: the trait everything implements, and its four kinds.

use std::cell::RefCell;

use serde_json::Value;
use voxprep_kernels::Element;
use voxprep_kernels::stats::{self, Select, Summary};

use crate::curve::Curve;
use crate::dispatch;
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::geometry::Geometry;
use crate::stream::Stream;
use crate::subject::{Point, Subject, WorldBox};
use crate::volume::{Header, Role, Unit, Volume};
use crate::voxels::{ElementType, VoxelsView, VoxelsViewMut, channel};
use crate::world_map::WorldMap;

/// A step of a pipeline with its parameters. `register!` writes this impl.
pub trait Transform: Send + Sync {
    /// Which of the four kinds this is, and the methods of that kind.
    fn kind(&self) -> Kind<'_>;

    /// The parameters, as the pipeline file would give them.
    fn params(&self) -> Value;
}

/// The four kinds of transform. Choose the narrowest that fits.
pub enum Kind<'a> {
    /// A voxel's result depends on that voxel, its index, and drawn or measured numbers.
    Pointwise(&'a dyn Pointwise),
    /// Voxels move, appear or disappear.
    Spatial(&'a dyn Spatial),
    /// A result depends on neighbours.
    Filter(&'a dyn Filter),
    /// Several volumes, new volumes, masks, findings.
    Joint(&'a dyn Joint),
}

/// Parameters that types alone cannot check.
pub trait Params {
    /// Rejects what types and bounds cannot: either-or fields, an order between two numbers.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the field.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// What a step must have seen before it can be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The header is enough.
    Header,
    /// Statistics or voxels: all earlier steps must have run. `explain` shows the barrier.
    Voxels,
}

/// What the values must be measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// Anything.
    Anything,
    /// Hounsfield units.
    Hu,
}

/// A step whose result at a voxel depends on that voxel, its index, and drawn or measured
/// numbers. Neighbours merge into one pass.
pub trait Pointwise: Send + Sync {
    /// What must be seen to resolve the curve.
    fn reads(&self) -> Reads {
        Reads::Header
    }

    /// What the values must be measured in.
    fn needs(&self) -> Needs {
        Needs::Anything
    }

    /// What the values are measured in afterwards.
    fn unit(&self, before: Unit) -> Unit {
        before
    }

    /// The curve for one volume. Every volume sees the same random numbers.
    ///
    /// # Errors
    /// Where the parameters do not fit the volume.
    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Curve>;
}

/// A step that moves voxels. Neighbours compose into one resample.
pub trait Spatial: Send + Sync {
    /// What must be seen to resolve the motion.
    fn reads(&self) -> Reads {
        Reads::Header
    }

    /// Whether voxels only move by whole indices, so that nothing is ever interpolated.
    fn is_index_exact(&self) -> bool {
        false
    }

    /// The motion of the whole subject, drawn once; `input` is the reference volume.
    ///
    /// # Errors
    /// Where the parameters do not fit the subject.
    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Motion>;

    /// The output grid of one volume; by default the motion's, or its own cut to the motion's
    /// window.
    ///
    /// # Errors
    /// Where the grid cannot be made.
    fn grid(&self, motion: &Motion, own: &Geometry, reference: &Geometry) -> Result<Geometry> {
        match &motion.grid {
            Some(grid) => Ok(grid.clone()),
            None => motion.windowed(own, reference),
        }
    }
}

/// What a spatial step does to a subject: a map of the world, and perhaps a new window on the
/// reference grid, or a grid for all volumes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Motion {
    /// What happens to the world.
    pub map: WorldMap,
    /// The part of the reference grid that remains (it may reach beyond).
    pub window: Option<Window>,
    /// The grid that every volume takes.
    pub grid: Option<Geometry>,
    /// Labels that become others in every label map: right and left, where the motion mirrors.
    /// Each is named once on either side, and 0 stays 0.
    pub labels: Vec<(i64, i64)>,
}

/// No grid reaches this far from another; indices beyond it would overflow.
const FAR_VOXELS: f64 = 1e15;

/// A box of voxels on a grid; it may reach beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The index of its first voxel, `[x, y, z]`.
    pub start: [i64; 3],
    /// Its size in voxels, `[x, y, z]`.
    pub size: [usize; 3],
}

impl Motion {
    /// Nothing moves: only the grid changes.
    pub fn still() -> Self {
        Self::default()
    }

    /// The world moves by a map.
    pub fn map(map: WorldMap) -> Self {
        Self {
            map,
            ..Self::default()
        }
    }

    /// Nothing moves, but only a window of the reference grid remains.
    pub fn window(start: [i64; 3], size: [usize; 3]) -> Self {
        Self {
            window: Some(Window { start, size }),
            ..Self::default()
        }
    }

    /// The same motion, under which labels become others.
    #[must_use]
    pub fn with_labels(self, labels: Vec<(i64, i64)>) -> Self {
        Self { labels, ..self }
    }

    /// The window on a volume's own grid: the same voxels where the grids are the same, else the
    /// voxels whose centres lie in the window.
    fn windowed(&self, own: &Geometry, reference: &Geometry) -> Result<Geometry> {
        let Some(Window { start, size }) = self.window else {
            return Ok(own.clone());
        };
        if own.is_close(reference, 1e-3) {
            return own.window(start, size);
        }
        let own_from_reference = own.index_from_world() * reference.world_from_index();
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for bits in 0..8_u8 {
            let corner = [0, 1, 2].map(|i| {
                let end = start[i] as f64 - 0.5;
                if bits >> i & 1 == 1 {
                    end + size[i] as f64
                } else {
                    end
                }
            });
            let image = own_from_reference.apply(corner);
            for i in 0..3 {
                low[i] = low[i].min(image[i]);
                high[i] = high[i].max(image[i]);
            }
        }
        // A centre on the face of the window belongs to it; 1e-6 voxel forgives rounding.
        let far = |v: f64| v.clamp(-FAR_VOXELS, FAR_VOXELS) as i64;
        let mut first = low.map(|v| far((v - 1e-6).ceil()));
        let mut last = high.map(|v| far((v + 1e-6).floor()));
        let full = reference.size();
        let crops =
            (0..3).all(|i| start[i] >= 0 && start[i] as u64 + size[i] as u64 <= full[i] as u64);
        if crops {
            // What only cuts away from the reference adds nothing to another volume.
            first = first.map(|v| v.max(0));
            last = [0, 1, 2].map(|i| last[i].min(own.size()[i] as i64 - 1));
        }
        if (0..3).any(|i| last[i] < first[i]) {
            return Err(
                Error::input("a volume on another grid lies wholly outside the box")
                    .remedy("name the volumes to cut in `on`"),
            );
        }
        own.window(first, [0, 1, 2].map(|i| (last[i] - first[i] + 1) as usize))
    }
}

/// A step whose result depends on neighbours. Runs alone.
pub trait Filter: Send + Sync {
    /// What the values must be measured in.
    fn needs(&self) -> Needs {
        Needs::Anything
    }

    /// What the values are measured in afterwards.
    fn unit(&self, before: Unit) -> Unit {
        before
    }

    /// How far the result looks beyond a voxel.
    fn halo(&self, input: &Input<'_>) -> Halo;

    /// Computes the result into buffers that `out` hands out.
    ///
    /// # Errors
    /// Where the parameters do not fit the volume.
    fn apply(&self, input: &Input<'_>, rng: &mut Stream, out: &mut Out) -> Result<()>;
}

/// How far the result of a filter looks beyond a voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Halo {
    /// This many voxels along x, y, z.
    Voxels([usize; 3]),
    /// The whole volume.
    Whole,
}

/// A step over several volumes at once. Runs alone.
pub trait Joint: Send + Sync {
    /// What the values of the volumes it is on must be measured in.
    fn needs(&self) -> Needs {
        Needs::Anything
    }

    /// Edits the subject.
    ///
    /// # Errors
    /// Where the parameters do not fit the subject.
    fn apply(&self, subject: &mut SubjectEdit<'_>, rng: &mut Stream) -> Result<()>;
}

/// What a step sees of the volume it works on.
pub struct Input<'a> {
    pub(crate) name: &'a str,
    pub(crate) header: &'a Header,
    pub(crate) headers: &'a Headers,
    pub(crate) reference: &'a Geometry,
    /// The materialised subject, where the step said that it reads voxels.
    pub(crate) subject: Option<&'a Subject>,
    pub(crate) findings: &'a RefCell<Vec<Finding>>,
}

/// The headers of all volumes of a subject, as they are when a step runs.
pub(crate) type Headers = Vec<(String, Header)>;

impl<'a> Input<'a> {
    /// The volume's name in the subject.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// All that is known of the volume without its voxels, as it is when the step runs.
    pub fn header(&self) -> &'a Header {
        self.header
    }

    /// Where the voxels are.
    pub fn geometry(&self) -> &'a Geometry {
        &self.header.geometry
    }

    /// The grid of the subject's reference volume.
    pub fn reference(&self) -> &'a Geometry {
        self.reference
    }

    /// The header of another volume of the subject.
    pub fn header_of(&self, volume: &str) -> Option<&'a Header> {
        self.headers
            .iter()
            .find(|(name, _)| name == volume)
            .map(|(_, header)| header)
    }

    /// The names and headers of all volumes of the subject.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a Header)> {
        self.headers
            .iter()
            .map(|(name, header)| (name.as_str(), header))
    }

    /// A label map of the subject with its voxels, on whatever grid.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is none of that name, [`Error::Unsupported`] where the step
    /// did not say that it reads voxels.
    pub fn label_map(&self, name: &str) -> Result<&'a Volume> {
        named_volume(self.materialised()?, name, Role::Label)
    }

    /// The voxels.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the step did not say that it reads them.
    pub fn voxels(&self) -> Result<VoxelsView<'a>> {
        match self.materialised()?.volume(self.name) {
            Some(volume) => Ok(volume.voxels().view()),
            None => Err(Error::input(format!("there is no volume '{}'", self.name))),
        }
    }

    fn materialised(&self) -> Result<&'a Subject> {
        self.subject.ok_or_else(|| {
            Error::unsupported("the step reads voxels without saying so")
                .remedy("return Reads::Voxels from reads()")
        })
    }

    /// Count, range, mean and variance of a channel over a selection.
    ///
    /// # Errors
    /// Where the step did not say that it reads voxels, or the mask does not fit.
    pub fn summary(&self, channel_index: usize, over: &Over) -> Result<Summary> {
        self.select(over, |select| {
            Ok(dispatch!(VoxelsView, self.voxels()?, v => {
                stats::summary(channel(&v, channel_index), select)
            }))
        })
    }

    /// [`Input::summary`] of every channel, or of all channels together for each.
    ///
    /// # Errors
    /// As [`Input::summary`].
    pub fn summaries(&self, over: &Over, per: Per) -> Result<Vec<Summary>> {
        let channels = 0..self.header.channels.len();
        let each: Vec<Summary> = channels
            .map(|c| self.summary(c, over))
            .collect::<Result<_>>()?;
        Ok(match per {
            Per::Channel => each,
            Per::Volume => {
                let whole = each.iter().copied().reduce(merged);
                each.iter().filter_map(|_| whole).collect()
            }
        })
    }

    /// Notes which fractions of a channel lie strictly below, in and strictly above a range.
    ///
    /// # Errors
    /// As [`Input::summary`].
    pub fn report_saturation(&self, code: &str, low: f64, high: f64) -> Result<()> {
        for channel in 0..self.header.channels.len() {
            let all = self.summary(channel, &Over::All)?.count;
            let above = self.summary(channel, &Over::Above(high))?.count;
            let not_below = self.summary(channel, &Over::Above(low.next_down()))?.count;
            let share = |count: u64| {
                if all == 0 {
                    0.0
                } else {
                    count as f64 / all as f64
                }
            };
            let [below, inside, above] = [all - not_below, not_below - above, above].map(share);
            let message = format!(
                "{:.2} % of the voxels lie below {low}, {:.2} % above {high}",
                100.0 * below,
                100.0 * above
            );
            let values = serde_json::json!({
                "channel": channel, "low": low, "high": high,
                "below": below, "inside": inside, "above": above,
            });
            self.report(Finding::note(code, message).with_values(values));
        }
        Ok(())
    }

    /// Percentiles of a channel over a selection (`p` in `[0, 100]`, NumPy's `linear`).
    ///
    /// # Errors
    /// As [`Input::summary`], and where nothing is selected.
    pub fn percentiles(&self, channel_index: usize, over: &Over, p: &[f64]) -> Result<Vec<f64>> {
        self.select(over, |select| {
            Ok(dispatch!(VoxelsView, self.voxels()?, v => {
                stats::percentiles(channel(&v, channel_index), select, p)
            })?)
        })
    }

    /// The error of a step whose statistics infinity would spoil.
    pub fn infinite(&self) -> Error {
        Error::input(format!("'{}' has infinite values", self.name))
            .remedy("limit them first, e.g. with intensity.clip")
    }

    /// Notes something for the report.
    pub fn report(&self, finding: Finding) {
        self.findings.borrow_mut().push(finding.about(self.name));
    }

    /// Hands on the voxels chosen by `over` as kernels take them.
    ///
    /// # Errors
    /// As [`Input::summary`], and what `use_it` returns.
    pub fn select<R>(
        &self,
        over: &Over,
        use_it: impl for<'s> FnOnce(&'s Select<'s>) -> Result<R>,
    ) -> Result<R> {
        match over {
            Over::All => use_it(&Select::All),
            Over::NonZero => use_it(&Select::NonZero),
            Over::Above(bound) => use_it(&Select::Above(*bound)),
            Over::Mask(name) => {
                let mask = other_volume(self.materialised()?, name, Role::Label, self.geometry())?;
                dispatch!(VoxelsView, mask.voxels().view(), v => {
                    let flags = channel(&v, 0).mapv(|label| u8::from(label.to_f64() != 0.0));
                    use_it(&Select::Mask(flags.view()))
                })
            }
        }
    }
}

/// The statistics of two sets of voxels together (Chan, Golub and LeVeque 1979).
fn merged(a: Summary, b: Summary) -> Summary {
    let nan = a.nan + b.nan;
    if a.count == 0 || b.count == 0 {
        let some = if a.count == 0 { b } else { a };
        return Summary { nan, ..some };
    }
    let (n, m) = (a.count as f64, b.count as f64);
    let delta = b.mean - a.mean;
    Summary {
        count: a.count + b.count,
        nan,
        min: a.min.min(b.min),
        max: a.max.max(b.max),
        mean: a.mean + delta * (m / (n + m)),
        variance: (a.variance * n + b.variance * m + delta * delta * (n * m / (n + m))) / (n + m),
    }
}

/// Whether statistics run over each channel or over the whole volume.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Per {
    /// Each channel has its own.
    #[default]
    Channel,
    /// All channels share one.
    Volume,
}

/// Over which voxels a statistic runs.
#[derive(
    Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Over {
    /// All.
    #[default]
    All,
    /// Those that are not 0.
    NonZero,
    /// Those above a value, in the unit of the image.
    Above(f64),
    /// Those where the named label volume, on the same grid, is not 0.
    Mask(String),
}

/// Another volume that a step names, if it has the role and is on the grid that the step needs.
pub(crate) fn other_volume<'a>(
    subject: &'a Subject,
    name: &str,
    role: Role,
    grid: &Geometry,
) -> Result<&'a Volume> {
    let volume = named_volume(subject, name, role)?;
    if !volume.geometry().is_close(grid, 1e-3) {
        return Err(Error::input(format!("'{name}' is on another grid"))
            .remedy("give it on the grid of the image"));
    }
    Ok(volume)
}

/// Another volume that a step names, if it has the role.
fn named_volume<'a>(subject: &'a Subject, name: &str, role: Role) -> Result<&'a Volume> {
    let volume = subject.volume(name).ok_or_else(|| {
        let names: Vec<&str> = subject.names().collect();
        Error::parameter(format!("there is no volume '{name}'"))
            .remedy(format!("the subject has: {}", names.join(", ")))
    })?;
    if volume.role() != role {
        let (is, needed) = match role {
            Role::Label => ("an image", "a label map"),
            Role::Intensity => ("a label map", "an image"),
        };
        return Err(Error::parameter(format!(
            "'{name}' is {is}, and {needed} is needed"
        )));
    }
    Ok(volume)
}

/// Where a filter writes: it hands out buffers of the asked type and size.
#[derive(Default)]
pub struct Out {
    pub(crate) result: Option<crate::voxels::Voxels>,
}

impl Out {
    /// A buffer for the whole result; its contents are unspecified, all must be written. The size
    /// must be the input's, the type and the number of channels are free.
    ///
    /// # Errors
    /// [`Error::Limit`] where there is no memory.
    pub fn voxels(
        &mut self,
        element_type: ElementType,
        channels: usize,
        size: [usize; 3],
    ) -> Result<VoxelsViewMut<'_>> {
        let voxels = crate::voxels::Voxels::for_overwrite(element_type, channels, size)?;
        self.result.insert(voxels).view_mut()
    }
}

/// A subject as a [`Joint`] step may edit it.
pub struct SubjectEdit<'a> {
    pub(crate) subject: &'a mut Subject,
    pub(crate) targets: Vec<String>,
    pub(crate) step: &'a str,
    /// What was written: from which volume, and its name now.
    pub(crate) written: Vec<(String, String)>,
}

impl SubjectEdit<'_> {
    /// The volumes the step is `on`: all, unless the pipeline names some.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// The subject as it is now.
    pub fn subject(&self) -> &Subject {
        self.subject
    }

    /// Adds a volume.
    ///
    /// # Errors
    /// [`Error::Input`] where the name is taken.
    pub fn add(&mut self, name: &str, volume: Volume) -> Result<()> {
        self.subject.add(name, volume)?;
        self.written.push((name.to_owned(), name.to_owned()));
        Ok(())
    }

    /// Puts a volume in the place of another.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no volume of that name.
    pub fn replace(&mut self, name: &str, volume: Volume) -> Result<()> {
        self.exists(name)?;
        self.subject.put(name, volume);
        self.written.push((name.to_owned(), name.to_owned()));
        Ok(())
    }

    /// Removes a volume.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no volume of that name.
    pub fn drop(&mut self, name: &str) -> Result<Volume> {
        self.exists(name)?;
        self.subject
            .remove(name)
            .ok_or_else(|| Error::input(format!("there is no volume '{name}'")))
    }

    /// Gives a volume another name.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no volume of that name, or the new one is taken.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        self.exists(from)?;
        self.subject.rename(from, to)?;
        self.written.push((from.to_owned(), to.to_owned()));
        Ok(())
    }

    /// The points, LPS+ mm.
    pub fn points_mut(&mut self) -> &mut Vec<Point> {
        &mut self.subject.points
    }

    /// The boxes, LPS+ mm.
    pub fn boxes_mut(&mut self) -> &mut Vec<WorldBox> {
        &mut self.subject.boxes
    }

    /// Notes something for the report.
    pub fn report(&mut self, finding: Finding) {
        self.subject.findings.push(Finding {
            step: Some(self.step.to_owned()),
            ..finding
        });
    }

    fn exists(&self, name: &str) -> Result<()> {
        if self.subject.volume(name).is_some() {
            return Ok(());
        }
        let names: Vec<&str> = self.subject.names().collect();
        Err(Error::input(format!("there is no volume '{name}'"))
            .remedy(format!("the subject has: {}", names.join(", "))))
    }
}
