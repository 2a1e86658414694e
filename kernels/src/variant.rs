//! What the files of `cuda` are compiled as: a module for each type of element, and for each width of a head.

/// One compilation of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// `cuda/FILE.cu`.
    pub file: &'static str,
    /// The type's name at the end of those of kernels; empty where the file has one type alone.
    pub element: &'static str,
    /// The width that heads are filled up to, where it matters.
    pub width: Option<usize>,
}

/// Widths that heads of bf16 are filled up to: 24 and 32 (the small base), 40, 80, 160 (Stable Diffusion
/// 1.5), 64 (SDXL).
pub const BF16_WIDTHS: &[usize] = &[32, 48, 64, 80, 160];

/// The same of f32, in which little is computed on GPUs.
pub const F32_WIDTHS: &[usize] = &[64, 160];

/// Files and their kernels.
const FILES: &[(&str, &[&str])] = &[
    ("attention", &["attention_forward", "attention_delta", "attention_of_queries", "attention_of_keys"]),
    (
        "group_norm",
        &[
            "group_norm_parts",
            "group_norm_forward",
            "group_norm_sums",
            "group_norm_of_input",
            "group_norm_of_weights",
        ],
    ),
    (
        "layer_norm",
        &["layer_norm_forward", "layer_norm_of_input", "layer_norm_parts", "layer_norm_of_weights"],
    ),
    ("geglu", &["geglu_forward", "geglu_backward"]),
    ("adamw", &["adamw_step"]),
];

impl Variant {
    /// The name of the module, which is also the end of its kernels' names.
    pub fn module(&self) -> String {
        self.named(self.file)
    }

    /// The full name of a kernel.
    pub fn named(&self, name: &str) -> String {
        let mut named = name.to_owned();
        if !self.element.is_empty() {
            named.push('_');
            named.push_str(self.element);
        }
        if let Some(width) = self.width {
            named.push('_');
            named.push_str(&width.to_string());
        }
        named
    }

    /// The full names of its kernels.
    pub fn functions(&self) -> Vec<String> {
        let own = FILES.iter().filter(|(file, _)| *file == self.file);
        own.flat_map(|(_, names)| names.iter().map(|name| self.named(name))).collect()
    }

    /// What the preprocessor is told.
    pub fn definitions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.element == "bf16" {
            found.push(("BF16", "1".to_owned()));
        }
        if let Some(width) = self.width {
            found.push(("WIDTH", width.to_string()));
        }
        found
    }
}

/// All that are compiled.
pub fn all() -> Vec<Variant> {
    let mut found = Vec::new();
    for (file, _) in FILES {
        if *file == "adamw" {
            found.push(Variant { file, element: "", width: None });
            continue;
        }
        for (element, widths) in [("bf16", BF16_WIDTHS), ("f32", F32_WIDTHS)] {
            if *file == "attention" {
                found.extend(widths.iter().map(|&width| Variant { file, element, width: Some(width) }));
            } else {
                found.push(Variant { file, element, width: None });
            }
        }
    }
    found
}
