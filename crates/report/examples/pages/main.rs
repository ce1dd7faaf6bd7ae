//! Pages of made-up evaluations, to look at: `cargo run -p cupola-report --example pages -- FOLDER`.

mod documents;

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    std::fs::create_dir_all(&folder)?;
    for (name, document) in documents::all() {
        std::fs::write(folder.join(format!("{name}.html")), cupola_report::html(&document))?;
        std::fs::write(folder.join(format!("{name}.md")), cupola_report::markdown(&document))?;
    }
    Ok(())
}
