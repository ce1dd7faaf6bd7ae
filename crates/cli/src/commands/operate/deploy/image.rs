//! `cupola deploy image`: an OCI image that serves a model.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use cupola_deploy::{
    Error, ImageError, ImageReference, ImageReport, ImageRequest, ImageServe, ProgramFile, write_image,
};
use cupola_registry::{Home, Package};
use cupola_spec::{Serve, parse_serve};
use serde_json::json;

use super::parse_serve_options;
use crate::args::{Command, DeployImageArgs, ServeArgs};
use crate::draw::{ByteProgress, Ui, show_image};
use crate::failure::UserError;

/// Options of `cupola serve` that an image decides.
const DECIDED: [&str; 4] = ["--model", "--config", "--host", "--health"];

pub fn run(home: &Home, ui: Ui, args: &DeployImageArgs) -> Result<()> {
    let began = Instant::now();
    let request = request(home, args)?;
    let progress = ByteProgress::new(ui, "packing");
    let report = write_image(&request, &|bytes| progress.advance(bytes));
    progress.end();
    let report = report.map_err(Error::from)?;
    let seconds = began.elapsed().as_secs_f64();
    let next = next(&report);
    show_image(ui, &report, seconds, &next);
    let mut value = serde_json::to_value(&report)?;
    let models: Vec<String> = request.serve.packages().iter().map(Package::label).collect();
    value["models"] = json!(models);
    value["seconds"] = json!(seconds);
    value["next"] = json!(next);
    ui.result(&value)
}

fn request(home: &Home, args: &DeployImageArgs) -> Result<ImageRequest> {
    let config = args.config.as_deref().map(config).transpose()?;
    let port = port(&args.options)?;
    let serve = ImageServe::open(home, &args.models, config).map_err(Error::from)?;
    let serve = serve.with_options(args.options.clone(), port);
    let reference = match (&args.tag, serve.packages().first()) {
        (Some(tag), _) => ImageReference::parse(tag).map_err(Error::from)?,
        (None, Some(package)) => ImageReference::of_package(&package.manifest),
        (None, None) => return Err(Error::from(ImageError::Empty).into()),
    };
    let format = args.format.format();
    let path = format.path(args.out.as_deref(), &reference).map_err(Error::from)?;
    Ok(ImageRequest {
        serve,
        program: program(args)?,
        reference,
        path,
        format,
        compression: args.compression.compression(),
        cache: Some(home.root().join("data").join("cache").join("images")),
    })
}

fn config(path: &Path) -> Result<Serve> {
    let text = std::fs::read_to_string(path).map_err(|error| UserError::config(path, &error))?;
    Ok(parse_serve(&path.to_string_lossy(), &text)?)
}

fn program(args: &DeployImageArgs) -> Result<ProgramFile> {
    let own = std::env::current_exe();
    let path: PathBuf = match &args.binary {
        Some(path) => path.clone(),
        None => own.as_ref().map_err(|error| UserError::new(error.to_string(), "give --binary"))?.clone(),
    };
    let is_own = own.is_ok_and(|own| own == path);
    Ok(ProgramFile { path, sysroot: args.sysroot.clone(), is_own })
}

/// Port of the options for the server, if they name one. Mistakes show up here and not in a container.
fn port(options: &[String]) -> Result<Option<u16>> {
    let name = |option: &String| option.split('=').next().unwrap_or_default().to_owned();
    if let Some(decided) = options.iter().map(name).find(|name| DECIDED.contains(&name.as_str())) {
        let hint = "give --model and --config before --, and --binary or ports when the container is started";
        return Err(UserError::new(format!("the image decides `{decided}` of cupola serve"), hint).into());
    }
    let Command::Serve(ServeArgs { port, .. }) = parse_serve_options(options)? else { return Ok(None) };
    Ok(options.iter().any(|option| name(option) == "--port").then_some(port))
}

/// Commands that load the image.
fn next(report: &ImageReport) -> Vec<String> {
    let (file, image) = (cupola_deploy::shell_word(&report.file.to_string_lossy()), &report.image);
    let tag = image.rsplit(':').next().unwrap_or_default();
    let run = format!("docker run --read-only -p 8080:8080 {image}");
    match report.format {
        cupola_deploy::ImageFormat::Oci => {
            vec![format!("skopeo copy oci:{file}:{tag} docker://REGISTRY/{image}")]
        }
        _ => vec![format!("docker load --input {file}"), run],
    }
}
