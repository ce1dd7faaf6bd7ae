//! A home in an object store that several machines share. `scripts/check-home` does more, with an S3 server.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{CommandOutput, Server, TestHome, signal};
use crate::watch;

/// Gives a home the folder that is the store of all machines.
fn with_store(home: TestHome) -> TestHome {
    std::fs::create_dir(home.path("store")).unwrap();
    home
}

/// Command on a machine with its own cache.
fn command(home: &TestHome, machine: &str, args: &[&str]) -> Command {
    let store = format!("file://{}", home.path("store").display());
    let mut command = home.command(args);
    command.env("CUPOLA_HOME", store).env("XDG_CACHE_HOME", home.path(machine));
    command
}

fn on(home: &TestHome, machine: &str, args: &[&str]) -> CommandOutput {
    CommandOutput::from(command(home, machine, args).output().unwrap())
}

fn json_of(home: &TestHome, machine: &str, args: &[&str]) -> Value {
    let output = on(home, machine, &[&["--json"], args].concat());
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn machines_share_models_aliases_runs_and_datasets() {
    let home = with_store(TestHome::with_blobs(400, "[train]\nepochs = 1\n"));
    let train = ["train", "--config", "run.toml", "--device", "flex"];
    let first = json_of(&home, "a", &train);
    json_of(&home, "b", &train);
    let listed = json_of(&home, "c", &["models", "list"]);
    let versions: Vec<u64> =
        listed.as_array().unwrap().iter().map(|row| row["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [2, 1]);
    json_of(&home, "a", &["models", "alias", "blobs", "champion", "1"]);
    let shown = json_of(&home, "c", &["runs", "show", first["run"].as_str().unwrap()]);
    assert_eq!(shown["run"]["status"], "finished");
    home.write("rows.csv", "x,y\n0.1,0.2\n0.9,0.8\n");
    let predict = ["predict", "--model", "blobs@champion", "--input", "rows.csv"];
    let there = on(&home, "c", &predict);
    assert_eq!(there.code, Some(0), "{}", there.stderr);
    assert_eq!(there.stdout, on(&home, "a", &predict).stdout);
    json_of(&home, "a", &["data", "add", "rows", "rows.csv"]);
    assert_eq!(json_of(&home, "c", &["data", "show", "rows"])["dataset"]["rows"], 2);

    // Without the store, the cache answers and says so.
    std::fs::rename(home.path("store"), home.path("away")).unwrap();
    home.write("store", "not a folder");
    let cached = on(&home, "c", &predict);
    assert_eq!((cached.code, &cached.stdout), (Some(0), &there.stdout), "{}", cached.stderr);
    assert!(cached.stderr.contains("using the cache in "), "{}", cached.stderr);
    assert_ne!(on(&home, "d", &predict).code, Some(0), "another machine has no copy");
    // A training finds it out before it begins.
    let refused = on(&home, "c", &train);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("mount its file system"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("epoch"), "{}", refused.stderr);
}

#[test]
fn rows_that_one_machine_takes_were_pushed_to_others() {
    let home = with_store(TestHome::new());
    home.write("rows.csv", "number,half\n0,0.5\n");
    json_of(&home, "a", &["data", "add", "rows", "rows.csv"]);
    let serve = ["serve", "--port", "0", "--device", "flex"];
    let servers: Vec<Server> =
        ["a", "b"].map(|machine| Server::start(&mut command(&home, machine, &serve))).into();
    std::thread::scope(|scope| {
        for (at, server) in servers.iter().enumerate() {
            scope.spawn(move || {
                for number in 1..=20 {
                    let row = json!({ "number": at * 1000 + number, "half": 0.5 });
                    let body = json!({ "rows": [row] }).to_string();
                    let response = server.post("/v1/datasets/rows/rows", body, &[]);
                    assert_eq!(response.status, 200, "{}", response.text);
                }
            });
        }
        for machine in ["c", "d"] {
            let home = &home;
            scope.spawn(move || (0..3).for_each(|_| drop(json_of(home, machine, &["data", "pull", "rows"]))));
        }
    });
    json_of(&home, "e", &["data", "pull", "rows"]);
    assert_eq!(json_of(&home, "c", &["data", "show", "rows"])["dataset"]["rows"], 41);
    home.write("unique.toml", "name = \"u\"\n[data]\nsource = \"dataset:rows\"\n[[expect]]\ncolumn = \"number\"\nunique = true\n[[targets]]\nname = \"half\"\n[model]\nfamily = \"gbdt\"\n");
    json_of(&home, "c", &["data", "validate", "--config", "unique.toml"]);
    assert_eq!(fs::read_dir(home.path("store/data/rows/inbox")).unwrap().count(), 0);
}

#[test]
fn the_watch_of_a_killed_machine_goes_on_at_another() {
    let home = with_store(TestHome::new());
    home.write("rows.csv", watch::rows(300, 0, false));
    let own =
        "[watch]\nevery = \"1s\"\ncooldown = \"0s\"\nrollback.within = \"0s\"\n[watch.on]\nnew_data = true\n";
    home.write("run.toml", format!("{}{own}", watch::CONFIG));
    let journal = home.path("store/watch/shop/journal");
    let records = || fs::read_dir(&journal).map_or(0, Iterator::count);
    let watching = ["watch", "--config", "run.toml", "--device", "flex"];
    let mut first =
        command(&home, "a", &watching).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while records() < 3 {
        assert!(started.elapsed() < Duration::from_mins(2) && first.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    let second = on(&home, "b", &watch::PASS);
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    let holder = format!("shop is watched already, by process {}", first.id());
    assert!(second.stderr.contains(&holder), "{}", second.stderr);
    signal(first.id(), "KILL");
    first.wait().unwrap();
    let killed = Instant::now();
    let passed = loop {
        let passed = on(&home, "b", &watch::PASS);
        if passed.code != Some(1) || killed.elapsed() > Duration::from_mins(2) {
            break passed;
        }
        std::thread::sleep(Duration::from_secs(1));
    };
    assert_eq!(passed.code, Some(0), "{}", passed.stderr);
    let shown = json_of(&home, "c", &["watch", "show", "shop-1"]);
    let states = watch::states(&shown);
    assert_eq!(states.iter().collect::<BTreeSet<_>>().len(), states.len(), "{states:?}");
    assert_eq!(states.last().map(String::as_str), Some("kept"), "{states:?}");
    let pointers: Value = serde_json::from_str(&home.read("store/models/shop/pointers.json")).unwrap();
    let moves = pointers["moves"].as_array().unwrap().iter();
    assert_eq!(moves.filter(|one| one["alias"] == "production").count(), 1, "{pointers}");
    // The lease was given back: the next pass does not wait.
    assert_eq!(on(&home, "c", &watch::PASS).code, Some(0));
}

#[test]
fn a_job_gets_the_store_with_its_cache() {
    let home = with_store(TestHome::with_blobs(100, "[train]\nepochs = 1\n"));
    let slurm = ["submit", "--engine", "slurm", "--config", "run.toml", "--dry-run"];
    let script = on(&home, "a", &slurm);
    assert_eq!(script.code, Some(0), "{}", script.stderr);
    let store = format!("# The home is file://{};", home.path("store").display());
    let cache = home.path("a/cupola/homes");
    assert!(script.stdout.contains(&store), "{}", script.stdout);
    assert!(script.stdout.contains(&format!("--home {}", cache.display())), "{}", script.stdout);
    let pod =
        ["submit", "--engine", "kubernetes", "--config", "run.toml", "--image", "r/cupola:1", "--dry-run"];
    let refused = on(&home, "a", &pod);
    assert!(refused.code == Some(2) && refused.stderr.contains("a pod does not have"), "{}", refused.stderr);
    let local = home.run(&pod);
    assert!(local.code == Some(2) && local.stderr.contains("give --claim"), "{}", local.stderr);
}

/// Command of a user whose rights are those of the files; root has others, unless it gives them up. `None` without the
/// program for that.
fn with_rights(home: &TestHome, args: &[&str]) -> Option<CommandOutput> {
    let id = Command::new("id").arg("-u").output().ok()?;
    let plain = home.command(args);
    let mut command = if id.stdout == b"0\n" { Command::new("setpriv") } else { Command::new("env") };
    if id.stdout == b"0\n" {
        command.arg("--bounding-set=-dac_override,-dac_read_search");
    }
    command.arg(plain.get_program()).args(args).current_dir(home.path("")).stdin(Stdio::null());
    command.env_remove("CUPOLA_HOME");
    command.output().ok().map(CommandOutput::from)
}

#[test]
fn a_home_that_may_only_be_read_is_a_mistake_of_the_user_in_each_command() {
    let home = TestHome::with_blobs(400, "[train]\nepochs = 1\n[watch]\non.new_data = true\n");
    home.train(&[]);
    home.json(&["data", "add", "rows", "blobs.csv"]);
    home.write("studies.db", "");
    let rights = |mode: &str, path: &str| {
        assert!(Command::new("chmod").args(["-R", mode]).arg(home.path(path)).status().unwrap().success());
    };
    rights("a-w", ".cupola");
    rights("a-w", "studies.db");
    let config = ["--config", "run.toml"];
    let trials = [&["tune", "--trials", "1", "--storage", "sqlite://studies.db"], &config[..]].concat();
    let writers: [(&[&str], &str); 12] = [
        (&[&["train"], &config[..]].concat(), "--home"),
        (&[&["tune", "--trials", "1"], &config[..]].concat(), "--home"),
        (&trials, "--storage"),
        (&[&["cv", "--folds", "2"], &config[..]].concat(), "--home"),
        (&[&["watch", "--once"], &config[..]].concat(), "--home"),
        (&[&["prepare"], &config[..]].concat(), "--home"),
        (&["data", "add", "more", "blobs.csv"], "--home"),
        (&["data", "pull", "rows"], "--home"),
        (&["models", "alias", "blobs", "champion", "1"], "--home"),
        (&["models", "rollback", "blobs", "latest"], "--home"),
        (&["keys", "add", "--name", "shop", "--scope", "predict:blobs"], "--home"),
        (&["serve", "--model", "blobs", "--port", "0"], "--home"),
    ];
    for (args, option) in writers {
        let Some(output) = with_rights(&home, args) else {
            rights("u+w", ".cupola");
            println!("skipped: no setpriv");
            return;
        };
        assert_eq!(output.code, Some(2), "{args:?}\n{}", output.stderr);
        assert!(output.stderr.contains(option), "{args:?}\n{}", output.stderr);
    }
    for args in
        [&["models", "list"][..], &["runs", "list"], &["data", "list"], &["models", "verify", "blobs"]]
    {
        let output = with_rights(&home, args).unwrap();
        assert_eq!(output.code, Some(0), "{args:?}\n{}", output.stderr);
    }
    rights("u+w", ".cupola");
}

#[test]
fn rows_wait_for_the_folder_of_a_home_that_is_not_mounted() {
    let home = with_store(TestHome::new());
    home.write("rows.csv", "number,half\n0,0.5\n");
    json_of(&home, "a", &["data", "add", "rows", "rows.csv"]);
    let server = Server::start(&mut command(&home, "a", &["serve", "--port", "0", "--device", "flex"]));
    let push = |number: usize| {
        let body = json!({ "rows": [{ "number": number, "half": 0.5 }] }).to_string();
        let response = server.post("/v1/datasets/rows/rows", body, &[]);
        assert_eq!(response.status, 200, "{}", response.text);
    };
    push(1);
    fs::rename(home.path("store"), home.path("away")).unwrap();
    push(2);
    // Only the mount point is there.
    fs::create_dir(home.path("store")).unwrap();
    push(3);
    assert_eq!(fs::read_dir(home.path("store")).unwrap().count(), 0);
    fs::remove_dir(home.path("store")).unwrap();
    fs::rename(home.path("away"), home.path("store")).unwrap();
    let inbox = home.path("store/data/rows/inbox");
    let started = Instant::now();
    while fs::read_dir(&inbox).unwrap().count() < 3 {
        assert!(started.elapsed() < Duration::from_mins(1), "the rows were not sent");
        std::thread::sleep(Duration::from_millis(200));
    }
    json_of(&home, "b", &["data", "pull", "rows"]);
    assert_eq!(json_of(&home, "c", &["data", "show", "rows"])["dataset"]["rows"], 4);
}

#[test]
fn a_watch_refuses_a_journal_with_a_gap_and_a_damaged_lease() {
    let home = with_store(TestHome::new());
    home.write("rows.csv", watch::rows(300, 0, false));
    let own = "[watch]\ncooldown = \"0s\"\nrollback.within = \"0s\"\n[watch.on]\nnew_data = true\n";
    home.write("run.toml", format!("{}{own}", watch::CONFIG));
    let once = ["watch", "--config", "run.toml", "--once", "--device", "flex"];
    let first = on(&home, "a", &once);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let folder = fs::read_dir(home.path("store/watch")).unwrap().next().unwrap().unwrap().path();
    let lease = folder.join("lease.json");
    let whole = fs::read(&lease).unwrap();
    fs::write(&lease, &whole[..whole.len() / 2]).unwrap();
    let refused = on(&home, "b", &once);
    assert!(refused.code == Some(2) && refused.stderr.contains("delete the object"), "{}", refused.stderr);
    fs::remove_file(&lease).unwrap();
    let again = on(&home, "b", &once);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let fence = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap()["fence"].as_u64().unwrap();
    assert!(fence(&fs::read(&lease).unwrap()) > fence(&whole));
    fs::remove_file(folder.join("journal/00000002.json")).unwrap();
    for args in [&once[..], &["watch", "list"], &["watch", "--config", "run.toml", "--dry-run"]] {
        let refused = on(&home, "c", args);
        assert!(
            refused.code == Some(2) && refused.stderr.contains("00000002.json"),
            "{args:?}\n{}",
            refused.stderr
        );
    }
}
