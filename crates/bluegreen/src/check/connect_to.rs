//! [`ConnectTo`].

use std::{fmt, net::Ipv6Addr, str::FromStr};

use crate::error::ParseError;

/// The host that a request is sent to instead of the host of its URL: a name or an address, and a
/// port if it is not the URL's. Shown and read as `HOST` or `HOST:PORT`, an IPv6 address in
/// brackets.
///
/// The URL itself stays the same: its host is the `Host` header, and the name that the server's
/// certificate must be valid for. So a load balancer can be asked by its own name while it serves
/// the certificate of the service, as with `curl --connect-to`.
///
/// ```
/// use bluegreen::check::ConnectTo;
///
/// let to: ConnectTo = "chatbot-alb-1.us-east-1.elb.amazonaws.com".parse()?;
/// assert_eq!(to.port(), None);
/// let to: ConnectTo = "[::1]:8443".parse()?;
/// assert_eq!((to.host(), to.port()), ("::1", Some(8443)));
/// assert!("https://chatbot.company.com".parse::<ConnectTo>().is_err());
/// # Ok::<(), bluegreen::error::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConnectTo {
    host: String,
    port: Option<u16>,
}

impl ConnectTo {
    /// The name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; the URL's if there is none.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl FromStr for ConnectTo {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseError::new(format!("`{text}` is neither HOST nor HOST:PORT"));
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(refused)?;
                host.parse::<Ipv6Addr>().map_err(|_| refused())?;
                (host, rest)
            }
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        if host.is_empty() || !host.chars().all(is_plain) {
            return Err(refused());
        }
        let port = match port.strip_prefix(':') {
            Some(port) => Some(
                port.parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(refused)?,
            ),
            None if port.is_empty() => None,
            None => return Err(refused()),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_read_and_nothing_else() {
        for text in [
            "a",
            "a.b-c.com",
            "127.0.0.1:8443",
            "[::1]",
            "[::1]:1",
            "localhost:65535",
        ] {
            let to: ConnectTo = text.parse().unwrap();
            assert_eq!(to.to_string(), text);
        }
        for text in [
            "", ":1", "a:", "a:0", "a:65536", "a:b", "a:1:2", "::1", "[::1", "[a]", "[::1]x",
            "http://a", "a/b", "a b", "u@a",
        ] {
            assert!(text.parse::<ConnectTo>().is_err(), "{text}");
        }
    }
}
