//! One emulator as a child process.

use std::{
    fmt,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use super::{
    REGION,
    venv::{self, Venv},
};

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

/// A running emulator. Ends when dropped, a panic included; should this process be killed, it
/// ends by itself, because its standard input then does.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    port: u16,
    log: PathBuf,
}

/// How often a new server is asked whether it is ready, and how long between: a minute.
const ASKS: usize = 600;
const BETWEEN_ASKS: Duration = Duration::from_millis(100);

impl Server {
    /// Starts an emulator and waits until it serves.
    pub(crate) fn start(emulator: Emulator, venv: &Venv) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = format!("{emulator}-{}-{number}.log", std::process::id());
        let log = venv::emulators().join(log);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulator/serve.py");
        let mut child = Command::new(venv.python())
            .args([script, &emulator.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("make a log file"))
            .spawn()
            .expect("run Python of the virtual environment");
        let stdout = child.stdout.take().expect("it is piped");
        let mut server = Self {
            child,
            port: 0,
            log,
        };
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("read the port");
        server.port = line
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{emulator} gave no port: {}", server.log()));
        for _ in 0..ASKS {
            if server.is_ready(emulator.ready_path()) {
                return server;
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("{emulator} ended with {status}: {}", server.log());
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "a real process is waited for in real time"
            )]
            thread::sleep(BETWEEN_ASKS);
        }
        panic!("{emulator} does not answer: {}", server.log());
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Posts a form as nobody's SDK would shape it, and gives the answer's body if it is a 200;
    /// else all of the answer. The emulators check no signature, but find the service in it.
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

    fn is_ready(&self, path: &str) -> bool {
        self.exchange(&format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"))
            .is_ok_and(|answer| is_ok(&answer))
    }

    fn exchange(&self, request: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// The end of what it wrote.
    fn log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

fn is_ok(answer: &str) -> bool {
    answer.split(' ').nth(1) == Some("200")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            let _ = fs::remove_file(&self.log);
        }
    }
}
