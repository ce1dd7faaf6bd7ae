//! The Vulkan path on whichever driver there is, a software one included.
//!
//! Runs where `CUPOLA_TEST_VULKAN` is set; see `scripts/setup-vulkan-cpu`.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::serving::{PREDICT, rows};
use crate::support::{Server, TestHome};

/// Returns `true` and prints a line if `CUPOLA_TEST_VULKAN` is not set.
fn skipped(test: &str) -> bool {
    let skip = std::env::var_os("CUPOLA_TEST_VULKAN").is_none();
    if skip {
        cupola_testkit::skip(test, "CUPOLA_TEST_VULKAN=1 and a Vulkan driver");
    }
    skip
}

/// A run with 64 inputs, 64 classes and batches of 64.
fn test_home() -> TestHome {
    let home = TestHome::new();
    let names: Vec<String> = (0..64).map(|i| format!("x{i}")).collect();
    let mut text = names.join(",") + ",class\n";
    for row in 0..640_u32 {
        let values: Vec<String> =
            (0..64).map(|i| format!("{:.3}", f64::from((row * 31 + i * 17) % 97) / 97.0)).collect();
        writeln!(text, "{},{}", values.join(","), row % 64).unwrap();
    }
    home.write("wide.csv", text);
    home.write(
        "run.toml",
        "name = \"wide\"\nseed = 2\n[data]\nsource = \"wide.csv\"\n[split]\nvalid = 0.0\ntest = 0.2\n\
         [[targets]]\nname = \"class\"\nkind = \"category\"\n[model]\nfamily = \"mlp\"\nhidden = [64]\n\
         [train]\nepochs = 1\nbatch_size = 64\n",
    );
    home
}

/// Losses of four steps, or the message if the device was rejected.
fn losses(home: &TestHome, device: &str) -> Result<Vec<f64>, String> {
    let folder = format!("home-{device}");
    let args = [
        "--json",
        "--home",
        &folder,
        "train",
        "--config",
        "run.toml",
        "--device",
        device,
        "--max-steps",
        "4",
    ];
    let output = home.run(&args);
    if output.code != Some(0) {
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        return Err(output.stderr);
    }
    let done: Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(device == "flex" || output.stderr.contains("agrees with the CPU to "), "{}", output.stderr);
    Ok(losses_of(home, &folder, done["run"].as_str().unwrap()))
}

fn losses_of(home: &TestHome, folder: &str, run: &str) -> Vec<f64> {
    let events = home.read(&format!("{folder}/runs/{run}/events.jsonl"));
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|e| e["event"] == "step").map(|e| e["loss"].as_f64().unwrap()).collect()
}

#[track_caller]
fn assert_matches_cpu(gpu: &[f64], cpu: &[f64]) {
    assert_eq!(gpu.len(), 4);
    for (a, b) in gpu.iter().zip(cpu) {
        assert!((a - b).abs() < 1e-4 * b, "{gpu:?} on Vulkan, {cpu:?} on the CPU");
    }
}

/// The software driver miscomputes some of the matrix kernels that autotune may choose. Then the comparison
/// with the CPU (loss and every gradient to 2e-2 of the largest value) must reject the device; with other
/// kernels the losses must equal those of the CPU.
#[test]
fn a_run_on_vulkan_has_the_losses_of_the_cpu_or_is_rejected() {
    if skipped("a_run_on_vulkan_has_the_losses_of_the_cpu_or_is_rejected") {
        return;
    }
    let home = test_home();
    let cpu = losses(&home, "flex").unwrap();
    for _ in 0..12 {
        match losses(&home, "vulkan") {
            Ok(gpu) => return assert_matches_cpu(&gpu, &cpu),
            Err(message) => assert!(message.contains("computes wrong numbers for this network"), "{message}"),
        }
    }
    panic!("the driver was rejected twelve times");
}

/// A resumed run restores weights and optimizer moments: its losses are those of an uninterrupted run on the CPU.
#[test]
fn a_run_on_vulkan_resumes_where_it_was() {
    if skipped("a_run_on_vulkan_resumes_where_it_was") {
        return;
    }
    let home = test_home();
    let cpu = losses(&home, "flex").unwrap();
    for _ in 0..12 {
        let first =
            home.run(&["--json", "train", "--config", "run.toml", "--device", "vulkan", "--max-steps", "2"]);
        let Ok(done) = serde_json::from_str::<Value>(&first.stdout) else { continue };
        let run = done["run"].as_str().unwrap();
        home.unfinish(run);
        let rest = home.run(&["train", "--resume", run, "--device", "vulkan", "--max-steps", "4"]);
        if rest.code != Some(0) {
            assert!(rest.stderr.contains("computes wrong numbers for this network"), "{}", rest.stderr);
            continue;
        }
        return assert_matches_cpu(&losses_of(&home, ".cupola", run), &cpu);
    }
    panic!("the driver was rejected twelve times");
}

#[test]
fn a_software_adapter_is_passed_over_with_a_reason() {
    if skipped("a_software_adapter_is_passed_over_with_a_reason") {
        return;
    }
    let home = test_home();
    let output = home.run(&["train", "--config", "run.toml", "--max-steps", "1"]);
    assert!(
        output.stdout.contains("device  flex (CPU) (no GPU: the only Vulkan adapter is software: "),
        "{}{}",
        output.stdout,
        output.stderr
    );
}

#[test]
fn a_gpu_predicts_as_the_cpu_does() {
    if skipped("a_gpu_predicts_as_the_cpu_does") {
        return;
    }
    let home = TestHome::with_blobs(120, "[train]\nepochs = 2\n");
    home.train(&[]);
    let answers = |device: &str| -> Vec<f64> {
        let output = home.run(&["predict", "--model", "blobs", "--input", "blobs.csv", "--device", device]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let rows = output.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| row["side"]["probabilities"]["left"].as_f64().unwrap()).collect()
    };
    let (gpu, cpu) = (answers("vulkan"), answers("flex"));
    assert!(gpu.iter().zip(&cpu).all(|(a, b)| (a - b).abs() < 1e-2), "{gpu:?} {cpu:?}");
}

/// The library of NVIDIA's driver is an imitation of two cards. The software adapter has no address, so both are shown.
#[test]
fn a_server_on_vulkan_shows_the_figures_of_its_cards() {
    let test = "a_server_on_vulkan_shows_the_figures_of_its_cards";
    if skipped(test) {
        return;
    }
    let home = TestHome::with_blobs(120, "[train]\nepochs = 2\n");
    home.train(&[]);
    let source = cupola_testkit::root().join("crates/serving/src/telemetry/gpu/fake_nvml.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(home.path("libnvidia-ml.so.1"))
        .arg(source)
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        return cupola_testkit::skip(test, "a C compiler");
    }
    home.write("serve.toml", "[[model]]\nserve = 'blobs'\n[monitor.performance_log]\nseconds = 1\n");
    let libraries = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let mut command = home.command(&["serve", "--port", "0", "--device", "vulkan", "--config", "serve.toml"]);
    command.env("LD_LIBRARY_PATH", format!("{}:{libraries}", home.path("").display()));
    let server = Server::start(&mut command);
    assert_eq!(server.post(PREDICT, rows(), &[]).status, 200);
    let metrics = || server.get("/metrics").text;
    let begun = Instant::now();
    while !metrics().contains("cupola_gpu_busy_share") && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let metrics = metrics();
    for line in [
        "cupola_gpu_busy_share{gpu=\"0\",name=\"Fake H100\"} 0.37",
        "cupola_gpu_memory_used_bytes{gpu=\"1\",name=\"Fake A100 with MIG\"} 1073741824.0",
        "cupola_gpu_temperature_celsius{gpu=\"0\",name=\"Fake H100\"} 61.0",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    let show = ["monitor", "performance", "--model", "blobs", "--log", "--chunks", "count:1"];
    let process = home.json(&show)["chunks"][0]["interval"]["process"].clone();
    assert!((process["gpu"].as_f64().unwrap() - 0.37).abs() < 1e-9, "{process}");
    assert_eq!(process["gpu_memory_bytes"], 13_u64 << 30);
    let table = home.run(&show).stdout;
    assert!(table.contains("GPU memory MB") && table.contains("37 %"), "{table}");
}
