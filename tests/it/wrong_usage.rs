//! Wrong usages of every command: the error names what was wrong and what to do, says its cause once, and
//! leaves no work folder behind. The list: `wrong_usages.txt`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rayon::prelude::*;

use crate::support::{project, text};

const USAGES: &str = include_str!("wrong_usages.txt");

struct Usage {
    code: i32,
    arguments: Vec<&'static str>,
    said: Vec<&'static str>,
}

/// The usages under the name of their command.
fn usages() -> BTreeMap<&'static str, Vec<Usage>> {
    let mut of_command: BTreeMap<&str, Vec<Usage>> = BTreeMap::new();
    let mut command = "";
    for line in USAGES.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("# ") {
            command = name;
            continue;
        }
        let mut parts = line.splitn(3, " | ");
        let mut next = || parts.next().unwrap_or_else(|| panic!("`{line}` has three parts"));
        let (code, arguments, said) = (next().parse().expect("a number"), next(), next());
        of_command.entry(command).or_default().push(Usage {
            code,
            arguments: arguments.split_whitespace().collect(),
            said: said.split(" & ").collect(),
        });
    }
    of_command
}

fn bolid(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bolid"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("BOLID_") {
            command.env_remove(variable);
        }
    }
    let home = folder.join("home");
    command.env("HOME", &home).env("XDG_CONFIG_HOME", home.join(".config")).env("COLUMNS", "100");
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command.output().expect("the program starts")
}

/// The files that the usages speak of.
fn lay_out(folder: &Path) {
    for name in ["photos/ada", "empty", "broken", "home"] {
        fs::create_dir_all(folder.join(name)).expect("a folder can be made");
    }
    image::RgbImage::from_pixel(64, 64, image::Rgb([200, 10, 10]))
        .save(folder.join("photos/ada/a.png"))
        .expect("a photo can be written");
    let damaged = "this is no database, though it is as long as a page of one would be\n".repeat(80);
    let decision =
        format!("{{\"identity\": \"photos/eve\", \"sha256\": \"{}\", \"keep\": true}}\n", "0".repeat(64));
    let files = [
        ("bad.toml", "name = [\n"),
        ("unknown.toml", "name = \"x\"\nmodels = \"models.toml\"\nruls = 1\n"),
        ("text.txt", "hello\n"),
        ("fake.onnx", "hello\n"),
        (
            "recipe.toml",
            "name = \"mine\"\nmodels = \"models.toml\"\n[[imports]]\nname = \"photos\"\npath = \"photos\"\n",
        ),
        ("nourl.csv", "colour,size\nred,2\n"),
        ("urls.csv", "url,identity\nhttps://gallery.example/a.jpg,ada\n"),
        (
            "engine.toml",
            "site = 'engine'\nstart = ['./']\n[index]\nlink = { select = 'a' }\n[gallery]\nlink = { select = 'a' }\n",
        ),
        ("decisions.jsonl", &decision),
        ("broken/catalog.db", &damaged),
    ];
    for (name, content) in files {
        fs::write(folder.join(name), content).expect("a file can be written");
    }
    let imported = bolid(folder, &["import", "photos", "--workdir", "work"]);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
}

/// What is wrong with how a usage ended; `None` where all is well.
fn complaint(usage: &Usage) -> Option<String> {
    let place = tempfile::tempdir().expect("a temporary folder can be made");
    lay_out(place.path());
    let output = bolid(place.path(), &usage.arguments);
    let said = text(&output.stderr);
    let named = usage.arguments.join(" ");
    let wrong = |what: String| Some(format!("bolid {named}: {what}\n{said}"));
    if output.status.code() != Some(usage.code) {
        return wrong(format!("exit code {:?}, not {}", output.status.code(), usage.code));
    }
    let flat: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(missing) = usage.said.iter().find(|part| !flat.contains(*part)) {
        return wrong(format!("does not say `{missing}`"));
    }
    // The place may lie anywhere, under /usr/src too.
    let of_program = said.replace(&*place.path().to_string_lossy(), "");
    if ["panicked", "Error:", "/src/"].iter().any(|inside| of_program.contains(inside)) {
        return wrong("shows its inside".to_owned());
    }
    let mut seen = HashSet::new();
    let causes = said.lines().flat_map(|line| line.split(": ")).map(str::trim).filter(|part| part.len() > 24);
    if let Some(twice) = causes.into_iter().find(|part| !seen.insert(*part)) {
        return wrong(format!("says twice `{twice}`"));
    }
    let makes_one = matches!(usage.arguments.first(), Some(&("import" | "dataset")));
    if !makes_one && place.path().join("data").exists() {
        return wrong("left a work folder".to_owned());
    }
    None
}

#[test]
fn each_wrong_usage_is_refused_with_what_is_wrong_and_what_to_do() {
    let usages: Vec<Usage> = usages().into_values().flatten().collect();
    let complaints: Vec<String> = usages.par_iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{} of {}:\n{}", complaints.len(), usages.len(), complaints.join("\n"));
}

#[test]
fn every_command_has_wrong_usages_in_the_list() {
    let usages = usages();
    let help = |arguments: &[&str]| -> Vec<String> {
        let output = bolid(&project(), &[arguments, &["--help"]].concat());
        let shown = text(&output.stdout);
        let listed = shown.split("Commands:\n").nth(1).unwrap_or_default();
        let listed = listed.lines().take_while(|line| !line.is_empty());
        let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        names.map(str::to_owned).collect()
    };
    let commands = help(&[]);
    assert!(commands.len() > 20, "{commands:?}");
    for command in &commands {
        let inner = help(&[command]);
        let names = inner.iter().map(|name| format!("{command} {name}"));
        let names: Vec<String> = if inner.is_empty() { vec![command.clone()] } else { names.collect() };
        for name in names {
            assert!(usages.contains_key(name.as_str()), "`{name}` has no wrong usage in the list");
        }
    }
}
