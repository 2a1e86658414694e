//! Photos from sites, folders and lists: `crawl`, `import`, `retry`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use url::Url;

use super::RecipeArgs;

/// `bolid crawl`.
#[derive(Debug, Args)]
pub struct CrawlArgs {
    /// Which sites.
    #[command(flatten)]
    pub sites: SiteArgs,
    /// Which photos.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Ask again for what was fetched longer ago than this, e.g. `0s`, instead of the recipe's.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub fresh_for: Option<Duration>,
    /// Walk one identity, store nothing, and say what each rule of the profile finds.
    #[arg(long, conflicts_with = "simulate")]
    pub check: bool,
}

/// Which sites, and how they are asked.
#[derive(Debug, Args)]
pub struct SiteArgs {
    /// The recipe.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// This site profile instead of the recipe's sites.
    #[arg(long, value_name = "FILE")]
    pub site: Option<PathBuf>,
    /// Where the site is, for an engine's profile; for others a host that serves the same pages (a mirror, a test
    /// server).
    #[arg(long, value_name = "URL", value_parser = web_address)]
    pub base_url: Option<Url>,
    /// How they are asked.
    #[command(flatten)]
    pub manners: MannerArgs,
}

/// An address of the web; `gallery.example` alone is none.
fn web_address(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => Ok(url),
        _ => Err(format!("`{text}` is no address of a site; it begins with https:// or http://")),
    }
}

/// How hosts are asked.
#[derive(Debug, Args)]
pub struct MannerArgs {
    /// Where a site's owner reaches you: a mail address or a page. Part of the User-Agent.
    #[arg(long)]
    pub contact: Option<String>,
    /// Let addresses lead to this machine and into private networks. Otherwise only the site's own address
    /// may, where it says so by itself, such as `http://127.0.0.1:8080/`.
    #[arg(long, env = "BOLID_ALLOW_PRIVATE")]
    pub allow_private: bool,
    /// The time between two requests, e.g. `50ms`, instead of the profile's; robots.txt may ask for more.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub delay: Option<Duration>,
}

/// Which photos of a site or list.
#[derive(Debug, Args)]
pub struct SelectionArgs {
    /// Only these people (slug or name; may be repeated).
    #[arg(long)]
    pub identity: Vec<String>,
    /// At most this many photos of each person.
    #[arg(long)]
    pub max_photos: Option<usize>,
    /// Leave out people with fewer photos.
    #[arg(long)]
    pub min_photos: Option<usize>,
    /// Read listings only, and print what would be downloaded.
    #[arg(long)]
    pub simulate: bool,
}

/// `bolid retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The failure classes, e.g. `timeout,throttled`.
    #[arg(long, value_delimiter = ',', required = true, value_name = "CLASS,…")]
    pub class: Vec<photo::FailureClass>,
    /// Which sites.
    #[command(flatten)]
    pub sites: SiteArgs,
    /// How the hosts of lists are asked that no recipe names, as for `import`.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
}

/// `bolid import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A folder, or a list with img2dataset's columns (`url,caption,…`) or with local files: .csv, .tsv, .jsonl,
    /// .ndjson, .parquet, .txt.
    pub path: PathBuf,
    /// The name that the photos' site gets [default: the folder's or file's name].
    #[arg(long)]
    pub name: Option<String>,
    /// How the hosts of a list of URLs are asked (TOML; see data/lists/list.toml).
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// How they are asked.
    #[command(flatten)]
    pub manners: MannerArgs,
    /// Which photos.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Refuse files on the web whose width or height is smaller, before their bodies are complete.
    #[arg(long, default_value_t = 0, value_name = "PX")]
    pub min_side: u32,
}
