//! The host at which each service is asked: one resolution for the clients of the SDK and for the
//! store of the journals.

use std::{collections::BTreeMap, fmt};

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use url::{Position, Url};

use crate::preflight::Finding;

/// A service that this crate calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    ElasticLoadBalancing,
    CloudWatch,
    Ecs,
    Ecr,
    Scheduler,
    ApplicationAutoScaling,
    Sts,
    Iam,
    Sns,
    S3,
}

impl Service {
    const ALL: [Self; 10] = [
        Self::ElasticLoadBalancing,
        Self::CloudWatch,
        Self::Ecs,
        Self::Ecr,
        Self::Scheduler,
        Self::ApplicationAutoScaling,
        Self::Sts,
        Self::Iam,
        Self::Sns,
        Self::S3,
    ];

    /// Its id, from which the variable `AWS_ENDPOINT_URL_…` and the key in a `[services]` section
    /// are made ([list](https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html)).
    fn id(self) -> &'static str {
        match self {
            Self::ElasticLoadBalancing => "Elastic Load Balancing v2",
            Self::CloudWatch => "CloudWatch",
            Self::Ecs => "ECS",
            Self::Ecr => "ECR",
            Self::Scheduler => "Scheduler",
            Self::ApplicationAutoScaling => "Application Auto Scaling",
            Self::Sts => "STS",
            Self::Iam => "IAM",
            Self::Sns => "SNS",
            Self::S3 => "S3",
        }
    }
}

/// The message about an endpoint that is not a URL.
pub(crate) const NO_URL: &str = "not a URL such as https://HOST:PORT (it is not shown, since it may hold a \
    password)";

/// The endpoint of each service that is not asked at the host of its region.
#[derive(Debug, Clone, Default)]
pub(crate) struct Endpoints(BTreeMap<Service, Endpoint>);

impl Endpoints {
    pub(crate) fn of(config: &SdkConfig) -> Self {
        let found = Service::ALL.into_iter().filter_map(|service| {
            let url = configured(config, service)?;
            Some((service, Endpoint::new(&url)))
        });
        Self(found.collect())
    }

    /// The endpoint that is configured for a service.
    pub(crate) fn get(&self, service: Service) -> Option<&Endpoint> {
        self.0.get(&service)
    }

    /// One note for each endpoint that is not AWS's.
    pub(crate) fn notes(&self) -> Vec<Finding> {
        let mut services: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (service, endpoint) in &self.0 {
            if !endpoint.is_of_aws() {
                services
                    .entry(endpoint.as_str())
                    .or_default()
                    .push(service.id());
            }
        }
        services
            .into_iter()
            .map(|(url, services)| {
                let services = match services[..] {
                    [only] => format!("{only} is"),
                    _ => format!("{} are", services.join(", ")),
                };
                Finding::note(match url {
                    NOWHERE => format!(
                        "{services} not asked at all: the endpoint in the configuration is {NO_URL}"
                    ),
                    url => {
                        format!("{services} asked at {url}, which is not an endpoint of AWS")
                    }
                })
            })
            .collect()
    }
}

/// The endpoint that the configuration names for a service.
///
/// An endpoint that the program itself set comes first. Then, as in all AWS tools
/// ([reference](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html)): the
/// service's variable, `AWS_ENDPOINT_URL`, the service's key in the profile's `[services]` section,
/// the profile's `endpoint_url`; but none of these if the configuration says
/// `ignore_configured_endpoint_urls`.
fn configured(config: &SdkConfig, service: Service) -> Option<String> {
    let common = config.endpoint_url();
    if config.get_origin("endpoint_url").is_client_config() {
        return common.map(str::to_owned);
    }
    let load = |id: &str| {
        let key = ServiceConfigKey::builder()
            .service_id(id)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url");
        config.service_config()?.load_config(key.build().ok()?)
    };
    // The reference and the other tools write `elastic_load_balancing_v2` in a `[services]`
    // section; the SDK for Rust looks for `elastic-load-balancing-v2` alone. Both are taken.
    let underscored = load(&service.id().replace(' ', "_"));
    let own = underscored
        .filter(|url| Some(url.as_str()) != common)
        .or_else(|| load(service.id()));
    let is_given = |url: &String| !url.trim().is_empty();
    let own = own.filter(is_given);
    own.or_else(|| common.map(str::to_owned)).filter(is_given)
}

/// The URL of an endpoint, without user and password.
///
/// User and password could not be sent in any case, since the signature takes the header that they
/// would need. Left out here, they reach no message. A text that is not a URL is left out as a
/// whole, since no part of it can be told from a password. Then nothing is asked, above all not AWS
/// itself, which the configuration did not mean.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(String);

/// An address at which a connection fails at once, without a name to look up.
const NOWHERE: &str = "http://127.0.0.1:0";

impl Endpoint {
    fn new(url: &str) -> Self {
        Self(without_user(url).unwrap_or_else(|| NOWHERE.to_owned()))
    }

    /// Whether it is a URL. An endpoint that is not is refused for each service alike.
    pub(crate) fn is_url(&self) -> bool {
        self.0 != NOWHERE
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(any(feature = "store", test))]
    pub(crate) fn is_plain(&self) -> bool {
        self.0
            .get(..7)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
    }

    fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or(&*self.0, |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = &rest[..end];
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        match authority.rsplit_once(':') {
            Some((host, port)) if is_port(port) => host,
            _ => authority,
        }
    }

    /// Whether the host is one of AWS's, in any partition: a VPC endpoint or a FIPS one, say.
    fn is_of_aws(&self) -> bool {
        let host = self.host().to_ascii_lowercase();
        let mut all = PARTITIONS.iter().flat_map(|one| [one.suffix, one.dual]);
        all.any(|suffix| {
            let before = host.strip_suffix(suffix);
            before.is_some_and(|before| before.ends_with('.'))
        })
    }
}

/// The URL without user and password, if it is an HTTP URL. An `@` behind the host is refused too:
/// it mostly ends a password that has a slash in it.
fn without_user(url: &str) -> Option<String> {
    let mut url = Url::parse(url.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url[Position::BeforePath..].contains('@') {
        return None;
    }
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url.as_str().trim_end_matches('/').to_owned())
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A partition of AWS: what its regions begin with, and what its hosts end in.
struct Partition {
    #[cfg_attr(
        not(feature = "store"),
        expect(dead_code, reason = "only the host of a journal's S3 is made here")
    )]
    regions: &'static str,
    suffix: &'static str,
    dual: &'static str,
}

/// The partitions of `partitions.json` of the AWS SDKs; a test compares them.
const PARTITIONS: [Partition; 8] = [
    partition("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    partition("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    partition("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    partition("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    partition("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    partition("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    partition("us-gov-", "amazonaws.com", "api.aws"),
    // All other regions.
    partition("", "amazonaws.com", "api.aws"),
];

const fn partition(regions: &'static str, suffix: &'static str, dual: &'static str) -> Partition {
    Partition {
        regions,
        suffix,
        dual,
    }
}

/// AWS's own S3 of a region, by `use_fips` and `use_dual_stack`
/// ([hosts](https://docs.aws.amazon.com/general/latest/gr/s3.html)).
#[cfg(feature = "store")]
pub(crate) fn s3_of(region: &str, config: &SdkConfig) -> String {
    let mut partitions = PARTITIONS.iter();
    let own = partitions.find(|one| region.starts_with(one.regions));
    let suffix = own.map_or("amazonaws.com", |one| one.suffix);
    let name = match config.use_fips() {
        Some(true) => "s3-fips",
        _ => "s3",
    };
    let stack = match config.use_dual_stack() {
        Some(true) => ".dualstack",
        _ => "",
    };
    format!("https://{name}{stack}.{region}.{suffix}")
}

#[cfg(test)]
#[expect(
    deprecated,
    reason = "the types that replace these are of a crate that nothing else here needs"
)]
pub(super) mod testing {
    use aws_config::{
        ConfigLoader,
        profile::profile_file::{ProfileFileKind, ProfileFiles},
    };

    use crate::aws::loader;

    /// A profile `p`. A region is always in it, so that nothing is asked over the network.
    pub(in crate::aws) fn profile(rest: &str) -> ProfileFiles {
        let text = format!("[profile p]\nregion = eu-west-1\n{rest}\n");
        let files = ProfileFiles::builder();
        files.with_contents(ProfileFileKind::Config, text).build()
    }

    /// The loader of the environment, with that profile.
    pub(in crate::aws) fn loader_of(rest: &str) -> ConfigLoader {
        loader().profile_files(profile(rest)).profile_name("p")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::{testing::loader_of, *};

    async fn read(rest: &str) -> SdkConfig {
        loader_of(rest).no_credentials().load().await
    }

    async fn endpoints(rest: &str) -> Vec<(Service, String)> {
        let Endpoints(found) = Endpoints::of(&read(rest).await);
        let found = found.into_iter();
        found.map(|(one, url)| (one, url.0)).collect()
    }

    #[tokio::test]
    async fn without_a_setting_each_service_is_asked_at_its_own_host() {
        assert_eq!(endpoints("").await, []);
        let ignored = "ignore_configured_endpoint_urls = true\nendpoint_url = http://127.0.0.1:1\n\
            services = s\n[services s]\ns3 =\n  endpoint_url = http://127.0.0.1:2";
        assert_eq!(endpoints(ignored).await, []);
        assert_eq!(Endpoints::of(&read(ignored).await).notes(), []);
    }

    #[tokio::test]
    async fn one_setting_of_the_profile_is_for_every_service() {
        let found = endpoints("endpoint_url = http://127.0.0.1:1").await;
        let all = Service::ALL.map(|service| (service, "http://127.0.0.1:1".to_owned()));
        assert_eq!(found, all);
    }

    #[tokio::test]
    async fn both_spellings_of_a_key_in_a_services_section_are_taken() {
        for key in ["elastic_load_balancing_v2", "elastic-load-balancing-v2"] {
            let text = format!(
                "endpoint_url = http://127.0.0.1:1\nservices = s\n[services s]\n{key} =\n  \
                 endpoint_url = http://127.0.0.1:2\ns3 =\n  endpoint_url = http://127.0.0.1:3"
            );
            for (service, url) in endpoints(&text).await {
                let port = match service {
                    Service::ElasticLoadBalancing => 2,
                    Service::S3 => 3,
                    _ => 1,
                };
                assert_eq!(
                    url,
                    format!("http://127.0.0.1:{port}"),
                    "{key}: {service:?}"
                );
            }
        }
    }

    #[tokio::test]
    async fn the_spelling_of_the_reference_comes_first() {
        let text = "services = s\n[services s]\nelastic-load-balancing-v2 =\n  \
            endpoint_url = http://127.0.0.1:1\nelastic_load_balancing_v2 =\n  \
            endpoint_url = http://127.0.0.1:2";
        let found = endpoints(text).await;
        let expected = (
            Service::ElasticLoadBalancing,
            "http://127.0.0.1:2".to_owned(),
        );
        assert_eq!(found, [expected]);
    }

    #[test]
    fn an_endpoint_of_the_program_comes_before_all_others() {
        let config = SdkConfig::builder()
            .endpoint_url("http://127.0.0.1:1")
            .build();
        let found = Endpoints::of(&config);
        let s3 = found.get(Service::S3).map(Endpoint::as_str);
        assert_eq!(s3, Some("http://127.0.0.1:1"));
    }

    #[test]
    fn p12_user_and_password_of_an_endpoint_are_left_out() {
        for (given, kept) in [
            ("http://me:secret@127.0.0.1:1/x", "http://127.0.0.1:1/x"),
            ("http://me:secr@et@host", "http://host"),
            ("https://secret@host/", "https://host"),
            ("HTTP:/me:secret@host", "http://host"),
            ("http:secret@host", "http://host"),
            ("  http://[::1]:9 ", "http://[::1]:9"),
        ] {
            let endpoint = Endpoint::new(given);
            assert!(endpoint.is_url(), "{given}");
            assert_eq!(endpoint.as_str(), kept);
            assert!(!format!("{endpoint:?}").contains("secr"));
        }
    }

    #[tokio::test]
    async fn p12_an_endpoint_that_is_no_url_is_neither_shown_nor_asked() {
        for given in [
            "me:secret@127.0.0.1:1",
            "//me:secret@127.0.0.1:1",
            "me://me:secret@host",
            "http://me:sec/ret@127.0.0.1:1",
            "http://me:1/secret@host",
            "http://me:secret@127.0.0.1:port",
            "http://me:secret@1.2.3.4.5",
            "secret",
        ] {
            let endpoint = Endpoint::new(given);
            assert_eq!(endpoint.as_str(), NOWHERE, "{given}");
            assert!(!endpoint.is_url());
            let text = format!("endpoint_url = {given}");
            let [note] = &Endpoints::of(&read(&text).await).notes()[..] else {
                panic!("{given}: one note for all services");
            };
            assert!(note.message.contains("S3 are not asked at all"), "{note}");
            assert!(!note.message.contains("secret"), "{note}");
        }
    }

    #[tokio::test]
    async fn endpoints_that_are_not_of_aws_are_named_once_each() {
        let text = "endpoint_url = http://me:secret@127.0.0.1:1\nservices = s\n[services s]\n\
            s3 =\n  endpoint_url = https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com\necr =\n  \
            endpoint_url = https://amazonaws.com.example.org";
        let notes = Endpoints::of(&read(text).await).notes();
        let said: Vec<&str> = notes.iter().map(|note| note.message.as_str()).collect();
        assert_eq!(
            said,
            [
                "Elastic Load Balancing v2, CloudWatch, ECS, Scheduler, Application Auto Scaling, STS, IAM, SNS \
                 are asked at http://127.0.0.1:1, which is not an endpoint of AWS",
                "ECR is asked at https://amazonaws.com.example.org, which is not an endpoint of AWS",
            ]
        );
    }

    #[test]
    fn hosts_of_aws_are_known_in_every_partition() {
        for (url, is_of_aws) in [
            ("https://s3.eu-west-1.amazonaws.com", true),
            ("https://S3.cn-north-1.AMAZONAWS.com.cn:443/x", true),
            ("https://ecs.us-gov-west-1.api.aws", true),
            ("https://s3.us-iso-east-1.c2s.ic.gov", true),
            ("https://amazonaws.com", false),
            ("https://notamazonaws.com", false),
            ("http://localhost:4566", false),
            ("http://[::1]:4566", false),
            ("https://host/s3.amazonaws.com", false),
        ] {
            assert_eq!(Endpoint::new(url).is_of_aws(), is_of_aws, "{url}");
        }
    }

    /// The SDK has the same table, and shows it only through its own hosts.
    #[test]
    fn the_partitions_are_those_of_the_sdk() {
        use aws_sdk_scheduler::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
        for region in [
            "us-east-1",
            "ap-southeast-7",
            "mx-central-1",
            "xx-unknown-1",
            "cn-north-1",
            "cn-northwest-1",
            "us-gov-west-1",
            "us-iso-west-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "us-isof-south-1",
            "eusc-de-east-1",
        ] {
            let own = PARTITIONS
                .iter()
                .find(|one| region.starts_with(one.regions))
                .unwrap();
            for (is_dual, suffix) in [(false, own.suffix), (true, own.dual)] {
                let params = Params::builder()
                    .region(region.to_owned())
                    .use_dual_stack(is_dual)
                    .build()
                    .unwrap();
                let resolver = DefaultResolver::new();
                let found = resolver
                    .resolve_endpoint(&params)
                    .now_or_never()
                    .unwrap()
                    .unwrap();
                assert_eq!(found.url(), format!("https://scheduler.{region}.{suffix}"));
            }
        }
    }

    /// IAM has one host for a partition, and requests are signed for the region of that host.
    #[test]
    fn iam_has_a_host_in_every_partition() {
        use aws_sdk_iam::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
        for (region, host) in [
            ("us-east-1", "https://iam.amazonaws.com"),
            ("eu-west-1", "https://iam.amazonaws.com"),
            ("cn-northwest-1", "https://iam.cn-north-1.amazonaws.com.cn"),
            ("us-gov-east-1", "https://iam.us-gov.amazonaws.com"),
            ("us-iso-west-1", "https://iam.us-iso-east-1.c2s.ic.gov"),
            ("eusc-de-east-1", "https://iam.eusc-de-east-1.amazonaws.eu"),
        ] {
            let params = Params::builder().region(region.to_owned()).build();
            let resolver = DefaultResolver::new();
            let found = resolver.resolve_endpoint(&params.unwrap()).now_or_never();
            assert_eq!(found.unwrap().unwrap().url(), host, "{region}");
        }
    }

    #[cfg(feature = "store")]
    #[test]
    fn s3_has_a_host_of_its_own_in_every_partition() {
        let plain = SdkConfig::builder().build();
        let fips = SdkConfig::builder().use_fips(true).build();
        let dual = SdkConfig::builder().use_dual_stack(true).build();
        for (region, config, host) in [
            ("eu-west-1", &plain, "s3.eu-west-1.amazonaws.com"),
            ("cn-north-1", &plain, "s3.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", &plain, "s3.us-gov-west-1.amazonaws.com"),
            (
                "us-gov-west-1",
                &fips,
                "s3-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                &dual,
                "s3.dualstack.cn-north-1.amazonaws.com.cn",
            ),
            ("us-isob-east-1", &plain, "s3.us-isob-east-1.sc2s.sgov.gov"),
            ("eusc-de-east-1", &plain, "s3.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(s3_of(region, config), format!("https://{host}"));
        }
    }
}
