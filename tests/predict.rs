//! `cupola predict` on more rows than one piece.

use std::collections::BTreeSet;

use crate::support::TestHome;

/// Rows of the file: two pieces and a part of a third one.
const ROWS: usize = 40_000;

#[test]
fn pieces_are_predicted_in_order_and_a_wrong_row_leaves_no_file() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 3\n");
    home.train(&[]);
    let row = |n: usize| format!("{},{}\n", n % 7, n % 5);
    let text: String = std::iter::once("x,y\n".to_owned()).chain((0..ROWS).map(row)).collect();
    home.write("many.csv", &text);
    let predict = |input: &str, output: &str| {
        let device = ["--device", "flex", "--engine", "burn"];
        home.run(
            &[&["predict", "--model", "blobs", "--input", input, "--output", output], &device[..]].concat(),
        )
    };
    let done = predict("many.csv", "many.csv.out.csv");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let found = home.read("many.csv.out.csv");
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), ROWS + 1, "one header, and a line for each row");
    let probability = |line: &str| line.split(',').nth(1).unwrap().parse::<f32>().unwrap();
    // Rows 0 and 35 are equal, and so on: 35 predictions repeat in the order of the rows, whatever the piece.
    for (n, line) in lines[1..].iter().enumerate() {
        assert!((probability(line) - probability(lines[1 + n % 35])).abs() < 1e-5, "row {n}: {line}");
    }
    assert!(lines[1..36].iter().collect::<BTreeSet<_>>().len() > 20);
    let streamed = predict("many.csv", "-");
    assert_eq!(streamed.stdout.lines().count(), ROWS);

    home.write("wrong.csv", text + "1,tree\n");
    for output in ["wrong.out.csv", "-"] {
        let failed = predict("wrong.csv", output);
        assert_eq!(failed.code, Some(2), "{}", failed.stderr);
        assert!(failed.stderr.contains("40001") && failed.stderr.contains("tree"), "{}", failed.stderr);
        assert!(failed.stdout.is_empty() && !home.path("wrong.out.csv").exists());
    }
}
