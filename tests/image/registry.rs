//! A registry of the distribution specification, asked over plain HTTP.

use async_trait::async_trait;
use bluegreen::{
    Error, ErrorKind, Result,
    check::{HttpClient as _, HttpRequest, HttpResponse, ReqwestClient},
    image::{ImageDigest, ImageRegistry, ImageTag, RegistryCredentials, Tagging},
    preflight::Finding,
};
use sha2::{Digest as _, Sha256};

const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

#[derive(Debug, Clone)]
pub(crate) struct CncfRegistry {
    host: String,
    name: String,
    user: String,
    password: String,
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{}", hex.concat())
}

impl CncfRegistry {
    pub(crate) fn new(host: &str, name: &str, user: &str, password: &str) -> Self {
        Self {
            host: host.to_owned(),
            name: name.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    async fn get(&self, tag: &str) -> Result<HttpResponse> {
        let (user, password) = (&self.user, &self.password);
        let url = format!(
            "http://{user}:{password}@{}/v2/{}/manifests/{tag}",
            self.host, self.name
        );
        let request = HttpRequest::new("GET", url).with_header("Accept", MANIFESTS);
        let client = ReqwestClient::new()?;
        client.send(&request).await.map_err(|failure| {
            Error::new(ErrorKind::Unavailable, "ask the registry")
                .with_source(std::io::Error::other(failure.message))
        })
    }

    /// The digest by the registry, and the manifest's bytes.
    pub(crate) async fn manifest(&self, tag: &str) -> Result<(Option<String>, Vec<u8>)> {
        let answer = self.get(tag).await?;
        let header = answer
            .header("docker-content-digest")
            .next()
            .map(str::to_owned);
        Ok((header, answer.body))
    }
}

#[async_trait]
impl ImageRegistry for CncfRegistry {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn repository(&self) -> Result<String> {
        Ok(format!("{}/{}", self.host, self.name))
    }

    async fn ensure_repository(&self) -> Result<String> {
        self.repository().await
    }

    async fn credentials(&self) -> Result<Option<RegistryCredentials>> {
        let (user, password) = (&self.user, &self.password);
        Ok(Some(RegistryCredentials::new(&self.host, user, password)))
    }

    async fn digest(&self, tag: &ImageTag) -> Result<Option<ImageDigest>> {
        let answer = self.get(tag.as_str()).await?;
        match answer.status {
            200 => Ok(Some(sha256(&answer.body).parse().expect("a digest"))),
            404 => Ok(None),
            status => {
                let message = format!("ask the registry: it answered {status}");
                Err(Error::new(ErrorKind::Denied, message))
            }
        }
    }

    async fn tag(&self, _digest: &ImageDigest, _tag: &ImageTag) -> Result<Tagging> {
        let reason = "these tests give no further tag".to_owned();
        Ok(Tagging::Refused { reason })
    }
}
