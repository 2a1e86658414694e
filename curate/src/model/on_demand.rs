//! A YOLO detector whose boxes and joints are computed where a score asks for them.
//!
//! A detector makes a box and joints for every cell of its grids, 8400 of them at 640 × 640 px, and nearly all are thrown away
//! because of their scores. Their branches are a quarter to a third of the whole work. Here the graph is cut: a trunk that
//! ends in the scores, and for each level the branches, which run over the window of those cells alone whose score is high
//! enough, and over as many cells around it as their convolutions reach. The convolutions add up the same products as those
//! of the whole graph, in the same order.

use ort::session::{Session, SessionOutputs};
use ort::value::TensorRef;

use super::cell::Cell;
use super::head::{self, Head};
use super::onnx::Model;
use super::window::{Planes, Window};
use crate::input::Input;
use crate::yolo::BOX_ROWS;

/// Column and row of a cell that is far enough from a corner for its window not to touch it, and on every usual grid.
const INNER: usize = 5;

/// A detector cut into its trunk and branches.
#[derive(Debug)]
pub(super) struct OnDemand {
    head: Head,
    /// ONNX models: the trunk gives the scores of all levels, then the features of all levels.
    trunk: Vec<u8>,
    /// Of each level, from its features the sides and the joints.
    branches: Vec<Vec<u8>>,
}

/// What runs the parts.
#[derive(Debug)]
pub(super) struct Sessions {
    trunk: Session,
    branches: Vec<Session>,
}

impl OnDemand {
    /// Cuts a model whose output holds `joints` joints per cell; `None` where it has no head that is known.
    pub fn cut(bytes: &[u8], joints: usize) -> Option<Self> {
        let model = Model::parse(bytes).ok()?;
        let head = head::find(&model.graph, joints)?;
        let scores = head.levels.iter().map(|level| level.scores.as_str());
        let features = head.levels.iter().map(|level| level.features.as_str());
        let trunk = model.part(None, &scores.chain(features).collect::<Vec<_>>());
        let branches = head.levels.iter().map(|level| {
            let made = std::iter::once(&level.sides).chain(&level.joints).map(String::as_str);
            model.part(Some(&level.features), &made.collect::<Vec<_>>())
        });
        Some(Self { branches: branches.collect(), trunk, head })
    }

    /// Opens a session for each part.
    pub fn open<E>(&self, open: impl Fn(&[u8]) -> Result<Session, E>) -> Result<Sessions, E> {
        let trunk = open(&self.trunk)?;
        let branches = self.branches.iter().map(|bytes| open(bytes)).collect::<Result<_, _>>()?;
        Ok(Sessions { trunk, branches })
    }

    /// The columns of the head whose score is above a bound, in the order of the whole head, row after row ([`Cell::append`]).
    pub fn columns(&self, sessions: &mut Sessions, input: &Input, above: f32) -> ort::Result<Vec<f32>> {
        Ok(self.columns_of(sessions, input, |cell| cell.score > above)?.1)
    }

    /// Those cells that are wanted, and their columns.
    fn columns_of(
        &self,
        sessions: &mut Sessions,
        input: &Input,
        is_wanted: impl Fn(&Cell) -> bool,
    ) -> ort::Result<(Vec<Cell>, Vec<f32>)> {
        let (width, height) = (input.width as usize, input.height as usize);
        let found = run(&mut sessions.trunk, &input.values, [1, 3, height, width])?;
        let (mut all, mut rows) = (Vec::new(), vec![Vec::new(); BOX_ROWS + 3 * self.head.joints]);
        for (index, level) in self.head.levels.iter().enumerate() {
            let scores = Planes::of(&found[index])?;
            let cells: Vec<Cell> = Cell::all(&scores).filter(&is_wanted).collect();
            let Some(window) = Window::around(cells.iter().map(|cell| (cell.x, cell.y))) else { continue };
            let window = window.widened(level.halo, &scores);
            let features = &found[self.head.levels.len() + index];
            let features = Planes::sized(features, 1, (scores.height, scores.width))?;
            let size = (window.height(), window.width());
            let shape = [1, features.count, size.0, size.1];
            let made = run(&mut sessions.branches[index], &window.of_planes(&features), shape)?;
            let sides = Planes::sized(&made[0], 4 * self.head.bins, size)?;
            let joints = match self.head.joints {
                0 => &sides,
                joints => &Planes::sized(&made[1], 3 * joints, size)?,
            };
            let stride_px = width as f32 / scores.width as f32;
            for cell in &cells {
                let (x, y) = (cell.x - window.x0, cell.y - window.y0);
                let (side, joint) = (|plane| sides.at(plane, x, y), |plane| joints.at(plane, x, y));
                cell.append(&mut rows, stride_px, self.head.bins, side, joint);
            }
            all.extend(cells);
        }
        Ok((all, rows.concat()))
    }

    /// Whether the parts make of an image what the whole graph makes of it: of all cells at once, and of one on each level,
    /// in a corner and away from it.
    pub fn make(&self, sessions: &mut Sessions, image: &Input, whole: &[f32]) -> ort::Result<bool> {
        let (all, columns) = self.columns_of(sessions, image, |_| true)?;
        if !are_alike(&columns, whole) {
            return Ok(false);
        }
        for place in [0, INNER] {
            let is_there = |cell: &Cell| (cell.x, cell.y) == (place, place);
            let (_, columns) = self.columns_of(sessions, image, is_there)?;
            let of_those = whole.iter().zip(all.iter().cycle()).filter(|(_, cell)| is_there(cell));
            if !are_alike(&columns, &of_those.map(|(&value, _)| value).collect::<Vec<_>>()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn run<'s>(session: &'s mut Session, values: &[f32], shape: [usize; 4]) -> ort::Result<SessionOutputs<'s>> {
    session.run(ort::inputs![TensorRef::from_array_view((shape, values))?])
}

/// Whether two computations of the same values differ by rounding alone: by 10⁻⁴ of a score, or of a number of px.
fn are_alike(some: &[f32], others: &[f32]) -> bool {
    some.len() == others.len()
        && some.iter().zip(others).all(|(&one, &other)| (one - other).abs() <= 1e-4 * other.abs().max(1.0))
}

/// An image on which parts and whole are compared: noise between 0 and 1, the same each time.
pub(super) fn noise((width, height): (u32, u32)) -> Input {
    let mixed = |index: u32| (index ^ (index >> 7)).wrapping_mul(0x9E37_79B1);
    let value = |index: u32| (mixed(mixed(index)) >> 8) as f32 / (1 << 24) as f32;
    Input { values: (0..3 * width * height).map(value).collect(), width, height }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use photo::Digest;

    use super::*;
    use crate::model::{Device, ModelEntry, Network, Role, Runtime};
    use crate::tensor::Normalisation;

    fn network(name: &str) -> Network {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = here.join("tests/fixtures").join(format!("{name}.onnx"));
        let runtime = Runtime::load(&here.join("../.cache/onnxruntime/libonnxruntime.so"))
            .unwrap_or_else(|error| panic!("these tests run models: {error}"));
        let entry = ModelEntry {
            name: name.to_owned(),
            role: Role::People,
            file: file.clone(),
            sha256: Digest::of(std::fs::read(&file).unwrap()),
            input_size: [128, 128],
            input_multiple: None,
            normalisation: Normalisation::Unit,
            output: Role::People.output().to_owned(),
            exact: None,
            licence: None,
            source: None,
        };
        Network::load(&entry, &file, &runtime, Device::Cpu).unwrap()
    }

    /// An image that is black but for noise in a rectangle from (x, y) on, of width and height.
    fn lit([x, y, width, height]: [usize; 4]) -> Input {
        let mut image = noise((128, 128));
        for (index, value) in image.values.iter_mut().enumerate() {
            let (column, row) = (index % 128, index / 128 % 128);
            if !(x..x + width).contains(&column) || !(y..y + height).contains(&row) {
                *value = 0.0;
            }
        }
        image
    }

    #[test]
    fn boxes_and_joints_on_demand_are_those_of_the_whole_graph() {
        let network = network("people_yolo");
        assert!(network.is_on_demand());
        for (place, columns) in
            [([0; 4], 0), ([40, 64, 8, 8], 1), ([0, 0, 16, 128], 40), ([0, 0, 128, 128], 320)]
        {
            let image = lit(place);
            let (whole, found) = (network.run(&image).unwrap(), network.head(&image, 0.1).unwrap());
            let whole = whole.images().next().unwrap();
            let cells = whole.len() / 56;
            let is_high = |&(index, _): &(usize, f32)| whole[4 * cells + index % cells] > 0.1;
            let high: Vec<f32> =
                whole.iter().copied().enumerate().filter(is_high).map(|(_, value)| value).collect();
            assert_eq!(found.len(), 56 * columns, "{place:?}");
            assert!(are_alike(&found, &high), "{place:?}: {found:?} {high:?}");
        }
    }

    #[test]
    fn a_head_that_is_built_otherwise_is_run_whole() {
        for name in ["people_yolo_that_sees_all", "people_yolo_of_another_scale"] {
            let (network, image) = (network(name), lit([40, 64, 8, 8]));
            assert!(!network.is_on_demand(), "{name}");
            let whole = network.run(&image).unwrap();
            assert_eq!(network.head(&image, 0.1).unwrap(), whole.images().next().unwrap(), "{name}");
        }
    }

    #[test]
    fn a_head_is_found_with_its_levels_bins_and_reach() {
        let model = |name: &str| {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.onnx"));
            Model::parse(&std::fs::read(file).unwrap()).unwrap()
        };
        let found = head::find(&model("people_yolo").graph, 17).unwrap();
        assert_eq!((found.bins, found.joints, found.levels.len()), (4, 17, 2));
        let level = &found.levels[1];
        assert_eq!((level.scores.as_str(), level.features.as_str()), ("score1", "features1"));
        assert_eq!((level.sides.as_str(), level.joints.as_deref()), ("sides1.2", Some("joints1.2")));
        assert_eq!(level.halo, 2, "two convolutions of 3×3");
        // What says nothing of joints is computed without them.
        assert_eq!(head::find(&model("people_yolo").graph, 0).unwrap().levels[0].joints, None);
        assert_eq!(head::find(&model("people_yolo_that_sees_all").graph, 17), None);
        assert_eq!(head::find(&model("people").graph, 17), None);
    }
}
