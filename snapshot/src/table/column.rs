//! A column: what it is called, what it means, and its values.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::schema::types::{ColumnPath, Type, TypePtr};

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
    pub(super) group: Option<&'static str>,
    pub(super) values: Values,
    /// How many values each row has.
    pub(super) lengths: Vec<usize>,
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

    /// The same column, of one value in each row, as a field of the struct `group`. Struct and field may be
    /// null, although none is: `datasets` takes a struct for a picture only then.
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

    pub(super) fn schema(&self) -> Result<TypePtr> {
        let (physical, logical) = match self.values {
            Values::Text(_) => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            Values::Bytes(_) => (PhysicalType::BYTE_ARRAY, None),
            Values::Float(_) => (PhysicalType::FLOAT, None),
            Values::Double(_) => (PhysicalType::DOUBLE, None),
            Values::Int(_) => (PhysicalType::INT64, None),
            Values::Bool(_) => (PhysicalType::BOOLEAN, None),
        };
        let leaf = |name: &str, repetition| build_leaf(name, physical, logical.clone(), repetition);
        match self.shape {
            Shape::Required => leaf(self.name, Repetition::REQUIRED),
            Shape::Nullable => leaf(self.name, Repetition::OPTIONAL),
            Shape::List => build_list(self.name, leaf("element", Repetition::REQUIRED)?),
            Shape::Rows(_) => {
                build_list(self.name, build_list("element", leaf("element", Repetition::REQUIRED)?)?)
            }
        }
    }

    /// Where its values stand in the schema.
    pub(super) fn path(&self) -> ColumnPath {
        let levels: &[&str] = match self.shape {
            Shape::Required | Shape::Nullable => &[],
            Shape::List => &["list", "element"],
            Shape::Rows(_) => &["list", "element", "list", "element"],
        };
        let parts = self.group.into_iter().chain([self.name]).chain(levels.iter().copied());
        ColumnPath::new(parts.map(str::to_owned).collect())
    }
}

fn build_leaf(
    name: &str,
    physical: PhysicalType,
    logical: Option<LogicalType>,
    repetition: Repetition,
) -> Result<TypePtr> {
    Type::primitive_type_builder(name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .build()
        .map(Arc::new)
}

fn build_group(
    name: &str,
    repetition: Repetition,
    logical: Option<LogicalType>,
    field: TypePtr,
) -> Result<TypePtr> {
    Type::group_type_builder(name)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .with_fields(vec![field])
        .build()
        .map(Arc::new)
}

fn build_list(name: &str, item: TypePtr) -> Result<TypePtr> {
    build_group(
        name,
        Repetition::REQUIRED,
        Some(LogicalType::List),
        build_group("list", Repetition::REPEATED, None, item)?,
    )
}
