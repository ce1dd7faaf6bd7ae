//! What a schema cannot say of a config.

mod data;
mod inputs;

pub(crate) use self::data::{unfit_data, unfit_expectations};
use self::inputs::{block_of, misplaced};
use crate::config::{Config, SplitBy, Target, TargetKind};
use crate::design::Head;
use crate::document::Placed;
use crate::input::{Encoding, Input, Kind};
use crate::layer::Layer;
use crate::model::{Family, Model, PackageRef};
use crate::name::is_name;
use crate::problem::Problem;
use crate::shape::trace;
use crate::train::{ClassWeights, Goal, LossKind, Train};

/// All that is wrong with it, each with its key.
pub(crate) fn judge(file: &Placed, config: &Config, family: &Family) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |pointer: &str, message: String| problems.push(file.problem(pointer, message));
    if !is_name(&config.name) {
        say("/name", format!("`{}` is no name; use letters, digits, `_` and `-`", config.name));
    }
    if config.split.valid + config.split.test > 0.95 {
        say("/split", "valid and test leave less than 5 % for training; lower one of them".into());
    }
    if config.targets.is_empty() {
        say("/targets", "there is no target; add `[[targets]]` with `name` and `kind`".into());
    }
    for (key, why) in unfit_data(&config.data).into_iter().chain(unfit_expectations(&config.expect)) {
        say(&key, why);
    }
    for (key, why) in unfit_together(config) {
        say(&key, why);
    }
    for (key, why) in unfit_split(config) {
        say(key, why.to_owned());
    }
    for (key, why) in unfit_stream(config, family) {
        say(key, why.to_owned());
    }
    if let Some(target) = config.targets.first() {
        for (key, why) in unfit_head(config, target, family.design().head) {
            say(key, why.to_owned());
        }
        for (key, why) in unfit_time(config, target, family) {
            say(key, why.to_owned());
        }
        let kinds: Vec<TargetKind> = config.targets.iter().map(|target| target.kind).collect();
        for (key, why) in unfit_loss(&config.train, &kinds) {
            say(&format!("/train/{key}"), why.to_owned());
        }
    }
    let blended = |input: &Input| input.kind != Kind::Text && input.encode != Some(Encoding::Index);
    if config.train.mixup > 0.0 && !config.inputs.iter().all(blended) {
        say("/train/mixup", "texts and `index` categories cannot be blended; remove it".into());
    }
    if let Model::Package(PackageRef { lora: Some(lora), .. }) = &config.model {
        if lora.rank == 0 || lora.alpha <= 0.0 {
            say("/model/lora", "a rank or an alpha of 0 trains nothing; write at least 1".into());
        } else if !attends(&family.design().layers) {
            say("/model/lora", "the package has no attention layers to adapt; remove it".into());
        }
    }
    let kinds_differ = config.inputs.iter().any(|a| {
        let same = |b: &&Input| a.kind == b.kind;
        block_of(a.kind) != block_of(config.inputs[0].kind)
            || block_of(a.kind) != 0 && config.inputs.iter().filter(same).count() > 1
    });
    if let Some(combine) = config.combine {
        if !kinds_differ {
            say("/combine", "there is one kind of input, which goes to `[model]` itself; remove it".into());
        } else if let Some((layers, width)) = combine.stacked()
            && let Err(error) = trace("combine", &[config.inputs.len(), width], &layers)
        {
            say("/combine", error.to_string());
        }
    }
    for (index, input) in config.inputs.iter().enumerate() {
        let at = |key: &str| format!("/inputs/{index}/{key}");
        if config.inputs[..index].iter().any(|other| other.name == input.name) {
            say(&at("name"), format!("`{}` is there twice; rename one", input.name));
        }
        for (key, why) in misplaced(input) {
            say(&at(key), why.to_owned());
        }
        let several = config.inputs.iter().any(|other| block_of(other.kind) != block_of(input.kind));
        let own = config.inputs.iter().filter(|other| other.kind == input.kind).count();
        if block_of(input.kind) == 0 && input.encoder.is_some() {
            say(&at("encoder"), "a table goes to the trunk as it is; remove it".into());
        } else if input.encoder.as_ref().is_some_and(|encoder| encoder.trees().is_some()) {
            say(&at("encoder"), "trees make no vector for a trunk; choose a network".into());
        } else if !several && own < 2 && input.encoder.is_some() {
            say(&at("encoder"), "the only kind of input goes to `[model]` itself; remove it".into());
        }
    }
    if let [only] = config.inputs.as_slice()
        && family.trees().is_none()
        && let Some(shape) = only.shape
        && !shape.contains(&0)
        && let Err(error) = trace("trunk", &shape, &family.design().layers)
    {
        say("/model", error.to_string());
    }
    problems
}

/// Whether there is an attention layer.
fn attends(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| match layer {
        Layer::Attention { .. } => true,
        Layer::Residual { layers, shortcut, .. } => attends(layers) || attends(shortcut),
        _ => false,
    })
}

/// Keys of `[split]` that do not go with each other.
fn unfit_split(config: &Config) -> Vec<(&'static str, &'static str)> {
    let split = &config.split;
    let mut wrong = Vec::new();
    let by_column = matches!(split.by, SplitBy::Group | SplitBy::Predefined);
    if by_column != split.column.is_some() {
        wrong.push((
            "/split/column",
            "`column` goes with `by = \"group\"` and `by = \"predefined\"`, which need it",
        ));
    }
    let folded = split.by == SplitBy::KFold;
    if folded != split.folds.is_some() || !folded && split.fold.is_some() {
        wrong.push(("/split/folds", "`folds` and `fold` go with `by = \"k_fold\"`, which needs `folds`"));
    }
    if split.folds.zip(split.fold).is_some_and(|(folds, fold)| fold >= folds) {
        wrong.push(("/split/fold", "folds are counted from 0; write a smaller number"));
    }
    if folded && config.data.test_source.is_some() {
        wrong.push(("/split/by", "the test split of `k_fold` is a fold; remove `data.test_source`"));
    }
    wrong
}

/// What needs all rows at once.
fn unfit_stream(config: &Config, family: &Family) -> Vec<(&'static str, &'static str)> {
    let mut wrong = Vec::new();
    if !config.data.stream {
        return wrong;
    }
    if matches!(config.split.by, SplitBy::Stratified | SplitBy::Time) {
        wrong.push((
            "/split/by",
            "a stream is divided row by row; write `random`, `group`, `predefined` or `k_fold`",
        ));
    }
    if config.clean.duplicates {
        wrong.push((
            "/clean/duplicates",
            "equal rows are found only where all are in memory; use `data.query`",
        ));
    }
    let simple = |target: &Target| matches!(target.kind, TargetKind::Category | TargetKind::Number);
    if !config.targets.iter().all(simple) || config.inputs.iter().any(|input| input.window.is_some()) {
        wrong.push((
            "/data/stream",
            "windows, forecasts, texts to go on with and reconstructions need all rows in memory; remove it",
        ));
    }
    if family.trees().is_some() {
        wrong.push(("/data/stream", "trees need all rows in memory; remove it, or choose a network"));
    }
    wrong
}

/// Targets that do not go with each other.
fn unfit_together(config: &Config) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let several = config.targets.len() > 1;
    for (index, target) in config.targets.iter().enumerate() {
        let mut say = |key: &str, why: &str| wrong.push((format!("/targets/{index}/{key}"), why.to_owned()));
        if several && !matches!(target.kind, TargetKind::Category | TargetKind::Number) {
            say("kind", "one of several targets is a `category` or a `number`; leave this one alone");
        }
        if config.targets[..index].iter().any(|other| other.name == target.name) {
            say("name", "two targets have this name; rename one, and give it its `column`");
        }
        if target.weight.is_some_and(|weight| weight.is_nan() || weight <= 0.0) {
            say("weight", "a weight of 0 learns nothing; write a number above 0");
        }
    }
    if several && config.train.metric.is_some_and(|goal| goal != Goal::Loss) {
        let why = "several targets are judged by the sum of their weighted losses; remove it";
        wrong.push(("/train/metric".to_owned(), why.to_owned()));
    }
    wrong
}

/// A family and inputs that do not go with the target.
fn unfit_head(config: &Config, target: &Target, head: Head) -> Vec<(&'static str, &'static str)> {
    let mut wrong = Vec::new();
    let next = target.kind == TargetKind::NextToken;
    if next != (head == Head::Steps) {
        let why = if next {
            "`next_token` needs a family that answers at each step; choose `gpt` or `llama`"
        } else {
            "this family predicts the next token; write `kind = \"next_token\"` for the target"
        };
        wrong.push(("/model", why));
    }
    let text = |input: &Input| input.kind == Kind::Text && input.name == target.name;
    if next && !matches!(config.inputs.as_slice(), [only] if text(only)) {
        wrong.push(("/targets/0/kind", "`next_token` needs one input, a text of the target's name"));
    }
    if next && config.train.metric.is_some_and(|goal| goal != Goal::Loss) {
        wrong.push(("/train/metric", "a language model is judged by its loss; remove it"));
    }
    wrong
}

/// Windows, forecasts and reconstructions that do not go with the rest.
fn unfit_time(config: &Config, target: &Target, family: &Family) -> Vec<(&'static str, &'static str)> {
    let mut wrong = Vec::new();
    let forecast = target.kind == TargetKind::Forecast;
    let windows: Vec<usize> = config.inputs.iter().filter_map(|input| input.window).collect();
    if windows.iter().any(|window| *window != windows[0]) {
        wrong.push(("/inputs", "windows of different lengths do not line up; write one `window` for all"));
    }
    if forecast && windows.is_empty() {
        let why = "a forecast needs an input of kind `series` with a `window`, such as `window = 48`";
        wrong.push(("/inputs", why));
    }
    if (forecast || !windows.is_empty()) && !matches!(config.split.by, SplitBy::Time | SplitBy::Stratified) {
        wrong.push(("/split/by", "windows overlap, so they are split in the order of rows; write `time`"));
    }
    if forecast && target.horizon.is_none() {
        wrong.push(("/targets/0/kind", "a forecast needs `horizon`, the number of rows ahead"));
    }
    if !forecast && (target.horizon.is_some() || target.season.is_some()) {
        wrong.push(("/targets/0", "`horizon` and `season` are for a forecast; remove them"));
    }
    if matches!(family, Family::Patchtst { .. }) && !forecast {
        wrong.push((
            "/model/family",
            "`patchtst` is for a forecast; write `kind = \"forecast\"` for the target",
        ));
    }
    if target.kind != TargetKind::Reconstruct {
        if matches!(family, Family::Autoencoder { .. }) {
            let why = "an autoencoder learns its inputs; write `kind = \"reconstruct\"` for the target";
            wrong.push(("/model/family", why));
        }
        return wrong;
    }
    if family.trees().is_some() || matches!(family, Family::Tabm { .. }) {
        wrong.push(("/model/family", "this family reconstructs nothing; choose `autoencoder`"));
    }
    let no_number = |input: &Input| input.kind == Kind::Text || input.encode == Some(Encoding::Index);
    if config.inputs.iter().any(no_number) {
        wrong.push((
            "/inputs",
            "a text or an `index` is no number to reconstruct; leave it out or write `one_hot`",
        ));
    }
    match config.train.metric {
        None | Some(Goal::Loss) => {}
        Some(Goal::RocAuc) if target.column.is_some() => {}
        Some(_) => wrong.push((
            "/train/metric",
            "a reconstruction is judged by its loss, or with labels in `column` by `roc_auc`",
        )),
    }
    wrong
}

/// Settings of the loss that do not go with the target.
fn unfit_loss(train: &Train, targets: &[TargetKind]) -> Vec<(&'static str, &'static str)> {
    let loss = &train.loss;
    let mut wrong = Vec::new();
    let any = |kinds: &[TargetKind]| targets.iter().any(|target| kinds.contains(target));
    let classes = any(&[TargetKind::Category, TargetKind::NextToken]);
    let numbers = any(&[TargetKind::Number, TargetKind::Forecast, TargetKind::Reconstruct]);
    let tokens = any(&[TargetKind::NextToken]);
    match loss.kind {
        LossKind::Focal if !classes => {
            wrong.push(("loss/kind", "`focal` is for a category; write `auto`, `huber` or `quantile`"));
        }
        LossKind::Huber | LossKind::Quantile if !numbers => {
            wrong.push(("loss/kind", "that loss is for a number; write `auto` or `focal`"));
        }
        _ => {}
    }
    if tokens && loss.class_weights != ClassWeights::None {
        wrong.push(("loss/class_weights", "tokens have no weights; remove it"));
    }
    if !classes && (loss.label_smoothing > 0.0 || loss.class_weights != ClassWeights::None) {
        wrong.push(("loss", "`label_smoothing` and `class_weights` are for a category; remove them"));
    }
    if loss.kind == LossKind::Focal && loss.label_smoothing > 0.0 {
        wrong.push(("loss/label_smoothing", "the focal loss has no smoothing; remove one of them"));
    }
    if !(loss.quantile > 0.0 && loss.quantile < 1.0) {
        wrong.push(("loss/quantile", "a quantile lies between 0 and 1; write 0.5 for the median"));
    }
    if train.mixup > 0.0 && (loss.class_weights != ClassWeights::None || tokens) {
        wrong.push(("mixup", "mixup goes with neither tokens nor class weights; remove one"));
    }
    if train.limit_train <= 0.0 || train.limit_valid <= 0.0 {
        wrong.push(("limit_train", "a share of 0 leaves nothing; write a number up to 1"));
    }
    wrong
}
