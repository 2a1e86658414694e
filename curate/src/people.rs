//! How many people a photo shows, from what the two detectors found.

use photo::{Detection, Person, Rules};

/// Nobody, one person, or more: all that the rules ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeopleClass {
    /// Nobody.
    None,
    /// Exactly one person.
    One,
    /// Two or more.
    Several,
}

impl PeopleClass {
    /// `0`, `1` or `2+`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "0",
            Self::One => "1",
            Self::Several => "2+",
        }
    }

    /// The class of a number of people.
    pub fn of_count(count: usize) -> Self {
        match count {
            0 => Self::None,
            1 => Self::One,
            _ => Self::Several,
        }
    }
}

/// The detections that count.
#[derive(Clone, Debug)]
pub struct Counted<'a> {
    /// Faces.
    pub faces: Vec<&'a Detection>,
    /// People, the best first.
    pub people: Vec<&'a Person>,
}

impl<'a> Counted<'a> {
    /// What of the detections counts by the rules.
    pub fn new(faces: &'a [Detection], people: &'a [Person], rules: &Rules) -> Self {
        let mut people: Vec<&Person> = people.iter().filter(|p| p.score >= rules.people.min_score).collect();
        let tallest = people.iter().map(|person| person.bbox.height()).fold(0.0, f32::max);
        people.retain(|person| person.bbox.height() >= rules.people.min_relative_height * tallest);
        let faces = faces.iter().filter(|face| face.score >= rules.faces.min_score).collect();
        Self { faces, people }
    }

    /// How many people that makes.
    pub fn class(&self) -> PeopleClass {
        PeopleClass::of_count(self.faces.len().max(self.people.len()))
    }

    /// The person the photo is about: the largest of those that count.
    pub fn main_person(&self) -> Option<&'a Person> {
        self.people.iter().copied().reduce(|a, b| if b.bbox.area() > a.bbox.area() { b } else { a })
    }
}
