//! A frame as plain columns, for files of prepared rows.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::frame::{Column, Frame};

/// Columns of a saved frame.
///
/// They are saved with postcard, which writes the position of a variant: keep their order.
#[derive(Serialize, Deserialize)]
enum SavedColumn {
    Numbers { values: Vec<f64>, time: bool },
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

/// Writes the columns of a frame with their names.
pub fn serialize<S: Serializer>(frame: &Frame, serializer: S) -> Result<S::Ok, S::Error> {
    let column = |column: &Column| match column {
        Column::Number { values, time } => SavedColumn::Numbers { values: values.to_vec(), time: *time },
        Column::Text(texts) => SavedColumn::Texts(texts.iter().map(|text| text.map(str::to_owned)).collect()),
        Column::Bytes(files) => {
            SavedColumn::Bytes(files.iter().map(|file| file.map(<[u8]>::to_vec)).collect())
        }
    };
    let named = frame.names().filter_map(|name| Some((name, column(frame.get(name)?))));
    named.collect::<Vec<_>>().serialize(serializer)
}

/// Reads what [`serialize`] wrote.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Frame, D::Error> {
    let columns = Vec::<(String, SavedColumn)>::deserialize(deserializer)?;
    let rows = columns.first().map_or(0, |(_, column)| column.len());
    let mut frame = Frame::default();
    for (name, column) in columns {
        if column.len() != rows {
            return Err(serde::de::Error::custom("columns of different lengths"));
        }
        frame = frame.with(&name, column.into());
    }
    Ok(frame)
}

impl SavedColumn {
    fn len(&self) -> usize {
        match self {
            Self::Numbers { values, .. } => values.len(),
            Self::Texts(texts) => texts.len(),
            Self::Bytes(files) => files.len(),
        }
    }
}

impl From<SavedColumn> for Column {
    fn from(column: SavedColumn) -> Self {
        match column {
            SavedColumn::Numbers { values, time } => Self::Number { values: values.into(), time },
            SavedColumn::Texts(texts) => Self::texts(texts),
            SavedColumn::Bytes(files) => Self::Bytes(files.iter().map(Option::as_deref).collect()),
        }
    }
}
