//! `cupola schema`

use anyhow::Result;

use crate::args::SchemaArgs;
use crate::ui::Ui;

pub fn run(args: &SchemaArgs) -> Result<()> {
    let schema = if args.model { cupola_spec::model_schema() } else { cupola_spec::config_schema() };
    Ui { json: true, quiet: false }.result(schema)
}
