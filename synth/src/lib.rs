//! Synthetic people with known bodies, and a gallery that shows them.
