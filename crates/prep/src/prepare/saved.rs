//! Prepared examples in a folder, so that they are made once.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Prepared;
use crate::error::Error;
use crate::examples::{Labelled, Rows, Store};
use crate::features::Finding;
use crate::plan::Plan;
use crate::split::Part;

/// What `prepared.json` says.
#[derive(Serialize, Deserialize)]
struct Contents {
    findings: Vec<Finding>,
    suspicions: Vec<String>,
    stored: bool,
}

const PARTS: [(Part, &str); 3] = [(Part::Train, "train"), (Part::Valid, "valid"), (Part::Test, "test")];

impl Prepared {
    /// Writes plan and examples into a folder that is there and empty.
    ///
    /// # Errors
    /// [`Error::Store`] when the disk is full.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let stored = matches!(self.part(Part::Train), Rows::Stored(..));
        let contents =
            Contents { findings: self.findings.clone(), suspicions: self.suspicions.clone(), stored };
        write(folder, "prepared.json", |out| serde_json::to_writer(out, &contents).map_err(Into::into))?;
        write(folder, "plan.json", |out| serde_json::to_writer(out, &self.plan).map_err(Into::into))?;
        for (part, name) in PARTS {
            let file = format!("{name}.bin");
            match self.part(part) {
                Rows::Memory(_, labelled) => {
                    write(folder, &file, |out| {
                        postcard::to_io(labelled, out).map(|_| ()).map_err(std::io::Error::other)
                    })?;
                }
                Rows::Stored(_, store) => write(folder, &file, |out| store.save(out))?,
            }
        }
        Ok(())
    }

    /// What [`Self::save`] has written.
    ///
    /// # Errors
    /// [`Error::Store`] for a file that is not there or not whole.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let contents: Contents = json(folder, "prepared.json")?;
        let plan: Plan = json(folder, "plan.json")?;
        // A language model's examples and windows are kept as the network sees them.
        let mut parts = Vec::new();
        for (_, name) in PARTS {
            let path = folder.join(format!("{name}.bin"));
            let wrong = |source| Error::Store { folder: path.clone(), source };
            let file = File::open(&path).map_err(wrong)?;
            parts.push(if contents.stored {
                Rows::Stored(plan.recipe(), Store::open(file, folder).map_err(wrong)?)
            } else {
                let mut buffer = vec![0; 1 << 16];
                let labelled: (Labelled, _) =
                    postcard::from_io((BufReader::with_capacity(1 << 20, file), &mut buffer[..]))
                        .map_err(|error| wrong(std::io::Error::other(error)))?;
                let recipe = plan.recipe();
                let plain = labelled.0.examples.layout == recipe.layout;
                Rows::Memory(if plain { crate::Recipe::plain(recipe.layout) } else { recipe }, labelled.0)
            });
        }
        let Ok([train, valid, test]) = <[Rows; 3]>::try_from(parts) else {
            unreachable!("there are three parts")
        };
        let mut prepared = Self::of(plan, contents.findings, train, valid, test);
        prepared.suspicions = contents.suspicions;
        Ok(prepared)
    }
}

fn write(
    folder: &Path,
    name: &str,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Error> {
    let path = folder.join(name);
    let written = File::create(&path).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        fill(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()
    });
    written.map_err(|source| Error::Store { folder: path, source })
}

fn json<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> Result<T, Error> {
    let path = folder.join(name);
    let read = std::fs::read(&path).and_then(|bytes| serde_json::from_slice(&bytes).map_err(Into::into));
    read.map_err(|source| Error::Store { folder: path, source })
}
