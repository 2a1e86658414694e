//! Parquet tables as plain columns of text and numbers: required, nullable or lists.
//!
//! Written uncompressed: the tables are small beside the shards, and so no codec's version can move the bytes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::error::Error;

/// Rows of a row group: enough to make the footer small, few enough to read one group at a time.
const ROW_GROUP_ROWS: usize = 65_536;

/// How many values a row of a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One.
    Required,
    /// None or one.
    Nullable,
    /// Any number.
    List,
}

/// A column: what it is called, what it means, and its values.
pub(crate) struct Column {
    pub name: &'static str,
    pub description: &'static str,
    pub shape: Shape,
    values: Values,
    /// How many values each row has.
    lengths: Vec<usize>,
}

/// The values of all rows, one after the other.
pub(crate) enum Values {
    Text(Vec<ByteArray>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Int(Vec<i64>),
}

/// What a value of a column can be in Rust.
pub(crate) trait Value: Sized {
    fn collect(values: impl Iterator<Item = Self>) -> Values;
}

impl Value for &str {
    fn collect(values: impl Iterator<Item = Self>) -> Values {
        Values::Text(values.map(ByteArray::from).collect())
    }
}

impl Value for f32 {
    fn collect(values: impl Iterator<Item = Self>) -> Values {
        Values::Float(values.collect())
    }
}

impl Value for f64 {
    fn collect(values: impl Iterator<Item = Self>) -> Values {
        Values::Double(values.collect())
    }
}

impl Value for i64 {
    fn collect(values: impl Iterator<Item = Self>) -> Values {
        Values::Int(values.collect())
    }
}

impl Column {
    /// A column with one value in each row.
    pub fn required<V: Value>(
        name: &'static str,
        description: &'static str,
        rows: impl ExactSizeIterator<Item = V>,
    ) -> Self {
        let lengths = vec![1; rows.len()];
        Self { name, description, shape: Shape::Required, values: V::collect(rows), lengths }
    }

    /// A column with a value or none in each row.
    pub fn nullable<V: Value>(
        name: &'static str,
        description: &'static str,
        rows: impl Iterator<Item = Option<V>> + Clone,
    ) -> Self {
        let lengths = rows.clone().map(|value| usize::from(value.is_some())).collect();
        Self { name, description, shape: Shape::Nullable, values: V::collect(rows.flatten()), lengths }
    }

    /// A column with a list in each row.
    pub fn list<V: Value, R: IntoIterator<Item = V>>(
        name: &'static str,
        description: &'static str,
        rows: impl Iterator<Item = R>,
    ) -> Self {
        let mut lengths = Vec::new();
        let mut values = Vec::new();
        for row in rows {
            let before = values.len();
            values.extend(row);
            lengths.push(values.len() - before);
        }
        Self { name, description, shape: Shape::List, values: V::collect(values.into_iter()), lengths }
    }

    /// The type's name in Croissant's vocabulary.
    pub fn croissant_type(&self) -> &'static str {
        match self.values {
            Values::Text(_) => "sc:Text",
            Values::Float(_) | Values::Double(_) => "sc:Float",
            Values::Int(_) => "sc:Integer",
        }
    }

    fn schema(&self) -> Result<TypePtr> {
        let (physical, logical) = match self.values {
            Values::Text(_) => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            Values::Float(_) => (PhysicalType::FLOAT, None),
            Values::Double(_) => (PhysicalType::DOUBLE, None),
            Values::Int(_) => (PhysicalType::INT64, None),
        };
        let leaf = |name, repetition| {
            Type::primitive_type_builder(name, physical)
                .with_repetition(repetition)
                .with_logical_type(logical.clone())
                .build()
                .map(Arc::new)
        };
        let group = |name, repetition, logical, field| {
            Type::group_type_builder(name)
                .with_repetition(repetition)
                .with_logical_type(logical)
                .with_fields(vec![field])
                .build()
                .map(Arc::new)
        };
        match self.shape {
            Shape::Required => leaf(self.name, Repetition::REQUIRED),
            Shape::Nullable => leaf(self.name, Repetition::OPTIONAL),
            Shape::List => {
                let items =
                    group("list", Repetition::REPEATED, None, leaf("element", Repetition::REQUIRED)?)?;
                group(self.name, Repetition::REQUIRED, Some(LogicalType::List), items)
            }
        }
    }

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
            Values::Text(values) => {
                write_leaf::<ByteArrayType>(group, self.shape, lengths, &values[first..end])
            }
            Values::Float(values) => write_leaf::<FloatType>(group, self.shape, lengths, &values[first..end]),
            Values::Double(values) => {
                write_leaf::<DoubleType>(group, self.shape, lengths, &values[first..end])
            }
            Values::Int(values) => write_leaf::<Int64Type>(group, self.shape, lengths, &values[first..end]),
        }?;
        Ok(end)
    }
}

/// Writes values with Dremel's levels: definition 1 where there is a value, repetition 1 where it continues a list.
fn write_leaf<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    shape: Shape,
    lengths: &[usize],
    values: &[T::T],
) -> Result<()> {
    let mut column =
        group.next_column()?.ok_or_else(|| ParquetError::General("more columns than the schema".into()))?;
    let typed = column.typed::<T>();
    if shape == Shape::Required {
        typed.write_batch(values, None, None)?;
    } else {
        let mut definitions = Vec::with_capacity(values.len());
        let mut repetitions = Vec::with_capacity(values.len());
        for &length in lengths {
            definitions.extend(std::iter::repeat_n(i16::from(length > 0), length.max(1)));
            repetitions.extend((0..length.max(1)).map(|i| i16::from(i > 0)));
        }
        let repetitions = (shape == Shape::List).then_some(repetitions.as_slice());
        typed.write_batch(values, Some(&definitions), repetitions)?;
    }
    column.close()
}

/// Writes columns of equal length as a Parquet file and sees it to the disk.
pub(crate) fn write(path: &Path, columns: &[Column]) -> std::result::Result<(), Error> {
    let file = File::create_new(path).map_err(Error::io("create", path))?;
    let on_disk = file.try_clone().map_err(Error::io("create", path))?;
    write_columns(file, columns).map_err(|error| match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => Error::io("write", path)(*source),
            Err(source) => Error::parquet(path)(ParquetError::External(source)),
        },
        other => Error::parquet(path)(other),
    })?;
    on_disk.sync_all().map_err(Error::io("write", path))
}

fn write_columns(file: File, columns: &[Column]) -> Result<()> {
    let fields = columns.iter().map(Column::schema).collect::<Result<_>>()?;
    let schema = Arc::new(Type::group_type_builder("row").with_fields(fields).build()?);
    // the default names the version and the commit of the parquet crate
    let properties = Arc::new(WriterProperties::builder().set_created_by("bolid".to_owned()).build());
    let mut writer = SerializedFileWriter::new(file, schema, properties)?;
    let rows = columns.first().map_or(0, |column| column.lengths.len());
    let mut firsts = vec![0; columns.len()];
    for from in (0..rows).step_by(ROW_GROUP_ROWS) {
        let mut group = writer.next_row_group()?;
        for (column, first) in columns.iter().zip(&mut firsts) {
            *first = column.write(&mut group, (from, rows.min(from + ROW_GROUP_ROWS)), *first)?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// A Parquet file that is open for reading.
pub(crate) struct Table {
    path: PathBuf,
    reader: SerializedFileReader<File>,
}

impl Table {
    pub fn open(path: &Path) -> std::result::Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let reader = SerializedFileReader::new(file).map_err(Error::parquet(path))?;
        Ok(Self { path: path.to_owned(), reader })
    }

    pub fn texts(&self, name: &str) -> std::result::Result<Vec<Vec<String>>, Error> {
        let rows = self.rows::<ByteArrayType>(name, PhysicalType::BYTE_ARRAY)?;
        let text = |bytes: ByteArray| bytes.as_utf8().map(str::to_owned).map_err(Error::parquet(&self.path));
        rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
    }

    pub fn floats(&self, name: &str) -> std::result::Result<Vec<Vec<f32>>, Error> {
        self.rows::<FloatType>(name, PhysicalType::FLOAT)
    }

    pub fn doubles(&self, name: &str) -> std::result::Result<Vec<Vec<f64>>, Error> {
        self.rows::<DoubleType>(name, PhysicalType::DOUBLE)
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
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let index = (0..schema.num_columns())
            .find(|&i| schema.column(i).path().parts().first().is_some_and(|part| part == name))
            .ok_or_else(|| self.wrong(format!("there is no column `{name}`")))?;
        let leaf = schema.column(index);
        if leaf.physical_type() != physical || leaf.max_def_level() > 1 || leaf.max_rep_level() > 1 {
            return Err(self.wrong(format!("column `{name}` is no column of {physical}")));
        }
        let mut rows = Vec::new();
        for group in 0..self.reader.num_row_groups() {
            self.read_group::<T>(group, index, &mut rows).map_err(Error::parquet(&self.path))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_and_type_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.parquet");
        let names = ["Ада", "", "c"];
        let columns = [
            Column::required("name", "", names.into_iter()),
            Column::nullable("score", "", [Some(0.5_f32), None, Some(-1.0)].into_iter()),
            Column::list("box", "", [vec![1.0_f64, 2.0], vec![], vec![3.0]].into_iter()),
            Column::list("reasons", "", [vec![], vec!["a", "b"], vec![""]].into_iter()),
            Column::required("row", "", [7_i64, -1, i64::MAX].into_iter()),
        ];
        write(&path, &columns).unwrap();
        let table = Table::open(&path).unwrap();
        assert_eq!(table.texts("name").unwrap(), [["Ада"], [""], ["c"]]);
        assert_eq!(table.floats("score").unwrap(), [vec![0.5], vec![], vec![-1.0]]);
        assert_eq!(table.doubles("box").unwrap(), [vec![1.0, 2.0], vec![], vec![3.0]]);
        assert_eq!(table.texts("reasons").unwrap(), [vec![], vec!["a", "b"], vec![""]]);
        assert_eq!(table.ints("row").unwrap(), [[7], [-1], [i64::MAX]]);
        assert!(table.ints("nome").unwrap_err().to_string().contains("`nome`"));
        assert!(table.ints("name").unwrap_err().to_string().contains("INT64"));
    }

    #[test]
    fn rows_of_several_row_groups_are_read_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.parquet");
        let rows = ROW_GROUP_ROWS + 3;
        let lists = (0..rows).map(|i| vec![i as f32; i % 3]);
        write(&path, &[Column::list("l", "", lists.clone())]).unwrap();
        assert_eq!(Table::open(&path).unwrap().floats("l").unwrap(), lists.collect::<Vec<_>>());
    }
}
