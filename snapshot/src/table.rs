//! Parquet tables as plain columns of text, numbers and bytes: required, nullable or lists.
//!
//! Written uncompressed: the tables are small beside the shards, and so no codec's version can move the bytes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

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
    /// Any number of lists of this length.
    Rows(usize),
}

/// A column: what it is called, what it means, and its values.
pub(crate) struct Column {
    pub name: &'static str,
    pub description: &'static str,
    pub shape: Shape,
    /// The struct that it is a field of. Fields of one struct stand side by side.
    group: Option<&'static str>,
    values: Values,
    /// How many values each row has.
    lengths: Vec<usize>,
}

/// The values of all rows, one after the other.
pub(crate) enum Values {
    Text(Vec<ByteArray>),
    Bytes(Vec<ByteArray>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Int(Vec<i64>),
    Bool(Vec<bool>),
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

impl Value for Vec<u8> {
    fn collect(values: impl Iterator<Item = Self>) -> Values {
        Values::Bytes(values.map(ByteArray::from).collect())
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

impl Value for bool {
    fn collect(values: impl Iterator<Item = Self>) -> Values {
        Values::Bool(values.collect())
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
        Self { name, description, shape: Shape::Required, group: None, values: V::collect(rows), lengths }
    }

    /// A column with a value or none in each row.
    pub fn nullable<V: Value>(
        name: &'static str,
        description: &'static str,
        rows: impl Iterator<Item = Option<V>> + Clone,
    ) -> Self {
        let lengths = rows.clone().map(|value| usize::from(value.is_some())).collect();
        Self {
            name,
            description,
            shape: Shape::Nullable,
            group: None,
            values: V::collect(rows.flatten()),
            lengths,
        }
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
        Self {
            name,
            description,
            shape: Shape::List,
            group: None,
            values: V::collect(values.into_iter()),
            lengths,
        }
    }

    /// The same list as lists of `length` values.
    pub fn in_rows_of(self, length: usize) -> Self {
        Self { shape: Shape::Rows(length), ..self }
    }

    /// The same column, of one value in each row, as a field of the struct `group`. Struct and field may be null, although
    /// none is: `datasets` takes a struct for a picture only then.
    pub fn in_group(self, group: &'static str) -> Self {
        Self { group: Some(group), shape: Shape::Nullable, ..self }
    }

    /// The type's name in Croissant's vocabulary.
    pub fn croissant_type(&self) -> &'static str {
        match self.values {
            Values::Text(_) => "sc:Text",
            Values::Bytes(_) => "sc:ImageObject",
            Values::Float(_) | Values::Double(_) => "sc:Float",
            Values::Int(_) => "sc:Integer",
            Values::Bool(_) => "sc:Boolean",
        }
    }

    fn schema(&self) -> Result<TypePtr> {
        let (physical, logical) = match self.values {
            Values::Text(_) => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            Values::Bytes(_) => (PhysicalType::BYTE_ARRAY, None),
            Values::Float(_) => (PhysicalType::FLOAT, None),
            Values::Double(_) => (PhysicalType::DOUBLE, None),
            Values::Int(_) => (PhysicalType::INT64, None),
            Values::Bool(_) => (PhysicalType::BOOLEAN, None),
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
        let list_of = |name, item| {
            group(
                name,
                Repetition::REQUIRED,
                Some(LogicalType::List),
                group("list", Repetition::REPEATED, None, item)?,
            )
        };
        match self.shape {
            Shape::Required => leaf(self.name, Repetition::REQUIRED),
            Shape::Nullable => leaf(self.name, Repetition::OPTIONAL),
            Shape::List => list_of(self.name, leaf("element", Repetition::REQUIRED)?),
            Shape::Rows(_) => list_of(self.name, list_of("element", leaf("element", Repetition::REQUIRED)?)?),
        }
    }

    /// Where its values stand in the schema.
    fn path(&self) -> ColumnPath {
        let levels: &[&str] = match self.shape {
            Shape::Required | Shape::Nullable => &[],
            Shape::List => &["list", "element"],
            Shape::Rows(_) => &["list", "element", "list", "element"],
        };
        let parts = self.group.into_iter().chain([self.name]).chain(levels.iter().copied());
        ColumnPath::new(parts.map(str::to_owned).collect())
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

/// Writes values with Dremel's levels. Definition: how many of the levels that may be empty are there. Repetition: 1 where
/// a value continues a list; of lists of lists, 1 where an inner list begins and 2 where it goes on.
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
        let write = || {
            let mut group = self.writer.next_row_group()?;
            for (column, first) in columns.iter().zip(firsts) {
                *first = column.write(&mut group, range, *first)?;
            }
            group.close()
        };
        write().map(drop).map_err(Self::error(&self.path))
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
    fn structs_bytes_and_lists_of_lists_are_read_back_by_the_parquet_crate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.parquet");
        let columns = |pictures: [Vec<u8>; 2], lists: [Vec<f32>; 2]| {
            [
                Column::required("bytes", "", pictures.into_iter()).in_group("image"),
                Column::required("path", "", ["a.jpg", "b.png"].into_iter()).in_group("image"),
                Column::list("joints", "", lists.into_iter()).in_rows_of(3),
            ]
        };
        let none = columns([vec![], vec![]], [vec![], vec![]]);
        let mut writer = TableWriter::create(&path, &none, &[("huggingface", "{}".to_owned())]).unwrap();
        let lists = [vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![]];
        writer.write_group(&columns([vec![0, 255], vec![7]], lists)).unwrap();
        let lists = [vec![7.0, 8.0, 9.0], vec![1.0, 1.0, 1.0]];
        writer.write_group(&columns([vec![1], vec![]], lists)).unwrap();
        writer.finish().unwrap();

        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.num_row_groups(), 2);
        assert_eq!(reader.metadata().file_metadata().key_value_metadata().unwrap()[0].key, "huggingface");
        let rows: Vec<String> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(
            rows,
            [
                r#"{image: {bytes: [0, 255], path: "a.jpg"}, joints: [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}"#,
                r#"{image: {bytes: [7], path: "b.png"}, joints: []}"#,
                r#"{image: {bytes: [1], path: "a.jpg"}, joints: [[7.0, 8.0, 9.0]]}"#,
                r#"{image: {bytes: [], path: "b.png"}, joints: [[1.0, 1.0, 1.0]]}"#,
            ]
        );
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
