//! Gallery sites to links to bytes.
