use std::fs;

use cupola_sources::{NoProgress, TextColumns};
use cupola_spec::{Data, Source, parse_data};

use crate::{ContractReport, Error, LoadRequest, Table, load, stream};

/// Rows of people, two of them with several errors.
const PEOPLE: &str = "id,age,mail,city,at\n1,30,a@x.org,Bern,2024-01-01\n2,-4,b@x.org,Rome,2024-01-02\n3,41,none,Rome,2024-01-03\n3,22,d@x.org,Oslo,2024-01-04\n5,,e@x.org,Bern,2024-01-05\n";

fn read(expect: &str) -> (tempfile::TempDir, Result<Table, Error>) {
    read_file(PEOPLE, expect)
}

fn read_file(people: &str, expect: &str) -> (tempfile::TempDir, Result<Table, Error>) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("people.csv"), people).unwrap();
    fs::write(dir.path().join("cities.csv"), "name\nBern\nRome\n").unwrap();
    let (data, expect) = parse_data("test", &format!("data.source = 'people.csv'\n{expect}")).unwrap();
    let roots = [dir.path().to_owned()];
    let home = dir.path().join(".home");
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &expect,
        texts: TextColumns::None,
        roots: &roots,
        home: &home,
        progress: &NoProgress,
    };
    let table = load(&request);
    if let Ok(table) = &table {
        // A stream leaves out the same rows each time it is read.
        let stream = stream(&request).unwrap();
        for _ in 0..2 {
            let mut rows = 0;
            stream
                .each(&mut |batch| {
                    rows += batch.num_rows();
                    Ok::<(), Error>(())
                })
                .unwrap();
            assert_eq!(rows, table.rows());
        }
        assert_eq!(stream.version(), &table.version);
    }
    (dir, table)
}

fn outcomes(report: &ContractReport) -> Vec<(bool, u64)> {
    report.outcomes.iter().map(|outcome| (outcome.met, outcome.broken)).collect()
}

#[test]
fn each_condition_finds_the_rows_that_break_it() {
    let warn = |rest: &str| format!("[[expect]]\nseverity = 'warn'\n{rest}\n");
    for (condition, broken) in [
        ("column = 'age'\nrequired = true", 1),
        ("column = 'age'\nrange = [0, 40]", 2),
        ("column = 'age'\ntype = 'integer'", 0),
        ("column = 'mail'\nregex = '.+@x\\.org'", 1),
        // `none` is a missing number.
        ("column = 'mail'\ntype = 'number'", 4),
        ("column = 'city'\nset = ['Bern', 'Rome', 'Oslo']", 0),
        ("column = 'id'\nset = ['1', '2', '3']", 1),
        ("column = 'id'\nunique = true", 1),
        ("column = 'city'\nforeign_key = { source = 'cities.csv', column = 'name' }", 1),
        ("column = 'at'\ntype = 'date'", 0),
        ("column = 'at'\nfreshness = '7 days'", 1),
        ("column = 'at'\nfreshness = '5000 weeks'", 0),
        ("rows = [5, 5]", 0),
        ("rows = [6, 9]", 1),
        ("column = 'age'\nnull_share = 0.2", 0),
        ("column = 'age'\nnull_share = 0.1", 1),
    ] {
        let (_dir, table) = read(&warn(condition));
        assert_eq!(outcomes(&table.unwrap().report), [(broken == 0, broken)], "{condition}");
    }
}

#[test]
fn numbers_in_texts_are_read_as_training_reads_them() {
    let people = "price;part;two\n3,50;12%;1,234\n1.250,00;$3;2,500\nN/A;7;1,000\n";
    for (condition, broken) in [
        ("column = 'price'\nrange = [3, 1250]", 0),
        ("column = 'price'\nrange = [4, 1250]", 1),
        ("column = 'price'\ntype = 'number'", 0),
        ("column = 'part'\nrange = [0.1, 3]", 1),
        ("column = 'two'\nrange = [1000, 2500]", 0),
    ] {
        let expect = format!("[[expect]]\nseverity = 'warn'\n{condition}\n");
        let (_dir, table) = read_file(people, &expect);
        assert_eq!(outcomes(&table.unwrap().report), [(broken == 0, broken)], "{condition}");
    }
    let expect = "data.decimal = ','\n[[expect]]\nseverity = 'warn'\ncolumn = 'two'\nrange = [1, 2.5]\n";
    let (_dir, table) = read_file(people, expect);
    assert_eq!(outcomes(&table.unwrap().report), [(true, 0)]);
}

#[test]
fn a_broken_condition_fails_with_its_rows_unless_it_only_warns() {
    let (_dir, table) =
        read("[[expect]]\ncolumn = 'age'\nrange = [0, 40]\n[[expect]]\ncolumn = 'id'\nunique = true\n");
    let error = table.unwrap_err().to_string();
    assert!(
        error.starts_with(
            "2 of `[[expect]]` are not met:\nage: range 0 to 40: 2 rows, the first row 2 (line 3): `-4`"
        ),
        "{error}"
    );
    assert!(error.contains("id: unique: row 4 (line 5): `3`"), "{error}");
}

#[test]
fn quarantined_rows_go_to_a_file_with_number_and_reason() {
    let expect = "[[expect]]\ncolumn = 'age'\nrange = [0, 40]\nseverity = 'quarantine'\n\
        [[expect]]\ncolumn = 'mail'\nregex = '.+@.+'\nseverity = 'quarantine'\n";
    let (_dir, table) = read(expect);
    let table = table.unwrap();
    assert_eq!((table.rows(), table.report.quarantined), (3, 2));
    let lines = fs::read_to_string(table.report.file.unwrap()).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["row"], 2);
    assert_eq!(lines[0]["reason"], "age: range 0 to 40: `-4`");
    assert_eq!(lines[0]["values"]["mail"], "b@x.org");
    // One line a row, with the first reason.
    assert_eq!((lines.len(), &lines[1]["row"]), (2, &serde_json::json!(3)));
}

#[test]
fn what_cannot_be_expected_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("people.csv"), PEOPLE).unwrap();
    let said = |text: &str| {
        let (_, expect) = parse_data("test", &format!("data.source = 'people.csv'\n{text}")).unwrap();
        let data = Data::plain(Source::One("people.csv".into()), &[]);
        let roots = [dir.path().to_owned()];
        let request = LoadRequest {
            source: &data.source,
            data: &data,
            expect: &expect,
            texts: TextColumns::None,
            roots: &roots,
            home: dir.path(),
            progress: &NoProgress,
        };
        load(&request).unwrap_err().to_string()
    };
    let error = said("[[expect]]\ncolumn = 'agee'\nrequired = true");
    assert!(error.contains("no column `agee` (did you mean `age`?)"), "{error}");
    assert!(said("[[expect]]\ncolumn = 'age'\nregex = '('").contains("invalid regular expression `(`"));
    assert!(said("[[expect]]\ncolumn = 'at'\nfreshness = 'soon'").contains("invalid time span `soon`"));
}
