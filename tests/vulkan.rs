//! The Vulkan path on whichever driver there is, a software one included.
//!
//! Runs where `CUPOLA_TEST_VULKAN` is set; see `scripts/setup-vulkan-cpu`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::Place;

/// `true`, and says so, where no Vulkan driver was asked for.
fn skipped(test: &str) -> bool {
    let skip = std::env::var_os("CUPOLA_TEST_VULKAN").is_none();
    if skip {
        cupola_testkit::skip(test, "CUPOLA_TEST_VULKAN=1 and a Vulkan driver");
    }
    skip
}

/// A run with 64 inputs, 64 classes and batches of 64.
fn place() -> Place {
    let place = Place::new();
    let names: Vec<String> = (0..64).map(|i| format!("x{i}")).collect();
    let mut text = names.join(",") + ",class\n";
    for row in 0..640_u32 {
        let values: Vec<String> =
            (0..64).map(|i| format!("{:.3}", f64::from((row * 31 + i * 17) % 97) / 97.0)).collect();
        writeln!(text, "{},{}", values.join(","), row % 64).unwrap();
    }
    place.write("wide.csv", text);
    place.write(
        "run.toml",
        "name = \"wide\"\nseed = 2\n[data]\nsource = \"wide.csv\"\n[split]\nvalid = 0.0\ntest = 0.2\n\
         [[targets]]\nname = \"class\"\nkind = \"category\"\n[model]\nfamily = \"mlp\"\nhidden = [64]\n\
         [train]\nepochs = 1\nbatch_size = 64\n",
    );
    place
}

/// Losses of four steps, or the message of a device that was refused.
fn losses(place: &Place, device: &str) -> Result<Vec<f64>, String> {
    let home = format!("home-{device}");
    let args =
        ["--json", "--home", &home, "train", "--config", "run.toml", "--device", device, "--max-steps", "4"];
    let said = place.run(&args);
    if said.code != Some(0) {
        assert_eq!(said.code, Some(2), "{}", said.err);
        return Err(said.err);
    }
    let done: Value = serde_json::from_str(&said.out).unwrap();
    assert!(device == "flex" || said.err.contains("agrees with the CPU to "), "{}", said.err);
    Ok(losses_of(place, &home, done["run"].as_str().unwrap()))
}

fn losses_of(place: &Place, home: &str, run: &str) -> Vec<f64> {
    let events = place.read(&format!("{home}/runs/{run}/events.jsonl"));
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|e| e["event"] == "step").map(|e| e["loss"].as_f64().unwrap()).collect()
}

#[track_caller]
fn are_the_cpus(gpu: &[f64], cpu: &[f64]) {
    assert_eq!(gpu.len(), 4);
    for (a, b) in gpu.iter().zip(cpu) {
        assert!((a - b).abs() < 1e-4 * b, "{gpu:?} on Vulkan, {cpu:?} on the CPU");
    }
}

/// The software driver computes some of the matrix kernels that autotune may choose wrongly. Then the
/// comparison with the CPU (loss and every gradient to 2e-2 of the largest value) has to refuse the
/// device; when it chooses others, the run has to have the CPU's losses.
#[test]
fn a_run_on_vulkan_has_the_losses_of_the_cpu_or_is_refused() {
    if skipped("a_run_on_vulkan_has_the_losses_of_the_cpu_or_is_refused") {
        return;
    }
    let place = place();
    let cpu = losses(&place, "flex").unwrap();
    for _ in 0..12 {
        match losses(&place, "vulkan") {
            Ok(gpu) => return are_the_cpus(&gpu, &cpu),
            Err(message) => assert!(message.contains("computes wrong numbers for this network"), "{message}"),
        }
    }
    panic!("the driver was refused twelve times");
}

/// A resumed run has its weights and moments back: its losses are those of the CPU that went through.
#[test]
fn a_run_on_vulkan_resumes_where_it_was() {
    if skipped("a_run_on_vulkan_resumes_where_it_was") {
        return;
    }
    let place = place();
    let cpu = losses(&place, "flex").unwrap();
    for _ in 0..12 {
        let first =
            place.run(&["--json", "train", "--config", "run.toml", "--device", "vulkan", "--max-steps", "2"]);
        let Ok(done) = serde_json::from_str::<Value>(&first.out) else { continue };
        let run = done["run"].as_str().unwrap();
        place.unfinish(run);
        let rest = place.run(&["train", "--resume", run, "--device", "vulkan", "--max-steps", "4"]);
        if rest.code != Some(0) {
            assert!(rest.err.contains("computes wrong numbers for this network"), "{}", rest.err);
            continue;
        }
        return are_the_cpus(&losses_of(&place, ".cupola", run), &cpu);
    }
    panic!("the driver was refused twelve times");
}

#[test]
fn a_software_adapter_is_left_for_the_cpu_with_a_line() {
    if skipped("a_software_adapter_is_left_for_the_cpu_with_a_line") {
        return;
    }
    let place = place();
    let said = place.run(&["train", "--config", "run.toml", "--max-steps", "1"]);
    assert!(
        said.out.contains("device  flex (CPU) (no GPU: the only Vulkan adapter is software: "),
        "{}{}",
        said.out,
        said.err
    );
}

#[test]
fn a_gpu_serves_the_cpus_answers_or_not_at_all() {
    if skipped("a_gpu_serves_the_cpus_answers_or_not_at_all") {
        return;
    }
    let place = Place::with_blobs(120, "[train]\nepochs = 2\n");
    place.train(&[]);
    let answers = |device: &str| -> Vec<f64> {
        let said = place.run(&["predict", "--model", "blobs", "--input", "blobs.csv", "--device", device]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let rows = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| row["side"]["probabilities"]["left"].as_f64().unwrap()).collect()
    };
    let (gpu, cpu) = (answers("vulkan"), answers("flex"));
    assert!(gpu.iter().zip(&cpu).all(|(a, b)| (a - b).abs() < 1e-2), "{gpu:?} {cpu:?}");
}
