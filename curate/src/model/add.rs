//! `models add`: inspects an ONNX file for a role and declares it in `models.toml`, whose comments stay.

use std::fs;
use std::path::{Path, PathBuf};

use photo::Digest;
use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, value};

use super::network::{self, Network};
use super::{Device, Exact, ModelEntry, ModelError, Registry, Role, Runtime};
use crate::tensor::Normalisation;

/// What is said of a model that is added; the rest is read from its file.
#[derive(Clone, Debug)]
pub struct NewModel {
    /// The name in the registry; an entry of this name is replaced.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The ONNX file.
    pub file: PathBuf,
    /// The normalisation; without, the usual one of the role.
    pub normalisation: Option<Normalisation>,
    /// Of a variant, the model it was made of.
    pub exact: Option<Exact>,
    /// The licence of the weights.
    pub licence: Option<String>,
    /// Where the file comes from.
    pub source: Option<String>,
}

impl NewModel {
    /// An original with what is usual for its role.
    pub fn new(name: impl Into<String>, role: Role, file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            role,
            file: file.into(),
            normalisation: None,
            exact: None,
            licence: None,
            source: None,
        }
    }
}

/// Checks that the file fits its role and declares it in the registry, which is created where there is none.
///
/// # Errors
/// When the file cannot be read or does not fit, or the registry cannot be changed; then it is left as it was.
pub fn add(registry: &Path, new: &NewModel, runtime: &Runtime) -> Result<ModelEntry, ModelError> {
    let entry = inspect(registry, new, runtime)?;
    declare(registry, &entry)?;
    Ok(entry)
}

/// The entry that a file would have in the registry, once it was checked that it fits its role.
///
/// # Errors
/// When the file cannot be read or does not fit.
pub fn inspect(registry: &Path, new: &NewModel, runtime: &Runtime) -> Result<ModelEntry, ModelError> {
    let bytes = network::read(&new.name, &new.file)?;
    let dimensions = network::input_dimensions(&bytes, runtime).map_err(|error| ModelError::Onnx {
        doing: "load",
        name: new.name.clone(),
        file: new.file.clone(),
        detail: error.to_string(),
    })?;
    let [usual_width, usual_height] = new.role.usual_input();
    let fixed = |axis: usize, usual: u32| {
        let length = dimensions.as_ref().and_then(|dimensions| dimensions.get(axis).copied());
        length.and_then(|length| u32::try_from(length).ok()).filter(|&length| length > 0).unwrap_or(usual)
    };
    let entry = ModelEntry {
        name: new.name.clone(),
        role: new.role,
        file: relative_to(registry, &new.file),
        sha256: Digest::of(&bytes),
        input_size: [fixed(3, usual_width), fixed(2, usual_height)],
        input_multiple: None,
        normalisation: new.normalisation.unwrap_or(new.role.usual_normalisation()),
        output: new.role.output().to_owned(),
        exact: new.exact.clone(),
        licence: new.licence.clone(),
        source: new.source.clone(),
    };
    let is_open =
        |axis: usize| dimensions.as_ref().is_some_and(|d| d.get(axis).is_some_and(|&length| length < 0));
    let network = Network::from_bytes(entry, &new.file, bytes, runtime, Device::Cpu)?;
    let multiple = if is_open(2) && is_open(3) { network.smallest_multiple() } else { None };
    Ok(ModelEntry { input_multiple: multiple, ..network.entry })
}

/// Takes the entry of a name out of the registry; the model's file stays.
///
/// # Errors
/// When there is none, or the registry cannot be changed; then it is left as it was.
pub fn remove(registry: &Path, name: &str) -> Result<ModelEntry, ModelError> {
    let removed = Registry::read(registry)?.named(name)?.clone();
    let mut document = read(registry)?;
    let models = entries(registry, &mut document)?;
    models.retain(|table| table.get("name").and_then(Item::as_str) != Some(name));
    save(registry, &document)?;
    Ok(removed)
}

/// A file beneath the registry's folder is named relative to it, so that the folder can be moved.
pub fn relative_to(registry: &Path, file: &Path) -> PathBuf {
    let absolute = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    let folder = registry.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (absolute(folder), absolute(file)) {
        (Ok(folder), Ok(file)) => file.strip_prefix(&folder).map_or(file.clone(), Path::to_path_buf),
        _ => file.to_owned(),
    }
}

/// Enters a model into the registry, in the place of one of the same name.
///
/// # Errors
/// When the registry cannot be changed; then it is left as it was.
pub fn declare(registry: &Path, entry: &ModelEntry) -> Result<(), ModelError> {
    let mut document = read(registry)?;
    let models = entries(registry, &mut document)?;
    let has_name = |table: &Table| table.get("name").and_then(Item::as_str) == Some(&entry.name);
    let same = (0..models.len()).find(|&i| models.get(i).is_some_and(has_name));
    match same.and_then(|i| models.get_mut(i)) {
        Some(table) => fill(table, entry),
        None => {
            let mut table = Table::new();
            fill(&mut table, entry);
            models.push(table);
        }
    }
    save(registry, &document)
}

fn syntax(registry: &Path, detail: String) -> ModelError {
    ModelError::RegistrySyntax { path: registry.to_owned(), detail }
}

/// The registry's text; that of a new one is empty.
fn read(registry: &Path) -> Result<DocumentMut, ModelError> {
    let text = match fs::read_to_string(registry) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(cause) => {
            return Err(ModelError::RegistryFile { doing: "read", path: registry.to_owned(), cause });
        }
    };
    text.parse().map_err(|error: toml_edit::TomlError| syntax(registry, error.to_string()))
}

fn entries<'a>(registry: &Path, document: &'a mut DocumentMut) -> Result<&'a mut ArrayOfTables, ModelError> {
    let models = document.entry("model").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    models
        .as_array_of_tables_mut()
        .ok_or_else(|| syntax(registry, "`model` is no array of tables".to_owned()))
}

fn save(registry: &Path, document: &DocumentMut) -> Result<(), ModelError> {
    write(registry, &document.to_string()).map_err(|cause| ModelError::RegistryFile {
        doing: "write",
        path: registry.to_owned(),
        cause,
    })
}

fn fill(table: &mut Table, entry: &ModelEntry) {
    let size: toml_edit::Array = entry.input_size.iter().map(|&side| i64::from(side)).collect();
    let mut set = |key: &str, new: Option<toml_edit::Value>| match (new, table.get_mut(key)) {
        (Some(new), Some(Item::Value(old))) => {
            let decor = old.decor().clone(); // keeps the comment behind the value
            *old = new;
            *old.decor_mut() = decor;
        }
        (Some(new), _) => {
            table.insert(key, value(new));
        }
        (None, _) => {
            table.remove(key);
        }
    };
    set("name", Some(entry.name.as_str().into()));
    set("role", Some(entry.role.name().into()));
    set("file", Some(entry.file.display().to_string().into()));
    set("sha256", Some(entry.sha256.to_string().into()));
    set("input_size", Some(size.into()));
    set("input_multiple", entry.input_multiple.map(|multiple| i64::from(multiple).into()));
    set("normalisation", Some(entry.normalisation.name().into()));
    set("output", Some(entry.output.as_str().into()));
    set("exact", entry.exact.as_ref().map(exact));
    set("licence", entry.licence.as_deref().map(Into::into));
    set("source", entry.source.as_deref().map(Into::into));
}

fn exact(exact: &Exact) -> toml_edit::Value {
    let mut table = InlineTable::new();
    table.insert("name", exact.name.as_str().into());
    table.insert("file", exact.file.display().to_string().into());
    table.insert("sha256", exact.sha256.to_string().into());
    table.into()
}

/// Writes beside the file and renames, so that a full disk never leaves half a registry.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("toml.tmp");
    fs::write(&beside, text)?;
    fs::rename(&beside, path)
}
