use std::fs;
use std::process::Command;

use crate::support::{BLOBS, CommandOutput, TestHome, paths_under};

/// Invalid config or data, and the words that the message must contain.
struct Mistake<'a> {
    what: &'a str,
    config: String,
    data: &'a [u8],
    words: &'a [&'a str],
}

fn mistake<'a>(what: &'a str, config: String, data: &'a [u8], words: &'a [&'a str]) -> Mistake<'a> {
    Mistake { what, config, data, words }
}

#[test]
fn every_mistake_gets_one_clear_message_and_leaves_no_files() {
    let good = cupola_testkit::blobs(120);
    let good = good.as_bytes();
    let (config, one_class) = (BLOBS.to_owned(), cupola_testkit::blobs(120).replace("right", "left"));
    let infinite = cupola_testkit::blobs(120) + &"inf,2,right\n".repeat(20);
    let texts = cupola_testkit::blobs(120).replace(",0.", ",a0.");
    let cases = [
        mistake(
            "a missing file",
            config.replace("blobs.csv", "blops.csv"),
            good,
            &["blops.csv: no such file (did you mean `blobs.csv`?)"],
        ),
        mistake("empty data", config.clone(), b"x,y,side\n", &["there are no rows"]),
        mistake("nothing at all", config.clone(), b"", &["no rows"]),
        mistake(
            "a ragged row",
            config.clone(),
            b"x,y,side\n1,1,left\n2,2\n3,3,right\n",
            &["row 2 (line 3):"],
        ),
        mistake(
            "not UTF-8, as declared",
            config.replace("[data]", "[data]\nencoding = \"utf-8\""),
            b"x,y,side\n1,1,le\xffft\n",
            &["blobs.csv", "UTF-8"],
        ),
        mistake("one class", config.clone(), one_class.as_bytes(), &["all values are `left`"]),
        mistake(
            "a missing target",
            config.clone(),
            b"x,y,side\n1,1,left\n2,2,\n3,3,right\n",
            &["blobs.csv: row 2 (line 3), column `side`", "missing in 1 of 3 rows"],
        ),
        mistake(
            "an unknown target",
            config.replace("\"side\"", "\"sid\""),
            good,
            &["column `sid` is not in the data (did you mean `side`?)"],
        ),
        mistake("too few rows", config.clone(), b"x,y,side\n1,1,left\n2,2,right\n", &["rows"]),
        mistake(
            "an unknown key",
            config.clone() + "[train]\nepoch = 3\n",
            good,
            &["run.toml:20:1: train.epoch: unknown key `epoch`; did you mean `epochs`?"],
        ),
        mistake(
            "a wrong type",
            config.clone() + "[train]\nepochs = \"3\"\n",
            good,
            &["train.epochs: expected integer, found \"3\""],
        ),
        mistake(
            "two mistakes",
            config.clone() + "[train]\nepoch = 3\nbatch = 4\n",
            good,
            &["`epoch`", "`batch`"],
        ),
        mistake(
            "a number out of range",
            config.clone() + "[train]\nepochs = 0\n",
            good,
            &["train.epochs: 0 is too small; write at least 1"],
        ),
        mistake(
            "an infinite number",
            config.clone(),
            infinite.as_bytes(),
            &["row", "column `x`", "a finite number"],
        ),
        mistake(
            "a query that fails",
            config.replace("source = ", "query = \"SELECT z FROM data\"\nsource = "),
            good,
            if cfg!(feature = "sql") {
                &["data.query", "columns are: x, y, side"]
            } else {
                &["`data.query` requires the cargo feature `sql`", "--features sql"]
            },
        ),
        mistake(
            "a layer that does not fit",
            config.replace("{ type = \"batch_norm\" }", "{ type = \"conv2d\", out = 2, kernel = 3 }"),
            good,
            &["trunk.1 (conv2d) requires an image"],
        ),
        mistake("no TOML", "name = ".to_owned(), good, &["run.toml:1:", "invalid TOML"]),
        mistake(
            "a text where numbers are declared",
            config.replace(
                "[model]",
                "[[inputs]]\nname = \"n\"\nkind = \"number\"\ncolumns = [\"x\", \"y\"]\n[model]",
            ),
            texts.as_bytes(),
            &["column `y`", "expected a number, found `a0"],
        ),
    ];
    for Mistake { what, config, data, words } in cases {
        let home = TestHome::new();
        home.write("run.toml", &config);
        home.write("blobs.csv", data);
        let CommandOutput { code, stdout, stderr } =
            home.run(&["train", "--config", "run.toml", "--device", "flex"]);
        assert_eq!(code, Some(2), "{what}: {stdout}{stderr}");
        for word in words {
            assert!(stderr.contains(word), "{what}: `{word}` is not in\n{stderr}");
        }
        assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{what}: {stderr}");
        assert!(stderr.lines().count() <= 3, "{what}: more than one message:\n{stderr}");
        assert_eq!(paths_under(&home.root()), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn a_damaged_gzip_file_is_reported() {
    let home = TestHome::with_blobs(50, "");
    home.write("run.toml", home.read("run.toml").replace("blobs.csv", "blobs.csv.gz"));
    home.write("blobs.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48");
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert!(
        output.code == Some(2) && output.stderr.contains("not a readable gzip file"),
        "{}",
        output.stderr
    );
}

#[test]
fn invalid_arguments_exit_with_2() {
    let home = TestHome::with_blobs(50, "");
    for args in [
        &["train"][..],
        &["train", "--config", "no.toml"],
        &["train", "--config", "run.toml", "--device", "gpu"],
        &["train", "--config", "run.toml", "--set", "train.epochs"],
        &["train", "--resume", "latest"],
        &["trian"],
        &["predict", "--model", "nothing"],
        &["models", "show", "a b"],
        &["serve", "--model", "digits"],
        &["runs", "show", "x"],
        &["train", "--config", "run.toml", "--device", "ndarray"],
    ] {
        let output = home.run(args);
        assert_eq!(output.code, Some(2), "{args:?}: {}", output.stderr);
        assert!(
            !output.stderr.is_empty() && !output.stderr.contains("panicked"),
            "{args:?}: {}",
            output.stderr
        );
    }
}

#[test]
fn a_non_finite_loss_stops_the_run_and_keeps_the_last_good_checkpoint() {
    let train = "[train]\nepochs = 40\nbatch_size = 8\nclip_norm = 0.0\ncheckpoint_every = 1\n\
                 [train.optimizer]\nkind = \"sgd\"\nlearning_rate = 1e30\n[train.schedule]\nkind = \"constant\"\nwarmup_steps = 30\n";
    // Without batch norm a huge learning rate makes the loss overflow.
    let home = TestHome::with_blobs(120, &train.replace("warmup_steps = 30", "warmup_steps = 0"));
    home.write("run.toml", home.read("run.toml").replace("    { type = \"batch_norm\" },\n", ""));
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(output.code, Some(1), "{}{}", output.stdout, output.stderr);
    assert!(
        output.stderr.contains("at step ") && output.stderr.contains("lower train.optimizer.learning_rate"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("the checkpoint of step 1 is kept")
            || output.stderr.contains("no checkpoint was written yet"),
        "{}",
        output.stderr
    );
    let runs = home.json(&["runs", "list"]);
    assert_eq!(runs[0]["status"], "failed");
    assert_eq!(home.json(&["models", "list"]).as_array().unwrap().len(), 0);
}

/// Runs a command with a limit on file sizes, so that writes fail as on a full disk.
fn limited(home: &TestHome, blocks: u32, args: &str) -> CommandOutput {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {} {args}", env!("CARGO_BIN_EXE_cupola"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(home.path("")).output().unwrap();
    CommandOutput::from(output)
}

#[test]
fn a_failed_write_leaves_no_partial_files() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 2\n");
    home.train(&[]);
    home.write("run.toml", home.read("run.toml").replace("out = 12", "out = 4000"));
    // A checkpoint of this network is larger than 40 blocks.
    let output = limited(&home, 40, "train --config run.toml --device flex");
    assert_eq!(output.code, Some(1), "{}{}", output.stdout, output.stderr);
    assert!(
        output.stderr.contains("step-") && output.stderr.contains("; raise the limit for files"),
        "{}",
        output.stderr
    );
    let root = home.root().to_string_lossy().into_owned();
    let left = paths_under(&home.root());
    let inside = left.iter().filter_map(|path| path.strip_prefix(&root));
    let odd: Vec<_> = inside.filter(|path| path.contains("/.staged-") || path.contains("/.tmp")).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(home.json(&["models", "list"]).as_array().unwrap().len(), 1);
    home.json(&["models", "verify"]);
}

#[test]
fn a_full_disk_is_reported_and_the_run_resumes_from_its_last_checkpoint() {
    let home = TestHome::with_blobs(240, "[train]\nepochs = 4\nbatch_size = 8\n");
    home.write("run.toml", home.read("run.toml").replace("out = 12", "out = 2000"));
    let root = home.root();
    fs::create_dir(&root).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=700k", "tmpfs"]).arg(&root).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        cupola_testkit::skip(
            "a_full_disk_is_reported_and_the_run_resumes_from_its_last_checkpoint",
            "the right to mount a small file system",
        );
        return;
    }
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    let remount = |size: &str| {
        let options = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&root).status().unwrap().success());
    };
    remount("64m");
    let resumed = home.run(&["train", "--resume", "latest", "--device", "flex"]);
    Command::new("umount").arg(&root).status().unwrap();
    assert_eq!(output.code, Some(1), "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("the disk is full: free space, then resume"), "{}", output.stderr);
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.stdout, resumed.stderr);
}

#[test]
fn a_damaged_package_is_rejected_before_it_is_served() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    home.train(&[]);
    let path = ".cupola/models/blobs/1/model.safetensors";
    let good = fs::read(home.path(path)).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [flipped, good[..good.len() / 2].to_vec(), Vec::new()] {
        home.write(path, &bytes);
        for args in [
            &["serve", "--model", "blobs"][..],
            &["predict", "--model", "blobs", "--input", "blobs.csv"],
            &["models", "verify"],
        ] {
            let output = home.run(args);
            assert!(
                output.code == Some(1) && output.stderr.contains("SHA-256 is"),
                "{args:?}: {}",
                output.stderr
            );
        }
    }
    // The manifest has the digest of the invalid file, so that the reader itself must reject it.
    let manifest = home.read(".cupola/models/blobs/1/manifest.json");
    for bytes in [&b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"[..], b"", b"\x02\0\0\0\0\0\0\0{}"] {
        home.write(path, bytes);
        let digest = cupola_registry::sha256_hex(bytes);
        let old = cupola_registry::sha256_hex(&good);
        home.write(".cupola/models/blobs/1/manifest.json", manifest.replace(&old, &digest));
        let output = home.run(&["predict", "--model", "blobs", "--input", "blobs.csv", "--device", "flex"]);
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    }
}

#[test]
fn a_damaged_file_that_predictions_do_not_read_is_named_by_every_command() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    home.train(&[]);
    for name in ["monitor.json", "metrics.json"] {
        let path = format!(".cupola/models/blobs/1/{name}");
        let good = home.read(&path);
        home.write(&path, good.replacen('1', "2", 1));
        for args in [
            &["serve", "--model", "blobs"][..],
            &["predict", "--model", "blobs", "--input", "blobs.csv"],
            &["monitor", "report", "--model", "blobs", "--data", "blobs.csv"],
            &["models", "verify"],
        ] {
            let output = home.run(args);
            assert!(
                output.code == Some(1)
                    && output.stderr.contains(name)
                    && output.stderr.contains("SHA-256 is"),
                "{args:?}: {}",
                output.stderr
            );
        }
        home.write(&path, &good);
    }
    assert_eq!(home.run(&["predict", "--model", "blobs", "--input", "blobs.csv"]).code, Some(0));
}

#[test]
fn a_network_larger_than_memory_is_rejected_before_it_is_built() {
    let home = TestHome::with_blobs(60, "");
    let model = "model={ family = \"mlp\", hidden = [2000000, 2000000] }";
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex", "--set", model]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("its weights alone do not fit"), "{}", output.stderr);
    assert!(!home.root().join("runs").exists(), "no run was begun");
}
