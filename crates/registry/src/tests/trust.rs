//! Packages in the place of others, and signatures.

use std::fs;
use std::path::Path;

use cupola_testkit::temporary;

use super::{Aliases, Error, Home, Package, seal};

/// Copies a package over the folder of another one.
fn copy_over(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_package_stands_for_no_other_name_or_version() {
    let folder = temporary();
    let home = Home::new(folder.path().join("home"));
    let (old, new) = (seal(&home, "m", b"old"), seal(&home, "m", b"new"));
    let other = seal(&home, "n", b"other");
    Aliases::set(&home, "m", "champion", 2, None).unwrap();
    // An older version under a newer number, by every reference that leads there.
    copy_over(&old.path, &new.path);
    let place = new.path.to_string_lossy().into_owned();
    for reference in ["m", "m:2", "m@latest", "m@champion", place.as_str()] {
        let error = home.package(reference).unwrap_err().to_string();
        assert!(error.contains("holds `m:1`, expected `m:2`"), "{reference}: {error}");
    }
    assert_eq!(home.package("m:1").unwrap().manifest.version, 1);
    // Another model.
    copy_over(&other.path, &old.path);
    let error = home.package("m:1").unwrap_err().to_string();
    assert!(error.contains("holds `n:1`, expected `m:1`"), "{error}");
    // Outside of the home a package may lie anywhere.
    let elsewhere = folder.path().join("shop/9");
    copy_over(&other.path, &elsewhere);
    assert_eq!(home.package(&elsewhere.to_string_lossy()).unwrap().label(), "n:1");
    // Links lead to a place, too.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&new.path, &link).unwrap();
    assert!(matches!(home.package(&link.to_string_lossy()), Err(Error::Misplaced { .. })));
}

#[test]
fn a_signed_package_has_nothing_that_the_signature_does_not_cover() {
    let folder = temporary();
    let package = folder.path().join("m");
    let signer = [include_str!("../golden/signer.pub").trim().to_owned()];
    let fresh = || {
        let _ = fs::remove_dir_all(&package);
        fs::create_dir(&package).unwrap();
        fs::write(package.join("manifest.json"), include_str!("../golden/manifest.json")).unwrap();
        fs::write(package.join("manifest.json.minisig"), include_str!("../golden/manifest.json.minisig"))
            .unwrap();
        for name in ["config.json", "metrics.json", "model.safetensors", "plan.json"] {
            fs::write(package.join(name), "").unwrap();
        }
    };
    let verified = || {
        let opened = Package::open(&package)?;
        opened.verify_signature(&signer).and_then(|()| opened.verify())
    };
    fresh();
    verified().unwrap();
    for extra in ["extra.json", ".hidden", "manifest.json.minisig.old"] {
        fresh();
        fs::write(package.join(extra), "x").unwrap();
        let error = verified().unwrap_err().to_string();
        assert!(error.contains(extra) && error.contains("does not list this file"), "{error}");
    }
    fresh();
    fs::create_dir(package.join("more")).unwrap();
    assert!(matches!(verified(), Err(Error::Unlisted { .. })));
    fresh();
    fs::remove_file(package.join("plan.json")).unwrap();
    assert!(verified().unwrap_err().to_string().contains("plan.json"));
    fresh();
    fs::write(package.join("plan.json"), "{}").unwrap();
    assert!(verified().unwrap_err().to_string().contains("SHA-256"));
    // Links to files with the right bytes.
    for name in ["plan.json", "manifest.json", "manifest.json.minisig"] {
        fresh();
        fs::rename(package.join(name), folder.path().join(name)).unwrap();
        std::os::unix::fs::symlink(folder.path().join(name), package.join(name)).unwrap();
        let error = verified().unwrap_err().to_string();
        assert!(error.contains("expected a regular file"), "{name}: {error}");
    }
    fresh();
    let unnamed = include_str!("../golden/manifest.json").replace("\"name\": \"m\", ", "");
    fs::write(package.join("manifest.json"), unnamed).unwrap();
    let error = verified().unwrap_err().to_string();
    assert!(error.contains("no signature covers them") && error.contains("minisign -Sm"), "{error}");
}

#[test]
fn a_signature_of_minisign_is_one_of_the_signer_and_of_these_bytes() {
    let folder = temporary();
    let (manifest, signature) =
        (include_str!("../golden/manifest.json"), include_str!("../golden/manifest.json.minisig"));
    let [signer, stranger] = [include_str!("../golden/signer.pub"), include_str!("../golden/stranger.pub")]
        .map(|key| key.trim().to_owned());
    let path = folder.path().join("manifest.json");
    fs::write(&path, manifest).unwrap();
    let package = Package::open(folder.path()).unwrap();
    let trusted = [stranger.clone(), signer.clone()];
    assert!(package.verify_signature(&trusted).unwrap_err().to_string().contains("there is no signature"));
    fs::write(folder.path().join("manifest.json.minisig"), signature).unwrap();
    package.verify_signature(&trusted).unwrap();
    assert!(package.verify_signature(&[stranger]).is_err());
    assert!(
        package
            .verify_signature(&["rubbish".to_owned()])
            .unwrap_err()
            .to_string()
            .contains("invalid minisign public key")
    );
    // Other bytes, and a manifest that changed after it was opened.
    fs::write(&path, manifest.replace("\"r\"", "\"s\"")).unwrap();
    assert!(package.verify_signature(&trusted).is_err());
    assert!(Package::open(folder.path()).unwrap().verify_signature(&trusted).is_err());
    fs::write(&path, manifest).unwrap();
    let mut other = package;
    other.manifest.version = 2;
    assert!(other.verify_signature(&trusted).is_err());
    cupola_testkit::fuzz(&[signature.as_bytes()], |bytes| {
        fs::write(folder.path().join("manifest.json.minisig"), bytes).unwrap();
        let _ = Package::open(folder.path()).map(|package| package.verify_signature(&trusted));
    });
}
