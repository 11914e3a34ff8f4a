//! One request and its answer, read as a whole, for proxies that depend on the operation.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

/// A request, read to its end.
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn of(client: &TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(client);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = header(&head, "content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or_default()];
        reader.read_exact(&mut body)?;
        Ok(Self { head, body })
    }

    /// `Action` of the form, or the end of the target that a JSON protocol names.
    pub(super) fn operation(&self) -> String {
        let form = String::from_utf8_lossy(&self.body);
        let mut fields = form.split('&');
        let action = fields.find_map(|field| field.strip_prefix("Action="));
        let target = header(&self.head, "x-amz-target");
        let target = target.and_then(|target| target.rsplit('.').next());
        action.or(target).unwrap_or_default().to_owned()
    }

    pub(super) fn is_read(operation: &str) -> bool {
        let reads = ["Describe", "Get", "List"];
        reads.iter().any(|read| operation.starts_with(read))
    }

    /// Sends the request to the server over a new connection, and returns the answer.
    pub(super) fn send(&self, upstream: &str) -> io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(upstream)?;
        let mut lines = self.head.trim_end().split("\r\n");
        let mut head = lines.next().unwrap_or_default().to_owned();
        for line in lines.filter(|line| !is_named(line, "connection")) {
            head.push_str("\r\n");
            head.push_str(line);
        }
        write!(server, "{head}\r\nConnection: close\r\n\r\n")?;
        server.write_all(&self.body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

fn is_named(line: &str, name: &str) -> bool {
    let found = line.split_once(':');
    found.is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.split("\r\n");
    let line = lines.find(|line| is_named(line, name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

/// Sends an answer, and closes the connection, which the client would otherwise keep for its next request.
pub(super) fn reply(client: &mut TcpStream, answer: &[u8]) -> Option<()> {
    let line = answer.windows(2).position(|end| end == b"\r\n")? + 2;
    let (status, rest) = answer.split_at(line);
    client.write_all(status).ok()?;
    client.write_all(b"Connection: close\r\n").ok()?;
    client.write_all(rest).ok()
}

/// Returns when the client has gone.
pub(super) fn wait_for_its_end(mut client: TcpStream) -> Option<()> {
    io::copy(&mut client, &mut io::sink()).ok().map(drop)
}
