//! systemd: a service unit with as few rights as a server needs.

use std::fmt::Write as _;

use super::host::program;
use crate::manifest::deployment::{GRACE, ModelDeployment, ServerPlaces};
use crate::manifest::error::ManifestError;
use crate::manifest::output::ManifestFile;
use crate::manifest::resources::ServerResources;

/// Folder of the packages on a host, which every user may read.
const MODELS: &str = "/usr/local/share/cupola/models";
/// Rights that a server does without. Vulkan drivers map memory that is writable and executable, so that a server with a GPU
/// lacks two of them.
const SANDBOX: [(&str, &str); 27] = [
    ("DynamicUser", "yes"),
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("AmbientCapabilities", ""),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateUsers", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectProc", "invisible"),
    ("ProcSubset", "all"),
    ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("RemoveIPC", "yes"),
    ("LockPersonality", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged @resources"),
    // A refused call is an error that the program handles, and not its end.
    ("SystemCallErrorNumber", "EPERM"),
    ("UMask", "0077"),
];

/// Files of the target.
pub(super) fn unit(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    let name = &deployment.name;
    let program = program(deployment)?;
    let places = ServerPlaces {
        home: &format!("%S/cupola/{name}"),
        model: &model_folder(deployment),
        keys: deployment.options.keys.as_ref().map(|_| "%d/keys.json"),
        config: None,
        // Without keys only this host, such as a proxy on it, may ask.
        host: if deployment.options.keys.is_some() { "0.0.0.0" } else { "127.0.0.1" },
        admin: true,
    };
    let command: Vec<String> = deployment.arguments(&places).iter().map(|word| quoted(word)).collect();
    let mut unit = Unit::default();
    unit.section("Unit");
    unit.add("Description", &format!("Cupola serves {}", deployment.label()));
    unit.add("After", "network-online.target");
    unit.add("Wants", "network-online.target");
    unit.add("StartLimitIntervalSec", "300");
    unit.add("StartLimitBurst", "5");
    unit.section("Service");
    unit.add("Type", "exec");
    unit.add("ExecStart", &format!("{program} {}", command.join(" ")));
    if let Some(keys) = &deployment.options.keys {
        unit.add("LoadCredential", &format!("keys.json:{keys}"));
    }
    unit.add("StateDirectory", &format!("cupola/{name}"));
    unit.add("StateDirectoryMode", "0700");
    unit.add("Restart", "on-failure");
    unit.add("RestartSec", "2");
    // A mistake in the command or the package is not mended by a restart.
    unit.add("RestartPreventExitStatus", "2");
    unit.add("TimeoutStopSec", &GRACE.to_string());
    unit.add("Environment", &format!("RAYON_NUM_THREADS={}", deployment.resources.threads()));
    limits(&mut unit, &deployment.resources);
    unit.section("");
    for (key, value) in SANDBOX {
        unit.add(key, value);
    }
    if deployment.resources.gpus == 0 {
        unit.add("PrivateDevices", "yes");
        unit.add("DevicePolicy", "closed");
        unit.add("MemoryDenyWriteExecute", "yes");
    }
    if deployment.options.keys.is_none() {
        unit.add("IPAddressDeny", "any");
        unit.add("IPAddressAllow", "localhost");
    }
    unit.section("Install");
    unit.add("WantedBy", "multi-user.target");
    Ok(vec![ManifestFile::text(format!("{name}.service"), unit.text)])
}

/// Folder of the package on the host.
pub(super) fn model_folder(deployment: &ModelDeployment) -> String {
    format!("{MODELS}/{}/{}", deployment.package.model, deployment.package.version)
}

fn limits(unit: &mut Unit, resources: &ServerResources) {
    unit.add("MemoryMax", &format!("{}M", resources.memory_mib));
    unit.add("CPUQuota", &format!("{}%", resources.cpu_milli.div_ceil(10)));
    unit.add("TasksMax", "512");
    unit.add("LimitNOFILE", "65536");
}

/// Text of a unit file.
#[derive(Debug, Default)]
struct Unit {
    text: String,
}

impl Unit {
    /// Begins a section, or a paragraph of the same one.
    fn section(&mut self, name: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        if !name.is_empty() {
            let _ = writeln!(self.text, "[{name}]");
        }
    }

    fn add(&mut self, key: &str, value: &str) {
        // Writing into a text does not fail.
        let _ = writeln!(self.text, "{key}={value}");
    }
}

/// Word of `ExecStart`: in double quotes where systemd would split it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$"))
}
