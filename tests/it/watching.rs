//! Looking at a work folder while another process writes to it, and where nothing may be written; what a run
//! says of its progress and of its end.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use catalog::Catalog;
use tempfile::TempDir;

use crate::server::world::{Shape, World, png};
use crate::server::{Reply, Request, Server};
use crate::support::{Elsewhere, Workplace, checkout_in, json_lines, photos_of, project, text};

/// What only looks, with a snapshot to look at.
fn looks(id: &str) -> Vec<Vec<String>> {
    let lines = format!(
        "status\nlist people\nlist photos --dropped\nexplain 1\njudge --dry-run --set rules.min_side=900\n\
         snapshot list\nsnapshot verify {id}\nsnapshot diff {id} {id}\nruns list"
    );
    lines.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn what_only_looks_answers_while_another_process_writes() {
    let place = Workplace::demo(7, 1, 6);
    let id = place.snapshot_id(&[]);
    let writes = Catalog::open(&place.workdir()).await.unwrap();
    writes.record_source("being-written", "/somewhere").await.unwrap();
    let report = place.path().join("report.html");
    let mut commands = looks(&id);
    commands.push(["report", "--out", report.to_str().unwrap()].map(str::to_owned).to_vec());
    for command in commands {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        place.succeed(&arguments);
    }
    let refused = place.run(&["judge"]);
    assert!(text(&refused.stderr).contains("another bolid process is at work"), "{}", text(&refused.stderr));
    // Whoever looks takes nothing from whoever writes.
    writes.record_source("being-written", "/elsewhere").await.unwrap();
    writes.close().await;
    place.succeed(&["judge"]);
}

/// Somebody who may read a work folder and write nothing.
struct Reader {
    /// A copy of the program and of the models' library: a checkout may lie below a folder that only its owner enters.
    programs: TempDir,
}

impl Reader {
    fn new() -> Self {
        let programs = tempfile::tempdir().unwrap();
        fs::set_permissions(programs.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_bolid"), programs.path().join("bolid")).unwrap();
        let cached = || project().join(".cache/onnxruntime/libonnxruntime.so");
        let library = std::env::var_os("ORT_DYLIB_PATH").map_or_else(cached, PathBuf::from);
        if library.is_file() {
            fs::copy(library, programs.path().join("libonnxruntime.so")).unwrap(); // found beside the program
        }
        Self { programs }
    }

    /// Runs a command in `folder`.
    fn run(&self, command: &Command, folder: &Path) -> Output {
        let mut own = Command::new(self.programs.path().join("bolid"));
        own.args(command.get_args()).current_dir(folder).env_remove("ORT_DYLIB_PATH");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => own.env(name, value),
                None => own.env_remove(name),
            };
        }
        // Root may write everywhere, so that somebody else has to look: nobody, by the number that systems give them.
        if folder.metadata().unwrap().uid() == 0 {
            own.uid(65534);
        }
        own.output().expect("bolid starts")
    }
}

fn forbid_writing(folder: &Path, folder_mode: u32, file_mode: u32) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            forbid_writing(&path, folder_mode, file_mode);
        } else {
            fs::set_permissions(&path, fs::Permissions::from_mode(file_mode)).unwrap();
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(folder_mode)).unwrap();
}

#[tokio::test]
async fn a_work_folder_where_nothing_may_be_written_can_be_looked_at_with_and_without_a_log_beside_the_database()
 {
    let (place, reader) = (Workplace::demo(7, 1, 6), Reader::new());
    checkout_in(place.path()); // so that the recipe names nothing in this one
    let recipe = fs::read_to_string(place.recipe()).unwrap();
    let own = recipe.replace(project().to_str().unwrap(), place.path().to_str().unwrap());
    assert_ne!(own, recipe);
    fs::write(place.recipe(), own).unwrap();
    let id = place.snapshot_id(&[]);
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Catalog::open(&place.workdir()).await.unwrap().close().await; // folds the log into the database
    for is_written_to in [false, true] {
        let writer = if is_written_to { Some(Catalog::open(&place.workdir()).await.unwrap()) } else { None };
        if let Some(writer) = &writer {
            writer.record_source("being-written", "/somewhere").await.unwrap();
        }
        assert_eq!(place.workdir().join("catalog.db-wal").exists(), is_written_to);
        forbid_writing(&place.workdir(), 0o555, 0o444);
        for command in looks(&id) {
            let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
            let output = reader.run(&place.command(&arguments), place.path());
            assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        }
        let refused = reader.run(&place.command(&["judge"]), place.path());
        assert!(!refused.status.success());
        forbid_writing(&place.workdir(), 0o755, 0o644);
        if let Some(writer) = writer {
            writer.close().await;
        }
    }
}

#[test]
fn imported_photos_without_a_recipe_can_be_looked_at_where_nothing_may_be_written() {
    let (place, reader) = (Elsewhere::new(), Reader::new());
    let (workdir, pages) = (place.path().join("data/work"), place.path().join("pages"));
    photos_of(5, 1, 2, &place.path().join("photos"));
    place.succeed(&["import", "photos"]);
    place.succeed(&["measure"]);
    fs::remove_dir_all(workdir.join("demo")).unwrap(); // the models, which measuring wrote
    fs::create_dir(&pages).unwrap();
    fs::set_permissions(&pages, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    forbid_writing(&workdir, 0o555, 0o444);
    for arguments in [&["judge", "--dry-run"][..], &["report", "--out", "pages/report.html"]] {
        let output = reader.run(&place.command(arguments), place.path());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }
    assert!(!workdir.join("demo").exists());
    forbid_writing(&workdir, 0o755, 0o644);
}

#[test]
fn without_a_terminal_plain_lines_tell_the_progress() {
    let place = Workplace::demo(7, 1, 8);
    let mut command = place.command(&["dataset"]);
    let output = command.env("BOLID_PROGRESS_S", "0.05").output().unwrap();
    let said = text(&output.stderr);
    for stage in ["bolid: crawl: ", "bolid: measure: "] {
        let line = said.lines().find(|line| line.starts_with(stage) && line.contains("to go"));
        let line = line.unwrap_or_else(|| panic!("{stage}: {said}"));
        assert!(line.contains("photos, ") && line.contains("/s"), "{line}");
    }
    assert!(!said.contains('\r') && !said.contains('\u{1b}'), "a file holds no control characters: {said}");
}

/// A server whose every photo takes a while.
async fn slow_server() -> Server {
    Server::start(|request| match request.path.as_str() {
        "/robots.txt" => Reply::status(404),
        path => {
            std::thread::sleep(Duration::from_millis(50));
            Reply::ok(png(70, 70, path.len() + path.as_bytes()[1] as usize))
        }
    })
    .await
}

fn list_of(server: &Server, place: &Elsewhere, photos: usize) -> String {
    let base = server.url.as_str().trim_end_matches('/');
    let rows: String = (0..photos).map(|i| format!("{base}/{i:04}.png,ada\n")).collect();
    let list = place.path().join("list.csv");
    fs::write(&list, format!("url,identity\n{rows}")).unwrap();
    "list.csv".to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_interrupted_says_that_the_same_command_goes_on_and_it_does() {
    let (server, place) = (slow_server().await, Elsewhere::new());
    let list = list_of(&server, &place, 60);
    let mut child = place
        .command(&["import", &list, "--delay", "20ms"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while server.log().len() < 5 {
        assert!(started.elapsed() < Duration::from_secs(60), "the import asks for its photos");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(child.try_wait().unwrap().is_none());
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the same command goes on"), "{}", text(&output.stderr));
    let again = tokio::task::spawn_blocking(move || {
        let report = json_lines(&place.run(&["--json", "import", &list, "--delay", "0ms"])).remove(0);
        (report["photos_stored"].as_u64().unwrap(), json_lines(&place.run(&["--json", "status"])).remove(0))
    });
    let (stored, status) = again.await.unwrap();
    assert!(stored < 60 && status["stored"] == 60, "{stored}: {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_means_the_same_in_the_report_the_status_the_exit_code_and_to_retry() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let server = Server::start(move |request| match request.path.as_str() {
        "/robots.txt" => Reply::ok("User-agent: *\nDisallow: /private/\n"),
        "/0003.png" if down.load(Ordering::SeqCst) => Reply::status(500),
        "/0004.png" => Reply::ok("no photo"),
        path => Reply::ok(png(70, 70, path.len() + path.as_bytes()[4] as usize)),
    })
    .await;
    let place = Arc::new(Elsewhere::new());
    list_of(&server, &place, 5);
    let list = place.path().join("list.csv");
    let base = server.url.as_str().trim_end_matches('/').to_owned();
    fs::write(&list, fs::read_to_string(&list).unwrap() + &format!("{base}/private/5.png,ada\n")).unwrap();
    let run = |arguments: &[&str]| {
        let (place, arguments) =
            (Arc::clone(&place), arguments.iter().map(|&a| a.to_owned()).collect::<Vec<_>>());
        async move {
            let run = move || place.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            tokio::task::spawn_blocking(run).await.unwrap()
        }
    };
    let import = ["import", "list.csv", "--delay", "0ms"];
    let first = run(&import).await;
    assert_eq!(first.status.code(), Some(3), "{}", text(&first.stderr));
    let shown = text(&first.stdout);
    for line in ["1 photos failed: http_5xx", "1 photos dropped: not_an_image", "1 photos left out: robots"] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let again = run(&import).await;
    assert_eq!(
        again.status.code(),
        Some(3),
        "it is still failed, though nothing was asked: {}",
        text(&again.stderr)
    );
    for output in [&first, &again] {
        let said = text(&output.stderr);
        assert!(
            said.contains("1 photo failed (1 http_5xx); `bolid retry --class http_5xx --delay 0s`"),
            "{said}"
        );
    }
    let status = json_lines(&run(&["--json", "status"]).await).remove(0);
    assert_eq!((&status["failed"], &status["waiting"]), (&1.into(), &0.into()), "{status}");

    let still = run(&["retry", "--class", "http_5xx"]).await;
    assert_eq!(still.status.code(), Some(3), "{}", text(&still.stderr));
    is_down.store(false, Ordering::SeqCst);
    let retried = run(&["--json", "retry", "--class", "http_5xx"]).await;
    assert_eq!(retried.status.code(), Some(0), "{}", text(&retried.stderr));
    assert_eq!(json_lines(&retried)[0]["retried"], 1);
    assert_eq!(run(&import).await.status.code(), Some(0));
    let status = json_lines(&run(&["--json", "status"]).await).remove(0);
    assert_eq!((&status["failed"], &status["stored"]), (&0.into(), &4.into()), "{status}");
}

#[test]
fn photos_that_were_not_asked_for_are_waiting_and_no_failure() {
    let place = Workplace::demo(7, 1, 6);
    let output = place.run(&["--json", "dataset", "--set", "crawl.max_photos=4"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = json_lines(&output);
    let all = lines.iter().find(|line| line["identity"] == "all").unwrap();
    assert!(all["waiting"].as_u64() > Some(0) && all["failed"] == 0, "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_normal_end_of_numbered_pages_is_no_warning_on_any_crawl() {
    let world = std::sync::Arc::new(World::new(Shape::Piwigo, 2));
    let answers = std::sync::Arc::clone(&world);
    let server = Server::start(move |request| answers.answer(request)).await;
    let (place, base) = (Elsewhere::new(), server.url.to_string());
    let profile = project().join("data/sites/piwigo.toml");
    let crawls = tokio::task::spawn_blocking(move || {
        let crawl = ["crawl", "--site", profile.to_str().unwrap(), "--base-url", &base, "--delay", "0ms"];
        [place.run(&crawl), place.run(&[&crawl[..], &["--fresh-for", "0s"]].concat())]
    });
    for output in crawls.await.unwrap() {
        assert!(text(&output.stdout).contains("pages read"), "{}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("shows nothing"), "{}", text(&output.stderr));
    }
    // The ten photos of an album are on three pages, 0 to 2.
    let log = server.log();
    let beyond =
        log.iter().find(|entry| entry.path.contains("&page=3")).expect("the page after the last one");
    let request = Request { path: beyond.path.clone(), headers: HashMap::new() };
    let Reply::Full { body, .. } = world.answer(&request) else { panic!("no answer to {}", request.path) };
    assert!(text(&body).contains("\"images\": []"), "{}", text(&body));
}
