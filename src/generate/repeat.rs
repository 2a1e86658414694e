//! `bolid generate --from`: a picture again, from what is written in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use train::generate::settings::{ModelName, ModelNames};
use train::generate::{ModelFiles, Models, png};

use super::adapter::ChosenAdapter;
use super::base::base_folder;
use super::destination::Destination;
use super::draw::draw;
use super::drawn::Drawn;
use super::{lora, request};
use crate::cli::{GenerateArgs, Global};

/// A picture of the settings written in another, with the same models.
pub fn repeat(args: &GenerateArgs, path: &Path, global: &Global) -> Result<Drawn> {
    let settings = png::read(path)?;
    // Anybody may have written them.
    request::check(&settings).with_context(|| format!("the settings in {}", path.display()))?;
    let wanted = &settings.models;
    let written = |name: Option<&ModelName>| name.map(|name| name.path.clone());
    let adapter = match args.adapter.clone().or_else(|| written(wanted.adapter.as_ref())) {
        Some(name) => Some(ChosenAdapter::find(&name, global)?),
        None => None,
    };
    let loras: Vec<(PathBuf, f64)> = match args.loras.is_empty() {
        true => wanted.loras.iter().map(|(name, scale)| (PathBuf::from(&name.path), *scale)).collect(),
        false => request::loras(&args.loras)?,
    };
    let lora_runs = lora::runs(&loras, global)?;
    let base = args.base.as_deref().unwrap_or(&wanted.base.path);
    let files = ModelFiles {
        base_name: base.to_owned(),
        base: base_folder(base, &args.revision)?,
        unet: args.unet.clone().or_else(|| written(wanted.unet.as_ref()).map(PathBuf::from)),
        loras,
        adapter: adapter.as_ref().map(|adapter| adapter.folder.clone()),
        image_encoder: None,
    };
    let models = Models::load(files, &args.device.open()?)
        .with_context(|| format!("load the models that {} names", path.display()))?;
    refuse_others(path, wanted, models.names())?;
    let picture = draw(&models, &settings, args.preview.as_deref())?;
    let file = Destination::new(args, global, 1)?.file(&settings, 0);
    png::write(&file, &picture, &settings)?;
    let drawn = Drawn::new(file, &settings);
    drawn.note(adapter.iter().filter_map(|adapter| adapter.run.as_ref()).chain(&lora_runs))?;
    Ok(drawn)
}

/// Other models would draw another picture.
fn refuse_others(path: &Path, wanted: &ModelNames, found: &ModelNames) -> Result<()> {
    let adapter = |names: &ModelNames| names.adapter.as_ref().map(|name| name.sha256);
    let unet = |names: &ModelNames| names.unet.as_ref().map(|name| name.sha256);
    let loras = |names: &ModelNames| -> Vec<_> {
        names.loras.iter().map(|(name, scale)| (name.sha256, *scale)).collect()
    };
    let what = if wanted.base.sha256 != found.base.sha256 {
        format!("base `{}`", found.base.path)
    } else if adapter(wanted) != adapter(found) {
        "adapter".to_owned()
    } else if unet(wanted) != unet(found) {
        "UNet".to_owned()
    } else if loras(wanted) != loras(found) {
        "LoRA".to_owned()
    } else {
        return Ok(());
    };
    bail!(
        "{}: the {what} is not the one that it was drawn with (its SHA-256 or weight differs); name that one \
         with --base, --adapter, --unet or --lora",
        path.display()
    )
}
