//! The names in LoRA files.

use super::Target;

/// What one tensor of a LoRA file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) target: Target,
    /// The module's name: dotted in diffusers' layout, underscored in kohya's.
    pub(super) module: String,
    pub(super) part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Down,
    Up,
    Mid,
    Alpha,
}

const SUFFIXES: [(&str, Part); 15] = [
    (".lora_down.weight", Part::Down),
    (".lora_up.weight", Part::Up),
    (".lora_mid.weight", Part::Mid),
    (".lora_A.weight", Part::Down),
    (".lora_B.weight", Part::Up),
    (".lora_A.default.weight", Part::Down),
    (".lora_B.default.weight", Part::Up),
    (".lora.down.weight", Part::Down),
    (".lora.up.weight", Part::Up),
    (".lora_linear_layer.down.weight", Part::Down),
    (".lora_linear_layer.up.weight", Part::Up),
    ("_lora.down.weight", Part::Down),
    ("_lora.up.weight", Part::Up),
    (".lora.alpha", Part::Alpha),
    (".alpha", Part::Alpha),
];

/// Longer prefixes before those they begin with. Without a prefix, the UNet is meant.
const PREFIXES: [(&str, Target); 8] = [
    ("lora_unet_", Target::Unet),
    ("lora_te1_", Target::TextEncoder),
    ("lora_te2_", Target::TextEncoder2),
    ("lora_te_", Target::TextEncoder),
    ("unet.", Target::Unet),
    ("text_encoder_2.", Target::TextEncoder2),
    ("text_encoder.", Target::TextEncoder),
    ("", Target::Unet),
];

impl Key {
    /// Takes a tensor's name apart; `None` if it is no part of a low-rank update.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (module, part) = SUFFIXES.iter().find_map(|(s, part)| Some((name.strip_suffix(s)?, *part)))?;
        let module = module.strip_prefix("base_model.model.").unwrap_or(module);
        let (module, target) =
            PREFIXES.iter().find_map(|(p, target)| Some((module.strip_prefix(p)?, *target)))?;
        // diffusers' attention processors held the layers before peft did: `attn1.processor.to_out_lora.down.weight`.
        let module = match module.split_once(".processor.") {
            Some((attention, "to_out")) => format!("{attention}.to_out.0"),
            Some((attention, layer)) => format!("{attention}.{layer}"),
            None => module.to_owned(),
        };
        Some(Self { target, module, part })
    }
}
