//! Bodies that are files: one picture or sound, or a form with several.

use axum::http::HeaderMap;
use cupola_budget::Budget;
use cupola_prep::{Column, ColumnType, Frame, Signature};
use indexmap::IndexMap;

use crate::error::ApiError;
use crate::request::{FormPart, boundary, content_type, form_parts};

/// Bytes of a value of a form beside its text.
const CELL: usize = 24;

/// Body of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileBody {
    /// The body is the file.
    One,
    /// A form with this boundary: each file is a row, and its other fields are values that all rows share.
    Form(String),
}

impl FileBody {
    /// Kind of body that the content type tells; `None` for rows.
    ///
    /// # Errors
    /// [`ApiError`] for a form without a boundary.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let whole = content_type(headers);
        let kind = whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind == "multipart/form-data" {
            let boundary = boundary(whole).ok_or_else(|| {
                ApiError::malformed("the content type has no valid boundary; leave it to your client, as `curl -F image=@FILE` does")
            })?;
            return Ok(Some(Self::Form(boundary.to_owned())));
        }
        Ok((kind.starts_with("image/") || kind.starts_with("audio/")).then_some(Self::One))
    }

    /// Rows of a body, and the names of their files; none for a body that is the file.
    ///
    /// # Errors
    /// [`ApiError`] for a model that takes no file, a broken form, or files and columns that do not go together.
    pub fn rows(
        &self,
        signature: &Signature,
        body: &[u8],
        budget: &Budget,
    ) -> Result<(Frame, Vec<String>), ApiError> {
        // The columns hold a copy.
        budget.charge(body.len())?;
        let columns = file_columns(signature);
        if columns.is_empty() {
            let message = "the model takes no file; send rows as JSON, JSON lines, CSV or Arrow";
            return Err(ApiError::unsupported_media(message.to_owned()));
        }
        match self {
            Self::Form(boundary) => form_rows(signature, &columns, form_parts(body, boundary)?, budget),
            Self::One if signature.inputs.len() > 1 => Err(ApiError::malformed(
                "the model takes further columns beside the file; send a form, as `curl -F image=@FILE -F COLUMN=VALUE` does",
            )),
            Self::One => {
                let frame = Frame::default().with(columns[0], files(&[body]));
                Ok((frame, Vec::new()))
            }
        }
    }
}

fn file_columns(signature: &Signature) -> Vec<&str> {
    let columns = signature.inputs.iter().filter(|input| input.kind == ColumnType::File);
    columns.map(|input| input.name.as_str()).collect()
}

fn files(contents: &[&[u8]]) -> Column {
    Column::Bytes(contents.iter().copied().map(Some).collect())
}

fn form_rows(
    signature: &Signature,
    columns: &[&str],
    parts: Vec<FormPart<'_>>,
    budget: &Budget,
) -> Result<(Frame, Vec<String>), ApiError> {
    let (uploaded, fields): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.file.is_some());
    let mut names = Vec::new();
    let mut contents: IndexMap<&str, Vec<&[u8]>> = IndexMap::new();
    for part in &uploaded {
        // With one column of files the name of the field tells nothing.
        let column = match columns {
            [only] => only,
            several => several.iter().find(|name| **name == part.name).ok_or_else(|| {
                let expected = several.join("`, `");
                ApiError::malformed(format!(
                    "unknown file field `{}`; expected `{expected}`",
                    part.name.escape_debug()
                ))
            })?,
        };
        contents.entry(column).or_default().push(part.bytes);
        if *column == columns[0] {
            names.push(part.file.clone().unwrap_or_default());
        }
    }
    let rows = contents.values().map(Vec::len).max().unwrap_or(1);
    if let Some((column, found)) = contents.iter().find(|(_, files)| files.len() != rows) {
        let message =
            format!("`{column}` has {} files, another column {rows}; send equally many", found.len());
        return Err(ApiError::malformed(message));
    }
    let mut frame = Frame::default();
    for (column, contents) in &contents {
        frame = frame.with(column, files(contents));
    }
    for field in &fields {
        let text = std::str::from_utf8(field.bytes).map_err(|_| {
            ApiError::malformed(format!("the field `{}` is not UTF-8; encode it", field.name.escape_debug()))
        })?;
        // Every row has a copy of the value.
        budget.charge_each(rows, text.len().saturating_add(CELL))?;
        let value = (!text.is_empty()).then_some(text);
        frame = frame.with(&field.name, Column::texts(vec![value; rows]));
    }
    let missing = signature.inputs.iter().find(|input| frame.get(&input.name).is_none());
    match missing {
        Some(input) if input.kind == ColumnType::File => Err(ApiError::malformed(format!(
            "the form has no file for `{0}`; send it as `curl -F {0}=@FILE` does",
            input.name
        ))),
        Some(input) if input.nullable => {
            let rest = signature.inputs.iter().filter(|input| frame.get(&input.name).is_none());
            let empty: Vec<&str> =
                rest.filter(|input| input.nullable).map(|input| input.name.as_str()).collect();
            let filled = empty
                .into_iter()
                .fold(frame.clone(), |frame, name| frame.with(name, Column::texts(vec![None::<&str>; rows])));
            complete(signature, filled).map(|frame| (frame, names))
        }
        _ => complete(signature, frame).map(|frame| (frame, names)),
    }
}

/// The rows, if they have all columns.
fn complete(signature: &Signature, frame: Frame) -> Result<Frame, ApiError> {
    match signature.inputs.iter().find(|input| frame.get(&input.name).is_none()) {
        Some(input) => Err(ApiError::malformed(format!(
            "the form has no field `{0}`; send it as `curl -F {0}=VALUE` does",
            input.name
        ))),
        None => Ok(frame),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::{HeaderValue, header};
    use cupola_budget::{Accounts, MemoryLimits};
    use serde_json::json;

    use super::*;

    fn signature(more: bool) -> Signature {
        let mut inputs = vec![json!({ "name": "image", "type": "file", "nullable": false })];
        if more {
            inputs.push(json!({ "name": "size", "type": "number", "nullable": false }));
            inputs.push(json!({ "name": "note", "type": "text", "nullable": true }));
        }
        serde_json::from_value(json!({ "inputs": inputs, "outputs": [] })).unwrap()
    }

    fn part(name: &str, file: Option<&str>, content: &str) -> String {
        let file = file.map_or(String::new(), |file| format!("; filename=\"{file}\""));
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n")
    }

    fn read(more: bool, parts: &[String]) -> Result<(Frame, Vec<String>), (u16, String)> {
        let body = parts.concat() + "--b--\r\n";
        let found =
            FileBody::Form("b".to_owned()).rows(&signature(more), body.as_bytes(), &Budget::unlimited());
        found.map_err(|error| (error.status.as_u16(), error.message))
    }

    #[test]
    fn each_file_of_a_form_is_a_row_that_shares_the_fields() {
        let parts = [part("x", Some("a.png"), "A"), part("x", Some("b.png"), "B"), part("size", None, "3")];
        let (frame, names) = read(true, &parts).unwrap();
        assert_eq!((frame.rows(), names), (2, vec!["a.png".to_owned(), "b.png".to_owned()]));
        assert_eq!(frame.get("size").unwrap().text(1).unwrap(), "3");
        assert!(frame.get("note").unwrap().is_missing(0));
        let Some(Column::Bytes(files)) = frame.get("image") else { panic!("no files") };
        assert_eq!((files.value(0), files.value(1)), (b"A".as_slice(), b"B".as_slice()));
    }

    #[test]
    fn fields_that_all_rows_share_count_for_each_of_them() {
        let accounts = Accounts::new(MemoryLimits { server: 1 << 20, caller: 1 << 20, request: 1 << 20 });
        let mut parts = vec![part("x", Some("a.png"), "A"); 200];
        parts.push(part("size", None, &"3".repeat(10_000)));
        let body = parts.concat() + "--b--\r\n";
        let budget = accounts.request(None, Duration::from_mins(1));
        let found = FileBody::Form("b".to_owned()).rows(&signature(true), body.as_bytes(), &budget);
        assert_eq!(found.unwrap_err().status.as_u16(), 413);
    }

    #[test]
    fn what_is_missing_is_named() {
        let file = part("image", Some("a.png"), "A");
        assert!(read(true, std::slice::from_ref(&file)).unwrap_err().1.contains("no field `size`"));
        assert!(read(false, &[]).unwrap_err().1.contains("no file for `image`"));
        let body = FileBody::One;
        let error = body.rows(&signature(true), b"A", &Budget::unlimited()).unwrap_err();
        assert_eq!(error.status.as_u16(), 400);
        assert_eq!(body.rows(&signature(false), b"A", &Budget::unlimited()).unwrap().0.rows(), 1);
        let table: Signature = serde_json::from_value(json!({ "inputs": [], "outputs": [] })).unwrap();
        assert_eq!(body.rows(&table, b"A", &Budget::unlimited()).unwrap_err().status.as_u16(), 415);
    }

    #[test]
    fn the_content_type_tells_files_from_rows() {
        let of = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            FileBody::of(&headers).map_err(|error| error.status.as_u16())
        };
        assert_eq!(of("image/png"), Ok(Some(FileBody::One)));
        assert_eq!(of("Image/JPEG"), Ok(Some(FileBody::One)));
        assert_eq!(of("multipart/form-data; boundary=Ab"), Ok(Some(FileBody::Form("Ab".to_owned()))));
        assert_eq!(of("multipart/form-data"), Err(400));
        assert_eq!(of("application/json"), Ok(None));
    }
}
