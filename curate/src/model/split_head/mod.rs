//! A YOLO detector whose boxes and joints are computed where a score asks for them.
//!
//! A detector makes a box and joints for every cell of its grids, 8400 of them at 640 × 640 px, and nearly
//! all are thrown away because of their scores. Their branches are a quarter to a third of the work. Here the
//! graph is split: a backbone that ends in the scores, and for each level the branches, which run over the
//! region of those cells alone whose score is high enough, and over as many cells around it as their
//! convolutions reach. The convolutions add up the same products as those of the full graph, in the same
//! order.
//!
//! | module | what |
//! |---|---|
//! | `graph` | an ONNX file as a graph that can be split |
//! | `locate` | where the head lies in the graph |
//! | `feature_map` | the outputs of the backbone, and regions of them |
//! | `cell` | one cell to its values in the head: box, score, joints |

mod cell;
mod feature_map;
mod graph;
mod locate;

use ort::session::{Session, SessionOutputs};
use ort::value::TensorRef;

use self::cell::Cell;
use self::feature_map::{FeatureMap, Roi};
use self::graph::Model;
use self::locate::Head;
use crate::model::contract::BOX_CHANNELS;
use crate::model::tensor::Input;

/// Column and row of a cell that is far enough from a corner for its region not to touch it, and on every
/// usual grid.
const INNER: usize = 5;

/// A detector split into its backbone and branches.
#[derive(Debug)]
pub(super) struct SplitHead {
    head: Head,
    /// ONNX models: the backbone gives the scores of all levels, then the features of all levels.
    backbone: Vec<u8>,
    /// Of each level, from its features the boxes' sides and the joints.
    branches: Vec<Vec<u8>>,
}

/// The ONNX models that a detector's file is split into, where its head is one that is known: the backbone, and
/// for each level the branches of boxes and joints. `joints`: per cell of its output. Nothing is run, so that the
/// parts of a stranger's file can be looked at without ONNX Runtime.
pub fn parts(bytes: &[u8], joints: usize) -> Option<Vec<Vec<u8>>> {
    let SplitHead { backbone, branches, .. } = SplitHead::split(bytes, joints)?;
    Some(std::iter::once(backbone).chain(branches).collect())
}

/// Sessions of the subgraphs.
#[derive(Debug)]
pub(super) struct Sessions {
    backbone: Session,
    branches: Vec<Session>,
}

impl SplitHead {
    /// Splits a model whose output holds `joints` joints per cell; `None` where it has no head that is known.
    pub fn split(bytes: &[u8], joints: usize) -> Option<Self> {
        let model = Model::parse(bytes).ok()?;
        let head = locate::find(&model.graph, joints)?;
        let scores = head.levels.iter().map(|level| level.scores.as_str());
        let features = head.levels.iter().map(|level| level.features.as_str());
        let backbone = model.subgraph(None, &scores.chain(features).collect::<Vec<_>>());
        let branches = head.levels.iter().map(|level| {
            let made = std::iter::once(&level.ltrb).chain(&level.joints).map(String::as_str);
            model.subgraph(Some(&level.features), &made.collect::<Vec<_>>())
        });
        Some(Self { branches: branches.collect(), backbone, head })
    }

    /// Opens a session for each subgraph.
    pub fn open<E>(&self, open: impl Fn(&[u8]) -> Result<Session, E>) -> Result<Sessions, E> {
        let backbone = open(&self.backbone)?;
        let branches = self.branches.iter().map(|bytes| open(bytes)).collect::<Result<_, _>>()?;
        Ok(Sessions { backbone, branches })
    }

    /// The cells of the head whose score is above `min_score`, in the order of the full head, channel after
    /// channel ([`Cell::append`]).
    pub fn run(&self, sessions: &mut Sessions, input: &Input, min_score: f32) -> ort::Result<Vec<f32>> {
        Ok(self.run_for(sessions, input, |cell| cell.score > min_score)?.1)
    }

    /// Those cells that are wanted, and their values.
    fn run_for(
        &self,
        sessions: &mut Sessions,
        input: &Input,
        is_wanted: impl Fn(&Cell) -> bool,
    ) -> ort::Result<(Vec<Cell>, Vec<f32>)> {
        let (width, height) = (input.width as usize, input.height as usize);
        let found = run_session(&mut sessions.backbone, &input.values, [1, 3, height, width])?;
        let (mut all, mut channels) = (Vec::new(), vec![Vec::new(); BOX_CHANNELS + 3 * self.head.joints]);
        for (index, level) in self.head.levels.iter().enumerate() {
            let scores = FeatureMap::of(&found[index])?;
            let cells: Vec<Cell> = Cell::all(&scores).filter(&is_wanted).collect();
            let Some(roi) = Roi::around(cells.iter().map(|cell| (cell.x, cell.y))) else { continue };
            let roi = roi.widened(level.halo, &scores);
            let features = &found[self.head.levels.len() + index];
            let features = FeatureMap::sized(features, 1, (scores.height, scores.width))?;
            let size = (roi.height(), roi.width());
            let shape = [1, features.count, size.0, size.1];
            let made = run_session(&mut sessions.branches[index], &roi.crop(&features), shape)?;
            let ltrb = FeatureMap::sized(&made[0], 4 * self.head.reg_max, size)?;
            let joints = match self.head.joints {
                0 => &ltrb,
                joints => &FeatureMap::sized(&made[1], 3 * joints, size)?,
            };
            let stride_px = width as f32 / scores.width as f32;
            for cell in &cells {
                let (x, y) = (cell.x - roi.x0, cell.y - roi.y0);
                let (side, joint) = (|plane| ltrb.at(plane, x, y), |plane| joints.at(plane, x, y));
                cell.append(&mut channels, stride_px, self.head.reg_max, side, joint);
            }
            all.extend(cells);
        }
        Ok((all, channels.concat()))
    }

    /// Whether the subgraphs make of an image what the full graph makes of it: of all cells at once, and of
    /// one on each level, in a corner and away from it.
    pub fn matches_full_graph(
        &self,
        sessions: &mut Sessions,
        image: &Input,
        whole: &[f32],
    ) -> ort::Result<bool> {
        let (all, values) = self.run_for(sessions, image, |_| true)?;
        if !are_alike(&values, whole) {
            return Ok(false);
        }
        for place in [0, INNER] {
            let is_there = |cell: &Cell| (cell.x, cell.y) == (place, place);
            let (_, values) = self.run_for(sessions, image, is_there)?;
            let of_those = whole.iter().zip(all.iter().cycle()).filter(|(_, cell)| is_there(cell));
            if !are_alike(&values, &of_those.map(|(&value, _)| value).collect::<Vec<_>>()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn run_session<'s>(
    session: &'s mut Session,
    values: &[f32],
    shape: [usize; 4],
) -> ort::Result<SessionOutputs<'s>> {
    session.run(ort::inputs![TensorRef::from_array_view((shape, values))?])
}

/// Whether two computations of the same values differ by rounding alone: by 10⁻⁴ of a score, or of a number
/// of px.
fn are_alike(some: &[f32], others: &[f32]) -> bool {
    some.len() == others.len()
        && some.iter().zip(others).all(|(&one, &other)| (one - other).abs() <= 1e-4 * other.abs().max(1.0))
}

/// An image on which the subgraphs and the full graph are compared: noise between 0 and 1, the same each
/// time.
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
    use crate::model::tensor::Normalisation;
    use crate::model::{Contract, Device, ModelEntry, Network, POSE_CHANNELS, Runtime};
    use crate::role::Role;

    /// What [`crate::detect`] demands of a pose detector.
    const POSE: Contract = Contract {
        role: Role::People,
        output: "yolo[n,56,anchors]",
        output_dimensions: &[Some(POSE_CHANNELS), None],
        head_joints: Some(17),
        usual_input_px: [640, 640],
        fixed_input_px: None,
        usual_normalisation: Normalisation::Unit,
        inferences_per_photo: 1,
    };

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
            output: POSE.output.to_owned(),
            fallback: None,
            licence: None,
            source: None,
        };
        Network::load(&entry, &POSE, &file, &runtime, Device::Cpu).unwrap()
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
        assert!(network.has_split_head());
        for (place, columns) in
            [([0; 4], 0), ([40, 64, 8, 8], 1), ([0, 0, 16, 128], 40), ([0, 0, 128, 128], 320)]
        {
            let image = lit(place);
            let (whole, found) = (network.run(&image).unwrap(), network.run_head(&image, 0.1).unwrap());
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
            assert!(!network.has_split_head(), "{name}");
            let whole = network.run(&image).unwrap();
            assert_eq!(network.run_head(&image, 0.1).unwrap(), whole.images().next().unwrap(), "{name}");
        }
    }

    #[test]
    fn a_head_is_found_with_its_levels_bins_and_reach() {
        let model = |name: &str| {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.onnx"));
            Model::parse(&std::fs::read(file).unwrap()).unwrap()
        };
        let found = locate::find(&model("people_yolo").graph, 17).unwrap();
        assert_eq!((found.reg_max, found.joints, found.levels.len()), (4, 17, 2));
        let level = &found.levels[1];
        assert_eq!((level.scores.as_str(), level.features.as_str()), ("score1", "features1"));
        assert_eq!((level.ltrb.as_str(), level.joints.as_deref()), ("sides1.2", Some("joints1.2")));
        assert_eq!(level.halo, 2, "two convolutions of 3×3");
        // What says nothing of joints is computed without them.
        assert_eq!(locate::find(&model("people_yolo").graph, 0).unwrap().levels[0].joints, None);
        assert_eq!(locate::find(&model("people_yolo_that_sees_all").graph, 17), None);
        assert_eq!(locate::find(&model("people").graph, 17), None);
    }
}
