//! `--price-book FILE`: the administrator's prices, read from a file.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::manifest;
use crate::api;
use crate::policy::PriceBook;

/// Reads the price book in `file`.
///
/// # Errors
/// A file that cannot be read, or every problem of the book.
pub(super) fn read(file: &Path) -> anyhow::Result<PriceBook> {
    let name = file.display();
    let text = File::open(file)
        .map_err(|error| error.to_string())
        .and_then(manifest::read_text)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("--price-book: cannot read `{name}`: name the file of the price book"))?;
    match api::read_price_book(&text) {
        Ok(book) => Ok(book),
        Err(errors) => {
            let all: Vec<String> = errors.iter().map(|error| format!("{name}: {error}")).collect();
            bail!("the price book has problems:\n  {}", all.join("\n  "))
        }
    }
}
