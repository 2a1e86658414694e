//! `README.md`, the dataset's card: what is in it, where it comes from, what was left out, how to read,
//! rebuild and cite it.

use std::fmt::Write as _;

use super::composition::{Composition, Source, spread};
use super::hub;
use super::plots::Plot;
use crate::manifest::{Counts, SnapshotSpec};

/// The page's file name.
pub(crate) const FILE: &str = "README.md";

/// Hosts of a source that are named; the others are counted.
const HOSTS: usize = 5;

pub(crate) fn page(
    spec: &SnapshotSpec,
    counts: &Counts,
    composition: &Composition,
    plots: &[Plot],
) -> String {
    let mut page = hub::head(&spec.name, counts, composition.held_out);
    page.push_str(&summary(spec, counts, composition));
    page.push_str(&contents(counts, composition, plots));
    page.push_str(&sources(&composition.sources));
    page.push_str(&captions(composition));
    page.push_str(&dropped(spec, counts, plots));
    page.push_str(&made_by(spec));
    page.push_str(&reading(spec, counts));
    page.push_str(USE);
    page
}

fn summary(spec: &SnapshotSpec, counts: &Counts, composition: &Composition) -> String {
    let SnapshotSpec { name, program_version, .. } = spec;
    let Counts { photos, identities, dropped, .. } = counts;
    let splits: String = counts
        .sides()
        .map(|(name, side)| format!("| {name} | {} | {} |\n", side.identities, side.photos))
        .collect();
    format!(
        "# {name}

A snapshot of photos of people, one shard per person, written by bolid {program_version}. It never changes: the id at the
end of the folder's name is the digest of `manifest.json`, which lists the digest of every file. `bolid snapshot verify`
checks them; `report.html` shows samples.

{photos} photos of {identities} people are kept, {dropped} photos are dropped.

| split | people | photos |
|---|---:|---:|
{splits}
Nobody is in two splits. Of the photos in train, {held_out} are held out of training (`held_out`).

",
        held_out = composition.held_out,
    )
}

fn contents(counts: &Counts, composition: &Composition, plots: &[Plot]) -> String {
    let mut rows = String::new();
    let numbers = [
        ("photos per person", &composition.photos_per_person, 0),
        ("shorter side in px", &composition.shorter_sides_px, 0),
    ];
    let scores = composition.scores.iter().map(|(name, scores)| (*name, scores, 3));
    for (name, numbers, digits) in numbers.into_iter().chain(scores) {
        if let Some([least, middle, largest]) = spread(numbers) {
            let _ = writeln!(rows, "| {name} | {least:.digits$} | {middle:.digits$} | {largest:.digits$} |");
        }
    }
    let bodies = &composition.bodies;
    let of_photos = |part: usize| percent(part, counts.photos);
    let (faces, asked) = composition.faces;
    let faces = if asked == 0 {
        "Faces were not looked for.".to_owned()
    } else {
        format!(
            "A face is found in {} of the {asked} photos in which one was looked for.",
            percent(faces, asked)
        )
    };
    format!(
        "## What is in it

| of the kept photos | least | median | largest |
|---|---:|---:|---:|
{rows}
Whole bodies (shoulders, hips, knees and ankles seen): {}. Upper bodies (shoulders and hips, not all of the
legs): {}. Less than that: {}. {faces}

{}",
        of_photos(bodies.whole),
        of_photos(bodies.upper),
        of_photos(bodies.part),
        pictures(plots, &["photos-per-person", "sizes", "joints", "scores"]),
    )
}

fn sources(sources: &[Source]) -> String {
    let rows: String = sources.iter().map(source_row).collect();
    format!(
        "## Where it comes from

| source | people | kept | dropped | hosts | licence of the photos |
|---|---:|---:|---:|---|---|
{rows}
`photos.parquet` has the address of every photo (`url`) and of the page that shows it (`page_url`).

"
    )
}

/// Of a snapshot whose recipe says nothing of captions, nothing: its card stays as it is to the byte.
fn captions(composition: &Composition) -> String {
    let Some(captions) = &composition.captions else { return String::new() };
    format!(
        "## Captions

{} `caption_source` in `photos.parquet` says which; `captions` in the recipe of
`manifest.json` says by which models and prompts they were written, and by which rules cleaned.

",
        captions.in_words()
    )
}

fn source_row(source: &Source) -> String {
    let named: Vec<_> = source.hosts.iter().take(HOSTS).map(String::as_str).collect();
    let mut hosts = if named.is_empty() { "local files".to_owned() } else { named.join(", ") };
    if source.hosts.len() > HOSTS {
        let _ = write!(hosts, " and {} more", source.hosts.len() - HOSTS);
    }
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        cell(&source.name),
        source.identities,
        source.kept,
        source.dropped,
        cell(&hosts),
        cell(source.licence.as_deref().unwrap_or("not stated"))
    )
}

fn dropped(spec: &SnapshotSpec, counts: &Counts, plots: &[Plot]) -> String {
    let rows: String =
        counts.reasons.iter().map(|(name, photos)| format!("| `{name}` | {photos} |\n")).collect();
    let rows = if rows.is_empty() { "| nothing | 0 |\n".to_owned() } else { rows };
    let is_asked = |role: &str| spec.models.iter().any(|model| model.role == role);
    let unchecked = match spec.models.is_empty() || is_asked("watermark") {
        true => "",
        false => "Watermarks were not checked: no model looked for them.\n\n",
    };
    format!(
        "## What was left out

| dropped for (a photo counts under each of its reasons) | photos |
|---|---:|
{rows}
`dropped.parquet` names every one of them with its scores; the limits are under `rules` in `manifest.json`.

{unchecked}{}",
        pictures(plots, &["dropped"])
    )
}

fn made_by(spec: &SnapshotSpec) -> String {
    let models: String = spec
        .models
        .iter()
        .map(|model| format!("| {} | {} | `{}` |\n", cell(&model.role), cell(&model.name), model.sha256))
        .collect();
    let models = if models.is_empty() { "| none | | |\n".to_owned() } else { models };
    format!(
        "## What it was made by

| model | name | SHA-256 |
|---|---|---|
{models}
`manifest.json` has the recipe, the rules and all settings. To make it once more from the same addresses, with a
recipe that names the same sources and models:

    bolid dataset --locked path/to/this/folder --recipe recipe.toml

It ends with the same id while every address gives the bytes it gave, and says which do not.

## How to cite it

`citation.bib` has a BibTeX entry with this snapshot's id. By the id anybody can tell whether they have the same photos,
scores and tensors.

"
    )
}

fn reading(spec: &SnapshotSpec, counts: &Counts) -> String {
    let images = spec.images();
    // Of one or two people, all may be for testing.
    let side = counts.sides().find(|(_, side)| side.photos > 0).map_or("train", |(name, _)| name);
    // The card of a plain snapshot stays as it is to the byte: ids stand for it.
    let (imports, reader, about) = match spec.is_compressed() {
        true => ("import numpy as np, pandas as pd, zstandard", compressed(spec), COMPRESSED),
        false => ("import pandas as pd\nfrom safetensors import safe_open", plain(spec), ""),
    };
    format!(
        "## Reading it

```python
{imports}

photos = pd.read_parquet(\"photos.parquet\")
{side} = photos[(photos.split == \"{side}\") & ~photos.held_out]
photo = {side}.iloc[0]
joints = photo.joints.reshape(17, 3)  # x, y in px of the tensor, confidence (0: not visible)
{reader}```

{about}| file | what |
|---|---|
| `photos.parquet` | a row per kept photo: source, scores, person's box, joints, affine map, split, shard and row |
| `dropped.parquet` | a row per dropped photo: every reason, the scores behind it |
| `measurements.parquet` | what each model said of each photo |
| `{shards}` | {images} u8 [n, 3, {size_px}, {size_px}]; `joints` f32 [n, 17, 3]; `confidence` f32 [n, 17] |
| `fetches.parquet`, `build.json`, `citation.bib` | when it was fetched and built, how to cite it; no part of the id |
| `manifest.json` | recipe, rules, settings, models, counts, digests |
| `croissant.json` | the same for machines (MLCommons Croissant 1.1) |
| `plots/*.svg` | the drawings of this page |

",
        shards = spec.shards(),
        size_px = spec.size_px,
        images = images.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "),
    )
}

const COMPRESSED: &str = "\
in this folder, with `numpy`, `pandas`, `pyarrow` and `zstandard` installed. A shard is a file of safetensors in the seekable
format of zstd: a frame with the header, one with joints and confidence, one for each photo of each tensor, and a table of
the frames. `zstd -d` makes `.safetensors` of it, for whatever reads those.

";

fn plain(spec: &SnapshotSpec) -> String {
    format!(
        "\
with safe_open(photo.shard, \"np\") as shard:
    image = shard.get_slice(\"{image}\")[photo.row]  # u8 [3, {size_px}, {size_px}], RGB
",
        image = spec.images()[0],
        size_px = spec.size_px,
    )
}

/// The first tensor of a photo; how the second one is found stands beside it.
fn compressed(spec: &SnapshotSpec) -> String {
    let second = match spec.images() {
        [_, second] => format!("; `{second}`: 2 + (count - 2) // 2 + photo.row"),
        _ => String::new(),
    };
    format!(
        "\
with open(photo.shard, \"rb\") as shard:
    shard.seek(-9, 2)  # the end: how many frames there are, and before that their lengths, compressed and not
    count = int.from_bytes(shard.read(4), \"little\")
    shard.seek(-9 - 8 * count, 2)
    lengths = np.frombuffer(shard.read(8 * count), \"<u4\")[::2].astype(int)
    frame = 2 + photo.row  # of `{first}`{second}
    shard.seek(lengths[:frame].sum())
    planes = zstandard.decompress(shard.read(lengths[frame]))
image = np.frombuffer(planes, \"u1\").reshape(3, {size_px}, {size_px})  # RGB
",
        first = spec.images()[0],
        size_px = spec.size_px,
    )
}

const USE: &str = "\
## What it is for, and what not

It is made to train and judge models of how a person's body looks: each person is shown in several photos, with 17 joints
and tensors that are weighted around them.

- Who is shown did not necessarily agree to be in a dataset. Their rights, and the licences of the photos, hold for
  whatever is made of it. Do not use it to find out who somebody is, to watch people, or to make pictures of them that
  they would not want.
- People and photos are those that the sources show and the rules keep: they stand for no population. Rules that ask for
  one face and one person leave out groups, backs and hidden faces.
- Joints, boxes and scores are what models said, not what people saw. Whether all photos under a name show one person
  was only checked where `similarity` is a column.
- Copies of a photo are dropped, but photos of one session stay. A held-out photo can look much like a training one:
  judge models on people of the test split.
- Whoever is erased at a source should be erased here: `bolid erase` withdraws the snapshot.
";

fn pictures(plots: &[Plot], names: &[&str]) -> String {
    let is_wanted = |plot: &&Plot| names.iter().any(|name| plot.path.ends_with(&format!("/{name}.svg")));
    plots.iter().filter(is_wanted).map(|plot| format!("![{}]({})\n\n", plot.title, plot.path)).collect()
}

fn percent(part: usize, whole: usize) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.0} %", 100.0 * part as f64 / whole as f64) }
}

/// Text in a cell of a table: names come from recipes and the web.
fn cell(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.replace('|', "\\|").replace('<', "&lt;")
}
