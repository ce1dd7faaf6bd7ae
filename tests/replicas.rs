//! Several servers of one home that act as one.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::serving::{PREDICT, rows, soon, test_home, version};
use crate::support::Server;

/// Redis on a port.
struct Store(Child);

impl Store {
    /// `None` where it is not installed.
    fn start(port: u16) -> Option<Self> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]);
        command.stdout(Stdio::null()).spawn().ok().map(Self)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Admitted requests of those that two servers get in turn for a time.
fn admitted(servers: &[Server], key: &str, seconds: f64) -> u32 {
    let bearer = format!("Bearer {key}");
    let (began, mut admitted) = (Instant::now(), 0);
    for server in servers.iter().cycle() {
        if began.elapsed().as_secs_f64() >= seconds {
            break;
        }
        let status = server.post(PREDICT, rows(), &[("authorization", &bearer)]).status;
        assert!(status == 200 || status == 429, "{status}");
        admitted += u32::from(status == 200);
    }
    admitted
}

#[test]
fn a_rate_holds_for_two_servers_together_with_and_without_the_store() {
    let home = test_home();
    let port = free_port();
    let Some(store) = Store::start(port) else {
        eprintln!("skipped: redis-server is not installed");
        return;
    };
    home.write(
        "serve.toml",
        format!("[[model]]\nserve = 'blobs'\n[limits]\nshared = 'redis://127.0.0.1:{port}'\n"),
    );
    let add = |more: &[&str]| {
        let mut args = vec!["keys", "add", "--name", "t", "--scope"];
        args.extend(more);
        home.json(&args)["key"].as_str().unwrap().to_owned()
    };
    let (slow, few) = (add(&["predict", "--rate", "10"]), add(&["predict", "--quota", "30"]));
    let admin = format!("Bearer {}", add(&["metrics"]));
    let servers = [home.serve(&["--config", "serve.toml"]), home.serve(&["--config", "serve.toml"])];
    let metric = |server: &Server, line: &str| {
        server.get_with("/metrics", &[("authorization", &admin)]).text.contains(line)
    };
    soon("both servers are known", || {
        servers.iter().all(|server| metric(server, "cupola_limits_replicas{store=\"redis\"} 2"))
    });
    // Ten tokens of the first second and 30 of three seconds. Two servers that count alone admit 80.
    let together = admitted(&servers, &slow, 3.0);
    assert!((25..=55).contains(&together), "{together}");
    let quota = admitted(&servers, &few, 1.5);
    // A server may admit what it was given until the next exchange. Two that count alone admit 60.
    assert!(quota <= 45, "{quota}");
    drop(store);
    soon("the outage is noticed", || {
        servers.iter().all(|server| metric(server, "cupola_limits_store_up{store=\"redis\"} 0"))
    });
    std::thread::sleep(Duration::from_secs(1));
    let alone = admitted(&servers, &slow, 3.0);
    assert!((25..=55).contains(&alone), "{alone}");
    let _store = Store::start(port);
    soon("the store is back", || {
        servers.iter().all(|server| metric(server, "cupola_limits_store_up{store=\"redis\"} 1"))
    });
    assert_eq!(admitted(&servers, &few, 0.3), 0, "the quota of the day is kept");
}

#[test]
fn a_sticky_canary_is_the_same_on_every_server() {
    let home = test_home();
    let text =
        "[[model]]\nserve = 'blobs:1'\n[model.canary]\nserve = 'blobs:2'\nweight = 0.5\nsticky = 'x-user'\n";
    home.write("serve.toml", text);
    let servers = [home.serve(&["--config", "serve.toml"]), home.serve(&["--config", "serve.toml"])];
    let mut second = 0;
    for user in 0..40 {
        let user = format!("user {user}");
        let of = |server: &Server| version(server, &[("x-user", &user)]);
        assert_eq!(of(&servers[0]), of(&servers[1]), "{user}");
        second += u32::from(of(&servers[0]) == 2);
    }
    // Half of 40; four standard deviations are 12.7.
    assert!((7..=33).contains(&second), "{second}");
}

#[test]
fn a_server_that_leaves_answers_and_closes_kept_connections() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--lame-duck", "3"]);
    assert_eq!(server.post(PREDICT, rows(), &[]).header("connection"), None);
    server.terminate();
    soon("it is not ready", || server.get("/health/ready").status == 503);
    let response = server.post(PREDICT, rows(), &[]);
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn an_invalid_store_ends_the_start_and_one_that_is_down_does_not() {
    let home = test_home();
    for (shared, why) in [("redis://db/first", "database"), ("redis://${CUPOLA_NO_SUCH}", "is not set")] {
        home.write("serve.toml", format!("[[model]]\nserve = 'blobs'\n[limits]\nshared = '{shared}'\n"));
        let output = home.run(&["serve", "--config", "serve.toml", "--port", "0", "--device", "flex"]);
        assert!(output.code == Some(2) && output.stderr.contains(why), "{}", output.stderr);
    }
    home.write(
        "serve.toml",
        format!("[[model]]\nserve = 'blobs'\n[limits]\nshared = 'redis://127.0.0.1:{}'\n", free_port()),
    );
    let server = home.serve(&["--config", "serve.toml"]);
    assert_eq!(server.post(PREDICT, rows(), &[]).status, 200);
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("cupola_limits_store_up{store=\"redis\"} 0"), "{metrics}");
    assert!(metrics.contains("cupola_queue_time_share{model=\"blobs\"} "), "{metrics}");
}
