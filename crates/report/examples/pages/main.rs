//! Pages of made-up evaluations, to look at: `cargo run -p cupola-report --example pages -- FOLDER`.

mod documents;
mod monitoring;

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    std::fs::create_dir_all(&folder)?;
    for (name, document) in documents::all() {
        std::fs::write(folder.join(format!("{name}.html")), cupola_report::html(&document))?;
        std::fs::write(folder.join(format!("{name}.md")), cupola_report::markdown(&document))?;
    }
    std::fs::write(folder.join("monitoring.html"), cupola_report::monitoring_html(&monitoring::page()))?;
    Ok(())
}
