use std::fs;

use cupola_nn::{Architecture, Average, InputSource};
use cupola_spec::{Block, config_schema, parse, parse_model_file};
use cupola_testkit::root;

use crate::support::TestHome;

fn files(folder: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(root().join(folder))
        .unwrap()
        .flatten()
        // Folders beside the configs hold files for other programs.
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn every_shipped_config_parses() {
    // Any network stands in for the package.
    let load = |path: &str| match path.strip_prefix(cupola_spec::PACKAGE) {
        Some(_) => Ok("family = \"text_transformer\"\nblocks = 1\nwidth = 8\nheads = 1".to_owned()),
        None => fs::read_to_string(root().join(path)).map_err(|e| e.to_string()),
    };
    let names: Vec<String> = files("configs")
        .into_iter()
        .filter(|(name, _)| name != "default.toml")
        .map(|(name, text)| {
            let run = parse(&name, &text, &[], &load).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(format!("{}.toml", run.name), name);
            name
        })
        .collect();
    assert!(names.len() >= 4, "{names:?}");
}

#[test]
fn model_files_have_the_expected_parameter_counts() {
    for (name, text) in files("models") {
        let file = parse_model_file(&name, &text).unwrap_or_else(|problems| panic!("{problems}"));
        let expect = file.expect.unwrap_or_else(|| panic!("{name} has no [expect]"));
        let family = file.family;
        let block = match *expect.input {
            [numbers] => Block::Table { numbers, encoded: 0, indices: Vec::new() },
            [c, h, w] => Block::Image { shape: [c, h, w] },
            _ => panic!("{name}: {:?} is neither a table nor an image", expect.input),
        };
        let average = Average::Output;
        let design = family.design();
        let source = InputSource::new(&design, block);
        let architecture =
            Architecture::new(family.name(), &design, vec![source], expect.output, average).unwrap();
        assert_eq!(architecture.parameters().unwrap(), expect.parameters, "{name}");
    }
}

#[test]
fn the_printed_schema_accepts_the_shipped_configs_and_rejects_a_typo() {
    let home = TestHome::new();
    let printed = home.json(&["schema"]);
    assert_eq!(&printed, config_schema());
    let validator = jsonschema::validator_for(&printed).unwrap();
    for (name, text) in files("configs").into_iter().filter(|(name, _)| name != "default.toml") {
        let value: serde_json::Value = toml::from_str(&text).unwrap();
        assert!(validator.is_valid(&value), "{name}");
        let typo: serde_json::Value = toml::from_str(&text.replacen("\nseed = ", "\nsede = ", 1)).unwrap();
        assert!(!validator.is_valid(&typo), "{name}");
    }
}

#[test]
fn check_shows_shapes_and_parameters_without_training() {
    let home = TestHome::with_blobs(120, "");
    let found = home.json(&["check", "--config", "run.toml"]);
    assert_eq!(found["parameters"], 2 * 12 + 12 + 24 + 12 * 6 + 6 + 6 + 1);
    assert_eq!(
        found["rows"]["train"].as_u64().unwrap()
            + found["rows"]["valid"].as_u64().unwrap()
            + found["rows"]["test"].as_u64().unwrap(),
        120
    );
    assert_eq!(found["inferred"][0]["kind"], "number");
    assert!(!home.root().exists());
}
