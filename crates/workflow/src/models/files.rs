//! Pictures and sounds as the rows of a prediction: a folder, or one file.

use std::path::Path;

use cupola_prep::{Column, ColumnType, Frame, Plan, Signature};
use cupola_sources::RowOrigin;
use cupola_spec::Source;

use super::inference::InputRows;
use crate::error::Error;
use crate::session::Session;

/// Endings of files that are a row of their own.
const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "bmp", "gif", "webp", "wav"];
/// Columns in which a folder has its files.
const FOLDER_COLUMNS: [&str; 2] = ["image", "sound"];
/// Column of the names of files.
const PATH: &str = "path";

impl Session<'_> {
    /// Rows of a folder of pictures or sounds, or of one such file, for a model that takes one file per row. `None` if
    /// `path` is anything else.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn read_files(&self, path: &str, plan: &Plan) -> Result<Option<InputRows>, Error> {
        let signature = Signature::of(plan);
        let mut columns = signature.inputs.iter().filter(|input| input.kind == ColumnType::File);
        let (Some(column), None) = (columns.next(), columns.next()) else { return Ok(None) };
        let file = Path::new(path);
        if file.is_dir() {
            let rows = self.read_rows(&Source::One(path.to_owned()), plan)?;
            return Ok(Some(of_folder(rows, &column.name)));
        }
        let ending =
            file.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        if !ENDINGS.contains(&ending.as_str()) {
            return Ok(None);
        }
        let bytes = std::fs::read(file).map_err(|source| Error::Io { path: file.to_owned(), source })?;
        let name =
            file.file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned());
        let frame = Frame::default()
            .with(PATH, Column::texts([Some(&name)]))
            .with(&column.name, Column::Bytes([Some(bytes.as_slice())].into_iter().collect()));
        Ok(Some(InputRows { frame, origin: RowOrigin::new(vec![name.clone()]), files: vec![name] }))
    }
}

/// Rows of a folder with the column of the model, whatever the training data called it.
fn of_folder(mut rows: InputRows, column: &str) -> InputRows {
    let paths = rows.frame.get(PATH);
    let name = |row| paths.and_then(|paths| paths.text(row)).unwrap_or_default().into_owned();
    rows.files = (0..rows.frame.rows()).map(name).collect();
    if rows.frame.get(column).is_none()
        && let Some(own) = FOLDER_COLUMNS.iter().find_map(|name| rows.frame.get(name)).cloned()
    {
        rows.frame = rows.frame.with(column, own);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_the_column_of_the_model_and_the_names_of_its_files() {
        let frame = Frame::default()
            .with(PATH, Column::texts([Some("a/1.png"), Some("b/2.png")]))
            .with("image", Column::Bytes([Some(b"1".as_slice()), Some(b"2")].into_iter().collect()));
        let rows = InputRows { frame, origin: RowOrigin::default(), files: Vec::new() };
        let found = of_folder(rows, "photo");
        assert_eq!(found.files, ["a/1.png", "b/2.png"]);
        assert_eq!(found.frame.get("photo"), found.frame.get("image"));
    }
}
