use std::fs;

use cupola_store::{DatasetVersion, Error as StoreError};
use cupola_testkit::temporary;
use serde_json::{Map, json};

use super::*;

mod gates;
mod history;
mod index;
mod kills;
mod machine;
mod remote;
mod trust;

fn lineage() -> Lineage {
    Lineage {
        run: "run-1".into(),
        dataset_version: "d".into(),
        config_sha256: "c".into(),
        code_version: "0".into(),
        parent: None,
    }
}

fn seal(home: &Home, name: &str, weights: &[u8]) -> Package {
    let files: [(&str, &[u8]); 4] = [
        ("config.json", b"{}"),
        ("metrics.json", b"{}"),
        ("model.safetensors", weights),
        ("plan.json", b"{}"),
    ];
    let signature = json!({});
    publish(
        home,
        &PackageContents {
            name,
            files: &files,
            signature,
            lineage: lineage(),
            metrics: Map::new(),
            keep_latest: false,
        },
    )
    .unwrap()
}

#[test]
fn a_package_is_found_by_name_alias_version_and_folder() {
    let folder = temporary();
    let home = Home::new(folder.path().join("home"));
    let first = seal(&home, "m", b"one");
    seal(&home, "m", b"two");
    let version = |text: &str| home.package(text).map(|p| p.manifest.version);
    assert_eq!(version("m").unwrap(), 2);
    assert_eq!(version("m:1").unwrap(), 1);
    assert_eq!(version("m@latest").unwrap(), 2);
    assert_eq!(version(&first.path.to_string_lossy()).unwrap(), 1);
    assert!(version("n").unwrap_err().to_string().contains("model `n`"));
    assert!(version("m:9").unwrap_err().to_string().contains("version `m:9`"));
    let error = version("m@latst").unwrap_err().to_string();
    assert!(error.contains("(did you mean `latest`?)"), "{error}");
    for wrong in ["", "m:x", "m@", "a b", "m@a/b:1 "] {
        assert!(home.package(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_changed_file_is_named() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let package = seal(&home, "m", b"weights");
    fs::write(package.path.join("model.safetensors"), b"Weights").unwrap();
    let error = package.verify().unwrap_err();
    assert!(
        matches!(&error, Error::Store(StoreError::Digest { path, .. }) if path.ends_with("model.safetensors")),
        "{error}"
    );
    fs::remove_file(package.path.join("plan.json")).unwrap();
    assert!(package.read("plan.json").is_err());
}

#[test]
fn files_that_were_checked_are_not_checked_again() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let package = seal(&home, "m", b"weights");
    let weights = package.path.join("model.safetensors");
    package.open_file("model.safetensors").unwrap();
    package.read("plan.json").unwrap();
    // Another file takes the place of the one that is open.
    fs::remove_file(&weights).unwrap();
    fs::write(&weights, b"Weights").unwrap();
    package.verify_rest().unwrap();
    let mut bytes = [0; 7];
    package.clone().open_file("model.safetensors").unwrap().read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"weights");
    // A read has always its own check, and so has a package that is opened anew.
    assert!(package.read("model.safetensors").is_err() && package.verify().is_err());
    assert!(Package::open(&package.path).unwrap().verify_rest().is_err());
    // Files that no reader has touched are still checked.
    fs::write(package.path.join("metrics.json"), b"changed").unwrap();
    let error = package.verify_rest().unwrap_err();
    assert!(error.to_string().contains("metrics.json"), "{error}");
}

#[test]
fn hostile_manifests_are_refused() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let package = seal(&home, "m", b"weights");
    let path = package.path.join("manifest.json");
    let good: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut cases = vec![b"".to_vec(), b"{".to_vec(), b"[]".to_vec(), vec![b' '; 70 << 20]];
    for name in ["../../etc/passwd", "/etc/passwd", "a/b", ".hidden", "", "a\\b", "a\0b"] {
        let mut value = good.clone();
        value["files"][name] = json!("00");
        cases.push(serde_json::to_vec(&value).unwrap());
    }
    for (key, value) in [("format_version", json!(2)), ("name", json!("../m")), ("files", json!({}))] {
        let mut changed = good.clone();
        changed[key] = value;
        cases.push(serde_json::to_vec(&changed).unwrap());
    }
    for bytes in cases {
        fs::write(&path, &bytes).unwrap();
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert!(
            matches!(Package::open(&package.path), Err(Error::Store(StoreError::Damaged { .. }))),
            "{start}"
        );
    }
}

#[test]
fn a_link_out_of_the_package_is_not_followed() {
    let folder = temporary();
    let home = Home::new(folder.path().join("home"));
    let package = seal(&home, "m", b"secret");
    let outside = folder.path().join("outside");
    fs::write(&outside, b"secret").unwrap();
    let path = package.path.join("model.safetensors");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    assert!(matches!(package.read("model.safetensors"), Err(Error::Store(StoreError::Damaged { .. }))));
    assert!(matches!(package.open_file("model.safetensors"), Err(Error::Store(StoreError::Damaged { .. }))));
}

#[test]
fn a_file_is_read_in_parts_as_at_once() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let package = seal(&home, "m", b"weights");
    let file = package.open_file("model.safetensors").unwrap();
    let mut part = [0; 4];
    file.read_exact_at(&mut part, 3).unwrap();
    assert_eq!((file.length(), &part), (7, b"ghts"));
    let missing = [package.read("other").unwrap_err(), package.open_file("other").unwrap_err()];
    assert!(missing.iter().all(|error| error.to_string().contains("`other` is missing")));
    fs::write(package.path.join("model.safetensors"), b"Weights").unwrap();
    let changed =
        [package.read("model.safetensors").unwrap_err(), package.open_file("model.safetensors").unwrap_err()];
    assert_eq!(changed[0].to_string(), changed[1].to_string());
    assert!(matches!(changed[1], Error::Store(StoreError::Digest { .. })));
}

fn record(name: &str) -> RunRecord {
    RunRecord {
        id: String::new(),
        name: name.into(),
        status: Status::Running,
        created: now(),
        updated: now(),
        config_sha256: sha256_hex(b"x"),
        dataset: RunDataset {
            source: DatasetVersion { sha256: "d".into(), ..DatasetVersion::default() },
            test: None,
        },
        device: "flex".into(),
        code_version: "0".into(),
        package: None,
        seconds: None,
        valid: None,
        metrics: Map::new(),
    }
}

#[test]
fn a_record_keeps_the_keys_of_its_dataset() {
    let source = json!({
        "sha256": "d", "source": ["a.csv"], "query": null, "rows": 3, "schema": [["x", "Int64"]],
        "files": [{"name": "a.csv", "bytes": 7, "sha256": "f"}], "datasets": ["points:1"],
    });
    let mut both = source.clone();
    both["test"] = source;
    for written in [both, json!({"sha256": "d"})] {
        let dataset: RunDataset = serde_json::from_value(written.clone()).unwrap();
        let again = serde_json::to_value(&dataset).unwrap();
        for (key, value) in written.as_object().unwrap() {
            assert_eq!(&again[key], value, "{key}");
        }
    }
}

#[test]
fn no_manifest_breaks_its_reader() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let path = seal(&home, "m", b"one").path;
    let manifest = fs::read(path.join("manifest.json")).unwrap();
    cupola_testkit::fuzz(&[&manifest, b"{\"format_version\": 1}"], |bytes| {
        fs::write(path.join("manifest.json"), bytes).unwrap();
        let _ = Package::open(&path).map(|package| package.verify());
    });
}
