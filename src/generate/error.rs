//! What cannot be drawn as it was typed.

/// A request that cannot be carried out: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nothing to draw.
    #[error("--prompt: it is empty; say what is to be seen, such as \"a photo of a tall woman\"")]
    EmptyPrompt,
    /// A number that makes no sense.
    #[error("--{flag} {value}: {expected}")]
    Number {
        flag: &'static str,
        /// What it was given.
        value: f64,
        /// What it takes.
        expected: String,
    },
    /// A side of the pictures.
    #[error("--{flag} {value}: sides are multiples of {cell} px, from {cell} to 4096")]
    Side {
        flag: &'static str,
        /// What it was given.
        value: usize,
        /// A latent's cell, or 8.
        cell: usize,
    },
    /// No such method.
    #[error("--scheduler: {0}")]
    Scheduler(String),
    /// No such spacing.
    #[error("--spacing {0}: there are leading, linspace, trailing")]
    Spacing(String),
    /// A LoRA's weight.
    #[error("--lora {0}: after the colon comes its weight, a number")]
    Lora(String),
    /// An axis.
    #[error("--grid {text}: {reason}")]
    Axis {
        /// What was given.
        text: String,
        reason: String,
    },
    /// A body without an adapter.
    #[error(
        "--body and --ref need an adapter, and there is none in {0}; name a run or an exported folder with --adapter"
    )]
    NoAdapter(String),
}
