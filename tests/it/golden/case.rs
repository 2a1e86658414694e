//! One case of the golden folder: its description, inputs and outputs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// A folder of the golden set. A missing or damaged file fails the test with its name.
pub struct Case {
    folder: PathBuf,
    /// `case.json`.
    pub info: Value,
    inputs: BTreeMap<String, Tensor>,
    outputs: BTreeMap<String, Tensor>,
}

/// Values as f32 (f16, u8 and whole numbers below 2²⁴ fit exactly), row after row.
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// `|a − b| ≤ atol + rtol·|b|` for every element.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    pub atol: f64,
    pub rtol: f64,
}

fn root() -> PathBuf {
    let folder = std::env::var_os("BOLID_GOLDEN").filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"));
    assert!(
        folder.is_dir(),
        "there is no folder of golden vectors at `{}`; set BOLID_GOLDEN, or restore tests/golden",
        folder.display()
    );
    folder
}

impl Case {
    pub fn open(name: &str) -> Self {
        let folder = root().join(name);
        let text = fs::read_to_string(folder.join("case.json"));
        let text = text.unwrap_or_else(|error| panic!("`{}/case.json`: {error}", folder.display()));
        // Python writes infinities that JSON does not have.
        let text = text.replace(": -Infinity", ": null");
        let info = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}/case.json: {error}"));
        let inputs = tensors(&folder.join("inputs.safetensors"));
        let outputs = tensors(&folder.join("outputs.safetensors"));
        Self { folder, info, inputs, outputs }
    }

    pub fn input(&self, name: &str) -> &Tensor {
        self.inputs.get(name).unwrap_or_else(|| panic!("{}: no input `{name}`", self.folder.display()))
    }

    pub fn output(&self, name: &str) -> &Tensor {
        self.outputs.get(name).unwrap_or_else(|| panic!("{}: no output `{name}`", self.folder.display()))
    }

    pub fn input_names(&self) -> impl Iterator<Item = &str> {
        self.inputs.keys().map(String::as_str)
    }

    /// Another file of the case, or of the case beside it (`../unet_sd15/config.json`).
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.outputs.keys().map(String::as_str)
    }

    /// `images/<name>.png` beside the case.
    pub fn image(&self, name: &str) -> RgbImage {
        let path = self.folder.join("../images").join(format!("{name}.png"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
        curate::decode(&bytes).unwrap_or_else(|error| panic!("`{}`: {error}", path.display())).image
    }

    /// The names of the images and what is said of each.
    pub fn images(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.info["images"].as_object().expect("`images` is an object").iter()
    }

    /// The whole numbers that follow `start` in the call, up to the closing parenthesis.
    pub fn call_numbers(&self, start: &str) -> Vec<f64> {
        let call = text(&self.info["call"]);
        let from = call.find(start).unwrap_or_else(|| panic!("`{start}` is not in the call `{call}`"));
        let rest = &call[from + start.len()..];
        let inside = &rest[..rest.find([')', ';']).unwrap_or(rest.len())];
        inside.split(',').map_while(|part| part.trim().parse().ok()).collect()
    }
}

impl Tolerance {
    pub fn read(value: &Value) -> Self {
        Self { atol: number(&value["atol"]), rtol: number(&value["rtol"]) }
    }

    #[track_caller]
    pub fn check(self, what: &str, found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len(), "{what}: number of values");
        for (i, (&a, &b)) in found.iter().zip(expected).enumerate() {
            let (a, b) = (f64::from(a), f64::from(b));
            assert!(
                (a - b).abs() <= self.atol + self.rtol * b.abs(),
                "{what}[{i}]: {a}, expected {b}, {self:?}"
            );
        }
    }
}

/// Largest and mean absolute difference of levels.
#[track_caller]
pub fn check_levels(what: &str, found: &[f32], expected: &[f32], tolerance: &Value) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    let apart = || found.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs()));
    let (largest, mean) = (apart().fold(0.0, f64::max), apart().sum::<f64>() / found.len() as f64);
    let (max_abs, mean_abs) = (number(&tolerance["max_abs"]), number(&tolerance["mean_abs"]));
    println!("{what}: largest difference {largest:.4} of {max_abs}, mean {mean:.5} of {mean_abs}");
    assert!(largest <= max_abs && mean <= mean_abs, "{what}: largest {largest}, mean {mean}, {tolerance}");
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("`{value}` is no number"))
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("`{value}` is no text"))
}

pub fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap_or_else(|| panic!("`{value}` is no list")).iter().map(number).collect()
}

/// The bytes of an image as f32.
pub fn levels(image: &[u8]) -> Vec<f32> {
    image.iter().map(|&level| f32::from(level)).collect()
}

fn tensors(path: &Path) -> BTreeMap<String, Tensor> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
    let file =
        SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
    let read = |(name, view): (String, safetensors::tensor::TensorView)| {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            Dtype::F16 => data.as_chunks().0.iter().map(|&bytes| half(u16::from_le_bytes(bytes))).collect(),
            Dtype::I64 => data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as f32).collect(),
            Dtype::U8 => levels(data),
            other => panic!("`{}`: {name} is {other:?}", path.display()),
        };
        (name, Tensor { shape: view.shape().to_vec(), values })
    };
    file.tensors().into_iter().map(read).collect()
}

/// A half-precision number (IEEE 754 binary16).
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f32::from(bits & 0x3FF));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}
