//! What an installation puts beside the program: completions for shells, manual pages.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;

/// Writes what a shell needs to complete commands and options to stdout.
pub fn completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bolid", &mut script);
    io::Write::write_all(&mut io::stdout(), &script).context("write the completions")
}

/// Writes `bolid.1` and a page for every command, such as `bolid-snapshot-verify.1`.
pub fn manual(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("create the folder {}", folder.display()))?;
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("write manual pages into {}", folder.display()))
}
