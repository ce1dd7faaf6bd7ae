//! Keys of rows that the model does not have, and keys that a row repeats.
//!
//! The parser of rows ignores both. A valid body is looked at again only if it has more colons than its known
//! columns account for, so requests without unknown columns pay for one count.

use std::collections::{HashMap, HashSet};

use cupola_prep::Signature;
use cupola_runtime::{BulkFormat, PredictInput};
use cupola_spec::nearest;
use indexmap::{IndexMap, IndexSet};

use crate::error::ApiError;
use crate::request::{each_key, repeated, shortened};

/// Unknown columns that a response names.
const LISTED: usize = 16;
/// Longest name that is compared with those of the model.
const COMPARED_CHARS: usize = 48;
/// Pairs of names that are compared for a suggestion, so that many unknown columns of a wide model cost little.
const COMPARED: usize = 2048;

/// Columns of a request that the model does not have, each with its first row, from 0.
#[derive(Debug, Default)]
pub(super) struct UnknownColumns {
    first_rows: IndexMap<String, usize>,
    /// `true` if there are more than are listed.
    more: bool,
}

impl UnknownColumns {
    /// Unknown columns of a request whose body was parsed.
    ///
    /// # Errors
    /// [`ApiError`] for a JSON row that repeats a key.
    pub fn of_request(
        signature: &Signature,
        format: Option<BulkFormat>,
        body: &[u8],
        input: &PredictInput,
    ) -> Result<Self, ApiError> {
        match (format, input) {
            (Some(BulkFormat::Csv | BulkFormat::Arrow), PredictInput::Frame(frame)) => {
                let mut unknown = Self::default();
                // The parser requires every column of the signature.
                if frame.names().count() > signature.inputs.len() {
                    let known = known_names(signature);
                    frame.names().filter(|name| !known.contains(name)).for_each(|name| unknown.add(name, 0));
                }
                Ok(unknown)
            }
            (
                Some(BulkFormat::Csv | BulkFormat::Arrow),
                PredictInput::Floats(_) | PredictInput::Tokens(_),
            ) => Ok(Self::default()),
            (None | Some(BulkFormat::Lines), _) => Self::of_json(signature, format.is_some(), body, input),
        }
    }

    fn of_json(
        signature: &Signature,
        lines: bool,
        body: &[u8],
        input: &PredictInput,
    ) -> Result<Self, ApiError> {
        let width = signature.inputs.len();
        // Each row has every column of the signature, or it would have been refused.
        let expected = input.rows(width) * width + usize::from(!lines);
        #[allow(clippy::naive_bytecount, reason = "the compiler counts with vector instructions")]
        let colons = body.iter().filter(|byte| **byte == b':').count();
        if colons == expected {
            return Ok(Self::default());
        }
        let mut scan = KeyScan::new(signature);
        let mut found = None;
        each_key(lines, body, &mut |row, key| {
            let new = scan.see(row, key);
            if !new {
                found = Some(repeated(row, key));
            }
            new
        });
        found.map_or(Ok(scan.unknown), Err)
    }

    /// Unknown key or column of a body that may stand for a column that is missing.
    pub fn instead_of(
        column: &str,
        signature: &Signature,
        format: Option<BulkFormat>,
        body: &[u8],
    ) -> Option<String> {
        let known = known_names(signature);
        let mut names: IndexSet<String> = IndexSet::new();
        let mut add = |name: &str| {
            if !known.contains(name) && name.chars().count() <= COMPARED_CHARS {
                names.insert(name.to_owned());
            }
            names.len() < LISTED
        };
        match format {
            Some(BulkFormat::Arrow) => return None,
            Some(BulkFormat::Csv) => {
                let header = String::from_utf8_lossy(body.split(|byte| *byte == b'\n').next()?);
                let each = header.split([',', ';', '\t', '|']).map(|name| name.trim().trim_matches('"'));
                each.take_while(|name| add(name)).for_each(drop);
            }
            None | Some(BulkFormat::Lines) => each_key(format.is_some(), body, &mut |_, name| add(name)),
        }
        nearest(column, names.iter().map(String::as_str)).map(str::to_owned)
    }

    fn add(&mut self, name: &str, row: usize) {
        if self.first_rows.contains_key(name) {
            return;
        }
        if self.first_rows.len() == LISTED {
            self.more = true;
        } else {
            self.first_rows.insert(name.to_owned(), row);
        }
    }

    /// Warnings of a response: one for each column.
    pub fn warnings(&self, signature: &Signature) -> Vec<String> {
        let each = self.suggestions(signature).map(|(name, near)| {
            let quoted = shortened(name);
            match near {
                _ if signature.outputs.iter().any(|output| output.name == name) => {
                    format!("the target `{quoted}` is ignored")
                }
                // pandas writes its index as such a column.
                _ if name.is_empty() => "the column without a name is ignored".to_owned(),
                Some(near) => format!("unknown column `{quoted}`; did you mean `{near}`?"),
                None => format!("unknown column `{quoted}`"),
            }
        });
        each.chain(self.more.then(|| "further unknown columns are not listed".to_owned())).collect()
    }

    /// Error of a strict request.
    ///
    /// # Errors
    /// [`ApiError`] if there is any unknown column.
    pub fn refuse(&self, signature: &Signature) -> Result<(), ApiError> {
        let Some((first, row)) = self.first_rows.first() else { return Ok(()) };
        let named = self.suggestions(signature).map(|(name, near)| {
            let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            format!("`{}`{near}", shortened(name))
        });
        let named: Vec<String> = named.chain(self.more.then(|| "...".to_owned())).collect();
        let plural = if named.len() > 1 { "s" } else { "" };
        let message = format!(
            "unknown column{plural} {} in a strict request; send only columns of the model",
            named.join(", ")
        );
        Err(ApiError::unknown_columns(message, format!("rows[{row}].{}", shortened(first))))
    }

    /// Unknown columns, each with the column of the model that is most similar.
    fn suggestions<'a>(
        &'a self,
        signature: &'a Signature,
    ) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let compared = (COMPARED / signature.inputs.len().max(1)).max(1);
        self.first_rows.keys().enumerate().map(move |(index, name)| {
            let short = index < compared && name.chars().count() <= COMPARED_CHARS;
            let columns = signature.inputs.iter().map(|input| input.name.as_str());
            (name.as_str(), short.then(|| nearest(name, columns)).flatten())
        })
    }
}

fn known_names(signature: &Signature) -> HashSet<&str> {
    signature.inputs.iter().map(|input| input.name.as_str()).collect()
}

/// State of a pass over the keys of all rows.
struct KeyScan<'a> {
    known: HashMap<&'a str, usize>,
    /// Row that had the column last, plus 1, by column.
    last_rows: Vec<usize>,
    /// The same of the unknown columns that are listed.
    last_unknown: HashMap<String, usize>,
    unknown: UnknownColumns,
}

impl<'a> KeyScan<'a> {
    fn new(signature: &'a Signature) -> Self {
        let names = signature.inputs.iter().enumerate();
        let known: HashMap<_, _> = names.map(|(index, input)| (input.name.as_str(), index)).collect();
        Self {
            last_rows: vec![0; signature.inputs.len()],
            known,
            last_unknown: HashMap::new(),
            unknown: UnknownColumns::default(),
        }
    }

    /// Takes note of a key; `false` if the row has it already.
    fn see(&mut self, row: usize, key: &str) -> bool {
        let last = if let Some(index) = self.known.get(key) {
            std::mem::replace(&mut self.last_rows[*index], row + 1)
        } else {
            self.unknown.add(key, row);
            if !self.unknown.first_rows.contains_key(key) {
                return true;
            }
            self.last_unknown.insert(key.to_owned(), row + 1).unwrap_or_default()
        };
        last != row + 1
    }
}

#[cfg(test)]
mod tests;
