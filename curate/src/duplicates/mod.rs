//! Photos that look the same, among as many as there are, without comparing each with each.
//!
//! **Groups are stars.** Photos come best first. Each one joins the nearest centre within the distance, or becomes a
//! centre itself. So every member lies within the distance of its centre, whatever lies between: chains, in which each
//! photo resembles the next and the last one not the first, do not grow. What is a copy of two centres goes to the
//! nearer one, of two equally near ones to the better.
//!
//! **Near is not the same.** What the hashes call near is looked at again, in colour and where the person is, before it
//! joins.
//!
//! | module | what |
//! |---|---|
//! | [`bands`] | which stored hashes can be within a distance of a given one |
//! | [`sight`] | the second look at two photos |
//! | [`stars`](mod@stars) | the groups |

mod bands;
mod sight;
mod stars;

pub use sight::Sight;
pub use stars::{Place, stars, stars_where};
