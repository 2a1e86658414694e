//! Writing: a whole table at once, or group by group.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Repetition;
use parquet::data_type::{BoolType, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::column::{Column, Shape, Values};
use crate::error::Error;

/// Rows of a row group: enough to make the footer small, few enough to read one group at a time.
pub(crate) const ROW_GROUP_ROWS: usize = 65_536;

impl Column {
    /// Writes the rows `from..to`, whose values begin at `first`; returns where the next rows' values begin.
    fn write(
        &self,
        group: &mut SerializedRowGroupWriter<'_, File>,
        (from, to): (usize, usize),
        first: usize,
    ) -> Result<usize> {
        let lengths = &self.lengths[from..to];
        let end = first + lengths.iter().sum::<usize>();
        match &self.values {
            Values::Text(values) | Values::Bytes(values) => {
                write_leaf::<ByteArrayType>(group, self, lengths, &values[first..end])
            }
            Values::Float(values) => write_leaf::<FloatType>(group, self, lengths, &values[first..end]),
            Values::Double(values) => write_leaf::<DoubleType>(group, self, lengths, &values[first..end]),
            Values::Int(values) => write_leaf::<Int64Type>(group, self, lengths, &values[first..end]),
            Values::Bool(values) => write_leaf::<BoolType>(group, self, lengths, &values[first..end]),
        }?;
        Ok(end)
    }
}

/// Writes values with Dremel's levels. Definition: how many of the levels that may be empty are there.
/// Repetition: 1 where a value continues a list; of lists of lists, 1 where an inner list begins and 2 where
/// it goes on.
fn write_leaf<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    Column { shape, group: of_struct, .. }: &Column,
    lengths: &[usize],
    values: &[T::T],
) -> Result<()> {
    let (shape, around) = (*shape, i16::from(of_struct.is_some()));
    let mut column =
        group.next_column()?.ok_or_else(|| ParquetError::General("more columns than the schema".into()))?;
    let typed = column.typed::<T>();
    if shape == Shape::Required {
        typed.write_batch(values, None, None)?;
    } else {
        let mut definitions = Vec::with_capacity(values.len());
        let mut repetitions = Vec::with_capacity(values.len());
        let defined = if matches!(shape, Shape::Rows(_)) { 2 } else { 1 };
        let repeated = |i: usize| match shape {
            Shape::Rows(length) if !i.is_multiple_of(length) => 2,
            _ => i16::from(i > 0),
        };
        for &length in lengths {
            let defined = around + if length > 0 { defined } else { 0 };
            definitions.extend(std::iter::repeat_n(defined, length.max(1)));
            repetitions.extend((0..length.max(1)).map(repeated));
        }
        let repetitions = (shape != Shape::Nullable).then_some(repetitions.as_slice());
        typed.write_batch(values, Some(&definitions), repetitions)?;
    }
    column.close()
}

/// Writes columns of equal length as a Parquet file and sees it to the disk.
pub(crate) fn write(path: &Path, columns: &[Column]) -> std::result::Result<(), Error> {
    let mut writer = TableWriter::create(path, columns, &[])?;
    let rows = columns.first().map_or(0, |column| column.lengths.len());
    let mut firsts = vec![0; columns.len()];
    for from in (0..rows).step_by(ROW_GROUP_ROWS) {
        writer.write_rows(columns, (from, rows.min(from + ROW_GROUP_ROWS)), &mut firsts)?;
    }
    writer.finish()
}

/// A Parquet file that is written group by group, where a table does not fit into memory.
pub(crate) struct TableWriter {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
    on_disk: File,
}

impl TableWriter {
    /// Begins a file of these columns, whatever rows they hold, with key-value metadata.
    pub fn create(
        path: &Path,
        columns: &[Column],
        metadata: &[(&str, String)],
    ) -> std::result::Result<Self, Error> {
        let file = File::create_new(path).map_err(Error::io("create", path))?;
        let on_disk = file.try_clone().map_err(Error::io("create", path))?;
        // the default names the version and the commit of the parquet crate
        let mut properties = WriterProperties::builder().set_created_by("bolid".to_owned());
        for column in columns.iter().filter(|column| matches!(column.values, Values::Bytes(_))) {
            // No two pictures are equal, and none is a bound of the others.
            properties = properties
                .set_column_dictionary_enabled(column.path(), false)
                .set_column_statistics_enabled(column.path(), EnabledStatistics::None);
        }
        let metadata = metadata.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
        let metadata: Vec<_> = metadata.collect();
        let properties = properties.set_key_value_metadata((!metadata.is_empty()).then_some(metadata));
        let writer = schema(columns)
            .and_then(|schema| SerializedFileWriter::new(file, schema, Arc::new(properties.build())))
            .map_err(Self::error(path))?;
        Ok(Self { path: path.to_owned(), writer, on_disk })
    }

    /// Writes all rows of the columns as one group.
    pub fn write_group(&mut self, columns: &[Column]) -> std::result::Result<(), Error> {
        let rows = columns.first().map_or(0, |column| column.lengths.len());
        self.write_rows(columns, (0, rows), &mut vec![0; columns.len()])
    }

    /// Writes the rows `range` as one group; `firsts` is where the values of each column begin, and is moved on.
    fn write_rows(
        &mut self,
        columns: &[Column],
        range: (usize, usize),
        firsts: &mut [usize],
    ) -> std::result::Result<(), Error> {
        self.write_columns(columns, range, firsts).map_err(Self::error(&self.path))
    }

    fn write_columns(
        &mut self,
        columns: &[Column],
        range: (usize, usize),
        firsts: &mut [usize],
    ) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        for (column, first) in columns.iter().zip(firsts) {
            *first = column.write(&mut group, range, *first)?;
        }
        group.close().map(drop)
    }

    /// Ends the file and sees it to the disk.
    pub fn finish(self) -> std::result::Result<(), Error> {
        let Self { path, writer, on_disk } = self;
        writer.close().map_err(Self::error(&path))?;
        on_disk.sync_all().map_err(Error::io("write", &path))
    }

    /// What the disk said, where it was the disk.
    fn error(path: &Path) -> impl Fn(ParquetError) -> Error {
        move |error| match error {
            ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(source) => Error::io("write", path)(*source),
                Err(source) => Error::parquet(path)(ParquetError::External(source)),
            },
            other => Error::parquet(path)(other),
        }
    }
}

fn schema(columns: &[Column]) -> Result<TypePtr> {
    let mut fields = Vec::new();
    for columns in columns.chunk_by(|a, b| a.group.is_some() && a.group == b.group) {
        let mut inner = columns.iter().map(Column::schema).collect::<Result<Vec<_>>>()?;
        match columns[0].group {
            None => fields.append(&mut inner),
            Some(name) => {
                let group = Type::group_type_builder(name).with_repetition(Repetition::OPTIONAL);
                fields.push(Arc::new(group.with_fields(inner).build()?));
            }
        }
    }
    Ok(Arc::new(Type::group_type_builder("row").with_fields(fields).build()?))
}
