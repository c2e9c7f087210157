//! The binary `foresail`.

fn main() {}
