//! Prepared examples in a folder, so that preparation runs once.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Prepared, RequestExample};
use crate::error::Error;
use crate::examples::{CompactLayout, ExampleStore, ExamplesWithTargets, SplitExamples};
use crate::features::InferredColumn;
use crate::plan::Plan;
use crate::split::{SPLIT_NAMES, SplitPart};

/// Content of `prepared.json`.
#[derive(Serialize, Deserialize)]
struct Contents {
    findings: Vec<InferredColumn>,
    suspicions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    example: Option<RequestExample>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    calibration_groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    test_groups: Vec<String>,
    /// `true` if the splits are example stores, `false` if they are postcard.
    stored: bool,
}

const PARTS: [SplitPart; 4] = [SplitPart::Train, SplitPart::Valid, SplitPart::Test, SplitPart::Calibrate];
/// File of the raw rows that an evaluation needs.
const AUDIT: &str = "audit.bin";
/// Size of the buffers of example files in bytes.
const FILE_BUFFER: usize = 1 << 20;

impl Prepared {
    /// Writes plan and examples into an existing empty folder.
    ///
    /// # Errors
    /// [`Error::Store`] if a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let stored = matches!(self.part(SplitPart::Train), SplitExamples::Stored(..));
        let (findings, suspicions) = (self.findings.clone(), self.suspicions.clone());
        let (calibration_groups, test_groups) = (self.calibration_groups.clone(), self.test_groups.clone());
        let contents = Contents {
            findings,
            suspicions,
            example: self.example.clone(),
            calibration_groups,
            test_groups,
            stored,
        };
        write_file(folder, "prepared.json", |out| serde_json::to_writer(out, &contents).map_err(Into::into))?;
        write_file(folder, "plan.json", |out| serde_json::to_writer(out, &self.plan).map_err(Into::into))?;
        write_file(folder, AUDIT, |out| {
            postcard::to_io(&self.audit, out).map(|_| ()).map_err(std::io::Error::other)
        })?;
        for (part, name) in PARTS.into_iter().zip(SPLIT_NAMES) {
            let file = format!("{name}.bin");
            match self.part(part) {
                SplitExamples::Memory(_, examples) => {
                    write_file(folder, &file, |out| {
                        postcard::to_io(examples, out).map(|_| ()).map_err(std::io::Error::other)
                    })?;
                }
                SplitExamples::Stored(_, store) => write_file(folder, &file, |out| store.save(out))?,
            }
        }
        Ok(())
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Store`] for a missing or truncated file.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let contents: Contents = read_json(folder, "prepared.json")?;
        let plan: Plan = read_json(folder, "plan.json")?;
        let load_split = |name: &str| {
            let path = folder.join(format!("{name}.bin"));
            let split = File::open(&path).and_then(|file| {
                if contents.stored {
                    Ok(SplitExamples::Stored(plan.compact_layout(), ExampleStore::open(file, folder)?))
                } else {
                    load_in_memory(&plan, file)
                }
            });
            split.map_err(|source| Error::Store { folder: path, source })
        };
        let [train, valid, test, calibrate] = SPLIT_NAMES.map(load_split);
        let splits = [train?, valid?, test?, calibrate?];
        let (suspicions, example) = (contents.suspicions, contents.example);
        let path = folder.join(AUDIT);
        let audit = std::fs::read(&path)
            .and_then(|bytes| postcard::from_bytes(&bytes).map_err(std::io::Error::other))
            .map_err(|source| Error::Store { folder: path, source })?;
        let (calibration_groups, test_groups) = (contents.calibration_groups, contents.test_groups);
        Ok(Self {
            suspicions,
            example,
            calibration_groups,
            test_groups,
            audit,
            ..Self::new(plan, contents.findings, splits)
        })
    }
}

fn load_in_memory(plan: &Plan, file: File) -> std::io::Result<SplitExamples> {
    let mut buffer = vec![0; 1 << 16];
    let file = BufReader::with_capacity(FILE_BUFFER, file);
    let (examples, _): (ExamplesWithTargets, _) =
        postcard::from_io((file, &mut buffer[..])).map_err(std::io::Error::other)?;
    let compact = plan.compact_layout();
    // Token streams and windows are stored as the network sees them.
    let expanded = examples.examples.layout == compact.layout;
    let layout = if expanded { CompactLayout::identity(compact.layout) } else { compact };
    Ok(SplitExamples::Memory(layout, examples))
}

fn write_file(
    folder: &Path,
    name: &str,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Error> {
    let path = folder.join(name);
    let written = File::create(&path).and_then(|file| {
        let mut out = BufWriter::with_capacity(FILE_BUFFER, file);
        fill(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()
    });
    written.map_err(|source| Error::Store { folder: path, source })
}

fn read_json<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> Result<T, Error> {
    let path = folder.join(name);
    let read = std::fs::read(&path).and_then(|bytes| serde_json::from_slice(&bytes).map_err(Into::into));
    read.map_err(|source| Error::Store { folder: path, source })
}
