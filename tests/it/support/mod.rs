//! Runs the program as a user would: in a folder of its own, with a recipe of its own.

pub mod browser;
pub mod chat;
pub mod tiny;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use synth::collection::{Collection, CollectionSpec};
use tempfile::TempDir;

/// A work folder with a small demo recipe.
pub struct Workplace {
    folder: TempDir,
}

impl Workplace {
    /// `identities` × `photos` synthetic photos of the demo gallery of that seed.
    pub fn demo(seed: u64, identities: usize, photos: usize) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let data = project().join("data");
        let recipe = format!(
            "name = \"demo\"\nsites = [{:?}]\nmodels = {:?}\n\n[demo]\nseed = {seed}\nidentities = {identities}\n\
             photos_per_identity = {photos}\n\n[rules]\nmin_photos = 1\n",
            data.join("sites/demo.toml"),
            data.join("models/models.toml"),
        );
        fs::write(place.recipe(), recipe).expect("a recipe can be written");
        place
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn recipe(&self) -> PathBuf {
        self.path().join("recipe.toml")
    }

    pub fn workdir(&self) -> PathBuf {
        self.path().join("work")
    }

    /// Makes the recipe import a folder in place of the demo gallery.
    pub fn import_instead(&self, name: &str, folder: &Path) {
        let models = project().join("data/models/models.toml");
        let recipe = format!(
            "name = {name:?}\nmodels = {models:?}\n\n[[imports]]\nname = {name:?}\npath = {folder:?}\n\n\
             [rules]\nmin_photos = 1\n"
        );
        fs::write(self.recipe(), recipe).expect("a recipe can be written");
    }

    pub fn forget_work(&self) {
        fs::remove_dir_all(self.workdir()).expect("the work folder can be removed");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bolid"));
        command
            .current_dir(project())
            .env("BOLID_WORKDIR", self.workdir())
            .env("BOLID_RECIPE", self.recipe());
        command.args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("bolid starts")
    }

    /// Runs, and insists on exit code 0.
    pub fn succeed(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.status.success(), "bolid {arguments:?}: {}\n{}", output.status, text(&output.stderr));
        output
    }

    /// Starts without waiting for the end.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("bolid starts")
    }

    /// Runs `bolid --json dataset` with more arguments; the id of the snapshot it ends with.
    pub fn snapshot_id(&self, arguments: &[&str]) -> String {
        let output = self.succeed(&[&["--json", "dataset"], arguments].concat());
        let lines = json_lines(&output);
        let last = lines.last().expect("dataset prints its snapshot last");
        last["id"].as_str().expect("a snapshot has an id").to_owned()
    }

    pub fn snapshot_folder(&self, id: &str) -> PathBuf {
        self.workdir().join("snapshots").join(format!("demo-{id}"))
    }
}

/// A folder outside the checkout, with nothing in it and no recipe in the environment; the user's own folders
/// are there too.
pub struct Elsewhere {
    folder: TempDir,
    home: TempDir,
}

impl Elsewhere {
    pub fn new() -> Self {
        let folder = || tempfile::tempdir().expect("a temporary folder");
        Self { folder: folder(), home: folder() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The user's own list of models.
    pub fn own_models(&self) -> PathBuf {
        self.home.path().join("bolid/models.toml")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bolid"));
        for variable in ["BOLID_RECIPE", "BOLID_WORKDIR", "BOLID_MODELS"] {
            command.env_remove(variable);
        }
        command.current_dir(self.path()).env("XDG_CONFIG_HOME", self.home.path()).args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("bolid starts")
    }

    /// Runs, and insists on exit code 0.
    pub fn succeed(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.status.success(), "bolid {arguments:?}: {}\n{}", output.status, text(&output.stderr));
        output
    }
}

/// Puts what makes a folder a checkout into `folder`, as far as the program looks: the demo's recipe, site and models.
pub fn checkout_in(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder can be made");
    let manifest = fs::read(project().join("Cargo.toml")).expect("the manifest can be read");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file can be written");
    for part in ["data/recipes", "data/sites", "data/models", "data/locks/demo"] {
        fs::create_dir_all(folder.join(part)).expect("a folder can be made");
        for entry in fs::read_dir(project().join(part)).expect("a folder can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path.file_name().expect("an entry has a name");
            if path.is_file() {
                fs::copy(&path, folder.join(part).join(name)).expect("a file can be copied");
            }
        }
    }
}

/// Writes the demo's photos of some people, a folder each.
pub fn photos_of(seed: u64, people: usize, photos: usize, folder: &Path) {
    let spec = CollectionSpec { seed, identities: people, photos_per_identity: photos };
    for person in &Collection::new(spec).identities {
        let of_person = folder.join(&person.slug);
        fs::create_dir_all(&of_person).expect("a folder can be made");
        for photo in &person.photos {
            fs::write(of_person.join(&photo.file_name), photo.bytes()).expect("a photo can be written");
        }
    }
}

/// Runs what has to be refused with a message that names all of `named`.
pub fn refused(place: &Workplace, arguments: &[&str], named: &[&str]) {
    let output = place.run(arguments);
    let message = text(&output.stderr);
    assert!(!output.status.success(), "{arguments:?}");
    for part in named {
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
}

/// The project's folder.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `--json` printed.
pub fn json_lines(output: &Output) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text(&output.stdout).lines().map(parse).collect()
}

/// Every file below a folder with its bytes, by relative path.
pub fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("a file can be read");
                files.push((path.strip_prefix(folder).expect("it is below").to_owned(), bytes));
            }
        }
    }
    files.sort();
    files
}
