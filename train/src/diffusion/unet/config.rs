//! `unet/config.json` as diffusers writes it.

use crate::error::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

const FILE: &str = "unet/config.json";

/// The configuration of diffusers' `UNet2DConditionModel`, checked for what this implementation supports.
#[derive(Clone, Debug, PartialEq)]
pub struct UnetConfig {
    /// Channels of the latents.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// The downward blocks, from full resolution on; the upward blocks mirror them.
    pub blocks: Vec<BlockConfig>,
    /// Attention layers of the upward blocks, in the order of the upward path.
    pub up_depths: Vec<usize>,
    /// Transformer blocks of the middle block's attention.
    pub mid_depth: usize,
    /// Width of the text tokens.
    pub cross_attention_dim: usize,
    /// Groups of every group normalisation.
    pub norm_groups: usize,
    /// Epsilon of the residual blocks' normalisations.
    pub norm_eps: f64,
    /// Whether the projections around a transformer are linear layers (SDXL) or 1×1 convolutions (SD 1.x).
    pub linear_projection: bool,
    /// Whether the time embedding puts the cosines first.
    pub flip_sin_to_cos: bool,
    /// Shift of the lowest frequency of the time embedding.
    pub freq_shift: f64,
    /// SDXL's additional conditioning on the pooled text and six sizes.
    pub added: Option<AddedConfig>,
}

/// One downward block and its mirror image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockConfig {
    /// Channels of its output.
    pub channels: usize,
    /// Residual blocks on the way down; one more on the way up.
    pub layers: usize,
    /// Heads of its attention.
    pub heads: usize,
    /// Transformer blocks after each residual block on the way down; 0 where the block has no attention.
    pub depth: usize,
}

/// `addition_embed_type: text_time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddedConfig {
    /// Width of the embedding of each of the time ids.
    pub time_dim: usize,
    /// Width of pooled text and embedded time ids together.
    pub input_dim: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum PerBlock {
    Same(usize),
    Each(Vec<usize>),
}

impl PerBlock {
    fn expand(&self, key: &str, n: usize) -> Result<Vec<usize>> {
        match self {
            Self::Same(value) => Ok(vec![*value; n]),
            Self::Each(values) if values.len() == n => Ok(values.clone()),
            Self::Each(values) => Err(unsupported(
                key,
                &format!("{values:?}"),
                format!("one value, or {n}, one per down block"),
            )),
        }
    }
}

/// The keys that are read; diffusers writes many more, which either do not concern inference or are checked
/// in [`REQUIRED`].
#[derive(Deserialize)]
struct Raw {
    in_channels: usize,
    out_channels: usize,
    block_out_channels: Vec<usize>,
    down_block_types: Vec<String>,
    up_block_types: Vec<String>,
    layers_per_block: PerBlock,
    attention_head_dim: PerBlock,
    #[serde(default)]
    num_attention_heads: Option<PerBlock>,
    #[serde(default = "one_each")]
    transformer_layers_per_block: PerBlock,
    #[serde(default)]
    reverse_transformer_layers_per_block: Option<PerBlock>,
    cross_attention_dim: PerBlock,
    #[serde(default = "default_groups")]
    norm_num_groups: usize,
    #[serde(default = "default_eps")]
    norm_eps: f64,
    #[serde(default)]
    use_linear_projection: bool,
    #[serde(default = "yes")]
    flip_sin_to_cos: bool,
    #[serde(default)]
    freq_shift: f64,
    #[serde(default)]
    addition_embed_type: Option<String>,
    #[serde(default)]
    addition_time_embed_dim: Option<usize>,
    #[serde(default)]
    projection_class_embeddings_input_dim: Option<usize>,
}

// Defaults of `UNet2DConditionModel.__init__`, for configurations written before a key existed.
fn one_each() -> PerBlock {
    PerBlock::Same(1)
}
fn default_groups() -> usize {
    32
}
fn default_eps() -> f64 {
    1e-5
}
fn yes() -> bool {
    true
}

/// Keys that would change what the network computes, with the only values supported (a missing key has its
/// default, the first).
const REQUIRED: &[(&str, &[&str])] = &[
    ("act_fn", &["\"silu\"", "\"swish\""]),
    ("attention_type", &["\"default\""]),
    ("center_input_sample", &["false"]),
    ("class_embed_type", &["null"]),
    ("conv_in_kernel", &["3"]),
    ("conv_out_kernel", &["3"]),
    ("cross_attention_norm", &["null"]),
    ("downsample_padding", &["1"]),
    ("dual_cross_attention", &["false"]),
    ("encoder_hid_dim", &["null"]),
    ("encoder_hid_dim_type", &["null"]),
    ("mid_block_only_cross_attention", &["null", "false"]),
    ("mid_block_scale_factor", &["1", "1.0"]),
    ("mid_block_type", &["\"UNetMidBlock2DCrossAttn\""]),
    ("num_class_embeds", &["null"]),
    ("resnet_out_scale_factor", &["1.0", "1"]),
    ("resnet_skip_time_act", &["false"]),
    ("resnet_time_scale_shift", &["\"default\""]),
    ("time_cond_proj_dim", &["null"]),
    ("time_embedding_act_fn", &["null"]),
    ("time_embedding_dim", &["null"]),
    ("time_embedding_type", &["\"positional\""]),
    ("timestep_post_act", &["null"]),
];

impl UnetConfig {
    /// Reads the text of a `config.json`; a value that would need another network is refused by name.
    pub fn from_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|e| {
            unsupported("(file)", &e, "give diffusers' config.json of a UNet2DConditionModel")
        })?;
        for (key, supported) in REQUIRED {
            if let Some(found) = value.get(key).map(Value::to_string)
                && !supported.contains(&found.as_str())
            {
                return Err(unsupported(key, &found, format!("use {}", supported.join(" or "))));
            }
        }
        match value.get("only_cross_attention") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Array(each)) if each.iter().all(|v| v == &Value::Bool(false)) => {}
            Some(other) => return Err(unsupported("only_cross_attention", &other, "use false")),
        }
        let raw: Raw = serde_json::from_value(value).map_err(|e| {
            unsupported("(file)", &e, "give diffusers' config.json of a UNet2DConditionModel")
        })?;
        raw.check()
    }
}

/// The largest width of anything; published models reach 5120. Products of a few of them must not overflow.
const LARGEST_WIDTH: usize = 1 << 16;

/// The most blocks, layers of a block, and layers of a transformer behind each; published models have up to
/// 4, 3 and 10. Their product is looked up in the file of weights, and a stranger's configuration must not
/// keep the program at that for ever.
const MOST_LAYERS: usize = 32;

impl Raw {
    /// Refuses sizes that no network has.
    fn check_sizes(&self) -> Result<()> {
        let most = |key: &str, value: usize, most: usize| match value <= most {
            true => Ok(()),
            false => Err(unsupported(key, &value, format!("take at most {most}"))),
        };
        let each = |key: &str, values: &PerBlock, limit: usize| match values {
            PerBlock::Same(value) => most(key, *value, limit),
            PerBlock::Each(values) => values.iter().try_for_each(|value| most(key, *value, limit)),
        };
        most("block_out_channels", self.block_out_channels.len(), MOST_LAYERS)?;
        most("in_channels", self.in_channels, LARGEST_WIDTH)?;
        most("out_channels", self.out_channels, LARGEST_WIDTH)?;
        self.block_out_channels
            .iter()
            .try_for_each(|width| most("block_out_channels", *width, LARGEST_WIDTH))?;
        each("cross_attention_dim", &self.cross_attention_dim, LARGEST_WIDTH)?;
        let added = [
            ("addition_time_embed_dim", self.addition_time_embed_dim),
            ("projection_class_embeddings_input_dim", self.projection_class_embeddings_input_dim),
        ];
        added.iter().try_for_each(|(key, width)| most(key, width.unwrap_or_default(), LARGEST_WIDTH))?;
        each("layers_per_block", &self.layers_per_block, MOST_LAYERS)?;
        each("transformer_layers_per_block", &self.transformer_layers_per_block, MOST_LAYERS)?;
        let reverse = self.reverse_transformer_layers_per_block.as_ref();
        reverse.map_or(Ok(()), |depths| each("reverse_transformer_layers_per_block", depths, MOST_LAYERS))
    }

    fn check(&self) -> Result<UnetConfig> {
        self.check_sizes()?;
        let n = self.block_out_channels.len();
        let kinds = ["CrossAttnDownBlock2D", "DownBlock2D"];
        let down = have_attention(&self.down_block_types, n, "down_block_types", kinds)?;
        let kinds = ["CrossAttnUpBlock2D", "UpBlock2D"];
        let up = have_attention(&self.up_block_types, n, "up_block_types", kinds)?;
        let layers = self.layers_per_block.expand("layers_per_block", n)?;
        // What the published configurations call attention_head_dim is the number of heads; diffusers keeps
        // that reading (see the comment on `num_attention_heads` in its UNet2DConditionModel).
        let heads = match &self.num_attention_heads {
            Some(heads) => heads.expand("num_attention_heads", n)?,
            None => self.attention_head_dim.expand("attention_head_dim", n)?,
        };
        let depths = self.transformer_layers_per_block.expand("transformer_layers_per_block", n)?;
        let up_depths = match &self.reverse_transformer_layers_per_block {
            Some(depths) => depths.expand("reverse_transformer_layers_per_block", n)?,
            None => depths.iter().rev().copied().collect(),
        };
        let cross = self.cross_attention_dim.expand("cross_attention_dim", n)?;
        if cross.iter().any(|c| *c != cross[0]) {
            return Err(unsupported(
                "cross_attention_dim",
                &format!("{cross:?}"),
                "use one width for all blocks",
            ));
        }
        for (channels, heads) in self.block_out_channels.iter().zip(&heads) {
            if *heads == 0 || channels % heads != 0 {
                return Err(unsupported(
                    "attention_head_dim",
                    &heads,
                    format!("use a divisor of {channels} channels"),
                ));
            }
            if self.norm_num_groups == 0 || channels % self.norm_num_groups != 0 {
                let hint = format!("use a divisor of {channels} channels");
                return Err(unsupported("norm_num_groups", &self.norm_num_groups, hint));
            }
        }
        let blocks = (0..n)
            .map(|i| BlockConfig {
                channels: self.block_out_channels[i],
                layers: layers[i],
                heads: heads[i],
                depth: if down[i] { depths[i] } else { 0 },
            })
            .collect();
        let mut up_depths = up_depths;
        for (depth, attends) in up_depths.iter_mut().zip(&up) {
            if !attends {
                *depth = 0;
            }
        }
        Ok(UnetConfig {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            blocks,
            up_depths,
            mid_depth: depths[n - 1],
            cross_attention_dim: cross[0],
            norm_groups: self.norm_num_groups,
            norm_eps: self.norm_eps,
            linear_projection: self.use_linear_projection,
            flip_sin_to_cos: self.flip_sin_to_cos,
            freq_shift: self.freq_shift,
            added: self.added()?,
        })
    }

    fn added(&self) -> Result<Option<AddedConfig>> {
        match self.addition_embed_type.as_deref() {
            None => Ok(None),
            Some("text_time") => {
                match (self.addition_time_embed_dim, self.projection_class_embeddings_input_dim) {
                    (Some(time_dim), Some(input_dim)) => Ok(Some(AddedConfig { time_dim, input_dim })),
                    _ => Err(unsupported(
                        "addition_embed_type",
                        &"text_time",
                        "it needs addition_time_embed_dim and projection_class_embeddings_input_dim",
                    )),
                }
            }
            Some(other) => Err(unsupported("addition_embed_type", &other, "use null or text_time")),
        }
    }
}

/// Which of `n` blocks have attention, by the names of their `types`.
fn have_attention(
    types: &[String],
    n: usize,
    key: &'static str,
    [with, without]: [&str; 2],
) -> Result<Vec<bool>> {
    if types.len() != n || n == 0 {
        return Err(unsupported(
            key,
            &format!("{types:?}"),
            format!("one entry per block_out_channels ({n})"),
        ));
    }
    types
        .iter()
        .map(|kind| match kind.as_str() {
            kind if kind == with => Ok(true),
            kind if kind == without => Ok(false),
            other => Err(unsupported(key, &other, format!("use {with} or {without}"))),
        })
        .collect()
}

fn unsupported(key: &str, value: &impl ToString, hint: impl Into<String>) -> Error {
    Error::Config { file: FILE.into(), key: key.into(), value: value.to_string(), hint: hint.into() }
}
