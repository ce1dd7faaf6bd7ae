//! Bodies of forms with files: `multipart/form-data` (RFC 7578).

use crate::error::ApiError;

/// Most parts of one form.
const MAX_PARTS: usize = 1024;
/// Most bytes of the headers of a part.
const MAX_HEADER: usize = 4096;
/// Longest boundary (RFC 2046, section 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// One field or file of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FormPart<'a> {
    /// Name of the field.
    pub name: String,
    /// Name of the file; `None` for a field.
    pub file: Option<String>,
    /// Content.
    pub bytes: &'a [u8],
}

/// Boundary of a content type; `None` for another type or an invalid boundary.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let mut parts = content_type.split(';');
    if !parts.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parts.filter_map(|part| part.split_once('='));
    let (_, value) = boundary.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let value = value.trim().trim_matches('"');
    (1..=MAX_BOUNDARY).contains(&value.len()).then_some(value)
}

/// Parts of a whole body.
///
/// # Errors
/// [`ApiError`] for a body that is no such form, or has too many parts.
pub(crate) fn form_parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<FormPart<'a>>, ApiError> {
    let (opening, delimiter) = (format!("--{boundary}"), format!("\r\n--{boundary}"));
    let mut rest = match body.strip_prefix(opening.as_bytes()) {
        Some(rest) => rest,
        // Text before the first part is ignored.
        None => {
            after(body, delimiter.as_bytes()).ok_or_else(|| malformed("the first boundary is missing"))?.1
        }
    };
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        if parts.len() == MAX_PARTS {
            return Err(malformed(&format!("there are more than {MAX_PARTS} parts")));
        }
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let part =
            rest[blanks..].strip_prefix(b"\r\n").ok_or_else(|| malformed("a boundary has no line end"))?;
        let (content, next) =
            after(part, delimiter.as_bytes()).ok_or_else(|| malformed("the last boundary is missing"))?;
        parts.push(part_of(content)?);
        rest = next;
    }
}

/// Bytes before and after the first occurrence of a text.
fn after<'a>(bytes: &'a [u8], text: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    // Boundaries begin with a carriage return, which is rare enough in files to skip to.
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == text[0]) {
        let at = from + at;
        if bytes[at..].starts_with(text) {
            return Some((&bytes[..at], &bytes[at + text.len()..]));
        }
        from = at + 1;
    }
    None
}

fn part_of(content: &[u8]) -> Result<FormPart<'_>, ApiError> {
    let window = &content[..content.len().min(MAX_HEADER)];
    let (head, bytes) = if window.starts_with(b"\r\n") {
        (&window[..0], &content[2..])
    } else {
        let (head, _) =
            after(window, b"\r\n\r\n").ok_or_else(|| malformed("the headers of a part do not end"))?;
        (head, &content[head.len() + 4..])
    };
    let head = String::from_utf8_lossy(head);
    let disposition = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut disposition =
        disposition.filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"));
    let (_, value) = disposition.next().ok_or_else(|| malformed("a part has no `Content-Disposition`"))?;
    let name = parameter(value, "name").ok_or_else(|| malformed("a part has no name"))?;
    Ok(FormPart { name, file: parameter(value, "filename"), bytes })
}

/// Quoted parameter of a header, with `\"` and `%22` for a quotation mark.
fn parameter(value: &str, name: &str) -> Option<String> {
    let start = value.match_indices(name).find_map(|(at, _)| {
        let before = value[..at].trim_end().ends_with(';');
        let after = value[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
        before.then_some(after)
    })?;
    let Some(quoted) = start.strip_prefix('"') else {
        return Some(start.split(';').next().unwrap_or_default().trim().to_owned());
    };
    let mut out = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return Some(out.replace("%22", "\"")),
            // Browsers of old write the path of a Windows file with plain backslashes.
            '\\' if letters.as_str().starts_with(['"', '\\']) => out.extend(letters.next()),
            letter => out.push(letter),
        }
    }
}

fn malformed(why: &str) -> ApiError {
    ApiError::malformed(format!("invalid multipart/form-data: {why}; send it as `curl -F image=@FILE` does"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a \\\"b\\\".png\"\r\n\
        Content-Type: image/png\r\n\r\n\x89PNG\r\n--X\r\n\x00\r\n--XX\r\ncontent-disposition: form-data; name=size\r\n\r\n\r\n--XX--\r\n";

    #[test]
    fn parts_have_names_files_and_exact_bytes() {
        let parts = form_parts(BODY, "XX").unwrap();
        let file = FormPart {
            name: "image".to_owned(),
            file: Some("a \"b\".png".to_owned()),
            bytes: b"\x89PNG\r\n--X\r\n\x00",
        };
        let field = FormPart { name: "size".to_owned(), file: None, bytes: b"" };
        assert_eq!(parts, [file, field]);
        let with_preamble = [b"hello\r\n".as_slice(), BODY].concat();
        assert_eq!(form_parts(&with_preamble, "XX").unwrap().len(), 2);
        assert_eq!(form_parts(b"--XX--\r\n", "XX").unwrap(), []);
    }

    #[test]
    fn every_cut_and_wrong_boundary_is_an_error() {
        for end in 0..BODY.len() - 4 {
            assert!(form_parts(&BODY[..end], "XX").is_err(), "{end}");
        }
        assert!(form_parts(BODY, "YY").is_err());
        for broken in [
            "--XX\r\n\r\n\r\n--XX--",
            "--XX\r\ncontent-disposition: form-data\r\n\r\n\r\n--XX--",
            "--XXa\r\n--XX--",
        ] {
            assert_eq!(
                form_parts(broken.as_bytes(), "XX").map_err(|error| error.status.as_u16()),
                Err(400),
                "{broken:?}"
            );
        }
        let many =
            "--XX\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n".repeat(MAX_PARTS + 1) + "--XX--";
        assert!(form_parts(many.as_bytes(), "XX").unwrap_err().message.contains("more than 1024"));
    }

    #[test]
    fn the_boundary_is_read_from_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=----a1"), Some("----a1"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; BOUNDARY=\"b c\""), Some("b c"));
        for other in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "image/png; boundary=a",
            "multipart/mixed; boundary=a",
        ] {
            assert_eq!(boundary(other), None, "{other}");
        }
    }
}
