//! The silhouette of one person, and runs through it along any line.

use super::error::EvaluationError;

/// Steps on the way to the edge, px.
const STEP_PX: f64 = 0.25;

/// A place or a difference of places, x and y in px.
pub(super) type Point = [f64; 2];

/// The pixels that show one person. The pixel in column x and row y has its centre at (x, y).
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a> {
    width: usize,
    height: usize,
    inside: &'a [bool],
}

/// A line through `from`; `across` is a unit vector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub from: Point,
    pub across: Point,
}

/// How far a mask goes on from a point of a line, px to either side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    behind: f64,
    ahead: f64,
}

impl<'a> Mask<'a> {
    /// From `inside` `[height, width]`, row after row.
    ///
    /// # Errors
    /// Where that is another number of pixels.
    pub fn new(width: usize, height: usize, inside: &'a [bool]) -> Result<Self, EvaluationError> {
        EvaluationError::exactly("pixels of a mask", inside.len(), width * height)?;
        Ok(Self { width, height, inside })
    }

    /// The run of the mask through the point of `line`. `None` where the point is not of the person, or the run leaves
    /// the picture or is longer than `most_px`.
    pub(super) fn run(&self, line: &Line, most_px: f64) -> Option<Run> {
        if !self.at(line.from)? {
            return None;
        }
        let run = Run { behind: self.reach(line, -1.0, most_px)?, ahead: self.reach(line, 1.0, most_px)? };
        (run.width() <= most_px).then_some(run)
    }

    /// The distance to the edge in direction `side`, 1 or −1.
    fn reach(&self, line: &Line, side: f64, most_px: f64) -> Option<f64> {
        let mut distance = STEP_PX;
        while distance <= most_px {
            if !self.at(plus(line.from, line.across, side * distance))? {
                // the edge is between this step and the last one
                return Some(distance - 0.5 * STEP_PX);
            }
            distance += STEP_PX;
        }
        None
    }

    /// Whether the pixel there is of the person; `None` outside of the picture.
    fn at(&self, [x, y]: Point) -> Option<bool> {
        let (column, row) = (x.round(), y.round());
        let within = |place: f64, size: usize| place >= 0.0 && place < size as f64;
        let is_there = within(column, self.width) && within(row, self.height);
        is_there.then(|| self.inside[row as usize * self.width + column as usize])
    }
}

impl Line {
    /// The line through `from` at a right angle to the unit vector `direction`.
    pub(super) fn across(from: Point, direction: Point) -> Self {
        Self { from, across: [direction[1], -direction[0]] }
    }

    /// Where along the line a place is, px from its point.
    pub(super) fn along(&self, place: Point) -> f64 {
        dot(minus(place, self.from), self.across)
    }

    /// Where along the line the way from `a` to `b` crosses it, if it does.
    pub(super) fn crossing(&self, a: Point, b: Point) -> Option<f64> {
        let beside = |place| dot(minus(place, self.from), [-self.across[1], self.across[0]]);
        let (of_a, of_b) = (beside(a), beside(b));
        let crosses = (of_a > 0.0) != (of_b > 0.0);
        crosses.then(|| self.along(plus(a, minus(b, a), of_a / (of_a - of_b))))
    }
}

impl Run {
    /// From edge to edge, px.
    pub(super) fn width(&self) -> f64 {
        self.behind + self.ahead
    }

    /// Whether the run holds the place that is so far along its line.
    pub(super) fn holds(&self, along: f64) -> bool {
        (-self.behind..=self.ahead).contains(&along)
    }
}

/// `a + times · b`.
pub(super) fn plus(a: Point, b: Point, times: f64) -> Point {
    [a[0] + times * b[0], a[1] + times * b[1]]
}

pub(super) fn minus(a: Point, b: Point) -> Point {
    plus(a, b, -1.0)
}

pub(super) fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 60;

    /// A square of 20 px, columns and rows 20 to 39.
    fn square() -> Vec<bool> {
        let within = |place: usize| (20..40).contains(&place);
        (0..SIDE * SIDE).map(|pixel| within(pixel % SIDE) && within(pixel / SIDE)).collect()
    }

    #[test]
    fn a_run_is_as_long_as_the_mask_is_wide_there() {
        let inside = square();
        let mask = Mask::new(SIDE, SIDE, &inside).unwrap();
        let width = |from, direction| mask.run(&Line::across(from, direction), 50.0).map(|run| run.width());
        assert!((width([30.0, 25.0], [0.0, 1.0]).unwrap() - 20.0).abs() <= 0.25);
        assert!((width([22.0, 30.0], [1.0, 0.0]).unwrap() - 20.0).abs() <= 0.25);
        // the diagonal of 20 × 20 px, whose corners are steps
        let slanted = width([29.5, 29.5], [0.5f64.sqrt(), 0.5f64.sqrt()]).unwrap();
        assert!((slanted - 800.0f64.sqrt()).abs() <= 0.75, "{slanted}");
    }

    #[test]
    fn there_is_no_run_outside_of_the_person_nor_out_of_the_picture() {
        let inside = square();
        let mask = Mask::new(SIDE, SIDE, &inside).unwrap();
        let down = [0.0, 1.0];
        assert_eq!(mask.run(&Line::across([10.0, 30.0], down), 50.0), None);
        assert_eq!(mask.run(&Line::across([-3.0, 30.0], down), 50.0), None);
        assert_eq!(mask.run(&Line::across([30.0, 30.0], down), 19.0), None);
        let all = vec![true; SIDE * SIDE];
        let all = Mask::new(SIDE, SIDE, &all).unwrap();
        assert_eq!(all.run(&Line::across([30.0, 30.0], down), 500.0), None);
        let message = Mask::new(7, 5, &inside).unwrap_err().to_string();
        assert_eq!(message, "pixels of a mask: 3600 given, 35 expected");
    }

    #[test]
    fn ways_cross_a_line_where_they_meet_it() {
        let line = Line::across([10.0, 10.0], [0.0, 1.0]);
        assert_eq!(line.crossing([14.0, 0.0], [14.0, 20.0]), Some(4.0));
        assert_eq!(line.crossing([6.0, 20.0], [8.0, 0.0]), Some(-3.0));
        assert_eq!(line.crossing([14.0, 0.0], [14.0, 9.0]), None);
    }
}
