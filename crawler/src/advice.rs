//! What `crawl --check` advises where rules alone do not lead to photos that a crawl would keep. Pure.

use scraper::{Html, Selector};

use crate::extract::Page;
use crate::reading::Level;

/// A page with fewer photos or links than this, in its HTML, does not list any there: it has a logo, and a link back.
const FEW: usize = 3;

/// What to do about a page on which no rule found anything, if scripts make what it shows. `None` where it has no script,
/// or shows enough without.
pub(crate) fn on_scripts(page: &Page, level: Level) -> Option<String> {
    let html = page.tree.html.as_ref()?;
    let scripts: Vec<String> = select(html, "script")?.map(|script| script.text().collect()).collect();
    let listed = match level {
        Level::Index => "a[href]",
        Level::Gallery | Level::Photo => r#"img, a[href*=".jp" i], a[href*=".png" i], a[href*=".webp" i]"#,
    };
    if scripts.is_empty() || select(html, listed)?.count() >= FEW {
        return None;
    }
    let names_photos = |script: &String| {
        let script = script.to_lowercase();
        [".jpg", ".jpeg", ".png", ".webp"].iter().any(|ending| script.contains(ending))
    };
    let section = level.section();
    let how = if scripts.iter().any(names_photos) {
        format!(
            "One of its scripts names photos: say in [{section}] by `script = {{ after = '…' }}` what stands before them, and \
             read them by JSON pointers, as data/sites/sigal.toml does."
        )
    } else {
        format!(
            "If it loads a JSON file (a browser's network tools show which), let [{section}] read that by \
             `format = \"json\"`, as data/sites/fgallery.toml does."
        )
    };
    Some(format!(
        "{} is made by JavaScript, which is not run. {how} Otherwise save the photos with a browser, and take the folder \
         in by `bolid import FOLDER`.",
        page.url
    ))
}

/// What to do about photos that are all smaller than wanted, of these sizes in pixels.
pub(crate) fn on_previews(sizes: &[(u64, u64)], min_side: u32, has_photo_pages: bool) -> String {
    let shown: Vec<_> = sizes.iter().map(|(width, height)| format!("{width}×{height}")).collect();
    let least = sizes.iter().map(|(width, height)| width.min(height)).min().unwrap_or(&0);
    let rule = if has_photo_pages { "photo.file" } else { "gallery.link" };
    format!(
        "All photos looked at ({} px) are below `rules.min_side` = {min_side} px, and would be dropped as too small: \
         previews, it seems. Let `{rule}` take a link to the larger file first, if a page has one (rules in a list are tried in turn; of \
         a `srcset` the largest is taken). If only JavaScript leads there, save the photos with a browser, and take the \
         folder in by `bolid import FOLDER`. If they are no larger, `--set rules.min_side={}` takes them.",
        shown.join(", "),
        least
    )
}

fn select<'h>(
    html: &'h Html,
    selector: &str,
) -> Option<impl Iterator<Item = scraper::ElementRef<'h>> + use<'h>> {
    let selector = Selector::parse(selector).ok()?;
    Some(html.select(&selector).collect::<Vec<_>>().into_iter())
}
