//! Where the head of a YOLO detector lies in its graph: which tensors hold the scores of the cells, and which
//! branches compute their boxes and joints.
//!
//! Known is the anchor-free head that Ultralytics exports for YOLOv5u, YOLOv8, YOLO11 and YOLO12 (`Detect`
//! and `Pose` in `ultralytics/nn/modules/head.py`), with one class. On each level (8, 16, 32 px a cell)
//! branches of convolutions lead from one feature map to the score, to the distributions of the box's four
//! sides, and to the joints.

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, Node};

/// The head of a detector.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    /// From fine to coarse, as the output lists their cells.
    pub levels: Vec<Level>,
    /// Bins of the distribution of one side's distance, one per cell length.
    pub reg_max: usize,
    /// Joints of each box.
    pub joints: usize,
}

/// The cells of one size. All texts are names of tensors.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    /// `[n, 1, height, width]`, before the sigmoid.
    pub scores: String,
    /// What the branches of boxes and joints start from: `[n, channels, height, width]`.
    pub features: String,
    /// Distributions of the distances to the box's left, top, right and bottom side, before the softmax:
    /// `[n, 4 · reg_max, height, width]`.
    pub ltrb: String,
    /// `[n, 3 · joints, height, width]`, before they are scaled.
    pub joints: Option<String>,
    /// How many cells around a cell its box and joints depend on.
    pub halo: usize,
}

/// Operators that treat each cell alone, and always alike.
const CELLWISE: [&str; 12] = [
    "Add",
    "BatchNormalization",
    "Clip",
    "DequantizeLinear",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Mul",
    "QuantizeLinear",
    "Relu",
    "Sigmoid",
];

/// Operators that see other tensors than those they list.
const WITH_SUBGRAPHS: [&str; 3] = ["If", "Loop", "Scan"];

/// The head of a graph whose output has a box, a score and `joints` joints per cell; `None` where it is built
/// otherwise.
pub(super) fn find(graph: &Graph, joints: usize) -> Option<Head> {
    let weights = graph.weights();
    let constants = constants(graph, &weights);
    let ends = Ends::of(graph, &weights, joints)?;
    if graph.nodes.iter().any(|node| WITH_SUBGRAPHS.contains(&node.operator.as_str())) {
        return None;
    }
    let all_scores: Vec<&str> = ends.scores.iter().map(String::as_str).collect();
    let backbone = graph.ancestors(&all_scores, None);
    let levels = ends.scores.iter().zip(&ends.ltrb).enumerate().map(|(index, (scores, ltrb))| {
        let joints = ends.joints.get(index).cloned();
        let made: Vec<&str> = std::iter::once(ltrb).chain(&joints).map(String::as_str).collect();
        let branches: HashSet<usize> = graph.ancestors(&made, None).difference(&backbone).copied().collect();
        let features = only_source(graph, &constants, &branches)?;
        let halo = halo(graph, &weights, &constants, &branches)?;
        Some(Level { scores: scores.clone(), features, ltrb: ltrb.clone(), joints, halo })
    });
    Some(Head { levels: levels.collect::<Option<_>>()?, reg_max: ends.reg_max, joints })
}

/// The last convolutions before the output, by what they make.
struct Ends {
    scores: Vec<String>,
    ltrb: Vec<String>,
    joints: Vec<String>,
    reg_max: usize,
}

impl Ends {
    fn of(graph: &Graph, weights: &HashMap<String, Vec<i64>>, joints: usize) -> Option<Self> {
        let (producers, output) = (graph.producers(), graph.output()?);
        let (mut seen, mut open) = (HashSet::new(), vec![output.as_str()]);
        let (mut last, mut reg_max) = (Vec::new(), HashSet::new());
        while let Some(tensor) = open.pop() {
            let Some(&index) = producers.get(tensor).filter(|&&index| seen.insert(index)) else { continue };
            let node = &graph.nodes[index];
            let weight = node.inputs.get(1).and_then(|name| weights.get(name));
            match (node.operator.as_str(), weight.map(Vec::as_slice)) {
                ("Shape", _) => {} // where cells lie may depend on the size of a map, but not on what is in it
                // Without a bias: the mean of a distribution, whose weights are 0, 1, 2, …
                ("Conv", Some(&[1, count, 1, 1])) if node.inputs.len() == 2 => {
                    reg_max.insert(usize::try_from(count).ok()?);
                    open.push(&node.inputs[0]);
                }
                ("Conv", weight) => last.push((*weight?.first()?, tensor)),
                // The last one pushed is the first one taken: in the order of the inputs, which is that of
                // the levels.
                _ => open.extend(node.inputs.iter().rev().map(String::as_str)),
            }
        }
        let &[reg_max] = reg_max.into_iter().collect::<Vec<_>>().as_slice() else { return None };
        let of = |channels: usize| -> Vec<String> {
            let is_one = |&&(count, _): &&(i64, &str)| usize::try_from(count) == Ok(channels);
            last.iter().filter(is_one).map(|&(_, name)| name.to_owned()).collect()
        };
        let ends = Self { scores: of(1), ltrb: of(reg_max.checked_mul(4)?), joints: of(3 * joints), reg_max };
        let levels = ends.scores.len();
        let has_all = levels > 0
            && ends.ltrb.len() == levels
            && ends.joints.len() == if joints > 0 { levels } else { 0 };
        has_all.then_some(ends)
    }
}

/// The tensors that do not depend on what the model is given: weights, and what is computed of them alone. In a file
/// each node stands behind those it needs, so one pass finds them all. Following the inputs back instead would take as
/// many steps as there are ways through the graph, and a stranger's may have 2ⁿ of them in n nodes.
fn constants<'g>(graph: &'g Graph, weights: &'g HashMap<String, Vec<i64>>) -> HashSet<&'g str> {
    let mut known: HashSet<&str> = weights.keys().map(String::as_str).collect();
    known.insert(""); // an optional input that is not there
    for node in &graph.nodes {
        if node.inputs.iter().all(|input| known.contains(input.as_str())) {
            known.extend(node.outputs.iter().map(String::as_str));
        }
    }
    known
}

/// The one tensor that nodes take from elsewhere, constants aside.
fn only_source(graph: &Graph, constants: &HashSet<&str>, nodes: &HashSet<usize>) -> Option<String> {
    let producers = graph.producers();
    let mut sources: Vec<&String> = nodes
        .iter()
        .flat_map(|&index| &graph.nodes[index].inputs)
        .filter(|name| !producers.get(name.as_str()).is_some_and(|index| nodes.contains(index)))
        .filter(|name| !constants.contains(name.as_str()))
        .collect();
    sources.sort();
    sources.dedup();
    let [only] = sources.as_slice() else { return None };
    Some((*only).clone())
}

/// How far nodes together look to each side, in cells; `None` where they may see the whole map.
fn halo(
    graph: &Graph,
    weights: &HashMap<String, Vec<i64>>,
    constants: &HashSet<&str>,
    nodes: &HashSet<usize>,
) -> Option<usize> {
    let mut reach: HashMap<&str, usize> = HashMap::new();
    for node in
        graph.nodes.iter().enumerate().filter(|(index, _)| nodes.contains(index)).map(|(_, node)| node)
    {
        let before =
            node.inputs.iter().filter_map(|input| reach.get(input.as_str())).max().copied().unwrap_or(0);
        let own = match node.operator.as_str() {
            "Conv" => reach_of_convolution(node, weights)?,
            other if CELLWISE.contains(&other) => 0,
            _ if node.inputs.iter().all(|input| constants.contains(input.as_str())) => 0,
            _ => return None,
        };
        let all = before.checked_add(own)?;
        reach.extend(node.outputs.iter().map(|output| (output.as_str(), all)));
    }
    reach.into_values().max()
}

/// Of a convolution that keeps height and width.
fn reach_of_convolution(node: &Node, weights: &HashMap<String, Vec<i64>>) -> Option<usize> {
    let kernel = node
        .integers("kernel_shape")
        .filter(|kernel| !kernel.is_empty())
        .or_else(|| read_kernel(node, weights))?;
    let is_one = |name: &str| node.integers(name).is_none_or(|values| values.iter().all(|&value| value == 1));
    let &[side, other] = kernel.as_slice() else { return None };
    let reach = side.checked_sub(1)? / 2;
    let padding = node.integers("pads").unwrap_or_default();
    let pads = if padding.is_empty() { vec![0; 4] } else { padding };
    let has_no_auto_pad = node.text("auto_pad").is_none_or(|text| text.is_empty() || text == "NOTSET");
    let keeps_size = side == other && side % 2 == 1 && pads.iter().all(|&pad| pad == reach);
    (keeps_size && has_no_auto_pad && is_one("strides") && is_one("dilations"))
        .then(|| usize::try_from(reach).ok())?
}

/// The kernel's sides, by the shape of the weights.
fn read_kernel(node: &Node, weights: &HashMap<String, Vec<i64>>) -> Option<Vec<i64>> {
    node.inputs
        .get(1)
        .and_then(|name| weights.get(name))
        .and_then(|shape| shape.get(2..))
        .map(<[i64]>::to_vec)
}
