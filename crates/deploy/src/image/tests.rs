//! Whole images, of the program of these tests.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use cupola_registry::{Home, Lineage, PackageContents, publish};
use cupola_store::sha256_hex;
use cupola_testkit::names;
use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value, json};

use super::documents::{OciConfig, OciIndex, OciManifest};
use super::*;

/// Home with versions 1 and 2 of `Digits`.
fn home(folder: &Path) -> Home {
    let home = Home::new(folder.join("home"));
    for weights in [b"one".as_slice(), b"two"] {
        let files: [(&str, &[u8]); 4] = [
            ("model.safetensors", weights),
            ("config.json", b"{}"),
            ("plan.json", b"{}"),
            ("metrics.json", b"{}"),
        ];
        let lineage = Lineage {
            run: "digits-1".to_owned(),
            dataset_version: sha256_hex(b"data"),
            config_sha256: sha256_hex(b"config"),
            code_version: "0.1.0".to_owned(),
            parent: None,
        };
        let contents = PackageContents {
            name: "Digits",
            files: &files,
            signature: json!({}),
            lineage,
            metrics: Map::new(),
            keep_latest: false,
        };
        publish(&home, &contents).unwrap();
    }
    home
}

fn request(home: &Home, models: &[&str], path: PathBuf, format: ImageFormat) -> ImageRequest {
    let models: Vec<String> = models.iter().map(|&model| model.to_owned()).collect();
    let serve = ImageServe::open(home, &models, None).unwrap();
    ImageRequest {
        reference: ImageReference::of_package(&serve.packages()[0].manifest),
        serve,
        program: ProgramFile { path: std::env::current_exe().unwrap(), sysroot: "/".into(), is_own: true },
        path,
        format,
        compression: ImageCompression::Gzip,
        cache: Some(home.root().join("data/cache/images")),
    }
}

fn files_of_tar(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let (path, mut content) = (entry.path().unwrap().to_string_lossy().into_owned(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        (path, content)
    });
    entries.collect()
}

/// Files of all layers of an image, whose digests are checked on the way.
fn unpack(image: &BTreeMap<String, Vec<u8>>) -> (OciConfig, Vec<BTreeMap<String, Vec<u8>>>) {
    let blob = |digest: &str| {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let bytes = &image[&format!("blobs/sha256/{hex}")];
        assert_eq!(sha256_hex(bytes), hex);
        bytes
    };
    let index: OciIndex = serde_json::from_slice(&image["index.json"]).unwrap();
    let manifest: OciManifest = serde_json::from_slice(blob(&index.manifests[0].digest)).unwrap();
    let config: OciConfig = serde_json::from_slice(blob(&manifest.config.digest)).unwrap();
    let layers = manifest.layers.iter().zip(&config.rootfs.diff_ids).map(|(layer, diff_id)| {
        assert_eq!(blob(&layer.digest).len() as u64, layer.size);
        let mut archive = Vec::new();
        let bytes = blob(&layer.digest).as_slice();
        if layer.media_type.ends_with("+zstd") {
            zstd::Decoder::new(bytes).unwrap().read_to_end(&mut archive).unwrap();
        } else {
            MultiGzDecoder::new(bytes).read_to_end(&mut archive).unwrap();
        }
        assert_eq!(&format!("sha256:{}", sha256_hex(&archive)), diff_id);
        files_of_tar(&archive)
    });
    let layers = layers.collect();
    (config, layers)
}

#[test]
fn an_image_has_the_program_its_libraries_and_the_package() {
    let folder = cupola_testkit::temporary();
    let home = home(folder.path());
    let path = folder.path().join("digits.tar");
    let report = write_image(&request(&home, &["Digits"], path.clone(), ImageFormat::OciArchive), &drop);
    let report = report.unwrap();
    assert_eq!((report.image.as_str(), report.layers.len()), ("digits:2", 3));
    assert_eq!(report.bytes, fs::metadata(&path).unwrap().len());
    let image = files_of_tar(&fs::read(&path).unwrap());
    let (config, layers) = unpack(&image);
    assert_eq!(config.config.user, "65532:65532");
    let command = config.config.entrypoint.join(" ");
    let expected = "/usr/bin/cupola serve --host 0.0.0.0 --port 8080 --open --model /models/Digits/2";
    assert_eq!(command, expected);
    assert!(layers[0].keys().any(|path| path.ends_with("/libc.so.6")), "{:?}", layers[0].keys());
    assert_eq!(layers[1]["usr/bin/cupola"], fs::read(std::env::current_exe().unwrap()).unwrap());
    assert_eq!(layers[2]["models/Digits/2/model.safetensors"], b"two");
    let sbom: Value = serde_json::from_slice(&layers[1]["usr/share/cupola/sbom.cdx.json"]).unwrap();
    assert_eq!(sbom["bomFormat"], "CycloneDX");
    let statement = &layers[2]["usr/share/cupola/provenance/Digits-2.json"];
    let statement: Value = serde_json::from_slice(statement).unwrap();
    let inputs = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    assert_eq!(inputs[0]["digest"]["sha256"], sha256_hex(b"data"));
    let docker: Value = serde_json::from_slice(&image["manifest.json"]).unwrap();
    assert_eq!(docker[0]["RepoTags"], json!(["digits:2"]));
    assert!(image.contains_key(docker[0]["Config"].as_str().unwrap()));
}

#[test]
fn equal_inputs_have_equal_digests_with_and_without_the_cache() {
    let folder = cupola_testkit::temporary();
    let home = home(folder.path());
    let write = |name: &str, cache: bool| {
        let path = folder.path().join(name);
        let mut request = request(&home, &["Digits"], path.clone(), ImageFormat::OciArchive);
        request.cache = request.cache.filter(|_| cache);
        let report = write_image(&request, &drop).unwrap();
        (report, sha256_hex(&fs::read(path).unwrap()))
    };
    let (first, second, third) = (write("a", true), write("b", true), write("c", false));
    assert!(!first.0.layers[1].cached && second.0.layers[1].cached && !third.0.layers[1].cached);
    assert!(first.1 == second.1 && second.1 == third.1);
    // Another version shares the layers of base and program.
    let path = folder.path().join("d");
    let other = request(&home, &["Digits:1"], path, ImageFormat::OciArchive);
    let other = write_image(&other, &drop).unwrap();
    assert_eq!(other.layers[0].digest, first.0.layers[0].digest);
    assert_eq!(other.layers[1].digest, first.0.layers[1].digest);
    assert_ne!((other.digest, &other.layers[2].digest), (first.0.digest, &first.0.layers[2].digest));
}

#[test]
fn an_image_is_added_to_a_layout_and_to_no_other_folder() {
    let folder = cupola_testkit::temporary();
    let home = home(folder.path());
    let path = folder.path().join("layout");
    for model in ["Digits:1", "Digits:2", "Digits:1"] {
        write_image(&request(&home, &[model], path.clone(), ImageFormat::Oci), &drop).unwrap();
    }
    assert_eq!(names(&path), [".lock", "blobs", "index.json", "oci-layout"]);
    // Base and program once; config, manifest and model of each image.
    assert_eq!(names(&path.join("blobs/sha256")).len(), 8);
    let index: OciIndex = serde_json::from_slice(&fs::read(path.join("index.json")).unwrap()).unwrap();
    let tags =
        index.manifests.iter().map(|entry| entry.annotations["org.opencontainers.image.ref.name"].as_str());
    assert_eq!(tags.collect::<Vec<_>>(), ["2", "1"]);
    let reference = ImageReference::parse("digits:1").unwrap();
    let path = |format: ImageFormat, out: &Path| format.path(Some(out), &reference);
    assert!(matches!(path(ImageFormat::Oci, home.root()), Err(ImageError::Occupied { .. })));
    assert_eq!(path(ImageFormat::OciArchive, home.root()).unwrap(), home.root().join("digits-1.tar"));
    assert!(matches!(
        path(ImageFormat::OciArchive, Path::new("/dev/null")),
        Err(ImageError::Occupied { .. })
    ));
}

#[test]
fn zstd_has_the_same_content_and_is_refused_where_it_is_not_read() {
    let folder = cupola_testkit::temporary();
    let home = home(folder.path());
    let write = |compression: ImageCompression, name: &str| {
        let path = folder.path().join(name);
        let request = request(&home, &["Digits"], path.clone(), ImageFormat::OciArchive);
        let report = write_image(&ImageRequest { compression, ..request }, &drop).unwrap();
        (report, unpack(&files_of_tar(&fs::read(path).unwrap())))
    };
    let (gzip, zstd) = (write(ImageCompression::Gzip, "gzip"), write(ImageCompression::Zstd, "zstd"));
    assert!(gzip.1.1 == zstd.1.1 && gzip.1.0.rootfs == zstd.1.0.rootfs);
    assert!(zstd.0.bytes < gzip.0.bytes);
    // Each finds its own layer again.
    for (compression, first) in [(ImageCompression::Zstd, zstd), (ImageCompression::Gzip, gzip)] {
        let (again, _) = write(compression, "again");
        assert!(again.layers[1].cached && again.digest == first.0.digest);
    }
    let path = folder.path().join("docker");
    let docker = request(&home, &["Digits"], path.clone(), ImageFormat::DockerArchive);
    let docker = ImageRequest { compression: ImageCompression::Zstd, ..docker };
    let error = write_image(&docker, &drop).unwrap_err();
    assert!(error.is_user_error() && error.to_string().contains("--compression gzip"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_symbolic_link_stays_and_its_target_is_written() {
    let folder = cupola_testkit::temporary();
    let home = home(folder.path());
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    let link = |target: &str, name: &str| {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(target, &link).unwrap();
        link
    };
    let write =
        |path: &Path, format| write_image(&request(&home, &["Digits"], path.to_owned(), format), &drop);
    fs::write(other.join("old.tar"), "old").unwrap();
    // To a file, to a link, and to nothing yet.
    for (path, target) in [
        (link("other/old.tar", "first"), "old.tar"),
        (link("first", "second"), "old.tar"),
        (link("other/new.tar", "third"), "new.tar"),
    ] {
        let report = write(&path, ImageFormat::OciArchive).unwrap();
        assert!(path.is_symlink() && report.file == path);
        assert_eq!(fs::metadata(other.join(target)).unwrap().len(), report.bytes);
    }
    let layout = link("other/layout", "fourth");
    write(&layout, ImageFormat::Oci).unwrap();
    assert!(layout.is_symlink() && other.join("layout/oci-layout").is_file());
    let endless = link("fifth", "fifth");
    let error = write(&endless, ImageFormat::OciArchive).unwrap_err();
    assert!(error.is_user_error() && error.to_string().contains("too many symbolic links"), "{error}");
}

#[test]
fn a_config_names_folders_of_the_image() {
    let folder = cupola_testkit::temporary();
    let home = home(folder.path());
    let text = "strict = true\nhosts = ['models.example.org']\n[[model]]\nserve = 'Digits@latest'\n\
                canary = { serve = 'Digits:1', weight = 0.1 }\n[log]\nshare = 0.5\n[monitor]\nwindows = 3\n\
                [[alert]]\nname = 'Drift'\nwhen = { kind = 'drift' }\nfor = '90m'\n";
    let config = cupola_spec::parse_serve("serve.toml", text).unwrap();
    let serve = ImageServe::open(&home, &[], Some(config.clone())).unwrap();
    assert_eq!(serve.packages().len(), 2);
    let mut request = request(&home, &["Digits"], folder.path().join("a.tar"), ImageFormat::OciArchive);
    request.serve = serve.with_options(vec!["--queue".to_owned(), "9".to_owned()], Some(9000));
    write_image(&request, &drop).unwrap();
    let (image, layers) = unpack(&files_of_tar(&fs::read(folder.path().join("a.tar")).unwrap()));
    assert!(image.config.entrypoint.ends_with(&["--queue".to_owned(), "9".to_owned()]));
    assert!(image.config.exposed_ports.contains_key("9000/tcp"));
    let text = String::from_utf8(layers[2]["etc/cupola/serve.toml"].clone()).unwrap();
    let packed = cupola_spec::parse_serve("serve.toml", &text).unwrap();
    let mut expected = config.clone();
    expected.models[0].serve = "/models/Digits/2".to_owned();
    expected.models[0].canary.as_mut().unwrap().serve = "/models/Digits/1".to_owned();
    assert_eq!(packed, expected);
    assert_eq!(layers.len(), 5);
    // The same name twice.
    let again = ImageServe::open(&home, &["Digits:1".to_owned()], Some(config));
    assert!(matches!(again, Err(ImageError::Duplicate { .. })));
    assert!(matches!(ImageServe::open(&home, &[], None), Err(ImageError::Empty)));
}

#[test]
fn a_failure_leaves_the_image_before_and_nothing_else() {
    let folder = cupola_testkit::temporary();
    let home = home(folder.path());
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let path = out.join("digits.tar");
    let whole = request(&home, &["Digits"], path.clone(), ImageFormat::OciArchive);
    let digest = write_image(&whole, &drop).unwrap().digest;
    let before = fs::read(&path).unwrap();
    let program = |path: PathBuf| ProgramFile { path, sysroot: "/".into(), is_own: false };
    let script = folder.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    for path in [script, folder.path().join("none")] {
        let request = ImageRequest { program: program(path), ..whole.clone() };
        let error = write_image(&request, &drop).unwrap_err();
        assert!(error.is_user_error(), "{error}");
    }
    fs::write(home.models().join("Digits/2/model.safetensors"), b"tw0").unwrap();
    assert!(matches!(write_image(&whole, &drop), Err(ImageError::Store(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names(&out), ["digits.tar"]);
    assert!(digest.starts_with("sha256:"));
}
