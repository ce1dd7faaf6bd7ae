//! Killed processes and damaged homes.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::TestHome;

const TRAIN: &str = "[split]\nvalid = 0.2\n[train]\nepochs = 2\nbatch_size = 8\ncheckpoint_every = 2\n";

/// Paths of everything below a folder. Links are not followed.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(walk(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

/// Staged files and folders in the home, those in others left out.
fn staged(home: &TestHome) -> BTreeSet<PathBuf> {
    let is_staged =
        |part: &OsStr| [".staged-", ".tmp"].iter().any(|start| part.as_bytes().starts_with(start.as_bytes()));
    let root = home.root();
    let all = walk(&root).into_iter();
    all.filter(|path| {
        // The temporary folder around the home has such a name, too.
        let mut parts =
            path.strip_prefix(&root).unwrap().components().rev().map(std::path::Component::as_os_str);
        parts.next().is_some_and(is_staged) && !parts.any(is_staged)
    })
    .collect()
}

fn make_old(path: &Path) {
    let time = SystemTime::now() - Duration::from_hours(1);
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// Every version that an alias points at is listed and whole, and `doctor` knows every staged file.
#[track_caller]
fn check(home: &TestHome) {
    let listed = home.json(&["models", "list"]);
    let listed: BTreeSet<(String, u64)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap().to_owned(), row["version"].as_u64().unwrap()))
        .collect();
    for model in fs::read_dir(home.path(".cupola/models")).into_iter().flatten().flatten() {
        let name = model.file_name().into_string().unwrap();
        let Ok(text) = fs::read_to_string(model.path().join("aliases.json")) else { continue };
        let aliases: Value = serde_json::from_str(&text).unwrap();
        for (alias, version) in aliases.as_object().unwrap() {
            assert!(
                listed.contains(&(name.clone(), version.as_u64().unwrap())),
                "{alias} of {name}: {listed:?}"
            );
        }
    }
    home.json(&["models", "verify"]);
    home.json(&["runs", "list"]);
    for dataset in home.json(&["data", "list"]).as_array().unwrap() {
        home.json(&["data", "validate", dataset["name"].as_str().unwrap()]);
    }
    let doctor = home.json(&["doctor"]);
    let known: BTreeSet<String> = doctor["leftovers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap().to_owned())
        .collect();
    for path in staged(home) {
        let path = path.strip_prefix(home.path("")).unwrap().to_string_lossy().into_owned();
        assert!(known.iter().any(|known| known.ends_with(&path)), "{path} is not among {known:?}");
    }
    assert_eq!(doctor["findings"], serde_json::json!([]), "{doctor}");
}

/// Runs a command and kills it after a while; `true` if that ended it.
fn killed(home: &TestHome, args: &[&str], after: Duration) -> bool {
    let mut child = home.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let _ = child.kill();
    child.wait().unwrap().code().is_none()
}

#[test]
fn writers_that_are_killed_at_many_moments_leave_a_home_that_all_commands_understand() {
    let home = TestHome::with_blobs(120, TRAIN);
    home.train(&[]);
    home.train(&[]);
    home.json(&["models", "alias", "blobs", "champion", "1"]);
    let commands: [&[&str]; 6] = [
        &["train", "--config", "run.toml", "--device", "flex"],
        &["data", "add", "points", "blobs.csv"],
        &["prepare", "--config", "run.toml", "--force"],
        &["models", "alias", "blobs", "champion", "2"],
        &["models", "rollback", "blobs", "champion"],
        &["doctor", "--rebuild"],
    ];
    let mut kills = 0;
    for args in commands {
        // Moments all over the duration of the command on this machine.
        let started = std::time::Instant::now();
        home.run(args);
        let whole = started.elapsed();
        for part in 1..=12_u32 {
            // New bytes each time, so that there is something to write.
            let rows = home.read("blobs.csv");
            let last = rows.lines().last().unwrap().to_owned();
            home.write("blobs.csv", format!("{rows}{last}\n"));
            kills += usize::from(killed(&home, args, whole * part / 12));
            if part % 4 == 0 {
                check(&home);
            }
        }
        check(&home);
    }
    assert!(kills >= 20, "killed {kills} times only");
    // Their leftovers go when they are old, and nothing else does.
    let published = |path: &std::path::PathBuf| {
        path.ends_with("manifest.json") && !path.to_string_lossy().contains("/.staged-")
    };
    let before: BTreeSet<_> = walk(&home.root()).into_iter().filter(published).collect();
    for path in staged(&home) {
        make_old(&path);
    }
    home.json(&["doctor", "--rebuild"]);
    assert_eq!(staged(&home), BTreeSet::new());
    check(&home);
    let after = walk(&home.root()).into_iter().filter(published).collect();
    assert_eq!(before, after);
}

#[test]
fn doctor_lists_leftovers_everywhere_and_removes_only_old_ones_without_a_writer() {
    let home = TestHome::with_blobs(120, TRAIN);
    home.train(&[]);
    let places = [
        "models",
        "models/blobs",
        "data",
        "data/blobs",
        "data/blobs/ab",
        "data/prepared",
        "data/cache/web-1",
        "runs",
        "runs/r-1/checkpoints",
        "data/points/inbox",
        "feedback",
        "",
    ];
    let mut old = Vec::new();
    for place in places {
        let folder = home.root().join(place);
        fs::create_dir_all(&folder).unwrap();
        for name in [".staged-dead", ".tmpDead1"] {
            fs::create_dir(folder.join(name)).unwrap();
            fs::write(folder.join(name).join("inside"), "12345").unwrap();
            make_old(&folder.join(name));
            old.push(folder.join(name));
        }
        fs::write(folder.join(".tmpYoung"), "1").unwrap();
    }
    // One whose writer lives.
    let held = File::open(&old[0]).unwrap();
    held.lock().unwrap();
    let leftovers = home.json(&["doctor"])["leftovers"].as_array().unwrap().clone();
    assert_eq!(leftovers.len(), places.len() * 3);
    let of = |path: &Path| {
        let path_of = |one: &Value| one["path"].as_str().unwrap().trim_start_matches("./").to_owned();
        let found = leftovers.iter().find(|one| path.ends_with(path_of(one)));
        found.unwrap_or_else(|| panic!("{} is missing", path.display())).clone()
    };
    assert_eq!(of(&old[0])["state"], "in use");
    assert_eq!((&of(&old[1])["state"], &of(&old[1])["bytes"]), (&"abandoned".into(), &5.into()));
    assert!(of(&old[1])["seconds"].as_u64().unwrap() >= 3600);
    let text = home.run(&["doctor"]).stdout;
    assert!(text.contains("5 bytes, 60 minutes old, abandoned"), "{text}");
    home.json(&["doctor", "--fix"]);
    assert!(old[0].exists() && old[1..].iter().all(|path| !path.exists()));
    assert!(places.iter().all(|place| home.root().join(place).join(".tmpYoung").exists()));
    drop(held);
    home.json(&["doctor", "--rebuild"]);
    assert!(!old[0].exists());
}

#[test]
fn an_index_of_an_earlier_time_or_of_another_program_hides_nothing() {
    let home = TestHome::with_blobs(120, TRAIN);
    home.train(&[]);
    home.json(&["models", "list"]);
    let index = home.path(".cupola/index.sqlite");
    let database = fs::read(&index).unwrap();
    home.train(&[]);
    let expected = (home.json(&["models", "list"]), home.json(&["runs", "list"]));
    assert_eq!(expected.0.as_array().unwrap().len(), 2);
    let mut cut = database.clone();
    cut.truncate(database.len() / 2);
    let mut overwritten = database.clone();
    let end = overwritten.len();
    overwritten[4096.min(end / 2)..].fill(0xa5);
    for bytes in
        [database, cut, overwritten, Vec::new(), b"{\"not\": \"a database\"}".to_vec(), vec![0; 1 << 16]]
    {
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(home.path(&format!(".cupola/index.sqlite{suffix}")));
        }
        let start = bytes.len();
        fs::write(&index, bytes).unwrap();
        assert_eq!((home.json(&["models", "list"]), home.json(&["runs", "list"])), expected, "{start} bytes");
    }
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    fs::write(index.join("inside"), "").unwrap();
    assert_eq!((home.json(&["models", "list"]), home.json(&["runs", "list"])), expected);
    let doctor = home.run(&["doctor"]);
    assert!(doctor.stdout.contains("a folder in place of the index; move it away"), "{}", doctor.stdout);
    let trained = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    assert!(trained.stderr.contains("index.sqlite"), "{}", trained.stderr);
}

#[test]
fn odd_entries_are_not_listed_and_never_break_publishing() {
    let home = TestHome::with_blobs(120, TRAIN);
    home.train(&[]);
    home.json(&["data", "add", "points", "blobs.csv"]);
    let names: [&[u8]; 10] = [
        b"18446744073709551615",
        b"18446744073709551616",
        b"9223372036854775807",
        b"1000000000",
        b"999999999",
        b"01",
        b"+7",
        b"new\nline",
        b"\xff\xfe",
        b".hidden",
    ];
    let copy = |from: &Path, to: &Path| {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    };
    let mut planted = Vec::new();
    for (whole, folder) in [("models/blobs/1", "models/blobs"), ("data/points/1", "data/points")] {
        let (whole, folder) = (home.root().join(whole), home.root().join(folder));
        for name in names {
            planted.push(folder.join(OsStr::from_bytes(name)));
            copy(&whole, planted.last().unwrap());
        }
        fs::create_dir(folder.join("2")).unwrap();
        fs::write(folder.join("3"), "a file").unwrap();
        symlink(&whole, folder.join("4")).unwrap();
        planted.extend(["2", "3", "4"].map(|name| folder.join(name)));
    }
    for folder in ["models", "data", "runs"] {
        let folder = home.root().join(folder);
        for name in [b"new\nline".as_slice(), b"\xff", b"a b", b"-x"] {
            planted.push(folder.join(OsStr::from_bytes(name)));
            fs::create_dir(planted.last().unwrap()).unwrap();
        }
        symlink("/etc", folder.join("linked")).unwrap();
        fs::write(folder.join("afile"), "x").unwrap();
        planted.extend(["linked", "afile"].map(|name| folder.join(name)));
    }
    assert_eq!(home.train(&[])["package"], "blobs:5");
    home.write("blobs.csv", cupola_testkit::blobs(130));
    assert_eq!(home.json(&["data", "add", "points", "blobs.csv"])["version"], 5);
    let listed = home.json(&["models", "list"]);
    let versions: Vec<u64> =
        listed.as_array().unwrap().iter().map(|row| row["version"].as_u64().unwrap()).collect();
    assert!(versions.starts_with(&[999_999_999]) || versions == [5, 1], "{versions:?}");
    assert_eq!(home.json(&["models", "show", "blobs"])["manifest"]["version"], 5);
    home.json(&["runs", "list"]);
    home.json(&["data", "list"]);
    let doctor = home.run(&["doctor"]);
    assert_eq!(doctor.code, Some(0), "{}", doctor.stderr);
    let problems = doctor.stdout.lines().filter(|line| line.starts_with("problem")).count();
    assert!(problems >= planted.len() - 2, "{problems} of {}: {}", planted.len(), doctor.stdout);
    for reference in
        ["blobs:18446744073709551615", "blobs:18446744073709551616", "blobs:01", "blobs:0", "blobs:+1"]
    {
        let output = home.run(&["models", "show", reference]);
        assert_eq!(output.code, Some(2), "{reference}: {}", output.stderr);
        assert!(output.stderr.contains("invalid model"), "{reference}: {}", output.stderr);
    }
    let output = home.run(&["data", "show", "points:18446744073709551616"]);
    assert!(output.code == Some(2) && output.stderr.contains("from 1 to 999999999"), "{}", output.stderr);
}

#[test]
fn a_home_that_cannot_be_written_is_named_with_a_remedy_by_every_command() {
    let home = TestHome::with_blobs(120, TRAIN);
    home.write("file", "no folder");
    for part in ["models", "runs", "data"] {
        fs::create_dir(home.path(&format!("no-{part}"))).unwrap();
        home.write(&format!("no-{part}/{part}"), "a file");
    }
    let writers: [&[&str]; 4] = [
        &["train", "--config", "run.toml", "--device", "flex"],
        &["prepare", "--config", "run.toml"],
        &["data", "add", "points", "blobs.csv"],
        &["keys", "add", "--name", "k", "--scope", "admin"],
    ];
    let readers: [&[&str]; 6] = [
        &["models", "list"],
        &["runs", "list"],
        &["data", "list"],
        &["keys", "list"],
        &["models", "show", "blobs"],
        &["serve", "--port", "0", "--device", "flex", "--model", "blobs"],
    ];
    let refused = |place: &str, args: &[&str]| {
        let mut all = vec!["--home", place];
        all.extend(args);
        let output = home.run(&all);
        assert!(matches!(output.code, Some(1 | 2)), "{place} {args:?}: {}", output.stderr);
        let last = output.stderr.lines().last().unwrap_or_default();
        let first = Path::new(place).components().next().unwrap();
        assert!(last.starts_with("error: ") && last.contains("; "), "{place} {args:?}: {last}");
        assert!(last.contains(&*first.as_os_str().to_string_lossy()), "{place} {args:?}: {last}");
        assert!(!last.contains("panicked") && !last.contains("internal error"), "{place} {args:?}: {last}");
    };
    // A file in place of the home, of a folder above it and of a part of it.
    for place in ["file", "file/below", "no-models", "no-runs", "no-data"] {
        for args in writers.iter().chain(&readers) {
            refused(place, args);
        }
    }
    // File systems where even root creates nothing.
    for place in ["/proc/cupola-home", "/sys/cupola-home"] {
        if fs::create_dir(place).is_ok() {
            let _ = fs::remove_dir(place);
            continue;
        }
        for args in writers {
            refused(place, args);
        }
        // Reading needs no file: there is simply nothing.
        for args in &readers[..3] {
            let mut all = vec!["--home", place];
            all.extend(*args);
            assert_eq!(home.run(&all).code, Some(0), "{place} {args:?}");
        }
    }
}

/// Rights of everything in the home that group or others have.
fn shared(home: &TestHome) -> Vec<(PathBuf, u32)> {
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    let all = walk(&home.root()).into_iter().map(|path| (path.clone(), mode(&path)));
    all.filter(|(_, mode)| mode & 0o077 != 0).collect()
}

/// Runs a command in a shell with this umask.
fn run_with_umask(home: &TestHome, umask: &str, args: &[&str]) {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("umask {umask}; exec \"$@\"")).arg("sh").arg(env!("CARGO_BIN_EXE_cupola"));
    let output = command.args(args).current_dir(home.path("")).env_remove("CUPOLA_HOME").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_home_belongs_to_its_owner_unless_it_is_shared() {
    let writers: [&[&str]; 4] = [
        &["prepare", "--config", "run.toml"],
        &["train", "--config", "run.toml", "--device", "flex"],
        &["data", "add", "points", "blobs.csv"],
        &["keys", "add", "--name", "k", "--scope", "admin"],
    ];
    for umask in ["000", "022"] {
        let home = TestHome::with_blobs(120, TRAIN);
        fs::set_permissions(home.path("blobs.csv"), fs::Permissions::from_mode(0o666)).unwrap();
        // A folder that somebody made before, readable by all as `mkdir` does it.
        if umask == "000" {
            fs::create_dir(home.root()).unwrap();
        }
        for args in writers {
            run_with_umask(&home, umask, args);
        }
        assert_eq!(shared(&home), [], "umask {umask}");
        if umask == "022" {
            let mode = fs::metadata(home.root()).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o700);
        }
    }
    let home = TestHome::with_blobs(120, TRAIN);
    fs::create_dir(home.root()).unwrap();
    fs::set_permissions(home.root(), fs::Permissions::from_mode(0o2770)).unwrap();
    for args in &writers[..3] {
        run_with_umask(&home, "077", args);
    }
    let files = walk(&home.root());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    let manifest = files.iter().find(|path| path.ends_with("models/blobs/1/manifest.json")).unwrap();
    assert_eq!(mode(manifest) & 0o777, 0o660);
    let folders: Vec<_> = files.iter().filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty());
    for folder in folders {
        assert_eq!(mode(folder) & 0o7777, 0o2770, "{}", folder.display());
    }
    assert!(shared(&home).iter().all(|(_, mode)| mode.trailing_zeros() >= 3), "{:?}", shared(&home));
}

#[test]
fn links_that_others_planted_are_not_written_through() {
    let home = TestHome::with_blobs(120, TRAIN);
    home.train(&[]);
    home.write("victim", "precious");
    let lock = home.path(".cupola/models/blobs/.lock");
    fs::remove_file(&lock).unwrap();
    symlink(home.path("victim"), &lock).unwrap();
    let output = home.run(&["models", "alias", "blobs", "champion", "1"]);
    assert!(output.stderr.contains(".lock is not a regular file; move it away"), "{}", output.stderr);
    fs::remove_file(&lock).unwrap();
    // A link in place of a document is replaced, and the file that it led to stays as it was.
    let aliases = home.path(".cupola/models/blobs/aliases.json");
    fs::write(home.path("victim"), fs::read(&aliases).unwrap()).unwrap();
    fs::remove_file(&aliases).unwrap();
    symlink(home.path("victim"), &aliases).unwrap();
    home.json(&["models", "alias", "blobs", "champion", "1"]);
    assert!(!home.read("victim").contains("champion"));
    assert!(fs::symlink_metadata(&aliases).unwrap().is_file());
}
