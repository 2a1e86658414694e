//! What models and pixels said of photos, as rows that travel: within a snapshot, or in a file of their own.
//!
//! A measurement has a name that means the same on every machine: the digest of the photo's bytes, and the digest of
//! the model with its preprocessing. So a value can be taken over instead of measured again, and two machines can be
//! compared value by value.

use std::fs;
use std::path::{Path, PathBuf};

use photo::Digest;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files;
use crate::table::{Column, ROW_GROUP_ROWS, Table, TableWriter};

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MeasurementRow {
    /// The digest of the photo's bytes.
    pub sha256: Digest,
    /// What was measured: `image`, `watermark`, `faces`, `people`, `face_embedding`.
    pub kind: String,
    /// The digest of the model and its preprocessing.
    pub probe: Digest,
    /// The value as JSON, exactly as it is stored.
    pub value: String,
}

/// The columns of a table of measurements.
pub(crate) fn columns(rows: &[MeasurementRow]) -> Vec<Column> {
    let digests: Vec<[String; 2]> =
        rows.iter().map(|row| [row.sha256, row.probe].map(|digest| digest.to_string())).collect();
    vec![
        Column::required("sha256", "SHA-256 of the photo's bytes", digests.iter().map(|[of, _]| of.as_str())),
        Column::required(
            "kind",
            "image, watermark, faces, people or face_embedding",
            rows.iter().map(|row| row.kind.as_str()),
        ),
        Column::required(
            "probe",
            "SHA-256 of the model and its preprocessing",
            digests.iter().map(|[_, by]| by.as_str()),
        ),
        Column::required("value", "what was measured, as JSON", rows.iter().map(|row| row.value.as_str())),
    ]
}

/// Writes a table of measurements. The columns of one row group at a time are in memory: those of all would be most of
/// what a large snapshot takes.
pub(crate) fn write(path: &Path, rows: &[MeasurementRow]) -> Result<(), Error> {
    let mut table = TableWriter::create(path, &columns(&[]), &[])?;
    for group in rows.chunks(ROW_GROUP_ROWS) {
        table.write_group(&columns(group))?;
    }
    table.finish()
}

/// All rows of a table of measurements.
pub(crate) fn read(table: &Table) -> Result<Vec<MeasurementRow>, Error> {
    let groups = (0..table.groups()).map(|group| read_group(table, group));
    Ok(groups.collect::<Result<Vec<_>, _>>()?.concat())
}

fn read_group(table: &Table, group: usize) -> Result<Vec<MeasurementRow>, Error> {
    let column = |name: &str| read_column(table, name, group);
    let digest = |name: &str, text: &str| -> Result<Digest, Error> {
        text.parse().map_err(|error| table.wrong(format!("column `{name}` holds `{text}`: {error}")))
    };
    let (contents, kinds, probes, values) =
        (column("sha256")?, column("kind")?, column("probe")?, column("value")?);
    let rows = contents.into_iter().zip(kinds).zip(probes).zip(values);
    rows.map(|(((sha256, kind), probe), value)| {
        Ok(MeasurementRow {
            sha256: digest("sha256", &sha256)?,
            kind,
            probe: digest("probe", &probe)?,
            value,
        })
    })
    .collect()
}

fn read_column(table: &Table, name: &str, group: usize) -> Result<Vec<String>, Error> {
    let rows = table.texts_of_group(name, group)?;
    rows.into_iter()
        .map(|row| <[String; 1]>::try_from(row).map(|[text]| text))
        .map(|text| text.map_err(|_| table.wrong(format!("column `{name}` has a row without a value"))))
        .collect()
}

/// A Parquet file of measurements that grows group by group, and gets its name when it is whole.
pub struct MeasurementWriter {
    table: TableWriter,
    partial: PathBuf,
    path: PathBuf,
}

impl MeasurementWriter {
    /// Begins the file `path`; one of that name is replaced when this one is whole.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = path.with_file_name(format!(".{name}.partial"));
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &partial)(error));
            }
            _ => {}
        }
        let table = TableWriter::create(&partial, &columns(&[]), &[])?;
        Ok(Self { table, partial, path: path.to_owned() })
    }

    /// Adds rows, as a group of their own.
    pub fn write(&mut self, rows: &[MeasurementRow]) -> Result<(), Error> {
        self.table.write_group(&columns(rows))
    }

    /// Sees the file to the disk and gives it its name.
    pub fn finish(self) -> Result<(), Error> {
        self.table.finish()?;
        fs::rename(&self.partial, &self.path).map_err(Error::io("rename", &self.partial))?;
        files::sync_dir(
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        )
    }
}

/// A Parquet file of measurements that is read group by group.
pub struct MeasurementReader {
    table: Table,
}

impl MeasurementReader {
    /// Opens a file that [`MeasurementWriter`] or another program wrote.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { table: Table::open(path)? })
    }

    /// The rows of each group; no more than one group is in memory.
    pub fn groups(&self) -> impl Iterator<Item = Result<Vec<MeasurementRow>, Error>> {
        (0..self.table.groups()).map(|group| read_group(&self.table, group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seed: u8) -> MeasurementRow {
        MeasurementRow {
            sha256: Digest::of([seed]),
            kind: "faces".to_owned(),
            probe: Digest::of("a model"),
            value: format!("[{{\"score\":0.{seed}}}]"),
        }
    }

    #[test]
    fn rows_are_read_back_group_by_group_and_no_partial_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.parquet");
        let mut writer = MeasurementWriter::create(&path).unwrap();
        writer.write(&[row(1), row(2)]).unwrap();
        assert!(!path.exists());
        writer.write(&[row(3)]).unwrap();
        writer.finish().unwrap();
        let groups: Vec<_> =
            MeasurementReader::open(&path).unwrap().groups().collect::<Result<_, _>>().unwrap();
        assert_eq!(groups, [vec![row(1), row(2)], vec![row(3)]]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_table_that_is_written_group_by_group_has_the_bytes_of_one_that_is_written_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let [parts, whole] = ["parts.parquet", "whole.parquet"].map(|name| folder.path().join(name));
        let rows: Vec<_> = (0..=ROW_GROUP_ROWS).map(|at| row((at % 251) as u8)).collect();
        write(&parts, &rows).unwrap();
        crate::table::write(&whole, &columns(&rows)).unwrap();
        assert!(fs::read(&parts).unwrap() == fs::read(&whole).unwrap());
        assert_eq!(Table::open(&parts).unwrap().groups(), 2);
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused_by_its_column() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.parquet");
        let columns = [Column::required("sha256", "", ["no digest"].into_iter())];
        crate::table::write(&path, &columns).unwrap();
        let reader = MeasurementReader::open(&path).unwrap();
        let error = reader.groups().next().unwrap().unwrap_err().to_string();
        assert!(error.contains("all.parquet") && error.contains("`kind`"), "{error}");
    }
}
