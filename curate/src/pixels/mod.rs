//! RGB pixels, whatever file they come from.
//!
//! | module | what |
//! |---|---|
//! | `resize` | photos to another size |
//! | `luma` | photos to grey |
//! | [`hash`] | the perceptual hash of a photo and of its mirror image |
//! | [`thumbnail`] | a photo at a dozen pixels a side, in colour |
//! | `buffers` | large buffers that a thread uses again |
//! | `simd` | loops with the widest vector instructions of the machine |

pub(crate) mod buffers;
pub mod hash;
pub(crate) mod luma;
pub(crate) mod resize;
pub(crate) mod simd;
pub mod thumbnail;
