//! `bolid encode`: photos of one person to a Gaussian over c_body.

use anyhow::{Result, bail};

use crate::cli::{EncodeArgs, Global};
use crate::output::Output;

/// Runs the command.
pub fn run(args: &EncodeArgs, _: &Global, _: Output) -> Result<()> {
    bail!("{args:?}")
}
