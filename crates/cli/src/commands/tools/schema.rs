//! `cupola schema`: the JSON Schema of configs, architecture files and configs of servers.

use anyhow::Result;

use crate::args::SchemaArgs;
use crate::draw::Ui;

pub fn run(args: &SchemaArgs) -> Result<()> {
    let schema = match (args.model, args.serve) {
        (true, _) => cupola_spec::model_schema(),
        (_, true) => cupola_spec::serve_schema(),
        _ => cupola_spec::config_schema(),
    };
    Ui { json: true }.result(schema)
}
