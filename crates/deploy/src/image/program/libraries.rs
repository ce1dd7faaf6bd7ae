//! Search for the libraries of a program, as the loader of the C library does it without a cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::elf::Executable;
use super::{Platform, SystemFile, read};
use crate::image::error::ImageError;

/// Folders that the loaders of Debian, Fedora and Alpine search, before the common ones.
const FOLDERS: [&str; 4] = ["lib64", "usr/lib64", "lib", "usr/lib"];

/// Libraries of one root.
pub(super) struct Libraries<'a> {
    root: &'a Path,
    platform: Platform,
    /// Files by their path in the image.
    found: BTreeMap<String, Vec<u8>>,
}

impl<'a> Libraries<'a> {
    pub fn new(root: &'a Path, platform: Platform) -> Self {
        Self { root, platform, found: BTreeMap::new() }
    }

    /// Reads the loader of a program, and all libraries that it and they need.
    pub fn collect(mut self, path: &Path, program: &Executable) -> Result<Vec<SystemFile>, ImageError> {
        let mut missing: Vec<(PathBuf, String)> =
            program.needed.iter().map(|name| (path.to_owned(), name.clone())).collect();
        if let Some(loader) = &program.interpreter {
            let inner = loader.trim_start_matches('/').to_owned();
            let Some((bytes, _)) = self.library(&self.root.join(&inner)) else {
                return Err(self.missing(path, loader));
            };
            self.found.insert(inner, bytes);
        }
        while let Some((path, name)) = missing.pop() {
            if self.found.keys().any(|known| known.rsplit('/').next() == Some(&name)) {
                continue;
            }
            let (inner, bytes, library) = self.find(&name).ok_or_else(|| self.missing(&path, &name))?;
            let own = self.root.join(&inner);
            missing.extend(library.needed.into_iter().map(|name| (own.clone(), name)));
            self.found.insert(inner, bytes);
        }
        Ok(self.found.into_iter().map(|(path, bytes)| SystemFile { path, bytes }).collect())
    }

    /// Path in the image, content and needs of a library.
    fn find(&self, name: &str) -> Option<(String, Vec<u8>, Executable)> {
        // A path in place of a name would lead out of the root.
        if name.contains('/') {
            return None;
        }
        let triple = match self.platform.architecture {
            "arm64" => "aarch64-linux-gnu",
            "riscv64" => "riscv64-linux-gnu",
            _ => "x86_64-linux-gnu",
        };
        let own = [format!("lib/{triple}"), format!("usr/lib/{triple}")];
        let folders = own.iter().map(String::as_str).chain(FOLDERS);
        folders.into_iter().find_map(|folder| {
            let inner = format!("{folder}/{name}");
            let (bytes, library) = self.library(&self.root.join(&inner))?;
            Some((inner, bytes, library))
        })
    }

    /// Content and needs of a file, if it is a library for the platform.
    fn library(&self, path: &Path) -> Option<(Vec<u8>, Executable)> {
        let bytes = read(path).ok()?;
        let parsed = Executable::parse(bytes.as_slice()).ok()?;
        (parsed.platform == self.platform).then_some((bytes, parsed))
    }

    fn missing(&self, path: &Path, name: &str) -> ImageError {
        ImageError::Library {
            path: path.to_owned(),
            name: name.to_owned(),
            platform: self.platform.name(),
            root: self.root.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> (PathBuf, Executable) {
        let path = std::env::current_exe().unwrap();
        let parsed = Executable::parse(std::fs::read(&path).unwrap().as_slice()).unwrap();
        (path, parsed)
    }

    #[test]
    fn the_libraries_are_those_that_the_loader_takes() {
        let (path, parsed) = own();
        let found = Libraries::new(Path::new("/"), parsed.platform).collect(&path, &parsed).unwrap();
        let mut names: Vec<&str> = found.iter().map(|file| file.path.rsplit('/').next().unwrap()).collect();
        names.sort_unstable();
        // The loader itself as the oracle.
        let output = std::process::Command::new("ldd").arg(&path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let words = text.split_whitespace().filter(|word| word.starts_with('/'));
        let mut expected: Vec<&str> = words.map(|word| word.rsplit('/').next().unwrap()).collect();
        expected.sort_unstable();
        assert_eq!(names, expected, "{text}");
    }

    #[test]
    fn a_root_without_them_is_named() {
        let (path, parsed) = own();
        let root = cupola_testkit::temporary();
        let error = Libraries::new(root.path(), parsed.platform).collect(&path, &parsed).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("ld-linux") && text.contains("--sysroot"), "{text}");
        // Libraries for another processor do not count.
        let other = Platform { architecture: "arm64", variant: Some("v8") };
        assert!(Libraries::new(Path::new("/"), other).find("libc.so.6").is_none());
    }
}
