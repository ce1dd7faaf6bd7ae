use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::serving::soon;
use crate::support::{Server, TestHome, signal};
use crate::watch::{CONFIG, PASS, alias, journal, rows, states, turn};

/// Config whose champion is compared by the metrics of a server. Times are not judged: the machine of the tests is busy.
fn home(url: &str, live: &str, on: &str) -> TestHome {
    let home = TestHome::new();
    let watch = format!(
        "[watch]\nrecent = \"recent.csv\"\ncooldown = \"0s\"\nrollback.within = \"24h\"\nrollback.rows = 50\n\
         [watch.live]\nurl = \"{url}\"\nrequests = 20\nlatency = 10000.0\n{live}[watch.on]\n{on}\n"
    );
    home.write("run.toml", format!("{CONFIG}{watch}"));
    home.write("rows.csv", rows(300, 0, false));
    home.write("recent.csv", rows(120, 5000, false));
    home
}

#[track_caller]
fn pass(home: &TestHome, url: &str) -> Value {
    let set = format!("watch.live.url=\"{url}\"");
    home.json(&[&PASS[..], &["--set", &set]].concat())
}

fn serve(home: &TestHome, more: &str) -> Server {
    let config =
        format!("[[model]]\nserve = 'shop@production'\n{more}[monitor.performance_log]\nseconds = 1\n");
    home.write("serve.toml", config);
    home.serve(&["--config", "serve.toml"])
}

/// Sends predictions, and then their targets: those of the world as it is, or as it was before it turned.
fn use_it(server: &Server, name: &str, count: usize, turned: bool) {
    for at in 0..count {
        let x = (at * 37 % 100) as f64 / 100.0;
        let id = format!("{name}-{at}");
        let body = json!({ "rows": [{ "x": x, "z": 0.5 }] }).to_string();
        let answer = server.post("/v1/models/shop/predict", body, &[("x-request-id", &id)]);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let class = if (x > 0.5) == turned { "no" } else { "yes" };
        let body = json!({ "rows": [{ "request_id": id, "y": class }] }).to_string();
        assert_eq!(server.post("/v1/models/shop/feedback", body, &[]).status, 200);
    }
}

fn served(server: &Server) -> Value {
    server.get("/v1/models/shop").json()
}

fn moves(home: &TestHome) -> usize {
    let moves: Vec<Value> = serde_json::from_str(&home.read(".cupola/models/shop/moves.json")).unwrap();
    moves.iter().filter(|one| one["alias"] == "production").count()
}

#[test]
fn a_version_that_is_worse_in_use_is_rolled_back_once() {
    let home = home("http://127.0.0.1:9", "", "new_data = true");
    home.json(&PASS);
    let server = serve(&home, "");
    use_it(&server, "before", 60, false);
    turn(&home, 1000, true);
    let promoted = pass(&home, &server.url);
    let found = states(&promoted);
    assert_eq!(found[found.len() - 3..], ["gated", "measured", "promoted"], "{promoted}");
    assert_eq!((&promoted["pass"], alias(&home)), (&json!("following"), json!(2)));
    let measured = &promoted["records"].as_array().unwrap()[found.len() - 2]["figures"];
    assert_eq!((&measured["requests"], &measured["version"]), (&json!(60), &json!(1)), "{promoted}");
    assert!(measured["right"].as_u64().unwrap() > 50, "{promoted}");
    // New data waits, and it is told until when.
    assert!(promoted["following"]["until"].as_str().unwrap().ends_with('Z'), "{promoted}");
    assert_eq!(promoted["following"]["version"], 2);
    let told = home.run(&["watch", "list"]);
    assert!(told.stdout.contains("follows the promotion of version 2 until"), "{}", told.stdout);
    soon("version 2 is served", || served(&server)["version"] == 2);
    // Few requests say nothing; a server that is away is told.
    assert_eq!(states(&pass(&home, &server.url)), [""; 0]);
    let away = pass(&home, "http://127.0.0.1:9");
    assert!(away["following"]["notes"][0].as_str().unwrap().contains("does not answer"), "{away}");
    // The world did not turn after all.
    use_it(&server, "after", 60, false);
    let back = pass(&home, &server.url);
    assert_eq!(states(&back), ["live", "rolled_back"], "{back}");
    let live = &back["records"][0];
    assert_eq!((&live["worse"], &live["newer"]["requests"]), (&json!(true), &json!(60)), "{back}");
    assert!(back["records"][1]["why"].as_str().unwrap().contains("of predictions are right"), "{back}");
    assert_eq!((alias(&home), moves(&home)), (json!(1), 3));
    soon("version 1 is served again", || served(&server)["version"] == 1);
    // A kill between the move and its record: the next pass finds the move made.
    let path = ".cupola/watch/shop/journal.jsonl";
    let text = home.read(path);
    let cut = text.trim_end().rfind('\n').unwrap() + 1;
    home.write(path, &text[..cut]);
    assert_eq!(states(&pass(&home, &server.url)), ["rolled_back"]);
    assert_eq!((alias(&home), moves(&home)), (json!(1), 3));
    let ends = journal(&home).iter().filter(|record| record["state"] == "rolled_back").count();
    assert_eq!(ends, 1);
}

#[test]
fn a_canary_decides_before_the_alias_moves() {
    let live = "canary = { alias = \"candidate\", within = \"3s\" }\naccuracy = 0.05\n";
    let home = home("http://127.0.0.1:9", live, "new_data = true");
    home.json(&PASS);
    let candidate = || {
        let text = home.read(".cupola/models/shop/aliases.json");
        serde_json::from_str::<Value>(&text).unwrap()["candidate"].clone()
    };
    assert_eq!((alias(&home), candidate()), (json!(1), json!(1)));
    let server = serve(&home, "[model.canary]\nserve = 'shop@candidate'\nweight = 0.5\n");
    let try_one = |from: usize, version: u64| {
        turn(&home, from, true);
        let trying = pass(&home, &server.url);
        assert_eq!((&trying["pass"], states(&trying).last().unwrap().as_str()), (&json!("trying"), "canary"));
        assert_eq!((alias(&home), candidate()), (json!(1), json!(version)));
        soon("the canary is served", || served(&server)["canary"]["version"] == version);
    };
    try_one(1000, 2);
    use_it(&server, "first", 120, false);
    let end = pass(&home, &server.url);
    assert_eq!(states(&end), ["tried", "rejected"], "{end}");
    assert!(end["records"][1]["why"].as_str().unwrap().starts_with("the canary: "), "{end}");
    assert_eq!((alias(&home), candidate(), moves(&home)), (json!(1), json!(1), 1));
    // A canary that is right: the verdict falls at the end of its time.
    try_one(3333, 3);
    use_it(&server, "second", 120, true);
    std::thread::sleep(Duration::from_secs(3));
    let end = pass(&home, &server.url);
    assert_eq!(states(&end)[..2], ["tried", "promoted"], "{end}");
    assert_eq!((alias(&home), candidate(), moves(&home)), (json!(3), json!(3), 2));
    // One that nobody asked is not promoted.
    home.write("run.toml", home.read("run.toml").replace("\"24h\"", "\"0s\""));
    assert_eq!(states(&pass(&home, &server.url)).last().unwrap(), "kept");
    turn(&home, 6666, true);
    pass(&home, &server.url);
    std::thread::sleep(Duration::from_secs(3));
    let end = pass(&home, &server.url);
    assert_eq!(states(&end), ["tried", "rejected"], "{end}");
    assert_eq!((alias(&home), candidate()), (json!(3), json!(3)));
}

/// A running watch, killed on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Status of a POST to the address of a receiver.
fn post(url: &str, body: &str, headers: &[(&str, &str)]) -> u16 {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = agent.post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send(body.as_bytes()).map_or(0, |response| response.status().as_u16())
}

#[test]
fn an_alert_by_webhook_begins_a_retraining_at_once() {
    let home = TestHome::new();
    let on = "[watch]\nrecent = \"recent.csv\"\ncooldown = \"0s\"\nrollback.within = \"0s\"\nevery = \"1h\"\n\
              [watch.on.webhook]\nlisten = \"127.0.0.1:0\"\ntoken = \"${WATCH_TOKEN}\"\nsecret = \"${WATCH_SECRET}\"\n";
    home.write("run.toml", format!("{CONFIG}{on}"));
    home.write("rows.csv", rows(300, 0, false));
    home.write("recent.csv", rows(120, 5000, false));
    let words = ["watch", "--config", "run.toml", "--device", "flex"];
    // A secret that is not set is told before anything is done.
    let unset = home.command(&words).env_remove("WATCH_TOKEN").output().unwrap();
    assert_eq!(unset.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unset.stderr).contains("WATCH_TOKEN"));
    let mut command = home.command(&words);
    let child = command.env("WATCH_TOKEN", "tok").env("WATCH_SECRET", "key").stdout(Stdio::piped()).spawn();
    let mut running = Running(child.unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let url = loop {
        let line = lines.next().expect("the watch ended").unwrap();
        if let Some(url) = line.strip_prefix("alerts").and_then(|rest| rest.trim().strip_prefix("POST ")) {
            break url.to_owned();
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    let version = || {
        let text = fs::read_to_string(home.path(".cupola/models/shop/aliases.json")).unwrap_or_default();
        serde_json::from_str::<Value>(&text).map_or(0, |aliases| aliases["production"].as_u64().unwrap_or(0))
    };
    soon_for(Duration::from_mins(2), || version() == 1);
    turn(&home, 1000, true);
    let bearer = [("authorization", "Bearer tok")];
    let firing = "{\"version\":\"4\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\",\"labels\":\
                  {\"alertname\":\"Drift\",\"model\":\"shop\"}}]}";
    assert_eq!(post(&url, firing, &[]), 401);
    assert_eq!(post(&url, firing, &[("authorization", "Bearer key")]), 401);
    assert_eq!(post(&url, firing, &[("x-cupola-signature", "t=1,v1=00")]), 401);
    assert_eq!(post(&url, "[]", &bearer), 400);
    assert_eq!(post(&url, &firing.replace("shop", "other"), &bearer), 200);
    assert_eq!(post(&url, &firing.replace("firing", "resolved"), &bearer), 200);
    assert!(!home.path(".cupola/watch/shop/alerts.jsonl").exists());
    assert_eq!(post(&url, firing, &bearer), 200);
    soon_for(Duration::from_mins(2), || version() == 2);
    let triggered = journal(&home).into_iter().rfind(|record| record["state"] == "triggered").unwrap();
    let trigger = &triggered["triggers"][0];
    assert_eq!((&trigger["name"], &trigger["why"]), (&json!("alert"), &json!("firing: Drift")));
    signal(running.0.id(), "TERM");
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    // The same alert is no reason again.
    turn(&home, 3000, true);
    let next = home.json(&PASS);
    assert_eq!(next["look"]["evidence"]["triggers"], json!([]), "{next}");
}

#[track_caller]
fn soon_for(limit: Duration, mut is: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is() {
        assert!(began.elapsed() < limit, "it takes too long");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_champion_whose_folder_is_gone_is_told_with_the_way_out() {
    let home = home("http://127.0.0.1:9", "", "new_data = true");
    home.json(&PASS);
    let folder = home.path(".cupola/models/shop/1");
    fs::rename(&folder, home.path("away")).unwrap();
    let output = home.run(&PASS);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("whose folder is gone"), "{}", output.stderr);
    assert!(output.stderr.contains("aliases.json"), "{}", output.stderr);
    fs::rename(home.path("away"), &folder).unwrap();
    assert_eq!(home.run(&PASS).code, Some(0));
    // A look is a look with `--once` too.
    home.json(&[&PASS[..], &["--dry-run"]].concat());
}
