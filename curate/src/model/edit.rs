//! Changes `models.toml`; its comments stay.

use std::fs;
use std::path::{Path, PathBuf};

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, value};

use super::error::ModelError;
use super::registry::{Fallback, ModelEntry, Registry};

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
    set(table, "name", Some(entry.name.as_str().into()));
    set(table, "role", Some(entry.role.name().into()));
    set(table, "file", Some(entry.file.display().to_string().into()));
    set(table, "sha256", Some(entry.sha256.to_string().into()));
    set(table, "input_size", Some(size.into()));
    set(table, "input_multiple", entry.input_multiple.map(|multiple| i64::from(multiple).into()));
    set(table, "normalisation", Some(entry.normalisation.name().into()));
    set(table, "output", Some(entry.output.as_str().into()));
    set(table, "exact", entry.fallback.as_ref().map(fallback));
    set(table, "licence", entry.licence.as_deref().map(Into::into));
    set(table, "source", entry.source.as_deref().map(Into::into));
}

fn set(table: &mut Table, key: &str, new: Option<toml_edit::Value>) {
    match (new, table.get_mut(key)) {
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
    }
}

fn fallback(fallback: &Fallback) -> toml_edit::Value {
    let mut table = InlineTable::new();
    table.insert("name", fallback.name.as_str().into());
    table.insert("file", fallback.file.display().to_string().into());
    table.insert("sha256", fallback.sha256.to_string().into());
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
