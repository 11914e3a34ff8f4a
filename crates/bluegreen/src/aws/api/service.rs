//! An AWS service as a table of the calls that this crate makes.

/// Generates from a table the trait of an AWS service, its implementation through the SDK, and a wrapper that
/// [counts](super::Counting) the calls and asks the fence. `$prefix` is the prefix of the service's IAM
/// actions. Each line is a call: its effect, its method, its
/// name at AWS, and the SDK's input builder and output.
///
/// Reads go through a client with retries, mutations through a client without: a mutation whose answer was
/// lost may have happened. `$interceptor` sees the calls of both clients first.
macro_rules! service {
    (
        $(#[$about:meta])*
        $api:ident, $real:ident, $sdk:ident, $prefix:literal $([$interceptor:expr])?;
        $($effect:ident $call:ident $operation:ident($input:ident) -> $output:ident;)+
    ) => {
        #[cfg_attr(test, mockall::automock)]
        #[async_trait::async_trait]
        pub(crate) trait $api: std::fmt::Debug + Send + Sync {
            $(
                async fn $call(
                    &self,
                    input: $sdk::operation::$call::builders::$input,
                ) -> Result<$sdk::operation::$call::$output, super::ApiError>;
            )+
        }

        $(#[$about])*
        #[derive(Debug)]
        pub(crate) struct $real {
            reads: $sdk::Client,
            mutations: $sdk::Client,
        }

        impl $real {
            pub(crate) fn new(
                to: super::Clients<'_>,
                endpoint: Option<&$crate::aws::endpoints::Endpoint>,
            ) -> Self {
                Self {
                    reads: client!($sdk, to, to.reads, endpoint $(, $interceptor)?),
                    mutations: client!($sdk, to, to.mutations, endpoint $(, $interceptor)?),
                }
            }

            fn client(&self, effect: super::error::Effect) -> &$sdk::Client {
                match effect {
                    super::error::Effect::Read => &self.reads,
                    super::error::Effect::Mutation => &self.mutations,
                }
            }
        }

        #[async_trait::async_trait]
        impl $api for $real {
            $(
                async fn $call(
                    &self,
                    input: $sdk::operation::$call::builders::$input,
                ) -> Result<$sdk::operation::$call::$output, super::ApiError> {
                    let effect = super::error::Effect::$effect;
                    let sent = input.send_with(self.client(effect)).await;
                    sent.map_err(|error| {
                        super::ApiError::from_sdk(stringify!($operation), effect, error)
                    })
                }
            )+
        }

        #[async_trait::async_trait]
        impl $api for super::Counting<dyn $api> {
            $(
                async fn $call(
                    &self,
                    input: $sdk::operation::$call::builders::$input,
                ) -> Result<$sdk::operation::$call::$output, super::ApiError> {
                    let effect = super::error::Effect::$effect;
                    let sent = self.inner.$call(input);
                    self.pass($prefix, effect, stringify!($operation), sent).await
                }
            )+
        }
    };
}
