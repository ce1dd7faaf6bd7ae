use std::fs;
use std::process::Command;

use crate::support::{BLOBS, Place, Said, everything_under};

/// A config, the data beside it, and the words that the message must hold.
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
fn every_mistake_gets_one_clear_message_and_leaves_nothing() {
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
        mistake("a ragged row", config.clone(), b"x,y,side\n1,1,left\n2,2\n3,3,right\n", &["row 2:"]),
        mistake("not UTF-8", config.clone(), b"x,y,side\n1,1,le\xffft\n", &["blobs.csv"]),
        mistake("one class", config.clone(), one_class.as_bytes(), &["all values are `left`"]),
        mistake(
            "a missing target",
            config.clone(),
            b"x,y,side\n1,1,left\n2,2,\n3,3,right\n",
            &["missing in 1 of 3 rows, first in row 2"],
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
            &["column `y`", "expected a finite number, found `"],
        ),
    ];
    for Mistake { what, config, data, words } in cases {
        let place = Place::new();
        place.write("run.toml", &config);
        place.write("blobs.csv", data);
        let Said { code, out, err } = place.run(&["train", "--config", "run.toml", "--device", "flex"]);
        assert_eq!(code, Some(2), "{what}: {out}{err}");
        for word in words {
            assert!(err.contains(word), "{what}: `{word}` is not in\n{err}");
        }
        assert!(!err.contains("panicked") && !err.contains("RUST_BACKTRACE"), "{what}: {err}");
        assert!(err.lines().count() <= 3, "{what}: one clear message, not\n{err}");
        assert_eq!(everything_under(&place.home()), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn a_broken_gzip_is_named() {
    let place = Place::with_blobs(50, "");
    place.write("run.toml", place.read("run.toml").replace("blobs.csv", "blobs.csv.gz"));
    place.write("blobs.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48");
    let said = place.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert!(said.code == Some(2) && said.err.contains("not a readable gzip file"), "{}", said.err);
}

#[test]
fn wrong_words_on_the_command_line_exit_with_2() {
    let place = Place::with_blobs(50, "");
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
        let said = place.run(args);
        assert_eq!(said.code, Some(2), "{args:?}: {}", said.err);
        assert!(!said.err.is_empty() && !said.err.contains("panicked"), "{args:?}: {}", said.err);
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint() {
    let train = "[train]\nepochs = 40\nbatch_size = 8\nclip_norm = 0.0\ncheckpoint_every = 1\n\
                 [train.optimizer]\nkind = \"sgd\"\nlearning_rate = 1e30\n[train.schedule]\nkind = \"constant\"\nwarmup_steps = 30\n";
    // Without norms a huge rate is enough.
    let place = Place::with_blobs(120, &train.replace("warmup_steps = 30", "warmup_steps = 0"));
    place.write("run.toml", place.read("run.toml").replace("    { type = \"batch_norm\" },\n", ""));
    let said = place.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(
        said.err.contains("at step ") && said.err.contains("lower train.optimizer.learning_rate"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("the checkpoint of step 1 is kept")
            || said.err.contains("no checkpoint was written yet"),
        "{}",
        said.err
    );
    let runs = place.json(&["runs", "list"]);
    assert_eq!(runs[0]["status"], "failed");
    assert_eq!(place.json(&["models", "list"]).as_array().unwrap().len(), 0);
}

/// Writes beyond a size fail, as they do on a full disk.
fn limited(place: &Place, blocks: u32, args: &str) -> Said {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {} {args}", env!("CARGO_BIN_EXE_cupola"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(place.path("")).output().unwrap();
    Said::from(output)
}

#[test]
fn a_write_that_fails_leaves_nothing_half_written() {
    let place = Place::with_blobs(120, "[train]\nepochs = 2\n");
    place.train(&[]);
    place.write("run.toml", place.read("run.toml").replace("out = 12", "out = 4000"));
    // A checkpoint of this network is larger than 40 blocks.
    let said = limited(&place, 40, "train --config run.toml --device flex");
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(said.err.contains("step-") && said.err.contains("; check the disk"), "{}", said.err);
    let home = place.home().to_string_lossy().into_owned();
    let left = everything_under(&place.home());
    let inside = left.iter().filter_map(|path| path.strip_prefix(&home));
    let odd: Vec<_> = inside.filter(|path| path.contains("/.staged-") || path.contains("/.tmp")).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(place.json(&["models", "list"]).as_array().unwrap().len(), 1);
    place.json(&["models", "verify"]);
}

#[test]
fn a_full_disk_says_so_and_the_run_goes_on_from_its_last_checkpoint() {
    let place = Place::with_blobs(240, "[train]\nepochs = 4\nbatch_size = 8\n");
    place.write("run.toml", place.read("run.toml").replace("out = 12", "out = 2000"));
    let home = place.home();
    fs::create_dir(&home).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=700k", "tmpfs"]).arg(&home).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        cupola_testkit::skip(
            "a_full_disk_says_so_and_the_run_goes_on_from_its_last_checkpoint",
            "the right to mount a small file system",
        );
        return;
    }
    let said = place.run(&["train", "--config", "run.toml", "--device", "flex"]);
    let remount = |size: &str| {
        let options = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&home).status().unwrap().success());
    };
    remount("64m");
    let resumed = place.run(&["train", "--resume", "latest", "--device", "flex"]);
    Command::new("umount").arg(&home).status().unwrap();
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(said.err.contains("the disk is full: free space, then resume"), "{}", said.err);
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.out, resumed.err);
}

#[test]
fn a_damaged_package_is_refused_before_anything_is_served() {
    let place = Place::with_blobs(120, "[train]\nepochs = 1\n");
    place.train(&[]);
    let path = ".cupola/models/blobs/1/model.safetensors";
    let good = fs::read(place.path(path)).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [flipped, good[..good.len() / 2].to_vec(), Vec::new()] {
        place.write(path, &bytes);
        for args in [
            &["serve", "--model", "blobs"][..],
            &["predict", "--model", "blobs", "--input", "blobs.csv"],
            &["models", "verify"],
        ] {
            let said = place.run(args);
            assert!(said.code == Some(1) && said.err.contains("SHA-256 is"), "{args:?}: {}", said.err);
        }
    }
    // Sealed anew around a hostile file: the reader has to stand alone.
    let manifest = place.read(".cupola/models/blobs/1/manifest.json");
    for bytes in [&b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"[..], b"", b"\x02\0\0\0\0\0\0\0{}"] {
        place.write(path, bytes);
        let digest = cupola_registry::sha256_hex(bytes);
        let old = cupola_registry::sha256_hex(&good);
        place.write(".cupola/models/blobs/1/manifest.json", manifest.replace(&old, &digest));
        let said = place.run(&["predict", "--model", "blobs", "--input", "blobs.csv", "--device", "flex"]);
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(!said.err.contains("panicked"), "{}", said.err);
    }
}

#[test]
fn a_network_that_this_machine_cannot_hold_is_refused_before_it_is_built() {
    let place = Place::with_blobs(60, "");
    let model = "model={ family = \"mlp\", hidden = [2000000, 2000000] }";
    let said = place.run(&["train", "--config", "run.toml", "--device", "flex", "--set", model]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("its weights alone do not fit"), "{}", said.err);
    assert!(!place.home().join("runs").exists(), "no run was begun");
}
