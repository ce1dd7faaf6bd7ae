//! Products of pairs of columns, as computed columns.

use cupola_spec::Feature;

/// Separator of two column names in the name of their product.
pub(super) const TIMES: &str = " × ";

/// The product of each pair of columns.
pub(super) fn products(columns: &[String]) -> Vec<Feature> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let pairs = columns.iter().enumerate().flat_map(|(i, a)| columns[i + 1..].iter().map(move |b| (a, b)));
    let product = |(a, b): (&String, &String)| Feature {
        name: format!("{a}{TIMES}{b}"),
        sql: format!("{} * {}", quoted(a), quoted(b)),
    };
    pairs.map(product).collect()
}
