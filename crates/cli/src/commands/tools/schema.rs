//! `cupola schema`: the JSON Schema of configs and architecture files.

use anyhow::Result;

use crate::args::SchemaArgs;
use crate::draw::Ui;

pub fn run(args: &SchemaArgs) -> Result<()> {
    let schema = if args.model { cupola_spec::model_schema() } else { cupola_spec::config_schema() };
    Ui { json: true }.result(schema)
}
