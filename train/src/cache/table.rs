//! Rows by name in numbered safetensors files.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

use crate::diffusion::tensor_file::TensorFile;
use crate::error::{Error, Result};
use crate::run::{durable, tensors};

/// Rows of a file: small enough that a kill costs seconds, large enough that a million photos are 16,000 files.
pub const ROWS: usize = 64;
/// The key in a file's metadata whose value has the names of its rows, one a line.
const NAMES: &str = "rows";

/// All files of one kind.
#[derive(Debug)]
pub struct Table {
    folder: PathBuf,
    kind: &'static str,
    files: Vec<TensorFile>,
    /// File and row of each name.
    places: HashMap<String, (usize, usize)>,
}

impl Table {
    /// The table `kind` in `folder`. What a kill left unfinished is removed.
    ///
    /// # Errors
    /// Where a file is no file of a table.
    pub fn open(folder: &Path, kind: &'static str) -> Result<Self> {
        durable::remove_abandoned(folder).map_err(|error| Error::malformed(folder, error))?;
        let mut table = Self { folder: folder.to_owned(), kind, files: Vec::new(), places: HashMap::new() };
        while let Some(path) = Some(table.path(table.files.len())).filter(|path| path.is_file()) {
            table.take(&path)?;
        }
        Ok(table)
    }

    /// Which of `names` have no row, in their order, each once.
    pub fn missing<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let mut seen = std::collections::HashSet::new();
        let is_missing = |name: &&String| !self.places.contains_key(*name) && seen.insert((*name).clone());
        names.into_iter().filter(is_missing).cloned().collect()
    }

    /// Adds a file with a row for each of `names`: the tensors are `[names, …]`.
    ///
    /// # Errors
    /// Where it cannot be written; then nothing has changed.
    pub fn append(&mut self, names: &[String], rows: &BTreeMap<String, Tensor>) -> Result<()> {
        let path = self.path(self.files.len());
        let metadata = BTreeMap::from([(NAMES.to_owned(), names.join("\n"))]);
        let mut bytes = Vec::new();
        tensors::write(&mut bytes, rows, &metadata)
            .map_err(|e| Error::Write { path: path.clone(), cause: e })?;
        durable::replace(&path, &bytes).map_err(|error| Error::malformed(&path, error))?;
        self.take(&path)
    }

    /// Whether the rows have a tensor `tensor`; `false` where there are none.
    pub fn has(&self, tensor: &str) -> bool {
        self.files.first().is_some_and(|file| file.shape(tensor).is_some())
    }

    /// The row `name` of `tensor`.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub fn read(&self, name: &str, tensor: &str) -> Result<Tensor> {
        let Some(&(file, row)) = self.places.get(name) else {
            let reason = format!("there is no row {name} of `{}`; `bolid train cache` fills it", self.kind);
            return Err(Error::malformed(&self.folder, reason));
        };
        self.files[file].read_row(tensor, row, &Device::Cpu)
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{}-{number:05}.safetensors", self.kind))
    }

    fn take(&mut self, path: &Path) -> Result<()> {
        let file = TensorFile::open(path)?;
        let names = file.metadata().get(NAMES);
        let names = names.ok_or_else(|| Error::malformed(path, "its metadata does not name its rows"))?;
        for (row, name) in names.lines().enumerate() {
            self.places.insert(name.to_owned(), (self.files.len(), row));
        }
        self.files.push(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f32]) -> BTreeMap<String, Tensor> {
        let tensor = Tensor::from_slice(values, (values.len() / 2, 2), &Device::Cpu).expect("a tensor");
        BTreeMap::from([("pair".to_owned(), tensor)])
    }

    #[test]
    fn rows_are_found_again_by_name_after_opening_anew_and_half_files_are_gone() -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        let name = |name: &str| name.to_owned();
        let mut table = Table::open(folder.path(), "photos")?;
        assert_eq!(table.missing(&[name("a"), name("b"), name("a")]), ["a", "b"]);
        table.append(&[name("a"), name("b")], &rows(&[1.0, 2.0, 3.0, 4.0]))?;
        std::fs::write(folder.path().join(".tmp-photos-00001.safetensors"), b"half").expect("a file");
        let mut table = Table::open(folder.path(), "photos")?;
        assert_eq!(table.missing(&[name("b"), name("c")]), ["c"]);
        table.append(&[name("c")], &rows(&[5.0, 6.0]))?;
        let table = Table::open(folder.path(), "photos")?;
        assert_eq!(table.read("b", "pair")?.to_vec1::<f32>()?, [3.0, 4.0]);
        assert_eq!(table.read("c", "pair")?.to_vec1::<f32>()?, [5.0, 6.0]);
        let message = table.read("d", "pair").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("no row d of `photos`"), "{message}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
        Ok(())
    }
}
