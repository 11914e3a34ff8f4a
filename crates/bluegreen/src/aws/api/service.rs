//! A service as a table of the calls in use.

/// Makes of a table the trait of a service, the real service below it, and what [counts](super::Counting)
/// its calls and asks the fence. A line is a call: its effect, its method, its name at AWS, and the SDK's input
/// builder and output.
///
/// Reads go through a client that repeats them, mutations through one that does not. `$interceptor` sees the
/// calls of both before anything else does.
macro_rules! service {
    (
        $(#[$about:meta])*
        $api:ident, $real:ident, $sdk:ident $([$interceptor:expr])?;
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
                    self.pass(effect, stringify!($operation), self.inner.$call(input)).await
                }
            )+
        }
    };
}
