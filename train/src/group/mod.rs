//! Several processes that train one model, each on a part of every step's batches.
//!
//! Who is in the group comes from the environment, as torchrun and Slurm set it. The processes are joined in a star over
//! TCP: the first adds up what the others send, in their order, and sends the sum back, so that all hold the same bytes.
//! A process that fails says why, and all end with that.
//!
//! | file | what |
//! |---|---|
//! | [`ranks`] | which process this is, of how many, and where the first one listens |
//! | `frame` | what goes over a connection |
//! | `until` | reads that end at a time |
//! | `greeting` | the first frame in either direction: whether both sides belong together |
//! | [`star`] | the connections, sums and messages |
//! | `cards` | with feature `nccl`: sums between cards, which never leave them |

#[cfg(feature = "nccl")]
pub mod cards;
mod frame;
mod greeting;
pub mod ranks;
pub mod star;
mod until;

#[cfg(feature = "nccl")]
pub use cards::Cards;
pub use ranks::Ranks;
pub use star::{Group, GroupError};
