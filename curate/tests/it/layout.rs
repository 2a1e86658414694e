//! The layout of a crate's sources: no file imports one that imports it, and the map at the head of a folder
//! names every file in it. The tests of `snapshot` and of the program are this file as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A path in the crate, without `crate`: that of a module, or of something in one.
type Segments = Vec<String>;

/// The sources by module, without comments and unit tests.
fn sources() -> BTreeMap<Segments, String> {
    fn add(folder: &Path, module: &[String], found: &mut BTreeMap<Segments, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let inner = [module, std::slice::from_ref(&name)].concat();
            if path.is_dir() {
                add(&path, &inner, found);
            } else {
                let is_head = matches!(name.as_str(), "lib" | "main" | "mod");
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let code: Vec<&str> = code.lines().map(|line| line.split("//").next().unwrap()).collect();
                let code = without_test_files(&code);
                found.insert(if is_head { module.to_vec() } else { inner }, code.join("\n"));
            }
        }
    }
    let mut found = BTreeMap::new();
    add(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut found);
    found
}

/// The lines without those that name files of tests: `#[cfg(test)]`, then `mod tests;`.
fn without_test_files<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let is_test_file = |at: usize| {
        lines[at] == "#[cfg(test)]"
            && lines.get(at + 1).is_some_and(|next| next.starts_with("mod ") && next.ends_with(';'))
    };
    let kept = (0..lines.len()).filter(|&at| !is_test_file(at) && (at == 0 || !is_test_file(at - 1)));
    kept.map(|at| lines[at]).collect()
}

/// The paths of a `use` tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str) -> Vec<String> {
    let Some((before, braced)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap().trim().to_owned()];
    };
    let inner = &braced[..braced.rfind('}').unwrap()];
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for character in inner.chars() {
        match character {
            ',' if depth == 0 => parts.push(String::new()),
            other => {
                depth += i32::from(other == '{') - i32::from(other == '}');
                parts.last_mut().unwrap().push(other);
            }
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expand(part)).map(|path| format!("{}{path}", before.trim())).collect()
}

/// A path as it is written in a module, from the crate's root on; `None` where it leads out of the crate.
fn absolute(module: &Segments, path: &str, sources: &BTreeMap<Segments, String>) -> Option<Segments> {
    let mut segments: Vec<&str> = path.split("::").filter(|segment| *segment != "*").collect();
    let mut from = module.clone();
    match segments[0] {
        "crate" => from.clear(),
        "self" => {}
        "super" => {
            while segments.get(1) == Some(&"super") {
                segments.remove(0);
                from.pop();
            }
            from.pop();
        }
        child => {
            from.push(child.to_owned());
            sources.get(&from)?;
        }
    }
    from.extend(
        segments[1..].iter().filter(|segment| **segment != "self").map(|&segment| segment.to_owned()),
    );
    Some(from)
}

/// What files name: re-exports, by the name that they add, and of each file the other paths in it.
#[derive(Default)]
struct Imports {
    reexports: BTreeMap<Segments, Segments>,
    paths: BTreeMap<Segments, BTreeSet<Segments>>,
}

fn imports(sources: &BTreeMap<Segments, String>) -> Imports {
    let mut imports = Imports::default();
    for (module, code) in sources {
        let paths = imports.paths.entry(module.clone()).or_default();
        for statement in code.split(';') {
            let statement = statement.split_whitespace().collect::<Vec<_>>().join(" ");
            let statement = statement.trim_start_matches(['}', ' ']);
            let keywords = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
            // A text may go on with `use` behind a semicolon.
            let is_tree = |tree: &&str| tree.chars().all(|c| c.is_alphanumeric() || "_:{},* ".contains(c));
            let tree = keywords.iter().find_map(|keyword| statement.strip_prefix(keyword)).filter(is_tree);
            if let Some(tree) = tree {
                let found = expand(tree).into_iter().filter_map(|path| absolute(module, &path, sources));
                if statement.starts_with("pub") {
                    let name = |path: &Segments| [module.as_slice(), &path[path.len() - 1..]].concat();
                    imports.reexports.extend(found.map(|path| (name(&path), path)));
                } else {
                    paths.extend(found);
                }
            } else {
                let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                let words = statement.split(|c| !is_of_path(c)).map(|word| word.trim_matches(':'));
                let found = words.filter(|word| word.contains("::"));
                paths.extend(found.filter_map(|path| absolute(module, path, sources)));
            }
        }
    }
    imports
}

/// The file that defines what a path names.
fn file_of(path: &[String], sources: &BTreeMap<Segments, String>, imports: &Imports) -> Segments {
    let longest = |is_known: &dyn Fn(&[String]) -> bool| {
        (0..=path.len()).rev().find(|&length| is_known(&path[..length])).unwrap_or_default()
    };
    let module = longest(&|path| sources.contains_key(path));
    let target = path.get(..=module).and_then(|name| imports.reexports.get(name));
    match target {
        Some(target) => file_of(&[target.as_slice(), &path[module + 1..]].concat(), sources, imports),
        None => path[..module].to_vec(),
    }
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let sources = sources();
    let imports = imports(&sources);
    let mut left: BTreeMap<Segments, BTreeSet<Segments>> = BTreeMap::new();
    for (module, paths) in &imports.paths {
        let files = paths.iter().map(|path| file_of(path, &sources, &imports));
        left.insert(module.clone(), files.filter(|file| file != module).collect());
    }
    let edges: usize = left.values().map(BTreeSet::len).sum();
    assert!(left.len() > 50 && edges > 200, "{} files and {edges} imports were read", left.len());
    // What imports nothing that is left, or is imported by nothing that is left, is in no circle.
    loop {
        let before = left.len();
        let names: BTreeSet<Segments> = left.keys().cloned().collect();
        left.retain(|_, files| files.iter().any(|file| names.contains(file)));
        let imported: BTreeSet<Segments> = left.values().flatten().cloned().collect();
        left.retain(|module, _| imported.contains(module));
        if left.len() == before {
            break;
        }
    }
    let shown = left.iter().map(|(module, files)| {
        let files = files.iter().filter(|file| left.contains_key(*file)).map(|file| file.join("::"));
        format!("{} imports {}", module.join("::"), files.collect::<Vec<_>>().join(", "))
    });
    assert!(left.is_empty(), "{}", shown.collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_map_of_each_folder_names_its_files() {
    for (module, code) in sources() {
        let is_mod = |line: &&str| line.ends_with(';') && line.split(' ').any(|word| word == "mod");
        let declared = code.lines().filter(is_mod).map(|line| line.rsplit(' ').next().unwrap());
        let declared: Vec<&str> = declared.map(|name| name.trim_end_matches(';')).collect();
        if declared.len() < 3 {
            continue; // the first paragraph is map enough
        }
        let folder = module.iter().fold(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), |a, b| a.join(b));
        let heads = ["lib.rs", "main.rs", "mod.rs"].map(|name| folder.join(name));
        let mut heads = heads.into_iter().chain([folder.with_extension("rs")]);
        let head = heads.find(|path| path.is_file()).unwrap();
        let text = fs::read_to_string(&head).unwrap();
        let named: String = text.lines().filter(|line| line.starts_with("//! |")).collect();
        let lacks: Vec<&&str> =
            declared.iter().filter(|name| !named.contains(&format!("`{name}`"))).collect();
        assert!(lacks.is_empty(), "the map in {} lacks {lacks:?}", head.display());
    }
}
