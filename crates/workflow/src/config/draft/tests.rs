use std::fmt::Write as _;
use std::path::PathBuf;

use cupola_registry::Home;
use cupola_spec::{Family, SplitBy, TargetKind};

use super::*;
use crate::event::Silent;

/// Folder with a home and a file of data.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(file: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), text).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn draft(&self, file: &str, target: Option<&str>, kind: Option<TargetKind>) -> Result<Draft, Error> {
        let request = DraftRequest {
            source: self.path(file).to_string_lossy().into_owned(),
            target: target.map(str::to_owned),
            kind,
            group: None,
            name: None,
        };
        self.session().draft(&request)
    }

    /// Draft whose config must be one that training takes.
    fn accepted(&self, file: &str, target: Option<&str>, kind: Option<TargetKind>) -> Draft {
        let draft = self.draft(file, target, kind).unwrap_or_else(|error| panic!("{error}"));
        let text = draft.to_toml();
        let run =
            self.session().run_config(&draft.config()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(run.inputs, draft.inputs, "{text}");
        assert_eq!(run.targets.first(), &draft.target, "{text}");
        draft
    }

    fn session(&self) -> Session<'static> {
        Session::new(Home::new(self.path("home")), &Silent)
    }
}

fn column<'a>(draft: &'a Draft, name: &str) -> &'a DraftColumn {
    draft.columns.iter().find(|column| column.name == name).unwrap()
}

fn messy() -> String {
    let mut text = "id,signup,plan,revenue,notes,age,code,churn\n".to_owned();
    for row in 0..200 {
        let (day, month) = (1 + row * 7 % 28, 1 + row * 5 % 12);
        let plan = ["free", "pro", "team"][row % 3];
        let age = if row % 9 == 0 { "unknown".to_owned() } else { (18 + row % 60).to_string() };
        let churn = if row % 4 == 0 { "yes" } else { "no" };
        let _ = writeln!(
            text,
            "C{row:04},{day:02}/{month:02}/2024,{plan},\"${}.50\",the parcel of order {row} came late again,{age},{},{churn}",
            100 + row * 37,
            row % 7
        );
    }
    text
}

#[test]
fn a_messy_table_gets_a_kind_and_a_reason_for_each_column() {
    let place = Place::new("churn.csv", &messy());
    let draft = place.accepted("churn.csv", Some("churn"), None);
    let kind = |name: &str| column(&draft, name).kind;
    assert_eq!(column(&draft, "id").role, DraftRole::LeftOut);
    assert!(column(&draft, "id").reason.contains("identifier"));
    assert_eq!((kind("signup"), kind("plan")), (Some(Kind::Date), Some(Kind::Category)));
    assert!(column(&draft, "signup").reason.contains("`%d/%m/%Y`"));
    assert_eq!((kind("revenue"), kind("notes")), (Some(Kind::Number), Some(Kind::Text)));
    assert!(column(&draft, "revenue").reason.starts_with("money: `$100.50`"));
    assert_eq!((draft.name.as_str(), draft.target.kind), ("churn", TargetKind::Category));
    // Texts beside other columns: trees cannot read them.
    assert_eq!(draft.model.family.name(), "mlp");
    let text = draft.to_toml();
    assert!(text.contains("# id: left out: nearly as many values as rows: an identifier"), "{text}");
    assert!(text.contains("format = \"%d/%m/%Y\""), "{text}");
}

#[test]
fn texts_among_numbers_are_missing_and_said() {
    let mut text = "a,b,y\n".to_owned();
    for row in 0..100 {
        let a = if row == 40 { "lots".to_owned() } else { row.to_string() };
        let _ = writeln!(text, "{a},\"1,{:03}\",{}", 100 + row, f64::from(row) * 0.5);
    }
    let place = Place::new("t.csv", &text);
    let draft = place.accepted("t.csv", Some("y"), None);
    assert_eq!(draft.missing_texts, ["lots"]);
    assert_eq!(draft.decimal, Some(Decimal::Point));
    assert_eq!(draft.warnings.len(), 2, "{:?}", draft.warnings);
    assert_eq!(draft.target.kind, TargetKind::Number);
    assert!(matches!(draft.model.family, Family::Gbdt(_)));
    assert!(draft.to_toml().contains("null = [\"\", \"NA\", \"NaN\", \"nan\", \"null\", \"lots\"]"));
}

#[test]
fn a_missing_target_lists_the_columns() {
    let place = Place::new("churn.csv", &messy());
    let error = place.draft("churn.csv", None, None).unwrap_err();
    assert!(error.is_user_error());
    let said = error.to_string();
    assert!(said.contains("`churn` looks like a target"), "{said}");
    assert!(
        said.contains("`signup` (date)") && said.ends_with("for a language model --kind next_token"),
        "{said}"
    );
    let said = place.draft("churn.csv", Some("chrun"), None).unwrap_err().to_string();
    assert!(said.contains("did you mean `churn`?"), "{said}");
    let said = place.draft("churn.csv", Some("id"), None).unwrap_err().to_string();
    assert!(said.contains("target `id` cannot be learned"), "{said}");
}

#[test]
fn rows_in_the_order_of_time_are_split_by_it() {
    let mut text = "when,x,late\n".to_owned();
    for row in 0..120 {
        let _ = writeln!(
            text,
            "2024-{:02}-{:02},{},{}",
            1 + row / 28,
            1 + row % 28,
            row % 11,
            ["a", "b"][row % 2]
        );
    }
    let place = Place::new("t.csv", &text);
    let draft = place.accepted("t.csv", Some("late"), None);
    assert_eq!(draft.split.as_ref().map(|split| split.column.as_str()), Some("when"));
    let parts = column(&draft, "when").input.as_ref().and_then(|input| input.parts.clone()).unwrap();
    assert!(!parts.contains(&cupola_spec::DatePart::Year));
    let run = place.session().run_config(&draft.config()).unwrap();
    assert_eq!(run.split.by, SplitBy::Time);
}

#[test]
fn regular_times_and_a_number_are_a_forecast() {
    let mut text = "day,shop,sold\n".to_owned();
    for row in 0..400 {
        let (day, shop) = (row / 2, ["north", "south"][row % 2]);
        let date = format!("2024-{:02}-{:02}", 1 + day / 28, 1 + day % 28);
        let _ = writeln!(text, "{date},{shop},{}.5", 100 + day % 7 * 10 + row % 2);
    }
    let place = Place::new("sales.csv", &text);
    let draft = place.accepted("sales.csv", Some("sold"), None);
    assert_eq!(draft.target.kind, TargetKind::Forecast);
    assert_eq!((draft.target.horizon, draft.target.season), (Some(7), Some(7)));
    assert_eq!(draft.series.time.as_deref(), Some("day"));
    assert_eq!(draft.series.keys(), ["shop"]);
    assert_eq!((draft.inputs.len(), draft.inputs[0].window), (1, Some(28)));
    assert_eq!(draft.model.family.name(), "dlinear");
    // A number of each row by itself, if that is asked for.
    let draft = place.accepted("sales.csv", Some("sold"), Some(TargetKind::Number));
    assert_eq!((draft.target.kind, draft.model.family.name()), (TargetKind::Number, "gbdt"));
    assert!(draft.split.is_some());
}

#[test]
fn texts_anomalies_and_languages_have_their_families() {
    let mut text = "text,label\n".to_owned();
    for row in 0..80 {
        let _ = writeln!(text, "call {row} now to win a prize or two,{}", ["spam", "ham"][row % 2]);
    }
    let place = Place::new("spam.csv", &text);
    let draft = place.accepted("spam.csv", Some("label"), None);
    assert_eq!(draft.model.family.name(), "text_transformer");
    assert_eq!(draft.inputs[0].tokens.as_ref().map(|tokens| tokens.length), Some(16));
    let draft = place.accepted("spam.csv", None, Some(TargetKind::NextToken));
    assert_eq!((draft.target.name.as_str(), draft.model.family.name()), ("text", "gpt"));
    let mut text = "a,b,fault\n".to_owned();
    for row in 0..80 {
        let _ = writeln!(text, "{}.5,{}.25,{}", row % 9, row % 13, usize::from(row % 40 == 0));
    }
    let place = Place::new("sensors.csv", &text);
    let draft = place.accepted("sensors.csv", Some("fault"), Some(TargetKind::Reconstruct));
    assert_eq!(draft.model.family.name(), "autoencoder");
    assert_eq!(draft.target.column.as_deref(), Some("fault"));
    assert_eq!(place.accepted("sensors.csv", None, Some(TargetKind::Reconstruct)).target.column, None);
}

#[test]
fn a_ranking_asks_for_the_column_of_its_groups() {
    let mut text = "query,price,stars,grade\n".to_owned();
    for row in 0..120 {
        let _ = writeln!(text, "q{},{}.5,{},{}", row / 6, 100 + row * 37 % 90, 1 + row % 5, row % 3);
    }
    let place = Place::new("hits.csv", &text);
    let request = |group: Option<&str>, kind| DraftRequest {
        source: place.path("hits.csv").to_string_lossy().into_owned(),
        target: Some("grade".to_owned()),
        kind,
        group: group.map(str::to_owned),
        name: None,
    };
    let draft = place.session().draft(&request(Some("query"), Some(TargetKind::Rank))).unwrap();
    assert_eq!((draft.target.kind, draft.target.group.as_deref()), (TargetKind::Rank, Some("query")));
    assert_eq!(column(&draft, "query").role, DraftRole::Group);
    let run = place.session().run_config(&draft.config()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(run.targets.first(), &draft.target);
    assert!(run.inputs.iter().all(|input| input.name != "query"), "{}", draft.to_toml());
    let project =
        place.session().draft_project(&request(Some("query"), Some(TargetKind::Rank)), "hits.csv").unwrap();
    // Six rows with the grades 0, 1 and 2 twice each, so a random order has the same share of the best gain in each group.
    let discounts = [1.0, 0.630_930, 0.5, 0.430_677, 0.386_853, 0.356_207];
    let best = 3.0 * (discounts[0] + discounts[1]) + discounts[2] + discounts[3];
    let chance = discounts.iter().sum::<f64>() * 8.0 / 6.0 / best;
    let least = ((chance + 0.1 * (1.0 - chance)) * 100.0).floor() / 100.0;
    assert!(
        project.config.contains(&format!("\"test/ndcg_at_10\" = \">= {least:.2}\"")),
        "{}",
        project.config
    );
    assert!(project.config.contains("\"versus production\""), "{}", project.config);
    assert!(project.known_gate.contains("test/ndcg_at_10"), "{}", project.known_gate);
    let known = project.known.unwrap();
    let mut queries: Vec<&str> = known
        .lines()
        .filter_map(|line| line.split('"').find(|word| word.starts_with('q') && *word != "query"))
        .collect();
    queries.sort_unstable();
    assert!(queries.chunk_by(|a, b| a == b).all(|group| group.len() == 6), "{known}");
    let refused = |group, kind| place.session().draft(&request(group, kind)).unwrap_err().to_string();
    assert!(refused(None, Some(TargetKind::Rank)).contains("a ranking has groups"));
    assert!(refused(Some("querry"), Some(TargetKind::Rank)).contains("did you mean `query`?"));
    assert!(refused(Some("query"), None).contains("only a ranking has groups"));
}

#[test]
fn a_folder_of_texts_predicts_its_classes() {
    let place = Place::new("unrelated.csv", "a\n1\n");
    for (class, words) in [("good", "a fine and friendly stay"), ("bad", "a cold and noisy room")] {
        std::fs::create_dir_all(place.path("reviews").join(class)).unwrap();
        for number in 0..20 {
            let path = place.path("reviews").join(class).join(format!("{number}.txt"));
            std::fs::write(path, format!("{words} on day {number}")).unwrap();
        }
    }
    let draft = place.accepted("reviews", None, None);
    assert_eq!((draft.target.name.as_str(), draft.model.family.name()), ("class", "text_transformer"));
    assert_eq!(column(&draft, "path").role, DraftRole::LeftOut);
}

#[test]
fn hostile_names_stay_in_their_quotes() {
    let text = "\"a\"\"b\",\"x # y\",\"line\nbreak\",y\n".to_owned()
        + &(0..40).map(|row| format!("{row}.5,{row}.25,{row}.75,{}\n", row % 2)).collect::<Vec<_>>().concat();
    let place = Place::new("t.csv", &text);
    let draft = place.accepted("t.csv", Some("y"), None);
    let columns: Vec<&str> = draft.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["a\"b", "x # y", "line\nbreak", "y"]);
}
