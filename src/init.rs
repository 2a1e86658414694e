//! `bolid init`: a recipe to begin with, which runs as written, and what it needs beside it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use crawler::list;
use curate::{Registry, Role};
use url::Url;

use crate::cli::{Engine, InitArgs};
use crate::output::Output;
use crate::{bundled, which};

/// Where the demo's models are put, beside the recipe.
const MODELS: &str = "models";

/// What the dataset is made from.
enum Origin {
    Folder(PathBuf),
    Profile(PathBuf),
    Site(Url, Engine),
}

impl Origin {
    fn parse(args: &InitArgs) -> Result<Self> {
        let from = &args.from;
        let path = PathBuf::from(from);
        match (from.parse::<Url>(), args.engine) {
            (Ok(url), Some(engine)) if matches!(url.scheme(), "http" | "https") => {
                Ok(Self::Site(url, engine))
            }
            (Ok(url), None) if matches!(url.scheme(), "http" | "https") => bail!(
                "init from {from}: name the gallery's software with --engine ({}); for any other site, write a profile \
                 and name that",
                Engine::names()
            ),
            (_, Some(_)) if path.exists() => bail!(
                "init from {from}: --engine is for the address of a gallery (https://…); leave it out for a \
                 folder, a list or a profile"
            ),
            _ if path.is_dir() => Ok(Self::Folder(path)),
            _ if path.extension().is_some_and(|ending| ending == "toml") && path.is_file() => {
                crawler::Profile::load(&path).with_context(|| format!("init from {from}"))?;
                Ok(Self::Profile(path))
            }
            // A list of photos is imported as a folder is.
            _ if path
                .extension()
                .is_some_and(|ending| list::ENDINGS.iter().any(|list| ending.eq_ignore_ascii_case(list)))
                && path.is_file() =>
            {
                Ok(Self::Folder(path))
            }
            _ => bail!(
                "init from {from}: it is no folder, no list, no profile (.toml) and no address of a site"
            ),
        }
    }

    /// What the dataset is called: letters, digits, `_` and `-` of the folder's or the host's name.
    fn name(&self) -> String {
        let name = match self {
            Self::Folder(path) | Self::Profile(path) => {
                let full = path.canonicalize().unwrap_or_else(|_| path.clone());
                full.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            }
            Self::Site(url, _) => url.host_str().unwrap_or_default().to_owned(),
        };
        which::plain(&name)
    }
}

/// Writes the recipe, which must not be there yet, and the demo's models beside it, where there are none.
pub fn run(args: &InitArgs, output: Output) -> Result<()> {
    let from = Origin::parse(args)?;
    let recipe = &args.recipe;
    let folder = recipe.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("create the folder {}", folder.display()))?;
    if recipe.exists() {
        bail!("init: {} is there already; name another recipe, or move it away", recipe.display());
    }
    let beside = format!("{MODELS}/models.toml");
    let own = which::usable_own_models().filter(|_| !folder.join(&beside).exists());
    if own.is_none() && !folder.join(&beside).exists() {
        bundled::unpack_models(&folder.join(MODELS))?;
    }
    if let Origin::Site(_, engine) = &from {
        let profile = folder.join(engine.file());
        if !profile.exists() {
            fs::write(&profile, engine.profile()).with_context(|| format!("write {}", profile.display()))?;
        }
    }
    let text = text(&from, own.as_ref())?;
    let write = || fs::File::create_new(recipe)?.write_all(text.as_bytes());
    write().with_context(|| format!("write the recipe {}", recipe.display()))?;
    output.show(&serde_json::json!({ "recipe": recipe }), |_| {
        format!(
            "{recipe} is written; look through it, then: bolid dataset --recipe {recipe}",
            recipe = recipe.display()
        )
    })?;
    Ok(())
}

/// The recipe. Paths are absolute where they lead out of its folder, so that it runs from anywhere.
fn text(from: &Origin, own_models: Option<&Registry>) -> Result<String> {
    let name = from.name();
    let models = match own_models {
        Some(list) => format!(
            "# Your own list of models; `bolid models list --models FILE` shows it.\nmodels = {}",
            quote_absolute(list.path())?
        ),
        None => format!(
            "# The demo's models, made from synthetic photos. For real ones: bolid models add --help.\n\
             models = \"{MODELS}/models.toml\""
        ),
    };
    let detectors = match own_models.map(|list| !list.has(Role::Watermark)) {
        Some(true) => {
            "\n[detectors]\nwatermark = \"none\"   # your list has no model for it: watermarks are not checked\n"
        }
        Some(false) | None => "",
    };
    let source = match from {
        Origin::Folder(path) => format!(
            "# Photos that are here. A subfolder is a person; `bolid import --help` says what else can be imported.\n\
             [[imports]]\nname = \"{name}\"\npath = {}\n",
            quote_absolute(path)?
        ),
        Origin::Profile(path) => {
            format!("# The site, by its profile.\nsites = [{}]\n", quote_absolute(path)?)
        }
        Origin::Site(url, engine) => format!(
            "# The site, by the profile of its software. `bolid crawl --check` shows what the profile finds there.\n\
             sites = [{{ profile = \"{}\", base_url = \"{url}\" }}]\n",
            engine.file()
        ),
    };
    let crawl = match from {
        Origin::Folder(_) => "",
        Origin::Profile(_) | Origin::Site(..) => {
            "\n[crawl]\n# Whom the site's owner can write to: a mail address or a page.\n# contact = \
             \"you@example.org\"\n\
             # Try a few photos of each person first.\n# max_photos = 20\n"
        }
    };
    // Keys of the top level stand before the first section.
    let (before, after) = match from {
        Origin::Folder(_) => ("", source),
        Origin::Profile(_) | Origin::Site(..) => (source.as_str(), String::new()),
    };
    Ok(format!(
        "# A recipe: which photos, which models, which rules make a dataset. Paths are relative to this file.\n\
         # bolid dataset --recipe THIS-FILE    runs all of it; the same command goes on after a stop.\n\
         name = \"{name}\"\n\
         \n\
         {models}\n\
         {before}\
         \n\
         {after}\
         {crawl}\
         {detectors}\
         \n\
         [rules]\n\
         min_side = 1000      # px; smaller photos are dropped\n\
         min_photos = 1       # people with fewer kept photos are left out; training wants 8 or more\n\
         # [rules.watermark]\n\
         # max_score = 0.5    # the highest probability of a watermark that is still kept\n\
         # bolid judge --dry-run --set rules.min_side=800    shows what another value would change\n\
         \n\
         [prepare]\n\
         size_px = 1024       # side of the tensors; 256 takes a sixteenth of the disk\n\
         fit = \"pad\"          # the whole photo with bars; \"crop\" takes a square around the person\n\
         # compression = \"zstd\"    # shards in a half to a third of the disk, read several times as slowly\n"
    ))
}

fn quote_absolute(path: &Path) -> Result<String> {
    let full = path.canonicalize().with_context(|| format!("find {}", path.display()))?;
    let text =
        full.to_str().with_context(|| format!("{} is no UTF-8, so no recipe can name it", full.display()))?;
    Ok(toml::Value::from(text).to_string())
}
