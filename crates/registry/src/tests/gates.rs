use std::fs;

use super::*;
use crate::GATE;

fn gated(home: &Home, gate: &[u8], keep_latest: bool) -> Package {
    let files: [(&str, &[u8]); 5] = [
        ("config.json", b"{}"),
        ("metrics.json", b"{}"),
        ("model.safetensors", b"w"),
        ("plan.json", b"{}"),
        (GATE, gate),
    ];
    let signature = json!({});
    let metrics = Map::new();
    publish(
        home,
        &PackageContents { name: "m", files: &files, signature, lineage: lineage(), metrics, keep_latest },
    )
    .unwrap()
}

#[test]
fn no_alias_moves_to_a_version_that_broke_its_gate() {
    let folder = temporary();
    let home = Home::new(folder.path().join("home"));
    let broken = gated(&home, br#"{"passed":false,"conditions":[]}"#, true);
    assert!(!broken.passed_gate().unwrap());
    assert!(Aliases::read(&home, "m").unwrap().is_empty());
    let error = home.package("m").unwrap_err().to_string();
    assert!(error.contains("unknown alias `m@latest`") && error.contains("such as `m:1`"), "{error}");

    let set = |version| Aliases::set(&home, "m", "champion", version, None);
    let error = set(1).unwrap_err();
    assert!(matches!(&error, Error::BrokenGate { package } if package == "m:1"), "{error}");
    assert_eq!(Aliases::force(&home, "m", "champion", 1, Some(None)).unwrap(), None);

    gated(&home, br#"{"passed":true,"conditions":[]}"#, false);
    assert_eq!(home.package("m").unwrap().manifest.version, 2);
    assert_eq!(set(2).unwrap(), Some(1));
    let error = Aliases::roll_back(&home, "m", "champion", false).unwrap_err();
    assert!(matches!(error, Error::BrokenGate { .. }), "{error}");
    assert_eq!(Aliases::read(&home, "m").unwrap()["champion"], 2);
    assert_eq!(Aliases::roll_back(&home, "m", "champion", true).unwrap(), (2, 1));
}

#[test]
fn a_gate_that_was_tampered_with_does_not_pass() {
    let folder = temporary();
    let home = Home::new(folder.path().join("home"));
    let path = gated(&home, br#"{"passed":false}"#, true).path.join(GATE);
    fs::write(&path, br#"{"passed":true}"#).unwrap();
    assert!(Aliases::set(&home, "m", "champion", 1, None).is_err());
    fs::remove_file(&path).unwrap();
    assert!(Aliases::set(&home, "m", "champion", 1, None).is_err());
    // A gate without a verdict is no pass either.
    gated(&home, b"{}", true);
    assert!(Aliases::set(&home, "m", "champion", 2, None).is_err());
}
