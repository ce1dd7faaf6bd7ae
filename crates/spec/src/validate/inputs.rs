//! Rules of `[[inputs]]`.

use crate::config::Config;
use crate::inputs::{Encoding, Fill, Input, Kind, OutlierAction, OutlierRule, Scaling};
use crate::model::Family;
use crate::validate::Findings;

pub(super) fn check(inputs: &[Input], found: &mut Findings) {
    for (index, input) in inputs.iter().enumerate() {
        let at = |key: &str| format!("/inputs/{index}/{key}");
        found.add_if(
            inputs[..index].iter().any(|other| other.name == input.name),
            at("name"),
            format!("duplicate input `{}`; rename one of them", input.name),
        );
        for rule in KEYS {
            let allowed = rule.kinds.contains(&input.kind);
            found.add_if((rule.is_set)(input) && !allowed, at(rule.key), rule.message);
        }
        for rule in VALUES {
            found.add_if((rule.broken)(input), at(rule.key), rule.message);
        }
        if let Some(message) = encoder_problem(inputs, input) {
            found.add(at("encoder"), message);
        }
    }
}

/// Only boosted trees read missing numbers.
pub(super) fn check_missing(config: &Config, family: &Family, found: &mut Findings) {
    for (index, input) in config.inputs.iter().enumerate().filter(|(_, input)| input.kind == Kind::Number) {
        let none = matches!(&input.fill, Some(Fill::Name(name)) if name == "none");
        let reads = matches!(family, Family::Gbdt(_)) && input.bins.is_none();
        let message = "only `gbdt` reads missing numbers, and not in `bins`; write `median`, `mean`, `mode`, `knn` or a number";
        found.add_if(none && !reads, format!("/inputs/{index}/fill"), message);
    }
}

/// `true` if the inputs become several vectors that have to be combined: kinds differ, or one kind that is
/// not part of a table is there twice.
pub(super) fn kinds_meet(inputs: &[Input]) -> bool {
    inputs.iter().any(|input| {
        let same = |other: &&Input| other.kind == input.kind;
        let twice = !in_table(input.kind) && inputs.iter().filter(same).count() > 1;
        differs(input, inputs.first()) || twice
    })
}

/// `true` if the kind is one of the columns of a table, which are one block together.
fn in_table(kind: Kind) -> bool {
    matches!(kind, Kind::Number | Kind::Category | Kind::Date)
}

fn differs(input: &Input, other: Option<&Input>) -> bool {
    let same_block = |other: &Input| input.kind == other.kind || in_table(input.kind) && in_table(other.kind);
    other.is_some_and(|other| !same_block(other))
}

fn encoder_problem(inputs: &[Input], input: &Input) -> Option<&'static str> {
    let encoder = input.encoder.as_ref()?;
    let several = inputs.iter().any(|other| differs(input, Some(other)));
    let of_kind = inputs.iter().filter(|other| other.kind == input.kind).count();
    if in_table(input.kind) {
        Some("the columns of a table enter the trunk directly; remove `encoder`")
    } else if encoder.trees().is_some() {
        Some("trees cannot encode an input; choose a network")
    } else if !several && of_kind < 2 {
        Some("a single input is read by `[model]` itself; remove `encoder`")
    } else {
        None
    }
}

/// A key that only some kinds have.
struct KeyRule {
    key: &'static str,
    is_set: fn(&Input) -> bool,
    kinds: &'static [Kind],
    message: &'static str,
}

const KEYS: &[KeyRule] = &[
    KeyRule {
        key: "shape",
        is_set: |i| i.shape.is_some(),
        kinds: &[Kind::Image],
        message: "`shape` is only for images; remove it",
    },
    KeyRule {
        key: "augment",
        is_set: |i| i.augment.is_some(),
        kinds: &[Kind::Image],
        message: "`augment` is only for images; remove it",
    },
    KeyRule {
        key: "steps",
        is_set: |i| i.steps.is_some(),
        kinds: &[Kind::Series],
        message: "`steps` is only for series; remove it",
    },
    KeyRule {
        key: "window",
        is_set: |i| i.window.is_some(),
        kinds: &[Kind::Series],
        message: "`window` is only for series; remove it",
    },
    KeyRule {
        key: "tokens",
        is_set: |i| i.tokens.is_some(),
        kinds: &[Kind::Text],
        message: "`tokens` is only for texts; remove it",
    },
    KeyRule {
        key: "bins",
        is_set: |i| i.bins.is_some(),
        kinds: &[Kind::Number],
        message: "`bins` is only for numbers; remove it",
    },
    KeyRule {
        key: "scale",
        is_set: |i| i.scale.is_some(),
        kinds: &[Kind::Number, Kind::Series, Kind::Image],
        message: "`scale` is only for numbers, series and images; remove it",
    },
    KeyRule {
        key: "kind",
        is_set: |i| i.encode.is_some() || i.unseen.is_some(),
        kinds: &[Kind::Category],
        message: "`encode` and `unseen` are only for categories; remove them",
    },
    KeyRule {
        key: "fill",
        is_set: |i| i.fill.is_some(),
        kinds: &[Kind::Number, Kind::Category],
        message: "`fill` is only for numbers and categories; remove it",
    },
    KeyRule {
        key: "indicator",
        is_set: |i| i.indicator.is_some(),
        kinds: &[Kind::Number],
        message: "`indicator` is only for numbers; remove it",
    },
    KeyRule {
        key: "outliers",
        is_set: |i| i.outliers.is_some(),
        kinds: &[Kind::Number],
        message: "`outliers` is only for numbers; remove it",
    },
    KeyRule {
        key: "interact",
        is_set: |i| i.interact.is_some(),
        kinds: &[Kind::Number],
        message: "`interact` is only for numbers; remove it",
    },
    KeyRule {
        key: "kind",
        is_set: |i| i.parts.is_some() || i.cycle.is_some() || i.format.is_some(),
        kinds: &[Kind::Date],
        message: "`parts`, `cycle` and `format` are only for dates; remove them",
    },
    KeyRule {
        key: "fill",
        is_set: |i| matches!(&i.fill, Some(Fill::Name(name)) if !STATISTICS.contains(&name.as_str())),
        // A category may be filled with any text, and other kinds have no fill at all.
        kinds: &[Kind::Category, Kind::Image, Kind::Series, Kind::Text, Kind::Date],
        message: "unknown `fill` for numbers; write `median`, `mean`, `mode`, `knn` or a number",
    },
    KeyRule {
        key: "scale",
        is_set: |i| {
            matches!(
                i.scale,
                Some(Scaling::Robust | Scaling::RobustClip | Scaling::Quantile | Scaling::Power)
            )
        },
        kinds: &[Kind::Number],
        message: "this scale is only for numbers; write `standard`, `min_max` or `none`",
    },
];

/// Values that numbers may be filled with by name.
const STATISTICS: [&str; 5] = ["median", "mean", "mode", "knn", "none"];

/// A value that is invalid, missing, or excluded by another key.
struct ValueRule {
    key: &'static str,
    broken: fn(&Input) -> bool,
    message: &'static str,
}

const VALUES: &[ValueRule] = &[
    ValueRule {
        key: "window",
        broken: |i| i.window.is_some() && i.steps.is_some(),
        message: "`window` (rows) and `steps` (columns) exclude each other; remove one",
    },
    ValueRule {
        key: "scale",
        broken: |i| i.bins.is_some() && i.scale.is_some(),
        message: "`bins` replaces `scale`; remove one of them",
    },
    ValueRule {
        key: "buckets",
        broken: |i| i.buckets.is_some() && i.encode != Some(Encoding::Hash),
        message: "`buckets` requires `encode = \"hash\"`; write that, or remove `buckets`",
    },
    ValueRule {
        key: "outliers",
        broken: |i| outlier_limit(i).is_some_and(|limit| limit.is_nan() || limit <= 0.0),
        message: "`limit` must be above 0; write 1.5 for `iqr` or 3 for `z_score`",
    },
    ValueRule {
        key: "outliers",
        broken: |i| {
            let by_row = |action| matches!(action, OutlierAction::Drop | OutlierAction::Flag);
            is_isolation(i) && i.outliers.is_some_and(|outliers| !by_row(outliers.action))
        },
        message: "`isolation` considers whole rows; write the action `drop` or `flag`",
    },
    ValueRule {
        key: "outliers",
        broken: |i| is_isolation(i) && outlier_limit(i).is_some_and(|limit| limit >= 0.5),
        message: "the limit of `isolation` is a share of the rows below 0.5; write one such as 0.01",
    },
    ValueRule {
        key: "kind",
        broken: |i| i.kind == Kind::Image && i.shape.is_none(),
        message: "an image requires `shape = [channels, height, width]`",
    },
    ValueRule {
        key: "kind",
        broken: |i| i.kind == Kind::Series && i.steps.is_none() && i.window.is_none(),
        message: "a series requires `steps = [steps, width]` of its columns, or a `window` of rows",
    },
    ValueRule { key: "window", broken: |i| i.window == Some(0), message: "`window` must be at least 1" },
    ValueRule {
        key: "kind",
        broken: |i| i.kind == Kind::Text && i.tokens.is_none(),
        message: "a text requires `tokens`; write `tokens = { length = 64 }`, or another length",
    },
    ValueRule {
        key: "shape",
        broken: |i| i.shape.is_some_and(|shape| shape.contains(&0)),
        message: "every size of `shape` must be at least 1",
    },
    ValueRule {
        key: "steps",
        broken: |i| i.steps.is_some_and(|steps| steps.contains(&0)),
        message: "every size of `steps` must be at least 1",
    },
    ValueRule {
        key: "tokens",
        broken: |i| i.tokens.as_ref().is_some_and(|tokens| tokens.length == 0),
        message: "`length` must be at least 1",
    },
];

fn outlier_limit(input: &Input) -> Option<f64> {
    input.outliers.and_then(|outliers| outliers.limit)
}

fn is_isolation(input: &Input) -> bool {
    input.outliers.is_some_and(|outliers| outliers.by == OutlierRule::Isolation)
}
