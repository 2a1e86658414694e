//! What the published configurations say.

use crate::diffusion::json::Settings;
use crate::error::Result;

/// The most blocks; the published towers of this kind have 12 and 24.
const MOST_LAYERS: usize = 1000;

/// What the published configurations of EVA02-CLIP say of the image tower.
#[derive(Clone, Debug)]
pub struct EvaVisionConfig {
    pub(super) image_size: usize,
    pub(super) patch_size: usize,
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) inner: usize,
    /// Patches across the image that the rotary positions were learnt with.
    pub(super) learnt_across: usize,
    pub(super) projection: usize,
}

impl EvaVisionConfig {
    /// Whether these are settings of such a tower, not of a CLIP of transformers.
    pub fn is_of(settings: &Settings) -> bool {
        settings.value("vision_cfg").is_some() || settings.value("architecture").is_some()
    }

    /// From a model configuration of EVA-CLIP (`EVA02-CLIP-L-14-336.json`: sizes in `vision_cfg`), of open_clip
    /// (`EVA02-L-14-336.json`: `vision_cfg.timm_model_name`) or of timm (`architecture`).
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let inner = settings.nested("vision_cfg");
        let vision = inner.as_ref().unwrap_or(settings);
        let is_of_timm = settings.value("architecture").is_some();
        let projection = settings.or(if is_of_timm { "num_classes" } else { "embed_dim" }, 768)?;
        // Image, patch, width, layers and heads of timm's models of this kind.
        let named = [
            ("eva02_base_patch16_clip_224", [224, 16, 768, 12, 12]),
            ("eva02_large_patch14_clip_224", [224, 14, 1024, 24, 16]),
            ("eva02_large_patch14_clip_336", [336, 14, 1024, 24, 16]),
        ];
        let name = if is_of_timm { "architecture" } else { "timm_model_name" };
        if vision.value(name).is_some() {
            let [image_size, patch_size, width, layers, heads] = vision.choice(name, &named)?;
            let inner = width * 8 / 3;
            return Ok(Self {
                image_size,
                patch_size,
                width,
                layers,
                heads,
                inner,
                learnt_across: 16,
                projection,
            });
        }
        for key in ["rope", "naiveswiglu", "subln"] {
            if !vision.or(key, false)? {
                return Err(
                    vision.unsupported(key, "supported: true; EVA01 and EVA02-CLIP-E are other towers")
                );
            }
        }
        vision.refuse_if_set(&["postnorm", "global_average_pool", "ls_init_value"])?;
        if !vision.or("qkv_bias", true)? {
            return Err(vision.unsupported("qkv_bias", "supported: true"));
        }
        let (width, head_width): (usize, usize) = (vision.required("width")?, vision.or("head_width", 64)?);
        let mlp_ratio: f64 = vision.or("mlp_ratio", 4.0)?;
        let config = Self {
            image_size: vision.or("image_size", 224)?,
            patch_size: vision.or("patch_size", 16)?,
            width,
            layers: vision.required("layers")?,
            heads: width / head_width.max(1),
            inner: (width as f64 * mlp_ratio) as usize,
            learnt_across: vision.or("pt_hw_seq_len", 16)?,
            projection,
        };
        config.check(vision, head_width)?;
        Ok(config)
    }

    fn check(&self, vision: &Settings, head_width: usize) -> Result<()> {
        // A quarter of a head is the pairs that turn with the row, another those that turn with the column.
        if head_width == 0 || !head_width.is_multiple_of(4) || self.heads * head_width != self.width {
            let hint = format!("must be a multiple of 4 that divides width = {}", self.width);
            return Err(vision.unsupported("head_width", hint));
        }
        if self.patch_size == 0 || self.image_size < self.patch_size {
            let hint = format!("must fit into image_size = {}", self.image_size);
            return Err(vision.unsupported("patch_size", hint));
        }
        if self.layers == 0 || self.layers > MOST_LAYERS {
            return Err(vision.unsupported("layers", format!("take 1 to {MOST_LAYERS}")));
        }
        let across = self.across();
        if !vision.or("intp_freq", false)? && self.learnt_across != across {
            let hint =
                format!("must be true where pt_hw_seq_len is not the {across} patches across the image");
            return Err(vision.unsupported("intp_freq", hint));
        }
        Ok(())
    }

    /// Patches across the image.
    pub(super) fn across(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Side of the images in pixels.
    pub fn image_size(&self) -> usize {
        self.image_size
    }

    /// Width of the image embeddings.
    pub fn projection(&self) -> usize {
        self.projection
    }
}
