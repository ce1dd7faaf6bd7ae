use serde_json::{Value, json};

use crate::support::TestHome;

/// Spellings of four columns that a reader might guess differently in another file.
const HEADER: [&str; 5] = ["code", "flag", "grade", "size", "when"];

fn rows() -> Vec<[String; 5]> {
    let codes = ["01001", "1001", "7.50", "90210", "9007199254740993", "9007199254740992"];
    let flags = ["True", "False", "TRUE", "false"];
    let grades = ["2.0", "3.0", "1.0", "A7"];
    let row = |i: usize| {
        let size = format!("{},{:02}", i * 37 % 50, i % 100);
        let when = format!("2024-03-{:02}T{:02}:30:00-05:00", i % 28 + 1, i * 7 % 24);
        [codes[i % 6].into(), flags[i % 4].into(), grades[i / 2 % 4].into(), size, when]
    };
    (0..160).map(row).collect()
}

fn class(row: &[String; 5]) -> &'static str {
    if row[0] == "01001" || row[2] == "A7" || row[1].eq_ignore_ascii_case("true") && row[0].starts_with('9') {
        "1"
    } else {
        "0"
    }
}

fn csv(rows: &[[String; 5]], with_class: bool) -> String {
    let quoted =
        |row: &[String; 5]| row.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(",");
    let mut text = HEADER.join(",") + if with_class { ",label\n" } else { "\n" };
    for row in rows {
        text += &quoted(row);
        if with_class {
            text.extend([",", class(row)]);
        }
        text.push('\n');
    }
    text
}

fn object(row: &[String; 5]) -> Value {
    HEADER.iter().zip(row).map(|(name, text)| ((*name).to_owned(), json!(text))).collect()
}

fn trained() -> TestHome {
    let home = TestHome::new();
    home.write("rows.csv", csv(&rows(), true));
    let inputs = [("code", "category"), ("flag", "category"), ("grade", "category"), ("size", "number")];
    let inputs: String = inputs
        .iter()
        .map(|(name, kind)| ["[[inputs]]\nname = \"", name, "\"\nkind = \"", kind, "\"\n"].concat())
        .collect();
    let when = "[[inputs]]\nname = \"when\"\nkind = \"date\"\nparts = [\"hour\", \"day\"]\n";
    home.write(
        "run.toml",
        format!(
            "name = \"spelled\"\nseed = 3\n[data]\nsource = \"rows.csv\"\n{inputs}{when}\
             [[targets]]\nname = \"label\"\nkind = \"category\"\n[model]\nfamily = \"mlp\"\nhidden = [16]\n\
             [train]\nepochs = 8\nbatch_size = 16\n"
        ),
    );
    home.train(&[]);
    home
}

fn predicted(home: &TestHome, file: &str) -> Vec<Value> {
    let output = home.run(&["predict", "--model", "spelled", "--input", file, "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{file}: {}", output.stderr);
    output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_row_has_one_answer_from_every_file_and_every_body() {
    let home = trained();
    let rows = rows();
    let expected = predicted(&home, "rows.csv");
    assert_eq!(expected.len(), rows.len());
    home.write("lines.jsonl", rows.iter().map(|row| object(row).to_string() + "\n").collect::<String>());
    assert_eq!(predicted(&home, "lines.jsonl"), expected, "JSON lines");
    for at in [0, 1, 2, 7, 13] {
        home.write("alone.csv", csv(&rows[at..=at], false));
        assert_eq!(predicted(&home, "alone.csv"), expected[at..=at], "row {at} alone");
    }

    let server = home.serve(&["--model", "spelled"]);
    let path = "/v1/models/spelled/predict";
    let answers = |body: String, kind: &str| -> Vec<Value> {
        let response = server.post(path, body, &[("content-type", kind)]);
        assert_eq!(response.status, 200, "{kind}: {}", response.text);
        if response.text.trim_start().starts_with("{\"model\"") {
            return response.json()["predictions"].as_array().unwrap().clone();
        }
        response.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let first: Vec<_> = rows.iter().take(12).cloned().collect();
    let body = json!({ "rows": first.iter().map(object).collect::<Vec<_>>() });
    assert_eq!(answers(body.to_string(), "application/json"), expected[..12], "JSON");
    for (row, answer) in first.iter().zip(&expected) {
        let body = json!({ "rows": [object(row)] });
        assert_eq!(answers(body.to_string(), "application/json"), std::slice::from_ref(answer), "JSON alone");
    }
    assert_eq!(answers(csv(&first, false), "text/csv"), expected[..12], "CSV");
    let lines: String = first.iter().map(|row| object(row).to_string() + "\n").collect();
    assert_eq!(answers(lines, "application/x-ndjson"), expected[..12], "JSON lines");

    let tensor = |at: usize, name: &str| {
        let data: Vec<&str> = first.iter().map(|row| row[at].as_str()).collect();
        json!({"name": name, "shape": [12, 1], "datatype": "BYTES", "data": data})
    };
    let sizes: Vec<f64> = first.iter().map(|row| row[3].replace(',', ".").parse().unwrap()).collect();
    let size = json!({"name": "size", "shape": [12, 1], "datatype": "FP64", "data": sizes});
    let inputs = [tensor(0, "code"), tensor(1, "flag"), tensor(2, "grade"), size, tensor(4, "when")];
    let response = server.post("/v2/models/spelled/infer", json!({ "inputs": inputs }).to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let response = response.json();
    let outputs = response["outputs"].as_array().unwrap();
    let found = outputs.iter().find(|output| output["name"] == "label_probabilities").unwrap();
    let float = |value: &Value| value.to_string().parse::<f32>().unwrap();
    let found: Vec<f32> = found["data"].as_array().unwrap().iter().map(float).collect();
    let wanted: Vec<f32> = expected[..12]
        .iter()
        .flat_map(|answer| ["0", "1"].map(|class| float(&answer["label"]["probabilities"][class])))
        .collect();
    assert_eq!(found, wanted, "Open Inference Protocol");
}

#[test]
fn codes_stay_apart_and_whole_classes_are_integers() {
    let home = trained();
    let shown = home.json(&["models", "show", "spelled"]);
    let inputs = shown["manifest"]["signature"]["inputs"].as_array().unwrap();
    let categories =
        |name: &str| inputs.iter().find(|input| input["name"] == name).unwrap()["categories"].clone();
    assert_eq!(
        categories("code"),
        json!(["01001", "1001", "7.50", "9007199254740992", "9007199254740993", "90210"])
    );
    assert_eq!(categories("flag"), json!(["false", "true"]));
    assert_eq!(categories("grade"), json!(["1", "2", "3", "A7"]));
    let answer = &predicted(&home, "rows.csv")[0]["label"];
    assert!(answer["value"].is_u64(), "{answer}");
    assert!(answer["probabilities"][answer["value"].to_string()].is_number(), "{answer}");
}

#[test]
fn a_wrong_value_is_named_with_its_file_and_its_row_there() {
    let home = trained();
    let mut bad = rows();
    bad[149][3] = "much".into();
    home.write("rows.csv", csv(&bad, true));
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(
        output.stderr.contains("rows.csv: row 150 (line 151), column `size`: expected a number"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("data.null"), "{}", output.stderr);
    let output = home.run(&["predict", "--model", "spelled", "--input", "rows.csv", "--device", "flex"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("rows.csv: row 150 (line 151), column `size`"), "{}", output.stderr);
}

#[test]
fn common_markers_and_dates_are_recognised_without_inputs() {
    let home = TestHome::new();
    let row = |i: usize| {
        let income = if i % 40 == 3 { "N/A".to_owned() } else { format!("{}", 1000 + i * 13 % 700) };
        format!(
            "{income},{:02}/{:02}/2024,{}\n",
            i % 28 + 1,
            i % 12 + 1,
            ["no", "yes"][usize::from(i * 13 % 700 > 350)]
        )
    };
    home.write("rows.csv", "income,day,label\n".to_owned() + &(0..200).map(row).collect::<String>());
    home.write(
        "run.toml",
        "name = \"bare\"\n[data]\nsource = \"rows.csv\"\n[[targets]]\nname = \"label\"\nkind = \"category\"\n\
         [model]\nfamily = \"mlp\"\nhidden = [8]\n[train]\nepochs = 2\n",
    );
    let shown = home.run(&["check", "--config", "run.toml"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let all = shown.stdout + &shown.stderr;
    let line = |name: &str| {
        all.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default().to_owned()
    };
    assert!(line("income").contains("number"), "{all}");
    assert!(line("day").contains("date"), "{all}");
    assert!(all.contains("`N/A` in 5 rows"), "{all}");
    assert!(all.contains("%d/%m/%Y"), "{all}");
}
