//! Adapter files in the layout of IP-Adapter (arXiv:2308.06721), which diffusers' `load_ip_adapter` and ComfyUI read.
//!
//! ```text
//! image_proj.proj.weight  [tokens·cross, embed]     image_proj.proj.bias  [tokens·cross]
//! image_proj.norm.weight  [cross]                   image_proj.norm.bias  [cross]
//! ip_adapter.{1,3,5…}.to_k_ip.weight, .to_v_ip.weight  [width of the layer, cross]
//! ```
//! The odd numbers count the UNet's cross-attention layers in the order down, up, mid.

use super::layers::LAYER_NORM_EPS;
use super::tensor_file::read_all;
use super::unet::KeyValue;
use super::weights::TensorMismatch;
use crate::error::{Error, Result};
use crate::grad;
use candle_core::{Device, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A linear layer and a layer norm that make tokens of an embedding (diffusers' `ImageProjection`).
#[derive(Clone, Debug)]
pub struct Projection {
    /// `[tokens·cross, embed]`
    pub weight: Tensor,
    /// `[tokens·cross]`
    pub bias: Tensor,
    /// `[cross]`
    pub norm_weight: Tensor,
    /// `[cross]`
    pub norm_bias: Tensor,
}

impl Projection {
    /// Width of the tokens: that of the text's.
    pub fn cross_dim(&self) -> usize {
        self.norm_weight.elem_count()
    }

    /// Tokens made of one embedding.
    pub fn tokens(&self) -> usize {
        self.bias.elem_count() / self.cross_dim().max(1)
    }

    /// Width of the embedding.
    pub fn embed_dim(&self) -> usize {
        self.weight.dims().last().copied().unwrap_or_default()
    }

    /// Embeddings `[n, embed]` to tokens `[n, tokens, cross]`. Differentiable.
    pub fn forward(&self, embeds: &Tensor) -> Result<Tensor> {
        let tokens = grad::linear(embeds, &self.weight, Some(&self.bias))?;
        let tokens = tokens.reshape((embeds.dim(0)?, self.tokens(), self.cross_dim()))?;
        grad::layer_norm(&tokens, &self.norm_weight, &self.norm_bias, LAYER_NORM_EPS)
    }
}

/// The content of an adapter file.
#[derive(Clone, Debug)]
pub struct AdapterFile {
    /// From embedding to tokens.
    pub projection: Projection,
    /// Keys and values of each cross-attention layer, in the order down, up, mid.
    pub layers: Vec<KeyValue>,
}

impl AdapterFile {
    /// Reads a file and checks that it is complete and consistent in itself; [`check`](Self::check) compares
    /// it with a UNet.
    pub fn read(path: &Path, device: &Device) -> Result<Self> {
        let mut tensors = read_all(path, device)?;
        let mut report = TensorMismatch { origin: path.display().to_string(), ..TensorMismatch::default() };
        let layers = tensors.keys().filter(|name| name.ends_with(".to_k_ip.weight")).count();
        let mut names: Vec<String> = PROJECTION.iter().map(|name| (*name).to_owned()).collect();
        names.extend((0..layers.max(1)).flat_map(layer_names));
        let found = names.into_iter().map(|name| take(&mut tensors, name, &mut report));
        let found: Vec<Option<Tensor>> = found.collect();
        report.extra = tensors.into_keys().collect();
        let complete: Option<Vec<Tensor>> = found.into_iter().collect();
        let Some(all) = complete.filter(|_| report.is_empty()) else { return Err(report.into()) };
        let mut all = all.into_iter();
        let mut next = || all.next().ok_or_else(|| Error::malformed(path, "too few tensors"));
        let projection =
            Projection { weight: next()?, bias: next()?, norm_weight: next()?, norm_bias: next()? };
        let layers =
            (0..layers).map(|_| Ok(KeyValue { key: next()?, value: next()? })).collect::<Result<Vec<_>>>()?;
        let adapter = Self { projection, layers };
        let widths: Vec<usize> =
            adapter.layers.iter().map(|kv| kv.key.dims().first().copied().unwrap_or(0)).collect();
        adapter.check_shapes(&report.origin, &widths, adapter.projection.cross_dim())?;
        Ok(adapter)
    }

    /// Refuses an adapter for another UNet, naming every tensor: `widths` are those of its cross-attention layers
    /// (`UNet::cross_attention`), `cross_dim` the width of its text tokens.
    pub fn check(&self, origin: &str, widths: &[usize], cross_dim: usize) -> Result<()> {
        let mut report = TensorMismatch { origin: origin.to_owned(), ..TensorMismatch::default() };
        report.missing.extend((self.layers.len()..widths.len()).flat_map(layer_names));
        report.extra.extend((widths.len()..self.layers.len()).flat_map(layer_names));
        if report.is_empty() { self.check_shapes(origin, widths, cross_dim) } else { Err(report.into()) }
    }

    /// Writes the file: all or nothing, tensors as they are (f32 or half precision).
    pub fn write(&self, path: &Path) -> Result<()> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let tensors: BTreeMap<String, Tensor> =
            self.named().into_iter().map(|(k, t)| (k, t.detach())).collect();
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let bytes = safetensors::serialize(tensors.iter().map(|(k, v)| (k.as_str(), v)), Some(metadata));
        let bytes = bytes.map_err(|e| Error::malformed(path, e))?;
        let failed = |cause| Error::Write { path: path.to_owned(), cause };
        // A reader never sees half a file: it is written aside and moved.
        let mut aside = path.as_os_str().to_owned();
        aside.push(".part");
        let aside = Path::new(&aside);
        std::fs::create_dir_all(folder).map_err(failed)?;
        std::fs::write(aside, bytes).map_err(failed)?;
        std::fs::rename(aside, path).map_err(failed)
    }

    /// Every tensor under its name in the file.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let p = &self.projection;
        let projection = [&p.weight, &p.bias, &p.norm_weight, &p.norm_bias];
        let mut all: Vec<_> =
            PROJECTION.iter().zip(projection).map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
        for (i, layer) in self.layers.iter().enumerate() {
            all.extend(layer_names(i).into_iter().zip([layer.key.clone(), layer.value.clone()]));
        }
        all
    }

    fn check_shapes(&self, origin: &str, widths: &[usize], cross: usize) -> Result<()> {
        let mut report = TensorMismatch { origin: origin.to_owned(), ..TensorMismatch::default() };
        let rows = self.projection.tokens().max(1) * cross;
        let mut expected =
            vec![vec![rows, self.projection.embed_dim()], vec![rows], vec![cross], vec![cross]];
        expected.extend(widths.iter().flat_map(|&width| [vec![width, cross], vec![width, cross]]));
        for ((name, tensor), needed) in self.named().into_iter().zip(expected) {
            if tensor.dims() != needed {
                report.misshapen.push((name, needed, tensor.dims().to_vec()));
            }
        }
        if report.is_empty() { Ok(()) } else { Err(report.into()) }
    }
}

fn take(tensors: &mut BTreeMap<String, Tensor>, name: String, report: &mut TensorMismatch) -> Option<Tensor> {
    let tensor = tensors.remove(&name);
    if tensor.is_none() {
        report.missing.push(name);
    }
    tensor
}

const PROJECTION: [&str; 4] =
    ["image_proj.proj.weight", "image_proj.proj.bias", "image_proj.norm.weight", "image_proj.norm.bias"];

/// Names of layer `i`, counted from 0.
fn layer_names(i: usize) -> [String; 2] {
    ["k", "v"].map(|kv| format!("ip_adapter.{}.to_{kv}_ip.weight", 2 * i + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestResult = std::result::Result<(), Box<dyn std::error::Error>>;

    fn adapter() -> Result<AdapterFile> {
        let random = |shape: &[usize]| Tensor::randn(0f32, 1.0, shape, &Device::Cpu);
        let layer = |width: usize| Ok(KeyValue { key: random(&[width, 6])?, value: random(&[width, 6])? });
        Ok(AdapterFile {
            projection: Projection {
                weight: random(&[24, 756])?,
                bias: random(&[24])?,
                norm_weight: random(&[6])?,
                norm_bias: random(&[6])?,
            },
            layers: (1..=12).map(layer).collect::<Result<_>>()?,
        })
    }

    #[test]
    fn what_is_written_is_read_back_in_order_beyond_nine_layers() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("new/body.safetensors");
        let adapter = adapter()?;
        adapter.write(&path)?;
        let back = AdapterFile::read(&path, &Device::Cpu)?;
        assert_eq!(
            (back.projection.tokens(), back.projection.embed_dim(), back.projection.cross_dim()),
            (4, 756, 6)
        );
        for ((name, a), (other, b)) in adapter.named().iter().zip(back.named()) {
            assert_eq!(name, &other);
            assert_eq!(a.flatten_all()?.to_vec1::<f32>()?, b.flatten_all()?.to_vec1::<f32>()?, "{name}");
        }
        back.check("it", &(1..=12).collect::<Vec<_>>(), 6)?;
        Ok(())
    }

    #[test]
    fn an_adapter_of_another_unet_is_refused_with_every_tensor_named() -> TestResult {
        let adapter = adapter()?;
        let mut widths: Vec<usize> = (1..=12).collect();
        widths[10] = 99;
        let message =
            adapter.check("a.safetensors", &widths, 6).map_err(|e| e.to_string()).err().unwrap_or_default();
        assert!(
            message.contains("ip_adapter.21.to_k_ip.weight")
                && message.contains("ip_adapter.21.to_v_ip.weight")
        );
        widths.push(5);
        let message =
            adapter.check("a.safetensors", &widths, 6).map_err(|e| e.to_string()).err().unwrap_or_default();
        assert!(message.contains("missing (2): ip_adapter.25.to_k_ip.weight"), "{message}");
        Ok(())
    }

    #[test]
    fn a_file_with_gaps_or_strangers_is_refused_with_every_tensor_named() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.safetensors");
        let mut tensors: HashMap<String, Tensor> = adapter()?.named().into_iter().collect();
        tensors.remove("image_proj.norm.bias");
        tensors.remove("ip_adapter.7.to_v_ip.weight");
        tensors.insert("stranger".to_owned(), Tensor::new(1f32, &Device::Cpu)?);
        candle_core::safetensors::save(&tensors, &path)?;
        let message =
            AdapterFile::read(&path, &Device::Cpu).map_err(|e| e.to_string()).err().unwrap_or_default();
        for name in ["image_proj.norm.bias", "ip_adapter.7.to_v_ip.weight", "stranger"] {
            assert!(message.contains(name), "{message}");
        }
        Ok(())
    }
}
