//! `cupola models example`: a request that can be run.

use anyhow::Result;
use cupola_registry::Home;
use cupola_runtime::ExampleRequest;
use serde_json::json;

use crate::args::ExampleArgs;
use crate::draw::Ui;
use crate::failure::UserError;

/// Prints the example of a package as curl, Python or CSV.
pub fn run(home: &Home, ui: Ui, args: &ExampleArgs) -> Result<()> {
    let package = home.package(&args.model)?;
    let request = ExampleRequest::of_package(&package)?;
    let text = if args.csv {
        let hint = "leave --csv out";
        request.csv().ok_or_else(|| UserError::new("a language model takes no rows as CSV", hint))?
    } else if args.python {
        request.python(&args.server)
    } else {
        request.curl(&args.server)
    };
    if !request.real && !args.csv {
        // A comment of both the shell and Python.
        ui.line("# the package has no row of its data; these values only fit its columns");
    }
    ui.line(&text);
    ui.result(&json!({ "path": request.path, "body": request.body, "real": request.real, "text": text }))
}
