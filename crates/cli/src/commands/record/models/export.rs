//! `cupola models export`: a package for other programs.

use anyhow::Result;
use cupola_import::{export_hugging_face, export_safetensors};
use cupola_registry::Home;

use crate::args::{ExportArgs, ExportFormat};
use crate::draw::Ui;

/// Writes the files of a format into a folder.
pub fn run(home: &Home, ui: Ui, args: &ExportArgs) -> Result<()> {
    let package = home.package(&args.model)?;
    let written = match args.to {
        ExportFormat::Safetensors => export_safetensors(&package, &args.folder)?,
        ExportFormat::Hf => export_hugging_face(&package, &args.folder)?,
    };
    for path in &written {
        ui.line(format!("written {}", path.display()));
    }
    ui.result(&written)
}
