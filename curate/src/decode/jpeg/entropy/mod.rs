//! The coefficients of a file: scan after scan, block after block, code after code.
//!
//! | module | what |
//! |---|---|
//! | [`huffman`], [`bits`], [`zigzag`] | Huffman tables, the bits of a scan, and the order of coefficients |
//! | [`scan_header`], [`walk`] | what a scan's header says; segment after segment, from scan to scan |
//! | [`mcus`], [`progressive`], [`coefficients`] | the blocks of a scan, and the coefficients that they bring |
//! | [`scans`] | all scans of a file, every block accounted for |

pub(super) mod bits;
pub(super) mod coefficients;
pub(super) mod huffman;
pub(super) mod mcus;
pub(super) mod progressive;
pub(super) mod scan_header;
pub(super) mod scans;
pub(super) mod walk;
pub(super) mod zigzag;
