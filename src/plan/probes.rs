//! What is measured of every photo, each probe named by its model, preprocessing and settings.

use catalog::measurement::Probe;
use curate::decode::facts_cache_key;
use curate::detect::{cache_key, min_decode_size};
use curate::model::ModelEntry;
use curate::{Device, Role};
use photo::measurement::Kind;

/// Image facts, and what the model of each role says, where there is one.
pub(super) fn probes(models: &[ModelEntry], device: Device) -> Vec<Probe> {
    let min_size = min_decode_size(models);
    let of_role = |role| Some(Probe { kind: kind(role), digest: cache_key(role, models, min_size, device)? });
    let image = Probe { kind: Kind::Image, digest: facts_cache_key(min_size) };
    [image].into_iter().chain(Role::ALL.into_iter().filter_map(of_role)).collect()
}

/// What a model of the role measures.
fn kind(role: Role) -> Kind {
    match role {
        Role::Watermark => Kind::Watermark,
        Role::Faces => Kind::Faces,
        Role::People => Kind::People,
        Role::FaceEmbedding => Kind::FaceEmbedding,
    }
}
