//! The families whose golden files `scripts/golden/networks.py` fills in.

use cupola_spec::{Block, Init, parse_model_file};
use serde_json::json;

use super::*;
use crate::{Average, LogitPart};

/// Name, loss, architecture file, block of the input, outputs.
fn cases() -> Vec<(&'static str, &'static str, &'static str, Block, usize)> {
    let table =
        |numbers, encoded, indices: &[usize]| Block::Table { numbers, encoded, indices: indices.to_vec() };
    let image = |shape| Block::Image { shape };
    let series = |steps, width| Block::Series { steps, width };
    let text = Block::Text { length: 6, vocabulary: 11 };
    let (square, binary, classes) = ("mean_squared", "binary_cross_entropy", "cross_entropy");
    vec![
        (
            "mlp_periodic",
            binary,
            "family = 'mlp'\nhidden = [8]\nnumbers = { kind = 'periodic', frequencies = 3, width = 4 }",
            table(3, 2, &[4]),
            1,
        ),
        (
            "resnet_tabular",
            square,
            "family = 'resnet_tabular'\nblocks = 2\nwidth = 8\nhidden = 12\ndropout = 0.0",
            table(5, 0, &[]),
            1,
        ),
        (
            "ft_transformer",
            classes,
            "family = 'ft_transformer'\nblocks = 2\nwidth = 8\nheads = 2\nhidden = 6\n\
             attention_dropout = 0.0\ndropout = 0.0",
            table(3, 1, &[4, 3]),
            3,
        ),
        (
            "tabm",
            binary,
            "family = 'tabm'\nmembers = 4\nhidden = [8, 6]\ndropout = 0.0",
            table(5, 0, &[3]),
            1,
        ),
        (
            "tabm_classes",
            classes,
            "family = 'tabm'\nmembers = 3\nhidden = [7]\ndropout = 0.0",
            table(4, 0, &[]),
            3,
        ),
        (
            "realmlp",
            square,
            "family = 'realmlp'\nhidden = [8, 6]\nactivation = 'mish'\ndropout = 0.0\n\
             numbers = { kind = 'pbld', frequencies = 3 }",
            table(3, 2, &[4]),
            1,
        ),
        (
            "realmlp_classes",
            classes,
            "family = 'realmlp'\nhidden = [7]\nactivation = 'selu'\ndropout = 0.0\nnumbers = { kind = 'none' }",
            table(4, 0, &[]),
            3,
        ),
        (
            "resnet18",
            classes,
            "family = 'resnet'\ndepth = 18\nwidth = 2\nstem = 'small'",
            image([1, 8, 8]),
            3,
        ),
        ("resnet50", classes, "family = 'resnet'\ndepth = 50\nwidth = 1", image([2, 32, 32]), 3),
        ("vit", classes, "family = 'vit'\npatch = 4\nblocks = 2\nwidth = 8\nheads = 2", image([1, 8, 12]), 3),
        ("lstm", square, "family = 'lstm'\nwidth = 5\nlayers = 2", series(6, 3), 1),
        ("gru", classes, "family = 'gru'\nwidth = 5\nbidirectional = true", text.clone(), 3),
        ("tcn", square, "family = 'tcn'\nchannels = [4, 6]", series(9, 2), 1),
        (
            "text_transformer",
            classes,
            "family = 'text_transformer'\nblocks = 2\nwidth = 8\nheads = 2\ndropout = 0.0",
            text.clone(),
            3,
        ),
        (
            "llama_block",
            classes,
            "family = 'layers'\ntoken_width = 8\nlayers = [\
             { type = 'residual', layers = [{ type = 'rms_norm' }, { type = 'attention', heads = 4, \
             kv_heads = 2, causal = true, rope = true, bias = false }] },\
             { type = 'residual', layers = [{ type = 'rms_norm' }, { type = 'linear', out = 24, bias = false }, \
             { type = 'glu', function = 'silu' }, { type = 'linear', out = 8, bias = false }] },\
             { type = 'conv1d', out = 8, kernel = 3 }, { type = 'class_token' }, { type = 'take', at = 'last' }]",
            text.clone(),
            3,
        ),
        ("gpt", classes, "family = 'gpt'\nblocks = 2\nwidth = 8\nheads = 2", text.clone(), 11),
        (
            "llama",
            classes,
            "family = 'llama'\nblocks = 2\nwidth = 8\nheads = 4\nkv_heads = 2",
            text.clone(),
            11,
        ),
        ("dlinear", square, "family = 'dlinear'\nkernel = 5", series(12, 2), 3),
        (
            "patchtst",
            square,
            "family = 'patchtst'\npatch = 4\nstride = 3\nwidth = 8\nheads = 2\ndropout = 0.0",
            series(12, 2),
            3,
        ),
        ("autoencoder", square, "family = 'autoencoder'\nhidden = [6]\ncode = 2", table(4, 2, &[]), 6),
        (
            "bert",
            square,
            "family = 'layers'\ntoken_width = 8\nlayers = [{ type = 'position' }, \
             { type = 'layer_norm', eps = 1e-12 }, \
             { type = 'residual', layers = [{ type = 'attention', heads = 2 }] }, \
             { type = 'layer_norm', eps = 1e-12 }, \
             { type = 'residual', layers = [{ type = 'linear', out = 12 }, \
             { type = 'activation', function = 'gelu' }, { type = 'linear', out = 8 }] }, \
             { type = 'layer_norm', eps = 1e-12 }, { type = 'take', at = 'mean' }, { type = 'normalize' }]",
            text,
            8,
        ),
    ]
}

/// A table and a text as two tokens of a transformer, under an ensemble with two targets.
fn combined() -> Architecture {
    let family = |text: &str| parse_model_file("combined", text).unwrap_or_else(|p| panic!("{p}")).family;
    let mut design = family("family = 'tabm'\nmembers = 2\nhidden = [6]\ndropout = 0.0").design();
    let combine = cupola_spec::Combine::Transformer { width: 8, blocks: 1, heads: 2, dropout: 0.0 };
    let (layers, width) = combine.stacked().unwrap();
    design.layers.splice(0..0, layers);
    let text = family("family = 'gru'\nwidth = 5").design();
    let named = |name: &str, mut encoder: Vec<cupola_spec::Layer>, source: InputSource| {
        encoder.push(cupola_spec::Layer::Linear { out: width, bias: true });
        InputSource { name: name.to_owned(), encoder, ..source }
    };
    let table = InputSource::new(&design, Block::Table { numbers: 3, encoded: 1, indices: vec![4] });
    let words = InputSource::new(&text, Block::Text { length: 6, vocabulary: 11 });
    let sources = vec![named("table", Vec::new(), table), named("words", text.layers.clone(), words)];
    let mut made = Architecture::with_stacking(
        "tabm",
        &design,
        sources,
        true,
        LogitPart { width: 4, average: Average::Output },
    )
    .unwrap();
    made.parts = vec![
        LogitPart { width: 3, average: Average::Softmax },
        LogitPart { width: 1, average: Average::Sigmoid },
    ];
    made
}

/// With `CUPOLA_WRITE_GOLDEN` writes the files instead.
#[test]
fn the_golden_files_are_of_these_architectures() {
    agree("combined", "mean_squared", &combined());
    for (name, loss, model, block, output) in cases() {
        let family = parse_model_file(name, model).unwrap_or_else(|problems| panic!("{problems}")).family;
        let mut design = family.design();
        if name == "bert" {
            design.head = cupola_spec::Head::Identity;
        }
        let average = match loss {
            "binary_cross_entropy" => Average::Sigmoid,
            "cross_entropy" => Average::Softmax,
            _ => Average::Output,
        };
        let mut architecture = Architecture::new(
            family.name(),
            &design,
            vec![InputSource::new(&design, block)],
            output,
            average,
        )
        .unwrap();
        architecture.level = design.reversible.then_some(1);
        agree(name, loss, &architecture);
    }
}

fn agree(name: &str, loss: &str, architecture: &Architecture) {
    weights_are_those_of_the_contract(name, architecture);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/golden");
    let path = folder.join(name).with_extension("json");
    let expected = json!({ "loss": loss, "architecture": architecture });
    if std::env::var_os("CUPOLA_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&expected).unwrap() + "\n").unwrap();
        return;
    }
    let found: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(found, expected, "{name}");
}

/// Names, shapes, initial values and sizes of a drawn network against the contracts of its layers.
fn weights_are_those_of_the_contract(case: &str, architecture: &Architecture) {
    let network = Network::build(architecture, &mut RandomWeights { seed: 0 }, &Device::flex()).unwrap();
    let state = network.state_dict().unwrap();
    let mut found: Vec<(String, Vec<usize>)> =
        state.names().map(|name| (name.to_owned(), state.get(name).unwrap().shape.clone())).collect();
    let weights = architecture.weights().unwrap();
    let mut stated: Vec<(String, Vec<usize>)> =
        weights.iter().map(|(name, weight)| (name.clone(), weight.shape.clone())).collect();
    let parameters: usize =
        weights.iter().filter(|(_, weight)| weight.trained).map(|(_, weight)| weight.len()).sum();
    assert_eq!(parameters, architecture.parameters().unwrap(), "{case}");
    for (name, weight) in &weights {
        let drawn = &state.get(name).unwrap().data;
        let within = |bound: f64| drawn.iter().all(|value| f64::from(value.abs()) <= bound);
        match weight.init {
            Init::Constant(value) => {
                assert!(drawn.iter().all(|x| x.to_bits() == value.to_bits()), "{case}: {name}");
            }
            Init::Uniform { fan_in } => {
                let bound = 1.0 / (fan_in as f64).sqrt();
                let spread = drawn.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                assert!(within(bound + 1e-6), "{case}: {name}");
                assert!(drawn.len() < 16 || f64::from(spread) > bound / 2.0, "{case}: {name}");
            }
            Init::Normal { deviation } => {
                let squares: f64 = drawn.iter().map(|value| f64::from(*value).powi(2)).sum();
                let found = (squares / drawn.len() as f64).sqrt();
                let known = drawn.len() >= 30;
                assert!(!known || found > deviation / 2.0 && found < deviation * 2.0, "{case}: {name}");
            }
            Init::Angle => {
                let bound = std::f32::consts::PI;
                assert!(drawn.iter().all(|x| x.abs() <= bound), "{case}: {name}");
            }
            Init::Signs => assert!(drawn.iter().all(|x| (x.abs() - 1.0).abs() < 1e-6), "{case}: {name}"),
        }
    }
    found.sort();
    stated.sort();
    assert_eq!(found, stated, "{case}");
}

/// `{name: number of axes}` of `torchvision.models.resnet50().state_dict()`, without the counters.
#[test]
fn a_residual_network_has_torchvisions_names() {
    let json = include_str!("../../golden/resnet50.json");
    let case: Case = serde_json::from_str(json).unwrap();
    let network =
        Network::build(&case.architecture, &mut RandomWeights { seed: 0 }, &Device::flex()).unwrap();
    let state = network.state_dict().unwrap();
    let found: Vec<String> =
        state.names().map(|name| format!("{name} {}", state.get(name).unwrap().shape.len())).collect();
    let expected: Vec<&str> = include_str!("../../golden/torchvision_resnet50.txt").lines().collect();
    assert_eq!(found, expected);
}
