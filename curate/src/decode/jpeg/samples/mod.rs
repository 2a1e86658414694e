//! Coefficients to pixels, as libjpeg-turbo rounds them.
//!
//! | module | what |
//! |---|---|
//! | [`idct`] | a block's coefficients to its samples |
//! | [`upsample`] | samples to the picture's size |
//! | [`convert`] | components to RGB or to inks |
//! | [`bands`] | rows of blocks to rows of pixels |

pub(super) mod bands;
pub(super) mod convert;
pub(super) mod idct;
pub(super) mod upsample;
