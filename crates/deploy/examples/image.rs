//! Writes an image of a given program and a model of a home, and prints its report:
//! `cargo run -p cupola-deploy --example image -- PROGRAM HOME MODEL FILE [oci|docker-archive]`.

use std::process::ExitCode;

use cupola_deploy::{ImageFormat, ImageReference, ImageRequest, ImageServe, ProgramFile, write_image};
use cupola_registry::Home;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [program, home, model, path, rest @ ..] = words.as_slice() else {
        return ExitCode::from(2);
    };
    let format = match rest.first().map(String::as_str) {
        Some("oci") => ImageFormat::Oci,
        Some("docker-archive") => ImageFormat::DockerArchive,
        _ => ImageFormat::OciArchive,
    };
    let home = Home::new(home.into());
    let written = ImageServe::open(&home, std::slice::from_ref(model), None).and_then(|serve| {
        let request = ImageRequest {
            reference: ImageReference::of_package(&serve.packages()[0].manifest),
            serve,
            program: ProgramFile { path: program.into(), sysroot: "/".into(), is_own: true },
            path: path.into(),
            format,
            cache: Some(home.root().join("data/cache/images")),
        };
        let begin = std::time::Instant::now();
        write_image(&request, &drop).map(|report| (report, begin.elapsed().as_secs_f64()))
    });
    let text = written.map_err(|error| error.to_string()).and_then(|(report, seconds)| {
        let value = serde_json::json!({ "image": report, "seconds": seconds });
        serde_json::to_string_pretty(&value).map_err(|error| error.to_string())
    });
    use std::io::Write as _;
    match text {
        Ok(text) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}
