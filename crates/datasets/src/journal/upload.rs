//! Files of the journal in the object store of a home.

use std::fs;

use cupola_sources::Error as SourceError;
use cupola_store::Remote;

use super::retention::{LEVELS, find};
use crate::error::{Error, io_error};

/// Names that are tried for a file, since processes in containers may share their number.
const ATTEMPTS: u32 = 100;

/// Moves the complete files of a journal to the object store of its home, if it has one. A file is deleted here only after
/// the store has it; what fails stays and is moved later.
pub(super) fn move_to_store(folder: &std::path::Path) -> Result<(), Error> {
    let Some((remote, _)) = Remote::containing(folder) else { return Ok(()) };
    let mut files = Vec::new();
    find(folder, LEVELS, &mut files).map_err(io_error(folder))?;
    // A store that does not answer must not hold up the thread that writes the journal.
    if files.is_empty() || !remote.answers() {
        return Ok(());
    }
    for file in files {
        let Some((_, key)) = Remote::containing(&file.path) else { continue };
        let bytes = fs::read(&file.path).map_err(io_error(&file.path))?;
        let stem = key.strip_suffix(".parquet").unwrap_or(&key);
        let mut taken = false;
        for attempt in 0..ATTEMPTS {
            // A number after the number of the file, so that the name stays one of the journal.
            let name = if attempt == 0 { key.clone() } else { format!("{stem}{attempt:03}.parquet") };
            taken = remote.claim(&name, &bytes)?;
            if taken {
                break;
            }
        }
        if !taken {
            let why = "its names are taken".to_owned();
            return Err(SourceError::Engine { path: file.path.display().to_string(), why }.into());
        }
        fs::remove_file(&file.path).map_err(io_error(&file.path))?;
    }
    Ok(())
}
