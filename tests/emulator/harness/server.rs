//! One emulator as a child process.

use std::{
    fmt,
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::FileExt as _,
    process::{ChildStdin, Command, Stdio},
};

use super::{REGION, venv::Venv};
use crate::patience::{PATIENCE, wait_for};

/// Which emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emulator {
    /// For Elastic Load Balancing.
    Moto,
    /// For CloudWatch.
    Ministack,
}

impl Emulator {
    /// A path that answers 200 once the server serves.
    fn ready_path(self) -> &'static str {
        match self {
            Self::Moto => "/moto-api/",
            Self::Ministack => "/_ministack/health",
        }
    }
}

impl fmt::Display for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Moto => "moto",
            Self::Ministack => "ministack",
        })
    }
}

/// A running emulator. It ends with this process in every case, because its standard input is closed
/// then.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    _stdin: ChildStdin,
}

impl Server {
    /// Starts an emulator with these variables in its environment, and waits until it serves.
    pub(crate) fn start(emulator: Emulator, venv: &Venv, env: &[(&str, String)]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulator/serve.py");
        let log = tempfile::tempfile().expect("make a log file");
        let mut child = Command::new(venv.python())
            .args([script, &emulator.to_string()])
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().expect("another handle"))
            .spawn()
            .expect("run Python of the virtual environment");
        let stdout = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("read the port");
        let port = line.trim().parse();
        let server = Self {
            port: port.unwrap_or_else(|_| panic!("{emulator} gave no port: {}", end_of(&log))),
            _stdin: child.stdin.take().expect("it is piped"),
        };
        wait_for(
            || format!("answer of {emulator}: {}", end_of(&log)),
            || {
                if let Ok(Some(status)) = child.try_wait() {
                    panic!("{emulator} ended with {status}: {}", end_of(&log));
                }
                server.is_ready(emulator.ready_path()).then_some(())
            },
        );
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Posts a form that no SDK would send, and returns the body of a 200, or else the whole answer.
    /// The emulators check no signature, but read the service from it.
    pub(crate) fn post(&self, service: &str, form: &str) -> Result<String, String> {
        let head = format!(
            "POST / HTTP/1.0\r\nHost: 127.0.0.1\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/{service}\
             /aws4_request, SignedHeaders=host, Signature=0\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n",
            form.len()
        );
        let answer = self.exchange(&format!("{head}{form}"));
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if is_ok(head) => Ok(body.to_owned()),
            _ => Err(answer),
        }
    }

    /// Makes an S3 bucket.
    pub(crate) fn make_bucket(&self, bucket: &str) {
        let request =
            format!("PUT /{bucket} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
        let answer = self.exchange(&request).expect("it answers");
        assert!(is_ok(&answer), "{answer}");
    }

    /// Sets how many calls moto serves before it asks IAM. The body must be no form.
    pub(super) fn ask_iam_after(&self, calls: u32) {
        let body = calls.to_string();
        let head = format!(
            "POST /moto-api/reset-auth HTTP/1.0\r\nHost: 127.0.0.1\r\n\
             Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = self.exchange(&format!("{head}{body}")).expect("it answers");
        assert!(is_ok(&answer), "{answer}");
    }

    fn is_ready(&self, path: &str) -> bool {
        self.exchange(&format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"))
            .is_ok_and(|answer| is_ok(&answer))
    }

    fn exchange(&self, request: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

fn is_ok(answer: &str) -> bool {
    answer.split(' ').nth(1) == Some("200")
}

/// The end of what a server wrote.
fn end_of(log: &File) -> String {
    let mut bytes = vec![0; 1 << 20];
    // The server shares the file position, so this read must not move it.
    let read = log.read_at(&mut bytes, 0).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..read]);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
