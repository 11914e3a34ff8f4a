use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

/// The behaviour of a server on its one connection after it has read the head of the request.
#[derive(Clone)]
enum Then {
    Answer(Vec<u8>),
    Hang,
    /// Writes these bytes, and leaves the connection open.
    AnswerAndHang(Vec<u8>),
}

/// A server for one connection: its URL, and in the end the head of the request.
async fn server(then: Then) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/health", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            let byte = connection.read_u8().await.unwrap();
            head.push(byte);
        }
        match then {
            Then::Answer(bytes) => {
                // The client may hang up in the middle of a body that is too long.
                let _ = connection.write_all(&bytes).await;
            }
            Then::Hang => {
                let _ = connection.read_u8().await;
            }
            Then::AnswerAndHang(bytes) => {
                connection.write_all(&bytes).await.unwrap();
                let _ = connection.read_u8().await;
            }
        }
        String::from_utf8(head).unwrap()
    });
    (url, served)
}

fn answer(head: &str, body: &[u8]) -> Then {
    let mut bytes = format!("HTTP/1.1 {head}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    Then::Answer(bytes)
}

fn client() -> ReqwestClient {
    // The machine's proxy settings must not affect these tests.
    ReqwestClient::built(Client::builder().no_proxy()).unwrap()
}

fn get(url: &str) -> HttpRequest {
    HttpRequest::new("GET", url).with_timeout(Duration::from_secs(20))
}

async fn fails(then: Then, timeout: Duration) -> String {
    let (url, _served) = server(then).await;
    let request = get(&url).with_timeout(timeout);
    client().send(&request).await.unwrap_err().message
}

#[tokio::test]
async fn gives_status_headers_and_body_whatever_the_status() {
    let then = answer("503 Down\r\nContent-Length: 4\r\nX-A: 1", b"down");
    let (url, _served) = server(then).await;
    let answer = client().send(&get(&url)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (503, &b"down"[..]));
    assert_eq!(answer.header("x-a").collect::<Vec<_>>(), ["1"]);
    assert!(answer.took > Duration::ZERO);
}

#[tokio::test]
async fn sends_method_path_headers_body_and_another_host() {
    let (url, served) = server(answer("200 OK\r\nContent-Length: 0", b"")).await;
    let request = HttpRequest::new("POST", format!("{url}?a=1"))
        .with_header("Host", "api.chatbot.company.com")
        .with_header("X-Bluegreen-Test", "green")
        .with_body("{}");
    client().send(&request).await.unwrap();
    let head = served.await.unwrap().to_ascii_lowercase();
    assert!(head.starts_with("post /health?a=1 http/1.1\r\n"), "{head}");
    for line in [
        "host: api.chatbot.company.com",
        "x-bluegreen-test: green",
        "content-length: 2",
    ] {
        assert_eq!(head.matches(line).count(), 1, "{line} in {head}");
    }
    assert_eq!(head.matches("host:").count(), 1, "{head}");
    assert!(head.contains(concat!("user-agent: bluegreen/", env!("CARGO_PKG_VERSION"))));
}

/// The service's name leads nowhere here; its balancer's is a port of this machine.
#[tokio::test]
async fn connects_to_another_host_and_asks_for_the_urls() {
    for (own, wanted) in [("", ""), (":8443", ":8443")] {
        let (url, served) = server(answer("200 OK\r\nContent-Length: 0", b"")).await;
        let place = url
            .trim_start_matches("http://")
            .trim_end_matches("/health");
        let request = get(&format!("http://api.chatbot.invalid{own}/health"))
            .with_connect_to(place.parse().unwrap());
        assert_eq!(client().send(&request).await.unwrap().status, 200);
        let head = served.await.unwrap().to_ascii_lowercase();
        assert!(head.starts_with("get /health http/1.1\r\n"), "{head}");
        let host = format!("host: api.chatbot.invalid{wanted}\r\n");
        assert_eq!(head.matches("host:").count(), 1, "{head}");
        assert!(head.contains(&host), "{head}");
    }
    // The port is the URL's if none is given.
    let (url, served) = server(answer("200 OK\r\nContent-Length: 0", b"")).await;
    let url = url.replace("127.0.0.1", "api.chatbot.invalid");
    let request = get(&url)
        .with_header("Host", "web")
        .with_connect_to("127.0.0.1".parse().unwrap());
    assert_eq!(client().send(&request).await.unwrap().status, 200);
    let head = served.await.unwrap().to_ascii_lowercase();
    assert!(head.contains("host: web\r\n"), "{head}");

    let request = get("https://127.0.0.1/").with_connect_to("localhost".parse().unwrap());
    let failure = client().send(&request).await.unwrap_err();
    assert!(
        failure.message.contains("the URL has an address"),
        "{failure}"
    );
}

/// The server's certificate is that of the URL's host, though the client connects to another host.
#[tokio::test]
async fn a_certificate_is_held_against_the_urls_host_wherever_the_client_connects_to() {
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{
            ServerConfig,
            pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        },
    };

    const AUTHORITY: &[u8] = include_bytes!("../../../testdata/tls/authority.pem");
    let certificate = include_bytes!("../../../testdata/tls/certificate.pem");
    let key = include_bytes!("../../../testdata/tls/key.pem");
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let served = tokio::spawn(async move {
        let mut greeted = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            // A client that does not trust the certificate hangs up.
            let Ok(mut connection) = acceptor.accept(connection).await else {
                continue;
            };
            let name = connection.get_ref().1.server_name().map(str::to_owned);
            let mut head = [0; 4096];
            // A client that trusts the certificate but finds another name in it asks nothing
            // either.
            let Ok(1..) = connection.read(&mut head).await else {
                continue;
            };
            greeted.push(name);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup";
            connection.write_all(answer).await.unwrap();
            let _ = connection.shutdown().await;
            if greeted.len() == 2 {
                break;
            }
        }
        greeted
    });
    let trusting = ReqwestClient::with_authorities(AUTHORITY).unwrap();
    let to =
        |host: &str| get(&format!("https://{host}/health")).with_connect_to(place.parse().unwrap());
    let own = to("api.chatbot.invalid");
    assert_eq!(trusting.send(&own).await.unwrap().body, b"up");

    let failure = client().send(&own).await.unwrap_err().message;
    assert!(
        failure.contains("certificate"),
        "no client trusts it: {failure}"
    );
    let other = trusting.send(&to("other.chatbot.invalid")).await;
    let failure = other.unwrap_err().message;
    assert!(
        failure.contains("api.chatbot.invalid"),
        "it is of another name: {failure}"
    );

    assert_eq!(trusting.send(&own).await.unwrap().status, 200);
    let own = Some("api.chatbot.invalid".to_owned());
    assert_eq!(served.await.unwrap(), [own.clone(), own]);
}

#[test]
fn a_certificate_of_another_name_is_answered_with_a_way() {
    let failure = |advice| {
        let what = "cannot connect: invalid peer certificate: certificate not valid for name";
        advised(HttpFailure::new(what), advice).message
    };
    assert!(failure(true).contains("`connect_to`"));
    assert!(!failure(false).contains("`connect_to`"));
}

#[tokio::test]
async fn sends_user_name_and_password_of_the_url_as_basic_authentication() {
    let (url, served) = server(answer("200 OK\r\nContent-Length: 0", b"")).await;
    let url = url.replace("http://", "http://user:secret@");
    client().send(&get(&url)).await.unwrap();
    let head = served.await.unwrap().to_ascii_lowercase();
    assert!(
        head.contains("authorization: basic dxnlcjpzzwnyzxq="),
        "{head}"
    );
}

#[tokio::test]
async fn follows_no_redirect() {
    let head = "302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0";
    let (url, _served) = server(answer(head, b"")).await;
    assert_eq!(client().send(&get(&url)).await.unwrap().status, 302);
}

#[tokio::test]
async fn gives_up_on_a_server_that_hangs_before_or_within_its_answer() {
    let body = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec();
    for then in [Then::Hang, Then::AnswerAndHang(body)] {
        let message = fails(then, Duration::from_millis(200)).await;
        assert_eq!(message, "no whole answer within 200ms");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_failure() {
    let then = answer("200 OK\r\nContent-Length: 10", b"half");
    let message = fails(then, Duration::from_secs(20)).await;
    assert!(message.starts_with("the body broke off: "), "{message}");
}

#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_a_failure_with_and_without_a_length() {
    let body = vec![b'x'; LARGEST_BODY + 1];
    for head in [
        format!("200 OK\r\nContent-Length: {}", body.len()),
        "200 OK\r\nConnection: close".to_owned(),
    ] {
        let message = fails(answer(&head, &body), Duration::from_secs(20)).await;
        assert_eq!(message, "the body is larger than 1 MiB");
    }
    let then = answer("200 OK\r\nConnection: close", &body[1..]);
    let (url, _served) = server(then).await;
    let answer = client().send(&get(&url)).await.unwrap();
    assert_eq!(answer.body.len(), LARGEST_BODY);
}

#[tokio::test]
async fn a_port_that_refuses_and_an_answer_that_is_no_http_are_failures() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let message = client().send(&get(&url)).await.unwrap_err().message;
    assert!(message.starts_with("cannot connect: "), "{message}");

    let then = Then::Answer(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec());
    let message = fails(then, Duration::from_secs(20)).await;
    assert!(message.starts_with("no answer: "), "{message}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let _served = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read_u8().await;
        let _ = connection
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await;
    });
    let message = client().send(&get(&url)).await.unwrap_err().message;
    assert!(message.starts_with("cannot connect: "), "{message}");
}

#[tokio::test]
async fn p12_no_failure_shows_a_part_of_the_request() {
    let closed = "http://user:canary-1@127.0.0.1:1/x?token=canary-2";
    let requests = [
        get(closed).with_header("X-Token", "canary-3"),
        get(closed).with_header("X-Token", "canary\n4"),
        get(closed)
            .with_body("canary-5")
            .with_timeout(Duration::from_millis(1)),
        get("http://user:canary-6@[x?canary-7"),
        HttpRequest::new("CANARY 8", closed),
    ];
    for request in requests {
        let failure = client().send(&request).await.unwrap_err();
        let shown = format!("{failure} {failure:?}").to_lowercase();
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn authorities_that_cannot_be_read_are_refused() {
    for bad in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    ] {
        let error = ReqwestClient::with_authorities(bad.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{bad}");
    }
}
