//! Notifications to listeners of this process.

use std::sync::Arc;
use std::time::Duration;

use cupola_spec::parse_serve;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::telemetry::AlertMetrics;

const RULE: &str = "[alerts]\nevery = '1s'\ngroup_wait = '0.1s'\ngroup_interval = '1s'\n[[alert]]\nname = 'Queue'\nwhen = { kind = 'metric', metric = 'queue', above = 10 }\n";
const LONG: Duration = Duration::from_secs(20);

/// A request as a listener got it.
struct Received {
    head: String,
    body: String,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.ok()?;
        head.push(byte[0]);
    }
    let mut received = Received { head: String::from_utf8(head).unwrap(), body: String::new() };
    let length = received.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    received.body = String::from_utf8(body).unwrap();
    Some(received)
}

/// Listener that answers with these status codes in turn, the last one for ever.
async fn listener(statuses: &'static [u16]) -> (String, mpsc::UnboundedReceiver<Received>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut answered = 0;
        while let Ok((mut stream, _)) = socket.accept().await {
            while let Some(received) = read_request(&mut stream).await {
                let status = statuses[answered.min(statuses.len() - 1)];
                answered += 1;
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = sender.send(received);
            }
        }
    });
    (url, receiver)
}

async fn next(receiver: &mut mpsc::UnboundedReceiver<Received>) -> Received {
    tokio::time::timeout(LONG, receiver.recv()).await.unwrap().unwrap()
}

fn watch(text: &str, folder: &std::path::Path) -> Arc<AlertWatch> {
    let spec = parse_serve("serve.toml", text).unwrap();
    Arc::new(AlertWatch::open(&spec, folder.join("alerts.json"), AlertMetrics::default()).unwrap())
}

/// Stops a server, so that another one has its file.
async fn stop(watch: Arc<AlertWatch>, task: tokio::task::JoinHandle<()>) {
    task.abort();
    let _ = task.await;
    watch.write();
    while Arc::strong_count(&watch) > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn metrics() -> MetricsText {
    Arc::new(|| "queue{model=\"m\"} 11\n".to_owned())
}

#[tokio::test]
async fn a_webhook_gets_a_signed_message_after_failures_and_a_restart_tells_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (url, mut requests) = listener(&[503, 429, 200]).await;
    // Every process has this variable.
    let secret = std::env::var("PATH").unwrap();
    let text = format!("{RULE}[[notify]]\nkind = 'webhook'\nurl = '{url}/hook'\nsecret = '${{PATH}}'\n");
    let first = watch(&text, folder.path());
    let task = tokio::spawn(Arc::clone(&first).run(metrics()));
    let received = next(&mut requests).await;
    let id = received.json()["id"].clone();
    for _ in 0..2 {
        let received = next(&mut requests).await;
        assert_eq!(received.json()["id"], id);
        let signed = received.header("x-cupola-signature").unwrap();
        let time = signed.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
        assert_eq!(signed, signature(secret.as_bytes(), time, received.body.as_bytes()));
        let body = received.json();
        assert_eq!((&body["status"], &body["alerts"][0]["labels"]["model"]), (&"firing".into(), &"m".into()));
    }
    while first.status()["receivers"][0]["waiting"] != 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop(first, task).await;
    let second = watch(&text, folder.path());
    assert_eq!(second.status()["alerts"][0]["status"], "firing");
    tokio::spawn(Arc::clone(&second).run(metrics()));
    assert!(tokio::time::timeout(Duration::from_secs(3), requests.recv()).await.is_err());
}

#[tokio::test]
async fn a_receiver_that_is_down_delays_no_other_and_its_messages_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (url, mut requests) = listener(&[200]).await;
    let text = format!(
        "{RULE}[[notify]]\nkind = 'webhook'\nname = 'down'\nurl = 'http://127.0.0.1:9/token-in-the-address'\n[[notify]]\nkind = 'slack'\nurl = '{url}'\n"
    );
    let first = watch(&text, folder.path());
    let task = tokio::spawn(Arc::clone(&first).run(metrics()));
    let received = next(&mut requests).await;
    assert!(received.json()["text"].as_str().unwrap().starts_with("[FIRING:1] Queue m"), "{}", received.body);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let status = first.status();
    let down = &status["receivers"][0];
    assert_eq!((&down["name"], &down["waiting"]), (&"down".into(), &1.into()));
    let trouble = down["trouble"].as_str().unwrap();
    assert!(!trouble.is_empty() && !trouble.contains("token-in-the-address"), "{trouble}");
    stop(first, task).await;
    // The receiver is back at another address.
    let (up, mut late) = listener(&[200]).await;
    let second = watch(&text.replace("http://127.0.0.1:9/token-in-the-address", &up), folder.path());
    tokio::spawn(Arc::clone(&second).run(metrics()));
    assert_eq!(next(&mut late).await.json()["alerts"][0]["labels"]["alertname"], "Queue");
}

#[tokio::test]
async fn a_refused_message_is_dropped_and_an_alertmanager_gets_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let (refusing, mut refused) = listener(&[400]).await;
    let (manager, mut snapshots) = listener(&[200]).await;
    let text = format!(
        "{RULE}[[notify]]\nkind = 'slack'\nurl = '{refusing}'\n[[notify]]\nkind = 'alertmanager'\nurl = '{manager}/'\n"
    );
    let watch = watch(&text, folder.path());
    tokio::spawn(Arc::clone(&watch).run(metrics()));
    next(&mut refused).await;
    let received = next(&mut snapshots).await;
    assert!(received.head.starts_with("POST /api/v2/alerts "), "{}", received.head);
    let alert = &received.json()[0];
    assert_eq!(alert["labels"]["alertname"], "Queue");
    assert!(alert["endsAt"].as_str() > alert["startsAt"].as_str());
    while watch.status()["receivers"][0]["waiting"] != 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(watch.status()["receivers"][0]["trouble"].as_str().unwrap().contains("400"));
}

/// Mail server that accepts one message and returns its lines.
async fn mail_server() -> (String, tokio::task::JoinHandle<String>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        let (stream, _) = socket.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 test ESMTP\r\n").await.unwrap();
        let (mut all, mut in_data) = (String::new(), false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap() == 0 {
                return all;
            }
            all.push_str(&line);
            let answer = match line.trim_end() {
                "." if in_data => "250 queued\r\n",
                _ if in_data => continue,
                "DATA" => {
                    in_data = true;
                    "354 go on\r\n"
                }
                _ => "250 ok\r\n",
            };
            in_data = in_data && answer.starts_with("354");
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer == "250 queued\r\n" {
                return all;
            }
        }
    });
    (address, task)
}

#[tokio::test]
async fn a_mail_goes_to_all_receivers() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mail) = mail_server().await;
    let text = format!(
        "{RULE}[[notify]]\nkind = 'email'\nserver = '{server}'\nencryption = 'none'\nfrom = 'cupola@example.com'\nto = ['a@example.com', 'B <b@example.com>']\n"
    );
    tokio::spawn(watch(&text, folder.path()).run(metrics()));
    let mail = tokio::time::timeout(LONG, mail).await.unwrap().unwrap();
    for part in
        ["RCPT TO:<a@example.com>", "RCPT TO:<b@example.com>", "Subject: [FIRING:1] Queue m", "queue is 11"]
    {
        assert!(mail.contains(part), "{part}: {mail}");
    }
}

#[test]
fn invalid_rules_receivers_and_silences_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let open = |text: &str| {
        let spec = parse_serve("serve.toml", text).unwrap();
        AlertWatch::open(&spec, folder.path().join("a.json"), AlertMetrics::default()).map(|_| ())
    };
    for (text, part) in [
        ("[[alert]]\nname='a'\nwhen={kind='latency',objective=0.9,within_ms=120}\n", "use one of 0.25, 0.5"),
        ("[[alert]]\nname='a'\nwhen={kind='errors',objective=1.0}\n", "objective"),
        ("[[alert]]\nname='a'\nwhen={kind='metric',metric='b'}\n", "`above` or `below`"),
        ("[[notify]]\nkind='slack'\nurl='${NO_SUCH_VARIABLE}'\n", "export NO_SUCH_VARIABLE"),
        ("[[notify]]\nkind='slack'\nurl='ftp://a'\n", "https://"),
        (
            "[[notify]]\nkind='slack'\nurl='http://a'\n[[notify]]\nkind='slack'\nurl='http://b'\n",
            "set `name`",
        ),
    ] {
        let error = open(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let watch = watch(RULE, folder.path());
    watch.check("queue{model=\"m\"} 11\n");
    let silence = |json: &str| watch.silence(serde_json::from_str(json).unwrap(), "key");
    let added = silence(r#"{"matchers": [{"name": "model", "value": "m"}], "minutes": 60}"#).unwrap();
    assert_eq!(watch.status()["alerts"][0]["silenced_by"], added.id.as_str());
    assert!(watch.unsilence(&added.id) && !watch.unsilence(&added.id));
    for json in [
        r#"{"matchers": [], "minutes": 60}"#,
        r#"{"matchers": [{"name": "model", "value": "m"}]}"#,
        r#"{"matchers": [{"name": "model", "value": "m"}], "until": "tomorrow"}"#,
        r#"{"matchers": [{"name": "model", "value": "m"}], "until": "2001-01-01T00:00:00Z"}"#,
    ] {
        let error = silence(json).unwrap_err().to_string();
        assert!(error.starts_with("invalid silence: "), "{error}");
    }
}

#[test]
fn a_damaged_file_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("alerts.json"), "{\"engine\": 3").unwrap();
    assert_eq!(watch(RULE, folder.path()).status()["alerts"], serde_json::json!([]));
    assert!(folder.path().join("alerts.damaged.json").exists());
}

#[test]
fn a_second_server_keeps_its_alerts_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let silence = r#"{"matchers": [{"name": "model", "value": "m"}], "minutes": 60}"#;
    let silence = || serde_json::from_str(silence).unwrap();
    let first = watch(RULE, folder.path());
    let kept = first.silence(silence(), "a").unwrap();
    let second = watch(RULE, folder.path());
    assert_eq!(second.status()["silences"], serde_json::json!([]));
    second.silence(silence(), "b").unwrap();
    second.check("queue{model=\"m\"} 11\n");
    assert_eq!(second.status()["alerts"][0]["status"], "firing");
    drop((first, second));
    let third = watch(RULE, folder.path()).status();
    assert_eq!((&third["silences"][0]["id"], &third["alerts"]), (&kept.id.into(), &serde_json::json!([])));
}

/// Checks twice, with more than the wait of a group between.
fn check_past_the_wait(watch: &AlertWatch) {
    for _ in 0..2 {
        watch.check("queue{model=\"m\"} 11\n");
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
}

#[test]
fn messages_wait_for_the_name_of_their_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str| {
        let text =
            format!("{RULE}[[notify]]\nkind = 'webhook'\nname = '{name}'\nurl = 'http://127.0.0.1:9/'\n");
        watch(&text.replace("group_wait = '0.1s'", "group_wait = '0.01s'"), folder.path())
    };
    let waiting = |watch: &AlertWatch| watch.status()["receivers"][0]["waiting"].clone();
    let first = named("old");
    check_past_the_wait(&first);
    assert_eq!(waiting(&first), 1);
    drop(first);
    let second = named("new");
    assert_eq!(waiting(&second), 0);
    second.write();
    drop(second);
    let path = folder.path().join("alerts.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(waiting(&named("old")), 1);
    let mut stored: Value = serde_json::from_str(&text).unwrap();
    let since = stored["outboxes"]["old"]["unclaimed"].as_i64().unwrap();
    stored["outboxes"]["old"]["unclaimed"] = (since - 90_000).into();
    std::fs::write(&path, stored.to_string()).unwrap();
    named("new").write();
    assert_eq!(waiting(&named("old")), 0);
}

#[test]
fn identifiers_of_messages_are_not_repeated_once_the_file_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{RULE}[[notify]]\nkind = 'webhook'\nurl = 'http://127.0.0.1:9/'\n");
    let id = || {
        let watch = watch(&text.replace("group_wait = '0.1s'", "group_wait = '0.01s'"), folder.path());
        check_past_the_wait(&watch);
        let path = folder.path().join("alerts.json");
        let stored: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        std::fs::remove_file(path).unwrap();
        stored["outboxes"]["webhook"]["waiting"][0]["id"].as_str().unwrap().to_owned()
    };
    assert_ne!(id(), id());
}
