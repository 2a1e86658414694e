//! How many people a photo shows, from what the two detectors found.
//!
//! The pose detector decides: it hardly ever misses a person, while face detectors fire on logos, caps and
//! posters. A face helps in two ways: it confirms a person of whom the pose detector is less sure, and two
//! faces in one box are two people.

use photo::rules::PeopleRule;
use photo::{BoundingBox, Detection, Person, Rules};

/// The share of a face that must lie in a person's box to be that person's.
const FACE_INSIDE: f32 = 0.5;

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

/// The detections that count by the rules.
#[derive(Clone, Debug)]
pub struct Counted<'a> {
    /// Faces of the people that count.
    pub faces: Vec<&'a Detection>,
    /// People, in the order of the detections.
    pub people: Vec<&'a Person>,
}

impl<'a> Counted<'a> {
    /// What of the detections counts.
    pub fn new(faces: &'a [Detection], people: &'a [Person], rules: &Rules) -> Self {
        let mut faces: Vec<&Detection> =
            faces.iter().filter(|face| face.score >= rules.faces.min_score).collect();
        let counts = |person: &&Person| {
            person.score >= rules.people.min_score
                || (person.score >= rules.people.min_score_with_face
                    && faces.iter().any(|face| is_inside(&face.bbox, &person.bbox)))
        };
        let mut people: Vec<&Person> = people.iter().filter(counts).collect();
        let tallest = people.iter().map(|person| person.bbox.height()).fold(0.0, f32::max);
        people.retain(|person| person.bbox.height() >= rules.people.min_relative_height * tallest);
        faces.retain(|face| people.iter().any(|person| is_inside(&face.bbox, &person.bbox)));
        Self { faces, people }
    }

    /// How many people that makes.
    pub fn class(&self) -> PeopleClass {
        PeopleClass::of_count(self.faces.len().max(self.people.len()))
    }

    /// The class where faces were not looked for: `None` or `Several` where no face could change it.
    pub fn class_whatever_faces(people: &[Person], rules: &Rules) -> Option<(PeopleClass, usize)> {
        let PeopleRule { min_score, min_score_with_face, min_relative_height } = rules.people;
        let possible = || people.iter().filter(|person| person.score >= min_score.min(min_score_with_face));
        let tallest = possible().map(|person| person.bbox.height()).fold(0.0, f32::max);
        let is_sure = |person: &&Person| {
            person.score >= min_score && person.bbox.height() >= min_relative_height * tallest
        };
        match (possible().count(), possible().filter(is_sure).count()) {
            (0, _) => Some((PeopleClass::None, 0)),
            (_, sure @ 2..) => Some((PeopleClass::Several, sure)),
            _ => None,
        }
    }

    /// The person the photo is about: the largest of those that count.
    pub fn main_person(&self) -> Option<&'a Person> {
        self.people.iter().copied().reduce(|a, b| if b.bbox.area() > a.bbox.area() { b } else { a })
    }
}

/// Whether a face is one of the person in a box.
pub(crate) fn is_inside(face: &BoundingBox, person: &BoundingBox) -> bool {
    face.intersection(person) > FACE_INSIDE * face.area()
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::Joints;

    fn bbox(x0: f32, y0: f32, x1: f32, y1: f32) -> BoundingBox {
        BoundingBox { x0, y0, x1, y1 }
    }

    fn person(score: f32, x0: f32) -> Person {
        Person { bbox: bbox(x0, 0.0, x0 + 100.0, 300.0), score, joints: Joints::default() }
    }

    fn face(score: f32, x0: f32) -> Detection {
        Detection { bbox: bbox(x0, 10.0, x0 + 30.0, 40.0), score }
    }

    fn class(faces: &[Detection], people: &[Person]) -> PeopleClass {
        Counted::new(faces, people, &Rules::default()).class()
    }

    #[test]
    fn sure_people_count_and_faces_elsewhere_do_not() {
        assert_eq!(class(&[], &[]), PeopleClass::None);
        assert_eq!(class(&[face(0.9, 500.0)], &[]), PeopleClass::None);
        assert_eq!(class(&[face(0.9, 500.0)], &[person(0.8, 0.0)]), PeopleClass::One);
        assert_eq!(class(&[], &[person(0.8, 0.0), person(0.7, 200.0)]), PeopleClass::Several);
    }

    #[test]
    fn people_decide_without_faces_only_where_no_face_could_change_it() {
        let without = |people: &[Person]| Counted::class_whatever_faces(people, &Rules::default());
        assert_eq!(without(&[person(0.2, 0.0)]), Some((PeopleClass::None, 0)));
        assert_eq!(without(&[person(0.3, 0.0)]), None, "a face may confirm the person");
        assert_eq!(without(&[person(0.9, 0.0)]), None, "there may be two faces, or none");
        assert_eq!(without(&[person(0.9, 0.0), person(0.3, 200.0)]), None);
        assert_eq!(without(&[person(0.9, 0.0), person(0.6, 200.0)]), Some((PeopleClass::Several, 2)));
        let mut rules = Rules::default();
        rules.people.min_relative_height = 0.9;
        let mut tall = person(0.3, 400.0);
        tall.bbox.y1 = 900.0; // with a face it would count, and the other two would be background
        let people = [person(0.9, 0.0), person(0.6, 200.0), tall];
        assert_eq!(Counted::class_whatever_faces(&people, &rules), None);
    }

    #[test]
    fn an_unsure_person_counts_with_a_face_only() {
        assert_eq!(class(&[], &[person(0.3, 0.0)]), PeopleClass::None);
        assert_eq!(class(&[face(0.5, 40.0)], &[person(0.3, 0.0)]), PeopleClass::One);
        assert_eq!(class(&[face(0.5, 40.0)], &[person(0.2, 0.0)]), PeopleClass::None);
    }

    #[test]
    fn two_faces_in_one_box_are_two_people() {
        assert_eq!(class(&[face(0.9, 5.0), face(0.8, 60.0)], &[person(0.9, 0.0)]), PeopleClass::Several);
    }

    #[test]
    fn people_much_smaller_than_the_largest_are_left_out_where_the_rules_say_so() {
        let mut rules = Rules::default();
        let mut small = person(0.9, 400.0);
        small.bbox = bbox(400.0, 0.0, 420.0, 60.0);
        let people = [person(0.9, 0.0), small];
        assert_eq!(Counted::new(&[], &people, &rules).class(), PeopleClass::Several);
        rules.people.min_relative_height = 0.3;
        let counted = Counted::new(&[], &people, &rules);
        assert_eq!(counted.class(), PeopleClass::One);
        assert_eq!(counted.main_person(), Some(&people[0]));
    }
}
