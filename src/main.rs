//! The `bolid` command line.

fn main() {}
