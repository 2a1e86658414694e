//! The markers of JPEG (ITU-T T.81, table B.1) by their second byte; the first is 0xFF.

/// SOF0: a baseline frame.
pub(crate) const BASELINE: u8 = 0xC0;
/// SOF1: an extended sequential frame.
pub(crate) const EXTENDED: u8 = 0xC1;
/// SOF2: a progressive frame.
pub(crate) const PROGRESSIVE: u8 = 0xC2;
/// DHT.
pub(crate) const HUFFMAN_TABLES: u8 = 0xC4;
/// JPG: reserved for extensions.
pub(crate) const EXTENSION: u8 = 0xC8;
/// DAC.
pub(crate) const ARITHMETIC_CONDITIONING: u8 = 0xCC;
/// RST0, the first of eight.
pub(crate) const FIRST_RESTART: u8 = 0xD0;
/// SOI, with its first byte.
pub(crate) const START_OF_IMAGE: [u8; 2] = [0xFF, 0xD8];
/// EOI.
pub(crate) const END_OF_IMAGE: u8 = 0xD9;
/// SOS.
pub(crate) const START_OF_SCAN: u8 = 0xDA;
/// DQT.
pub(crate) const QUANTISATION_TABLES: u8 = 0xDB;
/// DRI.
pub(crate) const RESTART_INTERVAL: u8 = 0xDD;
/// APP0.
pub(crate) const JFIF: u8 = 0xE0;
/// APP1.
pub(crate) const EXIF: u8 = 0xE1;
/// APP2.
pub(crate) const ICC_PROFILE: u8 = 0xE2;
/// APP14.
pub(crate) const ADOBE: u8 = 0xEE;
