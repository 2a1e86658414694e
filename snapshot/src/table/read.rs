//! Reading columns by their names.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::Type as PhysicalType;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::guard::guarded;
use crate::error::Error;

/// A Parquet file that is open for reading.
pub(crate) struct Table {
    path: PathBuf,
    reader: SerializedFileReader<File>,
}

impl Table {
    pub fn open(path: &Path) -> std::result::Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let reader = guarded(path, || SerializedFileReader::new(file))?;
        Ok(Self { path: path.to_owned(), reader })
    }

    pub fn texts(&self, name: &str) -> std::result::Result<Vec<Vec<String>>, Error> {
        self.as_texts(self.rows::<ByteArrayType>(name, PhysicalType::BYTE_ARRAY)?)
    }

    /// How many groups of rows there are.
    pub fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// The texts of the rows of one group.
    pub fn texts_of_group(&self, name: &str, group: usize) -> std::result::Result<Vec<Vec<String>>, Error> {
        self.as_texts(self.rows_of::<ByteArrayType>(name, PhysicalType::BYTE_ARRAY, group..group + 1)?)
    }

    fn as_texts(&self, rows: Vec<Vec<ByteArray>>) -> std::result::Result<Vec<Vec<String>>, Error> {
        let text = |bytes: ByteArray| bytes.as_utf8().map(str::to_owned).map_err(Error::parquet(&self.path));
        rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
    }

    pub fn floats(&self, name: &str) -> std::result::Result<Vec<Vec<f32>>, Error> {
        self.rows::<FloatType>(name, PhysicalType::FLOAT)
    }

    pub fn doubles(&self, name: &str) -> std::result::Result<Vec<Vec<f64>>, Error> {
        self.rows::<DoubleType>(name, PhysicalType::DOUBLE)
    }

    pub fn bools(&self, name: &str) -> std::result::Result<Vec<Vec<bool>>, Error> {
        self.rows::<BoolType>(name, PhysicalType::BOOLEAN)
    }

    pub fn ints(&self, name: &str) -> std::result::Result<Vec<Vec<i64>>, Error> {
        self.rows::<Int64Type>(name, PhysicalType::INT64)
    }

    /// Whether there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        schema.columns().iter().any(|column| column.path().parts().first().is_some_and(|part| part == name))
    }

    /// An error about this file.
    pub fn wrong(&self, what: impl Into<String>) -> Error {
        Error::Table { path: self.path.clone(), what: what.into() }
    }

    /// The values of each row of the column `name`.
    fn rows<T: DataType>(
        &self,
        name: &str,
        physical: PhysicalType,
    ) -> std::result::Result<Vec<Vec<T::T>>, Error> {
        self.rows_of::<T>(name, physical, 0..self.groups())
    }

    /// The values of each row of some groups.
    fn rows_of<T: DataType>(
        &self,
        name: &str,
        physical: PhysicalType,
        groups: std::ops::Range<usize>,
    ) -> std::result::Result<Vec<Vec<T::T>>, Error> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let index = (0..schema.num_columns())
            .find(|&i| schema.column(i).path().parts().first().is_some_and(|part| part == name))
            .ok_or_else(|| self.wrong(format!("there is no column `{name}`")))?;
        let leaf = schema.column(index);
        if leaf.physical_type() != physical || leaf.max_def_level() > 1 || leaf.max_rep_level() > 1 {
            return Err(self.wrong(format!("column `{name}` is no column of {physical}")));
        }
        let mut rows = Vec::new();
        for group in groups {
            guarded(&self.path, || self.read_group::<T>(group, index, &mut rows))?;
        }
        Ok(rows)
    }

    fn read_group<T: DataType>(&self, group: usize, index: usize, rows: &mut Vec<Vec<T::T>>) -> Result<()> {
        let group = self.reader.get_row_group(group)?;
        let count = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let mut column = get_typed_column_reader::<T>(group.get_column_reader(index)?);
        let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        let mut read = 0;
        while read < count {
            let (records, ..) = column.read_records(
                count - read,
                Some(&mut definitions),
                Some(&mut repetitions),
                &mut values,
            )?;
            if records == 0 {
                return Err(ParquetError::EOF(format!("{count} rows were promised, {read} are there")));
            }
            read += records;
        }
        if definitions.is_empty() {
            rows.extend(values.into_iter().map(|value| vec![value]));
            return Ok(());
        }
        let mut values = values.into_iter();
        for (i, &definition) in definitions.iter().enumerate() {
            if repetitions.get(i).is_none_or(|&repetition| repetition == 0) {
                rows.push(Vec::new());
            }
            if let (1, Some(row)) = (definition, rows.last_mut()) {
                row.extend(values.next());
            }
        }
        Ok(())
    }
}
