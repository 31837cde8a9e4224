//! Restoring: what was made on the grid of an output, back on the grid of the input.

use super::resample;
use super::resolve::relabelling;
use super::{Leg, Task};
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::geometry::Geometry;
use crate::pass::program::Program;
use crate::pipeline::{Antialias, Fill, Interpolation, Sampling};
use crate::provenance::Sidecar;
use crate::record::Record;
use crate::volume::{Role, Volume};
use crate::world_map::WorldMap;

/// Grids closer than this are the same, in mm.
const SAME_GRID_MM: f64 = 1e-3;
/// The most voxels of a grid on which a displacement is inverted, at 24 bytes each.
const MOST_VOXELS: f64 = (1_u64 << 28) as f64;

impl Sidecar {
    /// Brings a volume that was made on the grid of an output, such as a prediction, back onto the
    /// grid of the input that this output comes from, by the recorded maps, inverted.
    ///
    /// Label maps keep the label of the nearest voxel, images are interpolated linearly. What lay
    /// beyond a grid on the way becomes `fill`. Right and left that a step exchanged are exchanged
    /// back. The finding counts voxels whose way back was not found, which happens where a
    /// displacement is very steep.
    ///
    /// # Errors
    /// [`Error::Input`] where the volume is not on the grid of the output, or the output does not
    /// come from an input.
    pub fn restore(
        &self,
        made: &Volume,
        output: &str,
        fill: f64,
    ) -> Result<(Volume, Option<Finding>)> {
        let artefact = self
            .outputs
            .iter()
            .find(|o| o.name == output)
            .ok_or_else(|| {
                let names: Vec<&str> = self.outputs.iter().map(|o| o.name.as_str()).collect();
                Error::input(format!("there is no output '{output}'"))
                    .remedy(format!("there are: {}", names.join(", ")))
            })?;
        let grid = &artefact.header.geometry;
        if !grid.is_close(made.geometry(), SAME_GRID_MM) {
            return Err(Error::input(format!(
                "the volume is on another grid than the output '{output}': it has {}, the output {}",
                shown(made.geometry()),
                shown(grid),
            ))
            .remedy("give what was made from that output, on its grid"));
        }
        // A file may have rounded the grid: under the exact one, voxels that moved by whole indices
        // are copied.
        let made = &made.clone().with_geometry(grid.clone())?;
        let mut way = Way {
            name: output,
            grid: artefact.header.geometry.clone(),
            task: Task {
                target: output.to_owned(),
                source: output.to_owned(),
                legs: Vec::new(),
                curves: Vec::new(),
                fill: vec![fill; made.voxels().channels()],
                header: made.header().clone(),
            },
            exchanged: Vec::new(),
            lost: 0,
        };
        // Grids come from a file: what leads astray is refused before anything is made of it.
        let mut ahead = (output, grid.clone());
        for record in self.steps.iter().rev() {
            if let Some(written) = record.volumes.iter().find(|w| w.to == ahead.0) {
                let before = written.grid_before.clone().unwrap_or(ahead.1);
                let voxels: f64 = before.size().iter().map(|n| *n as f64).product();
                if record.map.as_affine().is_none() && voxels > MOST_VOXELS {
                    return Err(Error::limit(format!(
                        "step '{}' has a grid of {}, too many to invert a displacement on",
                        record.step,
                        shown(&before)
                    )));
                }
                ahead = (&written.from, before);
            }
        }
        for record in self.steps.iter().rev() {
            way.undo(record, made)?;
        }
        let Some(input) = self.inputs.iter().find(|i| i.name == way.name) else {
            return Err(Error::input(format!(
                "'{}' was made on the way: it has no grid of its own to go back to",
                way.name
            ))
            .remedy("name an output that comes from an input"));
        };
        if !input.header.geometry.is_close(&way.grid, SAME_GRID_MM) {
            return Err(Error::input(
                "the records do not lead back to the grid of the input: the sidecar was changed",
            ));
        }
        let Way {
            mut task,
            exchanged,
            lost,
            ..
        } = way;
        // What is empty stays empty when labels are exchanged.
        for pairs in exchanged.iter().rev() {
            for fill in &mut task.fill {
                let pair = pairs.iter().find(|(label, _)| *label as f64 == *fill);
                *fill = pair.map_or(*fill, |(_, other)| *other as f64);
            }
        }
        let sampling = Sampling {
            intensity: Interpolation::Linear,
            antialias: Antialias::Auto,
            fill: Fill::Value(fill),
            ..Sampling::default()
        };
        if task.legs.is_empty() {
            task.legs.push(Leg {
                map: WorldMap::identity(),
                grid: input.header.geometry.clone(),
            });
        }
        task.header.geometry = input.header.geometry.clone();
        let channels = made.voxels().channels();
        let program = Program::new(&task.curves, channels, &|name| {
            Err(Error::plugin(format!("a step back looks at '{name}'")))
        })?;
        let (voxels, _) = resample::execute(&task, made, &sampling, &program)?;
        let finding = (lost > 0).then(|| {
            let message = format!(
                "the way back of {lost} voxels was not found; what is around them is empty"
            );
            let values = serde_json::json!({ "count": lost });
            Finding::warning("restore.lost", message).with_values(values)
        });
        Ok((Volume::with_header(task.header, voxels)?, finding))
    }
}

/// How far the way back has come.
struct Way<'a> {
    /// The name of the volume before the steps undone so far.
    name: &'a str,
    /// Its grid.
    grid: Geometry,
    task: Task,
    /// The labels that were exchanged, forwards; those of the last step first.
    exchanged: Vec<&'a [(i64, i64)]>,
    lost: u64,
}

impl<'a> Way<'a> {
    fn undo(&mut self, record: &'a Record, made: &Volume) -> Result<()> {
        let Some(written) = record.volumes.iter().find(|w| w.to == self.name) else {
            return Ok(());
        };
        self.name = &written.from;
        let before = written.grid_before.as_ref().unwrap_or(&self.grid).clone();
        if !record.map.is_identity() || before != self.grid {
            let (map, lost) = record.map.inverted(&before)?;
            self.lost += lost;
            self.task.legs.push(Leg {
                map,
                grid: before.clone(),
            });
        }
        if made.role() == Role::Label {
            let back: Vec<(i64, i64)> = record.labels.iter().map(|&(a, b)| (b, a)).collect();
            if !back.is_empty() {
                let curve = relabelling(&back, made.header())
                    .map_err(|e| e.remedy("give the label map in a wider type"))?;
                self.task.curves.push(curve);
                self.exchanged.push(&record.labels);
            }
        }
        self.grid = before;
        Ok(())
    }
}

/// A grid as messages name it.
fn shown(grid: &Geometry) -> String {
    let [x, y, z] = grid.size();
    let rounded = |v: [f64; 3]| v.map(|v| (v * 1000.0).round() / 1000.0 + 0.0);
    format!(
        "{x} x {y} x {z} voxels of {:?} mm from {:?} mm",
        rounded(grid.spacing()),
        rounded(grid.origin()),
    )
}
