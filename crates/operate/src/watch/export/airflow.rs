//! Directed graph of tasks of Apache Airflow.

use std::fmt::Write;

use super::{Exported, STEPS};

/// Python file of a graph with a task for each step, which runs in the folder of the config. It imports from `airflow.sdk` (Airflow 3), or from the modules of
/// Airflow 2.
pub(super) fn dag(exported: &Exported<'_>) -> String {
    let name = exported.name;
    let mut text = format!(
        "\"\"\"Watch of {name}: looks for reasons to train again, trains a challenger and promotes it.\n\n\
         The journal in the home folder carries what one task hands to the next, so a task may be repeated.\n\"\"\"\n\n\
         from datetime import datetime, timezone\n\n\
         try:\n    from airflow.sdk import DAG\n    from airflow.providers.standard.operators.bash import BashOperator\n\
         except ImportError:\n    from airflow import DAG\n    from airflow.operators.bash import BashOperator\n\n\
         with DAG(\n    dag_id={id},\n    schedule={schedule},\n    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),\n    \
         catchup=False,\n    max_active_runs=1,\n    tags=[\"cupola\"],\n) as dag:\n",
        id = python(&format!("watch_{name}")),
        schedule = python(&exported.schedule),
    );
    let folder = python(&untemplated(exported.folder()));
    for (step, until) in STEPS {
        let (id, command) = (python(step), python(&untemplated(&exported.command(Some(until)))));
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "    {step} = BashOperator(task_id={id}, bash_command={command}, cwd={folder})");
    }
    let chain: Vec<&str> = STEPS.iter().map(|(step, _)| *step).collect();
    let _ = writeln!(text, "    {}", chain.join(" >> "));
    text
}

/// Command that Airflow, which reads it as a template, leaves as it is.
fn untemplated(command: &str) -> String {
    if ["{{", "{%", "{#"].iter().any(|mark| command.contains(mark)) {
        return format!("{{% raw %}}{command}{{% endraw %}}");
    }
    command.to_owned()
}

/// String of Python.
fn python(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
