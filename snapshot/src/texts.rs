//! Rows of a Parquet file that others wrote, as texts: lists of photos, whatever types their columns have.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use crate::error::Error;
use crate::table::guarded;

/// The filled fields of a row: column name in lower case, and value.
pub type TextRow = Vec<(String, String)>;

/// Reads the columns of these names, in upper or lower case, as far as the file has them and they hold texts
/// or numbers.
///
/// # Errors
/// Where the file cannot be read or is damaged, by its name.
pub fn read_texts(path: &Path, columns: &[&str]) -> Result<Vec<TextRow>, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    guarded(path, || rows_of(file, columns))
}

fn rows_of(file: File, columns: &[&str]) -> parquet::errors::Result<Vec<TextRow>> {
    let reader = SerializedFileReader::new(file)?;
    let schema = reader.metadata().file_metadata().schema();
    let is_asked = |field: &&Arc<Type>| {
        field.is_primitive() && columns.contains(&field.name().to_ascii_lowercase().as_str())
    };
    let fields = schema.get_fields().iter().filter(is_asked).cloned().collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build()?;
    reader.get_row_iter(Some(projection))?.map(|row| row.map(|row| texts(&row))).collect()
}

fn texts(row: &Row) -> TextRow {
    let fields = row.get_column_iter();
    fields.filter_map(|(name, field)| Some((name.to_ascii_lowercase(), read_text(field)?))).collect()
}

fn read_text(field: &Field) -> Option<String> {
    match field {
        Field::Null => None,
        Field::Str(text) => Some(text.clone()),
        Field::Bytes(bytes) => bytes.as_utf8().ok().map(str::to_owned), // a text without the mark of one
        // Tools keep sizes as floats where some are missing.
        Field::Double(number) => Some(number.to_string()),
        Field::Float(number) => Some(number.to_string()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{self, Column};

    #[test]
    fn asked_columns_are_read_in_any_case_and_missing_values_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.parquet");
        let columns = [
            Column::required("URL", "", ["http://a/1.jpg", "http://a/2.jpg"].into_iter()),
            Column::nullable("TEXT", "", [Some("a walk"), None].into_iter()),
            Column::required("WIDTH", "", [1000_i64, 1200].into_iter()),
            Column::required("other", "", ["x", "y"].into_iter()),
        ];
        table::write(&path, &columns).unwrap();
        let rows = read_texts(&path, &["url", "text", "width", "file"]).unwrap();
        let row = |pairs: &[(&str, &str)]| -> TextRow {
            pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        assert_eq!(rows[0], row(&[("url", "http://a/1.jpg"), ("text", "a walk"), ("width", "1000")]));
        assert_eq!(rows[1], row(&[("url", "http://a/2.jpg"), ("width", "1200")]));
    }

    #[test]
    fn a_file_that_is_no_parquet_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.parquet");
        std::fs::write(&path, "url\n").unwrap();
        let error = read_texts(&path, &["url"]).unwrap_err().to_string();
        assert!(error.contains("list.parquet"), "{error}");
    }
}
