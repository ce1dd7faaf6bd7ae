//! Access to a server by keys and tokens, and signatures of packages.

use serde_json::Value;

use crate::serving::{PREDICT, rows, soon, test_home};

#[test]
fn a_server_with_keys_requires_one_with_the_scope() {
    let home = test_home();
    let add = |scope: &str, more: &[&str]| -> String {
        let mut args = vec!["keys", "add", "--name", "t", "--scope", scope];
        args.extend(more);
        home.json(&args)["key"].as_str().unwrap().to_owned()
    };
    let output =
        home.run(&["serve", "--model", "blobs", "--host", "0.0.0.0", "--port", "0", "--device", "flex"]);
    assert!(output.code == Some(2) && output.stderr.contains("there are no keys"), "{}", output.stderr);
    let (own, other) = (add("predict:blobs", &[]), add("predict:other", &[]));
    let (slow, admin, scraper) = (add("predict", &["--rate", "1"]), add("admin", &[]), add("metrics", &[]));
    let server = home.serve(&["--model", "blobs", "--grpc-port", "0", "--admin-port", "0"]);
    let ask = |key: &str| {
        let bearer = format!("Bearer {key}");
        server.post(PREDICT, rows(), &[("authorization", &bearer)]).status
    };
    assert_eq!(server.get("/health/ready").status, 200);
    let none = server.post(PREDICT, rows(), &[]);
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!((ask("cpl_x_y"), ask(&own), ask(&other), ask(&admin)), (401, 200, 403, 200));
    assert_eq!((ask(&slow), ask(&slow)), (200, 429));
    // Metrics and administration are on a port of their own.
    let bearer = format!("Bearer {scraper}");
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(server.post("/v2/repository/index", "", &headers).status, 404);
    // The server notices a revoked key within a second or two.
    let id = own.split('_').nth(1).unwrap();
    home.json(&["keys", "revoke", id]);
    soon("the key is revoked", || ask(&own) == 401);
    let listed = home.json(&["keys", "list"]);
    assert!(listed.as_array().unwrap().len() == 4 && !listed.to_string().contains("sha256"));
    let audit = home.read(".cupola/audit.jsonl");
    assert!(audit.lines().any(|line| line.contains("\"status\":401")), "{audit}");
}

#[test]
fn tokens_of_an_identity_provider_grant_their_scopes() {
    let golden: Value =
        serde_json::from_str(include_str!("../crates/serving/src/access/golden/jwt.json")).unwrap();
    let home = test_home();
    home.write("jwks.json", golden["jwks"].to_string());
    let jwt = "[jwt]\nissuer = 'https://id.example'\naudience = 'cupola'\njwks = 'jwks.json'\nrate = 5.0\n";
    home.write("serve.toml", format!("[[model]]\nserve = 'blobs'\n{jwt}"));
    let server = home.serve(&["--config", "serve.toml"]);
    let ask = |path: &str, token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|b| ("authorization", b.as_str())).collect();
        server.post(path, rows(), &headers).status
    };
    let good = |name: &str| golden["good"][name].as_str().unwrap();
    assert_eq!(ask(PREDICT, None), 401);
    assert_eq!(ask(PREDICT, Some(good("RS256"))), 200);
    assert_eq!(ask(PREDICT, Some(good("EdDSA"))), 200);
    assert_eq!(ask("/v1/models/other/predict", Some(good("ES256"))), 403);
    assert_eq!(ask("/v2/repository/models/blobs/unload", Some(good("ES256"))), 403);
    for bad in golden["bad"].as_object().unwrap().values() {
        assert_eq!(ask(PREDICT, bad.as_str()), 401);
    }
    // All tokens have the same subject, so they share its rate limit.
    assert!((0..10).any(|_| ask(PREDICT, Some(good("PS256"))) == 429));
    home.write("jwks.json", "{}");
    let output = home.run(&["serve", "--config", "serve.toml", "--device", "flex", "--port", "0"]);
    assert!(
        output.code == Some(2) && output.stderr.contains("jwks.json: expected a JWK set; check `[jwt]`"),
        "{}",
        output.stderr
    );
}

#[test]
fn only_signed_packages_are_served_if_signers_are_trusted() {
    let home = test_home();
    let key = include_str!("../crates/registry/src/golden/signer.pub").trim();
    home.write("serve.toml", format!("trusted = ['{key}']\n[[model]]\nserve = 'blobs'\n"));
    let args = ["serve", "--config", "serve.toml", "--device", "flex", "--port", "0"];
    let output = home.run(&args);
    assert!(
        output.code == Some(2) && output.stderr.contains("there is no signature; sign it with"),
        "{}",
        output.stderr
    );
    // Signature of another manifest.
    home.write(
        ".cupola/models/blobs/3/manifest.json.minisig",
        include_str!("../crates/registry/src/golden/manifest.json.minisig"),
    );
    let output = home.run(&args);
    assert!(
        output.code == Some(2) && output.stderr.contains("no trusted key made this signature"),
        "{}",
        output.stderr
    );
    let output = home.run(&["models", "verify", "blobs", "--trusted", key]);
    assert!(
        output.code == Some(2) && output.stderr.contains("no trusted key made this signature"),
        "{}",
        output.stderr
    );
}
