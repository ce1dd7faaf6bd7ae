//! The parts of an ELF file that its loader reads first.

use object::elf::{DT_NEEDED, EM_AARCH64, EM_RISCV, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, ReadRef};

use super::Platform;

/// Loader and libraries of a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Executable {
    pub platform: Platform,
    /// Path of the loader; `None` for a static program.
    pub interpreter: Option<String>,
    /// File names of the libraries, in order.
    pub needed: Vec<String>,
}

/// Reason why a container does not run a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum ElfProblem {
    /// A file of another kind.
    #[error("{0}")]
    Kind(&'static str),
    /// A processor that images are not written for.
    #[error("a program for a processor that is not supported (ELF machine {0})")]
    Machine(u16),
    /// A file that ends too early, or contradicts itself.
    #[error("a damaged program: {0}")]
    Damaged(#[from] object::Error),
}

impl Executable {
    /// Parses a program or a library.
    ///
    /// # Errors
    /// [`ElfProblem`].
    pub fn parse<'data>(data: impl ReadRef<'data>) -> Result<Self, ElfProblem> {
        match FileKind::parse(data) {
            Ok(FileKind::Elf64) => {}
            Ok(FileKind::MachO32 | FileKind::MachO64 | FileKind::MachOFat32 | FileKind::MachOFat64) => {
                return Err(ElfProblem::Kind("a program for macOS"));
            }
            Ok(FileKind::Pe32 | FileKind::Pe64) => return Err(ElfProblem::Kind("a program for Windows")),
            Ok(FileKind::Elf32) => return Err(ElfProblem::Kind("a program of 32 bits")),
            _ => return Err(ElfProblem::Kind("not a program")),
        }
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let machine = header.e_machine(endian);
        let platform = platform(machine).ok_or(ElfProblem::Machine(machine.0))?;
        if ![ET_EXEC, ET_DYN].contains(&header.e_type(endian)) {
            return Err(ElfProblem::Kind("an object file, not a program"));
        }
        let mut interpreter = None;
        for segment in header.program_headers(endian, data)? {
            if let Some(path) = segment.interpreter(endian, data)? {
                interpreter = Some(String::from_utf8_lossy(path).into_owned());
            }
        }
        let mut needed = Vec::new();
        let table = header.sections(endian, data)?.dynamic_table(endian, data)?;
        for entry in &table {
            if entry.tag == DT_NEEDED {
                needed.push(String::from_utf8_lossy(table.string(entry)?).into_owned());
            }
        }
        Ok(Self { platform, interpreter, needed })
    }
}

fn platform(machine: object::elf::Machine) -> Option<Platform> {
    Some(match machine {
        EM_X86_64 => Platform { architecture: "amd64", variant: None },
        EM_AARCH64 => Platform { architecture: "arm64", variant: Some("v8") },
        EM_RISCV => Platform { architecture: "riscv64", variant: None },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_is_a_program_and_other_files_are_not() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let found = Executable::parse(own.as_slice()).unwrap();
        assert!(found.needed.iter().any(|name| name.starts_with("libc.so")), "{found:?}");
        assert!(found.interpreter.unwrap().contains("ld-linux"));
        for (bytes, reason) in [
            (&b""[..], "not a program"),
            (b"#!/bin/sh\n", "not a program"),
            (b"\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x02\0\0\0\0\0\0\0", "macOS"),
            (&own[..64], "damaged"),
            (&own[..own.len() / 2], "damaged"),
        ] {
            assert!(Executable::parse(bytes).unwrap_err().to_string().contains(reason), "{reason}");
        }
        let mut other = own.clone();
        other[18] = 8;
        assert!(matches!(Executable::parse(other.as_slice()), Err(ElfProblem::Machine(8))));
    }

    #[test]
    fn a_mutated_program_breaks_no_reader() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        cupola_testkit::fuzz(&[&own[..4096]], |bytes| drop(Executable::parse(bytes)));
    }
}
