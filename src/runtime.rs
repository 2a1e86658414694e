//! What a stage needs beside the catalog: the models' library, the threads.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use curate::Runtime;

/// The variable that names the library, which goes before every other place.
const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";

/// What the library's file is called, alone or with a version behind it: Python's package has no plain name.
const LIBRARY: &str = "libonnxruntime.so";

/// Where `make onnxruntime` puts the library, relative to the project's folder.
const CACHE: &str = ".cache/onnxruntime";

/// Where systems keep libraries.
const SYSTEM: [&str; 5] =
    ["/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];

/// Says where Python's package `onnxruntime` is, without loading it, which would take a second.
const ASK_PYTHON: &str =
    "import importlib.util as u; s = u.find_spec('onnxruntime'); print(s.origin if s else '')";

/// ONNX Runtime: from `ORT_DYLIB_PATH`; the project's cache, of the current folder or of one above the
/// program; beside the program; from the Python environment that the program was installed into (`pip install bolid`);
/// from the Python on PATH (`pip install onnxruntime`); from the system.
///
/// # Errors
/// Where there is none, naming every place that was looked at; or where the one that was found cannot be used.
pub fn onnx_runtime() -> Result<Runtime> {
    if env::var_os(LIBRARY_VARIABLE).is_some_and(|named| !named.is_empty()) {
        return Ok(Runtime::load(Path::new(LIBRARY))?); // it reads the variable itself
    }
    let mut looked = Vec::new();
    for (place, folders) in places() {
        for folder in folders {
            if let Some(library) = library_in(&folder) {
                return Ok(Runtime::load(&library)?);
            }
        }
        looked.push(place);
    }
    bail!(
        "ONNX Runtime, which runs the models, was not found in {}; run `pip install onnxruntime`, or name the \
         library in {LIBRARY_VARIABLE}",
        looked.join(", ")
    )
}

/// Where to look, in this order, each with what it is called.
fn places() -> impl Iterator<Item = (String, Vec<PathBuf>)> {
    let program = env::current_exe().unwrap_or_default();
    let program = program.canonicalize().unwrap_or(program);
    let above: Vec<PathBuf> = program.ancestors().skip(1).map(Path::to_owned).collect();
    let current = env::current_dir().into_iter();
    let cache = current.chain(above.iter().cloned()).map(|folder| folder.join(CACHE)).collect();
    let beside = above.first().map_or(Vec::new(), |folder| vec![folder.clone(), folder.join("../lib")]);
    let environment = above.get(1).map_or(Vec::new(), |prefix| of_environment(prefix));
    let loader = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let system = env::split_paths(&loader).chain(SYSTEM.map(PathBuf::from)).collect();
    [
        (format!("{CACHE} (here and above the program)"), cache),
        (format!("the program's folder ({})", program.parent().unwrap_or(Path::new("")).display()), beside),
        ("the Python environment of the program".to_owned(), environment),
    ]
    .into_iter()
    // Python is only asked where nothing was found before.
    .chain(std::iter::once_with(|| ("the Python on PATH".to_owned(), of_python())))
    .chain(std::iter::once(("the system's libraries".to_owned(), system)))
}

/// Where a Python environment with this prefix has the library: `lib/python3.11/site-packages/onnxruntime/capi`, or
/// `dist-packages` where Debian's Python installed it. Python itself need not be asked, nor be on PATH.
fn of_environment(prefix: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(prefix.join("lib")) else { return Vec::new() };
    let is_python = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("python3"))
    };
    let mut pythons: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_python).collect();
    pythons.sort(); // a folder has no order of its own
    let packages = |python: &PathBuf| ["site-packages", "dist-packages"].map(|folder| python.join(folder));
    pythons.iter().flat_map(packages).map(|folder| folder.join("onnxruntime/capi")).collect()
}

/// The folder of the library in Python's package.
fn of_python() -> Vec<PathBuf> {
    let asked = ["python3", "python"].into_iter().find_map(|python| {
        let answer = Command::new(python).args(["-c", ASK_PYTHON]).output().ok()?;
        let origin = String::from_utf8(answer.stdout).ok()?;
        Path::new(origin.trim()).parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned)
    });
    asked.map(|package| package.join("capi")).into_iter().collect()
}

/// The library in a folder: of several versions the one whose name is the last, the plain name before all.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.file_name());
    let of_library = names.filter_map(|name| name.into_string().ok()).filter(|name| {
        name.strip_prefix(LIBRARY).is_some_and(|version| version.is_empty() || version.starts_with('.'))
    });
    let usable = of_library.filter(|name| folder.join(name).is_file());
    usable.max_by_key(|name| (name == LIBRARY, version(name))).map(|best| folder.join(best))
}

/// The numbers behind the library's name.
fn version(name: &str) -> Vec<u32> {
    name.trim_start_matches(LIBRARY).split('.').filter_map(|number| number.parse().ok()).collect()
}

/// A thread's stack: as large as that of the main thread on Linux. A backward pass runs on one of them, and
/// Candle walks a graph by recursion, as deep as the network is.
const STACK_BYTES: usize = 8 << 20;

/// Bounds rayon to `threads`; one per core otherwise, since decoding and models leave no core waiting.
pub fn use_threads(threads: Option<usize>) -> Result<()> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).stack_size(STACK_BYTES);
    builder.build_global().context("start the worker threads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_a_python_environment_finds_its_package() {
        let prefix = tempfile::tempdir().unwrap();
        let capi = prefix.path().join("lib/python3.11/site-packages/onnxruntime/capi");
        fs::create_dir_all(&capi).unwrap();
        fs::write(capi.join("libonnxruntime.so.1.31.1"), "").unwrap();
        let found = of_environment(prefix.path()).iter().find_map(|folder| library_in(folder));
        assert_eq!(found, Some(capi.join("libonnxruntime.so.1.31.1")));
        assert!(of_environment(Path::new("/nowhere")).is_empty());
    }

    #[test]
    fn the_plain_name_goes_before_versions_and_neighbours_are_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| fs::write(folder.path().join(name), "").unwrap();
        for name in ["libonnxruntime_providers_shared.so", "libonnxruntime.sofa", "readme"] {
            put(name);
        }
        assert_eq!(library_in(folder.path()), None);
        put("libonnxruntime.so.1.9.0");
        put("libonnxruntime.so.1.31.1");
        assert_eq!(library_in(folder.path()), Some(folder.path().join("libonnxruntime.so.1.31.1")));
        put("libonnxruntime.so");
        assert_eq!(library_in(folder.path()), Some(folder.path().join("libonnxruntime.so")));
        assert_eq!(library_in(Path::new("/nowhere")), None);
    }
}
