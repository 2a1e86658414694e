//! Which model is asked next: every one, or the cheapest first and the others only while the photo may still be kept.

use photo::Rules;

use crate::judge::reasons_alone;
use crate::measure::Measurements;
use crate::model::{ModelEntry, ModelError, Registry, Role};

/// What is asked of a photo.
#[derive(Clone, Debug, PartialEq)]
pub enum Demand {
    /// Every model there is.
    Every,
    /// One model after the other, until the rules are certain to drop the photo.
    UntilDropped {
        /// The models, in the order in which they are asked; one that nobody asks for is not among them.
        order: Vec<Role>,
        /// The rules, of every site that has its own; each must be certain to drop the photo.
        rules: Vec<Rules>,
    },
}

impl Demand {
    /// One model after the other, the cheapest first. Faces always come after people: a face counts only within a
    /// person, so faces alone decide nothing.
    ///
    /// `choose` gives the model of a role, or none where the role is off.
    ///
    /// # Errors
    /// As `choose`.
    pub fn until_dropped<'a>(
        rules: &Rules,
        registry: &Registry,
        choose: impl Fn(Role) -> Result<Option<&'a ModelEntry>, ModelError>,
    ) -> Result<Self, ModelError> {
        let work = |role| Ok::<_, ModelError>(choose(role)?.map(|model| registry.work(model)));
        let (watermark, faces, people) = (work(Role::Watermark)?, work(Role::Faces)?, work(Role::People)?);
        let order = if watermark.is_none() {
            vec![Role::People, Role::Faces]
        } else if watermark <= people {
            vec![Role::Watermark, Role::People, Role::Faces]
        } else if watermark <= faces {
            vec![Role::People, Role::Watermark, Role::Faces]
        } else {
            vec![Role::People, Role::Faces, Role::Watermark]
        };
        Ok(Self::UntilDropped { order, rules: rules.of_all_sites() })
    }

    /// The model that is asked next; `None` when nothing more is asked.
    pub fn next(&self, measured: &Measurements) -> Option<Role> {
        match self {
            Self::Every => Role::ALL.into_iter().find(|&role| !measured.has(role)),
            Self::UntilDropped { order, rules } => {
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

    fn asks_for(&self, role: Role) -> bool {
        match self {
            Self::Every => true,
            Self::UntilDropped { order, .. } => order.contains(&role),
        }
    }

    /// The scores that would have been asked for, of those that are there: the same whatever other rules and demands
    /// were measured by before, so that verdicts do not depend on what happened earlier.
    pub fn view(&self, measured: Measurements) -> Measurements {
        if *self == Self::Every {
            return measured;
        }
        let Measurements { facts, mut watermark, mut faces, mut people, mut face_embedding } = measured;
        let mut seen = Measurements::of(facts);
        if !self.asks_for(Role::Watermark) {
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
