//! Client side of the health check, for containers that have no other program.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::error::Error;

/// Time to connect, and to answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Largest first line of a response in bytes.
const LINE_LIMIT: u64 = 1024;

/// Asks the server at `http://HOST:PORT` if it is ready for requests.
///
/// # Errors
/// [`Error::Health`] if it is not, or does not answer.
pub fn check_ready(url: &str) -> Result<(), Error> {
    let failed = |why: String| Error::Health { url: url.to_owned(), why };
    let Some(host) = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) else {
        return Err(failed("expected http://HOST:PORT".to_owned()));
    };
    let status = ask(host).map_err(|error| failed(error.to_string()))?;
    match status.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(code) => Err(failed(format!("the server is not ready (status {code})"))),
        None => Err(failed("the response is not one of HTTP".to_owned())),
    }
}

/// First line of the response.
fn ask(host: &str) -> std::io::Result<String> {
    let unknown = || std::io::Error::other("the host has no address");
    let address = host.to_socket_addrs()?.next().ok_or_else(unknown)?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /health/ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE_LIMIT)).read_line(&mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_status_200_is_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n\r\n", "?\r\n", ""];
        let server = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                let count = stream.read(&mut request).unwrap();
                assert!(request[..count].starts_with(b"GET /health/ready HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let found: Vec<bool> = answers.iter().map(|_| check_ready(&url).is_ok()).collect();
        assert_eq!(found, [true, false, false, false]);
        server.join().unwrap();
        assert!(check_ready(&url).is_err());
        for url in ["", "localhost:1", "https://localhost:1", "http://", "http://localhost"] {
            assert!(check_ready(url).is_err(), "{url}");
        }
    }
}
