//! Which model runs next on a photo: all of them, or the cheapest first and the others only while the photo
//! may be kept.

use std::fs;

use photo::Rules;

use super::roles::contract;
use crate::judge::photo_rules::reasons_alone;
use crate::measurements::Measurements;
use crate::model::{ModelEntry, ModelError, Registry};
use crate::role::Role;

/// Which models run on a photo.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelSchedule {
    /// Every model there is.
    All,
    /// One model after the other, until the rules are certain to drop the photo.
    EarlyExit {
        /// The models, in the order in which they run; one that is off is not among them.
        order: Vec<Role>,
        /// The rules, of every site that has its own; each must be certain to drop the photo.
        rules: Vec<Rules>,
    },
}

impl ModelSchedule {
    /// One model after the other, the cheapest first. Faces always come after people: a face counts only
    /// within a person, so faces alone decide nothing.
    ///
    /// `choose` gives the model of a role, or none where the role is off.
    ///
    /// # Errors
    /// As `choose`.
    pub fn early_exit<'a>(
        rules: &Rules,
        registry: &Registry,
        choose: impl Fn(Role) -> Result<Option<&'a ModelEntry>, ModelError>,
    ) -> Result<Self, ModelError> {
        let work_of = |role| Ok::<_, ModelError>(choose(role)?.map(|model| work(registry, model)));
        let (watermark, faces, people) =
            (work_of(Role::Watermark)?, work_of(Role::Faces)?, work_of(Role::People)?);
        let order = if watermark.is_none() {
            vec![Role::People, Role::Faces]
        } else if watermark <= people {
            vec![Role::Watermark, Role::People, Role::Faces]
        } else if watermark <= faces {
            vec![Role::People, Role::Watermark, Role::Faces]
        } else {
            vec![Role::People, Role::Faces, Role::Watermark]
        };
        Ok(Self::EarlyExit { order, rules: rules.of_all_sites() })
    }

    /// The model that runs next; `None` when no more do.
    pub fn next(&self, measured: &Measurements) -> Option<Role> {
        match self {
            Self::All => Role::ALL.into_iter().find(|&role| !measured.has(role)),
            Self::EarlyExit { order, rules } => {
                // Faces are compared last, and only where a rule compares them.
                let mut roles = order.iter().copied().chain([Role::FaceEmbedding]);
                let next = roles.find(|&role| !measured.has(role))?;
                let asks =
                    |rules: &Rules| next != Role::FaceEmbedding || rules.identity.compares_from().is_some();
                let may_be_kept = |rules: &Rules| asks(rules) && reasons_alone(measured, rules).is_empty();
                rules.iter().any(may_be_kept).then_some(next)
            }
        }
    }

    fn includes(&self, role: Role) -> bool {
        match self {
            Self::All => true,
            Self::EarlyExit { order, .. } => order.contains(&role),
        }
    }

    /// Of the scores that are there, those whose models would have run: the same whatever other rules and
    /// schedules were measured by before, so that verdicts do not depend on what happened earlier.
    pub fn visible(&self, measured: Measurements) -> Measurements {
        if *self == Self::All {
            return measured;
        }
        let Measurements { facts, mut watermark, mut faces, mut people, mut face_embedding } = measured;
        let mut seen = Measurements::of(facts);
        if !self.includes(Role::Watermark) {
            seen.watermark = watermark.take();
        }
        while let Some(role) = self.next(&seen) {
            match role {
                Role::Watermark => seen.watermark = watermark.take(),
                Role::Faces => seen.faces = faces.take(),
                Role::People => seen.people = people.take(),
                Role::FaceEmbedding => seen.face_embedding = face_embedding.take(),
            }
            if !seen.has(role) {
                break;
            }
        }
        seen
    }
}

/// Roughly how much work a model is for one photo: its weights times the pixels that it sees. In no unit, and
/// only good for putting models in order; a file that is missing counts as no work.
pub fn work(registry: &Registry, model: &ModelEntry) -> u128 {
    let bytes = fs::metadata(registry.file(model)).map_or(0, |file| file.len());
    let pixels = model.input_size.map(u128::from).iter().product::<u128>();
    u128::from(bytes) * pixels * contract(model.role).inferences_per_photo as u128
}
