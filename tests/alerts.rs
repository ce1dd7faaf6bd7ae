//! Alerts of a server, and files for the programs that watch it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::serving::{PREDICT, rows, soon, test_home};

/// Bodies of the requests that a listener gets; it answers 503 at first, then 200.
fn receiver() -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().flatten().enumerate() {
            let body = read_body(&stream);
            let status = if index == 0 { "503 Down" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = (&stream).write_all(answer.as_bytes());
            if let Some(body) = body {
                let _ = sender.send(body);
            }
        }
    });
    (url, bodies)
}

fn read_body(mut stream: &TcpStream) -> Option<Value> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return Some(body);
        }
    }
}

#[test]
fn an_alert_fires_is_told_silenced_and_survives_a_restart() {
    let home = test_home();
    let (url, bodies) = receiver();
    home.write(
        "serve.toml",
        format!(
            "[[model]]\nserve = 'blobs'\n[alerts]\nevery = '1s'\ngroup_wait = '0.1s'\n\
             [[alert]]\nname = 'Asked'\nwhen = {{ kind = 'metric', metric = 'cupola_requests_total', labels = {{ code = '200' }}, above = 2 }}\n\
             [[alert]]\nname = 'Old'\nwhen = {{ kind = 'age', longer_than = '1d' }}\n\
             [[alert]]\nname = 'Drift'\nwhen = {{ kind = 'drift' }}\n\
             [[notify]]\nkind = 'webhook'\nurl = '{url}'\n"
        ),
    );
    let server = home.serve(&["--config", "serve.toml"]);
    assert_eq!(server.get("/v1/alerts").json()["alerts"], json!([]));
    for _ in 0..3 {
        assert_eq!(server.post(PREDICT, rows(), &[]).status, 200);
    }
    let first = bodies.recv_timeout(Duration::from_secs(30)).unwrap();
    let again = bodies.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(first, again);
    assert_eq!((&first["status"], &first["group"]["model"]), (&json!("firing"), &json!("blobs")));
    let status = server.get("/v1/alerts").json();
    assert_eq!(status["alerts"][0]["labels"]["alertname"], "Asked", "{status}");
    assert_eq!(status["rules"].as_array().unwrap().len(), 3);
    let sent = "cupola_notifications_total{receiver=\"webhook\",outcome=\"sent\"} 1";
    soon("the message is counted", || server.get("/metrics").text.contains(sent));
    let silence = json!({ "matchers": [{ "name": "alertname", "value": "Ask*" }], "minutes": 5 });
    let silence = server.post("/v1/alerts/silences", silence.to_string(), &[]).json();
    let wrong = server.post("/v1/alerts/silences", "{\"matchers\": []}", &[]);
    assert_eq!(wrong.status, 400, "{}", wrong.text);
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    let server = home.serve(&["--config", "serve.toml"]);
    let silenced = || server.get("/v1/alerts").json()["silences"][0]["id"] == silence["id"];
    soon("the silence is known again", silenced);
    // The counter of a new process is 0, so the alert has ended; under the silence nobody is told.
    assert!(bodies.recv_timeout(Duration::from_secs(3)).is_err());
}

#[test]
fn invalid_rules_stop_the_start_and_name_the_remedy() {
    let home = test_home();
    let start = |rule: &str| {
        home.write("serve.toml", format!("[[model]]\nserve = 'blobs'\n{rule}"));
        let output = home.run(&["serve", "--config", "serve.toml", "--port", "0", "--device", "flex"]);
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        output.stderr
    };
    let message = start("[[alert]]\nname='a'\nwhen={kind='latency',objective=0.9,within_ms=120}\n");
    assert!(message.contains("use one of 0.25, 0.5"), "{message}");
    let message = start("[[alert]]\nname='a'\nfor='5 minutes'\nwhen={kind='errors',objective=0.9}\n");
    assert!(message.contains("serve.toml:5") && message.contains("for"), "{message}");
    let message = start(
        "[[alert]]\nname='a'\nwhen={kind='errors',objective=0.9}\n[[notify]]\nkind='slack'\nurl='${NO_SUCH_URL}'\n",
    );
    assert!(message.contains("export NO_SUCH_URL"), "{message}");
    let message = start("[[alert]]\nname='a'\nwhen={kind='drift',column='sides'}\n");
    assert!(message.contains("no watched column `sides`") && message.contains("`side`"), "{message}");
}

#[test]
fn files_for_other_programs_are_those_that_are_shipped() {
    let home = crate::support::TestHome::new();
    let files = home.json(&["monitor", "export", "--out", "out"]);
    assert_eq!(files["files"].as_array().unwrap().len(), 4);
    for name in ["cupola.rules.yml", "prometheus.yml", "cupola.dashboard.json", "alertmanager.yml"] {
        let shipped = cupola_testkit::root().join("configs/monitoring").join(name);
        assert_eq!(home.read(&format!("out/{name}")), std::fs::read_to_string(shipped).unwrap(), "{name}");
    }
    let printed = home.run(&["monitor", "export", "--to", "grafana"]);
    assert!(serde_json::from_str::<Value>(&printed.stdout).unwrap()["panels"].is_array());
    let several = home.run(&["monitor", "export"]);
    assert!(several.code == Some(2) && several.stderr.contains("--out"), "{}", several.stderr);
}

#[test]
fn every_metric_of_a_server_has_a_panel() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    server.post(PREDICT, rows(), &[]);
    let dashboard = home.run(&["monitor", "export", "--to", "grafana"]).stdout;
    let metrics = server.get("/metrics").text;
    let names = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for name in names.map(str::to_owned).collect::<Vec<_>>() {
        assert!(dashboard.contains(&name), "{name} has no panel");
    }
}
