//! Photos that look the same, among as many as there are, without comparing each with each.
//!
//! **Leader clustering.** Photos come best first. Each one joins the nearest leader within the distance, or
//! becomes a leader itself. So every member lies within the distance of its leader, whatever lies between:
//! chains, in which each photo resembles the next and the last one not the first, do not grow. What is a copy
//! of two leaders goes to the nearer one, of two equally near ones to the better.
//!
//! **Near is not the same.** What the hashes call near is compared in colour and where the person is, before
//! it joins.
//!
//! | module | what |
//! |---|---|
//! | [`multi_index`] | which stored hashes can be within a distance of a given one |
//! | [`appearance`] | whether two photos look the same in colour |
//! | [`leader`] | the groups |

mod appearance;
mod leader;
mod multi_index;

pub use appearance::Appearance;
pub use leader::{Assignment, assign, assign_where};
