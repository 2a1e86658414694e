//! Columns that hold more than text are parsed where their rows are read, so that nobody else parses
//! them again. What cannot be parsed is an error that names the row.

use std::fmt::Display;
use std::str::FromStr;

use photo::{Digest, FailureClass};
use sqlx::FromRow;

use crate::{Error, Result};

/// What a column's text says. `row`: which row it is of, as in "photo 12".
pub(crate) fn parse<T: FromStr<Err: Display>>(
    column: &str,
    text: &str,
    row: impl FnOnce() -> String,
) -> Result<T> {
    text.parse().map_err(|error: T::Err| Error::corrupt(format!("`{column}` of {}", row()), &error))
}

/// A row of `fetch` beside columns of other tables, its digest and failure class still text: the fields
/// for them in `T` are left out by sqlx.
#[derive(FromRow)]
pub(crate) struct Unparsed<T> {
    #[sqlx(flatten)]
    row: T,
    sha256: Option<String>,
    failure: Option<String>,
}

/// A row that says how a download ended.
pub(crate) trait Fetched: Sized {
    /// Which row it is, as an error names it.
    fn name(&self) -> String;

    /// Sets what was left out.
    fn set(&mut self, sha256: Option<Digest>, failure: Option<FailureClass>);
}

impl<T: Fetched> Unparsed<T> {
    /// The row with what it holds.
    ///
    /// # Errors
    /// Naming the row, where a digest or class is none.
    pub(crate) fn parse(self) -> Result<T> {
        let Self { mut row, sha256, failure } = self;
        let sha256 = sha256.map(|text| parse("sha256", &text, || row.name())).transpose()?;
        let failure = failure.map(|text| parse("failure", &text, || row.name())).transpose()?;
        row.set(sha256, failure);
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;
    use crate::fetch::FetchRecord;
    use crate::identity::NewIdentity;
    use crate::photo::NewPhoto;

    const URL: &str = "http://a.example/1.jpg";

    /// A catalog with one photo that failed, whose row was then changed by hand.
    async fn with_row_changed(folder: &std::path::Path, change: &'static str) -> (Catalog, i64) {
        let catalog = Catalog::open(folder).await.unwrap();
        let person = NewIdentity {
            slug: "ada".to_owned(),
            name: "Ada".to_owned(),
            page_url: None,
            is_slug_certain: true,
        };
        let identity = catalog.add_identity("site", &person).await.unwrap().unwrap();
        let photo = NewPhoto { source_url: URL.to_owned(), ..NewPhoto::default() };
        catalog.add_photos(identity, &[photo]).await.unwrap();
        let id = catalog.photos(identity).await.unwrap()[0].id;
        let failed = FetchRecord::new(Err((FailureClass::Timeout, "60 s".to_owned())));
        catalog.record_fetches(&[(id, failed)]).await.unwrap();
        sqlx::raw_sql(change).execute(&catalog.writer).await.unwrap();
        (catalog, identity)
    }

    #[tokio::test]
    async fn a_row_with_a_class_or_digest_that_is_none_is_named_wherever_it_is_read() {
        for (change, column, text) in [
            ("UPDATE fetch SET failure = 'lost'", "failure", "lost"),
            (
                "INSERT INTO blob (sha256, bytes, stored_at) VALUES ('12ab', 1, 0);
                 UPDATE fetch SET failure = NULL, sha256 = '12ab'",
                "sha256",
                "12ab",
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (catalog, identity) = with_row_changed(folder.path(), change).await;
            let id = catalog.find_photos(URL).await.unwrap()[0];
            let sites = ["site".to_owned()];
            for error in [
                catalog.photos(identity).await.unwrap_err(),
                catalog.galleries(&sites).await.unwrap_err(),
                catalog.due_photos("site", i64::MAX, 0, 9).await.unwrap_err(),
                catalog.origin(id).await.unwrap_err(),
            ] {
                let said = error.to_string();
                assert!(said.contains(&format!("photo {id} ")) && said.contains(URL), "{said}");
                assert!(said.contains(column) || said.contains(text), "{said}");
            }
        }
    }
}
