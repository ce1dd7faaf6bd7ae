//! Damaged and hostile files, and models that are refused by name.

use cupola_prep::Examples;
use cupola_testkit::fuzz;

use super::*;

/// Text of a golden file with a part replaced.
fn changed(file: &str, from: &str, to: &str) -> String {
    let text = String::from_utf8(bytes(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    text.replacen(from, to, 1)
}

fn message(file: &str, from: &str, to: &str) -> String {
    let text = changed(file, from, to);
    let target = TreeTarget::default();
    let model = if file.starts_with("xgboost") {
        ImportedTrees::from_xgboost(text.as_bytes(), &target)
    } else {
        ImportedTrees::from_lightgbm(text.as_bytes(), &target)
    };
    model.unwrap_err().to_string()
}

#[test]
fn models_that_are_not_computed_are_refused_by_name() {
    for (file, from, to, expected) in [
        ("xgboost_binary.json", "\"binary:logistic\"", "\"binary:hinge\"", "`binary:hinge`"),
        ("xgboost_binary.json", "\"binary:logistic\"", "\"survival:cox\"", "`survival:cox`"),
        ("xgboost_binary.json", "\"name\":\"gbtree\"", "\"name\":\"gblinear\"", "`gblinear`"),
        ("xgboost_binary.json", "\"num_target\":\"1\"", "\"num_target\":\"2\"", "num_target"),
        (
            "xgboost_binary.json",
            "\"size_leaf_vector\":\"1\"",
            "\"size_leaf_vector\":\"3\"",
            "size_leaf_vector",
        ),
        (
            "xgboost_binary.json",
            "\"num_feature\":\"3\",\"num_target\"",
            "\"num_feature\":\"4000000000\",\"num_target\"",
            "at most 65536",
        ),
        ("xgboost_binary.json", "\"num_class\":\"0\"", "\"num_class\":\"4000000000\"", "at most 10000"),
        ("lightgbm_classes.txt", "objective=multiclass ", "objective=multiclassova ", "multiclassova"),
        (
            "lightgbm_share.txt",
            "objective=cross_entropy\n",
            "objective=cross_entropy_lambda\n",
            "cross_entropy_lambda",
        ),
        ("lightgbm_share.txt", "objective=cross_entropy\n", "", "`objective` = none"),
        ("lightgbm_zero.txt", "is_linear=0", "is_linear=1", "linear_tree"),
        ("lightgbm_categories.txt", ", [10, 2, 33]", "", "pandas_categorical"),
        ("lightgbm_zero.txt", "max_feature_idx=2", "max_feature_idx=4000000000", "max_feature_idx"),
        ("lightgbm_zero.txt", "feature_names=heat time", "feature_names=heat heat", "`heat`"),
        ("lightgbm_zero.txt", "feature_names=heat time", "feature_names=target time", "--target"),
    ] {
        let found = message(file, from, to);
        assert!(found.contains(expected), "{file} with {to}: {found}");
    }
}

#[test]
fn nodes_that_are_not_trees_are_refused() {
    for (file, from, to) in [
        ("xgboost_binary.json", "\"left_children\":[1,3", "\"left_children\":[1,0"),
        ("xgboost_binary.json", "\"left_children\":[1,3", "\"left_children\":[1,1"),
        ("xgboost_binary.json", "\"left_children\":[1,3", "\"left_children\":[1,99999"),
        ("xgboost_binary.json", "\"left_children\":[1,3", "\"left_children\":[1,-7"),
        ("xgboost_binary.json", "\"split_indices\":[1", "\"split_indices\":[77"),
        ("xgboost_binary.json", "\"tree_info\":[0", "\"tree_info\":[5"),
        (
            "xgboost_categories.json",
            "\"categories_segments\":[0",
            "\"categories_segments\":[18446744073709551615",
        ),
        ("xgboost_categories.json", "\"offsets\":[0,4", "\"offsets\":[9,4"),
        ("lightgbm_zero.txt", "left_child=2", "left_child=0"),
        ("lightgbm_zero.txt", "left_child=2", "left_child=-9223372036854775808"),
        ("lightgbm_zero.txt", "num_leaves=6", "num_leaves=18446744073709551615"),
        ("lightgbm_zero.txt", "num_leaves=6", "num_leaves=0"),
        ("lightgbm_zero.txt", "split_feature=", "split_feature=9 "),
        ("lightgbm_categories.txt", "cat_boundaries=0", "cat_boundaries=7"),
        ("lightgbm_zero.txt", "num_tree_per_iteration=1", "num_tree_per_iteration=0"),
    ] {
        let found = message(file, from, to);
        assert!(
            found.contains("XGBoost: ") || found.contains("LightGBM: ") || found.contains("trees"),
            "{to}: {found}"
        );
    }
}

#[test]
fn classes_have_the_names_that_are_asked_for() {
    let named = |classes: &[&str]| {
        let classes = classes.iter().map(ToString::to_string).collect();
        let target = TreeTarget { name: Some("left".to_owned()), classes };
        ImportedTrees::from_xgboost(&bytes("xgboost_binary.json"), &target)
    };
    let plan = named(&["no", "yes"]).unwrap().plan;
    assert_eq!((plan.targets.first().name(), plan.targets.first().positive()), ("left", Some("yes")));
    for classes in [&["no"][..], &["no", "no"], &["no", "yes", "perhaps"]] {
        assert!(named(classes).unwrap_err().to_string().contains("2 classes"), "{classes:?}");
    }
    let target = TreeTarget { name: None, classes: vec!["no".to_owned(), "yes".to_owned()] };
    let error = ImportedTrees::from_lightgbm(&bytes("lightgbm_dart.txt"), &target).unwrap_err();
    assert!(error.to_string().contains("leave out `--classes`"), "{error}");
}

/// Reads a file, scores a row of zeros and a row without values, and explains them.
fn use_all(model: Result<ImportedTrees, Error>) {
    let Ok(model) = model else { return };
    let mut examples = Examples::zeros(model.plan.layout(), 2);
    let dense = examples.layout.dense_width();
    examples.dense[dense..].fill(f32::NAN);
    model.trees.logits(&examples).unwrap();
    let zeros = vec![0.0; model.trees.columns()];
    for output in model.trees.plain_outputs().into_iter().flatten() {
        let _ = output.trees.shapley(&zeros, zeros.len(), &mut || true);
    }
}

#[test]
fn damaged_files_do_no_harm() {
    let files: Vec<Vec<u8>> = FILES.iter().map(|file| bytes(file)).collect();
    let (xgboost, lightgbm) = files.split_at(7);
    let of = |files: &[Vec<u8>], read: fn(&[u8], &TreeTarget) -> Result<ImportedTrees, Error>| {
        let seeds: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        fuzz(&seeds, |input| use_all(read(input, &TreeTarget::default())));
    };
    of(xgboost, ImportedTrees::from_xgboost);
    of(lightgbm, ImportedTrees::from_lightgbm);
}

#[test]
fn counts_of_a_binary_file_do_not_fill_the_memory() {
    for bytes in [
        &b"{i\x01a[$Z#L\x00\x00\x00\xff\xff\xff\xff\xff}"[..],
        b"{i\x01a[$D#L\x7f\xff\xff\xff\xff\xff\xff\xff}",
        b"{L\x7f\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert!(ImportedTrees::from_xgboost(bytes, &TreeTarget::default()).is_err());
    }
    let nested = [&b"{i\x01a"[..], &vec![b'['; 1 << 20]].concat();
    assert!(ImportedTrees::from_xgboost(&nested, &TreeTarget::default()).is_err());
}
