use burn::tensor::Device;
use cupola_registry::{Home, RunDataset, RunFolder, RunRecord, Status, now};
use cupola_train::{Event, Job, Stop, fit};

use crate::report;
use crate::workload::Workload;

/// Times training steps as the training loop reports them; the first fifth is warm-up.
pub fn run(home: &Home, workload: &Workload) {
    let record = RunRecord {
        id: String::new(),
        name: workload.name.to_owned(),
        status: Status::Running,
        created: now(),
        updated: now(),
        config_sha256: String::new(),
        dataset: RunDataset::default(),
        device: "flex".to_owned(),
        code_version: String::new(),
        package: None,
        seconds: None,
        valid: None,
        metrics: serde_json::Map::new(),
    };
    let (folder, _) = RunFolder::create(home, record, "").unwrap();
    let job = Job {
        run: &workload.run,
        prepared: &workload.prepared,
        architecture: &workload.architecture,
        start: None,
        activation_dtype: None,
        device: Device::flex(),
        folder: &folder,
        max_steps: Some(workload.steps),
        fault: None,
    };
    let mut seconds = Vec::new();
    fit(&job, &mut |event| {
        if let Event::Step { step, seconds: each, .. } = event
            && *step > workload.steps / 5
        {
            seconds.push(*each);
        }
        Stop::No
    })
    .unwrap();
    report("train step", workload.name, "cupola (flex)", seconds);
}
