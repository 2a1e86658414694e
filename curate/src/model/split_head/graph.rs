//! An ONNX file as a graph that can be split. Only names and edges are read; weights and attributes pass
//! through as bytes.
//!
//! Field numbers are those of `onnx.proto` (ONNX IR version 3 to 12).

use std::collections::{HashMap, HashSet};

use prost::Message;

/// `ModelProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, required, tag = "7")]
    pub graph: Graph,
    #[prost(bytes = "vec", repeated, tag = "8")]
    opset_import: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "25")]
    functions: Vec<Vec<u8>>,
}

/// `GraphProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// In an order in which each comes behind those it needs.
    #[prost(message, repeated, tag = "1")]
    pub nodes: Vec<Node>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(bytes = "vec", repeated, tag = "5")]
    initializers: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "11")]
    inputs: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "12")]
    outputs: Vec<Vec<u8>>,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub outputs: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    pub operator: String,
    #[prost(bytes = "vec", repeated, tag = "5")]
    attributes: Vec<Vec<u8>>,
    #[prost(string, tag = "7")]
    domain: String,
    #[prost(string, tag = "8")]
    overload: String,
}

/// What of an `AttributeProto` is read.
#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    integers: Vec<i64>,
}

/// What of a `TensorProto` is read.
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dimensions: Vec<i64>,
    #[prost(string, tag = "8")]
    name: String,
}

/// `ValueInfoProto`.
#[derive(Clone, PartialEq, Message)]
struct Outlet {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Kind>,
}

/// `TypeProto`.
#[derive(Clone, PartialEq, Message)]
struct Kind {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorKind>,
}

/// `TypeProto.Tensor`, of any shape.
#[derive(Clone, PartialEq, Message)]
struct TensorKind {
    #[prost(int32, tag = "1")]
    element: i32,
}

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;

impl Model {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When they are no ONNX model.
    pub fn parse(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        Self::decode(bytes)
    }

    /// A model of those nodes that compute `outputs`: from the inputs of the whole, or from one tensor within
    /// it. All are f32.
    pub fn subgraph(&self, input: Option<&str>, outputs: &[&str]) -> Vec<u8> {
        let graph = &self.graph;
        let needed = graph.ancestors(outputs, input);
        let is_needed = |(index, node): (usize, &Node)| needed.contains(&index).then(|| node.clone());
        let nodes: Vec<Node> = graph.nodes.iter().enumerate().filter_map(is_needed).collect();
        let used: HashSet<&str> = nodes.iter().flat_map(|node| &node.inputs).map(String::as_str).collect();
        let of_used = |all: &[Vec<u8>], name: fn(&[u8]) -> String| -> Vec<Vec<u8>> {
            all.iter().filter(|bytes| used.contains(name(bytes).as_str())).cloned().collect()
        };
        let float = |name: &str| Outlet::float(name).encode_to_vec();
        let subgraph = Graph {
            name: graph.name.clone(),
            initializers: of_used(&graph.initializers, name_of_tensor),
            inputs: input.map_or_else(|| of_used(&graph.inputs, name_of_outlet), |name| vec![float(name)]),
            outputs: outputs.iter().map(|name| float(name)).collect(),
            nodes,
        };
        Self {
            ir_version: self.ir_version,
            graph: subgraph,
            opset_import: self.opset_import.clone(),
            functions: self.functions.clone(),
        }
        .encode_to_vec()
    }
}

impl Graph {
    /// The name of the first output.
    pub fn output(&self) -> Option<String> {
        self.outputs.first().map(|bytes| name_of_outlet(bytes))
    }

    /// The dimensions of each weight, by its name.
    pub fn weights(&self) -> HashMap<String, Vec<i64>> {
        let read = |bytes: &Vec<u8>| Tensor::decode(bytes.as_slice()).ok();
        self.initializers.iter().filter_map(read).map(|tensor| (tensor.name, tensor.dimensions)).collect()
    }

    /// The index of the node that computes each tensor.
    pub fn producers(&self) -> HashMap<&str, usize> {
        let made = |(index, node)| Node::made(node).map(move |name| (name, index));
        self.nodes.iter().enumerate().flat_map(made).collect()
    }

    /// The indices of all nodes that some tensors depend on; `given` is taken as computed already.
    pub fn ancestors(&self, tensors: &[&str], given: Option<&str>) -> HashSet<usize> {
        let (producers, mut found) = (self.producers(), HashSet::new());
        let mut open: Vec<&str> = tensors.to_vec();
        while let Some(tensor) = open.pop() {
            let producer = producers.get(tensor).filter(|_| Some(tensor) != given);
            if let Some(&index) = producer.filter(|&&index| found.insert(index)) {
                open.extend(self.nodes[index].inputs.iter().map(String::as_str));
            }
        }
        found
    }
}

impl Node {
    /// The tensors that it computes; an output that is left out has an empty name.
    fn made(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(String::as_str).filter(|name| !name.is_empty())
    }

    /// A list of whole numbers among the attributes.
    pub fn integers(&self, name: &str) -> Option<Vec<i64>> {
        self.attribute(name).map(|attribute| attribute.integers)
    }

    /// A text among the attributes.
    pub fn text(&self, name: &str) -> Option<String> {
        self.attribute(name).map(|attribute| String::from_utf8_lossy(&attribute.text).into_owned())
    }

    fn attribute(&self, name: &str) -> Option<Attribute> {
        let read = |bytes: &Vec<u8>| Attribute::decode(bytes.as_slice()).ok();
        self.attributes.iter().filter_map(read).find(|attribute| attribute.name == name)
    }
}

impl Outlet {
    fn float(name: &str) -> Self {
        let tensor = Some(TensorKind { element: FLOAT });
        Self { name: name.to_owned(), kind: Some(Kind { tensor }) }
    }
}

fn name_of_tensor(bytes: &[u8]) -> String {
    Tensor::decode(bytes).map(|tensor| tensor.name).unwrap_or_default()
}

fn name_of_outlet(bytes: &[u8]) -> String {
    Outlet::decode(bytes).map(|outlet| outlet.name).unwrap_or_default()
}
