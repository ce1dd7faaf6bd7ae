//! One row has one example, whichever way it comes in.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use cupola_budget::Budget;
use cupola_prep::{Column, ColumnType, ExactColumns, Examples, Frame, Plan, Signature, prepare};
use cupola_spec::{Run, parse};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::bulk;
use super::rows::{frame_of, json_lines, parse_input};
use super::tensors::{ElementType, PredictInput, tensor_inputs};

const COLUMNS: [&str; 4] = ["code", "flag", "size", "when"];

fn run() -> Run {
    let text = "name = 'x'\n[data]\nsource = 'x.csv'\n\
                [[inputs]]\nname = 'code'\nkind = 'category'\n[[inputs]]\nname = 'flag'\nkind = 'category'\n\
                [[inputs]]\nname = 'size'\nkind = 'number'\n[[inputs]]\nname = 'when'\nkind = 'date'\nparts = ['hour', 'day']\n\
                [[targets]]\nname = 'y'\nkind = 'category'\n[split]\nvalid = 0.0\ntest = 0.0\n\
                [model]\nfamily = 'mlp'\nhidden = [4]\n";
    parse("run.toml", text, &[], &|_| Err(String::new())).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Texts of a category whose form is decided by the whole column.
fn code() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("01001".to_owned()),
        Just("1001".to_owned()),
        Just("9007199254740993".to_owned()),
        Just("9007199254740992".to_owned()),
        Just(" 2.0 ".to_owned()),
        Just("2".to_owned()),
        Just("1.10".to_owned()),
        Just("True".to_owned()),
        Just("-0".to_owned()),
        Just("e\u{301}".to_owned()),
        "[0-9]{1,3}",
        "[a-cA-C0-2 ]{1,3}",
    ]
}

fn size() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i32>().prop_map(|x| x.to_string()),
        (-1e6..1e6).prop_map(|x: f64| x.to_string()),
        Just("-0.0".to_owned()),
        Just("\u{2212}3.5".to_owned()),
        Just("N/A".to_owned()),
        Just(String::new()),
    ]
}

fn when() -> impl Strategy<Value = String> {
    (1i32..28, 0i32..24, prop_oneof![Just(""), Just("Z"), Just("-05:00")])
        .prop_map(|(day, hour, zone)| format!("2024-03-{day:02}T{hour:02}:30:00{zone}"))
}

type Rows = Vec<[String; 4]>;

fn rows() -> impl Strategy<Value = Rows> {
    let flag = prop_oneof![Just("true".to_owned()), Just("True".to_owned()), Just("FALSE".to_owned())];
    let row = (code(), flag, size(), when()).prop_map(|(a, b, c, d)| [a, b, c, d]);
    prop::collection::vec(row, 2..8)
}

/// Columns of texts, as a CSV file is read by a signature.
fn texts(rows: &[[String; 4]]) -> Frame {
    let column = |at: usize| {
        Column::texts(rows.iter().map(|row| Some(row[at].as_str()).filter(|text| !text.is_empty())))
    };
    COLUMNS.iter().enumerate().fold(Frame::default(), |frame, (at, name)| frame.with(name, column(at)))
}

fn fitted(rows: &[[String; 4]]) -> Option<Plan> {
    let classes = Column::texts((0..rows.len()).map(|row| Some(["no", "yes"][row % 2])));
    prepare(&run(), &texts(rows).with("y", classes), None, None).ok().map(|prepared| prepared.plan)
}

fn json_rows(rows: &[[String; 4]], numbers: bool) -> Vec<Map<String, Value>> {
    let value = |at: usize, text: &String| match text.parse::<f64>() {
        _ if text.is_empty() => Value::Null,
        Ok(number) if numbers && at == 2 => json!(number),
        _ => json!(text),
    };
    rows.iter()
        .map(|row| {
            COLUMNS.iter().enumerate().map(|(at, name)| ((*name).to_owned(), value(at, &row[at]))).collect()
        })
        .collect()
}

fn csv(rows: &[[String; 4]], delimiter: &str) -> Vec<u8> {
    let lines = rows.iter().map(|row| row.join(delimiter));
    format!("{}\n{}\n", COLUMNS.join(delimiter), lines.collect::<Vec<_>>().join("\n")).into_bytes()
}

fn bits(examples: &Examples) -> (Vec<u32>, Vec<i32>) {
    (examples.dense.iter().map(|value| value.to_bits()).collect(), examples.indices.clone())
}

proptest! {
    #[test]
    fn every_channel_gives_the_same_example(rows in rows()) {
        let Some(plan) = fitted(&rows) else { return Ok(()) };
        let signature = Signature::of(&plan);
        let expected = bits(&plan.apply(&texts(&rows)).unwrap());
        let check = |channel: &str, frame: Frame| {
            prop_assert_eq!(bits(&plan.apply(&frame).unwrap()), expected.clone(), "{}", channel);
            Ok(())
        };
        check("JSON strings", frame_of(&signature, &json_rows(&rows, false)).unwrap())?;
        check("JSON numbers", frame_of(&signature, &json_rows(&rows, true)).unwrap())?;
        let lines: Vec<String> = json_rows(&rows, true).iter().map(|row| json!(row).to_string()).collect();
        check("JSON lines", frame_of(&signature, &json_lines(lines.join("\n").as_bytes()).unwrap()).unwrap())?;
        for delimiter in [",", ";", "\t"] {
            let (schema, batches) = bulk::csv(&signature, &csv(&rows, delimiter), &Budget::unlimited()).unwrap();
            check("CSV", Frame::from_batches(&schema, &batches, &plan.exact_columns()).unwrap())?;
        }
        let alone: Vec<_> = rows.iter().map(|row| bits(&plan.apply(&texts(std::slice::from_ref(row))).unwrap())).collect();
        let joined = (alone.iter().flat_map(|row| row.0.clone()).collect(), alone.iter().flat_map(|row| row.1.clone()).collect());
        prop_assert_eq!(joined, expected, "rows alone");
    }
}

#[test]
fn typed_values_and_their_texts_are_one_category() {
    let rows: Rows = ["7", "12", "9007199254740993", "9007199254740992"]
        .iter()
        .enumerate()
        .map(|(i, code)| [(*code).to_owned(), "true".into(), i.to_string(), "2024-03-05".into()])
        .collect();
    let plan = fitted(&rows).unwrap();
    let expected = bits(&plan.apply(&texts(&rows)).unwrap());
    let code: Vec<i64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    let size: Vec<f64> = rows.iter().map(|row| row[2].parse().unwrap()).collect();
    let columns: [ArrayRef; 4] = [
        Arc::new(Int64Array::from(code)),
        Arc::new(arrow::array::BooleanArray::from(vec![true; 4])),
        Arc::new(Float64Array::from(size)),
        Arc::new(StringArray::from(vec!["2024-03-05"; 4])),
    ];
    let kinds = [DataType::Int64, DataType::Boolean, DataType::Float64, DataType::Utf8];
    let fields: Vec<Field> =
        COLUMNS.iter().zip(kinds).map(|(name, kind)| Field::new(*name, kind, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.to_vec()).unwrap();
    let frame = Frame::from_batches(&schema, &[batch], &plan.exact_columns()).unwrap();
    assert_eq!(bits(&plan.apply(&frame).unwrap()), expected);
    let numbers: Vec<Map<String, Value>> = rows
        .iter()
        .map(|row| {
            let code: u64 = row[0].parse().unwrap();
            json!({"code": code, "flag": true, "size": row[2], "when": row[3]}).as_object().unwrap().clone()
        })
        .collect();
    let frame = frame_of(&Signature::of(&plan), &numbers).unwrap();
    assert_eq!(bits(&plan.apply(&frame).unwrap()), expected);
    let signature = Signature::of(&plan);
    let code = signature.inputs.iter().find(|input| input.name == "code").unwrap();
    assert_eq!(code.categories.as_ref().unwrap().len(), 4, "four ids stay four");
}

/// Times of training rows as a typed column, in milliseconds that 64-bit floats of seconds do not hold.
fn typed_times(rows: i64) -> ArrayRef {
    let times = (0..rows).map(|row| 1_709_629_200_123 + row * 86_461_007);
    Arc::new(TimestampMillisecondArray::from_iter_values(times))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> (Arc<Schema>, RecordBatch) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    (batch.schema(), batch)
}

#[test]
fn a_date_that_counts_as_seconds_has_the_spellings_of_dates_on_every_channel() {
    let text = "name = 'x'\n[data]\nsource = 'x.csv'\n[[features]]\nname = 'days'\nsql = 'paid / 86400'\n\
                [[inputs]]\nname = 'when'\nkind = 'number'\n[[inputs]]\nname = 'days'\nkind = 'number'\n\
                [[targets]]\nname = 'y'\nkind = 'category'\n[split]\nvalid = 0.0\ntest = 0.0\n\
                [model]\nfamily = 'mlp'\nhidden = [4]\n";
    let run = parse("run.toml", text, &[], &|_| Err(String::new())).unwrap_or_else(|e| panic!("{e}"));
    let classes: ArrayRef = Arc::new(StringArray::from_iter_values((0..8).map(|row| ["no", "yes"][row % 2])));
    let (schema, rows) = batch(vec![("when", typed_times(8)), ("paid", typed_times(8)), ("y", classes)]);
    let training = Frame::from_batches(&schema, &[rows], &ExactColumns::default()).unwrap();
    let plan = prepare(&run, &training, None, None).unwrap().plan;
    let signature = Signature::of(&plan);
    assert!(signature.inputs.iter().all(|input| input.kind == ColumnType::Date), "{:?}", signature.inputs);
    let expected = bits(&plan.apply(&training).unwrap());

    let typed = typed_times(8);
    let texts = arrow::compute::cast(&typed, &DataType::Utf8).unwrap();
    let texts: Vec<String> = texts.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    let check = |channel: &str, frame: Frame| {
        assert_eq!(bits(&plan.apply(&frame).unwrap()), expected, "{channel}");
    };
    let row = |text: &String| json!({"when": text, "paid": text});
    let json: Vec<Value> = texts.iter().map(row).collect();
    let body = json!({ "rows": json }).to_string();
    let parsed = parse_input(&signature, false, body.as_bytes(), &Budget::unlimited()).unwrap();
    let PredictInput::Frame(frame) = parsed else { panic!("not columns") };
    check("JSON", frame);
    let lines: Vec<String> = json.iter().map(Value::to_string).collect();
    check("lines", bulk::lines(&signature, lines.join("\n").as_bytes(), &Budget::unlimited()).unwrap());
    let csv: Vec<String> = texts.iter().map(|text| format!("{text},{text}\n")).collect();
    let csv = format!("when,paid\n{}", csv.concat());
    let (schema, batches) = bulk::csv(&signature, csv.as_bytes(), &Budget::unlimited()).unwrap();
    check("CSV", Frame::from_batches(&schema, &batches, &plan.exact_columns()).unwrap());
    let written: ArrayRef = Arc::new(StringArray::from(texts));
    for column in [typed, written] {
        let (schema, rows) = batch(vec![("when", Arc::clone(&column)), ("paid", column)]);
        let mut body = Vec::new();
        let mut writer = StreamWriter::try_new(&mut body, &schema).unwrap();
        writer.write(&rows).and_then(|()| writer.finish()).unwrap();
        drop(writer);
        let (schema, batches) = bulk::arrow_stream(&signature, &body, &Budget::unlimited()).unwrap();
        check("Arrow", Frame::from_batches(&schema, &batches, &plan.exact_columns()).unwrap());
    }
    // HTTP and gRPC of the Open Inference Protocol take the texts.
    let tensors = tensor_inputs(&plan, &signature);
    assert!(tensors.iter().all(|tensor| tensor.element == ElementType::Bytes), "{tensors:?}");
    // Seconds would be taken for a compact date, and the other way round.
    let seconds = json!({"rows": [{"when": 1_709_629_200, "paid": "2024-03-05"}]}).to_string();
    let parsed = parse_input(&signature, false, seconds.as_bytes(), &Budget::unlimited()).unwrap();
    let PredictInput::Frame(frame) = parsed else { panic!("not columns") };
    let error = plan.apply(&frame).unwrap_err().to_string();
    assert!(error.contains("`when`") && error.contains("2024-12-31"), "{error}");
}

#[test]
fn all_missing_columns_are_named_at_once() {
    let rows: Rows = ["a", "b", "a", "c"]
        .iter()
        .enumerate()
        .map(|(i, code)| [(*code).to_owned(), "true".into(), i.to_string(), format!("2024-03-0{}", i + 1)])
        .collect();
    let plan = fitted(&rows).unwrap();
    let signature = Signature::of(&plan);
    let check = |error: String| {
        let named = ["code", "flag", "when"].iter().all(|name| error.contains(&format!("`{name}`")));
        assert!(named && !error.contains("column `size`"), "{error}");
    };
    let body = br#"{"rows": [{"size": 1}]}"#;
    check(parse_input(&signature, false, body, &Budget::unlimited()).unwrap_err().to_string());
    check(bulk::lines(&signature, b"{\"size\": 1}\n", &Budget::unlimited()).unwrap_err().to_string());
    let frame = Frame::default().with("size", Column::numbers(vec![1.0]));
    let error = plan.apply(&frame).unwrap_err();
    assert!(matches!(&error, cupola_prep::Error::Columns { columns, .. } if columns.len() == 3), "{error}");
}
