//! Passwords and tokens in plain text within the address of a source.

use std::ops::Range;

/// Text in place of a secret that is not shown.
const HIDDEN: &str = "...";
/// Names of URL parameters whose values are secrets.
const PARAMETERS: [&str; 35] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "sslpassword",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "auth_token",
    "api_token",
    "id_token",
    "refresh_token",
    "private_token",
    "api_key",
    "api-key",
    "apikey",
    "x-api-key",
    "access_key",
    "secret_key",
    "sig",
    "signature",
    "x-amz-signature",
    "x-amz-security-token",
    "x-goog-signature",
    "auth",
    "authorization",
    "auth_key",
    "authkey",
    "app_key",
    "appid",
    "jwt",
    "bearer",
    "credentials",
    "subscription-key",
];
/// Names that also have harmless values: only a long one of letters and digits is a secret.
const SOMETIMES: [&str; 3] = ["key", "code", "session"];
/// Parts of the names of a driver's options whose values are secrets.
const OPTIONS: [&str; 8] =
    ["password", "passphrase", "pwd", "token", "secret", "private_key", "api_key", "credential"];

/// Range of a password or token in plain text; `None` if each secret is written as `${NAME}`, or there is none.
pub fn plain_secret(source: &str) -> Option<Range<usize>> {
    of_users(source).or_else(|| of_parameters(source))
}

/// Address with `...` in place of passwords and tokens in plain text.
pub fn masked_source(source: &str) -> String {
    let mut masked = source.to_owned();
    while let Some(range) = plain_secret(&masked) {
        masked.replace_range(range, HIDDEN);
    }
    masked
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value != HIDDEN && !value.contains("${")
}

/// `true` for a value like the keys that services hand out.
fn is_random(value: &str) -> bool {
    let has = |kind: fn(&char) -> bool| value.chars().any(|c| kind(&c));
    value.len() >= 16 && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
}

/// Password of `SCHEME://USER:PASSWORD@HOST`, wherever in the text that stands; the token of `https://TOKEN@HOST`.
fn of_users(source: &str) -> Option<Range<usize>> {
    for (at, _) in source.match_indices("://") {
        let web = ["http", "https"].iter().any(|scheme| source[..at].to_lowercase().ends_with(scheme));
        if let Some(range) = of_authority(source, at + 3, web) {
            return Some(range);
        }
    }
    None
}

/// Password in the text from `start` on, which begins with `USER:PASSWORD@HOST`.
fn of_authority(source: &str, start: usize, web: bool) -> Option<Range<usize>> {
    let rest = &source[start..];
    let end = find(rest, &['/', '?', '#', '&']).unwrap_or(rest.len());
    let authority = &rest[..end];
    let found = match rfind(authority, '@') {
        Some(at) => match find(&authority[..at], &[':']) {
            Some(colon) => colon + 1..at,
            None if web => 0..at,
            None => return None,
        },
        // A password may hold a slash, although a URL must not.
        None if !authority.starts_with('[') => {
            let colon = find(authority, &[':'])?;
            let is_port = authority[colon + 1..].bytes().all(|byte| byte.is_ascii_digit());
            let at = rfind(rest, '@').filter(|at| !is_port && *at > end && !authority.contains(','))?;
            colon + 1..at
        }
        None => return None,
    };
    is_plain(&rest[found.clone()]).then(|| start + found.start..start + found.end)
}

/// Secret among the parameters of a URL, or among the options of a driver.
fn of_parameters(source: &str) -> Option<Range<usize>> {
    let driver = source.starts_with("adbc:");
    let mut start = find(source, &['?'])? + 1;
    for pair in split(&source[start..]) {
        let after = start + pair.len() + 1;
        if let Some(equals) = pair.find('=') {
            let (key, value) = (decoded(&pair[..equals]).to_lowercase(), &pair[equals + 1..]);
            let secret = if driver {
                OPTIONS.iter().any(|part| key.contains(part)) || key == "uri" && has_password(value)
            } else {
                let key = key.as_str();
                PARAMETERS.contains(&key) || SOMETIMES.contains(&key) && is_random(value)
            };
            if secret && is_plain(value) {
                return Some(start + equals + 1..start + pair.len());
            }
        }
        start = after;
    }
    None
}

/// `true` for the address of a database with a password in plain text; some have no scheme.
fn has_password(value: &str) -> bool {
    let value = decoded(value);
    of_users(&value).is_some() || !value.contains("://") && of_authority(&value, 0, false).is_some()
}

/// Pairs that `&` separates outside of `${...}`.
fn split(text: &str) -> Vec<&str> {
    let (mut pairs, mut rest) = (Vec::new(), text);
    while let Some(at) = find(rest, &['&', '#']) {
        pairs.push(&rest[..at]);
        rest = &rest[at + 1..];
    }
    pairs.push(rest);
    pairs
}

/// First place of a character outside of `${...}`.
fn find(text: &str, marks: &[char]) -> Option<usize> {
    outside(text).find(|(_, c)| marks.contains(c)).map(|(at, _)| at)
}

/// Last place of a character outside of `${...}`.
fn rfind(text: &str, mark: char) -> Option<usize> {
    outside(text).filter(|(_, c)| *c == mark).last().map(|(at, _)| at)
}

/// Characters outside of `${...}` with their places.
fn outside(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut end = 0;
    text.char_indices().filter(move |(at, _)| {
        if *at >= end
            && text[*at..].starts_with("${")
            && let Some(length) = text[*at..].find('}')
        {
            end = at + length + 1;
        }
        *at >= end
    })
}

/// Text with `%26` and the like as the characters that they stand for.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| bytes[at] == b'%');
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_secrets_are_found_and_masked() {
        for (source, masked) in [
            ("postgres://me:pw@db/x", "postgres://me:...@db/x"),
            ("postgres://me:p@w@db/x", "postgres://me:...@db/x"),
            ("mysql://me:p/w@db/x", "mysql://me:...@db/x"),
            ("https://me:pw@host/rows.csv", "https://me:...@host/rows.csv"),
            ("https://ghp_token@host/rows.csv", "https://...@host/rows.csv"),
            ("s3://key:secret@bucket/x.csv", "s3://key:...@bucket/x.csv"),
            ("postgres://db/x?user=me&password=pw", "postgres://db/x?user=me&password=..."),
            ("https://host/api?API_KEY=abc&page=1", "https://host/api?API_KEY=...&page=1"),
            ("https://host/api?q=x&appid=0af9", "https://host/api?q=x&appid=..."),
            ("https://host/api?key=abcdef0123456789", "https://host/api?key=..."),
            ("https://host/api?auth=abc", "https://host/api?auth=..."),
            ("https://host/api?api%5Fkey=abc", "https://host/api?api%5Fkey=..."),
            (
                "https://b.s3.amazonaws.com/x.csv?X-Amz-Signature=abc",
                "https://b.s3.amazonaws.com/x.csv?X-Amz-Signature=...",
            ),
            ("adbc:postgresql?uri=postgresql://me:pw@db/x", "adbc:postgresql?uri=postgresql://me:...@db/x"),
            ("adbc:postgresql?uri=postgresql%3A%2F%2Fme%3Apw%40db", "adbc:postgresql?uri=..."),
            ("adbc:snowflake?uri=me:pw@account/shop", "adbc:snowflake?uri=..."),
            (
                "adbc:snowflake?username=me&adbc.auth_token=t",
                "adbc:snowflake?username=me&adbc.auth_token=...",
            ),
            ("postgres://me:pw@db/x?password=pw", "postgres://me:...@db/x?password=..."),
        ] {
            assert_eq!(masked_source(source), masked);
        }
    }

    #[test]
    fn addresses_without_plain_secrets_are_left_alone() {
        for source in [
            "rows.csv",
            "C:\\data\\rows.csv",
            "postgres://postgres@127.0.0.1:5432/postgres",
            "postgres://me:${PW}@db/x",
            "postgres://me:${file:/run/secrets/db.json#data/password}@db/x?sslmode=require",
            "mysql://${cmd:user}:${cmd:password}@db/x",
            "https://host:8080/@scope/x:1.csv",
            "https://${TOKEN}@host/rows.csv",
            "https://[::1]:8080/rows.csv",
            "https://host/api?api_key=${KEY}&next_token=5&key=name",
            "https://host/api?key=${KEY_OF_THE_SERVICE_1}&session=2024&code=US-CA",
            "kafka://a:9092,b:9092/clicks",
            "delta:s3://lake/flights@12",
            "abfss://container@account.dfs.core.windows.net/x.csv",
            "adbc:sqlite?uri=shop.db",
            "adbc:snowflake?uri=me:${cmd:warehouse}@account/shop&adbc.snowflake.sql.warehouse=small",
            "dataset:flights:3",
            "",
        ] {
            assert_eq!(plain_secret(source), None, "{source}");
        }
    }
}
