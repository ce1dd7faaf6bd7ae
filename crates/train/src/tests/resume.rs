//! Exact resume of every family, with all settings that draw random numbers or keep state.

use cupola_prep::{Column, Frame, SplitPart, prepare};

use super::*;

/// Name, `[[inputs]]`, `[model]`.
const FAMILIES: [(&str, &str, &str); 18] = [
    ("mlp", NUMBERS, "family = 'mlp'\nhidden = [6]\ndropout = 0.3\nnumbers = { kind = 'periodic' }"),
    ("resnet_tabular", NUMBERS, "family = 'resnet_tabular'\nwidth = 6\nhidden = 8"),
    ("ft_transformer", NUMBERS, "family = 'ft_transformer'\nblocks = 1\nwidth = 8\nheads = 2"),
    ("tabm", BINS, "family = 'tabm'\nmembers = 3\nhidden = [6]"),
    ("realmlp", NUMBERS, "family = 'realmlp'\nhidden = [6]"),
    ("cnn", IMAGE, "family = 'cnn'\nchannels = [3]\nhidden = 5\ndropout = 0.3"),
    ("resnet", IMAGE, "family = 'resnet'\ndepth = 18\nwidth = 2\nstem = 'small'\ndrop_path = 0.3"),
    (
        "vit",
        IMAGE,
        "family = 'vit'\npatch = 4\nblocks = 1\nwidth = 8\nheads = 2\ndropout = 0.2\ndrop_path = 0.2",
    ),
    ("lstm", SERIES, "family = 'lstm'\nwidth = 5\nlayers = 2\ndropout = 0.2"),
    ("gru", TEXT, "family = 'gru'\nwidth = 5\nbidirectional = true"),
    ("tcn", SERIES, "family = 'tcn'\nchannels = [4]\ndropout = 0.2"),
    ("text_transformer", TEXT, "family = 'text_transformer'\nblocks = 1\nwidth = 8\nheads = 2"),
    (
        "layers",
        NUMBERS,
        "family = 'layers'\nlayers = [{ type = 'linear', out = 4 }, { type = 'batch_norm' }]",
    ),
    ("mixed", MIXED, "family = 'mlp'\nhidden = [6]"),
    ("combined", COMBINED, "family = 'tabm'\nmembers = 2\nhidden = [6]"),
    ("autoencoder", REBUILT, "family = 'autoencoder'\nhidden = [6]\ncode = 2\ndropout = 0.2"),
    ("dlinear", AHEAD, "family = 'dlinear'\nkernel = 3"),
    ("patchtst", AHEAD, "family = 'patchtst'\npatch = 3\nstride = 2\nblocks = 1\nwidth = 8\nheads = 2"),
];

const NUMBERS: &str = "[[inputs]]\nname = 'n'\nkind = 'number'\ncolumns = ['p0', 'p1', 'p2']";
const BINS: &str = "[[inputs]]\nname = 'n'\nkind = 'number'\ncolumns = ['p0', 'p1', 'p2']\nbins = 4";
const IMAGE: &str = "[[inputs]]\nname = 'i'\nkind = 'image'\ncolumns = 'p*'\nshape = [1, 8, 8]\n\
    augment = { flip = true, crop = 1, erase = 0.5 }";
const SERIES: &str = "[[inputs]]\nname = 's'\nkind = 'series'\ncolumns = 'p*'\nsteps = [16, 4]";
const TEXT: &str = "[[inputs]]\nname = 't'\nkind = 'text'\ntokens = { kind = 'word', length = 5 }";
const MIXED: &str = "[[inputs]]\nname = 'n'\nkind = 'number'\ncolumns = ['p0', 'p1']\n\
    [[inputs]]\nname = 'i'\nkind = 'image'\ncolumns = 'p*'\nshape = [1, 8, 8]\naugment = { flip = true }\n\
    encoder = { family = 'cnn', channels = [2], hidden = 4 }\n\
    [[inputs]]\nname = 't'\nkind = 'text'\ntokens = { kind = 'bpe', vocabulary = 300, length = 6 }";

/// Two targets, and inputs that attend to each other.
const COMBINED: &str = "[[inputs]]\nname = 'n'\nkind = 'number'\ncolumns = ['p0', 'p1']\n\
    [[inputs]]\nname = 't'\nkind = 'text'\ntokens = { kind = 'word', length = 5 }\n\
    [combine]\nkind = 'transformer'\nwidth = 8\nheads = 2\ndropout = 0.2\n\
    [[targets]]\nname = 'p2'\nkind = 'number'\nweight = 0.5\n[[targets]]\nname = 'y'\nkind = 'category'";
const REBUILT: &str = "[[inputs]]\nname = 'n'\nkind = 'number'\ncolumns = ['p0', 'p1', 'p2']\n\
    [[targets]]\nname = 'odd'\nkind = 'reconstruct'";
const AHEAD: &str = "[[inputs]]\nname = 'p0'\nkind = 'series'\nwindow = 8\n\
    [[targets]]\nname = 'p0'\nkind = 'forecast'\nhorizon = 2";

fn config(inputs: &str, model: &str) -> Run {
    let one = if inputs.contains("[[targets]]") { "" } else { "[[targets]]\nname = 'y'\nkind = 'category'" };
    let classes = one.len() + inputs.matches("'category'").count() > 0;
    let loss = if classes { "[train.loss]\nlabel_smoothing = 0.1\nclass_weights = 'balanced'" } else { "" };
    let text = format!(
        "name = 'resume'\nseed = 9\n[data]\nsource = 'none'\n[split]\nvalid = 0.2\ntest = 0.0\n{inputs}\n\
         {one}\n[model]\n{model}\n\
         [train]\nepochs = 2\nbatch_size = 16\nmicro_batch = 6\nema = 0.9\neval_every = 3\n\
         [train.optimizer]\nkind = 'muon'\n[train.schedule]\nkind = 'plateau'\npatience = 1\nfactor = 0.5\n\
         {loss}"
    );
    cupola_spec::parse("resume", &text, &[], &|_| Err(String::new())).unwrap_or_else(|e| panic!("{e}"))
}

/// Sixty-four numbers, a text and a class.
fn frame() -> Frame {
    let rows = 80_u32;
    let mut columns: Vec<(String, Column)> = (0..64)
        .map(|column| {
            let values = (0..rows).map(|row| (f64::from(row * 64 + column) * 0.618).fract()).collect();
            (format!("p{column}"), Column::numbers(values))
        })
        .collect();
    let words = ["red", "blue", "", "deep green"];
    let texts = (0..rows).map(|row| Some(words[(row % 4) as usize].repeat(1 + (row % 3) as usize)));
    columns.push(("t".into(), Column::texts(texts)));
    let classes = (0..rows).map(|row| Some(["a", "b", "c"][(row % 3) as usize]));
    columns.push(("y".into(), Column::texts(classes)));
    Frame::new(columns.into_iter().collect())
}

#[test]
fn every_family_resumes_bit_for_bit() {
    for (name, inputs, model) in FAMILIES {
        let run = config(inputs, model);
        let prepared = prepare(&run, &frame(), None, None).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(prepared.rows(SplitPart::Train) > 40, "{name}");
        let architecture =
            crate::architecture(&run, &prepared.plan).unwrap_or_else(|e| panic!("{name}: {e}"));
        let go = |run_dir: &RunDir, stop_at: Option<u64>| {
            let job = job(&run, &prepared, &architecture, run_dir);
            let _turn = turn();
            let mut losses = Vec::new();
            let outcome = fit(&job, &mut |event| match event {
                Event::Step { step, loss, .. } => {
                    losses.push(*loss);
                    if Some(*step) == stop_at { Stop::Yes } else { Stop::No }
                }
                _ => Stop::No,
            });
            (outcome.unwrap_or_else(|e| panic!("{name}: {e}")), losses)
        };
        let (whole, losses) = go(&run_dir(), None);
        let run_dir = run_dir();
        let (_, mut pieces) = go(&run_dir, Some(2));
        pieces.extend(go(&run_dir, Some(6)).1);
        let (resumed, last) = go(&run_dir, None);
        pieces.extend(last);
        assert_eq!(pieces, losses, "{name}");
        assert_eq!(resumed.weights, whole.weights, "{name}");
        assert!(whole.weights.is_finite(), "{name}");
    }
}
