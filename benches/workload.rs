use cupola_nn::Architecture;
use cupola_prep::{Column, Frame, Prepared, prepare};
use cupola_spec::Run;
use indexmap::IndexMap;

/// Network with synthetic data of matching size.
pub struct Workload {
    pub name: &'static str,
    pub run: Run,
    pub prepared: Prepared,
    pub architecture: Architecture,
    pub steps: u64,
}

/// Workloads, equal to those of `benches/peers/torch_bench.py`.
pub fn all(quick: bool) -> Vec<Workload> {
    let steps = |n| if quick { 2 } else { n };
    let cnn = "family = \"cnn\"\nchannels = [16, 32]\nhidden = 128\ndropout = 0.25\n";
    vec![
        workload("mlp_64_512_512_10", 64, None, "family = \"mlp\"\nhidden = [512, 512]\n", 256, steps(200)),
        workload("cnn_small_8x8", 64, Some(8), cnn, 64, steps(300)),
        workload("cnn_small_28x28", 784, Some(28), cnn, 64, steps(60)),
    ]
}

fn workload(
    name: &'static str,
    width: usize,
    side: Option<usize>,
    model: &str,
    batch: usize,
    steps: u64,
) -> Workload {
    let inputs = side.map_or(String::new(), |side| {
        format!("[[inputs]]\nname = \"p\"\nkind = \"image\"\ncolumns = \"x*\"\nshape = [1, {side}, {side}]\n")
    });
    let text = format!(
        "name = \"{name}\"\nseed = 1\n[data]\nsource = \"none\"\n[split]\nvalid = 0.0\ntest = 0.0\n{inputs}\
         [[targets]]\nname = \"y\"\nkind = \"category\"\n[model]\n{model}[train]\nepochs = 1000\n\
         batch_size = {batch}\nclip_norm = 0.0\n"
    );
    let run = cupola_spec::parse(name, &text, &[], &|_| Err(String::new())).unwrap();
    let frame = frame(width, 8 * batch);
    let prepared = prepare(&run, &frame, None, None).unwrap();
    let architecture = cupola_train::architecture(&run, &prepared.plan).unwrap();
    Workload { name, run, prepared, architecture, steps }
}

/// Deterministic pseudo-random numbers, and ten classes in turn.
fn frame(width: usize, rows: usize) -> Frame {
    let mut columns = IndexMap::new();
    for column in 0..width {
        let values = (0..rows).map(|row| ((row * width + column) as f64 * 0.618_033_988).fract()).collect();
        columns.insert(format!("x{column}"), Column::Number { values, time: false });
    }
    let classes = (0..rows).map(|row| (row % 10) as f64).collect();
    columns.insert("y".to_owned(), Column::Number { values: classes, time: false });
    Frame::new(columns)
}
