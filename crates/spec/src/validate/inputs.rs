//! Keys of an input that do not go with its kind.

use crate::inputs::{Encoding, Fill, Input, Kind, OutlierAction, OutlierRule, Scaling};

/// Tables are one block whatever their columns; each other kind is its own.
pub(super) fn block_of(kind: Kind) -> u8 {
    match kind {
        Kind::Number | Kind::Category | Kind::Date => 0,
        Kind::Image => 1,
        Kind::Series => 2,
        Kind::Text => 3,
    }
}

/// Keys that do not go with the kind of an input, and keys that it lacks.
pub(super) fn misplaced(input: &Input) -> Vec<(&'static str, &'static str)> {
    let kind = input.kind;
    let mut wrong = Vec::new();
    let mut only = |is_there: bool, fits: bool, key, why| {
        if is_there && !fits {
            wrong.push((key, why));
        }
    };
    let (image, series, text) = (kind == Kind::Image, kind == Kind::Series, kind == Kind::Text);
    only(input.shape.is_some(), image, "shape", "only an image has a shape; remove it");
    only(input.augment.is_some(), image, "augment", "only an image is augmented; remove it");
    only(input.steps.is_some(), series, "steps", "only a series has steps; remove it");
    only(input.window.is_some(), series, "window", "only a series has a window; remove it");
    only(
        input.window.is_some() && input.steps.is_some(),
        false,
        "window",
        "a window is made of rows, `steps` of columns; remove one",
    );
    only(input.tokens.is_some(), text, "tokens", "only a text has tokens; remove it");
    only(input.bins.is_some(), kind == Kind::Number, "bins", "only numbers have bins; remove it");
    only(
        input.bins.is_some() && input.scale.is_some(),
        false,
        "scale",
        "bins take the place of a scale; remove one",
    );
    only(
        input.scale.is_some(),
        image || series || kind == Kind::Number,
        "scale",
        "a category, a date or a text is not scaled; remove it",
    );
    only(
        input.encode.is_some() || input.unseen.is_some(),
        kind == Kind::Category,
        "kind",
        "`encode` and `unseen` are for categories; remove them",
    );
    let (number, category, date) = (kind == Kind::Number, kind == Kind::Category, kind == Kind::Date);
    only(
        input.fill.is_some(),
        number || category,
        "fill",
        "only numbers and categories are filled; remove it",
    );
    only(input.indicator.is_some(), number, "indicator", "only numbers have an indicator; remove it");
    only(input.outliers.is_some(), number, "outliers", "only numbers have outliers; remove it");
    only(input.interact.is_some(), number, "interact", "only numbers have products; remove it");
    only(
        input.parts.is_some() || input.cycle.is_some() || input.format.is_some(),
        date,
        "kind",
        "`parts`, `cycle` and `format` are for dates; remove them",
    );
    only(
        input.buckets.is_some(),
        input.encode == Some(Encoding::Hash),
        "buckets",
        "buckets are for `encode = \"hash\"`; remove them",
    );
    let named = matches!(&input.fill, Some(Fill::Name(name)) if !matches!(name.as_str(), "median" | "mean" | "mode" | "knn"));
    only(named, !number, "fill", "write `median`, `mean`, `mode`, `knn` or a number");
    let curved = matches!(input.scale, Some(Scaling::Robust | Scaling::Quantile | Scaling::Power));
    only(curved, number, "scale", "that scale is for numbers; write `standard`, `min_max` or `none`");
    only(
        input
            .outliers
            .is_some_and(|outliers| outliers.limit.is_some_and(|limit| limit.is_nan() || limit <= 0.0)),
        false,
        "outliers",
        "a limit of 0 leaves nothing; write 1.5 for `iqr` or 3 for `z_score`",
    );
    let forest = input.outliers.filter(|outliers| outliers.by == OutlierRule::Isolation);
    only(
        forest.is_some_and(|outliers| !matches!(outliers.action, OutlierAction::Drop | OutlierAction::Flag)),
        false,
        "outliers",
        "`isolation` looks at whole rows; write the action `drop` or `flag`",
    );
    only(
        forest.is_some_and(|outliers| outliers.limit.is_some_and(|limit| limit >= 0.5)),
        false,
        "outliers",
        "for `isolation` the limit is a share of the rows; write one such as 0.01",
    );
    if image && input.shape.is_none() {
        wrong.push(("kind", "an image needs `shape = [channels, height, width]`"));
    }
    if series && input.steps.is_none() && input.window.is_none() {
        let why = "a series needs `steps = [steps, width]` of its columns, or a `window` of rows";
        wrong.push(("kind", why));
    }
    if input.window == Some(0) {
        wrong.push(("window", "a window of 0 rows shows nothing; write at least 1"));
    }
    if text && input.tokens.is_none() {
        wrong.push(("kind", "a text needs `tokens = { length = 64 }`, or another length"));
    }
    if input.shape.is_some_and(|shape| shape.contains(&0)) {
        wrong.push(("shape", "an axis is 0; write its size"));
    }
    if input.steps.is_some_and(|steps| steps.contains(&0)) {
        wrong.push(("steps", "an axis is 0; write its size"));
    }
    if input.tokens.as_ref().is_some_and(|tokens| tokens.length == 0) {
        wrong.push(("tokens", "a length of 0 leaves no text; write at least 1"));
    }
    wrong
}
