//! `README.md`: what the folder is and how to read it.

use crate::manifest::{Counts, SnapshotSpec};

/// The page's file name.
pub(crate) const FILE: &str = "README.md";

pub(crate) fn page(spec: &SnapshotSpec, counts: &Counts) -> String {
    let SnapshotSpec { name, size_px, .. } = spec;
    let splits: String = counts
        .sides()
        .map(|(name, side)| format!("| {name} | {} | {} |\n", side.identities, side.photos))
        .collect();
    let reasons: String =
        counts.reasons.iter().map(|(name, photos)| format!("| `{name}` | {photos} |\n")).collect();
    let models: String = spec
        .models
        .iter()
        .map(|model| format!("| {} | {} | `{}` |\n", model.role, model.name, model.sha256))
        .collect();
    format!(
        "# {name}

A snapshot of photos of people, one shard per person, written by bolid {version}. It never changes: the id at the end
of the folder's name is the digest of `manifest.json`, which lists the digest of every file. `bolid snapshot verify`
checks them; `report.html` shows samples.

{photos} photos of {identities} people are kept, {dropped} photos are dropped.

| split | people | photos |
|---|---:|---:|
{splits}
| dropped for (a photo counts under each of its reasons) | photos |
|---|---:|
{reasons}
| model | name | SHA-256 |
|---|---|---|
{models}
## Reading it

```python
import pandas as pd
from safetensors import safe_open

photos = pd.read_parquet(\"photos.parquet\")
photo = photos.iloc[0]
joints = photo.joints.reshape(17, 3)  # x, y in px of the tensor, confidence (0: not visible)
with safe_open(photo.shard, \"np\") as shard:
    image = shard.get_slice(\"image\")[photo.row]  # u8 [3, {size_px}, {size_px}], RGB
```

| file | what |
|---|---|
| `photos.parquet` | a row per kept photo: source, scores, person's box, joints, affine map, shard and row |
| `dropped.parquet` | a row per dropped photo: every reason, the scores behind it |
| `shards/*.safetensors` | `image` and `weighted` u8 [n, 3, {size_px}, {size_px}]; `joints` f32 [n, 17, 3]; `confidence` f32 [n, 17] |
| `fetches.parquet`, `build.json` | when it was fetched and built; no part of the id |
| `manifest.json` | recipe, rules, settings, models, counts, digests |
| `croissant.json` | the same for machines (MLCommons Croissant 1.0) |
",
        version = spec.program_version,
        photos = counts.photos,
        identities = counts.identities,
        dropped = counts.dropped,
    )
}
